"""Plans a mine: the questions, the cultures, and the answers that somebody there may have. Pure but for the catalogue.

Nobody sits in a dialogue of a mine. In place of people stand the answers of the survey's scale that somebody in the
country gave, each under the key of a card that says that it is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from culturepark.catalog.cultures import Known
from culturepark.catalog.scenarios import find, load_edition
from culturepark.catalog.suites import is_survey, seeds_of
from culturepark.catalog.surveys import Survey, load_surveys
from culturepark.dialogue.casting import MOST, Plan, Skip
from culturepark.dialogue.stance import draw_codes, shuffled, stance
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    Casting,
    Culture,
    Custom,
    DistillPolicy,
    Edition,
    Limits,
    Mining,
    Participant,
    Persona,
    Scenario,
    Seed,
    Shape,
    Speech,
    Topic,
    Value,
    shipped_cultures,
)
from culturepark.errors import UsageError
from culturepark.files import clipped
from culturepark.languages import load_language
from culturepark.languages.words import folded

NOT_SAID = "not said"
"""Stands on nobody's card wherever a card must hold something."""
SHAPES: dict[str, tuple[Shape, ...]] = {"seeds": ("survey",), "norms": ("norm", "reasoned")}
"""The shapes of the rows of a mine, by what it mines."""
NO_QUESTION = "none of the questions that may be shown was asked in its country"


# --- questions -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Questions:
    """Survey questions, each with the name of the topic that it belongs to."""

    name: str
    title: str
    seeds: tuple[Seed, ...]
    sections: Mapping[str, str]
    """Key of a seed -> the part of its survey that it is in; its own topic where the survey names none."""

    def topics(self) -> tuple[Topic, ...]:
        """Return the topics in the order in which they first come."""
        by_name: dict[str, list[str]] = {}
        for seed in self.seeds:
            by_name.setdefault(self.sections[seed.key], []).append(seed.key)
        topics: list[Topic] = []
        for name, keys in by_name.items():
            key = slug(name) or f"topic-{len(topics) + 1}"
            if any(topic.key == key for topic in topics):
                key = f"{key[:74]}-{len(topics) + 1}"
            topics.append(Topic(key=key, name=name, questions=tuple(keys)))
        return tuple(topics)

    def held_out(self, keys: Sequence[str], share: float | None, seed: int) -> tuple[str, ...]:
        """Return the keys of the questions that no model is shown: those that are named, and a share of the others.

        Raises:
            UsageError: if there is no question of a key, or none is left.
        """
        own = {seed.key: seed.key for seed in self.seeds} | {
            seed.key.partition("/")[2]: seed.key for seed in self.seeds
        }
        if unknown := [key for key in keys if key not in own]:
            first = ", ".join(seed.key for seed in self.seeds[:3])
            raise UsageError(f"--hold-out {clipped(unknown[0])!r}: no such question; they are called {first} ...")
        named = {own[key] for key in keys}
        left = [seed.key for seed in self.seeds if seed.key not in named]
        if share is not None:
            named |= {left[i] for i in shuffled(len(left), "held out", seed)[: round(share * len(left))]}
        if len(named) == len(self.seeds):
            raise UsageError("--hold-out: no question is left that may be shown")
        return tuple(seed.key for seed in self.seeds if seed.key in named)


def slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folded(name).lower()).strip("-")[:76]


def questions_of(survey: str | None, scenario: str | None) -> Questions:
    """Return the questions of a survey (its name or file), or the surveyed ones of a scenario.

    Raises:
        UsageError: if there is no such survey, or no question with people's answers.
    """
    if (survey is None) == (scenario is None):
        raise UsageError("name either --survey or --scenario")
    if scenario is not None:
        return of_scenario(scenario)
    assert survey is not None
    path = Path(survey)
    if is_survey(path):
        chosen = [known for known in load_surveys([path]) if known.path == path]
    else:
        chosen = [known for known in load_surveys([]) if known.file.survey == survey]
    if not chosen:
        names = ", ".join(known.file.survey for known in load_surveys([]))
        raise UsageError(f"--survey {clipped(survey)!r}: neither a survey file nor one of the shipped ones ({names})")
    seeds = tuple(seed for known in chosen for seed in seeds_of(known))
    return Questions(chosen[0].file.survey, chosen[0].file.title, seeds, sections_of(chosen, seeds))


def of_scenario(name: str) -> Questions:
    edition = load_edition(find(name))
    seeds = tuple(seed for seed in edition.scenario.seeds if seed.item)
    if not seeds:
        raise UsageError(
            f"--scenario {clipped(name)}: none of its questions is of a survey, so none has people's answers"
        )
    return Questions(edition.scenario.name, edition.scenario.title, seeds, sections_of(load_surveys([]), seeds))


def sections_of(surveys: Iterable[Survey], seeds: Sequence[Seed]) -> dict[str, str]:
    named = {
        f"{survey.file.survey}/{key}": item.section
        for survey in surveys
        for key, item in survey.file.items.items()
        if item.section
    }
    return {seed.key: named.get(seed.key, seed.topic) for seed in seeds}


# --- the edition ---------------------------------------------------------------------------------------


def edition_for(
    questions: Questions,
    mining: Mining,
    cultures: Sequence[str],
    known: Known,
    *,
    language: str = DEFAULT_LANGUAGE,
    limits: Limits | None = None,
) -> Edition:
    """Return the whole plan of a mine, over which its digest is taken."""
    everything = {**shipped_cultures(), **known}
    used = tuple(everything[key] for key in cultures)
    seeds = [seed.model_copy(update={"situations": ()}) for seed in questions.seeds]
    seeds += [topic_seed(topic, language) for topic in mining.topics]
    scenario = Scenario(
        name=f"mine-{mining.what}-{slug(questions.name)}"[:80].strip("-"),
        title=f"{mining.what} ({mining.how}) of {questions.title}"[:2000],
        setting="in-cultural",
        cultures=tuple(cultures),
        protocol="mined",
        language=language,
        seeds=tuple(seeds),
        people=1,
        limits=limits or Limits(),
        distill=DistillPolicy(rewrite="off", english=False),
        samples=SHAPES[mining.what],
        mining=mining,
    )
    people = {p.key: p for culture in used for p in nobodies(culture, scenario.seeds)}
    return Edition(scenario=scenario, personas=tuple(people.values()), cultures=used)


def topic_seed(topic: Topic, language: str) -> Seed:
    """Return a topic as a question under which its norms stand, in one of the wordings that rows have."""
    wordings = load_language(language).wordings("norm")["norm-topic"]
    asked = next(wording for wording in wordings if "country" not in wording.holes)
    return Seed(key=topic.seed_key, topic=topic.name, question=asked.render(topic=topic.name))


def country_of(culture: Culture, seeds: Iterable[Seed]) -> str | None:
    """Return the first of a culture's countries in which one of some questions was asked; None if none was."""
    seeds = list(seeds)
    return next((c for c in culture.countries if any(seed.item and c in seed.item.shares for seed in seeds)), None)


def nobodies(culture: Culture, seeds: Sequence[Seed]) -> Iterator[Persona]:
    """Yield the cards on which a culture's answers stand: for each country as many as a question has options."""
    for country in culture.countries:
        asked = [seed.item for seed in seeds if seed.item and country in seed.item.shares]
        most = max((len(item.options) for item in asked), default=0)
        if country == culture.countries[0]:
            most = max(most, 1)  # for norms of a topic of which no question was asked
        yield from (nobody(culture, country, number) for number in range(1, most + 1))


def nobody(culture: Culture, country: str, number: int) -> Persona:
    """Return a card that says that nobody speaks. Only culture and country on it mean something."""
    names = dict(culture.names.get(country, {}))
    custom = Custom(kind="norm", topic=NOT_SAID, text=NOT_SAID)
    return Persona(
        key=f"nobody-{culture.culture}-{country.lower()}-{number}",
        name="Nobody in particular",
        called="Nobody",
        culture=culture.culture,
        role=culture.role,
        gender="nonbinary",
        age=16,
        country=country,
        country_names=names,
        region=NOT_SAID,
        place=NOT_SAID,
        settlement="town",
        work=NOT_SAID,
        schooling=NOT_SAID,
        faith=NOT_SAID,
        observance=NOT_SAID,
        generation=NOT_SAID,
        languages=(NOT_SAID,),
        values=(Value(value=NOT_SAID, why=NOT_SAID),),
        speech=Speech(directness="mixed", formality="mixed", manner=NOT_SAID),
        norms=(custom, custom, custom),
        scope="Everybody: no card is behind what a model says without a talk.",
        speaks=culture.languages,
        nobody=True,
    )


# --- the plan ------------------------------------------------------------------------------------------


def plan(edition: Edition) -> Plan:
    """Return the dialogues of a mine: one for each topic and culture, then one for each question and culture.

    Raises:
        UsageError: if nothing is left to ask, or too much.
    """
    scenario, mining = edition.scenario, mining_of(edition.scenario)
    castings: list[Casting] = []
    skipped: list[Skip] = []
    cultures = [edition.culture(key) for key in scenario.cultures]
    questions = [seed for seed in scenario.seeds if seed.item]
    if (most := (len(questions) + len(mining.topics)) * len(cultures)) > MOST:
        raise UsageError(f"{most:,} questions and topics are too many for one run ({MOST:,}); make several")

    def add(seed: Seed, people: Sequence[Participant]) -> None:
        castings.append(Casting(number=len(castings) + 1, seed=seed, participants=tuple(people)))

    for topic in mining.topics:
        for culture in cultures:
            seed = edition.seed(topic.seed_key)
            country = country_of(culture, questions) or culture.countries[0]
            if mining.how != "topic" and not scenario.questions_shown(topic.seed_key, country):
                skipped.append(Skip(seed.key, culture.culture, 1, NO_QUESTION))
            else:
                add(seed, [Participant(persona=edition.persona(f"nobody-{culture.culture}-{country.lower()}-1"))])
    for seed in asked_about(questions, mining):
        for culture in cultures:
            if asked_in := country_of(culture, [seed]):
                add(seed, list(answers_in(edition, seed, culture, asked_in)))
            else:
                skipped.append(Skip(seed.key, culture.culture, 1))
    if not castings:
        raise UsageError("nothing to ask: " + "; ".join(str(skip) for skip in skipped[:5]))
    return Plan(tuple(castings), tuple(skipped))


def asked_about(questions: Sequence[Seed], mining: Mining) -> list[Seed]:
    """Return the questions of which rows come: none that is held out, and of norms only where reasonings are wanted."""
    if mining.what == "norms" and not mining.reasons:
        return []
    return [seed for seed in questions if seed.key not in mining.held_out]


def answers_in(edition: Edition, seed: Seed, culture: Culture, country: str) -> Iterator[Participant]:
    """Yield the answers that somebody in a country gave, in the scale's order."""
    assert seed.item is not None
    for number, option in enumerate(seed.item.options, start=1):
        if seed.item.shares[country].get(option.code, 0) > 0:
            persona = edition.persona(f"nobody-{culture.culture}-{country.lower()}-{number}")
            yield Participant(persona=persona, stance=stance(seed.item, option.code))


def mining_of(scenario: Scenario) -> Mining:
    assert scenario.mining is not None  # `edition_for` makes no other
    return scenario.mining


def drawn(casting: Casting, count: int, run_seed: int) -> list[Participant]:
    """Return the answers of so many people in the country, each as often as its share asks for, within one."""
    seed = casting.seed
    assert seed.item is not None
    country = casting.participants[0].persona.home
    by_code = {p.stance.code: p for p in casting.participants if p.stance}
    if not count:
        return []
    return [by_code[code] for code in draw_codes(seed.item.shares[country], count, run_seed, seed.key, country)]


def topics_named(topics: Sequence[Topic], names: Sequence[str]) -> tuple[Topic, ...]:
    """Return the topics of some names or keys; all if none is named.

    Raises:
        UsageError: if there is none of a name.
    """
    if unknown := [name for name in names if name not in {known for t in topics for known in (t.name, t.key)}]:
        raise UsageError(f"--topic {clipped(unknown[0])!r}: there are {', '.join(topic.name for topic in topics)}")
    return tuple(topic for topic in topics if not names or topic.name in names or topic.key in names)


def halved(topics: Sequence[Topic], held_out: Sequence[str]) -> tuple[Topic, ...]:
    """Return each topic as two, of which each has every other question that may be shown.

    What is reasoned or evaluated on a question of the one has the norms of the other, which do not rest on it. A topic
    with a single such question stays as it is.
    """
    halves: list[Topic] = []
    for topic in topics:
        left = [key for key in topic.questions if key not in held_out]
        if len(left) < 2:
            halves.append(topic)
            continue
        for number in (1, 2):
            key = f"{topic.key[:78]}-{number}"
            halves.append(topic.model_copy(update={"key": key, "questions": tuple(left[number - 1 :: 2])}))
    return tuple(halves)


def worded_in(questions: Questions, language: str) -> Questions:
    """Return the questions of which there are words in a language.

    Raises:
        UsageError: if there is no such language, or no question with words in it.
    """
    load_language(language)
    if language == DEFAULT_LANGUAGE:
        return questions
    left = tuple(s for s in questions.seeds if language in s.words and s.words[language].options)
    if not left:
        raise UsageError(f"--language {clipped(language)}: no question of {questions.title} has words in it")
    return Questions(questions.name, questions.title, left, questions.sections)
