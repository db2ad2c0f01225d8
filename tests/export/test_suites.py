"""Suites as tasks of other tools. The tools themselves run them too, where they are installed: `make slow`."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ruamel.yaml import YAML

from culturepark.catalog.suites import Suite, find_suite
from culturepark.errors import UsageError
from culturepark.export.suites import METRICS, TOOLS, Tool, export_suite
from culturepark.models.tokens import offer_tables

CARD = {
    "by": 'Ana "the" \\ author', "written_for": "tests", "language": "English", "correct": "the key",
    "not_asked": "others", "licence": "CC0", "source": "made up",
}  # fmt: skip
TWO = [{"code": 1, "label": "tea"}, {"code": 2, "label": "coffee"}]
THREE = [*TWO, {"code": 5, "label": "water"}]
ITEMS: list[dict[str, Any]] = [
    {"key": "right", "question": "What is made of leaves?", "options": TWO, "answer": 1, "topic": "drinks"},
    {"key": "by", "question": "What do guests get?", "options": TWO, "answers": {"TUR": 1, "german": 2}},
    {"key": "of", "question": "What do you drink?", "options": THREE, "shares": {"TUR": {1: 0.75, 5: 0.25}}},
    {"key": "own", "question": "What do we drink?", "options": TWO, "shares": {"BRA": {2: 1.0}}, "group": "BRA"},
    {"key": "free", "question": "How is tea made?", "reference": "With water."},
]
UNSCORED = {"key": "asked", "question": "How often do you drink tea?", "options": TWO}


def suite(
    items: list[dict[str, Any]] = ITEMS, name: str = "table-drinks", scorers: tuple[str, ...] = ("choice",)
) -> Suite:
    return Suite.model_validate({"name": name, "title": "T", "card": CARD, "scorers": scorers, "items": items})


GAPS = suite(
    [{"key": "gap", "question": "I drink [MASK] at dawn.", "options": TWO, "answer": 1, "group": "TUR"}],
    "gaps",
    ("bias",),
)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"exported_{path.stem}", path)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def read(path: Path) -> Any:
    yaml = YAML()
    return yaml.load(path.read_text("utf-8"))


def test_a_question_is_asked_once_for_each_group_that_has_a_target(tmp_path: Path) -> None:
    done = export_suite(suite([*ITEMS, UNSCORED]), "lm-eval", tmp_path)
    choice, shares = (rows(tmp_path / f"table_drinks_{kind}.jsonl") for kind in ("choice", "shares"))
    assert (done.questions, done.left_out) == (6, 1)
    assert [(row["id"], row["group"], row["target"]) for row in choice] == [
        ("right", "", 0), ("by.TUR", "TUR", 0), ("by.german", "german", 1),
    ]  # fmt: skip
    assert choice[0]["prompt"] == "What is made of leaves?\n\nA. tea\nB. coffee\n\nAnswer:"
    assert "Türkiye" in choice[1]["prompt"]
    assert "German" in choice[2]["prompt"]
    assert [(row["shares"], row["target"]) for row in shares] == [([0.75, 0.0, 0.25], 0), ([0.0, 1.0], 1)]
    assert "Brazil" not in shares[1]["prompt"]  # the item is about it already


def test_tasks_of_lm_eval_name_their_files_their_scores_and_the_card(tmp_path: Path) -> None:
    paths = export_suite(suite(), "lm-eval", tmp_path).paths
    together = read(tmp_path / "table_drinks.yaml")
    assert together["group"] == "table_drinks"
    utils = module(tmp_path / "utils.py")
    for name in together["task"]:
        task = read(tmp_path / f"{name}.yaml")
        assert task["task"] == name
        assert task["metadata"]["version"] == 1
        assert dict(task["metadata"]["card"]) == CARD
        assert task["metadata"]["sha256"] == suite().digest != GAPS.digest
        assert (tmp_path / task["dataset_kwargs"]["docs"]).exists()
        kind = name.removeprefix("table_drinks_")
        for key, function in (("custom_dataset", "load"), ("process_results", kind)):
            assert (task[key].tag.value, task[key].value) == ("!function", f"utils.{function}")
            assert callable(getattr(utils, function))
        doc = rows(tmp_path / f"{name}.jsonl")[0]
        results = ["With milk."] if kind == "text" else [(-1.0, False)] * len(doc["choices"])
        scores = getattr(utils, kind)(doc, results)
        assert list(scores) == [metric["metric"] for metric in task["metric_list"]] == list(METRICS[kind])
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir() if path.is_file()}


def test_scores_of_shares_are_one_for_what_people_said_and_beside_what_chance_gets(tmp_path: Path) -> None:
    export_suite(suite(), "lm-eval", tmp_path)
    shares = module(tmp_path / "utils.py").shares
    doc = {"shares": [0.75, 0.25, 0.0]}
    as_people = [(math.log(0.75), True), (math.log(0.25), False), (-1e9, False)]
    told = shares(doc, as_people)
    assert told["js_similarity"] == pytest.approx(1, abs=1e-9)
    assert (told["top_agreement"], told["people_agreeing"]) == (1.0, 0.75)
    opposite = shares(doc, [(-1e9, False), (-1e9, False), (0.0, True)])
    assert opposite["js_similarity"] == pytest.approx(0, abs=1e-9)
    assert (opposite["top_agreement"], opposite["people_agreeing"]) == (0.0, 0.0)
    even = shares(doc, [(-2.0, False)] * 3)
    assert even["js_similarity"] == pytest.approx(even["uniform_js_similarity"])
    assert 0 < even["uniform_js_similarity"] < 1
    assert told["uniform_people_agreeing"] == pytest.approx(1 / 3)


def test_gaps_become_whole_sentences_of_which_the_likelier_counts(tmp_path: Path) -> None:
    export_suite(GAPS, "lm-eval", tmp_path)
    (doc,) = rows(tmp_path / "gaps.jsonl")
    assert doc["choices"] == ["I drink tea at dawn.", "I drink coffee at dawn."]
    pairs = module(tmp_path / "utils.py").pairs
    assert [pairs(doc, [(near, True), (-5.0, True)])["near_preferred"] for near in (-4.0, -5.0, -6.0)] == [
        1.0,
        0.5,
        0.0,
    ]


def test_a_task_file_of_inspect_is_python_with_a_task_for_each_kind(tmp_path: Path) -> None:
    export_suite(suite(), "inspect", tmp_path)
    text = (tmp_path / "table_drinks.py").read_text("utf-8")
    compile(text, "table_drinks.py", "exec")
    assert [text.count(f"def table_drinks_{kind}(") for kind in ("choice", "shares", "text", "pairs")] == [1, 1, 1, 0]
    samples = rows(tmp_path / "table_drinks_shares.jsonl")
    assert [sample["target"] for sample in samples] == ["A", "B"]
    assert samples[0]["metadata"]["shares"] == [0.75, 0.0, 0.25]
    assert rows(tmp_path / "table_drinks_text.jsonl")[0]["target"] == "With water."


@pytest.mark.parametrize("tool", TOOLS)
def test_what_a_tool_does_not_score_and_what_stays_behind_is_said(
    tool: Tool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    support = find_suite("support")
    done = export_suite(support, tool, tmp_path)
    unscored, behind = done.notes
    assert f"{len(support.items)} of {len(support.items)} questions in free text have no reference" in unscored
    arms = [arm.name for arm in support.conditions.arms if arm.prompt]
    assert arms
    assert f"the arms {', '.join(arms)}" in behind
    readme = (tmp_path / "support.README.md").read_text("utf-8")
    told = " ".join(capsys.readouterr().err.split())
    for note in done.notes:
        assert note in readme
        assert note in told
    assert support.card.not_asked.strip() in readme
    assert export_suite(suite(), tool, tmp_path).notes == ()  # its text has a reference


@pytest.mark.parametrize("tool", TOOLS)
def test_a_suite_that_other_tools_cannot_score_is_refused(tool: Tool, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has nothing to score"):
        export_suite(suite([UNSCORED]), tool, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("tool", TOOLS)
def test_two_suites_lie_in_one_folder_and_nothing_is_overwritten(tool: Tool, tmp_path: Path) -> None:
    first = export_suite(suite(), tool, tmp_path).paths
    export_suite(GAPS, tool, tmp_path)
    before = {path: path.read_bytes() for path in first}
    with pytest.raises(UsageError, match="is there already"):
        export_suite(suite(), tool, tmp_path)
    assert {path: path.read_bytes() for path in first} == before


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a tool: no network, and tiktoken's tables where it looks for them."""
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")  # given back afterwards, though the program sets it
    offer_tables()
    return os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "INSPECT_LOG_DIR": "logs"}


def program(name: str, package: str) -> str:
    pytest.importorskip(package)
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    assert found, f"{package} is installed without its program {name}"
    return found


@pytest.mark.slow
def test_lm_eval_runs_the_tasks(tmp_path: Path, environment: dict[str, str]) -> None:
    command = program("lm_eval", "lm_eval")
    export_suite(suite(), "lm-eval", tmp_path)
    export_suite(GAPS, "lm-eval", tmp_path)
    done = subprocess.run(
        [command, "--model", "dummy", "--tasks", "table_drinks,gaps", "--include_path", str(tmp_path),
         "--output_path", str(tmp_path / "results.json")],
        env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = tmp_path.glob("results*.json")
    results = json.loads(path.read_text("utf-8"))["results"]
    for kind, metrics in METRICS.items():
        name = "gaps" if kind == "pairs" else f"table_drinks_{kind}"
        for metric in metrics:
            assert 0 <= results[name][f"{metric},none"] <= 1
    assert results["table_drinks_choice"]["uniform_acc,none"] == 0.5


@pytest.mark.slow
def test_inspect_runs_the_tasks(tmp_path: Path, environment: dict[str, str]) -> None:
    command = program("inspect", "inspect_ai")
    from inspect_ai.log import list_eval_logs, read_eval_log

    export_suite(suite(), "inspect", tmp_path)
    export_suite(GAPS, "inspect", tmp_path)
    done = subprocess.run(
        [command, "eval", "table_drinks.py", "gaps.py", "--model", "mockllm/model", "--display", "plain"],
        env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    logs = [read_eval_log(log) for log in list_eval_logs(str(tmp_path / "logs"))]
    assert {log.eval.task: log.status for log in logs} == dict.fromkeys(
        ("table_drinks_choice", "table_drinks_shares", "table_drinks_text", "gaps"), "success"
    )
    assert sum(len(log.samples or []) for log in logs) == 7
