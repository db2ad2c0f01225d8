"""The recorded run that comes with the program."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.errors import UsageError
from culturepark.store import recorded
from culturepark.store.database import exists
from culturepark.store.store import Store
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli, place_store, rows_of

pytestmark = pytest.mark.usefixtures("away")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CULTUREPARK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_new_user_sees_a_whole_dialogue_of_a_large_model_at_once() -> None:
    shown = cli("replay", "demo", "--plain")
    assert shown.code == 0
    assert "no evidence of what real people think" in shown.out
    assert shown.out.count("Closing. ") >= 6
    assert not Path("runs").exists()


def test_every_reading_command_knows_the_recorded_run(tmp_path: Path) -> None:
    assert cli("stats", "demo", "--json").json["status"] == "done"
    assert cli("report", "demo", "--out", "demo.html").code == 0
    assert cli("export", "demo", "--format", "trl", "--out", "rows").code == 0
    assert cli("trace", "rows/all.jsonl:1", "--json").code == 0
    assert cli("trace", "demo.d1.t2").code == 0
    assert cli("replay", "demo.d2", "--plain").out.count("Dialogue 2") >= 1


def test_its_answers_are_whole_and_every_speech_is_a_piece_of_one() -> None:
    with closing(sqlite3.connect(recorded.unpacked())) as db:
        spoken = db.execute("SELECT text, response, mark, role FROM turn JOIN call ON call.id = call_id").fetchall()
    assert len(spoken) > 20
    for text, response, mark, role in spoken:
        assert text in json.loads(response)["choices"][0]["message"]["content"]
        assert role == "moderator" or json.loads(mark)


def test_no_question_between_people_is_left_hanging_in_it() -> None:
    store = Store(recorded.store_with("sqlite:///none.db", "demo"), must_exist=True)
    try:
        asked = 0
        for dialogue in store.dialogues("demo"):
            turns = store.turns(dialogue.id)
            for turn in turns:
                if turn.addressee:
                    asked += turn.is_own
                    assert turns[turn.position].speaker == turn.addressee
        assert asked >= 8
    finally:
        store.close()


def test_a_run_of_that_name_in_ones_own_store_comes_first() -> None:
    assert cli("simulate", "tiny.yaml", "--model", "scripted", "--run-id", "demo", "--until", "dialogue").code == 0
    assert "tiny" in cli("stats", "demo").out
    assert recorded.store_with("sqlite:///runs/culturepark.db", "demo") == "sqlite:///runs/culturepark.db"


def test_it_is_unpacked_once_and_where_nothing_can_be_cached_for_the_moment(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = recorded.unpacked()
    assert first == recorded.unpacked()
    assert cache in first.parents
    assert recorded.is_recorded(f"sqlite:///{first}")
    cache.joinpath("file").touch()
    monkeypatch.setenv("CULTUREPARK_CACHE", str(cache / "file"))
    elsewhere = recorded.unpacked()
    assert cache not in elsewhere.parents
    assert exists(f"sqlite:///{elsewhere}")


def test_other_runs_stay_where_they_are() -> None:
    for names in ((), ("last",), (None,), ("demo", "mine"), ("demonstration",)):
        assert recorded.store_with("sqlite:///runs/x.db", *names) == "sqlite:///runs/x.db"
    with pytest.raises(UsageError, match="no such run"):
        Store(recorded.store_with("sqlite:///none.db", "demo"), must_exist=True).run("demos")


def test_it_goes_with_ones_own_runs_once_it_is_merged() -> None:
    place_store()
    for command in (("select", "demo", "a"), ("export", "demo", "a", "--format", "trl", "--out", "rows")):
        assert "`culturepark merge demo` copies it into yours" in cli(*command).err
    before = cli("stats", "demo", "--json").json["representation"]["run"]
    assert cli("merge", "demo").code == 0
    assert cli("stats", "demo", "--json").json["representation"]["run"] == before
    assert cli("select", "demo", "a", "--size", 3).code == 0
    assert "same" in cli("merge", "demo").out


# --- in other languages --------------------------------------------------------------------------------

TONGUES = {
    **{f"demo-{code}": code for code in ("ar", "bn", "de", "es", "ko", "pt", "tr", "zh")},
    "demo-ko-de": "mul",
}
"""Run -> its language."""


def words_of(row: dict[str, Any]) -> list[str]:
    return [message["content"] for message in row["messages"]]


@pytest.mark.parametrize("run_id", TONGUES)
def test_each_language_has_a_recorded_run_with_rows_and_their_english(run_id: str) -> None:
    shown = cli("replay", run_id, "--plain")
    assert shown.code == 0, shown.err
    assert f"Dialogue 1 of run {run_id}" in shown.out
    assert "no evidence of what real people think" in shown.out
    assert cli("stats", run_id, "--json").json["status"] == "done"
    assert cli("export", run_id, "--format", "trl", "--language", "both", "--out", "rows").code == 0
    rows = [json.loads(line) for line in Path("rows/all.jsonl").read_text("utf-8").splitlines()]
    assert sum(row["id"].endswith("@en") for row in rows) >= 3
    spoken = json.loads(Path("rows/manifest.json").read_text("utf-8"))["runs"][0]
    assert spoken["language"] == TONGUES[run_id]
    # An answer to a survey may be an option alone.
    english = next(n for n, row in enumerate(rows, 1) if row["id"].endswith("@en") and words_of(row)[-1] > "A")
    traced = cli("trace", f"rows/all.jsonl:{english}", "--json").json
    assert traced["run"]["id"] == run_id
    assert any(traced["rendering"]["first_person"] in text for text in words_of(rows[english - 1]))
    assert not Path("runs").exists()


def test_across_languages_each_person_has_a_row_in_the_own_one() -> None:
    assert cli("export", "demo-ko-de", "--format", "trl", "--dialogues", "--out", "rows").code == 0
    rows = [json.loads(line) for line in Path("rows/all.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 2
    hangul = [sum("가" <= letter <= "힣" for letter in json.dumps(row, ensure_ascii=False)) for row in rows]
    assert min(hangul) < 20 < 200 < max(hangul)


def test_a_recorded_dialogue_and_the_languages_beside_it_are_merged_with_their_renderings() -> None:
    renderings = len(rows_of("statement_rendering", recorded.unpacked("demo-")))
    assert renderings > 20
    assert cli("merge", "demo-ko").code == 0
    assert [row["id"] for row in rows_of("run")] == ["demo-ko"]
    beside = rows_of("statement_rendering")
    assert beside
    assert all(row["statement_id"].startswith("demo-ko.") for row in beside)
    assert cli("export", "demo-ko", "--format", "trl", "--language", "en", "--out", "rows").code == 0
    assert cli("merge", "demo").code == 0
    assert cli("merge", "demo-tr").code == 0
    assert sorted(line.split("\t")[0] for line in cli("runs").out.splitlines()) == ["demo", "demo-ko", "demo-tr"]
    assert cli("select", "demo", "demo-ko", "--size", 3).code == 0


@pytest.mark.parametrize("has_store", [False, True])
@pytest.mark.parametrize(
    "command", [("replay", "demo-xx", "--plain"), ("stats", "demo-xx"), ("merge", "demo-xx"), ("trace", "demo-xx.d1")]
)
def test_a_language_that_was_not_recorded_is_told_with_those_that_were(
    command: tuple[str, ...], has_store: bool
) -> None:
    if has_store:
        place_store()
    done = cli(*command)
    assert done.code == 2
    if command[0] != "trace" or not has_store:
        assert "no such run: 'demo-xx'" in done.err
        assert "demo, demo-ar, demo-bn" in done.err
    assert "copies it into yours" not in done.err


def test_runs_of_two_recorded_stores_are_merged_before_they_go_together() -> None:
    place_store()
    done = cli("export", "demo-tr", "demo", "--format", "trl", "--out", "rows")
    assert done.code == 2
    assert "`demo-tr` is in a store of its own; `culturepark merge demo-tr` copies it into yours" in done.err
    assert cli("compare", "demo", "demo-ko").code == 0  # reads each where it is
