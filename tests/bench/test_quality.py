"""The bench for quality: its measures, and what it promises to whoever calls it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.quality.__main__ import empty
from bench.quality.measures import Judged, deduplication, verification
from bench.quality.rows import read_all
from culturepark.errors import UsageError
from tests.support.endpoint import Endpoint

ROOT = Path(__file__).parents[2]
DATA = Path(__file__).parents[1] / "data"


def rows(*relations: str) -> list[dict[str, object]]:
    return [
        {"id": str(i), "relation": relation, "hard": ["negation"] if i % 2 else ["hedge"]}
        for i, relation in enumerate(relations)
    ]


def found(*said: tuple[str, float | None, bool]) -> dict[str, Judged]:
    return {str(i): Judged(*one) for i, one in enumerate(said)}


def test_scores_of_a_perfect_verifier() -> None:
    gold = rows("entail", "contradict", "irrelevant")
    score = verification(gold, found(("entail", 1.0, True), ("contradict", 1.0, False), ("irrelevant", 1.0, False)))
    assert (score["accuracy"], score["macro_f1"], score["kept_precision"]) == (1.0, 1.0, 1.0)
    assert (score["kept_share"], score["calibration_error"]) == (0.3333, 0.0)


def test_scores_by_hand() -> None:
    gold = rows("entail", "entail", "contradict", "irrelevant")
    said = found(("entail", 0.9, True), ("contradict", 0.6, False), ("unparsable", None, False), ("entail", 0.7, True))
    score = verification(gold, said)
    assert score["accuracy"] == 0.25
    # entail: 1 hit, 2 said, 2 gold; contradict: 0 hits; irrelevant: 0 hits
    assert score["f1"] == {"entail": 0.5, "contradict": 0.0, "irrelevant": 0.0}
    assert score["macro_f1"] == pytest.approx(0.5 / 3, abs=1e-4)
    assert (score["kept_precision"], score["kept_share"]) == (0.5, 0.5)
    # three rows with a confidence: |1 - .9| + |0 - .6| + |0 - .7| over three bins
    assert score["calibration_error"] == pytest.approx(1.4 / 3, abs=1e-4)
    assert score["by_tag"] == {"hedge": {"rows": 2, "accuracy": 0.5}, "negation": {"rows": 2, "accuracy": 0.0}}


def test_where_nothing_is_kept_its_precision_is_not_known() -> None:
    score = verification(rows("entail"), found(("irrelevant", None, False)))
    assert (score["kept_precision"], score["kept_share"], score["calibration_error"]) == (None, 0.0, None)


CLUSTERED = [
    {"id": "a", "cluster": "1", "note": "anchor"},
    {"id": "b", "cluster": "1", "note": "paraphrase"},
    {"id": "c", "cluster": "1", "note": "format"},
    {"id": "d", "cluster": "2", "note": "polarity-flip"},
    {"id": "e", "cluster": "3", "note": "scope"},
]


@pytest.mark.parametrize(
    ("clusters", "precision", "recall", "lost", "opposites"),
    [
        ({"a": "x", "b": "x", "c": "x", "d": "y", "e": "z"}, 1.0, 1.0, 0, 0),
        ({"a": "v", "b": "w", "c": "x", "d": "y", "e": "z"}, None, 0.0, 0, 0),
        ({"a": "x", "b": "x", "c": "y", "d": "x", "e": "z"}, 1 / 3, 1 / 3, 1, 2),
        ({"a": "x", "b": "x", "c": "x", "d": "y", "e": "x"}, 0.5, 1.0, 1, 0),
        ({"a": "x", "b": "x", "c": "x", "d": "x", "e": "x"}, 0.3, 1.0, 2, 4),
    ],
)
def test_scores_of_deduplication_by_hand(
    clusters: dict[str, str], precision: float | None, recall: float, lost: int, opposites: int
) -> None:
    score = deduplication(CLUSTERED, clusters)
    assert score["precision"] == (None if precision is None else pytest.approx(precision, abs=1e-4))
    assert score["recall"] == pytest.approx(recall, abs=1e-4)
    assert (score["distinct_lost"], score["opposites_merged"]) == (lost, opposites)


def quality(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.quality", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.embedded
@pytest.mark.torture
def test_one_document_holds_every_stage_beside_the_reference_and_the_baseline(tmp_path: Path) -> None:
    with Endpoint() as endpoint:
        done = quality("--model", f"openai:m@{endpoint.url}", "--keep", str(tmp_path / "kept.jsonl"))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    for part in (document, document["reference"], document["baseline"]):
        assert {"macro_f1", "kept_precision", "kept_share"} <= part["verify"].keys()
        assert {"precision", "recall", "quote_exact", "wrongly_attributed"} <= part["extract"].keys()
        assert {"precision", "recall", "distinct_lost", "opposites_merged"} <= part["dedup"].keys()


def test_a_folder_without_rows_is_an_error_of_use(tmp_path: Path) -> None:
    done = quality("--model", "scripted", "--data", str(tmp_path))
    assert done.returncode == 2
    assert "holds no rows" in done.stderr
    assert done.stdout == ""


VERIFY = {"id": "a", "culture": "german", "question": "Tea?", "stance": "agree", "statement": "Tea is good."}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "verify_dev.jsonl:1: no JSON"),
        ("[1, 2]", "verify_dev.jsonl:1: a JSON object is wanted"),
        (json.dumps(VERIFY), "verify_dev.jsonl:1: no 'relation'; rows without gold can be predicted: PREDICT=folder"),
        (
            json.dumps(VERIFY | {"relation": "maybe", "hard": []}),
            "'relation' must be one of entail",
        ),
        (json.dumps(VERIFY | {"relation": "entail", "hard": [], "stance": 7}), "'stance' must be a str"),
        ("\n".join([json.dumps(VERIFY | {"relation": "entail", "hard": []})] * 2), "verify_dev.jsonl:2: the id 'a'"),
        ("", "holds no rows"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_its_line(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "verify_dev.jsonl").write_text(text, "utf-8")
    with pytest.raises(UsageError, match=re.escape(said)):
        read_all(tmp_path, gold=True)


def test_rows_without_gold_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "verify_dev.jsonl").write_text(json.dumps(VERIFY) + "\n", "utf-8-sig")
    assert read_all(tmp_path, gold=False) == {"verify": [VERIFY]}


def test_predictions_of_another_time_do_not_stay(tmp_path: Path) -> None:
    (tmp_path / "dedup.jsonl").write_text("old", "utf-8")
    (tmp_path / "mine.txt").write_text("mine", "utf-8")
    empty(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(UsageError, match="a folder for predictions is wanted"):
        empty(tmp_path / "mine.txt")


def test_what_is_not_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        read_all(tmp_path / "nothing", gold=True)
