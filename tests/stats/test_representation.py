"""How varied a run's voices are: every measure against values by hand or by brute force, and the verdict on them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from math import exp, log
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from culturepark.catalog.surveys import load_items
from culturepark.dialogue.stance import draw_codes
from culturepark.domain import JsonObject
from culturepark.languages import load_language
from culturepark.models.embedder import Vectors, unit_rows
from culturepark.stats import diversity, voices
from culturepark.stats.diversity import words
from culturepark.stats.figures import VectorsKnown
from culturepark.stats.representation import AcceptedStatement, Meaning, representation
from culturepark.stats.survey_fit import drawn_fit, jsd, kept_fit, pooled
from culturepark.stats.voices import NEAREST, find_shared

HISTOGRAM = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any)
COUNTS = st.lists(st.integers(1, 4), min_size=1, max_size=5)
ROWS = st.lists(st.lists(st.integers(-5, 5), min_size=3, max_size=3).filter(any), min_size=2, max_size=9)
HALF_AND_HALF = {1: 0.5, 2: 0.5}


def unit(rows: Sequence[Sequence[float]]) -> Vectors:
    return unit_rows(np.array(rows, np.float32))


# --- the survey ------------------------------------------------------------------------------------


def test_the_divergence_of_shares_is_that_by_hand() -> None:
    assert jsd([5, 0], [0, 2]) == 1
    assert jsd([3, 1], [6, 2]) == 0
    assert jsd([1, 0], [1, 1]) == pytest.approx(0.311278, abs=1e-6)  # H(.75, .25) - H(.5, .5) / 2


@given(HISTOGRAM, HISTOGRAM, st.permutations(range(4)))
def test_the_divergence_is_a_symmetric_number_from_0_to_1(one: list[int], two: list[int], order: list[int]) -> None:
    found = jsd(one, two)
    assert 0 <= found <= 1
    assert jsd(one, one) == pytest.approx(0, abs=1e-12)
    assert found == pytest.approx(jsd(two, one))
    assert found == pytest.approx(jsd([one[i] for i in order], [two[i] for i in order]))


@pytest.mark.parametrize("count", [1, 3, 8, 50])
def test_what_chance_makes_of_dealt_stances_is_what_it_makes_of_real_deals(count: int) -> None:
    shares = load_items([])["wvs7/Q33"].shares["TUR"]
    fits = [drawn_fit(shares, Counter(draw_codes(shares, count, seed)), seed) for seed in range(300)]
    found = [fit.jsd for fit in fits]
    assert {round(fit.expected, 9) for fit in fits} == {round(fits[0].expected, 9)}
    assert np.mean(found) == pytest.approx(fits[0].expected, abs=0.15 * fits[0].expected)
    assert fits[0].trials.mean() == pytest.approx(fits[0].expected, abs=0.1 * fits[0].expected)
    assert sum(fit.chance <= 0.05 for fit in fits) <= 30  # 15 are to be expected


def test_where_shares_ask_for_whole_numbers_chance_makes_nothing_of_it() -> None:
    fit = drawn_fit(HALF_AND_HALF, {1: 4, 2: 4}, "x")
    assert (fit.jsd, fit.expected, fit.chance) == (0, pytest.approx(0, abs=1e-12), 1)


def test_one_answer_looks_far_from_any_survey_and_is_not_held_against_it() -> None:
    fit = drawn_fit(HALF_AND_HALF, {1: 1}, "x")
    assert fit.jsd == fit.expected == pytest.approx(0.311278, abs=1e-6)
    assert fit.chance == 1


def test_what_verification_drops_on_one_side_is_seen() -> None:
    one_sided = kept_fit(HALF_AND_HALF, [(1, 1)] * 12, "x")
    assert one_sided.jsd == pytest.approx(0.311278, abs=1e-6)
    assert one_sided.chance < 0.01
    even = kept_fit(HALF_AND_HALF, [(1, 1)] * 6 + [(2, 1)] * 6, "x")
    assert even.jsd == 0
    assert even.chance == 1


def test_many_samples_of_one_speaker_are_one_answer() -> None:
    talkative = kept_fit(HALF_AND_HALF, [(1, 30)], "x")
    assert talkative.weight == 30
    assert talkative.chance == 1


def test_several_items_are_pooled_by_their_answers() -> None:
    fits = [kept_fit(HALF_AND_HALF, [(1, 1)] * 3, "a"), kept_fit(HALF_AND_HALF, [(1, 1), (2, 1)], "b")]
    both = pooled(fits)
    assert both is not None
    assert both.weight == 5
    assert both.jsd == pytest.approx(0.6 * 0.311278, abs=1e-6)
    assert both.expected == pytest.approx(0.6 * fits[0].expected + 0.4 * fits[1].expected)
    assert pooled([]) is None


# --- who, and in which words -----------------------------------------------------------------------


def test_an_effective_number_is_how_many_equal_ones_would_be_as_varied() -> None:
    assert diversity.effective_number([4, 4, 4]) == pytest.approx(3)
    assert diversity.effective_number([9, 0]) == pytest.approx(1)
    assert diversity.effective_number([3, 1]) == pytest.approx(exp(-(0.75 * log(0.75) + 0.25 * log(0.25))))
    assert diversity.effective_number([]) == 0


def test_a_share_is_sure_only_where_there_is_enough_of_it() -> None:
    assert diversity.surely_above(10, 20) == pytest.approx(0.2993, abs=1e-4)
    assert diversity.surely_above(3, 4) < 0.5 < diversity.surely_above(75, 100)
    assert diversity.surely_above(0, 0) == 0


@given(COUNTS, st.integers(1, 6))
def test_a_rarefied_share_is_the_mean_over_all_samples_of_that_size(counts: list[int], size: int) -> None:
    things = [kind for kind, count in enumerate(counts) for _ in range(count)]
    if size > len(things):
        assert diversity.rarefied(counts, size) is None
    else:
        every = [len(set(sample)) / size for sample in combinations(things, size)]
        assert diversity.rarefied(counts, size) == pytest.approx(np.mean(every))


def test_hdd_hangs_on_how_words_are_chosen_and_not_on_how_many_there_are() -> None:
    random = np.random.default_rng(1)
    odds = 1 / np.arange(1, 2001)
    text = [str(word) for word in random.choice(2000, 20_000, p=odds / odds.sum())]
    short, long = diversity.hdd([text[:1000]]), diversity.hdd([text])
    assert short == pytest.approx(long, abs=0.02)
    assert len(set(text[:1000])) / 1000 > 4 * len(set(text)) / 20_000  # as the plain ratio does
    assert diversity.hdd([["tea"] * 42]) == pytest.approx(1 / 42)
    assert diversity.hdd([list(map(str, range(60)))]) == pytest.approx(1)
    assert diversity.hdd([["tea"] * 41]) is None


def test_distinct_2_falls_where_phrases_come_back() -> None:
    new = [[f"w{i}", f"v{i}", f"u{i}"] for i in range(300)]
    assert diversity.distinct_2(new) == pytest.approx(1)
    assert diversity.distinct_2([new[0]] * 300) == pytest.approx(2 / 500)
    assert diversity.distinct_2(new[:200]) is None


def test_words_are_words_in_every_script() -> None:
    assert words("Don’t pour 'tea' – please!") == ["don't", "pour", "tea", "please"]
    assert words("আমরা চা দিই।") == ["আমরা", "চা", "দিই"]
    assert words("نَحْنُ نشرب") == ["نَحْنُ", "نشرب"]
    assert words("我们喝茶。") == ["我", "们", "喝", "茶"]
    assert words("차를 마셔요") == ["차를", "마셔요"]
    assert words("ÇAY") == words("çay")
    assert words(" … ") == []


# --- meaning ---------------------------------------------------------------------------------------


@given(ROWS)
def test_mean_distance_is_that_of_all_pairs(rows: list[list[int]]) -> None:
    vectors = unit(rows)
    every = [1 - float(one @ other) for one, other in combinations(vectors, 2)]
    assert diversity.mean_distance([vectors]) == pytest.approx(np.mean(every), abs=1e-5)


def test_topics_do_not_pose_as_variety() -> None:
    tea, work = unit([[1, 0]] * 3), unit([[0, 1]] * 3)
    assert diversity.mean_distance([np.concatenate([tea, work])]) == pytest.approx(0.6)
    assert diversity.mean_distance([tea, work]) == pytest.approx(0)
    assert diversity.mean_distance([tea[:1], work[:1]]) is None


@given(ROWS, st.randoms())
def test_a_vendi_score_is_from_1_to_n_in_any_order(rows: list[list[int]], random: Any) -> None:
    found = diversity.vendi(unit(rows), 50)
    assert found is not None
    assert 1 - 1e-6 <= found <= min(len(rows), 3) + 1e-6
    random.shuffle(rows)
    assert diversity.vendi(unit(rows), 50) == pytest.approx(found, abs=1e-4)


def test_a_vendi_score_counts_what_has_nothing_in_common() -> None:
    assert diversity.vendi(np.eye(5, dtype=np.float32), 50) == pytest.approx(5)
    assert diversity.vendi(unit([[1, 2, 3]] * 7), 50) == pytest.approx(1)
    assert diversity.vendi(unit([[1, 0]] * 4 + [[0, 1]] * 4), 50) == pytest.approx(2)
    assert diversity.vendi(np.eye(60, dtype=np.float32), 50, "x") == pytest.approx(50)
    assert diversity.vendi(np.zeros((0, 3), np.float32), 50) is None


def test_diversity_gain_is_the_squared_distance_to_the_nearest() -> None:
    assert diversity.diversity_gain(np.array([1, 0, -1], np.float32)) == pytest.approx((0 + 2 + 4) / 3)
    assert diversity.diversity_gain(np.zeros(0, np.float32)) is None


# --- what another culture said too -----------------------------------------------------------------


def test_what_two_cultures_say_about_one_question_is_found_on_both_sides() -> None:
    texts = ["We pour tea for guests.", "We pour tea for our guests.", "I work at night.", "We pour tea for guests."]
    cultures = ["turkish", "german", "german", "german"]
    vectors = unit([[1, 0.05], [1, 0.1], [0, 1], [1, 0.05]])
    made, nearest = find_shared(texts, ["a", "a", "a", "b"], cultures, vectors, 0.93, load_language("en"))
    assert made["german"].tolist() == [True, False, False, False]
    assert made["turkish"].tolist() == [False, True, False, False]  # not the same words about another question
    assert nearest[:2] == pytest.approx(float(vectors[0] @ vectors[1]))
    assert np.isnan(nearest[3])


def test_what_turns_the_meaning_is_not_the_same() -> None:
    texts = ["We always pour tea for guests.", "We never pour tea for guests."]
    made, _ = find_shared(texts, ["a", "a"], ["turkish", "german"], unit([[1, 0], [1, 0]]), 0.93, load_language("en"))
    assert not made["german"].any()
    assert not made["turkish"].any()


def test_the_same_is_found_among_many_that_are_turned() -> None:
    turned = [f"We pour tea {number} times." for number in range(NEAREST - 1)]
    texts = [*turned, "We pour tea.", "We pour tea."]
    made, _ = find_shared(
        texts,
        ["a"] * len(texts),
        ["german"] * NEAREST + ["turkish"],
        unit([[1, 0]] * len(texts)),
        0.93,
        load_language("en"),
    )
    assert made["german"].tolist() == [False] * NEAREST + [True]


# --- voices ----------------------------------------------------------------------------------------


def talk(person: float, of_talk: float = 0.5, topic: float = 2.0, seed: int = 1, seeds: int = 24) -> dict[str, Any]:
    """Four people speak about questions in turn, three sentences each; how much of a sentence is whose, of 1.

    Args:
        person, of_talk, topic: length of what all sentences of a person, a talk, a question have in common.
    """
    random = np.random.default_rng(seed)

    def common(length: float) -> Any:
        return length * unit_rows(random.normal(size=(1, 48)).astype(np.float32))[0]

    people = {f"p{number}": common(person) for number in range(4)}
    rows, who, talks, about = [], [], [], []
    for number in range(seeds):
        question = common(topic)
        for turn in (0, 1):
            speaker = f"p{(2 * number + turn + number // 2) % 4}"
            here = common(of_talk)
            for _ in range(3):
                rows.append(question + people[speaker] + here + common(1))
                who.append(speaker)
                talks.append(f"d{number}.{turn}")
                about.append(f"q{number}")
    return {"vectors": unit_rows(np.array(rows, np.float32)), "people": who, "talks": talks, "seeds": about}


def heard(**said: Any) -> voices.Voice | None:
    return voices.voice(
        voices.without_topics(said["vectors"], said["seeds"]), said["people"], said["talks"], said["seeds"], 1
    )


def test_people_with_voices_of_their_own_are_told_from_one_voice() -> None:
    own, one = heard(**talk(0.8)), heard(**talk(0.0))
    assert own is not None
    assert one is not None
    assert own.chance <= 0.01
    assert own.own > own.others
    assert one.chance > voices.UNLIKELY


def test_topics_and_the_run_of_a_talk_are_no_voices() -> None:
    mistaken = [heard(**talk(0.0, of_talk=2.0, topic=4.0, seed=seed)) for seed in range(40)]
    assert (
        sum(voice is not None and voice.chance <= voices.UNLIKELY for voice in mistaken) <= 3
    )  # one is hardly to be expected


def test_too_few_talks_are_not_compared() -> None:
    assert heard(**talk(0.8, seeds=9)) is None
    said = talk(0.8)
    assert heard(**(said | {"people": ["p0"] * len(said["people"])})) is None


def test_sentences_that_are_all_the_same_are_one_voice() -> None:
    said = talk(0.8)
    voice = heard(**(said | {"vectors": np.ones_like(said["vectors"]) / 48**0.5}))
    assert voice is not None
    assert voice.chance == 1


# --- a whole run -----------------------------------------------------------------------------------


NOUNS = [f"noun{number}" for number in range(400)]


def run_of(person: float, *, texts: Sequence[str] = (), cultures: Sequence[str] = ("turkish", "german")) -> JsonObject:
    """The figures of a run in which four people of each culture speak; with all their own words unless given."""
    random = np.random.default_rng(7)
    spoken: list[AcceptedStatement] = []
    vectors = []
    for culture in cultures:
        said = talk(person, seed=len(culture))
        for place, vector in enumerate(said["vectors"]):
            fresh = " ".join(["I", *random.choice(NOUNS, 9)])
            text = texts[place % len(texts)] if texts else fresh
            dialogue, persona = f"{culture}.{said['talks'][place]}", f"{culture}-{said['people'][place]}"
            spoken.append(
                AcceptedStatement(dialogue, said["seeds"][place], culture, persona, text, True, f"{culture}{place}")
            )
            vectors.append(vector)
    return of(spoken, unit_rows(np.array(vectors)))


def of(spoken: Sequence[AcceptedStatement], vectors: Vectors | None) -> JsonObject:
    seats: dict[str, Counter[str]] = {}
    for culture, persona, _ in {(one.culture, one.persona, one.dialogue) for one in spoken}:
        seats.setdefault(culture, Counter())[persona] += 1
    ordered = {culture: dict(sorted(people.items())) for culture, people in sorted(seats.items())}
    meaning = (
        None
        if vectors is None
        else Meaning(vectors, np.eye(3, vectors.shape[1], dtype=np.float32), 0.93, load_language("en"))
    )
    known = VectorsKnown(embedder="minilm", known=len(spoken) if meaning else 0, of=len(spoken))
    return representation(spoken, ordered, {}, meaning, known, 1).as_json()


def outcomes(told: JsonObject) -> dict[str, str]:
    return {check["name"]: check["outcome"] for check in told["collapse"]["checks"]}


def test_a_varied_run_is_called_varied() -> None:
    told = run_of(0.8)
    for part in (told["run"], *told["cultures"].values()):
        assert part["collapse"]["verdict"] == "fine", part["collapse"]
        assert set(outcomes(part)) == {"people", "openings", "echoes", "voices", "shared"}
        assert part["collapse"]["reasons"] == []


def test_people_who_all_sound_alike_are_one_voice_though_no_sentence_comes_twice() -> None:
    told = run_of(0.0)["cultures"]["turkish"]
    assert outcomes(told) == {
        "people": "fine",
        "openings": "fine",
        "echoes": "fine",
        "voices": "collapsed",
        "shared": "fine",
    }
    assert told["collapse"]["verdict"] == "collapsed"
    assert "no more like themselves" in told["collapse"]["reasons"][0]


def test_people_who_say_the_same_sentences_are_one_voice() -> None:
    told = run_of(0.8, texts=["We respect our elders.", "Family is what matters most."])["cultures"]["german"]
    assert outcomes(told)["echoes"] == "collapsed"
    assert told["statements"]["repeats"] == told["statements"]["accepted"] - 2


def test_one_opening_for_all_is_one_voice() -> None:
    told = run_of(0.8, texts=[f"As a proud citizen I value {noun}." for noun in NOUNS])["cultures"]["german"]
    assert outcomes(told)["openings"] == "collapsed"
    assert told["collapse"]["reasons"] == ["144 of 144 begin “as a proud citizen …”"]


def test_who_repeats_only_themselves_has_a_voice_of_their_own() -> None:
    spoken = [
        AcceptedStatement(f"d{i}", f"q{i}", "turkish", f"p{i % 2}", f"I am p{i % 2}", True, str(i)) for i in range(40)
    ]
    told = of(spoken, None)["cultures"]["turkish"]
    assert told["statements"] == {"accepted": 40, "kept": 40, "repeats": 38, "echoes": 0}
    assert outcomes(told)["echoes"] == "fine"


def test_a_cast_of_whom_one_alone_is_heard_is_one_voice() -> None:
    spoken = [
        AcceptedStatement(f"d{i}", f"q{i}", "turkish", f"p{i % 4}", f"{NOUNS[i]} is mine", i % 4 == 0 or i < 4, str(i))
        for i in range(120)
    ]
    told = of(spoken, None)["cultures"]["turkish"]
    assert told["personas"]["heard"] == told["personas"]["cast"] == 4
    assert told["personas"]["effective"] < 2
    assert outcomes(told)["people"] == "collapsed"


def test_of_a_dozen_statements_nothing_is_said() -> None:
    spoken = [AcceptedStatement(f"d{i}", "q", "turkish", f"p{i % 2}", "I agree", True, "same") for i in range(12)]
    told = of(spoken, unit([[1, 0]] * 12))
    for part in (told["run"], told["cultures"]["turkish"]):
        assert part["collapse"]["verdict"] == "unknown"
        assert part["collapse"]["too_few"]


def test_a_run_of_nothing_has_figures_of_nothing() -> None:
    told = of([], None)
    assert told["run"]["statements"] == {"accepted": 0, "kept": 0, "repeats": 0, "echoes": 0}
    assert told["run"]["collapse"]["verdict"] == "unknown"
    assert told["cultures"] == {}


def test_without_vectors_meaning_is_not_known_and_the_rest_is() -> None:
    spoken = [
        AcceptedStatement(f"d{i}", "q", "turkish", f"p{i % 2}", f"{NOUNS[i]} is mine", True, str(i)) for i in range(60)
    ]
    told = of(spoken, None)["cultures"]["turkish"]
    assert told["semantic"] is told["diversity_gain"] is told["shared"] is None
    assert told["lexical"]["hdd"] is not None
    assert told["collapse"]["verdict"] == "unknown"
    assert told["collapse"]["open"] == ["voices are not compared, for want of vectors"]


@pytest.mark.parametrize("shuffle", range(3))
def test_figures_hang_on_what_was_said_and_not_on_its_order(shuffle: int) -> None:
    spoken = [
        AcceptedStatement(
            f"d{i}", f"q{i % 5}", ("turkish", "german")[i % 2], f"p{i % 6}", f"{NOUNS[i % 17]} it", i % 3 > 0, str(i)
        )
        for i in range(60)
    ]
    vectors = unit_rows(np.random.default_rng(2).normal(size=(60, 8)).astype(np.float32))
    order = np.random.default_rng(shuffle).permutation(60)
    first, again = of(spoken, vectors), of([spoken[i] for i in order], vectors[order])
    assert json.dumps(first, sort_keys=True) == json.dumps(again, sort_keys=True)


def test_every_figure_is_json_and_in_its_range() -> None:
    told = run_of(0.8)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    for part in (told["run"], *told["cultures"].values()):
        assert 0 <= part["personas"]["share"] <= 1
        assert 0 < part["personas"]["effective_share"] <= 1
        assert 0 <= part["shared"]["share"] <= 1
        assert 0 < part["lexical"]["hdd"] <= 1
        assert 0 <= part["semantic"]["distance_within_seed"] <= 2
        assert 1 <= part["semantic"]["vendi"] <= 200
        assert 0 <= part["diversity_gain"]["over_seeds"] <= 4
        assert all(check["value"] is not None and check["value"] >= 0 for check in part["collapse"]["checks"])


def test_statements_that_are_not_kept_count_for_repeating_and_not_for_variety() -> None:
    one = AcceptedStatement("d1", "q", "turkish", "p1", " ".join(NOUNS[:50]), True, "c")
    told = of([one, replace(one, dialogue="d2", persona="p2", kept=False)], unit([[1, 0], [1, 0]]))["cultures"][
        "turkish"
    ]
    assert told["statements"] == {"accepted": 2, "kept": 1, "repeats": 1, "echoes": 2}
    assert told["personas"]["share"] == 0.5
    assert told["lexical"]["words"] == 50
