"""Hooks of the site's build: links out of `docs/` lead to the repository, and no page loads anything from elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError

sys.path.insert(0, str(Path(__file__).parent))

from links import DOCS, FENCE, LINK, ROOT, broken, repository

LOADS = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?(?:https?:)?//"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon))[^>]*\bhref=[\"']?(?:https?:)?//",
    re.IGNORECASE,
)
"""A tag that makes a browser fetch something from another host."""


def on_config(config: Any) -> Any:
    if missing := broken():
        raise PluginError("links that lead nowhere:\n" + "\n".join(map(str, missing)))
    return config


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page's text with links to files outside of `docs/` turned into addresses in the repository."""
    folder = (DOCS / page.file.src_uri).parent

    def address(found: re.Match[str]) -> str:
        target, mark, anchor = found[2].partition("#")
        file = (folder / target).resolve()
        if not target or ":" in target or (file.is_relative_to(DOCS) and file.suffix != ".py"):
            return found[0]
        kind = "tree" if file.is_dir() else "blob"
        return f"{found[1]}{repository()}/{kind}/main/{file.relative_to(ROOT)}{mark}{anchor}{found[3]}"

    parts, end = [], 0
    for fence in FENCE.finditer(markdown):  # code stays as it is
        parts += [LINK.sub(address, markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(address, markdown[end:])])


def on_post_build(config: Any) -> None:
    site = Path(config["site_dir"])
    pages = [str(page.relative_to(site)) for page in site.rglob("*.html") if LOADS.search(page.read_text("utf-8"))]
    if pages:
        raise PluginError("pages that load something from another host: " + ", ".join(pages))
