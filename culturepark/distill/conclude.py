"""What follows from all verdicts of a run: what may repeat what, and which samples are kept. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from culturepark.dialogue.stance import side_taken
from culturepark.distill import dedup, samples
from culturepark.domain import Casting, Relation, Sample, Scenario, Shape, Statement


@dataclass(frozen=True)
class Judged:
    """A statement with all that decides about it."""

    statement: Statement
    verdicts: Mapping[str, tuple[Relation, str]]
    """Criterion -> relation and decision."""
    casting: Casting
    phase: str
    """Of its turn."""


def nobody(_: str) -> bool:
    return False


def entries(
    judged: Sequence[Judged], scenario: Scenario, rejected: Callable[[str], bool] = nobody
) -> list[dedup.Entry]:
    """The statements that passed verification, each in its block: seed, culture, language, shapes, side.

    Args:
        rejected: whether reviewers reject a sample, by its id. What is not told cannot stand for what would be.
    """
    found = []
    for one in judged:
        if samples.drop_reason(one.verdicts, scenario.distill.keep, False, flags(one, scenario)) is not None:
            continue
        told = told_as(one, scenario)
        left = [shape for sample_id, shape in told.items() if not rejected(sample_id)]
        if told and not left:
            continue
        seed, culture, side = one.casting.seed.key, one.statement.culture, dedup.SIDES[side_of(one)]
        block = (seed, culture, scenario.language, " ".join(left), side)
        found.append(dedup.Entry(one.statement.id, block, one.statement.first_person))
    return found


def told_as(one: Judged, scenario: Scenario) -> dict[str, Shape]:
    """The samples that are kept if nobody has said it before; what has other shapes cannot stand for these."""
    keep, flag, asked = scenario.distill.keep, flags(one, scenario), asked_yet(one.phase, scenario.protocol)
    return {
        sample_id: shape
        for sample_id, shape in shapes_of(one, scenario)
        if samples.drop_reason(one.verdicts, keep, False, flag, shape, asked) is None
    }


def shapes_of(one: Judged, scenario: Scenario) -> list[tuple[str, Shape]]:
    """Id and shape of all samples of a statement."""
    shapes = samples.shapes(one.statement, one.casting, scenario.samples)
    return [(f"{one.statement.id}.x{number}", shape) for number, shape in enumerate(shapes, start=1)]


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
        for sample_id, shape in shapes_of(one, scenario):
            again = statement.id in repeated
            reason = samples.drop_reason(one.verdicts, scenario.distill.keep, again, flag, shape, asked)
            sample = samples.shape_sample(statement, one.casting, shape, one.phase, scenario.language, reason, flag)
            found.append((sample_id, sample))
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
