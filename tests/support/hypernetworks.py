"""A hypernetwork of random numbers, for tests that want its files and no training."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from culturepark.train.hyper import Hyper, Module, Shape, Trained, save, sizes


def place(folder: Path, communities: tuple[str, ...] = ("moss", "dune")) -> Hyper:
    """Write one for a base that is nowhere, with descriptions encoded by words."""
    modules = (Module(name="model.layers.0.self_attn.q_proj", layer=0, kind=0, inputs=6, outputs=4),)
    shape = Shape(modules=modules, targets=("q_proj",), layers=(0,), rank=2, alpha=4.0, hidden=3, width=4096)
    drawn = np.random.default_rng(1)
    wanted = {
        **sizes(shape), "centre": (4096,), "mean_z": (1, 2), "known": (len(communities), 4096),
        "A.0": (2, 6), "B.0": (4, 2),
    }  # fmt: skip
    tensors = {name: drawn.normal(0, 1, size).astype(np.float32) for name, size in wanted.items()}
    folder.mkdir(parents=True, exist_ok=True)
    trained = Trained(
        culturepark="0", base="tiny", embedder="lexical", embedder_spec="lexical", communities=communities,
        sentences={name: (f"People of the {name}.",) for name in communities}, shape=shape, tensors_sha256="",
    )  # fmt: skip
    return save(folder, trained, {**tensors, "spread": np.ones(1, np.float32)})
