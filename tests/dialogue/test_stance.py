"""A delegate's stance: systematic sampling over its country's shares, matched as closely as whole numbers can."""

import math
import random
from collections import Counter
from itertools import combinations, pairwise
from statistics import correlation, fmean

import pytest

from culturepark.catalog.surveys import load_items
from culturepark.dialogue.stance import draw_codes, shuffled, stance, unit
from culturepark.export.pairs import sides_of

ITEMS = load_items([])
Q27, Q33 = ITEMS["wvs7/Q27"], ITEMS["wvs7/Q33"]


def matches(shares: dict[int, float], drawn: list[int]) -> None:
    """Every code as often as its share asks for, rounded down or up; nothing else."""
    counts, total = Counter(drawn), sum(shares.values())
    assert set(counts) <= {code for code, share in shares.items() if share > 0}
    for code, share in shares.items():
        wanted = len(drawn) * share / total
        assert math.floor(wanted + 1e-9) <= counts[code] <= math.ceil(wanted - 1e-9), (code, wanted, counts)


def first_draws(item: str, country: str, seeds: range, count: int = 1) -> list[list[int]]:
    shares = ITEMS[item].shares[country]
    return [draw_codes(shares, count, seed, item, country) for seed in seeds]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 10, 64, 1000])
def test_each_code_is_drawn_as_often_as_its_share_asks_for_rounded_down_or_up(count: int) -> None:
    chance = random.Random(count)
    for trial in range(60):
        weights = [chance.choice((0, 0, 1, 3, chance.random() * 9)) for _ in range(chance.randint(2, 10))]
        weights[0] += sum(weights) == 0
        shares = {code: weight / sum(weights) for code, weight in enumerate(weights, start=1)}
        drawn = draw_codes(shares, count, trial, "item", "country")
        assert len(drawn) == count
        matches(shares, drawn)


@pytest.mark.parametrize("count", [1, 4, 33])
def test_every_cell_of_the_shipped_survey_is_matched(count: int) -> None:
    for key, item in ITEMS.items():
        for country, shares in item.shares.items():
            matches(shares, draw_codes(shares, count, 1, key, country))


def test_where_shares_ask_for_whole_numbers_they_get_exactly_those() -> None:
    for seed in range(200):
        assert Counter(draw_codes({1: 0.25, 2: 0.5, 3: 0.25}, 8, seed)) == {1: 2, 2: 4, 3: 2}


def test_shares_that_were_rounded_and_miss_one_are_scaled() -> None:
    for seed in range(100):
        matches({1: 0.333, 2: 0.333, 3: 0.333}, draw_codes({1: 0.333, 2: 0.333, 3: 0.333}, 30, seed))
        matches({1: 0.505, 2: 0.5}, draw_codes({1: 0.505, 2: 0.5}, 30, seed))


def test_a_code_that_nobody_gave_is_never_drawn() -> None:
    assert Q33.shares["ARG"][1] == Q33.shares["ARG"][5] == 0
    drawn = {code for draws in first_draws("wvs7/Q33", "ARG", range(500), 3) for code in draws}
    assert drawn == {2, 3, 4}


def test_no_draws_are_no_draws() -> None:
    assert draw_codes(Q33.shares["TUR"], 0, 1) == []


def test_a_single_draw_gives_each_code_its_share_over_many_seeds() -> None:
    seeds = range(4000)
    counts = Counter(draws[0] for draws in first_draws("wvs7/Q33", "TUR", seeds))
    for code, share in Q33.shares["TUR"].items():
        spread = math.sqrt(share * (1 - share) / len(seeds))
        assert abs(counts[code] / len(seeds) - share) < 4 * spread, code


def test_draws_hang_on_seed_item_and_country_alone() -> None:
    shares = Q33.shares["TUR"]
    assert draw_codes(shares, 40, 7, "wvs7/Q33", "TUR") == draw_codes(shares, 40, 7, "wvs7/Q33", "TUR")
    others = [(8, "wvs7/Q33", "TUR"), (7, "wvs7/Q34", "TUR"), (7, "wvs7/Q33", "DEU")]
    assert all(draw_codes(shares, 40, *parts) != draw_codes(shares, 40, 7, "wvs7/Q33", "TUR") for parts in others)


def test_draws_do_not_hang_on_the_order_in_which_shares_stand_in_the_file() -> None:
    shares = Q33.shares["TUR"]
    turned = dict(reversed(shares.items()))
    assert all(draw_codes(shares, 9, seed) == draw_codes(turned, 9, seed) for seed in range(50))


def test_draws_are_the_same_on_every_machine_and_in_every_version() -> None:
    assert unit("start", 1, "wvs7/Q33", "TUR") == pytest.approx(0.5237870502117513, abs=1e-15)
    assert draw_codes(Q33.shares["TUR"], 10, 1, "wvs7/Q33", "TUR") == [1, 3, 4, 2, 4, 1, 3, 2, 2, 5]
    assert shuffled(6, "persona", 1) == [5, 3, 4, 0, 1, 2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("wvs7/Q33", "TUR"), ("wvs7/Q27", "TUR")),
        (("wvs7/Q33", "TUR"), ("wvs7/Q33", "DEU")),
        (("wvs7/Q158", "KOR"), ("wvs7/Q159", "KOR")),
    ],
)
def test_what_is_drawn_for_one_item_or_country_says_nothing_about_another(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    seeds = range(1500)
    mine, theirs = ([float(draws[0]) for draws in first_draws(*parts, seeds)] for parts in (one, other))
    assert abs(correlation(mine, theirs)) < 4 / math.sqrt(len(seeds))


def test_the_place_of_a_draw_says_nothing_about_the_answer() -> None:
    draws = first_draws("wvs7/Q33", "TUR", range(1500), 8)
    places = [float(place) for run in draws for place in range(8)]
    codes = [float(code) for run in draws for code in run]
    assert abs(correlation(places, codes)) < 4 / math.sqrt(len(codes))
    overall = fmean(codes)
    for place in range(8):
        assert abs(fmean(run[place] for run in draws) - overall) < 0.15


def test_neighbouring_draws_are_not_neighbouring_answers() -> None:
    draws = first_draws("wvs7/Q158", "TUR", range(600), 10)
    steps = [abs(a - b) for run in draws for a, b in pairwise(run)]
    apart = [abs(a - b) for run in draws for a, b in combinations(run, 2)]
    assert fmean(steps) == pytest.approx(fmean(apart), rel=0.05)


def test_an_order_is_a_permutation_and_every_one_of_them_comes_up() -> None:
    orders = Counter(tuple(shuffled(3, "order", seed)) for seed in range(600))
    assert len(orders) == 6
    assert min(orders.values()) > 60


def test_a_stance_is_the_label_of_its_code() -> None:
    for item in ITEMS.values():
        for option in item.options:
            assert (stance(item, option.code).code, stance(item, option.code).text) == (option.code, option.label)


def test_the_sides_of_a_scale_hold_the_stance_and_never_meet() -> None:
    for item in ITEMS.values():
        for option in item.options:
            own, other = sides_of(item, option.code, "entail")
            if option.side == 0:
                assert (own, other) == ((), ())
            else:
                assert option.label in own
                assert own
                assert other
                assert not set(own) & set(other)
    assert sides_of(Q27, 2, "entail") == (("strongly agree", "agree"), ("disagree", "strongly disagree"))
