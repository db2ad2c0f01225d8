"""What a loop does, in its order: each step as the public command that does it alone, and whether it is done."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, Literal

from culturepark.catalog.cultures import Known, is_path
from culturepark.catalog.files import placed, read_mapping
from culturepark.catalog.loops import LoopFile, TrainPart, load_loop, scenario_of, suite_of
from culturepark.catalog.scenarios import beside
from culturepark.catalog.suites import Suite, find_suite
from culturepark.domain import Edition, Noun, Status
from culturepark.errors import Problem, UsageError
from culturepark.evaluate.asked import cultures_named, settings_for
from culturepark.evaluate.evaluation import edition_for, find, new_items, plan_of
from culturepark.evaluate.plan import Settings
from culturepark.loop import arms as arming
from culturepark.models.chat import canonical
from culturepark.models.spec import ModelSpec, kinds, parse
from culturepark.run.plan import models_column
from culturepark.store import artefacts
from culturepark.store import evaluations as kept
from culturepark.store.selections import runs_or_selection
from culturepark.store.store import Store
from culturepark.store.tables import ArtefactRow, RunRow
from culturepark.train.adapter import CHECKPOINTS, RECIPES, TRAINING, settings_of, steps_of
from culturepark.train.adapter import Settings as TrainSettings
from culturepark.train.base import base_of
from culturepark.train.make import is_whole

Stage = Literal["simulate", "rows", "train", "evaluate", "verdict"]
STAGES: tuple[Stage, ...] = ("simulate", "rows", "train", "evaluate", "verdict")
FOLDER = "runs/loops"
WHOLE = 1.0
"""The share that is all rows."""


class Step(Noun):
    """One step of a loop."""

    stage: Stage
    what: str
    command: str
    """That does it alone."""
    done: bool
    begun: bool = False
    """Part of it is done, and is not done again."""
    seconds: float | None = None
    """About how long it takes, by what was measured before; None if nothing like it was, and 0 where it is done."""
    amount: int | None = None
    """Steps of a training, or questions of an evaluation; None of others, and of trainings while there are no rows."""


@dataclass(frozen=True)
class Training:
    """One adapter of a loop."""

    arm: str
    culture: str
    seed: int
    share: float = WHOLE

    @property
    def called(self) -> str:
        """The name of its arm, with its share of the rows."""
        percent = f"{100 * self.share:g}".replace(".", "_")  # it is a part of ids
        return self.arm if self.share == WHOLE else f"{self.arm}-share-{percent}"

    @property
    def name(self) -> str:
        return f"{self.called}-{self.culture}-{self.seed}"


@dataclass(frozen=True)
class Plan:
    """A loop that is to be done."""

    file: LoopFile
    path: Path
    out: Path
    cultures: tuple[str, ...]
    known: Known
    """Definitions of the cultures that are files."""

    # --- folders ---

    @property
    def export_folder(self) -> Path:
        return self.out / "rows" / "all"

    def rows_folder(self, arm: str) -> Path:
        return self.out / "rows" / arm

    def adapter_folder(self, training: Training) -> Path:
        return self.out / "adapters" / training.name

    @property
    def run_id(self) -> str:
        """The run that the loop holds, where it holds one."""
        return f"loop-{self.file.loop}"

    # --- training ---

    def arm_names(self) -> list[str]:
        """Return the names of the arms that are asked for, before anything is known of the rows."""
        shapes = [arming.MIXED, *map(arming.shape_arm, self.file.shapes)] if self.file.shapes else []
        return [arming.TALK, *self.file.controls, *shapes]

    def trainings(self, arms: Iterable[str]) -> list[Training]:
        """Return the adapters that are trained: each arm, culture and seed, and the parts of the talk's rows."""
        shares = [share for share in sorted(self.file.shares, reverse=True) if share != WHOLE]
        kinds_of_rows = [(arm, WHOLE) for arm in arms] + [(arming.TALK, share) for share in shares]
        return [
            Training(arm, culture, seed, share)
            for seed in self.file.seeds
            for arm, share in kinds_of_rows
            for culture in self.cultures
        ]

    def rounds(self, trainings: Sequence[Training]) -> list[list[Training]]:
        """Return the trainings that are asked before the next ones are trained: seed by seed, so that there is a first
        verdict early. Adapters that are served elsewhere are all trained first."""
        if self.file.evaluate.adapters is not None:
            return [list(trainings)]
        return [[t for t in trainings if t.seed == seed] for seed in self.file.seeds]

    def train_settings(self, training: Training) -> TrainSettings:
        part = self.file.train
        return settings_of(
            part.method, epochs=part.epochs, rate=part.rate, rank=part.rank, batch=part.batch, beta=part.beta,
            max_length=part.max_length, share=training.share, max_steps=part.max_steps, seed=training.seed,
            device=part.device,
        )  # fmt: skip

    @property
    def form(self) -> str:
        """The format of the export that the method learns from."""
        from culturepark.train.examples import FORMATS

        shapes = RECIPES[self.file.train.method].shapes
        return FORMATS["pairs" if "pairs" in shapes else shapes[0]]

    # --- asking ---

    @property
    def base_spec(self) -> ModelSpec:
        """
        Raises:
            UsageError: if the base cannot be asked here, and the file does not say where it can.
        """
        part, base = self.file.evaluate, self.file.train.base
        if part.model is not None:
            return parse(part.model)
        if base.partition(":")[0] not in kinds():
            raise UsageError(f"{self.path}: evaluate: {unaskable(base)}")
        return parse(base)

    def spec(self, training: Training) -> ModelSpec:
        """Return the model that is the base with an adapter."""
        folder = self.adapter_folder(training)
        form = self.file.evaluate.adapters or f"{self.base_spec}+{{folder}}"
        return parse(form.replace("{folder}", str(folder)).replace("{name}", folder.name))

    @cached_property
    def suite(self) -> Suite:
        part = self.file.evaluate
        scenario = None if part.scenario is None else suite_of(self.path, part.scenario)
        return find_suite(suite_of(self.path, part.suite), scenario)

    def evaluate_settings(self, cultures: Sequence[str]) -> Settings:
        part = self.file.evaluate
        return settings_for(
            self.suite,
            cultures=tuple(cultures),
            items=part.items,
            conditions={"framings": [part.framing], "languages": [part.language]},
            elicitation={"method": part.method},
        )

    def asked_about(self, training: Training | None) -> tuple[str, ...]:
        """Return the cultures that the base (None) or an adapter is asked about."""
        return self.cultures if training is None or self.file.evaluate.cross else (training.culture,)

    def edition(self, settings: Settings) -> Edition:
        return edition_for(self.suite, settings, (), self.known)

    def evaluation_of(self, store: Store, training: Training | None) -> RunRow | None:
        """Return the evaluation of the base or of an adapter, finished or not; None if there is none yet.

        An evaluation from before an adapter was made is of another one, which was in the same folder.
        """
        made_at = ""
        if training is not None:
            made = self.artefact_of(store, training)
            if made is None:
                return None
            made_at = made.created_at
        settings = self.evaluate_settings(self.asked_about(training))
        suite_id = kept.suite_of(self.suite.name, self.suite.definition, new_items(self.suite))[0]["id"]
        wanted = canonical({"suite": suite_id, "settings": settings.model_dump(mode="json", exclude={"method"})})
        scenario = canonical(self.edition(settings).model_dump(mode="json"))
        spec = self.base_spec if training is None else self.spec(training)
        row = find(store, suite_id, wanted, scenario, self.file.evaluate.seed, models_column({"speaker": spec}))
        return row if row and row.created_at >= made_at else None

    def evaluation_id(self, store: Store, training: Training | None) -> str | None:
        """Return the id of the evaluation of an adapter, of a new one too; None for that of the base, or any."""
        if training is None:
            return None
        if found := self.evaluation_of(store, training):
            return found.id
        name = f"loop-{self.file.loop}-{training.name}"
        if store.find_run(name) is None:
            return name
        made = self.artefact_of(store, training)
        longer = f"{name}-{made.sha256[:8]}" if made else name
        return longer if store.find_run(longer) is None else None

    def artefact_of(self, store: Store, training: Training) -> ArtefactRow | None:
        """Return the adapter of a training as the store has it; None if it is not made whole."""
        from culturepark.train.artefact import id_in

        folder = self.adapter_folder(training)
        return artefacts.artefact(store, id_in(folder)) if is_whole(store, folder) else None

    # --- commands ---

    def train_command(self, training: Training) -> list[str]:
        part, settings = self.file.train, self.train_settings(training)
        command = ["culturepark", "train", str(self.rows_folder(training.arm)), "--culture", training.culture]
        command += ["--base", part.base, "--method", part.method, "--seed", str(training.seed)]
        usual = settings_of(part.method)
        for name in ("epochs", "rate", "rank", "batch", "max_length", "beta", "share", "max_steps", "device"):
            value = getattr(settings, name)
            if value != getattr(usual, name) and value is not None:
                text = f"{value:g}" if isinstance(value, float) else str(value)
                command += [f"--{name.replace('_', '-')}", text]
        return [*command, "--out", str(self.adapter_folder(training))]

    def evaluate_command(self, store: Store | None, training: Training | None) -> list[str]:
        part = self.file.evaluate
        spec = self.base_spec if training is None else self.spec(training)
        command = ["culturepark", "evaluate", suite_of(self.path, part.suite), "--model", str(spec)]
        if part.scenario:
            command += ["--scenario", suite_of(self.path, part.scenario)]
        for culture in self.asked_about(training):
            command += ["--culture", self.culture_option(culture)]
        command += ["--framing", part.framing, "--language", part.language]
        for name in ("items", "method"):
            if (value := getattr(part, name)) is not None:
                command += [f"--{name}", str(value)]
        if part.seed != 1:
            command += ["--seed", str(part.seed)]
        run_id = self.evaluation_id(store, training) if store else None
        return [*command, *(["--run-id", run_id] if run_id else [])]

    def culture_option(self, culture: str) -> str:
        """Return a culture as `--culture` takes it: its file, or its key."""
        for name in self.file.cultures:
            if is_path(name) and culture in cultures_named([str(beside(self.path, name))])[0]:
                return str(beside(self.path, name))
        return culture

    def export_command(self, names: Sequence[str]) -> list[str]:
        part = self.file.export
        command = ["culturepark", "export", *names, "--format", self.form, "--out", str(self.export_folder)]
        for culture in self.cultures:
            command += ["--culture", culture]
        if part.shape_mix:
            mix = part.shape_mix
            shares = isinstance(mix, Mapping)
            text = ",".join(f"{s}={w:g}" for s, w in mix.items()) if shares else ",".join(mix)  # type: ignore[union-attr]
            command += ["--shape-mix", text]
        return [*command, *(["--grounded"] if part.grounded else []), "--metadata"]

    def select_command(self, names: Sequence[str], name: str) -> list[str]:
        part = self.file.select
        assert part is not None
        command = ["culturepark", "select", *names]
        command += ["--size", str(part.size)] if part.size else []
        for quota in part.quotas:
            command += ["--quota", quota]
        for gate in part.gates:
            command += ["--gate", gate]
        return [*command, "--seed", str(part.seed), "--name", name]

    def simulate_command(self) -> list[str]:
        part = self.file.rows
        assert part.scenario is not None
        command = ["culturepark", "simulate", str(scenario_of(self.path, part.scenario))]
        command += ["--model", part.model] if part.model else []
        for role, spec in part.roles.items():
            command += ["--role", f"{role}={spec}"]
        command += ["--dialogues", str(part.dialogues)] if part.dialogues else []
        return [*command, "--seed", str(part.seed), "--run-id", self.run_id]


def problems_of_base(path: Path) -> list[Problem]:
    """Return why the base of a loop file cannot be trained from, or cannot be asked, as far as is known here."""
    data = read_mapping(path)
    part = data.get("train")
    base = part.get("base", TrainPart().base) if isinstance(part, Mapping) else TrainPart().base
    if not isinstance(base, str):
        return []  # which the schema says
    try:
        base_of(base, None)
    except UsageError as error:
        return placed(path, [(("train", "base"), str(error).removeprefix("--base "))])
    asked = data.get("evaluate")
    if base.partition(":")[0] not in kinds() and not (isinstance(asked, Mapping) and asked.get("model")):
        return placed(path, [(("evaluate",) if "evaluate" in data else ("train", "base"), unaskable(base))])
    return []


def unaskable(base: str) -> str:
    return (
        f"{base} is trained from, and is no model that can be asked here; say under `evaluate` how base and adapters "
        "are asked: `model`, and `adapters` with {name} in it"
    )


def missing_runs(file: LoopFile, store: Store | None) -> list[str]:
    """Return the runs and selections of a loop file that a store lacks; all of them without a store."""
    names = list(file.rows.runs)
    return names if store is None else [name for name in names if not is_in(store, name)]


def is_in(store: Store, name: str) -> bool:
    try:
        runs_or_selection(store, [name])
    except UsageError:
        return False
    return True


def read_plan(path: Path, out: Path | None) -> Plan:
    """Read a loop file and what it names.

    Raises:
        CatalogError: with all problems of the file.
        UsageError: if it names a culture or a suite that is not there.
    """
    file = load_loop(path)
    keys, known = cultures_named([str(beside(path, name)) if is_path(name) else name for name in file.cultures])
    return Plan(file, path, out or Path(FOLDER, file.loop), keys, known)


# --- steps -------------------------------------------------------------------------------------------


def steps_of_loop(plan: Plan, store: Store | None, store_option: str = "") -> list[Step]:
    """Return the steps of a loop, each with what is known of it before it is done.

    Args:
        store: None where there is none yet.
        store_option: names the store, with a space before it.
    """
    asked, steps = Forecast(plan, store), []

    def add(
        stage: Stage, what: str, command: Sequence[str], done: bool, begun: bool, seconds: float | None,
        amount: int | None = None,
    ) -> None:  # fmt: skip
        text = shlex.join(command) + store_option
        left = 0.0 if done else seconds
        steps.append(Step(stage=stage, what=what, command=text, done=done, begun=begun, seconds=left, amount=amount))

    names = list(plan.file.rows.runs)
    if plan.file.rows.scenario:
        run = store.find_run(plan.run_id) if store else None
        done = run is not None and run.status == Status.DONE
        add("simulate", f"talks of {plan.file.rows.scenario}", plan.simulate_command(), done, run is not None, None)
        names = [plan.run_id]
    rows = arms_made(plan)
    if plan.file.select:
        name = f"loop-{plan.file.loop}-rows"
        add("rows", "a choice of the rows", plan.select_command(names, name), rows is not None, False, None)
        names = [name]
    add("rows", "all rows", plan.export_command(names), rows is not None, False, None)
    myself = ["culturepark", "loop", str(plan.path), "--out", str(plan.out)]
    arms = plan.arm_names()
    if rows and shapes_made(plan) == list(plan.file.shapes):  # shapes of too few rows have no arm
        arms = [arm for arm in arms if arm in rows or arm in plan.file.controls]
    ready = rows is not None and {arming.TALK, *plan.file.controls} <= rows.keys()
    add("rows", f"arms of equal size: {', '.join(arms)}", [*myself, "--until", "rows"], ready, rows is not None, None)

    def add_training(training: Training) -> None:
        whole = store is not None and is_whole(store, plan.adapter_folder(training))
        begun = (plan.adapter_folder(training) / CHECKPOINTS).is_dir()
        count = (rows or {}).get(training.arm)
        seconds = asked.training(training, count)
        command, amount = plan.train_command(training), asked.steps(training, count)
        add("train", training.name, command, whole, begun, seconds, amount)

    def add_evaluation(training: Training | None) -> None:
        found = plan.evaluation_of(store, training) if store else None
        done = found is not None and found.status == Status.DONE
        what = "the base" if training is None else training.name
        command = plan.evaluate_command(store, training)
        seconds, amount = asked.evaluation(training), asked.questions(training)
        add("evaluate", what, command, done, found is not None, seconds, amount)

    add_evaluation(None)
    for of_round in plan.rounds(plan.trainings(arms)):
        for training in of_round:
            add_training(training)
        for training in of_round:
            add_evaluation(training)
    add("verdict", "the verdict", [*myself], False, False, None)
    return steps


def arms_made(plan: Plan) -> dict[str, int] | None:
    """Return the arms that are wanted and whose rows are written, each with its rows of a culture; None without any."""
    wanted = plan.arm_names()
    try:
        made = json.loads((plan.out / "rows" / arming.MADE).read_bytes())
        return {name: int(made["arms"][name]) for name in wanted if name in made["arms"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def shapes_made(plan: Plan) -> list[str]:
    """Return the shapes that arms were wanted of when rows were written."""
    try:
        return list(json.loads((plan.out / "rows" / arming.MADE).read_bytes()).get("shapes", []))
    except (OSError, ValueError, AttributeError, TypeError):
        return []


class Forecast:
    """How long steps take, by what was measured before on this store: medians of seconds a row seen, and an answer."""

    def __init__(self, plan: Plan, store: Store | None) -> None:
        self.plan = plan
        self.a_row = self._of_trainings(store) if store else None
        self.an_answer = self._of_evaluations(store) if store else None

    def training(self, training: Training, rows: int | None) -> float | None:
        """Return the seconds of a training; None if nothing is known of the rows or of the time."""
        steps = self.steps(training, rows)
        if steps is None or self.a_row is None:
            return None
        return round(self.a_row * steps * self.plan.train_settings(training).batch, 1)

    def steps(self, training: Training, rows: int | None) -> int | None:
        """Return the steps of a training; None if nothing is known of the rows."""
        if rows is None:
            return None
        return steps_of(self.plan.train_settings(training), max(1, round(rows * training.share)))

    def evaluation(self, training: Training | None) -> float | None:
        return None if self.an_answer is None else round(self.an_answer * self.questions(training), 1)

    def questions(self, training: Training | None) -> int:
        """Return the number of questions that the base (None) or an adapter is asked."""
        cultures = self.plan.asked_about(training)
        if cultures not in self._asks:
            settings = self.plan.evaluate_settings(cultures)
            edition = self.plan.edition(settings)
            self._asks[cultures] = len(plan_of(self.plan.suite, settings, edition, self.plan.file.evaluate.seed).asks)
        return self._asks[cultures]

    @cached_property
    def _asks(self) -> dict[tuple[str, ...], int]:
        return {}

    def _of_trainings(self, store: Store) -> float | None:
        found = []
        for row in artefacts.artefacts(store):
            if row.kind != "adapter" or row.base != self.plan.file.train.base:
                continue
            figures: Any = json.loads(row.figures)
            settings: Any = json.loads(row.settings)
            try:
                seen = figures["steps"] * settings["batch"]
                found.append(float(figures["seconds"]) / seen)
            except (KeyError, TypeError, ZeroDivisionError):
                continue
        return median(found) if found else None

    def _of_evaluations(self, store: Store) -> float | None:
        base = str(self.plan.base_spec)
        found = []
        for row in kept.evaluations(store):
            if not row.model.startswith(base) or row.status != Status.DONE or not row.finished_at:
                continue
            answers = len(kept.answer_ids(store, row.id))
            if answers:
                found.append(seconds_between(row.created_at, row.finished_at) / answers)
        return median(found) if found else None


def seconds_between(first: str, last: str) -> float:
    from datetime import datetime

    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def record_of_training(folder: Path) -> dict[str, Any]:
    """Return what a training wrote down of itself."""
    record: dict[str, Any] = json.loads((folder / TRAINING).read_bytes())
    return record
