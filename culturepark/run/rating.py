"""Rates how well the answers to survey items fit the cards of people, so that nobody is dealt an answer that the card
rules out.

The shipped cards and items were rated once (`catalog.fits`). A model rates others before the run that needs them is
planned. Each rating is kept in the store with its call, and later runs with the same model use it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated

from pydantic import Field

from culturepark.catalog.fits import shipped
from culturepark.dialogue.casting import dealt_to
from culturepark.dialogue.seating import Ratings
from culturepark.distill.ask import Item, Items, SubjectAsker, in_parts, only_once
from culturepark.domain import Edition, JsonObject, Persona, SurveyItem
from culturepark.models.chat import canonical, digest
from culturepark.models.ledger import now
from culturepark.models.spec import ModelSpec
from culturepark.store.store import Store
from culturepark.store.tables import FitRow

ITEMS_A_CALL = 10
TOKENS_AN_ITEM = 60
Pair = tuple[Persona, SurveyItem]


class Rated(Item):
    ratings: list[Annotated[int, Field(ge=0, le=3)]]


def card_digest(persona: Persona) -> str:
    return digest(canonical(card_of(persona)))


def card_of(persona: Persona) -> JsonObject:
    """Return what of a card a rating rests on."""
    return persona.model_dump(mode="json", exclude={"key", "weight", "source", "groups"})


def item_digest(item: SurveyItem) -> str:
    return digest(canonical(question_of(item)))


def question_of(item: SurveyItem) -> JsonObject:
    return {"question": item.question, "answers": [option.label for option in item.options]}


def known(edition: Edition, store: Store | None = None, model: ModelSpec | None = None) -> Ratings:
    """Return the ratings that there are: the shipped ones, and those that a model has given in this store."""
    people = {persona.key for persona in edition.personas}
    ratings = {pair: given for pair, given in shipped().items() if pair[0] in people}
    if store and model:
        digests = {card_digest(persona): persona for persona in edition.personas}
        items = {item_digest(seed.item): seed.item for seed in edition.scenario.seeds if seed.item}
        for (card, question), given in store.ratings(digests, str(model)).items():
            if card in digests and question in items:
                ratings.setdefault((digests[card].key, items[question].key), given)
    return ratings


def unrated(edition: Edition, run_seed: int, ratings: Ratings) -> list[Pair]:
    """Return the people with the items of which they may be dealt an answer that nobody has rated."""
    pairs = {
        (p.key, item.key): (p, item) for p, item in dealt_to(edition, run_seed) if (p.key, item.key) not in ratings
    }
    return [pairs[key] for key in sorted(pairs)]


async def rate(asker: SubjectAsker, pairs: Sequence[Pair]) -> list[FitRow]:
    """Ask a model for the ratings of one person's answers; an item whose ratings cannot be read has no row."""
    persona = pairs[0][0]
    rows: list[FitRow] = []
    for start in range(0, len(pairs), ITEMS_A_CALL):
        batch = [item for _, item in pairs[start : start + ITEMS_A_CALL]]
        for part in await in_parts(batch, lambda items: rate_items(asker, persona, items), lambda *_: list[FitRow]()):
            rows += part
    return rows


async def rate_items(asker: SubjectAsker, persona: Persona, items: Sequence[SurveyItem]) -> list[FitRow]:
    material = {
        "person": card_of(persona),
        "items": [{"id": number} | question_of(item) for number, item in enumerate(items, start=1)],
    }
    template = asker.language.prompt("fit")
    limit = 100 + TOKENS_AN_ITEM * len(items)
    answer, reply = await asker.json(template, material, Items[Rated], name="ratings", max_tokens=limit)
    given = only_once(answer.items if answer else [])
    return [
        FitRow(
            persona_sha256=card_digest(persona),
            item_sha256=item_digest(item),
            model=str(asker.model.spec),
            ratings=canonical(given[number].ratings),
            call_id=reply.call_id,
            rated_at=now(),
        )
        for number, item in enumerate(items, start=1)
        if reply
        and reply.call_id
        and number in given
        and len(given[number].ratings) == len(item.options)
        and max(given[number].ratings) >= 2  # a person who can hold no answer at all was not rated, but refused
    ]


def by_person(pairs: Iterable[Pair]) -> list[list[Pair]]:
    return [list(own) for _, own in groupby(pairs, key=lambda pair: pair[0].key)]
