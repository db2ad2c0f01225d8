"""The keys of a stage that judge: what is said, and what is shown of it, is what is in the store by then."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, TypeVar

from culturepark.errors import CultureparkError
from culturepark.ids import place_of, short
from culturepark.replay import signs
from culturepark.replay.onstage import OnStage

if TYPE_CHECKING:
    from culturepark.replay.review_form import Judgement
    from culturepark.store.dialogue_view import Scene
    from culturepark.store.tables import ReviewRow

T = TypeVar("T")


class Reviewing(OnStage):
    """A stage on which one judges."""

    def action_judge(self, decision: str) -> None:
        self._judge(decision=decision)

    def action_rate(self, rating: int) -> None:
        self._judge(rating=rating)

    def _judge(self, **judgement: Any) -> None:
        """What is not given stays as this reviewer had it."""
        if self._may_write() and (subject := self.subject):
            self.run_worker(self._judged(self.library.judge(subject, **judgement)), group="judge")

    async def _judged(self, write: Future[tuple[ReviewRow, bool]]) -> str | None:
        """Shows what is in the store by now; gives what it could not take."""
        written = await self._written(write)
        if isinstance(written, str):
            return written
        row, new = written
        self._say(self._told(row) if new else f"already so: {self._told(row)}")
        await self._show_again()
        return None

    def action_undo(self) -> None:
        if self._may_write():
            self.run_worker(self._taken_back(self.library.undo(self.dialogue_id)), group="judge")

    async def _taken_back(self, write: Future[ReviewRow | None]) -> None:
        row = await self._written(write)
        if row is None:
            self._say(f"{self.library.reviewer} has judged nothing here that could be taken back")
        elif not isinstance(row, str):
            self._say(f"taken back: {self._told(row)}")
            await self._show_again()

    async def _written(self, write: Future[T]) -> T | str:
        """What came of it. What the store cannot take is said, and nothing is lost."""
        came: T | str
        try:
            came = await self.still_here(self.library.done(write))
        except CultureparkError as error:
            came = f"not stored: {error}"
            self._say(came)
        self.library.told(write)
        return came

    async def _show_again(self) -> None:
        """The dialogue on stage, with what was written about it."""
        if self.scene and self.scene.dialogue.id == self.dialogue_id:
            scene = await self.ask(self.shelf.look_again, self.dialogue_id)
            if self.scene.dialogue.id == scene.dialogue.id == self.dialogue_id:
                self._show(scene)

    def _told(self, row: ReviewRow) -> str:
        """A judgement, and what it is about: whole where that is not on stage."""
        sign, word, _ = signs.DECISION[row.decision]
        here = place_of(row.subject_id)[0] == self.dialogue_id
        rated = f", {row.rating} of 5" if row.rating else ""
        return f"{sign} {short(row.subject_id) if here else row.subject_id} {word}{rated}"

    def action_edit(self) -> None:
        if self._may_write() and self.scene and (subject := self.subject):
            self.run_worker(self._edit(self.scene, subject), group="edit", exclusive=True)

    async def _edit(self, scene: Scene, subject: str) -> None:
        """Asks until it is stored, or thrown away."""
        from culturepark.replay.outcomes import wording_of
        from culturepark.replay.review_form import JudgeScreen, part_of

        standing = await self._written(self.library.standing(subject))
        if isinstance(standing, str):
            return
        filled: Judgement | None = None
        told: str | None = ""
        while told is not None:
            if not self.is_active:
                return
            form = JudgeScreen(
                subject, wording_of(scene, subject), standing, part_of(scene, subject), filled=filled, told=told
            )
            filled = await self.app.push_screen_wait(form)
            if filled is None:
                return
            told = await self._judged(self.library.judge(subject, whole=True, **vars(filled)))
