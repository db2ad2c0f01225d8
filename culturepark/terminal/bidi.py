"""Text that runs from right to left, in a terminal that only knows from left to right."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import TextIO

LAM = "\u0644"
ZERO_WIDTH_JOINER = "\u200d"
FORMS = (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFEFD))
"""Where Unicode keeps letters as they look alone, first, in the middle and last."""
FROM_RIGHT = ("R", "AL", "AN")
LEAVE_IT, TAKE_IT_BACK = "\x1b[8l", "\x1b[8h"
"""ECMA-48's mode for terminals that reorder: the program does it, the terminal does it."""
LEVEL = re.compile(r"^ {8}Level\(\n {12}(\d+),$", re.MULTILINE)
"""One in what python-bidi tells of its reckoning. Anchored to lines, which no text in there can begin."""


def reorders(environ: Mapping[str, str]) -> bool:
    """Whether it is for us to bring lines into the order in which they are seen.

    Some terminals do so themselves and would turn ours round again; those that can be asked to leave it, are
    (`left_to_us`). `CULTUREPARK_BIDI` is for whoever knows better: on, off or auto.
    """
    wanted = environ.get("CULTUREPARK_BIDI", "").strip().lower()
    if wanted in ("on", "off"):
        return wanted == "on"
    behind_another = "TMUX" in environ or "STY" in environ  # which keeps the request to itself
    return not (
        (behind_another and "VTE_VERSION" in environ)
        or "KONSOLE_VERSION" in environ
        or "MLTERM" in environ
        or "KITTY_WINDOW_ID" in environ
        or environ.get("TERM_PROGRAM") == "Apple_Terminal"
        or environ.get("TERM", "").startswith(("mlterm", "xterm-kitty"))
    )


@contextmanager
def left_to_us(stream: TextIO, environ: Mapping[str, str]) -> Iterator[None]:
    """While this lasts, a terminal that reorders by itself (GNOME's and its kin, mintty) does not; others ignore it."""
    if not (reorders(environ) and stream.isatty()):
        yield
        return
    stream.write(LEAVE_IT)
    stream.flush()
    try:
        yield
    finally:
        stream.write(TAKE_IT_BACK)
        stream.flush()


def runs_from_right(text: str) -> bool:
    """Whether anything in it does."""
    return any(unicodedata.bidirectional(character) in FROM_RIGHT for character in text)


def levels(text: str) -> list[int]:
    """How deep each character of a paragraph is nested, first the paragraph's own: odd ones run from the right."""
    from bidi import get_base_level, get_display

    told = get_display(text, debug=True)
    of_bytes = [int(level) for level in LEVEL.findall(str(told))]
    found, at = [get_base_level(text)], 0
    for character in text:
        found.append(of_bytes[at])
        at += len(character.encode())
    return found


def seen(nested: Sequence[int]) -> list[int]:
    """Places of a line's pieces from left to right, by their levels: rule L2 of Unicode's algorithm."""
    order = list(range(len(nested)))
    for level in range(max(nested, default=0), 0, -1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and nested[order[end]] >= level:
                end += 1
            order[start:end] = reversed(order[start:end])
            start = end + 1
    return order


@cache
def mirrors() -> dict[int, str]:
    """Brackets and the like, which turn round with the text."""
    from bidi.mirror import MIRRORED

    return {ord(one): other for one, other in MIRRORED.items()}


@cache
def forms() -> dict[str, dict[str, str]]:
    """For each Arabic letter, and for lam with an alef, its shapes: `isolated`, `initial`, `medial`, `final`."""
    found: dict[str, dict[str, str]] = {"\u0640": dict.fromkeys(("initial", "medial", "final"), "\u0640")}
    for shape in map(chr, FORMS):
        how, *codes = unicodedata.decomposition(shape).split() or [""]
        letters = "".join(chr(int(code, 16)) for code in codes)
        if how.startswith("<") and (len(letters) == 1 or (letters[0] == LAM and letters[1:] in tuple("آأإا"))):
            found.setdefault(letters, {}).setdefault(how.strip("<>"), shape)
    return found


def shaped(text: str) -> list[str]:
    """Each character as it looks beside its neighbours; an alef that the lam before it has swallowed is empty.

    Terminals draw one character a cell, and most do not join letters across them.
    """
    known, glyphs = forms(), list(text)
    joining = [place for place, c in enumerate(text) if c == ZERO_WIDTH_JOINER or unicodedata.category(c) != "Mn"]
    links = [False]
    for one, other in pairwise(joining):
        links.append(gives(text[one], known) and takes(text[other], known))
    links.append(False)
    for number, place in enumerate(joining):
        before, after = links[number], links[number + 1]
        if not glyphs[place] or text[place] not in known:
            continue
        both = text[place] + text[joining[number + 1]] if after else ""
        if both in known:
            glyphs[place] = known[both]["final" if before else "isolated"]
            glyphs[joining[number + 1]] = ""
            continue
        how = ("medial" if after else "final") if before else ("initial" if after else "isolated")
        glyphs[place] = known[text[place]].get(how, text[place])
    return glyphs


def gives(letter: str, known: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether it reaches out to the letter after it."""
    return letter == ZERO_WIDTH_JOINER or "initial" in known.get(letter, ())


def takes(letter: str, known: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether it lets the letter before it reach it."""
    return letter == ZERO_WIDTH_JOINER or "final" in known.get(letter, ())
