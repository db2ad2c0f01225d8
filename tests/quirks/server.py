"""The server: an `Endpoint` whose every chat answer is one behaviour's, down to the bytes."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from tests.quirks.asking import Answer, Ask, Memory
from tests.quirks.kinds import Quirk
from tests.support.endpoint import Endpoint, Received, read, send_json


class Server(Endpoint):
    """Behaves as one quirk says. A second listener, at another origin, notes what comes to it and answers the same."""

    def __init__(self, quirk: Quirk, port: int = 0) -> None:
        super().__init__(port=port)
        self.quirk = quirk
        self.memory = Memory()
        self.strayed: list[Received] = []
        """Requests that came to the other origin."""
        self.bugs: list[str] = []
        """What went wrong in the behaviour itself."""
        self._other_port = 0

    @property
    def spec(self) -> str:
        return f"openai:test@{self.url}"

    async def _run(self) -> None:
        other = await asyncio.start_server(self._stray, "127.0.0.1", 0)
        self._other_port = other.sockets[0].getsockname()[1]
        try:
            await super()._run()
        finally:
            other.close()

    async def _stray(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while received := await read(reader):
                self.strayed.append(received)
                await self._say(self._ask(received), writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(task)
            writer.close()

    def _ask(self, received: Received) -> Ask:
        other = self._other_port
        places = (f"http://127.0.0.1:{other}", f"http://localhost:{other}")
        return Ask(received, len(self.requests), self.memory, f"http://127.0.0.1:{self.port}", places)

    async def _answer(self, received: Received, writer: asyncio.StreamWriter) -> None:
        if not received.body:  # a GET
            await send_json(writer, 200, {"object": "list", "data": [{"id": "test", "object": "model"}]})
            return
        self.requests.append(received)
        self.memory.began = self.memory.began or monotonic()
        await self._say(self._ask(received), writer)

    async def _say(self, ask: Ask, writer: asyncio.StreamWriter) -> None:
        try:
            answer = self.quirk.answer(ask)
        except Exception as bug:
            self.bugs.append(repr(bug))
            raise ConnectionAbortedError from bug
        await write(answer, writer)


async def write(answer: Answer, writer: asyncio.StreamWriter) -> None:
    """One answer, part by part, until it ends or the client has gone."""
    parts: Any = answer.parts
    lines = [f"HTTP/1.1 {answer.status} Status", *(f"{name}: {value}" for name, value in answer.headers.items())]
    if answer.framing == "length":
        parts = [b"".join(parts)]
        lines.append(f"Content-Length: {len(parts[0])}")
    elif answer.framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
    if answer.framing != "bare":
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    for part in parts:
        if isinstance(part, float):
            await asyncio.sleep(part)
        elif part:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part) if answer.framing == "chunked" else part)
            await writer.drain()
            await asyncio.sleep(0)  # `drain` alone lets nobody else have a turn
    if answer.breaks:
        await asyncio.sleep(0.01)  # what was sent arrives before the break does
        raise ConnectionResetError
    if answer.framing == "chunked":
        writer.write(b"0\r\n\r\n")
    await writer.drain()
    if answer.framing == "bare":
        raise ConnectionAbortedError
