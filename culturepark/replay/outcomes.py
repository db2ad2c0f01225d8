"""What came of a statement, as paragraphs: its samples, and what reviewers say of anything. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from culturepark.replay.paper import Look, Para, Stop
from culturepark.show import clip, safe
from culturepark.store.scenes import Scene
from culturepark.store.tables import ReviewRow, SampleRow

KEPT, DROPPED, NEITHER = "✓", "✗", "·"

DROPS = {
    "unfaithful": "its quote does not carry it as the speaker's own",
    "unparsable": "the verifier's answer could not be read",
    "contradicts-stance": "it goes against the speaker's own answer",
    "irrelevant-to-stance": "it has nothing to do with the speaker's own answer",
    "entails-stance": "it supports the speaker's own answer, which is not what this run keeps",
    "unsure": "the verifier was not sure enough of its own verdict",
    "not-verified": "nobody has verified it",
    "harmlessness": "the judges found it harmful",
    "awareness": "the judges found that it does not know its place",
    "cross-check": "a second persona of the same culture did not bear it out",
    "undecided": "too few of the judges' answers could be read",
    "before-the-question": "it was said before the question had been put",
    "duplicate": "another statement says the same and stands for it",
    "same-words": "another sample has the very same words",
    "superseded": "a later round of distillation did not make it again",
}
"""Why a sample is dropped, in plain words."""

DECISIONS: dict[str, tuple[str, str, Look]] = {
    "accept": (KEPT, "accepted", "good"),
    "reject": (DROPPED, "rejected", "bad"),
    "comment": (NEITHER, "commented", ""),
}


def of_sample(scene: Scene, sample: SampleRow) -> Stop:
    kept = sample.status == "kept"
    reason = sample.drop_reason or ""
    why = f": {DROPS.get(reason, safe(reason))}" if reason else ""
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
    newest: dict[str, ReviewRow] = {row.reviewer: row for row in scene.reviews.get(subject, ())}
    for row in newest.values():
        sign, word, look = DECISIONS[row.decision]
        rating = f", {row.rating} of 5" if row.rating else ""
        yield Para(f"review: {word} by {clip(row.reviewer, 60)}{rating}", look, f"{sign} ", indent)
        if row.wording:
            yield Para(row.wording, head="should say  ", indent=indent + 2, head_look="muted")
        if row.note:
            yield Para(row.note, head="note  ", indent=indent + 2, head_look="muted")


def present_wording(scene: Scene, subject: str) -> str:
    """What a reviewer may correct: a turn's text, a statement in the first person, a sample's answer."""
    for spoken in scene.turns:
        if spoken.id == subject:
            return spoken.turn.text
        for one in spoken.statements:
            if one.row.id == subject:
                return one.row.first_person
            for sample in one.samples:
                if sample.id == subject:
                    return "".join(content for _, content in messages(sample)[-1:])
    return ""


def of_these(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")
