"""What the screens that are laid over another one have in common."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

T = TypeVar("T")


class Over(ModalScreen[T]):
    """A frame in the middle; what does not fit scrolls. `q` and escape close it.

    All of them look alike: this frame, a title in it, and at the foot the keys, where there are no buttons.
    """

    DEFAULT_CSS = """
    Over {
        align: center middle;
        & > #frame {
            width: 100%;
            max-width: 104;
            height: 100%;
            margin: 1 2;
            border: round $foreground 20%;
            border-title-color: $foreground;
            border-title-style: bold;
            padding: 0 1;
            background: $surface;
        }
        & Sheet { height: 1fr; background: $surface; }
        &.-narrow > #frame { margin: 0; }
    }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "close", "close", key_display="q"),
        Binding("question_mark", "app.help", "help", key_display="?"),
    ]

    def action_close(self) -> None:
        self.dismiss(None)
