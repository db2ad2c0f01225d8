"""The commands that write files out of a store: export, report."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, Lang, RunId, StoreUrl, decodable, show_in
from culturepark.export.formats import BASES, FORMATS, LOGS

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
Three rows of one culture for each row of all others:
Example: culturepark export last --format trl --out runs/local --culture-mix german=3,others=1
\b
Pairs of answers that people rated at least a step and a half apart; the same of the answers of evaluations:
Example: culturepark export last --format preference --from ratings --margin 1.5 --out runs/rated
Example: culturepark export e7f3a9 e81b02 --format preference --from ratings --scale empathy --out runs/empathy
\b
Answers that reviewers accepted or rejected, for KTO; or by ratings, good from 4 of 5 steps on:
Example: culturepark export last --format kto --out runs/kto
Example: culturepark export last --format kto --from ratings --threshold 3.5 --out runs/kto
\b
Only if people judged a random sample of the rows, and at most 5% of them can be wrong:
Example: culturepark export last --format trl --out runs/sure --max-error 0.05
\b
What `culturepark select` has chosen:
Example: culturepark export sel-20261121-7f3a --format trl --out runs/chosen
\b
Rows with what is behind each of them, as columns of one object:
Example: culturepark export last --format trl --metadata --out runs/facts
\b
Rows of talks in other languages, each beside its English:
Example: culturepark export last --format trl --language both --out runs/two-tongues
\b
For people who judge the rows in Label Studio (or `argilla`); `import-reviews` takes what they said back:
Example: culturepark export last --format label-studio --out runs/tasks
\b
To the Hugging Face hub, as a private data set (token: `hf auth login`, or HF_TOKEN):
Example: culturepark export last --format trl --out runs/mine --license cc-by-4.0 --push my-team/everyday-talk
\b
Whole dialogues as multi-turn rows, also as Parquet, with a licence on the card:
Example: culturepark export last --format trl --dialogues --out runs/talks --parquet --license cc-by-4.0
\b
Whole dialogues as logs of Inspect, for `inspect view --log-dir runs/logs`:
Example: culturepark export last --format inspect --out runs/logs
"""
)
def export(
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN...",
            help="Ids or names of runs, or `last`; or one selection. With --from ratings evaluations too.",
            autocompletion=completion.runs,
        ),
    ],
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar=f"<{'|'.join([*FORMATS, LOGS])}>",
            help="What will read it.",
            autocompletion=lambda: [*FORMATS, LOGS],
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder for the files.")],
    culture: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this one, in a file of its own. Repeatable.",
            autocompletion=completion.cultures,
        ),
    ] = None,
    split: Annotated[float | None, typer.Option(help="Share of rows that train; whole seeds are held out.")] = None,
    shape_mix: Annotated[
        str | None,
        typer.Option(metavar="SHAPES", help="Only these shapes, as own,survey; or their shares, as own=3,survey=1."),
    ] = None,
    culture_mix: Annotated[
        str | None,
        typer.Option(metavar="SHARES", help="Cultures in these shares, as german=3,others=1; as many rows as can be."),
    ] = None,
    basis: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar=f"<{'|'.join(BASES)}>",
            help="What says which answer is better. [default: stance for pairs, reviews for kto]",
            autocompletion=lambda: list(BASES),
        ),
    ] = None,
    scale: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --from ratings: the scale that counts; `review` for reviews."),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            metavar="STEPS",
            help="With --from ratings: the least difference of two answers, or distance from the middle. [default: 1; "
            "kto: 0]",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="RATING", help="With kto: good above it, bad below. [default: each rater's own middle]"),
    ] = None,
    judges: Annotated[
        bool, typer.Option("--judges", help="With --from ratings: those of models too, where no person decides.")
    ] = False,
    grounded: Annotated[
        bool, typer.Option("--grounded", help="Only what is on a persona's card, or in a scene on it.")
    ] = False,
    max_error: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE", help="Refuse unless people judged a random sample, and at most this share can be wrong."
        ),
    ] = None,
    dialogues: Annotated[bool, typer.Option("--dialogues", help="Whole dialogues in place of single samples.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="The same rows as Parquet too (extra `parquet`).")] = False,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="A column more: culture, topic, persona, scores, model and other facts.")
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option("--license", metavar="ID", help="What the card says, as cc-by-4.0; else it says: none."),
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            metavar="<original|en|both>", help="Rows as they were said, in English, or each beside the other."
        ),
    ] = "original",
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
    from culturepark.cli.personas import known_cultures, one_of
    from culturepark.errors import UsageError
    from culturepark.export import hub
    from culturepark.export.inspect_logs import export_logs
    from culturepark.export.labels import Labels
    from culturepark.export.manifest import Wanted
    from culturepark.export.mixes import culture_mix_of, shape_mix_of
    from culturepark.export.writer import export as write_export
    from culturepark.glossary import counted
    from culturepark.store.evaluations import refuse_evaluation
    from culturepark.store.recorded import store_with
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    run_ids = [decodable(name) for name in run]
    known = known_cultures(store_with(store_url, *run_ids)) if culture or culture_mix is not None else []
    cultures = one_of("--culture", culture, known) if culture else ()
    if split is not None and not 0 < split < 1:
        raise UsageError("--split: the share that trains, between 0 and 1, as in --split 0.9")
    mix = shape_mix_of(shape_mix) if shape_mix is not None else ()
    of_cultures = {}
    if culture_mix is not None:
        of_cultures = culture_mix_of(culture_mix, lambda named: one_of("--culture-mix", named, known))
    labels = Labels(basis, scale, margin, threshold, judges)
    if push is None and (public or yes):
        raise UsageError(f"{'--public' if public else '--yes'} goes with --push ORG/NAME")
    if push is not None and not (yes or may_ask()):
        raise UsageError("--push asks before anything is sent, and nobody can answer here; --yes sends it unasked")
    command = shlex.join(["culturepark", *sys.argv[1:]])
    stored = Store(store_with(store_url, *run_ids), must_exist=True)
    if form == LOGS:
        for name in run_ids:
            refuse_evaluation(stored, name)
        others = (culture, split, mix, of_cultures, grounded, parquet, licence, metadata, no_system, push)
        if any(others) or labels != Labels() or max_error is not None or language != "original":
            raise UsageError(f"--format {LOGS} writes whole dialogues as they are, and takes no option but --out")
        logs = export_logs(stored, run_ids, out, command)
        tell(f"{counted(logs.rows, 'dialogue')} in {out}; look at them: inspect view --log-dir {shlex.quote(str(out))}")
        for path in logs.files:
            write(str(path))
        return 0
    cultures = tuple(dict.fromkeys(cultures))
    wanted = Wanted(
        form,
        cultures,
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
        language,
        of_cultures,
        labels,
    )
    sender = None if push is None else hub.sender(push, public)
    exported = write_export(stored, run_ids, out, wanted, command=command, tell=tell)
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
    lang: Lang = None,
    store_url: StoreUrl = STORE,
) -> int:
    """Write one page for a browser: a run's figures and dialogues, or an evaluation's figures and worst items."""
    from culturepark.cli.progress import counting
    from culturepark.files import exists
    from culturepark.report.evaluation import write as write_evaluation
    from culturepark.report.page import write as write_page
    from culturepark.store.evaluations import evaluation_named
    from culturepark.store.recorded import store_with
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell, write

    show_in(lang)
    store = Store(store_with(store_url, run_id), must_exist=True)
    new_folder = out.parent if out and not exists(out.parent) else None
    if evaluation := evaluation_named(store, run_id):
        place = write_evaluation(store, evaluation.id, out)
        if new_folder:
            tell(f"note: the folder {new_folder} was not there and has been made")
        if place:
            tell(f"{place}: {place.stat().st_size / 1e6:.1f} MB, for any browser; it loads nothing and sends nothing")
            write(str(place))
        return 0
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


@app.command(
    epilog="""\b
Browse a store, with these queries and what each table and column means:
Example: culturepark views --datasette > metadata.json && datasette runs/culturepark.db -m metadata.json
\b
The same as temporary views, in a file that need not be writable:
Example: culturepark views > views.sql && sqlite3 -readonly runs/culturepark.db -init views.sql
"""
)
def views(
    datasette: Annotated[
        bool, typer.Option("--datasette", help="Metadata for Datasette in place of SQL: queries, facets, columns.")
    ] = False,
    store_url: StoreUrl = STORE,
) -> int:
    """Print SQL views of a store: rows with what is behind them, funnel, cost, reviews, what was made up."""
    import json

    from culturepark.errors import UsageError
    from culturepark.store.database import parsed
    from culturepark.store.views import SQL, datasette_metadata
    from culturepark.terminal.safe import write

    if not datasette:
        write(SQL.read_text("utf-8").rstrip())
        return 0
    url = parsed(store_url)
    if url.get_backend_name() != "sqlite":
        raise UsageError("--datasette: Datasette opens stores in files of SQLite, and this one is PostgreSQL's")
    write(json.dumps(datasette_metadata(Path(url.database or "").stem), indent=1, ensure_ascii=False))
    return 0
