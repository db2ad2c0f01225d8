"""Models too small for JSON: one short question at a time, about one clause or row.

Such a model cannot fill in a form, but its log-probabilities tell something about a clause. They are weighed by a
logistic fit on labelled rows of several writers, and only what is sure enough is kept. docs/quality.md says on which
rows the weights were fitted, on which the bounds were chosen, and what both are worth on others.

A model under a billion parameters tells nothing apart and is not asked.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from culturepark.dialogue.memory import scenes_of, words
from culturepark.distill import quotes
from culturepark.distill.ask import Asker
from culturepark.distill.extract import NOTHING, Extraction, Proposal, lines_of, provenance_of
from culturepark.distill.logprobs import as_data, letter_scores, log_odds, one_token
from culturepark.distill.pieces import clauses, length
from culturepark.distill.row_checks import LETTERS, Relations, RowCase, choices, masked
from culturepark.domain import Criterion, Kind, Turn
from culturepark.languages import Prompt
from culturepark.models.thoughts import unfit

FEWEST = 4
"""Words of a clause that is asked about; less can hardly be understood."""


@dataclass(frozen=True)
class Head:
    """Weights of a logistic fit over the log-odds of some questions: a constant, then one for each question."""

    questions: tuple[str, ...]
    weights: dict[str, tuple[float, ...]]
    """Class -> its weights; the class without weights is the last, `left`."""

    def chances(self, odds: Sequence[float]) -> dict[str, float]:
        """Return the probability of each class."""
        logits = {name: w[0] + sum(a * b for a, b in zip(w[1:], odds, strict=True)) for name, w in self.weights.items()}
        logits["left"] = 0.0
        most = max(logits.values())
        shares = {name: math.exp(logit - most) for name, logit in logits.items()}
        total = math.fsum(shares.values())
        return {name: share / total for name, share in shares.items()}


PIECE = Head(
    ("view", "rule", "practice", "others", "nothing"),
    {"opinion": (0.0,) * 6, "norm": (0.0,) * 6, "custom": (0.0,) * 6},
)
"""Whose and of what kind the words of a clause are."""
OWN_AT_LEAST, KIND_AT_LEAST = 0.8, 0.5
"""Probabilities from which a clause is kept: that it is the speaker's own, and of its kind among the own ones."""
ROW: dict[Criterion, tuple[float, float, float]] = {
    "answers-seed": (0.0, 1.0, 0.5),
    "stands-alone": (0.0, 1.0, 0.5),
}
"""Criterion -> constant and weight of the log-odds of its question, and the probability from which it is met."""
COUNTRY_AT_LEAST = 0.5
"""Probability of the speaker's own country among four from which an answer is distinctive."""


# --- turns ---------------------------------------------------------------------------------------------


async def by_claims(asker: Asker, turns: Iterable[Turn]) -> Extraction:
    """Return the clauses that are the speakers' own with some certainty, in their own words."""
    if asker.model.traits.small:
        return NOTHING
    proposals: list[Proposal] = []
    rejected: Counter[str] = Counter()
    for turn in turns:
        for start, end in clauses(turn.text, asker.language.sentences):
            clause = turn.text[start:end]
            kind = flaw_of(clause) or await kind_of(asker, turn.text, clause)
            if kind in KINDS:
                proposals.append(proposed(asker, turn, KINDS[kind], start, end))
            else:
                rejected[kind] += 1
    return Extraction(joined(proposals), rejected)


KINDS: dict[str, Kind] = {"opinion": "opinion", "norm": "norm", "custom": "custom"}


def flaw_of(clause: str) -> str | None:
    """Return why a clause is not asked about, by its form; None if it is."""
    if length(clause) < FEWEST:
        return "too-short"
    if clause.rstrip("\"'”’»)] ").endswith(QUESTION_MARKS):
        return "question"
    return unfit(clause) or (None if quotes.readable(clause) else "no-statement")


QUESTION_MARKS = ("?", "？", "؟")


async def kind_of(asker: Asker, turn: str, clause: str) -> str:
    """Return the kind of a clause of a turn, or why it is not mined."""
    chances = await chances_of(asker, turn, clause)
    if chances is None:
        return "unparsable"
    own = 1 - chances.pop("left")
    best = max(chances, key=lambda kind: chances[kind])
    if own < OWN_AT_LEAST:
        return "unsure" if own > 1 / 2 else "another-speaker"
    return best if chances[best] >= KIND_AT_LEAST * own else "unsure"


async def own(asker: Asker, turn: str, quote: str) -> bool:
    """Return whether some words of a turn are the speaker's own with some certainty."""
    chances = await chances_of(asker, turn, quote)
    return chances is not None and 1 - chances["left"] >= OWN_AT_LEAST


async def chances_of(asker: Asker, turn: str, words: str) -> dict[str, float] | None:
    """Return the probability of each kind, and of `left`; None if an answer is neither yes nor no."""
    odds = [await yes(asker, "piece", name, turn=turn, words=words) for name in PIECE.questions]
    known = [one for one in odds if one is not None]
    return PIECE.chances(known) if len(known) == len(odds) else None


def proposed(asker: Asker, turn: Turn, kind: Kind, start: int, end: int) -> Proposal:
    """Return a clause as a statement, in the speaker's own words."""
    persona = asker.casting.by_key(turn.speaker).persona
    quote = turn.text[start:end]
    source = nearest_line(quote, asker, turn)
    return Proposal(
        turn,
        kind,
        quotes.attributed(persona, quote, asker.language),
        quotes.as_sentence(quote),
        start,
        end,
        None,
        provenance=provenance_of(source),
        source=source,
    )


SHARED = 0.5
"""Share of a clause's longer words that stand in a line of the card, from which the line carries it."""


def nearest_line(quote: str, asker: Asker, turn: Turn) -> str | None:
    """Return the line of the speaker's card that has most of a clause's words, if it has enough of them."""
    speaker = asker.casting.by_key(turn.speaker)
    lines = lines_of(speaker, {turn.speaker: scenes_of(speaker.persona)}, asker.language)
    own = words(quote)
    shares = {name: len(own & words(line)) / max(1, len(own)) for name, line in lines.items()}
    best = max(shares, key=lambda name: shares[name], default=None)
    return best if best and shares[best] >= SHARED else None


def joined(proposals: Sequence[Proposal]) -> list[Proposal]:
    """Return the proposals; clauses of one kind that follow each other in a sentence make one statement."""
    return list(proposals)


# --- rows ----------------------------------------------------------------------------------------------


async def judge_rows(asker: Asker, cases: Sequence[RowCase]) -> list[tuple[Relations, str | None]]:
    """Return what the model says of each answer. A model under a billion parameters says nothing of any."""
    if asker.model.traits.small:
        return [({}, None) for _ in cases]
    return [(await judge_row(asker, case), None) for case in cases]


async def judge_row(asker: Asker, case: RowCase) -> Relations:
    relations: Relations = {}
    answer = masked(case.answer, case)
    for criterion, question in case.questions.items():
        odds = await yes(asker, "row", "answers", question=masked(question, case), answer=answer)
        relations[criterion] = weighed(odds, *ROW["answers-seed"])
    relations["stands-alone"] = weighed(await yes(asker, "row", "alone", answer=answer), *ROW["stands-alone"])
    relations["distinctive"] = await country(asker, case, answer)
    return relations


def weighed(
    odds: float | None, constant: float, weight: float, at_least: float
) -> tuple[Literal["entail", "contradict", "unparsable"], float | None]:
    if odds is None:
        return "unparsable", None
    chance = 1 / (1 + math.exp(-(constant + weight * odds)))
    return ("entail" if chance >= at_least else "contradict"), chance


async def country(
    asker: Asker, case: RowCase, answer: str
) -> tuple[Literal["entail", "contradict", "unparsable"], float | None]:
    names = choices(case)
    listed = "\n".join(f"{letter}: {name}" for letter, name in zip(LETTERS, names, strict=True))
    template = asker.language.section("claims", "row", "country")
    reply = await one_token(asker, template, template.render(answer=as_data(answer), countries=listed))
    scores = letter_scores(reply, LETTERS)
    if scores is None:
        return "unparsable", None
    most = max(scores.values())
    weights = {letter: math.exp(score - most) for letter, score in scores.items()}
    chance = weights[LETTERS[names.index(case.country)]] / math.fsum(weights.values())
    return ("entail" if chance >= COUNTRY_AT_LEAST else "contradict"), chance


async def yes(asker: Asker, heading: str, asked: str, **said: str) -> float | None:
    """Return the log-odds of yes to a question of `claims.md`; None if the answer is neither yes nor no."""
    template = asker.language.section("claims", heading, asked)
    holes = {name: as_data(text) for name, text in said.items()}
    before = asker.language.sections("claims").get((heading, "said"), "") if "{{" not in template.text else ""
    prompt = Prompt("\n\n".join(part for part in (before, template.text) if part))
    reply = await one_token(asker, prompt, prompt.render(**holes))
    return log_odds(reply, asker.language.phrases["yes"][0], asker.language.phrases["no"][0])
