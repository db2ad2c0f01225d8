"""Makes the edition of a talk from one persona and one seed, without a scenario file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from culturepark.catalog.cultures import beside_card, is_path
from culturepark.catalog.files import load, package_dir
from culturepark.catalog.personas import load_persona, shipped_cards
from culturepark.catalog.scenarios import ScenarioFile, shipped_files, words_of_seeds, words_of_survey
from culturepark.catalog.surveys import load_surveys
from culturepark.catalog.words import seed_in, with_words
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    NATIVE,
    Culture,
    Edition,
    LanguageCode,
    Persona,
    Scenario,
    Seed,
    Shape,
    Spoken,
    shipped_cultures,
)
from culturepark.errors import UsageError
from culturepark.files import clipped
from culturepark.languages import PACKAGES, known_languages, no_language, perhaps
from culturepark.languages.words import folded

EVERYDAY = Seed(
    key="everyday-life",
    topic="everyday life",
    question="What is an ordinary day like where you live, and what must a stranger know to feel at home there?",
)
"""The seed of a talk without `--about`."""

IN_YOUR_WORDS = 'with a question of your own in that language, in quotes: --about "..."'


def talk_edition(
    persona: Persona,
    seed: Seed,
    *,
    moderated: bool,
    language: LanguageCode = DEFAULT_LANGUAGE,
    culture: Culture | None = None,
) -> Edition:
    """
    Args:
        culture: that of the persona, where it is not shipped.
    Raises:
        UsageError: if the persona's stance cannot be drawn.
    """
    if seed.item and persona.role == "delegate" and persona.country not in seed.item.shares:
        raise UsageError(
            f"{seed.key} was not asked in {persona.country_name}, and no answer to it can be drawn for "
            f'{persona.called}; as a question of your own it can be talked about: --about "{seed.question}"'
        )
    # A user may lead a talk anywhere: only a stance shows that an opinion answers the question.
    asked: tuple[Shape, ...] = ("survey", "open") if seed.item and persona.role == "delegate" else ()
    scenario = Scenario(
        name=f"talk-{persona.key}"[:80],
        title=f"A talk with {persona.name}"[:2000],
        setting="moderated" if moderated else "one-to-one",
        cultures=(persona.culture,),
        protocol="talk",
        language=language,
        seeds=(seed,),
        people=1,
        samples=(*asked, "norm", "own"),
        mine=(persona.role,),
    )
    known = culture or shipped_cultures().get(persona.culture)
    return Edition(scenario=scenario, personas=(persona,), cultures=(known,) if known else ())


def find_persona(name: str, among: Sequence[Persona] | None = None) -> Persona:
    """Find a persona by key, by the beginning of a key, by the name or words of it, or by a file.

    Case and diacritics make no difference.

    Args:
        among: the people to choose from; the shipped ones by default.
    Raises:
        UsageError: if there is none or more than one; names those it may be.
    """
    if is_path(name):
        return load_persona(Path(name))
    given = {persona.key: persona for persona in among or ()}
    keys = sorted(given) or [path.stem for path in shipped_cards()]

    def card(key: str) -> Persona:
        return given[key] if given else load_persona(shipped(key))

    wanted = folded(name)
    matches = keys_like(wanted, keys)
    if not matches and wanted:
        names = {key: folded(card(key).name) for key in keys}
        matches = [key for key, called in names.items() if called == wanted]
        matches = matches or [key for key, called in names.items() if in_words(wanted, called)]
    if len(matches) == 1:
        return card(matches[0])
    if not matches:
        near = get_close_matches(name.casefold().strip(), [*keys, *(key.partition("-")[2] for key in keys)], n=3)
        hint = f"; perhaps {' or '.join(near)}?" if near else ""
        raise UsageError(
            f"no persona {clipped(name)!r}{hint or ';'} `culturepark personas` lists them; or name a YAML file"
        )
    people = [card(key) for key in matches]
    lines = [f"  {p.key}  {p.name}, {p.age}, {p.place}; {p.work}" for p in people]
    raise UsageError("\n".join([f"{clipped(name)} may be any of these; name one:", *lines]))


def keys_like(wanted: str, keys: Sequence[str]) -> list[str]:
    """Return the key that is meant, or those that begin so, or those of the people who are called so.

    Args:
        wanted: `folded`.
    """
    known = {key: folded(key) for key in keys}
    exact = [key for key, told in known.items() if told == wanted]
    begun = exact or [key for key, told in known.items() if wanted and told.startswith(wanted)]
    return begun or [key for key, told in known.items() if told.partition("-")[2] == wanted]


def in_words(wanted: str, name: str) -> bool:
    """Return whether each word that is wanted begins a word of a name; both are `folded`."""
    return all(f" {word}" in f" {name}" for word in wanted.split())


def shipped(key: str) -> Path:
    return package_dir("personas") / f"{key}.yaml"


def speaking(persona: Persona, name: str, language: Spoken) -> tuple[Persona, LanguageCode]:
    """Return a persona with its words in the language of a talk, and that language.

    Args:
        name: by which it was found.
    Raises:
        UsageError: if there is no such language, or no card in the persona's own.
        CatalogError: if the words do not fit the card.
    """
    if language != NATIVE and language not in PACKAGES:
        known, near = known_languages(NATIVE), perhaps(language)
        raise UsageError(f"--language: there is no folder of {clipped(language)!r}, only: {known}{near}")
    spoken = [tongue.language for tongue in persona.speaks if tongue.language in PACKAGES]
    persona = with_words(
        persona,
        Path(name) if is_path(name) else shipped(persona.key),
        spoken if language == NATIVE else (language,),
    )
    if language != NATIVE:
        return persona, language
    if not persona.is_written_in(code := persona.own_language) and code not in PACKAGES:
        raise UsageError(f"--language native: {persona.key} speaks {code}, but {no_language(code)}; take --language en")
    if not persona.is_written_in(code):
        raise UsageError(f"--language native: {persona.key} has no card in {code}; --language en, or another one")
    return persona, code


def culture_beside(name: str, persona: Persona) -> Culture | None:
    """Return the culture of a persona who was found by a file, where it is not shipped."""
    return beside_card(Path(name), persona.culture) if is_path(name) else None


def find_seed(about: str | None, language: LanguageCode = DEFAULT_LANGUAGE) -> Seed:
    """Find the seed of a survey item (`wvs7/Q33`) or of a shipped scenario, or make one of the user's own question.

    Raises:
        UsageError: if it is none of them, or nobody has put it in the language.
    """
    if about is None and language != DEFAULT_LANGUAGE:
        raise UsageError(f"--language {language}: say what about; {IN_YOUR_WORDS}")
    if about is None:
        return EVERYDAY
    about = " ".join(about.split())
    if " " in about or about.endswith(("?", "？", "؟")):
        return own_question(about)
    if "/" in about:
        surveys = load_surveys([])
        items = {key: item for survey in surveys for key, item in survey.items.items()}
        if item := items.get(about):
            survey = next(survey for survey in surveys if about in survey.items)
            words = {} if language == DEFAULT_LANGUAGE else words_of_survey(survey, (language,))
            return told_in(language, seed_in(Seed.of(item), words, about.partition("/")[2]))
        near = get_close_matches(about, items, n=3)
        hint = f"; perhaps {', '.join(near)}" if near else f"; there are {', '.join(list(items)[:3])}, ..."
        raise UsageError(f"--about: no survey item {clipped(about)!r}{hint}")
    files = {path: load(path, ScenarioFile) for path in shipped_files()}
    seeds = {seed.key: (seed, path) for path, file in files.items() for seed in file.seeds if seed.key}
    if about in seeds:
        seed, path = seeds[about]
        words = {} if language == DEFAULT_LANGUAGE else words_of_seeds(path, files[path], (language,))
        return told_in(language, seed_in(seed.own(), words, about))
    near = get_close_matches(about, seeds, n=3)
    hint = f"; perhaps {', '.join(near)}" if near else ""
    raise UsageError(
        f"--about {clipped(about)!r}: no seed of a shipped scenario{hint}; or a survey item, as wvs7/Q33, or a "
        "question of your own, in quotes"
    )


def told_in(language: LanguageCode, seed: Seed) -> Seed:
    if language != DEFAULT_LANGUAGE and language not in seed.words:
        raise UsageError(f"--about {seed.key}: nobody has put it in {language}; {IN_YOUR_WORDS}")
    return seed


def own_question(question: str) -> Seed:
    try:
        return Seed(
            key=f"own-{hashlib.sha256(question.encode()).hexdigest()[:12]}",
            topic="a question of the visitor's own",
            question=question,
        )
    except ValidationError as error:
        raise UsageError(f"--about: {error.errors()[0]['msg']}") from None
