"""Holds requests back and sends them in batches, which cost half and are answered within a day.

A batch is one more way of sending a request, so whoever asks need not know: it waits longer. Requests are collected
until nothing else can go on. The first request of each stage goes ahead by itself: what an endpoint refuses is then
known in seconds, and not after a day.

Each request has its row in the ledger before its batch is submitted. The rows stay open while the batch is under way,
also when the program ends; a later one asks for the same requests, and gets the answers of that batch.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from culturepark.domain import JsonObject
from culturepark.errors import BudgetReached, CultureparkError, Filtered, ModelError, Overloaded, Unreachable
from culturepark.glossary import counted
from culturepark.models import ledger as ledgers
from culturepark.models import prices
from culturepark.models.batch_formats import BatchFormat, Remote, Result, fault_lines, format_of
from culturepark.models.batch_log import BatchLog
from culturepark.models.chat import ChatModel, Reply, Usage, canonical, token_limit
from culturepark.models.client import NOT_OURS
from culturepark.models.ledger import Asked, Call, CallLog, GoesAlone, Ledger, Outcome, now
from culturepark.models.replies import assemble, longest, read, scrubbed
from culturepark.models.wire_errors import error_in_body, map_answer, map_error
from culturepark.redact import shortened

SETTLE, LOOKS = 2.0, 20
"""Seconds in which nothing new may come before a batch is submitted, and how often one looks in them. A loop that was
busy for long looks late, but only once, and so does not take that for silence."""
FIRST_LOOK, LONGEST_LOOK, GROWTH = 5.0, 300.0, 1.5
"""Seconds before a batch is first looked at, the longest time between two looks, and by how much each is longer."""
OFFLINE = 6 * 3600.0
"""Seconds in which a service may fail to say how a batch stands. A laptop sleeps for a night, and batches go on."""
AGAIN = 5
"""Submissions after which a batch is given up, and times that a request may be taken back with its whole batch."""
FULL = ("token_limit_exceeded", "tokenlimitexceeded", "enqueued_token_limit")
"""Codes of a batch that was taken back because too many tokens wait at the service."""
STRAGGLERS = 0.01
"""Share of the largest batch up to which those that are left are sent by themselves: a few requests that had to be made
again, or that come after all others, would cost a day."""
CLOSING = 10.0
"""Seconds in which a submission under way may end once the run is stopped."""
AT_ONCE = 200
"""Rows that are written together."""


@dataclass(eq=False)
class Item:
    """One request, from the moment that it is asked to its answer."""

    key: tuple[str, str]
    """Subject, and digest of the request in full."""
    answer: asyncio.Future[Reply]
    asked: Asked | None = None
    """None as long as nobody has asked again for a request of an earlier process."""
    call: Call | None = None
    call_id: str = ""
    body: JsonObject = field(default_factory=dict)
    """The request as it was adapted to the endpoint; empty for one of an earlier process."""
    reserved: tuple[int, float] = (0, 0.0)
    """Tokens and dollars that are held for it."""
    size: int = 0
    """Estimated bytes."""
    returned: int = 0
    """Times that it was taken back with its whole batch."""

    def fail(self, error: Exception) -> None:
        """Give an error to whoever waits; a bug, too, so that it ends a dialogue and is shown."""
        if not self.answer.done():
            self.answer.set_exception(error)
            self.answer.exception()  # nobody may be waiting, and that is no bug


@dataclass(eq=False)
class Collector:
    """Requests to one model that wait to be submitted together."""

    model: ChatModel
    name: str
    form: BatchFormat
    most: int
    """Requests of one batch; fewer than the format allows once a service had too many tokens waiting."""
    waiting: deque[Item] = field(default_factory=deque)
    under_way: int = 0
    """Batches that have not ended."""
    one_by_one: bool = False
    """Whether a batch is submitted only once the one before has ended."""
    size: int = 0
    """Estimated bytes of those that wait."""
    largest: int = 0
    """Requests of its largest batch."""


@dataclass(eq=False)
class Batch:
    """A batch under way."""

    id: str
    collector: Collector
    left: dict[str, Item]
    """By the name within the batch: the requests without an answer, in the order of their lines."""
    lines: list[Item]
    began: float
    remote_id: str = ""


class Batches:
    """The batches of one run."""

    def __init__(
        self,
        ledger: Ledger,
        log: BatchLog,
        stages: Collection[str],
        find_model: Callable[[str, str], Awaitable[ChatModel | None]],
    ) -> None:
        """
        Args:
            stages: the ledger's names of the stages whose requests wait for a batch.
            find_model: given an endpoint and a model's name, returns the model of the run that may be asked there.
        """
        self.ledger = ledger
        self.calls: CallLog = ledger.log
        self.log = log
        self.stages = frozenset(stages)
        self._find_model = find_model
        self._collectors: dict[tuple[str, str], Collector] = {}
        self._formats: dict[int, BatchFormat | None] = {}
        self._pending: dict[tuple[str, str], Item] = {}
        """Requests in batches under way."""
        self._open: set[Batch] = set()
        self._elsewhere = 0
        """Requests in batches at endpoints that this run may not ask."""
        self._ahead: dict[tuple[str, str, str], Asked | None] = {}
        """Endpoint, model and stage -> the request that goes by itself; None once it has come back."""
        self._made: dict[tuple[str, str], list[int]] = {}
        """Model and stage -> number of answers, and tokens made in them."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._submitting: set[asyncio.Task[None]] = set()
        self._gathering: asyncio.Task[None] | None = None
        self._added = 0
        self._reserved = [0, 0.0]
        self._stopped: CultureparkError | None = None

    # --- asking ----------------------------------------------------------------------------------------

    def takes(self, asked: Asked, key: tuple[str, str]) -> bool:
        """Return whether a request waits for a batch, or is in one already."""
        if key in self._pending:
            return True
        if asked.alone or asked.stage not in self.stages or self._format(asked.model) is None:
            return False
        kind = (asked.model.endpoint, asked.name, asked.stage)
        if kind not in self._ahead:
            known = any((one.collector.model.endpoint, one.collector.name) == kind[:2] for one in self._open)
            self._ahead[kind] = None if known else asked
        return self._ahead[kind] is not asked

    def came_back(self, asked: Asked) -> None:
        """Hear that a request is answered, or has failed for good; others may have waited for it."""
        kind = (asked.model.endpoint, asked.name, asked.stage)
        if self._ahead.get(kind) is asked:
            self._ahead[kind] = None

    async def ask(self, asked: Asked, key: tuple[str, str], call: Call) -> Reply:
        """Return the answer to a request once its batch has ended.

        Args:
            call: the columns of its row; the request's own are filled in when it is submitted.
        Raises:
            ModelError: if it failed.
            CultureparkError: if the run is stopped. A request that was submitted stays in its batch.
        """
        if self._stopped:
            raise self._stopped
        if item := self._pending.get(key):
            item.asked = item.asked or asked
            item.body = item.body or self.ledger.adapted(asked)
        else:
            item = Item(key, asyncio.get_running_loop().create_future(), asked, call)
            self._collect(item)
        try:
            return await asyncio.shield(item.answer)
        finally:
            asked.sent = item.body
            if not item.call_id and not item.answer.done():  # nobody waits for it any more, and it has not gone
                self._drop(item)

    def _format(self, model: ChatModel) -> BatchFormat | None:
        if id(model) not in self._formats:
            self._formats[id(model)] = format_of(model)
        return self._formats[id(model)]

    def _collector(self, model: ChatModel, name: str) -> Collector:
        key = (model.endpoint, name)
        if key not in self._collectors:
            form = self._format(model)
            assert form is not None
            self._collectors[key] = Collector(model, name, form, form.most_items)
        return self._collectors[key]

    def _collect(self, item: Item) -> None:
        assert item.asked is not None
        collector = self._collector(item.asked.model, item.asked.name)
        item.size = characters_of(item.asked)
        collector.waiting.append(item)
        collector.size += item.size
        self._added += 1
        if self._gathering is None or self._gathering.done():
            self._gathering = self._begin(self._gather(), self._tasks)

    def _drop(self, item: Item) -> None:
        for collector in self._collectors.values():
            if item in collector.waiting:
                collector.waiting.remove(item)
                collector.size -= item.size

    def _begin(self, work: Any, among: set[asyncio.Task[None]]) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.create_task(work)
        among.add(task)
        task.add_done_callback(among.discard)
        return task

    # --- submitting --------------------------------------------------------------------------------------

    async def _gather(self) -> None:
        """Submit what waits as soon as nothing else can go on, and full batches at once."""
        still, seen = 0, -1
        while any(collector.waiting for collector in self._collectors.values()):
            await asyncio.sleep(SETTLE / LOOKS)
            busy = self.ledger.in_flight or self._submitting or any(self._ahead.values())
            still = still + 1 if seen == self._added and not busy else 0
            seen = self._added
            for collector in list(self._collectors.values()):
                if collector.one_by_one and collector.under_way:
                    continue
                if still >= LOOKS and len(collector.waiting) <= STRAGGLERS * collector.largest:
                    self._let_go(collector)
                    continue
                full = len(collector.waiting) >= collector.most or collector.size >= collector.form.most_bytes
                while collector.waiting and (full or still >= LOOKS):
                    full = False
                    items = self._next(collector)
                    if not items:
                        break
                    collector.under_way += 1
                    task = self._begin(self._submit(collector, items), self._submitting)
                    await asyncio.wait({task})
                    if collector.one_by_one:
                        break

    def _let_go(self, collector: Collector) -> None:
        """Send those that wait by themselves."""
        for item in collector.waiting:
            item.fail(GoesAlone())
        collector.waiting.clear()
        collector.size = 0

    def _next(self, collector: Collector) -> list[Item]:
        """Take the next requests that fit into one batch and into the budget."""
        taken: list[Item] = []
        while collector.waiting and len(taken) < collector.most:
            item = collector.waiting[0]
            assert item.asked is not None
            tokens, dollars = self._estimate(item.asked)
            if not self._affords(tokens, dollars):
                if not taken and not self._reserved[0]:
                    error = self._unaffordable(tokens, dollars)
                    for poor in collector.waiting:
                        poor.fail(error)
                    collector.waiting.clear()
                    collector.size = 0
                break
            item.reserved = (tokens, dollars)
            self._reserved[0] += tokens
            self._reserved[1] += dollars
            taken.append(collector.waiting.popleft())
            collector.size -= item.size
        return taken

    def _estimate(self, asked: Asked) -> tuple[int, float]:
        """Return the tokens and dollars that a request may take: of an answer, twice the mean of those so far."""
        prompt = characters_of(asked) // 4
        made = token_limit(asked.whole)
        if known := self._made.get((asked.name, asked.stage)):
            made = min(made, 2 * known[1] // known[0] + 1)
        cost = prices.cost(asked.model.endpoint, asked.name, Usage(prompt, 0, made), batched=True)
        return prompt + made, cost or 0.0

    def _affords(self, tokens: int, dollars: float) -> bool:
        budget = self.ledger.budget
        cost = (budget.cost_usd or 0.0) + self._reserved[1] + dollars
        if budget.max_cost_usd is not None and cost > budget.max_cost_usd:
            return False
        return budget.max_tokens is None or budget.tokens + self._reserved[0] + tokens <= budget.max_tokens

    def _unaffordable(self, tokens: int, dollars: float) -> BudgetReached:
        budget = self.ledger.budget
        if budget.max_cost_usd is not None and (budget.cost_usd or 0.0) + dollars > budget.max_cost_usd:
            left = budget.max_cost_usd - (budget.cost_usd or 0.0)
            return BudgetReached(
                f"${left:.4f} of the budget of ${budget.max_cost_usd:.4f} are left, and the next request in a batch "
                f"may take ${dollars:.4f}",
                "--max-cost USD",
            )
        left_tokens = (budget.max_tokens or 0) - budget.tokens
        return BudgetReached(
            f"{left_tokens:,} of the budget of {budget.max_tokens or 0:,} tokens are left, and the next request in a "
            f"batch may take {tokens:,}",
            "--max-tokens N",
        )

    def note_length(self, asked: Asked, usage: Usage) -> None:
        """Take an answer into account when the next ones are estimated."""
        known = self._made.setdefault((asked.name, asked.stage), [0, 0])
        known[0] += 1
        known[1] += usage.completion_tokens or 0

    async def _submit(self, collector: Collector, items: list[Item]) -> None:
        """Write the rows of some requests, send them as one batch, and follow it."""
        batch: Batch | None = None
        try:
            calls: list[Call] = []
            size = 0
            for number, item in enumerate(items):
                assert item.asked is not None
                assert item.call is not None
                item.body = self.ledger.adapted(item.asked)
                wire = collector.form.wire(item.body)
                call = replace(item.call, request=canonical(wire), attempt=item.asked.attempt, started_at=now())
                size += len(call.request) + 200
                if size > collector.form.most_bytes and calls:
                    for later in reversed(items[number:]):
                        self._release(later)
                        collector.waiting.appendleft(later)
                        collector.size += later.size
                    items = items[:number]
                    break
                calls.append(call)
            for start in range(0, len(items), AT_ONCE):
                ids = await asyncio.gather(*(self.calls.begin(call) for call in calls[start : start + AT_ONCE]))
                for item, call_id in zip(items[start : start + AT_ONCE], ids, strict=True):
                    item.call_id = call_id
                    self._pending[item.key] = item
            left = {collector.form.custom_id(item.call_id): item for item in items}
            lines = [
                collector.form.line(custom_id, json.loads(call.request))
                for custom_id, call in zip(left, calls, strict=True)
            ]
            name = f"{self.ledger.run_id}-{time.time_ns():x}"
            batch_id = self.log.begin_batch(
                collector.model.endpoint, collector.name, collector.form.kind, name, [item.call_id for item in items]
            )
            collector.largest = max(collector.largest, len(items))
            batch = Batch(batch_id, collector, left, items, time.monotonic())
            self._open.add(batch)
            if self._stopped:
                self.halt(self._stopped)  # it was not among those that were told
            remote = await self._sent(batch, name, lines)
            self._submitted(batch, remote)
            until = f" by {remote.expires_at}" if remote.expires_at else ""
            self.ledger.notice(
                f"batch {batch_id}: {counted(len(items), 'request')} to {collector.name} at "
                f"{collector.model.endpoint}; answers come{until}. Ctrl-C leaves it there, and `culturepark resume` "
                "fetches them"
            )
            self._begin(self._follow(batch), self._tasks)
        except ModelError as error:
            await self._give_up(batch, items, error, collector)
        except Exception as error:
            collector.under_way -= batch is None
            for item in items:
                item.fail(error)

    async def _sent(self, batch: Batch, name: str, lines: list[str]) -> Remote:
        """Submit a batch; where no answer came, look first whether it has arrived."""
        form, since = batch.collector.form, now()
        for attempt in range(1, AGAIN + 1):
            try:
                return await form.submit(name, lines)
            except ModelError as error:
                wish = error.retry_after or 0
                if not error.retryable or wish > ledgers.LONGEST_WISH:
                    raise
                pause = ledgers.pause_before(attempt + 1, error)
                if pause >= ledgers.LONG:
                    self.ledger.notice(f"waiting {pause:.0f} s to submit batch {batch.id}: {error}")
                await asyncio.sleep(pause)
                if arrived := await form.find(name, since, len(lines)):
                    return arrived
                if attempt == AGAIN:
                    raise
        raise AssertionError("unreachable")

    def _submitted(self, batch: Batch, remote: Remote) -> None:
        batch.remote_id = remote.id
        self.log.set_batch(batch.id, status="open", remote_id=remote.id, expires_at=remote.expires_at)

    # --- following -----------------------------------------------------------------------------------------

    async def resume(self) -> None:
        """Take up the batches of an earlier process; the answers of those that have ended are stored at once.

        Raises:
            ModelError: if a service cannot be asked about a batch whose submission was cut short.
        """
        for kept in self.log.open_batches():
            model = await self._find_model(kept.endpoint, kept.model)
            form = self._format(model) if model else None
            if model is None or form is None:
                self._elsewhere += len(kept.items)
                self.ledger.notice(
                    f"batch {kept.id}: {counted(len(kept.items), 'request')} to {kept.model} at {kept.endpoint} wait "
                    "until this run asks that model again"
                )
                continue
            remote_id = kept.remote_id
            if remote_id is None and (remote := await form.find(kept.name, kept.created_at, kept.size)):
                remote_id = remote.id
                self.log.set_batch(kept.id, status="open", remote_id=remote.id, expires_at=remote.expires_at)
            if remote_id is None:
                unsent = failed("batch-unsent: the process ended before the batch was submitted")
                await asyncio.gather(*(self.calls.finish(call_id, unsent) for call_id, _, _ in kept.items))
                self.log.set_batch(kept.id, status="failed", finished_at=now(), error="it was never submitted")
                continue
            collector = self._collector(model, kept.model)
            collector.under_way += 1
            left: dict[str, Item] = {}
            for call_id, subject_id, digest in kept.items:
                key = (subject_id, digest)
                item = Item(key, asyncio.get_running_loop().create_future(), call_id=call_id)
                left[form.custom_id(call_id)] = self._pending[key] = item
            began = time.monotonic() - seconds_since(kept.created_at)
            batch = Batch(kept.id, collector, left, list(left.values()), began, remote_id)
            self._open.add(batch)
            over = False
            try:
                over = await self._is_over(batch)
            except ModelError as error:
                if not passes(error):
                    raise
            if not over:
                self._begin(self._follow(batch), self._tasks)

    async def _is_over(self, batch: Batch) -> bool:
        """Look at a batch; if it has ended, give out its answers."""
        remote = await batch.collector.form.look(batch.remote_id)
        if remote.state == "failed":
            await self._taken_back(batch, remote)
        elif remote.state == "ended":
            await self._take(batch, remote)
        return remote.state != "open"

    async def _follow(self, batch: Batch) -> None:
        """Look at a batch until it has ended."""
        pause, silent_since = FIRST_LOOK, None
        try:
            while True:
                await asyncio.sleep(pause)
                pause = min(LONGEST_LOOK, GROWTH * pause)
                try:
                    if await self._is_over(batch):
                        return
                    silent_since = None
                except ModelError as error:
                    if not passes(error):
                        raise
                    if silent_since is None:
                        self.ledger.notice(f"batch {batch.id}: {error}; it is looked at again")
                    silent_since = silent_since or time.monotonic()
                    if time.monotonic() - silent_since > OFFLINE:
                        raise
                    pause = max(pause, error.retry_after or 0)
        except ModelError as error:  # its requests stay open, and are looked for when the run goes on
            stopped = unusable(error)
            for item in batch.left.values():
                item.fail(stopped)
            self._end(batch)
        except Exception as error:
            for item in batch.left.values():
                item.fail(error)

    async def _take(self, batch: Batch, remote: Remote) -> None:
        """Complete the rows of all requests of a batch, and let those go on who wait for them."""
        form, strange = batch.collector.form, 0
        group: list[tuple[Item, Result]] = []
        async for result in form.results(remote):
            item = batch.left.pop(result.custom_id, None)
            if item is None:
                strange += 1
                continue
            group.append((item, result))
            if len(group) == AT_ONCE:
                await self._settle_all(batch, group)
                group = []
        await self._settle_all(batch, group)
        word = remote.word if remote.word in ("expired", "cancelled") else ""
        missing = len(batch.left)
        lost = [(item, Result(custom_id, 0, None, word or "missing")) for custom_id, item in batch.left.items()]
        batch.left.clear()
        await self._settle_all(batch, lost)
        remarks = [f"{missing} without a result ({word or 'their lines are missing or broken'})"] if missing else []
        remarks += [f"{strange} results for no request of it, or for one that had its result"] if strange else []
        error = "; ".join(remarks) or None
        self.log.set_batch(batch.id, status="done", finished_at=now(), error=error)
        self.ledger.notice(
            f"batch {batch.id}: {counted(len(batch.lines), 'request')} came back"
            + (f"; {error}" if error else "")
            + (f" (the service says: {remote.word})" if word else "")
        )
        self._end(batch)

    def _end(self, batch: Batch) -> None:
        self._open.discard(batch)
        batch.collector.under_way -= 1

    async def _settle_all(self, batch: Batch, results: Iterable[tuple[Item, Result]]) -> None:
        await asyncio.gather(*(self._settle(batch, item, result) for item, result in results))

    async def _settle(self, batch: Batch, item: Item, result: Result) -> None:
        """Complete the row of one request, and give its answer to whoever waits."""
        body = item.body or batch.collector.form.body_of(self.log.request_of(item.call_id))
        reply: Reply | None = None
        error: ModelError | None = None
        try:
            reply = await self._read(batch, body, result)
        except Filtered as filtered:  # as of a request by itself: other servers answer so with status 200
            error = filtered
        except ModelError as fault:
            error = fault
        else:
            error = self.ledger.fault_in(reply, body, batch.collector.model.endpoint, batch.collector.name)
        usage = reply.usage if reply else Usage()
        cost = prices.cost(batch.collector.model.endpoint, batch.collector.name, usage, batched=True)
        self._release(item)
        await self.calls.finish(
            item.call_id,
            Outcome(
                response=json.dumps(reply.response, ensure_ascii=True) if reply else None,
                usage=usage,
                cost_usd=cost if reply else None,
                finish_reason=reply.finish_reason if reply else None,
                error=f"{error.kind}: {error}" if error else None,
                duration_ms=max(0, round((time.monotonic() - batch.began) * 1000)),
            ),
        )
        self.ledger.budget.spend(usage.total, cost if reply else None)
        self._pending.pop(item.key, None)
        if isinstance(error, Filtered):
            reply, error = Reply("", "content_filter", {}), None
        if error or reply is None:
            item.fail(error or Overloaded(f"{batch.collector.model.endpoint}: no answer"))
            return
        if not item.answer.done():
            item.answer.set_result(replace(reply, call_id=item.call_id))

    async def _read(self, batch: Batch, body: JsonObject, result: Result) -> Reply:
        """
        Raises:
            ModelError: if the request failed, or the answer is none.
        """
        endpoint = batch.collector.model.endpoint
        if result.unprocessed:
            why = {
                "expired": "the batch expired before this request's turn",
                "cancelled": "the batch was cancelled before this request's turn",
            }.get(result.unprocessed, "the batch's results do not hold one for this request")
            raise Overloaded(f"{endpoint}: {why}", kind=f"batch-{result.unprocessed}")
        if result.status == 0:
            raise error_in_body(result.body or {}, endpoint, body, how="answered within a batch")
        if result.status >= 400:
            raise map_answer(result.status, {}, result.body, endpoint, body)
        try:
            completion = batch.collector.form.completion(result.body)
            response = scrubbed(await assemble(just(completion), longest(body), endpoint, body))
            return read(response, body, endpoint)
        except NOT_OURS as error:
            raise map_error(error, endpoint, body) from error

    async def _taken_back(self, batch: Batch, remote: Remote) -> None:
        """Handle a batch that was refused as a whole, after it had been taken.

        Requests that the service names get their fault as an answer. All others wait for the next batch.
        """
        collector, by_line = batch.collector, fault_lines(remote.faults)
        said = "; ".join(str(fault.get("message") or fault.get("code")) for fault in remote.faults[:3])
        codes = {str(fault.get("code")) for fault in remote.faults}
        full = bool(codes & set(FULL))
        if full and len(batch.lines) > 1:
            collector.most, collector.one_by_one = max(1, len(batch.lines) // 2), True
            self.ledger.notice(
                f"batch {batch.id}: too many tokens wait at {collector.model.endpoint}; from now on batches of "
                f"{collector.most}, one after the other"
            )
        why = f"batch-refused: {collector.model.endpoint} took the batch back: {said or remote.word}"
        error_words = shortened(why, 500)
        self.log.set_batch(batch.id, status="failed", finished_at=now(), error=shortened(said or remote.word, 500))
        self._end(batch)
        await asyncio.gather(*(self.calls.finish(item.call_id, failed(error_words)) for item in batch.lines))
        for number, item in enumerate(batch.lines, start=1):
            self._release(item)
            self._pending.pop(item.key, None)
            fault = by_line.get(number)
            item.returned += 1
            if fault and not full:
                item.fail(error_in_body(fault, collector.model.endpoint, item.body, how="refused within a batch"))
            elif item.asked is None:  # nobody asks for it any more, or will ask anew
                item.fail(Overloaded(error_words, kind="batch-refused"))
            elif item.returned >= AGAIN or not (by_line or full) or (full and len(batch.lines) == 1):
                error = error_in_body(
                    remote.faults[0] if remote.faults else {}, collector.model.endpoint, {}, how="took a batch back"
                )
                item.fail(error if isinstance(error, Unreachable) else Unreachable(str(error), kind="batch-refused"))
            else:
                item.asked.attempt += 1
                item.call_id = ""
                self._collect(item)

    async def _give_up(
        self, batch: Batch | None, items: Sequence[Item], error: ModelError, collector: Collector
    ) -> None:
        """Fail the requests of a batch that could not be submitted.

        Where it may have arrived nevertheless, its rows stay open, and it is looked for when the run goes on.
        """
        refused = not passes(error) or batch is None
        stopped = unusable(error)
        if refused:
            outcome = failed(f"{error.kind}: {error}")
            await asyncio.gather(*(self.calls.finish(item.call_id, outcome) for item in items if item.call_id))
        for item in items:
            self._release(item)
            self._pending.pop(item.key, None)
            item.fail(stopped)
        if batch is None:
            collector.under_way -= 1
            return
        if refused:
            self.log.set_batch(batch.id, status="failed", finished_at=now(), error=shortened(str(error), 500))
        self._end(batch)

    def _release(self, item: Item) -> None:
        self._reserved[0] -= item.reserved[0]
        self._reserved[1] = max(0.0, self._reserved[1] - item.reserved[1]) if self._reserved[0] > 0 else 0.0
        item.reserved = (0, 0.0)

    # --- stopping --------------------------------------------------------------------------------------------

    @property
    def under_way(self) -> int:
        """Requests that wait at a service."""
        return sum(len(batch.left) for batch in self._open) + self._elsewhere

    def halt(self, why: CultureparkError) -> None:
        """Let nobody wait any longer. Batches under way go on at their services, and their rows stay open."""
        self._stopped = self._stopped or why
        for collector in self._collectors.values():
            for item in collector.waiting:
                item.fail(why)
            collector.waiting.clear()
        for batch in self._open:
            for item in batch.left.values():
                item.fail(why)

    async def close(self) -> None:
        """End all that goes on here; a submission under way may still end."""
        if self._submitting:
            await asyncio.wait(set(self._submitting), timeout=CLOSING)
        tasks = [*self._tasks, *self._submitting]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def characters_of(asked: Asked) -> int:
    """Return the length of all messages of a request."""
    return sum(len(str(message.get("content"))) for message in asked.whole.get("messages", ()))


async def just(value: Any) -> AsyncIterator[Any]:
    yield value


def failed(error: str) -> Outcome:
    return Outcome(None, Usage(), None, None, error, 0)


def passes(error: ModelError) -> bool:
    """Return whether a fault may be over when one asks again."""
    return error.retryable or error.kind == "no-connection"


def unusable(error: ModelError) -> ModelError:
    """Return the error of a batch that cannot be had: it stops the run, since all requests of it would fail alike."""
    if isinstance(error, Unreachable) or error.exit_code == 4:
        return error
    return Unreachable(f"{error}; no batch can be had there", kind=error.kind)


def seconds_since(moment: str) -> float:
    try:
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
