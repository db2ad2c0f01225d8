"""The commands that mine without a talk: mine seeds, mine norms, mine registry."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from culturepark.cli import completion
from culturepark.cli.options import STORE, UNLIMITED, Json, Limits, Roles, StoreUrl, decodable, gather
from culturepark.run import Until

app = typer.Typer()
mine = typer.Typer(
    help="Mine data without a talk: survey questions in other words, norms of a topic; a registry of what was told.",
    epilog="""\b
Questions of a survey as they stand, with drawn answers; asks no model:
Example: culturepark mine seeds --survey wvs7 --how none --culture turkish
""",
)
app.add_typer(mine, name="mine")

Survey = Annotated[
    str | None, typer.Option("--survey", metavar="SURVEY", help="A survey's name, as `wvs7`, or a survey file.")
]
Scenario = Annotated[
    str | None,
    typer.Option(
        "--scenario",
        metavar="SCENARIO",
        help="The surveyed questions of this scenario, in place of a whole survey.",
        autocompletion=completion.scenarios,
    ),
]
Cultures = Annotated[
    list[str],
    typer.Option(
        "--culture",
        metavar="CULTURE",
        help="For whom: a key, or a culture file. Repeatable; `all` for all.",
        autocompletion=completion.cultures,
    ),
]
Model = Annotated[
    str | None, typer.Option(metavar="SPEC", help="For all chat roles; one of three billion parameters or more.")
]
Seed = Annotated[int, typer.Option(help="Draws answers and samples.", min=0, max=2**62)]
HoldOut = Annotated[
    list[str] | None,
    typer.Option(
        "--hold-out",
        metavar="KEY|SHARE",
        help="A question that no model is shown and no row is made of, as `Q33`, or a share of all, as `.2`. "
        "Repeatable.",
    ),
]
Concurrency = Annotated[
    int | None, typer.Option(min=1, max=512, help="Requests in flight at once (4 local, 16 remote).")
]
LastStage = Annotated[Until, typer.Option(help="Last stage to do.")]
RunName = Annotated[str | None, typer.Option(metavar="ID", help="Name the run; if it exists, go on with it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Forecast calls, tokens and cost; ask nothing.")]


@mine.command(
    epilog="""\b
Ten questions in other words for each question of a survey, verified, with drawn answers:
Example: culturepark mine seeds --survey wvs7 --culture turkish --model openai:gpt-4o-mini
\b
The questions as they stand, ten times with drawn answers; asks no model:
Example: culturepark mine seeds --survey wvs7 --how none --rows 10 --culture all
"""
)
@gather
def seeds(
    cultures: Cultures,
    survey: Survey = None,
    scenario: Scenario = None,
    how: Annotated[
        Literal["paraphrase", "none"], typer.Option(help="In other words, or as the questions stand.")
    ] = "paraphrase",
    rows: Annotated[
        int,
        typer.Option(
            "--templates", "--rows", min=1, max=100, metavar="N", help="Sentences for each question; with `none`, rows."
        ),
    ] = 5,
    synonyms: Annotated[
        bool, typer.Option("--synonyms/--no-synonyms", help="Put each sentence once more, with synonyms in it.")
    ] = True,
    hold_out: HoldOut = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Of the questions, as `de`.")] = "en",
    model: Model = None,
    roles: Roles = None,
    store_url: StoreUrl = STORE,
    seed: Seed = 1,
    concurrency: Concurrency = None,
    limits: Limits = UNLIMITED,
    until: LastStage = "samples",
    run_id: RunName = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Put survey questions in other words, each with an answer that is drawn from the country's shares."""
    from culturepark.cli.mined import Wanted, carry_out, keys_and_share
    from culturepark.domain import Mining
    from culturepark.mine.plan import questions_of, worded_in

    questions = worded_in(questions_of(survey, scenario), language)
    keys, share = keys_and_share(hold_out or [])
    held_out = questions.held_out(keys, share, seed)
    mining = Mining(what="seeds", how=how, rows=rows, synonyms=synonyms and how != "none", held_out=held_out)
    wanted = Wanted(cultures, language, model, roles or [], seed, concurrency, until, run_id, dry_run, as_json)
    return carry_out(questions, mining, wanted, limits, store_url)


@mine.command(
    epilog="""\b
Norms of each part of a survey, from its questions and their commonest answers:
Example: culturepark mine norms --survey wvs7 --how top --culture turkish --model openai:gpt-4o-mini
\b
A fifth of the questions is shown to no model, so that norms can be tried on them:
Example: culturepark mine norms --survey wvs7 --how sampled --hold-out .2 --culture all --model openai:gpt-4o-mini
"""
)
@gather
def norms(
    cultures: Cultures,
    survey: Survey = None,
    scenario: Scenario = None,
    how: Annotated[
        Literal["topic", "top", "sampled"],
        typer.Option(
            help="What the model sees: the topic's name, its questions with the commonest answers, or with drawn ones."
        ),
    ] = "topic",
    count: Annotated[
        int,
        typer.Option(
            "--count", min=1, max=40, metavar="N", help="Norms for each half of a topic; for the whole with `topic`."
        ),
    ] = 8,
    topics: Annotated[
        list[str] | None, typer.Option("--topic", metavar="NAME", help="Only this part of the survey. Repeatable.")
    ] = None,
    hold_out: HoldOut = None,
    answers: Annotated[
        int, typer.Option("--answers", min=1, max=50, metavar="N", help="Answers to each question, with `sampled`.")
    ] = 5,
    reasons: Annotated[
        int,
        typer.Option(
            "--reasons", min=0, max=20, metavar="N", help="Reasonings from norms to drawn answers, for each question."
        ),
    ] = 2,
    model: Model = None,
    roles: Roles = None,
    store_url: StoreUrl = STORE,
    seed: Seed = 1,
    concurrency: Concurrency = None,
    limits: Limits = UNLIMITED,
    until: LastStage = "samples",
    run_id: RunName = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> int:
    """Ask a model for norms of the topics of a survey, and for reasonings from them to the survey's answers."""
    from culturepark.cli.mined import Wanted, carry_out, keys_and_share
    from culturepark.domain import Mining
    from culturepark.mine.plan import halved, questions_of, topics_named

    questions = questions_of(survey, scenario)
    keys, share = keys_and_share(hold_out or [])
    held_out = questions.held_out(keys, share, seed)
    wanted_topics = topics_named(questions.topics(), topics or [])
    if how != "topic":
        wanted_topics = halved(wanted_topics, held_out)
    mining = Mining(
        what="norms",
        how=how,
        rows=count,
        topics=wanted_topics,
        held_out=held_out,
        answers=answers,
        reasons=reasons,
    )
    wanted = Wanted(cultures, "en", model, roles or [], seed, concurrency, until, run_id, dry_run, as_json)
    return carry_out(questions, mining, wanted, limits, store_url)


@mine.command(
    epilog="""\b
Norms and customs of all runs of the store, compared by a model, and written as a data set:
Example: culturepark mine registry --model openai:gpt-4o-mini --out runs/registry
\b
How many pairs there are to compare in two runs, and what that would cost:
Example: culturepark mine registry RUN1 RUN2 --culture korean --model openai:gpt-4o-mini --dry-run
\b
Only what is said in the same words; asks no model:
Example: culturepark mine registry --no-model
"""
)
@gather
def registry(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN...]",
            help="Ids or names of runs, `last`, or `demo`. [default: all runs with talks or mined norms]",
            autocompletion=completion.runs,
        ),
    ] = None,
    cultures: Annotated[
        list[str] | None,
        typer.Option(
            "--culture",
            metavar="CULTURE",
            help="Only norms and customs of this culture. Repeatable.",
            autocompletion=completion.cultures,
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Compares the pairs; one of three billion parameters or more.")
    ] = None,
    roles: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE=SPEC", help="A model for one role: judge or embedder. Repeatable."),
    ] = None,
    no_model: Annotated[
        bool, typer.Option("--no-model", help="Ask nobody, and merge only what is said in the same words.")
    ] = False,
    personal: Annotated[
        bool, typer.Option("--personal", help="Take practices too that somebody tells of nobody else.")
    ] = False,
    nearest: Annotated[
        int, typer.Option("--nearest", min=1, max=15, metavar="N", help="Compare each with N of its nearest at most.")
    ] = 5,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write entries, index, card and manifest.")] = None,
    licence: Annotated[
        str | None, typer.Option("--license", metavar="ID", help="What the card says, as cc-by-4.0; else it says none.")
    ] = None,
    store_url: StoreUrl = STORE,
    concurrency: Annotated[int | None, typer.Option(min=1, max=512, help="Calls at once (4 local, 16 remote).")] = None,
    limits: Limits = UNLIMITED,
    run_id: RunName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count the pairs, and forecast calls, tokens and cost; ask nothing.")
    ] = False,
    as_json: Json = False,
) -> int:
    """Merge norms and customs of runs into one registry: who tells, confirms, varies and denies each."""
    import shlex
    import sys

    from culturepark.cli.registry import Asked, make_registry
    from culturepark.errors import UsageError
    from culturepark.export.licences import is_name

    if licence is not None and not is_name(licence):
        raise UsageError("--license: a short name, as cc-by-4.0")
    names, keys = [decodable(name) for name in runs or []], [decodable(key) for key in cultures or []]
    command = shlex.join(["culturepark", *sys.argv[1:]])
    asked = Asked(
        names, keys, model, roles or [], no_model, personal, nearest, out, licence, run_id, concurrency, dry_run,
        as_json, command,
    )  # fmt: skip
    return make_registry(asked, limits, store_url)
