"""Renders the prompts of a dialogue from its nouns. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import product

from culturepark.dialogue import memory
from culturepark.dialogue.guards import is_unspaced
from culturepark.dialogue.protocol import KEYBOARD, Move, Slot, protocol_of
from culturepark.domain import Casting, JsonObject, Participant, Persona, Scenario, Scene, Seed, Situation
from culturepark.languages import HOLE, Language, load_language
from culturepark.languages.words import starts_with
from culturepark.models.chat import digest

PUNCTUATION = r"[.!?;:,\n“”\"。！？；：，、।۔؟؛،「」『』«»„]+"
SHORTEST, MOST_LETTERS = 6, 20
"""Letters of a piece in a script without spaces."""


def card(casting: Casting, participant: Participant, scenario: Scenario, *, small: bool) -> tuple[str, str]:
    """Return the system prompt of one agent, and its digest. It is the same for the whole dialogue."""
    persona = participant.persona
    language = load_language(scenario.language)
    name = "persona-small" if small else protocol_of(scenario.protocol).card
    template = language.own_first(name) if windowed(scenario, small=small) else language.prompt(name)
    others = [p.persona for p in casting.participants if p.persona.key != persona.key]
    own = [saying for saying in persona.sayings if saying.language.partition("-")[0] == language.code]
    sayings = " ".join(
        f"{language.quoted(saying.text)}" if saying in own else language.frame("saying").render(**saying.model_dump())
        for saying in persona.sayings
    )
    values = about(persona, language, small=small) | {
        "name": named(persona),
        "household": language.frame("household").render(household=persona.household) if persona.household else "",
        "sayings": language.frame("sayings").render(sayings=sayings) if sayings else "",
        "others": language.joined([other.called for other in others] or [language.frame("a_visitor").text]),
        "question": casting.seed.question,
        "stance": stance_block(participant, casting.seed, language),
        "language": language.own_name,
    }
    return template.render(**values), template.digest


def windowed(scenario: Scenario, *, small: bool) -> bool:
    """Return whether speakers are shown the last turns alone. A user may come back to anything that was said."""
    return scenario.memory == "window" and not small and not protocol_of(scenario.protocol).user_sits


def named(persona: Persona) -> str:
    """Return the whole name, and behind it how the others address the person, where that is another one."""
    known = persona.called.casefold() in persona.name.casefold()
    return persona.name if known else f"{persona.name} ({persona.called})"


def stance_block(participant: Participant, seed: Seed, language: Language) -> str:
    """Return what a card says of the person's own answer; nothing where no answers were dealt."""
    if participant.stance:
        return language.prompt("stance").render(stance=participant.stance.text)
    return language.prompt("listener").text.strip() if listens(participant, seed) else ""


def listens(participant: Participant, seed: Seed) -> bool:
    """Whether a person has no answer to a question of a survey, and is there to ask."""
    return seed.item is not None and participant.stance is None


def about(persona: Persona, language: Language, *, small: bool) -> dict[str, object]:
    """Return the values of a card, by the names of the holes in prompts."""
    directness, formality = persona.speech.directness, persona.speech.formality
    return persona.model_dump() | {
        "gender": language.word(persona.gender),
        "settlement": language.word(persona.settlement),
        "country": persona.country_name,
        "values": "\n".join(f"- {v.value}" + ("" if small else f": {v.why}") for v in persona.values),
        "norms": "\n".join(f"- {norm.text}" for norm in persona.norms),
        "languages": ", ".join(persona.languages),
        "directness": language.word("mixed_directness" if directness == "mixed" else directness),
        "formality": language.word("mixed_formality" if formality == "mixed" else formality),
        "manner": persona.speech.manner,
    }


def line(part: str, slot: Slot, casting: Casting, scenario: Scenario) -> tuple[str, str]:
    """Return one piece of a scripted protocol for a slot (`cue`, `ask` or `follow-up`), and its digest."""
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
    )
    return " ".join(text.split()), template.digest


def request(slot: Slot, casting: Casting, scenario: Scenario, previous: str) -> tuple[str, str]:
    """Return what a speaker alone is told before a turn, and its digest. The question itself was asked aloud.

    Args:
        previous: the key of the persona who spoke last; empty if it was the moderator, or nobody.
    """
    language = load_language(scenario.language)
    if protocol_of(scenario.protocol).user_sits:
        return line("ask", slot, casting, scenario)
    others = {p.persona.key: p.persona.called for p in casting.participants}
    parts = []
    if slot.move and (case := situation_of(slot.move, casting)):
        parts.append(language.frame("unsaid").render(unsaid=case.unsaid))
    if previous in others:
        parts.append(language.frame("has_asked" if slot.asked else "what_say_you").render(other=others[previous]))
    if not slot.may_ask:
        parts.append(language.frame("ask_nothing").text)
    frames = ("unsaid", "has_asked", "what_say_you", "ask_nothing")
    return " ".join(parts), digest(*(language.frame(name).digest for name in frames))


def fixed_words(move: Move, casting: Casting, scenario: Scenario) -> tuple[str, str]:
    """Return the fixed words of an act, and their digest: of those that have no others, and of those that failed."""
    language = load_language(scenario.language)
    case = situation_of(move, casting)
    part = "fallback"
    if move.act == "ask":
        part = ("again" if case else "plain-again") if move.again else ("fallback" if case else "plain")
    template = language.section("moves", move.act, part)
    values = in_move(move, casting, language) | {"told": case.told if case else ""}
    return " ".join(template.render(**values).split()), template.digest


def situation_of(move: Move, casting: Casting) -> Situation | None:
    """Return the case that an act puts to somebody; None if it puts none."""
    situations = casting.seed.situations
    if move.act not in ("ask", "move-on") or not situations:
        return None
    return situations[(casting.number + move.case) % len(situations)]


def in_move(move: Move, casting: Casting, language: Language) -> dict[str, object]:
    """Return the values of a moderator's words, by the names of the holes in prompts."""
    people = [p.persona.called for p in casting.participants]
    return {
        "called": people[move.to] if move.to is not None else "",
        "other": language.joined([name for i, name in enumerate(people) if i != move.to]),
        "names": language.joined(people),
        "topic": casting.seed.topic,
        "question": casting.seed.question,
        "turn": move.about[0] if move.about else "",
        "second": move.about[-1] if move.about else "",
    }


def task_of(move: Move, casting: Casting, scenario: Scenario) -> str:
    """Return what a moderator is to say with an act, in one sentence."""
    language = load_language(scenario.language)
    return language.section("moves", move.act, "ask").render(**in_move(move, casting, language))


def moderate(move: Move, casting: Casting, scenario: Scenario, heard: str) -> tuple[str, str, str]:
    """Return system prompt and request for the words of an act, and the digest of both prompts.

    Args:
        heard: the turns that the moderator is shown.
    """
    language = load_language(scenario.language)
    template = language.prompt("moderate")
    task = language.section("moves", move.act, "ask")
    values = in_move(move, casting, language)
    return template.render(**values), f"{heard}\n\n({task.render(**values)})", digest(template.digest, task.digest)


def talk_so_far(slot: Slot, casting: Casting, scenario: Scenario, heard: Sequence[str]) -> JsonObject:
    """Return what a moderator's model is shown that chooses the next move: turns, what is missing, and moves."""
    return {
        "question": casting.seed.question,
        "turns": [{"turn": number, "said": line} for number, line in enumerate(heard, start=1)],
        "not_heard_yet": {
            p.persona.called: list(missing) for p, missing in zip(casting.participants, slot.missing, strict=True)
        },
        "moves": [
            {
                "move": number,
                "to": casting.participants[move.to].persona.called if move.to is not None else "all",
                "say": task_of(move, casting, scenario),
            }
            for number, move in enumerate(slot.moves, start=1)
        ],
    }


def addressed(slot: Slot, casting: Casting, language: Language) -> str:
    """Return the name of a slot's person; the user of a talk has none."""
    if slot.person == KEYBOARD:
        return language.frame("visitor").text
    return casting.participants[slot.person].persona.called


def remembered(
    scenes: Sequence[Scene],
    slot: Slot,
    casting: Casting,
    scenario: Scenario,
    rounds: Sequence[memory.Round],
    heard: Sequence[str],
) -> str:
    """Return the scene that comes to mind at a slot, as the speaker alone is shown it; empty where none does.

    Nobody is to begin a new subject in an introduction or a goodbye.
    """
    if slot.phase == "closing" or not rounds:
        return ""
    scene = memory.called_to_mind(scenes, casting.seed, rounds, heard)
    if scene is None:
        return ""
    language = load_language(scenario.language)
    told = language.frame("scene").render(**{name: " ".join(text.split()) for name, text in scene if name != "topics"})
    return language.prompt("remember").render(scenes=told).strip()


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
    language = load_language(scenario.language)
    forms = language.section(scenario.protocol, slot.phase, "forms").text.splitlines()
    with_stance = [form for form in forms if "{{stance}}" in form]
    # A stance is stated wherever it can be: left to itself, a small model says anything.
    stated_here = stance and with_stance and not asked_on
    return grammar(expand(with_stance if stated_here else forms, values) or ["…"], language)


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
    return grammar(expand([forms[(casting.number + slot.number // 3) % len(forms)]], values) or fallback, language)


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
    """Return the pieces between marks of punctuation that are worth asking about: three to twelve words.

    In a script without spaces a piece is one word, and counts by its letters.
    """
    joining, small_talk = language.joining, language.phrases["small_talk"]
    pieces = []
    for piece in re.split(PUNCTUATION, text):
        words = piece.split()
        if len(words) < 3 and is_unspaced(piece.strip() or " ") and len(piece) >= SHORTEST:
            pieces.append(piece.strip()[:MOST_LETTERS])
            continue
        while words and words[0].lower() in joining:
            words = words[1:]
        if len(words) >= 3 and not starts_with(" ".join(words), small_talk):
            pieces.append(" ".join(words) if len(words) <= 12 else " ".join(words[:10]) + " …")
    return pieces or [" ".join(text.split()[:10]).rstrip(".,;:!?")]


def grammar(forms: Sequence[str], language: Language) -> str:
    """Return a GBNF grammar of the forms. After a final `…` the model's own words go on to the end of the sentence."""
    options = []
    for form in forms:
        before, free = form.removesuffix("…"), form.endswith("…")
        options.append(" ".join(part for part in (quoted(before), "free" if free else "") if part != '""'))
    return "root ::= " + " | ".join(options) + f"\nfree ::= {language.own_words}\n"


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def heard(text: str) -> str:
    """Return a speech as transcripts show it: on one line, since a line break and a label would make two speakers."""
    return " ".join(text.split())
