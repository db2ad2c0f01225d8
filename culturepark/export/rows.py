"""The rows of an export: single samples and pairs of answers. Rows of whole dialogues are in `dialogues`, those of
rated and of labelled answers in `rated`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, wraps
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from culturepark.dialogue.stance import option_reached
from culturepark.domain import DEFAULT_LANGUAGE, Duplicate, Edition, JsonObject, Seed, Shape
from culturepark.errors import StoreError
from culturepark.export.corrections import Corrections
from culturepark.export.formats import Format
from culturepark.export.labels import Labels, Scale
from culturepark.export.mixes import Mix
from culturepark.export.pairs import Answer, pairs, sides_of
from culturepark.ids import IN_ENGLISH
from culturepark.languages import load_language
from culturepark.models.thoughts import unfit
from culturepark.store import exports
from culturepark.store.integrity import edition_of
from culturepark.store.selections import sample_ids
from culturepark.store.tables import EvaluationRow, RunRow

if TYPE_CHECKING:
    from culturepark.export.english import English

LEAK = "the same as an answer in train, or nearly"
"""Reason for which a row of validation is left out."""
REJECTED, TWIN = "rejected by reviewers", "the same as another row in reviewers' wording"
MADE_UP, OF_UNKNOWN_ORIGIN = "the model's own", "of an origin that nobody has looked at"
OTHER_SHAPE, OTHER_CULTURE = "of a shape that was not asked for", "of a culture that was not asked for"
OVER_SHARE = "more than the share of its"
"""Begins the reason for which rows are thinned out; `culture`, `shape` or both end it."""
"""Reasons for which a sample has no row, or an answer is in no pair."""
ORIGINAL, BOTH = "original", "both"
LANGUAGES = (ORIGINAL, DEFAULT_LANGUAGE, BOTH)
"""Languages in which rows may be wanted."""
GROUNDED = ("card", "episode")
"""Origins of what stands on somebody's card."""
UNFIT = {
    "leaked-thoughts": "with a model's thoughts in it",
    "control-token": "with a control token in it",
    "garbled": "with broken characters in it",
}
"""Reasons for which a row is unfit to train on, by their name in `models/thoughts`.

Guards keep such text out of new runs. Old stores and lines typed by a user can hold it.
"""


Question = tuple[str, tuple[str, ...]]


@dataclass(frozen=True)
class Row:
    """One line of a file."""

    data: JsonObject
    ids: JsonObject
    """Ids for the index: `id`, and for a pair `rejected`. Of samples, participants' views of dialogues, or answers of
    evaluations."""
    culture: str
    seed_key: str
    people: tuple[tuple[str, str], ...]
    """Run id and persona key of those who answer: one, or two in a pair."""
    answers: tuple[str, ...] = ()
    """What is answered, without the words of a template: the statement of the answer, or two in a pair; in a dialogue
    all that the assistant says."""
    by_hand: Counter[str] = field(default_factory=Counter)
    """Origin (`typed` or `edited`) -> number of turns in the row that a real person wrote."""
    shape: Shape | None = None
    """None for a pair or a whole dialogue."""
    provenance: str | None = None
    """Where the content of its answer comes from, of a pair that of the chosen one; None where it is not known."""
    rendered_in: str | None = None
    """The language that it was rendered in; None for a row in the language of its talk."""
    why: JsonObject = field(default_factory=dict)
    """What the index says of a preference or a label: its scale, margin and raters, or where else it comes from."""
    label: bool | None = None
    """Whether the answer is a good one; None for a row without a label."""

    @property
    def key(self) -> str:
        """What no other row has; several pairs can have one chosen answer."""
        return "\x1f".join(map(str, self.ids.values()))


@dataclass
class Source:
    """The data that rows are made from, and counts of those that are left out."""

    look: exports.Look
    runs: Sequence[RunRow]
    """In the order of their ids."""
    cultures: Sequence[str]
    """The exported cultures; empty: all."""
    format: Format
    left_out: Mapping[str, Duplicate]
    """Statement id -> the statement of another run that represents it; such statements get no row."""
    mix: Mix = field(default_factory=Mix)
    """The shapes and cultures of the rows, and their shares."""
    grounded: bool = False
    """Leave out what is on no card, and that of which it is not known."""
    selection: str | None = None
    """Id of the selection whose samples alone are rows; of pairs it holds the chosen answers. None: all."""
    language: str = ORIGINAL
    """The language of the rows: `original`, `en` or `both`."""
    labels: Labels = field(default_factory=Labels)
    """By what answers are preferred or labelled, where the format wants that."""
    evaluations: Sequence[EvaluationRow] = ()
    """In the order of their ids; their answers are rows where they are rated."""
    editions: dict[str, Edition] = field(init=False)
    represented: set[tuple[str, str]] = field(init=False)
    """Id of a representative, and a shape in which it has a kept sample."""
    left_without: Counter[str] = field(default_factory=Counter)
    """Reason -> number of samples, answers or dialogues without a row."""
    duplicates: list[JsonObject] = field(default_factory=list)
    """Duplicates that are not yet in their file."""
    without_row: set[str] = field(default_factory=set)
    """Ids of the kept samples that got no row."""
    corrections: Corrections = field(init=False)
    shapes: set[str] = field(default_factory=set)
    """Shapes of the rows so far."""
    over_share: set[str] | None = None
    """Keys of the rows that the shares leave no room for; None until the rows are counted."""
    scale: Scale | None = None
    """The ratings that count; None until they are read."""
    asked: dict[str, str] = field(default_factory=dict)
    """Id of an item of a suite -> its question, for the items of the rows so far."""
    english: dict[str, English] = field(default_factory=dict)
    """Run id -> the English of its samples, once it was wanted."""
    repeated_dialogues: int = 0
    """Number of rows of dialogues with the messages of a row of an earlier run."""

    def __post_init__(self) -> None:
        evaluated = [self.look.get_one(RunRow, evaluation.run_id) for evaluation in self.evaluations]
        self.editions = {run.id: edition_of(run) for run in (*self.runs, *evaluated)}
        self.corrections = Corrections(self.look, self.runs)
        representatives = {duplicate.representative_id for duplicate in self.left_out.values()}
        self.represented = exports.kept_shapes(self.look, representatives)

    def questions(self) -> Iterator[tuple[str, str]]:
        """Yield seed key and question of every seed of every run, and of the items that were answered."""
        for edition in self.editions.values():
            yield from ((seed.key, seed.question) for seed in edition.scenario.seeds)
        yield from self.asked.items()

    def counted(self, count: Callable[..., Counter[str]], *more: object) -> Counter[str]:
        """Add up a count by seed over all runs.

        Raises:
            StoreError: if a seed is not in its run's scenario.
        """
        total: Counter[str] = Counter()
        for run_id, edition in self.editions.items():
            by_seed = count(self.look, run_id, self.cultures, *more)
            total += Counter({edition.seed(key).key: n for key, n in by_seed.items()})
        return total

    def begin_again(self) -> None:
        self.left_without.clear()
        self.duplicates.clear()
        self.repeated_dialogues = 0

    def repeats(self, sample: Mapping[str, Any]) -> bool:
        """Tell whether a sample is left out because another run has its statement in the same shape, and count it."""
        duplicate = self.left_out.get(sample["statement_id"])
        if duplicate is None or (duplicate.representative_id, sample["kind"]) not in self.represented:
            return False
        if not self.cultures or sample["culture"] in self.cultures:
            self.left_without["duplicate"] += 1
            self.duplicates.append({"id": sample["id"], **duplicate.model_dump()})
            self.without_row.add(sample["id"])
        return True

    def leaves_out(self, sample: Mapping[str, Any]) -> bool:
        """Tell whether a sample gets no row, and count the reason."""
        if self.repeats(sample):
            return True
        if self.corrections.rejects_beside(sample):
            self.left_without[REJECTED] += 1
        elif self.grounded and sample["provenance"] not in GROUNDED:
            self.left_without[MADE_UP if sample["provenance"] else OF_UNKNOWN_ORIGIN] += 1
        else:
            return False
        self.without_row.add(sample["id"])
        return True

    def messages(self, sample: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return a sample's messages, with the wording of reviewers.

        Raises:
            StoreError: if the format cannot hold them.
        """
        return self.corrections.messages(sample, self.stored(sample))

    def stored(self, sample: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return a sample's messages as they are stored.

        Raises:
            StoreError: if the format cannot hold them.
        """
        return self.checked(f"sample {sample['id']}", json.loads(sample["messages"]))

    def checked(self, what: str, messages: list[dict[str, str]]) -> list[dict[str, str]]:
        if wrong := self.format.problem(messages):
            raise StoreError(f"{what} is damaged: {wrong}")
        return messages


def each_once(read: Callable[[Source], Iterator[Row]]) -> Callable[[Source], Iterator[Row]]:
    """Leave out rows that equal another row because of a reviewer's wording."""

    @wraps(read)
    def rows(source: Source) -> Iterator[Row]:
        written: dict[bytes, bool] = {}
        """Digest of a row -> whether it is in a reviewer's wording."""
        for row in read(source):
            if source.corrections.rewords:
                digest = fingerprint({name: value for name, value in row.data.items() if name != "id"})
                worded = any(name in source.corrections.corrected for name in row.ids.values())
                if digest in written and (worded or written[digest]):
                    source.left_without[TWIN] += 1
                    continue
                written[digest] = worded
            yield row

    return rows


def fit_to_train_on(read: Callable[[Source], Iterator[Row]]) -> Callable[[Source], Iterator[Row]]:
    """Leave out rows with text of the kinds in `UNFIT`."""

    @wraps(read)
    def rows(source: Source) -> Iterator[Row]:
        for row in read(source):
            if reason := unfit_in(row.data):
                source.left_without[UNFIT[reason]] += 1
            else:
                yield row

    return rows


def unfit_in(value: Any) -> str | None:
    """Return why messages, or a row of them, are unfit to train on; None if they are fit."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return unfit_text(value)
    if isinstance(value, Mapping):
        value = [inner for name, inner in value.items() if name != "id"]
    return next(filter(None, map(unfit_in, value)), None)


unfit_text = lru_cache(maxsize=4096)(unfit)
"""Roles, system messages and questions come again and again."""


def fingerprint(data: object) -> bytes:
    return blake2b(json.dumps(data).encode(), digest_size=16).digest()


def in_shares(read: Callable[[Source], Iterator[Row]]) -> Callable[[Source], Iterator[Row]]:
    """Leave out rows until their shapes and cultures are those that are wanted, in the shares that are wanted."""

    @wraps(read)
    def rows(source: Source) -> Iterator[Row]:
        mix = source.mix
        if mix.thins and source.over_share is None:
            wanted = (row for row in read(source) if mix.has_shape(row.shape) and mix.has_culture(row.culture))
            source.over_share = mix.surplus([(row.key, mix.cell(row.shape, row.culture)) for row in wanted])
            source.begin_again()
        for row in read(source):
            if not mix.has_shape(row.shape):
                source.left_without[OTHER_SHAPE] += 1
            elif not mix.has_culture(row.culture):
                source.left_without[OTHER_CULTURE] += 1
            elif row.key in (source.over_share or ()):
                source.left_without[f"{OVER_SHARE} {mix.axes}"] += 1
            else:
                source.shapes |= {row.shape} if row.shape else set()
                yield row
                continue
            source.without_row.add(row.ids["id"])

    return rows


@each_once
@fit_to_train_on
def single(source: Source) -> Iterator[Row]:
    """Yield every kept sample as a row."""
    for run in source.runs:
        for sample in exports.kept_samples(source.look, run.id, source.cultures, source.selection):
            if source.leaves_out(sample):
                continue
            messages = source.messages(sample)
            row = Row(
                source.format.record(sample["id"], messages),
                {"id": sample["id"]},
                sample["culture"],
                sample["seed_key"],
                ((run.id, sample["persona_key"]),),
                (source.corrections.words(sample),),
                shape=sample["kind"],
                provenance=sample["provenance"],
            )
            is_english = (sample["language"] or DEFAULT_LANGUAGE) == DEFAULT_LANGUAGE
            if source.language in (ORIGINAL, BOTH) or is_english:
                yield row
            if source.language != ORIGINAL and not is_english and (told := in_english(source, run, sample)):
                name = f"{sample['id']}{IN_ENGLISH}" if source.language == BOTH else sample["id"]
                messages, words = told
                data = source.format.record(name, messages)
                yield replace(row, data=data, answers=(words,), rendered_in=DEFAULT_LANGUAGE)


def in_english(source: Source, run: RunRow, sample: Mapping[str, Any]) -> tuple[list[dict[str, str]], str] | None:
    """Return a sample's messages in English and its answer; None, and the reason counted, if there are none."""
    from culturepark.export.english import REWORDED, English

    english = source.english.setdefault(run.id, English(source.look, run, source.editions[run.id]))
    told = REWORDED if sample["id"] in source.corrections.corrected else english.row(sample)
    if isinstance(told, str):
        source.left_without[told] += 1
        if source.language != BOTH:
            source.without_row.add(sample["id"])
        return None
    messages, words = told
    return source.checked(f"the English of {sample['id']}", messages), words


@each_once
@fit_to_train_on
def preferences(source: Source) -> Iterator[Row]:
    """Yield pairs of a kept answer and a rejected one, question by question."""
    picked = set(sample_ids(source.look, source.selection)) if source.selection else None
    for asked in same_questions(source):
        answers = list(answers_to(source, asked))
        runs = {answer.sample_id: run_id for run_id, answer in answers}
        has_scale = next(iter(asked.values()))[0].item is not None
        for chosen, rejected in pairs([answer for _, answer in answers], has_scale):
            if source.cultures and chosen.culture not in source.cultures:
                continue
            if picked is not None and chosen.sample_id not in picked:
                continue
            answer = rejected and under_one_prompt(chosen, rejected, source.editions[runs[chosen.sample_id]])
            if rejected is None or answer is None:
                source.left_without["no contrast"] += 1
                continue
            yield Row(
                source.format.record(chosen.sample_id, chosen.messages, (*chosen.messages[:-1], answer)),
                {"id": chosen.sample_id, "rejected": rejected.sample_id},
                chosen.culture,
                chosen.seed_key,
                tuple((runs[answer.sample_id], answer.persona_key) for answer in (chosen, rejected)),
                (chosen.words, rejected.words),
                provenance=chosen.provenance,
            )


def under_one_prompt(chosen: Answer, rejected: Answer, edition: Edition) -> dict[str, str] | None:
    """Return the rejected answer as it would stand under the prompt of the chosen one; None if it cannot stand there.

    In whatever words the question was put to either, it is the same. A survey answer names its option as the prompt of
    the chosen one lists them, and gives its reason only if the chosen one does.
    """
    from culturepark.distill.wordings import Wordings, under_the_same_prompt

    item = edition.seed(chosen.seed_key).in_language(chosen.language).item
    if chosen.shape not in ("survey", "reasoned") or item is None:
        return rejected.messages[-1]
    if chosen.label is None or rejected.label is None:
        return None
    said = under_the_same_prompt(
        Wordings(load_language(chosen.language)),
        item,
        chosen.messages[-2]["content"],
        (chosen.messages[-1]["content"], chosen.label, chosen.words),
        (rejected.label, rejected.words),
    )
    return None if said is None else rejected.messages[-1] | {"content": said}


def same_questions(source: Source) -> list[dict[str, list[Seed]]]:
    """Return for each question and its options, in the order of keys, run id -> the seeds that ask it."""
    questions: dict[Question, dict[str, list[Seed]]] = {}
    for run_id, edition in source.editions.items():
        for seed in edition.scenario.seeds:
            questions.setdefault(question_of(seed), {}).setdefault(run_id, []).append(seed)

    def least_key(by_run: Mapping[str, Sequence[Seed]]) -> str:
        return min(seed.key for seeds in by_run.values() for seed in seeds)

    return [questions[question] for question in sorted(questions, key=lambda q: (least_key(questions[q]), q))]


def question_of(seed: Seed) -> Question:
    """Return what is equal in seeds that ask the same: the question, case and punctuation aside, and its options."""
    from culturepark.distill.paraphrase import key

    options = tuple(option.label for option in seed.item.options) if seed.item else ()
    return key(seed.question) or seed.question, options


def answers_to(source: Source, asked: Mapping[str, Sequence[Seed]]) -> Iterator[tuple[str, Answer]]:
    """Yield run id and answer of everybody who answered one question, in all cultures: others are the contrast."""
    from culturepark.distill.paraphrase import key
    from culturepark.distill.samples import asked_yet
    from culturepark.distill.verify import SURE_ENOUGH

    key_of = lru_cache(maxsize=8)(key)  # a statement comes in two shapes, one after the other
    for run in source.runs:
        seeds = {seed.key: seed for seed in asked.get(run.id, ())}
        if not seeds:
            continue
        for sample in exports.answers(source.look, run, list(seeds)):
            against_stance = sample["relation"] == "contradict"
            unsure = sample["confidence"] is not None and sample["confidence"] < SURE_ENOUGH
            if against_stance and (
                sample["kind"] == "survey" or unsure or not asked_yet(sample["phase"], sample["protocol"])
            ):
                continue
            if (sample["status"] != "kept" and not against_stance) or source.leaves_out(sample):
                continue
            if against_stance and source.corrections.rejects(sample["id"]):
                source.left_without[REJECTED] += 1
                continue
            messages = source.messages(sample)
            if reason := unfit_in(messages):  # neither chosen nor rejected
                source.left_without[UNFIT[reason]] += 1
                continue
            words = source.corrections.words(sample)
            spoken = sample["language"] or DEFAULT_LANGUAGE
            item = seeds[sample["seed_key"]].in_language(spoken).item
            side, other_side = sides_of(item, sample["stance_code"], sample["relation"])
            reached = sample["relation"] if sample["kind"] == "reasoned" else None
            code = sample["stance_code"]
            option = option_reached(item, code, reached) if item and code is not None else None
            yield (
                run.id,
                Answer(
                    sample_id=sample["id"],
                    seed_key=sample["seed_key"],
                    culture=sample["culture"],
                    persona_key=sample["persona_key"],
                    shape=sample["kind"],
                    kept=not against_stance,
                    side=side,
                    other_side=other_side,
                    text_key=key_of(words) or words,
                    words=words,
                    origin=sample["rewritten_from"] or sample["statement_id"],
                    messages=tuple(messages),
                    label=option.label if option else None,
                    provenance=sample["provenance"],
                    language=spoken,
                ),
            )
