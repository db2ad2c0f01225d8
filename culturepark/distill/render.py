"""Puts statements into English beside their own language, and has a part of them compared by a second call.

Everything that decides about a statement is asked of its own words. The rendering is for those who read or train in
English.
"""

from __future__ import annotations

from collections.abc import Sequence

from culturepark.dialogue.stance import unit
from culturepark.distill.ask import AT_ONCE, Item, SubjectAsker, as_reason, each, side_by_side
from culturepark.distill.extract import as_row
from culturepark.domain import DEFAULT_LANGUAGE, Statement, StatementRendering
from culturepark.languages import name_or_code

A_CALL = 8
TOKENS_EACH = 260
COMPARED_A_CALL = 10
TOKENS_A_COMPARISON = 60
ALL_UP_TO = 20
"""So many renderings are all compared; of more, one in `ONE_IN`."""
ONE_IN = 4


class Rendered(Item):
    first_person: str
    statement: str
    question: str
    exception: str


class Compared(Item):
    difference: str
    """What one says and the other does not; empty if there is nothing."""
    agrees: bool


async def render(asker: SubjectAsker, statements: Sequence[Statement]) -> list[StatementRendering]:
    """Return the English of statements in other languages; those of which no answer could be read are left out.

    Args:
        asker: of the model that renders.
    """
    answers = await each(
        asker,
        asker.language.prompt("render"),
        [as_item(statement) for statement in statements],
        Rendered,
        name="renderings",
        items_a_call=A_CALL,
        tokens_an_item=TOKENS_EACH,
        at_once=AT_ONCE,
    )
    made = []
    for statement, (answer, call_id) in zip(statements, answers, strict=True):
        text, first_person = (as_row(answer.statement), as_row(answer.first_person)) if answer else (None, None)
        if answer is None or text is None or first_person is None:
            continue
        made.append(
            StatementRendering(
                statement_id=statement.id,
                language=DEFAULT_LANGUAGE,
                text=text,
                first_person=first_person,
                question=as_row(answer.question) if statement.question else None,
                exception=as_row(answer.exception) if statement.exception else None,
                call_id=call_id,
            )
        )
    return made


def as_item(statement: Statement) -> dict[str, object]:
    return {
        "language": name_or_code(statement.worded_in),
        "first_person": statement.first_person,
        "statement": statement.text,
        "question": statement.question or "",
        "exception": statement.exception or "",
    }


def drawn(renderings: Sequence[StatementRendering]) -> list[StatementRendering]:
    """Return those that are compared: all, or of many a random part, by a hash of their ids."""
    if len(renderings) <= ALL_UP_TO:
        return list(renderings)
    by_hash = sorted(renderings, key=lambda one: unit("rendering", one.statement_id))
    return by_hash[: max(ALL_UP_TO, len(renderings) // ONE_IN)]


async def compare(
    asker: SubjectAsker, renderings: Sequence[StatementRendering], statements: Sequence[Statement]
) -> list[StatementRendering]:
    """Return renderings with what a second call found of them.

    Each call holds a pair that does not belong together. A model that finds it to agree is not believed in that call.

    Args:
        asker: of the model that compares.
        statements: the originals, in the order of the renderings.
    """
    pairs = list(zip(renderings, statements, strict=True))

    async def ask(batch: Sequence[tuple[StatementRendering, Statement]]) -> list[StatementRendering]:
        # The first text beside the English of another one.
        stranger = next((r for r, _ in reversed(pairs) if r.first_person != batch[0][0].first_person), None)
        items: list[dict[str, object]] = [{"original": s.first_person, "english": r.first_person} for r, s in batch]
        if stranger:
            items.append({"original": batch[0][1].first_person, "english": stranger.first_person})
        answers = await each(
            asker,
            asker.language.prompt("render-check"),
            items,
            Compared,
            name="comparisons",
            items_a_call=len(items),
            tokens_an_item=TOKENS_A_COMPARISON,
        )
        told_apart, _ = answers[len(batch)] if stranger else (None, None)
        able = told_apart is not None and not told_apart.agrees
        found: list[StatementRendering] = []
        for (rendering, _), (answer, call_id) in zip(batch, answers, strict=False):
            if answer is None or not able:
                found.append(rendering.model_copy(update={"checked_by": call_id}))
                continue
            told = {"agrees": answer.agrees, "difference": as_reason(answer.difference), "checked_by": call_id}
            found.append(rendering.model_copy(update=told))
        return found

    batches = [pairs[start : start + COMPARED_A_CALL] for start in range(0, len(pairs), COMPARED_A_CALL)]
    return [rendering for compared in await side_by_side(batches, ask) for rendering in compared]
