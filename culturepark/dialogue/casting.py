"""Plans a run: the people of each dialogue and their stances, a pure function of edition, seed and ratings.

Tables are laid first, as cultures without names. Then `seating` decides for each culture and question who holds which
answer, and these people are spread over the tables.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from culturepark.dialogue.profiles import Held, asked, held_answers
from culturepark.dialogue.seating import EMPTY, IMPOSSIBLE, Pair, Pool, Ratings, assign, candidates, misfit, rating_of
from culturepark.dialogue.stance import draw_codes, shuffled, stance, unit
from culturepark.domain import (
    Casting,
    CultureKey,
    Edition,
    Participant,
    Persona,
    Scenario,
    Seed,
    Setting,
    SurveyItem,
    TalkSetting,
)
from culturepark.errors import UsageError
from culturepark.files import some_of

MOST = 100_000
"""Dialogues in a run. Its plan is held in memory."""
NOBODY_RATED: Ratings = {}
MOST_NAMED = 5
TOO_FEW = "too few people with different names"


@dataclass(frozen=True)
class Skip:
    """Dialogues that cannot be held, or that are held without one of their people."""

    seed_key: str
    culture: str
    dialogues: int
    """Number of dialogues left out; 0 where they are held all the same."""
    why: str = "not asked in its country"

    def __str__(self) -> str:
        return f"{self.seed_key} for {self.culture}: {self.why}"


@dataclass(frozen=True)
class Plan:
    castings: tuple[Casting, ...]
    skipped: tuple[Skip, ...]


@dataclass
class Table:
    """One dialogue while it is planned."""

    seed: Seed
    group: Sequence[CultureKey]
    """The cultures for which it is held; a main contact's is none of them."""
    seats: Sequence[CultureKey]
    """The culture of each person, in the order of sitting."""
    repetition: int
    """From 0, among the dialogues of the same question and group."""
    people: dict[int, Participant] = field(default_factory=dict)
    """Seat -> the person who sits there."""

    def takes(self, persona: Persona, seat: int) -> bool:
        """Whether a person can sit there: nobody else at the table may be called the same."""
        return all(p.persona.called != persona.called for other, p in self.people.items() if other != seat)


Place = tuple[Table, int]
"""A seat at a table."""
Lacking = tuple[Table, str]
"""A table with an empty seat, and the reason."""


def plan(edition: Edition, run_seed: int, ratings: Ratings = NOBODY_RATED) -> Plan:
    """
    Args:
        ratings: how well answers fit cards; people without any are dealt their answers blind.
    Raises:
        UsageError: if nothing is left to talk about, or too much, or a culture has no persona.
    """
    scenario = edition.scenario
    if (most := len(scenario.seeds) * len(scenario.cultures) * scenario.dialogues_per_seed) > MOST:
        raise UsageError(f"{most:,} dialogues are too many for one run ({MOST:,}); make several, each with a --seed")
    mains = [p for p in edition.personas if p.role == "main"] if scenario.setting == "cross-cultural" else []
    if scenario.setting == "cross-cultural" and not mains:
        raise UsageError("a cross-cultural dialogue needs a main contact, and there is no such persona")
    castings: list[Casting] = []
    skipped: list[Skip] = []
    held = held_answers(edition, run_seed, ratings) if scenario.stances == "joint" else None
    for seed in scenario.seeds:
        able = {culture: able_to_sit(edition, culture, seed) for culture in scenario.cultures}
        if held is not None and seed.item:
            skipped += speechless(scenario, seed, able, held)
            able = {culture: holders(people, seed, held) for culture, people in able.items()}
        else:
            skipped += [Skip(seed.key, c, scenario.dialogues_per_seed) for c, people in able.items() if not people]
        dealt = seed if scenario.people > 1 else possible(seed, edition.personas[0], ratings)
        tables = list(lay(edition, dealt, {c: people for c, people in able.items() if people}, run_seed))
        lacking = list(fill(tables, able, run_seed, ratings, held))
        if mains:
            grounded = [p for p in mains if seed.item and p.country in seed.item.shares]
            if held is not None:
                grounded = holders(grounded, seed, held)
            for culture in cultures_of(mains):
                own = [table for table in tables if table.seats[0] == culture]
                if able_mains := [p for p in grounded if p.culture == culture]:
                    lacking += fill(own, {culture: able_mains}, run_seed, ratings, held)
                else:
                    lacking += seat_main_contacts(edition, own, [p for p in mains if p.culture == culture], run_seed)
        least = fewest(scenario.setting, scenario.people)
        skipped += skips(lacking, least)
        for table in tables:
            if len(table.people) >= least:
                people = tuple(table.people[seat] for seat in sorted(table.people))
                castings.append(Casting(number=len(castings) + 1, seed=seed, participants=people))
    if not castings:
        raise UsageError("nothing to talk about: " + "; ".join(str(s) for s in skipped[:5]))
    if scenario.stances == "none":
        castings = [without_answers(casting, edition) for casting in castings]
    return Plan(tuple(castings), tuple(skipped))


def cultures_of(people: Sequence[Persona]) -> list[CultureKey]:
    """Return the cultures of people, each once."""
    return sorted({person.culture for person in people})


def without_answers(casting: Casting, edition: Edition) -> Casting:
    """Take the answers from people who were seated by them, so that a run without differs in nothing else."""
    people = tuple(Participant(persona=person.persona) for person in casting.participants)
    return casting.model_copy(update={"seed": edition.seed(casting.seed.key), "participants": people})


def possible(seed: Seed, persona: Persona, ratings: Ratings) -> Seed:
    """Return the question of a talk with one person, without the answers that the card rules out."""
    item = seed.item
    if item is None or persona.country not in item.shares:
        return seed
    shares = item.shares[persona.country]
    held = {code: share for code, share in shares.items() if rating_of(persona, item, code, ratings) != IMPOSSIBLE}
    return seed.model_copy(update={"item": item.model_copy(update={"shares": {persona.country: held}})})


def holders(people: Sequence[Persona], seed: Seed, held: Held) -> list[Persona]:
    """Return the people who hold an answer to the question."""
    return [person for person in people if seed.key in held.get(person.key, {})]


def speechless(
    scenario: Scenario, seed: Seed, able: Mapping[CultureKey, Sequence[Persona]], held: Held
) -> Iterator[Skip]:
    """Yield the people who have no seat, because the answers that they hold are silent on the question."""
    for culture, people in able.items():
        if not people:
            yield Skip(seed.key, culture, scenario.dialogues_per_seed)
            continue
        silent = [person.key for person in people if person.key in held and seed.key not in held[person.key]]
        why = f"no seat for {some_of(silent, MOST_NAMED)}: their respondents gave no answer that fits them"
        if not holders(people, seed, held):
            why = why if silent else "nobody there was given a respondent"
            yield Skip(seed.key, culture, scenario.dialogues_per_seed, why)
        elif silent:
            yield Skip(seed.key, culture, 0, why)


def fewest(setting: Setting | TalkSetting, people: int) -> int:
    """Return how many people a dialogue needs."""
    return min(3, people) if setting == "panel" else people


def able_to_sit(edition: Edition, culture: str, seed: Seed) -> list[Persona]:
    """Return the culture's personas who can answer: where the seed has an item, those whose country was asked.

    Main contacts can always sit there.

    Raises:
        UsageError: if the culture has no personas at all.
    """
    people = [p for p in edition.personas if p.culture == culture]
    if not people:
        raise UsageError(f"no persona for the culture {culture}")
    return [p for p in people if p.role == "main" or seed.item is None or p.country in seed.item.shares]


def lay(edition: Edition, seed: Seed, able: Mapping[CultureKey, Sequence[Persona]], run_seed: int) -> Iterator[Table]:
    """Yield the tables of one question, with a seat for each person."""
    scenario = edition.scenario
    panel = scenario.setting == "panel"
    mains = cultures_of([p for p in edition.personas if p.role == "main"])
    present = [culture for culture in scenario.cultures if culture in able]
    for group in [present] if panel and present else [[culture] for culture in present]:
        for repetition in range(scenario.dialogues_per_seed):
            if panel:
                first = int(unit("table", run_seed, seed.key) * len(group)) + repetition
                yield Table(seed, group, panel_seats(group, first, able, scenario.people), repetition)
            elif scenario.setting == "cross-cultural":
                main = mains[(repetition + scenario.cultures.index(group[0])) % len(mains)]
                yield Table(seed, group, (main, *group), repetition)
            else:
                yield Table(seed, group, group * scenario.people, repetition)


def panel_seats(
    group: Sequence[CultureKey], first: int, able: Mapping[CultureKey, Sequence[Persona]], size: int
) -> list[CultureKey]:
    """Return the cultures of a panel's seats, one after the other, as long as they have people left."""
    left = {culture: len({p.called for p in able[culture]}) for culture in group}
    seats: list[CultureKey] = []
    for i in range(len(group) * max(left.values())):
        culture = group[(first + i) % len(group)]
        if left[culture] and len(seats) < size:
            left[culture] -= 1
            seats.append(culture)
    return seats


def pools_of(
    tables: Sequence[Table], able: Mapping[CultureKey, Sequence[Persona]], run_seed: int, held: Held | None = None
) -> Iterator[tuple[list[Place], Pool]]:
    """Yield all seats under one question by culture and country, with the answers that are dealt to them.

    Where a culture's people come from several countries, each country has as many seats as the weights of its people.
    All cultures of one country draw from the same lot.
    """
    by_country: dict[str, dict[CultureKey, list[Place]]] = defaultdict(dict)
    for culture, people in able.items():
        places = [(table, seat) for table in tables for seat, wanted in enumerate(table.seats) if wanted == culture]
        if not places:
            continue
        countries = sorted({p.country or "" for p in people})
        weights = {i: sum(p.weight for p in people if (p.country or "") == c) for i, c in enumerate(countries)}
        numbers = draw_codes(weights, len(places), run_seed, places[0][0].seed.key, culture, "countries")
        for place, number in zip(places, numbers, strict=True):
            by_country[countries[number]].setdefault(culture, []).append(place)
    for country, of_cultures in by_country.items():
        seed = next(iter(of_cultures.values()))[0][0].seed
        shares = seed.item.shares.get(country) if seed.item else None
        dealt = shares if held is None else None
        lot = draw_codes(dealt, sum(map(len, of_cultures.values())), run_seed, seed.key, country) if dealt else []
        for culture, places in of_cultures.items():
            parts = (run_seed, seed.key, culture, country)
            persons = [p for p in able[culture] if (p.country or "") == country]
            yield (
                places,
                Pool(
                    persons=candidates(persons, len(places), *parts),
                    seats=len(places),
                    item=seed.item if shares else None,
                    codes=[lot.pop() for _ in places] if dealt else (),
                    most=len({id(table) for table, _ in places}),
                    parts=parts,
                    held={p.key: held[p.key][seed.key] for p in persons} if held is not None and shares else None,
                ),
            )


def fill(
    tables: Sequence[Table],
    able: Mapping[CultureKey, Sequence[Persona]],
    run_seed: int,
    ratings: Ratings,
    held: Held | None = None,
) -> Iterator[Lacking]:
    """Seat people on all seats of their cultures under one question, and yield the tables with seats left empty."""
    for places, pool in pools_of(tables, able, run_seed, held):
        seated = assign(pool, ratings)
        order = shuffled(len(seated.pairs), "seats", *pool.parts) if pool.item else range(len(seated.pairs))
        empty = spread(places, [seated.pairs[i] for i in order], pool, ratings)
        reasons = [f"nobody's card fits the answer “{stance(pool.item, c).text}”" for c in seated.empty if pool.item]
        reasons += [TOO_FEW] * len(empty)
        yield from ((table, why) for (table, _), why in zip(empty, reasons, strict=False))


def spread(places: Sequence[Place], pairs: Sequence[Pair], pool: Pool, ratings: Ratings) -> list[Place]:
    """Seat each pair of person and answer, and return the places that stay empty.

    Where nobody who is left can sit at a table, somebody changes places with a person at an earlier one, or somebody
    else of the culture comes with the answer.
    """
    left, filled, empty = list(pairs), list[Place](), list[Place]()

    def sit(place: Place, pair: Pair) -> None:
        persona, code = pair
        person = Participant(persona=persona)
        if pool.item and code is not None:
            own, rating = stance(pool.item, code), rating_of(persona, pool.item, code, ratings)
            person = Participant(persona=persona, stance=own, fit=rating)
        place[0].people[place[1]] = person

    def taken(place: Place) -> bool:
        for i, (persona, _) in enumerate(left):
            if place[0].takes(persona, place[1]):
                sit(place, left.pop(i))
                return True
        return False

    def moved(place: Place) -> bool:
        for other in filled:
            there = other[0].people[other[1]]
            for i, (persona, _) in enumerate(left):
                if place[0].takes(there.persona, place[1]) and other[0].takes(persona, other[1]):
                    place[0].people[place[1]] = there
                    sit(other, left.pop(i))
                    return True
        return False

    def replaced(place: Place) -> bool:
        for i, (_, code) in enumerate(left):
            for persona in pool.persons:
                if place[0].takes(persona, place[1]) and misfit(persona, pool, code, ratings) < EMPTY:
                    sit(place, (persona, code))
                    del left[i]
                    return True
        return False

    for place in places:
        if taken(place) or moved(place) or replaced(place):
            filled.append(place)
        else:
            empty.append(place)
    return empty


def seat_main_contacts(
    edition: Edition, tables: Sequence[Table], mains: Sequence[Persona], run_seed: int
) -> Iterator[Lacking]:
    """Seat main contacts of one culture without an answer, in turns, and yield the tables for which there is none."""
    for table in tables:
        order = shuffled(len(mains), "persona", run_seed, table.seed.key, table.seats[0])
        # Without the culture's index all cultures would meet the same main contact over a seed.
        first = table.repetition + edition.scenario.cultures.index(table.group[0])
        turns = [mains[order[(first + i) % len(mains)]] for i in range(len(mains))]
        main = next((main for main in turns if table.takes(main, 0)), None)
        if main:
            table.people[0] = Participant(persona=main)
        else:
            yield table, TOO_FEW


def skips(lacking: Sequence[Lacking], least: int) -> Iterator[Skip]:
    """Sum up the empty seats by group of cultures and reason."""
    counts: dict[tuple[str, str, str], Counter[int]] = defaultdict(Counter)
    for table, why in lacking:
        held = len(table.people) >= least
        counts[table.seed.key, " and ".join(table.group), why][id(table)] += not held
    for (seed_key, culture, why), of_tables in counts.items():
        yield Skip(seed_key, culture, sum(unheld > 0 for unheld in of_tables.values()), why)


def dealt_to(edition: Edition, run_seed: int) -> Iterator[tuple[Persona, SurveyItem]]:
    """Yield every person with every item of which an answer may be dealt to that person."""
    scenario = edition.scenario
    if scenario.stances == "joint":
        yield from asked(edition, run_seed)
        return
    for seed in scenario.seeds:
        able = {culture: able_to_sit(edition, culture, seed) for culture in scenario.cultures}
        tables = list(lay(edition, seed, {c: people for c, people in able.items() if people}, run_seed))
        if scenario.setting == "cross-cultural":
            for main in (p for p in edition.personas if p.role == "main"):
                able.setdefault(main.culture, []).append(main)
        for _, pool in pools_of(tables, able, run_seed):
            yield from ((person, pool.item) for person in pool.persons if pool.item)
