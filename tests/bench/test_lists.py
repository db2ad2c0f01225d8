"""The English lists, which are a baseline now: they decide as they did in the product."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.quality import extraction
from bench.quality.lists.mining import RULES, Speaker, candidates, objection, parts
from bench.quality.overlap import score
from bench.quality.rows import blind
from culturepark import languages
from culturepark.catalog.personas import load_all
from culturepark.domain import JsonObject

DATA = Path(__file__).parents[1] / "data"
ELIF_SPEAKS = Speaker("TUR", ("Jenna",))


def mined(text: str, who: Speaker = ELIF_SPEAKS) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in candidates(text, who)[0]]


def reason(sentence: str, who: Speaker = ELIF_SPEAKS) -> str | None:
    return objection(0, len(sentence), sentence, who)


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("Jenna's kitchen must be the loudest in the street.", "another-speaker"),
        ("Rosalind insists that a guest brings bad luck.", "another-speaker"),
        ("In the tea house an old sailor said that guests bring luck.", "another-speaker"),
        ("A guest, my cousin insists, brings bad luck.", "another-speaker"),
        ('My cousin used to say, "A guest is a wet towel."', "another-speaker"),
        ("You were saying that a guest sleeps in the garage.", "another-speaker"),
        ("I heard that a guest sleeps in the garage.", "hearsay"),
        ("I am not sure that a guest should sleep there.", "undecided"),
        ("We put every guest in the garage, just kidding.", "not-meant"),
        ("Norwegians bring a towel wherever they go.", "another-country"),
        ("Well, forgive me, the kettle boiled over again.", "small-talk"),
        ("A guest sleeps in the best bed, doesn't he?", "question"),
        # The rules are of form, and know no better: these are the speaker's own.
        ("My grandmother said a guest is a gift, and I hold to that.", "another-speaker"),
        ("Jenna downstairs bakes for the whole stairwell.", "another-speaker"),
    ],
)
def test_the_form_of_a_sentence_gives_somebody_else_its_words(sentence: str, why: str) -> None:
    assert reason(sentence) == why
    assert mined(sentence) == []


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("One takes off one's shoes before one steps on a carpet.", "norm"),
        ("I think a guest should bring nothing at all.", "opinion"),
        ("A gift spoils the visit, if you ask me.", "opinion"),
        ("An empty table makes a loud house.", "opinion"),
        ("It is rude to count the olives.", "norm"),
        ("At weddings the uncles dance first.", "custom"),
        ("Bread, as my mother says, must never lie upside down.", "norm"),
        ("Unlike in Norway, we give a guest the best towel.", "custom"),
    ],
)
def test_the_wording_tells_the_kind(sentence: str, kind: str) -> None:
    assert mined(sentence) == [(kind, sentence)]


@pytest.mark.parametrize(
    "sentence",
    ["I have two cats and a parrot.", "Last winter the roof fell in.", "That is how it goes.", "I am sure of that."],
)
def test_facts_of_one_life_and_mere_remarks_are_no_statements(sentence: str) -> None:
    assert mined(sentence) == []


def test_a_quote_is_judged_by_the_part_that_it_is_cut_from() -> None:
    text = "My uncle claims that a guest brings bad luck, but I think a guest brings only washing up."
    start = text.index("a guest brings bad luck")
    assert objection(start, start + 23, text, ELIF_SPEAKS) == "another-speaker"
    assert mined(text) == [("opinion", "I think a guest brings only washing up.")]


@pytest.mark.parametrize(
    ("cue", "names"),
    [
        ("Elif, Rosalind has finished; what do you make of it?", ["Rosalind"]),
        ("Please go on, Elif, and tell us of Fridays in Konya.", []),
        ("", []),
    ],
)
def test_a_moderator_names_the_other_speaker(cue: str, names: list[str]) -> None:
    assert RULES.people_in(cue, "Elif") == names


@given(st.text(alphabet=st.sampled_from("aI ,.;:—?\"“”'\u202e\u0301\u200b\n\0Jennasays we must 떡ق🎉"), max_size=120))
def test_every_piece_lies_where_it_says_in_any_text(text: str) -> None:
    assert all(0 <= p.start < p.end <= len(text) for sentence in parts(text, ELIF_SPEAKS) for p in sentence)
    for one in candidates(text, ELIF_SPEAKS)[0]:
        assert objection(one.start, one.end, text, ELIF_SPEAKS) in (None, "too-short")


@pytest.mark.parametrize(
    ("name", "precision", "recall"), [("extract_dev.jsonl", 0.97, 1.0), ("extract_own.jsonl", 0.96, 0.99)]
)
def test_on_the_rows_they_grew_on_the_lists_do_as_they_did(name: str, precision: float, recall: float) -> None:
    rows: list[JsonObject] = [json.loads(line) for line in (DATA / name).read_text("utf-8").splitlines()]
    found = score(rows, extraction.lists(blind("extract", rows)))
    assert (found["wrongly_attributed"], found["empty"], found["quote_exact"]) == (0, 0, 1.0)
    assert (round(found["precision"], 2), round(found["recall"], 2)) == (precision, recall)


def test_the_norms_on_the_shipped_cards_are_found_all_but_some() -> None:
    cards = [(persona, norm.text) for persona in load_all([]) for norm in persona.norms]
    lost = [
        text
        for persona, text in cards
        if not any(
            2 * (one.end - one.start) > len(text) for one in candidates(text, Speaker(persona.country or "USA"))[0]
        )
    ]
    assert 0 < len(lost) <= len(cards) / 20


def test_no_module_of_the_product_holds_rules_of_a_language() -> None:
    """Whose words they are, a model says; word lists of the product are for guards and deduplication."""
    folder = Path(languages.__file__).parent
    assert not list((folder / "en").glob("*.py"))
    assert not RULES.lists.keys() & {"refusal", "light", "yes"}
    gone = RULES.lists.keys() - languages.load_language("en").phrases.keys()
    assert {"reports", "minds", "hearsay", "opinion", "rule", "practice", "places", "given_names"} <= gone
