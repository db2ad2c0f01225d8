"""What calls cost: whose price it is, and what is not known stays unknown."""

from __future__ import annotations

import re
import socket
from datetime import date
from pathlib import Path

import pytest

from culturepark.cli import doctor
from culturepark.models import prices
from culturepark.models.chat import Usage
from culturepark.models.providers import OPENAI_URL

MILLION = Usage(1_000_000, 0, 0)


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CULTUREPARK_PRICES", raising=False)
    prices.table.cache_clear()
    prices.listed.cache_clear()


@pytest.mark.parametrize(
    ("url", "model"),
    [
        (OPENAI_URL, "gpt-4o-mini"),
        (OPENAI_URL, "text-embedding-3-small"),
        ("https://eu.api.openai.com/v1", "gpt-4o"),
        ("https://team.openai.azure.com/openai/v1", "gpt-4o"),
        ("https://team.openai.azure.com/openai/deployments/gpt-4o", "gpt-4o"),
        ("https://openrouter.ai/api/v1", "openai/gpt-4o-mini"),
        ("https://api.groq.com/openai/v1", "llama-3.3-70b-versatile"),
        ("https://api.mistral.ai/v1", "mistral-small-latest"),
        ("https://api.deepseek.com", "deepseek-chat"),
        ("https://api.anthropic.com/v1", "claude-sonnet-4-5"),
        ("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-flash"),
        ("https://api.x.ai/v1", "grok-4"),
        ("https://api.together.xyz/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("https://api.together.ai/v1", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        ("https://router.huggingface.co/groq/v1", "openai/gpt-oss-20b"),
    ],
)
def test_known_services_have_prices(url: str, model: str) -> None:
    cost = prices.cost(url, model, MILLION)
    assert cost is not None
    assert 0.001 < cost < 100


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8000/v1", "http://127.0.0.1:1234/v1", "http://[::1]:8080/v1", "http://10.1.2.3/v1",
        "http://192.168.0.7:11434/v1", "https://8.8.8.8/v1", "http://vllm:8000/v1", "http://box.local/v1",
        "https://gateway.example/openai/v1", "https://api.openai.com.example/v1", "https://example.com/api.openai.com",
        "https://xapi.openai.com.example/v1", "https://example.com/x.googleapis.com/v1", "https://me--app.modal.run/v1",
        "https://notapi.groq.com.example/v1", "http://localhost/x.googleapis.com", "https://router.huggingface.co/groqq/v1",
        "https://openrouter.ai.example/api/v1", "", "http://", "http://[", "nonsense",
    ],
)  # fmt: skip
@pytest.mark.parametrize("model", ["gpt-4o", "gemini-2.5-flash", "openai/gpt-oss-20b"])
def test_a_model_on_any_other_server_costs_nobody_knows_what(url: str, model: str) -> None:
    assert prices.price(url, model) is None
    assert prices.cost(url, model, MILLION) is None


def test_a_name_that_only_begins_like_a_known_one_has_no_price() -> None:
    assert prices.cost(OPENAI_URL, "gpt-4o-mini-of-mine", MILLION) is None
    assert prices.cost(OPENAI_URL, "", MILLION) is None
    assert prices.cost(OPENAI_URL, "nobody/knows", MILLION) is None


def test_cached_tokens_cost_less_and_thoughts_what_the_completion_does() -> None:
    def cost(*counts: int, thoughts: int | None = None) -> float:
        found = prices.cost(OPENAI_URL, "gpt-5", Usage(*counts, "server", thoughts))
        assert found is not None
        return found

    sent, cached, made = cost(1_000_000, 0, 0), cost(1_000_000, 1_000_000, 0), cost(1, 0, 1_000_000) - cost(1, 0, 0)
    assert 0 < cached < sent < made
    assert cost(1_000_000, 400_000, 0) == pytest.approx(0.6 * sent + 0.4 * cached)
    assert cost(1, 0, 1_000_000, thoughts=900_000) == pytest.approx(cost(1, 0, 1_000_000))
    assert cost(1, 0, 10, thoughts=900_000) == pytest.approx(cost(1, 0, 10))  # more thoughts than tokens: nonsense
    assert cost(10, 99, 0) == pytest.approx(cost(10, 10, 0))
    assert prices.cost(OPENAI_URL, "gpt-5", Usage()) is None


def test_a_part_without_a_price_makes_the_whole_unknown() -> None:
    assert prices.cost(OPENAI_URL, "text-embedding-3-small", Usage(10, 0, 5)) is None
    assert prices.cost(OPENAI_URL, "text-embedding-3-small", Usage(10, 0, 0)) is not None


def test_more_sent_may_cost_more_a_token() -> None:
    url, model = "https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro"
    small, large = prices.cost(url, model, Usage(100_000, 0, 0)), prices.cost(url, model, Usage(1_000_000, 0, 0))
    assert small is not None
    assert large is not None
    assert large > 10.5 * small


def test_the_users_own_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(f'[[price]]\nendpoint = "{OPENAI_URL}"\nmodels = {{ "gpt-4o" = [7, 1, 9], "ours" = [1, 1, 1] }}\n')
    monkeypatch.setenv("CULTUREPARK_PRICES", str(path))
    prices.table.cache_clear()
    assert prices.cost(OPENAI_URL, "gpt-4o", MILLION) == 7
    assert prices.cost(OPENAI_URL, "gpt-4o-2024-08-06", MILLION) == 7
    assert prices.cost(OPENAI_URL, "ours", MILLION) == 1
    assert prices.cost(OPENAI_URL, "gpt-4o-mini", MILLION) == pytest.approx(0.15)
    assert "2 of CULTUREPARK_PRICES" in doctor.price_list().detail


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert prices.cost(OPENAI_URL, "gpt-4o-mini", MILLION) is not None


def test_doctor_says_how_old_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    day = date.fromisoformat(prices.as_of())
    assert date(2026, 1, 1) < day <= date.today()
    assert re.fullmatch(rf"genai-prices \S+, of {day} or later \(\d+ days\)", doctor.price_list().detail)
    monkeypatch.setattr(prices, "as_of", lambda: "2024-01-01")
    old = doctor.price_list()
    assert old.state == "note"
    assert "pip install --upgrade genai-prices" in old.detail
