"""Renders the prompts of a dialogue from its nouns. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from culturepark.dialogue import memory
from culturepark.dialogue.protocol import KEYBOARD, Slot, protocol_of
from culturepark.domain import Casting, Participant, Persona, Scenario, Scene, Seed
from culturepark.languages import HOLE, Language, load_language
from culturepark.languages.words import starts_with


def card(casting: Casting, participant: Participant, scenario: Scenario, *, small: bool) -> tuple[str, str]:
    """Return the system prompt of one agent, and its digest. It is the same for the whole dialogue."""
    persona = participant.persona
    language = load_language(scenario.language)
    template = language.prompt("persona-small" if small else protocol_of(scenario.protocol).card)
    others = [p.persona for p in casting.participants if p.persona.key != persona.key]
    sayings = " ".join(language.frame("saying").render(**saying.model_dump()) for saying in persona.sayings)
    values = about(persona, small=small) | {
        "household": language.frame("household").render(household=persona.household) if persona.household else "",
        "sayings": language.frame("sayings").render(sayings=sayings) if sayings else "",
        "others": language.joined([other.called for other in others] or [language.frame("a_visitor").text]),
        "question": casting.seed.question,
        "stance": stance_block(participant, casting.seed, language),
        "language": language.name,
    }
    return template.render(**values), template.digest


def stance_block(participant: Participant, seed: Seed, language: Language) -> str:
    """Return what a card says of the person's own answer; nothing where no answers were dealt."""
    if participant.stance:
        return language.prompt("stance").render(stance=participant.stance.text)
    return language.prompt("listener").text.strip() if listens(participant, seed) else ""


def listens(participant: Participant, seed: Seed) -> bool:
    """Whether a person has no answer to a question of a survey, and is there to ask."""
    return seed.item is not None and participant.stance is None


def about(persona: Persona, *, small: bool) -> dict[str, object]:
    """Return the values of a card, by the names of the holes in prompts."""
    return persona.model_dump() | {
        "country": persona.country_name,
        "values": "\n".join(f"- {v.value}" + ("" if small else f": {v.why}") for v in persona.values),
        "norms": "\n".join(f"- {norm.text}" for norm in persona.norms),
        "languages": ", ".join(persona.languages),
        "directness": persona.speech.directness,
        "formality": persona.speech.formality,
        "manner": persona.speech.manner,
    }


def line(part: str, slot: Slot, casting: Casting, scenario: Scenario, hint: str = "") -> tuple[str, str]:
    """Return one piece of the protocol for a slot (`cue`, `ask` or `follow-up`), and its digest."""
    language = load_language(scenario.language)
    listening = f"{part}-listening"
    if slot.person >= 0 and listens(casting.participants[slot.person], casting.seed):
        part = listening if (slot.phase, listening) in language.sections(scenario.protocol) else part
    template = language.section(scenario.protocol, slot.phase, part)
    text = template.render(
        called=addressed(slot, casting, language),
        names=language.joined([p.persona.called for p in casting.participants]),
        topic=casting.seed.topic,
        question=casting.seed.question,
        place=casting.participants[max(0, slot.person)].persona.place,
        suggestion=hint,
    )
    return " ".join(text.split()), template.digest


def addressed(slot: Slot, casting: Casting, language: Language) -> str:
    """Return the name of a slot's person; the user of a talk has none."""
    if slot.person == KEYBOARD:
        return language.frame("visitor").text
    return casting.participants[slot.person].persona.called


NOTHING_COMES_TO_MIND = ("opening", "closing")
"""Phases in which nobody is to begin a new subject."""


def suggestion(persona: Persona, casting: Casting, scenario: Scenario, heard: Sequence[str], own: Sequence[str]) -> str:
    """Suggest a norm of the card that is near to the talk and has not been told; empty where all have been."""
    norm = memory.untold_norm(persona.norms, casting.seed, heard, own)
    return load_language(scenario.language).prompt("suggestion").render(norm=norm.text) if norm else ""


def remembered(
    scenes: Sequence[Scene],
    slot: Slot,
    casting: Casting,
    scenario: Scenario,
    rounds: Sequence[memory.Round],
    heard: Sequence[str],
) -> str:
    """Return the scenes that come to mind at a slot, as the speaker alone is shown them; empty where none does."""
    if slot.phase in NOTHING_COMES_TO_MIND:
        return ""
    language = load_language(scenario.language)
    called = memory.called_to_mind(scenes, casting.seed, rounds, heard)
    lines = [
        language.frame("scene").render(**{name: " ".join(text.split()) for name, text in scene if name != "topics"})
        for scene in called
    ]
    return language.prompt("remember").render(scenes="\n".join(lines)).strip() if lines else ""


def moderator(slot: Slot, casting: Casting, scenario: Scenario, previous: str, *, small: bool) -> tuple[str, str]:
    """Return the system prompt for a follow-up to the person of `slot` about what `previous` said, and its digest."""
    language = load_language(scenario.language)
    template = language.prompt("follow-up-small" if small else "follow-up")
    visitor = [language.frame("visitor").text] * protocol_of(scenario.protocol).user_sits
    text = template.render(
        names=language.joined([p.persona.called for p in casting.participants] + visitor),
        question=casting.seed.question,
        called=addressed(slot, casting, language),
        previous=previous,
    )
    return text, template.digest


def speech_grammar(slot: Slot, casting: Casting, scenario: Scenario, said: Sequence[str]) -> str:
    """Return a GBNF grammar for a speech of a model too small to speak freely: one of the phase's forms.

    The model chooses one of its norms or values, and fills in a few words of its own where the form has `…`.

    Args:
        said: the speaker's own turns so far; a norm is told once.
    """
    participant = casting.participants[slot.person]
    persona = participant.persona
    own_words = " ".join(said)
    # A user may ask on and on: then values and stance are told once too.
    asked_on = not protocol_of(scenario.protocol).has_schedule
    stance = participant.stance.text if participant.stance else None
    values: dict[str, list[str]] = {
        "norm": [norm.text for norm in persona.norms if norm.text not in own_words],
        "value": [value.value for value in persona.values if not (asked_on and value.value in own_words)],
        "stance": [stance] if stance and not (asked_on and f"“{stance}”" in own_words) else [],
        "called": [persona.called],
        "age": [str(persona.age)],
        "place": [persona.place],
    }
    forms = load_language(scenario.language).section(scenario.protocol, slot.phase, "forms").text.splitlines()
    with_stance = [form for form in forms if "{{stance}}" in form]
    # A stance is stated wherever it can be: left to itself, a small model says anything.
    stated_here = stance and with_stance and not asked_on
    return grammar(expand(with_stance if stated_here else forms, values) or ["…"])


def question_grammar(slot: Slot, casting: Casting, previous: str, text: str, language: Language) -> str:
    """Return a GBNF grammar for a follow-up of a small model, which chooses a clause of the last turn to ask about."""
    called = addressed(slot, casting, language)
    own_words = language.section("talk", "talk", "own-words")
    forms = (own_words if previous == called else language.prompt("follow-up-forms")).text.splitlines()
    if slot.person == KEYBOARD:  # a user's place is not known
        forms = [form for form in forms if "{{place}}" not in form]
    values = {
        "called": [called],
        "place": [casting.participants[max(0, slot.person)].persona.place],
        "previous": [previous],
        "clause": [clause for clause in clauses(text, language) if previous not in clause],
    }
    fallback = [f"{called}, …"]
    return grammar(expand([forms[(casting.number + slot.number // 3) % len(forms)]], values) or fallback)


def expand(forms: Sequence[str], values: dict[str, list[str]]) -> list[str]:
    """Fill every form with every combination of values. A form with a hole that has no value is left out."""
    out: list[str] = []
    for form in forms:
        holes = list(dict.fromkeys(HOLE.findall(form)))
        for combination in product(*(values[hole] for hole in holes)) if form.strip() else ():
            filled = dict(zip(holes, combination, strict=True))
            out.append(HOLE.sub(lambda match, filled=filled: filled[match[1]], form))  # type: ignore[misc]
    return list(dict.fromkeys(out))


def clauses(text: str, language: Language) -> list[str]:
    """Return the pieces between marks of punctuation that are worth asking about: three to twelve words."""
    joining, small_talk = language.phrases["joining"], language.phrases["small_talk"]
    pieces = []
    for piece in re.split(r"[.!?;:,\n“”\"]+", text):
        words = piece.split()
        while words and words[0].lower() in joining:
            words = words[1:]
        if len(words) >= 3 and not starts_with(" ".join(words), small_talk):
            pieces.append(" ".join(words) if len(words) <= 12 else " ".join(words[:10]) + " …")
    return pieces or [" ".join(text.split()[:10]).rstrip(".,;:!?")]


def grammar(forms: Sequence[str]) -> str:
    """Return a GBNF grammar of the forms. After a final `…` the model's own words go on to the end of the sentence."""
    options = []
    for form in forms:
        before, free = form.removesuffix("…"), form.endswith("…")
        options.append(" ".join(part for part in (quoted(before), "free" if free else "") if part != '""'))
    return "root ::= " + " | ".join(options) + '\nfree ::= [^.!?:"“”0-9,\\n]{20,130} [a-z] "."\n'


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def heard(text: str) -> str:
    """Return a speech as transcripts show it: on one line, since a line break and a label would make two speakers."""
    return " ".join(text.split())
