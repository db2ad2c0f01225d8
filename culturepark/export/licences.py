"""Licences of the models whose words are in rows, and names of licences on the Hugging Face hub."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from culturepark.models.kinds import kind_of
from culturepark.models.spec import adapter_in

WRITERS = ("speaker", "moderator", "extractor")
"""Roles whose models write words of rows."""

UNKNOWN = "licence not known to this tool: check before publishing"


@cache
def table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("licences.toml").read_text("utf-8"))


def is_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,59}", text) is not None


def metadata(licence: str | None) -> dict[str, str]:
    """Return the licence as metadata of the hub; empty if none was chosen."""
    if licence is None:
        return {}
    name = licence.lower()
    return {"license": name} if name in table()["hub"] else {"license": "other", "license_name": name}


def spdx_url(licence: str) -> str | None:
    """Return the address of a licence in SPDX's list; None if it is not there under the hub's name for it."""
    name = table()["spdx"].get(licence.lower())
    return f"https://spdx.org/licenses/{name}" if name else None


def of_model(spec: str) -> str:
    """Return the known licence of a model, looked up by its name; that of its base, if it has an adapter."""
    spec, _ = adapter_in(spec)
    kind = kind_of(spec)
    if kind and kind.licence:
        return kind.licence
    word, _, rest = spec.partition(":")
    name, _, where = rest.partition("@")
    endpoint = (where or word) if kind and kind.remote else ""
    model = (kind.weights if kind else "") or name.lower().rpartition("/")[2]
    for entry in table()["model"]:
        if entry.get("endpoint", endpoint) == endpoint and any(fnmatchcase(model, form) for form in entry["names"]):
            return f"{entry['licence']} ({entry['source']}, {table()['as_of']})"
    return UNKNOWN
