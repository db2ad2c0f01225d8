"""Writes the page: one file, nothing in it that a browser would fetch, nothing in it that could run but our own script.

What models and files wrote gets into the page in two ways only. The figures are HTML from a template that escapes every
value; the dialogues are base64, which the script unpacks and shows as text. A content security policy lets nothing run
and nothing be styled but the script and the style sheet of this program, by their digests.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from culturepark import __version__
from culturepark.errors import StoreError, UsageError
from culturepark.files import exists, readable
from culturepark.glossary import counted
from culturepark.interface import language, plural
from culturepark.interface.pages import tr_html, words_for, words_script
from culturepark.models.ledger import now
from culturepark.redact import without_secrets
from culturepark.report import overview
from culturepark.report.pack import Pack, Packer, Reviewers
from culturepark.stats.run_stats import culture_counts, seconds_by_stage, stats, turns_by_hand
from culturepark.store.dialogue_view import Scenes
from culturepark.store.search import Lists
from culturepark.store.store import Store
from culturepark.terminal.safe import safe, tell

HERE = Path(__file__).parent
SCRIPTS = ("make", "data", "search", "list", "persona", "behind", "calls", "reader", "main")
"""Parts of the page's one script, in their order."""
MARK = "<!doctype html>\n<!-- a culturepark report -->\n"
"""The beginning of every page; a file that begins otherwise is not overwritten."""

Progress = Callable[[int, int], None]
"""Called with the number of dialogues that are written, and their total."""


@dataclass(frozen=True)
class Written:
    place: Path | None
    """None for stdout."""
    typed: int
    """Number of turns on the page that a real person wrote."""


def write(store: Store, run_id: str, out: Path | None, progress: Progress) -> Written:
    """
    Args:
        out: None for a file named after the run; `-` for stdout.
    Raises:
        UsageError: if there is no such run, or the file exists and is no report.
        StoreError: if the file cannot be written.
    """
    run = store.run(run_id)
    place = out or Path(f"{run.id}.html")
    pieces = page(store, run.id, progress)
    if str(place) == "-":
        print_out(pieces)
        return Written(None, turns_by_hand(store, run))
    refuse_what_is_not_ours(place)
    put(pieces, place, store.database.mode)
    return Written(place, turns_by_hand(store, run))


def print_out(pieces: Iterator[str]) -> None:
    """Write a page to stdout.

    Raises:
        StoreError: if there is no place for temporary files.
    """
    # Written to a file first, so that an error half-way leaves stdout empty.
    try:
        whole = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    except FileNotFoundError:
        raise StoreError("no folder for temporary files can be written; name one with TMPDIR, or give -o") from None
    with whole:
        for piece in pieces:
            whole.write(piece.encode("utf-8", "replace"))
        whole.seek(0)
        sys.stdout.flush()
        while some := whole.read(1 << 20):
            sys.stdout.buffer.write(some)
        sys.stdout.buffer.flush()


def refuse_what_is_not_ours(place: Path) -> None:
    if not exists(place):
        return
    begins = b""
    with suppress(OSError, ValueError), readable(place).open("rb") as file:
        begins = file.read(len(MARK))
    if begins != MARK.encode():
        raise UsageError(f"{place}: is there already and is no report of culturepark; name another file")


def put(pieces: Iterator[str], place: Path, mode: int) -> None:
    """Write a page aside and move it to its place, so that it is never incomplete.

    Args:
        mode: permissions of the store, which are the most the page gets; an older page there can restrict them further.
    """
    try:
        real = place.resolve()  # a link leads to the file
        aside = real.with_name(f".{real.name[:100]}.{os.getpid()}.part")
        real.parent.mkdir(parents=True, exist_ok=True)
        is_there = False
        with suppress(FileNotFoundError):
            mode &= real.stat().st_mode
            is_there = True
        aside.unlink(missing_ok=True)
        try:
            descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)  # a new file, not a link
            with open(descriptor, "w", encoding="utf-8", errors="replace", newline="\n") as file:
                with suppress(PermissionError):  # some mounts have one mode for all
                    os.chmod(descriptor if os.chmod in os.supports_fd else aside, mode | 0o600)
                for piece in pieces:
                    file.write(piece)
            aside.replace(real)
        finally:
            aside.unlink(missing_ok=True)
        if is_there:
            tell(f"note: {safe(place)} was an earlier page of culturepark, and has been replaced")
    except OSError as error:
        raise StoreError(f"cannot write {place}: {error.strerror}") from None


def page(store: Store, run_id: str, progress: Progress = lambda *_: None) -> Iterator[str]:
    scenes, ids = Scenes(store, run_id), Lists(store, run_id).find()
    run, edition = scenes.run, scenes.edition
    figures = stats(store, run)
    reviewers = Reviewers(figures.reviews.by_reviewer)
    figures = figures.model_copy(update={"reviews": overview.anonymous(figures.reviews, reviewers)})
    cultures = culture_counts(store, run, edition)
    view = overview.view(
        run, edition, figures, cultures, seconds_by_stage(store, run), (scenes.scene(name) for name in ids)
    )
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        progress(done, len(ids))

    packs: Iterator[Pack] = Packer(scenes, reviewers).packs(ids, count)
    values = view | {
        "version": __version__,
        "made": now(),
        "style": part("page.css"),
        "script": script(),
        "style_digest": digest(part("page.css")),
        "script_digest": digest(script()),
        "dialogues": len(ids),
        "typed": turns_by_hand(store, run),
        "packs": packs,
        "words": words_for("culturepark/report/js/"),
    }
    yield MARK
    yield from (without_secrets(piece) for piece in environment().get_template("page.html").generate(values))


@cache
def environment() -> Environment:
    folder = FileSystemLoader(HERE)
    made = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    filters = (
        overview.grouped,
        overview.decimal,
        overview.percent,
        overview.points,
        overview.duration,
        overview.money,
        overview.country,
        overview.drawn_share,
        overview.how_far,
    )
    made.filters |= {function.__name__: function for function in filters}
    made.globals.update(figure=overview.figure, tr=tr_html, counted=counted, form=plural, language=language)
    return made


@cache
def script() -> str:
    """Return all parts as one script in a function of its own."""
    parts = "\n".join([words_script(), *(part(f"js/{name}.js") for name in SCRIPTS)])
    return f'(() => {{\n"use strict";\n{parts}\n}})();'


@cache
def part(name: str) -> str:
    return (HERE / name).read_text("utf-8").strip()


def digest(text: str) -> str:
    """Return the hash of a script or style as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
