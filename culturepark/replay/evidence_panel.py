"""The panel beside the speech: the evidence of the present turn, and a cursor on the subject of a review."""

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
"""Styles of quotes in the speech, which differ without colour too."""


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
        self._announced = ""

    @property
    def subject(self) -> str:
        """Id of the turn, statement or sample under the cursor; empty if nothing is shown."""
        return self.stops[self.at].subject if self.at is not None else ""

    def show(self, scene: Scene, position: int) -> None:
        """Show the evidence of a turn. The cursor begins at the turn, and stays where it is if the turn is the same."""
        same = self.scene is not None and (self.scene.dialogue.id, self.position) == (scene.dialogue.id, position)
        subject, row = self.subject, self.scroll_offset.y
        number = self.at or 0
        self.scene, self.position = scene, position
        stops = evidence.stops(scene, position, self.unfolded)
        # A statement and the members of its cluster share a subject; the number tells them apart.
        same_subject = [index for index, stop in enumerate(stops) if stop.subject == subject] if same else []
        self.fill(stops, number if number in same_subject else same_subject[0] if same_subject else 0)
        self.scroll_to(y=row if same_subject else 0, animate=False, force=True)
        self._announce()

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
        chosen = [mined.row for mined in spoken.statements if hangs_on(self.subject, mined.row.id)]
        others = [mined.row for mined in spoken.statements if mined.row not in chosen]
        marks = [(row.quote_start, row.quote_end, QUOTE) for row in others]
        return marks + [(row.quote_start, row.quote_end, CHOSEN) for row in chosen]

    def action_unfold(self) -> None:
        """Show or fold verdicts of earlier rounds, and long clusters."""
        self.unfolded = not self.unfolded
        if self.scene:
            self.show(self.scene, self.position)

    def on_stops_moved(self, event: Stops.Moved) -> None:
        event.stop()
        self._announce()

    def on_stops_followed(self, event: Stops.Followed) -> None:
        event.stop()
        self.post_message(self.Go(event.go))

    def _announce(self) -> None:
        """Send a message if the cursor is on another subject; a statement and its cluster are one subject."""
        if self.subject != self._announced:
            self._announced = self.subject
            self.post_message(self.Changed(self._announced))
