"""Turns statements into fine-tuning samples: which rows come of them, and what each says. Pure.

The first person is the speaker's own sentence, or the extractor's, which the verifier accepted. A row stands only under
a prompt that its answer answers. No word inside a sentence is ever replaced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256

from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.stance import option_reached, side_taken, unit
from culturepark.distill import dedup
from culturepark.distill.shares import thinned, wanted_shape
from culturepark.distill.slips import FLAG as UNFOUNDED
from culturepark.distill.wordings import Wordings, form_of, reasoned_answer, survey_answer, who_answers
from culturepark.domain import (
    DEFAULT_LANGUAGE,
    Casting,
    Criterion,
    LanguageCode,
    Participant,
    Provenance,
    Relation,
    Sample,
    Scenario,
    Shape,
    Statement,
)
from culturepark.ids import dialogue_of
from culturepark.languages import load_language

REASONS: dict[tuple[str, Relation], str] = {
    ("faithful", "contradict"): "unfaithful",
    ("faithful", "irrelevant"): "unfaithful",
    ("faithful", "unparsable"): "unparsable",
    ("stance", "unparsable"): "unparsable",
    ("stance", "contradict"): "contradicts-stance",
    ("stance", "irrelevant"): "irrelevant-to-stance",
    ("stance", "entail"): "entails-stance",
}
AS_PUBLISHED, GENERIC, UNGROUNDED = "as-published", "generic", "ungrounded"
SHAPE_SHARE = "shape-share"
"""Reason of rows that go so that shapes have their shares."""
CHECKS: tuple[Criterion, ...] = ("harmlessness", "awareness", "cross-check")

AFTER_VERIFYING = (
    "before-the-question", "answers-nothing", "picked", "duplicate", "same-words", SHAPE_SHARE, "review",
)  # fmt: skip
"""Reasons why samples of a statement that passed verification may still not be kept."""
FREE: tuple[Shape, ...] = ("own", "open", "situation", "norm")
"""Shapes in which a statement is told; where shares are wanted, it gets one of them, and one of the others at most."""
NUMBERS: dict[Shape, int] = {
    "survey": 1, "norm": 1, "open": 2, "own": 3, "situation": 4, "limit": 5, "contrast": 6, "decline": 7,
    "reasoned": 8,
}  # fmt: skip
"""The number of each shape in the ids of samples, whatever else is made of the statement. A survey answer comes of an
opinion, and `norm` of a norm or custom, so no statement has both."""
CHOSEN: tuple[Shape, ...] = ("survey", "reasoned")
"""Shapes that name an option of the survey item."""
SURENESS: tuple[Provenance, ...] = ("card", "episode", "model")

ANSWERED_BY: dict[Shape, Criterion] = {"own": "answers", "situation": "answers-case"}
"""The criterion that a statement must meet for sure to be told in a shape."""

Verdicts = Mapping[str, tuple[Relation, str]]
"""Criterion -> relation and decision."""


def shapes(statement: Statement, casting: Casting, wanted: Collection[Shape]) -> list[Shape]:
    """Return the wanted shapes that a statement may have by itself, before anything is known of what it answers."""
    if statement.kind == "opinion" and statement.about == "case" and casting.situation:
        # Readers found that it cannot be understood under another prompt: fifty rows, docs/rows.md.
        return [shape for shape in dict.fromkeys(wanted) if shape == "situation"]
    fitting: set[Shape] = {"open" if statement.kind == "opinion" else "norm"}
    if statement.kind == "opinion" and casting.by_key(statement.persona_key).stance and casting.seed.item:
        fitting |= {"survey", "reasoned"}
    if statement.question:
        fitting.add("own")
    if casting.situation and statement.about != "else":
        fitting.add("situation")
    if statement.exception:
        fitting.add("limit")
    if statement.unlike:
        fitting.add("decline")
    return [shape for shape in dict.fromkeys(wanted) if shape in fitting]


def drop_reason(
    verdicts: Verdicts,
    keep: Sequence[str],
    is_duplicate: bool,
    flags: str = "",
    *,
    drops_generic: bool = False,
) -> str | None:
    """Return why nothing is kept of a statement; None if something may be.

    Args:
        keep: relations to the stance that the scenario keeps.
        drops_generic: whether what would pass for most other countries is not kept.
    """
    if AS_PUBLISHED not in flags.split():
        if "faithful" not in verdicts:
            return "not-verified"
        for criterion in ("faithful", "stance"):
            relation, decision = verdicts.get(criterion, ("entail", "keep"))
            if decision != "keep" and not takes_no_side(verdicts, criterion):
                wanted = keep if criterion == "stance" else ("entail",)
                return "unsure" if relation in wanted else REASONS[criterion, relation]
    for criterion in CHECKS:
        relation, decision = verdicts.get(criterion, ("entail", "keep"))
        if decision != "keep":
            return "undecided" if relation == "unparsable" else criterion
    if found(verdicts, "stands-alone") is False:
        return "not-alone"
    if drops_generic and GENERIC in flags.split():
        return GENERIC
    return "duplicate" if is_duplicate else None


def takes_no_side(verdicts: Verdicts, criterion: Criterion = "stance") -> bool:
    """Return whether a view takes no side on the seed's question: it is no answer to it, but may be one to another."""
    relation, _ = verdicts.get("stance", (None, ""))
    return criterion == "stance" and relation == "irrelevant"


def found(verdicts: Verdicts, criterion: Criterion) -> bool | None:
    """Return whether a statement meets a criterion for sure; None where nobody has asked."""
    return verdicts[criterion][1] == "keep" if criterion in verdicts else None


# --- a run --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A statement with all that decides about its samples."""

    statement: Statement
    verdicts: Verdicts
    casting: Casting
    """As it was written (`tongues.told`); `told` is how it reads in the statement's language."""
    phase: str
    """Of its turn."""
    picked: bool = False
    """A small model picked its turn from the card."""
    unfounded: bool = False
    """Its turn tells a rule or custom as a fact that is on no card."""
    said: str | None = None
    """Of a rendering, the speaker's words in the original: its rows are put as those of the original."""

    @property
    def key(self) -> str:
        """What its rows are drawn by: its words and their place, so that they stay when a run is distilled again."""
        statement = self.statement
        return f"{statement.turn_id} {statement.quote_start} {self.said or statement.first_person}"

    @property
    def speaker(self) -> Participant:
        return self.casting.by_key(self.statement.persona_key)

    @property
    def language(self) -> LanguageCode:
        """The one that its rows are in."""
        return self.statement.worded_in

    @cached_property
    def told(self) -> Casting:
        """The plan of its dialogue as it reads in its language."""
        return self.casting.in_language(self.language)

    @property
    def here(self) -> Participant:
        """The speaker as the card reads in its language."""
        return self.told.by_key(self.statement.persona_key)

    @property
    def is_opinion(self) -> bool:
        return self.statement.kind == "opinion"

    def meets(self, criterion: Criterion) -> bool | None:
        return found(self.verdicts, criterion)


@dataclass(frozen=True)
class Planned:
    """A row before it is worded."""

    sample_id: str
    shape: Shape
    item: Judged
    reason: str | None = None
    """Why it is dropped; None if it is kept."""
    beside: Judged | None = None
    """The other statement, where a row is made of two."""
    brief: bool = False
    """A survey answer without a reason."""
    asked: str | None = None
    """The question in the words in which it was mined; None for the seed's own."""

    @property
    def key(self) -> str:
        """What its wording is drawn by."""
        return f"{self.shape} {self.item.key}"


def why_dropped(item: Judged, scenario: Scenario, is_duplicate: bool = False) -> str | None:
    drops = scenario.distill.generic == "drop" and not item.is_opinion
    return drop_reason(item.verdicts, scenario.distill.keep, is_duplicate, flags(item, scenario), drops_generic=drops)


def prompts_of(item: Judged, scenario: Scenario) -> dict[Shape, str | None]:
    """Return the wanted shapes under whose prompt a statement may stand, each with the reason why it is not kept there.

    A shape whose prompt it does not answer is left out. Rows of two statements are not among them.
    """
    statement, asked = item.statement, item.meets("answers-seed")
    fitting: dict[Shape, str | None] = {}
    for shape in shapes(statement, item.casting, scenario.samples):
        reason = "picked" if item.picked and item.is_opinion else None
        if shape in ("survey", "open", "reasoned"):
            if asked is False:
                continue
            if asked is None and not asked_yet(item.phase, scenario.protocol):
                reason = "before-the-question"
            relation, decision = item.verdicts.get("stance", ("entail", "keep"))
            # A survey answer gives a reason for the stance, so it must support it, whatever else the scenario keeps.
            if decision != "keep" or (shape in CHOSEN and relation != "entail"):
                reason = REASONS["stance", relation]
        elif shape == "decline" or (shape in ANSWERED_BY and not item.meets(ANSWERED_BY[shape])):
            continue
        fitting[shape] = reason
    return fitting


def answers_nothing(item: Judged) -> bool:
    """Return whether an opinion answers none of the questions. A rule or custom need not: it is simply asked for."""
    asked = [item.meets(criterion) for criterion in ("answers", "answers-seed", "answers-case")]
    return item.is_opinion and not any(asked) and item.meets("answers-seed") is not None


def rows_of(item: Judged, scenario: Scenario, of_two: Mapping[Shape, Judged] = {}) -> list[Planned]:
    """Return the rows that come of a statement which is not dropped as a whole, some with a reason of their own.

    Args:
        of_two: shape -> the other statement, of the rows that can be made of two.
    """
    if answers_nothing(item):
        told = shapes(item.statement, item.casting, scenario.samples)
        return [planned(item, shape, "answers-nothing") for shape in told if shape in FREE][:1]
    fitting = prompts_of(item, scenario)
    kept = [shape for shape, reason in fitting.items() if reason is None]
    chosen: list[Shape]
    if isinstance(scenario.samples, dict):
        shares = scenario.samples
        free = wanted_shape(shares, [s for s in FREE if s in kept], "free shape", item.key)
        others = [s for s in shares if s not in FREE and (s in kept or s in of_two)]
        other = wanted_shape(shares, others, "other shape", item.key)
        if free and unit("another row", item.key) >= others_for_one(shares):
            other = None
        chosen = [shape for shape in (free, other) if shape]
        if not free and not other:
            chosen = list(fitting)[:1]
    else:
        chosen = [shape for shape in dict.fromkeys(scenario.samples) if shape in fitting or shape in of_two]
    rows = [planned(item, shape, fitting.get(shape), of_two.get(shape)) for shape in chosen]
    return [in_mined_words(row) for row in rows] if scenario.rows_are_questions else rows


def in_mined_words(row: Planned) -> Planned:
    """Return a row that puts the question in the words that were mined, and answers with the option alone."""
    return replace(row, brief=True, asked=row.item.statement.question)


def others_for_one(shares: Mapping[Shape, float]) -> float:
    """Return how many rows of other shapes should come to one of the free ones."""
    free = sum(share for shape, share in shares.items() if shape in FREE)
    return (sum(shares.values()) - free) / free if free else 1.0


def most_rows(scenario: Scenario) -> int:
    """Return the largest number of rows that come of one statement."""
    return 2 if isinstance(scenario.samples, dict) else len(scenario.samples)


def planned(item: Judged, shape: Shape, reason: str | None = None, beside: Judged | None = None) -> Planned:
    return Planned(f"{item.statement.id}.x{NUMBERS[shape]}", shape, item, reason, beside)


def dropped_rows(item: Judged, scenario: Scenario, reason: str) -> list[Planned]:
    """Return the rows of a statement of which nothing is kept: they show what was lost, and why."""
    told = shapes(item.statement, item.casting, scenario.samples)
    told = [shape for shape in told if shape in ("survey", "open", "norm")] or [s for s in told if s != "decline"]
    if isinstance(scenario.samples, dict):
        told = [shape for shape in told if shape != "survey" or len(told) == 1][:1]
    rows = [planned(item, shape, reason) for shape in told]
    return [in_mined_words(row) for row in rows] if scenario.rows_are_questions else rows


def plan(judged: Sequence[Judged], repeated: Collection[str], scenario: Scenario) -> list[Planned]:
    """Return every row of a run, kept or dropped with the reason, before it is worded."""
    reasons = {item.statement.id: why_dropped(item, scenario, item.statement.id in repeated) for item in judged}
    passed = [item for item in judged if reasons[item.statement.id] is None]
    of_two: dict[str, dict[Shape, Judged]] = defaultdict(dict)
    if "contrast" in scenario.samples:
        for one, other in contrasts(passed):
            of_two[one.statement.id]["contrast"] = other
    if "decline" in scenario.samples:
        # What another one says is asked about, and needs no row of its own; so it may be a repetition.
        known = {item.statement.id: item for item in judged if why_dropped(item, scenario) is None}
        for item in passed:
            its = known.get(item.statement.unlike or "")
            if its and its.language == item.language and item.meets("answers-other") is not False:
                of_two[item.statement.id]["decline"] = its
    rows: list[Planned] = []
    for item in judged:
        if reason := reasons[item.statement.id]:
            rows += dropped_rows(item, scenario, reason)
        else:
            rows += rows_of(item, scenario, of_two[item.statement.id])
    return without_reasons(rows)


def contrasts(passed: Sequence[Judged]) -> Iterator[tuple[Judged, Judged]]:
    """Yield pairs of statements of one dialogue in which people of two countries answer the same, each in one pair.

    Both are in one language. A country that is named in the words would give the answer away.
    """
    groups: dict[tuple[str, Criterion, LanguageCode], list[Judged]] = defaultdict(list)
    for item in passed:
        named = item.here.persona.country_name.removeprefix("the ") in item.statement.first_person
        if item.meets("distinctive") and not named and (criterion := asked_in_common(item)):
            groups[dialogue_of(item.statement.turn_id), criterion, item.language].append(item)
    for group in groups.values():
        left = sorted(group, key=lambda item: unit("contrast", item.key))
        while left:
            one = left.pop()
            home = one.speaker.persona.country_name
            other = next((item for item in left if item.speaker.persona.country_name != home), None)
            if other:
                left.remove(other)
                yield one, other


def asked_in_common(item: Judged) -> Criterion | None:
    """Return the criterion by which a statement answers what the whole table was asked: the seed or the case."""
    if item.meets("answers-seed") or (item.meets("answers-seed") is None and item.statement.about == "seed"):
        return "answers-seed"
    by_case = item.meets("answers-case") or (item.meets("answers-case") is None and item.statement.about == "case")
    return "answers-case" if by_case and item.casting.situation else None


def without_reasons(rows: Sequence[Planned]) -> list[Planned]:
    """Let about half of the survey answers that are kept do without their reason: one of each person and question."""
    told: set[tuple[str, str]] = set()
    out = []
    for row in rows:
        if row.shape == "survey" and row.reason is None and not row.asked and unit("brief", row.key) < 0.5:
            whose = (row.item.statement.persona_key, row.item.casting.seed.key)
            row = replace(row, brief=whose not in told)
            told.add(whose)
        out.append(row)
    return out


class Shaping:
    """Makes the samples of a run, one question after the other: what a row repeats may stand under another question.

    It keeps a few bytes for each sample that is kept, and no words.
    """

    def __init__(self, scenario: Scenario, wordings: Mapping[LanguageCode, Wordings] = {}) -> None:
        """
        Args:
            wordings: by language; a language's own if not given.
        """
        self.scenario = scenario
        self.wordings = dict(wordings)
        self._said: set[bytes] = set()
        """Digests of what the kept samples say to what."""
        self._kept: list[tuple[str, float, Shape]] = []
        """Id, rank and shape of each kept sample, where shares are wanted."""

    def of(self, judged: Sequence[Judged], repeated: Collection[str]) -> list[tuple[str, Sample]]:
        """Return every sample of some dialogues with its id, kept or dropped with the reason.

        Args:
            judged: all statements of these dialogues, in the order of the talks.
            repeated: ids of the statements that others stand for.
        """
        for item in judged:
            if item.language not in self.wordings:
                self.wordings[item.language] = Wordings(load_language(item.language))
        rows = plan(judged, repeated, self.scenario)
        samples = []
        for row in rows:
            sample = sample_of(row, self.scenario, self.wordings[row.item.language])
            samples.append((row.sample_id, self._without_twin(row, sample)))
        if isinstance(self.scenario.samples, dict):
            ranks = {row.sample_id: unit("share", row.key) for row in rows}
            self._kept += [(name, ranks[name], one.kind) for name, one in samples if one.status == "kept"]
        return samples

    def _without_twin(self, row: Planned, sample: Sample) -> Sample:
        """Drop a kept sample that says what an earlier one does: no row is trained on twice."""
        if sample.status != "kept":
            return sample
        said = sha256(repr(told_by(row) or (repr(sample.messages),)).encode("utf-8", "surrogatepass")).digest()[:16]
        if said in self._said:
            return sample.model_copy(update={"status": "dropped", "drop_reason": "same-words"})
        self._said.add(said)
        return sample

    def too_many(self) -> set[str]:
        """Return the ids of the kept samples so far that have to go, so that the shapes have their shares."""
        if not isinstance(self.scenario.samples, dict):
            return set()
        ranks = {name: rank for name, rank, _ in self._kept}
        kept = [(name, shape) for name, _, shape in self._kept]
        return thinned(kept, self.scenario.samples, rank=lambda name: ranks[name])


def samples_of(
    judged: Sequence[Judged],
    repeated: Collection[str],
    scenario: Scenario,
    wordings: Mapping[LanguageCode, Wordings] = {},
) -> list[tuple[str, Sample]]:
    """Return every sample of a run with its id, kept or dropped with the reason, in the order of the statements.

    Args:
        repeated: ids of the statements that others stand for.
        wordings: by language; a language's own if not given.
    """
    shaping = Shaping(scenario, wordings)
    samples, gone = shaping.of(judged, repeated), shaping.too_many()
    return [
        (name, sample.model_copy(update={"status": "dropped", "drop_reason": SHAPE_SHARE}) if name in gone else sample)
        for name, sample in samples
    ]


def told_by(row: Planned) -> tuple[str, ...]:
    """Return what a row says to what, in whatever wording; empty where only its very words tell.

    A survey answer without its reason is an option, which several people may choose.
    """
    statement, seed = row.item.statement, row.item.told.seed
    case = row.item.told.situation
    to: dict[Shape, str | None] = {
        "survey": None if row.brief else seed.key,
        "reasoned": seed.key,
        "open": seed.key,
        "own": statement.question,
        "situation": case.told if case else None,
        "norm": "",
        "limit": statement.exception,
        "decline": row.beside.statement.id if row.beside else None,
    }
    what = to.get(row.shape)
    return () if what is None else (row.shape, statement.culture, what, statement.first_person)


# --- the words of a row ---------------------------------------------------------------------------------


def sample_of(row: Planned, scenario: Scenario, wordings: Wordings) -> Sample:
    statement = row.item.statement
    system, user, assistant = messages_of(row, wordings)
    return Sample(
        statement_id=statement.id,
        culture=statement.culture,
        kind=row.shape,
        messages=(
            {"role": "system", "content": system},
            {"role": "user", "content": user},
            {"role": "assistant", "content": assistant},
        ),
        status="dropped" if row.reason else "kept",
        drop_reason=row.reason,
        flags=flags(row.item, scenario),
        provenance=less_sure(statement, row.beside.statement) if row.beside else statement.provenance,
        beside=row.beside.statement.id if row.beside else None,
        language=row.item.language,
    )


def less_sure(one: Statement, other: Statement) -> Provenance | None:
    """Return the less sure origin of two statements; None where one is not known."""
    if one.provenance is None or other.provenance is None:
        return None
    return max(one.provenance, other.provenance, key=SURENESS.index)


def messages_of(row: Planned, wordings: Wordings) -> tuple[str, str, str]:
    """Return the words of system, user and assistant."""
    item, key = row.item, row.key
    statement, persona, told = item.statement, item.here.persona, item.told
    seed = told.seed

    def say(group: str, **values: object) -> str:
        return wordings.say(group, key, country=persona.country_name, **values)

    if row.shape == "contrast":
        return contrast_of(row, wordings)
    # An option of a survey is one person's, never a country's; a dialect is at home in a place, and grammar tells sex.
    in_person = row.shape in CHOSEN or item.language != DEFAULT_LANGUAGE or item.said is not None
    system = who_answers(wordings, statement, persona, key, in_person=in_person)
    if row.shape in CHOSEN:
        return (system, *survey_of(row, wordings))
    if row.shape == "limit":
        return system, say("limit/user", said=statement.first_person), statement.exception or ""
    if row.shape == "open":
        user = say("open/user", question=seed.question)
    elif row.shape == "own":
        user = say("own/user", question=statement.question)
    elif row.shape == "situation":
        assert told.situation is not None
        user = say("situation/user", told=told.situation.told)
    elif row.shape == "decline":
        assert row.beside is not None
        there, said = row.beside.here.persona.country_name, row.beside.statement.first_person
        user = say("decline/user", there=there, said=said)
    else:
        # The topic is named only where what is told is about it.
        on_topic = bool(item.meets("answers-seed")) and unit("topic", key) < 0.5
        kind = "personal" if statement.reach == "personal" else statement.kind
        group = f"norm/{kind}-topic" if on_topic and kind != "personal" else f"norm/{kind}"
        user = say(group, topic=seed.topic)
    return system, user, statement.first_person


def survey_of(row: Planned, wordings: Wordings) -> tuple[str, str]:
    item, key = row.item, row.key
    survey, stance, first_person = item.told.seed.item, item.here.stance, item.statement.first_person
    assert survey is not None
    assert stance is not None
    form = form_of(key, survey)
    user = wordings.say(
        "survey/only" if row.brief else "survey/ask",
        key,
        question=row.asked or item.told.seed.question,
        options=form.listing(survey),
        mark=wordings.part(f"survey/mark-{form.style}"),
    )
    if row.shape == "reasoned":
        relation, _ = item.verdicts.get("stance", ("entail", ""))
        chosen = option_reached(survey, stance.code, relation)
        return user, reasoned_answer(form, survey, chosen.label if chosen else stance.text, first_person)
    answers = wordings.of("survey/answer")
    wording = None if row.brief else answers[int(unit("answer", key) * len(answers))]
    return user, survey_answer(wording, form, survey, stance.text, first_person)


def contrast_of(row: Planned, wordings: Wordings) -> tuple[str, str, str]:
    """Return the words of a row that tells two countries apart. Nobody in particular answers it."""
    assert row.beside is not None
    told = [row.item, row.beside] if unit("first", row.key) < 0.5 else [row.beside, row.item]
    homes = [item.here.persona.country_name for item in told]
    one, other = homes if unit("homes", row.key) < 0.5 else homes[::-1]
    question = row.item.told.seed.question
    if asked_in_common(row.item) == "answers-case" and (case := row.item.told.situation):
        question = f"{case.told} {wordings.language.frame('what_do_you_do').text}"
    first, second = (item.statement.first_person for item in told)
    return (
        wordings.say("contrast/system", row.key),
        wordings.say("contrast/user", row.key, question=question, first=first, second=second, one=one, other=other),
        wordings.say("contrast/answer", row.key, first_country=homes[0], second_country=homes[1]),
    )


# --- what is compared ---------------------------------------------------------------------------------


def entries(
    judged: Sequence[Judged], scenario: Scenario, rejected: Callable[[str], bool] = lambda _: False
) -> list[dedup.Entry]:
    """Return the statements that passed verification, each in its block.

    An opinion's is its seed, culture, language, shapes and side. A norm or custom says the same whatever was asked, so
    its block is that of all seeds.

    Args:
        rejected: tells by its id whether reviewers reject a sample. Such a sample cannot stand for another.
    """
    passed: list[dedup.Entry] = []
    if scenario.rows_are_questions:
        return passed  # all say the same on purpose, and each has its share of the drawn answers
    for item in judged:
        if why_dropped(item, scenario) is not None:
            continue
        kept = [row for row in rows_of(item, scenario) if row.reason is None]
        lost = {row.shape for row in kept if rejected(row.sample_id)}
        if kept and len(lost) == len(kept):
            continue
        asked, side = item.casting.seed.key, dedup.SIDES[side_of(item)]
        if item.statement.kind != "opinion":
            asked, side = "", dedup.SIDES[0]
        block = (asked, item.statement.culture, item.language, told_as(item, scenario, lost), side)
        passed.append(dedup.Entry(item.statement.id, block, item.statement.first_person, item.language))
    return passed


def told_as(item: Judged, scenario: Scenario, rejected: Collection[Shape]) -> str:
    """Return whether a statement answers the question: what does has other shapes than what does not.

    Which one of its shapes a hash has chosen makes no difference.

    Args:
        rejected: shapes in which reviewers reject it.
    """
    prompts = prompts_of(item, scenario).items()
    fitting = [shape for shape, reason in prompts if reason is None and shape not in rejected]
    return " ".join(shape for shape in fitting if shape in ("survey", "open", "norm")) or " ".join(fitting[:1])


def side_of(item: Judged) -> int:
    """Return the side of the seed's scale that a statement takes; 0 if none."""
    stance = item.casting.by_key(item.statement.persona_key).stance
    relation, _ = item.verdicts.get("stance", (None, ""))
    return side_taken(item.casting.seed.item, stance.code if stance else None, relation)


def asked_yet(phase: str, protocol: str) -> bool:
    """Return whether the seed's question has been put before a phase, or in it."""
    return phase != "opening" or protocol_of(protocol).opens_with_question


def flags(item: Judged, scenario: Scenario) -> str:
    relation, _ = item.verdicts.get("distinctive", ("entail", ""))
    known = {
        AS_PUBLISHED: scenario.distill.rewrite == AS_PUBLISHED and item.statement.rewritten_from,
        UNFOUNDED: item.unfounded,
        GENERIC: relation == "contradict",
        UNGROUNDED: item.is_opinion and item.speaker.stance is None,
    }
    return " ".join(flag for flag, is_set in known.items() if is_set)


def by_criterion(verdicts: Iterable[tuple[str, Relation, str]]) -> Verdicts:
    """
    Args:
        verdicts: criterion, relation and decision of all verdicts on one statement.
    """
    given: dict[str, list[tuple[Relation, str]]] = defaultdict(list)
    for criterion, relation, decision in verdicts:
        given[criterion].append((relation, decision))
    return {criterion: settled(those) for criterion, those in given.items()}


def settled(verdicts: Sequence[tuple[Relation, str]]) -> tuple[Relation, str]:
    """Return relation and decision of all verdicts on one statement by one criterion together. Pure."""
    if len(verdicts) == 1:
        return verdicts[0]
    if any(decision == "keep" for _, decision in verdicts):
        return "entail", "keep"
    unread = sum(relation == "unparsable" for relation, _ in verdicts)
    return ("unparsable" if 2 * unread > len(verdicts) else "contradict"), "drop"
