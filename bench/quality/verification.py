"""Three ways to tell whether a statement is in line with its speaker's stance."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from bench.quality.harness import Ask, casting, turn
from bench.quality.measures import Judged
from bench.quality.rows import RELATIONS, Row
from bench.quality.turns import encode_of
from culturepark.distill.judgement import Case
from culturepark.distill.verify import verify
from culturepark.domain import CultureKey, DistillPolicy, Option, Stance, Statement, SurveyItem, Turn

POLICY = DistillPolicy()
BARE = """\
Opinion 1: {stance}
Opinion 2: {statement}
Entail, contradict or irrelevant?"""
NEGATIONS = re.compile(r"\b(?:no|not|nobody|none|never|neither|nor|nothing|hardly|without|dis\w+|un\w+|\w+n't)\b", re.I)
WORDS = re.compile(r"[^\W\d_]{4,}")


async def ours(ask: Ask, rows: Sequence[Row]) -> dict[str, Judged]:
    """The verifier of a run. Rows on one question stand for a dialogue about it."""
    dialogues: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        dialogues[row["culture"], row["question"]].append(row)
    found: dict[str, Judged] = {}
    for (culture, question), some in dialogues.items():
        persona = ask.someone(culture)
        item = ask.item(some[0].get("item")) or unknown(ask, some[0])
        asker = ask.asker("verify", casting(persona, question, item), some[0]["id"])
        turns = [turn(persona, row["statement"], number) for number, row in enumerate(some, 1)]
        cases = [case(row, item, persona.culture, said) for row, said in zip(some, turns, strict=True)]
        verdicts = await verify(asker, cases, POLICY, encode_of(ask.model))
        for verdict in verdicts:
            if verdict.criterion == "stance":
                kept = verdict.decision == "keep"
                found[verdict.statement_id] = Judged(verdict.relation, verdict.confidence, kept)
    return found


def unknown(ask: Ask, row: Row) -> SurveyItem:
    """An item that we do not ship, on the scale that its answer is known from; without the sides in words."""
    scale = next((i.options for i in ask.items.values() if row["stance"] in [o.label for o in i.options]), None)
    options = scale or (
        Option(code=1, label=row["stance"], side=1),
        Option(code=0, label=f"not {row['stance']}", side=-1),
    )
    return SurveyItem(
        key="row/row", topic="row", question=row["question"], options=options, shares={}, source="a labelled row"
    )


def case(row: Row, item: SurveyItem, culture: CultureKey, said: Turn) -> Case:
    """A row holds neither turn nor quote: the statement stands for both, so that stance alone is in question."""
    text = row["statement"]
    code = next((option.code for option in item.options if option.label == row["stance"]), item.options[0].code)
    statement = Statement(
        id=row["id"],
        turn_id="row",
        persona_key=said.speaker,
        culture=culture,
        kind="opinion",
        text=text,
        first_person=text,
        quote=text,
        quote_start=0,
        quote_end=len(text),
    )
    return Case(statement, said, Stance(code=code, text=row["stance"]), verbatim=True)


async def reference(ask: Ask, rows: Sequence[Row]) -> dict[str, Judged]:
    """As the published code: one pair a call, a bare question in three words, the first of the words counts."""
    found = {}
    for row in rows:
        stance = f"{row['question']} {row['stance']}"
        reply = await ask.say("verify", row["id"], BARE.format(stance=stance, statement=row["statement"]), 16)
        word = re.search("|".join(RELATIONS), reply.text.lower())
        relation = word[0] if word else "unparsable"
        found[row["id"]] = Judged(relation, None, relation == "entail")
    return found


def baseline(rows: Sequence[Row]) -> dict[str, Judged]:
    """No model: a word shared with the question says that it is about it, an odd number of negations on which side."""
    found = {}
    for row in rows:
        asked, told = stems(row["question"]), stems(row["statement"])
        if not asked & told:
            relation = "irrelevant"
        else:
            odd = (len(NEGATIONS.findall(row["stance"])) + len(NEGATIONS.findall(row["statement"]))) % 2
            relation = "contradict" if odd else "entail"
        found[row["id"]] = Judged(relation, None, relation == "entail")
    return found


def stems(text: str) -> set[str]:
    return {word[:5].casefold() for word in WORDS.findall(text)}
