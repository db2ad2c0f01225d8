"""The command that looks through texts with a filter, and serves one: filter."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from culturepark.cli import completion
from culturepark.cli.options import Json, decodable

if TYPE_CHECKING:
    from culturepark.models.filter import Filter, Verdict
    from culturepark.train.filter_rows import Line

app = typer.Typer()
AT_ONCE = 256
"""Texts between two marks of progress."""


@app.command(
    name="filter",
    epilog="""\b
Which rows of an export would people object to?
Example: culturepark filter exports/mine --model filter:runs/filter
\b
The texts that are flagged, as readers of one culture would see them, to a program:
Example: culturepark filter rows.jsonl --model filter:runs/filter --culture german --json
\b
An endpoint on this machine, in the shape of OpenAI's /v1/moderations:
Example: culturepark filter --serve --port 8017 runs/filter
""",
)
def filter_texts(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE",
            help="JSON lines, an export's folder, a text file (each line a text), or - for stdin. With --serve, the "
            "filter.",
            callback=decodable,
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="filter:PATH", help="The filter, as `train --method filter` wrote it.", callback=decodable
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="The chance from which a text is flagged. [default: the filter's own]"),
    ] = None,
    culture: Annotated[
        str | None,
        typer.Option(
            metavar="CULTURE",
            help="Of readers, where a row does not say it.",
            callback=decodable,
            autocompletion=completion.cultures,
        ),
    ] = None,
    language: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="Of texts that do not say it. [default: guessed]", callback=decodable),
    ] = None,
    serve: Annotated[bool, typer.Option("--serve", help="Answer POST /v1/moderations until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="With --serve. [default: one that is free]")] = 0,
    as_json: Json = False,
) -> int:
    """Say of each text whether people would object to it, as far as a trained filter can tell."""
    from culturepark.errors import UsageError

    if serve:
        if model and path:
            raise UsageError("--serve takes the filter alone: as FILE, or with --model")
        filter_ = opened(model or path)
        check_culture(filter_, culture or "")
        return served(filter_, port, threshold, culture or "")
    if port:
        raise UsageError("--port goes with --serve")
    if not path:
        raise UsageError("FILE is missing: JSON lines, an export's folder, a text file, or - for stdin")
    filter_ = opened(model)
    check_culture(filter_, culture or "")
    lines, verdicts = judged(filter_, Path(path), threshold, culture or "", language or "")
    return shown(filter_, lines, verdicts, as_json)


def opened(named: str | None) -> "Filter":
    """Return the filter that is named, as `filter:PATH` or as the path alone, with its encoders read.

    Raises:
        UsageError: if none is named, or it is none.
    """
    from culturepark.cli.progress import watching
    from culturepark.errors import UsageError
    from culturepark.models.filter import load

    if not named:
        raise UsageError("--model filter:PATH is missing: the folder that `train --method filter` has written")
    filter_ = load(named.removeprefix("filter:"))
    with watching() as watcher:
        filter_.open(watcher.fetching)
    return filter_


def check_culture(filter_: "Filter", culture: str) -> None:
    """
    Raises:
        UsageError: if it is neither one that the filter has learnt, nor one of the program's.
    """
    from culturepark.domain import shipped_cultures
    from culturepark.errors import UsageError
    from culturepark.files import clipped
    from culturepark.train.examples import did_you_mean

    known = sorted({*filter_.settings.cultures, *shipped_cultures()})
    if culture and culture not in known:
        own = ", ".join(filter_.settings.cultures) or "none"
        raise UsageError(
            f"--culture {clipped(culture)}: no such culture; the filter has weights of its own for {own}"
            f"{did_you_mean(culture, known)}"
        )


def judged(
    filter_: "Filter", path: Path, threshold: float | None, culture: str, language: str
) -> "tuple[list[Line], list[Verdict]]":
    from culturepark.cli.progress import counting
    from culturepark.errors import UsageError
    from culturepark.models.filter import verdicts_now
    from culturepark.train.filter_rows import lines_in

    lines = list(lines_in(path, language=language, culture=culture))
    if not lines:
        raise UsageError(f"{path}: holds no text")
    verdicts: list[Verdict] = []
    with counting("texts") as progress:
        while part := lines[len(verdicts) : len(verdicts) + AT_ONCE]:
            verdicts += verdicts_now(filter_, [line.text for line in part], threshold=threshold)
            progress(len(verdicts), len(lines))
    return lines, verdicts


def shown(filter_: "Filter", lines: "list[Line]", verdicts: "list[Verdict]", as_json: bool) -> int:
    """Print a verdict on each text: those of JSON in the order of the texts, and so are all others."""
    import json

    from culturepark.cli.table import print_table
    from culturepark.terminal.safe import tell, write

    flagged = sum(verdict.flagged for verdict in verdicts)
    notes = [note for note in (unknown(filter_, lines), unlike(filter_, verdicts)) if note]
    for note in notes:
        tell(f"note: {note}")
    if as_json:
        rows = [row_json(line, verdict) for line, verdict in zip(lines, verdicts, strict=True)]
        about = {"filter": filter_.name, "digest": filter_.digest, "texts": len(rows), "flagged": flagged}
        write(json.dumps(about | {"notes": notes, "rows": rows}))
        return 0
    names = list(filter_.scales)
    print_table(
        ["id", "verdict", *names, "text"],
        [
            [line.id, "flagged" if v.flagged else "ok", *(f"{v.said[n].chance:.2f}" for n in names), line.text.text]
            for line, v in zip(lines, verdicts, strict=True)
        ],
        cut=True,
    )
    tell(f"{flagged} of {len(lines)} flagged; numbers are the chances that people would object")
    return 0


FEWEST_TO_TELL = 20
"""Texts from which on their share of flags says something."""
FAR_MORE = 2.0
"""Times the share of flags among the rows that it was trained on, from which on texts are likely unlike those."""


def unlike(filter_: "Filter", verdicts: "list[Verdict]") -> str:
    """Return a note where far more is flagged than among the rows that the filter learnt from; empty if not.

    That is what happens to texts unlike those: a filter has no word for not knowing.
    """
    for head in filter_.settings.heads:
        share = sum(verdict.said[head.name].flagged for verdict in verdicts) / len(verdicts)
        if len(verdicts) < FEWEST_TO_TELL or head.flagged is None:
            continue
        if share > min(max(FAR_MORE * head.flagged, head.flagged + 0.2), 0.95):
            return (
                f"{head.name}: {share:.0%} of these texts are flagged, and {head.flagged:.0%} of the rows that the "
                "filter was trained on; texts that are unlike those it does not know, and flags wrongly: read some, or "
                "train on rows like these"
            )
    return ""


def unknown(filter_: "Filter", lines: "list[Line]") -> str:
    """Return a note on languages and cultures that the filter has not learnt; empty without any."""
    from culturepark.files import clipped, some_of

    known = filter_.settings
    languages = sorted({line.text.language for line in lines} - {""} - {*known.languages}) if known.languages else []
    cultures = sorted({line.text.culture for line in lines} - {""} - {*known.cultures})
    parts = [f"{some_of([clipped(code) for code in languages], 5)} (languages)"] if languages else []
    parts += [f"{some_of([clipped(key) for key in cultures], 5)} (cultures)"] if cultures else []
    return f"the filter has no weights or thresholds of its own for {' and '.join(parts)}" if parts else ""


def row_json(line: "Line", verdict: "Verdict") -> dict[str, Any]:
    return {
        "id": line.id,
        "flagged": verdict.flagged,
        "language": verdict.language or None,
        "culture": line.text.culture or None,
        "weights_of": verdict.culture or None,
        "scales": {
            name: {
                "value": round(said.value, 4),
                "chance": round(said.chance, 4),
                "threshold": said.threshold,
                "flagged": said.flagged,
            }
            for name, said in verdict.said.items()
        },
    }


def served(filter_: "Filter", port: int, threshold: float | None, culture: str) -> int:
    from culturepark.terminal.safe import tell
    from culturepark.train.moderation import ModerationServer, name_of

    server = ModerationServer(filter_, port, threshold, culture)
    tell(f"{name_of(filter_)} at {server.url}v1/moderations; Ctrl-C ends it")
    server.serve()
    return 0
