"""JSON that is right, but not as it was asked for."""

from __future__ import annotations

import json

from tests.quirks.asking import Answer, Ask, error
from tests.quirks.kinds import Expect, quirk


def shaped(ask: Ask, said: str | None) -> Answer:
    return ask.stream(said if ask.wanted else None)


def listed(ask: Ask) -> list[object]:
    """What the last list in the answer holds; the answer itself where there is none."""
    value = ask.value()
    *_, inner = value.values()
    return inner if isinstance(inner, list) else [value]


@quirk()
def json_in_a_fence(ask: Ask) -> Answer:
    """The schema is ignored: right JSON in a fence, with a sentence before and after.

    Source: ROCm/FastFlowLM#554, ollama/ollama#10001.
    """
    return shaped(
        ask,
        f"Sure, here it is:\n\n```json\n{ask.text()}\n```\n\nTell me if anything is missing." if ask.wanted else None,
    )


@quirk()
def json_in_an_open_fence(ask: Ask) -> Answer:
    """The fence is opened and never closed, and has no language.

    Source: ollama/ollama#10001.
    """
    return shaped(ask, f"```\n{ask.text()}" if ask.wanted else None)


@quirk()
def json_among_braces(ask: Ask) -> Answer:
    """Braces in the prose around the JSON.

    Source: ROCm/FastFlowLM#554.
    """
    return shaped(ask, f"From {{the turns}} I take:\n{ask.text()}\n(as {{...}} was wanted)" if ask.wanted else None)


@quirk()
def json_after_a_draft(ask: Ask) -> Answer:
    """A first, empty attempt, then the JSON that counts.

    Source: ROCm/FastFlowLM#554, ollama/ollama#10001.
    """
    draft = (
        json.dumps({key: [] if isinstance(value, list) else "" for key, value in ask.value().items()})
        if ask.wanted
        else ""
    )
    return shaped(ask, f"The form is {draft}. Filled in:\n\n{ask.text()}" if ask.wanted else None)


@quirk()
def schema_ignored(ask: Ask) -> Answer:
    """response_format is taken and ignored: JSON as the prompt alone describes it (Anthropic's endpoint, Ollama Cloud).

    Source: docs.anthropic.com/en/api/openai-sdk, ollama/ollama#12362, pydantic/pydantic-ai#4160.
    """
    return shaped(ask, ask.as_told() if ask.wanted else None)


@quirk()
def bare_list(ask: Ask) -> Answer:
    """A list without the object around it, whatever the prompt says.

    Source: pydantic/pydantic-ai#4160, ollama/ollama#12362.
    """
    return shaped(ask, json.dumps(listed(ask)) if ask.wanted else None)


@quirk(Expect(never=("<think", "</think")))
def bare_list_after_thoughts(ask: Ask) -> Answer:
    """The schema is taken and ignored: thoughts, then a fence, then a bare list.

    Source: ollama/ollama#10001, vllm-project/vllm#51679.
    """
    return shaped(
        ask,
        f"<think>\n{ask.thought()} [maybe]\n</think>\n```json\n{json.dumps(listed(ask))}\n```" if ask.wanted else None,
    )


@quirk()
def another_top_level_key(ask: Ask) -> Answer:
    """The list stands under another name.

    Source: pydantic/pydantic-ai#4160.
    """
    return shaped(ask, json.dumps({"results": listed(ask)}) if ask.wanted and ask.wanted != "rewording" else None)


@quirk()
def one_level_too_deep(ask: Ask) -> Answer:
    """The whole answer stands under a key of its own.

    Source: pydantic/pydantic-ai#4160, ollama/ollama#12362.
    """
    return shaped(ask, json.dumps({"output": ask.value()}) if ask.wanted else None)


@quirk()
def schema_name_on_top(ask: Ask) -> Answer:
    """The answer stands under the name of the schema.

    Source: ollama/ollama#12362.
    """
    return shaped(ask, json.dumps({ask.wanted: ask.value()}) if ask.wanted else None)


@quirk()
def numbered_keys(ask: Ask) -> Answer:
    """An object with numbers for keys where a list was wanted.

    Source: pydantic/pydantic-ai#4160.
    """
    if not ask.wanted or ask.wanted == "rewording":
        return ask.stream()
    return ask.stream(json.dumps({str(n): one for n, one in enumerate(listed(ask), 1)}))


@quirk()
def json_in_json(ask: Ask) -> Answer:
    """The answer is a JSON string that holds the JSON.

    Source: ollama/ollama#10001.
    """
    return shaped(ask, json.dumps(ask.text()) if ask.wanted else None)


@quirk()
def list_as_a_string(ask: Ask) -> Answer:
    """The object is right, but its list is a string that holds a list (Claude's tools).

    Source: pydantic/pydantic-ai#4160.
    """
    if not ask.wanted or ask.wanted == "rewording":
        return ask.stream()
    return ask.stream(json.dumps({list(ask.value())[-1]: json.dumps(listed(ask))}))


@quirk()
def json_as_arguments_of_a_call(ask: Ask) -> Answer:
    """JSON comes as the arguments of a call to a tool that nobody gave, in pieces, and nothing as content.

    Source: BerriAI/litellm#18381, BerriAI/litellm#34230.
    """
    if not ask.wanted or "response_format" not in ask.body:
        return ask.stream()
    function = {"name": "json_tool_call", "arguments": ""}
    said = ask.text()
    pieces = [said[start : start + 40] for start in range(0, len(said), 40)]
    calls: list[dict[str, object]] = [{"index": 0, "id": "tooluse_1", "type": "function", "function": function}]
    calls += [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
    chunks = [ask.chunk({"role": "assistant", "content": None})]
    chunks += [ask.chunk({"tool_calls": [call]}) for call in calls]
    return ask.events([*chunks, ask.chunk({}, "tool_calls")])


@quirk()
def one_object_a_line(ask: Ask) -> Answer:
    """The members of the list stand one below the other, without the list.

    Source: jsonlines.org, ollama/ollama#10001.
    """
    return shaped(ask, "\n".join(map(json.dumps, listed(ask))) if ask.wanted else None)


@quirk()
def comma_too_many(ask: Ask) -> Answer:
    """A comma before the closing bracket.

    Source: ROCm/FastFlowLM#554, mangiucugna/json_repair README.
    """
    said = json.dumps(ask.value(), indent=1).replace("}\n ]", "},\n ]") if ask.wanted else ""
    return shaped(ask, said)


@quirk()
def line_breaks_inside_strings(ask: Ask) -> Answer:
    """JSON spread out over lines with tabs, and real line breaks inside its strings.

    Source: mangiucugna/json_repair README, ollama/ollama#10001.
    """
    said = json.dumps(ask.value(), indent="\t").replace("says: “", "says:\n“") if ask.wanted else ""
    return shaped(ask, said)


@quirk(Expect(never=("kwargs",)))
def more_keys_than_asked(ask: Ask) -> Answer:
    """Keys that the schema does not know, and a list of reasons beside it.

    Source: pydantic/pydantic-ai#4160.
    """
    if not ask.wanted:
        return ask.stream()
    return ask.stream(json.dumps({"reasoning": [ask.thought()], **ask.value(), "confidence": 0.9, "kwargs": {}}))


@quirk()
def numbers_as_strings(ask: Ask) -> Answer:
    """Numbers come as strings.

    Source: pydantic/pydantic-ai#4160, mangiucugna/json_repair README.
    """
    if ask.wanted != "statements":
        return ask.stream()
    value = ask.value()
    numbers = {
        name: [{**one, "first": str(one["first"]), "last": f"#{one['last']}"} for one in value[name]]
        for name in ("left", "statements")
    }
    return ask.stream(json.dumps(value | numbers))


@quirk()
def words_in_capitals(ask: Ask) -> Answer:
    """The words of an enumeration come in capitals, keys too in an answer here and there.

    Source: pydantic/pydantic-ai#4160.
    """
    if ask.wanted == "statements":
        value = ask.value()
        left = [{**one, "why": one["why"].upper()} for one in value["left"]]
        found = [{**one, "kind": one["kind"].capitalize()} for one in value["statements"]]
        return ask.stream(json.dumps({"left": left, "Statements": found}))
    if ask.wanted == "verdicts":
        found = [
            {**one, "faithful": one["faithful"].upper(), "stance": one["stance"].title()}
            for one in ask.value()["verdicts"]
        ]
        return ask.stream(json.dumps({"verdicts": found}))
    return ask.stream()


@quirk()
def schema_missed_now_and_then(ask: Ask) -> Answer:
    """400 json_validate_failed: this time the model missed the schema (Groq).

    Source: thepersonalaicompany/amurex-backend#38.
    """
    if not ask.wanted or ask.memory.count(ask.wanted) > 1:
        return ask.stream()
    said = "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details."
    return error(400, said, code="json_validate_failed", failed_generation="{")


@quirk()
def empty_json_now_and_then(ask: Ask) -> Answer:
    """JSON mode gives white space or nothing now and then (DeepSeek says so itself).

    Source: api-docs.deepseek.com/guides/json_mode.
    """
    if not ask.wanted or ask.memory.count(ask.wanted) > 1:
        return ask.stream()
    return ask.stream("\n \n \n" if ask.number % 2 else "")


@quirk()
def schema_given_back(ask: Ask) -> Answer:
    """The model gives the schema back now and then, in place of an answer.

    Source: ollama/ollama#10001, pydantic/pydantic-ai#4160.
    """
    if not ask.wanted or ask.memory.count(ask.wanted) > 1:
        return ask.stream()
    return ask.stream(
        json.dumps({"type": "object", "properties": {ask.wanted: {"type": "array"}}, "required": [ask.wanted]})
    )


@quirk(Expect((0, 1), samples=0, requests=4.0))
def json_never(ask: Ask) -> Answer:
    """The model answers in prose, whatever is asked.

    Source: ollama/ollama#12362.
    """
    return shaped(ask, "They all spoke of work and family, and each had reasons." if ask.wanted else None)
