"""The store as the pipeline writes and reads it: runs, dialogues, turns, calls, statements, verdicts and samples."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from sqlalchemy import CursorResult, bindparam, false
from sqlalchemy.exc import NoResultFound
from sqlmodel import Session, SQLModel, and_, col, delete, func, or_, select, update

from culturepark.dialogue.casting import Plan
from culturepark.dialogue.tongues import tongues_of
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    Casting,
    Duplicate,
    Edition,
    Provenance,
    Scenario,
    Slip,
    Statement,
    StatementRendering,
    Status,
    Turn,
    Verdict,
)
from culturepark.errors import Unreachable, UsageError
from culturepark.ids import DEMO, run_of
from culturepark.models.budget import Budget
from culturepark.models.ledger import Answered, Call, Outcome, now
from culturepark.store.database import Database
from culturepark.store.integrity import hangs_on, pages
from culturepark.store.journal import Journal, new_renderings, new_turn, refuse_call
from culturepark.store.pieces import sweep
from culturepark.store.standing import Standing, standing_reviews
from culturepark.store.tables import (
    UNDER_WAY,
    AbilityRow,
    AnswerRow,
    BatchedRow,
    BatchRow,
    CallLogRow,
    CallRow,
    ClaimRow,
    DialogueRow,
    DrawnRow,
    DrawRow,
    DuplicateRow,
    EvaluationRow,
    FigureRow,
    FitRow,
    ItemRow,
    ParticipantRow,
    ProbeRow,
    RenderingRow,
    ReviewRow,
    RunRow,
    SampleRow,
    ScoreRow,
    SelectedRow,
    SelectionRow,
    SlipRow,
    StatementRenderingRow,
    StatementRow,
    SuiteRow,
    TurnRow,
    VerdictRow,
    WorkerRow,
    renderings_of,
    statement_values,
)
from culturepark.store.turns import with_renderings

TABLES = SQLModel.metadata.tables
INTERRUPTED = "interrupted: the process ended before an answer came"
EXAMINED, TOO_SMALL, UNREAD = 1, 2, 3
"""Values of `dialogue.examined`."""
MOST_NAMED = 5
"""Runs that a message names."""
ALIKE = 0.7
"""Least similarity (difflib's ratio) of an id that is suggested in place of an unknown one."""


class Store:
    """One database of runs. Every method is one transaction."""

    def __init__(self, url: str, *, must_exist: bool = False, upgrade: bool = True) -> None:
        """
        Raises:
            StoreError, UsageError: as `Database` does.
        """
        self.database = Database(url, must_exist=must_exist, upgrade=upgrade)
        self.journal = Journal(self.database)
        """The call log of the ledger, which commits the writes of many tasks together. The methods of the same names
        here do each one at once."""

    def close(self) -> None:
        self.journal.close()
        self.database.close()

    # --- runs ------------------------------------------------------------------------------------

    def create_run(self, row: RunRow, plan: Plan | None, edition: Edition) -> None:
        """Add a run with all its dialogues, which are pending; with none yet if it is to be planned later."""
        row.skipped = None if plan is None else skipped_column(plan)
        with self.database.writing() as session:
            add_run(session, row, plan.castings if plan else (), edition.scenario)

    def add_plan(self, run_id: str, plan: Plan, edition: Edition) -> None:
        """Add all dialogues to a run that has none."""
        with self.database.writing() as session:
            row = session.get_one(RunRow, run_id)
            row.skipped = skipped_column(plan)
            add_dialogues(session, row, plan.castings, edition.scenario)

    def create_branch(
        self, row: RunRow, casting: Casting, edition: Edition, turns: Sequence[Turn], parent_id: str, branched_at: int
    ) -> None:
        """Add a run with one pending dialogue that has some turns already.

        Args:
            branched_at: how many of the turns are copied from the parent; they name calls of the parent's run.
        """
        with self.database.writing() as session:
            (dialogue,) = add_run(session, row, [casting], edition.scenario)
            dialogue.parent_id, dialogue.branched_at = parent_id, branched_at
            for turn in turns:
                session.add(TurnRow.of(dialogue.id, turn))
                session.flush()
                session.add_all(renderings_of(dialogue.id, turn))

    def turn(self, turn_id: str) -> tuple[TurnRow, DialogueRow, RunRow]:
        """Return a turn by its id, with its dialogue and its run.

        Raises:
            UsageError: if there is no such turn.
        """
        turn_id = self.full_id(turn_id)
        with self.database.reading() as session:
            query = select(TurnRow, DialogueRow, RunRow).where(TurnRow.id == turn_id)
            query = query.where(DialogueRow.id == TurnRow.dialogue_id, RunRow.id == DialogueRow.run_id)
            if rows := session.exec(query).first():
                return rows
        raise UsageError(f"no such turn: {turn_id[:100]!r}; the sixth of a dialogue RUN.d1 is RUN.d1.t6")

    def run(self, run_id: str) -> RunRow:
        """Return a run by its id, its name, the beginning of its id, or as `last`: the newest run that got an answer.

        Raises:
            UsageError: if there is no such run, or if several ids begin like that.
        """
        with self.database.reading() as session:
            if run_id == "last":
                query = select(RunRow).order_by(unanswered(), col(RunRow.created_at).desc(), col(RunRow.id).desc())
                if row := session.exec(query).first():
                    return row
                raise UsageError("the store holds no runs yet; `culturepark simulate quickstart` makes one")
            if row := session.get(RunRow, run_id) or session.exec(called(run_id)).first():
                return row
            # LIKE ignores case in SQLite.
            matching = select(RunRow).where(func.substr(RunRow.id, 1, len(run_id)) == run_id).order_by(RunRow.id)
            rows = session.exec(matching.limit(MOST_NAMED + 1)).all() if run_id else []
            if len(rows) == 1:
                return rows[0]
            if rows:
                names = ", ".join(row.id for row in rows[:MOST_NAMED]) + (", ..." if len(rows) > MOST_NAMED else "")
                raise UsageError(f"the id of more than one run begins with {run_id[:100]!r}: {names}")
            is_it = or_(col(SelectionRow.id) == run_id, col(SelectionRow.name) == run_id)
            if session.exec(select(SelectionRow.id).where(is_it)).first():
                raise UsageError(f"{run_id!r} is a selection, and no run: `culturepark selections {run_id}` shows it")
            known = [name for names in session.exec(select(RunRow.id, RunRow.name)) for name in names if name]
        if (demo := run_of(run_id)) == DEMO or demo.startswith(f"{DEMO}-"):
            from culturepark.store.recorded import elsewhere

            raise UsageError(elsewhere(demo))
        similar = get_close_matches(run_id[:100], known, 1, ALIKE)
        suggestion = f"; did you mean {similar[0]}?" if similar else ""
        raise UsageError(f"no such run: {run_id[:100]!r}{suggestion}; `culturepark runs` lists them")

    def newest_run(self) -> RunRow | None:
        """Return the newest run, whether it got an answer or not."""
        with self.database.reading() as session:
            return session.exec(select(RunRow).order_by(col(RunRow.created_at).desc(), col(RunRow.id).desc())).first()

    def find_run(self, run_id: str) -> RunRow | None:
        with self.database.reading() as session:
            return session.get(RunRow, run_id)

    def full_id(self, row_id: str) -> str:
        """Return an id that begins with a run's name, such as `NAME.d3`, with the run's id; any other as it is."""
        run_id, dot, path = row_id.partition(".")
        with self.database.reading() as session:
            known = session.exec(select(RunRow.id).where(RunRow.id == run_id)).first()
            named = None if known or not dot else session.exec(called(run_id)).first()
        return f"{named.id}.{path}" if named else row_id

    def delete_run(self, run_id: str) -> int:
        """Delete a run with all rows below it, reviews and draws too, and return the number of pieces that went along.

        Pieces of requests go with the last call that has them. Vectors stay, since they belong to texts. Rows of
        selections and of what was trained stay too, and name samples that are gone. A suite goes with the last
        evaluation that uses it.

        Raises:
            UsageError: if a branch holds turns of the run.
        """
        with self.database.writing() as session:
            check_branches(session, run_id)
            rows_below: tuple[tuple[type[SQLModel], Any], ...] = (
                (VerdictRow, VerdictRow.id),
                (DuplicateRow, DuplicateRow.statement_id),
                (SampleRow, SampleRow.id),
                (StatementRenderingRow, StatementRenderingRow.statement_id),
                (StatementRow, StatementRow.id),
                (SlipRow, SlipRow.turn_id),
                (RenderingRow, RenderingRow.turn_id),
                (TurnRow, TurnRow.id),
                (ProbeRow, ProbeRow.dialogue_id),
                (ParticipantRow, ParticipantRow.dialogue_id),
                (ReviewRow, ReviewRow.subject_id),
            )
            for table, row_id in rows_below:
                session.exec(delete(table).where(hangs_on(col(row_id), run_id)))
            drawn_over = col(DrawnRow.draw_id).in_(select(DrawRow.id).where(DrawRow.over_id == run_id))
            session.exec(delete(DrawnRow).where(drawn_over))
            session.exec(delete(DrawRow).where(col(DrawRow.over_id) == run_id))
            session.exec(delete(DialogueRow).where(col(DialogueRow.run_id) == run_id))
            delete_evaluation(session, run_id)
            session.exec(delete(ClaimRow).where(col(ClaimRow.run_id) == run_id))
            session.exec(delete(WorkerRow).where(col(WorkerRow.run_id) == run_id))
            delete_batches(session, run_id)
            session.exec(delete(CallLogRow).where(col(CallLogRow.run_id) == run_id))
            swept = sweep(session)
            session.exec(delete(RunRow).where(col(RunRow.id) == run_id))
        return swept

    def set_run(self, run_id: str, status: Status, stop_reason: str | None) -> None:
        finished = None if status in (Status.RUNNING, Status.PENDING) else now()
        with self.database.writing() as session:
            row = session.get_one(RunRow, run_id)
            row.status, row.stop_reason, row.finished_at = status, stop_reason, finished
            of_run = update(EvaluationRow).where(col(EvaluationRow.run_id) == run_id)
            session.execute(of_run.values(status=status, finished_at=finished))

    def set_plan(
        self, run_id: str, settings: Mapping[str, Any], models: str, *, extract: bool = False, verify: bool = False
    ) -> None:
        """Store the settings and models with which a run is carried on.

        Args:
            extract, verify: begin a new round of this stage, so that it and later stages are done again. Rows of
                earlier rounds stay in the store.
        """
        with self.database.writing() as session:
            row = session.get_one(RunRow, run_id)
            row.settings, row.models = json.dumps(dict(settings), sort_keys=True), models
            next_round = max(row.extract_round, row.verify_round) + 1
            row.extract_round = next_round if extract else row.extract_round
            row.verify_round = next_round if extract or verify else row.verify_round
            if extract:  # the same model is not asked again what it has answered
                session.execute(update(DialogueRow).where(col(DialogueRow.run_id) == run_id).values(examined=0))

    def spent(self, run_id: str) -> Budget:
        """Return tokens and cost of all calls of a run so far."""
        with self.database.reading() as session:
            prompt, completion, cost = session.exec(
                select(
                    func.coalesce(func.sum(CallRow.prompt_tokens), 0),
                    func.coalesce(func.sum(CallRow.completion_tokens), 0),
                    func.sum(CallRow.cost_usd),
                ).where(CallRow.run_id == run_id)
            ).one()
        return Budget(cost_usd=cost, tokens=int(prompt or 0) + int(completion or 0))

    def priced(self, run_id: str) -> set[str]:
        """Return the models of a run whose calls have a known price."""
        query = select(CallRow.model).where(CallRow.run_id == run_id, col(CallRow.cost_usd).is_not(None)).distinct()
        return set(self.database.rows(query))

    def unfinished(self) -> list[RunRow]:
        """Return the runs that can be resumed, the newest first."""
        query = select(RunRow).where(RunRow.status != Status.DONE).order_by(col(RunRow.created_at).desc())
        return self.database.rows(query)

    # --- dialogues -------------------------------------------------------------------------------

    def dialogues(self, run_id: str) -> list[DialogueRow]:
        query = select(DialogueRow).where(DialogueRow.run_id == run_id).order_by(col(DialogueRow.number))
        return self.database.rows(query)

    def dialogue(self, dialogue_id: str) -> DialogueRow:
        """Return a dialogue, which has to be there."""
        with self.database.reading() as session:
            return session.get_one(DialogueRow, dialogue_id)

    def set_dialogue(
        self, dialogue_id: str, status: Status, stop_reason: str | None = None, error: str | None = None
    ) -> None:
        with self.database.writing() as session:
            set_columns(session, dialogue_id, status=status, stop_reason=stop_reason, error=error)

    def turns(self, dialogue_id: str) -> list[Turn]:
        """Return the turns of a dialogue in their order, with what the interpreter made of them."""
        query = select(TurnRow).where(TurnRow.dialogue_id == dialogue_id).order_by(col(TurnRow.position))
        turns = [row.noun() for row in self.database.rows(query)]
        if not any(turn.language for turn in turns):
            return turns
        with self.database.reading() as session:
            return with_renderings(session, dialogue_id, turns)

    def add_slips(self, dialogue_id: str, slips: Sequence[Slip], examined: int) -> None:
        """Store what was found wrong in a dialogue's turns, in place of what was found before."""
        with self.database.writing() as session:
            replace_slips(session, dialogue_id, slips, examined)

    def slips(self, id_: str) -> list[Slip]:
        """Return what was found wrong in the turns of a run or a dialogue."""
        query = select(SlipRow).where(hangs_on(col(SlipRow.turn_id), id_))
        return [row.noun() for row in self.database.rows(query.order_by(col(SlipRow.turn_id), col(SlipRow.kind)))]

    def add_probes(self, probes: Sequence[ProbeRow]) -> None:
        with self.database.writing() as session:
            session.add_all(probes)

    def probes(self, id_: str) -> list[ProbeRow]:
        """Return the answers that measure the talks of a run, or one dialogue."""
        return self.database.rows(select(ProbeRow).where(hangs_on(col(ProbeRow.dialogue_id), id_)))

    def add_turn(self, dialogue_id: str, turn: Turn) -> None:
        self.journal.now(new_turn(dialogue_id, turn))

    def add_renderings(self, dialogue_id: str, turn: Turn) -> None:
        """Add what the interpreter made of a turn that is there."""
        self.journal.now(new_renderings(dialogue_id, turn))

    # --- calls: the ledger's log -------------------------------------------------------------------

    def answered(self, subject_id: str, request_digest: str) -> Answered | None:
        return self.journal.answered(subject_id, request_digest)

    def first_asked(self, subject_id: str) -> str | None:
        """Return the body of the first request that was made for a subject."""
        with self.database.reading() as session:
            query = select(CallRow.request).where(CallRow.subject_id == subject_id)
            return session.exec(query.order_by(func.length(CallRow.id), col(CallRow.id)).limit(1)).first()

    def same_run(self, scenario_digest: str, seed: int, models: str) -> RunRow | None:
        """Return the newest run of an edition, seed and models."""
        query = select(RunRow).where(RunRow.scenario_digest == scenario_digest, RunRow.seed == seed)
        query = query.where(RunRow.models == models).order_by(col(RunRow.created_at).desc())
        with self.database.reading() as session:
            return session.exec(query).first()

    def begin(self, call: Call) -> str:
        return str(self.journal.now(self.journal.begun(call)))

    def finish(self, call_id: str, outcome: Outcome) -> None:
        self.journal.now(self.journal.finished(call_id, outcome))

    def refuse(self, call_id: str, guard: str) -> None:
        self.journal.now(refuse_call(call_id, guard))

    def ratings(self, persona_digests: Iterable[str], model: str) -> dict[tuple[str, str], tuple[int, ...]]:
        """Return (sha256 of card, sha256 of item) -> ratings that a model gave, for some cards."""
        with self.database.reading() as session:
            return {
                (row.persona_sha256, row.item_sha256): tuple(json.loads(row.ratings))
                for page in pages(sorted(set(persona_digests)))
                for row in session.exec(
                    select(FitRow).where(col(FitRow.persona_sha256).in_(page), FitRow.model == model)
                )
            }

    def add_ratings(self, rows: Sequence[FitRow]) -> None:
        with self.database.writing() as session:
            for row in rows:
                session.merge(row)

    def abilities_of_run(self, run_id: str) -> list[AbilityRow]:
        """Return the known abilities of the endpoints that a run has called."""
        called = select(CallRow.endpoint, CallRow.model).where(CallRow.run_id == run_id).distinct().subquery()
        of_called = and_(called.c.endpoint == AbilityRow.endpoint, called.c.model == AbilityRow.model)
        query = select(AbilityRow).join(called, of_called)
        return self.database.rows(query.order_by(col(AbilityRow.endpoint), col(AbilityRow.model), col(AbilityRow.name)))

    def close_open_calls(self, run_id: str, dialogue_ids: Sequence[str] | None = None) -> None:
        """Mark the calls that a killed process left without an outcome; those in a batch may still get theirs.

        Args:
            dialogue_ids: only the calls of these; None for all of the run.
        """
        with self.database.writing() as session:
            of_run = update(CallLogRow).where(col(CallLogRow.run_id) == run_id, ~in_batch())
            left = of_run.where(col(CallLogRow.response).is_(None), col(CallLogRow.error).is_(None))
            if dialogue_ids is not None:
                left = left.where(or_(*(hangs_on(col(CallLogRow.subject_id), name) for name in dialogue_ids), false()))
            session.execute(left.values(error=INTERRUPTED).execution_options(synchronize_session=False))

    # --- distillation ------------------------------------------------------------------------------

    def statement_counts(self, dialogue_id: str) -> dict[str, int]:
        """Count the statements of each turn of a dialogue, of all rounds; new ids continue from these numbers."""
        with self.database.reading() as session:
            query = select(StatementRow.turn_id, func.count()).join(TurnRow)
            query = query.where(TurnRow.dialogue_id == dialogue_id).group_by(col(StatementRow.turn_id))
            return dict(session.exec(query).all())

    def verdict_counts(self, statement_ids: Iterable[str]) -> dict[str, int]:
        with self.database.reading() as session:
            query = select(VerdictRow.statement_id, func.count()).group_by(col(VerdictRow.statement_id))
            return dict(session.exec(query.where(col(VerdictRow.statement_id).in_(list(statement_ids)))).all())

    def add_extraction(
        self,
        dialogue_id: str,
        statements: Sequence[tuple[Statement, str | None]],
        rejected: Mapping[str, int],
        round_number: int,
        slips: Sequence[Slip] | None = None,
    ) -> None:
        """Add a dialogue's statements, each with its call, and mark the dialogue as extracted.

        Args:
            slips: those that were found in the same calls; the dialogue is then marked as examined too.
        """
        with self.database.writing() as session:
            if slips is not None:
                replace_slips(session, dialogue_id, slips, EXAMINED)
            add_rows(session, StatementRow, [statement_values(s, round_number, call_id) for s, call_id in statements])
            said_of = json.dumps(dict(rejected), sort_keys=True)
            set_columns(session, dialogue_id, extracted=round_number, rejected=said_of)

    def add_verification(
        self,
        dialogue_id: str,
        reworded: Sequence[tuple[Statement, str | None]],
        verdicts: Sequence[Verdict],
        round_number: int,
        provenance: Mapping[str, Provenance],
    ) -> None:
        """Add a dialogue's verdicts and rewordings, and mark the dialogue as verified.

        Args:
            provenance: by statement id, where it was looked into.
        """
        numbers = self.verdict_counts({v.statement_id for v in verdicts})
        with self.database.writing() as session:
            add_rows(session, StatementRow, [statement_values(s, round_number, call_id) for s, call_id in reworded])
            if provenance:
                statement = TABLES["statement"]
                change = statement.update().where(statement.c.id == bindparam("of")).values(provenance=bindparam("to"))
                changed = [{"of": statement_id, "to": where} for statement_id, where in provenance.items()]
                check_found(session.connection().execute(change, changed), len(changed))
            rows = []
            for verdict in verdicts:
                numbers[verdict.statement_id] = number = numbers.get(verdict.statement_id, 0) + 1
                rows.append({"id": f"{verdict.statement_id}.v{number}", "round": round_number, **dict(verdict)})
            add_rows(session, VerdictRow, rows)
            set_columns(session, dialogue_id, verified=round_number)

    def set_speakers(self, persona_keys: Mapping[str, str]) -> None:
        """Put statements under other people of their dialogue.

        Args:
            persona_keys: by statement id.
        """
        with self.database.writing() as session:
            for statement_id, persona_key in persona_keys.items():
                session.get_one(StatementRow, statement_id).persona_key = persona_key

    def statements(self, run: RunRow, dialogue_id: str | None = None) -> list[StatementRow]:
        """Return the statements that count, of a run or of one dialogue, in the order of the talk."""
        query = select(StatementRow).join(TurnRow).join(DialogueRow)
        query = query.where(DialogueRow.run_id == run.id, counting(run))
        if dialogue_id:
            query = query.where(DialogueRow.id == dialogue_id)
        number, position = col(DialogueRow.number), col(TurnRow.position)
        return self.database.rows(query.order_by(number, position, func.length(StatementRow.id), col(StatementRow.id)))

    def verdicts(self, run_id: str, round_number: int) -> list[VerdictRow]:
        query = select(VerdictRow).join(StatementRow).join(TurnRow).join(DialogueRow)
        return self.database.rows(query.where(DialogueRow.run_id == run_id, VerdictRow.round == round_number))

    def set_duplicates(self, run_id: str, duplicates: Sequence[Duplicate]) -> None:
        """Replace a run's duplicates."""
        with self.database.writing() as session:
            replace_duplicates(session, run_id, duplicates)

    def unrendered(self, run: RunRow) -> list[Statement]:
        """Return the statements with a kept sample that are in another language and have no English yet."""
        query = select(StatementRow).join(SampleRow, col(SampleRow.statement_id) == col(StatementRow.id)).join(TurnRow)
        query = query.join(DialogueRow).where(DialogueRow.run_id == run.id, SampleRow.status == "kept")
        query = query.where(func.coalesce(StatementRow.language, DEFAULT_LANGUAGE) != DEFAULT_LANGUAGE)
        known = select(StatementRenderingRow.statement_id).where(StatementRenderingRow.language == DEFAULT_LANGUAGE)
        query = query.where(col(StatementRow.id).not_in(known)).distinct()
        number, position = col(DialogueRow.number), col(TurnRow.position)
        rows = {row.id: row for row in self.database.rows(query)}
        order = select(StatementRow.id).join(TurnRow).join(DialogueRow).where(col(StatementRow.id).in_(rows))
        order = order.order_by(number, position, func.length(StatementRow.id), col(StatementRow.id))
        return [rows[name].noun() for name in self.database.rows(order)]

    def add_statement_renderings(self, renderings: Sequence[StatementRendering]) -> None:
        with self.database.writing() as session:
            for one in renderings:
                session.merge(StatementRenderingRow(**one.model_dump()))

    def statement_renderings(self, run_id: str) -> list[StatementRendering]:
        """Return what was rendered of a run's statements, in no order."""
        query = select(StatementRenderingRow).where(hangs_on(col(StatementRenderingRow.statement_id), run_id))
        return [row.noun() for row in self.database.rows(query)]

    def reviews(self, run_id: str) -> Standing:
        """Return the reviews that count, by subject."""
        with self.database.reading() as session:
            return standing_reviews(session, run_id)

    def set_splits(
        self,
        run_ids: Sequence[str],
        cultures: Sequence[str],
        held: Iterable[str],
        left_out: Iterable[str] = (),
        selection: str | None = None,
    ) -> None:
        """Store the side of a split for the kept samples of some runs and cultures (none: all), and of one selection.

        Args:
            held: seeds whose samples validate; those of all others train.
            left_out: ids of samples that were not written, and are on neither side.
        """
        statement_id, seed_key = col(SampleRow.statement_id), col(DialogueRow.seed_key)
        statements = select(StatementRow.id).join(TurnRow).join(DialogueRow).where(col(DialogueRow.run_id).in_(run_ids))
        with self.database.writing() as session:

            def put(split: str | None, *conditions: Any) -> None:
                change = update(SampleRow).where(*conditions)
                if cultures:
                    change = change.where(col(SampleRow.culture).in_(cultures))
                if selection:
                    picked = select(SelectedRow.sample_id).where(SelectedRow.selection_id == selection)
                    change = change.where(col(SampleRow.id).in_(picked))
                session.execute(change.values(split=split).execution_options(synchronize_session=False))

            def put_kept(split: str, *dialogues: Any) -> None:
                others = func.coalesce(SampleRow.split, "") != split
                put(split, statement_id.in_(statements.where(*dialogues)), col(SampleRow.status) == "kept", others)

            held_pages = list(pages(sorted(held)))
            put_kept("train", *(seed_key.not_in(page) for page in held_pages))
            for page in held_pages:
                put_kept("validation", seed_key.in_(page))
            for page in pages(sorted(left_out)):
                put(None, col(SampleRow.id).in_(page))


def skipped_column(plan: Plan) -> str:
    return json.dumps([vars(skip) for skip in plan.skipped])


def add_run(session: Session, row: RunRow, castings: Sequence[Casting], scenario: Scenario) -> list[DialogueRow]:
    if session.get(RunRow, row.id):
        raise UsageError(f"a run {row.id} exists already")
    if named := session.exec(called(row.id)).first():
        raise UsageError(f"{row.id} is the name of the run {named.id}; another run needs another id")
    session.add(row)
    session.flush()
    return add_dialogues(session, row, castings, scenario)


def add_dialogues(session: Session, row: RunRow, castings: Sequence[Casting], scenario: Scenario) -> list[DialogueRow]:
    dialogues = [
        DialogueRow(
            id=f"{row.id}.d{casting.number}",
            run_id=row.id,
            number=casting.number,
            seed_key=casting.seed.key,
            setting=scenario.setting,
            protocol=scenario.protocol,
            language=tongues_of(scenario, casting).dialogue,
            status=Status.PENDING,
        )
        for casting in castings
    ]
    session.add_all(dialogues)
    session.flush()
    for dialogue, casting in zip(dialogues, castings, strict=True):
        for position, participant in enumerate(casting.participants, start=1):
            persona, stance = participant.persona, participant.stance
            session.add(
                ParticipantRow(
                    dialogue_id=dialogue.id,
                    position=position,
                    persona_key=persona.key,
                    name=persona.name,
                    role=persona.role,
                    culture=persona.culture,
                    country=persona.country,
                    stance_code=stance.code if stance else None,
                    stance_text=stance.text if stance else None,
                    fit=participant.fit,
                )
            )
    return dialogues


def delete_evaluation(session: Session, run_id: str) -> None:
    """Delete the rows that a run has as an evaluation, and its suite if no other evaluation uses it."""
    suites = session.exec(select(EvaluationRow.suite_id).where(EvaluationRow.run_id == run_id)).all()
    answers = select(AnswerRow.id).where(AnswerRow.evaluation_id == run_id)
    session.exec(delete(ScoreRow).where(col(ScoreRow.answer_id).in_(answers)))
    session.exec(delete(AnswerRow).where(col(AnswerRow.evaluation_id) == run_id))
    session.exec(delete(FigureRow).where(col(FigureRow.evaluation_id) == run_id))
    session.exec(delete(EvaluationRow).where(col(EvaluationRow.run_id) == run_id))
    for suite_id in suites:
        if not session.exec(select(EvaluationRow.id).where(EvaluationRow.suite_id == suite_id)).first():
            session.exec(delete(ItemRow).where(col(ItemRow.suite_id) == suite_id))
            session.exec(delete(SuiteRow).where(col(SuiteRow.id) == suite_id))


def delete_batches(session: Session, run_id: str) -> None:
    """Delete the batches of a run. What is under way at a service is not stopped by it."""
    of_run = select(BatchRow.id).where(BatchRow.run_id == run_id)
    session.exec(delete(BatchedRow).where(col(BatchedRow.batch_id).in_(of_run)))
    session.exec(delete(BatchRow).where(col(BatchRow.run_id) == run_id))


def in_batch() -> Any:
    """Return the condition for calls in a batch that may still answer them."""
    batch = select(BatchRow.id).where(BatchRow.id == BatchedRow.batch_id, col(BatchRow.status).in_(UNDER_WAY))
    return select(BatchedRow.call_id).where(BatchedRow.call_id == CallLogRow.id, batch.exists()).exists()


def add_rows(session: Session, table: type[SQLModel], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, each of the same columns, without an object for each, which costs ten times as much."""
    if rows:
        session.connection().execute(TABLES[str(table.__tablename__)].insert(), rows)


def set_columns(session: Session, dialogue_id: str, **values: Any) -> None:
    """Set columns of a dialogue, which has to be there."""
    table = TABLES["dialogue"]
    check_found(session.connection().execute(table.update().where(table.c.id == dialogue_id).values(values)), 1)


def check_found(changed: CursorResult[Any], rows: int) -> None:
    if changed.rowcount != rows:
        raise NoResultFound


def replace_slips(session: Session, dialogue_id: str, slips: Sequence[Slip], examined: int) -> None:
    session.exec(delete(SlipRow).where(hangs_on(col(SlipRow.turn_id), dialogue_id)))
    add_rows(session, SlipRow, [dict(slip) for slip in slips])
    set_columns(session, dialogue_id, examined=examined)


def replace_duplicates(session: Session, run_id: str, duplicates: Sequence[Duplicate]) -> None:
    session.exec(delete(DuplicateRow).where(hangs_on(col(DuplicateRow.statement_id), run_id)))
    add_rows(session, DuplicateRow, [dict(duplicate) for duplicate in duplicates])


def counting(run: RunRow) -> Any:
    """Return the condition for statements that count: those of the current extraction round, and rewordings of the
    current verification round."""
    reworded = col(StatementRow.rewritten_from).is_not(None)
    return or_(
        and_(~reworded, col(StatementRow.round) == run.extract_round),
        and_(reworded, col(StatementRow.round) == run.verify_round),
    )


def check_branches(session: Session, run_id: str) -> None:
    """
    Raises:
        UsageError: if a branch holds turns of a run.
    """
    inside = hangs_on(col(DialogueRow.parent_id), run_id)
    if branch := session.exec(select(DialogueRow.run_id).where(inside, DialogueRow.run_id != run_id)).first():
        raise UsageError(f"{branch} branched off {run_id} and holds turns of it; delete the branch first")


def called(name: str) -> Any:
    """Return the query for the run of a name."""
    return select(RunRow).where(RunRow.name == unicodedata.normalize("NFC", name))


def unanswered() -> Any:
    """Return the condition for runs that stopped on an endpoint that could not be reached, and never got an answer."""
    answered = select(CallRow.id).where(col(CallRow.run_id) == RunRow.id, col(CallRow.response).is_not(None))
    return and_(func.coalesce(RunRow.stop_reason, "").startswith(Unreachable.kind), ~answered.exists())
