"""Asks models about labelled rows, outside any run and store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.quality.rows import lines, parsed
from culturepark.catalog.personas import load_all
from culturepark.catalog.surveys import load_items
from culturepark.distill.ask import Asker
from culturepark.domain import Casting, Participant, Persona, Seed, SurveyItem, Turn
from culturepark.errors import UsageError
from culturepark.languages import load_language
from culturepark.models.budget import Budget
from culturepark.models.chat import ChatModel, Reply, Request, Usage
from culturepark.models.ledger import Answered, Call, Ledger, Outcome


@dataclass
class Memory:
    """A call log that lasts as long as the bench, or longer: with a file, answered requests are not sent again."""

    file: Path | None = None
    calls: dict[str, Call] = field(default_factory=dict)
    answers: dict[tuple[str, str], Answered] = field(default_factory=dict)
    tokens: int = 0

    def __post_init__(self) -> None:
        if self.file and self.file.exists():
            for number, line in enumerate(lines(self.file), start=1):
                row = parsed(line, f"{self.file}:{number}")
                if not all(isinstance(row.get(name), str) for name in ("subject", "digest", "response")):
                    raise UsageError(f"{self.file}:{number}: no answer that a bench has kept")
                self.answers[row["subject"], row["digest"]] = Answered(f"kept.{number}", row["response"], Usage())

    def answered(self, subject_id: str, request_digest: str) -> Answered | None:
        return self.answers.get((subject_id, request_digest))

    def lately(self, endpoint: str) -> list[tuple[float, int]]:  # noqa: ARG002
        return []

    async def begin(self, call: Call) -> str:
        call_id = f"call.{len(self.calls)}"
        self.calls[call_id] = call
        return call_id

    async def finish(self, call_id: str, outcome: Outcome) -> None:
        if outcome.response is None:
            return
        call = self.calls[call_id]
        self.answers[call.subject_id, call.request_digest] = Answered(call_id, outcome.response, outcome.usage)
        self.tokens += outcome.usage.total
        if self.file:
            with self.file.open("a", encoding="utf-8") as out:
                row = {"subject": call.subject_id, "digest": call.request_digest, "response": outcome.response}
                out.write(json.dumps(row) + "\n")

    async def refuse(self, call_id: str, guard: str) -> None:
        """Nobody asks afterwards which guard it was."""

    def abilities(self, endpoint: str, model: str) -> dict[str, Any]:  # noqa: ARG002
        return {}

    def learn(self, endpoint: str, model: str, name: str, value: Any, said: str) -> None:
        """The ledger keeps it for as long as it lives, and so does the bench."""


class Ask:
    """The way to one model."""

    def __init__(self, model: ChatModel, memory: Memory, notice: Callable[[str], None]) -> None:
        self.model = model
        self.memory = memory
        self.ledger = Ledger("quality", memory, Budget(), most_in_flight=4, notice=notice)
        self.items: dict[str, SurveyItem] = load_items([])
        self.personas: tuple[Persona, ...] = load_all([])

    def asker(self, stage: str, casting: Casting, subject_id: str) -> Asker:
        return Asker(
            casting=casting,
            language=load_language("en"),
            subject_id=subject_id,
            model=self.model,
            ledger=self.ledger,
            stage=stage,
        )

    async def say(self, stage: str, subject_id: str, text: str, max_tokens: int) -> Reply:
        """One user message without any system prompt: as the published code asks."""
        request = Request(({"role": "user", "content": text},), max_tokens, temperature=0.0, seed=1)
        return await self.ledger.ask(self.model, request, stage=stage, subject_id=subject_id, prompt_digest="")

    def someone(self, culture: str, name: str | None = None) -> Persona:
        """A persona of the culture; by another name, if the row gives one."""
        card = next((p for p in self.personas if p.culture == culture), self.personas[0])
        return card.model_copy(update={"name": name}) if name else card

    def item(self, code: str | None) -> SurveyItem | None:
        """The survey item that a row was written on, if it is one that we ship."""
        return next((item for key, item in self.items.items() if code and key.endswith(f"/{code}")), None)


def casting(persona: Persona, question: str, item: SurveyItem | None = None) -> Casting:
    seed = Seed(key=item.key if item else "row", topic=item.topic if item else "row", question=question, item=item)
    return Casting(number=1, seed=seed, participants=(Participant(persona=persona),))


def turn(persona: Persona, text: str, position: int = 1) -> Turn:
    return Turn(
        position=position,
        slot=position,
        speaker=persona.key,
        role="delegate",
        phase="exchange",
        text=text,
        origin="model",
    )
