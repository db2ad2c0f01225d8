"""The loop of one dialogue. The transcript is its only state: given the turns so far, it yields the ones to come.

Whoever iterates commits a turn before asking for the next, so a dialogue can be broken off at any point and taken up
again from what is stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from culturepark.dialogue import phrasing
from culturepark.dialogue.agents import MODERATOR, Agent, Ask, LedgerClient, seat, voice
from culturepark.dialogue.guards import Hearing, objection, objection_to_follow_up
from culturepark.dialogue.protocol import Slot, protocol_of, schedule
from culturepark.domain import Casting, Origin, Role, Scenario, Status, Turn
from culturepark.errors import PromptCut, TooLong
from culturepark.models.chat import ChatModel, digest
from culturepark.models.ledger import Ledger
from culturepark.terminal.safe import clip

SPEECH_ATTEMPTS = 3
FOLLOW_UP_ATTEMPTS = 2
LONGEST_REASON = 300
"""Characters of what a server said that are kept as the reason."""


@dataclass(frozen=True)
class Ending:
    """How a dialogue ended."""

    status: Status
    stop_reason: str


async def converse(
    casting: Casting,
    scenario: Scenario,
    dialogue_id: str,
    turns: Sequence[Turn],
    *,
    run_seed: int,
    speaker: ChatModel,
    moderator: ChatModel,
    ledger: Ledger,
) -> AsyncIterator[Turn | Ending]:
    """Yields each new turn, then one `Ending`.

    A turn that a guard turns down is asked again with another seed, at most twice; then its slot stays empty. When
    more than a quarter of the speeches are lost that way, and more than one, the dialogue ends with the reason.

    So does a talk that has outgrown the model's context: what was said is there, and nothing more can be.

    Raises:
        CultureparkError: as the ledger does; for a context that is too small only if nobody has spoken yet.
    """
    said = list(turns)
    people = casting.participants
    slots = schedule(scenario.protocol, len(people), scenario.max_turns)
    speeches = sum(slot.act == "speech" for slot in slots)
    chair, persons = seat(casting, scenario, LedgerClient(ledger, speaker), LedgerClient(ledger, moderator))
    done = said[-1].slot if said else 0
    spoken = {turn.slot for turn in said}
    lost = sum(slot.act == "speech" and slot.number <= done and slot.number not in spoken for slot in slots)
    for slot in slots[done:]:
        position = len(said) + 1
        agent: Agent = persons[slot.person] if slot.act == "speech" else chair
        try:
            text, reason, call_id = await attempt(
                agent, slot, f"{dialogue_id}.t{position}", casting, scenario, said, run_seed, ledger
            )
        except (TooLong, PromptCut) as error:
            if not any(turn.is_own for turn in said):
                raise
            yield Ending(Status.STOPPED, f"{error.kind}: {clip(str(error), LONGEST_REASON)}")
            return
        origin: Origin = "model" if call_id else "cue"
        if text is None and slot.act == "follow-up":
            text, origin = phrasing.line("follow-up", slot, casting, scenario)[0], "fallback"
        if text is None:
            lost += 1
            if lost > 1 + speeches // 4:
                yield Ending(Status.STOPPED, f"refused-turns: {reason}")
                return
            continue
        persona = people[slot.person].persona
        role: Role = persona.role if slot.act == "speech" else "moderator"
        turn = Turn(
            position=position,
            slot=slot.number,
            speaker=persona.key if slot.act == "speech" else MODERATOR,
            role=role,
            phase=slot.phase,
            text=text,
            origin=origin,
            call_id=call_id,
        )
        said.append(turn)
        yield turn
    yield Ending(Status.DONE, "completed")


async def attempt(
    agent: Agent,
    slot: Slot,
    turn_id: str,
    casting: Casting,
    scenario: Scenario,
    said: Sequence[Turn],
    run_seed: int,
    ledger: Ledger,
    before: int = 0,
) -> tuple[str | None, str | None, str | None]:
    """Text, reason of the last refusal, and call id. The text is None if every attempt was refused.

    Args:
        before: attempts at this slot that have been refused already; the same seed would get the same answer.
    """
    reason = None
    attempts = SPEECH_ATTEMPTS if slot.act == "speech" else FOLLOW_UP_ATTEMPTS
    for number in range(before + 1, before + attempts + 1):
        seed = int(digest(str(run_seed), str(casting.number), str(slot.number), str(number))[:7], 16)
        text = await voice(ledger.notice)(agent, Ask(slot, turn_id, seed, number), said)
        reply = agent.reply
        if reply is None:  # a fixed cue
            return text, None, None
        hearing = Hearing(
            called=agent.called,
            others=(
                *(
                    p.persona.called
                    for i, p in enumerate(casting.participants)
                    if agent.key == MODERATOR or i != slot.person
                ),
                *((agent.language.frame("visitor").text,) if protocol_of(scenario.protocol).user_sits else ()),
            ),
            # A follow-up quotes what it takes up; it may only not repeat the moderator.
            earlier=tuple(t.text for t in said if slot.act == "speech" or t.speaker == MODERATOR),
            instruction=agent.instruction,
            language=agent.language,
        )
        if slot.act == "follow-up":
            taken_up = next((t.text for t in reversed(said) if t.speaker != MODERATOR), "")
            reason = objection_to_follow_up(reply, text, hearing, taken_up)
        else:
            reason = objection(reply, text, hearing)
        if reason is None:
            return text, None, reply.call_id
        ledger.refuse(reply, reason)
    return None, reason, None
