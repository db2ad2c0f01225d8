"""Plans a run: the people of each dialogue and their stances, a pure function of the edition and the run's seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from culturepark.dialogue.stance import draw_codes, shuffled, stance, unit
from culturepark.domain import MAIN_CULTURE, Casting, Culture, Edition, Participant, Persona, Seed
from culturepark.errors import UsageError

MOST = 100_000
"""Dialogues in a run. Its plan is held in memory."""


@dataclass(frozen=True)
class Skip:
    """A dialogue that cannot be held."""

    seed_key: str
    culture: str
    dialogues: int
    """Number of dialogues left out."""
    why: str = "not asked in its country"

    def __str__(self) -> str:
        return f"{self.seed_key} for {self.culture}: {self.why}"


@dataclass(frozen=True)
class Plan:
    castings: tuple[Casting, ...]
    skipped: tuple[Skip, ...]


def plan(edition: Edition, run_seed: int) -> Plan:
    """
    Raises:
        UsageError: if nothing is left to talk about, or too much, or a culture has no persona.
    """
    scenario = edition.scenario
    tables: list[tuple[Seed, list[Persona]]] = []
    skipped: list[Skip] = []
    if (most := len(scenario.seeds) * len(scenario.cultures) * scenario.dialogues_per_seed) > MOST:
        raise UsageError(f"{most:,} dialogues are too many for one run ({MOST:,}); make several, each with a --seed")
    for seed in scenario.seeds:
        sitting = {c: delegates(edition, c, seed) for c in scenario.cultures}
        for culture, people in sitting.items():
            if not people:
                skipped.append(Skip(seed.key, culture, scenario.dialogues_per_seed))
        present = [culture for culture in scenario.cultures if sitting[culture]]
        groups = [present] if present and scenario.setting == "panel" else [[culture] for culture in present]
        for group in groups:
            for repetition in range(scenario.dialogues_per_seed):
                table = seat(edition, seed, group, sitting, repetition, run_seed)
                if table:
                    tables.append((seed, table))
                else:
                    skipped.append(Skip(seed.key, " and ".join(group), 1, "too few people with different names"))
    if not tables:
        raise UsageError("nothing to talk about: " + "; ".join(str(s) for s in skipped[:5]))
    return Plan(tuple(with_stances(tables, run_seed)), tuple(skipped))


def delegates(edition: Edition, culture: str, seed: Seed) -> list[Persona]:
    """Return the culture's personas who can answer: where the seed has an item, those whose country was asked.

    Main contacts have no stance, and can always sit there.

    Raises:
        UsageError: if the culture has no personas at all.
    """
    people = [p for p in edition.personas if p.culture == culture]
    if not people:
        raise UsageError(f"no persona for the culture {culture}")
    return [p for p in people if seed.item is None or p.role == "main" or p.country in seed.item.shares]


def seat(
    edition: Edition,
    seed: Seed,
    group: list[Culture],
    sitting: dict[Culture, list[Persona]],
    repetition: int,
    run_seed: int,
) -> list[Persona]:
    """Return the people of one dialogue; none if too few have different names.

    Each culture's personas take turns, in an order hashed from seed and culture.
    """

    def pick(people: list[Persona], culture: str, nth: int) -> Persona:
        return people[shuffled(len(people), "persona", run_seed, seed.key, culture)[nth % len(people)]]

    setting, size = edition.scenario.setting, edition.scenario.people
    if setting == "cross-cultural":
        mains = [p for p in edition.personas if p.role == "main"]
        if not mains:
            raise UsageError("a cross-cultural dialogue needs a main contact, and there is no such persona")
        delegate = pick(sitting[group[0]], group[0], repetition)
        # Without the culture's index all cultures would meet the same main contact over a seed.
        offset = edition.scenario.cultures.index(group[0])
        contacts = [pick(mains, MAIN_CULTURE, repetition + offset + i) for i in range(len(mains))]
        return next(([main, delegate] for main in contacts if main.called != delegate.called), [])
    chosen: list[Persona] = []
    first = int(unit("table", run_seed, seed.key) * len(group)) if setting == "panel" else 0
    rounds = max(len(sitting[culture]) for culture in group)
    for i in range(rounds * len(group)):
        culture = group[(i + first + repetition) % len(group)]
        candidate = pick(sitting[culture], culture, i // len(group) + repetition * size)
        if candidate not in chosen and candidate.called not in {p.called for p in chosen}:
            chosen.append(candidate)
        if len(chosen) == size:
            return chosen
    return chosen if setting == "panel" and len(chosen) >= 3 else []


def with_stances(tables: list[tuple[Seed, list[Persona]]], run_seed: int) -> list[Casting]:
    """Number the dialogues and deal each delegate a stance."""
    needed = Counter(
        (seed.key, p.country) for seed, people in tables for p in people if seed.item and p.role == "delegate"
    )
    dealt: dict[tuple[str, str | None], list[int]] = {}
    castings = []
    for number, (seed, people) in enumerate(tables, start=1):
        participants = []
        for persona in people:
            own = None
            if seed.item and persona.role == "delegate" and persona.country:
                key = (seed.key, persona.country)
                if key not in dealt:
                    dealt[key] = draw_codes(seed.item.shares[persona.country], needed[key], run_seed, *key)
                own = stance(seed.item, dealt[key].pop())
            participants.append(Participant(persona=persona, stance=own))
        castings.append(Casting(number=number, seed=seed, participants=tuple(participants)))
    return castings
