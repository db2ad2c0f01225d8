"""The words of screens and pages in another language."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

from culturepark import interface
from culturepark.errors import UsageError
from culturepark.glossary import DROPPED, counted, in_words

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

import messages  # noqa: E402 - a script of the documentation

HOLE = re.compile(r"\{(\w+)\}")
LANGUAGES = [code for code in interface.languages() if code != "en"]


def catalog(name: str) -> Catalog:
    with (interface.FOLDER / name).open("rb") as file:
        return read_po(file)


def by_id(found: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {texts(message.id): texts(message.string) for message in found if message.id}


def texts(value: object) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(map(str, value))  # type: ignore[call-overload]


def holes(parts: tuple[str, ...]) -> set[str]:
    return {hole for part in parts for hole in HOLE.findall(part)}


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_message_of_the_code_is_there_and_no_other(code: str) -> None:
    wanted, told = by_id(catalog("messages.pot")), by_id(catalog(f"{code}.po"))
    assert set(told) == set(wanted)
    assert [one for one, words in told.items() if not all(words)] == []
    assert [one for one, words in told.items() if any(holes((form,)) != holes(one) for form in words)] == []
    tags = re.compile(r"</?\w+>")
    assert [one for one, words in told.items() if sorted(tags.findall(words[0])) != sorted(tags.findall(one[0]))] == []


def test_the_list_of_messages_is_that_of_the_code() -> None:
    for path, text in messages.fresh().items():
        assert path.read_text("utf-8") == text, "run: python docs/generate.py"


def test_english_needs_no_file_and_german_has_its_own_forms() -> None:
    assert (interface.language(), counted(2000, "turn"), in_words(DROPPED, "unsure")) == (
        "en", "2,000 turns", "the verifier was not sure enough of itself",
    )  # fmt: skip
    with interface.showing("de"):
        assert (counted(1, "turn"), counted(2000, "turn")) == ("1 Beitrag", "2.000 Beiträge")
        assert in_words(DROPPED, "unsure") == "die Prüfung war sich nicht sicher genug"
        assert interface.tr("{share} sure", share="80%") == "80% sicher"
        assert interface.tr("delegate") == "Vertretung"  # which is counted elsewhere
        assert interface.tr("nobody has translated this") == "nobody has translated this"
        assert interface.decimal(0.5) == "0,50"
    assert counted(1, "turn") == "1 turn"


@pytest.mark.parametrize(
    ("option", "environ", "chosen"),
    [
        (None, {}, "en"),
        (None, {"LANG": "de_DE.UTF-8"}, "de"),
        (None, {"LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"}, "en"),
        (None, {"LANG": "fr_FR.UTF-8", "LC_ALL": "de_AT@euro"}, "de"),
        (None, {"LANG": "C.UTF-8", "CULTUREPARK_LANG": "DE"}, "de"),
        (None, {"LANG": "de_DE.UTF-8", "CULTUREPARK_LANG": "en"}, "en"),
        ("de-CH", {"CULTUREPARK_LANG": "en"}, "de"),
    ],
)
def test_a_language_is_chosen_by_option_then_variable_then_system(
    option: str | None, environ: dict[str, str], chosen: str
) -> None:
    assert interface.wanted(option, environ) == chosen


def test_a_language_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"^--lang 'tlh': the screens are in .*\bde\b.*\ben\b"):
        interface.wanted("tlh", {})
    with pytest.raises(UsageError, match=r"^CULTUREPARK_LANG 'tlh'"):
        interface.wanted(None, {"CULTUREPARK_LANG": "tlh"})
