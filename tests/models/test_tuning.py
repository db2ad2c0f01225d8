"""Slots and threads of a local model: tried once on a machine, and remembered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from culturepark.domain import JsonObject
from culturepark.models import tuning
from culturepark.models.tuning import CONVERSATIONS, ROUNDS, Tuned, remembered, tune
from tests.support.virtual import played


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CULTUREPARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tuning, "cores", lambda: 4)
    weights = tmp_path / "model.gguf"
    weights.write_bytes(b"GGUF")
    return weights


class Machine:
    """Stands for llama.cpp: answers take as long as `seconds` says for slots and threads."""

    def __init__(self, seconds: Callable[[Tuned], float]) -> None:
        self.seconds = seconds
        self.tried: list[tuple[int, int]] = []
        self.bodies: list[JsonObject] = []

    @asynccontextmanager
    async def start(self, pair: Tuned) -> AsyncIterator[Callable[[JsonObject], Awaitable[int]]]:
        self.tried.append((pair.slots, pair.threads))
        slots = asyncio.Semaphore(pair.slots)

        async def ask(body: JsonObject) -> int:
            self.bodies.append(body)
            async with slots:
                await asyncio.sleep(self.seconds(pair))
            return 100

        yield ask


def tuned(machine: Path, seconds: Callable[[Tuned], float]) -> tuple[Tuned, Machine, list[tuple[str, int, int]]]:
    llama, said = Machine(seconds), list[tuple[str, int, int]]()
    _, found = played(tune(machine, llama.start, lambda *news: said.append(news)))
    return found, llama, said


def test_the_fastest_pair_is_taken_and_remembered(machine: Path) -> None:
    # Half the threads are faster, and two slots are, since each of four would take three times as long.
    def seconds(pair: Tuned) -> float:
        return (0.1 if pair.threads == 2 else 0.2) * (3 if pair.slots == 4 else 1)

    found, llama, said = tuned(machine, seconds)
    assert llama.tried == [(4, 4), (4, 3), (4, 2), (2, 2), (1, 2)]
    assert (found.slots, found.threads, found.tried) == (2, 2, 5)
    assert found.tokens_per_second == pytest.approx(CONVERSATIONS * ROUNDS * 100 / (CONVERSATIONS * ROUNDS / 2 * 0.1))
    assert remembered(machine) == found
    assert said[0] == ("model.gguf on this machine, once", 0, 5)
    assert said[-1] == ("model.gguf on this machine, once", 5, 5)


def test_what_is_hardly_faster_is_left_alone(machine: Path) -> None:
    found, _, _ = tuned(machine, lambda pair: 0.95 if pair.threads == 3 else 1.0 * (4 if pair.slots < 4 else 1))
    assert (found.slots, found.threads) == (4, 4)


def test_a_slow_model_is_tried_with_few_pairs(machine: Path) -> None:
    found, llama, _ = tuned(machine, lambda _: 30.0)
    assert llama.tried == [(4, 4)]
    assert (found.slots, found.threads, found.tried) == (4, 4, 1)


def test_a_pair_that_takes_longer_than_the_best_is_not_waited_for(machine: Path) -> None:
    llama = Machine(lambda pair: 1.0 if pair.threads == 4 and pair.slots == 4 else 1000.0)
    seconds, found = played(tune(machine, llama.start, lambda *_: None))
    assert (found.slots, found.threads) == (4, 4)
    # Each of the four others is given up soon, once its first answer, which is not counted, is there.
    assert seconds < 4 * 1000 + 30


def test_every_prompt_begins_with_the_one_before_in_its_conversation() -> None:
    first, second = (tuning.body_of(1, turn)["messages"] for turn in range(2))
    assert second[: len(first)] == first
    assert tuning.body_of(2, 0)["messages"] != first


@pytest.mark.parametrize(
    "note", ["", "[]", '{"slots": 99, "threads": 1, "tokens_per_second": 1, "tried": 1}', '{"slots": 2}']
)
def test_a_note_that_says_nothing_is_as_none(machine: Path, note: str) -> None:
    place = tuning.note_of(machine)
    place.parent.mkdir(parents=True)
    place.write_text(note)
    assert remembered(machine) is None


def test_other_weights_are_tried_anew(machine: Path) -> None:
    tuned(machine, lambda _: 1.0)
    machine.write_bytes(b"GGUF, another")
    assert remembered(machine) is None


def test_a_cache_that_cannot_be_written_stops_nothing(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine.parent / "file").write_text("")
    monkeypatch.setenv("CULTUREPARK_CACHE", str(machine.parent / "file"))
    found, _, _ = tuned(machine, lambda _: 1.0)
    assert found.slots == 4
