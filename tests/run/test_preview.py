"""What `simulate --preview` holds and shows, and that the run goes on from there to the same end."""

from __future__ import annotations

from pathlib import Path

import pytest

from culturepark.dialogue.casting import plan
from culturepark.run.preview import KeptRow, cultures_of, first_held, most_varied
from tests.cli.test_cli import SIMULATE, away, cli, counts, dump, place_store, rows_of  # noqa: F401 - used by every test
from tests.support.fakes import shipped


def test_the_first_dialogues_bring_the_most_cultures_and_then_other_questions() -> None:
    castings = plan(shipped("everyday-norms"), 1).castings
    chosen = first_held(castings, 4)
    assert len({casting.number for casting in chosen}) == 4
    first, second = chosen[:2]
    assert len(cultures_of(first)) == max(len(cultures_of(casting)) for casting in castings)
    assert cultures_of(second) - cultures_of(first)
    assert len({casting.seed.key for casting in chosen}) > 1
    assert first_held(castings, 2, {castings[-1].number})[0] == castings[-1]
    assert len(first_held(castings, len(castings) + 5)) == len(castings)


def test_the_rows_that_are_shown_share_as_little_as_they_can() -> None:
    alike = [KeptRow(f"a{n}", "a", "open", "german", "yvonne", "card") for n in range(4)]
    rows = [
        *alike,
        KeptRow("b", "b", "open", "turkish", "elif", "card"),
        KeptRow("c", "c", "norm", "german", "x", "model"),
    ]
    assert [row.id for row in most_varied(rows, 3)] == ["a0", "c", "b"]
    assert len(most_varied(rows, 99)) == len(rows)


def test_a_run_goes_on_from_its_preview_to_the_end_that_it_has_without_one() -> None:
    done = cli(*SIMULATE, "--preview", 2, "--page", "page.html", "--json")
    shown = done.json
    assert done.code == 0
    assert len(shown["rows"]) == shown["wanted"] == 2
    held = shown["spent"]["dialogues"]
    assert shown["stop_reason"] == f"preview: {held} of 4 dialogues held"
    assert shown["estimate"]["dialogues"] == 4 == held + shown["rest"]["dialogues"]
    assert shown["rest"]["past_runs"] == ["a"]
    assert shown["spent"]["calls"] == counts()["call"]
    for row in shown["rows"]:
        assert row["statement"]["quote"] in row["turn"]["text"]
        assert [message["role"] for message in row["sample"]["messages"]] == ["system", "user", "assistant"]
    assert Path("page.html").read_text("utf-8").startswith("<!doctype html>\n<!-- a culturepark report -->")
    assert "go on with the rest: culturepark resume a" in done.err

    calls = [row["started_at"] for row in rows_of("call")]
    again = cli(*SIMULATE, "--preview", 2)
    assert [row["started_at"] for row in rows_of("call")] == calls
    for row in shown["rows"]:
        assert all(message["content"] in flat(again.out) for message in map(flatten, row["sample"]["messages"]))

    resumed = cli("resume", "a", "--json").json
    place_store("whole.db")
    assert dump() == dump("whole.db")
    low, high = shown["rest"]["calls"]
    assert low <= resumed["calls"]["total"] - shown["spent"]["calls"] <= high


def flat(text: str) -> str:
    return " ".join(text.split())


def flatten(message: dict[str, str]) -> dict[str, str]:
    return {"content": flat(message["content"])}


def test_a_preview_without_rows_stops_at_its_bound_and_says_what_became_of_what_was_said() -> None:
    text = Path("tiny.yaml").read_text("utf-8")
    Path("tiny.yaml").write_text(text + "samples: [situation]\n", "utf-8")  # the script tells of none
    done = cli(*SIMULATE, "--preview", 1)
    assert done.code == 0
    assert "0 rows in place of 1" in done.out
    assert "statements" in done.out
    assert "a preview holds as many dialogues as rows are wanted" in done.err
    assert [row["status"] for row in rows_of("dialogue")].count("done") == 1


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (("--preview", 5, "--dry-run"), "leave out --dry-run"),
        (("--preview", 5, "--until", "verify"), "leave out --dry-run and --until"),
        (("--page", "x.html"), "--page goes with --preview"),
        (("--preview", 5, "--page", "tiny.yaml"), "is no report of culturepark"),
    ],
)
def test_a_preview_that_cannot_be_shown_asks_nothing(more: tuple[object, ...], told: str) -> None:
    done = cli(*SIMULATE, *more)
    assert done.code == 2
    assert told in done.err
    assert not Path("runs/culturepark.db").exists() or not counts()["call"]
