"""`culturepark stats`: what it says of a run's voices, as users and scripts meet it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections import Counter
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from culturepark.domain import Edition, JsonObject
from culturepark.models import embedder
from culturepark.models.embedder import Lexical, MiniLM
from culturepark.models.spec import MINILM
from culturepark.store.vectors import digest_of
from tests.cli.test_cli import Done, Screen, cli, on_a_terminal, rows_of
from tests.cli.test_cli import away as away  # a fixture
from tests.support.fakes import FakeModel, answering, hold, judged, shipped

STORE = "runs/culturepark.db"
PEOPLE = {
    *("turkish-cevdet", "turkish-elif", "turkish-furkan", "turkish-gulsah"),
    *("german-alois", "german-emre", "german-erna", "german-marion"),
}
"""Few enough that each sits in several talks, so that voices can be compared."""
ONE = (
    "My family comes first in all that I do.",
    "In our family the old people are asked first.",
    "My family comes first whatever I do in life.",
)


class ByWords(Lexical):
    """Lexical vectors under MiniLM's name: kept, and there without weights."""

    method = "minilm"
    identity = MiniLM.identity


def edition() -> Edition:
    """Four Turks and four Germans, among themselves in pairs, on ten questions of the survey."""
    whole = shipped("wvs7")
    changes = {
        "setting": "in-cultural",
        "cultures": ("turkish", "german"),
        "seeds": whole.scenario.seeds[:10],
        "max_turns": 6,
    }
    people = tuple(persona for persona in whole.personas if persona.key in PEOPLE)
    return whole.model_copy(update={"scenario": whole.scenario.model_copy(update=changes), "personas": people})


def same_for_all(asked: JsonObject) -> JsonObject:
    """Whoever speaks and whatever they say, it is taken down in one of three sentences."""
    return {
        "statements": [
            {
                "turn": turn["turn"],
                "kind": "opinion",
                "quote": turn["text"].split(".")[0] + ".",
                "statement": f"{turn['speaker']} holds: {ONE[turn['turn'] % 3]}",
                "first_person": ONE[turn["turn"] % 3],
            }
            for turn in asked["turns"]
        ]
    }


@cache
def made() -> bytes:
    """A store with two runs: `many` voices and `one` voice."""
    with tempfile.TemporaryDirectory() as name:
        folder, own = Path(name), FakeModel(answering(verdicts=judged))
        with mock.patch.object(embedder, "open_embedder", return_value=ByWords()):
            alike = FakeModel(answering(statements=same_for_all, verdicts=judged))
            held = [hold(folder, edition(), alike, run_id="one", embedder=MINILM)]
            held += [hold(folder, edition(), own, run_id="many", embedder=MINILM)]
        for one in held:
            one.store.close()
        with closing(sqlite3.connect(folder / "runs.db")) as db:
            db.execute("VACUUM INTO ?", (str(folder / "copy.db"),))
        return (folder / "copy.db").read_bytes()


@pytest.fixture(autouse=True)
def runs(away: Path) -> None:
    Path("runs").mkdir()
    Path(STORE).write_bytes(made())


def by_words_alone() -> None:
    """As if both runs had deduplicated with the lexical embedder, which keeps no vectors."""
    with closing(sqlite3.connect(STORE)) as db, db:
        db.execute("UPDATE run SET models = replace(models, 'minilm', 'lexical')")
        db.execute("DELETE FROM vector")


def told(run: str) -> JsonObject:
    found: JsonObject = cli("stats", run, "--json").json
    return found


def test_a_run_that_collapses_to_one_voice_says_so() -> None:
    figures = told("one")["representation"]
    for part in (figures["run"], *figures["cultures"].values()):
        assert part["collapse"]["verdict"] == "collapsed"
        failed = {check["name"] for check in part["collapse"]["checks"] if check["outcome"] == "collapsed"}
        assert failed >= {"echoes", "voices", "shared"}
    text = cli("stats", "one").out.splitlines()
    assert text[1].startswith("  voices      ONE VOICE: ")
    assert [line.split()[0] for line in text if ": " in line and line.startswith("    ") and "ONE VOICE" in line] == [
        "german",
        "turkish",
    ]


def test_a_run_of_many_voices_says_so_too() -> None:
    figures = told("many")["representation"]
    for part in (figures["run"], *figures["cultures"].values()):
        assert part["collapse"]["verdict"] == "fine", part["collapse"]
    assert "  voices      varied: people sound like themselves (" in cli("stats", "many").out


def test_a_run_of_many_voices_is_more_varied_by_every_measure() -> None:
    many, one = (told(run)["representation"]["run"] for run in ("many", "one"))
    assert many["lexical"]["hdd"] > one["lexical"]["hdd"]
    assert many["semantic"]["distance"] > one["semantic"]["distance"]
    assert many["semantic"]["vendi"] > 3 > one["semantic"]["vendi"]
    assert many["diversity_gain"]["over_other_cultures"] > one["diversity_gain"]["over_other_cultures"]
    assert many["shared"]["share"] < one["shared"]["share"] == 1


def test_figures_are_those_of_the_store() -> None:
    stats = told("many")
    samples = [row for row in rows_of("sample") if row["status"] == "kept" and row["id"].startswith("many.")]
    kept = {row["statement_id"] for row in samples}
    statements = [row for row in rows_of("statement") if row["id"] in kept]
    for culture, figures in stats["representation"]["cultures"].items():
        own = [row for row in statements if row["culture"] == culture]
        people = Counter(row["persona_key"] for row in own)
        assert figures["statements"]["kept"] == len(own)
        assert (figures["personas"]["heard"], figures["personas"]["cast"]) == (len(people), 4)
    again = {row["statement_id"] for row in rows_of("duplicate") if row["statement_id"].startswith("many.")}
    assert stats["representation"]["run"]["statements"]["repeats"] >= len(again)
    opinions = {row["id"] for row in rows_of("statement") if row["kind"] == "opinion"}
    told_of = [row for row in samples if row["statement_id"] in opinions]
    assert sum(cell["kept"] for cell in stats["stances"]) == len(told_of) > 0
    for cell in stats["stances"]:
        assert cell["kept"] == sum(answer["kept"] for answer in cell["answers"])
        assert (cell["kept_fit"] is None) == (cell["kept"] == 0)


def test_the_keys_that_scripts_rely_on_are_there() -> None:
    stats = told("many")
    assert list(stats) == [
        "run", "scenario", "status", "stop_reason", "models", "seed", "created_at", "finished_at", "dialogues",
        "skipped", "dialogue_stop_reasons", "turns", "slips", "statements", "provenance", "verdicts", "row_questions",
        "checks", "duplicates", "samples", "reviews", "warranty", "calls", "tokens", "endpoints", "cost_usd",
        "unpriced_calls", "stances", "representation", "talks",
    ]  # fmt: skip
    figures = stats["representation"]
    assert set(figures) == {"note", "run", "cultures", "vectors"}
    shape = {
        "statements": {"accepted", "kept", "repeats", "echoes"},
        "personas": {"cast", "heard", "share", "effective", "effective_share"},
        "lexical": {"words", "hdd", "distinct_2"},
        "semantic": {"distance", "distance_within_seed", "vendi", "vendi_within_seed"},
        "diversity_gain": {"over_seeds", "over_other_cultures"},
        "collapse": {"verdict", "too_few", "reasons", "open", "checks"},
    }
    for part in (figures["run"], *figures["cultures"].values()):
        assert {name: set(part[name]) for name in shape} == shape
        assert all(set(check) == {"name", "outcome", "value", "limit", "text"} for check in part["collapse"]["checks"])
    assert set(figures["run"]) == {*shape, "shared"}
    for culture, part in figures["cultures"].items():
        assert set(part) == {*shape, "shared", "stances"}
        assert set(part["shared"]["with"]) == {"german", "turkish"} - {culture}
        for fit in part["stances"].values():
            assert set(fit) == {"answers", "jsd", "expected", "chance"}
    described = (Path(__file__).parents[2] / "docs" / "stats.md").read_text("utf-8")
    names = {*shape, *(name for keys in shape.values() for name in keys), *figures, "shared", "stances", "kept_fit"}
    assert [name for name in sorted(names) if f"`{name}" not in described and f".{name}`" not in described] == []


def test_nothing_is_embedded_and_what_that_leaves_open_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("stats opened an embedder")

    monkeypatch.setattr(embedder, "open_embedder", never)
    monkeypatch.setattr(MiniLM, "__init__", never)
    told("many")
    by_words_alone()
    figures = told("many")["representation"]
    assert figures["vectors"]["known"] == 0 < figures["vectors"]["of"]
    for part in (figures["run"], *figures["cultures"].values()):
        assert part["semantic"] is part["diversity_gain"] is part["shared"] is None
        assert part["lexical"]["hdd"]
        assert part["collapse"]["verdict"] == "unknown"
    out = cli("stats", "many").out
    assert "not known: `culturepark distill many --from dedup --role embedder=e5` finds out" in out
    assert "  voices      not known: voices are not compared, for want of vectors" in out


@pytest.mark.torture
def test_what_the_hint_says_finds_out(monkeypatch: pytest.MonkeyPatch) -> None:
    before = told("many")["representation"]
    by_words_alone()
    monkeypatch.setattr(embedder, "open_embedder", lambda *_: ByWords())
    assert cli(*["distill", "many", "--from", "dedup", "--role", "embedder=minilm"]).code == 0
    assert told("many")["representation"] == before


def test_a_vector_that_is_lost_makes_meaning_unknown_and_no_wrong_figure() -> None:
    with closing(sqlite3.connect(STORE)) as db, db:
        db.execute("DELETE FROM vector WHERE text_sha256 = ?", (digest_of(ONE[0]),))
    figures = told("one")["representation"]
    assert 0 < figures["vectors"]["known"] < figures["vectors"]["of"]
    assert figures["run"]["semantic"] is None
    out = cli("stats", "one").out
    assert "not known: `culturepark distill one --from dedup` finds out" in out
    assert "ONE VOICE: " in out  # words alone tell


def test_without_the_questions_vectors_only_the_gain_over_them_is_unknown() -> None:
    with closing(sqlite3.connect(STORE)) as db, db:
        db.execute("DELETE FROM vector WHERE text_sha256 = ?", (digest_of(edition().scenario.seeds[3].question),))
    gains = told("many")["representation"]["run"]["diversity_gain"]
    assert gains["over_seeds"] is None
    assert gains["over_other_cultures"] > 0


def test_the_worst_stances_are_shown_unasked_and_all_on_request() -> None:
    short, long = (
        [line for line in cli("stats", "many", *more).out.splitlines() if line.startswith("  stance      wvs7/")]
        for more in ((), ("--stances",))
    )
    assert len(short) == 5
    assert len(long) == len(told("many")["stances"]) == 20
    assert set(short) < set(long)
    assert "5 of 20, the furthest from the survey; --stances shows all" in cli("stats", "many").out


def test_where_the_survey_is_shown_it_is_said_that_this_is_no_evidence() -> None:
    assert "Simulated talk is no evidence about real people" in cli("stats", "many").out
    assert "no evidence about real people" in told("many")["representation"]["note"]


def test_a_short_run_is_too_short_to_say() -> None:
    assert cli("simulate", "short.yaml", "--model", "scripted", "--run-id", "s").code == 0
    done = cli("stats", "s")
    assert " statements: too few to say" in done.out.splitlines()[1]
    assert told("s")["representation"]["run"]["collapse"]["too_few"]


def test_a_run_that_has_said_nothing_yet_is_told_of() -> None:
    assert cli("simulate", "short.yaml", "--model", "scripted", "--run-id", "s", "--until", "dialogue").code == 0
    assert "  voices      0 statements: too few to say" in cli("stats", "s").out
    assert told("s")["representation"]["run"]["statements"]["accepted"] == 0


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("run", ["one", "many"])
@pytest.mark.sampled
def test_it_fits_every_terminal(columns: int, run: str) -> None:
    if run == "many":
        by_words_alone()
    code, received = on_a_terminal(columns, "stats", run)
    assert code == 0
    screen = Screen(columns, received)
    assert screen.too_wide == []
    table = [line.rstrip() for line in screen.lines]
    heading = next(line for line in table if line.split()[:2] == ["culture", "kept"])
    turks = next(line for line in table if line.split()[:1] == ["turkish"] and "ONE" not in line)
    assert len(turks) == len(heading) <= 60  # no row of the table is broken in two


def test_no_colour_carries_a_meaning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    _, without = on_a_terminal(80, "stats", "one")
    monkeypatch.delenv("NO_COLOR")
    _, received = on_a_terminal(80, "stats", "one")
    assert Screen(80, without).text == Screen(80, received).text
    assert "ONE VOICE" in without


def test_a_run_that_ends_in_one_voice_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "open_embedder", lambda *_: ByWords())
    done: Done = cli("distill", "one", "--from", "dedup")
    assert done.code == 0
    assert "one voice: " in done.err
    assert "`culturepark stats one`" in done.err
    assert "one voice" not in cli("distill", "many", "--from", "dedup").err


def test_json_has_its_keys_in_their_order() -> None:
    stats = told("many")
    assert list(stats) == [
        *("run", "scenario", "status", "stop_reason", "models", "seed", "created_at", "finished_at", "dialogues"),
        *(
            "skipped",
            "dialogue_stop_reasons",
            "turns",
            "slips",
            "statements",
            "provenance",
            "verdicts",
            "row_questions",
            "checks",
            "duplicates",
            "samples",
        ),
        *(
            "reviews",
            "warranty",
            "calls",
            "tokens",
            "endpoints",
            "cost_usd",
            "unpriced_calls",
            "stances",
            "representation",
        ),
        "talks",
    ]
    figures = stats["representation"]
    assert list(figures) == ["note", "run", "cultures", "vectors"]
    own = ["statements", "personas", "lexical", "semantic", "diversity_gain"]
    assert list(figures["run"]) == [*own, "shared", "collapse"]
    assert list(figures["cultures"]["german"]) == [*own, "stances", "shared", "collapse"]
    assert list(figures["cultures"]["german"]["shared"]) == ["share", "with"]
    assert list(figures["cultures"]["german"]["stances"]["drawn"]) == ["answers", "jsd", "expected", "chance"]
