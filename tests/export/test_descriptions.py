"""Rows without system messages, and the files that describe rows to other programs."""

import hashlib
import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.export.formats import FORMATS, format_named, told_by_user
from tests.cli.test_cli import away, cli, place_store  # noqa: F401 - `away` is used by every test
from tests.export.test_export import export, lines, names
from tests.export.test_preference import asked

USER, ASSISTANT = {"role": "user", "content": "Misafir?"}, {"role": "assistant", "content": "Çay."}
SYSTEM = {"role": "system", "content": "You live in Konya."}

OF_ROWS = [name for name, known in FORMATS.items() if not (known.bundle or known.shapes)]
"""Formats of rows to train on, and not of tasks for people."""


def read(path: str) -> Any:
    return json.loads(Path(path).read_bytes())


def exported(form: str, *more: object, out: str = "out") -> list[Any]:
    """The rows of a store that has pairs too."""
    if not Path("runs").exists():
        Path("runs").mkdir()
        Path("runs/culturepark.db").write_bytes(asked())
    done = export(*more, form=form, out=out)
    assert done.code == 0, done.err
    return lines(f"{out}/all.jsonl")


# --- no system message -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("messages", "wanted"),
    [
        ([SYSTEM, USER, ASSISTANT], [{"role": "user", "content": "You live in Konya.\n\nMisafir?"}, ASSISTANT]),
        ([USER, ASSISTANT], [USER, ASSISTANT]),
        (
            [SYSTEM, USER, ASSISTANT, USER, ASSISTANT],
            [{"role": "user", "content": "You live in Konya.\n\nMisafir?"}, ASSISTANT, USER, ASSISTANT],
        ),
        ([SYSTEM, ASSISTANT], [{"role": "user", "content": "You live in Konya."}, ASSISTANT]),
    ],
    ids=["a question", "no system message", "only before the first question", "nobody asks"],
)
def test_what_the_system_message_says_stands_before_the_first_question(messages: list[Any], wanted: list[Any]) -> None:
    assert list(told_by_user(messages)) == wanted


@pytest.mark.parametrize("form", [name for name in OF_ROWS if name != "openai"])
def test_no_format_loses_a_word_of_a_system_message(form: str) -> None:
    with_it, without = exported(form, out="with"), exported(form, "--no-system", out="without")
    assert with_it != without
    for before, after in zip(with_it, without, strict=True):
        first, then = (told(form, row) for row in (before, after))
        assert then == ([{"role": "user", "content": f"{first[0]['content']}\n\n{first[1]['content']}"}, *first[2:]])


def told(form: str, row: dict[str, Any]) -> list[dict[str, str]]:
    """The messages of a row, whatever its format: of a pair the prompt and both answers."""
    if form == "trl":
        return list(row["messages"])
    if form == "sharegpt":
        roles = {"system": "system", "human": "user", "gpt": "assistant"}
        return [{"role": roles[turn["from"]], "content": turn["value"]} for turn in row["conversations"]]
    if form == "preference":
        return [*row["prompt"], *row["chosen"], *row["rejected"]]
    if form == "kto":
        return [*row["prompt"], *row["completion"]]
    said = [{"role": "user", "content": row["instruction"]}]
    said = [{"role": "system", "content": row["system"]}, *said] if row["system"] else said
    return said + [
        {"role": "assistant", "content": row[name]} for name in ("output", "chosen", "rejected") if name in row
    ]


def test_manifest_and_card_say_so_and_trace_goes_on() -> None:
    place_store()
    assert export("--no-system").code == 0
    assert read("out/manifest.json")["no_system"] is True
    assert "There are no system messages" in Path("out/README.md").read_text("utf-8")
    row_id = lines("out/all.jsonl")[0]["id"]
    traced = cli("trace", "out/all.jsonl:1")
    assert traced.code == 0
    assert row_id.rpartition(".x")[0] in traced.out
    assert export(out="with").code == 0
    assert read("with/manifest.json")["no_system"] is False
    assert "There are no system messages" not in Path("with/README.md").read_text("utf-8")


def test_a_dialogue_says_it_once() -> None:
    place_store()
    assert export("--no-system", "--dialogues", out="without").code == 0
    assert export("--dialogues", out="with").code == 0
    for before, after in zip(lines("with/all.jsonl"), lines("without/all.jsonl"), strict=True):
        assert after["messages"][0]["content"].startswith(before["messages"][0]["content"] + "\n\n")
        assert after["messages"][1:] == before["messages"][2:]


# --- dataset_info.json ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", OF_ROWS)
def test_llama_factory_finds_columns_and_roles_that_are_there(form: str) -> None:
    """What its own loader makes of it is in test_training."""
    row = exported(form)[0]
    if form in ("preference", "kto"):  # an answer must be an object or a text there, and here it is a list
        assert "dataset_info.json" not in names()
        return
    (described,) = read("out/dataset_info.json").values()
    assert (described["file_name"], described["formatting"]) == (
        "all.jsonl",
        "alpaca" if "alpaca" in form else "sharegpt",
    )
    assert described.get("ranking", False) is format_named(form).pairs
    assert set(described["columns"].values()) <= set(row)
    if form in ("openai", "trl"):
        tags = described["tags"]
        roles = {message[tags["role_tag"]] for message in row["messages"]}
        assert roles == {tags["system_tag"], tags["user_tag"], tags["assistant_tag"]}
        assert all(message[tags["content_tag"]] for message in row["messages"])


def test_each_file_is_a_set_and_an_older_description_goes() -> None:
    place_store()
    assert export("--culture", "turkish", "--split", "0.5").code == 0
    assert list(read("out/dataset_info.json")) == ["turkish_train", "turkish_validation"]
    assert export(form="alpaca").code == 0
    assert list(read("out/dataset_info.json")) == ["all"]
    Path("out/mine.txt").write_text("x")
    Path("out/dataset_info.json").write_text("{}")  # as people do, who add sets of their own
    assert export().code == 0
    assert names() == {
        "all.jsonl", "all.index.jsonl", "croissant.json", "dataset_info.json", "manifest.json", "mine.txt", "README.md",
    }  # fmt: skip


# --- croissant.json --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "more"), [("trl", ("--split", "0.5")), ("alpaca", ("--parquet",)), ("preference", ())]
)
@pytest.mark.filterwarnings("ignore")  # of rdflib and its kind
def test_mlcroissant_takes_it_and_loads_the_rows(
    form: str, more: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    exported_rows(form, more)
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld="out/croissant.json")
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings
    files = {path.stem: lines(path) for path in Path("out").glob("all*.jsonl") if ".index" not in path.name}
    assert {record_set.id for record_set in dataset.metadata.record_sets} == set(files)
    for name, rows in files.items():
        assert [plain(record, name) for record in dataset.records(name)] == rows


@pytest.mark.filterwarnings("ignore")
def test_mlcroissant_loads_what_is_behind_each_row() -> None:
    import mlcroissant

    exported_rows("trl", ("--metadata",))
    dataset = mlcroissant.Dataset(jsonld="out/croissant.json")
    assert not dataset.metadata.ctx.issues.warnings
    assert [plain(record, "all") for record in dataset.records("all")] == lines("out/all.jsonl")


def exported_rows(form: str, more: tuple[str, ...]) -> None:
    if not Path("runs").exists():
        Path("runs").mkdir()
        Path("runs/culturepark.db").write_bytes(asked())
    assert export("--license", "cc-by-4.0", *more, form=form).code == 0


def plain(value: Any, node: str) -> Any:
    """A record as the row that it was: mlcroissant names columns in full and gives text as bytes."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [plain(item, node) for item in value]
    if isinstance(value, dict):
        return {name.rpartition("/")[2]: plain(item, node) for name, item in value.items()}
    return value


def test_it_has_digests_provenance_and_limits() -> None:
    place_store()
    assert export("--license", "cc-by-4.0").code == 0
    found = read("out/croissant.json")
    assert found["license"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert {file["contentUrl"]: file["sha256"] for file in found["distribution"]} == {
        name: hashlib.sha256(Path("out", name).read_bytes()).hexdigest() for name in ("all.jsonl", "all.index.jsonl")
    }
    assert found["prov:wasGeneratedBy"][0]["@id"] == "urn:culturepark:run:a"
    assert "scripted" in {who["prov:label"] for who in found["prov:wasAttributedTo"]}
    assert found["rai:annotatorDemographics"] == ["No person has judged these rows"]
    assert found["rai:dataCollection"].startswith("Synthetic.")
    assert any("not worth training on" in limit for limit in found["rai:dataLimitations"])
    assert "url" not in found
    beside = {file["name"]: file["sha256"] for file in read("out/manifest.json")["beside"]}
    assert beside == {
        name: hashlib.sha256(Path("out", name).read_bytes()).hexdigest()
        for name in ("croissant.json", "dataset_info.json")
    }


def test_words_of_the_store_cannot_break_it() -> None:
    place_store()
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        models = json.loads(db.execute("SELECT models FROM run").fetchone()[0])
        db.execute("UPDATE run SET models = ?", [json.dumps(models | {"speaker": 'openai:"]}\u2028@http://x/<b>'})])
        db.commit()
    assert export().code == 0
    assert 'openai:"]}\u2028@http://x/<b>' in {
        who["prov:label"] for who in read("out/croissant.json")["prov:wasAttributedTo"]
    }
