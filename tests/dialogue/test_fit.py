"""Nobody is dealt an answer that the own card rules out, and the margins of the survey stay exact all the same."""

import csv
import math
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest

from culturepark.catalog import fits, scenarios
from culturepark.dialogue.casting import Plan, plan
from culturepark.domain import Edition
from tests.support.cultures import GROUNDS

IMPOSSIBLE = Path(__file__).parents[1] / "data" / "impossible.csv"
"""Answers that cards rule out, written from the cards by a reader who had seen no ratings."""
Triple = tuple[str, str, int]


def impossible() -> dict[Triple, str]:
    with IMPOSSIBLE.open(encoding="utf-8", newline="") as file:
        return {(row["persona"], row["item"], int(row["code"])): row["why"] for row in csv.DictReader(file)}


@cache
def wvs7(dialogues: int) -> Edition:
    return scenarios.load_edition(scenarios.find("wvs7"), dialogues)


def assigned(dialogues: int, run_seed: int) -> Plan:
    return plan(wvs7(dialogues), run_seed, fits.shipped())


def dealt(made: Plan) -> list[tuple[Triple, int | None]]:
    """Everybody who holds an answer, with the answer and its rating."""
    return [
        ((p.persona.key, casting.seed.key, p.stance.code), p.fit)
        for casting in made.castings
        for p in casting.participants
        if p.stance
    ]


def fits_the_cards_and_the_survey(made: Plan, dialogues: int) -> None:
    answers = dealt(made)
    contradicted = {triple: impossible()[triple] for triple, _ in answers if triple in impossible()}
    assert contradicted == {}
    assert [triple for triple, rating in answers if rating in (None, 0)] == []
    codes = defaultdict(list)
    for (persona, item, code), _ in answers:
        codes[item, persona.split("-")[0]].append(code)
    empty = sum(skip.dialogues for skip in made.skipped if skip.why != "not asked in its country")
    assert sum(map(len, codes.values())) + empty == 380 * dialogues
    for (key, culture), held in codes.items():
        item = wvs7(dialogues).seed(key).item
        assert item is not None
        shares = item.shares[GROUNDS[culture]]
        if len(held) < dialogues:
            continue  # somebody's seat stayed empty, and the plan says so
        for code, share in shares.items():
            wanted = dialogues * share / sum(shares.values())
            low, high = math.floor(wanted + 1e-9), math.ceil(wanted - 1e-9)
            assert low <= held.count(code) <= high, (key, culture, code)


def test_the_file_of_impossible_answers_names_people_and_options_that_there_are() -> None:
    triples = impossible()
    assert len(triples) == 117
    items = {seed.key: seed.item for seed in wvs7(1).scenario.seeds}
    people = {person.key: person.culture for person in wvs7(1).personas}
    for persona, key, code in triples:
        item = items[key]
        assert item is not None
        assert code in {option.code for option in item.options}
        assert persona in people
    of_cultures = Counter(people[persona] for persona, _, _ in triples)
    assert min(of_cultures[culture] for culture in GROUNDS) >= 7
    assert max(Counter(persona for persona, _, _ in triples).values()) <= 3


def test_every_impossible_answer_is_rated_as_ruled_out() -> None:
    for persona, key, code in impossible():
        item = wvs7(1).seed(key).item
        assert item is not None
        place = [option.code for option in item.options].index(code)
        assert fits.shipped()[persona, key][place] == 0, (persona, key, code)


def test_dealt_blind_people_would_hold_answers_that_their_cards_rule_out() -> None:
    held = {triple for triple, _ in dealt(plan(wvs7(1), 1))}
    assert held & set(impossible())


def test_no_impossible_answer_is_dealt_and_margins_are_exact() -> None:
    fits_the_cards_and_the_survey(assigned(1, 1), 1)


@pytest.mark.torture
@pytest.mark.parametrize("run_seed", range(2, 11))
def test_nor_in_nine_other_runs(run_seed: int) -> None:
    fits_the_cards_and_the_survey(assigned(1, run_seed), 1)


@pytest.mark.torture
def test_nor_where_each_question_is_asked_eleven_times_in_a_culture() -> None:
    fits_the_cards_and_the_survey(assigned(11, 1), 11)
