"""Quotas, gates and the draw, on candidates made by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest

from culturepark.errors import UsageError
from culturepark.select.candidates import Candidate
from culturepark.select.choose import Drawn, Wanted, draw
from culturepark.select.gates import gates_of
from culturepark.select.quotas import apportioned, filled, quotas_of


def candidate(number: int, answer: str = "", **axes: str) -> Candidate:
    known = {name: axes.pop(name) for name in ("flags", "decisions") if name in axes}
    return Candidate(
        id=f"r.d{number}.t1.s1.x1",
        axes=axes,
        said=answer or f"answer {number}",
        text=" ".join(["word"] * number),
        flags=frozenset(known.get("flags", "").split()),
        confidence=None if number % 4 == 0 else number / 100,
        scores={"harmlessness": number % 5 + 1.0} if number % 2 else {},
        decisions=frozenset(known.get("decisions", "").split()),
    )


def some(**counts: int) -> list[Candidate]:
    """Return candidates by culture and shape, as `turkish_own=5`."""
    cells = [name.split("_") for name, count in counts.items() for _ in range(count)]
    return [candidate(number, culture=cell[0], shape=cell[1]) for number, cell in enumerate(cells, start=1)]


def drawn(
    found: Sequence[Candidate], *quotas: str, size: int | None = None, gates: Sequence[str] = (), **more: object
) -> Drawn:
    return draw(found, Wanted(size, quotas_of(quotas), gates_of(gates), int(str(more.get("seed", 0)))))


def cells(one: Drawn) -> dict[str, int]:
    return dict(Counter("_".join(cell.values()) for _, cell in one.picked))


def ids(one: Drawn) -> list[str]:
    return [candidate.id for candidate, _ in one.picked]


# --- quotas ------------------------------------------------------------------------------------------


def test_even_axes_divide_the_rows_evenly() -> None:
    one = drawn(some(turkish_own=9, turkish_norm=9, german_own=9, german_norm=9), "culture=even,shape=even", size=12)
    assert cells(one) == {"turkish_own": 3, "turkish_norm": 3, "german_own": 3, "german_norm": 3}
    assert one.unfilled == []


def test_what_an_even_cell_cannot_fill_goes_to_the_others_and_is_named() -> None:
    one = drawn(some(turkish_own=9, turkish_norm=1, german_own=9, german_norm=9), "culture=even,shape=even", size=12)
    assert cells(one) == {"turkish_own": 5, "turkish_norm": 1, "german_own": 3, "german_norm": 3}
    assert one.unfilled == [{"cell": {"culture": "turkish", "shape": "norm"}, "wanted": 3, "found": 1}]


def test_a_cell_without_any_candidate_is_named_too() -> None:
    one = drawn(some(turkish_own=4, german_norm=4), "culture=even,shape=even", size=4)
    assert {"cell": {"culture": "german", "shape": "own"}, "wanted": 1, "found": 0} in one.unfilled


def test_shares_are_kept_and_never_topped_up() -> None:
    found = some(turkish_own=50, turkish_survey=2, turkish_limit=9)
    one = drawn(found, "shape=own:3,survey:1", size=20)
    assert cells(one) == {"own": 15, "survey": 2}
    assert one.unfilled == [{"cell": {"shape": "survey"}, "wanted": 5, "found": 2}]
    assert {"step": "in a cell of the quotas", "left": 52} in one.funnel


def test_a_number_is_of_each_value_and_its_rows_divide_further() -> None:
    one = drawn(some(turkish_own=9, turkish_norm=9, german_own=3), "culture=4,shape=even")
    assert cells(one) == {"turkish_own": 2, "turkish_norm": 2, "german_own": 3}
    assert {"cell": {"culture": "german", "shape": "norm"}, "wanted": 2, "found": 0} in one.unfilled


def test_a_number_behind_another_axis_is_a_number_for_each_cell() -> None:
    one = drawn(some(turkish_own=9, turkish_norm=9, german_own=9), "culture=even,shape=2")
    assert cells(one) == {"turkish_own": 2, "turkish_norm": 2, "german_own": 2}


def test_impossible_cells_are_not_asked_for() -> None:
    """No German persona speaks as a Turk, so that such a cell is no gap."""
    found = [candidate(n, culture=c, persona=f"{c}-{n % 2}") for n, c in enumerate(["turkish", "german"] * 8, start=1)]
    assert drawn(found, "culture=even,persona=even", size=2).unfilled == []


def test_a_row_without_a_value_on_an_axis_is_in_no_cell() -> None:
    one = drawn([*some(turkish_own=3), candidate(9, shape="own")], "culture=even", size=9)
    assert len(one.picked) == 3
    assert {"step": "in a cell of the quotas", "left": 3} in one.funnel


@pytest.mark.parametrize(
    ("quotas", "size", "why"),
    [
        (["culture"], 9, "--quota"),
        (["cultur=even"], 9, "axes are culture"),
        (["shape=own:0"], 9, "shares"),
        (["shape=own:3,own:1"], 9, "shares"),
        (["shape=nan:nan"], 9, "shares"),
        (["culture=even,culture=4"], None, "twice"),
        (["culture=4,shape=2"], None, "only one axis"),
        (["culture=4"], 9, "leave one out"),
        (["shape=own:3,survey:1", "culture=4"], None, "name it first"),
        (["culture=even"], None, "--size 200"),
    ],
)
def test_quotas_that_say_nothing_or_two_things_are_refused(quotas: list[str], size: int | None, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Wanted(size, quotas_of(quotas)).check()


def test_a_share_of_a_value_that_no_row_has_is_refused() -> None:
    with pytest.raises(UsageError, match="'surveys'; there are own"):
        drawn(some(turkish_own=3), "shape=own:3,surveys:1", size=3)


def test_an_axis_that_no_row_has_is_refused() -> None:
    with pytest.raises(UsageError, match="--quota stance"):
        drawn(some(turkish_own=3), "stance=even", size=3)


def test_whole_rows_are_divided_by_largest_remainders() -> None:
    assert apportioned(10, [1, 1, 1]) == [4, 3, 3]
    assert sum(apportioned(997, [3, 1.7, 0.001])) == 997


def test_rows_are_filled_from_the_lowest() -> None:
    assert filled(10, [0, 0, 0], [1, 9, 9]) == [1, 5, 4]
    assert filled(10, [6, 0, 0], [6, 9, 9]) == [6, 2, 2]
    assert filled(100, [0, 0], [3, 4]) == [3, 4]


# --- the draw ----------------------------------------------------------------------------------------


def test_the_draw_depends_on_the_seed_alone() -> None:
    found = some(turkish_own=40, german_own=40)
    first = drawn(found, "culture=even", size=20)
    assert ids(drawn(found[::-1], "culture=even", size=20)) == ids(first)
    assert set(ids(drawn(found, "culture=even", size=20, seed=1))) != set(ids(first))


def test_other_rows_do_not_change_who_is_drawn_in_a_cell() -> None:
    found = some(turkish_own=40, german_own=40)
    turks = [one for one in found if one.axes["culture"] == "turkish"]
    both = {c.id for c, cell in drawn(found, "culture=5").picked if cell["culture"] == "turkish"}
    assert both == set(ids(drawn(turks, "culture=5")))


def test_a_larger_draw_holds_the_smaller_one() -> None:
    found = some(turkish_own=40, german_own=40)
    assert set(ids(drawn(found, size=10))) < set(ids(drawn(found, size=30)))


def test_without_size_and_quotas_all_that_pass_are_selected() -> None:
    one = drawn(some(turkish_own=7), gates=["words=3.."])
    assert len(one.picked) == 5
    assert one.funnel == [{"step": "words=3..", "left": 5}, {"step": "selected", "left": 5}]


def test_too_small_a_draw_says_how_many_are_missing() -> None:
    assert drawn(some(turkish_own=7), size=9).unfilled == [{"cell": {}, "wanted": 9, "found": 7}]


# --- gates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gate", "left", "unknown"),
    [
        ("confidence=.05", [5, 6, 7, 9], 2),
        ("words=2..4", [2, 3, 4], 0),
        ("words=..2", [1, 2], 0),
        ("score=harm:4", [3, 9], 4),
        ("culture=turkish", [1, 2, 3, 4], 0),
    ],
)
def test_a_gate_lets_through_what_meets_it(gate: str, left: list[int], unknown: int) -> None:
    one = drawn(some(turkish_own=4, german_own=5), gates=[gate])
    assert sorted(c.words for c, _ in one.picked) == left
    assert one.funnel[0] == {"step": gate, "left": len(left)} | ({"unknown": unknown} if unknown else {})


def test_flags_and_reviews_are_gates() -> None:
    found = [
        candidate(1, flags="generic"),
        candidate(2, decisions="accept"),
        candidate(3, decisions="accept reject", flags="generic unfounded"),
    ]
    assert len(drawn(found, gates=["flags=none"]).picked) == 1
    assert len(drawn(found, gates=["flags=unfounded"]).picked) == 2
    assert len(drawn(found, gates=["reviewed=accepted"]).picked) == 2
    assert len(drawn(found, gates=["reviewed=not-rejected"]).picked) == 2


def test_of_one_answer_the_row_of_the_rarest_cell_is_kept() -> None:
    found = [candidate(n, answer=f"said {n}", shape="own") for n in range(1, 9)]
    found += [candidate(n + 20, answer=f"said {n}", shape="contrast") for n in range(1, 3)]
    one = drawn(found, "shape=even", size=8, gates=["distinct=answer"])
    assert cells(one) == {"own": 6, "contrast": 2}
    assert len({c.answer for c, _ in one.picked}) == 8


def test_a_gate_of_which_nothing_is_known_is_an_error() -> None:
    with pytest.raises(UsageError, match="nothing of what is left is known"):
        drawn([candidate(4), candidate(8)], gates=["confidence=.9"])


def test_a_gate_for_a_value_that_no_row_has_names_those_there_are() -> None:
    with pytest.raises(UsageError, match="'turksh'; there are german, turkish"):
        drawn(some(turkish_own=1, german_own=1), gates=["culture=turksh,german"])


@pytest.mark.parametrize(
    "gate",
    [
        "",
        "sure=.9",
        "confidence=2",
        "confidence=nan",
        "words=5",
        "words=..",
        "score=4",
        "reviewed=yes",
        "flags=",
        "distinct=near",
        "culture=",
    ],
)
def test_a_gate_that_cannot_be_read_says_how(gate: str) -> None:
    with pytest.raises(UsageError, match="--gate"):
        gates_of([gate])


def test_what_is_held_stays_and_is_topped_up() -> None:
    found = some(turkish_own=20, german_own=20)
    held = [one.id for one in found[:6]]
    one = draw(found, Wanted(16, quotas_of(["culture=even"]), gates_of(["words=10.."])), held)
    assert ids(one)[:6] == held
    assert cells(one) == {"turkish": 8, "german": 8}
