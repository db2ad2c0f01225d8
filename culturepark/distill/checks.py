"""The checks beside faithfulness and stance: scores by a panel of judges, and a cross-check by a second persona.

Each is asked only of statements that passed the ones before: harmlessness, awareness, cross-check.

The same model asked the same thing again would only repeat itself. So the judges of a panel differ in their briefs, in
the end of the scale and of the list that they see first, and in their models if several are named.

A cross-check puts a norm or custom to another persona of the same culture, who did not hear it told. It is the same
kind of model under another card, so the answer shows how consistent the cards and the model are, and is no evidence
about people.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Generic, Literal, TypeVar, get_args

from culturepark.dialogue.phrasing import about
from culturepark.dialogue.stance import shuffled
from culturepark.distill import logprobs
from culturepark.distill.ask import Asker, Item, as_reason, each
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    Casting,
    ChecksPolicy,
    CrossCheckPolicy,
    Edition,
    Heard,
    Persona,
    Relation,
    Scored,
    Statement,
    Verdict,
)
from culturepark.errors import UsageError
from culturepark.files import clipped
from culturepark.languages import Prompt, load_language
from culturepark.models.chat import Reply
from culturepark.models.filter import Text
from culturepark.models.filter_judge import ratings_in, request_for

BRIEFS = ("neighbour", "anthropologist", "editor")
FILTERS = ("filter", "filter 2", "filter 3")
"""Names of judges that are filters."""
SCORES_A_CALL, TOKENS_A_SCORE = 4, 90
"""A weak judge carries its score from one item of a call to the next; with eight it was seen to do so throughout."""
NORMS_A_CALL, TOKENS_A_NORM = 8, 80
DIGITS = "12345"
LETTERS: dict[str | None, Heard] = {"A": "shared", "B": "varies", "C": "unknown", "D": "denied"}
RELATIONS: dict[Heard, Relation] = {
    "shared": "entail", "varies": "entail", "unknown": "irrelevant", "denied": "contradict",
}  # fmt: skip

Value = TypeVar("Value")


@dataclass(frozen=True)
class Assessment(Generic[Value]):
    """A judge's score (1 to 5) of a statement, or a second persona's answer about it."""

    value: Value | None
    """None if it cannot be read."""
    reason: str | None
    call_id: str | None
    confidence: float | None = None


async def check(
    askers: Sequence[Asker], statements: Sequence[Statement], policy: ChecksPolicy, edition: Edition, run_seed: int
) -> list[Verdict]:
    """Return the verdicts of all checks that are on: one for each judge and criterion, one for each second persona.

    Args:
        askers: one for each model that judges; the first of them that can speak does so for second personas.
        statements: those that have passed verification.
    Raises:
        UsageError: if the only judges are filters that cannot do what is checked.
    """
    judges = panel(askers, policy.judges)
    verdicts: list[Verdict] = []
    passed = list(statements)
    for criterion in get_args(Scored):
        if wanted := getattr(policy, criterion):
            able = [judge for judge in judges if judge.can_rate(criterion)]
            if not able:
                raise UsageError(
                    f"distill.checks.{criterion}: {clipped(askers[0].model.spec)} gives no such scores, only "
                    f"{', '.join(askers[0].model.traits.rates)}; one more --role judge=SPEC, or leave the check out"
                )
            given = await panel_verdicts(able, criterion, passed, wanted.at_least)
            dropped = {verdict.statement_id for verdict in given if verdict.decision == "drop"}
            passed = [statement for statement in passed if statement.id not in dropped]
            verdicts += given
    if policy.cross_check:
        speaking = [asker for asker in askers if not asker.model.traits.rates]
        if not speaking:
            raise UsageError(
                f"distill.checks.cross_check: {clipped(askers[0].model.spec)} is a filter and cannot speak for a "
                "second persona; one more --role judge=SPEC, or leave the check out"
            )
        verdicts += await cross_check(speaking[0], passed, policy.cross_check, edition, run_seed)
    return verdicts


# --- a panel -------------------------------------------------------------------------------------------


class GivenScore(Item):
    # In this order: a score that comes after its reason follows from it.
    reason: str
    score: Literal[1, 2, 3, 4, 5]


@dataclass(frozen=True)
class Judge:
    name: str
    """The heading of its brief; of a filter, one of `FILTERS`."""
    asker: Asker
    backwards: bool
    """Sees scale and list from the other end."""

    def can_rate(self, criterion: Scored) -> bool:
        rates = self.asker.model.traits.rates
        return not rates or criterion in rates

    async def scores(self, criterion: Scored, statements: Sequence[Statement]) -> list[Assessment[float]]:
        """Return a score for each statement."""
        if self.asker.model.traits.rates:
            return await self._by_filter(criterion, statements)
        ordered = list(reversed(statements)) if self.backwards else list(statements)
        by_digit = self.asker.model.traits.labels
        given = await (self._by_digit if by_digit else self._with_reasons)(criterion, ordered)
        return given[::-1] if self.backwards else given

    async def _with_reasons(self, criterion: Scored, statements: Sequence[Statement]) -> list[Assessment[float]]:
        answers = await each(
            self.asker,
            Prompt(self.asker.language.prompt("score").render(**self._parts(criterion))),
            [{"country": self._country(s), "kind": s.kind, "text": s.first_person} for s in statements],
            GivenScore,
            name="scores",
            items_a_call=SCORES_A_CALL,
            tokens_an_item=TOKENS_A_SCORE,
        )
        return [
            Assessment(float(answer.score) if answer else None, as_reason(answer.reason) if answer else None, call_id)
            for answer, call_id in answers
        ]

    async def _by_filter(self, criterion: Scored, statements: Sequence[Statement]) -> list[Assessment[float]]:
        """Ask a filter, which needs no brief and gives no reason. It rates the words alone, as rows are trained on."""
        texts = [
            Text(
                statement.first_person,
                language=statement.worded_in,
                culture=self.asker.casting.by_key(statement.persona_key).persona.culture,
            )
            for statement in statements
        ]
        reply = await self.asker.send(
            request_for(criterion, 1, 5, texts), self.asker.language.section("scales", criterion, "scale")
        )
        return [Assessment(rating, None, reply.call_id) for rating in ratings_in(reply)]

    async def _by_digit(self, criterion: Scored, statements: Sequence[Statement]) -> list[Assessment[float]]:
        """Ask a model too small for JSON for one digit; its rivals tell the probability of each score."""
        template, parts = self.asker.language.prompt("score-small"), self._parts(criterion)
        question = Prompt(parts.pop("question"))
        prompts = [
            template.render(
                **parts,
                question=question.render(country=self._country(statement)),
                country=self._country(statement),
                text=logprobs.as_data(statement.first_person),
            )
            for statement in statements
        ]
        replies = await logprobs.replies_to(self.asker, template, [("", prompt) for prompt in prompts])
        return [Assessment(score_in(reply), None, reply.call_id) for reply in replies]

    def _parts(self, criterion: Scored) -> dict[str, str]:
        def part(name: str) -> str:
            return self.asker.language.section("scales", criterion, name).text

        scale = part("scale").splitlines()
        return {
            "brief": self.asker.language.section("judges", self.name, "brief").text,
            "what": part("what"),
            "scale": "\n".join(reversed(scale) if self.backwards else scale),
            "question": part("question"),
        }

    def _country(self, statement: Statement) -> str:
        return self.asker.casting.by_key(statement.persona_key).persona.country_name


def panel(askers: Sequence[Asker], size: int) -> list[Judge]:
    """
    Args:
        askers: one for each model; they take turns. A filter has one seat, since it would only repeat itself.
    """
    filters = [asker for asker in askers if asker.model.traits.rates]
    others = [asker for asker in askers if not asker.model.traits.rates]
    seats = size - len(filters) if others else 0
    judges = [Judge(BRIEFS[n], others[n % len(others)], backwards=n % 2 == 1) for n in range(seats)]
    return judges + [Judge(FILTERS[n], asker, backwards=False) for n, asker in enumerate(filters)]


async def panel_verdicts(
    judges: Sequence[Judge], criterion: Scored, statements: Sequence[Statement], at_least: float
) -> list[Verdict]:
    # One judge after the other: the order of the calls, and so their ids, is the same in every run.
    given = [await judge.scores(criterion, statements) for judge in judges] if statements else []
    verdicts = []
    for statement, scores in zip(statements, zip(*given, strict=True), strict=True):
        common = panel_score([score.value for score in scores])
        for judge, score in zip(judges, scores, strict=True):
            verdicts.append(
                Verdict(
                    statement_id=statement.id,
                    criterion=criterion,
                    relation=relation(score.value, at_least),
                    confidence=None,
                    decision="keep" if common is not None and common >= at_least else "drop",
                    call_id=score.call_id,
                    score=score.value,
                    reason=score.reason,
                    judge=judge.name,
                )
            )
    return verdicts


def panel_score(scores: Sequence[float | None]) -> float | None:
    """Return the median; None if fewer than half of the judges gave a score that can be read. Pure."""
    known = [score for score in scores if score is not None]
    return median(known) if known and 2 * len(known) >= len(scores) else None


def relation(score: float | None, at_least: float) -> Relation:
    """Return one judge's score as a relation: `entail` if the statement meets the criterion."""
    if score is None:
        return "unparsable"
    return "entail" if score >= at_least else "contradict"


def score_in(reply: Reply) -> float | None:
    """Return the expected score; without log-probabilities, the digit that was answered."""
    scores = logprobs.letter_scores(reply, DIGITS)
    if scores is not None:
        return expected(scores)
    digit = "" if reply.withheld else reply.text.strip()[:1]
    return float(digit) if digit and digit in DIGITS else None


def expected(logprobs: Mapping[str, float]) -> float:
    """Return the mean of 1 to 5, weighted with their probabilities.

    It is not calibrated over the batch, as letters are: the bound for scores is fixed, and all statements of a dialogue
    may well be harmless.
    """
    most = max(logprobs.values())
    weights = {digit: math.exp(logprob - most) for digit, logprob in logprobs.items()}
    mean = math.fsum(int(digit) * weight for digit, weight in weights.items()) / math.fsum(weights.values())
    return round(mean, 4)


# --- a second persona ----------------------------------------------------------------------------------


class SecondWord(Item):
    words: str
    answer: Heard


def second(edition: Edition, casting: Casting, speaker: Persona, run_seed: int) -> Persona | None:
    """Return a persona of the speaker's culture (and country, if there is one) who does not sit there. Pure."""
    seated = {participant.persona.key for participant in casting.participants}
    others = [p for p in edition.personas if p.culture == speaker.culture and p.key not in seated]
    near = [p for p in others if p.country == speaker.country] or others
    # Going round by the dialogue's number would, with as many cultures as people, come to the same person every time.
    order = shuffled(len(near), "second", run_seed, speaker.culture, casting.number)
    return near[order[0]] if near else None


def alone(edition: Edition, castings: Iterable[Casting], run_seed: int) -> list[Persona]:
    """Return the speakers for whom there is no second persona, each once. Pure."""
    people = {
        person.persona.key: person.persona
        for casting in castings
        for person in casting.participants
        if second(edition, casting, person.persona, run_seed) is None
    }
    return list(people.values())


async def cross_check(
    asker: Asker, statements: Sequence[Statement], policy: CrossCheckPolicy, edition: Edition, run_seed: int
) -> list[Verdict]:
    """Return a verdict on each norm and custom for whose speaker there is a second persona."""
    norms_for: dict[str, tuple[Persona, list[Statement]]] = {}
    for statement in statements:
        speaker = asker.casting.by_key(statement.persona_key).persona
        if statement.kind != "opinion" and (person := second(edition, asker.casting, speaker, run_seed)):
            norms_for.setdefault(person.key, (person, []))[1].append(statement)
    verdicts = []
    for person, norms in norms_for.values():
        ask = by_letter if asker.model.traits.labels else in_own_words
        for norm, answer in zip(norms, await ask(asker, person, norms), strict=True):
            verdicts.append(
                Verdict(
                    statement_id=norm.id,
                    criterion="cross-check",
                    relation=RELATIONS[answer.value] if answer.value else "unparsable",
                    confidence=answer.confidence,
                    decision="keep" if answer.value in policy.keep else "drop",
                    call_id=answer.call_id,
                    answer=answer.value,
                    reason=answer.reason,
                    judge=person.key,
                )
            )
    return verdicts


async def in_own_words(asker: Asker, person: Persona, norms: Sequence[Statement]) -> list[Assessment[Heard]]:
    answers = await each(
        asker,
        Prompt(
            asker.language.prompt("cross-check").render(**about(person, load_language(DEFAULT_LANGUAGE), small=False))
        ),
        [{"kind": norm.kind, "text": norm.text} for norm in norms],
        SecondWord,
        name="cross_check",
        items_a_call=NORMS_A_CALL,
        tokens_an_item=TOKENS_A_NORM,
    )
    return [
        Assessment(answer.answer if answer else None, as_reason(answer.words) if answer else None, call_id)
        for answer, call_id in answers
    ]


async def by_letter(asker: Asker, person: Persona, norms: Sequence[Statement]) -> list[Assessment[Heard]]:
    def part(name: str) -> Prompt:
        return asker.language.section("cross-check-small", "small", name)

    card, question = part("card").render(**about(person, load_language(DEFAULT_LANGUAGE), small=True)), part("question")
    questions = [
        (card, question.render(country=person.country_name, text=logprobs.as_data(norm.text))) for norm in norms
    ]
    replies = await logprobs.replies_to(asker, question, questions)
    # Not calibrated over the batch: everybody may well share all norms of a dialogue.
    choices = [logprobs.decide(logprobs.letter_scores(reply, "ABCD"), reply, "ABCD") for reply in replies]
    return [Assessment(LETTERS.get(choice.letter), None, choice.call_id, choice.confidence) for choice in choices]
