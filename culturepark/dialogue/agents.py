"""Personas and the moderator as AutoGen agents. AutoGen is imported here and nowhere else.

An agent's state is the public transcript it has heard, so it can be rebuilt from stored turns at any time. The loop in
`stage.py` drives the agents one by one; `as_team` hands the same agents to people who live in AgentChat.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, TextMessage
from autogen_agentchat.teams import SelectorGroupChat
from autogen_core import CancellationToken
from autogen_core.models import (
    AssistantMessage,
    ChatCompletionClient,
    CreateResult,
    LLMMessage,
    ModelFamily,
    ModelInfo,
    RequestUsage,
    SystemMessage,
    UserMessage,
)

from culturepark.dialogue import phrasing
from culturepark.dialogue.guards import clean
from culturepark.dialogue.protocol import Slot, schedule
from culturepark.domain import Casting, Participant, Scenario, Turn
from culturepark.languages import load_language
from culturepark.models import tokens
from culturepark.models.chat import ChatModel, Reply, Request, Usage, digest
from culturepark.models.ledger import Ledger

MODERATOR = "moderator"
USER = "user"
"""Who speaks in a talk and is no agent. Not so called among agents: AutoGen gives a team's task that source."""
VISITING = "visitor"
SPEECH_TOKENS = 260
SMALL_SPEECH_TOKENS = 130
FOLLOW_UP_TOKENS = 90


@dataclass
class Ask:
    """What the loop wants of an agent for one attempt at one slot."""

    slot: Slot
    subject_id: str
    seed: int
    attempt: int = 1

    def warmer(self, temperature: float) -> float:
        """Each further attempt gets more freedom: a seed alone seldom gets a model out of a rut."""
        return round(min(1.2, temperature + 0.15 * (self.attempt - 1)), 2)


class LedgerResult(CreateResult):
    """AutoGen's result with our reply inside."""

    reply: Reply


class LedgerClient(ChatCompletionClient):
    """AutoGen's client interface over one of our models, through the ledger."""

    component_type = "model"

    def __init__(self, ledger: Ledger, model: ChatModel) -> None:
        self.ledger = ledger
        self.model = model
        self._spent = RequestUsage(prompt_tokens=0, completion_tokens=0)

    async def create(
        self,
        messages: Sequence[LLMMessage],
        *,
        tools: Sequence[Any] = (),
        tool_choice: Any = "auto",  # noqa: ARG002 - AutoGen's interface
        json_output: Any = None,  # noqa: ARG002
        extra_create_args: Mapping[str, Any] = {},
        cancellation_token: CancellationToken | None = None,  # noqa: ARG002
    ) -> LedgerResult:
        """Takes `seed`, `max_tokens`, `temperature`, `grammar`, `subject_id` and `prompt_digest` as extra arguments."""
        if tools:
            raise NotImplementedError("culturepark's agents use no tools")
        extra = dict(extra_create_args)
        subject_id = extra.pop("subject_id", self.ledger.run_id)
        prompt_digest = extra.pop("prompt_digest", "")
        reply = await self.ledger.ask(
            self.model,
            Request(messages=tuple(as_dict(m) for m in messages), **extra),
            stage="dialogue",
            subject_id=subject_id,
            prompt_digest=prompt_digest,
        )
        usage = RequestUsage(
            prompt_tokens=reply.usage.prompt_tokens or 0, completion_tokens=reply.usage.completion_tokens or 0
        )
        self._spent.prompt_tokens += usage.prompt_tokens
        self._spent.completion_tokens += usage.completion_tokens
        finish = {"ended": "stop", "cut-off": "length", "withheld": "content_filter"}[reply.ending]
        return LedgerResult(finish_reason=finish, content=reply.text, usage=usage, cached=False, reply=reply)

    async def create_stream(self, messages: Sequence[LLMMessage], **options: Any) -> AsyncGenerator[Any, None]:
        """One piece: the loop commits whole turns only."""
        yield await self.create(messages, **options)

    async def close(self) -> None:
        """Models are closed by whoever opened them."""

    def actual_usage(self) -> RequestUsage:
        return self._spent

    def total_usage(self) -> RequestUsage:
        return self._spent

    def count_tokens(self, messages: Sequence[LLMMessage], **_: Any) -> int:
        return sum(tokens.count(as_dict(m)["content"], self.model.spec.name) for m in messages)

    def remaining_tokens(self, messages: Sequence[LLMMessage], **_: Any) -> int:
        return 8192 - self.count_tokens(messages)

    @property
    def capabilities(self) -> Any:
        return self.model_info

    @property
    def model_info(self) -> ModelInfo:
        return ModelInfo(
            vision=False,
            function_calling=False,
            json_output=True,
            structured_output=True,
            family=ModelFamily.UNKNOWN,
            multiple_system_messages=False,
        )


def reply_in(result: CreateResult) -> Reply:
    """Our own reply, or what a client of somebody else's answered as if it were one."""
    if isinstance(result, LedgerResult):
        return result.reply
    choice = {"message": {"content": str(result.content)}, "finish_reason": result.finish_reason}
    return Reply.of({"choices": [choice]}, Usage())


def as_dict(message: LLMMessage) -> dict[str, str]:
    role = {"SystemMessage": "system", "AssistantMessage": "assistant"}.get(message.type, "user")
    return {"role": role, "content": str(message.content)}


class Speaker(BaseChatAgent):
    """What persona and moderator share: they hear the public transcript, and speak when a slot is theirs."""

    def __init__(self, name: str, description: str, called: str, casting: Casting, scenario: Scenario) -> None:
        super().__init__(name, description)
        self.called = called
        """By the others, and in labels."""
        self.casting = casting
        self.scenario = scenario
        self.language = load_language(scenario.language)
        self.ask: Ask | None = None
        """Set by the loop before each attempt; in a team the slot follows from the transcript."""
        self.reply: Reply | None = None
        """The last reply, as it came; None if no model was asked."""
        self.instruction = ""
        """What the last request asked of this speaker alone, without suggestions that may be taken up word by word."""
        self._heard: list[TextMessage] = []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:  # noqa: ARG002
        self._heard = []

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self._heard += [m for m in messages if isinstance(m, TextMessage) and m.source in self._names()]
        text = await self.speak(self.ask or self._own_ask(), cancellation_token)
        message = TextMessage(content=text, source=self.name)
        self._heard.append(message)
        return Response(chat_message=message)

    async def speak(self, ask: Ask, cancellation_token: CancellationToken) -> str:
        raise NotImplementedError

    def _names(self) -> set[str]:
        return {MODERATOR, VISITING, *(agent_name(p) for p in self.casting.participants)}

    def _own_ask(self) -> Ask:
        slots = schedule(self.scenario.protocol, len(self.casting.participants), self.scenario.max_turns)
        position = len(self._heard)
        seed = int(digest(self.scenario.name, str(self.casting.number), str(position))[:7], 16)
        return Ask(slots[min(position, len(slots) - 1)], f"team.t{position + 1}", seed)

    def _called(self, source: str) -> str:
        if source in (MODERATOR, VISITING):
            return self.language.frame("moderator" if source == MODERATOR else "visitor").text
        return next(p.persona.called for p in self.casting.participants if agent_name(p) == source)


class PersonaAgent(Speaker):
    """One person. Its prompt is its own card, the public transcript, and last what is asked of it now."""

    def __init__(
        self, participant: Participant, casting: Casting, scenario: Scenario, client: ChatCompletionClient
    ) -> None:
        persona = participant.persona
        super().__init__(agent_name(participant), f"{persona.name}, {persona.place}", persona.called, casting, scenario)
        self.participant = participant
        self.client = client
        model = getattr(client, "model", None)
        self.small = bool(model and model.traits.small)
        self.card, self.card_digest = phrasing.card(casting, participant, scenario, small=self.small)

    async def speak(self, ask: Ask, cancellation_token: CancellationToken) -> str:
        self.instruction, line_digest = phrasing.line("ask", ask.slot, self.casting, self.scenario)
        hint = phrasing.suggestion(self.participant.persona, ask.slot, self.casting, self.scenario)
        request = phrasing.line("ask", ask.slot, self.casting, self.scenario, hint)[0]
        said = [h.content for h in self._heard if h.source == self.name]
        result = await self.client.create(
            self._prompt(request),
            extra_create_args={
                "seed": ask.seed,
                "max_tokens": SMALL_SPEECH_TOKENS if self.small else SPEECH_TOKENS,
                "temperature": ask.warmer(0.6 if self.small else 0.8),
                "grammar": phrasing.speech_grammar(ask.slot, self.casting, self.scenario, said) if self.small else None,
                "subject_id": ask.subject_id,
                "prompt_digest": digest(self.card_digest, line_digest),
            },
            cancellation_token=cancellation_token,
        )
        self.reply = reply_in(result)
        return clean(self.reply, self.called)

    def _prompt(self, request: str) -> list[LLMMessage]:
        """Grows at its end only, so that a server's prompt cache holds from turn to turn; the request comes last.

        A small model is shown just the last words of the others: more only confuses it.
        """
        messages: list[LLMMessage] = [SystemMessage(content=self.card)]
        waiting: list[str] = []
        others = [heard for heard in self._heard if heard.source != self.name]
        for heard in others[-2:] if self.small else self._heard:
            if heard.source == self.name:
                messages.append(UserMessage(content="\n\n".join(waiting) or "…", source="others"))
                messages.append(AssistantMessage(content=phrasing.heard(heard.content), source=self.name))
                waiting = []
            else:
                waiting.append(f"{self._called(heard.source)}: {phrasing.heard(heard.content)}")
        your_turn = self.language.frame("your_turn")
        waiting.append(your_turn.render(called=self.called, request=request))
        messages.append(UserMessage(content="\n\n".join(waiting), source="others"))
        return messages


class ModeratorAgent(Speaker):
    """Opens each phase with a fixed cue; its follow-ups are asked of a model that sees only what was just said."""

    def __init__(self, casting: Casting, scenario: Scenario, client: ChatCompletionClient) -> None:
        called = load_language(scenario.language).frame("moderator").text
        super().__init__(MODERATOR, "Moderates; has no opinion of its own", called, casting, scenario)
        self.client = client
        model = getattr(client, "model", None)
        self.small = bool(model and model.traits.small)

    async def speak(self, ask: Ask, cancellation_token: CancellationToken) -> str:
        self.reply = None
        last = next((h for h in reversed(self._heard) if h.source != MODERATOR), None)
        if ask.slot.act == "cue" or last is None:
            return phrasing.line("cue", ask.slot, self.casting, self.scenario)[0]
        previous = self._called(last.source)
        called = phrasing.addressed(ask.slot, self.casting, self.language)
        self.instruction, prompt_digest = phrasing.moderator(
            ask.slot, self.casting, self.scenario, previous, small=self.small
        )
        cue = next((h.content for h in reversed(self._heard) if h.source == MODERATOR), "")
        result = await self.client.create(
            [
                SystemMessage(content=self.instruction),
                UserMessage(
                    content=f"{self.called}: {phrasing.heard(cue)}\n\n{previous}: {phrasing.heard(last.content)}\n\n"
                    + self.language.frame("your_question").render(called=called),
                    source="others",
                ),
            ],
            extra_create_args={
                "seed": ask.seed,
                "max_tokens": FOLLOW_UP_TOKENS,
                "temperature": ask.warmer(0.7),
                "grammar": phrasing.question_grammar(ask.slot, self.casting, previous, last.content, self.language)
                if self.small
                else None,
                "subject_id": ask.subject_id,
                "prompt_digest": prompt_digest,
            },
            cancellation_token=cancellation_token,
        )
        self.reply = reply_in(result)
        return clean(self.reply, self.called)


def agent_name(participant: Participant) -> str:
    """AutoGen wants Python identifiers; the prefix keeps them so, and apart from the moderator's."""
    return "p_" + participant.persona.key.replace("-", "_")


def seat(
    casting: Casting, scenario: Scenario, speaker: ChatCompletionClient, moderator: ChatCompletionClient
) -> tuple[ModeratorAgent, list[PersonaAgent]]:
    """The agents of one dialogue."""
    people = [PersonaAgent(p, casting, scenario, speaker) for p in casting.participants]
    return ModeratorAgent(casting, scenario, moderator), people


def as_team(
    casting: Casting, scenario: Scenario, speaker: ChatCompletionClient, moderator: ChatCompletionClient
) -> SelectorGroupChat:
    """The same agents as an AgentChat team with the same schedule, for use inside AutoGen programs.

    A team knows neither guards nor resuming; `culturepark simulate` does.
    """
    chair, people = seat(casting, scenario, speaker, moderator)
    slots = schedule(scenario.protocol, len(people), scenario.max_turns)
    names = {chair.name, *(agent.name for agent in people)}

    def next_speaker(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> str:
        slot = slots[min(sum(m.source in names for m in messages), len(slots) - 1)]
        return people[slot.person].name if slot.act == "speech" else chair.name

    return SelectorGroupChat(
        [chair, *people],
        model_client=moderator,
        selector_func=next_speaker,
        allow_repeated_speaker=True,
        max_turns=len(slots),
    )


async def speak_once(agent: Speaker, ask: Ask, turns: Sequence[Turn]) -> str:
    """One attempt at one slot by an agent that has heard exactly the stored turns."""
    token = CancellationToken()
    names = {p.persona.key: agent_name(p) for p in agent.casting.participants}
    names |= {MODERATOR: MODERATOR, USER: VISITING}
    agent.ask = ask
    await agent.on_reset(token)
    response = await agent.on_messages([TextMessage(content=t.text, source=names[t.speaker]) for t in turns], token)
    return response.chat_message.to_text()
