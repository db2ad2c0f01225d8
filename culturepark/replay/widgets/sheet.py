"""A scrolling widget of paragraphs, with or without a cursor. Only visible lines are drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, get_args

from rich.console import Console
from rich.style import Style
from rich.text import Text
from rich.theme import Theme
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from culturepark.terminal.blocks import Block, Look, Stop

LOOKS = tuple(look for look in get_args(Look) if look)
AT_ONCE = 200
"""Lines that are laid out at a time."""
GUTTER, MARGIN = 2, 1
"""Cells for the cursor at the left, and before the scroll bar at the right."""


class Sheet(ScrollView, can_focus=True):
    """Stops, one below the other, each laid out once for a width."""

    DEFAULT_CSS = """
    Sheet {
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        background: $surface;
        color: $foreground;
        & > .sheet--title { color: $text-primary; text-style: bold; }
        & > .sheet--label { text-style: bold; }
        & > .sheet--muted { color: $foreground 65%; }
        & > .sheet--good { color: $text-success; }
        & > .sheet--bad { color: $text-error; }
        & > .sheet--quote { text-style: italic; }
        & > .sheet--cut { color: $text-error; text-style: strike; }
        & > .sheet--put { color: $text-success; text-style: bold underline; }
        & > .sheet--bar { color: $primary; }
        & > .sheet--cursor { background: $surface; }
        &:focus > .sheet--cursor { background: $panel; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"sheet--{look}" for look in (*LOOKS, "cursor")}

    def __init__(self, stops: Sequence[Stop] = (), *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.stops: tuple[Stop, ...] = tuple(stops)
        self.at: int | None = None
        """Number of the stop under the cursor; None without a cursor."""
        self._lines: list[tuple[Text, int]] = []
        """Lines, each with the number of its stop; -1 between stops."""
        self._rest: Iterator[tuple[Block | None, int]] = iter(())
        self._width = 0
        self._pen: Console | None = None

    # --- stops -----------------------------------------------------------------------------------------

    def fill(self, stops: Sequence[Stop], at: int | None = None) -> None:
        """Show other stops, with the cursor on one of them, or without a cursor."""
        self.stops, self.at = tuple(stops), at
        self._begin()

    def rows_of(self, number: int) -> range:
        rows = [row for row, (_, stop) in enumerate(self._lines) if stop == number]
        return range(rows[0], rows[-1] + 1) if rows else range(0)

    @property
    def plain(self) -> str:
        return "\n".join(line.plain.rstrip() for line, _ in self._lines)

    def on_resize(self) -> None:
        if self.scrollable_content_region.width != self._width:
            self._begin()
        self.reveal()

    def reveal(self) -> None:
        """Scroll to the stop under the cursor; if it does not fit, to its beginning."""
        if self.at is not None and (rows := self.rows_of(self.at)):
            height = min(len(rows), self.scrollable_content_region.height)
            # By force: a sheet that was just filled does not know until the next refresh that it can scroll.
            self.scroll_to_region(Region(0, rows.start, self._width, height), animate=False, force=True)

    def _begin(self) -> None:
        self._width = self.scrollable_content_region.width
        self._lines = []
        self._rest = self._blocks()
        if self._width:
            self._go_on()

    def _blocks(self) -> Iterator[tuple[Block | None, int]]:
        for number, stop in enumerate(self.stops):
            if stop.apart and number:
                yield None, -1
            for block in stop.blocks:
                for piece in block.pieces():
                    yield piece, number

    def _go_on(self) -> None:
        """Lay out the rest in portions, so that the first screen of a long text is shown at once."""
        enough = len(self._lines) + AT_ONCE
        for block, number in self._rest:
            lines = block.lines(max(1, self._width - GUTTER - MARGIN)) if block else [Text()]
            self._lines += [(line, number) for line in lines]
            if len(self._lines) >= enough and number >= (self.at or 0):
                self.call_later(self._go_on)
                break
        self.virtual_size = Size(self._width, len(self._lines))
        self.refresh()

    # --- drawing ---------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._pen = None

    @property
    def pen(self) -> Console:
        """A console with the looks as its theme."""
        if self._pen is None:
            theme = Theme({look: self._style(f"sheet--{look}") for look in LOOKS}, inherit=False)
            self._pen = Console(theme=theme, width=80, height=25)
        return self._pen

    def _style(self, component: str) -> Style:
        """Return a style without its background, which would hide that of the cursor."""
        styles = self.get_component_styles(component)
        text_colour = (self.background_colors[1] + styles.color).rich_color
        return Style(color=text_colour if styles.has_rule("color") else None) + styles.text_style

    def render_line(self, y: int) -> Strip:
        row = self.scroll_offset.y + y
        width = self._width
        style = self.rich_style
        if row >= len(self._lines):
            return Strip.blank(width, style)
        line, number = self._lines[row]
        chosen = self.at is not None and number == self.at
        first = chosen and (row == 0 or self._lines[row - 1][1] != number)
        if first:
            style += self.get_component_rich_style("sheet--cursor", partial=True)
        gutter = Text("  " if not chosen else "│ " if not self.has_focus else "› " if first else "┃ ")
        segments = [*gutter.render(self.pen), *line.render(self.pen)]
        return Strip(segments).adjust_cell_length(width).apply_style(style)


class Stops(Sheet, inherit_bindings=False):
    """A sheet with a cursor that goes from stop to stop. Home, end, left and right belong to the stage."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "go_down", "next", show=False),
        Binding("up", "go_up", "the one before", show=False),
        Binding("pagedown", "page_down", "a page down", show=False),
        Binding("pageup", "page_up", "a page up", show=False),
        Binding("enter", "follow", "go where it leads", show=False),
    ]

    @dataclass
    class Moved(Message):
        sheet: Stops
        number: int

    @dataclass
    class Followed(Message):
        """The user wants to go to the target of the stop under the cursor."""

        go: str

    def move(self, number: int) -> None:
        was, self.at = self.at, number
        self.reveal()
        self.refresh()
        if number != was:
            self.post_message(self.Moved(self, number))

    def stop_at(self, y: int) -> int | None:
        """Return the number of the stop in a line of the window."""
        row = self.scroll_offset.y + y
        number = self._lines[row][1] if 0 <= row < len(self._lines) else -1
        return number if number >= 0 else None

    def action_go_down(self) -> None:
        """Go to the next stop; a stop longer than the window is scrolled first."""
        if self.at is None or self._came_back():
            return
        if self.rows_of(self.at).stop > self.scroll_offset.y + self.scrollable_content_region.height:
            self.scroll_to(y=self.scroll_offset.y + 1, animate=False)
        elif self.at + 1 < len(self.stops):
            self.move(self.at + 1)

    def action_go_up(self) -> None:
        if self.at is None or self._came_back():
            return
        if self.rows_of(self.at).start < self.scroll_offset.y:
            self.scroll_to(y=self.scroll_offset.y - 1, animate=False)
        elif self.at:
            self.move(self.at - 1)

    def _came_back(self) -> bool:
        """Move a cursor that was scrolled out of sight to the first visible stop; return True if it was."""
        visible = [number for y in range(self.size.height) if (number := self.stop_at(y)) is not None]
        out_of_sight = bool(visible) and self.at not in visible
        if out_of_sight:
            self.move(visible[0])
        return out_of_sight

    def action_follow(self) -> None:
        if self.at is not None and (go := self.stops[self.at].go):
            self.post_message(self.Followed(go))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to a stop; a click on the stop under the cursor follows it."""
        number = self.stop_at(event.get_content_offset_capture(self).y)
        if number is None:
            return
        if number == self.at:
            self.action_follow()
        else:
            self.move(number)
