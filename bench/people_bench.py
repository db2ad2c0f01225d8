"""How well dealt answers fit the people who hold them: `python bench/people_bench.py [SEEDS [DIALOGUES]]`.

Plans `wvs7` under ten run seeds, with one dialogue for each question and culture, once blind (no ratings) and once with
the shipped ratings, and counts: answers that the own card rules out (rating 0) or strains (1), distance from the
survey, seats left empty, and how often each person sits. Nothing is asked of a model. `--json` for programs.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from culturepark.catalog import fits, scenarios
from culturepark.catalog.cultures import default_countries
from culturepark.dialogue.casting import plan
from culturepark.dialogue.seating import Ratings, rating_of
from culturepark.domain import Edition
from culturepark.stats.survey_fit import drawn_fit, pooled

TRIPLES = Path(__file__).parents[1] / "tests" / "data" / "impossible.csv"


def measured(edition: Edition, run_seeds: range, ratings: Ratings) -> dict[str, Any]:
    """Plan all runs and return their figures together."""
    with TRIPLES.open(encoding="utf-8", newline="") as file:
        impossible = {(row["persona"], row["item"], int(row["code"])) for row in csv.DictReader(file)}
    rated, distances = Counter[int | None](), []
    seats = {person.key: 0 for person in edition.personas if person.role == "delegate"}
    found = empty = 0
    began = time.process_time()
    for run_seed in run_seeds:
        made = plan(edition, run_seed, ratings)
        empty += sum(skip.dialogues for skip in made.skipped if skip.why != "not asked in its country")
        codes: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        for casting in made.castings:
            for participant in casting.participants:
                persona, item = participant.persona, casting.seed.item
                if not participant.stance or item is None:
                    continue
                code = participant.stance.code
                rated[rating_of(persona, item, code, fits.shipped())] += 1
                found += (persona.key, item.key, code) in impossible
                seats[persona.key] += 1
                codes[item.key, persona.culture][code] += 1
        for (key, culture), counts in codes.items():
            item = edition.seed(key).item
            assert item is not None
            distances.append(drawn_fit(item.shares[default_countries()[culture]], counts, run_seed, key, culture))
    fit = pooled(distances)
    assert fit is not None
    answers = sum(rated.values())
    of_cultures = {
        culture: sorted((count, key) for key, count in seats.items() if key.startswith(f"{culture}-"))
        for culture in edition.scenario.cultures
    }
    return {
        "answers": answers,
        "ruled_out": rated[0],
        "strained": rated[1],
        "plausible": rated[2],
        "expected": rated[3],
        "of_117_impossible": found,
        "jsd": round(fit.jsd, 4),
        "jsd_of_rounding": round(fit.expected, 4),
        "empty_seats": empty,
        "seats": {culture: [counts[0], counts[-1]] for culture, counts in of_cultures.items()},
        "cpu_seconds_a_plan": round((time.process_time() - began) / len(run_seeds), 2),
    }


def main() -> None:
    words = [word for word in sys.argv[1:] if word != "--json"]
    run_seeds = range(1, 1 + int(words[0] if words else 10))
    edition = scenarios.load_edition(scenarios.find("wvs7"), int(words[1]) if len(words) > 1 else None)
    figures = {
        "blind": measured(edition, run_seeds, {}),
        "assigned": measured(edition, run_seeds, fits.shipped()),
    }
    if "--json" in sys.argv:
        print(json.dumps(figures, indent=1))
        return
    for name, got in figures.items():
        print(f"{name}: {got['answers']:,} answers of {len(run_seeds)} runs, {got['cpu_seconds_a_plan']} CPU s a plan")
        for key in ("ruled_out", "strained", "plausible", "expected", "of_117_impossible"):
            print(f"  {key:18} {got[key]:6,}  {got[key] / got['answers']:6.2%}")
        print(f"  distance from the survey {got['jsd']:.4f} bits; of rounding alone {got['jsd_of_rounding']:.4f}")
        print(f"  seats left empty: {got['empty_seats']}")
        for culture, ((fewest, rare), (most, often)) in got["seats"].items():
            print(f"  {culture:12} sits least: {rare} ({fewest}); most: {often} ({most})")


if __name__ == "__main__":
    main()
