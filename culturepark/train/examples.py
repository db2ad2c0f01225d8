"""The rows of an export as a trainer takes them, with the ids by which `trace` finds what is behind each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.export.files import MANIFEST, UNREADABLE, index_of
from culturepark.files import clipped, exists, is_folder, readable, some_of

Half = Literal["train", "validation"]
SHAPES: Mapping[str, Mapping[str, type]] = {
    "messages": {"messages": list},
    "pairs": {"prompt": list, "chosen": list, "rejected": list},
    "labels": {"prompt": list, "completion": list, "label": bool},
}
"""Shape of a row -> its columns, as TRL's trainers read them."""
FORMATS = {"messages": "trl", "pairs": "preference", "labels": "kto"}
"""Shape -> the `--format` of an export that has it."""


class Example(NamedTuple):
    """One row."""

    id: str
    """Of the sample, of a pair the chosen one's; empty where no index names it."""
    sha256: str
    """Of the line."""
    row: JsonObject
    """The columns of its shape, and no others."""


@dataclass(frozen=True)
class Examples:
    """What is trained on and what is held out."""

    shape: str
    training: Sequence[Example]
    validation: Sequence[Example]
    culture: str | None
    """The culture whose rows alone these are; None for all of the export."""
    files: Sequence[Path]
    manifest: JsonObject = field(default_factory=dict)
    """The export's own; empty where there is none."""
    manifest_sha256: str | None = None
    notes: Sequence[str] = ()

    @property
    def cultures(self) -> tuple[str, ...]:
        """Whose rows these are, as far as the export says it."""
        if self.culture:
            return (self.culture,)
        counts = self.manifest.get("rows_by_culture")
        return tuple(sorted(map(str, counts))) if isinstance(counts, dict) else ()

    @property
    def why_none_is_held_out(self) -> str:
        """Why there are no rows to validate on, and what to do about it."""
        if self.validation:
            return ""
        if self.manifest.get("train_share") is None:
            return "the export holds no rows back (`export --split 0.9`)"
        return (
            "the export was split, and no row of these is on the side that validates; rows of more questions, or a "
            "smaller share for training, leave some"
        )


def read(export: Path, shapes: Sequence[str], culture: str | None = None) -> Examples:
    """Read an export, or a single file of rows.

    Args:
        shapes: those that the method can be trained on, the first of them preferred.
    Raises:
        UsageError: if there is nothing to train on, or something that is no row.
    """
    files = files_of(export, culture, shapes)
    manifest, sha256 = manifest_of(export if is_folder(export) else export.parent)
    halves: dict[Half, list[Example]] = {"train": [], "validation": []}
    found: set[str] = set()
    others: set[str] = set()
    nowhere = changed = 0
    for file in files:
        ids = ids_of(file.path)
        nowhere += ids is None
        for number, (shape, example) in enumerate(rows_of(file.path), start=1):
            if shape not in shapes:
                raise UsageError(
                    f"{clipped(file.path, 400)}: rows with {', '.join(SHAPES[shape])}; this method wants an export of "
                    f"--format {' or '.join(FORMATS[s] for s in shapes)}"
                )
            if file.mixed and culture and (own := culture_in(example.row, file.path, culture, manifest)) != culture:
                others.add(own)
                continue
            found.add(shape)
            known = (ids or {}).get(number)
            changed += known is not None and known[1] != example.sha256
            halves[file.half].append(
                Example(
                    known[0] if known and known[1] == example.sha256 else "",
                    example.sha256,
                    {name: example.row[name] for name in SHAPES[shape]},
                )
            )
    if not halves["train"]:
        if culture and others:
            raise UsageError(f"{clipped(export, 400)}: no rows of {not_among(culture, sorted(others))}")
        of = f" of {culture}" if culture else ""
        raise UsageError(f"{clipped(export, 400)}: no rows{of} to train on")
    if len(found) > 1:
        raise UsageError(f"{clipped(export, 400)}: files of several formats; name one file")
    notes = []
    if nowhere:
        notes.append(f"{nowhere} of {len(files)} files have no index, so `trace` cannot lead to their rows")
    if changed:
        notes.append(f"{changed} rows were changed since they were exported; `trace` does not lead to them")
    if not manifest:
        notes.append(f"there is no {MANIFEST} beside the rows, so the card cannot say where they come from")
    return Examples(
        found.pop(), halves["train"], halves["validation"], culture, [f.path for f in files], manifest, sha256, notes
    )


# --- files -------------------------------------------------------------------------------------------


class RowFile(NamedTuple):
    path: Path
    half: Half
    mixed: bool
    """True if its rows can be of several cultures."""


def files_of(export: Path, culture: str | None, shapes: Sequence[str] = ("messages",)) -> list[RowFile]:
    """
    Args:
        shapes: of the rows that are wanted, for the command that would make them.
    Raises:
        UsageError: if there is no file of rows, or none of the culture.
    """
    if not exists(export):
        form = FORMATS[shapes[0]]
        raise UsageError(
            f"{clipped(export, 400)}: no such export; `culturepark export RUN --format {form} --out DIR` makes one"
        )
    if not is_folder(export):
        return [RowFile(export, "train", mixed=True)]
    names = sorted(p.name for p in export.glob("*.jsonl") if not p.name.endswith(".index.jsonl"))
    names = [name for name in names if name != "duplicates.jsonl"]
    stems = {name: name.split(".")[0] for name in names}
    chosen = [name for name in names if stems[name] == culture] or [n for n in names if stems[n] == "all"] or names
    if culture and not any(stems[name] in (culture, "all") for name in names):
        near = did_you_mean(culture, sorted({*stems.values()}))
        raise UsageError(
            f"{clipped(export, 400)}: no file of {clipped(culture)} among {some_of(names, 5) or 'no files of rows'}"
            + (near or f"; `culturepark export ... --culture {clipped(culture)}` makes one")
        )
    if not chosen:
        raise UsageError(f"{clipped(export, 400)}: no .jsonl file in it; is it the folder of an export?")
    return [
        RowFile(
            export / name,
            "validation" if name.endswith(".validation.jsonl") else "train",
            mixed=stems[name] != culture,
        )
        for name in chosen
    ]


def culture_in(row: Mapping[str, Any], path: Path, wanted: str = "", manifest: Mapping[str, Any] | None = None) -> str:
    """Return the culture that a row says it is of.

    Args:
        wanted: the culture that is looked for.
        manifest: of the export; it knows which cultures there are even if the rows do not say whose they are.
    Raises:
        UsageError: if the row does not say its culture.
    """
    said = row.get("metadata")
    if isinstance(said, Mapping) and isinstance(said.get("culture"), str):
        return str(said["culture"])
    counts = (manifest or {}).get("rows_by_culture")
    if isinstance(counts, dict) and counts and wanted and wanted not in counts:
        raise UsageError(f"{clipped(path, 400)}: no rows of {not_among(wanted, sorted(map(str, counts)))}")
    raise UsageError(
        f"{clipped(path, 400)}: its rows do not say their culture; export again with --culture NAME, which makes a "
        "file of it, or with --metadata"
    )


def not_among(name: str, known: Sequence[str]) -> str:
    """Return a name with those that there are in its place, and which of them may have been meant."""
    return f"{clipped(name)}, only of {some_of(known, 8)}{did_you_mean(name, known)}"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name.casefold(), known, n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def rows_of(path: Path) -> Iterator[tuple[str, Example]]:
    """Yield the shape and the whole row of each line.

    Raises:
        UsageError: if a line is no row.
    """
    try:
        with readable(path).open("rb") as handle:
            for number, line in enumerate(handle, start=1):
                text = line.rstrip(b"\n")
                try:
                    row = json.loads(text)
                    shape = next((s for s, columns in SHAPES.items() if fits(row, columns)), None)
                except UNREADABLE:
                    shape = None
                if shape is None:
                    wanted = ", ".join(FORMATS.values())
                    raise UsageError(
                        f"{clipped(path, 400)}:{number}: no row of an export of --format {wanted} or openai"
                    )
                yield shape, Example("", hashlib.sha256(text).hexdigest(), row)
    except OSError as error:
        raise UsageError(f"{clipped(path, 400)}: {error.strerror}") from None


def fits(row: object, columns: Mapping[str, type]) -> bool:
    """Tell whether a row has these columns; a column that is a list must hold messages."""
    return isinstance(row, dict) and all(
        isinstance(row.get(name), kind) and (kind is not list or are_messages(row[name]))
        for name, kind in columns.items()
    )


def are_messages(value: Sequence[object]) -> bool:
    return bool(value) and all(
        isinstance(m, dict) and isinstance(m.get("role"), str) and isinstance(m.get("content"), str) for m in value
    )


def ids_of(path: Path) -> dict[int, tuple[str, str]] | None:
    """Return line -> id and sha256 of the row; None if there is no index.

    Raises:
        UsageError: if it is none.
    """
    index = path.with_name(index_of(path.name))
    if not exists(index):
        return None
    try:
        with readable(index).open("rb") as handle:
            entries = [json.loads(line) for line in handle]
        return {int(entry["line"]): (str(entry["id"]), str(entry["sha256"])) for entry in entries}
    except UNREADABLE:
        raise UsageError(f"{clipped(index, 400)}: not the index of an export") from None


def manifest_of(folder: Path) -> tuple[JsonObject, str | None]:
    """Return the manifest of an export and its sha256; nothing if there is none."""
    path = folder / MANIFEST
    if not exists(path):
        return {}, None
    try:
        text = readable(path).read_bytes()
        manifest = json.loads(text)
    except UNREADABLE:
        raise UsageError(f"{clipped(path, 400)}: not the manifest of an export") from None
    if not isinstance(manifest, dict):
        raise UsageError(f"{clipped(path, 400)}: not the manifest of an export")
    return manifest, hashlib.sha256(text).hexdigest()


# --- what is learned of them --------------------------------------------------------------------------


def rendered(tokenizer: Any, messages: Sequence[Mapping[str, str]], *, ask: bool = False) -> str:
    return str(tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=ask))


IGNORED = -100
"""Label of a token that is not learned."""


def learned(tokenizer: Any, messages: Sequence[Mapping[str, str]]) -> JsonObject:
    """Return tokens and labels of a conversation, of which only what the assistant says is learned, with its end.

    TRL's own way (`assistant_only_loss`) needs a template with marks, which those inside a GGUF do not have. Here the
    places of the answers are found by rendering the conversation up to each of them.

    Raises:
        UsageError: if the template renders the beginning of a conversation in another way than the whole.
    """
    whole = rendered(tokenizer, messages)
    spans = []
    for place, message in enumerate(messages):
        if message["role"] == "assistant":
            before = rendered(tokenizer, messages[:place], ask=True)
            after = rendered(tokenizer, messages[: place + 1])
            if not (whole.startswith(before) and whole.startswith(after)):
                raise UsageError(
                    "the chat template of --base renders a part of a conversation differently from the whole, so the "
                    "answers cannot be told from the questions; use another base"
                )
            spans.append((len(before), len(after)))
    encoded = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    return {
        "input_ids": encoded["input_ids"],
        "labels": [
            token if any(start <= begin < end for start, end in spans) else IGNORED
            for token, (begin, _) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
        ],
    }


# --- a part of them ----------------------------------------------------------------------------------


def part(examples: Sequence[Example], share: float, seed: int) -> list[Example]:
    """Return a share of the rows, in their order. The rows of a smaller share are among those of a larger one."""
    order = sorted(range(len(examples)), key=lambda place: drawn(examples[place].sha256, seed))
    kept = set(order[: max(1, round(share * len(examples)))])
    return [example for place, example in enumerate(examples) if place in kept]


def drawn(sha256: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {sha256}".encode()).hexdigest()
