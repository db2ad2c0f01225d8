"""What becomes of an extractor's labels: which statements stand, on which words, and where they come from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culturepark.dialogue.memory import scenes_of
from culturepark.distill.extract import (
    LEFT,
    NOT_PICKED,
    Extraction,
    Left,
    StatementsAnswer,
    cut_up,
    from_cards,
    grounded,
    line_of,
    lines_of,
    material,
    provenance_of,
    within,
)
from culturepark.domain import JsonObject, Status, Turn
from culturepark.languages import load_language
from culturepark.store.tables import SampleRow, StatementRow, VerdictRow
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
    hold_said,
    judged,
    only_casting,
    pieces_of,
    proposals,
    seating,
    turns_of,
)

ENGLISH = load_language("en")
CASTING = only_casting(edition())
ELIFS, JENNAS = CASTING.by_key(ELIF).persona, CASTING.by_key(JENNA).persona
TEA = "When guests get up to leave we pour one more glass of tea, and they sit down again."
JOB = "I think a job belongs to whoever does it best, man or woman."
COFFEE = "With us nobody stays after the coffee, whoever pours what."
TALK = [(MODERATOR, "Welcome to you both."), (ELIF, f"Thank you. {TEA}"), (JENNA, f"{JOB} {COFFEE}")]
TURNS = turns_of(TALK)
MINED = TURNS[1:]
CARDS = {
    key: lines_of(CASTING.by_key(key), {key: scenes_of(CASTING.by_key(key).persona)}, ENGLISH) for key in (ELIF, JENNA)
}


def asked(turns: list[Turn] = TURNS) -> JsonObject:
    """What the extractor is shown, as JSON has it."""
    return material(CASTING, turns, cut_up([turn for turn in turns if turn.speaker != MODERATOR], ENGLISH), {}, ENGLISH)


def read(*found: JsonObject, left: list[JsonObject] | None = None, turns: list[Turn] = MINED) -> Extraction:
    """What comes of some statements in the extractor's form."""
    answer = StatementsAnswer.model_validate({"left": left or [], "statements": list(found)})
    return grounded(answer, turns, cut_up(turns, ENGLISH), CARDS, CASTING, "a call")


def told(turn: int, quote: str, kind: str = "custom", **more: Any) -> JsonObject:
    """One statement in the extractor's form."""
    (one,) = by_numbers(proposals((turn, kind, quote), **more), asked())["statements"]
    return dict(one)


def numbers_in(turn: int) -> list[int]:
    (text,) = [shown["text"] for shown in asked()["turns"] if shown["turn"] == turn]
    return [number for number, _ in pieces_of(text)]


# --- where a statement stands --------------------------------------------------------------------------


def test_the_words_from_the_first_to_the_last_piece_are_the_quote() -> None:
    found = read(told(2, TEA), told(3, COFFEE))
    assert [(one.turn.speaker, one.quote) for one in found.proposals] == [(ELIF, TEA), (JENNA, COFFEE)]
    assert [one.call_id for one in found.proposals] == ["a call"] * 2
    assert found.rejected == Counter()


def test_a_quote_is_the_turns_own_words_with_all_that_stands_between_pieces() -> None:
    said = "We pour tea first,\n\n  and then — 🎉 —   we talk for long.\tNobody hurries."
    turns = turns_of([(ELIF, said)])
    found = read({**told(2, TEA), "first": 1, "last": 3}, turns=turns)
    (one,) = found.proposals
    assert one.quote == said[one.quote_start : one.quote_end]
    assert one.quote.startswith("We pour tea first,\n\n  and then")


def test_what_is_left_is_no_statement_too() -> None:
    first, *_, last = numbers_in(2)
    tea = told(2, TEA)
    for left in ({"first": last, "last": last}, {"first": first, "last": last}, {"first": tea["first"], "last": 99}):
        found = read(tea, told(3, COFFEE), left=[{**left, "why": "others"}])
        assert [one.quote for one in found.proposals] == ([COFFEE] if left["last"] != 99 else [])
        assert found.rejected["labelled-twice"] == (1 if left["last"] != 99 else 2)
        assert found.rejected["another-speaker"] == 1


def test_a_statement_may_stand_beside_what_is_left() -> None:
    first = numbers_in(2)[0]
    found = read(told(2, TEA), left=[{"first": first, "last": first, "why": "courtesy"}])
    assert [one.quote for one in found.proposals] == [TEA]
    assert found.rejected == Counter({"small-talk": 1})


def test_no_statement_reaches_from_one_turn_into_another() -> None:
    found = read({**told(2, TEA), "last": numbers_in(3)[0]}, told(3, COFFEE))
    assert [one.quote for one in found.proposals] == [COFFEE]
    assert found.rejected == Counter({"across-turns": 1})


LAST = numbers_in(3)[-1]


@pytest.mark.parametrize("places", [(0, 0), (LAST + 1, LAST + 9), (3, 2), (-5, 0), (10**18, 10**19), (-(10**18), -1)])
def test_a_piece_that_is_not_there_holds_nothing(places: tuple[int, int]) -> None:
    first, last = places
    found = read({**told(2, TEA), "first": first, "last": last}, left=[{"first": first, "last": last, "why": "fact"}])
    assert found.proposals == []
    assert found.rejected == Counter({"no-such-piece": 1})  # and nothing counts as left


def test_numbers_beyond_the_talk_end_with_it() -> None:
    found = read({**told(3, COFFEE), "last": 10**18})
    assert [one.quote for one in found.proposals] == [COFFEE]
    assert read({**told(2, TEA), "first": -(10**18), "last": numbers_in(2)[-1]}).proposals[0].quote == TALK[1][1]


@given(st.integers(-5, 30), st.integers(-5, 30), st.sets(st.integers(1, 20)))
def test_a_part_holds_the_numbers_that_there_are(first: int, last: int, known: set[int]) -> None:
    assert within(Left(first=first, last=last, why="fact"), known) == sorted(n for n in known if first <= n <= last)


def test_every_reason_to_leave_a_piece_is_counted_in_its_own_word() -> None:
    whys = Left.model_json_schema()["properties"]["why"]["enum"]
    assert set(whys) == set(LEFT)
    numbers = [number for turn in (2, 3) for number in numbers_in(turn)]
    left = [{"first": n, "last": n, "why": why} for n, why in zip(numbers, whys, strict=False)]
    assert len(left) == len(whys)
    assert read(left=left).rejected == Counter(LEFT.values())


# --- what a statement says -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "about", "stored"),
    [
        ("view", "question", ("opinion", "seed")),
        ("rule", "case", ("norm", "case")),
        ("practice", "else", ("custom", "else")),
    ],
)
def test_labels_are_stored_in_the_words_of_the_store(kind: str, about: str, stored: tuple[str, str]) -> None:
    more = {"reach": "general", "hangs_on": ["faith", "age", "faith"], "exception": "With a bus to catch one may go."}
    found = read({**told(2, TEA), "kind": kind, "about": about, "question": "What do you do?", **more})
    statement = found.proposals[0].as_statement("d.t2.s1", "d.t2", CASTING, "en")
    assert (statement.kind, statement.about) == stored
    assert (statement.reach, statement.hangs_on) == ("general", ("faith", "age"))
    assert (statement.question, statement.exception) == ("What do you do?", "With a bus to catch one may go.")
    assert (statement.persona_key, statement.culture, statement.quote) == (ELIF, "turkish", TEA)


@pytest.mark.parametrize("empty", ["", "  \n", "…", "-", "n/a", "# Question", "Here it is:"])
def test_a_question_or_exception_that_is_no_sentence_is_none(empty: str) -> None:
    (one,) = read(told(2, TEA, question=empty, exception=empty)).proposals
    assert (one.question, one.exception) == (None, None)


def test_a_row_is_one_line_of_single_spaces() -> None:
    (one,) = read(told(2, TEA, first_person=" We pour\n tea \t first. ", question="What\ndo you do?")).proposals
    assert (one.first_person, one.question) == ("We pour tea first.", "What do you do?")


# --- another country's -----------------------------------------------------------------------------------


def unlikes(*found: JsonObject) -> list[str | None]:
    return [one.unlike.quote if one.unlike else None for one in read(*found).proposals]


def test_a_statement_is_told_as_unlike_an_earlier_one_of_another_country() -> None:
    assert unlikes(told(2, TEA), told(3, COFFEE, unlike=1)) == [None, TEA]
    (_, other) = read(told(2, TEA), told(3, COFFEE, unlike=1)).proposals
    assert other.as_statement("d.t3.s1", "d.t3", CASTING, "en", "d.t2.s1").unlike == "d.t2.s1"


@pytest.mark.parametrize("unlike", [0, 2, 3, -1, 10**9])
def test_a_place_that_no_earlier_statement_has_means_none(unlike: int) -> None:
    assert unlikes(told(2, TEA), told(3, COFFEE, unlike=unlike)) == [None, None]


def test_nobody_is_unlike_their_own_country_or_a_statement_that_does_not_stand() -> None:
    assert unlikes(told(3, JOB), told(3, COFFEE, unlike=1)) == [None, None]
    gone = told(2, TEA, first_person="")
    assert unlikes(gone, told(3, COFFEE, unlike=1)) == [None]
    # Places count in the model's list, whatever falls out of it.
    assert unlikes(gone, told(2, TEA), told(3, COFFEE, unlike=2)) == [None, TEA]


def test_the_other_statement_is_stored_by_its_id(tmp_path: Path) -> None:
    pair = {"statements": [told(2, TEA), told(3, COFFEE, unlike=1)]}
    held = hold_said(tmp_path, TALK, FakeModel(answering(statements=lambda _: pair, verdicts=judged)))
    tea, coffee = held.rows(StatementRow)
    assert (tea.unlike, coffee.unlike) == (None, tea.id)
    (asked_of,) = held.of(VerdictRow, statement_id=coffee.id, criterion="answers-other")
    assert asked_of.decision == "keep"
    assert held.of(VerdictRow, statement_id=tea.id, criterion="answers-other") == []


# --- where it comes from -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "carried", "found"),
    [
        ("norm 1", True, "card"),
        ("value 2", True, "card"),
        ("saying 1", True, "card"),
        ("answer", True, "card"),
        ("scene 3", True, "episode"),
        (None, True, "model"),
        ("norm 1", False, "model"),
        ("scene 3", False, "model"),
    ],
)
def test_a_line_makes_the_provenance_and_a_verifier_can_take_it_back(
    source: str | None, carried: bool, found: str
) -> None:
    assert provenance_of(source, carried=carried) == found


@pytest.mark.parametrize("source", ["norm 1", " scene 1 ", "value 1", "saying 1", "answer"])
def test_a_line_of_the_speakers_card_is_the_source(source: str) -> None:
    (one,) = read(told(2, TEA, source=source)).proposals
    assert one.source == source.strip()
    assert one.provenance == ("episode" if "scene" in source else "card")


@pytest.mark.parametrize("source", ["none", "", "norm 6", "norm", "Norm 1", "scene 99", "my mother", "value 5"])
def test_a_line_that_the_speakers_card_has_not_leaves_it_the_models_own(source: str) -> None:
    assert source not in CARDS[ELIF]
    (one,) = read(told(2, TEA, source=source)).proposals
    assert (one.source, one.provenance) == (None, "model")


def test_a_line_of_somebody_elses_card_is_no_source() -> None:
    """Jenna has six norms, Elif five; nobody who is not asked for a stance has an answer."""
    assert "norm 6" in CARDS[JENNA]
    assert "answer" not in CARDS[JENNA]
    (one,) = read(told(3, COFFEE, source="answer")).proposals
    assert (one.source, one.provenance) == (None, "model")


def test_the_lines_of_a_card_are_its_own_words_and_scenes_only_those_that_could_be_told() -> None:
    elif_ = CASTING.by_key(ELIF)
    scenes = scenes_of(ELIFS)
    lines = lines_of(elif_, {ELIF: scenes[2:4]}, ENGLISH)
    assert [name for name in lines if name.startswith("scene")] == ["scene 3", "scene 4"]
    assert scenes[2].text in lines["scene 3"]
    assert [lines[f"norm {n}"] for n in range(1, len(ELIFS.norms) + 1)] == [norm.text for norm in ELIFS.norms]
    assert [lines[f"saying {n}"] for n in range(1, len(ELIFS.sayings) + 1)] == [s.english for s in ELIFS.sayings]
    assert all(value.why in lines[f"value {n}"] for n, value in enumerate(ELIFS.values, start=1))
    assert lines["answer"] == "disagree"


def test_a_line_is_found_again_by_its_name_and_an_answer_with_its_question() -> None:
    elif_ = CASTING.by_key(ELIF)
    for name, line in CARDS[ELIF].items():
        if name != "answer":
            assert line_of(CASTING, elif_, name, ENGLISH) == line
    answer = line_of(CASTING, elif_, "answer", ENGLISH)
    assert answer is not None
    assert CASTING.seed.question in answer
    assert "disagree" in answer
    assert line_of(CASTING, elif_, "norm 99", ENGLISH) is None
    assert line_of(CASTING, CASTING.by_key(JENNA), "answer", ENGLISH) is None


NORM = ELIFS.norms[0].text


def sourced(tmp_path: Path, source: str, carried: str, kind: str = "custom") -> Held:
    """A run in which Elif's one statement is said to come from a line, and the verifier looks it up."""

    def verdicts(asked_of: JsonObject) -> JsonObject:
        return judged(asked_of, carried=carried)

    model = FakeModel(
        answering(statements=lambda _: proposals((2, kind, TEA), source=source, about="question"), verdicts=verdicts)
    )
    return hold_said(tmp_path, TALK, model)


@pytest.mark.parametrize(
    ("source", "carried", "provenance"),
    [
        ("norm 1", "entail", "card"),
        ("norm 1", "irrelevant", "model"),
        ("norm 1", "none", "model"),  # unparsable, where a line was shown
        ("none", "entail", "model"),
        ("norm 77", "entail", "model"),
    ],
)
def test_what_the_verifier_does_not_find_in_the_line_is_the_models_own(
    tmp_path: Path, source: str, carried: str, provenance: str
) -> None:
    held = sourced(tmp_path, source, carried)
    (row,) = held.rows(StatementRow)
    known = source == "norm 1"
    assert (row.provenance, row.source) == (provenance, source if known else None)
    (item,) = held.model.asked("verdicts")[0]["items"]
    assert item.get("line") == (NORM if known else None)
    relations = [(verdict.relation, verdict.decision) for verdict in held.of(VerdictRow, criterion="carried")]
    said = {"entail": ("entail", "keep"), "irrelevant": ("irrelevant", "drop"), "none": ("unparsable", "drop")}
    assert relations == ([said[carried]] if known else [])
    # Where something comes from decides about no row by itself.
    assert {sample.status for sample in held.rows(SampleRow)} == {"kept"}


def test_a_scene_that_was_told_is_an_episode_and_no_other_scene_is_shown(tmp_path: Path) -> None:
    shown: list[str] = []

    def statements(asked_of: JsonObject) -> JsonObject:
        (elif_,) = [person for person in asked_of["people"] if person["name"] == "Elif"]
        shown.extend(name for name in elif_["card"] if name.startswith("scene"))
        return proposals((2, "custom", TEA), source="scene 3")

    talk = [TALK[0], (ELIF, f"{scenes_of(ELIFS)[2].text} {TEA}"), TALK[2]]
    held = hold_said(tmp_path, talk, FakeModel(answering(statements=statements, verdicts=judged)))
    (row,) = held.rows(StatementRow)
    assert (row.provenance, row.source) == ("episode", "scene 3")
    assert "scene 3" in shown
    assert len(shown) < len(scenes_of(ELIFS))


def test_a_view_that_rests_on_the_dealt_answer_is_looked_up_with_the_question(tmp_path: Path) -> None:
    held = sourced(tmp_path, "answer", "entail", kind="opinion")
    (item,) = held.model.asked("verdicts")[0]["items"]
    assert edition().scenario.seeds[0].question in item["line"]
    assert item["stance"] == "disagree"
    assert held.rows(StatementRow)[0].provenance == "card"


# --- turns that were picked from a card ------------------------------------------------------------------


def picked(*texts: str, phase: str = "opinion", key: str = ELIF) -> list[Turn]:
    turns = turns_of([(key, text) for text in texts], phase)
    return [turn.model_copy(update={"origin": "picked"}) for turn in turns]


def test_what_was_picked_from_a_card_stands_on_it() -> None:
    turns = picked(*(f"There is one thing I would add. {norm.text} So it is." for norm in ELIFS.norms))
    found = from_cards(CASTING, turns, ENGLISH)
    assert [(one.kind, one.quote) for one in found] == [(norm.kind, norm.text) for norm in ELIFS.norms]
    assert [one.source for one in found] == [f"norm {n}" for n in range(1, len(ELIFS.norms) + 1)]
    assert all(CARDS[ELIF][str(one.source)] == one.quote for one in found)
    assert {(one.provenance, one.reach, one.call_id) for one in found} == {("card", "general", None)}


def test_only_whole_norms_of_the_own_card_are_taken_and_no_names_and_goodbyes() -> None:
    assert from_cards(CASTING, picked(NORM[:-20], "I am Elif.", JENNAS.norms[0].text), ENGLISH) == []
    both = from_cards(CASTING, picked(f"{ELIFS.norms[1].text} {NORM}"), ENGLISH)
    assert sorted(one.quote for one in both) == sorted([NORM, ELIFS.norms[1].text])
    for phase in NOT_PICKED:
        assert from_cards(CASTING, picked(NORM, phase=phase), ENGLISH) == []


def test_nobody_is_asked_about_turns_that_were_picked(tmp_path: Path) -> None:
    one = edition()
    model = FakeModel(answering(statements=lambda _: proposals((3, "opinion", JOB)), verdicts=judged))
    held = begin(tmp_path, one, model, seed=seating(tmp_path, one, {ELIF, JENNA}))
    for turn in (*TURNS[:1], *picked(NORM), *TURNS[2:]):
        position = {MODERATOR: 1, ELIF: 2, JENNA: 3}[turn.speaker]
        held.store.add_turn("held.d1", turn.model_copy(update={"position": position, "slot": position}))
    held.store.set_dialogue("held.d1", Status.DONE, "completed")
    held.carry_on()
    (asked_of,) = model.asked("statements")
    assert [turn["turn"] for turn in asked_of["turns"] if pieces_of(turn["text"])] == [3]
    norm, job = held.rows(StatementRow)
    assert (norm.quote, norm.provenance, norm.source, norm.call_id) == (NORM, "card", "norm 1", None)
    assert job.quote == JOB
    assert held.of(VerdictRow, statement_id=norm.id, criterion="carried") == []  # it stands there
