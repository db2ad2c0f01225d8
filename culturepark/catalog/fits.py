"""Ratings of how well the answers of the shipped survey fit the shipped cards.

`data/fit/CULTURE.csv` holds a line for each person and item, without a head: persona, item, and a rating for each
option in the order of the options, divided by spaces. docs/people.md tells how they were rated.
"""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "fit"


@cache
def shipped() -> dict[tuple[str, str], tuple[int, ...]]:
    """Return (persona's key, item's key) -> ratings, 0-3 (`dialogue.seating.Ratings`)."""
    ratings = {}
    for path in sorted(FOLDER.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for persona, item, given in csv.reader(file):
                ratings[persona, item] = tuple(map(int, given.split()))
    return ratings
