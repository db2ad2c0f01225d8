"""One dialogue on stage: it is played, its evidence is shown beside it, and it is reviewed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.screen import Screen

from culturepark.errors import CultureparkError, UsageError
from culturepark.glossary import DECISION_SIGNS, FIXED, ORIGINS, counted, in_words, signed_status
from culturepark.ids import place_of, run_of, short
from culturepark.interface import later, tr
from culturepark.replay.evidence_panel import EvidencePanel
from culturepark.replay.playback import Part, Playback
from culturepark.replay.search import Hits
from culturepark.replay.session import RunCache, Session, StoreScreen
from culturepark.replay.widgets.frame import Heading, Keys
from culturepark.replay.widgets.speeches import Speeches
from culturepark.replay.widgets.track import PhaseTrack, SeekBar, StatusLine, state_of

if TYPE_CHECKING:
    from culturepark.replay.review_form import Judgement
    from culturepark.store.dialogue_view import Scene, Spoken
    from culturepark.store.tables import ReviewRow

T = TypeVar("T")

WIDE = 100
"""Columns from which the evidence is beside the speech; with fewer, `tab` shows it in place of the speech."""
FRAMES_PER_SECOND = 20
LONGEST_FRAME = 0.25
"""Seconds of play in one frame at most, so that nothing is skipped after a stall."""
POLL_SECONDS = 0.5
SAID_SECONDS = 3.0
"""Time to read a message while turns go by."""
READ_ONLY = later("read-only with --follow; without it one judges and branches")


class StageScreen(StoreScreen[str]):
    """Returns the id of the dialogue that was shown last."""

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
        Binding("r", "to_review", "next to review", show=False),
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
        EvidencePanel { width: 42%; height: 1fr; border-left: solid $foreground 15%; padding-left: 1; }
        &.-narrow {
            #both { margin-top: 0; }
            EvidencePanel { display: none; width: 1fr; border-left: none; }
            &.-behind EvidencePanel { display: block; }
            &.-behind Speeches { display: none; }
        }
    }
    """

    def __init__(
        self,
        session: Session,
        run_cache: RunCache,
        dialogue_id: str,
        ids: Sequence[str] = (),
        *,
        hits: Hits | None = None,
        subject: str = "",
    ) -> None:
        """
        Args:
            ids: the dialogues that `[` and `]` go through.
            hits: hits of a search; the stage begins at the present one.
            subject: the turn, statement or sample at which the stage begins.
        """
        super().__init__()
        self._first_subject = subject
        self.session, self.run_cache, self.ids, self.hits = session, run_cache, ids, hits
        self.dialogue_id = dialogue_id
        self.scene: Scene | None = None
        self.playback = Playback([])
        self._running_ids: list[str] = []
        self._ticked = self._said_at = 0.0

    def compose(self) -> ComposeResult:
        yield Heading("")
        yield PhaseTrack()
        with Horizontal(id="both"):
            yield Speeches()
            yield EvidencePanel()
        yield SeekBar()
        yield StatusLine()
        yield Keys()

    def on_mount(self) -> None:
        self.query_one(Speeches).focus()
        self._ticked = self.app.clock()  # type: ignore[attr-defined]  # of Replay
        self.set_interval(1 / FRAMES_PER_SECOND, self._tick)
        if self.session.follow:
            self.set_interval(POLL_SECONDS, self.poll)
        at = self.hits.present.position if self.hits else place_of(self._first_subject)[1]
        self._open(self.dialogue_id, at, self._first_subject)

    # --- the dialogue -----------------------------------------------------------------------------------

    def _open(self, dialogue_id: str, position: int | None = None, subject: str = "", *, live: bool = False) -> None:
        """Show a dialogue, at once if it is cached. With `live` it is followed, even if it has ended."""
        self.dialogue_id = dialogue_id
        if scene := self.run_cache.cached(dialogue_id):
            self.workers.cancel_group(self, "scene")
            self._enter(scene, position, subject, live)
        else:
            self.run_worker(self._load(dialogue_id, position, subject, live), group="scene", exclusive=True)

    async def _load(self, dialogue_id: str, position: int | None, subject: str, live: bool) -> None:
        scene = await self.ask(self.run_cache.scene, dialogue_id)
        if dialogue_id == self.dialogue_id:
            self._enter(scene, position, subject, live)

    def report(self, error: UsageError) -> None:
        """Stay on the present dialogue if the other one was deleted."""
        if self.scene and self.scene.dialogue.id != self.dialogue_id:
            self.ids = [name for name in self.ids if name != self.dialogue_id]
            self.dialogue_id = self.scene.dialogue.id
        self._say(str(error))

    def _enter(self, scene: Scene, position: int | None, subject: str, live: bool) -> None:
        playback = Playback(parts_of(scene), speed=self.playback.speed)
        playback.seek(position or 1)
        if live or (self.session.follow and not scene.finished and position is None):
            playback.go_live()
        self.playback = playback
        self._say("")
        self._show(scene)
        if subject:
            self.query_one(EvidencePanel).select(subject)
        if scene.dialogue.id in self.ids:
            at = self.ids.index(scene.dialogue.id)
            nearby = [self.ids[index] for index in (at + 1, at - 1) if 0 <= index < len(self.ids)]
            self.run_worker(self.ask(self.run_cache.prefetch, nearby), group="prefetch", exclusive=True)

    def _show(self, scene: Scene) -> None:
        """Show a dialogue, or the same one after it was read again."""
        self.scene = scene
        self._show_heading()
        self._show_turn()

    def _show_heading(self) -> None:
        assert self.scene is not None
        dialogue = self.scene.dialogue
        people = []
        for seated in self.scene.people:
            stance = f" ({seated.stance_text})" if seated.stance_text else ""
            people.append(f"{seated.persona.name}, {seated.persona.culture}{stance}")
        marks = []
        if dialogue.parent_id:
            marks.append(
                tr(
                    "↳ branched off {parent} after turn {turn}",
                    parent=dialogue.parent_id.rpartition(".")[2],
                    turn=dialogue.branched_at,
                )
            )
        if self.session.follow:
            marks.append(self._following())
        place = f"d{dialogue.number}"
        if dialogue.status != "done":
            sign, _ = signed_status(dialogue.status)
            place = f"{place}  {sign}"
        self.query_one(Heading).tell(
            title=self.scene.seed.question, place=place, mark="; ".join(marks), detail=" · ".join(people)
        )

    def _following(self) -> str:
        others = len([name for name in self._running_ids if name != self.dialogue_id])
        return tr("following") + (tr(", {others} in progress", others=counted(others, "other")) if others else "")

    # --- the present turn -----------------------------------------------------------------------------

    @property
    def spoken(self) -> Spoken | None:
        return self.scene.turns[self.playback.position - 1] if self.scene and self.playback.position else None

    @property
    def subject(self) -> str:
        """Id of the subject of a review: the item under the panel's cursor if the panel has the focus, else the turn.

        Empty while another dialogue is loaded.
        """
        if self.scene is None or self.scene.dialogue.id != self.dialogue_id or self.spoken is None:
            return ""
        panel = self.query_one(EvidencePanel)
        return panel.subject if panel.has_focus and panel.subject else self.spoken.id

    def _show_turn(self) -> None:
        """Show the present turn in all widgets."""
        assert self.scene is not None
        playback = self.playback
        if self.spoken:
            self.query_one(EvidencePanel).show(self.scene, self.spoken.turn.position)
        self.query_one(PhaseTrack).show(phases_of(self.scene), playback.phase)
        self.query_one(SeekBar).show(len(playback.parts), playback.position, playback.starts())
        self._show_speech()

    def _show_speech(self) -> None:
        """Show the parts that change while a turn is played."""
        assert self.scene is not None
        marks = []
        if self.spoken:
            marks = self.query_one(EvidencePanel).marks(self.spoken.turn.position)
            if self.hits:
                marks = [*marks, *self.hits.marks(self.spoken.turn.text)]
        self.query_one(Speeches).show(self.scene, self.playback.position, self.playback.shown, marks)
        state = state_of(self.playback, finished=self.scene.finished)
        on_turn = self.spoken is None or self.subject == self.spoken.id
        self.query_one(StatusLine).show(
            state if on_turn else tr("{state}, on {subject}", state=state, subject=short(self.subject))
        )

    def _tick(self) -> None:
        now = self.app.clock()  # type: ignore[attr-defined]  # of Replay
        passed, self._ticked = min(now - self._ticked, LONGEST_FRAME), now
        before = self.playback.position
        if self.scene and self.is_active and self.playback.tick(passed):
            if before == self.playback.position:
                self._show_speech()
            else:
                self._drop_message()
                self._show_turn()

    def on_evidence_panel_changed(self) -> None:
        if self.scene:
            self._show_speech()

    def on_descendant_focus(self) -> None:
        """Show the subject of a review, which depends on the focus."""
        self.on_evidence_panel_changed()

    def on_evidence_panel_go(self, event: EvidencePanel.Go) -> None:
        """Go to a statement, which may be in another dialogue."""
        dialogue_id, position = place_of(event.statement_id)
        if run_of(dialogue_id) == self.run_cache.run_id:
            self._open(dialogue_id, position, event.statement_id)
        else:
            self._visit(dialogue_id, event.statement_id)

    # --- a run in progress ------------------------------------------------------------------------------

    async def update(self) -> None:
        """Show new turns and statements. When the followed dialogue ends, follow the next one."""
        self._running_ids = await self.ask(self.run_cache.lists.alive)
        run = await self.ask(self.run_cache.reload_run)
        going = run.status in ("running", "pending")
        if self.scene is None or self.scene.dialogue.id != self.dialogue_id:
            return
        if going or run != self.scene.run or not self.scene.finished:
            self.run_cache.forget()
            scene = await self.ask(self.run_cache.reload, self.dialogue_id)
            if not self.scene.dialogue.id == scene.dialogue.id == self.dialogue_id:
                return
            if scene != self.scene:
                if self.playback.grow(parts_of(scene)):
                    self._drop_message()
                self._show(scene)
        self._show_heading()
        if self.scene.finished and self.playback.live and self.playback.at_end:
            if self._running_ids:
                self._open(self._running_ids[0], live=True)
            elif not going:
                self.playback.leave_live()
                self._say(tr("the run has ended"))
                self._show_turn()

    # --- keys: play -------------------------------------------------------------------------------------

    def _show_move(self) -> None:
        """Show the present turn after a key, and clear the message."""
        self._say("")
        if self.scene:
            self._show_turn()

    def action_play(self) -> None:
        self.playback.toggle()
        self._show_move()

    def action_step(self, by: int) -> None:
        self.playback.step(by)
        self._show_move()

    def action_seek(self, position: int) -> None:
        self.playback.seek(position)
        self._show_move()

    def action_last(self) -> None:
        if self.session.follow and self.scene and not self.scene.finished:
            self.playback.go_live()
        else:
            self.playback.playing = False
            self.playback.seek(len(self.playback.parts))
        self._show_move()

    def action_speed(self, by: int) -> None:
        self.playback.faster(by)
        self._show_move()

    def action_phase(self, by: int) -> None:
        self.playback.step_phase(by)
        self._show_move()

    def on_seek_bar_sought(self, event: SeekBar.Sought) -> None:
        self.action_seek(event.position)

    def action_dialogue(self, by: int) -> None:
        if self.dialogue_id in self.ids:
            index = self.ids.index(self.dialogue_id) + by
            if 0 <= index < len(self.ids):
                self._open(self.ids[index])
                return
        self._say(tr("there is no other dialogue that way"))

    def action_hit(self, by: int) -> None:
        if self.hits is None:
            self._say(tr("n goes from hit to hit of a search; / begins one"))
        elif self.hits.move(by):
            hit = self.hits.present
            self._open(hit.dialogue_id, hit.position)
        else:
            self._say(tr("no more hits that way"))

    # --- keys: look around ------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width < WIDE, "-narrow")

    def action_swap(self) -> None:
        """Switch between the speech and its evidence."""
        speeches, panel = self.query_one(Speeches), self.query_one(EvidencePanel)
        to_panel = self.focused is speeches
        self.set_class(to_panel, "-behind")
        (panel if to_panel else speeches).focus()

    def action_back(self) -> None:
        """Go back to the speech if the evidence is shown in its place, else to the screen before."""
        if self.has_class("-narrow") and self.has_class("-behind"):
            self.action_swap()
        else:
            self.dismiss(self.dialogue_id)

    def action_persona(self) -> None:
        from culturepark.replay.persona import PersonaScreen

        if self.scene and self.spoken:
            speaker = self.spoken.turn.speaker
            seated = next((seated for seated in self.scene.people if seated.persona.key == speaker), None)
            if seated:
                self._push(PersonaScreen(seated, self.scene.seed))
            else:
                self._say(tr("{name} has no card", name=self.spoken.name))

    def action_calls(self) -> None:
        if self.scene and (subject := self.subject):
            self.run_worker(self._calls(self.scene, subject), group="calls", exclusive=True)

    async def _calls(self, scene: Scene, subject: str) -> None:
        from culturepark.replay.calls import CallsScreen

        rows = await self.ask(self.run_cache.scenes.calls, scene, subject)
        if rows:
            self._push(CallsScreen(rows))
        else:
            self._say(tr("no model was asked for this"))

    def action_search(self) -> None:
        from culturepark.replay.search import search

        search(self.app, self.session, self.run_cache, self.ids)

    def action_branch(self) -> None:
        if self._may_write() and self.scene and self.spoken:
            from culturepark.replay.branch_form import BranchScreen

            screen = BranchScreen(self.scene, self.spoken.turn.position, self.session.store, self.session.trust)
            self._push(screen, lambda dialogue_id: self._visit(dialogue_id) if dialogue_id else None)

    def _visit(self, dialogue_id: str, subject: str = "") -> None:
        """Open a dialogue of another run on a stage of its own."""
        self.run_worker(self._visit_in(run_of(dialogue_id), dialogue_id, subject), group="visit", exclusive=True)

    async def _visit_in(self, run_id: str, dialogue_id: str, subject: str) -> None:
        run_cache = await self.ask(self.session.run_cache, run_id)
        self._push(StageScreen(self.session, run_cache, dialogue_id, subject=subject))

    def action_compare(self) -> None:
        if self.scene:
            self.run_worker(self._compare(self.scene), group="compare", exclusive=True)

    async def _compare(self, scene: Scene) -> None:
        pair = await self.ask(self.session.comparison_of, scene)
        if isinstance(pair, str):
            self._say(pair)
        else:
            from culturepark.replay.compare import CompareScreen

            self._push(CompareScreen(*pair))

    # --- keys: review ----------------------------------------------------------------------------------

    def action_judge(self, decision: str) -> None:
        self._judge(decision=decision)

    def action_rate(self, rating: int) -> None:
        self._judge(rating=rating)

    def _judge(self, **judgement: Any) -> None:
        """Review the subject; fields that are not given stay as they were."""
        if self._may_write() and (subject := self._reviewable()):
            self.run_worker(self._show_review(self.session.judge(subject, **judgement)), group="judge")

    def _reviewable(self) -> str:
        """Return the subject; for a turn of fixed words, which is never mined, show a message and return ""."""
        turn = self.spoken.turn if self.spoken and self.subject == self.spoken.id else None
        if turn and turn.origin in FIXED:
            self._say(
                tr(
                    "a {origin}: nothing is mined from it, so there is nothing to review",
                    origin=in_words(ORIGINS, turn.origin),
                )
            )
            return ""
        return self.subject

    async def _show_review(self, write: Future[tuple[ReviewRow, bool]]) -> str | None:
        """Show a review once it is stored; return the error if it could not be stored."""
        written = await self._outcome(write)
        if isinstance(written, str):
            return written
        row, new = written
        self._say(self._describe(row) if new else tr("already so: {review}", review=self._describe(row)))
        await self._reload_scene()
        return None

    def action_undo(self) -> None:
        if self._may_write():
            self.run_worker(self._show_undo(self.session.undo(self.dialogue_id)), group="judge")

    async def _show_undo(self, write: Future[ReviewRow | None]) -> None:
        row = await self._outcome(write)
        if row is None:
            self._say(tr("{reviewer} has judged nothing here that could be taken back", reviewer=self.session.reviewer))
        elif not isinstance(row, str):
            self._say(tr("taken back: {review}", review=self._describe(row)))
            await self._reload_scene()

    async def _outcome(self, write: Future[T]) -> T | str:
        """Wait for a write and return its result, or an error message, which is shown too."""
        outcome: T | str
        try:
            outcome = await self.unless_left(self.session.result_of(write))
        except CultureparkError as error:
            outcome = tr("not stored: {why}", why=error)
            self._say(outcome)
        self.session.acknowledge(write)
        return outcome

    async def _reload_scene(self) -> None:
        """Read the dialogue again and show it."""
        if self.scene and self.scene.dialogue.id == self.dialogue_id:
            scene = await self.ask(self.run_cache.reload, self.dialogue_id)
            if self.scene.dialogue.id == scene.dialogue.id == self.dialogue_id:
                self._show(scene)

    def _describe(self, row: ReviewRow) -> str:
        """Describe a review in a few words; a subject in another dialogue is named by its whole id."""
        sign, word, _ = DECISION_SIGNS[row.decision]
        here = place_of(row.subject_id)[0] == self.dialogue_id
        rated = tr(", {rating} of 5", rating=row.rating) if row.rating else ""
        return f"{sign} {short(row.subject_id) if here else row.subject_id} {tr(word)}{rated}"

    def action_to_review(self) -> None:
        """Go to the next statement that this reviewer has not judged, what a model made up before the rest."""
        if self.scene and self.scene.dialogue.id == self.dialogue_id:
            panel = self.query_one(EvidencePanel)
            self.run_worker(self._to_review(panel.subject or self.subject), group="queue", exclusive=True)

    async def _to_review(self, subject: str) -> None:
        statement_id = await self.ask(self.session.next_to_review, self.run_cache.run_id, subject)
        if statement_id is None:
            self._say(tr("nothing else that is kept waits for a review by {reviewer}", reviewer=self.session.reviewer))
            return
        if self.focused is self.query_one(Speeches):
            self.action_swap()
        self._open(*place_of(statement_id), statement_id)

    def action_edit(self) -> None:
        if self._may_write() and self.scene and (subject := self._reviewable()):
            self.run_worker(self._edit(self.scene, subject), group="edit", exclusive=True)

    async def _edit(self, scene: Scene, subject: str) -> None:
        """Show the form until the review is stored or cancelled."""
        from culturepark.replay.evidence import wording_of
        from culturepark.replay.review_form import ReviewScreen, part_of

        standing = await self._outcome(self.session.standing(subject))
        if isinstance(standing, str):
            return
        filled: Judgement | None = None
        error: str | None = ""
        while error is not None:
            if not self.is_active:
                return
            form = ReviewScreen(
                subject, wording_of(scene, subject), standing, part_of(scene, subject), filled=filled, error=error
            )
            filled = await self.app.push_screen_wait(form)
            if filled is None:
                return
            error = await self._show_review(self.session.judge(subject, whole=True, **vars(filled)))

    # --- messages, and screens over this one ------------------------------------------------------------

    def _say(self, what: str) -> None:
        """Show a message until the next move, or the next message."""
        self._said_at = self.app.clock()  # type: ignore[attr-defined]  # of Replay
        self.query_one(StatusLine).say(what)

    def _drop_message(self) -> None:
        """Clear a message as the next turn begins, if there was time to read it."""
        if self.app.clock() - self._said_at >= SAID_SECONDS:  # type: ignore[attr-defined]  # of Replay
            self._say("")

    def _push(self, screen: Screen[T], callback: Callable[[T | None], None] | None = None) -> None:
        """Open a screen over this one, unless another one is open."""
        if self.is_active:
            self.app.push_screen(screen, callback)

    def _may_write(self) -> bool:
        if self.session.follow:
            self._say(tr(READ_ONLY))
        return not self.session.follow


def parts_of(scene: Scene) -> list[Part]:
    return [Part.of(spoken.turn.phase, spoken.turn.text) for spoken in scene.turns]


def phases_of(scene: Scene) -> list[str]:
    """Return the phases so far, then those that are still to come."""
    from culturepark.dialogue.policy import expected_slots
    from culturepark.store.integrity import edition_of

    phases = [spoken.turn.phase for spoken in scene.turns]
    slots = () if scene.finished else expected_slots(edition_of(scene.run).scenario, scene.casting)
    return list(dict.fromkeys([*phases, *(slot.phase for slot in slots)]))
