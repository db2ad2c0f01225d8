"""Guards of deduplication: differences between two similar texts that no embedding sees.

Two texts share a *frame* if most of their words are the same in the same order. A paraphrase does not share the frame
of its original. A text that does, and differs in a word (`six` or `eight`, `children` or `the eldest son`), as a rule
means something else. So inside a frame only words without a meaning of their own may differ. Without a common frame
similarity decides, unless the numbers differ. Two texts of one frame that differ are *rivals*: a third text can repeat
one of them, but not both.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import pairwise

from rapidfuzz.distance import Indel

from culturepark.languages import PACKAGES, Language, load_language

FRAME = 0.45
"""The least share of common words, in their order, of two texts with one frame. On the development rows light edits
have .79 and more, paraphrases .41 and less; no pair between them says the same."""
LETTER_FRAME = 0.6
"""The least share of common letters, in their order, of two texts with one frame in a language without word lists."""
SAME_WORDS = 0.75
"""The least share of common words of two texts that have the same words in another order."""


class Likeness(Enum):
    SAME = "one frame, and nothing in it differs"
    RIVAL = "one frame, and something in it differs; or the same words in another order"
    OTHER = "no common frame, and other numbers, or perhaps another side"
    OPEN = "no common frame: similarity decides"


@dataclass(frozen=True)
class Reading:
    """A text as it is compared."""

    words: tuple[str, ...]
    """In order; set phrases as one word, numbers as digits, each letter of a script without spaces as a word."""
    turning: tuple[int, frozenset[str]]
    """The number of negations; the quantifiers, numbers and groups of people."""
    numbers: frozenset[str]
    negated: bool
    """A whole clause may be negated; `without` negates only a part."""
    heavy: tuple[str, ...]
    """The words without those that carry no meaning by themselves."""
    beginnings: tuple[str, ...]
    """The beginning of each heavy word, the same in singular and plural."""
    stems: frozenset[str]
    """The beginnings of heavy words that are no function words."""
    endings: frozenset[str]
    """Endings by which forms of one word differ."""
    letters: str | None
    """All letters in order, of a language without word lists; otherwise None."""
    pairs: Counter[str] | None
    """Pairs of neighbouring letters, if the script is neither Latin nor Chinese or Japanese; otherwise None."""


def read(text: str, language: Language | str) -> Reading:
    """
    Args:
        text: its key.
        language: its word lists; or the code of a language that has none, in which no word counts as light.
    """
    lists = word_lists(language)
    elsewhere = negation_of(language)
    words = tuple(letter for word in words_of(text, language) for letter in (word if spaceless(word) else (word,)))
    bare = ["not" if word in lists["negation"] else word for word in words]
    # Without a list of words for it, each match of the language's pattern is a negation.
    negations = bare.count("not") if lists["negation"] else len(elsewhere.findall(text))
    heavy = tuple(word for word in bare if word not in lists["light"])
    return Reading(
        words=words,
        turning=(negations, frozenset(w for w in bare if w in lists["turning"] or w[0].isdigit())),
        numbers=frozenset(word for word in words if word[0].isdigit() or word in lists["ranks"]) - {"1"},
        negated=any(word in lists["negation"] and word not in lists["negates_a_part"] for word in words)
        or (len(heavy) > 0.8 * len(words) and bool(elsewhere.search(text))),
        heavy=heavy,
        beginnings=tuple(word.rstrip("".join(lists["plural"]))[:5] for word in heavy),
        endings=frozenset(("", *lists["endings"])),
        stems=frozenset(word[:5] for word in heavy if len(word) > 2 and word not in lists["function_words"]),
        letters=None if lists["light"] else "".join(words),
        pairs=Counter(a + b for word in words for a, b in pairwise(word)) if strange(words) else None,
    )


def compare(one: Reading, other: Reading, sided: bool = False) -> Likeness:
    """
    Args:
        sided: both texts are known to be on the same side of the question.
    """
    if in_one_frame(one, other):
        differ = one.turning != other.turning or changed(one, other)
        differ = differ or swapped(one.beginnings, other.beginnings) or swapped(one.heavy, other.heavy)
        return Likeness.RIVAL if differ else Likeness.SAME
    if one.numbers != other.numbers:
        return Likeness.OTHER
    if not sided and shared_words(one, other) >= SAME_WORDS:  # as where roles are swapped
        return Likeness.RIVAL
    return Likeness.OTHER if one.negated != other.negated and not sided else Likeness.OPEN


def in_one_frame(one: Reading, other: Reading) -> bool:
    """Return whether most words are the same in the same order; or letters, where forms of a word are not known."""
    if Indel.normalized_similarity(one.words, other.words) >= FRAME:
        return True
    letters = one.letters and other.letters and Indel.normalized_similarity(one.letters, other.letters)
    return bool(letters and letters >= LETTER_FRAME)


def shared_words(one: Reading, other: Reading) -> float:
    """Return the common stems as a share of those of the text with fewer."""
    return len(one.stems & other.stems) / max(1, min(len(one.stems), len(other.stems)))


def shared_letters(one: Reading, other: Reading) -> float:
    """Return the share of common letter pairs; 1 where an embedder knows the script of either text."""
    if one.pairs is None or other.pairs is None:
        return 1.0
    return 2 * (one.pairs & other.pairs).total() / max(1, one.pairs.total() + other.pairs.total())


def swapped(first: Sequence[str], second: Sequence[str]) -> bool:
    """Return whether the words are the same in another order, as in `parents owe children`, `children owe parents`."""
    if len(set(first) ^ set(second)) > 1:
        return False
    if Counter(first) == Counter(second):
        return list(first) != list(second)
    common = [stem for stem in first if first.count(stem) == 1 and second.count(stem) == 1]
    return [stem for stem in second if stem in set(common)] != common


def changed(first: Reading, second: Reading) -> bool:
    """Return whether either text has a word that the other has in no form."""
    return any(
        not any(inflected(word, other, one.endings) for other in another.heavy)
        for one, another in ((first, second), (second, first))
        for word in set(one.heavy) - set(another.heavy)
    )


def inflected(one: str, other: str, endings: Set[str]) -> bool:
    """Return whether endings show two forms of one word: `day` and `days`, not `employer` and `employee`."""
    letters = enumerate(zip(one, other, strict=False))
    shared = next((at for at, (a, b) in letters if a != b), min(len(one), len(other)))
    return shared >= 3 and {one[shared:], other[shared:]} <= endings


def key(text: str) -> str:
    """Return a text without case, punctuation, spaces and Unicode form; texts with the same key count as equal.

    Vowel signs, currencies and a point between digits stay, because without them different words and sums would be
    equal. The vowel marks and long strokes of Arabic go, which hardly anybody writes. So does the dot of the i, which
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


def words_of(text: str, language: Language | str) -> list[str]:
    """Return the words of a key, with set phrases as one word."""
    lists = word_lists(language)
    padded = f" {text} "
    for phrase, replacement in (*lists["contractions"].items(), *lists["phrases"].items()):
        padded = padded.replace(phrase, replacement)
    return [lists["words"].get(word, word) for word in padded.split()]


def strange(words: Sequence[str]) -> bool:
    """Return whether most letters are neither Latin nor Chinese or Japanese."""
    letters = [char for word in words for char in word if char.isalpha()]
    return sum(char > "\u024f" and not spaceless(char) for char in letters) * 2 > len(letters)


def spaceless(word: str) -> bool:
    """Return whether a word is Chinese or Japanese, whose scripts put no spaces between words."""
    return any("\u3040" <= char <= "\u9fff" for char in word)


@cache
def negation_of(language: Language | str) -> re.Pattern[str]:
    """Return the pattern of what negates a clause in a language; where none is known, those of all others are tried."""
    own = language.negation if isinstance(language, Language) else ""
    patterns = [own] if own else [found for code in PACKAGES if (found := load_language(code).negation)]
    return re.compile(unicodedata.normalize("NFKC", "|".join(patterns)))


@cache
def word_lists(language: Language | str) -> dict[str, dict[str, str]]:
    """Return the word lists of the guards for quick look-up; of a language without a package, empty ones."""
    lists = language.phrases if isinstance(language, Language) else defaultdict[str, list[str]](list)
    sets = {
        name: dict.fromkeys(lists[name], "")
        for name in ("light", "function_words", "negation", "negates_a_part", "turning", "ranks", "plural", "endings")
    }
    pairs = [pair.split(" = ") for pair in lists["as_one_word"]]
    return sets | {
        "phrases": {f" {a} ": f" {b} " for a, b in pairs if " " in a},
        "words": {a: b for a, b in pairs if " " not in a},
        "contractions": {f"{a} ": f" {b} " for a, b in (pair.split(" = ") for pair in lists["contractions"])},
    }
