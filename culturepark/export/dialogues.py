"""The rows of an export of whole dialogues, one for each of those whom a dialogue is told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from culturepark.errors import StoreError
from culturepark.export.corrections import reworded
from culturepark.export.rows import Row, Source, fingerprint, fit_to_train_on
from culturepark.export.talks import NOBODYS, perspective, told_to
from culturepark.languages import load_language
from culturepark.store import exports

NEVER_ANSWERED, REJECTED_TURN = "never answered", "with a turn that reviewers rejected"
"""Why somebody has no row."""
BY_HAND = ("typed", "edited")
"""Origins of turns that a person wrote, in a talk or in a branch."""


@fit_to_train_on
def dialogues(source: Source) -> Iterator[Row]:
    """Every dialogue that is done, once for each delegate in it; a talk once for whom the user talked with."""
    told: set[bytes] = set()
    for run in source.runs:
        of_this_run: set[bytes] = set()
        edition = source.editions[run.id]
        for dialogue, people, turns in exports.talks(source.look, run.id):
            if stray := {turn.speaker for turn in turns} - {*NOBODYS, *(p.persona_key for p in people)}:
                raise StoreError(
                    f"dialogue {dialogue.id} is damaged: {min(stray)[:80]!r} speaks and does not sit there"
                )
            personas = [edition.persona(person.persona_key) for person in people]
            rejected, worded = source.reviewed.turns(dialogue.id, turns)
            language = load_language(dialogue.language)
            for person, persona in zip(people, personas, strict=True):
                if not exports.has_row(person.role, dialogue.protocol):
                    continue
                if source.cultures and person.culture not in source.cultures:
                    continue
                others = [other for other in personas if other is not persona]
                messages = perspective(reworded(turns, worded), persona, others, language)
                if not messages:
                    source.found[NEVER_ANSWERED] += 1
                    continue
                if rejected:
                    source.found[REJECTED_TURN] += 1
                    continue
                if len(source.runs) > 1:
                    mark = fingerprint(messages)
                    source.told_again += mark in told
                    of_this_run.add(mark)
                row_id = f"{dialogue.id}.p{person.position}"
                shown = told_to(turns, persona.key)
                if seen := [review for turn, review in worded if turn in shown]:
                    source.reviewed.corrected[row_id] = seen
                yield Row(
                    source.format.record(row_id, source.checked(f"dialogue {dialogue.id}", messages)),
                    {"id": row_id},
                    person.culture,
                    dialogue.seed_key,
                    ((run.id, persona.key),),
                    Counter(str(turn.origin) for turn in shown if turn.origin in BY_HAND),
                )
        told |= of_this_run
