"""Whole dialogues as rows, each as the conversation of a user with one participant as the assistant.

The participant's speeches are the assistant's messages. All speeches of others in between, also those of the moderator,
who asks the questions, are one message of the user. Each is on a line of its own after its speaker's name, as in the
transcript that the participant was shown. In a talk of one user with one persona the user's words have no name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from culturepark.dialogue.phrasing import heard
from culturepark.domain import SEVERAL_LANGUAGES, LanguageCode, Persona, Turn
from culturepark.errors import StoreError
from culturepark.export.corrections import reworded
from culturepark.export.rows import Row, Source, fingerprint, fit_to_train_on
from culturepark.languages import Language, load_language
from culturepark.store import exports

MODERATOR, USER = NOBODYS = ("moderator", "user")
"""Speakers without a persona."""
NEVER_ANSWERED, REJECTED_TURN = "never answered", "with a turn that reviewers rejected"
"""Reasons for which a participant has no row."""
BY_HAND = ("typed", "edited")
"""Origins of turns that a real person wrote, in a talk or in a branch."""


@fit_to_train_on
def dialogues(source: Source) -> Iterator[Row]:
    """Yield a row for each delegate of each finished dialogue, and for the persona of a talk."""
    earlier_rows: set[bytes] = set()
    for run in source.runs:
        rows_of_run: set[bytes] = set()
        edition = source.editions[run.id]
        for dialogue, people, turns in exports.talks(source.look, run.id):
            if stray := {turn.speaker for turn in turns} - {*NOBODYS, *(p.persona_key for p in people)}:
                raise StoreError(
                    f"dialogue {dialogue.id} is damaged: {min(stray)[:80]!r} speaks and does not sit there"
                )
            personas = [edition.persona(person.persona_key) for person in people]
            rejected, worded = source.corrections.turns(dialogue.id, turns)
            for person, persona in zip(people, personas, strict=True):
                if not exports.has_row(person.role, dialogue.protocol):
                    continue
                if source.cultures and person.culture not in source.cultures:
                    continue
                code = own_language(dialogue.language, turns, persona)
                others = [other.in_language(code) for other in personas if other is not persona]
                heard_here = [turn.model_copy(update={"text": turn.heard_in(code)}) for turn in reworded(turns, worded)]
                messages = perspective(heard_here, persona.in_language(code), others, load_language(code))
                if not messages:
                    source.left_without[NEVER_ANSWERED] += 1
                    continue
                if rejected:
                    source.left_without[REJECTED_TURN] += 1
                    continue
                if len(source.runs) > 1:
                    digest = fingerprint(messages)
                    source.repeated_dialogues += digest in earlier_rows
                    rows_of_run.add(digest)
                row_id = f"{dialogue.id}.p{person.position}"
                shown = turns_heard(turns, persona.key)
                if reviews := [review for turn, review in worded if turn in shown]:
                    source.corrections.corrected[row_id] = reviews
                yield Row(
                    source.format.record(row_id, source.checked(f"dialogue {dialogue.id}", messages)),
                    {"id": row_id},
                    person.culture,
                    dialogue.seed_key,
                    ((run.id, persona.key),),
                    ("\n".join(message["content"] for message in messages if message["role"] == "assistant"),),
                    Counter(str(turn.origin) for turn in shown if turn.origin in BY_HAND),
                )
        earlier_rows |= rows_of_run


def own_language(dialogue: LanguageCode, turns: Sequence[Turn], persona: Persona) -> LanguageCode:
    """Return the language in which a person spoke and heard.

    Args:
        dialogue: the language of the dialogue, where it has but one.
    """
    spoken = (turn.language for turn in turns if turn.speaker == persona.key and turn.language)
    return next(spoken, persona.own_language if dialogue == SEVERAL_LANGUAGES else dialogue)


# --- one dialogue as one participant had it -------------------------------------------------------


def turns_heard(turns: Sequence[Turn], persona_key: str) -> list[Turn]:
    """Return the turns of a participant's row: from the first turn of somebody else to the participant's last.

    Speeches before the first are answers to nothing, and turns after the last were never answered.
    """
    mine = [turn.speaker == persona_key for turn in turns]
    if True not in mine or False not in mine:
        return []
    return list(turns[mine.index(False) : len(mine) - mine[::-1].index(True)])


def perspective(
    turns: Sequence[Turn], persona: Persona, others: Sequence[Persona], language: Language
) -> list[dict[str, str]]:
    """Return a system message, then messages of user and assistant in turns; empty if the persona never answered."""
    names = {other.key: other.called for other in others}
    called = {MODERATOR: language.frame("moderator").text, USER: language.frame("visitor").text} | names
    speakers = {turn.speaker for turn in turns}
    alone = speakers <= {USER, persona.key}
    messages: list[dict[str, str]] = []
    for turn in turns_heard(turns, persona.key):
        mine = turn.speaker == persona.key
        role = "assistant" if mine else "user"
        text = turn.text if mine or alone else f"{called[turn.speaker]}: {heard(turn.text)}"
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += f"\n\n{text}"
        else:
            messages.append({"role": role, "content": text})
    if not messages:
        return []
    system = language.wordings("dialogue")["system"][0].render(
        country=persona.country_name,
        called=persona.called,
        place=persona.place,
        others=language.joined(
            [language.frame("a_moderator").text] * (MODERATOR in speakers)
            + list(names.values())
            + [language.frame("a_visitor").text] * (USER in speakers)
        ),
    )
    return [{"role": "system", "content": system}, *messages]
