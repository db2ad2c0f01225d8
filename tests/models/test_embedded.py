"""The whole way on the real embedded model, through the command line."""

import json
import sqlite3
from pathlib import Path

import pytest

from culturepark.cli.app import run
from culturepark.models import weights

SCENARIO = """\
name: tiny
title: A short talk
setting: cross-cultural
cultures: [turkish]
protocol: self-guidance
seeds:
  - survey: wvs7/Q33
max_turns: 8
samples: [survey, open, norm]
"""


@pytest.mark.embedded
@pytest.mark.torture
def test_a_run_on_the_embedded_model_ends_in_samples_that_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert weights.have(weights.SMOLLM2), "the weights are missing: make weights"
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(SCENARIO)
    assert run(["simulate", "tiny.yaml", "--run-id", "tiny"]) == 0
    assert run(["export", "tiny", "--format", "trl", "--out", "out"]) == 0
    capsys.readouterr()

    db = sqlite3.connect("runs/culturepark.db")
    turns = {row[0]: row[1:] for row in db.execute("SELECT id, role, origin, text, call_id FROM turn")}
    assert {role for role, *_ in turns.values()} == {"main", "delegate", "moderator"}
    answers = dict(db.execute("SELECT id, response FROM call WHERE response IS NOT NULL"))
    for role, origin, text, call_id in turns.values():
        if origin == "model":
            assert text in json.loads(answers[call_id])["choices"][0]["message"]["content"]
        else:
            assert role == "moderator"
    statements = db.execute("SELECT turn_id, quote, quote_start, quote_end FROM statement").fetchall()
    assert statements
    for turn_id, quote, start, end in statements:
        assert turns[turn_id][2][start:end] == quote

    rows = [json.loads(line) for line in Path("out/all.jsonl").read_text("utf-8").splitlines()]
    assert rows
    for number, row in enumerate(rows, start=1):
        assert run(["trace", f"out/all.jsonl:{number}", "--json"]) == 0
        trace = json.loads(capsys.readouterr().out)
        assert trace["sample"]["id"] == row["id"]
        assert trace["sample"]["messages"] == row["messages"]
        assert trace["statement"]["quote"] in trace["turn"]["text"]
        assert trace["calls"]["turn"]["endpoint"] == "local:embedded"
        assert trace["persona"]["key"] == trace["turn"]["speaker"]
