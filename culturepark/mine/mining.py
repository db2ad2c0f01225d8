"""A mine: a run that asks a model without a talk, and goes through the same stages with its answers as with turns."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

from culturepark.dialogue.stance import option_reached
from culturepark.dialogue.tongues import tongues_of
from culturepark.distill.ask import SubjectAsker
from culturepark.distill.judgement import case
from culturepark.distill.row_checks import check_rows
from culturepark.distill.samples import Judged, by_criterion, shapes, why_dropped
from culturepark.distill.verify import verify
from culturepark.domain import (
    Casting,
    Edition,
    LanguageCode,
    ModelRole,
    Relation,
    Stage,
    Statement,
    Status,
    Turn,
    Verdict,
    storable,
)
from culturepark.errors import BadAnswer, UsageError
from culturepark.ids import dialogue_of
from culturepark.languages import load_language
from culturepark.mine import norms as of_norms
from culturepark.mine import sentences as of_sentences
from culturepark.mine.nearest_norms import nearest
from culturepark.mine.plan import drawn, mining_of, plan
from culturepark.models.chat import Reply, canonical, digest
from culturepark.models.json_answers import parse
from culturepark.models.kinds import is_tiny
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.run import Watcher
from culturepark.run.pipeline import Run, given_by, passed_all
from culturepark.run.plan import Settings, mined_roles, models_column, pending
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, RunRow, noun_of
from culturepark.store.vectors import vectors_of

STAGE = "mine"


def new_mine(
    store: Store,
    edition: Edition,
    *,
    seed: int,
    models: Mapping[ModelRole, ModelSpec],
    settings: Settings,
    run_id: str,
) -> RunRow:
    """Make a mine and return its run, or take it up again where it exists with the same plan, seed and models.

    Raises:
        UsageError: if the run exists but is another, or there is nothing to ask.
    """
    scenario = canonical(edition.model_dump(mode="json"))
    specs = models_column(models)
    if row := store.find_run(run_id):
        if (row.scenario_digest, row.seed, row.models) != (digest(scenario), seed, specs):
            raise UsageError(
                f"the run {run_id} exists and mines something else, or by another model or seed; name another --run-id"
            )
        store.set_plan(row.id, vars(settings), row.models)
        return store.run(row.id)
    row = pending(run_id, edition.scenario.name, scenario, seed, specs, vars(settings))
    store.create_run(row, plan(edition), edition)
    return store.run(run_id)


def too_small(spec: ModelSpec, role: str) -> UsageError:
    what = "say whether two answers mean the same" if role == "verifier" else "be asked for what it knows"
    return UsageError(
        f"{spec} is too small to {what}: one of three billion parameters or more can; `mine seeds --how none` asks no "
        "model"
    )


def check_size(models: Mapping[ModelRole, ModelSpec], roles: Iterable[ModelRole]) -> None:
    """Refuse before anything is begun a model that is known to be too small; of others it shows once they are loaded.

    Raises:
        UsageError: if there is one.
    """
    for role in roles:
        if is_tiny(str(models[role])):
            raise too_small(models[role], role)


class MinedRun(Run):
    """A mine being carried on."""

    def __init__(self, store: Store, row: RunRow, watcher: Watcher, trust: Trust | None = None) -> None:
        super().__init__(store, row, watcher, trust)
        self.mining = mining_of(self.scenario)
        self._one_at_a_time: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Key of a question -> a lock: its sentences are the same for all cultures, and are asked for once."""
        self._norms: list[tuple[str, str, Statement]] | None = None
        """Those that have passed verification; None until they are read."""

    async def _stages(self) -> None:
        await self._check_models()
        await self._dialogues()
        if self._reaches("dedup"):
            await self._distil()

    async def _check_models(self) -> None:
        """
        Raises:
            UsageError: if a model is too small to be asked for JSON that can be believed.
        """
        for role in ("speaker", "verifier") if mined_roles(self.scenario) else ():
            model = await self.models.get(role)
            if model.traits.small or model.traits.labels:
                raise too_small(model.spec, role)

    async def _dialogues(self) -> None:
        """Ask for all norms, and only then for what is reasoned from them; a failure costs its own dialogue alone."""
        rows = self.store.dialogues(self.row.id)
        open_rows = [row for row in rows if self._missing(row)]
        self.watcher.started(self.row, self.castings.values(), len(rows) - len(open_rows))
        topics = [row for row in open_rows if self.scenario.topic(row.seed_key)]
        others = [row for row in open_rows if not self.scenario.topic(row.seed_key)]
        waits = self.mining.what == "norms" and not self._reaches("verify")
        for wave in (topics, [] if waits else others):
            self._norms = None
            await self.engine.map(self._dialogue, wave, at_once=self.settings.concurrency, halt=self._halt)

    def _outcome(self) -> tuple[Status, str]:
        """Return the run's status; reasonings that wait for verified norms do not make it an unfinished one."""
        if self._reaches("verify"):
            return super()._outcome()
        failed = sum(row.status == Status.FAILED for row in self.store.dialogues(self.row.id))
        if failed:
            return Status.FAILED, f"{failed} dialogues failed"
        return Status.DONE, f"until {self.settings.until}"

    def _missing(self, row: DialogueRow) -> Mapping[Stage, Callable[[DialogueRow, Casting], Awaitable[None]]]:
        stages = dict(super()._missing(row))
        stages.pop("examine", None)  # nobody has spoken who could slip
        return stages

    # --- what is asked -------------------------------------------------------------------------------

    async def _talk(self, row: DialogueRow, casting: Casting) -> None:
        self.store.set_dialogue(row.id, Status.RUNNING)
        self.watcher.talking(casting)
        spoken = self._spoken(casting)
        if self.mining.what == "seeds":
            async with self._one_at_a_time[row.seed_key]:
                await self._ask_sentences(row, spoken)
        elif self.scenario.topic(row.seed_key):
            await self._ask_norms(row, spoken)
        else:
            await self._ask_reasonings(row, spoken)
        self.store.set_dialogue(row.id, Status.DONE, "completed")
        self.watcher.talked(casting, Status.DONE, "completed")
        self._show()

    async def _ask_sentences(self, row: DialogueRow, casting: Casting) -> None:
        seed = casting.seed
        if self.mining.how == "none":
            for position in range(1, self.mining.rows + 1):
                self._keep_turn(row, casting, position, of_sentences.AS_ASKED, seed.question, None)
            return
        asker = await self._subject("speaker", self.row.id, STAGE, casting)
        reply = await of_sentences.ask_sentences(asker, seed, self.mining.rows)
        self._keep_reply(row, casting, 1, of_sentences.SENTENCES, reply)
        if reply and self.mining.synonyms and (answer := parse(reply.text, of_sentences.Sentences)):
            again = await of_sentences.ask_synonyms(asker, seed, answer.questions)
            self._keep_reply(row, casting, 2, of_sentences.SYNONYMS, again)

    async def _ask_norms(self, row: DialogueRow, casting: Casting) -> None:
        topic = self.scenario.topic(row.seed_key)
        assert topic is not None
        country = casting.participants[0].persona.home
        code = self._language(casting)
        material = of_norms.norm_material(
            self.mining.how,
            topic.name,
            casting.participants[0].persona.country_name,
            country,
            [seed.in_language(code) for seed in self.scenario.questions_shown(row.seed_key, country)],
            count=self.mining.rows,
            answers=self.mining.answers,
            run_seed=self.row.seed,
        )
        reply = await of_norms.ask_norms(await self._subject("speaker", row.id, STAGE, casting), material)
        self._keep_reply(row, casting, 1, of_norms.NORMS, reply)

    async def _ask_reasonings(self, row: DialogueRow, casting: Casting) -> None:
        """Ask for reasonings to the drawn answers, and in a call of its own to those across the scale.

        Both calls are alike, and none of them says which answers are the drawn ones: the two sides of a pair are to
        differ in where they lead, and not in the care with which they were written.
        """
        told = [statement.first_person for statement in self._norms_for(casting)]
        if not told:
            culture = casting.participants[0].persona.culture
            topics = [row for row in self.store.dialogues(self.row.id) if self.scenario.topic(row.seed_key)]
            own = [row for row in topics if self.castings[row.number].participants[0].persona.culture == culture]
            if any(row.status != Status.DONE for row in own):
                raise BadAnswer("the norms that it would be reasoned from could not be mined")
            self._note_once(
                f"no norm is left to reason from for {row.seed_key} ({casting.participants[0].persona.culture})"
            )
            return
        asker = await self._subject("speaker", row.id, STAGE, casting)
        seed, country = casting.seed, casting.participants[0].persona.country_name
        for position, phase in enumerate((of_norms.DRAWN, of_norms.ACROSS), start=1):
            if answers := [answer for _, answer in self._reached(casting, phase)]:
                material = of_norms.reason_material(seed, country, told, answers)
                self._keep_reply(row, casting, position, phase, await of_norms.ask_reasonings(asker, material))

    def _reached(self, casting: Casting, phase: str) -> list[tuple[str, str]]:
        """Return the answers that reasonings are asked for, each with the key of the card of the drawn one."""
        seed = casting.seed
        assert seed.item is not None
        people = drawn(casting, self.mining.reasons, self.row.seed)
        if phase == of_norms.DRAWN:
            return [(p.persona.key, p.stance.text) for p in people if p.stance]
        once = {p.persona.key: p for p in people}.values()
        across = [(p, option_reached(seed.item, p.stance.code, "contradict")) for p in once if p.stance]
        return [(p.persona.key, option.label) for p, option in across if option]

    def _norms_for(self, casting: Casting) -> list[Statement]:
        """Return the verified norms of a culture that rest on other questions than this one, the nearest first."""
        culture = casting.participants[0].persona.culture
        if self._norms is None:
            self._norms = self._verified_norms()
        own = [
            statement
            for seed_key, country, statement in self._norms
            if statement.culture == culture
            and casting.seed.key not in {seed.key for seed in self.scenario.questions_shown(seed_key, country)}
        ]
        order = nearest(casting.seed, [statement.first_person for statement in own], of_norms.MOST_SHOWN)
        return [own[index] for index in order]

    def _verified_norms(self) -> list[tuple[str, str, Statement]]:
        """Return seed key, country and statement of every norm that has passed verification."""
        verdicts = [noun_of(row, Verdict) for row in self.store.verdicts(self.row.id, self.row.verify_round)]
        passed = passed_all(verdicts)
        generic = {v.statement_id for v in verdicts if v.criterion == "distinctive" and v.relation == "contradict"}
        topics = {
            row.id: (row.seed_key, self.castings[row.number].participants[0].persona.home)
            for row in self.store.dialogues(self.row.id)
            if self.scenario.topic(row.seed_key)
        }
        found = []
        for statement in self.store.statements(self.row):
            dialogue_id = dialogue_of(statement.turn_id)
            if dialogue_id in topics and statement.id in passed - generic:
                found.append((*topics[dialogue_id], statement.noun()))
        return found

    def _keep_reply(self, row: DialogueRow, casting: Casting, position: int, phase: str, reply: Reply | None) -> None:
        if reply is not None:
            self._keep_turn(row, casting, position, phase, storable(reply.text), reply.call_id or None)

    def _keep_turn(
        self, row: DialogueRow, casting: Casting, position: int, phase: str, text: str, call_id: str | None
    ) -> None:
        if position in {turn.position for turn in self.store.turns(row.id)}:
            return
        asks = self.mining.what == "seeds"
        turn = Turn(
            position=position,
            slot=position,
            speaker="moderator" if asks else casting.participants[0].persona.key,
            role="moderator" if asks else "delegate",
            phase=phase,
            text=text,
            origin="model" if call_id else "cue",
            call_id=call_id,
        )
        self.store.add_turn(row.id, turn)
        self.watcher.turn(casting, turn)

    async def _subject(self, role: ModelRole, subject_id: str, stage: str, casting: Casting) -> SubjectAsker:
        code = self._language(casting)
        return SubjectAsker(
            language=load_language(code),
            spoken=(code,),
            subject_id=subject_id,
            model=await self.models.get(role),
            ledger=self.ledger,
            stage=stage,
        )

    def _language(self, casting: Casting) -> LanguageCode:
        return tongues_of(self.scenario, casting).dialogue

    # --- what stands in the answers ------------------------------------------------------------------

    async def _extract(self, row: DialogueRow, casting: Casting) -> None:
        turns = self.store.turns(row.id)
        made: list[tuple[Statement, str | None]] = []
        rejected: Counter[str] = Counter()
        if self.mining.what == "seeds":
            made, rejected = await self._sentences(row, casting, turns)
        else:
            for turn in turns:
                statements, why = self._told(row, casting, turn)
                made += [(statement, turn.call_id) for statement in statements]
                rejected += why
        self.store.add_extraction(row.id, self._numbered(row, made), dict(rejected), self.row.extract_round)
        self._show()

    def _numbered(
        self, row: DialogueRow, made: Iterable[tuple[Statement, str | None]]
    ) -> list[tuple[Statement, str | None]]:
        """Give statements their ids, which go on from those of earlier rounds."""
        counts = self.store.statement_counts(row.id)
        numbered = []
        for statement, call_id in made:
            counts[statement.turn_id] = number = counts.get(statement.turn_id, 0) + 1
            numbered.append((statement.model_copy(update={"id": f"{statement.turn_id}.s{number}"}), call_id))
        return numbered

    async def _sentences(
        self, row: DialogueRow, casting: Casting, turns: Sequence[Turn]
    ) -> tuple[list[tuple[Statement, str | None]], Counter[str]]:
        """Return the questions in other words that are near enough to the question, and why others are not."""
        found: list[tuple[Turn, of_sentences.Sentence]] = []
        rejected: Counter[str] = Counter()
        for turn in turns:
            if turn.phase == of_sentences.AS_ASKED:
                found.append((turn, of_sentences.Sentence(turn.text, 0, len(turn.text))))
            elif answer := parse(turn.text, of_sentences.Sentences):
                read, why = of_sentences.read_sentences(answer.questions, turn.text)
                found += [(turn, sentence) for sentence in read]
                rejected += Counter(why)
        if self.mining.how != "none" and found:
            question, texts = casting.seed.question, [sentence.text for _, sentence in found]
            new = of_sentences.without_repeats(question, texts)
            embedder = await self._embedder()
            near = of_sentences.near(await vectors_of(self.store, embedder, [question, *texts]), embedder.method)
            rejected["repeated"] += new.count(False)
            rejected["unlike"] += sum(is_new and not is_near for is_new, is_near in zip(new, near, strict=True))
            found = [one for one, *good in zip(found, new, near, strict=True) if all(good)]
        person = casting.participants[0].persona
        made = [
            (
                Statement(
                    id="",
                    turn_id=f"{row.id}.t{turn.position}",
                    persona_key=person.key,
                    culture=person.culture,
                    kind="opinion",
                    text=sentence.text,
                    first_person=sentence.text,
                    quote=turn.text[sentence.start : sentence.end],
                    quote_start=sentence.start,
                    quote_end=sentence.end,
                    question=sentence.text,
                    about="seed",
                    provenance="model" if turn.call_id else None,
                    language=self._language(casting),
                ),
                turn.call_id,
            )
            for turn, sentence in found
        ]
        return made, +rejected

    def _told(self, row: DialogueRow, casting: Casting, turn: Turn) -> tuple[list[Statement], Counter[str]]:
        """Return the norms or reasonings of a turn, and how many were rejected for which reason."""
        person = casting.participants[0].persona

        def statement(text: str, first_person: str, start: int, end: int, **more: object) -> Statement:
            values = {
                "persona_key": person.key,
                "kind": "opinion",
                "culture": person.culture,
                "about": "seed",
                "reach": "general",
                "provenance": "model",
                "language": self._language(casting),
            }
            place = {"quote": turn.text[start:end], "quote_start": start, "quote_end": end}
            words = {"text": text, "first_person": first_person}
            return Statement.model_validate(
                {"id": "", "turn_id": f"{row.id}.t{turn.position}", **words, **place, **values, **more}
            )

        if turn.phase == of_norms.NORMS:
            proposed = parse(turn.text, of_norms.Norms)
            if proposed is None:
                return [], Counter({"unparsable": 1})
            norms, why = of_norms.read_norms(proposed, turn.text)
            return [statement(n.text, n.first_person, n.start, n.end, kind=n.kind) for n in norms], why
        answered = parse(turn.text, of_norms.Reasonings)
        if answered is None:
            return [], Counter({"unparsable": 1})
        reached = self._reached(casting, turn.phase)
        reasoned, why = of_norms.read_reasonings(answered, turn.text, len(reached), len(self._norms_for(casting)))
        made = [statement(r.text, r.text, r.start, r.end, persona_key=reached[r.number][0]) for r in reasoned]
        return made, why

    # --- what stands the test ------------------------------------------------------------------------

    async def _verify(self, row: DialogueRow, casting: Casting) -> None:
        statements = [s.noun() for s in self.store.statements(self.row, row.id)]
        if self.mining.what == "seeds":
            verdicts = await self._verify_sentences(casting, statements)
            passed = passed_all(verdicts)
            # Only now is it known how many questions there are, among which the answers have their shares.
            left = [statement for statement in statements if statement.id in passed]
            people = drawn(casting, len(left), self.row.seed)
            self.store.set_speakers({s.id: p.persona.key for s, p in zip(left, people, strict=True)})
        elif self.scenario.topic(row.seed_key):
            asker = await self._asker(row, casting, "verifier", "verify")
            # Word by word what stands in the answer; whether it makes a row is what has to be asked.
            verdicts = [verdict(s, "entail", None) for s in statements]
            verdicts += await check_rows(asker, statements, {})
            passed = passed_all(verdicts)
        else:
            verdicts = await self._verify_reasonings(row, casting, statements)
            passed = passed_all(verdicts)
        self.store.add_verification(row.id, (), verdicts, self.row.verify_round, {})
        given = given_by(verdicts)
        judged = [Judged(s, by_criterion(given[s.id]), self.castings[row.number], "") for s in statements]
        self.watcher.judged(casting, [(item.statement, why_dropped(item, self.scenario)) for item in judged])
        self.samples += sum(len(shapes(s, casting, self.scenario.samples)) for s in statements if s.id in passed)
        self._show()

    async def _verify_sentences(self, casting: Casting, statements: Sequence[Statement]) -> list[Verdict]:
        if self.mining.how == "none":
            return [verdict(s, "entail", None) for s in statements]
        async with self._one_at_a_time[casting.seed.key]:
            asker = await self._subject("verifier", self.row.id, "verify", casting)
            found = await of_sentences.compare(asker, casting.seed, [s.text for s in statements])
        return [verdict(s, one.relation, one.call_id) for s, one in zip(statements, found, strict=True)]

    async def _verify_reasonings(
        self, row: DialogueRow, casting: Casting, statements: Sequence[Statement]
    ) -> list[Verdict]:
        """Let the verifier say of each reasoning whether it leads to the drawn answer.

        One that was asked for to lead elsewhere, and that supports the drawn answer all the same, is nobody's: dropped.
        """
        turns = {f"{row.id}.t{turn.position}": turn for turn in self.store.turns(row.id)}
        asker = await self._asker(row, casting, "verifier", "verify")
        cases = [case(s, turns[s.turn_id], casting, asker.language) for s in statements]
        verdicts = await verify(asker, cases, self.scenario.distill)
        astray = {s.id for s in statements if turns[s.turn_id].phase == of_norms.ACROSS}
        return [
            one.model_copy(update={"decision": "drop"})
            if one.statement_id in astray and one.criterion == "stance"
            else one
            for one in verdicts
        ]


def verdict(statement: Statement, relation: Relation, call_id: str | None) -> Verdict:
    """Return the verdict on a question in other words: whether its answers mean what they mean under the original."""
    return Verdict(
        statement_id=statement.id,
        criterion="faithful",
        relation=relation,
        confidence=None,
        decision="keep" if relation == "entail" else "drop",
        call_id=call_id,
    )
