"""Statements that say the same are found, and statements that do not are left alone."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from culturepark.distill import samples
from culturepark.distill.dedup import Entry, deduplicate
from culturepark.domain import Duplicate, JsonObject, Kind, Relation, Statement
from culturepark.models.embedder import Lexical, Vectors, unit_rows
from culturepark.store.tables import DuplicateRow, SampleRow, StatementRow
from tests.support.fakes import ELIF, FakeModel, answering, edition, hold_said, judged, only_casting, proposals

HIGH = 0.93
"""A threshold that a scenario may give: the cosine similarity itself."""
BLOCK = ("seed", "turkish", "en", "plus")
SAID = "I pour tea for every guest who comes to our house."


def entries(*texts: str, block: tuple[str, ...] = BLOCK) -> list[Entry]:
    return [Entry(f"s{number}", block, text, "en") for number, text in enumerate(texts)]


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


def opinion(
    name: str,
    text: str,
    *,
    stance: int | None,
    relation: Relation | None,
    kind: Kind = "opinion",
    phase: str = "opinion",
) -> samples.Judged:
    """What Elif holds, verified, where she has drawn this stance."""
    statement = Statement(
        id=name,
        turn_id=name.rsplit(".", 1)[0],
        persona_key=ELIF,
        culture="turkish",
        kind=kind,
        quote=text,
        quote_start=0,
        quote_end=len(text),
        text=text,
        first_person=text,
    )
    verdicts: dict[str, tuple[Relation, str]] = {"faithful": ("entail", "keep")}
    if relation:
        verdicts["stance"] = (relation, "keep")
    casting = only_casting(edition(stance=stance or 1))
    if stance is None:
        people = tuple(person.model_copy(update={"stance": None}) for person in casting.participants)
        casting = casting.model_copy(update={"participants": people})
    return samples.Judged(statement, verdicts, casting, phase)


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
    found = deduplicate(entries(*texts), apart(5), "minilm", HIGH)
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
    assert deduplicate(entries(one, other), apart(2), "minilm", HIGH) == []
    assert deduplicate(entries(one, other), alike(2), "minilm", HIGH) == []  # nor does a guard overlook it


# --- star clusters ---------------------------------------------------------------------------------


STREETS = [
    "On our street we pour tea for a guest.",
    "Tea is what visitors get where I live.",
    "Whoever comes by receives hot glasses at ours.",
    "In my neighbourhood the kettle goes on for callers.",
    "People dropping round drink something warm with us.",
]
"""The same in other words: there is no frame in which a word could differ."""


def test_a_duplicate_is_similar_to_its_representative_itself_and_never_through_a_third() -> None:
    # Each is 15 degrees from the next (cosine .966), and 30 degrees (.866) from the one after that.
    found = deduplicate(entries(*STREETS), at_angles(0, 15, 30, 45, 60), "minilm", HIGH)
    assert merged(found) == {"s1": "s0", "s3": "s2"}
    assert {one.similarity for one in found} == {round(float(np.cos(np.radians(15))), 4)}


def test_every_duplicate_of_a_thousand_is_as_similar_to_its_representative_as_it_says() -> None:
    draw = np.random.default_rng(7)
    centres = draw.normal(size=(40, 16))
    vectors = unit_rows((centres[draw.integers(0, 40, 1000)] + 0.3 * draw.normal(size=(1000, 16))).astype(np.float32))
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    texts = [" ".join("".join(draw.choice(syllables, 4)) for _ in range(6)) for _ in range(1000)]  # of no list
    found = deduplicate(entries(*texts), vectors, "minilm", HIGH)
    assert 300 < len(found) < 960
    representatives = {one.representative_id for one in found}
    assert representatives.isdisjoint(merged(found))  # who stands for others is nobody's duplicate
    for one in found:
        mine, other = int(one.statement_id[1:]), int(one.representative_id[1:])
        assert other < mine
        assert float(vectors[mine] @ vectors[other]) == pytest.approx(one.similarity, abs=1e-4)
        assert one.similarity >= HIGH - 1e-4
    left = [n for n in range(1000) if f"s{n}" not in merged(found)]
    rest = vectors[left] @ vectors[left].T - 2 * np.eye(len(left), dtype=np.float32)
    assert float(rest.max()) < HIGH + 1e-6  # and no two of those that are left are duplicates


def test_the_first_to_be_said_stands_for_its_group() -> None:
    found = deduplicate(entries(*STREETS[:3]), at_angles(10, 0, 20), "minilm", HIGH)
    assert merged(found) == {"s1": "s0", "s2": "s0"}
    assert {one.cluster_id for one in found} == {"s0"}


def test_nothing_to_compare_gives_nothing() -> None:
    assert deduplicate([], np.zeros((0, 8), np.float32), "minilm", HIGH) == []
    assert deduplicate(entries(SAID), apart(1), "minilm", HIGH) == []


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
    assert deduplicate(entries(one, other), alike(2), "minilm", HIGH) == []
    assert deduplicate(entries(other, one), alike(2), "minilm", HIGH) == []


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
    assert deduplicate(entries(one, other), alike(2), "minilm", HIGH) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It is not true that children should visit.", "It is not true that children should not visit."),
        ("I do not think that it is right.", "I do not think that it is not right."),
    ],
)
def test_two_negations_are_not_one(one: str, other: str) -> None:
    assert deduplicate(entries(one, other), alike(2), "minilm", HIGH) == []


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
    assert deduplicate(entries(one, other), alike(2), "minilm", HIGH) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The employer pays for the meal.", "The employee pays for the meal."),
        ("The grandfather sits at the head of the table.", "The grandmother sits at the head of the table."),
        ("The grandson carries the coffin.", "The granddaughter carries the coffin."),
    ],
)
def test_people_whose_names_begin_alike_are_not_the_same(one: str, other: str) -> None:
    assert deduplicate(entries(one, other), alike(2), "minilm", HIGH) == []


def test_roles_are_seen_to_be_swapped_even_where_their_number_changes() -> None:
    """dev-161 and dev-163 of the development rows; MiniLM: .975."""
    one = "Leaving while the manager is still at the desk makes a young employee look indifferent to the team."
    other = "Leaving while young employees are still at their desks makes a manager look indifferent to the team."
    assert deduplicate(entries(one, other), alike(2), "minilm", HIGH) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("We pour tea for a guest at once.", "Tea is what our visitors are offered immediately."),
        ("We pour tea for a guest.", "We are pouring the tea for our guests."),
        ("We don't shake hands at the door.", "We do not shake hands at the door."),
        ("We don’t shake hands at the door.", "We never shake hands at the door."),
        ("Anybody may come, since the door is open.", "Anyone can come, as the door's open."),
        ("No one has to pay, whatever it costs.", "Nobody should pay, no matter what it costs."),
        ("A guest stays for three days here.", "In our house visitors are welcome 3 days long."),
    ],
)
def test_a_paraphrase_without_such_a_word_is_merged(one: str, other: str) -> None:
    assert merged(deduplicate(entries(one, other), alike(2), "minilm", HIGH)) == {"s1": "s0"}


# --- blocks and threshold ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(4), ids=["seed", "culture", "language", "side"])
def test_blocks_never_mix(place: int) -> None:
    other = tuple("other" if n == place else part for n, part in enumerate(BLOCK))
    two = [Entry("s0", BLOCK, SAID, "en"), Entry("s1", other, SAID, "en")]
    assert deduplicate(two, alike(2), "minilm", HIGH) == []
    same = [Entry("s0", BLOCK, SAID, "en"), Entry("s1", BLOCK, SAID, "en")]
    assert merged(deduplicate(same, alike(2), "minilm", HIGH)) == {"s1": "s0"}


def test_the_vectors_of_a_block_are_its_own_even_where_blocks_alternate() -> None:
    texts = [
        STREETS[0],
        "We bury a pot of salt under the house.",
        STREETS[1],
        "Rue burns in a pan when somebody was praised too much.",
    ]
    mixed = [Entry(f"s{n}", (*BLOCK[:3], "plus" if n % 2 else "none"), text, "en") for n, text in enumerate(texts)]
    found = deduplicate(mixed, at_angles(0, 5, 90, 10), "minilm", HIGH)
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


def test_opposite_stances_of_one_culture_never_meet_though_each_speaker_holds_to_their_own() -> None:
    """Which side is taken hangs on the stance too: people of one culture draw different ones."""
    yes, no = (
        "I think that whoever does it best should have the job when there are few.",
        "Nobody but a man should have it, I would not give it to just anybody.",
    )
    judged = [
        opinion("r.d1.t1.s1", yes, stance=1, relation="entail"),
        opinion("r.d2.t1.s1", no, stance=4, relation="entail"),
        opinion("r.d3.t1.s1", no, stance=1, relation="contradict"),
    ]
    one = edition(distill={"keep": ["entail", "contradict"]}, samples=("open",)).scenario
    given = samples.entries(judged, one)
    assert [entry.block[-1] for entry in given] == ["plus", "minus", "minus"]
    assert merged(deduplicate(given, alike(3), "minilm")) == {"r.d3.t1.s1": "r.d2.t1.s1"}


def test_nothing_stands_for_what_is_told_in_another_shape() -> None:
    """An opinion answers the question, a norm does not; nor does an opinion from before the question was put."""
    one = edition(distill={"keep": ["entail", "irrelevant"]}, protocol="self-guidance").scenario
    judged = [
        opinion("r.d1.t1.s1", SAID, stance=None, relation=None, kind="norm"),
        opinion("r.d1.t1.s2", SAID, stance=None, relation=None, phase="opening"),
        opinion("r.d1.t2.s1", SAID, stance=None, relation=None),
        opinion("r.d1.t3.s1", SAID, stance=None, relation=None, kind="custom"),
        opinion("r.d1.t4.s1", SAID, stance=1, relation="irrelevant"),
    ]
    given = samples.entries(judged, one)
    repeated = merged(deduplicate(given, alike(5), "minilm"))
    assert repeated == {"r.d1.t3.s1": "r.d1.t1.s1", "r.d1.t4.s1": "r.d1.t2.s1"}
    kept = [(s.statement_id, s.kind) for _, s in samples.samples_of(judged, repeated, one) if s.status == "kept"]
    assert kept == [("r.d1.t1.s1", "norm"), ("r.d1.t2.s1", "open")]


@pytest.mark.parametrize(("stance", "relation"), [(1, "irrelevant"), (4, "unparsable"), (None, None)])
def test_what_takes_no_side_is_not_taken_to_be_on_one(stance: int | None, relation: Relation | None) -> None:
    one = edition(distill={"keep": ["entail", "irrelevant"]}).scenario
    for entry in samples.entries([opinion("r.d1.t1.s1", SAID, stance=stance, relation=relation)], one):
        assert entry.block[-1] == "none"


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
