"""Turns are cut into pieces that a model can point at: small ones, in every script, and nothing is lost."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culturepark.distill.pieces import MOST, Piece, length, numbered, pieces
from culturepark.languages import load_language
from tests.support.fakes import pieces_of

SENTENCES = load_language("en").sentences


def cut(text: str, first: int = 1) -> list[Piece]:
    return pieces(text, SENTENCES, first)


def texts(text: str) -> list[str]:
    return [text[piece.start : piece.end] for piece in cut(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We pour tea first. Then we talk.", ["We pour tea first.", "Then we talk."]),
        ("Çay koyarız, sonra uzun uzun konuşuruz.", ["Çay koyarız, sonra uzun uzun konuşuruz."]),
        (
            "Misafir gelince çay koyarız, sonra uzun uzun konuşuruz.",
            ["Misafir gelince çay koyarız,", "sonra uzun uzun konuşuruz."],
        ),
        ("我们过年回家，大家一起吃饺子！你们呢？", ["我们过年回家，", "大家一起吃饺子！", "你们呢？"]),
        (
            "日本では靴を脱ぎます。家に入る前に必ず脱ぐのが礼儀です。",
            ["日本では靴を脱ぎます。", "家に入る前に必ず脱ぐ", "のが礼儀です。"],
        ),
        (
            "نحن نشرب القهوة أولا، ثم نتكلم عن العمل؛ وهكذا كان أبي يفعل.",
            ["نحن نشرب القهوة أولا،", "ثم نتكلم عن العمل؛", "وهكذا كان أبي يفعل."],
        ),
        (
            "আমরা অতিথিকে খাওয়াই। তারপর কথা বলি, আর কেউ তাড়া দেয় না।",
            ["আমরা অতিথিকে খাওয়াই।", "তারপর কথা বলি,", "আর কেউ তাড়া দেয় না।"],
        ),
        ("우리는 설날에 모여요. 떡국을 먹어요!", ["우리는 설날에 모여요.", "떡국을 먹어요!"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_and_clauses_are_pieces_in_every_script(text: str, found: list[str]) -> None:
    assert texts(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One waits for the oldest; nobody says why.", ["One waits for the oldest;", "nobody says why."]),
        ("My aunt has a rule: no shoes inside.", ["My aunt has a rule:", "no shoes inside."]),
        ("We wait for him — nobody eats before.", ["We wait for him —", "nobody eats before."]),
        ("We wait for him—nobody eats before.", ["We wait for him—", "nobody eats before."]),
        ("We wait for him - nobody eats before.", ["We wait for him -", "nobody eats before."]),
        ("I would wait… and then I would go.", ["I would wait…", "and then I would go."]),
        ("“You sit down first,” my father says at home.", ["“You sit down first,”", "my father says at home."]),
        # no marks between clauses, or too little on a side of one
        ("Salt, bread, tea, a plant.", ["Salt, bread, tea, a plant."]),
        ("Well, one waits for him.", ["Well, one waits for him."]),
        ("We have always waited, haven't we?", ["We have always waited, haven't we?"]),
        ("By 10:30 it costs 3,50 each.", ["By 10:30 it costs 3,50 each."]),
    ],
)
def test_a_sentence_is_cut_at_marks_that_part_clauses(text: str, found: list[str]) -> None:
    assert texts(text) == found


@pytest.mark.parametrize("words", [MOST, MOST + 1, 2 * MOST, 2 * MOST + 1, 50])
def test_a_long_clause_is_cut_into_parts_of_about_the_same_length(words: int) -> None:
    found = [len(piece.split()) for piece in texts(" ".join(f"word{n}" for n in range(words)) + ".")]
    assert sum(found) == words
    assert len(found) == -(-words // MOST)
    assert max(found) <= MOST
    assert max(found) - min(found) <= len(found)


def test_a_long_clause_without_spaces_is_cut_by_its_signs() -> None:
    found = texts("客" * 60)
    assert "".join(found) == "客" * 60
    assert max(map(length, found)) <= MOST


@pytest.mark.parametrize(
    "text", ["เราต้อนรับแขกด้วยน้ำชาและขนมทุกครั้งที่มาเยือนบ้านของเราในหมู่บ้าน", unicodedata.normalize("NFD", "がぎぐげご" * 8)]
)
def test_no_vowel_or_accent_is_cut_off_its_letter(text: str) -> None:
    found = texts(text)
    assert len(found) > 1
    assert "".join(found) == text
    assert not any(unicodedata.category(piece[0]).startswith("M") for piece in found)


def test_places_count_code_points() -> None:
    text = "🫖👨‍👩‍👧 We pour it. 𠮷野家 is where we eat 🎉. İstanbul'da da öyledir."
    found = cut(text)
    assert [text[piece.start : piece.end] for piece in found] == [
        "🫖👨‍👩‍👧 We pour it.",
        "𠮷野家 is where we eat 🎉.",
        "İstanbul'da da öyledir.",
    ]
    assert [piece.start for piece in found] == [0, text.index("𠮷"), text.index("İ")]


def test_pieces_are_numbered_on_from_the_first_and_shown_with_their_numbers() -> None:
    text = "We pour tea first.\n\nThen  we talk."
    found = cut(text, first=7)
    assert [piece.number for piece in found] == [7, 8]
    assert numbered(text, found) == "[7] We pour tea first. [8] Then  we talk."
    assert pieces_of(numbered(text, found)) == [(7, "We pour tea first."), (8, "Then  we talk.")]


SAID = """We pour tea nobody's well-kept Dr. 3.50 e.g. 🎉 👨‍👩‍👧 Çay İstanbul'da 我们过年回家 饺子
靴を脱ぐ 커피를 نشرب القهوة আমরা খাওয়াই ด้วยน้ำชา cafe\u0301 \u200b — - … ; : , ، ؛ 。 ！ ， ? ! . ” “ ) ("""
WORDS = st.sampled_from(SAID.split())
GAPS = st.sampled_from([" ", "", "  ", "\n", "\n\n", "\u00a0", "\t", ", ", ". "])


@given(st.lists(st.tuples(WORDS, GAPS), max_size=60), st.integers(1, 500))
def test_pieces_never_overlap_and_hold_all_that_is_said(said: list[tuple[str, str]], first: int) -> None:
    text = "".join(word + gap for word, gap in said)
    found = cut(text, first)
    assert [piece.number for piece in found] == list(range(first, first + len(found)))
    assert all(before.end <= after.start for before, after in pairwise(found))
    held = [text[piece.start : piece.end] for piece in found]
    assert all(piece == piece.strip() != "" for piece in held)
    assert "".join("".join(held).split()) == "".join(text.split())


@given(st.text(max_size=120))
def test_whatever_is_said_its_pieces_hold_it(text: str) -> None:
    found = cut(text)
    assert all(before.end <= after.start for before, after in pairwise(found))
    assert "".join("".join(text[piece.start : piece.end] for piece in found).split()) == "".join(text.split())
