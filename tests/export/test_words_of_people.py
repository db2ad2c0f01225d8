"""Whose words an export holds: a model's, a parent's, a person's; and that it says so."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.export.manifest import Wanted
from culturepark.export.writer import export
from culturepark.models.spec import SCRIPTED
from culturepark.run import plan
from culturepark.store.reviews import Reviews
from culturepark.store.tables import SampleRow
from tests.support.fakes import FakeModel, Held, edition, hold

TYPED = "I typed this myself and no model said it."


class Export:
    """One that has been written."""

    def __init__(self, held: Held, *run_ids: str, form: Any = "trl", **wanted: Any) -> None:
        folder = Path(str(held.store.database.engine.url.database)).parent
        out = folder / f"out{len(list(folder.glob('out*')))}"
        self.done = export(held.store, run_ids or (held.run_id,), out, Wanted(form, **wanted), command="x")
        self.rows: list[Any] = [
            json.loads(line)
            for path in sorted(out.glob("*.jsonl"))
            if "index" not in path.name
            for line in path.read_text("utf-8").splitlines()
        ]
        self.manifest: JsonObject = json.loads((out / "manifest.json").read_text("utf-8"))
        text = (out / "README.md").read_text("utf-8")
        self.card = " ".join(text.split())
        self.creators = YAML(typ="safe").load(text.split("---\n")[1])["language_creators"]


@pytest.fixture
def held(tmp_path: Path) -> Held:
    return hold(tmp_path, edition(), FakeModel())


def branch(held: Held, turn_id: str, text: str | None = None) -> Held:
    row = plan.branch(held.store, turn_id, text, seed=7, settings=plan.Settings(concurrency=1))
    return Held(held.store, row.id, held.model).carry_on()


# --- words of people ---------------------------------------------------------------------------------


def test_what_a_person_put_into_a_branch_is_counted_and_told(held: Held) -> None:
    plain = Export(held, dialogues=True)
    assert plain.manifest["by_hand"] == {"typed": {"rows": 0, "turns": 0}, "edited": {"rows": 0, "turns": 0}}
    assert plain.creators == ["other"]  # the sentences of a scripted run are those of the cards
    edited = branch(held, "held.d1.t6", TYPED)
    found = Export(edited, dialogues=True)
    assert TYPED in json.dumps(found.rows)
    assert found.manifest["by_hand"]["edited"] == {"rows": 1, "turns": 1}
    note = "1 row holds 1 speech that a person wrote in place of what was said, in a branch"
    assert note in found.done.notes
    assert note in found.card
    assert "A person wrote some speeches in place of the model's" in found.card
    assert found.creators == ["other"]
    again = branch(edited, f"{edited.run_id}.d1.t8", "And this too.")
    assert Export(again, dialogues=True).manifest["by_hand"]["edited"] == {"rows": 1, "turns": 2}
    samples = Export(edited)
    assert TYPED not in json.dumps(samples.rows)
    assert samples.manifest["by_hand"]["edited"] == {"rows": 0, "turns": 0}


def test_what_is_not_in_a_row_is_not_counted_as_a_persons(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(moderation="scripted"), FakeModel())
    *_, last = held.store.turns("held.d1")
    assert last.role == "main"  # after the delegate's last word, with which its row ends
    edited = branch(held, f"held.d1.t{last.position}", TYPED)
    found = Export(edited, dialogues=True)
    assert TYPED not in json.dumps(found.rows)
    assert found.manifest["by_hand"]["edited"] == {"rows": 0, "turns": 0}


def test_words_of_reviewers_are_no_models_either(held: Held) -> None:
    sample = held.of(SampleRow, status="kept")[0]
    Reviews(held.store, "Ann").add(sample.id, "accept", wording="Said by a person.")
    found = Export(held)
    assert found.creators == ["other"]
    assert "Reviewers put their own words in place of the model's: rows 1." in found.card


# --- what a branch has from its parent -----------------------------------------------------------------


def test_a_branch_names_its_parent_and_the_models_of_the_turns_it_copied(held: Held) -> None:
    other = "openai:other@http://127.0.0.1:1/v1"
    models = plan.models_with(held.row, other)
    row = plan.branch(held.store, "held.d1.t8", seed=7, models=models, settings=plan.Settings(concurrency=1))
    branched = Held(held.store, row.id, held.model).carry_on()
    for wanted in ({"dialogues": True}, {}):
        found = Export(branched, **wanted)
        (one,) = found.manifest["runs"]
        assert one["models"]["speaker"] == other
        (told,) = one["branched"]
        assert (told["dialogue"], told["parent"], told["branched_at"]) == (f"{row.id}.d1", "held.d1", 7)
        assert told["models"] == {"moderator": [str(SCRIPTED)], "speaker": [str(SCRIPTED)]}
        assert set(told["prompts"]) == {"dialogue"}
        assert f"`{row.id}.d1` branched off `held.d1` after 7 turns" in found.card
        assert "- scripted: no model" in found.card
        assert f"- {other}" in found.card.replace("\\", "")
    again = Export(branch(branched, f"{row.id}.d1.t10"), dialogues=True).manifest["runs"][0]["branched"][0]
    assert again["parent"] == f"{row.id}.d1"
    assert again["models"]["speaker"] == [other, str(SCRIPTED)]
    assert Export(held, dialogues=True).manifest["runs"][0]["branched"] == []


def test_a_branch_from_the_first_turn_has_nothing_from_its_parent(held: Held) -> None:
    found = Export(branch(held, "held.d1.t1", TYPED), dialogues=True)
    (told,) = found.manifest["runs"][0]["branched"]
    assert (told["branched_at"], told["models"], told["prompts"]) == (0, {}, {})


def test_what_is_said_of_a_turn_is_said_of_its_copies(held: Held) -> None:
    one = branch(held, "held.d1.t6", TYPED)
    two = branch(one, f"{one.run_id}.d1.t10")
    ann = Reviews(held.store, "Ann")
    ann.add("held.d1.t6", "reject")  # was not copied
    for run in (one, two):
        assert Export(run, dialogues=True).manifest["reviews"]["reviews"] == 0
    ann.undo()
    ann.add("held.d1.t2", "accept", wording="Said by a person.")
    for run in (one, two):
        found = Export(run, dialogues=True)
        assert "Said by a person." in json.dumps(found.rows)
        assert found.manifest["reviews"]["corrected"] == found.manifest["reviews"]["reviews"] == 1
    ann.add("held.d1.t2", "reject")
    for run in (held, one, two):
        with pytest.raises(UsageError, match="hold no rejected turn"):
            Export(run, dialogues=True)
    ann.add(f"{one.run_id}.d1.t2", "accept")  # of the copy, and of the copy's copy
    for run in (one, two):
        assert Export(run, dialogues=True).manifest["reviews"]["rejected"] == 0
    with closing(sqlite3.connect(str(held.store.database.engine.url.database))) as db:
        db.execute("UPDATE dialogue SET parent_id = ? WHERE id = ?", (f"{two.run_id}.d1", f"{one.run_id}.d1"))
        db.commit()  # two dialogues that are each other's parents: damage, and no endless loop
    assert Export(two, dialogues=True).rows


# --- rows that are the same ----------------------------------------------------------------------------


def test_repeated_dialogues_are_counted_once_with_a_split_too(held: Held, tmp_path: Path) -> None:
    hold(tmp_path, edition(), FakeModel(), run_id="again")
    Reviews(held.store, "Ann").add("held.d1.t1", "accept")
    for share in (None, 0.5):
        found = Export(held, "held", "again", dialogues=True, train_share=share)
        (note,) = [note for note in found.done.notes if "word for word" in note]
        assert ": 1 rows have" in note


@pytest.mark.torture
def test_a_wording_makes_no_two_rows_the_same(held: Held) -> None:
    before = Export(held).rows
    norms = [row for row in held.of(SampleRow, status="kept", kind="norm") if row.culture == "turkish"]
    norms = [row for row in norms if json.loads(row.messages)[:-1] == json.loads(norms[0].messages)[:-1]]
    first, second = norms[0].id, norms[1].id
    words = {row["id"]: row["messages"][-1]["content"] for row in before}
    ann = Reviews(held.store, "Ann")
    for worded, like, gone in ((second, first, second), (first, second, second)):
        ann.add(worded, "accept", wording=words[like])
        for share in (None, 0.5):
            found = Export(held, train_share=share)
            assert {row["id"] for row in before} - {row["id"] for row in found.rows} == {gone}
            assert found.manifest["left_out"] == {"the same as another row in reviewers' wording": 1}
            assert found.manifest["reviews"]["corrected"] == (worded != gone)
        ann.undo()
    assert Export(held).rows == before
