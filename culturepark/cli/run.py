"""The commands that hold dialogues and distil them: simulate, resume, distill, branch."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from culturepark.cli import completion
from culturepark.cli.options import (
    ALONE,
    STORE,
    UNLIMITED,
    Batch,
    Endpoints,
    Fleet,
    Json,
    Limits,
    Roles,
    RunId,
    StoreUrl,
    decodable,
    gather,
    store_option,
)
from culturepark.run import UNTIL, Until

if TYPE_CHECKING:
    from culturepark.domain import ModelRole

app = typer.Typer()


@app.command(
    epilog="""\b
Example: culturepark simulate quickstart --model openai:gpt-4o-mini
\b
Five rows in full and what the whole will cost, before it is paid for; `resume` goes on with the rest:
Example: culturepark simulate quickstart --model openai:gpt-4o-mini --preview 5
"""
)
@gather
def simulate(
    scenario: Annotated[
        str,
        typer.Argument(
            help="A scenario file, or the name of a shipped one.",
            autocompletion=completion.scenarios,
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="For all chat roles: embedded (default), gguf:PATH, hf:REPO/FILE, each with +ADAPTER or without, "
            "openai:NAME[@BASE_URL], scripted.",
        ),
    ] = None,
    roles: Roles = None,
    store_url: StoreUrl = STORE,
    seed: Annotated[int, typer.Option(help="Draws stances, people and samples.", min=0, max=2**62)] = 1,
    dialogues: Annotated[int | None, typer.Option(min=1, max=10_000, help="Per seed and culture.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=512, help="Requests in flight at once (4 local, 16 remote).")
    ] = None,
    limits: Limits = UNLIMITED,
    batch: Batch = None,
    until: Annotated[Until, typer.Option(help="Last stage to do.")] = "samples",
    run_id: Annotated[str | None, typer.Option(metavar="ID", help="Name the run; if it exists, go on with it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forecast calls, tokens and cost; ask nothing.")] = False,
    preview: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=50,
            metavar="ROWS",
            help="Hold as little as shows so many rows in full, at most as many dialogues; then stop.",
        ),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="With --preview: write the report page of what was held, too."),
    ] = None,
    fleet: Fleet = ALONE,
    as_json: Json = False,
) -> int:
    """Hold the dialogues of a scenario and distil them into samples."""
    from culturepark.catalog import scenarios
    from culturepark.cli.consent import trust_in
    from culturepark.cli.execution import carry_on, check_batches_now, check_run_id
    from culturepark.dialogue.casting import plan
    from culturepark.errors import Lacking, Unreachable, UsageError
    from culturepark.models import prices
    from culturepark.models.registry import check_here, check_specs
    from culturepark.models.spec import parse_roles
    from culturepark.run.batching import parse_batch, specs_in_batches
    from culturepark.run.plan import (
        Settings,
        check_interpreter,
        free_run_id,
        new_run,
        roles_until,
        unscripted,
        with_interpreter,
    )
    from culturepark.run.rating import known
    from culturepark.run.workers import check_server
    from culturepark.store.store import Store
    from culturepark.terminal.safe import safe, tell

    check_run_id(run_id)
    fleet.check()
    fleet.check_store(store_url)
    if fleet.engine != "local" and (preview or dry_run):
        raise UsageError("--preview and --dry-run are done here: leave out --engine")
    if preview and (dry_run or until != "samples"):
        raise UsageError("--preview shows finished rows: leave out --dry-run and --until")
    if page and not preview:
        raise UsageError("--page goes with --preview; `culturepark report RUN` writes the page of any run")
    if str(page) == "-":
        raise UsageError("--page: a file; stdout has the rows")
    edition = scenarios.load_edition(scenarios.find(scenario), dialogues)
    models = with_interpreter(parse_roles(model, roles or []), edition)
    batched = parse_batch("none" if batch is None else batch)
    if preview and batched:
        raise UsageError("--preview shows rows at once, and a batch may take a day: leave out one of the two")
    specs_in_batches(batched, models)
    prices.table()  # an error in the price list is reported now, and not at the first answer
    if dry_run:
        from culturepark.cli.forecast import show_forecast

        ends = "note: the run itself would end at once"
        try:
            check_interpreter(models, edition)
        except UsageError as error:  # a forecast is useful before models are set up
            tell(f"{ends}: {safe(error)}")
        try:
            check_here(models[role] for role in roles_until(until, edition.scenario, models))
        except (Lacking, Unreachable) as error:
            tell(f"{ends}: {safe(error)}")
        return show_forecast(edition, models, seed, store_url, as_json, batched)
    check_interpreter(models, edition)
    if foreign := unscripted(models, edition):
        tell(f"note: {foreign}")
    trust = trust_in(models.values(), [])
    check_specs(models, roles_until(until, edition.scenario, models), trust)
    check_batches_now(batched, models, trust)
    settings = Settings(
        concurrency=concurrency or (16 if models["speaker"].remote else 4),
        until=until,
        batch=batched,
        **(edition.scenario.limits.model_dump() | limits.given),
    )
    # Before there is a store: a scenario with nothing to talk about leaves nothing behind.
    plan(edition, seed, known(edition))
    store = Store(store_url)
    if fleet.engine != "local":
        check_server(store)
    run_id = run_id or free_run_id(store, edition)
    with store.database.hold(run_id):
        row = new_run(store, edition, seed=seed, models=models, settings=settings, run_id=run_id)
        if preview:
            from culturepark.cli.preview import show_preview

            return show_preview(store, row, preview, page, as_json, trust)
        if fleet.engine != "local":
            from culturepark.cli.cluster import carry_on_with

            return carry_on_with(fleet, store, row, as_json, alone=True)
        return carry_on(store, row, as_json, trust)


@app.command(
    epilog="""\b
Example: culturepark resume last
\b
A run from a colleague's store, whose model is on a server that you have not used before:
Example: culturepark resume last --store sqlite:///theirs.db --endpoint http://gpu7.example.org:8000/v1
"""
)
@gather
def resume(
    run_id: RunId,
    roles: Roles = None,
    endpoints: Endpoints = None,
    store_url: StoreUrl = STORE,
    limits: Limits = UNLIMITED,
    batch: Batch = None,
    until: Annotated[
        Until | None, typer.Option(help="Last stage to do; else the run's own, and of one that reached it, all.")
    ] = None,
    fleet: Fleet = ALONE,
    as_json: Json = False,
) -> int:
    """Finish a run that was stopped or killed; nothing that was answered is asked again."""
    from culturepark.cli.consent import check_used, trust_in
    from culturepark.cli.execution import carry_on, check_batches_now, check_ended, held, protocol_in
    from culturepark.cli.roles import models_for, named_models, threshold_for
    from culturepark.domain import Status
    from culturepark.errors import UsageError
    from culturepark.models import prices
    from culturepark.models.registry import check_specs
    from culturepark.run.batching import parse_batch
    from culturepark.run.plan import TALKING, models_column, models_of, roles_until, settings_of
    from culturepark.run.workers import check_server, check_shared
    from culturepark.store.integrity import edition_of
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell

    prices.table()
    fleet.check()
    trust = trust_in(named_models(roles or []).values(), endpoints or [])
    store = Store(store_url, must_exist=True)
    if fleet.engine != "local":
        check_server(store)
    newest = store.newest_run() if run_id == "last" else None  # one that was never answered can be resumed too
    with held(store, newest.id if newest else run_id) as row:
        protocol = protocol_in(row)
        if fleet.engine != "local":
            check_shared(store, row)
        if protocol.evaluates:
            from culturepark.cli.evaluation import resume_evaluation

            if roles or until or batch:
                raise UsageError(f"{row.id} {protocol.did}: it has no stages, and its answers are one model's")
            return resume_evaluation(store, row, limits, trust, as_json)
        if protocol.merges:
            from culturepark.cli.registry import resume_registry

            if roles or until or batch:
                raise UsageError(f"{row.id} {protocol.did}: it has no stages, and one model compares them")
            return resume_registry(store, row, limits, trust, as_json)
        if not protocol.holds_dialogues:
            from culturepark.cli.population import resume_people

            if roles or until or batch:
                raise UsageError(f"{row.id} made people: it has no stages, and its cards are one model's")
            return resume_people(store, row, limits, trust, as_json)
        check_ended(store, row)
        models = models_for(row, roles or [])
        settings = replace(settings_of(row), threshold=threshold_for(row, models), **limits.given)
        notes = []
        if row.status == Status.DONE:
            others = [unfinished.id for unfinished in store.unfinished()]
            if run_id == "last" and others:
                notes.append(f"{row.id} is the last run, and done; unfinished are {', '.join(others[:5])}")
            if settings.until != "samples":
                later = UNTIL[UNTIL.index(settings.until) + 1 : UNTIL.index(until or "samples") + 1]
                what = f"now the rest: {', '.join(later)}" if later else "nothing is left to do"
                notes.append(f"{row.id} went as far as it was asked to, until {settings.until}; {what}")
            settings = replace(settings, until="samples")
        if until:
            settings = replace(settings, until=until)
        if batch is not None:
            settings = replace(settings, batch=parse_batch(batch))
        for role in TALKING:
            if models.get(role) != models_of(row).get(role):
                raise UsageError(f"--role {role}: a run's talk is one model's; begin another run with another {role}")
        check_used(trust, models.values(), row.id)
        check_specs(models, roles_until(settings.until, edition_of(row).scenario, models), trust)
        check_batches_now(settings.batch, models, trust)
        for note in notes:
            tell(note)
        store.set_plan(row.id, vars(settings), models_column(models))
        if fleet.engine != "local":
            from culturepark.cli.cluster import carry_on_with

            return carry_on_with(fleet, store, store.run(row.id), as_json, alone=True)
        return carry_on(store, store.run(row.id), as_json, trust)


ASKED_AGAIN: "dict[str, tuple[ModelRole, ...]]" = {
    "extract": ("extractor", "verifier", "embedder"),
    "verify": ("extractor", "verifier", "embedder"),
    "dedup": ("embedder",),
}
"""First stage of `distill` -> roles that are asked from there on, except judges."""


@app.command(epilog="Example: culturepark distill last --from dedup --threshold 0.9")
@gather
def distill(
    run_id: RunId,
    stage: Annotated[
        Literal["extract", "verify", "dedup"], typer.Option("--from", help="The first stage to do again.")
    ],
    roles: Roles = None,
    endpoints: Endpoints = None,
    store_url: StoreUrl = STORE,
    limits: Limits = UNLIMITED,
    batch: Batch = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=1,
            metavar="COSINE",
            help="From which similarity on two statements may be the same; asks no model.",
        ),
    ] = None,
    as_json: Json = False,
) -> int:
    """Do the later stages again on stored dialogues; earlier verdicts are kept."""
    from culturepark.cli.consent import check_used, trust_in
    from culturepark.cli.execution import carry_on, check_batches_now, check_dialogues, check_ended, held
    from culturepark.cli.roles import models_for, named_models, role_names, threshold_for
    from culturepark.domain import JUDGES, Status
    from culturepark.errors import UsageError
    from culturepark.models import prices
    from culturepark.models.registry import check_specs
    from culturepark.run.batching import parse_batch
    from culturepark.run.plan import judges_asked, models_column, settings_of
    from culturepark.store.integrity import edition_of
    from culturepark.store.store import Store

    roles = roles or []
    prices.table()
    trust = trust_in(named_models(roles).values(), endpoints or [])
    store = Store(store_url, must_exist=True)
    with held(store, run_id) as row:
        check_dialogues(row)
        check_ended(store, row)
        models = models_for(row, roles)
        scenario = edition_of(row).scenario
        judges = judges_asked(scenario, models) if stage != "dedup" else ()
        again = tuple(dict.fromkeys((*ASKED_AGAIN[stage], *(("extractor",) if scenario.distill.paraphrases else ()))))
        again = tuple(role for role in again if role in models)  # a mine has but some of them
        asked = again + (JUDGES[:1] if scenario.distill.checks and stage != "dedup" else ())
        # The run would name a model that was never asked.
        named = (*asked, "verifier") if stage == "dedup" and not threshold else asked  # for the second look, if it may
        if stray := [role for role in role_names(roles) if role not in named]:
            raise UsageError(f"--role {stray[0]}: nobody is asked as that from {stage} on; only {', '.join(named)}")
        check_used(trust, models.values(), row.id)
        check_specs(models, again + judges, trust)
        unfinished = [d.number for d in store.dialogues(row.id) if d.status not in (Status.DONE, Status.STOPPED)]
        if unfinished:
            first = f"`culturepark resume {row.id}{store_option(store)}` first"
            raise UsageError(f"{row.id} has {len(unfinished)} unfinished dialogues; {first}")
        threshold = threshold or threshold_for(row, models)
        settings = replace(settings_of(row), until="samples", threshold=threshold, **limits.given)
        if batch is not None:
            settings = replace(settings, batch=parse_batch(batch))
        check_batches_now(settings.batch, models, trust)
        rounds = {"extract": stage == "extract", "verify": stage == "verify"}
        store.set_plan(row.id, vars(settings), models_column(models), **rounds)
        return carry_on(store, store.run(row.id), as_json, trust)


@app.command(
    epilog="""\b
Other words in place of the sixth turn; whoever speaks after it has heard them:
Example: culturepark branch RUN.d1.t6 --text "At home nobody would ask that."
\b
The sixth turn and all that follow once more, by another model:
Example: culturepark branch RUN.d1.t6 --model openai:gpt-4o-mini
"""
)
@gather
def branch(
    turn: Annotated[
        str,
        typer.Argument(
            metavar="TURN_ID",
            help="A turn, as RUN.d1.t6.",
            callback=decodable,
            autocompletion=completion.runs,
        ),
    ],
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What is said in its place; without it the turn is asked anew.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="For all chat roles, in place of the run's own models.")
    ] = None,
    roles: Roles = None,
    endpoints: Endpoints = None,
    store_url: StoreUrl = STORE,
    seed: Annotated[
        int | None, typer.Option(help="Draws the answers; any but the run's own if not given.", min=0, max=2**62)
    ] = None,
    limits: Limits = UNLIMITED,
    as_json: Json = False,
) -> int:
    """Go on from the middle of a dialogue: edit a turn or ask it anew, in a run of its own."""
    from culturepark.cli.consent import check_used, trust_in
    from culturepark.cli.execution import carry_on, held
    from culturepark.cli.roles import models_for, named_models, threshold_for
    from culturepark.models import prices
    from culturepark.models.registry import check_specs
    from culturepark.run import plan
    from culturepark.run.plan import roles_until
    from culturepark.store.integrity import edition_of
    from culturepark.store.store import Store
    from culturepark.terminal.safe import tell

    trust = trust_in(named_models(roles or [], model).values(), endpoints or [])
    prices.table()
    store = Store(store_url, must_exist=True)
    parent = store.turn(turn)[2]
    models = models_for(parent, roles or [], model)
    check_used(trust, models.values(), parent.id)
    check_specs(models, roles_until("dialogue", edition_of(parent).scenario, models), trust)
    threshold = threshold_for(parent, models)
    settings = replace(plan.settings_of(parent), until="dialogue", threshold=threshold, **limits.given)
    begun = plan.branch(store, turn, text, models=models, seed=seed, settings=settings)
    (dialogue,) = store.dialogues(begun.id)
    with held(store, begun.id) as row:
        code = carry_on(store, row, as_json, trust, {"dialogue": dialogue.id, "parent": dialogue.parent_id})
    option = store_option(store)
    tell(f"watch it, and beside its parent (v): culturepark replay {dialogue.id}{option}")
    tell(f"mine it: culturepark resume {begun.id}{option}")
    return code
