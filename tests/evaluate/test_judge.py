"""`culturepark judge`: what judges and people say of answers, on judges that rate as the test wants it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import JsonObject
from culturepark.evaluate.evaluation import sheet_of
from culturepark.evaluate.families import family_of, panel_notes
from culturepark.evaluate.figures import Score
from culturepark.evaluate.paired import values_of
from culturepark.evaluate.ratings import detail_of, rated, rating_notes
from culturepark.models.spec import parse
from culturepark.store.store import Store
from tests.cli.test_cli import Done, cli, rows_of
from tests.support.endpoint import Endpoint
from tests.support.rating import MESSAGES, answer_first, answers, is_swapped, judge, suite

STORE = Path("runs/culturepark.db")
SCALE = ("--scale", "warmth.yaml")
ANSWERS = 2 * len(MESSAGES)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def evaluated(folder: Path) -> str:
    """The id of an evaluation with two arms."""
    with Endpoint(reply=answers) as endpoint:
        done = cli("evaluate", suite(folder), "--model", f"openai:writer@{endpoint.url}", "--run-id", "e1")
    assert done.code == 0, done.err
    return "e1"


def judged(reply: Any, *more: object, target: str = "e1", name: str = "judge") -> tuple[Done, list[JsonObject]]:
    """What a judge made of it, and the requests that came in."""
    with Endpoint(reply=reply) as endpoint:
        done = cli("judge", target, *SCALE, "--model", f"openai:{name}@{endpoint.url}", "--json", *more)
        return done, [received.body for received in endpoint.requests if "response_format" in received.body]


def figures(done: Done, metric: str) -> dict[str, JsonObject]:
    return {figure["group"]: figure for figure in done.json["figures"] if figure["metric"] == metric}


def scores() -> list[JsonObject]:
    return [row for row in rows_of("score", STORE) if row["judge"]]


# --- judges ----------------------------------------------------------------------------------------


def test_a_good_judge_tells_arms_apart_and_stands_above_swapped_answers(evaluated: str) -> None:
    def rate(shown: JsonObject) -> int:
        return 1 if is_swapped(shown) else 5 if "Who else" in shown["answer"] else 4

    done, asked = judged(judge(rate))
    assert done.code == 0, done.err
    means = figures(done, "warmth")
    plain = means["framing=neutral,language=en"]
    assert (plain["value"], plain["n"], plain["null_name"], plain["null_value"]) == (4, 8, "swapped answers", 1)
    assert (plain["ceiling"], plain["skill"]) == (5, 0.75)
    assert means["framing=neutral,language=en,arm=cultural"]["skill"] == 1
    assert "next: culturepark judge e1 --scale warmth.yaml --sheet FILE.html" in done.err
    gain = figures(done, "warmth_gain")["arm=cultural,over=plain"]
    assert gain["null_name"] == "zero"
    assert (gain["value"], gain["low"], gain["high"], gain["n"], gain["null_value"]) == (1, 1, 1, 8, 0)
    others = figures(done, "warmth_swapped")["all"]
    assert (others["value"], others["low"], others["high"], others["n"]) == (1, 1, 1, 10)
    assert len(asked) == 2 * ANSWERS + 10
    assert done.json["judges"] == {str(scores()[0]["judge"]): 2 * ANSWERS + 10}
    detail = json.loads(scores()[0]["detail"])
    assert (detail["reason"], detail["lines"], detail["of"]) == ("because", ["to one person", "the loss"], [1, 5])
    assert {row["call_id"] for row in scores()} <= {row["id"] for row in rows_of("call", STORE)}


def test_means_without_a_null_are_named(evaluated: str) -> None:
    with_null, _ = judged(judge(lambda _: 3))
    assert not [note for note in with_null.json["notes"] if "have no null" in note]
    filled(sheet(), "anna", lambda _: 4)
    people = cli("judge", "e1", *SCALE, "--import", "filled.csv", "--json").json["notes"]
    assert [note for note in people if note.startswith("means by people have no null")]


def test_one_item_has_no_other_to_be_held_against(folder: Path) -> None:
    with Endpoint(reply=answers) as endpoint:
        model = f"openai:writer@{endpoint.url}"
        cli("evaluate", suite(folder), "--model", model, "--items", "1", "--run-id", "e1")
    done, asked = judged(judge(lambda _: 3))
    assert len(asked) == 4  # two arms, two passes
    assert any(note.startswith("means on warmth have no null") for note in done.json["notes"])
    (row, *_) = figures(done, "warmth").values()
    assert (row["null_name"], row["skill"]) == (None, None)


def test_nothing_is_asked_twice_and_figures_are_shown_without_asking(evaluated: str) -> None:
    first, asked = judged(judge(lambda _: 3), "--passes", "1", "--null", "0")
    assert len(asked) == ANSWERS
    with Endpoint(reply=judge(lambda _: 3)) as endpoint:
        spec = f"openai:another@{endpoint.url}"
        assert cli("judge", "e1", *SCALE, "--model", spec, "--passes", "1", "--null", "0").code == 0
        before = len(endpoint.requests)
        assert cli("judge", "e1", *SCALE, "--model", spec, "--passes", "1", "--null", "0").code == 0
        assert len(endpoint.requests) == before
    shown = cli("judge", "e1", "--json")
    assert shown.code == 0
    assert len(shown.json["judges"]) == 2
    assert first.json["judges"].items() <= shown.json["judges"].items()


def test_a_judge_that_says_seven_whatever_it_reads_is_named(evaluated: str) -> None:
    Path("warmth.yaml").write_text(
        Path("warmth.yaml").read_text().replace("most: 5", "most: 10").replace("5: w", "10: w")
    )
    done, _ = judged(judge(lambda _: 7))
    assert any("gives 7 on warmth to all 16 answers: its ratings say nothing" in note for note in done.json["notes"])
    assert figures(done, "warmth")["framing=neutral,language=en"]["skill"] == 0
    (alpha,) = figures(done, "warmth_self_alpha").values()
    assert alpha["value"] is None
    assert "7.00 [7.00, 7.00] on 1 to 10, 8 items; answers to other items get 7.00 [7.00, 7.00]: not told apart" in (
        " ".join(cli("judge", "e1").out.split())
    )


@pytest.mark.parametrize(
    "said", [9, 0, "I would say four of five.", '{"line_1": "", "line_2": "", "reason": "x", "rating": 4.5}']
)
def test_what_is_no_step_of_the_scale_is_missing_and_never_a_value(said: Any, evaluated: str) -> None:
    done, _ = judged(judge(lambda shown: 3 if "dog" in shown["answer"] else said), "--null", "0", "--passes", "1")
    assert done.code == 0, done.err
    assert figures(done, "warmth")["framing=neutral,language=en"]["n"] == 1
    assert sum(row["value"] is None for row in scores()) == ANSWERS - 2
    assert any(f"{ANSWERS - 2} ratings on warmth by" in note for note in done.json["notes"])


def test_two_passes_that_differ_show_as_bad_agreement_with_itself(evaluated: str) -> None:
    flip = judge(
        lambda shown: 5 if answer_first(shown) == ("dog" in shown["answer"] or "ring" in shown["answer"]) else 1
    )
    done, asked = judged(flip, "--null", "0")
    (alpha,) = figures(done, "warmth_self_alpha").values()
    assert alpha["value"] < 0
    assert figures(done, "warmth_self_difference")[alpha["group"]]["value"] == 4
    assert figures(done, "warmth")["framing=neutral,language=en"]["value"] == 3
    assert any("agrees badly with itself" in note for note in done.json["notes"])
    orders = {tuple(json.loads(body["messages"][-1]["content"])) for body in asked}
    assert orders == {("scale", "about", "message", "answer"), ("about", "message", "answer", "scale")}


def test_the_reference_is_shown_and_stands_on_the_other_side_of_the_answer_in_the_second_pass(folder: Path) -> None:
    path = suite(folder, reference="Somebody who knows would ask for the name.")
    with Endpoint(reply=answers) as endpoint:
        cli("evaluate", path, "--model", f"openai:writer@{endpoint.url}", "--run-id", "e1")
    _, asked = judged(judge(lambda _: 3), "--null", "0")
    shown = [json.loads(body["messages"][-1]["content"]) for body in asked]
    places = {list(one).index("reference") < list(one).index("answer") for one in shown}
    assert places == {True, False}
    assert all("arm" not in one and "cultural" not in json.dumps(one) for one in shown)


def test_a_panel_takes_the_minimum_where_the_scale_says_so(evaluated: str) -> None:
    Path("warmth.yaml").write_text(Path("warmth.yaml").read_text().replace("panel: mean", "panel: minimum"))
    with Endpoint(reply=judge(lambda _: 2)) as hard, Endpoint(reply=judge(lambda _: 4)) as kind:
        roles = ("--role", f"judge=openai:gpt-x@{hard.url}", "--role", f"judge=openai:claude-x@{kind.url}")
        done = cli("judge", "e1", *SCALE, *roles, "--null", "0", "--passes", "1", "--json")
    assert figures(done, "warmth")["framing=neutral,language=en"]["value"] == 2
    assert not any("one family" in note for note in done.json["notes"])
    assert figures(done, "warmth_alpha")["raters=judges"]["n"] == ANSWERS


def test_a_stopped_panel_goes_on_where_it_was(evaluated: str) -> None:
    reply = judge(lambda _: 3)
    with Endpoint(reply=reply) as endpoint:
        command = ("judge", "e1", *SCALE, "--model", f"openai:j@{endpoint.url}", "--null", "0", "--passes", "1")
        stopped = cli(*command, "--max-tokens", "3000", "--concurrency", "1")
        assert stopped.code == 4
        assert "goes on" in stopped.err
        there = len(scores())
        assert 0 < there < ANSWERS
        assert cli(*command).code == 0
    assert len(scores()) == ANSWERS
    assert {row["status"] for row in rows_of("run", STORE)} == {"done"}
    assert len({(row["answer_id"], row["judge"]) for row in scores()}) == ANSWERS


def test_a_forecast_asks_nobody(evaluated: str) -> None:
    done = cli("judge", "e1", *SCALE, "--model", "openai:gpt-4o-mini@http://127.0.0.1:9/v1", "--dry-run", "--json")
    assert done.code == 0, done.err
    assert (done.json["ratings"], done.json["calls"]) == (42, [42, 84])
    assert scores() == []


def test_another_rubric_of_the_same_name_is_refused(evaluated: str) -> None:
    judged(judge(lambda _: 3), "--null", "0", "--passes", "1")
    Path("warmth.yaml").write_text(Path("warmth.yaml").read_text().replace("5: warm", "5: very warm"))
    done, _ = judged(judge(lambda _: 3), "--null", "0", "--passes", "1")
    assert done.code == 2
    assert "by another rubric" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere", "--scale", "warmth.yaml"), "nowhere"),
        (("e1", "--scale", "nothing"), "no scale 'nothing'"),
        (("e1", "--scale", "warmth.yaml", "--role", "speaker=scripted"), "only judges are asked here"),
        (("e1", "--scale", "warmth.yaml", "--model", "scripted", "--sheet", "a.csv"), "take one at a time"),
        (("e1", "--rater", "anna"), "--rater goes with --import"),
        (("e1",), "has no ratings yet"),
        (("e1", "--scale", "warmth.yaml", "--sheet", "a.txt"), "ends in .csv or .html"),
        (("letters.yaml", "--scale", "warmth.yaml", "--model", "scripted"), "has no reference texts"),
        (("judged", "--model", "scripted"), "`culturepark judge judged --scale thickness --model SPEC`"),
        (("e1", "--scale", "norms", "--model", "scripted"), "`culturepark judge e1 --scale thickness --model SPEC`"),
        (
            ("e1", "--scale", "warmth.yaml", "--role", "judge=openai:a", "--role", "judge=openai:a"),
            "openai:a is named twice",
        ),
    ],
)
def test_wrong_use_is_named(arguments: tuple[str, ...], words: str, evaluated: str) -> None:
    done = cli("judge", *arguments)
    assert done.code == 2, done.err
    assert words in done.err


# --- other texts -----------------------------------------------------------------------------------


def test_references_become_answers_once(folder: Path) -> None:
    path = suite(folder, reference="Somebody who knows would ask for the name.")
    first, asked = judged(judge(lambda _: 4), "--null", "0", "--passes", "1", target=str(path))
    assert first.code == 0, first.err
    assert all("reference" not in json.loads(body["messages"][-1]["content"]) for body in asked)
    again, asked_again = judged(judge(lambda _: 4), "--null", "0", "--passes", "1", target=str(path), name="other")
    assert (first.json["evaluation"], first.json["model"]) == (again.json["evaluation"], "reference")
    assert len(asked) == len(asked_again) == len(MESSAGES)
    assert [row["models"] for row in rows_of("run", STORE)] == ["{}"]
    assert cli("resume", first.json["evaluation"]).code == 0


def test_kept_samples_of_a_run_are_rated_once_made_an_evaluation(folder: Path) -> None:
    assert cli("simulate", "quickstart", "--model", "scripted", "--run-id", "Run_1", "--dialogues", "1").code == 0
    samples = [row for row in rows_of("sample", STORE) if row["status"] == "kept"]
    suite(folder)
    done, asked = judged(judge(lambda _: 4), "--null", "0", "--passes", "1", target="Run_1")
    assert done.code == 0, done.err
    assert (done.json["suite"], done.json["model"]) == ("run-run-1", "scripted")
    assert len(asked) == len(samples) > 0
    shown = {json.loads(body["messages"][-1]["content"])["answer"] for body in asked}
    assert shown == {json.loads(row["messages"])[-1]["content"] for row in samples}
    again, more = judged(judge(lambda _: 4), "--null", "0", "--passes", "1", target="Run_1", name="other")
    assert again.json["evaluation"] == done.json["evaluation"]
    assert len(more) == len(samples)
    assert len(rows_of("evaluation", STORE)) == 1
    assert cli("doctor").code == 0


# --- people ----------------------------------------------------------------------------------------


def sheet(*more: object) -> list[dict[str, str]]:
    done = cli("judge", "e1", *SCALE, "--sheet", "sheet.csv", *more)
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(Path("sheet.csv").read_text("utf-8-sig"), newline="")))


def filled(rows: list[dict[str, str]], rater: str, rate: Any, path: str = "filled.csv") -> Path:
    with Path(path).open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"rater": rater, "warmth": rate(row), "note": "my note"} for row in rows)
    return Path(path)


@pytest.mark.parametrize("kind", ["csv", "html"])
def test_a_sheet_is_blind(kind: str, evaluated: str) -> None:
    done = cli("judge", "e1", *SCALE, "--sheet", f"sheet.{kind}")
    assert done.code == 0, done.err
    text = Path(f"sheet.{kind}").read_text("utf-8-sig")
    assert all(message in text.replace("&#39;", "'") for message in MESSAGES)
    for telling in ("e1", "e1.a", "plain", "cultural", "writer", "openai", "127.0.0.1", "Think of", "q1"):
        assert telling not in text.split("</style>")[-1].split("<script>")[0], telling
    assert "http:" not in text and "https:" not in text  # noqa: PT018


def test_a_sheet_is_shuffled_by_its_seed_and_safe_in_a_spreadsheet(folder: Path) -> None:
    path = suite(folder, question="=HYPERLINK(1)")
    with Endpoint(reply=lambda body, n: f"@SUM {n}" if "response_format" not in body else None) as endpoint:
        assert cli("evaluate", path, "--model", f"openai:w@{endpoint.url}", "--run-id", "e1").code == 0
    rows = sheet()
    assert all(row["message"].startswith("'=") and row["answer"].startswith("'@") for row in rows)
    Path("sheet.csv").unlink()
    other = sheet("--seed", "2")
    assert [row["code"] for row in rows] != [row["code"] for row in other]
    assert {row["code"] for row in rows} == {row["code"] for row in other}
    arms = {row["id"]: row["arm"] for row in rows_of("answer", STORE)}
    assert len(arms) == len(rows)
    assert "# How to rate" in Path("sheet.rubric.md").read_text()
    assert cli("judge", "e1", *SCALE, "--sheet", "sheet.csv").code == 2  # it may hold ratings


def test_people_are_read_back_and_replace_their_own_earlier_ratings(evaluated: str) -> None:
    rows = sheet()
    for rater, add in (("anna", 0), ("bela", 1)):
        filled(rows, rater, lambda row, add=add: 1 + add + 2 * ("Who else" in row["answer"]), f"{rater}.csv")
    done = cli("judge", "e1", *SCALE, "--import", "anna.csv", "--import", "bela.csv", "--json")
    assert done.code == 0, done.err
    assert done.json["people"] == {"anna": ANSWERS, "bela": ANSWERS}
    assert figures(done, "warmth_gain_by_people")["arm=cultural,over=plain"]["value"] == 2
    assert figures(done, "warmth_by_people")["framing=neutral,language=en"]["value"] == 1.5
    assert figures(done, "warmth_alpha")["raters=people"]["n"] == ANSWERS
    filled(rows[:3], "anna", lambda _: 5, "again.csv")
    again = cli("judge", "e1", *SCALE, "--import", "again.csv", "--rater", "anna", "--json")
    assert "3 in place of earlier ones" in again.err
    assert again.json["people"] == {"anna": ANSWERS, "bela": ANSWERS}
    assert sum(row["value"] == 5 for row in scores() if row["judge"] == "person:anna") == 3
    assert {json.loads(row["detail"])["reason"] for row in scores()} == {"my note"}


def test_a_judge_stands_beside_people_on_the_same_targets(evaluated: str) -> None:
    rows = sheet()
    steps = {row["code"]: 1 + number % 5 for number, row in enumerate(rows)}
    by_answer = {row["answer"]: steps[row["code"]] for row in rows}
    for rater in ("anna", "bela", "cem"):
        filled(rows, rater, lambda row: steps[row["code"]], f"{rater}.csv")
    cli("judge", "e1", *SCALE, *(f"--import={rater}.csv" for rater in ("anna", "bela", "cem")))
    done, _ = judged(judge(lambda shown: 6 - by_answer[shown["answer"]]), "--null", "0", "--passes", "1")
    near = figures(done, "warmth_as_people")
    assert [near[f"rater=person:{rater}"]["value"] for rater in ("anna", "bela", "cem")] == [1, 1, 1]
    (machine,) = (figure for group, figure in near.items() if "person" not in group)
    assert (machine["value"], machine["n"]) == (-1, 3 * ANSWERS)
    assert figures(done, "warmth_off_people")["rater=person:anna"]["value"] == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"warmth": "6"}, "f.csv:3: warmth: '6' is no whole number from 1 to 5"),
        ({"warmth": "3.5"}, "f.csv:3: warmth: '3.5' is no whole number"),
        ({"warmth": "good"}, "f.csv:3: warmth: 'good' is no whole number"),
        ({"code": "AAAAAAAA"}, "f.csv:3: code: 'AAAAAAAA' is no answer of this evaluation"),
        ({"rater": ""}, "f.csv:3: rater: a reviewer's name has 1 to 80"),
    ],
)
def test_a_wrong_cell_is_named_and_nothing_of_the_file_counts(
    change: dict[str, str], words: str, evaluated: str
) -> None:
    rows = [row | {"rater": "anna", "warmth": "4"} for row in sheet()]
    rows[1] |= change
    with Path("f.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    done = cli("judge", "e1", *SCALE, "--import", "f.csv")
    assert done.code == 2
    assert words in done.err
    assert scores() == []


def test_one_answer_rated_twice_by_one_rater_in_a_file_is_named(evaluated: str) -> None:
    rows = sheet()
    filled([*rows, rows[0]], "anna", lambda _: 4)
    done = cli("judge", "e1", *SCALE, "--import", "filled.csv")
    assert done.code == 2
    assert f"filled.csv:{len(rows) + 2}: code: {rows[0]['code']} was rated in line 2 already" in done.err


@pytest.mark.browser
def test_the_page_saves_what_was_entered(evaluated: str, folder: Path) -> None:
    from tests.support.browser import opened, visit

    assert cli("judge", "e1", *SCALE, "--sheet", "sheet.html").code == 0
    with opened() as browser, visit(browser) as seen:
        page = seen.open(folder / "sheet.html", ready=False)
        page.locator("#rater").fill("anna")
        first = page.locator("article").first
        code = first.get_attribute("data-code")
        first.locator("input[value='4']").check()
        first.locator("textarea").fill('=1+1, "quoted"')
        assert page.locator("#progress").inner_text() == f"1 of {ANSWERS} ratings"
        with page.expect_download() as download:
            page.locator("#save").click()
        download.value.save_as(folder / "anna.csv")
        assert download.value.suggested_filename == "sheet-anna.csv"
    done = cli("judge", "e1", *SCALE, "--import", "anna.csv")
    assert done.code == 0, done.err
    (score,) = scores()
    assert (score["value"], score["judge"]) == (4, "person:anna")
    assert json.loads(score["detail"])["reason"] == '\'=1+1, "quoted"'
    assert code


# --- parts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "family"),
    [
        ("openai:gpt-4o-mini", "OpenAI"),
        ("openai:o3-mini", "OpenAI"),
        ("openai:anthropic/claude-x@https://openrouter.ai/api/v1", "Claude"),
        ("openai:meta-llama/Llama-3-8b@http://localhost:1/v1", "Llama"),
        ("hf:Qwen/Qwen2.5-7B-GGUF/qwen2.5.gguf", "Qwen"),
        ("openai:mixtral-8x7b@http://localhost:1/v1", "Mistral"),
        ("openai:newcomer-1@http://localhost:1/v1", "newcomer"),
        ("embedded", "SmolLM"),
    ],
)
def test_a_family_is_told_by_the_name(spec: str, family: str) -> None:
    assert family_of(parse(spec)) == family


def test_a_panel_is_warned_of_one_family_and_of_itself() -> None:
    gpt, other, claude = map(parse, ("openai:gpt-4o", "openai:o3", "openai:claude-x@http://localhost:1/v1"))
    assert "all 2 judges are of one family (OpenAI)" in " ".join(panel_notes([gpt, other], None))
    assert list(panel_notes([gpt, claude], None)) == []
    assert list(panel_notes([gpt, claude], "openai:gpt-4o")) == [
        "openai:gpt-4o judges its own answers, and models tend to prefer their own"
    ]
    assert "is of the family of the model that answered" in " ".join(panel_notes([gpt, claude], "openai:gpt-4o-mini"))


def test_a_panel_in_which_not_all_have_rated_all_is_named() -> None:
    detail = detail_of(1, 5, "mean", "r", **{"pass": 1})
    given = [Score(f"e.a{n}", "warmth", 3, detail, judge) for judge, n in (("a", 1), ("a", 2), ("b", 2))]
    assert [note for note in rating_notes(given) if "of 2 answers 1 are rated by all 2 judges" in note]
    assert not [note for note in rating_notes(given[1:]) if "are rated by all" in note]


def test_a_median_of_a_panel_and_missing_ratings() -> None:
    def score(judge: str, value: float | None) -> Score:
        return Score("e.a1", "warmth", value, detail_of(1, 5, "median", "r", **{"pass": 1}), judge)

    (ratings,) = rated([score("a", 1), score("b", 5), score("c", 4), score("d", None)])
    assert ratings.by_judges() == {"e.a1": 4}
    assert ratings.missing == {"d": 1}


def test_arms_are_compared_by_ratings_and_swapped_answers_are_no_part_of_it(evaluated: str) -> None:
    judged(judge(lambda shown: 1 if is_swapped(shown) else 4 if "Who else" in shown["answer"] else 3))
    store = Store(f"sqlite:///{STORE}")
    values = values_of(store, "e1", sheet_of(store, "e1"))
    assert {(one.metric, dict(one.condition).get("arm", "plain"), one.value) for one in values} == {
        ("warmth", "plain", 3),
        ("warmth", "cultural", 4),
    }


# --- two arms ----------------------------------------------------------------------------------------


def test_a_study_of_people_is_in_the_table_and_its_power_beside_the_sheet(evaluated: str) -> None:
    done = cli("judge", "e1", *SCALE, "--sheet", "sheet.csv")
    assert "With 8 inputs and 5 raters, 80% of studies find a difference of" in done.err
    rows = list(csv.DictReader(io.StringIO(Path("sheet.csv").read_text("utf-8-sig"), newline="")))
    for number, rater in enumerate(("anna", "bela", "cem", "dilek", "eva")):

        def rate(row: dict[str, str], number: int = number) -> int:
            noise = (number + MESSAGES.index(row["message"])) % 2
            return 2 + noise + ("Who else" in row["answer"]) * (1 + noise)

        filled(rows, rater, rate, f"{rater}.csv")
    files = [f"--import={rater}.csv" for rater in ("anna", "bela", "cem", "dilek", "eva")]
    done = cli("judge", "e1", *SCALE, *files, "--json")
    assert done.code == 0, done.err
    (study,) = done.json["studies"]
    assert (study["kind"], study["arms"]) == ("people", ["plain", "cultural"])
    assert study["holm"] == {"warmth": study["tests"][0]["p"]}
    assert study["tests"][0]["difference"] == 1.5
    effect = figures(done, "warmth_effect")["arm=cultural,over=plain,raters=people"]
    assert effect["low"] < 1.5 < effect["high"]
    assert abs(effect["value"] - 1.5) < 0.1
    assert "as other raters would rate other inputs" in "\n".join(study["in_words"])
    text = cli("judge", "e1").out
    assert "cultural against plain, by people:" in text
    kept = {row["metric"] for row in rows_of("figure", STORE)}
    assert {"warmth_effect", "warmth_p", "warmth_gain_by_people"} <= kept


def test_judges_are_tested_over_inputs_and_are_no_draw_of_raters(evaluated: str) -> None:
    done, _ = judged(judge(lambda shown: 4 if "Who else" in shown["answer"] else 3), "--null", "0")
    (study,) = done.json["studies"]
    assert (study["kind"], study["effects"], study["mediation"]) == ("judges", [], None)
    assert study["tests"][0]["p"] == 2 / 2**8
