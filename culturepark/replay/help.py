"""The page of all keys, made from the bindings of the screens; a click on a key presses it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import Screen
from textual.widget import Widget

from culturepark.interface import tr
from culturepark.replay.app import Replay
from culturepark.replay.branch_form import BranchScreen
from culturepark.replay.calls import CallsScreen
from culturepark.replay.compare import CompareScreen
from culturepark.replay.dialogues import DialoguesScreen
from culturepark.replay.evidence_panel import EvidencePanel
from culturepark.replay.filter_form import Choices, FilterScreen
from culturepark.replay.review_form import Choice, ReviewScreen
from culturepark.replay.runs import RunsScreen
from culturepark.replay.search import SearchScreen
from culturepark.replay.stage import StageScreen
from culturepark.replay.widgets.frame import FramedScreen, Keys
from culturepark.replay.widgets.lists import Listing, fitted, ink
from culturepark.replay.widgets.sheet import Stops
from culturepark.replay.widgets.speeches import Speeches

PLAY = ("play", "step", "seek", "last", "speed", "phase", "dialogue", "hit")
"""Actions of the stage that move through a dialogue."""
COLUMN, KEYS = 38, 12
SIGNS = {"up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "pgup", "pagedown": "pgdn"}
SIGNS |= {"question_mark": "?", "slash": "/"}


@dataclass(frozen=True)
class Area:
    name: str
    owners: tuple[type[Replay | Screen | Widget], ...]  # type: ignore[type-arg]
    actions: tuple[str, ...] = ()
    """Only these actions; with `others`, all except these."""
    others: bool = False

    @property
    def bindings(self) -> list[Binding]:
        return [
            binding
            for owner in self.owners
            for binding in bindings(owner)
            if not self.actions or (binding.action.partition("(")[0] in self.actions) != self.others
        ]

    def works_on(self, screen: Screen[object]) -> bool:
        return any(owner is Replay or isinstance(screen, owner) or has(screen, owner) for owner in self.owners)


AREAS = (
    Area("Play", (StageScreen,), PLAY),
    Area("Look behind, judge, branch", (StageScreen,), PLAY, others=True),
    Area("Everywhere", (Replay,)),
    Area("The speech", (Speeches,)),
    Area("Beside the speech", (Stops, EvidencePanel)),
    Area("Lists", (Listing,)),
    Area("Runs", (RunsScreen,)),
    Area("Dialogues", (DialoguesScreen,)),
    Area("Search", (SearchScreen,)),
    Area("Filters", (Choices, FilterScreen)),
    Area("Calls", (CallsScreen,)),
    Area("Compare", (CompareScreen,)),
    Area("Judging in a form", (ReviewScreen, Choice)),
    Area("Branching", (BranchScreen, Choice)),
    Area("Whatever has a frame", (FramedScreen,)),
)


class Page(Widget):
    """Areas of keys, in as many columns as there is room for."""

    DEFAULT_CSS = """
    Page {
        height: auto;
        & > .page--area { color: $text-accent; text-style: bold; }
        & > .page--key { text-style: bold; }
        & > .page--quiet { color: $foreground 75%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"page--area", "page--key", "page--quiet"}

    def __init__(self, areas: Sequence[Area]) -> None:
        super().__init__()
        self.areas = areas

    def columns(self) -> list[list[tuple[Text, Area, str]]]:
        """Return the lines of each column, each with its area and the key that a click presses."""
        area_ink, key_ink, quiet = (ink(self, f"page--{name}") for name in ("area", "key", "quiet"))
        count = max(1, min(3, self.content_size.width // COLUMN))
        columns: list[list[tuple[Text, Area, str]]] = [[] for _ in range(count)]
        for area in self.areas:
            column = min(columns, key=len)
            column.append((fitted(tr(area.name), COLUMN - 2, area_ink), area, ""))
            for keys, what, first in key_lines(area.bindings):
                line = Text.assemble(fitted(keys, KEYS, key_ink), fitted(tr(what), COLUMN - 2 - KEYS, quiet))
                column.append((line, area, first))
            column.append((fitted("", COLUMN - 2), area, ""))
        return columns

    def render(self) -> Text:
        columns = self.columns()
        empty = fitted("", COLUMN - 2)
        rows = range(max(map(len, columns)))
        return Text("\n").join(
            Text("  ").join([column[n][0] if n < len(column) else empty for column in columns]) for n in rows
        )

    def on_click(self, event: events.Click) -> None:
        """Close the page and press the key on the screen below, if it works there."""
        columns, place = self.columns(), event.get_content_offset_capture(self)
        column = columns[min(place.x // COLUMN, len(columns) - 1)]
        _, area, key = column[place.y] if place.y < len(column) else column[-1]
        if key and area.works_on(self.app.screen_stack[-2]):
            self.screen.dismiss()
            self.app.call_later(self.app.simulate_key, key)


class HelpScreen(FramedScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,enter", "close", "close", show=False)]
    DEFAULT_CSS = """
    HelpScreen {
        & > #frame { max-width: 120; height: auto; max-height: 100%; }
        VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    }
    """

    def __init__(self, areas: Sequence[Area] = AREAS) -> None:
        super().__init__()
        self.areas = areas

    def compose(self) -> ComposeResult:
        with Vertical(id="frame") as frame:
            frame.border_title = tr("All keys")
            with VerticalScroll():
                yield Page(self.areas)
        yield Keys()


def has(screen: Screen[object], owner: type) -> bool:
    return issubclass(owner, Widget) and bool(screen.query(owner))


def bindings(owner: type) -> list[Binding]:
    return [binding for binding in owner.__dict__.get("BINDINGS", ()) if isinstance(binding, Binding)]


def key_lines(bindings: Iterable[Binding]) -> list[tuple[str, str, str]]:
    """Return for each action its keys as they are shown, its description, and the name of its first key."""
    by_description: dict[str, dict[str, str]] = {}
    for binding in bindings:
        names = binding.key.split(",")
        shown = {binding.key_display: names[0]} if binding.key_display else {SIGNS.get(key, key): key for key in names}
        by_description.setdefault(binding.description, {}).update(shown)
    return [
        (f"{keys[0]}-{keys[-1]}" if len(keys) > 3 else " ".join(keys), description, names[keys[0]])
        for description, names in by_description.items()
        for keys in [list(names)]
    ]
