"""Hands rows to reviewers, one at a time, and stores what they say of them. Any thread may call it."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from threading import RLock

from culturepark.domain import Decision, Review
from culturepark.errors import UsageError
from culturepark.ids import run_of, turn_of
from culturepark.interface import tr
from culturepark.review.row import RowView, row_view
from culturepark.store.dialogue_view import Scenes
from culturepark.store.draws import Member, Over, members
from culturepark.store.review_queue import queue_over
from culturepark.store.reviewer import named
from culturepark.store.reviews import Reviews
from culturepark.store.standing import found_wrong, standing_reviews
from culturepark.store.store import Store

OVERLAP = 20
"""Rows, from the first on, that everybody judges, so that agreement can be measured."""
CLAIM_SECONDS = 900.0
"""Time after which a row that somebody looks at is handed to others too: people close a page and go."""


@dataclass(frozen=True)
class Progress:
    """Where a sitting stands, for one reviewer."""

    rows: int
    judged: int
    """By anybody."""
    mine: int
    no: int
    """Of mine, those that I rejected."""
    skipped: int
    """By me, and still unjudged by me."""

    def line(self, reviewer: str) -> str:
        return tr(
            "{judged} of {rows} · {reviewer} · {no} no",
            judged=self.judged,
            rows=self.rows,
            reviewer=reviewer,
            no=self.no,
        )


class Desk:
    """The rows of one sitting."""

    def __init__(
        self,
        store: Store,
        rows: Sequence[Member],
        *,
        overlap: int = OVERLAP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            rows: in the order in which they are handed out.
            overlap: of the first so many, each is handed to everybody; of the others, each to one person.
        """
        self.store = store
        self.rows = {row.id: row for row in rows}
        self.overlap = overlap
        self._number = {name: number for number, name in enumerate(self.rows)}
        self._clock = clock
        self._lock = RLock()
        self._scenes: dict[str, Scenes] = {}
        self._by: dict[str, dict[str, Review]] = {}
        """Row -> reviewer -> the standing review of the row itself."""
        self._judged: set[str] = set()
        """Rows that somebody has judged, or whose statement was rejected."""
        self._gone: set[str] = set()
        """Rows that cannot be shown any more: the run was distilled again, or deleted."""
        self._at: dict[str, tuple[str, float]] = {}
        """Reviewer -> the row in front of them, and when they last did something."""
        self._skipped: dict[str, list[str]] = defaultdict(list)
        self._passed: dict[str, list[str]] = defaultdict(list)
        """The rows that a reviewer has skipped since the last judgement."""
        self._read(self.rows)

    @property
    def languages(self) -> list[str]:
        return sorted({row.language for row in self.rows.values()})

    @property
    def judged(self) -> int:
        """Number of rows that somebody has judged."""
        return len(self._judged)

    def counted(self, language: str, reviewer: str = "") -> tuple[int, int, int]:
        """Return how many rows are in a language, how many of them somebody has judged, and how many a reviewer."""
        with self._lock:
            there = [name for name, row in self.rows.items() if row.language == language]
            return (
                len(there),
                sum(name in self._judged for name in there),
                sum(reviewer in self._by.get(name, {}) for name in there),
            )

    def here(self, reviewer: str, languages: Collection[str] = ()) -> RowView | None:
        """Return the row in front of a reviewer, or the next one; None where nothing is left for them.

        Args:
            languages: codes of those that the reviewer reads; none for all.
        """
        reviewer = named(reviewer)
        with self._lock:
            while True:
                name = self._at.get(reviewer, ("", 0.0))[0]
                if not self._fits(name, reviewer, languages):
                    name = next((one for one in self.rows if self._fits(one, reviewer, languages)), "")
                if not name:
                    self._at.pop(reviewer, None)
                    return None
                self._at[reviewer] = name, self._clock()
                try:
                    return self._view(name)
                except UsageError:
                    self._gone.add(name)

    def judge(
        self, reviewer: str, name: str, decision: Decision, *, wording: str | None = None, note: str | None = None
    ) -> None:
        """Store a judgement at once.

        Raises:
            UsageError: if it is not well formed, or the row is none of this sitting.
        """
        reviewer = named(reviewer)
        self._known(name)
        with self._lock:
            Reviews(self.store, reviewer).add(name, decision, wording=wording, note=note)
            self._leave(reviewer, name)
            self._passed[reviewer].clear()
            self._read([name])

    def skip(self, reviewer: str, name: str) -> None:
        """Pass a row over. Others may judge it, and it comes no more to this reviewer in this sitting."""
        reviewer = named(reviewer)
        self._known(name)
        with self._lock:
            self._leave(reviewer, name)
            self._skipped[reviewer].append(name)
            self._passed[reviewer].append(name)

    def unskip(self, reviewer: str) -> None:
        """Hand out again what a reviewer has skipped."""
        with self._lock:
            self._skipped[named(reviewer)].clear()
            self._passed[named(reviewer)].clear()

    def undo(self, reviewer: str) -> str | None:
        """Take back a reviewer's last skip or newest judgement, and put that row in front of them.

        Returns:
            The id of the row; None if there is nothing to take back.
        """
        reviewer = named(reviewer)
        with self._lock:
            if self._passed[reviewer]:
                name = self._passed[reviewer].pop()
                self._skipped[reviewer].remove(name)
            else:
                mine = [(given[reviewer], one) for one, given in self._by.items() if reviewer in given]
                if not mine:
                    return None
                review, name = max(mine, key=lambda pair: (pair[0].created_at, pair[0].id))
                Reviews(self.store, reviewer).undo(review.id)
                self._read([name])
            self._at[reviewer] = name, self._clock()
            return name

    def progress(self, reviewer: str, languages: Collection[str] = ()) -> Progress:
        """Return where a sitting stands.

        Args:
            languages: codes of those that the reviewer reads, whose rows alone are counted; none for all.
        """
        reviewer = named(reviewer)
        with self._lock:
            there = {name for name, row in self.rows.items() if not languages or row.language in languages}
            mine = [self._by[name][reviewer] for name in there if reviewer in self._by[name]]
            return Progress(
                rows=len(there),
                judged=len(there & self._judged),
                mine=len(mine),
                no=sum(review.decision == "reject" for review in mine),
                skipped=len(there.intersection(self._skipped[reviewer])),
            )

    def settle(self) -> None:
        """Wait until what is being stored is stored."""
        with self._lock:
            pass

    def _fits(self, name: str, reviewer: str, languages: Collection[str]) -> bool:
        row = self.rows.get(name)
        if row is None or name in self._gone or name in self._skipped[reviewer] or reviewer in self._by[name]:
            return False
        if languages and row.language not in languages:
            return False
        if self._number[name] < self.overlap and (self._by[name] or name not in self._judged):
            return True
        since = self._clock() - CLAIM_SECONDS
        claimed = any(at == name and moment > since for who, (at, moment) in self._at.items() if who != reviewer)
        return name not in self._judged and not claimed

    def _view(self, name: str) -> RowView:
        run_id = run_of(name)
        if run_id not in self._scenes:
            self._scenes[run_id] = Scenes(self.store, run_id)
        return row_view(self._scenes[run_id], name)

    def _known(self, name: str) -> None:
        if name not in self.rows:
            raise UsageError(f"{name[:120]!r} is none of the rows that are judged here")

    def _leave(self, reviewer: str, name: str) -> None:
        if self._at.get(reviewer, ("",))[0] == name:
            del self._at[reviewer]
        if name in self._skipped[reviewer]:
            self._skipped[reviewer].remove(name)

    def _read(self, names: Iterable[str]) -> None:
        """Read what the store has of some rows, and of all others of their turns; a judgement can be about words that
        several statements share."""
        turns = {turn_of(name) for name in names}
        below = {run_of(turn) for turn in turns} if len(turns) > 1 else turns
        with self.store.database.reading() as session:
            reviews = {name: given for place in below for name, given in standing_reviews(session, place).items()}
        for name in (one for one in self.rows if turn_of(one) in turns):
            given = (review for review in reviews.get(name, ()) if review.decision != "comment" or review.wording)
            self._by[name] = {review.reviewer: review for review in given}
            self._judged -= {name}
            if found_wrong(reviews, name) is not None:
                self._judged.add(name)


def queued(store: Store, over: Over, reviewer: str) -> list[Member]:
    """Return the kept rows of statements that a reviewer has not judged, in the order of the queue."""
    with store.database.reading() as look:
        kept = {member.id: member for member in members(look, over) if member.kept}
    return [kept[name] for one in queue_over(store, over, reviewer) for name in one.samples if name in kept]
