"""The dialogues of a run in the page: JSON, compressed, in base64. They are packed one at a time.

The talk of several dialogues is one pack, because a search reads all talk. The calls of each dialogue are a pack of
their own, which is unpacked when a reader opens them. Calls are most of a page, although the prompts of one dialogue
repeat each other and are compressed to a twentieth.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from culturepark.domain import DEFAULT_LANGUAGE, JsonObject
from culturepark.glossary import GROUNDS_SHORT, for_the_page, in_words, relation_in_words
from culturepark.interface import tr
from culturepark.redact import bare, without_secrets
from culturepark.store.dialogue_view import Cluster, Mined, Scene, Scenes, Spoken
from culturepark.store.reasons import beside, no_sample, no_statement, slip_in_words
from culturepark.store.search import cause
from culturepark.store.tables import CallRow, ReviewRow

TALK_CHARACTERS = 1_000_000
"""Characters of JSON after which a pack of talk is closed."""
TALK_DIALOGUES = 20


@dataclass(frozen=True)
class Pack:
    """A piece of data in the page."""

    name: str
    """Part of its id in the page."""
    data: str
    """Base64 of JSON under zlib: letters, digits, `+`, `/` and `=`, none of which means anything in HTML."""


class Reviewers(dict[str, str]):
    """Names for reviewers on the page, which is passed on to others: a login name is private."""

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
    """Packs dialogue after dialogue, and last the pack `index` with the values for lists and filters."""

    scenes: Scenes
    reviewers: Reviewers = field(default_factory=Reviewers)
    lines: list[JsonObject] = field(default_factory=list)
    _talk: list[str] = field(default_factory=list)
    _size: int = 0
    _number: int = 0

    def packs(self, ids: Sequence[str], done: Callable[[], None] = lambda: None) -> Iterator[Pack]:
        """
        Args:
            ids: dialogues, in their order.
            done: called after each dialogue.
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
        seated = {key for line in self.lines for key, _ in line["people"]}
        return {
            "run": self.scenes.run.id,
            "words": for_the_page(),
            "seeds": {
                seed.key: {
                    "question": seed.question,
                    "topic": seed.topic,
                    "item": seed.item.key if seed.item else None,
                    "source": seed.item.source if seed.item else None,
                }
                for seed in edition.scenario.seeds
            },
            "people": {
                persona.key: persona.model_dump(mode="json") | {"land": persona.country_name}
                for persona in edition.personas
                if persona.key in seated
            },
            "dialogues": self.lines,
        }


def dumped(value: Any) -> str:
    """Return ASCII JSON, which can hold a lone surrogate, without the secrets that this process knows."""
    return str(without_secrets(json.dumps(value, ensure_ascii=True, separators=(",", ":"))))


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode("ascii"), 9)).decode("ascii")


def line_of(scene: Scene) -> JsonObject:
    """Return the values of a dialogue for the list and its filters, which are those of `store/search`."""
    row = scene.dialogue
    return {
        "id": row.id,
        "number": row.number,
        "seed": row.seed_key,
        "status": row.status,
        "stop": cause(row.stop_reason or row.status),
        "people": [[seated.persona.key, seated.persona.culture] for seated in scene.people],
        "turns": len(scene.turns),
        "statements": len(scene.statements),
        "kept": sum(mined.kept for mined in scene.statements),
        "kinds": sorted({mined.row.kind for mined in scene.statements}),
        "verdicts": sorted(
            {
                verdict.relation
                for mined in scene.statements
                for verdict in mined.verdicts
                if verdict.round == scene.run.verify_round and verdict.criterion in ("faithful", "stance")
            }
        ),
        "parent": row.parent_id,
    } | in_language(row.language, DEFAULT_LANGUAGE)


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
            {"key": seat.persona.key, "code": seat.stance_code, "stance": seat.stance_text, "shares": seat.shares}
            for seat in scene.people
        ],
        "turns": [turn_of(scene, turn) for turn in scene.turns],
    } | in_language(row.language, DEFAULT_LANGUAGE)


def turn_of(scene: Scene, spoken: Spoken) -> JsonObject:
    turn = spoken.turn
    return {
        "id": spoken.id,
        "speaker": turn.speaker,
        "name": tr("The user") if turn.role == "user" else spoken.name,  # `You` is right only for the user
        "culture": spoken.culture,
        "role": turn.role,
        "phase": turn.phase,
        "text": turn.text,
        "origin": turn.origin,
        "call": turn.call_id,
        "beside": list(beside(turn, scene.called)),
        "slips": [
            {"kind": slip.kind, "note": slip.note, "words": slip_in_words(slip), "call": slip.call_id}
            for slip in spoken.slips
        ],
        "reviews": reviews_of(scene, spoken.id),
        "statements": [statement_of(scene, mined) for mined in spoken.statements],
        "why": None if spoken.statements else no_statement(scene, turn),
        **in_language(turn.language, scene.dialogue.language),
        **rendered({"language": one.language, "text": one.text} for one in turn.renderings),
    }


def statement_of(scene: Scene, mined: Mined) -> JsonObject:
    row = mined.row
    return {
        "id": row.id,
        "kind": row.kind,
        "text": row.text,
        "first_person": row.first_person,
        "start": row.quote_start,
        "end": row.quote_end,
        "call": row.call_id,
        "facts": [{"label": fact.label, "text": fact.text, "id": fact.leads_to} for fact in scene.facts(row)],
        "before": {"id": mined.before.id, "text": mined.before.text} if mined.before else None,
        "after": mined.after,
        "verdicts": [
            verdict.model_dump(exclude={"statement_id", "round"})
            | {
                "counts": verdict.round == scene.run.verify_round,
                "words": relation_in_words(verdict.criterion, verdict.relation),
            }
            for verdict in mined.verdicts
        ],
        "cluster": cluster_of(mined.cluster) if mined.cluster else None,
        "samples": [
            {
                "id": sample.id,
                "kind": sample.kind,
                "status": sample.status,
                "reason": sample.drop_reason,
                "split": sample.split,
                "flags": sample.flags,
                "content": in_words(GROUNDS_SHORT, sample.provenance) if sample.provenance else None,
                "beside": sample.beside,
                "messages": json.loads(sample.messages),
                "reviews": reviews_of(scene, sample.id),
                **in_language(sample.language, scene.dialogue.language),
            }
            for sample in mined.samples
        ],
        "why": None if mined.samples else no_sample(scene, mined),
        "reviews": reviews_of(scene, row.id),
        **in_language(row.language, scene.dialogue.language),
        **rendered(one.model_dump(exclude={"statement_id", "call_id", "checked_by"}) for one in mined.renderings),
    }


def in_language(code: str | None, around: str) -> JsonObject:
    """Return the language of something, where it is another one than that of what is around it."""
    return {} if code in (None, around) else {"language": code}


def rendered(renderings: Iterable[JsonObject]) -> JsonObject:
    found = list(renderings)
    return {"renderings": found} if found else {}


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
    """Return subject -> calls, with request and response as they are stored."""
    left_out = {"run_id", "subject_id", "request_digest", "prompt_digest"}
    return {
        subject: [row.model_dump(exclude=left_out) | {"endpoint": bare(row.endpoint)} for row in rows]
        for subject, rows in calls.items()
    }
