"""What reviewers changed in an export: which rows are left out, and which say something else. Rows stay as stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from culturepark.distill.review_outcome import outcome
from culturepark.domain import Edition, Review, Turn, trained_form
from culturepark.store import exports
from culturepark.store.standing import of_sample, standing_reviews
from culturepark.store.tables import RunRow


class Reviewed:
    """The standing reviews of some runs. They are few: people gave them."""

    def __init__(self, look: exports.Look, runs: Sequence[RunRow]) -> None:
        self._look = look
        self.reviews: dict[str, list[Review]] = {}
        """By subject."""
        self.inherited: dict[str, list[list[Review]]] = defaultdict(list)
        """By turn of a branch: what was said of the turns that it is a copy of, the nearest first."""
        for run in runs:
            self.reviews |= standing_reviews(look, run.id)
            for branch in exports.branches(look, run.id):
                for dialogue_id, shared in exports.copied_from(look, branch):
                    found = standing_reviews(look, dialogue_id)
                    for position in range(1, shared + 1):
                        if given := found.get(f"{dialogue_id}.t{position}"):
                            self.inherited[f"{branch.id}.t{position}"].append(given)
        self.rewords = any(review.wording for review in self.given())
        """Whether anything may say something else than what is stored."""
        self.corrected: dict[str, list[Review]] = {}
        """By id of a row that says something else than what is stored: which reviews have it so."""

    def __bool__(self) -> bool:
        return bool(self.reviews or self.inherited)

    def given(self) -> Iterator[Review]:
        for some in (*self.reviews.values(), *(given for levels in self.inherited.values() for given in levels)):
            yield from some

    def rejects(self, sample_id: str) -> bool:
        return bool(self) and of_sample(self.reviews, sample_id).rejected

    def answer(self, sample: Mapping[str, Any], edition: Edition, stored: str) -> str:
        """What a sample answers.

        Of a statement in other words the answer is made anew from its template. What a turn should say is for whole
        dialogues: statements rest on what was said.
        """
        review = of_sample(self.reviews, sample["id"]).wording if self else None
        if review is None or review.wording is None or review.subject_id not in (sample["id"], sample["statement_id"]):
            return stored
        text = review.wording
        if review.subject_id != sample["id"]:
            from culturepark.distill.samples import shape_sample

            statement, casting, phase, language = exports.spoken_by(self._look, edition, review.subject_id)
            worded = statement.model_copy(update={trained_form(statement.kind): text})
            text = shape_sample(worded, casting, sample["kind"], phase, language, None).messages[-1]["content"]
        if text != stored:
            self.corrected[sample["id"]] = [review]
        return text

    def words(self, sample: Mapping[str, Any]) -> str:
        """What a sample answers as its speaker would say it, without what the template puts around it."""
        found = self.corrected.get(sample["id"])
        return found[0].wording or "" if found else sample["first_person"]

    def turns(self, dialogue_id: str, turns: Sequence[Turn]) -> tuple[bool, list[tuple[Turn, Review]]]:
        """Whether one of a dialogue's turns is rejected; and those that should say something else."""
        if not self:
            return False, []
        found = [(turn, outcome(self._of_turn(f"{dialogue_id}.t{turn.position}"))) for turn in turns]
        worded = [(turn, one.wording) for turn, one in found if one.wording and one.wording.wording != turn.text]
        return any(one.rejected for _, one in found), worded

    def _of_turn(self, turn_id: str) -> list[list[Review]]:
        """What is said of a copy is said of it more specifically than what is said of what it is a copy of."""
        return [self.reviews.get(turn_id, []), *self.inherited.get(turn_id, [])]


def reworded(turns: Sequence[Turn], worded: Sequence[tuple[Turn, Review]]) -> list[Turn]:
    """The turns of a dialogue, some of them with the wording of a reviewer."""
    wordings = {turn.position: review.wording for turn, review in worded}
    return [
        turn.model_copy(update={"text": wordings[turn.position]}) if turn.position in wordings else turn
        for turn in turns
    ]
