"""Who of a culture holds which answer: margins stay exact, and nobody holds what the card rules out."""

from collections import Counter

import pytest

from culturepark.catalog import scenarios
from culturepark.dialogue.seating import IMPOSSIBLE, Pool, Ratings, Seated, assign, candidates
from culturepark.domain import Persona, SurveyItem
from tests.support.fakes import shipped

TURKS = tuple(p for p in shipped("quickstart").personas if p.culture == "turkish")
ITEM = shipped("quickstart").scenario.seeds[0].item
assert ITEM is not None
CODES = [option.code for option in ITEM.options]


def rated(**given: tuple[int, ...]) -> Ratings:
    """Ratings by the names that others use; everybody else finds every answer plausible."""
    assert ITEM is not None
    plausible = (2,) * len(CODES)
    return {(p.key, ITEM.key): given.get(p.called, plausible) for p in TURKS}


def seated(codes: list[int], ratings: Ratings, seed: int = 1, persons: tuple[Persona, ...] = TURKS) -> Seated:
    return assign(Pool(persons, len(codes), ITEM, codes, len(codes), (seed, "Q33", "turkish", "TUR")), ratings)


def holders(found: Seated, code: int) -> Counter[str]:
    return Counter(person.called for person, held in found.pairs if held == code)


@pytest.mark.parametrize("seats", [1, 2, 7, 40, 250])
def test_every_answer_is_held_as_often_as_it_was_dealt(seats: int) -> None:
    codes = [CODES[i % 5] for i in range(seats)]
    found = seated(codes, rated(Elif=(3, 2, 1, 0, 0)))
    assert Counter(code for _, code in found.pairs) == Counter(codes)
    assert found.empty == ()


def test_nobody_holds_an_answer_that_the_card_rules_out() -> None:
    for seed in range(50):
        assert not holders(seated([1, 1, 2, 5], rated(Elif=(0, 0, 2, 2, 2), Mert=(0, 2, 2, 2, 2)), seed), 1).keys() & {
            "Elif",
            "Mert",
        }


def test_the_people_whom_an_answer_fits_best_hold_it_more_often() -> None:
    ratings = rated(Elif=(1, 1, 2, 3, 3), Cevdet=(3, 3, 2, 1, 1))
    held: Counter[str] = Counter()
    for seed in range(40):
        held += holders(seated([5, 1, 2, 4], ratings, seed), 1)
    assert held["Cevdet"] > 2 * held["Elif"]


def test_a_seat_stays_empty_where_nobody_can_hold_the_answer_and_the_others_are_held() -> None:
    nobody = rated(**{p.called: (IMPOSSIBLE, 2, 2, 2, 2) for p in TURKS})
    found = seated([1, 1, 4], nobody)
    assert found.empty == (1, 1)
    assert [code for _, code in found.pairs] == [4]


def test_without_ratings_everybody_sits_as_often_as_the_others() -> None:
    found = seated([1, 2, 3, 4, 5] * 8, {})
    sat = Counter(person.key for person, _ in found.pairs)
    assert set(sat.values()) == {40 // len(TURKS)}


def test_without_ratings_a_person_is_bound_to_no_answer() -> None:
    held = Counter[int]()
    for seed in range(300):
        held.update(code for person, code in seated([1, 5], {}, seed).pairs if person.called == "Elif" and code)
    assert abs(held[1] - held[5]) < 4 * (held.total() ** 0.5)


def test_a_fitting_answer_does_not_seat_the_same_person_all_the_time() -> None:
    sat = Counter(p.called for seed in range(80) for p, _ in seated([1], rated(Elif=(3, 2, 2, 2, 2)), seed).pairs)
    assert len(sat) == len(TURKS)
    assert sat["Elif"] > 80 / len(TURKS)


def test_a_heavier_person_sits_more_often() -> None:
    heavy = tuple(p.model_copy(update={"weight": 3.0}) if p.called == "Elif" else p for p in TURKS)
    sat = Counter(p.called for p, _ in seated([1, 2, 4, 5] * 10, {}, persons=heavy).pairs)
    assert sat["Elif"] == pytest.approx(40 * 3 / (len(TURKS) + 2), abs=1.5)


def test_ratings_of_another_number_of_options_count_as_none() -> None:
    assert ITEM is not None
    stale: dict[tuple[str, str], tuple[int, ...]] = {(p.key, ITEM.key): (0, 0) for p in TURKS}
    assert seated([1, 4], stale).empty == ()


def test_a_large_culture_sends_a_weighted_draw() -> None:
    many = [TURKS[0].model_copy(update={"key": f"turkish-{i}", "weight": 5.0 if i < 50 else 1.0}) for i in range(500)]
    drawn = candidates(many, 10, "a")
    assert len(drawn) == 30
    assert drawn == candidates(many, 10, "a") != candidates(many, 10, "b")
    heavy = sum(p.weight > 1 for seed in range(40) for p in candidates(many, 10, seed))
    assert 0.25 < heavy / (40 * 30) < 0.5


def test_an_item_without_answers_seats_people_in_turn() -> None:
    found = assign(Pool(TURKS, 20, None, (), 20, (1, "tea", "turkish", "TUR")), {})
    sat = Counter(person.key for person, code in found.pairs if code is None)
    assert sat.total() == 20
    assert max(sat.values()) - min(sat.values()) <= 1


def test_every_item_of_the_shipped_survey_has_as_many_ratings_as_options() -> None:
    from culturepark.catalog.fits import shipped as ratings

    items: dict[str, SurveyItem] = {
        seed.key: seed.item for seed in scenarios.load_edition(scenarios.find("wvs7")).scenario.seeds if seed.item
    }
    for (persona, item), given in ratings().items():
        assert len(given) == len(items[item].options), (persona, item)
        assert set(given) <= {0, 1, 2, 3}
        assert max(given) >= 2, (persona, item)
