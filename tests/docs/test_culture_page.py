"""The page that adds a culture is followed word for word, in an empty folder."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from culturepark.cli.app import run

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "culture.md"
STEP = re.compile(r"^```sh\n(.*?)^```|Put this into `([\w.-]+)`:\n\n```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_works_as_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = []
    for found in STEP.finditer(PAGE.read_text("utf-8")):
        if found[2]:
            assert Path(found[2]).exists(), "the page fills in a file that a command has written"
            Path(found[2]).write_text(found[3], "utf-8")
        for line in (found[1] or "").splitlines():
            commands.append(line)
            if line.startswith("mkdir"):
                subprocess.run(shlex.split(line), check=True)
                continue
            words, _, target = line.partition(" > ")
            capsysbinary.readouterr()
            assert run(shlex.split(words)[1:]) == 0, line
            if target:
                Path(target).write_bytes(capsysbinary.readouterr().out)
    assert len(commands) == 10
    assert json.loads(Path(".culturepark/culture.json").read_text("utf-8"))["title"] == "A culture of culturepark"
    capsysbinary.readouterr()
    assert run(["stats", "shoes", "--json"]) == 0
    stats = json.loads(capsysbinary.readouterr().out)
    assert stats["samples"]["kept"] > 0
    assert {cell["country"] for cell in stats["stances"]} == {"JPN"}
