"""Loop files: from rows of some cultures to a verdict on the models that were trained on them, in one YAML file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator

from culturepark.catalog import Framing, Method
from culturepark.catalog.cultures import is_path
from culturepark.catalog.files import Loc, begins_with, load, package_dir, placed, read_mapping
from culturepark.catalog.scenarios import CultureName, beside, find
from culturepark.catalog.suites import OF_SURVEYS, find_suite, shipped_suites
from culturepark.domain import DEFAULT_LANGUAGE, Key, Noun, Shape, Shapes, Text
from culturepark.errors import CatalogError, Problem, UsageError
from culturepark.files import clipped, exists

Control = Literal["other-culture", "seeds-alone", "shuffled"]
CONTROLS: tuple[Control, ...] = get_args(Control)
TrainingMethod = Literal["sft", "dpo", "kto", "simpo"]
Spec = Annotated[str, Field(min_length=1, max_length=400)]
Share = Annotated[float, Field(gt=0, le=1)]
ADAPTER_HOLES = ("{folder}", "{name}")
"""What `evaluate.adapters` may hold: the folder of an adapter, and the last part of it."""


class RowsPart(Noun):
    """Where the rows come from: a scenario whose talks are held, or runs that are in the store."""

    scenario: Text | None = None
    """A shipped scenario, or a file relative to this one; its talks are held first."""
    model: Spec | None = None
    """For all chat roles of the scenario; `embedded` if not given."""
    roles: dict[Key, Spec] = {}  # noqa: RUF012 - frozen
    """Role -> model, as `simulate --role`."""
    dialogues: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """For each seed and culture, in place of the scenario's."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 1
    """Draws stances and people."""
    runs: tuple[Text, ...] = ()
    """Ids or names of runs that are in the store, or of one selection."""

    @model_validator(mode="after")
    def one_of_two(self) -> RowsPart:
        if (self.scenario is None) == (not self.runs):
            raise ValueError("rows are either of a `scenario`, or of `runs` in the store")
        if self.runs and (self.model or self.roles or self.dialogues):
            raise ValueError("`model`, `roles` and `dialogues` go with a `scenario`; runs have theirs")
        return self


class SelectPart(Noun):
    """Which rows are chosen, as `culturepark select` has it."""

    size: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """How many rows, in all."""
    quotas: tuple[Text, ...] = ()
    """As `culture=even` or `shape=own:3,survey:1`."""
    gates: tuple[Text, ...] = ()
    """As `distinct=answer` or `words=5..60`."""
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    """Of the draw."""


class ExportPart(Noun):
    """What of the rows is exported, as `culturepark export` has it."""

    shape_mix: Shapes | None = None
    """A list of shapes, or a map of shapes to shares; without it all."""
    grounded: bool = False
    """Only what is on a persona's card, or in a scene on it."""


class TrainPart(Noun):
    """How adapters are trained, as `culturepark train` has it; what is not given is as it is there."""

    base: Spec = "embedded"
    """`embedded`, `gguf:PATH`, a folder, or `ORGANISATION/NAME`."""
    method: TrainingMethod = "sft"
    """`sft` learns answers; `dpo` and `simpo` learn from pairs of them, and `kto` takes a pair for two answers."""
    epochs: Annotated[float, Field(ge=0.01, le=1000)] | None = None
    """Times that each row is seen."""
    rate: Annotated[float, Field(ge=1e-9, le=1)] | None = None
    """Learning rate."""
    rank: Annotated[int, Field(ge=1, le=1024)] = 16
    """Of an adapter."""
    batch: Annotated[int, Field(ge=1, le=4096)] = 16
    """Rows a step."""
    max_length: Annotated[int, Field(ge=16, le=10**6)] = 1024
    """Tokens of a row; longer ones are left out."""
    beta: Annotated[float, Field(ge=0, le=100)] | None = None
    """Of `dpo`, `kto` and `simpo`."""
    max_steps: Annotated[int, Field(ge=1, le=10**9)] | None = None
    """Stop each training after so many steps."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU if there is one."""


class EvaluatePart(Noun):
    """What base and adapters are asked, as `culturepark evaluate` has it."""

    suite: Text = "survey"
    """A suite's name, or a file relative to this one."""
    scenario: Text | None = None
    """For the suite `survey`: only the questions of this scenario or survey file."""
    framing: Framing = "persona"
    """In whose name the model answers."""
    language: Annotated[str, Field(max_length=35)] = DEFAULT_LANGUAGE
    """Of the questions, or `native`."""
    items: Annotated[int, Field(ge=1)] | None = None
    """Only so many items, drawn at random."""
    method: Method | None = None
    """How options are got."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 1
    """Of everything that is drawn."""
    metric: Annotated[str, Field(max_length=40)] | None = None
    """The measure of which verdicts are given; without it `jsd` where the suite has it, else its first."""
    cross: bool = True
    """Ask each adapter about every culture of the loop, so that it can be seen whether it came nearer to its own."""
    model: Spec | None = None
    """The base as it is asked, where it is served elsewhere; without it `train.base`."""
    adapters: Spec | None = None
    """An adapter as it is asked, with `{folder}` or `{name}` in it, as `openai:{name}@http://localhost:8000/v1`;
    without it `MODEL+{folder}`."""

    @model_validator(mode="after")
    def names_an_adapter(self) -> EvaluatePart:
        if self.adapters is not None and not any(hole in self.adapters for hole in ADAPTER_HOLES):
            raise ValueError("`adapters` must hold {folder} or {name}, which stand for an adapter")
        return self


class LoopFile(Noun):
    """The keys of a loop file."""

    loop: Key
    """Its name: of the folder with its results, and of the run that it holds."""
    title: Text
    """What is to be found out."""
    cultures: Annotated[tuple[CultureName, ...], Field(min_length=1, max_length=50)]
    """Keys of shipped cultures, or culture files relative to this one. Each gets adapters of its own."""
    rows: RowsPart
    select: SelectPart | None = None
    export: ExportPart = ExportPart()
    train: TrainPart = TrainPart()
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, le=2**32 - 1)], ...], Field(min_length=1, max_length=50)] = (1, 2)
    """Of the trainings; each arm is trained once with each."""
    controls: tuple[Control, ...] = CONTROLS
    """What else is trained on as many rows. `other-culture`: rows of the other cultures; `seeds-alone`: the survey
    questions behind the rows, with answers drawn from the country's shares; `shuffled`: the same rows, with their
    answers dealt anew."""
    shapes: tuple[Shape, ...] = ()
    """Shapes of samples of which each is trained on alone, all at equal size."""
    shares: tuple[Share, ...] = ()
    """Parts of the rows that are trained on too, for a curve; a smaller one is inside a larger."""
    evaluate: EvaluatePart = EvaluatePart()

    @model_validator(mode="before")
    @classmethod
    def spell_out_all(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("cultures") == "all":
            return {**data, "cultures": ("all",)}
        return data


KINDS: dict[str, type[Noun]] = {"loop": LoopFile}


def shipped_loops() -> list[Path]:
    return [path for path in sorted(package_dir("scenarios").glob("*.yaml")) if is_loop(path)]


def is_loop(path: Path) -> bool:
    """Return whether a file is a loop: its first key is `loop`."""
    return begins_with(path, "loop")


def load_loop(path: Path) -> LoopFile:
    """Read a loop file.

    Raises:
        CatalogError: with all problems found, each with its line.
    """
    problems: list[Problem] = []
    try:
        file, read = load(path, LoopFile), {*LoopFile.model_fields}
    except CatalogError as error:
        problems = error.problems
        if (rest := what_is_right(path, problems)) is None:
            raise
        file, read = rest
    problems = problems + placed(path, [(loc, what) for loc, what in contradictions(path, file) if loc[0] in read])
    if problems:
        raise CatalogError(sorted(dict.fromkeys(problems), key=lambda p: (p.line or 0, p.key)))
    return file


STAND_INS = {"loop": "none", "title": "none", "cultures": ("all",), "rows": {"runs": ("none",)}}
"""In place of keys that a file must have, where they are wrong: what is said of the others is said at once."""


def what_is_right(path: Path, problems: Iterable[Problem]) -> tuple[LoopFile, set[str]] | None:
    """Return the part of a file that can be read, and its keys; None if nothing can."""
    wrong = {re.split(r"[.\[]", problem.key)[0] for problem in problems}
    right = {name: value for name, value in read_mapping(path).items() if name in {*LoopFile.model_fields} - wrong}
    try:
        return LoopFile.model_validate(STAND_INS | right), {*right}
    except ValidationError:
        return None


def contradictions(path: Path, file: LoopFile) -> Iterator[tuple[Loc, str]]:
    """Yield what does not go together, and files that are not there."""
    for name in ("seeds", "controls", "shapes", "shares", "cultures"):
        values = getattr(file, name)
        for index, value in enumerate(values):
            if value in values[:index]:
                yield (name, index), f"{clipped(value)} stands here twice"
    for index, name in enumerate(file.cultures):
        if is_path(name) and not exists(beside(path, name)):
            yield ("cultures", index), f"no such file: {clipped(name)}"
    if "other-culture" in file.controls and len(file.cultures) < 2 and file.cultures != ("all",):
        yield (
            ("controls",) if "controls" in file.model_fields_set else ("cultures",),
            "other-culture needs rows of a second culture; name one under `cultures`, or the other controls alone: "
            f"controls: [{', '.join(name for name in CONTROLS if name != 'other-culture')}]",
        )
    if file.train.method != "sft":
        if file.shapes:
            yield ("shapes",), f"shapes are of single samples, and {file.train.method} learns from pairs"
        if "seeds-alone" in file.controls:
            yield (
                ("controls",) if "controls" in file.model_fields_set else ("train", "method"),
                f"seeds-alone makes single samples, and {file.train.method} learns from pairs; name the other controls "
                "alone: controls: [other-culture, shuffled]",
            )
        if file.export.shape_mix:
            yield ("export", "shape_mix"), f"shapes are of single samples, and {file.train.method} learns from pairs"
    if file.rows.scenario and not exists(scenario_of(path, file.rows.scenario)):
        yield ("rows", "scenario"), f"no such scenario: {clipped(file.rows.scenario)}"
    if "last" in file.rows.runs:
        yield ("rows", "runs"), "`last` is another run after each step of a loop; name the run"
    try:
        find_suite(suite_of(path, file.evaluate.suite))
    except UsageError as error:
        yield ("evaluate", "suite"), str(error)
    if file.evaluate.scenario and file.evaluate.suite not in OF_SURVEYS:
        yield ("evaluate", "scenario"), f"goes with the suites {' and '.join(OF_SURVEYS)}"


def scenario_of(path: Path, name: str) -> Path:
    """Return the path of a scenario that a loop file names: beside it, or a shipped one."""
    return beside(path, name) if is_file_name(name) else find(name)


def suite_of(path: Path, name: str) -> str:
    """Return a suite as `find_suite` takes it: a path from here for a file beside the loop, else its name."""
    shipped = name in OF_SURVEYS or name in shipped_suites()
    return str(beside(path, name)) if is_file_name(name) and not shipped else name


def is_file_name(name: str) -> bool:
    return name.endswith((".yaml", ".yml")) or "/" in name
