"""Checks whether the people of a run have voices of their own, or have collapsed to one voice. Pure.

No threshold comes from another corpus. People are compared with themselves: if the talks of one person are no more
alike than those of different people, their voices are the same. Shares are compared with one half, which two or more
people cannot exceed while each keeps to habits of their own; with few data a share is left undecided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from culturepark.distill.nearest import near
from culturepark.distill.paraphrase import Likeness, Reading, compare, key, read
from culturepark.languages import Language
from culturepark.models.embedder import Vectors, unit_rows
from culturepark.stats.diversity import effective_number, surely_above
from culturepark.stats.figures import Check, Collapse, Outcome
from culturepark.stats.survey_fit import generator

NEAREST = 20
"""Nearest statements of another culture that are compared by words. If all of them differ in a word that changes the
meaning, the culture has not made the statement."""
HALF = 0.5
FEWEST = 20
"""Statements that a verdict needs at least; with fewer, the 95% interval of a share is half a unit wide."""
OPENING = 4
"""Words of an opening."""
FEWEST_TALKS, TALKS_EACH = 20, 5
"""Talks that a comparison of voices needs: in all, and by each of at least two people."""
MOST_TALKS = 300
"""Talks that are compared at most; of more, a random sample is taken."""
SHUFFLES = 499
UNLIKELY = 0.01
"""Level of the permutation test; a run of one voice hardly ever passes it by chance."""


@dataclass(frozen=True)
class Voice:
    """The likeness of one person's talks, and of different people's, without their topics."""

    own: float
    """Mean cosine of two talks of one person, each less the mean of all statements on its question."""
    others: float
    """Mean cosine of two talks of different people."""
    chance: float
    """p-value (0-1) of a one-sided permutation test of `own - others`."""
    talks: int


def voice(
    vectors: Vectors,
    people: Sequence[str],
    talks: Sequence[str],
    seeds: Sequence[str],
    *parts: object,
    places: Sequence[int] | NDArray[np.int_] | None = None,
    topics: Mapping[str, Vectors] = {},
) -> Voice | None:
    """Compare people's talks with their own and with others'.

    Sentences of one talk are not independent, so the unit of the test is a person's mean in one talk. Talks on one
    question are not compared if there is more than one question, else people in one talk are not: they are alike
    because of the topic.

    Args:
        vectors: shape (n, d), of all statements.
        people, talks, seeds: of each statement that is compared.
        places: of these statements among the vectors; None where they are all of them.
        topics: from `topics_of`; without, the vectors are those of `without_topics`.

    Returns:
        None if there are too few talks.
    """
    units: dict[tuple[str, str, str], list[int]] = {}
    indices = range(len(vectors)) if places is None else places
    for index, unit in zip(indices, zip(people, talks, seeds, strict=True), strict=True):
        units.setdefault(unit, []).append(index)
    keys = sorted(units)
    random = generator("voice", *parts)
    if len(keys) > MOST_TALKS:
        keys = [keys[i] for i in np.sort(random.permutation(len(keys))[:MOST_TALKS])]
    talks_by_person = Counter(person for person, _, _ in keys)
    if len(keys) < FEWEST_TALKS or sum(count >= TALKS_EACH for count in talks_by_person.values()) < 2:
        return None
    none = np.zeros(vectors.shape[1], vectors.dtype)
    means = unit_rows(np.stack([vectors[units[key]].mean(axis=0) - topics.get(key[2], none) for key in keys]))
    part = 2 if len({seed for _, _, seed in keys}) > 1 else 1
    numbers = {name: number for number, name in enumerate(dict.fromkeys(key[part] for key in keys))}
    block = np.array([numbers[key[part]] for key in keys])
    comparable = block[:, None] != block[None, :]
    alike = (means @ means.T) * comparable
    total, pairs = float(alike.sum()), int(comparable.sum())
    person_numbers = {person: number for number, person in enumerate(talks_by_person)}
    speakers = np.array([person_numbers[person] for person, _, _ in keys])

    def likeness(labels: NDArray[np.int_]) -> tuple[float, float]:
        same = (labels[:, None] == labels[None, :]) & comparable
        own, count = float(alike.sum(where=same)), int(same.sum())
        return own / max(count, 1), (total - own) / max(pairs - count, 1)

    own, others = likeness(speakers)
    shuffled = [likeness(random.permutation(speakers)) for _ in range(SHUFFLES)]
    chance = (1 + sum(same - different >= own - others - 1e-6 for same, different in shuffled)) / (1 + SHUFFLES)
    return Voice(own, others, chance, len(keys))


def topics_of(vectors: Vectors, seeds: Sequence[str]) -> dict[str, Vectors]:
    """Return the mean of all statements on each question."""
    about = np.array(seeds, object)
    return {seed: vectors[about == seed].mean(axis=0) for seed in dict.fromkeys(seeds)}


def without_topics(vectors: Vectors, seeds: Sequence[str]) -> Vectors:
    """Subtract from each vector the mean of all statements on its question."""
    residue = vectors.copy()
    about = np.array(seeds, object)
    for seed in dict.fromkeys(seeds):
        residue[about == seed] -= residue[about == seed].mean(axis=0)
    return residue


def find_shared(
    texts: Sequence[str],
    seeds: Sequence[str],
    cultures: Sequence[str],
    vectors: Vectors,
    threshold: float,
    language: Language,
) -> tuple[dict[str, NDArray[np.bool_]], Vectors]:
    """Find the statements that speakers of another culture made too on the same question.

    The search is exact.

    Args:
        vectors: shape (n, d), unit rows.
        threshold: cosine from which two statements may be duplicates in this run.

    Returns:
        For each culture flags of the other cultures' statements that its speakers made too, shape (n,); and for each
        statement the cosine with the nearest of another culture, NaN if there is none, shape (n,).
    """
    said_by = {culture: np.zeros(len(texts), np.bool_) for culture in dict.fromkeys(cultures)}
    nearest = np.full(len(texts), np.nan, np.float32)
    culture_of, about = np.array(cultures, object), np.array(seeds, object)

    readings: dict[int, Reading] = {}
    """Of the statements on one question."""

    def reading(index: int) -> Reading:
        if index not in readings:
            readings[index] = read(key(texts[index]), language)
        return readings[index]

    def same(one: int, other: int) -> bool:
        if texts[one] == texts[other]:
            return True
        return compare(reading(one), reading(other)) in (Likeness.SAME, Likeness.OPEN)

    for seed in dict.fromkeys(seeds):
        here = np.flatnonzero(about == seed)
        readings.clear()
        for culture in dict.fromkeys(culture_of[here]):
            own, others = here[culture_of[here] == culture], here[culture_of[here] != culture]
            if not len(others):
                continue
            close = near(vectors[others], vectors[own], threshold)
            nearest[others] = np.fmax(nearest[others], close.best)
            for row, other in enumerate(others):
                said_by[culture][other] = any(same(other, own[i]) for _, i in islice(close.of(row), NEAREST))
    return said_by, nearest


# --- the checks ----------------------------------------------------------------------------------


def check_echoes(echoes: int, statements: int) -> Check:
    """Check the share of statements that another person of the culture made too. People may repeat themselves."""
    text = f"{echoes} of {statements} statements were made by somebody else of the culture too"
    return share_check("echoes", echoes, statements, text)


def check_openings(words: Sequence[Sequence[str]]) -> Check:
    """Check the share of statements with the most frequent opening."""
    openings = Counter(tuple(text[:OPENING]) for text in words)
    opening, count = max(openings.items(), key=lambda pair: (pair[1], pair[0]), default=((), 0))
    return share_check("openings", count, len(words), f"{count} of {len(words)} begin “{' '.join(opening)} …”")


def check_shared(shared: int, statements: int) -> Check:
    """Check the share of statements that speakers of another culture made too."""
    text = f"{shared} of {statements} statements were made by another culture's speakers too"
    return share_check("shared", shared, statements, text)


def share_check(name: str, count: int, total: int, text: str) -> Check:
    """Return `collapsed` if a share is above one half with 95% confidence."""
    outcome: Outcome = "unknown" if total < FEWEST else "collapsed" if surely_above(count, total) > HALF else "fine"
    return Check(name=name, outcome=outcome, value=count / total if total else None, limit=HALF, text=text)


def check_people(kept: Mapping[str, int], seats: Mapping[str, int], *parts: object) -> Check:
    """Return `collapsed` if the effective number of people is below half of that by seats, and below chance.

    Args:
        kept: person -> number of kept statements.
        seats: person -> number of dialogues.
    """
    total, people = sum(kept.values()), list(seats)
    if total < FEWEST or len(people) < 2:
        few = "one person was cast" if len(people) == 1 else f"{total} kept statements are too few to tell who is heard"
        return Check(name="people", outcome="unknown", value=None, limit=None, text=few)
    places = np.array([seats[person] for person in people], np.float64)
    dealt = generator("people", *parts).multinomial(total, places / places.sum(), size=200)
    by_chance = np.array([effective_number(row.tolist()) for row in dealt])
    heard = effective_number(kept.values())
    limit = min(HALF * float(by_chance.mean()), float(np.quantile(by_chance, UNLIKELY)))
    text = f"what is kept is as if of {heard:.1f} people; by seats it would be {by_chance.mean():.1f}"
    outcome: Outcome = "collapsed" if heard < limit else "fine"
    return Check(name="people", outcome=outcome, value=heard, limit=limit, text=text)


def check_voice(voice: Voice | None, why_not: str) -> Check:
    if voice is None:
        return Check(name="voices", outcome="unknown", value=None, limit=UNLIKELY, text=why_not)
    detail = f"likeness {voice.own:.2f} to oneself, {voice.others:.2f} to others, {voice.talks} talks"
    if voice.chance > UNLIKELY:
        outcome: Outcome = "collapsed"
        text = f"people sound no more like themselves than like each other ({detail})"
    else:
        outcome, text = "fine", f"people sound like themselves ({detail})"
    return Check(name="voices", outcome=outcome, value=voice.chance, limit=UNLIKELY, text=text)


def collapse(checks: Sequence[Check], statements: int) -> Collapse:
    return Collapse(
        verdict=verdict(checks),
        too_few=statements < FEWEST,
        reasons=[check.text for check in checks if check.outcome == "collapsed"],
        open=[check.text for check in checks if check.outcome == "unknown"],
        checks=list(checks),
    )


def verdict(checks: Sequence[Check]) -> Outcome:
    """Return `collapsed` if one check is, and `fine` only if all are."""
    outcomes = {check.outcome for check in checks}
    return "collapsed" if "collapsed" in outcomes else "unknown" if "unknown" in outcomes or not checks else "fine"
