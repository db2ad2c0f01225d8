"""Makes the edition of a talk from one persona and one seed, without a scenario file."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from pydantic import ValidationError

from culturepark.catalog.cultures import beside_card, is_path
from culturepark.catalog.files import load, package_dir
from culturepark.catalog.personas import load_persona
from culturepark.catalog.scenarios import ScenarioFile, shipped_files
from culturepark.catalog.surveys import load_items
from culturepark.domain import Culture, Edition, Persona, Scenario, Seed, Shape, shipped_cultures
from culturepark.errors import UsageError
from culturepark.files import clipped

EVERYDAY = Seed(
    key="everyday-life",
    topic="everyday life",
    question="What is an ordinary day like where you live, and what must a stranger know to feel at home there?",
)
"""The seed of a talk without `--about`."""


def talk_edition(persona: Persona, seed: Seed, *, moderated: bool, culture: Culture | None = None) -> Edition:
    """
    Args:
        culture: that of the persona, where it is not shipped.
    Raises:
        UsageError: if the persona's stance cannot be drawn.
    """
    if seed.item and persona.role == "delegate" and persona.country not in seed.item.shares:
        raise UsageError(
            f"{seed.key} was not asked in {persona.country_name}, and no answer to it can be drawn for "
            f'{persona.called}; as a question of your own it can be talked about: --about "{seed.question}"'
        )
    # A user may lead a talk anywhere: only a stance shows that an opinion answers the question.
    asked: tuple[Shape, ...] = ("survey", "open") if seed.item and persona.role == "delegate" else ()
    scenario = Scenario(
        name=f"talk-{persona.key}"[:80],
        title=f"A talk with {persona.name}"[:2000],
        setting="moderated" if moderated else "one-to-one",
        cultures=(persona.culture,),
        protocol="talk",
        seeds=(seed,),
        people=1,
        samples=(*asked, "norm", "own"),
        mine=(persona.role,),
    )
    known = culture or shipped_cultures().get(persona.culture)
    return Edition(scenario=scenario, personas=(persona,), cultures=(known,) if known else ())


def find_persona(name: str, among: Sequence[Persona] | None = None) -> Persona:
    """Find a persona by key, by the beginning of a key, by the name that others use, or by a file.

    Args:
        among: the people to choose from; the shipped ones by default.
    Raises:
        UsageError: if there is none or more than one; names those it may be.
    """
    if is_path(name):
        return load_persona(Path(name))
    folder = package_dir("personas")
    given = {persona.key: persona for persona in among or ()}
    keys = sorted(given) or sorted(path.stem for path in folder.glob("*.yaml"))

    def card(key: str) -> Persona:
        return given[key] if given else load_persona(folder / f"{key}.yaml")

    wanted = name.casefold().strip()
    matches = [key for key in keys if key == wanted] or [key for key in keys if wanted and key.startswith(wanted)]
    matches = matches or [key for key in keys if key.partition("-")[2] == wanted]
    if len(matches) == 1:
        return card(matches[0])
    if not matches:
        near = get_close_matches(wanted, [*keys, *(key.partition("-")[2] for key in keys)], n=3)
        hint = f"; perhaps {' or '.join(near)}?" if near else ""
        raise UsageError(
            f"no persona {clipped(name)!r}{hint or ';'} `culturepark personas` lists them; or name a YAML file"
        )
    people = [card(key) for key in matches]
    lines = [f"  {p.key}  {p.name}, {p.age}, {p.place}; {p.work}" for p in people]
    raise UsageError("\n".join([f"{clipped(name)} may be any of these; name one:", *lines]))


def culture_beside(name: str, persona: Persona) -> Culture | None:
    """Return the culture of a persona who was found by a file, where it is not shipped."""
    return beside_card(Path(name), persona.culture) if is_path(name) else None


def find_seed(about: str | None) -> Seed:
    """Find the seed of a survey item (`wvs7/Q33`) or of a shipped scenario, or make one of the user's own question.

    Raises:
        UsageError: if it is none of them.
    """
    if about is None:
        return EVERYDAY
    about = " ".join(about.split())
    if " " in about or about.endswith(("?", "？", "؟")):
        return own_question(about)
    if "/" in about:
        items = load_items([])
        if item := items.get(about):
            return Seed.of(item)
        near = get_close_matches(about, items, n=3)
        hint = f"; perhaps {', '.join(near)}" if near else f"; there are {', '.join(list(items)[:3])}, ..."
        raise UsageError(f"--about: no survey item {clipped(about)!r}{hint}")
    seeds = {seed.key: seed for path in shipped_files() for seed in load(path, ScenarioFile).seeds if seed.key}
    if seed := seeds.get(about):
        return seed.own()
    near = get_close_matches(about, seeds, n=3)
    hint = f"; perhaps {', '.join(near)}" if near else ""
    raise UsageError(
        f"--about {clipped(about)!r}: no seed of a shipped scenario{hint}; or a survey item, as wvs7/Q33, or a "
        "question of your own, in quotes"
    )


def own_question(question: str) -> Seed:
    try:
        return Seed(
            key=f"own-{hashlib.sha256(question.encode()).hexdigest()[:12]}",
            topic="a question of the visitor's own",
            question=question,
        )
    except ValidationError as error:
        raise UsageError(f"--about: {error.errors()[0]['msg']}") from None
