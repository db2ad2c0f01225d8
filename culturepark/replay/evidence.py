"""What is behind a turn, as paragraphs: its statements, what was found of them, and what came of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from culturepark.dialogue.protocol import protocol_of
from culturepark.distill.quotes import as_sentence
from culturepark.domain import Turn, trained_form
from culturepark.glossary import DECISION_SIGNS, counted, in_words
from culturepark.glossary import DROPPED as NOT_KEPT
from culturepark.store.dialogue_view import Cluster, Mined, Scene, Spoken
from culturepark.store.reasons import no_sample, no_statement
from culturepark.store.tables import SampleRow, VerdictRow
from culturepark.terminal.blocks import Look, Para, Stop, word_changes
from culturepark.terminal.safe import clip, safe

KEPT, DROPPED, NEITHER = "✓", "✗", "·"

LOOKS: dict[str, Look] = {"good": "good", "bad": "bad", "quiet": "muted"}
"""Of the inks that signs have."""
SHOWN = 3
"""Of the statements that one stands for, so many are shown before they are unfolded."""


def spoken_at(scene: Scene, position: int) -> Spoken | None:
    return next((one for one in scene.turns if one.turn.position == position), None)


def stops(scene: Scene, position: int, unfolded: bool = False) -> list[Stop]:
    """The turn, then each statement with its samples.

    Args:
        unfolded: with the verdicts of earlier rounds, and all that a statement stands for.
    """
    spoken = spoken_at(scene, position)
    if spoken is None:
        return [Stop(scene.dialogue.id, (Para("Nothing has been said yet.", "muted"),))]
    found = [Stop(spoken.id, (*of_turn(scene, spoken), *gap(scene, spoken.turn), *reviews(scene, spoken.id, 0)))]
    numbers = {one.row.id: number for number, one in enumerate(spoken.statements, start=1)}
    for one in spoken.statements:
        found += of_statement(scene, one, numbers, unfolded)
        found += [of_sample(scene, sample) for sample in one.samples]
    return found


# --- the turn ------------------------------------------------------------------------------------------


def of_turn(scene: Scene, spoken: Spoken) -> Iterator[Para]:
    turn = spoken.turn
    who = safe(spoken.name) + (f", {safe(spoken.culture)}" if spoken.culture else "")
    yield Para(f"{who} · {safe(turn.phase)}", "title", f"Turn {turn.position}  ")
    if not spoken.statements:
        yield Para(no_statement(scene, turn), "muted")
        return
    count = len(spoken.statements)
    kept = sum(sample.status == "kept" for one in spoken.statements for sample in one.samples)
    yield Para(f"{counted(count, 'statement')}; {counted(kept, 'sample')} kept", "muted")


def gap(scene: Scene, turn: Turn) -> Iterator[Para]:
    """A turn that never came about is not there; its slot in the schedule is."""
    before = spoken_at(scene, turn.position - 1)
    empty = turn.slot - (before.turn.slot if before else 0) - 1
    if empty <= 0:
        return
    if protocol_of(scene.dialogue.protocol).user_sits:
        why = "refused by the guards, broken off, or never answered"
    else:
        why = "refused by the guards each time"
    yield Para(f"Before it {counted(empty, 'turn')} left out: {why}.", "muted")


# --- a statement ---------------------------------------------------------------------------------------


def of_statement(scene: Scene, one: Mined, numbers: dict[str, int], unfolded: bool) -> list[Stop]:
    """The statement, and after it whatever one may go to from it."""
    row = one.row
    sign, word, look = fate(scene, one)
    paras = [Para(f"{sign} {row.kind}, {word}", look, f"{numbers[row.id]}  ")]
    if one.before:
        paras += rewording(one, numbers)
    else:
        paras.append(Para(row.text, indent=3))
        if row.first_person and as_sentence(row.first_person) not in (row.text.strip(), as_sentence(row.quote)):
            paras.append(Para(row.first_person, head="first person  ", indent=3, head_look="muted"))
    paras.append(Para(row.quote, "quote", "“ ", 3))
    paras += verdicts([v for v in one.verdicts if v.round == scene.run.verify_round])
    paras += earlier([v for v in one.verdicts if v.round != scene.run.verify_round], unfolded)
    if one.after:
        there = f"statement {numbers[one.after]}" if one.after in numbers else safe(one.after)
        paras.append(Para(f"reworded; {there} stands in its place", indent=3, head="→ "))
    paras += reviews(scene, row.id, 3)
    found = Stop(row.id, tuple(paras))
    if one.cluster is None:
        return [found]
    if one.cluster.representative_id == row.id:
        return [found, *stands_for(row.id, one.cluster, unfolded)]
    return [Stop(row.id, found.blocks, go=one.cluster.representative_id), represented(row.id, one.cluster)]


def fate(scene: Scene, one: Mined) -> tuple[str, str, Look]:
    """Sign and word for what became of a statement, and a look that goes with them."""
    if any(sample.status == "kept" for sample in one.samples):
        return KEPT, "kept", "good"
    word = "dropped" if one.samples and not one.after else no_sample(scene, one)
    return (DROPPED, word, "bad") if word in ("reworded", "dropped") else (NEITHER, word, "muted")


def rewording(one: Mined, numbers: dict[str, int]) -> Iterator[Para]:
    """What it was rewritten from, and under it what it is now."""
    assert one.before is not None
    where = f"statement {numbers[one.before.id]}" if one.before.id in numbers else safe(one.before.id)
    yield Para(f"reworded from {where}: − taken out, + put in", "muted", indent=3)
    for before, after in ((one.before.text, one.row.text), (one.before.first_person, one.row.first_person)):
        if before != after:
            cut, put = word_changes(before, after)
            yield Para(before, head="− ", indent=3, marks=cut, head_look="bad")
            yield Para(after, head="+ ", indent=3, marks=put, head_look="good")
    if one.before.text == one.row.text:
        yield Para(one.row.text, indent=3)


def verdicts(those: Sequence[VerdictRow], indent: int = 3) -> Iterator[Para]:
    """A line for each, under a panel's decision one for each of its judges."""
    panels = dict.fromkeys(v.criterion for v in those if v.judge is not None)
    for verdict in (v for v in those if v.judge is None):
        sign, decided, look = decision(verdict)
        words = f"{verdict.criterion}: {verdict.relation}, {sureness(verdict)}, {decided}"
        yield Para(words, head=f"{sign} ", indent=indent, head_look=look)
        yield from reason_of(verdict, indent + 2)
    for criterion in panels:
        panel = [v for v in those if v.criterion == criterion and v.judge is not None]
        sign, decided, look = decision(panel[0])
        by = "on a second persona's word" if criterion == "cross-check" else "by the judges together"
        yield Para(f"{criterion}: {decided} {by}", head=f"{sign} ", indent=indent, head_look=look)
        for verdict in panel:
            yield Para(f"{safe(verdict.judge)} {given(verdict)}", indent=indent + 2)
            yield from reason_of(verdict, indent + 4)


def earlier(those: Sequence[VerdictRow], unfolded: bool) -> Iterator[Para]:
    if not those:
        return
    what = counted(len(those), "verdict") + " of earlier rounds, which no longer count"
    if not unfolded:
        yield Para(f"{what} (o opens)", "muted", "▸ ", 3)
        return
    yield Para(what, "muted", "▾ ", 3)
    for number in sorted({verdict.round for verdict in those}):
        yield Para(f"round {number}", "muted", indent=5)
        yield from verdicts([verdict for verdict in those if verdict.round == number], 7)


def decision(verdict: VerdictRow) -> tuple[str, str, Look]:
    return (KEPT, "kept", "good") if verdict.decision == "keep" else (DROPPED, "dropped", "bad")


def sureness(verdict: VerdictRow) -> str:
    if verdict.confidence is not None:
        return f"confidence {verdict.confidence:.0%}"
    if verdict.call_id is None:
        return "word by word the speaker's own" if verdict.criterion == "faithful" else "nobody was asked"
    return "confidence unknown"


def given(verdict: VerdictRow) -> str:
    """A judge's score, or what a second persona says."""
    if verdict.criterion == "cross-check":
        return f"says: {verdict.answer}" if verdict.answer else "gave an answer that could not be read"
    return "could not be read" if verdict.score is None else f"gives {verdict.score:.3g} of 5"


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
            what = f"stands for {counted(others, 'other')} that {'say' if others > 1 else 'says'} the same"
            paras.insert(0, Para(f"{what} ({safe(cluster.method)}; enter goes there)", "label", indent=3))
        if number == len(shown) - 1 and others > len(shown):
            more = "" if unfolded else " (o opens)"
            paras.append(Para(f"and {others - len(shown)} more{more}", "muted", indent=5))
        yield Stop(subject, tuple(paras), apart=False, go=name)


def represented(subject: str, cluster: Cluster) -> Stop:
    near = "" if cluster.similarity is None else f"similarity {cluster.similarity:.2f}, "
    how = f"says the same as ({near}{safe(cluster.method)}; enter goes there)"
    paras = (Para(how, "label", indent=3), Para(cluster.representative, head="≈ ", indent=5, head_look="muted"))
    return Stop(subject, paras, apart=False, go=cluster.representative_id)


# --- its samples, and what reviewers say ---------------------------------------------------------------


def of_sample(scene: Scene, sample: SampleRow) -> Stop:
    kept = sample.status == "kept"
    reason = sample.drop_reason or ""
    why = f": {safe(in_words(NOT_KEPT, reason))}" if reason else ""
    split = f", for {safe(sample.split)}" if sample.split else ""
    flag = f" ({safe(sample.flags)}: its rewording was kept unchecked)" if sample.flags else ""
    words = f"sample, {safe(sample.kind)}: {safe(sample.status)}{why}{split}{flag}"
    paras = [Para(words, head=f"{KEPT if kept else DROPPED} ", indent=3, head_look="good" if kept else "bad")]
    for role, content in messages(sample):
        paras.append(Para(content, head=f"{clip(role, 20):11}", indent=5, head_look="muted"))
    return Stop(sample.id, (*paras, *reviews(scene, sample.id, 5)))


def messages(sample: SampleRow) -> list[tuple[str, str]]:
    """Role and content of each, as they are trained on."""
    found = [message for message in json.loads(sample.messages) if isinstance(message, dict)]
    return [(str(message.get("role")), str(message.get("content"))) for message in found]


def reviews(scene: Scene, subject: str, indent: int) -> Iterator[Para]:
    """Every reviewer's newest on a turn, statement or sample."""
    for row in scene.reviews.get(subject, ()):
        sign, word, ink = DECISION_SIGNS[row.decision]
        rating = f", {row.rating} of 5" if row.rating else ""
        yield Para(f"review: {word} by {clip(row.reviewer, 60)}{rating}", LOOKS[ink], f"{sign} ", indent)
        if row.wording:
            yield Para(row.wording, head="should say  ", indent=indent + 2, head_look="muted")
        if row.note:
            yield Para(row.note, head="note  ", indent=indent + 2, head_look="muted")


def wording_of(scene: Scene, subject: str) -> str:
    """What other words may be put in place of: a turn's text, what a statement is trained on as, a sample's answer."""
    for spoken in scene.turns:
        if spoken.id == subject:
            return spoken.turn.text
        for one in spoken.statements:
            if one.row.id == subject:
                return str(getattr(one.row, trained_form(one.row.kind)))
            for sample in one.samples:
                if sample.id == subject:
                    return "".join(content for _, content in messages(sample)[-1:])
    return ""
