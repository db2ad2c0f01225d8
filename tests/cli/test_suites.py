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
    done = cli("check", written(ITEM.format(1, 1), SUITE.replace("[choice]", "[choice, survey]")))
    assert done.code == 0
    assert "the scorer survey has nothing to score: no item has `shares`" in done.out
    assert "scorer choice" not in done.out


def test_check_fails_where_a_scorer_or_a_scale_does_not_exist() -> None:
    text = SUITE.replace("[choice]", "[choice, chioce]\nscales:\n  - thickness\n  - empahty")
    done = cli("check", written(ITEM.format(1, 1), text))
    assert done.code == 2
    assert "fine" not in done.out
    assert "manners.yaml:11: scorers[2]: there is no scorer 'chioce'" in done.err
    assert "did you mean choice?" in done.err
    assert "manners.yaml:14: scales[2]: there is no scale 'empahty'" in done.err
    assert "did you mean empathy?" in done.err
    assert "did you mean choice" in cli("suites", "show", "manners.yaml").out


def test_a_scorer_of_a_plugin_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    from culturepark import plugins

    mine = EntryPoint("mine", "culturepark.evaluate.scorers.choice:ChoiceScorer", "culturepark.suites")
    found = plugins.installed
    monkeypatch.setattr(plugins, "installed", lambda group: {"mine": mine} if group == mine.group else found(group))
    done = cli("check", written(ITEM.format(1, 1), SUITE.replace("[choice]", "[mine]")))
    assert (done.code, done.err) == (0, "")


def test_import_refuses_a_scorer_that_does_not_exist() -> None:
    Path("quiz.csv").write_text("Q,A,B,Key\nFirst?,soup,cake,A\n", "utf-8")
    done = cli("suites", "import", "quiz.csv", "--map", "question=Q,options=A|B,answer=Key", "--scorer", "chioce")
    assert done.code == 2
    assert "--scorer: there is no scorer 'chioce'" in done.err
    assert "did you mean choice?" in done.err
    assert not Path("quiz.yaml").exists()


def test_the_example_of_import_can_be_pasted_into_a_shell_and_names_the_page_of_maps() -> None:
    told = cli("suites", "import", "--help").out
    assert '"question=Question,options=A|B|C|D,answer=Key,language:en"' in told
    assert "docs/reference/imports.md" in told


def test_show_prints_arms_with_their_prompts_scales_and_who_is_asked() -> None:
    told = cli("suites", "show", "support").out
    assert "arm plain: no prompt" in told
    assert "arm listening: Somebody who lives in {{country}}" in told
    assert "scale thickness, 1 to 5: How thickly an answer describes" in told
    assert "asked: the model itself" in told
    assert "asked: 30 people of the catalogue in each culture" in cli("suites", "show", "vsm13").out


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("labels", ["{0} b, {0} bbb, {0} c", "b, bbb, c"])
def test_check_names_a_right_option_that_is_always_second_whatever_the_options(labels: str, balanced: bool) -> None:
    words = [part.strip() for part in labels.split(",")]
    items = "".join(
        f"  - {{key: i{number}, question: Number {number}, answer: 2, options: ["
        + ", ".join(f"{{code: {code}, label: {label.format(number)}}}" for code, label in enumerate(words, 1))
        + "]}\n"
        for number in range(30)
    )
    text = SUITE.replace("items:", f"elicitation: {{balanced: {str(balanced).lower()}}}\nitems:")
    for told in (cli("check", written(items, text)).out, cli("suites", "show", "manners.yaml").out):
        assert "the right option is the second in 30 of 30" in told
        if labels.startswith("{"):
            assert "the right option is the longest in 30 of 30" in told
            assert ("keep `elicitation.balanced` on" if balanced else "set `elicitation.balanced` to true") in told
        else:
            assert "who always takes 'bbb' scores high" in told


def test_check_counts_what_is_right_for_groups_too() -> None:
    items = "".join(ITEM.format(number, 1).replace("answer: 1", "answers: {german: 1}") for number in range(8))
    assert "the right option is the first in 8 of 8" in cli("check", written(items)).out


# --- items in a file -------------------------------------------------------------------------------


def beside(name: str, text: str) -> Path:
    Path(name).write_text(text, "utf-8")
    return written("", SUITE.replace("items:", f"items: {name}"))


def test_the_csv_file_of_the_documentation_is_read_as_it_says() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "howto", "suite.md").read_text("utf-8")
    path = beside("table-manners.csv", page.partition("```csv\n")[2].partition("```")[0])
    assert "suite (3 items: 2 with answer, 1 with shares" in cli("check", path).out
    soup, bread, shoes = load_suite(path).items
    assert [(o.code, o.label) for o in soup.options] == [(1, "yes"), (2, "no")]
    assert [(o.code, o.label) for o in bread.options] == [(0, "with the hand"), (1, "with a fork")]
    assert (soup.answer, bread.answer) == (2, 0)
    assert ([o.label for o in shoes.options], shoes.shares) == (["always", "never"], {"DEU": {1: 0.8, 2: 0.2}})
    assert shoes.n == {"DEU": 1000}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_lists_and_maps_may_stand_in_columns_of_any_table(delimiter: str) -> None:
    head = ["key", "question", "options.1", "options.2", "shares.DEU.1", "shares.DEU.2", "signals", "words.de.question"]
    cells = ["a", "Soup first?", "yes", "no", "0.25", "0.75", "tea|bread", "Zuerst Suppe?"]
    path = beside("rows.csv", delimiter.join(head) + "\n" + delimiter.join(cells) + f"\n{delimiter * 7}\n")
    (item,) = load_suite(path).items
    assert [(o.code, o.label) for o in item.options] == [(1, "yes"), (2, "no")]
    assert (item.shares, item.signals) == ({"DEU": {1: 0.25, 2: 0.75}}, ("tea", "bread"))
    assert item.words["de"].question == "Zuerst Suppe?"


@pytest.mark.parametrize("options", [["yes", "no"], {"1": "yes", "2": "no"}, "yes|no"])
def test_options_in_json_lines_may_be_labels_alone(options: object) -> None:
    row = {"key": "a", "question": "Soup first?", "options": options, "answer": 2}
    (item,) = load_suite(beside("rows.jsonl", json.dumps(row) + "\n")).items
    assert [(o.code, o.label) for o in item.options] == [(1, "yes"), (2, "no")]


def test_columns_may_be_called_otherwise_and_the_others_like_their_keys() -> None:
    text = "key,Frage,A,B,answer,more\na,Suppe?,ja,nein,2,x\n"
    Path("rows.csv").write_text(text, "utf-8")
    columns = "columns: {question: Frage, options.1: A, options.2: B}\nitems: rows.csv"
    (item,) = load_suite(written("", SUITE.replace("items:", columns))).items
    assert (item.key, item.question, item.answer) == ("a", "Suppe?", 2)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ("options,answer\nyes,1", "rows.csv:2: options: must be options as yes|no, as a JSON list, or in columns"),
        ("options,answer\n[yes,1", "rows.csv:2: options: must be options as yes|no"),
        ("options,answer\nyes|no,soup", "rows.csv:2: answer: must be a whole number, not 'soup'"),
        ("options.a,options.2\nyes,no", "rows.csv:2: options: 'a' is no code of an option"),
        ("options.1,options\nyes,yes|no", "rows.csv:2: options: options has columns as options.1 too"),
        ("options,options.1\nyes|no,yes", "rows.csv:2: options.1: options has a column of its own"),
        ("options,shares\nyes|no,half", 'rows.csv:2: shares: must be a map in JSON, as {"GROUP": ...}'),
        ("options,n\nyes|no,{DEU", "rows.csv:2: n: is no JSON: '{DEU'"),
        ("options,n.DEU\nyes|no,many", "rows.csv:2: n.DEU: must be a whole number, not 'many'"),
        ("options,opinion\nyes|no,x", "rows.csv:2: opinion: unknown key; allowed here: key, question"),
        ("options,foo.bar\nyes|no,x", "rows.csv:2: foo.bar: unknown key; allowed here: key, question"),
    ],
)
def test_a_cell_that_cannot_be_read_is_told_in_words_for_people(cells: str, told: str) -> None:
    head, row = cells.split("\n")
    done = cli("check", beside("rows.csv", f"key,question,{head}\na,Soup first?,{row}\n"))
    assert done.code == 2
    assert told in done.err
    assert "Input should" not in done.err


def test_a_key_that_stands_there_twice_is_named_with_its_second_line() -> None:
    rows = "key,question\na,A?\nb,B?\na,C?\n"
    assert "rows.csv:4: key: a is the key of two items" in cli("check", beside("rows.csv", rows)).err
    done = cli("check", written(ITEM.format(1, 1) + ITEM.format(2, 1) + ITEM.format(1, 1)))
    assert "manners.yaml:15: items[3].key: i1 is the key of two items" in done.err


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
