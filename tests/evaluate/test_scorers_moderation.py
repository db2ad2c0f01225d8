"""`moderation`: hard labels against macro-F1, and soft labels against the shares of raters."""

from __future__ import annotations

import random
from itertools import product

import pytest

from culturepark.catalog.suites import Item
from culturepark.evaluate import classification
from culturepark.evaluate.scorers import scorer_of
from culturepark.evaluate.scorers.moderation import one_person
from tests.support.sheets import a_sheet, an_item, figure, figures

LABELS = ("hateful", "fine")
RIGHT = [1] * 12 + [2] * 28
ITEMS = [an_item(f"t{n}", LABELS, group="German", answer=code) for n, code in enumerate(RIGHT)]


def test_right_labels_and_the_commonest_one() -> None:
    found = figures(a_sheet(ITEMS, lambda item, *_: item.answer, "moderation"))
    macro = figure(found, "macro_f1", "majority", culture="German")
    assert (macro.value, macro.n, macro.low, macro.high, macro.skill) == (1, 40, 1, 1, 1)
    assert macro.null_value == pytest.approx(2 * 0.7 / 1.7 / 2, abs=1e-6)
    assert figure(found, "macro_f1", "stratified", culture="German").null_value == 0.5
    hateful = figure(found, "recall", "majority", culture="German", label="hateful")
    assert (hateful.value, hateful.null_value) == (1, 0)
    assert figure(found, "recall", "stratified", culture="German", label="hateful").null_value == pytest.approx(0.3)
    always = figures(a_sheet(ITEMS, lambda *_: 2, "moderation"))
    row = figure(always, "macro_f1", "majority", culture="German")
    assert row.value == pytest.approx(row.null_value)
    assert row.skill == pytest.approx(0, abs=1e-6)


def test_a_coin_is_within_its_interval_of_the_null() -> None:
    draw = random.Random(5)
    found = figures(a_sheet(ITEMS, lambda *_: draw.choices((1, 2), (3, 7))[0], "moderation"))
    row = figure(found, "macro_f1", "stratified", culture="German")
    assert row.low is not None
    assert row.high is not None
    assert row.low < 0.5 < row.high


def test_figures_with_missing_answers_are_those_of_the_label_scores() -> None:
    draw = random.Random(7)
    sheet = a_sheet(ITEMS, lambda *_: draw.choice((1, 2, None)), "moderation")
    names = {1: "hateful", 2: "fine", None: None}
    right = {item.key: item.answer for item in ITEMS}
    pairs = [(names[right[a.item]] or "", names[a.choice]) for a in sheet.answers]
    scores = classification.label_scores(pairs)
    found = figures(sheet)
    assert figure(found, "macro_f1", culture="German").value == pytest.approx(classification.macro_f1(pairs), abs=1e-6)
    for label in LABELS:
        for metric in ("precision", "recall", "f1"):
            row = figure(found, metric, "stratified", culture="German", label=label)
            assert row.value == pytest.approx(getattr(scores[label], metric), abs=1e-6)
            assert row.low is not None
            assert row.high is not None
            assert row.low <= row.value <= row.high
    assert figure(found, "answered", culture="German").value == pytest.approx(
        sum(given is not None for _, given in pairs) / len(pairs), abs=1e-6
    )


def test_cultures_label_differently() -> None:
    items = [an_item(f"t{n}", LABELS, answers={"DEU": 1 + n % 2, "KOR": 2 - n % 2}) for n in range(10)]
    found = figures(a_sheet(items, lambda item, *_: item.answers["DEU"], "moderation"))
    assert figure(found, "macro_f1", "majority", culture="german").value == 1
    assert figure(found, "macro_f1", "majority", culture="korean").value == 0
    assert figure(found, "macro_f1", "majority", culture="all").value == 0.5


SOFT = [
    an_item(f"s{n}", LABELS, shares={"DEU": {1: share, 2: 1 - share}}, n={"DEU": 5})
    for n, share in enumerate((0.0, 0.2, 0.4, 0.6, 0.8, 1.0))
]


def test_the_shares_themselves_agree_fully_and_their_mean_does_not() -> None:
    found = figures(a_sheet(SOFT, lambda item, *_: item.shares["DEU"], "moderation"))
    row = figure(found, "soft_agreement", "pooled share", culture="german")
    assert row.value == pytest.approx(1)
    assert row.null_value == pytest.approx(1 - (0.5 + 0.3 + 0.1) / 3)
    assert row.ceiling is not None
    assert row.null_value < row.ceiling < 1
    assert row.skill == 1
    entropy = figure(found, "cross_entropy", "pooled share", culture="german")
    assert entropy.value == pytest.approx(entropy.ceiling)
    assert entropy.null_value == pytest.approx(1)
    constant = figures(a_sheet(SOFT, lambda *_: {1: 0.5, 2: 0.5}, "moderation"))
    for metric in ("soft_agreement", "cross_entropy"):
        assert figure(constant, metric, "pooled share", culture="german").skill == pytest.approx(0, abs=1e-6)
    one = figure(found, "one_person_agreement", "pooled share", culture="german")
    assert one.value == pytest.approx(sum(one_person([i / 5, 1 - i / 5], 5) for i in range(6)) / 6, abs=1e-6)


@pytest.mark.parametrize(("n", "labels"), [(2, 2), (5, 2), (4, 3)])
def test_one_person_against_the_others_by_leaving_each_out(n: int, labels: int) -> None:
    for raters in product(range(labels), repeat=n):
        agreements = []
        for person, own in enumerate(raters):
            others = [label for rater, label in enumerate(raters) if rater != person]
            away = [abs((own == label) - others.count(label) / len(others)) for label in range(labels)]
            agreements.append(1 - sum(away) / labels)
        shares = [raters.count(label) / n for label in range(labels)]
        assert one_person(shares, n) == pytest.approx(sum(agreements) / n)


def test_without_the_number_of_raters_there_is_no_ceiling() -> None:
    items = [an_item(f"s{n}", LABELS, shares={"DEU": {1: 0.3, 2: 0.7}}) for n in range(6)]
    found = figures(a_sheet(items, lambda *_: 1, "moderation"))
    row = figure(found, "soft_agreement", "pooled share", culture="german")
    assert row.ceiling is None
    assert row.value == pytest.approx(0.3)
    assert not [f for f in found if f.metric == "one_person_agreement"]


def test_scores_are_of_single_answers() -> None:
    def reply(item: Item, *_: object) -> int | None:
        return None if item.key == "t0" else 2

    scores = list(scorer_of("moderation").scores(a_sheet(ITEMS, reply, "moderation")))
    assert len(scores) == 2 * 39
    assert sum(score.value or 0 for score in scores) == 2 * 28


def test_labels_in_several_languages_are_the_same_labels() -> None:
    german = [
        an_item(
            f"de{n}",
            ("verletzend", "in Ordnung"),
            group="German",
            language="de",
            answer=1 + n % 2,
            words={"en": {"question": "?", "options": {1: "hateful", 2: "fine"}}},
        )
        for n in range(6)
    ]
    english = [an_item(f"en{n}", LABELS, group="American", answer=1 + n % 2) for n in range(6)]
    found = figures(a_sheet([*german, *english], lambda item, *_: item.answer, "moderation"))
    assert {f.group.rpartition("label=")[2] for f in found if f.metric == "f1"} == set(LABELS)
    assert figure(found, "macro_f1", "majority", culture="all").null_value == pytest.approx(1 / 3, abs=1e-6)


def test_a_topic_with_one_right_label_has_its_recall() -> None:
    """As in functional tests, whose cases of one function are all hateful, or all fine."""
    items = [item.model_copy(update={"topic": f"right is {item.answer}"}) for item in ITEMS]
    found = figures(a_sheet(items, lambda *_: 2, "moderation"))
    rows = [f for f in found if "topic=" in f.group]
    assert {(f.metric, f.value, f.null_name, f.null_value) for f in rows} == {
        ("recall", 0, "majority", 0),
        ("recall", 0, "stratified", 0.3),
        ("recall", 1, "majority", 1),
        ("recall", 1, "stratified", 0.7),
    }
