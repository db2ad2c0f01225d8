"""The app's one way to the store: all it asks is asked in threads, a few scenes are held, and trouble ends it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from culturepark.errors import CultureparkError, StoreError, UsageError
from culturepark.ids import dialogue_of, run_of
from culturepark.store.first_look import RunLine

# The store takes half a second to import, and is only looked for in threads, while the app paints.
if TYPE_CHECKING:
    from culturepark.models.trust import Trust
    from culturepark.store.dialogue_view import Scene, Scenes
    from culturepark.store.reviews import Reviews
    from culturepark.store.search import Lists
    from culturepark.store.store import Store
    from culturepark.store.tables import ReviewRow, RunRow

P = ParamSpec("P")
T = TypeVar("T")

PARTS = ("decision", "rating", "wording", "note")
"""Of a judgement."""
HELD = 5
"""Scenes in memory: the one on stage, its neighbours, and where one came from."""


class Library:
    """A store, opened when it is first asked for something."""

    def __init__(
        self,
        url: str,
        reviewer: str = "",
        *,
        follow: bool = False,
        store: Store | None = None,
        endpoints: Sequence[str] = (),
    ) -> None:
        """
        Args:
            endpoints: hosts and base URLs of `--endpoint`.
        """
        self.url = url
        self._endpoints = endpoints
        self.reviewer = reviewer
        self.follow = follow
        """Somebody else is writing; here one only reads."""
        self.on_trouble: Callable[[Exception], object] = print
        self._opened = store
        self._opening = Lock()
        self._writer = ThreadPoolExecutor(1)
        self._untold: list[Future[Any]] = []
        """Writes of which nobody has been told yet how they ended."""
        self._made: list[str] = []
        """Ids of this session's reviews, oldest first."""
        self._shelves: dict[str, Shelf] = {}

    @cached_property
    def trust(self) -> Trust:
        """Which models branches may ask.

        Raises:
            UsageError: if one of `--endpoint` is wrong.
        """
        from culturepark.models.trust import Trust

        return Trust((), self._endpoints)

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a question to the store comes to, off the event loop. Only for workers: on trouble they end.

        Raises:
            UsageError: if the question was wrong, as of a dialogue that is gone.
        """
        try:
            return await asyncio.to_thread(question, *args, **kwargs)
        except UsageError:
            raise
        except Exception as error:
            self.on_trouble(error)
            raise asyncio.CancelledError from error

    # --- asked in threads --------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        with self._opening:
            if self._opened is None:
                from culturepark.store.store import Store

                self._opened = Store(self.url, must_exist=True)
            return self._opened

    def runs(self) -> list[RunLine]:
        from culturepark.store import runs

        return [
            RunLine(
                told["run"],
                told["scenario"],
                told["status"],
                told["stop_reason"],
                told["created_at"],
                told["dialogues"],
                told["dialogues_done"],
                told["samples_kept"],
            )
            for told in runs.runs(self.store)
        ]

    def shelf(self, run_id: str) -> Shelf:
        """One run's dialogues.

        Raises:
            UsageError: if there is no such run.
        """
        if run_id not in self._shelves:
            self._shelves[run_id] = Shelf(self.store, run_id)
        return self._shelves[run_id]

    def find(self, target: str) -> tuple[str, str | None]:
        """The run that an id leads to; and the id, if it is that of a dialogue or of something in one."""
        from culturepark.store import runs

        if target == "last" or self.store.find_run(target):
            return self.store.run(target).id, None
        return runs.dialogue(self.store, target)[0].run_id, target

    def beside(self, scene: Scene) -> tuple[Scene, Scene] | str:
        """A dialogue and its parent, or its newest branch; or why there is neither."""
        dialogue = scene.dialogue
        if dialogue.parent_id:
            try:
                return self._scene(dialogue.parent_id), scene
            except UsageError as error:  # stores are thinned out run by run
                return f"its parent is gone: {error}"
        if branches := self.shelf(dialogue.run_id).lists.branches(dialogue.id):
            return scene, self._scene(branches[-1].id)
        return "no parent and no branch to compare it with; b makes a branch"

    def _scene(self, dialogue_id: str) -> Scene:
        run_id, _ = self.find(dialogue_id)
        return self.shelf(run_id).scene(dialogue_id)

    # --- judging: one after the other, and finished even if the app ends at once -----------------------

    def judge(self, subject_id: str, *, whole: bool = False, **judgement: Any) -> Future[tuple[ReviewRow, bool]]:
        """The judgement as it stands then, and whether it is another one than stood there.

        Args:
            whole: this is all there is to it; else what is not given stays as this reviewer had it.
        """

        def write() -> tuple[ReviewRow, bool]:
            reviews = self._reviews
            before = reviews.standing(subject_id)
            stands = {name: getattr(before, name) for name in PARTS} if before else {}
            wanted: dict[str, Any] = dict.fromkeys(PARTS) | {"decision": "comment"}
            wanted |= judgement if whole else stands | judgement
            if before and wanted == stands:
                return before, False
            row = reviews.add(subject_id, **wanted)
            self._made.append(row.id)
            self._let_go(subject_id)
            return row, True

        return self._in_turn(write)

    def undo(self, dialogue_id: str) -> Future[ReviewRow | None]:
        """Takes back the newest of this session; where there is none left, of this dialogue."""

        def write() -> ReviewRow | None:
            row = None
            while self._made and row is None:
                row = self._reviews.undo(self._made[-1])
                self._made.pop()
            row = row or self._reviews.undo(f"{dialogue_id}.")
            if row:
                self._let_go(row.subject_id)
            return row

        return self._in_turn(write)

    def standing(self, subject_id: str) -> Future[ReviewRow | None]:
        """This reviewer's judgement on a subject, once all is written that was to be."""
        return self._in_turn(lambda: self._reviews.standing(subject_id))

    async def done(self, write: Future[T]) -> T:
        """What came of it. Whoever stops waiting stops nothing but that."""
        return await asyncio.shield(asyncio.wrap_future(write))

    def told(self, write: Future[Any]) -> None:
        """Somebody knows how it ended."""
        self._untold.remove(write)

    def finish(self) -> None:
        """Waits for what is being written.

        Raises:
            StoreError: if something could not be, and nobody has been told.
        """
        self._writer.shutdown()
        for error in (write.exception() for write in self._untold):
            if isinstance(error, CultureparkError):
                raise StoreError(f"not stored: {error}") from error
            if error:
                raise error

    @property
    def _reviews(self) -> Reviews:
        from culturepark.store.reviews import Reviews

        return Reviews(self.store, self.reviewer)

    def _let_go(self, subject_id: str) -> None:
        """Its dialogue is another one by now."""
        if shelf := self._shelves.get(run_of(subject_id)):
            shelf.let_go(dialogue_of(subject_id))

    def _in_turn(self, write: Callable[[], T]) -> Future[T]:
        future = self._writer.submit(write)
        self._untold.append(future)
        return future


class Shelf:
    """One run of a library. Every method may be asked by any thread."""

    def __init__(self, store: Store, run_id: str) -> None:
        from culturepark.store.dialogue_view import Scenes
        from culturepark.store.search import Lists

        self.lists: Lists = Lists(store, run_id)
        self.scenes: Scenes = Scenes(store, run_id)
        self.run_id = self.scenes.run.id
        self._held: OrderedDict[str, tuple[int, Scene]] = OrderedDict()
        """With the number of the read it came of."""
        self._reads = 0
        self._stale: dict[str | None, int] = {}
        """By dialogue, and with None for all: reads up to this one may have seen what is no longer so."""
        self._lock = Lock()

    @cached_property
    def names(self) -> dict[str, str]:
        """Of all people of the run, by persona."""
        return {persona.key: persona.name for persona in self.scenes.edition.personas} | {"user": "You"}

    def scene(self, dialogue_id: str) -> Scene:
        """One dialogue, read only if it is not at hand."""
        return self.held(dialogue_id) or self.look_again(dialogue_id)

    def held(self, dialogue_id: str) -> Scene | None:
        """One that is at hand: nothing has to be waited for."""
        with self._lock:
            if dialogue_id not in self._held:
                return None
            self._held.move_to_end(dialogue_id)
            return self._held[dialogue_id][1]

    def look_again(self, dialogue_id: str) -> Scene:
        """A dialogue as it is by now. It is held if it is over: another one goes on."""
        with self._lock:
            self._reads += 1
            number = self._reads
        scene = self.scenes.scene(dialogue_id)
        with self._lock:
            later, newer = self._held.get(dialogue_id, (0, scene))
            if later > number:  # somebody began after this, and was quicker
                return newer
            if scene.finished and number > max(self._stale.get(name, 0) for name in (dialogue_id, None)):
                self._held[dialogue_id] = (number, scene)
                self._held.move_to_end(dialogue_id)
                while len(self._held) > HELD:
                    self._held.popitem(last=False)
        return scene

    def let_go(self, dialogue_id: str | None = None) -> None:
        """Something was written: what was read before of a dialogue, or of all, is not held any longer."""
        with self._lock:
            self._stale[dialogue_id] = self._reads
            for name in [dialogue_id] if dialogue_id else list(self._held):
                self._held.pop(name, None)

    def look_at_run(self) -> RunRow:
        """The run as it is by now. In another round, or another state, its dialogues have other things behind them."""
        before = self.scenes.run
        self.scenes.look_again()
        self.lists.run = self.scenes.run
        if self.scenes.run != before:
            self.let_go()
        return self.scenes.run

    def prefetch(self, dialogue_ids: Sequence[str]) -> None:
        """What may be wanted next; whatever is wrong with it is told when it is."""
        for name in dialogue_ids:
            with suppress(CultureparkError):
                self.scene(name)
