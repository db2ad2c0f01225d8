"""Asks of each statement, without the talk, what a row has to be: an answer, by itself, and of somewhere.

A judge sees a question and the answer that would stand under it, and nothing of the conversation. Names of countries,
places and people are masked, and the judge chooses among four countries, of which one is the speaker's, or says that
the answer would pass for any: by guessing it is right in one of four. docs/rows.md measures what the judge is worth.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from culturepark.catalog.cultures import default_countries, default_names
from culturepark.dialogue.stance import shuffled
from culturepark.distill.ask import Asker, Item, SubjectAsker, each
from culturepark.distill.logprobs import as_data
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    Casting,
    Criterion,
    JsonObject,
    LanguageCode,
    Statement,
    Verdict,
    shipped_cultures,
)
from culturepark.languages import Language
from culturepark.languages.countries import alpha2, country_name, language_name

if TYPE_CHECKING:
    from culturepark.distill.heads import Encode

ROWS_A_CALL, TOKENS_A_ROW = 30, 60
COMMON = ("seed", "case")
"""Questions that many rows of a dialogue have in common."""
LETTERS = "ABCD"
"""The countries to choose among."""
PROMPTS: dict[Criterion, str] = {
    "answers": "own", "answers-seed": "seed", "answers-case": "case", "answers-other": "other",
}  # fmt: skip
"""The criteria that ask for an answer, with the names of the questions in the judge's material."""
ANSWERS_FROM = 0.0
"""Log-odds from which a model of a few billion parameters is believed that an answer answers its question."""
STEM = 4
"""Letters that the name of a people shares with that of its country: Germany and Germans, Türkiye and Turks."""


@dataclass(frozen=True)
class RowCase:
    """An answer, with the questions under which it could stand."""

    id: str
    answer: str
    questions: Mapping[Criterion, str]
    country: str
    """The name of the speaker's country."""
    names: tuple[str, ...] = ()
    """Names of people and places that would tell it."""
    language: LanguageCode = DEFAULT_LANGUAGE
    """The one that the answer is in."""


Relations = dict[Criterion, tuple[Literal["entail", "contradict", "unparsable"], float | None]]
"""Criterion -> relation, and the judge's confidence where it has one."""


class JudgedRow(Item):
    own: Literal["yes", "no", "none"]
    seed: Literal["yes", "no", "none"]
    case: Literal["yes", "no", "none"]
    other: Literal["yes", "no", "none"]
    alone: Literal["yes", "no"]
    country: Literal["A", "B", "C", "D", "any"]


async def check_rows(
    asker: Asker, statements: Sequence[Statement], others: Mapping[str, Statement], encode: Encode | None = None
) -> list[Verdict]:
    """Return a verdict on each statement for each criterion that could be asked.

    Args:
        statements: those that have passed verification.
        others: id -> the statement that another one is told to be unlike.
        encode: for models too small to be asked; None where the encoder cannot be had, and then nothing is known.
    """
    cases = [row_case(s, asker.casting, asker.language, others.get(s.unlike or "")) for s in statements]
    judged = await judge(asker, cases, encode)
    verdicts = []
    for case, (relations, call_id) in zip(cases, judged, strict=True):
        for criterion, (relation, confidence) in relations.items():
            verdicts.append(
                Verdict(
                    statement_id=case.id,
                    criterion=criterion,
                    relation=relation,
                    confidence=confidence,
                    decision="keep" if relation == "entail" else "drop",
                    call_id=call_id,
                )
            )
    return verdicts


def row_case(statement: Statement, casting: Casting, language: Language, other: Statement | None) -> RowCase:
    """Return what the judge is asked about a statement. Pure."""
    persona = casting.by_key(statement.persona_key).persona
    questions: dict[Criterion, str] = {}
    if statement.question:
        questions["answers"] = statement.question
    if statement.kind == "opinion" or statement.about == "seed":
        questions["answers-seed"] = casting.seed.question
    if casting.situation and statement.about == "case":
        questions["answers-case"] = f"{casting.situation.told} {language.frame('what_do_you_do').text}"
    if other:
        home = casting.by_key(other.persona_key).persona.country_name
        questions["answers-other"] = language.frame("is_it_so").render(country=home, said=other.first_person)
    seated = [p.persona for p in casting.participants]
    names = [name for p in seated for name in (*p.name.split(), p.place, p.region, p.culture.title())]
    # A title by which somebody is addressed, as Frau in Frau Noack, is a word as any other.
    names += [p.called for p in seated if " " not in p.called]
    return RowCase(
        statement.id,
        statement.first_person,
        questions,
        persona.country_in(DEFAULT_LANGUAGE),
        tuple(dict.fromkeys(names)),
        statement.worded_in,
    )


async def judge(asker: Asker, cases: Sequence[RowCase], encode: Encode | None) -> list[tuple[Relations, str | None]]:
    """Return what is found of each answer, and the id of the call: by the model, or for a small one by heads."""
    if not asker.model.traits.labels:
        return await judge_rows(asker, cases)
    from culturepark.distill.heads import read_rows

    found = await read_rows(encode, cases) if encode else [{} for _ in cases]
    return [(relations | await answering(asker, case), None) for relations, case in zip(found, cases, strict=True)]


async def answering(asker: Asker, case: RowCase) -> Relations:
    """Return whether an answer answers its questions, by yes or no. Below a billion parameters nobody is asked."""
    if asker.model.traits.small:
        return {}
    from culturepark.distill.judge_logprobs import logistic, yes

    relations: Relations = {}
    for criterion, question in case.questions.items():
        odds, _ = await yes(asker, "answers", case.answer, question=as_data(question))
        if odds is None:
            relations[criterion] = ("unparsable", None)
        else:
            chance = logistic(odds - ANSWERS_FROM)
            relations[criterion] = ("entail", chance) if odds >= ANSWERS_FROM else ("contradict", 1 - chance)
    return relations


async def judge_rows(asker: SubjectAsker, cases: Sequence[RowCase]) -> list[tuple[Relations, str | None]]:
    """Return what a model says of each answer, and the id of the call."""
    items = [as_item(case) for case in cases]
    answers = await each(
        asker,
        asker.language.prompt("row-checks"),
        items,
        JudgedRow,
        above=said_once,
        name="rows",
        items_a_call=ROWS_A_CALL,
        tokens_an_item=TOKENS_A_ROW,
    )
    return [(read(case, judged), call_id) for case, (judged, call_id) in zip(cases, answers, strict=True)]


def as_item(case: RowCase) -> JsonObject:
    questions = {PROMPTS[criterion]: masked(text, case) for criterion, text in case.questions.items()}
    return {
        "questions": questions,
        "answer": masked(case.answer, case),
        "countries": dict(zip(LETTERS, choices(case), strict=True)),
    }


def said_once(items: Sequence[JsonObject]) -> tuple[JsonObject, list[JsonObject]]:
    """Return the questions that several items have in common, and the items with an empty text in their place."""
    common: JsonObject = {}
    for name in COMMON:
        texts = [item["questions"][name] for item in items if name in item["questions"]]
        if len(texts) > 1 and len(set(texts)) == 1:
            common[name] = texts[0]
    shown = [
        item | {"questions": {name: "" if name in common else text for name, text in item["questions"].items()}}
        for item in items
    ]
    return ({"questions": common} if common else {}), shown


def read(case: RowCase, judged: JudgedRow | None) -> Relations:
    """Return the judge's answers as relations. Pure."""
    relations: Relations = {}
    for criterion in (*case.questions, *ALWAYS):
        if judged is None:
            relations[criterion] = ("unparsable", None)
            continue
        said: str
        if criterion == "stands-alone":
            said = judged.alone
        elif criterion == "distinctive":
            said = "yes" if judged.country in LETTERS and told(case, judged.country) else "no"
        else:
            said = getattr(judged, PROMPTS[criterion])
        relations[criterion] = ("unparsable" if said == "none" else "entail" if said == "yes" else "contradict", None)
    return relations


ALWAYS: tuple[Criterion, ...] = ("stands-alone", "distinctive")


def told(case: RowCase, letter: str) -> bool:
    """Return whether a letter is that of the speaker's country."""
    return choices(case)[LETTERS.index(letter)] == case.country


def choices(case: RowCase) -> list[str]:
    """Return four countries in an order of their own, one of them the speaker's. Pure."""
    others = [name for name in default_names() if name != case.country]
    picked = [others[i] for i in shuffled(len(others), "countries", case.id)[: len(LETTERS) - 1]]
    four = [case.country, *picked]
    return [four[i] for i in shuffled(len(four), "order", case.id)]


def masked(text: str, case: RowCase) -> str:
    """Return a text with the names of countries, peoples, places and people as `[…]`. Pure."""
    return without_names(text, case.language, case.country, case.names)


class Hidden(NamedTuple):
    """What is masked in the answers of one table."""

    phrases: list[re.Pattern[str]]
    """Names of several words."""
    solid: list[str]
    """Names that are masked wherever they stand."""
    own: set[str]
    """Whole words, plain."""
    stems: set[str]
    """Beginnings of words, plain."""


@lru_cache(maxsize=4096)
def without_names(text: str, language: LanguageCode, country: str, names: tuple[str, ...]) -> str:
    """Return the same, and keep it: the answers of a dialogue share their questions."""
    hidden = hidden_at(language, country, names)
    for phrase in hidden.phrases:
        text = phrase.sub("[…]", text)
    for name in hidden.solid:
        text = text.replace(name, "[…]")

    def mask(match: re.Match[str]) -> str:
        word = match[0]
        if word[:1].islower():
            return word
        bare = plain(word)
        known = bare in hidden.own or (len(bare) >= STEM and bare[:STEM] in hidden.stems)
        return "[…]" if known or word.replace(".", "") in codes() else word

    return WORDS.sub(mask, text)


WORDS = re.compile(r"\b(?:[A-Z]\.){2,}|[^\W\d_]+")


@lru_cache(maxsize=1024)
def hidden_at(language: LanguageCode, country: str, names: tuple[str, ...]) -> Hidden:
    """Return what is masked at a table.

    Args:
        country: the speaker's.
        names: those of the people at the table, and of their places and peoples.
    """
    here = names_in(language)
    phrases = sorted((name for name in here if " " in name), key=len, reverse=True)
    countries = {*default_names(), country, *(name for name in here if " " not in name)}
    stems = {plain(word)[:STEM] for name in countries for word in name.split() if word[:1].isupper()}
    stems |= {culture[:STEM] for culture in default_countries()}
    whole = {plain(name) for name in names}  # `New` is a part of a place, and a word
    own = {plain(word) for name in names for word in re.findall(r"\w+", name) if word[:1].isupper()}
    own = {word for word in own if len(word) >= STEM or word in whole}
    own |= {plain(name) for name in here}  # also one that is shorter than a stem, as Çin
    # Scripts without capitals put particles to a name, or no spaces around it: it is found wherever it stands.
    solid = [name for name in (*countries, *names) if len(name) > 1 and name[0].upper() == name[0].lower()]
    solid += [name.replace("ال", "لل", 1) for name in solid if name.startswith("ال")]  # Arabic for `to the`
    return Hidden(
        [re.compile(rf"\b{re.escape(name)}\b", re.IGNORECASE) for name in phrases],
        sorted(solid, key=len, reverse=True),
        own,
        stems,
    )


@cache
def names_in(language: LanguageCode) -> frozenset[str]:
    """Return what the shipped cultures' countries and languages are called in a language other than English."""
    if language == DEFAULT_LANGUAGE:
        return frozenset()
    cultures = shipped_cultures().values()
    found = {country_name(country, language) for culture in cultures for country in culture.countries}
    found |= {language_name(tongue.language, language) for culture in cultures for tongue in culture.languages}
    # CLDR writes languages small in many languages, and peoples are called by the same word.
    return frozenset(name[:1].upper() + name[1:] for name in found)


@cache
def codes() -> frozenset[str]:
    """Return countries in capitals: alpha-3 codes, and what main contacts call theirs for short."""
    short = (alpha2(culture.countries[0]) for culture in shipped_cultures().values() if culture.role == "main")
    return frozenset((*default_countries().values(), *filter(None, short)))


@lru_cache(maxsize=8192)
def plain(word: str) -> str:
    """Return a word in lower case, without accents, and with a dot on every i."""
    decomposed = unicodedata.normalize("NFKD", word.casefold().replace("ı", "i"))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def worth_asking(verdicts: Iterable[Verdict]) -> set[str]:
    """Return the ids of the statements that may make some row: faithful, and not against their speaker's own answer.

    A view that takes no side on the seed's question is none of its answers, but may answer another.
    """
    faithful: set[str] = set()
    against: set[str] = set()
    for verdict in verdicts:
        if verdict.criterion == "faithful" and verdict.decision == "keep":
            faithful.add(verdict.statement_id)
        elif verdict.criterion == "stance" and verdict.decision == "drop" and verdict.relation != "irrelevant":
            against.add(verdict.statement_id)
    return faithful - against
