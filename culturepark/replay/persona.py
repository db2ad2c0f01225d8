"""The screen of a persona: card, stance, and the survey shares from which the stance was drawn."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical

from culturepark.domain import COUNTRY_NAMES, Persona, Seed
from culturepark.replay.widgets.frame import FramedScreen, Keys
from culturepark.replay.widgets.sheet import Sheet
from culturepark.store.dialogue_view import Seated
from culturepark.terminal.blocks import Bar, Block, Para, Stop
from culturepark.terminal.safe import safe

NOBODY = "A simulated person, no evidence about real people: a language model was told whom to play."


class PersonaScreen(FramedScreen[None]):
    """The whole card of a persona."""

    def __init__(self, seated: Seated, seed: Seed) -> None:
        super().__init__()
        self.seated, self.seed = seated, seed

    def compose(self) -> ComposeResult:
        with Vertical(id="frame") as frame:
            frame.border_title = "Persona"
            yield Sheet(card(self.seated, self.seed))
        yield Keys()


def card(seated: Seated, seed: Seed) -> list[Stop]:
    """Return the card as paragraphs: facts, stance and its source, values, speech, norms, scope."""
    persona = seated.persona
    parts = (about(persona), stance(seated, seed), values(persona), speech(persona), customs(persona), scope(persona))
    return [Stop(persona.key, tuple(part)) for part in parts]


def about(persona: Persona) -> Iterator[Block]:
    yield Para(f"{persona.name}, {persona.age}", "title")
    yield Para(NOBODY, "muted")
    where = f"{persona.place} ({persona.settlement}), {persona.region}, {persona.country_name}"
    role = "main contact" if persona.role == "main" else "cultural delegate"
    facts = {
        "Card": f"{persona.key}, {persona.culture}, {role}",
        "Called": f"{persona.called}, {persona.gender}",
        "Lives": where,
        "Work": persona.work,
        "Schooling": persona.schooling,
        "Faith": persona.faith,
        "Observance": persona.observance,
        "Generation": persona.generation,
        "Languages": ", ".join(persona.languages),
    }
    yield Para("")
    for name, fact in facts.items():
        yield Para(fact, head=f"{name:12}", head_look="label")


def stance(seated: Seated, seed: Seed) -> Iterator[Block]:
    persona = seated.persona
    yield Para("Own answer", "title")
    yield Para(seed.question, "quote", indent=2)
    if seated.stance_text is None:
        yield Para(why_no_stance(persona, seed), indent=2)
        return
    drawn = f"{seated.stance_text} (drawn for this dialogue; the reasons are the model's)"
    yield Para(drawn, head="▶ ", head_look="label")
    if not seated.shares:
        yield Para("The shares it was drawn from are not in this run's scenario.", "muted", indent=2)
        return
    country = COUNTRY_NAMES.get(persona.country or "", persona.country or "")
    item = f", item {seed.item.key}" if seed.item else ""
    yield Para("")
    yield Para(f"Valid answers in {country}, in percent{item}:", "label", indent=2)
    labels = [safe(f"{label} [{code}]") for code, label, _ in seated.shares]
    column = max(map(cell_len, labels))
    for shown, (code, _, share) in zip(labels, seated.shares, strict=True):
        yield Bar(shown, share, code == seated.stance_code, column)
    if seed.item:
        yield Para(seed.item.source, "muted", "Source: ", 2)


def why_no_stance(persona: Persona, seed: Seed) -> str:
    if persona.role == "main":
        return "None is drawn: a main contact says what the model makes of the card."
    if seed.item is None:
        return "None is drawn: no survey stands behind this question, and everybody says what they think."
    return "None was drawn in this dialogue."


def values(persona: Persona) -> Iterator[Block]:
    yield Para("What matters, and why", "title")
    for value in persona.values:
        yield Para(value.value, head="• ", indent=2, look="label")
        yield Para(value.why, indent=4)


def speech(persona: Persona) -> Iterator[Block]:
    yield Para("How this person talks", "title")
    yield Para(f"{persona.speech.directness}, {persona.speech.formality}. {persona.speech.manner}", indent=2)


def customs(persona: Persona) -> Iterator[Block]:
    yield Para("Norms and customs", "title")
    for custom in persona.norms:
        yield Para(custom.topic, "label", f"• {custom.kind}: ", 2)
        yield Para(custom.text, indent=4)
        if custom.source:
            yield Para(custom.source, "muted", "Source: ", 4)


def scope(persona: Persona) -> Iterator[Block]:
    yield Para("Whom this person does not speak for", "title")
    yield Para(persona.scope, indent=2)
