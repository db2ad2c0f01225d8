"""Error bodies of real servers, and what becomes of them; waits; what is wrong below HTTP.

Each body is one that was reported in public or stands in the server's own documentation or code, shortened where it was
long; the comment names the place. `FRESH` holds further bodies of each kind,
of which 93 of 101 were understood before anything was changed for them; `ODD`, words that were made up.
"""

# ruff: noqa: E501
# The bodies are shown as they come.

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any

import httpx2
import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from culturepark import redact
from culturepark.errors import (
    BadAnswer,
    Loading,
    Missed,
    ModelError,
    OutOfCredit,
    OutOfResources,
    Overloaded,
    Refused,
    TooLong,
    Unreachable,
    WrongRequest,
)
from culturepark.models import wait_hints
from culturepark.models.error_bodies import gather
from culturepark.models.replies import assemble
from culturepark.models.wait_hints import wait_of
from culturepark.models.wire_errors import error_in_body, map_answer, map_error
from culturepark.shortage import shortage

PLACE = "https://llm.example.org/v1"
CARD = "You are Ada Lovelace, and you live in London, England. Say what the temperature is, and which seed you like."
SENT: dict[str, Any] = {
    "model": "gpt-x",
    "messages": [{"role": "system", "content": CARD}, {"role": "user", "content": "Who are you?"}],
    "max_tokens": 100_000,
    "temperature": 2.5,
    "seed": 11,
    "stream": True,
    "stream_options": {"include_usage": True},
    "stop": ["\n", "a", "b", "c", "d"],
    "response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {}}},
    "logprobs": True,
    "top_logprobs": 25,
}
NEWER = {("max_completion_tokens" if key == "max_tokens" else key): value for key, value in SENT.items()}
SHORT = SENT | {"max_tokens": 1}
LLAMA = {key: value for key, value in SENT.items() if key != "response_format"} | {
    "grammar": "g",
    "dry_multiplier": 0.5,
}
NO_SYSTEM = SENT | {"messages": [{"role": "user", "content": "Who are you?"}]}
COLD = SENT | {"temperature": 0.0}


def error(message: str, **more: Any) -> dict[str, Any]:
    """OpenAI's form."""
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None} | more}


def vllm(message: str, **more: Any) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400} | more


def anthropic(message: str, kind: str = "invalid_request_error") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_011CJ"}


def google(message: str, status: str = "INVALID_ARGUMENT", code: int = 400, **more: Any) -> list[Any]:
    return [{"error": {"code": code, "message": message, "status": status} | more}]


def extra(*loc: str | int, kind: str = "extra_forbidden", msg: str = "Extra inputs are not permitted") -> list[Any]:
    return [{"type": kind, "loc": ["body", *loc], "msg": msg, "input": 1}]


def router(raw: Any, code: int = 400, **more: Any) -> dict[str, Any]:
    told = raw if isinstance(raw, str) else json.dumps(raw)
    return {
        "error": {"message": "Provider returned error", "code": code, "metadata": {"raw": told} | more},
        "user_id": "u",
    }


def litellm(message: str, code: str = "400") -> dict[str, Any]:
    return {"error": {"message": message, "type": "None", "param": "None", "code": code}}


UNSUPPORTED = "Unsupported parameter: '{0}' is not supported with this model."
DEFAULT_ONLY = (
    "Unsupported value: 'temperature' does not support 0.7 with this model. Only the default (1) value is supported."
)

Row = tuple[Any, ...]
"""Status, body, what is expected; then headers or the request where they matter."""

FITTED: list[Row] = [
    # --- refused, OpenAI's form
    # QwenLM/qwen-code#921, holoviz/lumen#1087
    (400, error(DEFAULT_ONLY, param="temperature", code="unsupported_value"), "Refused temperature"),
    # OpenHands/software-agent-sdk#1837
    (400, error(UNSUPPORTED.format("temperature"), param="temperature"), "Refused temperature"),
    # OpenHands/software-agent-sdk#1083, lobehub/lobehub#5909
    (400, error(UNSUPPORTED.format("max_tokens") + " Use 'max_completion_tokens' instead.", param="max_tokens",
                code="unsupported_parameter"), "Refused max_tokens"),
    # confident-ai/deepeval#2184
    (403, error("You are not allowed to request logprobs from this model"), "Refused logprobs"),
    # chatboxai/chatbox#2263, lobehub/lobehub#9385
    (400, error("Your organization must be verified to stream this model. Please go to: https://platform.openai.com and click "
                "on Verify Organization. If you just verified, it can take up to 15 minutes for access to propagate.",
                param="stream", code="unsupported_value"), "Refused stream"),
    # ChatGPTNextWeb/NextChat#5410
    (400, error("Unsupported value: 'stream' does not support true with this model. Only the default (false) value is "
                "supported.", param="stream", code="unsupported_value"), "Refused stream"),
    # openai/openai-python#2078 (o1-mini)
    (400, error("Unsupported value: 'messages[0].role' does not support 'system' with this model.",
                param="messages[0].role", code="unsupported_value"), "Refused system"),
    # community.openai.com: integer_above_max_value
    (400, error("Invalid 'top_logprobs': integer above maximum value. Expected a value <= 20, but got 25 instead.",
                param="top_logprobs", code="integer_above_max_value"), "Refused top_logprobs ..20"),
    # community.openai.com: decimal_above_max_value
    (400, error("Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 2.5 instead.",
                param="temperature", code="decimal_above_max_value"), "Refused temperature ..2"),
    # openai/codex: integer_below_min_value
    (400, error("Invalid 'max_tokens': integer below minimum value. Expected a value >= 16, but got 1 instead.",
                param="max_tokens", code="integer_below_min_value"), "Refused max_tokens 16..", SHORT),
    # community.openai.com: max_tokens is too large
    (400, error("max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided "
                "100000.", param="max_tokens", code="invalid_value"), "Refused max_tokens ..16384"),
    (400, error("max_tokens is too large: 100000. This model supports at most 16384 completion tokens, whereas you provided "
                "100000.", param="max_tokens", code="invalid_value"), "Refused max_completion_tokens ..16384", NEWER),
    # community.openai.com: array_above_max_length
    (400, error("Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 "
                "instead.", param="stop", code="array_above_max_length"), "Refused stop ..4"),
    # openai/openai-python#1080
    (400, error("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model. Learn more "
                "about supported models at the Structured Outputs guide", param=None), "Refused response_format"),
    # prism-php/prism#813
    (400, error("Invalid schema for response_format 'foo': In context=(), 'required' is required to be supplied and to be an "
                "array including every key in properties. Missing 'bar'.", param="response_format"), "Refused response_format"),
    # reVrost/go-openrouter#21
    (400, router(error("Response input messages must contain the word 'json' in some form to use 'text.format' of type "
                       "'json_object'.", param="input")), "Refused response_format"),
    # OpenAI, unknown keys
    (400, error("Unrecognized request argument supplied: dry_multiplier"), "Refused dry_multiplier", LLAMA),
    (400, error("Unknown parameter: 'grammar'.", param="grammar", code="unknown_parameter"), "Refused grammar", LLAMA),
    # --- refused, others
    # groq/groq-python#25
    (400, error("`logprobs` is not supported with this model"), "Refused logprobs"),
    # fanenr/chatbot#21: the key was not sent, and the advice is no refusal
    (400, error("property 'store' is unsupported, did you mean 'stop'?"), "Refused"),
    # egoist/chatwise-releases#1442 (Cerebras), as it would be for a key of ours
    (400, {"message": "body.seed: property 'body.seed' is unsupported", "type": "invalid_request_error",
           "param": "validation_error", "code": "wrong_api_format"}, "Refused seed"),
    # mscraftsman/generative-ai#135, GoogleCloudPlatform/generative-ai#1536, #2947
    (400, google("Logprobs is not enabled for models/gemini-2.5-flash"), "Refused logprobs"),
    (400, google("Unable to submit request because Logprobs is not supported for this model."), "Refused logprobs"),
    # Vali-98/ChatterUI#227
    (400, google('Invalid JSON payload received. Unknown name "frequency_penalty": Cannot find field.\nInvalid JSON payload '
                 'received. Unknown name "seed": Cannot find field.',
                 details=[{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [
                     {"description": 'Invalid JSON payload received. Unknown name "frequency_penalty": Cannot find field.'},
                     {"description": 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'}]}]),
     "Refused seed"),
    # google-gemini: developer instruction (Gemma)
    (400, google("Developer instruction is not enabled for models/gemma-3-27b-it"), "Refused system"),
    # google-gemini: schema
    (400, google("* GenerateContentRequest.generation_config.response_schema.properties: should be non-empty for OBJECT type"),
     "Refused response_format"),
    (400, google("Unable to submit request because it has a temperature value of 2.5 but the supported range is from 0 "
                 "(inclusive) to 2.0 (inclusive)"), "Refused temperature 0..2"),
    # editor-code-assistant/eca#231 (Mistral)
    (422, {"object": "error", "message": {"detail": extra("max_completion_tokens")}, "type": "invalid_request_error",
           "param": None, "code": None}, "Refused max_completion_tokens", NEWER),
    # dnakov/anon-kode#53
    (422, {"object": "error", "message": {"detail": extra("stream_options", "include_usage")},
           "type": "invalid_request_error", "param": None, "code": None}, "Refused stream_options"),
    # partITech/php-mistral#76
    (422, {"object": "Error", "detail": extra("seed"), "message": extra("seed"), "type": "invalid_request_error",
           "code": 3001}, "Refused seed"),
    # mistralai/platform-docs-public#7: JSON in a string
    (422, {"object": "error", "message": json.dumps({"detail": extra("logprobs")}), "type": "internal_error_proxy",
           "param": None, "code": "1000"}, "Refused logprobs"),
    # Mistral: temperature above its range
    (422, {"object": "error", "message": {"detail": [{"type": "less_than_equal", "loc": ["body", "temperature"],
           "msg": "Input should be less than or equal to 1.5", "input": 2.5, "ctx": {"le": 1.5}}]},
           "type": "invalid_request_error", "param": None, "code": None}, "Refused temperature ..1.5"),
    # 1Panel-dev/MaxKB#2912 (vLLM): Python in a string
    (400, vllm("[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), 'msg': 'Extra inputs are not permitted', "
               "'input': 800}]"), "Refused max_completion_tokens", NEWER),
    # gpustack/gpustack#429
    (400, vllm("[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not permitted', "
               "'input': {'include_usage': True}}]"), "Refused stream_options"),
    # vllm-project/vllm, engine: max_logprobs
    (400, vllm("Requested sample logprobs of 25, which is greater than max allowed: 20"), "Refused top_logprobs ..20"),
    (400, vllm("temperature must be non-negative, got -1.0."), "Refused temperature 0..", SENT | {"temperature": -1.0}),
    # huggingface/chat-ui#1386, vllm-project/vllm#2964
    (400, vllm("System role not supported"), "Refused system"),
    # infiniflow/ragflow#11021
    (400, vllm("Conversation roles must alternate user/assistant/user/assistant/..."), "Refused system"),
    (400, vllm("Conversation roles must alternate user/assistant/user/assistant/..."), "Refused messages", NO_SYSTEM),
    # janhq/jan#6254 (llama.cpp answers 500)
    (500, {"error": {"code": 500, "message": "Conversation roles must alternate user/assistant/user/assistant/... at row 19, "
           "column 27:\n {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}\n", "type": "server_error"}},
     "Refused system"),
    # Mistral's own API
    (400, {"object": "error", "message": "Unexpected role 'system' after role 'user'", "type": "invalid_request_message_order",
           "param": None, "code": "3230"}, "Refused system"),
    # BerriAI/litellm: UnsupportedParamsError (#6724)
    (400, litellm("litellm.UnsupportedParamsError: together_ai does not support parameters: {'logprobs': 1}, for model=x. To "
                  "drop these, set `litellm.drop_params=True`"), "Refused logprobs"),
    (400, litellm("litellm.UnsupportedParamsError: bedrock does not support parameters: ['response_format'], for model=x"),
     "Refused response_format"),
    # BerriAI/litellm#13327, #16090
    (400, litellm("litellm.BadRequestError: OpenAIException - {\n  \"error\": {\n    \"message\": \"Unsupported parameter: "
                  "'temperature' is not supported with this model.\",\n    \"param\": \"temperature\",\n    \"code\": null\n  }\n}. "
                  "Received Model Group=gpt-5\nAvailable Model Group Fallbacks=None"), "Refused temperature"),
    # BerriAI/litellm#39829 (Bedrock)
    (400, litellm('litellm.BadRequestError: BedrockException - {"message":"This model doesn\'t support the temperature field. '
                  'Remove temperature and try again."}'), "Refused temperature"),
    # BerriAI/litellm#15097: bytes in Python's spelling
    (400, litellm("litellm.BadRequestError: AnthropicException - b'{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\","
                  "\"message\":\"`temperature` and `top_p` cannot both be specified for this model. Please use only one.\"},"
                  "\"request_id\":\"req_1\"}'. Received Model Group=claude"), "Refused temperature"),
    # BerriAI/litellm#10957: Python around JSON
    (400, litellm("litellm.BadRequestError: OpenrouterException - Message: Provider returned error, Metadata: {'raw': '{\\n "
                  "\"error\": {\\n \"message\": \"Unsupported parameter: \\'temperature\\' is not supported with this model.\",\\n "
                  "\"param\": \"temperature\"\\n }\\n}', 'provider_name': 'OpenAI'}"), "Refused temperature"),
    # nashsu/llm_wiki#670
    (400, {"error": {"cause": json.dumps(error(DEFAULT_ONLY, param="temperature")), "code": 400, "message": "模型服务调用失败",
                     "status": "FAILED_RESPONSE"}, "requestId": "xxx", "result": None}, "Refused temperature"),
    # odysseus-dev/odysseus#1737, BoltAI/BoltAI#119 (Anthropic)
    (400, anthropic("temperature: range: 0..1"), "Refused temperature 0..1"),
    # ChatGPTNextWeb/NextChat#4964
    (400, anthropic("max_tokens: 100000 > 4096, which is the maximum allowed number of output tokens for claude-3-5-sonnet"),
     "Refused max_tokens ..4096"),
    # anthropics: stop sequences of white space
    (400, anthropic("stop_sequences: each stop sequence must contain non-whitespace"), "Refused stop"),
    (400, anthropic('messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" '
                    "as an input message role."), "Refused system"),
    # UKGovernmentBEIS/inspect_ai#4916 (DeepSeek)
    (400, error("This response_format type is unavailable now", code="invalid_request_error"), "Refused response_format"),
    # Backtthefuture/chatlogwebUI#7 (DeepSeek)
    (400, error("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", code="invalid_request_error"),
     "Refused max_tokens 1..8192"),
    # open-webui/open-webui#10507 (Qwen)
    (400, {"error": {"code": "invalid_parameter_error", "param": None, "message": "<400> InternalError.Algo.InvalidParameter: "
           "Range of max_tokens should be [1, 8192]", "type": "invalid_request_error"}, "id": "chatcmpl-1",
           "request_id": "4b63"}, "Refused max_tokens 1..8192"),
    # musistudio/claude-code-router#184: a router around it
    (400, {"error": {"message": 'Error from provider: {"error":{"code":"invalid_parameter_error","param":null,"message":"<400> '
           'InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]"}}', "type": "api_error",
           "code": "provider_response_error"}}, "Refused max_tokens 1..8192"),
    # aws-samples/bedrock-access-gateway#41
    (400, {"detail": "An error occurred (ValidationException) when calling the ConverseStream operation: The maximum tokens you "
           "requested exceeds the model limit of 2048. Try again with a maximum tokens value that is lower than 2048."},
     "Refused max_tokens ..2048"),
    # huggingface/transformers#28523 (TGI)
    (422, {"error": "Input validation error: `max_new_tokens` must be <= 192. Given: 100000", "error_type": "validation"},
     "Refused max_tokens ..192"),
    # huggingface/text-generation-inference, validation.rs
    (422, {"error": "Input validation error: `temperature` must be strictly positive", "error_type": "validation"},
     "Refused temperature 0.01..", COLD),
    (422, {"error": "Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 25", "error_type": "validation"},
     "Refused top_logprobs 0..5"),
    (422, {"error": "Input validation error: `stop` supports up to 4 stop sequences. Given: 5", "error_type": "validation"},
     "Refused stop ..4"),
    (422, {"error": "Template error: Conversation roles must alternate user/assistant/user/assistant/...",
           "error_type": "template_error"}, "Refused system"),
    # TGI, axum's plain text
    (422, "Failed to deserialize the JSON body into the target type: response_format: unknown variant `json_schema`, expected "
          "`json_object` or `regex` at line 1 column 304", "Refused response_format"),
    # FlowiseAI/Flowise#2866 (Fireworks)
    (400, error("Extra inputs are not permitted, field: 'stream_options'"), "Refused stream_options"),
    # nextlevelbuilder/goclaw#660
    (400, {"error": {"object": "error", "type": "invalid_request_error", "code": "invalid_request_error",
           "message": "top_logprobs: Input should be less than or equal to 5"}}, "Refused top_logprobs ..5"),
    # lmstudio-ai/lmstudio-bug-tracker#307, #189
    (400, {"error": "'response_format.type' must be 'json_schema'"}, "Refused response_format"),
    (400, {"error": "'response_format.type' must be 'json_schema' or 'text'"}, "Refused response_format"),
    # yym68686/uni-api#105 (xAI), and the same for a parameter of ours
    (400, {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: stop"},
     "Refused stop"),
    (400, {"code": "Client specified an invalid argument", "error": "Argument not supported on this model: topLogprobs"},
     "Refused top_logprobs"),
    (400, {"code": "Client specified an invalid argument", "error": "Model grok-4.6 does not support parameter logprobs."},
     "Refused logprobs"),
    # llama.cpp, server.cpp
    (400, {"error": {"code": 400, "message": "Failed to parse grammar", "type": "invalid_request_error"}}, "Refused grammar", LLAMA),
    (400, {"error": {"code": 400, "message": "Failed to parse grammar", "type": "invalid_request_error"}},
     "Refused response_format"),
    (400, {"error": {"code": 400, "message": "Failed to initialize samplers: failed to parse grammar",
           "type": "invalid_request_error"}}, "Refused response_format"),
    # vLLM, structured outputs
    (400, vllm("The provided JSON schema contains features not supported by xgrammar."), "Refused response_format"),
    (400, vllm("Grammar error: Unimplemented keys: [\"minContains\"]"), "Refused response_format"),
    # Together
    (400, {"id": "o1", "error": {"message": "logprobs must be an integer between 0 and 5", "type": "invalid_request_error",
           "param": "logprobs", "code": None}}, "Refused top_logprobs 0..5"),
    # validators of web frameworks: the parameter is a key
    (400, {"errors": {"temperature": ["must be less than or equal to 2"]}}, "Refused temperature ..2"),
    (422, {"detail": [{"loc": ["body", "messages", 0, "role"], "msg": "Input should be 'user' or 'assistant'",
           "type": "literal_error"}]}, "Refused system"),
    (400, {"title": "Bad Request", "status": 400, "invalid-params": [{"name": "n", "reason": "no"},
           {"field": "topLogprobs", "reason": "must be at most 8"}]}, "Refused top_logprobs ..8"),
    (404, error("No endpoints found that support the parameter response_format", code=404), "Refused response_format"),
    (404, error("No endpoints found that can handle the requested parameters.", code=404), "Refused"),
    (415, {"error": "streaming is not supported here"}, "Refused stream"),
    (501, {"error": {"code": 501, "message": "logprobs is not implemented", "type": "not_supported_error"}}, "Refused logprobs"),
    # nothing recognised
    (400, {"error": {"message": "Bad request", "type": None}}, "Refused"),
    (422, "", "Refused"),
    (400, google("Request contains an invalid argument."), "Refused"),  # lbjlaq/Antigravity-Manager#1942

    # --- too long
    # vllm-project/vllm#20409
    (400, vllm("This model's maximum context length is 16384 tokens. However, you requested 122946 tokens (112946 in the "
               "messages, 10000 in the completion). Please reduce the length of the messages or completion."), "TooLong 16384"),
    # vllm-project/vllm#22803
    (400, vllm("'max_tokens' or 'max_completion_tokens' is too large: 32000. This model's maximum context length is 32768 tokens "
               "and your request has 1200 input tokens (32000 > 32768 - 1200)."), "TooLong 32768"),
    # vllm-project/vllm#4667
    (400, vllm("max_tokens must be at least 1, got -186."), "TooLong"),
    # OpenAI
    (400, error("This model's maximum context length is 4097 tokens. However, your messages resulted in 7575 tokens. Please reduce "
                "the length of the messages.", param="messages", code="context_length_exceeded"), "TooLong 4097"),
    (400, error("Your input exceeds the context window of this model. Please adjust your input and try again.", param="input",
                code="context_length_exceeded"), "TooLong"),
    # ggml-org/llama.cpp#15780
    (400, {"error": {"code": 400, "message": "the request exceeds the available context size, try increasing it",
           "type": "exceed_context_size_error", "n_prompt_tokens": 1407, "n_ctx": 256}}, "TooLong 256"),
    (500, {"error": {"code": 500, "message": "the request exceeds the available context size. try increasing the context size or "
           "enable context shift", "type": "server_error"}}, "TooLong"),
    # barun-saha/slide-deck-ai#44, huggingface/chat-ui#340
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000 `inputs` tokens and "
           "1024 `max_new_tokens`", "error_type": "validation"}, "TooLong 1512"),
    # huggingface/text-generation-inference#695
    (422, {"error": "Input validation error: `inputs` must have less than 1024 tokens. Given: 1168", "error_type": "validation"},
     "TooLong 1024"),
    # entropy-research/Devon#88
    (400, anthropic("prompt is too long: 209353 tokens > 199999 maximum"), "TooLong 199999"),
    # stackblitz/bolt.new#7422
    (400, anthropic("input length and `max_tokens` exceed context limit: 86888 + 119866 > 204648, decrease input length or "
                    "`max_tokens` and try again"), "TooLong 204648"),
    # google-gemini/gemini-cli#6678, #22609
    (400, google("The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."), "TooLong 1048576"),
    (400, google("The input token count exceeds the maximum number of tokens allowed 1048576."), "TooLong 1048576"),
    # QwenLM/Qwen3#1321 (SGLang)
    (400, vllm("The input (61709 tokens) is longer than the model's context length (40960 tokens)."), "TooLong 40960"),
    # Groq
    (413, error("Request too large for model `llama-3.3-70b-versatile` in organization `org_1` on tokens per minute (TPM): Limit 6000,"
                " Requested 9012, please reduce your message size and try again.", type="tokens", code="rate_limit_exceeded"),
     "TooLong 6000"),
    # danielmiessler/Fabric#364: it would never fit
    (429, error("Rate limit reached for model `llama3-70b-8192` in organization `org_1` on tokens per minute (TPM): Limit 7000, Used 0, "
                "Requested ~12903. Please try again in 50.597142857s.", type="tokens", code="rate_limit_exceeded"), "TooLong 7000"),
    (400, error("Please reduce the length of the messages or completion.", param="messages", code="context_length_exceeded"),
     "TooLong"),
    # Mistral
    (400, {"object": "error", "message": "Prompt contains 131100 tokens and 0 draft tokens, too large for model with 131072 maximum "
           "context length", "type": "invalid_request_prompt", "param": None, "code": "3051"}, "TooLong 131072"),
    # xAI
    (400, {"code": "Client specified an invalid argument", "error": "This model's maximum prompt length is 131072 but the request "
           "contains 150000 tokens."}, "TooLong 131072"),
    # Moonshot
    (400, error("Invalid request: Your request exceeded model token limit: 8192"), "TooLong 8192"),
    # Qwen
    (400, error("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
                code="invalid_parameter_error"), "TooLong 30720"),
    # LM Studio
    (400, {"error": "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded with context length "
           "of only 4096 tokens, which is not enough."}, "TooLong 4096"),
    # Bedrock
    (400, {"detail": "ValidationException: Input is too long for requested model."}, "TooLong"),
    (413, "<html><head><title>413 Request Entity Too Large</title></head><body>nginx</body></html>", "TooLong"),
    # Ollama
    (400, error("the input length exceeds the context length", type="invalid_request_error"), "TooLong"),

    # --- missed
    # thepersonalaicompany/amurex-backend#38 (Groq)
    (400, error("Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
                code="json_validate_failed", failed_generation='{"temperature is not supported'), "Missed"),
    (400, error("Failed to validate JSON. Please adjust your prompt.", code="json_validate_failed"), "Missed"),
    (400, error("Generated JSON does not match the expected schema. Please adjust your prompt. Errors: jsonschema: '' does not "
                "validate with /required: missing properties: 'items'", code="json_validate_failed"), "Missed"),
    (500, {"error": {"code": 500, "message": "Failed to parse input at pos 12: <tool", "type": "server_error"}}, "Missed"),

    # --- filters
    # compl-ai/compl-ai#20 (Azure)
    (400, {"error": {"message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy. Please "
           "modify your prompt and retry.", "type": None, "param": "prompt", "code": "content_filter", "status": 400,
           "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"violence": {"filtered": True}}}}}, "Filtered"),
    # deepseek-ai/DeepSeek-V2#30, 666ghj/BettaFish#108
    (400, {"detail": "Content Exists Risk"}, "Filtered"),
    (400, error("Content Exists Risk", code="invalid_request_error"), "Filtered"),
    # Qwen
    (400, error("Output data may contain inappropriate content.", code="data_inspection_failed", type="data_inspection_failed"), "Filtered"),
    # GLM
    (400, {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容，请您避免输入易产生敏感内容的提示语"}}, "Filtered"),
    # OpenAI
    (400, error("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", code="invalid_prompt"), "Filtered"),
    (400, error("Your request was rejected as a result of our safety system.", code="content_policy_violation"), "Filtered"),
    # Gemini
    (400, google("The prompt was blocked: PROHIBITED_CONTENT"), "Filtered"),
    # OpenRouter, docs: moderation errors
    (403, {"error": {"code": 403, "message": "openai/gpt-4o requires moderation on OpenAI. Your input was flagged", "metadata": {
        "reasons": ["violence"], "flagged_input": "You are Ada ...", "provider_name": "OpenAI", "model_slug": "x"}}}, "Filtered"),
    # xAI
    (403, {"code": "The caller does not have permission to execute the specified operation", "error": "Content violates usage guidelines. "
           "Failed check: SAFETY_CHECK_TYPE_BIO"}, "Filtered"),
    # Moonshot
    (400, error("The request was rejected because it was considered high risk", type="content_filter"), "Filtered"),
    # Anthropic
    (400, anthropic("Output blocked by content filtering policy"), "Filtered"),
    # LiteLLM
    (400, litellm("litellm.ContentPolicyViolationError: AzureException - The response was filtered"), "Filtered"),

    # --- credit and quota
    # QwenLM/qwen-code#73, can1357/oh-my-pi#9569
    (402, {"error": {"message": "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only "
           "afford 12.", "code": 402, "metadata": {"provider_name": None}}}, "OutOfCredit"),
    (402, error("Insufficient Balance", code="invalid_request_error", type="unknown_error"), "OutOfCredit"),
    (400, anthropic("Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase "
                    "credits."), "OutOfCredit"),
    # continuedev/continue#10373, #12670, griptape-ai/griptape-nodes-engine#1079 (xAI)
    (429, {"code": "Some resource has been exhausted", "error": "Your team 16f has either used all available credits or reached its monthly "
           "spending limit. To continue making API requests, please purchase more credits or raise your spending limit."}, "OutOfCredit"),
    (403, {"code": "The caller does not have permission to execute the specified operation", "error": "Your newly created team doesn't have "
           "any credits or licenses yet. You can purchase those on https://console.x.ai."}, "OutOfCredit"),
    # Wei-Shaw/sub2api#4069
    (403, {"code": "personal-team-blocked:spending-limit", "error": "You have run out of credits or need a Grok subscription."}, "OutOfCredit"),
    # continuedev/continue#11443 (Moonshot)
    (429, error("Your account org-1 is suspended due to insufficient balance, please recharge your account or check your plan and billing "
                "details", type="exceeded_current_quota_error"), "OutOfCredit"),
    # anomalyco/opencode#24462: the same behind a router
    (429, {"error": {"message": "Error from provider: Provider returned error", "code": 429, "metadata": {"raw": json.dumps(error(
        "Your account org-1 is suspended due to insufficient balance, please recharge your account"))}}}, "OutOfCredit"),
    # vercel/ai#9290 (GLM)
    (429, {"error": {"code": "1113", "message": "Insufficient balance or no resource package. Please recharge."}}, "OutOfCredit"),
    (429, {"error": {"code": "1113", "message": "余额不足或无可用资源包,请充值。"}}, "OutOfCredit"),
    # Qwen
    (400, error("Access denied, please make sure your account is in good standing.", code="Arrearage", type="Arrearage"), "OutOfCredit"),
    # langchain-ai/langchainjs#1929, mindsdb/anton#284
    (429, error("You exceeded your current quota, please check your plan and billing details.", type="insufficient_quota",
                code="insufficient_quota"), "Unreachable no-quota"),
    # GaiZhenbiao/ChuanhuChatGPT#792
    (429, error("You exceeded your current quota, please check your plan and billing details.", type="insufficient_quota"),
     "Unreachable no-quota"),

    # --- keys, models, places
    (401, error("Incorrect API key provided: sk-x. You can find your API key at https://platform.openai.com.", code="invalid_api_key"),
     "Unreachable http-401"),
    (401, {"statusCode": 401, "message": "Access denied due to invalid subscription key or wrong API endpoint."}, "Unreachable http-401"),
    (400, google("API key not valid. Please pass a valid API key.", details=[{"reason": "API_KEY_INVALID", "domain": "googleapis.com"}]),
     "Unreachable http-400"),
    (400, {"code": "Client specified an invalid argument", "error": "Incorrect API key provided: xa***. You can obtain an API key from "
           "https://console.x.ai."}, "Unreachable http-400"),
    (403, {"error": "Forbidden"}, "Unreachable http-403"),
    (401, anthropic("invalid x-api-key", "authentication_error"), "Unreachable http-401"),
    # xiaohui-zhangxh in crmne/ruby_llm#431
    (403, router({"error": {"code": "unsupported_country_region_territory", "message": "Country, region, or territory not supported",
                            "param": None, "type": "request_forbidden"}}, 403), "Unreachable http-403"),
    (400, google("User location is not supported for the API use.", "FAILED_PRECONDITION"), "Unreachable http-400"),
    # netease-youdao/QAnything#555
    (404, error('model "gpt-x" not found, try pulling it first', type="api_error"), "Unreachable http-404"),
    # skorokithakis/sysaidmin#9
    (400, error("The requested model 'gpt-4-1106-preview' does not exist.", param="model", code="model_not_found"), "Unreachable http-404"),
    # deepwn/addi#13
    (400, error("Model Not Exist", code="invalid_request_error"), "Unreachable http-404"),
    # continuedev/continue#10832
    (404, error("The model `llama3.1-405b` does not exist or you do not have access to it.", code="model_not_found"), "Unreachable http-404"),
    # yihong0618/bilingual_book_maker#464
    (404, {"code": "Some requested entity was not found", "error": "The model grok-beta does not exist or your team bdc does not have access "
           "to it. Please ensure you're using the correct API key."}, "Unreachable http-404"),
    (403, error("Project `proj_1` does not have access to model `gpt-x`", code="model_not_found"), "Unreachable http-404"),
    (400, {"object": "error", "message": "Invalid model: gpt-x", "type": "invalid_model", "param": None, "code": "1500"},
     "Unreachable http-404"),
    (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment for this resource does not exist. If you created the "
           "deployment within the last 5 minutes, please wait a moment and try again."}}, "Unreachable http-404"),
    (400, litellm("/chat/completions: Invalid model name passed in model=gpt-x. Call `/v1/models` to view available models for your key."),
     "Unreachable http-404"),
    (400, error("The model `mixtral-8x7b` has been decommissioned and is no longer supported.", code="model_decommissioned"),
     "Unreachable http-404"),
    (404, error("No models loaded. Please load a model in the developer page or use the 'lms load' command.", code="model_not_found"),
     "Unreachable http-404"),
    (400, error("gpt-x is not a valid model ID", code=400), "Unreachable http-404"),
    # rusiaaman/chat.md#2
    (404, {"error": {"code": "404", "message": "Resource not found"}}, "Unreachable http-404"),
    (404, "404 page not found", "Unreachable http-404"),
    (405, {"detail": "Method Not Allowed"}, "Unreachable http-405"),
    (307, "", "Unreachable http-307", {"location": "https://elsewhere.example.com/v1/chat/completions"}),
    (407, "", "Unreachable proxy"),
    # truefoundry/models#826
    (404, error("No endpoints available matching your guardrail restrictions and data policy. Configure: https://openrouter.ai/settings/privacy"),
     "Unreachable http-404"),
    (500, error("model requires more system memory (8.4 GiB) than is available (3.1 GiB)", type="api_error"), "Unreachable http-500"),
    (400, {"error": 'Failed to load model "x". Error: Model loading was stopped due to insufficient system resources.'}, "Unreachable http-400"),

    # --- loading
    # mostlygeek/llama-swap#146, containers/ramalama#2343
    (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "Loading"),
    # openinterpreter/openinterpreter#540
    (503, {"error": "Model meta-llama/Llama-2-7b is currently loading", "estimated_time": 20.0}, "Loading 20"),
    (500, error("llm server loading model", type="api_error"), "Loading"),
    # mindverse/Second-Me#20: in words of another server
    (500, {"error": {"code": 1, "message": "Request processing failed: Error code: 503 - {'error': {'code': 503, 'message': 'Loading model', "
           "'type': 'unavailable_error'}}", "data": None}}, "Loading"),
    (400, {"error": "Model unloaded."}, "Loading"),
    (424, {"error": "The endpoint is scaled to zero and its replica is starting"}, "Loading"),
    (503, {"error": "Model is not ready yet"}, "Loading 5", {"retry-after": "5"}),

    # --- busy
    # BuilderIO/micro-agent#86
    (429, error("Rate limit reached for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Used 29937, Requested 385. Please "
                "try again in 644ms.", type="tokens", code="rate_limit_exceeded"), "Overloaded 0.64"),
    (429, error("Rate limit reached for model `x` on tokens per day (TPD): Limit 100000, Used 99955, Requested 572. Please try again in "
                "7m35.04s.", type="tokens", code="rate_limit_exceeded"), "Overloaded 455.04"),
    # microsoft/copilot-camp#551, Azure-Samples/azure-search-openai-demo#177
    (429, {"error": {"code": "429", "message": "Rate limit is exceeded. Try again in 2 seconds."}}, "Overloaded 2"),
    # alex-wolf-ps/dbchatprov2#2
    (429, {"error": {"code": "429", "message": "Requests have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry "
           "after 86400 seconds."}}, "Overloaded 86400"),
    # microsoft/foundry-dev-tools#222
    (429, {"error": {"code": "RateLimitReached", "message": "Rate limit of 40000 per 60s exceeded for UserByModelByMinuteTokens. Please wait 60 "
           "seconds before retrying.", "details": "Rate limit of 40000 per 60s exceeded."}}, "Overloaded 60"),
    # FoundationAgents/OpenManus#746
    (429, anthropic("This request would exceed the rate limit for your organization of 20,000 input tokens per minute. Please reduce the prompt "
                    "length or the maximum tokens requested, or try again later.", "rate_limit_error"), "Overloaded"),
    # gke-labs/gemini-for-kubernetes-development#1215, ai.google.dev
    (429, google("You exceeded your current quota, please check your plan and billing details.\nPlease retry in 34.074824224s.",
                 "RESOURCE_EXHAUSTED", 429, details=[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]),
     "Overloaded 34"),
    # google-gemini/gemini-cli#14811
    (429, google("Resource exhausted. Please try again later.", "RESOURCE_EXHAUSTED", 429), "Overloaded"),
    # open-webui/computer#293
    (429, router("z-ai/glm-5.3-flash is temporarily rate-limited upstream. Please retry shortly, or add your own key to accumulate your rate "
                 "limits.", 429, provider_name="BaseTen"), "Overloaded"),
    (529, anthropic("Overloaded", "overloaded_error"), "Overloaded"),
    (429, {"error": "Model is overloaded", "error_type": "overloaded"}, "Overloaded"),
    (400, {"detail": "ThrottlingException: Too many tokens, please wait before trying again."}, "Overloaded"),
    (502, "<html><head><title>502 Bad Gateway</title></head><body><center><h1>502 Bad Gateway</h1></center></body></html>", "Overloaded"),
    (500, {"error": "llama runner process has terminated: exit status 2"}, "Overloaded"),
    (503, error("The server is overloaded or not ready yet.", type="server_error"), "Loading"),
    (408, "", "Overloaded"),
    (524, "<!DOCTYPE html><title>A timeout occurred</title>", "Overloaded"),
    (400, router("Too Many Requests", 429), "Overloaded"),
    # Models that cannot be asked so at all: Bedrock's inference profiles, Azure's and OpenAI's other APIs, Together's
    # dedicated endpoints, Ollama's embedding models, Gemini, GitHub Copilot, vLLM's base models without a template.
    (400, {"message": "Invocation of model ID anthropic.claude-x with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."}, "Unreachable http-400"),
    (400, error("The chatCompletion operation does not work with the specified model, ada-002. Please choose different model and try again.", code="OperationNotSupported"), "Unreachable http-400"),
    (400, error("Unable to access non-serverless model Qwen/Qwen2. Please visit https://api.together.ai/models/Qwen/Qwen2 to create and start a new dedicated endpoint for the model."), "Unreachable http-400"),
    (400, {"error": 'registry.ollama.ai/library/nomic-embed-text:latest does not support chat'}, "Unreachable http-400"),
    (400, google("models/embedding-001 is not supported for generateContent"), "Unreachable http-400"),
    (400, error('model "gpt-5-codex" is not accessible via the /chat/completions endpoint', code="unsupported_api_for_model"), "Unreachable http-400"),
    (404, error("This model is only supported in v1/responses and not in v1/chat/completions."), "Unreachable http-404"),
    (400, {"message": "This action doesn't support the model that you provided. Try again with a supported text or chat model."}, "Unreachable http-400"),
    (400, vllm("As of transformers v4.44, default chat template is no longer allowed, so you must provide a chat template if the tokenizer does not define one."), "Unreachable http-400"),
    # AWS Bedrock's quota; Groq and OpenAI say when the day is over
    (429, {"message": "Too many tokens per day, please wait before trying again."}, "Unreachable no-quota"),
    (429, error("Rate limit reached for model `x` on requests per day (RPD): Limit 1000, Used 1000, Requested 1. Please try again in 1m26.4s."), "Overloaded 86.4"),
    # The same words about a part of the request.
    (400, error("This model does not support logprobs in the chat completions endpoint"), "Refused logprobs"),
    (400, error("'temperature' is not supported by this model in the Chat Completions API"), "Refused temperature"),
    (400, error("seed is not supported for on-demand models"), "Refused seed"),
    (400, error("Chat template error: System messages must be at index 0"), "Refused system"),
    (500, error("The dedicated endpoint met an error"), "Overloaded"),
]  # fmt: skip

FRESH: list[Row] = [
    # --- refused: other servers, other words
    (400, error("Unsupported parameter: 'logprobs' is not supported with reasoning models.", param="logprobs"), "Refused logprobs"),
    (400, error("Invalid value for 'seed': must be a 32 bit integer"), "Refused seed"),
    (400, {"message": "seed is not a recognized parameter"}, "Refused seed"),
    (400, {"error": "unknown field `stream_options`"}, "Refused stream_options"),
    (422, "unknown field `seed`, expected one of `model`, `messages`, `temperature`, `stop` at line 1 column 200", "Refused seed"),
    (400, {"fault": {"faultstring": "Property 'topLogprobs' is not defined in the schema", "detail": {"errorcode": "x"}}},
     "Refused top_logprobs"),
    (400, {"error": {"code": "InvalidRequest", "message": "body.generationConfig.responseSchema: Unknown field"}}, "Refused response_format"),
    (400, {"errors": [{"path": ["stop"], "message": "Array must contain at most 4 element(s)"}]}, "Refused stop ..4"),
    (400, {"success": False, "error": {"issues": [{"code": "too_big", "maximum": 1, "path": ["temperature"],
           "message": "Number must be less than or equal to 1"}]}}, "Refused temperature ..1"),
    (400, {"detail": "temperature must be in [0.0, 1.0]"}, "Refused temperature 0..1"),
    (400, {"detail": "temperature must be > 0 and <= 2"}, "Refused temperature 0.01..2"),
    (400, {"error": "Temperature value 2.5 is out of range (0 - 1)"}, "Refused temperature 0..1"),
    (400, {"error": "temperature: must be less than 2"}, "Refused temperature ..1.99"),
    (400, {"error": "temperature should be no greater than 1.0"}, "Refused temperature ..1"),
    (400, {"code": 20015, "message": "The parameter is invalid. temperature value must be in range (0, 2)", "data": None},
     "Refused temperature 0.01..1.99"),
    (400, anthropic("temperature: Input should be less than or equal to 1"), "Refused temperature ..1"),
    (400, anthropic("`temperature` is deprecated for this model."), "Refused temperature"),
    (400, anthropic("output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"),
     "Refused response_format"),
    (400, error("'max_tokens' must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for "
                "this model", param="max_tokens"), "Refused max_tokens ..8192"),
    (400, {"error": "max_tokens exceeds the maximum of 32,768 output tokens for this model"}, "Refused max_tokens ..32768"),
    (400, {"message": "max_tokens must not exceed 4096"}, "Refused max_tokens ..4096"),
    (400, google("Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to "
                 "65537 (exclusive)."), "Refused max_tokens 1..65536"),
    (400, {"message": "1 validation error detected: Value '2.5' at 'inferenceConfig.temperature' failed to satisfy constraint: Member must have "
           "value less than or equal to 1"}, "Refused temperature ..1"),
    (400, {"message": "Malformed input request: extraneous key [seed] is not permitted, please reformat your input and try again."},
     "Refused seed"),
    (400, error("top_logprobs must be <= 5"), "Refused top_logprobs ..5"),
    (400, error("Only up to 8 top logprobs are supported"), "Refused top_logprobs ..8"),
    (400, {"error": {"message": "JSON mode is not supported for this model"}}, "Refused response_format"),
    (400, {"error": {"message": "This model does not support response format `json_schema`. See supported models at https://x"}},
     "Refused response_format"),
    (400, {"error": {"message": "structured outputs are not available on your plan"}}, "Refused response_format"),
    (400, vllm("guided decoding is disabled on this server"), "Refused response_format"),
    (500, {"error": {"message": "Invalid grammar request with cache hit=False: ('json', '{}')", "type": "InternalServerError"}},
     "Refused response_format"),
    (400, error("The model does not support system messages"), "Refused system"),
    (400, {"error": "Only user, assistant and tool roles are supported, but got system."}, "Refused system"),
    (400, {"detail": "Invalid role: system"}, "Refused system"),
    (400, {"message": "role 'developer' is not one of ['user', 'assistant']"}, "Refused system"),
    (400, vllm("After the optional system message, conversation roles must alternate user/assistant/user/assistant/..."), "Refused system"),
    (400, {"error": "stop sequences are not supported by this model"}, "Refused stop"),
    (400, {"error": "Streaming is not supported for this model."}, "Refused stream"),
    (400, {"error": {"message": "Unrecognized request arguments supplied: logprobs, top_logprobs"}}, "Refused logprobs"),
    (403, {"error": {"message": "logprobs are not permitted on the free tier"}}, "Refused logprobs"),
    (400, router({"object": "error", "message": "Unsupported parameter: seed", "code": 400}), "Refused seed"),
    (500, router(error(UNSUPPORTED.format("stop"), param="stop")), "Refused stop"),
    (400, {"error": {"message": "HTTP 422: [{'loc': ['body', 'top_logprobs'], 'msg': 'Input should be less than or equal to 10', 'type': "
                     "'less_than_equal'}]"}}, "Refused top_logprobs ..10"),
    (400, '{"error": {"message": "bad value", "param": "seed"}}\n{"error": {"message": "bad value"}}', "Refused seed"),
    (400, 'data: {"error": {"message": "`seed` is not supported"}}\n\n', "Refused seed"),
    (400, "Bad Request: parameter dry_multiplier unknown", "Refused dry_multiplier", LLAMA),
    (400, {"error": "The request stopped before the seeded limit"}, "Refused"),
    (400, {"error": "You exceeded something; the process was stopped"}, "Refused"),
    (400, {"error": {"message": "tools is required"}}, "Refused"),

    # --- too long
    (400, {"error": "Requested token count exceeds the model's maximum context length of 32768 tokens. You requested a total of 40000 tokens."},
     "TooLong 32768"),
    (400, {"error": "The prompt is too long: 35000, model maximum context length: 32768"}, "TooLong 32768"),
    (400, {"message": "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192", "type":
           "invalid_request_error", "param": "messages", "code": "context_length_exceeded"}, "TooLong 8192"),
    (400, {"error": "Requested tokens (2285) exceed context window of 2048"}, "TooLong 2048"),
    (400, {"error": {"message": "Prompt tokens (9000) exceeds context size (8192)", "type": "context_exceeded", "n_ctx": 8192}}, "TooLong 8192"),
    (400, litellm("litellm.ContextWindowExceededError: litellm.BadRequestError: VertexAIException - input is too long"), "TooLong"),
    (400, {"error": {"code": "1261", "message": "Prompt exceeds max length"}}, "TooLong"),
    (400, error("This endpoint's maximum context length is 131072 tokens. However, you requested about 150000 tokens (50000 of text input, "
                "100000 in the output)."), "TooLong 131072"),
    (429, error("Request too large for gpt-4o in organization org-1 on tokens per min (TPM): Limit 30000, Requested 45000. The input or output "
                "tokens must be reduced in order to run successfully."), "TooLong 30000"),
    (400, {"error": "Input length 5000 exceeds the maximum length of 4096"}, "TooLong 4096"),
    (500, {"error": {"message": "input (9000 tokens) is too large to process. increase the physical batch size"}}, "TooLong"),

    # --- missed, filters
    (400, litellm("litellm.APIError: JSONSchemaValidationError: model=x, returned an invalid response={}"), "Missed"),
    (422, {"error": "The model did not return valid JSON for the given schema"}, "Missed"),
    (400, {"error": {"code": "sensitive_words_detected", "message": "sensitive words detected"}}, "Filtered"),
    (400, {"error": {"code": "moderation_blocked", "message": "blocked"}}, "Filtered"),
    (403, {"error": "Request blocked by guardrail policy: violence"}, "Filtered"),
    (400, {"detail": "Your prompt contains harmful content and was rejected"}, "Filtered"),
    (400, {"error": {"message": "Input data may contain inappropriate content.", "code": "DataInspectionFailed"}}, "Filtered"),
    (403, router({"error": {"message": "Prompt violates our content policy"}}, 403), "Filtered"),

    # --- credit, keys, models
    (402, "", "OutOfCredit"),
    (403, {"error": "Your account balance is insufficient"}, "OutOfCredit"),
    (401, {"type": "error", "error": {"type": "CreditsError", "message": "No payment method. Add a payment method here"}}, "OutOfCredit"),
    (400, {"error": {"message": "ExceededBudget: budget has been exceeded! Current cost: 10.1, Max budget: 10", "type": "budget_exceeded"}},
     "OutOfCredit"),
    (429, {"error": {"message": "Your prepaid credits are depleted", "status": "RESOURCE_EXHAUSTED"}}, "OutOfCredit"),
    (403, {"code": 30001, "message": "Sorry, your account balance is insufficient", "data": None}, "OutOfCredit"),
    (402, {"error": "Monthly included credits used up"}, "OutOfCredit"),
    (400, {"error": "No API key provided"}, "Unreachable http-400"),
    (403, {"message": "Missing Authentication Token"}, "Unreachable http-403"),
    (401, "", "Unreachable http-401"),
    (404, {"error": "model 'llama9' not found"}, "Unreachable http-404"),
    (400, {"error": {"message": "Unknown model: gpt-x"}}, "Unreachable http-404"),
    (404, vllm("The model `gpt-x` does not exist.", type="NotFoundError", code=404), "Unreachable http-404"),
    (403, {"error": {"message": "You don't have access to the model with the specified model ID."}}, "Unreachable http-404"),
    (400, {"message": "The provided model identifier is invalid."}, "Unreachable http-404"),
    (404, google("models/gemini-9 is not found for API version v1main, or is not supported for generateContent.", "NOT_FOUND", 404),
     "Unreachable http-404"),
    (400, {"error": {"code": "1211", "message": "模型不存在，请检查模型代码。"}}, "Unreachable http-404"),
    (302, "", "Unreachable http-302", {"location": "/login?key=s3cret"}),

    # --- loading, busy
    (503, {"error": {"message": "The model is warming up, try again in 30 seconds"}}, "Loading 30"),
    (503, {"message": "Model is starting. Please retry after 1 minute"}, "Loading 60"),
    (503, {"error": "engine is sleeping"}, "Loading"),
    (503, {"error": "Service initializing", "retry_after": 12}, "Loading 12"),
    (500, {"error": "timed out waiting for llama runner to start"}, "Loading"),
    (503, "Service Unavailable", "Overloaded"),
    (429, {"error": {"code": "1302", "message": "您当前使用该API的并发数过高"}}, "Overloaded"),
    (429, error("Organization Rate limit exceeded, please try again after 1 seconds", type="rate_limit_reached_error"), "Overloaded 1"),
    (429, error("The engine is currently overloaded, please try again later", type="engine_overloaded_error"), "Overloaded"),
    (498, {"error": "flex tier capacity exceeded"}, "Overloaded"),
    (429, {"message": "Requests rate limit exceeded"}, "Overloaded 3", {"ratelimit-reset": "3", "ratelimit-remaining": "0"}),
    (500, {"error": {"message": "Internal server error: temperature sensor"}}, "Overloaded"),
    (504, "", "Overloaded"),
    (400, {"error": {"message": "Rate limit reached, please slow down"}}, "Overloaded"),
    (403, {"error": {"message": "Too many requests from this address"}}, "Overloaded"),
]  # fmt: skip

ODD: list[Row] = [
    (400,{"error":{"message":"frequency: unsupported; logprobs: unsupported"}},"Refused logprobs"),
    (422,{"detail":[{"type":"greater_than","loc":["body","temperature"],"msg":"Input should be greater than 0","ctx":{"gt":0}}]},"Refused temperature 0.01..",COLD),
    (400,{"error":"Value for top_logprobs cannot be larger than 5"},"Refused top_logprobs ..5"),
    (400,{"error":{"message":"The seed parameter is not available for this model"}},"Refused seed"),
    (400,{"message":"Unknown argument: streamOptions"},"Refused stream_options"),
    (400,{"error":{"message":"response_format.json_schema.strict: not supported"}},"Refused response_format"),
    (400,{"error":"json_object is the only response format supported"},"Refused response_format"),
    (400,{"error":{"message":"Too many stop sequences: maximum is 4"}},"Refused stop ..4"),
    (400,{"error":{"message":"The 'stop' parameter is not supported by o3"}},"Refused stop"),
    (400,{"message":"the value of max_tokens is too big, it should be at most 2048"},"Refused max_tokens ..2048"),
    (400,{"error":{"message":"Model output limit exceeded: requested 100000, limit is 8192 output tokens"}},"Refused max_tokens ..8192"),
    (400,{"error":"temperature can't be set for thinking models"},"Refused temperature"),
    (400,{"error":{"message":"You may not set sampling temperature above 1.0"}},"Refused temperature ..1"),
    (422,{"errors":[{"field":"max_tokens","error":"max is 1024"}]},"Refused max_tokens ..1024"),
    (400,{"error":{"message":"Invalid message role 'system' at index 0"}},"Refused system"),
    (400,{"error":{"message":"This model has no system prompt support"}},"Refused system"),
    (403,{"error":{"message":"json_schema requires a paid plan: not allowed"}},"Refused response_format"),
    (400,{"error":{"message":"stream_options can only be set when stream is true"}},"Refused stream_options"),
    (400,"Unsupported option 'logprobs'","Refused logprobs"),
    (400,{"message":"grammar is not a known field"},"Refused grammar",LLAMA),
    (400,{"error":"Your prompt has 9000 tokens which is over the 8192 token context window"},"TooLong 8192"),
    (400,{"error":{"message":"Sequence too long: model max_model_len is 4096"}},"TooLong 4096"),
    (400,{"error":{"message":"Total tokens (prompt + completion) 9000 exceed the context size of 8192"}},"TooLong 8192"),
    (400,{"error":{"message":"messages too long, please shorten"}},"TooLong"),
    (400,{"error":{"message":"prompt length (9000) must be less than 8192"}},"TooLong 8192"),
    (400,{"error":{"message":"Model output is not valid JSON for schema x"}},"Missed"),
    (400,{"error":{"message":"Blocked for safety reasons","code":"SAFETY"}},"Filtered"),
    (400,{"error":{"message":"The request violates our acceptable use policy"}},"Filtered"),
    (403,{"error":{"message":"Prompt rejected by content safety"}},"Filtered"),
    (403,{"error":{"message":"You ran out of credit"}},"OutOfCredit"),
    (400,{"error":{"message":"Quota of paid credit is exhausted, please add funds"}},"OutOfCredit"),
    (429,{"error":{"message":"Your wallet has insufficient funds"}},"OutOfCredit"),
    (400,{"error":{"message":"Expired API token"}},"Unreachable http-400"),
    (403,{"detail":"Not authenticated"},"Unreachable http-403"),
    (400,{"error":{"message":"Requested model gpt-x could not be found"}},"Unreachable http-404"),
    (422,{"error":{"message":"No model named gpt-x"}},"Unreachable http-404"),
    (400,{"error":{"message":"gpt-x: model is not supported here"}},"Unreachable http-404"),
    (503,{"error":"Downloading and loading weights"},"Loading"),
    (503,{"error":"Model is being loaded into memory, ETA 45s"},"Loading"),
    (503,{"detail":"Server not ready"},"Loading"),
    (429,{"error":"Slow down! Retry in 2 min"},"Overloaded 120"),
    (503,{"error":"no healthy upstream"},"Overloaded"),
    (400,{"error":{"message":"Concurrency limit reached"}},"Overloaded"),
    (429,{"error":{"message":"quota per minute used up","retry_after_seconds":8}},"Overloaded 8"),
    (429,{"errors":[{"message":"AiError: you have used up your daily free allocation of 10,000 neurons","code":4006}]},"Unreachable no-quota"),
    (429,{"error":{"message":"Daily token limit reached. Try again in 40s"}},"Overloaded 40"),
    (403,"<html><title>Just a moment...</title>Enable JavaScript and cookies to continue</html>","Unreachable robot-wall"),
    (403,{"error_code":"PERMISSION_DENIED","message":"The endpoint is temporarily disabled due to a rate limit of 0."},"Unreachable http-403"),
]  # fmt: skip
"""Words that no server is known to use; 35 of 44 were understood before anything was changed for them."""


def ids(rows: list[Row]) -> list[str]:
    return [f"{number}-{row[0]}-{row[2]}" for number, row in enumerate(rows)]


def told(error: ModelError) -> str:
    """A class, and what it knows beside its message."""
    name = type(error).__name__
    match error:
        case Refused():
            span = [f"{bound:g}" if bound is not None else "" for bound in (error.least, error.most)]
            return " ".join(filter(None, (name, error.feature, "..".join(span) if any(span) else "")))
        case TooLong():
            return f"{name} {error.limit}" if error.limit else name
        case Overloaded():
            return name if error.retry_after is None else f"{name} {round(error.retry_after, 2):g}"
        case Unreachable():
            return f"{name} {error.kind}"
    return name


def answer(row: Row) -> ModelError:
    """The row's answer as the client library reports it."""
    status, body, _, *more = row
    sent = next((one for one in more if "messages" in one), SENT)
    headers: dict[str, str] = next((one for one in more if "messages" not in one), {})
    return map_error(raised(status, body, headers), PLACE, sent)


def raised(status: int, body: Any, headers: Mapping[str, str] = {}) -> openai.APIStatusError:
    text = body if isinstance(body, str) else json.dumps(body)
    response = httpx2.Response(status, text=text, headers=headers, request=httpx2.Request("POST", PLACE))
    return client()._make_status_error_from_response(response)


@cache
def client() -> openai.OpenAI:
    return openai.OpenAI(api_key="x", base_url=PLACE)


@pytest.mark.parametrize("row", FITTED + FRESH + ODD, ids=ids(FITTED + FRESH + ODD))
def test_what_a_body_says_is_understood(row: Row) -> None:
    mapped = answer(row)
    assert told(mapped) == row[2], mapped
    assert "\n" not in str(mapped)
    assert PLACE in str(mapped)


@pytest.mark.parametrize(
    ("stray", "meaning"),
    [
        ({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "OutOfCredit"),
        ({"error_code": 17, "error_msg": "Open api daily request limit reached"}, "Unreachable no-quota"),
        (
            {"base_resp": {"status_code": 2013, "status_msg": "invalid params, temperature must be in (0.0, 1.0]"}},
            "Refused temperature 0.01..1",
        ),
        ({"input_sensitive": True, "base_resp": {"status_msg": "input new_sensitive"}}, "Filtered"),
        ({"outputs": [{"text": ""}], "amazon-bedrock-guardrailAction": "INTERVENED"}, "Filtered"),
        ({"code": -1, "message": "rate limited, try again in 3s"}, "Overloaded 3"),
        ({"id": "sync-4f1a", "status": "IN_QUEUE"}, "BadAnswer"),
        ({"id": "x", "choices": [], "usage": {"prompt_tokens": 3}}, "BadAnswer"),
    ],
)  # fmt: skip
async def test_an_answer_without_a_choice_is_read_for_its_reason(stray: Any, meaning: str) -> None:
    async def chunks() -> AsyncIterator[Any]:
        yield stray

    with pytest.raises(ModelError) as caught:
        await assemble(chunks(), 1000, PLACE, SENT)
    assert told(caught.value) == meaning
    assert f"{PLACE} answered without a choice: " in str(caught.value)


# --- what is not evidence --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        error(f"Bad request: {CARD}"),
        error(f"Bad request: {CARD[:60]}..."),
        error("Bad request", input={"messages": SENT["messages"], "model": "gpt-x", "seed": 11}),
        {
            "detail": [
                {
                    "loc": ["body"],
                    "msg": "unsupported",
                    "input": {"temperature": "unsupported", "seed": 11, "stop": "x"},
                }
            ]
        },
        {"error": "unsupported", "request": json.dumps(SENT)},
        {"error": "unsupported", "echo": SENT},
        error("Bad request", failed_generation="the temperature is not supported"),
    ],
)
def test_what_is_repeated_of_our_request_is_no_evidence(body: Any) -> None:
    mapped = answer((400, body, ""))
    assert told(mapped) == "Refused"
    assert mapped.kind == "http-400"


@pytest.mark.parametrize(
    "feature", ["temperature", "seed", "logprobs", "stop", "stream_options", "response_format", "max_tokens"]
)
def test_only_what_was_sent_can_be_at_fault(feature: str) -> None:
    less = {key: value for key, value in SENT.items() if key != feature}
    bodies = [
        error(UNSUPPORTED.format(feature), param=feature),
        {"detail": extra(feature)},
        f"{feature} is not supported",
    ]
    assert {told(answer((400, body, "", less))) for body in bodies} == {"Refused"}
    assert {told(answer((400, body, "", SENT))) for body in bodies} == {f"Refused {feature}"}


def test_a_bound_that_our_value_keeps_is_not_what_is_wrong() -> None:
    body = error("temperature must be between 0 and 2")
    assert told(answer((400, body, "", SENT | {"temperature": 1.0}))) == "Refused temperature"


# --- what is shown ---------------------------------------------------------------------------------

UNUSUAL: list[tuple[Any, str]] = [
    ({"detail": [{"loc": ["body", "x"], "msg": "quite wrong"}]}, "quite wrong"),
    (router({"error": {"message": "quite wrong"}}), "quite wrong"),
    (["quite wrong"], "quite wrong"),
    ("quite wrong", "quite wrong"),
    ('{"error": {"message": "quite wrong"', "quite wrong"),
    ('{"a": 1}\n{"message": "quite wrong"}\n', "quite wrong"),
    ("<html><head><style>p {}</style><title>quite</title></head><body><p>quite wrong</p></body></html>", "quite wrong"),
    ({"error": {"code": "quite_wrong"}}, "quite_wrong"),
    ({"whatever": {"deep": [{"inside": "quite wrong"}]}}, "quite wrong"),
    ({"error": json.dumps({"error": json.dumps({"message": "quite wrong"})})}, "quite wrong"),
    ("", "nothing but this status"),
    ("null", "null"),
    ({}, "{}"),
]


@pytest.mark.parametrize(("body", "words"), UNUSUAL)
@pytest.mark.parametrize("status", [400, 401, 404, 422, 429, 500])
def test_an_error_shows_what_the_body_said(body: Any, words: str, status: int) -> None:
    assert words in str(answer((status, body, "")))


def test_a_key_that_a_body_repeats_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "KNOWN", {})
    redact.remember("sk-canary-0123456789")
    for body in (
        error("no sk-canary-0123456789"),
        "sk-canary-0123456789",
        '{"error": {"message": "\\u0073k-canary-0123456789"}}',
        {"a": ["sk-canary-0123456789"]},
    ):
        assert "0123456789" not in str(answer((401, body, "")))
    padded = json.dumps(error(" " * 99_985 + "sk-canary-0123456789"))
    assert "sk-canary" not in str(answer((401, padded, "")))


# --- nothing is raised -----------------------------------------------------------------------------

words = st.sampled_from(
    [
        *SENT,
        "not supported",
        "must be <= 5",
        "maximum context length is",
        "try again in",
        "{'a': (",
        "[[{",
        '\\"',
        "1e999",
        CARD,
    ]
)
texts = st.lists(words | st.text(max_size=12), max_size=6).map(" ".join)
keys = st.sampled_from(
    ["error", "message", "detail", "loc", "param", "code", "type", "ctx", "headers", "metadata", "raw", "input"]
) | st.text(max_size=5)
trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5) | inner.map(lambda one: json.dumps(one))
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(
    trees, st.sampled_from([0, 200, 302, 400, 403, 404, 413, 418, 422, 429, 500, 503, 599]), st.just({}) | st.just(SENT)
)
def test_whatever_a_body_holds_it_becomes_one_of_our_errors(body: Any, status: int, sent: Any) -> None:
    for mapped in (
        map_answer(status, {}, body, PLACE, sent),
        map_answer(status, {}, json.dumps(body), PLACE, sent),
        error_in_body(body, PLACE, sent),
    ):
        assert isinstance(mapped, (WrongRequest, Overloaded, Unreachable, BadAnswer, OutOfCredit))
        assert "\n" not in str(mapped)
        assert mapped.retry_after is None or 0 <= mapped.retry_after < 1e9


@pytest.mark.parametrize(
    "text",
    [
        "[" * 50_000,
        "{'a':" * 20_000,
        '{"a": "' + "{" * 90_000,
        "9" * 90_000,
        "(" * 90_000,
        '\\"{' * 30_000,
        "a.b " * 20_000,
    ],
)
def test_long_and_deep_bodies_end_soon(text: str) -> None:
    began = time.process_time()
    assert map_answer(400, {}, text, PLACE, SENT)
    assert time.process_time() - began < 3


# --- errors within a stream, or with status 200 ----------------------------------------------------

INSIDE: list[tuple[Any, str, str]] = [
    # UKGovernmentBEIS/inspect_ai#1534, openai/openai-agents-python#2850
    ({"message": "Provider returned error", "code": 429, "metadata": {"raw": "Too Many Requests"}}, "Overloaded", "http-429"),
    # damianvtran/local-operator#223
    ({"code": 502, "message": "Provider disconnected", "metadata": {"error_type": "provider_unavailable"}}, "Overloaded", "http-502"),
    ({"message": "The server had an error", "type": "server_error"}, "Overloaded", "broken-stream"),
    ({"type": "overloaded_error", "message": "Overloaded"}, "Overloaded", "http-529"),
    ({"message": UNSUPPORTED.format("seed"), "param": "seed", "type": "invalid_request_error"}, "Refused seed", "unsupported"),
    ({"code": 402, "message": "more credits are needed"}, "OutOfCredit", "no-credit"),
    # huggingface/text-generation-inference#2749
    ({"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9", "error_type": "validation"},
     "TooLong 4096", "context-overflow"),
    # oobabooga/textgen#7257
    ({"code": 400, "message": "the request exceeds the available context size.", "type": "exceed_context_size_error", "n_ctx": 8192},
     "TooLong 8192", "context-overflow"),
    ({"code": "content_filter", "message": "filtered"}, "Filtered", "content-filter"),
    ("something broke", "Overloaded", "broken-stream"),
    (None, "Overloaded", "broken-stream"),
    ({"code": 429, "message": "wait", "metadata": {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}}}, "Overloaded 30", "http-429"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "expected", "kind"), INSIDE)
def test_an_error_within_an_answer_has_the_kind_of_its_code(value: Any, expected: str, kind: str) -> None:
    mapped = error_in_body(value, PLACE, SENT)
    assert (told(mapped), mapped.kind) == (expected, kind)
    request = httpx2.Request("POST", PLACE)
    assert told(map_error(openai.APIError("An error occurred", request, body=value or "x"), PLACE, SENT)) == expected


# --- waits -----------------------------------------------------------------------------------------

NOW = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
SOON = NOW + timedelta(seconds=1000)
WAITS: list[tuple[dict[str, str], str, float | None]] = [
    ({"retry-after": "7"}, "", 7),
    ({"Retry-After": "0.5"}, "", 0.5),
    ({"retry-after": format_datetime(SOON, usegmt=True)}, "", 1000),
    ({"retry-after-ms": "1500", "retry-after": "2"}, "", 1.5),
    ({"x-ms-retry-after-ms": "250"}, "", 0.25),
    ({"retry-after": "0"}, "Please try again in 20s", 20),
    ({"x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-requests": "0"}, "", 90),
    ({"x-ratelimit-reset-requests": "1m30s", "x-ratelimit-remaining-requests": "12"}, "", None),
    ({"x-ratelimit-reset-tokens": "120ms", "x-ratelimit-remaining-tokens": "0"}, "", 0.12),
    ({"x-ratelimit-reset-tokens": "6m0s"}, "", 360),
    ({"x-ratelimit-reset-tokens": "14.7s", "x-ratelimit-reset-requests": "9h", "x-ratelimit-remaining-requests": "3"}, "", 14.7),
    ({"x-ratelimit-reset-requests-day": "33011.4", "x-ratelimit-remaining-requests-day": "0"}, "", 33011.4),
    ({"x-ratelimit-reset": f"{SOON.timestamp() * 1000:.0f}", "x-ratelimit-remaining": "0"}, "", 1000),
    ({"x-ratelimit-reset": f"{SOON.timestamp():.0f}"}, "", 1000),
    ({"anthropic-ratelimit-tokens-reset": SOON.isoformat(), "anthropic-ratelimit-tokens-remaining": "0"}, "", 1000),
    ({"anthropic-ratelimit-requests-reset": SOON.isoformat().replace("+00:00", "Z"), "anthropic-ratelimit-requests-remaining": "9"}, "", None),
    ({"ratelimit-reset": "30", "ratelimit-remaining": "0"}, "", 30),
    ({"ratelimit": '"default";r=0;t=12'}, "", 12),
    ({}, "Please try again in 14.7s.", 14.7),
    ({}, "Please try again in 7m12.5s. Visit", 432.5),
    ({}, "Try again in 34 seconds", 34),
    ({}, "Please retry in 34.074824224s.", 34.074824224),
    ({}, "retry after 20 seconds", 20),
    ({}, "please wait 3 minutes", 180),
    ({}, "Please wait for 1 hour and 5 minutes before the next", 3900),
    ({}, "Please try again in 644ms", 0.644),
    ({}, "请在 30 秒后重试", 30),
    ({}, json.dumps({"error": {"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}]}}), 34),
    ({}, json.dumps({"error": {"message": json.dumps({"retryDelay": "3.5s"})}}), 3.5),
    ({}, '{"retry_after": 12.5}', 12.5),
    ({}, '{"retryAfter": 9}', 9),
    ({}, '{"retry_after_ms": 900}', 0.9),
    ({}, '{"estimated_time": 20.0}', 20),
    ({}, "There were 3 retries", None),
    ({}, "we are sorry", None),
    ({}, "", None),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "text", "expected"), WAITS)
def test_a_wait_is_read_from_every_form(
    monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], text: str, expected: float | None
) -> None:
    monkeypatch.setattr(wait_hints, "time", NOW.timestamp)
    assert wait_of(headers, text) == (None if expected is None else pytest.approx(expected, abs=0.001))


NONSENSE = [
    "-5",
    "nan",
    "inf",
    "1e308",
    "9" * 400,
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "9999-12-31T23:59:59Z",
    "soon",
    "",
    "1e400s",
    "-1m",
    "٣",
]


@pytest.mark.parametrize("value", NONSENSE)
@pytest.mark.parametrize(
    "name", ["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens", "x-ratelimit-reset", "ratelimit-reset"]
)
def test_a_wish_that_makes_no_sense_is_none(name: str, value: str) -> None:
    assert wait_of({name: value}, f"retry in {value} seconds, retry_after: {value}") in (None, 0, 3, 5, 60)
    assert wait_of({name: value}) in (None, 0, 3)


# --- below HTTP ------------------------------------------------------------------------------------


def caused(*chain: BaseException) -> openai.APIConnectionError:
    """A connection error of the client library with what led to it, as the libraries chain it."""
    outer: BaseException = openai.APIConnectionError(request=httpx2.Request("POST", PLACE))
    top = outer
    for cause in chain:
        outer.__cause__ = cause
        outer = cause
    assert isinstance(top, openai.APIConnectionError)
    return top


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "no-connection", "nothing listens"),
        (socket.gaierror(-2, "Name or service not known"), "no-connection", "no address is known for llm.example.org"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "no-tls", "SSL_CERT_FILE"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number"), "no-tls", "http://"),
        (httpx2.ProxyError("407 Proxy Authentication Required"), "proxy", "407"),
        (httpx2.ReadError("reset"), "broken-stream", "broke off"),
    ],
)
def test_the_cause_below_a_connection_error_is_named(
    monkeypatch: pytest.MonkeyPatch, cause: BaseException, kind: str, words: str
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    mapped = map_error(caused(httpx2.ConnectError("All connection attempts failed"), cause), PLACE, SENT)
    assert mapped.kind == kind
    assert words in str(mapped)


def test_a_proxy_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:s3cret@proxy.example.org:3128")
    refused = caused(httpx2.ConnectError("x"), ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
    said = str(map_error(refused, PLACE, SENT))
    assert "HTTPS_PROXY" in said
    assert "proxy.example.org:3128" in said
    assert "s3cret" not in said
    monkeypatch.setenv("NO_PROXY", "example.org")
    assert "PROXY" not in str(map_error(refused, PLACE, SENT))
    monkeypatch.delenv("NO_PROXY")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC])
def test_a_machine_without_resources_is_no_fault_of_the_endpoint(number: int) -> None:
    lacking = OSError(number, "no")
    group = ExceptionGroup("all attempts", [ValueError("x"), lacking])
    for error in (lacking, caused(lacking), caused(httpx2.ConnectError("x"), OSError("All failed"), group)):
        with pytest.raises(OutOfResources) as caught:
            map_error(error, PLACE, SENT)
        assert caught.value.exit_code == 5
        assert not isinstance(caught.value, ModelError)


def test_lack_of_memory_is_found_where_it_was_not_the_declared_cause() -> None:
    later = ValueError("while that was handled")
    later.__context__ = MemoryError()
    assert isinstance(shortage(later), OutOfResources)
    later.__suppress_context__ = True  # `raise ... from None`, as libraries do it
    assert isinstance(shortage(later), OutOfResources)


def test_a_redirect_says_where_it_points_without_its_secrets() -> None:
    mapped = map_answer(
        302, {"location": "https://u:pw@elsewhere.example.com/login?token=s3cret-s3cret"}, "", PLACE, SENT
    )
    assert "elsewhere.example.com/login" in str(mapped)
    assert "s3cret" not in str(mapped)
    assert "pw" not in str(mapped)


@pytest.mark.parametrize(
    ("endpoint", "hint"),
    [
        ("https://h.org", "/v1"),
        ("https://h.org/v1/chat/completions", "ends before"),
        ("https://h.org/v1", None),
        ("https://h.org/v1beta/openai", None),
    ],
)
def test_a_wrong_path_is_hinted_at(endpoint: str, hint: str | None) -> None:
    said = str(map_answer(404, {}, "404 page not found", endpoint, SENT))
    assert (hint in said) if hint else said.endswith("not found")


def test_evidence_is_gathered_from_any_nesting() -> None:
    body = {
        "a": [
            {
                "error": json.dumps(
                    {"detail": [{"loc": ["body", "x", 0], "msg": "m m"}], "code": "Some_Code", "status": 422}
                )
            }
        ],
        "nCtx": 5,
    }
    evidence = gather(body, {})
    assert [(one.text, one.names) for one in evidence.remarks] == [("m m", ("body.x.0",))]
    assert (evidence.codes, evidence.statuses, evidence.numbers) == ({"somecode", "422"}, [422], {"n_ctx": 5})


def test_each_new_error_knows_its_exit_code_and_whether_it_may_be_sent_again() -> None:
    assert OutOfCredit("x").exit_code == 4
    assert (Loading("x").retryable, Missed("x").retryable) == (True, True)
    assert not any(one("x").retryable for one in (Refused, TooLong, OutOfCredit))
    assert Refused("x", feature="seed").param == "seed"
