"""Asks models, and writes down every request before it leaves and every answer when it is there.

An answered call is never sent again: the same request for the same subject gets the stored answer. That is all there
is to resuming in the middle of a stage.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from culturepark.domain import JsonObject
from culturepark.errors import CultureparkError, Interrupted, ModelError, Unreachable
from culturepark.models import limits, prices
from culturepark.models.chat import ChatModel, Reply, Request, Usage, canonical, digest
from culturepark.models.pace import Pace, Place

TOO_MUCH = {"http-429", "http-502", "http-503", "http-504", "http-529", "timeout"}
"""Kinds of failure that say that an endpoint has too much to do."""
LONG = 5.0
"""Seconds of silence that want a word."""
DOWN_AFTER = 3
"""So many requests in a row given up on mean that the endpoint is down."""


@dataclass(frozen=True)
class Call:
    """A request about to leave; the columns of its row that are known beforehand."""

    run_id: str
    stage: str
    subject_id: str
    model: str
    endpoint: str
    prompt_digest: str
    request_digest: str
    request: str
    seed: int | None
    attempt: int
    started_at: str


@dataclass(frozen=True)
class Outcome:
    """What became of it."""

    response: str | None
    usage: Usage
    cost_usd: float | None
    finish_reason: str | None
    error: str | None
    duration_ms: int


@dataclass(frozen=True)
class Answered:
    """A stored answer."""

    call_id: str
    response: str
    usage: Usage


class CallLog(Protocol):
    """Where calls are written down; the store."""

    def answered(self, subject_id: str, request_digest: str) -> Answered | None: ...
    def lately(self, endpoint: str) -> list[tuple[float, int]]: ...
    def begin(self, call: Call) -> str: ...
    def finish(self, call_id: str, outcome: Outcome) -> None: ...
    def refuse(self, call_id: str, guard: str) -> None: ...


@dataclass
class Ledger:
    """One run's way to its models."""

    run_id: str
    log: CallLog
    budget: limits.Budget
    most_in_flight: int
    rpm: int | None = None
    tpm: int | None = None
    """Requests and tokens a minute that each remote endpoint gets at most."""
    down_after: int = DOWN_AFTER
    notice: Callable[[str], None] = lambda _: None
    """Told what a user who waits will want to know."""
    paces: dict[str, Pace] = field(default_factory=dict)
    given_up: dict[str, int] = field(default_factory=dict)
    """Requests given up on in a row, over all dialogues, by endpoint."""
    halted: CultureparkError | None = None
    """Why no further request may be made."""

    @property
    def in_flight(self) -> int:
        return sum(pace.in_flight for pace in self.paces.values())

    def halt(self, why: CultureparkError) -> None:
        """Lets calls in flight finish, and answers every later request with `why`."""
        self.halted = self.halted or why
        for pace in self.paces.values():
            pace.stir()

    async def ask(
        self, model: ChatModel, request: Request, *, stage: str, subject_id: str, prompt_digest: str
    ) -> Reply:
        """The stored answer to this very request, or a new one.

        Raises:
            ModelError: if it failed for good; every attempt has its row.
            Unreachable: if the endpoint lets nothing through, so that asking on is pointless.
            BudgetReached: before the request, if the run may spend no more.
        """
        pace = self._pace_of(model)
        attempt = 0
        while True:
            await asyncio.sleep(0)  # stored and scripted answers take no time: Ctrl-C must get a word in
            if isinstance(self.halted, Interrupted):
                raise self.halted
            attempt += 1
            body = model.body(request)  # anew each time: a refused parameter may have been dropped
            text = canonical(body)
            request_digest = digest(model.endpoint, text)
            if stored := self.log.answered(subject_id, request_digest):
                return recall(stored)
            async with pace.place(len(text) // 4 + request.max_tokens, self._may_ask) as place:
                call = Call(
                    run_id=self.run_id,
                    stage=stage,
                    subject_id=subject_id,
                    model=str(body.get("model") or model.spec),
                    endpoint=model.endpoint,
                    prompt_digest=prompt_digest,
                    request_digest=request_digest,
                    request=text,
                    seed=request.seed,
                    attempt=attempt,
                    started_at=now(),
                )
                try:
                    reply = await self._send(model, body, call)
                except ModelError as error:
                    pause = self._after_failure(model, error, attempt, pace, place)
                else:
                    place.used(reply.usage.total)
                    pace.went_well(place, stage)
                    self.given_up[model.endpoint] = 0
                    return reply
            until = time.monotonic() + pause
            while (left := until - time.monotonic()) > 0 and not self.halted:
                await pace.rest(left)

    def refuse(self, reply: Reply, guard: str) -> None:
        """Notes which guard turned an answer down."""
        self.log.refuse(reply.call_id, guard)

    def _pace_of(self, model: ChatModel) -> Pace:
        if model.endpoint not in self.paces:
            remote = model.spec.kind == "openai"
            rpm, tpm = (self.rpm, self.tpm) if remote else (None, None)
            pace = self.paces[model.endpoint] = Pace(self.most_in_flight, rpm, tpm, patient=not remote)
            if rpm or tpm:
                pace.remember(self.log.lately(model.endpoint))
        return self.paces[model.endpoint]

    def _may_ask(self) -> None:
        if self.halted:
            raise self.halted
        self.budget.check()

    async def _send(self, model: ChatModel, body: JsonObject, call: Call) -> Reply:
        call_id = self.log.begin(call)
        began = time.monotonic()

        def finish(reply: Reply | None, error: str | None) -> None:
            usage = reply.usage if reply else Usage()
            cost = prices.cost(model.endpoint, call.model, usage)
            self.log.finish(
                call_id,
                Outcome(
                    response=json.dumps(reply.response, ensure_ascii=True) if reply else None,
                    usage=usage,
                    cost_usd=cost,
                    finish_reason=reply.finish_reason if reply else None,
                    error=error,
                    duration_ms=round((time.monotonic() - began) * 1000),
                ),
            )
            self.budget.spend(usage.total, cost)

        try:
            reply = await model.send(body)
        except ModelError as error:
            finish(None, f"{error.kind}: {error}")
            raise
        except asyncio.CancelledError:
            finish(None, "cancelled: the run was stopped")
            raise
        except Exception as bug:
            finish(None, f"bug: {type(bug).__name__}")
            raise
        finish(reply, None)
        return replace(reply, call_id=call_id)

    def _after_failure(self, model: ChatModel, error: ModelError, attempt: int, pace: Pace, place: Place) -> float:
        """Seconds to wait before the next attempt; raises where there is none."""
        if not error.retryable:
            raise error
        if (error.retry_after or 0) > limits.LONGEST_WISH:
            wish = f"{error}; it wants to be left alone for {error.retry_after:,.0f} s"
            raise Unreachable(wish, kind=error.kind) from error
        pause = limits.pause_before(attempt + 1, error)
        if error.kind in TOO_MUCH or error.retry_after is not None:
            # A pause of everybody only where the endpoint asked for it; otherwise each waits on its own.
            pace.was_refused(place, pause if error.retry_after is not None or error.kind == "http-429" else 0)
        if pause >= LONG:
            self.notice(f"waiting {pause:.0f} s: {error}")
        if attempt < limits.ATTEMPTS:
            return pause
        lost = self.given_up[model.endpoint] = self.given_up.get(model.endpoint, 0) + 1
        if error.kind == "no-connection" or lost >= self.down_after:
            raise Unreachable(str(error), kind=error.kind) from error
        raise error


def recall(stored: Answered) -> Reply:
    """A stored answer as the reply it was."""
    return Reply.of(json.loads(stored.response), stored.usage, stored.call_id)


def now() -> str:
    """The time in UTC, to the millisecond."""
    return moment(datetime.now(UTC))


def moment(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
