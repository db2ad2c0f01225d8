"""Prices of calls. An unknown price is None, never zero.

A file of the user's own (`CULTUREPARK_PRICES`) comes first, then the list of the library genai-prices, as it was
installed: nothing is fetched. The list is used for hosts of known services alone. On any other server a model of the
same name may cost anything.
"""

from __future__ import annotations

import os
import re
import tomllib
from contextlib import suppress
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
"""Dollars for a million tokens. A higher price is a mistake, as are `nan` and `inf`."""
LISTED = {
    "OpenAI": "openai", "Azure": "azure", "Anthropic": "anthropic", "Gemini": "google", "Mistral": "mistral",
    "DeepSeek": "deepseek", "Groq": "groq", "OpenRouter": "openrouter", "Together": "together", "xAI": "x-ai",
    "Fireworks": "fireworks", "Cerebras": "cerebras", "Cohere": "cohere", "Moonshot": "moonshotai",
}  # fmt: skip
"""Name of a service in `providers` -> its name in genai-prices, which finds further ones by patterns of URLs."""
ONES_OWN = (".local", ".internal", ".lan", ".home", ".localhost", ".home.arpa", ".test", ".invalid")
"""Ends of host names in private networks."""
OWN_SERVERS = {"modal", "databricks"}
"""Services where people serve models of their own."""


BATCHED = 0.5
"""Share of the price that a request in a batch costs, where a list has no price of its own for it.

Source: https://platform.openai.com/docs/guides/batch and https://platform.claude.com/docs/en/about-claude/pricing; the
services that copy OpenAI's batches say the same of theirs.
"""


class Price(NamedTuple):
    """US dollars per million tokens."""

    prompt: float
    cached: float
    completion: float

    def dollars(self, usage: Usage, batched: bool = False) -> float | None:
        """Return the cost of a call; None if it is not known how many tokens were sent."""
        if usage.prompt_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        sent = (usage.prompt_tokens - cached) * self.prompt + cached * self.cached
        return (BATCHED if batched else 1) * (sent + (usage.completion_tokens or 0) * self.completion) / 1e6


IN_BATCH: Any = {"processing": "batch"}
"""What genai-prices calls a request in a batch."""


class Listed(NamedTuple):
    """A model in the list of genai-prices. Its price may depend on the number of tokens, and on the day."""

    provider: Provider
    model: ModelInfo

    def dollars(self, usage: Usage, batched: bool = False) -> float | None:
        """Return the cost of a call; None if a part of it has no known price. Thoughts are part of the completion."""
        from genai_prices import Usage as Counted

        if usage.prompt_tokens is None:
            return None
        made = usage.completion_tokens or 0
        counts: dict[str, Any] = {"input_tokens": usage.prompt_tokens, "output_tokens": made}
        if usage.cached_tokens:
            counts["cache_read_tokens"] = min(usage.cached_tokens, usage.prompt_tokens)
        if usage.reasoning_tokens and usage.reasoning_tokens <= made:
            counts["output_reasoning_tokens"] = usage.reasoning_tokens
        when = datetime.now(UTC)
        own = batched and self.model.get_prices(when, IN_BATCH) != self.model.get_prices(when)
        try:
            cost = self.model.calc_price(
                Counted(**counts),
                self.provider,
                genai_request_timestamp=when,
                auto_update_timestamp=None,
                price_context=IN_BATCH if own else None,
            )
        except (LookupError, ValueError, ArithmeticError):
            return None
        if cost.model_price.input_mtok is None or (made and cost.model_price.output_mtok is None):
            return None
        return float(cost.total_price) * (BATCHED if batched and not own else 1)


@cache
def table() -> dict[tuple[str, str], Price]:
    """Return the prices in the user's own file, by endpoint and model.

    Raises:
        UsageError: if the file is wrong.
    """
    prices: dict[tuple[str, str], Price] = {}
    if path := os.environ.get("CULTUREPARK_PRICES"):
        try:
            for entry in tomllib.loads(readable(Path(path)).read_text("utf-8"))["price"]:
                for model, three in entry["models"].items():
                    prices[entry["endpoint"].rstrip("/"), model] = Price(*map(dollars, three))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise UsageError(
                f"CULTUREPARK_PRICES={clipped(path, 400)}: not a price file: {clipped(error, 400)}"
            ) from None
    return prices


def dollars(figure: float) -> float:
    """
    Raises:
        ValueError: if it is no price.
    """
    if not 0 <= figure <= MOST:
        raise ValueError(f"a price must lie between 0 and {MOST:,.0f}, not {clipped(figure)}")
    return float(figure)


def price(endpoint: str, model: str) -> Price | Listed | None:
    """Return a model's price; a dated version (`gpt-4o-2024-08-06`) has its family's price unless listed."""
    own = table()
    family = re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model)
    return own.get((endpoint, model)) or own.get((endpoint, family)) or listed(endpoint, model)


def cost(endpoint: str, model: str, usage: Usage, *, batched: bool = False) -> float | None:
    """Return the US dollars for one call, by itself or in a batch; None if the price is not known."""
    known = price(endpoint, model)
    return known.dollars(usage, batched) if known else None


@cache
def listed(endpoint: str, model: str) -> Listed | None:
    """Return the model of a known service in the list of genai-prices, if its prompts have a price."""
    host = public_host(endpoint)
    if not host:
        return None
    service = provider_of(host)
    from genai_prices.data_snapshot import get_snapshot  # 0.8 s

    snapshot = get_snapshot()
    name = LISTED.get(service.name) if service else None
    try:
        if name is None:
            path = urlsplit(endpoint).path
            name = next(provider.id for provider in snapshot.providers if serves(provider, host, path))
        entry = Listed(*snapshot.find_provider_model(model, None, name, None))
    except (LookupError, StopIteration):
        return None
    return entry if entry.dollars(Usage(1, 0, 0)) is not None else None


def serves(provider: Provider, host: str, path: str) -> bool:
    """Return whether a provider's pattern fits a host as a whole, and not only the beginning of its name."""
    if provider.id in OWN_SERVERS:
        return False
    root = f"https://{host}"
    if fit := re.match(provider.api_pattern, root):
        return fit.end() == len(root)
    if "/" not in provider.api_pattern.removeprefix("https://"):  # it could only fit a host's name and some of the path
        return False
    fit = re.match(provider.api_pattern, whole := root + path)
    return fit is not None and (fit[0].endswith("/") or whole[fit.end() : fit.end() + 1] in ("", "/"))


def public_host(endpoint: str) -> str:
    """Return the host of an endpoint, in lower case; empty for an address, and for a name in a private network."""
    try:
        host = (urlsplit(endpoint).hostname or "").lower().rstrip(".")
    except ValueError:
        return ""
    with suppress(ValueError):
        ip_address(host)
        return ""
    return "" if "." not in host or host.endswith(ONES_OWN) else host


def as_of() -> str:
    """Return the day of the newest price in the list of genai-prices, as YYYY-MM-DD: the list is at least as new.

    The list has no date of its own. Prices that were announced for a day after its installation do not count.
    """
    from genai_prices import data, data_snapshot

    installed = date.fromtimestamp(Path(data.__file__).stat().st_mtime)
    models = (model for provider in data_snapshot.get_snapshot().providers for model in provider.models)
    prices = (price for model in models if isinstance(model.prices, list) for price in model.prices)
    days = (getattr(price.constraint, "start_date", None) for price in prices)
    return max((day for day in days if isinstance(day, date) and day <= installed), default=date.min).isoformat()


def source() -> str:
    """Return the name and version of the list of prices."""
    return f"genai-prices {version('genai-prices')}"
