"""The first screen: the runs of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from culturepark.glossary import counted, signed_status
from culturepark.interface import tr
from culturepark.replay.session import Session, StoreScreen
from culturepark.replay.widgets.frame import Heading, Keys
from culturepark.replay.widgets.lists import Listing, fitted
from culturepark.store.first_look import RunLine


class RunList(Listing):
    def tall(self) -> int:
        return 1 if self.size.width >= 90 else 2

    def draw(self, row: RunLine, width: int) -> list[Text]:
        sign, ink = signed_status(row.status)
        state = f"{sign}: {row.stop_reason}" if row.stop_reason and row.status != "done" else sign
        made = row.created_at[:16].replace("T", " ")
        talks = "" if row.dialogues is None else counted(row.dialogues, "dialogue")
        if row.dialogues is not None and row.done != row.dialogues:
            talks = tr("{count} of {dialogues}", count=f"{row.done:,}", dialogues=talks)
        kept = "" if row.kept is None else counted(row.kept, "sample")
        quiet = self.ink("quiet")
        if self.tall() == 1:
            left = width - 18 - 22 - 16 - 18
            return [
                Text.assemble(
                    fitted(row.id, left - 1, self.ink("strong")),
                    " ",
                    fitted(state, 18, self.ink(ink)),
                    fitted(talks, 22, right=True),
                    fitted(kept, 16, right=True),
                    fitted(made, 18, quiet, right=True),
                )
            ]
        state_width = min(24, width // 3)
        return [
            Text.assemble(
                fitted(row.id, width - state_width - 1, self.ink("strong")),
                " ",
                fitted(state, state_width, self.ink(ink), right=True),
            ),
            fitted(" · ".join(part for part in (made, talks, kept) if part), width, quiet),
        ]


class RunsScreen(StoreScreen[None]):
    """Runs, newest first; enter opens one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape", "app.quit", "quit", key_display="q"),
    ]

    def __init__(self, session: Session, runs: Sequence[RunLine] = ()) -> None:
        """
        Args:
            runs: first rows, shown before the store is open.
        """
        super().__init__()
        self.session = session
        self.runs = list(runs)

    def compose(self) -> ComposeResult:
        yield Heading(tr("Runs"))
        yield RunList()
        yield Keys()

    def on_mount(self) -> None:
        if self.runs:
            self._show()

    def on_screen_resume(self) -> None:
        """Read the runs at the beginning, and on return from a run, which may have a new branch."""
        self.call_after_refresh(lambda: self.run_worker(self._load(), group="runs", exclusive=True))

    async def _load(self) -> None:
        self.runs = await self.ask(self.session.runs)
        self._show()

    def _show(self) -> None:
        by_id = {run.id: run for run in self.runs}

        async def rows(ids: Sequence[str]) -> list[RunLine]:
            return [by_id[name] for name in ids]

        self.query_one(RunList).show(list(by_id), rows)
        detail = tr("Conversations between simulated people; no evidence of what real people think.")
        self.query_one(Heading).tell(place=counted(len(by_id), "run"), detail=detail)

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        from culturepark.replay.dialogues import DialoguesScreen

        if self.is_active:
            self.app.push_screen(DialoguesScreen(self.session, event.listing.ids[event.index]))
