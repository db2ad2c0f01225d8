"""A talk between a persona and a user. As in `loop`, the transcript is its only state.

Each turn is kept before anything else is asked for, so a talk can be broken off at any point and taken up again from
what is stored: a line that was typed is answered then, if it has not been.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from culturepark.dialogue import phrasing
from culturepark.dialogue.agents import MODERATOR, USER, Agent, LedgerClient, seat
from culturepark.dialogue.guards import storable
from culturepark.dialogue.loop import SPEECH_ATTEMPTS, attempt
from culturepark.dialogue.protocol import FAREWELL, Slot, talk_slot
from culturepark.domain import Casting, Origin, Role, Scenario, Turn
from culturepark.models.chat import ChatModel
from culturepark.models.ledger import Ledger


@dataclass(frozen=True)
class Lost:
    """Every attempt of the persona to answer was refused; the user may ask again or go on."""

    reason: str


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
    """By slot, how many attempts have been refused."""

    @property
    def moderated(self) -> bool:
        return self.scenario.setting == "moderated"

    @property
    def closing(self) -> bool:
        """The user has ended it, and not all goodbyes may have been said."""
        return bool(self.turns) and self.turns[-1].phase == "closing"

    @property
    def answered(self) -> bool:
        """It is the user's turn."""
        return self.next_slot.act == "typed"

    @property
    def next_slot(self) -> Slot:
        """Where the talk goes on; a slot that somebody has spoken after is not come back to."""
        return talk_slot((self.turns[-1].slot if self.turns else 0) + 1, moderated=self.moderated)

    def typed(self, text: str) -> Turn:
        """The user's line as the next turn; what should have been said before it is let go.

        Args:
            text: not blank.
        """
        number = self.next_slot.number
        while (slot := talk_slot(number, moderated=self.moderated)).act != "typed":
            number += 1
        return self._said(slot, USER, storable(text.strip()), "typed", None)

    async def replies(self, speaker: ChatModel, moderator: ChatModel) -> AsyncIterator[Turn | Lost]:
        """What is said until it is the user's turn.

        Raises:
            CultureparkError: as the ledger does.
        """
        while (slot := self.next_slot).act != "typed":
            turn = await self._speak(slot, speaker, moderator)
            yield turn
            if isinstance(turn, Lost):
                return

    async def farewell(self, speaker: ChatModel, moderator: ChatModel) -> AsyncIterator[Turn]:
        """The end of a moderated talk; a last word that is refused is left out."""
        if not self.moderated:
            return
        done = sum(turn.phase == "closing" for turn in self.turns)
        last = self.turns[-1].slot if self.turns else 0
        for number, act in enumerate(FAREWELL[done:], start=last + 1):
            turn = await self._speak(Slot(number, "closing", act, 0), speaker, moderator)
            if isinstance(turn, Turn):
                yield turn

    async def _speak(self, slot: Slot, speaker: ChatModel, moderator: ChatModel) -> Turn | Lost:
        chair, (persona,) = seat(
            self.casting, self.scenario, LedgerClient(self.ledger, speaker), LedgerClient(self.ledger, moderator)
        )
        agent: Agent = persona if slot.act == "speech" else chair
        turn_id = f"{self.dialogue_id}.t{len(self.turns) + 1}"
        before = self.refused.get(slot.number, 0)
        text, reason, call_id = await attempt(
            agent, slot, turn_id, self.casting, self.scenario, self.turns, self.run_seed, self.ledger, before
        )
        origin: Origin = "model" if call_id else "cue"
        if text is None and slot.act == "follow-up":
            text, origin = phrasing.line("follow-up", slot, self.casting, self.scenario)[0], "fallback"
        if text is None:
            self.refused[slot.number] = before + SPEECH_ATTEMPTS
            return Lost(reason or "empty")
        key = self.casting.participants[0].persona.key
        return self._said(slot, key if slot.act == "speech" else MODERATOR, text, origin, call_id)

    def _said(self, slot: Slot, speaker: str, text: str, origin: Origin, call_id: str | None) -> Turn:
        roles: dict[str, Role] = {MODERATOR: "moderator", USER: "user"}
        turn = Turn(
            position=len(self.turns) + 1,
            slot=slot.number,
            speaker=speaker,
            role=roles.get(speaker) or self.casting.participants[0].persona.role,
            phase=slot.phase,
            text=text,
            origin=origin,
            call_id=call_id,
        )
        self.keep(turn)
        self.turns.append(turn)
        return turn
