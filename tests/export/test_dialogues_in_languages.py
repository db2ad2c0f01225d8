"""Whole dialogues across languages: each person's row is the talk as that person had it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from culturepark.dialogue.phrasing import heard
from culturepark.domain import Turn
from culturepark.languages import load_language
from culturepark.store import recorded
from culturepark.store.store import Store
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli

pytestmark = pytest.mark.usefixtures("away")
RUN = "demo-ko-de"
"""A recorded talk of a Korean and a German with an interpreter."""


def turns() -> list[Turn]:
    store = Store(f"sqlite:///{recorded.unpacked('demo-')}", must_exist=True)
    try:
        return store.turns(f"{RUN}.d1")
    finally:
        store.close()


def test_everybody_speaks_and_hears_the_own_language_in_the_own_row() -> None:
    done = cli("export", RUN, "--format", "trl", "--dialogues", "--out", "out")
    assert done.code == 0, done.err
    rows = [json.loads(line)["messages"] for line in Path("out/all.jsonl").read_text("utf-8").splitlines()]
    own = {turn.speaker: str(turn.language) for turn in turns() if turn.is_own}
    assert sorted(own.values()) == ["de", "ko"]
    for messages in rows:
        said = "\n".join(message["content"] for message in messages if message["role"] == "assistant")
        told = "\n".join(message["content"] for message in messages if message["role"] == "user")
        (speaker,) = {turn.speaker for turn in turns() if turn.is_own and turn.text in said}
        code, last = own[speaker], max(turn.position for turn in turns() if turn.speaker == speaker)
        for turn in turns():
            if turn.speaker == speaker:
                assert turn.text in said or turn.position == 1
                continue
            if turn.language != code:
                assert turn.text not in told
            if 1 < turn.position < last:
                assert heard(turn.heard_in(code)) in told
        assert f"{load_language(code).frame('moderator').text}: " in told
    assert len(rows) == 2


def test_the_card_names_both_languages() -> None:
    assert cli("export", RUN, "--format", "trl", "--dialogues", "--out", "out").code == 0
    manifest = json.loads(Path("out/manifest.json").read_text("utf-8"))
    assert (manifest["runs"][0]["language"], sorted(manifest["runs"][0]["languages"])) == ("mul", ["de", "ko"])
    assert json.loads(Path("out/croissant.json").read_text("utf-8"))["inLanguage"] == ["de", "ko"]
