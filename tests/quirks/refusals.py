"""Parts of a request that a server does not take, and the ways in which it says so."""

from __future__ import annotations

import json

from culturepark.domain import JsonObject
from tests.quirks.asking import Answer, Ask, error, jsoned, text
from tests.quirks.chats import vllm
from tests.quirks.kinds import Expect, quirk, stops


def unsupported(name: str) -> Answer:
    said = f"Unsupported parameter: '{name}' is not supported with this model."
    return error(400, said, param=name, code="unsupported_parameter")


def own_temperature(ask: Ask) -> bool:
    return ask.body.get("temperature") not in (None, 1, 1.0)


def asks_for_schema(ask: Ask) -> bool:
    return (ask.body.get("response_format") or {}).get("type") == "json_schema"


def pydantic(
    *places: list[str], kind: str = "extra_forbidden", said: str = "Extra inputs are not permitted"
) -> JsonObject:
    """A validation error of FastAPI's."""
    return {"detail": [{"type": kind, "loc": list(place), "msg": said, "input": True} for place in places]}


# --- one parameter, said in OpenAI's way -----------------------------------------------------------


@quirk()
def only_the_default_temperature(ask: Ask) -> Answer:
    """Only temperature 1 is taken (o-series, gpt-5).

    Source: QwenLM/qwen-code#921, tmc/langchaingo#1355.
    """
    if not own_temperature(ask):
        return ask.stream()
    value = ask.body["temperature"]
    said = (
        f"Unsupported value: 'temperature' does not support {value} with this model. Only the "
        "default (1) value is supported."
    )
    return error(400, said, param="temperature", code="unsupported_value")


@quirk()
def max_completion_tokens_wanted(ask: Ask) -> Answer:
    """max_tokens is refused in favour of the newer name (o-series and gpt-5 behind gateways).

    Source: OpenHands/software-agent-sdk#1083, lobehub/lobehub#5909.
    """
    if "max_tokens" not in ask.body:
        return ask.stream()
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return error(400, said, param="max_tokens", code="unsupported_parameter")


@quirk()
def one_after_the_other(ask: Ask) -> Answer:
    """Every parameter that can be done without is refused, one a request.

    Source: QwenLM/qwen-code#921, openai/openai-python#1080.
    """
    for name in ("temperature", "seed", "logprobs", "top_logprobs", "stream_options"):
        if name in ask.body and (name != "temperature" or own_temperature(ask)):
            return unsupported(name)
    return ask.stream()


@quirk()
def stop_refused(ask: Ask) -> Answer:
    """`stop` is refused (gpt-5).

    Source: FlowiseAI/Flowise#5046, BerriAI/litellm#15244.
    """
    return unsupported("stop") if "stop" in ask.body else ask.stream()


@quirk()
def argument_not_supported(ask: Ask) -> Answer:
    """`error` is a string and names the argument in camel case (xAI).

    Source: huggingface/smolagents#1766, lobehub/lobehub#7370, neavo/LinguaGacha#159.
    """
    for name, camel in (("stop", "stop"), ("top_logprobs", "topLogprobs"), ("logprobs", "logprobs"), ("seed", "seed")):
        if name in ask.body:
            said = f"Argument not supported on this model: {camel}"
            return jsoned({"code": "Client specified an invalid argument", "error": said}, 400)
    return ask.stream()


@quirk()
def model_does_not_support_parameter(ask: Ask) -> Answer:
    """The same in newer words, with the camel-cased name at the end (xAI).

    Source: miaoxworld/NativeTavern#83.
    """
    if "stream_options" in ask.body:
        return jsoned(
            {"code": "invalid-argument", "error": "Model test does not support parameter streamOptions."}, 400
        )
    if own_temperature(ask):
        return jsoned({"code": "invalid-argument", "error": "Model test does not support parameter temperature."}, 400)
    return ask.stream()


@quirk()
def several_in_one_message(ask: Ask) -> Answer:
    """One message names all that it does not take.

    Source: docs.litellm.ai/docs/completion/drop_params (UnsupportedParamsError).
    """
    found = [name for name in ("seed", "logprobs", "top_logprobs", "temperature") if name in ask.body]
    if not found:
        return ask.stream()
    said = (
        f"litellm.UnsupportedParamsError: openrouter does not support parameters: {found}, for "
        "model=test. To drop these, set `litellm.drop_params=True`"
    )
    return error(400, said, type="None", code="400")


@quirk()
def reasoning_beta_limits(ask: Ask) -> Answer:
    """What is fixed is told in one sentence, without `param` (o1 preview).

    Source: janhq/jan#4392.
    """
    if not own_temperature(ask) and "logprobs" not in ask.body:
        return ask.stream()
    said = (
        "This model has beta-limitations: temperature, top_p and n are fixed at 1, while "
        "presence_penalty and frequency_penalty are fixed at 0. Logprobs are not supported."
    )
    return error(400, said, code="unsupported_value")


# --- log-probabilities -----------------------------------------------------------------------------


@quirk()
def not_allowed_to_request_logprobs(ask: Ask) -> Answer:
    """403 without `param` (o4-mini, gpt-5).

    Source: confident-ai/deepeval#2184.
    """
    return (
        error(403, "You are not allowed to request logprobs from this model")
        if ask.body.get("logprobs")
        else ask.stream()
    )


@quirk()
def logprobs_not_supported(ask: Ask) -> Answer:
    """400 without `param`, the name in backticks (Groq).

    Source: groq/groq-python#25, mscraftsman/generative-ai#135.
    """
    if not ask.body.get("logprobs"):
        return ask.stream()
    said = "`logprobs` is not supported with this model"
    return jsoned({"error": {"message": said, "type": "invalid_request_error"}}, 400)


@quirk()
def logprobs_not_enabled(ask: Ask) -> Answer:
    """A list around the error, and words with a space in the name (Gemini).

    Source: mscraftsman/generative-ai#135.
    """
    if not ask.body.get("logprobs"):
        return ask.stream()
    what = {"code": 400, "message": "Logprobs is not enabled for models/test", "status": "INVALID_ARGUMENT"}
    return jsoned([{"error": what}], 400)


@quirk()
def top_logprobs_at_most_five(ask: Ask) -> Answer:
    """No more than 5 rivals of a token, said with `param` (Azure).

    Source: confident-ai/deepeval#843.
    """
    if int(ask.body.get("top_logprobs") or 0) <= 5:
        return ask.stream()
    said = "Invalid value for 'top_logprobs': must be less than or equal to 5."
    return error(400, said, param="top_logprobs")


@quirk()
def logprobs_at_most_one(ask: Ask) -> Answer:
    """ "5 is greater than the maximum of 1 - 'top_logprobs'" (Together).

    Source: lmg-anon/mikupad#55.
    """
    value = int(ask.body.get("top_logprobs") or 0)
    if value <= 1:
        return ask.stream()
    return jsoned(
        {
            "error": {
                "message": f"{value} is greater than the maximum of 1 - 'top_logprobs'",
                "type": "invalid_request_error",
                "param": "top_logprobs",
                "code": None,
            }
        },
        400,
    )


@quirk()
def logprobs_break_the_server(ask: Ask) -> Answer:
    """Asked for logprobs it answers 500: minus infinity is no JSON (SGLang).

    Source: sgl-project/sglang#5984.
    """
    if not ask.body.get("logprobs"):
        return ask.stream()
    return jsoned(
        {
            "object": "error",
            "message": "Out of range float values are not JSON compliant: logprobs",
            "type": "InternalServerError",
            "param": None,
            "code": 500,
        },
        500,
    )


# --- seed, stream_options, stop --------------------------------------------------------------------


@quirk()
def unknown_name_in_a_list(ask: Ask) -> Answer:
    """The error stands in a list: unknown name "seed" (Gemini).

    Source: Vali-98/ChatterUI#227.
    """
    if "seed" not in ask.body:
        return ask.stream()
    said = 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'
    details = [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"description": said}]}]
    return jsoned([{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT", "details": details}}], 400)


@quirk()
def extra_inputs_with_loc(ask: Ask) -> Answer:
    """422 whose message is an object with `loc` (Mistral).

    Source: dnakov/anon-kode#53, editor-code-assistant/eca#231.
    """
    if "stream_options" not in ask.body:
        return ask.stream()
    said = {
        "object": "error",
        "message": pydantic(["body", "stream_options", "include_usage"]),
        "type": "invalid_request_error",
    }
    return jsoned(said | {"param": None, "code": None}, 422)


@quirk()
def extra_inputs_several(ask: Ask) -> Answer:
    """FastAPI's own 422, a `detail` with several `loc` at once and no `error`.

    Source: fastapi.tiangolo.com/tutorial/handling-errors, editor-code-assistant/eca#231.
    """
    found = [name for name in ("seed", "logprobs", "top_logprobs", "stream_options") if name in ask.body]
    return jsoned(pydantic(*(["body", name] for name in found)), 422) if found else ask.stream()


@quirk()
def extra_inputs_in_a_string(ask: Ask) -> Answer:
    """The list of pydantic's errors as a string in `message`, in Python's spelling (vLLM).

    Source: docs.vllm.ai (OpenAI-compatible server, validation errors).
    """
    if "seed" not in ask.body:
        return ask.stream()
    return vllm(
        str([{"type": "extra_forbidden", "loc": ("body", "seed"), "msg": "Extra inputs are not permitted", "input": 1}])
    )


@quirk()
def json_in_a_string(ask: Ask) -> Answer:
    """The provider's own error is JSON in a string inside the gateway's (OpenRouter, `metadata.raw`).

    Source: vectorize-io/hindsight#58.
    """
    if not own_temperature(ask):
        return ask.stream()
    inner = {
        "error": {
            "message": "Unsupported value: 'temperature' does not support this with this model.",
            "type": "invalid_request_error",
            "param": "temperature",
            "code": "unsupported_value",
        }
    }
    what = {
        "message": "Provider returned error",
        "code": 400,
        "metadata": {"raw": json.dumps(inner, indent=2), "provider_name": "Azure"},
    }
    return jsoned({"error": what, "user_id": "user_1"}, 400)


@quirk()
def json_in_a_string_twice(ask: Ask) -> Answer:
    """`message` is itself an error in JSON (OCI, gateways).

    Source: huggingface/smolagents#1766, google-gemini/gemini-cli#14811.
    """
    if "stop" not in ask.body and "seed" not in ask.body:
        return ask.stream()
    name = "stop" if "stop" in ask.body else "seed"
    inner = json.dumps(
        {"code": "Client specified an invalid argument", "error": f"Argument not supported on this model: {name}"}
    )
    return jsoned({"code": "400", "message": json.dumps({"error": {"message": inner}})}, 400)


@quirk()
def plain_text_refusal(ask: Ask) -> Answer:
    """400 with one line of plain text.

    Source: decolua/9router#773, docs.rs/axum (JsonRejection).
    """
    if "stream_options" not in ask.body:
        return ask.stream()
    return text(
        400,
        (
            "Failed to deserialize the JSON body into the target type: stream_options: unknown field "
            "`stream_options`, expected one of `model`, `messages` at line 1 column 812"
        ),
    )


@quirk()
def html_refusal(ask: Ask) -> Answer:
    """400 as an HTML page of a proxy that names the parameter in its text.

    Source: RFC 9110, 15.5.1.
    """
    if not ask.body.get("logprobs"):
        return ask.stream()
    page = (
        "<html><head><title>400 Bad Request</title></head><body><h1>Bad "
        "Request</h1><p>unexpected parameter: logprobs</p></body></html>"
    )
    return text(400, page, "text/html")


@quirk()
def not_implemented(ask: Ask) -> Answer:
    """501: structured output is not implemented.

    Source: RFC 9110, 15.6.2.
    """
    if not asks_for_schema(ask):
        return ask.stream()
    return jsoned({"error": "response_format of type json_schema is not implemented"}, 501)


@quirk(stops(r"405|not allowed"))
def method_not_allowed(ask: Ask) -> Answer:
    """405: there is something at this address, but no chat.

    Source: RFC 9110, 15.5.6.
    """
    return jsoned({"detail": "Method Not Allowed"}, 405, {"Allow": "GET"})


@quirk()
def deserialize_error_422(ask: Ask) -> Answer:
    """422 in plain text that names an unknown variant (axum, TGI).

    Source: decolua/9router#773, docs.rs/axum (JsonRejection).
    """
    if not asks_for_schema(ask):
        return ask.stream()
    return text(
        422,
        (
            "Failed to deserialize the JSON body into the target type: response_format.type: unknown "
            "variant `json_schema`, expected `json_object` or `regex` at line 1 column 90"
        ),
    )


@quirk()
def error_type_only(ask: Ask) -> Answer:
    """`error` is a string and `error_type` says validation (TGI).

    Source: huggingface.co/docs/text-generation-inference (ErrorResponse).
    """
    if float(ask.body.get("temperature") or 0) > 0:
        return ask.stream()
    if ask.body.get("temperature") is None:
        return ask.stream()
    return jsoned(
        {"error": "Input validation error: `temperature` must be strictly positive", "error_type": "validation"}, 422
    )


@quirk()
def errors_plural(ask: Ask) -> Answer:
    """`errors` is a list of objects with a code, and nothing is called `error` (Cloudflare).

    Source: developers.cloudflare.com/workers-ai/platform/errors.
    """
    if "seed" not in ask.body:
        return ask.stream()
    return jsoned(
        {
            "result": None,
            "success": False,
            "errors": [
                {"code": 5006, "message": "AiError: Bad input: Error: oneOf at '/' not met: /seed must NOT be present"}
            ],
            "messages": [],
        },
        400,
    )


@quirk()
def bare_request_only(ask: Ask) -> Answer:
    """400 that says nothing, until only messages and a limit are asked for.

    Source: openai/openai-python#1080.
    """
    bare = {"model", "messages", "max_tokens", "max_completion_tokens", "stream"}
    return ask.stream() if set(ask.body) <= bare else jsoned({"error": {"message": "Bad Request", "code": 400}}, 400)


@quirk()
def bare_request_only_empty_body(ask: Ask) -> Answer:
    """The same with no body at all and status 422.

    Source: RFC 9110, 15.5.21.
    """
    bare = {"model", "messages", "max_tokens", "max_completion_tokens", "stream"}
    return ask.stream() if set(ask.body) <= bare else Answer([], 422)


@quirk(stops("400", most=12, exits=(1, 3)))
def nothing_is_right(ask: Ask) -> Answer:
    """400 whatever is asked, and it does not say why.

    Source: openai/openai-python#1080.
    """
    return jsoned({"error": {"message": "invalid request", "type": "invalid_request_error"}}, 400)


# --- bounds ----------------------------------------------------------------------------------------


@quirk()
def temperature_above_one(ask: Ask) -> Answer:
    """No temperature above 1 (Anthropic); two answers that a guard turns down come before, so that it rises.

    Source: odysseus-dev/odysseus#1737, BoltAI/BoltAI#119.
    """
    if float(ask.body.get("temperature") or 0) > 1:
        return jsoned(
            {"type": "error", "error": {"type": "invalid_request_error", "message": "temperature: range: 0..1"}}, 400
        )
    if ask.speech and ask.memory.notes.setdefault("who", ask.all) == ask.all and ask.memory.count("refused") <= 2:
        return ask.stream("As an AI language model, I can't take part in this conversation.")
    return ask.stream()


@quirk()
def temperature_below_two(ask: Ask) -> Answer:
    """A range in brackets: [0, 1.0) in an error of another kind (Qwen, GLM).

    Source: help.aliyun.com/zh/model-studio/error-code.
    """
    value = float(ask.body.get("temperature") or 0)
    if 0 < value < 1 or "temperature" not in ask.body:
        return ask.stream()
    said = "<400> InternalError.Algo.InvalidParameter: Temperature should be in (0.0, 1.0)"
    return error(400, said, code="invalid_parameter_error")


@quirk()
def temperature_must_be_positive(ask: Ask) -> Answer:
    """0 is refused (TGI, Mistral 7B on transformers).

    Source: Vision-CAIR/MiniGPT-4#200.
    """
    if ask.body.get("temperature") != 0:
        return ask.stream()
    return vllm(
        "`temperature` (=0.0) has to be a strictly positive float, otherwise your next token scores will be invalid."
    )


@quirk()
def at_least_sixteen_tokens(ask: Ask) -> Answer:
    """A limit below 16 tokens is refused, under the name it has in another API (Azure, gpt-5).

    Source: vectorize-io/hindsight#58, braintrustdata/lingua#186.
    """
    if ask.limit >= 16:
        return ask.stream()
    said = (
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but "
        f"got {ask.limit} instead."
    )
    return error(400, said, param="max_output_tokens", code="integer_below_min_value")


@quirk()
def at_most_so_many_tokens(ask: Ask) -> Answer:
    """A limit above the model's own is refused, with the number in the message (Groq, DeepSeek).

    Source: RooCodeInc/Roo-Code#5729.
    """
    if ask.limit <= 1000:
        return ask.stream()
    said = (
        "`max_tokens` must be less than or equal to `1000`, the maximum value for `max_tokens` "
        "is less than the `context_window` for this model"
    )
    return error(400, said)


@quirk()
def at_most_so_many_tokens_range(ask: Ask) -> Answer:
    """The same as a range: the valid range of max_tokens is [1, 900] (DeepSeek).

    Source: deepseek-ai/DeepSeek-V3#69, open-webui/open-webui#10507.
    """
    return (
        error(400, "Invalid max_tokens value, the valid range of max_tokens is [1, 900]")
        if ask.limit > 900
        else ask.stream()
    )


@quirk()
def seed_too_large(ask: Ask) -> Answer:
    """A seed must fit into 31 bits.

    Source: ai.google.dev/api/generate-content (GenerationConfig, seed).
    """
    if int(ask.body.get("seed") or 0) < 2**31:
        return ask.stream()
    return error(400, "Invalid value at 'generation_config.seed' (TYPE_INT32), 4294967295", code=400)


@quirk()
def max_completion_tokens_refused(ask: Ask) -> Answer:
    """Only the older name is known (older servers); asked with the newer one it refuses.

    Source: docs.mistral.ai/api (max_tokens alone).
    """
    if "max_completion_tokens" not in ask.body:
        return ask.stream()
    return jsoned(pydantic(["body", "max_completion_tokens"]), 422)


@quirk(Expect((0, 1, 3), samples=0, most=12, says=r"max_(completion_)?tokens"))
def no_limit_is_taken(ask: Ask) -> Answer:
    """Neither name of the limit is taken; without any an answer may cost what it likes, so that nothing is asked.

    Source: OpenHands/software-agent-sdk#1083, lobehub/lobehub#5909.
    """
    for name in ("max_tokens", "max_completion_tokens"):
        if name in ask.body:
            return unsupported(name)
    return ask.stream()


# --- formats ---------------------------------------------------------------------------------------


@quirk()
def json_schema_unavailable(ask: Ask) -> Answer:
    """json_schema is refused without a name, json_object is taken (DeepSeek).

    Source: UKGovernmentBEIS/inspect_ai#4916, llm-exe/llm-exe#662.
    """
    if asks_for_schema(ask):
        return error(400, "This response_format type is unavailable now", code="invalid_request_error")
    return ask.stream(ask.as_told() if ask.wanted else None)


@quirk()
def no_response_format_at_all(ask: Ask) -> Answer:
    """Neither json_schema nor json_object.

    Source: UKGovernmentBEIS/inspect_ai#4916.
    """
    if "response_format" in ask.body:
        return error(400, "response_format is not supported by this model", param="response_format")
    return ask.stream(f"```json\n{ask.as_told()}\n```" if ask.wanted else None)


@quirk()
def json_object_wants_the_word(ask: Ask) -> Answer:
    """json_object only if the messages say "json" somewhere (OpenAI, Qwen).

    Source: platform.openai.com/docs/guides/structured-outputs (JSON mode).
    """
    if asks_for_schema(ask):
        return error(
            400,
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
            param=None,
        )
    if "response_format" in ask.body and "json" not in ask.all.lower():
        return error(
            400,
            "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            param="messages",
        )
    return ask.stream(ask.as_told() if ask.wanted else None)


@quirk()
def schema_too_strict(ask: Ask) -> Answer:
    """The schema itself is refused: a keyword in it is not permitted (OpenAI strict mode).

    Source: platform.openai.com/docs/guides/structured-outputs (supported schemas).
    """
    if asks_for_schema(ask):
        said = (
            "Invalid schema for response_format 'statements': In context=('properties', "
            "'statements'), 'maxItems' is not permitted."
        )
        return error(400, said, param="response_format")
    return ask.stream(ask.as_told() if ask.wanted else None)


@quirk()
def grammar_does_not_compile(ask: Ask) -> Answer:
    """500 where the schema cannot be made a grammar (llama-server, xgrammar).

    Source: ggml-org/llama.cpp#11988.
    """
    if asks_for_schema(ask):
        return jsoned(
            {
                "error": {
                    "code": 400,
                    "message": "Failed to initialize samplers: failed to parse grammar",
                    "type": "invalid_request_error",
                }
            },
            400,
        )
    return ask.stream(ask.as_told() if ask.wanted else None)


@quirk()
def refusal_in_a_stream(ask: Ask) -> Answer:
    """200 and a stream whose only event is the refusal of a parameter.

    Source: damianvtran/local-operator#223, vllm-project/vllm#7299.
    """
    if "seed" not in ask.body:
        return ask.stream()
    what = {"message": "Unsupported parameter: 'seed' is not supported with this model.", "param": "seed", "code": 400}
    return ask.events([{"error": what}])
