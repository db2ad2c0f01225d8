"""Statements as training rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from culturepark.distill.samples import drop_reason, shape_sample, shapes, without_twins
from culturepark.domain import Casting, JsonObject, Kind, Relation, Sample, Shape, Statement
from culturepark.export.formats import problem
from culturepark.languages import load_language
from culturepark.store.tables import DuplicateRow, SampleRow, StatementRow
from tests.support.fakes import (
    ELIF,
    JENNA,
    FakeModel,
    answering,
    edition,
    hold,
    hold_said,
    judged,
    only_casting,
    proposals,
    shipped,
)

ALL: tuple[Shape, ...] = ("survey", "open", "norm")
TEA = "When guests get up to leave we pour one more glass of tea."
AT_HOME = edition()
UNGROUNDED = edition(seeds=(shipped("everyday-norms").scenario.seeds[0],))


def statement(kind: Kind = "opinion", by: str = ELIF, *, text: str = "", first_person: str = "") -> Statement:
    return Statement(
        id="r.d1.t3.s1",
        turn_id="r.d1.t3",
        persona_key=by,
        culture="turkish" if by == ELIF else "american",
        kind=kind,
        text=text or "Elif from Konya thinks that a job has no sex.",
        first_person=first_person or "I think that a job has no sex.",
        quote="a job has no sex",
        quote_start=0,
        quote_end=16,
    )


def sample(
    one: Statement,
    shape: Shape,
    casting: Casting | None = None,
    *,
    phase: str = "culture",
    reason: str | None = None,
) -> Sample:
    table = casting or only_casting(AT_HOME)
    return shape_sample(one, table, shape, phase=phase, language=load_language("en"), reason=reason)


# --- shapes ----------------------------------------------------------------------------------------


def test_an_opinion_with_a_stance_is_a_survey_answer_and_an_open_one() -> None:
    assert shapes(statement("opinion"), only_casting(AT_HOME), ALL) == ["survey", "open"]


def test_an_opinion_without_a_stance_is_an_open_answer_alone() -> None:
    assert shapes(statement("opinion", JENNA), only_casting(AT_HOME), ALL) == ["open"]
    assert shapes(statement("opinion"), only_casting(UNGROUNDED), ALL) == ["open"]


@pytest.mark.parametrize("kind", ["norm", "custom"])
def test_a_norm_or_custom_is_explained(kind: Kind) -> None:
    assert shapes(statement(kind), only_casting(AT_HOME), ALL) == ["norm"]
    assert shapes(statement(kind, JENNA), only_casting(AT_HOME), ALL) == ["norm"]


def test_only_shapes_that_are_wanted_are_made_each_once() -> None:
    casting = only_casting(AT_HOME)
    assert shapes(statement("opinion"), casting, ("open",)) == ["open"]
    assert shapes(statement("opinion"), casting, ("open", "survey", "open")) == ["open", "survey"]
    assert shapes(statement("custom"), casting, ("open", "survey")) == []


def test_a_survey_answer_names_one_of_the_options_and_its_reason() -> None:
    one = sample(statement(), "survey")
    system, user, assistant = one.messages
    assert [m["role"] for m in one.messages] == ["system", "user", "assistant"]
    item = only_casting(AT_HOME).seed.item
    assert item is not None
    assert item.question in user["content"]
    assert all(option.label in user["content"] for option in item.options)
    assert assistant["content"] == "My answer is: disagree. I think that a job has no sex."
    assert "Türkiye" in system["content"]


def test_an_open_question_is_answered_in_the_first_person() -> None:
    one = sample(statement(), "open")
    assert one.messages[1]["content"] == only_casting(AT_HOME).seed.question
    assert one.messages[2]["content"] == "I think that a job has no sex."


@pytest.mark.parametrize("kind", ["norm", "custom"])
def test_a_norm_or_custom_is_explained_as_what_it_is(kind: Kind) -> None:
    one = sample(statement(kind, text=TEA), "norm")
    assert f"one {kind}" in one.messages[1]["content"]
    assert one.messages[2]["content"] == TEA


@pytest.mark.parametrize(("phase", "on_topic"), [("culture", True), ("opinion", True), ("introduce", False)])
def test_a_norm_is_asked_for_on_the_topic_only_where_the_topic_was_on_the_table(phase: str, on_topic: bool) -> None:
    one = sample(statement("custom", text=TEA), "norm", phase=phase)
    assert (only_casting(AT_HOME).seed.topic in one.messages[1]["content"]) == on_topic


def test_a_main_contacts_sample_speaks_from_the_united_states() -> None:
    one = sample(statement("custom", JENNA), "norm")
    assert "the United States" in one.messages[0]["content"]
    assert one.culture == "american"


@pytest.mark.parametrize("scenario", ["quickstart", "everyday-norms"])
def test_every_sample_of_a_run_passes_the_documented_checks(tmp_path: Path, scenario: str) -> None:
    base = shipped(scenario).scenario
    held = hold(
        tmp_path,
        edition(seeds=(base.seeds[-1],) if scenario == "everyday-norms" else AT_HOME.scenario.seeds),
        FakeModel(),
    )
    rows = held.rows(SampleRow)
    assert {row.kind for row in rows} == (
        {"open", "norm"} if scenario == "everyday-norms" else {"survey", "open", "norm"}
    )
    for row in rows:
        messages = json.loads(row.messages)
        assert problem(messages) is None
        assert "{{" not in row.messages
        assert all(m["content"] == m["content"].strip() for m in messages)


# --- words -----------------------------------------------------------------------------------------


HARD = [
    "They weigh the gold twice, and our health comes before their wealth.",
    "They raised them as they had been raised, and I raised mine as I was.",
    "Theirs is theirs; mine, as my mother says, is whoever's hungry.",
    "At Elif's, beside Elifnur's, we say that Konya is not Konyaaltı.",
    "Write {{stance}} or {{ statement }} or {0} or %s: the wall says so.",
    "Line one.\nLine two “quoted” \\ and 🫖.",
]


@pytest.mark.parametrize("words", HARD)
def test_no_word_inside_a_sentence_is_ever_replaced(words: str) -> None:
    one = statement("opinion", text=f"Elif says: {words}", first_person=words)
    assert sample(one, "open").messages[2]["content"] == words
    assert sample(one, "survey").messages[2]["content"] == f"My answer is: disagree. {words}"
    norm = statement("custom", text=words, first_person=words)
    assert sample(norm, "norm").messages[2]["content"] == words


@pytest.mark.parametrize("words", HARD)
@pytest.mark.sampled
def test_sentences_go_through_a_whole_run_as_they_were_said(tmp_path: Path, words: str) -> None:
    words = words.replace("\n", " ")
    found = proposals((1, "opinion", words), statement=words, first_person=words)
    model = FakeModel(answering(statements=lambda _: found, verdicts=judged))
    held = hold_said(tmp_path, [(ELIF, words)], model, edition(samples=("open",)))
    (row,) = held.of(SampleRow, status="kept")
    assert json.loads(row.messages)[2]["content"] == words


def agreeing(first_person: str) -> str:
    """A survey answer of somebody who agrees."""
    casting = only_casting(edition(stance=2))
    return sample(statement(first_person=first_person), "survey", casting).messages[2]["content"]


def test_who_names_the_answer_in_the_reason_need_not_say_it_twice() -> None:
    assert agreeing("For me the honest answer is “agree”, because I saw it.").count("agree") == 1


@pytest.mark.parametrize(
    "reason",
    [
        "I disagree with those who laugh at it.",
        "An agreement is an agreement with us.",
        "My brothers never agree on anything, but a family has to eat.",
    ],
)
def test_a_survey_answer_names_its_option_even_where_the_reason_holds_the_same_letters(reason: str) -> None:
    assert agreeing(reason) == f"My answer is: agree. {reason}"


def test_a_contradiction_is_no_reason_for_the_answer_it_contradicts(tmp_path: Path) -> None:
    """Where contradictions are kept, they are kept as what the person said, not as the reason for the stance."""
    said = "I think men should come first when jobs are scarce."
    found = proposals((1, "opinion", said), first_person=said)
    model = FakeModel(answering(statements=lambda _: found, verdicts=lambda a: judged(a, stance="contradict")))
    held = hold_said(tmp_path, [(ELIF, said)], model, edition(distill={"keep": ["entail", "contradict"]}))
    answers = {row.kind: json.loads(row.messages)[2]["content"] for row in held.of(SampleRow, status="kept")}
    assert answers == {"open": said}


# --- twins and drop reasons --------------------------------------------------------------------------


def test_the_same_words_are_never_kept_twice() -> None:
    one, other = sample(statement(), "open"), sample(statement(first_person="I think otherwise."), "open")
    dropped = sample(statement(), "open", reason="unfaithful")
    rows = without_twins([("a", dropped), ("b", one), ("c", other), ("d", one), ("e", dropped), ("f", one)])
    assert [(name, row.status, row.drop_reason) for name, row in rows] == [
        ("a", "dropped", "unfaithful"),
        ("b", "kept", None),
        ("c", "kept", None),
        ("d", "dropped", "same-words"),
        ("e", "dropped", "unfaithful"),
        ("f", "dropped", "same-words"),
    ]


def test_the_same_words_from_two_blocks_are_kept_once(tmp_path: Path) -> None:
    """An opinion of a stance and one beside it are in two blocks; as open answers they may be the same row."""
    first, second = "I think that a job has no sex at all.", "I think, as I say, that a job has no sex at all."
    found = proposals((1, "opinion", first), (1, "opinion", second), first_person="A job has no sex.")

    def verdicts(asked: JsonObject) -> JsonObject:
        side = {first: "entail", second: "irrelevant"}
        return {"verdicts": [{"id": i["id"], "faithful": "entail", "stance": side[i["quote"]]} for i in asked["items"]]}

    one = edition(distill={"keep": ["entail", "irrelevant"]}, samples=("open",))
    model = FakeModel(answering(statements=lambda _: found, verdicts=verdicts))
    held = hold_said(tmp_path, [(ELIF, f"{first} {second}")], model, one)
    assert held.rows(DuplicateRow) == []
    assert [(row.status, row.drop_reason) for row in held.rows(SampleRow)] == [
        ("kept", None),
        ("dropped", "same-words"),
    ]


ENTAIL = ("entail",)


@pytest.mark.parametrize(
    ("verdicts", "keep", "duplicate", "reason"),
    [
        ({"faithful": ("entail", "keep")}, ENTAIL, False, None),
        ({"faithful": ("entail", "keep"), "stance": ("entail", "keep")}, ENTAIL, False, None),
        ({"faithful": ("entail", "keep"), "stance": ("irrelevant", "keep")}, ("irrelevant",), False, None),
        ({"faithful": ("entail", "keep")}, ENTAIL, True, "duplicate"),
        ({"faithful": ("contradict", "drop")}, ENTAIL, False, "unfaithful"),
        ({"faithful": ("irrelevant", "drop")}, ENTAIL, False, "unfaithful"),
        ({"faithful": ("irrelevant", "drop")}, ("irrelevant",), False, "unfaithful"),
        ({"faithful": ("irrelevant", "drop"), "stance": ("contradict", "drop")}, ENTAIL, True, "unfaithful"),
        ({"faithful": ("unparsable", "drop")}, ENTAIL, False, "unparsable"),
        ({"faithful": ("entail", "drop")}, ENTAIL, False, "unsure"),
        ({"faithful": ("entail", "keep"), "stance": ("entail", "drop")}, ENTAIL, False, "unsure"),
        ({"faithful": ("entail", "keep"), "stance": ("unparsable", "drop")}, ENTAIL, False, "unparsable"),
        ({"faithful": ("entail", "keep"), "stance": ("contradict", "drop")}, ENTAIL, False, "contradicts-stance"),
        ({"faithful": ("entail", "keep"), "stance": ("irrelevant", "drop")}, ENTAIL, False, "irrelevant-to-stance"),
        ({"faithful": ("entail", "keep"), "stance": ("entail", "drop")}, ("contradict",), False, "entails-stance"),
        ({"stance": ("entail", "keep")}, ENTAIL, False, "not-verified"),
        ({}, ENTAIL, False, "not-verified"),
        ({}, ENTAIL, True, "not-verified"),
    ],
)
def test_every_drop_has_its_reason(
    verdicts: dict[str, tuple[Relation, str]], keep: tuple[str, ...], duplicate: bool, reason: str | None
) -> None:
    assert drop_reason(verdicts, keep, duplicate) == reason


def test_what_is_kept_as_published_needs_no_verdict_but_is_no_duplicate() -> None:
    assert drop_reason({}, ENTAIL, False, "as-published") is None
    assert drop_reason({}, ENTAIL, True, "as-published") == "duplicate"


def test_a_dropped_sample_keeps_its_words_and_says_why(tmp_path: Path) -> None:
    model = FakeModel(
        answering(statements=lambda _: proposals((1, "custom", TEA)), verdicts=lambda a: judged(a, "irrelevant"))
    )
    held = hold_said(tmp_path, [(ELIF, TEA)], model)
    (row,) = held.rows(SampleRow)
    (rests_on,) = held.rows(StatementRow)
    assert (row.status, row.drop_reason) == ("dropped", "unfaithful")
    assert json.loads(row.messages)[2]["content"] == rests_on.text
    assert held.stats()["samples"]["dropped"] == {"unfaithful": 1}
