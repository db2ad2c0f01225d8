"""Answers by group, and people who hold one respondent's answers: what is dealt, to whom, and at which margins."""

import random
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from culturepark.catalog import scenarios
from culturepark.dialogue.casting import Plan, dealt_to, plan
from culturepark.dialogue.profiles import held_answers
from culturepark.dialogue.seating import Ratings
from culturepark.domain import Edition
from culturepark.models.chat import canonical, digest

BY_SEX = (
    ", by: {sex: {woman: {n: 50, shares: {1: 0.6, 2: 0.2, 3: 0.2}}, man: {n: 50, shares: {1: 0.2, 2: 0.2, 3: 0.6}}}}"
)
SCALE = """\
title: Made up
source: nobody was asked
scales:
  agree3:
    - {code: 1, label: "agree", side: 1}
    - {code: 2, label: "hard to say", side: 0}
    - {code: 3, label: "disagree", side: -1}
"""
ITEMS = range(10)


def by_group(folder: Path, by: str, keys: str = "", setting: str = "cross-cultural") -> Edition:
    cell = "{n: 100, shares: {1: 0.4, 2: 0.2, 3: 0.4}BY}"
    items = [
        f'  A{i}: {{topic: tea, question: "Is tea {i} good?", scale: agree3, countries: {{TUR: {cell}}}}}'
        for i in ITEMS
    ]
    (folder / "made.yaml").write_text(f"survey: made\n{SCALE}items:\n" + "\n".join(items).replace("BY", by) + "\n")
    return scenario(folder, keys, setting)


def scenario(folder: Path, keys: str = "", setting: str = "cross-cultural", cultures: str = "[turkish]") -> Edition:
    seeds = "\n".join(f"  - survey: made/A{i}" for i in ITEMS)
    path = folder / "mine.yaml"
    path.write_text(
        f"name: mine\ntitle: Mine\nsetting: {setting}\ncultures: {cultures}\nsurveys: [made.yaml]\n{keys}"
        f"seeds:\n{seeds}\n"
    )
    return scenarios.load_edition(path)


def told(made: Plan) -> list[list[tuple[str, int | None]]]:
    return [
        [(p.persona.key, p.stance.code if p.stance else None) for p in casting.participants]
        for casting in made.castings
    ]


def dealt_by_gender(edition: Edition, seeds: range) -> dict[str, dict[int, float]]:
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for seed in seeds:
        for casting in plan(edition, seed).castings:
            for person in casting.participants:
                if person.stance:
                    counts[person.persona.gender][person.stance.code] += 1
    return {gender: {code: n / own.total() for code, n in own.items()} for gender, own in counts.items()}


# --- shares by group -----------------------------------------------------------------------------


@pytest.mark.parametrize("dialogues", [3, 10, 30])
def test_answers_vary_with_the_group_as_the_survey_says_and_no_more(dialogues: int, tmp_path: Path) -> None:
    keys = f"dialogues_per_seed: {dialogues}\n"
    blind = dealt_by_gender(by_group(tmp_path, "", keys), range(5))
    known = dealt_by_gender(by_group(tmp_path, BY_SEX, keys), range(5))
    wanted = {"woman": {1: 0.6, 2: 0.2, 3: 0.2}, "man": {1: 0.2, 2: 0.2, 3: 0.6}}
    for gender, shares in wanted.items():
        for code in (1, 3):
            assert abs(blind[gender][code] - 0.4) < 0.1
            assert abs(known[gender][code] - shares[code]) < 0.1, known


@pytest.mark.parametrize("setting", ["cross-cultural", "in-cultural"])
def test_margins_stay_exact_and_everybody_still_gets_a_turn(setting: str, tmp_path: Path) -> None:
    edition = by_group(tmp_path, BY_SEX, "dialogues_per_seed: 20\n", setting)
    codes, seats = defaultdict(Counter), Counter()
    for casting in plan(edition, 3).castings:
        for person in casting.participants:
            if person.stance:
                codes[casting.seed.key][person.stance.code] += 1
                seats[casting.seed.key, person.persona.key] += 1
    number = 20 if setting == "cross-cultural" else 40
    assert all(own == {1: number * 4 // 10, 2: number * 2 // 10, 3: number * 4 // 10} for own in codes.values())
    people = sum(p.culture == "turkish" for p in edition.personas)
    assert len(seats) == people * len(ITEMS)
    assert max(seats.values()) - min(seats.values()) <= 3


def test_what_a_card_rules_out_is_not_dealt_whatever_the_group_says(tmp_path: Path) -> None:
    edition = by_group(tmp_path, BY_SEX, "dialogues_per_seed: 8\n")
    woman = next(p.key for p in edition.personas if p.culture == "turkish" and p.gender == "woman")
    ratings: Ratings = {(woman, f"made/A{i}"): (0, 2, 2) for i in ITEMS}
    dealt = [code for casting in told(plan(edition, 1, ratings)) for key, code in casting if key == woman]
    assert dealt
    assert 1 not in dealt


def test_shares_by_groups_that_nobody_is_in_change_nothing(tmp_path: Path) -> None:
    blind = by_group(tmp_path, "", "dialogues_per_seed: 7\n")
    text = (tmp_path / "made.yaml").read_text().replace("{TUR: {n", "{DEU: {n: 9, shares: {1: 1.0}BY}, TUR: {n")
    (tmp_path / "made.yaml").write_text(text.replace("BY", BY_SEX))
    other = scenarios.load_edition(tmp_path / "mine.yaml")
    assert told(plan(other, 1)) == told(plan(blind, 1))


def test_without_groups_the_draw_is_that_of_former_versions(tmp_path: Path) -> None:
    edition = by_group(tmp_path, "", "dialogues_per_seed: 7\n")
    codes = [[code for _, code in casting] for casting in told(plan(edition, 1))]
    assert digest(canonical(codes))[:16] == "f25238152bfb42ef"
    assert "by" not in edition.model_dump(mode="json")["scenario"]["seeds"][0]["item"]


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (BY_SEX.replace("man:", "male:"), "by.sex: 'womale' is none of woman, man, nonbinary"),
        (BY_SEX.replace("sex", "age"), "by.age: 'woman' is no age group; write `30-49`, `60+` or `18`"),
        (BY_SEX.replace("{1: 0.6", "{1: 0.7"), "by.sex.woman.shares: the shares sum to 1.1; they must sum to 1"),
        (BY_SEX.replace("3: 0.6", "4: 0.6"), "by.sex.man.shares: the code 4 is not on the scale agree3"),
        (", by: {age: {16-29: {n: 9, shares: {1: 1.0}}, 20+: {n: 9, shares: {1: 1.0}}}}", "by.age: 20+ overlaps"),
    ],
)
def test_wrong_groups_of_a_survey_file_are_named(by: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(scenarios.CatalogError) as caught:
        by_group(tmp_path, by)
    assert f"made.yaml:10: items.A0.countries.TUR.{said}" in str(caught.value)


def test_check_tells_of_groups_on_cards_that_no_survey_knows(tmp_path: Path) -> None:
    card = (Path(__file__).parents[2] / "personas" / "turkish-elif.yaml").read_text("utf-8")
    card = card.replace("called: Elif", "called: Elifcan")
    (tmp_path / "turkish-elifcan.yaml").write_text(card + "\ngroups: {education: hihger, faith: sunni}\n", "utf-8")
    by = ", by: {education: {higher: {n: 9, shares: {1: 1.0}}, basic: {n: 9, shares: {1: 1.0}}}}"
    by_group(tmp_path, by, "personas: [turkish-elifcan.yaml]\n")
    said = scenarios.check(tmp_path / "mine.yaml")
    assert "turkish-elifcan: no survey of this scenario knows education: hihger in" in said
    assert "no survey of this scenario knows faith: sunni" in said
    assert "it knows education: basic, higher" in said
    fixed = (tmp_path / "turkish-elifcan.yaml").read_text("utf-8").replace("hihger, faith: sunni", "higher")
    (tmp_path / "turkish-elifcan.yaml").write_text(fixed, "utf-8")
    assert scenarios.check(tmp_path / "mine.yaml") == "scenario"


# --- one respondent for each person --------------------------------------------------------------


def joint(folder: Path, setting: str = "in-cultural", dialogues: int = 2, silent: int = 0) -> Edition:
    """Half of all respondents, mostly women, agree with everything, the others with nothing."""
    chance = random.Random(1)
    rows = ["country,sex,age," + ",".join(f"q{i}" for i in ITEMS)]
    for number in range(600):
        sex = number % 2
        agrees = chance.random() < (0.2, 0.8)[sex]
        answers = ["1" if agrees else "3"] * len(ITEMS)
        answers[:silent] = ["-1"] * silent
        rows.append(",".join([("TUR", "DEU", "USA")[number % 3], str(sex), str(18 + number % 70), *answers]))
    (folder / "people.csv").write_text("\n".join(rows) + "\n")
    items = "\n".join(
        f'  A{i}: {{topic: tea, question: "Is tea {i} good?", scale: agree3, column: q{i}}}' for i in ITEMS
    )
    (folder / "made.yaml").write_text(
        f"survey: made\n{SCALE}respondents:\n  file: people.csv\n  country: {{column: country}}\n"
        "  sex: {column: sex, values: {0: man, 1: woman}}\n  age: {column: age}\nitems:\n" + items + "\n"
    )
    return scenario(folder, f"stances: joint\ndialogues_per_seed: {dialogues}\n", setting, "[turkish, german]")


def answers_of(made: Plan) -> dict[str, dict[str, int]]:
    """Each person's answers; fails where one person answers the same question in two ways."""
    held: dict[str, dict[str, int]] = defaultdict(dict)
    for casting in made.castings:
        for person in casting.participants:
            if person.stance:
                code = held[person.persona.key].setdefault(casting.seed.key, person.stance.code)
                assert code == person.stance.code
    return held


@pytest.mark.parametrize("setting", ["in-cultural", "cross-cultural", "panel"])
def test_each_person_holds_one_respondents_answers_in_the_whole_run(setting: str, tmp_path: Path) -> None:
    edition = joint(tmp_path, setting)
    made = plan(edition, 1)
    held = answers_of(made)
    assert len(made.castings) == len(ITEMS) * 2 * (1 if setting == "panel" else 2)
    for key, answers in held.items():
        assert len(set(answers.values())) == 1, (key, answers)
    assert {code for answers in held.values() for code in answers.values()} == {1, 3}
    if setting == "cross-cultural":
        assert any(key.startswith("american") for key in held)


def test_people_are_given_respondents_of_their_own_sex_and_age(tmp_path: Path) -> None:
    edition = joint(tmp_path)
    agree: dict[str, list[bool]] = defaultdict(list)
    for seed in range(30):
        for key, answers in held_answers(edition, seed, {}).items():
            agree[edition.persona(key).gender].append(answers["made/A0"] == 1)
    assert sum(agree["woman"]) / len(agree["woman"]) > 0.7
    assert sum(agree["man"]) / len(agree["man"]) < 0.3


def test_a_person_is_given_no_answer_that_the_card_rules_out(tmp_path: Path) -> None:
    edition = joint(tmp_path, dialogues=6)
    women = [p.key for p in edition.personas if p.culture == "turkish" and p.gender == "woman"]
    ratings: Ratings = {(women[0], "made/A3"): (0, 2, 2), (women[1], "made/A4"): (0, 0, 0)}
    for seed in range(10):
        made = plan(edition, seed, ratings)
        held = answers_of(made)
        assert held[women[0]].get("made/A3") != 1
        assert "made/A4" not in held[women[1]]
        skips = {(skip.seed_key, skip.dialogues): skip.why for skip in made.skipped}
        assert skips["made/A4", 0].startswith(f"no seat for {women[1]}")


def test_a_question_that_no_respondent_answered_has_no_seats_and_is_named(tmp_path: Path) -> None:
    edition = joint(tmp_path, silent=0)
    (turkish,) = [r for r in edition.respondents if r.country == "TUR"]
    mute = turkish.model_copy(update={"answers": tuple((None, *answers[1:]) for answers in turkish.answers)})
    others = tuple(r for r in edition.respondents if r.country != "TUR")
    made = plan(edition.model_copy(update={"respondents": (mute, *others)}), 1)
    (skip,) = [skip for skip in made.skipped if skip.dialogues]
    assert (skip.seed_key, skip.culture, skip.dialogues) == ("made/A0", "turkish", 2)
    assert "their respondents gave no answer" in skip.why
    assert {c.participants[0].persona.culture for c in made.castings if c.seed.key == "made/A0"} == {"german"}


def test_the_plan_is_a_function_of_edition_seed_and_ratings(tmp_path: Path) -> None:
    edition = joint(tmp_path)
    stored = Edition.model_validate_json(edition.model_dump_json())
    assert told(plan(stored, 4)) == told(plan(edition, 4))
    assert len({str(told(plan(edition, seed))) for seed in range(5)}) == 5


def test_every_pair_of_a_run_is_rated_before_it_is_planned(tmp_path: Path) -> None:
    edition = joint(tmp_path)
    pairs = {(person.key, item.key) for person, item in dealt_to(edition, 1)}
    held = answers_of(plan(edition, 1))
    assert {(key, item) for key, answers in held.items() for item in answers} <= pairs
