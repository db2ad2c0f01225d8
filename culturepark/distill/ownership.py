"""Whose words are these, and of what kind? Rules of form over the lists in `phrases.toml`. Pure.

`objection` turns down what is certainly not the speaker's own view or practice; `kind_of` reads the kind off the
wording where it shows; `aside` names what is the speaker's own and says nothing of a culture.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache

from culturepark.dialogue.guards import contains, phrases, plain, starts_with
from culturepark.domain import Kind

MARKS = str.maketrans(dict.fromkeys("‘’", "'") | dict.fromkeys("“”„«»", '"') | dict.fromkeys("–—−", "-"))
FEWEST = 4
"""Words, beside `I think`; fewer cannot be understood by themselves."""
UNMARKED = 6
"""Words of what is marked neither as a view nor as a rule nor as a practice."""
NOTHING = "(?!)"
"""Matches nothing."""
NAME = r"[^\W\d_a-z][\w'-]*"
"""A word that does not begin small; `is_name` knows which of them are none."""
SINGLE = "he|she"
KIN = "(?:grand)?(?:mother|father|ma|pa)|mum|mom|dad|(?:uncle|aunt|auntie)(?: \\w+)?"
SOMEBODY = "my|his|her|their|your|our|the|a|an|some|many|most|few|certain|other|another|one of"
FEW_WORDS = r"(?:(?!(?:who|that|which|whose|when|if|whoever|we|I)\b)[\w'-]+ ){1,5}?"
"""The rest of a subject; beyond a relative pronoun another clause begins."""
CROWD = "they|people|others|some|many|friends|folks|neighbou?rs|critics|experts|scientists|politicians|foreigners"
AMONG_US = r" (?:here|around here|with us|among us|at home|where I \w+|in (?:our|my) \w+)"
BETWEEN = (
    r"(?:(?:just|also|always|often|once|never|still|even|only|has|had|have|was|were|used to|likes to|would|will|keeps?"
    r"|does not|doesn't|did not|didn't|\w+ly) )*"
)
"""What may stand between a subject and its verb."""
SHARED = r"\band (?:so (?:do|say|think) (?:we|I)|we (?:still|all|do)|(?:he|she|they) (?:is|was|are|were) right)\b"
"""`..., and so do we`: reported, and shared."""
TOLD = (
    "said|told|telling|saying|mentioned|asked|asking|spoke|described|called|meant|wanted|explained|argued|claimed"
    "|suggested|wrote|talked|put it"
)
HELPING = "have|had|are|were|also|just|all|both|already|really|once|certainly|did"
BELOW = r"\b(?:who|which|than|because|although|though|that (?:was|were|had|came|went))\b"
"""Where a clause begins that hangs on the main one."""
LOOSE = "and|but|so|or|yet|still|well|now|look|yes|no|oh|ah|then|also|though|perhaps|maybe"
"""Openers that need no comma after them."""


def objection(piece: str, others: Iterable[str], country: str, language: str) -> str | None:
    """Why a piece of a sentence is not the speaker's own; None if it may be.

    Args:
        others: what the other people at the table are called, as far as that is known.
        country: the speaker's (ISO 3166 alpha-3).
    """
    said = seen(piece)
    start = bare(said, language)
    lists = phrases(language)
    if of_another(start, others, language) or addressed(start, said, language):
        return "another-speaker"
    if told_by(said, language) or quotes_somebody(said, language):
        return "another-speaker"
    if contains(said, lists["hearsay"]):
        return "hearsay"
    if contains(said, lists["undecided"]):
        return "undecided"
    if starts_with(start, lists["imagined"]):
        return "not-meant"
    if elsewhere(start, said, country, language):
        return "another-country"
    return None


def of_another(start: str, others: Iterable[str], language: str) -> bool:
    """Whether the main clause is about what somebody else thinks, says or does."""
    lists = phrases(language)
    reports, minds = either(lists["reports"]), either(lists["minds"])
    known = either([*others, *lists["given_names"]])
    called = rf"(?:^|(?<=[,;:!] ))(?:{known})(?=[,!])|, (?:{known})(?=[,.!]|$)"
    if re.search(rf"(?<!Saint )(?<!St )(?<!St\. )(?<!San )\b(?:{known})\b", re.sub(called, "", start)):
        return True
    first = re.match(NAME, start)
    if first and is_name(first[0], language):
        rest = start[first.end() :].lstrip()
        view = first[0].endswith("'s") and re.match(rf"(?:\w+ )?(?:{either(lists['views'])})\b", rest)
        if view or re.match(rf"{BETWEEN}(?:{reports}|{minds})\b", rest):
            return True
    where = rf"(?:(?:{either(lists['setting'])}) (?:[\w'-]+ ){{1,4}}?)?"
    if re.match(rf"(?:as )?{where}(?:{SINGLE}|{KIN}) {BETWEEN}(?:{reports}|{minds})\b", start, re.I):
        return True
    if re.match(rf"(?:as |because )?{where}(?:{SOMEBODY}) {FEW_WORDS}{BETWEEN}(?:{reports})\b", start, re.I):
        return not re.search(SHARED, start)
    return bool(re.match(rf"(?:{CROWD})\b(?!{AMONG_US}) {BETWEEN}(?:{reports})\b", start, re.I))


def told_by(said: str, language: str) -> bool:
    """`..., she told us`, `..., my aunt insists, ...`."""
    # `as my mother says` is said in agreement.
    whom = rf"(?:as )?(?P<whom>{SINGLE}|they|{NAME})|(?P<kin>(?:my|his|her|their|the|our) [\w'-]+)"
    verbs = either([*phrases(language)["reports"], "put it", "puts it"])
    if re.search(
        r"\b(?:(?<!to )tell|tells|told|telling|assured?|assures|reminded|reminds|warned|warns) (?:me|us)\b", said
    ):
        return True
    tags = re.finditer(rf", (?:{whom}) {BETWEEN}(?:{verbs})(?: us| me)?(?=[,.;!]|$| in | to | at )", said)
    return any(tag["kin"] or tag["whom"][0].islower() or is_name(tag["whom"], language) for tag in tags)


def quotes_somebody(said: str, language: str) -> bool:
    """Three words or more between quotation marks, told by anybody but `we`."""
    quoted = next((m for m in re.finditer(r'"([^"]*)"?', said) if len(m[1].split()) >= 3), None)
    if quoted is None:
        return False
    before = said[: quoted.start()]
    told = re.search(rf"\b(?:{either(phrases(language)['reports'])})\b", before, re.I)
    return bool(told) and not re.search(r"\b(?:we|I)(?: \w+){0,2} (?:say|tell)\b", before, re.I)


def addressed(start: str, said: str, language: str) -> bool:
    """Whether it is said to somebody at the table, about that person: `you mentioned`, `Heather, your brother`."""
    if re.search(rf"\byou(?:'ve|'re)?(?: (?:{HELPING}))* (?:{TOLD})\b", said, re.I):
        return True
    if contains(said, phrases(language)["addressed"]):
        return True
    called = re.match(rf"({NAME}), (?:[\w' ]+, )?(?:I|(?:\w+ )*(?:you|your))\b", start)
    return bool(called and is_name(called[1], language) and not called[1].endswith("ly"))  # `Traditionally, you ...`


def elsewhere(start: str, said: str, country: str, language: str) -> bool:
    """Whether it is about another country, and nothing in it about the speaker's own."""
    foreign, own = places(country, language)
    if re.search(rf"\b(?:we|us|our|ours|here|{own})\b", said, re.I):
        return False
    if kind_of(said, language) is None:
        return bool(re.search(rf"\b(?:{foreign})\b", said, re.I))
    where = re.search(rf"\b(?:in|across|around|from) (?:the )?(?:{foreign})\b", said, re.I)
    return bool(where or re.match(rf"(?:the |people in |most |many )?(?:{foreign})\b", start, re.I))


def kind_of(piece: str, language: str) -> Kind | None:
    """The kind that the wording gives away; None where only the sense could.

    `I think a guest should ...` is a view, `A guest should ..., I think` a rule.
    """
    said, lists = bare(seen(piece), language), phrases(language)
    view = viewed(said, language)
    rule = re.search(rf"\b(?:{either(lists['rule'])}|no \w+ may|an? [\w-]+ (?:never|does not|doesn't))\b", said, re.I)
    if view and not (rule and rule.start() < view.start()):
        return "opinion"
    if rule:
        return "norm"
    if contains(said, lists["practice"]):
        return "custom"
    if starts_with(said, lists["setting"]):
        return "norm" if re.search(r"\byou\b", said) else "custom"
    # `You take off your shoes`, `One takes off one's shoes`: said of anybody.
    anybody = starts_with(said, ["you"]) or re.match(r"one (?!is\b|was\b|has\b)\w+s\b(?!')", said, re.I)
    return "norm" if anybody else None


def viewed(said: str, language: str) -> re.Match[str] | None:
    """Where the speaker marks a view as a view: `I think`, `in my opinion`."""
    before = r"(?:^|[,;:(-] ?|\b(?:and|but|so|yes|still|that|because|though|well) )"
    return re.search(rf"{before}(?:{either(phrases(language)['opinion'])})\b", said, re.I)


def aside(piece: str, language: str) -> str | None:
    """Why what a speaker says of himself or herself is no statement; None if it may be one."""
    said = seen(piece)
    start, kind = bare(said, language), kind_of(piece, language)
    view = viewed(start, language)
    if len(plain(start).split()) - len(plain(view[0] if view else "").split()) < (FEWEST if kind else UNMARKED):
        return "too-short"
    if kind == "opinion":
        return None
    if kind is None and starts_with(start, phrases(language)["small_talk"]):
        return "small-talk"
    over = [*phrases(language)["bygone"], *(phrases(language)["past"] if kind is None else ())]
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


# --- words -----------------------------------------------------------------------------------------


def seen(text: str) -> str:
    """The text as a reader sees it, on one line, with like marks made alike."""
    folded = unicodedata.normalize("NFKC", text).translate(MARKS)
    return " ".join("".join(c for c in folded if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf")).split())


def bare(said: str, language: str) -> str:
    return said[opening(said, language) :]


def opening(said: str, language: str) -> int:
    """Where a sentence begins in earnest: beyond `Still, `, `And honestly, ` and the like."""
    openers = re.compile(rf"\W*(?:(?:{either(phrases(language)['openers'])})\s*[,!.…-]+|(?:{LOOSE})(?=\s+\w))\s*", re.I)
    end = 0
    while found := openers.match(said, end):
        end = found.end()
    return end


def is_name(word: str, language: str) -> bool:
    """Whether a word with a capital is likely to be what somebody is called."""
    word = word.split("'")[0]
    small = word.casefold()
    return len(word) > 2 and not small.endswith("ing") and small not in common(language)


@cache
def common(language: str) -> frozenset[str]:
    """Words that may stand with a capital and are no names of people."""
    lists = phrases(language)
    names = ("no_names", "function_words", "openers", "practice", "negation", "turning", "joining")
    words = {word.casefold() for name in names for phrase in lists[name] for word in phrase.split()}
    return frozenset(words | {place for line in lists["places"] for place in line.split(" = ")[1].split(", ")})


@cache
def places(country: str, language: str) -> tuple[str, str]:
    """Names of other countries, and of the speaker's, as alternatives of a regular expression."""
    names = {code: some.split(", ") for code, some in (line.split(" = ") for line in phrases(language)["places"])}
    foreign = [name for code, some in names.items() if code != country for name in some]
    return either(foreign), either(names.get(country, ())) or NOTHING


def either(words: Iterable[str]) -> str:
    """As alternatives of a regular expression, the longest first."""
    return alternatives(tuple(words))


@cache
def alternatives(words: Sequence[str]) -> str:
    return "|".join(re.escape(seen(word)) for word in sorted(words, key=len, reverse=True))
