"""Talks in other languages than English, and across languages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from culturepark.dialogue import agents
from culturepark.dialogue.agents import MODERATOR, as_team, speak_directly
from culturepark.dialogue.autogen import speak_in_autogen
from culturepark.dialogue.guards import may_stand
from culturepark.dialogue.loop import Ending, Rendered, converse
from culturepark.domain import Casting, JsonObject, Scenario, Status, Turn
from culturepark.errors import UsageError
from culturepark.languages import load_language
from culturepark.models.chat import Traits
from culturepark.models.ledger import Ledger
from tests.dialogue.test_agents import Recorder
from tests.dialogue.test_agents import database as database  # a fixture
from tests.dialogue.test_agents import ledger as ledger  # a fixture
from tests.support.tongues import (
    ABOUT,
    CEVDET,
    ELIF,
    MARION,
    MIGYEONG,
    MINJAE,
    SAID,
    Say,
    laid_out,
    material,
    own_sentence,
    rendered,
    speaking,
    table,
)


@pytest.fixture(autouse=True)
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    yield from laid_out(tmp_path, monkeypatch, "de", "ko", "tr")


def question(body: JsonObject, number: int) -> str:
    """One that takes up the last words, in no language."""
    called = re.search(r"(?:spoken to|Ask) (.+?) (?:by name|one question)", body["messages"][0]["content"])
    assert called
    last = body["messages"][1]["content"].split("\n\n")[-2].partition(": ")[2]
    return f"{called[1]}, {' '.join(last.split()[-6:]).rstrip('.')}?"


class Talk:
    """A dialogue with a recorder for each role."""

    def __init__(self, casting: Casting, scenario: Scenario, ledger: Ledger, **say: Say) -> None:
        self.casting, self.scenario, self.ledger = casting, scenario, ledger
        self.speaker = Recorder(say.get("speaker", own_sentence))
        self.moderator = Recorder(say.get("moderator", question))
        self.interpreter = Recorder(say.get("interpreter", rendered))
        self.turns: list[Turn] = []
        self.rendered: list[Turn] = []

    async def hold(self, most: int = 1000) -> Ending | None:
        """Hold the dialogue from the turns that there are, to its end or until so many more are there."""
        events = converse(
            self.casting,
            self.scenario,
            "r.d1",
            list(self.turns),
            run_seed=1,
            speaker=self.speaker,
            moderator=self.moderator,
            interpreter=self.interpreter,
            ledger=self.ledger,
        )
        async for event in events:
            if isinstance(event, Ending):
                return event
            if isinstance(event, Rendered):
                self.rendered.append(event.turn)
                continue
            self.turns.append(event)
            if (most := most - 1) == 0:
                await events.aclose()  # type: ignore[attr-defined]  # it is a generator
                return None
        raise AssertionError("no ending")

    @property
    def sent(self) -> list[JsonObject]:
        return [*self.speaker.sent, *self.moderator.sent, *self.interpreter.sent]


def shown(bodies: list[JsonObject]) -> str:
    return json.dumps(bodies, ensure_ascii=False)


@pytest.mark.parametrize("language", ["tr", "native"])
@pytest.mark.parametrize("moderation", ["scripted", "balanced"])
async def test_a_talk_in_one_language_is_all_in_it_and_nobody_interprets(
    language: str, moderation: str, ledger: Ledger
) -> None:
    talk = Talk(*table(CEVDET, ELIF, language=language, moderation=moderation), ledger)
    assert await talk.hold() == Ending(Status.DONE, "completed")
    assert not talk.interpreter.sent
    assert {(turn.language, turn.renderings) for turn in talk.turns} == {(None, ())}
    assert talk.turns[0].text.startswith("[tr] Welcome, Cevdet Bey and Elif Hanım.")
    for body in [*talk.speaker.sent, *talk.moderator.sent]:
        assert body["messages"][0]["content"].startswith("[tr]")
    assert "Merdiveni kim boyasın?" in shown(talk.speaker.sent)
    assert "painted stairs" not in shown(talk.sent)
    assert "Yönetici: " in shown(talk.speaker.sent)
    assert "Moderator: " not in shown(talk.sent)


@pytest.mark.parametrize("moderation", ["scripted", "balanced", "led"])
async def test_across_languages_each_hears_all_in_the_own_one(moderation: str, ledger: Ledger) -> None:
    def lead(body: JsonObject, number: int) -> str:
        if "[de]" not in body["messages"][0]["content"]:  # `lead.md` has no mark
            asked = material(body)
            move, last = asked["moves"][0], asked["turns"][-1]["said"].partition(": ")[2]
            words = f"{move['to']}, {' '.join(last.split()[-6:]).rstrip('.')}?"
            return json.dumps({"move": 1, "reason": "x", "words": words})
        return question(body, number)

    talk = Talk(*table(MARION, MINJAE, moderation=moderation), ledger, moderator=lead)
    assert await talk.hold() == Ending(Status.DONE, "completed")
    spoken = {MARION.key: "de", MINJAE.key: "ko", MODERATOR: "de"}
    for turn in talk.turns:
        (rendering,) = turn.renderings
        assert turn.language == spoken[turn.speaker]
        assert {turn.language, rendering.language} == {"de", "ko"}
        assert (rendering.call_id is None) == (turn.call_id is None)
    first = talk.turns[0]
    assert first.text.startswith("[de] Welcome, Frau Noack and Herr Minjae.")
    assert first.renderings[0].text.startswith("[ko] Welcome, 마리온 씨 and 민재 씨.")
    german = [body for body in talk.speaker.sent if body["messages"][0]["content"].startswith("[de]")]
    korean = [body for body in talk.speaker.sent if body["messages"][0]["content"].startswith("[ko]")]
    for own, other, bodies in (("de", "ko", [*german, *talk.moderator.sent]), ("ko", "de", korean)):
        text = shown(bodies)
        assert bodies
        for turn in talk.turns[:-2]:
            if turn.language == other and turn.is_own:
                assert turn.text not in text
        heard = [turn for turn in talk.turns[:4] if turn.is_own]
        assert any(turn.heard_in(own) in text for turn in heard)
    assert "마리온 씨: " in shown(korean)
    assert "Herr Minjae: " in shown(german)
    assert "진행자: " in shown(korean)
    assert "Leitung: " in shown(german)


async def test_the_interpreter_is_shown_who_speaks_to_whom_and_what_was_heard_before(ledger: Ledger) -> None:
    talk = Talk(*table(MARION, MINJAE, moderation="balanced"), ledger)
    await talk.hold()
    asked = [material(body) for body in talk.interpreter.sent]
    by_words = {turn.text: turn for turn in talk.turns}
    assert len(asked) == sum(turn.call_id is not None for turn in talk.turns)
    for one in asked:
        turn = by_words[one["words"]]
        code = turn.renderings[0].language
        assert (one["from"], one["into"]) == (ABOUT[str(turn.language)][0], ABOUT[code][0])
        before = talk.turns[max(0, turn.position - 4) : turn.position - 1]
        assert [line["said"] for line in one["before"]] == [" ".join(t.heard_in(code).split()) for t in before]
    minjaes = next(one for one in asked if by_words[one["words"]].speaker == MINJAE.key)
    assert minjaes["speaker"] == {"name": "Herr Minjae", "gender": MINJAE.gender, "age": MINJAE.age}
    assert minjaes["to"] == [{"name": "Frau Noack", "gender": MARION.gender, "age": MARION.age}]


async def test_at_a_table_of_three_languages_each_turn_is_rendered_into_both_others(ledger: Ledger) -> None:
    talk = Talk(*table(MARION, MINJAE, CEVDET, max_turns=9), ledger)
    assert await talk.hold() == Ending(Status.DONE, "completed")
    for turn in talk.turns:
        assert {turn.language, *(one.language for one in turn.renderings)} == {"de", "ko", "tr"}
        assert len(turn.renderings) == 2
    assert len(talk.interpreter.sent) == 2 * sum(turn.call_id is not None for turn in talk.turns)


async def test_people_with_a_common_language_need_no_interpreter(ledger: Ledger) -> None:
    marion = speaking("german-marion", "de", "Frau Noack", "ko", ko="마리온 씨")
    talk = Talk(*table(marion, MINJAE, across="lingua-franca"), ledger)
    assert await talk.hold() == Ending(Status.DONE, "completed")
    assert not talk.interpreter.sent
    assert {body["messages"][0]["content"][:4] for body in talk.speaker.sent} == {"[ko]"}


async def test_taken_up_at_any_turn_a_talk_is_the_same_and_nothing_is_asked_twice(ledger: Ledger) -> None:
    whole = Talk(*table(MARION, MINJAE, moderation="balanced"), ledger)
    await whole.hold()
    answers = {shown([body]): number for number, body in enumerate(whole.interpreter.sent)}
    broken = Talk(
        *table(MARION, MINJAE, moderation="balanced"),
        ledger,
        speaker=lambda body, number: pytest.fail("asked again"),
        moderator=lambda body, number: pytest.fail("asked again"),
        interpreter=lambda body, number: pytest.fail(f"asked again: {answers.get(shown([body]))}"),
    )
    while await broken.hold(most=1) is None:
        pass
    assert broken.turns == whole.turns


async def test_a_rendering_that_may_not_stand_is_asked_for_again(ledger: Ledger) -> None:
    """Not in the language, with a label, as a list, cut off, or the original as it was."""
    wrong: list[Callable[[JsonObject], str]] = [
        lambda asked: "This is what she said, as well as I can put it for all of you who are here today.",
        lambda asked: f"{SAID['de'][0]} Frau Noack: {SAID['de'][1]}",
        lambda asked: "",
        lambda asked: f"{SAID['de'][2]}\n- eins\n- zwei\n- drei",
        lambda asked: "Wir haben es immer so gemacht,",
        lambda asked: str(asked["words"]),
    ]
    refused: list[str] = []

    def interpret(body: JsonObject, number: int) -> str:
        """Two that may not stand, then one that may, for each of the first speeches of Minjae."""
        asked = material(body)
        tries = sum(material(sent)["words"] == asked["words"] for sent in talk.interpreter.sent)
        if asked["speaker"]["name"] == "Herr Minjae" and tries < 2 and len(refused) < len(wrong):
            refused.append(wrong[len(refused)](asked))
            return refused[-1]
        return rendered(body, number)

    talk = Talk(*table(MARION, MINJAE, max_turns=12), ledger, interpreter=interpret)
    assert await talk.hold() == Ending(Status.DONE, "completed")
    assert len(refused) == len(wrong)
    assert not {turn.heard_in("de") for turn in talk.turns} & set(refused)


@pytest.mark.parametrize(
    ("code", "text", "refused"),
    [
        ("ko", "저희 동네에서는 다들 모여요. 그때 아저씨가 갑자기 허리를", True),
        (
            "de",
            "Wir sind dann zu ihr rüber, haben Kaffee gekocht, und als sie endlich wieder reden konnte, hat sie",
            True,
        ),
        ("de", "Wir sind zu ihr rüber", False),
        ("de", "Wir sind zu ihr rüber. Und sie sagte: „Na endlich.“", False),
        ("ko", "김치는 꼭 나눠요. 그게 저희 집이에요…", False),
    ],
)
def test_where_a_language_has_no_list_a_speech_of_some_length_ends_with_a_mark(
    code: str, text: str, refused: bool
) -> None:
    assert may_stand(text, load_language(code), "Elif") is not refused


async def test_a_turn_that_cannot_be_rendered_ends_the_talk_and_is_never_passed_off_as_it_was(ledger: Ledger) -> None:
    talk = Talk(*table(MARION, MINJAE), ledger, interpreter=lambda body, number: "I am sorry, I cannot do that.")
    ending = await talk.hold()
    assert ending is not None
    assert ending.status == Status.STOPPED
    assert re.fullmatch(r"interpreter: wrong-language, in (German|Korean)", ending.stop_reason)
    assert len(talk.interpreter.sent) == 3
    assert len({body["seed"] for body in talk.interpreter.sent}) == 3
    assert [turn.origin for turn in talk.turns] == ["cue"]


async def test_a_turn_put_in_place_of_another_is_rendered_before_anybody_answers_it(ledger: Ledger) -> None:
    talk = Talk(*table(MARION, MINJAE), ledger)
    await talk.hold(most=4)
    edited = talk.turns[3]
    assert edited.is_own
    new = SAID["de" if edited.speaker == MARION.key else "ko"][9]
    talk.turns[3] = edited.model_copy(update={"text": new, "origin": "edited", "call_id": None, "renderings": ()})
    asked = len(talk.interpreter.sent)
    assert await talk.hold() == Ending(Status.DONE, "completed")
    assert material(talk.interpreter.sent[asked])["words"] == new
    (turn,) = talk.rendered
    assert (turn.text, len(turn.renderings)) == (new, 1)


async def test_people_of_different_languages_without_an_interpreter_are_not_held(ledger: Ledger) -> None:
    casting, scenario = table(MARION, MINJAE)
    speaker = Recorder(own_sentence)
    with pytest.raises(UsageError, match="people talk de and ko at this table, and there is no interpreter"):
        async for _ in converse(
            casting, scenario, "r.d1", [], run_seed=1, speaker=speaker, moderator=speaker, ledger=ledger
        ):
            pass
    assert not speaker.sent
    with pytest.raises(UsageError, match="a team has no interpreter"):
        as_team(casting, scenario, speaker, speaker)


async def test_through_autogen_a_talk_is_the_same(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    for voice in (speak_in_autogen, speak_directly):
        monkeypatch.setattr("culturepark.dialogue.loop.voice", lambda notice, voice=voice: voice)
        talk = Talk(*table(MARION, MINJAE, CEVDET, max_turns=9, moderation="balanced"), ledger)
        await talk.hold()
        held.append(talk.turns)
        assert talk.sent or held[1:]
    assert held[0] == held[1]
    assert agents.voice(ledger.notice) is speak_in_autogen


async def test_a_small_model_is_given_forms_of_its_own_language(ledger: Ledger) -> None:
    grammars: list[Any] = []

    def say(body: JsonObject, number: int) -> str:
        grammars.append(body["grammar"])
        return own_sentence(body, number)

    talk = Talk(*table(MINJAE, MIGYEONG), ledger, speaker=say)
    talk.speaker.traits = Traits(small=True, grammar=True)
    talk.moderator.traits = talk.speaker.traits
    await talk.hold()
    assert any(SAID["ko"][0] in grammar for grammar in grammars)
    assert not any("[a-z]" in grammar for grammar in grammars)
