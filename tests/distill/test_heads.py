"""Heads over an encoder, for models too small to be asked: from clauses to statements, and what is known of rows.

The weights are fitted on labelled rows, and change with them. Here an encoder and heads are given that know five sorts
of words, so that these tests speak of the way from vectors to statements alone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from culturepark.distill import heads
from culturepark.distill.heads import (
    KINDS,
    QUOTE_AT_LEAST,
    by_heads,
    chances,
    flaw_of,
    nearest_line,
    own,
    read_rows,
    weights,
)
from culturepark.distill.row_checks import RowCase
from culturepark.domain import JsonObject, ModelRole
from culturepark.languages import load_language
from culturepark.models import embedder
from culturepark.models.chat import Reply, Traits
from culturepark.models.embedder import Vectors
from culturepark.models.spec import E5
from culturepark.store.tables import CallRow, DialogueRow, StatementRow, VerdictRow
from tests.support.fakes import (
    ELIF,
    JENNA,
    MODERATOR,
    Cast,
    FakeModel,
    Held,
    answering,
    edition,
    hold_said,
    letter,
    only_casting,
    proposals,
    turns_of,
)

ENGLISH = load_language("en")
CASTING = only_casting(edition())
SORTS = ("custom", "norm", "opinion", "other", "foreign")
"""What the encoder tells apart: a unit vector each."""
WORDS = {"pour": 0, "sit down again": 0, "does not sit": 1, "I think": 2, "cousin": 3, "Thank": 3, "kettle": 0}
JOB = "I think a job belongs to whoever does it best."
RULE = "One does not sit before the oldest sits."
TEA = "We pour one more glass of tea, and they sit down again."
HEARSAY = "My cousin in Berlin says that they never wait."
THANKS = "Thank you for all that you told me."
UNKNOWN = "The mill opens at nine in the morning."


def sort_of(text: str) -> int | None:
    return next((number for word, number in WORDS.items() if word in text), None)


async def encode(texts: Sequence[str]) -> Vectors:
    """Words of a sort point into its own direction, others evenly into all."""
    rows = [np.eye(len(SORTS))[sort] if (sort := sort_of(text)) is not None else np.ones(5) / 5**0.5 for text in texts]
    return np.array(rows, np.float32).reshape(-1, len(SORTS))


def given_weights() -> dict[str, Any]:
    piece = np.zeros((1 + 3 * len(SORTS) + 2, 4))
    for number in range(len(SORTS)):
        piece[1 + number, min(number, 3)] = 4.0
    rows = np.zeros((1 + len(SORTS) + 1, 2))
    rows[1, 1], rows[4, 0] = 1.0, 1.0
    quote = np.zeros((1 + 3 * len(SORTS) + 2, 2))
    quote[1:4, 1], quote[4:6, 0] = 4.0, 12.0
    return {"mean": np.zeros(len(SORTS)), "piece": piece, "quote": quote, "alone": rows, "distinctive": rows}


class Known:
    """An embedder of the method that heads read."""

    method = "e5"

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return await encode(texts)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "weights", given_weights)
    real = embedder.open_embedder

    def opened(spec: Any, *more: Any) -> Any:
        return Known() if spec == E5 else real(spec, *more)

    monkeypatch.setattr(embedder, "open_embedder", opened)


def silent(**more: Any) -> FakeModel:
    """A small model that says yes where it is asked for one token."""
    return FakeModel(answering(text=lambda _: letter("Yes", Yes=0.9, No=0.1), **more), labels=True)


def rejected(held: Held) -> dict[str, int]:
    (dialogue,) = held.rows(DialogueRow)
    found: dict[str, int] = json.loads(dialogue.rejected)
    return found


# --- turns -----------------------------------------------------------------------------------------------


def test_clauses_that_are_the_speakers_own_are_kept_in_the_speakers_words(tmp_path: Path) -> None:
    talk = [(MODERATOR, f"Welcome. {JOB}"), (JENNA, f"{THANKS} {JOB}"), (ELIF, f"🎉 {RULE} {HEARSAY} {TEA} {UNKNOWN}")]
    model = silent()
    held = hold_said(tmp_path, talk, model)
    found = [(row.persona_key, row.kind, row.quote) for row in held.rows(StatementRow)]
    assert found == [(JENNA, "opinion", JOB), (ELIF, "norm", f"🎉 {RULE}"), (ELIF, "custom", TEA)]
    for row in held.rows(StatementRow):
        text = talk[int(row.turn_id.rsplit("t", 1)[1]) - 1][1]
        assert text[row.quote_start : row.quote_end] == row.quote == row.first_person
        assert row.quote in row.text
    assert rejected(held) == {"unsure": 3}
    assert held.of(CallRow, stage="extract") == []  # nobody was asked


def test_a_sentence_of_two_own_clauses_is_one_statement_and_one_own_half_stands_alone() -> None:
    def quotes_in(said: str) -> list[str]:
        (turn,) = turns_of([(ELIF, said)])
        found = asyncio.run(by_heads(encode, CASTING, [turn], ENGLISH))
        return [one.quote for one in found.proposals]

    assert quotes_in(f"{TEA} {RULE}") == [TEA, RULE]  # two sentences stay two
    assert quotes_in("My cousin says he waits, but we pour the tea at once.") == ["but we pour the tea at once."]
    assert quotes_in("We pour the tea first, my cousin never does so, and they sit down again.") == [
        "We pour the tea first,",
        "and they sit down again.",
    ]


@pytest.mark.parametrize(
    ("clause", "flaw"),
    [
        (RULE, None),
        ("我们先给客人倒茶再慢慢说话。", None),
        ("We pour tea.", "too-short"),
        ("我们倒茶。", "too-short"),
        ("How is it with you there?", "question"),
        ("And who pours the tea (if any)?”", "question"),
        ("你们那里客人来了先倒茶吗？", "question"),
        ("كيف هو الأمر عندكم اليوم؟", "question"),
        ("Here are my views on this:", "no-statement"),
        ("- we pour the tea first", "no-statement"),
        ("We pour the tea first<|im_end|>", "control-token"),
        ("We pour the tea \ufffd first", "garbled"),
        ("— — — — — —", "no-statement"),
    ],
)
def test_some_clauses_are_no_statements_because_of_their_form(clause: str, flaw: str | None) -> None:
    assert flaw_of(clause) == flaw


def test_what_is_left_for_its_form_is_counted_by_its_reason(tmp_path: Path) -> None:
    held = hold_said(tmp_path, [(ELIF, f"Who do you pour it for? {RULE} We pour tea.")], silent())
    assert [row.quote for row in held.rows(StatementRow)] == [RULE]
    assert rejected(held) == {"question": 1, "too-short": 1}


def test_words_of_a_turn_are_own_or_not_and_read_with_what_stands_around_them() -> None:
    seen: list[list[str]] = []

    async def seeing(texts: Sequence[str]) -> Vectors:
        seen.append(list(texts))
        return await encode(texts)

    turn = f"{HEARSAY} {TEA}"
    chance = {
        quote: asyncio.run(own(seeing, turn, turn.index(quote), turn.index(quote) + len(quote)))
        for quote in (HEARSAY, TEA, "they never wait")
    }
    assert chance[TEA] > QUOTE_AT_LEAST > 0.5 > chance[HEARSAY]
    assert chance["they never wait"] < QUOTE_AT_LEAST
    assert seen == [
        [HEARSAY, "-", TEA],
        [TEA, HEARSAY, "-"],
        ["they never wait", "My cousin in Berlin says that", f". {TEA}"],
    ]


@pytest.mark.parametrize(("said", "relation"), [(TEA, "entail"), (HEARSAY, "irrelevant")])
def test_what_a_large_extractor_took_for_the_speakers_own_is_looked_at_by_a_small_verifier(
    tmp_path: Path, said: str, relation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = silent()

    async def cast(held: Cast, role: ModelRole) -> Any:
        return small if role == "verifier" else held.model

    monkeypatch.setattr(Cast, "get", cast)
    large = FakeModel(answering(statements=lambda _: proposals((2, "custom", said), first_person="We do so at home.")))
    held = hold_said(tmp_path, [(MODERATOR, "Welcome."), (ELIF, said)], large)
    (verdict,) = held.of(VerdictRow, criterion="faithful")
    assert (verdict.relation, verdict.decision) == (relation, "keep" if relation == "entail" else "drop")
    asked = [body for body in small.bodies if "Does this speak for" in body["messages"][-1]["content"]]
    assert len(asked) == (relation == "entail")  # what is nobody's own need not be asked about
    assert (verdict.call_id is None) == (relation == "irrelevant")


def test_a_turn_without_a_clause_holds_nothing() -> None:
    assert asyncio.run(by_heads(encode, CASTING, turns_of([(ELIF, " \n ")]), ENGLISH)).proposals == []


def test_without_the_encoder_nothing_is_found_and_the_run_says_so_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lexical = embedder.Lexical()
    monkeypatch.setattr(embedder, "open_embedder", lambda *_: lexical)
    held = hold_said(tmp_path, [(ELIF, f"{TEA} {RULE}")], silent())
    assert held.rows(StatementRow) == []
    assert len([note for note in held.notes if "encoder" in note]) == 1


def test_clauses_of_the_card_come_from_it(tmp_path: Path) -> None:
    said = "We say it is still early and pour one more glass of tea for the guests."
    held = hold_said(tmp_path, [(ELIF, f"{said} We pour soup in front of the bakery, too.")], silent())
    found = [(row.source, row.provenance) for row in held.rows(StatementRow)]
    assert found == [("norm 1", "card"), (None, "model")]
    verdicts = [(row.relation, row.decision, row.call_id) for row in held.of(VerdictRow, criterion="carried")]
    assert verdicts == [("entail", "keep", None)]  # by the words that both share


@pytest.mark.parametrize(("line", "provenance"), [("norm 1", "card"), ("norm 2", "model")])
def test_a_small_judge_looks_a_line_up_by_its_words(tmp_path: Path, line: str, provenance: str) -> None:
    """A large extractor has named the line, and a small judge checks it."""
    said = "We say it is still early and pour one more glass of tea for the guests."
    model = silent(statements=lambda _: proposals((1, "custom", said), first_person=said, source=line))
    held = hold_said(tmp_path, [(ELIF, said)], model, edition(distill={"extract": "batch"}))
    assert [(row.source, row.provenance) for row in held.rows(StatementRow)] == [(line, provenance)]


def test_of_several_lines_the_one_with_most_of_the_words_is_named() -> None:
    lines = {"norm 1": "We boil coffee for guests.", "norm 2": "Guests get coffee, and water beside it.", "value 1": ""}
    assert nearest_line("guests get coffee with water", lines) == "norm 2"
    assert nearest_line("nobody may park here", lines) is None
    assert nearest_line("We do it so.", lines) is None
    assert nearest_line("guests get coffee", {}) is None


# --- rows ------------------------------------------------------------------------------------------------


def relations(*answers: str) -> list[dict[str, str]]:
    cases = [RowCase(f"s{n}", answer, {"answers": "What?"}, "Türkiye") for n, answer in enumerate(answers)]
    return [
        {criterion: relation for criterion, (relation, _) in one.items()}
        for one in asyncio.run(read_rows(encode, cases))
    ]


def test_heads_say_of_a_row_whether_it_stands_alone_and_is_of_somewhere() -> None:
    yes, no = (
        dict.fromkeys(("stands-alone", "distinctive"), "entail"),
        dict.fromkeys(("stands-alone", "distinctive"), "contradict"),
    )
    assert relations(TEA, HEARSAY, TEA) == [yes, no, yes]
    assert relations() == []


def test_heads_see_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    async def seeing(texts: Sequence[str]) -> Vectors:
        seen.extend(texts)
        return await encode(texts)

    asyncio.run(read_rows(seeing, [RowCase("s", "In Konya we Turks pour tea.", {}, "Türkiye", ("Konya",))]))
    assert seen == ["In […] we […] pour tea."]


@pytest.mark.parametrize(
    ("said", "relation"),
    [
        (letter("Yes", Yes=0.8, No=0.2), "entail"),
        (letter("No", Yes=0.2, No=0.8), "contradict"),
        (letter("Hm", Hm=0.9), "unparsable"),
    ],
)
def test_a_small_judge_is_asked_by_yes_or_no_whether_a_row_answers(tmp_path: Path, said: Reply, relation: str) -> None:
    asked: list[str] = []

    def text(body: JsonObject) -> Reply:
        asked.append(body["messages"][-1]["content"])
        return said

    found = proposals((1, "norm", RULE), first_person=RULE, question='Who "sits" down first?')
    model = FakeModel(answering(statements=lambda _: found, text=text), labels=True)
    held = hold_said(tmp_path, [(ELIF, RULE)], model, edition(distill={"extract": "batch"}))
    (verdict,) = held.of(VerdictRow, criterion="answers")
    assert (verdict.relation, verdict.decision) == (relation, "keep" if relation == "entail" else "drop")
    assert verdict.confidence == (None if relation == "unparsable" else pytest.approx(0.8))
    (row,) = [one for one in asked if "Does this answer" in one]
    assert json.dumps(RULE) in row
    assert json.dumps('Who "sits" down first?') in row


def test_a_model_under_a_billion_parameters_is_asked_nothing(tmp_path: Path) -> None:
    model = silent()
    model.traits = Traits(small=True, labels=True)
    held = hold_said(tmp_path, [(ELIF, RULE)], model)
    assert [row.quote for row in held.rows(StatementRow)] == [RULE]
    assert {row.criterion for row in held.rows(VerdictRow)} == {"faithful", "stands-alone", "distinctive"}
    assert model.bodies == []


# --- the fitted heads ------------------------------------------------------------------------------------


def test_the_fitted_heads_have_the_form_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    fitted = weights()
    width = fitted["mean"].shape[0]
    assert width == 384
    assert fitted["piece"].shape == (1 + 3 * width + 2, len(KINDS) + 1)
    assert fitted["quote"].shape == (1 + 3 * width + 2, 2)
    assert fitted["alone"].shape == fitted["distinctive"].shape == (1 + width + 1, 2)
    assert all(np.isfinite(array).all() for array in fitted.values())
    assert all(np.abs(fitted[name]).max() > 0 for name in ("piece", "quote", "alone", "distinctive"))


@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3))
def test_chances_are_probabilities(features: list[float]) -> None:
    found = chances(np.array([features]), np.vstack([np.zeros(4), np.eye(3, 4)]))
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()
