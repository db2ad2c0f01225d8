"""Hofstede's scores of countries on six dimensions, with their source (`data/hofstede.json`)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from culturepark.domain import Country, Noun

FILE = Path(__file__).parent / "data" / "hofstede.json"


class DimensionScores(Noun):
    """Scores from 0 to about 100; None where a dimension was not measured."""

    name: str
    """As the source calls the country or group."""
    code: str
    """As the source codes it, which is no ISO code."""
    pdi: float | None
    """Power distance."""
    idv: float | None
    """Individualism."""
    mas: float | None
    """Masculinity."""
    uai: float | None
    """Uncertainty avoidance."""
    lto: float | None
    """Long-term orientation."""
    ivr: float | None
    """Indulgence versus restraint."""

    def by_dimension(self) -> dict[str, float | None]:
        return {"pdi": self.pdi, "idv": self.idv, "mas": self.mas, "uai": self.uai, "lto": self.lto, "ivr": self.ivr}


class Hofstede(Noun):
    source: str
    note: str
    countries: dict[Country, DimensionScores]
    groups: dict[str, DimensionScores]
    """Several countries that the source scores together, by name (`ARAB`). A group is no country's score."""


@cache
def hofstede() -> Hofstede:
    return Hofstede.model_validate(json.loads(FILE.read_text("utf-8")))
