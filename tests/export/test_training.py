"""TRL trains on what is exported. Slow, and needs the extra `train`: `make slow`."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli import away  # noqa: F401 - used by every test
from tests.export.test_export import export, lines
from tests.export.test_preference import asked

ROOT = Path(__file__).parents[2]

FILES = {
    "a file of single samples": ("sft", "trl", ()),
    "a file of whole dialogues": ("sft", "trl", ("--dialogues",)),
    "a file of OpenAI's form": ("sft", "openai", ()),
    "a file of pairs": ("dpo", "preference", ()),
}


def train(kind: str, path: Path, cache: Path) -> Any:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(cache), "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-m", "tests.support.training", kind, str(path.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **offline})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "form", "more"), FILES.values(), ids=FILES.keys())
def test_two_steps_on_an_export_change_the_model(kind: str, form: str, more: tuple[str, ...], tmp_path: Path) -> None:
    Path("runs").mkdir()
    Path("runs/culturepark.db").write_bytes(asked())
    assert export(*more, form=form, runs=("a", "b")).code == 0
    found = train(kind, Path("out/all.jsonl"), tmp_path / "hub")
    print(json.dumps(found))
    assert found["rows"] == len(lines("out/all.jsonl"))
    assert found["steps"] == len(found["losses"]) == 2
    assert all(math.isfinite(loss) and loss > 0 for loss in found["losses"])
    assert found["changed"] == found["parameters"]
    if kind == "dpo":  # a model that has not been trained yet prefers nothing: -log(1/2)
        assert found["losses"][0] == pytest.approx(math.log(2), abs=1e-3)
