"""Statements as fine-tuning samples. Pure: the wording comes whole from the statement or from a fixed template.

First person is what the speaker said or what the extractor was asked for and the verifier accepted; no word inside a
sentence is ever replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.stance import side_taken
from culturepark.distill import dedup, quotes
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
CHECKS: tuple[Criterion, ...] = ("harmlessness", "awareness", "cross-check")

AFTER_VERIFYING = ("before-the-question", "duplicate", "same-words", "review")
"""Why samples of a statement that passed verification may still not be kept."""

OFF_TOPIC = ("opening", "introduce", "talk", "closing")
"""Phases in which people speak of other things than the seed."""


def shapes(statement: Statement, casting: Casting, wanted: Sequence[Shape]) -> list[Shape]:
    """In which shapes a statement can be told."""
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
) -> str | None:
    """Why a statement's samples are not kept; None if they are.

    A survey answer has its own rule: whatever is kept, only what supports the answer is a reason for it.

    Args:
        verdicts: criterion -> (relation, decision).
        keep: relations to the stance that the scenario keeps.
        asked_yet: whether the seed's question had been put when this was said.
    """
    if flags != "as-published":
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
    """One statement in one shape; `phase` is that of its turn."""
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
    # What somebody introduces from home need not be about the seed; nor need a sentence that nobody has read for that.
    on_topic = phase not in OFF_TOPIC and statement.text != quotes.attributed(persona, statement.quote, language)
    asked = f"{heading}-on-topic" if shape == "norm" and on_topic else heading
    # Whoever names the answer in the reason need not be made to say it twice.
    says_it = shape == "survey" and f"“{values['stance']}”" in statement.first_person

    def say(heading: str, part: str) -> str:
        return language.section("samples", heading, part).render(**values)

    return Sample(
        statement_id=statement.id,
        culture=statement.culture,
        kind=shape,
        messages=(
            {"role": "system", "content": say("system", "text")},
            {"role": "user", "content": say(asked, "user")},
            {"role": "assistant", "content": say("survey-with-stance" if says_it else heading, "assistant")},
        ),
        status="dropped" if reason else "kept",
        drop_reason=reason,
        flags=flags,
    )


def without_twins(samples: Sequence[tuple[str, Sample]]) -> list[tuple[str, Sample]]:
    """Of kept samples with the very same words, only the first stays kept: no row is trained on twice."""
    seen: set[str] = set()
    out = []
    for sample_id, sample in samples:
        words = repr(sample.messages)
        if sample.status == "kept" and words in seen:
            sample = sample.model_copy(update={"status": "dropped", "drop_reason": "same-words"})
        elif sample.status == "kept":
            seen.add(words)
        out.append((sample_id, sample))
    return out


# --- a run --------------------------------------------------------------------------------------------


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
        if drop_reason(one.verdicts, scenario.distill.keep, False, flags(one, scenario)) is not None:
            continue
        told = told_as(one, scenario)
        left = [shape for sample_id, shape in told.items() if not rejected(sample_id)]
        if told and not left:
            continue
        seed, culture, side = one.casting.seed.key, one.statement.culture, dedup.SIDES[side_of(one)]
        block = (seed, culture, scenario.language, " ".join(left), side)
        found.append(dedup.Entry(one.statement.id, block, one.statement.first_person, scenario.language))
    return found


def told_as(one: Judged, scenario: Scenario) -> dict[str, Shape]:
    """The samples that are kept if nobody has said it before; what has other shapes cannot stand for these."""
    keep, flag, asked = scenario.distill.keep, flags(one, scenario), asked_yet(one.phase, scenario.protocol)
    return {
        sample_id: shape
        for sample_id, shape in shapes_of(one, scenario)
        if drop_reason(one.verdicts, keep, False, flag, shape, asked) is None
    }


def shapes_of(one: Judged, scenario: Scenario) -> list[tuple[str, Shape]]:
    """Id and shape of all samples of a statement."""
    fitting = shapes(one.statement, one.casting, scenario.samples)
    return [(f"{one.statement.id}.x{number}", shape) for number, shape in enumerate(fitting, start=1)]


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
    language = load_language(scenario.language)
    found = []
    for one in judged:
        statement, flag = one.statement, flags(one, scenario)
        asked = asked_yet(one.phase, scenario.protocol)
        for sample_id, shape in shapes_of(one, scenario):
            again = statement.id in repeated
            reason = drop_reason(one.verdicts, scenario.distill.keep, again, flag, shape, asked)
            sample = shape_sample(statement, one.casting, shape, one.phase, language, reason, flag)
            found.append((sample_id, sample))
    return without_twins(found)


def asked_yet(phase: str, protocol: str) -> bool:
    """Whether the seed's question has been put to whoever speaks in a phase."""
    return phase != "opening" or protocol_of(protocol).opens_with_question


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
