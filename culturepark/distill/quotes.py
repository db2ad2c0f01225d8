"""Finds quotes in a turn, in code points, and renders them as sentences. Pure."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from culturepark.domain import Persona
from culturepark.languages import Language

LONGEST = 600
"""Characters of a statement."""


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Return start and end of a quote in a text, in code points; None if it is not there.

    Differences in case, spaces, quotation marks, dashes, composed accents and invisible characters are forgiven.
    """
    bare = quote.strip().strip('"“”').strip()
    for wanted in (quote.strip(), bare):  # as it came; then without the marks that a model may have put around it
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
    """Return the text with like characters made alike, and for each of its characters its span in the text."""
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
    """Return the span of each character with the accents and vowels that compose with it."""
    starts = [i for i, c in enumerate(text) if i == 0 or not (unicodedata.combining(c) or "\u1160" <= c <= "\u11ff")]
    return list(pairwise([*starts, len(text)]))


MARKS = {**dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’", "'"), **dict.fromkeys("–—−", "-")}


def as_sentence(quote: str) -> str:
    """Return a quote with a capital in front and a mark at the end; no word is changed."""
    body = quote.strip().rstrip(",;:")
    first = body[:1].upper()
    body = (first if len(first) == 1 else body[:1]) + body[1:]
    return body if body.endswith(ENDS) else f"{body}{full_stop(body)}"


def full_stop(text: str) -> str:
    """Return the mark that ends a sentence in the script of a text's last letter."""
    letter = next((unicodedata.name(c, "") for c in reversed(text) if c.isalpha()), "")
    return next((mark for script, mark in FULL_STOPS.items() if letter.startswith(script)), ".")


FULL_STOPS = {
    "CJK": "。", "HIRAGANA": "。", "KATAKANA": "。", "BENGALI": "।", "DEVANAGARI": "।", "ARABIC LETTER FARSI": "۔",
    "ETHIOPIC": "።", "ARMENIAN": "։",
}  # fmt: skip
"""Beginning of the names of a script's letters -> its full stop, where that is not the point."""


def attributed(persona: Persona, quote: str, language: Language) -> str:
    """Return a quote as a stand-alone statement that names its speaker; no word of the quote is changed."""
    return language.frame("says").render(
        name=persona.name, place=persona.place, country=persona.country_name, sentence=as_sentence(quote)
    )


ENDS = tuple(".!?…。！？؟।॥۔።։\"'”’»)")


def readable(text: str) -> bool:
    """Return whether a text is a sentence at all: not too long, no heading or list, at least six letters."""
    stripped = text.strip()
    if len(stripped) > LONGEST:
        return False
    alphabetic = sum(unicodedata.category(c).startswith("L") for c in stripped)
    listed = re.search(r"(?m)^\s*(?:[#*•·-]|\d+[.)]\s)|[:：]\s*$", stripped)
    return alphabetic >= 6 and not listed
