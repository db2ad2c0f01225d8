"""The README of an export: what it is, how it came about, and what it is not. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from culturepark.domain import JsonObject
from culturepark.show import safe

CITATION = "Li et al., CulturePark: Boosting Cross-cultural Understanding in Large Language Models, NeurIPS 2024"


def render(manifest: JsonObject, names: Sequence[str]) -> str:
    """Markdown with the metadata that the Hugging Face hub reads."""
    halves = {"train": [], "validation": []}  # type: dict[str, list[str]]
    for name in names:
        halves["validation" if name.endswith(".validation") else "train"].append(f"{name}.jsonl")
    files = "\n".join(
        f"      - split: {half}\n        path: [{', '.join(paths)}]" for half, paths in halves.items() if paths
    )
    runs = "\n".join(run_line(run) for run in manifest["runs"])
    rows = sum(file["rows"] for file in manifest["files"])
    cultures = ", ".join(f"{culture} {count}" for culture, count in manifest["rows_by_culture"].items())
    notes = "".join(f"- {as_text(note)}\n" for note in manifest["notes"])
    scripted = any("scripted" in run["models"].values() for run in manifest["runs"])
    warning = (
        "**These rows come from a scripted model: they show the tool and are not worth training on.**\n\n"
        if scripted
        else ""
    )
    return f"""---
language: [en]
tags: [synthetic, culture, culturepark]
task_categories: [text-generation]
configs:
  - config_name: default
    data_files:
{files}
---

# Simulated cross-cultural conversations, distilled

{warning}{rows} rows ({cultures}), made with culturepark {manifest["culturepark"]} on {manifest["created_at"][:10]}.
Simulated people from several cultures talked with each other; an extractor took what they said apart into opinions,
norms and customs; each was checked against the words it rests on. Every line leads back to those words:
`culturepark trace FILE:LINE`.

## Where it comes from

{runs}

Stances are drawn from World Values Survey wave 7 shares where a question has them (Haerpfer et al.,
doi:10.14281/18241). The method follows {CITATION}.

## What it is not

Nobody in these rows exists. What they say is written by a language model that was told whom to play; it is no
evidence of what people of a culture think, do or want, and a culture's rows do not speak for its people.
{notes}"""


def run_line(run: JsonObject) -> str:
    models = ", ".join(f"{role} {as_text(spec)}" for role, spec in sorted(run["models"].items()))
    dropped = sum(run["samples"]["dropped"].values())
    return (
        f"- run `{run['run']}`: scenario `{run['scenario']}` ({run['scenario_digest'][:12]}), seed {run['seed']}; "
        f"{run['turns']['personas']} turns, {run['statements']['total']} statements, "
        f"{run['samples']['kept']} samples kept, {dropped} dropped; {models}"
    )


def as_text(text: str) -> str:
    """On one line, with nothing that Markdown or HTML would act upon: names of models and folders are not ours."""
    return re.sub(r"([\\`*{}\[\]<>#|&~]|(?<!\w)_|_(?!\w))", r"\\\1", " ".join(safe(text).split()))
