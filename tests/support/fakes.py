"""A chat model that answers from a function of the request, and whole runs held on it."""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from sqlmodel import SQLModel, select

from culturepark.catalog import scenarios
from culturepark.cli.progress import Quiet
from culturepark.dialogue.casting import plan
from culturepark.domain import Casting, DistillPolicy, Edition, JsonObject, ModelRole, Status, Turn
from culturepark.models import scripted
from culturepark.models.chat import ChatModel, Reply, Request, Traits, Usage
from culturepark.models.spec import CHAT_ROLES, LEXICAL, SCRIPTED, ModelSpec
from culturepark.run import Until
from culturepark.run.pipeline import Run
from culturepark.run.plan import Settings, new_run
from culturepark.run.rating import known
from culturepark.stats import run_stats
from culturepark.stats.figures import RunStats
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

JENNA, ELIF, MODERATOR = "american-jenna", "turkish-elif", "moderator"
RUN = "held"
DISAGREE = 4
"""Code of `disagree` for wvs7/Q33, the question of the shipped quickstart."""

Answer = Callable[[JsonObject], "str | Reply"]
Row = TypeVar("Row", bound=SQLModel)


# --- the model -----------------------------------------------------------------------------------


class FakeModel:
    """Answers through `answer`, which is given the request's body and may also raise a ModelError."""

    endpoint = "fake"

    def __init__(self, answer: Answer = scripted.answer, *, labels: bool = False) -> None:
        self.spec = SCRIPTED
        self.traits = Traits(labels=labels)
        self.answer = answer
        self.bodies: list[JsonObject] = []
        """What was asked, in order."""

    def body(self, request: Request) -> JsonObject:
        body: JsonObject = {
            "model": "fake",
            "messages": list(request.messages),
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        if request.schema:
            schema = {"name": request.schema.name, "schema": request.schema.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if request.top_logprobs:
            body["top_logprobs"] = request.top_logprobs
        return body

    async def send(self, body: JsonObject) -> Reply:
        self.bodies.append(body)
        said = self.answer(body)
        return reply(said) if isinstance(said, str) else said

    async def close(self) -> None:
        pass

    def asked(self, shape: str | None) -> list[JsonObject]:
        """What was asked for answers of a shape (`statements`, `verdicts`, `rewording`): the material of each."""
        return [material(body) for body in self.bodies if shape_of(body) == shape]


def reply(
    text: str, finish_reason: str = "stop", *, tokens: Sequence[tuple[str, float]] = (), **rivals: float
) -> Reply:
    """
    Args:
        tokens: the answer's tokens with their log-probabilities.
        rivals: log-probabilities of other first tokens.
    """
    message = {"role": "assistant", "content": text}
    choice: JsonObject = {"index": 0, "message": message, "finish_reason": finish_reason}
    if tokens:
        others = [{"token": token, "logprob": logprob} for token, logprob in rivals.items()]
        choice["logprobs"] = {
            "content": [{"token": token, "logprob": logprob, "top_logprobs": others} for token, logprob in tokens]
        }
    response = {"object": "chat.completion", "model": "fake", "choices": [choice]}
    return Reply.of(response, Usage(10, 0, 5, "estimate"))


def letter(best: str, **probabilities: float) -> Reply:
    """A one-letter answer with the probabilities of all letters."""
    logprobs = {name: math.log(p) for name, p in probabilities.items()}
    return reply(best, tokens=[(best, logprobs[best])], **logprobs)


def shape_of(body: JsonObject) -> str | None:
    """Name of the schema that an answer must have; None where free text is wanted."""
    found = ((body.get("response_format") or {}).get("json_schema") or {}).get("name")
    return str(found) if found else None


def material(body: JsonObject) -> JsonObject:
    """What a request that wants JSON speaks about."""
    data: JsonObject = json.loads(body["messages"][-1]["content"])
    return data


def answering(**by_shape: Callable[[JsonObject], Any]) -> Answer:
    """Answers requests of the named shapes from their material (text, reply, or what is to be dumped as JSON).

    Whatever has no function here is answered by the script. A function named `text` is given bodies that want text. One
    named `statements` is given the turns that are to be mined, without the numbers of their pieces, and may point at
    words by `turn` and `quote`. Unless there is one named `rows`, what it finds makes good rows.
    """
    homes: dict[str, str] = {}
    if "statements" in by_shape:
        by_shape.setdefault("rows", lambda asked: good_rows(asked, homes))

    def answer(body: JsonObject) -> str | Reply:
        shape = shape_of(body)
        function = by_shape.get(shape or "text")
        if function is None:
            return scripted.answer(body)
        asked = material(body) if shape else body
        said = function(asked | {"turns": mined(asked)} if shape == "statements" else asked)
        if isinstance(said, str | Reply):
            return said
        if shape == "statements":
            said = by_numbers(said, asked)
            homes.update(homes_of(said, asked))
        if shape == "verdicts":
            said = {"verdicts": [{"carried": "none", **one} for one in said["verdicts"]]}
        return json.dumps(said)

    return answer


# --- what an extractor says ---------------------------------------------------------------------

KINDS = {"opinion": "view", "norm": "rule", "custom": "practice"}


def proposals(*found: tuple[int, str, str], **more: Any) -> JsonObject:
    """An extraction: (turn, kind, quote) each; the other keys of the form are made up unless given."""
    return {
        "left": [],
        "statements": [
            {
                "turn": turn,
                "kind": kind,
                "quote": quote,
                "statement": f"The speaker holds this: {quote}",
                "first_person": f"I say it like this: {quote}",
                **more,
            }
            for turn, kind, quote in found
        ],
    }


def pieces_of(text: str) -> list[tuple[int, str]]:
    """Number and words of each piece of a turn whose pieces are numbered; none of others."""
    found: list[tuple[int, str]] = []
    head = re.match(r"\[(\d+)\] ", text)
    while head:
        number, text = int(head[1]), text[head.end() :]
        words, _, rest = text.partition(f" [{number + 1}] ")
        found.append((number, words))
        text = f"[{number + 1}] {rest}" if rest else ""
        head = re.match(r"\[(\d+)\] ", text)
    return found


def mined(asked: JsonObject) -> list[JsonObject]:
    """The turns of an extraction's material that are to be mined, without numbers."""
    whole = [(turn, " ".join(words for _, words in pieces_of(turn["text"]))) for turn in asked["turns"]]
    return [turn | {"text": text} for turn, text in whole if text]


def numbers_of(quote: str, text: str) -> tuple[int, int]:
    """First and last of the pieces of a turn that hold some words; (0, 0), which no piece has, where none do.

    Spaces count for nothing: they stand between pieces.
    """
    letters, ends = "", []
    for number, words in pieces_of(text):
        letters += "".join(words.split())
        ends.append((number, len(letters)))
    wanted = "".join(quote.split())
    start = letters.find(wanted)
    if start < 0 or not wanted:
        return 0, 0
    first = next(number for number, end in ends if start < end)
    return first, next(number for number, end in ends if start + len(wanted) <= end)


def by_numbers(said: JsonObject, asked: JsonObject) -> JsonObject:
    """An extraction whose statements name turn and quote, in the form that the model is asked for."""
    texts = {turn["turn"]: turn["text"] for turn in asked["turns"]}
    return {"left": [], **said, "statements": [numbered(one, texts) for one in said["statements"]]}


def numbered(one: JsonObject, texts: Mapping[int, str]) -> JsonObject:
    if "quote" not in one:
        return one
    first, last = numbers_of(one["quote"], texts.get(one["turn"], ""))
    kind = KINDS.get(one["kind"], one["kind"])
    made_up = {
        "first": first,
        "last": last,
        "about": "question" if kind == "view" else "else",
        "reach": "personal" if kind == "view" else "general",
        "source": "none",
        "hangs_on": [],
        "question": f"What do you say of this: {one['quote'][:60]}?",
        "exception": "",
        "unlike": 0,
    }
    given = {key: value for key, value in one.items() if key not in ("turn", "quote", "kind")}
    return made_up | {"kind": kind} | given


def homes_of(said: JsonObject, asked: JsonObject) -> dict[str, str]:
    """The answers of an extraction, with the country of who gives each."""
    countries = {person["name"]: person["country"] for person in asked["people"]}
    speakers = {n: turn["speaker"] for turn in asked["turns"] for n, _ in pieces_of(turn["text"])}
    return {
        one["first_person"]: countries[speakers[one["first"]]]
        for one in said["statements"]
        if one.get("first") in speakers
    }


# --- what a judge says --------------------------------------------------------------------------


def judged(asked: JsonObject, faithful: str = "entail", stance: str = "entail", carried: str = "entail") -> JsonObject:
    """The same verdict on every item."""
    return {
        "verdicts": [
            {
                "id": item["id"],
                "faithful": faithful,
                "stance": stance if item.get("stance") else "none",
                "carried": carried if item.get("line") else "none",
            }
            for item in asked["items"]
        ]
    }


def good_rows(asked: JsonObject, homes: Mapping[str, str], **changes: str) -> JsonObject:
    """A judge that finds in every item a good row.

    Args:
        homes: answer -> the country that it tells of; it is found where names are masked, too.
        changes: what is said otherwise, of every item.
    """
    rows = []
    for item in asked["items"]:
        home = next((country for said, country in homes.items() if is_masked(item["answer"], said)), None)
        letters = [letter for letter, name in item["countries"].items() if name == home]
        told = {name: "yes" if name in item["questions"] else "none" for name in ("own", "seed", "case", "other")}
        told |= {"alone": "yes", "country": letters[0] if letters else "any"}
        rows.append({"id": item["id"], **told, **changes})
    return {"items": rows}


def is_masked(answer: str, said: str) -> bool:
    """Whether an answer is these words, with or without their names."""
    return re.fullmatch(re.escape(answer).replace(re.escape("[…]"), r"[^\W\d_]+"), said) is not None


# --- editions --------------------------------------------------------------------------------------


@cache
def shipped(name: str) -> Edition:
    return scenarios.load_edition(scenarios.find(name))


def edition(
    *, people: Sequence[str] = (JENNA, ELIF), stance: int = DISAGREE, distill: Mapping[str, Any] = {}, **scenario: Any
) -> Edition:
    """The shipped quickstart with two people at the table, all in whose country gave the same answer.

    Both are mined, and all rows of the three old shapes are made.

    Args:
        people: persona keys; the delegates among them must be of one culture.
        distill, scenario: keys that are to differ.
    """
    base, everybody = shipped("quickstart"), shipped("everyday-norms")
    personas = tuple(p for p in everybody.personas if p.key in people)
    culture = next(p.culture for p in personas if p.role == "delegate")
    (seed,) = base.scenario.seeds
    assert seed.item is not None
    countries = [p.country for p in personas if p.country and p.role == "delegate"]
    item = seed.item.model_copy(update={"shares": {country: {stance: 1.0} for country in countries}})
    changes = {
        "cultures": (culture,),
        "seeds": (seed.model_copy(update={"item": item}),),
        "distill": DistillPolicy.model_validate(base.scenario.distill.model_dump() | dict(distill)),
        "mine": ("delegate", "main"),
        "samples": ("survey", "open", "norm"),
    }
    return Edition(scenario=base.scenario.model_copy(update=changes | scenario), personas=personas)


def only_casting(one: Edition) -> Casting:
    """The one dialogue of an edition that has only one."""
    (casting,) = plan(one, 1).castings
    return casting


# --- runs ------------------------------------------------------------------------------------------


class Cast:
    """Stands where a run has its models: the same one for every chat role."""

    def __init__(self, model: ChatModel, embedder: ModelSpec) -> None:
        self.model = model
        self.specs: dict[ModelRole, ModelSpec] = {**dict.fromkeys(CHAT_ROLES, SCRIPTED), "embedder": embedder}

    async def get(self, role: ModelRole) -> ChatModel:
        return self.model

    async def close(self) -> None:
        pass


@dataclass
class Held:
    """A run that has been held, and the store it is in."""

    store: Store
    run_id: str
    model: FakeModel
    embedder: ModelSpec = LEXICAL
    notes: list[str] = field(default_factory=list)
    """What a watcher was told."""

    @property
    def row(self) -> RunRow:
        return self.store.run(self.run_id)

    def carry_on(self) -> Held:
        run = Run(self.store, self.row, Listener(self.notes))
        run.models = Cast(self.model, self.embedder)  # type: ignore[assignment]
        asyncio.run(run.carry_on())
        bugs = [row.error for row in self.store.dialogues(self.run_id) if row.stop_reason == "bug"]
        assert not bugs, bugs  # in the program, or in the test's own model
        return self

    def rows(self, table: type[Row]) -> list[Row]:
        """All rows of a table, in the order they were written."""
        with self.store.database.reading() as session:
            return list(session.exec(select(table)))

    def of(self, table: type[Row], **wanted: Any) -> list[Row]:
        """The rows with these values."""
        return [row for row in self.rows(table) if all(getattr(row, name) == value for name, value in wanted.items())]

    def figures(self) -> RunStats:
        return run_stats.stats(self.store, self.row)

    def stats(self) -> JsonObject:
        """The figures as `culturepark stats --json` prints them."""
        return self.figures().as_json()


class Listener(Quiet):
    def __init__(self, notes: list[str]) -> None:
        super().__init__()
        self.notes = notes

    def note(self, text: str) -> None:
        self.notes.append(text)


def hold(
    tmp_path: Path,
    one: Edition,
    model: FakeModel,
    *,
    run_id: str = RUN,
    seed: int = 1,
    until: Until = "samples",
    embedder: ModelSpec = LEXICAL,
) -> Held:
    """A whole run, dialogue by dialogue."""
    return begin(tmp_path, one, model, run_id=run_id, seed=seed, until=until, embedder=embedder).carry_on()


def hold_said(
    tmp_path: Path,
    said: Sequence[tuple[str, str]],
    model: FakeModel,
    one: Edition | None = None,
    *,
    phase: str = "opinion",
    until: Until = "samples",
) -> Held:
    """A run whose one dialogue is over already, with these turns (speaker, text): only distillation is left."""
    one = one or edition()
    seed = seating(tmp_path, one, {speaker for speaker, _ in said})
    held = begin(tmp_path, one, model, seed=seed, until=until)
    dialogue_id = f"{held.run_id}.d1"
    for turn in turns_of(said, phase):
        held.store.add_turn(dialogue_id, turn)
    held.store.set_dialogue(dialogue_id, Status.DONE, "completed")
    return held.carry_on()


def seating(tmp_path: Path, one: Edition, speakers: set[str]) -> int:
    """The first seed of a run in whose first dialogue these people sit; 1 where there is none."""
    store = Store(f"sqlite:///{tmp_path}/runs.db")
    ratings = known(one, store, SCRIPTED)
    store.close()
    for seed in range(1, 33):
        casting = plan(one, seed, ratings).castings[0]
        if {p.persona.key for p in casting.participants} >= speakers - {MODERATOR}:
            return seed
    return 1


def begin(
    tmp_path: Path,
    one: Edition,
    model: FakeModel,
    *,
    run_id: str = RUN,
    seed: int = 1,
    until: Until = "samples",
    embedder: ModelSpec = LEXICAL,
) -> Held:
    """A run that has only been planned."""
    store = Store(f"sqlite:///{tmp_path}/runs.db")
    specs = Cast(model, embedder).specs
    new_run(store, one, seed=seed, models=specs, settings=Settings(concurrency=1, until=until), run_id=run_id)
    return Held(store, run_id, model, embedder)


def turns_of(said: Sequence[tuple[str, str]], phase: str = "opinion") -> list[Turn]:
    return [
        Turn(
            position=position,
            slot=position,
            speaker=speaker,
            role="moderator" if speaker == MODERATOR else "main" if speaker.startswith("american") else "delegate",
            phase=phase,
            text=text,
            origin="cue" if speaker == MODERATOR else "model",
        )
        for position, (speaker, text) in enumerate(said, start=1)
    ]
