"""The variety of a run's statements, as a whole and by culture: whether it speaks with many voices or one. Pure.

Two sets of statements are measured. *Accepted* statements passed verification, and show whether a run repeats itself.
*Kept* statements are accepted ones with a kept sample after deduplication, and are trained on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from sys import intern

import numpy as np
from numpy.typing import NDArray

from culturepark.languages import Language
from culturepark.models.embedder import Vectors
from culturepark.stats import diversity, voices
from culturepark.stats.diversity import Places
from culturepark.stats.figures import (
    Check,
    CultureVariety,
    DiversityGain,
    MeaningVariety,
    People,
    Representation,
    RunVariety,
    SharedStatements,
    SharedWith,
    StatementCounts,
    SurveyDistance,
    SurveyDistances,
    Variety,
    VectorsKnown,
    WordVariety,
)
from culturepark.stats.survey_fit import Fit

Flags = NDArray[np.bool_]
NOTE = "Simulated talk is no evidence about real people; the survey is only where stances were drawn from."


@dataclass(frozen=True)
class AcceptedStatement:
    """A statement that passed verification, with all that figures need of it."""

    dialogue: str
    seed: str
    culture: str
    persona: str
    text: str
    """The first-person form, which deduplication compares."""
    kept: bool
    cluster: str
    """Equal for duplicates."""


@dataclass(frozen=True)
class Meaning:
    """The vectors of all accepted statements of a run."""

    vectors: Vectors
    """Shape (n, d), unit rows, in the order of the statements."""
    questions: Vectors | None
    """Shape (seeds, d); None if one has no vector."""
    threshold: float
    """Cosine from which two statements may be duplicates."""
    language: Language


def representation(
    spoken: Sequence[AcceptedStatement],
    seats: Mapping[str, Mapping[str, int]],
    fits: Mapping[str, tuple[Fit | None, Fit | None]],
    meaning: Meaning | None,
    known: VectorsKnown,
    run_seed: int,
) -> Representation:
    """
    Args:
        seats: culture -> persona -> number of the persona's finished dialogues.
        fits: culture -> fit of its drawn stances, and of those behind kept samples.
        meaning: None if vectors are missing.
    """
    # The same words come again and again: each is kept once.
    words = [[*map(intern, diversity.words(statement.text))] for statement in spoken]
    again, echoed = repeated(spoken, words)
    seeds, cultures = [statement.seed for statement in spoken], [statement.culture for statement in spoken]
    said_by: dict[str, Flags] = {}
    nearest = np.zeros(0, np.float32)
    topics: dict[str, Vectors] = {}
    if meaning:
        texts = [statement.text for statement in spoken]
        said_by, nearest = voices.find_shared(
            texts, seeds, cultures, meaning.vectors, meaning.threshold, meaning.language
        )
        topics = voices.topics_of(meaning.vectors, seeds)
    kept = np.array([statement.kept for statement in spoken], np.bool_)

    def variety_of(places: Places, people: Mapping[str, int], *parts: object) -> tuple[Variety, list[Check]]:
        """Return the figures of a group's statements, and the checks of its voices."""
        own = [spoken[i] for i in places]
        keeps = places[kept[places]]
        heard = Counter(spoken[i].persona for i in keeps)
        checks = [
            voices.check_people(heard, people, run_seed, *parts),
            voices.check_openings([words[i] for i in places]),
        ]
        if len(people) > 1:
            checks.append(voices.check_echoes(int(echoed[places].sum()), len(places)))
            who, talks, about = [s.persona for s in own], [s.dialogue for s in own], [s.seed for s in own]
            voice = None
            if meaning:
                voice = voices.voice(meaning.vectors, who, talks, about, run_seed, *parts, places=places, topics=topics)
            why_not = "too few talks to compare voices" if meaning else "voices are not compared, for want of vectors"
            checks.append(voices.check_voice(voice, why_not))
        variety = Variety(
            statements=StatementCounts(
                accepted=len(places),
                kept=len(keeps),
                repeats=int(again[places].sum()),
                echoes=int(echoed[places].sum()),
            ),
            personas=people_heard(heard, people),
            lexical=word_variety([words[i] for i in keeps]),
            semantic=meaning_variety(meaning.vectors, keeps, [seeds[i] for i in keeps], run_seed, *parts)
            if meaning
            else None,
            diversity_gain=gains(meaning, keeps, nearest) if meaning else None,
        )
        return variety, checks

    culture_of, by_culture = np.array(cultures, object), {}
    for culture in sorted({*seats, *cultures}):
        places = np.flatnonzero(culture_of == culture)
        variety, checks = variety_of(places, seats.get(culture, {}), culture)
        drawn, behind_kept = fits.get(culture, (None, None))
        shared = None
        if meaning:
            by_other = {other: flags[places] for other, flags in said_by.items() if other != culture}
            by_any = np.logical_or.reduce(list(by_other.values())) if by_other else np.zeros(len(places), np.bool_)
            shared = SharedWith(
                share=share(by_any), by_culture={other: share(flags) for other, flags in sorted(by_other.items())}
            )
            if len(said_by) > 1:
                checks.append(voices.check_shared(int(by_any.sum()), len(places)))
        by_culture[culture] = CultureVariety(
            **dict(variety),
            stances=SurveyDistances(
                drawn=survey_distance(drawn) if drawn else None,
                kept=survey_distance(behind_kept) if behind_kept else None,
            ),
            shared=shared,
            collapse=voices.collapse(checks, len(places)),
        )
    everybody = {person: count for people in seats.values() for person, count in people.items()}
    variety, checks = variety_of(np.arange(len(spoken)), everybody, "")
    shared_anywhere = None
    if meaning and len(said_by) > 1:
        by_any = np.logical_or.reduce(list(said_by.values()))
        shared_anywhere = SharedStatements(share=float(by_any.mean()))
        checks.append(voices.check_shared(int(by_any.sum()), len(by_any)))
    return Representation(
        note=NOTE,
        run=RunVariety(**dict(variety), shared=shared_anywhere, collapse=voices.collapse(checks, len(spoken))),
        cultures=by_culture,
        vectors=known,
    )


def share(flags: Flags) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def repeated(spoken: Sequence[AcceptedStatement], words: Sequence[Sequence[str]]) -> tuple[Flags, Flags]:
    """Flag statements that repeat an earlier one of the culture, and those that another person of it made too.

    Statements are equal if they are duplicates, or the same word by word under any question.
    """
    again, echoed = np.zeros(len(spoken), np.bool_), np.zeros(len(spoken), np.bool_)
    for keys in ([statement.cluster for statement in spoken], [tuple(text) for text in words]):
        people: dict[tuple[str, object], set[str]] = {}
        for place, (statement, key) in enumerate(zip(spoken, keys, strict=True)):
            again[place] |= (statement.culture, key) in people
            people.setdefault((statement.culture, key), set()).add(statement.persona)
        several = [len(people[statement.culture, key]) > 1 for statement, key in zip(spoken, keys, strict=True)]
        echoed |= np.array(several, np.bool_)
    return again, echoed


def people_heard(heard: Mapping[str, int], seats: Mapping[str, int]) -> People:
    effective, cast = diversity.effective_number(heard.values()), len(seats)
    return People(
        cast=cast,
        heard=len(heard),
        share=len(heard) / cast if cast else None,
        effective=effective,
        effective_share=effective / cast if cast else None,
    )


def word_variety(texts: Sequence[Sequence[str]]) -> WordVariety:
    return WordVariety(words=sum(map(len, texts)), hdd=diversity.hdd(texts), distinct_2=diversity.distinct_2(texts))


def meaning_variety(vectors: Vectors, places: Places, seeds: Sequence[str], *parts: object) -> MeaningVariety:
    """
    Args:
        vectors: shape (n, d), of all statements.
        places: those of the group.
        seeds: of each of the group.
    """
    about = np.array(seeds, object)
    groups = {seed: places[about == seed] for seed in dict.fromkeys(seeds)}
    inside = 0.0
    for of_seed in groups.values():
        score = diversity.vendi(vectors[of_seed], diversity.VENDI_INSIDE, *parts)
        inside += score * len(of_seed) if score is not None else 0.0
    return MeaningVariety(
        distance=diversity.distance_of_all(vectors, places),
        distance_within_seed=diversity.mean_distance(vectors[of_seed] for of_seed in groups.values()),
        vendi=diversity.vendi_of(vectors, places, diversity.VENDI_MOST, *parts),
        vendi_within_seed=inside / len(places) if len(places) else None,
    )


def gains(meaning: Meaning, keeps: Places, nearest: Vectors) -> DiversityGain:
    """Return the diversity gain over the questions, and over other cultures' statements on the same question."""
    others = nearest[keeps]
    over_seeds = None
    if meaning.questions is not None and len(keeps):
        some = (meaning.vectors[part] @ meaning.questions.T for part in diversity.parts_of(keeps))
        over_seeds = diversity.diversity_gain(np.concatenate([near.max(axis=1) for near in some]))
    return DiversityGain(over_seeds=over_seeds, over_other_cultures=diversity.diversity_gain(others[~np.isnan(others)]))


def survey_distance(fit: Fit) -> SurveyDistance:
    return SurveyDistance(answers=round(fit.weight), jsd=fit.jsd, expected=fit.expected, chance=fit.chance)
