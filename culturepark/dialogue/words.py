"""Renders the prompts of a dialogue from its nouns. Pure."""

from __future__ import annotations

from culturepark.dialogue.protocol import Slot
from culturepark.domain import LANGUAGES, Casting, Participant, Persona, Scenario
from culturepark.prompts import prompt, section


def card(casting: Casting, participant: Participant, scenario: Scenario, *, small: bool) -> tuple[str, str]:
    """The system prompt of one agent, and its digest. Fixed for the whole dialogue; holds no other card."""
    persona = participant.persona
    template = prompt("persona-small" if small else "persona", scenario.language)
    stance = prompt("stance", scenario.language)
    others = [p.persona for p in casting.participants if p.persona.key != persona.key]
    values: dict[str, object] = persona.model_dump() | {
        "country": persona.country_name,
        "values": "\n".join(f"- {v.value}" + ("" if small else f": {v.why}") for v in persona.values),
        "norms": "\n".join(f"- {norm.text}" for norm in persona.norms),
        "languages": ", ".join(persona.languages),
        "directness": persona.speech.directness,
        "formality": persona.speech.formality,
        "manner": persona.speech.manner,
        "others": joined([other.called for other in others]),
        "question": casting.seed.question,
        "stance": stance.render(stance=participant.stance.text) if participant.stance else "",
        "language": LANGUAGES[scenario.language],
    }
    return template.render(**values), template.digest


def line(part: str, slot: Slot, casting: Casting, scenario: Scenario, hint: str = "") -> tuple[str, str]:
    """One piece of the protocol for a slot: `cue`, `ask`, `follow-up` or `starters`; and its digest."""
    persona = casting.participants[slot.person].persona
    template = section(scenario.protocol, slot.phase, part, scenario.language)
    text = template.render(
        called=persona.called,
        names=joined([p.persona.called for p in casting.participants]),
        topic=casting.seed.topic,
        question=casting.seed.question,
        place=persona.place,
        suggestion=hint,
    )
    return " ".join(text.split()) if part != "starters" else text, template.digest


def suggestion(persona: Persona, slot: Slot, casting: Casting, scenario: Scenario) -> str:
    """One of the card's own norms, another one in each dialogue and slot: models left alone always take the first."""
    norm = persona.norms[(casting.number + slot.number) % len(persona.norms)]
    return prompt("suggestion", scenario.language).render(norm=norm.text)


def moderator(slot: Slot, casting: Casting, scenario: Scenario, previous: str) -> tuple[str, str]:
    """The system prompt for a follow-up to the person of `slot`, taking up what `previous` said."""
    template = prompt("follow-up", scenario.language)
    text = template.render(
        names=joined([p.persona.called for p in casting.participants]),
        question=casting.seed.question,
        called=casting.participants[slot.person].persona.called,
        previous=previous,
    )
    return text, template.digest


def starters(slot: Slot, casting: Casting, scenario: Scenario) -> list[str]:
    """How a sentence of this phase may begin, for models too small to find a beginning."""
    return [s.strip() for s in line("starters", slot, casting, scenario)[0].splitlines() if s.strip()]


def speech_grammar(beginnings: list[str]) -> str:
    """GBNF for one to three sentences that start with one of `beginnings`, on one line, without labels."""
    options = " | ".join(quoted(f"{b} ") for b in beginnings)
    return (
        f"root ::= ({options}) rest (\" \" sentence){{0,2}}\n"
        'rest ::= [^.!?:"\\n]{20,170} "."\n'
        'sentence ::= [A-Z] [^.!?:"\\n]{20,170} "."\n'
    )


def question_grammar(called: str) -> str:
    """GBNF for one question to `called`."""
    return f'root ::= {quoted(called + ", ")} [^.!?:"\\n]{{15,150}} "?"\n'


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def joined(names: list[str]) -> str:
    """`A`, `A and B`, `A, B and C`."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


