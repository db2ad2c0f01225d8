"""The speeches so far, one below the other; the present one grows as it is played."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from culturepark.glossary import DECISION_SIGNS, ORIGINS, PHASES, SLIPS, in_words
from culturepark.ids import last_part, within
from culturepark.interface import language, tr
from culturepark.replay.widgets.lists import fitted, ink
from culturepark.terminal.layout import Mark, lay_out, one_line
from culturepark.terminal.linebreak import whole
from culturepark.terminal.safe import clip

if TYPE_CHECKING:
    from culturepark.store.dialogue_view import Scene, Spoken

READABLE = 84
"""Columns of a speech at most: longer lines are hard to read."""
MARGIN = 4
VOICES = 4


class Speeches(ScrollView, can_focus=True, inherit_bindings=False):
    """A dialogue up to the present turn."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", "scroll up", show=False),
        Binding("down", "scroll_down", "scroll down", show=False),
        Binding("pageup", "page_up", "a page up", show=False),
        Binding("pagedown", "page_down", "a page down", show=False),
    ]
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"speeches--{name}" for name in ("quiet", "good", "bad", "phase", "moderator", "past")),
        *(f"speeches--voice-{number}" for number in range(VOICES)),
    }
    DEFAULT_CSS = """
    Speeches {
        width: 1fr;
        height: 1fr;
        overflow-x: hidden;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        background: $background;
        & > .speeches--quiet { color: $foreground 55%; }
        & > .speeches--good { color: $text-success; }
        & > .speeches--bad { color: $text-error; }
        & > .speeches--phase { color: $foreground 40%; }
        & > .speeches--moderator { color: $foreground 75%; text-style: bold; }
        & > .speeches--past { color: $foreground 80%; }
        & > .speeches--voice-0 { color: $text-primary; text-style: bold; }
        & > .speeches--voice-1 { color: $text-accent; text-style: bold; }
        & > .speeches--voice-2 { color: $text-secondary; text-style: bold; }
        & > .speeches--voice-3 { color: $text-success; text-style: bold; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self.scene: Scene | None = None
        self.position = 0
        self.shown: int | None = None
        self.marks: Sequence[Mark] = ()
        self._past: dict[str, list[Text]] = {}
        """Turn id -> lines of an earlier turn."""
        self._reviewed: list[str] = []
        """Ids of all reviews that are shown."""
        self._top = 0
        """The line that was last scrolled to; a user who has scrolled above it stays there."""
        self._lines: list[Text] = []
        self._before = 0
        """Lines before the present speech."""

    def show(self, scene: Scene, position: int, shown: int | None, marks: Sequence[Mark]) -> None:
        """
        Args:
            position: position of the present turn, from 1; 0 without turns.
            shown: number of its code points that have been spoken; None for all.
            marks: styles of its parts.
        """
        elsewhere = self.scene is None or (scene.dialogue.id, position) != (self.scene.dialogue.id, self.position)
        reviews = [row.id for rows in scene.reviews.values() for row in rows]
        if reviews != self._reviewed:
            self._reviewed = reviews
            self._past.clear()
        elif not elsewhere and (shown, marks) == (self.shown, self.marks):
            self.scene = scene  # it was read again and shows nothing new
            return
        keep_past = not elsewhere and bool(self._past or not self._before)
        self.scene, self.position, self.shown, self.marks = scene, position, shown, marks
        self._lay(keep_past=keep_past)
        self._follow(elsewhere)

    def on_resize(self) -> None:
        self._past.clear()
        if self.scene:
            self._lay()
            self._follow(elsewhere=True)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._past.clear()
        if self.scene and self.is_mounted:
            self._lay()

    # --- lines -----------------------------------------------------------------------------------------

    def _lay(self, *, keep_past: bool = False) -> None:
        assert self.scene is not None
        if not keep_past:
            self._lines = [line for number in range(1, self.position) for line in self._block(number)]
            self._before = len(self._lines)
        present = self._block(self.position) if self.position else self._nothing()
        self._lines[self._before :] = present
        self.virtual_size = Size(self.scrollable_content_region.width, len(self._lines) + 1)
        self.refresh()

    def _block(self, number: int) -> list[Text]:
        assert self.scene is not None
        spoken, present = self.scene.turns[number - 1], number == self.position
        if not present and spoken.id in self._past:
            return self._past[spoken.id]
        text = spoken.turn.text
        marks: Sequence[Mark] = ()
        if present:
            text = text[: self.shown]
            marks = [(start, min(end, len(text)), style) for start, end, style in self.marks if start < len(text)]
        width = min(READABLE, self.scrollable_content_region.width - MARGIN - 1)
        body = [*(lay_out(text, width, marks) or [Text()]), *self._rendering(spoken, len(text), width)]
        if not present:
            for line in body:
                line.stylize_before(ink(self, "speeches--past"))
        lines = [self._who(spoken, width), *body, *self._slips(spoken, width), *self._reviews(spoken, width)]
        bar = ("  ▌ ", self._voice(spoken)) if present else "    "
        block = [*self._phase(number, width), *(Text.assemble(bar, line) for line in lines), Text()]
        if not present:
            self._past[spoken.id] = block
        return block

    def _rendering(self, spoken: Spoken, said: int, width: int) -> list[Text]:
        """Return what a reader of the interface's language can read, as far as the speech has come."""
        rendering = spoken.read_in(language())
        if rendering is None:
            return []
        whole_text = spoken.turn.text
        end = len(rendering.text) if said >= len(whole_text) else len(rendering.text) * said // len(whole_text)
        return lay_out(
            rendering.text[: whole(rendering.text, end)], width, [(0, len(rendering.text), str(self._quiet))]
        )

    def _who(self, spoken: Spoken, width: int) -> Text:
        turn = spoken.turn
        follow_up = tr("follow-up") if turn.role == "moderator" else ""
        origin = in_words(ORIGINS, turn.origin) if turn.origin in ORIGINS else follow_up
        detail = ", ".join(part for part in (spoken.culture, in_words(PHASES, turn.phase), origin) if part)
        name = one_line(spoken.name, 40)
        return Text.assemble(
            (name, self._voice(spoken)), "  ", fitted(detail, max(0, width - cell_len(name) - 2), self._quiet)
        )

    def _phase(self, number: int, width: int) -> list[Text]:
        assert self.scene is not None
        phase = self.scene.turns[number - 1].turn.phase
        if number > 1 and self.scene.turns[number - 2].turn.phase == phase:
            return []
        label = f"── {clip(in_words(PHASES, phase), 30)} "
        rule = label + "─" * max(0, width - len(label))
        return [Text.assemble("    ", (rule, self._ink("phase"))), Text()]

    def _slips(self, spoken: Spoken, width: int) -> list[Text]:
        return [
            fitted(f"✗ {in_words(SLIPS, slip.kind)}" + (f": {slip.note}" if slip.note else ""), width, self._ink("bad"))
            for slip in spoken.slips
        ]

    def _reviews(self, spoken: Spoken, width: int) -> list[Text]:
        """Return each reviewer's newest review of the turn, its statements and samples."""
        assert self.scene is not None
        lines = []
        subjects = [(spoken.id, "")]
        for mined in spoken.statements:
            subjects.append((mined.row.id, f"{last_part(mined.row.id)} "))
            subjects += [(sample.id, f"{within(sample.id, spoken.id)} ") for sample in mined.samples]
        for subject, name in subjects:
            for row in self.scene.reviews.get(subject, ()):
                sign, word, ink_name = DECISION_SIGNS[row.decision]
                line = f"{sign} {name}" + tr("{decision} by {reviewer}", decision=tr(word), reviewer=row.reviewer)
                line += tr(", {rating} of 5", rating=row.rating) if row.rating else ""
                line += tr(", reworded") if row.wording else ""
                line += f": {row.note}" if row.note else ""
                lines.append(fitted(line, width, self._ink(ink_name)))
        return lines

    def _nothing(self) -> list[Text]:
        return [Text(), Text.assemble("    ", (tr("nothing has been said yet"), self._quiet))]

    def _voice(self, spoken: Spoken) -> Style:
        assert self.scene is not None
        keys = [seated.persona.key for seated in self.scene.people]
        speaker = spoken.turn.speaker
        return self._ink(f"voice-{keys.index(speaker) % VOICES}" if speaker in keys else "moderator")

    @property
    def _quiet(self) -> Style:
        return self._ink("quiet")

    def _ink(self, name: str) -> Style:
        return ink(self, f"speeches--{name}")

    def render_line(self, y: int) -> Strip:
        width, row = self.scrollable_content_region.width, y + self.scroll_offset.y
        if row >= len(self._lines):
            return Strip.blank(width, self.rich_style)
        strip = Strip(self._lines[row].render(self.app.console, end=""))
        return strip.adjust_cell_length(width).apply_style(self.rich_style)

    # --- scrolling -------------------------------------------------------------------------------------

    def _follow(self, elsewhere: bool) -> None:
        """Scroll to the end of a growing speech, or to a whole turn that was stepped to, if it fits."""
        height = self.size.height
        growing = self.shown is not None
        if not elsewhere and (not growing or self.scroll_offset.y < self._top):
            return
        end = len(self._lines)
        top = max(0, end - height)
        if not growing and end - self._before > height:
            top = self._before
        self.scroll_to(y=top, animate=False, force=True, immediate=True)
        self._top = self.scroll_offset.y
