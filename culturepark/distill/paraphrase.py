"""Whether two texts that look alike say the same: guards for what no similarity sees.

Two texts share a *frame* if most of their words are the same in the same order. Whoever says something again in other
words leaves the frame; what changes a word inside it (`six` to `eight`, `children` to `the eldest son`, half a reason)
as a rule means the change. So inside a frame only words that carry nothing may differ, and outside of it similarity
decides, unless the numbers differ. Two texts of one frame that differ are rivals: a third can be only one of them.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib.resources import files
from itertools import pairwise

from rapidfuzz.distance import Indel

from culturepark.languages import Language

FRAME = 0.45
"""From this share of common words on, in their order, two texts have one frame. On the development rows a light edit
has .79 and more, a paraphrase .41 and less, and nothing lies between them that says the same."""

SAME_WORDS = 0.75
"""Share of common words from which two texts without a common frame have the same words in another order."""


class Likeness(Enum):
    SAME = "one frame, and nothing in it differs"
    RIVAL = "one frame, and something in it differs; or the same words in another order"
    OTHER = "no common frame, and other numbers, or perhaps another side"
    OPEN = "no common frame: similarity decides"


@dataclass(frozen=True)
class Reading:
    """A text as it is compared; made once for each."""

    words: tuple[str, ...]
    """In order; set phrases put as one word, numbers as digits, each letter of a script without spaces as a word."""
    turning: tuple[int, frozenset[str]]
    """How many negations; which quantifiers, numbers and groups of people."""
    numbers: frozenset[str]
    negated: bool
    """Whether a whole clause may be; `without` negates less."""
    heavy: tuple[str, ...]
    """The words but for those that carry nothing by themselves."""
    beginnings: tuple[str, ...]
    """How each of them begins, in whatever number it stands."""
    stems: frozenset[str]
    """How those of them begin that name things, and are no grammar."""
    endings: frozenset[str]
    """By which forms of one word differ."""
    pairs: Counter[str] | None
    """Neighbouring letters, of a text in a script that Latin and Chinese readers do not know; otherwise None."""


def read(text: str, language: Language) -> Reading:
    """
    Args:
        text: its key.
    """
    lists = word_lists(language)
    words = tuple(letter for word in words_of(text, language) for letter in (word if spaceless(word) else (word,)))
    bare = ["not" if word in lists["negation"] else word for word in words]
    heavy = tuple(word for word in bare if word not in lists["light"])
    return Reading(
        words=words,
        turning=(bare.count("not"), frozenset(w for w in bare if w in lists["turning"] or w[0].isdigit())),
        numbers=frozenset(word for word in words if word[0].isdigit() or word in lists["ranks"]) - {"1"},
        negated=any(word in lists["negation"] and word not in lists["negates_a_part"] for word in words)
        or (len(heavy) > 0.8 * len(words) and bool(negation_elsewhere().search(text))),
        heavy=heavy,
        beginnings=tuple(word.rstrip("".join(lists["plural"]))[:5] for word in heavy),
        endings=frozenset(("", *lists["endings"])),
        stems=frozenset(word[:5] for word in heavy if len(word) > 2 and word not in lists["function_words"]),
        pairs=Counter(a + b for word in words for a, b in pairwise(word)) if strange(words) else None,
    )


def compare(one: Reading, other: Reading, sided: bool = False) -> Likeness:
    """How two texts stand to each other, as far as their words tell.

    Args:
        sided: they are known to be on one side of the question.
    """
    if Indel.normalized_similarity(one.words, other.words) >= FRAME:
        differ = one.turning != other.turning or swapped(one.beginnings, other.beginnings) or changed(one, other)
        return Likeness.RIVAL if differ else Likeness.SAME
    if one.numbers != other.numbers:
        return Likeness.OTHER
    if not sided and shared_words(one, other) >= SAME_WORDS:  # as where roles are swapped
        return Likeness.RIVAL
    return Likeness.OTHER if one.negated != other.negated and not sided else Likeness.OPEN


def shared_words(one: Reading, other: Reading) -> float:
    """Share of the words of the one with fewer that both have, by their beginnings."""
    return len(one.stems & other.stems) / max(1, min(len(one.stems), len(other.stems)))


def shared_letters(one: Reading, other: Reading) -> float:
    """Share of pairs of neighbouring letters that both have; 1 where an embedder knows the script of either."""
    if one.pairs is None or other.pairs is None:
        return 1.0
    return 2 * (one.pairs & other.pairs).total() / max(1, one.pairs.total() + other.pairs.total())


def swapped(first: Sequence[str], second: Sequence[str]) -> bool:
    """The same words in another order: `parents owe children` is not `children owe parents`."""
    if len(set(first) ^ set(second)) > 1:
        return False
    common = [stem for stem in first if first.count(stem) == 1 and second.count(stem) == 1]
    return [stem for stem in second if stem in set(common)] != common


def changed(first: Reading, second: Reading) -> bool:
    """Whether either has a word that the other has in no form."""
    return any(
        not any(inflected(word, other, one.endings) for other in another.heavy)
        for one, another in ((first, second), (second, first))
        for word in set(one.heavy) - set(another.heavy)
    )


def inflected(one: str, other: str, endings: Set[str]) -> bool:
    """Two forms of one word, as far as endings show: `day` and `days`, not `employer` and `employee`."""
    letters = enumerate(zip(one, other, strict=False))
    shared = next((at for at, (a, b) in letters if a != b), min(len(one), len(other)))
    return shared >= 3 and {one[shared:], other[shared:]} <= endings


def key(text: str) -> str:
    """Texts with the same key are the same text: case, punctuation, spaces and Unicode form aside.

    Vowel signs, currencies and a point between digits count: without them other words and other sums would be the same.
    The vowel marks and long strokes of Arabic, which hardly anybody writes, do not; nor does the dot of the i, which
    capitals have in Turkish alone.
    """
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("ı", "i").replace("i\u0307", "i")
    kept = []
    for index, char in enumerate(folded):
        if "\u064b" <= char <= "\u0652" or char == "\u0640":
            continue
        before, after = folded[index - 1 : index], folded[index + 1 : index + 2]
        inside = (before.isdigit() and after.isdigit()) or (char == "'" and before.isalpha() and after.isalpha())
        kept.append(" " if unicodedata.category(char)[0] in "PZC" and not inside else char)
    return " ".join("".join(kept).split())


def words_of(text: str, language: Language) -> list[str]:
    """The words of a key, with set phrases for one thing put as one word."""
    lists = word_lists(language)
    found = f" {text} "
    for ending, words in lists["contractions"].items():
        found = found.replace(ending, words)
    for phrase, word in lists["phrases"].items():
        if phrase in found:
            found = found.replace(phrase, word)
    return [lists["words"].get(word, word) for word in found.split()]


def strange(words: Sequence[str]) -> bool:
    """Whether most letters are of neither the Latin script nor the Chinese or Japanese."""
    letters = [char for word in words for char in word if char.isalpha()]
    return sum(char > "\u024f" and not spaceless(char) for char in letters) * 2 > len(letters)


def spaceless(word: str) -> bool:
    """Whether it is of a script that puts no spaces between words: Chinese, Japanese."""
    return any("\u3040" <= char <= "\u9fff" for char in word)


@cache
def negation_elsewhere() -> re.Pattern[str]:
    """What negates a clause in languages that have no phrases of their own here."""
    text = files("culturepark.languages").joinpath("negations.toml").read_text("utf-8")
    return re.compile("|".join(tomllib.loads(unicodedata.normalize("NFKC", text)).values()))


@cache
def word_lists(language: Language) -> dict[str, dict[str, str]]:
    """Of `phrases`, those that guards look words up in."""
    found = language.phrases
    told = {
        name: dict.fromkeys(found[name], "")
        for name in ("light", "function_words", "negation", "negates_a_part", "turning", "ranks", "plural", "endings")
    }
    pairs = [pair.split(" = ") for pair in found["as_one_word"]]
    return told | {
        "phrases": {f" {a} ": f" {b} " for a, b in pairs if " " in a},
        "words": {a: b for a, b in pairs if " " not in a},
        "contractions": {f"{a} ": f" {b} " for a, b in (pair.split(" = ") for pair in found["contractions"])},
    }
