"""The terminal app: runs, their dialogues, and one dialogue on stage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import Binding, BindingType
from textual.constants import DEFAULT_THEME
from textual.screen import Screen
from textual.worker import WorkerFailed

from culturepark.errors import UsageError
from culturepark.replay.session import Session
from culturepark.replay.widgets.frame import THEME


class Replay(App[None]):
    """Shows the runs and dialogues of a store.

    An error of the store ends the app; `trouble` holds it.
    """

    TITLE = "culturepark replay"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { overflow: hidden; }
    * {
        scrollbar-color: $foreground 20%;
        scrollbar-color-hover: $foreground 40%;
        scrollbar-color-active: $accent;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("ctrl+q", "quit", "quit the app", show=False),  # after all earlier keys
    ]

    def __init__(self, session: Session, target: str | None = None) -> None:
        """
        Args:
            target: id of the run, dialogue or row with which to begin; None for the list of runs.
        """
        # Textual's own NO_COLOR turns colours into greys, of which some look the same.
        super().__init__(ansi_color=True if os.environ.get("NO_COLOR") else None)
        self.session = session
        self.target = target
        self.trouble: Exception | None = None
        self.clock: Callable[[], float] = time.monotonic
        session.on_trouble = self._give_up
        if DEFAULT_THEME == "textual-dark":  # the user has set no other
            self.register_theme(THEME)
            self.theme = THEME.name

    def get_default_screen(self) -> Screen[None]:
        """Return the first screen, if it can be painted before the store is open."""
        from culturepark.replay.dialogues import DialoguesScreen
        from culturepark.replay.runs import RunsScreen
        from culturepark.store import first_look

        if self.target is None:
            return RunsScreen(self.session, first_look.runs(self.session.url) or ())
        if known := first_look.dialogues(self.session.url, self.target):
            self.target = None
            return DialoguesScreen(self.session, known.run.id, known=known)
        return super().get_default_screen()

    def on_mount(self) -> None:
        if self.target is not None:
            self.run_worker(self._begin(self.target))

    async def _begin(self, target: str) -> None:
        from culturepark.replay.dialogues import DialoguesScreen

        try:
            run_id, dialogue_id = await self.session.ask(self.session.locate, target)
        except UsageError as error:
            self._give_up(error)
            return
        await self.push_screen(DialoguesScreen(self.session, run_id, open_first=dialogue_id))

    def leave(self, screen: Screen[Any]) -> None:
        """Go back to the screen before; on the first one, end the app."""
        first = next(below for below in self.screen_stack if type(below) is not Screen)
        if first is screen:
            self.exit()
        else:
            screen.dismiss()

    def _give_up(self, error: Exception) -> None:
        self.trouble = self.trouble or error
        self.exit(return_code=getattr(error, "exit_code", 1))

    def _handle_exception(self, error: Exception) -> None:
        """End the app on a bug, which the command line reports. Textual would print the variables of all frames."""
        self.trouble = self.trouble or (error.error if isinstance(error, WorkerFailed) else error)  # type: ignore[assignment]
        if self._exception is None:  # for Textual's test pilot
            self._exception = error
            self._exception_event.set()
        self._return_code = 1
        self._close_messages_no_wait()

    def on_key(self, event: events.Key) -> None:
        """Quit over a modal screen too, where the app's bindings do not work."""
        if event.key == "ctrl+q":
            self.exit()

    def action_help(self) -> None:
        from culturepark.replay.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())
