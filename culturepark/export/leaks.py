"""Answers of validation that stand in train as well, word for word or nearly, under another question.

Whole questions are held out, but people tell the same thing under two of them. Such a row would say how well a model
remembers. So it is left out of validation; nothing is moved, so that the split of a question stays what it is.

Where a row is a survey's question with a drawn answer (`mine seeds`), what it tells is the question. Two questions of a
survey are alike in most of their words and ask different things, so there only the same words count.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from culturepark.dialogue.tongues import languages_of
from culturepark.distill.dedup import band
from culturepark.distill.nearest import near
from culturepark.distill.paraphrase import key
from culturepark.errors import Unreachable, UsageError
from culturepark.export.manifest import Wanted
from culturepark.export.repeats import Stored, embedder_of
from culturepark.export.rows import Row
from culturepark.models.embedder import Embedder, Lexical
from culturepark.models.spec import LEXICAL
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow
from culturepark.store.vectors import vectors_of

AT_ONCE = 4096
"""Answers of train in memory at a time."""


def answer_key(answer: str) -> str:
    """Return what is equal in answers that count as one; a text of signs alone is its own key."""
    return key(answer) or answer


def leaking(
    store: Store,
    rows: Iterable[Row],
    runs: Sequence[RunRow],
    held: frozenset[str],
    wanted: Wanted,
    warn: Callable[[str], None],
    asked_in: Iterable[str] = (),
) -> frozenset[str]:
    """Return the keys of the answers of validation that train has too.

    Args:
        held: seeds that validate.
        warn: called if answers can be compared by words alone.
        asked_in: the languages of answers of evaluations.
    """
    train: dict[str, str] = {}
    validation: dict[str, str] = {}
    questions: set[str] = set()
    asking = {run.id for run in runs if edition_of(run).scenario.rows_are_questions}
    for row in rows:
        side = validation if row.seed_key in held else train
        for answer in row.answers:
            side.setdefault(answer_key(answer), answer)
            if any(run_id in asking for run_id, _ in row.people):
                questions.add(answer_key(answer))
    both = validation.keys() & train.keys()
    rest = {name: text for name, text in validation.items() if name not in both | questions}
    train = {name: text for name, text in train.items() if name not in questions}
    if wanted.dialogues or not rest or not train:
        return frozenset(both)
    spec = embedder_of(runs)
    languages = {*asked_in, *(code for run in runs for code in languages_of(edition_of(run)))}
    embedder: Embedder = Lexical() if spec == LEXICAL else Stored(spec)
    texts = list(rest.values()), list(train.values())
    try:
        found = asyncio.run(similar(store, *texts, embedder, languages))
    except (Unreachable, UsageError, ImportError) as error:
        warn(f"comparing answers of the two sides by words, not by meaning: {str(error).splitlines()[0]}")
        found = asyncio.run(similar(store, *texts, Lexical(), languages))
    return frozenset(both) | {name for name, is_near in zip(rest, found, strict=True) if is_near}


async def similar(
    store: Store, texts: Sequence[str], others: Sequence[str], embedder: Embedder, languages: Iterable[str]
) -> list[bool]:
    """Return for each text whether one of the others is so similar that it surely says the same.

    No guard is asked here: whether the two differ in a word that matters is nothing to build a validation on.
    """
    least = min(band(embedder.method, language)[1] for language in languages)
    own = await vectors_of(store, embedder, texts, keep=False)  # the export reads the store meanwhile
    best = np.full(len(texts), -np.inf)
    for start in range(0, len(others), AT_ONCE):
        part = await vectors_of(store, embedder, others[start : start + AT_ONCE], keep=False)
        best = np.maximum(best, near(own, part, least).best)
    return [bool(similarity >= least) for similarity in best]
