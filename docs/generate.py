"""Write what the code already knows into the documentation: `python docs/generate.py`.

That is the pages under docs/reference, the schemas of files, what the commands of the tutorial print, what nobody has
read yet, and the messages of screens. With `--check` nothing is written: stale pages are named on stderr, and the exit
code is 1.
"""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args, get_origin

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import messages
import typer
from pydantic import BaseModel
from ruamel.yaml import YAML

from culturepark import errors, frames, glossary
from culturepark.catalog import imports, loops, maps, scales, scenarios, suite_checks, suites, surveys, words
from culturepark.cli.app import app, run
from culturepark.domain import Culture, Persona, shipped_cultures
from culturepark.languages import PACKAGES, load_language
from culturepark.store.views import field_docs, prose, table_rows

DOCS = ROOT / "docs"
NOTE = "<!-- Written by docs/generate.py from the code; edit the code, then run `python docs/generate.py`. -->"
EXIT_CODES = {
    0: "Done.",
    1: "The command ended, and some dialogues failed. `culturepark resume RUN` takes them up again.",
    2: "The command, an option or a file is wrong. The message says which, and what would be right.",
    3: "The model, or the hub, cannot be reached. `culturepark resume RUN` goes on with a run when it can.",
    4: "A budget is used up, the user's or the provider's. `culturepark resume RUN` goes on, with a new limit.",
    5: "The store cannot be used, or this machine has no memory, disk or file descriptors left.",
    130: "Interrupted by Ctrl-C. `culturepark resume RUN` goes on.",
}


def page(title: str, *blocks: str) -> str:
    return "\n\n".join([f"# {title}", NOTE, *(block.strip("\n") for block in blocks if block)]) + "\n"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


# --- commands ----------------------------------------------------------------------------------


def commands() -> str:
    group: Any = typer.main.get_command(app)
    blocks = [
        "Data goes to stdout, talk and progress to stderr. `RUN` is a run's id, or `last`. "
        "Every command has `--help`. [Exit codes](exit-codes.md) are the same for all of them.",
    ]
    for name, command in with_their_own(group):
        context = command.make_context(name, [], resilient_parsing=True)
        shown = [param for param in command.params if not getattr(param, "hidden", False)]
        arguments = [argument(param) for param in shown if param.param_type_name == "argument"]
        usage = " ".join(["culturepark", name, *arguments, *["[OPTIONS]"][: len(shown) > len(arguments)]])
        rows = [option(param, context) for param in shown]
        blocks += [f"## {name}", prose(command.help), f"```text\n{usage}\n```"]
        blocks += [table(("argument or option", "meaning"), rows)] if rows else []
        blocks += [examples(command.epilog)] if command.epilog else []
    return page("Commands", *blocks)


def with_their_own(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its name, and behind one that has commands of its own these: `suites`, `suites show`."""
    for name, command in group.commands.items():
        if not command.hidden:
            yield before + name, command
            if hasattr(command, "commands"):
                yield from with_their_own(command, f"{before}{name} ")


def argument(param: Any) -> str:
    name = param.metavar or param.name.upper()
    return name if param.required else f"[{name}]"


def option(param: Any, context: Any) -> tuple[str, str]:
    """One parameter and its meaning, as `--help` has them; bounds that only keep out nonsense are left to `--help`."""
    names, meaning = param.get_help_record(context)
    if param.param_type_name == "argument":
        names = argument(param)
    meaning = re.sub(r"[;,]? ?-?[\d.]+<=x(?:<=[\d.]+)?", "", prose(meaning)).replace("[]", "").strip()
    return (
        f"`{prose(names).replace('<int range>', 'N').replace('<float range>', 'N').replace('<float>', 'N')}`",
        meaning,
    )


def examples(epilog: str) -> str:
    """The epilog of a command's help as a block of shell lines, its remarks as comments."""
    lines = []
    for line in epilog.splitlines():
        text = line.replace("\b", "").strip()
        if text.startswith("Example: "):
            lines.append(text.removeprefix("Example: "))
        elif text:
            lines.append(f"# {text.rstrip(':')}")
    return "```sh\n" + "\n".join(lines) + "\n```"


# --- files -------------------------------------------------------------------------------------


def models_in(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """The models that a key's value is made of, each with the mark of its place: `[]` in a list, `.NAME` in a map."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
        return
    arguments = get_args(annotation)
    mark = {tuple: "[]", list: "[]", dict: ".NAME"}.get(get_origin(annotation) or type(None), "")
    for argument in arguments:
        for model, inner in models_in(argument):
            yield model, mark + inner


def values(schema: Mapping[str, Any], every: Mapping[str, Any]) -> str:
    """Which values a key takes, in a few words, out of its JSON schema."""
    if "$ref" in schema:
        return values(every[schema["$ref"].rpartition("/")[2]], every)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(values(each, every) for each in options if each.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type")
    if kind == "array":
        prefix = schema.get("prefixItems")
        inner = values(prefix[0], every) if prefix else values(schema.get("items", {}), every)
        return f"{len(prefix)} of: {inner}" if prefix else f"a list of: {inner}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"a map to: {values(inner, every)}" if isinstance(inner, dict) else "a map"
    if kind in ("integer", "number"):
        low, above, high = (schema.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
        word = "a whole number" if kind == "integer" else "a number"
        least = f" from {low:,}" if low is not None else f" above {above:,}" if above is not None else ""
        return word + least + (f" to {high:,}" if high is not None and high < 10**9 else "")
    if kind == "boolean":
        return "true or false"
    return "a text" + (f" of the form `{schema['pattern']}`" if "pattern" in schema else "")


def keys(model: type[BaseModel], prefix: str = "", borrowed: Mapping[str, str] | None = None) -> Iterator[list[str]]:
    schema = model.model_json_schema()
    docs = {**(borrowed or {}), **field_docs(model)}
    for name, field in model.model_fields.items():
        key = field.alias or name
        shape = schema["properties"][key]
        inner = list(dict.fromkeys(models_in(field.annotation)))
        default = "required" if field.is_required() else plain(field.default)
        if inner:
            told = "a list, see below" if inner[0][1] == "[]" else "a map, see below"
        else:
            told = values(shape, schema.get("$defs", {}))
        yield [f"`{prefix}{key}`", told, default if not inner or field.is_required() else "", docs.get(name, "")]
        for each, mark in inner:
            yield from keys(each, f"{prefix}{key}{mark}.")


def plain(default: Any) -> str:
    if default is None or default == () or default == {}:
        return ""
    if isinstance(default, tuple):
        return "`[" + ", ".join(map(str, default)) + "]`"
    return f"`{default}`"


KEYS = ("key", "values", "default", "meaning")


def scenario_file() -> str:
    return page(
        "Scenario files",
        "A scenario is a YAML file: who talks with whom, about which questions, and what is kept. "
        "[How to write one](../howto/scenario.md) explains it step by step; this page lists every key. "
        "`culturepark check FILE` names every mistake with its file, line and key.",
        table(KEYS, list(keys(scenarios.ScenarioFile))),
    )


def persona_file() -> str:
    return page(
        "Persona files",
        "A persona is one particular person on one card, a YAML file named after its key. "
        "[How to write one](../howto/persona.md) has an example.",
        table(KEYS, [row for row in keys(Persona) if row[0] != "`key`"]),
    )


def culture_file() -> str:
    return page(
        "Culture files",
        "A culture is a YAML file: the countries that may ground it, and how its people address each other. Its first "
        "key is `culture`. A scenario names it under `cultures`, by its key if it is shipped and by its path if it is "
        "not. [How to add one](../howto/culture.md) does it step by step.",
        table(KEYS, list(keys(Culture))),
    )


def survey_file() -> str:
    return page(
        "Survey files",
        "A survey file holds questions, their scales and the shares of answers in each country. A scenario names it "
        "under `surveys`, and its items as `survey: NAME/ITEM`. "
        "[How to use one](../howto/survey.md) has whole examples.",
        table(KEYS, list(keys(surveys.SurveyFile))),
    )


def suite_file() -> str:
    return page(
        "Suite files",
        "A suite is a YAML file beside its items, or with them in it: what a model is asked, in whose name, and what "
        "counts as near. [How to write or import one](../howto/suite.md) has examples. In a file of items each row has "
        "the keys of `items[]`.",
        table(KEYS, list(keys(suites.SuiteFile))),
    )


def scale_file() -> str:
    return page(
        "Scale files",
        "A scale is a YAML file with a rubric: what judges and people rate an answer for, and what each step means.",
        table(KEYS, list(keys(scales.Scale))),
    )


def loop_file() -> str:
    return page(
        "Loop files",
        "A loop is a YAML file: rows, the adapters that are trained on them and on controls, and what these are asked. "
        "Its first key is `loop`. [The loop](../loop.md) says what it does and what its figures mean.",
        table(KEYS, list(keys(loops.LoopFile))),
    )


def import_maps() -> str:
    shipped = imports.named_maps().values()
    rows = [
        (f"`{each.imports}`", each.title, " ".join(each.scorers), each.card["licence"], prose(each.get))
        for each in shipped
    ]
    details = []
    for each in shipped:
        forms = "; ".join(form.of for form in each.forms)
        details += [f"### {each.imports}", f"Source: {each.card['source']}. Reads: {forms}."]
        details += [prose(each.note)] if each.note else []
        details += [f"Names of columns were checked against: {prose(each.checked)}."]
    return page(
        "Maps for imports",
        "`culturepark suites import FILE --map NAME` makes a suite of a well-known data set, and "
        "`--map key=column,key:value` of any other. [How to import one](../howto/suite.md) has examples.",
        "## Shipped maps",
        table(("map", "what it asks", "scorers", "licence", "where to get the file"), rows),
        *details,
        "## Keys of a map",
        "A key takes a column (`=`, or under `map` in a file) or a value that is the same for all rows (`:`, or under "
        "`constants`).",
        table(("key", "what it is"), [(f"`{key}`", meaning) for key, meaning in maps.KEYS.items()]),
    )


# --- schemas for editors -----------------------------------------------------------------------

FILES: dict[str, type[BaseModel]] = {**scenarios.KINDS, **suite_checks.KINDS, **loops.KINDS, **words.KINDS}
"""Kinds of files with the nouns that they are read as."""


TITLES = {kind: f"A {kind} of culturepark" for kind in (*scenarios.KINDS, *suite_checks.KINDS, *loops.KINDS)} | {
    "words": "A persona of culturepark in another language",
    "wordings": "Questions of culturepark in another language",
}


def schema_of(kind: str) -> str:
    """The JSON Schema of a kind of file, its descriptions out of the docstrings under the fields."""
    model = FILES[kind]
    schema = model.model_json_schema()
    every = {each.__name__: each for each in reachable(model)}
    for name, part in {model.__name__: schema, **schema.get("$defs", {})}.items():
        described_fields(part, every[name])
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": TITLES[kind]}
    if kind == "persona":  # the file's name is its key
        del schema["properties"]["key"]
        schema["required"].remove("key")
    if kind in ("scenario", "loop"):  # a word of its own, which becomes a list when the file is read
        listed = schema["properties"]["cultures"]
        told = {name: listed.pop(name) for name in ("title", "description")}
        schema["properties"]["cultures"] = {**told, "anyOf": [{"const": "all"}, listed]}
    return json.dumps(schema, ensure_ascii=False, indent=1) + "\n"


def reachable(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner, _ in models_in(field.annotation):
            yield from reachable(inner)


def described_fields(schema: dict[str, Any], model: type[BaseModel]) -> None:
    docs = field_docs(model)
    schema["description"] = prose(model.__doc__ or "")
    for name, field in model.model_fields.items():
        if name in docs:
            schema["properties"][field.alias or name]["description"] = docs[name].replace("`", "")


# --- the store, the words, the exit codes ------------------------------------------------------


def store_tables() -> str:
    blocks = [
        "Names of tables and columns are a contract with other people's scripts. "
        "[The store](../store.md) explains ids, rounds, reviews and branches.",
    ]
    for row in table_rows():
        docs = field_docs(row)
        lines = []
        for column in row.__table__.columns:
            names = [f"`{key.target_fullname}`" for key in column.foreign_keys]
            marks = (["key"] if column.primary_key else []) + [f"refers to {name}" for name in names]
            kind = str(column.type.compile()).lower() + (" or null" if column.nullable else "")
            lines.append((f"`{column.name}`", kind, ", ".join(marks), docs.get(column.name, "")))
        blocks += [f"## {row.__tablename__}", prose(row.__doc__), table(("column", "type", "", "meaning"), lines)]
    return page("Tables", *blocks)


def data_frames() -> str:
    kinds = {
        "samples": frames.SampleLine,
        "statements": frames.StatementLine,
        "dialogues": frames.DialogueLine,
        "figures": frames.FigureLine,
    }
    blocks = [
        "What `samples`, `statements` and `dialogues` of the [Python API](../python.md), and the `frame` of an "
        "evaluation, give: frames of pandas, one row for each, in the order of the talk, or of the figures. Names, "
        "order and dtypes of columns are a contract with other people's scripts. Categories are the words that occur. "
        "Missing is null in the store."
    ]
    for name, kind in kinds.items():
        docs, lead = field_docs(kind), prose(kind.__doc__ or "")
        rows = [(f"`{column}`", dtype, docs.get(column, "")) for column, dtype in frames.dtypes(kind)]
        blocks += [f"## {name}", lead, table(("column", "dtype", "meaning"), rows)]
    return page("Columns of data frames", *blocks)


def words() -> str:
    lists = {
        "Why a sample was not kept": ("`sample.drop_reason`", glossary.DROPPED),
        "Why something that was said is no statement": ("`dialogue.rejected`", glossary.REJECTED),
        "What a turn did wrong": ("`slip.kind`", glossary.SLIPS),
        "Where the content of a statement comes from": (
            "`statement.provenance`, `sample.provenance`; null is `unknown`",
            glossary.GROUNDS,
        ),
        "What is asked of statements, and of the rows they would make": ("`verdict.criterion`", glossary.CRITERIA),
        "What a sample comes with": ("`sample.flags`", glossary.FLAGS),
        "What the moderator did": ("`turn.act`", glossary.ACTS),
        "What a speech holds, by its speaker's mark": ("`turn.mark`, `told`", glossary.TOLD),
        "Where rules and customs in a speech come from": ("`turn.mark`, `grounds`", glossary.PROVENANCE),
        "Why a turn was refused": ("`call.refused`", glossary.REFUSED),
        "Why a dialogue ended": ("`dialogue.stop_reason`", glossary.STOPS),
        "How duplicates were found": ("`duplicate.method`", glossary.METHODS),
        "What is measured of talks": ("nowhere; `stats` and `compare` count it", glossary.TALKS),
    }
    blocks = ["The store, `stats --json` and `trace` use short words. This page says what each of them means."]
    for title, (column, meanings) in lists.items():
        rows = [(f"`{word}`", meaning) for word, meaning in meanings.items()]
        blocks += [f"## {title}", f"In the store: {column}.", table(("word", "meaning"), rows)]
    return page("Words of the store", *blocks)


def exit_codes() -> str:
    tree = (errors.__doc__ or "").partition("\n\n")[2].strip("\n")
    used = {int(number) for number in re.findall(r"(?m)^\S* ?[├└│─ ]*\w+ {2,}(\d+)\b", tree)} | {0}
    if used != set(EXIT_CODES):
        raise SystemExit(f"docs/generate.py: EXIT_CODES and errors.py differ: {sorted(used ^ set(EXIT_CODES))}")
    return page(
        "Exit codes",
        table(("code", "meaning"), [(f"`{code}`", meaning) for code, meaning in EXIT_CODES.items()]),
        "Every error is one line on stderr. `CULTUREPARK_DEBUG=1` adds where in the code it was raised.",
        "## Errors",
        f"```text\n{tree}\n```",
    )


ROOMS = (
    "interface", "terminal", "languages", "catalog", "models", "dialogue", "distill", "people", "store", "stats",
    "export", "select", "run", "mine", "evaluate", "train", "loop", "replay", "report", "review", "cli",
)  # fmt: skip
"""Each imports only rooms before it; `pyproject.toml` has the rule."""


def modules() -> str:
    """Every module with the first sentence of its docstring, room by room."""
    package = ROOT / "culturepark"
    found = {path.parent.name for path in package.glob("*/__init__.py")}
    if found != set(ROOMS):
        raise SystemExit(f"docs/generate.py: ROOMS and the package differ: {sorted(found ^ set(ROOMS))}")
    blocks = [
        "Every module of the package, with the first sentence of its docstring. [Architecture](../architecture.md) "
        "explains the rooms and what holds them together.",
        "## At the top",
        table(("module", "what it is"), [described(path) for path in sorted(package.glob("[a-z]*.py"))]),
    ]
    for room in ROOMS:
        files = [path for path in sorted((package / room).rglob("*.py")) if path.name != "__init__.py"]
        rows = [described(path) for path in files if "migrations" not in path.parts]
        blocks += [f"## {room}", first_sentence(package / room / "__init__.py")]
        blocks += [table(("module", "what it is"), rows)] if rows else []
    return page("Modules", *blocks)


def described(path: Path) -> tuple[str, str]:
    name = path.relative_to(ROOT / "culturepark").with_suffix("").as_posix()
    return f"[`{name}`](../../{path.relative_to(ROOT).as_posix()})", first_sentence(path)


def first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return prose(text.partition("\n\n")[0]).replace("<", "&lt;")


# --- the tutorial ------------------------------------------------------------------------------

CONSOLE = re.compile(r"(?:<!-- (\d+) lines -->\n)?```console\n((?:\$ [^\n]+\n)+)(?:.*?)```\n", re.DOTALL)
FILE = re.compile(r"Put this into `([\w.-]+)`:\n\n```yaml\n(.*?)```\n", re.DOTALL)
WIDEST = 118


def tutorial() -> str:
    """The tutorial with the output of its commands as they print it now, run one after the other in an empty folder."""
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")

    def block(found: re.Match[str]) -> str:
        parts = []
        for line in found[2].splitlines():
            lines = [f"{line[: WIDEST - 1]}…" if len(line) > WIDEST else line for line in output(line[2:])]
            most = int(found[1] or 0)
            parts += [line, *(lines if not most or len(lines) <= most else [*lines[:most], "…"])]
        start = f"<!-- {found[1]} lines -->\n" if found[1] else ""
        return f"{start}```console\n" + "\n".join(parts) + "\n```\n"

    kept = {name: value for name, value in os.environ.items() if name.startswith("CULTUREPARK_")}
    for name in kept:
        del os.environ[name]
    try:
        with TemporaryDirectory() as folder, chdir(folder):
            for name, content in FILE.findall(text):
                Path(name).write_text(content, encoding="utf-8")
            return CONSOLE.sub(block, text)
    finally:
        os.environ.update(kept)


def output(command: str) -> list[str]:
    """The lines that a command prints, on both streams, in their order."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    with redirect_stdout(stream), redirect_stderr(stream):
        code = run(shlex.split(command)[1:])
    text = raw.getvalue().decode()
    if code:
        raise SystemExit(f"docs/generate.py: {command}: exit {code}\n{text}")
    return [line.rstrip() for line in text.rstrip().splitlines()]


UNREAD = "nobody from there has read it yet"
UNCHECKED = "No native reader"
"""What the card of a suite says of its items instead."""
LIST = re.compile(r"(?<=<!-- unread -->\n).*?(?=<!-- end of unread -->)", re.S)


def native_readers() -> str:
    """The page on native readers, with the list of what nobody has read."""
    text = (DOCS / "native-readers.md").read_text(encoding="utf-8")
    rows = [
        [f"{load_language(code).name} (`{code}`)", what, ", ".join(f"`{file}`" for file in files)]
        for (code, what), files in sorted(unread().items())
    ]
    found = table(("language", "what", "files"), rows) if rows else "Everything has been read."
    return LIST.sub(lambda _: f"\n{found}\n\n", text)


def unread() -> dict[tuple[str, str], list[str]]:
    """Files whose `origin` says that nobody has read them, by language and what they are."""
    package = ROOT / "culturepark"
    places = {
        "how people and the moderator talk": package.glob("languages/*/language.toml"),
        "how a survey's question is put to a model": package.glob("languages/*/ask.md"),
        "questions": package.glob("languages/*/questions/*.yaml"),
        "cards of people": (ROOT / "personas").glob("*.*.yaml"),
        "words of screens and pages": package.glob("interface/*.po"),
    }
    found: dict[tuple[str, str], list[str]] = {}
    for what, paths in places.items():
        for path in sorted(paths):
            if UNREAD in origin(path):
                parts = path.relative_to(ROOT).parts
                code = parts[2] if parts[1] == "languages" else path.stem.rpartition(".")[2]
                file = f"{'/'.join(parts[:-1])}/" if path.suffix == ".toml" else "/".join(parts)
                found.setdefault((code, what), []).append(file)
    for code, what, file in unchecked_suites():
        found.setdefault((code, what), []).append(file)
    return found


def unchecked_suites() -> Iterator[tuple[str, str, str]]:
    """Yield language, what there is to read and file of the suites that no native reader has checked.

    Items in English are listed under the language of the culture that they are about: whoever lives there can check
    what they say.
    """
    cultures = shipped_cultures()
    for path in suites.shipped_suites().values():
        suite = suites.load_suite(path)
        if UNCHECKED not in suite.card.by:
            continue
        put = {code for item in suite.items for code in (item.language, *item.words)} - {"en"}
        about = {mother_tongue(cultures[item.group]) for item in suite.items if item.group in cultures} - put
        rows = path.with_suffix(".jsonl")
        file = (rows if rows.exists() else path).relative_to(ROOT).as_posix()
        yield from ((code, "items of evaluations", file) for code in put)
        yield from ((code, "items of evaluations in English, about life there", file) for code in about)


def mother_tongue(culture: Culture) -> str:
    """Return the language of a culture that the program has prompts in."""
    codes = (spoken.language.partition("-")[0] for spoken in culture.languages)
    return next(code for code in codes if code in PACKAGES)


def origin(path: Path) -> str:
    """The top-level `origin` of a file; of messages and of texts in parts, the remark at their head."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return " ".join(text.partition("\n# ")[0].split())
    if path.suffix == ".po":
        return " ".join(line[1:].strip() for line in text.partition("msgid")[0].splitlines())
    data = tomllib.loads(text) if path.suffix == ".toml" else YAML(typ="safe").load(text)
    return str(data.get("origin", "")) if isinstance(data, dict) else ""


PAGES: dict[str, Callable[[], str]] = {
    "reference/commands.md": commands,
    "reference/scenario-files.md": scenario_file,
    "reference/persona-files.md": persona_file,
    "reference/survey-files.md": survey_file,
    "reference/culture-files.md": culture_file,
    "reference/suite-files.md": suite_file,
    "reference/scale-files.md": scale_file,
    "reference/loop-files.md": loop_file,
    "reference/imports.md": import_maps,
    "reference/tables.md": store_tables,
    "reference/data-frames.md": data_frames,
    "reference/words.md": words,
    "reference/exit-codes.md": exit_codes,
    "reference/modules.md": modules,
    "native-readers.md": native_readers,
    "tutorial.md": tutorial,
}
"""Pages below docs/, each with the function that writes it."""
SCHEMAS = "../culturepark/catalog/data/schemas"


def stale() -> dict[str, str]:
    """Pages and schemas that do not say what the code says, with what they should say."""
    fresh = {name: write() for name, write in PAGES.items()}
    fresh |= {f"{SCHEMAS}/{kind}.json": schema_of(kind) for kind in FILES}
    fresh = {DOCS / name: text for name, text in fresh.items()} | messages.fresh()
    return {
        path.relative_to(ROOT).as_posix(): text
        for path, text in fresh.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def main() -> int:
    pages = stale()
    if "--check" not in sys.argv[1:]:
        for name, text in pages.items():
            (ROOT / name).write_text(text, encoding="utf-8")
        return 0
    for name in pages:
        print(f"{name} is stale: run `python docs/generate.py`", file=sys.stderr)
    return 1 if pages else 0


if __name__ == "__main__":
    sys.exit(main())
