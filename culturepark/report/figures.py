"""What the page's figures say, worked out before it is written: `stats` in the order of a reader's questions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import COUNTRY_NAMES, JUDGES, Edition, JsonObject, Scenario
from culturepark.glossary import (
    CRITERIA,
    DROPPED,
    METHODS,
    REFUSED,
    REJECTED,
    ROLES,
    SHAPES_TOGETHER,
    STAGES,
    STATUSES,
    STOPS,
    in_words,
)
from culturepark.stats.cultures import Told
from culturepark.stats.text import check_lines, review_lines, said_of
from culturepark.store.tables import RunRow

Counts = Mapping[str, int]
KINDS = ("opinion", "norm", "custom")
FURTHEST = 3
"""Questions whose stances are open when the page is."""


def view(
    run: RunRow, edition: Edition, stats: JsonObject, told: Mapping[str, Told], seconds: Mapping[str, float]
) -> JsonObject:
    """Everything that `page.html` names."""
    scenario = edition.scenario
    return {
        "run": run,
        "scenario": scenario,
        "user_sits": protocol_of(scenario.protocol).user_sits,
        "stats": stats,
        "status": in_words(STATUSES, run.status),
        "stop": "" if run.status == "done" or not run.stop_reason else run.stop_reason,
        "took": between(run.created_at, run.finished_at),
        "models": by_model(stats, scenario),
        "scripted": "scripted" in stats["models"].values(),
        "embedded": "embedded" in stats["models"].values(),
        "stops": worded(stats["dialogue_stop_reasons"], STOPS),
        "skipped": skipped(stats["skipped"]),
        "funnel": funnel(stats),
        "rejected": worded(stats["statements"]["rejected"], REJECTED),
        "dropped": worded(stats["samples"]["dropped"], DROPPED),
        "repeats": worded(stats["duplicates"]["by_method"], METHODS),
        "criteria": CRITERIA,
        "checks": [line.strip() for name, found in stats["checks"].items() for line in check_lines(name, found)],
        "reviews": [line.strip() for line in review_lines(stats["reviews"])] if stats["reviews"]["total"] else [],
        "stances": stances(stats["stances"], edition),
        "fits": fits(stats["representation"]["cultures"]),
        "told": told,
        "kinds": KINDS,
        "shapes": [(name, words) for name, words in SHAPES_TOGETHER.items() if name in scenario.samples],
        "topics": topics(told),
        "voices": voices(stats["representation"]),
        "verdict": said_of(stats["representation"]["run"]),
        "refused": worded(stats["calls"]["refused_by_guard"], REFUSED),
        "stages": [
            {"name": name, "words": in_words(STAGES, name), "calls": count, "seconds": seconds.get(name)}
            for name, count in stats["calls"]["by_stage"].items()
        ],
        "seconds": sum(seconds.values()),
        "sources": sorted({seed.item.source for seed in scenario.seeds if seed.item}),
    }


def worded(counts: Counts, words: dict[str, str]) -> list[tuple[str, str, int]]:
    """Short word, what it means, and how often, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(name, in_words(words, name), count) for name, count in ranked]


def by_model(stats: JsonObject, scenario: Scenario) -> list[tuple[str, str]]:
    """Each model that was asked for something, and for what."""
    models, stages = stats["models"], stats["calls"]["by_stage"]
    asked: dict[str, bool] = {
        "speaker": "dialogue" in stages,
        "moderator": "dialogue" in stages and scenario.setting != "one-to-one",
        "extractor": "extract" in stages,
        "verifier": "verify" in stages,
        "embedder": stats["representation"]["run"]["statements"]["accepted"] > 0,  # one of ours is asked without a call
        # A panel has them all; a second persona is played by the first alone.
        **{
            role: "check" in stages and (role == JUDGES[0] or {*stats["checks"]} - {"cross-check"} != set())
            for role in JUDGES
        },
    }
    roles = [role for role in ROLES if role in models and asked[role]]
    return [
        (spec, ", ".join(in_words(ROLES, role) for role in roles if models[role] == spec))
        for spec in dict.fromkeys(models[role] for role in roles)
    ]


def unnamed(reviews: JsonObject, names: Mapping[str, str]) -> JsonObject:
    """What `stats` tells of reviews, without the names of reviewers."""
    agreement = reviews["agreement"]
    return reviews | {
        "by_reviewer": {f"{names[name]}:": count for name, count in reviews["by_reviewer"].items()},
        "agreement": agreement
        and {
            what: of | {"pairs": [p | {"reviewers": [names[name] for name in p["reviewers"]]} for p in of["pairs"]]}
            for what, of in agreement.items()
        },
    }


def skipped(cells: Sequence[JsonObject]) -> list[tuple[str, str]]:
    """Why, and which questions and cultures."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        found.setdefault(cell["why"], []).append(f"{cell['seed_key']} {cell['culture']}")
    return [(why, ", ".join(where)) for why, where in found.items()]


def funnel(s: JsonObject) -> list[JsonObject]:
    """From turns to kept samples. `figure` is where `stats` has the count, if it has it as it is."""
    found, made = s["statements"], s["samples"]
    accepted = s["representation"]["run"]["statements"]["accepted"]
    repeats = sum(s["duplicates"]["by_method"].values())
    steps: list[JsonObject] = [
        {"what": "turns spoken", "count": s["turns"]["personas"], "figure": "turns.personas"},
        {"what": "statements found in them", "count": found["total"], "figure": "statements.total"},
        {
            "what": "verified",
            "count": accepted,
            "figure": "representation.run.statements.accepted",
            "lost": found["total"] - accepted,
        },
        {"what": "distinct", "count": accepted - repeats, "figure": None, "lost": repeats},
        {"what": "samples kept", "count": made["kept"], "figure": "samples.kept"},
    ]
    widest = max((step["count"] for step in steps), default=0) or 1
    return [step | {"share": 100 * step["count"] / widest} for step in steps]


def stances(cells: Sequence[JsonObject], edition: Edition) -> list[JsonObject]:
    """By question, that whose stances lie furthest from the survey beyond chance first."""
    seeds = {seed.key: seed for seed in edition.scenario.seeds}
    found: dict[str, list[JsonObject]] = {}
    for cell in cells:
        found.setdefault(cell["seed"], []).append(cell | country_of(cell))
    questions = [
        {
            "seed": name,
            "question": seeds[name].question if name in seeds else name,
            "cells": those,
            "drawn": sum(cell["drawn"] for cell in those),
            "beyond": max(cell["fit"]["jsd"] - cell["fit"]["expected"] for cell in those),
        }
        for name, those in found.items()
    ]
    questions.sort(key=lambda one: (-one["beyond"], one["seed"]))
    return [one | {"open": number < FURTHEST} for number, one in enumerate(questions)]


def country_of(cell: JsonObject) -> JsonObject:
    drawn = cell["drawn"] or 1
    return {
        "land": COUNTRY_NAMES.get(cell["country"], cell["country"]),
        "answers": [
            answer
            | {
                "drawn_share": answer["drawn"] / drawn,
                "off": answer["drawn"] / drawn - answer["share"],
            }
            for answer in cell["answers"]
        ],
        "said": how_far(cell["fit"]),
    }


def how_far(fit: JsonObject | None) -> str:
    """A divergence in words, beside what chance makes of so few answers."""
    if fit is None:
        return "nothing is kept"
    further = "further than chance would lead" if fit["chance"] <= 0.05 else "no further than chance leads"
    return f"distance {fit['jsd']:.2f}, by chance {fit['expected']:.2f}: {further}"


def fits(cultures: Mapping[str, JsonObject]) -> list[JsonObject]:
    return [
        {"culture": culture} | {name: figures["stances"][name] for name in ("drawn", "kept")}
        for culture, figures in cultures.items()
        if figures["stances"]["drawn"]
    ]


def topics(told: Mapping[str, Told]) -> list[JsonObject]:
    """Topics by how many statements came of them, with those of each culture beside the widest cell."""
    everything: dict[str, int] = {}
    for one in told.values():
        for topic, count in one.topics.items():
            everything[topic] = everything.get(topic, 0) + count
    widest = max((count for one in told.values() for count in one.topics.values()), default=0) or 1
    ranked = sorted(everything.items(), key=lambda pair: (-pair[1], pair[0]))
    return [
        {
            "topic": topic,
            "total": total,
            "cells": [
                {"count": one.topics[topic], "kept": one.kept_topics[topic], "step": step(one.topics[topic], widest)}
                for one in told.values()
            ],
        }
        for topic, total in ranked
    ]


def step(count: int, widest: int) -> int:
    """How dark a cell is, 0 to 4."""
    return 0 if not count else 1 + min(3, 4 * count // (widest + 1))


def voices(representation: JsonObject) -> list[JsonObject]:
    """A row for each culture and one for all, with the verdict in words."""
    rows: list[tuple[str, JsonObject]] = [
        *representation["cultures"].items(),
        ("all together", representation["run"]),
    ]
    return [
        {
            "name": name,
            "figures": figures,
            "again": share(figures["statements"]["repeats"], figures["statements"]["accepted"]),
            "shared": (figures["shared"] or {}).get("share"),
            "sense": (figures["semantic"] or {}).get("distance_within_seed"),
            "gain": (figures["diversity_gain"] or {}).get("over_seeds"),
            "said": said_of(figures),
        }
        for name, figures in rows
    ]


def share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def between(start: str, end: str | None) -> float | None:
    """Seconds; None where either is not known."""
    try:
        return (datetime.fromisoformat(end or "") - datetime.fromisoformat(start)).total_seconds()
    except ValueError:
        return None


def figure(stats: JsonObject, path: str) -> Any:
    """What stands in `stats` under a path like `samples.kept`."""
    value: Any = stats
    for name in path.split("."):
        value = value[name]
    return value


def grouped(number: float | None) -> str:
    return "–" if number is None else f"{number:,.0f}"


def decimal(number: float | None) -> str:
    return "–" if number is None else f"{number:.2f}"


def percent(part: float | None) -> str:
    return "–" if part is None else f"{part:.0%}"


def points(part: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    number = round(100 * part)
    return "±0" if not number else f"{number:+d}".replace("-", "−")


def duration(seconds: float | None) -> str:
    """`1 h 05 min`, `12 min 03 s`, `4.2 s`."""
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def money(usd: float | None) -> str:
    return "no known price" if usd is None else f"${usd:,.2f}" if usd >= 1 else f"${usd:.4f}"
