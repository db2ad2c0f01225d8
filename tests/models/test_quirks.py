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
plain no-system-role system-role-is-a-template-error strict-alternation names-are-refused plain-embeddings
base64-unasked encoding-format-refused vectors-in-another-order vectors-of-nan batch-too-large-400
one-text-at-a-time dimension-changes fewer-vectors-than-texts no-embeddings-here embeddings-busy quota-exceeded
credits-402 credits-run-out-in-the-middle model-not-found key-invalid-400 prompt-filtered-400 finish-content-filter
nothing-but-block-reason context-of-vllm context-of-llama-server request-too-large-429
context-too-small-for-speeches prompt-cut-silently prompt-cut-behind-the-system-message stream-without-end
comments-without-end line-of-a-hundred-megabytes compressed-bomb error-of-a-hundred-megabytes no-answer-at-all
nested-too-deeply redirect-to-another-port redirect-to-the-same-origin redirect-in-a-circle
only-the-default-temperature max-completion-tokens-wanted one-after-the-other stop-refused several-in-one-message
not-allowed-to-request-logprobs logprobs-at-most-one logprobs-break-the-server extra-inputs-with-loc
json-in-a-string-twice plain-text-refusal html-refusal deserialize-error-422 bare-request-only nothing-is-right
temperature-above-one temperature-must-be-positive at-least-sixteen-tokens at-most-so-many-tokens seed-too-large
no-limit-is-taken json-schema-unavailable no-response-format-at-all grammar-does-not-compile refusal-in-a-stream
json-in-a-fence json-among-braces schema-ignored bare-list another-top-level-key json-in-json comma-too-many
schema-missed-now-and-then schema-given-back json-never comments-in-between carriage-returns-alone
one-event-over-lines byte-order-mark json-lines split-inside-characters one-byte-a-packet deflated
stream-called-json json-called-stream filter-results-first delta-missing message-in-place-of-delta second-choice
whole-text-each-time flat-logprobs usage-nowhere usage-as-strings usage-twice ends-in-other-words cut-in-other-words
no-finish-no-done ends-for-want-of-resources ends-in-a-word-of-its-own error-after-half-an-answer error-event
error-in-the-choice page-now-and-then empty-body-now-and-then reset-in-mid-stream nothing-said-and-stop
tool-calls-in-place-of-text refusal-field reasoning-content-field reasoning-and-details-fields content-as-parts
think-tags-in-front think-tag-unopened think-tag-unopened-in-json think-tags-squared seed-think-tags
think-tag-unclosed think-tags-nested thoughts-in-the-middle answer-tags-after-thoughts harmony-channels
harmony-analysis-only end-token-as-text next-turn-spoken-too role-header-as-text replacement-characters
budget-spent-on-thoughts budget-spent-without-a-word budget-leaves-half-an-answer answer-only-in-reasoning
budget-never-enough no-room-for-the-answer-at-all wait-in-odd-headers wait-as-a-date wait-in-minutes-and-seconds
wait-until-an-epoch wait-in-the-message retry-info busy-inside-200 busy-without-a-word loading-model-503
loading-again-in-the-middle overloaded-529 json-as-arguments-of-a-call text-that-is-called-compressed
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
