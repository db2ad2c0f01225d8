"""The agents as AutoGen AgentChat agents. AutoGen is imported here and nowhere else."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from autogen_agentchat.agents import BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, TextMessage
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

from culturepark.dialogue.agents import MODERATOR, USER, Agent, Ask, Client, Heard, LedgerClient, seat
from culturepark.dialogue.protocol import schedule
from culturepark.domain import Casting, Scenario, Turn
from culturepark.models import tokens
from culturepark.models.chat import ChatModel, Reply, Request, Usage, digest
from culturepark.models.ledger import Ledger

if TYPE_CHECKING:
    from autogen_agentchat.teams import SelectorGroupChat

VISITING = "visitor"
"""The user's name among agents, since AutoGen gives a team's task the source `user`."""


# --- agents ----------------------------------------------------------------------------------------------


class Speaker(BaseChatAgent):
    """One of our agents inside AutoGen."""

    def __init__(self, agent: Agent, ask: Ask | None = None) -> None:
        super().__init__(agent_name(agent.key), agent.about)
        self.agent = agent
        self.ask = ask
        """None in a team, where the slot follows from the transcript."""
        keys = [MODERATOR, USER, *(p.persona.key for p in agent.casting.participants)]
        self._keys = {agent_name(key): key for key in keys}
        self._heard: list[Heard] = []

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:  # noqa: ARG002
        self._heard = []

    async def on_messages(
        self,
        messages: Sequence[BaseChatMessage],
        cancellation_token: CancellationToken,  # noqa: ARG002
    ) -> Response:
        self._heard += [
            Heard(self._keys[m.source], m.content)
            for m in messages
            if isinstance(m, TextMessage) and m.source in self._keys
        ]
        text = await self.agent.speak(self.ask or self._own_ask(), self._heard)
        self._heard.append(Heard(self.agent.key, text))
        return Response(chat_message=TextMessage(content=text, source=self.name))

    def _own_ask(self) -> Ask:
        scenario, casting = self.agent.scenario, self.agent.casting
        slots = schedule(scenario.protocol, len(casting.participants), scenario.max_turns)
        position = len(self._heard)
        seed = int(digest(scenario.name, str(casting.number), str(position))[:7], 16)
        return Ask(slots[min(position, len(slots) - 1)], f"team.t{position + 1}", seed)


def agent_name(key: str) -> str:
    """Return a Python identifier, as AutoGen wants it; the prefix keeps personas apart from the moderator."""
    return {MODERATOR: MODERATOR, USER: VISITING}.get(key) or "p_" + key.replace("-", "_")


async def speak_in_autogen(agent: Agent, ask: Ask, turns: Sequence[Turn]) -> str:
    code = agent.language.code
    messages = [message(turn.heard_in(code), turn.speaker) for turn in turns]
    response = await Speaker(agent, ask).on_messages(messages, CancellationToken())
    return response.chat_message.to_text()


@lru_cache(maxsize=2048)
def message(text: str, speaker: str) -> TextMessage:
    """Return a turn as a message. It is kept, as it is heard again at each turn that follows."""
    return TextMessage(content=text, source=agent_name(speaker))


def team(
    casting: Casting, scenario: Scenario, speaker: ChatCompletionClient, moderator: ChatCompletionClient
) -> SelectorGroupChat:
    """See `agents.as_team`."""
    from autogen_agentchat.teams import SelectorGroupChat

    chair, persons = seat(casting, scenario, client_of(speaker), client_of(moderator))
    leader, people = Speaker(chair), [Speaker(person) for person in persons]
    slots = schedule(scenario.protocol, len(people), scenario.max_turns)
    names = {leader.name, *(person.name for person in people)}

    def next_speaker(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> str:
        slot = slots[min(sum(m.source in names for m in messages), len(slots) - 1)]
        return people[slot.person].name if slot.act == "speech" else leader.name

    return SelectorGroupChat(
        [leader, *people],
        model_client=moderator,
        selector_func=next_speaker,
        allow_repeated_speaker=True,
        max_turns=len(slots),
    )


# --- model clients ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ThroughAutoGen:
    """Lets our agents ask an AutoGen client."""

    client: ChatCompletionClient
    small = False

    async def ask(self, request: Request, *, subject_id: str, prompt_digest: str) -> Reply:  # noqa: ARG002
        # AutoGen's clients refuse arguments that their endpoint does not have.
        options = {"seed": request.seed, "max_tokens": request.max_tokens, "temperature": request.temperature}
        result = await self.client.create([as_message(m) for m in request.messages], extra_create_args=options)
        choice = {"message": {"content": str(result.content)}, "finish_reason": result.finish_reason}
        return Reply.of({"choices": [choice]}, Usage())


def client_of(client: ChatCompletionClient) -> Client:
    """Return the way to a model: that to one of ours does without AutoGen's messages."""
    if isinstance(client, LedgerChatClient):
        return LedgerClient(client.ledger, client.model)
    return ThroughAutoGen(client)


class LedgerChatClient(ChatCompletionClient):
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
    ) -> CreateResult:
        """Take `seed`, `max_tokens`, `temperature`, `grammar`, `subject_id` and `prompt_digest` as extra arguments."""
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
        return CreateResult(finish_reason=finish, content=reply.text, usage=usage, cached=False)

    async def create_stream(self, messages: Sequence[LLMMessage], **options: Any) -> AsyncGenerator[Any, None]:
        """Yield the answer in one piece: only whole turns are committed."""
        yield await self.create(messages, **options)

    async def close(self) -> None:
        """Do nothing: models are closed where they were opened."""

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


def as_message(message: Mapping[str, str]) -> LLMMessage:
    if message["role"] == "system":
        return SystemMessage(content=message["content"])
    if message["role"] == "assistant":
        return AssistantMessage(content=message["content"], source="self")
    return UserMessage(content=message["content"], source="others")


def as_dict(message: LLMMessage) -> dict[str, str]:
    role = {"SystemMessage": "system", "AssistantMessage": "assistant"}.get(message.type, "user")
    return {"role": role, "content": str(message.content)}
