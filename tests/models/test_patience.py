"""A connection has a bound in time, and what keeps the loop busy does not count."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from culturepark.models import transport
from culturepark.models.transport import CONNECT_SECONDS, Bounded
from tests.models.test_wire import ASKED, plain_surroundings, wire  # noqa: F401 - a fixture for all tests here
from tests.support.virtual import played


async def test_a_loop_that_is_kept_busy_costs_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.2)
    async with wire(tmp_path, most=8) as w:
        asked = [asyncio.create_task(w.ask(subject=f"r.d{n}")) for n in range(8)]
        for _ in range(8):  # from before they are connected until after it
            await asyncio.sleep(0.001)
            time.sleep(0.1)
        replies = await asyncio.gather(*asked)
        assert [reply.finish_reason for reply in replies] == ["stop"] * 8
        assert w.errors == [""] * 8
        assert len(w.endpoint.requests) == 8


class Steps(httpx2.AsyncBaseTransport):
    """Says what it does, as the library does, and how long each step takes."""

    def __init__(self, *steps: tuple[str, float]) -> None:
        self.steps = steps

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        trace: Callable[[str, Any], Any] = request.extensions["trace"]
        for name, seconds in self.steps:
            await trace(f"{name}.started", {})
            await asyncio.sleep(seconds)
            await trace(f"{name}.complete", {})
        return httpx2.Response(200)


async def asked(steps: Steps) -> int:
    answer = await Bounded(steps).handle_async_request(httpx2.Request("GET", "http://example.org"))
    return answer.status_code


@pytest.mark.parametrize("step", ["connection.connect_tcp", "connection.start_tls"])
def test_a_host_that_does_not_take_the_connection_is_given_up(step: str) -> None:
    async def story() -> None:
        with pytest.raises(httpx2.ConnectTimeout, match="within 10 s"):
            await asked(Steps((step, 1000)))

    seconds, _ = played(story())
    assert seconds == pytest.approx(CONNECT_SECONDS)


def test_each_part_of_a_connection_has_its_own_time_and_an_answer_all_it_needs() -> None:
    parts = [("connection.connect_tcp", 9.0), ("connection.start_tls", 9.0), ("http11.receive_response_headers", 200.0)]
    assert played(asked(Steps(*parts))) == (pytest.approx(218), 200)
