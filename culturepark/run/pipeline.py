"""Composes the stages: scenario -> dialogues -> statements -> verdicts -> duplicates -> samples.

A run is carried on from what the store holds, so beginning, resuming and distilling again are one path.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.tongues import as_spoken, told, tongues_of
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    JUDGES,
    NATIVE,
    Casting,
    Criterion,
    Duplicate,
    LanguageCode,
    Measure,
    ModelRole,
    Relation,
    Scene,
    Slip,
    Stage,
    Statement,
    Status,
    Verdict,
    storable,
)
from culturepark.errors import (
    BudgetReached,
    CultureparkError,
    Interrupted,
    ModelError,
    OutOfCredit,
    OutOfResources,
    StoreError,
    Unreachable,
    UsageError,
)
from culturepark.glossary import counted
from culturepark.models.chat import ChatModel, Reply, Request
from culturepark.models.ledger import DOWN_AFTER, Ledger
from culturepark.models.registry import Models
from culturepark.models.trust import Trust
from culturepark.models.weights import detached
from culturepark.redact import redact
from culturepark.run import UNTIL, Until, Watcher
from culturepark.run.agenda import Agenda
from culturepark.run.ahead import Ahead
from culturepark.run.batching import batches_of_run
from culturepark.run.engine import Engine
from culturepark.run.plan import NO_INTERPRETER, models_of, settings_of
from culturepark.run.workers import Alone
from culturepark.shortage import shortages_named
from culturepark.store.castings import castings
from culturepark.store.integrity import edition_of, threshold_of
from culturepark.store.standing import of_sample
from culturepark.store.store import EXAMINED, TOO_SMALL, UNREAD, Store
from culturepark.store.tables import DialogueRow, ProbeRow, RunRow, VerdictRow
from culturepark.terminal.safe import show_origin

if TYPE_CHECKING:
    from culturepark.dialogue.memory import Scenes
    from culturepark.distill.ask import Asker
    from culturepark.distill.dedup import Blocks, Entry, TextPair
    from culturepark.distill.extract import Extraction, Proposal
    from culturepark.distill.heads import Encode
    from culturepark.distill.samples import Judged
    from culturepark.distill.slips import Examination
    from culturepark.distill.wordings import Wordings
    from culturepark.models.embedder import Embedder
    from culturepark.run.rating import Pair
    from culturepark.store.questions import Rows

REQUESTS: dict[Stage, float] = {"dialogue": 27, "examine": 1, "extract": 2, "verify": 8, "measure": 3}
"""Requests of a dialogue by stage, about: until the first dialogues are over it is not known how many others take."""
SECOND_LOOKS = 3
"""How often the verifier is asked about more pairs because of what it said about others."""
LOOK_EVERY: float = 5
"""Seconds between two checks that the store is still where it was."""


@dataclass
class Repeats:
    """The duplicates among some statements."""

    duplicates: list[Duplicate] = field(default_factory=list)
    passed: int = 0
    """Statements that were compared."""
    asked: int = 0
    """Pairs that a model was asked about."""

    def add(self, other: Repeats) -> None:
        self.duplicates += other.duplicates
        self.passed += other.passed
        self.asked += other.asked


@dataclass(frozen=True)
class Compared:
    """What comparing the statements of one question has found."""

    digest: str
    """Of the statements; with others it has to be done again."""
    repeats: Repeats
    """Among the opinions."""
    norms: Sequence[Entry]
    """Norms and customs, which are compared with those of all questions."""


class Run:
    """One run being carried on."""

    def __init__(
        self,
        store: Store,
        row: RunRow,
        watcher: Watcher,
        trust: Trust | None = None,
        engine: Engine | None = None,
        *,
        preview: int = 0,
        crew: Alone | None = None,
    ) -> None:
        """
        Args:
            trust: the models that the store names and that may be asked; None for those named outside of this command.
            engine: spreads the dialogues; None for this event loop.
            preview: hold no more dialogues than it takes to have so many rows, and no more than so many; 0 for all.
            crew: shares the run with other processes; None if no other may be at work on it.
        """
        self.crew = crew or Alone()
        self.store = store
        self.row = row
        self.watcher = watcher
        self.engine = engine or Engine()
        self.preview = preview
        self.edition = edition_of(row)
        self.scenario = self.edition.scenario
        self.castings = {casting.number: casting for casting in castings(store, row, self.edition)}
        self.settings = settings_of(row)
        budget = store.spent(row.id)
        budget.max_cost_usd, budget.max_tokens = self.settings.max_cost_usd, self.settings.max_tokens
        self.models = Models(models_of(row), self.settings.concurrency, watcher.fetching, trust or Trust())
        # A local server's cache holds few talks, and while one is read it has no time for another's.
        speaker = self.models.specs.get("speaker")  # none where nobody is asked (`mine seeds --how none`)
        spare = self.settings.concurrency // 2 if speaker and speaker.remote else 0
        self.agenda = Agenda(self.settings.concurrency, spare)
        self.ledger = Ledger(
            row.id,
            store.journal,
            budget,
            most_in_flight=self.settings.concurrency,
            rpm=self.settings.rpm,
            tpm=self.settings.tpm,
            down_after=min(DOWN_AFTER, len(self.castings)),
            notice=self._note,
            order=self.agenda,
        )
        self._ahead: Ahead | None = None
        """Distils while others talk."""
        self.batches = batches_of_run(store, row.id, self.settings.batch, self.ledger, self.models)
        self.ledger.batches = self.batches
        self._allotment: Scenes | None = None
        self._found: dict[str, tuple[Examination, Extraction]] = {}
        """Dialogue's id -> what one call found of slips and statements, until it is stored."""
        self._measured: set[tuple[str, str]] | None = None
        """(dialogue's id, measure) of the rows that there were; None until they are read."""
        self._encoder: Embedder | None = None
        """Whose vectors heads read; None until it is opened."""
        self._dedup_embedder: Embedder | None = None
        """Whose vectors duplicates are found by; None until it is opened."""
        self._comparing = asyncio.Lock()
        self._compared: dict[str, Compared] = {}
        """By key of a question."""
        self._noted: set[str] = set()
        """Remarks so far, without their figures."""
        self.stopped_by = "Ctrl-C"
        """What the store says of a run that is interrupted or cancelled."""
        self.warned = False
        """A remark has said that a judge's model is too small."""
        self.samples = 0
        """Samples so far of statements that passed verification, duplicates among them included."""

    def _note(self, text: str) -> None:
        self._noted.add(figureless(text))
        self.watcher.note(text)

    def _note_once(self, text: str) -> None:
        """Note what may come again for every dialogue, with other figures."""
        if figureless(text) not in self._noted:
            self._note(text)

    def interrupt(self) -> None:
        """Let calls in flight finish, and make no new ones. What is in a batch is left there."""
        self.ledger.halt(self._interrupted())

    def _interrupted(self) -> Interrupted:
        left = self.batches.under_way if self.batches else 0
        there = f"; {counted(left, 'request')} in batches go on at the service, and are not lost" if left else ""
        return Interrupted(f"stopped by {self.stopped_by}{there}")

    def _at_once(self, items: int) -> int:
        """Return how many of these are worked on at once: all of them, where each may wait for a batch."""
        return max(items, 1) if self.batches else self.settings.concurrency

    def without_a_second(self) -> str:
        """Return the names of people whose norms nobody else can cross-check; empty where no cross-check is wanted."""
        checks = self.scenario.distill.checks
        if checks is None or checks.cross_check is None:
            return ""
        from culturepark.distill.checks import alone

        people = alone(self.edition, self.castings.values(), self.row.seed)
        return ", ".join(person.called for person in people[:5]) + (", ..." if len(people) > 5 else "")

    async def carry_on(self) -> Status:
        """Do all that is still missing, and return the run's status: `failed` if a dialogue failed.

        Raises:
            CultureparkError: the run was stopped; it can be resumed.
        """
        self.crew.begin(self)
        try:
            with shortages_named():
                if self.batches:
                    await self.batches.resume()
                await self._while_the_store_stands()
        except CultureparkError as error:
            self.stopped(error)
            raise
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.stopped(self._interrupted())
            raise Interrupted("stopped at once") from None
        except Exception as bug:
            self.crew.stop(self, f"bug: {describe(bug)}")
            raise
        else:
            status, reason = self._outcome()
            self.crew.end(self, status, reason)
        finally:
            if self.batches:
                await self.batches.close()
            self.crew.close()
            await self.models.close()
        return status

    def _outcome(self) -> tuple[Status, str]:
        """Return the status of a run that went through all its stages, and the reason."""
        dialogues = self.store.dialogues(self.row.id)
        if left := sum(d.status == Status.PENDING for d in dialogues):
            return Status.STOPPED, f"preview: {len(dialogues) - left} of {counted(len(dialogues), 'dialogue')} held"
        failed = sum(d.status == Status.FAILED for d in dialogues)
        reason = f"{failed} dialogues failed" if failed else "completed"
        if self.settings.until != "samples":
            reason = f"until {self.settings.until}" if not failed else reason
        return (Status.FAILED if failed else Status.DONE), reason

    async def _while_the_store_stands(self) -> None:
        """Do all stages, and check meanwhile that the store is there: nothing is written while an answer is awaited.

        Raises:
            StoreError: if it is gone.
        """
        stages = asyncio.create_task(self._stages())
        look = asyncio.create_task(self._look_for_the_store())
        try:
            await asyncio.wait((stages, look), return_when=asyncio.FIRST_COMPLETED)
            if not stages.done():
                look.result()
            await stages
        finally:
            for task in (stages, look):
                task.cancel()
            await asyncio.gather(stages, look, return_exceptions=True)

    async def _look_for_the_store(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.store.database.check_place()

    async def _check_languages(self) -> None:
        """Refuse a run whose model is too small to be asked, in a language in which the heads mine too badly.

        Raises:
            UsageError: with the figures.
        """
        from culturepark.distill.extract import by_heads_alone
        from culturepark.distill.language_rows import refusal

        spoken = [code for code in self._languages() if code != DEFAULT_LANGUAGE]
        if not spoken or not self._reaches("extract"):
            return
        model = await self.models.get("extractor")
        if not by_heads_alone(model.traits, self.scenario.distill.extract) or (encode := await self._encode()) is None:
            return
        for code in spoken:
            if why := await refusal(code, encode):
                raise UsageError(why)

    async def _stages(self) -> None:
        await self._check_languages()
        if not self.castings:
            await self.crew.seat(self, self._seat)
            self.watcher.stage_done("seat", None)
        if self.preview:
            await self._until_rows(self.preview)
            return
        await self._dialogues()
        await self.crew.finish(self, self._finish)

    async def _finish(self) -> None:
        """Do what comes after all dialogues."""
        from culturepark.languages import identified

        identified.let_go()  # nobody speaks any more, and comparing wants room
        if self._reaches("dedup"):
            await self._distil()

    def stopped(self, error: CultureparkError) -> None:
        """Store the reason for which the run was stopped."""
        names: dict[type[CultureparkError], str] = {
            BudgetReached: "budget",
            Interrupted: "interrupted",
            OutOfResources: "resources",
            Unreachable: "unreachable",
            OutOfCredit: "no-credit",
        }
        if isinstance(error, StoreError):
            return  # the reason could not be stored either
        with suppress(StoreError) if isinstance(error, OutOfResources) else nullcontext():
            self.crew.stop(self, f"{names.get(type(error), 'error')}: {error}"[:500])

    def _show(self) -> None:
        self.watcher.figures(self.ledger.budget.tokens, self.ledger.budget.cost_usd, self.samples)

    def _reaches(self, stage: Until) -> bool:
        return UNTIL.index(self.settings.until) >= UNTIL.index(stage)

    async def _seat(self) -> None:
        """Let the moderator's model rate the answers of people whom nobody has rated, and plan the run."""
        from culturepark.dialogue.casting import plan
        from culturepark.distill.ask import SubjectAsker
        from culturepark.languages import load_language
        from culturepark.run.rating import by_person, known, rate, unrated

        spec, numbers = self.models.specs["moderator"], {p.key: n for n, p in enumerate(self.edition.personas, start=1)}
        pairs = unrated(self.edition, self.row.seed, known(self.edition, self.store, spec))
        model = await self.models.get("moderator")

        async def rate_person(own: Sequence[Pair]) -> None:
            asker = SubjectAsker(
                language=load_language(DEFAULT_LANGUAGE),  # cards and questions as they were written
                subject_id=f"{self.row.id}.p{numbers[own[0][0].key]}",
                model=model,
                ledger=self.ledger,
                stage="seat",
            )
            try:
                with shortages_named():
                    self.store.add_ratings(await rate(asker, own))
            except (Unreachable, OutOfCredit):
                raise
            except ModelError as error:
                self.watcher.note(f"{own[0][0].called} gets an answer blind: {error}")
            self._show()

        people = by_person(pairs)
        if model.traits.labels or model.traits.small:
            self.watcher.note(f"{len(people)} people get their answers blind: the model is too small to rate what fits")
        elif people:
            self.watcher.note(f"rating how well answers fit {len(people)} people, once")
            await self.engine.map(rate_person, people, at_once=self._at_once(len(people)), halt=self._halt)
        made = plan(self.edition, self.row.seed, known(self.edition, self.store, spec))
        self.store.add_plan(self.row.id, made, self.edition)
        self.row = self.store.run(self.row.id)
        self.castings = {casting.number: casting for casting in made.castings}
        self.ledger.down_after = min(DOWN_AFTER, len(self.castings))

    async def _dialogues(self) -> None:
        """Do all dialogues, so many at once that no endpoint is idle. A failure of one does not stop the run."""
        from culturepark.models.embedder import Endpoint

        rows = self.store.dialogues(self.row.id)
        open_rows = [row for row in rows if self._missing(row)]
        self.watcher.started(self.row, self.castings.values(), len(rows) - len(open_rows))
        self.agenda.expect(len(open_rows))
        engine = self.crew.engine or self.engine
        # Several workers claim questions once all dialogues are over: each knows of its own dialogues alone.
        alone = self.crew.engine is None and not self.scenario.rows_are_questions
        questions = self.questions() if open_rows and alone else []
        # An endpoint gets whole batches; what is left over is embedded with its question.
        least = Endpoint.batch if self.models.specs["embedder"].remote else 1
        open_seeds = (row.seed_key for row in open_rows)
        self._ahead = Ahead(questions, open_seeds, self._embed_ahead, self.distil_question, least)
        ahead = asyncio.create_task(self._ahead.work())
        try:
            # All of them, where each may wait for a batch.
            at_once = len(open_rows) if self.batches else self.agenda
            await engine.map(self._dialogue, open_rows, at_once=at_once, halt=self._halt)
            await ahead
        finally:
            self._ahead = None
            ahead.cancel()
            await asyncio.gather(ahead, return_exceptions=True)

    async def _embed_ahead(self, texts: Sequence[str]) -> None:
        """Embed statements that have passed, where vectors are kept."""
        from culturepark.store.vectors import vectors_of

        if (embedder := await self._embedder()).identity:
            await vectors_of(self.store, embedder, texts)

    def lacks(self, row: DialogueRow) -> bool:
        """Return whether a dialogue still lacks a stage."""
        return bool(self._missing(row))

    def questions(self) -> list[str]:
        """Return the keys of the questions whose statements are to be compared."""
        return self._questions() if self._reaches("dedup") else []

    def look_again(self, row: DialogueRow) -> None:
        """Read anew what another worker may have done in a dialogue."""
        if self.scenario.measure:
            self._unmeasured(row)  # reads those of all dialogues, the first time
            assert self._measured is not None
            self._measured |= {(probe.dialogue_id, probe.kind) for probe in self.store.probes(row.id)}

    async def _until_rows(self, wanted: int) -> None:
        """Hold one dialogue after the other and distil it, until there are so many rows, or dialogues."""
        from culturepark.run.preview import first_held
        from culturepark.store.runs import kept_rows

        rows = {row.number: row for row in self.store.dialogues(self.row.id)}
        begun = {number for number, row in rows.items() if row.status != Status.PENDING}
        chosen = first_held(list(self.castings.values()), wanted, begun)
        self.watcher.started(self.row, chosen, sum(not self._missing(rows[casting.number]) for casting in chosen))
        for casting in chosen:
            if len(kept_rows(self.store, self.row.id)) >= wanted:
                break
            row = rows[casting.number]
            if self._missing(row):
                await self.engine.map(self._dialogue, [row], at_once=1, halt=self._halt)
            await self._distil()

    def _halt(self, error: CultureparkError) -> CultureparkError:
        self.ledger.halt(error)
        return self.ledger.halted or error

    def _missing(self, row: DialogueRow) -> Mapping[Stage, Callable[[DialogueRow, Casting], Awaitable[None]]]:
        """Return the stages that a dialogue still lacks, in their order."""
        stages: dict[Stage, Callable[[DialogueRow, Casting], Awaitable[None]]] = {}
        if row.status in (Status.PENDING, Status.RUNNING, Status.FAILED):
            stages["dialogue"] = self._talk
        if self._reaches("extract") and row.extracted < self.row.extract_round:
            # What a user typed reaches nobody but the persona.
            if not row.examined and not protocol_of(self.scenario.protocol).user_sits:
                stages["examine"] = self._examine
            stages["extract"] = self._extract
        if self._reaches("verify") and row.verified < self.row.verify_round:
            stages["verify"] = self._verify
        if self.scenario.measure and self._unmeasured(row):
            stages["measure"] = self._measure
        return stages

    async def _dialogue(self, row: DialogueRow) -> None:
        casting = self.castings[row.number]
        spoken = self._spoken(casting)
        missing = self._missing(row)
        self.agenda.open(row.id, {stage: REQUESTS[stage] for stage in missing})
        is_whole = False
        try:
            with shortages_named():
                for stage, work in missing.items():
                    self.agenda.begin(row.id, stage)
                    await work(row, casting if stage == "dialogue" else spoken)
                    self.watcher.stage_done(stage, casting)
            is_whole = True
        except (Unreachable, OutOfCredit):
            raise
        except ModelError as error:
            self.store.set_dialogue(row.id, Status.FAILED, error.kind, str(error))
            known = figureless(str(error)) in self._noted
            self.watcher.note(f"dialogue {row.number} failed{' for the same reason' if known else f': {error}'}")
            self._noted.add(figureless(str(error)))
            self.watcher.failed(casting, error.kind)
        except CultureparkError:
            raise
        except Exception as bug:  # an unforeseen answer must not cost the other dialogues
            self.store.set_dialogue(row.id, Status.FAILED, "bug", describe(bug))
            self.watcher.note(f"dialogue {row.number} failed by a bug, sorry, please report it: {describe(bug)}")
            show_origin(bug)
            self.watcher.failed(casting, "bug")
        finally:
            self.agenda.close(row.id, is_whole=is_whole)
            if self._ahead:
                self._ahead.over(row.seed_key)
        self.watcher.dialogue_done(casting)

    async def _talk(self, row: DialogueRow, casting: Casting) -> None:
        from culturepark.dialogue.loop import Ending, Rendered, converse

        if protocol_of(self.scenario.protocol).user_sits:
            if row.status != Status.FAILED:
                raise UsageError(still_open(self.row.id))
            self.store.set_dialogue(row.id, Status.DONE, "completed")  # a talk itself cannot fail, later stages can
            return
        self.store.set_dialogue(row.id, Status.RUNNING)
        self.watcher.talking(casting)
        turns = self.store.turns(row.id)
        speaker, moderator = await self.models.get("speaker"), await self.models.get("moderator")
        tongues = tongues_of(self.scenario, casting)
        interpreter = await self._interpreter() if tongues.interpreted else None
        if tongues.interpreted and self.scenario.across == "lingua-franca":
            called = " and ".join(p.persona.called for p in casting.participants)
            self._note_once(f"{called} share no language in which their cards hold talks: they have an interpreter")
        for person in (p.persona for p in casting.participants) if speaker.traits.small else ():
            if not person.is_written_in(code := tongues.speaks(person.key)):
                self._note_once(f"{person.called} has no card in {code}, and a model this small only picks from cards")
        async for event in converse(
            casting,
            self.scenario,
            row.id,
            turns,
            run_seed=self.row.seed,
            speaker=speaker,
            moderator=moderator,
            ledger=self.ledger,
            scenes=self._scenes(as_spoken(casting, tongues)),
            interpreter=interpreter,
        ):
            self._show()
            if isinstance(event, Ending):
                self.store.set_dialogue(row.id, event.status, event.stop_reason)
                self.watcher.talked(casting, event.status, event.stop_reason)
            elif isinstance(event, Rendered):
                await self.store.journal.add_renderings(row.id, event.turn)
            else:
                await self.store.journal.add_turn(row.id, event)
                self.watcher.turn(casting, event)

    def _spoken(self, casting: Casting) -> Casting:
        """Return a plan in the languages that are spoken at its table."""
        return as_spoken(casting, tongues_of(self.scenario, casting))

    async def _interpreter(self) -> ChatModel:
        """
        Raises:
            UsageError: if its model is too small: what it said would be nobody's words.
        """
        model = await self.models.get("interpreter")
        if model.traits.small:
            raise UsageError(f"{model.spec} {NO_INTERPRETER}")
        if model.traits.labels:
            self._note_once(
                "the interpreter's model is small: read what it makes of a few turns before you use the rows"
            )
        return model

    def _scenes(self, casting: Casting) -> dict[str, list[Scene]]:
        """Return the scenes that each person may tell in a dialogue, so that none is told twice in the run."""
        from culturepark.dialogue.memory import allotted, scenes_of

        if self._allotment is None:
            self._allotment = allotted(list(self.castings.values()), self.row.seed)
        return {
            p.persona.key: [scenes_of(p.persona)[i] for i in self._allotment.get((casting.number, p.persona.key), ())]
            for p in casting.participants
        }

    async def _examine(self, row: DialogueRow, casting: Casting) -> None:
        """Look for slips, once. That none could be looked for stops nothing: the row says so, and a remark."""
        from culturepark.distill.slips import examine

        if await self._both_at_once(row, casting):
            return
        asker = await self._asker(row, casting, "verifier", "examine")
        if asker.model.traits.small or asker.model.traits.labels:
            self._note_once("nobody looks for slips in what was said: the verifier's model is too small for that")
            self.store.add_slips(row.id, [], TOO_SMALL)
            return
        turns = self.store.turns(row.id)
        found = await examine(asker, turns, self._scenes(casting), after=row.branched_at or 0)
        if found.unread:
            self._note_once(
                f"dialogue {row.number}: nothing is known of slips in {counted(found.unread, 'turn')}, since no answer "
                "about them could be read"
            )
        self.store.add_slips(row.id, found.slips, UNREAD if found.unread else EXAMINED)
        self._show()

    async def _both_at_once(self, row: DialogueRow, casting: Casting) -> bool:
        """Look for slips and extract in one call, and keep what came of it for `_extract`, which stores both."""
        from culturepark.distill.extract import by_heads_alone
        from culturepark.distill.together import examine_and_extract

        policy = self.scenario.distill
        if policy.slips != "together" or self.models.specs["extractor"] != self.models.specs["verifier"]:
            return False
        asker = await self._asker(row, casting, "extractor", "extract")
        if asker.model.traits.small or by_heads_alone(asker.model.traits, policy.extract):
            return False
        found = await examine_and_extract(
            asker, self.store.turns(row.id), self._scenes(casting), self.scenario.mine, row.branched_at or 0
        )
        if found is not None:
            self._found[row.id] = found
        return found is not None

    async def _extract(self, row: DialogueRow, casting: Casting) -> None:
        from culturepark.distill.extract import by_heads_alone, extract
        from culturepark.distill.slips import said_by, spoiled, touched

        if both := self._found.pop(row.id, None):
            self._add_extraction(row, casting, both[1], both[0].slips)
            return
        asker = await self._asker(row, casting, "extractor", "extract")
        turns, slips = self.store.turns(row.id), spoiled(self.store.slips(row.id))
        scenes = {key: touched(told, said_by(key, turns)) for key, told in self._scenes(casting).items()}
        extraction = await extract(
            asker,
            turns,
            self.scenario.distill.extract,
            scenes,
            await self._encode() if by_heads_alone(asker.model.traits, self.scenario.distill.extract) else None,
            after=row.branched_at or 0,
            roles=self.scenario.mine,
            without={turn.position for turn in turns if f"{row.id}.t{turn.position}" in slips},
        )
        self._add_extraction(row, casting, extraction)

    def _add_extraction(
        self, row: DialogueRow, casting: Casting, extraction: Extraction, slips: Sequence[Slip] | None = None
    ) -> None:
        """
        Args:
            slips: those that were found in the same calls, if they were looked for there.
        """
        counts = self.store.statement_counts(row.id)
        statements: list[tuple[Statement, str | None]] = []
        ids: dict[Proposal, str] = {}
        for proposal in extraction.proposals:
            turn_id = f"{row.id}.t{proposal.turn.position}"
            counts[turn_id] = number = counts.get(turn_id, 0) + 1
            ids[proposal] = statement_id = f"{turn_id}.s{number}"
            unlike = ids.get(proposal.unlike) if proposal.unlike else None
            said_in = proposal.turn.language or row.language
            statement = proposal.as_statement(statement_id, turn_id, casting, said_in, unlike)
            statements.append((statement, proposal.call_id))
        self.store.add_extraction(row.id, statements, extraction.rejected, self.row.extract_round, slips)
        self._show()

    async def _verify(self, row: DialogueRow, casting: Casting) -> None:
        from culturepark.distill.extract import provenance_of
        from culturepark.distill.judgement import case
        from culturepark.distill.reword import candidates, reword
        from culturepark.distill.row_checks import check_rows, worth_asking
        from culturepark.distill.samples import Judged, by_criterion, most_rows, shapes, why_dropped
        from culturepark.distill.verify import by_claims, verify

        policy = self.scenario.distill
        said = self.store.turns(row.id)
        turns = {f"{row.id}.t{turn.position}": turn for turn in said}
        # What a real person typed is shown to the speaker alone.
        before = {f"{row.id}.t{turn.position}": last for last, turn in pairwise(said) if last.role != "user"}
        verifier = await self._asker(row, casting, "verifier", "verify")
        traits = verifier.model.traits
        encode = await self._encode() if traits.labels or by_claims(traits, policy) else None
        statements = [s.noun() for s in self.store.statements(self.row, row.id) if s.rewritten_from is None]
        cases = [case(s, turns[s.turn_id], casting, verifier.language, before.get(s.turn_id)) for s in statements]
        verdicts = await verify(verifier, cases, policy, encode)
        reworded: list[tuple[Statement, str | None]] = []
        if contradicting := candidates(cases, verdicts, policy):
            counts = self.store.statement_counts(row.id)
            for wording in await reword(await self._asker(row, casting, "extractor", "verify"), contradicting, policy):
                old = wording.case.statement
                counts[old.turn_id] = number = counts[old.turn_id] + 1
                new = {
                    "id": f"{old.turn_id}.s{number}",
                    "text": wording.text,
                    "first_person": wording.first_person,
                    "rewritten_from": old.id,
                }
                reworded.append((old.model_copy(update=new), wording.call_id))
            if policy.rewrite == "checked":
                cases = [
                    case(s, turns[s.turn_id], casting, verifier.language, before.get(s.turn_id)) for s, _ in reworded
                ]
                verdicts += await verify(verifier, cases, policy, encode)
        statements += [statement for statement, _ in reworded]
        by_id = {statement.id: statement for statement in statements}
        asked = worth_asking(verdicts)
        verdicts += await check_rows(verifier, [s for s in statements if s.id in asked], by_id, encode)
        if policy.checks:
            verdicts += await self._check(row, casting, statements, verdicts)
        provenance = {
            verdict.statement_id: provenance_of(by_id[verdict.statement_id].source, carried=verdict.decision == "keep")
            for verdict in verdicts
            if verdict.criterion == "carried"
        }
        self.store.add_verification(row.id, reworded, verdicts, self.row.verify_round, provenance)
        given = given_by(verdicts)
        plan = told(self.castings[row.number], tongues_of(self.scenario, casting))
        judged = [Judged(s, by_criterion(given[s.id]), plan, turns[s.turn_id].phase) for s in statements]
        self.watcher.judged(casting, [(item.statement, why_dropped(item, self.scenario)) for item in judged])
        passed = passed_all(verdicts)
        if self._ahead and passed:
            self._ahead.verified(s.first_person for s in statements if s.id in passed)
        fitting = [len(shapes(s, casting, self.scenario.samples)) for s in statements if s.id in passed]
        self.samples += sum(min(count, most_rows(self.scenario)) for count in fitting)
        self._show()

    async def _check(
        self, row: DialogueRow, casting: Casting, statements: list[Statement], verdicts: list[Verdict]
    ) -> list[Verdict]:
        from culturepark.distill.checks import check

        policy = self.scenario.distill
        assert policy.checks is not None
        unasked = {s.id for s in statements if s.rewritten_from and policy.rewrite == "as-published"}
        asked = passed_all(verdicts) | unasked
        passed = [s for s in statements if s.id in asked]
        askers = [await self._asker(row, casting, role, "check") for role in JUDGES if role in self.models.specs]
        if any(asker.model.traits.labels for asker in askers) and not self.warned:
            self.watcher.note(
                "a model this small is no judge: its scores hardly tell harm from none; see docs/checks.md"
            )
            self.warned = True
        return await check(askers, passed, policy.checks, self.edition, self.row.seed)

    def _unmeasured(self, row: DialogueRow) -> list[Measure]:
        """Return the measures of a dialogue that have no rows yet."""
        from culturepark.distill.probes import wanted

        if self._measured is None:
            self._measured = {(probe.dialogue_id, probe.kind) for probe in self.store.probes(self.row.id)}
        casting = self.castings[row.number]
        return [measure for measure in wanted(self.scenario, casting) if (row.id, measure) not in self._measured]

    async def _measure(self, row: DialogueRow, casting: Casting) -> None:
        """Ask what measures a talk. A request that fails costs this measure, and is made again on resume."""
        from culturepark.distill.probes import ROLES, probe

        turns = self.store.turns(row.id)
        for measure in self._unmeasured(row):
            askers = {role: await self._asker(row, casting, role, "measure") for role in ROLES[measure]}
            if any(asker.model.traits.small or asker.model.traits.labels for asker in askers.values()):
                self._note_once("talks are not measured: a model this small cannot read one")
                continue
            try:
                answers = await probe(measure, askers, turns, self.row.seed)
            except (Unreachable, OutOfCredit):
                raise
            except ModelError as error:
                self._note_once(f"dialogue {row.number} is not measured ({measure}): {error}")
                continue
            self.store.add_probes([ProbeRow(dialogue_id=row.id, **vars(answer)) for answer in answers])
        self._show()

    async def _asker(self, row: DialogueRow, casting: Casting, role: ModelRole, stage: str) -> Asker:
        from culturepark.distill.ask import Asker
        from culturepark.languages import load_language

        model = await self.models.get(role)
        tongues = tongues_of(self.scenario, casting)
        return Asker(
            casting=casting,
            language=load_language(tongues.moderator),
            spoken=tongues.all,
            subject_id=row.id,
            model=model,
            ledger=self.ledger,
            stage=stage,
        )

    async def _distil(self) -> None:
        """Make duplicates and samples of the whole run. Both follow from the verdicts, and can be made again.

        It goes through the run twice, one question after the other: first it compares what was said, and then it makes
        the rows. Of a question nothing stays in memory but its duplicates, and the norms, which are compared with those
        of all questions.
        """
        from culturepark.distill.dedup import band, portions
        from culturepark.store.vectors import vectors_of

        questions = self._questions()
        repeats = Repeats()
        norms: list[Entry] = []
        for key in questions:
            compared = await self.distil_question(key)
            norms += compared.norms
            repeats.add(compared.repeats)
        for portion in portions(norms):
            repeats.add(await self._compare(portion))
        duplicates, passed = repeats.duplicates, repeats.passed
        if passed:
            embedder, threshold = await self._embedder(), threshold_of(self.row, self.edition)
            asked = f"; a model was asked about {counted(repeats.asked, 'pair')}" if repeats.asked else ""
            sure = band(embedder.method, self._languages()[0], threshold)[1]
            self.watcher.note(
                f"{len(duplicates)} of {passed} verified statements repeat another one "
                f"(similarity {sure:.2f} and more, by {embedder.method}{asked})"
            )
        self.watcher.stage_done("dedup", None)
        if self._reaches("samples"):
            idle = self._write_rows(questions, duplicates, await self._wordings())
            self.watcher.stage_done("samples", None)
            await self._render()
            if idle:
                self.watcher.note(f"reviews that count no longer, because nothing says the same words now: {idle}")
        else:
            self.store.set_duplicates(self.row.id, duplicates)
        if passed:  # `stats` measures how far the talk went beyond the questions
            await vectors_of(self.store, embedder, [seed.question for seed in self.scenario.seeds])

    async def distil_question(self, seed_key: str) -> Compared:
        """Find the duplicates among the opinions on one question, and embed its norms.

        It may be called as soon as the question's dialogues are verified, so that less is left when the last one ends.
        Nothing is stored but vectors and calls. Called again it gives the same, at once if nothing has changed.
        """
        from culturepark.distill.samples import entries
        from culturepark.store.vectors import vectors_of

        async with self._comparing:  # one question at a time: vectors of many would be in memory together
            reviews = self.store.reviews(self.row.id)

            def passed() -> list[Entry]:
                return entries(self._judged(seed_key), self.scenario, lambda name: of_sample(reviews, name).rejected)

            # In a thread, as comparing: of some thousand statements it takes a second.
            found = await detached(passed)
            digest = sha256(repr(found).encode("utf-8", "surrogatepass")).hexdigest()
            known = self._compared.get(seed_key)
            if known is None or known.digest != digest:
                across = [entry for entry in found if entry.across_questions]
                repeats = await self._compare([entry for entry in found if not entry.across_questions])
                if across:
                    await vectors_of(self.store, await self._embedder(), [entry.text for entry in across])
                known = self._compared[seed_key] = Compared(digest, repeats, across)
            return known

    async def _compare(self, entries: Sequence[Entry]) -> Repeats:
        """Return the duplicates among some statements; a block is compared as a whole."""
        from culturepark.distill.dedup import Blocks
        from culturepark.store.vectors import vectors_of

        if not entries:  # else weights would be fetched for nothing
            return Repeats()
        embedder, threshold = await self._embedder(), threshold_of(self.row, self.edition)
        vectors = await vectors_of(self.store, embedder, [entry.text for entry in entries])
        answers: dict[TextPair, bool] = {}
        # In a thread: it may take minutes, and a second Ctrl-C stops at once.
        compared = await detached(Blocks, entries, vectors, embedder.method, threshold)
        return Repeats(await self._second_look(compared, answers), len(entries), len(answers))

    def _write_rows(
        self, questions: Sequence[str], duplicates: Sequence[Duplicate], wordings: Mapping[LanguageCode, Wordings]
    ) -> int:
        """Store the duplicates and samples of the run.

        Returns:
            The number of reviews that no longer count.
        """
        from culturepark.distill.samples import SHAPE_SHARE, Shaping
        from culturepark.store.questions import writing_rows

        repeated = {duplicate.statement_id for duplicate in duplicates}
        shaping = Shaping(self.scenario, wordings)
        with writing_rows(self.store, self.row.id) as rows:
            rows.replace_duplicates(duplicates)
            for key in questions:
                rows.write(shaping.of(self._judged(key, rows), repeated), rows.known_on(key))
            rows.drop(shaping.too_many(), SHAPE_SHARE)
            return rows.idle_reviews()

    async def _render(self) -> None:
        """Put statements of rows in other languages into English. That it cannot be done stops nothing."""
        from culturepark.distill.ask import SubjectAsker
        from culturepark.distill.render import compare, drawn, render
        from culturepark.languages import load_language

        statements = self.store.unrendered(self.row) if self.scenario.distill.english else []
        if not statements:
            return

        async def asker(role: ModelRole) -> SubjectAsker:
            return SubjectAsker(
                language=load_language(DEFAULT_LANGUAGE),
                subject_id=self.row.id,
                model=await self.models.get(role),
                ledger=self.ledger,
                stage="render",
            )

        interpreter = await asker("interpreter")
        if interpreter.model.traits.small or interpreter.model.traits.labels:
            self._note_once("rows have no English beside them: a model this small does not render a text faithfully")
            return
        try:
            made = await render(interpreter, statements)
            originals = {statement.id: statement for statement in statements}
            chosen = drawn(made)
            compared = await compare(await asker("verifier"), chosen, [originals[one.statement_id] for one in chosen])
        except (Unreachable, OutOfCredit):
            raise
        except ModelError as error:
            self._note(f"rows have no English beside them: {error}")
            return
        found = {one.statement_id: one for one in compared}
        self.store.add_statement_renderings([found.get(one.statement_id, one) for one in made])
        agree = [one.agrees for one in compared if one.agrees is not None]
        self._note(
            f"{counted(len(made), 'statement')} of {len(statements)} put into English; a second call agrees with "
            f"{sum(agree)} of {len(agree)} that it compared"
        )
        self.watcher.stage_done("render", None)
        self._show()

    async def _second_look(self, compared: Blocks, answers: dict[TextPair, bool]) -> list[Duplicate]:
        """Return the duplicates of some blocks, and let the verifier say of which others it finds them the same.

        Args:
            answers: what it has said in this run; what it says here is added.
        """
        from culturepark.distill.ask import SubjectAsker
        from culturepark.distill.same import same
        from culturepark.languages import load_language

        decision = await detached(compared.decide, answers)  # in a thread, as above
        for _ in range(SECOND_LOOKS):
            if not decision.unsure:
                break
            try:
                model = await self.models.get("verifier")
            except UsageError as refused:  # `distill --from dedup` needs nobody but the embedder
                self._note_once(f"nobody is asked about {counted(len(decision.unsure), 'pair')}: {refused}")
                break
            # Texts of a block are in one language; a judge is told of those of all that were spoken.
            spoken = self._languages()
            asker = SubjectAsker(
                language=load_language(spoken[0]),
                spoken=spoken,
                subject_id=self.row.id,
                model=model,
                ledger=self.ledger,
                stage="dedup",
            )
            answers |= await same(asker, decision.unsure)
            self._show()
            decision = await detached(compared.decide, answers)
        return decision.duplicates

    def _languages(self) -> tuple[LanguageCode, ...]:
        """Return the languages that are spoken in the run, in the order of its dialogues."""
        if self.scenario.language != NATIVE:
            return (self.scenario.language,)
        spoken = [tongues_of(self.scenario, casting).all for casting in self.castings.values()]
        return tuple(dict.fromkeys(code for codes in spoken for code in codes))

    async def _wordings(self) -> dict[LanguageCode, Wordings]:
        """Return the wordings of the rows by language, with those of a model where the scenario wants them."""
        return {code: await self._wordings_in(code) for code in self._languages()}

    async def _wordings_in(self, code: LanguageCode) -> Wordings:
        from culturepark.distill.ask import SubjectAsker
        from culturepark.distill.rephrase import rephrase
        from culturepark.distill.wordings import Wordings
        from culturepark.languages import load_language

        language, count = load_language(code), self.scenario.distill.paraphrases
        if not count:
            return Wordings(language)
        model = await self.models.get("extractor")
        if model.traits.small or model.traits.labels:
            self._note_once("prompts have the shipped wordings alone: a model this small is not asked for others")
            return Wordings(language)
        asker = SubjectAsker(language=language, subject_id=self.row.id, model=model, ledger=self.ledger, stage="shape")
        try:
            made = await rephrase(asker, self.scenario.samples, count)
        except (Unreachable, OutOfCredit):
            raise
        except ModelError as error:
            self._note(f"prompts have the shipped wordings alone: {error}")
            return Wordings(language)
        found = sum(map(len, made.more.values()))
        self._note(f"{counted(found, 'more wording')} of prompts by the model, {made.refused} unfit ones refused")
        return Wordings(language, made.more)

    def _questions(self) -> list[str]:
        """Return the keys of the questions of the run, in the order of its dialogues."""
        from culturepark.store.questions import questions_of

        return questions_of(self.store, self.row.id)

    def _judged(self, seed_key: str, rows: Rows | None = None) -> list[Judged]:
        """Return the statements on one question that count, with what decides about their samples.

        Args:
            rows: reads them inside its transaction.
        """
        from culturepark.distill.samples import Judged, by_criterion
        from culturepark.store.questions import mined_of

        mined = rows.mined_on(self.row, seed_key) if rows else mined_of(self.store, self.row, seed_key)
        plans: dict[int, Casting] = {}
        for number in {one.dialogue for one in mined}:
            casting = self.castings[number]
            plans[number] = told(casting, tongues_of(self.scenario, casting))
        return [
            Judged(
                one.statement,
                by_criterion(one.verdicts),
                plans[one.dialogue],
                one.phase,
                picked=one.origin == "picked",
                unfounded=one.slips,
            )
            for one in mined
        ]

    async def _encode(self) -> Encode | None:
        """Return the encoder whose heads read for a model too small to be asked.

        None where it cannot be had: then only what was picked from a card is mined.
        """
        from culturepark.models.embedder import open_embedder
        from culturepark.models.spec import E5

        if self._encoder is None:
            self._encoder = await detached(open_embedder, E5, self.watcher.fetching, lambda _: None, unasked)
        if self._encoder.method != "e5":
            self._note_once("the encoder that reads turns for small models cannot be had: only card lines are mined")
            return None
        return self._encoder.embed

    async def _embedder(self) -> Embedder:
        from culturepark.models.embedder import open_embedder

        async def ask(request: Request) -> Reply:
            model = await self.models.get("embedder")
            return await self.ledger.ask(model, request, stage="dedup", subject_id=self.row.id, prompt_digest="")

        if self._dedup_embedder is None:
            spec, watcher = self.models.specs["embedder"], self.watcher
            # It may have weights to fetch.
            self._dedup_embedder = await detached(open_embedder, spec, watcher.fetching, watcher.note, ask)
        return self._dedup_embedder


GATES: tuple[Criterion, ...] = ("faithful", "stance", "harmlessness", "awareness", "cross-check")
"""Criteria of a statement as such; the others decide about the rows that it would make."""


async def unasked(_: Request) -> Reply:
    raise AssertionError("an encoder in this process asks nobody")


def passed_all(verdicts: Iterable[Verdict]) -> set[str]:
    """Return the ids of the statements that have verdicts, and none that drops them."""
    gates = [verdict for verdict in verdicts if verdict.criterion in GATES]
    decisions = {(verdict.statement_id, verdict.decision) for verdict in gates}
    return {statement_id for statement_id, _ in decisions if (statement_id, "drop") not in decisions}


def given_by(verdicts: Iterable[Verdict | VerdictRow]) -> dict[str, list[tuple[str, Relation, str]]]:
    """Return statement id -> criterion, relation and decision of each verdict on it; none for other statements."""
    given: dict[str, list[tuple[str, Relation, str]]] = defaultdict(list)
    for verdict in verdicts:
        given[verdict.statement_id].append((verdict.criterion, cast("Relation", verdict.relation), verdict.decision))
    return given


def still_open(run_id: str, where: str = "") -> str:
    """
    Args:
        where: the option that names the store, if it is not the default.
    """
    return f"{run_id} is a talk that its user has not ended; go on with it: culturepark talk --run-id {run_id}{where}"


def figureless(text: str) -> str:
    """Return a message without its figures, so that it is known when it comes again with others."""
    return re.sub(r"\d[\d,.]*", "#", text)


def describe(bug: Exception) -> str:
    return storable(redact(f"{type(bug).__name__}: {bug}"))[:500]
