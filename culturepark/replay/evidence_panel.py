"""The panel beside the speech: evidence of the present turn, and a cursor on what a review would be about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from culturepark.ids import hangs_on
from culturepark.replay import evidence
from culturepark.replay.widgets.sheet import Stops
from culturepark.store.dialogue_view import Scene
from culturepark.terminal.layout import Mark

QUOTE, CHOSEN = "underline", "bold reverse"
"""Styles of quotes in the speech; they differ without colour too."""


class EvidencePanel(Stops):
    """The turn, its statements and their samples, with a cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "unfold", "unfold, or fold again", show=False),
    ]

    DEFAULT_CSS = "EvidencePanel { background: $background; }"

    @dataclass
    class Changed(Message):
        """The cursor has moved to another subject."""

        subject: str

    @dataclass
    class Go(Message):
        """The user wants to see a statement, which may be in another dialogue."""

        statement_id: str

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.scene: Scene | None = None
        self.position = 0
        self.unfolded = False
        self._told = ""

    @property
    def subject(self) -> str:
        """Id of the turn, statement or sample under the cursor; empty where nothing is shown."""
        return self.stops[self.at].subject if self.at is not None else ""

    def show(self, scene: Scene, position: int) -> None:
        """Show the evidence of a turn. The cursor begins at the turn, and stays where it is if the turn is the same."""
        same = self.scene is not None and (self.scene.dialogue.id, self.position) == (scene.dialogue.id, position)
        before, row = self.subject, self.scroll_offset.y
        number = self.at or 0
        self.scene, self.position = scene, position
        found = evidence.stops(scene, position, self.unfolded)
        # Of a statement and what one may go to from it, which share a subject, the very same if it is still there.
        there = [index for index, stop in enumerate(found) if stop.subject == before] if same else []
        self.fill(found, number if number in there else there[0] if there else 0)
        self.scroll_to(y=row if there else 0, animate=False, force=True)
        self._tell()

    def select(self, subject: str) -> bool:
        """Put the cursor on a turn, statement or sample; return False if it is not part of the present turn."""
        number = next((index for index, stop in enumerate(self.stops) if stop.subject == subject), None)
        if number is not None:
            self.move(number)
        return number is not None

    def marks(self, position: int) -> list[Mark]:
        """Return marks for the quotes of a turn's statements; the one under the cursor stands out most."""
        spoken = evidence.spoken_at(self.scene, position) if self.scene else None
        if spoken is None:
            return []
        under = self.subject
        chosen = [one for one in spoken.statements if hangs_on(under, one.row.id)]
        quotes = [(one.row.quote_start, one.row.quote_end, QUOTE) for one in spoken.statements if one not in chosen]
        return quotes + [(one.row.quote_start, one.row.quote_end, CHOSEN) for one in chosen]

    def action_unfold(self) -> None:
        """Show or fold verdicts of earlier rounds and long clusters."""
        self.unfolded = not self.unfolded
        if self.scene:
            self.show(self.scene, self.position)

    def on_stops_moved(self, event: Stops.Moved) -> None:
        event.stop()
        self._tell()

    def on_stops_followed(self, event: Stops.Followed) -> None:
        event.stop()
        self.post_message(self.Go(event.go))

    def _tell(self) -> None:
        """Announce the subject under the cursor if it is another one; a statement and its cluster share one."""
        if self.subject != self._told:
            self._told = self.subject
            self.post_message(self.Changed(self._told))
