"""The command line. Nothing heavy is imported before a command is chosen."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TextIO, TypeVar

import typer

from culturepark import __version__
from culturepark.export.formats import FORMATS

app = typer.Typer(
    name="culturepark",
    help="Conversations between simulated people of eight cultures, distilled into traceable fine-tuning samples.",
    epilog="Begin with: culturepark simulate quickstart",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


Letters = TypeVar("Letters", str, None)


def letters(name: Letters) -> Letters:
    """A shell hands on any bytes; what is no text is no id either, and no database can be asked for it."""
    return name and name.encode("utf-8", "replace").decode()


Store = Annotated[
    str,
    typer.Option("--store", envvar="CULTUREPARK_STORE", help="Database URL.", metavar="URL"),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or `last`.", callback=letters)]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="ROLE=SPEC",
        help="A model for one role: speaker, moderator, extractor, verifier, judge, or embedder (minilm, lexical or "
        "openai:NAME). Repeatable; judge, named again, is one more judge.",
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
MaxCost = Annotated[float | None, typer.Option(min=0, max=1e9, metavar="USD", help="Stop when the run has cost this.")]
MaxTokens = Annotated[int | None, typer.Option(min=1, max=10**15, help="Stop when the run has used so many tokens.")]
Rpm = Annotated[int | None, typer.Option(min=1, max=10**9, help="Requests a minute to each remote endpoint, at most.")]
Tpm = Annotated[int | None, typer.Option(min=1, max=10**15, help="Tokens a minute to each remote endpoint, at most.")]
# Typer brings a Click of its own, and hands out only its leaves; this is the root of its errors of use.
WRONG_USE: type[Exception] = typer.BadParameter.__mro__[2]
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
STORE = "sqlite:///runs/culturepark.db"


def limits(max_cost: float | None, max_tokens: int | None, rpm: int | None, tpm: int | None) -> dict[str, float]:
    """Those that were given, under the names that scenarios have for them."""
    given = {"max_cost_usd": max_cost, "max_tokens": max_tokens, "rpm": rpm, "tpm": tpm}
    return {name: value for name, value in given.items() if value is not None}


def version(value: bool) -> None:
    if value:
        print(f"culturepark {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


@app.command(epilog="Example: culturepark simulate quickstart --model openai:gpt-4o-mini")
def simulate(
    scenario: Annotated[str, typer.Argument(help="A scenario file, or the name of a shipped one.")],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC",
            help="For all chat roles: embedded (default), gguf:PATH, hf:REPO/FILE, openai:NAME[@BASE_URL], scripted.",
        ),
    ] = None,
    role: Roles = None,
    store: Store = STORE,
    seed: Annotated[int, typer.Option(help="Draws stances, people and samples.", min=0, max=2**62)] = 1,
    dialogues: Annotated[int | None, typer.Option(min=1, max=10_000, help="Per seed and culture.")] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=512, help="Dialogues at once (4 local, 16 remote).")
    ] = None,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    until: Annotated[
        Literal["dialogue", "extract", "verify", "dedup", "samples"], typer.Option(help="Last stage to do.")
    ] = "samples",
    run_id: Annotated[str | None, typer.Option(metavar="ID", help="Name the run; if it exists, go on with it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Forecast calls, tokens and cost; ask nothing.")] = False,
    json: Json = False,
) -> int:
    """Hold the dialogues of a scenario and distil them into samples."""
    from culturepark.cli import run as commands

    return commands.simulate(
        scenario, model=model, roles=role or [], store_url=store, seed=seed, dialogues=dialogues,
        concurrency=concurrency, limits=limits(max_cost, max_tokens, rpm, tpm), until=until, run_id=run_id,
        dry_run=dry_run, as_json=json,
    )  # fmt: skip


@app.command(
    epilog="""\b
Example: culturepark resume last
\b
A run from a colleague's store, whose model is on a server that you have not used before:
Example: culturepark resume last --store sqlite:///theirs.db --endpoint http://gpu7.example.org:8000/v1
"""
)
def resume(
    run: RunId,
    role: Roles = None,
    endpoint: Endpoints = None,
    store: Store = STORE,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    json: Json = False,
) -> int:
    """Finish a run that was stopped or killed; nothing that was answered is asked again."""
    from culturepark.cli import run as commands

    return commands.resume(run, role or [], store, json, limits(max_cost, max_tokens, rpm, tpm), endpoint or [])


@app.command(epilog="Example: culturepark distill last --from dedup --threshold 0.9")
def distill(
    run: RunId,
    stage: Annotated[
        Literal["extract", "verify", "dedup"], typer.Option("--from", help="The first stage to do again.")
    ],
    role: Roles = None,
    endpoint: Endpoints = None,
    store: Store = STORE,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=1,
            metavar="COSINE",
            help="From which similarity on two statements may be the same; asks no model.",
        ),
    ] = None,
    json: Json = False,
) -> int:
    """Do the later stages again on stored dialogues; earlier verdicts are kept."""
    from culturepark.cli import run as commands

    return commands.distill(
        run, stage, role or [], store, json, limits(max_cost, max_tokens, rpm, tpm), endpoint or [], threshold
    )


@app.command(
    epilog="""\b
Other words in place of the sixth turn; whoever speaks after it has heard them:
Example: culturepark branch RUN.d1.t6 --text "At home nobody would ask that."
\b
The sixth turn and all that follow once more, by another model:
Example: culturepark branch RUN.d1.t6 --model openai:gpt-4o-mini
"""
)
def branch(
    turn: Annotated[str, typer.Argument(metavar="TURN_ID", help="A turn, as RUN.d1.t6.", callback=letters)],
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What is said in its place; without it the turn is asked anew.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="For all chat roles, in place of the run's own models.")
    ] = None,
    role: Roles = None,
    endpoint: Endpoints = None,
    store: Store = STORE,
    seed: Annotated[
        int | None, typer.Option(help="Draws the answers; any but the run's own if not given.", min=0, max=2**62)
    ] = None,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    json: Json = False,
) -> int:
    """Go on from the middle of a dialogue: edit a turn or ask it anew, in a run of its own."""
    from culturepark.cli import branch as commands

    return commands.branch(
        turn, text, model=model, roles=role or [], store_url=store, seed=seed,
        limits=limits(max_cost, max_tokens, rpm, tpm), as_json=json, endpoints=endpoint or [],
    )  # fmt: skip


@app.command(epilog="Example: culturepark talk turkish-elif --about guest-unannounced")
def talk(
    persona: Annotated[
        str | None,
        typer.Argument(
            help="Whom to talk with: a key (`culturepark personas`), its beginning, or a persona file.",
            callback=letters,
        ),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(
            metavar="SEED",
            help="A survey item (wvs7/Q33), a seed of a shipped scenario, or a question in quotes; else everyday life.",
            callback=letters,
        ),
    ] = None,
    moderated: Annotated[bool, typer.Option("--moderated", help="A moderator opens, asks in between, closes.")] = False,
    model: Annotated[
        str | None, typer.Option(metavar="SPEC", help="For all chat roles, as for `simulate` (embedded by default).")
    ] = None,
    role: Roles = None,
    endpoint: Endpoints = None,
    store: Store = STORE,
    seed: Annotated[int | None, typer.Option(help="Draws the stance (1 by default).", min=0, max=2**62)] = None,
    max_cost: MaxCost = None,
    max_tokens: MaxTokens = None,
    run_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Name the talk; if it exists, go on with it.", callback=letters),
    ] = None,
) -> int:
    """Talk with a persona yourself; what came up is listed at the end."""
    from culturepark.cli import talk as commands

    return commands.talk(
        persona, about=about, moderated=moderated, model=model, roles=role or [], store_url=store, seed=seed,
        limits=limits(max_cost, max_tokens, None, None), run_id=run_id, endpoints=endpoint or [],
    )  # fmt: skip


@app.command(epilog="Example: culturepark runs --json")
def runs(store: Store = STORE, json: Json = False) -> int:
    """List what is in the store."""
    from culturepark.cli import look

    return look.runs(store, json)


@app.command(epilog="Example: culturepark stats last --stances | less")
def stats(
    run: RunId,
    store: Store = STORE,
    stances: Annotated[
        bool, typer.Option("--stances", help="Show every stance drawn, not only the worst fits.")
    ] = False,
    json: Json = False,
) -> int:
    """Show how varied a run's voices are, how judges agree, stances against the survey, funnel, cost and stops."""
    from culturepark.cli import look

    return look.stats(run, store, stances, json)


@app.command(
    epilog="""\b
In the app, ? shows all keys:
Example: culturepark replay last
\b
On a pipe, and with --plain, it is text:
Example: culturepark replay last | less
"""
)
def replay(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|DIALOGUE",
            help="What to show; without, the list of runs, and as plain text the newest.",
            callback=letters,
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Plain text, for pipes and screen readers; as without a terminal.")
    ] = False,
    behind: Annotated[
        bool, typer.Option("--behind", help="In plain text, also what came of each turn, and how.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go with a run that another process carries on; read-only.")
    ] = False,
    reviewer: Annotated[
        str | None,
        typer.Option(envvar="CULTUREPARK_REVIEWER", metavar="NAME", help="Who judges; else the login name."),
    ] = None,
    endpoint: Endpoints = None,
    store: Store = STORE,
) -> int:
    """Play stored dialogues, look behind every sentence, and judge it."""
    from culturepark.cli import replay as command

    return command.replay(
        target, store, plain=plain, behind=behind, follow=follow, reviewer=reviewer, endpoints=endpoint or []
    )


@app.command(epilog="Example: culturepark trace runs/mine/all.jsonl:3")
def trace(
    subject: Annotated[
        str, typer.Argument(metavar="ID|FILE:LINE", help="A sample, a statement, a dialogue, or an exported line.")
    ],
    store: Store = STORE,
    json: Json = False,
) -> int:
    """Lead a sample back to the words, the call, the persona and the survey item it comes from."""
    from culturepark.cli import look

    return look.trace(subject, store, json)


@app.command(
    epilog="""\b
A tenth of the rows held out, by whole questions (SFTTrainer, axolotl, LLaMA-Factory):
Example: culturepark export last --format trl --out runs/mine --split 0.9
\b
Two cultures, each in files of its own, of several runs:
Example: culturepark export RUN1 RUN2 --format sharegpt --out runs/two --culture turkish --culture german
\b
Pairs of answers for DPO:
Example: culturepark export last --format preference --out runs/pairs
\b
Whole dialogues as multi-turn rows, also as Parquet, with a licence on the card:
Example: culturepark export last --format trl --dialogues --out runs/talks --parquet --license cc-by-4.0
"""
)
def export(
    run: Annotated[list[str], typer.Argument(metavar="RUN...", help="Ids of runs, or `last`.")],
    form: Annotated[str, typer.Option("--format", metavar=f"[{'|'.join(FORMATS)}]", help="What will read it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A folder for the files.")],
    culture: Annotated[list[str] | None, typer.Option(help="Only this one, in a file of its own. Repeatable.")] = None,
    split: Annotated[float | None, typer.Option(help="Share of rows that train; whole seeds are held out.")] = None,
    dialogues: Annotated[bool, typer.Option("--dialogues", help="Whole dialogues in place of single samples.")] = False,
    parquet: Annotated[bool, typer.Option("--parquet", help="The same rows as Parquet too.")] = False,
    licence: Annotated[
        str | None,
        typer.Option("--license", metavar="ID", help="What the card says, as cc-by-4.0; else it says: none."),
    ] = None,
    store: Store = STORE,
) -> int:
    """Write the kept samples, or whole dialogues, as training files with an index, a card and a manifest."""
    from culturepark.cli import look

    runs = [letters(name) for name in run]
    return look.export(
        runs, form, out, culture or [], split, store, dialogues=dialogues, parquet=parquet, licence=licence
    )


@app.command(epilog="Example: culturepark report last -o talks.html")
def report(
    run: RunId,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Where to; `-` is stdout. [default: RUN.html]"),
    ] = None,
    store: Store = STORE,
) -> int:
    """Write one page for a browser: the figures of a run, and every dialogue with what is behind each sentence."""
    from culturepark.cli import look

    return look.report(run, out, store)


@app.command(epilog="Example: culturepark check my-scenario.yaml personas/*.yaml")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Scenarios, personas, surveys.")],
) -> int:
    """Validate files; errors name file, line, key and what is allowed."""
    from culturepark.cli import look

    return look.check(files)


@app.command(epilog="Example: culturepark personas --json")
def personas(json: Json = False) -> int:
    """List the shipped personas."""
    from culturepark.cli import look

    return look.personas(json)


@app.command(epilog="Example: culturepark scenarios")
def scenarios(json: Json = False) -> int:
    """List the shipped scenarios."""
    from culturepark.cli import look

    return look.list_scenarios(json)


@app.command(epilog="Example: culturepark doctor --model embedded")
def doctor(
    model: Annotated[str | None, typer.Option(metavar="SPEC", help="Also ask this model something.")] = None,
    store: Store = STORE,
    json: Json = False,
) -> int:
    """Say what works here: packages, weights, key, store, terminal, model."""
    from culturepark.cli import look

    return look.doctor(model, store, json)


class Heedless:
    """stderr, which may be full or closed: what cannot be said must not stop what is being done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def main() -> NoReturn:
    """Entry point: every outcome is an exit code, and no user ever sees a traceback."""
    code = 1
    sys.stderr = Heedless(sys.stderr or open(os.devnull, "w"))  # noqa: SIM115 - for the life of the program
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # they are text streams
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = explain(error)
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """One command; its exit code."""
    command = typer.main.get_command(app)
    try:
        # Not `command.main`: it would end the program itself at a broken pipe.
        with command.make_context("culturepark", list(arguments)) as context:
            return command.invoke(context) or 0
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        return 130
    except WRONG_USE as error:
        error.show()  # type: ignore[attr-defined]
        return 2


def explain(error: Exception) -> int:
    """An error as a clear line on stderr, and its exit code. `CULTUREPARK_DEBUG=1` shows where it came from."""
    from culturepark.errors import CultureparkError, StoreError
    from culturepark.redact import redact
    from culturepark.shortage import shortage
    from culturepark.terminal.safe import safe, show_origin

    show_origin(error)
    if isinstance(error, OSError) and error.errno in NO_ROOM and not error.filename:
        error = StoreError(f"cannot write the output: {error.strerror}")
    if not isinstance(error, CultureparkError):
        error = shortage(error) or error
    if isinstance(error, CultureparkError):
        print(f"culturepark: {safe(error, lines=True)}", file=sys.stderr)
        return error.exit_code
    said = safe(redact(f"{type(error).__name__}: {error}"))[:300]
    print(
        f"culturepark: a bug, sorry: {said}\nCULTUREPARK_DEBUG=1 shows where; please report it",
        file=sys.stderr,
    )
    return 1
