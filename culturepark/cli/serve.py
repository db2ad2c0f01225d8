"""The command that serves a local model and its adapters to other programs."""

from typing import Annotated

import typer

from culturepark.cli.options import decodable

app = typer.Typer()
KEY = "CULTUREPARK_SERVE_KEY"


@app.command(
    epilog="""\b
A base and two adapters at one address; a request's `model` chooses among them:
Example: culturepark serve embedded --adapter turkish=runs/turkish --adapter german=runs/german --port 8080
\b
From another terminal, as any other endpoint:
Example: culturepark serve gguf:model.gguf --port 8080
"""
)
def serve(
    base: Annotated[
        str,
        typer.Argument(metavar="BASE", help="The model: embedded, gguf:PATH or hf:REPO/FILE.", callback=decodable),
    ],
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            "--adapter",
            metavar="NAME=PATH",
            help="An adapter over it, and the name by which requests choose it: a GGUF file, or a folder with "
            "adapter.gguf. Repeatable.",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the address; 0 for one that is free.")] = 0,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help=f"Where it listens. For others than this machine, set {KEY} to a key that they have to send.",
        ),
    ] = "127.0.0.1",
) -> int:
    """Serve a local model and adapters as an OpenAI-compatible endpoint, until Ctrl-C."""
    import asyncio
    import os
    from contextlib import ExitStack

    from culturepark.cli.progress import counting
    from culturepark.models import gateway
    from culturepark.models.spec import parse
    from culturepark.terminal.safe import tell, write

    key = os.environ.get(KEY, "")
    gateway.check_address(host, key)
    specs = gateway.named_specs(parse(base), [decodable(text) for text in adapter or []])

    with ExitStack() as shown:
        fetched = shown.enter_context(counting("bytes of the weights"))

        def ready(server: gateway.Gateway) -> None:
            shown.close()
            tell(f"Serving {', '.join(specs)} until Ctrl-C. For culturepark one is openai:NAME@URL, with this URL:")
            write(server.url)

        asyncio.run(gateway.serve(specs, host, port, key, lambda _, done, total: fetched(done, total), ready))
    return 0
