"""Exports: exact rows, what others load, splits, folders, and the way back from every line."""

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from culturepark.export import card, formats
from culturepark.export.manifest import Manifest
from culturepark.export.rows import LEAK
from culturepark.export.writer import validation_seeds
from tests.cli.test_cli import Done, away, cli, place_store, rows_of  # noqa: F401 - `away` is used by every test

MANY = """\
name: many
title: Many questions
setting: cross-cultural
cultures: [turkish, german]
samples: [survey, open, norm]
seeds:
  - survey: wvs7/Q33
  - key: guests
    question: What do you do when a guest comes without notice?
  - key: weddings
    question: Who pays for a wedding?
  - key: neighbours
    question: What do neighbours owe each other?
  - key: grief
    question: How do you visit somebody who is in mourning?
max_turns: 4
"""


BESIDE = {"croissant.json", "dataset_info.json", "manifest.json", "README.md"}
"""The files of an export that hold no rows."""


@pytest.fixture(autouse=True)
def store() -> None:
    """The default store with the finished run `a`: two cultures, two seeds."""
    place_store()


def export(*arguments: object, runs: tuple[str, ...] = ("a",), form: str = "trl", out: str = "out") -> Done:
    # Nobody has reviewed the rows of most tests; what the models kept and dropped is a label too.
    labels = ("--from", "verdicts") if form == "kto" and "--from" not in arguments else ()
    return cli("export", *runs, "--format", form, "--out", out, *labels, *arguments)


def lines(path: str | Path) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_bytes().decode().split("\n")[:-1]]


def kept() -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in rows_of("sample") if row["status"] == "kept"}


def seeds_of(sample_ids: list[str]) -> set[str]:
    seeds = {row["id"]: row["seed_key"] for row in rows_of("dialogue")}
    return {seeds[".".join(sample_id.split(".")[:2])] for sample_id in sample_ids}


def change_sample(sample_id: str, **values: object) -> None:
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        for name, value in values.items():
            db.execute(f"UPDATE sample SET {name} = ? WHERE id = ?", (value, sample_id))
        db.commit()


def names(folder: str = "out") -> set[str]:
    return {path.name for path in Path(folder).iterdir()}


@cache
def two_runs() -> bytes:
    """A database with the run `a`, and a run `b` of more seeds."""
    with tempfile.TemporaryDirectory() as folder:
        scenario, path, copy = (Path(folder, name) for name in ("many.yaml", "made.db", "copy.db"))
        scenario.write_text(MANY)
        place_store(str(path))
        done = cli("simulate", scenario, "--model", "scripted", "--run-id", "b", "--store", f"sqlite:///{path}")
        assert done.code == 0, done.err
        with closing(sqlite3.connect(path)) as db:
            db.execute("VACUUM INTO ?", (str(copy),))
        return copy.read_bytes()


def another_run() -> None:
    Path("runs/culturepark.db").write_bytes(two_runs())


# --- rows ------------------------------------------------------------------------------------------


def test_trl_rows_hold_the_id_and_the_messages_of_every_kept_sample() -> None:
    assert export().code == 0
    samples = kept()
    rows = lines("out/all.jsonl")
    assert {row["id"] for row in rows} == set(samples)
    assert len(rows) == len(samples)
    for row in rows:
        assert row == {"id": row["id"], "messages": json.loads(samples[row["id"]]["messages"])}
        assert list(row) == ["id", "messages"]


def test_openai_rows_hold_the_same_messages_alone() -> None:
    assert export(form="openai", out="openai").code == 0
    assert export(form="trl", out="trl").code == 0
    assert lines("openai/all.jsonl") == [{"messages": row["messages"]} for row in lines("trl/all.jsonl")]


def test_rows_stand_in_the_order_of_the_talk() -> None:
    assert export().code == 0
    places = [tuple(int(part.lstrip("dtsx")) for part in row["id"].split(".")[1:]) for row in lines("out/all.jsonl")]
    assert places == sorted(places)


def test_a_line_is_written_byte_for_byte_as_documented() -> None:
    sample_id = min(kept())
    said = 'Çay içeriz. 🫖 "Yes", she said.\u2028Then\u2029we\u0085wait\n\\ and <b> & \x00 \x1b[2J'
    messages = [{"role": "user", "content": "Misafir?"}, {"role": "assistant", "content": said}]
    change_sample(sample_id, messages=json.dumps(messages))
    for form, head in (("openai", "{"), ("trl", f'{{"id": "{sample_id}", ')):
        assert export(form=form, out=form).code == 0
        answer = (
            '"Çay içeriz. 🫖 \\"Yes\\", she said.\\u2028Then\\u2029we\\u0085wait\\n\\\\ and <b> & \\u0000 \\u001b[2J"'
        )
        wanted = (
            f'{head}"messages": [{{"role": "user", "content": "Misafir?"}}, '
            f'{{"role": "assistant", "content": {answer}}}]}}'
        )
        found = Path(form, "all.jsonl").read_bytes().split(b"\n")
        assert found.count(wanted.encode()) == 1
        assert found[-1] == b""
    assert len(Path("trl/all.jsonl").read_text("utf-8").splitlines()) == len(kept())


def openai_says(row: Any) -> str | None:
    """The checks of OpenAI's cookbook ("Data preparation and analysis for chat model fine-tuning")."""
    if not isinstance(row, dict) or set(row) != {"messages"}:
        return "data_type"
    messages = row["messages"]
    if not messages:
        return "missing_messages_list"
    for message in messages:
        if "role" not in message or "content" not in message:
            return "message_missing_key"
        if any(key not in ("role", "content", "name", "function_call", "weight") for key in message):
            return "message_unrecognized_key"
        if message["role"] not in ("system", "user", "assistant", "function"):
            return "unrecognized_role"
        if not isinstance(message["content"], str) or not message["content"].strip():
            return "missing_content"
    return None if messages[-1]["role"] == "assistant" else "example_missing_assistant_message"


def test_openai_finds_nothing_wrong_with_any_row() -> None:
    another_run()
    done = export(runs=("b",), form="openai")
    assert done.code == 0
    rows = lines("out/all.jsonl")
    assert len(rows) >= 10
    assert [openai_says(row) for row in rows] == [None] * len(rows)
    assert "note" not in done.err


WRONG_MESSAGES = [
    [],
    [{"role": "user", "content": "x"}],
    [{"role": "user", "content": "x"}, {"role": "assistant", "content": " \n"}],
    [{"role": "user", "content": ""}, {"role": "assistant", "content": "x"}],
    [{"role": "human", "content": "x"}, {"role": "assistant", "content": "x"}],
    [{"role": "user"}, {"role": "assistant", "content": "x"}],
    [{"role": "user", "content": "x", "mood": "x"}, {"role": "assistant", "content": "x"}],
]


@pytest.mark.parametrize("messages", WRONG_MESSAGES)
def test_what_openai_would_refuse_is_seen_here(messages: list[dict[str, str]]) -> None:
    assert openai_says({"messages": messages}) is not None
    assert formats.problem(messages) is not None


def test_a_damaged_sample_ends_in_a_clear_line_and_leaves_nothing_half_written() -> None:
    last = max(kept())
    change_sample(last, messages=json.dumps([{"role": "user", "content": "x"}]))
    for _ in range(2):
        done = export()
        assert (done.code, done.out) == (5, "")
        assert done.err == f"culturepark: sample {last} is damaged: no assistant message at the end\n"
        assert not Path("out").exists() or names() == set()


UNFIT = [
    ("We bake bread.<|im_end|>", "with a control token in it"),
    ("< |eot_id|>We bake bread.", "with a control token in it"),
    ("Hm.</think>We bake bread.", "with a model's thoughts in it"),
    ("We b\ufffdke bread.", "with broken characters in it"),
]
"""What stores of old hold, and no exported row may."""


@pytest.mark.parametrize(("said", "why"), UNFIT)
@pytest.mark.parametrize("form", ["trl", "openai", "sharegpt", "alpaca"])
def test_a_sample_that_no_model_should_learn_to_say_is_left_out_and_told_of(form: str, said: str, why: str) -> None:
    last = max(kept())
    before = len(kept())
    change_sample(
        last, messages=json.dumps([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": said}])
    )
    done = export(form=form)
    assert done.code == 0
    assert f"1 row is left out, {why}" in done.err
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert manifest["left_out"] == {why: 1}
    assert sum(manifest["rows_by_culture"].values()) == before - 1
    assert last not in Path("out/all.index.jsonl").read_text()
    assert said not in Path("out/all.jsonl").read_text()
    assert why.replace("'", "’") in Path("out/README.md").read_text().replace("'", "’")


def test_a_question_with_a_control_token_is_left_out_too() -> None:
    last = max(kept())
    change_sample(
        last,
        messages=json.dumps(
            [{"role": "user", "content": "<|im_start|>"}, {"role": "assistant", "content": "We bake."}]
        ),
    )
    assert "1 row is left out, with a control token in it" in export().err


def test_a_dialogue_with_a_control_token_in_a_turn_is_left_out() -> None:
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        db.execute("UPDATE turn SET text = text || ' <|eot_id|>' WHERE role = 'delegate' AND id LIKE 'a.d1.%'")
        db.commit()
    done = export("--dialogues")
    assert done.code == 0
    assert "left out, with a control token in it" in done.err
    assert "eot_id" not in Path("out/all.jsonl").read_text()


def test_a_run_in_which_nothing_is_fit_says_so() -> None:
    for name in kept():
        change_sample(
            name,
            messages=json.dumps([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "No.</s>"}]),
        )
    done = export()
    assert done.code == 2
    assert "with control tokens, thoughts or broken characters in them" in done.err


def test_an_export_that_fails_leaves_the_one_before_as_it_was() -> None:
    assert export().code == 0
    before = {name: Path("out", name).read_bytes() for name in names()}
    change_sample(max(kept()), messages=json.dumps([{"role": "user", "content": "x"}]))
    assert export().code == 5
    assert {name: Path("out", name).read_bytes() for name in names()} == before


def test_few_rows_are_noted_for_openai_and_for_nobody_else() -> None:
    for sample_id in sorted(kept())[5:]:
        change_sample(sample_id, status="dropped")
    done = export(form="openai", out="openai")
    assert done.code == 0
    assert "note: all.jsonl has 5 rows; OpenAI's fine-tuning wants at least 10\n" in done.err
    assert "note" not in done.out
    assert "all.jsonl has 5 rows" in Path("openai/README.md").read_text("utf-8")
    assert "note" not in export(form="trl", out="trl").err


# --- loading ---------------------------------------------------------------------------------------

LOADER = """
import json, sys
import datasets
datasets.disable_progress_bars()
out = {}
for name in ("openai", "trl"):
    rows = datasets.load_dataset("json", data_files=f"{name}/all.jsonl", split="train")
    out[name] = [rows.column_names, rows.num_rows, rows[0]]
for name in ("trl", "split", "cultures"):
    out["folder " + name] = {half: rows.num_rows for half, rows in datasets.load_dataset(name).items()}
print(json.dumps(out))
"""


def test_both_formats_and_their_folders_load_with_datasets(tmp_path: Path) -> None:
    for form in ("openai", "trl"):
        assert export(form=form, out=form).code == 0
    assert export("--split", "0.5", out="split").code == 0
    assert export("--culture", "turkish", "--culture", "german", out="cultures").code == 0
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "HF_DATASETS_CACHE": str(tmp_path / "sets")}
    done = subprocess.run([sys.executable, "-c", LOADER], capture_output=True, text=True, env={**os.environ, **offline})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    first = lines("trl/all.jsonl")[0]
    assert found["trl"] == [["id", "messages"], len(kept()), first]
    assert found["openai"] == [["messages"], len(kept()), {"messages": first["messages"]}]
    assert found["folder trl"] == {"train": len(kept())}
    halves = {name: len(lines(f"split/all.{name}.jsonl")) for name in ("train", "validation")}
    assert found["folder split"] == halves
    cultures = Counter(row["culture"] for row in kept().values())
    assert found["folder cultures"] == {"train": cultures["turkish"] + cultures["german"]}


# --- index, manifest, card -------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--culture", "turkish", "--culture", "american", "--split", "0.5")])
def test_index_and_manifest_say_exactly_what_is_in_the_files(arguments: tuple[str, ...]) -> None:
    done = export(*arguments)
    assert done.code == 0
    manifest, samples = json.loads(Path("out/manifest.json").read_bytes()), kept()
    assert [Path(line).name for line in done.out.splitlines()][-2:] == ["manifest.json", "README.md"]
    assert {Path(line).name for line in done.out.splitlines()} == names()
    files = {name for name in names() if name.endswith(".jsonl") and not name.endswith(".index.jsonl")}
    assert {file["name"] for file in manifest["files"]} == files
    rows_by_culture: Counter[str] = Counter()
    for file in manifest["files"]:
        data = Path("out", file["name"]).read_bytes()
        rows = data.split(b"\n")[:-1]
        assert file["sha256"] == hashlib.sha256(data).hexdigest()
        assert file["rows"] == len(rows) > 0
        index = lines(Path("out", file["name"]).with_suffix(".index.jsonl"))
        assert index == [
            {"line": number, "id": json.loads(row)["id"], "sha256": hashlib.sha256(row).hexdigest()}
            for number, row in enumerate(rows, start=1)
        ]
        rows_by_culture.update(samples[entry["id"]]["culture"] for entry in index)
    assert manifest["rows_by_culture"] == rows_by_culture
    (run,) = manifest["runs"]
    (stored,) = rows_of("run")
    assert (run["run"], run["seed"], run["scenario_digest"]) == ("a", 1, stored["scenario_digest"])
    assert run["models"] == json.loads(stored["models"])
    assert run["samples"]["kept"] == len(samples)
    assert manifest["format"] == "trl"
    assert manifest["command"].startswith("culturepark export a --format trl --out out")


def metadata(folder: str = "out") -> Any:
    text = Path(folder, "README.md").read_text("utf-8")
    assert text.startswith("---\n")
    return YAML(typ="safe").load(text.split("---\n")[1])


@pytest.mark.parametrize("arguments", [(), ("--split", "0.5"), ("--culture", "german", "--split", "0.5")])
def test_the_card_names_every_file_for_its_half(arguments: tuple[str, ...]) -> None:
    assert export(*arguments).code == 0
    found = metadata()
    assert found["language"] == ["en"]
    assert "synthetic" in found["tags"]
    (config,) = found["configs"]
    paths = {part["split"]: set(part["path"]) for part in config["data_files"]}
    files = {name for name in names() if name.endswith(".jsonl") and not name.endswith(".index.jsonl")}
    assert set().union(*paths.values()) == files
    assert all(("validation" in name) == (half == "validation") for half, group in paths.items() for name in group)


def manifest_with(**models: str) -> Manifest:
    """The manifest of the export in `out`, as if its run had been on these models."""
    manifest = Manifest.model_validate_json(Path("out/manifest.json").read_bytes())
    return manifest.model_copy(update={"runs": [manifest.runs[0].model_copy(update={"models": models})]})


def test_the_card_of_a_scripted_run_says_that_no_language_model_wrote_it() -> None:
    assert export().code == 0
    assert "**No language model wrote these rows" in Path("out/README.md").read_text("utf-8")
    text = card.render(manifest_with(**json.loads(rows_of("run")[0]["models"])))
    assert card.NO_MODEL in text
    assert "written by a language model" not in text
    assert "judge is a language model" not in text
    assert metadata()["language_creators"] == ["other"]


def test_a_script_in_one_role_and_a_very_small_model_are_owned_up_to() -> None:
    assert export().code == 0
    partly = card.render(manifest_with(speaker="openai:x", verifier="scripted"))
    assert card.PARTLY_NO_MODEL in partly
    assert "The scripted judge follows fixed rules" in partly
    assert "written by a language model that was told whom to" in partly
    small = card.render(manifest_with(speaker="embedded", moderator="embedded", extractor="embedded"))
    assert "135 million parameters" in small
    assert "language_creators:\n  - machine-generated\nannotations" in small
    other = card.render(manifest_with(speaker="openai:x", verifier="openai:x"))
    assert "**" not in other.split("# Simulated")[1].split("## Where")[0]


def test_the_card_says_what_the_rows_are_not_and_how_to_go_back() -> None:
    assert export().code == 0
    text = Path("out/README.md").read_text("utf-8")
    for wanted in ("Nobody in these rows exists", "culturepark trace FILE:LINE", "doi:10.14281/18241", "`a`", "`tiny`"):
        assert wanted in text
    assert f"{len(kept())} rows" in text


# --- cultures, splits, runs ------------------------------------------------------------------------


def test_each_culture_gets_a_file_of_its_own() -> None:
    done = export("--culture", "turkish", "--culture", "german", "--culture", "turkish")
    assert done.code == 0
    assert {name for name in names() if name.endswith(".jsonl")} == {
        f"{culture}{end}" for culture in ("turkish", "german") for end in (".jsonl", ".index.jsonl")
    }
    assert export(out="every").code == 0
    samples = kept()
    for culture in ("turkish", "german"):
        assert [row["id"] for row in lines(f"out/{culture}.jsonl")] == [
            row["id"] for row in lines("every/all.jsonl") if samples[row["id"]]["culture"] == culture
        ]


def test_a_split_keeps_whole_seeds_on_one_side() -> None:
    another_run()
    assert export("--split", "0.7", runs=("a", "b")).code == 0
    assert {name for name in names() if not name.endswith(".index.jsonl")} == {
        "all.train.jsonl", "all.validation.jsonl", "duplicates.jsonl", *BESIDE,
    }  # fmt: skip
    halves = {half: [row["id"] for row in lines(f"out/all.{half}.jsonl")] for half in ("train", "validation")}
    repeats = [row["id"] for row in lines("out/duplicates.jsonl")]
    written = [*halves["train"], *halves["validation"], *repeats]
    assert len(set(written)) == len(written)
    leaks = set(kept()) - set(written)
    assert set(written) <= set(kept())
    seeds = {half: seeds_of(ids) for half, ids in halves.items()}
    assert seeds["train"]
    assert seeds["validation"]
    assert not seeds["train"] & seeds["validation"]
    manifest = json.loads(Path("out/manifest.json").read_bytes())
    assert set(manifest["held_out_seeds"]) == seeds["validation"]
    assert len(leaks) == manifest["left_out"].get(LEAK, 0)
    rows = kept()
    assert all(rows[sample_id]["split"] is None for sample_id in leaks)
    assert all(rows[sample_id]["split"] == half for half, ids in halves.items() for sample_id in ids)
    assert {row["split"] for row in rows_of("sample") if row["status"] != "kept"} == {None}


@pytest.mark.parametrize("share", ["0.001", "0.999"])
def test_a_split_leaves_a_seed_on_each_side_however_lopsided(share: str) -> None:
    assert export("--split", share).code == 0
    assert lines("out/all.train.jsonl")
    assert lines("out/all.validation.jsonl")


def test_a_split_of_cultures_names_both_files_of_each() -> None:
    another_run()
    assert export("--culture", "german", "--culture", "turkish", "--split", "0.5", runs=("b",)).code == 0
    assert {name for name in names() if name.endswith(".jsonl") and "index" not in name} == {
        f"{culture}.{half}.jsonl" for culture in ("german", "turkish") for half in ("train", "validation")
    }


def test_a_run_of_one_seed_says_that_nothing_is_held_out() -> None:
    for sample_id in kept():
        if seeds_of([sample_id]) != {"guests"}:
            change_sample(sample_id, status="dropped")
    done = export("--split", "0.9")
    assert done.code == 0
    assert "note: all rows come from one seed: nothing is held out" in done.err
    assert {name for name in names() if name.endswith(".jsonl")} == {"all.train.jsonl", "all.train.index.jsonl"}
    assert "all rows come from one seed" in Path("out/README.md").read_text("utf-8")


def test_a_split_comes_as_near_to_the_share_as_whole_seeds_can() -> None:
    rows = {f"seed-{number}": 10 for number in range(20)}
    for share in (0.5, 0.8, 0.9, 0.95):
        assert len(validation_seeds(rows, share)) == round(20 * (1 - share))
    assert validation_seeds(rows, 0.9) == validation_seeds(dict(reversed(rows.items())), 0.9)
    assert validation_seeds({"only": 9}, 0.5) == frozenset()


def test_several_runs_go_into_one_export_in_any_order() -> None:
    another_run()
    for out, runs in (("one", ("a", "b")), ("two", ("b", "a", "last", "a"))):
        assert export(out=out, runs=runs).code == 0
    ids = [row["id"] for row in lines("one/all.jsonl")]
    repeats = [row["id"] for row in lines("one/duplicates.jsonl")]
    assert sorted([*ids, *repeats]) == sorted(kept())
    assert {sample_id.split(".")[0] for sample_id in repeats} == {"b"}
    assert {sample_id.split(".")[0] for sample_id in ids} == {"a", "b"}
    assert Path("one/all.jsonl").read_bytes() == Path("two/all.jsonl").read_bytes()
    manifest = json.loads(Path("one/manifest.json").read_bytes())
    assert [run["run"] for run in manifest["runs"]] == ["a", "b"]


def test_a_run_that_is_not_there_spoils_the_whole_export() -> None:
    done = export(runs=("a", "nope"))
    assert done.code == 2
    assert not Path("out").exists()


# --- folders ---------------------------------------------------------------------------------------


def test_the_same_export_again_is_the_same_bytes() -> None:
    assert export(out="one").code == export(out="two").code == export(out="one").code == 0
    for name in ("all.jsonl", "all.index.jsonl"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    assert not [name for name in names("one") if name.endswith(".part")]


def test_another_export_into_the_folder_replaces_the_first() -> None:
    assert export("--culture", "german", "--split", "0.5", form="openai").code == 0
    assert export().code == 0
    assert names() == {"all.jsonl", "all.index.jsonl", *BESIDE}
    assert json.loads(Path("out/manifest.json").read_bytes())["format"] == "trl"
    assert "german" not in metadata()["configs"][0]["data_files"][0]["path"][0]


def contents(folder: str) -> dict[str, bytes]:
    return {name: Path(folder, name).read_bytes() for name in names(folder)}


@pytest.mark.parametrize("begun", [(), ("--split", "0.5"), ("--culture", "turkish")])
@pytest.mark.torture
def test_an_export_that_was_killed_can_be_made_again(begun: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off at each of its steps, into a new folder and over an older export of other files."""
    assert export(out="whole").code == 0
    steps = [(step, nth) for step in ("replace", "unlink") for nth in range(8)]
    for step, nth in steps:
        out = f"{step}{nth}{'-'.join(begun)}"
        if begun:
            assert export(*begun, out=out).code == 0
        with monkeypatch.context() as patched:
            patched.setattr(os, step, dying_at(nth, getattr(os, step)))
            with suppress(SystemExit):
                export(out=out)
        assert export(out=out).code == 0
        for name in names("whole") - {"manifest.json", "README.md", "croissant.json"}:  # these have the time in them
            assert Path(out, name).read_bytes() == Path("whole", name).read_bytes()
        assert names(out) == names("whole")


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_may_be_a_link(there: bool, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    if there:
        target.mkdir()
    Path("out").symlink_to(target)
    assert export().code == 0
    assert Path("out").is_symlink()
    assert (target / "all.jsonl").exists()


def dying_at(nth: int, real: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which ends the process in place of its n-th call."""
    calls = iter(range(100))

    def act(*arguments: Any, **named: Any) -> Any:
        if next(calls) == nth:
            raise SystemExit
        return real(*arguments, **named)

    return act


@pytest.mark.parametrize("name", ["notes.txt", "all.jsonl", "README.md", ".hidden"])
def test_a_folder_with_other_things_is_refused(name: str) -> None:
    Path("out").mkdir()
    Path("out", name).write_text("mine")
    done = export()
    assert (done.code, done.out) == (2, "")
    assert done.err == "culturepark: --out out holds other files; name a new folder\n"
    assert contents("out") == {name: b"mine"}


def test_a_folder_with_the_manifest_of_something_else_is_refused() -> None:
    Path("out").mkdir()
    Path("out/manifest.json").write_text('{"manifest_version": 3, "name": "an extension"}')
    Path("out/mine.jsonl").write_text("{}\n")
    before = contents("out")
    assert export().code == 2
    assert contents("out") == before


def test_what_was_put_beside_an_export_is_not_deleted() -> None:
    assert export("--culture", "german").code == 0
    Path("out/mine.jsonl").write_text("{}\n")
    export()
    assert Path("out/mine.jsonl").read_text() == "{}\n"


def test_a_file_in_place_of_the_folder_is_refused() -> None:
    Path("out").write_text("mine")
    done = export()
    assert (done.code, done.err) == (2, "culturepark: --out out is a file; a folder is wanted\n")
    assert Path("out").read_text() == "mine"


def test_a_folder_that_cannot_be_made_ends_in_a_clear_line() -> None:
    done = export(out="tiny.yaml/out")
    assert (done.code, done.out) == (5, "")
    assert done.err.startswith("culturepark: cannot write tiny.yaml/out: ")


# --- the way back ----------------------------------------------------------------------------------


def test_every_line_leads_back_to_its_sample() -> None:
    assert export("--split", "0.5", form="openai").code == 0
    samples = kept()
    found = []
    for half in ("train", "validation"):
        for number, row in enumerate(lines(f"out/all.{half}.jsonl"), start=1):
            trace = cli("trace", f"out/all.{half}.jsonl:{number}", "--json").json
            sample, statement, turn = trace["sample"], trace["statement"], trace["turn"]
            assert sample["messages"] == row["messages"] == json.loads(samples[sample["id"]]["messages"])
            assert turn["text"][statement["quote_start"] : statement["quote_end"]] == statement["quote"]
            assert (sample["statement_id"], statement["turn_id"]) == (statement["id"], turn["id"])
            assert trace["persona"]["key"] == turn["speaker"] == trace["participant"]["persona_key"]
            assert trace["calls"]["turn"]["id"] == turn["call_id"]
            assert turn["text"] in trace["calls"]["turn"]["response"]["choices"][0]["message"]["content"]
            assert trace["seed"]["key"] == trace["dialogue"]["seed_key"]
            assert trace["verdicts"]
            found.append(sample["id"])
    assert sorted(found) == sorted(samples)


def test_a_traced_line_reads_as_text_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert export().code == 0
    first = lines("out/all.jsonl")[0]
    line, url = f"{Path('out/all.jsonl').resolve()}:1", f"sqlite:///{Path('runs/culturepark.db').resolve()}"
    monkeypatch.chdir(tmp_path)
    done = cli("trace", line, "--store", url)
    assert (done.code, done.err) == (0, "")
    shown = [row.split()[0] for row in done.out.splitlines() if not row.startswith(" ")]
    assert list(dict.fromkeys(shown)) == [
        *("sample", "statement", "verdict", "turn", "call", "persona", "seed", "survey", "run")
    ]
    assert first["messages"][-1]["content"] in done.out
    assert cli("trace", first["id"], "--store", url).out == done.out


def test_a_statement_can_be_traced_too() -> None:
    statement_id = min(kept()).rpartition(".")[0]
    trace = cli("trace", statement_id, "--json").json
    assert trace["sample"] is None
    assert trace["statement"]["id"] == statement_id
    assert min(kept()) in trace["samples"]


def swap(path: str, old: bytes, new: bytes) -> None:
    data = Path(path).read_bytes()
    assert old in data
    Path(path).write_bytes(data.replace(old, new, 1))


NOWHERE = {
    "out/all.jsonl:1": "out/all.jsonl:1 was changed since it was exported (it was sample a.",
    "out/all.jsonl:0": "out/all.jsonl has no line 0",
    "out/all.jsonl:9999": "out/all.jsonl has no line 9999",
    "out/none.jsonl:1": "out/none.jsonl: no such file",
    "lone/all.jsonl:1": "lone/all.index.jsonl: No such file or directory; trace needs the file and its index",
    "odd/all.jsonl:1": "odd/all.index.jsonl:1: not an index line",
    "out/manifest.json:1": "manifest.index.jsonl: No such file or directory",
    "out/all.jsonl": "out/all.jsonl: which line? trace takes FILE:LINE",
    "out/all.jsonl:x": "no sample or statement 'out/all.jsonl:x' in this store",
}


def test_a_line_that_leads_nowhere_says_why() -> None:
    for folder in ("out", "lone", "odd"):
        assert export(out=folder).code == 0
    swap("out/all.jsonl", b'"content": "', b'"content": "x')
    Path("lone/all.index.jsonl").unlink()
    Path("odd/all.index.jsonl").write_text("[]\n")
    for place, message in NOWHERE.items():
        done = cli("trace", place)
        assert (done.code, done.out) == (2, ""), place
        assert message in done.err
        assert done.err.count("\n") == 1


def test_a_line_of_a_run_that_is_in_another_store_says_so() -> None:
    assert export().code == 0
    place_store("other.db")
    with closing(sqlite3.connect("other.db")) as db:
        for table in ("sample", "duplicate", "verdict", "statement"):
            db.execute(f"DELETE FROM {table}")
        db.commit()
    done = cli("trace", "out/all.jsonl:1", "--store", "sqlite:///other.db")
    assert done.code == 2
    assert "no sample or statement 'a." in done.err


def test_an_exported_line_can_be_traced_after_distilling_again() -> None:
    assert export().code == 0
    assert cli("distill", "a", "--from", "extract").code == 0
    trace = cli("trace", "out/all.jsonl:1", "--json").json
    assert trace["sample"]["messages"] == lines("out/all.jsonl")[0]["messages"]
    assert trace["sample"]["drop_reason"] == "superseded"
