"""Preference pairs: what may be rejected, what may not, and that both answers lead back."""

import json
import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from culturepark.catalog.surveys import load_items
from culturepark.distill.wordings import form_in
from culturepark.domain import SurveyItem
from culturepark.export.pairs import Answer, pairs, sides_of
from tests.cli.test_cli import away, cli, rows_of  # noqa: F401 - `away` is used by every test
from tests.export.test_export import change_sample, export, lines
from tests.support.fakes import shipped
from tests.support.scratch import made_once

AGREE, DISAGREE = ("agree",), ("disagree",)


def answer(name: str, **values: Any) -> Answer:
    """A kept Turkish answer that agrees, in the shape `open`."""
    base = Answer(
        sample_id=name,
        seed_key="q",
        culture="turkish",
        persona_key="turkish-elif",
        shape="open",
        kept=True,
        side=AGREE,
        other_side=DISAGREE,
        words=f"text of {name}",
        text_key=f"text of {name}",
        origin=f"statement of {name}",
        messages=({"role": "user", "content": "?"}, {"role": "assistant", "content": name}),
    )
    return replace(base, **values)


def german(name: str, **values: Any) -> Answer:
    return answer(name, **{"culture": "german", "side": DISAGREE, "other_side": AGREE} | values)


def paired(*answers: Answer, scale: bool = True) -> dict[str, str | None]:
    return {one.sample_id: other and other.sample_id for one, other in pairs(answers, scale)}


# --- what contrasts with what ----------------------------------------------------------------------


def test_another_cultures_answer_from_across_the_scale_is_rejected() -> None:
    assert paired(answer("mine"), german("theirs")) == {"mine": "theirs", "theirs": "mine"}


def test_answers_in_several_languages_are_paired_within_each() -> None:
    people = ((answer, "one"), (german, "other"))
    spoken = [make(f"{name} {code}", language=code) for code in ("tr", "de") for make, name in people]
    assert paired(*spoken) == {
        "one tr": "other tr", "other tr": "one tr", "one de": "other de", "other de": "one de"
    }  # fmt: skip


NO_CONTRAST = {
    "same side": german("theirs", side=AGREE, other_side=DISAGREE),
    "the middle, or no known stance": german("theirs", side=(), other_side=()),
    "another shape": german("theirs", shape="survey"),
    "another language": german("theirs", language="de"),
    "the same culture, kept": german("theirs", culture="turkish"),
    "the same words": german("theirs", text_key="text of mine"),
    "the same statement before it was reworded": german("theirs", origin="statement of mine"),
    "another culture's that goes against its own stance": german("theirs", kept=False),
}


@pytest.mark.parametrize("other", NO_CONTRAST.values(), ids=NO_CONTRAST.keys())
def test_what_is_no_contrast_is_not_rejected(other: Answer) -> None:
    assert paired(answer("mine"), other)["mine"] is None


def test_an_answer_of_the_same_culture_that_goes_against_its_speakers_stance_is_rejected() -> None:
    slip = answer("slip", kept=False, side=DISAGREE, other_side=AGREE)
    assert paired(answer("mine"), slip) == {"mine": "slip"}
    assert paired(answer("mine", side=DISAGREE, other_side=AGREE), slip) == {"mine": None}


def test_without_a_scale_any_answer_of_another_culture_is_a_contrast_and_none_of_the_same() -> None:
    none = {"side": (), "other_side": ()}
    found = paired(answer("a", **none), answer("b", **none), german("c", **none), scale=False)
    assert found == {"a": "c", "b": "c", "c": found["c"]}
    assert found["c"] in ("a", "b")


def test_answers_are_rejected_about_equally_often_and_always_the_same_ones() -> None:
    mine = [answer(f"mine {number}") for number in range(60)]
    theirs = [german(f"theirs {number}") for number in range(6)]
    found = paired(*mine, *theirs)
    used = Counter(found[one.sample_id] for one in mine)
    assert set(used) == {one.sample_id for one in theirs}
    assert set(used.values()) == {10}
    assert paired(*mine, *theirs) == found
    assert len({found[one.sample_id] for one in theirs}) == 6


def test_which_side_an_answer_takes_follows_from_its_speakers_stance_and_the_verdict() -> None:
    item = shipped("quickstart").scenario.seeds[0].item
    assert item is not None
    for option in item.options:
        own, other = (
            tuple(each.label for each in item.options if each.side == side != 0) for side in (option.side, -option.side)
        )
        assert sides_of(item, option.code, "entail") == (own, other)
        assert sides_of(item, option.code, "contradict") == (other, own)
        assert bool(own) == bool(other) == (option.side != 0)
        for relation in ("irrelevant", None):
            assert sides_of(item, option.code, relation) == ((), ())
    assert sides_of(item, None, None) == sides_of(item, 99, "entail") == sides_of(None, 1, "entail") == ((), ())


# --- whole exports ---------------------------------------------------------------------------------


def sql(*statements: str) -> None:
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        for statement in statements:
            assert db.execute(statement).rowcount > 0, statement
        db.commit()


def facts() -> dict[str, dict[str, Any]]:
    """Every sample with all that decides about it, read past the program."""
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        db.row_factory = sqlite3.Row
        query = """
            SELECT x.*, s.kind AS statement_kind, s.first_person, t.phase, d.seed_key, d.run_id, p.stance_code,
              (SELECT relation FROM verdict v WHERE v.statement_id = s.id AND v.criterion = 'stance') AS relation
            FROM sample x JOIN statement s ON s.id = x.statement_id JOIN turn t ON t.id = s.turn_id
            JOIN dialogue d ON d.id = t.dialogue_id
            JOIN participant p ON p.dialogue_id = d.id AND p.persona_key = s.persona_key"""
        return {row["id"]: dict(row) for row in db.execute(query)}


def side(sample: dict[str, Any]) -> int | None:
    """-1, 0 or 1 on the question's scale; None where there is none."""
    item = shipped("quickstart").scenario.seeds[0].item
    assert item is not None
    if sample["seed_key"] != item.key or sample["relation"] not in ("entail", "contradict"):
        return None
    own = next(option.side for option in item.options if option.code == sample["stance_code"])
    return own if sample["relation"] == "entail" else -own


ASKED = """\
name: {protocol}
title: What is said of two questions
setting: cross-cultural
cultures: [turkish, german, korean]
protocol: {protocol}
seeds:
  - survey: wvs7/Q33
  - key: guests
    question: What do you do when a guest comes without notice?
dialogues_per_seed: 3
max_turns: 8
"""


@cache
@made_once
def asked() -> bytes:
    """A database with the runs `a` and `b` of one scenario under two protocols."""
    with tempfile.TemporaryDirectory() as folder:
        url, copy = f"sqlite:///{folder}/made.db", Path(folder, "copy.db")
        for run_id, protocol in (("a", "self-guidance"), ("b", "free-chat")):
            scenario = Path(folder, f"{protocol}.yaml")
            scenario.write_text(ASKED.format(protocol=protocol))
            done = cli("simulate", scenario, "--model", "scripted", "--run-id", run_id, "--store", url)
            assert done.code == 0, done.err
        with closing(sqlite3.connect(f"{folder}/made.db")) as db:
            db.execute("VACUUM INTO ?", (str(copy),))
        return copy.read_bytes()


@pytest.fixture
def store() -> None:
    Path("runs").mkdir()
    Path("runs/culturepark.db").write_bytes(asked())


def form_of_answer(row: dict[str, Any], item: SurveyItem, code: int) -> str:
    """Say whether the rejected survey answer is in the form of the chosen one, and names its own option by it."""
    form = form_in(row["prompt"][-1]["content"], item)
    assert form is not None
    mark, entry = form.entries(item)[next(option.label for option in item.options if option.code == code)]
    chosen, rejected = row["chosen"][0]["content"], row["rejected"][0]["content"]
    if rejected == mark:
        assert chosen in {other for other, _ in form.entries(item).values()}
        return "choice alone"
    assert f": {entry}. " in rejected
    assert rejected.partition(":")[0] == chosen.partition(":")[0]
    return "choice and reason"


@pytest.mark.usefixtures("store")
def test_every_pair_is_of_one_question_and_takes_two_sides() -> None:
    done = export(form="preference", runs=("a", "b"))
    assert done.code == 0, done.err
    samples, rows, index = facts(), lines("out/all.jsonl"), lines("out/all.index.jsonl")
    assert len(rows) == len(index) > 10
    reasons: Counter[str] = Counter()
    forms: Counter[str] = Counter()
    for row, entry in zip(rows, index, strict=True):
        assert list(row) == ["prompt", "chosen", "rejected"]
        chosen, rejected = samples[entry["id"]], samples[entry["rejected"]]
        assert [*row["prompt"], *row["chosen"]] == json.loads(chosen["messages"])
        (answer,) = row["rejected"]
        if chosen["kind"] == "open":
            assert [answer] == json.loads(rejected["messages"])[-1:]
        else:
            forms[form_of_answer(row, load_items([])["wvs7/Q33"], rejected["stance_code"])] += 1
        assert row["rejected"] != row["chosen"]
        assert chosen["status"] == "kept"
        assert chosen["seed_key"] == rejected["seed_key"]
        assert chosen["kind"] == rejected["kind"] in ("survey", "open")
        if rejected["status"] == "kept":
            assert rejected["culture"] != chosen["culture"]
            reasons["another culture"] += 1
        else:
            assert rejected["drop_reason"] == "contradicts-stance"
            assert rejected["culture"] == chosen["culture"]
            assert rejected["phase"] != "opening" or rejected["run_id"] == "b"  # free chat opens with the question
            reasons["against its stance"] += 1
        if side(chosen) is not None:
            assert side(chosen) == -(side(rejected) or 0) != 0
        else:
            assert chosen["seed_key"] != "wvs7/Q33"
    assert set(forms) == {"choice alone", "choice and reason"}
    assert set(reasons) == {"another culture", "against its stance"}
    kept = [sample for sample in samples.values() if sample["status"] == "kept"]
    answers = [sample for sample in kept if sample["kind"] in ("survey", "open")]
    repeats = {row["id"] for row in lines("out/duplicates.jsonl")}
    alone = sum(sample["id"] not in repeats for sample in answers) - len(rows)
    assert f"note: {len(rows)} pairs; {alone} answers found no contrast, and" in done.err
    assert f"and {len(kept) - len(answers)} kept samples (norms, customs) answer no question" in done.err
    assert "Rejected does not mean wrong" in Path("out/README.md").read_text("utf-8")


@pytest.mark.usefixtures("store")
def test_a_contradiction_that_its_judge_was_unsure_of_is_no_answer() -> None:
    sql("UPDATE verdict SET confidence = 0.4 WHERE criterion = 'stance' AND relation = 'contradict'")
    assert export(form="preference", runs=("a", "b")).code == 0
    samples = facts()
    assert {samples[entry["rejected"]]["status"] for entry in lines("out/all.index.jsonl")} == {"kept"}


@pytest.mark.usefixtures("store")
def test_an_unfit_answer_is_in_no_pair() -> None:
    assert export(form="preference", out="before").code == 0
    chosen = lines("before/all.index.jsonl")[0]["id"]
    change_sample(
        chosen, messages=json.dumps([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "No.</s>"}])
    )
    done = export(form="preference")
    assert done.code == 0
    assert "1 answer is left out, with a control token in it" in done.err
    assert chosen not in Path("out/all.index.jsonl").read_text()
    assert "</s>" not in Path("out/all.jsonl").read_text()


@pytest.mark.usefixtures("store")
def test_answers_to_another_question_under_the_same_key_are_not_paired() -> None:
    """Seed keys are their writers' own: what was asked decides what is paired."""
    change_question("b", "guests", "Who should be asked first when a house is sold?")
    assert export(form="preference", runs=("a", "b")).code == 0
    samples = facts()
    found = [(samples[entry["id"]], samples[entry["rejected"]]) for entry in lines("out/all.index.jsonl")]
    guests = [(chosen, rejected) for chosen, rejected in found if chosen["seed_key"] == "guests"]
    assert guests
    assert all(chosen["run_id"] == rejected["run_id"] for chosen, rejected in guests)
    assert any(chosen["run_id"] != rejected["run_id"] for chosen, rejected in found)


def change_question(run_id: str, seed_key: str, question: str) -> None:
    from culturepark.models.chat import canonical, digest

    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        ((text,),) = db.execute("SELECT scenario FROM run WHERE id = ?", (run_id,))
        edition = json.loads(text)
        (seed,) = (seed for seed in edition["scenario"]["seeds"] if seed["key"] == seed_key)
        seed["question"] = question
        new = canonical(edition)
        db.execute("UPDATE run SET scenario = ?, scenario_digest = ? WHERE id = ?", (new, digest(new), run_id))
        db.commit()


@pytest.mark.usefixtures("store")
def test_of_one_culture_the_rejected_may_be_of_any_other() -> None:
    assert export("--culture", "turkish", form="preference", runs=("a", "b")).code == 0
    samples = facts()
    index = lines("out/turkish.index.jsonl")
    assert {samples[entry["id"]]["culture"] for entry in index} == {"turkish"}
    assert {samples[entry["rejected"]]["culture"] for entry in index} - {"turkish"}
    listed = json.loads(Path("out/manifest.json").read_bytes())["personas"]
    assert {person["culture"] for person in listed} == {samples[e["rejected"]]["culture"] for e in index} | {"turkish"}


@pytest.mark.usefixtures("store")
@pytest.mark.torture
def test_pairs_split_by_questions_and_both_answers_lead_back() -> None:
    assert export("--split", "0.6", form="preference", runs=("a", "b")).code == 0
    samples, seeds = facts(), {}
    for half in ("train", "validation"):
        index = lines(f"out/all.{half}.index.jsonl")
        seeds[half] = {samples[entry[name]]["seed_key"] for entry in index for name in ("id", "rejected")}
        for number, entry in list(enumerate(index, start=1))[:5]:
            trace = cli("trace", f"out/all.{half}.jsonl:{number}", "--json").json
            assert (trace["sample"]["id"], trace["rejected"]["sample"]["id"]) == (entry["id"], entry["rejected"])
            assert trace["rejected"]["turn"]["text"]
    assert seeds["train"]
    assert not seeds["train"] & seeds["validation"]
    shown = cli("trace", "out/all.train.jsonl:1").out
    assert shown.startswith("chosen:\nsample ")
    assert "\nrejected:\nsample " in shown


@pytest.mark.usefixtures("store")
def test_pairs_do_not_depend_on_the_order_in_which_runs_are_named() -> None:
    for out, runs in (("one", ("a", "b")), ("two", ("b", "a"))):
        assert export(form="preference", runs=runs, out=out).code == 0
    assert Path("one/all.jsonl").read_bytes() == Path("two/all.jsonl").read_bytes()


@pytest.mark.usefixtures("store")
def test_where_nothing_contrasts_there_is_no_export() -> None:
    sql(
        "UPDATE sample SET status = 'dropped', drop_reason = 'duplicate' WHERE culture != 'turkish' OR status != 'kept'"
    )
    done = export(form="preference")
    assert done.code == 2
    assert "no answers that another one contrasts with in a" in done.err
    assert not Path("out").exists()


@pytest.mark.usefixtures("store")
def test_norms_alone_make_no_pairs() -> None:
    sql("UPDATE sample SET status = 'dropped' WHERE kind != 'norm'")
    done = export(form="preference")
    assert done.code == 2
    assert "no kept answers to a question in a" in done.err
    assert {row["status"] for row in rows_of("sample")} == {"kept", "dropped"}
