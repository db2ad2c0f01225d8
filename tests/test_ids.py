"""Ids spell the path to a row."""

from __future__ import annotations

import pytest

from culturepark import ids

SAMPLE = "20261121-quickstart-7f3a.d3.t15.s2.x1"
TURN = "20261121-quickstart-7f3a.d3.t15"


def test_a_samples_id_leads_to_every_row_it_rests_on() -> None:
    assert ids.run_of(SAMPLE) == "20261121-quickstart-7f3a"
    assert ids.dialogue_of(SAMPLE) == "20261121-quickstart-7f3a.d3"
    assert ids.turn_of(SAMPLE) == TURN
    assert ids.parent_of(SAMPLE) == ids.statement_of(SAMPLE) == f"{TURN}.s2"
    assert ids.place_of(SAMPLE) == ("20261121-quickstart-7f3a.d3", 15)
    assert (ids.last_part(SAMPLE), ids.within(SAMPLE, TURN), ids.short(SAMPLE)) == ("x1", "s2.x1", "t15.s2.x1")


def test_a_short_id_is_asked_for_more_than_it_has() -> None:
    assert ids.run_of("run") == ids.turn_of("run") == ids.short("run") == "run"
    assert ids.parent_of("run") == ""
    assert ids.place_of("run.d1") == ids.place_of("run.d1.p2") == ("run.d1", None)
    assert ids.place_of("run.d1.t\u00b2") == ("run.d1", None)
    assert ids.statement_of("run.d1.t2") == "run.d1.t2"


@pytest.mark.parametrize(
    ("row_id", "kind"),
    [
        ("run", None), ("run.d1", "dialogue"), ("run.d1.p2", "participant"), ("run.d1.t5", "turn"),
        ("run.d1.t5.c1", "call"), ("run.d1.t5.s2", "statement"), ("run.d1.t5.s2.v1", "verdict"),
        ("run.d1.t5.s2.x1", "sample"), ("run.d1.t5.r0a1b2c3d", "review"), ("run.jsonl", None), ("d1", None),
        ("e7f3a9.a12", "answer"), ("e7f3a9.a12.s1", "score"), ("e7f3a9.a12.s1.c1", "call"), ("e7f3a9.f3", "figure"),
        ("e7f3a9.c4", "call"), ("survey-1f3a9c02.i12", "item"), ("run.x1.s2", "statement"), ("a1.s1", "statement"),
    ],
)  # fmt: skip
def test_the_last_letter_names_the_kind_of_row(row_id: str, kind: str | None) -> None:
    assert ids.kind_of(row_id) == kind


def test_turn_ten_is_not_below_turn_one_and_comes_after_turn_two() -> None:
    assert ids.hangs_on(f"{TURN}.s1", TURN)
    assert ids.hangs_on(TURN, TURN)
    assert not ids.hangs_on("run.d1.t10", "run.d1.t1")
    assert sorted(["run.d10.t1", "run.d2.t10", "run.d2.t9"], key=ids.by_number) == [
        "run.d2.t9", "run.d2.t10", "run.d10.t1",
    ]  # fmt: skip
