"""Judgements of people, read from the files of Label Studio and Argilla, and taken into the store as reviews.

Each judgement is read by itself: one that cannot be read, or that was made of other words than the store has, is named,
and the others count. They are written in one transaction.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from unicodedata import normalize

from pydantic import BaseModel, Field, StrictInt, ValidationError

from culturepark.domain import Decision, JsonObject, Remark
from culturepark.errors import UsageError
from culturepark.export.files import UNREADABLE
from culturepark.export.labelling import CHOICES, DECISION, NOTE, RATING, WORDING, digest
from culturepark.files import clipped, exists, is_folder, readable
from culturepark.glossary import counted
from culturepark.models.ledger import moment
from culturepark.store.evidence import stored_messages
from culturepark.store.reviewer import named
from culturepark.store.reviews import Given, take_in
from culturepark.store.store import Store

LARGEST = 1_000_000_000
"""Bytes of a file that is read."""
RECORDS = "records.json"
"""The file that matters in the folder of Argilla's `Dataset.to_disk`."""
TASKS = "tasks.json"
"""The file that matters in the folder of an export for Label Studio."""
UNKNOWN, CHANGED, BROKEN = "unknown sample", "changed words", "broken entry"
TROUBLES = {
    UNKNOWN: "of a sample that this store does not have",
    CHANGED: "of words that are not, or no longer, those of the sample",
    BROKEN: "that cannot be read",
}
"""Reason for which what should be a review is none -> the same in words."""
SKIPPED, SILENT, REPLACED = "skipped by its annotator", "nothing said", "followed by a later one of the same person"
"""Reasons for which an entry is no review, and need not be one."""


class Task(BaseModel):
    """What a task shows, as it was written."""

    sample: Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$", max_length=400)]
    digest: str
    prompt: str = ""
    answer: str


class Judged(BaseModel):
    """What somebody said of it."""

    reviewer: str
    choice: Literal["yes", "no"] | None = None
    rating: Annotated[StrictInt, Field(ge=1, le=5)] | None = None
    wording: Remark | None = None
    note: Remark | None = None
    at: str | None = None


@dataclass(frozen=True)
class Judgement:
    place: str
    """Where it stands in the file."""
    task: Task
    given: Given
    by_id: str | None = None
    """The id that the tool has of its reviewer, where the review goes by that."""


@dataclass
class Read:
    """What a file holds."""

    judgements: list[Judgement] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Reason, and place with more words."""


@dataclass(frozen=True)
class TakenIn:
    """What came of a file."""

    added: Sequence[Given]
    known: int
    """Judgements that were in the store already."""
    left_out: Sequence[tuple[str, str]]
    """Reason, and place with more words."""
    renamed: int = 0
    """Judgements that were in the store under the name that the tool gives, and are withdrawn there."""

    @property
    def troubles(self) -> dict[str, list[str]]:
        """Reason -> places, for entries that should have been reviews."""
        return {
            why: places for why in TROUBLES if (places := [place for reason, place in self.left_out if reason == why])
        }

    def summary(self) -> Iterator[str]:
        """Yield in words what was taken in, and what was passed over."""
        people = len({given.reviewer for given in self.added})
        decisions = Counter(given.decision for given in self.added)
        words: dict[Decision, str] = {"accept": "yes", "reject": "no", "comment": "neither"}
        parts = [f"{decisions[name]} {word}" for name, word in words.items() if decisions[name]]
        parts += [f"{count} reworded" for count in [sum(given.wording is not None for given in self.added)] if count]
        by = f" by {counted(people, 'person', 'people')} ({', '.join(parts)})" if parts else ""
        yield f"{counted(len(self.added), 'review')} taken in{by}; {self.known} were there already"
        if self.renamed:
            yield f"{counted(self.renamed, 'review')} of the same people under their former names withdrawn"
        passed = Counter(why for why, _ in self.left_out if why not in TROUBLES)
        if passed:
            yield f"passed over: {', '.join(f'{count} {why}' for why, count in sorted(passed.items()))}"

    def as_json(self) -> JsonObject:
        return {
            "added": len(self.added),
            "known": self.known,
            "renamed": self.renamed,
            "reviewers": sorted({given.reviewer for given in self.added}),
            "decisions": dict(sorted(Counter(given.decision for given in self.added).items())),
            "reworded": sum(given.wording is not None for given in self.added),
            "left_out": [{"why": why, "where": where} for why, where in self.left_out],
        }


def import_reviews(store: Store, read: Read) -> TakenIn:
    """Take the judgements of a file into the store.

    Raises:
        StoreError: if the store cannot be written; then it holds none of them.
    """
    left_out = list(read.left_out)
    stored = stored_messages(store, {one.task.sample for one in read.judgements})
    newest: dict[tuple[str, str], Judgement] = {}
    for one in sorted(read.judgements, key=lambda one: one.given.at or ""):
        task, subject = one.task, f"{one.place}: {clipped(one.task.sample, 120)}"
        if task.sample not in stored:
            left_out.append((UNKNOWN, subject))
        elif digest(stored[task.sample], task.prompt, task.answer) != task.digest:
            left_out.append((CHANGED, subject))
        else:
            key = (one.given.reviewer, task.sample)
            if key in newest:
                older = newest[key]
                left_out.append((REPLACED, older.place))
                one = replace(one, given=replace(one.given, formerly=(*older.given.formerly, *one.given.formerly)))
            newest[key] = one
    given = [one.given for one in newest.values()]
    added, renamed = take_in(store, given)
    return TakenIn(added, len(given) - len(added), left_out, renamed)


# --- a file ----------------------------------------------------------------------------------------


def read_judgements(path: Path, reviewers: Mapping[str, str], everybody: str | None = None) -> Read:
    """Read a file of Label Studio (JSON or JSON-MIN) or Argilla (`records.json`, or its folder).

    Args:
        reviewers: a user of the tool, as the file names it -> the reviewer's name.
        everybody: the reviewer's name of all others; None to take what the file says.
    Raises:
        UsageError: if it is none of these.
    """
    data = load(path)
    rows = data if isinstance(data, list) else [data]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise UsageError(f"{clipped(path, 400)}: a list of tasks or records is wanted, and here is none")
    reader = next((read for key, read in READERS.items() if any(key in row for row in rows)), None)
    if reader is None and any("data" in row or "fields" in row for row in rows):
        raise UsageError(f"{clipped(path, 400)}: nobody has annotated these tasks yet; export them once somebody has")
    if reader is None:
        raise UsageError(f"{clipped(path, 400)}: no tasks of Label Studio (JSON or JSON-MIN) and no records of Argilla")
    found = Read()
    for number, row in enumerate(rows, start=1):
        for entry in reader(row, f"entry {number}"):
            if isinstance(entry, Out):
                found.left_out.append((entry.why, entry.place))
                continue
            try:
                found.judgements.append(judgement(entry, reviewers, everybody))
            except ValidationError as error:
                wrong = error.errors()[0]
                where = ".".join(map(str, wrong["loc"]))
                found.left_out.append((BROKEN, f"{entry.place}: {clipped(where)}: {clipped(wrong['msg'], 120)}"))
            except (UsageError, *UNREADABLE) as error:
                found.left_out.append((BROKEN, f"{entry.place}: {clipped(error, 200)}"))
            except Silent:
                found.left_out.append((SILENT, entry.place))
    if not (found.judgements or found.left_out):
        raise UsageError(f"{clipped(path, 400)}: nobody has annotated these tasks yet; export them once somebody has")
    return found


def load(path: Path) -> Any:
    if is_folder(path):
        found = next((path / name for name in (RECORDS, TASKS) if exists(path / name)), None)
        if found is None:
            raise UsageError(
                f"{clipped(path)}: wanted is a file, or a folder with {RECORDS} (Argilla) or {TASKS} (Label Studio)"
            )
        path = found
    shown = clipped(path, 400)
    if not exists(path):
        raise UsageError(f"{shown}: no such file")
    try:
        if readable(path).stat().st_size > LARGEST:
            raise UsageError(f"{shown} is larger than {LARGEST // 1_000_000} MB; import it in parts")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{shown}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown} is not UTF-8 (byte {error.start}); the JSON export is wanted") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{shown} is not JSON: {clipped(error, 120)}") from None


class Silent(Exception):
    """An annotator said nothing."""


@dataclass(frozen=True)
class Out:
    """An entry that is no review."""

    place: str
    why: str


@dataclass(frozen=True)
class Entry:
    """One annotator's answers to one task, not looked at yet."""

    place: str
    shown: Any
    user: Any
    """As the tool names the annotator."""
    tool: str
    answers: Mapping[str, Any]
    at: Any = None


def judgement(entry: Entry, reviewers: Mapping[str, str], everybody: str | None) -> Judgement:
    task = Task.model_validate(entry.shown)
    said = {name: value for name, value in entry.answers.items() if value not in (None, "")}
    if not said:
        raise Silent
    person = reviewer_of(entry, reviewers, everybody)
    judged = Judged(
        reviewer=person.name,
        choice=said.get(DECISION),
        rating=said.get(RATING),
        wording=said.get(WORDING),
        note=said.get(NOTE),
        at=moment_of(entry.at),
    )
    given = Given(
        subject_id=task.sample,
        reviewer=judged.reviewer,
        decision=CHOICES[judged.choice] if judged.choice else "comment",
        rating=judged.rating,
        wording=None if judged.wording == task.answer.strip() else judged.wording,
        note=judged.note,
        at=judged.at,
        formerly=person.formerly,
    )
    if given.says_nothing:
        raise Silent
    return Judgement(entry.place, task, given, person.by_id)


class Person(NamedTuple):
    """Who judged."""

    name: str
    formerly: tuple[str, ...] = ()
    """What the name would be if none were asked for."""
    by_id: str | None = None
    """The id in the tool, where the name is made of it."""


def reviewer_of(entry: Entry, reviewers: Mapping[str, str], everybody: str | None) -> Person:
    """Return the name under which somebody reviews: that which is asked for, or what the file has of mail, name or id.

    Raises:
        UsageError: if the file names nobody, or in a way that cannot be printed.
    """
    user = entry.user
    if not isinstance(user, dict):
        user = {"email" if isinstance(user, str) and "@" in user else "id": user}
    found = {name: user.get(name) for name in ("email", "username", "id")}
    names = {name: str(value) for name, value in found.items() if isinstance(value, (str, int)) and str(value).strip()}
    owns = [f"{entry.tool} {name}" if kind == "id" else name for kind, name in names.items()]
    if chosen := next((reviewers[name] for name in names.values() if name in reviewers), everybody):
        return Person(named(chosen), tuple(normalize("NFC", own).strip() for own in owns[:1]))
    if not names:
        raise UsageError("it names no annotator; --reviewer NAME does")
    return Person(named(owns[0]), by_id=names["id"] if [*names] == ["id"] else None)


def moment_of(value: Any) -> str | None:
    """Return a time as the store has it, not later than now; None for what is no time."""
    try:
        when = datetime.fromisoformat(value)
        when = when.astimezone(UTC) if when.tzinfo else when.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment(min(when, datetime.now(UTC)))


# --- Label Studio ----------------------------------------------------------------------------------


def of_label_studio(row: JsonObject, place: str) -> Iterator[Entry | Out]:
    """Yield the annotations of a task, as `Export > JSON` has them."""
    annotations = row.get("annotations") or []
    if not isinstance(annotations, list):
        yield Out(f"{place}: its annotations are no list", BROKEN)
        return
    for number, one in enumerate(annotations, start=1):
        here = f"{place}, annotation {number}"
        if not isinstance(one, dict) or not isinstance(one.get("result", []), list):
            yield Out(f"{here}: not an annotation", BROKEN)
        elif one.get("was_cancelled"):
            yield Out(here, SKIPPED)
        else:
            at = one.get("updated_at") or one.get("created_at")
            answers = {}
            for result in one.get("result", []):
                if isinstance(result, dict) and isinstance(result.get("value"), dict):
                    answers[str(result.get("from_name"))] = plain(result["value"])
            yield Entry(here, row.get("data"), one.get("completed_by"), "label-studio", answers, at)


def of_json_min(row: JsonObject, place: str) -> Iterator[Entry | Out]:
    """Yield the one annotation of a row, as `Export > JSON-MIN` has it."""
    answers = {name: min_value(row.get(name)) for name in (DECISION, RATING, WORDING, NOTE)}
    yield Entry(place, row, row.get("annotator"), "label-studio", answers, row.get("updated_at"))


def min_value(value: Any) -> Any:
    """Return an answer of JSON-MIN: itself, or the one object of a list that holds it."""
    return (
        plain(value[0]) if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict) else plain(value)
    )


def plain(value: Any) -> Any:
    """Return the value of a control: its one choice, its rating, or its text; several pieces of text as lines."""
    if not isinstance(value, dict):
        return value
    found = next((value[key] for key in ("choices", "rating", "text") if key in value), None)
    if isinstance(found, list) and all(isinstance(piece, str) for piece in found):
        return found[0] if len(found) == 1 else "\n".join(found)
    return found


# --- Argilla ---------------------------------------------------------------------------------------


def of_argilla(row: JsonObject, place: str) -> Iterator[Entry | Out]:
    """Yield the responses to a record by user. Argilla's file says of none when it was given."""
    fields, metadata = row.get("fields"), row.get("metadata")
    shown = {**(fields if isinstance(fields, dict) else {}), **(metadata if isinstance(metadata, dict) else {})}
    responses = row.get("responses") or {}
    by_user: dict[str, dict[str, Any]] = defaultdict(dict)
    status: dict[str, Any] = {}
    if not isinstance(responses, dict):
        yield Out(f"{place}: its responses are no object", BROKEN)
        return
    for question, given in responses.items():
        for one in given if isinstance(given, list) else [given]:
            if not isinstance(one, dict):
                yield Out(f"{place}, {clipped(question)}: not a response", BROKEN)
                continue
            user = str(one.get("user_id") or "")
            by_user[user][question] = one.get("value")
            status[user] = one.get("status") or status.get(user)
    for user, answers in by_user.items():
        here = f"{place}, user {clipped(user)}"
        if status[user] in ("draft", "discarded"):
            yield Out(here, SKIPPED)
        else:
            yield Entry(here, shown, user or None, "argilla", answers)


READERS: dict[str, Callable[[JsonObject, str], Iterator[Entry | Out]]] = {
    "annotations": of_label_studio,
    "responses": of_argilla,
    "annotator": of_json_min,
}
"""Key of a row -> the reader of such files."""
