"""Writes an export: a folder with files of rows and their indexes, a card and a manifest; and splits the rows."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from culturepark import __version__
from culturepark.dialogue.stance import unit
from culturepark.domain import Duplicate
from culturepark.errors import StoreError, UsageError
from culturepark.export import card, dialogues, rated, rows
from culturepark.export.chosen import chosen, losses
from culturepark.export.croissant import croissant
from culturepark.export.files import (
    CARD,
    CROISSANT,
    DATASET_INFO,
    DUPLICATES,
    MANIFEST,
    File,
    Lines,
    RowsFile,
    Sinks,
    files_of_an_export,
    put,
    put_in_place,
)
from culturepark.export.formats import RATINGS, REVIEWS, format_named
from culturepark.export.leaks import answer_key, leaking
from culturepark.export.manifest import (
    ByHandOrigins,
    Manifest,
    OtherFile,
    Tally,
    Wanted,
    evaluation_entries,
    label_summary,
    people_from,
    people_in,
    remarks,
    rendering_counts,
    review_summary,
    run_entry,
    shares_of,
    versions,
)
from culturepark.export.metadata import with_metadata
from culturepark.export.repeats import repeats_across
from culturepark.export.rows import LEAK, Row, Source
from culturepark.files import is_folder
from culturepark.ids import run_of
from culturepark.models.ledger import now
from culturepark.redact import redact
from culturepark.stats.funnel import UNKNOWN, checks_of, origins
from culturepark.stats.warranty import check_error, warranty_of
from culturepark.store import exports
from culturepark.store.draws import Over, members, over_of_selection
from culturepark.store.evaluations import evaluation_of, refuse_evaluation
from culturepark.store.evidence import behind
from culturepark.store.integrity import PAGE, edition_of
from culturepark.store.ratings import languages_asked, rows_behind
from culturepark.store.selections import runs_or_selection
from culturepark.store.store import Store


@dataclass(frozen=True)
class Exported:
    files: list[Path]
    rows: int
    answers: int
    """Different ones."""
    notes: list[str]
    manifest: Manifest


def export(
    store: Store,
    run_ids: Sequence[str],
    out: Path,
    wanted: Wanted,
    *,
    command: str,
    repeats: Sequence[Duplicate] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Exported:
    """
    Args:
        command: for the manifest.
        repeats: statements that repeat those of another run; None to find them.
        tell: called with remarks before the rows are written.
    Raises:
        UsageError: if there is nothing to export, or the folder holds other files.
        StoreError: if the folder cannot be written.
    """
    wanted.check()
    ids, selection = runs_or_selection(store, run_ids)
    if selection and wanted.dialogues:
        raise UsageError(f"{selection.id} is a selection of samples; --dialogues wants runs")
    evaluations = [found for run_id in ids if (found := evaluation_of(store, run_id))]
    if evaluations and wanted.basis != RATINGS:
        refuse_evaluation(store, evaluations[0].id)
    if evaluations and wanted.metadata:
        raise UsageError(f"--metadata is what is behind a sample; {evaluations[0].id} is an evaluation")
    runs = [store.run(run_id) for run_id in ids if run_id not in {found.id for found in evaluations}]
    checks = {run.id: checks_of(store, run, edition_of(run)) for run in runs}
    if repeats is None:
        # Those of a selection are compared already; what people have judged is theirs, whatever else says the same.
        compared = len(runs) > 1 and not (wanted.dialogues or selection or wanted.takes_rated)
        repeats = repeats_across(store, ids, tell) if compared else ()
    left_out = {repeat.statement_id: repeat for repeat in repeats}
    with store.database.reading() as look:
        origin = chosen(look, selection) if selection else None
        for run in runs:
            if not wanted.dialogues and (behind := exports.half_distilled(look, run)):
                raise UsageError(
                    f"{run.id} was being distilled again: {behind} dialogues still have the samples of the round "
                    f"before; `culturepark resume {run.id}` finishes it"
                )
        overs = [over_of_selection(look, selection)] if selection else [Over(run.id, (run.id,)) for run in runs]
        known = {over.id: warranty_of(look, over, wanted.asks_for) for over in overs if wanted.of_single_rows}
        if wanted.max_error is not None:
            for over in overs:
                kept = sum(member.kept for member in members(look, over))
                check_error(known[over.id], over.id, wanted.max_error, kept)
        for evaluation in evaluations:
            if row_id := rows_behind(look, evaluation.id):
                raise UsageError(
                    f"{evaluation.id} holds ratings of the samples of {run_of(row_id)}: export {run_of(row_id)}, and "
                    "they are taken with it"
                )
        source = Source(
            look,
            runs,
            wanted.cultures,
            wanted.format,
            left_out,
            wanted.mix,
            wanted.grounded,
            selection=selection.id if selection else None,
            language=wanted.language,
            labels=wanted.labels,
            evaluations=evaluations,
        )
        read, counts = reader_of(source, wanted)
        if not counts:
            raise nothing_to_export(ids, wanted)
        share = wanted.train_share
        held: frozenset[str] = frozenset()
        leaks: frozenset[str] = frozenset()
        if share is not None:
            # These rows can only be counted by making them.
            estimated = wanted.format.pairs or wanted.takes_rated or left_out or wanted.mix or wanted.grounded
            if estimated or source.corrections:
                counts = Counter(row.seed_key for row in read(source))
                source.begin_again()
            held = held_out(counts, source.questions(), share)
            asked_in = {code for one in evaluations for code in languages_asked(look, one.id)}
            leaks = leaking(store, read(source), runs, held, wanted, tell, asked_in)
            source.begin_again()
        old = files_of_an_export(out)
        try:
            place = out.resolve()  # a link may lead into another file system
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place if is_folder(place) else place.parent  # a folder may be a mount point
            with tempfile.TemporaryDirectory(dir=beside, prefix=f".{place.name}.") as scratch:
                aside = Path(scratch, "export")
                aside.mkdir(mode=0o750)
                tally, files, duplicates = write(read(source), source, wanted, held, leaks, aside)
                if not files:
                    raise nothing_to_export(ids, wanted, source.left_without)
                summary = label_summary(source, wanted, tally)
                bundle = wanted.format.bundle
                texts = bundle.settings() if bundle else {}
                settings = tuple(OtherFile(name=name, sha256=put(aside / name, text)) for name, text in texts.items())
                notes = [*(losses(origin) if origin else ()), *remarks(source, wanted, held, tally, files)]
                if old:
                    notes.append(f"{out} held an export already; this one has taken its place")
                manifest = Manifest(
                    culturepark=__version__,
                    versions=versions(wanted),
                    command=redact(command),  # the URL of the store may have a password
                    created_at=now(),
                    format=wanted.form,
                    no_system=wanted.no_system,
                    rows_are="dialogues" if wanted.dialogues else "samples",
                    licence=wanted.licence,
                    made_for=wanted.push,
                    cultures=list(wanted.cultures),
                    selection=origin,
                    runs=[run_entry(source, wanted, run, checks[run.id]) for run in runs],
                    personas=people_in(source, tally),
                    people_from=people_from(source, tally),
                    files=files,
                    settings=settings,
                    metadata=wanted.metadata,
                    language=wanted.language,
                    renderings=rendering_counts(source) if wanted.language != rows.ORIGINAL else None,
                    duplicates=duplicates,
                    rows_by_culture=dict(sorted(tally.by_culture.items())),
                    answers=len(tally.answers),
                    rows_by_provenance=None if wanted.dialogues or not runs else origins(tally.by_provenance),
                    left_out=dict(sorted(source.left_without.items())),
                    train_share=share,
                    held_out_seeds=sorted(held),
                    reviews=review_summary(source, wanted, tally),
                    labels=summary,
                    evaluations=evaluation_entries(source),
                    shares=shares_of(wanted.mix),
                    warranties=[found for found in known.values() if found],
                    by_hand=ByHandOrigins(typed=tally.by_hand("typed"), edited=tally.by_hand("edited")),
                    notes=notes,
                    beside=[],
                )
                described = [
                    OtherFile(name=name, sha256=put(aside / name, text))
                    for name, text in descriptions(manifest).items()
                ]
                manifest = manifest.model_copy(update={"beside": described})
                card_sha256 = put(aside / CARD, card.render(manifest))
                manifest = manifest.model_copy(update={"card": OtherFile(name=CARD, sha256=card_sha256)})
                put(aside / MANIFEST, manifest.as_text())
                names = manifest.file_names
                put_in_place(aside, place, [MANIFEST, *names, CARD], old)
        except OSError as error:
            raise StoreError(f"cannot write {out}: {error.strerror}") from None
    if share is not None and wanted.of_single_rows:  # a row of pairs has two samples
        try:
            store.set_splits(ids, wanted.cultures, held, source.without_row, source.selection)
        except StoreError as error:  # read-only, full or busy; the files are complete
            notes.append(f"which half each sample fell on was not stored: {error}")
    paths = [out / name for name in [*names, MANIFEST, CARD]]
    return Exported(paths, tally.by_culture.total(), len(tally.answers), notes, manifest)


def descriptions(manifest: Manifest) -> dict[str, str]:
    """Return the files that describe the rows to other programs, by name; tasks for people need none."""
    if format_named(manifest.format).bundle:
        return {}
    for_llama_factory = dataset_info(manifest)
    return {CROISSANT: croissant(manifest)} | ({DATASET_INFO: for_llama_factory} if for_llama_factory else {})


def dataset_info(manifest: Manifest) -> str | None:
    """Return LLaMA-Factory's description of the files of rows; None if it cannot read their format.

    A set is named after its file, with `_` for each dot: `all_train`.
    """
    described = format_named(manifest.format).llama_factory
    if described is None:
        return None
    files = [file.name for file in manifest.files if isinstance(file, RowsFile)]
    sets = {name.removesuffix(".jsonl").replace(".", "_"): {"file_name": name, **described} for name in files}
    return json.dumps(sets, indent=2) + "\n"


def reader_of(source: Source, wanted: Wanted) -> tuple[Callable[[Source], Iterator[Row]], Counter[str]]:
    """Return the reader of the rows, and an estimate of their number by seed."""
    if wanted.dialogues:
        read, counts = dialogues.dialogues, source.counted(exports.done_counts)
    elif wanted.takes_rated:
        read = rated.rated_pairs if wanted.format.pairs else rated.labelled
        counts = Counter({"": len(rated.read_scale(source).ratings) if wanted.basis == RATINGS else 1})
    elif wanted.format.pairs:
        read, counts = rows.preferences, source.counted(exports.kept_counts, exports.ANSWERS, source.selection)
    else:
        read, counts = rows.single, source.counted(exports.kept_counts, (), source.selection)
    return rows.in_shares(read), counts


def nothing_to_export(run_ids: Sequence[str], wanted: Wanted, why: Mapping[str, int] = {}) -> UsageError:
    of = f" of {', '.join(wanted.cultures)}" if wanted.cultures else ""
    if wanted.takes_rated:
        passed = ", ".join(f"{reason}: {count}" for reason, count in sorted(why.items())) or "there are none"
        rows_wanted = "two answers to one prompt that are rated apart" if wanted.format.pairs else "answers to label"
        more = "; `culturepark review` asks people" if wanted.basis == REVIEWS else ""
        more = "; --format kto takes answers without a counterpart" if wanted.format.pairs else more
        return UsageError(f"no {rows_wanted}{of} in {', '.join(run_ids)} ({passed}){more}")
    what = "dialogues that are done" if wanted.dialogues else "kept samples"
    if why.get(dialogues.REJECTED_TURN):
        what += " and hold no rejected turn"
    if unfit := sum(why.get(name, 0) for name in rows.UNFIT.values()):
        what += f" but {unfit} with control tokens, thoughts or broken characters in them"
    if wanted.format.pairs:
        what = "answers that another one contrasts with" if why else "kept answers to a question"
        pairs = "a pair takes the answers of two people who stand on different sides of a survey question"
        return UsageError(
            f"no {what}{of} in {', '.join(run_ids)}: {pairs}; `culturepark simulate wvs7` has fifty of them, and "
            "more `--dialogues` have more people answer each"
        )
    if wanted.format.shapes and not wanted.dialogues:
        shapes = " or ".join(wanted.format.shapes)
        return UsageError(
            f"no {what}{of} of the shape {shapes} in {', '.join(run_ids)}, and --format {wanted.form} holds no others; "
            "`culturepark mine norms` makes them, and so does `samples` in a scenario that names it"
        )
    return UsageError(f"no {what}{of} in {', '.join(run_ids)}; `culturepark stats {run_ids[0]}` says why")


def write(
    stream: Iterator[Row],
    source: Source,
    wanted: Wanted,
    held: frozenset[str],
    leaks: frozenset[str],
    folder: Path,
) -> tuple[Tally, list[File], File | None]:
    """Write all rows; return their counts, the files, and the file of duplicates if there are any.

    Args:
        leaks: keys of answers that cannot validate.
    """
    tally = Tally()
    with ExitStack() as stack:
        sinks = Sinks(folder, wanted.format, wanted.parquet, wanted.metadata, stack)
        repeated = Lines(folder / DUPLICATES, stack) if source.left_out else None
        for row in completed(stream, source, wanted):
            half = "" if wanted.train_share is None else "validation" if row.seed_key in held else "train"
            answers = [answer_key(answer) for answer in row.answers]
            if half == "validation" and not leaks.isdisjoint(answers):
                source.left_without[LEAK] += 1
                source.without_row.update(row.ids.values())
                continue
            tally.answers.update(answers[:1])  # of a pair, the chosen one
            if wanted.language == rows.BOTH and row.rendered_in:
                tally.beside += 1
            else:
                tally.original_answers.update(answers[:1])
            rendered = {"language": row.rendered_in} if row.rendered_in else {}
            sinks[name_for(row.culture, half, wanted)].add(row.data, row.ids | rendered | row.why)
            tally.count_label(row)
            tally.by_culture[row.culture] += 1
            tally.by_half[half] += 1
            tally.by_provenance[row.provenance or UNKNOWN] += 1
            tally.by_persona.update(row.people)
            tally.rows_by_hand.update(row.by_hand.keys())
            tally.turns_by_hand.update(row.by_hand)
            corrected = source.corrections.corrected
            tally.corrected |= {row_id: corrected[row_id] for row_id in row.ids.values() if row_id in corrected}
            write_duplicates(source, repeated)
        write_duplicates(source, repeated)
        sinks.end()
    if repeated and not repeated.count:
        repeated.path.unlink()
    files = [facts for _, sink in sorted(sinks.made.items()) for facts in sink.facts()]
    return tally, files, repeated.facts() if repeated and repeated.count else None


def name_for(culture: str, half: str, wanted: Wanted) -> str:
    """Return the name of the file of a row, without its ending."""
    if wanted.format.bundle:  # tools read one file
        return wanted.format.bundle.file.rpartition(".")[0]
    return ".".join(part for part in (culture if wanted.cultures else "all", half) if part)


def completed(stream: Iterator[Row], source: Source, wanted: Wanted) -> Iterator[Row]:
    """Put what is behind rows into them, where that is wanted."""
    bundle = wanted.format.bundle
    complete = bundle.row if bundle else with_metadata if wanted.metadata else None
    if complete is None:
        yield from stream
        return
    while page := list(islice(stream, PAGE)):
        ids = [str(row_id) for row in page for row_id in row.ids.values()]
        found = behind(source.look, source.runs, source.editions, ids)
        for row in page:
            yield replace(row, data=complete(row.data, *(found[row_id] for row_id in row.ids.values())))


def write_duplicates(source: Source, repeated: Lines | None) -> None:
    """Write the duplicates that were met since the last row."""
    if repeated:
        for data in source.duplicates:
            repeated.add(data)
    source.duplicates.clear()


# --- the split: seeds that train and seeds that validate; a question is on one side only -----------
# Answers that stand on both sides, or nearly, are found in `leaks`.


def held_out(rows: Mapping[str, int], questions: Iterable[tuple[str, str]], train_share: float) -> frozenset[str]:
    """Return the seeds that validate.

    Args:
        rows: seed key -> number of rows, over all runs.
        questions: seed key and question of every seed of every run.
        train_share: share of rows that should train, 0-1.
    """
    group = groups(questions)
    by_group: Counter[str] = Counter()
    for seed_key, count in rows.items():
        by_group[group[seed_key]] += count
    held = validation_seeds(by_group, train_share)
    return frozenset(seed_key for seed_key in rows if group[seed_key] in held)


def groups(questions: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return seed key -> the first of the keys that must be on the same side.

    Two runs can have one question under two keys, or two questions under one key.
    """
    from culturepark.distill.paraphrase import key

    above: dict[str, str] = {}

    def top(node: str) -> str:
        while above.setdefault(node, node) != node:
            node = above[node]
        return node

    seed_keys = set()
    for seed_key, question in questions:
        seed_keys.add(seed_key)
        one, other = sorted((top(seed_key), top(f"?{key(question)}")))
        above[other] = one
    first: dict[str, str] = {}
    for seed_key in sorted(seed_keys):
        first.setdefault(top(seed_key), seed_key)
    return {seed_key: first[top(seed_key)] for seed_key in seed_keys}


def validation_seeds(rows: Mapping[str, int], train_share: float) -> frozenset[str]:
    """
    Args:
        rows: seed key -> number of rows.
        train_share: share of rows that should train, 0-1.
    Returns:
        Seeds that are held out. At least one seed trains, so of a single seed nothing is held out.
    """
    target = (1 - train_share) * sum(rows.values())
    held: set[str] = set()
    reached = 0
    for seed in sorted(rows, key=lambda key: unit("split", key)):
        if len(held) + 1 == len(rows) or reached >= target:
            break
        if reached and abs(reached + rows[seed] - target) > abs(reached - target):
            continue
        held.add(seed)
        reached += rows[seed]
    return frozenset(held)
