"""One dialogue on stage: played, looked behind, judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from culturepark.errors import UsageError
from culturepark.ids import place_of, run_of, short
from culturepark.replay import signs
from culturepark.replay.doors import Doors
from culturepark.replay.evidence_panel import Behind
from culturepark.replay.playback import Part, Playback
from culturepark.replay.reviewing import Reviewing
from culturepark.replay.search import Hits
from culturepark.replay.session import Library, Shelf
from culturepark.replay.widgets.frame import Heading, Keys
from culturepark.replay.widgets.speeches import Speeches
from culturepark.replay.widgets.track import PhaseTrack, SeekBar, StatusLine, in_words

if TYPE_CHECKING:
    from culturepark.store.dialogue_view import Scene, Spoken

T = TypeVar("T")

WIDE = 100
"""From so many columns on, what is behind a turn stands beside it; else `tab` puts it in its place."""
FRAMES = 20
"""A second."""
LONGEST = 0.25
"""Seconds that one frame may take: what comes after a stall is played, and not left out."""
POLL_SECONDS = 0.5


class StageScreen(Reviewing, Doors):
    """Ends with the dialogue that was shown last."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "play", "play"),
        Binding("left", "step(-1)", "a turn back", show=False),
        Binding("right", "step(1)", "a turn on", show=False),
        Binding("home", "seek(1)", "to the first turn", show=False),
        Binding("end", "last", "to the last turn", show=False),
        Binding("plus,equals_sign", "speed(1)", "faster", show=False, key_display="+"),
        Binding("minus", "speed(-1)", "slower", show=False, key_display="-"),
        Binding("p", "phase(1)", "next phase", show=False),
        Binding("P", "phase(-1)", "phase before", show=False),
        Binding("right_square_bracket,shift+right", "dialogue(1)", "next dialogue", show=False, key_display="]"),
        Binding("left_square_bracket,shift+left", "dialogue(-1)", "dialogue before", show=False, key_display="["),
        Binding("tab", "swap", "behind"),
        Binding("i", "persona", "card"),
        Binding("c", "calls", "calls"),
        Binding("a", "judge('accept')", "accept"),
        Binding("x", "judge('reject')", "reject"),
        *(Binding(f"{rating}", f"rate({rating})", "rate, 5 is best", show=False) for rating in range(1, 6)),
        Binding("e", "edit", "edit and note", show=False),
        Binding("u", "undo", "undo", show=False),
        Binding("b", "branch", "branch", show=False),
        Binding("v", "compare", "compare with branch", show=False),
        Binding("slash", "search", "search", show=False, key_display="/"),
        Binding("n", "hit(1)", "next hit", show=False),
        Binding("N", "hit(-1)", "hit before", show=False),
        Binding("q,escape", "back", "back", key_display="q"),
    ]
    DEFAULT_CSS = """
    StageScreen {
        Heading { height: 3; }
        #both { height: 1fr; margin-top: 1; }
        Behind { width: 42%; height: 1fr; border-left: solid $foreground 15%; padding-left: 1; }
        &.-narrow {
            #both { margin-top: 0; }
            Behind { display: none; width: 1fr; border-left: none; }
            &.-behind Behind { display: block; }
            &.-behind Speeches { display: none; }
        }
    }
    """

    def __init__(
        self,
        library: Library,
        shelf: Shelf,
        dialogue_id: str,
        ids: Sequence[str] = (),
        *,
        hits: Hits | None = None,
        subject: str = "",
    ) -> None:
        """
        Args:
            ids: the dialogues among which one goes to the next and back.
            hits: of a search; the present one is where it begins.
            subject: a turn, statement or sample of the dialogue where it begins.
        """
        super().__init__()
        self._first = subject
        self.library, self.shelf, self.ids, self.hits = library, shelf, ids, hits
        self.dialogue_id = dialogue_id
        self.scene: Scene | None = None
        self.playback = Playback([])
        self._alive: list[str] = []
        self._ticked = 0.0

    def compose(self) -> ComposeResult:
        yield Heading("")
        yield PhaseTrack()
        with Horizontal(id="both"):
            yield Speeches()
            yield Behind()
        yield SeekBar()
        yield StatusLine()
        yield Keys(narrow_without=("i", "c", "x"))

    def on_mount(self) -> None:
        self.query_one(Speeches).focus()
        self._ticked = self.app.clock()  # type: ignore[attr-defined]  # of Replay
        self.set_interval(1 / FRAMES, self._tick)
        if self.library.follow:
            self.set_interval(POLL_SECONDS, self._poll)
        at = self.hits.present.position if self.hits else place_of(self._first)[1]
        self._open(self.dialogue_id, at, self._first)

    # --- which dialogue ------------------------------------------------------------------------------

    def _open(self, dialogue_id: str, position: int | None = None, subject: str = "", *, live: bool = False) -> None:
        """A dialogue, at once if it is at hand; `subject` gets the cursor. Going live, even if it has ended by then."""
        self.dialogue_id = dialogue_id
        if scene := self.shelf.held(dialogue_id):
            self.workers.cancel_group(self, "scene")
            self._enter(scene, position, subject, live)
        else:
            self.run_worker(self._load(dialogue_id, position, subject, live), group="scene", exclusive=True)

    async def _load(self, dialogue_id: str, position: int | None, subject: str, live: bool) -> None:
        scene = await self.ask(self.shelf.scene, dialogue_id)
        if dialogue_id == self.dialogue_id:
            self._enter(scene, position, subject, live)

    def wrong(self, error: UsageError) -> None:
        """Such as a dialogue that is gone: one stays where one is."""
        if self.scene and self.scene.dialogue.id != self.dialogue_id:
            self.ids = [name for name in self.ids if name != self.dialogue_id]
            self.dialogue_id = self.scene.dialogue.id
        self._say(str(error))

    def _enter(self, scene: Scene, position: int | None, subject: str, live: bool) -> None:
        playback = Playback(parts_of(scene), speed=self.playback.speed)
        playback.seek(position or 1)
        if live or (self.library.follow and not scene.finished and position is None):
            playback.go_live()
        self.playback = playback
        self._say("")
        self._show(scene)
        if subject:
            self.query_one(Behind).select(subject)
        if scene.dialogue.id in self.ids:
            at = self.ids.index(scene.dialogue.id)
            nearby = [self.ids[index] for index in (at + 1, at - 1) if 0 <= index < len(self.ids)]
            self.run_worker(self.ask(self.shelf.prefetch, nearby), group="prefetch", exclusive=True)

    def _show(self, scene: Scene) -> None:
        """A scene, or the same one as it is by now."""
        self.scene = scene
        self._head()
        self._turn()

    def _head(self) -> None:
        assert self.scene is not None
        dialogue = self.scene.dialogue
        people = []
        for one in self.scene.people:
            stance = f" ({one.stance_text})" if one.stance_text else ""
            people.append(f"{one.persona.name}, {one.persona.culture}{stance}")
        marks = []
        if dialogue.parent_id:
            marks.append(f"↳ branched off {dialogue.parent_id.rpartition('.')[2]} after turn {dialogue.branched_at}")
        if self.library.follow:
            marks.append(self._following())
        place = f"d{dialogue.number}"
        if dialogue.status != "done":
            sign, _ = signs.status(dialogue.status)
            place = f"{place}  {sign}"
        self.query_one(Heading).tell(
            title=self.scene.seed.question, place=place, mark="; ".join(marks), detail=" · ".join(people)
        )

    def _following(self) -> str:
        others = len([name for name in self._alive if name != self.dialogue_id])
        return "following" + (f", {signs.counted(others, 'other')} in progress" if others else "")

    # --- the present turn -----------------------------------------------------------------------------

    @property
    def spoken(self) -> Spoken | None:
        return self.scene.turns[self.playback.position - 1] if self.scene and self.playback.position else None

    @property
    def subject(self) -> str:
        """What a judgement is about: in the panel what its cursor is on, else the turn; nothing while another comes."""
        if self.scene is None or self.scene.dialogue.id != self.dialogue_id or self.spoken is None:
            return ""
        behind = self.query_one(Behind)
        return behind.subject if behind.has_focus and behind.subject else self.spoken.id

    def _turn(self) -> None:
        """Everything that shows the present turn."""
        assert self.scene is not None
        playback = self.playback
        if self.spoken:
            self.query_one(Behind).show(self.scene, self.spoken.turn.position)
        self.query_one(PhaseTrack).show(phases_of(self.scene), playback.phase)
        self.query_one(SeekBar).show(len(playback.parts), playback.position, playback.starts())
        self._speech()

    def _speech(self) -> None:
        """What changes from moment to moment."""
        assert self.scene is not None
        marks = []
        if self.spoken:
            marks = self.query_one(Behind).marks(self.spoken.turn.position)
            if self.hits:
                marks = [*marks, *self.hits.marks(self.spoken.turn.text)]
        self.query_one(Speeches).show(self.scene, self.playback.position, self.playback.shown, marks)
        state = in_words(self.playback, finished=self.scene.finished)
        on_turn = self.spoken is None or self.subject == self.spoken.id
        self.query_one(StatusLine).show(state if on_turn else f"{state}, on {short(self.subject)}")

    def _tick(self) -> None:
        now = self.app.clock()  # type: ignore[attr-defined]  # of Replay
        passed, self._ticked = min(now - self._ticked, LONGEST), now
        before = self.playback.position
        if self.scene and self.is_active and self.playback.tick(passed):
            if before == self.playback.position:
                self._speech()
            else:
                self._turn()

    def on_behind_changed(self) -> None:
        if self.scene:
            self._speech()

    def on_descendant_focus(self) -> None:
        """What a judgement would be about has changed."""
        self.on_behind_changed()

    def on_behind_go(self, event: Behind.Go) -> None:
        """To a statement, which may be in another dialogue."""
        dialogue_id, position = place_of(event.statement_id)
        if run_of(dialogue_id) == self.shelf.run_id:
            self._open(dialogue_id, position, event.statement_id)
        else:
            self._visit(dialogue_id, event.statement_id)

    # --- a run that goes on ----------------------------------------------------------------------------

    def _poll(self) -> None:
        if self.is_current and not any(worker.group == "poll" and worker.is_running for worker in self.workers):
            self.run_worker(self._look_again(), group="poll")

    async def _look_again(self) -> None:
        """New turns, and what is mined from them; where this dialogue is over and one went with it, the next one."""
        self._alive = await self.ask(self.shelf.lists.alive)
        run = await self.ask(self.shelf.look_at_run)
        going = run.status in ("running", "pending")
        if self.scene is None or self.scene.dialogue.id != self.dialogue_id:
            return
        if going or run != self.scene.run or not self.scene.finished:
            self.shelf.let_go()
            scene = await self.ask(self.shelf.look_again, self.dialogue_id)
            if not self.scene.dialogue.id == scene.dialogue.id == self.dialogue_id:
                return
            if scene != self.scene:
                self.playback.grow(parts_of(scene))
                self._show(scene)
        self._head()
        if self.scene.finished and self.playback.live and self.playback.at_end:
            if self._alive:
                self._open(self._alive[0], live=True)
            elif not going:
                self.playback.leave_live()
                self._say("the run has ended")
                self._turn()

    # --- keys: play -------------------------------------------------------------------------------------

    def _moved(self) -> None:
        if self.scene:
            self._turn()

    def action_play(self) -> None:
        self.playback.toggle()
        self._moved()

    def action_step(self, by: int) -> None:
        self.playback.step(by)
        self._moved()

    def action_seek(self, position: int) -> None:
        self.playback.seek(position)
        self._moved()

    def action_last(self) -> None:
        if self.library.follow and self.scene and not self.scene.finished:
            self.playback.go_live()
        else:
            self.playback.playing = False
            self.playback.seek(len(self.playback.parts))
        self._moved()

    def action_speed(self, by: int) -> None:
        self.playback.faster(by)
        self._moved()

    def action_phase(self, by: int) -> None:
        self.playback.step_phase(by)
        self._moved()

    def on_seek_bar_sought(self, event: SeekBar.Sought) -> None:
        self.action_seek(event.position)

    def action_dialogue(self, by: int) -> None:
        if self.dialogue_id in self.ids:
            index = self.ids.index(self.dialogue_id) + by
            if 0 <= index < len(self.ids):
                self._open(self.ids[index])
                return
        self._say("there is no other dialogue that way")

    def action_hit(self, by: int) -> None:
        if self.hits is None:
            self._say("n goes from hit to hit of a search; / begins one")
        elif self.hits.move(by):
            hit = self.hits.present
            self._open(hit.dialogue_id, hit.position)
        else:
            self._say("no more hits that way")

    # --- keys: look around ------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < WIDE, "-narrow")

    def action_swap(self) -> None:
        """Between the speech and what is behind it."""
        speeches, behind = self.query_one(Speeches), self.query_one(Behind)
        to_behind = self.focused is speeches
        self.set_class(to_behind, "-behind")
        (behind if to_behind else speeches).focus()

    def action_back(self) -> None:
        """From what stands in the place of the speech to the speech, and from there to where one came from."""
        if self.has_class("-narrow") and self.has_class("-behind"):
            self.action_swap()
        else:
            self.dismiss(self.dialogue_id)


def parts_of(scene: Scene) -> list[Part]:
    return [Part.of(spoken.turn.phase, spoken.turn.text) for spoken in scene.turns]


def phases_of(scene: Scene) -> list[str]:
    """As its protocol has them, and as they were."""
    from culturepark.dialogue.protocol import PHASES

    said = list(dict.fromkeys(spoken.turn.phase for spoken in scene.turns))
    planned = () if scene.finished else PHASES.get(scene.dialogue.protocol, ())  # type: ignore[call-overload]
    return [*said, *(phase for phase in planned if phase not in said)]
