"""The commands for files and the installation: check, scenarios, doctor."""

import json
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli.options import STORE, Json, StoreUrl

app = typer.Typer()


@app.command(epilog="Example: culturepark check my-scenario.yaml my-personas/")
def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Scenarios, personas, surveys, or folders of them.")
    ],
) -> int:
    """Validate files; errors name file, line, key and what is allowed. Notes say what a card lacks."""
    from culturepark.catalog import scenarios as catalog
    from culturepark.catalog.files import shown
    from culturepark.catalog.personas import cast_notes, load_persona
    from culturepark.errors import CatalogError, Problem, UsageError
    from culturepark.files import is_folder
    from culturepark.terminal.safe import write

    problems: list[Problem] = []
    cards = []
    for path in files:
        inside = sorted(path.glob("*.y*ml")) if is_folder(path) else [path]
        if not inside:
            problems.append(Problem(shown(path), None, "", "a folder without any YAML file"))
        for file in inside:
            try:
                kind = catalog.check(file)
                write(f"{shown(file)}: {kind}, fine")
                if kind.startswith("persona"):
                    cards.append(load_persona(file))
            except CatalogError as error:
                problems += error.problems
            except UsageError as error:
                problems.append(Problem(shown(file), None, "", str(error)))
    for note in cast_notes(cards):
        write(note)
    if problems:
        raise CatalogError(problems)
    return 0


@app.command(epilog="Example: culturepark scenarios")
def scenarios(as_json: Json = False) -> int:
    """List the shipped scenarios."""
    from culturepark.catalog import scenarios as catalog
    from culturepark.cli.table import print_table
    from culturepark.terminal.safe import write

    shipped = [catalog.load_edition(path).scenario for path in catalog.shipped_files()]
    if as_json:
        write(json.dumps([s.model_dump(mode="json", exclude={"seeds"}) | {"seeds": len(s.seeds)} for s in shipped]))
        return 0
    print_table(
        ("scenario", "title", "setting", "cultures", "questions"),
        [(s.name, s.title, s.setting, len(s.cultures), len(s.seeds)) for s in shipped],
    )
    return 0


@app.command(epilog="Example: culturepark doctor --model embedded")
def doctor(
    model: Annotated[str | None, typer.Option(metavar="SPEC", help="Also ask this model something.")] = None,
    store_url: StoreUrl = STORE,
    as_json: Json = False,
) -> int:
    """Say what works here: packages, weights, key, store, terminal, model."""
    import asyncio
    import os

    from culturepark.cli.doctor import examine
    from culturepark.terminal.safe import out, plain, write

    findings = asyncio.run(examine(model, store_url, dict(os.environ)))
    if as_json:
        write(json.dumps([vars(finding) for finding in findings]))
    else:
        for finding in findings:
            out().print(plain(f"{finding.state:5} {finding.what}: {finding.detail}"), soft_wrap=True)
    worst = next((finding for finding in findings if finding.state == "bad"), None)
    return worst.exit_code if worst else 0
