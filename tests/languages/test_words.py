"""What a person's search takes for the same, in the scripts of the languages that are spoken here."""

from __future__ import annotations

import re
import unicodedata

import pytest

from culturepark.catalog.filters import Filter
from culturepark.languages.words import folded, folded_with_places, matching, needed_by, plain, starts_with, terms
from tests.support.fakes import ELIF, edition

SAME = {
    "Turkish": [("ISPARTA", "ısparta"), ("ISPARTA", "isparta"), ("İzmir", "izmir"), ("İZMİR", "ızmır")],
    "German": [("Straße", "STRASSE"), ("Straẞe", "strasse"), ("Müller", "muller")],
    "Portuguese and Spanish": [("Coração", "coracao"), ("AÑO", "ano"), ("pingüino", "PINGUINO")],
    "Arabic": [
        ("أحمد", "احمد"), ("إسلام", "اسلام"), ("آمنة", "امنه"), ("ٱلله", "الله"), ("مدرسة", "مدرسه"), ("على", "علي"),
        ("السَّلَامُ عَلَيْكُم", "السلام عليكم"), ("ســلام", "سلام"), ("ﻻ", "لا"), ("مسؤول", "مسوول"),
    ],
    "Bengali": [
        ("হয়", "হ\u09af\u09bc"), ("বাড়ি", "বা\u09a1\u09bcি"), ("মো", "ম\u09c7\u09be"), ("র‍্যাব", "র্যাব"),
        ("সব‌চেয়ে", "সবচেয়ে"),
    ],
    "Korean": [("한국어", unicodedata.normalize("NFD", "한국어"))],
    "any": [("ＡＢＣ１", "abc1"), ("ﾊﾝｸﾞﾙ", "ハングル"), ("don’t", "don't"), ("tea\u00adhouse", "teahouse")],
}  # fmt: skip


@pytest.mark.parametrize("language", SAME)
def test_letters_that_people_write_for_each_other_are_the_same(language: str) -> None:
    for one, other in SAME[language]:
        assert folded(one) == folded(other), (one, other)
        assert folded_with_places(one)[0] == folded_with_places(other)[0]


def test_letters_that_make_another_word_are_not_the_same() -> None:
    for one, other in (("করায়", "করায"), ("কি", "কী"), ("か", "が"), ("국", "곡"), ("ماء", "ما")):
        assert folded(one) != folded(other)


def test_words_in_quotes_are_one_term() -> None:
    assert terms('Çay "two  words" KAÇ') == ["CAY", "TWO WORDS", "KAC"]


def test_people_are_found_without_accents() -> None:
    elif_ = next(person for person in edition().personas if person.key == ELIF)
    there = elif_.model_copy(update={"place": "Üçtepe", "region": "Diyarbakır", "faith": "Müslüman"})
    assert Filter(place="uctepe", faith="MUSLUMAN").passes(there)
    assert Filter(place="DİYARBAKIR").passes(there)
    assert not Filter(place="Urfa").passes(there)


def test_plain_words_keep_their_vowel_signs_and_lose_punctuation() -> None:
    assert plain("আমাদের বাড়িতে, অতিথি!") == "আমাদের বা\u09a1\u09bcিতে অতিথি"
    assert plain("हिन्दी में।") == "हिन्दी में"
    assert plain("السَّلامُ عليكم؟") == "السَّلامُ عليكم"
    assert plain("한국어。 ") == "한국어"
    assert plain("Ya\u0308, don’t!") == "yä don't"
    assert plain("İYİ, İstanbul’da") == "iyi istanbul'da"
    assert plain("কি") != plain("কী") != plain("ক")


def test_a_text_begins_with_whole_words_in_any_script() -> None:
    assert starts_with("İşte böyle.", ["işte"])
    assert starts_with("কি বলব!", ["কি"])
    assert not starts_with("কিছু না", ["কি"])
    assert not starts_with("কী বলব", ["ক"])


@pytest.mark.parametrize(
    ("pattern", "parts"),
    [
        (r"\b(stay|break)(ing)? (in )?role\b", ("role",)),
        (r"\b(as|i am) (an|one)\b", ("as", "i am")),
        (r"speak(s|ing)", ("speak",)),
        (r"(?:ab)+x?", ("ab",)),
        (r"(ab)*", ()),
        (r"\w+ [ab]?", (" ",)),
        (r"a|[bc]", ()),
        (r"(?i)role", ()),
        (r"(?i:role)", ()),
        (r"^role", ()),
    ],
)
def test_a_pattern_needs_parts_that_every_match_of_it_holds(pattern: str, parts: tuple[str, ...]) -> None:
    assert needed_by(pattern) == parts


def test_patterns_match_as_they_do_without_a_look_at_their_parts() -> None:
    patterns = [r"\b(stay|break)(ing)? (in )?role\b", r"^well\b", r"(?i:I see)", r"\w+ing (x|yy)"]
    for text in ("Staying in role.", "Breaking role", "A role to break", "Well, I see", "oh well", "going YY", "x"):
        assert list(matching(text, patterns)) == [p for p in patterns if re.search(p, text.casefold())]
