"""The command that makes an adapter out of a description: adapter."""

import json
from pathlib import Path
from typing import Annotated

import typer

from culturepark.cli.options import Json, decodable

app = typer.Typer()


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
    if as_json:
        answer = {"adapter": str(out), "base": made_by.trained.base, "nearest": close and close[0]}
        write(json.dumps({**answer, "cosine": close and round(close[1], 4)}))
    else:
        write(str(out))
    tell(f"an adapter of rank {made_by.shape.rank} for {safe(made_by.trained.base)}, as PEFT reads it")
    if close:
        tell(f"of those trained on, the description is most like that of {safe(close[0])} (cosine {close[1]:+.2f})")
    return 0
