"""A talk between a user and a persona: its course, the keyboard, and the text before and after it."""

from __future__ import annotations

import asyncio
import re
import select
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from culturepark.cli.execution import OPEN, until_stopped
from culturepark.cli.options import store_option
from culturepark.cli.progress import Quiet
from culturepark.dialogue import phrasing
from culturepark.dialogue.guards import LONGEST
from culturepark.dialogue.loop import Refused
from culturepark.dialogue.talk import Talk
from culturepark.domain import DEFAULT_LANGUAGE, Casting, Persona, Scenario, Status, Turn
from culturepark.errors import BudgetReached, CultureparkError, Interrupted, ModelError, StoreError, Unreachable
from culturepark.languages import load_language
from culturepark.models.chat import ChatModel
from culturepark.models.kinds import is_scripted, is_tiny
from culturepark.models.trust import Trust
from culturepark.models.weights import told
from culturepark.run.pipeline import GATES, Run
from culturepark.store.dialogue_view import Mined, Scene, Scenes
from culturepark.store.store import Store
from culturepark.store.tables import RunRow, VerdictRow
from culturepark.terminal.layout import lay_out
from culturepark.terminal.safe import out, plain, safe, show_origin, tell, write

HELP = """\
/end    end the talk (or Ctrl-D, or Ctrl-C); a note on what came up follows
/who    the card of the person you talk with
/again  ask once more for an answer that did not come
/help   this
Ctrl-C while an answer is awaited breaks it off; what you typed is kept. Several pasted lines are one message."""
PROMPT = "You: "
PASTE_SECONDS = 0.05
"""Wait for the next line of a paste, in seconds; nobody types that fast."""
KINDS = ("norm", "custom", "opinion")
"""Kinds of statements, in the order of a note."""
Speeches = Callable[[ChatModel, ChatModel], AsyncIterator[Turn | Refused]]
"""Asks the speaker and the moderator for all turns until it is the user's turn again."""


class Session:
    """One sitting of a talk, from its beginning or from where it was left, with the note at its end."""

    def __init__(self, store: Store, row: RunRow, runner: asyncio.Runner, trust: Trust) -> None:
        self.store, self.row, self.runner = store, row, runner
        self.keyboard = Keyboard()
        self.run = Run(store, row, self.keyboard, trust)
        (dialogue,) = store.dialogues(row.id)
        casting = self.run.castings[dialogue.number]
        self.dialogue = dialogue
        self.persona = casting.participants[0].persona
        self.talk = Talk(
            casting,
            self.run.scenario,
            dialogue.id,
            store.turns(dialogue.id),
            row.seed,
            self.run.ledger,
            partial(store.add_turn, dialogue.id),
        )
        self.option = store_option(store)

    def hold(self) -> int:
        """Hold the talk and return the exit code."""
        command = "talk --run-id"
        specs = list(map(str, self.run.models.specs.values()))
        for line in heading_lines(self.persona, self.run.scenario, specs):
            self.keyboard.tell(line)
        if self.keyboard.shown and self.dialogue.status in OPEN:
            self.keyboard.tell(f"Run {self.row.id}. /end or Ctrl-D ends the talk, /help tells the rest.")
        try:
            if self.dialogue.status in OPEN:
                self.converse()
            command = "resume"
            if self.store.run(self.row.id).status != Status.DONE:
                with self.keyboard.waiting_for("looking for what came up"):
                    self.runner.run(until_stopped(self.run))
        except CultureparkError as error:
            if command != "resume" and not isinstance(error, StoreError):
                self.run.stopped(error)
            more = f" {error.option}" if isinstance(error, BudgetReached) else ""
            tell(f"{safe(error)}\ngo on with: culturepark {command} {self.row.id}{more}{self.option}")
            show_origin(error)
            return error.exit_code
        finally:
            self.runner.run(self.run.models.close())
        for line in note_lines(Scenes(self.store, self.row.id).scene(self.dialogue.id), self.option):
            self.keyboard.tell(line)
        return 1 if self.store.run(self.row.id).status == Status.FAILED else 0

    # --- the talk --------------------------------------------------------------------------------------

    def converse(self) -> None:
        """Talk until the user ends it.

        Raises:
            CultureparkError: if an error stops the talk, which can then be resumed.
        """
        self.store.close_open_calls(self.row.id)
        self.store.set_run(self.row.id, Status.RUNNING, None)
        self.store.set_dialogue(self.dialogue.id, Status.RUNNING)
        for turn in self.talk.turns:
            self.show(turn)
        if not self.talk.closing:
            self.listen(self.talk.replies)
            for line in self.lines():
                turn = self.talk.typed(line)
                if not self.keyboard.typed:
                    self.show(turn)
                self.listen(self.talk.replies)
        self.listen(self.talk.farewell)
        self.store.set_dialogue(self.dialogue.id, Status.DONE, "completed")

    def lines(self) -> Iterator[str]:
        """Yield the user's speeches, and answer commands, until the user ends the talk."""
        while True:
            try:
                line = self.keyboard.ask(LONGEST)
            except KeyboardInterrupt:
                print()
                return
            if line is None or line == "/end":
                return
            if isinstance(line, int):
                self.keyboard.note(f"{line:,} characters are too many for one speech: at most {LONGEST:,}; not sent")
            elif line.strip() == "/help":
                self.keyboard.note(HELP)
            elif line.strip() == "/who":
                for card_line in card_lines(self.persona):
                    self.keyboard.note(card_line)
            elif line.strip() == "/again":
                if self.talk.answered:
                    self.keyboard.note("nothing is left unanswered")
                self.listen(self.talk.replies)
            elif re.fullmatch(r"/\w+\s*", line):
                self.keyboard.note(f"{line.strip()} is no command; /help lists them. Nothing was sent.")
            elif line.strip():
                yield line

    def listen(self, speeches: Speeches) -> None:
        """Show all turns until it is the user's turn. If an answer fails, the talk goes on without it."""
        try:
            with self.keyboard.waiting_for(f"{self.persona.called} is thinking"):
                self.runner.run(self.hear(speeches))
        except KeyboardInterrupt:
            if not self.keyboard.typed:
                raise Interrupted("stopped by Ctrl-C") from None
            self.talk.turns[:] = self.store.turns(self.dialogue.id)
            self.keyboard.note("broken off; what you typed is kept. /again asks once more, or just go on")
        except Unreachable:
            raise
        except ModelError as error:
            self.keyboard.note(f"no answer: {error}. /again asks once more, or just go on")

    async def hear(self, speeches: Speeches) -> None:
        speaker = await self.run.models.get("speaker")
        moderator: ChatModel = await self.run.models.get("moderator") if self.talk.moderated else speaker
        async for turn in speeches(speaker, moderator):
            if isinstance(turn, Turn):
                self.show(turn)
            else:
                self.keyboard.note(
                    f"{self.persona.called} found no words that may stand ({turn.reason}). /again asks once more, or "
                    "just go on"
                )

    def show(self, turn: Turn) -> None:
        names = {"user": "You", "moderator": "Moderator"}
        own = turn.role not in names
        self.keyboard.say(names.get(turn.role, self.persona.name), turn.text, self.persona.culture if own else "")


class Keyboard(Quiet):
    """The terminal or pipe of a talk. Speeches go to stdout, all else to stderr."""

    def __init__(self) -> None:
        super().__init__()
        self.typed = bool(sys.stdin and sys.stdin.isatty())
        """True if a terminal echoes the user's lines."""
        self.shown = self.typed and sys.stdout.isatty()
        if sys.stdin:  # a line that is not UTF-8 is a line all the same
            sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]  # it is a text stream
        if self.shown:
            with suppress(ImportError):  # Windows
                import readline  # noqa: F401 - editing and history for `input`
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    # --- in ------------------------------------------------------------------------------------------

    def ask(self, longest: int) -> str | int | None:
        """Return the next line, its length if it is longer than `longest`, or None at the end of input.

        Lines that are pasted together count as one.

        Raises:
            KeyboardInterrupt: at Ctrl-C.
        """
        line = self._line(longest)
        while isinstance(line, str) and self.typed and pasted_more():
            more = self._line(longest, "")
            line = f"{line}\n{more}" if isinstance(more, str) else line if more is None else more
        return len(line) if isinstance(line, str) and len(line) > longest else line

    def _line(self, longest: int, prompt: str = PROMPT) -> str | int | None:
        if self.shown:
            try:
                return input(prompt)
            except EOFError:
                print()
                return None
        if self.typed:
            print(prompt, end="", file=sys.stderr, flush=True)
        line = piece = sys.stdin.readline(longest + 2) if sys.stdin else ""
        length = len(line.rstrip("\n"))
        while piece and not piece.endswith("\n"):  # the rest of a line that is too long is only counted
            piece = sys.stdin.readline(100_000)
            length += len(piece.rstrip("\n"))
        return None if not line else line.rstrip("\n") if length <= longest else length

    # --- out -----------------------------------------------------------------------------------------

    def say(self, who: str, text: str, culture: str = "") -> None:
        if not self.shown:
            write(f"{safe(who)}{f' ({culture})' if culture else ''}: {safe(phrasing.heard(text))}")
            return
        bar, console = self._bar, out()
        if bar:  # it is on another stream, and would stay above the speech
            bar.stop()
        console.print(Text.assemble("\n", (safe(who), "bold"), (f"  {culture}" if culture else "", "dim")))
        for line in lay_out(text, max(20, console.width - 2)):
            console.print("  ", line, sep="", no_wrap=True, overflow="ignore", crop=False)
        console.print()
        if bar and self._task is not None:
            bar.reset(self._task)
            bar.start()

    def tell(self, text: str) -> None:
        """Print a line that belongs with the talk, on stdout."""
        console = out()
        console.print(plain(text), soft_wrap=not console.is_terminal)

    @contextmanager
    def waiting_for(self, what: str) -> Iterator[None]:
        """Show a spinner and the elapsed time."""
        if not (self.shown and self.console.is_terminal):
            yield
            return
        columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
        with Progress(*columns, console=self.console, transient=True) as self._bar:
            self._task = self._bar.add_task(safe(what), total=None)
            try:
                yield
            finally:
                self._bar = None

    # --- as the watcher of a run ---------------------------------------------------------------------

    def started(self, *_: object) -> None:
        """Print nothing: the talk has a heading."""

    def dialogue_done(self, casting: Casting) -> None:
        """Print nothing: the talk is the only dialogue."""

    def fetching(self, name: str, done: int, total: int) -> None:
        if self._bar and self._task is not None:
            words = ", ".join(told(name, done, total)) if done < total else f"starting {name}"
            self._bar.update(self._task, description=words)


def pasted_more() -> bool:
    """Tell whether another line of a paste can be read."""
    with suppress(OSError, ValueError):  # select knows only sockets on Windows
        return bool(select.select([sys.stdin], [], [], PASTE_SECONDS)[0])
    return False


def heading_lines(persona: Persona, scenario: Scenario, specs: Collection[str]) -> Iterator[str]:
    """
    Args:
        specs: of the models.
    """
    yield f"{persona.name}, {persona.age}, {persona.place}, {persona.country_name}; {persona.work}"
    yield persona.scope
    yield f"To begin with: {scenario.seeds[0].question}"
    yield (
        f"{persona.called} does not exist: a language model plays a card, and what it says is no evidence of what "
        f"people in {persona.country_name} think, do or want."
    )
    if any(map(is_tiny, specs)):
        yield "The embedded model is tiny: it speaks in set forms, and hardly takes in what it is told."
    if any(map(is_scripted, specs)):
        yield "The model is scripted: it reads from the card, whatever it is told."


def card_lines(persona: Persona) -> Iterator[str]:
    card = phrasing.about(persona, load_language(DEFAULT_LANGUAGE), small=False)
    yield f"{persona.name}, {persona.age}, {persona.place}, {persona.region}, {persona.country_name}"
    for name in ("work", "schooling", "faith", "observance", "generation", "languages", "manner", "scope"):
        yield f"{name}: {card[name]}"
    yield f"what matters to {persona.called}:\n{card['values']}"
    yield f"what {persona.called} knows from home:\n{card['norms']}"


def note_lines(scene: Scene, option: str) -> Iterator[str]:
    """List the statements of a talk, and the commands for the next steps.

    Args:
        scene: the talk, extracted and verified.
        option: names the store (`store_option`).
    """
    persona, run = scene.people[0].persona, scene.run
    mined = [statement for statement in scene.statements if statement.after is None]
    repeats = [s for s in mined if s.cluster and s.cluster.representative_id != s.row.id]
    statements = sorted((s for s in mined if s not in repeats), key=lambda s: KINDS.index(s.row.kind))
    yield ""
    if not statements:
        yield (
            f"No norm, custom or opinion was found in what {persona.called} said. Asking how something is done there, "
            "or what is expected of whom, may bring some up."
        )
    else:
        kinds = Counter(statement.row.kind for statement in statements)
        counts = ", ".join(f"{kinds[kind]} {kind}{'s' * (kinds[kind] != 1)}" for kind in KINDS if kinds[kind])
        kept = sum(not doubt_about(statement, scene) for statement in statements)
        again = f"; {len(repeats)} said again" if repeats else ""
        samples = sum(bool(statement.kept) for statement in statements)
        yield f"What came up, as {persona.name}, a simulated person, told it: {counts}."
        doubted = len(statements) - kept
        yield f"The verifier kept {kept} and doubts {doubted}{again}; samples came of {samples or 'none'}."
        for statement in statements:
            yield from statement_lines(statement, scene)
    yield ""
    yield (
        f"None of it is evidence of what people in {persona.country_name} think, do or want: a language model made it "
        "of one card."
    )
    yield f"read it again: culturepark replay {run.id}{option}"
    if any(statement.kept for statement in statements):
        yield f"as training data: culturepark export {run.id} --format trl --out runs/{run.id}{option}"
    else:
        yield f"no sample came of it, so there is nothing to export; why: culturepark stats {run.id}{option}"
    if any(turn.turn.role == "user" for turn in scene.turns):
        yield (
            "Your own words are kept in the store; `export --dialogues` and `report` write them out too, samples never "
            "hold them."
        )


def statement_lines(statement: Mined, scene: Scene) -> Iterator[str]:
    doubt = doubt_about(statement, scene)
    outcome = f"doubtful ({doubt})" if doubt else "kept" if statement.kept else "kept, no sample"
    row = statement.row
    yield f"  {row.kind}, {outcome}: “{phrasing.heard(row.quote)}”"
    if row.quote not in row.text:
        yield f"      that is: {row.text}"


def doubt_about(statement: Mined, scene: Scene) -> str:
    """Return why the verifier did not accept a statement; empty if it did, or if a row came of it all the same."""
    verdicts = [verdict for verdict in statement.verdicts if verdict.round == scene.run.verify_round]
    if not verdicts:
        return "not verified"
    if statement.kept:
        return ""
    verdicts = [verdict for verdict in verdicts if verdict.criterion in GATES]  # the others decide about rows alone
    return next((reason_of(verdict, scene) for verdict in verdicts if verdict.decision != "keep"), "")


def reason_of(verdict: VerdictRow, scene: Scene) -> str:
    called = scene.people[0].persona.called
    reasons = {
        ("stance", "contradict"): f"goes against the answer drawn for {called}",
        ("stance", "irrelevant"): "is not about the question",
        ("faithful", "contradict"): "the quote says something else",
        ("faithful", "irrelevant"): "the quote does not carry it",
    }
    return reasons.get((verdict.criterion, verdict.relation), "the verifier was not sure")
