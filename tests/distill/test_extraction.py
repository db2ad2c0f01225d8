"""Whose words they are: the rules one by one, on labelled turns as a whole, and the scorer that says so."""

from __future__ import annotations

import asyncio
import json
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.quality import extraction
from bench.quality.overlap import score
from culturepark.catalog.personas import load_all
from culturepark.distill import quotes
from culturepark.distill.extract import Speaker, candidates, objection, parts
from culturepark.domain import JsonObject
from culturepark.languages import load_language
from culturepark.models.budget import Budget
from culturepark.models.ledger import Ledger
from culturepark.store.tables import StatementRow
from tests.support.fakes import ELIF, JENNA, FakeModel, answering, begin, edition, hold_said, proposals

DATA = Path(__file__).parents[1] / "data"
DEVELOPMENT = DATA / "extract_dev.jsonl"
OWN = DATA / "extract_own.jsonl"
"""38 turns by the author of the rules; docs/quality.md tells which were written when. Figures on them say what the
rules were made to do, and only those of a first look, which stand there, say more."""
ENGLISH = load_language("en")
ELIF_SPEAKS = Speaker("TUR", ("Jenna",), ENGLISH)
GOLD = ("gold", "not_statements")


def rows_of(path: Path) -> list[JsonObject]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def mined(text: str, who: Speaker = ELIF_SPEAKS) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in candidates(text, who)[0]]


def reason(sentence: str, who: Speaker = ELIF_SPEAKS) -> str | None:
    return objection(0, len(sentence), sentence, who)


# --- whose words ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sentence",
    [
        # whoever sits there, by name
        "Jenna keeps her spare key under a stone.",
        "Our friend Jenna counts every penny twice.",
        "Jenna's kitchen must be the loudest in the street.",
        "I never saw it as Jenna sees the matter of the key.",
        # somebody with a name that nobody knew of
        "Rosalind insists that a guest brings bad luck.",
        "Gulnara finds it shameful to eat alone.",
        "Perhaps Rosalind would say that a guest brings luck.",
        "Oluwaseun's idea was to leave the door open at night.",
        # somebody without one
        "She believes that a guest brings bad luck.",
        "My cousin always says that a guest brings bad luck.",
        "The lady with the red hat claims that guests bring luck.",
        "In the tea house an old sailor said that guests bring luck.",
        "Some of my friends think that guests bring bad luck.",
        "People say that a guest brings bad luck.",
        "Grandfather swore that a guest brings bad luck.",
        "A guest, my cousin insists, brings bad luck.",
        "A guest brings bad luck, she told us.",
        'My cousin used to say, "A guest is a wet towel."',
        "The neighbours tell me that guests bring luck.",
        # somebody at the table
        "You told us that a guest sleeps in the garage.",
        "You were saying that a guest sleeps in the garage.",
        "As you put it, a guest sleeps in the garage.",
        "Your point about the garage was a good one.",
        "Rosalind, your brother would be welcome with us.",
    ],
)
def test_what_others_think_say_or_do_is_not_the_speakers_own(sentence: str) -> None:
    assert reason(sentence) == "another-speaker"
    assert mined(sentence) == []


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("I heard that a guest sleeps in the garage.", "hearsay"),
        ("According to the radio, a guest sleeps in the garage.", "hearsay"),
        ("I am not sure that a guest should sleep there.", "undecided"),
        ("Perhaps a guest should sleep there, who knows.", "undecided"),
        ("Imagine a guest who sleeps in the garage.", "not-meant"),
        ("We put every guest in the garage, just kidding.", "not-meant"),
        ("In Norway a guest brings his own towel.", "another-country"),
        ("Norwegians bring a towel wherever they go.", "another-country"),
        ("Maybe in Oslo that is how every guest is treated.", "another-country"),
        ("Let me find my glasses before I go on.", "small-talk"),
        ("Well, forgive me, the kettle boiled over again.", "small-talk"),
        ("Goodness, where did the time go today!", "small-talk"),
        ("A guest sleeps in the best bed, doesn't he?", "question"),
    ],
)
def test_what_is_hearsay_open_not_meant_elsewhere_or_mere_talk_is_turned_down(sentence: str, why: str) -> None:
    assert reason(sentence) == why
    assert mined(sentence) == []


def test_a_joke_that_is_taken_back_in_the_next_sentence_is_none() -> None:
    assert mined("We put every guest in the garage. Only joking, of course.") == []


def test_ones_own_country_is_not_another_one() -> None:
    sentence = "In Norway a guest always brings his own towel."
    assert mined(sentence, Speaker("NOR", (), ENGLISH)) == [("custom", sentence)]


@pytest.mark.parametrize(
    "sentence",
    [
        "In our village they say a guest brings ten blessings.",
        "People here say that a guest brings ten blessings.",
        'We say, "A guest is God\'s guest," and open the door.',
        "I have to say “it depends on the guest” to such questions.",
        "My cousin says that a guest comes first, and so do we.",
        "Bread, as my mother says, must never lie upside down.",
        "Unlike in Norway, we give a guest the best towel.",
        "Bodrum's fishermen mend their nets on Fridays.",
        "Emine hanım is what we call any older woman next door.",
        "On the eve of Saint George we light a fire in the yard.",
        "Ramadan begins with drums in our street.",
        "Traditionally, you kiss an elder's hand.",
        "Hospitality costs nothing but time, I think.",
        "When the elder says the word, everybody puts down the spoon.",
        "A man who says no to a guest should be ashamed.",
        "You should not step on a threshold.",
    ],
)
def test_what_only_looks_like_the_words_of_others_may_be_mined(sentence: str) -> None:
    assert reason(sentence) is None
    assert mined(sentence)


def test_words_cut_out_of_a_report_are_still_reported() -> None:
    """The piece that a quote is cut from decides, not the quote alone."""
    text = "My uncle claims that a guest brings bad luck. Another one says: a guest must pay for the water."
    for quote in ("a guest brings bad luck", "a guest must pay for the water"):
        start = text.index(quote)
        assert objection(start, start + len(quote), text, ELIF_SPEAKS) == "another-speaker"


def test_after_a_report_the_speaker_may_take_the_word_back() -> None:
    text = "My uncle claims that a guest brings bad luck, but I think a guest brings only washing up."
    assert mined(text) == [("opinion", "I think a guest brings only washing up.")]
    assert mined("My uncle says so; a guest must pay for the water.") == []


def test_reports_by_others_are_rejected_in_quotes_mode_too(tmp_path: Path) -> None:
    words = "a guest brings bad luck to the house"
    held = hold_said(
        tmp_path,
        [(JENNA, "Hello."), (ELIF, f"My uncle claims that {words}. We give a guest the best bed.")],
        FakeModel(
            answering(statements=lambda _: proposals((2, "opinion", words), (2, "custom", "give a guest the best bed")))
        ),
    )
    assert [s.quote for s in held.rows(StatementRow)] == ["give a guest the best bed"]


@pytest.mark.parametrize(
    ("cue", "names"),
    [
        ("Elif, Rosalind has finished; what do you make of it?", ["Rosalind"]),
        ("Rosalind speaks of towels. Elif, and you?", ["Rosalind"]),
        ("Elif, would you agree with Rosalind?", ["Rosalind"]),
        ("Please go on, Elif, and tell us of Fridays in Konya.", []),
        ("Welcome. What do you do on Sunday?", []),
        ("", []),
    ],
)
def test_a_moderator_names_the_other_speaker(cue: str, names: list[str]) -> None:
    assert ENGLISH.rules.people_in(cue, "Elif") == names


# --- of what kind ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("One takes off one's shoes before one steps on a carpet.", "norm"),
        ("I think a guest should bring nothing at all.", "opinion"),
        ("To my mind a gift spoils the visit.", "opinion"),
        ("A gift spoils the visit, if you ask me.", "opinion"),
        ("An empty table makes a loud house.", "opinion"),
        ("A guest should bring nothing at all, I think.", "norm"),
        ("One does not open a gift before the guest has left.", "norm"),
        ("You take the smallest piece first.", "norm"),
        ("One leaves the last piece for the oldest.", "norm"),
        ("It is rude to count the olives.", "norm"),
        ("We hang the washing where nobody can see it.", "custom"),
        ("On feast days the street smells of sesame.", "custom"),
        ("At weddings the uncles dance first.", "custom"),
    ],
)
def test_the_wording_tells_the_kind(sentence: str, kind: str) -> None:
    assert mined(sentence) == [(kind, sentence)]


@pytest.mark.parametrize(
    "sentence",
    [
        "I have two cats and a parrot.",
        "My brother drives a taxi on the coast.",
        "Last winter the roof fell in.",
        "My mother used to bake on Thursdays for the whole street.",
        "Nobody in our street does so any more.",
        "That is how it goes.",
        "He brings the bread himself.",
        "The cat was asleep on the stove.",
        "I am sure of that.",
    ],
)
def test_facts_of_one_life_what_is_over_and_mere_remarks_are_no_statements(sentence: str) -> None:
    assert mined(sentence) == []


def test_a_sentence_of_two_natures_is_cut_and_one_of_one_nature_stays_whole() -> None:
    assert mined("Well, I have two cats and a parrot, and I think pets belong in the yard.") == [
        ("opinion", "I think pets belong in the yard.")
    ]
    assert mined("Water is for everybody: you never lock a well in our hills.")[-1] == (
        "norm",
        "you never lock a well in our hills.",
    )
    whole = "I think a gift spoils the visit, but I would never send one back."
    assert mined(whole) == [("opinion", whole)]


def test_what_opens_a_sentence_is_left_out_and_the_rest_stands_alone() -> None:
    text = "Still, honestly, we never lock a well in our hills: God sees it."
    ((kind, quote),) = mined(text)
    assert (kind, quote) == ("custom", "we never lock a well in our hills: God sees it.")
    assert quotes.as_sentence(quote) == "We never lock a well in our hills: God sees it."
    assert quotes.as_sentence("we never lock a well,") == "We never lock a well."
    assert quotes.as_sentence("We never lock a well!") == "We never lock a well!"


# --- hostile text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quote", "text", "found"),
    [
        ("Cafés open at dawn", "Here cafe\u0301s open at dawn.", "cafe\u0301s open at dawn"),
        ("cafe\u0301s open at dawn", "Here cafés open at dawn.", "cafés open at dawn"),
        ("çay içeriz", unicodedata.normalize("NFD", "Biz çay içeriz."), unicodedata.normalize("NFD", "çay içeriz")),
        (
            "떡국을 먹어요",
            unicodedata.normalize("NFD", "우리는 떡국을 먹어요!"),
            unicodedata.normalize("NFD", "떡국을 먹어요"),
        ),
        ("we pour tea", "At home \u202ewe\u202c pour\u200b tea.", "we\u202c pour\u200b tea"),
        ("we\u0007 pour tea", "At home we pour tea.", "we pour tea"),
        ("نشرب القهوة", "في بيتنا \u200fنشرب القهوة\u200f أولا.", "نشرب القهوة"),
    ],
)
def test_a_quote_is_found_however_it_is_composed_and_whatever_is_invisible(quote: str, text: str, found: str) -> None:
    span = quotes.locate(quote, text)
    assert span is not None
    assert text[slice(*span)] == found


@pytest.mark.parametrize(
    "sentence",
    [
        "Jenna\u200b says that a guest brings bad luck.",
        "\u202eYou\u202c told us that a guest sleeps in the garage.",
        "As Jenna told us, a guest sleeps in the garage.",
        "Yöu".replace("ö", "o") + "’ve mentioned that a guest sleeps in the garage.",
        "My uncle said – “a guest brings only bad luck” – and sat down.",
        "Ｊｅｎｎａ says that a guest brings bad luck.",
    ],
)
def test_what_hides_a_report_from_the_eye_does_not_hide_it_from_the_rules(sentence: str) -> None:
    assert mined(sentence) == []


@given(st.text(alphabet=st.sampled_from("aI ,.;:—?\"“”'\u202e\u0301\u200b\n\0Jennasays we must 떡ق🎉"), max_size=120))
def test_every_piece_lies_where_it_says_in_any_text(text: str) -> None:
    pieces = [piece for sentence in parts(text, ELIF_SPEAKS) for piece in sentence]
    assert all(0 <= p.start < p.end <= len(text) for p in pieces)
    assert all(a.end <= b.start for a, b in pairwise(pieces))
    for one in candidates(text, ELIF_SPEAKS)[0]:
        quote = text[one.start : one.end]
        assert quote == quote.strip()
        assert objection(one.start, one.end, text, ELIF_SPEAKS) in (None, "too-short")
        assert quotes.locate(quote, text) is not None


@pytest.mark.parametrize(
    "unit", [", and I think ", "my my ", "; ", '"a ', "you have ", "X, ", "- ", "he said, ", "\n", "a"]
)
@pytest.mark.sampled
def test_the_rules_come_to_an_end_with_the_longest_speech(unit: str) -> None:
    """What is cubic in the length of a speech would go on for hours."""
    candidates((unit * 4000)[:4000], ELIF_SPEAKS)


# --- figures -----------------------------------------------------------------------------------------


class Nobody:
    """A harness whose model may not be asked anything."""

    def __init__(self, tmp_path: Path) -> None:
        def refuse(_: JsonObject) -> str:
            raise AssertionError("small models are not asked")

        self.model = FakeModel(refuse, labels=True)
        held = begin(tmp_path, edition(), self.model)
        self.ledger = Ledger(held.run_id, held.store, Budget(), most_in_flight=1)


@pytest.mark.parametrize(
    ("path", "precision", "recall", "kinds"), [(DEVELOPMENT, 0.9, 0.95, 0.9), (OWN, 0.9, 0.9, 0.9)]
)
def test_on_labelled_turns_small_models_get_by_rule_what_their_speakers_hold(
    tmp_path: Path, path: Path, precision: float, recall: float, kinds: float
) -> None:
    """Measured: precision .97 and recall 1.0 on the development rows, .96 and .99 on our own."""
    rows = rows_of(path)
    blind = [{key: value for key, value in row.items() if key not in GOLD} for row in rows]
    found = score(rows, asyncio.run(extraction.ours(blind, Nobody(tmp_path))))
    assert (found["wrongly_attributed"], found["empty"], found["quote_exact"]) == (0, 0, 1.0)
    assert found["precision"] >= precision
    assert found["recall"] >= recall
    assert found["kind_accuracy"] >= kinds


@pytest.mark.parametrize("path", [DEVELOPMENT, OWN])
@pytest.mark.sampled
def test_quotes_of_true_statements_pass_and_of_what_is_none_hardly_any(path: Path) -> None:
    """What the rules do for a model that proposes quotes: the gold passes, and so does next to nothing else."""
    passed = turned_down = 0
    for row in rows_of(path):
        who = extraction.speaker_of(row)
        for gold in row["gold"]:
            span = quotes.locate(gold["quote"], row["turn"])
            assert span is not None
            assert objection(*span, row["turn"], who) is None, gold["quote"]
        for piece in row["not_statements"]:
            span = quotes.locate(piece, row["turn"])
            assert span is not None
            why = objection(*span, row["turn"], who)
            passed, turned_down = passed + (why is None), turned_down + (why is not None)
    assert passed <= 0.1 * turned_down


def test_hardly_any_norm_on_the_shipped_cards_is_lost_to_the_rules() -> None:
    """Texts by other hands than the rules: 388 of 405 are found, each as the greater part of one statement."""
    cards = [(persona, norm.text) for persona in load_all([]) for norm in persona.norms]
    lost = []
    for persona, text in cards:
        who = Speaker(persona.country or "USA", (), ENGLISH)
        if not any(one.end - one.start > len(text) / 2 for one in candidates(text, who)[0]):
            lost.append(text)
    assert len(lost) <= len(cards) / 20, lost


# --- the scorer --------------------------------------------------------------------------------------

TURN = "Hello there. We bake on Fridays. Jenna says no. A guest comes first."
ROW = {
    "id": "r",
    "turn": TURN,
    "gold": [{"kind": "custom", "quote": "We bake on Fridays"}, {"kind": "norm", "quote": "A guest comes first"}],
    "not_statements": ["Hello there.", "Jenna says no."],
}


def one(quote: str, kind: str = "custom", statement: str = "They do.") -> JsonObject:
    return {"kind": kind, "statement": statement, "quote": quote}


def test_gold_scores_full_marks_and_nothing_scores_none() -> None:
    gold = [one(g["quote"], g["kind"]) for g in ROW["gold"]]
    full = score([ROW], {"r": gold})
    assert (full["precision"], full["recall"], full["f1"], full["kind_accuracy"]) == (1, 1, 1, 1)
    assert (full["quote_exact"], full["wrongly_attributed"], full["empty"]) == (1, 0, 0)
    none = score([ROW], {})
    assert (none["precision"], none["recall"], none["f1"], none["kind_accuracy"]) == (None, 0, 0, None)


def test_each_gold_statement_is_matched_once_and_by_half_its_quote_at_least() -> None:
    twice = score([ROW], {"r": [one("We bake on Fridays."), one("We bake on Fridays")]})
    assert (twice["precision"], twice["recall"]) == (0.5, 0.5)
    assert score([ROW], {"r": [one("We bake on")]})["recall"] == 0.5
    assert score([ROW], {"r": [one("Fridays")]})["recall"] == 0
    assert score([ROW], {"r": [one(TURN)]})["recall"] == 0


def test_a_statement_of_another_kind_is_matched_and_counted_apart() -> None:
    found = score([ROW], {"r": [one("We bake on Fridays", "norm")]})
    assert (found["recall"], found["kind_accuracy"], found["with_kind"]["recall"]) == (0.5, 0, 0)


def test_what_must_not_be_mined_is_counted_whether_it_is_swallowed_or_cut() -> None:
    for quote in ("Jenna says no.", "says no", "Jenna says no. A guest comes first."):
        assert score([ROW], {"r": [one(quote)]})["wrongly_attributed"] == 1, quote
    assert score([ROW], {"r": [one("We bake on Fridays.")]})["wrongly_attributed"] == 0


def test_quotes_that_are_not_there_not_letter_by_letter_or_only_lent_are_not_exact() -> None:
    found = score([ROW], {"r": [one("we bake on Fridays"), one("", statement=" "), one("Fridays") | {"lent": True}]})
    assert (found["quote_exact"], found["empty"]) == (0, 1)


@given(
    st.lists(
        st.tuples(st.integers(0, len(TURN)), st.integers(0, len(TURN)), st.sampled_from(["custom", "norm", "opinion"])),
        max_size=8,
    )
)
def test_scores_stay_in_bounds_and_do_not_depend_on_order(cuts: list[tuple[int, int, str]]) -> None:
    said = [one(TURN[a:b], kind) for a, b, kind in cuts]
    found = score([ROW], {"r": said})
    for name in ("precision", "recall", "f1", "kind_accuracy", "quote_exact"):
        assert found[name] is None or 0 <= found[name] <= 1
    assert found["with_kind"]["recall"] <= found["recall"]
    assert found["statements"] == len(said)
    again = score([ROW], {"r": said[::-1]})
    assert (again["recall"], again["wrongly_attributed"]) == (found["recall"], found["wrongly_attributed"])


def test_the_three_ways_need_no_gold_and_the_published_one_gives_no_quote_of_its_own(tmp_path: Path) -> None:
    rows = [{key: value for key, value in ROW.items() if key not in GOLD}]
    rows[0] |= {"speaker": "Li Na", "culture": "chinese", "question": "Do you bake?"}
    harness = Nobody(tmp_path)
    assert [s["quote"] for s in extraction.baseline(rows)["r"]] == [
        "We bake on Fridays.",
        "Jenna says no.",
        "A guest comes first.",
    ]
    harness.model = FakeModel(lambda _: "Here are the opinions:\n1. Li Na bakes on Fridays.\n\n2. Nobody flies.")
    found = asyncio.run(extraction.reference(rows, harness))["r"]
    assert [(s["statement"], s["quote"]) for s in found] == [
        ("Here are the opinions:", ""),
        ("Li Na bakes on Fridays.", "We bake on Fridays."),
        ("", ""),
        ("Nobody flies.", ""),
    ]
    assert score([ROW], {"r": found})["quote_exact"] == 0


def test_a_name_may_be_told_from_a_word() -> None:
    assert [
        w for w in ("Rosalind", "Sunday", "Everybody", "Konya", "I'd", "Cooking", "Emily") if ENGLISH.rules.is_name(w)
    ] == [
        "Rosalind",
        "Emily",
    ]
