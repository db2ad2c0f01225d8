"""Counts the tokens that prompts take for talks that are stored: `python bench/tokens_bench.py STORE [RUN ...]`.

A store is a file, or `demo` for the recorded runs that come with the program. For each arm the same turns, statements
and verdicts are put to the program's own agents, extractor and verifier; the requests that they make are counted, by
stage, and nobody is asked:

    recorded   the requests as they stand in the store, those that a guard refused among them
    whole      what this program asks where a speaker is shown the whole talk (`memory: whole`)
    window     what it asks where a speaker is shown the last turns and a short memory (`memory: window`)
    together   the same, and slips are looked for in the call that finds statements (`distill: {slips: together}`)

Tokens are those of o200k. A kept distinct statement is one that passed verification and is nobody's duplicate; a row
is one of its samples that was kept. What a provider's prefix cache would have caught is simulated by the rule of
OpenAI's: the beginning that a request shares with an earlier one, in steps of 128 tokens from 1,024 on, forgotten
after five minutes without use; the schema of an answer stands before the messages. Requests arrive as a run makes
them that holds eight dialogues at once and waits three seconds for each answer. Renderings and duplicates are asked as
they were; what `measure` asks is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from sqlmodel import col, select

from culturepark.dialogue.agents import MODERATOR, Ask, seat, speak_directly
from culturepark.dialogue.memory import allotted, scenes_of
from culturepark.dialogue.policy import next_slot
from culturepark.dialogue.tongues import as_heard, as_spoken, tongues_of
from culturepark.distill.ask import Asker
from culturepark.distill.extract import extract
from culturepark.distill.judgement import case
from culturepark.distill.row_checks import check_rows, worth_asking
from culturepark.distill.slips import examine, said_by, spoiled, touched
from culturepark.distill.together import examine_and_extract
from culturepark.distill.verify import verify
from culturepark.domain import Casting, Scenario, Scene, Turn, Verdict
from culturepark.languages import load_language
from culturepark.models.chat import Reply, Request, Traits, digest
from culturepark.models.tokens import encoding
from culturepark.store.castings import castings
from culturepark.store.integrity import edition_of
from culturepark.store.recorded import store_with
from culturepark.store.store import Store
from culturepark.store.tables import CallRow, DialogueRow, DuplicateRow, RunRow, SampleRow, VerdictRow

STAGES = ("speakers", "moderator", "examine", "extract", "verify", "rows", "other")
ARMS = {"whole": ("whole", "apart"), "window": ("window", "apart"), "together": ("window", "together")}
"""Arm -> what of a talk its speakers are shown, and how slips are looked for."""
BLOCK, LEAST = 128, 1024
"""Tokens of a step, and of the shortest beginning that a provider's cache keeps."""
FORGOTTEN = 300.0
"""Seconds after its last use for which a cached beginning is kept."""
AT_ONCE, ANSWER = 8, 3.0
"""Dialogues that are held at once, and the seconds for which each request is under way."""
NOW = "window"
"""The arm of a scenario that says nothing of it; its figure is the headline."""
SCRIPTED = 686
"""Prompt tokens a kept sample of an endpoint that finds four opinions in each turn (bench/README.md)."""
ROWS = "rows"
"""Name of the schema of row checks, which are a stage of their own here."""


@dataclass(frozen=True)
class Sent:
    """One request, as far as it costs something."""

    stage: str
    tokens: tuple[int, ...]


@dataclass
class Count:
    requests: int = 0
    prompt: int = 0
    cached: int = 0

    def add(self, other: Count) -> None:
        self.requests += other.requests
        self.prompt += other.prompt
        self.cached += other.cached


@dataclass
class Arm:
    """The requests of each dialogue, in the order in which they are made."""

    sent: list[list[Sent]] = field(default_factory=list)

    def counted(self) -> dict[str, Count]:
        counts: dict[str, Count] = defaultdict(Count)
        cache = Cache()
        for moment, request in arrivals(self.sent):
            counts[request.stage].add(Count(1, len(request.tokens), cache.read(request.tokens, moment)))
        return counts


class Cache:
    """A provider's prefix cache."""

    def __init__(self) -> None:
        self._used: dict[int, float] = {}
        """Hash of a beginning -> the moment of its last use."""

    def read(self, tokens: tuple[int, ...], moment: float) -> int:
        """Return how many tokens of a request's beginning are cached, and keep its beginnings."""
        cached, beginning = 0, 0
        for end in range(BLOCK, len(tokens) + 1, BLOCK):
            beginning = hash((beginning, tokens[end - BLOCK : end]))
            if end < LEAST:
                continue
            if cached in (0, end - BLOCK) and self._used.get(beginning, -FORGOTTEN) + FORGOTTEN > moment:
                cached = end
            self._used[beginning] = moment
        return cached


def arrivals(dialogues: Sequence[Sequence[Sent]]) -> Iterable[tuple[float, Sent]]:
    """Yield the requests of dialogues that are held several at once, in the order in which they arrive."""
    free = [(0.0, lane) for lane in range(AT_ONCE)]
    found: list[tuple[float, int, Sent]] = []
    for sent in dialogues:
        moment, lane = min(free)
        for place, request in enumerate(sent):
            found.append((moment + ANSWER * place, lane, request))
        free[lane] = (moment + ANSWER * len(sent), lane)
    return ((moment, request) for moment, _, request in sorted(found, key=lambda it: it[:2]))


def tokens_of(messages: Sequence[Mapping[str, str]], schema: object) -> tuple[int, ...]:
    """Return the tokens of a request: each message with four that frame it, and one that stands for the schema."""
    o200k = encoding("gpt-4o")
    assert o200k is not None
    tokens = [-hash(json.dumps(schema)) - 4] if schema else []
    for message in messages:
        tokens += [-1, -2, -3, *o200k.encode_ordinary(message["role"] + "\n" + str(message["content"]))]
    return tuple(tokens)


# --- what is asked now ---------------------------------------------------------------------------------


@dataclass
class Listener:
    """Stands where a model and its ledger do: takes note of a request, and gives an answer that says nothing."""

    stage: str
    sent: list[Sent]
    answer: str = "…"
    small: bool = False
    traits: Traits = field(default_factory=Traits)
    spec: str = "bench"

    async def ask(self, *asked: Any, **_: Any) -> Reply:
        request = next(it for it in asked if isinstance(it, Request))
        name = request.schema.name if request.schema else ""
        stage = ROWS if name == ROWS else self.stage
        self.sent.append(Sent(stage, tokens_of(request.messages, request.schema and request.schema.schema)))
        content = self.answer if request.schema is None else self.answered(name, request.messages[-1]["content"])
        choice = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        return Reply(content, "stop", {"choices": [choice]}, call_id="c")

    @staticmethod
    def answered(name: str, material: str) -> str:
        """Return the shortest answer of a shape; for rows one about each item: what is left out is asked again."""
        if name != ROWS:
            return json.dumps({"verdicts": [], "slips": [], "statements": []})
        said = {"own": "yes", "seed": "none", "case": "none", "other": "none", "alone": "yes", "country": "any"}
        items = json.JSONDecoder().raw_decode(material)[0]["items"]
        return json.dumps({"items": [{"id": item["id"], **said} for item in items]})

    def refuse(self, *_: object) -> None: ...


@dataclass
class Talk:
    """One stored dialogue."""

    row: DialogueRow
    casting: Casting
    """As it was planned."""
    turns: list[Turn]
    calls: list[CallRow]
    scenes: dict[str, list[Scene]]


def asked_for(talk: Talk, turn: Turn) -> int:
    """Return how many answers it took until one was a turn."""
    subject = f"{talk.row.id}.t{turn.position}"
    return sum(call.subject_id == subject and call.stage == "dialogue" and bool(call.response) for call in talk.calls)


async def spoken(talk: Talk, scenario: Scenario, seed: int, sent: list[Sent]) -> None:
    speaker, moderator = Listener("speakers", sent), Listener("moderator", sent)
    chair, people = seat(talk.casting, scenario, speaker, moderator, talk.scenes)
    agents = {MODERATOR: chair, **{person.key: person for person in people}}
    code = tongues_of(scenario, talk.casting).moderator
    for place, turn in enumerate(talk.turns):
        said = talk.turns[:place]
        slot = next_slot(chair.scenario, chair.casting, as_heard(said, code), turn.slot, small=False)
        if slot is None or not turn.call_id:
            continue
        for attempt in range(1, max(1, asked_for(talk, turn)) + 1):
            ask = Ask(slot, "", int(digest(str(seed), turn.speaker, str(attempt))[:7], 16), attempt)
            await speak_directly(agents[turn.speaker], ask, said)


async def distilled(store: Store, run: RunRow, talk: Talk, scenario: Scenario, sent: list[Sent]) -> None:
    tongues = tongues_of(scenario, talk.casting)
    table = as_spoken(talk.casting, tongues)
    scenes = {p.persona.key: talk.scenes.get(p.persona.key, []) for p in table.participants}

    def asker(stage: str) -> Asker:
        listener: Any = Listener(stage, sent)
        return Asker(
            casting=table, language=load_language(tongues.moderator), spoken=tongues.all, subject_id=talk.row.id,
            model=listener, ledger=listener, stage=stage,
        )  # fmt: skip

    asked = {call.stage for call in talk.calls}
    both = scenario.distill.slips == "together"
    if both:
        await examine_and_extract(asker("extract"), talk.turns, scenes, scenario.mine)
    elif "examine" in asked:
        await examine(asker("examine"), talk.turns, scenes)
    slips = spoiled(store.slips(talk.row.id))
    if "extract" in asked and not both:
        near = {key: touched(told, said_by(key, talk.turns)) for key, told in scenes.items()}
        without = {turn.position for turn in talk.turns if f"{talk.row.id}.t{turn.position}" in slips}
        mode = scenario.distill.extract
        await extract(asker("extract"), talk.turns, mode, near, roles=scenario.mine, without=without)
    if "verify" not in asked:
        return
    by_id = {f"{talk.row.id}.t{turn.position}": turn for turn in talk.turns}
    before = {f"{talk.row.id}.t{turn.position}": last for last, turn in pairwise(talk.turns)}
    statements = [row.noun() for row in store.statements(run, talk.row.id) if row.rewritten_from is None]
    judge = asker("verify")
    cases = [case(s, by_id[s.turn_id], table, judge.language, before.get(s.turn_id)) for s in statements]
    await verify(judge, cases, scenario.distill)
    with store.database.reading() as look:
        of_talk = col(VerdictRow.statement_id).startswith(f"{talk.row.id}.")
        rows = look.exec(select(VerdictRow).where(of_talk)).all()
        wanted = worth_asking(
            Verdict(
                statement_id=row.statement_id, criterion=row.criterion, relation=row.relation,
                confidence=row.confidence, decision=row.decision, call_id=row.call_id,
            )
            for row in rows
        )  # fmt: skip
    if any(row.criterion in ("stands-alone", "distinctive") for row in rows):
        await check_rows(judge, [s for s in statements if s.id in wanted], {s.id: s for s in statements})


def recorded(talk: Talk) -> list[Sent]:
    """Return the requests of a dialogue as they stand in the store."""
    persons = {f"{talk.row.id}.t{turn.position}" for turn in talk.turns if turn.speaker != MODERATOR}
    sent = []
    for call in talk.calls:
        request = json.loads(call.request)
        shape = (request.get("response_format") or {}).get("json_schema") or {}
        stage = ROWS if shape.get("name") == ROWS else call.stage
        if stage == "dialogue":
            stage = "speakers" if call.subject_id in persons else "moderator"
        if "messages" in request and stage != "measure":
            place = stage if stage in STAGES else "other"
            sent.append(Sent(place, tokens_of(request["messages"], shape.get("schema"))))
    return sent


# --- what came of it -----------------------------------------------------------------------------------


def talks_of(store: Store, run: RunRow) -> list[Talk]:
    edition = edition_of(run)
    plan = castings(store, run, edition)
    allotment = allotted(list(plan), run.seed)
    by_number = {casting.number: casting for casting in plan}
    found = []
    for row in store.dialogues(run.id):
        casting = by_number[row.number]
        tongues = tongues_of(edition.scenario, casting)
        scenes = {
            p.persona.key: [scenes_of(p.persona)[i] for i in allotment.get((casting.number, p.persona.key), ())]
            for p in as_spoken(casting, tongues).participants
        }
        with store.database.reading() as look:
            below = (col(CallRow.subject_id) == row.id) | col(CallRow.subject_id).startswith(f"{row.id}.")
            query = select(CallRow).where(col(CallRow.run_id) == run.id, below).order_by(col(CallRow.started_at))
            calls = [CallRow(**call.model_dump()) for call in look.exec(query).all()]
        if turns := store.turns(row.id):
            found.append(Talk(row, casting, turns, calls, scenes))
    return found


def kept(store: Store, run: RunRow) -> tuple[int, int, int]:
    """Return the numbers of kept distinct statements, of those with a kept row, and of kept rows."""
    with store.database.reading() as look:
        below = f"{run.id}."
        duplicates = set(
            look.exec(select(DuplicateRow.statement_id).where(col(DuplicateRow.statement_id).startswith(below))).all()
        )
        criteria: dict[str, dict[str, str]] = defaultdict(dict)
        for row in look.exec(select(VerdictRow).where(col(VerdictRow.statement_id).startswith(below))).all():
            criteria[row.statement_id][row.criterion] = row.decision
        samples = look.exec(
            select(SampleRow.statement_id).where(col(SampleRow.id).startswith(below), col(SampleRow.status) == "kept")
        ).all()
    # A view that takes no side on the seed's question may stand under a question of its own.
    passed = {name for name, given in criteria.items() if given.get("faithful") == "keep"} - duplicates
    return len(passed), len(set(samples)), len(samples)


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("store", metavar="STORE")
    parser.add_argument("runs", nargs="*", metavar="RUN")
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    url = wanted.store if "://" in wanted.store else f"sqlite:///{wanted.store}"
    if wanted.store == "demo":
        url = store_with("sqlite:///nowhere.db", *(wanted.runs or ["demo"]))
    store = Store(url, must_exist=True)
    arms: dict[str, Arm] = {name: Arm() for name in ("recorded", *ARMS)}
    found: Counter[str] = Counter()
    for name in wanted.runs or ["demo"]:
        run = store.run(name)
        for place, count in enumerate(kept(store, run)):
            found[("statements", "with a row", "rows")[place]] += count
        for talk in talks_of(store, run):
            found["dialogues"] += 1
            found["speeches"] += sum(turn.speaker != MODERATOR for turn in talk.turns)
            arms["recorded"].sent.append(recorded(talk))
            for arm, (memory, slips) in ARMS.items():
                scenario = edition_of(run).scenario
                policy = scenario.distill.model_copy(update={"slips": slips})
                scenario = scenario.model_copy(update={"memory": memory, "distill": policy})
                sent: list[Sent] = []
                await spoken(talk, scenario, run.seed, sent)
                await distilled(store, run, talk, scenario, sent)
                sent += [it for it in recorded(talk) if it.stage == "other"]
                arms[arm].sent.append(sent)
    show({name: arm.counted() for name, arm in arms.items()}, found, as_json=wanted.json)


def show(arms: Mapping[str, Mapping[str, Count]], found: Counter[str], *, as_json: bool) -> None:
    statements = found["statements"]
    if not statements:
        raise SystemExit("no statement of these runs was kept")
    document: dict[str, Any] = {"found": dict(found), "arms": {}}
    for name, counts in arms.items():
        total = Count()
        for count in counts.values():
            total.add(count)
        document["arms"][name] = {
            stage: {
                "requests": round(count.requests / statements, 3),
                "prompt_tokens": round(count.prompt / statements, 1),
                "cached": round(count.cached / max(1, count.prompt), 3),
            }
            for stage, count in [*((s, counts[s]) for s in STAGES if s in counts), ("all", total)]
        }
    if as_json:
        print(json.dumps(document, indent=1))
        return
    now = document["arms"][NOW]["all"]
    uncached, requests = 1 - now["cached"], now["requests"]
    print(
        f"{now['prompt_tokens']:,.0f} prompt tokens ({uncached:.0%} of them uncached) and {requests:.2f} requests a "
        f"kept distinct statement, on recorded answers of a large model; {SCRIPTED} prompt tokens where an endpoint "
        "finds four opinions in each turn"
    )
    print(", ".join(f"{count} {name}" for name, count in found.items()))
    for name, stages in document["arms"].items():
        print(f"\n{name:12}{'requests':>10}{'tokens':>10}{'cached':>9}   a kept distinct statement")
        for stage, figures in stages.items():
            print(f"  {stage:10}{figures['requests']:10.2f}{figures['prompt_tokens']:10,.0f}{figures['cached']:9.0%}")


if __name__ == "__main__":
    asyncio.run(main())
