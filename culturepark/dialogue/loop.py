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
from culturepark.dialogue.interpreter import Interpreter, NotRendered
from culturepark.dialogue.policy import PHASE_OF, addressee_of, expected_slots, next_slot, repeating
from culturepark.dialogue.protocol import Move, Slot, protocol_of
from culturepark.dialogue.tongues import as_heard, tongues_of
from culturepark.domain import Act, Casting, Mark, Origin, Role, Scenario, Scene, Status, Turn
from culturepark.errors import PromptCut, TooLong, UsageError
from culturepark.models.chat import ChatModel, digest
from culturepark.models.ledger import Ledger
from culturepark.terminal.safe import clip

SPEECH_ATTEMPTS = 3
FOLLOW_UP_ATTEMPTS = 2
FREE: tuple[Act, ...] = ("pass-on",)
"""Acts whose words need not take up anything that was said."""
RECENT = 3
"""Last speeches of which a moderator's question may take up something."""
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


@dataclass(frozen=True)
class Rendered:
    """A turn that was there already, and that the others at the table can hear now."""

    turn: Turn


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
    interpreter: ChatModel | None = None,
) -> AsyncIterator[Turn | Rendered | Ending]:
    """Yield each new turn, then one `Ending`.

    A turn that a guard refuses is asked for again with another seed, at most twice; then its slot stays empty. If more
    than one speech and more than a quarter of all are lost that way, the dialogue ends with the last reason. It ends
    too when the transcript no longer fits into the model's context, and when a turn cannot be rendered for those who
    do not speak its language.

    Args:
        scenes: persona's key -> the scenes that may be told here, in that person's language; None for all on the cards.
        interpreter: needed where people at the table speak different languages.
    Raises:
        CultureparkError: as the ledger does; for a context that is too small only if nobody has spoken yet.
    """
    said = list(turns)
    tongues = tongues_of(scenario, casting)
    chair, persons = seat(casting, scenario, LedgerClient(ledger, speaker), LedgerClient(ledger, moderator), scenes)
    small = speaker.traits.small
    between = None
    if tongues.interpreted:
        if interpreter is None:
            raise UsageError(f"people talk {' and '.join(tongues.all)} at this table, and there is no interpreter")
        client = LedgerClient(ledger, interpreter)
        between = Interpreter(client, ledger, casting, scenario, tongues, dialogue_id, run_seed)
    # The policy sees the talk as the moderator does.
    casting, scenario, code = chair.casting, chair.scenario, tongues.moderator
    speeches = sum(slot.act == "speech" for slot in expected_slots(scenario, casting, small=small))
    number = said[-1].slot if said else 0
    # Only speeches are ever lost: in place of a question stand fixed words.
    lost = number - len(said)
    if between and said and not said[-1].renderings:  # put in place of another turn, in a branch
        try:
            said[-1] = await between.rendered(said[-1], None, said[:-1])
        except NotRendered as refused:
            yield Ending(Status.STOPPED, f"interpreter: {refused}")
            return
        yield Rendered(said[-1])
    while slot := next_slot(scenario, casting, as_heard(said, code), number := number + 1, small=small):
        agent: Agent = persons[slot.person] if slot.act == "speech" else chair
        try:
            turn = await speak(agent, slot, dialogue_id, said, run_seed, ledger)
            if between and isinstance(turn, Turn):
                turn = await between.rendered(turn, slot, said)
        except NotRendered as refused:
            yield Ending(Status.STOPPED, f"interpreter: {refused}")
            return
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
    yield Ending(Status.DONE, "repeating" if repeating(scenario, casting, as_heard(said, code)) else "completed")


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
    heard = as_heard(said, agent.language.code)
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
            return turn_in(slot, position, casting, text, "cue", move=agent.move)
        hearing = Hearing(
            called=agent.called,
            others=tuple(others),
            # A follow-up quotes what it takes up; it may only not repeat the moderator.
            earlier=tuple(t.text for t in heard if slot.act == "speech" or t.speaker == MODERATOR),
            instruction=agent.instruction,
            language=agent.language,
        )
        if slot.act == "follow-up":
            refusal = objection_to_follow_up(reply, text, hearing, taken_up(heard, agent))
        else:
            refusal = objection(reply, text, hearing)
        asks = None
        if refusal is None and slot.act == "speech":
            asks = addressee_of(text, agent.mark, casting, slot.person)
            refusal = "asks-too-late" if asks and not slot.may_ask else None
        if refusal is None:
            picked = slot.act == "speech" and agent.client.small
            origin: Origin = "picked" if picked else "model" if reply.call_id else "cue"
            call, mark = reply.call_id, agent.mark
            return turn_in(slot, position, casting, text, origin, call, move=agent.move, mark=mark, asks=asks)
        await ledger.refuse(reply, refusal)
        reason = refusal
    if slot.act == "follow-up":
        if slot.move is None:
            return turn_in(slot, position, casting, phrasing.line("follow-up", slot, casting, scenario)[0], "fallback")
        words = phrasing.fixed_words(slot.move, casting, scenario)[0]
        return turn_in(slot, position, casting, words, "fallback", move=slot.move)
    return Refused(reason)


def taken_up(said: Sequence[Turn], agent: Agent) -> str:
    """Return the words of which a moderator's question has to take up something; empty where it need not."""
    spoken = [turn for turn in said if turn.speaker != MODERATOR]
    if agent.move is None:
        return spoken[-1].text if spoken else ""
    if agent.move.act in FREE:
        return ""
    about = [turn.text for turn in spoken if turn.position in agent.move.about]
    return " ".join([*about, *(turn.text for turn in spoken[-RECENT:])])


def addressee_in(slot: Slot, move: Move | None, casting: Casting) -> str | None:
    """Return the key of the person whom a moderator's turn asks; None if it asks all, or the user."""
    person = move.to if move else slot.person if slot.act == "follow-up" else None
    return casting.participants[person].persona.key if person is not None and person >= 0 else None


def turn_in(
    slot: Slot,
    position: int,
    casting: Casting,
    text: str,
    origin: Origin,
    call_id: str | None = None,
    *,
    move: Move | None = None,
    mark: Mark | None = None,
    asks: str | None = None,
) -> Turn:
    """
    Args:
        move: the moderator's, of a turn of its own.
        asks: key of the person to whom a speech puts a question.
    """
    persona = casting.participants[slot.person].persona
    move = move if slot.act != "speech" else None
    speakers: dict[str, tuple[str, Role]] = {"speech": (persona.key, persona.role), "typed": (USER, "user")}
    speaker, role = speakers.get(slot.act, (MODERATOR, "moderator"))
    return Turn(
        position=position,
        slot=slot.number,
        speaker=speaker,
        role=role,
        phase=PHASE_OF[move.act] if move else slot.phase,
        text=text,
        origin=origin,
        call_id=call_id,
        act=move and move.act,
        addressee=asks or addressee_in(slot, move, casting),
        reason=(move.why or None) if move else None,
        mark=mark if slot.act == "speech" else None,
    )
