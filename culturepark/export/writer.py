"""Writes an export: a folder of rows, an index that leads each line back, a card and a manifest."""

from __future__ import annotations

import json
import platform
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from culturepark import __version__
from culturepark.domain import Duplicate, JsonObject
from culturepark.errors import StoreError, UsageError
from culturepark.export import card, licences, rows
from culturepark.export.formats import MULTI_TURN, OPENAI_FEWEST, Format
from culturepark.export.rows import Row, Source
from culturepark.export.sinks import (
    CARD,
    DUPLICATES,
    MANIFEST,
    Lines,
    Sinks,
    files_of_an_export,
    need_parquet,
    put,
    put_in_place,
)
from culturepark.export.split import held_out
from culturepark.files import is_folder
from culturepark.models.ledger import now
from culturepark.prompts import prompt
from culturepark.redact import redact
from culturepark.store import exports
from culturepark.store.store import Store

LIBRARIES = ("pydantic", "sqlalchemy", "sqlmodel")


@dataclass(frozen=True)
class Wanted:
    """What is to be exported, and how."""

    form: Format
    cultures: Sequence[str] = ()
    """Only these, each in files of its own; none: all in one."""
    train_share: float | None = None
    dialogues: bool = False
    """Whole dialogues in place of single samples."""
    parquet: bool = False
    licence: str | None = None
    left_out: Mapping[str, Duplicate] | None = None
    """Statement -> the statement of another run that stands for it; its samples get no row."""

    def check(self) -> None:
        """
        Raises:
            UsageError: if that cannot be had.
        """
        if self.dialogues and self.form not in MULTI_TURN:
            raise UsageError(
                f"--format {self.form} holds one question and its answer; dialogues go into {', '.join(MULTI_TURN)}"
            )
        if self.licence is not None and not licences.is_name(self.licence):
            raise UsageError(f"--license {self.licence[:60]!r}: an identifier is wanted, as apache-2.0 or cc-by-4.0")
        if self.parquet:
            need_parquet()


@dataclass(frozen=True)
class Exported:
    files: list[Path]
    rows: int
    notes: list[str]


@dataclass
class Tally:
    """What has been written, in figures that do not grow with it."""

    by_culture: Counter[str]
    by_half: Counter[str]
    by_persona: Counter[tuple[str, str]]
    """Run and persona key of those who answer."""


def export(store: Store, run_ids: Sequence[str], out: Path, wanted: Wanted, *, command: str) -> Exported:
    """
    Raises:
        UsageError: if there is nothing to export, or the folder holds something else.
        StoreError: if the folder cannot be written.
    """
    wanted.check()
    ids = sorted({store.run(run_id).id for run_id in run_ids})
    runs = [store.run(run_id) for run_id in ids]
    with store.database.reading() as look:
        source = Source(look, runs, wanted.cultures, wanted.form, wanted.left_out or {})
        read, counts = to_be_read(source, wanted)
        if not counts:
            raise nothing(ids, wanted)
        share = wanted.train_share
        held: frozenset[str] = frozenset()
        if share is not None:
            if wanted.form == "preference" or wanted.left_out:  # how many rows come of it shows only when they are made
                counts = Counter(row.seed_key for row in read(source))
                source.begin_again()
            held = held_out(counts, source.questions(), share)
        old = files_of_an_export(out)
        try:
            place = out.resolve()  # it may be a link into another file system
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place if is_folder(place) else place.parent  # a folder may be a mount, with other files beside it
            with tempfile.TemporaryDirectory(dir=beside, prefix=f".{place.name}.") as scratch:
                aside = Path(scratch, "export")
                aside.mkdir(mode=0o750)
                tally, files, duplicates = write(read(source), source, wanted, held, aside)
                if not files:
                    raise nothing(ids, wanted, source.found)
                notes = [*remarks(source, wanted, held, tally, files)]
                if old:
                    notes.append(f"{out} held an export already; this one has taken its place")
                manifest = {
                    "culturepark": __version__,
                    "versions": versions(wanted),
                    "command": redact(command),  # it may name the store with a password
                    "created_at": now(),
                    "format": wanted.form,
                    "rows_are": "dialogues" if wanted.dialogues else "samples",
                    "licence": wanted.licence,
                    "runs": [about(source, run_id) for run_id in ids],
                    "personas": personas(source, tally),
                    "files": files,
                    "duplicates": duplicates,
                    "rows_by_culture": dict(sorted(tally.by_culture.items())),
                    "left_out": dict(sorted(source.found.items())),
                    "train_share": share,
                    "held_out_seeds": sorted(held),
                    "notes": notes,
                }
                card_sha256 = put(aside / CARD, card.render(manifest))
                manifest["card"] = {"name": CARD, "sha256": card_sha256}
                put(aside / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
                names = [name for file in files for name in (file["name"], file.get("index")) if name]
                names += [DUPLICATES] if duplicates else []
                put_in_place(aside, place, [MANIFEST, *names, CARD], old)
        except OSError as error:
            raise StoreError(f"cannot write {out}: {error.strerror}") from None
    if share is not None and not wanted.dialogues:
        try:
            store.set_splits(ids, wanted.cultures, held)
        except StoreError as error:  # read-only, full, busy: the files are whole all the same
            notes.append(f"which half each sample fell on was not stored: {error}")
    return Exported([out / name for name in [*names, MANIFEST, CARD]], tally.by_culture.total(), notes)


def to_be_read(source: Source, wanted: Wanted) -> tuple[Callable[[Source], Iterator[Row]], Counter[str]]:
    """What makes the rows, and how many there are by seed, as far as can be counted before."""
    if wanted.dialogues:
        return rows.dialogues, source.counted(exports.done_counts)
    if wanted.form == "preference":
        return rows.preferences, source.counted(exports.kept_counts, exports.ANSWERS)
    return rows.single, source.counted(exports.kept_counts)


def nothing(run_ids: Sequence[str], wanted: Wanted, why: Mapping[str, int] = {}) -> UsageError:
    of = f" of {', '.join(wanted.cultures)}" if wanted.cultures else ""
    what = "dialogues that are done" if wanted.dialogues else "kept samples"
    if wanted.form == "preference":
        what = "answers that another one contrasts with" if why else "kept answers to a question"
    return UsageError(f"no {what}{of} in {', '.join(run_ids)}; `culturepark stats {run_ids[0]}` says why")


def write(
    stream: Iterator[Row], source: Source, wanted: Wanted, held: frozenset[str], folder: Path
) -> tuple[Tally, list[JsonObject], JsonObject | None]:
    """All rows into their files: figures, facts about the files, and about that of what was left out, if any was."""
    tally = Tally(Counter(), Counter(), Counter())
    with ExitStack() as stack:
        sinks = Sinks(folder, wanted.form, wanted.parquet, stack)
        repeated = Lines(folder / DUPLICATES, stack) if source.left_out else None
        for row in stream:
            half = "" if wanted.train_share is None else "validation" if row.seed_key in held else "train"
            name = ".".join(part for part in (row.culture if wanted.cultures else "all", half) if part)
            sinks[name].add(row.data, row.ids)
            tally.by_culture[row.culture] += 1
            tally.by_half[half] += 1
            tally.by_persona.update(row.people)
            put_down(source, repeated)
        put_down(source, repeated)
        sinks.flush()
    if repeated and not repeated.count:
        repeated.path.unlink()
    files = [facts for _, sink in sorted(sinks.made.items()) for facts in sink.facts()]
    return tally, files, repeated.facts() if repeated and repeated.count else None


def put_down(source: Source, repeated: Lines | None) -> None:
    """Samples that were left out since the last row."""
    for data in source.duplicates if repeated else ():
        repeated.add(data)  # type: ignore[union-attr]
    source.duplicates.clear()


def remarks(
    source: Source,
    wanted: Wanted,
    held: frozenset[str],
    tally: Tally,
    files: Sequence[JsonObject],
) -> Iterator[str]:
    """What whoever made the export, and whoever reads its card, should know."""
    total = tally.by_culture.total()
    if wanted.train_share is not None and not held:
        yield "all rows come from one seed: nothing is held out, since a question must not stand on both sides"
    if held:
        trains = tally.by_half["train"]
        yield f"{trains} of {total} rows train ({trains / total:.0%}): whole seeds are held out"
    what = "dialogues that are done" if wanted.dialogues else "kept samples"
    for culture in wanted.cultures:
        if not tally.by_culture[culture]:
            yield f"no {what} of {culture}: no file for it"
    if count := source.found["duplicate"]:
        yield f"{count} samples of one run say what those of another say, and are left out: see {DUPLICATES}"
    if count := source.found["never answered"]:
        yield f"{count} perspectives are left out, of people who never answered anything"
    if wanted.form == "preference":
        kept = source.counted(exports.kept_counts).total()
        others = kept - source.counted(exports.kept_counts, exports.ANSWERS).total()
        yield (
            f"{total} pairs; {source.found['no contrast']} answers found no contrast, and {others} kept samples "
            "(norms, customs) answer no question that others were asked too"
        )
    if wanted.form == "openai":
        for file in files:
            if file["rows"] < OPENAI_FEWEST and "index" in file:
                yield f"{file['name']} has {file['rows']} rows; OpenAI's fine-tuning wants at least {OPENAI_FEWEST}"


def about(source: Source, run_id: str) -> JsonObject:
    """What the card and the manifest say of a run."""
    run = next(run for run in source.runs if run.id == run_id)
    scenario = source.editions[run_id].scenario
    used = set(exports.kept_counts(source.look, run_id, []))
    return {
        "run": run.id,
        "scenario": run.scenario_name,
        "scenario_digest": run.scenario_digest,
        "title": scenario.title,
        "setting": scenario.setting,
        "protocol": scenario.protocol,
        "language": scenario.language,
        "status": run.status,
        "seed": run.seed,
        "culturepark": run.version,
        "created_at": run.created_at,
        "models": json.loads(run.models),
        "prompts": exports.prompts(source.look, run_id) | {"samples": [prompt("samples", scenario.language).digest]},
        "policy": scenario.distill.model_dump(mode="json"),
        "questions": len(used),
        "sources": sorted({seed.item.source for seed in scenario.seeds if seed.item and seed.key in used}),
        **exports.funnel(source.look, run),
    }


def personas(source: Source, tally: Tally) -> list[JsonObject]:
    """Whose words the rows are, as the editions of the runs have their cards."""
    found: dict[str, JsonObject] = {}
    for (run_id, key), count in sorted(tally.by_persona.items()):
        persona = source.editions[run_id].persona(key)
        facts = {
            "persona": key,
            "name": persona.name,
            "culture": persona.culture,
            "place": f"{persona.place}, {persona.country_name}",
            "scope": persona.scope,
        }
        one = found.setdefault(json.dumps(facts), facts | {"rows": 0})  # a card may have changed between two runs
        one["rows"] += count
    return sorted(found.values(), key=lambda one: (one["culture"], one["persona"]))


def versions(wanted: Wanted) -> JsonObject:
    libraries = [*LIBRARIES, *(["pyarrow"] if wanted.parquet else [])]
    return {"culturepark": __version__, "python": platform.python_version()} | {
        name: metadata.version(name) for name in libraries
    }
