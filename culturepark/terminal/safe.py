"""Text that cannot control a terminal, whatever a model or file has written, and the consoles that print it."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

LINE_END = re.compile("\r\n|[\r\v\f\x1c-\x1e\x85\u2028\u2029]")
BIDI = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}


def safe(text: object, *, lines: bool = False) -> str:
    """Return the text with visible signs in place of characters that move a cursor, colour, set a title or reorder.

    Args:
        lines: keep line ends, else they become spaces.
    """
    text = str(text)
    if text.isprintable():  # most texts
        return text
    out = []
    for char in text:
        code = ord(char)
        if char == "\n":
            out.append("\n" if lines else " ")
        elif char == "\t":
            out.append(" ")
        elif code in BIDI or 0xD800 <= code <= 0xDFFF:
            out.append("\ufffd")
        elif unicodedata.category(char) in ("Cc", "Co", "Cn"):
            out.append(chr(0x2400 + code) if code < 0x20 else "\ufffd")
        else:
            out.append(char)
    return "".join(out)


def clip(text: object, width: int) -> str:
    """Return safe text on one line, of at most `width` characters. No letter is cut from its marks."""
    line = re.sub(r"\s+", " ", safe(text)).strip()
    if len(line) <= width:
        return line
    if line.isascii():
        return line[: width - 1] + "…"
    from culturepark.terminal.linebreak import whole

    return line[: whole(line, width - 1)] + "…"


def editable(text: str) -> str:
    """Return the text without characters that a form cannot show, or that no database can hold.

    The former move a cursor or reorder a line; the latter are NUL and lone surrogates.
    """
    return "".join(c for c in LINE_END.sub("\n", text).replace("\t", " ") if safe(c, lines=True) == c)


def plain(text: object, style: str = "") -> Text:
    """Return safe text for Rich, in which nothing is markup."""
    from rich.text import Text

    return Text(safe(text, lines=True), style=style)


def console(**options: Any) -> Console:
    """Return a console that ignores odd sizes in the environment, and leaves a broken pipe to `main`."""
    from rich.console import Console

    class SafeConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    # Rich reads any digits in these two as a number: `²`, 0, five thousand nines.
    sizes = {name for name in ("COLUMNS", "LINES") if not re.fullmatch("[1-9][0-9]{0,3}", os.environ.get(name, ""))}
    environment = {name: os.environ[name] for name in os.environ if name not in sizes}
    return SafeConsole(**options, highlight=False, markup=False, emoji=False, _environ=environment)


def err() -> Console:
    """Return a console on stderr, for messages, progress and errors."""
    return console(stderr=True)


def out() -> Console:
    """Return a console on stdout, for data that people read; programs read --json."""
    return console()


def write(text: str) -> None:
    """Write data for programs to stdout, as UTF-8 without changes."""
    sys.stdout.flush()
    sys.stdout.buffer.write((text + "\n").encode("utf-8", "replace"))
    sys.stdout.buffer.flush()


def tell(text: str) -> None:
    """Print a short text on stderr."""
    messages = err()
    messages.print(plain(text), soft_wrap=not messages.is_terminal)


def show_origin(error: BaseException) -> None:
    """Print the traceback of an error if `CULTUREPARK_DEBUG=1`."""
    if os.environ.get("CULTUREPARK_DEBUG") == "1":
        import traceback

        from culturepark.redact import redact

        # Errors of libraries repeat answers of endpoints.
        print(safe(redact("".join(traceback.format_exception(error))), lines=True), file=sys.stderr)
