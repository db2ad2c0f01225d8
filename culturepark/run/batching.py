"""Decides what of a run is asked in batches, and checks that it can be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from culturepark.domain import ALL, BATCHES, JUDGES, NONE, ModelRole
from culturepark.errors import UsageError
from culturepark.models.spec import ModelSpec

if TYPE_CHECKING:
    from culturepark.models.batch import Batches
    from culturepark.models.chat import ChatModel
    from culturepark.models.ledger import Ledger
    from culturepark.models.registry import Models
    from culturepark.models.trust import Trust
    from culturepark.store.store import Store

ASKED: Mapping[str, tuple[ModelRole, ...]] = {
    "seat": ("moderator",),
    "dialogue": ("speaker",),
    "extract": ("extractor",),
    "verify": ("verifier",),
    "judge": JUDGES,
    "measure": ("verifier",),
}
"""What may be asked in batches -> the roles without whose batches there would be none."""


def parse_batch(text: str) -> tuple[str, ...]:
    """Return what `--batch` names, in the order of the stages.

    Raises:
        UsageError: if it names something else.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word not in (*BATCHES, ALL, NONE)]
    if unknown or not words or (len(words) > 1 and {ALL, NONE} & set(words)):
        what = f"{', '.join(unknown)[:120]}: unknown; name " if unknown else ""
        raise UsageError(
            f"--batch: {what}{', '.join(BATCHES)}, several of them with commas between, or {ALL}, or {NONE}"
        )
    if words == [NONE]:
        return ()
    return tuple(word for word in BATCHES if word in words or words == [ALL])


def stages_of(words: Iterable[str]) -> frozenset[str]:
    """Return the stages of calls that go in batches."""
    return frozenset(stage for word in words for stage in BATCHES.get(word, ()))


def specs_in_batches(words: Sequence[str], models: Mapping[ModelRole, ModelSpec]) -> list[ModelSpec]:
    """Return the models that are asked in batches.

    Raises:
        UsageError: if one of a kind without batches is named to be; with all stages named, if none has any.
    """
    specs = {role: models[role] for word in words for role in ASKED[word] if role in models}
    able = [spec for spec in dict.fromkeys(specs.values()) if spec.of.batches]
    if set(words) >= set(BATCHES) and able:
        return able
    for role, spec in specs.items():
        if not spec.of.batches:
            raise UsageError(f"--batch: {spec} ({role}) has no batches; only endpoints do (openai:NAME[@BASE_URL])")
    return able


async def check_batches(words: Sequence[str], models: Mapping[ModelRole, ModelSpec], trust: Trust) -> None:
    """Ask every endpoint that is to get batches whether it takes any. It is asked for a list, which costs nothing.

    Raises:
        UsageError: if one takes none.
        ModelError: if one cannot be asked.
    """
    for spec in specs_in_batches(words, models):
        trust.check(spec)
        model = await spec.of.open(spec, 1, lambda *_: None)
        try:
            await check_model(model)
        finally:
            await model.close()


async def check_model(model: ChatModel) -> None:
    """
    Raises:
        UsageError: if a model's endpoint takes no batches.
        ModelError: if it cannot be asked.
    """
    from culturepark.models.batch_formats import format_of

    form = format_of(model)
    if form is None:
        raise UsageError(f"--batch: no batches are known of {model.endpoint}; leave it out for {model.spec}")
    await form.check()


def batches_of_run(store: Store, run_id: str, words: Sequence[str], ledger: Ledger, models: Models) -> Batches | None:
    """Return the run's batches; None if it asks in none, and has none under way."""
    from culturepark.store.batches import StoredBatches, has_open_batches

    if not words and not has_open_batches(store, run_id):
        return None
    from culturepark.models.batch import Batches

    async def find(endpoint: str, name: str) -> ChatModel | None:
        for role, spec in models.specs.items():
            if role != "embedder" and spec.of.batches and (spec.endpoint, spec.name) == (endpoint, name):
                return await models.get(role)
        return None

    return Batches(ledger, StoredBatches(store, run_id), stages_of(words), find)
