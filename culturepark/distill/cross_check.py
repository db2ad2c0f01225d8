"""A norm or custom told by one persona is put to a second one of the same culture, who did not hear it told.

It is the same kind of model under another card: what it finds is how consistent the cards and the model are with each
other, and no evidence about people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from culturepark.dialogue.phrasing import about
from culturepark.dialogue.stance import shuffled
from culturepark.distill import logprobs
from culturepark.distill.ask import Asker, Item, each
from culturepark.distill.panel import fit
from culturepark.domain import Casting, CrossCheckPolicy, Edition, Heard, Persona, Relation, Statement, Verdict
from culturepark.languages import Prompt

ITEMS_A_CALL = 8
TOKENS_AN_ITEM = 80
LETTERS: dict[str | None, Heard] = {"A": "shared", "B": "varies", "C": "unknown", "D": "denied"}
RELATIONS: dict[Heard, Relation] = {
    "shared": "entail", "varies": "entail", "unknown": "irrelevant", "denied": "contradict",
}  # fmt: skip


class Told(Item):
    words: str
    answer: Heard


def second(edition: Edition, casting: Casting, speaker: Persona, run_seed: int) -> Persona | None:
    """Who is asked: somebody of the culture who does not sit there, of the speaker's country if there is one. Pure."""
    seated = {participant.persona.key for participant in casting.participants}
    others = [p for p in edition.personas if p.culture == speaker.culture and p.key not in seated]
    near = [p for p in others if p.country == speaker.country] or others
    order = shuffled(len(near), "second", run_seed, speaker.culture)
    return near[order[casting.number % len(near)]] if near else None


def alone(edition: Edition, castings: Iterable[Casting], run_seed: int) -> list[Persona]:
    """Speakers who have nobody beside them to ask, each once. Pure."""
    found = {
        person.persona.key: person.persona
        for casting in castings
        for person in casting.participants
        if second(edition, casting, person.persona, run_seed) is None
    }
    return list(found.values())


async def cross_check(
    asker: Asker, statements: Sequence[Statement], policy: CrossCheckPolicy, edition: Edition, run_seed: int
) -> list[Verdict]:
    """A verdict on each norm and custom, but for those whose speaker has nobody beside them to ask.

    Raises:
        CultureparkError: as the ledger does.
    """
    asked: dict[str, tuple[Persona, list[Statement]]] = {}
    for one in statements:
        speaker = asker.casting.by_key(one.persona_key).persona
        if one.kind != "opinion" and (person := second(edition, asker.casting, speaker, run_seed)):
            asked.setdefault(person.key, (person, []))[1].append(one)
    verdicts = []
    for person, told in asked.values():
        ask = by_letter if asker.model.traits.labels else with_words
        for one, (answer, words, confidence, call_id) in zip(told, await ask(asker, person, told), strict=True):
            verdicts.append(
                Verdict(
                    statement_id=one.id,
                    criterion="cross-check",
                    relation=RELATIONS[answer] if answer else "unparsable",
                    confidence=confidence,
                    decision="keep" if answer in policy.keep else "drop",
                    call_id=call_id,
                    answer=answer,
                    reason=words,
                    judge=person.key,
                )
            )
    return verdicts


Answered = tuple[Heard | None, str | None, float | None, str | None]
"""What was said, in which words, with which confidence, in which call."""


async def with_words(asker: Asker, person: Persona, statements: Sequence[Statement]) -> list[Answered]:
    template = Prompt(asker.prompt("cross-check").render(**about(person, small=False)))
    items = [{"kind": one.kind, "text": one.text} for one in statements]
    found = await each(
        asker, template, items, Told, name="cross_check", items_a_call=ITEMS_A_CALL, tokens_an_item=TOKENS_AN_ITEM
    )
    return [(one.answer, fit(one.words), None, call) if one else (None, None, None, call) for one, call in found]


async def by_letter(asker: Asker, person: Persona, statements: Sequence[Statement]) -> list[Answered]:
    def part(name: str) -> Prompt:
        return asker.language.section("cross-check-small", "small", name)

    card, question = part("card").render(**about(person, small=True)), part("question")
    questions = [
        (card, question.render(country=person.country_name, text=logprobs.as_data(one.text))) for one in statements
    ]
    replies = await logprobs.replies_to(asker, question, questions)
    # Not calibrated over the batch: that everybody shares the norms of a dialogue is no favour of the model.
    choices = [logprobs.decide(logprobs.letter_scores(reply, "ABCD"), reply, "ABCD") for reply in replies]
    return [(LETTERS.get(choice.letter), None, choice.confidence, choice.call_id) for choice in choices]
