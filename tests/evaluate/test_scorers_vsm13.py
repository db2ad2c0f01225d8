"""`vsm13`: dimensions from means of respondents, with hand-worked means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from culturepark.catalog.hofstede import hofstede
from culturepark.catalog.suites import Item
from culturepark.evaluate import vsm
from culturepark.evaluate.answers import Sheet
from culturepark.evaluate.figures import Figure
from culturepark.evaluate.scorers import scorer_of
from culturepark.evaluate.scorers.vsm13 import number_of
from tests.cli.test_cli import cli
from tests.support.sheets import a_sheet, a_suite, an_answer, an_item, figure, figures

LABELS = ("one", "two", "three", "four", "five")
ITEMS = [an_item(f"m{number:02d}", LABELS, scale="ordinal") for number in vsm.ITEMS]
EUROPE = ("german", "turkish", "korean")
KNOWN = {
    culture: hofstede().countries[country].by_dimension()
    for culture, country in {"german": "DEU", "turkish": "TUR", "korean": "KOR", "arabic": "JOR"}.items()
}
EQUAL = {"german": 46.7, "turkish": 41.1, "korean": 73.6}


def equal(*_: object) -> int:
    return 3


def patriarchal(item: Item, group: str, _: object) -> int:
    """Turks say 4 to item 7 and Koreans 5 to item 4; everything else is 3."""
    return {("m07", "turkish"): 4, ("m04", "korean"): 5}.get((item.key, group), 3)


def test_scores_by_hand() -> None:
    found = figures(a_sheet(ITEMS, patriarchal, "vsm13", EUROPE, respondents=30))
    known = {culture: KNOWN[culture]["pdi"] for culture in EUROPE}
    # Raw power distance is 35 for Turks and 0 for the others, so the constant is the mean of the known minus 35 / 3.
    constant = fmean(v for v in known.values() if v is not None) - 35 / 3
    assert figure(found, "vsm_pdi", culture="turkish").value == pytest.approx(35 + constant, abs=1e-5)
    assert figure(found, "vsm_pdi", culture="german").value == pytest.approx(constant, abs=1e-5)
    assert figure(found, "vsm_pdi", culture="german").ceiling is None
    published = figure(found, "vsm_pdi_by_hofstede", culture="german")
    assert (published.value, published.n, published.null_name) == (35, 0, None)
    assert figure(found, "vsm_pdi", culture="german").null_value == pytest.approx((35 + 66 + 60) / 3, abs=1e-5)
    korean = figure(found, "vsm_idv", culture="korean").value
    german = figure(found, "vsm_idv", culture="german").value
    assert korean is not None
    assert german is not None
    assert korean - german == pytest.approx(70)
    assert figure(found, "vsm_respondents", culture="german").value == 30
    assert figure(found, "vsm_dimensions", culture="german").value == 6
    assert figure(found, "answered", culture="all").value == 1


def test_equal_answers_have_the_distance_of_the_null_and_no_skill() -> None:
    found = figures(a_sheet(ITEMS, equal, "vsm13", EUROPE, respondents=30))
    for culture in EUROPE:
        row = figure(found, "vsm_distance", culture=culture)
        assert row.value == pytest.approx(row.null_value)
        assert row.skill == pytest.approx(0, abs=1e-6)
        assert row.low == row.high == row.value  # everybody says the same
        published = figure(found, "vsm_distance_as_published", culture=culture)
        assert published.value == pytest.approx(EQUAL[culture], abs=0.05)
        assert published.skill == pytest.approx(0, abs=1e-6)
    assert figure(found, "vsm_distance_as_published", culture="all").value == pytest.approx(
        fmean(EQUAL.values()), abs=0.05
    )
    assert figure(found, "vsm_distance", culture="all").n == 24


def test_what_lies_nearer_than_equal_answers_has_skill() -> None:
    """Differences between the countries as Hofstede has them, within what answers from 1 to 5 can say."""

    def reply(item: Item, group: str, _: object) -> dict[int, float]:
        wanted = {"m07": ("pdi", 35, 3), "m04": ("idv", 35, 3), "m05": ("mas", 35, 3), "m18": ("uai", 40, 3)}
        wanted |= {"m13": ("lto", 40, 3), "m12": ("ivr", 35, 3)}
        if item.key not in wanted:
            return {3: 1.0}
        dimension, factor, _middle = wanted[item.key]
        score = KNOWN[group][dimension]
        assert score is not None
        mean = min(4.999, max(1.0, 3 + (score - 50) / factor))
        below = int(mean)
        return {below: 1 - (mean - below), below + 1: mean - below}

    found = figures(a_sheet(ITEMS, reply, "vsm13", EUROPE, respondents=30))
    for culture in EUROPE:
        row = figure(found, "vsm_distance", culture=culture)
        assert row.value == pytest.approx(0, abs=0.01)
        assert row.skill == pytest.approx(1, abs=0.001)


def test_dimensions_that_were_not_measured_are_not_compared() -> None:
    found = figures(a_sheet(ITEMS, equal, "vsm13", (*EUROPE, "arabic"), respondents=30))
    assert figure(found, "vsm_dimensions", culture="arabic").value == 2
    assert figure(found, "vsm_dimensions", culture="turkish").value == 6
    means = {d: fmean(v for c in KNOWN if (v := KNOWN[c][d]) is not None) for d in ("lto", "ivr")}
    gaps = [means[d] - (KNOWN["arabic"][d] or 0) for d in means]
    assert figure(found, "vsm_distance", culture="arabic").value == pytest.approx(
        sum(g * g for g in gaps) ** 0.5, abs=1e-5
    )
    assert figure(found, "vsm_mean_error", culture="arabic").value == pytest.approx(fmean(map(abs, gaps)), abs=1e-5)


def test_two_cultures_have_differences_and_no_scores() -> None:
    found = figures(a_sheet(ITEMS, patriarchal, "vsm13", ("turkish", "german"), respondents=30))
    assert not [f for f in found if f.metric in ("vsm_distance", "vsm_pdi")]
    row = figure(found, "vsm_difference_pdi", culture="turkish", against="german")
    assert (row.value, row.null_value, row.ceiling, row.skill) == (35, 0, None, None)
    published = figure(found, "vsm_difference_pdi_by_hofstede", culture="turkish", against="german")
    assert published.value == 66 - 35
    assert figure(found, "vsm_distance_as_published", culture="german").value == pytest.approx(
        EQUAL["german"], abs=0.05
    )


def test_two_measured_cultures_do_not_fit_a_constant_to_a_dimension() -> None:
    """Of Germans, Turks and Jordanians only two have a power distance."""
    found = figures(a_sheet(ITEMS, equal, "vsm13", ("german", "turkish", "arabic"), respondents=30))
    assert figure(found, "vsm_dimensions", culture="german").value == 2
    assert not [f for f in found if f.metric == "vsm_pdi"]


def test_few_respondents_are_marked_and_not_refused() -> None:
    found = figures(a_sheet(ITEMS, patriarchal, "vsm13", EUROPE, respondents=4))
    row = figure(found, "vsm_distance", culture="turkish", respondents="few")
    assert row.value is not None
    assert row.low is None  # four people are too few for an interval
    assert figure(found, "vsm_respondents", culture="turkish").value == 4
    bare = figures(a_sheet(ITEMS, patriarchal, "vsm13", EUROPE))
    assert figure(bare, "vsm_respondents", culture="turkish").value == 2  # both directions of the scale
    assert figure(bare, "vsm_distance_as_published", culture="turkish").value is not None


def test_who_differs_has_an_interval() -> None:
    base = a_sheet(ITEMS, equal, "vsm13", EUROPE, respondents=30)
    spread = [replace(a, choice=1 + (a.repeat * 7 + int(a.item[1:])) % 5) for a in base.answers]
    row = figure(figures(replace(base, answers=spread)), "vsm_pdi", culture="german")
    assert row.low is not None
    assert row.value is not None
    assert row.high is not None
    assert row.low < row.value < row.high


def test_missing_answers_leave_means_and_dimensions_out() -> None:
    def reply(item: Item, group: str, shown: tuple[int, ...]) -> int | None:
        return None if item.key == "m18" else patriarchal(item, group, shown)

    found = figures(a_sheet(ITEMS, reply, "vsm13", EUROPE, respondents=30))
    row = figure(found, "vsm_distance", culture="german")
    assert row.n == 23
    assert figure(found, "vsm_dimensions", culture="german").value == 5
    assert not [f for f in found if f.metric == "vsm_uai"]


def test_own_languages_stand_together() -> None:
    sheets = [
        a_sheet(ITEMS, patriarchal, "vsm13", (culture,), language=language, respondents=30)
        for culture, language in (("german", "de"), ("turkish", "tr"), ("korean", "ko"))
    ]
    joined = Sheet(
        suite=sheets[0].suite,
        answers=[answer for sheet in sheets for answer in sheet.answers],
        seed=1,
        culture_of={culture: culture for culture in EUROPE},
        language_of=sheets[0].language_of,
    )
    found = figures(joined)
    assert {f.group for f in found if f.metric == "vsm_distance"} == {
        f"culture={culture},framing=persona,language=native" for culture in (*EUROPE, "all")
    }


def test_a_question_that_names_nobody_counts_for_all_cultures() -> None:
    answers = [an_answer(n, item, "", (1, 2, 3, 4, 5), 3, framing="neutral") for n, item in enumerate(ITEMS)]
    found = figures(Sheet(a_suite(ITEMS, "vsm13"), answers, 1, cultures=EUROPE))
    rows = {f.group.split(",")[0]: f.value for f in found if f.metric == "vsm_distance_as_published"}
    assert rows["culture=german"] == pytest.approx(EQUAL["german"], abs=0.05)
    assert len(rows) == 4


def test_items_are_known_by_their_numbers() -> None:
    assert [number_of(an_item(key)) for key in ("m07", "vsm13/24", "m25", "work", "Q1")] == [7, 24, None, None, 1]
    scorer = scorer_of("vsm13")
    for items, wanted in (
        (ITEMS[:-1], "item 24 of the 24 is missing"),
        ([*ITEMS, an_item("x7", LABELS)], "two items have the number 7"),
        ([*ITEMS[:-1], an_item("m24", ("a", "b"))], "item m24 has options other than 1 to 5"),
    ):
        assert wanted in (scorer.problem(a_suite(items, "vsm13")) or "")
    assert scorer.problem(a_suite(ITEMS, "vsm13")) is None
    assert list(scorer.scores(a_sheet(ITEMS, equal, "vsm13", EUROPE))) == []


def test_the_published_way_takes_one_answer_and_25_for_35() -> None:
    """One Turk says 5 to item 8: masculinity is 50 + 25 * 2 in print, 35 * 2 / 30 more by the manual."""
    base = a_sheet(ITEMS, equal, "vsm13", EUROPE, respondents=30)
    answers = [
        replace(a, choice=5) if (a.item, a.group, a.repeat) == ("m08", "turkish", 1) else a for a in base.answers
    ]
    found = figures(replace(base, answers=answers))
    known = KNOWN["turkish"]
    gaps = [50 + 25 * 2 * (dimension == "mas") - (known[dimension] or 0) for dimension in vsm.DIMENSIONS]
    published = figure(found, "vsm_distance_as_published", culture="turkish")
    assert published.value == pytest.approx(sum(gap * gap for gap in gaps) ** 0.5, abs=1e-5)
    turkish, german = (figure(found, "vsm_mas", culture=culture).value for culture in ("turkish", "german"))
    assert turkish is not None
    assert german is not None
    assert turkish - german == pytest.approx(35 * 2 / 30, abs=1e-5)


def test_a_card_that_is_asked_again_is_no_further_person() -> None:
    """Six cards that each answer five times have the interval of six people, and not of thirty."""
    base = a_sheet(ITEMS, equal, "vsm13", EUROPE, respondents=30)
    spread = [replace(a, choice=1 + (a.repeat % 6 * 7 + int(a.item[1:])) % 5) for a in base.answers]
    cards = [replace(a, respondent=f"{a.group}-{a.repeat % 6}") for a in spread]
    once = [answer for answer in cards if answer.repeat <= 6]
    of_thirty, of_cards, of_six = (figures(replace(base, answers=answers)) for answers in (spread, cards, once))
    wide, narrow = (figure(found, "vsm_pdi", culture="german") for found in (of_cards, of_thirty))
    six = figure(of_six, "vsm_pdi", culture="german", respondents="few")
    assert wide.value == pytest.approx(narrow.value)
    assert (wide.low, wide.high) == pytest.approx((six.low, six.high))

    def width(row: Figure) -> float:
        assert row.low is not None
        assert row.high is not None
        return row.high - row.low

    assert width(wide) > 1.8 * width(narrow)
    assert figure(of_cards, "vsm_cards", culture="german").value == 6
    assert figure(of_cards, "vsm_respondents", culture="german").value == 30
    assert not [f for f in of_thirty if f.metric == "vsm_cards"]


def test_too_few_cultures_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    few = cli("evaluate", "vsm13", "--culture", "turkish", "--respondents", "1", "--model", "scripted")
    assert few.code == 0
    assert "the cultures that are asked, 3 at least" in " ".join(few.out.split())
