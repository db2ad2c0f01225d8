"""The kinds of rows that the bench scores: their scores by hand, and what a run would make of rows without gold."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.quality import answers, extraction, guarded, pairs, quotes, turns, whose
from bench.quality.__main__ import predict, scores
from bench.quality.harness import Ask, Memory
from bench.quality.kinds import WAYS, At
from bench.quality.rows import GOLD, KINDS, REMARKS, blind, file_of, read, read_all
from bench.quality.shares import interval, majority, share
from bench.quality.turns import cut_as, seated
from culturepark.distill.row_checks import as_item
from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.models.embedder import Lexical, Vectors
from culturepark.models.scripted import answer
from tests.support.fakes import FakeModel

ROOT = Path(__file__).parents[2]
DATA = ROOT / "tests" / "data"
WRITERS = sorted((DATA / "writers").glob("?"))


def ask(model: FakeModel, tmp_path: Path) -> Ask:
    return Ask(model, Memory(tmp_path / "kept.jsonl"), lambda _: None)


def at(tmp_path: Path, model: FakeModel | None = None) -> At:
    return At(ask(model or FakeModel(), tmp_path), Lexical())


# --- shares ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "of", "bounds"),
    [
        (0, 0, None),
        (10, 10, [0.7225, 1.0]),
        (0, 10, [0.0, 0.2775]),
        (5, 10, [0.2366, 0.7634]),
        (81, 90, [0.8208, 0.9465]),
    ],
)
def test_an_interval_holds_for_small_numbers_and_at_the_ends(right: int, of: int, bounds: list[float] | None) -> None:
    assert interval(right, of) == bounds


def test_a_share_of_nothing_is_not_known() -> None:
    assert share("x", 0, 0) == {"x": None, "x_95": None}
    assert share("x", 1, 4)["x"] == 0.25
    assert majority(["a", "b", "a"]) == 0.6667
    assert majority([]) is None


# --- whose -------------------------------------------------------------------------------------------

TURN = "Hello there. We bake on Fridays, all of us. Jenna says no. A guest comes first, I think."
ROW = {
    "id": "r",
    "turn": TURN,
    "gold": [{"cue": "bake on Fridays", "kind": "custom"}, {"cue": "guest comes first", "kind": "norm"}],
    "not_own": ["Jenna says no"],
}


def kept(*pieces: tuple[str, str]) -> JsonObject:
    return whose.score([ROW], {"r": [{"quote": quote, "kind": kind} for quote, kind in pieces]})


def test_pieces_are_right_where_they_hold_a_cue_or_touch_nothing_that_is_labelled() -> None:
    found = kept(
        ("We bake on Fridays, all of us.", "custom"),
        ("Hello there.", "opinion"),
        ("Fridays, all of us.", "custom"),
        ("says no.", "opinion"),
    )
    assert [found[name] for name in ("with_cue", "unlabelled", "partly", "wrong")] == [1, 1, 1, 1]
    assert (found["precision"], found["with_cue_share"], found["recall"]) == (0.5, 0.25, 0.5)
    assert (found["not_own"], found["not_own_kept"]) == (1, 1.0)  # `says no` is more than half of it


def test_a_piece_that_holds_a_cue_and_what_is_not_own_is_counted() -> None:
    found = kept((TURN, "custom"), ("no. A guest comes first", "custom"))
    assert (found["with_cue"], found["mixed"], found["not_own_kept"]) == (2, 1, 1.0)


def test_the_kind_is_that_of_the_shortest_piece_and_the_border_of_norm_and_custom_is_soft() -> None:
    found = kept((TURN, "opinion"), ("We bake on Fridays", "custom"), ("A guest comes first", "custom"))
    assert (found["recall"], found["kind"], found["kind_majority"], found["kind_border"]) == (1.0, 0.5, 0.5, 1.0)


def test_where_nothing_is_kept_precision_is_not_known() -> None:
    found = kept()
    assert (found["kept"], found["precision"], found["recall"], found["not_own_kept"]) == (0, None, 0.0, 0.0)


def test_sentences_are_cut_as_their_language_asks() -> None:
    rows = [{"id": "z", "language": "zh", "turn": "我们先给客人倒茶。你呢？"}]
    assert [piece["quote"] for piece in whose.baseline(rows)["z"]] == ["我们先给客人倒茶。", "你呢？"]
    assert seated(rows[0]).participants[0].persona.culture == "chinese"
    assert cut_as("zh").prompt("extract") is not None


def test_a_speaker_without_a_card_is_lent_no_line_of_one(tmp_path: Path) -> None:
    model = FakeModel()
    asyncio.run(whose.ours(ask(model, tmp_path), [{"id": "w", "culture": "turkish", "turn": TURN}]))
    material = json.loads(model.bodies[0]["messages"][-1]["content"])
    (person,) = material["people"]
    assert person == {"name": "Speaker", "place": "Türkiye", "country": "Türkiye", "card": {}}
    assert "[1] Hello there." in material["turns"][0]["text"]


# --- the others ----------------------------------------------------------------------------------------


def test_quotes_are_scored_by_what_passes_and_what_is_vetoed() -> None:
    rows = [{"id": str(i), "own": i < 3} for i in range(5)]
    found = quotes.score(rows, {"0": True, "1": True, "2": False, "3": True, "4": False})
    assert (found["wrong_passed"], found["right_vetoed"]) == (0.5, 0.3333)
    assert (found["precision"], found["accuracy"], found["majority"]) == (0.6667, 0.6, 0.6)


def verdict(of: str, asked: list[int]) -> FakeModel:
    """A verifier that lets quotes pass that hold a word."""

    def judge(body: JsonObject) -> str:
        material = json.loads(body["messages"][-1]["content"])
        asked.append(len(material["items"]))
        turns = {turn["turn"]: turn["text"] for turn in material["turns"]}
        judged = [
            {
                "id": item["id"],
                "faithful": "entail" if of in item["quote"] and item["quote"] in turns[item["turn"]] else "irrelevant",
                "stance": "none",
                "carried": "none",
            }
            for item in material["items"]
        ]
        return json.dumps({"verdicts": judged})

    return FakeModel(judge)


def test_quotes_of_one_culture_are_judged_thirty_a_call_each_in_its_own_turn(tmp_path: Path) -> None:
    asked: list[int] = []
    rows = [
        {"id": f"q{i}", "culture": "german" if i < 32 else "turkish", "turn": f"We pour {i}.", "quote": f"pour {i}"}
        for i in range(35)
    ]
    found = asyncio.run(quotes.ours(ask(verdict("4", asked), tmp_path), rows))
    assert sorted(asked) == [2, 3, 30]
    assert [row_id for row_id, own in found.items() if own] == ["q4", "q14", "q24", "q34"]


class Hashed:
    """Stands where the encoder does: a direction of its own for each text."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        draws = [np.random.default_rng(list(text.encode())).normal(size=384) for text in texts]
        return np.array([draw / np.linalg.norm(draw) for draw in draws], np.float32).reshape(-1, 384)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "encoder", Hashed)


@pytest.mark.usefixtures("hashed")
def test_a_model_that_cannot_be_asked_is_asked_nothing(tmp_path: Path) -> None:
    def refuse(_: JsonObject) -> str:
        raise AssertionError("it is asked nothing")

    model = FakeModel(refuse, labels=True)
    model.traits = replace(model.traits, small=True)
    rows = {kind: read(DATA / file_of(kind), kind, gold=True)[:3] for kind in ("whose", "languages", "quotes", "rows")}
    folder = tmp_path / "out"
    folder.mkdir()
    asyncio.run(predict(folder, at(tmp_path, model), rows))
    lines = {kind: predicted(folder / f"{kind}.jsonl") for kind in rows}
    for kind in ("whose", "languages"):
        turns_of = {row["id"]: row["turn"] for row in rows[kind]}
        assert all(piece["quote"] in turns_of[line["id"]] for line in lines[kind] for piece in line["pieces"])
    assert all(isinstance(line["own"], bool) for line in lines["quotes"])
    assert [line["answers"] for line in lines["rows"]] == [False] * 3  # no head can tell that


@pytest.mark.usefixtures("hashed")
def test_a_model_too_small_for_json_is_asked_for_one_token_at_a_time(tmp_path: Path) -> None:
    model = FakeModel(lambda _: "Yes", labels=True)
    rows = {kind: read(DATA / file_of(kind), kind, gold=True)[:2] for kind in ("whose", "languages", "quotes", "rows")}
    found = asyncio.run(scores(at(tmp_path, model), rows))
    assert found.keys() >= rows.keys()
    assert {body["max_tokens"] for body in model.bodies} == {1}
    assert not any("response_format" in body for body in model.bodies)
    said = [body["messages"][-1]["content"] for body in model.bodies]
    assert [rows["rows"][0]["question"] in said[0], rows["rows"][1]["question"] in said[-1]] == [True, True]
    assert len(said) == 2  # whose words they are, heads have read


@pytest.mark.parametrize(
    ("country", "known"),
    [("United States", "the United States"), ("the United States", "the United States"), ("Türkiye", "Türkiye"),
     ("Atlantis", "Atlantis")],
)  # fmt: skip
def test_a_row_may_be_of_any_country(country: str, known: str) -> None:
    row = {"id": "r", "country": country, "question": "Who pays?", "answer": f"In {country} the eldest pays."}
    assert answers.as_case(row).country == known
    item = as_item(answers.as_case(row))
    assert known in item["countries"].values()
    assert country not in item["answer"]


def test_answers_are_scored_by_label_and_country() -> None:
    rows: list[JsonObject] = [
        {"id": "a", "country": "Brazil", "answers": True, "stands_alone": True, "distinctive": True},
        {"id": "b", "country": "Brazil", "answers": True, "stands_alone": True, "distinctive": False},
        {"id": "c", "country": "China", "answers": False, "stands_alone": True, "distinctive": True},
    ]
    yes = dict.fromkeys(answers.LABELS, True)
    found = answers.score(rows, {"a": yes, "b": yes, "c": yes | {"answers": False, "distinctive": False}})
    assert (found["answers"]["precision"], found["answers"]["recall"], found["answers"]["majority"]) == (
        1.0,
        1.0,
        0.6667,
    )
    assert (found["distinctive"]["accuracy"], found["distinctive"]["guessed"]) == (0.3333, 0.25)
    assert found["distinctive"]["by_country"]["Brazil"]["false_alarms"] == 1.0
    assert found["distinctive"]["by_country"]["China"]["recall"] == 0.0
    assert (found["all_three"]["precision"], found["all_three"]["recall"]) == (0.5, 1.0)


def test_pairs_are_scored_by_language() -> None:
    rows = [
        {"id": f"{code}{what[0]}", "language": code, "what": what}
        for code in ("de", "tr")
        for what in ("paraphrase", "opposite", "unrelated")
    ]
    found = pairs.score(rows, {"dep": True, "deo": True, "deu": False, "trp": False, "tro": False, "tru": False})
    assert (found["precision"], found["recall"], found["opposites_merged"], found["unrelated_merged"]) == (
        0.5,
        0.5,
        1,
        0,
    )
    assert found["by_language"]["de"]["recall"] == 1.0
    assert found["by_language"]["tr"]["precision"] is None


def test_two_texts_are_the_same_as_in_a_run(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "language": "en", "a": "We never lock the well.", "b": "We never lock the  well!"},
        {"id": "2", "language": "tr", "a": "Kuyuyu hiç kilitlemeyiz.", "b": "Düğünde önce amcalar oynar."},
    ]
    assert asyncio.run(pairs.ours(ask(FakeModel(), tmp_path), rows, Lexical())) == {"1": True, "2": False}


def test_guards_are_scored_by_what_they_refuse_and_let_pass() -> None:
    rows = read(DATA / "guards_dev.jsonl", "guards", gold=True)
    found = guarded.score(rows, guarded.ours(blind("guards", rows)))
    assert (found["good_refused"], found["bad_accepted"]) == (0.0, 0.0)
    assert guarded.score(rows, guarded.baseline(rows))["bad_accepted"] == 1.0


def test_the_published_way_of_extraction_gives_no_quote_of_its_own(tmp_path: Path) -> None:
    row = {"id": "r", "turn": TURN, "speaker": "Li Na", "culture": "chinese", "question": "Do you bake?"}
    model = FakeModel(lambda _: "Here are the opinions:\n1. Li Na bakes on Fridays.\n\n2. Nobody flies.")
    found = asyncio.run(extraction.reference([row], ask(model, tmp_path)))["r"]
    assert [(s["statement"], s["quote"]) for s in found] == [
        ("Here are the opinions:", ""),
        ("Li Na bakes on Fridays.", "We bake on Fridays, all of us."),
        ("", ""),
        ("Nobody flies.", ""),
    ]


# --- the whole bench -----------------------------------------------------------------------------------


def predicted(path: Path) -> list[JsonObject]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_kind_is_scored_beside_its_null(tmp_path: Path) -> None:
    rows = {kind: some[:6] for kind, some in read_all(DATA, gold=True).items()}
    assert tuple(rows) == KINDS
    found = asyncio.run(scores(at(tmp_path), rows))
    assert all(found["baseline"][kind].keys() == found[kind].keys() for kind in KINDS)
    assert set(found["lists"]) == {"extract", "whose", "quotes"}
    assert set(found["reference"]) == {"verify", "extract", "dedup"}


@pytest.mark.parametrize("folder", WRITERS, ids=lambda path: path.name)
def test_the_rows_of_each_writer_can_be_scored(folder: Path) -> None:
    rows = read_all(folder, gold=True)
    assert {kind: len(some) for kind, some in rows.items()} == {
        "verify": 54, "whose": 28, "languages": 8, "quotes": 40, "rows": 40, "pairs": 54
    }  # fmt: skip
    once = [
        piece for row in rows["whose"] + rows["languages"] for piece in labelled(row) if row["turn"].count(piece) != 1
    ]
    assert once == []
    assert all(row["turn"].count(row["quote"]) == 1 for row in rows["quotes"])


def labelled(row: JsonObject) -> Iterator[str]:
    yield from (gold["cue"] for gold in row["gold"])
    yield from row["not_own"]


FIELDS = {
    "verify": {"relation", "confidence", "kept"},
    "extract": {"statements"},
    "dedup": {"cluster"},
    "whose": {"pieces"},
    "languages": {"pieces"},
    "quotes": {"own"},
    "rows": {"answers", "stands_alone", "distinctive"},
    "pairs": {"same"},
    "guards": {"good"},
}


def test_rows_without_gold_are_predicted_by_the_command_offline(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    ids = {}
    for kind in KINDS:
        some = read(DATA / file_of(kind), kind, gold=True)[:4]
        ids[kind] = [row["id"] for row in some]
        (data / file_of(kind)).write_text("\n".join(map(json.dumps, blind(kind, some))), "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "bench.quality", "--model", "scripted", "--data", str(data), "--predict", str(out)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"predicted": dict.fromkeys(KINDS, 4)}
    for kind, names in FIELDS.items():
        lines = predicted(out / f"{kind}.jsonl")
        assert [line.pop("id") for line in lines] == ids[kind]
        assert all(line.keys() == names for line in lines)
    pieces = [
        piece
        for kind in ("whose", "languages")
        for line in predicted(out / f"{kind}.jsonl")
        for piece in line["pieces"]
    ]
    assert pieces
    assert all(piece.keys() == {"quote", "kind"} and piece["kind"] in ("opinion", "norm", "custom") for piece in pieces)
    assert all(isinstance(line["distinctive"], bool) for line in predicted(out / "rows.jsonl"))


def test_gold_is_not_looked_at_where_rows_are_predicted(tmp_path: Path) -> None:
    seen: list[str] = []

    def watch(body: JsonObject) -> str:
        seen.append(json.dumps(body))
        return answer(body)

    rows = {kind: read(DATA / file_of(kind), kind, gold=True)[:2] for kind in KINDS}
    for some, kind in ((some, kind) for kind, some in rows.items()):
        for row in some:
            for name in GOLD[kind].keys() | REMARKS.get(kind, {}).keys():
                row[name] = "SECRET"
    out = tmp_path / "out"
    out.mkdir()
    written = asyncio.run(predict(out, at(tmp_path, FakeModel(watch)), rows))
    assert written == {kind: len(some) for kind, some in rows.items()}
    assert seen
    assert "SECRET" not in "".join(seen) + "".join(path.read_text("utf-8") for path in out.iterdir())


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("whose", {"turn": "We bake."}, "no 'gold'; rows without gold can be predicted"),
        ("whose", {"turn": "We bake.", "gold": [{"cue": "fry", "kind": "custom"}]}, "'fry' does not stand in the turn"),
        ("whose", {"turn": "We bake.", "gold": ["We"]}, "None does not stand in the turn"),
        (
            "whose",
            {"turn": "We bake.", "gold": [{"cue": "We", "kind": "view"}]},
            "must be one of opinion, norm, custom",
        ),
        ("whose", {"turn": "We bake.", "gold": [], "culture": 7}, "'culture' must be a str"),
        ("languages", {"turn": "We bake.", "gold": []}, "'language' must be a str"),
        ("pairs", {"language": "en", "a": "x", "b": "y", "what": "same"}, "'what' must be one of paraphrase"),
        ("quotes", {"turn": "We bake.", "quote": "We", "own": "yes"}, "'own' must be a bool"),
        ("guards", {"text": "We bake.", "good": 1}, "'good' must be a bool"),
    ],
)
def test_a_label_that_cannot_be_scored_is_named(kind: str, row: JsonObject, said: str, tmp_path: Path) -> None:
    path = tmp_path / file_of(kind)
    path.write_text(json.dumps({"id": "a"} | row), "utf-8")
    with pytest.raises(UsageError, match=said):
        read(path, kind, gold=True)


def test_the_kinds_are_all_there() -> None:
    assert tuple(WAYS) == KINDS
    assert FIELDS.keys() == GOLD.keys() == set(KINDS)
