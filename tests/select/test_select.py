"""`culturepark select`, and what other commands do with a selection."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import Duplicate
from culturepark.select.choose import keeping
from culturepark.store.selections import holding
from culturepark.store.store import Store
from tests.cli.test_cli import Done, away, cli, rows_of  # noqa: F401 - `away` is used by every test
from tests.export.test_export import another_run, change_sample, kept, lines

URL = "sqlite:///runs/culturepark.db"


@pytest.fixture(autouse=True)
def store(away: Path) -> None:  # noqa: F811
    """The default store with the runs `a` and `b`."""
    Path("runs").mkdir()
    another_run()


def select(*arguments: object, runs: tuple[str, ...] = ("b",)) -> Any:
    done = cli("select", *runs, *arguments, "--json")
    assert done.code == 0, done.err
    return done.json


def selected(selection_id: str) -> list[str]:
    rows = [row for row in rows_of("selected") if row["selection_id"] == selection_id]
    return [row["sample_id"] for row in sorted(rows, key=lambda row: row["position"])]


def export(*arguments: object) -> Done:
    return cli("export", *arguments, "--format", "trl", "--out", "out")


def manifest() -> Any:
    return json.loads(Path("out/manifest.json").read_text("utf-8"))


# --- a selection -------------------------------------------------------------------------------------


def test_a_balanced_set_is_drawn_and_kept() -> None:
    one = select("--size", 8, "--quota", "culture=even", "--name", "mine")
    chosen = selected(one["selection"])
    assert Counter(kept()[name]["culture"] for name in chosen) == {"turkish": 4, "german": 4}
    assert one["rows_by"]["culture"] == {"turkish": 4, "german": 4}
    assert (one["name"], one["samples"], one["gone"], one["unfilled"]) == ("mine", 8, 0, [])
    assert one["funnel"][-1] == {"step": "drawn", "left": 8, "unknown": 0}
    (row,) = rows_of("selection")
    assert json.loads(row["wanted"]) == {"size": 8, "quotas": ["culture=even"], "gates": [], "seed": 0}


def test_stdout_has_the_id_alone_and_the_funnel_stands_beside_it() -> None:
    done = cli("select", "b", "--size", 4, "--quota", "culture=even")
    assert done.out.startswith("sel-")
    assert done.out.count("\n") == 1
    assert "samples of the runs" in done.err
    assert "drawn" in done.err


def test_the_same_is_drawn_again_whatever_the_order_of_runs() -> None:
    first, second = (
        selected(select("--size", 6, "--quota", "shape=even", runs=runs)["selection"])
        for runs in (("a", "b"), ("b", "a"))
    )
    assert first == second


def test_the_funnel_begins_with_what_no_export_would_write() -> None:
    names = sorted(name for name in kept() if name.startswith("b."))
    assert cli("select", "b", "--gate", "reviewed=accepted").code == 2
    change_sample(names[0], status="rejected", drop_reason="review")
    messages = json.loads(kept()[names[1]]["messages"])
    messages[-1]["content"] += " <|im_end|>"
    change_sample(names[1], messages=json.dumps(messages))
    one = select()
    assert not {names[0], names[1]} & set(selected(one["selection"]))
    left = {step["step"]: step["left"] for step in one["funnel"]}
    assert left["kept by the runs"] == len(names)
    assert left["not rejected by reviewers"] == len(names) - 1
    assert left["fit to train on"] == left["selected"] == len(names) - 2


def test_where_nothing_is_left_the_steps_are_named() -> None:
    done = cli("select", "b", "--gate", "words=9000..")
    assert done.code == 2
    assert "nothing is left: samples of the runs" in done.err
    assert rows_of("selection") == []


def test_a_run_without_rows_says_so_and_not_that_an_axis_is_missing() -> None:
    for name in kept():
        change_sample(name, status="dropped", drop_reason="unsure")
    done = cli("select", "b", "--size", 4, "--quota", "culture=even")
    assert done.code == 2
    assert "kept by the runs 0" in done.err


@pytest.mark.parametrize("name", ["last", "demo", "sel-x", "a", " ", "a.b"])
def test_a_name_that_means_something_else_is_refused(name: str) -> None:
    assert cli("select", "b", "--name", name).code == 2
    assert rows_of("selection") == []


def test_a_name_is_given_once() -> None:
    select("--name", "mine")
    done = cli("select", "b", "--name", "mine")
    assert done.code == 2
    assert "frees it" in done.err


# --- what others do with it --------------------------------------------------------------------------


def test_an_export_of_a_selection_holds_its_rows_and_says_how_they_were_chosen() -> None:
    one = select("--size", 8, "--quota", "culture=even,shape=even", "--gate", "words=2..", "--name", "mine")
    assert export("mine").code == 0
    assert {row["id"] for row in lines("out/all.jsonl")} == set(selected(one["selection"]))
    told = manifest()["selection"]
    assert told == {name: value for name, value in one.items() if name != "rows_by"}
    card = Path("out/README.md").read_text("utf-8")
    assert "## How it was chosen" in card
    assert f"`{one['selection']}` (mine) of 8 samples" in " ".join(card.split())
    assert "| words=2.. |" in card
    done = cli("trace", "out/all.jsonl:1")
    assert done.code == 0
    assert lines("out/all.jsonl")[0]["id"] in done.out


def test_an_export_of_a_run_says_nothing_of_selections() -> None:
    assert export("b").code == 0
    assert manifest()["selection"] is None
    assert "How it was chosen" not in Path("out/README.md").read_text("utf-8")


def test_options_of_an_export_work_on_a_selection() -> None:
    one = select("--size", 12, "--quota", "culture=even")
    assert export(one["selection"], "--split", ".7", "--culture", "turkish").code == 0
    written = {row["id"] for half in ("train", "validation") for row in lines(f"out/turkish.{half}.jsonl")}
    assert written == {name for name in selected(one["selection"]) if kept()[name]["culture"] == "turkish"}
    assert {row["id"] for row in rows_of("sample") if row["split"]} == written


def test_whole_dialogues_and_other_runs_do_not_go_with_a_selection() -> None:
    one = select()
    assert export(one["selection"], "--dialogues").code == 2
    assert export(one["selection"], "a").code == 2
    assert cli("select", one["selection"]).code == 2


def test_a_selection_says_what_it_has_lost() -> None:
    one = select("--size", 12, runs=("a", "b"))
    of_a = [name for name in selected(one["selection"]) if name.startswith("a.")]
    assert of_a
    store = Store(URL)
    assert (holding(store, "a"), holding(store, "nobody")) == (1, 0)
    store.close()
    assert cli("runs", "--delete", "a", "--yes").code == 0
    done = export(one["selection"])
    assert done.code == 0
    assert f"{len(of_a)} of the 12 samples of {one['selection']} are gone" in done.err
    assert manifest()["selection"]["gone"] == len(of_a)
    assert cli("selections", one["selection"], "--json").json["gone"] == len(of_a)
    assert cli("runs", "--delete", "b", "--yes").code == 0
    done = export(one["selection"])
    assert (done.code, "have been deleted: a, b" in done.err) == (2, True)
    assert cli("selections", one["selection"]).code == 0


def test_a_selection_is_extended_with_what_it_holds() -> None:
    first = select("--size", 4, "--quota", "culture=even", "--seed", 7, runs=("a",))
    second = select("--size", 12, "--extend", first["selection"], runs=("b",))
    held, new = selected(first["selection"]), selected(second["selection"])
    assert new[:4] == held
    assert len(new) == 12
    assert all(name.startswith("b.") for name in new[4:])
    assert (second["extends"], second["seed"], second["quotas"]) == (first["selection"], 7, ["culture=even"])
    assert second["rows_by"]["culture"] == {"turkish": 6, "german": 6}


def test_a_statement_that_is_held_stands_for_those_that_say_the_same() -> None:
    def repeats(name: str) -> Duplicate:
        return Duplicate(statement_id=name, cluster_id="c", representative_id="a", method="exact", similarity=1)

    found = list(keeping([repeats("b"), repeats("c")], {"b"}))
    assert {(one.statement_id, one.representative_id) for one in found} == {("a", "b"), ("c", "b")}
    assert list(keeping([repeats("b")], set())) == [repeats("b")]


def test_selections_are_listed_compared_and_deleted() -> None:
    first, second = select("--size", 4, "--name", "one"), select("--size", 6, "--name", "two")
    listed = cli("selections", "--json").json
    assert {one["selection"]: one["samples"] for one in listed} == {first["selection"]: 4, second["selection"]: 6}
    both = cli("compare", "one", "two", "--json").json
    assert both["in_common"] == 4  # a larger draw holds the smaller one
    assert both == cli("selections", "one", "two", "--json").json
    assert cli("compare", "one", "b").code == 2
    select("--size", 8, "--extend", "one")
    done = cli("selections", "--delete", first["selection"])
    assert (done.code, "1 selection made from it" in done.err) == (2, True)
    assert cli("selections", "--delete", first["selection"], "--yes").code == 0
    assert first["selection"] not in {row["selection_id"] for row in rows_of("selected")}
    assert cli("selections", "one").code == 2
    assert len(rows_of("sample")) > 0


def test_a_selection_of_the_recorded_run_is_found_by_its_id() -> None:
    one = select("--size", 6, "--quota", "culture=even", runs=("demo",))
    assert rows_of("selection") == []
    assert one["rows_by"]["culture"] == {"american": 2, "korean": 2, "turkish": 2}
    assert export(one["selection"]).code == 0
    assert len(lines("out/all.jsonl")) == 6
    assert cli("select", "demo", "--name", "mine").code == 2
