"""The scorer of extraction, by hand and by any pieces."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.quality.overlap import score
from culturepark.domain import JsonObject

TURN = "Hello there. We bake on Fridays. Jenna says no. A guest comes first."
ROW = {
    "id": "r",
    "turn": TURN,
    "gold": [{"kind": "custom", "quote": "We bake on Fridays"}, {"kind": "norm", "quote": "A guest comes first"}],
    "not_statements": ["Hello there.", "Jenna says no."],
}


def one(quote: str, kind: str = "custom", statement: str = "They do.") -> JsonObject:
    return {"kind": kind, "statement": statement, "quote": quote}


def test_gold_scores_full_marks_and_nothing_scores_none() -> None:
    gold = [one(g["quote"], g["kind"]) for g in ROW["gold"]]
    full = score([ROW], {"r": gold})
    assert (full["precision"], full["recall"], full["f1"], full["kind_accuracy"]) == (1, 1, 1, 1)
    assert (full["quote_exact"], full["wrongly_attributed"], full["empty"]) == (1, 0, 0)
    none = score([ROW], {})
    assert (none["precision"], none["recall"], none["f1"], none["kind_accuracy"]) == (None, 0, 0, None)


def test_each_gold_statement_is_matched_once_and_by_half_its_quote_at_least() -> None:
    twice = score([ROW], {"r": [one("We bake on Fridays."), one("We bake on Fridays")]})
    assert (twice["precision"], twice["recall"]) == (0.5, 0.5)
    assert score([ROW], {"r": [one("We bake on")]})["recall"] == 0.5
    assert score([ROW], {"r": [one("Fridays")]})["recall"] == 0
    assert score([ROW], {"r": [one(TURN)]})["recall"] == 0


def test_a_statement_of_another_kind_is_matched_and_counted_apart() -> None:
    found = score([ROW], {"r": [one("We bake on Fridays", "norm")]})
    assert (found["recall"], found["kind_accuracy"], found["with_kind"]["recall"]) == (0.5, 0, 0)


def test_what_must_not_be_mined_is_counted_whether_it_is_swallowed_or_cut() -> None:
    for quote in ("Jenna says no.", "says no", "Jenna says no. A guest comes first."):
        assert score([ROW], {"r": [one(quote)]})["wrongly_attributed"] == 1, quote
    assert score([ROW], {"r": [one("We bake on Fridays.")]})["wrongly_attributed"] == 0


def test_quotes_that_are_not_there_not_letter_by_letter_or_only_lent_are_not_exact() -> None:
    found = score([ROW], {"r": [one("we bake on Fridays"), one("", statement=" "), one("Fridays") | {"lent": True}]})
    assert (found["quote_exact"], found["empty"]) == (0, 1)


@given(
    st.lists(
        st.tuples(st.integers(0, len(TURN)), st.integers(0, len(TURN)), st.sampled_from(["custom", "norm", "opinion"])),
        max_size=8,
    )
)
def test_scores_stay_in_bounds_and_do_not_depend_on_order(cuts: list[tuple[int, int, str]]) -> None:
    said = [one(TURN[a:b], kind) for a, b, kind in cuts]
    found = score([ROW], {"r": said})
    for name in ("precision", "recall", "f1", "kind_accuracy", "quote_exact"):
        assert found[name] is None or 0 <= found[name] <= 1
    assert found["with_kind"]["recall"] <= found["recall"]
    assert found["statements"] == len(said)
    again = score([ROW], {"r": said[::-1]})
    assert (again["recall"], again["wrongly_attributed"]) == (found["recall"], found["wrongly_attributed"])
