"""Progress of a run on stderr: the talk of one dialogue at a time, and a line of figures below it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from culturepark.dialogue.policy import expected_slots
from culturepark.domain import DEFAULT_LANGUAGE, Casting, Status, Turn
from culturepark.run import Watcher
from culturepark.store.integrity import edition_of
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import err, plain, safe

TALK_UP_TO = 4
"""Dialogues at most in a run whose talk is shown."""
EVERY = 60.0
"""Seconds between two lines in a log."""
ROOMY = 90
"""Columns in which a clock has room beside the figures."""
DISTILLING = 3
"""Steps of the bar for extraction, verification and the rest; a turn is one step."""


class Quiet(Watcher):
    """Progress for pipes and logs: notes, and now and then a line of figures."""

    def __init__(self) -> None:
        self.console = err()
        self.total = self.finished = 0
        self.so_far = ""
        self.last_note = monotonic()

    def started(self, run: RunRow, castings: Collection[Casting], done: int) -> None:
        self.total, self.finished = len(castings), done
        self.scenario = edition_of(run).scenario
        self.note(f"run {run.id}: {self.scenario.title}. Simulated people; no evidence of what real people think.")

    def dialogue_done(self, casting: Casting) -> None:  # noqa: ARG002
        self.finished += 1
        if monotonic() - self.last_note >= EVERY:
            self.last_note = monotonic()
            self.note(self.line())

    def figures(self, tokens: int, cost_usd: float | None, samples: int) -> None:
        cost = f" · ${cost_usd:.2f}" if cost_usd is not None else ""
        self.so_far = f" · {samples:,} candidates · {tokens / 1000:.0f}k tokens{cost}"

    def line(self) -> str:
        return f"{self.finished}/{self.total} dialogues{self.so_far}"

    def note(self, text: str) -> None:
        self.console.print(plain(text), soft_wrap=not self.console.is_terminal)


class Live(Quiet):
    """Progress for a terminal. Dialogues run side by side, and are shown one after the other from their beginnings."""

    def __init__(self) -> None:
        super().__init__()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[figures]}"),
            *((TimeElapsedColumn(), TimeRemainingColumn(compact=True)) if self.console.width >= ROOMY else ()),
            console=self.console,
            transient=True,
            expand=True,
        )
        self.run_task: TaskID | None = None
        self.fetch_task: TaskID | None = None
        self.talk = False
        self.on_stage: int | None = None
        """Number of the dialogue that is shown."""
        self.waiting: dict[int, list[Text]] = defaultdict(list)
        """Number of a dialogue -> lines that are not shown yet."""
        self.over: set[int] = set()
        self.phase: dict[int, str] = {}

    def started(self, run: RunRow, castings: Collection[Casting], done: int) -> None:
        super().started(run, castings, done)
        self.talk = self.total <= TALK_UP_TO
        # Talks with a user have no slots: they end before this is shown.
        slots = [len(expected_slots(self.scenario, c)) for c in castings]
        self.steps = {c.number: n + DISTILLING for c, n in zip(castings, slots, strict=True)}
        self.done_steps: dict[int, int] = defaultdict(int)
        total = sum(self.steps.values())
        self.run_task = self.bar.add_task(
            plain(run.scenario_name).plain,
            total=total,
            completed=total * done // self.total,
            figures=self.line(),
        )

    def fetching(self, name: str, done: int, total: int) -> None:
        from culturepark.models.weights import told

        description, figures = told(name, done, total)
        if self.fetch_task is None:
            self.fetch_task = self.bar.add_task(description, total=total, figures="")
        self.bar.update(self.fetch_task, completed=done, total=total, description=description, figures=figures)
        if done >= total:
            self.bar.remove_task(self.fetch_task)
            self.fetch_task = None

    def turn(self, casting: Casting, turn: Turn) -> None:
        self._step(casting)
        if not self.talk:
            return
        lines = self.waiting[casting.number]
        if self.phase.get(casting.number) != turn.phase:
            if casting.number not in self.phase:
                names = " · ".join(f"{p.persona.name} ({p.persona.place})" for p in casting.participants)
                lines.append(plain(f"\n── dialogue {casting.number}: {names}", "bold"))
            self.phase[casting.number] = turn.phase
            lines.append(plain(f"\n   {turn.phase}", "dim"))
        called = "Moderator" if turn.role == "moderator" else casting.by_key(turn.speaker).persona.called
        style = "dim" if turn.origin != "model" else "cyan" if turn.role == "moderator" else "bold"
        text = (safe(turn.text, lines=True), "dim" if style == "dim" else "")
        lines.append(Text.assemble((safe(called), style), "  ", text))
        if rendered := turn.rendered_for(DEFAULT_LANGUAGE):
            lines.append(plain(f"   {rendered}", "dim"))
        self._play()

    def talked(self, casting: Casting, status: Status, reason: str) -> None:
        if not self.talk:
            return
        self.waiting[casting.number].append(plain(f"── dialogue {casting.number}: {status}, {reason}", "dim"))
        self.over.add(casting.number)
        self._play()

    def dialogue_done(self, casting: Casting) -> None:
        self.finished += 1
        self.over.add(casting.number)
        self._step(casting, self.steps[casting.number])
        self._play()

    def figures(self, tokens: int, cost_usd: float | None, samples: int) -> None:
        super().figures(tokens, cost_usd, samples)
        self._step(None)

    def _step(self, casting: Casting | None, to: int | None = None) -> None:
        if self.run_task is None:
            return
        advance = 0
        if casting:
            reached = to if to is not None else self.done_steps[casting.number] + 1
            advance = max(0, reached - self.done_steps[casting.number])
            self.done_steps[casting.number] = max(reached, self.done_steps[casting.number])
        self.bar.update(self.run_task, advance=advance, figures=self.line())

    def _play(self) -> None:
        """Print the waiting lines of the dialogue on stage; when it is over, the next one follows."""
        while True:
            if self.on_stage is None:
                ready = sorted(n for n, lines in self.waiting.items() if lines)
                if not ready:
                    return
                self.on_stage = ready[0]
            for line in self.waiting.pop(self.on_stage, []):
                self.console.print(line)
            if self.on_stage not in self.over:
                return
            self.on_stage = None


@contextmanager
def counting(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show the progress of other work: a bar on a terminal, or now and then a line in a log."""
    console = err()
    if not console.is_terminal:
        last_note = monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal last_note
            if monotonic() - last_note >= EVERY:
                last_note = monotonic()
                console.print(plain(f"{done}/{total} {what}"), soft_wrap=True)

        yield tell
        return
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None))
    with Progress(*columns, console=console, transient=True, expand=True) as bar:
        task = bar.add_task("figures", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total, description=f"{done}/{total} {what}")


@contextmanager
def watching() -> Iterator[Quiet]:
    """Give the watcher for a terminal or for a log."""
    if not err().is_terminal:
        yield Quiet()
        return
    live = Live()
    with live.bar:
        yield live
