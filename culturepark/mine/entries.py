"""Entries of a registry of norms and customs: what was told, by whom, and who confirms, varies or denies it. Pure.

A model has judged pairs of tellings, or nobody has. These rules only put the judgements together. An entry is a star:
each telling in it was itself judged to tell the same as the telling that stands for the entry, never by way of a third
one. The same goes for its variants. So one wrong judgement misplaces one telling and merges no two groups.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from culturepark.distill.paraphrase import key
from culturepark.ids import by_number
from culturepark.stats.figures import Figures
from culturepark.store.tellings import SecondWord, Telling

Relation = Literal["same", "variation", "denies", "unrelated"]
"""What one telling is to another: the same norm, the same with a difference, what cannot hold beside it, or another
matter."""
EntryStatus = Literal["confirmed", "disputed", "told once", "by a model alone"]
STATUSES: tuple[EntryStatus, ...] = ("confirmed", "disputed", "told once", "by a model alone")
"""In the order in which entries stand."""
LEAST_INDEPENDENT = 2
"""Independent people who make an entry `confirmed`."""
SHARED, VARIES, DENIED, UNKNOWN = "shared", "varies", "denied", "unknown"
UNKNOWN_ORIGIN = "unknown"
"""Provenance of statements of old stores, where nobody has looked."""


@dataclass(frozen=True)
class Judgement:
    """A model's word on a pair."""

    relation: Relation
    differs: str | None
    """What differs, in the model's words; None where nothing was said."""


Pair = tuple[str, str]
"""Ids of the tellings that stand for two groups of the same words, the earlier one first."""


def pair_of(one: str, other: str) -> Pair:
    return (one, other) if by_number(one) <= by_number(other) else (other, one)


@dataclass
class SameWords:
    """Tellings that say the same in the same or nearly the same words: to be compared once."""

    tellings: list[Telling]
    """The best grounded first; it stands for the others."""

    @property
    def first(self) -> Telling:
        return self.tellings[0]

    @property
    def id(self) -> str:
        return self.first.id

    @property
    def general(self) -> bool:
        return any(telling.reach == "general" for telling in self.tellings)


ORIGINS = {"card": 0, "episode": 1, None: 2, "model": 3}
"""Where a telling's content comes from, the best grounded first."""


def grounding(telling: Telling) -> tuple[object, ...]:
    """Return the key by which tellings are sorted: the first one gives an entry its words.

    A rejected telling comes last; one of people around the speaker before one of the speaker alone; then what stands on
    a card, what reviewers accepted, and the order of the ids.
    """
    accepted = sum(review.decision == "accept" for review in telling.reviews)
    return (
        telling.rejected,
        telling.by_nobody,
        telling.reach != "general",
        ORIGINS.get(telling.statement.provenance, 2),
        -accepted,
        by_number(telling.id),
    )


def block_of(telling: Telling) -> tuple[str, str, str]:
    """Return what must be equal of two tellings that are compared: culture, kind and language."""
    return (telling.statement.culture, telling.statement.kind, telling.language.partition("-")[0])


def by_words(tellings: Iterable[Telling], repeats: Mapping[str, str]) -> list[SameWords]:
    """Return the tellings in groups of the same words, in the order of their grounding.

    Args:
        repeats: id of a telling -> id of the one that it repeats in nearly the same words.
    """
    groups: dict[str, list[Telling]] = defaultdict(list)
    for telling in tellings:
        groups[repeats.get(telling.id, telling.id)].append(telling)
    made = [SameWords(sorted(group, key=grounding)) for group in groups.values()]
    return sorted(made, key=lambda group: grounding(group.first))


# --- stars ---------------------------------------------------------------------------------------------


@dataclass
class Star:
    """What stands for itself: an entry, or a variant of one."""

    head: SameWords
    same: list[SameWords] = field(default_factory=list)
    variant_of: Star | None = None
    differs: str | None = None
    """Of a variant: what differs, in the judge's words."""
    variants: list[Star] = field(default_factory=list)
    denied_by: list[SameWords] = field(default_factory=list)
    reasons: dict[str, str | None] = field(default_factory=dict)
    """Id of a group that denies it -> the judge's words."""

    @property
    def groups(self) -> list[SameWords]:
        return [self.head, *self.same]

    @property
    def tellings(self) -> list[Telling]:
        return [telling for group in self.groups for telling in group.tellings]


def stars(groups: Sequence[SameWords], judged: Mapping[Pair, Judgement], likeness: Mapping[Pair, float]) -> list[Star]:
    """Return the entries of one block as stars, each with its variants and with those who deny it.

    Groups are taken in the order of their grounding. Each joins the nearest star whose head it was judged to tell the
    same as; else it becomes a variant of the nearest head that it was judged to vary; else it begins an entry. It never
    joins where a telling is that it was judged to deny.

    Args:
        groups: in the order of their grounding.
        likeness: cosine similarity of the pairs that were judged.
    """

    beside: dict[str, dict[str, Judgement]] = defaultdict(dict)
    for (one, other), judgement in judged.items():
        beside[one][other] = beside[other][one] = judgement

    def nearest(group: SameWords, wanted: Relation) -> Star | None:
        """Return the star whose head is nearest, of those with which a group stands in a relation."""
        barred = {
            id(where[other]) for other, j in beside[group.id].items() if j.relation == "denies" and other in where
        }
        open_to = [
            (-likeness.get(pair_of(group.id, other), 0.0), by_number(other), star)
            for other, judgement in beside[group.id].items()
            if judgement.relation == wanted and (star := heads.get(other)) and id(star) not in barred
            if wanted == "same" or star.variant_of is None
        ]
        return min(open_to, key=lambda it: it[:2])[2] if open_to else None

    heads: dict[str, Star] = {}
    where: dict[str, Star] = {}
    for group in groups:
        if same := nearest(group, "same"):
            same.same.append(group)
            where[group.id] = same
            continue
        star = Star(group)
        if varied := nearest(group, "variation"):
            star.variant_of, star.differs = varied, beside[group.id][varied.head.id].differs
            varied.variants.append(star)
        heads[group.id] = where[group.id] = star
    by_id = {group.id: group for group in groups}
    for (one, other), judgement in sorted(judged.items()):
        if judgement.relation == "denies" and one in by_id and other in by_id:
            for denied, denier in ((one, other), (other, one)):
                where[denied].denied_by.append(by_id[denier])
                where[denied].reasons[denier] = judgement.differs
    return [star for star in heads.values() if star.variant_of is None]


# --- entries -------------------------------------------------------------------------------------------


class Place(Figures):
    """Where somebody lives who told it."""

    place: str
    region: str
    country: str | None
    """ISO 3166-1 alpha-3; None where the card names none."""


class ToldBy(Figures):
    """One telling."""

    statement: str
    """Its id; `trace` leads on from there."""
    person: str | None
    """Key of the persona; None where a model was asked without a talk."""
    place: Place | None
    """None where no person told it."""
    text: str
    """Stand-alone, in the third person."""
    reach: str
    """`general` (people around the speaker) or `personal`."""
    exception: str | None
    provenance: str
    """`card`, `episode`, `model` (no card carries it) or `unknown`."""
    card_line: str | None
    """The name of the card's line that carries it."""
    card_source: str | None
    """What the card itself names as the line's source."""
    rejected: bool
    """Reviewers reject it; it confirms nothing."""


class HeardBy(Figures):
    """One persona's answer who was asked whether it is so around them (`cross-check`)."""

    statement: str
    verdict: str
    person: str
    country: str | None
    words: str | None


class DeniedBy(Figures):
    """One telling that cannot hold beside the entry, by the judge."""

    told: ToldBy
    reason: str | None
    """The judge's words."""
    elsewhere: bool
    """Told by somebody of another country than all who tell the entry, so that both may be so."""


class Variant(Figures):
    """A telling of the same with a difference, and all who tell it like that."""

    text: str
    differs: str | None
    """What differs, in the judge's words."""
    told: list[ToldBy]
    people: int
    denied: list[DeniedBy]


class NotSo(Figures):
    """A statement of somebody from another country who says that it is not so at home."""

    statement: str
    culture: str
    text: str


class Reviewers(Figures):
    accepted: int
    rejected: int
    reviews: list[str]
    """Ids. Names and notes of reviewers stay in the store."""


class Item(Figures):
    """A survey item at whose table it was told."""

    item: str
    question: str
    source: str


class Entry(Figures):
    """A norm or custom of the registry."""

    key: str
    """Of its culture, kind, language and words; the same in every registry in which the same telling stands for it."""
    kind: str
    culture: str
    language: str
    text: str
    """That of the best grounded telling."""
    status: EntryStatus
    """`confirmed`: two or more independent people tell it, or share it when asked. `disputed`: somebody of a country in
    which it is told denies it, or reviewers reject all tellings. `told once`: neither. `by a model alone`: no person
    told it."""
    reach: str
    """`general` if one telling is of people around the speaker; else `personal`."""
    people: int
    """Who tell it, or share it when asked."""
    independent: int
    """The most of them who can be paired with as many different dialogues."""
    told: list[ToldBy]
    """The one that gives the entry its words comes first."""
    shared: list[HeardBy]
    variants: list[Variant]
    varies: list[HeardBy]
    denied: list[DeniedBy]
    denied_when_asked: list[HeardBy]
    unknown_to: list[HeardBy]
    not_so_elsewhere: list[NotSo]
    places: list[Place]
    """Of all who tell it, each once."""
    reviewers: Reviewers
    provenance: dict[str, float]
    """Origin -> share (0-1) of its tellings."""
    items: list[Item]

    @property
    def statements(self) -> dict[str, list[str]]:
        """Ids of all statements behind the entry, by what they do for it."""
        denied = [one.told.statement for one in self.denied]
        denied += [one.told.statement for variant in self.variants for one in variant.denied]
        return {
            "told": [one.statement for one in self.told],
            "varied": [one.statement for variant in self.variants for one in variant.told],
            "denied": list(dict.fromkeys(denied)),
            "not so elsewhere": [one.statement for one in self.not_so_elsewhere],
        }


def entry_of(star: Star) -> Entry:
    first, tellings = star.head.first, sorted(star.tellings, key=grounding)
    counting = [telling for telling in tellings if not telling.rejected]
    persons = [telling for telling in counting if not telling.by_nobody]
    heard = [(telling, word) for telling in counting for word in telling.second_words]
    shared = answers(heard, SHARED)
    denied_when_asked = answers(heard, DENIED)
    countries = {telling.speaker.country for telling in tellings}
    denied = list(denials(star, countries))
    seats = [(telling.speaker.key, telling.dialogue_id) for telling in persons]
    seats += [(word.person, word.verdict) for word in shared]  # who had not sat there is in no dialogue
    alone = independent(seats)
    against = [one for one in denied if one.told.person and not one.elsewhere and not one.told.rejected]
    at_home = [word for word in denied_when_asked if word.country in countries]
    status: EntryStatus
    if against or at_home or not counting:
        status = "disputed"
    elif not persons:
        status = "by a model alone"
    else:
        status = "confirmed" if alone >= LEAST_INDEPENDENT else "told once"
    origins = Counter(telling.statement.provenance or UNKNOWN_ORIGIN for telling in tellings)
    reviews = {review.id: review for telling in tellings for review in telling.reviews}
    items = {telling.item.key: telling.item for telling in tellings if telling.item}
    text, places = first.statement.text, [place_of(telling) for telling in tellings if not telling.by_nobody]
    return Entry(
        key=key_of(first),
        kind=first.statement.kind,
        culture=first.statement.culture,
        language=first.language,
        text=text,
        status=status,
        reach="general" if any(telling.reach == "general" for telling in tellings) else "personal",
        people=len({person for person, _ in seats}),
        independent=alone,
        told=[told_by(telling) for telling in tellings],
        shared=shared,
        variants=[variant_of(variant) for variant in star.variants],
        varies=answers(heard, VARIES),
        denied=denied,
        denied_when_asked=denied_when_asked,
        unknown_to=answers(heard, UNKNOWN),
        not_so_elsewhere=[
            NotSo(statement=other.id, culture=other.culture, text=other.text)
            for telling in tellings
            for other in telling.not_so
        ],
        places=[place for number, place in enumerate(places) if place not in places[:number]],
        reviewers=Reviewers(
            accepted=sum(review.decision == "accept" for review in reviews.values()),
            rejected=sum(review.decision == "reject" for review in reviews.values()),
            reviews=sorted(reviews),
        ),
        provenance={name: round(number / len(tellings), 4) for name, number in sorted(origins.items())},
        items=[Item(item=one.key, question=one.question, source=one.source) for one in items.values()],
    )


def variant_of(star: Star) -> Variant:
    tellings = sorted(star.tellings, key=grounding)
    people = {telling.speaker.key for telling in tellings if not telling.by_nobody and not telling.rejected}
    return Variant(
        text=star.head.first.statement.text,
        differs=star.differs,
        told=[told_by(telling) for telling in tellings],
        people=len(people),
        denied=list(denials(star, {telling.speaker.country for telling in tellings})),
    )


def denials(star: Star, countries: set[str | None]) -> Iterator[DeniedBy]:
    """Yield the tellings that deny a star.

    Args:
        countries: of those who tell it.
    """
    for group in star.denied_by:
        for telling in group.tellings:
            elsewhere = telling.speaker.country not in countries
            yield DeniedBy(told=told_by(telling), reason=star.reasons.get(group.id), elsewhere=elsewhere)


def answers(heard: Sequence[tuple[Telling, SecondWord]], wanted: str) -> list[HeardBy]:
    return [
        HeardBy(
            statement=telling.id,
            verdict=word.verdict_id,
            person=word.persona_key,
            country=word.country,
            words=word.words,
        )
        for telling, word in heard
        if word.answer == wanted
    ]


def told_by(telling: Telling) -> ToldBy:
    statement, line = telling.statement, telling.line
    return ToldBy(
        statement=statement.id,
        person=None if telling.by_nobody else telling.speaker.key,
        place=None if telling.by_nobody else place_of(telling),
        text=statement.text,
        reach=telling.reach,
        exception=statement.exception,
        provenance=statement.provenance or UNKNOWN_ORIGIN,
        card_line=line.name if line else None,
        card_source=line.source if line else None,
        rejected=telling.rejected,
    )


def place_of(telling: Telling) -> Place:
    speaker = telling.speaker
    return Place(place=speaker.place, region=speaker.region, country=speaker.country)


def key_of(telling: Telling) -> str:
    words = "\0".join((*block_of(telling), key(telling.statement.first_person) or telling.statement.first_person))
    return hashlib.sha256(words.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def independent(seats: Sequence[tuple[str, str]]) -> int:
    """Return how many pairs of a person and a dialogue can be chosen so that no person and no dialogue comes twice.

    A maximum matching of the bipartite graph of people and dialogues.
    """
    if not seats:
        return 0
    people, dialogues = ({name: n for n, name in enumerate(dict.fromkeys(names))} for names in zip(*seats, strict=True))
    if min(len(people), len(dialogues)) < LEAST_INDEPENDENT:
        return min(len(people), len(dialogues))
    import numpy as np
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    there = np.zeros((len(people), len(dialogues)), np.int8)
    for person, dialogue in seats:
        there[people[person], dialogues[dialogue]] = 1
    return int((maximum_bipartite_matching(csr_matrix(there), perm_type="column") >= 0).sum())


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries by culture, kind and status; of these first those that more independent people tell."""
    return sorted(
        entries,
        key=lambda entry: (
            entry.culture,
            entry.kind != "norm",
            STATUSES.index(entry.status),
            -entry.independent,
            by_number(entry.told[0].statement),
        ),
    )
