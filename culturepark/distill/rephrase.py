"""Asks a model once a run for more wordings of each prompt, where the scenario wants them.

A wording is refused if it lacks a hole or has another one, repeats one that there is, or is no text to train on. A run
that is carried on asks for the same, and so finds the stored answers again.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from pydantic import BaseModel

from culturepark.distill.ask import SubjectAsker, TooMuch
from culturepark.distill.wordings import ASKED, Wordings
from culturepark.domain import Shape, storable
from culturepark.languages import HOLE, Prompt
from culturepark.models.thoughts import unfit

TOKENS_A_WORDING = 80
LONGEST = 400
"""Characters of a wording, its holes not yet filled."""
OPTIONAL = frozenset({"country"})
"""Holes that a wording may leave out."""
DRAWN_AT = 0.8
"""Temperature: many answers are right."""


class Rephrased(BaseModel):
    wordings: list[str]


@dataclass(frozen=True)
class Paraphrases:
    """A model's wordings."""

    more: dict[str, tuple[Prompt, ...]] = field(default_factory=dict)
    """By file and heading."""
    refused: int = 0


async def rephrase(asker: SubjectAsker, shapes: Collection[Shape], count: int) -> Paraphrases:
    """Ask for `count` more wordings of each prompt of some shapes; fewer come of what cannot be used."""
    own = Wordings(asker.language)
    more: dict[str, tuple[Prompt, ...]] = {}
    refused = 0
    for shape in (shape for shape in ASKED if shape in shapes):
        for group in ASKED[shape]:
            found, unusable = await rephrase_group(asker, own, group, count)
            refused += unusable
            if found:
                more[group] = found
    return Paraphrases(more, refused)


async def rephrase_group(asker: SubjectAsker, own: Wordings, group: str, count: int) -> tuple[tuple[Prompt, ...], int]:
    """Return the fit wordings of one prompt, and how many were not."""
    known = own.of(group)
    material = {
        "for": group,
        "wordings": [wording.text for wording in known],
        "holes": sorted(frozenset.union(*(wording.holes for wording in known))),
        "count": count,
    }
    try:
        answer, reply = await asker.json(
            asker.language.prompt("rephrase"),
            material,
            Rephrased,
            name="wordings",
            max_tokens=100 + TOKENS_A_WORDING * count,
            temperature=DRAWN_AT,
        )
    except TooMuch:
        return (), 0
    if answer is None or reply is None:
        return (), 0
    fit: list[Prompt] = []
    proposed = [storable(text.strip()) for text in answer.wordings]
    for text in proposed:
        if len(fit) < count and is_fit(text, (*known, *fit)):
            fit.append(Prompt(text))
    return tuple(fit), len(proposed) - len(fit)


def is_fit(text: str, known: Collection[Prompt]) -> bool:
    """Return whether a wording can stand beside those that are known. Pure.

    It has the holes that all of them have, each once, and none but theirs; in quotation marks where they are so.
    """
    needed = frozenset.intersection(*(wording.holes for wording in known)) - OPTIONAL
    allowed = frozenset.union(*(wording.holes for wording in known))
    holes = HOLE.findall(text)
    same = {" ".join(wording.text.casefold().split()) for wording in known}
    return (
        bool(text)
        and len(text) <= LONGEST
        and needed <= set(holes) <= allowed
        and len(holes) == len(set(holes))
        and not {"{", "}"} & set(HOLE.sub("", text))
        and all(f"“{{{{{hole}}}}}”" in text for hole in holes if quoted(hole, known))
        and " ".join(text.casefold().split()) not in same
        and unfit(text) is None
    )


def quoted(hole: str, known: Collection[Prompt]) -> bool:
    """Return whether a hole stands in quotation marks wherever it stands."""
    with_it = [wording.text for wording in known if hole in wording.holes]
    return bool(with_it) and all(f"“{{{{{hole}}}}}”" in text for text in with_it)
