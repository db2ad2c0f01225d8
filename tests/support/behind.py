"""A scene in which everything has happened that can happen to a statement, and apps that show one widget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from textual.app import App, ComposeResult
from textual.screen import ModalScreen
from textual.widget import Widget

from culturepark.domain import JsonObject
from culturepark.replay.app import Replay
from culturepark.replay.widgets.frame import THEME
from culturepark.store.dialogue_view import Scene, Scenes
from culturepark.store.tables import CallRow, ReviewRow
from tests.support.fakes import (
    ELIF,
    JENNA,
    MODERATOR,
    FakeModel,
    Held,
    answering,
    edition,
    hold_said,
    judged,
    proposals,
)

TEA = "When guests get up to leave we pour one more glass of tea, and they sit down again."
AGAIN = "We pour one more glass of tea when guests get up to leave, and they sit down again."
BAD = "I think people from the villages are lazy, all of them."
JOB = "I think a job belongs to whoever does it best, man or woman."
NO = "My own answer is no, because I earn my own money."
WRONG = "Elif from Konya says that men come first."
WRONG_I = "I want men first."
RIGHT = "Elif from Konya says that women earn their own money and need not come second."
RIGHT_I = "My answer is no: I earn my own money and need not come second."
TALK = [
    (MODERATOR, "Welcome to you both."),
    (JENNA, JOB),
    (ELIF, f"I have thought about it. {TEA} {NO}"),
    (ELIF, f"{BAD} And as I said. {AGAIN}"),
    (JENNA, "Well, well, well."),
]
FOUND = ((2, "opinion", JOB), (3, "custom", TEA), (4, "opinion", BAD))
NOW = "2026-11-21T10:00:00+00:00"


def held(tmp_path: Path) -> Held:
    """Held by a fake model; the same every time but for its calls' times."""

    def statements(_: JsonObject) -> JsonObject:
        said = [proposals(one)["statements"][0] for one in FOUND]
        said += proposals((3, "opinion", NO), statement=WRONG, first_person=WRONG_I)["statements"]
        said += [proposals((4, "custom", AGAIN), first_person=f"I say it like this: {TEA}")["statements"][0]]
        return {"statements": sorted(said, key=lambda one: int(one["turn"]))}

    def verdicts(asked: JsonObject) -> JsonObject:
        answer = judged(asked)
        for item, given in zip(asked["items"], answer["verdicts"], strict=True):
            if item["first_person"] == WRONG_I:
                given["stance"] = "contradict"
        return answer

    def scores(asked: JsonObject) -> JsonObject:
        given = [(item["id"], 2 if BAD in item["text"] else 5) for item in asked["items"]]
        return {"items": [{"id": i, "reason": f"That deserves a {s}.", "score": s} for i, s in given]}

    def cross_check(asked: JsonObject) -> JsonObject:
        return {"items": [{"id": one["id"], "words": "With us too.", "answer": "shared"} for one in asked["items"]]}

    model = FakeModel(
        answering(
            statements=statements,
            verdicts=verdicts,
            rewording=lambda _: {"statement": RIGHT, "first_person": RIGHT_I},
            scores=scores,
            cross_check=cross_check,
        )
    )
    checks = {"harmlessness": {"at_least": 4}, "judges": 2, "cross_check": {}}
    people = (JENNA, ELIF, "turkish-cevdet", "turkish-gulsah")  # the answer fits Elif better than the other two
    return hold_said(tmp_path, TALK, model, edition(people=people, distill={"checks": checks}))


def scene_of(held: Held) -> Scene:
    return Scenes(held.store, held.run_id).scene(f"{held.run_id}.d1")


def review(subject: str, reviewer: str, decision: str, number: int = 1, **more: Any) -> ReviewRow:
    return ReviewRow(
        id=f"{subject}.{reviewer}{number}",
        subject_id=subject,
        reviewer=reviewer,
        decision=decision,
        created_at=NOW,
        **more,
    )


def reviewed(scene: Scene, *rows: ReviewRow) -> Scene:
    return replace(
        scene, reviews={row.subject_id: tuple(r for r in rows if r.subject_id == row.subject_id) for row in rows}
    )


def call(number: int = 1, **changes: Any) -> CallRow:
    """An answered call; by hand, because times differ from run to run."""
    values: dict[str, Any] = {
        "id": f"held.d1.t3.c{number}",
        "run_id": "held",
        "stage": "dialogue",
        "subject_id": "held.d1.t3",
        "model": "gpt-4o-mini",
        "endpoint": "https://api.openai.com/v1",
        "prompt_digest": "0123456789abcdef0123",
        "request_digest": "ff",
        "request": '{"max_tokens":220,"messages":[{"content":"You are Elif.","role":"system"},'
        '{"content":"What do you think?","role":"user"}],"model":"gpt-4o-mini","seed":7,"temperature":0.9}',
        "response": '{"choices":[{"finish_reason":"stop","message":{"content":"I earn my own money.",'
        '"role":"assistant"}}]}',
        "prompt_tokens": 1490,
        "cached_tokens": 1024,
        "completion_tokens": 38,
        "tokens_from": "server",
        "cost_usd": 0.000246,
        "finish_reason": "stop",
        "seed": 7,
        "attempt": 1,
        "started_at": NOW,
        "duration_ms": 1234,
    }
    return CallRow(**values | changes)


W = TypeVar("W", bound=Widget)


class Themed(App[None]):
    """In the colours of the product, and with its style."""

    CSS = Replay.CSS

    def __init__(self) -> None:
        super().__init__()
        self.register_theme(THEME)
        self.theme = THEME.name


class Alone(Themed, Generic[W]):
    """One widget."""

    def __init__(self, widget: W) -> None:
        super().__init__()
        self.widget = widget
        self.heard: list[Any] = []

    def compose(self) -> ComposeResult:
        yield self.widget

    def on_evidence_panel_changed(self, event: Any) -> None:
        self.heard.append(event.subject)

    def on_evidence_panel_go(self, event: Any) -> None:
        self.heard.append(("go", event.statement_id))


class Over(Themed):
    """One screen that is laid over an empty one."""

    def __init__(self, shown: ModalScreen[Any]) -> None:
        super().__init__()
        self.shown = shown
        self.results: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self.shown, self.results.append)
