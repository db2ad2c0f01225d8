"""What came of a loop, for people: a README with all tables, and the short form on the screen. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from culturepark.glossary import counted
from culturepark.loop.document import MAIN, OF_OWN, OF_SHAPES, Document, Level, Reading
from culturepark.loop.verdict import ALL, BASE, Contrast
from culturepark.terminal.safe import safe

SPLIT_NAMES = {
    "held-out": "Held-out questions, all together",
    "same-topic": "Held-out questions on topics of the rows",
    "other-topics": "Held-out questions on other topics",
    "asked": "Questions behind the rows: memory, and no evidence of more",
}
METRICS = {
    "jsd": "Jensen-Shannon divergence between the model's answers and the people's, 0 to 1; smaller is nearer",
    "nvas": "how alike the means are, 0 to 100; larger is nearer",
    "wasserstein": "how far apart the answers lie along the scale, 0 to 1; smaller is nearer",
    "top": "how often the commonest answer is the same, 0 to 1",
}
Rows = Sequence[Sequence[str]]


def screen(document: Document) -> Iterator[str]:
    """Yield the lines of the short form: what it comes to, and the tests behind it."""
    yield f"{document.loop}: {safe(document.title)}"
    arms = ", ".join(f"{name} {rows}" for name, rows in document.arms.items())
    yield f"  rows of each culture: {arms}; {counted(len(document.adapters), 'adapter')} on {safe(document.base)}"
    better = "smaller" if document.smaller_is_better else "larger"
    yield f"  measure: {safe(document.metric or '')} ({better} is better)"
    yield ""
    for one in document.readings:
        yield f"{called(one.culture)}: {one.says}{skills(one)}"
    yield ""
    for title, rows in contrast_tables(document, splits=("held-out",)):
        if not rows:
            continue
        yield title
        yield from aligned([CONTRAST_HEAD, *rows])
        yield ""
    yield from (f"unfinished: {what}" for what in document.missing[:5])
    if (more := len(document.missing) - 5) > 0:
        yield f"unfinished: {more} more"
    yield from (f"note: {limit}" for limit in document.limits)


def skills(one: Reading) -> str:
    """Return how a reading stands beside the stronger constant, since one may be nearer and still know nothing."""
    if one.base_skill is None or one.talk_skill is None:
        return ""
    beside = "" if one.talk_skill > 0 else ": still no nearer than knowing nothing"
    return f" (skill beside the stronger constant: base {one.base_skill:+.2f}, talk {one.talk_skill:+.2f}{beside})"


def called(culture: str) -> str:
    return "all cultures" if culture == ALL else culture


def aligned(rows: Rows) -> Iterator[str]:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


CONTRAST_HEAD = ("about", "side", "beside", "difference", "95% interval", "p (Holm)", "by seed", "items", "verdict")


def contrast_tables(document: Document, splits: Iterable[str] = tuple(SPLIT_NAMES)) -> Iterator[tuple[str, Rows]]:
    """Yield the tables of tests with their titles."""
    for split in splits:
        own = [c for c in document.contrasts if c.family == MAIN and c.split == split]
        items = counted(len(document.splits.get(split, ())), "item")
        yield f"{SPLIT_NAMES[split]} ({items} of the suite)", list(map(contrast_row, own))
    yield "Own people beside the others", [contrast_row(c) for c in document.contrasts if c.family == OF_OWN]
    shapes = [contrast_row(c) for c in document.contrasts if c.family == OF_SHAPES]
    yield "Shapes of samples, at equal size", shapes


def contrast_row(c: Contrast) -> tuple[str, ...]:
    return (
        called(c.culture),
        c.a,
        c.b,
        signed(c.difference),
        interval(c.low, c.high),
        f"{c.p_holm:.3f}",
        ", ".join(signed(value) for value in c.by_seed.values()),
        str(c.n),
        c.verdict,
    )


def signed(value: float) -> str:
    return f"{value:+.4f}"


def interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{signed(low)} to {signed(high)}"


# --- the README --------------------------------------------------------------------------------------


def readme(document: Document) -> str:
    """Return the README of a loop."""
    return "\n\n".join(block for block in blocks(document) if block) + "\n"


def blocks(document: Document) -> Iterator[str]:
    yield f"# {safe(document.title)}"
    yield (
        f"What `culturepark loop` found of `{document.loop}`, written anew from the store each time it runs. "
        "`loop.json` has the same figures for programs."
    )
    if document.scripted:
        yield "**A script wrote the rows. These figures show how the loop works, and are good for nothing else.**"
    if document.missing:
        yield "**Not finished:** " + "; ".join(document.missing) + "."
    yield "## What it comes to"
    yield "\n".join(f"- **{called(one.culture)}**: {one.says}{skills(one)}." for one in document.readings)
    metric = document.metric or ""
    yield (
        f"The measure is `{metric}`: {METRICS.get(metric, 'as the suite has it')}. A difference is that of `side` less "
        f"that of `beside`; {'below' if document.smaller_is_better else 'above'} 0 `side` is better."
    )
    yield "## What was done"
    yield markdown(("arm", "rows of each culture", "what they are"), [
        (name, str(rows), ARMS.get(name, shape_of(name))) for name, rows in document.arms.items()
    ])  # fmt: skip
    told = ", ".join(f"{rows} of {culture}" for culture, rows in document.rows_of_cultures.items())
    train, asked = document.file["train"], document.file["evaluate"]
    yield (
        f"The export had {told}, from {', '.join(f'`{run}`' for run in document.runs)}. The rows go back to "
        f"{counted(len(document.seeds_of_rows), 'question')}: {', '.join(document.seeds_of_rows)}. Each arm was "
        f"trained on `{safe(document.base)}` ({train['method']}, rank {train['rank']}) with the seeds "
        f"{', '.join(map(str, document.file['seeds']))}. Base and adapters were asked the suite `{asked['suite']}`, "
        f"{asked['framing']} framing, language {asked['language']}."
    )
    if document.notes:
        yield "\n".join(f"- {note}" for note in document.notes)
    yield "## Verdicts"
    yield (
        "Differences are paired over items, averaged over the seeds of the trainings; intervals are bootstraps over "
        "items. The tests of one table share one error rate of 5% (Holm's correction). Where no difference was found, "
        "the verdict says about which difference the test would have found."
    )
    for title, rows in contrast_tables(document):
        if rows:
            yield f"### {title}"
            yield markdown(CONTRAST_HEAD, rows)
    yield from over_cultures(document)
    yield "## Values, beside nulls"
    yield (
        "`uniform` and `midpoint` know nothing; `others` answers as the other countries of the survey together; "
        "`own mode` gives the country's own commonest answer. Skill: 0 is as near as the stronger constant, 1 as near "
        "as another sample of the same people."
    )
    for split, title in SPLIT_NAMES.items():
        if own := [level for level in document.levels if level.split == split]:
            yield f"### {title}: values"
            yield level_table(own)
    yield from matrices(document)
    if document.curve:
        yield "## How many rows it takes"
        yield markdown(("about", "share", "rows", "difference from the base", "95% interval"), [
            (called(p.culture), f"{p.share:.0%}", str(p.rows), signed(p.difference), interval(p.low, p.high))
            for p in document.curve
        ])  # fmt: skip
    yield "## What it cannot say"
    yield "\n".join(f"- {limit}" for limit in document.limits)
    yield "## What it cost"
    cost = document.cost
    yield (
        f"{counted(cost.trainings, 'training')}: {cost.training_seconds:,.0f} s ({cost.training_cpu_seconds / 60:,.1f} "
        f"CPU-minutes). {counted(cost.evaluations, 'evaluation')} with {cost.answers:,} answers: "
        f"{cost.evaluation_seconds:,.0f} s from begin to end."
    )
    yield markdown(("adapter", "rows", "steps", "loss", "seconds", "artefact", "evaluation"), [
        (f"{a.arm}{'' if a.share == 1 else f' at {a.share:.0%}'}, {a.culture}, seed {a.seed}", str(a.rows),
         str(a.steps), loss(a.first_loss, a.last_loss), f"{a.seconds:.0f}", f"`{a.artefact}`",
         f"`{a.evaluation}`" if a.evaluation else "")
        for a in document.adapters
    ])  # fmt: skip


ARMS = {
    "talk": "rows of the culture: what its simulated people said",
    "other-culture": "as many rows of the other cultures, as they are",
    "seeds-alone": "the survey questions behind the rows, with answers drawn from the country's shares",
    "shuffled": "the rows of the culture with their answers dealt anew among the prompts",
    "all-shapes": "rows of all shapes, as many as the arms of single shapes have",
}


def shape_of(arm: str) -> str:
    return f"rows of the shape `{arm.removeprefix('shape-')}` alone"


def loss(first: float | None, last: float | None) -> str:
    return "" if first is None or last is None else f"{first:.2f} to {last:.2f}"


def over_cultures(document: Document) -> Iterator[str]:
    """Yield the differences of all cultures together, culture by culture."""
    own = [c for c in document.contrasts if c.culture == ALL and c.split == "held-out" and c.family == MAIN]
    if not own:
        return
    cultures = list(own[0].by_culture)
    yield "### All cultures together, one by one (held-out questions)"
    yield markdown(("side", "beside", *cultures, "95% interval over cultures"), [
        (c.a, c.b, *(signed(c.by_culture[culture]) for culture in cultures if culture in c.by_culture),
         interval(c.low_cultures, c.high_cultures) or f"none with {len(cultures)} cultures")
        for c in own if list(c.by_culture) == cultures
    ])  # fmt: skip


def level_table(own: Sequence[Level]) -> str:
    cultures = list(dict.fromkeys(level.culture for level in own))
    known = {(level.who, level.culture): level for level in own}
    rows = []
    for who in dict.fromkeys(level.who for level in own):
        cells = []
        for culture in cultures:
            level = known.get((who, culture))
            skill = "" if level is None or level.skill is None else f" (skill {level.skill:+.2f})"
            cells.append("" if level is None else f"{level.value:.4f}{skill}")
        rows.append((who, *cells))
    return markdown(("who", *(f"{c} ({items_of(own, c)} items)" for c in cultures)), rows)


def items_of(own: Sequence[Level], culture: str) -> int:
    return next(level.n for level in own if level.culture == culture and level.who == BASE)


def matrices(document: Document) -> Iterator[str]:
    """Yield for each arm how far the adapter of each culture moved about the people of each."""
    arms = list(dict.fromkeys(cell.arm for cell in document.matrix))
    if len({cell.about for cell in document.matrix}) < 2:
        return
    yield "## Whose people an adapter moved towards"
    yield (
        "The change from the base on held-out questions: a row for each adapter, a column for each people asked about."
    )
    for arm in arms:
        cells = {(cell.adapter, cell.about): cell for cell in document.matrix if cell.arm == arm}
        adapters = list(dict.fromkeys(adapter for adapter, _ in cells))
        abouts = list(dict.fromkeys(about for _, about in cells))
        yield f"### {arm}"
        yield markdown(("adapter of", *(f"about {about}" for about in abouts)), [
            (adapter, *(cell_text(cells.get((adapter, about))) for about in abouts)) for adapter in adapters
        ])  # fmt: skip


def cell_text(cell: object) -> str:
    from culturepark.loop.verdict import Cell

    return f"{signed(cell.difference)} ({interval(cell.low, cell.high)})" if isinstance(cell, Cell) else ""


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)
