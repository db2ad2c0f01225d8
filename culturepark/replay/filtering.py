"""Which dialogues of a run are wanted: what would find something, and how much."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from culturepark.replay.library import Library, Shelf
from culturepark.replay.listing import fitted
from culturepark.show import safe

if TYPE_CHECKING:
    from culturepark.store.lists import Filters

NAMES = {
    "culture": "Somebody is",
    "kind": "A statement is a",
    "stop": "Ended by",
    "verdict": "A verdict says",
}
WIDTH = 48


class FilterScreen(ModalScreen["Filters"]):
    """Enter takes a value up, or drops it; ends with what is wanted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "take", "take or drop", show=False),
        Binding("F", "clear", "drop all", show=False),
        Binding("f,q,escape", "done", "done", show=False),
    ]
    DEFAULT_CSS = """
    FilterScreen {
        align: center middle;
        background: $background 60%;
        Vertical {
            width: 52; max-width: 100%; height: auto; max-height: 90%;
            padding: 1 2; background: $surface;
        }
        .title { text-style: bold; height: 2; }
        .keys { color: $foreground 60%; height: 2; padding-top: 1; }
        OptionList {
            height: auto; max-height: 100%; border: none; padding: 0; background: $surface;
            scrollbar-size-vertical: 1;
            &:focus { border: none; background-tint: $foreground 0%; }
            & > .option-list--option-disabled { color: $text-accent; text-style: none; }
            &:focus > .option-list--option-highlighted { background: $panel; color: $foreground; text-style: bold; }
        }
    }
    """

    def __init__(self, library: Library, shelf: Shelf, filters: Filters) -> None:
        super().__init__()
        self.library, self.shelf, self.filters = library, shelf, filters
        self.choices: dict[str, dict[str, int]] = {}
        self._places: list[tuple[str, str] | None] = []

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("Which dialogues", classes="title", markup=False)
            yield OptionList(Option(Text("counting …"), disabled=True), markup=False)
            yield Static("enter takes or drops, F drops all, esc is done", classes="keys", markup=False)

    def on_mount(self) -> None:
        self.run_worker(self._load())

    async def _load(self) -> None:
        self.choices = await self.library.ask(self.shelf.lists.choices)
        options = []
        for name, values in self.choices.items():
            if self._places:
                options.append(Option("", disabled=True))
                self._places.append(None)
            options.append(Option(Text(NAMES[name]), disabled=True))
            self._places.append(None)
            for value, count in values.items():
                self._places.append((name, value))
                options.append(Option(self._label(name, value, count)))
        listing = self.query_one(OptionList)
        listing.clear_options()
        listing.add_options(options)
        first = next((i for i, place in enumerate(self._places) if place), None)
        listing.highlighted = first
        listing.focus()

    def _label(self, name: str, value: str, count: int) -> Text:
        taken = asdict(self.filters)[name] == value
        return Text.assemble(
            "● " if taken else "○ ", fitted(safe(value), WIDTH - 9), fitted(f"{count:,}", 7, right=True)
        )

    def _redraw(self) -> None:
        listing = self.query_one(OptionList)
        for index, place in enumerate(self._places):
            if place:
                name, value = place
                listing.replace_option_prompt_at_index(index, self._label(name, value, self.choices[name][value]))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if place := self._places[event.option_index]:
            name, value = place
            taken = asdict(self.filters)[name] == value
            self.filters = replace(self.filters, **{name: None if taken else value})
            self._redraw()

    def action_take(self) -> None:
        self.query_one(OptionList).action_select()

    def action_clear(self) -> None:
        self.filters = replace(self.filters, **dict.fromkeys(asdict(self.filters), None))
        self._redraw()

    def action_done(self) -> None:
        self.dismiss(self.filters)
