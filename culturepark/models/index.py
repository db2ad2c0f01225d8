"""Downloads a wheel from the configured package index over HTTP, for environments without pip (as uv makes them)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import httpx2

PYPI = "https://pypi.org/simple"


def index_url() -> str:
    """The index that uv or pip would use."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := os.environ.get(name):
            return value.split("=", 1)[-1] if name == "UV_DEFAULT_INDEX" and "://" not in value.split("=")[0] else value
    return PYPI


def download_wheel(requirement: str, folder: Path, progress: Callable[[int], None]) -> Path:
    """
    Args:
        requirement: `name==version`.
        progress: called with the bytes so far.
    Raises:
        OSError: if the index or the file cannot be had; never with a password that stands in the index's URL.
    """
    name, _, version = requirement.partition("==")
    page = f"{index_url().rstrip('/')}/{name.lower().replace('_', '-')}/"
    try:
        with httpx2.Client(follow_redirects=True, timeout=60) as client:
            listing = client.get(page, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
            listing.raise_for_status()
            files = listing.json()["files"]
            wanted = f"{name.replace('-', '_')}-{version}-".lower()
            url = next(
                f["url"] for f in files if f["filename"].lower().startswith(wanted) and f["filename"].endswith(".whl")
            )
            target: Path = folder / urlsplit(url).path.rsplit("/", 1)[-1]
            done = 0
            with client.stream("GET", urljoin(str(listing.url), url)) as response, target.open("wb") as sink:
                response.raise_for_status()
                for chunk in response.iter_bytes(1 << 20):
                    sink.write(chunk)
                    progress(done := done + len(chunk))
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        host = urlsplit(page).hostname
        raise OSError(f"{requirement} cannot be had from the index at {host}: {type(error).__name__}") from None
    return target
