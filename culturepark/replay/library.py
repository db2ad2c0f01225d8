"""The app's one way to the store: all it asks is asked in threads, a few scenes are held, and trouble ends it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from culturepark.errors import UsageError
from culturepark.store.lines import RunLine

# The store takes half a second to import, and is only looked for in threads, while the app paints.
if TYPE_CHECKING:
    from culturepark.store.lists import Lists
    from culturepark.store.scenes import Scene, Scenes
    from culturepark.store.store import Store
    from culturepark.store.tables import CallRow, ReviewRow, RunRow

P = ParamSpec("P")
T = TypeVar("T")

HELD = 5
"""Scenes in memory: the one on stage, its neighbours, and where one came from."""


class Library:
    """A store, opened when it is first asked for something."""

    def __init__(self, url: str, reviewer: str = "", *, follow: bool = False, store: Store | None = None) -> None:
        self.url = url
        self.reviewer = reviewer
        self.follow = follow
        """Somebody else is writing; here one only reads."""
        self.on_trouble: Callable[[Exception], object] = print
        self._opened = store
        self._opening = Lock()
        self._writer: ThreadPoolExecutor | None = None
        self._shelves: dict[str, Shelf] = {}

    async def ask(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What a question to the store comes to, off the event loop. Only for workers: on trouble they end."""
        try:
            return await asyncio.to_thread(question, *args, **kwargs)
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
        from culturepark.store import queries

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
            for told in queries.runs(self.store)
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
        """The run that a run's or a dialogue's id names, and the dialogue if it is one."""
        from culturepark.store import queries

        if target == "last" or self.store.find_run(target):
            return self.store.run(target).id, None
        row = queries.dialogue(self.store, target)[0]
        return row.run_id, row.id

    def standing(self, subject_id: str) -> ReviewRow | None:
        """This reviewer's judgement on a subject."""
        from culturepark.store.reviews import Reviews

        return Reviews(self.store, self.reviewer).standing(subject_id)

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

    async def judge(self, subject_id: str, *, whole: bool = False, **judgement: Any) -> ReviewRow:
        """
        Args:
            whole: this is all there is to it; else what is not given stays as this reviewer had it.
        """

        def write() -> ReviewRow:
            from culturepark.store.reviews import Reviews

            reviews = Reviews(self.store, self.reviewer)
            if not whole and (before := reviews.standing(subject_id)):
                kept = ("decision", "rating", "wording", "note")
                return reviews.add(subject_id, **{name: getattr(before, name) for name in kept} | judgement)
            return reviews.add(subject_id, **{"decision": "comment"} | judgement)

        return await self._in_turn(write)

    async def undo(self) -> ReviewRow | None:
        def write() -> ReviewRow | None:
            from culturepark.store.reviews import Reviews

            return Reviews(self.store, self.reviewer).undo()

        return await self._in_turn(write)

    def finish(self) -> None:
        """Waits for what is being written."""
        if self._writer:
            self._writer.shutdown()

    def _in_turn(self, write: Callable[[], T]) -> Awaitable[T]:
        self._writer = self._writer or ThreadPoolExecutor(1)
        return asyncio.wrap_future(self._writer.submit(write))


class Shelf:
    """One run of a library. Every method may be asked by any thread."""

    def __init__(self, store: Store, run_id: str) -> None:
        from culturepark.store.lists import Lists
        from culturepark.store.scenes import Scenes

        self.lists: Lists = Lists(store, run_id)
        self.scenes: Scenes = Scenes(store, run_id)
        self.run_id = self.scenes.run.id
        self._held: OrderedDict[str, Scene] = OrderedDict()
        self._lock = Lock()

    @cached_property
    def names(self) -> dict[str, str]:
        """Of all people of the run, by persona."""
        return {persona.key: persona.name for persona in self.scenes.edition.personas} | {"user": "You"}

    def scene(self, dialogue_id: str) -> Scene:
        """One dialogue, read only if it is not at hand."""
        with self._lock:
            if found := self._held.get(dialogue_id):
                self._held.move_to_end(dialogue_id)
                return found
        return self.hold(self.scenes.scene(dialogue_id))

    def held(self, dialogue_id: str) -> Scene | None:
        """One that is at hand: nothing has to be waited for."""
        return self._held.get(dialogue_id)

    def hold(self, scene: Scene) -> Scene:
        with self._lock:
            self._held[scene.dialogue.id] = scene
            self._held.move_to_end(scene.dialogue.id)
            while len(self._held) > HELD:
                self._held.popitem(last=False)
        return scene

    def look_at_run(self) -> RunRow:
        """The run as it is by now."""
        self.scenes.look_again()
        self.lists.run = self.scenes.run
        return self.scenes.run

    def look_again(self, dialogue_id: str) -> Scene:
        """A dialogue as it is by now."""
        return self.hold(self.scenes.scene(dialogue_id))

    def calls(self, scene: Scene, subject_id: str) -> list[CallRow]:
        """The calls behind a turn; behind a statement or a sample, those that proposed and judged it."""
        for one in (one for spoken in scene.turns for one in spoken.statements):
            if subject_id == one.row.id or subject_id.startswith(f"{one.row.id}."):
                names = dict.fromkeys(name for name in (one.row.call_id, *(v.call_id for v in one.verdicts)) if name)
                return [row for name in names if (row := self.scenes.call(name))]
        return self.scenes.calls(subject_id)

    def prefetch(self, dialogue_ids: Sequence[str]) -> None:
        for name in dialogue_ids:
            self.scene(name)
