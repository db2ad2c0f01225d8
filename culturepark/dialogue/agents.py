"""Personas and the moderator: each builds a prompt from the transcript and asks its model for the next turn.

An agent keeps no state but its last reply, so it can be rebuilt from stored turns at any time. `voice` makes it speak
as an AutoGen AgentChat agent (`autogen`), or directly where AutoGen cannot be imported. The transcript is the same.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydantic import BaseModel

from culturepark.dialogue import phrasing
from culturepark.dialogue.guards import clean, cleaned
from culturepark.dialogue.marks import mark_in
from culturepark.dialogue.memory import first_shown, line_of, lines_kept, scenes_of
from culturepark.dialogue.protocol import Move, Slot
from culturepark.dialogue.tongues import listening, tongues_of
from culturepark.domain import DEFAULT_LANGUAGE, Casting, Mark, Participant, Scenario, Scene, Turn, storable
from culturepark.errors import UsageError
from culturepark.languages import load_language
from culturepark.models.chat import ChatModel, Reply, Request, Schema, digest
from culturepark.models.json_answers import content_of, parse, strict
from culturepark.models.ledger import Ledger

if TYPE_CHECKING:
    from autogen_agentchat.teams import SelectorGroupChat

MODERATOR = "moderator"
USER = "user"
"""The user of a talk, who is no agent."""
SPEECH_TOKENS = 300
SMALL_SPEECH_TOKENS = 130
FOLLOW_UP_TOKENS = 90
LEAD_TOKENS = 250
MORE_TOKENS = 2
"""A text in another language than English may take so many times the tokens: few models are thrifty with any other."""
SHOWN = 4
"""Last turns that a moderator is shown who words a question; the turns that it is about come with them."""
LONGEST_WHY = 300


class Chosen(BaseModel):
    """A model's choice of a move."""

    move: int
    reason: str
    words: str


class Heard(NamedTuple):
    speaker: str
    """A persona's key, `moderator` or `user`."""
    text: str


@dataclass
class Ask:
    """One attempt at one slot."""

    slot: Slot
    subject_id: str
    seed: int
    attempt: int = 1

    def warmer(self, temperature: float) -> float:
        """Raise the temperature with each attempt: another seed alone seldom gives another answer."""
        return round(min(1.2, temperature + 0.15 * (self.attempt - 1)), 2)


class Client(Protocol):
    """An agent's way to its model."""

    @property
    def small(self) -> bool:
        """The model is too small to speak freely, and fills in forms."""

    async def ask(self, request: Request, *, subject_id: str, prompt_digest: str) -> Reply: ...


@dataclass(frozen=True)
class LedgerClient:
    """One of our models, through the ledger."""

    ledger: Ledger
    model: ChatModel

    @property
    def small(self) -> bool:
        return self.model.traits.small

    async def ask(self, request: Request, *, subject_id: str, prompt_digest: str) -> Reply:
        return await self.ledger.ask(
            self.model, request, stage="dialogue", subject_id=subject_id, prompt_digest=prompt_digest
        )


class Agent:
    """A persona or the moderator."""

    def __init__(self, key: str, called: str, about: str, casting: Casting, scenario: Scenario, client: Client) -> None:
        self.key = key
        """The speaker's key in turns."""
        self.called = called
        """The name that the others and labels use."""
        self.about = about
        self.casting = casting
        """As this speaker hears it: in the language of `scenario`."""
        self.scenario = scenario
        self.client = client
        self.language = load_language(scenario.language)
        self.reply: Reply | None = None
        """The last reply; None if no model was asked."""
        self.instruction = ""
        """The part of the last request that was this speaker's alone."""
        self.mark: Mark | None = None
        """What the last reply says of itself; None if nothing."""
        self.move: Move | None = None
        """The moderator's last act."""

    async def speak(self, ask: Ask, heard: Sequence[Heard]) -> str:
        """Return the text of the next turn.

        Raises:
            CultureparkError: as the ledger does.
        """
        raise NotImplementedError

    def room(self, tokens: int) -> int:
        """Return the most tokens of an answer that may take so many in English."""
        return tokens if self.language.code == DEFAULT_LANGUAGE else tokens * MORE_TOKENS

    def label(self, speaker: str) -> str:
        """Return a speaker's name in the transcript."""
        if speaker in (MODERATOR, USER):
            return self.language.frame("moderator" if speaker == MODERATOR else "visitor").text
        return self.casting.by_key(speaker).persona.called


class PersonaAgent(Agent):
    """One person. The prompt is the person's own card, the public transcript, and last the request for this turn."""

    def __init__(
        self,
        participant: Participant,
        casting: Casting,
        scenario: Scenario,
        client: Client,
        scenes: Sequence[Scene] | None = None,
    ) -> None:
        """
        Args:
            scenes: those that may be told here; None for all on the card.
        """
        persona = participant.persona
        super().__init__(persona.key, persona.called, f"{persona.name}, {persona.place}", casting, scenario, client)
        self.participant = participant
        self.scenes = scenes_of(persona) if scenes is None else scenes
        self.card, self.card_digest = phrasing.card(casting, participant, scenario, small=client.small)

    async def speak(self, ask: Ask, heard: Sequence[Heard]) -> str:
        small = self.client.small
        previous = heard[-1].speaker if heard else ""
        line, line_digest = phrasing.request(ask.slot, self.casting, self.scenario, previous)
        self.instruction = line
        rounds, lately = self._rounds(heard)
        own = [turn for _, turn in rounds]
        # A model that fills in forms has no use for scenes.
        scenes = [] if small else self.scenes
        mind = phrasing.remembered(scenes, ask.slot, self.casting, self.scenario, rounds, lately)
        request = Request(
            messages=tuple(self._messages(line, heard, mind)),
            seed=ask.seed,
            max_tokens=self.room(SMALL_SPEECH_TOKENS if small else SPEECH_TOKENS),
            temperature=ask.warmer(0.6 if small else 0.8),
            grammar=phrasing.speech_grammar(ask.slot, self.casting, self.scenario, own) if small else None,
        )
        self.reply = await self.client.ask(
            request, subject_id=ask.subject_id, prompt_digest=digest(self.card_digest, line_digest)
        )
        # The mark stands inside the quotes around a speech, or behind them.
        spoken, self.mark = mark_in(clean(self.reply, self.called), self.casting, self.participant)
        return cleaned(spoken, self.called)

    def _rounds(self, heard: Sequence[Heard]) -> tuple[list[tuple[list[str], str]], list[str]]:
        """Return the person's own turns, each with what was said before it, and what was said after the last."""
        rounds: list[tuple[list[str], str]] = []
        lately: list[str] = []
        for turn in heard:
            if turn.speaker == self.key:
                rounds.append((lately, turn.text))
                lately = []
            else:
                lately.append(turn.text)
        return rounds, lately

    def _messages(self, line: str, heard: Sequence[Heard], mind: str) -> list[dict[str, str]]:
        """Append to the messages of earlier turns, so that a server's prompt cache holds; the request comes last.

        What comes to mind is shown at this turn alone.

        A small model is shown only the last two turns of the others: more confuses it.
        """
        messages = [{"role": "system", "content": self.card}]
        waiting: list[str] = []
        shown = heard
        if self.client.small:
            shown = [turn for turn in heard if turn.speaker != self.key][-2:]
        elif phrasing.windowed(self.scenario, small=False):
            before, shown = heard[: (first := first_shown(len(heard)))], heard[first:]
            if lines := self._lines(before):
                waiting.append(self.language.frame("said_before").render(lines="\n".join(lines)))
        for turn in shown:
            if turn.speaker == self.key:
                messages.append({"role": "user", "content": "\n\n".join(waiting) or "…"})
                messages.append({"role": "assistant", "content": phrasing.heard(turn.text)})
                waiting = []
            else:
                waiting.append(f"{self.label(turn.speaker)}: {phrasing.heard(turn.text)}")
        if mind:
            waiting.append(mind)
        frame = self.language.frame("your_turn" if line else "your_turn_plain")
        waiting.append(frame.render(called=self.called, request=line))
        messages.append({"role": "user", "content": "\n\n".join(waiting)})
        return messages

    def _lines(self, before: Sequence[Heard]) -> list[str]:
        """Return a line of each speech that is not shown word by word; the moderator's questions are left out."""
        speeches = [turn for turn in before if turn.speaker != MODERATOR]
        own = [turn.speaker == self.key for turn in speeches]
        return [
            f"- {self.label(speeches[place].speaker)}: {line_of(speeches[place].text, self.language, own=own[place])}"
            for place in lines_kept(own)
        ]


class ModeratorAgent(Agent):
    """Says what the protocol, or its policy, has it say. Its model words the questions that have no fixed words.

    In a scripted dialogue the model sees only the last cue and turn.
    """

    def __init__(self, casting: Casting, scenario: Scenario, client: Client) -> None:
        called = load_language(scenario.language).frame("moderator").text
        super().__init__(MODERATOR, called, "Moderates; has no opinion of its own", casting, scenario, client)

    async def speak(self, ask: Ask, heard: Sequence[Heard]) -> str:
        self.reply, self.move = None, ask.slot.move
        if ask.slot.move is not None:
            return await self._act(ask, heard)
        last = next((turn for turn in reversed(heard) if turn.speaker != MODERATOR), None)
        if ask.slot.act == "cue" or last is None:
            return phrasing.line("cue", ask.slot, self.casting, self.scenario)[0]
        small, slot, casting = self.client.small, ask.slot, self.casting
        previous = self.label(last.speaker)
        called = phrasing.addressed(slot, casting, self.language)
        self.instruction, prompt_digest = phrasing.moderator(slot, casting, self.scenario, previous, small=small)
        cue = next((turn.text for turn in reversed(heard) if turn.speaker == MODERATOR), "")
        material = (
            f"{self.called}: {phrasing.heard(cue)}",
            f"{previous}: {phrasing.heard(last.text)}",
            self.language.frame("your_question").render(called=called),
        )
        request = Request(
            messages=(
                {"role": "system", "content": self.instruction},
                {"role": "user", "content": "\n\n".join(material)},
            ),
            seed=ask.seed,
            max_tokens=self.room(FOLLOW_UP_TOKENS),
            temperature=ask.warmer(0.7),
            grammar=phrasing.question_grammar(slot, casting, previous, last.text, self.language) if small else None,
        )
        self.reply = await self.client.ask(request, subject_id=ask.subject_id, prompt_digest=prompt_digest)
        return clean(self.reply, self.called)

    async def _act(self, ask: Ask, heard: Sequence[Heard]) -> str:
        """Say the words of an act; where a model leads, it chooses the act too."""
        slot = ask.slot
        assert slot.move is not None
        if slot.act == "cue":
            return phrasing.fixed_words(slot.move, self.casting, self.scenario)[0]
        if slot.moves:
            return await self._lead(ask, heard)
        lines = [f"{number}. {line}" for number, line in enumerate(map(self._line, heard), start=1)]
        kept = sorted({*range(len(lines))[-SHOWN:], *(position - 1 for position in slot.move.about)})
        system, task, prompt_digest = phrasing.moderate(
            slot.move, self.casting, self.scenario, "\n\n".join(lines[i] for i in kept if i < len(lines))
        )
        self.instruction = task.rpartition("\n\n")[2]
        request = Request(
            messages=({"role": "system", "content": system}, {"role": "user", "content": task}),
            seed=ask.seed,
            max_tokens=self.room(FOLLOW_UP_TOKENS),
            temperature=ask.warmer(0.7),
        )
        self.reply = await self.client.ask(request, subject_id=ask.subject_id, prompt_digest=prompt_digest)
        return clean(self.reply, self.called)

    async def _lead(self, ask: Ask, heard: Sequence[Heard]) -> str:
        """Let the model choose among the moves that the rules allow. An answer that cannot be read is no move."""
        template = self.language.prompt("lead")
        material = phrasing.talk_so_far(ask.slot, self.casting, self.scenario, [*map(self._line, heard)])
        self.instruction = ""
        request = Request(
            messages=(
                {"role": "system", "content": template.text},
                {"role": "user", "content": json.dumps(material, ensure_ascii=False)},
            ),
            seed=ask.seed,
            max_tokens=self.room(LEAD_TOKENS),
            temperature=ask.warmer(0.7),
            schema=Schema("move", strict(Chosen)),
        )
        self.reply = await self.client.ask(request, subject_id=ask.subject_id, prompt_digest=template.digest)
        chosen = parse(content_of(self.reply), Chosen)
        if chosen is None or not 1 <= chosen.move <= len(ask.slot.moves):
            return ""
        move = ask.slot.moves[chosen.move - 1]
        self.move = replace(move, why=storable(chosen.reason.strip())[:LONGEST_WHY] or move.why)
        return storable(chosen.words.strip())

    def _line(self, turn: Heard) -> str:
        return f"{self.label(turn.speaker)}: {phrasing.heard(turn.text)}"


def seat(
    casting: Casting,
    scenario: Scenario,
    speaker: Client,
    moderator: Client,
    scenes: Mapping[str, Sequence[Scene]] | None = None,
) -> tuple[ModeratorAgent, list[PersonaAgent]]:
    """Return moderator and people, each of whom is told and hears everything in the own language.

    Args:
        scenes: persona's key -> the scenes that may be told here, in that person's language; None for all on the cards.
    """
    tongues = tongues_of(scenario, casting)
    views = {code: listening(casting, scenario, code, tongues) for code in tongues.all}
    people = []
    for p in casting.participants:
        own, told = views[tongues.of[p.persona.key]]
        told_scenes = None if scenes is None else scenes.get(p.persona.key, ())
        people.append(PersonaAgent(own.by_key(p.persona.key), own, told, speaker, told_scenes))
    return ModeratorAgent(*views[tongues.moderator], moderator), people


# --- how an agent speaks ---------------------------------------------------------------------------------

Voice = Callable[[Agent, Ask, Sequence[Turn]], Awaitable[str]]
"""Makes an agent speak, given all turns so far."""


async def speak_directly(agent: Agent, ask: Ask, turns: Sequence[Turn]) -> str:
    return await agent.speak(ask, [Heard(turn.speaker, turn.heard_in(agent.language.code)) for turn in turns])


@lru_cache(maxsize=1)
def voice(notice: Callable[[str], None]) -> Voice:
    """Return AutoGen's voice, or the direct one where AutoGen cannot be imported, with one notice."""
    try:
        from culturepark.dialogue.autogen import speak_in_autogen
    except Exception as error:  # a package that is broken may raise anything
        notice(f"AutoGen cannot be imported, agents speak without it ({type(error).__name__}: {error})")
        return speak_directly
    return speak_in_autogen


def as_team(casting: Casting, scenario: Scenario, speaker: Any, moderator: Any) -> SelectorGroupChat:
    """Return the agents as an AgentChat team with the schedule of a scripted dialogue, for use inside AutoGen programs.

    A team has no guards and cannot be resumed; `culturepark simulate` has both.

    Args:
        speaker: AutoGen's `ChatCompletionClient` for the personas.
        moderator: the moderator's.
    Raises:
        UsageError: if AutoGen is missing, or people at the table need an interpreter, whom a team does not have.
    """
    if tongues_of(scenario, casting).interpreted:
        raise UsageError("a team has no interpreter: give it a scenario in one language")
    try:
        from culturepark.dialogue import autogen
    except Exception as error:
        raise UsageError(f"a team needs AutoGen: pip install autogen-agentchat==0.7.5 ({error})") from error
    return autogen.team(casting, scenario, speaker, moderator)
