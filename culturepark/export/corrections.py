"""Corrections by reviews: an export leaves out rejected rows and rewords others. The store is not changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from culturepark.distill.review_outcome import outcome
from culturepark.domain import Edition, Review, Turn
from culturepark.store import exports
from culturepark.store.standing import of_sample, standing_reviews
from culturepark.store.tables import RunRow


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

    def answer(self, sample: Mapping[str, Any], edition: Edition, stored: str) -> str:
        """Return a sample's answer in its reviewers' wording, else as it is stored.

        The wording of a statement is put into the template of the sample's shape. The wording of a turn changes only
        whole dialogues, since statements rest on the words that were spoken.
        """
        review = of_sample(self.reviews, sample["id"]).wording if self else None
        if review is None or review.wording is None or review.subject_id not in (sample["id"], sample["statement_id"]):
            return stored
        text = review.wording
        if review.subject_id != sample["id"]:
            from culturepark.distill.samples import shape_sample

            statement, casting, phase, language = exports.statement_in_context(self._look, edition, review.subject_id)
            worded = statement.model_copy(update={"first_person": text})
            text = shape_sample(worded, casting, sample["kind"], phase, language, None).messages[-1]["content"]
        if text != stored:
            self.corrected[sample["id"]] = [review]
        return text

    def words(self, sample: Mapping[str, Any]) -> str:
        """Return a sample's answer in the first person, without the words of its template."""
        reviews = self.corrected.get(sample["id"])
        return reviews[0].wording or "" if reviews else sample["first_person"]

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
