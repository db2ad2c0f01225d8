"""Logs of Inspect. The real package reads them too, where it is installed: `make slow`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from culturepark.store import recorded
from culturepark.store.store import Store
from tests.cli.test_cli import away, cli  # noqa: F401 - used by every test


@pytest.fixture
def log() -> Path:
    done = cli("export", "demo", "--format", "inspect", "--out", "logs")
    assert done.code == 0
    path, manifest = map(Path, done.out.split())
    assert json.loads(manifest.read_text("utf-8"))["files"][0]["name"] == path.name
    return path


def parts(path: Path) -> dict[str, Any]:
    with ZipFile(path) as archive:
        return {name: json.loads(archive.read(name)) for name in archive.namelist()}


def test_a_log_has_every_turn_with_its_speaker_and_every_statement_with_its_provenance(log: Path) -> None:
    found, store = parts(log), Store(f"sqlite:///{recorded.unpacked()}")
    dialogues = store.dialogues("demo")
    assert found["header.json"]["eval"]["dataset"]["sample_ids"] == [dialogue.id for dialogue in dialogues]
    used = 0
    for dialogue in dialogues:
        sample = found[f"samples/{dialogue.id}_epoch_1.json"]
        people = {person["key"]: person for person in sample["metadata"]["people"]}
        for turn, message in zip(store.turns(dialogue.id), sample["messages"], strict=True):
            mine = turn.speaker in people
            called = people[turn.speaker]["called"] if mine else "Moderator"
            assert message["content"] == f"{called}: {turn.text}"
            assert (message["role"], message["id"]) == (
                "assistant" if mine else "user",
                f"{dialogue.id}.t{turn.position}",
            )
        stored = store.statements(store.run("demo"), dialogue.id)
        told = sample["metadata"]["statements"]
        assert [(one["id"], one["provenance"]) for one in told] == [(row.id, row.provenance) for row in stored]
        used += sum(usage["total_tokens"] for usage in sample["model_usage"].values())
    assert used == sum(usage["total_tokens"] for usage in found["header.json"]["stats"]["model_usage"].values()) > 0


def test_logs_take_the_place_of_logs_and_equal_stores_give_equal_bytes(log: Path) -> None:
    before = log.read_bytes()
    assert cli("export", "demo", "--format", "trl", "--out", "logs").code == 0
    assert not log.exists()
    assert cli("export", "demo", "--format", "inspect", "--out", "logs").code == 0
    assert log.read_bytes() == before
    assert sorted(path.name for path in Path("logs").iterdir()) == [log.name, "manifest.json"]


def test_what_logs_cannot_do_is_refused() -> None:
    done = cli("export", "demo", "--format", "inspect", "--out", "logs", "--split", 0.9)
    assert done.code == 2
    assert "takes no option but --out" in done.err


@pytest.mark.slow
def test_inspect_lists_and_reads_a_log(log: Path) -> None:
    logs = pytest.importorskip("inspect_ai.log")
    (listed,) = logs.list_eval_logs(str(log.parent))
    read = logs.read_eval_log(listed)
    assert read.status == "success"
    assert [sample.id for sample in read.samples] == ["demo.d1", "demo.d2"]
    written = parts(log)["samples/demo.d1_epoch_1.json"]
    assert [message.text for message in read.samples[0].messages] == [one["content"] for one in written["messages"]]
    assert read.samples[0].metadata == written["metadata"]
    summaries = logs.read_eval_log_sample_summaries(listed)
    assert [one.message_count for one in summaries] == [len(sample.messages) for sample in read.samples]
