"""Carries a run on in which a model writes the cards of people, and forecasts it.

Such a run has no dialogues. Its calls are those of any other run: kept, counted against its budget, and never sent
again once answered. So the cards need no table of their own: they are made again from the answers.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from culturepark.catalog.cultures import Known, known_in
from culturepark.catalog.personas import load_all
from culturepark.dialogue.casting import Plan
from culturepark.distill.ask import SubjectAsker
from culturepark.domain import Draft, Edition, Persona, Scenario, Status, shipped_cultures
from culturepark.errors import ModelError, OutOfCredit, Unreachable, UsageError
from culturepark.languages import load_language
from culturepark.models import prices, tokens
from culturepark.models.chat import Usage, canonical, digest
from culturepark.models.ledger import DOWN_AFTER
from culturepark.models.spec import ModelSpec
from culturepark.models.trust import Trust
from culturepark.people.writer import PROMPT, Outcome, material, write
from culturepark.run import Watcher
from culturepark.run.pipeline import Run
from culturepark.run.plan import Settings, free_run_id, models_column, pending
from culturepark.shortage import shortages_named
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

MOST_PEOPLE = 20_000
"""People in a run, which keeps what is settled of all of them."""
WAVE = 24
"""People who are asked for at the same time. Those of a wave are told the names of all waves before, so that the
requests do not depend on which answer came first."""
CARD_TOKENS = (1300, 3200)
"""Completion tokens of a card, low and high."""
ASKED_AGAIN = (0.0, 0.4)
"""Further requests a person."""


def edition_for(drafts: Sequence[Draft], title: str, known: Known) -> Edition:
    """Return the edition of a run that makes these people.

    Args:
        known: cultures beside the shipped ones.
    Raises:
        UsageError: if there are too many.
    """
    if len(drafts) > MOST_PEOPLE:
        raise UsageError(f"{len(drafts):,} people are too many for one run ({MOST_PEOPLE:,}); make several (--count)")
    cultures = tuple(sorted({draft.given["culture"] for draft in drafts}))
    scenario = Scenario(
        name="people", title=title[:2000], setting="in-cultural", cultures=cultures, protocol="people", seeds=()
    )
    used = tuple({**shipped_cultures(), **known}[key] for key in cultures)
    return Edition(scenario=scenario, personas=(), drafts=tuple(drafts), cultures=used)


def new_population(
    store: Store, edition: Edition, *, seed: int, model: ModelSpec, settings: Settings, out: str, run_id: str | None
) -> tuple[RunRow, bool]:
    """Make a run and return its row, or that of the run that makes the same people; and whether it was there before.

    Raises:
        UsageError: if a run of this id exists and is another.
    """
    scenario = canonical(edition.model_dump(mode="json"))
    scenario_digest, models = digest(scenario), models_column({"speaker": model})
    row = store.find_run(run_id) if run_id else store.same_run(scenario_digest, seed, models)
    if row and (row.scenario_digest, row.seed, row.models) != (scenario_digest, seed, models):
        raise UsageError(f"the run {row.id} exists with other people, --seed or --model; name another --run-id")
    if row:
        keep(store, row, settings, out)
        return store.run(row.id), True
    run_id = run_id or free_run_id(store, edition)
    store.create_run(
        pending(run_id, edition.scenario.name, scenario, seed, models, vars(settings) | {"out": out}),
        Plan((), ()),
        edition,
    )
    return store.run(run_id), False


def keep(store: Store, row: RunRow, settings: Settings, out: str) -> None:
    store.set_plan(row.id, vars(settings) | {"out": out}, row.models)


def out_of(row: RunRow) -> str:
    """Return the place where a run's cards go, as it was named."""
    return str(json.loads(row.settings).get("out", ""))


class Population(Run):
    """A run in which people are made."""

    def __init__(
        self,
        store: Store,
        row: RunRow,
        watcher: Watcher,
        trust: Trust | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,  # noqa: ARG005
    ) -> None:
        super().__init__(store, row, watcher, trust)
        self.progress = progress
        self.drafts = self.edition.drafts
        self.ledger.down_after = min(DOWN_AFTER, len(self.drafts))
        self.people: dict[int, Persona] = {}
        """Number of a draft -> its card."""
        self.dropped: dict[int, Outcome] = {}
        """Number of a draft -> the reason why it will have no card."""
        self.failed: dict[int, str] = {}
        """Number of a draft -> the error of its request; another try may help."""

    async def _stages(self) -> None:
        model = await self.models.get("speaker")
        if model.traits.small or model.traits.labels:
            raise UsageError(f"{model.spec} is too small to write people: one of three billion parameters or more can")
        language, year = load_language(self.scenario.language), int(self.row.created_at[:4])
        known = known_in(self.edition)
        taken = [(p.culture, p.called) for p in load_all([])]
        taken += [(d.given["culture"], d.given["called"]) for d in self.drafts if "called" in d.given]

        async def make(draft: Draft) -> None:
            asker = SubjectAsker(
                language=language,
                subject_id=f"{self.row.id}.p{draft.number}",
                model=model,
                ledger=self.ledger,
                stage="people",
            )
            own = [called for culture, called in taken if culture == draft.given["culture"]]
            names = named_before(self.store.first_asked(asker.subject_id), own)
            try:
                with shortages_named():
                    outcome = await write(asker, draft, seed=self.row.seed, year=year, names=names, known=known)
            except (Unreachable, OutOfCredit):
                raise
            except ModelError as error:
                self.failed[draft.number] = str(error)
                if len(self.failed) <= 3:
                    self.watcher.note(f"person {draft.number} failed: {error}")
            else:
                if outcome.persona:
                    self.people[draft.number] = outcome.persona
                else:
                    self.dropped[draft.number] = outcome
            self.progress(len(self.people) + len(self.dropped) + len(self.failed), len(self.drafts))

        for start in range(0, len(self.drafts), WAVE):
            wave = self.drafts[start : start + WAVE]
            await self.engine.map(make, wave, at_once=self.settings.concurrency, halt=self._halt)
            made = [self.people[draft.number] for draft in wave if draft.number in self.people]
            taken += [(persona.culture, persona.called) for persona in made]

    def _outcome(self) -> tuple[Status, str]:
        if self.failed:
            return Status.FAILED, f"{len(self.failed)} people failed"
        return Status.DONE, "completed"

    @property
    def why_dropped(self) -> Counter[str]:
        return Counter(outcome.why for outcome in self.dropped.values())


def named_before(request: str | None, names: Sequence[str]) -> Sequence[str]:
    """Return the names that a person's first request listed as taken, else `names`.

    A person who failed then and has a name now would otherwise change the requests of all who come after, which would
    be sent, and paid, once more.
    """
    try:
        messages = json.loads(request or "{}").get("messages", [])
        text = str(messages[-1]["content"])
        listed = json.JSONDecoder().raw_decode(text, text.index('{"year"'))[0]["not_called"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return names
    return [str(name) for name in listed] if isinstance(listed, list) else names


def forecast(drafts: Sequence[Draft], model: ModelSpec, seed: int) -> dict[str, Any]:
    """Return calls, tokens and cost of writing these people, each as low and high; the cost is None if unknown."""
    language = load_language("en")
    head = tokens.count(language.prompt(PROMPT).text, model.name)
    some = drafts[:: max(1, len(drafts) // 50)]
    told = [json.dumps(material(d, language, seed, 2026, ["Somebody"] * 50, []), ensure_ascii=False) for d in some]
    asked = head + sum(tokens.count(text, model.name) for text in told) / max(1, len(told))
    ends = []
    for again, written in zip(ASKED_AGAIN, CARD_TOKENS, strict=True):
        calls = len(drafts) * (1 + again)
        usage = Usage(round(calls * asked), 0, round(calls * written), "estimate")
        cost = prices.cost(model.endpoint, model.name, usage) if model.paid else 0.0
        ends.append((round(calls), usage.prompt_tokens, usage.completion_tokens, cost))
    low, high = ends
    names = ("calls", "prompt_tokens", "completion_tokens", "cost_usd")
    pairs = {name: [low[i], high[i]] for i, name in enumerate(names)}
    return {"people": len(drafts)} | pairs | ({"cost_usd": None} if None in pairs["cost_usd"] else {})
