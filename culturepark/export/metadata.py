"""The column `metadata` of rows: what is known of a row beside its words. Every row has every key.

Keys, their order and their types are a contract with other people's scripts; docs/export.md lists them.
"""

from __future__ import annotations

from typing import Any, get_args

from culturepark.distill.checks import panel_score
from culturepark.domain import Scored
from culturepark.stats.figures import Figures
from culturepark.store.evidence import Behind

COLUMN = "metadata"


class Metadata(Figures):
    """What is behind one answer; None where it is not known, or where a row has no such thing."""

    id: str
    """Of the sample, or of the participant's view of a dialogue."""
    run: str
    statement: str | None
    """Id of the statement; None for a whole dialogue, and so are all that say so below."""
    culture: str
    country: str | None
    """ISO 3166 alpha-3."""
    language: str
    persona: str
    seed: str
    """Key of the question."""
    topic: str
    kind: str | None
    """Of the statement: `opinion`, `norm` or `custom`; None for a whole dialogue."""
    shape: str | None
    """Of the sample; None for a whole dialogue."""
    stance_code: int | None
    """The survey answer that the person was given."""
    stance: str | None
    """The same in words."""
    provenance: str | None
    """`card`, `episode` or `model`; None for a whole dialogue."""
    source: str | None
    """The line of the card: `norm 2`, `scene 1` ...; None for a whole dialogue."""
    model: str | None
    """Name of the model that spoke; of several, with a comma between them."""
    confidence: float | None
    """The least of the verifier's probabilities (0-1) of the verdicts that kept the statement; None for a whole
    dialogue, and where the endpoint gave none."""
    harmlessness: float | None
    """The panel's score, 1 to 5; None where that check was not made."""
    awareness: float | None
    """The same."""
    cross_check: str | None
    """What a second persona said: `shared`, `varies`, `unknown` or `denied`; None where nobody was asked."""
    flags: str
    """Words with a space between them, mostly none."""


class PairMetadata(Metadata):
    """What is behind a pair: the chosen answer's own, and that of the rejected one."""

    rejected: Metadata


def metadata_of(one: Behind) -> Metadata:
    spoken, speaker = one.spoken, one.participant
    verdicts = spoken.verdicts if spoken else ()
    sure = [one.confidence for one in verdicts if one.decision == "keep" and one.confidence is not None]
    scores = {name: [v.score for v in verdicts if v.criterion == name] for name in get_args(Scored)}
    return Metadata(
        id=one.id,
        run=one.run.id,
        statement=spoken.statement.id if spoken else None,
        culture=spoken.sample.culture if spoken else speaker.culture,
        country=speaker.country,
        language=one.language,
        persona=one.persona.key,
        seed=one.seed.key,
        topic=one.seed.topic,
        kind=spoken.statement.kind if spoken else None,
        shape=spoken.sample.kind if spoken else None,
        stance_code=speaker.stance_code,
        stance=speaker.stance_text,
        provenance=spoken.sample.provenance if spoken else None,
        source=spoken.statement.source if spoken else None,
        model=", ".join(one.models) or None,
        confidence=min(sure, default=None),
        **{name: panel_score(given) for name, given in scores.items()},
        cross_check=next((one.answer for one in verdicts if one.criterion == "cross-check"), None),
        flags=spoken.sample.flags if spoken else "",
    )


def with_metadata(row: dict[str, Any], chosen: Behind, *rejected: Behind) -> dict[str, Any]:
    """Return a row with its metadata in one column more."""
    own = metadata_of(chosen)
    for other in rejected:
        own = PairMetadata(**own.as_json(), rejected=metadata_of(other))
    return row | {COLUMN: own.as_json()}


def kinds(pairs: bool) -> dict[str, Any]:
    """Return key -> `str`, `int` or `float`, in the order of the keys; of the rejected answer of a pair a mapping."""
    own = {name: known(field.annotation) for name, field in Metadata.model_fields.items()}
    return own | {"rejected": own} if pairs else own


def known(annotation: Any) -> Any:
    """Return the type of a value that is not None."""
    return next((kind for kind in get_args(annotation) if kind is not type(None)), annotation)
