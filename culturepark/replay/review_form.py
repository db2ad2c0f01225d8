"""The form in which a turn, statement or sample is reviewed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Label, Static, TextArea
from textual.widgets.text_area import Edit, EditResult

from culturepark.domain import Decision
from culturepark.ids import kind_of
from culturepark.interface import grouped, tr
from culturepark.replay.widgets.frame import FramedScreen
from culturepark.store.dialogue_view import Scene
from culturepark.store.tables import ReviewRow
from culturepark.terminal.safe import clip, editable

LONGEST = 4000
"""Characters of a wording and of a note."""
DECISIONS: tuple[Decision, ...] = ("accept", "reject", "comment")
RATINGS = ("none", "1", "2", "3", "4", "5")


@dataclass(frozen=True)
class Judgement:
    """All fields of a review."""

    decision: Decision
    rating: int | None
    """1 (poor) to 5."""
    wording: str | None
    """Corrected words; None for no correction."""
    note: str | None


class ReviewScreen(FramedScreen[Judgement | None]):
    """Asks for a review; returns None if it was cancelled or nothing was changed."""

    DEFAULT_CSS = """
    ReviewScreen {
        & > #frame { max-width: 90; max-height: 26; }
        & Label { width: 100%; height: 1; color: $text-muted; }
        & #subject { color: $foreground; text-style: bold; }
        & #wording { height: 2fr; min-height: 3; }
        & #note { height: 1fr; min-height: 2; }
        & #word { width: 100%; height: auto; max-height: 2; }
        & #buttons { height: 1; & Button { margin-right: 2; } }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "save"),
        Binding("escape", "close", "cancel"),
    ]

    def __init__(
        self,
        subject_id: str,
        text: str,
        standing: ReviewRow | None,
        part: str = "text",
        *,
        filled: Judgement | None = None,
        error: str = "",
        why_only: bool = False,
    ) -> None:
        """
        Args:
            text: the present wording.
            standing: this reviewer's last review of the subject.
            part: name of the words that can be corrected.
            filled: a review that could not be stored; `error` says why.
            why_only: the words are not asked about, as where something is rejected.
        """
        super().__init__()
        self.subject_id, self.text, self.standing = subject_id, editable(text), standing
        self.part, self.filled, self.error = part, filled, error
        self.why_only = why_only
        self.before = self._fields(standing)
        self.discarded: tuple[str, ...] | None = None
        """The fields that the last escape asked to throw away."""

    def compose(self) -> ComposeResult:
        decision, rating, wording, note = self._fields(self.filled or self.standing)
        with Vertical(id="frame") as frame:
            frame.border_title = tr("Judge")
            yield Static(Text(f"{tr(what(self.subject_id))} {clip(self.subject_id, 200)}"), id="subject", markup=False)
            yield Choice("decision", DECISIONS, decision, id="decision")
            yield Choice("rating", RATINGS, rating, id="rating")
            yield Label(tr("its {words}, corrected or as it is", words=tr(self.part)), markup=False, classes="words")
            yield Words(wording, id="wording", classes="words")
            yield Label(tr("note: why"), markup=False)
            yield Words(note, id="note")
            yield Static(Text(), id="word", markup=False)
            with Horizontal(id="buttons"):
                yield Button(tr("save (ctrl+s)"), id="save", variant="primary", compact=True)
                yield Button(tr("cancel (escape)"), id="cancel", compact=True)

    def on_mount(self) -> None:
        self.query(".words").set(display=not self.why_only)
        # decision and rating have keys of their own on the stage
        self.query_one("#note" if self.why_only else "#wording").focus()
        if self.error:
            self._say(self.error)

    def _fields(self, was: ReviewRow | Judgement | None) -> tuple[str, ...]:
        """Return the fields of the form for a review."""
        if was is None:
            return ("comment", "none", self.text, "")
        wording, note = editable(was.wording or self.text), editable(was.note or "")
        return (was.decision, str(was.rating or "none"), wording, note)

    @property
    def filled_in(self) -> tuple[str, ...]:
        """Decision, rating, wording and note as they stand in the form."""
        chosen = [self.query_one(f"#{name}", Choice).value for name in ("decision", "rating")]
        return (*chosen, *(self.query_one(f"#{name}", Words).text for name in ("wording", "note")))

    def action_save(self) -> None:
        if self.standing and self.filled_in == self.before:
            self.dismiss(None)
            return
        judgement = judged(*self.filled_in, present=self.text)
        if isinstance(judgement, str):
            self._say(judgement)
        else:
            self.dismiss(judgement)

    def action_close(self) -> None:
        """Close the form; changed fields need a second escape."""
        if self.filled_in in (self.before, self.discarded):
            self.dismiss(None)
            return
        self.discarded = self.filled_in
        self._say(tr("Not saved. Escape again throws it away; ctrl+s saves it."))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "save":
            self.action_save()
        else:
            self.action_close()

    def _say(self, words: str) -> None:
        self.query_one("#word", Static).update(Text(f"! {words}", style="bold"))


def judged(decision: str, rating: str, wording: str, note: str, *, present: str) -> Judgement | str:
    """Return the review in the fields, or an error message."""
    wording, note, present = wording.strip(), note.strip(), present.strip()
    corrected = wording != present
    for name, text in (("wording", wording if corrected else ""), ("note", note)):
        if len(text) > LONGEST:
            return tr(
                "The {field} has {count} characters; {most} are the most.",
                field=tr(name),
                count=grouped(len(text)),
                most=grouped(LONGEST),
            )
    if corrected and not wording:
        return tr("The wording is empty; what is to go altogether is rejected.")
    judgement = Judgement(
        decision=next(known for known in DECISIONS if known == decision),
        rating=None if rating == "none" else int(rating),
        wording=wording if corrected else None,
        note=note or None,
    )
    if judgement == Judgement("comment", None, None, None):
        return tr("A comment needs a rating, another wording or a note.")
    return judgement


def part_of(scene: Scene, subject_id: str) -> str:
    """Return a name for the words of a subject that may be corrected, which are those that are trained on."""
    kinds = {mined.row.id: mined.row.kind for mined in scene.statements}
    if subject_id in kinds:
        kind = kinds[subject_id]
        return tr("words in the first person") if kind == "opinion" else tr("{kind}, as it is said", kind=tr(kind))
    return "answer" if what(subject_id) == "Sample" else "text"


def what(subject_id: str) -> str:
    return (kind_of(subject_id) or "subject").capitalize()


class Words(TextArea):
    """A text field; control characters are removed from typed and pasted text."""

    DEFAULT_CSS = """
    Words {
        border: none;
        border-left: outer $border-blurred;
        padding: 0 0 0 1;
        background: $boost;
        &:focus { border: none; border-left: outer $border; }
    }
    """

    def __init__(self, text: str, *, id: str, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(editable(text), id=id, classes=classes, highlight_cursor_line=False)
        self.cursor_blink = False

    def edit(self, edit: Edit) -> EditResult:
        return super().edit(replace(edit, text=editable(edit.text)))


class Choice(Widget, can_focus=True):
    """A choice of a few words on one line; a dot marks the chosen one, not colour alone."""

    DEFAULT_CSS = """
    Choice {
        height: 1;
        &:focus { background: $panel; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,up", "step(-1)", "the choice before", show=False),
        Binding("right,down,space", "step(1)", "next choice", show=False),
    ]

    @dataclass
    class Changed(Message):
        value: str

    def __init__(self, name: str, options: tuple[str, ...], value: str, *, id: str) -> None:  # noqa: A002
        super().__init__(id=id)
        self.label, self.options = name, options
        self.value = value if value in options else options[0]

    @property
    def parts(self) -> list[str]:
        return [f"({'•' if option == self.value else ' '}) {tr(option)}" for option in self.options]

    def render(self) -> Text:
        return Text(f"{tr(self.label):9} " + "  ".join(self.parts), no_wrap=True)

    def choose(self, value: str) -> None:
        self.value = value
        self.refresh()
        self.post_message(self.Changed(value))

    def action_step(self, by: int) -> None:
        self.choose(self.options[(self.options.index(self.value) + by) % len(self.options)])

    def on_key(self, event: events.Key) -> None:
        """Choose an option by its first letter or digit."""
        for option in self.options:
            if event.character == option[0]:
                event.stop()
                self.choose(option)

    def on_click(self, event: events.Click) -> None:
        end = 10
        for option, part in zip(self.options, self.parts, strict=True):
            start, end = end, end + len(part) + 2
            if start <= event.x < end:
                self.choose(option)
