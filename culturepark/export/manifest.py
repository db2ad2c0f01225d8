"""The manifest of an export: its runs, people, rules and files, and the rows that were left out.

It is made from the options of the export (`Wanted`) and the counts of the rows that were written (`Tally`).
"""

from __future__ import annotations

import json
import platform
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Literal

from culturepark import __version__
from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.tongues import languages_of
from culturepark.distill.dedup import THRESHOLDS, band
from culturepark.domain import DEFAULT_LANGUAGE, PERSON, SEVERAL_LANGUAGES, DistillPolicy, Review, Shape
from culturepark.errors import UsageError
from culturepark.export import licences
from culturepark.export.chosen import Chosen
from culturepark.export.dialogues import NEVER_ANSWERED, REJECTED_TURN
from culturepark.export.english import DIFFERENT, NO_ENGLISH, REWORDED
from culturepark.export.files import DUPLICATES, MANIFEST, File, RowsFile, need_parquet
from culturepark.export.formats import (
    RATINGS,
    STANCE,
    VERDICTS,
    Format,
    format_named,
    multi_turn,
    with_room,
    without_system,
)
from culturepark.export.labels import Labels
from culturepark.export.mixes import Mix
from culturepark.export.rows import (
    BOTH,
    GROUNDED,
    LANGUAGES,
    LEAK,
    MADE_UP,
    OF_UNKNOWN_ORIGIN,
    ORIGINAL,
    OTHER_CULTURE,
    OTHER_SHAPE,
    OVER_SHARE,
    REJECTED,
    TWIN,
    UNFIT,
    Row,
    Source,
)
from culturepark.languages import load_language
from culturepark.models.embedder import method_of
from culturepark.stats.figures import (
    Checks,
    Counts,
    Figures,
    Origins,
    Provenances,
    RenderingCounts,
    RowQuestions,
    Samples,
    Statements,
    Stored,
    Turns,
    Warranty,
)
from culturepark.stats.funnel import funnel, rendered_of, repeats
from culturepark.store import exports
from culturepark.store.draws import Member
from culturepark.store.integrity import threshold_of
from culturepark.store.ratings import languages_asked
from culturepark.store.tables import DialogueRow, RunRow, SuiteRow

CARDS = "cards"
"""The origin of personas who come from no table."""
LIBRARIES = ("pydantic", "sqlalchemy", "sqlmodel")
LEAST_GOOD, MOST_GOOD = 1, 4 / 3
"""Good answers for each bad one, between which KTO needs no weights (Ethayarajh et al. 2024, arXiv:2402.01306, eq. 8).
"""


@dataclass(frozen=True)
class Wanted:
    """The options of an export."""

    form: str
    """The name of a format."""
    cultures: Sequence[str] = ()
    """Export only these cultures, each in files of its own; empty: all in one file."""
    train_share: float | None = None
    dialogues: bool = False
    """Export whole dialogues in place of single samples."""
    parquet: bool = False
    licence: str | None = None
    shape_mix: Collection[Shape] = ()
    """Export only these shapes of samples; in a map, in these shares. Empty: all as they come."""
    grounded: bool = False
    """Export only what stands on somebody's card."""
    max_error: float | None = None
    """Export only if people's judgements show that at most this share of the rows is wrong, 0-1."""
    metadata: bool = False
    """Say in a column of its own what is behind each row."""
    no_system: bool = False
    """Put what the system message says in front of the first user message."""
    push: str | None = None
    """Send it to this repository on the hub, as `organisation/name`."""
    language: str = ORIGINAL
    """The language of the rows: `original`, `en` or `both`."""
    culture_mix: Mapping[str, float] = field(default_factory=dict)
    """Export cultures, with `others` for the rest, in these shares. Empty: all as they come."""
    labels: Labels = field(default_factory=Labels)
    """By what answers are preferred or labelled, in a format for preferences."""

    @property
    def mix(self) -> Mix:
        return Mix(self.shapes, self.culture_mix)

    @property
    def basis(self) -> str | None:
        """What preferences or labels come from, one of `formats.BASES`; None for a format without them."""
        return self.labels.basis_for(self.format)

    @property
    def takes_rated(self) -> bool:
        """Whether rows are answers that were rated or labelled, kept or not."""
        return self.basis not in (None, STANCE)

    @property
    def format(self) -> Format:
        """
        Raises:
            UsageError: if there is no format of that name.
        """
        known = format_named(self.form)
        return without_system(known) if self.no_system else known

    @property
    def shapes(self) -> Collection[Shape]:
        """The shapes that are exported: those that are wanted, or all that the format holds."""
        return self.shape_mix or self.format.shapes

    @property
    def of_single_rows(self) -> bool:
        return not (self.dialogues or self.format.pairs or self.format.labels)

    def asks_for(self, member: Member) -> bool:
        """Tell whether a kept sample is among those that are wanted, by what it is."""
        return (
            (not self.cultures or member.culture in self.cultures)
            and self.mix.has_shape(member.shape)
            and self.mix.has_culture(member.culture)
            and (not self.grounded or member.provenance in GROUNDED)
        )

    def check(self) -> None:
        """
        Raises:
            UsageError: if an option is wrong, does not fit the format, or needs a package that is missing.
        """
        self.labels.check(self.format)
        if self.dialogues and not self.format.multi_turn:
            raise UsageError(
                f"--format {self.form} holds one question and its answer; dialogues go into {', '.join(multi_turn())}"
            )
        if self.format.shapes and (stray := sorted(set(self.shape_mix) - set(self.format.shapes))):
            raise UsageError(f"--shape-mix: --format {self.form} holds no rows of the shape {', '.join(stray)}")
        if self.shape_mix and (self.dialogues or self.format.pairs):
            raise UsageError(
                "--shape-mix is for single samples, which have shapes; pairs and whole dialogues have none"
            )
        if self.language not in LANGUAGES:
            raise UsageError(f"--language {self.language[:60]!r}: must be one of {', '.join(LANGUAGES)}")
        if self.language != ORIGINAL and not self.of_single_rows:
            raise UsageError(
                f"--language {self.language} is for single samples; pairs, labels and dialogues stay as they are"
            )
        if self.language == BOTH and self.format.bundle:
            raise UsageError("--language both: a task for people is one row, so it is in one language")
        if self.grounded and self.dialogues:
            raise UsageError(
                "--grounded is for samples; where the sentences of a whole dialogue come from is not known"
            )
        if self.max_error is not None:
            if not 0 < self.max_error < 1:
                raise UsageError("--max-error: a share between 0 and 1 is wanted, as in --max-error 0.05")
            if not self.of_single_rows:
                raise UsageError("--max-error is for single samples, which people judge row by row")
            if self.mix.thins:
                raise UsageError(
                    "--max-error with shares in --shape-mix or --culture-mix: a sample of all rows is none of a mix of "
                    "them; `culturepark select` makes the mix, and a sample can be drawn of that"
                )
        if self.metadata and not self.format.metadata:
            raise UsageError(
                f"--metadata: a row of --format {self.form} holds {self.format.describes} and nothing else; a column "
                f"more goes into {', '.join(with_room())}"
            )
        if self.format.bundle and (self.parquet or self.train_share is not None):
            raise UsageError(f"--format {self.form} is for people who judge; --split and --parquet are for trainers")
        if self.licence is not None and not licences.is_name(self.licence):
            raise UsageError(f"--license {self.licence[:60]!r}: an identifier is wanted, as apache-2.0 or cc-by-4.0")
        if self.parquet:
            need_parquet()


@dataclass
class Tally:
    """Counts of the rows that were written."""

    by_culture: Counter[str] = field(default_factory=Counter)
    by_half: Counter[str] = field(default_factory=Counter)
    answers: set[str] = field(default_factory=set)
    """Keys of the different answers."""
    original_answers: set[str] = field(default_factory=set)
    """Those of rows that do not stand beside their original as its English."""
    beside: int = 0
    """Number of rows that are the English of the row before them."""
    by_provenance: Counter[str] = field(default_factory=Counter)
    """By where the content of the answer comes from."""
    by_persona: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By run id and persona key of the assistant."""
    corrected: dict[str, list[Review]] = field(default_factory=dict)
    """Id of a row with a reviewer's wording -> those reviews."""
    rows_by_hand: Counter[str] = field(default_factory=Counter)
    """Rows with turns that a real person wrote, by origin (`typed` or `edited`)."""
    turns_by_hand: Counter[str] = field(default_factory=Counter)
    """These turns by origin; a turn in two rows counts twice."""
    by_label: Counter[bool] = field(default_factory=Counter)
    by_whom: Counter[str] = field(default_factory=Counter)
    """Rows by whose preference or label it is, `people` or `models`."""
    raters: set[str] = field(default_factory=set)
    """Those on whom preferences or labels rest: `person:NAME`, or the spec of a model."""

    def count_label(self, row: Row) -> None:
        if row.label is not None:
            self.by_label[row.label] += 1
        if row.why:
            self.by_whom[row.why["by"]] += 1
            self.raters.update(row.why.get("raters", ()))

    def by_hand(self, origin: str) -> ByHand:
        return ByHand(rows=self.rows_by_hand[origin], turns=self.turns_by_hand[origin])


# --- manifest.json, in the order of its keys --------------------------------------------------------


class Branched(Figures):
    """A dialogue that branched off another one."""

    dialogue: str
    parent: str
    branched_at: int
    """Number of turns that were copied from the parent."""
    models: dict[str, list[Stored]]
    """Role -> models of the copied turns."""
    prompts: dict[str, list[str]]
    """Stage -> digests of the prompts behind the copied turns."""


class DuplicateRule(Figures):
    """The rule by which duplicates within one run were found."""

    method: str
    threshold: float
    """Least similarity of a duplicate."""
    by_method: Counts


class RunEntry(Figures):
    """One run. Its figures are those of the whole run, even if only some cultures were exported."""

    run: str
    scenario: str
    scenario_digest: str
    title: str
    setting: str
    protocol: str
    language: str
    """`mul` where people speak several."""
    languages: list[str] = []  # noqa: RUF012 - frozen
    """All that are spoken; none in manifests of older versions."""
    status: str
    seed: int
    culturepark: str
    """Version of the program that made the run."""
    created_at: str
    models: dict[str, Stored]
    """Role -> model spec."""
    branched: list[Branched]
    prompts: dict[str, list[str]]
    """Stage -> digests of its prompts."""
    policy: DistillPolicy
    questions: int
    """Number of seeds with rows."""
    sources: list[str]
    """Sources of the survey items of these seeds."""
    dialogues: Counts
    turns: Turns
    statements: Statements
    provenance: Provenances
    verdicts: dict[str, Counts]
    row_questions: RowQuestions
    samples: Samples
    checks: Checks
    duplicates: DuplicateRule

    @property
    def is_talk(self) -> bool:
        """Tell whether a user at the keyboard talked with the personas."""
        return protocol_of(self.protocol).user_sits

    @property
    def is_mined(self) -> bool:
        """Tell whether nobody talked: a model was asked."""
        return protocol_of(self.protocol).mines

    @property
    def copied_models(self) -> set[str]:
        """The models of turns that branches copied from other runs."""
        return {spec for branch in self.branched for specs in branch.models.values() for spec in specs}


class Person(Figures):
    """A persona whose words are answers in the rows."""

    persona: str
    name: str
    culture: str
    place: str
    country: str
    """ISO 3166 alpha-3."""
    role: Literal["main", "delegate"]
    scope: str
    """The people for whom the persona does not speak."""
    rows: int


class PeopleFrom(Figures):
    """Where personas whose words are in the rows come from."""

    name: str
    """A table, the source of quotas, or `cards` for those that were not made from either."""
    licence: str | None
    """Of the table; None for cards."""
    completed_by: list[str]
    """The models that wrote what the table does not say."""
    people: int
    rows: int


class Correction(Figures):
    """A row in a reviewer's wording."""

    id: str
    review: str
    reviewer: str


class ReviewSummary(Figures):
    reviewers: list[str]
    reviews: int
    """Standing reviews of the runs."""
    rejected: int
    """Rows, or answers of pairs, that are missing because reviewers rejected them."""
    corrected: int
    corrections: list[Correction]


class ByHand(Figures):
    """Turns in the rows that a real person wrote."""

    rows: int
    turns: int
    """A turn in two rows counts twice."""


class ByHandOrigins(Figures):
    typed: ByHand
    """By the user of a talk."""
    edited: ByHand
    """In a branch, in place of the original turn."""


class EvaluationEntry(Figures):
    """An evaluation whose answers are in the rows."""

    evaluation: str
    suite: str
    """Id of the suite that was answered. What a model has learned from these rows cannot be measured on it."""
    title: str
    licence: str
    """Of the suite's questions."""
    model: Stored
    """The model that answered."""
    languages: list[str]
    """Those in which its items were put."""
    culturepark: str
    """Version of the program that made the evaluation."""
    created_at: str


class LabelSummary(Figures):
    """By what answers are preferred, or labelled as good or bad."""

    basis: str
    """`ratings`, `reviews` (accepted or rejected) or `verdicts` (of models)."""
    scale: Stored | None
    """The scale of the ratings; None without ratings."""
    least: float | None
    most: float | None
    """The ends of the scale."""
    margin: float | None
    """Least mean difference of two answers, or distance from the middle, in steps of the scale."""
    threshold: float | None
    """Rating above which an answer is good; None for each rater's own middle, and for pairs."""
    people: int
    """Number of people on whose judgement rows rest."""
    judges: list[Stored]
    """Models whose ratings rows rest on."""
    rows_by_people: int
    rows_by_models: int
    good: int | None
    bad: int | None
    """Rows by label; None for pairs."""


class OtherFile(Figures):
    """A file without rows."""

    name: str
    sha256: str


class Manifest(Figures):
    culturepark: str
    versions: dict[str, str]
    command: Stored
    """Command line of the export, without secrets."""
    created_at: str
    format: str
    language: str = ORIGINAL
    """`original`: rows in the languages of their talks; `en`: all in English, those of other languages by a model's
    rendering; `both`: each beside its rendering, whose id ends in `@en`."""
    renderings: RenderingCounts | None = None
    """Of the runs; None where no rendering is in the rows."""
    no_system: bool
    """True if the words of system messages stand in front of the first user message."""
    rows_are: str
    """`samples` or `dialogues`."""
    licence: str | None
    made_for: str | None
    """The repository on the hub that the export was to be sent to."""
    cultures: list[str]
    """The exported cultures; none: all."""
    selection: Chosen | None
    """The selection that was exported; None where all rows of the runs were."""
    runs: list[RunEntry]
    personas: list[Person]
    people_from: list[PeopleFrom]
    files: list[RowsFile | File]
    settings: tuple[OtherFile, ...] = ()
    """Files that a labelling tool reads beside the rows."""
    metadata: bool = False
    """True if each row has the column `metadata`."""
    duplicates: File | None
    """Samples that repeat those of another run, and have no row."""
    rows_by_culture: Counts
    answers: int
    """Different answers in the rows: texts of the answering statements. A letter or a label before one makes no other
    answer."""
    rows_by_provenance: Origins | None
    """By where the content of the answer comes from, of pairs the chosen one's; None for whole dialogues."""
    left_out: Counts
    """Reason -> number of samples, answers, pairs or dialogues without a row."""
    train_share: float | None
    held_out_seeds: list[str]
    reviews: ReviewSummary
    labels: LabelSummary | None = None
    """By what answers are preferred or labelled; None for other rows, and for pairs by stance."""
    evaluations: list[EvaluationEntry] = []  # noqa: RUF012 - frozen
    """Those whose answers are in the rows."""
    shares: dict[str, dict[str, float]] = {}  # noqa: RUF012 - frozen
    """`culture`, `shape` -> name -> the share that was asked for; without those that come as they are."""
    warranties: list[Warranty]
    """Of each run or selection what is known of its error rate, without those of which nobody has judged a random
    sample. Empty for pairs and whole dialogues."""
    by_hand: ByHandOrigins
    notes: list[Stored]
    beside: list[OtherFile]
    """Descriptions of the files for other programs."""
    card: OtherFile | None = None
    """None until the card is written, which is made from all other fields."""

    @property
    def rows(self) -> int:
        return sum(self.rows_by_culture.values())

    @property
    def languages_of_rows(self) -> list[str]:
        """All languages that rows can be in."""
        if self.language == DEFAULT_LANGUAGE:
            return [DEFAULT_LANGUAGE]
        rendered = {DEFAULT_LANGUAGE} if self.renderings and self.renderings.made else set()
        asked = (one.languages for one in self.evaluations)
        return sorted(rendered.union(*(run.languages or [run.language] for run in self.runs), *asked))

    @property
    def of_dialogues(self) -> bool:
        return self.rows_are == "dialogues"

    @property
    def file_names(self) -> list[str]:
        """Names of all files except card and manifest."""
        names = [name for file in self.files for name in file.names]
        names += [file.name for file in self.settings]
        names += [self.duplicates.name] if self.duplicates else []
        return names + [file.name for file in self.beside]

    def as_text(self) -> str:
        return json.dumps(self.as_json(), indent=2, ensure_ascii=False) + "\n"


# --- notes -----------------------------------------------------------------------------------------


FAR = 0.05
"""From here on the share of rows that train is far from the one asked for."""


def remarks(
    source: Source,
    wanted: Wanted,
    held: frozenset[str],
    tally: Tally,
    files: Sequence[File],
) -> Iterator[str]:
    """Yield notes for the user and for readers of the card."""
    total = tally.by_culture.total()
    if wanted.train_share is not None and not held:
        yield "all rows come from one seed: nothing is held out, since a question must not stand on both sides"
    if held:
        trains = tally.by_half["train"]
        share = trains / total
        asked = f", of {wanted.train_share:.0%} asked for" if abs(share - (wanted.train_share or 0)) > FAR else ""
        yield f"{trains} of {total} rows train ({share:.0%}{asked}): whole questions are held out"
        if count := source.left_without[LEAK]:
            how = "word for word" if wanted.dialogues else "in the same words or nearly"
            yield (
                f"{counted(count, 'row', 'rows')} of held-out questions validate nothing and are left out: train has "
                f"their answer under another question, {how}"
            )
        if not tally.by_half["validation"]:
            yield "nothing is left to validate on"
    originals, answers = total - tally.beside, len(tally.original_answers)
    if originals > 2 * answers:
        told = f"{originals} rows have only {counted(answers, 'distinct answer', 'distinct answers')}"
        yield f"{told}, their English not counted" if tally.beside else told
    if wanted.dialogues and len(source.runs) > 1:
        yield (
            "whole dialogues are not deduplicated across runs: "
            f"{source.repeated_dialogues} rows have word for word the messages of another run's"
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
    if count := source.left_without[TWIN]:
        yield f"{counted(count, 'row is', 'rows are')} left out: in reviewers' wording another row says the very same"
    for why in (NO_ENGLISH, DIFFERENT, REWORDED):
        if count := source.left_without[why]:
            lost = ("row stands", "rows stand") if wanted.language == BOTH else ("row is", "rows are")
            yield f"{counted(count, *lost)} {'alone' if wanted.language == BOTH else 'left out'}, {why}"
    for why, what, option in ((OTHER_SHAPE, "shapes", "shape"), (OTHER_CULTURE, "cultures", "culture")):
        if count := source.left_without[why]:
            named = wanted.shape_mix if option == "shape" else wanted.culture_mix
            which = f"that --{option}-mix does not name" if named else f"that --format {wanted.form} does not hold"
            yield f"{counted(count, 'row is', 'rows are')} left out, of {what} {which}"
    axes = wanted.mix.axes
    if count := source.left_without[f"{OVER_SHARE} {axes}"]:
        of = " and ".join(f"--{axis}-mix" for axis in axes.split(" and "))
        plural = axes.replace("shape", "shapes").replace("culture", "cultures")
        yield f"{counted(count, 'row is', 'rows are')} left out, so that the {plural} have the shares of {of}"
    if absent := sorted(set(wanted.shape_mix) - source.shapes):
        yield f"--shape-mix: there are no rows of the shape {', '.join(absent)}"
    for why in (MADE_UP, OF_UNKNOWN_ORIGIN):
        if count := source.left_without[why]:
            yield f"{counted(count, 'sample is', 'samples are')} left out by --grounded: {why}"
    for why in UNFIT.values():
        if count := source.left_without[why]:
            lost = ("answer is", "answers are") if wanted.basis == STANCE else ("row is", "rows are")
            yield f"{counted(count, *lost)} left out, {why}"
    what = "dialogues that are done" if wanted.dialogues else "kept samples"
    for culture in wanted.cultures:
        if not tally.by_culture[culture]:
            yield f"no {what} of {culture}: no file for it"
    if count := source.left_without["duplicate"]:
        yield f"{count} samples of one run say what those of another say, and are left out: see {DUPLICATES}"
    if count := source.left_without[NEVER_ANSWERED]:
        yield f"{count} perspectives are left out, of people who never answered anything"
    if source.corrections:
        summary = review_summary(source, wanted, tally)
        yield (
            f"{summary.reviews} reviews by {counted(len(summary.reviewers), 'person', 'people')}: "
            f"{counted(summary.rejected, 'row is', 'rows are')} left out as rejected, "
            f"{counted(summary.corrected, 'has', 'have')} corrected wording; {MANIFEST} names each correction"
        )
    if wanted.takes_rated:
        yield from remarks_on_labels(source, wanted, tally)
    if wanted.basis == STANCE:
        if any(edition.scenario.distill.checks for edition in source.editions.values()):
            yield (
                "rejected answers that go against their speaker's stance were never put to the checks (harmlessness, "
                "awareness); chosen ones have passed them"
            )
        kept = source.counted(exports.kept_counts, (), source.selection).total()
        others = kept - source.counted(exports.kept_counts, exports.ANSWERS, source.selection).total()
        yield (
            f"{total} pairs; {source.left_without['no contrast']} answers found no contrast, and {others} kept samples "
            "(norms, customs) answer no question that others were asked too"
        )
    for file in files:
        if isinstance(file, RowsFile) and file.rows < wanted.format.fewest:
            yield f"{file.name} has {file.rows} rows; {wanted.format.read_by} wants at least {wanted.format.fewest}"


def remarks_on_labels(source: Source, wanted: Wanted, tally: Tally) -> Iterator[str]:
    """Yield notes on whose preferences or labels the rows have, and how even the labels are."""
    if judges := sorted(name for name in tally.raters if not name.startswith(PERSON)):
        yield (
            f"{counted(tally.by_whom['models'], 'row rests', 'rows rest')} on ratings by models alone "
            f"({', '.join(judges)}); no person has rated {'both answers' if wanted.format.pairs else 'these answers'}"
        )
    if wanted.basis == VERDICTS:
        yield (
            "the labels are verdicts of the models that verified the rows, not judgements of people: a good answer is "
            "one that was kept, a bad one was dropped for what it says"
        )
    if suites := sorted({entry.suite for entry in evaluation_entries(source)}):
        yield (
            f"the rows are answers to {', '.join(suites)}: a model that is trained on them cannot be evaluated on the "
            "same questions"
        )
    good, bad = tally.by_label[True], tally.by_label[False]
    if not wanted.format.labels:
        return
    if not (good and bad):
        yield f"all {good + bad} answers are {'good' if good else 'bad'}: KTO learns little from labels of one kind"
    elif not LEAST_GOOD <= good / bad <= MOST_GOOD:
        lighter = f"desirable_weight={bad / good:.2f}" if good < bad else f"undesirable_weight={good / bad:.2f}"
        yield f"{good} answers are good and {bad} bad; with {lighter} TRL's KTOTrainer weighs both sides alike"


def label_summary(source: Source, wanted: Wanted, tally: Tally) -> LabelSummary | None:
    if not wanted.takes_rated:
        return None
    scale, asked = source.scale, wanted.labels
    distance = asked.least_difference if wanted.format.pairs else asked.least_distance
    return LabelSummary(
        basis=str(wanted.basis),
        scale=scale.name if scale else None,
        least=scale.least if scale else None,
        most=scale.most if scale else None,
        margin=distance if wanted.basis == RATINGS else None,
        threshold=asked.threshold,
        people=sum(name.startswith(PERSON) for name in tally.raters),
        judges=sorted(name for name in tally.raters if not name.startswith(PERSON)),
        rows_by_people=tally.by_whom["people"],
        rows_by_models=tally.by_whom["models"],
        good=tally.by_label[True] if wanted.format.labels else None,
        bad=tally.by_label[False] if wanted.format.labels else None,
    )


def evaluation_entries(source: Source) -> list[EvaluationEntry]:
    found = []
    for row in source.evaluations:
        run, suite = source.look.get_one(RunRow, row.run_id), source.look.get_one(SuiteRow, row.suite_id)
        definition = json.loads(suite.definition)
        card = definition.get("card") or {}
        found.append(
            EvaluationEntry(
                evaluation=row.id,
                suite=suite.id,
                title=str(definition.get("title") or suite.name),
                licence=str(card.get("licence") or "not stated"),
                model=row.model,
                languages=languages_asked(source.look, row.id),
                culturepark=run.version,
                created_at=row.created_at,
            )
        )
    return found


def shares_of(mix: Mix) -> dict[str, dict[str, float]]:
    asked = {"culture": dict(mix.of_cultures), "shape": {str(name): share for name, share in mix.of_shapes.items()}}
    return {axis: shares for axis, shares in asked.items() if shares}


def review_summary(source: Source, wanted: Wanted, tally: Tally) -> ReviewSummary:
    reviews = {review.id: review for review in source.corrections.given()}
    return ReviewSummary(
        reviewers=sorted({review.reviewer for review in reviews.values()}),
        reviews=len(reviews),
        rejected=rejected_by(source, wanted),
        corrected=len(tally.corrected),
        corrections=[
            Correction(id=row_id, review=review.id, reviewer=review.reviewer)
            for row_id, given in tally.corrected.items()
            for review in given
        ],
    )


def rejected_by(source: Source, wanted: Wanted) -> int:
    """Count the rows, or with pairs the answers, that are missing because reviewers rejected them."""
    if wanted.dialogues:
        return source.left_without[REJECTED_TURN]
    if wanted.takes_rated:  # what reviewers rejected is in the rows as such
        return source.left_without[REJECTED]
    shapes = exports.ANSWERS if wanted.format.pairs else ()
    asked = (wanted.cultures, shapes, source.selection)
    kept_out = sum(exports.rejected_count(source.look, run.id, *asked) for run in source.runs)
    return kept_out + source.left_without[REJECTED]


def counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


# --- runs, people, versions ------------------------------------------------------------------------


def run_entry(source: Source, wanted: Wanted, run: RunRow, checks: Checks) -> RunEntry:
    scenario = source.editions[run.id].scenario
    spoken = languages_of(source.editions[run.id])
    wordings = [load_language(code).wordings_digest for code in spoken]
    if wanted.dialogues:
        seed_keys = set(exports.done_counts(source.look, run.id, wanted.cultures))
    else:
        seed_keys = set(exports.kept_counts(source.look, run.id, wanted.cultures, (), source.selection))
    return RunEntry(
        run=run.id,
        scenario=run.scenario_name,
        scenario_digest=run.scenario_digest,
        title=scenario.title,
        setting=scenario.setting,
        protocol=scenario.protocol,
        language=spoken[0] if len(spoken) == 1 else SEVERAL_LANGUAGES,
        languages=list(spoken),
        status=run.status,
        seed=run.seed,
        culturepark=run.version,
        created_at=run.created_at,
        models=json.loads(run.models),
        branched=[branched(source.look, branch) for branch in exports.branches(source.look, run.id)],
        prompts=exports.prompt_digests(source.look, run.id) | {"samples": wordings},
        policy=scenario.distill,
        questions=len(seed_keys),
        sources=sorted({seed.item.source for seed in scenario.seeds if seed.item and seed.key in seed_keys}),
        **dict(funnel(source.look, run)),
        checks=checks,
        duplicates=duplicate_rule(source, run),
    )


def rendering_counts(source: Source) -> RenderingCounts:
    found = [rendered_of(source.look, run.id) for run in source.runs]
    made = [counts for counts in found if counts]
    return RenderingCounts(
        made=sum(counts.made for counts in made),
        compared=sum(counts.compared for counts in made),
        agreed=sum(counts.agreed for counts in made),
    )


def branched(look: exports.Look, branch: DialogueRow) -> Branched:
    models: dict[str, set[str]] = defaultdict(set)
    digests: dict[str, set[str]] = defaultdict(set)
    for turn_role, stage, digest, specs in exports.copied_calls(look, branch):
        role = "moderator" if turn_role == "moderator" else "speaker"
        models[role].add(str(json.loads(specs).get(role)))
        digests[stage].add(digest)
    return Branched(
        dialogue=branch.id,
        parent=branch.parent_id or "",
        branched_at=branch.branched_at or 0,
        models={role: sorted(specs) for role, specs in sorted(models.items())},
        prompts={stage: sorted(of_stage) for stage, of_stage in sorted(digests.items())},
    )


def duplicate_rule(source: Source, run: RunRow) -> DuplicateRule:
    by_method = repeats(source.look, run.id)
    planned = method_of(str(json.loads(run.models).get("embedder")))
    # Without its weights an encoder is replaced by the lexical method; the rows say which it was.
    method = next((known for known in THRESHOLDS if known in by_method), planned)
    edition = source.editions[run.id]
    threshold = threshold_of(run, edition) or round(band(method, languages_of(edition)[0])[1], 4)
    return DuplicateRule(method=method, threshold=threshold, by_method=by_method)


def people_in(source: Source, tally: Tally) -> list[Person]:
    """Return the personas whose words are answers, by culture and key; a card that was changed is a second person."""
    rows: Counter[Person] = Counter()
    for (run_id, key), count in sorted(tally.by_persona.items()):
        persona = source.editions[run_id].persona(key)
        if persona.nobody:
            continue
        card = Person(
            persona=key,
            name=persona.name,
            culture=persona.culture,
            place=f"{persona.place}, {persona.country_name}",
            country=persona.home,
            role=persona.role,
            scope=persona.scope,
            rows=0,
        )
        rows[card] += count
    people = [card.model_copy(update={"rows": count}) for card, count in rows.items()]
    return sorted(people, key=lambda person: (person.culture, person.persona))


def people_from(source: Source, tally: Tally) -> list[PeopleFrom]:
    """Return the origins of the personas whose words are answers, those with cards of their own first."""
    people: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    rows: Counter[tuple[str, str | None]] = Counter()
    writers: dict[tuple[str, str | None], set[str]] = defaultdict(set)
    for (run_id, key), count in tally.by_persona.items():
        card = source.editions[run_id].persona(key).source
        origin = (card.name, card.licence) if card else (CARDS, None)
        people[origin].add(key)
        rows[origin] += count
        if card and card.completed_by:
            writers[origin].add(card.completed_by.partition(", call ")[0])
    return [
        PeopleFrom(
            name=origin[0],
            licence=origin[1],
            completed_by=sorted(writers[origin]),
            people=len(people[origin]),
            rows=rows[origin],
        )
        for origin in sorted(people, key=lambda origin: (origin[1] is not None, origin[0], origin[1] or ""))
    ]


def versions(wanted: Wanted) -> dict[str, str]:
    libraries = [*LIBRARIES, *(["pyarrow"] if wanted.parquet else [])]
    return {"culturepark": __version__, "python": platform.python_version()} | {
        name: metadata.version(name) for name in libraries
    }
