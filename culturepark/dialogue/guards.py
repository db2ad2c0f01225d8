"""May this turn stand? Pure: a reply and what came before in, a named reason or None out.

The guards look at form, never at opinion: a turn that says something unwelcome stands.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from culturepark.languages import Language
from culturepark.languages.words import matches, plain
from culturepark.models.chat import Reply

SURNAME = r"(?: [A-ZÀ-ÞĞİŞ]\w*)?\]?(?: ?\([^)\n]{1,40}\))?\]?"
"""What may follow a name in a label: a surname, a bracket, a stage direction."""
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
    language: Language


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
    if reply.refusal or matches(text, hearing.language.phrases["refusal"]):
        return "refusal"
    if reply.unclear:  # thoughts that never ended are, as a rule, an answer that the limit cut off
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
    """The same for a moderator's follow-up, which must also be a question and take up what was just said."""
    if reason := objection(reply, text, hearing):
        return reason
    if not text.rstrip("\"'”»").endswith(("?", "？", "؟")) or len(text.split()) > 60:
        return "not-a-question"
    if not content_words(text, hearing.language) & content_words(taken_up, hearing.language):
        return "takes-nothing-up"
    return None


# --- one guard each ------------------------------------------------------------------------------


def speaks_for_another(text: str, hearing: Hearing) -> bool:
    """A label of somebody else, a script for several, or a claim to be somebody else."""
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
        # Case counts here: somebody may be called So, and somebody else so tired.
        if re.search(rf"\b(?i:{introducing}) {name}\b(?!['’]s)", text):
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


def dangles(text: str, language: Language) -> bool:
    """The last word asks for another one."""
    words = plain(text).split()
    return bool(words) and words[-1] in language.phrases["dangling"]


def other_language(text: str, language: Language) -> bool:
    """Clearly another language. Short turns and those full of names are given the benefit of the doubt."""
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
    """Words that carry the matter, cut to their first six letters so that `guests` meets `guest`."""
    function_words = set(language.phrases["function_words"])
    return {word[:6] for word in plain(text).split() if len(word) > 3 and word not in function_words}
