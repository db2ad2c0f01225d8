"""Quotas: shares of combinations from margins and single cells, and whole people drawn to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from culturepark.errors import CatalogError
from culturepark.people.quotas import Quotas, counted, drawn, fitted, load_quotas, misses, quota_drafts, whole
from tests.support.people import QUOTAS


def quotas(margins: dict[str, Any], joint: list[dict[str, Any]] = []) -> Quotas:  # noqa: B006
    return Quotas.model_validate(
        {"culture": "turkish", "source": "made up", "licence": "CC0-1.0", "margins": margins, "joint": joint}
    )


def test_margins_alone_are_independent_of_each_other() -> None:
    shares, off = fitted(quotas({"gender": {"woman": 60, "man": 40}, "settlement": {"city": 75, "village": 25}}))
    assert off == []
    assert shares == pytest.approx(np.array([[0.45, 0.15], [0.30, 0.10]]))


def test_single_cells_hold_and_so_do_the_margins() -> None:
    joint = [{"gender": "woman", "settlement": "village", "share": 5}]
    shares, off = fitted(quotas({"gender": {"woman": 60, "man": 40}, "settlement": {"city": 75, "village": 25}}, joint))
    assert off == []
    assert shares == pytest.approx(np.array([[0.55, 0.05], [0.20, 0.20]]), abs=1e-5)


def test_a_share_of_nought_is_never_drawn() -> None:
    joint = [{"age": "60-85", "faith": "none", "share": 0}]
    file = quotas({"age": {"16-59": 80, "60-85": 20}, "faith": {"Muslim": 90, "none": 10}}, joint)
    shares, off = fitted(file)
    assert off == []
    assert (1, 1) not in drawn(file, shares, 500, 1)


def test_cells_that_contradict_a_margin_are_named() -> None:
    joint = [{"gender": "woman", "settlement": "village", "share": 30}]
    _, off = fitted(quotas({"gender": {"woman": 60, "man": 40}, "settlement": {"city": 75, "village": 25}}, joint))
    assert [words.partition(" misses")[0] for words in off][-1:] in (
        ["joint gender x settlement"],
        ["margins.settlement"],
    )


@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=6),
    st.lists(st.integers(1, 40), min_size=2, max_size=5),
    st.integers(1, 400),
    st.integers(1, 5),
)
def test_every_margin_holds_to_the_whole_number(some: list[int], others: list[int], count: int, seed: int) -> None:
    regions = {f"r{i}": 100 * n / sum(some) for i, n in enumerate(some)}
    schools = {f"s{i}": 100 * n / sum(others) for i, n in enumerate(others)}
    file = quotas({"region": regions, "schooling": schools, "gender": {"woman": 51, "man": 49}})
    shares, off = fitted(file)
    people = drawn(file, shares, count, seed)
    assert off == misses(file, people) == []
    assert len(people) == count
    assert people == drawn(file, shares, count, seed)
    numbers = counted(file, people)
    for key, wanted in (("region", regions), ("schooling", schools)):
        assert all(abs(numbers[key][name] - share * count / 100) < 1 + 1e-6 for name, share in wanted.items())


def test_whole_numbers_go_to_the_largest_remainders() -> None:
    assert whole(np.array([0.5, 0.3, 0.2]), 3) == [1, 1, 1]
    assert whole(np.array([1.0, 0.0]), 7) == [7, 0]
    assert sum(whole(np.array([1 / 3] * 3), 100)) == 100


def test_ages_are_drawn_inside_their_brackets_and_people_have_their_number_for_a_row() -> None:
    file = quotas({"age": {"20-29": 50, "70-90": 50}})
    people = quota_drafts(file, drawn(file, fitted(file)[0], 200, 1), 1)
    assert {20, 29, 70, 90} <= {draft.given["age"] for draft in people} <= {*range(20, 30), *range(70, 91)}
    assert [draft.source.row for draft in people] == list(range(1, 201))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("woman: 51", "woman: 61", "quotas.yaml:6: margins.gender: the shares sum to 110, and must to 100"),
        ("16-34:", "under 35:", "quotas.yaml:5: margins.age.under 35: must be ages as `16-24`"),
        ("16-34:", "10-34:", "quotas.yaml:5: margins.age.10-34: must be ages as `16-24`"),
        ("village: 10", "hamlet: 10", "quotas.yaml:7: margins.settlement.hamlet: must be one of 'city'"),
        ("settlement: village,", "settlement: hamlet,", "quotas.yaml:10: joint[1].settlement: 'hamlet' does not stand"),
        ("settlement: village,", "", "quotas.yaml:10: joint[1]: names a share and two categories at least"),
        ("  faith: {Sunni", "  fate: {Sunni", "quotas.yaml:8: margins.fate"),
        ("source: Made-up shares, 2026\n", "", "source: is missing"),
    ],
)
def test_a_mistake_in_a_quotas_file_is_named_with_its_line(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert old in QUOTAS
    path = tmp_path / "quotas.yaml"
    path.write_text(QUOTAS.replace(old, new, 1))
    with pytest.raises(CatalogError) as raised:
        load_quotas(path)
    assert words in str(raised.value).replace(str(tmp_path) + "/", "")
