"""The second look: a model is asked about pairs that similarity leaves open, and is believed if it can tell."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from culturepark.distill.ask import SubjectAsker
from culturepark.distill.dedup import Blocks, Entry, TextPair, band, pair_of, same
from culturepark.distill.same import PAIRS_A_CALL
from culturepark.distill.same import same as ask
from culturepark.domain import JsonObject, Status
from culturepark.languages import load_language
from culturepark.models.embedder import Vectors
from culturepark.run.pipeline import Run
from culturepark.store.tables import CallRow, DuplicateRow
from tests.support.fakes import (
    FakeModel,
    Held,
    Listener,
    answering,
    begin,
    edition,
    reply,
    turns_of,
)  # fmt: skip

TEA = "We pour tea for a guest at once."
KETTLE = "Whoever comes by finds the kettle on the stove already."
BREAD = "No visitor leaves before having eaten bread in our kitchen."
SALT = "We put salt on the table for a bride."


def at(*cosines: float) -> Vectors:
    """Unit vectors of which each has this cosine with the first."""
    rows = np.zeros((len(cosines) + 1, len(cosines) + 1), np.float32)
    rows[0, 0] = 1
    for number, cosine in enumerate(cosines, start=1):
        rows[number, 0], rows[number, number] = cosine, (1 - cosine**2) ** 0.5
    return rows


def blocks_of(texts: Sequence[str], vectors: Vectors, **more: float) -> Blocks:
    entries = [Entry(f"r.d1.t{n}.s1", ("", "turkish", "en", "norm", "none"), t, "en") for n, t in enumerate(texts, 1)]
    return Blocks(entries, vectors, "e5", **more)


LOW, HIGH = band("e5", "en")
BETWEEN = (LOW + HIGH) / 2


# --- which pairs are doubtful ------------------------------------------------------------------------------


def test_a_pair_in_the_band_is_asked_about_and_the_answer_decides() -> None:
    made = blocks_of([TEA, KETTLE], at(BETWEEN))
    decision = made.decide()
    pair = pair_of(TEA, KETTLE)
    assert (decision.duplicates, decision.unsure) == ([], [pair])
    no = made.decide({pair: False})
    assert (no.duplicates, no.unsure) == ([], [])
    (found,) = made.decide({pair: True}).duplicates
    assert (found.statement_id, found.representative_id, found.method) == ("r.d1.t2.s1", "r.d1.t1.s1", "e5")
    assert found.similarity == pytest.approx(BETWEEN, abs=1e-3)


@pytest.mark.parametrize(("cosine", "merged"), [(LOW - 0.01, 0), (HIGH + 0.001, 1)])
def test_nobody_is_asked_outside_of_the_band(cosine: float, merged: int) -> None:
    decision = blocks_of([TEA, KETTLE], at(cosine)).decide()
    assert (len(decision.duplicates), decision.unsure) == (merged, [])


def test_a_threshold_of_the_users_own_asks_nobody() -> None:
    decision = blocks_of([TEA, KETTLE], at(BETWEEN), threshold=BETWEEN + 0.001).decide()
    assert (decision.duplicates, decision.unsure) == ([], [])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (TEA, "We pour no tea for a guest at once."),
        (TEA, "We pour tea for a bride at once."),
        ("Every guest gets 3 glasses of tea.", "Whoever comes by has 8 of them on the table before sitting down."),
        ("Whoever comes by finds the kettle on.", "Nobody here would ever put water on the stove for a visitor."),
    ],
)
def test_what_differs_in_form_is_not_asked_about_whatever_the_similarity(one: str, other: str) -> None:
    decision = blocks_of([one, other], at(BETWEEN)).decide({pair_of(one, other): True})
    assert (decision.duplicates, decision.unsure) == ([], [])


def test_a_text_is_compared_with_representatives_alone_and_never_through_a_third() -> None:
    vectors = at(BETWEEN, BETWEEN)
    made = blocks_of([TEA, KETTLE, BREAD], vectors)
    first = pair_of(TEA, KETTLE)
    assert first in made.decide().unsure
    decision = made.decide({first: True, pair_of(KETTLE, BREAD): True})
    assert {one.statement_id: one.representative_id for one in decision.duplicates} == {"r.d1.t2.s1": "r.d1.t1.s1"}


def test_a_language_of_unknown_level_is_not_asked_about_and_needs_more() -> None:
    assert band("e5", "fi") == (0.96, 0.96)
    assert all(band("e5", code)[1] < 0.96 for code in ("en", "ar", "bn", "zh", "de", "ko", "pt", "es", "tr"))


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        (
            "de",
            "Es gehört sich, dass die Schwiegermutter sonntags die Schwiegertochter anruft.",
            "Es gehört sich, dass die Schwiegertochter sonntags die Schwiegermutter anruft.",
        ),
        (
            "en",
            "Most grandparents on our street help their grandchildren with money.",
            "Most grandchildren on our street help their grandparents with money.",
        ),
        (
            "es",
            "En esta escuela los maestros respetan más a los padres que los padres a los maestros.",
            "En esta escuela los padres respetan más a los maestros que los maestros a los padres.",
        ),
        ("ko", "손님이 커피를 마시기 전에는 왜 왔는지 묻지 않습니다.", "손님이 커피를 마시기 전에 왜 왔는지 묻습니다."),
    ],
)
def test_swapped_roles_never_merge_in_any_language(language: str, one: str, other: str) -> None:
    assert not same(one, other, at(0.999), "e5", language, answer=True)


def test_a_portuguese_preposition_is_no_spanish_negation() -> None:
    one, other = "Quem chega no sítio cumprimenta a avó.", "A dona mais velha recebe o primeiro abraço das visitas."
    assert same(one, other, at(0.91), "e5", "pt", answer=True)


# --- how models are asked ----------------------------------------------------------------------------------


def told(asked: JsonObject, says: Callable[[str, str], bool]) -> JsonObject:
    return {"items": [{"id": i["id"], "difference": "", "same": says(i["one"], i["other"])} for i in asked["items"]]}


def judge(says: Callable[[str, str], bool]) -> Callable[[JsonObject], JsonObject]:
    return lambda asked: told(asked, says)


def about_guests(one: str, other: str) -> bool:
    """Knows the known pairs, and takes everything without salt for the same."""
    return not any(word in text for word in ("salt", "nursing home") for text in (one, other))


def asked_of(folder: Path, model: FakeModel, pairs: Sequence[TextPair]) -> dict[TextPair, bool]:
    """What a model says about pairs, in a run that has only begun."""
    held = begin(folder, edition(), model)
    run = Run(held.store, held.row, Listener([]))
    asker = SubjectAsker(
        language=load_language("en"), subject_id=held.run_id, model=model, ledger=run.ledger, stage="dedup"
    )
    return asyncio.run(ask(asker, pairs))


def test_many_pairs_go_into_one_call_with_the_known_ones(tmp_path: Path) -> None:
    pairs = [pair_of(TEA, f"{KETTLE} {number}") for number in range(PAIRS_A_CALL)] + [pair_of(TEA, SALT)]
    model = FakeModel(answering(same=judge(about_guests)))
    found = asked_of(tmp_path, model, pairs)
    assert found == dict.fromkeys(pairs[:-1], True) | {pairs[-1]: False}
    assert [len(asked["items"]) for asked in model.asked("same")] == [PAIRS_A_CALL + 2, 3]


@pytest.mark.parametrize(
    "says", [lambda one, other: True, lambda one, other: False, lambda one, other: "nursing home" in one + other]
)
def test_a_model_that_cannot_tell_the_known_pairs_apart_merges_nothing(
    tmp_path: Path, says: Callable[[str, str], bool]
) -> None:
    pair = pair_of(TEA, KETTLE)
    assert asked_of(tmp_path, FakeModel(answering(same=judge(says))), [pair]) == {pair: False}


def test_an_answer_that_cannot_be_read_counts_as_different(tmp_path: Path) -> None:
    pair = pair_of(TEA, KETTLE)
    assert asked_of(tmp_path, FakeModel(answering(same=lambda _: "they do")), [pair]) == {pair: False}


def letters(odds: Callable[[str, str], float]) -> FakeModel:
    """A small model with these log-odds of yes about a claim and what somebody says."""

    def answer(body: JsonObject) -> object:
        claim, said = re.findall(r'"(.*)"', body["messages"][-1]["content"])
        return reply("Yes", tokens=[("Yes", odds(claim, said) - 9)], No=-9.0)

    return FakeModel(answer, labels=True)  # type: ignore[arg-type]


def test_a_small_model_must_be_sure_in_both_orders(tmp_path: Path) -> None:
    pair, half = pair_of(TEA, KETTLE), pair_of(TEA, BREAD)
    known = {known_pairs_of()[0]: -0.5, known_pairs_of()[1]: -3.0}

    def odds(claim: str, said: str) -> float:
        if (claim, said) == (BREAD, TEA):
            return -2.0
        return known.get((claim, said), known.get((said, claim), -0.4))

    model = letters(odds)
    assert asked_of(tmp_path, model, [pair, half]) == {pair: True, half: False}
    assert len(model.bodies) == 8


@pytest.mark.parametrize("difference", [0.0, 0.9])
def test_a_small_model_that_hardly_tells_the_known_pairs_apart_is_asked_nothing_else(
    tmp_path: Path, difference: float
) -> None:
    model = letters(lambda claim, said: difference if pair_of(claim, said) == pair_of(*known_pairs_of()[0]) else 0.0)
    pair = pair_of(TEA, KETTLE)
    assert asked_of(tmp_path, model, [pair]) == {pair: False}
    assert len(model.bodies) == 4


def known_pairs_of() -> tuple[TextPair, TextPair]:
    section = load_language("en").section
    alike, different = (
        (section("same-known", heading, "one").text, section("same-known", heading, "other").text)
        for heading in ("same", "different")
    )
    return alike, different


# --- in a run ----------------------------------------------------------------------------------------------


class Near:
    """An embedder to which all texts are near each other, and none surely the same."""

    method = "e5"
    identity = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.full((len(texts), len(texts) + 1), 0, np.float32)
        rows[:, 0] = BETWEEN**0.5
        for number in range(len(texts)):
            rows[number, number + 1] = (1 - BETWEEN) ** 0.5
        return rows


def run_with(folder: Path, says: Callable[[str, str], bool], monkeypatch: pytest.MonkeyPatch) -> Held:
    monkeypatch.setattr("culturepark.models.embedder.open_embedder", lambda *_: Near())
    model = FakeModel(answering(same=judge(says)))
    one = edition(distill={"generic": "keep"})
    delegate = next(person.key for person in one.personas if person.role == "delegate")
    held = begin(folder, one, model)
    for turn in turns_of([(delegate, f"{TEA} {KETTLE} {SALT}")], "opinion"):
        held.store.add_turn(f"{held.run_id}.d1", turn)
    held.store.set_dialogue(f"{held.run_id}.d1", Status.DONE, "completed")
    return held.carry_on()


def test_a_run_asks_its_verifier_once_and_logs_it_as_dedup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = run_with(tmp_path, about_guests, monkeypatch)
    (found,) = held.rows(DuplicateRow)
    assert (found.method, found.similarity) == ("e5", pytest.approx(BETWEEN, abs=1e-3))
    calls = [row for row in held.rows(CallRow) if row.stage == "dedup"]
    assert len(calls) == 1
    assert calls[0].subject_id == held.run_id
    assert "a model was asked about 3 pairs" in held.notes[-1]
    asked = len(held.model.bodies)
    held.carry_on()
    assert len(held.model.bodies) == asked  # what was answered is not asked again
    assert [row.statement_id for row in held.rows(DuplicateRow)] == [found.statement_id]


def test_a_run_whose_verifier_says_no_keeps_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_with(tmp_path, lambda one, other: False, monkeypatch).rows(DuplicateRow) == []
