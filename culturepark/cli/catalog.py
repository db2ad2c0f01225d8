"""The commands for files and the installation: check, new, schema, scenarios, doctor."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli.options import STORE, Json, StoreUrl

app = typer.Typer()


@app.command(
    epilog="""\b
Files, as many as you like:
Example: culturepark check my-scenario.yaml my-personas/
\b
What can be done in a language without a large model, on the rows in its folder:
Example: culturepark check --language tr
"""
)
def check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE]...",
            help="Scenarios, personas, surveys, cultures, words of them, suites, scales, loops, or folders of them.",
        ),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LANGUAGE",
            help="Try a language, as tr or Turkish, on its development rows; `all` for each. Repeatable.",
        ),
    ] = None,
) -> int:
    """Validate files; errors name file, line, key and what is allowed. Notes say what a card lacks.

    Cultures among the files are known to the cards among them. A language is refused (exit code 2) if a model too small
    to be asked would be mined too badly in it.
    """
    import gc

    gc.set_threshold(50_000)  # all that is read is kept to the end; looking for cycles in it took a tenth of the time
    from culturepark.catalog import scenarios as catalog
    from culturepark.catalog.cultures import cultures_among
    from culturepark.catalog.files import begins_with, shown
    from culturepark.catalog.personas import cast_notes, load_persona
    from culturepark.cli.suites import names_nothing, scorer_notes
    from culturepark.errors import CatalogError, Problem, UsageError
    from culturepark.files import is_folder
    from culturepark.terminal.safe import write

    if not files and not language:
        raise UsageError("nothing to check: name files or folders, or --language CODE")
    files = files or []
    if language:
        from culturepark.cli.languages import check_languages

        check_languages(language)
    problems: list[Problem] = []
    cards = []
    inside = {path: sorted(path.glob("*.y*ml")) if is_folder(path) else [path] for path in files}
    known = cultures_among(file for path in files for file in inside[path])
    for path in files:
        if not inside[path]:
            problems.append(Problem(shown(path), None, "", "a folder without any YAML file"))
        for file in inside[path]:
            own: list[Problem] = []
            try:
                if file.suffix in (".yaml", ".yml") and begins_with(file, "loop"):
                    from culturepark.loop.plan import problems_of_base

                    own = problems_of_base(file)
                kind = catalog.check(file, known)
                if kind.startswith("loop"):
                    note = "whether its runs are in the store, and how long it takes, says"
                    write(f"{shown(file)}: {note} `culturepark loop {file} --dry-run`")
                if wrong := names_nothing(file):
                    raise CatalogError(wrong)
                write(f"{shown(file)}: {kind}, fine")
                if kind.startswith("suite"):
                    from culturepark.catalog.suites import load_suite

                    for note in scorer_notes(load_suite(file)):
                        write(f"{shown(file)}: {note}")
                if kind.startswith("persona"):
                    cards.append(load_persona(file, known))
            except CatalogError as error:
                own += error.problems
            except UsageError as error:
                own.append(Problem(shown(file), None, "", str(error)))
            problems += sorted(own, key=lambda problem: problem.line or 0)
    for note in cast_notes(cards):
        write(note)
    if problems:
        # Words are read with their card too.
        raise CatalogError(list(dict.fromkeys(problems)))
    return 0


class Kind(StrEnum):
    """A kind of file that `new` writes."""

    CULTURE = "culture"
    PERSONA = "persona"
    SURVEY = "survey"
    SCENARIO = "scenario"
    SUITE = "suite"
    LOOP = "loop"


class SchemaKind(StrEnum):
    """A kind of file that has a schema: also the words of a card and of questions in another language."""

    CULTURE = "culture"
    PERSONA = "persona"
    SURVEY = "survey"
    SCENARIO = "scenario"
    SUITE = "suite"
    SCALE = "scale"
    LOOP = "loop"
    WORDS = "words"
    WORDINGS = "wordings"


@app.command(epilog="Example: culturepark new culture japanese --out my-files")
def new(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="culture, persona, survey, scenario, suite or loop.")],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Key of the new file; a person's begins with the culture's.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the file.")] = Path(),
) -> int:
    """Write a file to begin with: sound as it stands, with a comment on every key. Nothing is overwritten."""
    from culturepark.catalog.files import shown
    from culturepark.catalog.new import write as write_new
    from culturepark.cli.options import decodable
    from culturepark.terminal.safe import tell, write

    path, steps = write_new(kind, decodable(name), out)
    write(shown(path))
    tell("fill in what says TODO; then:")
    for step in steps:
        tell(f"  {step}")
    return 0


@app.command(epilog="Example: culturepark schema persona > .culturepark/persona.json")
def schema(
    kind: Annotated[
        SchemaKind,
        typer.Argument(
            metavar="KIND",
            help="culture, persona, survey, scenario, suite, scale, loop; words of a card, wordings of questions.",
        ),
    ],
) -> int:
    """Print the JSON Schema of a kind of file, by which an editor checks and completes it."""
    from culturepark.catalog.schemas import schema_text
    from culturepark.terminal.safe import write

    write(schema_text(kind).rstrip())
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
