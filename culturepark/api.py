"""The package as a library: simulate, look at runs, export. `import culturepark` gives these names; see docs/python.md.

The functions wait until they are done, also in a notebook, where an event loop is running already.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from culturepark.catalog import scenarios
from culturepark.dialogue.casting import plan
from culturepark.domain import Edition, Limits, Sample, Scenario, Shape, Status, Turn
from culturepark.errors import UsageError
from culturepark.export import hub
from culturepark.export.manifest import Wanted
from culturepark.export.shape_mix import checked_mix
from culturepark.export.writer import Exported
from culturepark.export.writer import export as write_export
from culturepark.models.registry import check_specs
from culturepark.models.spec import parse_roles
from culturepark.models.trust import Trust
from culturepark.run import Until, Watcher
from culturepark.run.pipeline import Run
from culturepark.run.plan import Settings, free_run_id, models_of, new_run, roles_until, settings_of
from culturepark.run.rating import known
from culturepark.stats.figures import RunStats
from culturepark.stats.run_stats import stats
from culturepark.store.database import DEFAULT_URL
from culturepark.store.exports import kept_samples
from culturepark.store.integrity import edition_of
from culturepark.store.lineage import TalkTrace, Trace, trace
from culturepark.store.runs import runs
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

Result = TypeVar("Result")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Dialogue:
    """One conversation as it stands in the store."""

    id: str
    seed: str
    """The key of the question."""
    status: Status
    turns: tuple[Turn, ...]


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
        rows = self.store.database.dialogues(self.id)
        return [
            Dialogue(row.id, row.seed_key, Status(row.status), tuple(self.store.database.turns(row.id))) for row in rows
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
        row = self._row
        given: dict[str, Any] = {"max_cost_usd": max_cost_usd, "max_tokens": max_tokens}
        settings = replace(settings_of(row), **{name: value for name, value in given.items() if value is not None})
        models, trust = models_of(row), Trust((), endpoints)
        check_specs(models, roles_until(settings.until, self.scenario, models), trust)
        with self.store.database.database.hold(row.id):
            self.store.database.set_plan(row.id, vars(settings), row.models)
            carry_on(self.store.database, self._row, trust, tell)
        return self

    def export(self, format: str, out: str | Path, **options: Any) -> Exported:  # noqa: A002 - as on the command line
        """Write training files; the options are those of `export_runs`."""
        return export_runs([self], format, out, **options)

    @property
    def _row(self) -> RunRow:
        return self.store.database.run(self.id)


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

    def trace(self, subject_id: str) -> Trace | TalkTrace:
        """Return the way of a sample, statement, turn or dialogue back to its calls and cards.

        Raises:
            UsageError: if nothing has that id.
        """
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
    if isinstance(scenario, Edition):
        if dialogues is not None:
            raise UsageError("dialogues: it is given to load_scenario, which has read this scenario already")
        edition = scenario
    else:
        edition = load_scenario(scenario, dialogues=dialogues)
    named = [(role, [spec] if isinstance(spec, str) else spec) for role, spec in (roles or {}).items()]
    models = parse_roles(model, [f"{role}={spec}" for role, specs in named for spec in specs])
    trust = Trust(models.values())
    check_specs(models, roles_until(until, edition.scenario, models), trust)
    settings = Settings(
        concurrency=concurrency or (16 if models["speaker"].remote else 4),
        until=until,
        **(edition.scenario.limits.model_dump() | (limits.model_dump(exclude_none=True) if limits else {})),
    )
    # Before there is a store: a scenario with nothing to talk about leaves nothing behind.
    plan(edition, seed, known(edition))
    opened = open_store(store, must_exist=False) if isinstance(store, str) else store
    run_id = run_id or free_run_id(opened.database, edition)
    with opened.database.database.hold(run_id):
        row = new_run(opened.database, edition, seed=seed, models=models, settings=settings, run_id=run_id)
        carry_on(opened.database, row, trust, tell)
    return StoredRun(opened, run_id)


def export_runs(
    runs: Iterable[StoredRun],
    format: str,  # noqa: A002 - as on the command line
    out: str | Path,
    *,
    cultures: Sequence[str] = (),
    split: float | None = None,
    dialogues: bool = False,
    parquet: bool = False,
    licence: str | None = None,
    shape_mix: Sequence[Shape] | Mapping[Shape, float] = (),
    grounded: bool = False,
    no_system: bool = False,
    push: str | None = None,
    public: bool = False,
    tell: Tell = lambda _: None,
) -> Exported:
    """Write the kept samples of runs as training files, with an index, a card and a manifest.

    Args:
        runs: all of one store. Statements that repeat another run's are left out.
        format: `openai`, `trl`, `sharegpt`, `alpaca`, `preference`, `alpaca-preference`, or one of a plugin.
        out: a folder; an export in it is replaced.
        cultures: only these, each in a file of its own.
        split: the share of rows that train; whole questions are held out.
        dialogues: whole dialogues in place of single samples.
        licence: for the card, e.g. `cc-by-4.0`.
        shape_mix: only these shapes of samples, or in a map their shares, e.g. `{"own": 3, "survey": 1}`.
        grounded: only what is on a persona's card, or in a scene on it.
        no_system: no system messages; their words stand in front of the first user message.
        push: send it to this data set on the Hugging Face hub too, as `organisation/name`; nothing asks before.
        public: everybody may read what is sent; else it is private.
    Raises:
        UsageError: if there is nothing to export, or the folder holds something else.
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
        format, tuple(cultures), split, dialogues, parquet, licence, mix, grounded, no_system=no_system, push=push
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


# --- waiting for a run ---------------------------------------------------------------------------


class Listener(Watcher):
    """Passes on a run's remarks, and nothing else."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def note(self, text: str) -> None:
        self.tell(text)


def carry_on(store: Store, row: RunRow, trust: Trust, tell: Tell) -> None:
    run = Run(store, row, Listener(tell), trust)
    loops: list[asyncio.AbstractEventLoop] = []

    async def until_done() -> None:
        loops.append(asyncio.get_running_loop())
        await run.carry_on()

    def stop() -> None:
        for loop in loops:
            with suppress(RuntimeError):  # it is over
                loop.call_soon_threadsafe(run.interrupt)

    outside_the_loop(lambda: asyncio.run(until_done()), stop)


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
