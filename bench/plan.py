"""What so many samples take, reckoned from measured figures: `python bench/plan.py [--samples 41000] [...]`.

Requests, tokens and samples a talk are those of the recorded talks (`bench/tokens_bench.py`); CPU, memory and disk are
those of the other benches. Every figure is an option, so that one's own can be put in its place. The table stands in
docs/scale.md.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from culturepark.models.chat import Usage
from culturepark.models.prices import cost

OPENAI = "https://api.openai.com/v1"


@dataclass(frozen=True)
class Figures:
    """What was measured, for one kept sample or one request."""

    requests: float
    """A kept sample."""
    prompt: float
    """Prompt tokens a kept sample."""
    cached: float
    """Share of them that a provider's prefix cache would have caught."""
    completion: float
    """Completion tokens a kept sample."""
    seconds: float
    """From a request to the end of its answer."""
    cpu: float
    """Client's CPU milliseconds a request."""
    disk: float
    """Bytes of the store a kept sample."""
    ratio: float
    """Share of the shortest possible time that a run comes to."""


def lines(samples: int, in_flight: int, workers: int, model: str, one: Figures) -> list[tuple[str, str]]:
    """Return what so many samples take, as names and values."""
    requests = samples * one.requests
    prompt, completion = samples * one.prompt, samples * one.completion
    usage = Usage(round(prompt), round(prompt * one.cached), round(completion))
    whole, batched = (cost(OPENAI, model, usage, batched=batch) for batch in (False, True))
    hours = requests * one.seconds / (in_flight * workers) / one.ratio / 3600
    core_hours = requests * one.cpu / 1000 / 3600
    return [
        ("requests", f"{requests:,.0f}"),
        ("prompt tokens", f"{prompt / 1e6:,.0f} million, {one.cached:.0%} of them cached"),
        ("completion tokens", f"{completion / 1e6:,.0f} million"),
        (f"money, {model}", "unknown" if whole is None else f"${whole:,.0f}"),
        ("money, in batches", "unknown" if batched is None else f"${batched:,.0f}"),
        (f"hours at {in_flight * workers} in flight", f"{hours:,.1f}"),
        ("core hours of the client", f"{core_hours:,.1f}"),
        ("cores that are busy", f"{max(0.1, core_hours / hours):.1f}"),
        ("disk", f"{samples * one.disk / 1e9:,.1f} GB"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--samples", type=int, action="append", default=[], help="repeatable; 41,000 and 41,000,000")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--workers", type=int, default=1, help="each has so many in flight")
    parser.add_argument("--model", default="gpt-4o-mini")
    for name, value in (("requests", 1.75), ("prompt", 3578), ("cached", 0.34), ("completion", 423), ("seconds", 3.0),
                        ("cpu", 12.0), ("disk", 13334), ("ratio", 0.917)):  # fmt: skip
        parser.add_argument(f"--{name}", type=float, default=value)
    options = vars(parser.parse_args())
    one = Figures(**{name: options[name] for name in Figures.__dataclass_fields__})
    sizes = options["samples"] or [41_000, 41_000_000]
    columns = [lines(size, options["in_flight"], options["workers"], options["model"], one) for size in sizes]
    print("| | " + " | ".join(f"{size:,} samples" for size in sizes) + " |")
    print("|---|" + "---:|" * len(sizes))
    for rows in zip(*columns, strict=True):
        print(f"| {rows[0][0]} | " + " | ".join(value for _, value in rows) + " |")


if __name__ == "__main__":
    main()
