"""The moderator's policy: from the talk so far, whose turn it is and what the moderator does next. Pure.

The transcript is the only state. `next_slot` plays it through from its beginning: after an act of the moderator the
person who was asked speaks, then somebody answers that, and whoever is asked something by another person answers next.
When nobody's word is due, the moderator acts again. What a person has told is read from the marks that speakers give
their own turns, and from the moderator's questions that were answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from culturepark.dialogue.memory import words
from culturepark.dialogue.phrasing import listens
from culturepark.dialogue.protocol import Move, Slot, schedule
from culturepark.domain import Act, Casting, Mark, Scenario, Told, Turn

QUESTION_MARKS = "?？؟"
LAST_SENTENCE = 200
"""Characters at the end of a speech in which a name shows whom it asks."""
LONGEST_EXCHANGE = 4
"""Speeches between two acts of the moderator."""
NEW = 0.2
"""Share of a speech's words, without those of the question, that nobody has used before; below it the speech repeats.
In three recorded runs of a large model (60 speeches) the median was .57 to .64 and the least .33."""
REPEATING = 3
"""Speeches in a row that only repeat before the moderator closes."""
FEWEST_WORDS = 4
"""Words that a speech needs before it can be called a repetition."""

PHASE_OF: dict[Act, str] = {
    "welcome": "opening", "ask": "opinion", "move-on": "opinion", "bring-in": "response", "pass-on": "response",
    "contrast": "response", "say-back": "response", "scene": "culture", "rule": "culture", "exception": "culture",
    "otherwise": "culture", "close": "closing",
}  # fmt: skip
EXPECTED: dict[tuple[object, ...], list[Slot]] = {}
"""The expected slots of each kind of dialogue."""
FIXED: tuple[Act, ...] = ("welcome", "ask", "move-on", "close")
"""Acts whose words are fixed."""
ASKED_FOR: dict[Act, Told] = {
    "ask": "answer", "scene": "scene", "rule": "rule", "otherwise": "consequence", "exception": "exception",
    "contrast": "reaction", "bring-in": "reaction",
}  # fmt: skip
"""What each act asks for. Whoever was asked for it is not asked again, whatever the answer."""
PREFERRED: tuple[Act, ...] = ("contrast", "rule", "otherwise", "scene", "exception", "pass-on", "say-back")
"""What the rules ask for first, where several things are missing."""


@dataclass
class Table:
    """What is known of a talk, while it is played through."""

    casting: Casting
    scenario: Scenario
    told: list[set[Told]] = field(init=False)
    """For each person, what has been told or asked for."""
    asked: list[bool] = field(init=False)
    """For each person, whether it has put a question to somebody."""
    rules: dict[int, int] = field(default_factory=dict)
    """Person -> position of the last turn in which it told a rule."""
    said_back: set[int] = field(default_factory=set)
    acts: list[Move] = field(default_factory=list)
    """The moderator's acts so far."""
    speeches: list[list[Turn]] = field(init=False)
    """For each person, its turns."""
    slots_used: int = 0
    """Speeches so far, those that were refused included."""
    cases: int = 1
    """Situations that have been put to them."""
    used: set[str] = field(default_factory=set)
    """Words that have been said."""
    repeats: int = 0
    """Speeches in a row that repeated only."""
    due: list[Slot] = field(default_factory=list)
    """Speeches that come before the moderator's next act."""
    exchange: int = 0
    """Speeches since the moderator's last act."""
    closing: bool = False

    def __post_init__(self) -> None:
        self.told = [set() for _ in self.casting.participants]
        self.asked = [False] * self.size
        self.speeches = [[] for _ in self.casting.participants]

    @property
    def size(self) -> int:
        return len(self.casting.participants)

    @property
    def left(self) -> int:
        """Speeches that are left before the closing."""
        return self.scenario.max_turns - self.size - self.slots_used

    def listens(self, person: int) -> bool:
        return listens(self.casting.participants[person], self.casting.seed)

    def missing(self, person: int) -> list[str]:
        """Return what nobody has heard yet of a person."""
        wanted: list[str] = [thing for thing in get_args(Told) if thing not in self.told[person]]
        if self.listens(person) and "answer" in wanted:
            wanted.remove("answer")
        return wanted + ([] if self.asked[person] else ["question"])


def next_slot(scenario: Scenario, casting: Casting, said: Sequence[Turn], number: int, *, small: bool) -> Slot | None:
    """Return the slot of a number, from 1, given all turns in the slots before it; None if the dialogue is over.

    A slot before it without a turn is one whose every attempt was refused.

    Args:
        small: the speakers' model is too small to take up what is said.
    """
    if scenario.moderation == "scripted" or small:
        slots = schedule(scenario.protocol, len(casting.participants), scenario.max_turns, small=small)
        return slots[number - 1] if number <= len(slots) else None
    table = Table(casting, scenario)
    of_slot = {turn.slot: turn for turn in said}
    for before in range(1, number):
        slot = due(table, before)
        if slot is None:
            return None
        take(table, slot, of_slot.get(before))
    return due(table, number)


def expected_slots(scenario: Scenario, casting: Casting, *, small: bool = False) -> list[Slot]:
    """Return the slots of a dialogue in which nobody asks anybody back: about as many as there will be."""
    if scenario.moderation == "scripted" or small:
        return list(schedule(scenario.protocol, len(casting.participants), scenario.max_turns, small=small))
    # A run has thousands of dialogues, and few kinds of them.
    listening = tuple(listens(p, casting.seed) for p in casting.participants)
    kind = (
        scenario.moderation,
        scenario.max_turns,
        casting.number % len(listening),
        listening,
        len(casting.seed.situations),
    )
    if kind not in EXPECTED:
        table, slots = Table(casting, scenario), list[Slot]()
        while slot := due(table, len(slots) + 1):
            slots.append(slot)
            take(table, slot, unheard(slot))
        EXPECTED[kind] = slots
    return EXPECTED[kind]


def unheard(slot: Slot) -> Turn:
    """Return a turn of which nothing is known but its slot."""
    return Turn(
        position=slot.number, slot=slot.number, speaker="", role="delegate", phase=slot.phase, text="", origin="model"
    )


def due(table: Table, number: int) -> Slot | None:
    """Return the next slot."""
    if table.due:
        return table.due[0].at(number)
    if table.closing:
        return None
    allowed = moves(table)
    chosen = allowed[0]
    led = table.scenario.moderation == "led" and len(allowed) > 1 and chosen.act not in FIXED
    return Slot(
        number, PHASE_OF[chosen.act], "cue" if chosen.act in FIXED else "follow-up",
        person=chosen.to if chosen.to is not None else -1, move=chosen, moves=tuple(allowed) if led else (),
        missing=tuple(tuple(table.missing(i)) for i in range(table.size)) if led else (),
    )  # fmt: skip


def take(table: Table, slot: Slot, turn: Turn | None) -> None:
    """Take note of what filled a slot; None if nothing did."""
    if slot.act == "speech":
        table.due = table.due[1:]
        heard_speech(table, slot, turn)
    else:
        heard_moderator(table, slot, turn)


def heard_moderator(table: Table, slot: Slot, turn: Turn | None) -> None:
    assert slot.move is not None
    move = slot.move
    if turn and turn.act:  # a model may have chosen another of the moves
        to = index_of(table.casting, turn.addressee)
        move = next((m for m in slot.moves if (m.act, m.to) == (turn.act, to)), move)
    table.acts.append(move)
    table.exchange = 0
    size, phase = table.size, PHASE_OF[move.act]
    first = table.casting.number % size
    order = [(first + i) % size for i in range(size)]
    if move.act == "welcome":
        # A question to somebody whose turn is over is answered in between; among many that would go on for long.
        may_ask = size == 2 and table.scenario.max_turns >= 3 * size
        table.due = [Slot(0, phase, "speech", person, may_ask=may_ask) for person in order]
    elif move.act == "close":
        table.closing = True
        table.due = [Slot(0, phase, "speech", person, may_ask=False) for person in reversed(order)]
    else:
        assert move.to is not None
        if move.act == "say-back":
            table.said_back.add(move.to)
        if move.act == "pass-on":
            table.asked[move.to] = True
        if move.act == "move-on":
            table.cases += 1
        if move.act in ASKED_FOR:
            table.told[move.to].add(ASKED_FOR[move.act])
        table.due = [Slot(0, phase, "speech", move.to, move=move, may_ask=table.left > 1)]


def heard_speech(table: Table, slot: Slot, turn: Turn | None) -> None:
    """Note what a speech told, and whose word is due after it."""
    table.slots_used += 1
    table.exchange += 1
    if turn is None:
        return
    person = slot.person
    table.speeches[person].append(turn)
    if turn.mark and slot.phase != "opening":
        table.told[person].update(turn.mark.told)
        if "rule" in turn.mark.told:
            table.rules[person] = turn.position
    note_repetition(table, turn)
    asked = index_of(table.casting, turn.addressee)
    if asked is not None:
        table.asked[person] = True
    if slot.phase == "closing":
        return
    if slot.phase == "opening":
        if asked is not None and not (table.due and table.due[0].person == asked):
            table.due.insert(0, Slot(0, slot.phase, "speech", asked, reply_to=person, asked=True, may_ask=False))
        return
    following = asked if asked is not None else answering(table, slot)
    if following is None or table.left < 1:
        return
    last = table.exchange + 1 >= LONGEST_EXCHANGE or table.left < 2
    table.due = [Slot(0, slot.phase, "speech", following, reply_to=person, asked=asked is not None, may_ask=not last)]


def answering(table: Table, slot: Slot) -> int | None:
    """Return who says something to a speech that asked nobody: what one tells to the moderator, another takes up."""
    if slot.move is None or slot.move.act == "say-back":
        return None
    others = [i for i in range(table.size) if i != slot.person]
    return min(others, key=lambda i: (len(table.speeches[i]), i))


def note_repetition(table: Table, turn: Turn) -> None:
    own = words(turn.text) - words(f"{table.casting.seed.topic} {table.casting.seed.question}")
    fresh = own - table.used
    table.used |= own
    if len(own) >= FEWEST_WORDS:
        table.repeats = table.repeats + 1 if len(fresh) < NEW * len(own) else 0


def repeating(scenario: Scenario, casting: Casting, said: Sequence[Turn]) -> bool:
    """Return whether the moderator closed a dialogue because its last speeches only repeated what had been said."""
    if scenario.moderation == "scripted":
        return False
    table = Table(casting, scenario)
    for turn in said:
        if turn.phase == "closing":
            break
        if turn.role != "moderator":
            note_repetition(table, turn)
    return table.repeats >= REPEATING


# --- what the moderator may do ---------------------------------------------------------------------------


def moves(table: Table) -> list[Move]:
    """Return what the rules allow now, the first of them what they prefer; never none."""
    if not table.acts:
        return [Move("welcome")]
    if table.left < 1 or table.repeats >= REPEATING:
        return [Move("close", why="the talk only repeats itself" if table.repeats >= REPEATING else "time is up")]
    people = sorted(
        range(table.size), key=lambda i: (table.listens(i), len(table.speeches[i]), times_asked(table, i), i)
    )
    unanswered = [i for i in people if "answer" in table.missing(i)]
    if not any(move.act == "ask" for move in table.acts):  # the case is put, whatever was told before
        unanswered = unanswered or people
    if unanswered:
        again = any(move.act == "ask" for move in table.acts)
        return [Move("ask", i, why="has not said yet what they would do", again=again) for i in unanswered]
    most = max(map(len, table.speeches))
    silent = [i for i in people if 2 * len(table.speeches[i]) <= most]
    if silent and table.acts[-1].act != "bring-in":
        return [Move("bring-in", silent[0], about=latest(table, silent[0]), why="has said least")]
    # Whoever was asked least is asked, and for something that was not asked just before.
    people.sort(key=lambda i: (times_asked(table, i) + table.listens(i), len(table.speeches[i]), i))
    recent = [move.act for move in table.acts[-2:]]
    allowed = [
        move
        for person in people
        for act in PREFERRED
        if act not in recent and (move := fitting(table, act, person)) is not None
    ]
    if allowed:
        return allowed
    if table.cases < len(table.casting.seed.situations):
        return [Move("move-on", people[0], why="all was told of this case; there is another", case=table.cases)]
    return [Move("close", why="everybody has told what was missing")]


def fitting(table: Table, act: Act, person: int) -> Move | None:
    """Return an act towards a person, or None if it has no use now."""
    missing = table.missing(person)
    if table.listens(person) and act in ("contrast", "say-back"):
        return None
    if act == "contrast":
        pair = contrasted(table, person)
        used = any(move.act == "contrast" for move in table.acts)
        return Move(act, person, pair, "two views stand side by side") if len(pair) == 2 and not used else None
    if act == "pass-on":
        return Move(act, person, latest(table, person), "has not asked anybody yet") if "question" in missing else None
    if act == "say-back":
        own = table.speeches[person]
        heard_enough = len(own) > 2 and person not in table.said_back
        return Move(act, person, (own[-1].position,), "may correct what was understood") if heard_enough else None
    thing = ASKED_FOR[act]
    if thing not in missing or (thing in ("consequence", "exception") and "rule" in missing):
        return None
    own_rule = (table.rules[person],) if thing in ("consequence", "exception") and person in table.rules else ()
    return Move(act, person, own_rule or latest(table, person), f"no {thing} of theirs is known yet")


def times_asked(table: Table, person: int) -> int:
    return sum(move.to == person for move in table.acts)


def latest(table: Table, person: int) -> tuple[int, ...]:
    """Return the position of the last speech that a person can be asked about: another's, or its own."""
    spoken_by = [(own[-1].position, i) for i, own in enumerate(table.speeches) if own]
    others = [position for position, i in spoken_by if i != person]
    return (max(others or [position for position, _ in spoken_by]),) if spoken_by else ()


def contrasted(table: Table, person: int) -> tuple[int, ...]:
    """Return the positions of two people's answers, this person's last."""
    own = answer_of(table, person)
    others = [p for i in range(table.size) if i != person and (p := answer_of(table, i)) is not None]
    return (others[-1], own) if others and own is not None else ()


def answer_of(table: Table, person: int) -> int | None:
    """Return the position of a person's answer to the question: the marked one, or the first after the introduction."""
    if table.listens(person):
        return None
    own = [turn for turn in table.speeches[person] if turn.phase != "opening"]
    marked = [turn for turn in own if turn.mark and "answer" in turn.mark.told]
    return next((turn.position for turn in marked or own), None)


def index_of(casting: Casting, key: str | None) -> int | None:
    return next((i for i, p in enumerate(casting.participants) if p.persona.key == key), None) if key else None


def addressee_of(text: str, mark: Mark | None, casting: Casting, speaker: int) -> str | None:
    """Return the key of the person to whom a speech puts a question; None if it puts none.

    The speaker's mark decides. Without one, a speech that ends in a question asks the only other person, or the one
    person whom its last sentence names.
    """
    if not any(sign in text for sign in QUESTION_MARKS):
        return None
    if mark:
        return mark.asks
    if text.rstrip("\"'”“»」』*)’ \n")[-1:] not in tuple(QUESTION_MARKS):
        return None
    others = [p.persona for i, p in enumerate(casting.participants) if i != speaker]
    if len(others) == 1:
        return others[0].key
    named = [other.key for other in others if other.called in text[-LAST_SENTENCE:]]
    return named[0] if len(named) == 1 else None
