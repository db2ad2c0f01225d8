"""The mark that a speaker puts behind a turn: what the turn told, where that comes from, and whom it asks. Pure.

A mark stands at the end, in brackets or on lines of its own: `[told: answer; from: card; asks: Elif]`. It is cut off
before anybody hears the turn. A model that writes none has said nothing of its turn.
"""

from __future__ import annotations

import re
from typing import get_args

from culturepark.domain import Casting, Mark, Participant, Provenance, Told

FIELD = r"\b(?P<name>told|from|asks)\b[*_]*\s*[:：=]"
ENTRY = r"[*_]*\s*[:：=][^\n]{0,100}"
MARK = re.compile(
    # In brackets, of which the last may be missing; on a line of its own a word may stand before them.
    r"(?:\n[^\n.!?]{0,20}:)?\s*[*_`]*[\[({【]\s*[*_]*(?:told|from|asks)\b[*_]*\s*[:：=]"
    r"[^\[\]{}【】\n]{0,200}(?:[\])}】][^\w.!?]*)?$"
    # On lines of its own.
    rf"|(?:^|\n)[ \t*_`>#-]*told\b{ENTRY}(?:\n\W{{0,6}}(?:from|asks)\b{ENTRY})*\s*$"
    # Behind the speech on its last line.
    rf"|(?<=[.!?…”“\"'’»」』。！？؟।])[ \t]+[*_]*told\b{ENTRY}\bfrom\b{ENTRY}$",
    re.I,
)
"""A mark at the end of a reply."""
LONGEST = 400
"""Characters at the end of a reply in which a mark is looked for."""
SOURCES: dict[str, Provenance] = {"card": "card", "memory": "episode", "episode": "episode", "guess": "model"}


def mark_in(text: str, casting: Casting, speaker: Participant) -> tuple[str, Mark | None]:
    """Return a reply without its mark, and the mark."""
    begins = max(0, len(text) - LONGEST)
    found = MARK.search(text[begins:])
    if found is None:
        return text, None
    pieces = re.split(FIELD, found[0], flags=re.I)
    values = {name.lower(): value.lower() for name, value in zip(pieces[1::2], pieces[2::2], strict=True)}
    words = {name: re.findall(r"\w+", value) for name, value in values.items()}
    asks = values.get("asks", "")
    others = [p.persona for p in casting.participants if p.persona.key != speaker.persona.key]
    asked = [other.key for other in others if other.called.lower() in asks]
    mark = Mark(
        told=tuple(thing for thing in get_args(Told) if thing in words.get("told", ())),
        grounds=tuple(dict.fromkeys(SOURCES[word] for word in words.get("from", ()) if word in SOURCES)),
        asks=asked[0] if len(asked) == 1 else None,
    )
    return text[: begins + found.start()].rstrip(), mark
