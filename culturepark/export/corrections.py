"""Reviews applied to an export: some rows are left out, others get another wording. The store stays as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from culturepark.distill.review_outcome import outcome
from culturepark.domain import Edition, Review, Turn, trained_form
from culturepark.store import exports
from culturepark.store.standing import of_sample, standing_reviews
from culturepark.store.tables import RunRow


class Corrections:
    """The standing reviews of some runs. They are few: people gave them."""

    def __init__(self, look: exports.Look, runs: Sequence[RunRow]) -> None:
        self._look = look
        self.reviews: dict[str, list[Review]] = {}
        """Subject id -> standing reviews of it."""
        self.inherited: dict[str, list[list[Review]]] = defaultdict(list)
        """Turn of a branch -> standing reviews of the turns that it is a copy of, the nearest first."""
        for run in runs:
            self.reviews |= standing_reviews(look, run.id)
            for branch in exports.branches(look, run.id):
                for dialogue_id, shared in exports.copied_from(look, branch):
                    reviews_there = standing_reviews(look, dialogue_id)
                    for position in range(1, shared + 1):
                        if given := reviews_there.get(f"{dialogue_id}.t{position}"):
                            self.inherited[f"{branch.id}.t{position}"].append(given)
        self.rewords = any(review.wording for review in self.given())
        """Whether any review has a wording, so that rows may differ from what is stored."""
        self.corrected: dict[str, list[Review]] = {}
        """Id of a row that differs from what is stored -> the reviews that have it so."""

    def __bool__(self) -> bool:
        return bool(self.reviews or self.inherited)

    def given(self) -> Iterator[Review]:
        for some in (*self.reviews.values(), *(given for levels in self.inherited.values() for given in levels)):
            yield from some

    def rejects(self, sample_id: str) -> bool:
        return bool(self) and of_sample(self.reviews, sample_id).rejected

    def answer(self, sample: Mapping[str, Any], edition: Edition, stored: str) -> str:
        """Return a sample's answer: its reviewers' wording, else what is stored.

        A reworded statement has its answer made anew from the template. The wording of a turn changes whole dialogues
        alone: statements rest on what was said.
        """
        review = of_sample(self.reviews, sample["id"]).wording if self else None
        if review is None or review.wording is None or review.subject_id not in (sample["id"], sample["statement_id"]):
            return stored
        text = review.wording
        if review.subject_id != sample["id"]:
            from culturepark.distill.samples import shape_sample

            statement, casting, phase, language = exports.statement_in_context(self._look, edition, review.subject_id)
            worded = statement.model_copy(update={trained_form(statement.kind): text})
            text = shape_sample(worded, casting, sample["kind"], phase, language, None).messages[-1]["content"]
        if text != stored:
            self.corrected[sample["id"]] = [review]
        return text

    def words(self, sample: Mapping[str, Any]) -> str:
        """Return a sample's answer in its speaker's words, without what the template puts around them."""
        reviews = self.corrected.get(sample["id"])
        return reviews[0].wording or "" if reviews else sample["first_person"]

    def turns(self, dialogue_id: str, turns: Sequence[Turn]) -> tuple[bool, list[tuple[Turn, Review]]]:
        """Tell whether result of a dialogue's turns is rejected, and return the turns with another wording."""
        if not self:
            return False, []
        outcomes = [(turn, outcome(self._of_turn(f"{dialogue_id}.t{turn.position}"))) for turn in turns]
        wordings = [(turn, result.wording) for turn, result in outcomes if result.wording]
        worded = [(turn, review) for turn, review in wordings if review.wording != turn.text]
        return any(result.rejected for _, result in outcomes), worded

    def _of_turn(self, turn_id: str) -> list[list[Review]]:
        """Return the reviews of a turn and of the turns it was copied from, the most specific first."""
        return [self.reviews.get(turn_id, []), *self.inherited.get(turn_id, [])]


def reworded(turns: Sequence[Turn], worded: Sequence[tuple[Turn, Review]]) -> list[Turn]:
    """Return the turns of a dialogue, with the wording of reviewers in place of what was said."""
    wordings = {turn.position: review.wording for turn, review in worded}
    return [
        turn.model_copy(update={"text": wordings[turn.position]}) if turn.position in wordings else turn
        for turn in turns
    ]
