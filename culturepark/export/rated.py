"""Rows of answers that were rated or labelled: pairs of two of them, or each with a label.

They are samples of runs, and answers of evaluations. Whoever rated a sample has rated the words that are stored, so
these stand in the row; only where reviewers have accepted a sample (`--from reviews`) does it stand in their wording.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from culturepark.distill.samples import CHECKS, GENERIC
from culturepark.domain import DEFAULT_LANGUAGE, PERSON, Edition, JsonObject, Shape, storable
from culturepark.errors import UsageError
from culturepark.export import labels
from culturepark.export.formats import RATINGS, REVIEWS
from culturepark.export.labels import REVIEW_LEAST, REVIEW_MOST, REVIEW_SCALE, Compared, Difference, Scale
from culturepark.export.pairs import Answer
from culturepark.export.rows import (
    OF_UNKNOWN_ORIGIN,
    REJECTED,
    Row,
    Source,
    each_once,
    fingerprint,
    fit_to_train_on,
    question_of,
    under_one_prompt,
)
from culturepark.ids import by_number, run_of, statement_of, turn_of
from culturepark.store import exports
from culturepark.store.ratings import RatedAnswer, Rating, rated_answers, ratings_of_answers, ratings_of_rows
from culturepark.store.selections import sample_ids
from culturepark.store.standing import of_sample
from culturepark.store.tables import RunRow

NOBODYS = "none"
"""The culture of a row that was answered in nobody's name."""
ANSWER = "answer"
"""The shape of an answer of an evaluation."""
REFUSED = frozenset({"contradicts-stance", "irrelevant-to-stance", "not-alone", GENERIC, *CHECKS})
"""Reasons for which a sample is dropped that say something against the answer. A duplicate is no bad answer, nor is
what could not be judged, or is not what its speaker has said."""
BY_PEOPLE, BY_MODELS = "people", "models"


@dataclass(frozen=True)
class Known:
    """An answer that can be in a pair or get a label."""

    answer: Answer
    run_id: str
    """Of its run or evaluation."""
    prompts: tuple[object, ...]
    """Keys of its prompt: of the very messages, and of a sample that answers a seed also of who is asked what."""

    @property
    def is_sample(self) -> bool:
        return self.answer.shape != ANSWER

    @property
    def people(self) -> tuple[tuple[str, str], ...]:
        return ((self.run_id, self.answer.persona_key),) if self.answer.persona_key else ()


# --- ratings ---------------------------------------------------------------------------------------


def read_scale(source: Source) -> Scale:
    """Return the ratings that count, of all runs and evaluations.

    Raises:
        UsageError: if there are none, or if it is not clear which.
    """
    if source.scale is None:
        given = list(given_ratings(source))
        if not source.labels.judges:
            given = [one for one in given if one.rater.startswith(PERSON)]
        by_scale: dict[str, list[Rating]] = {}
        for one in given:
            by_scale.setdefault(one.scale, []).append(one)
        counts = {name: len({one.subject_id for one in own}) for name, own in by_scale.items()}
        over = ", ".join([*(run.id for run in source.runs), *(one.id for one in source.evaluations)])
        name = labels.one_scale(counts, source.labels.scale, source.labels.judges, over)
        source.scale = scale_of(name, by_scale[name])
    return source.scale


def scale_of(name: str, ratings: Sequence[Rating]) -> Scale:
    """
    Raises:
        UsageError: if they were given on two scales of one name.
    """
    asked = {(one.least, one.most, one.rubric) for one in ratings}
    if len(asked) > 1:
        raise UsageError(
            f"--scale {name}: there are ratings by two rubrics of this name, which cannot be compared; export what was "
            "rated by each alone"
        )
    least, most, _ = next(iter(asked))
    texts = {one.subject_id: one.text for one in ratings if one.text}
    values = [(one.subject_id, one.rater, one.value) for one in ratings]
    return Scale(name, least, most, labels.together(values), texts)


def given_ratings(source: Source) -> Iterator[Rating]:
    """Yield the ratings of all runs and evaluations, those in reviews too."""
    for run in source.runs:
        yield from ratings_of_rows(source.look, run.id)
    for evaluation in source.evaluations:
        yield from ratings_of_answers(source.look, evaluation.id)
    for subject, reviews in source.corrections.reviews.items():
        for review in reviews:
            if review.rating is not None:
                rater, ends = f"{PERSON}{review.reviewer}", (REVIEW_LEAST, REVIEW_MOST)
                yield Rating(subject, "", REVIEW_SCALE, "", *ends, rater, float(review.rating))


def raters_of(scale: Scale, name: str) -> labels.Raters:
    """Return the ratings of an answer. A reviewer's rating of a sample comes before that of its statement."""
    above = scale.ratings.get(statement_of(name), {}) if scale.name == REVIEW_SCALE else {}
    return {**above, **scale.ratings.get(name, {})}


# --- what was rated --------------------------------------------------------------------------------


def rated(source: Source) -> Iterator[Known]:
    """Yield the rated answers: samples in the order of the talk, then answers of evaluations in that of their ids."""
    scale = read_scale(source)
    for run in source.runs:
        for sample in exports.every_sample(source.look, run, source.cultures):
            if not raters_of(scale, sample["id"]) or source.leaves_out(sample):
                continue
            messages = source.stored(sample)
            if scale.texts.get(sample["id"], said := storable(messages[-1]["content"])) != said:
                source.left_without[labels.OTHER_WORDS] += 1
                continue
            yield known_sample(source, run, sample, messages)
    for evaluation in source.evaluations:
        names = sorted((name for name in scale.ratings if run_of(name) == evaluation.id), key=by_number)
        for answer in rated_answers(source.look, names):
            if source.cultures and answer.culture not in source.cultures:
                continue
            if answer.prompt is None:
                source.left_without[labels.NO_PROMPT] += 1
                continue
            messages = [*answer.prompt, {"role": "assistant", "content": answer.text}]
            if source.grounded or source.format.problem(messages):
                source.left_without[OF_UNKNOWN_ORIGIN if source.grounded else labels.UNUSABLE] += 1
                continue
            source.asked[answer.item_id] = answer.question
            yield known_answer(answer, messages)


def known_sample(source: Source, run: RunRow, sample: Mapping[str, Any], messages: Sequence[dict[str, str]]) -> Known:
    edition, words = source.editions[run.id], sample["first_person"]
    language = sample["language"] or DEFAULT_LANGUAGE
    seed = edition.seed(sample["seed_key"])
    item = seed.in_language(language).item
    prompts: list[object] = [("words", fingerprint(messages[:-1]))]
    if sample["kind"] in exports.ANSWERS:
        person = fingerprint(edition.persona(sample["persona_key"]).model_dump(mode="json"))
        prompts.append(("asked", *question_of(seed), sample["kind"], language, person))
    answer = Answer(
        sample_id=sample["id"],
        seed_key=seed.key,
        culture=sample["culture"],
        persona_key=sample["persona_key"],
        shape=sample["kind"],
        kept=sample["status"] == "kept",
        side=(),
        other_side=(),
        text_key=messages[-1]["content"],
        words=words,
        origin=sample["rewritten_from"] or sample["statement_id"],
        messages=tuple(messages),
        label={option.code: option.label for option in item.options}.get(sample["stance_code"]) if item else None,
        provenance=sample["provenance"],
        language=language,
    )
    return Known(answer, run.id, tuple(prompts))


def known_answer(answer: RatedAnswer, messages: Sequence[dict[str, str]]) -> Known:
    found = Answer(
        sample_id=answer.id,
        seed_key=answer.item_id,
        culture=answer.culture or NOBODYS,
        persona_key=answer.respondent,
        shape=ANSWER,
        kept=True,
        side=(),
        other_side=(),
        text_key=answer.text,
        words=answer.text,
        origin=answer.id,
        messages=tuple(messages),
        language=answer.language,
    )
    return Known(found, answer.evaluation_id, (("words", fingerprint(messages[:-1])),))


# --- pairs -----------------------------------------------------------------------------------------


@each_once
@fit_to_train_on
def rated_pairs(source: Source) -> Iterator[Row]:
    """Yield all pairs of answers to one prompt of which the raters prefer one by the margin."""
    scale, picked = read_scale(source), picked_in(source)
    known = {one.answer.sample_id: one for one in rated(source)}
    prompts = {name: one.prompts for name, one in known.items()}
    ratings = {name: raters_of(scale, name) for name in known}
    pairs, left_out = labels.compared(prompts, ratings, source.labels.least_difference)
    source.left_without.update(left_out)
    for pair in pairs:
        chosen, rejected = known[pair.chosen], known[pair.rejected]
        if not chosen.answer.kept or (chosen.is_sample and picked is not None and pair.chosen not in picked):
            source.left_without[labels.NOT_KEPT] += 1
        elif (answer := put_beside(chosen, rejected, source.editions[chosen.run_id])) is None:
            source.left_without[labels.UNLIKE] += 1
        elif answer["content"] == chosen.answer.messages[-1]["content"]:
            source.left_without[labels.SAME_WORDS] += 1
        else:
            yield pair_row(source, scale, pair, chosen, rejected, answer)


def put_beside(chosen: Known, rejected: Known, edition: Edition) -> dict[str, str] | None:
    """Return the rejected answer as it stands under the prompt of the chosen one; None if it cannot."""
    if chosen.prompts[0] == rejected.prompts[0]:
        return rejected.answer.messages[-1]
    return under_one_prompt(chosen.answer, rejected.answer, edition)


def pair_row(
    source: Source, scale: Scale, pair: Compared, chosen: Known, rejected: Known, answer: dict[str, str]
) -> Row:
    messages = chosen.answer.messages
    return Row(
        source.format.record(pair.chosen, messages, (*messages[:-1], answer)),
        {"id": pair.chosen, "rejected": pair.rejected},
        chosen.answer.culture,
        chosen.answer.seed_key,
        (*chosen.people, *rejected.people),
        (chosen.answer.words, rejected.answer.words),
        provenance=chosen.answer.provenance,
        why=why(scale, pair.difference),
    )


def why(scale: Scale, difference: Difference) -> JsonObject:
    """Return what the index says of a pair or a label that comes from ratings."""
    return {"by": BY_PEOPLE if difference.by_people else BY_MODELS, **difference.as_json(scale.name)}


def picked_in(source: Source) -> set[str] | None:
    """Return the samples of the selection that is exported; None where whole runs are."""
    return set(sample_ids(source.look, source.selection)) if source.selection else None


# --- labels ----------------------------------------------------------------------------------------


@each_once
@fit_to_train_on
def labelled(source: Source) -> Iterator[Row]:
    """Yield answers with a label, good or bad. A good one is kept, and of a selection if one is exported."""
    basis, picked = source.labels.basis_for(source.format), picked_in(source)
    read = {RATINGS: by_ratings, REVIEWS: by_reviews}.get(basis or "", by_verdicts)
    for known, label, why in read(source):
        answer = known.answer
        unpicked = known.is_sample and picked is not None and answer.sample_id not in picked
        if label and (not answer.kept or unpicked):
            source.left_without[labels.ACCEPTED_UNKEPT] += 1
            continue
        yield Row(
            source.format.record(answer.sample_id, answer.messages, label),
            {"id": answer.sample_id},
            answer.culture,
            answer.seed_key,
            known.people,
            (answer.words,),
            shape=cast("Shape", answer.shape) if known.is_sample else None,
            provenance=answer.provenance,
            why={"label": label, **why},
            label=label,
        )


Label = tuple[Known, bool, JsonObject]
"""An answer, whether it is good, and what the index says of the label."""


def by_ratings(source: Source) -> Iterator[Label]:
    scale = read_scale(source)
    middles = scale.middles
    for known in rated(source):
        found = labels.from_middle(raters_of(scale, known.answer.sample_id), middles, source.labels.threshold)
        if found is None or abs(found.value) < max(labels.NEAR, source.labels.least_distance - labels.NEAR):
            source.left_without[labels.IN_THE_MIDDLE] += 1
        else:
            yield known, found.value > 0, why(scale, found)


def by_reviews(source: Source) -> Iterator[Label]:
    """Yield what reviewers have accepted, in their wording, and what they have rejected, in the stored words."""
    for run in source.runs:
        for sample in exports.every_sample(source.look, run, source.cultures):
            found = of_sample(source.corrections.reviews, sample["id"])
            own = (sample["id"], sample["statement_id"])
            decided = [
                review
                for subject in (*own, turn_of(sample["id"]))
                for review in source.corrections.reviews.get(subject, ())
                if review.decision == ("reject" if found.rejected else "accept")
            ]
            if not found.rejected:  # who accepts a turn has not seen the row
                decided = [review for review in decided if review.subject_id in own]
            if not decided:
                source.left_without[labels.UNDECIDED] += 1
            elif not source.leaves_out(sample):
                messages = source.stored(sample) if found.rejected else source.messages(sample)
                raters = sorted({f"{PERSON}{review.reviewer}" for review in decided})
                reason = {"by": BY_PEOPLE, "raters": raters}
                yield known_sample(source, run, sample, messages), not found.rejected, reason


def by_verdicts(source: Source) -> Iterator[Label]:
    """Yield what models have kept, and what they have dropped for what it says."""
    for run in source.runs:
        for sample in exports.every_sample(source.look, run, source.cultures):
            kept, reason = sample["status"] == "kept", sample["drop_reason"]
            if not kept and reason not in REFUSED:
                source.left_without[REJECTED if sample["status"] == "rejected" else labels.NO_VERDICT] += 1
            elif not source.leaves_out(sample):
                messages = source.messages(sample) if kept else source.stored(sample)
                found = {"by": BY_MODELS} | ({} if kept else {"reason": reason})
                yield known_sample(source, run, sample, messages), kept, found
