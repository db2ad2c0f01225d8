"""What follows from all verdicts of a run: what may repeat what, and which samples are kept. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from culturepark.dialogue.stance import side_taken
from culturepark.distill import dedup, samples
from culturepark.domain import Casting, Relation, Sample, Scenario, Statement


@dataclass(frozen=True)
class Judged:
    """A statement with all that decides about it."""

    statement: Statement
    verdicts: Mapping[str, tuple[Relation, str]]
    """Criterion -> relation and decision."""
    casting: Casting
    phase: str
    """Of its turn."""


def entries(judged: Sequence[Judged], scenario: Scenario) -> list[dedup.Entry]:
    """The statements that passed verification, each in its block: seed, culture, language, shapes, side."""
    return [
        dedup.Entry(
            one.statement.id,
            (
                one.casting.seed.key,
                one.statement.culture,
                scenario.language,
                told_as(one, scenario),
                dedup.SIDES[side_of(one)],
            ),
            one.statement.first_person,
        )
        for one in judged
        if samples.drop_reason(one.verdicts, scenario.distill.keep, False, flags(one, scenario)) is None
    ]


def told_as(one: Judged, scenario: Scenario) -> str:
    """The shapes whose samples are kept if nobody has said it before; what has others cannot stand for these."""
    keep, flag, asked = scenario.distill.keep, flags(one, scenario), asked_yet(one.phase, scenario.protocol)
    shapes = samples.shapes(one.statement, one.casting, scenario.samples)
    return " ".join(s for s in shapes if samples.drop_reason(one.verdicts, keep, False, flag, s, asked) is None)


def side_of(one: Judged) -> int:
    """The side of the seed's scale that a statement takes; 0 if none."""
    stance = one.casting.by_key(one.statement.persona_key).stance
    relation, _ = one.verdicts.get("stance", (None, ""))
    return side_taken(one.casting.seed.item, stance.code if stance else None, relation)


def samples_of(judged: Sequence[Judged], repeated: Collection[str], scenario: Scenario) -> list[tuple[str, Sample]]:
    """Every sample of a run with its id, kept or dropped and why.

    Args:
        repeated: ids of statements that others stand for.
    """
    found = []
    for one in judged:
        statement, flag = one.statement, flags(one, scenario)
        asked = asked_yet(one.phase, scenario.protocol)
        for number, shape in enumerate(samples.shapes(statement, one.casting, scenario.samples), start=1):
            again = statement.id in repeated
            reason = samples.drop_reason(one.verdicts, scenario.distill.keep, again, flag, shape, asked)
            sample = samples.shape_sample(statement, one.casting, shape, one.phase, scenario.language, reason, flag)
            found.append((f"{statement.id}.x{number}", sample))
    return samples.without_twins(found)


def asked_yet(phase: str, protocol: str) -> bool:
    """Whether the seed's question has been put to whoever speaks in a phase."""
    return phase != "opening" or protocol == "free-chat"


def flags(one: Judged, scenario: Scenario) -> str:
    published = scenario.distill.rewrite == "as-published"
    return "as-published" if published and one.statement.rewritten_from else ""


def settled(verdicts: Sequence[tuple[Relation, str]]) -> tuple[Relation, str]:
    """Relation and decision of all verdicts on one statement by one criterion, as one. Pure."""
    if len(verdicts) == 1:
        return verdicts[0]
    if any(decision == "keep" for _, decision in verdicts):
        return "entail", "keep"
    unread = sum(relation == "unparsable" for relation, _ in verdicts)
    return ("unparsable" if 2 * unread > len(verdicts) else "contradict"), "drop"
