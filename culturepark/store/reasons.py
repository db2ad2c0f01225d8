"""Reasons for turns without statements and statements without samples, for the screen and the report page."""

from __future__ import annotations

import json

from culturepark.domain import Turn
from culturepark.store.dialogue_view import Mined, Scene
from culturepark.terminal.safe import clip, safe


def no_statement(scene: Scene, turn: Turn) -> str:
    row = scene.dialogue
    if turn.origin == "edited":
        return "Edited: this was put in place of what was said, and is never mined."
    if turn.role == "user":
        return "Typed by the person at the keyboard, who has no card here and is never mined."
    if turn.origin == "cue":
        return "A fixed cue of the moderator's, written before the talk; only what personas say themselves is mined."
    if turn.origin == "fallback":
        return "A fixed follow-up, put in because the moderator's own was refused twice; it is not mined."
    if turn.role == "moderator":
        return "The moderator's words are not mined; only what personas say themselves is."
    if turn.position <= (row.branched_at or 0):
        return f"Taken over from {safe(row.parent_id)}; what was said there is mined there."
    if row.extracted < scene.run.extract_round:
        if row.status in ("failed", "stopped"):
            why = f" ({clip(row.stop_reason, 200)})" if row.stop_reason else ""
            return f"Not mined: the dialogue was broken off{why}."
        return "Not mined yet."
    listed = ", ".join(f"{safe(reason)} {count}" for reason, count in sorted(json.loads(row.rejected).items()))
    more = f" In the whole dialogue these proposals were turned down: {listed}." if listed else ""
    return f"Nothing was mined: no statement was found in it whose quote may stand.{more}"


def no_sample(scene: Scene, mined: Mined) -> str:
    counting = [verdict for verdict in mined.verdicts if verdict.round == scene.run.verify_round]
    if mined.after:
        return "reworded"
    if any(verdict.decision == "drop" for verdict in counting):
        return "dropped"
    if not counting:
        return "not verified yet"
    from culturepark.distill.samples import shapes

    if not shapes(mined.row.noun(), scene.casting, scene.shapes):
        return "passed; no shape of this run fits it"
    return "passed so far; no sample of it yet"
