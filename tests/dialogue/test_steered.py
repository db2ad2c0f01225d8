"""Dialogues whose moderator has a policy, held with models behind them."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from culturepark.dialogue.loop import Ending, converse
from culturepark.domain import Casting, JsonObject, Mark, Scenario, Status, Turn
from culturepark.models.ledger import Ledger
from tests.dialogue.test_agents import SENTENCES, TALKS, Recorder
from tests.dialogue.test_agents import database as database  # a fixture
from tests.dialogue.test_agents import ledger as ledger  # a fixture

Say = Callable[[JsonObject, int], str]


def steered(name: str, moderation: str = "balanced") -> tuple[Casting, Scenario]:
    casting, scenario = TALKS[name]
    return casting, scenario.model_copy(update={"moderation": moderation})


async def hold(
    casting: Casting, scenario: Scenario, ledger: Ledger, say: Say, ask: Say
) -> tuple[list[Turn], Ending, Recorder, Recorder]:
    speaker, moderator = Recorder(say), Recorder(ask)
    turns: list[Turn] = []
    async for event in converse(
        casting, scenario, "r.d1", [], run_seed=1, speaker=speaker, moderator=moderator, ledger=ledger
    ):
        if isinstance(event, Ending):
            return turns, event, speaker, moderator
        turns.append(event)
    raise AssertionError("no ending")


def plain_speech(body: JsonObject, number: int) -> str:
    return SENTENCES[number % len(SENTENCES)]


def last_words(text: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+", text)[-6:])


def question(body: JsonObject, number: int) -> str:
    """One that takes up the last words, to the person that the prompt names."""
    called = re.search(r"spoken to (\S+) by name", body["messages"][0]["content"])
    assert called
    last = body["messages"][1]["content"].split("\n\n")[-2]
    return f"{called[1]}, and “{last_words(last)}”, how was that?"


async def test_a_mark_is_kept_with_its_turn_and_heard_by_nobody(ledger: Ledger) -> None:
    casting, scenario = steered("two of one culture")

    def say(body: JsonObject, number: int) -> str:
        return f"{plain_speech(body, number)}\n[told: scene; from: memory; asks: none]"

    turns, ending, speaker, moderator = await hold(casting, scenario, ledger, say, question)
    assert ending == Ending(Status.DONE, "completed")
    own = [turn for turn in turns if turn.is_own]
    assert {turn.mark for turn in own} == {Mark(told=("scene",), grounds=("episode",))}
    heard = "\n".join(
        m["content"] for b in [*speaker.sent, *moderator.sent] for m in b["messages"] if m["role"] != "system"
    )
    assert "[told" not in heard
    assert not any("[told" in turn.text for turn in turns)


async def test_where_the_moderator_has_asked_nothing_else_is_asked(ledger: Ledger) -> None:
    casting, scenario = steered("two of one culture")
    turns, _, speaker, _ = await hold(casting, scenario, ledger, plain_speech, question)
    for turn, body in zip([t for t in turns if t.is_own], speaker.sent, strict=True):
        alone = body["messages"][-1]["content"].rsplit("\n\n", 1)[-1]
        before = turns[turn.position - 2]
        assert alone.startswith("(")
        if before.role == "moderator" and turn.phase != "closing":
            assert "?" not in alone
        elif before.role != "moderator":
            assert (
                f"What do you say to {casting.by_key(before.speaker).persona.called}?" in alone
                or before.phase == "closing"
                or before.phase == "opening"
            )


async def test_a_question_that_nobody_could_answer_is_asked_for_again_without_it(ledger: Ledger) -> None:
    casting, scenario = steered("two of one culture")
    asked: list[str] = []

    def say(body: JsonObject, number: int) -> str:
        speech = plain_speech(body, number)
        alone = body["messages"][-1]["content"].rsplit("\n\n", 1)[-1]
        if "Put no question" in alone and alone not in asked:
            asked.append(alone)
            return f"{speech} And you?"
        return speech

    turns, ending, _, _ = await hold(casting, scenario, ledger, say, question)
    assert asked
    assert ending.stop_reason == "completed"
    assert not [turn for turn in turns if turn.phase == "closing" and turn.addressee]


async def test_a_question_to_somebody_is_answered_at_once(ledger: Ledger) -> None:
    casting, scenario = steered("a panel of four")
    called = [p.persona.called for p in casting.participants]

    def say(body: JsonObject, number: int) -> str:
        speech, alone = plain_speech(body, number), body["messages"][-1]["content"].rsplit("\n\n", 1)[-1]
        me = next(name for name in called if f"({name}, it is" in alone)
        other = called[(called.index(me) + 1 + number % 3) % 4]
        if "Put no question" in alone:
            return f"{speech}\n[told: none; from: none; asks: none]"
        return f"{speech} {other}, is it so with you?\n[told: reaction; from: none; asks: {other}]"

    turns, ending, speaker, _ = await hold(casting, scenario, ledger, say, question)
    assert ending.status == Status.DONE
    asked = [turn for turn in turns if turn.addressee and turn.is_own]
    assert len(asked) >= 4
    for turn in asked:
        following = turns[turn.position]
        assert following.speaker == turn.addressee
    answers = [body["messages"][-1]["content"] for body in speaker.sent]
    assert any("has asked you something: answer that first" in text for text in answers)


async def test_a_moderator_that_asks_nobody_gives_way_to_fixed_words(ledger: Ledger) -> None:
    casting, scenario = steered("two of one culture")
    turns, ending, _, _ = await hold(casting, scenario, ledger, plain_speech, lambda body, number: "I think so too.")
    acts = [turn for turn in turns if turn.act]
    assert {turn.origin for turn in acts} == {"cue", "fallback"}
    assert all(turn.text.endswith("?") for turn in acts if turn.addressee)
    assert ending.status == Status.DONE


def chosen(index: int, reason: str = "it is alive") -> Say:
    def choose(body: JsonObject, number: int) -> str:
        material = json.loads(body["messages"][1]["content"])
        move = material["moves"][index % len(material["moves"])]
        words = last_words(material["turns"][-1]["said"])
        said = f"{move['to']}, you heard “{words}”; what of it?"
        return json.dumps({"move": move["move"], "reason": reason, "words": said})

    return choose


def leading(index: int) -> Say:
    def ask(body: JsonObject, number: int) -> str:
        return (chosen(index) if body["messages"][1]["content"].startswith("{") else question)(body, number)

    return ask


@pytest.mark.parametrize("index", [0, -1])
async def test_a_model_leads_among_the_moves_and_its_reason_is_kept(index: int, ledger: Ledger) -> None:
    casting, scenario = steered("a panel of four", "led")
    turns, ending, _, moderator = await hold(casting, scenario, ledger, plain_speech, leading(index))
    assert ending.status == Status.DONE
    led = [turn for turn in turns if turn.reason == "it is alive"]
    assert led
    for turn in led:
        assert turn.addressee
        assert turns[turn.position].speaker == turn.addressee
        assert casting.by_key(turn.addressee).persona.called in turn.text
    material = json.loads(moderator.sent[-1]["messages"][1]["content"])
    assert [turn["turn"] for turn in material["turns"]] == list(range(1, len(material["turns"]) + 1))
    assert set(material["not_heard_yet"]) == {p.persona.called for p in casting.participants}


@pytest.mark.parametrize("answer", ["no JSON", '{"move": 99, "reason": "x", "words": "Elif, why?"}', '{"move": 1}'])
async def test_a_choice_that_cannot_be_read_leaves_it_to_the_rules(answer: str, ledger: Ledger) -> None:
    casting, scenario = steered("two of one culture", "led")

    def ask(body: JsonObject, number: int) -> str:
        return answer if body["messages"][1]["content"].startswith("{") else question(body, number)

    turns, ending, _, _ = await hold(casting, scenario, ledger, plain_speech, ask)
    assert ending.status == Status.DONE
    assert any(turn.origin == "fallback" for turn in turns)
    assert all(turn.reason for turn in turns if turn.act not in (None, "welcome"))


async def test_a_dialogue_is_taken_up_where_it_broke_off_and_comes_out_the_same(ledger: Ledger) -> None:
    casting, scenario = steered("a main contact and a delegate")
    by_turn: dict[str, str] = {}

    def say(body: JsonObject, number: int) -> str:
        key = json.dumps(body["messages"])
        return by_turn.setdefault(key, SENTENCES[len(by_turn) % len(SENTENCES)])

    whole, _, _, _ = await hold(casting, scenario, ledger, say, question)
    for cut in range(len(whole)):
        rest: list[Any] = []
        async for event in converse(
            casting, scenario, "r.d1", whole[:cut], run_seed=1,
            speaker=Recorder(say), moderator=Recorder(question), ledger=ledger,
        ):  # fmt: skip
            rest.append(event)
            if len(rest) == 2:
                break
        assert [e.text for e in rest if isinstance(e, Turn)] == [t.text for t in whole[cut : cut + 2]]
