"""The norms of a mine as an arm of an evaluation: context before each item, and never one that rests on it."""

from __future__ import annotations

from functools import cache

from culturepark.catalog.suites import Arm, ArmNorm, Suite
from culturepark.dialogue.protocol import protocol_of
from culturepark.distill.paraphrase import key
from culturepark.errors import UsageError
from culturepark.evaluate.plan import Ask
from culturepark.ids import dialogue_of
from culturepark.mine.nearest_norms import ranked
from culturepark.store.castings import castings
from culturepark.store.exports import kept_samples
from culturepark.store.integrity import edition_of
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

NAME = "norms"
"""The arm's name."""
MOST_GIVEN = 12
"""Norms before an item."""


def norms_arm(store: Store, run: RunRow, suite: Suite) -> Arm:
    """Return the arm of a run's kept norms, each once, with the items of the suite that its writer saw.

    An item is one that was seen if it has the key of a question that was shown, or its words.

    Raises:
        UsageError: if the run mined no norms, or kept none.
    """
    edition = edition_of(run)
    scenario = edition.scenario
    if not protocol_of(scenario.protocol).mines or scenario.mining is None or scenario.mining.what != "norms":
        raise UsageError(f"--norms: {run.id} mined no norms; `culturepark mine norms` makes such runs")
    by_words: dict[str, list[str]] = {}
    for item in suite.items:
        by_words.setdefault(key(item.question) or item.question, []).append(item.key)
    known = {item.key for item in suite.items}
    topics = {
        f"{run.id}.d{casting.number}": (casting.seed.key, casting.participants[0].persona.home)
        for casting in castings(store, run, edition)
        if scenario.topic(casting.seed.key)
    }

    @cache
    def seen(seed_key: str, country: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for seed in scenario.questions_shown(seed_key, country):
            found |= dict.fromkeys([seed.key] if seed.key in known else [])
            found |= dict.fromkeys(by_words.get(key(seed.question) or seed.question, []))
        return tuple(found)

    told: dict[tuple[str, str], set[str]] = {}
    with store.database.reading() as look:
        for sample in kept_samples(look, run.id, ()):
            if sample["kind"] == "norm" and (place := topics.get(dialogue_of(sample["statement_id"]))):
                told.setdefault((sample["culture"], sample["first_person"]), set()).update(seen(*place))
    if not told:
        raise UsageError(f"--norms: {run.id} has kept no norms")
    norms = [ArmNorm(text=text, culture=culture, shown=tuple(sorted(items))) for (culture, text), items in told.items()]
    return Arm(name=NAME, norms=tuple(norms), of_run=run.id)


def given(ask: Ask) -> list[str]:
    """Return the norms that go before an item: the nearest of its culture, of those that do not rest on it. Pure."""
    own = [
        norm.text
        for norm in ask.condition.arm.norms
        if norm.culture == ask.place.culture and ask.item.key not in norm.shown
    ]
    order = ranked(f"{ask.item.topic} {ask.item.question}", own)
    return [own[index] for index in order[:MOST_GIVEN]]
