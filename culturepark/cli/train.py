"""The command that trains a model on an export: train."""

import hashlib
import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, Json, StoreUrl, decodable

if TYPE_CHECKING:
    from culturepark.models.weights import Progress as Fetching
    from culturepark.train.adapter import Outcome, Settings, Watch
    from culturepark.train.examples import Examples

app = typer.Typer()
FOLDER = "runs/adapters"


@app.command(
    epilog="""\b
An adapter for one culture on the model that needs no network; then how near its people it came:
Example: culturepark train runs/mine --culture german --base embedded
Example: culturepark evaluate survey --culture german --model embedded+runs/adapters/mine-german-sft-1
\b
What it would do; then the same on a quarter of the rows:
Example: culturepark train runs/mine --dry-run
Example: culturepark train runs/mine --share 0.25 --out runs/adapters/quarter
\b
On pairs of answers, from a model of the hub, merged into one file (with a GPU it is used):
Example: culturepark train runs/pairs --method dpo --base gguf:models/qwen.gguf --merge
\b
A filter out of rated rows, or of the ratings of an evaluation:
Example: culturepark train rated.jsonl --method filter --flag hateful --out runs/filters/mine
\b
Experimental: adapters out of descriptions, trained on the rows of all cultures at once, with every control:
Example: culturepark train runs/facts --method hyper --descriptions mine.yaml --out runs/hyper
"""
)
def train(
    export: Annotated[
        Path,
        typer.Argument(
            metavar="EXPORT", help="The folder of an export, or one .jsonl file of it; for a filter, rated rows."
        ),
    ],
    base: Annotated[
        str,
        typer.Option(metavar="SPEC", help="What is trained from: embedded, gguf:PATH, a folder, ORGANISATION/NAME."),
    ] = "embedded",
    method: Annotated[
        Literal["sft", "dpo", "kto", "simpo", "filter", "hyper"],
        typer.Option(
            help="sft learns answers; dpo and simpo learn from pairs, kto from answers with a label; hyper learns to "
            "make adapters out of descriptions."
        ),
    ] = "sft",
    culture: Annotated[
        str | None,
        typer.Option(
            metavar="CULTURE",
            help="Only the rows of this one.",
            autocompletion=completion.cultures,
            callback=decodable,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="[default: runs/adapters/EXPORT-CULTURE-METHOD-SEED]"),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(min=0.01, max=1000, help="Times that each row is seen. [default: 3 for sft, else 2]"),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=1e-9, max=1, help="Learning rate. [default: 2e-4 for sft, else 1e-5]")
    ] = None,
    rank: Annotated[int, typer.Option(min=1, max=1024, help="Of the adapter; alpha is twice that.")] = 16,
    batch: Annotated[int, typer.Option(min=1, max=4096, help="Rows a step.")] = 16,
    max_length: Annotated[
        int, typer.Option(min=16, max=10**6, help="Tokens of a row; longer ones are left out.")
    ] = 1024,
    beta: Annotated[
        float | None, typer.Option(min=0, max=100, help="Of dpo, kto and simpo. [default: 0.1, of simpo 2]")
    ] = None,
    share: Annotated[
        float, typer.Option(min=0.0001, max=1, help="Part of the rows; a smaller one is inside a larger.")
    ] = 1.0,
    max_steps: Annotated[int | None, typer.Option(min=1, max=10**9, help="Stop after so many steps.")] = None,
    descriptions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Of hyper: who the communities are, YAML or rows. [default: the culture files]"
        ),
    ] = None,
    described_as: Annotated[
        list[str] | None,
        typer.Option(metavar="CULTURE=NAME", help="Of hyper: another name in --descriptions. Repeatable."),
    ] = None,
    last_layers: Annotated[
        int | None,
        typer.Option(min=1, max=1000, metavar="N", help="Of hyper: adapt only so many; faster."),
    ] = None,
    unseen: Annotated[
        bool, typer.Option("--unseen/--no-unseen", help="Of hyper: also without each community in turn.")
    ] = True,
    features: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Of filter: features to choose among, as e5+grams. Repeatable. [default: all]"
        ),
    ] = None,
    flag: Annotated[
        list[str] | None, typer.Option(metavar="LABEL", help="Of filter: a label that it has to find. Repeatable.")
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(metavar="SCALE", help="Of filter: a scale of the file's ratings, by name or file. Repeatable."),
    ] = None,
    bar: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SCALE=NUMBER", help="Of filter: people object below it. Repeatable. [default: the middle]"
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--license", metavar="ID", help="Of filter: what its card says of the rows.")
    ] = "",
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="`auto`: a GPU if there is one.")] = "auto",
    merge: Annotated[bool, typer.Option("--merge", help="Write base and adapter as one GGUF too.")] = False,
    seed: Annotated[int, typer.Option(help="Of the order of rows and the first weights.", min=0, max=2**32 - 1)] = 1,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; train nothing.")] = False,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Train an adapter on an export; the same command goes on with one that was stopped."""
    from culturepark.cli.options import store_option
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write
    from culturepark.train.adapter import RECIPES, settings_of
    from culturepark.train.base import base_of, require
    from culturepark.train.examples import read
    from culturepark.train.make import make

    folder = out or Path(FOLDER, "-".join(filter(None, (export.resolve().stem, culture, method, str(seed)))))
    if method == "filter":
        from culturepark.cli.filter_training import train_filter
        from culturepark.errors import UsageError

        if dry_run:
            raise UsageError("--dry-run does not go with --method filter: what it takes shows only as it goes")
        folder = out or Path("runs/filters", export.stem)
        return train_filter(
            str(export), folder, store_url=store_url, seed=seed, features=features or [], flag=flag or [],
            scales=scale or [], bars=bar or [], licence=licence, as_json=as_json,
        )  # fmt: skip
    if method == "hyper":
        from culturepark.cli.adapter import joint_settings, train_joint
        from culturepark.errors import UsageError

        others = {"--culture": culture, "--beta": beta, "--max-steps": max_steps, "--merge": merge or None}
        others["--share"] = share if share < 1 else None
        if given := next((name for name, value in others.items() if value is not None), None):
            raise UsageError(f"{given} does not go with --method hyper, which takes all rows of all cultures")
        joint = joint_settings(rank, batch, rate, epochs, max_length, last_layers, seed, device)
        names = [decodable(text) for text in described_as or []]
        return train_joint(export, base, joint, descriptions, names, unseen, folder, store_url, dry_run, as_json)
    recipe = RECIPES[method]
    settings = settings_of(
        method, epochs=epochs, rate=rate, rank=rank, batch=batch, max_length=max_length, beta=beta, share=share,
        max_steps=max_steps, seed=seed, device=device,
    )  # fmt: skip
    examples = read(export, recipe.shapes, culture)
    if dry_run:
        return forecast(base, examples, settings, folder, as_json)
    require()
    for note in examples.notes:
        tell(f"note: {note}")
    store = Store(store_url)
    with fetching() as progress:
        source = base_of(base, progress)
    with watched() as watch:
        artefact_id, outcome = make(store, source, examples, settings, folder, watch, merge=merge)
    if outcome.again:
        tell(f"{folder} holds this training, done: nothing was trained again")
    for note in outcome.notes:
        tell(f"note: {note}")
    if as_json:
        write(json.dumps({"artefact": artefact_id, "path": str(folder), **outcome.figures}))
        return 0
    write(f"{artefact_id}: {folder}")
    for line in told(outcome, examples):
        write(line)
    if source.gguf:
        for line in whether_nearer(source.given, folder, examples.cultures, artefact_id, store_option(store)):
            tell(line)
    return 0


def whether_nearer(base: str, folder: Path, cultures: Sequence[str], artefact_id: str, option: str) -> Iterator[str]:
    """Yield the commands that ask base and adapter the same questions, and set their answers beside each other."""
    of = [word for culture in cultures for word in ("--culture", culture)]
    asked = hashlib.sha256(json.dumps([base, *cultures]).encode()).hexdigest()[:8]
    before, after = f"base-{asked}", f"with-{artefact_id}"
    for number, (model, name) in enumerate(((base, before), (f"{base}+{folder}", after))):
        command = ["culturepark", "evaluate", "survey", *of, "--model", model, "--run-id", name]
        yield ("      " if number else "next: ") + shlex.join(command) + option
    yield f"      culturepark compare {before} {after}{option}"


def forecast(base: str, examples: "Examples", settings: "Settings", folder: Path, as_json: bool) -> int:
    """Print what a training would do; what would refuse it before its first step refuses here too."""
    from culturepark.terminal.safe import tell, write
    from culturepark.train.base import base_of
    from culturepark.train.forecast import forecast as forecast_of

    source = base_of(base, None)
    found = forecast_of(source, examples, settings, folder)
    if as_json:
        write(json.dumps({"files": [str(path) for path in examples.files]} | found.as_json()))
        return 0
    for note in examples.notes:
        tell(f"note: {note}")
    if found.rows_left_out is None:
        tell(f"note: {source.given} has to be fetched first; whether it can be trained, and which rows are too long "
             "for it, is known only then")  # fmt: skip
    write(f"base           {source.given}")
    write(f"rows           {found.rows:,} of {', '.join(path.name for path in examples.files)}")
    if found.rows_left_out:
        write(f"left out       {found.rows_left_out:,}, longer than --max-length {settings.max_length} tokens")
    write(f"held out       {found.rows_held_out:,}")
    write(f"steps          {found.steps:,} of {settings.batch} rows, {found.epochs:.3g} epochs")
    write(f"device         {'a GPU' if found.gpu else 'the CPU'}")
    state = " (holds this training, done)" if found.done else ""
    if found.begun_at:
        state = f" (holds this training, stopped; it goes on from step {found.begun_at:,})"
    write(f"out            {folder}{state}")
    return 0


def told(outcome: "Outcome", examples: "Examples") -> Iterator[str]:
    figures = outcome.figures
    rows = f"{figures['rows']} rows, {figures['steps']} steps, {figures['seconds']:.0f} s on {figures['device']}"
    yield f"trained        {rows}"
    if figures["first_loss"] is not None:
        yield f"loss           {figures['first_loss']:.3f} at first, {figures['last_loss']:.3f} at last"
    before, after = figures["held_out_loss_before"], figures["held_out_loss_after"]
    if after is not None:
        first = "unknown" if before is None else f"{before:.3f}"
        yield f"held-out loss  {first} before, {after:.3f} after"
    else:
        yield f"held-out loss  not measured: {examples.why_none_is_held_out or 'no held-out row is short enough'}"


# --- progress ----------------------------------------------------------------------------------------


@contextmanager
def fetching() -> "Iterator[Fetching]":
    from culturepark.cli.progress import watching

    with watching() as watcher:
        yield watcher.fetching


@contextmanager
def watched() -> "Iterator[Watch]":
    """Show step, loss and time left: a bar on a terminal, or now and then a line in a log."""
    from time import monotonic

    from rich.progress import BarColumn, Progress, TextColumn

    from culturepark.cli.progress import EVERY
    from culturepark.terminal.safe import err, plain
    from culturepark.train.adapter import Progress as Standing

    def words(at: Standing) -> str:
        if not at.steps:
            return "loading the base"
        loss = "" if at.loss is None else f", loss {at.loss:.3f}"
        left = "" if at.seconds_left is None else f", {duration(at.seconds_left)} left"
        return f"step {at.step}/{at.steps}{loss}{left}"

    console = err()
    if not console.is_terminal:
        last = 0.0

        def note(at: Standing) -> None:
            nonlocal last
            if monotonic() - last >= EVERY or at.step == at.steps:  # the first at once, while the base is loaded
                last = monotonic()
                console.print(plain(words(at)), soft_wrap=True)

        yield note
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None))
    with Progress(*columns, console=console, transient=True, expand=True) as bar:
        task = bar.add_task("loading the base", total=None)
        yield lambda at: bar.update(task, completed=at.step, total=at.steps, description=words(at))


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
