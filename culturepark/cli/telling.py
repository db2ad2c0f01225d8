"""What a user is told around a talk: with whom it is, and at its end what came up and what the verifier made of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from culturepark.dialogue import phrasing
from culturepark.domain import Persona, Scenario
from culturepark.store.dialogue_view import Mined, Scene
from culturepark.store.tables import VerdictRow

KINDS = ("norm", "custom", "opinion")


def heading_lines(persona: Persona, scenario: Scenario, kinds: Collection[str]) -> Iterator[str]:
    """
    Args:
        kinds: of the models.
    """
    yield f"{persona.name}, {persona.age}, {persona.place}, {persona.country_name}; {persona.work}"
    yield persona.scope
    yield f"To begin with: {scenario.seeds[0].question}"
    yield (
        f"{persona.called} does not exist: a language model plays a card, and what it says is no evidence of what "
        f"people in {persona.country_name} think, do or want."
    )
    if "embedded" in kinds:
        yield "The embedded model is tiny: it speaks in set forms, and hardly takes in what it is told."
    if "scripted" in kinds:
        yield "The model is scripted: it reads from the card, whatever it is told."


def card_lines(persona: Persona) -> Iterator[str]:
    card = phrasing.about(persona, small=False)
    yield f"{persona.name}, {persona.age}, {persona.place}, {persona.region}, {persona.country_name}"
    for name in ("work", "schooling", "faith", "observance", "generation", "languages", "manner", "scope"):
        yield f"{name}: {card[name]}"
    yield f"what matters to {persona.called}:\n{card['values']}"
    yield f"what {persona.called} knows from home:\n{card['norms']}"


def note_lines(scene: Scene, where: str) -> Iterator[str]:
    """
    Args:
        scene: of the talk, extracted and verified.
        where: the option that names the store, if it has to be named.
    """
    persona, run = scene.people[0].persona, scene.run
    mined = [one for turn in scene.turns for one in turn.statements if one.after is None]
    again = [one for one in mined if one.cluster and one.cluster.representative_id != one.row.id]
    found = sorted((one for one in mined if one not in again), key=lambda one: KINDS.index(one.row.kind))
    yield ""
    if not found:
        yield (
            f"No norm, custom or opinion was found in what {persona.called} said. Asking how something is done there, "
            "or what is expected of whom, may bring some up."
        )
    else:
        kinds = Counter(one.row.kind for one in found)
        kept = sum(not doubts(one, scene) for one in found)
        counts = ", ".join(f"{kinds[kind]} {kind}{'s' * (kinds[kind] != 1)}" for kind in KINDS if kinds[kind])
        repeats = f"; {len(again)} said again" if again else ""
        yield f"What came up, as {persona.name}, a simulated person, told it: {counts}."
        samples = sum(map(sampled, found))
        yield f"The verifier kept {kept} and doubts {len(found) - kept}{repeats}; samples came of {samples or 'none'}."
        for one in found:
            yield from statement_lines(one, scene)
    yield ""
    yield (
        f"None of it is evidence of what people in {persona.country_name} think, do or want: a language model made it "
        "of one card."
    )
    yield f"read it again: culturepark replay {run.id}{where}"
    yield f"as training data: culturepark export {run.id} --format trl --out runs/{run.id}{where}"
    if any(turn.turn.role == "user" for turn in scene.turns):
        yield (
            "Your own words are kept in the store; `export --dialogues` and `report` write them out too, samples never "
            "hold them."
        )


def statement_lines(one: Mined, scene: Scene) -> Iterator[str]:
    doubt = doubts(one, scene)
    fate = f"doubtful ({doubt})" if doubt else "kept" if sampled(one) else "kept, no sample"
    yield f"  {one.row.kind}, {fate}: “{phrasing.heard(one.row.quote)}”"
    if one.row.quote not in one.row.text:
        yield f"      that is: {one.row.text}"


def sampled(one: Mined) -> bool:
    return any(sample.status == "kept" for sample in one.samples)


def doubts(one: Mined, scene: Scene) -> str:
    """Why the verifier did not let it pass; empty if it did."""
    verdicts = [v for v in one.verdicts if v.round == scene.run.verify_round]
    if not verdicts:
        return "not verified"
    return next((reason(v, scene) for v in verdicts if v.decision != "keep"), "")


def reason(verdict: VerdictRow, scene: Scene) -> str:
    called = scene.people[0].persona.called
    reasons = {
        ("stance", "contradict"): f"goes against the answer drawn for {called}",
        ("stance", "irrelevant"): "is not about the question",
        ("faithful", "contradict"): "the quote says something else",
        ("faithful", "irrelevant"): "the quote does not carry it",
    }
    return reasons.get((verdict.criterion, verdict.relation), "the verifier was not sure")
