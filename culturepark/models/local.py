"""Models on this machine: finds or fetches the weights, and starts llama.cpp, which is asked as any other endpoint."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any

import httpx2

from culturepark.domain import JsonObject
from culturepark.errors import Unreachable, UsageError
from culturepark.files import clipped, exists, expanded, home_folder, is_file, is_folder
from culturepark.models import tuning, weights
from culturepark.models.chat import Request, Traits
from culturepark.models.client import OpenAIModel
from culturepark.models.gguf_file import ADAPTER_TYPE, GgufFile, check_magic, read_head, type_of
from culturepark.models.spec import EMBEDDED, ModelSpec
from culturepark.models.tuning import Tuned
from culturepark.models.wire_errors import short
from culturepark.redact import remember

EMBEDDED_CONTEXT = 4096
CONTEXT = 8192
"""Tokens for each dialogue in flight."""
SMALL, LABELS = 1_000_000_000, 3_000_000_000
"""Parameters below which a model has the trait of that name."""
LONGEST_STRING = 400
"""Characters of a string in JSON. Without a limit a small model may repeat itself in one for ever."""
START_SECONDS = 180
WEEK = 7 * 24 * 3600
ADAPTER = "adapter.gguf"
"""The name of an adapter's file in the folder of an artefact."""
CHILD = Path(__file__).with_name("llama_child.py")
"""The child is started by its file and not its module's name, which depends on how culturepark was imported."""


class Server:
    """llama.cpp in a child process, on loopback, on a random port, with a token of its own.

    It ends with the last of the models that it serves.
    """

    def __init__(self, child: asyncio.subprocess.Process, url: str, token: str) -> None:
        self.child = child
        self.url = url
        self.token = token
        self.models = 0

    async def leave(self) -> None:
        """Take note that one model is not needed any more."""
        self.models -= 1
        if self.models <= 0:
            await ended(self.child)


async def ended(child: asyncio.subprocess.Process) -> None:
    if child.returncode is None:
        child.kill()
    await child.wait()


class LocalModel(OpenAIModel):
    """A GGUF served by llama.cpp, with one of the server's adapters or with none."""

    def __init__(self, spec: ModelSpec, server: Server, traits: Traits, path: Path, over: Over | None = None) -> None:
        """
        Args:
            path: of the weights.
            over: what the server knows of adapters; None if it has none.
        """
        name = str(spec) if spec.adapter else path.name
        super().__init__(
            spec, base_url=f"{server.url}/v1", api_key=server.token, traits=traits, loopback=True, name=name
        )
        self.server = server
        server.models += 1
        self._over = over
        # The port is random, and says nothing. An adapter that was trained anew is another one, at the same path.
        self.endpoint = f"local:{spec.kind}" + (f"+{over.sha256[:12]}" if over and over.sha256 else "")
        self._closed = False

    def body(self, request: Request) -> JsonObject:
        body = super().body(request)
        if "response_format" in body:
            body["response_format"] = with_limits(body["response_format"])
        return body | self.choice

    @property
    def choice(self) -> JsonObject:
        """The part of each request that says which adapter answers; empty where the server has none."""
        return {"lora": self._over.choice} if self._over else {}

    async def close(self) -> None:
        await super().close()
        if not self._closed:
            self._closed = True
            await self.server.leave()


@dataclass(frozen=True)
class Over:
    """What a model of a server with adapters has to say in each request."""

    number: int | None = None
    """Of its adapter; None for the base."""
    sha256: str = ""
    """Of its adapter's file; empty for the base."""

    @property
    def choice(self) -> list[JsonObject]:
        """The field `lora` of a request. Without it llama.cpp goes on from a prompt that was read with an adapter."""
        return [{"id": self.number or 0, "scale": 0.0 if self.number is None else 1.0}]


async def start(spec: ModelSpec, slots: int, progress: weights.Progress) -> LocalModel:
    """Start a server for one model; the arguments and errors are those of `start_together`."""
    return (await start_together([spec], slots, progress))[spec]


async def start_together(
    specs: Sequence[ModelSpec], slots: int, progress: weights.Progress
) -> dict[ModelSpec, LocalModel]:
    """Start one server for models that differ by their adapters alone.

    Args:
        slots: requests in flight at once, to all of them.
    Raises:
        UsageError: if a file is not there, is no GGUF, or an adapter does not fit the base.
        Unreachable: if weights cannot be fetched, or the server does not come up.
    """
    base = specs[0].base
    path = await weights.detached(weights_of, base, progress)
    adapters: dict[Path, str] = {}
    files: dict[ModelSpec, Path] = {}
    for spec in specs:
        if spec.adapter:
            files[spec] = check_adapter(spec, path).absolute()
            adapters.setdefault(files[spec], weights.checked_sha256(files[spec]))
    numbers = {file: number for number, file in enumerate(adapters)}
    server = await start_server(base, path, list(adapters), await settled(base, path, slots, progress))
    try:
        traits = await traits_of(server.url, server.token)
    except (ValueError, KeyError, OSError, httpx2.HTTPError) as error:
        await ended(server.child)
        raise Unreachable(f"llama.cpp does not start with {path}: {short(error)}") from error
    except BaseException:
        server.child.kill()
        raise
    overs: dict[ModelSpec, Over | None] = {spec: Over() if adapters else None for spec in specs}
    overs |= {spec: Over(numbers[file], adapters[file]) for spec, file in files.items()}
    return {spec: LocalModel(spec, server, traits, path, over) for spec, over in overs.items()}


async def settled(base: ModelSpec, path: Path, slots: int, progress: weights.Progress) -> Tuned:
    """Return slots and threads for some weights on this machine, which are tried if they never were.

    Args:
        slots: the most that are of use.
    """

    @asynccontextmanager
    async def start(pair: Tuned) -> AsyncIterator[Callable[[JsonObject], Awaitable[int]]]:
        server = await start_server(base, path, [], pair)
        try:
            headers = {"Authorization": f"Bearer {server.token}"}
            async with httpx2.AsyncClient(trust_env=False, timeout=None, headers=headers) as client:

                async def ask(body: JsonObject) -> int:
                    answer = await client.post(f"{server.url}/v1/chat/completions", json=body)
                    return int(answer.json()["usage"]["total_tokens"])

                yield ask
        finally:
            await ended(server.child)

    found = tuning.remembered(path)
    if found is None and path.stat().st_size >= tuning.WORTH_TRYING:
        try:
            found = await tuning.tune(path, start, progress)
        except (ValueError, KeyError, httpx2.HTTPError) as error:
            raise Unreachable(f"llama.cpp does not start with {path}: {short(error)}") from error
    found = found or tuning.usual()
    return replace(found, slots=min(found.slots, slots))


async def start_server(base: ModelSpec, path: Path, adapters: list[Path], tuned: Tuned) -> Server:
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
        "adapters": [str(adapter) for adapter in adapters],
        "stamps": {str(file): weights.stamps[file] for file in (path, *adapters) if file in weights.stamps},
        "token": token,
        "slots": tuned.slots,
        "context": EMBEDDED_CONTEXT if base == EMBEDDED else CONTEXT,
        "threads": tuned.threads,
        "cache_mib": 1024,
    }
    assert child.stdin is not None and child.stdout is not None  # noqa: PT018 - both were asked for
    try:
        child.stdin.write((json.dumps(settings) + "\n").encode())
        line = await asyncio.wait_for(child.stdout.readline(), START_SECONDS)
        return Server(child, json.loads(line)["address"], token)
    except (TimeoutError, ValueError, KeyError, OSError) as error:
        await ended(child)
        over = f" and {', '.join(map(str, adapters))}" if adapters else ""
        raise Unreachable(f"llama.cpp does not start with {path}{over}: {last_words(log) or short(error)}") from error
    except BaseException:
        child.kill()
        raise
    finally:
        log.close()


def log_file() -> IO[bytes]:
    """Open a file for the output of llama.cpp; the null device where no temporary file can be made."""
    try:
        return tempfile.TemporaryFile()
    except FileNotFoundError:
        return open(os.devnull, "w+b")


def weights_of(spec: ModelSpec, progress: weights.Progress) -> Path:
    """Return the absolute path of the weights, fetched where they have to be."""
    if spec.base == EMBEDDED:
        return weights.fetch(weights.SMOLLM2, progress).absolute()
    path = expanded(spec.name) if spec.kind == "gguf" else from_hub(spec)
    check_gguf(path)
    return path.absolute()


def weights_here(spec: ModelSpec) -> Path | None:
    """Return the path of the weights; None if they may have to be fetched first."""
    if spec.base == EMBEDDED:
        return weights.SMOLLM2.path if weights.have(weights.SMOLLM2) else None
    return expanded(spec.name) if spec.kind == "gguf" else None


def check_gguf(path: Path) -> None:
    """
    Raises:
        UsageError: if it is no GGUF file, or an adapter.
    """
    check_magic(path)
    if type_of(path) == "adapter":
        raise UsageError(f"{path} is an adapter and no model; name the base that it was trained on: BASE+{path}")


def check_adapter(spec: ModelSpec, base: Path | None) -> Path:
    """Return the file of a spec's adapter.

    Args:
        base: the weights under it; None if they are not here yet.
    Raises:
        UsageError: if there is no adapter there, or it is none for this base.
    """
    path = adapter_file(spec.adapter)
    adapter = read_head(path)
    if not adapter.is_adapter:
        raise UsageError(f"{path} is a model and no adapter; a spec is written BASE+ADAPTER")
    if (kind := adapter.values.get(ADAPTER_TYPE)) != "lora":
        raise UsageError(f"{path} is an adapter of the kind {clipped(kind)}; llama.cpp takes lora alone")
    if base:
        check_fits(adapter, read_head(base))
    return path


def adapter_file(text: str) -> Path:
    """Return the file that `+ADAPTER` names: itself, or `adapter.gguf` in a folder.

    Raises:
        UsageError: if a folder holds none.
    """
    path = expanded(text)
    if not is_folder(path):
        if not exists(path):
            raise UsageError(
                f"no adapter at {clipped(path, 400)}: No such file or folder; `culturepark train` makes one, and says "
                "where (runs/adapters/NAME); a training that was stopped has none until the same command ends it"
            )
        return path
    if is_file(path / ADAPTER):
        return path / ADAPTER
    if is_file(path / "adapter_config.json"):
        why = "the adapter for torch alone, since its base was no GGUF; `train --base gguf:PATH` writes both"
    elif is_folder(path / "checkpoints") or is_file(path / "plan.json"):
        why = "a training that was stopped; the same `culturepark train` command ends it"
    else:
        why = "other things; name what `culturepark train` has written"
    raise UsageError(f"{clipped(path, 400)} holds no {ADAPTER}, but {why}")


def check_fits(adapter: GgufFile, base: GgufFile) -> None:
    """
    Raises:
        UsageError: if an adapter was not made for a base.
    """
    names = f"{clipped(adapter.path, 400)} does not fit {clipped(base.path, 400)}: "
    if adapter.architecture != base.architecture:
        other = clipped(adapter.architecture) or "unknown"
        raise UsageError(f"{names}it is for the architecture {other}, and the base is {clipped(base.architecture)}")
    if not adapter.shapes:
        raise UsageError(f"{clipped(adapter.path, 400)} is an adapter without weights")
    for name in adapter.shapes:
        weight, _, half = name.rpartition(".")
        if half not in ("lora_a", "lora_b"):
            raise UsageError(f"{names}llama.cpp would leave out its {clipped(name, 100)}")
        if weight not in base.shapes:
            raise UsageError(f"{names}the base has no {clipped(weight, 100)}")
        pair = [adapter.shapes.get(f"{weight}.{half}", ()) for half in ("lora_a", "lora_b")]
        if not all(len(matrix) == 2 for matrix in (*pair, base.shapes[weight])):
            raise UsageError(f"{names}{clipped(weight, 100)} has no pair of matrices over a matrix")
        (inputs, rank), (rank_too, outputs) = pair
        # Beside the input embedding both are the other way round; llama.cpp looks at those itself.
        if weight != "token_embd.weight" and (inputs, outputs, rank) != (*base.shapes[weight], rank_too):
            had = "x".join(map(str, base.shapes[weight]))
            raise UsageError(f"{names}{clipped(weight, 100)} is {had} there, and {inputs}x{outputs} in the adapter")


def from_hub(spec: ModelSpec) -> Path:
    """Return a file of a Hugging Face repository, from its cache if it is there, and checked for damage."""
    if not home_folder() and not any(os.environ.get(name) for name in ("HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")):
        raise Unreachable(f"{spec}: there is no home folder for the hub's cache; name one with HF_HOME=/path/to/folder")
    from huggingface_hub import errors, get_token, hf_hub_download

    organisation, name, file = spec.name.split("/", 2)
    remember(get_token())  # the hub's token, which its errors may repeat
    download = partial(hf_hub_download, f"{organisation}/{name}", file, revision=spec.where or None)
    not_there = (errors.EntryNotFoundError, errors.RepositoryNotFoundError, errors.RevisionNotFoundError)
    broken = ""
    try:
        path = Path(str(download()))
        if not is_intact(path):
            broken = f"{path} is damaged and "
            path = Path(str(download(force_download=True)))
            if not is_intact(path):
                raise Unreachable(f"{spec}: {weights.damaged(path)}")
        return path
    except errors.LocalEntryNotFoundError:
        raise Unreachable(
            f"{broken or f'{spec} is not in the cache and '}the hub cannot be reached; go on line once, or unset "
            "HF_HUB_OFFLINE"
        ) from None
    except (*not_there, errors.HFValidationError) as error:
        raise UsageError(f"{spec}: {short(error)}") from None
    except (errors.HfHubHTTPError, httpx2.HTTPError, OSError, ValueError) as error:
        raise Unreachable(f"{broken or f'{spec} '}cannot be fetched: {short(error)}") from error


def is_intact(path: Path) -> bool:
    """Return whether a file of the hub's cache has the sha256 after which the hub names large files.

    Reading gigabytes takes seconds, so a file that was intact is not read again for a week, unless its stamp has
    changed.
    """
    blob = path.resolve()
    if not re.fullmatch(r"[0-9a-f]{64}", blob.name):  # a copy, where there are no links: its sha256 is not known
        return True
    stamp, note = weights.stamp_of(blob), note_of(blob.name)
    with suppress(OSError, ValueError):
        if note and time.time() - note.stat().st_mtime < WEEK and json.loads(note.read_bytes()) == [*stamp]:
            weights.stamps[path.absolute()] = stamp
            return True
    if weights.checked_sha256(blob) != blob.name:
        return False
    weights.stamps[path.absolute()] = weights.stamps[blob]
    if note:
        with suppress(OSError):  # the cache is full or read-only, and the file will be read again
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(json.dumps(weights.stamps[blob]))
    return True


def note_of(sha256: str) -> Path | None:
    """Return the path of the note that a file was intact."""
    try:
        return weights.cache_dir() / "checked" / f"{sha256}.json"
    except Unreachable:
        return None


async def traits_of(url: str, token: str) -> Traits:
    """Return the traits of the served model, by the number of parameters that it tells."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{url}/v1/models", headers={"Authorization": f"Bearer {token}"})
    parameters = int(answer.json()["data"][0]["meta"]["n_params"])
    return Traits(small=parameters < SMALL, labels=parameters < LABELS, grammar=True)


def with_limits(schema: Any) -> Any:
    """Limit the free strings of a JSON schema. llama.cpp keeps to it; other servers may refuse the keyword."""
    if isinstance(schema, list):
        return [with_limits(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: with_limits(value) for key, value in schema.items()}
    return out | {"maxLength": LONGEST_STRING} if out.get("type") == "string" and "enum" not in out else out


def last_words(log: IO[bytes]) -> str:
    """Return the last error line that llama.cpp wrote."""
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    errors = [line for line in lines if "rror" in line or "failed" in line]
    return short((errors or lines or [""])[-1]) if lines else ""
