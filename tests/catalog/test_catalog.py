"""What ships is sound, and whatever else stands in a file gets errors that name file, line, key and what is allowed."""

import json
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from culturepark.catalog import fits, scenarios
from culturepark.catalog.coverage import coverage
from culturepark.catalog.files import package_dir
from culturepark.catalog.personas import load_all, load_persona
from culturepark.catalog.surveys import load_items
from culturepark.catalog.talks import EVERYDAY, talk_edition
from culturepark.cli.app import explain, run
from culturepark.domain import SHAPE_SHARES, Edition, Persona, SurveyItem
from culturepark.errors import CatalogError, UsageError
from tests.support.cultures import GROUNDS

PERSONAS = sorted(path for path in package_dir("personas").glob("*.yaml") if "." not in path.stem)
WORDS = sorted(path for path in package_dir("personas").glob("*.yaml") if "." in path.stem)
SCENARIOS = scenarios.shipped_files()
WVS7 = next(Path(scenarios.__file__).parent.rglob("wvs7.yaml"))

CARD = """\
name: Nil Kaya
called: Nil
culture: turkish
role: delegate
gender: woman
age: 34
country: TUR
region: Aegean
place: Ayvalık
settlement: town
work: mends nets
schooling: primary school
faith: Sunni Muslim
observance: fasts in Ramadan
generation: born in 1992
languages: [Turkish]
values:
  - value: keeping one's word
    why: Her father was paid late all his life.
speech:
  directness: direct
  formality: familiar
  manner: Short sentences.
norms:
  - kind: custom
    topic: guests
    text: We put the kettle on before anybody has sat down.
  - kind: norm
    topic: elders
    text: One gets up when an old man comes in.
  - kind: norm
    topic: money
    text: What is owed is brought back on a Friday.
scope: Speaks for herself, not for those who own the boats.
"""

SCENARIO = """\
name: mine
title: My own
setting: cross-cultural
cultures: [turkish, german]
protocol: self-guidance
language: en
seeds:
  - survey: wvs7/Q33
  - key: guest-late
    question: What do you do when a guest comes late?
dialogues_per_seed: 1
max_turns: 12
limits: {max_cost_usd: 1.0}
distill: {keep: [entail], dedup: {threshold: 0.93}}
samples: [survey, open, norm]
"""

SURVEY = """\
survey: mine
title: Tea
source: my own counting
scales:
  yesno:
    - {code: 1, label: "yes", side: 1}
    - {code: 4, label: "no", side: -1}
items:
  A1:
    topic: tea
    question: Do you take sugar in your tea?
    scale: yesno
    countries:
      TUR: {n: 10, shares: {1: 0.5, 4: 0.5}}
"""


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def changed(text: str, old: str, new: str) -> str:
    assert text.count(old) == 1, f"{old!r} must stand once in the text"
    return text.replace(old, new)


def line_of(text: str, piece: str) -> int:
    return text[: text.index(piece)].count("\n") + 1


def error_of(path: Path) -> CatalogError:
    """What `check` has to say about a wrong file. Any other exception fails the test."""
    with pytest.raises(CatalogError) as caught:
        scenarios.check(path)
    fit_to_print(caught.value)
    return caught.value


def fit_to_print(error: Exception) -> None:
    """One line a problem, and nothing in it that could move a cursor."""
    odd = sorted({char for char in str(error) if not char.isprintable() and char != "\n"})
    assert not odd, f"control characters {odd} in {str(error)!r}"
    if isinstance(error, CatalogError):
        assert len(str(error).split("\n")) == len(error.problems)


def has_problem(path: Path, line: int | None, key: str, *words: str) -> None:
    """One of the file's problems stands at that line and key, and says all of `words`."""
    error = error_of(path)
    there = [p for p in error.problems if (Path(p.file).name, p.line, p.key) == (path.name, line, key)]
    assert there, f"no problem at line {line}, key {key!r}; but: {error}"
    assert any(all(word in p.what for word in words) for p in there), f"{words} not all in: {error}"


# --- what ships ------------------------------------------------------------------------------------


def test_every_shipped_file_passes_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", *map(str, [*PERSONAS, *WORDS, *SCENARIOS])]) == 0
    said = capsys.readouterr()
    kinds = Counter(line.rsplit(": ", 1)[1] for line in said.out.splitlines())
    unsourced = "persona (no norm with a `source`), fine"
    assert set(kinds) <= {"persona, fine", unsourced, "words of a card, fine", "scenario, fine"}
    assert kinds["words of a card, fine"] >= 16
    assert kinds["persona, fine"] > kinds[unsourced]
    assert kinds["scenario, fine"] == len(SCENARIOS)
    assert said.err == ""


def test_the_shipped_survey_passes_check_itself() -> None:
    assert scenarios.check(WVS7) == "survey"


def test_the_sides_of_a_shipped_item_are_two_different_sentences() -> None:
    for item in load_items([]).values():
        assert item.poles is not None
        assert len(set(item.poles)) == 2
        assert all(pole[0].isupper() and pole.endswith(".") for pole in item.poles)


@pytest.mark.parametrize(("culture", "country"), GROUNDS.items())
def test_a_culture_has_different_people_from_its_grounding_country(culture: str, country: str) -> None:
    people = [p for p in load_all([]) if p.culture == culture]
    assert len(people) >= 6
    assert len({p.called for p in people}) == len(people)
    assert {(p.role, p.country) for p in people} == {("delegate", country)}
    assert {p.gender for p in people} >= {"woman", "man"}
    assert len({p.settlement for p in people}) > 1
    assert max(p.age for p in people) - min(p.age for p in people) >= 30
    assert len({p.place for p in people}) >= len(people) - 1
    for trait in ("work", "schooling", "generation", "observance", "household", "scope"):
        assert len({getattr(p, trait) for p in people}) == len(people), trait


def test_main_contacts_come_from_a_country_of_which_the_shipped_survey_has_no_shares() -> None:
    mains = [p for p in load_all([]) if p.role == "main"]
    assert [(p.culture, p.country) for p in mains] == [("american", "USA")] * 4
    assert {p.country_name for p in mains} == {"the United States"}
    assert not any("USA" in item.shares for item in load_items([]).values())


@pytest.mark.parametrize("culture", [*GROUNDS, "american"])
def test_the_people_of_a_culture_hold_eight_of_ten_values_between_them(culture: str) -> None:
    people = [p for p in load_all([]) if p.culture == culture]
    assert all(value.schwartz for p in people for value in p.values)
    (counted,) = coverage(people)
    assert sum(bool(group.people) for group in counted.values) >= 8, counted.lacking


def test_every_shipped_person_has_a_household_two_sayings_and_scenes_with_their_origin() -> None:
    for person in load_all([]):
        assert person.household, person.key
        assert len(person.sayings) == 2, person.key
        assert person.episodes, person.key
        assert 8 <= len(person.episodes.scenes) <= 12, person.key
        assert "nobody from there" in person.episodes.origin, person.key


def test_every_answer_to_every_shipped_item_is_rated_for_every_shipped_person() -> None:
    people, items = load_all([]), load_items([])
    assert set(fits.shipped()) == {(person.key, key) for person in people for key in items}
    for (person, key), ratings in fits.shipped().items():
        assert len(ratings) == len(items[key].options), (person, key)
        assert set(ratings) <= {0, 1, 2, 3}, (person, key)
        assert max(ratings) >= 2, f"{person} can hold no answer to {key}"


def test_no_two_shipped_people_share_a_name_or_a_custom() -> None:
    people = load_all([])
    assert len(people) == len(PERSONAS)
    assert len({(p.culture, p.called) for p in people}) == len({p.name for p in people}) == len(people)
    assert all(p.called.casefold() in p.name.casefold() for p in people)  # Cida is short for Maria Aparecida
    told = [norm.text for p in people for norm in p.norms]
    assert len(told) == len(set(told))


def test_quickstart_has_two_cultures_and_one_surveyed_seed() -> None:
    scenario = scenarios.load_edition(scenarios.find("quickstart")).scenario
    assert len(scenario.cultures) == 2
    assert [seed.key for seed in scenario.seeds] == ["wvs7/Q33"]
    assert scenario.seeds[0].item is not None


def test_wvs7_asks_all_fifty_items_in_all_eight_cultures() -> None:
    scenario = scenarios.load_edition(scenarios.find("wvs7")).scenario
    assert list(scenario.cultures) == list(GROUNDS)
    assert len(scenario.seeds) == 50
    assert {seed.key for seed in scenario.seeds} == set(load_items([]))


def test_everyday_norms_has_forty_seeds_and_more_on_ten_subjects_and_no_survey_behind_them() -> None:
    scenario = scenarios.load_edition(scenarios.find("everyday-norms")).scenario
    assert len(scenario.seeds) >= 40
    assert all(seed.item is None for seed in scenario.seeds)
    assert len({seed.question for seed in scenario.seeds}) == len({s.topic for s in scenario.seeds}) == 53
    subjects = Counter(seed.key.split("-")[0] for seed in scenario.seeds)
    assert set(subjects) == {
        "guest", "elder", "wedding", "food", "money", "school", "work", "neighbour", "faith", "grief",
    }  # fmt: skip
    assert min(subjects.values()) >= 4


# --- the survey's figures --------------------------------------------------------------------------

PUBLISHED = {
    ("Q27", "JOR"): {1: 0.8766, 2: 0.1115, 3: 0.0102, 4: 0.0017},
    ("Q28", "KOR"): {1: 0.106, 2: 0.5414, 3: 0.3076, 4: 0.045},
    ("Q33", "TUR"): {1: 0.1786, 2: 0.3433, 3: 0.2179, 4: 0.1774, 5: 0.0828},
    ("Q33", "ARG"): {1: 0.0, 2: 0.1215, 3: 0.1549, 4: 0.7237, 5: 0.0},
    ("Q36", "TUR"): {1: 0.0317, 2: 0.1449, 3: 0.2475, 4: 0.2598, 5: 0.3162},
    ("Q125", "ARG"): {0: 0.2509, 1: 0.2119, 2: 0.5372},
    ("Q132", "TUR"): {1: 0.0573, 2: 0.1586, 3: 0.4029, 4: 0.3812},
    ("Q170", "TUR"): {1: 0.456, 2: 0.3506, 3: 0.1641, 4: 0.0294},
    ("Q196", "ARG"): {1: 0.1901, 2: 0.3183, 3: 0.1597, 4: 0.3319},
    ("Q227", "ARG"): {1: 0.1633, 2: 0.4921, 3: 0.2086, 4: 0.1361},
    ("Q158", "TUR"): {
        1: 0.0142, 2: 0.0125, 3: 0.0359, 4: 0.0551, 5: 0.109, 6: 0.1211, 7: 0.1437, 8: 0.1458, 9: 0.1036, 10: 0.259,
    },
}  # fmt: skip
"""Shares of valid answers as published with the data, item and country."""

NOT_ASKED = {
    "JOR": {"Q36", "Q226"},
    "CHN": {"Q125", *(f"Q{n}" for n in (*range(132, 139), *range(224, 234)))},
}
"""Twenty cells in all: where the published code put missing-value codes into the answers."""


@pytest.mark.parametrize(("item", "country"), PUBLISHED)
def test_the_shares_are_the_published_ones(item: str, country: str) -> None:
    assert load_items([])[f"wvs7/{item}"].shares[country] == PUBLISHED[item, country]


def test_every_cell_of_the_survey_holds_valid_codes_alone_and_sums_to_one() -> None:
    cells = [(item, country, shares) for item in load_items([]).values() for country, shares in item.shares.items()]
    assert len(cells) == 380
    for item, country, shares in cells:
        assert abs(sum(shares.values()) - 1) < 0.001, (item.key, country)
        assert set(shares) == {option.code for option in item.options}, (item.key, country)
        assert all(code >= 0 for code in shares)
        assert all(0 <= share < 1 for share in shares.values())


def test_a_country_is_absent_from_an_item_that_was_not_asked_there() -> None:
    absent: dict[str, set[str]] = {}
    for key, item in load_items([]).items():
        for country in set(GROUNDS.values()) - set(item.shares):
            absent.setdefault(country, set()).add(key.removeprefix("wvs7/"))
    missing = sum(map(len, absent.values()))
    assert missing == 20
    assert absent == NOT_ASKED


def test_a_ten_point_scale_runs_from_one_to_ten() -> None:
    ten = [item for item in load_items([]).values() if len(item.options) > 5]
    assert {item.key for item in ten} == {f"wvs7/Q{n}" for n in range(158, 163)}
    for item in ten:
        assert [option.code for option in item.options] == list(range(1, 11))
        assert all(f"({option.code} out of 10)" in option.label for option in item.options)


def test_every_option_stands_on_the_side_that_its_label_says() -> None:
    negative = ("disagree", "not ", "should not")
    for item in load_items([]).values():
        sides = [option.side for option in item.options]
        assert {-1, 1} <= set(sides)
        assert sides in (sorted(sides), sorted(sides, reverse=True)), item.key
        assert len({option.label for option in item.options}) == len(item.options)
        for option in item.options:
            if option.side:
                assert (option.side < 0) == any(word in option.label for word in negative), option.label


def test_question_sentences_are_questions_and_no_two_are_alike() -> None:
    items = load_items([]).values()
    assert len({item.question for item in items}) == len({item.topic for item in items}) == 50
    assert all(item.question.endswith("?") for item in items)
    assert all("doi:10.14281/18241" in item.source for item in items)


# --- wrong values: file, line, key, what is allowed -------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("age: 34", "age: old", "age", ["integer", "'old'"]),
        ("age: 34", "age: 12", "age", ["16", "'12'"]),
        ("age: 34", "age: [34]", "age", ["integer"]),
        ("age: 34", "age: null", "age", ["integer"]),
        ("age: 34", "age: 34.5", "age", ["integer", "34.5"]),
        ("age: 34", "age: .inf", "age", ["finite"]),
        ("gender: woman", "gender: female", "gender", ["woman", "man", "nonbinary", "'female'"]),
        ("role: delegate", "role: guest", "role", ["main", "delegate", "'guest'"]),
        ("culture: turkish", "culture: turkic", "culture", [*GROUNDS, "american", "'turkic'"]),
        ("country: TUR", "country: Turkey", "country", ["[A-Z]{3}", "'Turkey'"]),
        ("settlement: town", "settlement: farm", "settlement", ["city", "town", "village", "'farm'"]),
        ("place: Ayvalık", "place: 3", "place", ["string", "'3'"]),
        ("place: Ayvalık", "place: '  '", "place", ["at least 1 character"]),
        ("  directness: direct", "  directness: blunt", "speech.directness", ["direct", "indirect", "mixed"]),
        ("  - kind: custom", "  - kind: rite", "norms[1].kind", ["norm", "custom", "'rite'"]),
        ("languages: [Turkish]", "languages: [Turkish, 7]", "languages[2]", ["string", "'7'"]),
        ("languages: [Turkish]", "languages: Turkish", "languages", ["list", "'Turkish'"]),
        ("speech:\n  directness: direct\n", "speech:\n  volume: loud\n", "speech.directness", ["is missing"]),
    ],
)  # fmt: skip
def test_a_wrong_value_in_a_card_is_named_with_line_key_and_what_is_allowed(
    old: str, new: str, key: str, words: list[str], tmp_path: Path
) -> None:
    text = changed(CARD, old, new)
    has_problem(write(tmp_path, "nil.yaml", text), line_of(text, new), key, *words)


def test_an_unknown_culture_in_a_card_is_one_problem(tmp_path: Path) -> None:
    path = write(tmp_path, "nil.yaml", changed(CARD, "culture: turkish", "culture: turkic"))
    assert len(error_of(path).problems) == 1


@pytest.mark.parametrize("key", ["name", "age", "country", "values", "speech", "norms", "scope"])
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    entries = CARD.replace("\n ", "\0 ").splitlines()
    text = "\n".join(e for e in entries if not e.startswith(f"{key}:")).replace("\0", "\n")
    path = write(tmp_path, "nil.yaml", text)
    has_problem(path, 1, key, "is missing")
    assert len(error_of(path).problems) == 1


def test_an_unknown_key_is_an_error_that_lists_the_keys_that_may_stand_there(tmp_path: Path) -> None:
    path = write(tmp_path, "nil.yaml", CARD + "colour: red\n")
    has_problem(path, CARD.count("\n") + 1, "colour", "unknown key", "name", "observance", "scope")
    text = changed(CARD, "  formality: familiar\n", "  formality: familiar\n  volume: loud\n")
    path = write(tmp_path, "nil.yaml", text)
    has_problem(path, line_of(text, "  volume"), "speech.volume", "unknown key", "directness, formality, manner")


def test_a_cards_key_is_the_files_name_and_may_not_stand_in_the_file(tmp_path: Path) -> None:
    assert load_persona(write(tmp_path, "nil-of-ayvalik.yaml", CARD)).key == "nil-of-ayvalik"
    path = write(tmp_path, "nil.yaml", CARD + "key: somebody-else\n")
    has_problem(path, CARD.count("\n") + 1, "key", "unknown key")


def test_the_keys_that_are_offered_in_place_of_an_unknown_one_are_accepted(tmp_path: Path) -> None:
    problem = error_of(write(tmp_path, "nil.yaml", CARD + "colour: red\n")).problems[0]
    offered = problem.what.partition("allowed here: ")[2].split(", ")
    assert set(offered) == set(Persona.model_fields) - {"key"}
    assert set(offered) >= {line.split(":")[0] for line in CARD.splitlines() if line[0].isalpha()}


def test_an_unfit_file_name_is_named_as_the_key(tmp_path: Path) -> None:
    has_problem(write(tmp_path, "Nil Kaya.yaml", CARD), 1, "key", "'Nil Kaya'")


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("role: delegate", "role: main", "role"),
        ("culture: turkish", "culture: american", "role"),
        ("country: TUR", "country: null", "country"),
        ("called: Nil", "called: Nil of Ayvalık", "called"),
    ],
)
def test_what_two_keys_say_together_is_checked_and_placed(old: str, new: str, key: str, tmp_path: Path) -> None:
    text = changed(CARD, old, new)
    has_problem(write(tmp_path, "nil.yaml", text), line_of(text, f"\n{key}:") + 1, key)


def test_a_main_contact_with_a_country_is_an_error(tmp_path: Path) -> None:
    text = CARD.replace("culture: turkish", "culture: american").replace("role: delegate", "role: main")
    error = error_of(write(tmp_path, "nil.yaml", text))
    assert [problem.key for problem in error.problems] == ["country"]
    path = write(tmp_path, "nil.yaml", text.replace("country: TUR", "country: null"))
    assert scenarios.check(path).startswith("persona")


def test_too_few_norms_are_counted_in_words_that_do_not_speak_of_python(tmp_path: Path) -> None:
    text = CARD[: CARD.index("  - kind: norm")] + "scope: Nobody else.\n"
    path = write(tmp_path, "nil.yaml", text)
    has_problem(path, line_of(text, "norms:"), "norms", "at least 3")
    assert "tuple" not in str(error_of(path)).lower()


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("cultures: [turkish, german]", "cultures: [turkish, klingon]", "cultures[2]", [*GROUNDS, "'klingon'"]),
        ("cultures: [turkish, german]", "cultures: turkish", "cultures", ["list", "'turkish'"]),
        ("cultures: [turkish, german]", "cultures: []", "cultures", ["at least 1"]),
        ("cultures: [turkish, german]", "cultures: [american]", "cultures[1]", [*GROUNDS, "'american'"]),
        ("setting: cross-cultural", "setting: cross", "setting", ["in-cultural", "cross-cultural", "panel", "'cross'"]),
        ("protocol: self-guidance", "protocol: chat", "protocol", ["self-guidance", "free-chat", "'chat'"]),
        ("language: en", "language: xx", "language", ["native", "en", "tr", "'xx'"]),
        ("name: mine", "name: My Own", "name", ["'My Own'"]),
        ("  - survey: wvs7/Q33", "  - survey: wvs7/Q999", "seeds[1].survey", ["'wvs7/Q999'", "wvs7"]),
        ("  - survey: wvs7/Q33", "  - topic: guests", "seeds[1]", ["survey", "key", "question"]),
        ("  - survey: wvs7/Q33", "  - survey: wvs7/Q33\n    key: both", "seeds[1]", ["survey", "key"]),
        ("  - survey: wvs7/Q33", "  - survy: wvs7/Q33", "seeds[1].survy", ["survey, key, topic, question"]),
        ("  - survey: wvs7/Q33", "  - wvs7/Q33", "seeds[1]", ["'wvs7/Q33'"]),
        ("dialogues_per_seed: 1", "dialogues_per_seed: 0", "dialogues_per_seed", ["1", "'0'"]),
        ("max_turns: 12", "max_turns: 3", "max_turns", ["4", "'3'"]),
        ("max_turns: 12", "max_turns: 12\npeople: 3", "people", ["panel"]),
        ("max_turns: 12", "people: 9", "people", ["8", "'9'"]),
        ("limits: {max_cost_usd: 1.0}", "limits: {max_cost_usd: -1}", "limits.max_cost_usd", ["0", "'-1'"]),
        ("limits: {max_cost_usd: 1.0}", "limits: {max_cost: 1}", "limits.max_cost", ["max_cost_usd", "max_tokens"]),
        ("{threshold: 0.93}", "{treshold: 0.9}", "distill.dedup.treshold", ["unknown key", "threshold"]),
        ("{threshold: 0.93}", "{threshold: 93}", "distill.dedup.threshold", ["1", "'93'"]),
        ("keep: [entail]", "keep: [entails]", "distill.keep[1]", ["entail", "contradict", "irrelevant", "'entails'"]),
        ("dedup: {", "checks: , dedup: {", "distill.checks", ["nothing behind it"]),
        ("dedup: {", "checks: {judges: 3}, dedup: {", "distill.checks", ["harmlessness", "awareness", "cross_check"]),
        ("dedup: {", "checks: {harmless: {}}, dedup: {", "distill.checks.harmless", [
            "unknown key", "harmlessness, awareness, judges, cross_check"]),
        ("dedup: {", "checks: {awareness: {}}, dedup: {", "distill.checks.awareness.at_least", ["is missing"]),
        ("dedup: {", "checks: {awareness: , cross_check: {}}, dedup: {", "distill.checks.awareness", ["nothing"]),
        ("dedup: {", "checks: {awareness: {at_least: 6}}, dedup: {", "distill.checks.awareness.at_least", ["5", "'6'"]),
        ("dedup: {", "checks: {awareness: 4}, dedup: {", "distill.checks.awareness", ["'4'"]),
        ("dedup: {", "checks: {awareness: {at_least: 4}, judges: 4}, dedup: {", "distill.checks.judges", ["3", "'4'"]),
        ("dedup: {", "checks: {cross_check: {keep: [no]}}, dedup: {", "distill.checks.cross_check.keep[1]", [
            "shared", "varies", "unknown", "denied", "'no'"]),
        ("dedup: {", "checks: {cross_check: {keep: []}}, dedup: {", "distill.checks.cross_check.keep", ["at least 1"]),
        ("samples: [survey, open, norm]", "samples: [poem]", "samples[1]", ["survey", "open", "norm", "'poem'"]),
    ],
)  # fmt: skip
def test_a_wrong_value_in_a_scenario_is_named_with_line_key_and_what_is_allowed(
    old: str, new: str, key: str, words: list[str], tmp_path: Path
) -> None:
    text = changed(SCENARIO, old, new)
    line = line_of(text, "people:" if key == "people" else new)
    has_problem(write(tmp_path, "mine.yaml", text), line, key, *words)


def test_the_same_seed_twice_is_an_error_at_the_second(tmp_path: Path) -> None:
    text = changed(SCENARIO, "  - survey: wvs7/Q33\n", "  - survey: wvs7/Q33\n  - survey: wvs7/Q33\n")
    has_problem(write(tmp_path, "mine.yaml", text), line_of(text, "seeds:") + 2, "seeds[2]", "twice")


def test_a_panel_needs_turns_to_open_and_to_close(tmp_path: Path) -> None:
    text = SCENARIO.replace("cross-cultural", "panel").replace("max_turns: 12", "people: 7\nmax_turns: 12")
    has_problem(write(tmp_path, "mine.yaml", text), line_of(text, "max_turns"), "max_turns", "7 people", "14 turns")


def test_a_panel_that_wants_more_people_than_its_cultures_have_is_refused(tmp_path: Path) -> None:
    text = (
        SCENARIO.replace("cross-cultural", "panel")
        .replace("[turkish, german]", "[portuguese]")
        .replace("max_turns: 12", "people: 8\nmax_turns: 16")
    )
    has_problem(write(tmp_path, "mine.yaml", text), line_of(text, "people"), "people", "portuguese")


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("{1: 0.5, 4: 0.5}", "{1: 0.5, 4: -0.5}", "TUR", ["A1", "TUR", "-0.5"]),
        ("{1: 0.5, 4: 0.5}", "{1: 0.5, 4: many}", "TUR", ["A1", "TUR", "number", "'many'"]),
        ("{1: 0.5, 4: 0.5}", "{1: 0.5, four: 0.5}", "TUR", ["A1", "TUR", "'four'"]),
        ("{1: 0.5, 4: 0.5}", "{1: 0.5, 4: 0.6}", "TUR", ["A1", "TUR", "sum to 1"]),
        ("{1: 0.5, 4: 0.5}", "{1: 0.5, 3: 0.5}", "TUR", ["A1", "TUR", "not on the scale"]),
        ("scale: yesno", "scale: yes", "scale: yes", ["A1", "'yes'", "yesno"]),
        ("n: 10", "n: 0", "TUR", ["A1", "TUR.n", "'0'"]),
        ("TUR:", "tur:", "tur", ["A1", "tur", "[A-Z]{3}"]),
        ("side: -1", "side: 5", "code: 4", ["scales.yesno[2].side", "-1, 0, 1", "'5'"]),
        ("  A1:", "  A 1:", "A 1", ["items", "'A 1'"]),
    ],
)
def test_a_wrong_value_in_a_survey_is_named_with_its_line(
    old: str, new: str, place: str, words: list[str], tmp_path: Path
) -> None:
    text = changed(SURVEY, old, new)
    problems = error_of(write(tmp_path, "survey.yaml", text)).problems
    line = line_of(text, place)
    assert any(p.line == line and all(word in str(p) for word in words) for p in problems), (line, problems)


def test_a_wrong_share_is_named_by_its_code(tmp_path: Path) -> None:
    error = error_of(write(tmp_path, "survey.yaml", changed(SURVEY, "4: 0.5}", "4: 1.5}")))
    assert re.fullmatch(r"items\.A1\.countries\.TUR\.shares(\.4|\[4\])", error.problems[0].key)


def test_a_scale_of_one_answer_is_a_problem_of_the_file_and_no_crash(tmp_path: Path) -> None:
    text = changed(SURVEY, '    - {code: 4, label: "no", side: -1}\n', "").replace("{1: 0.5, 4: 0.5}", "{1: 1.0}")
    assert "yesno" in str(error_of(write(tmp_path, "survey.yaml", text)))


def test_one_code_for_two_answers_is_a_problem(tmp_path: Path) -> None:
    text = changed(SURVEY, "code: 4", "code: 1").replace("{1: 0.5, 4: 0.5}", "{1: 1.0}")
    assert "yesno" in str(error_of(write(tmp_path, "survey.yaml", text)))


def test_a_survey_key_too_long_for_a_seed_is_a_problem_of_the_file_and_no_crash(tmp_path: Path) -> None:
    write(tmp_path, "survey.yaml", SURVEY.replace("survey: mine", "survey: " + "m" * 130))
    text = SCENARIO.replace("wvs7/Q33", "m" * 130 + "/A1") + "surveys: [survey.yaml]\n"
    error_of(write(tmp_path, "mine.yaml", text))


def test_all_problems_of_a_file_are_told_at_once_in_the_order_of_its_lines(tmp_path: Path) -> None:
    text = (
        CARD.replace("gender: woman", "gender: x").replace("age: 34", "age: x").replace("formality: familiar", "a: 1")
    )
    problems = error_of(write(tmp_path, "nil.yaml", text)).problems
    assert [p.key for p in problems] == ["gender", "age", "speech.formality", "speech.a"]
    assert [p.line for p in problems] == [line_of(text, piece) for piece in ("gender", "age", "speech", "  a: 1")]


@pytest.mark.parametrize(
    ("text", "old", "new", "key"),
    [
        (CARD, "place: Ayvalık", 'place: "Ayva\\0lık"', "place"),
        (SCENARIO, "question: What do you do when a guest comes late?", 'question: "What\\0?"', "seeds[2].question"),
    ],
)
def test_text_that_no_database_can_hold_is_refused(text: str, old: str, new: str, key: str, tmp_path: Path) -> None:
    text = changed(text, old, new)
    has_problem(write(tmp_path, "odd.yaml", text), line_of(text, new), key)


def test_one_wrong_norm_is_not_told_as_one_too_few_as_well(tmp_path: Path) -> None:
    path = write(tmp_path, "nil.yaml", changed(CARD, "kind: custom", "kind: rite"))
    assert [problem.key for problem in error_of(path).problems] == ["norms[1].kind"]


def test_check_names_the_problems_of_every_file_it_is_given_and_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "nil.yaml", CARD.replace("age: 34", "age: old"))
    write(tmp_path, "mine.yaml", SCENARIO.replace("setting: cross-cultural", "setting: cross"))
    write(tmp_path, "fine.yaml", SURVEY)
    with pytest.raises(CatalogError) as caught:
        run(["check", "nil.yaml", "mine.yaml", "fine.yaml", "absent.yaml"])
    assert explain(caught.value) == 2
    said = capsys.readouterr()
    bare = "1 without `poles`: small models hardly tell their sides apart"
    assert said.out == f"fine.yaml: survey ({bare}), fine\n"
    first, second, third = said.err.splitlines()
    assert first.startswith("culturepark: nil.yaml:6: age: ")
    assert second.startswith("mine.yaml:3: setting: must be one of ")
    assert third == "absent.yaml: no such file"


# --- files that are no cards at all -------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]\n" for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
)

WRONG_FILES: dict[str, str | bytes] = {
    "empty": "",
    "only a comment": "# nothing\n",
    "a list at the top": "- name: x\n- name: y\n",
    "a word at the top": "hello\n",
    "a number at the top": "3\n",
    "an empty mapping": "{}\n",
    "a duplicate key": CARD + "age: 35\n",
    "an unclosed list": "name: [a, b\n",
    "an unclosed quote": 'name: "a\n',
    "a tab for indentation": "speech:\n\tdirectness: direct\n",
    "wrong indentation": CARD.replace("  formality", "   formality"),
    "two documents": f"---\n{CARD}---\n{CARD}",
    "a binary file": b"\x7fELF\x02\x01\x01\x00\x00\x00\xff\xfe",
    "NUL": b"name: a\x00b\n",
    "an escape character": b"name: \x1b[31mred\n",
    "Latin-1": "place: São Paulo\n".encode("latin-1"),
    "UTF-16": CARD.encode("utf-16"),
    "a lone surrogate": 'name: "\\ud800"\n',
    "unclosed nesting": "name: " + "[" * 5000,
    "deep lists": "name: " + "[" * 300 + "]" * 300,
    "deep mappings": "name: " + "{a: " * 3000 + "}" * 3000,
    "deep keys": "? " + "[" * 2000 + "]" * 2000 + "\n: 3\n",
    "numbers for keys": "1: 2\n3.5: 4\nnull: 5\ntrue: 6\n",
    "a list for a key": "? [1, 2]\n: 3\n",
    "a mapping for a key": "? {a: b}\n: 3\n",
    "a number for an inner key": CARD.replace("  directness:", "  1:"),
    "a huge number": CARD.replace("age: 34", "age: " + "9" * 5000),
    "a huge number in base 16": CARD.replace("age: 34", "age: 0x" + "f" * 5000),
    "a huge float": CARD.replace("age: 34", "age: 1e99999"),
    "not a number": CARD.replace("age: 34", "age: .nan"),
    "an impossible date": CARD.replace("age: 34", "age: 2001-13-45"),
    "a date": CARD.replace("age: 34", "age: 2001-01-01"),
    "a lone point": CARD.replace("age: 34", "age: ._"),
    "half a base": CARD.replace("age: 34", "age: 0x_"),
    "an undefined alias": "name: *nobody\n",
    "an anchor used twice": "a: &x 1\nb: &x 2\n",
    "an alias to itself": "name: &x [*x]\n",
    "an alias to itself in a card": CARD.replace("values:\n", "values: &x [*x]\nolder:\n"),
    "an alias to itself as a key": "? &a [*a]\n: 3\n",
    "an alias bomb": BOMB,
    "an alias bomb in a card": BOMB + CARD.replace("languages: [Turkish]", "languages: *k"),
    "a merge with a number": "<<: 3\n",
    "a Python object": "name: !!python/object/apply:os.system [ls]\n",
    "an unknown tag": "name: !mine x\n",
    "a tagged nothing": CARD.replace("age: 34", 'age: !!int ""'),
    "a tagged empty float": CARD.replace("age: 34", 'age: !!float ""'),
    "a tagged half-truth": CARD.replace("age: 34", "age: !!bool maybe"),
    "a tagged word": CARD.replace("age: 34", "age: !!int abc"),
    "a tagged time": CARD.replace("age: 34", "age: !!timestamp x"),
    "tagged binary": CARD.replace("age: 34", "age: !!binary a"),
    "a tagged set": CARD.replace("age: 34", "age: !!set {a, b}"),
    "another YAML version": "%YAML 9.9\n---\na: 1\n",
}


@pytest.mark.parametrize("what", WRONG_FILES)
def test_a_file_that_is_no_card_gets_a_catalog_error_that_names_it(what: str, tmp_path: Path) -> None:
    error = error_of(write(tmp_path, "odd.yaml", WRONG_FILES[what]))
    assert all(Path(problem.file).name == "odd.yaml" for problem in error.problems)
    assert all(problem.what for problem in error.problems)
    assert len(str(error)) < 20_000


@pytest.mark.parametrize(
    "text", ["name: " + "[" * 200_000 + "]" * 200_000, "- " * 200_000 + "x"], ids=["brackets", "dashes"]
)
@pytest.mark.sampled
def test_nesting_without_end_is_wrong_yaml_and_does_not_take_the_process_down(text: str, tmp_path: Path) -> None:
    path = write(tmp_path, "deep.yaml", text)
    done = subprocess.run([sys.executable, "-m", "culturepark", "check", str(path)], capture_output=True, text=True)
    assert done.returncode == 2, f"ended with {done.returncode}: {done.stderr[:300]}"
    assert "deep.yaml" in done.stderr


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("name: x\nage: 1\nage: 2\n", 3, ["duplicate", "age"]),
        ("name: x\nwork: [a\nage: 3\n", 3, ["not valid YAML"]),
        ("name: x\nage: *nobody\n", 2, ["undefined alias"]),
        ("- x\n", 1, ["mapping"]),
        ("", 1, ["mapping"]),
        ("name: x\n\n7: y\n", 3, ["unknown key"]),
        ("work: x\nname: [a\n", 2, ["not valid YAML"]),
        ("work: x\nname: [a", 2, ["not valid YAML"]),
    ],
)
def test_wrong_yaml_is_placed_at_its_line(text: str, line: int, words: list[str], tmp_path: Path) -> None:
    problems = error_of(write(tmp_path, "odd.yaml", text)).problems
    assert any(p.line == line and all(word in p.what for word in words) for p in problems), problems


@pytest.mark.parametrize("merged", ["*base", "[*other, *base]", "[*base, *other]"])
def test_what_is_merged_is_placed_where_it_stands(merged: str, tmp_path: Path) -> None:
    text = f"name: x\nvalues:\n  - &base\n    max_turns: 3\n  - &other\n    title: x\n<<: {merged}\nsetting: panel\n"
    problems = error_of(write(tmp_path, "odd.yaml", text)).problems
    assert [p.line for p in problems if p.key == "max_turns"] == [4]


def test_its_own_key_comes_before_a_merged_one(tmp_path: Path) -> None:
    text = SCENARIO.replace("max_turns: 12", "max_turns: 3") + "<<: {max_turns: 12}\n"
    has_problem(write(tmp_path, "odd.yaml", text), line_of(text, "max_turns"), "max_turns", "4")


def test_a_bomb_of_merges_is_told_by_its_size(tmp_path: Path) -> None:
    bomb = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10))
    (problem,) = error_of(write(tmp_path, "bomb.yaml", bomb)).problems
    assert (problem.line, problem.what) == (13, "holds more than 300,000 values, aliases counted out")


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.yaml").mkdir()
    write(tmp_path, "big.yaml", b"# " + b"x" * 8_000_001)
    reasons = {name: str(error_of(Path(name))) for name in ("absent.yaml", "folder.yaml", "big.yaml")}
    assert reasons == {
        "absent.yaml": "absent.yaml: no such file",
        "folder.yaml": "folder.yaml: is a folder; a YAML file is wanted",
        "big.yaml": "big.yaml: is larger than 8 MB",
    }


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/null")])
def test_what_has_no_end_is_not_read(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "odd.yaml")
    assert "is a pipe or a device" in str(error_of(tmp_path / "odd.yaml"))
    assert "is a pipe or a device" in str(error_of(own_scenario(tmp_path, "personas: [odd.yaml]\n")))


def test_a_link_that_leads_to_itself_cannot_be_read(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to("loop.yaml")
    error_of(loop)


# --- what a scenario adds ---------------------------------------------------------------------------


def own_scenario(folder: Path, extra: str, seed: str = "mine/A1") -> Path:
    return write(folder, "own.yaml", SCENARIO.replace("wvs7/Q33", seed) + extra)


def test_a_scenario_adds_people_and_surveys_from_paths_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "people").mkdir()
    write(tmp_path, "people/nil.yaml", CARD)
    write(tmp_path, "ada.yml", CARD.replace("called: Nil", "called: Ada").replace("Nil Kaya", "Ada Kaya"))
    write(tmp_path, "tea.yaml", SURVEY)
    path = own_scenario(tmp_path, "personas: [people, ada.yml]\nsurveys: [tea.yaml]\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    edition: Edition = scenarios.load_edition(path)
    assert edition.persona("nil").called == "Nil"
    assert edition.persona("ada").called == "Ada"
    shipped = [path for path in PERSONAS if path.stem.startswith("turkish-")]
    assert sum(p.culture == "turkish" for p in edition.personas) == len(shipped) + 2
    item: SurveyItem | None = edition.seed("mine/A1").item
    assert item is not None
    assert item.shares == {"TUR": {1: 0.5, 4: 0.5}}
    assert item.source == "my own counting"


@pytest.mark.parametrize(
    ("extra", "file", "words"),
    [
        ("personas: [nobody.yaml]\n", "own.yaml", "personas[1]: no such file: nobody.yaml"),
        ("surveys: [nothing.yaml]\n", "own.yaml", "surveys[1]: no such file: nothing.yaml"),
        ("surveys: [.]\n", "", "folder"),
        ("personas: [wrong.yaml]\n", "wrong.yaml", "age"),
        ("surveys: [wrong.yaml]\n", "wrong.yaml", "survey"),
        ("personas: [turkish-elif.yaml]\n", "turkish-elif.yaml", "exists already"),
        ("surveys: [again.yaml, again.yaml]\n", "again.yaml", "exists already"),
        ("personas: ['a\\0b.yaml']\n".replace("'", '"'), "own.yaml", "no such file"),
        ("personas: [" + "a" * 300 + "]\n", "own.yaml", "no such file"),
        ("surveys: [" + "a" * 300 + "]\n", "own.yaml", "no such file"),
        ("personas: [~no-such-user-anywhere/x.yaml]\n", "", ""),
        ("personas: [3]\n", "own.yaml", "string"),
        ('personas: ["\\e[31mred.yaml"]\n', "", "no such file"),
    ],
)
def test_a_wrong_addition_is_a_problem_of_the_file_that_is_added_or_of_the_line_that_names_it(
    extra: str, file: str, words: str, tmp_path: Path
) -> None:
    write(tmp_path, "wrong.yaml", CARD.replace("age: 34", "age: old"))
    write(tmp_path, "turkish-elif.yaml", CARD)
    write(tmp_path, "again.yaml", SURVEY)
    error = error_of(own_scenario(tmp_path, extra, "wvs7/Q33"))
    assert any(file in p.file and words in str(p) for p in error.problems), error


def test_a_scenario_is_found_by_its_path_or_by_a_shipped_name() -> None:
    assert scenarios.find("quickstart") == package_dir("scenarios") / "quickstart.yaml"
    assert scenarios.find("some/where.yaml") == Path("some/where.yaml")
    with pytest.raises(UsageError, match=r"quikstart.*everyday-norms, quickstart, wvs7"):
        scenarios.find("quikstart")


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "\x1b[31m", "~nobody/x", "a\nb", "."])
def test_an_impossible_scenario_name_is_wrong_use(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        scenarios.load_edition(scenarios.find(name))
    fit_to_print(caught.value)


# --- whatever a file holds, its messages are fit for a terminal -----------------------------------------


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (CARD, "gender: woman", 'gender: "\\e[31mwoman"'),
        (CARD, "scope:", '"\\e[31mred\\u202e": x\nscope:'),
        (CARD, "scope:", '"\\e[31mx": 1\n"\\e[31mx": 2\nscope:'),
        (CARD, "country: TUR", 'country: "\\u009b31m"'),
        (SCENARIO, "name: mine", 'name: "\\e]0;title\\a"'),
        (SCENARIO, "wvs7/Q33", '"wvs7/\\e[2J"'),
        (SCENARIO, "[turkish, german]", '["\\u2066turkish", "\\b\\b"]'),
        (SURVEY, "scale: yesno", 'scale: "\\e[31m"'),
        (SURVEY, "  yesno:", '  "\\e[31myesno":'),
        (SURVEY, "  A1:", '  "\\e[31m":'),
        (SURVEY, "TUR:", '"\\e[31m":'),
        (SURVEY, "{1: 0.5,", '{"\\e[31m": 0.5,'),
    ],
)
def test_messages_never_carry_control_characters(text: str, old: str, new: str, tmp_path: Path) -> None:
    error_of(write(tmp_path, "odd.yaml", changed(text, old, new)))


# --- whatever a file holds, nothing but a named problem comes of it -------------------------------------

ODD = "\0\x07\x1b\t\r\x85\u2028\u202e\ufeff\"'{}[]&*!%|>#:-?@`,~=<😀é\u0301中"
VALUES = (
    "", "[]", "{}", "null", "3", "-1", "0x1F", "1e999", ".nan", "true", '""', "[[[]]]", "{a: {b: c}}", "2001-01-01",
    "[1, two, 3.0]", "!!str 3", "&x y", "*x", "|", ">-", '"\\e[31m"', "[turkish, turkish]", "9" * 30, "x" * 2001,
)  # fmt: skip


def spoil(text: str, chance: random.Random) -> str:
    """The text with one to three things done to it that happen to files."""
    for _ in range(chance.randint(1, 3)):
        lines = text.split("\n")
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        match chance.randrange(8):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines[at], lines[other] = lines[other], lines[at]
            case 3:
                place = chance.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:place] + chance.choice(ODD) + lines[at][place:]
            case 4 | 5:
                lines[at] = lines[at].partition(": ")[0].rstrip(":") + ": " + chance.choice(VALUES)
            case 6:
                lines[at] = "  " * chance.randrange(4) + lines[at].lstrip()
            case 7:
                lines[at] = lines[at][: chance.randrange(len(lines[at]) + 1)]
        text = "\n".join(lines) or "x"
    return text


def outcome(path: Path) -> str:
    """What `check` makes of a file: its kind, or the error's text. Nothing else may come out."""
    try:
        return scenarios.check(path)
    except UsageError as error:
        fit_to_print(error)
        return str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}, from:\n{path.read_text('utf-8')}") from error


def test_spoilt_files_give_nothing_but_named_problems(tmp_path: Path) -> None:
    chance = random.Random(20261121)
    people = [path.read_text("utf-8") for path in PERSONAS]
    talks = [package_dir("scenarios").joinpath(f"{name}.yaml").read_text("utf-8") for name in ("quickstart", "wvs7")]
    wvs7 = WVS7.read_text("utf-8")
    survey = wvs7[: wvs7.index("  Q28:")].replace("survey: wvs7", "survey: short")
    passed: Counter[str] = Counter()
    for number in range(90):
        source = chance.choice(people) if number % 6 < 3 else survey if number % 6 < 5 else chance.choice(talks)
        path = write(tmp_path, f"spoilt-{number}.yaml", spoil(source, chance))
        said = outcome(path)
        if (kind := said.partition(" (")[0]) in ("persona", "scenario", "survey"):
            passed[kind] += 1
        else:
            assert path.name in said
    assert set(passed) == {"persona", "scenario", "survey"}
    assert passed.total() < 45


def test_every_shipped_question_has_situations_in_which_its_sides_do_different_things() -> None:
    survey = scenarios.load_edition(scenarios.find("wvs7")).scenario.seeds
    assert {len(seed.situations) for seed in survey} == {3}
    for seed in survey:
        for situation in seed.situations:
            assert sorted(choice.side for choice in situation.choices if choice.side is not None) == [-1, 0, 1]
    everyday = scenarios.load_edition(scenarios.find("everyday-norms")).scenario.seeds
    assert {len(seed.situations) for seed in everyday} == {2}
    told = [situation.told for seed in (*survey, *everyday) for situation in seed.situations]
    assert len(set(told)) == len(told)
    assert not [text for text in told if "?" in text]


def test_the_situations_of_a_scenario_stand_in_place_of_those_of_the_survey(tmp_path: Path) -> None:
    case = {
        "place": "a bakery",
        "relation": "a friend",
        "stake": "one job",
        "unsaid": "nothing",
        "told": "One job is left.",
    }
    file = {
        "name": "own", "title": "Own", "setting": "cross-cultural", "cultures": ["turkish"],
        "seeds": [
            {"survey": "wvs7/Q33", "situations": [case]}, {"key": "tea", "question": "Tea?", "situations": [case]},
        ],
    }  # fmt: skip
    path = tmp_path / "own.yaml"
    path.write_text(json.dumps(file), "utf-8")
    seeds = scenarios.load_edition(path).scenario.seeds
    assert [[s.told for s in seed.situations] for seed in seeds] == [["One job is left."]] * 2


# --- which rows a scenario wants -----------------------------------------------------------------------


def with_samples(folder: Path, samples: str) -> Path:
    return write(folder, "mine.yaml", changed(SCENARIO, "samples: [survey, open, norm]\n", samples))


@pytest.mark.parametrize(
    ("samples", "meant"),
    [
        ("samples: [survey, open, norm]\n", ("survey", "open", "norm")),
        ("samples: {own: 3, survey: 0.5}\n", {"own": 3.0, "survey": 0.5}),
        ("", SHAPE_SHARES),
    ],
)
def test_samples_are_shapes_or_their_shares(tmp_path: Path, samples: str, meant: object) -> None:
    assert scenarios.load_edition(with_samples(tmp_path, samples)).scenario.samples == meant


@pytest.mark.parametrize("name", ["quickstart", "wvs7", "everyday-norms"])
def test_shipped_scenarios_want_all_shapes(name: str) -> None:
    assert scenarios.load_edition(scenarios.find(name)).scenario.samples == SHAPE_SHARES


@pytest.mark.parametrize(
    ("samples", "line", "key", "what"),
    [
        ("samples: [survey, opn]\n", 0, "samples[2]", "must be one of 'survey'"),
        ("samples:\n  own: 3\n  opne: 2\n", 2, "samples.opne", "must be one of 'survey'"),
        ("samples:\n  own: 3\n  open: 0\n", 2, "samples.open", "greater than 0"),
        ("samples:\n  own: many\n", 1, "samples.own", "valid number"),
        ("samples:\n  own: true\n", 1, "samples.own", "valid number"),
        ("samples:\n  own: .inf\n", 1, "samples.own", "1000000"),
        ("samples: {}\n", 0, "samples", "at least 1 item"),
        ("samples: []\n", 0, "samples", "at least 1 item"),
        ("samples: 3\n", 0, "samples", "a list of shapes, or a map"),
        ("samples:\n", 0, "samples", "a list of shapes, or a map"),
    ],
)
def test_wrong_samples_are_named_where_they_stand(tmp_path: Path, samples: str, line: int, key: str, what: str) -> None:
    path = with_samples(tmp_path, samples)
    has_problem(path, line_of(path.read_text("utf-8"), "samples:") + line, key, what)


def test_a_talk_mines_whom_it_is_held_with() -> None:
    jenna = next(p for p in load_all([]) if p.key == "american-jenna")
    assert talk_edition(jenna, EVERYDAY, moderated=False).scenario.mine == ("main",)
    assert scenarios.load_edition(scenarios.find("quickstart")).scenario.mine == ("delegate",)
