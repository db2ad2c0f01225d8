"""Two dialogues side by side: a branch and its parent, or two branches of one."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from culturepark.replay.aligning import heading, outcome, stops
from culturepark.replay.modal import Over
from culturepark.replay.widgets.frame import Keys
from culturepark.replay.widgets.sheet import Sheet
from culturepark.store.dialogue_view import Scene
from culturepark.terminal.blocks import Stop


class CompareScreen(Over[None]):
    """Both scroll together; what is the same is folded away until it is asked for."""

    DEFAULT_CSS = """
    CompareScreen {
        & > #frame { max-width: 100%; margin: 0; }
        & #heading, & #outcome { height: 2; scrollbar-size-vertical: 0; }
        & #heading { border-bottom: solid $foreground 20%; height: 3; }
        & #outcome { border-top: solid $foreground 20%; height: 3; }
        &.-wide #heading, &.-wide #outcome { height: 2; }
    }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "fold", "unfold, or fold again")]

    def __init__(self, left: Scene, right: Scene) -> None:
        super().__init__()
        self.left, self.right = left, right
        self.unfolded = False

    def compose(self) -> ComposeResult:
        with Vertical(id="frame") as frame:
            frame.border_title = "Compare"
            head = Sheet([Stop("", (heading(self.left, self.right),))], id="heading")
            foot = Sheet([Stop("", (outcome(self.left, self.right),))], id="outcome")
            head.can_focus = foot.can_focus = False
            yield head
            yield Sheet(stops(self.left, self.right), id="both")
            yield foot
        yield Keys()

    def on_mount(self) -> None:
        self.query_one("#both").focus()

    def action_fold(self) -> None:
        self.unfolded = not self.unfolded
        self.query_one("#both", Sheet).fill(stops(self.left, self.right, unfolded=self.unfolded))
