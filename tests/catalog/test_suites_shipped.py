"""Shipped suites and scales: that each loads, is balanced, and gives nothing away by its form."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from culturepark.catalog.cultures import delegates
from culturepark.catalog.scales import find_scale, shipped_scales
from culturepark.catalog.suites import Item, Suite, load_suite, shipped_suites
from culturepark.domain import shipped_cultures
from culturepark.evaluate.plan import Plan, Settings
from culturepark.languages import PACKAGES

COUNTS = {"choice": 64, "judged": 40, "moderation": 64, "bias": 64, "support": 96, "vsm13": 24}
OF_CULTURES = sorted(COUNTS.keys() - {"vsm13"})
DIMENSIONS = {"entities", "opinion", "norms", "commonsense", "literacy"}
RATED = {"thickness", "awareness", "harmlessness", "empathy", "competence"}


@cache
def suite(name: str) -> Suite:
    return load_suite(shipped_suites()[name])


def right_label(item: Item) -> str:
    return next(option.label for option in item.options if option.code == item.answer)


def mother_tongue(culture: str) -> str:
    """Return the language in which people of a culture are asked, out of those that have prompts."""
    codes = [tongue.language.partition("-")[0] for tongue in shipped_cultures()[culture].languages]
    return next(code for code in codes if code in PACKAGES)


def test_all_suites_are_there() -> None:
    assert {name: len(suite(name).items) for name in shipped_suites()} == COUNTS


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_a_suite_is_named_like_its_file_and_its_scorer(name: str) -> None:
    assert suite(name).name == name
    assert suite(name).scorers == (name,)


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_a_card_says_who_wrote_the_items_and_what_is_missing(name: str) -> None:
    card = suite(name).card
    assert "large language model" in card.by
    assert "native" in card.by
    assert len(card.correct) > 60
    assert len(card.not_asked) > 60


@pytest.mark.parametrize("name", OF_CULTURES)
def test_each_culture_has_as_many_items_as_the_others(name: str) -> None:
    counts = Counter(item.group for item in suite(name).items)
    assert counts == dict.fromkeys(delegates(), COUNTS[name] // len(delegates()))


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_no_question_stands_twice(name: str) -> None:
    questions = [item.question.casefold() for item in suite(name).items]
    assert len(set(questions)) == len(questions)


# --- choice ----------------------------------------------------------------------------------------


def test_right_options_stand_in_each_place_equally_often() -> None:
    for culture in delegates():
        places = [item.codes.index(item.answer or 0) for item in suite("choice").items if item.group == culture]
        assert Counter(places) == dict.fromkeys(range(4), 2), culture


@pytest.mark.parametrize("extreme", [max, min])
def test_the_length_of_an_option_does_not_tell(extreme) -> None:  # type: ignore[no-untyped-def]
    """Whoever takes the longest option (or the shortest), by lot among equals, is right about as often as by chance."""
    expected = 0.0
    for item in suite("choice").items:
        lengths = [len(option.label) for option in item.options]
        taken = [length for length in lengths if length == extreme(lengths)]
        expected += (len(right_label(item)) == extreme(lengths)) / len(taken)
    # 64 items at one chance in four: 16, and a standard deviation of 3.5
    assert 9 <= expected <= 20


def test_options_are_four_and_differ() -> None:
    for item in suite("choice").items:
        labels = {option.label.casefold() for option in item.options}
        assert len(labels) == len(item.options) == 4, item.key


def test_an_answer_does_not_stand_in_its_question() -> None:
    told = [item.key for item in suite("choice").items if right_label(item).casefold() in item.question.casefold()]
    assert told == []


# --- vsm13 -----------------------------------------------------------------------------------------


def test_vsm_has_the_keys_and_codes_of_the_manual() -> None:
    items = suite("vsm13").items
    assert [item.key for item in items] == [f"m{number:02d}" for number in range(1, 25)]
    assert all(item.codes == (1, 2, 3, 4, 5) and item.is_ordinal and item.target_kind is None for item in items)
    assert suite("vsm13").conditions.respondents >= 30


def test_vsm_is_put_in_all_languages() -> None:
    others = set(PACKAGES) - {"en"}
    for item in suite("vsm13").items:
        assert set(item.words) == others
        put = [item.in_language(code) for code in PACKAGES]
        assert len({shown.question for shown in put if shown}) == len(PACKAGES), item.key
        assert all(shown and len({option.label for option in shown.options}) == 5 for shown in put), item.key


@pytest.mark.parametrize("code", PACKAGES)
def test_vsm_runs_from_never_only_where_the_manual_does(code: str) -> None:
    """m20 asks how often subordinates are afraid, from never (1) to always (5); m15 to m17 run the other way."""
    steps = {}
    for item in suite("vsm13").items:
        shown = item.in_language(code)
        assert shown is not None
        steps[item.key] = [option.label for option in shown.options]
    assert steps["m15"] == steps["m16"] == steps["m17"] == steps["m20"][::-1]
    assert len({tuple(steps[f"m{number:02d}"]) for number in range(1, 15)}) == 1
    assert len({tuple(steps[f"m{number:02d}"]) for number in range(21, 25)}) == 1


# --- judged and support ----------------------------------------------------------------------------


def test_judged_asks_each_culture_on_each_dimension_and_has_a_reference() -> None:
    pairs = Counter((item.group, item.topic) for item in suite("judged").items)
    assert pairs == {(culture, dimension): 1 for culture in delegates() for dimension in DIMENSIONS}
    for item in suite("judged").items:
        assert 40 <= len((item.reference or "").split()) <= 130, item.key
        assert len(item.signals) == 3, item.key
        assert item.avoid, item.key
        assert not item.options, item.key


def test_support_has_the_same_twelve_situations_everywhere() -> None:
    situations = {culture: set[str]() for culture in delegates()}
    for item in suite("support").items:
        assert item.key == f"{item.group}-{item.topic}"
        assert len(item.signals) == len(item.avoid) == 2, item.key
        situations[item.group].add(item.topic)
    assert len({frozenset(found) for found in situations.values()}) == 1
    assert all(len(found) == 12 for found in situations.values())


def test_support_has_a_plain_a_cultural_and_a_listening_arm() -> None:
    """The card says to compare the cultural prompt with `listening`, so both name the country and ask to listen."""
    plain, cultural, listening = suite("support").conditions.arms
    assert (plain.name, plain.prompt) == ("plain", None)
    assert (cultural.name, listening.name) == ("cultural", "listening")
    for arm in (cultural, listening):
        assert "{{country}}" in (arm.prompt or "")
        assert "Listen first" in (arm.prompt or "")
    assert "culture" not in (listening.prompt or "")
    assert "`listening`" in suite("support").card.correct


def test_the_card_of_support_names_messages_that_are_there() -> None:
    named = re.findall(r"`(\w+-[\w-]+)`", suite("support").card.not_asked)
    assert named
    assert set(named) <= {item.key for item in suite("support").items}


# --- moderation and bias ---------------------------------------------------------------------------


def test_half_of_the_posts_are_acceptable_and_some_words_depend_on_the_culture() -> None:
    labels_of = {topic: set[int]() for topic in ("nickname", "weight", "criticism")}
    for item in suite("moderation").items:
        labels_of.get(item.topic, set()).update(item.answers.values())
    assert all(labels == {1, 2} for labels in labels_of.values())
    for culture in delegates():
        labels = [item.answers[culture] for item in suite("moderation").items if item.group == culture]
        assert Counter(labels) == {1: 4, 2: 4}, culture


def test_the_card_says_how_often_the_topic_tells_the_label() -> None:
    labels: dict[str, Counter[int]] = {}
    for item in suite("moderation").items:
        labels.setdefault(item.topic, Counter()).update(item.answers.values())
    right = sum(max(found.values()) for found in labels.values())
    card = suite("moderation").card.correct
    assert f"right in {right} of {COUNTS['moderation']}" in card
    assert {topic for topic, found in labels.items() if len(found) > 1} <= set(re.findall(r"`(\w+)`", card))


def test_the_length_of_a_post_does_not_tell() -> None:
    """Of two posts of one culture with different labels, the offensive one is longer about as often as not."""
    wins = []
    for culture in delegates():
        lengths: dict[int, list[int]] = {1: [], 2: []}
        for item in suite("moderation").items:
            if item.group == culture:
                lengths[item.answers[culture]].append(len(item.question))
        wins += [(rude > fine) + (rude == fine) / 2 for rude in lengths[2] for fine in lengths[1]]
    assert 0.35 <= sum(wins) / len(wins) <= 0.65


@pytest.mark.parametrize("name", ["moderation", "bias"])
def test_native_items_are_all_asked(name: str) -> None:
    settings = Settings(conditions=suite(name).conditions, elicitation=suite(name).elicitation, method="probabilities")
    plan = Plan(suite(name), settings, shipped_cultures())
    assert {ask.item.key for ask in plan.asks} == {item.key for item in suite(name).items}
    assert {ask.place.culture for ask in plan.asks} == delegates().keys()


def test_posts_stand_in_the_language_of_their_culture_and_in_english() -> None:
    for item in suite("moderation").items:
        assert item.language == mother_tongue(item.group), item.key
        assert item.in_language("en"), item.key


def test_cloze_sentences_have_one_gap_and_the_near_filler_first() -> None:
    for item in suite("bias").items:
        assert item.language == mother_tongue(item.group), item.key
        assert item.question.count("[MASK]") == 1, item.key
        assert (item.codes, item.answer) == ((1, 2), 1), item.key
        assert not any(option.label in item.question for option in item.options), item.key


def test_about_a_third_of_the_cloze_sentences_fit_both_fillers() -> None:
    for culture in delegates():
        topics = [item.topic for item in suite("bias").items if item.group == culture]
        assert 2 <= sum(topic.endswith("/agnostic") for topic in topics) <= 3, culture
        named = {topic.removesuffix("/agnostic") for topic in topics}
        assert named == {"food", "drinks", "names", "clothes", "holidays", "sports", "writers"}, culture


def test_the_card_says_which_cultures_have_three_sentences_that_fit_both_fillers() -> None:
    counts = Counter(item.group for item in suite("bias").items if item.topic.endswith("/agnostic"))
    three, two = suite("bias").card.correct.rsplit("/agnostic", 1)[1].split("have three such sentences")
    assert set(re.findall(r"`(\w+)`", three)) == {culture for culture, count in counts.items() if count == 3}
    assert set(re.findall(r"`(\w+)`", two)) == {culture for culture, count in counts.items() if count == 2}


# --- scales ----------------------------------------------------------------------------------------


def test_scales_are_those_that_suites_name() -> None:
    assert set(shipped_scales()) == {name for found in COUNTS for name in suite(found).scales} == DIMENSIONS | RATED


@pytest.mark.parametrize("name", sorted(DIMENSIONS | RATED))
def test_a_scale_says_what_its_steps_mean(name: str) -> None:
    scale = find_scale(name)
    assert scale.scale == name
    assert (scale.least, scale.most) == ((1, 10) if name in DIMENSIONS else (1, 5))
    assert len(scale.steps) == 5
    assert scale.needs_reference == (name in DIMENSIONS)
    assert scale.panel == ("minimum" if name == "harmlessness" else "mean")


def test_the_how_to_of_judging_lists_every_scale_with_what_a_rater_is_asked() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "howto", "judge.md").read_text("utf-8")
    for name in shipped_scales():
        scale = find_scale(name)
        assert f"| `{name}` | {' '.join(scale.question.split())} | {scale.least} to {scale.most} |" in page


def test_thickness_has_five_lines() -> None:
    assert len(find_scale("thickness").lines) == 5
