"""Answers to a suite, and what the answers of one condition say together. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from culturepark.catalog.suites import Item, Suite
from culturepark.evaluate.measures import Distribution


@dataclass(frozen=True)
class Answer:
    """One answer of a model, or of somebody whom it plays."""

    id: str
    item: str
    """Key of the item."""
    framing: str
    language: str
    reasoning: bool
    arm: str
    culture: str | None
    """Key of the culture that it was asked about, or in whose name."""
    group: str
    """The group of the item's target that it was asked about; empty where nobody was named."""
    respondent: str
    repeat: int
    shown: tuple[int, ...]
    """Codes in the order in which the options were shown; none for free text."""
    text: str
    choice: int | None
    probabilities: Mapping[int, float] | None
    outside: float | None
    abstained: bool

    @property
    def says_something(self) -> bool:
        """Whether it says something of the options."""
        return self.probabilities is not None or self.choice is not None

    @property
    def condition(self) -> tuple[tuple[str, str], ...]:
        """Parts of its condition that differ from what is usual, as they stand in the group of a figure."""
        parts = [("framing", self.framing), ("language", self.language)]
        parts += [("reasoning", "yes")] if self.reasoning else []
        return tuple(parts + ([("arm", self.arm)] if self.arm != "plain" else []))


@dataclass(frozen=True)
class Pool:
    """All answers to one item under one condition, about one group."""

    item: Item
    group: str
    culture: str | None
    condition: tuple[tuple[str, str], ...]
    answers: tuple[Answer, ...]

    @cached_property
    def valid(self) -> tuple[Answer, ...]:
        """Those that say something of the options."""
        return tuple(answer for answer in self.answers if answer.says_something)

    @cached_property
    def distribution(self) -> Distribution | None:
        """What the answers give to each option on average; None if there are none, or nothing can be read in them.

        Of an answer with probabilities all of them count, of another the option that it chose. One that says something
        else is mass outside the options; one that says nothing is left out.
        """
        counted = [a for a in self.answers if a.says_something or a.abstained]
        if not self.valid:
            return None
        masses: dict[int, float] = dict.fromkeys(self.item.codes, 0.0)
        for answer in counted:
            given = answer.probabilities if answer.probabilities is not None else {answer.choice: 1.0}
            for code, mass in given.items():
                if code is not None:
                    masses[code] += mass / len(counted)
        return Distribution(masses, max(0.0, 1.0 - sum(masses.values())))


@dataclass(frozen=True)
class Sheet:
    """A suite with its answers: all that figures are computed from."""

    suite: Suite
    answers: Sequence[Answer]
    seed: int
    cultures: Sequence[str] = ()
    """Keys of the cultures that were asked for; none for all groups of the items."""
    culture_of: Mapping[str, str | None] = field(default_factory=dict)
    """Group of a target -> key of its culture."""
    language_of: Mapping[str, str] = field(default_factory=dict)
    """Culture -> its language."""
    settings: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def items(self) -> Mapping[str, Item]:
        return {item.key: item for item in self.suite.items}

    @cached_property
    def conditions(self) -> list[tuple[tuple[str, str], ...]]:
        """The conditions in the order in which they were asked."""
        return list(dict.fromkeys(answer.condition for answer in self.answers))

    @cached_property
    def pools(self) -> list[Pool]:
        """The answers by condition, item and group. Those that name nobody count for every group of their item."""
        by_cell: dict[tuple[tuple[tuple[str, str], ...], str, str], list[Answer]] = defaultdict(list)
        for answer in self.answers:
            if answer.item not in self.items:
                continue
            for group in self.groups_of(answer):
                by_cell[answer.condition, answer.item, group].append(answer)
        return [
            Pool(self.items[key], group, self.culture_of.get(group), condition, tuple(given))
            for (condition, key, group), given in by_cell.items()
        ]

    def groups_of(self, answer: Answer) -> list[str]:
        """Return the groups of its item's target that an answer counts for."""
        item = self.items[answer.item]
        if answer.group or not (item.shares or item.answers):
            return [answer.group]
        return [g for g in (item.shares or item.answers) if self.is_wanted(g)]

    def is_wanted(self, group: str) -> bool:
        return not self.cultures or self.culture_of.get(group) in self.cultures

    def by_condition(self, pools: Iterable[Pool] | None = None) -> dict[tuple[tuple[str, str], ...], list[Pool]]:
        found: dict[tuple[tuple[str, str], ...], list[Pool]] = defaultdict(list)
        for pool in self.pools if pools is None else pools:
            found[pool.condition].append(pool)
        return dict(found)


def group_key(*parts: tuple[str, str]) -> str:
    """Return the group of a figure: `culture=german,framing=persona,language=en`, or `all`."""
    return ",".join(f"{name}={value}" for name, value in parts if value) or "all"
