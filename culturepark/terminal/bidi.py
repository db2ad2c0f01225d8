"""Text from right to left on terminals that write from left to right."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any, TextIO

LAM = "\u0644"
ZERO_WIDTH_JOINER = "\u200d"
FORMS = (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFEFD))
"""Code points of Unicode's presentation forms: Arabic letters as they look alone, first, in the middle and last."""
FROM_RIGHT = ("R", "AL", "AN")
LEAVE_IT, TAKE_IT_BACK = "\x1b[8l", "\x1b[8h"
"""ECMA-48's mode BDSM: lines are reordered by the program, or by the terminal."""
DEEPEST = 63
"""Depth of nested brackets up to which Unicode's algorithm pairs them."""
CANONICAL = str.maketrans("\u2329\u232a", "\u3008\u3009")
"""Brackets that are equivalent in Unicode."""


def reorders(environ: Mapping[str, str]) -> bool:
    """Tell whether the program has to put lines into visual order.

    Some terminals do that themselves, and would reverse the order again; `left_to_us` asks those that can be asked not
    to. `CULTUREPARK_BIDI` (on, off or auto) overrules the guess.
    """
    wanted = environ.get("CULTUREPARK_BIDI", "").strip().lower()
    if wanted in ("on", "off"):
        return wanted == "on"
    in_multiplexer = "TMUX" in environ or "STY" in environ  # tmux and screen do not pass on the request
    return not (
        (in_multiplexer and "VTE_VERSION" in environ)
        or "KONSOLE_VERSION" in environ
        or "MLTERM" in environ
        or "KITTY_WINDOW_ID" in environ
        or environ.get("TERM_PROGRAM") == "Apple_Terminal"
        or environ.get("TERM", "").startswith(("mlterm", "xterm-kitty"))
    )


@contextmanager
def left_to_us(stream: TextIO, environ: Mapping[str, str]) -> Iterator[None]:
    """Ask terminals that reorder by themselves (those on VTE, mintty) not to; others ignore the request."""
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
    return any(unicodedata.bidirectional(character) in FROM_RIGHT for character in text)


def levels(text: str) -> list[int]:
    """Return a paragraph's embedding levels by UAX #9: its own, then each character's. Odd ones run from the right.

    `text` has been through `safe`, so that there are no embeddings, overrides or isolates in it.
    """
    from bidi import algorithm

    base = algorithm.get_base_level(text)
    storage = algorithm.get_empty_storage() | {"base_level": base, "base_dir": "LR"[base]}
    algorithm.get_embedding_levels(text, storage)
    characters = storage["chars"]
    algorithm.explicit_embed_and_overrides(storage)  # removes characters without width, and makes one run of the rest
    algorithm.resolve_weak_types(storage)
    resolve_brackets(storage["chars"], "LR"[base])
    algorithm.resolve_neutral_types(storage, debug=False)
    algorithm.resolve_implicit_levels(storage, debug=False)
    resolved = [base]
    for character in characters:
        resolved.append(resolved[-1] if character["type"] in algorithm.X9_REMOVED else character["level"])
    return resolved


def resolve_brackets(characters: Sequence[dict[str, Any]], embedding: str) -> None:
    """Give both brackets of a pair one direction: rule N0, which `bidi.algorithm` leaves out."""
    for start, end in bracket_pairs(characters):
        inside = {strong(character["type"]) for character in characters[start + 1 : end]}
        if embedding in inside:
            direction = embedding
        elif inside & {"L", "R"}:
            before = (strong(character["type"]) for character in reversed(characters[:start]))
            context = next((side for side in before if side), embedding)
            direction = context if context in inside else embedding
        else:
            continue
        for place in (start, end):
            characters[place]["type"] = direction
            for mark in characters[place + 1 :]:
                if mark["orig"] != "NSM":
                    break
                mark["type"] = direction


def bracket_pairs(characters: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return the places of paired brackets in the order of the opening ones: rule BD16."""
    pairs: list[tuple[int, int]] = []
    awaited: list[tuple[str, int]] = []
    for place, character in enumerate(characters):
        bracket = character["ch"].translate(CANONICAL)
        if character["type"] != "ON" or ord(bracket) not in mirrors():
            continue
        if (category := unicodedata.category(bracket)) == "Ps":
            if len(awaited) == DEEPEST:
                return sorted(pairs)
            awaited.append((bracket.translate(mirrors()), place))
        elif category == "Pe":
            for depth in range(len(awaited) - 1, -1, -1):
                if awaited[depth][0] == bracket:
                    pairs.append((awaited[depth][1], place))
                    del awaited[depth:]
                    break
    return sorted(pairs)


def strong(kind: str) -> str:
    """Return the direction that a type of character has for its neighbours, or "". Numbers count as R."""
    return "L" if kind == "L" else "R" if kind in ("R", "EN", "AN") else ""


def visual_order(nested: Sequence[int]) -> list[int]:
    """Return the places of a line's pieces from left to right, by their levels: rule L2."""
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
    """Return code point -> mirrored character, for brackets and others."""
    from bidi.mirror import MIRRORED

    return {ord(character): mirrored for character, mirrored in MIRRORED.items()}


@cache
def letter_forms() -> dict[str, dict[str, str]]:
    """Return the `isolated`, `initial`, `medial` and `final` form of each Arabic letter, and of lam with an alef."""
    forms: dict[str, dict[str, str]] = {"\u0640": dict.fromkeys(("initial", "medial", "final"), "\u0640")}
    for shape in map(chr, FORMS):
        how, *codes = unicodedata.decomposition(shape).split() or [""]
        letters = "".join(chr(int(code, 16)) for code in codes)
        if how.startswith("<") and (len(letters) == 1 or (letters[0] == LAM and letters[1:] in tuple("آأإا"))):
            forms.setdefault(letters, {}).setdefault(how.strip("<>"), shape)
    return forms


def shape_letters(text: str) -> list[str]:
    """Return each character in its form beside its neighbours; an alef that is part of the lam before it is empty.

    Most terminals draw each cell by itself and join no letters.
    """
    known, glyphs = letter_forms(), list(text)
    joining = [place for place, c in enumerate(text) if c == ZERO_WIDTH_JOINER or unicodedata.category(c) != "Mn"]
    links = [False]
    for place, following in pairwise(joining):
        links.append(joins_next(text[place], known) and joins_previous(text[following], known))
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


def joins_next(letter: str, known: Mapping[str, Mapping[str, str]]) -> bool:
    return letter == ZERO_WIDTH_JOINER or "initial" in known.get(letter, ())


def joins_previous(letter: str, known: Mapping[str, Mapping[str, str]]) -> bool:
    return letter == ZERO_WIDTH_JOINER or "final" in known.get(letter, ())
