"""Corrections by reviews: an export leaves out rejected rows and rewords others. The store is not changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from culturepark.distill.review_outcome import outcome
from culturepark.domain import Review, Turn
from culturepark.store import exports
from culturepark.store.standing import of_sample, standing_reviews
from culturepark.store.tables import RunRow

QUOTING = ("limit", "contrast")
"""Shapes whose prompt quotes the statement of the row, and whose answer is another."""


def put_for(old: str, new: str, text: str) -> str:
    """Put words for the last occurrence of others. The speaker's words stand behind the row's own."""
    before, found, behind = text.rpartition(old) if old else ("", "", "")
    return f"{before}{new}{behind}" if found else text


class Corrections:
    """The standing reviews of some runs, all in memory."""

    def __init__(self, look: exports.Look, runs: Sequence[RunRow]) -> None:
        self._look = look
        self.reviews: dict[str, list[Review]] = {}
        """Subject id -> standing reviews of it."""
        self.inherited: dict[str, list[list[Review]]] = defaultdict(list)
        """Turn id in a branch -> standing reviews of the turns it was copied from, the parent's first."""
        for run in runs:
            self.reviews |= standing_reviews(look, run.id)
            for branch in exports.branches(look, run.id):
                for dialogue_id, shared in exports.copied_from(look, branch):
                    reviews_there = standing_reviews(look, dialogue_id)
                    for position in range(1, shared + 1):
                        if given := reviews_there.get(f"{dialogue_id}.t{position}"):
                            self.inherited[f"{branch.id}.t{position}"].append(given)
        self.rewords = any(review.wording for review in self.given())
        """True if any review has a wording."""
        self.corrected: dict[str, list[Review]] = {}
        """Id of a row with a reviewer's wording -> those reviews."""

    def __bool__(self) -> bool:
        return bool(self.reviews or self.inherited)

    def given(self) -> Iterator[Review]:
        yield from chain.from_iterable(self.reviews.values())
        yield from chain.from_iterable(chain.from_iterable(self.inherited.values()))

    def rejects(self, sample_id: str) -> bool:
        return bool(self) and of_sample(self.reviews, sample_id).rejected

    def messages(self, sample: Mapping[str, Any], stored: Sequence[dict[str, str]]) -> list[dict[str, str]]:
        """Return a sample's messages in its reviewers' wording, else as they are stored.

        The wording of a statement stands where its words stood, in the prompt too if that quotes them. All else stays
        as the row has it, so the row keeps its own prompt and its own form. The wording of a turn changes only whole
        dialogues, since statements rest on the words that were spoken.
        """
        if not self:
            return list(stored)
        messages, reviews = list(stored), []
        review = of_sample(self.reviews, sample["id"]).wording
        if review and review.wording and review.subject_id == sample["id"]:
            messages, reviews = [*messages[:-1], messages[-1] | {"content": review.wording}], [review]
        elif review and review.wording and review.subject_id == sample["statement_id"]:
            at = -2 if sample["kind"] in QUOTING else -1
            messages[at], reviews = self._told_anew(messages[at], review), [review]
        if sample["beside"]:
            beside = of_sample(self.reviews, sample["beside"]).wording
            if beside and beside.subject_id == sample["beside"]:
                messages[-2], reviews = self._told_anew(messages[-2], beside), [*reviews, beside]
        if messages != list(stored):
            self.corrected[sample["id"]] = reviews
        return messages

    def _told_anew(self, message: dict[str, str], review: Review) -> dict[str, str]:
        """Put the wording of a statement where its words are: they were put in whole, so they are found whole."""
        text = message["content"]
        told = next((words for words in exports.words_of(self._look, review.subject_id) if words in text), "")
        return message | {"content": put_for(told, review.wording or "", text)}

    def rejects_beside(self, sample: Mapping[str, Any]) -> bool:
        """Tell whether a row is made of two statements, and reviewers reject the other one."""
        return bool(sample["beside"]) and self.rejects(sample["beside"])

    def words(self, sample: Mapping[str, Any]) -> str:
        """Return a sample's answer in the first person, without the words of its template."""
        own = (sample["id"], sample["statement_id"])
        wordings = (review.wording for review in self.corrected.get(sample["id"], ()) if review.subject_id in own)
        return next(filter(None, wordings), sample["first_person"])

    def turns(self, dialogue_id: str, turns: Sequence[Turn]) -> tuple[bool, list[tuple[Turn, Review]]]:
        """Tell whether one of a dialogue's turns is rejected, and return the turns with another wording."""
        if not self:
            return False, []
        outcomes = [(turn, outcome(self._of_turn(f"{dialogue_id}.t{turn.position}"))) for turn in turns]
        wordings = [(turn, result.wording) for turn, result in outcomes if result.wording]
        worded = [(turn, review) for turn, review in wordings if review.wording != turn.text]
        return any(result.rejected for _, result in outcomes), worded

    def _of_turn(self, turn_id: str) -> list[list[Review]]:
        """Return the reviews of a turn, then those of the turns from which it was copied."""
        return [self.reviews.get(turn_id, []), *self.inherited.get(turn_id, [])]


def reworded(turns: Sequence[Turn], worded: Sequence[tuple[Turn, Review]]) -> list[Turn]:
    """Return the turns of a dialogue in the wording of reviewers."""
    wordings = {turn.position: review.wording for turn, review in worded}
    return [
        turn.model_copy(update={"text": wordings[turn.position]}) if turn.position in wordings else turn
        for turn in turns
    ]
