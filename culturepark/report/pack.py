"""The dialogues of a run as the page carries them: JSON, compressed, in base64. One at a time; memory stays flat.

The talk of several dialogues stands together, because a search reads all of it. Calls stand by dialogue, and are only
unpacked where somebody looks at them. They are most of a page, although prompts of one dialogue repeat each other and
so shrink to a twentieth.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from culturepark.domain import JsonObject
from culturepark.glossary import FOR_THE_PAGE
from culturepark.redact import bare, without_secrets
from culturepark.store.dialogue_view import Cluster, Mined, Scene, Scenes, Spoken
from culturepark.store.reasons import no_sample, no_statement
from culturepark.store.search import cause
from culturepark.store.tables import CallRow, ReviewRow

TALK_CHARACTERS = 1_000_000
"""Of JSON, after which a pack of talk is closed."""
TALK_DIALOGUES = 20


@dataclass(frozen=True)
class Pack:
    """A piece of data in the page."""

    name: str
    """In the page's id of it."""
    data: str
    """Base64 of JSON under zlib: letters, digits, `+`, `/` and `=`, so that nothing in it can mean anything in HTML."""


class Reviewers(dict[str, str]):
    """What reviewers are called on a page that goes to others: a login name is nobody else's business."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        super().__init__()
        for name in names:
            self[name]

    def __missing__(self, name: str) -> str:
        self[name] = called = f"reviewer {len(self) + 1}"
        return called

    def unnamed(self, scene: Scene) -> Scene:
        reviews = {
            subject: tuple(ReviewRow(**row.model_dump() | {"reviewer": self[row.reviewer]}) for row in rows)
            for subject, rows in scene.reviews.items()
        }
        return replace(scene, reviews=reviews)


@dataclass
class Packer:
    """Packs dialogue after dialogue; what lists and filters need of each comes last, in the pack `index`."""

    scenes: Scenes
    reviewers: Reviewers = field(default_factory=Reviewers)
    lines: list[JsonObject] = field(default_factory=list)
    _talk: list[str] = field(default_factory=list)
    _size: int = 0
    _number: int = 0

    def packs(self, ids: Sequence[str], done: Callable[[], None] = lambda: None) -> Iterator[Pack]:
        """
        Args:
            ids: of the dialogues, in their order.
            done: called after each.
        """
        for number, dialogue_id in enumerate(ids):
            scene = self.reviewers.unnamed(self.scenes.scene(dialogue_id))
            text = dumped(talk_of(scene))
            if self._talk and (self._size + len(text) > TALK_CHARACTERS or len(self._talk) == TALK_DIALOGUES):
                yield self._close()
            self._talk.append(text)
            self._size += len(text)
            calls = self.scenes.all_calls(scene)
            name = f"calls-{number}" if calls else None
            self.lines.append(line_of(scene) | {"talk": f"talk-{self._number}", "calls": name})
            if name:
                yield Pack(name, packed(dumped(calls_of(calls))))
            done()
        if self._talk:
            yield self._close()
        yield Pack("index", packed(dumped(self._index())))

    def _close(self) -> Pack:
        pack = Pack(f"talk-{self._number}", packed(f"[{','.join(self._talk)}]"))
        self._talk, self._size, self._number = [], 0, self._number + 1
        return pack

    def _index(self) -> JsonObject:
        edition = self.scenes.edition
        return {
            "run": self.scenes.run.id,
            "words": FOR_THE_PAGE,
            "seeds": {
                seed.key: {
                    "question": seed.question,
                    "topic": seed.topic,
                    "item": seed.item.key if seed.item else None,
                    "source": seed.item.source if seed.item else None,
                }
                for seed in edition.scenario.seeds
            },
            "people": {one.key: one.model_dump(mode="json") | {"land": one.country_name} for one in edition.personas},
            "dialogues": self.lines,
        }


def dumped(value: Any) -> str:
    """ASCII, so that a lone surrogate comes through as it is; without the secrets that this process knows."""
    return str(without_secrets(json.dumps(value, ensure_ascii=True, separators=(",", ":"))))


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")


def line_of(scene: Scene) -> JsonObject:
    """What a list shows of a dialogue, and what the filters of `store.lists` ask of it."""
    mined = [one for turn in scene.turns for one in turn.statements]
    row = scene.dialogue
    return {
        "id": row.id,
        "number": row.number,
        "seed": row.seed_key,
        "status": row.status,
        "stop": cause(row.stop_reason or row.status),
        "people": [[one.persona.key, one.persona.culture] for one in scene.people],
        "turns": len(scene.turns),
        "statements": len(mined),
        "kept": sum(sample.status == "kept" for one in mined for sample in one.samples),
        "kinds": sorted({one.row.kind for one in mined}),
        "verdicts": sorted(
            {
                verdict.relation
                for one in mined
                for verdict in one.verdicts
                if verdict.round == scene.run.verify_round and verdict.criterion in ("faithful", "stance")
            }
        ),
        "parent": row.parent_id,
    }


def talk_of(scene: Scene) -> JsonObject:
    row = scene.dialogue
    return {
        "id": row.id,
        "setting": row.setting,
        "protocol": row.protocol,
        "stop": row.stop_reason,
        "error": row.error,
        "rejected": json.loads(row.rejected),
        "branched_at": row.branched_at,
        "people": [
            {"key": one.persona.key, "code": one.stance_code, "stance": one.stance_text, "shares": one.shares}
            for one in scene.people
        ],
        "turns": [turn_of(scene, turn) for turn in scene.turns],
    }


def turn_of(scene: Scene, spoken: Spoken) -> JsonObject:
    turn = spoken.turn
    return {
        "id": spoken.id,
        "speaker": turn.speaker,
        "name": "The user" if turn.role == "user" else spoken.name,  # `You` is for who reads it on the spot
        "culture": spoken.culture,
        "role": turn.role,
        "phase": turn.phase,
        "text": turn.text,
        "origin": turn.origin,
        "call": turn.call_id,
        "reviews": reviews_of(scene, spoken.id),
        "statements": [statement_of(scene, one) for one in spoken.statements],
        "why": None if spoken.statements else no_statement(scene, turn),
    }


def statement_of(scene: Scene, one: Mined) -> JsonObject:
    row = one.row
    return {
        "id": row.id,
        "kind": row.kind,
        "text": row.text,
        "first_person": row.first_person,
        "start": row.quote_start,
        "end": row.quote_end,
        "call": row.call_id,
        "before": {"id": one.before.id, "text": one.before.text} if one.before else None,
        "after": one.after,
        "verdicts": [
            verdict.model_dump(exclude={"statement_id", "round"}) | {"counts": verdict.round == scene.run.verify_round}
            for verdict in one.verdicts
        ],
        "cluster": cluster_of(one.cluster) if one.cluster else None,
        "samples": [
            {
                "id": sample.id,
                "kind": sample.kind,
                "status": sample.status,
                "reason": sample.drop_reason,
                "split": sample.split,
                "flags": sample.flags,
                "messages": json.loads(sample.messages),
                "reviews": reviews_of(scene, sample.id),
            }
            for sample in one.samples
        ],
        "why": None if one.samples else no_sample(scene, one),
        "reviews": reviews_of(scene, row.id),
    }


def cluster_of(cluster: Cluster) -> JsonObject:
    return {
        "representative": cluster.representative_id,
        "text": cluster.representative,
        "method": cluster.method,
        "similarity": cluster.similarity,
        "size": cluster.size,
        "members": cluster.members,
    }


def reviews_of(scene: Scene, subject_id: str) -> list[JsonObject]:
    return [row.model_dump(exclude={"id", "subject_id", "withdrawn_at"}) for row in scene.reviews.get(subject_id, ())]


def calls_of(calls: dict[str, list[CallRow]]) -> dict[str, list[JsonObject]]:
    """By what they were made for; request and response as they stand in the store."""
    left_out = {"run_id", "subject_id", "request_digest", "prompt_digest"}
    return {
        subject: [row.model_dump(exclude=left_out) | {"endpoint": bare(row.endpoint)} for row in rows]
        for subject, rows in calls.items()
    }
