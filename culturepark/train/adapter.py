"""Trains a low-rank adapter (LoRA) on an export with TRL and PEFT, in steps that a stop does not lose."""

from __future__ import annotations

import csv
import gc
import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from culturepark.domain import JsonObject
from culturepark.errors import Interrupted, OutOfResources, UsageError
from culturepark.files import clipped, exists, is_folder, put_json
from culturepark.glossary import counted
from culturepark.models.chat import canonical, digest
from culturepark.train.base import Base, first_line, hushed, load
from culturepark.train.examples import Example, Examples, learned, part, rendered

Method = Literal["sft", "dpo", "kto", "simpo"]


@dataclass(frozen=True)
class Recipe:
    """What one method wants and how it is trained if the user says nothing."""

    shapes: tuple[str, ...]
    """Shapes of rows, the best first."""
    rate: float
    """Learning rate at the top of its schedule. Adapters take some ten times that of full fine-tuning: J. Schulman et
    al., "LoRA Without Regret" (2025)."""
    epochs: float
    beta: float | None = None
    """Strength of the pull back to the base (DPO, KTO), or of the margin (SimPO)."""


RECIPES: Mapping[str, Recipe] = {
    "sft": Recipe(("messages",), 2e-4, 3),
    "dpo": Recipe(("pairs",), 1e-5, 2, 0.1),
    "kto": Recipe(("labels", "pairs"), 1e-5, 2, 0.1),
    "simpo": Recipe(("pairs",), 1e-5, 2, 2.0),
}
SIMPO_MARGIN = 1.0
"""Of the mean log-probabilities of two answers, in units of 1/beta: Y. Meng, M. Xia and D. Chen, "SimPO" (2024),
section 4, gamma/beta = .5."""
CHECKPOINTS = "checkpoints"
PLAN, TRAINING, LOSS = "plan.json", "training.json", "loss.csv"
SAVES = 10
"""Times that the state is saved in one training, evenly spread."""
MICRO_CPU, MICRO_GPU = 4, 16
"""Rows at once on the device; a batch is made of several."""


@dataclass(frozen=True)
class Settings:
    """Everything that decides what comes out, beside the base and the rows."""

    method: Method = "sft"
    epochs: float = 3
    rate: float = 2e-4
    rank: int = 16
    alpha: int = 32
    batch: int = 16
    """Rows a step."""
    max_length: int = 1024
    """Tokens of a row; longer ones are left out and counted."""
    beta: float | None = None
    share: float = 1.0
    """Of the rows that train, 0-1; drawn by `seed`, smaller shares inside larger ones."""
    max_steps: int | None = None
    seed: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"


def settings_of(
    method: Method,
    *,
    epochs: float | None = None,
    rate: float | None = None,
    beta: float | None = None,
    rank: int = 16,
    **others: Any,
) -> Settings:
    """Return the settings of a training; what is None is as the method has it, and alpha is twice the rank."""
    recipe = RECIPES[method]
    return Settings(
        method=method, epochs=epochs or recipe.epochs, rate=rate or recipe.rate, rank=rank, alpha=2 * rank,
        beta=recipe.beta if beta is None else beta, **others,
    )  # fmt: skip


@dataclass
class Outcome:
    """What came of a training."""

    figures: JsonObject
    """Rows, steps, tokens, losses, time and device."""
    used: Sequence[Example]
    """The rows that were trained on."""
    notes: Sequence[str] = ()
    again: bool = False
    """True if it was finished before, and nothing was done."""


@dataclass
class Progress:
    """Where a training stands."""

    step: int
    steps: int
    """0 while the base is being loaded."""
    loss: float | None
    seconds: float
    """Since it began, or since it was resumed."""
    begun_at: int = 0
    """The step that it was resumed at."""

    @property
    def seconds_left(self) -> float | None:
        done = self.step - self.begun_at
        return self.seconds / done * (self.steps - self.step) if done else None


Watch = Callable[[Progress], None]


def train(base: Base, examples: Examples, settings: Settings, out: Path, watch: Watch) -> Outcome:
    """Train an adapter and leave it in a folder, or go on with a training that was stopped there.

    Raises:
        Interrupted: at Ctrl-C, after the state was saved.
        UsageError: if another training is in the folder, or nothing is left to train on.
    """
    import torch
    import transformers

    used = part(examples.training, settings.share, settings.seed)
    plan = plan_of(base, examples, used, settings)
    if done := finished(out, plan):
        return Outcome(done["figures"], used, done.get("notes", []), again=True)

    cuda = uses_gpu(settings.device)
    watch(Progress(0, 0, None, 0.0))
    transformers.set_seed(settings.seed)
    model, tokenizer = load(base, torch.bfloat16 if cuda else torch.float32)
    training, left = rows_for(used, settings, tokenizer)
    validation, _ = rows_for(examples.validation, settings, tokenizer)
    notes = []
    if left:
        notes.append(f"{left} of {len(used)} rows are longer than --max-length {settings.max_length} tokens: left out")
    if not training:
        raise UsageError(f"no row is as short as --max-length {settings.max_length} tokens")
    # Now that nothing is wrong with it: a folder with a plan is taken by that training.
    out.mkdir(parents=True, exist_ok=True)
    if not exists(out / PLAN):
        put_json(out / PLAN, plan)
    try:
        with hushed(), stoppable() as stop:
            figures = Training(model, tokenizer, base, settings, out, cuda, watch, stop).run(training, validation)
    except torch.cuda.OutOfMemoryError:
        raise OutOfResources("the GPU has too little memory; --batch 4 or a smaller --max-length needs less") from None
    finally:
        del model
        gc.collect()
    figures = {"rows": len(training), "rows_left_out": left, "rows_held_out": len(validation)} | figures
    record = plan | {"done": True, "figures": figures, "notes": notes}
    put_json(out / TRAINING, record)
    (out / PLAN).unlink(missing_ok=True)
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    if stop.wanted:  # in the last step, or while the held-out rows were measured
        raise Interrupted("stopped after the last step; the same command finishes it")
    return Outcome(figures, used, notes)


def uses_gpu(device: str) -> bool:
    """Return whether `--device` means a GPU here.

    Raises:
        UsageError: if one is asked for, and torch sees none.
    """
    import torch

    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UsageError("--device cuda: torch sees no GPU here")
    return bool(there) and device != "cpu"


def plan_of(base: Base, examples: Examples, used: Sequence[Example], settings: Settings) -> JsonObject:
    """Return what decides a training; `rows` is the digest over all rows, in their order."""
    return {
        "base": base.given,
        "base_name": base.name,
        "settings": asdict(settings),
        "culture": examples.culture,
        "rows": digest(canonical([example.sha256 for example in used])),
        "validation": digest(canonical([example.sha256 for example in examples.validation])),
        "export_manifest_sha256": examples.manifest_sha256,
    }


def finished(out: Path, plan: Mapping[str, Any]) -> JsonObject | None:
    """Return the record of the training that was finished in a folder; None if there is none yet.

    Raises:
        UsageError: if the folder holds another training, or other things.
    """
    record = kept(out / TRAINING) or kept(out / PLAN)
    if record is None:
        if is_folder(out) and any(out.iterdir()):
            raise UsageError(f"--out {clipped(out, 400)}: the folder is not empty; name another")
        return None
    if different := [name for name in plan if record.get(name) != plan[name]]:
        what = different[0]
        if what == "settings" and isinstance(record.get(what), dict):
            what = next(k for k in plan[what] if record["settings"].get(k) != plan[what][k])
        raise UsageError(
            f"--out {clipped(out, 400)}: holds a training with another {what.replace('_', ' ')}; name another folder"
        )
    return record if record.get("done") else None


def kept(path: Path) -> JsonObject | None:
    if not exists(path):
        return None
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict):
        raise UsageError(f"{clipped(path, 400)}: not the record of a training; name another --out")
    return record


def steps_of(settings: Settings, rows: int) -> int:
    """Return the number of steps: epochs in whole batches."""
    return settings.max_steps or max(1, round(settings.epochs * -(-rows // settings.batch)))


def last_checkpoint(out: Path) -> Path | None:
    """Return the newest state that was saved whole; None if there is none."""
    found = [p for p in (out / CHECKPOINTS).glob("checkpoint-*") if (p / "trainer_state.json").is_file()]
    return max(found, key=step_at, default=None)


def step_at(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


# --- rows --------------------------------------------------------------------------------------------


def rows_for(examples: Sequence[Example], settings: Settings, tokenizer: Any) -> tuple[list[JsonObject], int]:
    """Return the rows as the method's trainer takes them, and how many were too long."""
    rows: list[JsonObject] = []
    left = 0
    for example in examples:
        made = (
            [learned(tokenizer, example.row["messages"])]
            if settings.method == "sft"
            else labelled(example.row)
            if settings.method == "kto"
            else [dict(example.row)]
        )
        if any(length(tokenizer, row) > settings.max_length for row in made):
            left += 1
        else:
            rows += made
    return rows, left


def labelled(row: JsonObject) -> list[JsonObject]:
    """Return a row with its label, or the two answers of a pair, of which the chosen one is right."""
    if "label" in row:
        return [dict(row)]
    return [
        {"prompt": row["prompt"], "completion": row["chosen"], "label": True},
        {"prompt": row["prompt"], "completion": row["rejected"], "label": False},
    ]


def length(tokenizer: Any, row: JsonObject) -> int:
    if "input_ids" in row:
        return len(row["input_ids"])
    answers = [row[name] for name in ("chosen", "rejected", "completion") if name in row]
    return max(len(tokenizer(rendered(tokenizer, [*row["prompt"], *answer]))["input_ids"]) for answer in answers)


# --- the trainer -------------------------------------------------------------------------------------


@dataclass
class Stop:
    wanted: bool = False


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn the first Ctrl-C into a wish that is met after the step; the second one stops at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def wish(*_: object) -> None:
        if stop.wanted:
            raise KeyboardInterrupt
        stop.wanted = True

    before = signal.signal(signal.SIGINT, wish)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass
class Training:
    """One training being done."""

    model: Any
    tokenizer: Any
    base: Base
    settings: Settings
    out: Path
    cuda: bool
    watch: Watch
    stop: Stop

    def run(self, training: Sequence[JsonObject], validation: Sequence[JsonObject]) -> JsonObject:
        trainer = self.trainer(training, validation)
        steps = int(trainer.args.max_steps)
        last = last_checkpoint(self.out)
        before = self.loss_of_base(trainer) if validation else None
        begun, cpu = time.monotonic(), time.process_time()
        try:
            trainer.train(resume_from_checkpoint=str(last) if last else None)
        except (OSError, ValueError, RuntimeError) as error:
            if last is None:
                raise
            raise UsageError(
                f"{clipped(last, 400)} cannot be gone on with ({first_line(error)}); remove {clipped(self.out, 400)}"
            ) from None
        if self.stop.wanted and trainer.state.global_step < steps:
            raise Interrupted(
                f"stopped after step {trainer.state.global_step} of {steps}; the same command goes on with it"
            )
        curve = self.write_curve(trainer.state.log_history)
        adapted = trainer.model
        adapted.peft_config["default"].base_model_name_or_path = self.base.name
        adapted.save_pretrained(self.out, save_embedding_layers=False)
        (self.out / "README.md").unlink(missing_ok=True)  # PEFT's own is a form with empty fields
        after = trainer.evaluate()["eval_loss"] if validation else None
        trained = [loss for _, kind, loss in curve if kind == "train"]
        return {
            "steps": steps,
            "epochs": round(float(trainer.state.epoch or 0), 3),
            "trained_parameters": sum(p.numel() for p in adapted.parameters() if p.requires_grad),
            "tokens_a_row": round(sum(map(self.tokens, training)) / len(training), 1),
            "first_loss": trained[0] if trained else None,
            "last_loss": trained[-1] if trained else None,
            "held_out_loss_before": before,
            "held_out_loss_after": after,
            "device": self.device(),
            "seconds": round(time.monotonic() - begun, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        }

    def tokens(self, row: JsonObject) -> int:
        return length(self.tokenizer, row)

    def device(self) -> str:
        import torch

        return torch.cuda.get_device_name() if self.cuda else f"CPU, {counted(torch.get_num_threads(), 'thread')}"

    def loss_of_base(self, trainer: Any) -> float:
        """Return the held-out loss before the first step; a resumed training finds it where it was written down."""
        plan = kept(self.out / PLAN) or {}
        known = plan.get("held_out_loss_before")
        if not isinstance(known, float):
            known = float(trainer.evaluate()["eval_loss"])
            put_json(self.out / PLAN, plan | {"held_out_loss_before": known})
        return known

    def write_curve(self, history: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, float]]:
        """Write the losses of all steps; a resumed training has those of its earlier part too."""
        curve = [
            (int(entry["step"]), kind, float(entry[name]))
            for entry in history
            for name, kind in (("loss", "train"), ("eval_loss", "held out"))
            if name in entry
        ]
        with (self.out / LOSS).open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(("step", "rows", "loss"))
            writer.writerows(curve)
        return curve

    def trainer(self, training: Sequence[JsonObject], validation: Sequence[JsonObject]) -> Any:
        from datasets import Dataset
        from peft import LoraConfig

        settings = self.settings
        micro = min(settings.batch, MICRO_GPU if self.cuda else MICRO_CPU)
        steps = steps_of(settings, len(training))
        options = {
            "output_dir": str(self.out / CHECKPOINTS),
            "per_device_train_batch_size": micro,
            "per_device_eval_batch_size": micro,
            "gradient_accumulation_steps": max(1, settings.batch // micro),
            "max_steps": steps,
            "learning_rate": settings.rate,
            "lr_scheduler_type": "cosine",
            "warmup_steps": steps // 20,
            "weight_decay": 0.0,
            "logging_steps": max(1, steps // 50),
            "logging_strategy": "steps",
            "save_strategy": "steps",
            "save_steps": max(1, steps // SAVES),
            "save_total_limit": 1,
            "eval_strategy": "steps" if validation else "no",
            "eval_steps": max(1, steps // 5),
            "report_to": "none",
            "disable_tqdm": True,
            "seed": settings.seed,
            "data_seed": settings.seed,
            "bf16": self.cuda,
            "use_cpu": not self.cuda,
            "dataloader_pin_memory": self.cuda,
            "gradient_checkpointing": self.cuda,
            "max_length": settings.max_length,
        }
        peft = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=0.0,
            target_modules="all-linear",
            bias="none",
            task_type="CAUSAL_LM",
        )
        from transformers import PrinterCallback

        trainer = self.trainer_class()(
            model=self.model,
            args=self.arguments(options),
            train_dataset=Dataset.from_list(list(training)),
            eval_dataset=Dataset.from_list(list(validation)) if validation else None,
            processing_class=self.tokenizer,
            peft_config=peft,
            callbacks=[self.callback(steps)],
        )
        trainer.remove_callback(PrinterCallback)
        return trainer

    def trainer_class(self) -> Any:
        if self.settings.method == "sft":
            from trl import SFTTrainer as Trainer
        elif self.settings.method == "dpo":
            from trl import DPOTrainer as Trainer
        elif self.settings.method == "kto":
            from trl import KTOTrainer as Trainer
        else:
            from trl.experimental.cpo import CPOTrainer as Trainer
        return Trainer

    def arguments(self, options: Mapping[str, Any]) -> Any:
        beta = self.settings.beta
        if self.settings.method == "sft":
            from trl import SFTConfig

            return SFTConfig(**options, packing=False)
        if self.settings.method == "dpo":
            from trl import DPOConfig

            return DPOConfig(**options, beta=beta)
        if self.settings.method == "kto":
            from trl import KTOConfig

            return KTOConfig(**options, beta=beta)
        from trl.experimental.cpo import CPOConfig

        return CPOConfig(**options, beta=beta, loss_type="simpo", cpo_alpha=0.0, simpo_gamma=SIMPO_MARGIN)

    def callback(self, steps: int) -> Any:
        from transformers import TrainerCallback

        training = self

        class Watching(TrainerCallback):  # type: ignore[misc]
            """Reports every step, and stops after one where it is wished."""

            begun, begun_at, loss = 0.0, 0, None

            def on_train_begin(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
                self.begun, self.begun_at = time.monotonic(), state.global_step

            def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
                # A step that logs its loss does so after this, and is reported then, with its own loss.
                if not control.should_log:
                    self.report(state, control)

            def on_log(self, _: Any, state: Any, control: Any, logs: Mapping[str, Any], **__: Any) -> None:
                if "loss" in logs:
                    self.loss = logs["loss"]
                    self.report(state, control)

            def report(self, state: Any, control: Any) -> None:
                seconds = time.monotonic() - self.begun
                training.watch(Progress(state.global_step, steps, self.loss, seconds, self.begun_at))
                if training.stop.wanted:
                    control.should_save = control.should_training_stop = True

        return Watching()
