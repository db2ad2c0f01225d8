"""Rows of arms and of their controls."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from culturepark.catalog.loops import LoopFile
from culturepark.catalog.surveys import load_surveys
from culturepark.domain import Seed
from culturepark.errors import UsageError
from culturepark.loop.arms import Arms, Row, arms_of, dealt_anew, write_arms
from culturepark.train.examples import read

ITEMS = next(iter(load_surveys([]))).items
SEEDS = {key: Seed.of(ITEMS[key]) for key in ("wvs7/Q33", "wvs7/Q170")} | {
    "guests": Seed(key="guests", topic="guests", question="What do you do with guests?")
}
HOME = {"german": "DEU", "turkish": "TUR"}


def row(culture: str, number: int, seed: str = "wvs7/Q33", shape: str = "own", said: str | None = None) -> Row:
    messages = [
        {"role": "system", "content": f"You live in {HOME[culture]}."},
        {"role": "user", "content": f"Question {number}?"},
        {"role": "assistant", "content": said or f"{culture} answer {number}"},
    ]
    return Row(f"r.{culture}.{number}", culture, seed, {"messages": messages}, shape, HOME[culture], "en", "card")


def loop(**more: object) -> LoopFile:
    return LoopFile.model_validate(
        {"loop": "l", "title": "L", "cultures": ["german", "turkish"], "rows": {"runs": ["r"]}} | more
    )


ROWS = [
    *(row("german", n, "wvs7/Q33" if n % 2 else "wvs7/Q170", "own" if n < 12 else "survey") for n in range(20)),
    *(row("turkish", n, "wvs7/Q33" if n < 10 else "guests", "own" if n < 6 else "survey") for n in range(12)),
]


def made(**more: object) -> Arms:
    return arms_of(loop(**more), ("german", "turkish"), ROWS, SEEDS)


def answer(one: Row) -> str:
    return str(one.data["messages"][-1]["content"])


def asked(one: Row) -> list[str]:
    return [m["content"] for m in one.data["messages"][:-1]]


def test_all_arms_are_of_one_size_which_is_said() -> None:
    arms = made()
    assert set(arms.arms) == {"talk", "other-culture", "seeds-alone", "shuffled"}
    assert {len(rows) for arm in arms.arms.values() for rows in arm.rows.values()} == {12} == {arms.size}
    assert "every arm has 12 rows of each culture" in arms.notes[0]
    assert arms.seeds == {"wvs7/Q33", "wvs7/Q170", "guests"}
    assert made() == arms


def test_rows_of_the_other_culture_are_as_they_are() -> None:
    others = made().arms["other-culture"].rows["german"]
    assert {one.culture for one in others} == {"turkish"}
    assert {one.id for one in others} == {one.id for one in ROWS if one.culture == "turkish"}
    assert all(one in ROWS for one in others)


def test_shuffled_rows_have_all_prompts_and_all_answers_and_none_its_own() -> None:
    arms = made().arms
    for culture in HOME:
        talk, dealt = arms["talk"].rows[culture], arms["shuffled"].rows[culture]
        assert [asked(one) for one in talk] == [asked(one) for one in dealt]
        assert sorted(map(answer, talk)) == sorted(map(answer, dealt))
        assert not any(answer(one) == answer(other) for one, other in zip(talk, dealt, strict=True))
        assert not any(one.id for one in dealt)  # it is no sample of a run
        assert [one.of["prompt_of"] for one in dealt] == [one.id for one in talk]


@pytest.mark.parametrize(
    ("told", "kept"), [("abcde", 0), ("aabbcc", 0), ("aabb", 0), ("aaab", 2), ("aaaa", 4), ("ab", 0), ("a", 1)]
)
def test_no_answer_keeps_its_place_as_far_as_that_goes(told: str, kept: int) -> None:
    dealt = dealt_anew(list(told), "x")
    assert sorted(dealt) == list(range(len(told)))
    assert sum(told[place] == told[giver] for place, giver in enumerate(dealt)) == kept


def test_answers_of_the_seeds_alone_have_the_shares_of_the_country() -> None:
    rows = [row("german", n) for n in range(200)] + [row("turkish", n, "wvs7/Q170") for n in range(200)]
    alone = arms_of(loop(), ("german", "turkish"), rows, SEEDS).arms["seeds-alone"].rows
    for culture, key in (("german", "wvs7/Q33"), ("turkish", "wvs7/Q170")):
        shares = ITEMS[key].shares[HOME[culture]]
        codes = Counter(one.of["code"] for one in alone[culture])
        assert codes.total() == 200
        for code, share in shares.items():
            assert codes[code] == pytest.approx(200 * share, abs=1)
        assert all(ITEMS[key].question in asked(one)[1] for one in alone[culture])
        assert len({tuple(asked(one)) for one in alone[culture]}) > 20  # in many wordings


def test_seeds_without_a_survey_are_made_up_for_by_the_others() -> None:
    alone = made().arms["seeds-alone"].rows["turkish"]
    assert len(alone) == 12
    assert {one.seed for one in alone} == {"wvs7/Q33"}
    with pytest.raises(UsageError, match="seeds-alone needs rows on survey questions"):
        arms_of(loop(cultures=["german"], controls=["seeds-alone"]), ("german",), [row("german", 1, "guests")], SEEDS)


def test_shapes_have_arms_of_one_size_and_one_of_all_beside_them() -> None:
    arms = made(shapes=["own", "survey", "norm"])
    assert arms.shape_size == 6
    for name, shape in (("shape-own", "own"), ("shape-survey", "survey")):
        for rows in arms.arms[name].rows.values():
            assert ({one.shape for one in rows}, len(rows)) == ({shape}, 6)
    assert {len(rows) for rows in arms.arms["all-shapes"].rows.values()} == {6}
    assert "shape-norm" not in arms.arms
    assert "norm (0)" in arms.notes[-1]


def test_a_culture_without_rows_is_named() -> None:
    with pytest.raises(UsageError, match="no rows of turkish"):
        arms_of(loop(), ("german", "turkish"), [row("german", 1)], SEEDS)


def test_the_manifests_of_controls_say_what_they_are_and_nothing_of_the_people_of_the_talk(tmp_path: Path) -> None:
    export = tmp_path / "all"
    export.mkdir()
    runs = [{"run": "r", "models": {"speaker": "scripted"}}]
    people = [{"persona": "german-anna", "culture": "german", "scope": "s"}]
    import json

    (export / "manifest.json").write_text(
        json.dumps({"culturepark": "1", "command": "x", "created_at": "2026", "runs": runs, "personas": people,
                    "warranties": [{"over": "r"}], "rows_by_provenance": {"card": 99}})
    )  # fmt: skip
    write_arms(made(), export, tmp_path)
    told = {name: read(tmp_path / name, ["messages"], "german") for name in made().arms}
    talk, shuffled, alone = (told[name].manifest for name in ("talk", "shuffled", "seeds-alone"))
    assert talk["control"] is None
    assert talk["personas"] == people
    assert talk["rows_by_provenance"]["card"] == 24
    for name, manifest in (("shuffled", shuffled), ("seeds-alone", alone)):
        assert manifest["control"] == name
        assert not manifest.keys() & {"personas", "warranties", "rows_by_provenance"}
        assert any(note.startswith(f"control: {name}") for note in manifest["notes"])
    assert alone["runs"] == []
    assert [example.id for example in told["talk"].training] == [one.id for one in made().arms["talk"].rows["german"]]
    assert {example.id for example in told["shuffled"].training} == {""}
    first = (tmp_path / "shuffled" / "manifest.json").read_bytes()
    write_arms(made(), export, tmp_path)
    assert (tmp_path / "shuffled" / "manifest.json").read_bytes() == first  # no time of its own
