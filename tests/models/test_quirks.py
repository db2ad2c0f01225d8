"""Every behaviour of real servers that was reported, and what culturepark makes of it. Slow ones: `make torture`."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.quirks import QUIRKS, Quirk
from tests.quirks.hurry import REAL, Clock
from tests.quirks.trial import line, tried

OFTEN = """
plain no-system-role strict-alternation names-are-refused plain-embeddings base64-unasked encoding-format-refused
vectors-in-another-order batch-too-large-400 dimension-changes no-embeddings-here quota-exceeded model-not-found
key-invalid-400 prompt-filtered-400 context-of-vllm context-too-small-for-speeches prompt-cut-silently
stream-without-end compressed-bomb no-answer-at-all nested-too-deeply redirect-to-another-port
only-the-default-temperature max-completion-tokens-wanted one-after-the-other several-in-one-message
logprobs-at-most-one logprobs-break-the-server json-in-a-string-twice html-refusal deserialize-error-422
nothing-is-right temperature-above-one seed-too-large no-limit-is-taken json-schema-unavailable
no-response-format-at-all json-in-a-fence schema-ignored json-never comments-in-between one-event-over-lines
split-inside-characters deflated stream-called-json delta-missing whole-text-each-time flat-logprobs usage-nowhere
ends-in-other-words no-finish-no-done error-after-half-an-answer error-in-the-choice page-now-and-then
reset-in-mid-stream nothing-said-and-stop tool-calls-in-place-of-text reasoning-content-field content-as-parts
think-tags-in-front harmony-channels next-turn-spoken-too budget-spent-on-thoughts budget-leaves-half-an-answer
no-room-for-the-answer-at-all wait-in-odd-headers busy-without-a-word loading-model-503 json-as-arguments-of-a-call
"""
"""One behaviour of each way in which culturepark must help itself; `make test` tries these, `make torture` all."""


@pytest.mark.parametrize(
    "quirk",
    [
        pytest.param(quirk, id=name, marks=[pytest.mark.torture] * (quirk.slow or name not in OFTEN.split()))
        for name, quirk in QUIRKS.items()
    ],
)
def test_a_run_makes_the_best_of_it(quirk: Quirk, tmp_path: Path) -> None:
    out = tried(quirk, tmp_path)
    assert not out.wrong, f"{quirk.imitates} ({quirk.source})\n{line(out)}\n{out.said[-2000:]}\n{out.calls}"


def test_each_behaviour_says_what_it_imitates_and_where_that_was_reported() -> None:
    for quirk in QUIRKS.values():
        assert quirk.imitates.endswith("."), quirk.name
        assert len(quirk.source) > 5, quirk.name


def test_what_is_tried_often_is_a_behaviour_and_fast() -> None:
    assert [name for name in OFTEN.split() if name not in QUIRKS or QUIRKS[name].slow] == []
    assert {QUIRKS[name].kind for name in OFTEN.split()} == {quirk.kind for quirk in QUIRKS.values()}


def test_waiting_takes_no_time_but_counts() -> None:
    async def story() -> list[float]:
        """Two timers and a thread; the thread's time is real."""
        began = asyncio.get_running_loop().time()
        seen = []
        await asyncio.gather(asyncio.sleep(30), asyncio.sleep(3600))
        seen.append(asyncio.get_running_loop().time() - began)
        await asyncio.to_thread(time.sleep, 0.05)
        seen.append(asyncio.get_running_loop().time() - began - seen[0])
        return seen

    real = REAL()
    with Clock().kept():
        slept, worked = asyncio.run(story())
    assert REAL() - real < 5
    assert 3600 <= slept < 3605
    assert 0.04 < worked < 3
    assert time.monotonic is REAL
