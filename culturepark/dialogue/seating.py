"""Decides who of a culture holds which answer: the least misfit of persons to answers, under exact margins. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from culturepark.dialogue.assignment import assigned
from culturepark.dialogue.stance import shuffled, unit
from culturepark.domain import Persona, SurveyItem

Floats = NDArray[np.float64]
Ratings = Mapping[tuple[str, str], tuple[int, ...]]
"""(Persona's key, item's key) -> a rating for each option, in the order of the options; pairs may be missing.

0: the card rules the answer out. 1: it would need a story that the card does not tell. 2: it is plausible. 3: the card
makes one expect it."""
IMPOSSIBLE = 0
MISFIT: dict[int | None, float] = {1: 4.0, 2: 1.0, 3: 0.0, None: 1.0}
"""Cost of an answer by its rating; None where nobody has rated it. An impossible one has no price."""
TURN = 3.0
"""Cost of seating somebody a whole round before the rotation would: as much as lies between a plausible answer and a
strained one. Between a typical answer and a plausible one lies a third of it, so that answers do not make types."""
LEANING = 0.5
"""Cost of an answer that is half as frequent in a person's groups as in the country; one that is twice as frequent
costs as much less."""
MOST_LEANING = 2.0
"""Bound of the leaning, in powers of two. A share of 0 in a group counts as this."""
TIE = 0.01
"""Most that chance adds to a cost, so that of equal assignments each is as likely."""
EMPTY = 1_000.0
"""Cost of leaving a seat empty: more than any assignment, so that it happens only where nobody can hold the answer."""
MOST_CANDIDATES = 24
BLOCK = 100
"""Answers that are assigned at once; the time of an assignment grows with the cube. The rotation goes on from block to
block."""


Pair = tuple[Persona, int | None]
"""A person and the code of the answer that the person holds, if any."""


@dataclass(frozen=True)
class Pool:
    """Seats of one culture and one country under one question."""

    persons: tuple[Persona, ...]
    seats: int
    item: SurveyItem | None
    """None where no answer is dealt."""
    codes: Sequence[int]
    """The answer dealt to each seat; empty where none is dealt."""
    most: int
    """Seats for one person: nobody sits twice in a dialogue."""
    parts: tuple[object, ...]
    """Run seed, question, culture and country, from which the rotation is hashed."""
    held: Mapping[str, int] | None = None
    """Persona's key -> the answer that this person holds in the whole run; None where answers are dealt."""


@dataclass(frozen=True)
class Seated:
    """Who holds which answer in a pool, in no order of dialogues yet."""

    pairs: tuple[Pair, ...]
    empty: tuple[int, ...]
    """The answers that nobody can hold; their seats stay empty."""


def candidates(people: Sequence[Persona], seats: int, *parts: object) -> tuple[Persona, ...]:
    """Return the people who may sit in a pool: all of a small culture, else a weighted draw hashed from `parts`.

    The draw is that of Efraimidis and Spirakis (2006): the largest u^(1/weight) first.
    """
    most = max(MOST_CANDIDATES, 3 * seats)
    if len(people) <= most:
        return tuple(people)
    drawn = sorted(people, key=lambda p: math.log(1 - unit("candidate", *parts, p.key)) / p.weight, reverse=True)
    return tuple(sorted(drawn[:most], key=lambda p: p.key))


def assign(pool: Pool, ratings: Ratings) -> Seated:
    """Seat people so that every answer is held as often as it was dealt, at the least cost.

    It is the linear assignment problem. Ties are broken by chance, hashed from the pool: nobody is bound to an answer
    but by the card, and the solution does not hang on the solver.
    """
    turns = rotation(pool)
    if pool.item is None or pool.held is not None:
        order = sorted((start + k * step, i) for i, (start, step) in enumerate(turns) for k in range(pool.most))
        people = [pool.persons[i] for _, i in order[: pool.seats]]
        return Seated(tuple((person, pool.held[person.key] if pool.held else None) for person in people), ())
    holders = cheapest(pool, pool.codes, ratings, turns)
    dealt = list(zip(holders, pool.codes, strict=True))
    pairs = tuple((pool.persons[i], code) for i, code in dealt if i >= 0)
    return Seated(pairs, tuple(sorted(code for i, code in dealt if i < 0)))


def dice(*parts: object) -> np.random.RandomState:
    """Return a source of chance hashed from the parts. Its numbers are the same in every version of numpy."""
    return np.random.RandomState(int(unit(*parts) * 2**32))


def rotation(pool: Pool) -> list[tuple[float, float]]:
    """Return for each person the time of the first turn and the time between two, in an order that is hashed.

    By time 1 all have had as many turns as their weights give them.
    """
    weight = sum(person.weight for person in pool.persons)
    steps = [weight / (person.weight * pool.seats) for person in pool.persons]
    order = shuffled(len(pool.persons), "turn", *pool.parts)
    return [(step * order.index(i) / len(order), step) for i, step in enumerate(steps)]


def misfit(person: Persona, pool: Pool, code: int | None, ratings: Ratings) -> float:
    """Return the cost of a person's holding an answer: beyond that of an empty seat if the card rules it out."""
    if pool.item is None or code is None:
        return MISFIT[None]
    if pool.held is not None:
        return 0.0 if pool.held.get(person.key) == code else 2 * EMPTY
    rating = rating_of(person, pool.item, code, ratings)
    return 2 * EMPTY if rating == IMPOSSIBLE else MISFIT[rating] + LEANING * leaning(person, pool.item, code)


def leaning(person: Persona, item: SurveyItem, code: int) -> float:
    """Return how much rarer an answer is in a person's groups than in the country, in powers of two.

    It is averaged over the groupings that the person is in, and 0 where nothing is known of them.
    """
    country = person.country or ""
    share = item.shares.get(country, {}).get(code, 0.0)
    rarer = []
    for grouping, groups in item.by.get(country, {}).items():
        if (group := person.group(grouping, groups)) and share:
            own = groups[group].get(code, 0.0)
            ratio = math.log2(share / own) if own else MOST_LEANING
            rarer.append(min(MOST_LEANING, max(-MOST_LEANING, ratio)))
    return sum(rarer) / len(rarer) if rarer else 0.0


def rating_of(person: Persona, item: SurveyItem, code: int, ratings: Ratings) -> int | None:
    """Return the rating of an answer; None if nobody has rated it, or if the item has other options since."""
    rated = ratings.get((person.key, item.key))
    if rated is None or len(rated) != len(item.options):
        return None
    return rated[[option.code for option in item.options].index(code)]


def cheapest(pool: Pool, codes: Sequence[int], ratings: Ratings, turns: Sequence[tuple[float, float]]) -> list[int]:
    """Return for each answer the index of the person who holds it, or -1 where nobody can.

    Columns of the cost matrix are a person's next seats, and as many empty ones as there are answers.
    """
    assert pool.item is not None
    people = range(len(pool.persons))
    taken, holders = [0] * len(pool.persons), list[int]()
    ties = dice("ties", *pool.parts)
    leans = any(pool.item.by.get(person.country or "") for person in pool.persons)
    chance = dice("leanings", *pool.parts) if leans else None
    turn = TURN * min(1.0, pool.seats / len(pool.persons))
    for begin in range(0, len(codes), BLOCK):
        block = codes[begin : begin + BLOCK]
        seats = [
            (i, taken[i] + k)
            for i in people
            for k in range(min(pool.most - taken[i], len(block), 2 + 3 * len(block) // len(pool.persons)))
        ]
        prices = {code: [misfit(person, pool, code, ratings) for person in pool.persons] for code in set(block)}
        times = np.array([turn * (turns[i][0] + k * turns[i][1]) for i, k in seats] + [0.0] * len(block))
        rows = {
            code: np.array([price[i] for i, _ in seats] + [EMPTY] * len(block)) + times
            for code, price in prices.items()
        }
        costs = np.array([rows[code] for code in block])
        costs += TIE * ties.random_sample(costs.shape)
        if chance:
            drawn = luck([pool.persons[i] for i, _ in seats], pool.item, chance)
            costs[:, : len(seats)] += np.array([drawn[code] for code in block])
        _, columns = assigned(costs)
        for column in columns:
            person = seats[column][0] if column < len(seats) else -1
            holders.append(person)
            if person >= 0:
                taken[person] += 1
    return holders


def luck(persons: Sequence[Persona], item: SurveyItem, chance: np.random.RandomState) -> dict[int, Floats]:
    """Return for each answer a random cost for each person, with which a group's answers vary as its shares say.

    Without it the group that leans most to an answer would get all of it. With Gumbel's noise the answer of least cost
    comes up as a logit says (McFadden 1974), which is here the group's share. That answer costs nothing, so that the
    draw decides who holds an answer, and not who sits.
    """
    shares = {code: share for code, share in item.shares[persons[0].country or ""].items() if share > 0}
    scale = LEANING / math.log(2)
    leanings = LEANING * np.array([[leaning(person, item, code) for code in shares] for person in persons])
    noise = scale * chance.gumbel(size=leanings.shape) + scale * np.log(list(shares.values()))
    costs = leanings - noise
    costs = costs - costs.min(axis=1, keepdims=True) - leanings
    return dict(zip(shares, costs.T, strict=True))
