"""Endpoints of embeddings."""

from __future__ import annotations

import base64
import struct

from tests.quirks.asking import Answer, Ask, error, jsoned, raw
from tests.quirks.kinds import Expect, quirk

EMBEDDED = ("--role", "embedder=SPEC")
MAY_STOP = Expect((0, 1, 3), samples=0, requests=2.5)


def embeds(ask: Ask) -> bool:
    return ask.path.endswith("/embeddings")


@quirk(Expect(requests=1.2), *EMBEDDED)
def plain_embeddings(ask: Ask) -> Answer:
    """Nothing odd, with embeddings from the same endpoint.

    Source: platform.openai.com/docs/api-reference/embeddings.
    """
    return ask.embedded(ask.vectors()) if embeds(ask) else ask.stream()


@quirk(None, *EMBEDDED)
def base64_unasked(ask: Ask) -> Answer:
    """Vectors in base64, though floats were asked for.

    Source: platform.openai.com/docs/api-reference/embeddings (encoding_format).
    """
    if not embeds(ask):
        return ask.stream()
    data = ask.vectors()
    for row in data:
        row["embedding"] = base64.b64encode(struct.pack(f"<{len(row['embedding'])}f", *row["embedding"])).decode()
    return ask.embedded(data)


@quirk(None, *EMBEDDED)
def encoding_format_refused(ask: Ask) -> Answer:
    """`encoding_format` is refused (older servers).

    Source: editor-code-assistant/eca#231 (extra_forbidden).
    """
    if not embeds(ask):
        return ask.stream()
    if "encoding_format" in ask.body:
        return jsoned(
            {
                "detail": [
                    {
                        "type": "extra_forbidden",
                        "loc": ["body", "encoding_format"],
                        "msg": "Extra inputs are not permitted",
                    }
                ]
            },
            422,
        )
    return ask.embedded(ask.vectors())


@quirk(None, *EMBEDDED)
def vectors_in_another_order(ask: Ask) -> Answer:
    """Vectors come in another order; only `index` tells whose each is.

    Source: platform.openai.com/docs/api-reference/embeddings/object.
    """
    return ask.embedded(ask.vectors()[::-1]) if embeds(ask) else ask.stream()


@quirk(None, *EMBEDDED)
def vectors_without_index(ask: Ask) -> Answer:
    """Vectors without `index`, in the order of the texts.

    Source: ollama/ollama docs/api.md (embed).
    """
    if not embeds(ask):
        return ask.stream()
    return ask.embedded([{"embedding": row["embedding"]} for row in ask.vectors()])


@quirk(MAY_STOP, *EMBEDDED)
def index_of_zero_everywhere(ask: Ask) -> Answer:
    """Every vector says that it is the first.

    Source: platform.openai.com/docs/api-reference/embeddings/object.
    """
    return ask.embedded([{**row, "index": 0} for row in ask.vectors()]) if embeds(ask) else ask.stream()


@quirk(MAY_STOP, *EMBEDDED)
def vectors_of_nan(ask: Ask) -> Answer:
    """Vectors hold NaN, in JSON that is none.

    Source: ollama/ollama#9639, HKUDS/LightRAG#1870.
    """
    if not embeds(ask):
        return ask.stream()
    data = ask.vectors()
    for row in data:
        row["embedding"][0] = float("nan")
    return ask.embedded(data)


@quirk(Expect((0, 1, 3), samples=0, requests=2.5, says="NaN"), *EMBEDDED)
def nan_breaks_the_server(ask: Ask) -> Answer:
    """500: the vectors hold NaN, which cannot be encoded (Ollama).

    Source: ollama/ollama#9639, HKUDS/LightRAG#1870.
    """
    if not embeds(ask):
        return ask.stream()
    return jsoned({"error": {"message": "failed to encode response: json: unsupported value: NaN"}}, 500)


@quirk(MAY_STOP, *EMBEDDED)
def vectors_of_null(ask: Ask) -> Answer:
    """Vectors hold null where NaN was.

    Source: ollama/ollama#9639.
    """
    return ask.embedded([{**row, "embedding": [None] * 8} for row in ask.vectors()]) if embeds(ask) else ask.stream()


@quirk(Expect((0, 1, 3), samples=0, requests=2.0), *EMBEDDED)
def vectors_of_zero(ask: Ask) -> Answer:
    """Vectors of zeros, which have no direction.

    Source: ollama/ollama#9639.
    """
    return ask.embedded([{**row, "embedding": [0.0] * 8} for row in ask.vectors()]) if embeds(ask) else ask.stream()


@quirk(None, *EMBEDDED)
def batch_too_large_400(ask: Ask) -> Answer:
    """No more than 4 texts at once (Qwen: 10, Gemini: 100, TEI: 32).

    Source: memodb-io/memobase#142, garrytan/gbrain#1199.
    """
    if not embeds(ask):
        return ask.stream()
    if len(ask.body["input"]) > 4:
        return error(
            400,
            (
                "<400> InternalError.Algo.InvalidParameter: Value error, batch size is invalid, it "
                "should not be larger than 4.: input.contents"
            ),
            code="InvalidParameter",
        )
    return ask.embedded(ask.vectors())


@quirk(None, *EMBEDDED)
def batch_too_large_413(ask: Ask) -> Answer:
    """The same as 413 (TEI).

    Source: n4ze3m/page-assist#371, apecloud/ApeRAG#716.
    """
    if not embeds(ask):
        return ask.stream()
    if len(ask.body["input"]) > 4:
        return jsoned(
            {
                "error": f"batch size {len(ask.body['input'])} > maximum allowed batch size 4",
                "error_type": "Validation",
            },
            413,
        )
    return ask.embedded(ask.vectors())


@quirk(Expect(requests=1.6), *EMBEDDED)
def one_text_at_a_time(ask: Ask) -> Answer:
    """`input` is a string or nothing.

    Source: ollama/ollama docs/api.md (embeddings).
    """
    if not embeds(ask):
        return ask.stream()
    if isinstance(ask.body["input"], list) and len(ask.body["input"]) > 1:
        return error(422, "Input should be a valid string", param="input")
    return ask.embedded(ask.vectors())


@quirk(MAY_STOP, *EMBEDDED)
def dimension_changes(ask: Ask) -> Answer:
    """Vectors of another length from one request to the next.

    Source: docs.litellm.ai/docs/proxy/reliability (fallbacks).
    """
    if not embeds(ask):
        return ask.stream()
    places = 64 + 8 * (ask.number % 3)
    return ask.embedded([{**row, "embedding": row["embedding"][:places]} for row in ask.vectors()])


@quirk(MAY_STOP, *EMBEDDED)
def dimension_changes_within(ask: Ask) -> Answer:
    """Vectors of different lengths in one answer.

    Source: platform.openai.com/docs/api-reference/embeddings.
    """
    if not embeds(ask):
        return ask.stream()
    return ask.embedded([{**row, "embedding": row["embedding"][: 64 + n % 2]} for n, row in enumerate(ask.vectors())])


@quirk(MAY_STOP, *EMBEDDED)
def fewer_vectors_than_texts(ask: Ask) -> Answer:
    """A vector is missing.

    Source: platform.openai.com/docs/api-reference/embeddings.
    """
    return ask.embedded(ask.vectors()[:-1]) if embeds(ask) else ask.stream()


@quirk(MAY_STOP, *EMBEDDED)
def bare_lists_of_numbers(ask: Ask) -> Answer:
    """A list of lists of numbers, without anything around it (TEI's /embed).

    Source: huggingface.co/docs/text-embeddings-inference (/embed).
    """
    return jsoned([row["embedding"] for row in ask.vectors()]) if embeds(ask) else ask.stream()


@quirk(Expect((0, 1, 3), samples=0, requests=2.0, says="404|not found|embed"), *EMBEDDED)
def no_embeddings_here(ask: Ask) -> Answer:
    """The endpoint has no embeddings: 404 (Groq, DeepSeek, Anthropic).

    Source: docs.anthropic.com/en/docs/build-with-claude/embeddings, console.groq.com/docs/openai.
    """
    return (
        error(404, "Unknown request URL: POST /v1/embeddings", type="invalid_request_error")
        if embeds(ask)
        else ask.stream()
    )


@quirk(MAY_STOP, *EMBEDDED)
def embeddings_as_a_page(ask: Ask) -> Answer:
    """A page of HTML where vectors should be.

    Source: sigoden/aichat#651.
    """
    return raw(["<html>Please sign in</html>"], "text/html") if embeds(ask) else ask.stream()


@quirk(Expect((0, 1, 3), samples=0, requests=2.5, megabytes=200.0), *EMBEDDED)
def embeddings_without_end(ask: Ask) -> Answer:
    """A vector without end.

    Source: RFC 9112.
    """
    if not embeds(ask):
        return ask.stream()

    def body():  # type: ignore[no-untyped-def]
        yield b'{"data": [{"index": 0, "embedding": ['
        for _ in range(300):
            yield b"0.1, " * 200_000

    return Answer(body(), 200, {"Content-Type": "application/json"}, "chunked")


@quirk(Expect(requests=1.6), *EMBEDDED)
def embeddings_busy(ask: Ask) -> Answer:
    """429 for embeddings, with the wait in the message.

    Source: Aider-AI/aider#3265, openai/openai-cookbook.
    """
    left = ask.wait_left(15, after=0) if embeds(ask) else 0.0
    if left > 0:
        return error(429, f"Rate limit reached for embeddings. Please try again in {left:.2f}s.", type="requests")
    return ask.embedded(ask.vectors()) if embeds(ask) else ask.stream()
