"""The embedded model is trained for real, and asked. Slow: `make slow`."""

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import away, cli  # noqa: F401 - used by every test


@pytest.mark.slow
@pytest.mark.embedded
def test_the_embedded_model_learns_rows_and_answers_with_its_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CULTUREPARK_CACHE")  # the user's own, where the weights are
    assert cli("export", "demo", "--format", "trl", "--out", "rows").code == 0
    trained = cli("train", "rows", "--epochs", "8", "--batch", "4", "--rate", "5e-4", "--out", "adapter", "--json")
    assert trained.code == 0, trained.err
    figures = json.loads(trained.out)
    assert figures["last_loss"] < figures["first_loss"] - 0.5
    traced = cli("trace", "adapter", "--json").json
    assert len(traced["rows"]) == figures["rows"]
    assert cli("trace", traced["rows"][0]["row_id"]).code == 0
    asked = ("evaluate", "survey", "--culture", "turkish", "--framing", "persona", "--items", "4", "--json")
    bare = cli(*asked, "--run-id", "bare")
    taught = cli(*asked, "--run-id", "taught", "--model", "embedded+adapter")
    assert (bare.code, taught.code) == (0, 0), bare.err + taught.err
    assert bare.json["figures"] != taught.json["figures"]
    assert Path("adapter/README.md").read_text("utf-8").count("HuggingFaceTB/SmolLM2-135M-Instruct") >= 1
