"""The form that filters the dialogues of a run, with the count of each value."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from culturepark.interface import later, tr
from culturepark.replay.session import RunCache, Session
from culturepark.replay.widgets.frame import FramedScreen, Keys
from culturepark.replay.widgets.lists import fitted
from culturepark.terminal.safe import safe

if TYPE_CHECKING:
    from culturepark.store.search import Filters

NAMES = {
    "culture": later("Somebody is"),
    "kind": later("A statement is a"),
    "stop": later("Ended by"),
    "verdict": later("A verdict says"),
}


class Choices(OptionList):
    """An option list that announces its size."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter,space", "select", "take or drop")]

    class Resized(Message): ...

    def on_resize(self) -> None:
        self.post_message(self.Resized())


class FilterScreen(FramedScreen["Filters"]):
    """Enter takes a value or drops it; the screen returns the filters."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("F", "clear", "drop all"),
        Binding("f", "close", "close", show=False),
    ]
    DEFAULT_CSS = """
    FilterScreen {
        & > #frame { max-width: 56; height: auto; max-height: 100%; }
        OptionList {
            height: auto; max-height: 100%; border: none; padding: 0; background: $surface;
            scrollbar-size-vertical: 1; scrollbar-gutter: stable;
            & > .option-list--option { padding: 0; }
            &:focus { border: none; background-tint: $foreground 0%; }
            & > .option-list--option-disabled { color: $text-accent; text-style: none; }
            &:focus > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: bold; }
        }
    }
    """

    def __init__(self, session: Session, run_cache: RunCache, filters: Filters) -> None:
        super().__init__()
        self.session, self.run_cache, self.filters = session, run_cache, filters
        self.choices: dict[str, dict[str, int]] = {}
        self._places: list[tuple[str, str] | None] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="frame") as frame:
            frame.border_title = tr("Which dialogues")
            yield Choices(Option(Text(tr("counting …")), disabled=True), markup=False)
        yield Keys()

    def on_mount(self) -> None:
        self.run_worker(self._load())

    async def _load(self) -> None:
        self.choices = await self.session.ask(self.run_cache.lists.choices)
        options = []
        for name, values in self.choices.items():
            if self._places:
                options.append(Option("", disabled=True))
                self._places.append(None)
            options.append(Option(Text(tr(NAMES[name])), disabled=True))
            self._places.append(None)
            for value, count in values.items():
                self._places.append((name, value))
                options.append(Option(self._label(name, value, count)))
        listing = self.query_one(OptionList)
        listing.clear_options()
        listing.add_options(options)
        listing.highlighted = next((index for index, place in enumerate(self._places) if place), None)
        listing.focus()

    def _label(self, name: str, value: str, count: int) -> Text:
        """Return a value and its count, as wide as the list."""
        sign = "● " if getattr(self.filters, name) == value else "○ "
        width = self.query_one(OptionList).scrollable_content_region.width
        return Text.assemble(sign, fitted(safe(value), width - 9), fitted(f"{count:,}", 7, right=True))

    def on_choices_resized(self) -> None:
        self._redraw()

    def _redraw(self) -> None:
        listing = self.query_one(OptionList)
        for index, place in enumerate(self._places):
            if place:
                name, value = place
                listing.replace_option_prompt_at_index(index, self._label(name, value, self.choices[name][value]))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if place := self._places[event.option_index]:
            name, value = place
            chosen = getattr(self.filters, name) == value
            self.filters = replace(self.filters, **{name: None if chosen else value})
            self._redraw()

    def action_clear(self) -> None:
        self.filters = replace(self.filters, **dict.fromkeys(asdict(self.filters), None))
        self._redraw()

    def action_close(self) -> None:
        self.dismiss(self.filters)
