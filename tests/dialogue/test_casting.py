"""Who sits in which dialogue with which stance: every cell gets its dialogues, and nobody another country's answer."""

import math
from collections import Counter, defaultdict
from functools import cache
from itertools import combinations
from pathlib import Path
from statistics import correlation, fmean

import pytest

from culturepark.catalog import scenarios
from culturepark.catalog.personas import load_persona
from culturepark.cli.app import explain, run
from culturepark.dialogue.casting import Plan, plan
from culturepark.domain import Casting, Edition
from culturepark.errors import UsageError
from tests.support.cultures import GROUNDS

CARD = """\
name: NAME of Anywhere
called: NAME
culture: CULTURE
role: delegate
gender: woman
age: 40
country: COUNTRY
region: hills
place: Anywhere
settlement: village
work: herds goats
schooling: four years
faith: none
observance: none
generation: born on a Monday
languages: [one]
values:
  - {value: goats, why: They give milk.}
speech: {directness: direct, formality: familiar, manner: Short.}
norms:
  - {kind: norm, topic: goats, text: One counts them.}
  - {kind: norm, topic: guests, text: One feeds them.}
  - {kind: custom, topic: milk, text: We drink it warm.}
scope: Nobody else.
"""

SURVEY = """\
survey: mine
title: Goats
source: my own counting
scales:
  likes:
    - {code: 1, label: "yes, much", side: 1}
    - {code: 2, label: "no, never", side: -1}
items:
  A1:
    topic: goats
    question: Do you like goats?
    scale: likes
    countries:
      TUR: {n: 10, shares: {1: 1.0, 2: 0.0}}
      DEU: {n: 10, shares: {1: 0.0, 2: 1.0}}
  A2:
    topic: sheep
    question: Do you like sheep?
    scale: likes
    countries:
      TUR: {n: 10, shares: {1: 0.5, 2: 0.5}}
"""


def edition(
    folder: Path, seeds: list[str], setting: str = "cross-cultural", cultures: str = "all", **keys: object
) -> Edition:
    """A scenario file like a user's, read in. A seed with a slash is a survey item."""
    (folder / "goats.yaml").write_text(SURVEY)
    lines = [f"name: mine\ntitle: Mine\nsetting: {setting}\ncultures: {cultures}\nsurveys: [goats.yaml]\nseeds:"]
    lines += [f"  - survey: {s}" if "/" in s else f'  - {{key: {s}, question: "What about {s}?"}}' for s in seeds]
    lines += [f"{key}: {value}" for key, value in keys.items()]
    path = folder / "mine.yaml"
    path.write_text("\n".join(lines) + "\n")
    return scenarios.load_edition(path)


def add_person(folder: Path, key: str, name: str, culture: str, country: str) -> None:
    text = CARD.replace("NAME", name).replace("CULTURE", culture).replace("COUNTRY", country)
    (folder / f"{key}.yaml").write_text(text)


def add_culture(folder: Path, key: str, countries: str, role: str = "delegate") -> str:
    text = f"culture: {key}\nname: {key}\nadjective: {key}\ncountries: {countries}\nrole: {role}\naddress: By name.\n"
    (folder / f"{key}.yaml").write_text(f"{text}languages: [{{language: en}}]\n")
    return f"{key}.yaml"


@cache
def wvs7(dialogues: int = 1) -> Edition:
    return scenarios.load_edition(scenarios.find("wvs7"), dialogues)


def cultures_of(casting: Casting) -> list[str]:
    return [p.persona.culture for p in casting.participants]


def names_of(casting: Casting) -> list[str]:
    return [p.persona.called for p in casting.participants]


def delegates(made: Plan) -> list[tuple[str, str, str, int]]:
    """(seed, culture, persona, stance code) of everybody with a stance, in the order of the dialogues."""
    return [
        (casting.seed.key, p.persona.culture, p.persona.key, p.stance.code)
        for casting in made.castings
        for p in casting.participants
        if p.stance
    ]


# --- every cell --------------------------------------------------------------------------------------


def test_every_seed_has_its_dialogues_in_every_culture_where_it_was_asked() -> None:
    whole = wvs7(3)
    counts = Counter((casting.seed.key, cultures_of(casting)[1]) for casting in plan(whole, 1).castings)
    wanted = {
        (seed.key, culture): 3
        for seed in whole.scenario.seeds
        for culture, country in GROUNDS.items()
        if seed.item and country in seed.item.shares
    }
    assert counts == wanted
    assert len(wanted) == 380


def test_ungrounded_seeds_are_talked_about_in_every_culture() -> None:
    norms = scenarios.load_edition(scenarios.find("everyday-norms"))
    made = plan(norms, 1)
    counts = Counter((casting.seed.key, cultures_of(casting)[1]) for casting in made.castings)
    assert counts == {(seed.key, culture): 1 for seed in norms.scenario.seeds for culture in GROUNDS}
    assert made.skipped == ()
    assert delegates(made) == []


def test_dialogues_are_numbered_from_one_on() -> None:
    assert [casting.number for casting in plan(wvs7(), 1).castings] == list(range(1, 381))


def test_a_plan_hangs_on_edition_and_seed_alone() -> None:
    assert plan(wvs7(), 1) == plan(wvs7(), 1)
    assert delegates(plan(wvs7(), 1)) != delegates(plan(wvs7(), 2))


def test_another_seed_in_the_scenario_changes_nobody_else(tmp_path: Path) -> None:
    few = plan(edition(tmp_path, ["wvs7/Q33", "tea"], dialogues_per_seed=3), 5)
    more = plan(edition(tmp_path, ["wvs7/Q27", "wvs7/Q33", "tea", "wvs7/Q28"], dialogues_per_seed=3), 5)
    tables = [[c.model_copy(update={"number": 0}) for c in made.castings] for made in (few, more)]
    assert tables[0] == [c for c in tables[1] if c.seed.key in ("wvs7/Q33", "tea")]


# --- items that were not asked --------------------------------------------------------------------------


def test_an_item_not_asked_in_a_country_is_skipped_named_and_counted() -> None:
    made = plan(wvs7(4), 1)
    assert len(made.skipped) == 20
    assert {skip.dialogues for skip in made.skipped} == {4}
    assert len(made.castings) + sum(skip.dialogues for skip in made.skipped) == 50 * 8 * 4
    named = {(skip.seed_key, skip.culture) for skip in made.skipped}
    assert {("wvs7/Q125", "chinese"), ("wvs7/Q36", "arabic"), ("wvs7/Q226", "arabic")} <= named
    assert Counter(culture for _, culture in named) == {"chinese": 18, "arabic": 2}
    for skip in made.skipped:
        assert skip.seed_key in str(skip)
        assert skip.culture in str(skip)


def test_a_stance_is_always_out_of_the_speakers_own_countrys_answers(tmp_path: Path) -> None:
    made = plan(edition(tmp_path, ["mine/A1", "mine/A2"], cultures="[turkish, german]", dialogues_per_seed=6), 1)
    codes = defaultdict(set)
    for seed, culture, _, code in delegates(made):
        codes[seed, culture].add(code)
    assert codes == {("mine/A1", "turkish"): {1}, ("mine/A1", "german"): {2}, ("mine/A2", "turkish"): {1, 2}}
    assert [(skip.seed_key, skip.culture, skip.dialogues) for skip in made.skipped] == [("mine/A2", "german", 6)]


def test_no_code_is_dealt_that_nobody_in_the_country_gave() -> None:
    whole = wvs7(6)
    for seed, culture, _, code in delegates(plan(whole, 3)):
        item = whole.seed(seed).item
        assert item is not None
        assert item.shares[GROUNDS[culture]][code] > 0


def test_a_persona_whose_country_was_not_asked_does_not_sit_with_those_whose_was(tmp_path: Path) -> None:
    add_person(tmp_path, "turkish-ayse", "Ayşe", "turkish", "DEU")
    add_person(tmp_path, "turkish-olga", "Olga", "turkish", "BGR")
    extra = {"personas": "[turkish-ayse.yaml, turkish-olga.yaml]", "dialogues_per_seed": 24}
    abroad = add_culture(tmp_path, "turkish", "[TUR, DEU, BGR]")
    made = plan(edition(tmp_path, ["mine/A1", "mine/A2"], cultures=f"[{abroad}]", **extra), 1)
    seated = defaultdict(set)
    for seed, _, persona, code in delegates(made):
        seated[seed, persona].add(code)
    assert seated["mine/A1", "turkish-ayse"] == {2}, "drawn from her own country's answers, not from her culture's"
    assert ("mine/A2", "turkish-ayse") not in seated
    assert not any(persona == "turkish-olga" for _, persona in seated)
    assert made.skipped == ()


def test_a_scenario_may_say_which_of_a_cultures_countries_ground_it(tmp_path: Path) -> None:
    add_person(tmp_path, "turkish-ayse", "Ayşe", "turkish", "DEU")
    add_culture(tmp_path, "turkish", "[TUR, DEU]")
    keys = {"cultures": "[turkish.yaml]", "personas": "[turkish-ayse.yaml]", "countries": "{turkish: [DEU]}"}
    made = plan(edition(tmp_path, ["mine/A1"], **keys, dialogues_per_seed=3), 1)
    assert [(persona, code) for *_, persona, code in delegates(made)] == [("turkish-ayse", 2)] * 3


def test_main_contacts_of_several_cultures_take_turns(tmp_path: Path) -> None:
    mains = []
    for key, country in (("british", "GBR"), ("dutch", "NLD")):
        mains.append(add_culture(tmp_path, key, f"[{country}]", "main"))
        add_person(tmp_path, f"{key}-kim", f"Kim{key}", key, country)
        card = tmp_path / f"{key}-kim.yaml"
        card.write_text(card.read_text().replace("role: delegate", "role: main"))
    keys = {"cultures": f"[turkish, {', '.join(mains)}]", "personas": "[british-kim.yaml, dutch-kim.yaml]"}
    made = plan(edition(tmp_path, ["tea"], **keys, dialogues_per_seed=4), 1)
    assert [cultures_of(casting)[0] for casting in made.castings] == ["british", "dutch", "british", "dutch"]


def test_in_a_panel_only_those_cultures_sit_where_the_item_was_asked(tmp_path: Path) -> None:
    keys = {"cultures": "[chinese, korean, arabic]", "people": 4, "dialogues_per_seed": 5}
    made = plan(edition(tmp_path, ["wvs7/Q125"], "panel", **keys), 1)
    assert len(made.castings) == 5
    assert {culture for casting in made.castings for culture in cultures_of(casting)} == {"korean", "arabic"}
    assert [(skip.culture, skip.dialogues) for skip in made.skipped] == [("chinese", 5)]


def test_a_panel_on_an_item_that_was_asked_nowhere_is_left_out(tmp_path: Path) -> None:
    made = plan(edition(tmp_path, ["tea", "mine/A2"], "panel", "[german, korean]"), 1)
    assert [casting.seed.key for casting in made.castings] == ["tea"]
    assert [(skip.seed_key, skip.culture) for skip in made.skipped] == [("mine/A2", "german"), ("mine/A2", "korean")]
    with pytest.raises(UsageError, match="nothing to talk about: mine/A2 for german"):
        plan(edition(tmp_path, ["mine/A2"], "panel", "[german, korean]"), 1)


def test_nothing_left_to_talk_about_is_wrong_use_and_leaves_no_run_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = edition(tmp_path, ["wvs7/Q125", "wvs7/Q132"], cultures="[chinese]")
    with pytest.raises(UsageError, match=r"wvs7/Q125.*chinese.*wvs7/Q132"):
        plan(nothing, 1)
    store = f"sqlite:///{tmp_path / 'runs.db'}"
    with pytest.raises(UsageError) as caught:
        run(["simulate", str(tmp_path / "mine.yaml"), "--model", "scripted", "--store", store])
    assert explain(caught.value) == 2
    capsys.readouterr()
    assert run(["runs", "--json", "--store", store]) == 0
    assert capsys.readouterr().out.strip() == "[]"


# --- who sits together ------------------------------------------------------------------------------------


def test_across_cultures_a_main_contact_meets_a_delegate() -> None:
    for casting in plan(wvs7(2), 1).castings:
        assert [p.persona.role for p in casting.participants] == ["main", "delegate"]


def test_a_main_contact_has_no_stance_and_every_delegate_of_a_surveyed_seed_has_one() -> None:
    whole = wvs7(2)
    for casting in plan(whole, 1).castings:
        main, delegate = casting.participants
        assert main.stance is None
        assert delegate.stance is not None
        assert casting.seed.item is not None
        labels = {option.code: option.label for option in casting.seed.item.options}
        assert delegate.stance.text == labels[delegate.stance.code]


def test_within_a_culture_two_different_people_of_it_talk(tmp_path: Path) -> None:
    made = plan(edition(tmp_path, ["tea", "wvs7/Q33", "wvs7/Q125"], "in-cultural", dialogues_per_seed=5), 1)
    assert len(made.castings) == (8 + 8 + 7) * 5
    for casting in made.castings:
        one, other = casting.participants
        assert one.persona.culture == other.persona.culture
        assert one.persona.key != other.persona.key
        assert (one.stance is None) == (other.stance is None) == (casting.seed.item is None)


@pytest.mark.parametrize("people", range(3, 9))
def test_a_panel_seats_as_many_people_as_the_scenario_says(people: int, tmp_path: Path) -> None:
    for cultures in ("[turkish, german]", "all"):
        made = plan(edition(tmp_path, ["tea", "wvs7/Q33"], "panel", cultures, people=people, dialogues_per_seed=4), 1)
        assert len(made.castings) == 8
        for casting in made.castings:
            assert len(set(names_of(casting))) == len(casting.participants) == people
            shares = Counter(cultures_of(casting)).values()
            assert max(shares) - min(shares) <= 1


def test_a_panel_of_one_culture_has_at_least_three_people(tmp_path: Path) -> None:
    made = plan(edition(tmp_path, ["tea", "wvs7/Q33"], "panel", "[turkish]", dialogues_per_seed=3), 1)
    assert [len(casting.participants) for casting in made.castings] == [3] * 6


def test_a_panel_smaller_than_the_number_of_cultures_seats_each_of_them_over_a_run(tmp_path: Path) -> None:
    made = plan(edition(tmp_path, [f"seed-{n}" for n in range(24)], "panel", "all", people=3), 1)
    seats = Counter(culture for casting in made.castings for culture in cultures_of(casting))
    assert set(seats) == set(GROUNDS)


def test_everybody_of_a_culture_gets_a_turn_before_anybody_gets_a_second() -> None:
    seats = Counter((casting.seed.key, casting.participants[1].persona.key) for casting in plan(wvs7(4), 1).castings)
    assert set(seats.values()) == {1}
    assert len(seats) == 380 * 4


def test_main_contacts_share_the_work_in_every_culture() -> None:
    made = plan(wvs7(4), 1)
    seats = Counter((cultures_of(casting)[1], casting.participants[0].persona.key) for casting in made.castings)
    assert len(seats) == 8 * 4
    for culture in GROUNDS:
        mine = [count for (c, _), count in seats.items() if c == culture]
        assert max(mine) == min(mine)


def test_over_many_seeds_nobody_is_passed_over_and_pairs_mix() -> None:
    norms = scenarios.load_edition(scenarios.find("everyday-norms"))
    made = plan(norms, 1)
    seats = Counter(casting.participants[1].persona.key for casting in made.castings)
    assert len(seats) == 64
    assert min(seats.values()) >= 3
    pairs = {tuple(names_of(casting)) for casting in made.castings}
    assert len(pairs) > 80


@pytest.mark.parametrize(
    ("setting", "cultures", "keys"),
    [
        ("in-cultural", "[turkish]", {}),
        ("panel", "[turkish]", {}),
        ("panel", "[turkish, german]", {"people": 5}),
    ],
)
def test_two_people_called_the_same_never_sit_together_and_no_dialogue_is_lost_for_it(
    setting: str, cultures: str, keys: dict[str, object], tmp_path: Path
) -> None:
    add_person(tmp_path, "turkish-elif-of-anywhere", "Elif", "turkish", "TUR")
    seeds = [f"seed-{n}" for n in range(20)]
    made = plan(edition(tmp_path, seeds, setting, cultures, personas="[turkish-elif-of-anywhere.yaml]", **keys), 1)
    assert all(len(set(names_of(casting))) == len(casting.participants) for casting in made.castings)
    lost = set(seeds) - {casting.seed.key for casting in made.castings}
    assert not lost, f"{len(lost)} of 20 dialogues are gone without a word; skipped: {made.skipped}"


def test_a_delegate_called_like_a_main_contact_never_sits_with_her(tmp_path: Path) -> None:
    add_person(tmp_path, "german-diane", "Diane", "german", "DEU")
    keys = {"cultures": "[german]", "personas": "[german-diane.yaml]"}
    made = plan(edition(tmp_path, [f"seed-{n}" for n in range(40)], **keys), 1)
    assert len(made.castings) == 40
    assert all(len(set(names_of(casting))) == 2 for casting in made.castings)


def test_a_delegate_of_ones_own_is_seated_like_the_shipped_ones(tmp_path: Path) -> None:
    add_person(tmp_path, "korean-goat", "Mina", "korean", "KOR")
    assert load_persona(tmp_path / "korean-goat.yaml").culture == "korean"
    keys = {"cultures": "[korean]", "personas": "[korean-goat.yaml]", "dialogues_per_seed": 5}
    made = plan(edition(tmp_path, ["tea"], **keys), 1)
    assert len({casting.participants[1].persona.key for casting in made.castings}) == 5


# --- the stances of a run --------------------------------------------------------------------------------


@pytest.mark.parametrize("run_seed", [1, 2, 99])
def test_the_stances_of_a_run_match_the_shares_as_closely_as_whole_numbers_can(run_seed: int) -> None:
    whole = wvs7(11)
    dealt = defaultdict(list)
    for seed, culture, _, code in delegates(plan(whole, run_seed)):
        dealt[seed, culture].append(code)
    assert len(dealt) == 380
    for (seed, culture), codes in dealt.items():
        item = whole.seed(seed).item
        assert item is not None
        shares = item.shares[GROUNDS[culture]]
        for code, share in shares.items():
            wanted = 11 * share / sum(shares.values())
            assert math.floor(wanted + 1e-9) <= codes.count(code) <= math.ceil(wanted - 1e-9), (seed, culture, code)


@pytest.mark.parametrize(("setting", "seats"), [("in-cultural", 2), ("panel", 3)])
def test_everybody_at_a_table_draws_from_the_same_lot(setting: str, seats: int, tmp_path: Path) -> None:
    made = plan(edition(tmp_path, ["wvs7/Q33"], setting, "[turkish]", dialogues_per_seed=20), 1)
    codes = Counter(code for *_, code in delegates(made))
    assert codes.total() == 20 * seats
    shares = made.castings[0].seed.item.shares["TUR"]
    assert all(abs(codes[code] - 20 * seats * share) < 1 for code, share in shares.items())


def test_two_cultures_of_one_country_draw_from_the_same_lot(tmp_path: Path) -> None:
    for key, name in (("german-one", "Ayla"), ("german-two", "Berk")):
        add_person(tmp_path, key, name, "german", "TUR")
    keys = {
        "cultures": f"[turkish, {add_culture(tmp_path, 'german', '[DEU, TUR]')}]",
        "personas": "[german-one.yaml, german-two.yaml]",
        "dialogues_per_seed": 5,
    }
    codes = Counter(code for *_, code in delegates(plan(edition(tmp_path, ["mine/A2"], **keys), 1)))
    assert codes == {1: 5, 2: 5}


def test_a_stance_is_tied_to_no_persona_and_to_no_place_in_the_run(tmp_path: Path) -> None:
    small = edition(tmp_path, ["wvs7/Q33"], cultures="[turkish]", dialogues_per_seed=4)
    rows = [(number, row) for seed in range(500) for number, row in enumerate(delegates(plan(small, seed)))]
    by_persona = defaultdict(list)
    for _, (_, _, persona, code) in rows:
        by_persona[persona].append(code)
    assert len(by_persona) == 8
    for one, other in combinations(by_persona.values(), 2):
        assert abs(len(one) - 250) < 70
        assert abs(fmean(one) - fmean(other)) < 4 * 1.25 * math.sqrt(1 / len(one) + 1 / len(other))
    places = [float(number) for number, _ in rows]
    assert abs(correlation(places, [float(row[3]) for _, row in rows])) < 4 / math.sqrt(len(rows))


def test_the_stances_of_two_at_one_table_say_nothing_about_each_other(tmp_path: Path) -> None:
    pairs = []
    talks = edition(tmp_path, ["wvs7/Q33"], "in-cultural", "[turkish]", dialogues_per_seed=40)
    for seed in range(60):
        codes = [code for *_, code in delegates(plan(talks, seed))]
        pairs += list(zip(codes[::2], codes[1::2], strict=True))
    assert len({pair for pair in pairs if pair[0] != pair[1]}) == 20
    assert abs(correlation(*([float(code) for code in side] for side in zip(*pairs, strict=True)))) < 0.08
