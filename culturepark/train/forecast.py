"""What a training would do, found out without loading the model: rows, steps, device, and what would refuse it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.train.adapter import (
    Settings,
    finished,
    last_checkpoint,
    plan_of,
    rows_for,
    step_at,
    steps_of,
    uses_gpu,
)
from culturepark.train.base import Base, require, tokenizer_of
from culturepark.train.examples import Examples, part


@dataclass(frozen=True)
class Forecast:
    """What a training would do."""

    rows: int
    """That it learns from: all that are short enough, as far as that is known."""
    rows_left_out: int | None
    """As too long; None where the base's tokenizer is not here to tell."""
    rows_held_out: int
    steps: int
    epochs: float
    """Times that each row is seen, with `--max-steps` fewer than asked for."""
    gpu: bool
    out: Path
    done: bool
    """The folder holds this training, finished."""
    begun_at: int
    """The step that it goes on from; 0 for a new one."""

    def as_json(self) -> JsonObject:
        device = "cuda" if self.gpu else "cpu"
        shown = {name: value for name, value in vars(self).items() if name != "gpu"}
        return shown | {"out": str(self.out), "device": device, "epochs": round(self.epochs, 3)}


def forecast(base: Base, examples: Examples, settings: Settings, out: Path) -> Forecast:
    """Return what a training would do; whatever would refuse it before the first step refuses here too.

    Raises:
        Lacking: if the packages for training are not installed.
        UsageError: if base, device, folder or the length of the rows do not do.
    """
    require()
    gpu = uses_gpu(settings.device)
    used = part(examples.training, settings.share, settings.seed)
    done = finished(out, plan_of(base, examples, used, settings)) is not None
    count, held_out, left = len(used), len(examples.validation), None
    if base.here:
        tokenizer = tokenizer_of(base)
        training, left = rows_for(used, settings, tokenizer)
        if not training:
            raise UsageError(f"no row is as short as --max-length {settings.max_length} tokens")
        count, held_out = len(training), len(rows_for(examples.validation, settings, tokenizer)[0])
    steps = steps_of(settings, count)
    checkpoint = None if done else last_checkpoint(out)
    return Forecast(
        rows=count,
        rows_left_out=left,
        rows_held_out=held_out,
        steps=steps,
        epochs=steps / -(-count // settings.batch) if settings.max_steps else settings.epochs,
        gpu=gpu,
        out=out,
        done=done,
        begun_at=step_at(checkpoint) if checkpoint else 0,
    )
