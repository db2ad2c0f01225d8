"""Finds a quote in a turn, and says whether it may stand. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from culturepark.dialogue.guards import phrases, plain

SHORTEST = 12
"""Characters; less is no statement."""
LONGEST = 600


def sentences(text: str, language: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, in code points, without the white space around it."""
    from sentencex import get_sentence_boundaries

    spans: list[tuple[int, int]] = []
    at = 0
    for boundary in get_sentence_boundaries(language, text):
        # Only the pieces are taken over from the library; where they stand is found here, in code points.
        piece = boundary["text"].strip()
        start = text.find(piece, at)
        if piece and start >= 0:
            spans.append((start, start + len(piece)))
            at = start + len(piece)
    return spans


def locate(quote: str, text: str) -> tuple[int, int] | None:
    """Where the quote stands in the text, in code points; forgiving in case, spaces, quotation marks and dashes."""
    bare = quote.strip().strip('"“”').strip()
    for wanted in (quote.strip(), bare):  # as it came; then without the marks that a model may have put round it
        start = text.find(wanted)
        if wanted and start >= 0:
            return start, start + len(wanted)
    folded, origin = fold(text)
    folded_quote, _ = fold(bare)
    wanted = folded_quote.strip()
    start = folded.find(wanted)
    if start < 0 or not wanted:
        return None
    end = start + len(wanted) - 1
    return origin[start], origin[end] + 1


def fold(text: str) -> tuple[str, list[int]]:
    """The text with like characters made alike, and for each of its characters where it came from."""
    out: list[str] = []
    origin: list[int] = []
    for index, char in enumerate(text):
        alike = MARKS.get(char, char.lower() if len(char.lower()) == 1 else char)
        if alike.isspace():
            if out and out[-1] == " ":
                continue
            alike = " "
        out.append(alike)
        origin.append(index)
    return "".join(out), origin


MARKS = {**dict.fromkeys("“”„«»", '"'), **dict.fromkeys("‘’", "'"), **dict.fromkeys("–—−", "-")}


def objection(start: int, end: int, text: str, others: Sequence[str], language: str) -> str | None:
    """Why words of a turn may not be mined as the speaker's own; None if they may.

    Args:
        start, end: the quote, in code points.
        others: what the other people at the table are called.
    """
    quote = text[start:end]
    if len(quote) < SHORTEST or len(plain(quote).split()) < 3:
        return "too-short"
    if len(quote) > LONGEST:
        return "too-long"
    sentence = next((text[a:b] for a, b in sentences(text, language) if a <= start < b), quote)
    if sentence.rstrip("\"'”’») ").endswith(("?", "？", "؟")):
        return "question"
    if small_talk(sentence, language):
        return "small-talk"
    if reports_another(quote, others, language):
        return "another-speaker"
    return None


def small_talk(sentence: str, language: str) -> bool:
    words = f"{plain(sentence)} "
    return any(words.startswith(f"{plain(g)} ") for g in phrases(language)["small_talk"]) and len(words.split()) < 12


def reports_another(quote: str, others: Sequence[str], language: str) -> bool:
    """`Emily said ...`, `you told us ...`: what somebody else thinks or did."""
    words = f" {plain(quote)} "
    verbs = "|".join(map(re.escape, phrases(language)["says"]))
    names = "|".join([*(re.escape(plain(name)) for name in others), *phrases(language)["you"]])
    return bool(re.match(rf" (?:as )?(?:{names}) (?:\w+ )?(?:{verbs})\b", words))


def readable(text: str) -> bool:
    """Whether it is a sentence at all: no heading, no list, letters in it."""
    stripped = text.strip()
    if len(stripped) > LONGEST:
        return False
    letters = sum(unicodedata.category(c).startswith("L") for c in stripped)
    listed = re.search(r"(?m)^\s*(?:[#*•·-]|\d+[.)]\s)|[:：]\s*$", stripped)
    return letters >= 6 and not listed
