"""Guards say why a turn may not stand, from the reply and the turns before. Pure.

They look at form, never at opinion: a turn that says something unwelcome stands, and so does one of which a rule cannot
know what it is. Rules that need no words work in every script and come first; a list that a language lacks is an error.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from sys import intern

from culturepark.domain import storable
from culturepark.languages import HOLE, Language
from culturepark.languages.identified import ranked
from culturepark.languages.words import ASCII_WORDS, compiled, contains, matches, matching, plain
from culturepark.models.chat import Reply

SURNAME = r"(?: (?![a-zß-öø-ÿ])[^\W\d_][^\s:：\]]*)?\]?(?: ?\([^)\n]{1,40}\))?\]?"
"""May follow a name in a label: a surname, a bracket, a stage direction."""
SENTENCE_END = r"(?:[.…؟۔][\"'”’»)]*\s+|[!?。।؟۔][\"'”’»」』)]*\s*)"
"""Between a sentence and the next; what follows a full-width mark, or stands in for one after NFKC, needs no space."""
SENTENCES = re.compile(SENTENCE_END)
LONGEST = 4000
"""Characters of a turn."""
LONGEST_QUESTION = 60
"""Words of a follow-up."""
UNMARKED = 15
"""Words that may be said without a mark at their end."""
LONGEST_NAME = 3
"""Words that may be the same in two languages."""
LOOP = re.compile(r"(\S{1,8}?)\1{24,}")
"""Letters over and over, to which a model comes whose numbers have overflowed."""
INITIALS = re.compile(r"\b(?:[^\W\d_]\.){2,}\W*$")
"""An abbreviation at the end, as `M.A.`, whose last letter is no word."""
SENTENCE_MARKS = (".", "!", "?", "…", "。", "।", "۔", "؟")
ABSTRACT = 0.2
"""Share of words; none of 326 spoken or stated sentences without `I` and `we` has more."""
CALLED, OTHER = "xspeakerx", "xotherx"
"""Marks in place of names; words, so that patterns can be written as for a name."""
QUOTED = re.compile('“[^“”]*”|"[^"]*"|«[^«»]*»|„[^„“”]*[“”]|「[^「」]*」')
UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
"""Beginnings of Unicode's names of letters whose words have no space between them."""
MARKUP = re.compile(
    r"```"
    r"|^\s*[\[{][^\n]*[\"”]\s*:"  # JSON
    r"|^\s*#{1,6}\s(?![^\n]*:\**\s*$)"  # a heading; one with a colon is a label
    r"|^\s*(?:[-*_=]\s?){3,}$"
    r"|^\s*\|.*\|\s*$"
    r"|\*\*(?!\s)[^*\n]+(?<!:)\*\*(?!\s*:)"  # bold, unless it is a label
    r"|</?[A-Za-z][^<>\n]{0,60}>"
    r"|\]\(\S+\)",
    re.MULTILINE,
)
"""What can be seen in a text and not heard in a voice."""
BULLETS = re.compile(r"(?m)^\s*[-*–—·→]\s+\S|[•‣▪●✅✔👉🔹🔸➤]")
NUMBERS = re.compile(
    r"(?:^|\n|[.!?:;。।؛؟])\s*\(?(?:[^\W\d_]{1,12} (?=\d+:))?"
    r"(\d{1,2}|[a-h](?=\))|I{1,3}(?=[.)])|[一二三四五六七八九](?=、))(?:[.)、:]|\ufe0f?\u20e3)(?=\s|[^\W\d])"
)
"""The number of an item at the start of a sentence, as `2.`, `b)`, `Rule 2:` or `二、`."""
INLINE_NUMBERS = re.compile(r"(?<!\S)\(?(\d{1,2})[.)](?=\s)")
"""The same anywhere, where three in a row are needed: `on the 1. and 2. of May` names two."""
FIELDS = re.compile(r"(?m)^\W{0,4}[^\W\d_][^\n:.!?,。，]{0,29}:(?!//)|(?<=[.!?] )[^\W\d_]:\s")
"""A few words and a colon at the start of a line, as in a form or a script; in the middle of one, a single letter."""
BRACKETS = re.compile(r"[\[{【〔](?!(?:[A-Z]{2,9}|key)\])[^\[\]{}【】〔〕\n]*[\]}】〕](?!\**\s*:)")
"""An abbreviation may stand in brackets, and `[key]` in place of a secret that was taken out."""
ASIDE = re.compile(r"\(([^()\n]{1,120})\)")
DASHED = re.compile(r"[-–—] ?[^-–—.!?:\n]{2,60} [-–—] ")
STARRED = re.compile(r"(?<![\w*])([*_~])(?![\s*_~])([^*_~\n]{1,120})(?<!\s)\1(?![\w*])")


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
    return cleaned(reply.text, called)


def cleaned(text: str, called: str) -> str:
    """Return a text without a label in front, and without quotes or white space around it."""
    text = text.strip()
    text = compiled(rf"^[\[*]*(?i:{re.escape(called)}){SURNAME}\**\s*[:：]\**\s*").sub("", text, count=1)
    for opening, closing in ('""', "“”", "«»", "„“"):
        inside = text[1:-1]
        if text[:1] == opening and text[-1:] == closing and not {opening, closing} & set(inside):
            text = inside.strip()
    return storable(text)


def may_stand(text: str, language: Language, called: str, others: tuple[str, ...] = ()) -> bool:
    """Return whether a bare text may stand as a turn, where only the names at the table are known.

    Raises:
        UsageError: as `objection` does.
    """
    hearing = Hearing(called, others, earlier=(), instruction="", language=language)
    reply = Reply(text, "stop", {})
    return objection(reply, clean(reply, called), hearing) is None


def objection(reply: Reply, text: str, hearing: Hearing) -> str | None:
    """Return why a turn may not stand, as a stable word; None if it may.

    Args:
        text: the spoken part of the reply, from `clean`.
    Raises:
        UsageError: if the language lacks a word list, and no rule that needs none objects.
    """
    return by_reply(reply, text) or by_form(text, hearing) or by_words(text, hearing)


def by_reply(reply: Reply, text: str) -> str | None:
    """Return the objection of what the server says of a reply, and to its length."""
    if reply.withheld and not reply.refusal:
        return "content-filter"
    if reply.refusal:
        return "refusal"
    if reply.unclear:  # where thoughts never end, as a rule the limit cut the answer off
        return "cut-off" if reply.cut_off else reply.unclear
    if not any(c.isalpha() for c in text):
        return "empty"
    if reply.cut_off or len(text) > LONGEST:
        return "cut-off"
    return None


def by_form(text: str, hearing: Hearing) -> str | None:
    """Return the objection of the rules that need no list of words."""
    if in_lines(text).endswith((",", "،", "、", "(")):
        return "cut-off"
    if labels_another(text, hearing):
        return "spoken-for-another"
    if is_written(text) or has_direction(text):
        return "out-of-role"
    if repeats(text, hearing):
        return "repeat"
    if other_language(text, hearing.language):
        return "wrong-language"
    return None


def by_words(text: str, hearing: Hearing) -> str | None:
    """Return the objection of the rules that need the language's lists."""
    lists = hearing.language.phrases
    if matches(text, lists["refusal"]):
        return "refusal"
    if dangles(text, hearing.language):
        return "cut-off"
    own = with_marks(text, hearing)
    out_of_role = with_holes_filled(lists["out_of_role"], hearing.language)
    if matches(own, out_of_role) or is_essay(own, hearing.language) or narrates(own, hearing.language):
        return "out-of-role"
    if speaks_for_another(text, hearing):
        return "spoken-for-another"
    return None


def objection_to_follow_up(reply: Reply, text: str, hearing: Hearing, taken_up: str) -> str | None:
    """Return the same for a moderator's follow-up, which must be a question and take up what was just said."""
    if reason := objection(reply, text, hearing):
        return reason
    if not asks(text) or length(text) > LONGEST_QUESTION:
        return "not-a-question"
    if not content_words(text, hearing.language) & content_words(taken_up, hearing.language):
        return "takes-nothing-up"
    return None


def objection_to_rendering(reply: Reply, text: str, original: str, hearing: Hearing) -> str | None:
    """Return the same for an interpreter's rendering of a turn, which has passed all guards itself.

    Args:
        hearing: in the language of the rendering.
    """
    if reason := by_reply(reply, text) or by_form(text, hearing):
        return reason
    if matches(text, hearing.language.phrases["refusal"]):
        return "refusal"
    if dangles(text, hearing.language):
        return "cut-off"
    said = words(text)
    return "wrong-language" if len(said) > LONGEST_NAME and said == words(original) else None


# --- one guard each ------------------------------------------------------------------------------


def is_written(text: str) -> bool:
    """Return whether a text has a shape that nobody can say aloud: markup, a list, a form or a script."""
    text = in_lines(text)
    if MARKUP.search(text) or len(BULLETS.findall(text)) > 1 or len(FIELDS.findall(text)) > 1:
        return True
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 2 and 2 * sum(line[-1].isalnum() for line in lines) > len(lines):
        return True
    steps = [b - a for a, b in pairwise(map(place, NUMBERS.findall(text)))]
    inline = [int(b) - int(a) for a, b in pairwise(INLINE_NUMBERS.findall(text))]
    return 1 in steps or (1, 1) in pairwise(inline)


def place(number: str) -> int:
    """Return the place in a list that a digit of any script, or a letter, stands for."""
    if number.isdecimal():
        return int(number)
    if number.startswith("I"):
        return len(number)
    return int(unicodedata.numeric(number, ord(number)))


def has_direction(text: str) -> bool:
    """Return whether something stands between the sentences that is done and not said, as `(laughs)` or `*sighs*`.

    What stands is a gloss or an aside inside a sentence, the rendering of a quote, an aside that is a sentence of its
    own, and a word stressed by asterisks.
    """
    text = in_lines(text).strip()
    if BRACKETS.search(text):
        return True
    if DASHED.match(text):
        return True
    for aside in ASIDE.finditer(text):
        before, inside = text[: aside.start()].rstrip(), aside[1].strip()
        after = text[aside.end() :].lstrip("*_ ")
        if not before.strip("*_ "):
            return not after.startswith(":")
        sentence = inside.endswith(("!", "?")) or (inside.endswith((".", "。", "।", "۔")) and len(words(inside)) > 3)
        if before.endswith(SENTENCE_MARKS) and not sentence:
            return True
    for starred in STARRED.finditer(text):
        before, after = text[: starred.start()].rstrip(" \"“«„'"), text[starred.end() :].lstrip(" \"“«„'")
        begins = not before or before.endswith((*SENTENCE_MARKS, "\n"))
        stressed = after[:1].islower() or (len(words(starred[2])) == 1 and not starred[2][-1].isalpha())
        if begins and not stressed and not after.startswith((",", ":", "'", "’")):
            return True
    return False


def labels_another(text: str, hearing: Hearing) -> bool:
    """Return whether the label of another stands in a turn, or the speaker's own once more."""
    text = in_lines(text)
    if any(labelled(text, re.escape(in_lines(other))) for other in hearing.others):
        return True
    own = re.escape(in_lines(hearing.called))
    return bool(own and compiled(rf"(?m)^\W{{0,3}}{own}\s*:").search(text))


def labelled(text: str, name: str, within: str = "") -> bool:
    """Return whether a label stands at the start of a line or after a sentence.

    Args:
        name: a pattern, in any case.
        within: the pattern for a label in the middle of a line, where case may count; the same if empty.
    """
    label = rf"{SURNAME}\**\s*:"
    starts = rf"(?m)(?:^[^\w\n]*(?i:{name})|{SENTENCE_END}\W{{0,3}}(?:{within or f'(?i:{name})'})){label}"
    for found in compiled(starts).finditer(text) if ":" in text else ():
        # `Moderator: that is what they call me` says something about the word.
        spoken_of = not found.start() and found[0][:1].isupper() and text[found.end() :].lstrip()[:1].islower()
        if not spoken_of:
            return True
    return False


def speaks_for_another(text: str, hearing: Hearing) -> bool:
    """Return whether a turn has the label of somebody who is not at the table, or claims to be somebody else."""
    text = in_lines(text)
    lists = hearing.language.phrases
    chair, introducing = ("|".join(lists[name]) or "(?!)" for name in ("chair", "introducing"))
    if any(compiled(frame, re.I).search(text) for frame in lists["request"]):
        return True
    if labelled(text, f"(?:{chair})", f"{chair.title()}|{chair.upper()}"):
        return True
    # Case counts here: `I am so tired` does not introduce somebody called So. `I am Markus' guest` does not either.
    others = "|".join(re.escape(in_lines(other)) for other in hearing.others)
    return bool(others and compiled(rf"\b(?i:{introducing}) (?:{others})\b(?!['’])").search(text))


def is_essay(text: str, language: Language) -> bool:
    """Return whether a text speaks as an essay does.

    Two of its phrases make one. Where nobody says `I` or `we` nor asks, one does, or a crowd of abstract nouns.
    """
    lists = language.phrases
    found = sum(1 for _ in matching(text, lists["essay"]))
    if found > 1 or asks(text) or contains(text, lists["first_person"]):
        return found > 1
    said = words(text)
    abstract = sum(len(word) > 5 and word.endswith(tuple(lists["abstract"])) for word in said)
    return found == 1 or (abstract > 2 and abstract > ABSTRACT * len(said))


def asks(text: str) -> bool:
    return text.rstrip("\"'”»」』)").endswith(("?", "？", "؟", "՞", "፧"))


def narrates(text: str, language: Language) -> bool:
    """Return whether a text with marks, or a sentence of it, tells of the speaker or of what is done at the table."""
    lists = language.phrases
    if not contains(text, lists["first_person"]) and matches(text, with_holes_filled(lists["told"], language)):
        return True
    patterns = with_holes_filled(lists["narration"], language)
    sentences = SENTENCES.split(in_lines(text))
    return any(matches(one, patterns) for one in sentences if not contains(one, lists["first_person"]))


@lru_cache(maxsize=256)
def in_lines(text: str) -> str:
    """Return the text without invisible characters, with one form for each letter and one kind of line end."""
    if text.isascii():
        return "\n".join(text.splitlines())
    visible = "".join(c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "\n".join(visible.splitlines())


def repeats(text: str, hearing: Hearing) -> bool:
    """Return whether much of a turn was said before, is the instruction, or is said twice within it."""
    if LOOP.search(text):
        return True
    own, said = shingles(text), words(text)
    for earlier in (*hearing.earlier, hearing.instruction):
        if said == words(earlier):
            return True
        if len(own) >= 4 and len(own & shingles(earlier)) / len(own) > 0.5:
            return True
    sentences = Counter(words(one) for one in SENTENCES.split(text))
    if any(count > 3 and len(one) > 1 for one, count in sentences.items()):
        return True
    return len(said) >= 24 and len(own) < 0.6 * (len(said) - 3)


def dangles(text: str, language: Language) -> bool:
    """Return whether the last word wants another after it, as `and` does.

    Where a language has no list of such words, several sentences or a long one want a mark at the end.
    """
    if not language.phrases["dangling"]:
        end = text.rstrip("\"'”»“」』)*_ \n")[-1:]
        several = any(mark in text for mark in SENTENCE_MARKS) or length(text) > UNMARKED
        return several and unicodedata.category(end or " ")[0] in "LM"
    said = plain(text).split()
    return bool(said) and not INITIALS.search(text) and said[-1] in language.phrases["dangling"]


def other_language(text: str, language: Language) -> bool:
    """Return whether a text is clearly in another language. Short turns and those full of names pass.

    What is quoted may be in any language, as a saying is, if something is said beside it.
    """
    unquoted = QUOTED.sub(" ", text)
    if sum(in_script(c, language.script) for c in unquoted) >= 8:
        text = unquoted
    letters = [c for c in text if c.isalpha()]
    of_script = sum(in_script(c, language.script) for c in letters)
    if len(letters) >= 8 and of_script < len(letters) / 2:
        return True
    if len(letters) < 40:
        return False
    scores = ranked(text)
    own = dict(scores).get(language.code.partition("-")[0])
    # The scores are unnormalised log-probabilities; a margin in proportion to the length is a clear verdict. Of a
    # language that it does not know, only the script is judged.
    return own is not None and bool(scores[0][1] - own > 0.4 * len(words(text)) + 5)


# --- words ---------------------------------------------------------------------------------------


@lru_cache(maxsize=2048)
def words(text: str) -> tuple[str, ...]:
    """Return the words in lower case, with their marks; in scripts without spaces each letter is one.

    They are kept: a turn is compared with all turns before it.
    """
    if text.isascii():
        return tuple(map(intern, ASCII_WORDS.findall(text.lower())))
    parts = []
    for c in unicodedata.normalize("NFKC", text).casefold().replace("’", "'"):
        kept = c.isalnum() or c in "_'" or unicodedata.category(c).startswith("M")
        parts.append(f" {c} " if is_unspaced(c) else c if kept else " ")
    return tuple(map(intern, "".join(parts).split()))


@lru_cache(maxsize=8192)
def in_script(character: str, script: str) -> bool:
    """Return whether a character is a letter of a script."""
    return character.isalpha() and unicodedata.name(character, "").startswith(script)


def is_unspaced(word: str) -> bool:
    return word > "\u0e00" and unicodedata.name(word[0], "").startswith(UNSPACED)


def length(text: str) -> float:
    """Return the number of words; in scripts without spaces five letters are about three."""
    return sum(0.6 if is_unspaced(word) else 1 for word in words(text))


@lru_cache(maxsize=512)
def shingles(text: str) -> frozenset[tuple[str, ...]]:
    """Return all four words in a row. They are kept: a turn is compared with all turns before it."""
    said = words(text)
    return frozenset(zip(said, said[1:], said[2:], said[3:], strict=False))


def content_words(text: str, language: Language) -> set[str]:
    """Return the words that carry meaning, cut to six letters so that `guests` equals `guest`.

    A Korean syllable is its letters here; in scripts without spaces each two letters in a row are a word.
    """
    function_words = set(language.phrases["function_words"])
    said = words(text)
    pairs = {a + b for a, b in pairwise(said) if is_unspaced(a) and is_unspaced(b)}
    spelled = [unicodedata.normalize("NFD" if is_hangul(word) else "NFC", word) for word in {*said} - function_words]
    return {word[:6] for word in spelled if len(word) > 3} | (pairs - function_words)


def is_hangul(word: str) -> bool:
    return unicodedata.name(word[0], "").startswith("HANGUL")


def with_marks(text: str, hearing: Hearing) -> str:
    """Return the text in lower case, with one mark for what was quoted, for the speaker's name, and for the others'.

    So the patterns of a language are the same for everybody. A name that is also a short word, as `So`, is none here.
    """
    lists = hearing.language.phrases
    words_too = {*lists["light"], *lists["function_words"], ""}
    text = folded(QUOTED.sub('""', text))
    for mark, names in ((CALLED, [hearing.called]), (OTHER, hearing.others)):
        if known := [re.escape(name) for name in map(folded, names) if name not in words_too]:
            text = compiled(rf"\b(?:{'|'.join(known)})\b").sub(mark, text)
    return text


def folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().replace("’", "'")


def with_holes_filled(patterns: list[str], language: Language) -> list[str]:
    """Return patterns for a text with marks."""
    gesture = f"(?:{'|'.join(language.phrases['gestures']) or '(?!)'})"
    return [with_hole_filled(pattern, gesture) for pattern in patterns]


@lru_cache(maxsize=4096)
def with_hole_filled(pattern: str, gesture: str) -> str:
    holes = {"called": CALLED, "other": OTHER, "gesture": gesture}
    return HOLE.sub(lambda hole: holes[hole[1]], pattern)
