"""Which tellings of norms are to be compared, and what a model says of each pair.

Our embedder proposes, and a model judges. The floor of similarity is low on purpose: a denial often has other words
than what it denies. A model is believed about the pairs of a call if it also tells the relations of known pairs in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from culturepark.distill.ask import Item, Items, SubjectAsker, TooMuch, as_reason, in_parts, only_once
from culturepark.distill.dedup import Blocks, Entry
from culturepark.distill.nearest import near
from culturepark.domain import JsonObject
from culturepark.languages import judging
from culturepark.mine.entries import Judgement, Pair, Relation, SameWords, block_of, pair_of
from culturepark.models.chat import Reply, Usage, canonical, digest
from culturepark.models.embedder import Method, Vectors
from culturepark.models.json_answers import content_of, parse
from culturepark.store.tellings import Telling

PROMPT, KNOWN = "mine-pairs", "mine-pairs-known"
FLOORS: dict[Method, float] = {"e5": 0.80, "minilm": 0.30, "lexical": 0.05, "endpoint": 0.70}
"""The least cosine similarity of two tellings about which a model is asked, by embedding method: so low that
paraphrases and most opposites lie above it (docs/registry.md has the figures). `NEAREST` bounds what it costs."""
NEAREST = 5
"""Pairs that one group of the same words proposes at most: those with its nearest."""
SURE = 2.0
"""A cosine that no two vectors have."""
PAIRS_A_CALL = 8
TOKENS_A_PAIR = 70
"""Of an answer about one pair."""


class Related(Item):
    differs: str
    # In this order: a relation that comes after what differs follows from it.
    relation: Relation


# --- which pairs ---------------------------------------------------------------------------------------


def repeats_of(tellings: Sequence[Telling], vectors: Vectors, method: Method) -> dict[str, str]:
    """Return id of a telling -> id of the one whose words it repeats, or nearly. Nobody is asked.

    These are the rules of deduplication for pairs that are surely the same. They keep apart what differs in form alone,
    as by a "not"; whether the two then deny each other is for a model to say.
    """
    entries = [Entry(one.id, block_of(one)[:2], one.statement.first_person, block_of(one)[2]) for one in tellings]
    by_language: dict[str, list[int]] = {}
    for number, entry in enumerate(entries):
        by_language.setdefault(entry.language, []).append(number)
    found: dict[str, str] = {}
    for numbers in by_language.values():
        decision = Blocks([entries[n] for n in numbers], vectors[numbers], method).decide()
        found |= {duplicate.statement_id: duplicate.representative_id for duplicate in decision.duplicates}
    return found


def candidates(
    groups: Sequence[SameWords],
    vectors: Mapping[str, Vectors],
    method: Method,
    *,
    nearest: int = NEAREST,
    personal: bool = False,
) -> dict[Pair, float]:
    """Return the pairs of groups of one block that are near enough to be judged, with their cosine similarity.

    Args:
        vectors: id of a telling -> its vector, shape (d,), of length 1.
        nearest: how many of its nearest each group proposes. One that is told of people proposes as many of that sort
            too, so that anecdotes do not crowd them out.
        personal: also compare two practices that each speaker tells of nobody else.
    """
    import numpy as np

    if len(groups) < 2:
        return {}
    found: dict[Pair, float] = {}
    of_people = [group for group in groups if group.general]
    for some in (groups, of_people) if 1 < len(of_people) < len(groups) else (groups,):
        matrix = np.stack([vectors[group.id] for group in some])
        # No two are sure to be the same here, so each keeps the few nearest alone: a large block has more than fit.
        neighbours = near(matrix, matrix, FLOORS[method], sure=SURE)
        for place, group in enumerate(some):
            others = [(cosine, some[n]) for cosine, n in neighbours.of(place) if n != place]
            for cosine, other in others[:nearest]:
                if personal or group.general or other.general:
                    found[pair_of(group.id, other.id)] = float(cosine)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


# --- what is asked -------------------------------------------------------------------------------------


def shown(telling: Telling) -> JsonObject:
    """Return what a judge sees of a telling."""
    exception = {"exception": telling.statement.exception} if telling.statement.exception else {}
    told_of = "people" if telling.reach == "general" else "self"
    return {"text": telling.statement.text, "country": telling.speaker.country_name, "told_of": told_of, **exception}


def material(one: Telling, other: Telling) -> JsonObject:
    return {"one": shown(one), "other": shown(other)}


def known_material() -> list[tuple[JsonObject, Relation]]:
    """Return the pairs of which everybody knows the relation."""
    relations: tuple[Relation, ...] = ("same", "denies", "unrelated")
    return [
        (
            {
                part: {"text": judging().section(KNOWN, name, part).text, "told_of": "people"}
                for part in ("one", "other")
            },
            name,
        )
        for name in relations
    ]


def mark(pair: JsonObject) -> str:
    """Return the digest by which a pair is known again, whatever else stood in its call."""
    return digest(canonical({name: pair[name] for name in ("one", "other")}))


Known = dict[str, Judgement]
"""Mark of a pair -> what a model said of it."""


@dataclass
class Heard:
    """What one call told."""

    judged: Known = field(default_factory=dict)
    believed: bool = True
    """False where the known pairs were told wrongly, or could not be read."""


def read(items: Sequence[JsonObject], answer: Items[Related] | None) -> Heard:
    """Return what an answer says of the pairs of a call, whose first items are the known ones. Pure."""
    if answer is None:
        return Heard()
    by_id = only_once(answer.items)
    known = known_material()
    given = [by_id[number].relation if number in by_id else None for number in range(1, len(known) + 1)]
    if given != [relation for _, relation in known]:
        return Heard(believed=False)
    pairs = [(mark(item), by_id.get(number)) for number, item in enumerate(items, start=1)][len(known) :]
    return Heard({name: Judgement(one.relation, as_reason(one.differs)) for name, one in pairs if one is not None})


async def judge(asker: SubjectAsker, pairs: Sequence[JsonObject]) -> Heard:
    """Ask a model about some pairs in one call, or in parts where they are too much for one."""

    async def ask(part: Sequence[JsonObject]) -> Heard:
        items = numbered(part)
        answer, _ = await asker.json(
            asker.language.prompt(PROMPT), {"items": items}, Items[Related], name="relations",
            max_tokens=100 + TOKENS_A_PAIR * len(items),
        )  # fmt: skip
        return read(items, answer)

    def give_up(_: TooMuch, __: Sequence[JsonObject]) -> Heard:
        return Heard()

    parts = await in_parts(pairs, ask, give_up)
    whole = Heard(believed=all(part.believed for part in parts))
    for part in parts:
        whole.judged |= part.judged
    return whole


def numbered(pairs: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the items of a call: the known pairs, then these."""
    items = [*(pair for pair, _ in known_material()), *pairs]
    return [{"id": number, **item} for number, item in enumerate(items, start=1)]


def batches(pairs: Iterable[JsonObject]) -> Iterator[list[JsonObject]]:
    """Yield the pairs of one call after the other."""
    rest = iter(pairs)
    while batch := list(islice(rest, PAIRS_A_CALL)):
        yield batch


# --- what was asked before -----------------------------------------------------------------------------


def asked_before(calls: Iterable[tuple[str, str]]) -> Known:
    """Return what earlier calls tell of their pairs, read again from their bodies.

    So a pair is asked about once, whatever other pairs come to the registry later.

    Args:
        calls: request and response, each as JSON.
    """
    found: Known = {}
    for request, response in calls:
        try:
            items = json.loads(json.loads(request)["messages"][-1]["content"])["items"]
            reply = Reply.of(json.loads(response), Usage(0, 0, 0, "estimate"))
            if not reply.cut_off and not reply.withheld:
                found |= read(items, parse(content_of(reply), Items[Related])).judged
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            continue  # a call of another version, or a damaged row: its pairs are asked about again
    return found
