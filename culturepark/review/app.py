"""The terminal app in which one person judges rows, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from culturepark.errors import CultureparkError
from culturepark.interface import tr
from culturepark.replay.app import Replay
from culturepark.replay.review_form import Choice, Judgement, ReviewScreen
from culturepark.replay.session import Session, StoreScreen
from culturepark.replay.widgets.frame import FramedScreen, Heading, Keys
from culturepark.replay.widgets.sheet import Sheet
from culturepark.review.desk import Desk, Progress
from culturepark.review.row import RowView
from culturepark.terminal.blocks import Para, Stop
from culturepark.terminal.safe import clip, editable


class ReviewApp(Replay):
    """Shows the rows of a desk to one reviewer."""

    TITLE = "culturepark review"

    def __init__(self, desk: Desk, session: Session, languages: Collection[str] = ()) -> None:
        super().__init__(session)
        self.desk, self.languages = desk, languages

    def get_default_screen(self) -> Screen[None]:
        return RowScreen(self.desk, self.session, self.languages)

    def action_help(self) -> None:
        from culturepark.replay.help import Area, HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(
                HelpScreen(
                    (
                        Area("Judge the row", (RowScreen,)),
                        Area("In a form", (ReviewScreen, Choice)),
                        Area("Everywhere", (Replay,)),
                        Area("Whatever has a frame", (FramedScreen,)),
                    )
                )
            )


class RowScreen(StoreScreen[None]):
    """One row: the prompt and the answer as they are trained on, and below them what is behind the row."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "judge('accept')", "yes"),
        Binding("n", "judge('reject')", "no"),
        Binding("N", "why", "no, and why", show=False),
        Binding("r", "reword", "reword"),
        Binding("s", "skip", "skip"),
        Binding("u", "undo", "undo"),
        Binding("t", "rendering", "in your language"),
        Binding("S", "unskip", "see again what you skipped", show=False),
        Binding("q,escape", "app.quit", "quit", key_display="q"),
    ]
    DEFAULT_CSS = """
    RowScreen {
        & Sheet { height: 1fr; background: $background; }
    }
    """

    def __init__(self, desk: Desk, session: Session, languages: Collection[str]) -> None:
        super().__init__()
        self.desk, self.session, self.languages = desk, session, languages
        self.row: RowView | None = None
        self.rendered = False
        """Whether the rendering of a row is shown: whoever reads its language judges its own words."""
        self.busy = False
        """A key is at work. Others do nothing: what is not seen is not judged."""

    def compose(self) -> ComposeResult:
        yield Heading(self.app.title)
        yield Sheet()
        yield Keys()

    def on_mount(self) -> None:
        self.query_one(Sheet).focus()
        self._do(lambda: "")

    # --- keys ------------------------------------------------------------------------------------------

    def action_judge(self, decision: str) -> None:
        self._judge(Judgement("accept" if decision == "accept" else "reject", None, None, None))

    def action_why(self) -> None:
        self._ask(Judgement("reject", None, None, None))

    def action_reword(self) -> None:
        self._ask(Judgement("accept", None, None, None))

    def action_skip(self) -> None:
        if row := self.row:

            def skip() -> str:
                self.desk.skip(self.reviewer, row.id)
                return tr("skipped; u brings it back")

            self._do(skip)

    def action_unskip(self) -> None:
        def unskip() -> str:
            self.desk.unskip(self.reviewer)
            return ""

        self._do(unskip)

    def action_rendering(self) -> None:
        self.rendered = not self.rendered
        if self.row:
            self.query_one(Sheet).fill(stops_of(self.row, rendered=self.rendered))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - Textual's
        """Hide the key of renderings at a row that has none."""
        return action != "rendering" or bool(self.row and self.row.rendering)

    def action_undo(self) -> None:
        def undo() -> str:
            if self.desk.undo(self.reviewer):
                return tr("taken back")
            return tr("{reviewer} has nothing to take back here", reviewer=self.reviewer)

        self._do(undo)

    # --- writing ---------------------------------------------------------------------------------------

    @property
    def reviewer(self) -> str:
        return self.session.reviewer

    def _judge(self, given: Judgement) -> None:
        row = self.row
        if row is None:
            return

        def judge() -> str:
            self.desk.judge(self.reviewer, row.id, given.decision, wording=given.wording, note=given.note)
            word = tr("✗ no") if given.decision == "reject" else tr("✎ reworded") if given.wording else tr("✓ yes")
            return tr("{judgement}; u takes it back", judgement=word)

        self._do(judge)

    def _ask(self, filled: Judgement) -> None:
        """Show the form, with a decision filled in."""
        row = self.row
        if row is None or self.busy:
            return

        def done(given: Judgement | None) -> None:
            if given:
                self._judge(given)

        form = ReviewScreen(
            row.id, editable(row.answer), None, "answer", filled=filled, why_only=filled.decision == "reject"
        )
        self.app.push_screen(form, done)

    def _do(self, what: Callable[[], str]) -> None:
        """Do something in the thread of all writes, and show the row that comes next."""
        if self.busy:
            return
        self.busy = True
        self.run_worker(self._done(what), group="desk")

    async def _done(self, what: Callable[[], str]) -> None:
        def act() -> tuple[str, RowView | None, Progress]:
            word = what()
            row = self.desk.here(self.reviewer, self.languages)
            return word, row, self.desk.progress(self.reviewer, self.languages)

        write = self.session.enqueue(act)
        try:
            word, self.row, progress = await self.unless_left(self.session.result_of(write))
        except CultureparkError as error:
            self.query_one(Heading).tell(mark=tr("not stored: {why}", why=clip(error, 300)))
        else:
            self._show(word, progress)
        self.session.acknowledge(write)
        self.busy = False

    def _show(self, word: str, progress: Progress) -> None:
        row = self.row
        self.query_one(Heading).tell(
            title=progress.line(clip(self.reviewer, 30)), detail=row.about if row else "", mark=word
        )
        sheet = self.query_one(Sheet)
        sheet.fill(stops_of(row, rendered=self.rendered) if row else [nothing_left(progress)])
        sheet.scroll_home(animate=False)
        self.refresh_bindings()


def stops_of(row: RowView, *, rendered: bool = False) -> list[Stop]:
    """Return the row, then the sections behind it."""
    heads = {"system": f"{tr('system')}  ", "user": f"{tr('user')}  "}
    prompt = [Para(content, "muted", heads.get(role, f"{clip(role, 20)}  ")) for role, content in row.prompt]
    below = [row.rendering] if rendered and row.rendering else []
    trained = Stop(row.id, (*prompt, Para(row.answer, head=f"{tr('answer')}  ", head_look="label"), *below))
    return [
        trained,
        *(Stop(row.id, (Para(section.title, "title"), *section.paras)) for section in row.behind),
        Stop(row.id, (Para(row.id, "muted"),)),
    ]


def nothing_left(progress: Progress) -> Stop:
    parts = [tr("Nothing is left for you to judge here.")]
    if progress.skipped:
        parts.append(tr("You have skipped {count}; S shows them again.", count=progress.skipped))
    return Stop("", (Para(" ".join([*parts, tr("q ends.")])),))
