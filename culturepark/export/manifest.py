"""What is to be exported, and what is said of it in the manifest: runs, people, figures, notes."""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata

from culturepark import __version__
from culturepark.dialogue.protocol import protocol_of
from culturepark.distill.dedup import THRESHOLDS
from culturepark.domain import Duplicate, JsonObject, Review
from culturepark.errors import UsageError
from culturepark.export import licences
from culturepark.export.dialogues import NEVER_ANSWERED, REJECTED_TURN
from culturepark.export.files import DUPLICATES, MANIFEST, need_parquet
from culturepark.export.formats import Format, format_named, multi_turn
from culturepark.export.rows import REJECTED, TWIN, UNFIT, Source
from culturepark.languages import load_language
from culturepark.models.embedder import Method
from culturepark.stats.funnel import branched, funnel, prompts, repeats
from culturepark.store import exports
from culturepark.store.integrity import threshold_of
from culturepark.store.tables import RunRow

LIBRARIES = ("pydantic", "sqlalchemy", "sqlmodel")


@dataclass(frozen=True)
class Wanted:
    """What is to be exported, and how."""

    form: str
    """The name of a format."""
    cultures: Sequence[str] = ()
    """Only these, each in files of its own; none: all in one."""
    train_share: float | None = None
    dialogues: bool = False
    """Whole dialogues in place of single samples."""
    parquet: bool = False
    licence: str | None = None
    left_out: Mapping[str, Duplicate] | None = None
    """Statement -> the statement of another run that stands for it; its samples get no row."""

    @property
    def format(self) -> Format:
        """
        Raises:
            UsageError: if there is none of that name.
        """
        return format_named(self.form)

    def check(self) -> None:
        """
        Raises:
            UsageError: if that cannot be had.
        """
        if self.dialogues and not self.format.multi_turn:
            raise UsageError(
                f"--format {self.form} holds one question and its answer; dialogues go into {', '.join(multi_turn())}"
            )
        if self.licence is not None and not licences.is_name(self.licence):
            raise UsageError(f"--license {self.licence[:60]!r}: an identifier is wanted, as apache-2.0 or cc-by-4.0")
        if self.parquet:
            need_parquet()


@dataclass
class Tally:
    """What has been written, in figures that do not grow with it."""

    by_culture: Counter[str] = field(default_factory=Counter)
    by_half: Counter[str] = field(default_factory=Counter)
    by_persona: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Run and persona key of those who answer."""
    corrected: dict[str, list[Review]] = field(default_factory=dict)
    """Rows that say what reviewers would have them say."""
    rows_by_hand: Counter[str] = field(default_factory=Counter)
    """Rows with a speech that a person wrote, by its origin."""
    turns_by_hand: Counter[str] = field(default_factory=Counter)
    """Those speeches, counted in every row that they stand in."""


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
        yield f"{trains} of {total} rows train ({trains / total:.0%}): whole questions are held out"
        yield "what somebody tells under two questions, in the same words or nearly, can be on both sides of the split"
    if wanted.dialogues and len(source.runs) > 1:
        yield (
            "whole dialogues are not deduplicated across runs: "
            f"{source.told_again} rows have word for word the messages of another run's"
        )
    talks = [name for name, edition in source.editions.items() if protocol_of(edition.scenario.protocol).user_sits]
    if tally.rows_by_hand["typed"]:
        names = ", ".join(sorted(talks)[:5]) + (", ..." if len(talks) > 5 else "")
        yield f"in the rows of {names} the user's messages are what a real person typed"
    if count := tally.rows_by_hand["edited"]:
        speeches = counted(tally.turns_by_hand["edited"], "speech", "speeches")
        yield (
            f"{counted(count, 'row holds', 'rows hold')} {speeches} that a person wrote in place of what was said, "
            "in a branch"
        )
    if count := source.found[TWIN]:
        yield f"{counted(count, 'row is', 'rows are')} left out: in reviewers' wording another row says the very same"
    for why in UNFIT.values():
        if count := source.found[why]:
            lost = ("answer is", "answers are") if wanted.format.pairs else ("row is", "rows are")
            yield f"{counted(count, *lost)} left out, {why}"
    what = "dialogues that are done" if wanted.dialogues else "kept samples"
    for culture in wanted.cultures:
        if not tally.by_culture[culture]:
            yield f"no {what} of {culture}: no file for it"
    if count := source.found["duplicate"]:
        yield f"{count} samples of one run say what those of another say, and are left out: see {DUPLICATES}"
    if count := source.found[NEVER_ANSWERED]:
        yield f"{count} perspectives are left out, of people who never answered anything"
    if source.reviewed:
        told = source.reviewed.told(rejected_by(source, wanted), tally.corrected)
        yield (
            f"{told['reviews']} reviews by {counted(len(told['reviewers']), 'person', 'people')}: "
            f"{counted(told['rejected'], 'row is', 'rows are')} left out as rejected, "
            f"{counted(told['corrected'], 'has', 'have')} corrected wording; {MANIFEST} names each correction"
        )
    if wanted.format.pairs:
        if any(edition.scenario.distill.checks for edition in source.editions.values()):
            yield (
                "rejected answers that go against their speaker's stance were never put to the checks (harmlessness, "
                "awareness); chosen ones have passed them"
            )
        kept = source.counted(exports.kept_counts).total()
        others = kept - source.counted(exports.kept_counts, exports.ANSWERS).total()
        yield (
            f"{total} pairs; {source.found['no contrast']} answers found no contrast, and {others} kept samples "
            "(norms, customs) answer no question that others were asked too"
        )
    for file in files:
        if file["rows"] < wanted.format.fewest and "index" in file:
            yield (
                f"{file['name']} has {file['rows']} rows; {wanted.format.read_by} wants at least {wanted.format.fewest}"
            )


def rejected_by(source: Source, wanted: Wanted) -> int:
    """How many rows there are not because reviewers rejected them; with pairs, answers that are in none."""
    if wanted.dialogues:
        return source.found[REJECTED_TURN]
    shapes = exports.ANSWERS if wanted.format.pairs else ()
    kept_out = sum(exports.rejected_count(source.look, run.id, wanted.cultures, shapes) for run in source.runs)
    return kept_out + source.found[REJECTED]


def counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def about(source: Source, wanted: Wanted, run_id: str, checks: JsonObject) -> JsonObject:
    """What the card and the manifest say of a run.

    Args:
        checks: what its checks found.
    """
    run = next(run for run in source.runs if run.id == run_id)
    scenario = source.editions[run_id].scenario
    used = set((exports.done_counts if wanted.dialogues else exports.kept_counts)(source.look, run_id, wanted.cultures))
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
        "branched": branched(source.look, run_id),
        "prompts": prompts(source.look, run_id)
        | {"samples": [load_language(scenario.language).prompt("samples").digest]},
        "policy": scenario.distill.model_dump(mode="json"),
        "questions": len(used),
        "sources": sorted({seed.item.source for seed in scenario.seeds if seed.item and seed.key in used}),
        **funnel(source.look, run),
        "checks": checks,
        "duplicates": duplicates(source, run),
    }


def duplicates(source: Source, run: RunRow) -> JsonObject:
    """How a run's own duplicates were found: by what, from which similarity on, and how many."""
    by_method = repeats(source.look, run.id)
    spec = json.loads(run.models).get("embedder")
    wanted: Method = spec if spec in ("lexical", "minilm") else "endpoint"
    # Without its weights MiniLM gives way to words; the rows say which it was.
    method = next((known for known in THRESHOLDS if known in by_method), wanted)
    threshold = threshold_of(run, source.editions[run.id]) or THRESHOLDS[method]
    return {"method": method, "threshold": threshold, "by_method": by_method}


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
