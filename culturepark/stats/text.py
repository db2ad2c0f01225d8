"""The figures of `culturepark stats` as lines of text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from culturepark.glossary import GROUNDS_SHORT, ROW_QUESTIONS, TALKS, VARIETY, counted, in_words
from culturepark.languages.countries import country_name
from culturepark.models.abilities import Learnt
from culturepark.models.extras import how_to_install, missing
from culturepark.stats.figures import (
    Answered,
    CrossCheck,
    ErrorRate,
    Group,
    Measured,
    Origins,
    PanelCheck,
    Provenances,
    ReviewCounts,
    RowQuestion,
    RowQuestions,
    RowsJudgedTwice,
    RunStats,
    Samples,
    SlipCounts,
    StanceCell,
    SurveyDistance,
    Talks,
    Warranty,
)
from culturepark.terminal.safe import safe

WORST = 5
"""Stances that are shown without `--stances`."""
MOST_PAIRS = 10
"""Pairs of reviewers whose agreement is shown."""
STANCES = """\
distance of stances from the survey's shares, 0 to 1
(Jensen-Shannon), beside what chance makes of so few;
drawn: as dealt; kept: behind kept opinions; * skewed"""


def stats_lines(stats: RunStats, all_stances: bool = False, where: str = "") -> Iterator[str]:
    """
    Args:
        all_stances: show every item and country, not only those furthest from the survey.
        where: the option that names the store, empty for the default one.
    """
    yield f"{stats.run}  {stats.status}" + (f": {stats.stop_reason}" if stats.stop_reason else "")
    yield from variety_lines(stats, where)
    if stats.talks:
        yield from talk_lines(stats.talks)
    yield from funnel_lines(stats, where)
    yield from stance_lines(stats.stances, all_stances)


def variety_lines(stats: RunStats, where: str) -> Iterator[str]:
    """Yield the verdict on the run's voices, and a table by culture; tables have at most 60 columns."""
    representation = stats.representation
    yield f"  voices      {verdict_of(representation.run)}"
    cultures = representation.cultures
    for culture, of_culture in cultures.items():
        if of_culture.collapse.verdict == "collapsed":
            yield f"    {culture:<11} {verdict_of(of_culture)}"
    if not representation.run.statements.accepted:
        return
    yield ""
    yield "  culture      kept again heard words sense  gain shared"
    groups: list[tuple[str, Group]] = [*cultures.items(), ("together", representation.run)]
    for culture, group in groups:
        heard = f"{group.personas.heard}/{group.personas.cast}"
        yield (
            f"  {culture:<10}{group.statements.kept:>7}{share(group.repeated_share or 0.0):>6}{heard:>6}"
            f"{short(group.lexical.hdd):>6}{short(group.distance_within_seed):>6}"
            f"{short(group.gain_over_seeds):>6}{share(group.shared.share if group.shared else None):>7}"
        )
    yield from (f"    {name:<9}{meaning}" for name, meaning in VARIETY.items())
    vectors = representation.vectors
    if vectors.known < vectors.of:
        role = " --role embedder=e5" if vectors.embedder == "lexical" else ""
        first = f"`{how_to_install('local')}`, then " if by_words(stats) and missing("e5") else ""
        again = f"`culturepark distill {stats.run} --from dedup{role}{where}`"
        yield f"  sense, gain and shared are not known: {first}{again} finds out"
    drawn = {name: of_culture.stances for name, of_culture in cultures.items() if of_culture.stances.drawn}
    if drawn:
        yield ""
        yield "  stances      drawn  chance    kept  chance"
        for culture, distances in drawn.items():
            yield f"  {culture:<10}{distance_beside_chance(distances.drawn)}{distance_beside_chance(distances.kept)}"
        yield from (f"    {line}" for line in STANCES.splitlines())
    yield f"  {representation.note}"
    yield ""


ON_SCREEN = (
    "uptake", "answered", "in_words", "asked", "smallest", "echo", "labels", "novelty", "drift", "contradiction",
    "stance_found", "foreseen",
)  # fmt: skip
"""Measures of talks that are shown without `--json`."""
CACHED = {"dialogue": "speakers"}
"""What a stage of calls is called beside the share of its prompts that was cached, where that is another word."""
COUNTS = ("words", "echo", "echo_longest", "prompt_tokens", "completion_tokens")
RATES = (
    "asked", "balance", "smallest", "statements", "calls",
    "contradiction", "addressee", "task", "unanswered", "unfounded",
)  # fmt: skip
TARGET = 0.9
"""Share of questions that should be answered."""


def talk_lines(talks: Talks) -> Iterator[str]:
    """Yield what happens in the dialogues, each figure beside its null; at most 12 lines of 60 columns."""
    of = "" if talks.dialogues == talks.of else f" of {talks.of:,}"
    yield f"{f'  talks       {talks.dialogues:,}{of}, {talks.speeches:,} speeches':<45}{'found':>6}{'chance':>9}"
    for name in ON_SCREEN:
        if name == "in_words" and talks.measures.get("answered"):
            continue  # a judge says more than words do
        if one := talks.measures.get(name):
            value, null = measured(name, one)
            words = f"{TALKS[name]} (aim {TARGET:.0%})" if name == "answered" else TALKS[name]
            yield f"    {words:<41}{value:>6}{null:>9}".rstrip()
    yield ""


def measured(name: str, one: Measured) -> tuple[str, str]:
    """Return a measure and its null in words; `≈` stands before a null from which it cannot be told apart."""
    if one.null is None:
        return talk_figure(name, one.value), ""
    return talk_figure(name, one.value), f"{'≈' if one.beyond_null is False else ''}{talk_figure(name, one.null)}"


def talk_figure(name: str, figure: float | None) -> str:
    """Return a figure of a talk in its unit: a share in percent, a number, a difference with its sign."""
    if figure is None:
        return "-"
    if name == "drift":
        return f"{round(figure, 2) + 0.0:+.2f}".replace("0.", ".", 1)  # no -.00
    if name in COUNTS:
        return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.1f}"
    return short(figure) if name in RATES else share(figure)


def by_words(stats: RunStats) -> bool:
    """Tell whether duplicates were found by words, also if only because the run's embedder is missing."""
    vectors = stats.representation.vectors
    absent = not vectors.known and bool(missing(vectors.embedder))
    return vectors.embedder == "lexical" or "lexical" in stats.duplicates.by_method or absent


def distance_beside_chance(distance: SurveyDistance | None) -> str:
    if distance is None:
        return f"{'-':>7} {'-':>8}"
    return f"{short(distance.jsd):>7}{'*' if distance.skewed else ' '}{short(distance.expected):>8}"


def short(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}".removeprefix("0" if figure < 1 else "")


def share(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.0%}"


def verdict_of(group: Group) -> str:
    collapse = group.collapse
    if collapse.verdict == "collapsed":
        return f"ONE VOICE: {'; '.join(collapse.reasons)}"
    if collapse.too_few:
        return f"{group.statements.accepted} statements: too few to say"
    if collapse.verdict == "unknown":
        return f"not known: {'; '.join(collapse.open)}"
    return "varied: " + next(check.text for check in collapse.checks if check.name == "voices")


def funnel_lines(stats: RunStats, where: str = "") -> Iterator[str]:
    yield f"  scenario    {stats.scenario}, seed {stats.seed}"
    models = dict(stats.models)
    if by_words(stats) and models.get("embedder", "lexical") != "lexical":
        models["embedder"] = f"lexical (for want of {models['embedder']})"
    roles = {spec: ", ".join(role for role in models if models[role] == spec) for spec in models.values()}
    yield f"  models      {'; '.join(f'{safe(spec)} ({of_spec})' for spec, of_spec in roles.items())}"
    yield f"  dialogues   {listed(stats.dialogues)}"
    if stats.skipped:
        cells = ", ".join(f"{skip.seed_key} {skip.culture}" for skip in stats.skipped)
        yield f"  skipped     {len(stats.skipped)} cells: {cells}"
    yield f"  ended by    {listed(stats.dialogue_stop_reasons)}"
    user = f"; user: {stats.turns.user}" if stats.turns.user else ""
    yield f"  turns       {stats.turns.personas} of personas; moderator: {listed(stats.turns.moderator)}{user}"
    yield from slip_lines(stats.slips)
    statements = stats.statements
    yield f"  statements  {statements.total} ({listed(statements.by_kind)})"
    yield f"    rejected  {listed(statements.rejected)}"
    yield f"    reworded  {statements.reworded}"
    if told := statements.renderings:
        yield f"    English   {told.made} put into it; a second call agrees with {told.agreed} of {told.compared}"
    for criterion, relations in stats.verdicts.items():
        if criterion not in stats.checks and criterion not in stats.row_questions:
            yield f"  {criterion:<11} {listed(relations)}"
    yield from row_lines(stats.row_questions)
    for criterion, check in stats.checks.items():
        yield from check_lines(criterion, check)
    threshold = stats.duplicates.threshold
    above = f"; similarity {threshold} and more" if threshold else ""
    yield f"  duplicates  {listed(stats.duplicates.by_method)}{above}"
    yield f"  samples     {stats.samples.kept} kept ({listed(stats.samples.kept_by_kind)})"
    warning = few_answers(stats.samples)
    yield f"    answers   {distinct_answers(stats.samples)}" + (f"; {warning}" if warning else "")
    yield f"    cultures  {listed(stats.samples.kept_by_culture)}"
    yield f"    dropped   {listed(stats.samples.dropped)}"
    yield from origin_lines(stats.provenance)
    if stats.reviews.total:
        yield from review_lines(stats.reviews)
        yield from error_lines(stats.warranty, stats.run, where)
    calls = stats.calls
    unheard = f", of {calls.unheard} no answer was heard" if calls.unheard else ""
    batched = f"; {calls.batched} in batches" if calls.batched else ""
    yield f"  calls       {calls.total} ({listed(calls.by_stage)}); {calls.failed} failed{unheard}{batched}"
    yield f"    refused   {listed(calls.refused_by_guard)}"
    tokens = stats.tokens
    thoughts = f" ({tokens.reasoning:,} of them thoughts)" if tokens.reasoning else ""
    yield (
        f"  tokens      {tokens.prompt:,} prompt ({tokens.cached:,} cached), {tokens.completion:,} completion{thoughts}"
    )
    if shares := {stage: share for stage, share in tokens.cached_share.items() if share}:
        cached = ", ".join(f"{safe(CACHED.get(stage, stage))} {share:.0%}" for stage, share in shares.items())
        yield f"    cached    {cached}"
    for endpoint in stats.endpoints:
        takes = "; ".join(str(Learnt(name, value)) for name, value in endpoint.takes.items())
        yield f"  endpoint    {safe(endpoint.model)} at {safe(endpoint.endpoint)} {safe(takes)}"
    least = f"at least ({stats.unpriced_calls} calls have no known price) " if stats.unpriced_calls else ""
    yield f"  cost        {'no known price' if stats.cost_usd is None else f'{least}${stats.cost_usd:.4f}'}"


def distinct_answers(samples: Samples) -> str:
    """Say how many different answers the rows hold."""
    return f"{counted(samples.kept, 'row')}, {counted(samples.answers, 'distinct answer')}"


def few_answers(samples: Samples) -> str:
    """Return a warning if most rows repeat the answer of another one; else nothing."""
    if 2 * samples.answers >= samples.kept:
        return ""
    return "most rows repeat another one's answer: there are fewer than half as many answers as rows"


def row_lines(questions: RowQuestions) -> Iterator[str]:
    """Yield what came of the questions about rows, in tables of at most 60 columns; nothing where none was asked."""
    if not questions:
        return
    yield f"  {'rows':<29}{'asked':>7}{'kept':>7}{'down':>7}{'unread':>8}"
    for criterion, one in questions.items():
        name = in_words(ROW_QUESTIONS, criterion)
        yield f"    {name:<27}{one.asked:>7,}{one.kept:>7,}{one.turned_down:>7,}{one.unread:>8,}"
    if distinctive := questions.get("distinctive"):
        yield from generic_lines(distinctive)


def generic_lines(distinctive: RowQuestion) -> Iterator[str]:
    """Yield how often a judge told the country beside guessing, and the share that passes for others by country."""
    if told := told_beside_chance(distinctive):
        yield f"    country told: {told}"
    by_country = distinctive.by_country.items()
    if generic := [generic_in(country, found) for country, found in by_country if found.share is not None]:
        yield f"    generic: {'; '.join(generic)}"


def told_beside_chance(one: RowQuestion) -> str:
    """Return a share with its interval beside what guessing would have; empty where nothing could be read."""
    if one.share is None or one.low is None or one.high is None:
        return ""
    null = "" if one.null is None else f", by guessing {one.null:.0%}"
    unlike = "" if one.null is None or not one.low <= one.null <= one.high else ", which it cannot be told apart from"
    return f"{one.share:.0%} ({one.low:.0%} to {one.high:.0%}){null}{unlike}"


def generic_in(country: str, found: Answered) -> str:
    name = country_name(country)
    return f"{name} {share(found.turned_down_share)} ({found.turned_down:,} of {found.turned_down + found.kept:,})"


def origin_lines(provenance: Provenances) -> Iterator[str]:
    """Yield where the content of statements and kept samples comes from, in a table of at most 60 columns."""
    found = provenance.statements.all
    if not found.total:
        return
    if found.unknown == found.total and provenance.samples.all.unknown == provenance.samples.all.total:
        yield "  comes from  not known: nobody has looked whether the cards carry it"
        return
    names = "".join(f"{name:>10}" for name in GROUNDS_SHORT.values())
    yield f"  {'comes from':<12}{'all':>6}{names}"
    for what, by in (("statements", provenance.statements), ("samples kept", provenance.samples)):
        yield origin_line(f"  {what}", by.all)
        for name, of_name in (*by.by_kind.items(), *by.by_culture.items()):
            yield origin_line(f"    {name}", of_name)
    yield "    made up: the model's own; no line of the card carries it"


def origin_line(name: str, found: Origins) -> str:
    counts = (f"{getattr(found, origin):>5,}{share(found.shares.get(origin)):>5}" for origin in GROUNDS_SHORT)
    return f"{name:<14}{found.total:>6,}{''.join(counts)}"


def stance_lines(cells: Sequence[StanceCell], everything: bool) -> Iterator[str]:
    """Yield stances as drawn and as kept; unless `everything`, only those furthest from the survey."""

    def beyond_chance(cell: StanceCell) -> float:
        return (cell.kept_fit or cell.fit).beyond_chance

    shown = cells if everything else sorted(cells, key=beyond_chance, reverse=True)[:WORST]
    for cell in shown:
        answers = "; ".join(
            f"{answer.label} {answer.drawn} (share asks for {answer.expected:.1f}, {answer.kept} kept)"
            for answer in cell.answers
            if answer.drawn
        )
        yield f"  stance      {cell.seed} {cell.country}: {answers}"
    if len(shown) < len(cells):
        yield f"    {len(shown)} of {len(cells)}, the furthest from the survey; --stances shows all"


def slip_lines(slips: SlipCounts) -> Iterator[str]:
    """Yield how much was looked through for slips, and what was found, by the model that spoke."""
    looked = f"{slips.examined} of {slips.dialogues} dialogues looked through"
    reasons = {"verifier too small": slips.too_small, "answer unreadable": slips.unread}
    why = listed({reason: count for reason, count in reasons.items() if count})
    yield f"  slips       {looked}" + (f" ({why})" if slips.too_small or slips.unread else "")
    for model, of_model in slips.by_model.items():
        found = f"{of_model.with_slips} of {of_model.speeches} speeches"
        yield f"    {safe(model)}: {found}" + (f" ({listed(of_model.by_kind)})" if of_model.by_kind else "")


def check_lines(criterion: str, check: PanelCheck | CrossCheck) -> Iterator[str]:
    passed = f"  {criterion:<11} {check.kept} of {check.statements} passed"
    if isinstance(check, CrossCheck):
        yield f"{passed} ({listed(check.answers)}); not asked {check.not_asked}"
        return
    means = ", ".join(f"{judge} {mean:.2f}" for judge, mean in check.mean_by_judge.items())
    yield f"{passed}; mean scores: {means or 'none'}"
    alpha, count = check.agreement.krippendorff_alpha, check.agreement.statements
    if alpha is not None:
        yield f"    agreement Krippendorff's alpha {alpha:.2f}, from {count} statements with two scores or more"
    else:
        yield f"    agreement unknown: {'all scores are the same' if count else 'no statement has two scores'}"


def review_lines(reviews: ReviewCounts) -> Iterator[str]:
    yield f"  reviews     {reviews.total} ({listed(reviews.by_decision)}), {reviews.corrections} with a wording"
    yield f"    by        {listed(reviews.by_reviewer)}"
    if reviews.agreement is None:
        return
    for subject, agreement in reviews.agreement:
        alpha = agreement_line("Krippendorff's alpha", agreement.krippendorff_alpha, agreement.subjects)
        yield f"    {subject:<9} {alpha}"
        for pair in agreement.pairs[:MOST_PAIRS]:
            names = " and ".join(pair.reviewers)
            yield f"      {names}: " + agreement_line("Cohen's kappa", pair.cohen_kappa, pair.subjects, "both")
        if len(agreement.pairs) > MOST_PAIRS:
            yield f"      and {len(agreement.pairs) - MOST_PAIRS} more pairs; --json has all"


def error_lines(found: Warranty | None, over: str, store: str = "") -> Iterator[str]:
    """
    Args:
        store: the option that names the store, with a space before it.
    """
    if found is None:
        yield "  error rate  not known: nobody has judged a random sample of the rows"
        yield f"              (`culturepark review {over} --sample 100{store}` draws one)"
        return
    yield f"  error rate  {in_figures(found.rows)}"
    yield f"    rows      the first {found.counted} of {found.drawn} drawn at random from {found.population:,}"
    if found.unjudged:
        some = ", ".join(found.unjudged[:MOST_PAIRS]) + (", ..." if len(found.unjudged) > MOST_PAIRS else "")
        yield f"    unjudged  {len(found.unjudged)}, which count as wrong in the upper bound: {some}"
    for name, rates in (("culture", found.by_culture), ("shape", found.by_shape), ("content", found.by_provenance)):
        yield f"    {name:<9} " + "; ".join(f"{value} {in_figures(rate)}" for value, rate in rates.items())
    yield f"    reviewers {found.reviewers}; {judged_twice_line(found.judged_twice)}"


def in_figures(rate: ErrorRate) -> str:
    known = "" if rate.rate is None else f", {rate.rate:.1%}"
    return f"{rate.wrong} of {rate.judged} wrong{known} ({rate.low:.1%} to {rate.high:.1%})"


def judged_twice_line(twice: RowsJudgedTwice | None) -> str:
    if twice is None:
        return "no row was judged by two, so their agreement is unknown"
    alpha = "" if twice.krippendorff_alpha is None else f", Krippendorff's alpha {twice.krippendorff_alpha:.2f}"
    return f"on {twice.rows} rows of two or more {twice.agreed:.0%} agree, {twice.by_chance:.0%} would by chance{alpha}"


def agreement_line(name: str, figure: float | None, subjects: int, by: str = "two or more") -> str:
    if figure is None:
        why = "all judgements are the same" if subjects > 1 else f"{subjects} judged by {by}"
        return f"agreement unknown: {why}"
    return f"{name} {figure:.2f}, from {subjects} judged by {by}"


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
