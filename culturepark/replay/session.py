"""The app's access to the store: it reads and writes in threads, and caches the dialogues that were read last."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from textual.screen import Screen

from culturepark.errors import CultureparkError, StoreError, UsageError
from culturepark.ids import dialogue_of, kind_of, run_of
from culturepark.interface import tr
from culturepark.store.first_look import RunLine

# The store takes half a second to import; that is done in threads while the app paints.
if TYPE_CHECKING:
    from culturepark.models.trust import Trust
    from culturepark.store.dialogue_view import Scene, Scenes
    from culturepark.store.reviews import Reviews
    from culturepark.store.search import Lists
    from culturepark.store.store import Store
    from culturepark.store.tables import ReviewRow, RunRow

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

JUDGEMENT_FIELDS = ("decision", "rating", "wording", "note")
CACHED_SCENES = 5
"""The present dialogue, its neighbours, and the one before."""


class Session:
    """A store and its reviewer, for as long as the app runs. The store is opened when it is first needed."""

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
        """Another process writes to the run; the app only reads."""
        self.on_trouble: Callable[[Exception], object] = print
        self._opened = store
        self._opening = Lock()
        self._writer = ThreadPoolExecutor(1)
        self._unacknowledged: list[Future[Any]] = []
        """Writes whose result the user has not seen."""
        self._review_ids: list[str] = []
        """Ids of the reviews made in this session, oldest first."""
        self._run_caches: dict[str, RunCache] = {}

    @cached_property
    def trust(self) -> Trust:
        """The models that branches may ask.

        Raises:
            UsageError: if one of `--endpoint` is wrong.
        """
        from culturepark.models.trust import Trust

        return Trust((), self._endpoints)

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of the store in a thread. Only for workers: an error of the store ends worker and app.

        Raises:
            UsageError: if the question was wrong, such as one about a deleted dialogue.
        """
        try:
            return await asyncio.to_thread(question, *args, **kwargs)
        except UsageError:
            raise
        except Exception as error:
            self.on_trouble(error)
            raise asyncio.CancelledError from error

    # --- called in threads -------------------------------------------------------------------------

    @property
    def store(self) -> Store:
        with self._opening:
            if self._opened is None:
                from culturepark.store.store import Store

                self._opened = Store(self.url, must_exist=True)
            return self._opened

    def runs(self) -> list[RunLine]:
        from culturepark.store import runs

        names = (
            "run",
            "scenario",
            "status",
            "stop_reason",
            "created_at",
            "dialogues",
            "dialogues_done",
            "samples_kept",
        )
        talks = [run for run in runs.runs(self.store) if run["suite"] is None]
        return [RunLine(*(run[name] for name in names)) for run in talks]

    def run_cache(self, run_id: str) -> RunCache:
        """Return the reader of a run's dialogues, the same one each time.

        Raises:
            UsageError: if there is no such run.
        """
        if run_id not in self._run_caches:
            self._run_caches[run_id] = RunCache(self.store, run_id)
        return self._run_caches[run_id]

    def locate(self, target: str) -> tuple[str, str | None]:
        """Return the id of the run of an id, and the id itself unless it is the run's."""
        from culturepark.store import runs
        from culturepark.store.evaluations import refuse_evaluation

        refuse_evaluation(self.store, target)
        if kind_of(target) is None:
            return self.store.run(target).id, None
        target = self.store.full_id(target)
        return runs.dialogues_of(self.store, target)[0].run_id, target

    def next_to_review(self, run_id: str, subject: str) -> str | None:
        """Return the id of the next statement that this reviewer has not judged; None where no other one waits."""
        from culturepark.store.review_queue import next_to_review

        waiting = next_to_review(self.store, self.store.run(run_id), self.reviewer, subject)
        return waiting.id if waiting else None

    def comparison_of(self, scene: Scene) -> tuple[Scene, Scene] | str:
        """Return a dialogue with its parent, else with its newest branch; or a message if it has neither."""
        dialogue = scene.dialogue
        if dialogue.parent_id:
            try:
                return self._scene(dialogue.parent_id), scene
            except UsageError as error:  # stores are thinned out run by run
                return tr("its parent is gone: {error}", error=error)
        if branches := self.run_cache(dialogue.run_id).lists.branches(dialogue.id):
            return scene, self._scene(branches[-1].id)
        return tr("no parent and no branch to compare it with; b makes a branch")

    def _scene(self, dialogue_id: str) -> Scene:
        run_id, _ = self.locate(dialogue_id)
        return self.run_cache(run_id).scene(dialogue_id)

    # --- reviews: written one after the other, to the end even if the app is closed meanwhile ----------

    def judge(self, subject_id: str, *, whole: bool = False, **judgement: Any) -> Future[tuple[ReviewRow, bool]]:
        """Store a review; the result is its row, and whether it differs from this reviewer's last one.

        Args:
            whole: fields that are not given are empty; otherwise they stay as in this reviewer's last review.
        """

        def write() -> tuple[ReviewRow, bool]:
            reviews = self._reviews
            before = reviews.standing(subject_id)
            old = {name: getattr(before, name) for name in JUDGEMENT_FIELDS} if before else {}
            new: dict[str, Any] = dict.fromkeys(JUDGEMENT_FIELDS) | {"decision": "comment"}
            new |= judgement if whole else old | judgement
            if before and new == old:
                return before, False
            row = reviews.add(subject_id, **new)
            self._review_ids.append(row.id)
            self._forget(subject_id)
            return row, True

        return self.enqueue(write)

    def undo(self, dialogue_id: str) -> Future[ReviewRow | None]:
        """Take back the newest review of this session, or if there is none, this reviewer's newest on the dialogue."""

        def write() -> ReviewRow | None:
            row = None
            while self._review_ids and row is None:
                row = self._reviews.undo(self._review_ids[-1])
                self._review_ids.pop()
            row = row or self._reviews.undo(f"{dialogue_id}.")
            if row:
                self._forget(row.subject_id)
            return row

        return self.enqueue(write)

    def standing(self, subject_id: str) -> Future[ReviewRow | None]:
        """Read this reviewer's review of a subject, after all earlier writes."""
        return self.enqueue(lambda: self._reviews.standing(subject_id))

    async def result_of(self, write: Future[T]) -> T:
        """Wait for a write, which goes on if the waiting is cancelled."""
        return await asyncio.shield(asyncio.wrap_future(write))

    def acknowledge(self, write: Future[Any]) -> None:
        """Mark a write as reported to the user, so that `finish` does not raise its error a second time."""
        self._unacknowledged.remove(write)

    def finish(self) -> None:
        """Wait for all writes.

        Raises:
            StoreError: if one failed and the user has not seen the error.
        """
        self._writer.shutdown()
        for error in (write.exception() for write in self._unacknowledged):
            if isinstance(error, CultureparkError):
                raise StoreError(f"not stored: {error}") from error
            if error:
                raise error

    @property
    def _reviews(self) -> Reviews:
        from culturepark.store.reviews import Reviews

        return Reviews(self.store, self.reviewer)

    def _forget(self, subject_id: str) -> None:
        run_id = run_of(subject_id)
        if run_id in self._run_caches:
            self._run_caches[run_id].forget(dialogue_of(subject_id))

    def enqueue(self, write: Callable[[], T]) -> Future[T]:
        """Write in the thread of all writes, after those before."""
        future = self._writer.submit(write)
        self._unacknowledged.append(future)
        return future


class RunCache:
    """Reads the dialogues of a run, and caches the last few. Every method may be called in any thread."""

    def __init__(self, store: Store, run_id: str) -> None:
        from culturepark.store.dialogue_view import Scenes
        from culturepark.store.search import Lists

        self.lists: Lists = Lists(store, run_id)
        self.scenes: Scenes = Scenes(store, run_id)
        self.run_id = self.scenes.run.id
        self._cached: OrderedDict[str, tuple[int, Scene]] = OrderedDict()
        """Dialogue id -> number of the read, and its result."""
        self._reads = 0
        self._stale: dict[str | None, int] = {}
        """Dialogue id, or None for all -> number up to which reads may be out of date."""
        self._lock = Lock()

    @cached_property
    def names(self) -> dict[str, str]:
        """Persona key -> name, for all personas of the run and the user."""
        return {persona.key: persona.name for persona in self.scenes.edition.personas} | {"user": "You"}

    def scene(self, dialogue_id: str) -> Scene:
        return self.cached(dialogue_id) or self.reload(dialogue_id)

    def cached(self, dialogue_id: str) -> Scene | None:
        """Return a dialogue without reading; None if it is not in memory."""
        with self._lock:
            if dialogue_id not in self._cached:
                return None
            self._cached.move_to_end(dialogue_id)
            return self._cached[dialogue_id][1]

    def reload(self, dialogue_id: str) -> Scene:
        """Read a dialogue from the store. It is cached only if it is finished: others go on changing."""
        with self._lock:
            self._reads += 1
            number = self._reads
        scene = self.scenes.scene(dialogue_id)
        with self._lock:
            later, newer = self._cached.get(dialogue_id, (0, scene))
            if later > number:  # another thread began later and was quicker
                return newer
            if scene.finished and number > max(self._stale.get(name, 0) for name in (dialogue_id, None)):
                self._cached[dialogue_id] = (number, scene)
                self._cached.move_to_end(dialogue_id)
                while len(self._cached) > CACHED_SCENES:
                    self._cached.popitem(last=False)
        return scene

    def forget(self, dialogue_id: str | None = None) -> None:
        """Drop what was read of a dialogue, or of all, because something was written."""
        with self._lock:
            self._stale[dialogue_id] = self._reads
            for name in [dialogue_id] if dialogue_id else list(self._cached):
                self._cached.pop(name, None)

    def reload_run(self) -> RunRow:
        """Read the run from the store. If it has changed, the cache is emptied."""
        before = self.scenes.run
        self.scenes.look_again()
        self.lists.run = self.scenes.run
        if self.scenes.run != before:
            self.forget()
        return self.scenes.run

    def prefetch(self, dialogue_ids: Sequence[str]) -> None:
        """Read dialogues that may be opened next. Errors are reported when they are opened."""
        for name in dialogue_ids:
            with suppress(CultureparkError):
                self.scene(name)


class StoreScreen(Screen[R]):
    """A screen that calls the store in workers. They end silently if the screen is left before the answer comes."""

    session: Session

    async def update(self) -> None:
        """Show what another process has written since; called by `poll`."""

    def poll(self) -> None:
        """Update the screen while it is shown, one update at a time."""
        if self.is_current and not any(worker.group == "poll" and worker.is_running for worker in self.workers):
            self.run_worker(self.update(), group="poll")

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function of the store in a thread. A wrong question is reported, and ends the worker."""
        try:
            return await self.unless_left(self.session.ask(question, *args, **kwargs))
        except UsageError as error:
            self.report(error)
            raise asyncio.CancelledError from error

    async def unless_left(self, awaited: Awaitable[T]) -> T:
        """Wait for a result; the worker ends if the screen was left meanwhile."""
        try:
            return await awaited
        finally:
            # A screen that is being removed is still on the stack, but has no children.
            if not (self.is_attached and self.children and self in self.app.screen_stack):
                raise asyncio.CancelledError

    def report(self, error: UsageError) -> None:
        """Report a wrong question; unless a screen overrides this, it ends the app."""
        self.session.on_trouble(error)
