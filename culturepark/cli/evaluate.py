"""The command that puts a suite to a model: evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from culturepark.catalog import REASONING, Marks, Method, Reasoning
from culturepark.cli import completion
from culturepark.cli.options import STORE, UNLIMITED, Json, Limits, StoreUrl, decodable, gather

app = typer.Typer()
Cultures = Annotated[
    list[str] | None,
    typer.Option(
        "--culture",
        metavar="CULTURE",
        help="Whose answers the model is held against: a key, or a culture file. Repeatable; `all` for all. "
        "[default: those that the items are about]",
        autocompletion=completion.cultures,
    ),
]
Framings = Annotated[
    list[str] | None,
    typer.Option(
        "--framing",
        metavar="FRAMING",
        help="In whose name the model answers: neutral, persona or observer. Repeatable. [default: the suite's]",
    ),
]
Languages = Annotated[
    list[str] | None,
    typer.Option("--language", metavar="CODE", help="Of the questions, as `de`, or `native`. Repeatable."),
]
Arms = Annotated[
    list[str] | None,
    typer.Option(
        "--arm",
        metavar="NAME[=FILE]",
        help="A file with a prompt that goes before all else; it may hold {{country}} and {{culture}}. A name alone is "
        "an arm of the suite, or `plain`, the one without a prompt. Repeatable.",
    ),
]


@app.command(
    epilog="""\b
How near is a model to what people in Germany answered, and is it nearer than a constant?
Example: culturepark evaluate survey --culture german --model openai:gpt-4o-mini
\b
What it will cost; then ten questions at random, in English and in each culture's own language:
Example: culturepark evaluate survey --culture all --language en --language native --items 10 --dry-run
\b
People of the catalogue answer in place of the model:
Example: culturepark evaluate vsm13 --culture turkish --respondents 30
"""
)
@gather
def evaluate(
    suite: Annotated[
        str,
        typer.Argument(
            metavar="SUITE",
            help="A suite's name (`culturepark suites`), its file, or a scenario with survey questions.",
            autocompletion=completion.suites,
        ),
    ],
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="The model that answers. [default: embedded]")
    ] = None,
    cultures: Cultures = None,
    framings: Framings = None,
    languages: Languages = None,
    reasoning: Annotated[
        Reasoning | None,
        typer.Option(help="Whether the model thinks aloud before it answers. [default: the suite's, mostly no]"),
    ] = None,
    arms: Arms = None,
    norms: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="A run of `mine norms`: one more arm, in which norms that do not rest on the question go before it.",
        ),
    ] = None,
    respondents: Annotated[
        int | None,
        typer.Option(
            min=0, max=1000, metavar="N", help="So many people of each culture answer; at least 30 make sense."
        ),
    ] = None,
    personas: Annotated[
        list[Path] | None, typer.Option(metavar="PATH", help="More cards for --respondents: files or folders.")
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="SCENARIO",
            help="For the suite `survey`: only the questions of this scenario or survey file.",
            autocompletion=completion.scenarios,
        ),
    ] = None,
    items: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only N items, drawn at random.")] = None,
    method: Annotated[Method | None, typer.Option(help="How options are got. [default: auto]")] = None,
    samples: Annotated[
        int | None, typer.Option(min=1, max=1000, metavar="N", help="Answers a question, where they are sampled.")
    ] = None,
    marks: Annotated[Marks | None, typer.Option(help="How an option is named. [default: letters]")] = None,
    decline: Annotated[
        bool | None, typer.Option("--decline/--no-decline", help="Offer not to answer as a last option.")
    ] = None,
    store_url: StoreUrl = STORE,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.", min=0, max=2**62)] = 1,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=512, help="Questions at once (4 local, 16 remote).")
    ] = None,
    limits: Limits = UNLIMITED,
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="Name the evaluation; if it exists, go on with it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forecast calls, tokens and cost; ask nothing.")] = False,
    as_json: Json = False,
) -> int:
    """Ask a model the items of a suite, and say how far its answers are from people's, beside knowing nothing."""
    from culturepark.catalog.suites import find_suite
    from culturepark.cli.consent import trust_in
    from culturepark.cli.evaluation import (
        arms_of,
        carry_on,
        forecast_lines,
        unasked,
        with_norms,
    )
    from culturepark.cli.execution import check_run_id
    from culturepark.domain import Status
    from culturepark.evaluate.asked import cultures_named, settings_for
    from culturepark.evaluate.evaluation import edition_for, new_evaluation
    from culturepark.evaluate.evaluation import respondents as people_of
    from culturepark.models import prices
    from culturepark.models.registry import check_specs
    from culturepark.models.spec import parse
    from culturepark.run.plan import Settings as RunSettings
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell

    check_run_id(run_id)
    found = find_suite(decodable(suite), scenario)
    keys, known = cultures_named(cultures or [])
    chosen = arms_of(arms or [])
    if norms:
        chosen = with_norms(chosen, norms, store_url, found)
    settings = settings_for(
        found,
        cultures=keys,
        items=items,
        conditions={
            "framings": framings,
            "languages": languages,
            "reasoning": None if reasoning is None else REASONING[reasoning],
            "arms": chosen,
            "respondents": respondents,
        },
        elicitation={"method": method, "samples": samples, "marks": marks, "decline": decline},
    )
    people = people_of(settings, personas or [], known)
    edition = edition_for(found, settings, people, known)
    if note := unasked(found, settings, edition, seed):  # one with nothing to ask ends here, and leaves nothing behind
        tell(f"note: {note}")
    spec = parse(model or "embedded")
    prices.table()
    if dry_run:
        return forecast_lines(found, settings, edition, spec, seed, as_json)
    trust = trust_in([spec], [])
    check_specs({"speaker": spec}, ["speaker"], trust)
    run_settings = RunSettings(concurrency=concurrency or (16 if spec.remote else 4), **limits.given)
    store = Store(store_url)
    row, known_already = new_evaluation(
        store, found, settings, edition, seed=seed, model=spec, run_settings=run_settings, evaluation_id=run_id
    )
    if known_already and row.status == Status.DONE:
        tell(f"{row.id} has asked this already: nothing is asked again; --seed draws anew")
    with store.database.hold(row.id):
        return carry_on(store, store.run(row.id), as_json, trust)
