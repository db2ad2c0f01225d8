"""What stands beside a turn, and reasons for turns without statements and statements without samples, in words.

The screen, plain text, traces and the report page all show these.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from culturepark.domain import Slip, Turn
from culturepark.glossary import ACTS, PROVENANCE, ROW_QUESTIONS, SLIP_OUTCOMES, SLIPS, TOLD, in_words
from culturepark.interface import tr
from culturepark.terminal.safe import clip, safe

if TYPE_CHECKING:
    from culturepark.store.dialogue_view import Mined, Scene

BESIDE = (*ROW_QUESTIONS, "carried")
"""Criteria by which no statement falls as such: they decide which rows it makes, and where its content comes from."""


def beside(turn: Turn, names: Mapping[str, str]) -> Iterator[str]:
    """Yield what the moderator did with a turn and why, or what its speaker says of it.

    Args:
        names: by persona's key, to name whom a turn asks.
    """
    if turn.act:
        whom = f" ({clip(names.get(turn.addressee, turn.addressee), 60)})" if turn.addressee else ""
        why = f": {clip(turn.reason, 300)}" if turn.reason else ""
        yield tr("The moderator {acts}", acts=in_words(ACTS, turn.act)) + whom + why
    if mark := turn.mark:
        parts = []
        if mark.told:
            parts.append(tr("tells {what}", what=", ".join(in_words(TOLD, told) for told in mark.told)))
        if mark.grounds:
            grounds = ", ".join(in_words(PROVENANCE, one) for one in mark.grounds)
            parts.append(tr("takes rules and customs from {grounds}", grounds=grounds))
        if mark.asks:
            parts.append(tr("asks {name}", name=clip(names.get(mark.asks, mark.asks), 60)))
        if parts:
            yield tr("By its own mark it {does}", does="; ".join(parts))


def slip_in_words(slip: Slip) -> str:
    note = f" ({safe(slip.note)})" if slip.note else ""
    return tr(
        "Slip: it {slips}, “{quote}”{note}; {outcome}",
        slips=in_words(SLIPS, slip.kind),
        quote=safe(slip.quote),
        note=note,
        outcome=in_words(SLIP_OUTCOMES, slip.outcome),
    )


def no_statement(scene: Scene, turn: Turn) -> str:
    row = scene.dialogue
    if turn.origin == "edited":
        return tr("Edited: this was put in place of what was said, and is never mined.")
    if turn.role == "user":
        return tr("Typed by the person at the keyboard, who has no card here and is never mined.")
    if turn.origin == "cue":
        return tr(
            "A fixed cue of the moderator's, written before the talk; only what personas say themselves is mined."
        )
    if turn.origin == "fallback":
        return tr("A fixed follow-up, put in because the moderator's own was refused twice; it is not mined.")
    if turn.role == "moderator":
        return tr("The moderator's words are not mined; only what personas say themselves is.")
    if turn.position <= (row.branched_at or 0):
        return tr("Taken over from {dialogue}; what was said there is mined there.", dialogue=safe(row.parent_id))
    slips = (slip for spoken in scene.turns if spoken.turn.position == turn.position for slip in spoken.slips)
    if any(slip.outcome == "not mined" for slip in slips):
        return tr("Not mined, because of a slip.")
    if row.extracted < scene.run.extract_round:
        if row.status in ("failed", "stopped"):
            why = f" ({clip(row.stop_reason, 200)})" if row.stop_reason else ""
            return tr("Not mined: the dialogue was broken off{why}.", why=why)
        return tr("Not mined yet.")
    listed = ", ".join(f"{safe(reason)} {count}" for reason, count in sorted(json.loads(row.rejected).items()))
    nothing = tr("Nothing was mined: no statement was found in it whose quote may stand.")
    if not listed:
        return nothing
    return f"{nothing} " + tr("In the whole dialogue these proposals were turned down: {listed}.", listed=listed)


def no_sample(scene: Scene, mined: Mined) -> str:
    counting = [verdict for verdict in mined.verdicts if verdict.round == scene.run.verify_round]
    if mined.after:
        return tr("reworded")
    if any(verdict.decision == "drop" and verdict.criterion not in BESIDE for verdict in counting):
        return tr("dropped")
    if not counting:
        return tr("not verified yet")
    from culturepark.distill.samples import shapes

    if not shapes(mined.row.noun(), scene.casting, scene.shapes):
        return tr("passed; no shape of this run fits it")
    return tr("passed so far; no sample of it yet")
