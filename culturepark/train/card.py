"""The card of an adapter: what it was made of, what it is for, and what it must not be used for."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from culturepark.export import licences
from culturepark.models.kinds import is_scripted, is_tiny
from culturepark.terminal.safe import safe
from culturepark.train.adapter import LOSS, Outcome, Settings
from culturepark.train.artefact import CARD
from culturepark.train.base import Base
from culturepark.train.examples import Examples

METHODS = {"sft": "supervised fine-tuning", "dpo": "DPO", "kto": "KTO", "simpo": "SimPO"}
MOST_SCOPES = 6


def write_card(
    base: Base, examples: Examples, settings: Settings, outcome: Outcome, artefact_id: str, out: Path
) -> None:
    """Write the card and the drawing of the losses into the folder of an adapter."""
    environment = Environment(  # noqa: S701 - Markdown, of which nothing is run
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True,
    )  # fmt: skip
    manifest, figures = examples.manifest, outcome.figures
    runs = [run for run in manifest.get("runs", []) if isinstance(run, Mapping)]
    text = environment.get_template("card.md.jinja").render(
        head=head(base, settings),
        title=title(examples, base, manifest),
        base=base,
        method=METHODS[settings.method],
        of_culture=f" of {in_a_row(examples.cultures)}" if examples.cultures else "",
        settings=settings,
        figures=figures,
        loss=f"{number(figures['first_loss'])} at the first step, {number(figures['last_loss'])} at the last",
        held_out=(
            f"{number(figures['held_out_loss_before'])} before, {number(figures['held_out_loss_after'])} after"
            if figures["rows_held_out"]
            else f"not measured: {examples.why_none_is_held_out or 'no held-out row is short enough'}"
        ),
        manifest=manifest,
        manifest_sha256=examples.manifest_sha256,
        runs=[
            {"run": r.get("run"), "title": r.get("title"), "scenario": r.get("scenario"), "seed": r.get("seed")}
            | {"writers": ", ".join(writers(r)) or "nobody"}
            for r in runs
        ],
        licences=sorted({licences.of_model(spec) for run in runs for spec in writers(run)}),
        warranty=warranty(manifest),
        provenance=provenance(manifest),
        labels=labels(manifest),
        scopes=scopes(manifest, examples.culture),
        scripted=small_words(runs),
        notes=[*drawn_notes(manifest), *examples.notes, *outcome.notes],
        artefact=artefact_id,
        serve=f"{base.given}+{out}" if base.gguf else f"openai:{out.name}@URL",
        culture_option="".join(f" --culture {culture}" for culture in examples.cultures),
    )
    (out / CARD).write_text(safe(text, lines=True), "utf-8")
    (out / "loss.svg").write_text(drawing(out / LOSS), "utf-8")


def head(base: Base, settings: Settings) -> str:
    tags = ", ".join(("culturepark", "lora", settings.method, "simulated-people"))
    return f"---\nbase_model: {base.name}\nlibrary_name: peft\ntags: [{tags}]\n---\n"


def title(examples: Examples, base: Base, manifest: Mapping[str, Any]) -> str:
    of = f"{in_a_row(examples.cultures) or 'Rows of unknown origin'} on {base.name}"
    return f"A control ({manifest['control']}): {of}" if manifest.get("control") else of


def in_a_row(names: Sequence[str]) -> str:
    """Return names as a sentence has them: `arabic, german and korean`."""
    *most, last = names or ("",)
    return f"{', '.join(most)} and {last}" if most else last


def drawn_notes(manifest: Mapping[str, Any]) -> list[str]:
    """Return what the manifest of a loop's rows says of them; nothing for a plain export, whose own card has it."""
    notes = manifest.get("notes")
    return [str(note) for note in notes] if manifest.get("arm") and isinstance(notes, list) else []


def number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def writers(run: Mapping[str, Any]) -> list[str]:
    models = run.get("models")
    given = models if isinstance(models, Mapping) else {}
    return sorted({str(given[role]) for role in licences.WRITERS if role in given})


def warranty(manifest: Mapping[str, Any]) -> str:
    """Return what is known of the error rate of the rows, in words."""
    given = [w for w in manifest.get("warranties", []) if isinstance(w, Mapping)]
    if not given:
        return "Nobody has judged a random sample of the rows, so their error rate is not known."
    said = []
    for one in given:
        rows = one.get("rows")
        rate = rows if isinstance(rows, Mapping) else {}
        said.append(
            f"Of {one.get('counted', '?')} rows drawn at random from `{one.get('over', '?')}`, people called "
            f"{rate.get('wrong', '?')} wrong; the rate may be as high as {rate.get('high', '?')}."
        )
    return " ".join(said)


def labels(manifest: Mapping[str, Any]) -> str:
    """Return whose ratings decided which answer is the better one, in words; empty where nothing was decided."""
    given = manifest.get("labels")
    if not isinstance(given, Mapping):
        return ""
    judges = given.get("judges")
    named = f" ({', '.join(map(str, judges))})" if isinstance(judges, list) and judges else ""
    return (
        f"Which answers are the better ones follows {given.get('basis', 'labels')}: "
        f"{given.get('rows_by_people', 0)} rows rest on people's, {given.get('rows_by_models', 0)} on models'{named}."
    )


def provenance(manifest: Mapping[str, Any]) -> str:
    origins = manifest.get("rows_by_provenance")
    if not isinstance(origins, Mapping):
        return ""
    names = {"card": "on a persona's card", "episode": "in a scene on it", "model": "made up by a model"}
    return ", ".join(f"{origins[key]} {words}" for key, words in names.items() if origins.get(key))


def scopes(manifest: Mapping[str, Any], culture: str | None) -> list[str]:
    people = [p for p in manifest.get("personas", []) if isinstance(p, Mapping) and p.get("scope")]
    own = [
        f"{p.get('name', 'somebody')} ({str(p['scope']).strip().rstrip('.')})"
        for p in people
        if culture in (None, p.get("culture"))
    ]
    named = list(dict.fromkeys(own))
    return named[:MOST_SCOPES] + ([f"and {len(named) - MOST_SCOPES} more"] if len(named) > MOST_SCOPES else [])


def small_words(runs: Sequence[Mapping[str, Any]]) -> str:
    specs = [spec for run in runs for spec in writers(run)]
    if specs and all(map(is_scripted, specs)):
        return (
            "No language model wrote the rows: a script did. It shows how the tool works and is good for nothing else."
        )
    if any(is_scripted(spec) or is_tiny(spec) for spec in specs):
        return "A script or a very small model wrote some of the rows. They show how the tool works, and no more."
    return ""


# --- the curve ---------------------------------------------------------------------------------------

WIDTH, HEIGHT, MARGIN = 640, 320, 44
COLOURS = {"train": "#3465a4", "held out": "#cc5500"}


def drawing(curve: Path) -> str:
    """Return the losses over the steps as SVG."""
    with curve.open(encoding="utf-8", newline="") as handle:
        points = [(int(row["step"]), row["rows"], float(row["loss"])) for row in csv.DictReader(handle)]
    steps = max((step for step, _, _ in points), default=1)
    low, high = min((y for *_, y in points), default=0.0), max((y for *_, y in points), default=1.0)
    span = (high - low) or 1.0

    def at(step: int, loss: float) -> str:
        x = MARGIN + (WIDTH - 2 * MARGIN) * step / max(1, steps)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (loss - low) / span
        return f"{x:.1f},{y:.1f}"

    lines = []
    for place, (kind, colour) in enumerate(COLOURS.items()):
        own = [at(step, loss) for step, rows, loss in points if rows == kind]
        if own:
            x = MARGIN + 110 * place
            lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="{" ".join(own)}"/>')
            lines.append(f'<text x="{x}" y="20" fill="{colour}">{kind}</text>')
    bottom = HEIGHT - MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="13"><title>Loss over the steps of the training</title>'
        f'<path d="M{MARGIN} {MARGIN}V{bottom}H{WIDTH - MARGIN}" fill="none" stroke="#888"/>'
        f'<text x="4" y="{MARGIN + 4}">{high:.2f}</text><text x="4" y="{bottom}">{low:.2f}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{HEIGHT - 20}" text-anchor="end">step {steps}</text>{"".join(lines)}</svg>\n'
    )
