"""A talk between a persona and a user. As in `loop`, the transcript is its only state.

Each turn is kept before anything else is asked for, so a talk can be broken off at any point. Taken up again, it first
answers the last typed line if that has no answer yet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from culturepark.dialogue.agents import Agent, LedgerClient, seat
from culturepark.dialogue.loop import SPEECH_ATTEMPTS, Refused, speak, turn_in
from culturepark.dialogue.protocol import FAREWELL, Slot, talk_slot
from culturepark.domain import Casting, Scenario, Turn, storable
from culturepark.models.chat import ChatModel
from culturepark.models.ledger import Ledger


@dataclass
class Talk:
    """One talk, from whatever has been said."""

    casting: Casting
    scenario: Scenario
    dialogue_id: str
    turns: list[Turn]
    run_seed: int
    ledger: Ledger
    keep: Callable[[Turn], None]
    """Commits a turn."""
    refused: dict[int, int] = field(default_factory=dict)
    """Number of refused attempts, by slot."""

    @property
    def moderated(self) -> bool:
        return self.scenario.setting == "moderated"

    @property
    def closing(self) -> bool:
        """The user has ended the talk; some goodbyes may still be missing."""
        return bool(self.turns) and self.turns[-1].phase == "closing"

    @property
    def answered(self) -> bool:
        """It is the user's turn."""
        return self.next_slot.act == "typed"

    @property
    def next_slot(self) -> Slot:
        """The slot after the last one that was filled; earlier empty slots stay empty."""
        return talk_slot((self.turns[-1].slot if self.turns else 0) + 1, moderated=self.moderated)

    def typed(self, text: str) -> Turn:
        """Keep the user's line as the next turn. Slots of others before it stay empty.

        Args:
            text: not blank.
        """
        number = self.next_slot.number
        while (slot := talk_slot(number, moderated=self.moderated)).act != "typed":
            number += 1
        return self._keep(turn_in(slot, len(self.turns) + 1, self.casting, storable(text.strip()), "typed"))

    async def replies(self, speaker: ChatModel, moderator: ChatModel) -> AsyncIterator[Turn | Refused]:
        """Yield turns until it is the user's. After a refused one the user may ask again or go on.

        Raises:
            CultureparkError: as the ledger does.
        """
        while (slot := self.next_slot).act != "typed":
            turn = await self._speak(slot, speaker, moderator)
            yield turn
            if isinstance(turn, Refused):
                return

    async def farewell(self, speaker: ChatModel, moderator: ChatModel) -> AsyncIterator[Turn]:
        """Yield the goodbyes of a moderated talk; one that is refused is left out."""
        if not self.moderated:
            return
        done = sum(turn.phase == "closing" for turn in self.turns)
        last = self.turns[-1].slot if self.turns else 0
        for number, act in enumerate(FAREWELL[done:], start=last + 1):
            turn = await self._speak(Slot(number, "closing", act, 0), speaker, moderator)
            if isinstance(turn, Turn):
                yield turn

    async def _speak(self, slot: Slot, speaker: ChatModel, moderator: ChatModel) -> Turn | Refused:
        chair, (persona,) = seat(
            self.casting, self.scenario, LedgerClient(self.ledger, speaker), LedgerClient(self.ledger, moderator)
        )
        agent: Agent = persona if slot.act == "speech" else chair
        before = self.refused.get(slot.number, 0)
        turn = await speak(agent, slot, self.dialogue_id, self.turns, self.run_seed, self.ledger, before)
        if isinstance(turn, Refused):
            self.refused[slot.number] = before + SPEECH_ATTEMPTS
            return turn
        return self._keep(turn)

    def _keep(self, turn: Turn) -> Turn:
        self.keep(turn)
        self.turns.append(turn)
        return turn
