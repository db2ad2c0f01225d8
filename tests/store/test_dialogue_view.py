"""What a run has to show: pages of dialogues, filters, search, and one dialogue whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from culturepark.errors import UsageError
from culturepark.languages.words import folded, terms
from culturepark.store.dialogue_view import Scenes, clusters_of
from culturepark.store.reviews import Reviews
from culturepark.store.search import Filters, Lists
from culturepark.store.tables import CallRow, DuplicateRow, StatementRow
from tests.support.fakes import FakeModel, Held, edition, hold, shipped


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    folder: Path = tmp_path_factory.mktemp("scenes")
    one = shipped("everyday-norms")
    changes = {
        "seeds": one.scenario.seeds[:1],
        "dialogues_per_seed": 2,
        "cultures": one.scenario.cultures[:2],
        "mine": ("delegate", "main"),  # or nothing would be said twice
    }
    few = one.scenario.model_copy(update=changes)
    return hold(folder, one.model_copy(update={"scenario": few}), FakeModel())


def test_every_filter_finds_as_many_dialogues_as_its_choice_says(held: Held) -> None:
    lists = Lists(held.store, held.run_id)
    everything = lists.find()
    assert len(everything) == 4
    choices = lists.choices()
    assert set(choices) == {"culture", "kind", "stop", "verdict"}
    for field, values in choices.items():
        assert values, field
        for value, count in values.items():
            assert len(lists.find(Filters(**{field: value}))) == count, (field, value)
    assert lists.find(Filters(culture="korean", kind="norm")) == []


def test_a_line_counts_what_its_dialogue_holds(held: Held) -> None:
    lists, scenes = Lists(held.store, held.run_id), Scenes(held.store, held.run_id)
    for line in lists.lines(lists.find()):
        scene = scenes.scene(line.id)
        assert line.turns == len(scene.turns)
        assert line.statements == sum(len(turn.statements) for turn in scene.turns)
        samples = [x for turn in scene.turns for one in turn.statements for x in one.samples]
        assert line.kept == sum(x.status == "kept" for x in samples)
        assert line.people == tuple((one.persona.name, one.persona.culture) for one in scene.people)
        assert (line.parent_id, line.branches) == (None, 0)


def test_a_scene_has_quotes_that_stand_in_their_turns(held: Held) -> None:
    scene = Scenes(held.store, held.run_id).scene(f"{held.run_id}.d1")
    mined = [(turn, one) for turn in scene.turns for one in turn.statements]
    assert mined
    for turn, one in mined:
        assert turn.turn.text[one.row.quote_start : one.row.quote_end] == one.row.quote
        assert one.verdicts
    assert {turn.name for turn in scene.turns} >= {"Moderator", scene.people[0].persona.name}


def test_whoever_stands_for_others_and_whoever_is_stood_for_share_a_cluster(held: Held) -> None:
    lists, scenes = Lists(held.store, held.run_id), Scenes(held.store, held.run_id)
    found = [
        one
        for name in lists.find()
        for turn in scenes.scene(name).turns
        for one in turn.statements
        if one.cluster is not None
    ]
    assert found
    for one in found:
        assert one.cluster is not None
        represents = one.row.id == one.cluster.representative_id
        assert represents == (one.cluster.similarity is None)
        assert represents or one.row.id in {member for member, _, _ in one.cluster.members}
        assert one.cluster.size == len(one.cluster.members) + 1


def test_of_a_large_cluster_the_nearest_fifty_are_told_its_size_and_whoever_was_asked_about(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel())
    head = next(
        row for row in held.rows(StatementRow) if row.id not in {x.statement_id for x in held.rows(DuplicateRow)}
    )
    again = [f"{head.turn_id}.s{number}" for number in range(100, 300)]
    with held.store.database.writing() as session:
        session.add_all(StatementRow(**head.model_dump() | {"id": name, "round": 99}) for name in again)
        session.flush()
        session.add_all(
            DuplicateRow(
                statement_id=name, cluster_id=head.id, representative_id=head.id, method="exact", similarity=near
            )
            for name, near in zip(again, [0.5, 0.6, *[0.9] * 198], strict=True)
        )
    with held.store.database.reading() as session:
        found = clusters_of(session, [head.id, again[0]])
    assert found.keys() == {head.id, again[0]}
    assert [one.similarity for one in found.values()] == [None, 0.5]
    assert {one.representative for one in found.values()} == {head.text}
    for one in found.values():
        assert (len(one.members), {near for _, _, near in one.members}) == (50, {0.9})
        assert one.size >= 201


def test_a_search_wants_all_words_and_knows_phrases(held: Held) -> None:
    lists = Lists(held.store, held.run_id)
    first = Scenes(held.store, held.run_id).scene(f"{held.run_id}.d1").turns[0]
    words = first.turn.text.split()
    phrase = " ".join(words[1:4])
    hits = list(lists.search(f'"{phrase.upper()}"'))
    assert first.id in [hit.turn_id for hit in hits]
    assert all(phrase.casefold() in hit.text.casefold() for hit in hits)
    assert list(lists.search(f"{words[0]} nobodysaidthis")) == []
    assert list(lists.search('  "" ')) == []
    assert terms('Çay "two  words" KAÇ') == ["CAY", "TWO WORDS", "KAC"]
    assert terms('a "b') == ["A", "B"]
    assert terms('"" a " b "') == ["A", "B"]


def test_a_search_takes_letters_for_the_same_that_people_do() -> None:
    for one, other in (("kız", "KIZ"), ("İzmir", "izmir"), ("Straße", "STRASSE"), ("ὁδός", "ΟΔΟΣ"), ("ＡＢ", "ab")):
        assert folded(one) == folded(other)
    assert folded("two\n words\xa0") == folded(" two words")


def test_all_calls_of_a_dialogue_are_told_by_what_they_were_for_also_those_of_copied_turns(held: Held) -> None:
    scenes = Scenes(held.store, held.run_id)
    name = f"{held.run_id}.d2"
    scene = scenes.scene(name)
    found = scenes.all_calls(scene)
    stored = [row for row in held.rows(CallRow) if row.subject_id == name or row.subject_id.startswith(f"{name}.")]
    assert sorted(row.id for rows in found.values() for row in rows) == sorted(row.id for row in stored)
    assert all(row.subject_id == subject for subject, rows in found.items() for row in rows)
    spoken = next(turn for turn in scene.turns if turn.turn.call_id)
    elsewhere = next(row.id for row in held.rows(CallRow) if row.subject_id.startswith(f"{held.run_id}.d1.t"))
    copied = replace(spoken, turn=spoken.turn.model_copy(update={"call_id": elsewhere}))
    calls = scenes.all_calls(replace(scene, turns=(copied,)))
    assert elsewhere in [row.id for row in calls[spoken.id]]


def test_a_scene_has_each_reviewers_newest_judgement_that_stands(held: Held) -> None:
    ana, bo = Reviews(held.store, "ana"), Reviews(held.store, "bo")
    turn = f"{held.run_id}.d1.t3"
    first = ana.add(turn, "reject")
    ana.add(turn, "accept")
    bo.add(turn, "comment", rating=2)
    scenes, dialogue_id = Scenes(held.store, held.run_id), f"{held.run_id}.d1"
    reviews = scenes.scene(dialogue_id).reviews
    assert [(row.reviewer, row.decision) for row in reviews[turn]] == [("ana", "accept"), ("bo", "comment")]
    assert ana.undo() is not None
    assert scenes.scene(dialogue_id).reviews[turn][0].id == first.id
    assert {ana.undo() is None, bo.undo() is None} == {False}
    assert scenes.scene(dialogue_id).reviews == {}


def test_a_dialogue_of_another_run_is_refused(held: Held) -> None:
    with pytest.raises(UsageError, match="no such dialogue"):
        Scenes(held.store, held.run_id).scene("another.d1")
