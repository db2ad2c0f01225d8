"""Licences of models that write words, as far as they are known, and the names of licences on the Hugging Face hub."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from culturepark.models.kinds import KINDS

WRITERS = ("speaker", "moderator", "extractor")
"""Roles whose models write words that stand in rows; a verifier, an embedder and a judge only weigh them."""

UNKNOWN = "licence not known to this tool: check before publishing"


@cache
def table() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("licences.toml").read_text("utf-8"))


def is_name(text: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,59}", text) is not None


def metadata(licence: str | None) -> dict[str, str]:
    """Return the licence as metadata of the hub; empty, if none was chosen."""
    if licence is None:
        return {}
    name = licence.lower()
    return {"license": name} if name in table()["hub"] else {"license": "other", "license_name": name}


def of_model(spec: str) -> str:
    """Return what is known of the licence of a model, by the name it goes by."""
    kind, _, rest = spec.partition(":")
    known = KINDS.get(kind)  # of a plugin that was not asked for, nothing
    if known and known.licence:
        return known.licence
    name, _, where = rest.partition("@")
    endpoint = (where or kind) if known and known.remote else ""
    wanted = (known.weights if known else "") or name.lower().rpartition("/")[2]
    for entry in table()["model"]:
        if entry.get("endpoint", endpoint) == endpoint and any(fnmatchcase(wanted, form) for form in entry["names"]):
            return f"{entry['licence']} ({entry['source']}, {table()['as_of']})"
    return UNKNOWN


def of_models(models: Mapping[str, str]) -> dict[str, str]:
    """Return spec -> what is known of its licence, for the models of a run whose words stand in rows."""
    return {models[role]: of_model(models[role]) for role in WRITERS if role in models}
