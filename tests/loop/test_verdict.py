"""Verdicts on values that are made so that it is known what is true of them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import pytest

from culturepark.catalog.suites import find_suite
from culturepark.loop.values import split_items
from culturepark.loop.verdict import ALL, BASE, Contrast, contrasts, matrix, own_people, reading, sided

CULTURES = ("german", "turkish", "korean")
ITEMS = [f"q{number}" for number in range(40)]
PAIRS = [("talk", BASE), ("shuffled", BASE), ("talk", "shuffled")]
Of = dict[tuple[str, str], float]


def values(shift: float, seed: object, cultures: Sequence[str] = CULTURES, noise: float = 0.02) -> Of:
    """Distances around .4 that differ from item to item, moved by `shift`, with noise of their own."""
    draw = random.Random(str(seed))
    return {
        (culture, item): 0.4 + 0.1 * (number % 5) / 5 + shift + draw.gauss(0, noise)
        for culture in cultures
        for number, item in enumerate(ITEMS)
    }


def trained(**shifts: float) -> Mapping[tuple[str, str], Mapping[int, Of]]:
    return {
        (arm, culture): {seed: values(shift, (arm, culture, seed)) for seed in (1, 2)}
        for arm, shift in shifts.items()
        for culture in CULTURES
    }


def found(smaller: bool = True, **shifts: float) -> list[Contrast]:
    tests = sided(PAIRS, trained(**shifts), values(0, "base"), CULTURES, "held-out", ITEMS)
    return contrasts(tests, "jsd", smaller, "arms")


def one(those: Sequence[Contrast], a: str, b: str, culture: str = ALL) -> Contrast:
    (contrast,) = [c for c in those if (c.a, c.b, c.culture) == (a, b, culture)]
    return contrast


def test_an_arm_that_came_nearer_by_a_known_distance_is_found_with_that_distance() -> None:
    those = found(talk=-0.05, shuffled=0)
    for culture in (*CULTURES, ALL):
        talk = one(those, "talk", BASE, culture)
        assert talk.word == "nearer"
        assert talk.verdict == "talk is nearer than base"
        assert talk.difference == pytest.approx(-0.05, abs=0.015)
        assert one(those, "talk", "shuffled", culture).word == "nearer"
        assert one(those, "shuffled", BASE, culture).word == "no difference"
    assert reading(those, ALL) == "talk is nearer than the base, and than every control"


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    held = 0
    for draw in range(60):
        of = {("talk", "german"): {seed: values(-0.05, (draw, seed), ("german",)) for seed in (1, 2)}}
        tests = sided([("talk", BASE)], of, values(0, ("base", draw), ("german",)), ("german",), "held-out", ITEMS)
        (only,) = contrasts(tests, "jsd", True, "arms")
        assert only.low is not None
        assert only.high is not None
        held += only.low <= -0.05 <= only.high
    assert 52 <= held <= 60  # of 57 that are expected


def test_where_nothing_happened_the_verdict_says_what_it_would_have_seen() -> None:
    those = found(talk=0, shuffled=0)
    assert {c.word for c in those} == {"no difference"}
    talk = one(those, "talk", BASE)
    assert talk.could_see is not None
    assert talk.low is not None
    assert talk.high is not None
    assert (talk.high - talk.low) / 2 < talk.could_see < 0.02  # the correction for several tests widens it
    assert talk.verdict == f"no difference that this test could see (it would have seen {talk.could_see:.4f} or more)"
    assert reading(those, ALL) == talk.verdict


def test_a_difference_of_the_size_that_could_be_seen_is_seen() -> None:
    limit = one(found(talk=0, shuffled=0), "talk", BASE).could_see
    assert limit is not None
    assert one(found(talk=-1.5 * limit, shuffled=0), "talk", BASE).word == "nearer"
    assert one(found(talk=-0.3 * limit, shuffled=0), "talk", BASE).word == "no difference"


def test_a_control_that_did_as_much_takes_the_credit_away() -> None:
    those = found(talk=-0.05, shuffled=-0.05)
    assert one(those, "talk", "shuffled").word == "no difference"
    assert reading(those, ALL) == (
        "talk is nearer than the base, but not told apart from shuffled: what those rows have in common with the talk "
        "may have done it"
    )


def test_harm_is_called_so() -> None:
    those = found(talk=0.05, shuffled=0)
    assert one(those, "talk", BASE).word == "farther"
    assert reading(those, ALL) == (
        "talk is farther than the base: training on these rows did harm here; it is behind shuffled"
    )
    assert one(found(smaller=False, talk=0.05, shuffled=0), "talk", BASE).word == "nearer"


def test_seeds_are_averaged_and_stand_beside_it() -> None:
    base = values(0, "base", ("german",), noise=0)
    of_seed = {seed: {place: v + shift for place, v in base.items()} for seed, shift in ((1, -0.06), (2, 0.02))}
    tests = sided([("talk", BASE)], {("talk", "german"): of_seed}, base, ("german",), "held-out", ITEMS)
    (only,) = contrasts(tests, "jsd", True, "arms")
    assert only.difference == pytest.approx(-0.02)
    assert only.by_seed == {1: pytest.approx(-0.06), 2: pytest.approx(0.02)}
    assert only.verdict == "talk is nearer than base, though not with every seed of the trainings"


def test_few_items_are_too_few_and_few_cultures_have_no_interval() -> None:
    tests = sided(PAIRS, trained(talk=-0.2, shuffled=0), values(0, "base"), CULTURES, "held-out", ITEMS[:4])
    those = contrasts(tests, "jsd", True, "arms")
    assert {c.word for c in those} == {"too few"}
    assert "too few items to tell" in reading(those, ALL)
    together = one(found(talk=-0.05, shuffled=0), "talk", BASE)
    assert together.low_cultures is None
    assert set(together.by_culture) == set(CULTURES)
    assert all(value == pytest.approx(-0.05, abs=0.02) for value in together.by_culture.values())


def test_cultures_whose_trainings_are_missing_are_left_out() -> None:
    some = {who: of for who, of in trained(talk=-0.05, shuffled=0).items() if who != ("talk", "korean")}
    tests = sided(PAIRS, some, values(0, "base"), CULTURES, "held-out", ITEMS)
    those = contrasts(tests, "jsd", True, "arms")
    assert set(one(those, "talk", BASE).by_culture) == {"german", "turkish"}
    assert not [c for c in those if c.a == "talk" and c.culture == "korean"]
    assert reading(those, "korean") == "not measured yet"


def test_whether_an_adapter_came_nearer_to_its_own_people_or_to_everybody() -> None:
    base = values(0, "base", noise=0)

    def moved(own: float, others: float) -> Mapping[tuple[str, str], Mapping[int, Of]]:
        return {
            ("talk", adapter): {
                seed: {
                    place: v + (own if place[0] == adapter else others) + random.Random(f"{place}{seed}").gauss(0, 0.01)
                    for place, v in base.items()
                }
                for seed in (1, 2)
            }
            for adapter in CULTURES
        }

    to_own = contrasts(own_people("talk", moved(-0.06, -0.01), base, CULTURES, ITEMS), "jsd", True, "own people")
    assert {c.culture for c in to_own} == {*CULTURES, ALL}
    assert {c.word for c in to_own} == {"nearer"}
    assert one(to_own, "talk, its own people", "talk, the others").difference == pytest.approx(-0.05, abs=0.01)
    to_all = contrasts(own_people("talk", moved(-0.06, -0.06), base, CULTURES, ITEMS), "jsd", True, "own people")
    assert {c.word for c in to_all} == {"no difference"}
    cells = {(c.adapter, c.about): c for c in matrix("talk", moved(-0.06, -0.01), base, CULTURES, ITEMS)}
    assert len(cells) == 9
    assert cells["german", "german"].difference == pytest.approx(-0.06, abs=0.01)
    assert cells["german", "korean"].difference == pytest.approx(-0.01, abs=0.01)


def test_items_are_split_by_what_the_rows_asked() -> None:
    items = find_suite("survey").items
    keys = {item.key: item for item in items}
    splits = split_items(items, {"wvs7/Q33"}, {keys["wvs7/Q170"].question})
    assert splits["asked"] == {"wvs7/Q33", "wvs7/Q170"}  # the second by its words
    topics = {keys[key].topic for key in splits["asked"]}
    assert {keys[key].topic for key in splits["same-topic"]} == topics
    assert not {keys[key].topic for key in splits["other-topics"]} & topics
    assert splits["held-out"] == splits["same-topic"] | splits["other-topics"] == keys.keys() - splits["asked"]
    bare = [item.model_copy(update={"topic": ""}) for item in items]
    splits = split_items(bare, {"wvs7/Q33"}, set())
    assert not splits["same-topic"] | splits["other-topics"]
    assert len(splits["held-out"]) == len(items) - 1
