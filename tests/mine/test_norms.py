"""Norms of a topic, what they rest on, and the reasonings that are made from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from culturepark.catalog.suites import survey_suite
from culturepark.dialogue.stance import option_reached
from culturepark.domain import JsonObject
from culturepark.errors import BadAnswer, UsageError
from culturepark.evaluate.asked import settings_for
from culturepark.evaluate.elicit import request_for
from culturepark.evaluate.evaluation import edition_for as evaluation_edition
from culturepark.evaluate.evaluation import plan_of
from culturepark.evaluate.norms_arm import MOST_GIVEN, given, norms_arm
from culturepark.export.manifest import Wanted
from culturepark.export.writer import export
from culturepark.mine.nearest_norms import nearest, ranked
from culturepark.mine.plan import halved, topics_named
from culturepark.run.plan import Settings
from culturepark.store.lineage import trace
from culturepark.store.tables import DialogueRow, StatementRow, TurnRow
from culturepark.store.traced import Trace
from tests.mine.mines import (
    Function,
    Mined,
    good_rows,
    mined,
    model,
    norms_edition,
    seeds_edition,
    some,
)
from tests.support.fakes import FakeModel

FAMILY, MIGRATION, WORK = ("Q27", "Q28", "Q33"), ("Q34", "Q122"), ("Q39",)
TOLD = "With us the {child} keeps a room for the parents in the matter of {topic}, number {n}."
CHILD = {"Türkiye": "eldest son", "Germany": "youngest daughter"}


def norms(asked: JsonObject) -> JsonObject:
    """Norms that differ by country and topic."""
    country, topic = asked["country"], asked["topic"]
    return {
        "norms": [
            {
                "kind": ("rule", "practice")[n % 2],
                "statement": f"In {country}: {TOLD.format(child=CHILD[country], topic=topic, n=n)}",
                "first_person": f"{word} {TOLD.format(child=CHILD[country], topic=topic, n=n)} So it is in {country}.",
            }
            for n, word in zip(range(asked["count"]), ("Mostly.", "Often.", "Always.", "Now and then."), strict=False)
        ]
    }


def reasonings(asked: JsonObject) -> JsonObject:
    """For each answer a reasoning that says which one it is meant for, in words of its own."""
    return {
        "items": [
            {
                "id": item["id"],
                "norms": [1 + item["id"] % len(asked["norms"])],
                "reasoning": f"At our place one thinks of the old people first, in case {item['id']} of "
                f"“{asked['question'][:40]}”. That is how I come to <{item['answer']}>.",
            }
            for item in asked["items"]
        ]
    }


def verdicts(asked: JsonObject) -> JsonObject:
    """A verifier that reads where each reasoning leads, and compares it with the drawn answer."""
    return {
        "verdicts": [
            {
                "id": item["id"],
                "faithful": "entail",
                "stance": "entail" if f"<{item['stance']}>" in item["first_person"] else "contradict",
                "carried": "none",
            }
            for item in asked["items"]
        ]
    }


def fake(**other: Function) -> FakeModel:
    functions: dict[str, Function] = {
        "norms": norms, "reasonings": reasonings, "verdicts": verdicts, "rows": good_rows,
    }  # fmt: skip
    return model(**functions | other)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Mined:
    """Norms and reasonings of three topics for two cultures, with two questions held out."""
    questions = some(*FAMILY, *MIGRATION, *WORK)
    edition = norms_edition(
        questions, "turkish", "german", how="sampled", rows=3, reasons=3, held_out=("wvs7/Q33", "wvs7/Q39"), answers=4
    )
    # Reasonings are alike on purpose, and nothing is to be taken for a repetition here.
    return mined(tmp_path_factory.mktemp("norms"), edition, fake(same=different))


def different(asked: JsonObject) -> JsonObject:
    return {"items": [{"id": item["id"], "difference": "another case", "same": False} for item in asked["items"]]}


# --- what is shown -------------------------------------------------------------------------------------


def test_topics_are_the_parts_of_the_survey() -> None:
    topics = some(*FAMILY, *MIGRATION).topics()
    assert [(topic.key, topic.name) for topic in topics] == [
        ("family-and-gender", "family and gender"), ("migration", "migration"),
    ]  # fmt: skip
    assert topics[1].questions == ("wvs7/Q34", "wvs7/Q122")
    assert topics_named(topics, ["migration"]) == topics[1:]
    with pytest.raises(UsageError, match="family and gender, migration"):
        topics_named(topics, ["weather"])


@pytest.mark.parametrize("how", ["topic", "top", "sampled"])
def test_the_model_is_shown_what_the_way_of_asking_says(tmp_path: Path, how: str) -> None:
    questions = some(*FAMILY)
    asked = fake()
    mined(tmp_path, norms_edition(questions, how=how, held_out=("wvs7/Q28",), answers=7), asked)
    (shown,) = asked.asked("norms")
    assert (shown["country"], shown["topic"], shown["count"]) == ("Türkiye", "family and gender", 2)
    items = {seed.question: seed.item for seed in questions.seeds}
    if how == "topic":
        assert "questions" not in shown
        return
    held_out = next(seed.question for seed in questions.seeds if seed.key == "wvs7/Q28")
    assert {one["question"] for one in shown["questions"]} == set(items) - {held_out}
    for one in shown["questions"]:
        item = items[one["question"]]
        assert item
        shares = {option.label: item.shares["TUR"].get(option.code, 0) for option in item.options}
        if how == "top":
            assert one["commonest_answer"] == max(shares, key=lambda label: shares[label])
        else:
            drawn: Sequence[str] = one["answers_of_some_people"]
            assert len(drawn) == 7
            assert all(
                abs(drawn.count(label) - 7 * share / sum(shares.values())) < 1 for label, share in shares.items()
            )


def test_questions_are_held_out_by_key_and_by_share() -> None:
    questions = some(*FAMILY, *MIGRATION)
    assert questions.held_out(["Q28", "wvs7/Q34"], None, 1) == ("wvs7/Q28", "wvs7/Q34")
    by_share = questions.held_out(["Q28"], 0.5, 1)
    assert "wvs7/Q28" in by_share
    assert len(by_share) == 3
    assert questions.held_out([], 0.4, 1) == questions.held_out([], 0.4, 1)
    assert {questions.held_out([], 0.4, seed) for seed in range(9)} != {questions.held_out([], 0.4, 1)}
    with pytest.raises(UsageError, match="no such question"):
        questions.held_out(["Q99"], None, 1)
    with pytest.raises(UsageError, match="no question is left"):
        questions.held_out([seed.key for seed in questions.seeds], None, 1)


def test_nobody_who_writes_norms_sees_a_question_that_is_held_out(whole: Mined) -> None:
    held_out = [seed.question for seed in some("Q33", "Q39").seeds]
    assert len(whole.model.asked("norms")) == 4  # of work nothing is left that could be shown
    assert not [text for text in held_out if text in json.dumps(whole.model.asked("norms"), ensure_ascii=False)]
    skipped = json.loads(whole.row.skipped or "[]")
    assert {(skip["seed_key"], skip["culture"]) for skip in skipped} == {
        ("topic/work", "turkish"), ("topic/work", "german"),
    }  # fmt: skip


def test_a_topic_is_asked_about_in_halves_so_that_each_has_norms_that_do_not_rest_on_it(tmp_path: Path) -> None:
    questions = some("Q27", "Q28", "Q29", "Q33", *WORK)
    topics = halved(questions.topics(), ("wvs7/Q29",))
    assert [(topic.key, topic.name, topic.questions) for topic in topics] == [
        ("family-and-gender-1", "family and gender", ("wvs7/Q27", "wvs7/Q33")),
        ("family-and-gender-2", "family and gender", ("wvs7/Q28",)),
        ("work", "work", ("wvs7/Q39",)),
    ]
    asked = fake(same=different)
    mined(tmp_path, norms_edition(questions, rows=2, topics=topics, held_out=("wvs7/Q29",), reasons=1), asked)
    by_question = {one["question"]: one["norms"] for one in asked.asked("reasonings")}
    assert len(by_question) == 4
    for seed in questions.seeds:
        told = [norm["norm"] for norm in by_question.get(seed.question, [])]
        # Half a topic is two norms; those of the other half say the same here, and stand there twice.
        assert len(told) == (0 if seed.key == "wvs7/Q29" else 4)


def test_a_norm_says_on_which_questions_it_rests(whole: Mined) -> None:
    shown = {"topic/family-and-gender": ["wvs7/Q27", "wvs7/Q28"], "topic/migration": ["wvs7/Q34", "wvs7/Q122"]}
    seeds = {row.id: row.seed_key for row in whole.rows(DialogueRow)}
    for row, statement in whole.told():
        behind = trace(whole.store, row.id)
        assert isinstance(behind, Trace)
        wanted = shown.get(seeds[statement.turn_id.rpartition(".")[0]], [])
        assert behind.questions_shown == wanted
        assert behind.as_json().get("questions_shown", []) == wanted
        assert [fact.text for fact in behind.facts if fact.label == "rests on"] == [", ".join(wanted)] * bool(wanted)


# --- norms as rows -------------------------------------------------------------------------------------


def test_norms_are_rows_whose_content_is_the_models_own(whole: Mined) -> None:
    rows = whole.told(kind="norm")
    assert len(rows) == 2 * 2 * 3
    assert {row.provenance for row, _ in rows} == {"model"}
    assert {statement.kind for _, statement in rows} == {"norm", "custom"}
    turns = {turn.id: turn.text for turn in whole.rows(TurnRow)}
    for row, statement in rows:
        system, _, assistant = (message["content"] for message in json.loads(row.messages))
        assert assistant == statement.first_person
        assert ("Türkiye" if statement.culture == "turkish" else "Germany") in system
        assert "16" not in system  # nobody's age
        assert turns[statement.turn_id][statement.quote_start : statement.quote_end] == statement.quote


def test_norms_that_would_pass_for_anywhere_are_dropped_and_reasoned_from_no_more(tmp_path: Path) -> None:
    def rows(asked: JsonObject) -> JsonObject:
        told = good_rows(asked)
        for item, judged in zip(asked["items"], told["items"], strict=True):
            judged["country"] = "any" if "Mostly." in item["answer"] else judged["country"]
        return told

    asked = fake(rows=rows)
    held = mined(tmp_path, norms_edition(some(*FAMILY, *MIGRATION), rows=2, reasons=1), asked)
    assert [row.drop_reason for row, s in held.told("dropped") if s.kind != "opinion"] == ["generic"] * 2
    shown = [norm["norm"] for one in asked.asked("reasonings") for norm in one["norms"]]
    assert shown
    assert not [text for text in shown if "Mostly." in text]


# --- reasonings ----------------------------------------------------------------------------------------


def test_no_reasoning_is_made_from_a_norm_that_rests_on_its_question(whole: Mined) -> None:
    topics = {
        seed.question: whole_topic for seed in some(*FAMILY, *MIGRATION, *WORK).seeds if (whole_topic := seed.key)
    }
    asked = whole.model.asked("reasonings")
    assert asked
    for one in asked:
        key = topics[one["question"]].partition("/")[2]
        told = " ".join(norm["norm"] for norm in one["norms"])
        assert key not in ("Q33", "Q39"), "held out"
        for part, name in ((FAMILY, "family and gender"), (MIGRATION, "migration")):
            assert (name in told) != (key in part), (key, name)
        assert all(one["country"] in norm["norm"] for norm in one["norms"])


def test_a_reasoned_row_ends_with_the_drawn_answer_and_margins_are_those_of_the_country(whole: Mined) -> None:
    rows = whole.told(kind="reasoned")
    assert len(rows) == 4 * 2 * 3
    items = {seed.key: seed.item for seed in some(*FAMILY, *MIGRATION, *WORK).seeds}
    dialogues = {row.id: row.seed_key for row in whole.rows(DialogueRow)}
    counts: dict[tuple[str, str], list[str]] = {}
    for row, statement in rows:
        _, user, assistant = (message["content"] for message in json.loads(row.messages))
        reason, _, choice = assistant.rpartition("\n\n")
        assert reason == statement.first_person
        assert choice in user
        label = choice.partition(") ")[2] or choice
        assert f"<{label}>" in reason
        counts.setdefault((dialogues[statement.turn_id.rpartition(".")[0]], statement.culture), []).append(label)
    for (key, culture), labels in counts.items():
        item = items[key]
        assert item
        shares = item.shares["TUR" if culture == "turkish" else "DEU"]
        for option in item.options:
            expected = 3 * shares.get(option.code, 0) / sum(shares.values())
            assert abs(labels.count(option.label) - expected) < 1


def test_what_leads_across_the_scale_is_no_row_and_neither_is_what_was_to_and_does_not(tmp_path: Path) -> None:
    def astray(asked: JsonObject) -> JsonObject:
        told = verdicts(asked)
        for item, judged in zip(asked["items"], told["verdicts"], strict=True):
            judged["stance"] = "entail" if item["turn"] == 2 else judged["stance"]
        return told

    edition = norms_edition(some(*FAMILY, *MIGRATION), reasons=2)
    held = mined(tmp_path / "one", edition, fake(same=different))
    reasons = {row.drop_reason for row, s in held.told("dropped") if s.kind == "opinion"}
    assert reasons == {"contradicts-stance"}
    other = mined(tmp_path / "other", edition, fake(verdicts=astray, same=different))
    assert {row.drop_reason for row, s in other.told("dropped") if s.kind == "opinion"} == {"unsure"}
    assert len(other.told(kind="reasoned")) == len(held.told(kind="reasoned")) == 5 * 2


def test_reasonings_wait_until_the_norms_are_verified(tmp_path: Path) -> None:
    edition = norms_edition(some(*FAMILY, *MIGRATION), reasons=1)
    asked = fake(same=different)
    held = mined(tmp_path, edition, asked, until="dialogue")
    assert (held.row.status, held.row.stop_reason) == ("done", "until dialogue")
    assert asked.asked("reasonings") == []
    held.store.set_plan(held.run_id, vars(Settings(concurrency=1)), held.row.models)
    whole = held.carry_on()
    assert len(asked.asked("norms")) == 2
    assert len(whole.told(kind="reasoned")) == 5
    assert (held.row.status, held.row.stop_reason) == ("done", "completed")


def test_what_lacks_its_norms_fails_with_them_and_is_done_when_they_are(tmp_path: Path) -> None:
    def broken(_: JsonObject) -> JsonObject:
        raise BadAnswer("nothing that can be read")

    edition = norms_edition(some(*FAMILY, *MIGRATION), reasons=1)
    held = mined(tmp_path, edition, fake(norms=broken, same=different))
    assert held.row.status == "failed"
    assert {row.status for row in held.rows(DialogueRow)} == {"failed"}
    held.model = fake(same=different)
    assert len(held.carry_on().told(kind="reasoned")) == 5
    assert held.row.status == "done"


def test_a_reasoning_without_a_norm_is_rejected(tmp_path: Path) -> None:
    def bare(asked: JsonObject) -> JsonObject:
        told = reasonings(asked)
        told["items"][0]["norms"] = []
        return told

    held = mined(tmp_path, norms_edition(some(*FAMILY, *MIGRATION), reasons=2), fake(reasonings=bare, same=different))
    counts = [json.loads(row.rejected) for row in held.rows(DialogueRow) if not row.seed_key.startswith("topic/")]
    assert all(count["no-norm"] >= 1 for count in counts)


def test_the_option_across_the_scale_is_as_far_out_as_the_drawn_one() -> None:
    items = {seed.key: seed.item for seed in some("Q33", "Q28", "Q122").seeds}
    for item in items.values():
        assert item
        for option in item.options:
            other = option_reached(item, option.code, "contradict")
            assert (other is None) == (option.side == 0)
            if other:
                assert other.side == -option.side
                assert option_reached(item, other.code, "contradict") == option
            assert option_reached(item, option.code, "entail") == option


# --- exports -------------------------------------------------------------------------------------------


def lines(folder: Path) -> list[JsonObject]:
    return [json.loads(line) for line in (folder / "all.jsonl").read_text("utf-8").splitlines()]


def test_reasoned_rows_are_exported_with_the_reasoning_in_a_column_of_its_own(whole: Mined, tmp_path: Path) -> None:
    export(whole.store, [whole.run_id], tmp_path / "cot", Wanted("cot"), command="test")
    rows = lines(tmp_path / "cot")
    assert len(rows) == 24
    for row in rows:
        assert set(row) == {"id", "prompt", "reasoning", "answer"}
        assert [message["role"] for message in row["prompt"]] == ["system", "user"]
        assert row["answer"] in row["prompt"][1]["content"]
        assert "\n" not in row["answer"]
        assert row["reasoning"].startswith("At our place")
    card = (tmp_path / "cot" / "README.md").read_text("utf-8")
    assert "Nobody talked" in card
    assert "Nobody in particular. No talk and no card is behind any row" in " ".join(card.split())
    other = mined(tmp_path, norms_edition(some(*FAMILY)), fake())
    with pytest.raises(UsageError, match="of the shape reasoned in m, and --format cot holds no others"):
        export(other.store, [other.run_id], tmp_path / "none", Wanted("cot"), command="test")
    with pytest.raises(UsageError, match="holds no rows of the shape norm"):
        Wanted("cot", shape_mix=("norm",)).check()


def test_pairs_prefer_the_reasoning_that_leads_to_the_drawn_answer(whole: Mined, tmp_path: Path) -> None:
    export(whole.store, [whole.run_id], tmp_path / "pairs", Wanted("preference"), command="test")
    rows = lines(tmp_path / "pairs")
    sides = {o.label: o.side for s in some(*FAMILY, *MIGRATION, *WORK).seeds if s.item for o in s.item.options}
    assert len(rows) >= 15
    for row in rows:
        ends = []
        for name in ("chosen", "rejected"):
            reason, _, choice = row[name][0]["content"].rpartition("\n\n")
            label = choice.partition(") ")[2] or choice
            assert f"<{label}>" in reason, "the reasoning leads to another answer than the one it stands with"
            assert choice in row["prompt"][1]["content"]
            ends.append(label)
        assert sides[ends[0]] == -sides[ends[1]] != 0


# --- as context of an evaluation -----------------------------------------------------------------------


def test_norms_go_before_every_item_but_those_they_rest_on(whole: Mined) -> None:
    suite = survey_suite()
    arm = norms_arm(whole.store, whole.row, suite)
    assert len(arm.norms) == 12
    settings = settings_for(
        suite,
        cultures=("turkish",),
        items=None,
        conditions={"framings": ["persona"], "arms": [arm]},
        elicitation={"method": "samples", "samples": 1},
    )
    plan = plan_of(suite, settings, evaluation_edition(suite, settings, (), {}), 1)
    seen = {"wvs7/Q27": "family and gender", "wvs7/Q28": "family and gender"}
    seen |= {"wvs7/Q34": "migration", "wvs7/Q122": "migration"}
    checked = set()
    for ask in plan.asks:
        told = given(ask)
        system = request_for(ask, settings.elicitation, None, seed=1, probabilities=False).messages[0]["content"]
        assert all(f"- {text}" in system for text in told)
        assert all("Türkiye" in text for text in told)
        assert len(told) <= MOST_GIVEN
        if name := seen.get(ask.item.key):
            checked.add(ask.item.key)
            assert not [text for text in told if name in text]
            assert [text for text in told if name not in text]
        else:
            assert len(told) == 6
    assert checked == set(seen)


def test_norms_are_part_of_what_an_evaluation_was_made_with(whole: Mined, tmp_path: Path) -> None:
    suite = survey_suite()

    def settings(mine: Mined) -> str:
        arms = [norms_arm(mine.store, mine.row, suite)]
        return settings_for(
            suite, cultures=("turkish",), items=None, conditions={"framings": ["persona"], "arms": arms}, elicitation={}
        ).model_dump_json()

    other = mined(tmp_path, norms_edition(some(*FAMILY), rows=1), fake())
    assert settings(whole) != settings(other)
    assert settings(whole) == settings(whole)
    assert "eldest son" in settings(whole)


def test_a_neutral_framing_has_no_culture_whose_norms_could_be_given(whole: Mined) -> None:
    suite = survey_suite()
    arm = norms_arm(whole.store, whole.row, suite)
    settings = settings_for(
        suite, cultures=("turkish",), items=2, conditions={"framings": ["neutral"], "arms": [arm]}, elicitation={}
    )
    with pytest.raises(UsageError, match="--framing persona or observer"):
        plan_of(suite, settings, evaluation_edition(suite, settings, (), {}), 1)


def test_a_run_without_norms_gives_none(tmp_path: Path) -> None:
    held = mined(tmp_path, seeds_edition(some("Q33"), how="none"), model())
    with pytest.raises(UsageError, match="mined no norms"):
        norms_arm(held.store, held.row, survey_suite())


def test_the_nearest_norms_share_the_rarest_words_with_the_question() -> None:
    (seed,) = some("Q33").seeds
    texts = ["Tea is poured twice.", "Women leave the workshop first when jobs are scarce.", "Women pour the tea."]
    assert nearest(seed, texts, 2) == [1, 2]
    assert ranked("nothing in common", texts) == ranked("nothing in common", texts)
    assert sorted(ranked("", texts)) == [0, 1, 2]


def test_statements_of_norms_stand_in_the_country_and_the_first_person_does_too(whole: Mined) -> None:
    for statement in whole.rows(StatementRow):
        if statement.kind != "opinion":
            assert statement.text.startswith("In ")
            assert statement.about == "seed"
