"""Finds quotes in a turn, in code points, and says what can be one. Pure."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from culturepark.domain import Persona
from culturepark.languages import Language

SHORTEST = 12
"""Characters; less is no statement."""
LONGEST = 600


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Where the quote stands in the text, in code points; forgiving in case, spaces, quotation marks, dashes, in how
    accents are composed, and in what nobody sees."""
    bare = quote.strip().strip('"“”').strip()
    for wanted in (quote.strip(), bare):  # as it came; then without the marks that a model may have put round it
        start = text.find(wanted)
        if wanted and start >= 0:
            return start, start + len(wanted)
    folded, origin = fold(text)
    wanted = fold(bare)[0].strip()
    start = folded.find(wanted)
    if start < 0 or not wanted:
        return None
    return origin[start][0], origin[start + len(wanted) - 1][1]


def fold(text: str) -> tuple[str, list[tuple[int, int]]]:
    """The text with like characters made alike, and for each of its characters where it came from."""
    out: list[str] = []
    origin: list[tuple[int, int]] = []
    for start, end in letters(text):
        for char in unicodedata.normalize("NFC", text[start:end]):
            alike = MARKS.get(char, char.lower() if len(char.lower()) == 1 else char)
            if alike.isspace():
                if out and out[-1] == " ":
                    continue
                alike = " "
            elif unicodedata.category(alike) in ("Cc", "Cf"):
                continue
            out.append(alike)
            origin.append((start, end))
    return "".join(out), origin


def letters(text: str) -> list[tuple[int, int]]:
    """Each character with the accents and vowels that compose with it."""
    starts = [i for i, c in enumerate(text) if i == 0 or not (unicodedata.combining(c) or "\u1160" <= c <= "\u11ff")]
    return list(pairwise([*starts, len(text)]))


MARKS = {**dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’", "'"), **dict.fromkeys("–—−", "-")}


def as_sentence(quote: str) -> str:
    """A quote as it is written when it stands alone: a capital in front, a mark at the end, not a word changed."""
    body = quote.strip().rstrip(",;:")
    first = body[:1].upper()
    body = (first if len(first) == 1 else body[:1]) + body[1:]
    return body if body.endswith(ENDS) else f"{body}."


def attributed(persona: Persona, quote: str, language: Language) -> str:
    """A quote as a stand-alone statement: said by whom, and from where. No word of it is touched."""
    return language.frame("says").render(
        name=persona.name, place=persona.place, country=persona.country_name, sentence=as_sentence(quote)
    )


ENDS = tuple(".!?…。！？؟।\"'”’»)")


def readable(text: str) -> bool:
    """Whether it is a sentence at all: no heading, no list, letters in it."""
    stripped = text.strip()
    if len(stripped) > LONGEST:
        return False
    alphabetic = sum(unicodedata.category(c).startswith("L") for c in stripped)
    listed = re.search(r"(?m)^\s*(?:[#*•·-]|\d+[.)]\s)|[:：]\s*$", stripped)
    return alphabetic >= 6 and not listed
