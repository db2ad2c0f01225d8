"""What is asked for: cultures by name, and settings in place of those of a suite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError

from culturepark.catalog import Framing
from culturepark.catalog.cultures import Known, delegates, is_path, load_culture, no_culture
from culturepark.catalog.suites import PLAIN, Arm, Conditions, Elicitation, Suite
from culturepark.domain import shipped_cultures
from culturepark.errors import UsageError
from culturepark.evaluate.plan import Settings
from culturepark.evaluate.scorers import scorer_of
from culturepark.files import clipped
from culturepark.languages import PACKAGES, known_languages

ALL = "all"


def cultures_named(names: Sequence[str]) -> tuple[tuple[str, ...], Known]:
    """Return the keys of the cultures that are named, and the definitions of those that are files.

    Raises:
        UsageError: if there is none of a name.
    """
    keys: list[str] = []
    known: dict[str, Any] = {}
    for name in names:
        if name == ALL:
            keys += delegates()
        elif is_path(name):
            culture = load_culture(Path(name))
            known[culture.culture] = culture
            keys.append(culture.culture)
        elif name in shipped_cultures():
            keys.append(name)
        else:
            raise UsageError(f"--culture {no_culture(name, shipped_cultures())}")
    return tuple(dict.fromkeys(keys)), known


def known_arm(arm: Arm, suite: Suite) -> Arm:
    """Return an arm with its prompt: that of the file, or the suite's own of that name.

    Raises:
        UsageError: if there is neither, or the arm without a prompt is given one.
    """
    if arm.name == PLAIN and arm.prompt is not None:
        raise UsageError(f"--arm {PLAIN}: is the arm without a prompt; call another one otherwise")
    if arm.prompt is not None or arm.norms or arm.name == PLAIN:
        return arm
    own = {known.name: known for known in suite.conditions.arms}
    if arm.name not in own:
        raise UsageError(
            f"--arm {arm.name}: the suite has no arm of that name, only {', '.join(own)}; NAME=FILE says its prompt"
        )
    return own[arm.name]


def settings_for(
    suite: Suite,
    *,
    cultures: tuple[str, ...],
    items: int | None,
    conditions: Mapping[str, object],
    elicitation: Mapping[str, object],
) -> Settings:
    """Return the settings of an evaluation: the suite's, with those of the caller in their place.

    Raises:
        UsageError: if they cannot be met.
    """
    for name in suite.scorers:
        if problem := scorer_of(name).problem(suite):
            raise UsageError(f"the suite {suite.name} cannot be scored by {name}: {problem}")
    given = {name: value for name, value in conditions.items() if value not in (None, [], ())}
    for code in given.get("languages", ()):  # type: ignore[attr-defined]
        if code != "native" and code not in PACKAGES:
            raise UsageError(f"--language {clipped(code)!r}: there are {known_languages('native')}")
    if arms := given.get("arms"):
        given["arms"] = tuple(known_arm(arm, suite) for arm in arms)  # type: ignore[attr-defined]
    if given.get("respondents", suite.conditions.respondents):
        if any(framing != "persona" for framing in given.get("framings", ())):  # type: ignore[attr-defined]
            raise UsageError("--framing: respondents answer in their own name; leave one of the two options out")
        given["framings"] = ("persona",)
    for framing in given.get("framings", ()):  # type: ignore[attr-defined]
        if framing not in get_args(Framing):
            raise UsageError(f"--framing {clipped(framing)!r}: there are {', '.join(get_args(Framing))}")
    try:
        return Settings(
            cultures=cultures,
            conditions=Conditions.model_validate(suite.conditions.model_dump() | given),
            elicitation=Elicitation.model_validate(
                suite.elicitation.model_dump() | {n: v for n, v in elicitation.items() if v is not None}
            ),
            items=items,
        )
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        raise UsageError(f"{'.'.join(map(str, what['loc']))}: {what['msg']}") from None
