"""Names and notes that users give to runs. Commands take a name in place of the id."""

from __future__ import annotations

import re
import unicodedata

from sqlmodel import Session, col, select

from culturepark.domain import storable
from culturepark.errors import UsageError
from culturepark.ids import ARTEFACT_ID, DEMO, EVALUATION_ID
from culturepark.store.reviewer import JOINERS
from culturepark.store.store import Store
from culturepark.store.tables import RunRow, SelectionRow

LONGEST_NAME = 80
LONGEST_NOTE = 2000
RESERVED = ("last", DEMO)
"""Words that stand for a run in every store."""
MADE = re.compile(rf"(sel-|draw-|\d{{8}}(-|$)|{EVALUATION_ID}$|{ARTEFACT_ID}$)")
"""An id that the program makes, or its beginning."""


def name_run(store: Store, run_id: str, name: str) -> str | None:
    """Name a run, or take its name away if the new one is empty; return the name.

    Raises:
        UsageError: if this cannot be a name, or something else is called so.
    """
    new = sound_name(name) if name.strip() else None
    with store.database.writing() as session:
        if new and (holder := holder_of(session, new, run_id)):
            raise UsageError(f"{new!r} is taken: it stands for {holder}")
        session.get_one(RunRow, run_id).name = new
    return new


def note_run(store: Store, run_id: str, note: str) -> None:
    """Note something on a run, in place of its earlier note; an empty text takes it away.

    Raises:
        UsageError: if the note is too long.
    """
    text = storable(note).strip()
    if len(text) > LONGEST_NOTE:
        raise UsageError(f"the note has {len(text):,} characters; it may have {LONGEST_NOTE:,}")
    with store.database.writing() as session:
        session.get_one(RunRow, run_id).note = text or None


def sound_name(text: str) -> str:
    """Return a name in Unicode's composed form, so that names that look alike are one.

    Raises:
        UsageError: if it cannot be told from an id or an option, or cannot be printed.
    """
    name = unicodedata.normalize("NFC", text).strip()
    printable = name.translate({ord(joiner): None for joiner in JOINERS}).isprintable()
    if not (0 < len(name) <= LONGEST_NAME and printable):
        raise UsageError(f"a name has 1 to {LONGEST_NAME} printable characters")
    if name in RESERVED or MADE.match(name) or "." in name or name.startswith("-"):
        raise UsageError(
            f"{name!r} cannot be a name: it must differ from ids, which have a full stop, begin with a date, sel-, "
            f"draw- or an artefact's kind, or are an e with six hexadecimal digits, from options, "
            f"and from {' and '.join(RESERVED)}"
        )
    return name


def holder_of(session: Session, name: str, run_id: str) -> str | None:
    """Return the id of the run or selection that a name stands for already; None if there is no other than this run."""
    runs = select(RunRow.id).where((RunRow.name == name) | (RunRow.id == name), RunRow.id != run_id)
    return (
        session.exec(runs).first()
        or session.exec(select(SelectionRow.id).where(col(SelectionRow.name) == name)).first()
    )
