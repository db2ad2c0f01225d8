"""The command with which a user talks with a persona: talk."""

from dataclasses import replace
from typing import Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import (
    STORE,
    UNLIMITED,
    Endpoints,
    Limits,
    Roles,
    StoreUrl,
    decodable,
    gather,
    store_option,
)

app = typer.Typer()


@app.command(
    epilog="""\b
Example: culturepark talk turkish-elif --about guest-unannounced
\b
In Turkish:
Example: culturepark talk turkish-elif --about guest-unannounced --language tr
"""
)
@gather
def talk(
    persona: Annotated[
        str | None,
        typer.Argument(
            help="Whom to talk with: a key (`culturepark personas`), its beginning, a name, or a persona file.",
            callback=decodable,
            autocompletion=completion.personas,
        ),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(
            metavar="SEED",
            help="A survey item (wvs7/Q33), a seed of a shipped scenario, or a question in quotes; else everyday life.",
            callback=decodable,
        ),
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            metavar="LANGUAGE",
            help="In which the persona speaks, as tr or Turkish; native: the persona's own. You may write in any.",
            callback=decodable,
        ),
    ] = "en",
    moderated: Annotated[bool, typer.Option("--moderated", help="A moderator opens, asks in between, closes.")] = False,
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="For all chat roles, as for `simulate` (embedded by default).")
    ] = None,
    roles: Roles = None,
    endpoints: Endpoints = None,
    store_url: StoreUrl = STORE,
    seed: Annotated[int | None, typer.Option(help="Draws the stance (1 by default).", min=0, max=2**62)] = None,
    limits: Limits = UNLIMITED,
    run_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Name the talk; if it exists, go on with it.", callback=decodable),
    ] = None,
) -> int:
    """Talk with a persona yourself; what came up is listed at the end."""
    import asyncio

    from culturepark.catalog.talks import culture_beside, find_persona, find_seed, speaking, talk_edition
    from culturepark.cli.consent import check_used, trust_in
    from culturepark.cli.execution import check_run_id
    from culturepark.cli.roles import models_for, named_models, warn_of_unknown_prices
    from culturepark.cli.talk_session import Session
    from culturepark.dialogue.casting import plan
    from culturepark.dialogue.protocol import protocol_of
    from culturepark.domain import DEFAULT_LANGUAGE, Status
    from culturepark.errors import UsageError
    from culturepark.languages import code_meant
    from culturepark.models import prices
    from culturepark.models.registry import check_specs
    from culturepark.models.spec import parse_roles
    from culturepark.run.plan import Settings, free_run_id, new_run, roles_until, settings_of, with_interpreter
    from culturepark.run.rating import known
    from culturepark.store.integrity import edition_of
    from culturepark.store.store import Store

    roles, language = roles or [], code_meant(language)
    prices.table()
    if persona is None:
        if run_id is None:
            raise UsageError("whom with? `culturepark personas` lists who there is")
        if about or moderated or language != DEFAULT_LANGUAGE:
            raise UsageError(
                "a talk goes on as it was begun: --run-id alone, without --about, --language and --moderated"
            )
        store = Store(store_url, must_exist=True)
        begun = store.run(run_id)
        run_id, edition = begun.id, edition_of(begun)
        if not protocol_of(edition.scenario.protocol).user_sits:
            raise UsageError(f"{run_id} is no talk; `culturepark resume {run_id}{store_option(store)}` goes on with it")
        models = models_for(begun, roles, model)
        trust = trust_in(named_models(roles, model).values(), endpoints or [])
        check_used(trust, models.values(), run_id)
        if begun.status != Status.DONE:
            check_specs(models, roles_until("samples", edition.scenario, models), trust)
        settings = replace(settings_of(begun), **limits.given)
        seed = begun.seed if seed is None else seed
    else:
        if endpoints:
            raise UsageError("--endpoint is for a talk that is taken up with --run-id alone; --model names a new one's")
        check_run_id(run_id)
        who, code = speaking(find_persona(persona), persona, language)
        culture = culture_beside(persona, who)
        edition = talk_edition(who, find_seed(about, code), moderated=moderated, language=code, culture=culture)
        models = with_interpreter(parse_roles(model, roles), edition)
        seed = 1 if seed is None else seed
        plan(edition, seed, known(edition))
        trust = trust_in(models.values(), [])
        settings = Settings(concurrency=4 if models["speaker"].remote else 1, **limits.given)
        # Errors in keys and files are reported before a store is made.
        check_specs(models, roles_until("samples", edition.scenario, models), trust)
        store = Store(store_url)
        run_id = run_id or free_run_id(store, edition)
    with store.database.hold(run_id):
        row = new_run(store, edition, seed=seed, models=models, settings=settings, run_id=run_id)
        warn_of_unknown_prices(store, row)
        with asyncio.Runner() as runner:
            return Session(store, row, runner, trust).hold()
