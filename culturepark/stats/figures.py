"""The figures of a run, typed: `culturepark stats --json` prints `RunStats`, in the order of its fields.

The screen, the report page, the summary of a run and the card of an export read these. Unknown is None, never 0.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SkipValidation

from culturepark.dialogue.casting import Skip
from culturepark.domain import JsonObject

Counts = dict[str, int]
"""Name -> count."""
Outcome = Literal["fine", "collapsed", "unknown"]
Stored = Annotated[str, SkipValidation]
"""Text as the store holds it: the path of a model may have bytes that are no UTF-8."""
Rounded = Annotated[float, AfterValidator(lambda figure: round(figure, 4))]
"""Four places: more would only show that figures differ between machines."""
SKEWED = 0.05
"""A distance from the survey that chance alone reaches this often or less is marked as skewed."""


class Figures(BaseModel):
    """Frozen; `as_json` gives plain values with the names of the fields as keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    def as_json(self) -> JsonObject:
        return self.model_dump(by_alias=True)


# --- from turns to samples -------------------------------------------------------------------------


class Turns(Figures):
    personas: int
    """Spoken by personas; the steps below start from these."""
    moderator: Counts
    """By origin: a model's own, a fixed cue, a fixed follow-up."""
    user: int
    """Typed in a `culturepark talk`."""


class RenderingCounts(Figures):
    """Statements that a model put into English."""

    made: int
    compared: int
    """With the original, by a second call that told a wrong pair from right ones."""
    agreed: int
    """Of those that were compared."""


class Statements(Figures):
    total: int
    by_kind: Counts
    reworded: int
    rejected: Counts
    """Passages that were proposed and not taken, by reason."""
    renderings: Annotated[RenderingCounts | None, Field(exclude_if=lambda counts: counts is None)] = None
    """None where all is in English."""


class Origins(Figures):
    """Where the content of some rows comes from; together they are all of them."""

    card: int
    """From a line of the speaker's card."""
    episode: int
    """From a scene on the card."""
    model: int
    """Made up by the model that spoke: no line of the card carries it."""
    unknown: int
    """Nobody has looked, as in runs of older versions."""
    shares: dict[str, Rounded]
    """The same as shares of all; empty where there are none."""

    @property
    def total(self) -> int:
        return self.card + self.episode + self.model + self.unknown


class OriginsBy(Figures):
    all: Origins
    by_kind: dict[str, Origins]
    """By kind of statement."""
    by_culture: dict[str, Origins]


class Provenances(Figures):
    statements: OriginsBy
    samples: OriginsBy
    """Of kept samples; of two statements in one, the less sure one counts."""


class Answered(Figures):
    """What came of one question about the rows that statements would make."""

    asked: int
    """Statements of which it was asked: those that may make some row, where there is such a question."""
    kept: int
    """Answered with yes."""
    turned_down: int
    unread: int
    """No answer could be read; these are not kept either."""
    share: Rounded | None
    """Kept of those whose answer could be read."""
    low: Rounded | None
    """Lower end of Wilson's 95% interval of the share."""
    high: Rounded | None

    @property
    def turned_down_share(self) -> float | None:
        return None if self.share is None else 1 - self.share


class RowQuestion(Answered):
    null: Rounded | None
    """The share that guessing alone would have; None where there is no such thing."""
    by_country: dict[str, Answered]
    """By country of the speaker (ISO 3166 alpha-3). Turned down by `distinctive` is generic."""


RowQuestions = dict[str, RowQuestion]
"""By criterion; empty where no question was asked, as in runs of older versions."""


class Samples(Figures):
    kept: int
    answers: int
    """Different answers among them: texts of the answering statements, however often each is asked for."""
    dropped: Counts
    """By reason, the most frequent first; rejected by reviewers is `review`."""
    kept_by_kind: Counts
    kept_by_culture: Counts


class Funnel(Figures):
    """The counts of each step from dialogues to samples."""

    dialogues: Counts
    """By status."""
    turns: Turns
    statements: Statements
    provenance: Provenances
    verdicts: dict[str, Counts]
    """Criterion -> relation -> how many verdicts."""
    row_questions: RowQuestions
    samples: Samples


class ScoreAgreement(Figures):
    krippendorff_alpha: float | None
    statements: int
    """Statements with at least two scores."""


class PanelCheck(Figures):
    """A check in which judges give scores."""

    statements: int
    """Statements that were put to the check."""
    kept: int
    mean_by_judge: dict[str, float]
    """Mean score, 1 to 5."""
    agreement: ScoreAgreement


class CrossCheck(Figures):
    """The check that asks a second persona of the same culture."""

    statements: int
    kept: int
    answers: Counts
    not_asked: int
    """Norms and customs that had passed so far, with nobody else to ask."""


Checks = dict[str, PanelCheck | CrossCheck]
"""By criterion; empty where the scenario has no checks."""


class ModelSlips(Figures):
    speeches: int
    """Turns that the model spoke for personas, in dialogues that were looked through."""
    with_slips: int
    """Speeches with a slip of any kind."""
    by_kind: Counts


class SlipCounts(Figures):
    """Slips that the verifier found after the talks. How often it is wrong is not known."""

    dialogues: int
    examined: int
    """Dialogues that were looked through; the figures below are of these alone."""
    too_small: int
    """Dialogues that were not, because the verifier's model is too small."""
    unread: int
    """Dialogues about some turns of which no answer could be read."""
    speeches: int
    with_slips: int
    by_kind: Counts
    by_model: dict[Stored, ModelSlips]
    """By the name of the model that spoke."""


class Duplicates(Figures):
    threshold: float | None
    """Cosine similarity from which statements were compared; None for the method's own."""
    by_method: Counts


# --- reviews ---------------------------------------------------------------------------------------


class ReviewerPair(Figures):
    reviewers: list[str]
    cohen_kappa: float | None
    subjects: int
    """Judged by both."""


class ReviewerAgreement(Figures):
    krippendorff_alpha: float | None
    subjects: int
    """Judged by two or more."""
    pairs: list[ReviewerPair]


class ReviewerAgreements(Figures):
    decisions: ReviewerAgreement
    ratings: ReviewerAgreement


class ReviewCounts(Figures):
    """Standing reviews: each reviewer's newest on a subject, if it was not taken back."""

    total: int
    subjects: int
    by_reviewer: Counts
    by_decision: Counts
    corrections: int
    """Reviews with a wording."""
    agreement: ReviewerAgreements | None
    """None if there are fewer than two reviewers."""


class ErrorRate(Figures):
    """The share of wrong rows, from a random sample of them that people judged."""

    judged: int
    wrong: int
    """Rejected, or worded anew."""
    unjudged: int
    """Rows of the sample that nobody judged. They count as right in `low` and as wrong in `high`."""
    rate: float | None
    """Of the judged rows; None without any."""
    low: float
    high: float
    """Bounds of the 95% interval for all rows that could have been drawn; equal once all of them are judged."""


class RowsJudgedTwice(Figures):
    rows: int
    """Rows that two people or more have judged."""
    agreed: float
    """Share of pairs of their judgements, right or wrong, that are the same."""
    by_chance: float
    """The share that would be the same by chance."""
    krippendorff_alpha: float | None
    """None where too little was judged twice, or where all judgements are the same."""


class Warranty(Figures):
    """What is known of the error rate of a run or selection because people judged a random sample of its rows."""

    over: str
    """Id of the run or selection."""
    draw: str
    drawn_at: str
    seed: int
    population: int
    """Rows from which the sample was drawn; with `--culture` and the like, all the same."""
    drawn: int
    """Rows that were drawn, and are among those that are asked about."""
    counted: int
    """Of these, from the first on, the rows that the rate is from: at least nine in ten of them are judged."""
    reviewers: int
    rows: ErrorRate
    by_culture: dict[str, ErrorRate]
    by_shape: dict[str, ErrorRate]
    by_provenance: dict[str, ErrorRate]
    judged_twice: RowsJudgedTwice | None
    unjudged: list[str]
    """Ids of the counted rows that nobody judged."""


# --- calls -----------------------------------------------------------------------------------------


class Calls(Figures):
    total: int
    failed: int
    unheard: int
    """Sent, and stopped before the answer was heard; they may have been billed."""
    refused_by_guard: Counts
    """Answers that were turned down and asked for again, by reason."""
    by_stage: Counts
    batched: int = 0
    """Sent in batches, at half the price."""


class Tokens(Figures):
    prompt: int
    cached: int
    """Prompt tokens that were cached."""
    cached_share: dict[str, Rounded | None]
    """Stage -> the share of its prompt tokens that were cached; `dialogue` is that of speakers, and of the moderator,
    whose prompts are few and short. None where no server told."""
    completion: int
    reasoning: int
    """Completion tokens that were thoughts, as far as servers report them."""


class Endpoint(Figures):
    """The parts of a request that one model at an endpoint takes, after it has refused some."""

    endpoint: Stored
    model: Stored
    takes: dict[str, Any]
    """Name -> value, as in the table `ability`."""


# --- stances and the survey ------------------------------------------------------------------------


class SurveyDistance(Figures):
    """The distance of stances from the survey's shares, and the distance that chance alone brings."""

    answers: int
    """Number of answers."""
    jsd: Rounded
    """Jensen-Shannon divergence, base 2: 0 the same, 1 nothing in common."""
    expected: Rounded
    """Mean divergence by sampling alone."""
    chance: Rounded
    """p-value: how often sampling alone leads at least as far, 0 to 1."""

    @property
    def skewed(self) -> bool:
        return self.chance <= SKEWED

    @property
    def beyond_chance(self) -> float:
        return self.jsd - self.expected


class SurveyDistances(Figures):
    drawn: SurveyDistance | None
    """Stances as they were drawn."""
    kept: SurveyDistance | None
    """Stances behind kept samples of opinions."""


class StanceAnswer(Figures):
    """One answer of a survey item in one country."""

    code: int
    label: str
    drawn: int
    """Delegates who were given it."""
    expected: float
    """Number of delegates by the survey's share."""
    share: float
    kept: int
    """Samples that tell an opinion of somebody who holds it."""


class StanceCell(Figures):
    """The stances of one country's delegates on one survey item."""

    seed: str
    country: str
    drawn: int
    answers: list[StanceAnswer]
    kept: int
    fit: SurveyDistance
    kept_fit: SurveyDistance | None


# --- variety ---------------------------------------------------------------------------------------


class StatementCounts(Figures):
    accepted: int
    """Passed verification."""
    kept: int
    """Have a kept sample."""
    repeats: int
    """Accepted ones that say again what their culture has said."""
    echoes: int
    """Accepted ones that another person of the culture made too."""


class People(Figures):
    cast: int
    """Sat in a finished dialogue."""
    heard: int
    """Have a kept statement."""
    share: Rounded | None
    """Heard of cast."""
    effective: Rounded
    """Effective number of people behind the kept statements (`diversity.effective_number`)."""
    effective_share: Rounded | None


class WordVariety(Figures):
    words: int
    hdd: Rounded | None
    distinct_2: Rounded | None


class MeaningVariety(Figures):
    distance: Rounded | None
    distance_within_seed: Rounded | None
    vendi: Rounded | None
    vendi_within_seed: Rounded | None


class DiversityGain(Figures):
    over_seeds: Rounded | None
    over_other_cultures: Rounded | None


class SharedStatements(Figures):
    share: Rounded
    """Accepted statements that speakers of another culture made too."""


class SharedWith(SharedStatements):
    by_culture: dict[str, Rounded] = Field(alias="with")


class Check(Figures):
    """A check for one of the ways in which many voices can be one."""

    name: str
    outcome: Outcome
    value: Rounded | None
    limit: Rounded | None
    text: str
    """The finding in words."""


class Collapse(Figures):
    """The verdict whether a group speaks with one voice."""

    verdict: Outcome
    too_few: bool
    """Too few statements to say."""
    reasons: list[str]
    """Findings that speak for one voice."""
    open: list[str]
    """Findings of checks that are undecided."""
    checks: list[Check]


class Variety(Figures):
    """The variety of a group of people: the whole run, or one culture."""

    statements: StatementCounts
    personas: People
    lexical: WordVariety
    semantic: MeaningVariety | None
    """None, like `diversity_gain` and `shared`, where the vectors of the statements are not known."""
    diversity_gain: DiversityGain | None

    @property
    def repeated_share(self) -> float | None:
        counts = self.statements
        return counts.repeats / counts.accepted if counts.accepted else None

    @property
    def distance_within_seed(self) -> float | None:
        return self.semantic.distance_within_seed if self.semantic else None

    @property
    def gain_over_seeds(self) -> float | None:
        return self.diversity_gain.over_seeds if self.diversity_gain else None


class RunVariety(Variety):
    shared: SharedStatements | None
    collapse: Collapse


class CultureVariety(Variety):
    stances: SurveyDistances
    shared: SharedWith | None
    collapse: Collapse


Group = RunVariety | CultureVariety


class VectorsKnown(Figures):
    """The number of accepted statements with a sentence vector in the store."""

    embedder: Stored
    known: int
    of: int


class Representation(Figures):
    note: str
    run: RunVariety
    cultures: dict[str, CultureVariety]
    vectors: VectorsKnown


# --- talks -----------------------------------------------------------------------------------------


class Measured(Figures):
    """A measure of dialogues (`stats.talks.Measures` says which), averaged over them, beside its null."""

    value: Rounded
    low: Rounded | None
    """Lower end of the 95% interval by bootstrap over dialogues; None with fewer than five."""
    high: Rounded | None
    null: Rounded | None
    """What it would be without what it measures; None where there is no such thing."""
    beyond_null: bool | None
    """Whether figure and null can be told apart: the 95% interval of their difference leaves out 0."""
    dialogues: int
    """Dialogues that have it."""


class ProbeFigures(Figures):
    """Answers of models to one question that measures talks."""

    kind: str
    moment: str
    asked: int
    right: int
    """Answers that could not be read are not right."""
    unread: int
    share: Rounded
    low: Rounded
    """Lower end of Wilson's 95% interval."""
    high: Rounded
    chance: Rounded | None
    """Share that is right without the talk: by the country's most frequent answer, or by guessing."""


class Talks(Figures):
    dialogues: int
    """Dialogues that were measured: all finished ones, or some that were drawn."""
    of: int
    """Finished dialogues."""
    speeches: int
    """Turns of personas in them."""
    questions: int
    """Questions in them that were put to one person."""
    examined: int
    """Dialogues of them whose turns were examined for slips."""
    measures: dict[str, Measured]
    """By name; measures without anything to measure are left out."""
    probes: list[ProbeFigures]
    """Of all dialogues."""


Verdict = Literal["higher", "lower", "not told apart", "too few to say"]
PairedBy = Literal["question, people and answers", "question and people", "nothing"]


class Difference(Figures):
    """A measure of a run less that of the first run."""

    value: Rounded
    low: Rounded | None
    """Lower end of the 95% interval, by bootstrap over pairs of dialogues, or over those of both runs; None with fewer
    than five."""
    high: Rounded | None
    pairs: int
    """Pairs of dialogues that it is the mean of; 0 where the runs are compared as wholes."""
    verdict: Verdict


class ComparedRun(Figures):
    run: str
    paired_by: PairedBy
    """What its dialogues have in common with those of the first run."""
    pairs: int
    """Pairs of dialogues; for the first run, as many as it has."""
    talks: Talks
    """With what turns and speeches cost among the measures."""
    differences: dict[str, Difference]
    """By measure; empty for the first run."""


class Comparison(Figures):
    differ: dict[str, list[Stored]]
    """What is not the same in all runs: name -> value of each run."""
    alike: dict[str, Stored]
    """What is."""
    runs: list[ComparedRun]


# --- the run ---------------------------------------------------------------------------------------


class RunStats(Figures):
    run: str
    scenario: str
    status: str
    stop_reason: Stored | None
    models: dict[str, Stored]
    """By role."""
    seed: int
    created_at: str
    finished_at: str | None
    dialogues: Counts
    skipped: list[Skip]
    dialogue_stop_reasons: Counts
    turns: Turns
    slips: SlipCounts
    statements: Statements
    provenance: Provenances
    verdicts: dict[str, Counts]
    row_questions: RowQuestions
    checks: Checks
    duplicates: Duplicates
    samples: Samples
    reviews: ReviewCounts
    warranty: Warranty | None
    """None if nobody has judged a random sample of the run's rows."""
    calls: Calls
    tokens: Tokens
    endpoints: list[Endpoint]
    cost_usd: float | None
    """Sum over calls with a known price."""
    unpriced_calls: int
    stances: list[StanceCell]
    representation: Representation
    talks: Talks | None
    """None where no dialogue is finished."""
