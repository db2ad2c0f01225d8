"""`culturepark mine` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_cli import Done, cli

SCENARIO = """\
name: small
title: Some questions
setting: in-cultural
cultures: [turkish]
seeds:
  - survey: wvs7/Q33
  - survey: wvs7/Q28
  - survey: wvs7/Q27
  - {key: tea, question: 'Who pours the tea?'}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CULTUREPARK_STORE", "sqlite:///m.db")
    Path("small.yaml").write_text(SCENARIO, "utf-8")


def mine(what: str, *options: str) -> Done:
    return cli("mine", what, "--scenario", "small.yaml", "--culture", "turkish", *options)


SCRIPTED = ("--model", "scripted")


def test_a_mine_is_resumed_distilled_selected_and_exported_like_any_run() -> None:
    first = mine("seeds", *SCRIPTED, "--templates", "3", "--run-id", "s", "--until", "dialogue", "--json")
    assert first.code == 0, first.err
    assert json.loads(first.out)["samples"]["kept"] == 0
    assert cli("resume", "s").code == 0
    stats = json.loads(cli("stats", "s", "--json").out)
    assert stats["samples"]["kept"] == 3 * 6
    assert cli("distill", "s", "--from", "verify").code == 0
    assert cli("distill", "s", "--from", "dedup").code == 0
    again = json.loads(cli("stats", "s", "--json").out)
    assert again["samples"]["kept"] == 18
    assert cli("select", "s", "--size", "4", "--name", "four").code == 0
    assert cli("export", "four", "--format", "trl", "--out", "out").code == 0
    assert len(Path("out/all.jsonl").read_text("utf-8").splitlines()) == 4
    assert cli("queue", "s").code == 0
    assert "mine-seeds-small, seed 1" in cli("trace", "out/all.jsonl:1").out
    assert cli("replay", "s.d1", "--plain").code == 0
    assert cli("report", "s").code == 0
    assert cli("doctor").code == 0


def test_the_same_command_goes_on_with_the_same_rows() -> None:
    for _ in range(2):
        done = mine("seeds", "--how", "none", "--rows", "3", "--run-id", "n", "--json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["samples"]["kept"] == 9
    other = mine("seeds", "--how", "none", "--rows", "4", "--run-id", "n")
    assert other.code == 2
    assert "name another --run-id" in other.err


def test_norms_are_mined_reasoned_from_and_given_to_an_evaluation() -> None:
    done = mine("norms", *SCRIPTED, "--how", "top", "--count", "4", "--hold-out", "Q28", "--run-id", "m", "--json")
    assert done.code == 0, done.err
    kinds = json.loads(done.out)["samples"]["kept_by_kind"]
    assert kinds["norm"] > 0
    assert kinds["reasoned"] > 0
    options = ("--scenario", "small.yaml", "--culture", "turkish", *SCRIPTED, "--samples", "1", "--json")
    plain = cli("evaluate", "survey", "--norms", "m", "--framing", "persona", "--run-id", "e", *options)
    assert plain.code == 0, plain.err
    plain_arm, norms_arm = json.loads(plain.out)["settings"]["conditions"]["arms"]
    assert plain_arm == {"name": "plain"}
    assert (norms_arm["name"], norms_arm["of_run"]) == ("norms", "m")
    # The script says the same of both halves of the topic, so that one of them is left.
    assert {tuple(norm["shown"]) for norm in norms_arm["norms"]} == {("wvs7/Q33",)}
    neutral = cli("evaluate", "survey", "--norms", "m", "--framing", "neutral", *options)
    assert neutral.code == 2
    assert "--framing persona or observer" in neutral.err
    assert cli("evaluate", "survey", "--norms", "nowhere", *options).code == 2


def test_a_question_that_is_held_out_has_no_row() -> None:
    for what, options in (("seeds", ("--how", "none", "--rows", "2")), ("norms", (*SCRIPTED, "--how", "topic"))):
        done = mine(what, *options, "--hold-out", "Q28", "--hold-out", ".5", "--run-id", what, "--json")
        assert done.code == 0, done.err
        asked = {cell["seed"] for cell in json.loads(done.out)["stances"]}
        assert len(asked) == 1
        assert "wvs7/Q28" not in asked


def test_a_dry_run_says_what_it_takes_and_leaves_nothing_behind() -> None:
    for what in ("seeds", "norms"):
        done = mine(what, "--model", "openai:gpt-4o-mini@http://127.0.0.1:9/v1", "--dry-run", "--json")
        assert done.code == 0, done.err
        figures = json.loads(done.out)
        low, high = figures["calls"]
        assert 0 < low <= high
    alone = mine("seeds", "--how", "none", "--dry-run")
    assert alone.code == 0
    assert "nothing has been sent" in alone.out
    assert not Path("m.db").exists()


def test_a_forecast_holds_what_a_mine_then_takes() -> None:
    for what in ("seeds", "norms"):
        forecast = json.loads(mine(what, *SCRIPTED, "--dry-run", "--json").out)
        low, high = forecast["calls"]
        made = json.loads(mine(what, *SCRIPTED, "--run-id", f"f{what}", "--json").out)
        assert low <= made["calls"]["total"] <= high
        assert made["dialogues"]["done"] == forecast["dialogues"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("seeds", "--how", "none", "--model", "scripted"), "asks no model"),
        (("seeds", *SCRIPTED, "--role", "judge=scripted"), "speaker, verifier and embedder alone"),
        (("norms", *SCRIPTED, "--hold-out", "Q99"), "no such question"),
        (("norms", *SCRIPTED, "--hold-out", "1.5"), "between 0 and 1"),
        (("norms", *SCRIPTED, "--hold-out", ".2", "--hold-out", ".3"), "one share"),
        (("norms", *SCRIPTED, "--topic", "weather"), "family and gender"),
        (("seeds", *SCRIPTED, "--survey", "wvs7"), "either --survey or --scenario"),
        (("seeds", *SCRIPTED, "--language", "xx"), "no language"),
        (("seeds", *SCRIPTED, "--culture", "elvish"), "elvish"),
    ],
)
def test_wrong_options_are_named(options: tuple[str, ...], said: str) -> None:
    done = mine(*options)
    assert done.code == 2
    assert said in done.err
    assert not Path("m.db").exists()


def test_a_survey_is_named_by_its_name_or_its_file() -> None:
    done = cli("mine", "seeds", "--survey", "nosuch", "--culture", "turkish", "--how", "none")
    assert done.code == 2
    assert "wvs7" in done.err
    Path("mine.yaml").write_text(
        "survey: own\ntitle: Our own\nsource: us\nscales:\n  yes-no:\n"
        "  - {code: 1, label: 'yes', side: 1}\n  - {code: 2, label: 'no', side: -1}\n"
        "items:\n  A1:\n    topic: shoes\n    question: Do you take your shoes off at the door?\n    scale: yes-no\n"
        "    countries:\n      TUR: {n: 100, shares: {1: .9, 2: .1}}\n",
        "utf-8",
    )
    own = cli(
        "mine", "seeds", "--survey", "mine.yaml", "--culture", "turkish", "--how", "none", "--rows", "10", "--json"
    )
    assert own.code == 0, own.err
    assert json.loads(own.out)["samples"]["kept"] == 10


def test_the_embedded_model_is_too_small_to_be_asked() -> None:
    for options in (("seeds",), ("norms", "--model", "embedded"), ("norms", *SCRIPTED, "--role", "verifier=embedded")):
        for more in ((), ("--dry-run",)):
            done = mine(*options, "--run-id", "tiny", *more)
            assert (done.code, done.out) == (2, "")
            assert "three billion" in done.err
            assert "resume" not in done.err
            assert not Path("m.db").exists()  # no run is left behind


def test_no_word_on_the_embedded_model_where_no_model_is_asked() -> None:
    done = mine("seeds", "--how", "none", "--run-id", "n")
    assert done.code == 0
    stats = cli("stats", "n")
    assert "embedded" not in done.err + stats.out + stats.err


def test_questions_of_one_survey_do_not_leak_into_each_other() -> None:
    done = cli(
        "mine", "seeds", "--survey", "wvs7", "--how", "none", "--rows", "1", "--culture", "german", "--run-id", "n"
    )
    assert done.code == 0, done.err
    split = cli("export", "n", "--format", "trl", "--split", ".8", "--out", "out")
    halves = ("train", "validation")
    assert [len(Path(f"out/all.{half}.jsonl").read_text("utf-8").splitlines()) for half in halves] == [40, 10]
    assert "40 of 50 rows train (80%)" in split.err
