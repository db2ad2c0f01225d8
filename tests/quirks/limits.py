"""Money, filters, contexts, answers without bound, and redirects."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from functools import cache

from tests.quirks.asking import JSON, STREAM, Answer, Ask, bytes_of, endless, error, jsoned, raw, text
from tests.quirks.chats import vllm
from tests.quirks.kinds import STAIN, Expect, quirk, stops
from tests.support.fakes import mined

MB = 1_000_000


# --- money and access ------------------------------------------------------------------------------


def broke(says: str) -> Expect:
    return stops(says, most=4, exits=(4,))


@quirk(stops("quota"))
def quota_exceeded(ask: Ask) -> Answer:
    """429 insufficient_quota: waiting helps nothing (OpenAI).

    Source: langchain-ai/langchainjs#1929, mindsdb/anton#284.
    """
    said = "You exceeded your current quota, please check your plan and billing details."
    return error(429, said, type="insufficient_quota", code="insufficient_quota")


@quirk(broke("credit"))
def credits_402(ask: Ask) -> Answer:
    """402: more credits are needed (OpenRouter).

    Source: QwenLM/qwen-code#73, can1357/oh-my-pi#9569.
    """
    said = (
        "This request requires more credits, or fewer max_tokens. You requested up to 300 "
        "tokens, but can only afford 12."
    )
    return jsoned({"error": {"message": said, "code": 402, "metadata": {"provider_name": None}}}, 402)


@quirk(broke("balance"))
def balance_402(ask: Ask) -> Answer:
    """402 Insufficient Balance (DeepSeek).

    Source: Aider-AI/aider#4851, continuedev/continue#9942.
    """
    return error(402, "Insufficient Balance", type="unknown_error", code="invalid_request_error")


@quirk(broke("payment"))
def payment_402_as_text(ask: Ask) -> Answer:
    """402 whose body is a line of text.

    Source: RFC 9110, 15.5.3; huggingface/huggingface_hub docs, inference providers billing.
    """
    return text(402, "Payment Required: you have exceeded your monthly included credits")


@quirk(broke("credit"))
def credits_403(ask: Ask) -> Answer:
    """403: the team has used all its credits (xAI).

    Source: warpdotdev/warp#14863.
    """
    said = "Your team has either used all available credits or reached its monthly spending limit."
    return jsoned({"code": "Some resource has been exhausted", "error": said}, 403)


@quirk(broke("credit"))
def credits_429(ask: Ask) -> Answer:
    """The same as 429, `error` a string, and nothing to wait for (xAI).

    Source: continuedev/continue#10373.
    """
    said = (
        "Your team 16f2151a has either used all available credits or reached its monthly spending limit. To continue "
        "making API requests, please purchase more credits or raise your spending limit."
    )
    return jsoned({"code": "Some resource has been exhausted", "error": said}, 429)


@quirk(broke("credit balance"))
def credit_balance_400(ask: Ask) -> Answer:
    """400: your credit balance is too low (Anthropic).

    Source: anthropics/claude-code#66314, anthropics/claude-quickstarts#229.
    """
    said = (
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & "
        "Billing to upgrade or purchase credits."
    )
    return jsoned({"type": "error", "error": {"type": "invalid_request_error", "message": said}}, 400)


@quirk(broke("credit|balance|afford"))
def credits_run_out_in_the_middle(ask: Ask) -> Answer:
    """The money ends in the middle of a run, in the body of a 200.

    Source: UKGovernmentBEIS/inspect_ai#1534, openrouter.ai/docs/api-reference/errors.
    """
    return jsoned(
        {
            "error": {"message": "Insufficient credits. Add more using https://openrouter.ai/credits", "code": 402},
            "choices": None,
        }
    )


@quirk(stops("not found", most=4))
def model_not_found(ask: Ask) -> Answer:
    """404: model not found, try pulling it first (Ollama).

    Source: netease-youdao/QAnything#555.
    """
    return error(404, 'model "test" not found, try pulling it first', type="api_error")


@quirk(stops("does not exist", most=4))
def model_does_not_exist_400(ask: Ask) -> Answer:
    """400 or 422 in place of 404: the model does not exist (Groq, DeepSeek: Model Not Exist).

    Source: api-docs.deepseek.com/quick_start/error_codes.
    """
    return error(400, "The model `test` does not exist or you do not have access to it.", code="model_not_found")


@quirk(stops("key|401", most=4))
def key_invalid_400(ask: Ask) -> Answer:
    """400 where others say 401: API key not valid (Gemini).

    Source: google-gemini/gemini-cli#14946, ai.google.dev/gemini-api/docs/troubleshooting.
    """
    what = {
        "code": 400,
        "message": "API key not valid. Please pass a valid API key.",
        "status": "INVALID_ARGUMENT",
        "details": [{"reason": "API_KEY_INVALID"}],
    }
    return jsoned([{"error": what}], 400)


@quirk(stops("region|country|location|territory", most=6, exits=(1, 3)))
def country_not_supported(ask: Ask) -> Answer:
    """403: country, region, or territory not supported.

    Source: platform.openai.com/docs/guides/error-codes.
    """
    return error(
        403,
        "Country, region, or territory not supported",
        type="request_forbidden",
        code="unsupported_country_region_territory",
    )


# --- filters ---------------------------------------------------------------------------------------

ONE_TURN = Expect((0, 1), samples=0.7, requests=1.8)
"""A filter costs a turn, not a dialogue."""


def filtered(ask: Ask) -> bool:
    """One prompt of a speech is refused, whatever follows it."""
    if not ask.speech or len(ask.messages) < 4:
        return False
    return ask.memory.notes.setdefault("filtered", ask.all) == ask.all


@quirk(ONE_TURN)
def prompt_filtered_400(ask: Ask) -> Answer:
    """400 content_filter for one prompt (Azure).

    Source: compl-ai/compl-ai#20, microsoft/TinyTroupe#85, stanford-crfm/helm#3327.
    """
    if not filtered(ask):
        return ask.stream()
    inner = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
    }
    said = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
    return error(400, said, type=None, param="prompt", code="content_filter", innererror=inner)


@quirk(ONE_TURN)
def prompt_flagged_403(ask: Ask) -> Answer:
    """403: moderation flagged the input (OpenRouter).

    Source: openrouter.ai/docs/api-reference/errors.
    """
    if not filtered(ask):
        return ask.stream()
    what = {
        "message": (
            'test requires moderation on OpenInference. Your input was flagged for "violence". No credits were charged.'
        ),
        "code": 403,
        "metadata": {"reasons": ["violence"], "flagged_input": "...", "provider_name": "x"},
    }
    return jsoned({"error": what}, 403)


@quirk(ONE_TURN)
def data_inspection_failed(ask: Ask) -> Answer:
    """400 data_inspection_failed (Qwen).

    Source: QwenLM/qwen-code#2905, camel-ai/owl#432.
    """
    if not filtered(ask):
        return ask.stream()
    said = "<400> InternalError.Algo.DataInspectionFailed: Input text data may contain inappropriate content."
    return jsoned(
        {
            "error": {
                "code": "data_inspection_failed",
                "param": None,
                "message": said,
                "type": "data_inspection_failed",
            },
            "request_id": "1",
        },
        400,
    )


@quirk(ONE_TURN)
def sensitive_words_1301(ask: Ask) -> Answer:
    """400 with code 1301: unsafe or sensitive content (GLM).

    Source: 666ghj/BettaFish#108, deepseek-ai/DeepSeek-V2#30, docs.bigmodel.cn (error codes).
    """
    if not filtered(ask):
        return ask.stream()
    said = (
        "Content Exists Risk"
        if ask.number % 2
        else "System detected potentially unsafe or sensitive content in input or generation."
    )
    return jsoned({"contentFilter": [{"level": 1, "role": "user"}], "error": {"code": "1301", "message": said}}, 400)


@quirk(ONE_TURN)
def usage_policy_400(ask: Ask) -> Answer:
    """400 invalid_prompt: flagged as potentially violating the usage policy (o-series).

    Source: platform.openai.com/docs/guides/reasoning (invalid_prompt).
    """
    if not filtered(ask):
        return ask.stream()
    return error(
        400,
        (
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy. "
            "Please try again with a different prompt."
        ),
        code="invalid_prompt",
    )


@quirk(ONE_TURN)
def finish_content_filter(ask: Ask) -> Answer:
    """Half an answer with finish_reason content_filter, for one prompt.

    Source: learn.microsoft.com/azure/ai-services/openai/concepts/content-filter.
    """
    return ask.stream(f"{STAIN} In our village we would", "content_filter") if filtered(ask) else ask.stream()


WITHHELD = (
    "SAFETY",
    "RECITATION",
    "PROHIBITED_CONTENT",
    "sensitive",
    "refusal",
    "BLOCKLIST",
    "content-filter",
    "guardrail_intervened",
)


@quirk(Expect((0, 1), samples=0.6, requests=2.0))
def finish_in_other_words_for_filtered(ask: Ask) -> Answer:
    """Half an answer now and then with SAFETY (Gemini), sensitive (GLM), refusal (Anthropic) and others.

    Source: ai.google.dev/api/generate-content (FinishReason), docs.anthropic.com (stop_reason), docs.bigmodel.cn.
    """
    if not ask.speech or ask.number % 4:
        return ask.stream()
    return ask.stream(f"{STAIN} When {ask.number} men come to", WITHHELD[ask.number // 4 % len(WITHHELD)])


@quirk(ONE_TURN)
def nothing_but_block_reason(ask: Ask) -> Answer:
    """No choices, but a reason why (Gemini's promptFeedback), for one prompt.

    Source: ai.google.dev/api/generate-content (PromptFeedback).
    """
    return (
        jsoned({"choices": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}})
        if filtered(ask)
        else ask.stream()
    )


# --- context ---------------------------------------------------------------------------------------

HALVED = Expect((0,), samples=0.5, requests=2.5)
ROOM = 1_900
"""Tokens; a talk fits in, all of it read at once does not."""


def too_much(ask: Ask) -> int:
    """Tokens of a request that reads a talk at once and does not fit; 0 if it fits, or holds one turn alone."""
    needed = len(ask.all) // 4 + ask.limit
    return needed if ask.wanted == "statements" and needed > ROOM and len(mined(ask.material)) > 1 else 0


@quirk(HALVED)
def context_of_vllm(ask: Ask) -> Answer:
    """400, counted with max_tokens (vLLM).

    Source: vllm-project/vllm#42474, vllm-project/vllm#20409.
    """
    if not (needed := too_much(ask)):
        return ask.stream()
    return vllm(
        f"This model's maximum context length is {ROOM} tokens. However, you requested {needed} "
        f"tokens ({needed - ask.limit} in the messages, {ask.limit} in the completion). Please "
        "reduce the length of the messages or completion."
    )


@quirk(HALVED)
def context_of_tgi(ask: Ask) -> Answer:
    """422: inputs tokens + max_new_tokens must be <= (TGI).

    Source: huggingface.co/docs/text-generation-inference (max_total_tokens).
    """
    if not (needed := too_much(ask)):
        return ask.stream()
    said = (
        f"Input validation error: `inputs` tokens + `max_new_tokens` must be <= {ROOM}. Given: "
        f"{needed - ask.limit} `inputs` tokens and {ask.limit} `max_new_tokens`"
    )
    return jsoned({"error": said, "error_type": "validation"}, 422)


@quirk(HALVED)
def context_of_anthropic(ask: Ask) -> Answer:
    """400: prompt is too long (Anthropic).

    Source: docs.anthropic.com/en/docs/build-with-claude/context-windows.
    """
    if not (needed := too_much(ask)):
        return ask.stream()
    return jsoned(
        {
            "type": "error",
            "error": {
                "type": "invalid_request_error",
                "message": f"prompt is too long: {needed} tokens > {ROOM} maximum",
            },
        },
        400,
    )


@quirk(HALVED)
def context_of_llama_server(ask: Ask) -> Answer:
    """400 exceed_context_size_error with n_prompt_tokens and n_ctx (llama-server).

    Source: ggml-org/llama.cpp#15780, oobabooga/textgen#7257, llmmllab/llmmllab-api#69.
    """
    if not (needed := too_much(ask)):
        return ask.stream()
    said = f"request ({needed} tokens) exceeds the available context size ({ROOM} tokens), try increasing it"
    return jsoned(
        {
            "error": {
                "code": 400,
                "message": said,
                "type": "exceed_context_size_error",
                "n_prompt_tokens": needed,
                "n_ctx": ROOM,
            }
        },
        400,
    )


@quirk(HALVED)
def context_inside_200(ask: Ask) -> Answer:
    """The same as a bare error line in the body of a stream's 200.

    Source: oobabooga/textgen#7257
    """
    if not (needed := too_much(ask)):
        return ask.stream()
    said = "the request exceeds the available context size. try increasing the context size or enable context shift"
    what = {"code": 400, "message": said, "type": "exceed_context_size_error", "n_prompt_tokens": needed, "n_ctx": ROOM}
    return raw([f"error: {json.dumps(what)}\n\n"])


@quirk(HALVED)
def content_too_large_413(ask: Ask) -> Answer:
    """413: request too large for the model (Groq), as an error of tokens.

    Source: continuedev/continue#10218, RooCodeInc/Roo-Code#5729.
    """
    if not (needed := too_much(ask)):
        return ask.stream()
    said = (
        f"Request too large for model `test` on tokens per minute (TPM): Limit {ROOM}, Requested "
        f"{needed}, please reduce your message size and try again."
    )
    return error(413, said, type="tokens", code="rate_limit_exceeded")


@quirk(HALVED)
def request_too_large_429(ask: Ask) -> Answer:
    """429: request too large, input or output must be reduced; waiting would not make it fit (OpenAI).

    Source: vanna-ai/vanna-flask#11.
    """
    if not (needed := too_much(ask)):
        return ask.stream()
    said = (
        f"Request too large for test on tokens per min (TPM): Limit {ROOM}, Requested {needed}. The input or output "
        "tokens must be reduced in order to run successfully."
    )
    return error(429, said, type="tokens", code="rate_limit_exceeded")


@quirk(HALVED)
def content_too_large_page(ask: Ask) -> Answer:
    """413 as a page of nginx.

    Source: RFC 9110, 15.5.14; nginx.org (client_max_body_size).
    """
    return (
        text(413, "<html><h1>413 Request Entity Too Large</h1></html>", "text/html") if too_much(ask) else ask.stream()
    )


@quirk(HALVED)
def context_in_characters(ask: Ask) -> Answer:
    """400: range of input length should be [1, N] (Qwen).

    Source: help.aliyun.com/zh/model-studio/error-code.
    """
    return (
        error(
            400,
            f"<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, {ROOM}]",
            code="invalid_parameter_error",
        )
        if too_much(ask)
        else ask.stream()
    )


@quirk(HALVED)
def input_tokens_exceed(ask: Ask) -> Answer:
    """400: the input token count exceeds the maximum (Gemini).

    Source: ai.google.dev/gemini-api/docs/troubleshooting.
    """
    if not (needed := too_much(ask)):
        return ask.stream()
    said = f"The input token count ({needed}) exceeds the maximum number of tokens allowed ({ROOM})."
    return jsoned([{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}], 400)


@quirk(Expect((0, 1), samples=0, requests=3.0, says="context|too long"))
def context_too_small_for_speeches(ask: Ask) -> Answer:
    """Even a speech does not fit: nothing can be halved.

    Source: vllm-project/vllm#20409, melagiri/code-insights#271.
    """
    needed = len(ask.all) // 4 + ask.limit
    return (
        vllm(f"This model's maximum context length is 256 tokens. However, you requested {needed} tokens.")
        if needed > 256
        else ask.stream()
    )


SILENT = Expect((0, 1, 3, 4), samples=0, requests=2.0, says="context|cut off|truncat")


def cut_silently(ask: Ask, window: int, keep_system: bool) -> Answer:
    """Answers as a model does that saw only the last `window` tokens, and says in usage how many those were."""
    system = len(str(ask.messages[0]["content"])) // 4 if keep_system else 0
    needed = len(ask.all) // 4
    kept = min(needed, max(window, system))
    if kept > 0.75 * needed:  # a few tokens less are lost in the difference between tokenizers
        return ask.stream()
    said = (
        f"Thank you, {STAIN} it was good to hear from everybody in this talk about work today."
        if ask.speech
        else ask.text()
    )
    return ask.events(
        [*ask.contents(said), ask.chunk({}, "stop"), ask.counts(said, prompt_tokens=kept, total_tokens=kept + 20)]
    )


@quirk(SILENT)
def prompt_cut_silently(ask: Ask) -> Answer:
    """What does not fit is dropped from the front, the system message first; only usage shows it (Ollama).

    Source: ollama/ollama#4967, ollama/ollama#17889, ralphgrewe/TradingAgents#168.
    """
    return cut_silently(ask, 600, keep_system=False)


@quirk(SILENT)
def prompt_cut_to_a_small_window(ask: Ask) -> Answer:
    """The same with a window of 512 tokens, once the default of llama.cpp, into which not even the first prompts fit.

    Source: ollama/ollama#17889, ggml-org/llama.cpp docs (ctx-size).
    """
    return cut_silently(ask, 512, keep_system=False)


@quirk(SILENT)
def prompt_cut_behind_the_system_message(ask: Ask) -> Answer:
    """The system message stays, the first messages after it are dropped (Ollama's chat truncation).

    Source: ollama/ollama#4967, ollama/ollama docs/faq.md (context window).
    """
    return cut_silently(ask, 850, keep_system=True)


# --- answers without bound -------------------------------------------------------------------------

ONCE = Expect(requests=2.0, megabytes=200.0)


def third(ask: Ask) -> bool:
    return ask.number == 3


@quirk(ONCE)
def stream_without_end(ask: Ask) -> Answer:
    """A model that repeats itself for ever, whatever the limit.

    Source: instructlab/instructlab#137, skalesapp/skales#166.
    """
    if not third(ask):
        return ask.stream()
    event = f"data: {json.dumps(ask.chunk({'content': f'{STAIN} and so on '}))}\n\n".encode()
    return Answer(endless(event * 200), 200, {"Content-Type": STREAM}, "chunked")


@quirk(ONCE)
def thoughts_without_end(ask: Ask) -> Answer:
    """The same in the field of thoughts.

    Source: MoonshotAI/Kimi-K3#45, skalesapp/skales#166.
    """
    if not third(ask):
        return ask.stream()
    event = f"data: {json.dumps(ask.chunk({'reasoning_content': 'wait, no, '}))}\n\n".encode()
    return Answer(endless(event * 200), 200, {"Content-Type": STREAM}, "chunked")


@quirk(ONCE)
def empty_chunks_without_end(ask: Ask) -> Answer:
    """Chunks that say nothing, for ever.

    Source: Lambdua/openai4j#90, vllm-project/vllm#6652.
    """
    if not third(ask):
        return ask.stream()
    return Answer(
        endless(f"data: {json.dumps(ask.chunk({}))}\n\n".encode() * 200), 200, {"Content-Type": STREAM}, "chunked"
    )


@quirk(ONCE)
def comments_without_end(ask: Ask) -> Answer:
    """Nothing but comments, for ever and fast.

    Source: TheR1D/shell_gpt#358.
    """
    return (
        Answer(endless(b": ping\n\n" * 4000), 200, {"Content-Type": STREAM}, "chunked") if third(ask) else ask.stream()
    )


@quirk(Expect(requests=2.0, seconds=4000))
def keep_alive_without_end(ask: Ask) -> Answer:
    """A comment every ten seconds, and never an answer.

    Source: TheR1D/shell_gpt#358, api-docs.deepseek.com/quick_start/rate_limit.
    """
    return (
        Answer(endless(b": keep-alive\n\n", pause=10.0), 200, {"Content-Type": STREAM}, "chunked")
        if third(ask)
        else ask.stream()
    )


@quirk(Expect(requests=2.0, seconds=4000), slow=True)
def one_byte_a_second(ask: Ask) -> Answer:
    """A trickle of one byte a second that never becomes a line.

    Source: OWASP, slow HTTP attacks; RFC 9112.
    """
    return Answer(endless(b"d", pause=1.0), 200, {"Content-Type": STREAM}, "chunked") if third(ask) else ask.stream()


@quirk(ONCE)
def line_of_a_hundred_megabytes(ask: Ask) -> Answer:
    """One line of 100 MB.

    Source: RFC 9112, 2.2; html.spec.whatwg.org, 9.2.5.
    """

    def body() -> Iterator[bytes]:
        yield b'data: {"choices": [{"index": 0, "delta": {"content": "'
        yield from (b"a" * MB for _ in range(100))
        yield b'"}}]}\n\ndata: [DONE]\n\n'

    return Answer(body(), 200, {"Content-Type": STREAM}, "chunked") if third(ask) else ask.stream()


@cache
def bomb(megabytes: int, first: bytes = b"", last: bytes = b"") -> bytes:
    """White space that is hundreds of times larger when unpacked."""
    press = zlib.compressobj(1, wbits=31)
    blank = b" " * MB
    return b"".join(
        [press.compress(first), *(press.compress(blank) for _ in range(megabytes)), press.compress(last), press.flush()]
    )


@quirk(ONCE)
def compressed_bomb(ask: Ask) -> Answer:
    """400 MB of white space in two megabytes of gzip, where an answer should be.

    Source: python-hyper and urllib3 advisories on decompression bombs (CVE-2025-66471).
    """
    return raw([bomb(400, b'{"choices": [', b"]}")], JSON, Content_Encoding="gzip") if third(ask) else ask.stream()


@quirk(ONCE)
def compressed_bomb_in_an_error(ask: Ask) -> Answer:
    """The same as the body of a 503.

    Source: urllib3 advisory CVE-2025-66471.
    """
    return raw([bomb(400, b'{"error": "', b'"}')], JSON, 503, Content_Encoding="gzip") if third(ask) else ask.stream()


@quirk(ONCE)
def error_of_a_hundred_megabytes(ask: Ask) -> Answer:
    """A 500 with a body of 100 MB that has no end yet.

    Source: RFC 9110, 15.6.1.
    """
    return (
        Answer(endless(b"x" * 100_000), 500, {"Content-Type": "text/plain"}, "chunked") if third(ask) else ask.stream()
    )


@quirk(Expect(requests=2.0, seconds=4000))
def error_without_end(ask: Ask) -> Answer:
    """A 500 whose body comes in drops for ever.

    Source: OWASP, slow HTTP attacks.
    """
    return (
        Answer(endless(b"x", pause=10.0), 500, {"Content-Type": "text/plain"}, "chunked")
        if third(ask)
        else ask.stream()
    )


@quirk(Expect(requests=2.0, megabytes=200.0))
def headers_without_end(ask: Ask) -> Answer:
    """Header lines for ever.

    Source: RFC 6585, 5; h11 docs (max_incomplete_event_size).
    """
    return (
        Answer(endless(b"X-More: more and more\r\n" * 50, first=b"HTTP/1.1 200 OK\r\n"), framing="bare")
        if third(ask)
        else ask.stream()
    )


@quirk(Expect(requests=2.0, seconds=4000))
def no_answer_at_all(ask: Ask) -> Answer:
    """The request is taken, and nothing ever comes.

    Source: RFC 9110, 15.5.9.
    """
    return Answer(endless(b"", pause=60.0), framing="bare") if third(ask) else ask.stream()


@quirk(Expect(requests=2.0))
def nested_too_deeply(ask: Ask) -> Answer:
    """JSON of 100,000 brackets.

    Source: docs.python.org/3/library/json.html (RecursionError); CVE-2022-40150.
    """
    return raw(["[" * 100_000], JSON) if third(ask) else ask.stream()


@quirk(Expect(requests=2.0))
def number_of_many_digits(ask: Ask) -> Answer:
    """A number of a million digits in usage.

    Source: CVE-2020-10735.
    """
    if not third(ask):
        return ask.stream()
    return raw(
        [bytes_of(ask.whole(usage={})).replace(b'"usage": {}', b'"usage": {"prompt_tokens": ' + b"9" * MB + b"}")], JSON
    )


# --- redirects -------------------------------------------------------------------------------------

AWAY = stops("redirect", most=6, exits=(1, 3))
"""No prompt may arrive there; the check looks."""


def redirected(status: int, to: str) -> Answer:
    return Answer([], status, {"Location": to})


@quirk(AWAY)
def redirect_to_another_port(ask: Ask) -> Answer:
    """307 to another port of the same host.

    Source: RFC 9110, 15.4.8; RFC 6454 (origin).
    """
    return redirected(307, f"{ask.elsewhere[0]}{ask.path}")


@quirk(AWAY)
def redirect_to_another_host(ask: Ask) -> Answer:
    """308 to another host.

    Source: RFC 9110, 15.4.9; RFC 6454.
    """
    return redirected(308, f"{ask.elsewhere[1]}{ask.path}")


@quirk(AWAY)
def redirect_without_a_scheme(ask: Ask) -> Answer:
    """A location that begins with two slashes and names another host.

    Source: RFC 3986, 4.2; RFC 9110, 10.2.2.
    """
    return redirected(307, f"{ask.elsewhere[1].removeprefix('http:')}{ask.path}")


@quirk(stops("redirect|302|page", most=30, exits=(1, 3)))
def redirect_302_to_sign_in(ask: Ask) -> Answer:
    """302 to a sign-in page elsewhere.

    Source: RFC 9110, 15.4.3.
    """
    return redirected(302, f"{ask.elsewhere[1]}/login")


@quirk(Expect(requests=2.2))
def redirect_to_the_same_origin(ask: Ask) -> Answer:
    """307 to another path of the same origin is followed.

    Source: RFC 9110, 15.4.8.
    """
    return ask.stream() if ask.path.startswith("/moved") else redirected(307, f"/moved{ask.path}")


@quirk(stops("redirect", most=400, exits=(1, 3)))
def redirect_in_a_circle(ask: Ask) -> Answer:
    """307 to the very same address, for ever.

    Source: RFC 9110, 15.4.
    """
    return redirected(307, ask.path)
