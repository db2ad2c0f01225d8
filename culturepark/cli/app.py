"""The program `culturepark`: its commands and its exit codes.

A command imports heavy modules inside its function, so that the others start quickly. Modules with commands do without
`from __future__ import annotations`, with which Typer would evaluate every annotation three times.
"""

import _thread
import atexit
import errno
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, NoReturn, TextIO

import typer

from culturepark import __version__
from culturepark.cli import (
    adapter,
    catalog,
    compare,
    evaluate,
    export,
    filters,
    inspect,
    judge,
    judgements,
    loop,
    mine,
    order,
    people,
    personas,
    review,
    select,
    serve,
    suites,
    talk,
    train,
    work,
)  # fmt: skip
from culturepark.cli import audit as _audit  # noqa: F401 - a command of `suites`
from culturepark.cli import run as run_commands

app = typer.Typer(
    name="culturepark",
    help="Conversations between simulated people of many cultures, distilled into traceable fine-tuning samples.",
    epilog="Begin with: culturepark simulate quickstart",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# The base class of all usage errors. Typer exports only this subclass of it in all allowed versions.
WRONG_USE: Any = typer.BadParameter.__base__
COMPLETE = f"_{app.info.name}_COMPLETE".upper()
"""Set by the script that `--install-completion` writes."""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def version(value: bool) -> None:
    if value:
        print(f"culturepark {__version__}")
        raise typer.Exit


@app.callback()
def root(
    _: Annotated[bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")] = False,
) -> None:
    pass


for commands in (
    run_commands,
    work,
    mine,
    talk,
    order,
    inspect,
    select,
    review,
    evaluate,
    judge,
    compare,
    filters,
    export,
    train,
    adapter,
    loop,
    judgements,
    people,
    personas,
    suites,
    serve,
    catalog,
):  # in the order of `--help`
    app.add_typer(commands.app)


class Heedless:
    """A stderr that may be full or closed: errors of writing to it do not stop the command."""

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


def heed_interrupts(otherwise: Callable[["sys.UnraisableHookArgs"], Any]) -> Callable[["sys.UnraisableHookArgs"], None]:
    """Return a hook that delivers a Ctrl-C once more which came where nothing can be raised, and prints no traceback.

    Args:
        otherwise: what is done with all other exceptions there.
    """

    def hook(lost: "sys.UnraisableHookArgs") -> None:
        if lost.exc_type is KeyboardInterrupt:
            again = threading.Timer(0.05, _thread.interrupt_main)  # by then that place has been left
            again.daemon = True
            again.start()
        else:
            otherwise(lost)

    return hook


def main() -> NoReturn:
    """Run the program; every outcome is an exit code, and no user sees a traceback."""
    code = 1
    # Looking for plugins of pydantic, which nobody needs here, would import as much as a quick command itself.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    hook, sys.unraisablehook = sys.unraisablehook, heed_interrupts(sys.unraisablehook)
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
        sys.unraisablehook = hook
        # All is written. A Ctrl-C while Python takes itself down would print a traceback; now it ends the process.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code."""
    if COMPLETE in os.environ:  # the shell asks for completions
        app(arguments, prog_name="culturepark")
    command = typer.main.get_command(app)
    try:
        # `command.main` would end the program itself at a broken pipe.
        with command.make_context("culturepark", list(arguments)) as context:
            return command.invoke(context) or 0
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        return 130
    except WRONG_USE as error:
        error.show()
        return 2


def explain(error: Exception) -> int:
    """Print an error as one line on stderr and return its exit code; `CULTUREPARK_DEBUG=1` shows the traceback."""
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
    shown = safe(redact(f"{type(error).__name__}: {error}"))[:300]
    print(f"culturepark: a bug, sorry: {shown}\nCULTUREPARK_DEBUG=1 shows where; please report it", file=sys.stderr)
    return 1
