"""Merges the norms and customs of several runs into one registry: a run of its own, whose calls compare pairs.

What a registry says is computed anew from the statements and from the answers of its calls, so it needs no table, and
new reviews and cross-checks count at once.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from culturepark.catalog.cultures import known_in
from culturepark.dialogue.protocol import protocol_of
from culturepark.distill.ask import SubjectAsker
from culturepark.domain import DEFAULT_LANGUAGE, Edition, JsonObject, ModelRole, Scenario, Status, shipped_cultures
from culturepark.errors import ModelError, OutOfCredit, Unreachable, UsageError
from culturepark.languages import for_judges, load_language
from culturepark.mine.entries import (
    Entry,
    Judgement,
    Pair,
    SameWords,
    block_of,
    by_words,
    entry_of,
    in_order,
    pair_of,
    stars,
)
from culturepark.mine.relations import (
    NEAREST,
    PROMPT,
    TOKENS_A_PAIR,
    Known,
    asked_before,
    batches,
    candidates,
    judge,
    mark,
    material,
    numbered,
    repeats_of,
)
from culturepark.models import prices, tokens
from culturepark.models.chat import Usage, canonical, digest
from culturepark.models.embedder import Embedder, Method, Vectors
from culturepark.models.ledger import DOWN_AFTER
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.run import Watcher
from culturepark.run.pipeline import Run
from culturepark.run.plan import Settings, free_run_id, models_column, pending
from culturepark.shortage import shortages_named
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.store.tellings import Telling, Told, answered_calls, every_run, told
from culturepark.store.vectors import vectors_of

STAGE = "registry"
JUDGE: ModelRole = "judge"
ROUNDS = 5
"""Rounds of judgements at most. In each but the first, those that stand for others are compared."""
TRIES = 2
"""How often a pair is asked about whose answer could not be read or believed: the second time in another company."""
ASKED_AGAIN = (1.0, 1.2)
"""Requests for each that is needed: low and high."""
WRITTEN = (0.4, 0.8)
"""Completion tokens, of those that an answer may have: low and high."""


@dataclass(frozen=True)
class Wanted:
    """What a registry is made of."""

    runs: tuple[str, ...]
    """Ids, sorted."""
    cultures: tuple[str, ...] = ()
    """None for all."""
    personal: bool = False
    """Whether a practice that somebody tells of nobody else makes an entry of its own."""
    nearest: int = NEAREST

    def as_json(self) -> JsonObject:
        return {"runs": self.runs, "cultures": self.cultures, "personal": self.personal, "nearest": self.nearest}


@dataclass
class Compared:
    """The tellings in groups of the same words, and the pairs of groups that a model is to judge."""

    told: Told
    wanted: Wanted
    method: Method
    blocks: list[list[SameWords]] = field(default_factory=list)
    """The groups of each culture, kind and language, the best grounded first."""
    vectors: dict[str, Vectors] = field(default_factory=dict)
    """Id of a telling -> its vector, shape (d,), of length 1."""
    likeness: dict[Pair, float] = field(default_factory=dict)
    """Cosine similarity of each pair."""
    pairs: dict[Pair, JsonObject] = field(default_factory=dict)
    """What the model is shown of each pair, in the order in which they were proposed."""
    language: dict[Pair, str] = field(default_factory=dict)

    def propose(self, groups: Sequence[SameWords]) -> None:
        """Add the pairs of groups of one block that are near enough."""
        wanted = self.wanted
        near = candidates(groups, self.vectors, self.method, nearest=wanted.nearest, personal=wanted.personal)
        self._add(groups, near)

    def _add(self, groups: Sequence[SameWords], near: Mapping[Pair, float]) -> None:
        firsts = {group.id: group.first for group in groups}
        for (one, other), cosine in near.items():
            if (one, other) not in self.pairs:
                self.likeness[one, other] = cosine
                self.pairs[one, other] = material(firsts[one], firsts[other])
                self.language[one, other] = firsts[one].language

    def judged(self, known: Known) -> dict[Pair, Judgement]:
        return {pair: known[name] for pair, shown in self.pairs.items() if (name := mark(shown)) in known}

    def grow(self, known: Known) -> bool:
        """Add the pairs that the judgements so far bring up, and return whether there are any.

        A telling joins an entry only by a judgement on itself and the telling that stands for it. Of a norm that many
        tell, most are not among the nearest of that one. So where tellings hang together by judgements, each is
        compared with the best grounded of them; and what stands for itself so far is compared with its like.
        """
        before, judged = len(self.pairs), self.judged(known)
        for groups in self.blocks:
            made = stars(groups, judged, self.likeness)
            whole = [star for one in made for star in (one, *one.variants)]
            self.propose([star.head for star in whole])
            head_of = {group.id: star.head.id for star in whole for group in star.groups}
            varied = {
                pair_of(head_of[one], head_of[other])
                for (one, other), judgement in judged.items()
                if judgement.relation == "variation" and one in head_of and head_of[one] != head_of[other]
            }
            new = sorted({*varied, *unjoined([group.id for group in groups], judged)})
            self._add(groups, {pair: float(self.vectors[pair[0]] @ self.vectors[pair[1]]) for pair in new})
        return len(self.pairs) > before


def unjoined(ids: Sequence[str], judged: Mapping[Pair, Judgement]) -> set[Pair]:
    """Return the pairs that must be judged before tellings that hang together by `same` are one entry or several.

    Args:
        ids: in the order of their grounding; the first that hang together stands for the others.
    """
    wanted: set[Pair] = set()
    open_to = [list(ids)]
    while open_to:
        for together in components(open_to.pop(), judged):
            head, *others = together
            wanted |= {pair for one in others if (pair := pair_of(head, one)) not in judged}
            open_to.append([o for o in others if (j := judged.get(pair_of(head, o))) and j.relation != "same"])
    return wanted


def components(ids: Sequence[str], judged: Mapping[Pair, Judgement]) -> list[list[str]]:
    """Return the ids that hang together by judgements that they are the same, each part in the order of the ids."""
    there = set(ids)
    beside: dict[str, list[str]] = defaultdict(list)
    for (one, other), judgement in judged.items():
        if judgement.relation == "same" and one in there and other in there:
            beside[one].append(other)
            beside[other].append(one)
    part: dict[str, str] = {}
    for first in ids:
        reached = [] if first in part else [first]
        while reached:
            if (one := reached.pop()) not in part:
                part[one] = first
                reached += beside[one]
    found: dict[str, list[str]] = defaultdict(list)
    for one in ids:
        found[part[one]].append(one)
    return list(found.values())


@dataclass(frozen=True)
class Registry:
    """The entries of a registry, and how they came about."""

    entries: tuple[Entry, ...]
    statements: int
    """Tellings that were compared."""
    left_out: Mapping[str, int]
    personal: int
    """Groups of the same words that are told of nobody but the speaker, and stand in no entry."""
    repeats: int
    """Tellings that repeat another one in the same or nearly the same words."""
    pairs: int
    judged: int
    """Pairs of which a model has told the relation."""
    unread: int
    relations: Mapping[str, int]
    method: Method

    @property
    def by_status(self) -> dict[str, int]:
        return dict(Counter(entry.status for entry in self.entries))


# --- making and finding ------------------------------------------------------------------------------


def runs_for(store: Store, names: Sequence[str]) -> list[RunRow]:
    """Return the runs that are named, or all in which somebody told something.

    Raises:
        UsageError: if one of them holds no statements by its kind, or there is none.
    """
    rows = list({row.id: row for row in map(store.run, names)}.values()) if names else every_run(store)
    for row in list(rows):
        protocol = protocol_of(edition_of(row).scenario.protocol)
        if not protocol.holds_dialogues:
            if names:
                raise UsageError(f"{row.id} {protocol.did}, and nobody tells of norms in it")
            rows.remove(row)
    if not rows:
        raise UsageError("there is no run with norms in this store; `culturepark simulate quickstart` makes one")
    return sorted(rows, key=lambda row: row.id)


def edition_for(runs: Sequence[RunRow], wanted: Wanted) -> Edition:
    """Return the edition of a registry's run. Its digest changes with what is compared."""
    known = dict(shipped_cultures())
    told_of: set[str] = set()
    for run in runs:
        edition = edition_of(run)
        known |= known_in(edition)
        told_of |= {persona.culture for persona in edition.personas}
    if lacking := [culture for culture in wanted.cultures if culture not in told_of]:
        raise UsageError(
            f"--culture {lacking[0][:80]}: nobody of it speaks in these runs, only {', '.join(sorted(told_of))}"
        )
    rounds = [(run.id, run.extract_round, run.verify_round) for run in runs]
    what = digest(canonical({**wanted.as_json(), "rounds": rounds}))[:12]
    keys = wanted.cultures or tuple(sorted(told_of))
    scenario = Scenario(
        name="registry",
        title=f"Norms and customs of {len(runs)} run{'s' if len(runs) != 1 else ''} ({what})",
        setting="in-cultural",
        cultures=keys,
        protocol="registry",
        seeds=(),
    )
    return Edition(scenario=scenario, personas=(), cultures=tuple(known[key] for key in keys))


def new_registry(
    store: Store,
    wanted: Wanted,
    *,
    models: Mapping[ModelRole, ModelSpec],
    settings: Settings,
    run_id: str | None,
) -> RunRow:
    """Make a registry's run, or take up the one that compares the same by the same models.

    Raises:
        UsageError: if a run of this id exists and is another.
    """
    edition = edition_for([store.run(name) for name in wanted.runs], wanted)
    scenario, specs = canonical(edition.model_dump(mode="json")), models_column(models)
    row = store.find_run(run_id) if run_id else store.same_run(digest(scenario), 0, specs)
    if row and (row.scenario_digest, row.models) != (digest(scenario), specs):
        raise UsageError(
            f"the run {row.id} exists and compares something else, or by other models; name another --run-id"
        )
    columns = vars(settings) | {"registry": wanted.as_json()}
    if row:
        store.set_plan(row.id, columns, row.models)
        return store.run(row.id)
    row = pending(run_id or free_run_id(store, edition), edition.scenario.name, scenario, 0, specs, columns)
    store.create_run(row, None, edition)
    return store.run(row.id)


def wanted_of(row: RunRow) -> Wanted:
    """Return what a registry's run is made of.

    Raises:
        UsageError: if its row does not say.
    """
    try:
        given = json.loads(row.settings)["registry"]
        runs, cultures = tuple(map(str, given["runs"])), tuple(map(str, given["cultures"]))
        return Wanted(runs, cultures, bool(given["personal"]), int(given["nearest"]))
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{row.id} does not say what it compares; its row is damaged (`culturepark doctor`)") from None


# --- comparing ---------------------------------------------------------------------------------------


async def compared(store: Store, embedder: Embedder, wanted: Wanted, *, keep: bool = True) -> Compared:
    """Return the tellings of some runs in groups, and the pairs that a model is to judge at first. Asks no chat model.

    Args:
        keep: whether to cache new vectors.
    """
    everything = told(store, [store.run(name) for name in wanted.runs], wanted.cultures)
    found, tellings = Compared(everything, wanted, embedder.method), everything.tellings
    if not tellings:
        return found
    vectors = await vectors_of(store, embedder, [one.statement.first_person for one in tellings], keep=keep)
    found.vectors = {one.id: vector for one, vector in zip(tellings, vectors, strict=True)}
    repeats = repeats_of(tellings, vectors, embedder.method)
    in_blocks: dict[tuple[str, ...], list[Telling]] = defaultdict(list)
    for telling in tellings:
        in_blocks[block_of(telling)].append(telling)
    for block in sorted(in_blocks):
        found.blocks.append(by_words(in_blocks[block], repeats))
        found.propose(found.blocks[-1])
    return found


def registry_of(found: Compared, known: Known) -> Registry:
    """Return the registry, as far as its pairs are judged. Pure."""
    judged = found.judged(known)
    everything = [star for groups in found.blocks for star in stars(groups, judged, found.likeness)]
    entries = [entry_of(star) for star in everything]
    chosen = [entry for entry in entries if found.wanted.personal or entry.reach == "general"]
    groups = sum(map(len, found.blocks))
    return Registry(
        entries=tuple(in_order(chosen)),
        statements=len(found.told.tellings),
        left_out=dict(found.told.left_out),
        personal=len(entries) - len(chosen),
        repeats=len(found.told.tellings) - groups,
        pairs=len(found.pairs),
        judged=len(judged),
        unread=len(found.pairs) - len(judged),
        relations=dict(Counter(judgement.relation for judgement in judged.values())),
        method=found.method,
    )


def known_before(store: Store, models: Mapping[ModelRole, ModelSpec], found: Compared) -> Known:
    """Return what the same model has told in this and other registries, asked in the same words."""
    template = load_language(DEFAULT_LANGUAGE).prompt(PROMPT)
    prompts = {for_judges(template, (code,)).digest for code in {*found.language.values()}}
    return asked_before(answered_calls(store, STAGE, models_column(models), prompts))


def forecast(found: Compared, known: Known, spec: ModelSpec | None) -> JsonObject:
    """Return statements, pairs, calls, tokens and cost; the last three as low and high, the cost None if unknown.

    The pairs are those to begin with. Each round of judgements may bring up some more.
    """
    while spec and len(found.judged(known)) == len(found.pairs) and found.grow(known):
        pass
    todo = [pair for pair in found.pairs.values() if mark(pair) not in known] if spec else []
    figures: JsonObject = {
        "statements": len(found.told.tellings),
        "left_out": dict(found.told.left_out),
        "groups": sum(map(len, found.blocks)),
        "pairs": len(found.pairs),
        "judged_before": sum(mark(pair) in known for pair in found.pairs.values()),
    }
    name = spec.name if spec else ""
    head = tokens.count(load_language(DEFAULT_LANGUAGE).prompt(PROMPT).text, name)
    sent = [head + tokens.count(json.dumps(numbered(batch), ensure_ascii=False), name) for batch in batches(todo)]
    answered = [100 + TOKENS_A_PAIR * (3 + len(batch)) for batch in batches(todo)]
    ends = []
    for again, written in zip(ASKED_AGAIN, WRITTEN, strict=True):
        usage = Usage(round(again * sum(sent)), 0, round(again * written * sum(answered)), "estimate")
        cost = prices.cost(spec.endpoint, spec.name, usage) if spec and spec.paid else 0.0
        ends.append((round(again * len(sent)), usage.prompt_tokens, usage.completion_tokens, cost))
    for place, column in enumerate(("calls", "prompt_tokens", "completion_tokens", "cost_usd")):
        pair = [end[place] for end in ends]
        figures[column] = None if None in pair else pair
    return figures


def too_small(spec: ModelSpec) -> UsageError:
    return UsageError(
        f"{spec} is too small to tell whether one norm denies another: one of three billion parameters or more can; "
        "--no-model merges what is said in the same words"
    )


class Merging(Run):
    """A registry being made."""

    def __init__(
        self,
        store: Store,
        row: RunRow,
        watcher: Watcher,
        trust: Trust | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> None:
        super().__init__(store, row, watcher, trust)
        self.wanted = wanted_of(row)
        self.progress = progress
        self.ledger.down_after = DOWN_AFTER
        self.found: Compared | None = None
        """None until the tellings are read."""
        self.known: Known = {}
        self.not_believed = 0
        """Calls in which the model told the known pairs wrongly."""
        self.tries: Counter[str] = Counter()
        """Mark of a pair -> how often it was asked about."""
        self.failed: list[str] = []
        """Errors of requests; another try may help."""

    @property
    def registry(self) -> Registry | None:
        """As far as it is made; None where nothing was read."""
        return registry_of(self.found, self.known) if self.found else None

    async def _stages(self) -> None:
        found = self.found = await compared(self.store, await self._embedder(), self.wanted)
        for why, number in sorted(found.told.left_out.items()):
            self._note(f"left out: {number} ({why})")
        spec = self.models.specs.get(JUDGE)
        if spec is None:
            return
        self.known = known_before(self.store, self.models.specs, found)
        if self._todo():
            model = await self.models.get(JUDGE)
            if model.traits.small or model.traits.labels:
                raise too_small(model.spec)
        for _ in range(ROUNDS):
            while await self._ask():
                pass
            if self.failed or not found.grow(self.known):
                break

    def _todo(self) -> dict[str, list[JsonObject]]:
        """Return the pairs that are not judged yet and may be asked about, each once, by language."""
        assert self.found is not None
        todo: dict[str, dict[str, JsonObject]] = defaultdict(dict)
        for pair, shown in self.found.pairs.items():
            if (name := mark(shown)) not in self.known and self.tries[name] < TRIES:
                todo[self.found.language[pair]][name] = shown
        return {language: list(shown.values()) for language, shown in sorted(todo.items())}

    async def _ask(self) -> bool:
        """Ask about the pairs that are not judged yet, and return whether there were any."""
        assert self.found is not None
        total = len({mark(shown) for shown in self.found.pairs.values()})
        todo = [(language, batch) for language, shown in self._todo().items() for batch in batches(shown)]
        model = await self.models.get(JUDGE) if todo else None
        done = total - sum(len(batch) for _, batch in todo)
        self.progress(done, total)

        async def ask(one: tuple[str, list[JsonObject]]) -> None:
            nonlocal done
            language, batch = one
            assert model is not None
            asker = SubjectAsker(
                language=load_language(DEFAULT_LANGUAGE),
                subject_id=self.row.id,
                model=model,
                ledger=self.ledger,
                stage=STAGE,
                spoken=(language,),
            )
            try:
                with shortages_named():
                    heard = await judge(asker, batch)
            except (Unreachable, OutOfCredit):
                raise
            except ModelError as error:
                self.failed.append(str(error))
                self._note_once(f"a call failed: {error}")
                return
            done += len(batch)
            self.not_believed += not heard.believed
            self.known |= heard.judged
            self.progress(done, total)

        for _, batch in todo:
            self.tries.update(map(mark, batch))
        await self.engine.map(ask, todo, at_once=self.settings.concurrency, halt=self._halt)
        return bool(todo) and not self.failed

    def _outcome(self) -> tuple[Status, str]:
        if self.failed:
            return Status.FAILED, f"{len(self.failed)} calls failed"
        return Status.DONE, "completed"
