"""How the kept samples of a run read in English, where they are in another language.

The words are those of the stored renderings; a row is put together anew from them, in the shape that it has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from culturepark.dialogue.tongues import told, tongues_of
from culturepark.distill.samples import Judged, Planned, by_criterion, messages_of
from culturepark.distill.wordings import Wordings
from culturepark.domain import DEFAULT_LANGUAGE, Casting, Edition, Statement
from culturepark.ids import dialogue_of
from culturepark.languages import load_language
from culturepark.store import exports
from culturepark.store.castings import castings_of_run
from culturepark.store.exports import Look
from culturepark.store.tables import RunRow, StatementRenderingRow

NO_ENGLISH = "without an English rendering"
DIFFERENT = "with a rendering that a second call found to differ"
REWORDED = "reworded by a reviewer, without English of the new words"
"""Reasons for which a row is not there in English."""


class English:
    """The English of one run's samples."""

    def __init__(self, look: Look, run: RunRow, edition: Edition) -> None:
        self.look, self.run, self.edition = look, run, edition
        self.wordings = Wordings(load_language(DEFAULT_LANGUAGE))

    @cached_property
    def renderings(self) -> dict[str, StatementRenderingRow]:
        return exports.renderings(self.look, self.run.id, DEFAULT_LANGUAGE)

    @cached_property
    def castings(self) -> dict[str, Casting]:
        """Dialogue id -> its plan, as it was written."""
        plans = castings_of_run(self.look, self.run.id, self.edition)
        scenario = self.edition.scenario
        return {f"{self.run.id}.d{plan.number}": told(plan, tongues_of(scenario, plan)) for plan in plans}

    def row(self, sample: Mapping[str, Any]) -> tuple[list[dict[str, str]], str] | str:
        """Return a kept sample's messages in English, and its answer without the words of a template; or the reason
        why there are none."""
        item = self.judged(sample["statement_id"])
        beside = self.judged(sample["beside"]) if sample["beside"] else None
        for one in (item, beside):
            if isinstance(one, str):
                return one
        assert isinstance(item, Judged)
        said = self.original(sample["statement_id"]).first_person
        has_reason = any(said in message["content"] for message in json.loads(sample["messages"]))
        row = Planned(
            sample["id"],
            sample["kind"],
            item,
            beside=beside if isinstance(beside, Judged) else None,
            brief=sample["kind"] == "survey" and not has_reason,
        )
        system, user, assistant = messages_of(row, self.wordings)
        roles = ("system", "user", "assistant")
        texts = zip(roles, (system, user, assistant), strict=True)
        return [{"role": role, "content": text} for role, text in texts], item.statement.first_person

    def original(self, statement_id: str) -> Statement:
        return exports.statement(self.look, statement_id)

    def judged(self, statement_id: str) -> Judged | str:
        """Return a statement in English, or the reason why it is not there."""
        statement = self.original(statement_id)
        said = statement.first_person
        if statement.worded_in != DEFAULT_LANGUAGE:
            rendering = self.renderings.get(statement_id)
            if rendering is None:
                return NO_ENGLISH
            if rendering.agrees is False:
                return DIFFERENT
            words = ("text", "first_person", "question", "exception")
            update = {name: getattr(rendering, name) for name in words} | {"language": DEFAULT_LANGUAGE}
            statement = statement.model_copy(update=update)
        given = by_criterion(exports.verdicts_on(self.look, self.run, statement_id))
        plan = self.castings[dialogue_of(statement.turn_id)]
        return Judged(statement, given, plan, exports.phase_of(self.look, statement.turn_id), said=said)
