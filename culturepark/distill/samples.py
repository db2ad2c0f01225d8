"""Turns statements into fine-tuning samples. Pure: all wording is the statement's or a fixed template's.

The first person is the speaker's own sentence, or the extractor's, which the verifier accepted. No word inside a
sentence is ever replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.stance import side_taken
from culturepark.distill import dedup, quotes
from culturepark.distill.slips import FLAG as UNFOUNDED
from culturepark.domain import Casting, Criterion, Relation, Sample, Scenario, Shape, Statement
from culturepark.languages import Language, load_language

REASONS: dict[tuple[str, Relation], str] = {
    ("faithful", "contradict"): "unfaithful",
    ("faithful", "irrelevant"): "unfaithful",
    ("faithful", "unparsable"): "unparsable",
    ("stance", "unparsable"): "unparsable",
    ("stance", "contradict"): "contradicts-stance",
    ("stance", "irrelevant"): "irrelevant-to-stance",
    ("stance", "entail"): "entails-stance",
}
AS_PUBLISHED = "as-published"
CHECKS: tuple[Criterion, ...] = ("harmlessness", "awareness", "cross-check")

AFTER_VERIFYING = ("before-the-question", "picked", "duplicate", "same-words", "review")
"""Reasons why samples of a statement that passed verification may still not be kept."""
OFF_TOPIC = ("opening", "introduce", "talk", "closing")
"""Phases in which people speak of other things than the seed."""


def shapes(statement: Statement, casting: Casting, wanted: Sequence[Shape]) -> list[Shape]:
    """Return the wanted shapes that a statement fits."""
    fitting: set[Shape] = {"norm"}
    if statement.kind == "opinion":
        fitting = {"open"}
        if casting.by_key(statement.persona_key).stance and casting.seed.item:
            fitting.add("survey")
    return [shape for shape in dict.fromkeys(wanted) if shape in fitting]


def drop_reason(
    verdicts: Mapping[str, tuple[Relation, str]],
    keep: Sequence[str],
    is_duplicate: bool,
    flags: str = "",
    shape: Shape | None = None,
    asked_yet: bool = True,
    picked: bool = False,
) -> str | None:
    """Return why a statement's samples are not kept; None if they are.

    A survey answer gives a reason for the stance, so it must support the stance, whatever else the scenario keeps.

    Args:
        verdicts: criterion -> (relation, decision).
        keep: relations to the stance that the scenario keeps.
        asked_yet: whether the seed's question had been put when this was said.
        picked: whether a small model picked it from the card. A norm is true as it stands there; a view that nobody
            formed is none.
    """
    if AS_PUBLISHED not in flags.split():
        if "faithful" not in verdicts:
            return "not-verified"
        for criterion in ("faithful", "stance"):
            relation, decision = verdicts.get(criterion, ("entail", "keep"))
            if decision != "keep":
                wanted = keep if criterion == "stance" else ("entail",)
                return "unsure" if relation in wanted else REASONS[criterion, relation]
        relation, _ = verdicts.get("stance", ("entail", ""))
        if shape == "survey" and relation != "entail":
            return REASONS["stance", relation]
    for criterion in CHECKS:
        relation, decision = verdicts.get(criterion, ("entail", "keep"))
        if decision != "keep":
            return "undecided" if relation == "unparsable" else criterion
    if not asked_yet and shape in ("survey", "open"):
        return "before-the-question"
    if picked and shape in ("survey", "open"):
        return "picked"
    return "duplicate" if is_duplicate else None


def shape_sample(
    statement: Statement,
    casting: Casting,
    shape: Shape,
    phase: str,
    language: Language,
    reason: str | None,
    flags: str = "",
) -> Sample:
    """
    Args:
        phase: of the statement's turn.
    """
    participant = casting.by_key(statement.persona_key)
    persona, seed = participant.persona, casting.seed
    values = {
        "country": persona.country_name,
        "question": seed.question,
        "topic": seed.topic,
        "stance": participant.stance.text if participant.stance else "",
        "options": " / ".join(option.label for option in seed.item.options) if seed.item else "",
        "first_person": statement.first_person,
        "statement": statement.text,
    }
    heading = statement.kind if shape == "norm" else shape
    # A custom from home need not be about the seed, nor need a sentence that was taken word by word.
    on_topic = phase not in OFF_TOPIC and statement.text != quotes.attributed(persona, statement.quote, language)
    asked = f"{heading}-on-topic" if shape == "norm" and on_topic else heading
    # A reason that names the answer need not name it twice.
    names_stance = shape == "survey" and f"“{values['stance']}”" in statement.first_person

    def say(heading: str, part: str) -> str:
        return language.section("samples", heading, part).render(**values)

    return Sample(
        statement_id=statement.id,
        culture=statement.culture,
        kind=shape,
        messages=(
            {"role": "system", "content": say("system", "text")},
            {"role": "user", "content": say(asked, "user")},
            {"role": "assistant", "content": say("survey-with-stance" if names_stance else heading, "assistant")},
        ),
        status="dropped" if reason else "kept",
        drop_reason=reason,
        flags=flags,
    )


def without_twins(samples: Sequence[tuple[str, Sample]]) -> list[tuple[str, Sample]]:
    """Drop kept samples whose very words an earlier one has: no row is trained on twice."""
    first: dict[str, str] = {}
    out = []
    for sample_id, sample in samples:
        if sample.status == "kept" and first.setdefault(repr(sample.messages), sample_id) != sample_id:
            sample = sample.model_copy(update={"status": "dropped", "drop_reason": "same-words"})
        out.append((sample_id, sample))
    return out


# --- a run --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A statement with all that decides about its samples."""

    statement: Statement
    verdicts: Mapping[str, tuple[Relation, str]]
    """Criterion -> relation and decision."""
    casting: Casting
    phase: str
    """Of its turn."""
    picked: bool = False
    """A small model picked its turn from the card."""
    unfounded: bool = False
    """Its turn tells a rule or custom as a fact that is on no card."""


def entries(
    judged: Sequence[Judged], scenario: Scenario, rejected: Callable[[str], bool] = lambda _: False
) -> list[dedup.Entry]:
    """Return the statements that passed verification, each in its block.

    An opinion's is its seed, culture, language, shapes and side. A norm or custom says the same whatever was asked, so
    its block is that of all seeds.

    Args:
        rejected: tells by its id whether reviewers reject a sample. Such a sample cannot stand for another.
    """
    passed = []
    for item in judged:
        if drop_reason(item.verdicts, scenario.distill.keep, False, flags(item, scenario)) is not None:
            continue
        samples = samples_if_new(item, scenario)
        left = [shape for sample_id, shape in samples.items() if not rejected(sample_id)]
        if samples and not left:
            continue
        asked, side = item.casting.seed.key, dedup.SIDES[side_of(item)]
        if item.statement.kind != "opinion":
            asked, side = "", dedup.SIDES[0]
        block = (asked, item.statement.culture, scenario.language, " ".join(left), side)
        passed.append(dedup.Entry(item.statement.id, block, item.statement.first_person, scenario.language))
    return passed


def samples_if_new(item: Judged, scenario: Scenario) -> dict[str, Shape]:
    """Return id and shape of the samples that are kept unless another statement says the same."""
    keep, flag, asked = scenario.distill.keep, flags(item, scenario), asked_yet(item.phase, scenario.protocol)
    return {
        sample_id: shape
        for sample_id, shape in shapes_of(item, scenario)
        if drop_reason(item.verdicts, keep, False, flag, shape, asked, item.picked) is None
    }


def shapes_of(item: Judged, scenario: Scenario) -> list[tuple[str, Shape]]:
    """Return id and shape of all samples of a statement."""
    fitting = shapes(item.statement, item.casting, scenario.samples)
    return [(f"{item.statement.id}.x{number}", shape) for number, shape in enumerate(fitting, start=1)]


def side_of(item: Judged) -> int:
    """Return the side of the seed's scale that a statement takes; 0 if none."""
    stance = item.casting.by_key(item.statement.persona_key).stance
    relation, _ = item.verdicts.get("stance", (None, ""))
    return side_taken(item.casting.seed.item, stance.code if stance else None, relation)


def samples_of(judged: Sequence[Judged], repeated: Collection[str], scenario: Scenario) -> list[tuple[str, Sample]]:
    """Return every sample of a run with its id, kept or dropped with the reason.

    Args:
        repeated: ids of the statements that others stand for.
    """
    language = load_language(scenario.language)
    samples = []
    for item in judged:
        statement, flag = item.statement, flags(item, scenario)
        asked = asked_yet(item.phase, scenario.protocol)
        for sample_id, shape in shapes_of(item, scenario):
            again = statement.id in repeated
            reason = drop_reason(item.verdicts, scenario.distill.keep, again, flag, shape, asked, item.picked)
            sample = shape_sample(statement, item.casting, shape, item.phase, language, reason, flag)
            samples.append((sample_id, sample))
    return without_twins(samples)


def asked_yet(phase: str, protocol: str) -> bool:
    """Return whether the seed's question has been put before a phase, or in it."""
    return phase != "opening" or protocol_of(protocol).opens_with_question


def flags(item: Judged, scenario: Scenario) -> str:
    published = scenario.distill.rewrite == AS_PUBLISHED and item.statement.rewritten_from
    return " ".join(flag for flag, is_set in ((AS_PUBLISHED, published), (UNFOUNDED, item.unfounded)) if is_set)


def settled(verdicts: Sequence[tuple[Relation, str]]) -> tuple[Relation, str]:
    """Return relation and decision of all verdicts on one statement by one criterion together. Pure."""
    if len(verdicts) == 1:
        return verdicts[0]
    if any(decision == "keep" for _, decision in verdicts):
        return "entail", "keep"
    unread = sum(relation == "unparsable" for relation, _ in verdicts)
    return ("unparsable" if 2 * unread > len(verdicts) else "contradict"), "drop"
