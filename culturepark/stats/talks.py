"""Measures of a dialogue, from its turns, who sat there, and what was found wrong afterwards. Pure.

Each figure stands beside its null: the same figure where what it measures is undone, by other turns, other answers,
another person's card, or another order. A figure that is no higher than its null says nothing. Words are compared by
stems, of which the frequent ones do not count (`talk_words`); meaning is left to the probes and slips, which models
gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import chain, combinations
from math import log
from statistics import fmean, median
from typing import TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from culturepark.domain import Casting, Participant, Slip, SlipKind, Turn
from culturepark.ids import position_of
from culturepark.stats.survey_fit import Floats, generator
from culturepark.stats.talk_words import (
    Stems,
    common,
    echoed,
    given,
    holds,
    length,
    longest_run,
    on_card,
    own_answer,
    stems,
    tokens,
    told_on,
)

Thing = TypeVar("Thing")
Places = NDArray[np.int_]

INTRODUCTIONS = 2
"""Speeches at the beginning that have nothing to take up."""
LONG_RUN = 8
"""Words of a card in a row from which on they are recited. Ordinary phrases make two or three, seldom five: that many
stand on the card of somebody else."""
DRAWN = 40
"""Turns, or answers, of other dialogues that stand in for the real one in a null."""
SHUFFLES = 99
PARTS = 3
"""A talk's first and last third are compared."""
SLIP_KINDS: tuple[SlipKind, ...] = get_args(SlipKind)
ASKING = "?؟？⁇՞"
CLOSING_SIGNS = " \t\n\"'”’»」』)）]"


@dataclass(frozen=True)
class Score:
    value: float
    null: float | None = None
    """What the figure would be without what it measures; None where there is no such thing."""


@dataclass(frozen=True)
class Measures:
    """The figures of one dialogue; None where there is nothing to measure."""

    uptake: Score | None
    """Share (0-1) of speeches after the introductions that use a stem of the turn just before. Words of question, case
    and names and the speaker's own earlier words do not count. Null: with turns of other dialogues in place of the turn
    before, on the same question where there are some; in a run of one dialogue with earlier turns of others."""
    answered: Score | None
    """Share (0-1) of questions put to a person that this person's speech answers: it is the next speech, and the
    verifier's model, which read the talk, found no slip `unanswered` in it. None where no model looked. Null: with one
    of the people who could speak next, drawn at random."""
    in_words: Score | None
    """The same by words alone: it takes up a stem of the question, or one of the turn before the question that this
    person has not said. An answer in other words is missed, so about half is much. Null: where this person speaks next,
    with the answers to other questions of the run."""
    in_words_moderator: Score | None
    """The same of the moderator's questions."""
    in_words_people: Score | None
    """The same of people's questions to each other."""
    spoken_next: Score | None
    """Share (0-1) of questions put to a person after which this person is the next to speak. Null: 1 of the people who
    could."""
    asked: Score | None
    """Questions that people put to each other, a speech (0 and more). No null."""
    balance: Score | None
    """Evenness of words by person: entropy over its maximum, 0 (one speaks) to 1 (all alike). Null: speeches dealt to
    the people anew, each keeping their number."""
    smallest: Score | None
    """Words of whoever speaks least, times the number of people, over all words: 0 to 1. Null: as for `balance`."""
    words: Score | None
    """Words of a speech (mean; two characters of a script without spaces count as one). No null."""
    echo: Score | None
    """Longest run of consecutive words of a speech that stands on the speaker's card: norms, values, scenes, scope,
    own answer; in words, the median over speeches. Null: on the card of somebody else at the table."""
    echo_longest: Score | None
    """The same, the maximum."""
    echo_long: Score | None
    """Share (0-1) of speeches with such a run of 8 words and more. Null: on the card of somebody else."""
    labels: Score | None
    """Share (0-1) of speeches, of people who were dealt an answer, that hold its label word for word. Null: the mean of
    the other answers' labels, of which none stands in the own one."""
    novelty: Score | None
    """Share (0-1) of the stems of speeches that stand neither on the speaker's card nor in question and case, and that
    nobody said before. Null: beside the card of somebody else at the table. Here the null is the higher one: what the
    own card takes away."""
    repetition: Score | None
    """Share (0-1) of the stems of a speech that the same person has said before. Null: that somebody else at the table
    has said, in as many turns."""
    drift: Score | None
    """Cosine (0-1) of two people's stems in the last third of their speeches, less the first third: -1 to 1, above 0
    where they come to speak of the same. Mean over pairs of people. Null: each person's speeches in another order."""
    contradiction: Score | None
    """Slips of this kind a speech (0 and more), in a dialogue whose turns were examined. No null for slips."""
    addressee: Score | None
    """The same: taken for somebody else."""
    task: Score | None
    """The same: speaks of the task."""
    unanswered: Score | None
    """The same: does not answer what was asked."""
    unfounded: Score | None
    """The same: tells a rule of a place that neither card nor scene holds as a fact."""
    statements: Score | None
    """Distinct statements with a kept sample, a speech (0 and more). No null."""
    stance_found: Score | None
    """Share (0-1) of people whose dealt answer a judge finds who sees the speeches alone. Null: always saying the most
    frequent answer of the country."""
    foreseen_before: Score | None
    """Share (0-1) of people of whom a reader of the introductions foretells what they would do in a new case. Null:
    guessing."""
    foreseen: Score | None
    """The same of a reader of the whole talk."""

    def scores(self) -> dict[str, Score | None]:
        return {one.name: getattr(self, one.name) for one in fields(self)}


NAMES = tuple(one.name for one in fields(Measures))


@dataclass(frozen=True)
class Probed:
    """One answer to a question that measures a talk (the table `probe`), without what a person chose for oneself."""

    kind: str
    moment: str
    right: bool
    chance: float | None
    read: bool = True
    """Whether the answer could be read; one that could not is not right."""


@dataclass(frozen=True)
class Talk:
    """What is measured of a dialogue."""

    key: str
    """The dialogue's id."""
    casting: Casting
    turns: Sequence[Turn]
    slips: Sequence[Slip] | None = None
    """What was found wrong in its turns; None where nobody looked."""
    statements: int | None = None
    """Distinct statements with a kept sample; None where none were looked for."""
    probes: Sequence[Probed] = ()

    def slip_places(self, kind: str) -> list[int]:
        """Return the places of the turns with a slip of a kind."""
        found = {position_of(slip.turn_id) for slip in self.slips or () if slip.kind == kind}
        return [place for place, turn in enumerate(self.turns) if turn.position in found]

    @property
    def people(self) -> tuple[Participant, ...]:
        return self.casting.participants

    @cached_property
    def speeches(self) -> list[int]:
        """Places of the turns that personas said by themselves."""
        return [place for place, turn in enumerate(self.turns) if turn.is_own]

    @cached_property
    def questions(self) -> list[Question]:
        return list(questions(self))

    def of(self, key: str) -> list[Turn]:
        """Return the speeches of one person."""
        return [self.turns[place] for place in self.speeches if self.turns[place].speaker == key]


@dataclass(frozen=True)
class Question:
    """A question that was put to one person, and the speech that should answer it."""

    place: int
    to: str
    by_person: bool
    answer: int | None
    """Place of the next speech; None where nobody spoke any more."""


# --- what is the same for all dialogues of a run ---------------------------------------------------


class Background:
    """What the dialogues of a run are seen against: frequent stems, cards, and turns of other dialogues."""

    def __init__(self, talks: Sequence[Talk], *seed: object) -> None:
        """
        Args:
            seed: of everything that is drawn for nulls.
        """
        self.seed = seed
        self.cards: dict[str, Stems] = {}
        self.runs: dict[tuple[str, str], str] = {}
        people = {p.persona.key: p.persona for talk in talks for p in talk.people}
        told = [turn.text for talk in talks for turn in talk.turns]
        self.common = common([*told, *(text for one in people.values() for text in told_on(one))])
        self.talks = {talk.key: talk for talk in talks}
        self.by_seed: dict[str, list[str]] = {}
        for talk in talks:
            self.by_seed.setdefault(talk.casting.seed.key, []).append(talk.key)

    def content(self, text: str) -> Stems:
        """Return the stems of a text that say what it is about."""
        return stems(text) - self.common

    def card(self, person: Participant) -> Stems:
        key = person.persona.key
        if key not in self.cards:
            self.cards[key] = on_card(person.persona)
        return self.cards[key]

    def run_of_card(self, said: Sequence[str], person: Participant, answer: str) -> int:
        """Return the longest run of words that stands on a person's card or in a dealt answer."""
        key = person.persona.key, answer
        if key not in self.runs:
            self.runs[key] = echoed(person.persona, answer)
        return longest_run(said, self.runs[key])

    def others(self, talk: Talk) -> list[Talk]:
        """Return other dialogues on the question of one, or on others where there are none; drawn, if they are many."""
        same = [key for key in self.by_seed[talk.casting.seed.key] if key != talk.key]
        keys = self.drawn("others", talk, same or [key for key in self.talks if key != talk.key])
        return [self.talks[key] for key in keys]

    @cached_property
    def answers(self) -> list[tuple[str, int, Stems]]:
        """For each question of the run that somebody spoke after: its dialogue, its place, and the stems spoken."""
        return [
            (talk.key, question.place, self.content(talk.turns[question.answer].text))
            for talk in self.talks.values()
            for question in talk.questions
            if question.answer is not None
        ]

    def stranger(self, talk: Talk, person: Participant) -> Participant | None:
        """Return somebody else: the next at the table, or else of the run."""
        key = person.persona.key
        seat = [p.persona.key for p in talk.people].index(key)
        next_ones = chain(talk.people[seat + 1 :], talk.people[:seat])
        everybody = (p for other in self.talks.values() for p in other.people)
        return next((p for p in chain(next_ones, everybody) if p.persona.key != key), None)

    def drawn(self, what: str, talk: Talk, found: Sequence[Thing]) -> list[Thing]:
        """Return at most `DRAWN` of some things, drawn for a dialogue."""
        if len(found) <= DRAWN:
            return list(found)
        places = generator(what, *self.seed, talk.key).permutation(len(found))[:DRAWN]
        return [found[place] for place in sorted(places.tolist())]


def measure(talk: Talk, behind: Background) -> Measures:
    """
    Args:
        behind: made of all dialogues of the run, this one among them.
    """
    in_words = answers(talk, behind)
    slips = {kind: len(talk.slip_places(kind)) for kind in SLIP_KINDS}
    return Measures(
        uptake=uptake(talk, behind),
        answered=None if talk.slips is None else answered(talk),
        in_words=over(in_words.values()),
        in_words_moderator=over(score for question, score in in_words.items() if not question.by_person),
        in_words_people=over(score for question, score in in_words.items() if question.by_person),
        spoken_next=spoken_next(talk),
        asked=a_speech(talk, sum(question.by_person for question in talk.questions)),
        **balance(talk, behind),
        words=over(Score(words_of(turn)) for turn in own_turns(talk)),
        **echoes(talk, behind),
        labels=labels(talk),
        **news(talk, behind),
        drift=drift(talk, behind),
        **{kind: None if talk.slips is None else a_speech(talk, count) for kind, count in slips.items()},
        statements=None if talk.statements is None else a_speech(talk, talk.statements),
        stance_found=probed(talk, "stance", "after"),
        foreseen_before=probed(talk, "understanding", "before"),
        foreseen=probed(talk, "understanding", "after"),
    )


def own_turns(talk: Talk) -> list[Turn]:
    return [talk.turns[place] for place in talk.speeches]


def over(scores: Iterable[Score]) -> Score | None:
    """Return the mean of scores and of their nulls; None without any."""
    found = list(scores)
    if not found:
        return None
    nulls = [score.null for score in found if score.null is not None]
    return Score(fmean(score.value for score in found), fmean(nulls) if nulls else None)


def a_speech(talk: Talk, count: int) -> Score | None:
    return Score(count / len(talk.speeches)) if talk.speeches else None


def words_of(turn: Turn) -> float:
    """Count the words of a turn; two characters of a script without spaces count as one."""
    return float(length(tokens(turn.text)))


# --- one turn and the next -------------------------------------------------------------------------


def uptake(talk: Talk, behind: Background) -> Score | None:
    known, scores = given(talk.casting), []
    elsewhere = [(turn.role == "moderator", behind.content(turn.text)) for turn in others_turns(talk, behind)]
    for place in talk.speeches[INTRODUCTIONS:]:
        turn, before = talk.turns[place], talk.turns[place - 1]
        own = union(stems(t.text) for t in talk.turns[: place - 1] if t.speaker == turn.speaker)
        said = behind.content(turn.text) - known - own
        if before.speaker == turn.speaker:
            continue
        steered = before.role == "moderator"
        instead = [words for of_moderator, words in elsewhere if of_moderator == steered]
        if not elsewhere:
            earlier = (t for t in talk.turns[: place - 1] if t.speaker != turn.speaker)
            instead = [behind.content(t.text) for t in earlier]
        taken = [bool(said & words) for words in instead]
        scores.append(Score(bool(said & behind.content(before.text)), fmean(taken) if taken else None))
    return over(scores)


def others_turns(talk: Talk, behind: Background) -> list[Turn]:
    """Return turns of other dialogues, moderators' and people's alike, drawn for this one."""
    turns = [turn for other in behind.others(talk) for turn in other.turns]
    parts = ([t for t in turns if t.role == "moderator"], [t for t in turns if t.role != "moderator"])
    return [turn for part in parts for turn in behind.drawn("uptake", talk, part)]


def questions(talk: Talk) -> Iterable[Question]:
    """Yield the questions that were put to one person.

    Turns of steered dialogues say whom they ask. In others a turn asks that ends in a question mark: the person it
    names, or the next speaker where it names several or, among two, nobody. A fixed cue asks the whole table.
    """
    steered = any(turn.act or turn.addressee or turn.mark for turn in talk.turns)
    for place, turn in enumerate(talk.turns):
        answer = next((later for later in talk.speeches if later > place), None)
        to = turn.addressee or (turn.mark.asks if turn.mark else None)
        if not steered:
            to = asked_by_form(talk, turn, answer)
        if to and to != turn.speaker and any(p.persona.key == to for p in talk.people):
            yield Question(place, to, turn.role in ("main", "delegate"), answer)


def asked_by_form(talk: Talk, turn: Turn, answer: int | None) -> str | None:
    if turn.origin in ("cue", "fallback") or not turn.text.rstrip(CLOSING_SIGNS).endswith(tuple(ASKING)):
        return None
    said = tokens(turn.text)
    others = [p.persona for p in talk.people if p.persona.key != turn.speaker]
    named = [one.key for one in others if holds(said, one.called)]
    following = talk.turns[answer].speaker if answer is not None else None
    if len(named) == 1:
        return named[0]
    if named:
        return following if following in named else named[0]
    if len(others) == 1:
        return others[0].key
    return following if turn.role == "moderator" and len(talk.people) == 2 else None


def spoken_next(talk: Talk) -> Score | None:
    return over(
        Score(spoken_by(talk, question) == question.to, by_chance(talk, question)) for question in talk.questions
    )


def by_chance(talk: Talk, question: Question) -> float:
    """Return the probability that the person asked speaks next, if one of those who could is drawn at random."""
    return 1 / max(1, len(talk.people) - question.by_person)


def answered(talk: Talk) -> Score | None:
    """Return the share of questions that the person asked goes on to answer, by the judge of slips."""
    unanswered = talk.slip_places("unanswered")
    return over(
        Score(question.answer not in unanswered and spoken_by(talk, question) == question.to, by_chance(talk, question))
        for question in talk.questions
    )


def spoken_by(talk: Talk, question: Question) -> str | None:
    """Return who speaks next after a question."""
    return None if question.answer is None else talk.turns[question.answer].speaker


def answers(talk: Talk, behind: Background) -> dict[Question, Score]:
    """Return for each question whether its words are taken up, beside the share of others' answers that would do."""
    known = given(talk.casting)
    found = {}
    pool = behind.drawn("answered", talk, behind.answers)
    for question in talk.questions:
        asked = behind.content(talk.turns[question.place].text)
        if question.place:
            own = union(stems(turn.text) for turn in talk.turns[: question.place] if turn.speaker == question.to)
            asked |= behind.content(talk.turns[question.place - 1].text) - own
        asked -= known
        place = question.answer
        if place is None or spoken_by(talk, question) != question.to:
            found[question] = Score(0.0, 0.0)
            continue
        elsewhere = [bool(asked & words) for key, at, words in pool if (key, at) != (talk.key, question.place)]
        taken = bool(asked & behind.content(talk.turns[place].text))
        found[question] = Score(taken, fmean(elsewhere) if elsewhere else None)
    return found


# --- who speaks ------------------------------------------------------------------------------------


def balance(talk: Talk, behind: Background) -> dict[str, Score | None]:
    """Return how evenly words are spread over the people, beside speeches that are dealt to them anew."""
    speakers = [talk.casting.by_key(turn.speaker).persona.key for turn in own_turns(talk)]
    lengths = np.array([words_of(turn) for turn in own_turns(talk)])
    seats = {person.persona.key: seat for seat, person in enumerate(talk.people)}
    if len(seats) < 2 or not lengths.sum():
        return {"balance": None, "smallest": None}
    places = np.array([seats[speaker] for speaker in speakers])

    def evenness(counted: Floats) -> tuple[float, float]:
        shares = np.bincount(places, counted, len(seats)) / counted.sum()
        entropy = -sum(share * log(share) for share in shares.tolist() if share > 0)
        return entropy / log(len(seats)), float(shares.min()) * len(seats)

    random = generator("balance", *behind.seed, talk.key)
    dealt = np.array([evenness(random.permutation(lengths)) for _ in range(SHUFFLES)]).mean(axis=0)
    even, least = evenness(lengths)
    return {"balance": Score(even, float(dealt[0])), "smallest": Score(least, float(dealt[1]))}


# --- the card --------------------------------------------------------------------------------------


def echoes(talk: Talk, behind: Background) -> dict[str, Score | None]:
    own, strange = list[int](), list[int]()
    for turn in own_turns(talk):
        person = talk.casting.by_key(turn.speaker)
        said = tokens(turn.text)
        own.append(behind.run_of_card(said, person, own_answer(person)))
        if stranger := behind.stranger(talk, person):
            strange.append(behind.run_of_card(said, stranger, own_answer(stranger)))
    if not own:
        return {"echo": None, "echo_longest": None, "echo_long": None}
    long, strange_long = ([run >= LONG_RUN for run in runs] for runs in (own, strange))
    return {
        "echo": Score(median(own), median(strange) if strange else None),
        "echo_longest": Score(max(own), max(strange, default=None)),
        "echo_long": Score(fmean(long), fmean(strange_long) if strange else None),
    }


def labels(talk: Talk) -> Score | None:
    options = talk.casting.seed.item.options if talk.casting.seed.item else ()
    scores = []
    for turn in own_turns(talk):
        if not (own := own_answer(talk.casting.by_key(turn.speaker))):
            continue
        said, words = tokens(turn.text), tokens(own)
        others = [o.label for o in options if any(c.isalpha() for c in o.label) and not holds(words, o.label)]
        other = fmean(holds(said, label) for label in others) if others else None
        scores.append(Score(holds(said, own), other))
    return over(scores)


def news(talk: Talk, behind: Background) -> dict[str, Score | None]:
    """Return how much of the speeches is new, and how much the speaker has said before."""
    known, fresh, again = given(talk.casting), list[Score](), list[Score]()
    before, own = frozenset[str](), {person.persona.key: list[Stems]() for person in talk.people}
    spoken = set(talk.speeches)
    for place, turn in enumerate(talk.turns):
        said = behind.content(turn.text)
        if place in spoken and said:
            person = talk.casting.by_key(turn.speaker)
            stranger = behind.stranger(talk, person)
            new = said - known - before
            beside = len(new - behind.card(stranger)) / len(said) if stranger else None
            fresh.append(Score(len(new - behind.card(person)) / len(said), beside))
            earlier = own[turn.speaker]
            if earlier and (about := said - known):
                others = own.get(stranger.persona.key, [])[-len(earlier) :] if stranger else []
                share = len(about & union(others)) / len(about) if others else None
                again.append(Score(len(about & union(earlier)) / len(about), share))
        if place in spoken:
            own[turn.speaker].append(said)
        before |= said
    return {"novelty": over(fresh), "repetition": over(again)}


# --- from beginning to end -------------------------------------------------------------------------


def drift(talk: Talk, behind: Background) -> Score | None:
    """Return how much nearer to each other people end than they began."""
    known = given(talk.casting)
    said = [[behind.content(turn.text) - known for turn in talk.of(p.persona.key)] for p in talk.people]
    vocabulary = {stem: place for place, stem in enumerate(sorted(union(map(union, said))))}
    if not vocabulary:
        return None
    counts = [np.array([[stem in words for stem in vocabulary] for words in turns], np.float64) for turns in said]
    random = generator("drift", *behind.seed, talk.key)
    scores = []
    for one, other in combinations([count for count in counts if len(count) >= PARTS], 2):
        orders = [np.stack([random.permutation(len(turns)) for _ in range(SHUFFLES)]) for turns in (one, other)]
        told = [np.vstack([np.arange(len(turns)), order]) for turns, order in zip((one, other), orders, strict=True)]
        found, *trials = nearer(one, told[0], other, told[1]).tolist()
        scores.append(Score(found, fmean(trials)))
    return over(scores)


def union(sets: Iterable[Stems]) -> Stems:
    return frozenset[str]().union(*sets)


def nearer(one: Floats, order: Places, other: Floats, other_order: Places) -> Floats:
    """Return the cosine of the last thirds of two people's turns, less that of the first thirds, for several orders.

    Args:
        one, other: shape (turns, stems).
        order, other_order: shape (orders, turns), the places of the turns.
    """
    first, last = len(one) // PARTS, len(other) // PARTS
    at_the_end = cosines(sums(one, order[:, -first:]), sums(other, other_order[:, -last:]))
    return at_the_end - cosines(sums(one, order[:, :first]), sums(other, other_order[:, :last]))


def sums(turns: Floats, places: Places) -> Floats:
    """Return for each row of places the sum of these turns."""
    chosen = np.zeros((len(places), len(turns)))
    np.put_along_axis(chosen, places, 1.0, axis=1)
    return chosen @ turns


def cosines(ones: Floats, others: Floats) -> Floats:
    """Return the cosine of each two rows; 0 where one of them is empty."""
    lengths: Floats = np.linalg.norm(ones, axis=1) * np.linalg.norm(others, axis=1)
    products: Floats = (ones * others).sum(axis=1)
    return np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0)


# --- what models found -----------------------------------------------------------------------------


def probed(talk: Talk, kind: str, moment: str) -> Score | None:
    return over(
        Score(probe.right, probe.chance) for probe in talk.probes if (probe.kind, probe.moment) == (kind, moment)
    )
