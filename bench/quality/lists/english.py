"""Rules of English about whose view a part of a sentence tells, and of which kind. Word lists are in `phrases.toml`.

They are kept as they stood in the product, which asks a model now, so that there is something to compare it with.

`objection` refuses parts that are certainly not the speaker's own view or practice. `kind_of` reads the kind off the
wording. `aside` refuses the speaker's own parts that say nothing of a culture.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

from culturepark.domain import Kind
from culturepark.languages import Language
from culturepark.languages.words import contains, plain, starts_with

PHRASES = Path(__file__).with_name("phrases.toml")
MARKS = str.maketrans(dict.fromkeys("‘’", "'") | dict.fromkeys("“”„«»", '"') | dict.fromkeys("–—−", "-"))
FEWEST = 4
"""Least words of a statement, `I think` not counted; fewer cannot be understood by themselves."""
UNMARKED = 6
"""Least words of a part that is marked neither as a view nor as a rule nor as a practice."""
PART = 5
"""Least words of a part."""
SHORT = 12
"""Words; a longer sentence may begin like a greeting and go on to say something."""
NOTHING = "(?!)"
"""Matches nothing."""
QUESTION_MARKS = ("?", "？", "؟")
STRONG = re.compile(r"\s*[;:]\s+|\s+[-–—]+\s+|—|,\s+but\s+")
"""Cuts a sentence into parts."""
SPEAKS_UP = re.compile(r"(?:I|we|our|my own|in (?:my|our)|for (?:me|us)|to my mind|with us|here)\b", re.I)
"""Begins a part in which the speaker speaks again after a report of others."""
NAME = r"[^\W\d_a-z][\w'-]*"
"""A word with a capital, which may be a name; `is_name` decides."""
SINGLE = "he|she"
KIN = "(?:grand)?(?:mother|father|ma|pa)|mum|mom|dad|(?:uncle|aunt|auntie)(?: \\w+)?"
SOMEBODY = "my|his|her|their|your|our|the|a|an|some|many|most|few|certain|other|another|one of"
FEW_WORDS = r"(?:(?!(?:who|that|which|whose|when|if|whoever|we|I)\b)[\w'-]+ ){1,5}?"
"""The rest of a subject, up to a relative pronoun."""
CROWD = "they|people|others|some|many|friends|folks|neighbou?rs|critics|experts|scientists|politicians|foreigners"
AMONG_US = r" (?:here|around here|with us|among us|at home|where I \w+|in (?:our|my) \w+)"
BETWEEN = (
    r"(?:(?:just|also|always|often|once|never|still|even|only|has|had|have|was|were|used to|likes to|would|will|keeps?"
    r"|does not|doesn't|did not|didn't|\w+ly) )*"
)
"""May stand between a subject and its verb."""
SHARED = r"\band (?:so (?:do|say|think) (?:we|I)|we (?:still|all|do)|(?:he|she|they) (?:is|was|are|were) right)\b"
"""A report that the speaker shares: `..., and so do we`."""
TOLD = (
    "said|told|telling|saying|mentioned|asked|asking|spoke|described|called|meant|wanted|explained|argued|claimed"
    "|suggested|wrote|talked|put it"
)
HELPING = "have|had|are|were|also|just|all|both|already|really|once|certainly|did"
BELOW = r"\b(?:who|which|than|because|although|though|that (?:was|were|had|came|went))\b"
"""Begins a subordinate clause."""
LOOSE = "and|but|so|or|yet|still|well|now|look|yes|no|oh|ah|then|also|though|perhaps|maybe"
"""Openers that need no comma after them."""
VIEW_BEFORE = r"(?:^|[,;:(-] ?|\b(?:and|but|so|yes|still|that|because|though|well) )"
"""May stand before `I think`."""


@dataclass(frozen=True)
class Part:
    """A part of a sentence, with the findings of the rules."""

    start: int
    """Code points, in the sentence; in `mining`, in the turn."""
    end: int
    begins: int
    """The start without an opener such as `Still, `."""
    kind: Kind | None
    """The kind that the wording shows; None where it shows none."""
    not_own: str | None
    """The reason why it is not the speaker's own view or practice; None if it may be."""
    no_statement: str | None
    """The reason why it says nothing about a culture, although it is the speaker's own; None if it may."""


def visible(text: str) -> str:
    """Return the text on one line, without invisible characters, with one form of each mark."""
    folded = unicodedata.normalize("NFKC", text).translate(MARKS)
    return " ".join("".join(c for c in folded if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")).split())


def either(words: Iterable[str]) -> str:
    """Return the words as alternatives of a regular expression, the longest first."""
    return alternatives(tuple(words))


@cache
def alternatives(words: Sequence[str]) -> str:
    return "|".join(re.escape(visible(word)) for word in sorted(words, key=len, reverse=True))


class English:
    def __init__(self, language: Language) -> None:
        self.sentences = language.sentences
        self.lists: dict[str, list[str]] = tomllib.loads(PHRASES.read_text("utf-8"))

    def parts(self, sentence: str, following: str, others: Sequence[str], country: str) -> list[Part]:
        """Cut a sentence into parts that can stand by themselves.

        Args:
            following: the next sentence of the turn, or empty; it may take this one back as a joke.
            others: the names of the other people at the table.
            country: the speaker's (ISO 3166 alpha-3).
        """
        whole = self.no_telling(sentence, following)
        parts = []
        reported = False  # what follows a report goes on with it, until the speaker takes the word back
        for start, end in self.cuts(sentence):
            text = sentence[start:end]
            not_own = whole or self.objection(text, others, country)
            if not_own in ("another-speaker", "hearsay"):
                reported = True
            elif not_own is None and reported and not SPEAKS_UP.match(self.bare(visible(text))):
                not_own = "another-speaker"
            parts.append(
                Part(
                    start,
                    end,
                    start + self.opening(text),
                    self.kind_of(text),
                    not_own,
                    None if not_own else self.aside(text),
                )
            )
        return parts

    def people_in(self, cue: str, speaker: str) -> list[str]:
        """Return the names of people that a moderator's words mention, without the speaker's.

        These are words with a capital that are no places. At a sentence's start only a verb or comma after it tells.
        """
        verbs = either([*self.lists["minds"], *self.lists["reports"], "has", "is", "was"])
        names = []
        for start, end in self.sentences(cue):
            said = visible(cue[start:end])
            for match in re.finditer(NAME, said):
                word = match[0].removesuffix("'s")
                before, after = said[: match.start()], said[match.end() :]
                somewhere = re.search(r"\b(?:in|from|at|to|near|on) (?:the )?$", before)
                if word == speaker or somewhere or not self.is_name(word):
                    continue
                if before or re.match(rf",| (?:{verbs})\b", after):
                    names.append(word)
        return names

    # --- a sentence --------------------------------------------------------------------------------

    def no_telling(self, sentence: str, following: str) -> str | None:
        """Return why a whole sentence tells nothing: it is a question, small talk, or taken back as a joke."""
        said = visible(sentence)
        if said.rstrip("\"')] ").endswith(QUESTION_MARKS):
            return "question"
        may_greet = len(plain(said).split()) < SHORT or self.kind_of(sentence) is None
        if may_greet and any(starts_with(start, self.lists["small_talk"]) for start in (said, self.bare(said))):
            return "small-talk"
        if contains(said, self.lists["joking"]) or starts_with(visible(following), self.lists["joking"]):
            return "not-meant"
        return None

    def cuts(self, sentence: str) -> list[tuple[int, int]]:
        """Return the spans of a sentence's parts: it is cut at strong marks, before `but`, and before `I think`."""
        marks = sorted({m.span() for pattern in (STRONG, self._views_begin) for m in pattern.finditer(sentence)})
        spans, at = [], 0
        for start, end in marks:
            if start >= at and sentence[at:start].strip() and len(sentence[end:].split()) >= PART:
                spans.append((at, start))
                at = end
        return [*spans, (at, len(sentence))]

    @cached_property
    def _views_begin(self) -> re.Pattern[str]:
        views = either(view for view in self.lists["opinion"] if view.startswith(("I ", "I'")))
        return re.compile(rf",\s+(?:(?:and|but|so|yet|though)\s+)?(?=(?:[\w ]{{1,12}},?\s+)?(?:{views})\b)")

    # --- whose it is -------------------------------------------------------------------------------

    def objection(self, piece: str, others: Iterable[str], country: str) -> str | None:
        """Return why a part is not the speaker's own view or practice; None if it may be."""
        said = visible(piece)
        start = self.bare(said)
        if self.of_another(start, others) or self.addressed(start, said):
            return "another-speaker"
        if self.told_by(said) or self.quotes_somebody(said):
            return "another-speaker"
        if contains(said, self.lists["hearsay"]):
            return "hearsay"
        if contains(said, self.lists["undecided"]):
            return "undecided"
        if starts_with(start, self.lists["imagined"]):
            return "not-meant"
        if self.elsewhere(start, said, country):
            return "another-country"
        return None

    def of_another(self, start: str, others: Iterable[str]) -> bool:
        """Return whether the main clause is about somebody else's thoughts, words or deeds."""
        reports, minds = either(self.lists["reports"]), either(self.lists["minds"])
        known = either([*others, *self.lists["given_names"]])
        called = rf"(?:^|(?<=[,;:!] ))(?:{known})(?=[,!])|, (?:{known})(?=[,.!]|$)"
        if re.search(rf"(?<!Saint )(?<!St )(?<!St\. )(?<!San )\b(?:{known})\b", re.sub(called, "", start)):
            return True
        first = re.match(NAME, start)
        if first and self.is_name(first[0]):
            rest = start[first.end() :].lstrip()
            view = first[0].endswith("'s") and re.match(rf"(?:\w+ )?(?:{either(self.lists['views'])})\b", rest)
            if view or re.match(rf"{BETWEEN}(?:{reports}|{minds})\b", rest):
                return True
        where = rf"(?:(?:{either(self.lists['setting'])}) (?:[\w'-]+ ){{1,4}}?)?"
        if re.match(rf"(?:as )?{where}(?:{SINGLE}|{KIN}) {BETWEEN}(?:{reports}|{minds})\b", start, re.I):
            return True
        if re.match(rf"(?:as |because )?{where}(?:{SOMEBODY}) {FEW_WORDS}{BETWEEN}(?:{reports})\b", start, re.I):
            return not re.search(SHARED, start)
        return bool(re.match(rf"(?:{CROWD})\b(?!{AMONG_US}) {BETWEEN}(?:{reports})\b", start, re.I))

    def told_by(self, said: str) -> bool:
        """Return whether a tag names another speaker: `..., she told us`, `..., my aunt insists, ...`."""
        whom = rf"(?:as )?(?P<whom>{SINGLE}|they|{NAME})|(?P<kin>(?:my|his|her|their|the|our) [\w'-]+)"
        verbs = either([*self.lists["reports"], "put it", "puts it"])
        if re.search(
            r"\b(?:(?<!to )tell|tells|told|telling|assured?|assures|reminded|reminds|warned|warns) (?:me|us)\b", said
        ):
            return True
        tags = re.finditer(rf", (?:{whom}) {BETWEEN}(?:{verbs})(?: us| me)?(?=[,.;!]|$| in | to | at )", said)
        return any(tag["kin"] or tag["whom"][0].islower() or self.is_name(tag["whom"]) for tag in tags)

    def quotes_somebody(self, said: str) -> bool:
        """Return whether somebody else than the speaker's own people is quoted, with three words or more."""
        quoted = next((m for m in re.finditer(r'"([^"]*)"?', said) if len(m[1].split()) >= 3), None)
        if quoted is None:
            return False
        before = said[: quoted.start()]
        report = re.search(rf"\b(?:{either(self.lists['reports'])})\b", before, re.I)
        return bool(report) and not re.search(r"\b(?:we|I)(?: \w+){0,2} (?:say|tell)\b", before, re.I)

    def addressed(self, start: str, said: str) -> bool:
        """Return whether a part is about the person spoken to: `you mentioned`, `Heather, your brother`."""
        if re.search(rf"\byou(?:'ve|'re)?(?: (?:{HELPING}))* (?:{TOLD})\b", said, re.I):
            return True
        if contains(said, self.lists["addressed"]):
            return True
        called = re.match(rf"({NAME}), (?:[\w' ]+, )?(?:I|(?:\w+ )*(?:you|your))\b", start)
        return bool(called and self.is_name(called[1]) and not called[1].endswith("ly"))  # `Traditionally, you ...`

    def elsewhere(self, start: str, said: str, country: str) -> bool:
        """Return whether a part is about another country, and not about the speaker's own."""
        foreign, own = self.places(country)
        if re.search(rf"\b(?:we|us|our|ours|here|{own})\b", said, re.I):
            return False
        if self.kind_of(said) is None:
            return bool(re.search(rf"\b(?:{foreign})\b", said, re.I))
        where = re.search(rf"\b(?:in|across|around|from) (?:the )?(?:{foreign})\b", said, re.I)
        return bool(where or re.match(rf"(?:the |people in |most |many )?(?:{foreign})\b", start, re.I))

    # --- of what kind it is ------------------------------------------------------------------------

    def kind_of(self, piece: str) -> Kind | None:
        """Return the kind that the wording shows; None where it shows none.

        `I think a guest should ...` is an opinion, `A guest should ..., I think` a norm.
        """
        said = self.bare(visible(piece))
        view = self.viewed(said)
        must = either(self.lists["rule"])
        rule = re.search(rf"\b(?:{must}|no \w+ may|an? [\w-]+ (?:never|does not|doesn't))\b", said, re.I)
        if view and not (rule and rule.start() < view.start()):
            return "opinion"
        if rule:
            return "norm"
        if contains(said, self.lists["practice"]):
            return "custom"
        if starts_with(said, self.lists["setting"]):
            return "norm" if re.search(r"\byou\b", said) else "custom"
        # `You take off your shoes` and `One takes off one's shoes` speak of anybody.
        anybody = starts_with(said, ["you"]) or re.match(r"one (?!is\b|was\b|has\b)\w+s\b(?!')", said, re.I)
        return "norm" if anybody else None

    def viewed(self, said: str) -> re.Match[str] | None:
        """Match the words that mark a view, such as `I think` or `in my opinion`."""
        return re.search(rf"{VIEW_BEFORE}(?:{either(self.lists['opinion'])})\b", said, re.I)

    def aside(self, piece: str) -> str | None:
        """Return why the speaker's own words are no statement; None if they may be one."""
        said = visible(piece)
        start, kind = self.bare(said), self.kind_of(piece)
        view = self.viewed(start)
        if len(plain(start).split()) - len(plain(view[0] if view else "").split()) < (FEWEST if kind else UNMARKED):
            return "too-short"
        if kind == "opinion":
            return None
        if kind is None and starts_with(start, self.lists["small_talk"]):
            return "small-talk"
        over = [*self.lists["bygone"], *(self.lists["past"] if kind is None else ())]
        if contains(re.split(BELOW, said)[0], over):
            return "bygone"
        if kind is None and re.match(r"(?:I|I'm|I've|I'd|I'll|me|my|mine)\b", start, re.I):
            return "personal"
        pointing = re.match(
            r"(?:that|this|those|these|it)(?:'s| (?:is|was|are|were|sounds|looks|seems|will|would|can))\b", start, re.I
        )
        if pointing and not re.search(r"\b(?:to|for|when|if|who|that) \w", start[pointing.end() :]):
            return "not-by-itself"
        if re.match(r"(?:(?:if|when|because|as) )?(?:he|she|his|her|they|their)\b", start, re.I):
            return "not-by-itself"
        if kind is None and len(said.split()) < 2 * UNMARKED and re.search(r"\b(?:that|this|it)(?=[,.;!]|$)", said):
            return "not-by-itself"
        return None

    # --- words -------------------------------------------------------------------------------------

    def bare(self, said: str) -> str:
        return said[self.opening(said) :]

    def opening(self, said: str) -> int:
        """Return the length of the openers before a sentence, such as `Still, ` or `And honestly, `."""
        end = 0
        while opener := self._openers.match(said, end):
            end = opener.end()
        return end

    @cached_property
    def _openers(self) -> re.Pattern[str]:
        words = either(self.lists["openers"])
        return re.compile(rf"\W*(?:(?:{words})\s*[,!.…-]+|(?:{LOOSE})(?=\s+\w))\s*", re.I)

    def is_name(self, word: str) -> bool:
        """Return whether a word with a capital is likely to be somebody's name."""
        word = word.split("'")[0]
        small = word.casefold()
        return len(word) > 2 and not small.endswith("ing") and small not in self._common

    @cached_property
    def _common(self) -> frozenset[str]:
        """Words that may have a capital and are no names of people."""
        names = ("no_names", "function_words", "openers", "practice", "negation", "turning", "joining")
        words = {word.casefold() for name in names for phrase in self.lists[name] for word in phrase.split()}
        return frozenset(words | {place for places in self._places.values() for place in places})

    @cached_property
    def _places(self) -> dict[str, list[str]]:
        """Names of countries, their peoples and their towns, by the country's code."""
        return {code: names.split(", ") for code, names in (line.split(" = ") for line in self.lists["places"])}

    @lru_cache  # noqa: B019 - there is one object
    def places(self, country: str) -> tuple[str, str]:
        """Return regular expressions for names of other countries, and of the speaker's."""
        foreign = [name for code, names in self._places.items() if code != country for name in names]
        return either(foreign), either(self._places.get(country, ())) or NOTHING
