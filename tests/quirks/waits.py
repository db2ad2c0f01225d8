"""Servers that want to be left alone for a while, and where they say for how long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import time
from typing import Any

from tests.quirks.asking import Answer, Ask, error, jsoned, text
from tests.quirks.kinds import Expect, quirk

WAITED = Expect(requests=1.6)
"""Whoever reads the wait asks hardly more than once too often."""
PATIENT = Expect(requests=2.0, says=r"load|wait|busy|warm|start")


def busy(ask: Ask, seconds: float, answer: Callable[[float], Answer]) -> Answer:
    """Refuses for so many seconds, from the fifth request on."""
    left = ask.wait_left(seconds)
    return answer(left) if left > 0 else ask.stream()


def too_many(said: str = "Rate limit reached", headers: Mapping[str, str] = {}, **more: Any) -> Answer:
    return error(429, said, headers, **({"type": "tokens", "code": "rate_limit_exceeded"} | more))


def moment(left: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=left)


# --- in headers ------------------------------------------------------------------------------------


@quirk(WAITED)
def wait_in_odd_headers(ask: Ask) -> Answer:
    """retry-after-ms and x-ratelimit-reset-tokens, no Retry-After (Azure).

    Source: openai/openai-python#937, Azure/azure-openai-benchmark#31.
    """
    return busy(
        ask,
        20,
        lambda left: too_many(
            headers={
                "retry-after-ms": str(int(left * 1000)),
                "x-ratelimit-reset-tokens": f"{left:.1f}s",
                "x-ratelimit-remaining-tokens": "0",
            }
        ),
    )


@quirk(WAITED)
def wait_as_a_date(ask: Ask) -> Answer:
    """Retry-After is a date.

    Source: RFC 9110, 10.2.3.
    """
    return busy(ask, 20, lambda left: too_many(headers={"Retry-After": format_datetime(moment(left + 1), usegmt=True)}))


@quirk(WAITED)
def wait_as_a_fraction(ask: Ask) -> Answer:
    """Retry-After is a number with a fraction, or with a unit.

    Source: openai/openai-python#937, Aider-AI/aider#3265.
    """
    return busy(
        ask, 20, lambda left: too_many(headers={"retry-after": f"{left:.2f}" if ask.number % 2 else f"{left:.2f}s"})
    )


@quirk(WAITED)
def wait_in_minutes_and_seconds(ask: Ask) -> Answer:
    """x-ratelimit-reset-requests says 1m2.5s (OpenAI, Groq).

    Source: platform.openai.com/docs/guides/rate-limits, console.groq.com/docs/rate-limits.
    """
    return busy(
        ask,
        62.5,
        lambda left: too_many(
            headers={
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": f"{int(left // 60)}m{left % 60:.1f}s",
            }
        ),
    )


@quirk(WAITED)
def wait_until_an_epoch(ask: Ask) -> Answer:
    """X-RateLimit-Reset is a moment in milliseconds since 1970 (OpenRouter), in the body's metadata too.

    Source: openrouter.ai/docs/api-reference/limits, QwenLM/qwen-code#73.
    """

    def refuse(left: float) -> Answer:
        head = {
            "X-RateLimit-Limit": "20",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(int((time() + left) * 1000)),
        }
        what = {"message": "Rate limit exceeded: free-models-per-min. ", "code": 429, "metadata": {"headers": head}}
        return jsoned({"error": what, "user_id": "user_1"}, 429, head if ask.number % 2 else {})

    return busy(ask, 20, refuse)


@quirk(WAITED)
def wait_until_an_epoch_in_seconds(ask: Ask) -> Answer:
    """x-ratelimit-reset is a moment in seconds since 1970 (GitHub Models, Fireworks).

    Source: docs.github.com/rest/using-the-rest-api/rate-limits.
    """
    return busy(
        ask,
        20,
        lambda left: too_many(headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time() + left + 1))}),
    )


@quirk(WAITED)
def wait_in_seconds_of_reset(ask: Ask) -> Answer:
    """RateLimit-Reset is a number of seconds (the draft, Mistral).

    Source: draft-ietf-httpapi-ratelimit-headers-03.
    """
    return busy(
        ask, 20, lambda left: too_many(headers={"ratelimit-remaining": "0", "ratelimit-reset": str(int(left + 1))})
    )


@quirk(WAITED)
def wait_until_anthropic_says(ask: Ask) -> Answer:
    """anthropic-ratelimit-*-reset is a moment by RFC 3339.

    Source: docs.anthropic.com/en/api/rate-limits.
    """
    what = {
        "type": "error",
        "error": {"type": "rate_limit_error", "message": "This request would exceed your organization's rate limit."},
    }
    return busy(
        ask,
        20,
        lambda left: jsoned(
            what,
            429,
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": moment(left + 1).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        ),
    )


@quirk(WAITED)
def one_of_two_windows_is_empty(ask: Ask) -> Answer:
    """Two windows: requests come back in 6 ms, tokens in 25 s; only the remaining numbers tell which one counts.

    Source: platform.openai.com/docs/guides/rate-limits, console.groq.com/docs/rate-limits.
    """
    return busy(
        ask,
        25,
        lambda left: too_many(
            headers={
                "x-ratelimit-remaining-requests": "99",
                "x-ratelimit-reset-requests": "6ms",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": f"{left:.2f}s",
            }
        ),
    )


@quirk()
def headers_on_good_answers(ask: Ask) -> Answer:
    """Good answers carry the same headers, with a minute until the window is full again: nothing is to be waited for.

    Source: platform.openai.com/docs/guides/rate-limits.
    """
    good = ask.stream()
    return Answer(
        good.parts,
        200,
        {
            **good.headers,
            "x-ratelimit-remaining-requests": "59",
            "x-ratelimit-reset-requests": "1m0s",
            "retry-after": "60",
        },
        good.framing,
    )


# --- in bodies -------------------------------------------------------------------------------------


@quirk(WAITED)
def wait_in_the_message(ask: Ask) -> Answer:
    """ "Please try again in 24.7s" (Groq, OpenAI).

    Source: Aider-AI/aider#3265, microsoft/action-python#12.
    """
    return busy(
        ask,
        25,
        lambda left: too_many(
            "Rate limit reached for model `test` on tokens per minute (TPM): Limit 15000, Used "
            f"11972, Requested 4351. Please try again in {left:.3f}s."
        ),
    )


@quirk(WAITED)
def wait_in_the_message_with_minutes(ask: Ask) -> Answer:
    """ "Please try again in 1m14.3s".

    Source: Aider-AI/aider#3265, console.groq.com/docs/rate-limits.
    """
    return busy(
        ask,
        74.3,
        lambda left: too_many(
            "Rate limit reached for model `test` on tokens per day (TPD). Please try again in "
            f"{int(left // 60)}m{left % 60:.1f}s. Need more tokens?"
        ),
    )


@quirk(WAITED)
def wait_in_milliseconds(ask: Ask) -> Answer:
    """ "Please try again in 874ms".

    Source: openai/openai-cookbook (How to handle rate limits), Aider-AI/aider#3265.
    """
    return busy(
        ask,
        0.9,
        lambda left: too_many(
            f"Rate limit reached for requests. Limit: 3 / min. Please try again in {left * 1000:.0f}ms."
        ),
    )


@quirk(WAITED)
def retry_after_so_many_seconds(ask: Ask) -> Answer:
    """ "Please retry after 30 seconds" (Azure).

    Source: Azure/azure-openai-benchmark#31, microsoft/action-python#12.
    """
    return busy(
        ask,
        30,
        lambda left: too_many(
            (
                "Requests to the ChatCompletions_Create Operation under Azure OpenAI API have exceeded "
                "token rate limit of your current AIServices S0 pricing tier. Please retry after "
                f"{int(left) + 1} seconds."
            ),
            code="429",
        ),
    )


@quirk(WAITED)
def retry_info(ask: Ask) -> Answer:
    """RetryInfo in the details of an error in a list (Gemini).

    Source: google-gemini/gemini-cli#11392, cloud.google.com/apis/design/errors.
    """

    def refuse(left: float) -> Answer:
        details = [
            {"@type": "type.googleapis.com/google.rpc.Help"},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{left:.9f}s"},
        ]
        return jsoned(
            [
                {
                    "error": {
                        "code": 429,
                        "message": "Resource has been exhausted (e.g. check quota).",
                        "status": "RESOURCE_EXHAUSTED",
                        "details": details,
                    }
                }
            ],
            429,
        )

    return busy(ask, 20, refuse)


@quirk(WAITED)
def wait_in_a_field(ask: Ask) -> Answer:
    """`retry_after` in the body, beside the message.

    Source: discord.com/developers/docs/topics/rate-limits.
    """
    return busy(
        ask,
        20,
        lambda left: jsoned(
            {"message": "You are being rate limited.", "retry_after": round(left, 3), "global": False}, 429
        ),
    )


@quirk(Expect(requests=2.0))
def busy_inside_200(ask: Ask) -> Answer:
    """429 in the body of a 200, with the wait in the message (OpenRouter).

    Source: UKGovernmentBEIS/inspect_ai#1534, openai/openai-agents-python#2850.
    """
    return busy(
        ask,
        20,
        lambda left: jsoned(
            {
                "error": {
                    "message": f"Rate limited upstream. Try again in {left:.1f} seconds",
                    "code": 429,
                    "metadata": {"provider_name": "x"},
                },
                "choices": None,
            }
        ),
    )


@quirk(Expect(requests=2.5))
def busy_without_a_word(ask: Ask) -> Answer:
    """429 with an empty body and no header, for twelve seconds.

    Source: RFC 6585, 4.
    """
    return busy(ask, 12, lambda left: Answer([], 429))


# --- loading ---------------------------------------------------------------------------------------


@quirk(PATIENT)
def loading_model_503(ask: Ask) -> Answer:
    """503 "Loading model" for the first 30 s (llama-server).

    Source: mostlygeek/llama-swap#146, containers/ramalama#2343.
    """
    return (
        ask.stream()
        if ask.age >= 30
        else jsoned({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)
    )


@quirk(PATIENT)
def loading_with_an_estimate(ask: Ask) -> Answer:
    """503 with estimated_time, for 44 s (Hugging Face).

    Source: huggingface/transformers#11904, huggingface/transformers#23793.
    """
    return (
        ask.stream()
        if ask.age >= 44
        else jsoned({"error": "Model test is currently loading", "estimated_time": 44.49033436}, 503)
    )


@quirk(Expect(requests=3.2, says=PATIENT.says))
def loading_for_minutes(ask: Ask) -> Answer:
    """Loading takes four minutes, as it does for large models.

    Source: mostlygeek/llama-swap#146, huggingface/transformers#23793.
    """
    return (
        ask.stream()
        if ask.age >= 240
        else jsoned({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, 503)
    )


@quirk(PATIENT)
def loading_again_in_the_middle(ask: Ask) -> Answer:
    """The model is swapped out in the middle of a run and loaded again (llama-swap, Ollama).

    Source: mostlygeek/llama-swap#146.
    """
    return busy(ask, 40, lambda left: text(503, "model is loading, please wait"))


@quirk(Expect((0, 1, 3), samples=0, requests=2.5, says="502"))
def bad_gateway_while_starting(ask: Ask) -> Answer:
    """502 from the proxy until the server behind it listens, for 15 s; five attempts may not be enough.

    Source: mostlygeek/llama-swap#146, RFC 9110, 15.6.3.
    """
    return ask.stream() if ask.age >= 15 else text(502, "<html><h1>502 Bad Gateway</h1><hr>nginx</html>", "text/html")


@quirk(Expect(requests=1.8))
def overloaded_529(ask: Ask) -> Answer:
    """529 overloaded_error, now and then (Anthropic).

    Source: docs.anthropic.com/en/api/errors.
    """
    return (
        ask.stream()
        if ask.number % 6
        else jsoned({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, 529)
    )


@quirk(Expect(requests=1.8))
def cloudflare_52x(ask: Ask) -> Answer:
    """520, 522 and 524 of Cloudflare as pages, now and then.

    Source: developers.cloudflare.com/support/troubleshooting/http-status-codes.
    """
    return (
        ask.stream()
        if ask.number % 6
        else text((520, 522, 524)[ask.number % 3], "<title>A timeout occurred</title>", "text/html")
    )


@quirk(Expect(requests=1.8))
def throttling_exception(ask: Ask) -> Answer:
    """A rate limit without `error`, under `__type` (Bedrock), now and then.

    Source: docs.aws.amazon.com/bedrock (ThrottlingException).
    """
    if ask.number % 6:
        return ask.stream()
    return jsoned(
        {"__type": "ThrottlingException", "message": "Too many requests, please wait before trying again."}, 429
    )
