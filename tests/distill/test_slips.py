"""Slips: turns that are not true to card and talk, found after the talk by one call, marked, shown and not mined."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from culturepark.catalog.personas import load_all
from culturepark.cli.trace_text import lines_of
from culturepark.dialogue.casting import plan
from culturepark.dialogue.memory import scenes_of
from culturepark.distill.quotes import locate
from culturepark.distill.slips import (
    ProposedSlip,
    SlipsAnswer,
    examined,
    flagged,
    grounded,
    material,
    spoiled,
    touched,
)
from culturepark.domain import (
    SLIP_OUTCOMES,
    Act,
    Casting,
    JsonObject,
    Mark,
    Participant,
    Provenance,
    Seed,
    Slip,
    SlipKind,
    Stance,
    Told,
    Turn,
)
from culturepark.errors import Interrupted, TooLong
from culturepark.glossary import ACTS, PROVENANCE, SLIPS, TOLD
from culturepark.glossary import SLIP_OUTCOMES as OUTCOMES_IN_WORDS
from culturepark.languages import load_language
from culturepark.models.chat import Reply
from culturepark.replay import evidence, plain
from culturepark.report.overview import slips_in_words
from culturepark.report.pack import talk_of
from culturepark.run.branch import plan as plans
from culturepark.run.forecast import LOW, totals
from culturepark.stats.text import stats_lines
from culturepark.store.dialogue_view import Scenes
from culturepark.store.lineage import trace
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, SampleRow, SlipRow, StatementRow
from culturepark.terminal.blocks import Para
from tests.support.fakes import (
    ELIF,
    JENNA,
    MODERATOR,
    FakeModel,
    Held,
    answering,
    begin,
    by_numbers,
    edition,
    hold,
    hold_said,
    judged,
    only_casting,
    proposals,
    reply,
    shape_of,
    turns_of,
)
from tests.support.fakes import material as material_of
from tests.support.fakes import mined as to_be_mined

ENGLISH = load_language("en")
DEV = Path(__file__).parents[1] / "data/slips_dev.jsonl"
TEA = "When guests get up to leave we pour one more glass of tea, and they sit down again."
ALONE = "I live alone in Ankara, and in our street everybody must sweep the stairs on Friday."
ROADS = "Where I live one stops for a car in the ditch, and nobody takes money for it."
TALK = [(MODERATOR, "Elif, who is at home when you come in?"), (ELIF, ALONE), (JENNA, ROADS), (ELIF, TEA)]
D1 = "held.d1"


def slip(turn: int, kind: str, quote: str, note: str = "The card says otherwise.") -> JsonObject:
    return {"turn": turn, "kind": kind, "quote": quote, "note": note}


def finding(*found: JsonObject, **more: Callable[[JsonObject], Any]) -> FakeModel:
    """A model that finds these slips, and takes three whole turns for customs."""
    said = proposals((2, "custom", ALONE), (3, "norm", ROADS), (4, "custom", TEA))
    shown = {2, 3, 4}

    def statements(asked: JsonObject) -> JsonObject:
        there = {turn["turn"] for turn in asked["turns"]} & shown
        return {"statements": [one for one in said["statements"] if one["turn"] in there]}

    shapes: dict[str, Any] = {"slips": lambda _: {"slips": list(found)}, "statements": statements, "verdicts": judged}
    return FakeModel(answering(**shapes | more))


def mined(held: Held) -> set[str]:
    return {row.turn_id for row in held.rows(StatementRow)}


def state(held: Held) -> list[int]:
    return [row.examined for row in held.store.dialogues(held.run_id)]


# --- one call after the talk ---------------------------------------------------------------------------


def test_a_whole_talk_is_looked_through_once_before_anything_is_mined(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel())
    (call,) = held.of(CallRow, stage="examine")
    assert (call.subject_id, state(held)) == (D1, [1])
    later = [row.stage for row in held.of(CallRow, subject_id=D1)]
    assert later.index("examine") < later.index("extract")
    (asked,) = held.model.asked("slips")
    turns = held.store.turns(D1)
    assert [turn["text"] for turn in asked["turns"]] == [turn.text for turn in turns]
    assert asked["judge"] == [turn.position for turn in turns if turn.role != "moderator"]
    assert held.rows(SlipRow) == []
    held.carry_on()
    assert len(held.of(CallRow, stage="examine")) == 1


def test_no_slips_are_looked_for_where_nothing_is_mined(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel(), until="dialogue")
    assert (held.of(CallRow, stage="examine"), state(held)) == ([], [0])


def test_the_judge_reads_what_is_on_the_cards_and_not_how_somebody_talks() -> None:
    casting = only_casting(edition())
    elif_ = casting.by_key(ELIF)
    (tea,) = [scene for scene in scenes_of(elif_.persona) if "aunt Nuriye" in scene.text]
    turns = turns_of([*TALK, (ELIF, tea.text)])
    turns[0] = turns[0].model_copy(update={"addressee": ELIF})
    turns[1] = turns[1].model_copy(update={"mark": Mark(grounds=("card", "model"), asks=JENNA)})
    asked = material(casting, turns, examined(turns), {ELIF: scenes_of(elif_.persona)}, ENGLISH)
    people = {person["called"]: person for person in asked["people"]}
    assert people["Elif"]["household"] == elif_.persona.household
    assert people["Elif"]["answer"] == elif_.stance.text if elif_.stance else ""
    assert [norm.text for norm in elif_.persona.norms] == people["Elif"]["from_home"]
    assert [tea.text in told for told in people["Elif"]["scenes"]] == [True]  # the others were not touched on
    assert "scenes" not in people["Jenna"]
    assert elif_.persona.speech.manner not in json.dumps(asked, ensure_ascii=False)
    assert asked["turns"][0] == {"turn": 1, "speaker": "Moderator", "to": "Elif", "text": TALK[0][1]}
    assert asked["turns"][1] == {
        "turn": 2, "speaker": "Elif", "to": "Jenna", "rules_from": ["card", "model"], "text": ALONE
    }  # fmt: skip


def test_a_scene_is_shown_once_a_turn_has_words_of_it() -> None:
    scenes = scenes_of(only_casting(edition()).by_key(ELIF).persona)
    assert touched(scenes, [scenes[2].text]) == [scenes[2]]
    assert touched(scenes, ["Good evening to you all.", "It rained."]) == []


def test_what_a_user_typed_and_an_editor_put_in_is_only_context() -> None:
    said = [*turns_of(TALK), Turn(position=5, slot=5, speaker="user", role="user", phase="talk", text="And you?",
                                  origin="typed")]  # fmt: skip
    said[2] = said[2].model_copy(update={"origin": "edited"})
    assert [turn.position for turn in examined(said)] == [2, 4]
    assert [turn.position for turn in examined(said, after=2)] == [4]


# --- what an answer is worth -----------------------------------------------------------------------------


def proposed(*found: JsonObject) -> list[ProposedSlip]:
    return SlipsAnswer.model_validate({"slips": list(found)}).slips


def test_a_slip_whose_words_do_not_stand_in_its_turn_is_dropped() -> None:
    turns = examined(turns_of(TALK))
    found = proposed(
        slip(2, "contradiction", "I live by myself in Ankara"),  # other words
        slip(3, "contradiction", "I live alone in Ankara"),  # another turn
        slip(4, "task", "…"),
        slip(4, "task", ""),
        slip(1, "unanswered", "Elif, who is at home"),  # the moderator's
        slip(9, "addressee", "Elif"),
    )
    assert grounded(found, turns, D1, "c") == []


def test_a_slip_keeps_the_words_as_they_stand_and_a_short_note() -> None:
    found = proposed(
        slip(4, "unfounded", "they sit down again"),
        slip(2, "contradiction", "“i live  alone in ankara”", "Once.\n" * 300),
        slip(2, "contradiction", "our street", "The same kind once more."),
        slip(2, "unfounded", "everybody must sweep the stairs on Friday", ""),
    )
    slips = grounded(found, examined(turns_of(TALK)), D1, "held.d1.c1")
    assert [(one.turn_id, one.kind, one.quote) for one in slips] == [
        (f"{D1}.t2", "contradiction", "I live alone in Ankara"),
        (f"{D1}.t2", "unfounded", "everybody must sweep the stairs on Friday"),
        (f"{D1}.t4", "unfounded", "they sit down again"),
    ]
    assert slips[0].call_id == "held.d1.c1"
    assert (len(slips[0].note), "\n" in slips[0].note, slips[1].note) == (300, False, "")


def test_acts_and_marks_have_words_as_well() -> None:
    assert set(get_args(Act)) == set(ACTS)
    assert set(get_args(Told)) == set(TOLD)
    assert set(get_args(Provenance)) == set(PROVENANCE)


def test_every_kind_has_words_and_an_outcome() -> None:
    kinds = set(get_args(SlipKind))
    assert kinds == set(SLIP_OUTCOMES) == set(SLIPS)
    assert set(SLIP_OUTCOMES.values()) == set(OUTCOMES_IN_WORDS)
    slips = [Slip(turn_id=kind, kind=kind, quote="x", note="", call_id=None) for kind in sorted(kinds)]
    assert spoiled(slips) == {"contradiction", "addressee", "task"}
    assert flagged(slips) == {"unfounded"}
    assert all(f"- {kind}: " in ENGLISH.prompt("slips").text for kind in kinds)


# --- what becomes of it ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["contradiction", "addressee", "task"])
def test_a_turn_with_such_a_slip_is_not_mined(tmp_path: Path, kind: str) -> None:
    held = hold_said(tmp_path, TALK, finding(slip(2, kind, "I live alone in Ankara")))
    assert f"{D1}.t2" not in mined(held)
    assert f"{D1}.t4" in mined(held)
    assert [turn["turn"] for asked in held.model.asked("statements") for turn in to_be_mined(asked)] == [3, 4]
    assert held.stats()["statements"]["rejected"]["slip"] == 1
    again = hold_said(tmp_path / "clean", TALK, finding())
    assert f"{D1}.t2" in mined(again)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()


def test_a_rule_that_nobody_vouches_for_never_passes_unmarked(tmp_path: Path) -> None:
    held = hold_said(tmp_path, TALK, finding(slip(2, "unfounded", "everybody must sweep the stairs on Friday")))
    flags = {row.statement_id.rpartition(".s")[0]: row.flags for row in held.rows(SampleRow)}
    assert flags == {f"{D1}.t2": "unfounded", f"{D1}.t3": "", f"{D1}.t4": ""}
    assert {row.status for row in held.rows(SampleRow)} == {"kept"}


def test_a_turn_that_leaves_a_question_open_is_mined(tmp_path: Path) -> None:
    held = hold_said(tmp_path, TALK, finding(slip(2, "unanswered", "I live alone in Ankara")))
    assert f"{D1}.t2" in mined(held)
    assert {row.flags for row in held.rows(SampleRow)} == {""}


def test_slips_that_cannot_be_read_stop_nothing_and_the_figures_say_so(tmp_path: Path) -> None:
    held = hold_said(tmp_path, TALK, finding(slips=lambda _: "I saw none, all is well."))
    assert (state(held), held.rows(SlipRow), len(mined(held))) == ([3], [], 3)
    assert next(note for note in held.notes if "slips" in note) == (
        "dialogue 1: nothing is known of slips in 3 turns, since no answer about them could be read"
    )
    slips = held.figures().slips
    assert (slips.examined, slips.unread, slips.speeches) == (0, 1, 0)


def test_a_talk_that_a_filter_keeps_back_is_not_asked_about_piece_by_piece(tmp_path: Path) -> None:
    model = finding(slips=lambda _: reply("", "content_filter"))
    held = hold_said(tmp_path, TALK * 4, model)
    assert (len(model.asked("slips")), state(held)) == (2, [3])


def test_a_talk_that_is_too_long_is_looked_through_in_parts(tmp_path: Path) -> None:
    def slips(asked: JsonObject) -> JsonObject:
        if len(asked["turns"]) > 9:
            raise TooLong("8192 tokens")
        return {"slips": [slip(number, "contradiction", "I live alone") for number in asked["judge"]]}

    held = hold_said(tmp_path, TALK * 4, finding(slips=slips))
    whole, first, second = held.model.asked("slips")
    assert [len(asked["turns"]) for asked in (whole, first, second)] == [16, 8, 9]
    assert first["judge"] + second["judge"] == whole["judge"]
    assert second["turns"][0]["turn"] not in second["judge"]  # shown for what it may have asked
    assert {row.turn_id for row in held.rows(SlipRow)} == {f"{D1}.t{number}" for number in (2, 6, 10, 14)}
    assert state(held) == [1]


def test_cards_that_are_too_long_by_themselves_are_given_up_soon(tmp_path: Path) -> None:
    def slips(_: JsonObject) -> JsonObject:
        raise TooLong("512 tokens")

    held = hold_said(tmp_path, TALK * 4, finding(slips=slips))
    assert (len(held.model.asked("slips")), state(held)) == (7, [3])


def test_a_model_too_small_to_judge_is_not_asked_and_the_run_says_so_once(tmp_path: Path) -> None:
    two = edition()
    two = two.model_copy(update={"scenario": two.scenario.model_copy(update={"dialogues_per_seed": 2})})
    held = hold(tmp_path, two, FakeModel(labels=True))
    assert (held.of(CallRow, stage="examine"), state(held)) == ([], [2, 2])
    assert [note for note in held.notes if "slips" in note] == [
        "nobody looks for slips in what was said: the verifier's model is too small for that"
    ]
    slips = held.figures().slips
    assert (slips.examined, slips.too_small) == (0, 2)


# --- in the call that finds statements -------------------------------------------------------------------


def both(*found: JsonObject, **more: Callable[[JsonObject], Any]) -> FakeModel:
    """A model that finds these slips in the call in which it takes three whole turns for customs."""
    apart = finding(*found)

    def at_once(asked: JsonObject) -> JsonObject:
        said = proposals((2, "custom", ALONE), (3, "norm", ROADS), (4, "custom", TEA))
        there = {turn["turn"] for turn in to_be_mined(asked)}
        said["statements"] = [one for one in said["statements"] if one["turn"] in there]
        return {**by_numbers(said, asked), "slips": list(found)}

    def answer(body: JsonObject) -> str | Reply:
        shape = shape_of(body)
        if shape != "slips_and_statements":
            return apart.answer(body)
        said = more.get("both", at_once)(material_of(body))
        return said if isinstance(said, Reply) else json.dumps(said)

    return FakeModel(answer)


TOGETHER = {"slips": "together"}


def test_slips_and_statements_are_found_in_one_call(tmp_path: Path) -> None:
    found = slip(2, "task", "[1] I live alone in Ankara,")
    held = hold_said(tmp_path, TALK, both(found), edition(distill=TOGETHER))
    assert (held.model.asked("slips"), held.model.asked("statements")) == ([], [])
    (asked,) = held.model.asked("slips_and_statements")
    assert asked["judge"] == [2, 3, 4]
    assert [turn["turn"] for turn in asked["turns"]] == [1, 2, 3, 4]
    assert json.dumps(asked["turns"]).count("sweep the stairs") == 1
    assert {person["name"] for person in asked["people"]} == {"Elif", "Jenna"}
    assert all(person["age"] and person["card"] for person in asked["people"])
    (row,) = held.rows(SlipRow)
    assert (row.turn_id, row.kind) == (f"{D1}.t2", "task")
    assert (state(held), mined(held)) == ([1], {f"{D1}.t3", f"{D1}.t4"})
    rejected = json.loads(held.store.dialogues(held.run_id)[0].rejected)
    assert rejected["slip"] == 1


@pytest.mark.parametrize("said", ["No.", '{"slips": []}'])
def test_where_both_cannot_be_read_each_is_asked_apart(tmp_path: Path, said: str) -> None:
    model = both(slip(2, "task", "I live alone in Ankara"), both=lambda _: reply(said))
    held = hold_said(tmp_path, TALK, model, edition(distill=TOGETHER))
    assert (len(model.asked("slips")), len(model.asked("statements"))) == (1, 1)
    assert (state(held), mined(held)) == ([1], {f"{D1}.t3", f"{D1}.t4"})


def test_a_kill_before_both_are_stored_costs_no_second_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise Interrupted("killed")

    model = both(slip(2, "task", "I live alone in Ankara"))
    with monkeypatch.context() as patch:
        patch.setattr(Store, "add_extraction", killed)
        with pytest.raises(Interrupted):
            hold_said(tmp_path, TALK, model, edition(distill=TOGETHER))
    held = Held(Store(f"sqlite:///{tmp_path}/runs.db"), "held", model)
    assert (state(held), mined(held)) == ([0], set())
    held.carry_on()
    assert len(model.asked("slips_and_statements")) == 1
    assert (state(held), mined(held)) == ([1], {f"{D1}.t3", f"{D1}.t4"})


# --- going on, going back, branching off -----------------------------------------------------------------


def test_a_kill_between_the_call_and_its_commit_costs_no_second_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise Interrupted("killed")

    model = finding(slip(2, "task", "I live alone in Ankara"))
    held = begin(tmp_path, edition(), model)
    with monkeypatch.context() as patch:
        patch.setattr(type(held.store), "add_slips", killed)
        with pytest.raises(Interrupted):
            held.carry_on()
    assert (len(model.asked("slips")), state(held), mined(held)) == (1, [0], set())
    held.carry_on()
    assert (len(model.asked("slips")), state(held)) == (1, [1])


def test_old_runs_are_looked_through_only_when_they_are_mined_again(tmp_path: Path) -> None:
    held = hold_said(tmp_path, TALK, finding(slip(2, "task", "I live alone in Ankara")))
    held.store.add_slips(D1, [], 0)  # as an old version left it
    held.carry_on()
    assert (len(held.model.asked("slips")), state(held)) == (1, [0])
    settings = json.loads(held.row.settings)
    held.store.set_plan(held.run_id, settings, held.row.models, verify=True)
    held.carry_on()
    assert state(held) == [0]
    held.store.set_plan(held.run_id, settings, held.row.models, extract=True)
    held.carry_on()
    assert (len(held.model.asked("slips")), state(held)) == (1, [1])  # the answer was in the store
    current = held.store.statements(held.row)
    assert {row.turn_id for row in current} == {f"{D1}.t3", f"{D1}.t4"}


def test_in_a_branch_only_its_own_turns_are_looked_through(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel())
    row = plans.branch(held.store, f"{D1}.t6", "I never said that.")
    held.store.set_plan(row.id, json.loads(row.settings) | {"until": "samples"}, row.models)
    branch = Held(held.store, row.id, FakeModel()).carry_on()
    (asked,) = branch.model.asked("slips")
    dialogue = f"{row.id}.d1"
    assert len(asked["turns"]) == len(branch.store.turns(dialogue))
    own = [turn.position for turn in branch.store.turns(dialogue) if turn.is_own and turn.position > 5]
    assert asked["judge"] == own
    assert 6 not in own  # it was edited
    assert branch.figures().slips.speeches == len(own)


# --- shown -----------------------------------------------------------------------------------------------


@pytest.fixture
def marked(tmp_path: Path) -> Held:
    """A talk with a slip that is not mined and one that is flagged, an act, and a mark."""
    found = (
        slip(2, "contradiction", "I live alone in Ankara", "The card has a full flat in Konya."),
        slip(4, "unfounded", "they sit down again", "No card has it."),
    )
    one = edition()
    held = begin(tmp_path, one, finding(*found))
    turns = turns_of(TALK)
    turns[0] = turns[0].model_copy(
        update={"act": "bring-in", "addressee": ELIF, "reason": "She has said nothing yet.", "origin": "model"}
    )
    turns[3] = turns[3].model_copy(update={"mark": Mark(told=("rule", "exception"), grounds=("episode",), asks=JENNA)})
    for turn in turns:
        held.store.add_turn(D1, turn)
    held.store.set_dialogue(D1, "done", "completed")  # type: ignore[arg-type]
    return held.carry_on()


CONTRADICTS = (
    "Slip: it goes against the card, a scene or earlier words, “I live alone in Ankara” (The card has a full flat in "
    "Konya.); the turn is not mined"
)
ACT = "The moderator brings in somebody who has said little (Elif): She has said nothing yet."
MARK = "By its own mark it tells a rule, an exception; takes rules and customs from a remembered scene; asks Jenna"


def test_plain_text_shows_slips_and_behind_a_turn_act_and_mark(marked: Held) -> None:
    lines = list(plain.replay(marked.store, marked.run_id, follow=False))
    assert f"  {CONTRADICTS}." in lines
    assert lines.index(f"  {CONTRADICTS}.") == lines.index(ALONE) + 1
    assert not any(MARK in line for line in lines)
    behind = list(plain.replay(marked.store, marked.run_id, follow=False, behind=True))
    assert [sum(line.startswith(f"  {words}") for line in behind) for words in (CONTRADICTS, ACT, MARK)] == [1, 1, 1]
    assert any("Sample, norm or custom, kept" in line and "unfounded: its turn tells a rule" in line for line in behind)


def test_the_panel_shows_slips_act_and_mark(marked: Held) -> None:
    scene = Scenes(marked.store, marked.run_id).scene(D1)

    def shown(position: int) -> list[str]:
        return [para.text for stop in evidence.stops(scene, position) for para in stop.blocks if isinstance(para, Para)]

    assert ACT in shown(1)
    assert {CONTRADICTS, "Not mined, because of a slip."} <= set(shown(2))
    assert MARK in shown(4)
    assert any("unfounded: its turn tells" in text for text in shown(4))


def test_the_page_and_a_trace_show_the_same_words(marked: Held) -> None:
    talk = talk_of(Scenes(marked.store, marked.run_id).scene(D1))
    assert [turn["beside"] for turn in talk["turns"]] == [[ACT], [], [], [MARK]]
    assert [[one["words"] for one in turn["slips"]] for turn in talk["turns"]][1] == [CONTRADICTS]
    traced = trace(marked.store, f"{D1}.t2")
    assert any(CONTRADICTS in line.plain for line in lines_of(traced))
    whole = trace(marked.store, D1).as_json()
    assert [one["kind"] for one in whole["slips"]] == ["contradiction", "unfounded"]
    assert whole["turns"][3]["mark"]["grounds"] == ["episode"]
    (sample,) = [row for row in marked.rows(SampleRow) if row.flags]
    text = [line.plain for line in lines_of(trace(marked.store, sample.id))]
    assert any("unfounded" in line for line in text[:1])
    assert any("Slip: it tells a rule or custom as a fact" in line for line in text)


def test_slips_are_counted_by_model_of_the_speeches_that_were_looked_through(marked: Held) -> None:
    slips = marked.stats()["slips"]
    assert slips == {
        "dialogues": 1, "examined": 1, "too_small": 0, "unread": 0, "speeches": 3, "with_slips": 2,
        "by_kind": {"contradiction": 1, "unfounded": 1},
        "by_model": {
            "unknown": {"speeches": 3, "with_slips": 2, "by_kind": {"contradiction": 1, "unfounded": 1}}
        },
    }  # fmt: skip
    lines = list(stats_lines(marked.figures()))
    assert "  slips       1 of 1 dialogues looked through" in lines
    assert "    unknown: 2 of 3 speeches (contradiction 1, unfounded 1)" in lines
    assert slips_in_words(marked.figures().slips)[1].startswith("unknown: a slip in 2 of 3 speeches (1 × goes against")


def test_speeches_are_counted_under_the_model_that_spoke_them(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel())
    speeches = [turn for turn in held.store.turns(D1) if turn.is_own]
    figures = held.figures().slips
    assert {name: one.speeches for name, one in figures.by_model.items()} == {"fake": len(speeches)}
    assert (figures.with_slips, figures.by_kind) == (0, {})


def test_the_call_is_forecast(tmp_path: Path) -> None:
    one = edition()
    held = hold(tmp_path, one, FakeModel())
    calls, prompt, _ = totals(plan(one, 1), one.scenario, LOW)["verifier", "examine"]
    assert calls == 1
    (asked,) = held.of(CallRow, stage="examine")
    assert 0.4 < prompt / (len(asked.request) / 4) < 2.5


# --- rows for scoring judges -----------------------------------------------------------------------------


def rows() -> list[JsonObject]:
    return [json.loads(line) for line in DEV.read_text("utf-8").splitlines()]


def test_half_of_the_rows_have_a_slip_and_each_can_be_asked_about() -> None:
    everybody = {persona.key: persona for persona in load_all([])}
    planted = Counter(one["kind"] for row in rows() for one in row["slips"])
    assert (len(rows()), sum(not row["slips"] for row in rows())) == (24, 12)
    assert set(planted) == set(get_args(SlipKind))
    assert sum(planted.values()) == 12
    assert len({row["id"] for row in rows()}) == 24
    for row in rows():
        people = [
            Participant(
                persona=everybody[one["key"]], stance=Stance(code=1, text=one["answer"]) if "answer" in one else None
            )
            for one in row["people"]
        ]
        casting = Casting(number=1, seed=Seed(key="q", topic="q", question="Who first?"), participants=tuple(people))
        turns = [
            turn.model_copy(
                update={
                    "addressee": said.get("to"),
                    "mark": Mark(grounds=tuple(said.get("grounds", ())), asks=said.get("asks")),
                }
            )
            for turn, said in zip(
                turns_of([(said["speaker"], said["text"]) for said in row["turns"]]), row["turns"], strict=True
            )
        ]
        judged_turns = examined(turns)
        scenes = {one.persona.key: scenes_of(one.persona) for one in people}
        asked = material(casting, turns, judged_turns, scenes, ENGLISH)
        assert set(asked["judge"]) >= {one["turn"] for one in row["slips"]}
        assert len(
            grounded(proposed(*(one | {"note": ""} for one in row["slips"])), judged_turns, "r.d1", None)
        ) == len(row["slips"])
        assert all(set(said.get("grounds", ())) <= set(get_args(Provenance)) for said in row["turns"])
        assert all(locate(one["quote"], row["turns"][one["turn"] - 1]["text"]) for one in row["slips"])
