"""The loop of one dialogue. The transcript is its only state: given the turns so far, it yields the ones to come.

The caller commits each turn before asking for the next, so a dialogue can be broken off at any point and taken up again
from what is stored.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from culturepark.dialogue import phrasing
from culturepark.dialogue.agents import MODERATOR, USER, Agent, Ask, LedgerClient, seat, voice
from culturepark.dialogue.guards import Hearing, objection, objection_to_follow_up
from culturepark.dialogue.protocol import Slot, protocol_of, schedule
from culturepark.domain import Casting, Origin, Role, Scenario, Scene, Status, Turn
from culturepark.errors import PromptCut, TooLong
from culturepark.models.chat import ChatModel, digest
from culturepark.models.ledger import Ledger
from culturepark.terminal.safe import clip

SPEECH_ATTEMPTS = 3
FOLLOW_UP_ATTEMPTS = 2
LONGEST_REASON = 300
"""Characters of a server's message that are kept as the reason."""


@dataclass(frozen=True)
class Ending:
    """The end of a dialogue."""

    status: Status
    stop_reason: str


@dataclass(frozen=True)
class Refused:
    """Every attempt at a slot was refused."""

    reason: str
    """Of the last refusal."""


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
    scenes: Mapping[str, Sequence[Scene]] | None = None,
) -> AsyncIterator[Turn | Ending]:
    """Yield each new turn, then one `Ending`.

    A turn that a guard refuses is asked for again with another seed, at most twice; then its slot stays empty. If more
    than one speech and more than a quarter of all are lost that way, the dialogue ends with the last reason. It ends
    too when the transcript no longer fits into the model's context.

    Args:
        scenes: persona's key -> the scenes that may be told here; None for all on the cards.
    Raises:
        CultureparkError: as the ledger does; for a context that is too small only if nobody has spoken yet.
    """
    said = list(turns)
    slots = schedule(scenario.protocol, len(casting.participants), scenario.max_turns)
    speeches = sum(slot.act == "speech" for slot in slots)
    chair, persons = seat(casting, scenario, LedgerClient(ledger, speaker), LedgerClient(ledger, moderator), scenes)
    done = said[-1].slot if said else 0
    filled = {turn.slot for turn in said}
    lost = sum(slot.act == "speech" and slot.number <= done and slot.number not in filled for slot in slots)
    for slot in slots[done:]:
        agent: Agent = persons[slot.person] if slot.act == "speech" else chair
        try:
            turn = await speak(agent, slot, dialogue_id, said, run_seed, ledger)
        except (TooLong, PromptCut) as error:
            if not any(turn.is_own for turn in said):
                raise
            yield Ending(Status.STOPPED, f"{error.kind}: {clip(str(error), LONGEST_REASON)}")
            return
        if isinstance(turn, Refused):
            lost += 1
            if lost > 1 + speeches // 4:
                yield Ending(Status.STOPPED, f"refused-turns: {turn.reason}")
                return
            continue
        said.append(turn)
        yield turn
    yield Ending(Status.DONE, "completed")


async def speak(
    agent: Agent,
    slot: Slot,
    dialogue_id: str,
    said: Sequence[Turn],
    run_seed: int,
    ledger: Ledger,
    before: int = 0,
) -> Turn | Refused:
    """Return the turn that fills a slot. A follow-up that is refused becomes a fixed one.

    Args:
        before: attempts at this slot that have been refused already; the same seed would get the same answer.
    """
    casting, scenario = agent.casting, agent.scenario
    position = len(said) + 1
    others = [p.persona.called for p in casting.participants if p.persona.key != agent.key]
    if protocol_of(scenario.protocol).user_sits:
        others.append(agent.language.frame("visitor").text)
    reason = ""
    attempts = SPEECH_ATTEMPTS if slot.act == "speech" else FOLLOW_UP_ATTEMPTS
    for number in range(before + 1, before + attempts + 1):
        seed = int(digest(str(run_seed), str(casting.number), str(slot.number), str(number))[:7], 16)
        text = await voice(ledger.notice)(agent, Ask(slot, f"{dialogue_id}.t{position}", seed, number), said)
        reply = agent.reply
        if reply is None:
            return turn_in(slot, position, casting, text, "cue")
        hearing = Hearing(
            called=agent.called,
            others=tuple(others),
            # A follow-up quotes what it takes up; it may only not repeat the moderator.
            earlier=tuple(t.text for t in said if slot.act == "speech" or t.speaker == MODERATOR),
            instruction=agent.instruction,
            language=agent.language,
        )
        if slot.act == "follow-up":
            taken_up = next((t.text for t in reversed(said) if t.speaker != MODERATOR), "")
            refusal = objection_to_follow_up(reply, text, hearing, taken_up)
        else:
            refusal = objection(reply, text, hearing)
        if refusal is None:
            return turn_in(slot, position, casting, text, "model" if reply.call_id else "cue", reply.call_id)
        ledger.refuse(reply, refusal)
        reason = refusal
    if slot.act == "follow-up":
        return turn_in(slot, position, casting, phrasing.line("follow-up", slot, casting, scenario)[0], "fallback")
    return Refused(reason)


def turn_in(slot: Slot, position: int, casting: Casting, text: str, origin: Origin, call_id: str | None = None) -> Turn:
    persona = casting.participants[slot.person].persona
    speakers: dict[str, tuple[str, Role]] = {"speech": (persona.key, persona.role), "typed": (USER, "user")}
    speaker, role = speakers.get(slot.act, (MODERATOR, "moderator"))
    return Turn(
        position=position,
        slot=slot.number,
        speaker=speaker,
        role=role,
        phase=slot.phase,
        text=text,
        origin=origin,
        call_id=call_id,
    )
