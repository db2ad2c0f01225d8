"""`culturepark compare` of evaluations, whose answers are made so that it is known which side is nearer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from culturepark.catalog.suites import Item
from culturepark.domain import JsonObject
from culturepark.evaluate import paired
from culturepark.evaluate.paired import differences, fewest_items, holds_from
from culturepark.evaluate.paired_text import who
from tests.cli.test_cli import cli
from tests.evaluate.test_evaluate import Reply, by_code, evaluated, midpoint, shown
from tests.support.endpoint import Fault, weighed

PERSONA = ("--framing", "persona", "--items", "20")
CULTURES = ("german", "turkish")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def true_shares(item: Item) -> Mapping[int, float]:
    return item.shares["DEU"]


def half_way(item: Item) -> Mapping[int, float]:
    """Nearer to the German shares on every item than all options alike are."""
    return {code: (item.shares["DEU"].get(code, 0.0) + 1 / len(item.codes)) / 2 for code in item.codes}


def alike(item: Item) -> Mapping[int, float]:
    return dict.fromkeys(item.codes, 1 / len(item.codes))


def compared(*names: str) -> JsonObject:
    done = cli("compare", *names, "--json")
    assert done.code == 0, done.err
    document: JsonObject = json.loads(done.out)
    return document


def difference(document: JsonObject, metric: str, culture: str = "german") -> JsonObject:
    row: JsonObject
    (row,) = [
        row
        for row in document["differences"]
        if row["metric"] == metric and f"culture={culture}" in row["group"].split(",")
    ]
    return row


def test_two_that_answer_alike_do_not_differ() -> None:
    for name in ("one", "two"):
        evaluated(by_code(midpoint), *PERSONA, "--run-id", name)
    document = compared("one", "two")
    assert {row["verdict"] for row in document["differences"]} == {"no difference that this test could see"}
    assert all(row["difference"] == 0 and row["p"] == row["p_holm"] == 1 for row in document["differences"])
    assert all(row["n"] == 20 and row["only_a"] == row["only_b"] == 0 for row in document["differences"])
    assert "No difference that 4 tests could see" in cli("compare", "one", "two").out


def test_whoever_is_nearer_on_every_item_is_named() -> None:
    evaluated(by_code(alike), *PERSONA, "--run-id", "far")
    evaluated(by_code(half_way), *PERSONA, "--run-id", "near")
    row = difference(compared("far", "near"), "jsd")
    assert (row["verdict"], row["better"]) == ("near is nearer", "b")
    assert row["high"] < 0  # a divergence is smaller where it is nearer
    assert row["difference"] == pytest.approx(row["value_b"] - row["value_a"])
    assert row["low"] <= row["difference"] <= row["high"]
    assert row["p"] <= row["p_holm"] < 0.05
    half = (row["high"] - row["low"]) / 2
    assert row["could_see"] == pytest.approx(half, abs=1e-5)  # the other three are seen, and in nothing's way
    turned = difference(compared("near", "far"), "jsd")
    assert (turned["verdict"], turned["better"]) == ("near is nearer", "a")
    assert turned["difference"] == pytest.approx(-row["difference"])
    told = cli("compare", "far", "near", "--html", "compared.html")
    assert "near is nearer" in told.out
    assert "near is nearer" in Path("compared.html").read_text("utf-8")


def test_all_tests_of_a_comparison_share_one_error_rate() -> None:
    evaluated(by_code(alike), *PERSONA, "--run-id", "far")
    evaluated(by_code(half_way), *PERSONA, "--run-id", "near")
    rows = compared("far", "near")["differences"]
    least = min(rows, key=lambda row: row["p"])
    assert least["p_holm"] == pytest.approx(min(1, least["p"] * len(rows)))


def test_items_that_only_one_answered_are_left_out_and_counted() -> None:
    evaluated(by_code(midpoint), "--framing", "persona", "--run-id", "all-of-them")
    evaluated(by_code(midpoint), *PERSONA, "--run-id", "some")
    row = difference(compared("all-of-them", "some"), "jsd")
    assert (row["n"], row["only_a"], row["only_b"]) == (20, 30, 0)


def test_few_items_cannot_tell() -> None:
    for name, masses in (("far", alike), ("near", half_way)):
        evaluated(by_code(masses), "--framing", "persona", "--items", "5", "--run-id", name)
    row = difference(compared("far", "near"), "jsd")
    assert row["verdict"].startswith("too few items to tell")
    assert row["p"] >= 0.05


def arms(of_plain: Callable[[Item], Mapping[int, float]], of_told: Callable[[Item], Mapping[int, float]]) -> Reply:
    """An endpoint that answers in another way where the prompt of the arm stands before the question."""

    def reply(body: JsonObject, number: int) -> Fault:
        item, letters = shown(body)
        wanted = (of_told if "You know the place." in body["messages"][0]["content"] else of_plain)(item)
        return weighed({letter: wanted.get(code, 0.0) for letter, code in letters.items()})

    return reply


def test_an_arm_is_compared_with_the_plain_one_item_by_item(folder: Path) -> None:
    (folder / "told.txt").write_text("You know the place.", "utf-8")
    options = ("--arm", "plain", "--arm", "told=told.txt", "--run-id", "both")
    evaluated(arms(alike, half_way), *PERSONA, *options)
    done = cli("compare", "both", "--across", "arm", "--json")
    assert done.code == 0, done.err
    row = difference(json.loads(done.out), "jsd")
    assert (row["a"], row["b"], row["verdict"]) == ("arm=plain", "arm=told", "arm=told is nearer")
    assert row["n"] == 20
    refused = cli("compare", "both", "--across", "language")
    assert refused.code == 2
    assert "only en" in refused.err


def test_evaluations_in_one_condition_each_are_compared_across_them() -> None:
    evaluated(by_code(midpoint), *PERSONA, "--run-id", "as-person")
    evaluated(by_code(midpoint), "--framing", "observer", "--items", "20", "--run-id", "as-observer")
    document = compared("as-person", "as-observer")
    assert "framing=persona|observer" in document["differences"][0]["group"]
    assert any("as-observer as framing=observer" in note for note in document["notes"])


def test_what_cannot_be_compared_is_said() -> None:
    evaluated(by_code(midpoint), *PERSONA, "--run-id", "alone")
    assert cli("simulate", "quickstart", "--model", "scripted", "--until", "dialogue", "--run-id", "talks").code == 0
    mixed = cli("compare", "alone", "talks")
    assert mixed.code == 2
    assert "alone is an evaluation and talks a run of talks" in mixed.err
    assert "--across" in cli("compare", "alone").err
    assert "is no evaluation" in cli("compare", "talks", "--across", "arm").err
    across = cli("compare", "alone", "alone", "--across", "arm")
    assert across.code == 2
    assert "name that one alone" in across.err


SUITE = """
suite: {name}
title: Guests
card: {{by: me, written_for: a test, language: en, correct: I say, not_asked: all others, licence: CC0-1.0, source: me}}
scorers: [survey]
items:
- key: one
  question: {question}
  options: [{{code: 1, label: "yes"}}, {{code: 2, label: "no"}}]
  shares: {{DEU: {{1: 0.7, 2: 0.3}}}}
- key: two
  question: Do they stay?
  options: [{{code: 1, label: "yes"}}, {{code: 2, label: "no"}}]
  shares: {{DEU: {{1: 0.7, 2: 0.3}}}}
"""


def test_items_of_one_key_that_are_not_the_same_are_left_out(folder: Path) -> None:
    for name, question in (("first", "Do guests come?"), ("second", "Does anybody come?")):
        (folder / f"{name}.yaml").write_text(SUITE.format(name=name, question=question), "utf-8")
        done = cli("evaluate", f"{name}.yaml", "--culture", "german", "--model", "scripted", "--run-id", name)
        assert done.code == 0, done.err
    document = compared("first", "second")
    assert difference(document, "jsd")["n"] == 1
    assert any("1 item of second" in note for note in document["notes"])
    assert cli("evaluate", "survey", "--culture", "german", "--items", "3", "--model", "scripted",
               "--run-id", "other").code == 0  # fmt: skip
    none = cli("compare", "first", "other")
    assert none.code == 2
    assert "no item in common" in none.err


def a_test(values: list[float], group: str = "DEU") -> paired.Test:
    first = {("german", group, f"q{n}"): 0.0 for n in range(len(values))}
    second = {("german", group, f"q{n}"): value for n, value in enumerate(values)}
    return paired.Test("jsd", (("culture", group),), "a", "b", first, second, smaller_is_better=True)


def test_what_could_be_seen_holds_beside_all_other_tests_and_contradicts_none() -> None:
    """A difference whose own interval leaves 0 out, beside fifteen others of nothing, is not seen and not called so."""
    clear = [0.1 + 0.16 * (-1) ** n for n in range(18)]
    nothing = [0.1 * (-1) ** n for n in range(18)]
    alone = next(differences([a_test(clear)], 1))
    (row, *others) = differences([a_test(clear), *(a_test(nothing, f"G{n}") for n in range(15))], 1)
    assert alone.better == "a"  # a divergence, smaller where it is nearer
    assert alone.low is not None
    assert alone.high is not None
    assert alone.could_see == pytest.approx((alone.high - alone.low) / 2, abs=1e-5)
    assert row.better is None
    assert row.low is not None
    assert row.low > 0
    for one in (row, *others):
        assert one.could_see is None or one.could_see > abs(one.difference)
    assert holds_from(1) == pytest.approx(1)
    assert holds_from(16) == pytest.approx(2.955 / 1.96, abs=0.002)  # z of .025 / 16
    assert others[0].could_see == pytest.approx(
        holds_from(16) * ((others[0].high or 0) - (others[0].low or 0)) / 2, abs=1e-5
    )


def test_too_few_items_are_counted_beside_the_number_of_tests() -> None:
    assert [fewest_items(tests) for tests in (1, 2, 10)] == [6, 7, 9]
    rows = list(differences([a_test([0.1] * 6, f"G{n}") for n in range(2)], 1))
    assert {row.verdict for row in rows} == {"too few items to tell: 7 and more are needed"}
    assert all(row.could_see is None for row in rows)


def test_a_headline_does_not_call_too_few_items_no_difference() -> None:
    for name, masses in (("far", alike), ("near", half_way)):
        evaluated(by_code(masses), "--framing", "persona", "--items", "5", "--run-id", name)
    told = cli("compare", "far", "near").out
    assert "Too few items to tell, in each of 4 tests." in told
    assert "No difference" not in told


def test_items_that_one_suite_lacks_are_counted(folder: Path) -> None:
    """Of 30 items one is reworded, one has another key, and one is gone."""
    keys = [f"q{n}" for n in range(30)]
    for name, own, changed in (("f1", keys, ""), ("f2", [*keys[:28], "renamed"], "q0")):
        lines = [
            f"- {{key: {key}, question: '{key}{' now' if key == changed else ''}?', "
            "options: [{code: 1, label: a}, {code: 2, label: b}], shares: {DEU: {1: 0.7, 2: 0.3}}}"
            for key in own
        ]
        text = SUITE.format(name=name, question="x").partition("items:")[0] + "items:\n" + "\n".join(lines) + "\n"
        (folder / f"{name}.yaml").write_text(text, "utf-8")
        done = cli("evaluate", f"{name}.yaml", "--culture", "german", "--model", "scripted", "--run-id", name)
        assert done.code == 0, done.err
    document = compared("f1", "f2")
    row = difference(document, "jsd")
    assert (row["n"], row["only_a"], row["only_b"]) == (27, 2, 1)
    assert any("1 item of f2" in note for note in document["notes"])


def test_a_note_says_that_methods_differ() -> None:
    evaluated(by_code(half_way), *PERSONA, "--run-id", "weighed")
    evaluated(by_code(half_way), *PERSONA, "--method", "samples", "--samples", "2", "--run-id", "drawn")
    (note,) = compared("weighed", "drawn")["notes"]
    assert "weighed has probabilities, and drawn sampled answers" in note
    assert not compared("weighed", "weighed")["notes"]


def test_cultures_that_are_not_the_same_are_named_and_nothing_is_to_be_resumed() -> None:
    for culture in CULTURES:
        evaluated(by_code(midpoint), *PERSONA, "--run-id", culture, culture=culture)
    done = cli("compare", *CULTURES)
    assert done.code == 2
    assert "german is about german, and turkish about turkish" in done.err
    assert "resume" not in done.err


def test_what_has_no_value_of_single_items_says_why() -> None:
    options = ("--culture", "german", "--respondents", "0", "--model", "scripted")
    for name in ("one", "two"):
        done = cli("evaluate", "vsm13", *options, "--run-id", name)
        assert done.code == 0, done.err
    done = cli("compare", "one", "two")
    assert done.code == 2
    assert "vsm13 compares a whole sample" in done.err


def test_a_group_names_its_reasoning() -> None:
    assert who("culture=german,framing=neutral,language=en,reasoning=yes") == "german neutral en reasoning"
    assert who("culture=german,reasoning=no|yes") == "german reasoning no|yes"
