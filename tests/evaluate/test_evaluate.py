"""`culturepark evaluate` as its users meet it, against endpoints that answer in a known way."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from culturepark.catalog.suites import Item, find_suite
from culturepark.domain import JsonObject
from tests.cli.test_cli import cli, rows_of
from tests.support.endpoint import Endpoint, Fault, weighed

OPTION = re.compile(r"^([A-Z])\. (.+)$", re.M)
SURVEY = find_suite("survey")
QUESTIONS = {item.question: item for item in SURVEY.items}
Reply = Callable[[JsonObject, int], "str | Fault | None"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shown(body: JsonObject) -> tuple[Item, dict[str, int]]:
    """The item that a request asks, and letter -> code of its options as they are shown."""
    text = str(body["messages"][-1]["content"])
    item = QUESTIONS[text.partition("\n\n")[0]]
    codes = {option.label: option.code for option in item.options}
    return item, {letter: codes[label] for letter, label in OPTION.findall(text)}


def by_code(masses: Callable[[Item], Mapping[int, float]]) -> Reply:
    """An endpoint that gives each option its mass, wherever it stands."""

    def reply(body: JsonObject, _: int) -> Fault:
        item, letters = shown(body)
        wanted = masses(item)
        return weighed({letter: wanted.get(code, 0.0) for letter, code in letters.items()})

    return reply


def midpoint(item: Item) -> dict[int, float]:
    middle = (min(item.codes) + max(item.codes)) / 2
    nearest = [code for code in item.codes if abs(code - middle) == min(abs(c - middle) for c in item.codes)]
    return {code: 1 / len(nearest) for code in nearest}


def evaluated(reply: Reply, *options: str, suite: str = "survey", culture: str = "german") -> JsonObject:
    with Endpoint(reply=reply) as endpoint:
        done = cli("evaluate", suite, "--culture", culture, "--model", f"openai:m@{endpoint.url}", "--json", *options)
    assert done.code == 0, done.err
    document: JsonObject = json.loads(done.out)
    return document


def figures(document: JsonObject, metric: str, **parts: str) -> list[JsonObject]:
    """The figures of a score whose group has these parts and no topic."""
    wanted = [f"{name}={value}" for name, value in parts.items()]
    return [
        figure
        for figure in document["figures"]
        if figure["metric"] == metric
        and all(part in figure["group"].split(",") for part in wanted)
        and ("topic=" in figure["group"]) == ("topic" in parts)
    ]


def figure(document: JsonObject, metric: str, null: str | None = None, **parts: str) -> JsonObject:
    (found,) = [f for f in figures(document, metric, **parts) if null is None or f["null_name"] == null]
    return found


ONE = ("--framing", "persona")


def test_the_middle_of_every_scale_has_no_skill() -> None:
    document = evaluated(by_code(midpoint), *ONE)
    nvas = figure(document, "nvas", "midpoint", culture="german")
    assert nvas["value"] == pytest.approx(nvas["null_value"])
    assert nvas["skill"] == pytest.approx(0, abs=1e-6)
    assert nvas["n"] == 50
    verdicts = {row["metric"]: row["verdict"] for row in document["against_constant"]}
    assert verdicts["nvas"] == "no difference seen"
    beside = {f["null_name"] for f in figures(document, "nvas", culture="german")}
    assert beside == {"midpoint", "uniform", "others", "own mode"}


def test_the_true_shares_have_no_distance_and_all_skill() -> None:
    document = evaluated(by_code(lambda item: item.shares["DEU"]), *ONE)
    jsd = figure(document, "jsd", "uniform", culture="german")
    assert jsd["value"] == pytest.approx(0, abs=1e-4)  # the shares are rounded, and do not sum to 1
    assert jsd["skill"] == 1
    assert jsd["low"] <= jsd["value"] <= jsd["high"]
    assert figure(document, "top", "uniform", culture="german")["value"] == 1
    assert {row["verdict"] for row in document["against_constant"]} == {"nearer"}
    others = figure(document, "jsd", "others", culture="german")
    assert 0 < others["null_value"] < jsd["null_value"]  # the other countries know more than nothing


def test_whoever_takes_the_first_letter_is_named() -> None:
    document = evaluated(lambda *_: weighed({"A": 0.97, "B": 0.02, "C": 0.01}), *ONE)
    named = [f for f in document["figures"] if f["metric"] == "always_first"]
    assert named
    assert all(f["value"] > 0.9 > f["null_value"] for f in named)
    assert any("first option whatever it is" in note for note in document["notes"])
    told = cli("evaluate", "survey", "--culture", "german", "--model", "scripted", *ONE)
    assert "first option whatever it is" not in told.out


@pytest.mark.parametrize(("mass", "leaks"), [(0.9, 1.0), (0.00009, 0.0)])
def test_a_leak_counts_by_the_full_mass(mass: float, leaks: float) -> None:
    """The top option has nine tenths in both: of everything, or of the ten-thousandth that is left for options."""

    def reply(body: JsonObject, _: int) -> Fault:
        return weighed({"A": mass, "B": mass / 9, "I": 1 - mass * 10 / 9 + 1e-12}, "I cannot say what people think.")

    document = evaluated(reply, *ONE)
    assert figure(document, "leakage")["value"] == leaks
    assert figure(document, "abstained")["value"] == 1
    assert document["answers"]["with_a_choice"] == 0
    assert figure(document, "outside_mass")["value"] == pytest.approx(1 - mass * 10 / 9, abs=1e-6)
    assert bool(figures(document, "nvas")) == (leaks == 1.0)  # most of the mass on no option: no mean


def test_a_place_that_was_the_only_one_is_no_habit() -> None:
    """Of questions that were shown in one order nobody can tell what the place of an option does."""
    document = evaluated(lambda *_: "A", *ONE, "--method", "samples", "--samples", "1")
    assert not [f for f in document["figures"] if f["metric"] in ("first_place", "always_first")]


def test_mass_outside_the_options_is_not_shared_out() -> None:
    """Half of the true shares and half of something else is not the true shares."""

    def reply(body: JsonObject, _: int) -> Fault:
        item, letters = shown(body)
        halves = {letter: item.shares["DEU"].get(code, 0.0) / 2 for letter, code in letters.items()}
        return weighed({**halves, "Well": 0.5}, max(halves, key=lambda letter: halves[letter]))

    document = evaluated(reply, *ONE)
    assert figure(document, "outside_mass")["value"] == pytest.approx(0.5, abs=1e-4)
    assert figure(document, "jsd", "uniform", culture="german")["value"] == pytest.approx(0.311, abs=0.001)


def test_an_endpoint_without_probabilities_is_asked_again_and_again() -> None:
    def reply(body: JsonObject, _: int) -> Fault:
        item, letters = shown(body)
        best = max(item.shares["DEU"], key=lambda code: item.shares["DEU"][code])
        return Fault("plain", text=next(letter for letter, code in letters.items() if code == best))

    document = evaluated(reply, *ONE, "--samples", "4", "--items", "10")
    assert document["settings"]["method"] == "samples"
    assert document["answers"]["given"] == 40
    assert figure(document, "top", "uniform", culture="german")["value"] == 1
    jsd = figure(document, "jsd", "uniform", culture="german")
    assert jsd["ceiling"] > 0.05  # four draws from the true shares do not show them either


def test_answers_without_a_choice_are_missing_and_no_value() -> None:
    said = ["A or B", "", "I would rather talk about something else.", "Z"]
    document = evaluated(lambda _, n: Fault("plain", text=said[n % 4]), *ONE, "--items", "4",
                         "--method", "samples", "--samples", "4")  # fmt: skip
    assert document["answers"]["with_a_choice"] == 0
    assert not figures(document, "jsd")
    assert figure(document, "answered", culture="german")["value"] == 0


def test_what_was_answered_is_not_asked_again() -> None:
    options = ("evaluate", "survey", "--culture", "german", *ONE, "--items", "6", "--json")
    with Endpoint(reply=by_code(midpoint)) as endpoint:
        model = f"openai:m@{endpoint.url}"
        stopped = cli(*options, "--model", model, "--max-tokens", "300", "--concurrency", "1")
        assert stopped.code == 4, stopped.err
        (name,) = re.findall(r"culturepark resume (\w+)", stopped.err)
        asked = len(endpoint.requests)
        assert 0 < asked < 13
        done = cli("resume", name, "--max-tokens", "1000000", "--json")
        assert done.code == 0, done.err
        assert len(endpoint.requests) == 13  # a question that settles the method, and both orders of six
        again = cli(*options, "--model", model)
        assert len(endpoint.requests) == 13
    whole, resumed = json.loads(again.out), json.loads(done.out)
    assert whole["evaluation"] == resumed["evaluation"] == name
    assert whole["figures"] == resumed["figures"]


def test_rows_lead_from_answer_to_call_and_item() -> None:
    document = evaluated(by_code(midpoint), *ONE, "--items", "3")
    name = document["evaluation"]
    (first, *_), calls = rows_of("answer"), {row["id"]: row for row in rows_of("call")}
    assert first["id"] == f"{name}.a1"
    assert calls[first["call_id"]]["subject_id"] == first["id"]
    items = {row["id"]: row for row in rows_of("item")}
    assert len(items) == 50
    assert json.loads(items[first["item_id"]]["target"])["shares"]["DEU"]
    assert {row["metric"] for row in rows_of("figure")} >= {"nvas", "jsd", "wasserstein", "top"}
    assert cli("doctor").code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("surveys",), "no suite 'surveys': neither a file nor one of the shipped ones"),
        (("survey", "--culture", "prussian"), "--culture must be one of"),
        (("survey", "--language", "xx"), "--language 'xx': there are"),
        (("survey", "--framing", "poet"), "--framing 'poet': there are neutral, persona, observer"),
        (("survey", "--arm", "Big=x.md"), "--arm 'Big=x.md': NAME=FILE"),
        (("survey", "--arm", "big=x.md"), "x.md: no such file"),
        (("survey", "--scenario", "everyday-norms"), "none of its questions is of a survey"),
        (("survey", "--culture", "american"), "has no item for american"),
    ],
)
def test_wrong_use_is_said_and_leaves_nothing(options: tuple[str, ...], said: str) -> None:
    done = cli("evaluate", *options, "--model", "scripted")
    assert done.code == 2
    assert said in done.err
    assert not Path("runs").exists()


def test_a_dry_run_asks_nothing() -> None:
    done = cli("evaluate", "survey", "--culture", "all", "--model", "openai:gpt-4o-mini", "--dry-run", "--json")
    assert done.code == 0, done.err
    told: dict[str, Any] = json.loads(done.out)
    low, high = told["calls"]
    cells = sum(len(item.shares) for item in SURVEY.items)
    assert low == 1 + 2 * (2 * cells + 50)  # both orders; persona and observer in each country, neutral once
    assert high > low
    assert told["cost_usd"][0] > 0
    assert not Path("runs").exists()


def test_consistency_stands_beside_other_questions() -> None:
    """Answers that do not depend on the framing are the same; those of other questions are less so."""
    document = evaluated(by_code(lambda item: item.shares["DEU"]))
    for metric in ("fcs", "spd"):
        same = figure(document, metric, culture="german")
        assert same["value"] == pytest.approx(100, abs=1e-3)
        assert same["null_value"] < 95
        assert same["skill"] == pytest.approx(1, abs=1e-3)


def test_the_same_answer_for_all_countries_tells_none_apart() -> None:
    document = evaluated(by_code(midpoint), *ONE, "--items", "5", culture="all")
    assert figure(document, "differentiation")["value"] == pytest.approx(0, abs=1e-9)

    def people(body: JsonObject, _: int) -> Fault:
        item, letters = shown(body)
        names = {"Germany": "DEU", "Türkiye": "TUR", "China": "CHN", "Brazil": "BRA", "Argentina": "ARG",
                 "South Korea": "KOR", "Bangladesh": "BGD", "Jordan": "JOR"}  # fmt: skip
        system = str(body["messages"][0]["content"])
        country = next(code for name, code in names.items() if name in system)
        return weighed({letter: item.shares[country].get(code, 0.0) for letter, code in letters.items()})

    drawn = evaluated(by_code(midpoint), *ONE, "--items", "5", "--method", "samples", "--samples", "2", culture="all")
    by_chance = figure(drawn, "differentiation")
    assert by_chance["ceiling"] > 1  # two answers a country lie further apart than their people
    document = evaluated(people, *ONE, "--items", "5", culture="all")
    assert figure(document, "differentiation")["value"] == pytest.approx(1, abs=1e-3)
    assert figure(document, "jsd", "uniform", culture="all")["skill"] == 1


def test_it_is_asked_with_and_without_reasoning() -> None:
    def reply(body: JsonObject, _: int) -> Fault:
        _, letters = shown(body)
        first = next(iter(letters))
        if "think aloud" in str(body["messages"][0]["content"]):
            return Fault("plain", text=f"Some would say B.\nI think of my parents.\n\n{first}")
        return Fault("plain", text=first)

    document = evaluated(reply, *ONE, "--items", "3", "--samples", "2", "--reasoning", "both")
    assert document["answers"]["given"] == document["answers"]["with_a_choice"] == 12
    groups = {f["group"] for f in document["figures"] if f["metric"] == "jsd"}
    assert groups == {
        "culture=german,framing=persona,language=en",
        "culture=german,framing=persona,language=en,reasoning=yes",
    }


@pytest.mark.parametrize("marks", ["letters", "numbers", "labels"])
def test_an_option_is_named_by_letter_number_or_words(marks: str) -> None:
    def reply(body: JsonObject, _: int) -> str:
        text = str(body["messages"][-1]["content"])
        item = QUESTIONS[text.partition("\n\n")[0]]
        best = max(item.shares["DEU"], key=lambda code: item.shares["DEU"][code])
        label = next(option.label for option in item.options if option.code == best)
        line = next(line for line in text.splitlines() if line.endswith(label) and len(line) < len(label) + 6)
        return line.partition(".")[0] if marks != "labels" else label

    document = evaluated(reply, *ONE, "--marks", marks, "--samples", "2", "--method", "samples")
    assert document["answers"]["with_a_choice"] == document["answers"]["given"] == 100
    assert figure(document, "top", "uniform", culture="german")["value"] == 1


def test_a_suites_own_arm_has_its_own_prompt() -> None:
    """The name alone means that arm, and a name that nobody knows is no arm."""
    sent: list[str] = []

    def reply(body: JsonObject, _: int) -> str:
        sent.append(str(body["messages"][0]["content"]))
        return "I am sorry to hear that."

    with Endpoint(reply=reply) as endpoint:
        options = ("evaluate", "support", "--culture", "german", "--items", "1", "--model", f"openai:m@{endpoint.url}")
        assert cli(*options, "--arm", "cultural").code == 0
    (cultural,) = [arm for arm in find_suite("support").conditions.arms if arm.name == "cultural"]
    assert cultural.prompt
    assert cultural.prompt.partition("{{")[0] in sent[0]
    unknown = cli("evaluate", "support", "--arm", "kind", "--model", "scripted")
    assert unknown.code == 2
    assert "the suite has no arm of that name, only plain, cultural" in unknown.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--arm", "a=a.md", "--arm", "a=b.md"), "two arms are called a"),
        (("--arm", "plain=a.md"), "is the arm without a prompt"),
        (("--respondents", "4", "--framing", "neutral"), "respondents answer in their own name"),
        (("--framing", "neutral", "--arm", "a=place.md"), "a neutral framing names nobody"),
    ],
)
def test_conditions_that_contradict_each_other_are_refused(options: tuple[str, ...], said: str) -> None:
    Path("a.md").write_text("Be kind.")
    Path("b.md").write_text("Be blunt.")
    Path("place.md").write_text("You know {{country}} well.")
    done = cli("evaluate", "survey", "--culture", "german", "--model", "scripted", *options)
    assert done.code == 2
    assert said in done.err


def test_probabilities_that_are_asked_for_and_not_there_are_an_error() -> None:
    done = cli("evaluate", "survey", "--culture", "german", "--model", "scripted", "--method", "probabilities")
    assert done.code == 2
    assert "sends no log-probabilities" in done.err


def test_a_guesser_is_not_farther_than_guessing_however_few_its_answers() -> None:
    """Few draws lie off whatever they are drawn from; so do those of the null."""

    def guess(body: JsonObject, _: int) -> str:
        return random.Random(str(body["seed"])).choice(sorted(shown(body)[1]))

    told = {}
    for samples in ("4", "12"):
        document = evaluated(guess, *ONE, "--method", "samples", "--samples", samples)
        told[samples] = {row["metric"]: row["verdict"] for row in document["against_constant"]}
    assert {verdicts["jsd"] for verdicts in told.values()} <= {"no difference seen", "too few to tell"}


def test_the_same_command_again_says_that_nothing_was_asked() -> None:
    options = ("evaluate", "survey", "--culture", "german", *ONE, "--items", "6", "--model", "scripted")
    first, again = cli(*options), cli(*options)
    assert "has asked this already" not in first.err
    assert "has asked this already: nothing is asked again" in again.err
    assert first.out == again.out
