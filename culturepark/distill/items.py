"""Asks one thing about many items, several a call, as JSON; every item is answered by its id or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic

from pydantic import BaseModel

from culturepark.distill.ask import Asker, One, TooMuch, only_once
from culturepark.domain import JsonObject
from culturepark.languages import Prompt

Found = tuple[One | None, str | None]
"""What was said of an item, None if nothing that can be read; and the call."""


class Items(BaseModel, Generic[One]):
    items: list[One]


async def each(
    asker: Asker,
    template: Prompt,
    items: Sequence[JsonObject],
    shape: type[One],
    *,
    name: str,
    items_a_call: int,
    tokens_an_item: int,
) -> list[Found[One]]:
    """An answer for each item, in their order.

    Raises:
        CultureparkError: as the ledger does.
    """

    heard = False
    """Whether the last answer could be read."""

    async def ask(batch: Sequence[JsonObject]) -> list[Found[One]]:
        nonlocal heard
        numbered = {"items": [{"id": number, **item} for number, item in enumerate(batch, start=1)]}
        limit = 100 + tokens_an_item * len(batch)
        try:
            answer, reply = await asker.json(template, numbered, Items[shape], name=name, max_tokens=limit)  # type: ignore[valid-type]
        except TooMuch as much:
            if len(batch) == 1:
                return [(None, much.call_id)]
            middle = len(batch) // 2
            return await ask(batch[:middle]) + await ask(batch[middle:])
        heard = answer is not None
        by_id = only_once(answer.items if answer else [])
        return [(by_id.get(number), reply.call_id if reply else None) for number in range(1, len(batch) + 1)]

    found: list[Found[One]] = []
    for start in range(0, len(items), items_a_call):
        batch = items[start : start + items_a_call]
        said = await ask(batch)
        missed = [number for number, (one, _) in enumerate(said) if one is None]
        if heard or len(missed) < len(batch):  # what nothing could be read of has been asked for twice already
            for number, again in zip(missed, await ask([batch[n] for n in missed]) if missed else [], strict=True):
                said[number] = again
        found += said
    return found
