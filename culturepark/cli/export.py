"""The commands that write files out of a store: export, report."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli.options import STORE, RunId, StoreUrl, decodable
from culturepark.export.formats import FORMATS

app = typer.Typer()


@app.command(
    epilog="""\b
A tenth of the rows held out, by whole questions (SFTTrainer, axolotl, LLaMA-Factory):
Example: culturepark export last --format trl --out runs/mine --split 0.9
\b
Two cultures, each in files of its own, of several runs:
Example: culturepark export RUN1 RUN2 --format sharegpt --out runs/two --culture turkish --culture german
\b
Pairs of answers for DPO:
Example: culturepark export last --format preference --out runs/pairs
\b
Three answers to own questions for each survey answer, and nothing that a model made up:
Example: culturepark export last --format trl --out runs/mix --shape-mix own=3,survey=1 --grounded
\b
To the Hugging Face hub, as a private data set (token: `hf auth login`, or HF_TOKEN):
Example: culturepark export last --format trl --out runs/mine --license cc-by-4.0 --push my-team/everyday-talk
\b
Whole dialogues as multi-turn rows, also as Parquet, with a licence on the card:
Example: culturepark export last --format trl --dialogues --out runs/talks --parquet --license cc-by-4.0
"""
)
def export(
    run: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or `last`.")],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar=f"<{'|'.join(FORMATS)}>",
            help="What will read it.",
            autocompletion=lambda: list(FORMATS),
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder for the files.")],
    culture: Annotated[list[str] | None, typer.Option(help="Only this one, in a file of its own. Repeatable.")] = None,
    split: Annotated[float | None, typer.Option(help="Share of rows that train; whole seeds are held out.")] = None,
    shape_mix: Annotated[
        str | None,
        typer.Option(metavar="SHAPES", help="Only these shapes, as own,survey; or their shares, as own=3,survey=1."),
    ] = None,
    grounded: Annotated[
        bool, typer.Option("--grounded", help="Only what is on a persona's card, or in a scene on it.")
    ] = False,
    dialogues: Annotated[bool, typer.Option("--dialogues", help="Whole dialogues in place of single samples.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="The same rows as Parquet too (extra `parquet`).")] = False,
    licence: Annotated[
        str | None,
        typer.Option("--license", metavar="ID", help="What the card says, as cc-by-4.0; else it says: none."),
    ] = None,
    no_system: Annotated[
        bool, typer.Option("--no-system", help="No system messages: their words stand before the first question.")
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(metavar="ORG/NAME", help="Send it to the Hugging Face hub too, private (extra `hub`)."),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="With --push: for everybody to read.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --push: send it without asking.")] = False,
    store_url: StoreUrl = STORE,
) -> int:
    """Write the kept samples, or whole dialogues, as training files with an index, a card and a manifest."""
    from culturepark.cli.consent import ask, may_ask
    from culturepark.domain import CULTURES, MAIN_CULTURE
    from culturepark.errors import UsageError
    from culturepark.export import hub
    from culturepark.export.manifest import Wanted
    from culturepark.export.shape_mix import shape_mix_of
    from culturepark.export.writer import export as write_export
    from culturepark.glossary import counted
    from culturepark.store.recorded import store_with
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    run_ids = [decodable(name) for name in run]
    allowed = [*CULTURES, MAIN_CULTURE]
    if unknown := [name for name in culture or [] if name not in allowed]:
        raise UsageError(f"--culture {unknown[0][:60]!r}: must be one of {', '.join(allowed)}")
    if split is not None and not 0 < split < 1:
        raise UsageError("--split: the share that trains, between 0 and 1, as in --split 0.9")
    mix = shape_mix_of(shape_mix) if shape_mix is not None else ()
    if push is None and (public or yes):
        raise UsageError(f"{'--public' if public else '--yes'} goes with --push ORG/NAME")
    if push is not None and not (yes or may_ask()):
        raise UsageError("--push asks before anything is sent, and nobody can answer here; --yes sends it unasked")
    sender = None if push is None else hub.sender(push, public)
    store = Store(store_with(store_url, *run_ids), must_exist=True)
    cultures = tuple(dict.fromkeys(culture or []))
    wanted = Wanted(form, cultures, split, dialogues, parquet, licence, mix, grounded, no_system=no_system, push=push)
    command = shlex.join(["culturepark", *sys.argv[1:]])
    exported = write_export(store, run_ids, out, wanted, command=command, tell=tell)
    for note in exported.notes:
        tell(f"note: {note}")
    first = shlex.quote(f"{exported.files[0]}:1")
    held = f"{counted(exported.rows, 'row')}, {counted(exported.answers, 'distinct answer')}"
    tell(f"{held} in {out}; `culturepark trace {first}` shows where a row comes from")
    for path in exported.files:
        write(str(path))
    if sender:
        for note in hub.before_it_is_sent(exported.manifest, public):
            tell(f"note: {note}")
        tell(f"sent to {sender.send(out, exported.manifest, (lambda _: True) if yes else ask)}")
    return 0


@app.command(epilog="Example: culturepark report last -o talks.html")
def report(
    run_id: RunId,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to; `-` is stdout. [default: RUN.html]"),
    ] = None,
    store_url: StoreUrl = STORE,
) -> int:
    """Write one page for a browser: the figures of a run, and every dialogue with what is behind each sentence."""
    from culturepark.cli.progress import counting
    from culturepark.files import exists
    from culturepark.report.page import write as write_page
    from culturepark.store.recorded import store_with
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    store = Store(store_with(store_url, run_id), must_exist=True)
    new_folder = out.parent if out and not exists(out.parent) else None
    with counting("dialogues") as progress:
        written = write_page(store, run_id, out, progress)
    if written.typed:
        turns = f"{written.typed} turns of it are" if written.typed > 1 else "1 turn of it is"
        tell(f"note: {turns} what a real person typed, word for word; look through the page before you pass it on")
    if new_folder:
        tell(f"note: the folder {new_folder} was not there and has been made")
    if place := written.place:
        tell(f"{place}: {place.stat().st_size / 1e6:.1f} MB, for any browser; it loads nothing and sends nothing")
        write(str(place))
    return 0
