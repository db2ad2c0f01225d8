"""Invented suites with invented answers: what scorers are given, without a store or a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from culturepark.catalog.suites import Card, Item, ItemOption, Suite
from culturepark.domain import shipped_cultures
from culturepark.evaluate.answers import Answer, Sheet
from culturepark.evaluate.figures import Figure
from culturepark.evaluate.plan import orders_of
from culturepark.evaluate.scorers import scorer_of

Said = int | Mapping[int, float] | None
"""The code of the option that was chosen, the probabilities of all of them, or None for an answer that names none."""
Reply = Callable[[Item, str, tuple[int, ...]], Said]
"""Item, group that is asked about, and codes in the order in which they are shown -> what is said."""
CARD = Card(by="us", written_for="tests", language="en", correct="x", not_asked="x", licence="x", source="x")


def an_item(key: str, labels: Sequence[str] = ("yes", "no"), **fields: Any) -> Item:
    """An item with options of the codes 1, 2, ..."""
    options = tuple(ItemOption(code=code, label=label) for code, label in enumerate(labels, start=1))
    return Item(key=key, question=f"Question {key}?", options=options, **fields)


def a_suite(items: Iterable[Item], *scorers: str) -> Suite:
    return Suite(name="invented", title="Invented", card=CARD, scorers=scorers, items=tuple(items))


def a_sheet(
    items: Sequence[Item],
    reply: Reply,
    scorer: str,
    groups: Sequence[str] = (),
    framing: str = "persona",
    language: str = "en",
    respondents: int = 0,
) -> Sheet:
    """Answers of a model to all items in all orders, or of so many respondents of each group.

    Args:
        groups: asked about where an item names none; cultures' keys, or other names.
    """
    answers: list[Answer] = []
    for item in items:
        for group in [item.group] if item.group else list(item.shares or item.answers) or list(groups) or [""]:
            orders = orders_of(item, balanced=True)
            asked = [orders[n % len(orders)] for n in range(respondents)] if respondents else orders
            for repeat, shown in enumerate(asked, start=1):
                said = reply(item, group, shown)
                person = f"{group}-{repeat}" if respondents else ""
                answers.append(an_answer(len(answers), item, group, shown, said, framing, language, person, repeat))
    known = shipped_cultures()
    owners = {country: key for key, culture in known.items() for country in culture.countries}
    named = {answer.group for answer in answers}
    return Sheet(
        suite=a_suite(items, scorer),
        answers=answers,
        seed=1,
        culture_of={group: group if group in known else owners.get(group) for group in named},
        language_of={key: culture.languages[0].language.partition("-")[0] for key, culture in known.items()},
    )


def an_answer(
    number: int,
    item: Item,
    group: str,
    shown: tuple[int, ...],
    said: Said,
    framing: str = "persona",
    language: str = "en",
    respondent: str = "",
    repeat: int = 1,
) -> Answer:
    masses = dict(said) if isinstance(said, Mapping) else None
    choice = max(masses, key=lambda code: masses[code]) if masses else said
    assert choice is None or isinstance(choice, int)
    return Answer(
        id=f"e.a{number}",
        item=item.key,
        framing=framing,
        language=language,
        reasoning=False,
        arm="plain",
        culture=group if group in shipped_cultures() else None,
        group=group,
        respondent=respondent,
        repeat=repeat,
        shown=shown,
        text="",
        choice=choice,
        probabilities=masses,
        outside=None if masses is None else max(0.0, 1 - sum(masses.values())),
        abstained=choice is None,
    )


def figures(sheet: Sheet) -> list[Figure]:
    """The figures of the sheet's scorer."""
    scorer = scorer_of(sheet.suite.scorers[0])
    assert scorer.problem(sheet.suite) is None
    found = list(scorer.figures(sheet, list(scorer.scores(sheet))))
    keys = [(f.metric, f.group, f.null_name) for f in found]
    assert len(set(keys)) == len(keys), "a figure stands twice"
    return found


def figure(found: Iterable[Figure], metric: str, null: str | None = None, **parts: str) -> Figure:
    """The one figure of a metric whose group has these parts and no others, but for framing and language."""
    wanted = set(parts.items())
    rows = [
        f
        for f in found
        if f.metric == metric
        and (null is None or f.null_name == null)
        and {tuple(part.split("=", 1)) for part in f.group.split(",")} - {("framing", "persona"), ("language", "en")}
        == wanted
    ]
    assert len(rows) == 1 or (rows and null is None), (metric, null, parts, len(rows))
    return rows[0]
