"""Whether a description is worth anything where the truth is known: `python bench/hyper_bench.py OUT [options]`.

Communities answer the shipped survey questions as their country did (`wvs7`): each row is one respondent's answer,
dealt so that the margins of a country hold. Trained on some questions; judged on further respondents of the same
questions, and on questions that nobody was trained on, which are told apart in the last lines. Descriptions are those
of the shipped culture files, or a file's (`--descriptions`, with `--as CULTURE=NAME` where names differ).

Needs the extra `train`, and the embedded model's weights. `--recorded FOLDER` trains on an export instead.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from time import monotonic

from culturepark.catalog.surveys import load_items
from culturepark.domain import SurveyItem, shipped_cultures
from culturepark.models import weights
from culturepark.train.communities import Row, Rows, descriptions_for, digest, read_descriptions, read_rows
from culturepark.train.controls import Arm, control_lines, controls
from culturepark.train.fitting import Settings
from culturepark.train.joint import LOSSES, Advance, Base, Measured, lines, opened_embedder, train

UNSEEN_QUESTIONS = 4
"""One of so many questions is not trained on."""
SYSTEM = "Answer in a few words."


def dealt(shares: dict[int, float], count: int, start: float) -> list[int]:
    """Return so many answers whose margins are those of the shares: systematic sampling."""
    codes, bounds, total = list(shares), [], 0.0
    for code in codes:
        total += shares[code]
        bounds.append(total)
    places = [((number + start) / count) * total for number in range(count)]
    return [next((c for c, b in zip(codes, bounds, strict=True) if place < b), codes[-1]) for place in places]


def survey_rows(cultures: list[str], train: int, held: int) -> Rows:
    """Return `train` answers to each known question and `held` to every question, of each culture."""
    items = sorted(load_items([]).values(), key=lambda item: digest(item.key))
    unknown = {item.key for item in items[: len(items) // UNSEEN_QUESTIONS]}
    trained, judged = [], []
    for item in items:
        number = 0
        for culture in cultures:
            country = shipped_cultures()[culture].countries[0]
            if country not in item.shares:
                continue
            halves = [(trained, 0 if item.key in unknown else train), (judged, held)]
            for half, (rows, count) in enumerate(halves):  # dealt apart, or what is held out would be what is missing
                start = int(digest(f"{item.key} {country} {half}")[:8], 16) / 16**8
                for code in dealt(item.shares[country], count, start):
                    number += 1
                    rows.append(answer_row(item, culture, code, number))
    return Rows(tuple(trained), tuple(judged), "by question and respondent")


def answer_row(item: SurveyItem, culture: str, code: int, number: int) -> Row:
    label = next(option.label for option in item.options if option.code == code)
    messages = (
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": item.question},
        {"role": "assistant", "content": label},
    )
    return Row(f"{item.key}.x{number}", culture, messages)


def embedded() -> Base:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    path = weights.fetch(weights.SMOLLM2, lambda *_: None)
    where = {"gguf_file": path.name}
    model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **where)
    return Base("embedded", None, model, AutoTokenizer.from_pretrained(path.parent, **where))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("out", type=Path)
    parser.add_argument("--culture", action="append", help="repeatable")
    parser.add_argument("--recorded", type=Path, help="an export, instead of survey answers")
    parser.add_argument("--descriptions", type=Path)
    parser.add_argument("--as", dest="names", action="append", default=[], metavar="CULTURE=NAME")
    parser.add_argument("--train", type=int, default=2)
    parser.add_argument("--held", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--last-layers", type=int)
    parser.add_argument("--rank", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--longest", type=int, default=512)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-unseen", action="store_true")
    given = parser.parse_args()
    begun = [monotonic()]

    def note(text: str) -> None:
        print(f"note: {text}", file=sys.stderr, flush=True)

    def watch(at: Advance) -> None:
        if monotonic() - begun[0] > 20 or at.step.done == at.step.total:
            begun[0] = monotonic()
            print(
                f"{at.step.fit}: step {at.step.done}/{at.step.total} (all {at.done}/{at.total}), "
                f"loss {at.step.loss:.3f}, {at.seconds_left / 60:.0f} min left",
                file=sys.stderr, flush=True,
            )  # fmt: skip

    embed, identity = opened_embedder("e5", lambda *_: None, note)
    rows = read_rows(given.recorded) if given.recorded else survey_rows(given.culture, given.train, given.held)
    found = read_descriptions(given.descriptions) if given.descriptions else None
    names = dict(pair.split("=", 1) for pair in given.names)
    descriptions = descriptions_for(rows.communities, found, names)
    settings = Settings(
        epochs=given.epochs, rank=given.rank, alpha=2.0 * given.rank, learning_rate=given.rate, seed=given.seed,
        longest=given.longest, last_layers=given.last_layers,
    )  # fmt: skip
    figured = train(
        embedded(), rows, descriptions, embed, identity, "e5", given.out, settings, unseen=not given.no_unseen,
        watch=watch, note=note,
    )  # fmt: skip
    print("\n".join(lines(figured, rows.held_out)))
    print(f"{figured.steps} steps in all, {figured.seconds:.0f} s, {figured.cpu_seconds:.0f} CPU-s")
    if not given.recorded:
        by_question(given.out, rows, figured.parameters, given.seed)
    return 0


def by_question(out: Path, rows: Rows, parameters, seed: int) -> None:  # type: ignore[no-untyped-def]
    """Print the controls of known and of unknown questions apart."""
    trained = {row.cluster for row in rows.train}
    for title, known in (("questions trained on", True), ("questions not trained on", False)):
        part = [row for row in rows.held_out if (row.cluster in trained) == known]
        measured = Measured(out / LOSSES, [])
        losses: dict[Arm, list[float]] = {
            arm: [values[row.community, row.id] for row in part]  # type: ignore[misc]
            for arm, values in measured.found.items()
        }
        print(f"\n== {title}")
        print("\n".join(control_lines(controls(part, losses, seed), parameters, part)))


if __name__ == "__main__":
    sys.exit(main())
