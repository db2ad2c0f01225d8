"""The form that branches a dialogue at a turn, which is edited or asked anew, and shows the branch as it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Label, Static

from culturepark.dialogue.policy import expected_slots
from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import ModelRole, Turn
from culturepark.errors import UsageError
from culturepark.glossary import PHASES, counted, in_words
from culturepark.interface import later, tr
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust, question
from culturepark.replay.compare import speech
from culturepark.replay.review_form import Choice, Words
from culturepark.replay.widgets.frame import FramedScreen
from culturepark.replay.widgets.sheet import Sheet
from culturepark.run.plan import models_of, models_with
from culturepark.store.dialogue_view import Scene, Spoken
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.terminal.blocks import Stop
from culturepark.terminal.safe import clip, editable, plain

if TYPE_CHECKING:
    from culturepark.run.branch import End, Going, Wish

EDIT, ANEW = later("edit it"), later("ask it anew")


class BranchScreen(FramedScreen[str | None]):
    """Asks how to branch, holds the branch, and returns the new dialogue's id."""

    DEFAULT_CSS = """
    BranchScreen {
        & > #frame { max-width: 90; max-height: 28; }
        & Label { width: 100%; height: 1; color: $text-muted; margin-top: 1; }
        & Static { width: 100%; height: auto; }
        & #subject { text-style: bold; margin-bottom: 1; }
        & #form, & #going { height: 1fr; }
        & #text { height: 1fr; min-height: 3; }
        & #model { height: 1; }
        & #plan { margin-top: 1; }
        & #word { text-style: bold; max-height: 5; margin-top: 1; display: none; }
        & #buttons { height: 1; margin-top: 1; & Button { margin-right: 2; } }
        & #going, & #open { display: none; }
        &.-going #form, &.-going #run { display: none; }
        &.-going #going { display: block; }
        &.-over #open { display: block; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r", "run", "run it"),
        Binding("escape", "close", "cancel"),
    ]

    @dataclass
    class Said(Message):
        """A turn has been spoken in the branch."""

        turn: Turn

    @dataclass
    class Remark(Message):
        """A message for the user while the branch is held."""

        words: str

    @dataclass
    class Ended(Message):
        end: End

    def __init__(self, scene: Scene, position: int, store: Store, trust: Trust) -> None:
        """
        Args:
            position: of the turn.
            trust: the models that may be asked.
        """
        super().__init__()
        self.scene, self.store, self.trust = scene, store, trust
        self.asked_about = ""
        """The last question about models that only the store names."""
        self.spoken = next(spoken for spoken in scene.turns if spoken.turn.position == position)
        self.text = editable(self.spoken.turn.text)
        self.discarded: str | None = None
        """The text that the last escape asked to throw away."""
        self.going: Going | None = None
        self.end: End | None = None
        self.turns: list[Spoken] = []

    def compose(self) -> ComposeResult:
        turn = self.spoken.turn
        with Vertical(id="frame") as frame:
            frame.border_title = tr("Branch")
            where = tr(
                "Turn {number} of {dialogue}: {name}, {phase}",
                number=turn.position,
                dialogue=self.scene.dialogue.id,
                name=self.spoken.name,
                phase=in_words(PHASES, turn.phase),
            )
            yield Static(Text(clip(where, 300)), id="subject", markup=False)
            with Vertical(id="form"):
                yield Choice("Turn", (EDIT, ANEW), EDIT, id="what")
                yield Label(tr("What is said instead"), id="instead", markup=False)
                yield Words(self.text, id="text")
                yield Label(tr("From here on by another model, as openai:NAME"), markup=False)
                yield Words("", id="model")
                yield Static(Text(), id="plan", markup=False)
            with Vertical(id="going"):
                yield Sheet(id="said")
            yield Static(Text(), id="word", markup=False)
            with Horizontal(id="buttons"):
                yield Button(tr("Run it (ctrl+r)"), id="run", variant="primary", compact=True)
                yield Button(tr("Open it (enter)"), id="open", variant="primary", compact=True)
                yield Button(tr("Cancel (escape)"), id="cancel", compact=True)

    def on_mount(self) -> None:
        self.query_one("#text").focus()
        self._plan()

    def on_unmount(self) -> None:
        if self.going:
            self.going.stop(now=True)  # else the app waits for it before it ends

    # --- the form --------------------------------------------------------------------------------------

    @property
    def anew(self) -> bool:
        return self.query_one("#what", Choice).value == ANEW

    @property
    def model(self) -> str:
        return " ".join(self.query_one("#model", Words).text.split())

    def on_choice_changed(self, _: Choice.Changed) -> None:
        for name in ("#instead", "#text"):
            self.query_one(name).display = not self.anew
        self._plan()

    def on_text_area_changed(self, event: Words.Changed) -> None:
        if event.text_area.id == "model":
            self._plan()

    def _plan(self) -> None:
        try:
            models = models_with(self.scene.run, self.model) if self.model else models_of(self.scene.run)
            words = outlook(self.scene, self.spoken.turn, models, anew=self.anew)
        except UsageError as error:
            words = f"! {error}"
        self.query_one("#plan", Static).update(plain(words))

    # --- while the branch is held ----------------------------------------------------------------------

    def action_run(self) -> None:
        from culturepark.run.branch import Going, Wish

        if self.going or not self._agreed():
            return
        written = self.query_one("#text", Words).text
        # An unchanged text keeps the characters that a form cannot show.
        text = None if self.anew else self.spoken.turn.text if written == self.text else written
        self.going = Going(
            self.store,
            lambda turn: self.post_message(self.Said(turn)),
            lambda words: self.post_message(self.Remark(words)),
            self.trust,
        )
        self.add_class("-going")
        self.query_one("#cancel", Button).label = tr("Stop (escape)")
        self.query_one("#said").focus()
        self._say(tr("asking; escape stops it, and what was said stays"))
        if text is not None and text != self.spoken.turn.text:
            self._show(self.spoken.turn.model_copy(update={"text": text, "origin": "edited"}))
        self.run_worker(partial(self._hold, self.going, Wish(self.spoken.id, text, self.model)), thread=True)

    def _agreed(self) -> bool:
        """Tell whether the user agrees to all models that will be asked; a second ctrl+r says yes."""
        from culturepark.run.plan import roles_until

        if self.model:
            return True  # the user has just named it
        try:
            models = models_of(self.scene.run)
            asked = roles_until("dialogue", edition_of(self.scene.run).scenario, models)
            strange = self.trust.strangers({role: models[role] for role in asked})
            questions = " ".join(map(question, strange.values()))
        except UsageError as error:
            self._say(f"! {error}")
            return False
        if questions and questions != self.asked_about:
            self.asked_about = questions
            self._say(tr("! {questions} ctrl+r again: yes. Escape: no.", questions=questions))
            return False
        for specs in strange.values():
            self.trust.name(specs.values())
        return True

    def _hold(self, going: Going, wish: Wish) -> None:
        self.post_message(self.Ended(going.run(wish)))

    def on_branch_screen_said(self, message: Said) -> None:
        self._show(message.turn)

    def _show(self, turn: Turn) -> None:
        names = {seated.persona.key: seated.persona.name for seated in self.scene.people}
        self.turns.append(Spoken("", turn, names.get(turn.speaker, turn.speaker.capitalize()), ""))
        sheet = self.query_one("#said", Sheet)
        sheet.fill([Stop("", speech(spoken)) for spoken in self.turns])
        sheet.scroll_end(animate=False)

    def on_branch_screen_remark(self, message: Remark) -> None:
        self._say(message.words)

    def on_branch_screen_ended(self, message: Ended) -> None:
        self.going, end = None, message.end
        if end.dialogue_id is None:  # no branch was made; the form can be corrected
            self.remove_class("-going")
            self.query_one("#cancel", Button).label = tr("Cancel (escape)")
            self._say(f"! {end.words}")
            self.query_one("#text" if not self.anew else "#what").focus()
            return
        self.end = end
        self.add_class("-over")
        self.query_one("#cancel", Button).label = tr("Close (escape)")
        self._say(f"{'✓' if end.fine else '!'} {end.dialogue_id}: {end.words}")
        self.query_one("#open").focus()

    def _say(self, words: str) -> None:
        word = self.query_one("#word", Static)
        word.display = True
        word.update(plain(words))

    # --- the end ---------------------------------------------------------------------------------------

    def action_close(self) -> None:
        """Close the form; a changed text needs a second escape.

        A branch in progress is stopped after the call in flight, and by a second escape at once.
        """
        written = self.query_one("#text", Words).text
        if self.end or (self.going is None and written in (self.text, self.discarded)):
            self.dismiss(None)
        elif self.going is None:
            self.discarded = written
            self._say(tr("! Not run. Escape again throws away what you wrote; ctrl+r runs it."))
        elif self.going.stops == 0:
            self.going.stop()
            self._say(tr("stopping after the call in flight; escape again stops now"))
        else:
            self.going.stop(now=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "run":
            self.action_run()
        elif event.button.id == "open" and self.end:
            self.dismiss(self.end.dialogue_id)
        else:
            self.action_close()


def outlook(scene: Scene, turn: Turn, models: Mapping[ModelRole, ModelSpec], *, anew: bool) -> str:
    """Say how many turns will be asked of which model, and whether that may cost. Pure."""
    if not protocol_of(scene.dialogue.protocol).has_schedule:
        return tr("So far only dialogues between personas can branch.")
    scenario = edition_of(scene.run).scenario
    after = turn.slot - 1 if anew else turn.slot
    slots = [slot for slot in expected_slots(scenario, scene.casting) if slot.number > after]
    speeches, questions = (sum(slot.act == act for slot in slots) for act in ("speech", "follow-up"))
    speaker, moderator = models["speaker"], models["moderator"]
    kept = turn.position - 1
    stays = {0: tr("Nothing is taken over"), 1: tr("Turn 1 is taken over")}.get(
        kept, tr("Turns 1-{last} are taken over", last=kept)
    )
    if anew and turn.origin == "cue":
        stays += tr("; this turn is a fixed cue, and stays what it is")
    if not speeches + questions:
        return tr("{before}. Nothing follows it, and nothing is asked.", before=stays)
    spoken, put = counted(speeches, "speech", "speeches"), counted(questions, "question")
    if speaker == moderator:
        asked = tr("{speeches} and {questions} will be asked of {model}", speeches=spoken, questions=put, model=speaker)
    else:
        asked = tr(
            "{speeches} will be asked of {model}, and {questions} of {other}",
            speeches=spoken,
            model=speaker,
            questions=put,
            other=moderator,
        )
    paid = any(spec.paid for spec in (speaker, moderator))
    return f"{stays}. {asked}. " + (tr("That may cost.") if paid else tr("That costs nothing."))
