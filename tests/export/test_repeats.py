"""Repetitions across runs: decided over several runs together, the same for everybody, and stored nowhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culturepark.cli.app import run
from culturepark.distill import dedup
from culturepark.domain import Duplicate, Edition, JsonObject, Status
from culturepark.errors import UsageError
from culturepark.export import repeats
from culturepark.export.repeats import repeats_across
from culturepark.models import weights
from culturepark.models.embedder import ENCODERS, MiniLM, MultilingualE5, Vectors
from culturepark.models.spec import E5, LEXICAL, MINILM, ModelSpec, parse
from culturepark.store import vectors
from tests.support.fakes import JENNA, FakeModel, Held, answering, begin, edition, judged, proposals, turns_of

TEA = "We pour tea for a guest at once."
SALT = "We put salt on the table for a bride."
SHOES = "Shoes are left outside by whoever comes."
QUIET = "At night nobody plays music in our house."


def hold_run(
    folder: Path,
    run_id: str,
    said: Sequence[str],
    *,
    embedder: ModelSpec = LEXICAL,
    one: Edition | None = None,
    stance: str = "entail",
    kind: str = "custom",
) -> Held:
    """A finished run in the folder's store, whose one speech holds these statements, each told as it is."""

    found = proposals(*[(1, kind, text) for text in said])
    for row, text in zip(found["statements"], said, strict=True):
        row["statement"] = row["first_person"] = text

    def verdicts(asked: JsonObject) -> JsonObject:
        return judged(asked, stance=stance)

    model = FakeModel(answering(statements=lambda _: found, verdicts=verdicts))
    distil = {"keep": ["entail", "contradict"], "rewrite": "off"}
    one = one or edition(distill=distil)
    kept = one.scenario.distill.model_copy(update={"generic": "keep"})
    one = one.model_copy(update={"scenario": one.scenario.model_copy(update={"distill": kept})})
    delegate = next(person.key for person in one.personas if person.role == "delegate")
    held = begin(folder, one, model, run_id=run_id, embedder=embedder)
    for turn in turns_of([(delegate, " ".join(said))], "opinion"):
        held.store.add_turn(f"{run_id}.d1", turn)
    held.store.set_dialogue(f"{run_id}.d1", Status.DONE, "completed")
    return held.carry_on()


def found(held: Held, *run_ids: str) -> dict[str, str]:
    return {one.statement_id: one.representative_id for one in across_runs(held, *run_ids)}


def across_runs(held: Held, *run_ids: str) -> list[Duplicate]:
    return repeats_across(held.store, run_ids, held.notes.append)


def everything(folder: Path, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(folder / "runs.db")) as db:
        what = "type IN ('table', 'view') AND name NOT IN ('call_log', 'piece')"
        tables = [name for (name,) in db.execute(f"SELECT name FROM sqlite_master WHERE {what}")]
        return {table: db.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables if table not in but}


def test_of_what_three_runs_tell_the_first_run_by_id_keeps_it_whatever_the_order(tmp_path: Path) -> None:
    # The run that comes last by id was held first: its age does not matter.
    hold_run(tmp_path, "c", [TEA.upper(), SHOES, QUIET])
    hold_run(tmp_path, "b", [SALT, TEA.replace("pour", "are pouring")])
    held = hold_run(tmp_path, "a", [TEA])
    before = everything(tmp_path)
    first = across_runs(held, "a", "b", "c")
    assert {one.statement_id: (one.representative_id, one.method) for one in first} == {
        "b.d1.t1.s2": ("a.d1.t1.s1", "lexical"),
        "c.d1.t1.s1": ("a.d1.t1.s1", "exact"),
    }
    assert all(one.cluster_id == one.representative_id for one in first)
    assert {one.similarity for one in first if one.method == "exact"} == {1.0}
    for order in permutations(["a", "b", "c"]):
        assert across_runs(held, *order, "a") == first  # a run that is named twice is one
    assert found(held, "b", "c") == {"c.d1.t1.s1": "b.d1.t1.s2"}
    assert found(held, "a") == {}
    assert found(held) == {}
    assert everything(tmp_path) == before  # and no run's own rows know of it


def test_what_a_run_itself_did_not_keep_stands_for_nobody(tmp_path: Path) -> None:
    held = hold_run(tmp_path, "a", [TEA, TEA.replace("pour", "are pouring"), SALT])
    hold_run(tmp_path, "b", [TEA])
    (within,) = everything(tmp_path)["duplicate"]
    assert within[0] == "a.d1.t1.s2"
    assert found(held, "a", "b") == {"b.d1.t1.s1": "a.d1.t1.s1"}
    with closing(sqlite3.connect(tmp_path / "runs.db")) as db, db:
        db.execute("UPDATE sample SET status = 'rejected' WHERE statement_id = 'a.d1.t1.s1'")
    assert found(held, "a", "b") == {}


def test_two_statements_of_one_run_are_that_runs_own_business(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They were told apart where they stand alone; a comparison that is less strict does not bring them together."""
    strict = edition(distill={"dedup": {"threshold": 1.0}})
    held = hold_run(tmp_path, "a", [TEA, TEA.replace("pour", "are pouring")], one=strict)
    hold_run(tmp_path, "b", [SALT], one=strict)
    hold_run(tmp_path, "c", [TEA], one=strict)
    assert everything(tmp_path)["duplicate"] == []
    monkeypatch.setattr(repeats, "threshold_of", lambda run, edition: 0.5)
    assert found(held, "a", "b") == {}
    assert found(held, "a", "b", "c") == {"c.d1.t1.s1": "a.d1.t1.s1"}


def test_the_strictest_of_the_runs_thresholds_holds(tmp_path: Path) -> None:
    likely = TEA.replace("pour", "are pouring")
    hold_run(tmp_path, "a", [TEA])
    hold_run(tmp_path, "b", [likely])
    held = hold_run(tmp_path, "c", [SALT], one=edition(distill={"dedup": {"threshold": 0.99}}))
    assert found(held, "a", "b") == {"b.d1.t1.s1": "a.d1.t1.s1"}
    hold_run(tmp_path, "d", [likely], one=edition(distill={"dedup": {"threshold": 0.99}}))
    assert found(held, "a", "d") == {}


def test_a_loose_threshold_of_one_run_is_not_that_of_a_run_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dedup.THRESHOLDS, "lexical", 0.99)
    likely = TEA.replace("pour", "are pouring")
    loose = edition(distill={"dedup": {"threshold": 0.5}})
    hold_run(tmp_path, "a", [TEA], one=loose)
    hold_run(tmp_path, "b", [likely])
    held = hold_run(tmp_path, "c", [likely], one=loose)
    assert found(held, "a", "b") == {}
    assert found(held, "a", "c") == {"c.d1.t1.s1": "a.d1.t1.s1"}


def test_a_threshold_for_another_embedders_similarities_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_vectors(TELL, monkeypatch)
    strict = edition(distill={"dedup": {"threshold": 1.0}})
    near = TEA.replace("pour", "are pouring")
    monkeypatch.setitem(ENCODERS, "minilm", Unloadable)
    hold_run(tmp_path, "a", [TEA], embedder=MINILM, one=strict)
    held = hold_run(tmp_path, "b", [near], embedder=MINILM, one=strict)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as db, db:
        db.execute("DELETE FROM vector")
    assert found(held, "a", "b") == {"b.d1.t1.s1": "a.d1.t1.s1"}  # by words, for want of a library
    assert "by words, not by meaning" in held.notes[-1]


class Unloadable(MiniLM):
    def __init__(self, *_: object) -> None:
        raise ImportError("no library here")


def other_question() -> Edition:
    one = edition()
    (seed,) = one.scenario.seeds
    changed = seed.model_copy(update={"question": "And what of the evenings?"})
    return one.model_copy(update={"scenario": one.scenario.model_copy(update={"seeds": (changed,)})})


def other_key() -> Edition:
    one = edition()
    (seed,) = one.scenario.seeds
    changed = seed.model_copy(update={"key": "another"})
    return one.model_copy(update={"scenario": one.scenario.model_copy(update={"seeds": (changed,)})})


@pytest.mark.parametrize("other", [other_question, other_key])
def test_opinions_about_different_questions_do_not_meet(tmp_path: Path, other: Callable[[], Edition]) -> None:
    said = "I think that a job is for whoever does it best."
    held = hold_run(tmp_path, "a", [said], kind="opinion")
    hold_run(tmp_path, "b", [said], kind="opinion", one=other())
    hold_run(
        tmp_path,
        "c",
        [said],
        kind="opinion",
        one=edition(title="Another scenario with the same question"),
    )
    assert found(held, "a", "b") == {}
    assert found(held, "a", "b", "c") == {"c.d1.t1.s1": "a.d1.t1.s1"}


@pytest.mark.parametrize("other", [other_question, other_key])
def test_a_custom_is_the_same_whatever_was_asked(tmp_path: Path, other: Callable[[], Edition]) -> None:
    held = hold_run(tmp_path, "a", [TEA])
    hold_run(tmp_path, "b", [SALT, TEA], one=other())
    assert found(held, "a", "b") == {"b.d1.t1.s2": "a.d1.t1.s1"}


def test_statements_on_different_sides_do_not_meet(tmp_path: Path) -> None:
    said = "I think that a job is for whoever does it best."
    held = hold_run(tmp_path, "a", [said], kind="opinion")
    hold_run(tmp_path, "b", [said], kind="opinion", stance="contradict")
    hold_run(tmp_path, "c", [said], kind="opinion")
    assert found(held, "a", "b", "c") == {"c.d1.t1.s1": "a.d1.t1.s1"}


def test_people_of_opposite_stances_who_both_hold_to_theirs_do_not_meet(tmp_path: Path) -> None:
    people = (JENNA, "turkish-furkan")  # his card fits a yes and a no
    said = "I think that a job is for whoever does it best."
    held = hold_run(tmp_path, "a", [said], kind="opinion", one=edition(people=people, stance=1))
    hold_run(tmp_path, "b", [said], kind="opinion", one=edition(people=people, stance=4))
    against = edition(people=people, stance=4, distill={"keep": ["contradict"]})
    hold_run(tmp_path, "c", [said], kind="opinion", stance="contradict", one=against)
    assert found(held, "a", "b", "c") == {"c.d1.t1.s1": "a.d1.t1.s1"}  # who goes against a no says yes


def test_a_custom_does_not_stand_for_an_opinion_nor_an_opinion_for_a_custom(tmp_path: Path) -> None:
    free = scenarios_without_stances()
    held = hold_run(tmp_path, "a", [TEA], one=free)
    hold_run(tmp_path, "b", [TEA], one=free, kind="opinion")
    hold_run(tmp_path, "c", [TEA], one=free, kind="norm")
    assert found(held, "a", "b", "c") == {"c.d1.t1.s1": "a.d1.t1.s1"}


def scenarios_without_stances() -> Edition:
    one = edition()
    (seed,) = one.scenario.seeds
    seeds = (seed.model_copy(update={"item": None}),)
    return one.model_copy(update={"scenario": one.scenario.model_copy(update={"seeds": seeds})})


# --- embedders -------------------------------------------------------------------------------------


ENDPOINT = parse("openai:e@http://localhost:9/v1", "embedder")


def stored_vectors(texts: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Encoders and an endpoint that know these texts alike and nothing else; the list tells what is asked of them."""
    monkeypatch.setattr("culturepark.models.embedder.OPENED", {})  # other tests may have opened one
    asked: list[str] = []

    class Fake(MiniLM):
        def __init__(self, *_: object) -> None:
            pass

        async def embed(self, wanted: Sequence[str]) -> Vectors:
            asked.extend(wanted)
            places = [texts.index(text) if text in texts else 7 for text in wanted]
            return np.eye(8, dtype=np.float32)[[0 if place < len(texts) else 7 for place in places]]

    class Remote(Fake):
        def __init__(self, _: object, identity: str) -> None:
            self.method = "endpoint"
            self.identity = identity

    class FakeE5(Fake):
        method = "e5"
        identity = MultilingualE5.identity

    monkeypatch.setitem(ENCODERS, "minilm", Fake)
    monkeypatch.setitem(ENCODERS, "e5", FakeE5)
    monkeypatch.setattr("culturepark.models.embedder.Endpoint", Remote)
    return asked


TELL = ["On our street we pour tea for a guest.", "Whoever comes by receives hot glasses at ours."]


def test_vectors_that_the_runs_have_left_are_taken_and_no_model_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for embedder, method in (E5, "e5"), (MINILM, "minilm"), (ENDPOINT, "endpoint"):
        folder = tmp_path / method
        folder.mkdir()
        asked = stored_vectors(TELL, monkeypatch)
        held = hold_run(folder, "a", [TELL[0], SALT], embedder=embedder)
        hold_run(folder, "b", [TELL[1]], embedder=embedder)
        assert {*TELL, SALT} < set(asked)  # and the question, for `stats`
        assert len(asked) == 4
        (one,) = across_runs(held, "a", "b")
        assert (one.statement_id, one.method, one.similarity) == ("b.d1.t1.s1", method, 1.0)
        assert {*TELL, SALT} < set(asked)  # and the question, for `stats`
        assert len(asked) == 4


def test_runs_with_different_embedders_meet_in_the_default_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = stored_vectors(TELL, monkeypatch)
    held = hold_run(tmp_path, "a", [TELL[0]], embedder=ENDPOINT)
    hold_run(tmp_path, "b", [TELL[1]], embedder=LEXICAL)
    hold_run(tmp_path, "c", [TELL[1]], embedder=E5)
    asked.clear()
    before = everything(tmp_path, "vector")
    first = across_runs(held, "c", "a", "b")
    assert {(one.statement_id, one.representative_id, one.method) for one in first} == {
        ("b.d1.t1.s1", "a.d1.t1.s1", "e5"),
        ("c.d1.t1.s1", "a.d1.t1.s1", "e5"),
    }
    assert asked == [TELL[0]]  # the other text has been embedded by the third run
    assert across_runs(held, "a", "b", "c") == first
    assert asked == [TELL[0]]
    assert everything(tmp_path, "vector") == before


def test_a_store_that_cannot_be_written_is_compared_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = stored_vectors(TELL, monkeypatch)
    held = hold_run(tmp_path, "a", [TELL[0]], embedder=ENDPOINT)
    hold_run(tmp_path, "b", [TELL[1]], embedder=E5)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as db, db:
        db.execute("CREATE TRIGGER closed BEFORE INSERT ON vector BEGIN SELECT raise(ABORT, 'readonly'); END")
    before = everything(tmp_path)
    assert found(held, "a", "b") == {"b.d1.t1.s1": "a.d1.t1.s1"}
    assert asked[-1] == TELL[0]
    assert everything(tmp_path) == before


def test_an_endpoints_vectors_that_are_missing_are_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored_vectors(TELL, monkeypatch)
    held = hold_run(tmp_path, "a", [TELL[0]], embedder=ENDPOINT)
    hold_run(tmp_path, "b", [TELL[1]], embedder=ENDPOINT)
    with closing(sqlite3.connect(tmp_path / "runs.db")) as db, db:
        db.execute("DELETE FROM vector WHERE text_sha256 = ?", (vectors.digest_of(TELL[1]),))
    with pytest.raises(UsageError, match=r"distill RUN --from dedup"):
        across_runs(held, "a", "b")


def test_without_minilms_weights_the_words_are_compared_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CULTUREPARK_CACHE", str(tmp_path / "nothing"))
    monkeypatch.setattr(weights, "download", missing)
    held = hold_run(tmp_path, "a", [TEA], embedder=MINILM)
    hold_run(tmp_path, "b", [TEA.replace("pour", "are pouring")], embedder=MINILM)
    held.notes.clear()
    (one,) = across_runs(held, "a", "b")
    assert one.method == "lexical"
    assert "by words, not by meaning" in held.notes[0]


def missing(*_: object) -> Path:
    raise OSError("no index here")


def test_only_samples_of_a_shape_that_the_other_run_has_too_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "I think that a job is for whoever does it best."
    hold_run(tmp_path, "a", [said], kind="opinion", one=edition(samples=("open",)))
    hold_run(tmp_path, "b", [said], kind="opinion", one=edition())
    out = tmp_path / "out"
    command = ["export", "a", "b", "--format", "trl", "--out", str(out), "--store", f"sqlite:///{tmp_path / 'runs.db'}"]
    assert run(command) == 0
    assert "1 samples of one run" in capsys.readouterr().err
    index = [json.loads(line)["id"] for line in (out / "all.index.jsonl").read_text("utf-8").splitlines()]
    with closing(sqlite3.connect(tmp_path / "runs.db")) as db:
        kinds = dict(db.execute("SELECT id, kind FROM sample WHERE status = 'kept'").fetchall())
    assert sorted((name[0], kinds[name]) for name in index) == [("a", "open"), ("b", "survey")]


def test_runs_that_are_exported_together_say_nothing_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hold_run(tmp_path, "a", [TEA, SALT])
    hold_run(tmp_path, "b", [TEA.upper(), SHOES])
    store, out = f"sqlite:///{tmp_path / 'runs.db'}", tmp_path / "out"
    assert run(["export", "b", "a", "--format", "trl", "--out", str(out), "--store", store]) == 0
    assert "1 samples of one run say what those of another say, and are left out" in capsys.readouterr().err
    rows = [json.loads(line) for line in (out / "all.jsonl").read_text("utf-8").splitlines()]
    assert [row["messages"][-1]["content"] for row in rows] == [TEA, SALT, SHOES]
    (repeat,) = [json.loads(line) for line in (out / "duplicates.jsonl").read_text("utf-8").splitlines()]
    assert (repeat["statement_id"], repeat["representative_id"]) == ("b.d1.t1.s1", "a.d1.t1.s1")
    alone = tmp_path / "alone"
    assert run(["export", "b", "--format", "trl", "--out", str(alone), "--store", store]) == 0
    assert len((alone / "all.jsonl").read_text("utf-8").splitlines()) == 2
    assert not (alone / "duplicates.jsonl").exists()
