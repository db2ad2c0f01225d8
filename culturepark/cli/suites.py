"""The commands of suites: what a model can be asked, and how other people's files become suites and ours theirs."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from culturepark.cli import completion
from culturepark.cli.options import Json, decodable

if TYPE_CHECKING:
    from culturepark.catalog.imports import ImportResult
    from culturepark.catalog.suites import Conditions, Suite
    from culturepark.errors import Problem

app = typer.Typer()
suites = typer.Typer(invoke_without_command=True)
app.add_typer(suites, name="suites")
SHOWN = 3
"""Items that `suites show` prints."""


class Tool(StrEnum):
    """A tool for which a suite is written."""

    LM_EVAL = "lm-eval"
    INSPECT = "inspect"


Scenario = Annotated[
    str | None,
    typer.Option(metavar="SCENARIO", help="Whose surveyed questions the suite `survey` puts.", callback=decodable),
]
Named = Annotated[
    str,
    typer.Argument(
        metavar="NAME", help="A shipped suite, a suite file, or a scenario.", autocompletion=completion.suites
    ),
]


@suites.callback(
    epilog="""\b
Every suite that is shipped:
Example: culturepark suites
\b
What one of them asks, and what it takes as near:
Example: culturepark suites show survey
\b
Somebody else's file:
Example: culturepark suites import fork.csv --map fork --out my-suites
"""
)
def listed(context: typer.Context, as_json: Json = False) -> int:
    """List the suites; `suites show`, `suites import` and `suites export` do more."""
    if context.invoked_subcommand:
        return 0
    from culturepark.catalog.suites import OF_SURVEYS, find_suite, shipped_suites
    from culturepark.cli.table import print_table
    from culturepark.terminal.safe import write

    found = [find_suite(name) for name in (*OF_SURVEYS, *shipped_suites())]
    if as_json:
        write(json.dumps([summary(suite) for suite in found]))
        return 0
    head = ("suite", "title", "items", "groups", "languages", "scorers", "licence")
    rows = []
    for suite in found:
        said = summary(suite)
        listed_groups, listed_languages = said["groups"], said["languages"]
        assert isinstance(listed_groups, list)
        assert isinstance(listed_languages, list)
        rows.append(
            (suite.name, suite.title, len(suite.items), short(listed_groups), short(listed_languages),
             " ".join(suite.scorers), suite.card.licence)
        )  # fmt: skip
    print_table(head, rows, cut=True)
    return 0


@suites.command(epilog="Example: culturepark suites show survey --scenario quickstart")
def show(name: Named, scenario: Scenario = None, as_json: Json = False) -> int:
    """Show a suite's card and its first items."""
    from culturepark.catalog.suite_checks import suite_notes
    from culturepark.catalog.suites import find_suite
    from culturepark.terminal.safe import write

    suite = find_suite(decodable(name), scenario)
    if as_json:
        items = [item.model_dump(mode="json") for item in suite.items[:SHOWN]]
        definition = suite.model_dump(mode="json", exclude={"items"})
        write(json.dumps(summary(suite) | definition | {"digest": suite.digest, "first_items": items}))
        return 0
    write(f"{suite.name}: {suite.title}")
    if suite.note:
        write(suite.note)
    for field, text in suite.card.model_dump().items():
        write(f"  {field.replace('_', ' ')}: {text}")
    write(f"  scorers: {', '.join(suite.scorers)}")
    for line in condition_lines(suite.conditions):
        write(f"  {line}")
    for line in scale_lines(suite.scales):
        write(f"  {line}")
    for note in (*suite_notes(suite), *scorer_notes(suite)):
        write(f"  {note}")
    for item in suite.items[:SHOWN]:
        write("")
        write(f"{item.key}{f' ({item.group})' if item.group else ''}: {item.question}")
        for option in item.options:
            write(f"  {option.code}: {option.label}")
        if target := item.target_kind:
            write(f"  {target}: {target_text(getattr(item, target))}")
    return 0


@suites.command(
    "import",
    epilog="""\b
A data set whose map is shipped:
Example: culturepark suites import fork.csv --map fork --out my-suites
\b
One's own file: `=` names a column, `:` a value for all rows:
Example: culturepark suites import quiz.csv --map "question=Question,options=A|B|C|D,answer=Key,language:en"
--name quiz --title "A quiz" --scorer choice --by Ana --written-for pupils --written-in English
--correct "the key" --not-asked "everybody else" --licence CC0 --source quiz.csv
\b
Sentences with a gap, and what fills it:
Example: culturepark suites import prompts.jsonl --map camel --with entities.jsonl --map pairs:5
\b
Only some rows of it, 100 of them drawn:
Example: culturepark suites import cases.csv --map hatecheck --where direction=general --limit 100 --seed 7
\b
Names of shipped maps, and what every key of a map means: docs/reference/imports.md
""",
)
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Rows: CSV, TSV, JSON lines, JSON or Parquet.")
    ],
    maps: Annotated[
        list[str] | None,
        typer.Option(
            "--map", metavar="MAP", help="A shipped map, a YAML file, or key=column,key:value. The last counts most."
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUE", help="Only such rows; != for all others. Repeatable: all must hold."),
    ] = None,
    with_file: Annotated[
        Path | None, typer.Option("--with", metavar="FILE", help="Fillers of masks, or rows that belong to those.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Of the suite and its files.", callback=decodable)
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the suite.")] = Path(),
    limit: Annotated[int | None, typer.Option(min=1, max=10**9, metavar="N", help="At most so many items.")] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**62, help="Draws items and fillers.")] = 0,
    title: Annotated[str | None, typer.Option(help="What it measures, in a line.", callback=decodable)] = None,
    scorer: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="How answers are scored, as choice. Repeatable.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Card: who wrote the items.", callback=decodable)] = None,
    written_for: Annotated[
        str | None, typer.Option(help="Card: for whom they were written, and what for.", callback=decodable)
    ] = None,
    written_in: Annotated[
        str | None, typer.Option(help="Card: the language in which they were written first.", callback=decodable)
    ] = None,
    correct: Annotated[
        str | None, typer.Option(help="Card: what counts as right or near, and who says so.", callback=decodable)
    ] = None,
    not_asked: Annotated[
        str | None, typer.Option(help="Card: who was not asked, and what is left out.", callback=decodable)
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Card: the licence of the items.", callback=decodable)] = None,
    source: Annotated[str | None, typer.Option(help="Card: where the items come from.", callback=decodable)] = None,
    as_json: Json = False,
) -> int:
    """Make a suite of somebody else's file. Rows that cannot be used are counted and named."""
    from culturepark.catalog.imports import import_suite, map_of
    from culturepark.catalog.suite_checks import no_such
    from culturepark.errors import UsageError
    from culturepark.evaluate.scorers import SCORERS
    from culturepark.terminal.safe import write

    for named in map(decodable, scorer or ()):
        if named not in SCORERS:
            raise UsageError(f"--scorer: {no_such('scorer', named, SCORERS.names())}")
    how, over = map_of([decodable(text) for text in maps or ()], [decodable(text) for text in where or ()])
    card = {
        "by": by, "written_for": written_for, "language": written_in, "correct": correct, "not_asked": not_asked,
        "licence": licence, "source": source,
    }  # fmt: skip
    result = import_suite(
        files,
        how,
        out=out,
        over=over,
        name=name,
        title=title,
        card={field: text for field, text in card.items() if text},
        scorers=[decodable(text) for text in scorer or ()],
        with_file=with_file,
        limit=limit,
        seed=seed,
    )
    if as_json:
        write(json.dumps(result.as_json()))
    else:
        show_import(result)
    return 0


@suites.command(
    epilog="""\b
Tasks for lm-evaluation-harness:
Example: culturepark suites export survey --to lm-eval --out tasks
lm_eval --include_path tasks --tasks survey --model hf --model_args pretrained=MODEL
\b
For Inspect:
Example: culturepark suites export survey --to inspect --out tasks
inspect eval tasks/survey.py --model MODEL
"""
)
def export(
    name: Named,
    to: Annotated[Tool, typer.Option(help="The tool: lm-eval or inspect.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the tasks.")],
    scenario: Scenario = None,
    as_json: Json = False,
) -> int:
    """Write a suite as tasks of another tool, one question for each group of people, with the card."""
    from culturepark.catalog.files import shown
    from culturepark.catalog.suites import find_suite
    from culturepark.export.suites import export_suite
    from culturepark.terminal.safe import tell, write

    done = export_suite(find_suite(decodable(name), scenario), to.value, out)
    if as_json:
        files = [str(path) for path in done.paths]
        write(json.dumps({"files": files, "questions": done.questions, "left_out": done.left_out}))
        return 0
    for path in done.paths:
        write(shown(path))
    if done.left_out:
        tell(f"left out {done.left_out:,}: items with options and no target")
    tell(f"{done.questions:,} questions, asked in the items' own languages and with the tool's own scoring")
    return 0


def summary(suite: "Suite") -> dict[str, object]:
    from culturepark.catalog.suite_checks import groups_of

    languages = {item.language for item in suite.items} | {code for item in suite.items for code in item.words}
    return {
        "suite": suite.name,
        "title": suite.title,
        "items": len(suite.items),
        "groups": sorted(groups_of(suite.items)),
        "languages": sorted(languages),
        "scorers": list(suite.scorers),
        "licence": suite.card.licence,
    }


def condition_lines(conditions: "Conditions") -> list[str]:
    """Return under which circumstances the items are asked, with the prompt of each arm."""
    people = conditions.respondents
    asked = f"{people:,} people of the catalogue in each culture" if people else "the model itself"
    arms = [f"arm {arm.name}: {' '.join(arm.prompt.split()) if arm.prompt else 'no prompt'}" for arm in conditions.arms]
    framings, languages = ", ".join(conditions.framings), ", ".join(conditions.languages)
    return [f"framings: {framings}; languages: {languages}; asked: {asked}", *arms]


def scale_lines(names: Sequence[str]) -> list[str]:
    """Return the scales on which answers are judged, each with its title; none of them for a suite without scales."""
    from culturepark.catalog.scales import find_scale
    from culturepark.errors import UsageError

    lines = []
    for name in names:
        try:
            scale = find_scale(name)
        except UsageError as error:
            lines.append(str(error))
        else:
            lines.append(f"scale {name}, {scale.least} to {scale.most}: {scale.title}")
    return lines


def names_nothing(path: Path) -> "list[Problem]":
    """Return the scorers and scales that a suite file or a named map names and that do not exist."""
    from culturepark.catalog.files import concerns_suites
    from culturepark.catalog.personas import LINES

    if path.suffix == LINES or not concerns_suites(path):
        return []
    from culturepark.catalog.suite_checks import kind_of, unknown_names

    if kind_of(path) not in ("suite", "named map"):
        return []
    from culturepark.evaluate.scorers import SCORERS

    return unknown_names(path, SCORERS.names())


def scorer_notes(suite: "Suite") -> list[str]:
    """Return why scorers that a suite names cannot score it."""
    from culturepark.catalog.suite_checks import no_such
    from culturepark.evaluate.scorers import SCORERS

    notes = []
    for name in suite.scorers:
        if name not in SCORERS:
            notes.append(no_such("scorer", name, SCORERS.names()))
        elif problem := SCORERS[name].problem(suite):
            notes.append(f"the scorer {name} has nothing to score: {problem}")
    return notes


def short(names: list[str]) -> str:
    """Return few names themselves, and many as their number."""
    return " ".join(names) if len(names) <= 9 else f"{len(names)}"


def target_text(target: object) -> str:
    if not isinstance(target, dict):
        return str(target)
    return ", ".join(
        f"{group} {' '.join(f'{code}:{share:.2f}' for code, share in value.items())}" if isinstance(value, dict)
        else f"{group} {value}"
        for group, value in list(target.items())[:8]
    )  # fmt: skip


def show_import(result: "ImportResult") -> None:
    from culturepark.catalog.files import shown
    from culturepark.terminal.safe import tell, write

    write(shown(result.path))
    told = f"{result.items:,} items of {result.rows:,} rows"
    told += f", read as {result.form}" if result.form else ""
    told += f"; {result.filtered:,} rows not wanted" if result.filtered else ""
    told += f"; {result.beyond_limit:,} items not drawn" if result.beyond_limit else ""
    tell(told)
    for reason, count in result.left_out.most_common():
        tell(f"left out {count:,}: {reason} ({', '.join(result.examples[reason])})")
    for note, count in result.notes.most_common():
        tell(f"{count:,} {note}")
    tell(f"then:\n  culturepark check {shown(result.path)}\n  culturepark suites show {shown(result.path)}")
