"""The card of a persona as blocks of text, for the terminal app and for `culturepark personas KEY`. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from culturepark.domain import Persona
from culturepark.interface import later, tr
from culturepark.terminal.blocks import Block, Para

NOBODY = later("A simulated person, no evidence about real people: a language model was told whom to play.")
HEAD = 12
"""Cells of the names of facts."""


def about(persona: Persona) -> Iterator[Block]:
    yield Para(f"{persona.name}, {persona.age}", "title")
    yield Para(tr(NOBODY), "muted")
    where = f"{persona.place} ({persona.settlement}), {persona.region}, {persona.country_name}"
    role = tr("main contact") if persona.role == "main" else tr("cultural delegate")
    facts = {
        tr("Card"): f"{persona.key}, {persona.culture}, {role}",
        tr("Called"): f"{persona.called}, {persona.gender}",
        tr("Lives"): where,
        tr("Household"): persona.household,
        tr("Work"): persona.work,
        tr("Schooling"): persona.schooling,
        tr("Faith"): persona.faith,
        tr("Observance"): persona.observance,
        tr("Generation"): persona.generation,
        tr("Languages"): ", ".join(persona.languages),
        tr("Weight"): f"{persona.weight:g}" if persona.weight != 1 else None,
    }
    yield Para("")
    for name, fact in facts.items():
        if fact:
            yield Para(fact, head=f"{name:{HEAD}}", head_look="label")
    if source := persona.source:
        completed = tr("; completed by {model}", model=source.completed_by) if source.completed_by else ""
        yield Para(f"{source.name}, {source.licence}{completed}", head=f"{tr('Origin'):{HEAD}}", head_look="label")


def values(persona: Persona) -> Iterator[Block]:
    yield Para(tr("What matters, and why"), "title")
    for value in persona.values:
        yield Para(value.value, head="• ", indent=2, look="label")
        if value.schwartz:
            yield Para(f"Schwartz: {value.schwartz}", "muted", indent=4)
        yield Para(value.why, indent=4)


def speech(persona: Persona) -> Iterator[Block]:
    yield Para(tr("How this person talks"), "title")
    yield Para(f"{persona.speech.directness}, {persona.speech.formality}. {persona.speech.manner}", indent=2)
    for saying in persona.sayings:
        yield Para(saying.text, "quote", "• ", 2)
        yield Para(saying.english, "muted", f"{saying.language}: ", 4)


def customs(persona: Persona) -> Iterator[Block]:
    yield Para(tr("Norms and customs"), "title")
    for custom in persona.norms:
        yield Para(custom.topic, "label", f"• {custom.kind}: ", 2)
        yield Para(custom.text, indent=4)
        if custom.source:
            yield Para(custom.source, "muted", tr("Source: "), 4)


def scope(persona: Persona) -> Iterator[Block]:
    yield Para(tr("Whom this person does not speak for"), "title")
    yield Para(persona.scope, indent=2)


def episodes(persona: Persona) -> Iterator[Block]:
    """Yield the remembered scenes; nothing for a card without any."""
    if not persona.episodes:
        return
    yield Para(tr("Remembered scenes"), "title")
    yield Para(persona.episodes.origin, "muted", tr("Origin: "), 2)
    for scene in persona.episodes.scenes:
        yield Para(scene.when, "label", "• ", 2)
        yield Para(scene.where, head=tr("where: "), indent=4, head_look="muted")
        yield Para(scene.who, head=tr("who: "), indent=4, head_look="muted")
        yield Para(", ".join(scene.topics), head=tr("about: "), indent=4, head_look="muted")
        yield Para(scene.text, indent=4)
