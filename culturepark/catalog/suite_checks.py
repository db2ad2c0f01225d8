"""Checks of suite files, scale files and maps: what `culturepark check` says of them beside their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from culturepark.catalog.files import Loc, load, placed, read_mapping
from culturepark.catalog.imports import NamedMap
from culturepark.catalog.maps import Map
from culturepark.catalog.scales import Scale, shipped_scales
from culturepark.catalog.suites import Item, Suite, SuiteFile, load_suite
from culturepark.domain import NATIVE, Noun, shipped_cultures
from culturepark.errors import Problem
from culturepark.files import clipped, exists, some_of
from culturepark.languages import PACKAGES
from culturepark.languages.countries import alpha3_codes

KINDS: dict[str, type[Noun]] = {"suite": SuiteFile, "scale": Scale}
"""Kinds of files that an evaluation is made of. Each is told by the key of its name."""
FEW = 8
"""Items below which the places and lengths of right options say nothing."""
MOST_AT_ONE_PLACE = 0.75
"""Share of right options in one place, or of one length, from which they are no accident."""


def kind_of(path: Path) -> str | None:
    """Return the kind of a suite file, a scale file or a map by its keys; None for files of other kinds.

    Raises:
        CatalogError: if the file is no mapping.
    """
    keys = read_mapping(path)
    # Surveys have `scales`, and no other file has these.
    found = [kind for kind, model in KINDS.items() if kind in keys and keys.keys() & model.model_fields.keys() - {kind}]
    if found:
        return found[0]
    if "imports" in keys and "forms" in keys:
        return "named map"
    return "map" if next(iter(keys), None) == "map" else None


def check(path: Path, kind: str) -> str:
    """Validate a file of such a kind, and return its kind with notes on likely slips.

    Raises:
        CatalogError: with all problems found.
    """
    match kind:
        case "suite":
            notes = list(suite_notes(load_suite(path)))
        case "scale":
            notes = list(scale_notes(load(path, Scale)))
        case "named map":
            notes = [f"{len(load(path, NamedMap).forms)} forms"]
        case _:
            notes = [f"{len(load(path, Map).map)} columns"]
    return f"{kind} ({'; '.join(notes)})"


def groups_of(items: Iterable[Item]) -> set[str]:
    """Return all groups of people of whom items say something."""
    return {group for item in items for group in (*item.shares, *item.answers, item.group) if group}


def scale_notes(scale: Scale) -> Iterator[str]:
    yield f"{scale.least} to {scale.most}"
    between = scale.most - scale.least + 1 - len(scale.steps)
    if between > 5:
        yield f"{between} of its steps have no words: raters tell them apart as they like"


def suite_notes(suite: Suite) -> Iterator[str]:
    """Yield what a suite holds, and notes on likely slips that are no errors."""
    items = suite.items
    kinds = Counter(item.target_kind or "no target" for item in items)
    yield f"{len(items):,} items: " + ", ".join(f"{count:,} with {kind}" for kind, count in kinds.most_common())
    if "bias" not in suite.scorers:  # where the near filler is the first option of all
        yield from right_options(items, balanced=suite.elicitation.balanced)
    known = {*alpha3_codes(), *shipped_cultures(), "raters"}
    if unknown := sorted(groups_of(items) - known):
        yield (
            f"neither a country (ISO 3166) nor a culture: {some_of([clipped(name) for name in unknown], 5)}; "
            "nobody of the catalogue can answer in their name"
        )
    lacking = [item.key for item in items if item.shares and item.shares.keys() - item.n.keys()]
    if lacking:
        yield (
            f"{len(lacking):,} with shares do not say how many were asked (n), as {clipped(lacking[0])}: "
            "their ceiling is unknown"
        )
    asked = Counter((item.question, item.group, item.options) for item in items)
    if twice := [question for (question, _, _), count in asked.items() if count > 1]:
        yield f"{len(twice):,} questions stand there twice, as {clipped(twice[0])!r}"
    spoken = set(suite.conditions.languages)
    if NATIVE not in spoken and (mute := [item for item in items if not spoken & {item.language, *item.words}]):
        yield (
            f"{len(mute):,} are in none of the languages of `conditions`, as {clipped(mute[0].key)} in "
            f"{mute[0].language}: they are not asked"
        )
    if odd := sorted({item.language for item in items} - set(PACKAGES)):
        yield f"there are no prompts in {some_of(odd, 8)}: nobody is asked these items"


def right_options(items: tuple[Item, ...], *, balanced: bool) -> Iterator[str]:
    """Yield a note where the place, the words or the length of an option gives away that it is right.

    An option that is right for a group of `answers` counts once for each such group.
    """
    chosen = [
        ([option.label for option in item.options], item.codes.index(code))
        for item in items
        for code in ([item.answer] if item.answer is not None else item.answers.values())
    ]
    if len(chosen) < FEW:
        return
    varied = len({tuple(labels) for labels, _ in chosen}) > 1
    place, count = Counter(place for _, place in chosen).most_common(1)[0]
    if count >= MOST_AT_ONE_PLACE * len(chosen):
        ordinal = ("first", "second", "third", "fourth")[place] if place < 4 else f"{place + 1}th"
        advice = "keep `elicitation.balanced` on" if balanced else "set `elicitation.balanced` to true"
        if not varied:  # as yes and no, which are told apart by their words wherever they stand
            advice = f"who always takes {clipped(chosen[0][0][place])!r} scores high"
        yield f"the right option is the {ordinal} in {count:,} of {len(chosen):,}: {advice}"
    longest = sum(
        len(labels[place]) > max(len(other) for index, other in enumerate(labels) if index != place)
        for labels, place in chosen
    )
    if varied and longest >= MOST_AT_ONE_PLACE * len(chosen):
        yield f"the right option is the longest in {longest:,} of {len(chosen):,}: who takes the longest scores high"


# --- names -----------------------------------------------------------------------------------------


def unknown_names(path: Path, scorers: Sequence[str]) -> list[Problem]:
    """Return the scorers and scales of a suite file or a named map that there are none of, each with its line.

    Args:
        path: a sound file; of another kind, nothing is found.
        scorers: all that there are, those of plugins included.
    """
    match kind_of(path):
        case "suite":
            file: SuiteFile | NamedMap = load(path, SuiteFile)
        case "named map":
            file = load(path, NamedMap)
        case _:
            return []
    wrong: list[tuple[Loc, str]] = [
        (("scorers", index), no_such("scorer", name, scorers))
        for index, name in enumerate(file.scorers)
        if name not in scorers
    ]
    scales = shipped_scales()
    wrong += [
        (("scales", index), no_such("scale", name, scales))
        for index, name in enumerate(file.scales)
        if name not in scales and not exists(Path(name))  # `judge` reads a file of that name
    ]
    return placed(path, wrong)


def no_such(kind: str, name: str, names: Sequence[str]) -> str:
    """Say that there is no scorer or scale of a name, which ones there are, and which was probably meant."""
    near = get_close_matches(name, names, n=2)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    return f"there is no {kind} {clipped(name)!r}, only {', '.join(names)}{hint}"
