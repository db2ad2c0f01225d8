"""An endpoint that also takes batches, in OpenAI's format and in Anthropic's; faults on demand.

    with BatchEndpoint() as endpoint:
        run(["simulate", "quickstart", "--model", f"openai:test@{endpoint.url}", "--batch", "extract"])
        assert endpoint.batches

A batch is answered when it has been looked at `looks` times. `troubles` are taken one after the other, one by each
batch.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from culturepark.domain import JsonObject
from culturepark.models import scripted
from tests.support.endpoint import Endpoint, Received, logprobs, send, send_json

Trouble = Literal[
    "expired",  # the first half is answered; the others never had their turn
    "cancelled",  # the same, for another reason
    "shuffled",  # the results come in another order
    "doubled",  # each result comes twice, and one of no request
    "broken",  # every third line is cut off in its middle
    "missing",  # every third request has no result
    "refused-items",  # every third request failed with 429
    "failed",  # the batch is taken back: its third line is at fault
    "queue-full",  # it is taken back: too many tokens wait already
    "none",
]


@dataclass
class Submitted:
    """One batch as the endpoint has it."""

    id: str
    items: list[tuple[str, JsonObject]]
    """Custom id and body of each request."""
    trouble: Trouble
    metadata: JsonObject = field(default_factory=dict)
    looked: int = 0


class BatchEndpoint(Endpoint):
    """Takes batches as well as requests by themselves."""

    def __init__(
        self,
        *,
        looks: int = 1,
        troubles: Sequence[Trouble] = (),
        submit: Callable[[int], tuple[int, dict[str, str]] | Literal["drop", "drop-after"] | None] = lambda _: None,
        item: Callable[[JsonObject], tuple[int, JsonObject] | None] = lambda _: None,
        has_batches: bool = True,
        **more: Any,
    ) -> None:
        """
        Args:
            submit: given the number of the submission (from 1): an error status and headers for it, a connection that
                breaks before it or after it, or None to take it.
            item: given a request, the status and body with which it fails; None to answer it.
        """
        super().__init__(**more)
        self.looks, self.submit, self.item, self.has_batches = looks, submit, item, has_batches
        self.troubles = list(troubles)
        self.batches: dict[str, Submitted] = {}
        self.files: dict[str, bytes] = {}
        self.asked_in_batches: list[JsonObject] = []
        """Bodies that were answered within batches."""
        self.submissions = 0
        self.headers: list[dict[str, str]] = []
        """Of all requests about batches."""

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> None:
        path, _, query = received.path.partition("?")
        part = path.removeprefix("/v1")
        if not re.match(r"/(files|batches|messages/batches)(/|$)", part) or not self.has_batches:
            await super()._answer(received, writer)
            return
        self.headers.append(received.headers)
        if part == "/files":
            file_id = f"file-in{len(self.files) + 1}"
            self.files[file_id] = content_of(received.body["raw"])
            await send_json(writer, 200, {"id": file_id, "object": "file", "purpose": "batch"})
        elif found := re.fullmatch(r"/files/([\w-]+)/content", part):
            await send(writer, 200, "application/octet-stream", self.files[found[1]])
        elif part in ("/batches", "/messages/batches") and not received.body:
            anthropic = part.startswith("/messages")
            listed = [self._described(batch, anthropic) for batch in reversed(self.batches.values())]
            await send_json(writer, 200, {"object": "list", "data": listed, "has_more": False})
        elif part in ("/batches", "/messages/batches"):
            await self._take(received.body, part.startswith("/messages"), writer)
        elif found := re.fullmatch(r"/batches/([\w-]+)", part):
            batch = self.batches[found[1]]
            batch.looked += 1
            await send_json(writer, 200, self._described(batch, False))
        elif found := re.fullmatch(r"/messages/batches/([\w-]+)", part):
            batch = self.batches[found[1]]
            batch.looked += 1
            await send_json(writer, 200, self._described(batch, True))
        elif found := re.fullmatch(r"/messages/batches/([\w-]+)/results", part):
            lines = self._lines(self.batches[found[1]], True)
            await send(writer, 200, "application/x-jsonl", "\n".join(lines).encode())
        else:
            await send_json(writer, 404, {"error": {"message": f"no such path: {path} {query}"}})

    async def _take(self, body: JsonObject, anthropic: bool, writer: asyncio.StreamWriter) -> None:
        self.submissions += 1
        wrong = self.submit(self.submissions)
        if isinstance(wrong, tuple):
            error = {"message": "the test wants it so", "type": "test_error", "param": None, "code": None}
            await send_json(writer, wrong[0], {"error": error}, wrong[1])
            return
        if wrong == "drop":
            raise ConnectionAbortedError
        if anthropic:
            items = [(item["custom_id"], item["params"]) for item in body["requests"]]
            assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) for name, _ in items)
            assert not any(set(params) & {"stream", "seed", "response_format", "logprobs"} for _, params in items)
        else:
            lines = [json.loads(line) for line in self.files[body["input_file_id"]].decode().splitlines()]
            assert all(line["method"] == "POST" and line["url"] == "/v1/chat/completions" for line in lines)
            assert not any("stream" in line["body"] for line in lines)
            items = [(line["custom_id"], line["body"]) for line in lines]
        assert len({name for name, _ in items}) == len(items)
        batch_id = f"{'msgbatch' if anthropic else 'batch'}_{len(self.batches) + 1}"
        trouble = self.troubles.pop(0) if self.troubles else "none"
        batch = self.batches[batch_id] = Submitted(batch_id, items, trouble, body.get("metadata") or {})
        if wrong == "drop-after":
            raise ConnectionAbortedError
        await send_json(writer, 200, self._described(batch, anthropic))

    def _described(self, batch: Submitted, anthropic: bool) -> JsonObject:
        over = batch.looked >= self.looks
        if anthropic:
            counts = {"processing": 0 if over else len(batch.items), "succeeded": len(batch.items) if over else 0}
            return {
                "id": batch.id,
                "type": "message_batch",
                "processing_status": "ended" if over else "in_progress",
                "request_counts": counts,
                "created_at": "2099-01-01T00:00:00Z",
                "expires_at": "2099-01-02T00:00:00Z",
                "results_url": "https://elsewhere.example.org/results",
            }
        described: JsonObject = {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "input_file_id": "file-in1",
            "completion_window": "24h",
            "created_at": 1_700_000_000,
            "expires_at": 1_700_086_400,
            "status": "in_progress" if batch.looked else "validating",
            "metadata": batch.metadata,
            "request_counts": {"total": len(batch.items), "completed": 0, "failed": 0},
        }
        if not over:
            return described
        if batch.trouble == "failed":
            fault = {"code": "invalid_request", "message": "Unsupported value: 'seed'", "line": 3, "param": "seed"}
            return described | {"status": "failed", "errors": {"object": "list", "data": [fault]}}
        if batch.trouble == "queue-full":
            fault = {"code": "token_limit_exceeded", "message": "Enqueued token limit reached", "line": None}
            return described | {"status": "failed", "errors": {"object": "list", "data": [fault]}}
        good, bad = f"file-out-{batch.id}", f"file-err-{batch.id}"
        if good not in self.files:
            lines = self._lines(batch, False)
            wrong = [line for line in lines if '"batch_' in line or '"status_code": 4' in line]
            self.files[good] = "\n".join(line for line in lines if line not in wrong).encode()
            self.files[bad] = "\n".join(wrong).encode()
        status = batch.trouble if batch.trouble in ("expired", "cancelled") else "completed"
        return described | {"status": status, "output_file_id": good, "error_file_id": bad if self.files[bad] else None}

    def _lines(self, batch: Submitted, anthropic: bool) -> list[str]:
        lines = []
        for number, (name, body) in enumerate(batch.items):
            third = number % 3 == 2
            if batch.trouble in ("expired", "cancelled") and number >= len(batch.items) / 2:
                lines.append(unprocessed(name, batch.trouble, anthropic))
                continue
            if batch.trouble == "missing" and third:
                continue
            fault = self.item(body)
            if batch.trouble == "refused-items" and third:
                fault = 429, {"error": {"message": "Too many requests", "type": "rate_limit_error"}}
            line = failure(name, *fault, anthropic) if fault else self._answered(name, body, anthropic)
            lines.append(line[: len(line) // 2] if batch.trouble == "broken" and third else line)
        if batch.trouble == "doubled":
            lines = [line for line in lines for _ in range(2)]
            lines.append(self._answered("nobody", batch.items[0][1], anthropic))
        return lines[::-1] if batch.trouble == "shuffled" else lines

    def _answered(self, name: str, body: JsonObject, anthropic: bool) -> str:
        self.asked_in_batches.append(body)
        if anthropic:
            return json.dumps({"custom_id": name, "result": {"type": "succeeded", "message": message(body)}})
        text = scripted.answer(body)
        tokens = re.findall(r"\w+|\W+", text)
        prompt = sum(len(str(m["content"])) for m in body["messages"]) // 4
        usage = {
            "prompt_tokens": prompt,
            "completion_tokens": len(text) // 4,
            "total_tokens": prompt + len(text) // 4,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
        }
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        if body.get("logprobs"):
            choice["logprobs"] = logprobs(tokens, body)
        completion = {
            "id": f"chatcmpl-{scripted.number({**body, 'stream': True, 'stream_options': {'include_usage': True}})}",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": body["model"],
            "choices": [choice],
            "usage": usage,
        }
        answer = {"status_code": 200, "request_id": "req_1", "body": completion}
        return json.dumps({"id": f"batch_req_{name}", "custom_id": name, "response": answer, "error": None})


def message(params: JsonObject) -> JsonObject:
    """The script's answer to parameters of Anthropic's, as one of its messages."""
    system = [{"role": "system", "content": params["system"]}] if "system" in params else []
    body: JsonObject = {"messages": system + params["messages"], "max_tokens": params["max_tokens"]}
    tools = params.get("tools")
    if tools:
        assert params["tool_choice"] == {"type": "tool", "name": tools[0]["name"]}
        schema = {"name": tools[0]["name"], "schema": tools[0]["input_schema"]}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    text = scripted.answer(body)
    block: JsonObject = {"type": "text", "text": text}
    if tools:
        block = {"type": "tool_use", "id": "toolu_1", "name": tools[0]["name"], "input": json.loads(text)}
    prompt = sum(len(str(m["content"])) for m in body["messages"]) // 4
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": params["model"],
        "content": [block],
        "stop_reason": "tool_use" if tools else "end_turn",
        "usage": {"input_tokens": prompt, "output_tokens": len(text) // 4},
    }


def unprocessed(name: str, why: str, anthropic: bool) -> str:
    if anthropic:
        return json.dumps({"custom_id": name, "result": {"type": "expired" if why == "expired" else "canceled"}})
    error = {"code": f"batch_{why}", "message": "This request could not be executed before the end of the batch."}
    return json.dumps({"id": f"batch_req_{name}", "custom_id": name, "response": None, "error": error})


def failure(name: str, status: int, body: JsonObject, anthropic: bool) -> str:
    if anthropic:
        return json.dumps({"custom_id": name, "result": {"type": "errored", "error": {"type": "error", **body}}})
    answer = {"status_code": status, "request_id": "req_1", "body": body}
    return json.dumps({"id": f"batch_req_{name}", "custom_id": name, "response": answer, "error": None})


def content_of(form: bytes) -> bytes:
    """The file in a form as browsers send it."""
    boundary = form.split(b"\r\n", 1)[0]
    for part in form.split(boundary):
        head, _, content = part.partition(b"\r\n\r\n")
        if b"filename=" in head:
            return content.removesuffix(b"\r\n")
    raise AssertionError("no file in it")
