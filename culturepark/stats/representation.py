"""Representative, not monolithic: all figures of a run on that, by culture. Pure; `stats` and reports read them.

Two sets of statements are spoken of. *Accepted* ones passed verification; there a run shows whether it repeats itself.
*Kept* ones are those of them that have a kept sample, after deduplication: what somebody trains on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from culturepark.domain import JsonObject
from culturepark.languages import Language
from culturepark.models.embedder import Vectors
from culturepark.stats import diversity, voices
from culturepark.stats.echoes import echoes
from culturepark.stats.survey_fit import Fit

Flags = NDArray[np.bool_]
Places = NDArray[np.int_]
NOTE = "Simulated talk is no evidence about real people; the survey is only where stances were drawn from."


@dataclass(frozen=True)
class Spoken:
    """An accepted statement."""

    dialogue: str
    seed: str
    culture: str
    persona: str
    text: str
    """What deduplication compared and samples tell: the first-person form."""
    kept: bool
    cluster: str
    """The same for statements that deduplication found to say the same."""


@dataclass(frozen=True)
class Meaning:
    """What vectors are needed for; all of a run's accepted statements have one, or nothing is said."""

    vectors: Vectors
    """Shape (n, d), unit rows, in the order of the statements."""
    questions: Vectors | None
    """Shape (seeds, d); None where they have not been embedded."""
    threshold: float
    """Cosine from which two statements may say the same."""
    language: Language
    """Of what was said."""


def figures(
    spoken: Sequence[Spoken],
    seats: Mapping[str, Mapping[str, int]],
    fits: Mapping[str, tuple[Fit | None, Fit | None]],
    meaning: Meaning | None,
    run_seed: int,
) -> JsonObject:
    """
    Args:
        seats: culture -> persona -> dialogues that are over and that the persona sat in.
        fits: culture -> its drawn stances, and those behind kept samples, against the survey.
        meaning: None where the vectors are not known.
    """
    words = [diversity.words(one.text) for one in spoken]
    again, echoed = repeated(spoken, words)
    seeds, cultures = [one.seed for one in spoken], [one.culture for one in spoken]
    made: dict[str, Flags] = {}
    nearest = residue = np.zeros(0, np.float32)
    if meaning:
        texts = [one.text for one in spoken]
        made, nearest = echoes(texts, seeds, cultures, meaning.vectors, meaning.threshold, meaning.language)
        residue = voices.without_topics(meaning.vectors, seeds)
    kept = np.array([one.kept for one in spoken], np.bool_)

    def of(places: Places, people: Mapping[str, int], *parts: object) -> tuple[JsonObject, list[voices.Check]]:
        """The figures of a part of the statements, and what they say of its voices."""
        here = [spoken[i] for i in places]
        keeps = places[kept[places]]
        heard = Counter(spoken[i].persona for i in keeps)
        checks = [
            voices.check_people(heard, people, run_seed, *parts),
            voices.check_openings([words[i] for i in places]),
        ]
        if len(people) > 1:
            checks.append(voices.check_echoes(int(echoed[places].sum()), len(places)))
            who, talks, about = (
                zip(*((one.persona, one.dialogue, one.seed) for one in here), strict=True) if here else ((),) * 3
            )
            found = voices.voice(residue[places], who, talks, about, run_seed, *parts) if meaning else None
            why = "too few talks to compare voices" if meaning else "voices are not compared, for want of vectors"
            checks.append(voices.check_voice(found, why))
        data: JsonObject = {
            "statements": {
                "accepted": len(places),
                "kept": len(keeps),
                "repeats": int(again[places].sum()),
                "echoes": int(echoed[places].sum()),
            },
            "personas": of_people(heard, people),
            "lexical": of_words([words[i] for i in keeps]),
            "semantic": of_meaning(meaning.vectors[keeps], [seeds[i] for i in keeps], run_seed, *parts)
            if meaning
            else None,
            "diversity_gain": gains(meaning, keeps, nearest) if meaning else None,
        }
        return data, checks

    said, out = np.array(cultures, object), {}
    for culture in sorted({*seats, *cultures}):
        places = np.flatnonzero(said == culture)
        data, checks = of(places, seats.get(culture, {}), culture)
        drawn, told = fits.get(culture, (None, None))
        data["stances"] = {"drawn": of_fit(drawn), "kept": of_fit(told)}
        data["shared"] = of_shared(places, made, culture) if meaning else None
        if meaning and len(made) > 1:
            checks.append(voices.check_shared(round(data["shared"]["share"] * len(places)), len(places)))
        out[culture] = rounded(data | {"collapse": of_checks(checks, len(places))})
    everybody = {person: count for people in seats.values() for person, count in people.items()}
    whole, checks = of(np.arange(len(spoken)), everybody, "")
    if meaning and len(made) > 1:
        anywhere = np.logical_or.reduce(list(made.values()))
        whole["shared"] = {"share": float(anywhere.mean())}
        checks.append(voices.check_shared(int(anywhere.sum()), len(anywhere)))
    else:
        whole["shared"] = None
    whole["collapse"] = of_checks(checks, len(spoken))
    return {"note": NOTE, "run": rounded(whole), "cultures": out}


def repeated(spoken: Sequence[Spoken], words: Sequence[Sequence[str]]) -> tuple[Flags, Flags]:
    """Which statements say again what their culture has said, and which have been made by another of its people too.

    Statements are the same if deduplication found so, or where they are word by word the same (under any question).
    """
    again, echoed = np.zeros(len(spoken), np.bool_), np.zeros(len(spoken), np.bool_)
    for keys in ([one.cluster for one in spoken], [tuple(text) for text in words]):
        people: dict[tuple[str, object], set[str]] = {}
        for place, (one, key) in enumerate(zip(spoken, keys, strict=True)):
            again[place] |= (one.culture, key) in people
            people.setdefault((one.culture, key), set()).add(one.persona)
        several = [len(people[one.culture, key]) > 1 for one, key in zip(spoken, keys, strict=True)]
        echoed |= np.array(several, np.bool_)
    return again, echoed


def of_people(heard: Mapping[str, int], seats: Mapping[str, int]) -> JsonObject:
    effective, cast = diversity.effective_number(heard.values()), len(seats)
    return {
        "cast": cast,
        "heard": len(heard),
        "share": len(heard) / cast if cast else None,
        "effective": effective,
        "effective_share": effective / cast if cast else None,
    }


def of_words(texts: Sequence[Sequence[str]]) -> JsonObject:
    return {
        "words": sum(map(len, texts)),
        "hdd": diversity.hdd(texts),
        "distinct_2": diversity.distinct_2(texts),
    }


def of_meaning(vectors: Vectors, seeds: Sequence[str], *parts: object) -> JsonObject:
    about = np.array(seeds, object)
    groups = [vectors[about == seed] for seed in dict.fromkeys(seeds)]
    scores = [(diversity.vendi(group, diversity.VENDI_INSIDE, *parts), len(group)) for group in groups]
    inside = sum(score * size for score, size in scores if score is not None)
    return {
        "distance": diversity.mean_distance([vectors]),
        "distance_within_seed": diversity.mean_distance(groups),
        "vendi": diversity.vendi(vectors, diversity.VENDI_MOST, *parts),
        "vendi_within_seed": inside / len(vectors) if len(vectors) else None,
    }


def gains(meaning: Meaning, keeps: Places, nearest: Vectors) -> JsonObject:
    """Over the questions, as if they were the seed data, and over what other cultures said about the same question."""
    elsewhere = nearest[keeps]
    over_seeds = None
    if meaning.questions is not None and len(keeps):
        over_seeds = diversity.diversity_gain((meaning.vectors[keeps] @ meaning.questions.T).max(axis=1))
    return {
        "over_seeds": over_seeds,
        "over_other_cultures": diversity.diversity_gain(elsewhere[~np.isnan(elsewhere)]),
    }


def of_shared(places: Places, made: Mapping[str, Flags], culture: str) -> JsonObject:
    by = {other: flags[places] for other, flags in made.items() if other != culture}
    anywhere = np.logical_or.reduce(list(by.values())) if by else np.zeros(len(places), np.bool_)
    return {
        "share": float(anywhere.mean()) if len(places) else 0.0,
        "with": {other: float(flags.mean()) if len(places) else 0.0 for other, flags in sorted(by.items())},
    }


def of_fit(fit: Fit | None) -> JsonObject | None:
    if fit is None:
        return None
    return {"answers": round(fit.weight), "jsd": fit.jsd, "expected": fit.expected, "chance": fit.chance}


def of_checks(checks: Sequence[voices.Check], statements: int) -> JsonObject:
    return {
        "verdict": voices.verdict(checks),
        "too_few": statements < voices.FEWEST,
        "reasons": [check.text for check in checks if check.outcome == "collapsed"],
        "open": [check.text for check in checks if check.outcome == "unknown"],
        "checks": [asdict(check) for check in checks],
    }


def rounded(data: Any) -> Any:
    """Floats with four places: more would only show that figures differ between machines."""
    if isinstance(data, dict):
        return {key: rounded(value) for key, value in data.items()}
    if isinstance(data, list):
        return [rounded(value) for value in data]
    return round(data, 4) if isinstance(data, float) else data
