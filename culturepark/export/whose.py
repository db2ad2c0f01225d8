"""Whose words the rows are, for the card: who talked with whom, and what in them no model wrote. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import JsonObject

DIALOGUES = "is a whole dialogue as one of its delegates had it"
TALKS = "is a whole talk as the simulated person had it whom the user talked with"
WHOLE = """
Each row {is_what}: that person's speeches are the assistant's, everybody else's (the moderator's too, behind their
names) the user's. What models said was guarded when it was spoken (refusals, slips out of role, repetitions); it has
**not** been verified sentence by sentence, as single samples are.
"""
LED = "talks led by a moderator", "talks with a user", "talks led by a moderator, or with a user"


def by_protocol(manifest: JsonObject, dialogues: str, talks: str, both: str) -> str:
    """What fits the runs: dialogues between personas, talks of a real person with one, or both."""
    protocols = {protocol_of(run["protocol"]).user_sits for run in manifest["runs"]}
    return both if len(protocols) > 1 else talks if True in protocols else dialogues


def who_talked(manifest: JsonObject) -> str:
    return by_protocol(
        manifest,
        "Simulated people from several cultures talked with each other",
        "A real person, the user, talked with simulated people",
        "Simulated people from several cultures talked with each other, or with a real person, the user",
    )


def who_exists(manifest: JsonObject) -> str:
    """But for who typed, nobody."""
    return f"{'But for the user, nobody' if manifest['by_hand']['typed']['rows'] else 'Nobody'} in these rows exists."


def by_hand(manifest: JsonObject) -> Iterator[str]:
    """Words in the rows that no model wrote."""
    typed, edited = manifest["by_hand"]["typed"], manifest["by_hand"]["edited"]
    if typed["rows"]:
        yield f"What the user says was typed by a real person: messages {typed['turns']}, in rows {typed['rows']}."
    if edited["rows"]:
        yield (
            f"A person wrote some speeches in place of the model's, in a branch of a dialogue: speeches "
            f"{edited['turns']}, in rows {edited['rows']}. They stand there as the speaker's own."
        )
    if worded := manifest["reviews"]["corrected"]:
        yield f"Reviewers put their own words in place of the model's: rows {worded}."


def whole(manifest: JsonObject) -> str:
    """What a row of whole dialogues is."""
    return WHOLE.format(is_what=by_protocol(manifest, DIALOGUES, TALKS, f"{DIALOGUES}, or {TALKS}"))
