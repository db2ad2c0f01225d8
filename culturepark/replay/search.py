"""The search over all turns of a run; hits are shown as they are found."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Event
from typing import TYPE_CHECKING, Any, ClassVar

from rich.cells import cell_len
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Input

from culturepark.glossary import counted
from culturepark.ids import last_part
from culturepark.interface import tr
from culturepark.replay.session import RunCache, Session
from culturepark.replay.widgets.frame import Heading, Keys
from culturepark.replay.widgets.lists import Listing, fitted
from culturepark.terminal.layout import Mark, lay_out
from culturepark.terminal.linebreak import whole
from culturepark.terminal.safe import clip

if TYPE_CHECKING:
    from culturepark.store.search import Hit

MOST = 2000
"""Hits at most."""
BATCH = 25
MARK = "bold reverse"
AROUND = 30
"""Code points before a hit that are shown."""


@dataclass
class Hits:
    """The hits of a search so far, and the present one."""

    words: str
    rows: list[Hit] = field(default_factory=list)
    index: int = 0

    @property
    def present(self) -> Hit:
        return self.rows[self.index]

    def move(self, by: int) -> bool:
        """Go to the next hit or the one before; return False if there is none."""
        exists = 0 <= self.index + by < len(self.rows)
        self.index += by if exists else 0
        return exists

    def marks(self, text: str) -> list[Mark]:
        return [(start, end, MARK) for start, end in places(text, self.words)]


@lru_cache(maxsize=64)
def places(text: str, words: str) -> Sequence[tuple[int, int]]:
    """Return start and end of each place of a search's words in a text."""
    from culturepark.languages.words import folded_with_places, terms

    folded, origin = folded_with_places(text)
    spans = []
    for term in terms(words):
        at = folded.find(term)
        while at >= 0:
            end = origin[at + len(term) - 1] + 1
            while end < len(text) and unicodedata.combining(text[end]):
                end += 1
            spans.append((origin[at], end))
            at = folded.find(term, at + len(term))
    return sorted(spans)


def search(app: App[Any], session: Session, run_cache: RunCache, ids: Sequence[str]) -> None:
    """Open a search; on a stage that was opened from a search, go back to it."""
    below = app.screen_stack[-2]
    if isinstance(below, SearchScreen) and below.run_cache is run_cache:
        app.screen.dismiss()
        below.action_words()
    else:
        app.push_screen(SearchScreen(session, run_cache, ids))


class HitList(Listing):
    """Hits, each with its place and the words around it."""

    def __init__(self) -> None:
        super().__init__()
        self.hits = Hits("")
        self.names: Mapping[str, str] = {}
        """Persona key -> name."""

    def tall(self) -> int:
        return 2

    def count(self) -> int:
        return len(self.hits.rows)

    def row(self, index: int) -> Hit:
        return self.hits.rows[index]

    def begin(self, hits: Hits) -> None:
        self.hits = hits
        self.cursor = 0
        self.measure()

    def draw(self, row: Hit, width: int) -> list[Text]:
        number = last_part(row.dialogue_id)
        where = tr("{dialogue}, turn {turn}", dialogue=number, turn=row.position)
        first = next((start for start, _ in places(row.text, self.hits.words)), 0)
        start = whole(row.text, first - AROUND)
        start = max(start, row.text.find(" ", start, first) + 1) if start else 0
        excerpt = " ".join((("… " if start else "") + row.text[start : whole(row.text, start + 400)]).split())
        lines = lay_out(excerpt, width - 2, self.hits.marks(excerpt))
        name = self.names.get(row.speaker, row.speaker.capitalize())
        speaker = fitted(name, width - cell_len(where) - 1, self.ink("strong"))
        return [Text.assemble(speaker, " ", (where, self.ink("quiet"))), lines[0] if lines else Text()]


class SearchScreen(Screen[None]):
    """A field for words, and a list of hits; enter opens one on stage."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "words", "other words", key_display="/"),
        Binding("q,escape", "back", "back", key_display="q"),
    ]
    DEFAULT_CSS = """
    SearchScreen Input {
        margin: 0 1 1 1;
        border: none;
        height: 1;
        padding: 0 1;
        background: $surface;
        &:focus { background: $panel; border: none; }
    }
    """

    def __init__(self, session: Session, run_cache: RunCache, ids: Sequence[str] = ()) -> None:
        super().__init__()
        self.session, self.run_cache, self.ids = session, run_cache, ids
        self._stop = Event()

    def compose(self) -> ComposeResult:
        yield Heading(tr("Search"), id="heading")
        yield Input(placeholder=tr('words that were said; "in quotes" together'), select_on_focus=False)
        yield HitList()
        yield Keys()

    def on_mount(self) -> None:
        self.query_one(Heading).tell(place=clip(self.run_cache.run_id, 60), detail=tr("in all dialogues of the run"))

    def on_unmount(self) -> None:
        self._stop.set()

    # --- searching --------------------------------------------------------------------------------------

    def on_input_changed(self, event: Input.Changed) -> None:
        self._stop.set()
        self._stop = Event()
        self.query_one(HitList).begin(Hits(event.value))
        self._tell("")
        if len(event.value.strip()) > 1:
            self.run_worker(self._search(event.value, self._stop), group="search", exclusive=True)

    async def _search(self, words: str, stop: Event) -> None:
        listing = self.query_one(HitList)
        hits = listing.hits
        self._tell(tr("searching"))

        def show(batch: list[Hit]) -> None:
            if not stop.is_set():
                hits.rows += batch
                listing.measure()
                self._tell(tr("searching"))

        def search() -> None:
            listing.names = self.run_cache.names
            batch: list[Hit] = []
            for count, hit in enumerate(self.run_cache.lists.search(words, stop.is_set), start=1):
                batch.append(hit)
                if len(batch) == (BATCH if count > BATCH else 1) or count == MOST:
                    self.app.call_from_thread(show, batch)
                    batch = []
                if count == MOST or stop.is_set():
                    return
            if batch:
                self.app.call_from_thread(show, batch)

        await self.session.ask(search)
        if not stop.is_set():
            self._tell("")

    def _tell(self, state: str) -> None:
        hits = self.query_one(HitList).hits
        count = counted(len(hits.rows), "hit")
        if len(hits.rows) >= MOST:
            count += tr(", and more: another word makes them fewer")
        words = hits.words.strip()
        detail = count + (f", {state} …" if state else "") if len(words) > 1 else tr("in all dialogues of the run")
        self.query_one(Heading).tell(place=clip(self.run_cache.run_id, 60), detail=detail)

    # --- keys -------------------------------------------------------------------------------------------

    def on_input_submitted(self) -> None:
        self.query_one(HitList).focus()

    def action_words(self) -> None:
        self.query_one(Input).focus()

    def action_back(self) -> None:
        self._stop.set()
        self.dismiss()

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        from culturepark.replay.stage import StageScreen

        hits = self.query_one(HitList).hits
        hits.index = event.index
        stage = StageScreen(self.session, self.run_cache, hits.present.dialogue_id, self.ids, hits=hits)
        self.app.push_screen(stage, self._returned)

    def _returned(self, _: str | None) -> None:
        """Put the cursor on the hit that was shown last."""
        listing = self.query_one(HitList)
        listing.cursor = listing.hits.index
