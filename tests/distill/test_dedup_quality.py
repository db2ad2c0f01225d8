"""How well duplicates are found, on rows whose clusters people made; and that it hangs on nothing it should not.

`dedup_dev.jsonl` are the rows on which the few numbers in `dedup.py` and `turning.py` were chosen; `dedup_own.jsonl`
were written afterwards, by somebody who had seen the others, with the same kinds of traps.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from culturepark.catalog.personas import load_all
from culturepark.distill.dedup import Entry, band, blocks, deduplicate, same
from culturepark.distill.paraphrase import Likeness, compare, key, read
from culturepark.domain import DedupPolicy, JsonObject
from culturepark.models import weights
from culturepark.models.embedder import Embedder, Lexical, Method, MultilingualE5, Vectors
from tests.distill.test_dedup import merged

DATA = Path(__file__).parents[1] / "data"
Sides = Literal["known", "as in a run", "unknown"]
"""Of which rows the side is told: all, those of survey questions alone (a norm has none), or no row's."""
SIDES: tuple[Sides, ...] = ("known", "as in a run", "unknown")


@dataclass(frozen=True)
class Figures:
    """How duplicates that were found compare with the clusters that people made."""

    precision: float
    """Share of the merged pairs that are of one cluster."""
    recall: float
    """Share of the pairs of one cluster that were merged."""
    opposites: int
    """Merged pairs of different clusters with a flipped polarity or swapped roles among them."""
    lost: int
    """Clusters of which nothing is left."""


@cache
def rows(name: str) -> list[JsonObject]:
    return [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text("utf-8").splitlines()]


def entries(name: str, sides: Sides) -> list[Entry]:
    def side(row: JsonObject) -> str:
        told = sides == "known" or (sides == "as in a run" and row["seed"].startswith("wvs"))
        return {"entail": "plus", "contradict": "minus"}.get(row["relation"], "none") if told else "none"

    return [Entry(r["id"], (r["seed"], r["culture"], "en", side(r)), r["text"], "en") for r in rows(name)]


def figures(name: str, sides: Sides, vectors: Vectors, method: Method, threshold: float | None) -> Figures:
    data = rows(name)
    stands_for = merged(deduplicate(entries(name, sides), vectors, method, threshold))
    head = {row["id"]: stands_for.get(row["id"], row["id"]) for row in data}
    pairs = list(combinations(data, 2))
    found = [(a, b) for a, b in pairs if head[a["id"]] == head[b["id"]]]
    wanted = sum(a["cluster"] == b["cluster"] for a, b in pairs)
    right = sum(a["cluster"] == b["cluster"] for a, b in found)
    turned = {"polarity-flip", "role-swap"}
    return Figures(
        precision=right / len(found),
        recall=right / wanted,
        opposites=sum(a["cluster"] != b["cluster"] and bool(turned & {a["note"], b["note"]}) for a, b in found),
        lost=len({r["cluster"] for r in data} - {r["cluster"] for r in data if head[r["id"]] == r["id"]}),
    )


@cache
def lexical(name: str) -> Vectors:
    return embedded(Lexical(), name)


@cache
def e5(name: str) -> Vectors:
    return embedded(session(), name)


@cache
def session() -> MultilingualE5:
    assert weights.have(weights.E5), f"{weights.E5.name} is missing: make weights"
    return MultilingualE5(lambda *_: None)


def embedded(embedder: Embedder, name: str) -> Vectors:
    return asyncio.run(embedder.embed([row["text"] for row in rows(name)]))


EMBEDDERS = [
    pytest.param("lexical", lexical, id="lexical"),
    pytest.param("e5", e5, id="e5", marks=pytest.mark.embedded),
]


@pytest.mark.embedded
@pytest.mark.parametrize(
    ("name", "sides", "recall"),
    [
        ("dedup_dev", "known", 0.83),
        ("dedup_dev", "as in a run", 0.73),
        ("dedup_dev", "unknown", 0.55),
        ("dedup_own", "known", 0.63),
        ("dedup_own", "unknown", 0.53),
    ],
)
@pytest.mark.sampled
def test_the_default_finds_most_repetitions_and_nothing_else(name: str, sides: Sides, recall: float) -> None:
    """Over 169 and 46 rows: 72 and 20 pairs that say the same."""
    found = figures(name, sides, e5(name), "e5", DedupPolicy().threshold)
    assert found.precision == 1.0
    assert found.recall >= recall
    assert found.opposites == found.lost == 0


@pytest.mark.embedded
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.sampled
def test_it_does_not_hang_on_which_of_the_rows_comes_first(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files tell first what others repeat or turn; whoever comes first by id stands for others."""
    for name in ("dedup_dev", "dedup_own"):
        told, made = rows(name), e5(name)
        for seed in range(6):
            ids = random.Random(seed).sample([row["id"] for row in told], len(told))
            renamed = [row | {"id": other} for row, other in zip(told, ids, strict=True)]
            with monkeypatch.context() as patched:
                patched.setattr("tests.distill.test_dedup_quality.rows", {name: renamed}.__getitem__)
                found = figures(name, sides, made, "e5", None)
            assert found.opposites == 0
            assert found.precision >= 0.9
            assert found.recall >= 0.4


@pytest.mark.parametrize("name", ["dedup_dev", "dedup_own"])
@pytest.mark.parametrize("sides", SIDES)
def test_where_only_words_are_known_what_is_found_is_right_too(name: str, sides: Sides) -> None:
    found = figures(name, sides, lexical(name), "lexical", None)
    assert found.precision == 1.0
    assert found.recall >= 0.3
    assert found.opposites == found.lost == 0


@pytest.mark.embedded
@pytest.mark.parametrize("threshold", [0.91, 0.92, 0.93, 0.96])
@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.sampled
def test_no_opposites_are_merged_at_any_threshold_around_the_default(threshold: float, sides: Sides) -> None:
    for name in ("dedup_dev", "dedup_own"):
        assert figures(name, sides, e5(name), "e5", threshold).opposites == 0


@pytest.mark.embedded
def test_a_higher_threshold_finds_fewer() -> None:
    recalls = [figures("dedup_dev", "known", e5("dedup_dev"), "e5", t).recall for t in (0.93, 0.95, 0.97, 1.0)]
    assert recalls == sorted(recalls, reverse=True)
    assert recalls[0] > 2 * recalls[-1]


# --- what the result does not hang on --------------------------------------------------------------


@pytest.mark.parametrize(("method", "vectors"), EMBEDDERS)
@pytest.mark.parametrize("sides", ["known", "unknown"])
@pytest.mark.sampled
def test_the_order_in_which_statements_are_given_changes_nothing(
    method: Method, vectors: Callable[[str], Vectors], sides: Sides
) -> None:
    given, made = entries("dedup_dev", sides), vectors("dedup_dev")
    first = {one.statement_id: one for one in deduplicate(given, made, method)}
    assert len(first) > 15
    for seed in range(5):
        order = random.Random(seed).sample(range(len(given)), len(given))
        again = deduplicate([given[n] for n in order], made[order], method)
        assert {one.statement_id: one for one in again} == first


@pytest.mark.parametrize(("method", "vectors"), EMBEDDERS)
@pytest.mark.sampled
def test_the_result_does_not_hang_on_noise_in_the_vectors_or_on_other_blocks(
    method: Method, vectors: Callable[[str], Vectors]
) -> None:
    given, made = entries("dedup_dev", "known"), vectors("dedup_dev")
    first = deduplicate(given, made, method)
    assert deduplicate(given, made, method) == first
    draw = np.random.default_rng(3)
    noisy = (made + draw.normal(scale=1e-8, size=made.shape)).astype(np.float32)
    assert merged(deduplicate(given, noisy, method)) == merged(first)
    turned = np.ascontiguousarray(made[:, draw.permutation(made.shape[1])])  # the same angles, summed in another order
    assert merged(deduplicate(given, turned, method)) == merged(first)
    by_block = [one for b in blocks(given) for one in deduplicate([given[i] for i in b], made[b], method)]
    assert merged(by_block) == merged(first)


@pytest.mark.parametrize(("method", "vectors"), EMBEDDERS)
def test_every_duplicate_is_as_similar_to_its_representative_as_it_says(
    method: Method, vectors: Callable[[str], Vectors]
) -> None:
    given, made = entries("dedup_dev", "known"), vectors("dedup_dev")
    first: dict[tuple[str, ...], int] = {}
    place = {one.statement_id: first.setdefault((*one.block, key(one.text)), n) for n, one in enumerate(given)}
    found = deduplicate(given, made, method)
    assert {one.representative_id for one in found}.isdisjoint(merged(found))
    for one in found:
        similarity = float(made[place[one.statement_id]] @ made[place[one.representative_id]])
        if one.method == "exact":
            assert one.similarity == 1
        else:
            assert one.similarity >= band(method, "en")[1] - 1e-4
            assert one.similarity == pytest.approx(similarity, abs=1e-4)


@pytest.mark.embedded
@pytest.mark.parametrize("letter", ["a", "b", "c", "d", "e", "f"])
@pytest.mark.sampled
def test_no_opposites_and_no_other_rules_are_merged_in_any_of_nine_languages(letter: str) -> None:
    """Of each writer's 54 pairs, without a model that is asked."""
    pairs = rows(f"writers/{letter}/pairs_dev")
    made = asyncio.run(session().embed([row[side] for row in pairs for side in "ab"]))
    merged = [
        row["what"]
        for number, row in enumerate(pairs)
        if same(row["a"], row["b"], made[2 * number : 2 * number + 2], "e5", row["language"])
    ]
    assert len({row["language"] for row in pairs}) == 9
    assert set(merged) <= {"paraphrase"}


@pytest.mark.embedded
def test_what_cards_tell_stays_apart() -> None:
    """The norms of the shipped cards, within each culture: all are different."""
    told = [(one.culture, norm.text) for one in load_all([]) for norm in one.norms]
    made = asyncio.run(session().embed([text for _, text in told]))
    given = [Entry(f"c.d1.t{n}.s1", ("", c, "en", "norm", "none"), t, "en") for n, (c, t) in enumerate(told, 1)]
    assert len(given) > 400
    assert deduplicate(given, made, "e5") == []


@pytest.mark.embedded
def test_a_vector_depends_on_its_text_alone() -> None:
    texts = [row["text"] for row in rows("dedup_own")]
    together = asyncio.run(session().embed(texts))
    alone = np.concatenate([asyncio.run(session().embed([text])) for text in texts[:5]])
    assert (together[:5] == alone).all()


@pytest.mark.embedded
@pytest.mark.skipif(not hasattr(os, "fork"), reason="only Unix forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_an_encoder_works_on_in_a_process_that_is_forked() -> None:
    """As in a server that forks its workers: the threads of its parent are not there."""
    words = ["We take off our shoes."]
    before = asyncio.run(session().embed(words))
    child = os.fork()
    if not child:
        signal.alarm(60)  # ends it, where it would wait for good
        os._exit(0 if np.array_equal(asyncio.run(session().embed(words)), before) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


LANGUAGES = ("ar", "bn", "de", "en", "es", "ko", "pt", "tr", "zh")


@pytest.mark.parametrize("language", LANGUAGES)
def test_opposites_share_a_frame_and_paraphrases_do_not_in_each_language(language: str) -> None:
    names = [f"writers/{letter}/pairs_dev" for letter in "abcdef"] + ["pairs_dev"]
    pairs = [row for name in names for row in rows(name) if row["language"] == language]
    found = {
        what: {compare(*(read(key(row[side]), language) for side in "ab")) for row in pairs if row["what"] == what}
        for what in ("opposite", "paraphrase")
    }
    assert found == {"opposite": {Likeness.RIVAL}, "paraphrase": {Likeness.OPEN, Likeness.OTHER}}
