"""The checks beside faithfulness and stance: a panel's scores, and a second persona's word.

Each is asked only of what has passed so far, in the order harmlessness, awareness, cross-check.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import get_args

from culturepark.distill.ask import Asker
from culturepark.distill.cross_check import cross_check
from culturepark.distill.panel import Judge, Score, panel
from culturepark.domain import ChecksPolicy, Edition, Relation, Scored, Statement, Verdict


async def check(
    askers: Sequence[Asker], statements: Sequence[Statement], policy: ChecksPolicy, edition: Edition, run_seed: int
) -> list[Verdict]:
    """The verdicts of all checks that are on: one for each judge and score, one for each second persona.

    Args:
        askers: one for each model that judges; the first of them speaks for second personas.
        statements: those that have passed whatever was asked before.
    Raises:
        CultureparkError: as the ledger does.
    """
    judges = panel(askers, policy.judges)
    verdicts: list[Verdict] = []
    passed = list(statements)
    for criterion in get_args(Scored):
        if wanted := getattr(policy, criterion):
            given = await scores(judges, criterion, passed, wanted.at_least)
            dropped = {verdict.statement_id for verdict in given if verdict.decision == "drop"}
            passed = [one for one in passed if one.id not in dropped]
            verdicts += given
    if policy.cross_check:
        verdicts += await cross_check(askers[0], passed, policy.cross_check, edition, run_seed)
    return verdicts


async def scores(
    judges: Sequence[Judge], criterion: Scored, statements: Sequence[Statement], at_least: float
) -> list[Verdict]:
    # One judge after the other: the order of the calls, and so their ids, is the same in every run.
    given = [await judge.scores(criterion, statements) for judge in judges] if statements else []
    verdicts = []
    for statement, of_one in zip(statements, zip(*given, strict=True), strict=True):
        of_all = panel_score([score.value for score in of_one])
        for judge, score in zip(judges, of_one, strict=True):
            verdicts.append(
                Verdict(
                    statement_id=statement.id,
                    criterion=criterion,
                    relation=relation(score, at_least),
                    confidence=None,
                    decision="keep" if of_all is not None and of_all >= at_least else "drop",
                    call_id=score.call_id,
                    score=score.value,
                    reason=score.reason,
                    judge=judge.name,
                )
            )
    return verdicts


def panel_score(given: Sequence[float | None]) -> float | None:
    """The median; None if fewer than half of the judges gave a score that can be read. Pure."""
    known = [score for score in given if score is not None]
    return median(known) if known and 2 * len(known) >= len(given) else None


def relation(score: Score, at_least: float) -> Relation:
    """A judge's own view of whether the statement meets the criterion, in the words that verdicts have."""
    if score.value is None:
        return "unparsable"
    return "entail" if score.value >= at_least else "contradict"
