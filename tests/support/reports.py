"""Runs with their report pages: one as runs are, and one in which everybody means harm."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from culturepark.domain import Edition, JsonObject
from culturepark.report import page as pages
from culturepark.store.search import Lists
from culturepark.store.tables import DialogueRow, ReviewRow, StatementRow, TurnRow
from tests.support.fakes import ELIF, JENNA, FakeModel, Held, answering, edition, hold, hold_said, judged, shipped
from tests.support.hostile import MARKUP, TERMINAL

PWN = "window.pwned = 1"
TRAPS = (
    f"<script>{PWN}</script>",
    f"</script><script>{PWN}</script>",
    f"<img src=x onerror='{PWN}'>",
    f"\"><svg onload='{PWN}'>",
    f"' onmouseover='{PWN}' x='",
    f"<a href='javascript:{PWN}'>click</a>",
    f"javascript:{PWN}",
    "<style>body{display:none}</style><link rel=stylesheet href=http://evil/x.css><iframe src=http://evil/>",
    f"]]><!--<script>{PWN}</script>-->",
    "{{ 7 * 7 }} {% raw %} ${7 * 7} __proto__ constructor hasOwnProperty",
    "one\u2028two\u2029three \u202egnihton\u202c \ud800",
    "سلام عليكم، هذا <b>نص</b> عربي", "আমি বাংলায় গান গাই", "我们在家里喝茶。한국어도 있다.",
)  # fmt: skip
LONG_WORD = "x" * 1_000_000


@dataclass(frozen=True)
class Shown:
    """A run and its page."""

    held: Held
    path: Path

    @property
    def html(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def lists(self) -> Lists:
        return Lists(self.held.store, self.held.run_id)


def show(held: Held) -> Shown:
    folder = Path(str(held.store.database.url.database)).parent
    out = folder / "report.html"
    pages.write(held.store, held.run_id, out, lambda *_: None)
    return Shown(held, out)


def friendly(folder: Path) -> Shown:
    """Four dialogues of two cultures beside the main contacts, on a norm and on a survey item."""
    one, survey = shipped("everyday-norms"), shipped("wvs7")
    seeds = (*one.scenario.seeds[:1], *survey.scenario.seeds[:1])
    changes = {"seeds": seeds, "cultures": ("turkish", "german"), "mine": ("delegate", "main")}
    few = one.scenario.model_copy(update=changes)
    held = hold(folder, one.model_copy(update={"scenario": few}), FakeModel())
    statement = next(row for row in held.rows(StatementRow) if row.kind == "norm")
    review = {"reviewer": "Ayşe", "decision": "reject", "rating": 2, "created_at": "2026-11-22T08:00:00.000Z"}
    with held.store.database.writing() as session:
        session.add(
            ReviewRow(id=f"{statement.id}.r1", subject_id=statement.id, note="not so", wording="Say it thus.", **review)
        )
        session.add(
            ReviewRow(id=f"{statement.id}.r2", subject_id=statement.id, note="taken back", withdrawn_at="x", **review)
        )
    return show(held)


def hostile_edition() -> Edition:
    one = edition()
    (seed,) = one.scenario.seeds
    assert seed.item is not None
    trap = " ".join(TRAPS[:10])
    options = tuple(o.model_copy(update={"label": f"{TRAPS[n % 9]} {n}"}) for n, o in enumerate(seed.item.options))
    item = seed.item.model_copy(update={"options": options, "source": trap, "question": trap})
    seed = seed.model_copy(update={"question": trap, "topic": TRAPS[1], "item": item})
    people = tuple(
        p.model_copy(update={"name": f"{p.called} {TRAPS[2]}", "place": TRAPS[3], "scope": trap, "work": TRAPS[0]})
        for p in one.personas
    )
    return Edition(scenario=one.scenario.model_copy(update={"seeds": (seed,), "title": trap}), personas=people)


def malicious(folder: Path) -> Shown:
    """A run in which everybody means harm, also the extractor and a reviewer."""

    def mined(asked: JsonObject) -> JsonObject:
        return {
            "statements": [
                {
                    "turn": turn["turn"],
                    "kind": "opinion",
                    "quote": turn["text"][:60],
                    "statement": f"Somebody says {TRAPS[0]} {TRAPS[4]}",
                    "first_person": f"I say {TRAPS[2]} {TRAPS[6]}",
                }
                for turn in asked["turns"]
            ]
        }

    texts = [f"I think that {trap}" for trap in TRAPS if "\ud800" not in trap]
    wild = [*TERMINAL.values(), *MARKUP.values()]
    texts += [f"I say {text}".replace("\0", "").encode("utf-8", "replace").decode() for text in wild]
    texts.append(f"I think {LONG_WORD} so")
    said = [((JENNA, ELIF)[number % 2], text) for number, text in enumerate(texts)]
    model = FakeModel(answering(statements=mined, verdicts=judged))
    held = hold_said(folder, said, model, hostile_edition())
    assert len(held.rows(StatementRow)) > 10
    with held.store.database.writing() as session:
        turn = session.get_one(TurnRow, f"{held.run_id}.d1.t1")
        session.add(
            ReviewRow(
                id=f"{turn.id}.r1", subject_id=turn.id, reviewer=TRAPS[2], decision="accept", note=TRAPS[1],
                wording=TRAPS[0], created_at="2026-11-22T08:00:00.000Z",
            )
        )  # fmt: skip
        row = session.get_one(DialogueRow, turn.dialogue_id)
        row.stop_reason, row.error = f"refused-turns: {TRAPS[0]}", TRAPS[2]
        session.add(row)
    return show(held)


class Outline(HTMLParser):
    """Tags, attributes, figures and packs of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.packs: dict[str, str] = {}
        self.inline: dict[str, list[str]] = {"script": [], "style": []}
        self._open: tuple[str, dict[str, str | None]] = ("", {})
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._open = (tag, dict(attrs))
        self.tags.append(self._open)

    def handle_endtag(self, tag: str) -> None:
        self._open = ("", {})

    def handle_data(self, data: str) -> None:
        tag, attributes = self._open
        if tag in self.inline:
            if attributes.get("type") == "text/plain":
                self.packs[str(attributes["id"])] = self.packs.get(str(attributes["id"]), "") + data
            else:
                self.inline[tag].append(data)

    @property
    def figures(self) -> list[tuple[str, str | None]]:
        return [(str(found["data-figure"]), found["value"]) for tag, found in self.tags if tag == "data"]

    def unpacked(self, name: str) -> Any:
        return json.loads(zlib.decompress(base64.b64decode(self.packs[name])))
