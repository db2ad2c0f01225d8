"""`choice`: models that know, that guess, that take the first letter, and that do not answer."""

from __future__ import annotations

import random

import pytest

from culturepark.catalog.suites import Item
from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.scorers import scorer_of
from tests.support.sheets import a_sheet, a_suite, an_item, figure, figures

LABELS = ("rice", "bread", "noodles", "soup")


def items_of(culture: str, count: int, **fields: object) -> list[Item]:
    return [an_item(f"{culture}{n}", LABELS, group=culture, answer=1 + n % 4, **fields) for n in range(count)]


ITEMS = items_of("German", 20) + items_of("Turkish", 8)


def test_whoever_is_always_right_has_no_mistake() -> None:
    found = figures(a_sheet(ITEMS, lambda item, *_: item.answer, "choice"))
    for metric in ("accuracy", "accuracy_of_all"):
        row = figure(found, metric, "chance", culture="German")
        assert (row.value, row.high, row.n, row.null_value, row.skill) == (1, 1, 20, 0.25, 1)
        assert row.low == pytest.approx(20 / (20 + 1.96**2))  # Wilson: nobody without a mistake in 20 never makes one
    assert figure(found, "accuracy", "chance", culture="all").n == 28
    assert figure(found, "answered", culture="all").value == 1
    scores = list(scorer_of("choice").scores(a_sheet(ITEMS, lambda item, *_: item.answer, "choice")))
    assert {score.value for score in scores} == {1.0}
    assert len(scores) == 4 * len(ITEMS)


def test_a_guessers_interval_covers_chance_as_often_as_it_says() -> None:
    draw, items, covered = random.Random(3), items_of("German", 40), 0
    for _ in range(40):
        found = figures(a_sheet(items, lambda *_: draw.randint(1, 4), "choice"))
        row = figure(found, "accuracy", "chance", culture="German")
        assert row.low is not None
        assert row.high is not None
        covered += row.low <= 0.25 <= row.high
    assert covered >= 34


def test_whoever_takes_the_first_letter_is_named_and_knows_nothing() -> None:
    first = {0: 0.94}

    def reply(_: Item, __: str, shown: tuple[int, ...]) -> dict[int, float]:
        return {code: first.get(place, 0.02) for place, code in enumerate(shown)}

    found = figures(a_sheet(ITEMS, reply, "choice"))
    named = figure(found, "always_first", options="4")
    assert named.value == pytest.approx(0.94)
    assert named.null_value == 0.25
    accuracy = figure(found, "accuracy", "chance", culture="all")
    assert accuracy.value == 0.25
    assert accuracy.skill == 0
    # Averaged over orders every option has a quarter, and a quarter is right; at the first place .94 is too sure.
    assert figure(found, "calibration_error", culture="all").value == pytest.approx(0, abs=1e-6)
    assert figure(found, "calibration_error", culture="all", place="1").value == pytest.approx(0.94 - 0.25)
    assert figure(found, "brier", "chance", culture="all").value == pytest.approx(0.1875)
    assert figure(found, "brier", "chance", culture="all").skill == pytest.approx(0)


def test_cultures_of_uneven_size_count_alike_in_the_macro_average() -> None:
    found = figures(a_sheet(ITEMS, lambda item, *_: item.answer if item.group == "German" else 0, "choice"))
    assert figure(found, "accuracy", "chance", culture="all").value == pytest.approx(20 / 28, abs=1e-6)
    macro = figure(found, "accuracy_macro", "chance", culture="all")
    assert macro.value == 0.5
    assert macro.null_value == 0.25
    assert macro.low is not None
    assert macro.high is not None
    assert macro.low < 0.5 < macro.high


def test_countries_have_right_answers_of_their_own() -> None:
    items = [an_item(f"q{n}", LABELS, answers={"DEU": 1, "TUR": 2, "KOR": 2}) for n in range(6)]
    found = figures(a_sheet(items, lambda *_: 1, "choice"))
    assert figure(found, "accuracy", "chance", culture="german").value == 1
    assert figure(found, "accuracy", "chance", culture="turkish").value == 0
    assert figure(found, "accuracy", "others", culture="turkish").null_value == 0.5  # Germans' or Koreans'
    assert figure(found, "accuracy", "others", culture="german").null_value == 0
    assert figure(found, "accuracy", "chance", culture="all").value == pytest.approx(1 / 3, abs=1e-6)


def test_a_missing_answer_is_no_wrong_one_and_is_shown() -> None:
    def reply(item: Item, _: str, shown: tuple[int, ...]) -> int | None:
        return None if item.key.endswith("0") or shown[0] == 1 else item.answer

    found = figures(a_sheet(items_of("German", 10), reply, "choice"))
    assert figure(found, "accuracy", "chance", culture="German").value == 1
    assert figure(found, "accuracy", "chance", culture="German").n == 9
    assert figure(found, "accuracy_of_all", "chance", culture="German").value == pytest.approx(0.9 * 0.75)
    assert figure(found, "answered", culture="German").value == pytest.approx(0.9 * 0.75)
    assert next(f for f in found if f.metric == "abstained").value == pytest.approx(1 - 0.9 * 0.75)


def test_an_option_that_never_gets_mass_does_no_harm() -> None:
    found = figures(a_sheet(ITEMS, lambda *_: {1: 0.5, 2: 0.3, 3: 0.2}, "choice"))
    assert figure(found, "accuracy", "chance", culture="all").value == pytest.approx(0.25)
    expected = (3 * (0.25 + 0.09 + 0.04) + (0.25 + 0.49 + 0.64 + 1)) / 16
    assert figure(found, "brier", "chance", culture="all").value == pytest.approx(expected, abs=1e-6)


def test_nobody_answers() -> None:
    found = figures(a_sheet(ITEMS, lambda *_: None, "choice"))
    assert not [f for f in found if f.metric in ("accuracy", "accuracy_macro", "brier", "calibration_error")]
    assert figure(found, "accuracy_of_all", "chance", culture="all").value == 0
    assert figure(found, "answered", culture="all").value == 0


def test_the_longest_option_is_a_null() -> None:
    labels = ("tea", "a cup of tea, politely declined twice before", "water")
    items = [an_item(f"q{n}", labels, group="German", answer=2) for n in range(8)]
    row = figure(figures(a_sheet(items, lambda *_: 2, "choice")), "accuracy", "longest option", culture="German")
    assert row.null_value == 1
    assert row.skill is None  # who only takes the longest has no less


def test_topics_of_five_items_have_figures() -> None:
    dress = [i.model_copy(update={"key": f"x{i.key}", "topic": "dress"}) for i in items_of("German", 4)]
    items = items_of("German", 5, topic="food, drink") + dress
    found = figures(a_sheet(items, lambda item, *_: item.answer, "choice"))
    assert figure(found, "accuracy", "chance", culture="German", topic="food; drink").n == 5
    assert not [f for f in found if "topic=dress" in f.group]


def test_a_suite_without_right_answers_is_refused() -> None:
    problem = scorer_of("choice").problem(a_suite([an_item("q")], "choice"))
    assert problem
    assert "answer" in problem


def test_a_neutral_question_counts_for_each_country() -> None:
    items = [an_item(f"q{n}", LABELS, answers={"DEU": 1, "TUR": 2}) for n in range(6)]
    asked = a_sheet([an_item(f"q{n}", LABELS) for n in range(6)], lambda *_: 1, "choice", framing="neutral")
    sheet = Sheet(a_suite(items, "choice"), asked.answers, 1, culture_of={"DEU": "german", "TUR": "turkish"})
    found = [f for f in figures(sheet) if f.metric == "accuracy" and f.null_name == "chance"]
    assert {f.group.split(",")[0]: f.value for f in found} == {
        "culture=german": 1,
        "culture=turkish": 0,
        "culture=all": 0.5,
    }


def test_cultures_asked_in_their_own_languages_have_figures_over_all() -> None:
    sheets = [
        a_sheet(items_of(culture, count), reply, "choice", language=language)
        for culture, language, count, reply in (
            ("german", "de", 8, lambda item, *_: item.answer),
            ("turkish", "tr", 4, lambda *_: 0),
        )
    ]
    items = [item for sheet in sheets for item in sheet.suite.items]
    joined = Sheet(
        suite=a_suite(items, "choice"),
        answers=[answer for sheet in sheets for answer in sheet.answers],
        seed=1,
        culture_of={"german": "german", "turkish": "turkish"},
        language_of=sheets[0].language_of,
    )
    found = [f for f in figures(joined) if f.metric.startswith("accuracy") and f.null_name == "chance"]
    assert {
        (f.metric, f.group.replace("framing=persona,", "")): f.value for f in found if "of_all" not in f.metric
    } == {
        ("accuracy", "culture=german,language=de"): 1,
        ("accuracy", "culture=turkish,language=tr"): 0,
        ("accuracy", "culture=all,language=native"): pytest.approx(2 / 3, abs=1e-6),
        ("accuracy_macro", "culture=all,language=native"): 0.5,
    }
