"""Does the steps of a loop, one after the other; what is done already is found, and not done again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from culturepark.catalog import scenarios
from culturepark.catalog.loops import scenario_of
from culturepark.dialogue.casting import plan as casting_plan
from culturepark.domain import Seed, Status
from culturepark.errors import UsageError
from culturepark.evaluate.evaluation import new_evaluation
from culturepark.export.files import MANIFEST
from culturepark.export.manifest import Wanted
from culturepark.export.writer import export as write_export
from culturepark.files import clipped, exists
from culturepark.loop import arms as arming
from culturepark.loop.plan import STAGES, Plan, Stage, Training, arms_made
from culturepark.models.registry import check_specs
from culturepark.models.spec import parse_roles
from culturepark.models.trust import Trust
from culturepark.run.plan import Settings as RunSettings
from culturepark.run.plan import check_interpreter, new_run, roles_until, unscripted, with_interpreter
from culturepark.run.rating import known
from culturepark.select.choose import Wanted as Choice
from culturepark.select.choose import choose
from culturepark.select.gates import gates_of
from culturepark.select.quotas import quotas_of
from culturepark.store import exports, selections
from culturepark.store.evaluations import refuse_evaluation
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.train.adapter import RECIPES, Watch
from culturepark.train.base import Base, base_of, require
from culturepark.train.examples import read
from culturepark.train.make import is_whole, make


@dataclass(frozen=True)
class Hands:
    """What a loop asks of whoever runs it: to show progress, and to carry runs on."""

    talk: Callable[[Store, RunRow, Trust], None]
    """Carry a run of dialogues on to its end, or raise what stopped it."""
    ask: Callable[[Store, RunRow, Trust], None]
    """Carry an evaluation on to its end, or raise what stopped it."""
    trust: Callable[[Sequence[Any]], Trust]
    """Models -> whom of them may be asked."""
    watch: Callable[[], AbstractContextManager[Watch]]
    """Show the progress of a training."""
    fetching: Callable[[], AbstractContextManager[Any]]
    """Show the progress of fetching weights."""
    tell: Callable[[str], None]
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Limits of cost, tokens and pace, by their names in runs."""
    concurrency: int | None = None


@dataclass
class Doing:
    """One loop being done."""

    plan: Plan
    store: Store
    hands: Hands
    base: Base | None = None
    count: int = 0
    total: int = 0

    def do(self, until: Stage = "verdict") -> None:
        """Do all steps up to a stage.

        Raises:
            Interrupted: at Ctrl-C; the same call goes on.
            UsageError: if a step cannot be done.
        """
        last = STAGES.index(until)
        if last >= STAGES.index("train"):
            require()  # nobody should wait for talks to learn that there is no torch
        if last >= STAGES.index("evaluate"):
            self.check_models()
        names = self.simulate()
        if last < STAGES.index("rows"):
            return
        arms = self.rows(names)
        if last < STAGES.index("train"):
            return
        trainings = self.plan.trainings(arms)
        asks = last >= STAGES.index("evaluate")
        self.total = len(trainings) * (1 + asks) + asks
        if asks:
            self.evaluate(None)
        for of_round in self.plan.rounds(trainings):
            for training in of_round:
                self.train(training)
            for training in of_round if asks else ():
                self.evaluate(training)

    def check_models(self) -> None:
        """Refuse a base that cannot be asked, before anything is done."""
        spec = self.plan.base_spec
        check_specs({"speaker": spec}, ["speaker"], self.hands.trust([spec]))
        self.plan.evaluate_settings(self.plan.cultures)

    # --- rows ---

    def simulate(self) -> list[str]:
        """Hold the talks, where the loop has a scenario; return the runs that have the rows."""
        part = self.plan.file.rows
        if part.scenario is None:
            for name in part.runs:
                refuse_evaluation(self.store, name)
            return list(part.runs)
        run_id = self.plan.run_id
        edition = scenarios.load_edition(scenario_of(self.plan.path, part.scenario), part.dialogues)
        models = with_interpreter(parse_roles(part.model, [f"{r}={s}" for r, s in part.roles.items()]), edition)
        check_interpreter(models, edition)
        if foreign := unscripted(models, edition):
            self.hands.tell(f"note: {foreign}")
        trust = self.hands.trust(list(models.values()))
        settings = RunSettings(
            concurrency=self.hands.concurrency or (16 if models["speaker"].remote else 4),
            **(edition.scenario.limits.model_dump() | dict(self.hands.limits)),
        )
        casting_plan(edition, part.seed, known(edition))
        with self.store.database.hold(run_id):
            row = new_run(self.store, edition, seed=part.seed, models=models, settings=settings, run_id=run_id)
            if row.status != Status.DONE:
                check_specs(models, roles_until("samples", edition.scenario, models), trust)
                self.hands.tell(f"talks: {run_id}")
                self.hands.talk(self.store, row, trust)
        return [run_id]

    def rows(self, names: Sequence[str]) -> dict[str, int]:
        """Write the rows of all arms, or find them; return the arms, each with its rows of a culture.

        Raises:
            UsageError: if the rows have changed since they were written.
        """
        folder = self.plan.out / "rows"
        ids, chosen = selections.runs_or_selection(self.store, names)
        if self.plan.file.select and chosen:
            raise UsageError(
                f"{self.plan.path}: select: {chosen.id} is chosen already; leave `select` out, or name runs"
            )
        if self.plan.file.select:
            names = [self.select(ids)]
            ids, chosen = selections.runs_or_selection(self.store, names)
        made_from = self.made_from(ids, chosen.id if chosen else None)
        shapes = list(self.plan.file.shapes)
        if (there := arms_made(self.plan)) is not None:
            record = json.loads((folder / arming.MADE).read_bytes())
            if record.get("from") != made_from or (record.get("shapes") and shapes and record["shapes"] != shapes):
                raise UsageError(
                    f"{clipped(folder, 400)} holds the rows of another loop, or rows that have changed in the store "
                    "since they were written; name another --out"
                )
            if record.get("shapes", []) == shapes and {arming.TALK, *self.plan.file.controls} <= there.keys():
                return there  # else a control, or shapes, were added; the other arms come out as they are
        else:
            self.export(names)
        found = arming.arms_of(
            self.plan.file,
            self.plan.cultures,
            arming.read_rows(self.plan.export_folder, self.plan.cultures),
            self.questions(ids),
        )
        arming.write_arms(found, self.plan.export_folder, folder)
        arms = {
            name: found.shape_size if name == arming.MIXED or name.startswith("shape-") else found.size
            for name in found.arms
        }
        notes = [*found.notes, *(note for arm in found.arms.values() for note in arm.notes)]
        record = {
            "from": made_from, "shapes": shapes, "runs": ids, "selection": chosen.id if chosen else None, "arms": arms,
            "rows_of_cultures": dict(found.had), "seeds": sorted(found.seeds), "notes": notes,
        }  # fmt: skip
        aside = folder / f".{arming.MADE}"
        aside.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", "utf-8")
        aside.replace(folder / arming.MADE)  # last and at once: with it the rows count as written
        for note in notes:
            self.hands.tell(f"note: {note}")
        self.hands.tell(f"rows: {found.size} of each culture in {len(arms)} arms, in {folder}")
        return {name: count or 0 for name, count in arms.items()}

    def export(self, names: Sequence[str]) -> None:
        exported = write_export(
            self.store,
            names,
            self.plan.export_folder,
            self.wanted(),
            command=" ".join(self.plan.export_command(names)),
            tell=self.hands.tell,
        )
        for note in exported.notes:
            self.hands.tell(f"note: {note}")

    def wanted(self) -> Wanted:
        part = self.plan.file.export
        return Wanted(
            self.plan.form,
            self.plan.cultures,
            shape_mix=part.shape_mix or (),
            grounded=part.grounded,
            metadata=True,
        )

    def select(self, run_ids: Sequence[str]) -> str:
        """Choose rows, or find the choice that was made before; return its id."""
        part = self.plan.file.select
        assert part is not None
        wanted = Choice(part.size, quotas_of(part.quotas) if part.quotas else (),
                        gates_of(part.gates) if part.gates else (), part.seed)  # fmt: skip
        name = f"loop-{self.plan.file.loop}-rows"
        if there := selections.find_selection(self.store, name):
            same = json.loads(there.wanted) == wanted.as_json() and set(json.loads(there.runs)) == set(run_ids)
            if not same:
                raise UsageError(
                    f"the store has a selection {name} of other runs or rules; delete it (`culturepark selections "
                    f"--delete {name}`), or give the loop another name"
                )
            return there.id
        return choose(self.store, run_ids, wanted, name=selections.check_name(self.store, name)).id

    def questions(self, run_ids: Sequence[str]) -> dict[str, Seed]:
        """Return the questions of runs by key."""
        editions = [edition_of(self.store.run(run_id)) for run_id in run_ids]
        return {seed.key: seed for edition in editions for seed in edition.scenario.seeds}

    def made_from(self, run_ids: Sequence[str], selection: str | None) -> str:
        """Return the digest of all that decides the rows of the export: kept samples, and how they are exported."""
        file = self.plan.file
        ids: list[str] = []
        with self.store.database.reading() as look:
            for run_id in run_ids:
                found = exports.kept_samples(look, run_id, self.plan.cultures, selection)
                ids += [f"{row['id']} {row['messages']}" for row in found]
        asked = file.model_dump(mode="json", include={"export", "select"})
        return arming.made_from([ids, asked, list(self.plan.cultures), file.train.method, list(run_ids)])

    # --- models ---

    def train(self, training: Training) -> None:
        """Train one adapter, unless it is whole already."""
        folder = self.plan.adapter_folder(training)
        self.count += 1
        settings = self.plan.train_settings(training)
        examples = read(self.plan.rows_folder(training.arm), RECIPES[settings.method].shapes, training.culture)
        if is_whole(self.store, folder) and self.is_same(training, examples.manifest_sha256):
            return
        self.hands.tell(f"[{self.count}/{self.total}] train {training.name}")
        if self.base is None:
            with self.hands.fetching() as fetching:
                self.base = base_of(self.plan.file.train.base, fetching)
        with self.hands.watch() as watch:
            _, outcome = make(self.store, self.base, examples, settings, folder, watch)
        for note in outcome.notes:
            self.hands.tell(f"note: {note}")

    def is_same(self, training: Training, manifest_sha256: str | None) -> bool:
        """Tell whether the adapter in a folder is the one that is meant; `make` says what is different if not."""
        from dataclasses import asdict

        from culturepark.loop.plan import record_of_training

        record = record_of_training(self.plan.adapter_folder(training))
        return (
            record.get("settings") == asdict(self.plan.train_settings(training))
            and record.get("export_manifest_sha256") == manifest_sha256
            and record.get("culture") == training.culture
        )

    def evaluate(self, training: Training | None) -> None:
        """Ask the base (None) or an adapter, unless all is answered already."""
        self.count += 1
        found = self.plan.evaluation_of(self.store, training)
        if found is not None and found.status == Status.DONE:
            return
        self.hands.tell(f"[{self.count}/{self.total}] ask {'the base' if training is None else training.name}")
        settings = self.plan.evaluate_settings(self.plan.asked_about(training))
        spec = self.plan.base_spec if training is None else self.plan.spec(training)
        trust = self.hands.trust([spec])
        check_specs({"speaker": spec}, ["speaker"], trust)
        run_settings = RunSettings(
            concurrency=self.hands.concurrency or (16 if spec.remote else 4), **self.hands.limits
        )
        row, _ = new_evaluation(
            self.store,
            self.plan.suite,
            settings,
            self.plan.edition(settings),
            seed=self.plan.file.evaluate.seed,
            model=spec,
            run_settings=run_settings,
            evaluation_id=self.plan.evaluation_id(self.store, training),
        )
        with self.store.database.hold(row.id):
            self.hands.ask(self.store, self.store.run(row.id), trust)


def seeds_asked(plan: Plan) -> Mapping[str, Any]:
    """Return what was written down of the rows.

    Raises:
        UsageError: if no rows are written.
    """
    path = plan.out / "rows" / arming.MADE
    if not exists(path):
        raise UsageError(f"{clipped(plan.out, 400)}: no rows of this loop yet; run it without --so-far")
    record: Mapping[str, Any] = json.loads(path.read_bytes())
    return record


def export_manifest(plan: Plan) -> Mapping[str, Any]:
    """Return the manifest of all rows."""
    manifest: Mapping[str, Any] = json.loads((plan.export_folder / MANIFEST).read_bytes())
    return manifest
