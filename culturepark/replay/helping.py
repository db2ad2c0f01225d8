"""All keys on one page, as the screens themselves have them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget

from culturepark.replay.app import Replay
from culturepark.replay.dialogues import DialoguesScreen
from culturepark.replay.listing import Listing, fitted, ink
from culturepark.replay.searching import SearchScreen
from culturepark.replay.speeches import Speeches
from culturepark.replay.stage import StageScreen

PLAY = ("play", "step", "seek", "last", "speed", "phase", "dialogue", "hit")
"""Actions on the stage that are about where one is."""
COLUMN = 38
SIGNS = {"up": "↑", "down": "↓", "left": "←", "right": "→", "pageup": "pgup", "pagedown": "pgdn"}
SEVERAL = {"judge_as": "1-5"}


class Page(Widget):
    """Areas in as many columns as there is room for."""

    DEFAULT_CSS = """
    Page {
        height: auto;
        & > .page--area { color: $text-accent; text-style: bold; }
        & > .page--key { text-style: bold; }
        & > .page--quiet { color: $foreground 75%; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"page--area", "page--key", "page--quiet"}

    def render(self) -> Text:
        count = max(1, min(3, self.content_size.width // COLUMN))
        columns: list[list[Text]] = [[] for _ in range(count)]
        for area, keys in areas():
            column = min(columns, key=len)
            column.append(fitted(area, COLUMN - 2, ink(self, "page--area")))
            for key, what in keys:
                column.append(
                    Text.assemble(
                        fitted(key, 9, ink(self, "page--key")), fitted(what, COLUMN - 11, ink(self, "page--quiet"))
                    )
                )
            column.append(fitted("", COLUMN - 2))
        tall = max(map(len, columns))
        lines = [
            Text("  ").join([column[n] if n < len(column) else fitted("", COLUMN - 2) for column in columns])
            for n in range(tall)
        ]
        return Text("\n").join(lines)


class HelpScreen(ModalScreen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("question_mark,q,escape,enter", "dismiss", "close", show=False)]
    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        background: $background 60%;
        VerticalScroll {
            width: auto; min-width: 42; max-width: 100%; height: auto; max-height: 100%;
            padding: 1 3; background: $surface; scrollbar-size-vertical: 1;
        }
        Page { width: 1fr; }
    }
    """

    def compose(self) -> ComposeResult:
        with VerticalScroll():
            yield Page()

    def on_mount(self) -> None:
        self._fit(self.app.size.width)

    def on_resize(self) -> None:
        self._fit(self.app.size.width)

    def _fit(self, width: int) -> None:
        columns = max(1, min(3, (width - 8) // COLUMN))
        self.query_one(VerticalScroll).styles.width = columns * COLUMN + 7


def areas() -> list[tuple[str, list[tuple[str, str]]]]:
    """Each with its keys and what they do."""
    stage = bindings(StageScreen)
    playing = [binding for binding in stage if binding.action.partition("(")[0] in PLAY]
    from culturepark.replay.behind import Behind

    return [
        ("Play", told(playing)),
        ("Look behind, judge, branch", told(binding for binding in stage if binding not in playing)),
        ("Beside the speech", told([*bindings(Speeches)[:2], *bindings(Behind)])),
        ("Lists", told(bindings(Listing))),
        ("Dialogues", told(bindings(DialoguesScreen))),
        ("Search", told(bindings(SearchScreen))),
        ("Everywhere", told(bindings(Replay))),
    ]


def bindings(owner: type) -> list[Binding]:
    return [binding for binding in owner.__dict__.get("BINDINGS", ()) if isinstance(binding, Binding)]


def told(those: Iterable[Binding]) -> list[tuple[str, str]]:
    """Keys of one meaning together."""
    found: dict[str, list[str]] = {}
    for binding in those:
        keys = [binding.key_display] if binding.key_display else binding.key.split(",")
        found.setdefault(binding.description, []).extend(SIGNS.get(key, key) for key in keys)
    return [(f"{keys[0]}-{keys[-1]}" if len(keys) > 3 else " ".join(keys), what) for what, keys in found.items()]
