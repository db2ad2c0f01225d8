"""Writes a registry of norms and customs as a data set of its own: entries, their index, a card and a manifest."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Template
from ruamel.yaml.scalarstring import DoubleQuotedScalarString as Quoted

from culturepark import __version__
from culturepark.errors import StoreError, UsageError
from culturepark.export import licences
from culturepark.export.card import SIZES, adjective, as_text, as_yaml, by_role, markdown
from culturepark.export.files import (
    CARD,
    MANIFEST,
    Lines,
    RowsFile,
    Sink,
    files_of_an_export,
    put,
    put_in_place,
)
from culturepark.export.manifest import OtherFile
from culturepark.files import is_folder
from culturepark.languages.countries import country_name
from culturepark.mine.entries import STATUSES, Entry
from culturepark.mine.merging import JUDGE, Registry, Wanted, wanted_of
from culturepark.mine.relations import FLOORS
from culturepark.models.kinds import is_scripted, is_tiny
from culturepark.models.ledger import now
from culturepark.redact import redact
from culturepark.run.plan import models_of
from culturepark.stats.figures import Figures
from culturepark.stats.text import share
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

NAME = "registry"
ORIGINS = {
    "card": "stands on the card of who told it",
    "episode": "stands in a scene on the card",
    "model": "**was made up by the model**: no line of the card carries it",
    "unknown": "is of unknown origin: nobody has looked",
}
"""Provenance of a telling -> what it means, for the card."""


class RunBehind(Figures):
    """A run whose norms and customs are in the registry."""

    run: str
    scenario: str
    scenario_digest: str
    seed: int
    culturepark: str
    created_at: str
    models: dict[str, str]
    tellings: int


class Manifest(Figures):
    """The manifest of a registry."""

    culturepark: str
    command: str
    created_at: str
    rows_are: str
    licence: str | None
    registry: str
    """Id of the run whose calls compared the tellings."""
    models: dict[str, str]
    cultures: list[str]
    """Only these; empty for all."""
    personal: bool
    nearest: int
    method: str
    """Of the embedder."""
    floor: float
    """The least cosine similarity of a pair that a model was asked about."""
    runs: list[RunBehind]
    statements: int
    left_out: dict[str, int]
    repeats: int
    personal_left_out: int
    pairs: int
    judged: int
    unread: int
    relations: dict[str, int]
    entries: int
    by_status: dict[str, int]
    by_culture: dict[str, int]
    by_kind: dict[str, int]
    tellings_by_provenance: dict[str, int]
    files: list[RowsFile]
    card: OtherFile | None = None

    def as_text(self) -> str:
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"


def write_registry(
    store: Store, row: RunRow, registry: Registry, out: Path, *, command: str, licence: str | None = None
) -> list[Path]:
    """Write a registry into a folder, in place of one that was there, and return its files.

    Args:
        command: for the manifest.
        licence: its name, for the card; None where none was chosen.
    Raises:
        UsageError: if there is no entry, or the folder holds other files.
        StoreError: if the folder cannot be written.
    """
    if not registry.entries:
        raise UsageError(
            f"{row.id} has no entries to write: {registry.statements} norms and customs were told, "
            f"{registry.personal} of them of nobody but the speaker (--personal takes those too)"
        )
    old = files_of_an_export(out)
    wanted = wanted_of(row)
    try:
        place = out.resolve()
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place if is_folder(place) else place.parent  # a folder may be a mount point
        with tempfile.TemporaryDirectory(dir=beside, prefix=f".{place.name}.") as scratch:
            aside = Path(scratch, "export")
            aside.mkdir(mode=0o750)
            with ExitStack() as stack:
                sink = Sink(Lines(aside / f"{NAME}.jsonl", stack), Lines(aside / f"{NAME}.index.jsonl", stack))
                for entry in registry.entries:
                    sink.add(entry.as_json(), ids_of(entry))
            (file,) = sink.facts()
            assert isinstance(file, RowsFile)
            manifest = manifest_of(store, row, registry, wanted, file, command, licence)
            card_sha256 = put(aside / CARD, card(manifest, registry))
            manifest = manifest.model_copy(update={"card": OtherFile(name=CARD, sha256=card_sha256)})
            put(aside / MANIFEST, manifest.as_text())
            put_in_place(aside, place, [MANIFEST, *file.names, CARD], old)
    except OSError as error:
        raise StoreError(f"cannot write {out}: {error.strerror}") from None
    return [out / name for name in (*file.names, MANIFEST, CARD)]


def ids_of(entry: Entry) -> dict[str, Any]:
    """Return what the index says of an entry: the statement that it is worded by, and all others behind it."""
    return {"id": entry.told[0].statement, "key": entry.key, "statements": entry.statements}


def manifest_of(
    store: Store,
    row: RunRow,
    registry: Registry,
    wanted: Wanted,
    file: RowsFile,
    command: str,
    licence: str | None,
) -> Manifest:
    entries = registry.entries
    runs = [store.run(name) for name in wanted.runs]
    behind = Counter(name.partition(".")[0] for entry in entries for some in entry.statements.values() for name in some)
    origins = Counter(one.provenance for entry in entries for one in entry.told)
    return Manifest(
        culturepark=__version__,
        command=redact(command),  # the URL of the store may have a password
        created_at=now(),
        rows_are="norms and customs",
        licence=licence,
        registry=row.id,
        models=named(row),
        cultures=list(wanted.cultures),
        personal=wanted.personal,
        nearest=wanted.nearest,
        method=registry.method,
        floor=FLOORS[registry.method],
        runs=[
            RunBehind(
                run=run.id,
                scenario=run.scenario_name,
                scenario_digest=run.scenario_digest,
                seed=run.seed,
                culturepark=run.version,
                created_at=run.created_at,
                models=named(run),
                tellings=behind[run.id],
            )
            for run in runs
        ],
        statements=registry.statements,
        left_out=dict(registry.left_out),
        repeats=registry.repeats,
        personal_left_out=registry.personal,
        pairs=registry.pairs,
        judged=registry.judged,
        unread=registry.unread if JUDGE in named(row) else 0,
        relations=dict(registry.relations),
        entries=len(entries),
        by_status={status: registry.by_status.get(status, 0) for status in STATUSES},
        by_culture=dict(sorted(Counter(entry.culture for entry in entries).items())),
        by_kind=dict(sorted(Counter(entry.kind for entry in entries).items())),
        tellings_by_provenance={name: origins[name] for name in ORIGINS if origins[name]},
        files=[file],
    )


def named(row: RunRow) -> dict[str, str]:
    return {str(role): str(spec) for role, spec in models_of(row).items()}


# --- the card ----------------------------------------------------------------------------------------


def card(manifest: Manifest, registry: Registry) -> str:
    """Return the card as Markdown, with the hub's metadata at its head."""
    writers = {run.models[role] for run in manifest.runs for role in licences.WRITERS if role in run.models}
    judges = {manifest.models[JUDGE]} if JUDGE in manifest.models else set()
    people = {one.person for entry in registry.entries for one in entry.told if one.person}
    tellings = sum(manifest.tellings_by_provenance.values())
    return template().render(
        manifest=manifest,
        head=as_yaml(head(manifest, registry)),
        judge=next(iter(judges), None),
        origins=[
            (ORIGINS[name], number, share(number / tellings))
            for name, number in manifest.tellings_by_provenance.items()
        ],
        cultures=[
            (adjective(culture), number, ", ".join(countries(registry, culture)))
            for culture, number in manifest.by_culture.items()
        ],
        people=len(people),
        disputed=[entry for entry in registry.entries if entry.status == "disputed"],
        sources=sorted({item.source for entry in registry.entries for item in entry.items}),
        licences=sorted((spec, licences.of_model(spec)) for spec in writers | judges),
        not_worth_it=[spec for spec in sorted(writers | judges) if is_scripted(spec) or is_tiny(spec)],
    )


def countries(registry: Registry, culture: str) -> list[str]:
    """Return the names of the countries in which the people live who told a culture's entries."""
    codes = {p.country for entry in registry.entries if entry.culture == culture for p in entry.places if p.country}
    return sorted(map(country_name, codes))


def head(manifest: Manifest, registry: Registry) -> dict[str, Any]:
    languages = sorted({entry.language.partition("-")[0] for entry in registry.entries})
    size = next((name for limit, name in SIZES if manifest.entries < limit), SIZES[-1][1])
    return {
        "pretty_name": "Norms and customs as simulated people tell them",
        **{name: Quoted(value) for name, value in licences.metadata(manifest.licence).items()},
        "language": [Quoted(language) for language in languages],
        "language_creators": ["machine-generated"],
        "annotations_creators": ["machine-generated"],
        "multilinguality": ["monolingual" if len(languages) == 1 else "multilingual"],
        "size_categories": [size],
        "source_datasets": ["original"],
        "tags": ["synthetic", "culture", "culturepark", "norms"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": [f"{NAME}.jsonl"]}]}],
    }


@cache
def template() -> Template:
    environment = markdown(Path(__file__).parent)  # texts of users and models go through the filter `text`
    environment.filters |= {"text": as_text, "by_role": by_role, "listed": listed}
    return environment.get_template("registry.md.jinja")


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{as_text(name)} {number}" for name, number in counts.items() if number) or "none"
