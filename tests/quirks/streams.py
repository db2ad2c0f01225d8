"""Streams that are not quite the protocol's, and ends that are called otherwise."""

from __future__ import annotations

import gzip
import json
import zlib
from itertools import pairwise

from culturepark.domain import JsonObject
from tests.quirks.asking import JSON, STREAM, Answer, Ask, bytes_of, jsoned, raw
from tests.quirks.kinds import STAIN, Expect, quirk
from tests.support.endpoint import in_pieces

AGAIN = Expect(requests=2.0)
"""Now and then an answer has to be asked for again."""
WIDE = "çok güzel, 你好, 🙂"


def wide(ask: Ask) -> str:
    """The answer with characters of two, three and four bytes, where people talk."""
    said = ask.text()
    return said.replace("I ", f"I ({WIDE}) ", 1) if ask.speech else said


def cut(body: bytes, *places: int) -> list[bytes]:
    """A body in pieces."""
    return [body[start:end] for start, end in pairwise((0, *places, len(body)))]


# --- how events are written ------------------------------------------------------------------------


@quirk()
def comments_in_between(ask: Ask) -> Answer:
    """Comments and empty lines keep the connection alive (OpenRouter).

    Source: TheR1D/shell_gpt#358, Lambdua/openai4j#90.
    """
    lines = [": OPENROUTER PROCESSING\n\n", "\n\n", ":\n\n"]
    for chunk in (*ask.contents(ask.text()), ask.chunk({}, "stop")):
        lines += [f"data: {json.dumps(chunk)}\n\n", ": ping\n\n"]
    return raw([*lines, ": cost=0\n\n", "data: [DONE]\n\n"])


@quirk()
def line_ends_and_fields(ask: Ask) -> Answer:
    """CRLF, no space after the colon, id: and event: and retry: fields, all of it gzipped.

    Source: diegosouzapw/OmniRoute#10524.
    """
    chunks = [*ask.contents(ask.text()), ask.chunk({}, "stop")]
    lines = [
        f"retry:10\r\nevent:message\r\nid:{n}\r\ndata:{json.dumps(chunk)}\r\n\r\n" for n, chunk in enumerate(chunks)
    ]
    return raw([gzip.compress("".join([*lines, "data:[DONE]\r\n\r\n"]).encode())], Content_Encoding="gzip")


@quirk()
def carriage_returns_alone(ask: Ask) -> Answer:
    """Lines end in a lone carriage return, as the standard lets them.

    Source: html.spec.whatwg.org, 9.2.5.
    """
    return raw([bytes_of(ask.stream()).replace(b"\n", b"\r")])


@quirk()
def one_event_over_lines(ask: Ask) -> Answer:
    """A chunk is spread over several data: lines.

    Source: html.spec.whatwg.org, 9.2.6.
    """
    chunks = [*ask.contents(ask.text()), ask.chunk({}, "stop")]
    told = ["".join(f"data: {line}\n" for line in json.dumps(chunk, indent=1).splitlines()) + "\n" for chunk in chunks]
    return raw([*told, "data: [DONE]\n\n"])


@quirk()
def single_line_breaks(ask: Ask) -> Answer:
    """Events are parted by one line break, not by an empty line.

    Source: sigoden/aichat#651.
    """
    return raw([bytes_of(ask.stream()).replace(b"\n\n", b"\n") + b"\n"])


@quirk(AGAIN)
def comment_sent_as_data(ask: Ask) -> Answer:
    """A gateway sends the comment as data now and then.

    Source: mnfst/llm-gateway#2053.
    """
    if ask.number % 5:
        return ask.stream()
    return ask.events([": OPENROUTER PROCESSING", *ask.contents(ask.text()), ask.chunk({}, "stop")])


@quirk()
def byte_order_mark(ask: Ask) -> Answer:
    """The stream begins with a byte order mark.

    Source: html.spec.whatwg.org, 9.2.5 (stream = [bom] *event).
    """
    return raw([b"\xef\xbb\xbf", bytes_of(ask.stream())])


@quirk()
def json_lines(ask: Ask) -> Answer:
    """Chunks as lines of JSON, without data: (Ollama's own form, some proxies).

    Source: ollama/ollama docs/api.md, Wei-Shaw/sub2api#2826.
    """
    chunks = [*ask.contents(ask.text()), ask.chunk({}, "stop")]
    return raw([json.dumps(chunk) + "\n" for chunk in chunks], "application/x-ndjson")


@quirk()
def split_inside_characters(ask: Ask) -> Answer:
    """Packets end in the middle of a character of several bytes.

    Source: mattn/tensai#110.
    """
    body = bytes_of(ask.stream(wide(ask)))
    return raw([body[start : start + 37] for start in range(0, len(body), 37)])


@quirk()
def split_inside_field_names(ask: Ask) -> Answer:
    """Packets end inside "data:" and between the two line breaks.

    Source: mattn/tensai#110.
    """
    body = bytes_of(ask.stream())
    places = sorted(
        {place + step for place in range(1, len(body)) if body[place : place + 6] == b"data: " for step in (-1, 2)}
    )
    return raw(cut(body, *places))


@quirk(Expect(seconds=3000))
def one_byte_a_packet(ask: Ask) -> Answer:
    """Every byte is a packet of its own, in the first answers.

    Source: mattn/tensai#110.
    """
    body = bytes_of(ask.stream(wide(ask), usage=False))
    return raw([body[n : n + 1] for n in range(len(body))] if ask.number == 3 else [body])


@quirk()
def deflated(ask: Ask) -> Answer:
    """Content-Encoding: deflate.

    Source: RFC 9110, 8.4.1.2.
    """
    return raw([zlib.compress(bytes_of(ask.stream()))], Content_Encoding="deflate")


@quirk()
def text_that_is_called_compressed(ask: Ask) -> Answer:
    """A proxy has decompressed the answer and kept its Content-Encoding.

    Source: freelensapp/freelens-ai-extension#272, projectdiscovery/httpx#307.
    """
    return raw([bytes_of(ask.stream())], Content_Encoding="gzip")


@quirk()
def gzipped_unasked(ask: Ask) -> Answer:
    """gzip, whatever the request's Accept-Encoding says, each event flushed.

    Source: diegosouzapw/OmniRoute#10524, RFC 9110, 12.5.3.
    """
    press, parts = zlib.compressobj(wbits=31), []
    for line in bytes_of(ask.stream()).splitlines(keepends=True):
        parts.append(press.compress(line) + press.flush(zlib.Z_SYNC_FLUSH))
    return raw([*parts, press.flush()], Content_Encoding="gzip")


# --- what it calls itself --------------------------------------------------------------------------


@quirk()
def stream_called_json(ask: Ask) -> Answer:
    """An event stream under application/json.

    Source: microsoft/foundry-dev-tools#195, agentgateway/agentgateway#1490.
    """
    return raw([bytes_of(ask.stream())], JSON)


@quirk()
def stream_called_text(ask: Ask) -> Answer:
    """An event stream under text/plain.

    Source: Wei-Shaw/sub2api#2826, sigoden/aichat#651.
    """
    return raw([bytes_of(ask.stream())], "text/plain; charset=utf-8")


@quirk()
def stream_called_html(ask: Ask) -> Answer:
    """An event stream under text/html, the default of a framework.

    Source: Wei-Shaw/sub2api#2826.
    """
    return raw([bytes_of(ask.stream())], "text/html; charset=utf-8")


@quirk()
def stream_called_nothing(ask: Ask) -> Answer:
    """An event stream without a type, or as application/octet-stream.

    Source: sigoden/aichat#651, Wei-Shaw/sub2api#2826.
    """
    return raw([bytes_of(ask.stream())], None if ask.number % 2 else "application/octet-stream")


@quirk()
def json_called_stream(ask: Ask) -> Answer:
    """One JSON document under text/event-stream.

    Source: agentgateway/agentgateway#1490, huggingface/chat-ui#430.
    """
    return raw([bytes_of(ask.whole())], STREAM)


@quirk()
def one_document(ask: Ask) -> Answer:
    """`stream` is ignored: one document, with null where something could stand.

    Source: tinyhumansai/tinyagents#56, huggingface/chat-ui#430.
    """
    message = {
        "role": "assistant",
        "content": ask.text(),
        "refusal": None,
        "tool_calls": None,
        "reasoning_content": None,
    }
    return ask.whole(message, annotations=[], stop_reason=None, service_tier=None)


@quirk()
def document_after_white_space(ask: Ask) -> Answer:
    """White space keeps the connection alive until the one document comes (DeepSeek).

    Source: api-docs.deepseek.com/quick_start/rate_limit.
    """
    return raw(["\n", "\n  \n", bytes_of(ask.whole())], JSON)


# --- chunks ----------------------------------------------------------------------------------------


@quirk()
def filter_results_first(ask: Ask) -> Answer:
    """A first chunk of filter results without choices, a last one without delta (Azure).

    Source: AbanteAI/archive-old-cli-mentat#429, microsoft/autogen#6465.
    """
    safe = {"violence": {"filtered": False, "severity": "safe"}}
    first = {
        "id": "",
        "model": "",
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": safe}],
    }
    last = {
        "id": "",
        "model": "",
        "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"check_offset": 1}}],
    }
    return ask.events([first, *ask.contents(ask.text()), ask.chunk({}, "stop"), last])


@quirk()
def empty_choices_as_keep_alive(ask: Ask) -> Answer:
    """Chunks with an empty list of choices, or none, keep the connection alive.

    Source: mnfst/llm-gateway#2053, vllm-project/vllm#6652.
    """
    chunks: list[JsonObject] = []
    for chunk in (*ask.contents(ask.text()), ask.chunk({}, "stop")):
        chunks += [{**ask.head, "choices": []}, {**ask.head}, chunk]
    return ask.events(chunks)


@quirk()
def null_content_in_role_chunks(ask: Ask) -> Answer:
    """Chunks that hold a role, and null for content and everything else.

    Source: huggingface/chat-ui#430, sgl-project/sglang#3912.
    """
    nulls = {
        "role": "assistant",
        "content": None,
        "tool_calls": None,
        "function_call": None,
        "refusal": None,
        "audio": None,
    }
    return ask.events(
        [ask.chunk(nulls), *ask.contents(ask.text()), ask.chunk(nulls), ask.chunk({"content": None}, "stop")]
    )


@quirk()
def delta_missing(ask: Ask) -> Answer:
    """Chunks without delta, or with null in its place.

    Source: microsoft/autogen#6465, AbanteAI/archive-old-cli-mentat#429.
    """
    bare = {**ask.head, "choices": [{"index": 0, "finish_reason": None}]}
    return ask.events(
        [
            bare,
            ask.chunk(None),
            *ask.contents(ask.text()),
            {**ask.head, "choices": [{"index": 0, "finish_reason": "stop"}]},
        ]
    )


@quirk()
def message_in_the_last_chunk(ask: Ask) -> Answer:
    """The last chunk repeats all of it as `message`, beside an empty delta.

    Source: huggingface/chat-ui#430, togethercomputer/together-python#153.
    """
    last = ask.chunk({}, "stop")
    last["choices"][0]["message"] = {"role": "assistant", "content": ask.text()}
    return ask.events([*ask.contents(ask.text()), last])


@quirk()
def message_in_place_of_delta(ask: Ask) -> Answer:
    """One chunk in a stream that holds a `message` and no delta.

    Source: huggingface/chat-ui#430, tinyhumansai/tinyagents#56.
    """
    choice = {"index": 0, "message": {"role": "assistant", "content": ask.text()}, "finish_reason": "stop"}
    return ask.events([{**ask.head, "choices": [choice]}])


@quirk()
def text_in_place_of_delta(ask: Ask) -> Answer:
    """`text` beside delta, as in completions of old (Together).

    Source: togethercomputer/together-python#251, togethercomputer/openapi#245.
    """
    chunks = ask.contents(ask.text())
    for chunk in chunks:
        chunk["choices"][0]["text"] = chunk["choices"][0]["delta"]["content"]
    return ask.events([*chunks, ask.chunk({}, "stop")])


@quirk()
def index_counts_up(ask: Ask) -> Answer:
    """`index` is the number of the token, not of the choice (TGI, Foundry Local).

    Source: huggingface/text-generation-inference#1648, microsoft/foundry-local#263.
    """
    chunks = [*ask.contents(ask.text()), ask.chunk({}, "stop")]
    for number, chunk in enumerate(chunks):
        chunk["choices"][0]["index"] = number
    return ask.events(chunks)


@quirk()
def index_missing(ask: Ask) -> Answer:
    """Choices without an index, or with null.

    Source: microsoft/foundry-local#263.
    """
    chunks = [*ask.contents(ask.text()), ask.chunk({}, "stop")]
    for number, chunk in enumerate(chunks):
        chunk["choices"][0]["index"] = None
        if number % 2:
            del chunk["choices"][0]["index"]
    return ask.events(chunks)


@quirk()
def second_choice(ask: Ask) -> Answer:
    """A second choice nobody asked for, in every chunk beside the first.

    Source: platform.openai.com/docs/api-reference/chat-streaming.
    """
    chunks = [*ask.contents(ask.text()), ask.chunk({}, "stop")]
    for chunk in chunks:
        chunk["choices"].append({"index": 1, "delta": {"content": f" {STAIN}"}, "finish_reason": "stop"})
    return ask.events(chunks)


@quirk()
def second_choice_in_one_document(ask: Ask) -> Answer:
    """The same in one document, and the second stands first.

    Source: platform.openai.com/docs/api-reference/chat (n).
    """
    made = json.loads(bytes_of(ask.whole()))
    made["choices"].insert(0, {"index": 1, "message": {"role": "assistant", "content": STAIN}, "finish_reason": "stop"})
    return jsoned(made)


@quirk()
def surrogates_in_two_chunks(ask: Ask) -> Answer:
    """Half of a character beyond the first 65,536 in each of two chunks, as escapes.

    Source: antonellof/ferrox#124, RFC 8259, 7.
    """
    if not ask.speech:
        return ask.stream()
    lines = [json.dumps(ask.chunk({"content": half})) for half in (ask.text() + " \ud83d", "\ude42")]
    return ask.events([*lines, ask.chunk({}, "stop")])


@quirk()
def whole_text_each_time(ask: Ask) -> Answer:
    """A last chunk holds the whole text once more, with its end or after it.

    Source: Growth-Circle/cadis#997, huggingface/chat-ui#430.
    """
    chunks, again = ask.contents(ask.text()), ask.chunk({"role": "assistant", "content": ask.text()}, "stop")
    return ask.events([*chunks, ask.chunk({}, "stop"), again] if ask.number % 2 else [*chunks, again])


@quirk()
def whole_text_so_far(ask: Ask) -> Answer:
    """Each chunk holds all of the text so far, as delta or as message (DashScope, `incremental_output` false).

    Source: help.aliyun.com/zh/model-studio (incremental_output).
    """
    chunks, so_far = ask.contents(ask.text()), ""
    for chunk in chunks:
        choice = chunk["choices"][0]
        so_far += choice["delta"]["content"]
        choice["delta"]["content"] = so_far
        if ask.number % 2:
            choice["message"] = choice.pop("delta")
    return ask.events([*chunks, ask.chunk({}, "stop")])


@quirk()
def another_host_begins_anew(ask: Ask) -> Answer:
    """Half an answer, then a chunk with another id and a role, and the whole answer.

    Source: openrouter.ai/docs/features/provider-routing (fallbacks).
    """
    half = ask.contents(f"{STAIN} {ask.text()}")[:3]
    anew = [ask.chunk({"role": "assistant", "content": ""}), *ask.contents(ask.text()), ask.chunk({}, "stop")]
    return ask.events([ask.chunk({"role": "assistant"}), *half, *(chunk | {"id": "gen-2"} for chunk in anew)])


@quirk()
def flat_logprobs(ask: Ask) -> Answer:
    """Log-probabilities in another shape (Together), or without rivals and bytes.

    Source: togethercomputer/together-python#251, togethercomputer/openapi#245.
    """
    said = ask.text()
    flat = {"content": None, "tokens": ["a"], "token_logprobs": [-0.1]}
    lone = {"content": [{"token": said, "logprob": -0.2, "bytes": None, "top_logprobs": None}]}
    chunk = ask.chunk({"content": said})
    chunk["choices"][0]["logprobs"] = (flat if ask.number % 2 else lone) if ask.body.get("logprobs") else None
    return ask.events([chunk, ask.chunk({}, "stop")])


@quirk()
def logprobs_beyond_numbers(ask: Ask) -> Answer:
    """Log-probabilities of -Infinity, -9999 and NaN.

    Source: sgl-project/sglang#5984, vllm-project/vllm#5299.
    """
    chunk = ask.chunk({"content": ask.text()})
    rivals = [
        {"token": "a", "logprob": float("-inf")},
        {"token": "b", "logprob": float("nan")},
        {"token": "c", "logprob": -9999.0},
    ]
    chunk["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": float("-inf"), "top_logprobs": rivals}]}
    return ask.events([chunk, ask.chunk({}, "stop")])


@quirk()
def unknown_fields_everywhere(ask: Ask) -> Answer:
    """Fields that no client knows, of every type, in chunks, choices and deltas.

    Source: BerriAI/litellm docs (provider_specific_fields), openai/openai-agents-python#2850.
    """
    odd = {
        "provider": "x",
        "obfuscation": "aX9",
        "native_finish_reason": None,
        "token_ids": [1, 2],
        "matched_stop": 2,
        "extra": {"a": [None]},
    }
    chunks = [ask.chunk({"content": "".join(tokens), **odd}, **odd) for tokens in in_pieces(ask.text())]
    return ask.events([*chunks, ask.chunk(odd, "stop", **odd)])


# --- usage -----------------------------------------------------------------------------------------


@quirk()
def usage_in_every_chunk(ask: Ask) -> Answer:
    """Usage so far in every chunk, then one more without choices (null).

    Source: vllm-project/vllm#6652, Growth-Circle/cadis#997.
    """
    said = ask.text()
    chunks = [ask.chunk({"content": "".join(tokens)}, usage=ask.usage("".join(tokens))) for tokens in in_pieces(said)]
    return ask.events(
        [*chunks, ask.chunk({}, "stop", usage=None), {"id": "x", "choices": None, "usage": ask.usage(said)}]
    )


@quirk()
def usage_nowhere(ask: Ask) -> Answer:
    """No usage at all, another model's name, no [DONE].

    Source: vllm-project/vllm#7299, tempoxyz/mpp#975.
    """
    chunks = [chunk | {"model": "alias-2025-08-07"} for chunk in ask.contents(ask.text())]
    return ask.events([*chunks, ask.chunk({}, "stop")], done=False)


@quirk()
def usage_of_zero(ask: Ask) -> Answer:
    """Usage is there, and says 0 of everything.

    Source: vllm-project/vllm#7299.
    """
    return ask.stream(prompt_tokens=0, completion_tokens=0, total_tokens=0)


@quirk()
def usage_of_null(ask: Ask) -> Answer:
    """Usage is null, or an object of nulls.

    Source: openai/openai-agents-python#2850, UKGovernmentBEIS/inspect_ai#1534.
    """
    nulls = (
        None if ask.number % 2 else {"prompt_tokens": None, "completion_tokens": None, "prompt_tokens_details": None}
    )
    return ask.events([*ask.contents(ask.text()), ask.chunk({}, "stop"), {**ask.head, "choices": [], "usage": nulls}])


@quirk()
def usage_twice(ask: Ask) -> Answer:
    """The final chunk with usage comes twice, and once more after [DONE].

    Source: Growth-Circle/cadis#997, vllm-project/vllm#6652.
    """
    said, counts = ask.text(), json.dumps(ask.counts(ask.text()))
    return ask.events([*ask.contents(said), ask.chunk({}, "stop"), counts, counts, "[DONE]", counts], done=False)


@quirk()
def usage_as_strings(ask: Ask) -> Answer:
    """Numbers of tokens as strings and floats.

    Source: tempoxyz/mpp#975, Growth-Circle/cadis#997.
    """
    counts = ask.usage(ask.text())
    odd = {key: str(value) if ask.number % 2 else float(value) for key, value in counts.items()}
    return ask.events([*ask.contents(ask.text()), ask.chunk({}, "stop"), {**ask.head, "choices": [], "usage": odd}])


@quirk()
def usage_below_zero(ask: Ask) -> Answer:
    """Negative numbers of tokens, and details that are no object.

    Source: tempoxyz/mpp#975.
    """
    return ask.stream(completion_tokens=-1, prompt_tokens_details=[], completion_tokens_details="none")


@quirk()
def usage_under_x_groq(ask: Ask) -> Answer:
    """Usage stands in another field (Groq's x_groq), or beside the last choice.

    Source: console.groq.com/docs/api-reference.
    """
    said = ask.text()
    return ask.events([*ask.contents(said), ask.chunk({}, "stop", x_groq={"id": "req_1", "usage": ask.usage(said)})])


# --- ends ------------------------------------------------------------------------------------------


@quirk()
def empty_finish_until_the_end(ask: Ask) -> Answer:
    """finish_reason is an empty string until the last chunk.

    Source: ollama/ollama#4357, sgl-project/sglang#3912.
    """
    chunks = [ask.chunk({"role": None, "content": "".join(tokens)}, "") for tokens in in_pieces(ask.text())]
    return ask.events([*chunks, ask.chunk({"content": ""}, "stop")])


ENDED = (
    "eos",
    "eos_token",
    "stop_sequence",
    "STOP",
    "end_turn",
    "COMPLETE",
    "stop_token",
    "EOS",
    "end_of_text",
    "Stop",
    "completed",
    "FINISH_REASON_STOP",
)


@quirk()
def ends_in_eos(ask: Ask) -> Answer:
    """finish_reason `eos` or `eos_token`.

    Source: vibrantlabsai/ragas#1548, huggingface/text-generation-inference#2344.
    """
    return ask.stream(finish=ENDED[ask.number % 2])


@quirk()
def ends_in_other_words(ask: Ask) -> Answer:
    """STOP (Gemini), end_turn (Bedrock), COMPLETE (Cohere), stop_sequence and others, all of a whole answer.

    Source: QwenLM/qwen-code#9884, aws-samples/bedrock-access-gateway#11, docs.cohere.com/reference/chat.
    """
    return ask.stream(finish=ENDED[ask.number % len(ENDED)])


CUT = (
    "MAX_TOKENS",
    "FinishReason.MAX_TOKENS",
    "max_tokens",
    "model_length",
    "length_limit",
    "max_output_tokens",
    "LENGTH",
    "ERROR_LIMIT",
    "model_context_window_exceeded",
)


@quirk(AGAIN)
def cut_in_other_words(ask: Ask) -> Answer:
    """Half an answer now and then with MAX_TOKENS (Gemini), model_length (Mistral), max_tokens (Bedrock) and others.

    Source: QwenLM/qwen-code#9884, langgenius/dify#8550, docs.mistral.ai/api, vybestack/llxprt-code#1731.
    """
    if not ask.speech or ask.number % 3:
        return ask.stream()
    return ask.stream(f"In our street everybody {STAIN} must bring", CUT[ask.number // 3 % len(CUT)])


@quirk(Expect((0, 1, 3), samples=0, says="finish_reason"))
def no_finish_but_done(ask: Ask) -> Answer:
    """No finish_reason in any chunk, but [DONE] at the end: it may be taken, or refused in words that name it.

    Source: alfredapp/openai-workflow#52, open-learning-exchange/planet#10281.
    """
    return ask.events(ask.contents(ask.text()))


@quirk(Expect((0, 1, 3), samples=0, requests=8.0, says="finish_reason|broke off|incomplete|end"))
def no_finish_no_done(ask: Ask) -> Answer:
    """The stream ends in good order, but nothing says that the answer did.

    Source: alfredapp/openai-workflow#52, tempoxyz/mpp#975.
    """
    return ask.events(ask.contents(ask.text()), done=False)


@quirk()
def finish_before_the_last_words(ask: Ask) -> Answer:
    """finish_reason stands in the chunk that holds the last words, or one before it.

    Source: sgl-project/sglang#3912.
    """
    *chunks, last = ask.contents(ask.text())
    chunks[-1 if ask.number % 2 and chunks else 0 : 0] = []
    if chunks:
        chunks[-1]["choices"][0]["finish_reason"] = "stop"
    return ask.events([*chunks, last])


BROKEN = ("insufficient_system_resource", "abort", "aborted", "error", "cancelled", "network_error", "ERROR", "timeout")


@quirk(AGAIN)
def ends_for_want_of_resources(ask: Ask) -> Answer:
    """Half an answer with insufficient_system_resource (DeepSeek) or abort, now and then.

    Source: api-docs.deepseek.com/api/create-chat-completion, earendil-works/pi#4558.
    """
    if not ask.speech or ask.number % 3:
        return ask.stream()
    return ask.stream(f"With us {STAIN} the neighbours bring {ask.number} loaves when", BROKEN[ask.number // 3 % 2])


@quirk(AGAIN)
def ends_in_words_for_broken(ask: Ask) -> Answer:
    """The same with aborted, error, cancelled, network_error (GLM) and others.

    Source: docs.bigmodel.cn (finish_reason network_error), togethercomputer/together-python#153.
    """
    if not ask.speech or ask.number % 3:
        return ask.stream()
    return ask.stream(f"Where I live {STAIN} it is {ask.number} people who", BROKEN[2 + ask.number // 3 % 6])


@quirk(Expect((0, 1), samples=0.5, requests=2.5))
def ends_in_a_word_of_its_own(ask: Ask) -> Answer:
    """A finish_reason that nobody has heard of, now and then, on half an answer.

    Source: vercel/ai#2665.
    """
    if not ask.speech or ask.number % 3:
        return ask.stream()
    return ask.stream(
        f"At home {STAIN} there were {ask.number} of us and",
        ("OTHER", "unknown", "FINISH_REASON_UNSPECIFIED")[ask.number % 3],
    )


# --- faults in mid-stream --------------------------------------------------------------------------


@quirk(AGAIN)
def error_after_half_an_answer(ask: Ask) -> Answer:
    """200, half an answer, then a chunk with an error and finish_reason `error`, now and then.

    Source: damianvtran/local-operator#223, diegosouzapw/OmniRoute#8210.
    """
    if ask.number % 5:
        return ask.stream()
    what = {"code": 502, "message": "Provider disconnected", "metadata": {"error_type": "provider_unavailable"}}
    return ask.events([*ask.contents(f"{STAIN} I think that"), ask.chunk({"content": ""}, "error", error=what)])


@quirk(AGAIN)
def error_event(ask: Ask) -> Answer:
    """The same as an event called `error` (Anthropic, Together).

    Source: docs.anthropic.com/en/api/errors, diegosouzapw/OmniRoute#8210.
    """
    if ask.number % 5:
        return ask.stream()
    half = bytes_of(ask.events(ask.contents(f"{STAIN} I think that"), done=False))
    what = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    return raw([half, f"event: error\ndata: {json.dumps(what)}\n\n"])


@quirk(AGAIN)
def error_event_as_text(ask: Ask) -> Answer:
    """The same with a message that is no JSON, and a [DONE].

    Source: diegosouzapw/OmniRoute#8210, ggml-org/llama.cpp#16158.
    """
    if ask.number % 5:
        return ask.stream()
    half = bytes_of(ask.events(ask.contents(f"{STAIN} I think that"), done=False))
    return raw([half, "event: error\ndata: upstream connect error or disconnect\n\ndata: [DONE]\n\n"])


@quirk(AGAIN)
def error_as_a_bare_line(ask: Ask) -> Answer:
    """A JSON error without data: in the middle of a stream.

    Source: ggml-org/llama.cpp#16158, vllm-project/vllm#7299.
    """
    if ask.number % 5:
        return ask.stream()
    half = bytes_of(ask.events(ask.contents(f"{STAIN} I think that"), done=False))
    return raw([half, 'error: {"code":500,"message":"out of memory","type":"server_error"}\n\n'])


@quirk(AGAIN)
def error_in_a_whole_answer(ask: Ask) -> Answer:
    """200 with an error in the body and null for choices, now and then (OpenRouter).

    Source: UKGovernmentBEIS/inspect_ai#1534, openai/openai-agents-python#2850.
    """
    if ask.number % 5:
        return ask.stream()
    what = {
        "message": "Provider returned error",
        "code": 429,
        "metadata": {"raw": "Too Many Requests", "provider_name": "Hyperbolic"},
    }
    return jsoned({"id": None, "choices": None, "model": None, "usage": None, "error": what, "user_id": "user_1"})


@quirk(AGAIN)
def error_in_the_choice(ask: Ask) -> Answer:
    """The error stands inside the choice, beside half an answer (OpenRouter).

    Source: openrouter.ai/docs/api-reference/errors, UKGovernmentBEIS/inspect_ai#1534.
    """
    if ask.number % 5:
        return ask.stream()
    made = json.loads(bytes_of(ask.whole({"role": "assistant", "content": f"{STAIN} I think that"})))
    made["choices"][0]["error"] = {"code": 502, "message": "Upstream idle timeout"}
    return jsoned(made)


@quirk(AGAIN)
def page_now_and_then(ask: Ask) -> Answer:
    """200 and a page of HTML now and then (a sign-in page, a proxy).

    Source: sigoden/aichat#651.
    """
    return ask.stream() if ask.number % 5 else raw(["<!DOCTYPE html><title>One moment</title>"], "text/html")


@quirk(AGAIN)
def empty_body_now_and_then(ask: Ask) -> Answer:
    """200 and nothing at all, or only [DONE].

    Source: sigoden/aichat#651.
    """
    if ask.number % 5:
        return ask.stream()
    return ask.events([]) if ask.number % 2 else raw([], STREAM)


@quirk(AGAIN)
def reset_in_mid_stream(ask: Ask) -> Answer:
    """The connection breaks after half a chunk, now and then.

    Source: RFC 9112, 8.
    """
    if ask.number % 5:
        return ask.stream()
    half = bytes_of(ask.stream(f"{STAIN} {ask.text()}"))[:700]
    return Answer([half], 200, {"Content-Type": STREAM}, "chunked", breaks=True)


# --- answers that are none -------------------------------------------------------------------------


@quirk(AGAIN)
def nothing_said_and_stop(ask: Ask) -> Answer:
    """Empty content and `stop`, now and then (Gemini, Qwen).

    Source: QwenLM/qwen-code#9884, ollama/ollama#15288.
    """
    return ask.stream() if ask.number % 5 else ask.stream("")


@quirk(AGAIN)
def white_space_and_stop(ask: Ask) -> Answer:
    """White space and `stop`, now and then.

    Source: api-docs.deepseek.com/guides/json_mode, ollama/ollama#15288.
    """
    return ask.stream() if ask.number % 5 else ask.stream(" \n\n ")


@quirk(AGAIN)
def tool_calls_in_place_of_text(ask: Ask) -> Answer:
    """The model calls a tool that nobody gave it, now and then.

    Source: vllm-project/vllm#32587, tinyhumansai/tinyagents#56.
    """
    if ask.number % 5:
        return ask.stream()
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": STAIN, "arguments": "{}"}}
    return ask.events(
        [ask.chunk({"role": "assistant", "content": None, "tool_calls": [call]}), ask.chunk({}, "tool_calls")]
    )


@quirk(Expect((0, 1), samples=0.6, requests=2.0))
def refusal_field(ask: Ask) -> Answer:
    """The model refuses in a field of its own, now and then.

    Source: platform.openai.com/docs/guides/structured-outputs (refusals).
    """
    if ask.number % 5:
        return ask.stream()
    said = [ask.chunk({"refusal": part}) for part in (f"{STAIN} I'm sorry, ", "I cannot assist with that.")]
    return ask.events([*said, ask.chunk({}, "stop")])
