"""Guards say why a turn may not stand, from the reply and the turns before. Pure.

They look at form, never at opinion: a turn that says something unwelcome stands.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from culturepark.domain import storable
from culturepark.languages import Language
from culturepark.languages.words import matches, plain
from culturepark.models.chat import Reply

SURNAME = r"(?: [A-ZÀ-ÞĞİŞ]\w*)?\]?(?: ?\([^)\n]{1,40}\))?\]?"
"""May follow a name in a label: a surname, a bracket, a stage direction."""
LONGEST = 4000
"""Characters of a turn."""
LOOP = re.compile(r"(\S{1,8}?)\1{24,}")
"""Letters over and over, to which a model comes whose numbers have overflowed."""
INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}\W*$")
"""An abbreviation at the end, as `M.A.`, whose last letter is no word."""


@dataclass(frozen=True)
class Hearing:
    """All that a guard may know beside the reply."""

    called: str
    """The speaker's name, as the others use it."""
    others: tuple[str, ...]
    """The names of the others at the table."""
    earlier: tuple[str, ...]
    """The texts of earlier turns that may not be repeated."""
    instruction: str
    """The part of the request that was the speaker's alone."""
    language: Language


def clean(reply: Reply, called: str) -> str:
    """Return the spoken part of a reply: one contiguous piece of it, without a label in front or white space around.

    Thoughts and control tokens are out of a reply's text already (`models/thoughts`).
    """
    text = reply.text.strip()
    text = re.sub(rf"^[\[*]*(?i:{re.escape(called)}){SURNAME}\**\s*[:：]\**\s*", "", text, count=1)
    for opening, closing in ('""', "“”", "«»", "„“"):
        inside = text[1:-1]
        if text[:1] == opening and text[-1:] == closing and not {opening, closing} & set(inside):
            text = inside.strip()
    return storable(text)


def objection(reply: Reply, text: str, hearing: Hearing) -> str | None:
    """Return why a turn may not stand, as a stable word; None if it may.

    Args:
        text: the spoken part of the reply, from `clean`.
    """
    if reply.withheld and not reply.refusal:
        return "content-filter"
    if reply.refusal or matches(text, hearing.language.phrases["refusal"]):
        return "refusal"
    if reply.unclear:  # where thoughts never end, as a rule the limit cut the answer off
        return "cut-off" if reply.cut_off else reply.unclear
    if not any(c.isalpha() for c in text):
        return "empty"
    if reply.cut_off or len(text) > LONGEST or dangles(text, hearing.language):
        return "cut-off"
    if matches(text, hearing.language.phrases["out_of_role"]):
        return "out-of-role"
    if speaks_for_another(text, hearing):
        return "spoken-for-another"
    if repeats(text, hearing):
        return "repeat"
    if other_language(text, hearing.language):
        return "wrong-language"
    return None


def objection_to_follow_up(reply: Reply, text: str, hearing: Hearing, taken_up: str) -> str | None:
    """Return the same for a moderator's follow-up, which must be a question and take up what was just said."""
    if reason := objection(reply, text, hearing):
        return reason
    if not text.rstrip("\"'”»").endswith(("?", "？", "؟")) or len(text.split()) > 60:
        return "not-a-question"
    if not content_words(text, hearing.language) & content_words(taken_up, hearing.language):
        return "takes-nothing-up"
    return None


# --- one guard each ------------------------------------------------------------------------------


def speaks_for_another(text: str, hearing: Hearing) -> bool:
    """Return whether a turn has somebody else's label, is a script for several, or claims to be somebody else."""
    text = in_lines(text)
    lists = hearing.language.phrases
    chair, introducing = "|".join(lists["chair"]), "|".join(lists["introducing"])
    label, after_a_sentence = rf"{SURNAME}\**\s*:", r"[.!?…][\"'”»)]*\s+"
    if any(re.search(frame, text, re.I) for frame in lists["request"]):
        return True
    if re.search(rf"(?m)^[^\w\n]*(?i:{chair}){label}", text):
        return True
    if re.search(rf"{after_a_sentence}\W{{0,3}}(?:{chair.title()}|{chair.upper()}){label}", text):
        return True
    for other in hearing.others:
        name = re.escape(in_lines(other))
        if re.search(rf"(?m)(?:^[^\w\n]*|{after_a_sentence}\W{{0,3}})(?i:{name}){label}", text):
            return True
        # Case counts here: `I am so tired` does not introduce somebody called So.
        if re.search(rf"\b(?i:{introducing}) {name}\b(?!['’]s)", text):
            return True
    return bool(re.search(rf"(?m)^\W{{0,3}}{re.escape(in_lines(hearing.called))}\s*:", text))


def in_lines(text: str) -> str:
    """Return the text without invisible characters, with one form for each letter and one kind of line end."""
    visible = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "\n".join(visible.splitlines())


def repeats(text: str, hearing: Hearing) -> bool:
    """Return whether much of a turn was said before, is the instruction, or is said twice within it."""
    if LOOP.search(text):
        return True
    own = shingles(text)
    for earlier in (*hearing.earlier, hearing.instruction):
        if plain(text) == plain(earlier):
            return True
        if len(own) >= 4 and len(own & shingles(earlier)) / len(own) > 0.5:
            return True
    words = plain(text).split()
    return len(words) >= 24 and len(own) < 0.6 * (len(words) - 3)


def dangles(text: str, language: Language) -> bool:
    """Return whether the last word wants another after it, as `and` does."""
    words = plain(text).split()
    return bool(words) and not INITIALS.search(text) and words[-1] in language.phrases["dangling"]


def other_language(text: str, language: Language) -> bool:
    """Return whether a text is clearly in another language. Short turns and those full of names pass."""
    letters = [c for c in text if c.isalpha()]
    of_script = sum(unicodedata.name(c, "").startswith(language.script) for c in letters)
    if len(letters) >= 8 and of_script < len(letters) / 2:
        return True
    if len(letters) < 40:
        return False
    from py3langid import rank

    ranked = rank(text)
    scores = dict(ranked)
    # The scores are unnormalised log-probabilities; a margin in proportion to the length is a clear verdict.
    return bool(ranked[0][0] != language.code and ranked[0][1] - scores[language.code] > 0.4 * len(text.split()) + 5)


# --- words ---------------------------------------------------------------------------------------


def shingles(text: str, size: int = 4) -> set[tuple[str, ...]]:
    words = plain(text).split()
    return {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}


def content_words(text: str, language: Language) -> set[str]:
    """Return the words that carry meaning, cut to six letters so that `guests` equals `guest`."""
    function_words = set(language.phrases["function_words"])
    return {word[:6] for word in plain(text).split() if len(word) > 3 and word not in function_words}
