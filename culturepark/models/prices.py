"""What a call cost, where the price is known. An unknown price is None, never zero.

A file of the user's own (`CULTUREPARK_PRICES`) comes first, then the list of the library genai-prices, as it was
installed: nothing is fetched. That list is used for hosts of known services alone; a model on any other server costs
what its owner says, whatever its name.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from importlib.metadata import version
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from culturepark.errors import UsageError
from culturepark.files import clipped, readable
from culturepark.models.chat import Usage
from culturepark.models.providers import provider_of

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider

MOST = 1e9
"""Dollars; no price of a million tokens is higher, and neither `nan` nor `inf` is below it."""
LISTED = {
    "OpenAI": "openai", "Azure": "azure", "Anthropic": "anthropic", "Gemini": "google", "Mistral": "mistral",
    "DeepSeek": "deepseek", "Groq": "groq", "OpenRouter": "openrouter", "Together": "together", "xAI": "x-ai",
    "Fireworks": "fireworks", "Cerebras": "cerebras", "Cohere": "cohere", "Moonshot": "moonshotai",
}  # fmt: skip
"""Services of `providers` by their name in genai-prices; there, further ones have patterns of their URLs."""
ONES_OWN = (".local", ".internal", ".lan", ".home", ".localhost", ".home.arpa", ".test", ".invalid")
"""Ends of names that the world outside does not know."""
OWN_SERVERS = {"modal", "databricks"}
"""Services where people serve models of their own."""


class Price(NamedTuple):
    """US dollars per million tokens."""

    prompt: float
    cached: float
    completion: float

    def dollars(self, usage: Usage) -> float | None:
        """What a call costs; None if it is not known how many tokens were sent."""
        if usage.prompt_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        sent = (usage.prompt_tokens - cached) * self.prompt + cached * self.cached
        return (sent + (usage.completion_tokens or 0) * self.completion) / 1e6


class Listed(NamedTuple):
    """A model in the list of genai-prices; its price may hang on how much is sent, and on the day."""

    provider: Provider
    model: ModelInfo

    def dollars(self, usage: Usage) -> float | None:
        """What a call costs; None if a part of it has no known price. Thoughts are part of the completion."""
        from genai_prices import Usage as Counted

        if usage.prompt_tokens is None:
            return None
        made = usage.completion_tokens or 0
        counts: dict[str, Any] = {"input_tokens": usage.prompt_tokens, "output_tokens": made}
        if usage.cached_tokens:
            counts["cache_read_tokens"] = min(usage.cached_tokens, usage.prompt_tokens)
        if usage.reasoning_tokens and usage.reasoning_tokens <= made:
            counts["output_reasoning_tokens"] = usage.reasoning_tokens
        try:
            found = self.model.calc_price(
                Counted(**counts), self.provider, genai_request_timestamp=datetime.now(UTC), auto_update_timestamp=None
            )
        except (LookupError, ValueError, ArithmeticError):
            return None
        known = found.model_price
        if known.input_mtok is None or (made and known.output_mtok is None):
            return None
        return float(found.total_price)


@cache
def table() -> dict[tuple[str, str], Price]:
    """(endpoint, model) -> price, as the user's own file has it.

    Raises:
        UsageError: if the file is wrong.
    """
    found: dict[tuple[str, str], Price] = {}
    if path := os.environ.get("CULTUREPARK_PRICES"):
        try:
            for entry in tomllib.loads(readable(Path(path)).read_text("utf-8"))["price"]:
                for model, three in entry["models"].items():
                    found[entry["endpoint"].rstrip("/"), model] = Price(*map(dollars, three))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UsageError(
                f"CULTUREPARK_PRICES={clipped(path, 400)}: not a price file: {clipped(error, 400)}"
            ) from None
    return found


def dollars(figure: float) -> float:
    """A price as it stands in a file."""
    if not 0 <= figure <= MOST:
        raise ValueError(f"a price must lie between 0 and {MOST:,.0f}, not {clipped(figure)}")
    return float(figure)


def price(endpoint: str, model: str) -> Price | Listed | None:
    """The model's price; a dated version (`gpt-4o-2024-08-06`) costs what its family does unless listed."""
    own = table()
    family = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model)
    return own.get((endpoint, model)) or own.get((endpoint, family)) or listed(endpoint, model)


def cost(endpoint: str, model: str, usage: Usage) -> float | None:
    """US dollars for one call."""
    known = price(endpoint, model)
    return known.dollars(usage) if known else None


@cache
def listed(endpoint: str, model: str) -> Listed | None:
    """The model of a known service in the list of genai-prices, if it has a price for what is sent."""
    host = public_host(endpoint)
    if not host:
        return None
    service = provider_of(host)
    from genai_prices.data_snapshot import get_snapshot  # 0.8 s

    snapshot = get_snapshot()
    name = LISTED.get(service.name) if service else None
    try:
        if name is None:
            name = next(found.id for found in snapshot.providers if serves(found, host, urlsplit(endpoint).path))
        found = Listed(*snapshot.find_provider_model(model, None, name, None))
    except (LookupError, StopIteration):
        return None
    return found if found.dollars(Usage(1, 0, 0)) is not None else None


def serves(provider: Provider, host: str, path: str) -> bool:
    """Whether a provider's pattern fits the host as a whole, and not a name that only begins like it."""
    if provider.id in OWN_SERVERS:
        return False
    root = f"https://{host}"
    if fit := re.match(provider.api_pattern, root):
        return fit.end() == len(root)
    if "/" not in provider.api_pattern.removeprefix("https://"):  # it could only fit by running on into the path
        return False
    fit = re.match(provider.api_pattern, whole := root + path)
    return fit is not None and (fit[0].endswith("/") or whole[fit.end() : fit.end() + 1] in ("", "/"))


def public_host(endpoint: str) -> str:
    """The host of an endpoint, in lower case; empty for an address, and for a name of one's own network."""
    try:
        host = (urlsplit(endpoint).hostname or "").lower().rstrip(".")
    except ValueError:
        return ""
    return "" if is_address(host) or "." not in host or host.endswith(ONES_OWN) else host


def is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def as_of() -> str:
    """The day of the newest price in the list of genai-prices, as YYYY-MM-DD: the list is at least as new.

    It tells no day of its own. Prices that were announced for a day after it was installed do not count.
    """
    from genai_prices import data, data_snapshot

    installed = date.fromtimestamp(Path(data.__file__).stat().st_mtime)
    days = {day for provider in data_snapshot.get_snapshot().providers for day in days_of(provider)}
    return max((day for day in days if day <= installed), default=date.min).isoformat()


def days_of(provider: Provider) -> Iterator[date]:
    for model in provider.models:
        for one in model.prices if isinstance(model.prices, list) else ():
            day = getattr(one.constraint, "start_date", None)
            if isinstance(day, date):
                yield day


def source() -> str:
    """The list's name and version."""
    return f"genai-prices {version('genai-prices')}"
