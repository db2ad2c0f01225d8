"""Nothing odd; and chat templates that do not take every order of messages."""

from __future__ import annotations

from tests.quirks.asking import Answer, Ask, error, jsoned
from tests.quirks.kinds import Expect, quirk


@quirk(Expect(requests=1.0))
def plain(ask: Ask) -> Answer:
    """Nothing is odd; the others are measured beside it.

    Source: platform.openai.com/docs/api-reference/chat.
    """
    return ask.stream()


def vllm(said: str, status: int = 400) -> Answer:
    """An error as vLLM puts it."""
    return jsoned(
        {"object": "error", "message": said, "type": "BadRequestError", "param": None, "code": status}, status
    )


@quirk()
def no_system_role(ask: Ask) -> Answer:
    """The template knows no system role (Gemma 2 on vLLM).

    Source: huggingface/chat-ui#1386, vllm-project/vllm#2964.
    """
    return vllm("System role not supported") if any(m["role"] == "system" for m in ask.messages) else ask.stream()


@quirk()
def system_role_is_a_template_error(ask: Ask) -> Answer:
    """The same as an error of Jinja's, with status 500 (llama-server).

    Source: containers/ramalama#2425, sgl-project/sglang#892, janhq/jan#6123.
    """
    if not any(m["role"] == "system" for m in ask.messages):
        return ask.stream()
    said = "Value is not callable: null at row 1: {{ raise_exception('System role not supported') }}"
    return jsoned({"error": {"code": 500, "message": said, "type": "server_error"}}, 500)


@quirk()
def developer_role_only(ask: Ask) -> Answer:
    """`messages[0].role` does not take 'system' (o1-mini).

    Source: Lambdua/openai4j#62, coleam00/Archon#12.
    """
    if not any(m["role"] == "system" for m in ask.messages):
        return ask.stream()
    said = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
    return error(400, said, param="messages[0].role", code="unsupported_value")


@quirk()
def developer_instruction_not_enabled(ask: Ask) -> Answer:
    """No system message for this model, in Google's words (Gemma in the Gemini API).

    Source: 0xPlaygrounds/rig#788, microsoft/vscode#258088.
    """
    if not any(m["role"] == "system" for m in ask.messages):
        return ask.stream()
    said = "Developer instruction is not enabled for models/gemma-3-27b-it"
    return jsoned([{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}], 400)


def alternates(ask: Ask) -> bool:
    roles = [m["role"] for m in ask.messages]
    rest = roles[1:] if roles[0] == "system" else roles
    return rest == ["user", "assistant"] * (len(rest) // 2) + ["user"] and all(
        str(m["content"]).strip() for m in ask.messages
    )


@quirk()
def strict_alternation(ask: Ask) -> Answer:
    """User and assistant alternate, the user comes first and last, and nothing is empty.

    Source: simular-ai/Agent-S#70, infiniflow/ragflow#11021.
    """
    said = "Conversation roles must alternate user/assistant/user/assistant/..."
    return ask.stream() if alternates(ask) else vllm(said)


@quirk()
def strict_alternation_without_system(ask: Ask) -> Answer:
    """Both: no system role, and roles that alternate from the first message on (Mistral 7B, Gemma).

    Source: huggingface/chat-ui#1386, simular-ai/Agent-S#70.
    """
    if any(m["role"] == "system" for m in ask.messages) or not alternates(ask):
        return vllm("Conversation roles must alternate user/assistant/user/assistant/...")
    return ask.stream()


@quirk()
def names_are_refused(ask: Ask) -> Answer:
    """A message may hold role and content and nothing else.

    Source: odysseus-dev/odysseus#200, longy2k/obsidian-bmo-chatbot#84, BerriAI/litellm#9720.
    """
    if any(set(m) - {"role", "content"} for m in ask.messages):
        return error(
            400,
            (
                "'messages.1' : for 'role:user' the following must be satisfied[('messages.1' : property "
                "'name' is unsupported)]"
            ),
        )
    return ask.stream()
