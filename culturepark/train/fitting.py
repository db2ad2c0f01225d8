"""Fits the weights of adapters to answers: the loop of joint training, in plain torch. Resumable.

One loop serves all that is compared: the hypernetwork, one plain adapter for everybody, and one for each community,
which are the same but for where z comes from. Every draw (the order of rows, the sentences that describe a community)
is hashed from the seed and its place, so a checkpoint is weights, moments and a number of steps, and nothing else.
"""

from __future__ import annotations

import inspect
import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from culturepark.errors import Lacking, UsageError
from culturepark.models.extras import how_to_install
from culturepark.stats.figures import Figures
from culturepark.train.communities import Row
from culturepark.train.examples import IGNORED, learned
from culturepark.train.hyper import (
    TARGETS,
    Floats,
    Module,
    Shape,
    described,
    load_tensors,
    modulation,
    save_tensors,
    sizes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

Tensors = dict[str, Any]
"""Name -> torch tensor."""
BUCKET = 8
"""Batches among which rows of like length are put together, which saves padding."""
EVERY = 20
"""Steps between two checkpoints."""
MOST_KEPT = 250_000_000
"""Numbers of lower layers that are kept in memory; above it they are computed again in every step."""
LR_FLOOR = 0.1
"""Share of the learning rate at the last step; it falls to it along a line."""


class Settings(Figures):
    """How adapters are fitted; the same for all that are compared."""

    rank: int = 8
    alpha: float = 16.0
    hidden: int = 64
    """Width of the hypernetwork."""
    targets: tuple[str, ...] = ("q_proj", "v_proj")
    last_layers: int | None = None
    """Adapt only so many of the last layers; None for all."""
    epochs: int = 3
    """Times that each row is seen."""
    batch: int = 8
    """Rows of a step."""
    learning_rate: float = 1e-3
    warmup: float = 0.1
    """Share of the steps in which the learning rate rises."""
    clip: float = 1.0
    """Most length of a gradient."""
    longest: int = 512
    """Tokens of a row; longer ones are left out, since a cut answer is another answer."""
    seed: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: a GPU if there is one."""


@dataclass(frozen=True)
class Example:
    """A row as token ids."""

    row: Row
    ids: tuple[int, ...]
    answer: tuple[bool, ...]
    """For each id, whether it is part of an answer (an assistant's words, and what ends them)."""

    @property
    def tokens(self) -> int:
        """Number of ids that count towards the loss."""
        return sum(self.answer[1:])


@dataclass(frozen=True)
class Step:
    """Progress of a fit, for a screen."""

    fit: str
    """Which adapter is fitted."""
    done: int
    total: int
    loss: float
    """Of the last step, in nats a token."""


Watch = Callable[[Step], None]


def torch_of(what: str) -> Any:
    """Return torch.

    Raises:
        Lacking: if it is not installed.
    """
    try:
        import torch
    except ImportError:
        raise Lacking(f"{what} needs the extra `train`: {how_to_install('train')}") from None
    return torch


# --- rows as tokens ------------------------------------------------------------------------------


def encode(tokenizer: Any, rows: Sequence[Row], longest: int) -> tuple[list[Example], list[Row]]:
    """Write rows with the base's chat template; return the examples, and the rows that are too long.

    Raises:
        UsageError: if the base has no chat template, or one that cannot be divided into question and answer.
    """
    if not getattr(tokenizer, "chat_template", None):
        raise UsageError(
            "the base has no chat template, so it cannot be trained on rows with roles; take an instruct model"
        )
    examples, too_long = [], []
    for row in rows:
        example = encoded(tokenizer, row)
        if len(example.ids) > longest or not example.tokens:
            too_long.append(row)
        else:
            examples.append(example)
    return examples, too_long


def encoded(tokenizer: Any, row: Row) -> Example:
    made = learned(tokenizer, row.messages)
    return Example(row, tuple(made["input_ids"]), tuple(label != IGNORED for label in made["labels"]))


# --- the modules of a base -----------------------------------------------------------------------


def shape_of(
    model: Any, width: int, *, rank: int, alpha: float, hidden: int, targets: Sequence[str] = TARGETS,
    last_layers: int | None = None,
) -> Shape:  # fmt: skip
    """Find the modules of a base that are to be adapted.

    Args:
        model: a torch module.
        width: numbers of a description's vector.
        targets: last parts of the modules' names.
        last_layers: adapt only so many of the last layers; the gradient then stops there, which saves time.

    Raises:
        UsageError: if a kind of module is not in the base.
    """
    nn = torch_of("training").nn
    linear = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    numbered = [
        (int(number[1]), name.rpartition(".")[2], name)
        for name in linear
        if name.rpartition(".")[2] in targets and (number := re.search(r"\.(\d+)\.", name))
    ]
    if missing := set(targets) - {kind for _, kind, _ in numbered}:
        others = sorted({name.rpartition(".")[2] for name in linear if re.search(r"\.\d+\.", name)})
        raise UsageError(f"the base has no modules {', '.join(sorted(missing))}; it has {', '.join(others)}")
    there = sorted({layer for layer, _, _ in numbered})
    layers = there[-last_layers:] if last_layers else there
    kinds = tuple(targets)
    modules = tuple(
        Module(
            name=name, layer=layers.index(layer), kind=kinds.index(kind),
            inputs=linear[name].in_features, outputs=linear[name].out_features,
        )
        for layer, kind, name in sorted(numbered)
        if layer in layers
    )  # fmt: skip
    return Shape(
        modules=modules, targets=kinds, layers=tuple(layers), every_layer=layers == there, rank=rank, alpha=alpha,
        hidden=hidden, width=width,
    )  # fmt: skip


# --- the base with an adapter on it --------------------------------------------------------------


class Adapted:
    """A frozen base whose modules add what shared A and B, scaled by z, make of their inputs.

    Where only the last layers are adapted, the layers below give a row the same numbers in every step. They are
    computed once for each row and kept, and from then on only the layers above run.
    """

    def __init__(self, model: Any, shape: Shape) -> None:
        self.torch = torch_of("training")
        self.model = model.eval().requires_grad_(False)  # no dropout: its draws could not be resumed
        self.shape = shape
        self.device = next(model.parameters()).device
        self._tensors: Mapping[str, Any] = {}
        self._z: Any = None
        self._below: dict[tuple[int, ...], Any] = {}
        """Ids of a row -> what the lowest adapted layer gets of it, sizes (ids, width of the base)."""
        path = shape.modules[0].name.split(f".{shape.layers[0]}.")[0]
        self._holder = model.get_submodule(path.rpartition(".")[0])
        self._list = path.rpartition(".")[2]
        self._layers = getattr(self._holder, self._list)
        self.short = shape.layers[0] > 0
        """Whether only the layers above run. False if the base does something between embedding and layers."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Add the adapter to what the modules compute, as long as the context lasts."""
        modules = dict(self.model.named_modules())
        handles = [
            modules[module.name].register_forward_hook(self._hook(number))
            for number, module in enumerate(self.shape.modules)
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, number: int) -> Callable[..., Any]:
        def add(_: Any, inputs: tuple[Any, ...], output: Any) -> Any:
            if self._z is None:
                return output
            a, b = self._tensors[f"A.{number}"], self._tensors[f"B.{number}"]
            inner = (inputs[0].to(a.dtype) @ a.T) * self._z[:, number, None, :]
            return output + (self.shape.scale * (inner @ b.T)).to(output.dtype)

        return add

    def losses(self, examples: Sequence[Example], tensors: Mapping[str, Any], z: Any) -> tuple[Any, Any]:
        """Return the summed loss of each example's answers in nats, and their numbers of tokens; sizes (n,).

        Args:
            z: of each example, sizes (n, modules, rank), or (1, modules, rank) for all; None for the base as it is.
        """
        torch = self.torch
        ids = self._padded([torch.tensor(example.ids) for example in examples])
        seen = self._padded([torch.ones(len(example.ids), dtype=torch.long) for example in examples])
        answer = self._padded([torch.tensor(example.answer) for example in examples])
        # Places that predict an answer's token in some row; the rest need no logits, which cost as much as ten layers.
        places = answer[:, 1:].any(0).nonzero()[:, 0]
        below = self._lower(examples, ids, seen, places) if self.short else None
        self._tensors, self._z = tensors, z
        logits = self._logits(ids, seen, places) if below is None else self._upper(below, seen, places)
        wanted = answer[:, 1:][:, places]
        losses = torch.nn.functional.cross_entropy(
            logits.float().transpose(1, 2), ids[:, 1:][:, places], reduction="none"
        )
        return (losses * wanted).sum(1), wanted.sum(1)

    def _padded(self, rows: Sequence[Any]) -> Any:
        return self.torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True).to(self.device)

    def _logits(self, ids: Any, seen: Any, places: Any, **inputs: Any) -> Any:
        given = {"input_ids": ids, **inputs} if ids is not None else inputs
        if "logits_to_keep" in inspect.signature(self.model.forward).parameters:
            return self.model(attention_mask=seen, use_cache=False, logits_to_keep=places, **given).logits
        return self.model(attention_mask=seen, use_cache=False, **given).logits[:, places]

    def _upper(self, below: Any, seen: Any, places: Any) -> Any:
        """Return the logits of the layers above alone."""
        above = self.torch.nn.ModuleList(list(self._layers)[self.shape.layers[0] :])
        setattr(self._holder, self._list, above)
        try:
            return self._logits(None, seen, places, inputs_embeds=below)
        finally:
            setattr(self._holder, self._list, self._layers)

    def _lower(self, examples: Sequence[Example], ids: Any, seen: Any, places: Any) -> Any:
        """Return what the lowest adapted layer gets, sizes (rows, ids, width); None if it does not explain the base.

        The first time, the base as a whole is compared with its layers above: some bases scale what stands in for an
        embedding, and there the short way would be wrong.
        """
        first = not self._below
        if any(example.ids not in self._below for example in examples):
            caught: list[Any] = []
            lowest = self._layers[self.shape.layers[0]]
            handle = lowest.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0].detach()))
            self._z = None
            try:
                with self.torch.no_grad():
                    whole = self._logits(ids, seen, places)
            finally:
                handle.remove()
            for example, states in zip(examples, caught[0], strict=True):
                self._below[example.ids] = states[: len(example.ids)].clone()
            if first:
                with self.torch.no_grad():
                    above = self._upper(self._padded([self._below[e.ids] for e in examples]), seen, places)
                real = seen[:, places].bool()  # what stands after the end of a row is nobody's
                self.short = bool(self.torch.allclose(above[real], whole[real], atol=1e-3, rtol=1e-3))
        if not self.short or sum(map(len, self._below)) * self._below[examples[0].ids].shape[1] > MOST_KEPT:
            self.short = False
            self._below.clear()
            return None
        return self._padded([self._below[example.ids] for example in examples])


# --- where z comes from --------------------------------------------------------------------------


class Descriptions:
    """The vectors of each community's sentences, and the fixed numbers that bring them to a mean of 0."""

    def __init__(self, train: Mapping[str, Floats], judge: Mapping[str, Floats]) -> None:
        """
        Args:
            train: community -> vectors of the sentences that it is trained with, sizes (sentences, width).
            judge: the same of the sentences that it is judged by.
        """
        self.train = dict(train)
        self.judge = {name: described(vectors) for name, vectors in judge.items()}
        self.whole = {name: described(vectors) for name, vectors in train.items()}

    @property
    def width(self) -> int:
        return int(next(iter(self.train.values())).shape[1])

    def without(self, community: str) -> Descriptions:
        """Return these without one community, for training as if it were not known."""
        train = {name: vectors for name, vectors in self.train.items() if name != community}
        return Descriptions(train, {name: self.train[name] for name in train})

    def fixed(self) -> dict[str, Floats]:
        """Return the mean of the vectors, and their spread around it as one number."""
        vectors = np.concatenate([*self.train.values()])
        centre = np.stack([*self.whole.values()]).mean(0)
        return {
            "centre": centre.astype(np.float32),
            "spread": np.array([max(float(np.sqrt(((vectors - centre) ** 2).mean())), 1e-6)], np.float32),
        }

    def drawn(self, community: str, *place: object) -> Floats:
        """Return the vector of some of a community's sentences: how many and which is drawn for the place.

        A network that only ever saw one vector of each community would learn names, and know nothing between them.
        """
        vectors = self.train[community]
        rng = random.Random(repr(place))
        return described(vectors[sorted(rng.sample(range(len(vectors)), rng.randint(1, len(vectors))))])


def initial(shape: Shape, descriptions: Descriptions | None, seed: int, device: Any) -> Tensors:
    """Return weights to begin with. B is 0, as in every LoRA, and so is the last layer of the network: z is 1."""
    torch = torch_of("training")
    drawing = torch.Generator().manual_seed(seed)

    def normal(size: Sequence[int], spread: float) -> Any:
        return torch.randn(*size, generator=drawing) * spread

    made: Tensors = {}
    for number, module in enumerate(shape.modules):
        made[f"A.{number}"] = normal((shape.rank, module.inputs), module.inputs**-0.5)
        made[f"B.{number}"] = torch.zeros(module.outputs, shape.rank)
    if descriptions:
        for name, size in sizes(shape).items():
            flat = name.endswith("bias") or name == "head.weight"
            made[name] = torch.zeros(*size) if flat else normal(size, size[0] ** -0.5 if "weight" in name else 0.5)
    weights = {name: tensor.to(device).requires_grad_(True) for name, tensor in made.items()}
    for name, fixed in (descriptions.fixed() if descriptions else {}).items():
        weights[name] = torch.tensor(fixed, device=device)
    return weights


def z_of(weights: Mapping[str, Any], vectors: Sequence[Floats], shape: Shape) -> Any:
    """Return z of descriptions as torch has it, sizes (n, modules, rank)."""
    torch = torch_of("training")
    stacked = torch.tensor(np.stack(list(vectors)), device=weights["centre"].device)
    return modulation(weights, stacked, shape, torch.exp)


def plain_z(shape: Shape, device: Any) -> Any:
    """Return z of an ordinary adapter: 1 everywhere."""
    return torch_of("training").ones(1, len(shape.modules), shape.rank, device=device)


# --- the loop ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fit:
    """One adapter to be fitted: to which rows, and by which descriptions."""

    name: str
    examples: tuple[Example, ...]
    descriptions: Descriptions | None
    """None for an ordinary adapter, whose z is 1."""

    def steps(self, settings: Settings) -> int:
        return settings.epochs * -(-len(self.examples) // settings.batch)


def batches(examples: Sequence[Example], size: int, *place: object) -> list[list[Example]]:
    """Return the rows of an epoch in batches: in random order, rows of like length together."""
    rng = random.Random(repr(place))
    order = list(examples)
    rng.shuffle(order)
    made = []
    for start in range(0, len(order), size * BUCKET):
        near = sorted(order[start : start + size * BUCKET], key=lambda example: len(example.ids))
        made += [near[at : at + size] for at in range(0, len(near), size)]
    rng.shuffle(made)
    return made


def fitted(base: Adapted, fit: Fit, settings: Settings, folder: Path, watch: Watch) -> Tensors:
    """Return the weights of an adapter fitted to its rows; go on from its last checkpoint in the folder."""
    torch = base.torch
    weights = initial(base.shape, fit.descriptions, settings.seed, base.device)
    trained = {name: tensor for name, tensor in weights.items() if tensor.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=settings.learning_rate, weight_decay=0.0)
    total = fit.steps(settings)
    path = folder / f"{fit.name.replace(':', '-')}.safetensors"
    done = resumed(path, trained, optimizer) if path.exists() else 0
    plain = plain_z(base.shape, base.device)
    with base.applied():
        while done < total:
            epoch, number = divmod(done, total // settings.epochs)
            batch = batches(fit.examples, settings.batch, settings.seed, fit.name, epoch)[number]
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * share_of_rate(done, total, settings.warmup)
            z = plain
            if fit.descriptions:
                drawn = [
                    fit.descriptions.drawn(e.row.community, settings.seed, fit.name, epoch, e.row.id) for e in batch
                ]
                z = z_of(weights, drawn, base.shape)
            losses, tokens = base.losses(batch, weights, z)
            loss = losses.sum() / tokens.sum()
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained.values(), settings.clip)
            optimizer.step()
            done += 1
            value = float(loss.detach())
            if not np.isfinite(value):
                raise UsageError(
                    f"{fit.name}: the loss became {value} at step {done}; take a smaller --learning-rate "
                    f"than {settings.learning_rate:g}"
                )
            log(folder, fit.name, done, value)
            if done % EVERY == 0 or done == total:
                checkpoint(path, done, trained, optimizer)
            watch(Step(fit.name, done, total, value))
    return {name: tensor.detach() for name, tensor in weights.items()}


def share_of_rate(done: int, total: int, warmup: float) -> float:
    """Return the share of the learning rate at a step: up along a line, then down to `LR_FLOOR` along another."""
    rising = max(1, round(warmup * total))
    if done < rising:
        return (done + 1) / rising
    return 1 - (1 - LR_FLOOR) * (done - rising) / max(1, total - rising)


def checkpoint(path: Path, done: int, trained: Tensors, optimizer: Any) -> None:
    state = {name: tensor.detach().cpu().numpy() for name, tensor in trained.items()}
    for name, tensor in trained.items():
        for moment in ("exp_avg", "exp_avg_sq"):
            state[f"{moment}/{name}"] = optimizer.state[tensor][moment].detach().cpu().numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_tensors(path, {**state, "done": np.array([done], np.float32)})


def resumed(path: Path, trained: Tensors, optimizer: Any) -> int:
    """Put a checkpoint's weights and moments in place; return its number of steps.

    Raises:
        UsageError: if it is of other weights.
        CatalogError: if the file is damaged.
    """
    torch = torch_of("training")
    state = load_tensors(path)
    done = int(state.pop("done", np.zeros(1))[0])
    wanted = {name: tuple(tensor.shape) for name, tensor in trained.items()}
    if any(state.get(name, np.zeros(0)).shape != size for name, size in wanted.items()) or done < 1:
        raise UsageError(f"{path} is no checkpoint of this training; remove it to begin again")
    with torch.no_grad():
        for name, tensor in trained.items():
            tensor.copy_(torch.tensor(state[name]))
            optimizer.state[tensor] = {
                "step": torch.tensor(float(done)),
                "exp_avg": torch.tensor(state[f"exp_avg/{name}"], device=tensor.device),
                "exp_avg_sq": torch.tensor(state[f"exp_avg_sq/{name}"], device=tensor.device),
            }
    return done


def log(folder: Path, fit: str, step: int, loss: float) -> None:
    """Add a step to the curve beside the checkpoints. Steps that a resumed fit takes again are there twice, alike."""
    path = folder / "loss.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"fit": fit, "step": step, "loss": round(loss, 5)}) + "\n")


# --- what rows lose under an adapter -------------------------------------------------------------


def row_losses(
    base: Adapted, examples: Sequence[Example], weights: Mapping[str, Any], z: Mapping[str, Any] | None, size: int
) -> list[float]:
    """Return the mean loss of each example's answers, in nats a token, in their order.

    Args:
        z: community -> z, sizes (modules, rank); None for the base without an adapter.
        size: examples at once.
    """
    torch = base.torch
    order = sorted(range(len(examples)), key=lambda place: len(examples[place].ids))
    found = [0.0] * len(examples)
    with torch.no_grad(), base.applied():
        for start in range(0, len(order), size):
            places = order[start : start + size]
            batch = [examples[place] for place in places]
            stacked = None if z is None else torch.stack([z[example.row.community] for example in batch])
            losses, tokens = base.losses(batch, weights, stacked)
            for place, value in zip(places, (losses / tokens).tolist(), strict=True):
                found[place] = value
    return found
