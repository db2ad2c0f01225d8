"""The protocols: the slots of a dialogue, with their speakers and acts. Pure.

A scripted dialogue has a schedule: a phase opens with the moderator's cue. Then everybody speaks once a round; in the
first round, before the last speaker, the moderator asks a follow-up about what was just said. A talk with a user has
no schedule: its slots are numbered on for as long as the user likes. Where the moderator has a policy, `policy` gives
one slot after the other.

Other modules ask a protocol for a property, never for its name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from culturepark.domain import Act, ProtocolName
from culturepark.errors import StoreError


@dataclass(frozen=True)
class Protocol:
    name: ProtocolName
    """Also the name of its prompts' file."""
    phases: tuple[str, ...]
    has_schedule: bool = True
    """The number of slots is known beforehand, so a dialogue ends by itself, and can branch."""
    user_sits: bool = False
    """A real person takes part, whose turns are typed."""
    opens_with_question: bool = False
    """The seed's question is put in the opening; otherwise people first introduce themselves."""
    card: str = "persona"
    """The prompt of a persona's card."""
    holds_dialogues: bool = True
    """Without, nobody talks in its runs: cards are written, or a suite is answered."""
    mines: bool = False
    """Nobody talks: a model is asked for questions in other words or for norms, and its answers stand as turns."""
    merges: bool = False
    """Nobody talks: norms and customs of other runs are compared, and made into one registry."""
    evaluates: bool = False
    """A model answers the items of a suite, and each run has a row in `evaluation`."""
    did: str = "held dialogues (`culturepark simulate`)"
    """What one of its runs did, and the command that makes such runs; messages name it."""


PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("self-guidance", ("opening", "opinion", "response", "culture", "introduce", "closing")),
        Protocol("free-chat", ("opening", "chat", "closing"), opens_with_question=True),
        Protocol("talk", ("opening", "talk", "closing"), has_schedule=False, user_sits=True, card="talk-persona"),
        Protocol("people", (), has_schedule=False, holds_dialogues=False, did="made people (`culturepark people`)"),
        Protocol(
            "mined",
            (),
            has_schedule=False,
            opens_with_question=True,
            mines=True,
            did="mined without a talk (`culturepark mine`)",
        ),
        Protocol(
            "registry",
            (),
            has_schedule=False,
            holds_dialogues=False,
            merges=True,
            did="compared norms and customs (`culturepark mine registry`)",
        ),
        Protocol(
            "evaluation",
            (),
            has_schedule=False,
            holds_dialogues=False,
            evaluates=True,
            did="evaluated a model (`culturepark evaluate`)",
        ),
    )
}


def protocol_of(name: str) -> Protocol:
    """
    Raises:
        StoreError: if there is none. Names in files are checked when read, so a wrong one comes from a damaged row.
    """
    if name not in PROTOCOLS:
        raise StoreError(f"there is no protocol {name[:40]!r}; the row that names it is damaged")
    return PROTOCOLS[name]


GIVEN_UP_FIRST = ("introduce", "response", "culture", "opinion", "chat")
"""Phases left out, in this order, when there are too few turns; never the opening or the closing."""
GROWS_FIRST = ("response", "opinion", "culture", "introduce", "chat")
"""Phases that get another round, in this order, when there are turns to spare."""


NOT_FOR_SMALL = ("response",)
"""Phases in which a model that only picks from cards has nothing to say."""


@dataclass(frozen=True)
class Move:
    """One thing that a moderator may do."""

    act: Act
    to: int | None = None
    """Index of the person who is asked; None for everybody."""
    about: tuple[int, ...] = ()
    """Positions of the turns that it takes up."""
    why: str = ""
    again: bool = False
    """The case has been put to somebody before."""
    case: int = 0
    """Which of the question's situations it is about, counted from the dialogue's first."""


@dataclass(frozen=True)
class Slot:
    """One place in a dialogue."""

    number: int
    phase: str
    act: Literal["cue", "follow-up", "speech", "typed"]
    person: int
    """Index of the participant who speaks (speech) or is addressed (follow-up); unused for a cue."""
    move: Move | None = None
    """The moderator's act, or the one that a speech answers; None in a scripted dialogue."""
    moves: tuple[Move, ...] = ()
    """All moves that are allowed, where a model chooses among them."""
    missing: tuple[tuple[str, ...], ...] = ()
    """For each person what has not been heard yet, where a model chooses."""
    reply_to: int | None = None
    """Index of the person to whom a speech answers; None where it answers the moderator."""
    asked: bool = False
    """That person has put a question, which this speech is to answer."""
    may_ask: bool = True
    """Somebody can still answer a question that this speech puts."""

    def at(self, number: int) -> Slot:
        return replace(self, number=number)


KEYBOARD = -1
"""In place of a person's index: the user of a talk."""
EXCHANGES = 3
"""Exchanges between user and persona before the moderator of a talk asks something."""


def rounds(protocol: str, people: int, max_turns: int, *, small: bool = False) -> dict[str, int]:
    """Return the rounds of each phase, so that all people together speak at most `max_turns` times."""
    left_out = NOT_FOR_SMALL if small else ()
    count = {phase: 1 for phase in protocol_of(protocol).phases if phase not in left_out}
    for phase in GIVEN_UP_FIRST:
        if phase in count and people * sum(count.values()) > max_turns:
            del count[phase]
    growing = [phase for phase in GROWS_FIRST if phase in count]
    spare = max_turns // people - sum(count.values())
    for i in range(spare if growing else 0):
        count[growing[i % len(growing)]] += 1
    return count


@cache
def schedule(protocol: str, people: int, max_turns: int, *, small: bool = False) -> tuple[Slot, ...]:
    """Return all slots of a scripted dialogue, numbered from 1; none if the protocol has no schedule.

    Args:
        people: how many personas sit there, 2-8.
        max_turns: persona turns at the most.
        small: the model picks what it says from cards, so that nobody is asked about what was said.
    """
    slots: list[Slot] = []
    if not protocol_of(protocol).has_schedule:
        return ()

    def add(phase: str, act: Literal["cue", "follow-up", "speech"], person: int) -> None:
        slots.append(Slot(len(slots) + 1, phase, act, person))

    for index, (phase, times) in enumerate(rounds(protocol, people, max_turns, small=small).items()):
        order = [(index + i) % people for i in range(people)]  # somebody else begins each phase
        add(phase, "cue", order[0])
        for turn in range(times):
            for person in order:
                if turn == 0 and person == order[-1] and not small:
                    add(phase, "follow-up", person)
                add(phase, "speech", person)
    return tuple(slots)


Beat = tuple[Literal["cue", "follow-up", "speech", "typed"], int]
FAREWELL: tuple[Literal["cue", "speech"], ...] = ("cue", "speech")
"""The closing of a moderated talk."""
EXCHANGE: tuple[Beat, ...] = (("typed", KEYBOARD), ("speech", 0))
ROUND: tuple[Beat, ...] = (
    *EXCHANGE * EXCHANGES,
    ("follow-up", 0),
    ("speech", 0),
    *EXCHANGE * EXCHANGES,
    ("follow-up", KEYBOARD),
)
"""In a moderated talk the moderator asks the persona, and later the user."""


def talk_slot(number: int, *, moderated: bool) -> Slot:
    """Return the slot of a number, from 1, in a talk that is not closing."""
    first: tuple[Beat, ...] = (("cue", 0), ("speech", 0)) if moderated else (("speech", 0),)
    if number <= len(first):
        return Slot(number, "opening", *first[number - 1])
    beats = ROUND if moderated else EXCHANGE
    return Slot(number, "talk", *beats[(number - len(first) - 1) % len(beats)])
