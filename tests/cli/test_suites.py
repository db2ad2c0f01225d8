"""`culturepark suites`, and `check`, `new` and `schema` of what an evaluation is made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from culturepark.catalog.suites import load_suite
from tests.cli.test_cli import away, cli  # noqa: F401 - used by every test

SUITE = """\
suite: manners
title: Manners
card:
  by: Ana
  written_for: tests
  language: English
  correct: what Ana thinks
  not_asked: everybody else
  licence: CC0
  source: made up
scorers: [choice]
items:
"""
OPTIONS = "[{{code: 1, label: yes {0}}}, {{code: 2, label: no}}]"
ITEM = "  - {{key: i{0}, question: Number {0}, options: " + OPTIONS + ", answer: {1}}}\n"


def written(items: str, text: str = SUITE) -> Path:
    path = Path("manners.yaml")
    path.write_text(text + items, "utf-8")
    return path


def test_suites_alone_lists_them() -> None:
    told = json.loads(cli("suites", "--json").out)
    survey = next(each for each in told if each["suite"] == "survey")
    assert (survey["items"], survey["scorers"]) == (50, ["survey"])
    assert "TUR" in survey["groups"]
    assert "tr" in survey["languages"]
    lines = cli("suites").out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [each["suite"] for each in told]


def test_show_prints_the_card_and_the_first_items() -> None:
    path = written("".join(ITEM.format(number, 1) for number in range(5)))
    done = cli("suites", "show", path)
    assert "not asked: everybody else" in done.out
    assert done.out.count("Number") == 3
    told = json.loads(cli("suites", "show", path, "--json").out)
    assert (told["items"], len(told["first_items"]), told["card"]["by"]) == (5, 3, "Ana")


def test_import_tells_what_it_made_and_what_it_left_out_and_check_takes_it() -> None:
    Path("quiz.csv").write_text("Q,A,B,Key\nFirst?,soup,cake,A\nSecond?,soup,cake,C\n", "utf-8")
    card = ("--by", "Ana", "--written-for", "pupils", "--written-in", "English", "--correct", "the key",
            "--not-asked", "others", "--licence", "CC0", "--source", "quiz.csv")  # fmt: skip
    command = (
        "suites",
        "import",
        "quiz.csv",
        "--map",
        "question=Q,options=A|B,answer=Key,language:en",
        "--out",
        "mine",
    )
    refused = cli(*command)
    assert refused.code == 2
    assert "--by, --written-for, --written-in" in refused.err
    done = cli(*command, "--title", "A quiz", "--scorer", "choice", *card)
    assert done.code == 0
    assert done.out.strip() == "mine/quiz.yaml"
    assert "1 items of 2 rows" in done.err
    assert "left out 1: the answer is none of the options (quiz.csv:3)" in done.err
    assert load_suite(Path("mine/quiz.yaml")).items[0].answer == 1
    assert "suite (1 items" in cli("check", "mine/quiz.yaml").out
    told = json.loads(cli(*command, "--name", "again", "--title", "T", "--scorer", "choice", *card, "--json").out)
    assert told["left_out"] == [{"reason": "the answer is none of the options", "count": 1, "examples": ["quiz.csv:3"]}]


def test_export_writes_for_both_tools() -> None:
    path = written(ITEM.format(1, 1))
    for tool, file in (("lm-eval", "manners.yaml"), ("inspect", "manners.py")):
        done = cli("suites", "export", path, "--to", tool, "--out", tool)
        assert done.code == 0
        assert f"{tool}/{file}" in done.out.split()
        assert "1 questions" in done.err
    assert cli("suites", "export", path, "--to", "other", "--out", "x").code == 2


def test_a_suite_that_is_not_there_is_hinted_at() -> None:
    done = cli("suites", "show", "surveys")
    assert done.code == 2
    assert "did you mean survey" in done.err


# --- check, new, schema ----------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["by", "written_for", "language", "correct", "not_asked", "licence", "source"])
def test_check_fails_without_a_full_card(field: str) -> None:
    text = "".join(line for line in SUITE.splitlines(keepends=True) if not line.startswith(f"  {field}:"))
    done = cli("check", written(ITEM.format(1, 1), text))
    assert done.code == 2
    assert f"manners.yaml:3: card.{field}: is missing" in done.err


def test_check_names_line_and_key_of_a_wrong_item() -> None:
    done = cli("check", written(ITEM.format(1, 1) + ITEM.format(2, 7)))
    assert done.code == 2
    assert "manners.yaml:14: items[2]: the target names the option 7" in done.err
    Path("rows.jsonl").write_text('{"key": "a", "question": "A?"}\n{"key": "b", "scale": "round"}\n', "utf-8")
    done = cli("check", written("", SUITE.replace("items:", "items: rows.jsonl")))
    assert done.code == 2
    assert "rows.jsonl:2: question: " in done.err
    assert "rows.jsonl:2: scale: " in done.err


def test_check_notes_likely_slips() -> None:
    shares = (
        "  - {key: s, question: S, options: [{code: 1, label: a}, {code: 2, label: b}], shares: {Mars: {1: 1.0}}}\n"
    )
    items = "".join(ITEM.format(number, 1) for number in range(8))
    told = cli("check", written(items + shares)).out
    assert "9 items: 8 with answer, 1 with shares" in told
    assert "the right option is the first in 8 of 8" in told
    assert "the right option is the longest in 8 of 8" in told
    assert "neither a country (ISO 3166) nor a culture: Mars" in told
    assert "1 with shares do not say how many were asked (n), as s" in told
    mixed = "".join(ITEM.format(number, 1 + number % 2) for number in range(8))
    assert "the right option" not in cli("check", written(mixed)).out


def test_check_says_which_items_are_in_no_language_that_is_asked_in() -> None:
    item = ITEM.format(1, 1).replace("answer: 1", "answer: 1, language: de")
    assert "1 are in none of the languages of `conditions`, as i1 in de" in cli("check", written(item)).out
    native = SUITE.replace("items:", "conditions: {languages: [native]}\nitems:")
    assert "in none of the languages" not in cli("check", written(item, native)).out


def test_check_says_which_scorers_cannot_score_the_items() -> None:
    done = cli("check", written(ITEM.format(1, 1), SUITE.replace("[choice]", "[choice, survey, gut-feeling]")))
    assert done.code == 0
    assert "the scorer survey has nothing to score: no item has `shares`" in done.out
    assert "there is no scorer gut-feeling here, only" in done.out
    assert "scorer choice" not in done.out


def test_check_takes_scales_and_maps() -> None:
    Path("warm.yaml").write_text(
        "scale: warm\ntitle: Warmth\nquestion: How warm is it?\nsteps: {1: cold, 10: warm}\nby: Ana\nsource: made up\n"
    )
    Path("map.yaml").write_text("map: {question: q, answer: a}\nconstants: {options: ['yes', 'no']}\n")
    done = cli("check", "warm.yaml", "map.yaml")
    assert done.code == 0
    assert "warm.yaml: scale (1 to 10; 8 of its steps have no words" in done.out
    assert "map.yaml: map (2 columns)" in done.out
    Path("warm.yaml").write_text(Path("warm.yaml").read_text().replace("10: warm", "9: warm"))
    assert "steps must say what both ends mean" in cli("check", "warm.yaml").err


def test_a_new_suite_is_sound_and_fits_its_schema() -> None:
    from ruamel.yaml import YAML

    assert cli("new", "suite", "guests", "--out", "mine").code == 0
    told = cli("check", "mine/guests.yaml").out
    assert "suite (2 items: 1 with answers, 1 with shares; TODO in lines" in told
    values = json.loads(json.dumps(YAML(typ="safe").load(Path("mine/guests.yaml").read_text("utf-8"))))
    schema: Any = json.loads(cli("schema", "suite").out)
    jsonschema.Draft202012Validator(schema).validate(values)
    del values["card"]["by"]
    with pytest.raises(jsonschema.ValidationError, match="'by' is a required property"):
        jsonschema.Draft202012Validator(schema).validate(values)


def test_scales_have_a_schema() -> None:
    schema = json.loads(cli("schema", "scale").out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "steps" in schema["required"]
