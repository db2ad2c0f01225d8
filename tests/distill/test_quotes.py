"""Quotes are found as they stand in a turn, and rendered as sentences."""

from __future__ import annotations

import unicodedata

import pytest

from culturepark.distill import quotes


@pytest.mark.parametrize(
    ("quote", "text", "found"),
    [
        ("Cafés open at dawn", "Here cafe\u0301s open at dawn.", "cafe\u0301s open at dawn"),
        ("cafe\u0301s open at dawn", "Here cafés open at dawn.", "cafés open at dawn"),
        ("çay içeriz", unicodedata.normalize("NFD", "Biz çay içeriz."), unicodedata.normalize("NFD", "çay içeriz")),
        (
            "떡국을 먹어요",
            unicodedata.normalize("NFD", "우리는 떡국을 먹어요!"),
            unicodedata.normalize("NFD", "떡국을 먹어요"),
        ),
        ("we pour tea", "At home \u202ewe\u202c pour\u200b tea.", "we\u202c pour\u200b tea"),
        ("we\u0007 pour tea", "At home we pour tea.", "we pour tea"),
        ("نشرب القهوة", "في بيتنا \u200fنشرب القهوة\u200f أولا.", "نشرب القهوة"),
    ],
)
def test_a_quote_is_found_however_it_is_composed_and_whatever_is_invisible(quote: str, text: str, found: str) -> None:
    span = quotes.locate(quote, text)
    assert span is not None
    assert text[slice(*span)] == found


def test_a_quote_becomes_a_sentence_without_another_word() -> None:
    assert quotes.as_sentence("we never lock a well in our hills: God sees it.") == (
        "We never lock a well in our hills: God sees it."
    )
    assert quotes.as_sentence("we never lock a well,") == "We never lock a well."
    assert quotes.as_sentence("We never lock a well!") == "We never lock a well!"


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("我们先喝茶", "。"), ("お茶を飲む", "。"), ("আমরা চা দিই", "।"), ("हम चाय देते हैं", "।"),
        ("نحن نشرب الشاي", "."),
        ("차를 드려요", "."), ("Önce çay", "."), ("Tea (茶) first", "."), ("我们喝 tea 2024", "."), ("123", "."),
        ("", "."),
    ],
)  # fmt: skip
def test_a_sentence_ends_with_the_mark_of_its_script(text: str, mark: str) -> None:
    assert quotes.full_stop(text) == mark
