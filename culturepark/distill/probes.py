"""Asks models about a talk to measure it. The right answer was dealt, or the person itself has given it.

`stance`: a judge who sees what was said aloud, and nothing else, guesses the answer that each person was dealt.
`understanding`: each person chooses what to do in a situation that was not talked about, from the card alone. A reader
predicts these choices, first from the introductions and then from the whole talk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from culturepark.dialogue.phrasing import about
from culturepark.dialogue.stance import shuffled, unit
from culturepark.distill.ask import Asker, Item, TooMuch, only_once
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    Casting,
    JsonObject,
    Measure,
    ModelRole,
    Participant,
    Persona,
    Scenario,
    Situation,
    SurveyItem,
    Turn,
)
from culturepark.languages import Language, Prompt, load_language

ROLES: dict[Measure, tuple[ModelRole, ...]] = {"stance": ("verifier",), "understanding": ("verifier", "speaker")}
"""The models that a measure asks."""
PROMPTS: dict[Measure, str] = {"stance": "probe-stance", "understanding": "probe-understanding"}
"""The prompts of those who know what was said."""
JUDGE, READER = "judge", "reader"
INTRODUCTIONS = "opening"
"""The phase that a reader knows `before` the talk."""
ANSWER_TOKENS, TOKENS_A_PERSON = 100, 90
Moment = Literal["own", "before", "after"]


@dataclass(frozen=True)
class Probe:
    """One answer, as the table `probe` holds it."""

    kind: Measure
    moment: Moment
    about: str
    """Key of the person whose answer it is about."""
    by: str
    """`judge`, `reader`, or the person's own key."""
    choice: int | None
    """A code of the survey item, or the number of a situation's choice from 1; None if it cannot be read."""
    truth: int | None
    options: int
    chance: float | None
    """Probability (0-1) of being right without the talk."""
    call_id: str | None


@dataclass(frozen=True)
class Ballot:
    """Answers to choose from, in the order in which somebody is shown them."""

    codes: tuple[int, ...]
    texts: tuple[str, ...]

    @classmethod
    def scale(cls, item: SurveyItem, *parts: object) -> Ballot:
        """Return an item's scale from one of its two ends, by a hash: a scale in disorder is hard to read."""
        options = item.options if unit("scale", *parts) < 0.5 else item.options[::-1]
        return cls(tuple(o.code for o in options), tuple(o.label for o in options))

    @classmethod
    def choices(cls, situation: Situation, *parts: object) -> Ballot:
        """Return a situation's choices, numbered from 1 as they stand there, in an order hashed from the parts.

        Whoever likes the first of a list best would otherwise seem to understand others who do so too.
        """
        order = shuffled(len(situation.choices), "choices", *parts)
        return cls(tuple(i + 1 for i in order), tuple(situation.choices[i].text for i in order))

    @property
    def shown(self) -> list[JsonObject]:
        return [{"number": number, "text": text} for number, text in enumerate(self.texts, start=1)]

    def code(self, number: int | None) -> int | None:
        """Return the code of the answer that was shown under a number; None if there was none."""
        return self.codes[number - 1] if number and 0 < number <= len(self.codes) else None


def wanted(scenario: Scenario, casting: Casting) -> list[Measure]:
    """Return the measures of a scenario that can be asked about a dialogue. Pure."""
    possible: dict[Measure, bool] = {
        "stance": any(p.stance for p in casting.participants),
        "understanding": casting.untold_situation is not None,
    }
    return [measure for measure in possible if possible[measure] and measure in scenario.measure]


def calls(measure: Measure, casting: Casting) -> dict[ModelRole, int]:
    """Return the number of calls that a measure takes for one dialogue, by the role that is asked. Pure."""
    counts: dict[Measure, dict[ModelRole, int]] = {
        "stance": {"verifier": 1},
        "understanding": {"verifier": 2, "speaker": len(casting.participants)},
    }
    return counts[measure]


async def probe(
    measure: Measure, askers: Mapping[ModelRole, Asker], turns: Sequence[Turn], run_seed: int
) -> list[Probe]:
    """
    Args:
        askers: one for each role in `ROLES`.
        turns: the whole talk.
    """
    ask = {"stance": stances, "understanding": understanding}
    return await ask[measure](askers, turns, run_seed)


async def stances(askers: Mapping[ModelRole, Asker], turns: Sequence[Turn], run_seed: int) -> list[Probe]:
    """Return the judge's guess at the answer of everybody who was dealt one and has said something."""
    judge = askers["verifier"]
    casting, item = judge.casting, judge.casting.seed.item
    heard = {turn.speaker for turn in turns}
    dealt = {p.persona.key: p.stance.code for p in casting.participants if p.stance}
    people = [p for p in casting.participants if p.persona.key in dealt.keys() & heard]
    if item is None or not people:
        return []
    ballot = Ballot.scale(item, run_seed, casting.number)
    material = {"question": item.question, **talk_material(judge, people, ballot, turns)}
    answers = await guesses(judge, PROMPTS["stance"], "stances", material, people, ballot)
    return [
        Probe(
            kind="stance",
            moment="after",
            about=person.persona.key,
            by=JUDGE,
            choice=choice,
            truth=dealt[person.persona.key],
            options=len(item.options),
            chance=best_blind_guess(item, person.persona),
            call_id=call_id,
        )
        for person, (choice, call_id) in zip(people, answers, strict=True)
    ]


def best_blind_guess(item: SurveyItem, persona: Persona) -> float:
    """Return how often one is right who always names the commonest answer of the person's country.

    A random guess would be right less often, and would make a judge who only knows the country look clever.
    """
    shares = item.shares.get(persona.country or "", {})
    return max(shares.values()) / sum(shares.values()) if shares else 1 / len(item.options)


async def understanding(askers: Mapping[ModelRole, Asker], turns: Sequence[Turn], run_seed: int) -> list[Probe]:
    """Return each person's own choice in a new situation, and a reader's predictions before and after the talk."""
    reader, speaker = askers["verifier"], askers["speaker"]
    casting = reader.casting
    situation = casting.untold_situation
    if situation is None:
        return []
    people, count = casting.participants, len(situation.choices)
    probes = []
    for person in people:
        key = person.persona.key
        choice, call_id = await own_choice(speaker, person, situation, run_seed)
        probes.append(Probe("understanding", "own", key, key, choice, None, count, None, call_id))
    truths = [own.choice for own in probes]
    # The same order both times, so that only the talk makes a difference.
    ballot = Ballot.choices(situation, run_seed, casting.number, READER)
    moments: dict[Moment, Sequence[Turn]] = {
        "before": [turn for turn in turns if turn.phase == INTRODUCTIONS],
        "after": turns,
    }
    for moment, known in moments.items():
        material = {"situation": case(situation), **talk_material(reader, people, ballot, known)}
        answers = await guesses(reader, PROMPTS["understanding"], "predictions", material, people, ballot)
        for person, truth, (choice, call_id) in zip(people, truths, answers, strict=True):
            about_key = person.persona.key
            probes.append(Probe("understanding", moment, about_key, READER, choice, truth, count, 1 / count, call_id))
    return probes


def talk_material(asker: Asker, people: Sequence[Participant], ballot: Ballot, turns: Sequence[Turn]) -> JsonObject:
    return {
        "options": ballot.shown,
        "people": [{"id": number, "name": p.persona.called} for number, p in enumerate(people, start=1)],
        "talk": aloud(turns, asker.casting, asker.language),
    }


def aloud(turns: Sequence[Turn], casting: Casting, language: Language) -> list[JsonObject]:
    """Return what everybody at the table has heard: who spoke, and the words. No card, reason or mark is in it."""
    names = {p.persona.key: p.persona.called for p in casting.participants}
    others = {"moderator": language.frame("moderator").text, "user": language.frame("visitor").text}
    return [{"speaker": names.get(turn.speaker) or others[turn.role], "text": turn.text} for turn in turns]


def case(situation: Situation) -> JsonObject:
    """Return a situation without its choices."""
    return situation.model_dump(exclude={"choices"})


Chosen = tuple[int | None, str | None]
"""Code of the answer, None if it cannot be read; and the call's id."""


class Guess(Item):
    # In this order: a choice that comes after its reason follows from it.
    reason: str
    option: int


class Guesses(BaseModel):
    people: list[Guess]


async def guesses(
    asker: Asker, prompt: str, name: str, material: JsonObject, people: Sequence[Participant], ballot: Ballot
) -> list[Chosen]:
    """Return one guess about each of the people, in their order.

    Args:
        prompt: the file's name.
        name: of the schema.
    """
    limit = ANSWER_TOKENS + TOKENS_A_PERSON * len(people)
    try:
        answer, reply = await asker.json(asker.language.prompt(prompt), material, Guesses, name=name, max_tokens=limit)
    except TooMuch as much:  # a talk in parts would be another talk
        return [(None, much.call_id)] * len(people)
    given = only_once(answer.people if answer else [])
    call_id = reply.call_id if reply else None
    return [(ballot.code(given[n].option) if n in given else None, call_id) for n in range(1, len(people) + 1)]


class Own(BaseModel):
    reason: str
    option: int


async def own_choice(asker: Asker, person: Participant, situation: Situation, run_seed: int) -> Chosen:
    """Return what a person would do, from the card and the own answer alone: no talk has changed it."""
    casting, seed = asker.casting, asker.casting.seed
    ballot = Ballot.choices(situation, run_seed, casting.number, person.persona.key)
    stance = {"question": seed.question, "own_answer": person.stance.text} if person.stance else {}
    material = {**stance, "situation": case(situation), "options": ballot.shown}
    try:
        answer, reply = await asker.json(
            card_of(person.persona, asker.language),
            material,
            Own,
            name="choice",
            max_tokens=ANSWER_TOKENS + TOKENS_A_PERSON,
        )
    except TooMuch as much:
        return None, much.call_id
    return ballot.code(answer.option if answer else None), reply.call_id if reply else None


def card_of(persona: Persona, language: Language) -> Prompt:
    """Return the person's card with the request for a choice. A card of the talk would ask for spoken sentences."""
    household = language.frame("household").render(household=persona.household) if persona.household else ""
    values = about(persona, load_language(DEFAULT_LANGUAGE), small=False) | {"household": household}
    return Prompt(language.prompt("probe-own").render(**values))
