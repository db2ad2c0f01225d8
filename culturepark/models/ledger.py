"""Asks models, sends again what failed, and keeps a row of every request.

A row is written before its request leaves, and completed when the answer is there. An answered call is never sent
again: the same request for the same subject gets the stored answer. Resuming in the middle of a stage needs nothing
else.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from culturepark.domain import JsonObject
from culturepark.errors import (
    CultureparkError,
    Filtered,
    Interrupted,
    Loading,
    ModelError,
    OnlyThoughts,
    PromptCut,
    Refused,
    Starved,
    Unreachable,
)
from culturepark.models import prices, tokens
from culturepark.models.abilities import Abilities, Learnt
from culturepark.models.budget import Budget
from culturepark.models.chat import (
    ChatModel,
    Reply,
    Request,
    Usage,
    canonical,
    digest,
    hit_the_limit,
    token_limit,
    without_unused_logprobs,
)
from culturepark.models.pace import Pace, Place, Rank, Shared, as_they_come
from culturepark.models.thoughts import ADVICE
from culturepark.redact import shortened

ATTEMPTS = 5
"""Failures after which a request is given up."""
LONGEST_PAUSE = 60.0
"""Seconds of the longest pause that we choose ourselves."""
LONGEST_WISH = 600.0
"""Seconds that an endpoint may ask us to wait. One that asks for more is down for this run."""
MOST_POSTPONED = 20
"""Times that an endpoint may say when a request is to come again; from then on, each is a failure. Many requests may
wait for the same window."""
BUSY = {"http-429", "http-502", "http-503", "http-504", "http-529", "timeout"}
"""Failures that time alone cures."""
LOADING, LOADING_PAUSE = 900.0, 5.0
"""Seconds that a model may take to be loaded, and the shortest pause before it is asked again."""
LONG = 5.0
"""Seconds of a pause from which on the user is told of it."""
DOWN_AFTER = 3
"""Requests given up in a row that mean that the endpoint is down."""
GRACE = 5.0
"""Seconds that calls in flight have to finish once the user has asked to stop."""
CANCELLED = "cancelled: the run was stopped"
SAID = 300
"""Characters of an error's text that are kept beside what was learnt from it."""


@dataclass(frozen=True)
class Call:
    """The columns of a call's row that are known before the request leaves."""

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
    """The columns of a call's row that are known after it."""

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
    """The calls and abilities that the store keeps. What can be awaited is done once the store has it for good."""

    def answered(self, subject_id: str, request_digest: str) -> Answered | None: ...
    def lately(self, endpoint: str) -> list[tuple[float, int]]: ...
    def begin(self, call: Call) -> Awaitable[str]: ...
    def finish(self, call_id: str, outcome: Outcome) -> Awaitable[None]: ...
    def refuse(self, call_id: str, guard: str) -> Awaitable[None]: ...
    def abilities(self, endpoint: str, model: str) -> Mapping[str, Any]: ...
    def learn(self, endpoint: str, model: str, name: str, value: Any, said: str) -> None: ...


class Order:
    """Decides which of the requests that wait goes first: as they come. A subclass may know better."""

    def asks(self, subject_id: str, stage: str, pace: Pace) -> Callable[[], Rank]:  # noqa: ARG002
        """Return the rank of a request that is about to be made; it is asked anew whenever there is a place to give."""
        return as_they_come

    def has_room(self) -> None:
        """Called whenever an endpoint could take one more request, and none waits."""


class GoesAlone(Exception):
    """A request that waited for a batch is to be sent by itself after all."""


class Batching(Protocol):
    """A way of sending that holds requests back until there are many; see `models/batch`."""

    def takes(self, asked: Asked, key: tuple[str, str]) -> bool: ...
    def came_back(self, asked: Asked) -> None: ...
    def note_length(self, asked: Asked, usage: Usage) -> None: ...
    async def ask(self, asked: Asked, key: tuple[str, str], call: Call) -> Reply: ...
    def halt(self, why: CultureparkError) -> None: ...


@dataclass
class Ledger:
    """One run's way to its models."""

    run_id: str
    log: CallLog
    budget: Budget
    most_in_flight: int
    rpm: int | None = None
    tpm: int | None = None
    """Requests and tokens a minute that each remote endpoint gets at most."""
    share: Callable[[str, int | None, int | None], Shared] | None = None
    """Returns what keeps `rpm` and `tpm` of an endpoint for several processes; None for this one alone."""
    down_after: int = DOWN_AFTER
    notice: Callable[[str], None] = lambda _: None
    """Called with news for a user who waits."""
    order: Order = field(default_factory=Order)
    batches: Batching | None = None
    """Sends requests of some stages in batches; None sends all by themselves."""
    paces: dict[str, Pace] = field(default_factory=dict)
    given_up: dict[str, int] = field(default_factory=dict)
    """Requests given up in a row, over all dialogues, by endpoint."""
    halted: CultureparkError | None = None
    """Reason why no further request may be made."""
    _abilities: dict[tuple[str, str], Abilities] = field(default_factory=dict)
    _flying: set[asyncio.Timeout] = field(default_factory=set)
    _loading: dict[str, float] = field(default_factory=dict)
    """Endpoint -> the monotonic time at which its model was first seen loading."""
    _read: dict[tuple[str, str], dict[int, int]] = field(default_factory=dict)
    """(endpoint, model) -> prompt tokens by its own count -> characters of that prompt."""
    _answering: set[str] = field(default_factory=set)
    """Endpoints that have answered."""
    _notices: set[tuple[str, str]] = field(default_factory=set)
    """(endpoint, topic) of the notices that come once in a run."""

    def __post_init__(self) -> None:
        self._had_answers = self.budget.tokens > 0

    @property
    def in_flight(self) -> int:
        return sum(pace.in_flight for pace in self.paces.values())

    def halt(self, why: CultureparkError) -> None:
        """Let calls in flight finish, and raise `why` at every later request.

        If the user wants to stop, the calls have `GRACE` seconds: an answer that trickles in could take hours.
        """
        self.halted = self.halted or why
        if isinstance(why, Interrupted) and self._flying:
            until = asyncio.get_running_loop().time() + GRACE
            for patience in self._flying:
                patience.reschedule(until)
        for pace in self.paces.values():
            pace.stir()
        if self.batches:
            self.batches.halt(self.halted)

    async def ask(
        self, model: ChatModel, request: Request, *, stage: str, subject_id: str, prompt_digest: str
    ) -> Reply:
        """Return the stored answer to this very request, or a new one.

        If the endpoint refuses a part of the request, it goes again without that part, as often as there is something
        to leave out. That is no failure.

        Raises:
            ModelError: if it failed for good; every attempt has its row.
            Unreachable: if the endpoint lets nothing through, so that asking on is pointless.
            BudgetReached: before the request, if the run may spend no more.
        """
        pace = self._pace_of(model)
        whole = model.body(request)
        whole_text = canonical(whole)
        # The digest of the full request, not of the adapted one: an answer stays found when more is learnt.
        request_digest = digest(model.endpoint, whole_text)
        asked = Asked(model, stage, str(whole.get("model") or model.spec), whole, pace, whole_text)
        rank = self.order.asks(subject_id, stage, pace)
        try:
            return await self._answer_to(asked, request, request_digest, subject_id, prompt_digest, rank)
        finally:
            if self.batches:
                self.batches.came_back(asked)

    async def _answer_to(
        self,
        asked: Asked,
        request: Request,
        request_digest: str,
        subject_id: str,
        prompt_digest: str,
        rank: Callable[[], Rank],
    ) -> Reply:
        model, stage, pace = asked.model, asked.stage, asked.pace
        while True:
            await asyncio.sleep(0)  # stored and scripted answers take no time, and Ctrl-C has to be heard
            if isinstance(self.halted, Interrupted):
                raise self.halted
            if stored := self.log.answered(subject_id, request_digest):
                return Reply.of(json.loads(stored.response), stored.usage, stored.call_id)
            asked.attempt += 1
            call = Call(
                run_id=self.run_id,
                stage=stage,
                subject_id=subject_id,
                model=asked.name,
                endpoint=model.endpoint,
                prompt_digest=prompt_digest,
                request_digest=request_digest,
                request="",
                seed=request.seed,
                attempt=asked.attempt,
                started_at="",
            )
            if self.batches and self.batches.takes(asked, (subject_id, request_digest)):
                self._may_ask()
                try:
                    reply = await self.batches.ask(asked, (subject_id, request_digest), call)
                except GoesAlone:
                    asked.alone = True
                    asked.attempt -= 1
                    continue
                except ModelError as error:
                    pause = self._after_failure(asked, error, asked.sent, Place(time.monotonic()))
                else:
                    self._went_well(asked, reply)
                    return reply
                await self._rest(pace, pause)
                continue
            body = self.adapted(asked)
            text = asked.text if body == asked.whole else canonical(body)
            async with pace.place(len(text) // 4 + request.max_tokens, self._may_ask, rank) as place:
                call = replace(call, request=text, started_at=now())
                try:
                    reply = await self._send(model, body, call)
                except ModelError as error:
                    pause = self._after_failure(asked, error, body, place)
                else:
                    place.used(reply.usage.total)
                    pace.went_well(place, stage)
                    self._went_well(asked, reply)
                    return reply
            await self._rest(pace, pause)

    async def _rest(self, pace: Pace, pause: float) -> None:
        """Wait so many seconds, or until the run is stopped."""
        until = time.monotonic() + pause
        while (left := until - time.monotonic()) > 0 and not self.halted:
            await pace.rest(left)

    def _went_well(self, asked: Asked, reply: Reply) -> None:
        endpoint = asked.model.endpoint
        self.given_up[endpoint] = 0
        self._answering.add(endpoint)
        self._loading.pop(endpoint, None)
        self._after_answer(asked, reply)
        if self.batches:
            self.batches.note_length(asked, reply.usage)

    def adapted(self, asked: Asked) -> JsonObject:
        """Return a request as its endpoint takes it, by what is known now."""
        return asked.adapted(self._abilities_of(asked))

    def fault_in(self, reply: Reply, body: JsonObject, endpoint: str, name: str) -> ModelError | None:
        """Return the fault of an answer that came in good order; None if it has none."""
        return fault_of(reply, body, endpoint, self._read.setdefault((endpoint, name), {}))

    async def refuse(self, reply: Reply, guard: str) -> None:
        """Store which guard turned an answer down."""
        await self.log.refuse(reply.call_id, guard)

    def _pace_of(self, model: ChatModel) -> Pace:
        if model.endpoint not in self.paces:
            remote = model.spec.remote
            rpm, tpm = (self.rpm, self.tpm) if remote else (None, None)
            shared = self.share(model.endpoint, rpm, tpm) if self.share and (rpm or tpm) else None
            pace = self.paces[model.endpoint] = Pace(
                self.most_in_flight, rpm, tpm, patient=not remote, on_room=self.order.has_room, shared=shared
            )
            if rpm or tpm:
                pace.remember(self.log.lately(model.endpoint))
        return self.paces[model.endpoint]

    def _may_ask(self) -> None:
        if self.halted:
            raise self.halted
        self.budget.check()

    async def _send(self, model: ChatModel, body: JsonObject, call: Call) -> Reply:
        row = asyncio.ensure_future(self.log.begin(call))
        began = time.monotonic()

        async def finish(reply: Reply | None, error: str | None) -> None:
            usage = reply.usage if reply else Usage()
            cost = prices.cost(model.endpoint, call.model, usage)
            self.budget.spend(usage.total, cost)
            await self.log.finish(
                call_id,
                Outcome(
                    response=as_stored(reply.response, body) if reply else None,
                    usage=usage,
                    cost_usd=cost,
                    finish_reason=reply.finish_reason if reply else None,
                    error=error,
                    duration_ms=round((time.monotonic() - began) * 1000),
                ),
            )

        try:
            call_id = await asyncio.shield(row)
        except asyncio.CancelledError:  # the row is written nevertheless
            call_id = await row
            await finish(None, CANCELLED)
            raise
        if isinstance(self.halted, Interrupted):  # the user has asked to stop meanwhile
            await finish(None, CANCELLED)
            raise self.halted
        began = time.monotonic()
        try:
            async with asyncio.timeout(None) as patience:
                self._flying.add(patience)
                try:
                    reply = await model.send(body)
                finally:
                    self._flying.discard(patience)
        except Filtered as error:
            await finish(None, f"{error.kind}: {error}")
            return Reply("", "content_filter", {}, call_id=call_id)  # other servers answer so with status 200
        except ModelError as error:
            await finish(None, f"{error.kind}: {error}")
            raise
        except (asyncio.CancelledError, TimeoutError):
            await finish(None, CANCELLED)
            if patience.expired() and self.halted:
                raise self.halted from None
            raise
        except CultureparkError as error:
            await finish(None, f"stopped: {error}")
            raise
        except Exception as bug:
            await finish(None, f"bug: {type(bug).__name__}")
            raise
        if fault := self.fault_in(reply, body, model.endpoint, call.model):
            await finish(reply, f"{fault.kind}: {fault}")
            raise fault
        await finish(reply, None)
        return replace(reply, call_id=call_id)

    def _abilities_of(self, asked: Asked) -> Abilities:
        key = (asked.model.endpoint, asked.name)
        if key not in self._abilities:
            self._abilities[key] = Abilities(self.log.abilities(*key))
        return self._abilities[key]

    def _learn(self, asked: Asked, learnt: Learnt, said: str) -> None:
        """Keep a new ability for this run and later ones, and tell the user."""
        self._keep(asked, learnt, said)
        self.notice(f"{asked.name} at {asked.model.endpoint} {learnt} (it said: {said[:SAID]})")

    def _keep(self, asked: Asked, learnt: Learnt, said: str) -> None:
        key = (asked.model.endpoint, asked.name)
        self._abilities[key] = self._abilities_of(asked).knowing(learnt)
        self.log.learn(*key, learnt.name, learnt.value, said[:SAID])

    def _after_answer(self, asked: Asked, reply: Reply) -> None:
        if asked.trial:
            self._learn(asked, *asked.trial)
        if reply.cut_off and reply.text.strip() and not hit_the_limit(reply.finish_reason):
            word = shortened(str(reply.finish_reason), 60)
            ends = f"{asked.name} at {asked.model.endpoint} ends an answer with finish_reason {word!r}"
            self._notice_once(asked, "finish-reason", f"{ends}; only a word that means its end makes it whole")
        if reply.leak:
            leaks = self._abilities_of(asked).known.get("leaks", [])
            if reply.leak not in leaks:
                self._keep(asked, Learnt("leaks", [*leaks, reply.leak]), "")
            mixed = f"{asked.name} at {asked.model.endpoint} {Learnt('leaks', [reply.leak])}"
            self._notice_once(asked, reply.leak, f"{mixed}. {ADVICE.get(reply.leak, '')}".rstrip())

    def _notice_once(self, asked: Asked, topic: str, words: str) -> None:
        if (asked.model.endpoint, topic) not in self._notices:
            self._notices.add((asked.model.endpoint, topic))
            self.notice(words)

    def _after_failure(self, asked: Asked, error: ModelError, body: JsonObject, place: Place) -> float:
        """Return the seconds to wait before the next attempt, or raise if there is none."""
        abilities = self._abilities_of(asked)
        if isinstance(error, Refused):
            if asked.adapted(abilities) == body:  # else another request has learnt it meanwhile
                learnt = abilities.learn(error, body)
                if learnt is None or (asked.trial and learnt.name == "bare"):
                    raise error
                if learnt.name == "bare":  # a guess, which is kept only if it helps
                    asked.trial = learnt, str(error)
                else:
                    self._learn(asked, learnt, str(error))
            return 0.0
        if isinstance(error, Starved):
            more = abilities.more_room(asked.stage)
            if more and asked.adapted(abilities.knowing(more)) != body:
                if asked.adapted(abilities) == body:
                    self._learn(asked, more, str(error))
                return 0.0
            raise self._give_up(asked, error)
        if isinstance(error, PromptCut):  # shorter prompts to the same endpoint may well be whole
            self._notice_once(asked, error.kind, str(error))
        if not error.retryable:
            raise error
        if (error.retry_after or 0) > LONGEST_WISH:
            wish = f"{error}; it wants to be left alone for {error.retry_after:,.0f} s"
            raise Unreachable(wish, kind=error.kind) from error
        if isinstance(error, Loading):
            return self._while_loading(asked, error, place)
        postponed = bool(error.retry_after) and asked.postponed < MOST_POSTPONED
        asked.postponed += postponed
        asked.failures += not postponed
        pause = pause_before(asked.failures + 1, error)
        if error.kind in BUSY or error.retry_after is not None:
            # All requests pause only where the endpoint asked for it; otherwise each waits on its own.
            asked.pace.was_refused(place, pause if error.retry_after is not None or error.kind == "http-429" else 0)
        if asked.failures >= self._attempts(asked, error):
            raise self._give_up(asked, error) from error
        if pause >= LONG:
            self.notice(f"waiting {pause:.0f} s: {error}")
        return pause

    def _attempts(self, asked: Asked, error: ModelError) -> int:
        """Return the number of failures of this kind after which a request is given up."""
        if error.attempts_at_first is not None and self._is_silent(asked):
            return error.attempts_at_first
        return 2 if isinstance(error, OnlyThoughts) else ATTEMPTS

    def _is_silent(self, asked: Asked) -> bool:
        """Return whether an endpoint has answered nothing yet, in this process or (by the run's tokens) before."""
        return asked.model.endpoint not in self._answering and not self._had_answers

    def _while_loading(self, asked: Asked, error: Loading, place: Place) -> float:
        """Return the seconds after which a model that is being loaded is asked again."""
        began = self._loading.setdefault(asked.model.endpoint, time.monotonic())
        if (waited := time.monotonic() - began) > LOADING:
            raise Unreachable(f"{error}, and still after {LOADING / 60:.0f} minutes", kind=error.kind) from error
        pause = error.retry_after if error.retry_after is not None else waited / 3
        pause = min(max(pause, LOADING_PAUSE), 30.0)
        asked.pace.was_refused(place, pause)
        wait = f"waiting for the model to be loaded, up to {LOADING / 60:.0f} minutes: {error}"
        self._notice_once(asked, error.kind, wait)
        return pause

    def _give_up(self, asked: Asked, error: ModelError) -> ModelError:
        """Return the error of a request that failed for good: Unreachable if the endpoint seems to be of no use."""
        endpoint = asked.model.endpoint
        lost = self.given_up[endpoint] = self.given_up.get(endpoint, 0) + 1
        nowhere = error.kind == "no-connection" or (error.attempts_at_first and self._is_silent(asked))
        if nowhere or lost >= self.down_after:
            return Unreachable(str(error), kind=error.kind)
        return error


@dataclass
class Asked:
    """One request under way, over all its attempts."""

    model: ChatModel
    stage: str
    name: str
    """The model's name, as it stands in the request."""
    whole: JsonObject
    """The full request, which each attempt adapts to what the endpoint takes."""
    pace: Pace
    text: str
    """The full request as canonical JSON."""
    attempt: int = 0
    failures: int = 0
    postponed: int = 0
    """Times that the endpoint said when to come again."""
    sent: JsonObject = field(default_factory=dict)
    """The request as a batch sent it last."""
    alone: bool = False
    """Whether it waits for no batch any more."""
    trial: tuple[Learnt, str] | None = None
    """A guess at what is refused, with the endpoint's words; kept if the request succeeds without it."""

    def adapted(self, abilities: Abilities) -> JsonObject:
        return (abilities.knowing(self.trial[0]) if self.trial else abilities).adapt(self.whole, self.stage)


def pause_before(attempt: int, error: ModelError) -> float:
    """Return the seconds to wait before an attempt (from 2 on): the server's wish, or a random time that grows.

    A busy endpoint gets half to all of 2 s, 4 s, 8 s, ...: four pauses outlast 15 s at least. All other failures get
    none to all of 1 s, 2 s, 4 s, ...

    Source of both kinds of jitter: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015.
    """
    if error.retry_after is not None:
        return error.retry_after + random.uniform(0, 0.25)
    longest = min(LONGEST_PAUSE, 0.5 * 2 ** (attempt - 1))
    if error.kind in BUSY:
        longest = min(LONGEST_PAUSE, 2 * longest)
        return random.uniform(longest / 2, longest)
    return random.uniform(0, longest)


def fault_of(reply: Reply, body: JsonObject, endpoint: str, earlier: dict[int, int]) -> ModelError | None:
    """Return the fault of an answer that came in good order; None if it has none.

    Args:
        earlier: see `tokens.was_cut`.
    """
    usage, limit = reply.usage, token_limit(body)
    mostly_thoughts = 2 * (usage.reasoning_tokens or 0) > (usage.completion_tokens or 0)
    if tokens.was_cut(usage, body, earlier):
        return PromptCut(
            f"{endpoint} read {usage.prompt_tokens:,} tokens of a longer prompt and dropped the rest without a word; "
            "raise the server's context length (Ollama: OLLAMA_CONTEXT_LENGTH, LM Studio and llama-server: context)"
        )
    if reply.withheld or (reply.text.strip() and not (reply.cut_off and mostly_thoughts)):
        return None
    thought = bool(reply.thoughts or usage.reasoning_tokens)
    if reply.cut_off and (thought or (limit > 1 and hit_the_limit(reply.finish_reason))):
        return Starved(
            f"{endpoint}: the model spent its {limit:,} tokens on thinking before it answered; "
            "it needs a larger limit, or less reasoning (see docs/endpoints.md)"
        )
    if thought and not reply.cut_off:
        return OnlyThoughts(
            f"{endpoint} sent the whole answer as reasoning and nothing as content; "
            "start the server without a reasoning parser, or the model without thinking (see docs/endpoints.md)"
        )
    return None


def as_stored(response: JsonObject, body: JsonObject) -> str:
    """Return an answer as ASCII JSON, with the log-probabilities that are read again."""
    return json.dumps(without_unused_logprobs(response, body), ensure_ascii=True)


def now() -> str:
    """Return the time in UTC, to the millisecond."""
    return moment(datetime.now(UTC))


def moment(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
