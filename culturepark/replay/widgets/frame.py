"""The parts that screens share: the theme, a heading, the keys at the foot, and the frame of a modal screen."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult, RenderResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalGroup
from textual.screen import ModalScreen
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import Footer

from culturepark.interface import tr
from culturepark.replay.widgets.lists import fitted, ink

T = TypeVar("T")

THEME = Theme(
    name="culturepark",
    primary="#8ab4c9",
    secondary="#c3a6d6",
    accent="#e2b56b",
    success="#9cc492",
    warning="#dcb067",
    error="#e08a80",
    foreground="#d9d6cf",
    background="#17191c",
    surface="#1f2226",
    panel="#2a2e34",
    dark=True,
)


ROWS = 2
"""Rows of keys at most; the stage needs two in 60 columns."""


class Heading(Widget):
    """A title on the left, a place on the right, and a quieter line under both."""

    DEFAULT_CSS = """
    Heading {
        height: 4;
        padding: 1 2 0 2;
        & > .heading--title { text-style: bold; }
        & > .heading--quiet { color: $foreground 60%; }
        & > .heading--mark { color: $text-accent; text-style: bold; }
    }
    """
    COMPONENT_CLASSES = {"heading--title", "heading--quiet", "heading--mark"}  # noqa: RUF012 - as Textual has it

    def __init__(self, title: str, **options: Any) -> None:
        super().__init__(**options)
        self.title, self.place, self.detail, self.mark = title, "", "", ""

    def tell(self, *, title: str | None = None, place: str = "", detail: str = "", mark: str = "") -> None:
        """
        Args:
            mark: an unusual state, such as a filter; shown before the detail.
        """
        self.title = self.title if title is None else title
        self.place, self.detail, self.mark = place, detail, mark
        self.refresh()

    def render(self) -> RenderResult:
        width = self.content_size.width
        side = min(cell_len(self.place), width // 2) if self.place else 0
        first = Text.assemble(
            fitted(self.title, width - side - (1 if side else 0), self._ink("title")),
            " " if side else "",
            fitted(self.place, side, self._ink("quiet"), right=True),
        )
        mark = min(cell_len(self.mark), width)
        gap = "   " if mark and self.detail else ""
        rest = max(0, width - mark - len(gap))
        second = Text.assemble(
            fitted(self.mark, mark, self._ink("mark")), gap, fitted(self.detail, rest, self._ink("quiet"))
        )
        return Text("\n").join([first, second])

    def _ink(self, name: str) -> Style:
        return ink(self, f"heading--{name}")


class Keys(Footer):
    """The most important keys, in as many rows as they need; `?` shows all."""

    DEFAULT_CSS = """
    Keys {
        layout: vertical;
        background: $background;
        padding: 0 1;
        color: $foreground 60%;
        FooterKey { background: $background; color: $foreground 60%; }
        FooterKey .footer-key--key { color: $text-accent; background: $background; }
        FooterKey .footer-key--description { color: $foreground 60%; background: $background; }
    }
    """

    def __init__(self) -> None:
        super().__init__(show_command_palette=False)

    def compose(self) -> ComposeResult:
        rows: list[list[Widget]] = [[]]
        used, room = 0, self.app.size.width - 2
        for widget, label in zip(super().compose(), self._labels(), strict=False):
            if words := getattr(widget, "description", ""):
                setattr(widget, "description", tr(words))  # noqa: B010 - of a class that Textual keeps to itself
            if rows[-1] and used + len(label) > room and len(rows) < ROWS:
                rows.append([])
                used = 0
            rows[-1].append(widget)
            used += len(label)
        self.styles.height = len(rows)
        for row in rows:
            yield HorizontalGroup(*row)

    def _labels(self) -> list[str]:
        """Return the texts of the keys in the order of the footer's widgets, one for each action."""
        bindings = [active.binding for active in self.screen.active_bindings.values() if active.binding.show]
        by_action = {binding.action: binding for binding in reversed(bindings)}
        return [
            f" {self.app.get_key_display(by_action[action])} {tr(by_action[action].description)} "
            for action in dict.fromkeys(binding.action for binding in bindings)
        ]

    async def on_resize(self) -> None:
        await self.recompose()


class FramedScreen(ModalScreen[T]):
    """A modal screen with a frame in the middle. Its title is in the frame, its keys are at the foot."""

    DEFAULT_CSS = """
    FramedScreen {
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
