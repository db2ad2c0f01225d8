"""A whole dialogue as one talk with an assistant, seen from one of its people. Pure.

That person's speeches are the assistant's. All that the others said in between, the moderator among them, is one
message of the user: each speech on a line of its own behind its speaker's name, as it stood in the transcript that the
speaker was shown. The moderator stays in, because it is the moderator who puts the questions. Where a user talked with
the person, and nobody else was there, what the user typed stands as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from culturepark.dialogue.phrasing import heard
from culturepark.domain import Persona, Turn
from culturepark.languages import Language

MODERATOR, USER = NOBODYS = ("moderator", "user")
"""Who speaks and is no persona."""


def told_to(turns: Sequence[Turn], persona_key: str) -> list[Turn]:
    """The turns that a row holds: from the first thing that somebody else said to this person's last word.

    What nobody asked for is no answer, and what nobody answers teaches none.
    """
    mine = [turn.speaker == persona_key for turn in turns]
    if True not in mine or False not in mine:
        return []
    return list(turns[mine.index(False) : len(mine) - mine[::-1].index(True)])


def perspective(
    turns: Sequence[Turn], persona: Persona, others: Sequence[Persona], language: Language
) -> list[dict[str, str]]:
    """System, then user and assistant in turns, beginning with the user and ending with the assistant.

    Returns:
        Nothing, if the person never answered anything.
    """
    names = {other.key: other.called for other in others}
    called: Mapping[str, str] = {
        MODERATOR: language.frame("moderator").text,
        USER: language.frame("visitor").text,
    } | names
    speakers = {turn.speaker for turn in turns}
    alone = speakers <= {USER, persona.key}
    said: list[dict[str, str]] = []
    for turn in told_to(turns, persona.key):
        mine = turn.speaker == persona.key
        role = "assistant" if mine else "user"
        text = turn.text if mine or alone else f"{called[turn.speaker]}: {heard(turn.text)}"
        if said and said[-1]["role"] == role:
            said[-1]["content"] += f"\n\n{text}"
        else:
            said.append({"role": role, "content": text})
    if not said:
        return []
    system = language.section("samples", "dialogue", "system").render(
        country=persona.country_name,
        called=persona.called,
        place=persona.place,
        others=language.joined(
            [language.frame("a_moderator").text] * (MODERATOR in speakers)
            + list(names.values())
            + [language.frame("a_visitor").text] * (USER in speakers)
        ),
    )
    return [{"role": "system", "content": system}, *said]
