"""Cards and questions in other languages than the one that they are written in.

`NAME.LANGUAGE.yaml` beside a file says how it reads in a language: `turkish-hatice.tr.yaml` beside a card,
`wvs7.tr.yaml` beside a survey, `everyday-norms.tr.yaml` beside a scenario with questions of its own. The words of the
shipped surveys and scenarios stand in the folders of the languages (`languages/tr/questions/wvs7.yaml`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from glob import escape
from pathlib import Path
from typing import Annotated

from pydantic import Field

from culturepark.catalog.files import Loc, load, placed, read_mapping, shown
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    Culture,
    LanguageCode,
    Noun,
    Persona,
    PersonaKey,
    PersonaWords,
    QuestionWords,
    Seed,
    Text,
)
from culturepark.errors import CatalogError, Problem
from culturepark.files import clipped, exists
from culturepark.languages import PACKAGES, folder_of, no_language


class PersonaWordsFile(PersonaWords):
    words_of: PersonaKey
    """Key of the card."""
    language: LanguageCode


class QuestionWordsFile(Noun):
    wordings_of: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*$", max_length=80)]
    """Name of the survey or scenario."""
    language: LanguageCode
    origin: Text
    """Who wrote it, and who has read it."""
    scales: dict[str, dict[int, Text]] = {}  # noqa: RUF012 - frozen
    """Of a survey: scale -> code -> label."""
    items: dict[str, QuestionWords]
    """By the keys of the survey's items, or of the scenario's seeds."""


KINDS: dict[str, type[Noun]] = {"words": PersonaWordsFile, "wordings": QuestionWordsFile}
"""Kinds of such files, by the first words of their first keys."""


def is_words(path: Path) -> bool:
    """Whether a file's name says that it holds the words of another one: the key of a card has no dot."""
    return "." in path.stem


def worded_path(path: Path) -> Path:
    """Return the file that a file of words goes with, by its name: `NAME.yaml` for `NAME.LANGUAGE.yaml`."""
    return path.with_name(f"{path.stem.rpartition('.')[0]}{path.suffix}")


def words_path(path: Path, code: LanguageCode) -> Path:
    """Return the file that says how another one reads in a language."""
    return path.with_name(f"{path.stem}.{code}{path.suffix}")


# --- cards -----------------------------------------------------------------------------------------


def with_words(persona: Persona, path: Path | None, codes: Iterable[LanguageCode]) -> Persona:
    """Return a card with its words in some languages, as far as there are files of them.

    Args:
        path: of the card; None if it has no file of its own.
    Raises:
        CatalogError: if the file of a language does not fit the card.
    """
    words = {
        code: found
        for code in codes
        if code != DEFAULT_LANGUAGE and (found := in_one_language(persona, path and words_path(path, code), code))
    }
    return persona.model_copy(update={"words": words}) if words else persona


def in_one_language(persona: Persona, path: Path | None, code: LanguageCode) -> PersonaWords | None:
    if path is None or not exists(path):
        return None
    file = load(path, PersonaWordsFile)
    if problems := contradictions(persona, file, code):
        raise CatalogError(placed(path, problems))
    told = file.model_dump(exclude={"words_of", "language"}, exclude_unset=True)
    return PersonaWords(**told)


def contradictions(persona: Persona, file: PersonaWordsFile, code: LanguageCode) -> list[tuple[Loc, str]]:
    problems: list[tuple[Loc, str]] = []
    if file.words_of != persona.key:
        problems.append((("words_of",), f"must be {persona.key}, the card that the file's name begins with"))
    if file.language != code:
        problems.append((("language",), f"must be {code}, with which the file's name ends"))
    scenes = persona.episodes.scenes if persona.episodes else ()
    for name, own in (("values", persona.values), ("norms", persona.norms), ("scenes", scenes)):
        if (told := getattr(file, name)) and len(told) != len(own):
            problems.append(((name,), f"has {len(told)} entries, and the card has {len(own)}: they go by their order"))
    return problems


# --- questions -------------------------------------------------------------------------------------


def question_words(
    path: Path, name: str, code: LanguageCode, scale_of: Mapping[str, tuple[str, Collection[int]]]
) -> dict[str, QuestionWords]:
    """Return how the questions of a survey or a scenario are put in a language, by key; none where nobody wrote it.

    Args:
        path: of the survey or scenario.
        scale_of: key of each question -> the name of its scale, and its codes; no codes for one without a scale.
    Raises:
        CatalogError: if the file does not fit.
    """
    beside, of_language = words_path(path, code), language_path(name, code)
    found = next((one for one in (beside, of_language) if one and exists(one)), None)
    if found is None:
        return {}
    file = load(found, QuestionWordsFile)
    if problems := list(unfitting(file, path, name, code, scale_of)):
        raise CatalogError(placed(found, problems))
    told = {}
    for key, words in file.items.items():
        options = words.options or file.scales.get(scale_of[key][0], {})
        told[key] = words.model_copy(update={"options": options})
    return told


def language_path(name: str, code: LanguageCode) -> Path | None:
    """Return the file in a language's folder for the questions of a survey or scenario."""
    if code not in PACKAGES:
        return None
    return Path(str(folder_of(PACKAGES[code]).joinpath("questions").joinpath(f"{name}.yaml")))


def unfitting(
    file: QuestionWordsFile,
    path: Path,
    name: str,
    code: LanguageCode,
    scale_of: Mapping[str, tuple[str, Collection[int]]],
) -> Iterator[tuple[Loc, str]]:
    if file.wordings_of != name:
        own = "" if name == path.stem else "; the name of that file does not count here"
        yield ("wordings_of",), f"must be {clipped(name)}, the name that stands in {clipped(path.name)}{own}"
    if file.language != code:
        yield ("language",), f"must be {code}, as the file's place says"
    for key, words in file.items.items():
        if key not in scale_of:
            yield ("items", key), f"{clipped(name)} has no question of this key"
            continue
        scale, codes = scale_of[key]
        options = words.options or file.scales.get(scale, {})
        if codes and set(options) != set(codes):
            lacking = ", ".join(map(str, sorted(set(codes) ^ set(options))[:5]))
            where: Loc = ("items", key, "options") if words.options else ("scales", scale)
            yield where, f"must have a label for each code of the scale; look at {lacking}"


def seed_in(seed: Seed, words: Mapping[LanguageCode, Mapping[str, QuestionWords]], key: str) -> Seed:
    """Return a question with its words.

    Args:
        words: language -> key -> words, of the survey or scenario that it stands in.
        key: there.
    """
    told = {code: of_code[key] for code, of_code in words.items() if key in of_code}
    return seed.model_copy(update={"words": told}) if told else seed


def words_beside(path: Path) -> list[Path]:
    """Return the files beside another one that say how it reads in other languages."""
    found = sorted(path.parent.glob(f"{escape(path.stem)}.*{path.suffix}"))
    return [file for file in found if worded_path(file) == path]


def check_words(path: Path, known: Mapping[str, Culture]) -> str:
    """Read a file of words with the file that it goes with, and return its kind, with notes.

    Args:
        known: cultures beside the shipped ones, of which cards may be.
    Raises:
        CatalogError: with all problems found.
    """
    if "words_of" in read_mapping(path):
        words = load(path, PersonaWordsFile)
        check_words_of_card(path, words, known)
        lacking = [name for name in ("addressed", "how", "values", "norms", "scenes") if not getattr(words, name)]
        return noted("words of a card", [f"no {', '.join(lacking)}"] if lacking else [], words.language)
    questions = load(path, QuestionWordsFile)
    bare = sum(not words.situations for words in questions.items.values())
    unread = sum(words.back is None for words in questions.items.values())
    notes = [
        f"{count} of {len(questions.items)} {what}"
        for count, what in (
            (bare, "without situations: people are asked the bare question"),
            (unread, "not put back into English"),
        )
        if count
    ]
    if is_words(path):
        if exists(worded_path(path)):
            check_words_of_questions(path, known)
        else:
            notes.append(f"{worded_path(path).name} is not beside it, so its keys were not looked up")
    return noted("words of questions", notes, questions.language)


def noted(kind: str, notes: list[str], code: LanguageCode) -> str:
    if code != DEFAULT_LANGUAGE and code not in PACKAGES:
        notes = [*notes, no_language(code)]
    return f"{kind} ({'; '.join(notes)})" if notes else kind


def check_words_of_card(path: Path, words: PersonaWordsFile, known: Mapping[str, Culture]) -> None:
    from culturepark.catalog.personas import load_persona

    card = worded_path(path) if is_words(path) else path.with_name(f"{words.words_of}{path.suffix}")
    if not is_words(path):
        what = f"must be named {words_path(card, words.language).name}, after its card and its language"
    elif not exists(card):
        what = f"must be beside its card: there is no {clipped(card.name)}"
    else:
        in_one_language(load_persona(card, known), path, path.stem.rpartition(".")[2])
        return
    raise CatalogError([Problem(shown(path), None, "", what)])


def check_words_of_questions(path: Path, known: Mapping[str, Culture]) -> None:
    from culturepark.catalog.scenarios import ScenarioFile, kind_of_file, own_scales, survey_scales
    from culturepark.catalog.surveys import load_survey

    of, code = worded_path(path), path.stem.rpartition(".")[2]
    kind = kind_of_file(of)[0]
    if kind == "survey":
        survey = load_survey(of, known)
        question_words(of, survey.file.survey, code, survey_scales(survey))
    elif kind == "scenario":
        scenario = load(of, ScenarioFile)
        question_words(of, scenario.name, code, own_scales(scenario))
    else:
        what = f"goes with no {kind}, but with a survey or a scenario; {clipped(of.name)} is a {kind}"
        raise CatalogError([Problem(shown(path), None, "", what)])
