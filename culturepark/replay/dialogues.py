"""The dialogues of a run, all or filtered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from culturepark.glossary import counted, signed_status
from culturepark.interface import later, tr
from culturepark.replay.session import RunCache, Session, StoreScreen
from culturepark.replay.widgets.frame import Heading, Keys
from culturepark.replay.widgets.lists import Columns, Listing, fitted
from culturepark.store.first_look import Line, RunLine
from culturepark.terminal.layout import one_line
from culturepark.terminal.safe import safe

if TYPE_CHECKING:
    from culturepark.store.first_look import Shown
    from culturepark.store.search import Filters
    from culturepark.store.tables import RunRow

POLL_SECONDS = 0.5
WIDE = 110
"""Columns from which a dialogue takes one line."""
STATE, COUNT = 12, 7
"""Widths of columns; from `ROOMY` columns on a state may take twice as much."""
COUNTS = (later("turns"), later("mined"), later("kept"))
"""Names of the columns of counts."""
ROOMY = 150
WIDEST = 56
"""Width of the column of people at most."""


class DialogueList(Listing):
    def __init__(self) -> None:
        super().__init__()
        self.forget_widths()

    def forget_widths(self) -> None:
        self._longest_people = self._longest_state = 0

    def note_widths(self, rows: Iterable[Line]) -> None:
        """Fit the columns to the widest of all rows so far, so that they do not change when one scrolls back."""
        for row in rows:
            self._longest_people = max(self._longest_people, cell_len(people(row, WIDEST)))
            self._longest_state = max(self._longest_state, cell_len(state_of(row)))
        self.screen.query(Columns).refresh()

    def tall(self) -> int:
        return 1 if self.app.size.width >= WIDE else 2

    def draw(self, row: Line, width: int) -> list[Text]:
        state, (_, ink) = state_of(row), signed_status(row.status)
        quiet, number = self.ink("quiet"), f"{row.number:,}"
        if self.tall() == 1:
            seats, question, state_width = self._widths(width)
            return [
                Text.assemble(
                    fitted(number, 6, quiet, right=True),
                    "  ",
                    fitted(people(row, seats), seats, self.ink("strong")),
                    "  ",
                    fitted(" · ".join(part for part in (branches(row), row.question) if part), question),
                    "  ",
                    fitted(state, state_width, self.ink(ink)),
                    *(
                        fitted("·" if count is None else f"{count:,}", count_width(), quiet, right=True)
                        for count in (row.turns, row.statements, row.kept)
                    ),
                )
            ]
        state_width = min(cell_len(state), width // 3)
        counts = (
            ""
            if row.turns is None
            else tr("{turns} turns, {mined} mined, {kept} kept", turns=row.turns, mined=row.statements, kept=row.kept)
        )
        detail = " · ".join(part for part in (branches(row), counts) if part)
        detail_width = min(cell_len(detail), width // 2)
        seats = width - 6 - state_width - 1
        return [
            Text.assemble(
                fitted(number, 5, quiet, right=True),
                " ",
                fitted(people(row, seats), seats, self.ink("strong")),
                " ",
                fitted(state, state_width, self.ink(ink), right=True),
            ),
            Text.assemble(
                fitted("", 6),
                fitted(row.question, width - 6 - detail_width - 1, quiet),
                " ",
                fitted(detail, detail_width, quiet, right=True),
            ),
        ]

    def columns(self, width: int) -> Text:
        if self.app.size.width < WIDE:
            return Text()
        seats, question, state = self._widths(width)
        return Text.assemble(
            fitted(tr("no."), 6, right=True),
            "  ",
            fitted(tr("people"), seats),
            "  ",
            fitted(tr("question"), question),
            "  ",
            fitted(tr("state"), state),
            *(fitted(tr(name), count_width(), right=True) for name in COUNTS),
        )

    def _widths(self, width: int) -> tuple[int, int, int]:
        """Return the widths of people, question and state; the question has the rest."""
        state = max(STATE, min(2 * STATE, self._longest_state)) if width >= ROOMY else STATE
        left = width - 6 - 2 - 2 - 2 - state - 3 * count_width()
        seats = min(self._longest_people or WIDEST, WIDEST, left * 3 // 5)
        return seats, left - seats, state


def count_width() -> int:
    """Return the cells of a column of counts, which has room for its name."""
    return max(COUNT, *(cell_len(tr(name)) + 2 for name in COUNTS))


def state_of(line: Line) -> str:
    """Return the status with its sign, and the stop reason of a dialogue that was not completed."""
    sign, _ = signed_status(line.status)
    reason = (line.stop_reason or "").partition(":")[0]
    return f"{sign}: {reason}" if reason and reason != "completed" else sign


def people(line: Line, width: int) -> str:
    """Return the participants with their cultures; if there is not enough room, names are cut."""
    whole = [f"{safe(name)} ({culture})" for name, culture in line.people]
    if cell_len(", ".join(whole)) <= width or not whole:
        return ", ".join(whole)
    each = (width - 2 * (len(whole) - 1)) // len(whole)
    return ", ".join(
        f"{one_line(name, max(4, each - len(culture) - 3), reorder=False)} ({culture})" for name, culture in line.people
    )


def branches(line: Line) -> str:
    """Return the dialogue that this one branched off, and the number of its own branches."""
    parts = [tr("↳ of {dialogue}", dialogue=line.parent_id.rpartition(".")[2])] if line.parent_id else []
    if line.branches:
        parts.append(f"+{counted(line.branches, 'branch', 'branches')}")
    return " ".join(parts)


class DialoguesScreen(StoreScreen[None]):
    """Enter opens a dialogue, `f` filters, `/` searches."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "search", key_display="/"),
        Binding("f", "filter", "filter"),
        Binding("F", "clear", "all again", key_display="F"),
        Binding("q,escape", "back", "back", key_display="q"),
    ]

    def __init__(
        self, session: Session, run_id: str, *, open_first: str | None = None, known: Shown | None = None
    ) -> None:
        """
        Args:
            open_first: id of a dialogue, turn, statement or sample to open at once.
            known: first rows, shown before the store is open.
        """
        super().__init__()
        self.session = session
        self.run_id = run_id
        self.open_first = open_first
        self.known = known
        self.run_cache: RunCache | None = None
        self.filters: Filters | None = None
        self.total = 0
        self._then: Callable[[], None] | None = None

    def compose(self) -> ComposeResult:
        yield Heading(self.run_id)
        listing = DialogueList()
        yield Columns(listing)
        yield listing
        yield Keys()

    def on_mount(self) -> None:
        if self.known:
            self.total = len(self.known.ids)
            self.query_one(DialogueList).show(self.known.ids, self._lines, self.known.lines)
            self._tell(self.known.run)
        self.call_after_refresh(lambda: self.run_worker(self._load()))

    async def _lines(self, ids: Sequence[str]) -> list[Line]:
        run_cache = await self.ask(self.session.run_cache, self.run_id)
        return await self.ask(run_cache.lists.lines, ids)

    async def _load(self) -> None:
        self.run_cache = await self.ask(self.session.run_cache, self.run_id)
        await self.ask(self.run_cache.reload_run)
        await self._find()
        if self.session.follow:
            self.set_interval(POLL_SECONDS, self.poll)
        if self.open_first:
            self._open(self.open_first)
        elif self.session.follow:
            await self._follow()
        if self._then:
            self._then()

    def _when_open(self, act: Callable[[], None]) -> None:
        """Act once the store is open; of several keys pressed before that, the last one counts."""
        if self.run_cache and self.filters is not None:
            act()
        else:
            self._then = act

    async def _find(self) -> None:
        """Read the ids of the dialogues that pass the filters."""
        from culturepark.store.search import Filters

        run_cache = self.run_cache
        assert run_cache is not None
        self.filters = self.filters or Filters()
        ids = await self.ask(run_cache.lists.find, self.filters)
        if not self.query(DialogueList):  # the app is left meanwhile
            return
        if self.filters == Filters():
            self.total = len(ids)
        self.query_one(DialogueList).show(ids, self._lines)
        self._tell(run_cache.scenes.run)

    def _tell(self, run: RunRow | RunLine) -> None:
        listing = self.query_one(DialogueList)
        filters = [f"{name}: {value}" for name, value in asdict(self.filters).items() if value] if self.filters else []
        count = counted(self.total, "dialogue")
        if filters:
            count = tr("{count} of {dialogues}", count=f"{len(listing.ids):,}", dialogues=count)
        sign, _ = signed_status(run.status)
        marks = [tr("only {filters} (F shows all)", filters=", ".join(filters))] if filters else []
        if self.session.follow:
            marks.append(tr("following, read-only"))
        scenario = run.scenario if isinstance(run, RunLine) else run.scenario_name
        self.query_one(Heading).tell(title=run.id, place=count, mark="; ".join(marks), detail=f"{scenario} · {sign}")

    # --- a run that goes on ---------------------------------------------------------------------------

    async def update(self) -> None:
        assert self.run_cache is not None
        run = await self.ask(self.run_cache.reload_run)
        if not self.query(DialogueList):  # the app is left meanwhile
            return
        await self.unless_left(self.query_one(DialogueList).reload())
        self._tell(run)

    async def _follow(self) -> None:
        """Open a dialogue in progress."""
        assert self.run_cache is not None
        if alive := await self.ask(self.run_cache.lists.alive):
            self._open(alive[0])

    # --- keys -----------------------------------------------------------------------------------------

    def _open(self, subject: str) -> None:
        """Open a dialogue by its id, or by that of a turn, statement or sample in it."""
        from culturepark.ids import place_of
        from culturepark.replay.stage import StageScreen

        assert self.run_cache is not None
        if not self.is_active:
            return
        listing, (dialogue_id, _) = self.query_one(DialogueList), place_of(subject)
        if dialogue_id in listing.ids:
            listing.cursor = listing.ids.index(dialogue_id)
        stage = StageScreen(self.session, self.run_cache, dialogue_id, listing.ids, subject=subject)
        self.app.push_screen(stage, self._returned)

    def _returned(self, dialogue_id: str | None) -> None:
        """Move the cursor to the dialogue that was shown last."""
        listing = self.query_one(DialogueList)
        if dialogue_id in listing.ids:
            listing.cursor = listing.ids.index(dialogue_id)
        listing.run_worker(listing.reload(), group="pages")

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        dialogue_id = event.listing.ids[event.index]
        self._when_open(lambda: self._open(dialogue_id))

    def action_search(self) -> None:
        self._when_open(self._search)

    def _search(self) -> None:
        from culturepark.replay.search import SearchScreen

        if self.run_cache:
            self.app.push_screen(SearchScreen(self.session, self.run_cache, self.query_one(DialogueList).ids))

    def action_filter(self) -> None:
        self._when_open(self._filter)

    def _filter(self) -> None:
        from culturepark.replay.filter_form import FilterScreen

        if self.run_cache and self.filters is not None:
            self.app.push_screen(FilterScreen(self.session, self.run_cache, self.filters), self._wanted)

    def _wanted(self, filters: Filters | None) -> None:
        if filters is not None and filters != self.filters:
            self.filters = filters
            self.run_worker(self._find(), group="find", exclusive=True)

    def action_clear(self) -> None:
        if self.filters:
            self._wanted(replace(self.filters, culture=None, kind=None, stop=None, verdict=None))

    def action_back(self) -> None:
        self.app.leave(self)  # type: ignore[attr-defined]  # of Replay
