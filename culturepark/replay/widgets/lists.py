"""A list of any length, of which only visible rows are read and drawn."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from culturepark.terminal.layout import one_line

PAGE = 100
"""Rows that are fetched at once."""
PAGES = 12
"""Pages that are kept in memory."""

Fetch = Callable[[Sequence[str]], Awaitable[Iterable[Any]]]
"""Reads rows by id; each has an `id`, and deleted ones are left out."""


class Listing(ScrollView, can_focus=True, inherit_bindings=False):
    """A list of rows by their ids. Subclasses draw a row."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "open"),
        Binding("up", "move(-1)", "one up", show=False),
        Binding("down", "move(1)", "one down", show=False),
        Binding("pageup", "page(-1)", "a page up", show=False),
        Binding("pagedown", "page(1)", "a page down", show=False),
        Binding("home", "jump(0)", "first", show=False),
        Binding("end", "jump(-1)", "last", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"listing--{name}" for name in ("cursor", "quiet", "strong", "good", "bad", "busy", "mark")
    }
    DEFAULT_CSS = """
    Listing {
        height: 1fr;
        overflow-x: hidden;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        background: $background;
        & > .listing--cursor { background: $surface; }
        &:focus > .listing--cursor { background: $panel; }
        & > .listing--quiet { color: $foreground 60%; }
        & > .listing--strong { text-style: bold; }
        & > .listing--good { color: $text-success; }
        & > .listing--bad { color: $text-error; }
        & > .listing--busy { color: $text-warning; }
        & > .listing--mark { color: $text-accent; text-style: bold underline; }
    }
    """

    cursor: reactive[int] = reactive(0)

    class Chosen(Message):
        """The user wants to open a row."""

        def __init__(self, listing: Listing, index: int) -> None:
            self.listing = listing
            self.index = index
            super().__init__()

        @property
        def control(self) -> Listing:
            return self.listing

    def __init__(self) -> None:
        super().__init__()
        self.ids: Sequence[str] = ()
        self._fetch: Fetch | None = None
        self._pages: OrderedDict[int, dict[str, Any]] = OrderedDict()
        self._asked: set[int] = set()
        self._drawn: tuple[object, list[Text]] = (None, [])

    # --- rows ----------------------------------------------------------------------------------------

    def tall(self) -> int:
        return 1

    def draw(self, row: Any, width: int) -> list[Text]:
        raise NotImplementedError

    def columns(self, width: int) -> Text:  # noqa: ARG002 - for subclasses with columns
        """Return the headings of columns; empty if a row has several lines."""
        return Text()

    def note_widths(self, rows: Iterable[Any]) -> None:
        """Note the widths of columns in rows that have just been read."""

    def forget_widths(self) -> None:
        """Drop the widths that `note_widths` has noted."""

    def show(self, ids: Sequence[str], fetch: Fetch, known: Iterable[Any] = ()) -> None:
        """Show rows by their ids. If the ids are the same as before, the rows stay until they have been read again.

        Args:
            known: the first rows, if they have been read already.
        """
        current = self.ids[self.cursor] if self.cursor < len(self.ids) else None
        same = list(ids) == list(self.ids)
        self.ids, self._fetch = ids, fetch
        self._asked.clear()
        if not same:
            self._pages.clear()
            self.forget_widths()
            self.measure()
            self.cursor = self.validate_cursor(ids.index(current) if current in ids else 0)
            self._bring_into_sight()
        if rows := {row.id: row for row in known}:
            self._pages[0] = rows
            self.note_widths(rows.values())
            self._redraw()
        elif same:
            self.run_worker(self.reload(), group="pages")
        self._want()

    def row(self, index: int) -> Any:
        """Return a row; None if it has not been read yet."""
        page = self._pages.get(index // PAGE)
        return page.get(self.ids[index]) if page else None

    def count(self) -> int:
        return len(self.ids)

    async def reload(self) -> None:
        """Read the visible rows again; the old ones stay until then."""
        for page in self._visible_pages():
            await self._load(page)

    def _visible_pages(self) -> range:
        tall = self.tall()
        first = self.scroll_offset.y // tall
        last = min(self.count() - 1, first + self.size.height // tall + 1)
        return range(first // PAGE, last // PAGE + 1) if last >= 0 else range(0)

    def _want(self) -> None:
        """Read the visible pages and those next to them, once."""
        visible = self._visible_pages()
        if self._fetch is None or not visible:
            return
        for page in (*visible, visible.stop, visible.start - 1):
            if 0 <= page * PAGE < self.count() and page not in self._pages and page not in self._asked:
                self._asked.add(page)
                self.run_worker(self._load(page), group="pages")

    async def _load(self, page: int) -> None:
        ids, fetch = self.ids, self._fetch
        assert fetch is not None
        rows = {row.id: row for row in await fetch(ids[page * PAGE : (page + 1) * PAGE])}
        if ids is self.ids:
            self._asked.discard(page)
            self._pages[page] = rows
            self._pages.move_to_end(page)
            while len(self._pages) > PAGES:
                self._pages.popitem(last=False)
            self.note_widths(rows.values())
            self._redraw()

    # --- drawing -------------------------------------------------------------------------------------

    def ink(self, name: str) -> Style:
        """
        Args:
            name: `quiet`, `strong`, `good`, `bad`, `busy` or `mark`.
        """
        return ink(self, f"listing--{name}")

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        index, part = divmod(y + self.scroll_offset.y, self.tall())
        if index >= self.count():
            return Strip.blank(width, self.rich_style)
        lines = self._lines(index, width)
        line = lines[part] if part < len(lines) else Text("")
        strip = Strip(line.render(self.app.console)).adjust_cell_length(width)
        style = self.rich_style
        if index == self.cursor:
            style += self.get_component_rich_style("listing--cursor", partial=True)
        return strip.apply_style(style)

    def _lines(self, index: int, width: int) -> list[Text]:
        row, under_cursor = self.row(index), index == self.cursor
        if self._drawn[0] != (index, width, under_cursor):
            pointer = ("› " if under_cursor else "  ", "bold")
            drawn = [fitted("···", width, self.ink("quiet"))] if row is None else self.draw(row, width - 3)
            lines = [Text.assemble(pointer if n == 0 else "  ", line) for n, line in enumerate(drawn)]
            self._drawn = ((index, width, under_cursor), lines)
        return self._drawn[1]

    def _redraw(self) -> None:
        self._drawn = (None, [])
        self.refresh()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn = (None, [])

    def measure(self) -> None:
        """Fit the scroll bar to the number of rows, and draw them."""
        self.virtual_size = Size(self.scrollable_content_region.width, self.count() * self.tall())
        self._redraw()

    def on_resize(self) -> None:
        self.measure()
        self._bring_into_sight()
        self._want()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._want()

    # --- moving ----------------------------------------------------------------------------------------

    def validate_cursor(self, cursor: int) -> int:
        return max(0, min(cursor, self.count() - 1))

    def watch_cursor(self) -> None:
        self._bring_into_sight()
        self._redraw()

    def _bring_into_sight(self) -> None:
        tall = self.tall()
        self.scroll_to_region(Region(0, self.cursor * tall, 1, tall), animate=False, force=True, x_axis=False)

    def action_move(self, by: int) -> None:
        self.cursor += by

    def action_page(self, by: int) -> None:
        self.cursor += by * max(1, self.size.height // self.tall() - 1)

    def action_jump(self, index: int) -> None:
        self.cursor = index if index >= 0 else self.count() + index

    def action_choose(self) -> None:
        if self.count():
            self.post_message(self.Chosen(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to a row; a click on the row under the cursor opens it."""
        index = (event.y + self.scroll_offset.y) // self.tall()
        if index == self.cursor:
            self.action_choose()
        elif index < self.count():
            self.cursor = index


class Columns(Widget):
    """The headings over a list; hidden if its rows have several lines."""

    DEFAULT_CSS = """
    Columns { height: auto; color: $foreground 50%; padding: 0 2; }
    """

    def __init__(self, listing: Listing) -> None:
        super().__init__()
        self.listing = listing

    def render(self) -> Text:
        return self.listing.columns(self.content_size.width)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """Return 0 without headings; a hidden widget would not learn that there is more room."""
        return 1 if self.listing.columns(width) else 0


def ink(widget: Widget, component: str) -> Style:
    """Return the style of a component class, without background."""
    style = widget.get_component_rich_style(component)
    return Style(color=style.color, bold=style.bold, underline=style.underline, italic=style.italic)


def fitted(text: object, width: int, style: Style | str = "", *, right: bool = False) -> Text:
    """Return a text on one line of exactly `width` cells."""
    line = one_line(text, width)
    gap = " " * (width - cell_len(line))
    return Text(gap + line if right else line + gap, style=style, no_wrap=True, end="")
