"""Rows with what is behind them: a column for trainers, tasks for labelling tools, and judgements that come back."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import datasets
import pyarrow.parquet
import pytest

from culturepark.export.formats import FORMATS, with_room
from culturepark.export.judgements import BROKEN, SILENT, SKIPPED, read_judgements
from culturepark.export.labelling import SHOWN
from culturepark.export.metadata import Metadata, kinds
from tests.cli.test_cli import Done, away, cli, rows_of  # noqa: F401 - `away` is used by every test
from tests.export.test_export import export, kept, lines
from tests.export.test_preference import asked

ANN = {"id": 7, "email": "ann@example.org", "first_name": "Ann", "last_name": ""}
WHEN = "2026-03-01T10:01:00.123456Z"
FROZEN = Path(__file__).parents[1] / "data/labelling/argilla-2.8.json"
"""Written by `Dataset.to_disk` of the SDK argilla 2.8.0, of made-up records, and laid out by `json.tool`."""
TOOLS = [form for form in FORMATS if FORMATS[form].bundle]


@pytest.fixture(autouse=True)
def store() -> None:
    """The default store with the runs `a` and `b`."""
    Path("runs").mkdir(exist_ok=True)
    Path("runs/culturepark.db").write_bytes(asked())


def tasks(tool: str = "label-studio") -> list[dict[str, Any]]:
    assert export(form=tool, out=tool).code == 0
    found: list[dict[str, Any]] = json.loads(Path(tool, FORMATS[tool].bundle.file).read_bytes())  # type: ignore[union-attr]
    return found


def annotation(by: Any = ANN, at: str = WHEN, **answers: Any) -> dict[str, Any]:
    """One annotation as Label Studio 1.x exports it."""
    kinds = {"decision": "choices", "rating": "rating", "wording": "textarea", "note": "textarea"}
    results = [
        {
            "id": f"r{name}",
            "type": kinds[name],
            "from_name": name,
            "to_name": "answer",
            "origin": "manual",
            "value": {{"choices": "choices", "rating": "rating", "textarea": "text"}[kinds[name]]: value},
        }
        for name, value in answers.items()
    ]
    return {
        "id": 1, "completed_by": by, "result": results, "was_cancelled": False, "ground_truth": False,
        "created_at": at, "updated_at": at, "lead_time": 3.2, "prediction": {}, "unique_id": "u",
    }  # fmt: skip


def saved(data: Any, name: str = "back.json") -> Path:
    path = Path(name)
    path.write_text(json.dumps(data), "utf-8")
    return path


def reviews() -> list[tuple[Any, ...]]:
    rows = rows_of("review")
    return sorted((r["subject_id"], r["reviewer"], r["decision"], r["rating"], r["wording"], r["note"]) for r in rows)


def taken(path: Path | str = "back.json", *more: object) -> dict[str, Any]:
    done = cli("import-reviews", path, "--json", *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = done.json
    return found


# --- metadata --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [form for form in with_room() if not FORMATS[form].shapes])
def test_each_row_says_what_is_behind_it_with_the_same_keys_and_types(form: str) -> None:
    assert export("--metadata", "--parquet", form=form, runs=("a", "b")).code == 0
    rows = lines("out/all.jsonl")
    wanted, pairs = kinds(FORMATS[form].pairs), FORMATS[form].pairs
    for row in rows:
        assert list(row) == [*FORMATS[form].columns, "metadata"]
        assert list(row["metadata"]) == list(wanted)
        for name, kind in wanted.items():
            value = row["metadata"][name]
            assert value is None or isinstance(value, dict if name == "rejected" else kind)
    statements = {row["id"]: row for row in rows_of("statement")}
    samples = {row["id"]: row for row in rows_of("sample")}
    for entry, row in zip(lines("out/all.index.jsonl"), rows, strict=True):
        own = row["metadata"]
        assert own["id"] == entry["id"]
        assert own["shape"] == samples[own["id"]]["kind"]
        assert own["persona"] == statements[own["statement"]]["persona_key"]
        assert not pairs or own["rejected"]["id"] == entry["rejected"]
    table = pyarrow.parquet.read_table("out/all.parquet")
    assert table.to_pylist() == rows
    assert cli("trace", "out/all.parquet:1").out == cli("trace", "out/all.jsonl:1").out != ""
    loaded = datasets.load_dataset("json", data_files="out/all.jsonl", cache_dir="cache", split="train")
    assert [loaded[0]["metadata"], len(loaded)] == [rows[0]["metadata"], len(rows)]


def test_scores_stance_and_model_are_those_of_the_store() -> None:
    sample = min(kept())
    statement = sample.rpartition(".")[0]
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        db.execute("UPDATE verdict SET confidence = 0.9 WHERE statement_id = ?", (statement,))
        db.execute(
            "UPDATE verdict SET confidence = 0.75 WHERE statement_id = ? AND criterion = 'faithful'", (statement,)
        )
        for judge, score in enumerate((3.0, 4.0, 5.0), start=90):
            db.execute(
                "INSERT INTO verdict (id, statement_id, criterion, relation, decision, round, score, judge) "
                "VALUES (?, ?, 'harmlessness', 'entail', 'keep', 1, ?, 'x')",
                (f"{statement}.v{judge}", statement, score),
            )
        db.commit()
    assert export("--metadata").code == 0
    own = next(row["metadata"] for row in lines("out/all.jsonl") if row["id"] == sample)
    (person,) = (
        p for p in rows_of("participant")
        if sample.startswith(f"{p['dialogue_id']}.") and p["persona_key"] == own["persona"]
    )  # fmt: skip
    assert (own["confidence"], own["harmlessness"], own["awareness"]) == (0.75, 4.0, None)
    assert (own["stance_code"], own["stance"]) == (person["stance_code"], person["stance_text"])
    assert own["model"] == "scripted"


def test_a_dialogue_has_no_sample_behind_it() -> None:
    assert export("--metadata", "--dialogues").code == 0
    for row in lines("out/all.jsonl"):
        own = row["metadata"]
        assert list(own) == list(Metadata.model_fields)
        assert own["id"] == row["id"]
        assert {own[name] for name in ("statement", "kind", "shape", "provenance", "source")} == {None}
        assert own["seed"]
        assert own["model"] == "scripted"


def test_the_card_types_what_is_null_in_the_first_rows() -> None:
    # A loader guesses from the first 10 MB, and fails where a later row has more than null.
    assert export("--metadata").code == 0
    path = Path("out/all.jsonl")
    row = lines(path)[0]
    row["metadata"] |= {"source": None, "confidence": None}
    late = row | {"metadata": row["metadata"] | {"source": "norm 1", "confidence": 0.5}}
    row["messages"] = [{"role": "assistant", "content": "x" * 6_000_000}]
    path.write_text("".join(json.dumps(one) + "\n" for one in (row, row, late)))
    loaded = datasets.load_dataset("out", cache_dir="cache", split="train")
    assert loaded[2]["metadata"] == late["metadata"]


def test_openai_has_no_room_for_it() -> None:
    done = export("--metadata", form="openai")
    assert (done.code, done.out) == (2, "")
    assert "a row of --format openai holds `messages` alone and nothing else" in done.err
    assert "goes into trl, sharegpt, alpaca, cot, preference" in done.err
    assert not Path("out").exists()


# --- tasks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS)
def test_a_bundle_holds_each_row_once_and_what_is_behind_it(tool: str) -> None:
    found = tasks(tool)
    assert export(out="rows").code == 0
    said = {row["id"]: row["messages"] for row in lines("rows/all.jsonl")}
    shown = [one["data"] if tool == "label-studio" else one["fields"] | one["metadata"] for one in found]
    assert {one["sample"]: one["answer"] for one in shown} == {name: said[name][-1]["content"] for name in said}
    statements = {row["id"]: row for row in rows_of("statement")}
    assert all(statements[one["statement"]]["quote"] in one["quote"] for one in shown)
    manifest = json.loads(Path(tool, "manifest.json").read_bytes())
    for file in [*manifest["files"], *manifest["settings"]]:
        assert file["sha256"] == hashlib.sha256(Path(tool, file["name"]).read_bytes()).hexdigest()
    place = f"{tool}/{FORMATS[tool].bundle.file}:{len(found)}"  # type: ignore[union-attr]
    assert cli("trace", place, "--json").json["sample"]["id"] == shown[-1]["sample"]
    assert export(out=tool).code == 0  # another format takes the place of all its files
    assert not [path for path in Path(tool).rglob("*") if path.name in ("labels.xml", "settings.json", "tasks.json")]


def test_the_labelling_interface_shows_every_text_and_asks_by_the_names_that_are_read() -> None:
    data = tasks()[0]["data"]
    view = ElementTree.parse("label-studio/labels.xml").getroot()
    assert [text.get("value") for text in view.iter("Text")] == [f"${name}" for name in SHOWN]
    assert all(isinstance(data[name], str) for name in SHOWN)
    asked_for = {tag.get("name") for kind in ("Choices", "TextArea", "Rating") for tag in view.iter(kind)}
    assert asked_for == {"decision", "wording", "rating", "note"}
    assert not asked_for & set(data)  # JSON-MIN puts answers among the keys of a task
    assert "id" not in data


@pytest.mark.parametrize("more", [("--split", "0.9"), ("--parquet",), ("--metadata",), ("--dialogues",)])
@pytest.mark.parametrize("tool", TOOLS)
def test_a_bundle_is_no_training_file(tool: str, more: tuple[str, ...]) -> None:
    done = export(*more, form=tool)
    assert (done.code, done.out) == (2, "")
    assert not Path("out").exists()


# --- and back --------------------------------------------------------------------------------------


def test_judgements_of_label_studio_settle_samples_and_word_rows_anew() -> None:
    good, bad, other, *rest = tasks()
    good["annotations"] = [annotation(decision=["yes"], wording=["I would ring first."], rating=4)]
    bad["annotations"] = [annotation(decision=["no"], note=["too", "long"]), annotation(3, decision=["no"])]
    other["annotations"] = [annotation(decision=["yes"]) | {"was_cancelled": True}, annotation("ben@example.org")]
    rest[0]["annotations"] = [annotation(at="2026-03-02T10:00:00Z", rating=2), annotation(decision=["no"])]
    path = saved([good, bad, other, *rest])
    done = cli("import-reviews", path)
    assert done.code == 0, done.err
    assert "4 reviews taken in by 2 people (1 yes, 2 no, 1 neither, 1 reworded); 0 were there already" in done.err
    assert "passed over: 1 followed by a later one of the same person, 1 nothing said, 1 skipped" in done.err
    names = [one["data"]["sample"] for one in (good, bad, rest[0])]
    assert reviews() == sorted([
        (names[0], "ann@example.org", "accept", 4, "I would ring first.", None),
        (names[1], "ann@example.org", "reject", None, None, "too\nlong"),
        (names[1], "label-studio 3", "reject", None, None, None),
        (names[2], "ann@example.org", "comment", 2, None, None),
    ])  # fmt: skip
    assert {row["created_at"] for row in rows_of("review")} == {"2026-03-01T10:01:00.123Z", "2026-03-02T10:00:00.000Z"}
    assert names[1] not in kept()
    assert export().code == 0
    words = {row["id"]: row["messages"][-1]["content"] for row in lines("out/all.jsonl")}
    assert words[names[0]] == "I would ring first."
    assert names[1] not in words
    assert (taken()["added"], taken()["known"], len(rows_of("review"))) == (0, 4, 4)
    assert cli("doctor", "--store", "sqlite:///runs/culturepark.db").code == 0


def test_an_older_judgement_does_not_come_before_what_its_reviewer_said_since() -> None:
    one = tasks()[0]
    saved([one | {"annotations": [annotation(decision=["no"])]}])
    assert taken()["added"] == 1
    later = saved([one | {"annotations": [annotation(at="2026-03-05T00:00:00+02:00", decision=["yes"])]}], "later.json")
    assert taken(later)["added"] == 1
    assert taken()["known"] == 1
    assert one["data"]["sample"] in kept()
    assert len(rows_of("review")) == 2


def test_json_min_says_the_same_as_json() -> None:
    first, second, *_ = (one["data"] for one in tasks())
    said = {"created_at": WHEN, "updated_at": WHEN, "annotation_id": 1, "lead_time": 2.0}
    saved([
        first | {"id": 1, "decision": "yes", "rating": [{"rating": 4}], "annotator": "ann@example.org", **said},
        second | {"id": 2, "decision": "no", "note": {"text": ["a", "b"]}, "annotator": 2, **said},
    ])  # fmt: skip
    assert taken("back.json", "--reviewer", "2=Béla")["reviewers"] == ["Béla", "ann@example.org"]
    assert reviews() == sorted([
        (first["sample"], "ann@example.org", "accept", 4, None, None),
        (second["sample"], "Béla", "reject", None, None, "a\nb"),
    ])  # fmt: skip


def test_what_argilla_itself_writes_is_read() -> None:
    read = read_judgements(FROZEN, {"aaaa0000-0000-4000-8000-000000000001": "ann"})
    ben = "argilla bbbb0000-0000-4000-8000-000000000002"
    assert [
        (j.given.subject_id[-5:-3], j.given.reviewer, j.given.decision, j.given.rating, j.given.wording, j.given.note)
        for j in read.judgements
    ] == [
        ("s1", "ann", "accept", 4, None, None),
        ("s1", ben, "reject", None, None, "not so here"),
        ("s2", "ann", "accept", None, "I ring first, then I go.", None),
    ]
    assert read.left_out == []


def test_judgements_of_argilla_come_back_out_of_its_folder() -> None:
    found = tasks("argilla")
    frozen = json.loads(FROZEN.read_text("utf-8"))
    assert set(found[0]) == set(frozen[0])
    for record, written in zip(found, frozen, strict=False):
        record["responses"] = written["responses"]
    found[3]["responses"] = {"decision": [{"value": "no", "user_id": "x", "status": "draft"}]}
    saved(found, "argilla/records.json")
    done = taken("argilla", "--reviewer", "aaaa0000-0000-4000-8000-000000000001=ann", "--reviewer", "others")
    assert (done["added"], done["reviewers"], done["reworded"]) == (3, ["ann", "others"], 1)
    assert [one["why"] for one in done["left_out"]] == [SKIPPED]
    assert found[0]["id"] not in kept()  # as many reject it as accept it
    again = taken("argilla", "--reviewer", "aaaa0000-0000-4000-8000-000000000001=ann", "--reviewer", "others")
    assert (again["added"], again["known"]) == (0, 3)


# --- what else may come ----------------------------------------------------------------------------


def test_samples_that_are_not_there_and_words_that_were_changed_are_named() -> None:
    ours, theirs, edited, moved, *_ = found = tasks()
    for one in found:
        one["annotations"] = [annotation(decision=["yes"])]
    theirs["data"]["sample"] = "x.d1.t1.s1.x1"
    edited["data"]["answer"] += " And more."
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        new = json.dumps([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}])
        db.execute("UPDATE sample SET messages = ? WHERE id = ?", (new, moved["data"]["sample"]))
        db.commit()
    saved([ours, theirs, edited, moved])
    done = cli("import-reviews", "back.json")
    assert done.code == 0
    assert "1 judgement of a sample that this store does not have: entry 2, annotation 1: x.d1.t1.s1.x1" in done.err
    assert f"entry 3, annotation 1: {edited['data']['sample']}; entry 4, annotation 1: " in done.err
    assert len(rows_of("review")) == 1


ODD: dict[str, Callable[[dict[str, Any]], object]] = {
    "a choice that nobody offered": lambda a: a.update(result=annotation(decision=["maybe"])["result"]),
    "two choices": lambda a: a.update(result=annotation(decision=["yes", "no"])["result"]),
    "six stars": lambda a: a.update(result=annotation(rating=6)["result"]),
    "stars that are no number": lambda a: a.update(result=annotation(rating=True)["result"]),
    "a wording beyond measure": lambda a: a.update(result=annotation(wording=["x" * 5000])["result"]),
    "a wording of numbers": lambda a: a.update(result=annotation(wording=[1, 2])["result"]),
    "NUL": lambda a: a.update(result=annotation(note=["a\0b"])["result"]),
    "a broken character": lambda a: a.update(result=annotation(note=["a\ud800b"])["result"]),
    "results that are none": lambda a: a.update(result="all"),
    "nobody": lambda a: a.update(completed_by=None),
    "a name that cannot be printed": lambda a: a.update(completed_by={"email": "ann\x1b[2J"}),
    "a name without end": lambda a: a.update(completed_by="a" * 81 + "@example.org"),
    "a name of another kind": lambda a: a.update(completed_by=[1]),
}


@pytest.mark.parametrize("odd", ODD)
def test_what_cannot_be_read_is_named_and_the_rest_counts(odd: str) -> None:
    first, second, *_ = tasks()
    first["annotations"] = [annotation(decision=["yes"]), annotation(9, decision=["no"])]
    second["annotations"] = [annotation(decision=["yes"])]
    ODD[odd](first["annotations"][0])
    saved([first, second])
    done = taken()
    assert done["added"] == 2
    assert [(one["why"], one["where"].partition(":")[0]) for one in done["left_out"]] == [
        (BROKEN, "entry 1, annotation 1")
    ]
    assert all(ord(char) >= 32 for one in done["left_out"] for char in one["where"])


@pytest.mark.parametrize(
    "text",
    [
        b"", b"nothing", b"{}", b"[]", b"[1]", b'"x"', b"null", b"[{}]", b"\xff\xfe", b"[" * 100_000,
        b'[{"annotations": 3}]', b'[{"annotations": [3]}]', b'[{"annotations": [{}], "data": 1}]',
        b'[{"responses": 3}]', b'[{"responses": {"decision": [1]}}]', b'[{"annotator": 1}]',
        b'[{"annotations": [{"completed_by": 1}], "data": {"sample": "a\\u0000", "digest": "", "answer": ""}}]',
        b'[{"annotations": [{"updated_at": "0001-01-01T00:00:00+23:00"}]}]',
    ],
)  # fmt: skip
def test_other_files_are_refused_in_one_line_or_hold_nothing(text: bytes) -> None:
    Path("odd.json").write_bytes(text)
    done = cli("import-reviews", "odd.json")
    assert done.code in (0, 2), done.err
    assert "a bug" not in done.err
    assert rows_of("review") == []
    assert done.code == 2 or "0 reviews taken in" in done.err


def test_files_that_are_not_there_and_two_names_for_everybody_are_refused() -> None:
    assert "none.json: no such file" in cli("import-reviews", "none.json").err
    saved([])
    done = cli("import-reviews", "back.json", "--reviewer", "ann", "--reviewer", "ben")
    assert done.code == 2
    assert "--reviewer USER=NAME" in done.err


def test_a_time_to_come_is_now_and_no_time_is_the_time_of_the_import() -> None:
    first, second, *_ = tasks()
    first["annotations"] = [annotation(at="9999-12-31T23:59:59Z", decision=["yes"])]
    second["annotations"] = [annotation(at="yesterday", decision=["yes"])]
    saved([first, second])
    assert taken()["added"] == 2
    assert max(row["created_at"] for row in rows_of("review")) < "2100"
    assert taken()["known"] == 2


def test_a_file_is_taken_in_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    found = tasks()
    for one in found:
        one["annotations"] = [annotation(decision=["yes"])]
    saved(found)
    with monkeypatch.context() as patched:
        patched.setattr("culturepark.store.reviews.settle", out_of_room)
        done: Done = cli("import-reviews", "back.json")
    assert done.code == 5
    assert rows_of("review") == []
    assert taken()["added"] == len(found)


def test_ten_thousand_judgements_are_taken_in() -> None:
    found = tasks()
    each = 10_000 // len(found)
    for one in found:
        one["annotations"] = [annotation(f"p{n}@example.org", decision=["yes"]) for n in range(each)]
    saved(found)
    assert taken()["added"] == each * len(found)


def out_of_room(*_: object) -> None:
    from culturepark.errors import StoreError

    raise StoreError("no room")


def test_silence_is_no_review() -> None:
    one = tasks()[0]
    one["annotations"] = [annotation(), annotation(2, wording=[one["data"]["answer"]])]
    saved([one])
    assert [out["why"] for out in taken()["left_out"]] == [SILENT, SILENT]
    assert reviews() == []


def test_a_person_who_is_named_later_is_not_two_people() -> None:
    task = tasks()[0]
    saved([task | {"annotations": [annotation(7, decision="yes")]}])
    assert "named by ids (7); `--reviewer ID=NAME`" in cli("import-reviews", "back.json").err
    assert taken("back.json", "--reviewer", "7=anna")["renamed"] == 1
    assert taken("back.json", "--reviewer", "7=anna")["renamed"] == 0
    assert [row["reviewer"] for row in rows_of("review") if not row["withdrawn_at"]] == ["anna"]
    assert "named by ids" not in cli("import-reviews", "back.json", "--reviewer", "anna").err


def test_two_ids_of_one_person_are_one_and_what_was_said_since_stays() -> None:
    task = tasks()[0]
    saved([task | {"annotations": [annotation(7, decision="yes"), annotation(8, decision="no")]}])
    assert taken()["added"] == 2
    assert taken("back.json", "--reviewer", "anna")["renamed"] == 2
    saved([task | {"annotations": [annotation(7, "2026-11-28T10:00:00Z", decision="no")]}])
    assert taken()["added"] == 1
    saved([task | {"annotations": [annotation(7, decision="yes")]}])
    assert taken("back.json", "--reviewer", "7=ben")["renamed"] == 0


@pytest.mark.parametrize("tool", ["label-studio", "argilla"])
def test_what_nobody_has_judged_says_so(tool: str) -> None:
    tasks(tool)
    for path in (tool, f"{tool}/{FORMATS[tool].bundle.file}"):  # type: ignore[union-attr]
        done = cli("import-reviews", path)
        assert done.code == 2
        assert "nobody has annotated" in done.err


def test_a_folder_without_judgements_and_a_file_that_is_no_text_are_told_in_our_words() -> None:
    Path("empty").mkdir()
    assert "records.json (Argilla) or tasks.json (Label Studio)" in cli("import-reviews", "empty").err
    Path("odd.json").write_bytes(b'[{"a": "\xff"}]')
    assert "is not UTF-8 (byte 8)" in cli("import-reviews", "odd.json").err
