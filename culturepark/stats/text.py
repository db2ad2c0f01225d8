"""Figures and traces as lines for people. Pure: data in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from culturepark.domain import JsonObject
from culturepark.models.abilities import Learnt
from culturepark.terminal.safe import safe

WORST = 5
"""Stances that are shown unasked."""
MOST_PAIRS = 10
"""Pairs of reviewers whose agreement is shown."""
LEGEND = """\
kept     statements with a kept sample
again    accepted ones that say what was said before
heard    people behind kept ones, of those cast
words    different words among 42 at random (HD-D, 0 to 1)
sense    mean cosine distance inside a question
gain     diversity gain over the questions, 0 to 4
shared   made by speakers of another culture too"""
STANCES = """\
distance of stances from the survey's shares, 0 to 1
(Jensen-Shannon), beside what chance makes of so few;
drawn: as dealt; kept: behind kept opinions; * skewed"""


def stats_lines(s: JsonObject, all_stances: bool = False) -> Iterator[str]:
    """
    Args:
        all_stances: show every item and country, not only those furthest from the survey.
    """
    yield f"{s['run']}  {s['status']}" + (f": {s['stop_reason']}" if s["stop_reason"] else "")
    yield from voices_lines(s)
    yield from funnel_lines(s)
    yield from stances_lines(s["stances"], all_stances)


def voices_lines(s: JsonObject) -> Iterator[str]:
    """Whether there is more than one voice, and a table by culture; at most 60 columns but for sentences."""
    told = s["representation"]
    yield f"  voices      {said_of(told['run'])}"
    cultures = told["cultures"]
    for culture, figures in cultures.items():
        if figures["collapse"]["verdict"] == "collapsed":
            yield f"    {culture:<11} {said_of(figures)}"
    if not told["run"]["statements"]["accepted"]:
        return
    yield ""
    yield "  culture      kept again heard words sense  gain shared"
    for culture, figures in [*cultures.items(), ("together", told["run"])]:
        count, people, meaning = figures["statements"], figures["personas"], figures["semantic"] or {}
        heard = f"{people['heard']}/{people['cast']}"
        yield (
            f"  {culture:<10}{count['kept']:>7}{share(count['repeats'] / max(count['accepted'], 1)):>6}{heard:>6}"
            f"{short(figures['lexical']['hdd']):>6}{short(meaning.get('distance_within_seed')):>6}"
            f"{short((figures['diversity_gain'] or {}).get('over_seeds')):>6}"
            f"{share((figures['shared'] or {}).get('share')):>7}"
        )
    yield from (f"    {line}" for line in LEGEND.splitlines())
    vectors = told["vectors"]
    if vectors["known"] < vectors["of"]:
        role = " --role embedder=minilm" if vectors["embedder"] == "lexical" else ""
        yield f"  sense, gain and shared are not known: `culturepark distill {s['run']} --from dedup{role}` finds out"
    drawn = {culture: figures["stances"] for culture, figures in cultures.items() if figures["stances"]["drawn"]}
    if drawn:
        yield ""
        yield "  stances      drawn  chance    kept  chance"
        for culture, fits in drawn.items():
            yield f"  {culture:<10}{fit(fits['drawn'])}{fit(fits['kept'])}"
        yield from (f"    {line}" for line in STANCES.splitlines())
    yield f"  {told['note']}"
    yield ""


def fit(figures: JsonObject | None) -> str:
    """A distance beside the one to be expected, starred where chance alone would hardly lead so far."""
    if figures is None:
        return f"{'-':>7} {'-':>8}"
    star = "*" if figures["chance"] <= 0.05 else " "
    return f"{short(figures['jsd']):>7}{star}{short(figures['expected']):>8}"


def short(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.2f}".removeprefix("0" if figure < 1 else "")


def share(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.0%}"


def said_of(figures: JsonObject) -> str:
    """The verdict on the voices of a culture or of a run."""
    collapse, statements = figures["collapse"], figures["statements"]["accepted"]
    if collapse["verdict"] == "collapsed":
        return f"ONE VOICE: {'; '.join(collapse['reasons'])}"
    if collapse["too_few"]:
        return f"{statements} statements: too few to say"
    if collapse["verdict"] == "unknown":
        return f"not known: {'; '.join(collapse['open'])}"
    found: str = next(check["text"] for check in collapse["checks"] if check["name"] == "voices")
    return f"varied: {found}"


def funnel_lines(s: JsonObject) -> Iterator[str]:
    yield f"  scenario    {s['scenario']}, seed {s['seed']}"
    yield f"  models      {', '.join(f'{role} {spec}' for role, spec in s['models'].items())}"
    yield f"  dialogues   {listed(s['dialogues'])}"
    if s["skipped"]:
        cells = ", ".join(f"{skip['seed_key']} {skip['culture']}" for skip in s["skipped"])
        yield f"  skipped     {len(s['skipped'])} cells: {cells}"
    yield f"  ended by    {listed(s['dialogue_stop_reasons'])}"
    moderator = listed(s["turns"]["moderator"])
    user = f"; user: {s['turns']['user']}" if s["turns"]["user"] else ""
    yield f"  turns       {s['turns']['personas']} of personas; moderator: {moderator}{user}"
    statements = s["statements"]
    yield f"  statements  {statements['total']} ({listed(statements['by_kind'])})"
    yield f"    rejected  {listed(statements['rejected'])}"
    yield f"    reworded  {statements['reworded']}"
    for criterion, relations in s["verdicts"].items():
        if criterion not in s["checks"]:
            yield f"  {criterion:<11} {listed(relations)}"
    for criterion, found in s["checks"].items():
        yield from check_lines(criterion, found)
    repeats = s["duplicates"]
    above = f"; similarity {repeats['threshold']} and more" if repeats["threshold"] else ""
    yield f"  duplicates  {listed(repeats['by_method'])}{above}"
    samples = s["samples"]
    yield f"  samples     {samples['kept']} kept ({listed(samples['kept_by_kind'])})"
    yield f"    cultures  {listed(samples['kept_by_culture'])}"
    yield f"    dropped   {listed(samples['dropped'])}"
    if s["reviews"]["total"]:
        yield from review_lines(s["reviews"])
    calls = s["calls"]
    unheard = f", of {calls['unheard']} no answer was heard" if calls["unheard"] else ""
    yield f"  calls       {calls['total']} ({listed(calls['by_stage'])}); {calls['failed']} failed{unheard}"
    yield f"    refused   {listed(calls['refused_by_guard'])}"
    tokens = s["tokens"]
    prompt = f"{tokens['prompt']:,} prompt ({tokens['cached']:,} cached)"
    thought = f" ({tokens['reasoning']:,} of them thoughts)" if tokens["reasoning"] else ""
    yield f"  tokens      {prompt}, {tokens['completion']:,} completion{thought}"
    for endpoint in s["endpoints"]:
        takes = "; ".join(str(Learnt(name, value)) for name, value in endpoint["takes"].items())
        yield f"  endpoint    {safe(endpoint['model'])} at {safe(endpoint['endpoint'])} takes {safe(takes)}"
    cost = s["cost_usd"]
    missing = f"at least ({s['unpriced_calls']} calls have no known price) " if s["unpriced_calls"] else ""
    yield f"  cost        {'no known price' if cost is None else f'{missing}${cost:.4f}'}"


def stances_lines(cells: Sequence[JsonObject], everything: bool) -> Iterator[str]:
    """Stances as drawn and as told by kept samples; unasked, those that lie furthest from the survey beyond chance."""

    def beyond(cell: JsonObject) -> float:
        fit = cell["kept_fit"] or cell["fit"]
        return float(fit["jsd"] - fit["expected"])

    shown = cells if everything else sorted(cells, key=beyond, reverse=True)[:WORST]
    for cell in shown:
        answers = "; ".join(
            f"{a['label']} {a['drawn']} (share asks for {a['expected']:.1f}, {a['kept']} kept)"
            for a in cell["answers"]
            if a["drawn"]
        )
        yield f"  stance      {cell['seed']} {cell['country']}: {answers}"
    if len(shown) < len(cells):
        yield f"    {len(shown)} of {len(cells)}, the furthest from the survey; --stances shows all"


def check_lines(criterion: str, found: JsonObject) -> Iterator[str]:
    """How many statements passed a check, and how far its judges agree."""
    passed = f"  {criterion:<11} {found['kept']} of {found['statements']} passed"
    if criterion == "cross-check":
        yield f"{passed} ({listed(found['answers'])}); not asked {found['not_asked']}"
        return
    means = ", ".join(f"{judge} {mean:.2f}" for judge, mean in found["mean_by_judge"].items())
    yield f"{passed}; mean scores: {means or 'none'}"
    alpha, count = found["agreement"]["krippendorff_alpha"], found["agreement"]["statements"]
    if alpha is not None:
        yield f"    agreement Krippendorff's alpha {alpha:.2f}, from {count} statements with two scores or more"
    else:
        yield f"    agreement unknown: {'all scores are the same' if count else 'no statement has two scores'}"


def review_lines(found: JsonObject) -> Iterator[str]:
    """Who has reviewed how much, and how far reviewers agree."""
    yield f"  reviews     {found['total']} ({listed(found['by_decision'])}), {found['corrections']} with a wording"
    yield f"    by        {listed(found['by_reviewer'])}"
    for what, of in (found["agreement"] or {}).items():
        yield f"    {what:<9} " + agreed("Krippendorff's alpha", of["krippendorff_alpha"], of["subjects"])
        for pair in of["pairs"][:MOST_PAIRS]:
            names = " and ".join(pair["reviewers"])
            yield f"      {names}: " + agreed("Cohen's kappa", pair["cohen_kappa"], pair["subjects"], "both")
        if len(of["pairs"]) > MOST_PAIRS:
            yield f"      and {len(of['pairs']) - MOST_PAIRS} more pairs; --json has all"


def agreed(name: str, figure: float | None, subjects: int, by: str = "two or more") -> str:
    if figure is None:
        why = "all judgements are the same" if subjects > 1 else f"{subjects} judged by {by}"
        return f"agreement unknown: {why}"
    return f"{name} {figure:.2f}, from {subjects} judged by {by}"


def listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
