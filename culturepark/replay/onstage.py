"""What there is on a stage, for the keys that judge it and those that lead elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from textual.screen import Screen

from culturepark.replay.asking import Asking
from culturepark.replay.session import Shelf
from culturepark.replay.widgets.track import StatusLine

if TYPE_CHECKING:
    from culturepark.store.dialogue_view import Scene, Spoken

T = TypeVar("T")
READ_ONLY = "read-only with --follow; without it one judges and branches"


class OnStage(Asking[str]):
    """One dialogue, and one turn of it."""

    shelf: Shelf
    ids: Sequence[str]
    """The dialogues among which one goes to the next and back."""
    dialogue_id: str
    scene: Scene | None

    @property
    def spoken(self) -> Spoken | None:
        """The present turn."""
        raise NotImplementedError

    @property
    def subject(self) -> str:
        """What a judgement is about."""
        raise NotImplementedError

    def _show(self, scene: Scene) -> None:
        """A scene, or the same one as it is by now."""
        raise NotImplementedError

    def _say(self, what: str) -> None:
        self.query_one(StatusLine).say(what)

    def _over(self, screen: Screen[T], callback: Callable[[T | None], None] | None = None) -> None:
        """Another screen over this one, unless there is one already."""
        if self.is_active:
            self.app.push_screen(screen, callback)

    def _may_write(self) -> bool:
        if self.library.follow:
            self._say(READ_ONLY)
        return not self.library.follow
