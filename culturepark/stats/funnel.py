"""Counts of a run from turns to samples, and the figures of its checks and calls. Read-only.

The database adds up, so that a run of any size can be counted.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any, get_args

import sqlalchemy
from sqlmodel import col, func, or_, select

from culturepark.distill.paraphrase import key
from culturepark.distill.row_checks import LETTERS
from culturepark.domain import DistillPolicy, Edition, Heard, Provenance, Scored
from culturepark.glossary import ROW_QUESTIONS
from culturepark.stats.agreement import alpha, shared
from culturepark.stats.diversity import wilson
from culturepark.stats.figures import (
    Answered,
    Calls,
    Checks,
    Counts,
    CrossCheck,
    Endpoint,
    Funnel,
    Origins,
    OriginsBy,
    PanelCheck,
    Provenances,
    RenderingCounts,
    RowQuestion,
    RowQuestions,
    Samples,
    ScoreAgreement,
    Statements,
    Tokens,
    Turns,
)
from culturepark.store.exports import Look
from culturepark.store.integrity import PAGE, edition_of, hangs_on, of_columns
from culturepark.store.lineage import of_run
from culturepark.store.store import Store, counting
from culturepark.store.tables import (
    BatchRow,
    CallRow,
    DialogueRow,
    DuplicateRow,
    RunRow,
    SampleRow,
    StatementRenderingRow,
    StatementRow,
    TurnRow,
    VerdictRow,
)

UNKNOWN = "unknown"
"""Where nobody has looked where the content comes from."""
NULLS = {"distinctive": 1 / len(LETTERS)}
"""Criterion -> the share that guessing would have."""
UNHEARD = ("interrupted:", "cancelled:")
"""Beginnings of the errors of calls that were sent and then given up; they may have been billed."""


def repeats(look: Look, run_id: str) -> Counts:
    """Count the duplicates within a run by method."""
    method = col(DuplicateRow.method)
    query = sqlalchemy.select(method, func.count()).where(hangs_on(col(DuplicateRow.statement_id), run_id))
    return summed(of_columns(look.execute(query.group_by(method))))


def rendered_of(look: Look, run_id: str) -> RenderingCounts | None:
    """Count the statements of a run that were put into English; None if none was."""
    below = hangs_on(col(StatementRenderingRow.statement_id), run_id)
    query = sqlalchemy.select(col(StatementRenderingRow.agrees), func.count()).where(below)
    rows = look.execute(query.group_by(col(StatementRenderingRow.agrees))).all()
    counts = {row[0]: row[1] for row in rows}
    if not counts:
        return None
    made, unknown = sum(counts.values()), counts.get(None, 0)
    return RenderingCounts(made=made, compared=made - unknown, agreed=counts.get(True, 0))


def funnel(look: Look, run: RunRow) -> Funnel:
    of_this_run = col(DialogueRow.run_id) == run.id
    is_reworded = col(StatementRow.rewritten_from).is_not(None)

    def counts_of(query: Any, *by: Any) -> list[Any]:
        return of_columns(look.execute(query.where(of_this_run).add_columns(*by, func.count()).group_by(*by)))

    turns_of_run = sqlalchemy.select().select_from(TurnRow).join(DialogueRow)
    statements_of_run = sqlalchemy.select().select_from(StatementRow).join(TurnRow).join(DialogueRow)
    statements_of_run = statements_of_run.where(counting(run))
    verdicts_of_run = statements_of_run.join(VerdictRow).where(col(VerdictRow.round) == run.verify_round)

    dialogues: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for row in look.exec(select(DialogueRow).where(of_this_run).execution_options(yield_per=PAGE)):
        dialogues[row.status] += 1
        rejected.update(json.loads(row.rejected))
    turns = counts_of(turns_of_run, col(TurnRow.role), col(TurnRow.origin))
    statements = counts_of(
        statements_of_run, col(StatementRow.kind), col(StatementRow.culture), col(StatementRow.provenance)
    )
    kinds = [(row[0], row[-1]) for row in statements]
    ((reworded,),) = counts_of(statements_of_run.where(is_reworded))
    verdicts = counts_of(verdicts_of_run, col(VerdictRow.criterion), col(VerdictRow.relation))
    outcome = (col(SampleRow.status), col(SampleRow.drop_reason), col(SampleRow.kind), col(SampleRow.culture))
    samples = counts_of(of_run(sqlalchemy.select()), *outcome)
    is_kept = col(SampleRow.status) == "kept"
    origins = counts_of(
        of_run(sqlalchemy.select()).where(is_kept),
        col(StatementRow.kind),
        col(SampleRow.culture),
        col(SampleRow.provenance),
    )
    about_rows = counts_of(
        verdicts_of_run.where(col(VerdictRow.criterion).in_(ROW_QUESTIONS)),
        col(VerdictRow.criterion),
        col(StatementRow.persona_key),
        col(VerdictRow.relation),
        col(VerdictRow.decision),
    )
    if about_rows:
        edition = edition_of(run)
        about_rows = [(name, edition.persona(key).home, *outcome) for name, key, *outcome in about_rows]
    kept = [row for row in samples if row[0] == "kept"]
    return Funnel(
        dialogues=summed(dialogues.items()),
        turns=Turns(
            personas=sum(count for role, _, count in turns if role not in ("moderator", "user")),
            moderator={origin: count for role, origin, count in turns if role == "moderator"},
            user=sum(count for role, _, count in turns if role == "user"),
        ),
        statements=Statements(
            total=sum(count for _, count in kinds),
            by_kind=summed(kinds),
            reworded=reworded,
            rejected=dict(sorted(rejected.items())),
            renderings=rendered_of(look, run.id),
        ),
        provenance=Provenances(statements=origins_by(statements), samples=origins_by(origins)),
        verdicts={
            criterion: summed((relation, count) for name, relation, count in verdicts if name == criterion)
            for criterion in sorted({row[0] for row in verdicts})
        },
        row_questions=row_questions(about_rows),
        samples=Samples(
            kept=sum(row[-1] for row in kept),
            answers=distinct_answers(look, run.id),
            dropped=summed((row[1] or "no reason", row[-1]) for row in samples if row[0] != "kept"),
            kept_by_kind=summed((row[2], row[-1]) for row in kept),
            kept_by_culture=summed((row[3], row[-1]) for row in kept),
        ),
    )


def distinct_answers(look: Look, run_id: str) -> int:
    """Count the different texts of the statements with kept samples; what duplicates count as equal is equal here."""
    text = col(StatementRow.first_person)
    query = of_run(sqlalchemy.select(text)).where(col(DialogueRow.run_id) == run_id, col(SampleRow.status) == "kept")
    return len({key(text) or text for (text,) in of_columns(look.execute(query.distinct()))})


def summed(counts: Iterable[Any]) -> Counts:
    """Add up pairs of a name and a count, by name, the highest sum first."""
    totals: Counter[str] = Counter()
    for name, count in counts:
        totals[name] += count
    return dict(sorted(totals.items(), key=lambda pair: (-pair[1], str(pair[0]))))


# --- where it comes from, and the questions about rows ---------------------------------------------


def origins_by(counts: Sequence[tuple[str, str, str | None, int]]) -> OriginsBy:
    """
    Args:
        counts: kind, culture, provenance and number of rows.
    """
    by_kind: dict[str, Counter[str]] = defaultdict(Counter)
    by_culture: dict[str, Counter[str]] = defaultdict(Counter)
    for kind, culture, provenance, count in counts:
        by_kind[kind][provenance or UNKNOWN] += count
        by_culture[culture][provenance or UNKNOWN] += count
    return OriginsBy(
        all=origins(sum(by_kind.values(), Counter())),
        by_kind={kind: origins(of_kind) for kind, of_kind in sorted(by_kind.items())},
        by_culture={culture: origins(of_culture) for culture, of_culture in sorted(by_culture.items())},
    )


def origins(counts: Mapping[str, int]) -> Origins:
    found = {name: counts.get(name, 0) for name in (*get_args(Provenance), UNKNOWN)}
    total = sum(found.values())
    return Origins(**found, shares={name: count / total for name, count in found.items()} if total else {})


def row_questions(counts: Sequence[tuple[str, str, str, str, int]]) -> RowQuestions:
    """
    Args:
        counts: criterion, country, relation, decision and number of verdicts.
    """
    by_criterion: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for criterion, country, relation, decision, count in counts:
        outcome = "unread" if relation == "unparsable" else "kept" if decision == "keep" else "turned_down"
        by_criterion[criterion][country][outcome] += count
    return {
        criterion: RowQuestion(
            **dict(answered(sum(by_criterion[criterion].values(), Counter()))),
            null=NULLS.get(criterion),
            by_country={country: answered(found) for country, found in sorted(by_criterion[criterion].items())},
        )
        for criterion in ROW_QUESTIONS
        if criterion in by_criterion
    }


def answered(counts: Mapping[str, int]) -> Answered:
    kept, turned_down, unread = (counts.get(name, 0) for name in ("kept", "turned_down", "unread"))
    read = kept + turned_down
    low, high = wilson(kept, read) if read else (None, None)
    return Answered(
        asked=read + unread,
        kept=kept,
        turned_down=turned_down,
        unread=unread,
        share=kept / read if read else None,
        low=low,
        high=high,
    )


# --- checks ----------------------------------------------------------------------------------------


def checks_of(store: Store, run: RunRow, edition: Edition, statements: Sequence[StatementRow] | None = None) -> Checks:
    """Return the figures of a run's checks, by criterion.

    Args:
        statements: the current statements of the run, if the caller has read them.
    """
    policy = edition.scenario.distill
    if policy.checks is None:
        return {}
    statements = store.statements(run) if statements is None else statements
    current = {row.id for row in statements}
    verdicts = [verdict for verdict in store.verdicts(run.id, run.verify_round) if verdict.statement_id in current]
    return checks_from(statements, verdicts, policy)


def checks_from(statements: Sequence[StatementRow], verdicts: Sequence[VerdictRow], policy: DistillPolicy) -> Checks:
    if policy.checks is None:
        return {}
    checks: Checks = {name: panel_check(name, verdicts) for name in get_args(Scored) if getattr(policy.checks, name)}
    if policy.checks.cross_check:
        checks["cross-check"] = cross_check(statements, verdicts)
    return checks


def panel_check(criterion: str, verdicts: Sequence[VerdictRow]) -> PanelCheck:
    scores: list[tuple[str, str, float]] = []
    by_judge: dict[str, list[float]] = defaultdict(list)
    kept: dict[str, bool] = {}
    for verdict in verdicts:
        if verdict.criterion == criterion:
            kept[verdict.statement_id] = verdict.decision == "keep"
            if verdict.score is not None:
                scores.append((verdict.judge or "", verdict.statement_id, verdict.score))
                by_judge[verdict.judge or ""].append(verdict.score)
    return PanelCheck(
        statements=len(kept),
        kept=sum(kept.values()),
        mean_by_judge={judge: round(fmean(given), 2) for judge, given in sorted(by_judge.items())},
        agreement=ScoreAgreement(
            krippendorff_alpha=alpha(scores, "interval"),
            statements=len({statement for _, statement, _ in shared(scores)}),
        ),
    )


def cross_check(statements: Sequence[StatementRow], verdicts: Sequence[VerdictRow]) -> CrossCheck:
    # What is asked about rows, and about lines of cards, lets no statement fall as such.
    beside = {*ROW_QUESTIONS, "carried"}
    dropped = {v.statement_id for v in verdicts if v.decision == "drop" and v.criterion not in beside}
    asked = [verdict for verdict in verdicts if verdict.criterion == "cross-check"]
    # If a statement passed all other criteria and has no verdict here, there was no second persona.
    not_asked = {verdict.statement_id for verdict in verdicts} - dropped - {verdict.statement_id for verdict in asked}
    answers = Counter(verdict.answer or "unparsable" for verdict in asked)
    return CrossCheck(
        statements=len(asked),
        kept=sum(verdict.decision == "keep" for verdict in asked),
        answers={name: answers[name] for name in (*get_args(Heard), "unparsable") if answers[name]},
        not_asked=sum(row.id in not_asked and row.kind != "opinion" for row in statements),
    )


# --- calls -----------------------------------------------------------------------------------------


def stop_reasons(look: Look, run: RunRow) -> Counts:
    reason = col(DialogueRow.stop_reason)
    query = sqlalchemy.select(reason, func.count()).where(col(DialogueRow.run_id) == run.id, reason.is_not(None))
    return summed(of_columns(look.execute(query.group_by(reason))))


def calls_of(look: Look, run: RunRow) -> tuple[Calls, Tokens, float | None, int]:
    """Return a run's calls, their tokens, their cost in USD, and the number of remote calls without a price."""
    sums = (
        CallRow.prompt_tokens,
        CallRow.cached_tokens,
        CallRow.completion_tokens,
        CallRow.reasoning_tokens,
        CallRow.cost_usd,
    )
    columns: list[Any] = [CallRow.stage, func.count(), *(func.sum(column) for column in sums)]
    of_this_run = col(CallRow.run_id) == run.id
    by_stage = of_columns(look.execute(sqlalchemy.select(*columns).where(of_this_run).group_by(CallRow.stage)))
    guards = sqlalchemy.select(col(CallRow.refused), func.count()).where(of_this_run, col(CallRow.refused).is_not(None))
    refused = of_columns(look.execute(guards.group_by(col(CallRow.refused))))

    def count(*conditions: Any) -> int:
        return look.exec(select(func.count()).where(of_this_run, *conditions)).one()

    prompt, cached, completion, reasoning = (sum(row[place] or 0 for row in by_stage) for place in range(2, 6))
    costs = [row[6] for row in by_stage if row[6] is not None]
    calls = Calls(
        total=sum(row[1] for row in by_stage),
        failed=count(col(CallRow.error).is_not(None)),
        unheard=count(or_(*(col(CallRow.error).startswith(beginning) for beginning in UNHEARD))),
        refused_by_guard=dict(refused),
        by_stage={row[0]: row[1] for row in by_stage},
        batched=look.exec(select(func.coalesce(func.sum(BatchRow.items), 0)).where(BatchRow.run_id == run.id)).one(),
    )
    unpriced = count(
        col(CallRow.endpoint).startswith("http"), col(CallRow.response).is_not(None), col(CallRow.cost_usd).is_(None)
    )
    tokens = Tokens(
        prompt=prompt,
        cached=cached,
        cached_share={row[0]: row[3] / row[2] if row[3] is not None and row[2] else None for row in by_stage},
        completion=completion,
        reasoning=reasoning,
    )
    return calls, tokens, sum(costs) if costs else None, unpriced


def endpoints_of(store: Store, run: RunRow) -> list[Endpoint]:
    abilities: dict[tuple[str, str], dict[str, Any]] = {}
    for row in store.abilities_of_run(run.id):
        abilities.setdefault((row.endpoint, row.model), {})[row.name] = json.loads(row.value)
    return [Endpoint(endpoint=endpoint, model=model, takes=takes) for (endpoint, model), takes in abilities.items()]
