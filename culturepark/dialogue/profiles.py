"""Gives each person of a run one respondent of the survey, whose answers the person holds in the whole run. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from culturepark.dialogue.assignment import assigned
from culturepark.dialogue.seating import (
    BLOCK,
    IMPOSSIBLE,
    MISFIT,
    TIE,
    Ratings,
    candidates,
    dice,
    rating_of,
)
from culturepark.dialogue.stance import unit
from culturepark.domain import Edition, Persona, Respondents, SurveyItem

Held = Mapping[str, Mapping[str, int]]
"""Persona's key -> item's key -> code of the answer that the person holds."""
CHOICE = 3
"""Respondents drawn for each person, so that there is a choice. More of it means a better fit and looser margins."""
RULED_OUT = 20.0
"""Cost of an answer that the card rules out. It is not held: it leaves a seat empty, but no contradiction."""
UNANSWERED = 2.0
"""Cost of an answer that the respondent did not give."""
MISMATCH = 4.0
"""Cost of a respondent of another sex, age or group; as much as an answer that strains the card."""


def cast(edition: Edition, run_seed: int) -> dict[str, list[Persona]]:
    """Return the people who may sit in a run of joint answers, by country.

    Of a large culture they are drawn once for all questions, so that a person's answers make a whole.
    """
    scenario = edition.scenario
    seats = scenario.dialogues_per_seed * (1 if scenario.setting == "cross-cultural" else scenario.people)
    by_country: dict[str, list[Persona]] = defaultdict(list)
    groups: dict[tuple[str, str], list[Persona]] = defaultdict(list)
    for person in edition.personas:
        if person.country:
            groups[person.culture, person.country].append(person)
    for (culture, country), people in sorted(groups.items()):
        by_country[country] += candidates(people, seats, run_seed, culture, country, "respondents")
    return by_country


def asked(edition: Edition, run_seed: int) -> Iterator[tuple[Persona, SurveyItem]]:
    """Yield every person of the cast with every item that was asked in the person's country."""
    items = [seed.item for seed in edition.scenario.seeds if seed.item]
    for country, people in cast(edition, run_seed).items():
        yield from ((person, item) for person in people for item in items if country in item.shares)


def held_answers(edition: Edition, run_seed: int, ratings: Ratings) -> Held:
    """Return the answers that people hold: one respondent's of each survey, but for those that their cards rule out."""
    items = {seed.item.key: seed.item for seed in edition.scenario.seeds if seed.item}
    people = cast(edition, run_seed)
    held: dict[str, dict[str, int]] = defaultdict(dict)
    for respondents in edition.respondents:
        everybody = people.get(respondents.country, [])
        asked = [items[key] for key in respondents.items]
        for begin in range(0, len(everybody), BLOCK):
            block = everybody[begin : begin + BLOCK]
            parts = (run_seed, respondents.survey, respondents.country, begin)
            for person, answers in zip(block, given(block, respondents, asked, ratings, *parts), strict=True):
                held[person.key] |= {
                    item.key: code
                    for item, code in zip(asked, answers, strict=True)
                    if code is not None and rating_of(person, item, code, ratings) != IMPOSSIBLE
                }
    return held


def given(
    people: Sequence[Persona], respondents: Respondents, items: Sequence[SurveyItem], ratings: Ratings, *parts: object
) -> list[tuple[int | None, ...]]:
    """Return for each person the answers of the respondent who is given to the person.

    Respondents are drawn systematically, a few times more than people, and assigned at the least cost.
    """
    there = len(respondents.answers)
    wanted = min(there, CHOICE * len(people))
    start = unit("respondent", *parts)
    drawn = [int((start + i) * there / wanted) for i in range(wanted)] * math.ceil(len(people) / wanted)
    costs = np.array([strain(person, respondents, items, ratings) for person in people])[:, drawn]
    ties = dice("ties", "respondent", *parts)
    _, columns = assigned(costs + TIE * ties.random_sample(costs.shape))
    return [respondents.answers[drawn[column]] for column in columns]


def strain(
    person: Persona, respondents: Respondents, items: Sequence[SurveyItem], ratings: Ratings
) -> NDArray[np.float64]:
    """Return what it costs that a person holds a respondent's answers, for each of the respondents."""
    total = np.zeros(len(respondents.answers))
    for place, item in enumerate(items):
        prices: dict[int | None, float] = {None: UNANSWERED}
        for option in item.options:
            rating = rating_of(person, item, option.code, ratings)
            prices[option.code] = RULED_OUT if rating == IMPOSSIBLE else MISFIT[rating]
        total += [prices[answers[place]] for answers in respondents.answers]
    for place, grouping in enumerate(respondents.groupings):
        theirs = [groups[place] for groups in respondents.groups]
        names = respondents.bands if grouping == "age" else {group for group in theirs if group}
        if own := person.group(grouping, names):
            total += [MISMATCH * (group is not None and group != own) for group in theirs]
    return total
