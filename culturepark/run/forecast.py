"""Forecasts the calls, tokens and cost of a run as a range, from its plan and from past runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, sqrt
from typing import get_args

from culturepark.dialogue import memory, phrasing
from culturepark.dialogue.agents import SHOWN
from culturepark.dialogue.casting import Plan
from culturepark.dialogue.policy import expected_slots
from culturepark.dialogue.tongues import as_spoken, listening, tongues_of
from culturepark.distill import probes, render
from culturepark.distill.checks import NORMS_A_CALL, SCORES_A_CALL
from culturepark.distill.extract import TURNS_A_CALL
from culturepark.distill.judge_json import ITEMS_A_CALL
from culturepark.domain import DEFAULT_LANGUAGE, JUDGES, ChecksPolicy, Measure, ModelRole, Noun, Scenario, Scored
from culturepark.languages import judging, load_language
from culturepark.models import prices, tokens
from culturepark.models.chat import Usage
from culturepark.models.spec import ModelSpec
from culturepark.run.batching import stages_of

Amount = tuple[float, float, float]
"""Calls, prompt tokens, completion tokens."""
Job = tuple[ModelRole, str]
"""A role, and a stage in which it is asked."""
Totals = dict[Job, Amount]
JOBS: tuple[Job, ...] = (
    ("speaker", "dialogue"),
    ("moderator", "dialogue"),
    ("interpreter", "dialogue"),
    ("verifier", "examine"),
    ("extractor", "extract"),
    ("verifier", "verify"),
    ("embedder", "dedup"),
    *((judge, "check") for judge in JUDGES),
    ("interpreter", "render"),
    ("verifier", "render"),
    ("speaker", "measure"),
    ("verifier", "measure"),
)
STAGES: dict[ModelRole, str] = {role: stage for role, stage in JOBS if stage not in ("examine", "measure", "render")}
"""Role -> the stage that it is there for."""
FORESEEN = frozenset(stage for _, stage in JOBS)
"""Stages that a forecast counts. Others ask once for the whole run."""


@dataclass(frozen=True)
class Guess:
    """Assumptions for one end of the range."""

    turn_tokens: int
    statements_a_turn: float
    asked_again: float
    """Extra requests per speech."""
    pass_on: float
    """Share of statements that get as far as the checks."""
    slips: float
    """Per speech."""
    scenes: float
    """Of each person, that the judge of slips is shown."""


LOW = Guess(turn_tokens=45, statements_a_turn=1.0, asked_again=0.0, pass_on=0.5, slips=0.0, scenes=1)
HIGH = Guess(turn_tokens=110, statements_a_turn=4.0, asked_again=0.3, pass_on=1.0, slips=0.3, scenes=8)
STATEMENT_TOKENS = 95
EMBEDDED_TOKENS = 25
EMBEDDED_A_CALL = 128
VERDICT_TOKENS = 25
SLIP_TOKENS = 80
CARD_SHARE = 0.6
"""Part of a speaker's prompt that the judge of slips is shown too: what is on the card, but for the manner."""
SCENE_TOKENS = 130
LINE_TOKENS = 35
"""Of a turn that is shown by its beginning alone."""
TURN_TOKENS = 15
"""Of the JSON around a turn."""
ITEM_TOKENS = 130
CHECK_TOKENS = 70
"""Of a checked statement, in the prompt."""
SCORE_TOKENS = 50
NORMS = 0.7
"""Share of norms and customs among statements."""
GUESS_TOKENS = 45
"""Of a guess about one person, with its reason."""
CASE_TOKENS, OPTIONS_TOKENS = 220, 120
"""Of a situation with its choices, and of a question with its options."""
OTHER_LANGUAGE = 1.6
"""Tokens of a text in another language, beside the same in English."""
AROUND_RENDERED = 200
"""Of a request to the interpreter: the names, and what was said before."""
RENDERED_TOKENS, ENGLISH_TOKENS = 130, 140
"""Of a statement that is put into English: what is sent, and what is made of it (measured: recorded talks)."""
COMPARED_TOKENS, DIFFERENCE_TOKENS = 85, 14
"""Of a comparison of the two texts."""
MARGIN = 0.15
"""A run may differ by this from those before it."""


@dataclass(frozen=True)
class Past:
    """What was held of a run, and its usage."""

    run_id: str
    plan: Plan
    """Only the dialogues that were held."""
    scenario: Scenario
    spent: Mapping[str, Amount]
    """By stage."""
    cost_usd: float | None
    """Of the stages that a forecast counts."""


class Forecast(Noun):
    """Figures for a whole run, as `--dry-run --json` prints them. A pair is low and high."""

    dialogues: int
    persona_turns: int
    skipped: list[str]
    """Questions that are not asked in a culture, with the reason."""
    past_runs: list[str]
    """Past runs that corrected the forecast."""
    calls: tuple[int, int]
    prompt_tokens: tuple[int, int]
    completion_tokens: tuple[int, int]
    measure_calls: int
    """Those among `calls` that measure the talks (`measure` of a scenario)."""
    cost_usd: tuple[float, float] | None
    """None if a model's price is not known."""
    batches: tuple[int, int] | None = None
    """Batches one after the other; None if nothing is asked in batches."""


def forecast(
    plan: Plan,
    scenario: Scenario,
    specs: Mapping[ModelRole, ModelSpec],
    past: Sequence[Past] = (),
    batched: Collection[str] = (),
) -> Forecast:
    """
    Args:
        batched: words of `BATCHES`: what is asked in batches, at another price.
        past: runs of the same protocol with the same models. The run is expected to differ from the middle of its
            forecast by the same factors as they did, within `MARGIN`.
    """
    specs, in_batches = seated(specs, scenario), stages_of(batched)
    low, high = (figures(totals(plan, scenario, guess), specs, in_batches) for guess in (LOW, HIGH))
    if past:
        expected = middle(plan, scenario)
        scaled = [scaled_by(run, expected, specs, in_batches) for run in past]
        low = {name: min(likely[name] for likely in scaled) * (1 - MARGIN) for name in low}
        high = {name: max(likely[name] for likely in scaled) * (1 + MARGIN) for name in high}

    def ends(name: str) -> tuple[int, int]:
        return round(low[name]), round(high[name])

    return Forecast(
        dialogues=len(plan.castings),
        persona_turns=sum(
            slot.act == "speech" for casting in plan.castings for slot in expected_slots(scenario, casting)
        ),
        skipped=[str(skip) for skip in plan.skipped],
        past_runs=[run.run_id for run in past],
        calls=ends("calls"),
        prompt_tokens=ends("prompt_tokens"),
        completion_tokens=ends("completion_tokens"),
        measure_calls=sum(
            sum(probes.calls(measure, casting).values())
            for casting in plan.castings
            for measure in probes.wanted(scenario, casting)
        ),
        cost_usd=(round(low["cost_usd"], 4), round(high["cost_usd"], 4)) if priced(specs) else None,
        batches=waves(plan, scenario, specs, in_batches) if in_batches and plan.castings else None,
    )


def waves(
    plan: Plan, scenario: Scenario, specs: Mapping[ModelRole, ModelSpec], in_batches: Collection[str]
) -> tuple[int, int]:
    """Return the batches one after the other: requests of one dialogue follow each other, those of others go along."""
    longest = max(plan.castings, key=lambda casting: len(list(expected_slots(scenario, casting))))
    alone = replace(plan, castings=(longest,), skipped=())
    jobs = [job for job in asked(specs) if job[1] in in_batches and job[0] != "embedder"]
    low, high = (sum(ceil(totals(alone, scenario, guess)[job][0]) for job in jobs) for guess in (LOW, HIGH))
    return low, high


def scaled_by(
    run: Past, expected: Totals, specs: Mapping[ModelRole, ModelSpec], in_batches: Collection[str] = ()
) -> dict[str, float]:
    """Return the figures of a plan, scaled by the factors of a past run to its own forecast.

    Args:
        expected: the middle of the plan's forecast.
        in_batches: stages whose calls cost what they do in batches; those of the past run cost the full price.
    """
    own = middle(run.plan, run.scenario)
    factors: dict[str, Amount] = {}
    for stage, spent in run.spent.items():
        sums = [sum(amount[n] for job, amount in own.items() if job[1] == stage) for n in range(3)]
        calls, sent, made = (took / guessed if guessed else 1.0 for took, guessed in zip(spent, sums, strict=True))
        factors[stage] = (calls, sent, made)

    def scaled(totals: Totals, in_batches: Collection[str] = ()) -> dict[str, float]:
        went: Totals = {}
        for job, amount in totals.items():
            by = factors.get(job[1], (1.0, 1.0, 1.0))
            went[job] = (amount[0] * by[0], amount[1] * by[1], amount[2] * by[2])
        return figures(went, specs, in_batches)

    likely = scaled(expected, in_batches)
    full_price = scaled(own)["cost_usd"]
    if run.cost_usd is not None and full_price:
        likely["cost_usd"] *= run.cost_usd / full_price  # less, where the endpoint had parts of prompts in its cache
    return likely


def figures(totals: Totals, specs: Mapping[ModelRole, ModelSpec], in_batches: Collection[str] = ()) -> dict[str, float]:
    took, sent, made = (sum(totals[job][n] for job in asked(specs)) for n in range(3))
    costs = (cost_of(specs[job[0]], totals[job], job[1] in in_batches) or 0.0 for job in asked(specs))
    return {"calls": took, "prompt_tokens": sent, "completion_tokens": made, "cost_usd": sum(costs)}


def middle(plan: Plan, scenario: Scenario) -> Totals:
    """Return the geometric mean of both ends."""
    low, high = (totals(plan, scenario, guess) for guess in (LOW, HIGH))
    means: Totals = {}
    for job in low:
        took, sent, made = (sqrt(lowest * highest) for lowest, highest in zip(low[job], high[job], strict=True))
        means[job] = (took, sent, made)
    return means


def totals(plan: Plan, scenario: Scenario, guess: Guess) -> Totals:
    sums: Totals = dict.fromkeys(JOBS, (0.0, 0.0, 0.0))

    def add(
        role: ModelRole, calls: float, prompt_tokens: float, completion_tokens: float, stage: str | None = None
    ) -> None:
        job = (role, stage or STAGES[role])
        old = sums[job]
        sums[job] = (old[0] + calls, old[1] + prompt_tokens, old[2] + completion_tokens)

    fixed = {
        name: tokens.count(judging().prompt(name).text, "")
        for name in (
            "interpret",
            "slips",
            "extract",
            "verify",
            "score",
            "scales",
            "judges",
            "render",
            "render-check",
            *probes.PROMPTS.values(),
        )
    }
    foreign = 0.0
    for casting in plan.castings:
        tongues = tongues_of(scenario, casting)
        spoken = as_spoken(casting, tongues)
        english = tongues.all == (DEFAULT_LANGUAGE,)
        turn_tokens = round(guess.turn_tokens * (1 if english else OTHER_LANGUAGE))
        cards = [
            tokens.count(phrasing.card(spoken, p, scenario.model_copy(update={"language": code}), small=False)[0], "")
            for p in spoken.participants
            for code in (tongues.speaks(p.persona.key),)
        ]
        chair = load_language(tongues.moderator)
        follow_up, moderate = (tokens.count(chair.prompt(name).text, "") for name in ("follow-up", "moderate"))
        transcript = introductions = 0
        heard_so_far: list[int] = []
        speeches = 0
        heard, told = listening(casting, scenario, tongues.moderator, tongues)
        for slot in expected_slots(told, heard):
            if slot.act != "cue":  # fixed words are there in each language
                others = len(tongues.all) - 1
                said = turn_tokens if slot.act == "speech" else 45 * OTHER_LANGUAGE
                add("interpreter", others, others * (fixed["interpret"] + AROUND_RENDERED + said), others * said)
            if slot.act == "speech":
                again = 1 + guess.asked_again
                shown = windowed_tokens(heard_so_far) if phrasing.windowed(scenario, small=False) else transcript
                add("speaker", again, again * (cards[slot.person] + shown + 60), again * turn_tokens)
                speeches += 1
            elif slot.act == "follow-up":
                shown = transcript if scenario.moderation == "led" else SHOWN * turn_tokens
                if scenario.moderation == "scripted":
                    add("moderator", 1, follow_up + 2 * turn_tokens, 30)
                else:
                    add("moderator", 1, moderate + min(transcript, shown), 45)
            heard_so_far.append(turn_tokens if slot.act == "speech" else 35)
            transcript += heard_so_far[-1]
            introductions = transcript if slot.phase == probes.INTRODUCTIONS else introductions
        statements = speeches * guess.statements_a_turn
        foreign += 0 if english else statements * guess.pass_on
        extractions = -(-speeches // TURNS_A_CALL)
        turns = speeches * (turn_tokens + 25)
        read = fixed["slips"] + CARD_SHARE * sum(cards) + guess.scenes * SCENE_TOKENS * len(cards)
        read += transcript + TURN_TOKENS * 2 * speeches
        add("verifier", 1, read, guess.slips * speeches * SLIP_TOKENS + 10, "examine")
        add("extractor", extractions, extractions * fixed["extract"] + turns, statements * STATEMENT_TOKENS)
        batches = max(1.0, statements / ITEMS_A_CALL)
        add(
            "verifier",
            batches,
            batches * fixed["verify"] + turns + statements * ITEM_TOKENS,
            statements * VERDICT_TOKENS,
        )
        if scenario.distill.checks:
            cultures = len({p.persona.culture for p in casting.participants})
            scale_and_card = fixed["score"] + (fixed["scales"] + fixed["judges"]) / 2, cards[-1]
            for role, amount in checked(scenario.distill.checks, statements * guess.pass_on, cultures, *scale_and_card):
                add(role, *amount)
        for measure in probes.wanted(scenario, casting):
            guessed, prompt = GUESS_TOKENS * len(cards), fixed[probes.PROMPTS[measure]]
            moments = measured(measure, transcript, introductions)
            add("verifier", len(moments), sum(moments) + len(moments) * prompt, len(moments) * guessed, "measure")
            if "speaker" in probes.ROLES[measure]:
                add("speaker", len(cards), sum(cards) + len(cards) * CASE_TOKENS, guessed, "measure")
        add("embedder", statements / EMBEDDED_A_CALL, statements * EMBEDDED_TOKENS, 0)
    if scenario.distill.english and foreign:
        calls = ceil(foreign / render.A_CALL)
        sent = calls * fixed["render"] + foreign * RENDERED_TOKENS
        add("interpreter", calls, sent, foreign * ENGLISH_TOKENS, "render")
        pairs = min(foreign, max(render.ALL_UP_TO, foreign / render.ONE_IN))
        calls = ceil(pairs / render.COMPARED_A_CALL)
        sent = calls * fixed["render-check"] + pairs * COMPARED_TOKENS
        add("verifier", calls, sent, pairs * DIFFERENCE_TOKENS, "render")
    return sums


def windowed_tokens(turns: Sequence[int]) -> int:
    """Return the tokens of the talk that a speaker is shown after turns of so many tokens."""
    before = min(memory.first_shown(len(turns)), memory.LINES_OF_OWN + memory.LINES_OF_OTHERS)
    return sum(turns[memory.first_shown(len(turns)) :]) + LINE_TOKENS * before


def checked(
    policy: ChecksPolicy, statements: float, cultures: int, scale: float, card: float
) -> Iterator[tuple[ModelRole, Amount]]:
    """Yield the amount of each judge, for the statements of a dialogue that get as far as the checks."""
    scales = sum(getattr(policy, criterion) is not None for criterion in get_args(Scored))
    calls = max(1.0, statements / SCORES_A_CALL)
    for role in JUDGES[: policy.judges]:
        items = statements * scales
        yield role, (calls * scales, calls * scales * scale + items * CHECK_TOKENS, items * SCORE_TOKENS)
    if policy.cross_check:
        norms = statements * NORMS
        calls = max(cultures, norms / NORMS_A_CALL)
        yield JUDGES[0], (calls, calls * card + norms * CHECK_TOKENS, norms * SCORE_TOKENS)


def measured(measure: Measure, transcript: int, introductions: int) -> list[int]:
    """Return the tokens of what is shown in each request that measures a talk, without the prompt."""
    moments: dict[Measure, list[int]] = {
        "stance": [transcript + OPTIONS_TOKENS],
        "understanding": [introductions + CASE_TOKENS, transcript + CASE_TOKENS],
    }
    return moments[measure]


def seated(specs: Mapping[ModelRole, ModelSpec], scenario: Scenario) -> dict[ModelRole, ModelSpec]:
    """Give every judge of a panel a model: those that were named take turns."""
    named = [specs[role] for role in JUDGES if role in specs]
    others = {role: spec for role, spec in specs.items() if role not in JUDGES}
    return others | {role: named[n % len(named)] for n, role in enumerate(JUDGES) if scenario.distill.checks}


def asked(specs: Mapping[ModelRole, ModelSpec]) -> list[Job]:
    """Return the jobs that make calls: the embedder's only if it is an endpoint."""
    jobs = [job for job in JOBS if job[0] in specs and (job[0] != "embedder" or specs[job[0]].remote)]
    rendered = "interpreter" in specs and not specs["interpreter"].of.tiny
    return [job for job in jobs if job[1] != "render" or rendered]


def priced(specs: Mapping[ModelRole, ModelSpec]) -> bool:
    """Return whether all prices are known."""
    return all(cost_of(specs[role], (1, 1, float(role != "embedder"))) is not None for role, _ in asked(specs))


def cost_of(spec: ModelSpec, amount: Amount, batched: bool = False) -> float | None:
    if not spec.paid:
        return None
    usage = Usage(round(amount[1]), 0, round(amount[2]))
    return prices.cost(spec.endpoint, spec.name, usage, batched=batched and spec.of.batches)
