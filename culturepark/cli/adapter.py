"""The command that makes an adapter out of a description: adapter; and the training that it needs."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from culturepark.cli.options import Json, decodable

if TYPE_CHECKING:
    from culturepark.train.communities import Rows
    from culturepark.train.fitting import Settings
    from culturepark.train.joint import Advance

app = typer.Typer()
EMBEDDED = "embedded"


@app.command(
    epilog="""\b
The adapter of somebody nobody trained on, from words of your own:
Example: culturepark adapter runs/hyper --description "Fishers of the north; elders speak first." --out runs/coast
\b
That of a community out of a file of descriptions; of one it was trained on; of nobody in particular:
Example: culturepark adapter runs/hyper --descriptions mine.yaml --community coast --out runs/coast
Example: culturepark adapter runs/hyper --community turkish --out runs/turkish
Example: culturepark adapter runs/hyper --mean --out runs/mean
"""
)
def adapter(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="What `train --method hyper` made.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder for the adapter.")],
    description: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Who the community is, in a sentence. Repeatable."),
    ] = None,
    descriptions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Descriptions by community: YAML, or rows of community and text."),
    ] = None,
    community: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Which of the file; without a file, one that it was trained on.", callback=decodable
        ),
    ] = None,
    mean: Annotated[
        bool, typer.Option("--mean", help="The mean of all that it was trained on, which a description has to beat.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(metavar="SPEC", help="Its base, to write it as GGUF too. [default: embedded, if trained on it]"),
    ] = None,
    as_json: Json = False,
) -> int:
    """Make an ordinary adapter out of a description, by a hypernetwork trained with `train --method hyper`."""
    from culturepark.cli.progress import counting
    from culturepark.errors import UsageError
    from culturepark.terminal.safe import safe, tell, write
    from culturepark.train import hyper as hypernetworks
    from culturepark.train.communities import read_descriptions
    from culturepark.train.joint import description_vector, mean_adapter, nearest, opened_embedder, sentences_of

    texts = [decodable(text) for text in description or []]
    if sum(map(bool, (texts, community, mean))) != 1 or (descriptions and not community):
        raise UsageError("say who it is for: --description TEXT, --community NAME (of --descriptions FILE), or --mean")
    made_by = hypernetworks.load(folder)
    if mean:
        mean_adapter(made_by, out)
        close = None
    else:
        found = read_descriptions(descriptions) if descriptions else made_by.trained.sentences
        sentences = tuple(texts) or sentences_of(community or "", found)
        with counting("bytes of the encoder fetched") as count:
            embed, identity = opened_embedder(made_by.trained.embedder_spec, lambda _, *so_far: count(*so_far), tell)
        vector = description_vector(made_by, sentences, embed, identity)
        hypernetworks.materialise(made_by, vector, sentences, out)
        close = nearest(made_by, vector)
    # Another base than the embedded one is loaded only if the user names it: the folder may be somebody else's.
    source = base or (EMBEDDED if made_by.trained.base == EMBEDDED else None)
    served = as_gguf(source, out) if source else f"no adapter.gguf: name the base (--base {made_by.trained.base})"
    if as_json:
        answer = {"adapter": str(out), "base": made_by.trained.base, "nearest": close and close[0]}
        write(json.dumps({**answer, "cosine": close and round(close[1], 4)}))
    else:
        write(str(out))
    tell(f"an adapter of rank {made_by.shape.rank} for {safe(made_by.trained.base)}, as PEFT reads it")
    if close:
        tell(f"of those trained on, the description is most like that of {safe(close[0])} (cosine {close[1]:+.2f})")
    tell(safe(served))
    return 0


def as_gguf(source: str, out: Path) -> str:
    """Write the adapter for llama.cpp too; return what can be done with it, or why it could not be written."""
    from culturepark.cli.train import fetching
    from culturepark.train import artefact
    from culturepark.train.base import base_of

    with fetching() as progress:
        known = base_of(source, progress)
    lacks = artefact.convert(known, out, merge=False)
    return lacks[0] if lacks else f"next: culturepark evaluate survey --model {source}+{out}"


# --- the training ------------------------------------------------------------------------------------


def train_joint(
    export: Path, base: str, settings: "Settings", descriptions: Path | None, called: list[str], unseen: bool,
    out: Path, store_url: str, dry_run: bool, as_json: bool,
) -> int:  # fmt: skip
    """Train a hypernetwork on the rows of several communities: what `train --method hyper` does."""
    from culturepark.cli.progress import counting
    from culturepark.cli.train import fetching
    from culturepark.errors import Interrupted
    from culturepark.store.store import Store
    from culturepark.terminal.safe import safe, tell, write
    from culturepark.train import joint
    from culturepark.train.adapter import uses_gpu
    from culturepark.train.base import base_of, load, require
    from culturepark.train.communities import descriptions_for, read_descriptions, read_rows
    from culturepark.train.fitting import torch_of

    rows = read_rows(export)
    found = read_descriptions(descriptions) if descriptions else None
    described = descriptions_for(rows.communities, found, names_in(called))
    if dry_run:
        return forecast(rows, settings, unseen, out, as_json)
    require()
    torch = torch_of("training")
    store = Store(store_url)
    with fetching() as progress:
        source = base_of(base, progress)
    with counting("bytes of the encoder fetched") as count:
        embed, identity = joint.opened_embedder("e5", lambda _, *so_far: count(*so_far), tell)
    model, tokenizer = load(source, torch.float32)
    place = "cuda" if uses_gpu(settings.device) else "cpu"
    loaded = joint.Base(source.given, source.name, model.to(place), tokenizer)
    try:
        with watched() as watch:
            figured = joint.train(
                loaded, rows, described, embed, identity, "e5", out, settings, unseen=unseen, watch=watch,
                note=lambda text: tell(safe(f"note: {text}")),
            )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted("stopped; the same command goes on with it") from None
    artefact_id = joint.keep(store, figured, rows, export, out)
    if as_json:
        write(json.dumps({"artefact": artefact_id, "path": str(out), **figured.as_json()}))
        return 0
    write(f"{artefact_id}: {out}")
    for line in joint.lines(figured, rows.held_out):
        write(safe(line))
    tell(f"next: culturepark adapter {out} --description TEXT --out DIR")
    return 0


def joint_settings(
    rank: int, batch: int, rate: float | None, epochs: float | None, longest: int, last_layers: int | None, seed: int,
    device: Literal["auto", "cpu", "cuda"],
) -> "Settings":  # fmt: skip
    from culturepark.errors import UsageError
    from culturepark.train.fitting import Settings

    usual = Settings()
    if epochs is not None and epochs != int(epochs):
        raise UsageError(f"--epochs {epochs:g}: --method hyper takes whole numbers")
    return Settings(
        rank=rank, alpha=2 * rank, batch=batch, learning_rate=rate or usual.learning_rate,
        epochs=int(epochs or usual.epochs), longest=longest, last_layers=last_layers, seed=seed, device=device,
    )  # fmt: skip


def names_in(called: list[str]) -> dict[str, str]:
    """Return community -> name in the file of descriptions, of options like `german=AskAGerman`."""
    from culturepark.errors import UsageError

    names = dict(text.split("=", 1) for text in called if "=" in text)
    if wrong := next((text for text in called if "=" not in text), None):
        raise UsageError(f"--described-as {wrong}: COMMUNITY=NAME is wanted, as hills=AskTheHills")
    return names


def forecast(rows: "Rows", settings: "Settings", unseen: bool, out: Path, as_json: bool) -> int:
    """Print what a training would do."""
    from culturepark.terminal.safe import safe, write
    from culturepark.train.joint import forecast as forecast_of

    figures = forecast_of(rows, settings, unseen) | {"out": str(out)}
    for line in [json.dumps(figures)] if as_json else [f"{name:14} {value}" for name, value in figures.items()]:
        write(safe(line))
    return 0


@contextmanager
def watched() -> "Iterator[Callable[[Advance], None]]":
    """Show which adapter is trained, its loss, and the time left for all of them."""
    from culturepark.cli.train import watched as watching
    from culturepark.train.adapter import Progress

    with watching() as watch:
        yield lambda at: watch(Progress(at.done, at.total, at.step.loss, at.seconds, at.begun_at))
