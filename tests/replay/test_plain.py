"""`replay --plain`: dialogues in words, for pipes and for those who listen."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from culturepark.domain import Status, Turn
from culturepark.glossary import PHASES, in_words
from culturepark.replay import plain
from culturepark.store.store import Store
from culturepark.store.tables import ParticipantRow, ReviewRow, SampleRow, StatementRow
from tests.support.fakes import (
    ELIF,
    JENNA,
    MODERATOR,
    FakeModel,
    Held,
    begin,
    edition,
    hold,
    hold_said,
    shipped,
    turns_of,
)
from tests.support.terminal import Terminal

ARABIC = "السلام عليكم، كيف الحال اليوم يا صديقي العزيز؟ أنا بخير والحمد لله رب العالمين."


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder: Path = tmp_path_factory.mktemp("plain")
    one = shipped("everyday-norms")
    few = one.scenario.model_copy(update={"seeds": one.scenario.seeds[:2], "cultures": one.scenario.cultures[:1]})
    return hold(folder, one.model_copy(update={"scenario": few}), FakeModel())


def told(held: Held, target: str = "last", *, behind: bool = False) -> str:
    return "\n".join(plain.replay(held.store, target, follow=False, behind=behind))


def test_at_each_turn_it_is_said_who_speaks_of_which_culture_and_in_which_phase(held: Held) -> None:
    dialogue_id = f"{held.run_id}.d1"
    names = {row.persona_key: (row.name, row.culture) for row in held.of(ParticipantRow, dialogue_id=dialogue_id)}
    said = told(held, dialogue_id)
    at = 0
    for turn in held.store.turns(dialogue_id):
        name, culture = names.get(turn.speaker, ("Moderator", ""))
        who = f"{name}, {culture}" if culture else name
        cue = {"model": "", "cue": ", fixed cue", "fallback": ", fixed follow-up"}[turn.origin]
        at = said.index(f"\nTurn {turn.position}, {in_words(PHASES, turn.phase)}. {who}{cue}:\n{turn.text}\n", at)
    assert said.endswith("\nDialogue 1 is done: completed.")
    assert said.isprintable() or not re.search(r"[^\n\w\W]|[─-╿]", said)


def test_what_is_behind_a_turn_can_be_heard_too(held: Held) -> None:
    sample = held.of(SampleRow, status="kept")[0]
    (first,) = held.of(StatementRow, id=sample.statement_id)
    with held.store.database.writing() as session:
        session.add(
            ReviewRow(
                id=f"{first.id}.r1",
                subject_id=first.id,
                reviewer="Ana",
                decision="reject",
                rating=2,
                note="too \x1b[2Jbroad",
                created_at="2026-11-22T08:00:00Z",
            )
        )
    said = told(held, behind=True)
    for row in held.of(StatementRow):
        assert f", {row.kind}, {row.id}: {row.text}\n    Quoted: “{row.quote}”\n" in said
    assert "    Carried by the quote: yes" in said
    assert re.search(rf", kept, {re.escape(sample.id)}[^\n]*:\n", said)
    assert "    Review: rejected by Ana, rated 2 of 5, because: too ␛[2Jbroad\n" in said
    assert re.search(r"  Asked of fake: attempt 1, \d+ tokens in and \d+ out, [\d.]+ seconds, price unknown.", said)
    spoken = told(held)
    assert [line for line in said.split("\n") if not line.startswith("  ")] == spoken.split("\n")


def test_a_dialogue_is_read_when_its_turn_comes_and_not_before(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def turns(store: Store, dialogue_id: str) -> list[Turn]:
        read.append(dialogue_id)
        return real(store, dialogue_id)

    def never(store: Store, run_id: str) -> None:
        raise AssertionError("all dialogues of the run were read")

    real = Store.turns
    monkeypatch.setattr(Store, "turns", turns)
    monkeypatch.setattr(Store, "dialogues", never)
    for follow in (False, True):
        read.clear()
        for line in plain.replay(held.store, held.run_id, follow=follow):
            if line.startswith("Dialogue 2 of"):
                break
        assert read == [f"{held.run_id}.d1"]


def test_whoever_follows_hears_what_is_said_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = begin(tmp_path, edition(), FakeModel())
    dialogue_id = f"{held.run_id}.d1"

    def going_on() -> Iterator[None]:
        for turn in turns_of([(MODERATOR, "Welcome."), (JENNA, "Hello."), (ELIF, "Merhaba.")]):
            held.store.add_turn(dialogue_id, turn)
            yield
        held.store.set_dialogue(dialogue_id, Status.DONE, "completed")
        yield

    steps = going_on()
    lines: list[str] = []
    heard: list[int] = []

    def meanwhile(seconds: float) -> None:
        heard.append(sum(line.startswith("Turn ") for line in lines))
        next(steps)

    monkeypatch.setattr(plain.time, "sleep", meanwhile)
    for line in plain.replay(held.store, held.run_id, follow=True):
        lines.append(line)
    assert heard == [0, 1, 2, 3]
    assert [line for line in lines if line.startswith("Turn")] == [
        "Turn 1, Own views. Moderator, fixed cue:",
        "Turn 2, Own views. Jenna Villanueva, american:",
        "Turn 3, Own views. Elif Yıldız, turkish:",
    ]


# --- in a pipe and at a terminal -----------------------------------------------------------------------


def test_a_pipe_gets_lines_whole_and_arabic_in_the_order_of_the_talk(tmp_path: Path) -> None:
    held = hold_said(tmp_path, [(MODERATOR, "Welcome."), (ELIF, ARABIC)], FakeModel(), until="dialogue")
    done = piped(tmp_path, "replay", held.run_id, "--plain")
    assert f"\n{ARABIC}\n" in done
    assert "\x1b" not in done


def test_a_terminal_gets_them_wrapped_between_words_and_without_colour(tmp_path: Path) -> None:
    held = hold_said(tmp_path, [(MODERATOR, "Welcome."), (ELIF, ARABIC)], FakeModel(), until="dialogue")
    with Terminal("replay", held.run_id, "--plain", *store(tmp_path), columns=40) as terminal:
        assert terminal.ended() == 0
        said = terminal.received.decode()
    assert "\x1b" not in said
    assert ARABIC in said.replace("\r\n", " ")
    assert max(map(len, said.split("\r\n"))) <= 40


def test_a_reader_who_has_heard_enough_is_no_error(tmp_path: Path) -> None:
    held = hold_said(tmp_path, [(JENNA, "word " * 40_000)], FakeModel(), until="dialogue")
    command = [sys.executable, "-m", "culturepark", "replay", held.run_id, "--plain", *store(tmp_path)]
    reader = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert reader.stdout
    assert reader.stderr
    assert reader.stdout.readline().startswith(b"A conversation")
    reader.stdout.close()
    assert (reader.stderr.read(), reader.wait()) == (b"", 0)
    reader.stderr.close()


def store(folder: Path) -> list[str]:
    return ["--store", f"sqlite:///{folder / 'runs.db'}"]


def piped(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "culturepark", *arguments, *store(folder)]
    return subprocess.run(command, capture_output=True, check=True).stdout.decode()
