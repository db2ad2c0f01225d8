"""Statements that say the same are found, and statements that do not are left alone."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from culturepark.dialogue.guards import is_latin, other_language
from culturepark.distill import dedup
from culturepark.distill.dedup import Entry, deduplicate
from culturepark.domain import DedupPolicy, Duplicate, JsonObject
from culturepark.models import weights
from culturepark.models.embedder import Embedder, Lexical, MiniLM, Vectors, unit_rows
from culturepark.store.tables import DuplicateRow, SampleRow, StatementRow
from tests.fakes import ELIF, FakeModel, answering, edition, hold_said, judged, proposals

DEFAULT = DedupPolicy().threshold
BLOCK = ("seed", "turkish", "en", "entail")
SAID = "I pour tea for every guest who comes to our house."
ROWS = Path(__file__).parent / "data" / "dedup_dev.jsonl"


def entries(*texts: str, block: tuple[str, ...] = BLOCK) -> list[Entry]:
    return [Entry(f"s{number}", block, text) for number, text in enumerate(texts)]


def apart(count: int) -> Vectors:
    """Vectors that have nothing in common."""
    return np.eye(max(count, 2), dtype=np.float32)[:count]


def alike(count: int) -> Vectors:
    """Vectors that have everything in common: only guards are left to tell the texts apart."""
    return np.tile(apart(1), (count, 1))


def at_angles(*degrees: float) -> Vectors:
    """Unit vectors in a plane; the similarity of two is the cosine of the angle between them."""
    angles = np.radians(np.array(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def merged(found: Sequence[Duplicate]) -> dict[str, str]:
    return {one.statement_id: one.representative_id for one in found}


# --- exact duplicates ------------------------------------------------------------------------------


def test_the_same_text_is_found_over_case_punctuation_and_unicode_form() -> None:
    texts = [
        "At our café we pour tea — first for the guest!",
        "AT OUR CAFÉ WE POUR TEA, FIRST FOR THE GUEST.",
        unicodedata.normalize("NFD", "At our café, we pour tea: first for the guest"),
        "  At our café   we pour tea\nfirst for the guest…",
        "At our ｃａｆé we pour tea first for the guest",
    ]
    found = deduplicate(entries(*texts), apart(5), "minilm", DEFAULT)
    assert merged(found) == {f"s{n}": "s0" for n in range(1, 5)}
    assert {(one.method, one.similarity) for one in found} == {("exact", 1.0)}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("We give 50 € in an envelope at a wedding.", "We give 50 $ in an envelope at a wedding."),
        ("We give 1.50 to the musicians.", "We give 150 to the musicians."),
        ("অতিথিকে বসতে বলি।", "অতিথিকে বসতে বলে।"),
    ],
    ids=["currency", "decimal point", "vowel signs of Bengali"],
)
def test_texts_that_differ_in_more_than_punctuation_are_not_the_same(one: str, other: str) -> None:
    assert deduplicate(entries(one, other), apart(2), "minilm", DEFAULT) == []
    assert deduplicate(entries(one, other), alike(2), "minilm", DEFAULT) == []  # nor does a guard overlook it


# --- star clusters ---------------------------------------------------------------------------------


STREETS = [
    "On our street we pour tea for a guest.",
    "Tea is what a visitor gets where I live.",
    "Whoever comes by is given a glass of tea at ours.",
    "In my neighbourhood the kettle goes on for a caller.",
    "A person who drops in drinks tea with us.",
]


def test_a_duplicate_is_similar_to_its_representative_itself_and_never_through_a_third() -> None:
    # Each is 15 degrees from the next (cosine .966), and 30 degrees (.866) from the one after that.
    found = deduplicate(entries(*STREETS), at_angles(0, 15, 30, 45, 60), "minilm", DEFAULT)
    assert merged(found) == {"s1": "s0", "s3": "s2"}
    assert {one.similarity for one in found} == {round(float(np.cos(np.radians(15))), 4)}


def test_every_duplicate_of_a_thousand_is_as_similar_to_its_representative_as_it_says() -> None:
    draw = np.random.default_rng(7)
    centres = draw.normal(size=(40, 16))
    vectors = unit_rows((centres[draw.integers(0, 40, 1000)] + 0.3 * draw.normal(size=(1000, 16))).astype(np.float32))
    names = ["".join("αβγδεζηθικ"[int(d)] for d in str(n)) for n in range(1000)]  # no word of any list
    texts = [f"Saying {name} {name} {name} of our street." for name in names]
    found = deduplicate(entries(*texts), vectors, "minilm", DEFAULT)
    assert 300 < len(found) < 960
    representatives = {one.representative_id for one in found}
    assert representatives.isdisjoint(merged(found))  # who stands for others is nobody's duplicate
    for one in found:
        mine, other = int(one.statement_id[1:]), int(one.representative_id[1:])
        assert other < mine
        assert float(vectors[mine] @ vectors[other]) == pytest.approx(one.similarity, abs=1e-4)
        assert one.similarity >= DEFAULT - 1e-4
    left = [n for n in range(1000) if f"s{n}" not in merged(found)]
    rest = vectors[left] @ vectors[left].T - 2 * np.eye(len(left), dtype=np.float32)
    assert float(rest.max()) < DEFAULT + 1e-6  # and no two of those that are left are duplicates


def test_the_first_to_be_said_stands_for_its_group() -> None:
    found = deduplicate(entries(*STREETS[:3]), at_angles(10, 0, 20), "minilm", DEFAULT)
    assert merged(found) == {"s1": "s0", "s2": "s0"}
    assert {one.cluster_id for one in found} == {"s0"}


def test_nothing_to_compare_gives_nothing() -> None:
    assert deduplicate([], np.zeros((0, 8), np.float32), "minilm", DEFAULT) == []
    assert deduplicate(entries(SAID), apart(1), "minilm", DEFAULT) == []


# --- guards ----------------------------------------------------------------------------------------

TURNED = {
    "negation": [
        ("We sit down before the oldest does.", "We do not sit down before the oldest does."),
        ("We sit down before the oldest does.", "We never sit down before the oldest does."),
        ("We can lend money to a cousin.", "We can't lend money to a cousin."),
        ("We can lend money to a cousin.", "We can’t lend money to a cousin."),
        ("Everybody greets the shopkeeper.", "Nobody greets the shopkeeper."),
        ("We go to a feast with a gift.", "We go to a feast without a gift."),
        ("Guests come on Fridays.", "Guests hardly come on Fridays."),
    ],
    "numbers": [
        ("A guest stays for 2 days.", "A guest stays for 3 days."),
        ("Dinner is at 7:30 with us.", "Dinner is at 8:30 with us."),
        ("A guest stays for three days.", "A guest stays for four days."),
        ("I prefer the first son.", "I prefer the second son."),
    ],
    "quantifiers": [
        ("Most children obey their aunts.", "Some children obey their aunts."),
        ("We always pay for the guest.", "We sometimes pay for the guest."),
        ("All of us bring a dish.", "Many of us bring a dish."),
        ("The job pays more than a pension.", "The job pays less than a pension."),
    ],
    "people": [
        ("The sons carry the coffin.", "The daughters carry the coffin."),
        ("A man may speak first.", "A woman may speak first."),
        ("The husband keeps the purse.", "The wife keeps the purse."),
    ],
    "roles": [
        ("Parents owe their children a roof.", "Children owe their parents a roof."),
        ("The host pays for the guest.", "The guest pays for the host."),
        ("I agree that men lead better than women.", "I agree that women lead better than men."),
        ("Citizens should be hired before immigrants.", "Immigrants should be hired before citizens."),
        ("There are two girls and three boys at the table.", "There are three girls and two boys at the table."),
    ],
}


@pytest.mark.parametrize(
    ("one", "other"),
    [pytest.param(*pair, id=f"{kind} {n}") for kind, pairs in TURNED.items() for n, pair in enumerate(pairs)],
)
def test_statements_that_differ_in_a_word_that_turns_the_meaning_are_never_merged(one: str, other: str) -> None:
    assert deduplicate(entries(one, other), alike(2), "minilm", DEFAULT) == []
    assert deduplicate(entries(other, one), alike(2), "minilm", DEFAULT) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("A guest stays for eleven days.", "A guest stays for thirteen days."),
        ("Voting should be a duty from eighteen on.", "Voting should be a duty from sixteen on."),
        ("We visit the grave on the third day.", "We visit the grave on the seventh day."),
        ("We knock once.", "We knock twice."),
        ("A widow may marry from sixteen on.", "A widow may marry from sixty on."),
        ("The feast lasts for eighteen days.", "The feast lasts for eighty days."),
    ],
)
def test_numbers_in_words_count_as_numbers(one: str, other: str) -> None:
    assert deduplicate(entries(one, other), alike(2), "minilm", DEFAULT) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It is not true that children should visit.", "It is not true that children should not visit."),
        ("I do not think that it is right.", "I do not think that it is not right."),
    ],
)
def test_two_negations_are_not_one(one: str, other: str) -> None:
    assert deduplicate(entries(one, other), alike(2), "minilm", DEFAULT) == []


OPPOSITES = [
    (
        "It is acceptable to refuse a second helping at my aunt's table.",
        "It is unacceptable to refuse a second helping at my aunt's table.",
    ),
    ("We agree that a guest may leave before the tea.", "We disagree that a guest may leave before the tea."),
    ("One takes off the shoes before entering the house.", "One takes off the shoes after entering the house."),
    ("It is rude to arrive early for dinner in our town.", "It is polite to arrive early for dinner in our town."),
    ("It would be right to fine them for it.", "It would be wrong to fine them for it."),
    ("We eat with the left hand.", "We eat with the right hand."),
    ("We close the shop at noon on Friday.", "We close the shop at noon on Saturday."),
    ("We eat meat on Fridays.", "We eat meat except on Fridays."),
    ("Women may drive at night here, men too.", "Women may drive at night here, unlike men."),
]
"""MiniLM finds each of these more similar than the default threshold; in norms only a guard can tell them apart."""


@pytest.mark.parametrize(("one", "other"), OPPOSITES)
def test_antonyms_are_never_merged(one: str, other: str) -> None:
    assert deduplicate(entries(one, other), alike(2), "minilm", DEFAULT) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The employer pays for the meal.", "The employee pays for the meal."),
        ("The grandfather sits at the head of the table.", "The grandmother sits at the head of the table."),
        ("The grandson carries the coffin.", "The granddaughter carries the coffin."),
    ],
)
def test_people_whose_names_begin_alike_are_not_the_same(one: str, other: str) -> None:
    assert deduplicate(entries(one, other), alike(2), "minilm", DEFAULT) == []


def test_roles_are_seen_to_be_swapped_even_where_their_number_changes() -> None:
    """dev-161 and dev-163 of the development rows; MiniLM: .975."""
    one = "Leaving while the manager is still at the desk makes a young employee look indifferent to the team."
    other = "Leaving while young employees are still at their desks makes a manager look indifferent to the team."
    assert deduplicate(entries(one, other), alike(2), "minilm", DEFAULT) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("We pour tea for a guest at once.", "At our place tea is poured for a guest at once."),
        ("We don't shake hands at the door.", "We do not shake hands at the door."),
        ("We don’t shake hands at the door.", "We never shake hands at the door."),
        ("A guest stays for three days here.", "Here a visitor will stay for three days."),
    ],
)
def test_a_paraphrase_without_such_a_word_is_merged(one: str, other: str) -> None:
    assert merged(deduplicate(entries(one, other), alike(2), "minilm", DEFAULT)) == {"s1": "s0"}


# --- blocks and threshold ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(4), ids=["seed", "culture", "language", "relation"])
def test_blocks_never_mix(place: int) -> None:
    other = tuple("other" if n == place else part for n, part in enumerate(BLOCK))
    two = [Entry("s0", BLOCK, SAID), Entry("s1", other, SAID)]
    assert deduplicate(two, alike(2), "minilm", DEFAULT) == []
    same = [Entry("s0", BLOCK, SAID), Entry("s1", BLOCK, SAID)]
    assert merged(deduplicate(same, alike(2), "minilm", DEFAULT)) == {"s1": "s0"}


def test_the_vectors_of_a_block_are_its_own_even_where_blocks_alternate() -> None:
    texts = [STREETS[0], "We bury a pot of salt.", STREETS[1], "We burn a pinch of rue."]
    mixed = [Entry(f"s{n}", (*BLOCK[:3], "entail" if n % 2 else "none"), text) for n, text in enumerate(texts)]
    found = deduplicate(mixed, at_angles(0, 5, 90, 10), "minilm", DEFAULT)
    assert merged(found) == {"s3": "s1"}


def test_opposite_sides_of_a_stance_never_meet_in_a_run(tmp_path: Path) -> None:
    """The very same words of one speaker, once judged to support the stance and once to contradict it."""
    first, second = (
        "I think that a job is for whoever does it best.",
        "I think a job is for whoever does it best, really.",
    )
    found = proposals(
        (1, "opinion", first), (1, "opinion", second), first_person="I want the best one to have the job."
    )

    def verdicts(asked: JsonObject) -> JsonObject:
        said = {first: "entail", second: "contradict"}
        return {"verdicts": [{"id": i["id"], "faithful": "entail", "stance": said[i["quote"]]} for i in asked["items"]]}

    model = FakeModel(answering(statements=lambda _: found, verdicts=verdicts))
    for keep, duplicates in (["entail"], 0), (["entail", "contradict"], 0):
        folder = tmp_path / "-".join(keep)
        folder.mkdir()
        held = hold_said(
            folder, [(ELIF, f"{first} {second}")], model, edition(distill={"keep": keep, "rewrite": "off"})
        )
        assert len(held.rows(DuplicateRow)) == duplicates
    both = FakeModel(answering(statements=lambda _: found, verdicts=judged))
    held = hold_said(tmp_path, [(ELIF, f"{first} {second}")], both)
    (duplicate,) = held.rows(DuplicateRow)
    one, other = held.rows(StatementRow)
    assert (duplicate.statement_id, duplicate.representative_id, duplicate.method) == (other.id, one.id, "exact")
    assert {row.drop_reason for row in held.of(SampleRow, statement_id=other.id)} == {"duplicate"}
    assert {row.drop_reason for row in held.of(SampleRow, statement_id=one.id)} == {None}


def test_what_did_not_pass_verification_stands_for_nobody(tmp_path: Path) -> None:
    first, second = "We pour tea for a guest at once.", "We always pour tea for a guest, at once."

    def verdicts(asked: JsonObject) -> JsonObject:
        said = {first: "irrelevant", second: "entail"}
        return {"verdicts": [{"id": i["id"], "faithful": said[i["quote"]], "stance": "none"} for i in asked["items"]]}

    found = proposals((1, "custom", first), (1, "custom", second), first_person="I pour tea for a guest.")
    model = FakeModel(answering(statements=lambda _: found, verdicts=verdicts))
    held = hold_said(tmp_path, [(ELIF, f"{first} {second}")], model)
    assert held.rows(DuplicateRow) == []
    assert [row.status for row in held.rows(SampleRow)] == ["dropped", "kept"]


@pytest.mark.parametrize(("threshold", "found"), [(0.75, 1), (0.74, 1), (0.76, 0), (0.5, 1), (1.0, 0)])
def test_two_are_the_same_from_the_threshold_on(threshold: float, found: int) -> None:
    vectors = np.array([[1, 0], [0.75, 0.6614378]], np.float32)  # a similarity of exactly .75
    assert len(deduplicate(entries(*STREETS[:2]), vectors, "minilm", threshold)) == found


def test_the_scenarios_threshold_is_the_one_used(tmp_path: Path) -> None:
    first, second = "We pour strong tea for a guest at the door.", "We pour strong tea for a guest at our door."
    found = proposals((1, "custom", first), (1, "custom", second))
    for n, statement in enumerate(found["statements"]):
        statement["first_person"] = (first, second)[n]
    similarity = float(np.prod(asyncio.run(Lexical().embed([first, second])), axis=0).sum())
    assert 0.6 < similarity < 0.95
    for threshold, count in (round(similarity - 0.02, 2), 1), (round(similarity + 0.02, 2), 0):
        folder = tmp_path / str(count)
        folder.mkdir()
        model = FakeModel(answering(statements=lambda _: found, verdicts=judged))
        one = edition(distill={"dedup": {"threshold": threshold}})
        held = hold_said(folder, [(ELIF, f"{first} {second}")], model, one)
        assert len(held.rows(DuplicateRow)) == count


def test_the_result_does_not_hang_on_noise_in_the_vectors_or_on_who_else_is_there() -> None:
    rows, vectors = DEV.rows, lexical()
    first = deduplicate(rows, vectors, "lexical", DEFAULT)
    assert deduplicate(rows, vectors, "lexical", DEFAULT) == first
    draw = np.random.default_rng(3)
    noisy = (vectors + draw.normal(scale=1e-8, size=vectors.shape)).astype(np.float32)
    assert merged(deduplicate(rows, noisy, "lexical", DEFAULT)) == merged(first)
    order = draw.permutation(len(vectors.T))
    turned = np.ascontiguousarray(vectors[:, order])  # the same angles, summed in another order
    assert merged(deduplicate(rows, turned, "lexical", DEFAULT)) == merged(first)
    by_block = [
        one
        for block in dedup.blocks(rows)
        for one in deduplicate([rows[i] for i in block], vectors[block], "lexical", DEFAULT)
    ]
    assert merged(by_block) == merged(first)


# --- the development rows ------------------------------------------------------------------------------


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


class Dev:
    """The development rows as entries."""

    def __init__(self) -> None:
        self.data = [json.loads(line) for line in ROWS.read_text("utf-8").splitlines()]
        self.rows = [entry(row, row["relation"]) for row in self.data]
        self.in_runs = [entry(row, "none" if row["seed"].startswith("norm_") else row["relation"]) for row in self.data]
        """As a run has them: only an opinion has a relation to a stance."""
        self.english = [n for n, row in enumerate(self.data) if is_english(row["text"])]

    def figures(self, of: list[Entry], vectors: Vectors, threshold: float, *, english: bool) -> Figures:
        chosen = self.english if english else list(range(len(of)))
        stands_for = merged(deduplicate([of[n] for n in chosen], vectors[chosen], "minilm", threshold))
        head = {n: stands_for.get(of[n].statement_id, of[n].statement_id) for n in chosen}
        cluster = {n: self.data[n]["cluster"] for n in chosen}
        pairs = list(combinations(chosen, 2))
        found = {(a, b) for a, b in pairs if head[a] == head[b]}
        wanted = {(a, b) for a, b in pairs if cluster[a] == cluster[b]}
        turned = {"polarity-flip", "role-swap"}
        return Figures(
            precision=len(found & wanted) / len(found),
            recall=len(found & wanted) / len(wanted),
            opposites=sum(bool(turned & {self.data[n]["note"] for n in pair}) for pair in found - wanted),
            lost=len(set(cluster.values()) - {cluster[n] for n in chosen if head[n] == of[n].statement_id}),
        )


def entry(row: JsonObject, relation: str) -> Entry:
    return Entry(row["id"], (row["seed"], row["culture"], "en", relation), row["text"])


def is_english(text: str) -> bool:
    return all(is_latin(c) for c in text if c.isalpha()) and not other_language(text, "en")


DEV = Dev()


@cache
def lexical() -> Vectors:
    return embedded(Lexical())


@cache
def minilm() -> Vectors:
    missing = [file.name for file in (weights.MINILM, weights.MINILM_TOKENIZER) if not weights.have(file)]
    assert not missing, f"{missing} are missing: make weights"
    return embedded(session())


@cache
def session() -> MiniLM:
    return MiniLM(lambda *_: None)


def embedded(embedder: Embedder) -> Vectors:
    return asyncio.run(embedder.embed([row["text"] for row in DEV.data]))


EMBEDDERS = [pytest.param(lexical, id="lexical"), pytest.param(minilm, id="minilm", marks=pytest.mark.embedded)]


@pytest.mark.parametrize("vectors", EMBEDDERS)
@pytest.mark.parametrize("english", [True, False], ids=["english", "all"])
def test_no_opposites_of_the_development_rows_are_merged(vectors: Callable[[], Vectors], english: bool) -> None:
    assert DEV.figures(DEV.rows, vectors(), DEFAULT, english=english).opposites == 0


@pytest.mark.parametrize("vectors", EMBEDDERS)
def test_no_opposites_are_merged_where_norms_have_no_stance_to_part_them(vectors: Callable[[], Vectors]) -> None:
    """As in a run. English rows alone: the guards know no other language."""
    assert DEV.figures(DEV.in_runs, vectors(), DEFAULT, english=True).opposites == 0


@pytest.mark.parametrize(
    ("vectors", "english", "precision", "recall", "lost"),
    [
        pytest.param(lexical, True, 1.0, 0.18, 0, id="lexical english"),
        pytest.param(lexical, False, 1.0, 0.19, 0, id="lexical all"),
        pytest.param(minilm, True, 0.68, 0.26, 2, id="minilm english", marks=pytest.mark.embedded),
        pytest.param(minilm, False, 0.71, 0.29, 3, id="minilm all", marks=pytest.mark.embedded),
    ],
)
def test_the_default_threshold_does_as_well_as_was_measured(
    vectors: Callable[[], Vectors], english: bool, precision: float, recall: float, lost: int
) -> None:
    """Over 136 English and 169 rows: 50 and 72 pairs that say the same, 103 and 121 clusters."""
    figures = DEV.figures(DEV.rows, vectors(), DEFAULT, english=english)
    assert figures.precision >= precision
    assert figures.recall >= recall
    assert figures.lost <= lost


@pytest.mark.embedded
def test_minilm_finds_the_same_whatever_batch_a_text_is_in() -> None:
    assert minilm().shape == (len(DEV.data), 384)
    chosen = DEV.english[::5]
    alone = asyncio.run(session().embed([DEV.data[n]["text"] for n in chosen]))
    assert np.linalg.norm(alone, axis=1) == pytest.approx(1, abs=1e-5)
    assert float((alone * minilm()[chosen]).sum(axis=1).min()) > 0.99
