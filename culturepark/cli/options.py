"""Options that several commands share. Every command imports this module, so it imports nothing heavy itself."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_type_hints

import typer

from culturepark.cli import completion
from culturepark.cli.completion import STORE as STORE

if TYPE_CHECKING:
    from culturepark.store.store import Store


Text = TypeVar("Text", str, None)


def decodable(text: Text) -> Text:
    """Return an argument as valid Unicode; a shell can pass any bytes."""
    return text and text.encode("utf-8", "replace").decode()


def show_in(lang: str | None = None) -> None:
    """Show the words of screens in the language that a reader wants: of `--lang`, the environment, or English.

    Raises:
        UsageError: if there are no words in it.
    """
    import os

    from culturepark import interface

    interface.show_in(interface.wanted(lang, os.environ))


StoreUrl = Annotated[
    str,
    typer.Option("--store", envvar="CULTUREPARK_STORE", help="Database URL.", metavar="URL"),
]
Lang = Annotated[
    str | None,
    typer.Option(
        "--lang",
        metavar="CODE",
        help="Language of the screen's own words, as `de`. [default: the system's]",
        callback=decodable,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="A run's id, its beginning, its name, `last`, or `demo` for the recorded one.",
        callback=decodable,
        autocompletion=completion.runs,
    ),
]
RunOrSelection = Annotated[
    str,
    typer.Argument(
        metavar="RUN|SELECTION",
        help="Whose rows: a run's id, its beginning, `last`, or a selection's.",
        callback=decodable,
        autocompletion=completion.runs,
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE=SPEC",
        autocompletion=completion.roles,
        help="A model for one role: speaker, moderator, interpreter, extractor, verifier, judge, or embedder (e5, "
        "minilm, lexical or openai:NAME). Repeatable; judge, named again, is one more judge.",
    ),
]
Endpoints = Annotated[
    list[str] | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="A base URL or host that the store names and that may get the talk and your key. Repeatable.",
    ),
]


Batch = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="STAGES",
        help="Ask in batches, at half the price and within a day: seat, dialogue, extract, verify, judge, measure, "
        "with commas between; all, or none.",
    ),
]


def store_option(store: "Store") -> str:
    """Return the option that names the store, with a space before it; nothing for the default store."""
    import shlex

    from culturepark.redact import redact
    from culturepark.store.recorded import is_recorded

    shown = store.database.shown
    return "" if shown == STORE or is_recorded(shown) else f" --store {shlex.quote(redact(shown))}"


@dataclass(frozen=True)
class Limits:
    """Limits of a command; None keeps the limit of the scenario or the run."""

    max_cost_usd: Annotated[
        float | None,
        typer.Option("--max-cost", min=0, max=1e9, metavar="USD", help="Stop when the run has cost this."),
    ] = None
    max_tokens: Annotated[
        int | None, typer.Option(min=1, max=10**15, help="Stop when the run has used so many tokens.")
    ] = None
    rpm: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="Requests a minute to each remote endpoint, at most.")
    ] = None
    tpm: Annotated[
        int | None, typer.Option(min=1, max=10**15, help="Tokens a minute to each remote endpoint, at most.")
    ] = None

    @property
    def given(self) -> dict[str, Any]:
        """The given limits, by their names in scenarios and runs."""
        return {name: value for name, value in vars(self).items() if value is not None}


UNLIMITED = Limits()


@dataclass(frozen=True)
class Fleet:
    """Who does the work of a command."""

    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="`local` is this process; `ray` starts workers on a Ray cluster, which need PostgreSQL."),
    ] = "local"
    address: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="The Ray cluster's head, or `auto`; else Ray on this machine alone."),
    ] = None
    workers: Annotated[int | None, typer.Option(min=1, max=10_000, help="Workers on Ray. [default: 4]")] = None

    def check(self) -> None:
        """
        Raises:
            UsageError: if an option for Ray is given without it.
        """
        from culturepark.errors import UsageError

        if self.engine == "local" and (self.address or self.workers):
            raise UsageError("--address and --workers go with --engine ray")

    def check_store(self, url: str) -> None:
        """
        Raises:
            UsageError: if the store is a file, which workers cannot share; before one is made.
        """
        from culturepark.errors import UsageError

        if self.engine != "local" and not url.startswith("postgresql"):
            raise UsageError(
                "--engine ray: several workers need a store on a PostgreSQL server: --store postgresql+psycopg://HOST/DB"
            )


ALONE = Fleet()


def gather(command: Callable[..., int]) -> Callable[..., int]:
    """Let a command take a dataclass of options as one parameter: each of its fields is an option of the command."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: p.annotation for name, p in signature.parameters.items() if is_dataclass(p.annotation)
    }
    parameters: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        if group := groups.get(name):
            hints = get_type_hints(group, include_extras=True)
            parameters += (
                inspect.Parameter(field.name, parameter.kind, default=field.default, annotation=hints[field.name])
                for field in fields(group)
            )
        else:
            parameters.append(parameter)

    @wraps(command)
    def called(**values: Any) -> int:
        for name, group in groups.items():
            values[name] = group(**{field.name: values.pop(field.name) for field in fields(group)})
        return command(**values)

    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # `inspect` reads it
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return called
