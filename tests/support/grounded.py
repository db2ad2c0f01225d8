"""A run whose statements say where they come from, written by hand: no extractor and no judge is behind it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from culturepark.domain import Sample, Statement, Status
from culturepark.store.tables import SampleRow, StatementRow, VerdictRow
from tests.support.fakes import ELIF, JENNA, MODERATOR, FakeModel, Held, begin, edition, seating, turns_of

TEA = "When guests get up to leave we pour one more glass of tea, and they sit down again."
JOB = "I think a job belongs to whoever does it best, man or woman."
RULE = "On our street nobody opens a shop before the baker has opened his."
COFFEE = "With us nobody stays after the coffee, whoever pours what."
SHY = "I like it quiet in the evening."
QUESTION = "What do you do when guests get up to leave?"
EXCEPTION = "If somebody has a bus to catch, I let them go."
TALK = [(MODERATOR, "Welcome to you both."), (JENNA, JOB), (ELIF, f"{TEA} {RULE}"), (JENNA, COFFEE), (ELIF, SHY)]
JENNAS, CARDS, MADE_UP, UNLIKE, UNKNOWN = (f"held.d1.{name}" for name in ("t2.s1", "t3.s1", "t3.s2", "t4.s1", "t5.s1"))

KNOWN: dict[str, dict[str, Any]] = {
    JENNAS: {"kind": "opinion", "quote": JOB, "provenance": "episode", "source": "scene 1"},
    CARDS: {
        "kind": "custom",
        "quote": TEA,
        "provenance": "card",
        "source": "norm 2",
        "question": QUESTION,
        "about": "case",
        "reach": "general",
        "exception": EXCEPTION,
        "hangs_on": ("faith", "age"),
    },
    MADE_UP: {"kind": "norm", "quote": RULE, "provenance": "model", "source": "value 1"},
    UNLIKE: {"kind": "custom", "quote": COFFEE, "provenance": "card", "source": "norm 9", "unlike": CARDS},
    UNKNOWN: {"kind": "opinion", "quote": SHY},
}
"""Statement id -> what is known of it."""
SAMPLES: dict[str, dict[str, Any]] = {
    f"{JENNAS}.x1": {"kind": "open", "provenance": "episode", "flags": "unfounded"},
    f"{CARDS}.x1": {"kind": "own", "provenance": "card"},
    f"{MADE_UP}.x1": {"kind": "norm", "provenance": "model"},
    f"{UNLIKE}.x1": {"kind": "decline", "provenance": "card", "beside": CARDS},
    f"{UNLIKE}.x2": {"kind": "norm", "provenance": "card", "status": "dropped", "drop_reason": "generic"},
    f"{UNKNOWN}.x1": {"kind": "open"},
}
VERDICTS = {
    JENNAS: {"answers-seed": "entail", "stands-alone": "entail", "distinctive": "unparsable"},
    CARDS: {"answers": "entail", "answers-case": "entail", "stands-alone": "entail", "distinctive": "entail"},
    MADE_UP: {"carried": "irrelevant", "answers": "contradict", "stands-alone": "entail", "distinctive": "entail"},
    UNLIKE: {"carried": "entail", "answers-other": "entail", "stands-alone": "entail", "distinctive": "contradict"},
    UNKNOWN: {"answers-seed": "contradict", "stands-alone": "contradict", "distinctive": "contradict"},
}
"""Statement id -> criterion -> relation, beside that all are faithful."""


def grounded(folder: Path) -> Held:
    one = edition()
    held = begin(folder, one, FakeModel(), seed=seating(folder, one, {JENNA, ELIF}))
    turns = turns_of(TALK)
    for turn in turns:
        held.store.add_turn("held.d1", turn)
    held.store.set_dialogue("held.d1", Status.DONE, "completed")
    held.store.set_run(held.run_id, Status.DONE, "completed")
    with held.store.database.writing() as session:
        for name, known in KNOWN.items():
            turn = turns[int(name.split(".")[2][1:]) - 1]
            start = turn.text.index(known["quote"])
            statement = Statement(
                id=name,
                turn_id=name.rpartition(".")[0],
                persona_key=turn.speaker,
                culture="american" if turn.speaker == JENNA else "turkish",
                text=f"The speaker says: {known['quote']}",
                first_person=known["quote"],
                quote_start=start,
                quote_end=start + len(known["quote"]),
                **known,
            )
            session.add(StatementRow.of(statement, 1, None))
        session.flush()
        for name, relations in VERDICTS.items():
            for number, (criterion, relation) in enumerate({"faithful": "entail", **relations}.items(), start=1):
                session.add(
                    VerdictRow(
                        id=f"{name}.v{number}",
                        statement_id=name,
                        criterion=criterion,
                        relation=relation,
                        decision="keep" if relation == "entail" else "drop",
                        round=1,
                    )
                )
        for name, facts in SAMPLES.items():
            statement_id = name.rpartition(".")[0]
            messages = [{"role": "user", "content": QUESTION}]
            messages.append({"role": "assistant", "content": KNOWN[statement_id]["quote"]})
            culture = "american" if KNOWN[statement_id]["quote"] in (JOB, COFFEE) else "turkish"
            sample = Sample(
                **{"statement_id": statement_id, "culture": culture, "messages": messages, "status": "kept", **facts}
            )
            values = sample.model_dump() | {"id": name, "messages": json.dumps(sample.messages)}
            session.add(SampleRow(**values))
    return held


def outcomes(criterion: str, culture: str | None = None) -> Counter[str]:
    """What came of one question, counted from the rows above."""
    mine = {name: "american" if known["quote"] in (JOB, COFFEE) else "turkish" for name, known in KNOWN.items()}
    words = {"entail": "kept", "contradict": "turned_down", "unparsable": "unread"}
    return Counter(
        words[relations[criterion]]
        for name, relations in VERDICTS.items()
        if criterion in relations and culture in (None, mine[name])
    )
