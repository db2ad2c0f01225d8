"""What a shell completes. Pressing tab makes nothing, prints no error, and imports no database library."""

from collections.abc import Callable
from functools import wraps

import typer

STORE = "sqlite:///runs/culturepark.db"
Complete = Callable[[typer.Context, str], list[str]]


def quietly(complete: Complete) -> Complete:
    """Complete nothing where anything goes wrong."""

    @wraps(complete)
    def completed(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            return complete(ctx, incomplete)
        except Exception:  # whatever it is, a user who presses tab has no use for it
            return []

    return completed


@quietly
def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    from culturepark.store.first_look import names

    known = names(str(ctx.params.get("store_url") or STORE), incomplete)
    return list(dict.fromkeys([*known, "last", "demo"]))


@quietly
def scenarios(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    return shipped("scenarios")


@quietly
def personas(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    return shipped("personas")


@quietly
def cultures(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    from culturepark.domain import shipped_cultures

    return sorted(shipped_cultures())


@quietly
def suites(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    from pathlib import Path

    import culturepark.catalog

    folder = Path(culturepark.catalog.__file__).parent / "data" / "suites"
    return ["survey", "sva", *sorted(path.stem for path in folder.glob("*.yaml"))]


@quietly
def roles(ctx: typer.Context, incomplete: str) -> list[str]:  # noqa: ARG001
    return [
        f"{role}=" for role in ("speaker", "moderator", "interpreter", "extractor", "verifier", "judge", "embedder")
    ]


def shipped(folder: str) -> list[str]:
    from culturepark.files import package_dir

    return sorted(path.stem for path in package_dir(folder).glob("*.yaml") if "." not in path.stem)
