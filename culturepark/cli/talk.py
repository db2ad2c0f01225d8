"""The command with which a user talks with a persona."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from culturepark.catalog.talks import find_persona, find_seed, talk_edition
from culturepark.cli.consent import check_used, named_in, trust_in
from culturepark.cli.keyboard import Keyboard
from culturepark.cli.run import OPEN, check_run_id, replaced, roles_until, until_stopped, watch_prices, where_is
from culturepark.cli.telling import card_lines, heading_lines, note_lines
from culturepark.dialogue.casting import plan
from culturepark.dialogue.guards import LONGEST
from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.talk import Lost, Talk
from culturepark.domain import Edition, ModelRole, Status, Turn
from culturepark.errors import (
    BudgetReached,
    CultureparkError,
    Interrupted,
    ModelError,
    StoreError,
    Unreachable,
    UsageError,
)
from culturepark.models import prices
from culturepark.models.chat import ChatModel
from culturepark.models.registry import check_specs
from culturepark.models.spec import ModelSpec, parse_roles
from culturepark.models.trust import Trust
from culturepark.run.pipeline import Run
from culturepark.run.plan import Settings, free_run_id, new_run, settings_of
from culturepark.store.dialogue_view import Scenes
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.terminal.safe import safe, show_origin, tell

HELP = """\
/end    end the talk (or Ctrl-D, or Ctrl-C); a note on what came up follows
/who    the card of the person you talk with
/again  ask once more for an answer that did not come
/help   this
Ctrl-C while an answer is awaited breaks it off; what you typed is kept. Several pasted lines are one message."""


def talk(
    persona: str | None,
    *,
    about: str | None,
    moderated: bool,
    model: str | None,
    roles: list[str],
    store_url: str,
    seed: int | None,
    limits: Mapping[str, Any],
    run_id: str | None,
    endpoints: list[str],
) -> int:
    prices.table()
    if persona is None:
        if run_id is None:
            raise UsageError("whom with? `culturepark personas` lists who there is")
        if about or moderated:
            raise UsageError("a talk goes on as it was begun: --run-id alone, without --about and --moderated")
        store = Store(store_url, must_exist=True)
        row = store.run(run_id)
        edition = edition_of(row)
        if not protocol_of(edition.scenario.protocol).user_sits:
            raise UsageError(f"{row.id} is no talk; `culturepark resume {row.id}{where_is(store)}` goes on with it")
        specs = replaced(row, roles, model)
        trust = trust_in(named_in(roles, model).values(), endpoints)
        check_used(trust, specs.values(), row.id)
        if row.status != Status.DONE:
            check_specs(specs, roles_until("samples", edition.scenario, specs), trust)
        settings = replace(settings_of(row), **limits)
        return held(store, edition, row.seed if seed is None else seed, specs, settings, row.id, trust)
    if endpoints:
        raise UsageError("--endpoint is for a talk that is taken up with --run-id alone; --model names a new one's")
    check_run_id(run_id)
    edition = talk_edition(find_persona(persona), find_seed(about), moderated=moderated)
    specs = parse_roles(model, roles)
    seed = 1 if seed is None else seed
    plan(edition, seed)
    trust = trust_in(specs.values(), [])
    settings = Settings(concurrency=1 if specs["speaker"].kind != "openai" else 4, **limits)
    # A wrong key or file is told before a store is made.
    check_specs(specs, roles_until("samples", edition.scenario, specs), trust)
    store = Store(store_url)
    return held(store, edition, seed, specs, settings, run_id or free_run_id(store, edition), trust)


def held(
    store: Store,
    edition: Edition,
    seed: int,
    specs: Mapping[ModelRole, ModelSpec],
    settings: Settings,
    run_id: str,
    trust: Trust,
) -> int:
    """A talk from its beginning, or from wherever it was left, to its note; the exit code."""
    with store.database.hold(run_id):
        row = new_run(store, edition, seed=seed, models=specs, settings=settings, run_id=run_id)
        watch_prices(store, row)
        with asyncio.Runner() as runner:
            return Session(store, row, runner, trust).hold()


class Session:
    """One sitting at the keyboard."""

    def __init__(self, store: Store, row: RunRow, runner: asyncio.Runner, trust: Trust) -> None:
        self.store, self.row, self.runner = store, row, runner
        self.keyboard = Keyboard()
        self.run = Run(store, row, self.keyboard, trust)
        (dialogue,) = store.dialogues(row.id)
        casting = self.run.castings[dialogue.number]
        self.dialogue = dialogue
        self.persona = casting.participants[0].persona
        self.talk = Talk(
            casting,
            self.run.scenario,
            dialogue.id,
            store.turns(dialogue.id),
            row.seed,
            self.run.ledger,
            partial(store.add_turn, dialogue.id),
        )
        self.where = where_is(store)

    def hold(self) -> int:
        command = "talk --run-id"
        kinds = {spec.kind for spec in self.run.models.specs.values()}
        for line in heading_lines(self.persona, self.run.scenario, kinds):
            self.keyboard.tell(line)
        if self.keyboard.shown and self.dialogue.status in OPEN:
            self.keyboard.tell(f"Run {self.row.id}. /end or Ctrl-D ends the talk, /help tells the rest.")
        try:
            if self.dialogue.status in OPEN:
                self.converse()
            command = "resume"
            if self.store.run(self.row.id).status != Status.DONE:
                with self.keyboard.waiting_for("looking for what came up"):
                    self.runner.run(until_stopped(self.run))
        except CultureparkError as error:
            if command != "resume" and not isinstance(error, StoreError):
                self.run.stopped(error)
            more = f" {error.option}" if isinstance(error, BudgetReached) else ""
            tell(f"{safe(error)}\ngo on with: culturepark {command} {self.row.id}{more}{self.where}")
            show_origin(error)
            return error.exit_code
        finally:
            self.runner.run(self.run.models.close())
        for line in note_lines(Scenes(self.store, self.row.id).scene(self.dialogue.id), self.where):
            self.keyboard.tell(line)
        return 1 if self.store.run(self.row.id).status == Status.FAILED else 0

    # --- the talk --------------------------------------------------------------------------------------

    def converse(self) -> None:
        """Until the user ends it.

        Raises:
            CultureparkError: what the talk was stopped by; it can be taken up again.
        """
        self.store.close_open_calls(self.row.id)
        self.store.set_run(self.row.id, Status.RUNNING, None)
        self.store.set_dialogue(self.dialogue.id, Status.RUNNING)
        for turn in self.talk.turns:
            self.show(turn)
        if not self.talk.closing:
            self.listen(self.talk.replies)
            for line in self.lines():
                turn = self.talk.typed(line)
                if not self.keyboard.typed:
                    self.show(turn)
                self.listen(self.talk.replies)
        self.listen(self.talk.farewell)
        self.store.set_dialogue(self.dialogue.id, Status.DONE, "completed")

    def lines(self) -> Iterator[str]:
        """What the user says to the persona, until the user has had enough."""
        while True:
            try:
                line = self.keyboard.ask(LONGEST)
            except KeyboardInterrupt:
                print()
                return
            if line is None or line == "/end":
                return
            if isinstance(line, int):
                self.keyboard.note(f"{line:,} characters are too many for one speech: at most {LONGEST:,}; not sent")
            elif line.strip() == "/help":
                self.keyboard.note(HELP)
            elif line.strip() == "/who":
                for told in card_lines(self.persona):
                    self.keyboard.note(told)
            elif line.strip() == "/again":
                if self.talk.answered:
                    self.keyboard.note("nothing is left unanswered")
                self.listen(self.talk.replies)
            elif re.fullmatch(r"/\w+\s*", line):
                self.keyboard.note(f"{line.strip()} is no command; /help lists them. Nothing was sent.")
            elif line.strip():
                yield line

    def listen(self, speeches: Any) -> None:
        """Whatever is said until it is the user's turn."""
        try:
            with self.keyboard.waiting_for(f"{self.persona.called} is thinking"):
                self.runner.run(self.hear(speeches))
        except KeyboardInterrupt:
            if not self.keyboard.typed:
                raise Interrupted("stopped by Ctrl-C") from None
            self.talk.turns[:] = self.store.turns(self.dialogue.id)
            self.keyboard.note("broken off; what you typed is kept. /again asks once more, or just go on")
        except Unreachable:
            raise
        except ModelError as error:
            self.keyboard.note(f"no answer: {error}. /again asks once more, or just go on")

    async def hear(self, speeches: Any) -> None:
        speaker = await self.run.models.get("speaker")
        moderator: ChatModel = await self.run.models.get("moderator") if self.talk.moderated else speaker
        said: AsyncIterator[Turn | Lost] = speeches(speaker, moderator)
        async for turn in said:
            if isinstance(turn, Turn):
                self.show(turn)
            else:
                self.keyboard.note(
                    f"{self.persona.called} found no words that may stand ({turn.reason}). /again asks once more, or "
                    "just go on"
                )

    def show(self, turn: Turn) -> None:
        names = {"user": "You", "moderator": "Moderator"}
        own = turn.role not in names
        self.keyboard.say(names.get(turn.role, self.persona.name), turn.text, self.persona.culture if own else "")
