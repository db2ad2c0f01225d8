"""The real `culturepark` in a pseudo-terminal: keys and clicks go in, a screen comes out.

Nothing here sleeps: whoever waits, waits for what is to be seen, and is told what was there instead when it never came.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import pyte
from pyte.screens import Char

PATIENCE = 120.0
"""Seconds. What comes takes a fraction of one; a machine with much else to do takes its time."""
KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "space": " ",
    "backspace": "\x7f",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~",
} | {f"ctrl+{letter}": chr(ord(letter) - 96) for letter in "abcdefghijklmnopqrstuvwxyz"}
UNKNOWN = re.compile(rb"\x1b\[[<>=][0-9;]*u|\x1b\]22;[^\x07]*\x07")
"""Keys told apart, and the shape of the pointer: the screen here would take them for letters and a title."""
BEGUN = re.compile(rb"\x1b(\[[0-9;:<>=?$ ]*|\][^\x07]*)?$")
"""A sequence of which only the beginning has come."""
ROOT = Path(__file__).parents[2]


class Screen(pyte.Screen):
    def draw(self, data: str) -> None:
        for character in data:  # pyte drops what comes after a character of no width
            super().draw(character)


class Terminal:
    """One command at work in a terminal of its own. Leaving the block ends it."""

    def __init__(
        self,
        *arguments: object,
        columns: int = 100,
        rows: int = 30,
        env: Mapping[str, str] = {},
        cwd: Path | None = None,
        command: tuple[str, ...] = (sys.executable, "-m", "culturepark"),
    ) -> None:
        self.screen = Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.received = b""
        """Everything that has reached the terminal, byte for byte."""
        self._waiting = b""
        self.began = time.perf_counter()
        self._front, back = pty.openpty()
        self._size(columns, rows)
        surroundings = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "COLUMNS", "LINES", "CI")}
        surroundings |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_ANIMATIONS": "none"}
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdin=back,
            stdout=back,
            stderr=back,
            cwd=cwd,
            env=surroundings | {"PYTHONPATH": path} | dict(env),
            start_new_session=True,
        )
        os.close(back)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        os.close(self._front)

    # --- what a person does ------------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Keys by name, or text as it is typed."""
        for key in keys:
            os.write(self._front, KEYS.get(key, key).encode())

    def click(self, column: int, row: int) -> None:
        """The left button, counted from nought."""
        at = f"{column + 1};{row + 1}"
        os.write(self._front, f"\x1b[<0;{at}M\x1b[<0;{at}m".encode())

    def click_on(self, text: str) -> None:
        column, row = self.find(text)
        self.click(column, row)

    def wheel(self, column: int, row: int, *, down: bool = True) -> None:
        os.write(self._front, f"\x1b[<{65 if down else 64};{column + 1};{row + 1}M".encode())

    def resize(self, columns: int, rows: int) -> None:
        self.screen.resize(rows, columns)
        self._size(columns, rows)
        self.process.send_signal(signal.SIGWINCH)

    def kill(self) -> None:
        """At once: the program cannot do anything about it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    # --- what a person sees --------------------------------------------------------------------------

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def find(self, text: str, *, columns: range | None = None) -> tuple[int, int]:
        """Column and row where it begins."""
        for row in range(self.screen.lines):
            cells = [self.at(column, row).data for column in columns or range(self.screen.columns)]
            for column in range(len(cells)):
                if cells[column] and "".join(cells[column:]).startswith(text):
                    return column + (columns.start if columns else 0), row
        raise AssertionError(f"{text!r} is not on the screen:\n{self.text}")

    def at(self, column: int, row: int) -> Char:
        """What stands there, with colour and emphasis."""
        return self.screen.buffer[row][column]

    def wait(self, *texts: str, gone: tuple[str, ...] = ()) -> str:
        """Until all of these are on the screen, and none of those."""

        def there() -> bool:
            seen = self.text
            return all(text in seen for text in texts) and not any(text in seen for text in gone)

        self.wait_until(there, f"{texts!r}" + (f" without {gone!r}" if gone else ""))
        return self.text

    def wait_until(self, condition: Callable[[], Any], what: str = "what was waited for") -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            left = deadline - time.monotonic()
            if left < 0 or not self._read(left):
                assert condition(), f"{what} never came; the screen was:\n{self.text}"
                return

    def wait_for_bytes(self, sent: bytes) -> None:
        self.wait_until(lambda: sent in self.received, repr(sent))

    def ended(self) -> int:
        """The exit code, once it has ended; a shell's for one that was killed."""
        deadline = time.monotonic() + PATIENCE
        while self._read(0.05 if self.process.poll() is not None else 1.0) or self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; the screen was:\n{self.text}"
        code = self.process.wait()
        return code if code >= 0 else 128 - code

    # --- between them ------------------------------------------------------------------------------

    def _size(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._front, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self, seconds: float) -> bool:
        """What has come by then; False if nothing has."""
        if not select.select([self._front], [], [], seconds)[0]:
            return False
        try:
            data = os.read(self._front, 1 << 16)
        except OSError:  # Linux's way to say that the other side is closed
            return False
        self.received += data
        data = UNKNOWN.sub(b"", self._waiting + data)
        begun = BEGUN.search(data)
        whole = begun.start() if begun else len(data)
        self._waiting = data[whole:]
        self.stream.feed(data[:whole])
        return True
