"""Trains a hypernetwork on the rows of several communities at once, and everything that it has to be compared with.

The order: the hypernetwork; one plain adapter for everybody; one for each community; then the hypernetwork again
without each community in turn. Each is a fit with checkpoints of its own, so the same call goes on where it stopped.
"""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import random
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, process_time
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from culturepark import __version__
from culturepark.catalog.files import shown
from culturepark.errors import UsageError
from culturepark.files import clipped, is_folder, put_json, some_of
from culturepark.stats.figures import Figures
from culturepark.train.communities import FEWEST_SENTENCES, Row, Rows, held_out_sentences
from culturepark.train.controls import Arm, ArmFigures, Comparison, Controls, Parameters, control_lines, controls
from culturepark.train.examples import manifest_of
from culturepark.train.fitting import (
    Adapted,
    Descriptions,
    Example,
    Fit,
    Settings,
    Step,
    Tensors,
    encode,
    fitted,
    plain_z,
    row_losses,
    shape_of,
    z_of,
)
from culturepark.train.hyper import (
    TENSORS,
    Encoder,
    Floats,
    Hyper,
    Shape,
    Trained,
    described,
    fresh_folder,
    save,
    sha256_of,
    write_adapter,
)

if TYPE_CHECKING:
    from culturepark.models.weights import Progress
    from culturepark.store.store import Store

Embed = Callable[[Sequence[str]], Floats]
"""Texts -> vectors of length 1, sizes (texts, width)."""
GARBAGE = 3
"""Texts of random letters."""
OTHERS = 3
"""Most other communities whose descriptions a row is read under."""
AT_ONCE = 16
"""Rows at once where nothing is trained."""
CHECKPOINTS, LOSSES, ORDER, CARD = "checkpoints", "losses.jsonl", "order.json", "README.md"
FIGURES, CURVE = "training.json", "loss.csv"


class Figured(Figures):
    """`training.json`: settings and what came of them; `keep` adds the artefact's id."""

    kind: Literal["hyper"] = "hyper"
    culturepark: str
    base: str
    settings: Settings
    rows: dict[str, int]
    """Rows trained on, by community."""
    held_out: dict[str, int]
    left_out: int
    """Rows of more tokens than `longest`."""
    divided: str
    sentences: dict[str, tuple[int, int]]
    """Community -> sentences it was trained with, and those kept to judge by (the same where there are few)."""
    arms: tuple[ArmFigures, ...]
    comparisons: tuple[Comparison, ...]
    parameters: Parameters
    verdict: str
    steps: int
    seconds: float
    """Of this process; one that went on from checkpoints spent more before."""
    cpu_seconds: float


@dataclass(frozen=True)
class Advance:
    """How far all fits together are."""

    step: Step
    done: int
    total: int
    begun_at: int
    """Steps that were done before this process."""
    seconds: float
    """Spent on its steps since it began."""

    @property
    def seconds_left(self) -> float:
        return self.seconds / max(1, self.done - self.begun_at) * (self.total - self.done)


Watching = Callable[[Advance], None]


@dataclass(frozen=True)
class Base:
    """A loaded base model."""

    name: str
    """As the user named it."""
    path: str | None
    """What PEFT is to load it from; None if only its name is known."""
    model: Any
    tokenizer: Any


def opened_embedder(spec: Encoder, fetching: Progress, warn: Callable[[str], None]) -> tuple[Embed, str]:
    """Return what makes vectors of texts, and its identity.

    Raises:
        UsageError: if the encoder cannot be had. Deduplication falls back on words then; vectors of another encoder
            would mean nothing to a hypernetwork.
    """
    from culturepark.models.embedder import open_embedder
    from culturepark.models.spec import parse

    async def nobody(_: object) -> Any:
        raise AssertionError("an encoder in this process asks nobody")

    reasons: list[str] = []
    opened = open_embedder(parse(spec, "embedder"), fetching, reasons.append, nobody)
    if opened.method != spec:
        raise UsageError(f"descriptions need the embedder {spec}: {'; '.join(reasons)}")
    for reason in reasons:
        warn(reason)
    return lambda texts: asyncio.run(opened.embed(texts)), opened.identity or spec


def train(
    base: Base, rows: Rows, descriptions: Mapping[str, Sequence[str]], embed: Embed, identity: str, encoder: Encoder,
    out: Path, settings: Settings, *, unseen: bool = True, watch: Watching = lambda _: None,
    note: Callable[[str], None] = lambda _: None,
) -> Figured:  # fmt: skip
    """Train a hypernetwork with all its controls, and write it to a folder.

    Args:
        descriptions: community -> sentences, for every community of the rows.
        out: new, empty, or of the same training, which goes on.
        unseen: leave out each community in turn, which costs as many trainings more; it takes three or more of them.
        note: is told what the user should know.

    Raises:
        UsageError: if the folder holds another training, or there is too little to train on.
    """
    begun, cpu = monotonic(), process_time()
    kept, held, left_out = examples_of(base.tokenizer, rows, settings.longest, note)
    names = sorted({example.row.community for example in kept})
    divided = {name: held_out_sentences(descriptions[name]) for name in names}
    if same := [name for name, (trained, judged) in divided.items() if trained == judged]:
        note(f"{', '.join(same)}: fewer than {FEWEST_SENTENCES} sentences, so none is held out to judge by")
    vectors = Descriptions(
        {name: embed(trained) for name, (trained, _) in divided.items()},
        {name: embed(judged) for name, (_, judged) in divided.items()},
    )
    garbage = embed(garbage_texts([text for name in names for text in descriptions[name]], settings.seed))
    shape = shape_of(
        base.model, vectors.width, rank=settings.rank, alpha=settings.alpha, hidden=settings.hidden,
        targets=settings.targets, last_layers=settings.last_layers,
    )  # fmt: skip
    claim(out, order_of(base, kept, held, divided, identity, settings))
    adapted = Adapted(base.model, shape)
    fits = planned(kept, vectors, names, unseen)
    timed = Timed(fits, settings, watch)
    losses = Measured(out / LOSSES, [example.row for example in held])

    whole, *others = fits
    timed.begin()
    weights = fitted(adapted, whole, settings, out / CHECKPOINTS, timed.step)
    timed.end(whole)
    hyper = saved(out, base, shape, weights, vectors, identity, encoder, names, descriptions)
    right, reworded = (
        dict(zip(names, z_of(weights, [of[name] for name in names], shape).detach(), strict=True))
        for of in (vectors.whole, vectors.judge)
    )
    mean = as_tensor(hyper.mean_z, adapted)
    losses.put("base", lambda: row_losses(adapted, held, weights, None, AT_ONCE))
    losses.put("right", lambda: row_losses(adapted, held, weights, right, AT_ONCE))
    if not same:
        losses.put("reworded", lambda: row_losses(adapted, held, weights, reworded, AT_ONCE))
    losses.put("mean", lambda: row_losses(adapted, held, weights, dict.fromkeys(names, mean), AT_ONCE))
    losses.put("wrong", lambda: averaged(adapted, held, weights, [
        {name: right[names[(place + step) % len(names)]] for place, name in enumerate(names)}
        for step in range(1, min(OTHERS, len(names) - 1) + 1)
    ]))  # fmt: skip
    losses.put("garbage", lambda: averaged(adapted, held, weights, [
        dict.fromkeys(names, z_of(weights, [vector], shape)[0].detach()) for vector in garbage
    ]))  # fmt: skip
    plain = dict.fromkeys(names, plain_z(shape, adapted.device)[0])
    for fit in others:
        kind, _, community = fit.name.partition(":")
        timed.begin()
        made = fitted(adapted, fit, settings, out / CHECKPOINTS, timed.step)
        timed.end(fit)
        mine = [example for example in held if community in ("", example.row.community)]
        if kind in ("one", "separate"):
            arm: Arm = "one" if kind == "one" else "separate"
            losses.put(arm, partial(row_losses, adapted, mine, made, plain, AT_ONCE), [e.row for e in mine])
            continue
        known = fit.descriptions or vectors
        z = z_of(made, [vectors.whole[community]], shape)[0].detach()
        others_mean = z_of(made, [*known.whole.values()], shape).detach().mean(0)
        under: tuple[tuple[Arm, Any], ...] = (("unseen", z), ("unseen-mean", others_mean))
        for arm, one in under:
            losses.put(arm, partial(row_losses, adapted, mine, made, {community: one}, AT_ONCE), [e.row for e in mine])
    found = controls([example.row for example in held], losses.complete(), settings.seed)
    figured = Figured(
        culturepark=__version__, base=base.name, settings=settings, rows=counts(kept), held_out=counts(held),
        left_out=left_out, divided=rows.divided,
        sentences={name: (len(trained), len(judged_by)) for name, (trained, judged_by) in divided.items()},
        arms=found.arms, comparisons=found.comparisons,
        parameters=Parameters.of(shape, len(names)), verdict=found.verdict,
        steps=sum(fit.steps(settings) for fit in fits), seconds=round(monotonic() - begun, 1),
        cpu_seconds=round(process_time() - cpu, 1),
    )  # fmt: skip
    put_json(out / FIGURES, figured.as_json())
    write_curve(out)
    return figured


def lines(figured: Figured, rows: Sequence[Row]) -> list[str]:
    """Return what a training came to, as text."""
    return [*control_lines(Controls(figured.arms, figured.comparisons), figured.parameters, rows)]


# --- what is trained, and on what ----------------------------------------------------------------


def examples_of(
    tokenizer: Any, rows: Rows, longest: int, note: Callable[[str], None]
) -> tuple[list[Example], list[Example], int]:
    kept, too_long = encode(tokenizer, rows.train, longest)
    held, too_long_held = encode(tokenizer, rows.held_out, longest)
    if left := len(too_long) + len(too_long_held):
        note(f"{left} of {len(rows.train) + len(rows.held_out)} rows are left out: more than {longest} tokens")
    there = {example.row.community for example in kept} & {example.row.community for example in held}
    if missing := {row.community for row in rows.train} - there:
        raise UsageError(
            f"no row of {', '.join(sorted(missing))} has at most {longest} tokens on both sides; allow longer ones"
        )
    return kept, held, left


def planned(kept: Sequence[Example], vectors: Descriptions, names: Sequence[str], unseen: bool) -> list[Fit]:
    """Return all that is fitted, the hypernetwork first."""
    by_name = {name: tuple(example for example in kept if example.row.community == name) for name in names}
    fits = [Fit("hyper", tuple(kept), vectors), Fit("one", tuple(kept), None)]
    fits += [Fit(f"separate:{name}", by_name[name], None) for name in names]
    if unseen and len(names) > 2:
        for name in names:
            rest = tuple(example for example in kept if example.row.community != name)
            fits.append(Fit(f"unseen:{name}", rest, vectors.without(name)))
    return fits


def garbage_texts(like: Sequence[str], seed: int) -> list[str]:
    """Return texts of random letters, each of as many words as one of the sentences."""
    rng = random.Random(f"garbage {seed}")

    def word() -> str:
        return "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 9)))

    return [" ".join(word() for _ in rng.choice(list(like)).split()) for _ in range(GARBAGE)]


def averaged(
    base: Adapted, held: Sequence[Example], weights: Tensors, given: Sequence[Mapping[str, Any]]
) -> list[float]:
    """Return each row's loss, averaged over several adapters."""
    found = np.array([row_losses(base, held, weights, z, AT_ONCE) for z in given])
    return [float(value) for value in found.mean(0)]


def counts(examples: Sequence[Example]) -> dict[str, int]:
    return dict(sorted(Counter(example.row.community for example in examples).items()))


def as_tensor(array: Floats, base: Adapted) -> Any:
    return base.torch.tensor(array, device=base.device)


def saved(
    out: Path, base: Base, shape: Shape, weights: Tensors, vectors: Descriptions, identity: str, encoder: Encoder,
    names: Sequence[str], descriptions: Mapping[str, Sequence[str]],
) -> Hyper:  # fmt: skip
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in weights.items()}
    z = z_of(weights, [vectors.whole[name] for name in names], shape).detach().cpu().numpy()
    tensors["mean_z"] = z.mean(0)
    tensors["known"] = np.stack([vectors.whole[name] for name in names])
    trained = Trained(
        culturepark=__version__, base=base.name, base_path=base.path, embedder=identity, embedder_spec=encoder,
        communities=tuple(names), sentences={name: tuple(descriptions[name]) for name in names}, shape=shape,
        tensors_sha256="",
    )  # fmt: skip
    return save(out, trained, tensors)


# --- going on ------------------------------------------------------------------------------------


def order_of(
    base: Base, kept: Sequence[Example], held: Sequence[Example], sentences: object, identity: str, settings: Settings
) -> str:
    """Return the digest of everything that decides what is trained."""
    parts = [
        base.name, identity, settings.as_json(), sentences,
        [[(e.row.id, e.row.community, e.ids) for e in part] for part in (kept, held)],
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def claim(out: Path, order: str) -> None:
    """
    Raises:
        UsageError: if the folder holds something else than this training.
    """
    path = out / ORDER
    try:
        out.mkdir(parents=True, exist_ok=True)
        there = any(out.iterdir())
    except (OSError, ValueError) as error:
        raise UsageError(f"--out {shown(out)}: {getattr(error, 'strerror', None) or error}") from None
    if there:
        before = ""
        with suppress(OSError, ValueError, KeyError, TypeError):
            before = json.loads(path.read_bytes())["sha256"]
        if before != order:
            raise UsageError(
                f"--out {shown(out)} holds something else, or a training on other rows, descriptions or settings; "
                "name a new folder"
            )
        return
    put_json(path, {"sha256": order})


class Measured:
    """The losses of held-out rows by arm, kept in a file as they are measured."""

    def __init__(self, path: Path, held: Sequence[Row]) -> None:
        self.path = path
        self.held = held
        self.found: dict[str, dict[tuple[str, str], float]] = {}
        """Arm -> community and id of a row -> its loss."""
        for line in path.read_text("utf-8", "replace").splitlines() if path.is_file() else ():
            with suppress(ValueError, KeyError, TypeError):  # the last line of a killed process
                row = json.loads(line)
                self.found.setdefault(row["arm"], {})[row["community"], row["row"]] = float(row["loss"])

    def put(self, arm: Arm, measure: Callable[[], list[float]], of: Sequence[Row] | None = None) -> None:
        """Measure an arm on some of the rows, unless it was."""
        wanted = self.held if of is None else of
        known = self.found.setdefault(arm, {})
        if all((row.community, row.id) in known for row in wanted):
            return
        text = ""
        for row, loss in zip(wanted, measure(), strict=True):
            known[row.community, row.id] = loss
            line = {"arm": arm, "row": row.id, "community": row.community, "loss": loss}
            text += json.dumps(line, ensure_ascii=False) + "\n"
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text)

    def complete(self) -> dict[Arm, list[float]]:
        """Return the arms that hold every row, in the rows' order."""
        keys = [(row.community, row.id) for row in self.held]
        arms: tuple[Arm, ...] = get_args(Arm)
        return {
            arm: [self.found[arm][key] for key in keys]
            for arm in arms
            if all(key in self.found.get(arm, {}) for key in keys)
        }


class Timed:
    """Adds up the steps of all fits."""

    def __init__(self, fits: Sequence[Fit], settings: Settings, watch: Watching) -> None:
        self.settings = settings
        self.total = sum(fit.steps(settings) for fit in fits)
        self.before = self.made = 0
        self.spent = 0.0
        """Seconds in fits; what is measured between them would make the steps look slow."""
        self._watch, self._last = watch, monotonic()

    def begin(self) -> None:
        self._last = monotonic()

    def step(self, step: Step) -> None:
        now = monotonic()
        self.spent += now - self._last
        self._last = now
        self.made += 1
        done = self.before + step.done
        self._watch(Advance(step, done, self.total, done - self.made, self.spent))

    def end(self, fit: Fit) -> None:
        self.before += fit.steps(self.settings)


def forecast(rows: Rows, settings: Settings, unseen: bool) -> dict[str, int]:
    """Return what a training would do, if no row is too long."""
    examples = [Example(row, (), ()) for row in rows.train]
    none = Descriptions({name: np.zeros((1, 1), np.float32) for name in rows.communities}, {})
    fits = planned(examples, none, rows.communities, unseen)
    return {
        "communities": len(rows.communities),
        "rows": len(rows.train),
        "rows_held_out": len(rows.held_out),
        "adapters": len(fits),
        "steps": sum(fit.steps(settings) for fit in fits),
    }


def keep(store: Store, figured: Figured, rows: Rows, export: Path, out: Path) -> str:
    """Put a trained hypernetwork into the store with the rows behind it, and a card beside it; return its id."""
    from culturepark.store.artefacts import TrainedOn, put_artefact

    _, manifest_sha256 = manifest_of(export if is_folder(export) else export.parent)
    figures = figured.as_json()
    artefact_id = put_artefact(
        store, "hyper", str(out), sha256_of(out / TENSORS), base=figured.base,
        export_manifest_sha256=manifest_sha256, settings=figures.pop("settings"), figures=figures,
        rows=[TrainedOn(row.sample, row.sha256) for row in rows.train],
    )  # fmt: skip
    put_json(out / FIGURES, {"artefact": artefact_id, "export_manifest_sha256": manifest_sha256, **figured.as_json()})
    (out / CARD).write_text(card(figured, rows, artefact_id), "utf-8")
    return artefact_id


def card(figured: Figured, rows: Rows, artefact_id: str) -> str:
    """Return the card of a hypernetwork, as Markdown: what it is worth first."""
    told = "\n".join(lines(figured, rows.held_out))
    names = ", ".join(f"{name} ({count} rows)" for name, count in figured.rows.items())
    return f"""# Adapters out of descriptions, for {figured.base}

**{figured.verdict}**

An experiment: a network that makes a LoRA adapter for {figured.base} out of a text that describes a community
({artefact_id}). Trained on {names}. Held out: {figured.divided}.

```text
{told}
```

**For** research on whether a description can stand in for rows. `culturepark adapter` makes an adapter of it.

**Not for** speaking in the name of a community, and not for one whose people nobody has asked: a description is a
generalisation, and what an adapter made of it says is no evidence of what people there think. Measure each adapter
(`culturepark evaluate`) before anybody sees what it says.

The rows are of simulated people, under the licences of the models that wrote them; see the card of the export.
"""


def write_curve(out: Path) -> None:
    """Write `loss.csv`: fit, step and loss, each step once."""
    steps = {}
    for line in (out / CHECKPOINTS / "loss.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        steps[row["fit"], row["step"]] = row["loss"]
    with (out / CURVE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("fit", "step", "loss"))
        writer.writerows((fit, step, loss) for (fit, step), loss in steps.items())


def nearest(hyper: Hyper, vector: Floats) -> tuple[str, float]:
    """Return the trained community whose description is most like a vector, and the cosine between what is their own.

    The mean of all descriptions is taken off first: without that, an encoder finds any two texts alike.
    """
    known = hyper.tensors["known"] - hyper.tensors["centre"]
    own = vector - hyper.tensors["centre"]
    cosines = known @ own / np.maximum(np.linalg.norm(known, axis=1) * np.linalg.norm(own), 1e-12)
    best = int(cosines.argmax())
    return hyper.trained.communities[best], float(cosines[best])


def description_vector(hyper: Hyper, sentences: Sequence[str], embed: Embed, identity: str) -> Floats:
    """
    Raises:
        UsageError: if another encoder made the vectors that it was trained with.
    """
    if identity != hyper.trained.embedder:
        raise UsageError(f"it was trained with the encoder {hyper.trained.embedder}; here is {identity}")
    return described(embed(sentences))


def sentences_of(community: str, found: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """
    Raises:
        UsageError: if nobody of that name is described.
    """
    if community not in found:
        there = some_of([clipped(name) for name in sorted(found)], 20)
        raise UsageError(f"no description of {clipped(community)}; there are descriptions of {there}")
    return tuple(found[community])


def mean_adapter(hyper: Hyper, out: Path) -> None:
    """Write the adapter of the mean z as a PEFT folder."""
    fresh_folder(out)
    write_adapter(out, hyper.adapter(hyper.mean_z), hyper.shape, hyper.trained.base_path or hyper.trained.base)
