"""Whole runs against an endpoint that fails in one way after the other, compared with a run on one that does not.

Four classes of fault. What passes is tried again, and the run ends as if nothing had been. What nothing can be done
about stops the run (exit 3), and what is wrong with one request fails its dialogue alone (exit 1): once the endpoint
is well again, `resume` ends with the rows of the undisturbed run. What looks like an answer but is none never becomes
a row. Whatever happens, every request has its row, and the key is in none of the files.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

from culturepark.domain import JsonObject
from tests.support.endpoint import (
    BAD_CHUNK,
    DROP,
    ERROR_IN_STREAM,
    HANG,
    HTML,
    NO_CHOICES,
    NO_FINISH,
    NULL_CONTENT,
    REFUSAL,
    RESET,
    Fault,
    finish,
    raw,
    status,
    too_long,
)
from tests.support.trials import Outcome, Trial, serving, undisturbed

KEY = "sk-canary-5f3759df"
JOBS = "jobs are scarce"
SCENARIO = """\
name: faults
title: Faults
setting: cross-cultural
cultures: [turkish]
protocol: free-chat
max_turns: 4
seeds:
  - survey: wvs7/Q33
  - {key: guest, question: "What do you do when a guest arrives without notice?"}
"""
GUEST = "a guest arrives without notice"
"""Stands in every request about the second seed."""
PASSING = {
    "408": status(408),
    "409": status(409),
    "429": status(429),
    "429, Retry-After in seconds": status(429, headers={"Retry-After": "0.02"}),
    "429, Retry-After as a date": status(
        429, headers={"Retry-After": format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)}
    ),
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "529": status(529),
    "timeout": HANG,
    "connection closed before the answer": DROP,
    "connection reset in mid-stream": RESET,
    "stream without an end": NO_FINISH,
    "chunk that is no JSON": BAD_CHUNK,
    "error object in the stream": ERROR_IN_STREAM,
    "HTML": HTML,
    "truncated JSON": raw('{"choices": [{"message": {"role": "assistant", "con'),
    "JSON of another shape": raw('{"hello": "world"}'),
    "JSON that is no object": raw("[]"),
    "choices that are no list": raw('{"choices": 7}'),
    "no choices": NO_CHOICES,
    "nothing": raw("", "text/event-stream"),
}
STOPPING = {
    "wrong or expired key (401)": status(401, f"Incorrect API key provided: {KEY}", code="invalid_api_key"),
    "forbidden (403)": status(403),
    "wrong model name (404)": status(404, "The model `test` does not exist", code="model_not_found"),
    "no quota (429)": status(429, code="insufficient_quota"),
    "a pause of an hour (429)": status(429, headers={"Retry-After": "3600"}),
}
FAILING = {
    "wrong request (400)": status(400),
    "content policy (400)": status(400, code="content_policy_violation"),
    "context overflow (400)": too_long(),
    "request too large (413)": status(413),
}
ANSWERS = {
    "finish_reason=length": finish("length"),
    "finish_reason=content_filter": finish("content_filter"),
    "refusal in its own field": REFUSAL,
    "refusal in words": finish("stop", "I'm sorry, but I can't help with that request."),
    "null content": NULL_CONTENT,
    "empty content": finish("stop", ""),
    "blank content": finish("stop", " \n\t "),
}
ALL = [*PASSING, *STOPPING, *FAILING, *ANSWERS]
Reply = Callable[[JsonObject, int], Fault | None]


@dataclass
class Figures:
    """Runs, by kind of fault."""

    tried: Counter[str] = field(default_factory=Counter)
    survived: Counter[str] = field(default_factory=Counter)
    rows_lost: int = 0
    rows_doubled: int = 0
    wrong: list[str] = field(default_factory=list)


class Sickbed:
    """Runs one after the other on an endpoint that has something the matter with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenario = folder / "faults.yaml"
        self.scenario.write_text(SCENARIO, "utf-8")
        self.figures = Figures()
        self.asked = folder / "asked"
        with serving(folder, lambda body, number: None) as url:
            self.port = urlsplit(url).port or 0
            self.model = f"openai:test@{url}"
            self.whole = undisturbed(Trial(folder / "undisturbed", self.scenario, self.model)).outcome

    def run(self, kind: str, how: str, fault: Fault, where: Reply, code: int, reason: str | None) -> None:
        """One run while the endpoint is ill, and another go when it is well.

        Args:
            where: says of a request whether the fault meets it.
            code: how the first is to end.
            reason: a word in the error of the dialogue about guests, which is to fail alone.
        """
        trial = Trial(self.folder / "trial", self.scenario, self.model, timeout=0.5 if fault is HANG else 60)
        trial.folder.mkdir()
        self.asked.write_bytes(b"")
        self.figures.tried[kind] += 1
        problems: list[str] = []

        def reply(body: JsonObject, number: int) -> Fault | None:
            with self.asked.open("ab") as asked:
                asked.write(b".")
            return where(body, number)

        with serving(self.folder, reply, self.port):
            if (ended := trial.do(trial.begin())) != code:
                problems.append(f"exit {ended} and not {code}")
        rows, requests = trial.sent().total(), self.asked.stat().st_size
        if rows < requests or (rows > requests and fault is not HANG):  # a connection may time out too
            problems.append(f"{rows} call rows for {requests} requests")
        if reason:
            failed = trial.query("SELECT seed_key, stop_reason FROM dialogue WHERE status = 'failed'")
            if len(failed) != 1 or failed[0][0] != "guest" or not failed[0][1]:
                problems.append(f"failed were {failed}")
            if trial.query("SELECT 1 FROM dialogue WHERE seed_key != 'guest' AND (status, verified) != ('done', 1)"):
                problems.append("the other dialogue did not go on")
        with serving(self.folder, lambda body, number: None, self.port):
            if ended := trial.do(trial.go_on()):
                problems.append(f"going on: exit {ended}")
            elif kind in ANSWERS:
                problems += self.data_of(fault, trial)
            else:
                problems += self.difference(trial.outcome())
        if any(KEY.encode() in path.read_bytes() for path in trial.folder.rglob("*") if path.is_file()):
            problems.append("the key is in a file")
        if problems:
            kept = trial.folder.rename(self.folder / f"wrong-{len(self.figures.wrong)}")
            self.figures.wrong.append(f"{kind}, {how}: {'; '.join(problems)}; see {kept}")
        else:
            self.figures.survived[kind] += 1
            shutil.rmtree(trial.folder)

    def difference(self, got: Outcome) -> list[str]:
        lost, doubled = got.lost(self.whole), got.doubled(self.whole)
        self.figures.rows_lost += lost
        self.figures.rows_doubled += doubled
        problems = [f"{lost} rows lost, {doubled} doubled"] if lost or doubled else []
        return problems + (["another export"] if got.files != self.whole.files else [])

    def data_of(self, fault: Fault, trial: Trial) -> list[str]:
        """Rows that rest on an answer that was none."""
        calls = {
            call_id: (finish_reason, json.loads(response)["choices"][0]["message"].get("content") or "")
            for call_id, finish_reason, response in trial.query("SELECT id, finish_reason, response FROM call")
        }
        rows = trial.query("SELECT id, call_id FROM turn WHERE call_id IS NOT NULL")
        rows += trial.query("SELECT id, call_id FROM statement")
        rows += trial.query("SELECT id, call_id FROM verdict WHERE decision = 'keep' AND call_id IS NOT NULL")
        none = [
            row_id
            for row_id, call_id in rows
            if calls[call_id][0] != "stop" or not calls[call_id][1].strip() or calls[call_id][1] == fault.text
        ]
        return [f"made of no answer: {none}"] if none else []


def endure(folder: Path, kinds: Collection[str] = ALL) -> Figures:
    """Every fault now and then, and what does not pass by itself also for good: in one dialogue, and in all."""
    os.environ["OPENAI_API_KEY"] = KEY
    bed = Sickbed(folder)

    def seventh(fault: Fault) -> Reply:
        return lambda body, number: fault if number % 7 == 0 else None

    def of_guests(fault: Fault) -> Reply:
        return lambda body, number: fault if GUEST in json.dumps(body) else None

    def from_fifth(fault: Fault) -> Reply:
        return lambda body, number: fault if number >= 5 else None

    def of_json(fault: Fault) -> Reply:
        return lambda body, number: fault if "response_format" in body else None

    for kind in kinds:
        if fault := PASSING.get(kind):
            bed.run(kind, "now and then", fault, seventh(fault), 0, None)
            bed.run(kind, "in one dialogue", fault, of_guests(fault), 1, "guest")
            bed.run(kind, "for good", fault, from_fifth(fault), 3, None)
        elif fault := STOPPING.get(kind):
            bed.run(kind, "for good", fault, from_fifth(fault), 3, None)
        elif fault := FAILING.get(kind):
            bed.run(kind, "in one dialogue", fault, of_guests(fault), 1, "guest")
        elif fault := ANSWERS.get(kind):
            bed.run(kind, "now and then", fault, seventh(fault), 0, None)
            bed.run(kind, "whenever JSON is wanted", fault, of_json(fault), 0, None)
    return bed.figures
