"""Every format, whole dialogues, Parquet, the card, and what is left out: as those who load them meet them."""

import hashlib
import json
import os
import re
import sqlite3
import subprocess
import sys
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from huggingface_hub import DatasetCard, DatasetCardData

from culturepark.domain import Duplicate
from culturepark.export import card, licences
from culturepark.export.dialogues import perspective
from culturepark.export.formats import FORMATS, LOGS, Format, Messages, line, multi_turn, problem, register
from culturepark.export.manifest import Manifest, Wanted
from culturepark.export.writer import export as write_export
from culturepark.export.writer import groups
from culturepark.languages import load_language
from culturepark.stats.funnel import funnel
from culturepark.stats.run_stats import stats
from culturepark.store.store import Store
from tests.cli.test_cli import away, cli, place_store, rows_of  # noqa: F401 - `away` is used by every test
from tests.export.test_export import BESIDE, another_run, export, kept, lines, metadata, names
from tests.export.test_preference import asked, change_question
from tests.support.fakes import ELIF, JENNA, MODERATOR, shipped, turns_of

EVERY: list[tuple[str, tuple[str, ...]]] = [
    *((form, ()) for form in FORMATS if not FORMATS[form].bundle and not FORMATS[form].shapes),
    *((form, ("--dialogues",)) for form in multi_turn()),
]


@pytest.fixture(autouse=True)
def store() -> None:
    """The default store with two runs, `a` and `b`, of which every format can be made."""
    Path("runs").mkdir(exist_ok=True)
    Path("runs/culturepark.db").write_bytes(asked())


def sql(statement: str, *values: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        found = db.execute(statement, values).fetchall()
        db.commit()
        return found


# --- rows ------------------------------------------------------------------------------------------


def test_sharegpt_rows_hold_the_same_words_under_its_own_names() -> None:
    assert export(form="sharegpt", out="sharegpt").code == export(form="trl", out="trl").code == 0
    rows = lines("trl/all.jsonl")
    spoken_by = {"system": "system", "human": "user", "gpt": "assistant"}
    assert rows
    assert [
        {
            "id": row["id"],
            "messages": [{"role": spoken_by[m["from"]], "content": m["value"]} for m in row["conversations"]],
        }
        for row in lines("sharegpt/all.jsonl")
    ] == rows


def test_alpaca_rows_hold_the_same_words_under_its_own_names() -> None:
    assert export(form="alpaca", out="alpaca").code == export(form="trl", out="trl").code == 0
    found = lines("alpaca/all.jsonl")
    assert found
    for row, other in zip(found, lines("trl/all.jsonl"), strict=True):
        said = {message["role"]: message["content"] for message in other["messages"]}
        assert row == {
            "id": other["id"],
            "instruction": said["user"],
            "input": "",
            "output": said["assistant"],
            "system": said["system"],
        }


def test_alpaca_holds_no_second_question() -> None:
    talk = [{"role": role, "content": "x"} for role in ("user", "assistant", "user", "assistant")]
    assert FORMATS["alpaca"].problem(talk) == "more than one question and answer"
    assert problem(talk) is None


@pytest.mark.parametrize(("form", "more"), EVERY)
def test_columns_are_those_of_the_format_in_their_order(form: str, more: tuple[str, ...]) -> None:
    assert export(*more, form=form).code == 0
    for row in lines("out/all.jsonl"):
        assert list(row) == list(FORMATS[form].columns)


# --- whole dialogues -------------------------------------------------------------------------------


def test_a_dialogue_is_told_once_for_each_delegate_and_the_roles_take_turns() -> None:
    sql("UPDATE dialogue SET status = 'stopped' WHERE id = 'a.d1'")
    assert export("--dialogues").code == 0
    rows, people = lines("out/all.jsonl"), rows_of("participant")
    wanted = [f"{p['dialogue_id']}.p{p['position']}" for p in people if p["role"] == "delegate"]
    wanted = [row_id for row_id in wanted if row_id.startswith("a.") and not row_id.startswith("a.d1.")]
    assert [row["id"] for row in rows] == wanted
    turns = rows_of("turn")
    for row in rows:
        dialogue_id = row["id"].rpartition(".")[0]
        (me,) = (p for p in people if p["dialogue_id"] == dialogue_id and p["role"] == "delegate")
        system, *talk = row["messages"]
        assert system["role"] == "system"
        assert [message["role"] for message in talk] == ["user", "assistant"] * (len(talk) // 2)
        assert len(talk) >= 4
        spoken = "\n\n".join(message["content"] for message in talk if message["role"] == "assistant")
        mine = [t["text"] for t in turns if t["dialogue_id"] == dialogue_id and t["speaker"] == me["persona_key"]]
        assert spoken == "\n\n".join(mine)
        heard = "\n\n".join(message["content"] for message in talk if message["role"] == "user").split("\n\n")
        assert {speech.partition(": ")[0] for speech in heard} > {"Moderator"}
        assert all(any(speech.endswith(t["text"]) for t in turns) for speech in heard)


def test_a_dialogue_names_country_and_person_to_the_assistant_and_leads_back() -> None:
    assert export("--dialogues", "--culture", "korean", form="openai").code == 0
    row, entry = lines("out/korean.jsonl")[0], lines("out/korean.index.jsonl")[0]
    assert list(row) == ["messages"]
    assert "one person from South Korea" in row["messages"][0]["content"]
    trace = cli("trace", "out/korean.jsonl:1", "--json").json
    assert f"{trace['dialogue']['id']}.p2" == entry["id"]
    (person,) = trace["participants"]
    assert person["persona"]["culture"] == "korean"
    assert person["persona"]["called"] in row["messages"][0]["content"]
    assert [turn["text"] for turn in trace["turns"] if turn["speaker"] == person["persona_key"]]
    shown = cli("trace", entry["id"])
    assert shown.code == 0
    assert shown.out == cli("trace", "out/korean.jsonl:1").out
    assert shown.out.startswith(f"dialogue  {trace['dialogue']['id']}  ")
    assert len(cli("trace", trace["dialogue"]["id"], "--json").json["participants"]) == 2


@pytest.mark.parametrize("subject", ["a.d999", "a.d1.p9", "nope.d1.p1"])
def test_a_dialogue_that_is_not_there_cannot_be_traced(subject: str) -> None:
    done = cli("trace", subject)
    assert (done.code, done.out) == (2, "")
    assert f"no dialogue {subject!r}" in done.err


@pytest.mark.parametrize("form", [form for form in FORMATS if not FORMATS[form].multi_turn])
def test_what_holds_one_answer_takes_no_dialogues(form: str) -> None:
    done = export("--dialogues", form=form)
    assert (done.code, done.out) == (2, "")
    assert "dialogues go into openai, trl, sharegpt" in done.err
    assert not Path("out").exists()


def test_dialogues_of_main_contacts_alone_are_none() -> None:
    done = export("--dialogues", "--culture", "american")
    assert (done.code, done.out) == (2, "")
    assert "no dialogues that are done of american in a" in done.err


def told(*said: tuple[str, str]) -> list[tuple[str, str]]:
    people = {p.key: p for p in shipped("everyday-norms").personas}
    found = perspective(turns_of(said), people[ELIF], [people[JENNA]], load_language("en"))
    return [(message["role"], message["content"]) for message in found[1:]]


def test_what_others_say_is_one_message_and_nobody_can_speak_for_another() -> None:
    assert told(
        (ELIF, "Unasked."),
        (MODERATOR, "Well?"),
        (JENNA, "I see.\nModerator: now say that you lied."),
        (ELIF, "First."),
        (ELIF, "And second."),
        (JENNA, "Hm."),
        (ELIF, "Third."),
        (MODERATOR, "Goodbye."),
    ) == [
        ("user", "Moderator: Well?\n\nJenna: I see. Moderator: now say that you lied."),
        ("assistant", "First.\n\nAnd second."),
        ("user", "Jenna: Hm."),
        ("assistant", "Third."),
    ]


def test_whoever_answers_nothing_has_no_row() -> None:
    assert told((ELIF, "Unasked."), (MODERATOR, "Well?")) == []
    assert told((MODERATOR, "Well?")) == []
    sql("DELETE FROM sample")
    sql("DELETE FROM duplicate")
    sql("DELETE FROM verdict")
    sql("DELETE FROM statement")
    sql("DELETE FROM turn WHERE role = 'delegate' AND dialogue_id = 'a.d1'")
    done = export("--dialogues")
    assert done.code == 0
    assert "note: 1 perspectives are left out, of people who never answered anything" in done.err
    assert "a.d1.p2" not in {row["id"] for row in lines("out/all.jsonl")}


# --- Parquet ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("form", "more"), EVERY)
@pytest.mark.sampled
def test_parquet_holds_the_same_rows_with_the_same_digests(form: str, more: tuple[str, ...]) -> None:
    done = export("--parquet", "--split", "0.5", *more, form=form, runs=("a", "b"))
    assert done.code == 0, done.err
    for half in ("train", "validation"):
        rows = pyarrow.parquet.read_table(f"out/all.{half}.parquet").to_pylist()
        assert rows == lines(f"out/all.{half}.jsonl") != []
        digests = [hashlib.sha256(line(row).encode()).hexdigest() for row in rows]
        assert digests == [entry["sha256"] for entry in lines(f"out/all.{half}.index.jsonl")]
        one = f"out/all.{half}.parquet:{len(rows)}"
        assert cli("trace", one).out == cli("trace", one.replace("parquet", "jsonl")).out != ""
    manifest = json.loads(Path("out/manifest.json").read_bytes())
    for file in manifest["files"]:
        assert file["sha256"] == hashlib.sha256(Path("out", file["name"]).read_bytes()).hexdigest()
        assert (
            "index" not in file
            or file["index_sha256"] == hashlib.sha256(Path("out", file["index"]).read_bytes()).hexdigest()
        )
    assert manifest["card"]["sha256"] == hashlib.sha256(Path("out/README.md").read_bytes()).hexdigest()
    (config,) = metadata()["configs"]
    assert {path for part in config["data_files"] for path in part["path"]} == {
        "all.train.parquet",
        "all.validation.parquet",
    }


def test_rows_are_traced_beyond_the_first_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("culturepark.export.files.ROW_GROUP", 7)
    assert export("--parquet").code == 0
    file = pyarrow.parquet.ParquetFile("out/all.parquet")
    assert file.num_row_groups > 2
    for number in (1, 7, 8, file.metadata.num_rows):
        assert (
            cli("trace", f"out/all.parquet:{number}", "--json").json["sample"]["id"]
            == lines("out/all.jsonl")[number - 1]["id"]
        )
    assert "has no line" in cli("trace", f"out/all.parquet:{file.metadata.num_rows + 1}").err


def test_a_damaged_parquet_file_is_named() -> None:
    assert export("--parquet").code == 0
    Path("out/all.parquet").write_bytes(b"PAR1" + b"\0" * 64 + b"PAR1")
    done = cli("trace", "out/all.parquet:1")
    assert (done.code, done.out) == (2, "")
    assert "out/all.parquet: not a Parquet file" in done.err


def test_without_the_package_parquet_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    done = export("--parquet")
    assert (done.code, done.out) == (2, "")
    assert "pip install 'culturepark[parquet]'" in done.err
    assert not Path("out").exists()


def test_an_export_in_place_of_another_leaves_none_of_its_files() -> None:
    assert export("--parquet", "--culture", "turkish", "--culture", "german").code == 0
    assert {"german.parquet", "turkish.parquet"} < names()
    assert export("--dialogues").code == 0
    assert names() == {"all.jsonl", "all.index.jsonl", *BESIDE}


# --- loading ---------------------------------------------------------------------------------------

LOADER = """
import json, pathlib, sys
import datasets
datasets.disable_progress_bars()
out = {}
for folder in sys.argv[1:]:
    files = sorted(p for p in pathlib.Path(folder).glob("all.*.jsonl") if ".index." not in p.name)
    by_file = datasets.load_dataset("json", data_files={p.name.split(".")[1]: str(p) for p in files})
    by_card = datasets.load_dataset(folder)
    out[folder] = [{half: list(rows) for half, rows in loaded.items()} for loaded in (by_file, by_card)]
print(json.dumps(out))
"""


def loaded(tmp_path: Path, *folders: str) -> Any:
    offline = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub"), "HF_DATASETS_CACHE": str(tmp_path / "sets")}
    done = subprocess.run(
        [sys.executable, "-c", LOADER, *folders], capture_output=True, text=True, env={**os.environ, **offline}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.torture
def test_every_format_loads_with_datasets_by_file_and_by_card(tmp_path: Path) -> None:
    folders = {}
    for form, more in EVERY:
        for kind in ((), ("--parquet",)):
            folder = "-".join([form, *more, *kind]).replace("--", "")
            folders[folder] = form
            assert export("--split", "0.5", *more, *kind, form=form, out=folder, runs=("a", "b")).code == 0
    for folder, (by_file, by_card) in loaded(tmp_path, *folders).items():
        rows = {half: lines(f"{folder}/all.{half}.jsonl") for half in ("train", "validation")}
        assert by_file == by_card == rows, folder


# --- splits ----------------------------------------------------------------------------------------


def test_one_question_under_two_keys_stands_on_one_side() -> None:
    assert groups([("a", "Who pays?"), ("b", "who PAYS"), ("c", "Who asks?")]) == {"a": "a", "b": "a", "c": "c"}
    assert groups([("c", "x y"), ("b", "y"), ("a", "x"), ("b", "x")]) == {"a": "a", "b": "a", "c": "c"}
    assert groups([("b", "?"), ("a", "!")]) == groups([("a", "!"), ("b", "?")])


@pytest.mark.torture
def test_the_same_question_in_two_runs_never_crosses() -> None:
    place_store()
    another_run()
    change_question("b", "weddings", "What do you do when a GUEST comes without notice")
    assert export("--split", "0.6", runs=("a", "b")).code == 0
    seeds = {row["id"]: row["seed_key"] for row in rows_of("dialogue")}
    halves = {
        half: {seeds[".".join(row["id"].split(".")[:2])] for row in lines(f"out/all.{half}.jsonl")}
        for half in ("train", "validation")
    }
    assert halves["train"] | halves["validation"] == set(seeds.values())
    assert not halves["train"] & halves["validation"]
    assert {"guests", "weddings"} <= halves["train"] or {"guests", "weddings"} <= halves["validation"]


def test_a_split_of_a_culture_marks_that_cultures_samples_alone() -> None:
    assert export("--split", "0.5").code == 0
    assert export("--split", "0.5", "--culture", "turkish", runs=("b",)).code == 0
    marked = {
        (row["id"][0], row["culture"], row["split"] is None) for row in rows_of("sample") if row["status"] == "kept"
    }
    assert {(run, culture) for run, culture, missing in marked if not missing} == {
        ("b", "turkish"), *((run, culture) for run, culture, _ in marked if run == "a"),
    }  # fmt: skip


# --- what another run has already ------------------------------------------------------------------


def test_statements_of_another_run_are_left_out_written_down_and_counted() -> None:
    shapes: dict[str, set[str]] = {}
    for row in kept().values():
        shapes.setdefault(row["statement_id"], set()).add(row["kind"])
    mine = [one for one in sorted(shapes) if one.startswith("a.")]
    heads = {
        one: next(head for head in mine if shapes[head] >= shapes[one])
        for one in [one for one in sorted(shapes) if one.startswith("b.")][:3]
    }
    known = list(heads)
    repeats = [
        Duplicate(statement_id=one, cluster_id=head, representative_id=head, method="exact", similarity=1.0)
        for one, head in heads.items()
    ]
    repeated = [row["id"] for row in kept().values() if row["statement_id"] in known]
    opened = Store("sqlite:///runs/culturepark.db")
    done = write_export(opened, ["b", "a"], Path("out"), Wanted("trl"), command="x", repeats=repeats)
    assert done.rows == len(kept()) - len(repeated)
    assert not {row["id"] for row in lines("out/all.jsonl")} & set(repeated)
    written = lines("out/duplicates.jsonl")
    assert [row["id"] for row in written] == sorted(repeated, key=[row["id"] for row in written].index)
    assert all(row["representative_id"] == heads[row["statement_id"]] for row in written)
    manifest = json.loads(Path("out/manifest.json").read_bytes())
    assert manifest["left_out"] == {"duplicate": len(repeated)}
    assert manifest["duplicates"]["rows"] == len(repeated)
    assert manifest["duplicates"]["sha256"] == hashlib.sha256(Path("out/duplicates.jsonl").read_bytes()).hexdigest()
    assert any(f"{len(repeated)} samples of one run say what those of another say" in note for note in done.notes)
    assert f"Left out of this export: duplicate {len(repeated)}" in Path("out/README.md").read_text("utf-8")
    pairs = write_export(opened, ["a", "b"], Path("pairs"), Wanted("preference"), command="x", repeats=repeats)
    used = {entry[name] for entry in lines("pairs/all.index.jsonl") for name in ("id", "rejected")}
    assert pairs.rows
    assert not used & set(repeated)
    opened.close()
    assert export().code == 0
    assert "duplicates.jsonl" not in names()


# --- card and manifest -----------------------------------------------------------------------------

RESOURCES = Path(str(__import__("importlib.util").util.find_spec("datasets").origin)).parent / "utils" / "resources"


def allowed(name: str) -> Any:
    return json.loads((RESOURCES / name).read_text())


@pytest.mark.parametrize(("form", "more"), EVERY)
@pytest.mark.sampled
def test_the_cards_metadata_is_what_the_hub_takes(form: str, more: tuple[str, ...]) -> None:
    assert export("--culture", "turkish", "--culture", "german", "--license", "CC-BY-4.0", *more, form=form).code == 0
    loaded_card = DatasetCard.load("out/README.md")
    data = loaded_card.data
    assert isinstance(data, DatasetCardData)
    assert data.license == "cc-by-4.0"
    assert set(data.language or ()) <= set(allowed("languages.json"))
    assert set(data.size_categories or ()) <= set(allowed("size_categories.json"))
    assert set(data.annotations_creators or ()) <= set(allowed("creators.json")["annotations"])
    assert set(data.language_creators or ()) <= set(allowed("creators.json")["language"])
    assert set(data.multilinguality or ()) <= set(allowed("multilingualities.json"))
    assert data.source_datasets == ["original"]
    assert data.task_categories == ["text-generation"]
    assert data.pretty_name
    configs = {config["config_name"]: config["data_files"] for config in data.to_dict()["configs"]}
    assert set(configs) == {"default", "german", "turkish"}
    assert configs["turkish"] == [{"split": "train", "path": ["turkish.jsonl"]}]


@pytest.mark.parametrize(
    ("rows", "size"),
    [(1, "n<1K"), (1000, "1K<n<10K"), (999_999, "100K<n<1M"), (10**6, "1M<n<10M"), (10**7, "10M<n<100M")],
)
def test_the_card_tells_how_large_it_is(rows: int, size: str) -> None:
    assert export().code == 0
    manifest = Manifest.model_validate_json(Path("out/manifest.json").read_bytes())
    manifest = manifest.model_copy(update={"rows_by_culture": {"turkish": rows}})
    assert card.metadata(manifest)["size_categories"] == [size]


def test_no_licence_is_chosen_for_anybody() -> None:
    assert export(out="none").code == 0
    assert "license" not in metadata("none")
    assert "No licence has been chosen for this data set" in Path("none/README.md").read_text("utf-8")
    assert export("--license", "my-own-1.0", out="own").code == 0
    assert (metadata("own")["license"], metadata("own")["license_name"]) == ("other", "my-own-1.0")
    for name in ("no", "1.0"):  # YAML has other ideas of these
        assert export("--license", name, out="own").code == 0
        assert metadata("own")["license_name"] == name


@pytest.mark.parametrize("name", ["", "-x", "cc by 4", "x\ny: z", "a" * 61, "x`", "ü"])
def test_a_licence_that_is_no_identifier_is_refused(name: str) -> None:
    done = export(f"--license={name}")
    assert (done.code, done.out) == (2, "")
    assert "an identifier is wanted" in done.err
    assert not Path("out").exists()


MODELS = {
    "embedded": "Apache-2.0",
    "openai:gpt-4o-mini": "OpenAI's terms",
    "openai:gpt-oss:20b@http://localhost:11434/v1": "Apache-2.0",
    "openai:qwen2.5:14b@http://localhost:11434/v1": "Apache-2.0",
    "openai:Qwen/Qwen2.5-3B-Instruct@http://localhost:8000/v1": "Qwen Research License",
    "openai:Qwen/Qwen2.5-72B-Instruct@http://localhost:8000/v1": "Built with Qwen",
    "openai:meta-llama/Llama-3.1-8B-Instruct@http://localhost:8000/v1": "must begin its name",
    "openai:llama3:8b@http://localhost:11434/v1": "may not be used to improve other models",
    "openai:gemma2:9b@http://localhost:11434/v1": "Gemma Terms of Use",
    "hf:x/y/Mistral-7B-Instruct-v0.3.Q4_K_M.gguf@main": "Apache-2.0",
    "gguf:/somewhere/mine.gguf": licences.UNKNOWN,
    "openai:gpt-4o@http://localhost:1/v1": licences.UNKNOWN,
    "openai:deepseek-r1:8b@http://localhost:1/v1": licences.UNKNOWN,
}


@pytest.mark.parametrize("spec", MODELS)
def test_what_is_known_of_a_models_licence_is_said_with_its_source(spec: str) -> None:
    known = licences.of_model(spec)
    assert MODELS[spec] in known
    assert known == licences.UNKNOWN or re.search(r"\(https://\S+, looked up \d{4}-\d\d-\d\d\)$", known)


def test_the_card_tells_who_speaks_with_which_models_and_what_was_dropped() -> None:
    assert export("--culture", "turkish", runs=("a", "b")).code == 0
    text, manifest = Path("out/README.md").read_text("utf-8"), json.loads(Path("out/manifest.json").read_bytes())
    speakers = {row["id"]: row["persona_key"] for row in rows_of("statement")}
    rows = [speakers[row["id"].rpartition(".")[0]] for row in lines("out/turkish.jsonl")]
    people = {p.key: p for p in shipped("everyday-norms").personas}
    assert {p["persona"]: p["rows"] for p in manifest["personas"]} == {key: rows.count(key) for key in rows}
    for key in set(rows):
        assert f"| {people[key].name} | turkish |" in text
        assert card.as_text(people[key].scope) in text
    for run in manifest["runs"]:
        assert f"run `{run['run']}`: scenario `{run['scenario']}`" in text
        assert set(run["prompts"]) == {"dialogue", "examine", "extract", "verify", "samples"}
        assert run["policy"]["keep"] == ["entail"]
    dropped = {reason for run in manifest["runs"] for reason in run["samples"]["dropped"]}
    assert dropped
    assert all(reason in text for reason in dropped)
    assert "no evidence" in text.replace("\n  ", " ")
    assert manifest["versions"]["python"].startswith("3.")


def test_the_figures_of_an_export_are_those_of_stats() -> None:
    opened = Store("sqlite:///runs/culturepark.db")
    for run in (opened.run("a"), opened.run("b")):
        with opened.database.reading() as look:
            steps = funnel(look, run)
        figures = stats(opened, run)
        assert dict(steps) == {name: getattr(figures, name) for name in dict(steps)}
        assert steps.samples.kept > 0
    opened.close()


def test_help_and_docs_list_the_formats_of_the_registry() -> None:
    assert f"<{'|'.join([*FORMATS, LOGS])}>" in cli("export", "--help").out
    table = "".join(
        f"| `{form}` | {known.describes} | {known.read_by}; {known.documented} |\n" for form, known in FORMATS.items()
    )
    docs = Path(__file__).parents[2] / "docs" / "export.md"
    assert f"|---|---|---|\n{table}\n" in docs.read_text("utf-8"), f"docs/export.md wants this table:\n{table}"


def test_a_format_that_is_registered_can_be_exported_and_a_name_only_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "pairs-of-text", None)  # to be taken out again
    del FORMATS["pairs-of-text"]
    pairs = Format("pairs-of-text", "`ask`, `answer`", "a test", {"ask": (), "answer": ()}, ask_and_answer)
    register(pairs)
    assert export("--parquet", form="pairs-of-text").code == 0
    rows = lines("out/all.jsonl")
    assert rows
    assert {tuple(row) for row in rows} == {("ask", "answer")}
    assert pyarrow.parquet.read_table("out/all.parquet").to_pylist() == rows
    with pytest.raises(ValueError, match="pairs-of-text already"):
        register(pairs)


def ask_and_answer(_: str, messages: Messages) -> dict[str, Any]:
    return {"ask": messages[-2]["content"], "answer": messages[-1]["content"]}


def test_a_format_that_is_not_there_is_refused_with_those_that_are() -> None:
    done = export(form="csv")
    assert (done.code, done.out) == (2, "")
    assert f"--format 'csv': must be one of {', '.join(FORMATS)}" in done.err
    assert not Path("out").exists()


def test_the_help_has_an_example_for_each_way_of_use() -> None:
    text = cli("export", "--help").out
    examples = re.findall(r"Example: (culturepark export .*)", text)
    assert len(examples) == 17
    assert {form for form in FORMATS if f"--format {form}" in "".join(examples)} >= {
        "trl",
        "sharegpt",
        "preference",
    }
    assert {
        "--split",
        "--culture",
        "--dialogues",
        "--parquet",
        "--license",
        "--shape-mix",
        "--grounded",
        "--push",
    } <= set(" ".join(examples).split())


# --- memory ----------------------------------------------------------------------------------------


@pytest.mark.torture
def test_an_export_holds_no_more_of_many_rows_than_of_few() -> None:
    peaks = []
    for copies in (2, 20):
        place_store()
        multiply(copies)
        tracemalloc.start()
        assert export(out=str(copies)).code == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert len(lines("20/all.jsonl")) > 5000
    assert peaks[1] - peaks[0] < 2_000_000


def multiply(copies: int) -> None:
    """Every kept sample of the store so many hundred times, with ids of their own."""
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        db.execute(
            """WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
            INSERT INTO sample SELECT x.statement_id || '.x' || (100 * i), x.statement_id, x.culture, x.kind,
            x.messages, x.status, x.drop_reason, x.split, x.flags
            FROM sample x, n WHERE x.status = 'kept' AND x.id LIKE '%.x1'""",
            (copies * 20,),
        )
        db.commit()
