"""What screens that ask a library have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

from textual.screen import Screen

from culturepark.errors import UsageError
from culturepark.replay.session import Library

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Asking(Screen[R]):
    """Asks in workers. These end without a word where the screen has been left before the answer came."""

    library: Library

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a question to the store comes to. A wrong one is told, and the worker ends."""
        try:
            return await self.still_here(self.library.ask(question, *args, **kwargs))
        except UsageError as error:
            self.wrong(error)
            raise asyncio.CancelledError from error

    async def still_here(self, awaited: Awaitable[T]) -> T:
        """What was waited for, or the end of the worker."""
        try:
            return await awaited
        finally:
            # One that is being taken down is still in its place, but has nothing in it.
            if not (self.is_attached and self.children and self in self.app.screen_stack):
                raise asyncio.CancelledError

    def wrong(self, error: UsageError) -> None:
        """Tells that a question was wrong; ends the app, where there is nothing else to show."""
        self.library.on_trouble(error)
