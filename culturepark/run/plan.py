"""Makes a run's row with its models and settings, and reads them back."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

from culturepark import __version__
from culturepark.dialogue.casting import plan
from culturepark.dialogue.guards import LONGEST
from culturepark.dialogue.protocol import protocol_of
from culturepark.dialogue.tongues import languages_of, may_be_interpreted
from culturepark.distill.probes import ROLES
from culturepark.domain import DEFAULT_LANGUAGE, JUDGES, Edition, ModelRole, Scenario, Status, storable
from culturepark.errors import UsageError
from culturepark.models.chat import canonical, digest
from culturepark.models.ledger import now
from culturepark.models.spec import CHAT_ROLES, ModelSpec, parse
from culturepark.run import UNTIL, Until
from culturepark.run.rating import known, unrated
from culturepark.store.castings import castings
from culturepark.store.integrity import edition_of
from culturepark.store.lineage import parents
from culturepark.store.store import Store
from culturepark.store.tables import RunRow

TALKING: tuple[ModelRole, ...] = ("speaker", "moderator", "interpreter")
"""The last only in runs that may need one."""


UNNEEDED = "there is nothing to interpret, since all is said and kept in one language"
NO_INTERPRETER = (
    "is too small to interpret between people of different languages; name a model that can, as "
    "--role interpreter=openai:NAME, or hold the talk in one language (`language: en` in the scenario)"
)


@dataclass(frozen=True)
class Settings:
    """Settings of a run. Only `threshold` changes the rows of a finished run."""

    concurrency: int = 4
    until: Until = "samples"
    max_cost_usd: float | None = None
    max_tokens: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    batch: tuple[str, ...] = ()
    """What is asked in batches: words of `domain.BATCHES`."""
    threshold: float | None = None
    """For duplicates, in place of the scenario's; set by `distill`, and kept from then on."""


def new_run(
    store: Store,
    edition: Edition,
    *,
    seed: int,
    models: Mapping[ModelRole, ModelSpec],
    settings: Settings,
    run_id: str,
) -> RunRow:
    """Make a run and return its row, or take it up again where it exists with the same digest, seed and models.

    Where answers are to be dealt to people whom nobody has rated, the run is planned when it is carried on. A talk does
    without: it has one person, whose answer is drawn among those that are not ruled out.

    Raises:
        UsageError: if the run exists but is another.
    """
    scenario = canonical(edition.model_dump(mode="json"))
    scenario_digest = digest(scenario)
    specs = models_column(models)
    if row := store.find_run(run_id):
        off = parents(store, run_id).get(run_id)
        different = [
            name
            for name, mine, stored in (
                ("another scenario or --dialogues", scenario_digest, row.scenario_digest),
                ("another --seed", seed, row.seed),
                ("other models", specs, row.models),
                (f"one dialogue that branched off {off}", None, off),
            )
            if mine != stored
        ]
        if different:
            raise UsageError(f"the run {run_id} exists with {' and '.join(different)}; name another --run-id")
        kept = replace(settings, threshold=settings_of(row).threshold)
        store.set_plan(row.id, vars(kept), row.models)
        return store.run(row.id)
    talk = protocol_of(edition.scenario.protocol).user_sits
    row = pending(run_id, edition.scenario.name, scenario, seed, specs, vars(settings))
    rater = models["moderator"]
    ratings = known(edition, store, rater)
    rated = talk or not unrated(edition, seed, ratings)
    store.create_run(row, plan(edition, seed, ratings) if rated else None, edition)
    return row


def pending(run_id: str, name: str, scenario: str, seed: int, models: str, settings: Mapping[str, object]) -> RunRow:
    """Return the row of a run that begins now.

    Args:
        name: of the scenario.
        scenario: the whole edition as canonical JSON.
        models: as the column holds them.
    """
    return RunRow(
        id=run_id,
        scenario_name=name,
        scenario_digest=digest(scenario),
        scenario=scenario,
        seed=seed,
        status=Status.PENDING,
        version=__version__,
        created_at=now(),
        models=models,
        settings=json.dumps(dict(settings), sort_keys=True),
    )


def branch(
    store: Store,
    turn_id: str,
    text: str | None = None,
    *,
    models: Mapping[ModelRole, ModelSpec] | None = None,
    seed: int | None = None,
    settings: Settings | None = None,
) -> RunRow:
    """Make a run whose one dialogue goes on from the middle of another: before `turn_id` the two are the same.

    The other run does not change, and no model is asked yet. The dialogue keeps its number, on which suggestions to
    speakers depend; only the run's seed makes a different draw.

    Args:
        text: replaces the turn; the turn's own text keeps it, None asks for it anew. All turns after it are asked for
            anew in any case.
        models: None for those of the other run.
        seed: None for a random one.
        settings: None for those of the other run, until the end of the dialogue.
    Raises:
        UsageError: if there is no such turn, or it cannot be replaced.
    """
    row, dialogue, parent = store.turn(turn_id)
    protocol = protocol_of(dialogue.protocol)
    if not protocol.has_schedule:
        what = f"of a run that {protocol.did}" if protocol.mines else "a talk with you"
        raise UsageError(f"{dialogue.id} is {what}; so far only dialogues between personas can branch")
    edition = edition_of(parent)
    (casting,) = castings(store, parent, edition, dialogue.id)
    *copied, turn = [turn for turn in store.turns(dialogue.id) if turn.position <= row.position]
    edited = []
    if text is not None:
        if (text := speakable(text)) == turn.text:
            copied.append(turn)
        else:
            new = {"text": text, "origin": "edited", "call_id": None, "renderings": ()}
            edited.append(turn.model_copy(update=new))
    begun = pending(
        free_branch_id(store, parent.id),
        parent.scenario_name,
        parent.scenario,
        another(parent.seed) if seed is None else seed,
        parent.models if models is None else models_column(models),
        vars(settings or replace(settings_of(parent), until="dialogue")),
    )
    store.create_branch(begun, casting, edition, [*copied, *edited], dialogue.id, len(copied))
    return begun


def speakable(text: str) -> str:
    """Check a person's text for a turn, and return it stripped. No other guard looks at it.

    Raises:
        UsageError: if it cannot be a turn.
    """
    text = text.strip()
    if not text:
        raise UsageError("the text that is to stand in place of a turn is empty")
    if len(text) > LONGEST:
        raise UsageError(f"the text has {len(text):,} characters; a turn has {LONGEST:,} at the most")
    if storable(text) != text:
        raise UsageError("the text holds NUL or half a surrogate pair, which no database can hold")
    return text


def another(seed: int) -> int:
    """Return a random seed other than this one."""
    return (seed + 1 + secrets.randbelow(2**31 - 1)) % 2**31


def free_branch_id(store: Store, parent_id: str) -> str:
    """Return the parent's id, shortened if it is long, with a suffix like `-b7f3a`."""
    while store.find_run(run_id := f"{parent_id[:94]}-b{secrets.token_hex(2)}"):
        pass
    return run_id


def free_run_id(store: Store, edition: Edition) -> str:
    """Return an id like `20261121-quickstart-7f3a`: the day, the scenario, and four random letters."""
    day = f"{datetime.now(UTC):%Y%m%d}"
    while store.find_run(run_id := f"{day}-{edition.scenario.name}-{secrets.token_hex(2)}"):
        pass
    return run_id


def models_column(models: Mapping[ModelRole, ModelSpec]) -> str:
    return json.dumps({role: str(spec) for role, spec in models.items()}, sort_keys=True)


def models_of(row: RunRow) -> dict[ModelRole, ModelSpec]:
    return {role: parse(spec, role) for role, spec in json.loads(row.models).items()}


def models_with(row: RunRow, model: str) -> dict[ModelRole, ModelSpec]:
    """Return the run's models, with another one in all chat roles.

    Raises:
        UsageError: if it is no model spec.
    """
    own, spec = models_of(row), parse(model)
    roles = CHAT_ROLES if "interpreter" not in own else (*CHAT_ROLES, "interpreter")
    return {"embedder": own["embedder"], **dict.fromkeys(roles, spec)}


def with_interpreter(models: Mapping[ModelRole, ModelSpec], edition: Edition) -> dict[ModelRole, ModelSpec]:
    """Return the models of a run with the interpreter's where one may be needed: the one that speaks, by default.

    That is at a table of several languages, and for rows that are put into English.

    Raises:
        UsageError: if one is named that nobody needs.
    """
    foreign = set(languages_of(edition)) != {DEFAULT_LANGUAGE}
    if may_be_interpreted(edition) or (foreign and edition.scenario.distill.english):
        return {"interpreter": models["speaker"], **models}
    if "interpreter" in models:
        raise UsageError(f"--role interpreter: {UNNEEDED}")
    return dict(models)


def check_interpreter(models: Mapping[ModelRole, ModelSpec], edition: Edition) -> None:
    """
    Raises:
        UsageError: if people need an interpreter, and its model cannot interpret.
    """
    spec = models.get("interpreter")
    if spec and spec.of.tiny and may_be_interpreted(edition):
        raise UsageError(f"{spec} {NO_INTERPRETER}")


def unscripted(models: Mapping[ModelRole, ModelSpec], edition: Edition) -> str | None:
    """Return what the reader of a talk has to know where the script speaks in another language than its own."""
    foreign = [code for code in languages_of(edition) if code != DEFAULT_LANGUAGE]
    if not foreign or not any(spec.of.scripted for spec in models.values()):
        return None
    return (
        f"scripted has no words of its own in {', '.join(foreign)}: it quotes cards and what was said, English lines "
        "behind a fixed phrase; the run shows how things go, not how people talk"
    )


def settings_of(row: RunRow) -> Settings:
    known = {field.name for field in fields(Settings)}
    settings = {name: value for name, value in json.loads(row.settings).items() if name in known}
    return Settings(**settings | {"batch": tuple(settings.get("batch") or ())})


def with_concurrency(settings: str, concurrency: int) -> str:
    """Return the column of a run's settings with another number of requests in flight."""
    return json.dumps(json.loads(settings) | {"concurrency": concurrency}, sort_keys=True)


def judges_asked(scenario: Scenario, models: Mapping[ModelRole, ModelSpec]) -> tuple[ModelRole, ...]:
    """Return the judges' roles that the scenario's checks ask.

    Raises:
        UsageError: if more models are named than the panel has judges.
    """
    checks = scenario.distill.checks
    named = tuple(role for role in JUDGES if role in models)
    if checks and len(named) > checks.judges:
        raise UsageError(f"--role judge: {len(named)} models for a panel of {checks.judges} (distill.checks.judges)")
    return named if checks else ()


def mined_roles(scenario: Scenario) -> tuple[ModelRole, ...]:
    """Return the roles that a mine asks; none where questions stay as they stand."""
    return ("speaker", "verifier", "embedder") if scenario.mining and scenario.mining.how != "none" else ()


def roles_until(until: Until, scenario: Scenario, models: Mapping[ModelRole, ModelSpec]) -> tuple[ModelRole, ...]:
    """Return the roles that are asked before a run ends."""
    if scenario.mining:
        return mined_roles(scenario)
    judges = judges_asked(scenario, models)
    measuring = tuple(role for measure in scenario.measure for role in ROLES[measure])
    stages: dict[Until, tuple[ModelRole, ...]] = {
        "dialogue": (*(role for role in TALKING if role in models), *measuring),
        "extract": ("verifier", "extractor"),  # the verifier looks for slips before anything is mined
        "verify": judges,
        "dedup": ("embedder",),
    }
    asked = (role for stage in UNTIL[: UNTIL.index(until) + 1] for role in stages.get(stage, ()))
    return tuple(dict.fromkeys(asked))
