"""Writes an evaluation as one page: each people beside the model item by item, the worst items first.

The page has no script: cultures and conditions open and close by themselves, and a link leads to each. Everything is
escaped by the template. Of a large evaluation it shows the worst items of each culture, and says how many are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from culturepark import __version__, interface
from culturepark.catalog.suites import Item
from culturepark.evaluate import measures
from culturepark.evaluate.answers import Answer, Pool, Sheet, group_key
from culturepark.evaluate.document import AgainstConstant, Document, document, parts_of
from culturepark.evaluate.evaluation import sheet_of
from culturepark.evaluate.figures import ItemValue
from culturepark.evaluate.measures import Distribution
from culturepark.evaluate.paired import Condition, values_of
from culturepark.evaluate.scorers.survey import CONSTANTS, METRICS, SMALLER_IS_NEARER, nulls_of, people_of
from culturepark.evaluate.text import NAMES, asked_of, merged, number
from culturepark.languages.countries import country_name
from culturepark.models.ledger import now
from culturepark.redact import without_secrets
from culturepark.report.page import MARK, digest, environment, part, print_out, put, refuse_what_is_not_ours
from culturepark.store.store import Store
from culturepark.terminal.safe import tell

ITEMS = 900
"""Items on a page, over all cultures and conditions: about 3 MB."""
WORST = (4, 25)
"""Items of one culture under one condition: at least, and at most."""
EXAMPLES = 2
"""Answers that are shown of an item."""
LONGEST = 600
"""Characters of an answer that are shown."""
CONDUCT = ("abstained", "outside_mass", "leakage", "first_place", "answered")
"""Figures of how the model answers, whatever it says; with those that begin like the next."""
ALWAYS = "always_"
NULLS = {
    "swapped answers": (
        "answers to other items",
        "Judges rated some answers as if they had been given to another item; that is what stands beside.",
    ),
    "chance": ("chance", "That is an option drawn blindly."),
    "coin": ("a coin", "It takes the near and the far filler equally often."),
    "majority": ("the commonest label", "That is one label for everything."),
    "longest option": ("the longest option", "That is a reader who knows nothing but how long the options are."),
    "equal answers": ("equal answers", "That is one answer to all items, whatever the culture."),
    "pooled share": ("the pooled share", "That is each label as often as raters gave it to all items."),
    "zero": ("no difference", "That is two arms of which neither changes anything."),
}
"""Null of a suite without a survey -> what a headline calls it, and what it is."""
A_CONSTANT = (
    "A constant is an answer that knows nothing of anybody, such as the middle of the scale, or all options alike."
)
CARD = {
    "by": "Who wrote it",
    "written_for": "For whom",
    "language": "Written first in",
    "correct": "What counts as right or near",
    "not_asked": "Who was not asked",
    "licence": "Licence",
    "source": "Source",
}


@dataclass(frozen=True)
class Bar:
    """One option of an item: the share of people who chose it, and what the model gives it."""

    label: str
    people: float | None
    """0-1; None where nobody was asked."""
    model: float | None
    """0-1; None where no answer could be read."""
    others: float | None
    """0-1; the share in the other countries together, None where there are none."""
    marks: Mapping[str, float]
    """Null -> what it gives this option (0-1), where it gives anything."""
    right: bool = False
    outside: bool = False
    """Not an option: all that the model says beside the options."""


@dataclass(frozen=True)
class Example:
    """An answer as an example."""

    id: str
    text: str
    chose: str
    """The option in words; empty for free text."""


@dataclass(frozen=True)
class ItemView:
    key: str
    question: str
    language: str
    topic: str
    country: str
    scores: Sequence[tuple[str, str, str]]
    """Measure, value, and the best constant beside it (empty where there is none)."""
    bars: Sequence[Bar]
    reference: str
    answers: int
    abstained: int
    examples: Sequence[Example]

    @property
    def is_surveyed(self) -> bool:
        """Whether people's shares stand beside the model's."""
        return any(bar.people is not None for bar in self.bars)


@dataclass(frozen=True)
class Part:
    """The items of one culture under one condition."""

    anchor: str
    culture: str
    condition: str
    verdict: str
    items: Sequence[ItemView]
    left_out: int
    unread: int
    """Items without an answer that can be read."""


def write(store: Store, run_id: str, out: Path | None) -> Path | None:
    """Write the page of an evaluation, and return its place; None for stdout.

    Args:
        out: None for a file named after the evaluation; `-` for stdout.
    Raises:
        UsageError: if it is no evaluation, or the file exists and is no report.
        StoreError: if the file cannot be written.
    """
    place = out or Path(f"{run_id}.html")
    pieces = page(store, run_id)
    if interface.language() != interface.ENGLISH:
        tell("note: pages of evaluations are in English")
    if str(place) == "-":
        with interface.showing(interface.ENGLISH):
            print_out(pieces)
        return None
    refuse_what_is_not_ours(place)
    with interface.showing(interface.ENGLISH):
        put(pieces, place, store.database.mode)
    return place


def page(store: Store, run_id: str) -> Iterator[str]:
    told, sheet = document(store, run_id), sheet_of(store, run_id)
    values_of_items = values_of(store, run_id, sheet)
    parts = list(parts_of_page(sheet, values_of_items, told.against_constant))
    style = part("page.css")
    tables, conduct = figure_tables(told)
    values = {
        "version": __version__,
        "made": now(),
        "style": style,
        "style_digest": digest(style),
        "told": told,
        "suite": sheet.suite,
        "verdicts": [(culture, verdicts_of(rows)) for culture, rows in by_culture(told.against_constant).items()],
        "headline": headline(told.against_constant),
        "beside": what_stands_beside(told.against_constant),
        "is_of_constants": of_constants(told.against_constant),
        "asked": asked_of(told),
        "method": method_in_words(sheet, str(told.settings["method"])),
        "spelled_out": spelled_out(told, values_of_items),
        "is_paired": bool(values_of_items),
        "card": [(words, getattr(sheet.suite.card, name)) for name, words in CARD.items()],
        "tables": tables,
        "conduct": conduct,
        "parts": parts,
        "cultures": list(dict.fromkeys(one.culture for one in parts)),
        "conditions": list(dict.fromkeys(one.condition for one in parts)),
        "names": NAMES,
        "surveyed": any(item.is_surveyed for one in parts for item in one.items),
    }
    yield MARK
    yield from (without_secrets(piece) for piece in environment().get_template("evaluation.html").generate(values))


# --- the opening -------------------------------------------------------------------------------------


def by_culture(rows: Sequence[AgainstConstant]) -> dict[str, list[AgainstConstant]]:
    found: dict[str, list[AgainstConstant]] = defaultdict(list)
    for row in rows:
        found[row.culture].append(row)
    return dict(found)


def of_constants(rows: Sequence[AgainstConstant]) -> bool:
    """Whether the model stands beside constants that a survey knows, so that nearer is nearer to people."""
    return all(row.constant in CONSTANTS for row in rows)


def headline(rows: Sequence[AgainstConstant]) -> str:
    """Say whether the model beats what knows nothing; empty where there is nothing to say it of."""
    if not rows:
        return ""
    beside = " or ".join(dict.fromkeys(null_in_words(row.constant) for row in rows))
    better, worse = better_and_worse(rows)
    if of_constants(rows):
        beside, better, worse = "a constant answer", f"{better} to people", f"{worse} from people"
    ahead = sum(row.verdict == "nearer" for row in rows)
    if ahead == len(rows):
        return f"{better.capitalize()} than {beside}"
    if ahead:
        return f"{better.capitalize()} than {beside} in {ahead} of {len(rows)} comparisons"
    if all(row.verdict == "farther" for row in rows):
        return f"{worse.capitalize()} than {beside}"
    return f"Not shown to be {better} than {beside}"


def better_and_worse(rows: Sequence[AgainstConstant]) -> tuple[str, str]:
    """Return what either side of a null is called."""
    return ("nearer", "farther") if of_constants(rows) else ("better", "worse")


def null_in_words(name: str) -> str:
    return "a constant" if name in CONSTANTS else NULLS[name][0] if name in NULLS else name


def what_stands_beside(rows: Sequence[AgainstConstant]) -> str:
    """Say what the nulls of the opening are."""
    if of_constants(rows):
        return A_CONSTANT
    return " ".join(dict.fromkeys(NULLS[row.constant][1] for row in rows if row.constant in NULLS))


def method_in_words(sheet: Sheet, method: str) -> str:
    """Return how answers were got; options have a method, and free text has none."""
    have_options = {bool(answer.shown) for answer in sheet.answers} or {True}
    words = {True: f"options by {method}", False: "answers in free text"}
    return ", ".join(words[kind] for kind in (True, False) if kind in have_options)


def spelled_out(told: Document, values: Sequence[ItemValue]) -> list[tuple[str, str]]:
    """Return the scores of the page that have plain words, with those."""
    there = {str(figure["metric"]) for figure in told.figures} | {value.metric for value in values}
    return [(name, words) for name, words in NAMES.items() if name in there]


def verdicts_of(rows: Sequence[AgainstConstant]) -> list[tuple[str, str, str, str, str, str]]:
    """Return score, value, the null beside it, the verdict, the condition in words, and the class of the verdict."""
    better, worse = better_and_worse(rows)
    words = {"nearer": (better, "good"), "farther": (worse, "bad")}
    told = []
    for row in rows:
        places = places_of(row.metric)
        verdict, kind = words.get(row.verdict, (row.verdict, "small"))
        null = f"{row.constant} {number(row.constant_value, places)}"
        told.append((row.metric, number(row.value, places), null, verdict, in_words(row.condition), kind))
    return told


def places_of(metric: str) -> int:
    return 1 if metric == "nvas" else 3


def in_words(group: str) -> str:
    return ", ".join(f"{name} {value}" for name, value in parts_of(group).items()) or "all answers"


def figure_tables(told: Document) -> tuple[list[tuple[str, list[dict[str, str]]]], list[tuple[str, dict[str, str]]]]:
    """Return the figures by the title of their condition, and those of how the model answers."""
    tables: dict[str, list[dict[str, str]]] = defaultdict(list)
    conduct = []
    for title, row in merged(told.figures):
        if row["score"] in CONDUCT or row["score"].startswith(ALWAYS):
            conduct.append((title, row))
        else:
            tables[title].append(row)
    return list(tables.items()), conduct


# --- item by item ------------------------------------------------------------------------------------


def parts_of_page(sheet: Sheet, values: Sequence[ItemValue], against: Sequence[AgainstConstant]) -> Iterator[Part]:
    """Yield cultures under each condition with their worst items."""
    pools: dict[tuple[Condition, str], list[Pool]] = defaultdict(list)
    for pool in sheet.pools:
        pools[pool.condition, pool.culture or pool.group or "all"].append(pool)
    worth: dict[tuple[Condition, str, str], list[ItemValue]] = defaultdict(list)
    for value in values:
        worth[value.condition, value.group, value.item].append(value)
    most = max(WORST[0], min(WORST[1], ITEMS // max(1, len(pools))))
    for index, ((condition, culture), own) in enumerate(pools.items(), start=1):
        ranked = sorted(own, key=lambda pool: badness(pool, worth[pool.condition, pool.group, pool.item.key]))
        told = [row for row in against if row.culture == culture and row.condition == group_key(*condition)]
        nearer = sum(row.verdict == "nearer" for row in told)
        beside = " or ".join(dict.fromkeys(null_in_words(row.constant) for row in told))
        yield Part(
            anchor=f"part-{index}",
            culture=culture,
            condition=in_words(group_key(*condition)),
            verdict=f"{better_and_worse(told)[0]} than {beside} by {nearer} of {len(told)} scores" if told else "",
            items=[item_view(pool, worth[pool.condition, pool.group, pool.item.key]) for pool in ranked[:most]],
            left_out=max(0, len(ranked) - most),
            unread=sum(not pool.valid for pool in own if pool.item.options),
        )


def badness(pool: Pool, values: Sequence[ItemValue]) -> tuple[int, float, str]:
    """Return a key by which the worst item comes first; those without any value come last."""
    by_metric = {value.metric: value for value in values}
    first = by_metric.get("jsd") or next(iter(values), None)
    if first is None:
        return 1, 0.0, pool.item.key
    return 0, -first.value if first.smaller_is_better else first.value, pool.item.key


def item_view(pool: Pool, values: Sequence[ItemValue]) -> ItemView:
    # The words that were put: all answers of a condition are in one language.
    language = dict(pool.condition).get("language", pool.item.language)
    item = pool.item.in_language(language) or pool.item
    return ItemView(
        key=item.key,
        question=item.question,
        language=item.language,
        topic=item.topic,
        country=country_name(pool.group) if len(pool.group) == 3 and pool.group.isupper() else pool.group,
        scores=list(scores_of(pool, values)),
        bars=bars_of(pool, item),
        reference=item.reference or "",
        answers=len(pool.answers),
        abstained=sum(answer.abstained for answer in pool.answers),
        examples=[example_of(answer, item) for answer in pool.answers[:EXAMPLES]],
    )


def scores_of(pool: Pool, values: Sequence[ItemValue]) -> Iterator[tuple[str, str, str]]:
    nulls = nulls_of(pool.item, pool.group) if pool.group in pool.item.shares else {}
    for value in values:
        best = ""
        known = {name: found[value.metric] for name, found in nulls.items()
                 if name in ("midpoint", "uniform") and value.metric in found}  # fmt: skip
        if known and value.metric in METRICS:
            choose = min if value.metric in SMALLER_IS_NEARER else max
            name = choose(known, key=lambda name: known[name])
            best = f"{name} {number(known[name], places_of(value.metric))}"
        yield value.metric, number(value.value, places_of(value.metric)), best


def bars_of(pool: Pool, item: Item) -> list[Bar]:
    """Return a bar for each option, and the mass outside of them; none for free text."""
    if not item.options:
        return []
    model = pool.distribution
    people = people_of(pool.item, pool.group) if pool.group in item.shares else None
    marks = marks_of(pool) if people else {}
    right = item.answers.get(pool.group, item.answer)
    bars = [
        Bar(
            label=option.label,
            people=None if people is None else people.shares.get(option.code, 0.0),
            model=None if model is None else model.shares.get(option.code, 0.0),
            others=marks["others"].shares.get(option.code, 0.0) if "others" in marks else None,
            marks={name: guess.shares[option.code] for name, guess in marks.items() if guess.shares.get(option.code)},
            right=option.code == right,
        )
        for option in item.options
    ]
    if model is not None and model.outside > 0.0005:
        bars.append(Bar("none of the options", None, model.outside, None, {}, outside=True))
    return bars


def marks_of(pool: Pool) -> dict[str, Distribution]:
    """Return what those give to the options who know nothing of the country."""
    item = pool.item
    others = measures.pooled([people_of(item, other) for other in item.shares if other != pool.group])
    guesses = {
        "uniform": measures.uniform(item.codes),
        "midpoint": measures.midpoint(item.codes) if item.is_ordinal else None,
        "others": others,
    }
    return {name: guess for name, guess in guesses.items() if guess is not None}


def example_of(answer: Answer, item: Item) -> Example:
    chose = next((option.label for option in item.options if option.code == answer.choice), "")
    text = answer.text if len(answer.text) <= LONGEST else f"{answer.text[:LONGEST]} …"
    return Example(answer.id, text, chose or ("no option" if item.options else ""))
