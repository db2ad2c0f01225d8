"""The command that has answers rated, by models and by people: judge."""

from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, UNLIMITED, Json, Limits, StoreUrl, decodable, gather

app = typer.Typer()


@app.command(
    epilog="""\b
A panel of two families rates the answers of an evaluation on the scales that its suite names:
Example: culturepark judge last --role judge=openai:gpt-4o-mini --role judge=hf:Qwen/Qwen2.5-7B-Instruct-GGUF/qwen.gguf
\b
What it would cost; then a sheet for people, and what they said:
Example: culturepark judge e7f3a9 --scale empathy --model openai:gpt-4o-mini --dry-run
Example: culturepark judge e7f3a9 --scale empathy --sheet runs/empathy.html
Example: culturepark judge e7f3a9 --scale empathy --import empathy-anna.csv
\b
What is there so far, without asking anybody:
Example: culturepark judge e7f3a9
"""
)
@gather
def judge(
    target: Annotated[
        str,
        typer.Argument(
            metavar="SUITE|EVALUATION|RUN",
            help="Whose answers: an evaluation's; the kept samples of a run; the reference texts of a suite.",
            autocompletion=completion.runs,
        ),
    ],
    scales: Annotated[
        list[str] | None,
        typer.Option("--scale", metavar="NAME", help="A scale, or its file. Repeatable. [default: the suite's]"),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="SPEC", help="The model that judges.")] = None,
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--role", metavar="judge=SPEC", help="One judge of a panel of up to three. Repeatable, for further judges."
        ),
    ] = None,
    passes: Annotated[
        int,
        typer.Option(min=1, max=2, metavar="N", help="Times that a judge rates an answer, each in another order."),
    ] = 2,
    nulls: Annotated[
        int,
        typer.Option(
            "--null", min=0, max=10_000, metavar="N", help="Answers to other items that a judge rates on each scale."
        ),
    ] = 10,
    items: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only the answers to N items, drawn at random.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a blinded sheet for people: FILE.csv or FILE.html. No model is asked."
        ),
    ] = None,
    filled: Annotated[
        list[Path] | None, typer.Option("--import", metavar="FILE", help="Take in a filled-in sheet. Repeatable.")
    ] = None,
    rater: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who filled it in. [default: the column `rater`]")
    ] = None,
    store_url: StoreUrl = STORE,
    seed: Annotated[int, typer.Option(help="Of the order of a sheet, and of what is drawn.", min=0, max=2**62)] = 1,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=512, help="Ratings at once (4 local, 16 remote).")
    ] = None,
    limits: Limits = UNLIMITED,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forecast calls, tokens and cost; ask nothing.")] = False,
    as_json: Json = False,
) -> int:
    """Have answers rated on scales by a panel of models, and by people on a blinded sheet; show both in one table."""
    from culturepark.cli import panel
    from culturepark.cli.consent import trust_in
    from culturepark.errors import UsageError
    from culturepark.evaluate.judging import check_filters
    from culturepark.models import prices
    from culturepark.models.registry import check_specs
    from culturepark.terminal.safe import tell

    judges = panel.judges_of(model, roles or [])
    if sum(map(bool, (sheet, filled, judges))) > 1:
        raise UsageError("--sheet, --import and a judge (--model, --role) are three ways to go; take one at a time")
    if rater is not None and not filled:
        raise UsageError("--rater goes with --import")
    prices.table()
    found = panel.find(store_url, decodable(target))
    asked = panel.scales_of(found, scales or []) if judges or sheet or filled or scales else []
    if not (judges or sheet or filled):
        return panel.show(found, as_json, [])
    if filled:
        return panel.take_in(found, asked, filled, rater, as_json)
    if sheet:
        return panel.write_out(found, asked, sheet, items, seed, as_json, scales or [])
    ask = panel.Asked(judges, asked, passes, nulls, items, seed, scales or [])
    if dry_run:
        return panel.forecast_lines(found, ask, as_json)
    trust = trust_in(judges.values(), [])
    check_specs(judges, list(judges), trust)
    check_filters(judges, asked)
    for note in panel.notes(found, judges):
        tell(f"note: {note}")
    return panel.carry_on(found, ask, limits, concurrency, trust, as_json)
