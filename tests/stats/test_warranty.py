"""The error rate of rows that people judged: what it counts, what it does not, and whom it lets export."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import Review
from culturepark.errors import UsageError
from culturepark.export.manifest import Wanted
from culturepark.export.writer import export
from culturepark.stats.agreement import agreed, alpha
from culturepark.stats.text import error_lines, stats_lines
from culturepark.stats.warranty import check_error, error_rate, interval, reached, rows_needed, warranty
from culturepark.store.draws import Draw, Member
from culturepark.store.reviews import Reviews
from tests.support.fakes import Held
from tests.support.judging import drawn_from, ids, judge, many

ROW = Member("r.d1.t1.s1.x1", "turkish", "own", "card", "en", kept=True)


def drawn(count: int) -> Draw:
    rows = [
        replace(ROW, id=f"r.d1.t{n}.s1.x3", culture=("turkish", "german")[n % 2], provenance=("card", None)[n % 2])
        for n in range(1, count + 1)
    ]
    return Draw("draw-1", "r", "2026-11-30T12:00:00.000+00:00", 0, 1000, tuple(rows))


def said(*given: tuple[str, str], **more: Any) -> dict[str, list[Review]]:
    """Subject and decision; the reviewer is anna unless the decision is `ben: ...`."""
    reviews: dict[str, list[Review]] = {}
    for number, (subject, decision) in enumerate(given):
        by, _, word = decision.rpartition(": ")
        review = Review.model_validate(
            {
                "id": f"{subject}.r{number:08x}",
                "subject_id": subject,
                "reviewer": by or "anna",
                "decision": word,
                "created_at": "2026-11-30T12:00:00.000+00:00",
                **more,
            }
        )
        reviews.setdefault(subject, []).append(review)
    return reviews


def names(draw: Draw) -> list[str]:
    return ids(draw.rows)


# --- what counts -----------------------------------------------------------------------------------


def test_the_rate_is_that_of_the_rows_that_were_judged_from_the_first_on() -> None:
    draw = drawn(50)
    wrong = names(draw)[:3]
    found = warranty(draw, said(*((name, "reject" if name in wrong else "accept") for name in names(draw)[:40])))
    assert found
    assert (found.drawn, found.counted, found.population, found.unjudged) == (50, 40, 1000, [])
    assert (found.rows.judged, found.rows.wrong, found.rows.rate) == (40, 3, 0.075)
    assert {name: rate.wrong for name, rate in found.by_culture.items()} == {"german": 2, "turkish": 1}
    assert {name: rate.judged for name, rate in found.by_provenance.items()} == {"card": 20, "unknown": 20}
    assert sum(rate.judged for rate in found.by_shape.values()) == 40


def test_rows_judged_out_of_turn_are_no_random_sample() -> None:
    draw = drawn(100)
    assert warranty(draw, said(*((name, "accept") for name in names(draw)[20:80]))) is None
    assert warranty(draw, {}) is None
    some = warranty(draw, said(*((name, "accept") for name in [*names(draw)[:30], names(draw)[90]])))
    assert some
    assert some.counted == 30


@pytest.mark.parametrize(
    ("judged", "length"),
    [("", 0), ("0", 0), ("1", 1), ("01", 0), ("1" * 9 + "01", 11), ("1" * 7 + "01", 7), ("1" * 19 + "001", 22)],
)
def test_a_tenth_may_be_left_unjudged_and_the_last_one_is_judged(judged: str, length: int) -> None:
    assert reached([sign == "1" for sign in judged]) == length


def test_what_nobody_judged_is_right_in_the_lower_bound_and_wrong_in_the_upper() -> None:
    whole, some = error_rate([True] + [False] * 49, 1000), error_rate([True] + [None] * 3 + [False] * 46, 1000)
    assert (some.judged, some.wrong, some.unjudged) == (47, 1, 3)
    assert some.low == whole.low
    assert some.high == error_rate([True] * 4 + [False] * 46, 1000).high > whole.high
    draw = drawn(20)
    found = warranty(draw, said(*((name, "accept") for name in names(draw) if name != names(draw)[12])))
    assert found
    assert found.unjudged == [names(draw)[12]]


def test_a_reworded_row_was_wrong_and_so_was_one_whose_statement_fell() -> None:
    draw = drawn(6)
    one, two, three, four, five, six = names(draw)
    reviews = said((one, "accept"), wording="Better so.") | said((two.removesuffix(".x3"), "reject"))
    reviews |= said((three.removesuffix(".x3"), "comment"), wording="I do.") | said((four, "accept"), (six, "accept"))
    reviews |= said(("r.d1.t5", "comment"), wording="The whole turn anew.") | said((five, "accept"))
    found = warranty(draw, reviews)
    assert found
    assert (found.rows.judged, found.rows.wrong) == (6, 3)


def test_who_accepts_a_statement_has_not_judged_the_row_and_a_remark_judges_nothing() -> None:
    draw = drawn(2)
    one, two = names(draw)
    assert warranty(draw, said((one.removesuffix(".x3"), "accept"), (two, "comment"), note="perhaps")) is None


def test_where_two_differ_the_doubt_is_enough_and_their_agreement_stands_beside_chance() -> None:
    draw = drawn(10)
    split, *rest = names(draw)
    given = [(name, "accept") for name in names(draw)] + [(split, "ben: reject"), (rest[0], "ben: accept")]
    found = warranty(draw, said(*given))
    assert found
    assert (found.rows.wrong, found.reviewers) == (1, 2)
    assert found.judged_twice
    assert (found.judged_twice.rows, found.judged_twice.agreed) == (2, 0.5)
    assert 0 < found.judged_twice.by_chance < 1


def test_agreement_and_chance_are_those_of_which_alpha_is_made() -> None:
    judged = [("a", "1", "x"), ("b", "1", "x"), ("a", "2", "x"), ("b", "2", "y"), ("a", "3", "y"), ("b", "3", "y")]
    found = agreed(judged)
    assert found
    assert alpha(judged, "nominal") == pytest.approx((found[0] - found[1]) / (1 - found[1]), abs=0.005)
    assert agreed([("a", "1", "x"), ("b", "2", "x")]) is None
    assert agreed([("a", "1", "x"), ("b", "1", "x")]) == (1.0, 1.0)


def test_a_part_of_the_rows_has_a_rate_of_its_own_if_it_was_judged_from_its_first_on() -> None:
    draw = drawn(40)
    german = [row.id for row in draw.rows if row.culture == "german"]
    reviews = said(*((name, "accept") for name in german))
    assert warranty(draw, reviews, lambda row: row.culture == "turkish") is None
    found = warranty(draw, reviews, lambda row: row.culture == "german")
    assert found
    assert (found.counted, found.drawn, found.rows.rate) == (20, 20, 0)


# --- what it lets pass -----------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0.02, 0.05, 0.2])
def test_the_number_of_rows_that_is_named_is_enough_and_no_more(most: float) -> None:
    for population in (60, 1000, 100_000):
        enough = rows_needed(most, population)
        assert error_rate([False] * enough, population).high <= most
        assert error_rate([False] * (enough - 1), population).high > most
    assert [rows_needed(most, some) for some in (1, 2)] == [1, 2]  # never more than there are


def test_of_a_set_that_is_judged_whole_the_rate_is_known() -> None:
    for wrong in (0, 3, 60):
        rate = error_rate([True] * wrong + [False] * (60 - wrong), 60)
        assert (rate.low, rate.rate, rate.high) == (wrong / 60, wrong / 60, wrong / 60)
    draw = replace(drawn(40), population=40)
    found = warranty(draw, said(*((name, "accept") for name in names(draw))))
    assert found
    assert (found.rows.high, found.by_culture["german"].high) == (0, 0)
    check_error(found, "r", 0.01, 40)
    half = warranty(draw, said(*((name, "accept") for name in names(draw)[:20])))
    assert half
    assert 0 < half.rows.high < error_rate([False] * 20, 1000).high


def test_the_bounds_are_those_of_the_hypergeometric_distribution() -> None:
    from scipy.stats import beta, hypergeom

    for wrong, rows, population in ((0, 30, 60), (3, 30, 60), (5, 100, 400), (30, 30, 60)):
        there = range(wrong, population - (rows - wrong) + 1)
        likely = [
            one
            for one in there
            if hypergeom.cdf(wrong, population, one, rows) > 0.025
            and hypergeom.sf(wrong - 1, population, one, rows) > 0.025
        ]
        assert interval(wrong, rows, population) == (
            round(likely[0] / population, 4),
            round(likely[-1] / population, 4),
        )
    assert interval(3, 100, 10**7) == pytest.approx((beta.ppf(0.025, 3, 98), beta.ppf(0.975, 4, 97)), abs=1e-4)


def test_a_refusal_says_what_was_found_and_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"nobody has judged a random sample.*`culturepark review r --sample 72`"):
        check_error(None, "r", 0.05, 100_000)
    draw = drawn(40)
    found = warranty(draw, said(*((name, "accept") for name in names(draw))))
    with pytest.raises(UsageError, match=r"of 40 rows of r .* 0 are wrong; so the rate may be as high as 0\.086"):
        check_error(found, "r", 0.05, 1000)
    check_error(found, "r", 0.09, 1000)


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return many(tmp_path)


def test_an_export_names_the_rate_and_refuses_what_is_not_shown_to_be_low(held: Held, tmp_path: Path) -> None:
    def exported(folder: str, **options: Any) -> str:
        export(held.store, [held.run_id], tmp_path / folder, Wanted("trl", **options), command="test")
        return " ".join((tmp_path / folder / "README.md").read_text().split())

    assert "Nobody has judged a random sample of these rows." in exported("before")
    with pytest.raises(UsageError, match="nobody has judged a random sample"):
        exported("none", max_error=0.2)
    assert not (tmp_path / "none").exists()
    rows = ids(drawn_from(held, 30).rows)
    judge(held, rows, wrong=rows[:1])
    assert "**1 of 30 wrong, 3.3% (2.5% to 10.0%)**, from the first 30 of 30 rows" in exported("sure", max_error=0.2)
    with pytest.raises(UsageError, match=r"as high as 0\.100"):
        exported("no", max_error=0.09)
    with pytest.raises(UsageError, match="single samples"):
        exported("no", max_error=0.2, dialogues=True)
    with pytest.raises(UsageError, match="shares in --shape-mix"):
        exported("no", max_error=0.2, shape_mix={"own": 1.0})
    assert "is not known" in exported("talks", dialogues=True)
    made_up = [row for row in drawn_from(held, 30).rows if row.provenance not in ("card", "episode")]
    grounded = exported("grounded", grounded=True)
    assert made_up
    assert f"of {30 - len(made_up)} rows drawn at random" in grounded


def test_stats_show_it_once_somebody_has_judged(held: Held) -> None:
    def shown() -> str:
        from culturepark.stats.run_stats import stats

        return "\n".join(stats_lines(stats(held.store, held.store.run(held.run_id))))

    assert "error rate" not in shown()
    rows = ids(drawn_from(held, 20).rows)
    Reviews(held.store, "anna").add(rows[-1], "accept")
    assert "not known: nobody has judged a random sample" in shown()
    judge(held, rows)
    assert "error rate  0 of 20 wrong, 0.0% (0.0% to 10.0%)" in shown()
    judge(held, rows[:5], by="ben")
    assert "reviewers 2; on 5 rows of two or more 100% agree, 100% would by chance" in shown()


def test_the_lines_name_what_nobody_judged() -> None:
    draw = drawn(30)
    found = warranty(draw, said(*((name, "accept") for name in names(draw) if name != names(draw)[15])))
    assert f"1, which count as wrong in the upper bound: {names(draw)[15]}" in "\n".join(error_lines(found, "r"))
