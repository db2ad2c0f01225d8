"""Writes an export: a folder of JSONL, an index that leads each line back to its sample, a card and a manifest."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from culturepark import __version__
from culturepark.domain import JsonObject
from culturepark.errors import StoreError, UsageError
from culturepark.export import card
from culturepark.export.formats import OPENAI_FEWEST, Format, line, problem, record
from culturepark.export.split import validation_seeds
from culturepark.files import clipped, exists, is_folder, readable
from culturepark.models.ledger import now
from culturepark.redact import redact
from culturepark.store import queries
from culturepark.store.funnel import funnel
from culturepark.store.rows import edition_of
from culturepark.store.store import Store

MANIFEST, CARD = "manifest.json", "README.md"
# What comes of reading JSON that something else wrote.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, RecursionError)


@dataclass
class Sink:
    """One JSONL file being written, with its index."""

    name: str
    rows: IO[bytes]
    index: IO[bytes]
    count: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)

    def add(self, sample_id: str, text: str) -> None:
        data = text.encode("utf-8")
        self.count += 1
        self.digest.update(data + b"\n")
        self.rows.write(data + b"\n")
        entry = {"line": self.count, "id": sample_id, "sha256": hashlib.sha256(data).hexdigest()}
        self.index.write(json.dumps(entry).encode() + b"\n")


@dataclass(frozen=True)
class Exported:
    files: list[Path]
    rows: int
    notes: list[str]


def export(
    store: Store,
    run_ids: Sequence[str],
    out: Path,
    *,
    form: Format,
    cultures: Sequence[str],
    train_share: float | None,
    command: str,
) -> Exported:
    """
    Raises:
        UsageError: if there is nothing to export, or the folder holds something else.
        StoreError: if the folder cannot be written.
    """
    ids = sorted({store.run(run_id).id for run_id in run_ids})
    counts = Counter((culture, seed_key) for _, culture, seed_key, _ in rows_of(store, ids, cultures))
    if not counts:
        of = f" of {', '.join(cultures)}" if cultures else ""
        raise UsageError(f"no kept samples{of} in {', '.join(ids)}; `culturepark stats {ids[0]}` says why")
    held = validation_seeds(rows_by_seed(counts), train_share) if train_share is not None else frozenset()
    old = files_of_an_export(out)
    notes: list[str] = []
    if train_share is not None and not held:
        notes.append("all rows come from one seed: nothing is held out, since a question must not stand on both sides")
    present = {culture for culture, _ in counts}
    notes += [f"no kept samples of {culture}: no file for it" for culture in cultures if culture not in present]
    try:
        place = out.resolve()  # it may be a link into another file system
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place if is_folder(place) else place.parent  # a folder may be a mount, with other files beside it
        with tempfile.TemporaryDirectory(dir=beside, prefix=f".{place.name}.") as scratch:
            aside = Path(scratch, "export")
            aside.mkdir(mode=0o750)
            sinks: dict[str, Sink] = {}
            splits: dict[str, str] = {}
            funnel: Counter[str] = Counter()
            with ExitStack() as stack:
                for sample_id, culture, seed_key, messages in rows_of(store, ids, cultures):
                    if wrong := problem(messages):
                        raise StoreError(f"sample {sample_id} is damaged: {wrong}")
                    half = "" if train_share is None else "validation" if seed_key in held else "train"
                    name = ".".join(part for part in (culture if cultures else "all", half) if part)
                    if name not in sinks:
                        sinks[name] = open_sink(aside, name, stack)
                    sinks[name].add(sample_id, line(record(form, sample_id, messages)))
                    funnel[culture] += 1
                    if half:
                        splits[sample_id] = half
            if held and train_share is not None:
                trains = sum(split == "train" for split in splits.values())
                notes.append(
                    f"{trains} of {len(splits)} rows train ({trains / len(splits):.0%}): whole seeds are held out"
                )
            if old:
                notes.append(f"{out} held an export already; this one has taken its place")
            if form == "openai":
                notes += [
                    f"{name}.jsonl has {sink.count} rows; OpenAI's fine-tuning wants at least {OPENAI_FEWEST}"
                    for name, sink in sorted(sinks.items())
                    if sink.count < OPENAI_FEWEST
                ]
            manifest = {
                "culturepark": __version__,
                "command": redact(command),  # it may name the store with a password
                "created_at": now(),
                "format": form,
                "runs": [about(run_id, store) for run_id in ids],
                "files": [
                    {"name": f"{name}.jsonl", "rows": sink.count, "sha256": sink.digest.hexdigest()}
                    for name, sink in sorted(sinks.items())
                ],
                "rows_by_culture": dict(sorted(funnel.items())),
                "held_out_seeds": sorted(held),
                "notes": notes,
            }
            put(aside / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
            put(aside / CARD, card.render(manifest, sorted(sinks)))
            names = [f"{name}{end}" for name in sorted(sinks) for end in (".jsonl", ".index.jsonl")]
            put_in_place(aside, place, [MANIFEST, *names, CARD], old)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror}") from None
    try:
        store.set_splits(splits)
    except StoreError as error:  # read-only, full, busy: the files are whole all the same
        notes.append(f"which half each sample fell on was not stored: {error}")
    return Exported([out / name for name in [*names, MANIFEST, CARD]], sum(funnel.values()), notes)


def put_in_place(aside: Path, out: Path, names: list[str], old: set[str]) -> None:
    """Moves an export to where it belongs: as a whole, or over an older one file by file.

    The manifest comes first, so that a folder in which this was broken off is known as an export, and the next one can
    take its place.
    """
    if not exists(out):
        os.replace(aside, out)
        return
    for name in old - set(names):
        (out / name).unlink(missing_ok=True)
    for name in names:
        keep_mode(out / name, aside / name)
        os.replace(aside / name, out / name)


def rows_of(
    store: Store, run_ids: list[str], cultures: Sequence[str]
) -> Iterator[tuple[str, str, str, list[dict[str, str]]]]:
    with store.database.reading() as session:
        for sample, dialogue in queries.kept_samples(session, run_ids, list(cultures)):
            yield sample.id, sample.culture, dialogue.seed_key, json.loads(sample.messages)


def rows_by_seed(counts: Counter[tuple[str, str]]) -> Counter[str]:
    """Rows by seed, out of rows by culture and seed."""
    found: Counter[str] = Counter()
    for (_, seed_key), count in counts.items():
        found[seed_key] += count
    return found


def files_of_an_export(out: Path) -> set[str]:
    """The data files of the export that stands in the folder; an export may replace an export, and nothing else.

    Raises:
        UsageError: if the folder holds something else, or is no folder.
    """
    if exists(out) and not is_folder(out):
        raise UsageError(f"--out {out} is a file; a folder is wanted")
    if not is_folder(out) or not any(out.iterdir()):
        return set()
    try:
        manifest = json.loads(readable(out / MANIFEST).read_bytes())
        data = [str(file["name"]) for file in manifest["files"] if manifest["culturepark"]]
    except UNREADABLE:
        raise UsageError(f"--out {out} holds other files; name a new folder") from None
    # Nothing else is ours to delete, whatever a manifest says.
    ours = [file.removesuffix(".jsonl") for file in data if re.fullmatch(r"[a-z][a-z.]*\.jsonl", file)]
    return {f"{name}{end}" for name in ours for end in (".jsonl", ".index.jsonl")}


def open_sink(folder: Path, name: str, stack: ExitStack) -> Sink:
    rows, index = (stack.enter_context(create(folder / f"{name}{end}")) for end in (".jsonl", ".index.jsonl"))
    return Sink(name, rows, index)


def create(path: Path) -> IO[bytes]:
    """A new file that its owner's group may read, and nobody else."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o640), "wb")


def keep_mode(old: Path, new: Path) -> None:
    """Whoever has opened or closed a file to others finds it so after the next export."""
    with suppress(FileNotFoundError):
        if stat.S_ISREG(mode := old.lstat().st_mode):
            new.chmod(stat.S_IMODE(mode))


def put(path: Path, text: str) -> None:
    with create(path) as handle:
        # A folder's name may hold bytes that are no letters; in JSON this is their own escape.
        handle.write(text.encode("utf-8", "backslashreplace"))


def about(run_id: str, store: Store) -> JsonObject:
    """What the card and the manifest say of a run."""
    run = store.run(run_id)
    stats = funnel(store, run, edition_of(run), store.statements(run))
    names = (
        "run",
        "scenario",
        "status",
        "seed",
        "models",
        "dialogues",
        "turns",
        "statements",
        "verdicts",
        "samples",
    )
    return {name: stats[name] for name in names} | {"scenario_digest": run.scenario_digest}


def find_line(place: str) -> tuple[str, str] | None:
    """`FILE:LINE` as (sample id, sha256 of the line in the index), where FILE is an exported JSONL.

    Returns:
        None if `place` is not of that form.
    Raises:
        UsageError: if the file, its index or the line is missing, or the line was changed since.
    """
    name, colon, number = place.rpartition(":")
    path = Path(name)
    if not colon or not number.isdecimal() or not path.name or not (exists(path) or name.endswith(".jsonl")):
        return None
    wanted = int(number[:20])  # more digits than any file has lines
    index = path.with_name(f"{path.stem}.index.jsonl")
    if not exists(path):
        raise UsageError(f"{clipped(path, 400)}: no such file")
    try:
        entry = nth(index, wanted)
        row = nth(path, wanted)
    except OSError as error:
        raise UsageError(
            f"{error.filename}: {error.strerror}; trace needs the file and its index side by side"
        ) from None
    if entry is None or row is None:
        raise UsageError(f"{path} has no line {wanted}")
    try:
        data = json.loads(entry)
        sample_id, sha256 = str(data["id"]), str(data["sha256"])
    except UNREADABLE:
        raise UsageError(f"{index}:{wanted}: not an index line") from None
    if hashlib.sha256(row).hexdigest() != sha256:
        raise UsageError(f"{path}:{wanted} was changed since it was exported (it was sample {sample_id[:120]})")
    return sample_id, sha256


def nth(path: Path, number: int) -> bytes | None:
    with readable(path).open("rb") as handle:
        for count, row in enumerate(handle, start=1):
            if count == number:
                return row.rstrip(b"\n")
    return None
