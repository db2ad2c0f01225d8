"""Whether people who should speak with voices of their own do, or a run has collapsed to one voice. Pure.

Nothing is held against a number from elsewhere. People are compared with themselves: if those of one person sound no
more alike than those of different people, there are no different people. Shares are held against one half, which no
cast of two or more gets beyond by each being true to itself, and only where the data are enough to be sure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from culturepark.models.embedder import Vectors, unit_rows
from culturepark.stats.diversity import effective_number, surely_above
from culturepark.stats.survey_fit import generator

Outcome = Literal["fine", "collapsed", "unknown"]
HALF = 0.5
FEWEST = 20
"""Statements below which nothing is said: the 95% interval of a share is then half a unit wide."""
OPENING = 4
"""Words that make an opening."""
FEWEST_TALKS, TALKS_EACH = 20, 5
"""Talks below which voices are not compared: in all, and of each of two people at least."""
MOST_TALKS = 300
"""Talks that are compared; of more, as many by lot."""
SHUFFLES = 499
UNLIKELY = 0.01
"""At which a likeness is no accident. Few enough that a run of one voice hardly passes for many by luck."""


@dataclass(frozen=True)
class Check:
    """One way in which many voices can turn out to be one."""

    name: str
    outcome: Outcome
    value: float | None
    limit: float | None
    text: str
    """The finding in words."""


@dataclass(frozen=True)
class Voice:
    """How alike people's talks are to their own and to others', beyond what the question brings."""

    own: float
    """Mean cosine of two talks of one person, each less what is common to all who spoke about that question."""
    others: float
    """The same of talks of two people."""
    chance: float
    """How often people dealt to the talks by lot are as much themselves (permutation test, one-sided, 0-1)."""
    talks: int


def voice(
    vectors: Vectors, people: Sequence[str], talks: Sequence[str], seeds: Sequence[str], *parts: object
) -> Voice | None:
    """
    Sentences of one talk hang together, so a person's mean in one talk is what is compared and shuffled. Two talks
    about one question are not compared (where there is more than one question), nor two people in one talk: being
    alike there is no sign of anything.

    Args:
        vectors: shape (n, d); less their question's mean over all who spoke about it.
        people, talks, seeds: of each statement; a person's part in one talk is one unit.

    Returns:
        None where there are too few talks to tell.
    """
    units: dict[tuple[str, str, str], list[int]] = {}
    for index, key in enumerate(zip(people, talks, seeds, strict=True)):
        units.setdefault(key, []).append(index)
    keys = sorted(units)
    random = generator("voice", *parts)
    if len(keys) > MOST_TALKS:
        keys = [keys[i] for i in np.sort(random.permutation(len(keys))[:MOST_TALKS])]
    each = Counter(person for person, _, _ in keys)
    if len(keys) < FEWEST_TALKS or sum(count >= TALKS_EACH for count in each.values()) < 2:
        return None
    means = unit_rows(np.stack([vectors[units[key]].mean(axis=0) for key in keys]))
    where = 2 if len({seed for _, _, seed in keys}) > 1 else 1
    numbers = {name: number for number, name in enumerate(dict.fromkeys(key[where] for key in keys))}
    block = np.array([numbers[key[where]] for key in keys])
    comparable = block[:, None] != block[None, :]
    alike = (means @ means.T) * comparable
    total, pairs = float(alike.sum()), int(comparable.sum())
    names = {person: number for number, person in enumerate(each)}
    who = np.array([names[person] for person, _, _ in keys])

    def likeness(dealt: NDArray[np.int_]) -> tuple[float, float]:
        same = (dealt[:, None] == dealt[None, :]) & comparable
        own, count = float(alike.sum(where=same)), int(same.sum())
        return own / max(count, 1), (total - own) / max(pairs - count, 1)

    own, others = likeness(who)
    by_lot = [likeness(random.permutation(who)) for _ in range(SHUFFLES)]
    chance = (1 + sum(one - other >= own - others - 1e-6 for one, other in by_lot)) / (1 + SHUFFLES)
    return Voice(own, others, chance, len(keys))


def without_topics(vectors: Vectors, seeds: Sequence[str]) -> Vectors:
    """The vectors less their question's mean: what is left is who speaks, not what about."""
    left = vectors.copy()
    about = np.array(seeds, object)
    for seed in dict.fromkeys(seeds):
        left[about == seed] -= left[about == seed].mean(axis=0)
    return left


# --- the checks ----------------------------------------------------------------------------------


def check_echoes(echoes: int, statements: int) -> Check:
    """Statements that another person of the culture made too; who repeats only themselves has a voice of their own."""
    text = f"{echoes} of {statements} statements were made by somebody else of the culture too"
    return share_check("echoes", echoes, statements, text)


def check_openings(words: Sequence[Sequence[str]]) -> Check:
    """Statements that begin with the same few words; with two people of fixed habits it would be half of them."""
    openings = Counter(tuple(text[:OPENING]) for text in words)
    opening, count = max(openings.items(), key=lambda pair: (pair[1], pair[0]), default=((), 0))
    return share_check("openings", count, len(words), f"{count} of {len(words)} begin “{' '.join(opening)} …”")


def check_shared(shared: int, statements: int) -> Check:
    """Statements that speakers of another culture made too."""
    text = f"{shared} of {statements} statements were made by another culture's speakers too"
    return share_check("shared", shared, statements, text)


def share_check(name: str, count: int, total: int, text: str) -> Check:
    """Whether a share is surely (95%) more than one half."""
    outcome: Outcome = "unknown" if total < FEWEST else "collapsed" if surely_above(count, total) > HALF else "fine"
    return Check(name, outcome, count / total if total else None, HALF, text)


def check_people(kept: Mapping[str, int], seats: Mapping[str, int], *parts: object) -> Check:
    """Whether half the cast is as good as unheard: effective number of people, against what the seats would give.

    Args:
        kept: person -> kept statements.
        seats: person -> dialogues that the person sat in.
    """
    total, people = sum(kept.values()), list(seats)
    if total < FEWEST or len(people) < 2:
        few = "one person was cast" if len(people) == 1 else f"{total} kept statements are too few to tell who is heard"
        return Check("people", "unknown", None, None, few)
    places = np.array([seats[person] for person in people], np.float64)
    dealt = generator("people", *parts).multinomial(total, places / places.sum(), size=200)
    by_chance = np.array([effective_number(row.tolist()) for row in dealt])
    heard = effective_number(kept.values())
    limit = min(HALF * float(by_chance.mean()), float(np.quantile(by_chance, UNLIKELY)))
    text = f"what is kept is as if of {heard:.1f} people; by seats it would be {by_chance.mean():.1f}"
    return Check("people", "collapsed" if heard < limit else "fine", heard, limit, text)


def check_voice(found: Voice | None, why_not: str) -> Check:
    if found is None:
        return Check("voices", "unknown", None, UNLIKELY, why_not)
    told = f"likeness {found.own:.2f} to oneself, {found.others:.2f} to others, {found.talks} talks"
    if found.chance > UNLIKELY:
        text = f"people sound no more like themselves than like each other ({told})"
        return Check("voices", "collapsed", found.chance, UNLIKELY, text)
    return Check("voices", "fine", found.chance, UNLIKELY, f"people sound like themselves ({told})")


def verdict(checks: Sequence[Check]) -> Outcome:
    """`collapsed` if one check says so; `fine` only if none is left open."""
    outcomes = {check.outcome for check in checks}
    return "collapsed" if "collapsed" in outcomes else "unknown" if "unknown" in outcomes or not checks else "fine"
