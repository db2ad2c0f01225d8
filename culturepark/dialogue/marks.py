"""The mark that a speaker puts behind a turn: what the turn told, where that comes from, and whom it asks. Pure.

A mark stands at the end, in brackets or on lines of its own: `[told: answer; from: card; asks: Elif]`. It is cut off
before anybody hears the turn. A model that writes none has said nothing of its turn.
"""

from __future__ import annotations

import re
from typing import get_args

from culturepark.domain import Casting, Mark, Participant, Provenance, Told

FIELD = r"\b(?P<name>told|from|asks)\b[*_]*\s*[:：=]"
MARK = re.compile(
    r"\s*[*_`]*[\[({【]\s*[*_]*told\b[*_]*\s*[:：=][^\[\]{}【】\n]{0,200}(?:[\])}】][^\w.!?]*)?$"
    r"|(?:^|\n)[ \t*_`>#-]*told\b[*_]*\s*[:：=][^\n]{0,100}(?:\n\W{0,6}(?:from|asks)\b[*_]*\s*[:：=][^\n]{0,100})*\s*$",
    re.I,
)
"""A mark at the end of a reply: in brackets, of which the last may be missing, or on lines of its own."""
SOURCES: dict[str, Provenance] = {"card": "card", "memory": "episode", "episode": "episode", "guess": "model"}


def mark_in(text: str, casting: Casting, speaker: Participant) -> tuple[str, Mark | None]:
    """Return a reply without its mark, and the mark."""
    found = MARK.search(text)
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
    return text[: found.start()].rstrip(), mark
