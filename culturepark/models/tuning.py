"""How many slots and threads a local model runs best with on this machine: tried once, and remembered.

Whether one thread for each core pays, and whether prompts are better read side by side or one after the other, depends
on the cores, on what else runs on them, and on the weights. So the first run tries it: the same short conversations are
held with a server of each sort. What was found stands in a note in the cache folder, which `culturepark doctor` shows;
without the note it is tried again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from culturepark.domain import JsonObject
from culturepark.errors import Unreachable
from culturepark.files import put_json
from culturepark.models import weights

MOST_SLOTS = 4
CONVERSATIONS, ROUNDS = 4, 2
WORDS_OF_CARD, WORDS_OF_TURN, ANSWER_TOKENS = 180, 40, 32
"""Lengths of what is tried: about those of a talk of a small model."""
LONGEST = 45.0
"""Seconds after which no further pair is begun. A large model is tried with fewer pairs, and at last with none."""
WORTH_TRYING = 20_000_000
"""Bytes of weights below which it does not matter."""
WORTH = 0.9
"""A pair has to take at most this share of the time of what stood before it. Less may be chance."""
COMMON = ("the", "house", "road", "bread", "work", "day", "people", "water", "child", "garden", "winter", "letter")


@dataclass(frozen=True)
class Tuned:
    """What a local model is started with."""

    slots: int
    """Prompts that are worked on at the same time."""
    threads: int
    tokens_per_second: float | None = None
    """Prompt and answer together, when it was tried; None where nothing was."""
    tried: int = 0
    """Pairs of slots and threads that were tried."""


Start = Callable[[Tuned], AbstractAsyncContextManager[Callable[[JsonObject], Awaitable[int]]]]
"""Starts a server and gives the function that asks it, which returns the tokens of an answer with its prompt."""


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2


def usual() -> Tuned:
    """Return what is taken where nothing was tried: a thread for each core, and all slots."""
    return Tuned(MOST_SLOTS, cores())


def remembered(path: Path) -> Tuned | None:
    """Return what was found for some weights on this machine; None if nothing was, or the note cannot be read."""
    with suppress(OSError, ValueError, TypeError, KeyError, Unreachable):
        found = json.loads(note_of(path).read_bytes())
        tuned = Tuned(int(found["slots"]), int(found["threads"]), found["tokens_per_second"], int(found["tried"]))
        if 1 <= tuned.slots <= MOST_SLOTS and 1 <= tuned.threads <= cores():
            return tuned
    return None


def note_of(path: Path) -> Path:
    """Return the path of the note on some weights, which is another one for other weights, cores or llama.cpp.

    Raises:
        Unreachable: if there is no cache folder.
    """
    facts = [*weights.stamp_of(path), path.name, cores(), platform.machine(), platform.node(), version("xllamacpp")]
    return weights.cache_dir() / "tuned" / f"{hashlib.sha256(repr(facts).encode()).hexdigest()[:16]}.json"


async def tune(path: Path, start: Start, progress: weights.Progress) -> Tuned:
    """Try pairs of slots and threads, and return and remember the fastest one.

    Args:
        start: starts a server with such a pair.
    """
    clock = asyncio.get_running_loop().time
    name, began = f"{path.name} on this machine, once", clock()
    best, least, tried = usual(), float("inf"), 0
    speed = 0.0
    steps = len(list(pairs()))
    for number, pair in enumerate(pairs(), start=1):
        progress(name, number - 1, steps)
        candidate = pair(best)
        if tried and (candidate == best or clock() - began > LONGEST):
            continue
        seconds, tokens = await hold(start, candidate, least)
        tried += 1
        if seconds <= (least * WORTH if tried > 1 else least):
            best, least, speed = candidate, seconds, tokens / seconds
    progress(name, steps, steps)
    found = Tuned(best.slots, best.threads, round(speed, 1), tried)
    with suppress(OSError, Unreachable):  # the cache is full or read-only: it is tried again
        note = note_of(path)
        note.parent.mkdir(parents=True, exist_ok=True)
        put_json(note, asdict(found))
    return found


def pairs() -> Iterator[Callable[[Tuned], Tuned]]:
    """Yield what is tried, each as a change of the best so far: first the usual, then threads, then slots."""
    yield replace
    for threads in sorted({max(1, cores() // 2), max(1, cores() - 1)} - {cores()}, reverse=True):
        yield partial(replace, threads=threads)
    for slots in (2, 1):
        yield partial(replace, slots=slots)


async def hold(start: Start, pair: Tuned, least: float) -> tuple[float, int]:
    """Hold the conversations, and return the seconds and tokens that they took.

    Args:
        least: seconds after which this pair is not the best; it is stopped some time later.
    """
    tokens = 0
    async with start(pair) as ask:
        await ask(body_of(CONVERSATIONS, 0))  # the first answer of a server takes longer
        clock = asyncio.get_running_loop().time
        began = clock()

        async def converse(number: int) -> None:
            nonlocal tokens
            for turn in range(ROUNDS):
                spent = await ask(body_of(number, turn))
                tokens += spent

        with suppress(TimeoutError):
            async with asyncio.timeout(None if least == float("inf") else least + 1):
                await asyncio.gather(*map(converse, range(CONVERSATIONS)))
                return clock() - began, tokens
    return float("inf"), tokens


def body_of(number: int, turn: int) -> JsonObject:
    """Return the request of one turn of one conversation. Its prompt begins with that of the turn before."""
    messages = [{"role": "system", "content": words(f"card {number}", WORDS_OF_CARD)}]
    for earlier in range(turn):
        messages.append({"role": "user", "content": words(f"turn {number} {earlier}", WORDS_OF_TURN)})
        messages.append({"role": "assistant", "content": words(f"answer {number} {earlier}", WORDS_OF_TURN)})
    messages.append({"role": "user", "content": words(f"turn {number} {turn}", WORDS_OF_TURN)})
    # Every answer has the same length, whatever the model would say.
    return {"messages": messages, "max_tokens": ANSWER_TOKENS, "ignore_eos": True, "temperature": 0, "seed": 1}


def words(of: str, count: int) -> str:
    """Return so many common words, others for each text; what they say does not matter."""
    digest = hashlib.sha256(of.encode()).digest()
    return " ".join(COMMON[(digest[i % 32] + i * digest[(i + 7) % 32]) % len(COMMON)] for i in range(count))
