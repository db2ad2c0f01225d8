"""Distils while others still talk, so that little is left to do when the last dialogue is over.

Statements are embedded as they come, where an encoder of this process does it. A question is compared as soon as its
dialogues are over. Questions keep their order, so that the calls of a run have the same ids whatever is over first.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

from culturepark.errors import CultureparkError


class Ahead:
    """Works on one thing at a time: distilling must not take the processor from those that talk."""

    def __init__(
        self,
        questions: Iterable[str],
        dialogues: Iterable[str],
        embed: Callable[[Sequence[str]], Awaitable[None]],
        distil: Callable[[str], Awaitable[object]],
        least: int = 1,
    ) -> None:
        """
        Args:
            questions: keys of all seeds, in the order of the dialogues.
            dialogues: the key of the seed of each dialogue that is not over.
            embed: is given the texts of dialogues' statements.
            distil: is given the key of a seed whose dialogues are over; it embeds what is not embedded yet.
            least: texts that are embedded at a time, at least.
        """
        self._questions = list(questions)
        self._open = Counter(dialogues)
        """Question -> number of dialogues that are not over."""
        self._embed = embed
        self._distil = distil
        self._least = least
        self._texts: list[str] = []
        self._changed = asyncio.Event()

    def verified(self, texts: Iterable[str]) -> None:
        """Say which statements of a dialogue have passed."""
        if self._questions:
            self._texts += texts
            self._changed.set()

    def over(self, question: str) -> None:
        """Say that a dialogue is over, or has failed."""
        self._open[question] -= 1
        self._changed.set()

    async def work(self) -> None:
        """Work until all questions are compared. An error ends it: it comes again when the run is distilled."""
        try:
            while self._questions:
                if len(self._texts) >= self._least:
                    texts, self._texts = self._texts, []
                    await self._embed(texts)
                elif not self._open[self._questions[0]]:
                    await self._distil(self._questions.pop(0))
                else:
                    self._changed.clear()
                    await self._changed.wait()
        except CultureparkError:
            self._questions, self._texts = [], []
