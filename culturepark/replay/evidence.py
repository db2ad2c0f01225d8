"""The evidence behind a turn as paragraphs: its statements, their verdicts, samples and reviews. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from culturepark.dialogue.protocol import protocol_of
from culturepark.distill.quotes import as_sentence
from culturepark.domain import Turn
from culturepark.glossary import (
    CRITERIA,
    DECISION_SIGNS,
    GROUNDS_SHORT,
    KINDS,
    METHODS,
    PHASES,
    SHAPES,
    counted,
    flags_in_words,
    in_words,
    relation_in_words,
)
from culturepark.glossary import DROPPED as NOT_KEPT
from culturepark.interface import language, tr
from culturepark.languages.countries import language_name
from culturepark.store.dialogue_view import Cluster, Mined, Scene, Spoken
from culturepark.store.grounds import Fact
from culturepark.store.reasons import beside, no_sample, no_statement, slip_in_words
from culturepark.store.tables import SampleRow, StatementRow, VerdictRow
from culturepark.terminal.blocks import Look, Para, Stop, word_changes
from culturepark.terminal.safe import clip, safe

KEPT, DROPPED, NEITHER = "✓", "✗", "·"

LOOKS: dict[str, Look] = {"good": "good", "bad": "bad", "quiet": "muted"}
"""Ink of a sign -> look."""
SHOWN = 3
"""Statements of a folded cluster that are shown."""


def spoken_at(scene: Scene, position: int) -> Spoken | None:
    return next((spoken for spoken in scene.turns if spoken.turn.position == position), None)


def stops(scene: Scene, position: int, unfolded: bool = False) -> list[Stop]:
    """Return the turn, then each statement with its samples.

    Args:
        unfolded: show verdicts of earlier rounds, and whole clusters.
    """
    spoken = spoken_at(scene, position)
    if spoken is None:
        return [Stop(scene.dialogue.id, (Para(tr("Nothing has been said yet."), "muted"),))]
    parts = [Stop(spoken.id, (*of_turn(scene, spoken), *gap(scene, spoken.turn), *reviews(scene, spoken.id, 0)))]
    numbers = {mined.row.id: number for number, mined in enumerate(spoken.statements, start=1)}
    for mined in spoken.statements:
        parts += of_statement(scene, mined, numbers, unfolded)
        parts += [of_sample(scene, sample) for sample in mined.samples]
    return parts


# --- the turn ------------------------------------------------------------------------------------------


def of_turn(scene: Scene, spoken: Spoken) -> Iterator[Para]:
    turn = spoken.turn
    who = safe(spoken.name) + (f", {safe(spoken.culture)}" if spoken.culture else "")
    yield Para(
        f"{who} · {safe(in_words(PHASES, turn.phase))}", "title", f"{tr('Turn {number}', number=turn.position)}  "
    )
    for heard in (one for one in turn.renderings if one != spoken.read_in(language())):  # that one is below the speech
        yield Para(
            heard.text, "muted", f"{tr('heard in {language}', language=language_name(heard.language, language()))}  "
        )
    for line in beside(turn, scene.called):
        yield Para(line, "muted")
    for slip in spoken.slips:
        yield Para(slip_in_words(slip), "bad", f"{DROPPED} ")
    if not spoken.statements:
        yield Para(no_statement(scene, turn), "muted")
        return
    kept = sum(mined.kept for mined in spoken.statements)
    yield Para(
        tr(
            "{statements}; {samples} kept",
            statements=counted(len(spoken.statements), "statement"),
            samples=counted(kept, "sample"),
        ),
        "muted",
    )


def gap(scene: Scene, turn: Turn) -> Iterator[Para]:
    """Show the number of empty slots before a turn; a refused turn leaves only a gap in the numbers of slots."""
    before = spoken_at(scene, turn.position - 1)
    empty = turn.slot - (before.turn.slot if before else 0) - 1
    if empty <= 0:
        return
    if protocol_of(scene.dialogue.protocol).user_sits:
        why = tr("refused by the guards, broken off, or never answered")
    else:
        why = tr("refused by the guards each time")
    yield Para(tr("Before it {turns} left out: {why}.", turns=counted(empty, "turn"), why=why), "muted")


# --- a statement ---------------------------------------------------------------------------------------


def of_statement(scene: Scene, mined: Mined, numbers: dict[str, int], unfolded: bool) -> list[Stop]:
    """Return the statement, then the one it is unlike and those of its cluster, to which `enter` leads."""
    row, cluster = mined.row, mined.cluster
    sign, word, look = outcome_of(scene, mined)
    paras = [Para(f"{sign} {in_words(KINDS, row.kind)}, {word}", look, f"{numbers[row.id]}  ")]
    if mined.before:
        paras += rewording(mined, mined.before, numbers)
    else:
        paras.append(Para(row.text, indent=3))
        if row.first_person and as_sentence(row.first_person) not in (row.text.strip(), as_sentence(row.quote)):
            paras.append(Para(row.first_person, head=f"{tr('first person')}  ", indent=3, head_look="muted"))
    paras.append(Para(row.quote, "quote", "“ ", 3))
    paras += rendered(mined)
    facts = scene.facts(row)
    paras += [fact_para(fact) for fact in facts if not fact.leads_to]
    linked = [led(row.id, fact, fact.leads_to) for fact in facts if fact.leads_to]
    paras += verdicts([v for v in mined.verdicts if v.round == scene.run.verify_round])
    paras += earlier([v for v in mined.verdicts if v.round != scene.run.verify_round], unfolded)
    if mined.after:
        paras.append(
            Para(
                tr("reworded; {statement} stands in its place", statement=named(mined.after, numbers)),
                indent=3,
                head="→ ",
            )
        )
    paras += reviews(scene, row.id, 3)
    if cluster is None:
        return [Stop(row.id, tuple(paras)), *linked]
    if cluster.representative_id == row.id:
        return [Stop(row.id, tuple(paras)), *linked, *stands_for(row.id, cluster, unfolded)]
    return [Stop(row.id, tuple(paras), go=cluster.representative_id), *linked, represented(row.id, cluster)]


def rendered(mined: Mined, indent: int = 3) -> Iterator[Para]:
    """Show a statement in the reader's language, if there is a rendering, and whether it says the same."""
    if told := mined.read_in(language()):
        yield Para(
            told.first_person or told.text,
            "muted",
            f"{tr('in {language}', language=language_name(told.language, language()))}  ",
            indent,
        )
        if told.agrees is False:
            yield Para(told.difference or "", "bad", f"{DROPPED} {tr('it does not say the same')}  ", indent)


def fact_para(fact: Fact) -> Para:
    return Para(fact.text, head=f"{fact.label}  ", indent=3, head_look="muted")


def led(subject: str, fact: Fact, go: str) -> Stop:
    """Return a fact about another statement, to which `enter` leads."""
    return Stop(
        subject,
        (Para(tr("{what} (enter goes there)", what=fact.label), "label", indent=3), Para(fact.text, indent=5)),
        False,
        go,
    )


def outcome_of(scene: Scene, mined: Mined) -> tuple[str, str, Look]:
    """Return a sign, a word and a look for the outcome of a statement."""
    if mined.kept:
        return KEPT, tr("kept"), "good"
    word = tr("dropped") if mined.samples and not mined.after else no_sample(scene, mined)
    return (DROPPED, word, "bad") if word in (tr("reworded"), tr("dropped")) else (NEITHER, word, "muted")


def named(statement_id: str, numbers: dict[str, int]) -> str:
    return tr("statement {number}", number=numbers[statement_id]) if statement_id in numbers else safe(statement_id)


def rewording(mined: Mined, original: StatementRow, numbers: dict[str, int]) -> Iterator[Para]:
    """Show the original statement, and below it the rewording."""
    row = mined.row
    yield Para(
        tr("reworded from {statement}: − taken out, + put in", statement=named(original.id, numbers)), "muted", indent=3
    )
    for before, after in ((original.text, row.text), (original.first_person, row.first_person)):
        if before != after:
            cut, put = word_changes(before, after)
            yield Para(before, head="− ", indent=3, marks=cut, head_look="bad")
            yield Para(after, head="+ ", indent=3, marks=put, head_look="good")
    if original.text == row.text:
        yield Para(row.text, indent=3)


def verdicts(rows: Sequence[VerdictRow], indent: int = 3) -> Iterator[Para]:
    """Yield a line for each verdict; for a panel its decision, then a line for each judge."""
    panels = dict.fromkeys(v.criterion for v in rows if v.judge is not None)
    for verdict in (v for v in rows if v.judge is None):
        sign, decided, look = decision(verdict)
        asked, answer = in_words(CRITERIA, verdict.criterion), relation_in_words(verdict.criterion, verdict.relation)
        words = f"{asked}: {answer}; {sureness(verdict)}; {decided}"
        yield Para(words, head=f"{sign} ", indent=indent, head_look=look)
        yield from reason_of(verdict, indent + 2)
    for criterion in panels:
        panel = [v for v in rows if v.criterion == criterion and v.judge is not None]
        sign, decided, look = decision(panel[0])
        by = tr("on a second persona's word") if criterion == "cross-check" else tr("by the judges together")
        yield Para(f"{in_words(CRITERIA, criterion)}: {decided} {by}", head=f"{sign} ", indent=indent, head_look=look)
        for verdict in panel:
            yield Para(f"{safe(verdict.judge)} {given(verdict)}", indent=indent + 2)
            yield from reason_of(verdict, indent + 4)


def earlier(rows: Sequence[VerdictRow], unfolded: bool) -> Iterator[Para]:
    if not rows:
        return
    what = tr("{verdicts} of earlier rounds, which no longer count", verdicts=counted(len(rows), "verdict"))
    if not unfolded:
        yield Para(tr("{what} (o opens)", what=what), "muted", "▸ ", 3)
        return
    yield Para(what, "muted", "▾ ", 3)
    for number in sorted({verdict.round for verdict in rows}):
        yield Para(tr("round {number}", number=number), "muted", indent=5)
        yield from verdicts([verdict for verdict in rows if verdict.round == number], 7)


def decision(verdict: VerdictRow) -> tuple[str, str, Look]:
    return (KEPT, tr("kept"), "good") if verdict.decision == "keep" else (DROPPED, tr("dropped"), "bad")


def sureness(verdict: VerdictRow) -> str:
    if verdict.confidence is not None:
        return tr("{share} sure", share=f"{verdict.confidence:.0%}")
    if verdict.call_id is None:
        return tr("word by word the speaker's own") if verdict.criterion == "faithful" else tr("nobody was asked")
    return tr("not known how sure")


def given(verdict: VerdictRow) -> str:
    """Return a judge's score, or the answer of a second persona."""
    if verdict.criterion == "cross-check":
        if verdict.answer:
            return tr("says: {answer}", answer=verdict.answer)
        return tr("gave an answer that could not be read")
    return tr("could not be read") if verdict.score is None else tr("gives {score} of 5", score=f"{verdict.score:.3g}")


def reason_of(verdict: VerdictRow, indent: int) -> Iterator[Para]:
    if verdict.reason:
        yield Para(verdict.reason, "quote", "“ ", indent)


# --- its cluster ---------------------------------------------------------------------------------------


def stands_for(subject: str, cluster: Cluster, unfolded: bool) -> Iterator[Stop]:
    others = cluster.size - 1
    shown = cluster.members if unfolded else cluster.members[:SHOWN]
    for number, (name, text, similarity) in enumerate(shown):
        paras = [Para(text, head=f"≈ {similarity:.2f}  ", indent=5, head_look="muted")]
        if number == 0:
            what = tr("stands for {others} the same", others=counted(others, "other that says", "others that say"))
            paras.insert(
                0,
                Para(
                    tr("{what} ({how}; enter goes there)", what=what, how=safe(in_words(METHODS, cluster.method))),
                    "label",
                    indent=3,
                ),
            )
        if number == len(shown) - 1 and others > len(shown):
            more = tr("and {count} more", count=others - len(shown))
            paras.append(Para(more if unfolded else tr("{what} (o opens)", what=more), "muted", indent=5))
        yield Stop(subject, tuple(paras), apart=False, go=name)


def represented(subject: str, cluster: Cluster) -> Stop:
    near = "" if cluster.similarity is None else tr("similarity {figure}, ", figure=f"{cluster.similarity:.2f}")
    method = safe(in_words(METHODS, cluster.method))
    how = tr("says the same as ({near}{method}; enter goes there)", near=near, method=method)
    paras = (Para(how, "label", indent=3), Para(cluster.representative, head="≈ ", indent=5, head_look="muted"))
    return Stop(subject, paras, apart=False, go=cluster.representative_id)


# --- its samples, and what reviewers say ---------------------------------------------------------------


def of_sample(scene: Scene, sample: SampleRow) -> Stop:
    kept = sample.status == "kept"
    reason = sample.drop_reason or ""
    why = f": {safe(in_words(NOT_KEPT, reason))}" if reason else ""
    split = tr(", for {split}", split=safe(sample.split)) if sample.split else ""
    flag = f" ({safe(flags_in_words(sample.flags))})" if sample.flags else ""
    origin = tr("; content: {content}", content=in_words(GROUNDS_SHORT, sample.provenance)) if sample.provenance else ""
    head = tr("sample, {shape}: {status}", shape=safe(in_words(SHAPES, sample.kind)), status=safe(tr(sample.status)))
    words = f"{head}{why}{split}{origin}{flag}"
    paras = [Para(words, head=f"{KEPT if kept else DROPPED} ", indent=3, head_look="good" if kept else "bad")]
    for role, content in messages(sample):
        paras.append(Para(content, head=f"{clip(role, 20):11}", indent=5, head_look="muted"))
    if sample.beside:
        paras.append(
            Para(tr("{what} (enter goes there)", what=safe(sample.beside)), "label", f"{tr('made of it and')}  ", 5)
        )
    return Stop(sample.id, (*paras, *reviews(scene, sample.id, 5)), go=sample.beside)


def messages(sample: SampleRow) -> list[tuple[str, str]]:
    """Return role and content of each message of a sample."""
    parts = [message for message in json.loads(sample.messages) if isinstance(message, dict)]
    return [(str(message.get("role")), str(message.get("content"))) for message in parts]


def reviews(scene: Scene, subject: str, indent: int) -> Iterator[Para]:
    """Show each reviewer's newest review of a turn, statement or sample."""
    for row in scene.reviews.get(subject, ()):
        sign, word, ink = DECISION_SIGNS[row.decision]
        rating = tr(", {rating} of 5", rating=row.rating) if row.rating else ""
        judged = tr("review: {decision} by {reviewer}", decision=tr(word), reviewer=clip(row.reviewer, 60))
        yield Para(f"{judged}{rating}", LOOKS[ink], f"{sign} ", indent)
        if row.wording:
            yield Para(row.wording, head=f"{tr('should say')}  ", indent=indent + 2, head_look="muted")
        if row.note:
            yield Para(row.note, head=f"{tr('note')}  ", indent=indent + 2, head_look="muted")


def wording_of(scene: Scene, subject: str) -> str:
    """Return the words that a review may correct: a turn's text, a statement's trained form, or a sample's answer."""
    for spoken in scene.turns:
        if spoken.id == subject:
            return spoken.turn.text
    for mined in scene.statements:
        if mined.row.id == subject:
            return mined.row.first_person
        for sample in mined.samples:
            if sample.id == subject:
                return "".join(content for _, content in messages(sample)[-1:])
    return ""
