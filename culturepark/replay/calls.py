"""The calls behind a turn or statement: request and reply of every attempt."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from culturepark.interface import later, tr
from culturepark.replay.call_text import exactly, in_parts, overview
from culturepark.replay.widgets.frame import FramedScreen, Keys
from culturepark.replay.widgets.sheet import Sheet, Stops
from culturepark.store.tables import CallRow
from culturepark.terminal.blocks import Para, Stop

NOTHING = later("No call was made: this was written beforehand, typed, or taken word by word from what was said.")


class CallsScreen(FramedScreen[None]):
    """Requests and replies, one attempt at a time."""

    DEFAULT_CSS = """
    CallsScreen {
        & #attempts { border-bottom: solid $foreground 20%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # With priority over the keys of the sheet, which cannot scroll sideways.
        Binding("left", "step(-1)", "earlier", key_display="←", priority=True),
        Binding("right", "step(1)", "later", key_display="→", priority=True),
        Binding("j", "exact", "words or JSON"),
    ]

    def __init__(self, rows: list[CallRow]) -> None:
        super().__init__()
        self.rows = rows
        self.at = max(0, len(rows) - 1)
        """The last attempt, whose answer was used."""
        self.exact = False

    def compose(self) -> ComposeResult:
        with Vertical(id="frame") as frame:
            frame.border_title = tr("Calls")
            attempts = Attempts([overview(row) for row in self.rows], id="attempts")
            attempts.at = self.at
            attempts.display = len(self.rows) > 1
            attempts.styles.height = min(len(self.rows), 6) + 1
            yield attempts
            yield Sheet([Stop("", (Para(tr(NOTHING), "muted"),))], id="call")
        yield Keys()

    def on_mount(self) -> None:
        self.query_one("#call").focus()
        self._show()

    def action_step(self, by: int) -> None:
        if 0 <= self.at + by < len(self.rows):
            self.query_one(Attempts).move(self.at + by)

    def action_exact(self) -> None:
        self.exact = not self.exact
        self._show()

    def on_stops_moved(self, event: Stops.Moved) -> None:
        self.at = event.number
        self._show()

    def _show(self) -> None:
        if self.rows:
            row = self.rows[self.at]
            sheet = self.query_one("#call", Sheet)
            sheet.scroll_to(y=0, animate=False)
            sheet.fill(exactly(row) if self.exact else in_parts(row))


class Attempts(Stops, can_focus=False):
    """A line for each attempt."""

    DEFAULT_CSS = "Attempts > .sheet--cursor { background: $panel; }"
