"""May this turn stand? Pure: a reply and what came before in, a named reason or None out.

The guards look at form, never at opinion: a turn that says something unwelcome stands.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from culturepark.models.chat import Reply

SURNAME = r"(?: [A-ZÀ-ÞĞİŞ]\w*)?\]?(?: ?\([^)\n]{1,40}\))?\]?"
"""What may follow a name in a label: a surname, a bracket, a stage direction."""
CHAIR = "moderator|narrator|user|assistant|system"
"""Who may stand in a label and is nobody at the table."""
FRAME = re.compile(r"\((?:now your question to|[^()]{1,80}, it is your turn)", re.IGNORECASE)
"""How a request to a speaker begins; nobody speaks like that."""
LONGEST = 4000
"""Characters; nobody speaks longer at one go."""


@dataclass(frozen=True)
class Hearing:
    """What a guard may know: who speaks, who else sits there, and all that was said."""

    called: str
    others: tuple[str, ...]
    """What the others are called."""
    earlier: tuple[str, ...]
    """The texts of all earlier turns."""
    instruction: str
    """What the speaker alone was asked to do."""
    language: str = "en"


def clean(reply: Reply, called: str) -> str:
    """The spoken part of a reply: one contiguous piece of it, without a label in front or white space around.

    Thoughts and control tokens are out of a reply's text already (`models/thoughts`).
    NUL and lone surrogates, which no database column and no UTF-8 file can hold, become U+FFFD.
    """
    text = reply.text.strip()
    text = re.sub(rf"^[\[*]*(?i:{re.escape(called)}){SURNAME}\**\s*[:：]\**\s*", "", text, count=1)
    for opening, closing in ('""', "“”", "«»", "„“"):
        inside = text[1:-1]
        if text[:1] == opening and text[-1:] == closing and not {opening, closing} & set(inside):
            text = inside.strip()
    return storable(text)


def storable(text: str) -> str:
    """The text without NUL and lone surrogates, which no database column and no UTF-8 file can hold."""
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in text)


def objection(reply: Reply, text: str, hearing: Hearing) -> str | None:
    """Why the turn may not stand, as a stable word; None if it may.

    Args:
        reply: as it came.
        text: its spoken part, from `clean`.
    """
    if reply.withheld and not reply.refusal:
        return "content-filter"
    if reply.refusal or matches(text, phrases(hearing.language)["refusal"]):
        return "refusal"
    if reply.unclear:  # thoughts that never ended are, as a rule, an answer that the limit cut off
        return "cut-off" if reply.cut_off else reply.unclear
    if not any(c.isalpha() for c in text):
        return "empty"
    if reply.cut_off or len(text) > LONGEST or dangles(text, hearing.language):
        return "cut-off"
    if matches(text, phrases(hearing.language)["out_of_role"]):
        return "out-of-role"
    if speaks_for_another(text, hearing):
        return "spoken-for-another"
    if repeats(text, hearing):
        return "repeat"
    if other_language(text, hearing.language):
        return "wrong-language"
    return None


def objection_to_follow_up(reply: Reply, text: str, hearing: Hearing, taken_up: str) -> str | None:
    """The same for a moderator's follow-up, which must also be a question and take up what was just said."""
    if reason := objection(reply, text, hearing):
        return reason
    if not text.rstrip("\"'”»").endswith(("?", "？", "؟")) or len(text.split()) > 60:
        return "not-a-question"
    if not content_words(text) & content_words(taken_up):
        return "takes-nothing-up"
    return None


# --- one guard each ------------------------------------------------------------------------------


def speaks_for_another(text: str, hearing: Hearing) -> bool:
    """A label of somebody else, a script for several, or a claim to be somebody else."""
    text = in_lines(text)
    label, after_a_sentence = rf"{SURNAME}\**\s*:", r"[.!?…][\"'”»)]*\s+"
    if FRAME.search(text) or re.search(rf"(?m)^[^\w\n]*(?i:{CHAIR}){label}", text):
        return True
    if re.search(rf"{after_a_sentence}\W{{0,3}}(?:{CHAIR.title()}|{CHAIR.upper()}){label}", text):
        return True
    for other in hearing.others:
        name = re.escape(in_lines(other))
        if re.search(rf"(?m)(?:^[^\w\n]*|{after_a_sentence}\W{{0,3}})(?i:{name}){label}", text):
            return True
        # Case counts here: somebody may be called So, and somebody else so tired.
        if re.search(rf"\b(?i:I am|I'm|I’m|my name is|call me) {name}\b(?!['’]s)", text):
            return True
    return bool(re.search(rf"(?m)^\W{{0,3}}{re.escape(in_lines(hearing.called))}\s*:", text))


def in_lines(text: str) -> str:
    """The text as a reader sees it: no invisible characters, one form for each letter, one kind of line end."""
    seen = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "\n".join(seen.splitlines())


def repeats(text: str, hearing: Hearing) -> bool:
    """Much of it was said before (by anybody), is the instruction, or is said twice within the turn."""
    mine = shingles(text)
    for said in (*hearing.earlier, hearing.instruction):
        if plain(text) == plain(said):
            return True
        if len(mine) >= 4 and len(mine & shingles(said)) / len(mine) > 0.5:
            return True
    words = plain(text).split()
    return len(words) >= 24 and len(mine) < 0.6 * (len(words) - 3)


def dangles(text: str, language: str) -> bool:
    """The last word asks for another one."""
    words = plain(text).split()
    return bool(words) and words[-1] in phrases(language)["dangling"]


def other_language(text: str, language: str) -> bool:
    """Clearly another language. Short turns and those full of names are given the benefit of the doubt."""
    letters = [c for c in text if c.isalpha()]
    if language == "en" and len(letters) >= 8 and sum(not is_latin(c) for c in letters) > len(letters) / 2:
        return True
    if len(letters) < 40:
        return False
    from py3langid import rank

    ranked = rank(text)
    scores = dict(ranked)
    # The scores are unnormalised log-probabilities; a margin in proportion to the length is a clear verdict.
    return bool(ranked[0][0] != language and ranked[0][1] - scores[language] > 0.4 * len(text.split()) + 5)


def is_latin(char: str) -> bool:
    return unicodedata.name(char, "").startswith("LATIN")


# --- words ---------------------------------------------------------------------------------------


@cache
def phrases(language: str) -> dict[str, list[str]]:
    """`refusal`, `out_of_role` and `function_words` of a language, from a file beside the prompts."""
    path = Path(__file__).parent.parent / "languages" / language / "phrases.toml"
    return tomllib.loads(path.read_text("utf-8"))


def plain(text: str) -> str:
    """Lower case, no accents of composition, no punctuation: for comparing, never for storing."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    return " ".join(re.findall(r"[\w']+", folded))


def shingles(text: str, size: int = 4) -> set[tuple[str, ...]]:
    words = plain(text).split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def content_words(text: str, language: str = "en") -> set[str]:
    """Words that carry the matter, cut to their first six letters so that `guests` meets `guest`."""
    function_words = set(phrases(language)["function_words"])
    return {word[:6] for word in plain(text).split() if len(word) > 3 and word not in function_words}


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Whether any of the regular expressions is found in the text in lower case."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").strip()
    return any(re.search(pattern, folded) for pattern in patterns)


def starts_with(text: str, beginnings: Iterable[str]) -> bool:
    """Whole words: `hi` does not begin `his mother`."""
    return f"{plain(text)} ".startswith(tuple(f"{plain(b)} " for b in beginnings))


def contains(text: str, pieces: Sequence[str]) -> bool:
    padded = f" {plain(text)} "
    return any(f" {plain(piece)} " in padded for piece in pieces)
