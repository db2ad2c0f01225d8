"""The package as a library: simulate, look at runs, export. `import culturepark` gives these names; see docs/python.md.

The functions wait until they are done, also in a notebook, where an event loop is running already; those that end in
`_async` are awaited.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from culturepark import events, frames
from culturepark.catalog import REASONING, Marks, Method, Reasoning, scenarios
from culturepark.catalog.suites import Arm, Suite, find_suite
from culturepark.dialogue.casting import plan
from culturepark.domain import (
    Casting,
    Edition,
    Limits,
    Sample,
    Scenario,
    Shape,
    Stage,
    Statement,
    Status,
    Turn,
)
from culturepark.errors import UsageError
from culturepark.evaluate.answer_trace import AnswerTrace, is_of_evaluation, trace_answer
from culturepark.evaluate.asked import cultures_named, settings_for
from culturepark.evaluate.document import Document, document
from culturepark.evaluate.evaluation import (
    Evaluation,
    edition_for,
    figures_of,
    new_evaluation,
    plan_of,
    record_of,
    sheet_of,
    stored_figures,
)
from culturepark.evaluate.evaluation import (
    respondents as people_who_answer,
)
from culturepark.evaluate.figures import Figure
from culturepark.events import Event
from culturepark.export import hub
from culturepark.export.labels import Labels
from culturepark.export.manifest import Wanted
from culturepark.export.mixes import checked_culture_mix, checked_mix
from culturepark.export.writer import Exported
from culturepark.export.writer import export as write_export
from culturepark.ids import DEMO
from culturepark.models.registry import check_specs
from culturepark.models.spec import parse, parse_roles
from culturepark.models.trust import Trust
from culturepark.run import Until, Watcher
from culturepark.run.pipeline import Run
from culturepark.run.plan import (
    Settings,
    check_interpreter,
    free_run_id,
    models_of,
    new_run,
    roles_until,
    settings_of,
    with_interpreter,
)
from culturepark.run.rating import known
from culturepark.stats.figures import RunStats
from culturepark.stats.run_stats import stats
from culturepark.store.database import DEFAULT_URL
from culturepark.store.exports import kept_counts, kept_samples
from culturepark.store.integrity import edition_of
from culturepark.store.lineage import trace
from culturepark.store.recorded import unpacked
from culturepark.store.runs import Speaker, participants, runs
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.store.traced import TalkTrace, Trace

if TYPE_CHECKING:
    import pandas

Result = TypeVar("Result")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Dialogue:
    """One conversation as it stands in the store. A notebook shows it to be read."""

    id: str
    seed: str
    """The key of the question."""
    status: Status
    turns: tuple[Turn, ...]
    question: str = ""
    people: tuple[Speaker, ...] = ()
    language: str = "en"
    model: str = ""
    """The spec of the model that spoke for the people."""

    def _repr_html_(self) -> str:
        from culturepark.report.notebook import dialogue_html

        return dialogue_html(
            self.id, self.question, self.status, self.people, self.turns, language=self.language, model=self.model
        )


class StoredRun:
    """One run in a store.

    Example:
        >>> run = culturepark.open_store().run("last")
        >>> run.stats().samples.kept
        9
        >>> run.dialogues()[0].turns[0].text
        'I am Elif Yıldız and I live in Konya. ...'
        >>> run.export("trl", "runs/mine").rows
        9
    """

    def __init__(self, store: RunStore, run_id: str) -> None:
        self.store = store
        self.id = run_id

    def __repr__(self) -> str:
        return f"StoredRun({self.id!r}, {str(self.status)!r})"

    def _repr_html_(self) -> str:
        from culturepark.report.notebook import run_html

        row = self._row
        statuses = [dialogue.status for dialogue in self.store.database.dialogues(self.id)]
        return run_html(row, edition_of(row).scenario.title, statuses, self._kept())

    @property
    def status(self) -> Status:
        return Status(self._row.status)

    @property
    def stop_reason(self) -> str | None:
        """The reason for which it ended or was stopped."""
        return self._row.stop_reason

    @property
    def scenario(self) -> Scenario:
        return edition_of(self._row).scenario

    def dialogues(self) -> list[Dialogue]:
        database, row = self.store.database, self._row
        edition, model = edition_of(row), str(models_of(row).get("speaker", ""))
        return [
            Dialogue(
                id=row.id,
                seed=row.seed_key,
                status=Status(row.status),
                turns=tuple(database.turns(row.id)),
                question=edition.seed(row.seed_key).question,
                people=tuple(map(Speaker.of, participants(database, row.id))),
                language=row.language,
                model=model,
            )
            for row in database.dialogues(self.id)
        ]

    def samples(self, cultures: Sequence[str] = ()) -> list[Sample]:
        """Return the kept samples, in the order of the talk.

        Args:
            cultures: only of these; of all, if empty.
        """
        fields = Sample.model_fields.keys()
        with self.store.database.database.reading() as look:
            return [
                Sample(
                    **{name: value for name, value in row.items() if name in fields and name != "messages"},
                    messages=tuple(json.loads(row["messages"])),
                )
                for row in kept_samples(look, self.id, cultures)
            ]

    def stats(self) -> RunStats:
        """Return the figures that `culturepark stats` shows."""
        return stats(self.store.database, self._row)

    def resume(
        self, *, endpoints: Sequence[str] = (), max_cost_usd: float | None = None, max_tokens: int | None = None,
        tell: Tell = lambda _: None,
    ) -> StoredRun:  # fmt: skip
        """Go on with a run that was stopped, until it is done.

        Args:
            endpoints: hosts or base URLs that only the store names, and that may be asked.
            max_cost_usd, max_tokens: other limits for the whole run; None keeps its own.
            tell: called with each remark.
        Raises:
            CultureparkError: the run was stopped; all turns so far are stored.
        """
        return self.resume_async(endpoints=endpoints, max_cost_usd=max_cost_usd, max_tokens=max_tokens)._wait(tell)

    def resume_async(
        self, *, endpoints: Sequence[str] = (), max_cost_usd: float | None = None, max_tokens: int | None = None
    ) -> Simulation:
        """Return the same as `resume` does, to be awaited, or looped over for its events."""
        row = self._row
        given: dict[str, Any] = {"max_cost_usd": max_cost_usd, "max_tokens": max_tokens}
        settings = replace(settings_of(row), **{name: value for name, value in given.items() if value is not None})
        models, trust = models_of(row), Trust((), endpoints)
        check_specs(models, roles_until(settings.until, self.scenario, models), trust)

        @contextmanager
        def begin() -> Iterator[StoredRun]:
            with self.store.database.database.hold(row.id):
                self.store.database.set_plan(row.id, vars(settings), row.models)
                yield self

        return Simulation(begin, trust)

    def export(self, format: str, out: str | Path, **options: Any) -> Exported:  # noqa: A002 - as on the command line
        """Write training files; the options are those of `export_runs`."""
        return export_runs([self], format, out, **options)

    @property
    def _row(self) -> RunRow:
        return self.store.database.run(self.id)

    def _kept(self) -> int:
        """Return the number of kept samples."""
        with self.store.database.database.reading() as look:
            return kept_counts(look, self.id, ()).total()


class RunStore:
    """The runs of one database, as `open_store` gives it. As a context manager it is closed at the end.

    Example:
        >>> with culturepark.open_store() as store:
        ...     [run.id for run in store]
        ['20261121-quickstart-7f3a']
    """

    def __init__(self, database: Store) -> None:
        self.database = database

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()

    def __iter__(self) -> Iterator[StoredRun]:
        """Yield all runs, the newest first."""
        return (StoredRun(self, str(row["run"])) for row in runs(self.database))

    def run(self, run_id: str = "last") -> StoredRun:
        """
        Raises:
            UsageError: if there is no such run.
        """
        return StoredRun(self, self.database.run(run_id).id)

    def evaluation(self, evaluation_id: str = "last") -> StoredEvaluation:
        """
        Raises:
            UsageError: if there is no such evaluation.
        """
        row = self.database.run(evaluation_id)
        return StoredEvaluation(self, record_of(self.database, row.id).id)

    def trace(self, subject_id: str) -> Trace | TalkTrace | AnswerTrace:
        """Return the way of a sample, statement, turn, dialogue or answer back to its calls and cards.

        Raises:
            UsageError: if nothing has that id.
        """
        if is_of_evaluation(subject_id):
            return trace_answer(self.database, subject_id)
        return trace(self.database, subject_id)


def open_store(url: str = DEFAULT_URL, *, must_exist: bool = True) -> RunStore:
    """Open a database of runs.

    Args:
        url: as `--store` takes it, e.g. `sqlite:///runs/culturepark.db`.
        must_exist: raise an error in place of making one.
    Raises:
        UsageError: if there is none.
        StoreError: if it cannot be used.

    Example:
        >>> culturepark.open_store("sqlite:///runs/culturepark.db").run("last").status
        <Status.DONE: 'done'>
    """
    return RunStore(Store(url, must_exist=must_exist))


def demo() -> StoredRun:
    """Return the recorded run that comes with the program: two dialogues of a large language model, never edited.

    Example:
        >>> culturepark.demo().dialogues()[0].turns[2].speaker
        'turkish-elif'
    """
    return RunStore(Store(f"sqlite:///{unpacked()}", must_exist=True)).run(DEMO)


def load_scenario(name: str | Path, *, dialogues: int | None = None) -> Edition:
    """Read a scenario with everything it names: the people in `personas`, the rest in `scenario`.

    Args:
        name: a file, or the name of a shipped scenario.
        dialogues: per question and culture, in place of what the file says.
    Raises:
        CatalogError: with every mistake in the files, each with its line.

    Example:
        >>> edition = culturepark.load_scenario("quickstart")
        >>> edition.scenario.cultures
        ('turkish', 'german')
    """
    return scenarios.load_edition(scenarios.find(str(name)), dialogues)


def simulate(
    scenario: str | Path | Edition,
    *,
    model: str | None = None,
    roles: Mapping[str, str | Sequence[str]] | None = None,
    store: RunStore | str = DEFAULT_URL,
    seed: int = 1,
    dialogues: int | None = None,
    concurrency: int | None = None,
    limits: Limits | None = None,
    until: Until = "samples",
    run_id: str | None = None,
    tell: Tell = lambda _: None,
) -> StoredRun:
    """Hold the dialogues of a scenario and distil them into samples, as `culturepark simulate` does.

    Args:
        scenario: an edition from `load_scenario`, or a scenario's name or file.
        model: a model spec for all chat roles; None for the embedded model.
        roles: other models by role, e.g. `{"judge": ["openai:a", "openai:b"]}`.
        store: a store or its URL; it is made where there is none.
        dialogues: per question and culture; only together with a name or file.
        limits: those that are given replace the scenario's.
        until: the last stage to do.
        run_id: names the run; an existing run is gone on with.
        tell: called with each remark, such as `print`.
    Raises:
        CultureparkError: the run was stopped; `StoredRun.resume` goes on with it.

    Example:
        >>> run = culturepark.simulate("quickstart", model="scripted")
        >>> run.status
        <Status.DONE: 'done'>
    """
    return simulate_async(
        scenario, model=model, roles=roles, store=store, seed=seed, dialogues=dialogues, concurrency=concurrency,
        limits=limits, until=until, run_id=run_id,
    )._wait(tell)  # fmt: skip


def simulate_async(
    scenario: str | Path | Edition,
    *,
    model: str | None = None,
    roles: Mapping[str, str | Sequence[str]] | None = None,
    store: RunStore | str = DEFAULT_URL,
    seed: int = 1,
    dialogues: int | None = None,
    concurrency: int | None = None,
    limits: Limits | None = None,
    until: Until = "samples",
    run_id: str | None = None,
) -> Simulation:
    """Return the same as `simulate` does, to be awaited, or looped over for its events. Its arguments are the same.

    Raises:
        CultureparkError: an argument is wrong; what stops the run is raised where it is awaited.

    Example:
        >>> run = await culturepark.simulate_async("quickstart", model="scripted")
        >>> async for event in culturepark.simulate_async("quickstart", model="scripted"):
        ...     print(event)
        RunBegun(run_id='20261121-quickstart-7f3a', title='The willingness to ...', dialogues=2, done=0)
        ...
    """
    if isinstance(scenario, Edition):
        if dialogues is not None:
            raise UsageError("dialogues: it is given to load_scenario, which has read this scenario already")
        edition = scenario
    else:
        edition = load_scenario(scenario, dialogues=dialogues)
    named = [(role, [spec] if isinstance(spec, str) else spec) for role, spec in (roles or {}).items()]
    given = parse_roles(model, [f"{role}={spec}" for role, specs in named for spec in specs])
    models = with_interpreter(given, edition)
    check_interpreter(models, edition)
    trust = Trust(models.values())
    check_specs(models, roles_until(until, edition.scenario, models), trust)
    settings = Settings(
        concurrency=concurrency or (16 if models["speaker"].remote else 4),
        until=until,
        **(edition.scenario.limits.model_dump() | (limits.model_dump(exclude_none=True) if limits else {})),
    )
    # Before there is a store: a scenario with nothing to talk about leaves nothing behind.
    plan(edition, seed, known(edition))

    @contextmanager
    def begin() -> Iterator[StoredRun]:
        opened = open_store(store, must_exist=False) if isinstance(store, str) else store
        name = run_id or free_run_id(opened.database, edition)
        with opened.database.database.hold(name):
            new_run(opened.database, edition, seed=seed, models=models, settings=settings, run_id=name)
            yield StoredRun(opened, name)

    return Simulation(begin, trust)


def export_runs(
    runs: Iterable[StoredRun | StoredEvaluation],
    format: str,  # noqa: A002 - as on the command line
    out: str | Path,
    *,
    cultures: Sequence[str] = (),
    split: float | None = None,
    dialogues: bool = False,
    parquet: bool = False,
    licence: str | None = None,
    shape_mix: Sequence[Shape] | Mapping[Shape, float] = (),
    culture_mix: Mapping[str, float] | None = None,
    labels_from: str | None = None,
    scale: str | None = None,
    margin: float | None = None,
    threshold: float | None = None,
    judges: bool = False,
    grounded: bool = False,
    max_error: float | None = None,
    metadata: bool = False,
    no_system: bool = False,
    push: str | None = None,
    public: bool = False,
    tell: Tell = lambda _: None,
) -> Exported:
    """Write the kept samples of runs as training files, with an index, a card and a manifest.

    Args:
        runs: all of one store. Statements that repeat another run's are left out. Evaluations go with
            `labels_from="ratings"` alone.
        format: `openai`, `trl`, `sharegpt`, `alpaca`, `preference`, `alpaca-preference`, `kto`, `label-studio`,
            `argilla`, or one of a plugin.
        out: a folder; an export in it is replaced.
        cultures: only these, each in a file of its own.
        split: the share of rows that train; whole questions are held out.
        dialogues: whole dialogues in place of single samples.
        licence: for the card, e.g. `cc-by-4.0`.
        shape_mix: only these shapes of samples, or in a map their shares, e.g. `{"own": 3, "survey": 1}`.
        culture_mix: cultures, and `others` for the rest, in these shares, e.g. `{"german": 3, "others": 1}`.
        labels_from: what says which answers are better: `stance` or `ratings` for pairs, `reviews`, `ratings` or
            `verdicts` for `kto`; None for the first of these.
        scale: the scale whose ratings count; None where there is one.
        margin: the least difference of two rated answers, or distance from the middle, in steps of the scale.
        threshold: with `kto`, the rating above which an answer is good, and below which it is bad; None for each
            rater's own middle.
        judges: take models' ratings too, where no person decides.
        grounded: only what is on a persona's card, or in a scene on it.
        max_error: refuse unless people judged a random sample, and at most this share of the rows can be wrong.
        metadata: a column more, with what is behind each row.
        no_system: no system messages; their words stand in front of the first user message.
        push: send it to this data set on the Hugging Face hub too, as `organisation/name`; nothing asks before.
        public: everybody may read what is sent; else it is private.
    Raises:
        UsageError: if there is nothing to export, it is not shown to be right enough, or the folder holds something
            else.
        Unreachable: if the hub cannot be reached, or refuses; the folder is complete.

    Example:
        >>> culturepark.export_runs(culturepark.open_store(), "trl", "runs/all", split=0.9).rows
        48
    """
    chosen = list(runs)
    if not chosen:
        raise UsageError("there is no run to export")
    database = chosen[0].store.database
    if any(run.store.database is not database for run in chosen):
        raise UsageError("runs of several stores cannot be exported at once")
    ids = list(dict.fromkeys(run.id for run in chosen))
    mix = checked_mix(shape_mix)
    wanted = Wanted(
        format,
        tuple(cultures),
        split,
        dialogues,
        parquet,
        licence,
        mix,
        grounded,
        max_error,
        metadata,
        no_system,
        push,
        culture_mix=checked_culture_mix(culture_mix or {}),
        labels=Labels(labels_from, scale, margin, threshold, judges),
    )
    sender = None if push is None else hub.sender(push, public)
    exported = outside_the_loop(
        lambda: write_export(database, ids, Path(out), wanted, command="culturepark.export_runs", tell=tell)
    )
    if sender:
        for note in hub.before_it_is_sent(exported.manifest, public):
            tell(note)
        sender.send(Path(out), exported.manifest, agreed=lambda _: True)
    return exported


# --- evaluations -----------------------------------------------------------------------------------


class StoredEvaluation:
    """One model's answers to a suite, as they stand in the store.

    Example:
        >>> evaluation = culturepark.open_store().evaluation("last")
        >>> [figure for figure in evaluation.figures if figure.metric == "jsd"][0].null_name
        'uniform'
        >>> evaluation.frame().groupby("metric").skill.mean()
    """

    def __init__(self, store: RunStore, evaluation_id: str) -> None:
        self.store = store
        self.id = evaluation_id

    def __repr__(self) -> str:
        return f"StoredEvaluation({self.id!r}, {str(self.status)!r})"

    @property
    def status(self) -> Status:
        return Status(self._row.status)

    @property
    def stop_reason(self) -> str | None:
        """The reason for which it ended or was stopped."""
        return self._row.stop_reason

    @property
    def document(self) -> Document:
        """All that `culturepark evaluate --json` prints, typed: whether it beats a constant, notes, figures, cost."""
        return document(self.store.database, self.id)

    @property
    def figures(self) -> list[Figure]:
        """The figures, each beside its null; of an unfinished evaluation those of what is answered."""
        database = self.store.database
        if self.status == Status.DONE:
            return stored_figures(database, self.id)
        return figures_of(database, self.id, sheet_of(database, self.id))

    def frame(self) -> pandas.DataFrame:
        """Return the figures as a data frame, one row each, with the parts of their groups as columns.

        Raises:
            UsageError: if pandas is not installed, the extra `frames`.
        """
        record = record_of(self.store.database, self.id)
        return frames.figures(self.store.database, self._row, record.suite_id, record.model, self.figures)

    def resume(self, *, endpoints: Sequence[str] = (), tell: Tell = lambda _: None) -> StoredEvaluation:
        """Go on with an evaluation that was stopped; nothing that was answered is asked again.

        Args:
            endpoints: hosts or base URLs that only the store names, and that may be asked.
            tell: called with each remark.
        Raises:
            CultureparkError: it was stopped; all answers so far are stored.
        """
        models, trust = models_of(self._row), Trust((), endpoints)
        check_specs(models, ["speaker"], trust)
        asking = Asking(self.store, self.id, trust, tell)
        outside_the_loop(lambda: asyncio.run(asking.carry_on()), asking.stop)
        return self

    @property
    def _row(self) -> RunRow:
        return self.store.database.run(self.id)


def evaluate_model(
    suite: str | Path | Suite,
    *,
    model: str | None = None,
    cultures: Sequence[str] = (),
    framings: Sequence[str] = (),
    languages: Sequence[str] = (),
    reasoning: Reasoning | None = None,
    arms: Mapping[str, str | None] | None = None,
    respondents: int | None = None,
    personas: Sequence[str | Path] = (),
    scenario: str | None = None,
    items: int | None = None,
    method: Method | None = None,
    samples: int | None = None,
    marks: Marks | None = None,
    decline: bool | None = None,
    store: RunStore | str = DEFAULT_URL,
    seed: int = 1,
    concurrency: int | None = None,
    limits: Limits | None = None,
    run_id: str | None = None,
    tell: Tell = lambda _: None,
) -> StoredEvaluation:
    """Ask a model the items of a suite, as `culturepark evaluate` does; what is not given is the suite's.

    Args:
        suite: a suite's name or file, or a scenario with survey questions.
        model: a model spec; None for the embedded model.
        cultures: keys or files of those whose answers it is held against, or `all`; none for those of the items.
        framings: `neutral`, `persona`, `observer`.
        languages: codes, or `native`.
        arms: name -> prompt that goes before all else; None for the arm without one.
        respondents: number of people of the catalogue, of each culture, who answer in place of the model.
        personas: files or folders with more cards for them.
        scenario: for the suite `survey`, only the questions of this scenario or survey file.
        items: number of items that are drawn at random.
        method, samples, marks, decline: how options are got out of the model (`docs/evaluation.md`).
        store: a store or its URL; it is made where there is none.
        limits: on cost and tokens.
        run_id: names the evaluation; an existing one is gone on with.
        tell: called with each remark, such as `print`.
    Raises:
        CultureparkError: it was stopped; `StoredEvaluation.resume` goes on with it.

    Example:
        >>> evaluation = culturepark.evaluate_model("survey", model="scripted", cultures=["german"], items=5)
        >>> evaluation.document.against_constant[0].verdict
        'no difference seen'
    """
    asking = asking_of(
        suite, model, cultures, framings, languages, reasoning, arms, respondents, personas, scenario, items,
        {"method": method, "samples": samples, "marks": marks, "decline": decline},
        store, seed, concurrency, limits, run_id, tell,
    )  # fmt: skip
    return outside_the_loop(lambda: asyncio.run(asking.carry_on()), asking.stop)


async def evaluate_model_async(
    suite: str | Path | Suite,
    *,
    model: str | None = None,
    cultures: Sequence[str] = (),
    framings: Sequence[str] = (),
    languages: Sequence[str] = (),
    reasoning: Reasoning | None = None,
    arms: Mapping[str, str | None] | None = None,
    respondents: int | None = None,
    personas: Sequence[str | Path] = (),
    scenario: str | None = None,
    items: int | None = None,
    method: Method | None = None,
    samples: int | None = None,
    marks: Marks | None = None,
    decline: bool | None = None,
    store: RunStore | str = DEFAULT_URL,
    seed: int = 1,
    concurrency: int | None = None,
    limits: Limits | None = None,
    run_id: str | None = None,
    tell: Tell = lambda _: None,
) -> StoredEvaluation:
    """Do the same as `evaluate_model`, to be awaited. Its arguments are the same.

    When the task is cancelled, the evaluation is stopped at once; `StoredEvaluation.resume` goes on with it.
    """
    return await asking_of(
        suite, model, cultures, framings, languages, reasoning, arms, respondents, personas, scenario, items,
        {"method": method, "samples": samples, "marks": marks, "decline": decline},
        store, seed, concurrency, limits, run_id, tell,
    ).carry_on()  # fmt: skip


def asking_of(
    suite: str | Path | Suite,
    model: str | None,
    cultures: Sequence[str],
    framings: Sequence[str],
    languages: Sequence[str],
    reasoning: Reasoning | None,
    arms: Mapping[str, str | None] | None,
    respondents: int | None,
    personas: Sequence[str | Path],
    scenario: str | None,
    items: int | None,
    elicitation: Mapping[str, object],
    store: RunStore | str,
    seed: int,
    concurrency: int | None,
    limits: Limits | None,
    run_id: str | None,
    tell: Tell,
) -> Asking:
    """Check what is asked for, make the evaluation, or find the one that asks the same, and return it to be held."""
    found = suite if isinstance(suite, Suite) else find_suite(str(suite), scenario)
    keys, known_cultures = cultures_named(cultures)
    settings = settings_for(
        found,
        cultures=keys,
        items=items,
        conditions={
            "framings": tuple(framings),
            "languages": tuple(languages),
            "reasoning": None if reasoning is None else REASONING[reasoning],
            "arms": tuple(Arm(name=name, prompt=prompt) for name, prompt in (arms or {}).items()),
            "respondents": respondents,
        },
        elicitation=elicitation,
    )
    people = people_who_answer(settings, [Path(place) for place in personas], known_cultures)
    edition = edition_for(found, settings, people, known_cultures)
    plan_of(found, settings, edition, seed)  # an evaluation with nothing to ask leaves nothing behind
    spec = parse(model or "embedded")
    trust = Trust([spec])
    check_specs({"speaker": spec}, ["speaker"], trust)
    given = limits.model_dump(exclude_none=True) if limits else {}
    opened = open_store(store, must_exist=False) if isinstance(store, str) else store
    row, _ = new_evaluation(
        opened.database,
        found,
        settings,
        edition,
        seed=seed,
        model=spec,
        run_settings=Settings(concurrency=concurrency or (16 if spec.remote else 4), **given),
        evaluation_id=run_id,
    )
    return Asking(opened, row.id, trust, tell)


class Asking:
    """An evaluation that is to be carried on."""

    def __init__(self, store: RunStore, evaluation_id: str, trust: Trust, tell: Tell) -> None:
        self.stored = StoredEvaluation(store, evaluation_id)
        self._trust = trust
        self._tell = tell
        self._interrupt: Callable[[], object] = lambda: None

    def stop(self) -> None:
        """Let the calls in flight finish, and make no more. From any thread."""
        with suppress(RuntimeError):  # the loop is over
            self._interrupt()

    async def carry_on(self) -> StoredEvaluation:
        database, stored = self.stored.store.database, self.stored

        def hear(event: Event) -> None:
            if isinstance(event, events.Remarked):
                self._tell(event.text)

        with database.database.hold(stored.id):
            if stored.status != Status.DONE:
                evaluation = Evaluation(database, stored._row, Listener(stored.id, hear), self._trust)
                evaluation.stopped_by = "the program that held it"
                self._interrupt = partial(asyncio.get_running_loop().call_soon_threadsafe, evaluation.interrupt)
                await evaluation.carry_on()
        return stored


# --- data frames -----------------------------------------------------------------------------------


def samples(runs: StoredRun | Iterable[StoredRun], *, dropped: bool = False) -> pandas.DataFrame:
    """Return the kept samples of runs as a data frame, one row each, in the order of the talk.

    Args:
        runs: a run, several, or a store with all its runs.
        dropped: with those that were dropped, and those that reviewers rejected; `status` tells them apart.
    Raises:
        UsageError: if pandas is not installed, the extra `frames`.

    Example:
        >>> frame = culturepark.samples(culturepark.demo())
        >>> frame.groupby(["culture", "shape"]).size()
    """
    return frames.samples(in_stores(runs), dropped)


def statements(runs: StoredRun | Iterable[StoredRun]) -> pandas.DataFrame:
    """Return what was taken from the talks as a data frame, one row for each statement, with what was found of it.

    Args:
        runs: a run, several, or a store with all its runs.
    Raises:
        UsageError: if pandas is not installed, the extra `frames`.

    Example:
        >>> culturepark.statements(culturepark.demo()).turned_down_by.value_counts()
    """
    return frames.statements(in_stores(runs))


def dialogues(runs: StoredRun | Iterable[StoredRun]) -> pandas.DataFrame:
    """Return dialogues as a data frame, one row each. Their turns are in `StoredRun.dialogues()`.

    Args:
        runs: a run, several, or a store with all its runs.
    Raises:
        UsageError: if pandas is not installed, the extra `frames`.

    Example:
        >>> culturepark.dialogues(culturepark.open_store()).status.value_counts()
    """
    return frames.dialogues(in_stores(runs))


def in_stores(runs: StoredRun | Iterable[StoredRun]) -> Iterator[tuple[Store, RunRow]]:
    for run in [runs] if isinstance(runs, StoredRun) else runs:
        yield run.store.database, run._row


# --- holding a run ---------------------------------------------------------------------------------


class Simulation:
    """A run that is to be held. It begins when it is awaited, or looped over for its events, and only once.

    Awaiting it gives the run. A loop over it gives events (`culturepark.events`). What stops the run is raised in
    either. When the task that awaits it is cancelled, or the loop is left, the run is stopped at once: no answer is
    waited for. `StoredRun.resume` and `resume_async` go on with it. A block of `async with` ends when it has stopped.

    Example:
        >>> async with culturepark.simulate_async("quickstart", model="scripted") as simulation:
        ...     async for event in simulation:
        ...         if isinstance(event, culturepark.events.TurnSpoken):
        ...             print(event.name, event.turn.text)
        >>> simulation.run.status
        <Status.DONE: 'done'>
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[StoredRun]], trust: Trust) -> None:
        """
        Args:
            begin: makes the run, or finds it, and keeps other processes from it.
        """
        self._begin = begin
        self._trust = trust
        self._run: StoredRun | None = None
        self._begun = self._stopping = False
        self._interrupt: Callable[[], object] = lambda: None
        self._holding: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Simulation({self._run!r})" if self._run else "Simulation(not begun; await it, or loop over it)"

    @property
    def run(self) -> StoredRun:
        """The run as it stands in the store.

        Raises:
            UsageError: if it has not begun.
        """
        if self._run is None:
            raise UsageError("the run has not begun; await the simulation, or loop over it")
        return self._run

    def stop(self) -> None:
        """Let the calls in flight finish, and make no more; then who awaits it gets `Interrupted`. From any thread."""
        self._stopping = True
        with suppress(RuntimeError):  # the loop is over
            self._interrupt()

    def __await__(self) -> Generator[Any, None, StoredRun]:
        return self._to_the_end().__await__()

    async def _to_the_end(self) -> StoredRun:
        async for _ in self:
            pass
        return self.run

    async def __aiter__(self) -> AsyncIterator[Event]:
        loop = asyncio.get_running_loop()
        heard: asyncio.Queue[Event | None] = asyncio.Queue()

        def hear(event: Event) -> None:  # some come from threads
            loop.call_soon_threadsafe(heard.put_nowait, event)

        self._holding = asyncio.create_task(self._hold(hear, stopped_by="the program that held it"))
        self._holding.add_done_callback(lambda _: heard.put_nowait(None))
        try:
            while (event := await heard.get()) is not None:
                yield event
            await self._holding
        finally:
            await self.__aexit__()

    async def __aenter__(self) -> Simulation:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._holding:
            self._holding.cancel()
            await asyncio.gather(self._holding, return_exceptions=True)

    def _wait(self, tell: Tell = lambda _: None) -> StoredRun:
        """Hold the run here, whether or not an event loop is running, and return it.

        Args:
            tell: called with each remark.
        """

        def hear(event: Event) -> None:
            if isinstance(event, events.Remarked):
                tell(event.text)

        outside_the_loop(lambda: asyncio.run(self._hold(hear)), self.stop)
        return self.run

    async def _hold(self, hear: Callable[[Event], object], stopped_by: str = "Ctrl-C") -> None:
        if self._begun:
            raise UsageError("a simulation is held once; `simulation.run.resume_async()` goes on with its run")
        self._begun = True
        with self._begin() as self._run:
            stored, database = self._run, self._run.store.database
            pipeline = Run(database, stored._row, Listener(stored.id, hear), self._trust)
            pipeline.stopped_by = stopped_by
            self._interrupt = partial(asyncio.get_running_loop().call_soon_threadsafe, pipeline.interrupt)
            if self._stopping:
                pipeline.interrupt()
            status = await pipeline.carry_on()
            spent = database.spent(stored.id)
            hear(events.RunEnded(stored.id, status, stored.stop_reason, stored._kept(), spent.tokens, spent.cost_usd))


class Listener(Watcher):
    """Tells of a run in events."""

    def __init__(self, run_id: str, hear: Callable[[Event], object]) -> None:
        self.run_id = run_id
        self.hear = hear

    def _id(self, casting: Casting) -> str:
        return f"{self.run_id}.d{casting.number}"

    def started(self, run: RunRow, castings: Collection[Casting], done: int) -> None:
        self.hear(events.RunBegun(run.id, edition_of(run).scenario.title, len(castings), done))

    def fetching(self, name: str, done: int, total: int) -> None:
        self.hear(events.Fetched(name, done, total))

    def talking(self, casting: Casting) -> None:
        people = tuple(participant.persona.name for participant in casting.participants)
        self.hear(events.DialogueBegun(self._id(casting), casting.seed.question, people))

    def turn(self, casting: Casting, turn: Turn) -> None:
        names = {participant.persona.key: participant.persona.name for participant in casting.participants}
        self.hear(events.TurnSpoken(self._id(casting), names.get(turn.speaker, turn.speaker.capitalize()), turn))

    def talked(self, casting: Casting, status: Status, reason: str) -> None:
        self.hear(events.DialogueEnded(self._id(casting), status, reason))

    def failed(self, casting: Casting, reason: str) -> None:
        self.hear(events.DialogueEnded(self._id(casting), Status.FAILED, reason))

    def judged(self, casting: Casting, statements: Sequence[tuple[Statement, str | None]]) -> None:
        for statement, drop_reason in statements:
            self.hear(events.StatementJudged(self._id(casting), statement, drop_reason))

    def stage_done(self, stage: Stage, casting: Casting | None) -> None:
        self.hear(events.StageDone(stage, self._id(casting) if casting else None))

    def figures(self, tokens: int, cost_usd: float | None, samples: int) -> None:
        self.hear(events.Spent(tokens, cost_usd, samples))

    def note(self, text: str) -> None:
        self.hear(events.Remarked(text))


def outside_the_loop(work: Callable[[], Result], stop: Callable[[], None] = lambda: None) -> Result:
    """Do work that starts an event loop; in a thread where a loop is running already, as in a notebook.

    Args:
        stop: ends the work early, when waiting for it is interrupted.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as threads:
        done = threads.submit(work)
        try:
            return done.result()
        except KeyboardInterrupt:
            stop()
            raise
