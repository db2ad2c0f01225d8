"""The place in a dialogue: its phases, a seek bar, and a line with the state of the playback."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widget import Widget

from culturepark.glossary import PHASES, in_words
from culturepark.interface import tr
from culturepark.replay.playback import Playback
from culturepark.replay.widgets.lists import fitted, ink
from culturepark.terminal.safe import clip


class PhaseTrack(Widget):
    """The phases in their order; the present one is marked."""

    DEFAULT_CSS = """
    PhaseTrack {
        height: 1;
        padding: 0 2;
        & > .track--now { color: $text-accent; text-style: bold; }
        & > .track--past { color: $foreground 75%; }
        & > .track--quiet { color: $foreground 45%; }
    }
    """
    COMPONENT_CLASSES = {"track--now", "track--past", "track--quiet"}  # noqa: RUF012 - as Textual has it

    def __init__(self) -> None:
        super().__init__()
        self.phases: Sequence[str] = ()
        self.present = ""

    def show(self, phases: Sequence[str], present: str) -> None:
        if (phases, present) != (self.phases, self.present):
            self.phases, self.present = phases, present
            self.refresh()

    def render(self) -> Text:
        width = self.content_size.width
        at = self.phases.index(self.present) if self.present in self.phases else -1
        inks = {name: ink(self, f"track--{name}") for name in ("now", "past", "quiet")}
        pieces: list[Text | tuple[str, object]] = []
        for number, phase in enumerate(self.phases):
            name = clip(in_words(PHASES, phase), 30)
            if number:
                pieces.append((" ─ ", inks["quiet"]))
            pieces.append(
                (f"● {name}", inks["now"]) if number == at else (name, inks["past" if number < at else "quiet"])
            )
        line = Text.assemble(*pieces)  # type: ignore[arg-type]
        if line.cell_len <= width:
            return line
        return fitted(
            tr(
                "● {phase}  ({number} of {all} phases)",
                phase=clip(in_words(PHASES, self.present), 30),
                number=at + 1,
                all=len(self.phases),
            ),
            width,
            inks["now"],
        )


class SeekBar(Widget):
    """The turns of a dialogue as a bar; a click goes to a turn."""

    DEFAULT_CSS = """
    SeekBar {
        height: 1;
        padding: 0 2;
        & > .seek--past { color: $accent; }
        & > .seek--rest { color: $foreground 30%; }
    }
    """
    COMPONENT_CLASSES = {"seek--past", "seek--rest"}  # noqa: RUF012 - as Textual has it

    class Sought(Message):
        def __init__(self, position: int) -> None:
            self.position = position
            super().__init__()

    def __init__(self) -> None:
        super().__init__()
        self.total, self.position = 0, 0
        self.starts: Sequence[int] = ()
        """Positions at which a phase begins."""

    def show(self, total: int, position: int, starts: Sequence[int]) -> None:
        if (total, position, starts) != (self.total, self.position, self.starts):
            self.total, self.position, self.starts = total, position, starts
            self.refresh()

    def cell(self, position: int) -> int:
        width = self.content_size.width
        return 0 if self.total < 2 else round((position - 1) * (width - 1) / (self.total - 1))

    def render(self) -> Text:
        width, at = self.content_size.width, self.cell(self.position)
        if width < 1:
            return Text()
        cells = ["━"] * at + ["─"] * (width - at)
        for position in range(1, self.total + 1):
            cell, heavy = self.cell(position), position < self.position
            sign = ("╋" if heavy else "┼") if position in self.starts else ("┻" if heavy else "┴")
            cells[cell] = sign
        if self.total:
            cells[at] = "●"
        line = Text("".join(cells[:width]), ink(self, "seek--rest"), no_wrap=True)
        line.stylize(ink(self, "seek--past"), 0, at + 1 if self.total else 0)
        return line

    def on_click(self, event: events.Click) -> None:
        if self.total:
            x = event.get_content_offset_capture(self).x
            share = x / max(1, self.content_size.width - 1)
            self.post_message(self.Sought(1 + round(share * (self.total - 1))))


class StatusLine(Widget):
    """A line with the state of the playback, and a message."""

    DEFAULT_CSS = """
    StatusLine {
        height: 1;
        padding: 0 2;
        & > .status--quiet { color: $foreground 60%; }
        & > .status--said { color: $text-accent; }
    }
    """
    COMPONENT_CLASSES = {"status--quiet", "status--said"}  # noqa: RUF012 - as Textual has it

    def __init__(self) -> None:
        super().__init__()
        self.state = self.message = ""

    def show(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.refresh()

    def say(self, what: str) -> None:
        if what != self.message:
            self.message = what
            self.refresh()

    def render(self) -> Text:
        width = self.content_size.width
        state = fitted(self.state, min(len(self.state), width))
        rest = width - len(state)
        if rest <= 12 or not self.message:
            return state
        return Text.assemble(state, "   ", fitted(self.message, rest - 3, ink(self, "status--said"), right=True))


def state_of(playback: Playback, *, finished: bool) -> str:
    """Return the state of a playback as `▶ playing at 2x, turn 5 of 26`."""
    speed = f"{playback.speed:g}x"
    if not playback.parts:
        state = tr("· nothing yet")
    elif playback.live:
        state = tr("● live, waiting") if playback.at_end else tr("● live at {speed}", speed=speed)
    elif playback.playing:
        state = tr("▶ playing at {speed}", speed=speed)
    elif playback.at_end and finished:
        state = tr("■ the end, {speed}", speed=speed)
    else:
        state = tr("‖ paused, {speed}", speed=speed)
    if not playback.parts:
        return state
    return tr("{state}, turn {number} of {all}", state=state, number=playback.position, all=len(playback.parts))
