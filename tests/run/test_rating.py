"""People whom nobody has rated are rated once by the moderator's model, and then seated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import Edition, JsonObject
from culturepark.errors import ModelError
from culturepark.models import scripted
from culturepark.store.tables import CallRow, FitRow, ParticipantRow
from tests.support.fakes import ELIF, JENNA, FakeModel, answering, begin, edition, hold, shape_of

NEW = "turkish-newcomer"


def newcomers(**scenario: Any) -> Edition:
    """A table with people of two cards that nobody has rated, whose survey has two answers in halves."""
    known = edition(people=(JENNA, ELIF), **scenario)
    elif_ = next(p for p in known.personas if p.key == ELIF)
    strangers = [elif_.model_copy(update={"key": f"{NEW}-{name.lower()}", "called": name}) for name in ("Ayla", "Berk")]
    (seed,) = known.scenario.seeds
    assert seed.item is not None
    item = seed.item.model_copy(update={"shares": {"TUR": {1: 0.5, 5: 0.5}}})
    scenario_ = known.scenario.model_copy(
        update={"seeds": (seed.model_copy(update={"item": item}),), "dialogues_per_seed": 6}
    )
    jenna = next(p for p in known.personas if p.key == JENNA)
    return Edition(scenario=scenario_, personas=(jenna, *strangers))


def rates(material: JsonObject) -> JsonObject:
    """Ayla cannot strongly agree, and Berk can say nothing else."""
    assert material["person"]["called"] in ("Ayla", "Berk")
    ratings = [0, 1, 2, 2, 3] if material["person"]["called"] == "Ayla" else [3, 2, 1, 1, 0]
    return {"items": [{"id": item["id"], "ratings": ratings} for item in material["items"]]}


def test_strangers_are_rated_once_and_hold_answers_that_fit(tmp_path: Path) -> None:
    model = FakeModel(answering(ratings=rates))
    held = hold(tmp_path, newcomers(), model, until="dialogue")
    seats = held.of(ParticipantRow, culture="turkish")
    assert {(seat.name, seat.stance_code, seat.fit) for seat in seats} <= {
        (seat.name, *({f"{NEW}-ayla": (5, 3), f"{NEW}-berk": (1, 3)}[seat.persona_key])) for seat in seats
    }
    assert sorted(seat.stance_code for seat in seats) == [1] * 3 + [5] * 3
    calls = held.of(CallRow, stage="seat")
    assert {call.subject_id for call in calls} == {"held.p2", "held.p3"}
    assert len(held.rows(FitRow)) == 2
    assert {row.call_id for row in held.rows(FitRow)} == {call.id for call in calls}
    assert any("2 people" in note for note in held.notes)


def test_a_later_run_with_the_same_people_does_not_ask_again(tmp_path: Path) -> None:
    hold(tmp_path, newcomers(), FakeModel(answering(ratings=rates)), until="dialogue")
    again = FakeModel(answering(ratings=rates))
    second = hold(tmp_path, newcomers(), again, run_id="second", seed=2, until="dialogue")
    assert not [body for body in again.bodies if shape_of(body) == "ratings"]
    assert {seat.fit for seat in second.of(ParticipantRow, culture="turkish")} == {3}


def test_a_changed_card_is_rated_anew(tmp_path: Path) -> None:
    hold(tmp_path, newcomers(), FakeModel(answering(ratings=rates)), until="dialogue")
    whole = newcomers()
    older = tuple(p.model_copy(update={"age": p.age + 1}) if p.called == "Ayla" else p for p in whole.personas)
    model = FakeModel(answering(ratings=rates))
    hold(tmp_path, whole.model_copy(update={"personas": older}), model, run_id="second", until="dialogue")
    assert [body["person"]["called"] for body in model.asked("ratings")] == ["Ayla"]


def test_a_run_that_is_stopped_while_people_are_rated_goes_on_from_there(tmp_path: Path) -> None:
    def stops(body: JsonObject) -> str:
        if shape_of(body) == "ratings" and "Berk" in body["messages"][-1]["content"]:
            raise KeyboardInterrupt
        return str(answering(ratings=rates)(body))

    held = begin(tmp_path, newcomers(), FakeModel(stops), until="dialogue")
    with pytest.raises(BaseException):  # noqa: B017, PT011 - however the loop reports it
        held.carry_on()
    assert held.store.dialogues("held") == []
    held.model = model = FakeModel(answering(ratings=rates))
    held.carry_on()
    assert [body["person"]["called"] for body in model.asked("ratings")] == ["Berk"]
    assert len(held.store.dialogues("held")) == 6


@pytest.mark.parametrize(
    "answer",
    [
        '{"items": [{"id": 1, "ratings": [2, 2]}]}',
        '{"items": [{"id": 1, "ratings": [0, 0, 0, 0, 1]}]}',
        '{"items": [{"id": 7, "ratings": [2, 2, 2, 2, 2]}]}',
        '{"items": [{"id": 1, "ratings": [9, 2, 2, 2, 2]}]}',
        "I would rather not.",
    ],
)
@pytest.mark.sampled
def test_ratings_that_cannot_be_used_leave_the_person_unrated(answer: str, tmp_path: Path) -> None:
    model = FakeModel(lambda body: answer if shape_of(body) == "ratings" else scripted.answer(body))
    held = hold(tmp_path, newcomers(), model, until="dialogue")
    assert held.rows(FitRow) == []
    assert {seat.fit for seat in held.of(ParticipantRow, culture="turkish")} == {None}
    assert sorted(seat.stance_code for seat in held.of(ParticipantRow, culture="turkish")) == [1] * 3 + [5] * 3


def test_a_model_that_refuses_one_person_costs_that_persons_ratings_alone(tmp_path: Path) -> None:
    def refuses(body: JsonObject) -> str:
        if shape_of(body) == "ratings" and "Berk" in body["messages"][-1]["content"]:
            raise ModelError("I take no such people", kind="http-400")
        return str(answering(ratings=rates)(body))

    held = hold(tmp_path, newcomers(), FakeModel(refuses), until="dialogue")
    assert len(held.rows(FitRow)) == 1
    assert any("Berk" in note and "no such people" in note for note in held.notes)
    assert len(held.store.dialogues("held")) == 6


def test_a_model_too_small_to_rate_is_not_asked_and_the_run_says_so(tmp_path: Path) -> None:
    model = FakeModel(answering(ratings=rates), labels=True)
    held = hold(tmp_path, newcomers(), model, until="dialogue")
    assert not model.asked("ratings")
    assert any("blind" in note for note in held.notes)
    assert len(held.store.dialogues("held")) == 6


def test_people_who_are_rated_already_are_not_rated_again(tmp_path: Path) -> None:
    model = FakeModel()
    held = hold(tmp_path, edition(), model, until="dialogue")
    assert not model.asked("ratings")
    assert json.loads(held.row.skipped or "null") == []


def test_answers_that_nobody_can_hold_are_left_out_and_named(tmp_path: Path) -> None:
    def nobody(material: JsonObject) -> JsonObject:
        return {"items": [{"id": item["id"], "ratings": [0, 2, 2, 2, 2]} for item in material["items"]]}

    held = hold(tmp_path, newcomers(), FakeModel(answering(ratings=nobody)), until="dialogue")
    assert len(held.store.dialogues("held")) == 3
    (skip,) = held.figures().skipped
    assert (skip.culture, skip.dialogues) == ("turkish", 3)
    assert "strongly agree" in skip.why
