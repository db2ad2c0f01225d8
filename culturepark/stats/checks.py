"""What the checks of a run found, and how far its judges agree: one part of `stats`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import fmean
from typing import get_args

from culturepark.domain import DistillPolicy, Heard, JsonObject, Scored
from culturepark.stats.agreement import alpha, shared
from culturepark.store.tables import StatementRow, VerdictRow


def checked(statements: Sequence[StatementRow], verdicts: Sequence[VerdictRow], policy: DistillPolicy) -> JsonObject:
    """Each check that is on, by its criterion; empty if none is.

    Args:
        statements, verdicts: those that count now.
    """
    checks = policy.checks
    if checks is None:
        return {}
    found: JsonObject = {c: of_panel(c, verdicts) for c in get_args(Scored) if getattr(checks, c)}
    if checks.cross_check:
        found["cross-check"] = of_second_personas(statements, verdicts)
    return found


def of_panel(criterion: str, verdicts: Sequence[VerdictRow]) -> JsonObject:
    given: list[tuple[str, str, float]] = []
    by_judge: dict[str, list[float]] = defaultdict(list)
    kept: dict[str, bool] = {}
    for verdict in verdicts:
        if verdict.criterion == criterion:
            kept[verdict.statement_id] = verdict.decision == "keep"
            if verdict.score is not None:
                given.append((verdict.judge or "", verdict.statement_id, verdict.score))
                by_judge[verdict.judge or ""].append(verdict.score)
    return {
        "statements": len(kept),
        "kept": sum(kept.values()),
        "mean_by_judge": {judge: round(fmean(scores), 2) for judge, scores in sorted(by_judge.items())},
        "agreement": {
            "krippendorff_alpha": alpha(given, "interval"),
            "statements": len({statement for _, statement, _ in shared(given)}),
        },
    }


def of_second_personas(statements: Sequence[StatementRow], verdicts: Sequence[VerdictRow]) -> JsonObject:
    dropped = {v.statement_id for v in verdicts if v.decision == "drop"}
    asked = [v for v in verdicts if v.criterion == "cross-check"]
    # What passed all else and was asked nobody had nobody to be asked.
    passed = {v.statement_id for v in verdicts} - dropped - {v.statement_id for v in asked}
    answers = Counter(v.answer or "unparsable" for v in asked)
    return {
        "statements": len(asked),
        "kept": sum(v.decision == "keep" for v in asked),
        "answers": {name: answers[name] for name in (*get_args(Heard), "unparsable") if answers[name]},
        "not_asked": sum(s.id in passed and s.kind != "opinion" for s in statements),
    }
