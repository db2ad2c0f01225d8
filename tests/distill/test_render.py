"""Statements put into English beside their own language, and how far a second call agrees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import col, delete

from culturepark.distill.ask import SubjectAsker
from culturepark.distill.render import A_CALL, ALL_UP_TO, COMPARED_A_CALL, ONE_IN, compare, drawn, render
from culturepark.domain import JsonObject, ModelRole, Statement, StatementRendering, Status
from culturepark.errors import Unreachable, WrongRequest
from culturepark.languages import load_language
from culturepark.models.chat import ChatModel, Traits
from culturepark.models.spec import LEXICAL
from culturepark.run.pipeline import Run
from culturepark.store.tables import CallRow, SampleRow, StatementRenderingRow
from tests.support.fakes import (
    ELIF,
    Cast,
    FakeModel,
    Held,
    Listener,
    answering,
    begin,
    edition,
    hold_said,
    judged,
    proposals,
    turns_of,
)

SAID = (
    "Misafire önce çay verilir, ağabey.",
    "Bayramda büyüklerin eli öpülür.",
    "Cenazede üç gün yemek pişmez.",
)


def statement(number: int, **more: Any) -> Statement:
    told = f"Kural {number}: misafire önce çay verilir."
    values: dict[str, Any] = {
        "id": f"held.d1.t{number}.s1",
        "turn_id": f"held.d1.t{number}",
        "persona_key": ELIF,
        "culture": "turkish",
        "kind": "custom",
        "text": f"Elif der ki: {told}",
        "first_person": told,
        "quote": told,
        "quote_start": 0,
        "quote_end": len(told),
        "question": "Misafire ne verilir?",
        "language": "tr",
    }
    return Statement.model_validate(values | more)


def english(number: int, **more: Any) -> StatementRendering:
    values = {"statement_id": f"held.d1.t{number}.s1", "language": "en", "text": f"She says {number}."}
    return StatementRendering.model_validate(values | {"first_person": f"I say {number}."} | more)


def into_english(asked: JsonObject) -> JsonObject:
    names = ("first_person", "statement", "question", "exception")
    return {"items": [{"id": i["id"]} | {n: i[n] and f"EN {i[n]}" for n in names} for i in asked["items"]]}


def says(agree: Callable[[str, str], bool]) -> Callable[[JsonObject], JsonObject]:
    def found(asked: JsonObject) -> JsonObject:
        told = [(item["id"], agree(item["original"], item["english"])) for item in asked["items"]]
        return {"items": [{"id": n, "difference": "" if same else "the tea", "agrees": same} for n, same in told]}

    return found


def number_in(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def same_number(original: str, english: str) -> bool:
    return number_in(original) == number_in(english)


class Calls:
    """What a model is asked, in a run that has only begun."""

    def __init__(self, folder: Path, **by_shape: Callable[[JsonObject], Any]) -> None:
        self.model = FakeModel(answering(**by_shape))
        self.held = begin(folder, edition(), self.model)
        ledger = Run(self.held.store, self.held.row, Listener([])).ledger
        self.asker = SubjectAsker(
            language=load_language("en"), subject_id=self.held.run_id, model=self.model, ledger=ledger, stage="render"
        )

    def render(self, statements: Sequence[Statement]) -> list[StatementRendering]:
        return asyncio.run(render(self.asker, statements))

    def compare(self, numbers: Sequence[int]) -> list[StatementRendering]:
        renderings, originals = [english(n) for n in numbers], [statement(n) for n in numbers]
        return asyncio.run(compare(self.asker, renderings, originals))


# --- rendering -----------------------------------------------------------------------------------------


def test_each_statement_is_rendered_whole_a_few_to_a_call(tmp_path: Path) -> None:
    calls = Calls(tmp_path, renderings=into_english)
    originals = [statement(n) for n in range(1, A_CALL + 3)]
    originals[1] = statement(2, exception="Ramazanda verilmez.")
    originals[2] = statement(3, question=None)
    found = calls.render(originals)
    assert [len(asked["items"]) for asked in calls.model.asked("renderings")] == [A_CALL, 2]
    assert {item["language"] for asked in calls.model.asked("renderings") for item in asked["items"]} == {"Turkish"}
    for original, one in zip(originals, found, strict=True):
        assert (one.statement_id, one.language, one.agrees) == (original.id, "en", None)
        assert one.text == f"EN {original.text}"
        assert one.first_person == f"EN {original.first_person}"
        assert one.question == (original.question and f"EN {original.question}")
        assert one.exception == (original.exception and f"EN {original.exception}")
    made_by = {one.call_id for one in found}
    assert made_by == {row.id for row in calls.held.rows(CallRow)}
    assert {row.stage for row in calls.held.rows(CallRow)} == {"render"}


def test_an_exception_that_nobody_made_is_not_taken_over(tmp_path: Path) -> None:
    def invents(asked: JsonObject) -> JsonObject:
        return {"items": [item | {"exception": "Not on Fridays."} for item in into_english(asked)["items"]]}

    (found,) = Calls(tmp_path, renderings=invents).render([statement(1)])
    assert found.exception is None


@pytest.mark.parametrize("lacking", ["first_person", "statement"])
@pytest.mark.parametrize("words", ["", "  ", "\ufffd\ufffd"])
def test_what_has_no_words_to_train_on_is_no_rendering(lacking: str, words: str, tmp_path: Path) -> None:
    def one_is_empty(asked: JsonObject) -> JsonObject:
        first, *others = into_english(asked)["items"]
        return {"items": [first | {lacking: words}, *others]}

    found = Calls(tmp_path, renderings=one_is_empty).render([statement(1), statement(2)])
    assert [one.statement_id for one in found] == [statement(2).id]


def test_an_answer_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    assert Calls(tmp_path, renderings=lambda _: "In English, gladly!").render([statement(1)]) == []


def test_a_text_in_a_language_that_is_no_longer_there_goes_by_its_code(tmp_path: Path) -> None:
    calls = Calls(tmp_path, renderings=into_english)
    calls.render([statement(1, language="qaa")])
    assert calls.model.asked("renderings")[0]["items"][0]["language"] == "qaa"


# --- comparing -----------------------------------------------------------------------------------------


def test_few_are_all_compared_and_of_many_a_part_by_their_ids() -> None:
    few = [english(n) for n in range(ALL_UP_TO)]
    assert drawn(few) == few
    assert len(drawn([english(n) for n in range(ALL_UP_TO + 1)])) == ALL_UP_TO
    many = [english(n) for n in range(ALL_UP_TO * ONE_IN * 3)]
    part = drawn(many)
    assert len(part) == len(many) // ONE_IN
    assert {one.statement_id for one in part} < {one.statement_id for one in many}
    assert drawn(many[::-1]) == part


def test_every_call_holds_a_pair_that_does_not_belong_together(tmp_path: Path) -> None:
    calls = Calls(tmp_path, comparisons=says(same_number))
    numbers = list(range(1, COMPARED_A_CALL + 4))
    found = calls.compare(numbers)
    asked = [one["items"] for one in calls.model.asked("comparisons")]
    assert [len(items) for items in asked] == [COMPARED_A_CALL + 1, 4]
    for items in asked:
        wrong = [item for item in items if not same_number(item["original"], item["english"])]
        assert len(wrong) == 1
    assert [one.statement_id for one in found] == [statement(n).id for n in numbers]
    assert {(one.agrees, one.difference) for one in found} == {(True, None)}
    assert {one.checked_by for one in found} == {row.id for row in calls.held.rows(CallRow)}


def test_a_rendering_that_differs_is_marked_with_what_differs(tmp_path: Path) -> None:
    calls = Calls(tmp_path, comparisons=says(lambda one, other: same_number(one, other) and "2" not in one))
    found = calls.compare([1, 2, 3])
    assert [(one.agrees, one.difference) for one in found] == [(True, None), (False, "the tea"), (True, None)]


def test_a_model_that_finds_everything_to_agree_is_not_believed(tmp_path: Path) -> None:
    found = Calls(tmp_path, comparisons=says(lambda *_: True)).compare([1, 2, 3])
    assert {(one.agrees, one.difference) for one in found} == {(None, None)}
    assert all(one.checked_by for one in found)


def test_a_model_is_believed_in_the_calls_alone_in_which_it_can_tell(tmp_path: Path) -> None:
    def sleepy(asked: JsonObject) -> JsonObject:
        last_call = len(asked["items"]) <= COMPARED_A_CALL
        return says(lambda *_: True)(asked) if last_call else says(same_number)(asked)

    found = Calls(tmp_path, comparisons=sleepy).compare(list(range(1, COMPARED_A_CALL + 3)))
    assert [one.agrees for one in found] == [True] * COMPARED_A_CALL + [None] * 2


def test_of_one_rendering_alone_nothing_is_known(tmp_path: Path) -> None:
    (found,) = Calls(tmp_path, comparisons=says(lambda *_: True)).compare([1])
    assert found.agrees is None


def test_a_comparison_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    found = Calls(tmp_path, comparisons=lambda _: "They do.").compare([1, 2])
    assert [one.agrees for one in found] == [None, None]


# --- in a run ------------------------------------------------------------------------------------------


def mined(asked: JsonObject) -> JsonObject:
    return proposals(*((turn["turn"], "custom", turn["text"]) for turn in asked["turns"]))


def model_of(**by_shape: Callable[[JsonObject], Any]) -> FakeModel:
    return FakeModel(answering(statements=mined, verdicts=judged, **by_shape))


def run(folder: Path, model: FakeModel, said: Sequence[str] = SAID, **scenario: Any) -> Held:
    turkish = edition(**{"language": "tr"} | scenario)
    return hold_said(folder, [(ELIF, text) for text in said], model, turkish)


def begin_said(folder: Path, model: FakeModel) -> Held:
    """The same dialogue, of which nothing is distilled yet."""
    held = begin(folder, edition(language="tr"), model)
    for turn in turns_of([(ELIF, text) for text in SAID]):
        held.store.add_turn(f"{held.run_id}.d1", turn)
    held.store.set_dialogue(f"{held.run_id}.d1", Status.DONE, "completed")
    return held


def behind_rows(held: Held) -> set[str]:
    return {row.statement_id for row in held.of(SampleRow, status="kept")}


def test_a_run_renders_what_stands_in_its_rows_and_nothing_else(tmp_path: Path) -> None:
    held = run(tmp_path, model_of(renderings=into_english))
    assert len(behind_rows(held)) == len(SAID)
    assert {row.statement_id for row in held.rows(StatementRenderingRow)} == behind_rows(held)
    assert any("3 statements of 3 put into English" in note for note in held.notes)
    figures = [row for row in held.rows(CallRow) if row.stage == "render"]
    assert {row.subject_id for row in figures} == {held.run_id}


def test_it_is_not_done_in_an_english_run_or_where_nobody_wants_it(tmp_path: Path) -> None:
    wishes: tuple[dict[str, Any], ...] = ({"language": "en"}, {"distill": {"english": False}})
    for number, changes in enumerate(wishes):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = model_of()
        held = run(folder, model, ["We give a guest tea first."] if number == 0 else SAID, **changes)
        assert behind_rows(held)
        assert not held.rows(StatementRenderingRow)
        assert not model.asked("renderings")


def test_a_run_that_is_carried_on_renders_only_what_is_not_rendered(tmp_path: Path) -> None:
    held = run(tmp_path, model_of(renderings=into_english))
    gone, *rendered = held.rows(StatementRenderingRow)
    with held.store.database.writing() as session:
        session.execute(
            delete(StatementRenderingRow).where(col(StatementRenderingRow.statement_id) == gone.statement_id)
        )
    held.model = model_of(renderings=into_english)
    held.carry_on()
    now = {row.statement_id: row.first_person for row in held.rows(StatementRenderingRow)}
    assert now == {row.statement_id: row.first_person for row in [gone, *rendered]}
    (asked,) = held.model.asked("renderings")
    assert [f"EN {item['first_person']}" for item in asked["items"]] == [gone.first_person]


class Two(Cast):
    """A cast whose interpreter is a small model."""

    async def get(self, role: ModelRole) -> ChatModel:
        if role != "interpreter":
            return await super().get(role)
        small = FakeModel()
        small.traits = Traits(labels=True)
        return small


def again(held: Held, cast: Cast) -> Held:
    """The same run once more, with nothing rendered."""
    with held.store.database.writing() as session:
        session.execute(delete(StatementRenderingRow))
    pipeline = Run(held.store, held.row, Listener(held.notes))
    pipeline.models = cast  # type: ignore[assignment]
    asyncio.run(pipeline.carry_on())
    return held


def test_a_model_that_is_too_small_renders_nothing_and_a_note_says_so(tmp_path: Path) -> None:
    model = model_of()
    held = again(run(tmp_path, model), Two(model, LEXICAL))
    assert not held.rows(StatementRenderingRow)
    assert held.row.status == "done"
    assert any("a model this small does not render" in note for note in held.notes)


def test_rows_stay_without_english_where_a_model_fails_and_the_run_is_done(tmp_path: Path) -> None:
    def fails(_: JsonObject) -> JsonObject:
        raise WrongRequest("no such model")

    held = run(tmp_path, model_of(renderings=fails))
    assert behind_rows(held)
    assert not held.rows(StatementRenderingRow)
    assert held.row.status == "done"
    assert any(note.startswith("rows have no English beside them: ") for note in held.notes)


def test_a_run_whose_interpreter_cannot_be_reached_stops_and_goes_on_later(tmp_path: Path) -> None:
    def away_for_lunch(_: JsonObject) -> JsonObject:
        raise Unreachable("nobody there")

    held = begin_said(tmp_path, model_of(renderings=away_for_lunch))
    with pytest.raises(Unreachable):
        held.carry_on()
    held.model = model_of(renderings=into_english)
    held.carry_on()
    assert {row.statement_id for row in held.rows(StatementRenderingRow)} == behind_rows(held)
