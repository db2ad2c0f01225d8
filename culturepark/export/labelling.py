"""Bundles for people who judge rows in Label Studio or Argilla: one task a row, with what is behind it.

A task names its sample, and has a digest of the words that it shows and of those in the store. `judgements` reads the
files that come back, and takes nothing that was said of other words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from culturepark.domain import Decision, JsonObject
from culturepark.export.metadata import metadata_of
from culturepark.glossary import CRITERIA, GROUNDS, in_words, relation_in_words
from culturepark.store.evidence import Behind, Spoken

DECISION, RATING, WORDING, NOTE = "decision", "rating", "wording", "note"
"""Names of what is asked; no key of a task has one of these names."""
ASKED = {
    DECISION: "Would you train on this answer?",
    WORDING: "If not as it stands: the whole answer as it should be",
    RATING: "How good is it? (1 poor, 5 very good)",
    NOTE: "Why?",
}
CHOICES: dict[str, Decision] = {"yes": "accept", "no": "reject"}
"""Choice -> decision of the review."""
SHOWN = {
    "system": "The model is told",
    "prompt": "Question",
    "answer": "Answer",
    "quote": "Words that it rests on",
    "before": "The turn before",
    "comes_from": "Where its content comes from",
    "line": "That line of the speaker's card",
    "verdicts": "What models said of it",
}
"""Texts of a task -> their titles; the first three are the row, the rest is what is behind it."""
ROW = ("system", "prompt", "answer")
FILTERS = ("culture", "country", "kind", "shape", "provenance", "persona", "topic", "run")
"""Keys of the metadata by which tasks can be picked."""
GUIDE = (
    "Each task is a question and the answer that a simulated person gave to it. Say yes if you would train a model on "
    "the answer, and no if not. If another wording would make it good, write the whole answer anew. Below the answer "
    "stands what it rests on: what the person said in the talk, and the line of the person's card. Nobody in these "
    "talks exists."
)


def digest(stored: Sequence[Mapping[str, str]], prompt: str, answer: str) -> str:
    """Return a digest of a sample's messages as they are stored, and of the words that a task shows."""
    return hashlib.sha256(json.dumps([list(stored), prompt, answer], sort_keys=True).encode()).hexdigest()


def texts(row: JsonObject, one: Behind, spoken: Spoken) -> dict[str, str]:
    """Return the texts of a task; empty where there is none."""
    said = {message["role"]: message["content"] for message in row["messages"]}
    line = spoken.line
    return {
        "system": said.get("system", ""),
        "prompt": said.get("user", ""),
        "answer": said["assistant"],
        "quote": f"{one.persona.called}: “{spoken.statement.quote}”",
        "before": spoken.before or "",
        "comes_from": in_words(GROUNDS, spoken.sample.provenance or "unknown"),
        "line": f"{line.name} ({line.what}): {line.text}" if line else "",
        "verdicts": "\n".join(verdicts(spoken)),
    }


def verdicts(spoken: Spoken) -> Iterator[str]:
    for one in spoken.verdicts:
        score = None if one.score is None else f"{one.score:g} of 5"
        sure = "" if one.confidence is None else f" (sure to {one.confidence:.0%})"
        said = one.answer or score or relation_in_words(one.criterion, one.relation)
        yield f"{in_words(CRITERIA, one.criterion)}: {said}{sure}" + (f"; {one.reason}" if one.reason else "")


def task(row: JsonObject, one: Behind) -> tuple[dict[str, str], JsonObject]:
    """Return the texts of a task, and what is known of its row: `sample`, `digest` and the metadata."""
    if one.spoken is None:
        raise ValueError(f"{one.id} is no sample")
    shown = texts(row, one, one.spoken)
    own = metadata_of(one).as_json()
    stored = json.loads(one.spoken.sample.messages)
    known = {"sample": own.pop("id"), "digest": digest(stored, shown["prompt"], shown["answer"])}
    return shown, known | own


# --- Label Studio ----------------------------------------------------------------------------------


def label_studio(row: JsonObject, one: Behind) -> JsonObject:
    shown, known = task(row, one)
    return {"data": shown | known}


def label_studio_settings() -> dict[str, str]:
    view = ElementTree.Element("View")

    def add(tag: str, inside: Any = view, **attributes: Any) -> Any:
        return ElementTree.SubElement(inside, tag, attributes)

    def show(name: str, parent: ElementTree.Element = view) -> None:
        add("Header", parent, value=SHOWN[name], size="5")
        add("Text", parent, name=name, value=f"${name}")

    for name in ROW:
        show(name)
    about = {"toName": "answer"}
    add("Header", value=ASKED[DECISION], size="5")
    choices = add("Choices", name=DECISION, choice="single-radio", showInline="true", required="true", **about)
    for choice in CHOICES:
        add("Choice", choices, value=choice, hotkey=choice[0])
    add("Header", value=ASKED[WORDING], size="5")
    add("TextArea", name=WORDING, rows="4", maxSubmissions="1", editable="true", **about)
    add("Header", value=ASKED[RATING], size="5")
    add("Rating", name=RATING, maxRating="5", **about)
    add("Header", value=ASKED[NOTE], size="5")
    add("TextArea", name=NOTE, rows="2", maxSubmissions="1", editable="true", **about)
    panel = add("Panel", add("Collapse"), value="What is behind it")
    for name in [name for name in SHOWN if name not in ROW]:
        show(name, panel)
    ElementTree.indent(view)
    return {"labels.xml": ElementTree.tostring(view, "unicode") + "\n"}


# --- Argilla ---------------------------------------------------------------------------------------


def argilla(row: JsonObject, one: Behind) -> JsonObject:
    """Return a record as `Record.to_dict` of Argilla 2 has it; its metadata has no null."""
    shown, known = task(row, one)
    return {
        "id": known["sample"],
        "fields": {name: text for name, text in shown.items() if text},
        "metadata": {name: value for name, value in known.items() if value not in (None, "")},
        "suggestions": {},
        "responses": {},
        "vectors": {},
        "status": "pending",
        "_server_id": None,
    }


def argilla_settings() -> dict[str, str]:
    """Return the files that `Dataset.from_disk` of Argilla 2 reads beside the records."""
    kinds: dict[str, JsonObject] = {
        DECISION: {"type": "label_selection", "options": [{"text": name, "value": name} for name in CHOICES]},
        RATING: {"type": "rating", "options": [{"value": value} for value in range(1, 6)]},
        WORDING: {"type": "text", "use_markdown": False},
        NOTE: {"type": "text", "use_markdown": False},
    }
    terms = {"type": "terms", "values": None, "visible_for_annotators": True}
    numbers = terms | {"type": "float"}
    settings = {
        "guidelines": GUIDE,
        "questions": [
            {"name": name, "title": title, "description": None, "required": name == DECISION, "settings": kinds[name]}
            for name, title in ASKED.items()
        ],
        "fields": [
            {
                "name": name,
                "title": title,
                "required": name == "answer",
                "settings": {"type": "text", "use_markdown": False},
            }
            for name, title in SHOWN.items()
        ],
        "vectors": [],
        "metadata": [
            *({"name": name, "title": name, "settings": terms} for name in FILTERS),
            {"name": "confidence", "title": "confidence", "settings": numbers},
        ],
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "mapping": None,
    }
    dataset = {"name": "culturepark", "guidelines": GUIDE, "allow_extra_metadata": True}
    return {
        ".argilla/settings.json": json.dumps(settings, indent=1) + "\n",
        ".argilla/dataset.json": json.dumps(dataset, indent=1) + "\n",
    }


@dataclass(frozen=True)
class Tool:
    row: Callable[[JsonObject, Behind], JsonObject]
    settings: Callable[[], dict[str, str]]


TOOLS = {"label-studio": Tool(label_studio, label_studio_settings), "argilla": Tool(argilla, argilla_settings)}
"""By the name of the format."""
