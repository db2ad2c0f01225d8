"""Survey questions in other words: what is asked, what is dropped, and who is given which answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from sqlmodel import select

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.mine.mining import new_mine
from culturepark.mine.plan import worded_in
from culturepark.mine.sentences import LIKENESS, meaning, near, pairs_of, place_of
from culturepark.models.chat import Traits
from culturepark.models.embedder import Lexical
from culturepark.models.spec import LEXICAL
from culturepark.run.plan import Settings
from culturepark.stats.compare import compare
from culturepark.store.lineage import trace
from culturepark.store.tables import CallLogRow, CallRow, DialogueRow, SampleRow, TurnRow, VerdictRow
from culturepark.store.traced import Trace
from tests.mine.mines import (
    always,
    answers_by_cell,
    mined,
    model,
    say,
    seeds_edition,
    some,
    views,
    wvs,
)
from tests.support.fakes import Cast, shape_of

Q33 = "How far do you agree that men should come before women when there are not enough jobs for everybody?"
RIGHT = (
    "“When there are not enough jobs, men should come before women.” How far do you agree?",
    "Men should come before women when there are not enough jobs: how far do you agree with that?",
    "How far do you agree with somebody who says that men should come before women when jobs are not enough?",
)
ELSE = "What is your favourite dish on a Sunday in winter?"


def is_right(question: str) -> bool:
    return "disagree that" not in question


# --- the questions alone -------------------------------------------------------------------------------


def test_without_other_words_every_question_is_put_as_it_stands_and_nobody_is_asked(tmp_path: Path) -> None:
    fake = model()
    held = mined(tmp_path, seeds_edition(some("Q33", "Q36"), "turkish", "german", how="none", rows=7), fake)
    rows = held.told()
    assert fake.bodies == []
    assert len(rows) == 2 * 2 * 7
    assert {row.provenance for row, _ in rows} == {None}
    questions = {seed.question for seed in some("Q33", "Q36").seeds}
    assert {statement.question for _, statement in rows} == questions
    for row, statement in rows:
        system, user, assistant = (message["content"] for message in json.loads(row.messages))
        assert statement.question
        assert statement.question in user
        assert ("Türkiye" if statement.culture == "turkish" else "Germany") in system
        assert assistant in user or assistant.isdigit() or len(assistant) == 1
    assert held.rows(CallRow) == []


def test_answers_are_drawn_from_the_shares_of_the_country_within_one(tmp_path: Path) -> None:
    count = 9
    held = mined(tmp_path, seeds_edition(wvs(), "turkish", "german", how="none", rows=count), model())
    items = {seed.key: seed.item for seed in wvs().seeds}
    cells = answers_by_cell(held)
    assert len(cells) == 2 * len(items)
    for (key, culture), codes in cells.items():
        shares = items[key].shares["TUR" if culture == "turkish" else "DEU"]  # type: ignore[union-attr]
        assert codes.total() == count
        for code, share in shares.items():
            assert abs(codes[code] - share * count / sum(shares.values())) < 1, (key, culture)


def test_every_draw_of_a_question_has_its_row_in_a_wording_of_its_own(tmp_path: Path) -> None:
    held = mined(tmp_path, seeds_edition(some("Q33"), how="none", rows=12), model())
    texts = {row.messages for row, _ in held.told()}
    assert len(texts) == 12
    assert not [row for row in held.rows(SampleRow) if row.status != "kept"]


# --- other words ---------------------------------------------------------------------------------------


def test_rows_put_the_question_in_the_words_that_were_mined(tmp_path: Path) -> None:
    fake = model(sentences=say(*RIGHT), views=views(is_right))
    held = mined(tmp_path, seeds_edition(some("Q33"), "turkish", "german", rows=3), fake)
    rows = held.told()
    assert sorted({s.question for _, s in rows if s.question}) == sorted(RIGHT)
    assert {row.provenance for row, _ in rows} == {"model"}
    for row, statement in rows:
        user = json.loads(row.messages)[1]["content"]
        assert statement.question
        assert statement.question in user
        assert Q33 not in user
    assert all(counts.total() == 3 for counts in answers_by_cell(held).values())
    turns = {turn.id: turn.text for turn in held.rows(TurnRow)}
    for _, s in rows:
        assert turns[s.turn_id][s.quote_start : s.quote_end] == s.quote


def test_sentences_of_a_question_are_asked_for_and_verified_once_for_all_cultures(tmp_path: Path) -> None:
    fake = model(sentences=lambda asked: {"questions": [f"One more: {asked['question']}"]}, views=views(is_right))
    mined(tmp_path, seeds_edition(some("Q33", "Q36"), "turkish", "german", "korean", rows=3), fake)
    assert len(fake.asked("sentences")) == 2
    assert len(fake.asked("views")) == 2


def test_the_second_step_puts_synonyms_into_the_sentences_of_the_first(tmp_path: Path) -> None:
    def sentences(asked: JsonObject) -> JsonObject:
        if "count" in asked:
            return {"questions": [RIGHT[0], RIGHT[1]]}
        assert asked["questions"] == [RIGHT[0], RIGHT[1]]
        assert asked["question"] == Q33
        return {"questions": [text.replace("not enough jobs", "too few jobs") for text in asked["questions"]]}

    held = mined(
        tmp_path, seeds_edition(some("Q33"), rows=2, synonyms=True), model(sentences=sentences, views=views(is_right))
    )
    asked = {s.question for _, s in held.told()}
    assert len(asked) == 4
    assert {turn.phase for turn in held.rows(TurnRow)} == {"sentences", "synonyms"}


def test_what_is_too_far_from_the_question_or_there_already_is_counted_and_left_out(tmp_path: Path) -> None:
    fake = model(sentences=say(RIGHT[0], ELSE, Q33.upper(), RIGHT[0]), views=views(is_right))
    held = mined(tmp_path, seeds_edition(some("Q33"), rows=4), fake)
    (dialogue,) = held.rows(DialogueRow)
    assert json.loads(dialogue.rejected) == {"unlike": 1, "repeated": 2}
    assert [s.question for _, s in held.told()] == [RIGHT[0]]


def flipping(asked: JsonObject) -> JsonObject:
    """Puts every question into one sentence that asks the same, and one that is turned round."""
    question = asked["question"]
    return {"questions": [f"One more question. {question}", f"One more question. {turned(question)}"]}


def turned(question: str) -> str:
    for way, back in (("How far do you agree that", "How far do you disagree that"), ("How often", "How seldom")):
        if question.startswith(way):
            return question.replace(way, back)
    for way, back in (("How frequently", "How rarely"), ("Should", "Should it be forbidden that, or should")):
        if question.startswith(way):
            return question.replace(way, back)
    return f"The other way round: {question}"


def test_a_paraphraser_that_turns_questions_round_is_caught_fifty_times_of_fifty(tmp_path: Path) -> None:
    """By the verifier: nothing here looks at a word, and likeness lets nearly all of it pass."""
    round_about = {f"One more question. {turned(seed.question)}" for seed in wvs().seeds}
    assert len(round_about) == 50
    fake = model(sentences=flipping, views=views(lambda question: question not in round_about))
    held = mined(tmp_path, seeds_edition(wvs(), rows=2), fake)
    kept = {s.question for _, s in held.told()}
    assert kept == {f"One more question. {seed.question}" for seed in wvs().seeds}
    dropped = {s.question: row.drop_reason for row, s in held.told("dropped")}
    rejected = sum(json.loads(row.rejected).get("unlike", 0) for row in held.rows(DialogueRow))
    assert set(dropped) <= round_about
    assert set(dropped.values()) == {"unfaithful"}
    assert len(dropped) + rejected == 50
    assert len(dropped) >= 45  # what likeness alone would have let through
    relations = {v.relation for v in held.rows(VerdictRow) if v.decision == "drop"}
    assert relations == {"contradict"}


def test_likeness_alone_catches_no_question_that_is_turned_round() -> None:
    texts = [(seed.question, turned(seed.question)) for seed in wvs().seeds if "agree that" in seed.question]
    assert len(texts) >= 20

    async def passing() -> int:
        embedder = Lexical()
        return sum([near(await embedder.embed(pair), "lexical")[0] for pair in texts])

    assert asyncio.run(passing()) == len(texts)
    assert set(LIKENESS) == {"e5", "minilm", "lexical", "endpoint"}


@pytest.mark.parametrize("view", ["same", "opposite", "other"])
def test_a_verifier_to_whom_all_views_are_alike_lets_nothing_through(tmp_path: Path, view: str) -> None:
    held = mined(tmp_path, seeds_edition(some("Q33"), rows=3), model(sentences=say(*RIGHT), views=always(view)))
    assert held.told() == []
    assert len(held.told("dropped")) == 3


def test_what_asks_for_more_or_something_else_is_dropped_and_margins_hold_among_the_rest(tmp_path: Path) -> None:
    def right(question: str) -> bool | None:
        return None if question == RIGHT[1] else is_right(question)

    held = mined(tmp_path, seeds_edition(some("Q33"), rows=3), model(sentences=say(*RIGHT), views=views(right)))
    assert {s.question for _, s in held.told()} == {RIGHT[0], RIGHT[2]}
    assert [row.drop_reason for row, _ in held.told("dropped")] == ["unfaithful"]
    shares = some("Q33").seeds[0].item.shares["TUR"]  # type: ignore[union-attr]
    (codes,) = answers_by_cell(held).values()
    assert all(abs(codes[code] - share * 2 / sum(shares.values())) < 1 for code, share in shares.items())


def test_both_ends_are_compared_in_both_orders() -> None:
    (seed,) = some("Q33").seeds
    pairs = pairs_of(seed, "?")
    first = [(pair["one"]["question"] == seed.question, wanted) for pair, wanted in pairs]
    assert sorted(first) == [(False, "opposite"), (False, "same"), (True, "opposite"), (True, "same")]
    wanted = [right for _, right in pairs]
    assert meaning(wanted, wanted) == "entail"
    assert meaning([{"same": "opposite", "opposite": "same"}[one] for one in wanted], wanted) == "contradict"
    assert meaning(["same", "opposite", "same", "other"], wanted) == "irrelevant"
    assert meaning([None, *wanted[1:]], wanted) == "unparsable"


def test_words_are_found_in_the_json_that_holds_them() -> None:
    said = 'He says "so", in Köln: is it “so”?'
    for text in (json.dumps({"questions": [said]}), json.dumps({"questions": [said]}, ensure_ascii=False)):
        place = place_of(said, text)
        assert place is not None
        assert json.loads(f'"{text[slice(*place)]}"') == said
    assert place_of("something else", "{}") is None


# --- a run like any other ------------------------------------------------------------------------------


def test_a_mine_that_was_stopped_asks_nothing_twice(tmp_path: Path) -> None:
    fake = model(sentences=say(*RIGHT), views=views(is_right))
    edition = seeds_edition(some("Q33"), "turkish", "german", rows=3)
    held = mined(tmp_path, edition, fake, until="dialogue")
    assert [shape_of(body) for body in fake.bodies] == ["sentences"]
    assert held.told() == []
    held.store.set_plan(held.run_id, vars(Settings(concurrency=1)), held.row.models)
    again = held.carry_on()
    assert [shape_of(body) for body in fake.bodies] == ["sentences", "views"]
    assert len(again.told()) == 6
    assert again.row.status == "done"


def test_the_same_plan_goes_on_and_another_one_needs_another_name(tmp_path: Path) -> None:
    held = mined(tmp_path, seeds_edition(some("Q33"), how="none"), model())
    models = dict(Cast(held.model, LEXICAL).specs)
    same = new_mine(
        held.store, seeds_edition(some("Q33"), how="none"), seed=1, models=models, settings=Settings(), run_id="m"
    )
    assert same.id == "m"
    for edition, seed in (
        (seeds_edition(some("Q33"), how="none", rows=2), 1),
        (seeds_edition(some("Q33"), how="none"), 2),
    ):
        with pytest.raises(UsageError, match="name another --run-id"):
            new_mine(held.store, edition, seed=seed, models=models, settings=Settings(), run_id="m")


def test_verifying_again_gives_the_answers_to_those_that_pass_then(tmp_path: Path) -> None:
    fake = model(sentences=say(*RIGHT), views=always("same"))
    held = mined(tmp_path, seeds_edition(some("Q33"), rows=3), fake)
    assert held.told() == []
    held.model = model(sentences=say(*RIGHT), views=views(is_right))
    held.store.set_plan(held.run_id, vars(Settings()), held.row.models, verify=True)
    with held.store.database.writing() as session:  # another model is another request
        for call in session.exec(select(CallLogRow).where(CallLogRow.stage == "verify")):
            call.request_digest = ""
    assert len(held.carry_on().told()) == 3


def test_a_model_that_is_too_small_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    fake = model()
    fake.traits = Traits(labels=True)
    with pytest.raises(UsageError, match="three billion"):
        mined(tmp_path, seeds_edition(some("Q33")), fake)
    assert fake.bodies == []


def test_figures_traces_and_comparisons_work_on_its_rows(tmp_path: Path) -> None:
    fake = model(sentences=say(*RIGHT), views=views(is_right))
    held = mined(tmp_path, seeds_edition(some("Q33"), rows=3), fake)
    alone = mined(tmp_path, seeds_edition(some("Q33"), how="none", rows=3), model(), run_id="alone")
    figures = held.figures()
    assert figures.samples.kept == 3
    assert figures.talks is None
    assert figures.representation.run.collapse.verdict == "unknown"
    assert [cell.kept for cell in figures.stances] == [3]
    assert all(answer.drawn == answer.kept for cell in figures.stances for answer in cell.answers)
    row, statement = held.told()[0]
    found = trace(held.store, row.id)
    assert isinstance(found, Trace)
    assert found.statement.question == statement.question
    beside = compare([(held.store, held.row), (alone.store, alone.row)])
    assert beside.differ["how"] == ["paraphrase", "none"]
    assert beside.alike["rows kept"] == "3"


def test_a_question_is_left_out_where_it_was_not_asked(tmp_path: Path) -> None:
    questions = some("Q33", "Q36")
    (one, other) = questions.seeds
    assert one.item
    item = one.item.model_copy(update={"shares": {"DEU": one.item.shares["DEU"]}})
    changed = type(questions)(
        questions.name, questions.title, (one.model_copy(update={"item": item}), other), questions.sections
    )
    held = mined(tmp_path, seeds_edition(changed, how="none"), model())
    (skip,) = json.loads(held.row.skipped or "[]")
    assert (skip["seed_key"], skip["culture"], skip["dialogues"]) == (one.key, "turkish", 1)
    assert {row.seed_key for row in held.rows(DialogueRow)} == {other.key}


def test_questions_are_mined_in_a_language_in_which_they_have_words(tmp_path: Path) -> None:
    questions = worded_in(some("Q33"), "tr")
    words = questions.seeds[0].words["tr"]
    edition = seeds_edition(questions, how="none", rows=2)
    edition = edition.model_copy(update={"scenario": edition.scenario.model_copy(update={"language": "tr"})})
    held = mined(tmp_path, edition, model())
    for row, _ in held.told():
        user = json.loads(row.messages)[1]["content"]
        assert words.question in user
        assert words.options[1] in user
    with pytest.raises(UsageError, match="no language"):
        worded_in(some("Q33"), "xx")


def test_a_store_is_sound_after_a_mine(tmp_path: Path) -> None:
    from culturepark.store.integrity import Checkup

    held = mined(tmp_path, seeds_edition(some("Q33"), rows=3), model(sentences=say(*RIGHT), views=views(is_right)))
    assert list(Checkup(held.store.database).problems()) == []
