"""Timeouts that count only the time in which this process could have noticed an answer.

A timer of the event loop goes on while the loop is kept busy, and when it comes round it fires first. So a request
could time out whose connection stood long ago, or whose bytes had not even left: it would be paid for, and lost. Here
the time is counted in steps, and however late a step ends, it counts as one.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2

STEPS = 10
"""Steps of a timeout: it may be longer by the time in which the loop was busy, and a tenth of its own."""


class Connecting:
    """Bounds the time in which a request is being connected, and no other.

    async with Connecting(10) as connecting:
        request.extensions["trace"] = connecting.trace
        ...
    """

    def __init__(self, seconds: float, request: httpx2.Request) -> None:
        """
        Args:
            seconds: for each of a connection's parts: the network, proxies, and encryption.
        """
        self._seconds = seconds
        self._request = request
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Connecting:
        await self._timeout.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        """
        Raises:
            ConnectTimeout: if the time is over.
        """
        self._stop()
        try:
            await self._timeout.__aexit__(*error)
        except TimeoutError:
            words = f"no connection within {self._seconds:g} s"
            raise httpx2.ConnectTimeout(words, request=self._request) from None

    async def trace(self, event: str, _: Any) -> None:
        """Follow what the transport does; an `httpx2` request takes this as its extension `trace`."""
        what, _, how = event.rpartition(".")
        if what.endswith(CONNECTS):
            self._stop()
            if how == "started":
                self._count(STEPS)

    def _count(self, left: int) -> None:
        loop = asyncio.get_running_loop()
        if left:
            self._timer = loop.call_later(self._seconds / STEPS, self._count, left - 1)
        else:
            self._timeout.reschedule(loop.time())

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


CONNECTS = (".connect_tcp", ".connect_unix_socket", ".start_tls", ".setup_socks5_connection")
"""Ends of the names of the transport's steps that make a connection."""
