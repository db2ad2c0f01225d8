"""What is read in an answer: an option, several, none; and what all options weigh."""

from __future__ import annotations

import math

import pytest

from culturepark.catalog.suites import Item
from culturepark.evaluate.elicit import LETTERS, answer_token, chosen, marks_of, masses_of, spoken
from culturepark.evaluate.plan import DECLINED, orders_of
from culturepark.models.chat import Token

LABELS = {1: "strongly agree", 2: "agree", 3: "disagree", 4: "strongly disagree"}
MARKS = marks_of("letters", (1, 2, 3, 4))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("B", [2]),
        (" b\n", [2]),
        ("**B**", [2]),
        ("(B)", [2]),
        ("B.", [2]),
        ("B. agree", [2]),
        ("B agree", [2]),
        ("B) Agree, because my parents taught me so.", [2]),
        ("【B】", [2]),
        ("B：同意", [2]),
        ("The answer is B.", [2]),
        ("Antwort: B", [2]),
        ("La respuesta es B.", [2]),
        ("답은 B", [2]),
        ("agree", [2]),
        ("Agree.", [2]),
        ("Strongly agree", [1]),
        ("I strongly disagree with that.", [4]),
        ("I agree.", [2]),
        ("A or B", []),
        ("Both A and B", []),
        ("agree or disagree, who knows", [3, 2]),
        ("A difficult question, I cannot say.", []),
        ("As an AI, I have no opinions.", []),
        ("E", []),
        ("", []),
        ("...", []),
        ("2", []),
        ("Bagdad", []),
        ("A. strongly agree\nB. agree\nC. dis", [1, 2, 3]),
        ("A. agree", [1, 2]),
        ("A\nBecause my parents did.", [1]),
    ],
)
def test_an_answer_names_the_options_that_it_names(text: str, codes: list[int]) -> None:
    assert sorted(chosen(text, MARKS, LABELS, whole=True)) == sorted(codes)


def test_after_reasoning_only_the_last_line_counts() -> None:
    text = "Many would say A. Some say B, and my parents did.\n\nC"
    assert chosen(text, MARKS, LABELS, whole=False) == [3]
    assert chosen("I agree with B.\nThere is no answer to that.", MARKS, LABELS, whole=False) == []


@pytest.mark.parametrize(
    ("labels", "text", "code"),
    [
        ({1: "非常同意", 2: "同意", 3: "不同意", 4: "非常不同意"}, "不同意", 3),
        ({1: "非常同意", 2: "同意", 3: "不同意", 4: "非常不同意"}, "我非常不同意。", 4),
        ({1: "أوافق بشدة", 2: "أوافق", 3: "لا أوافق", 4: "لا أوافق إطلاقاً"}, "لا أوافق", 3),
        ({1: "stimme voll zu", 2: "stimme zu", 3: "stimme nicht zu", 4: "stimme gar nicht zu"}, "Stimme nicht zu.", 3),
        ({1: "kesinlikle katılıyorum", 2: "katılıyorum"}, "Kesinlikle katılıyorum", 1),
    ],
)
def test_labels_in_other_scripts(labels: dict[int, str], text: str, code: int) -> None:
    assert chosen(text, marks_of("labels", tuple(labels)), labels, whole=True) == [code]


def test_numbers_are_the_codes() -> None:
    labels = {code: f"{code} out of 10" for code in range(1, 11)}
    marks = marks_of("numbers", tuple(range(10, 0, -1)))
    assert chosen("10", marks, labels, whole=True) == [10]
    assert chosen("1", marks, labels, whole=True) == [1]
    assert chosen("7.", marks, labels, whole=True) == [7]
    assert chosen("I would say 7", marks, labels, whole=True) == [7]


def test_a_mass_is_that_of_all_spellings_and_never_shared_out() -> None:
    rivals = {"A": 0.2, " A": 0.1, "B": 0.3, "**": 0.1, "I": 0.3}
    token = Token("B", math.log(0.3), {text: math.log(mass) for text, mass in rivals.items()})
    masses = masses_of(token, MARKS)
    assert masses[1] == pytest.approx(0.3)
    assert masses[2] == pytest.approx(0.3)
    assert masses[3] == masses[4] == 0
    assert sum(masses.values()) == pytest.approx(0.6)


def tokens(*texts: str) -> list[Token]:
    return [Token(text, -0.1, {text: -0.1}) for text in texts]


def test_the_answers_token_is_found_behind_thoughts_and_decoration() -> None:
    thoughts = tokens("<think>", "A", " maybe", "</think>", "\n\n", "**", "B", "**")
    found = answer_token(spoken(thoughts, "**B**"), MARKS.values(), reasoning=False)
    assert found is not None
    assert found.text == "B"
    aloud = tokens("Some", " say", " A", ".", "\n", "C", ".")
    found = answer_token(spoken(aloud, "Some say A.\nC."), MARKS.values(), reasoning=True)
    assert found is not None
    assert found.text == "C"
    refusal = tokens("I", " cannot", " say", ".")
    found = answer_token(spoken(refusal, "I cannot say."), MARKS.values(), reasoning=False)
    assert found is not None
    assert sum(masses_of(found, MARKS).values()) == 0
    assert answer_token(spoken(refusal, "I cannot say."), MARKS.values(), reasoning=True) is None
    assert answer_token([], MARKS.values(), reasoning=False) is None


def test_no_option_is_called_i() -> None:
    assert "I" not in LETTERS
    assert len(LETTERS) == 25


def item(scale: str, count: int) -> Item:
    options = [{"code": code, "label": f"option {code}"} for code in range(1, count + 1)]
    return Item.model_validate({"key": "q", "question": "?", "scale": scale, "options": options})


@pytest.mark.parametrize("count", [2, 3, 4, 7])
def test_every_option_stands_in_every_place_equally_often(count: int) -> None:
    orders = orders_of(item("nominal", count), balanced=True)
    for place in range(count):
        assert sorted(order[place] for order in orders) == list(range(1, count + 1))
    assert orders_of(item("ordinal", count), balanced=True) == [
        tuple(range(1, count + 1)),
        tuple(range(count, 0, -1)),
    ]
    assert orders_of(item("nominal", count), balanced=False) == [tuple(range(1, count + 1))]
    assert DECLINED not in orders[0]
