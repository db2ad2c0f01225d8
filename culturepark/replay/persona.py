"""The screen of a persona: card, stance, and the survey shares from which the stance was drawn."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.containers import Vertical

from culturepark.catalog.card import about, customs, episodes, scope, speech, values
from culturepark.domain import Persona, Seed
from culturepark.interface import tr
from culturepark.replay.widgets.frame import FramedScreen, Keys
from culturepark.replay.widgets.sheet import Sheet
from culturepark.store.dialogue_view import Seated
from culturepark.terminal.blocks import Bar, Block, Para, Stop
from culturepark.terminal.safe import safe


class PersonaScreen(FramedScreen[None]):
    """The whole card of a persona."""

    def __init__(self, seated: Seated, seed: Seed) -> None:
        super().__init__()
        self.seated, self.seed = seated, seed

    def compose(self) -> ComposeResult:
        with Vertical(id="frame") as frame:
            frame.border_title = tr("Persona")
            yield Sheet(card(self.seated, self.seed))
        yield Keys()


def card(seated: Seated, seed: Seed) -> list[Stop]:
    """Return the card as paragraphs: facts, stance and its source, values, speech, norms, scope, scenes."""
    persona = seated.persona
    parts = [about(persona), stance(seated, seed), *(part(persona) for part in (values, speech, customs, scope))]
    return [Stop(persona.key, blocks) for part in [*parts, episodes(persona)] if (blocks := tuple(part))]


def stance(seated: Seated, seed: Seed) -> Iterator[Block]:
    persona = seated.persona
    yield Para(tr("Own answer"), "title")
    yield Para(seed.question, "quote", indent=2)
    if seated.stance_text is None:
        yield Para(why_no_stance(persona, seed), indent=2)
        return
    drawn = tr("{answer} (drawn for this dialogue; the reasons are the model's)", answer=seated.stance_text)
    yield Para(drawn, head="▶ ", head_look="label")
    if not seated.shares:
        yield Para(tr("The shares it was drawn from are not in this run's scenario."), "muted", indent=2)
        return
    item = tr(", item {item}", item=seed.item.key) if seed.item else ""
    yield Para("")
    yield Para(
        tr("Valid answers in {country}, in percent{item}:", country=persona.country_name, item=item), "label", indent=2
    )
    labels = [safe(f"{label} [{code}]") for code, label, _ in seated.shares]
    column = max(map(cell_len, labels))
    for shown, (code, _, share) in zip(labels, seated.shares, strict=True):
        yield Bar(shown, share, code == seated.stance_code, column)
    if seed.item:
        yield Para(seed.item.source, "muted", tr("Source: "), 2)


def why_no_stance(persona: Persona, seed: Seed) -> str:
    if seed.item is None:
        return tr("None is drawn: no survey stands behind this question, and everybody says what they think.")
    if persona.country not in seed.item.shares:
        return tr(
            "None is drawn: the survey has no answers from {country}. What {name} says is what the model makes of "
            "the card.",
            country=persona.country_name,
            name=persona.called,
        )
    return tr("None was drawn in this dialogue.")
