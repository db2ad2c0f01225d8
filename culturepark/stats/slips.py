"""Counts the slips that were found after the talks of a run, by the model that spoke. Read-only."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, get_args

import sqlalchemy
from sqlmodel import col, func

from culturepark.domain import SlipKind
from culturepark.stats.figures import ModelSlips, SlipCounts
from culturepark.store.exports import Look
from culturepark.store.integrity import of_columns
from culturepark.store.store import EXAMINED, TOO_SMALL, UNREAD
from culturepark.store.tables import CallRow, DialogueRow, RunRow, SlipRow, TurnRow

UNKNOWN = "unknown"
"""Speaker's model of turns whose call is not in the store: they were copied, or the parent of a branch was deleted."""


def slips_of(look: Look, run: RunRow) -> SlipCounts:
    """Return the slips of a run. Only dialogues that were looked through as a whole count, slips and speeches alike."""
    of_this_run = col(DialogueRow.run_id) == run.id
    examined = col(DialogueRow.examined)
    states = of_columns(look.execute(sqlalchemy.select(examined, func.count()).where(of_this_run).group_by(examined)))
    dialogues = Counter(dict(states))
    own = (
        of_this_run,
        examined == EXAMINED,
        col(TurnRow.role).in_(("main", "delegate")),
        col(TurnRow.origin) != "edited",
        col(TurnRow.position) > func.coalesce(col(DialogueRow.branched_at), 0),
    )
    model = func.coalesce(col(CallRow.model), UNKNOWN)
    spoken: Any = sqlalchemy.select(model).select_from(TurnRow).join(DialogueRow)
    spoken = spoken.outerjoin(CallRow, col(CallRow.id) == col(TurnRow.call_id)).where(*own)
    speeches = dict(of_columns(look.execute(spoken.add_columns(func.count()).group_by(model))))
    of_turn = col(SlipRow.turn_id) == col(TurnRow.id)
    found = of_columns(look.execute(spoken.join(SlipRow, of_turn).add_columns(col(SlipRow.turn_id), col(SlipRow.kind))))
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    turns: dict[str, set[str]] = defaultdict(set)
    for name, turn_id, kind in found:
        kinds[name][kind] += 1
        turns[name].add(turn_id)

    def by_kind(counts: Counter[str]) -> dict[str, int]:
        return {kind: counts[kind] for kind in get_args(SlipKind) if counts[kind]}

    return SlipCounts(
        dialogues=sum(dialogues.values()),
        examined=dialogues[EXAMINED],
        too_small=dialogues[TOO_SMALL],
        unread=dialogues[UNREAD],
        speeches=sum(speeches.values()),
        with_slips=sum(map(len, turns.values())),
        by_kind=by_kind(sum(kinds.values(), Counter())),
        by_model={
            name: ModelSlips(speeches=count, with_slips=len(turns[name]), by_kind=by_kind(kinds[name]))
            for name, count in sorted(speeches.items())
        },
    )
