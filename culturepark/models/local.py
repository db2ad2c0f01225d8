"""Models on this machine: finds or fetches the weights, starts llama.cpp, and asks it like any other endpoint."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO, Any

import httpx2

from culturepark.domain import JsonObject
from culturepark.errors import Unreachable, UsageError
from culturepark.files import clipped, expanded, home, readable
from culturepark.models import weights
from culturepark.models.chat import Request, Traits
from culturepark.models.client import OpenAIModel
from culturepark.models.spec import EMBEDDED, ModelSpec
from culturepark.models.wire_errors import short
from culturepark.redact import remember

EMBEDDED_CONTEXT = 4096
CONTEXT = 8192
"""Tokens for each dialogue in flight."""
MOST_SLOTS = 4
SMALL, LABELS = 1_000_000_000, 3_000_000_000
"""Parameters below which a model has the trait of that name."""
LONGEST_STRING = 400
"""Characters of a string in JSON; without a limit a small model may go round in one for ever."""
START_SECONDS = 180
WEEK = 7 * 24 * 3600
CHILD = Path(__file__).with_name("llama_child.py")
"""Started as a file: nothing has to be found by name, wherever culturepark was imported from."""


class LocalModel(OpenAIModel):
    """A GGUF served by llama.cpp in a child process, on loopback, on a random port, with a token of its own."""

    def __init__(
        self, spec: ModelSpec, child: asyncio.subprocess.Process, url: str, token: str, traits: Traits, name: str
    ) -> None:
        super().__init__(spec, base_url=f"{url}/v1", api_key=token, traits=traits, loopback=True, name=name)
        self._child = child
        self.endpoint = f"local:{spec.kind}"  # the port is another each time, and says nothing

    def body(self, request: Request) -> JsonObject:
        body = super().body(request)
        if "response_format" in body:
            body["response_format"] = with_limits(body["response_format"])
        return body

    async def close(self) -> None:
        await super().close()
        if self._child.returncode is None:
            self._child.kill()
        await self._child.wait()


async def start(spec: ModelSpec, slots: int, progress: weights.Progress) -> LocalModel:
    """
    Args:
        slots: requests in flight at once.
    Raises:
        UsageError: if the file is not there or not a GGUF.
        Unreachable: if weights cannot be fetched, or the server does not come up.
    """
    path = await weights.detached(weights_of, spec, progress)
    token = secrets.token_urlsafe(24)
    log = log_file()
    child = await asyncio.create_subprocess_exec(
        *weights.python(),
        str(CHILD),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
        cwd=path.anchor or os.sep,  # llama.cpp itself looks for plugins where it is started
    )
    settings = {
        "path": str(path),
        "stamp": weights.stamps.get(path),
        "token": token,
        "slots": min(slots, MOST_SLOTS),
        "context": EMBEDDED_CONTEXT if spec == EMBEDDED else CONTEXT,
        "threads": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2,
        "cache_mib": 1024,
    }
    assert child.stdin is not None and child.stdout is not None  # noqa: PT018 - both were asked for
    try:
        child.stdin.write((json.dumps(settings) + "\n").encode())
        line = await asyncio.wait_for(child.stdout.readline(), START_SECONDS)
        url = json.loads(line)["address"]
        return LocalModel(spec, child, url, token, await traits_of(url, token), path.name)
    except (TimeoutError, ValueError, KeyError, OSError, httpx2.HTTPError) as error:
        if child.returncode is None:
            child.kill()
        await child.wait()
        raise Unreachable(f"llama.cpp does not start with {path}: {last_words(log) or short(error)}") from error
    except BaseException:
        child.kill()
        raise
    finally:
        log.close()


def log_file() -> IO[bytes]:
    """Open a file for what llama.cpp says; the null device where no temporary file can be made."""
    try:
        return tempfile.TemporaryFile()
    except FileNotFoundError:
        return open(os.devnull, "w+b")


def weights_of(spec: ModelSpec, progress: weights.Progress) -> Path:
    """Return the absolute path of the weights, fetched where they have to be."""
    if spec == EMBEDDED:
        return weights.fetch(weights.SMOLLM2, progress).absolute()
    path = expanded(spec.name) if spec.kind == "gguf" else from_hub(spec)
    check_gguf(path)
    return path.absolute()


def check_gguf(path: Path) -> None:
    try:
        with readable(path).open("rb") as handle:
            if handle.read(4) != b"GGUF":
                raise UsageError(f"{path} is not a GGUF file")
    except (OSError, ValueError) as error:
        raise UsageError(f"{clipped(path, 400)}: {getattr(error, 'strerror', None) or error}") from None


def from_hub(spec: ModelSpec) -> Path:
    """Return a file of a Hugging Face repository, from its cache if it is there, and checked for damage."""
    if not home() and not any(os.environ.get(name) for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")):
        raise Unreachable(f"{spec}: there is no home folder for the hub's cache; name one with HF_HOME=/path/to/folder")
    from huggingface_hub import get_token, hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    organisation, name, file = spec.name.split("/", 2)
    remember(get_token())  # the hub's, for errors that repeat it
    download = partial(hf_hub_download, f"{organisation}/{name}", file, revision=spec.where or None)
    broken = ""
    try:
        path = Path(str(download()))
        if not whole(path):
            broken = f"{path} is damaged and "
            path = Path(str(download(force_download=True)))
            if not whole(path):
                raise Unreachable(f"{spec}: {weights.damaged(path)}")
        return path
    except LocalEntryNotFoundError:
        raise Unreachable(
            f"{broken or f'{spec} is not in the cache and '}the hub cannot be reached; go on line once, or unset "
            "HF_HUB_OFFLINE"
        ) from None
    except (EntryNotFoundError, RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise UsageError(f"{spec}: {short(error)}") from None
    except (HfHubHTTPError, httpx2.HTTPError, OSError, ValueError) as error:
        raise Unreachable(f"{broken or f'{spec} '}cannot be fetched: {short(error)}") from error


def whole(path: Path) -> bool:
    """Whether a file of the hub's cache holds what it was called after: the hub names large files by their sha256.

    Reading gigabytes takes seconds, so a file that was found whole is not read again for a week, unless its stamp says
    that it was written.
    """
    blob = path.resolve()
    if not re.fullmatch(r"[0-9a-f]{64}", blob.name):  # a copy, where there are no links; nothing says what it should be
        return True
    stamp, note = weights.stamp_of(blob), noted(blob.name)
    with suppress(OSError, ValueError):
        if note and time.time() - note.stat().st_mtime < WEEK and json.loads(note.read_bytes()) == [*stamp]:
            weights.stamps[path.absolute()] = stamp
            return True
    if weights.checked(blob) != blob.name:
        return False
    weights.stamps[path.absolute()] = weights.stamps[blob]
    if note:
        with suppress(OSError):  # a cache that is full or read-only: it is read again
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps(weights.stamps[blob]))
    return True


def noted(sha256: str) -> Path | None:
    """Where it is noted that a file was found whole."""
    try:
        return weights.cache_dir() / "checked" / f"{sha256}.json"
    except Unreachable:
        return None


async def traits_of(url: str, token: str) -> Traits:
    """What the served model can do, judged by how many parameters it says it has."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {token}"})
    parameters = int(answer.json()["data"][0]["meta"]["n_params"])
    return Traits(small=parameters < SMALL, labels=parameters < LABELS, grammar=True)


def with_limits(schema: Any) -> Any:
    """A JSON schema whose free strings have an end. llama.cpp keeps to it; other servers may refuse the keyword."""
    if isinstance(schema, list):
        return [with_limits(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: with_limits(value) for key, value in schema.items()}
    return out | {"maxLength": LONGEST_STRING} if out.get("type") == "string" and "enum" not in out else out


def last_words(log: IO[bytes]) -> str:
    """The last error line that llama.cpp wrote."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    errors = [line for line in lines if "rror" in line or "failed" in line]
    return short((errors or lines or [""])[-1]) if lines else ""
