"""The keys of a stage that lead elsewhere: to cards, calls, searches, branches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from culturepark.ids import run_of
from culturepark.replay.onstage import OnStage

if TYPE_CHECKING:
    from culturepark.store.dialogue_view import Scene


class Doors(OnStage):
    """A stage from which one goes to what is behind and beside it."""

    def action_persona(self) -> None:
        from culturepark.replay.persona import PersonaScreen

        if self.scene and self.spoken:
            speaker = self.spoken.turn.speaker
            seated = next((one for one in self.scene.people if one.persona.key == speaker), None)
            if seated:
                self._over(PersonaScreen(seated, self.scene.seed))
            else:
                self._say(f"{self.spoken.name} has no card")

    def action_calls(self) -> None:
        if self.scene and (subject := self.subject):
            self.run_worker(self._calls(self.scene, subject), group="calls", exclusive=True)

    async def _calls(self, scene: Scene, subject: str) -> None:
        from culturepark.replay.calls import CallsScreen

        rows = await self.ask(self.shelf.scenes.calls, scene, subject)
        if rows:
            self._over(CallsScreen(rows))
        else:
            self._say("no model was asked for this")

    def action_search(self) -> None:
        from culturepark.replay.search import search

        search(self.app, self.library, self.shelf, self.ids)

    def action_branch(self) -> None:
        if self._may_write() and self.scene and self.spoken:
            from culturepark.replay.branch_form import BranchScreen

            screen = BranchScreen(self.scene, self.spoken.turn.position, self.library.store, self.library.trust)
            self._over(screen, lambda dialogue_id: self._visit(dialogue_id) if dialogue_id else None)

    def _visit(self, dialogue_id: str, subject: str = "") -> None:
        """A dialogue of another run, on a stage of its own."""
        self.run_worker(self._go_to(dialogue_id, subject), group="visit", exclusive=True)

    async def _go_to(self, dialogue_id: str, subject: str) -> None:
        from culturepark.replay.stage import StageScreen

        shelf = await self.ask(self.library.shelf, run_of(dialogue_id))
        self._over(StageScreen(self.library, shelf, dialogue_id, subject=subject))

    def action_compare(self) -> None:
        if self.scene:
            self.run_worker(self._compare(self.scene), group="compare", exclusive=True)

    async def _compare(self, scene: Scene) -> None:
        pair = await self.ask(self.library.beside, scene)
        if isinstance(pair, str):
            self._say(pair)
        else:
            from culturepark.replay.compare import CompareScreen

            self._over(CompareScreen(*pair))
