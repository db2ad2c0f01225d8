"""What came of a statement, as paragraphs: its samples, and what reviewers say of anything. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from culturepark.domain import trained_form
from culturepark.glossary import DROPPED as NOT_KEPT
from culturepark.glossary import in_words
from culturepark.replay import signs
from culturepark.store.dialogue_view import Scene
from culturepark.store.tables import SampleRow
from culturepark.terminal.blocks import Look, Para, Stop
from culturepark.terminal.safe import clip, safe

KEPT, DROPPED, NEITHER = "✓", "✗", "·"

LOOKS: dict[str, Look] = {"good": "good", "bad": "bad", "quiet": "muted"}
"""Of the inks that signs have."""


def of_sample(scene: Scene, sample: SampleRow) -> Stop:
    kept = sample.status == "kept"
    reason = sample.drop_reason or ""
    why = f": {safe(in_words(NOT_KEPT, reason))}" if reason else ""
    split = f", for {safe(sample.split)}" if sample.split else ""
    flag = f" ({safe(sample.flags)}: its rewording was kept unchecked)" if sample.flags else ""
    words = f"sample, {safe(sample.kind)}: {safe(sample.status)}{why}{split}{flag}"
    paras = [Para(words, head=f"{KEPT if kept else DROPPED} ", indent=3, head_look="good" if kept else "bad")]
    for role, content in messages(sample):
        paras.append(Para(content, head=f"{clip(role, 20):11}", indent=5, head_look="muted"))
    return Stop(sample.id, (*paras, *reviews(scene, sample.id, 5)))


def messages(sample: SampleRow) -> list[tuple[str, str]]:
    """Role and content of each, as they are trained on."""
    found = [message for message in json.loads(sample.messages) if isinstance(message, dict)]
    return [(str(message.get("role")), str(message.get("content"))) for message in found]


# --- reviews -------------------------------------------------------------------------------------------


def reviews(scene: Scene, subject: str, indent: int) -> Iterator[Para]:
    """Every reviewer's newest on a turn, statement or sample."""
    for row in scene.reviews.get(subject, ()):
        sign, word, ink = signs.DECISION[row.decision]
        rating = f", {row.rating} of 5" if row.rating else ""
        yield Para(f"review: {word} by {clip(row.reviewer, 60)}{rating}", LOOKS[ink], f"{sign} ", indent)
        if row.wording:
            yield Para(row.wording, head="should say  ", indent=indent + 2, head_look="muted")
        if row.note:
            yield Para(row.note, head="note  ", indent=indent + 2, head_look="muted")


def wording_of(scene: Scene, subject: str) -> str:
    """What other words may be put in place of: a turn's text, what a statement is trained on as, a sample's answer."""
    for spoken in scene.turns:
        if spoken.id == subject:
            return spoken.turn.text
        for one in spoken.statements:
            if one.row.id == subject:
                return str(getattr(one.row, trained_form(one.row.kind)))
            for sample in one.samples:
                if sample.id == subject:
                    return "".join(content for _, content in messages(sample)[-1:])
    return ""
