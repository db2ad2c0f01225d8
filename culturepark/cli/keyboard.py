"""Where a talk is typed and read: a terminal, line by line, or a pipe."""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from culturepark.cli.progress import Quiet
from culturepark.dialogue.phrasing import heard
from culturepark.domain import Casting
from culturepark.terminal.layout import lay_out
from culturepark.terminal.safe import out, plain, safe, write

PROMPT = "You: "
PASTE_SECONDS = 0.05
"""Within which the next line of a paste is there; nobody types that fast."""


class Keyboard(Quiet):
    """What is typed comes in here, what is said goes out to stdout, and all else to stderr."""

    def __init__(self) -> None:
        super().__init__()
        self.typed = bool(sys.stdin and sys.stdin.isatty())
        """Somebody is there, and need not be shown again what they have typed."""
        self.shown = self.typed and sys.stdout.isatty()
        if sys.stdin:  # a line that is not UTF-8 is a line all the same
            sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # it is a text stream
        if self.shown:
            with suppress(ImportError):  # Windows
                import readline  # noqa: F401 - editing and history for `input`
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    # --- in ------------------------------------------------------------------------------------------

    def ask(self, longest: int) -> str | int | None:
        """The next line, or how long it was if it was longer than that; None at the end.

        Several lines that were pasted at once are one.

        Raises:
            KeyboardInterrupt: at Ctrl-C.
        """
        line = self._line(longest)
        while isinstance(line, str) and self.typed and waiting():
            more = self._line(longest, "")
            line = f"{line}\n{more}" if isinstance(more, str) else line if more is None else more
        return len(line) if isinstance(line, str) and len(line) > longest else line

    def _line(self, longest: int, prompt: str = PROMPT) -> str | int | None:
        if self.shown:
            try:
                return input(prompt)
            except EOFError:
                print()
                return None
        if self.typed:
            print(prompt, end="", file=sys.stderr, flush=True)
        line = piece = sys.stdin.readline(longest + 2) if sys.stdin else ""
        length = len(line.rstrip("\n"))
        while piece and not piece.endswith("\n"):  # the rest of a line that is too long is counted, and let go
            piece = sys.stdin.readline(100_000)
            length += len(piece.rstrip("\n"))
        return None if not line else line.rstrip("\n") if length <= longest else length

    # --- out -----------------------------------------------------------------------------------------

    def say(self, who: str, text: str, culture: str = "") -> None:
        """A speech."""
        if not self.shown:
            write(f"{safe(who)}{f' ({culture})' if culture else ''}: {safe(heard(text))}")
            return
        bar, console = self._bar, out()
        if bar:  # it is drawn on another stream, and would stay where it stood
            bar.stop()
        console.print(Text.assemble("\n", (safe(who), "bold"), (f"  {culture}" if culture else "", "dim")))
        for line in lay_out(text, max(20, console.width - 2)):
            console.print("  ", line, sep="", no_wrap=True, overflow="ignore", crop=False)
        console.print()
        if bar and self._task is not None:
            bar.reset(self._task)
            bar.start()

    def tell(self, text: str) -> None:
        """A line to be read with the talk, and kept with it."""
        console = out()
        console.print(plain(text), soft_wrap=not console.is_terminal)

    @contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """Shows that something is going on, and for how long."""
        if not (self.shown and self.console.is_terminal):
            yield
            return
        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
        with Progress(*columns, console=self.console, transient=True) as self._bar:
            self._task = self._bar.add_task(safe(what), total=None)
            try:
                yield
            finally:
                self._bar = None

    # --- as the watcher of a run ---------------------------------------------------------------------

    def started(self, *_: object) -> None:
        """Whoever sits here knows."""

    def dialogue_done(self, casting: Casting) -> None:
        """There is but one."""

    def fetching(self, name: str, done: int, total: int) -> None:
        if self._bar and self._task is not None:
            figures = f"fetching {name}, {done / 1e6:.0f}/{total / 1e6:.0f} MB" if done < total else f"starting {name}"
            self._bar.update(self._task, description=figures)


def waiting() -> bool:
    """Whether more has been typed, or rather pasted, than has been read."""
    with suppress(OSError, ValueError):  # select knows only sockets on Windows
        return bool(select.select([sys.stdin], [], [], PASTE_SECONDS)[0])
    return False
