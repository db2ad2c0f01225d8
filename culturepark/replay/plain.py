"""Dialogues as plain text, for pipes and screen readers.

Text from right to left is not reordered: a screen reader needs it as it was written, and terminals may reorder it.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator

from culturepark.dialogue.protocol import protocol_of
from culturepark.domain import DEFAULT_LANGUAGE, Edition, Slip, SurveyItem, Turn
from culturepark.glossary import (
    CRITERIA,
    DECISION_SIGNS,
    DROPPED,
    GROUNDS_SHORT,
    KINDS,
    METHODS,
    ORIGINS,
    PHASES,
    SHAPES,
    flags_in_words,
    in_words,
    relation_in_words,
)
from culturepark.ids import kind_of
from culturepark.interface import language, tr
from culturepark.languages import load_language
from culturepark.languages.countries import language_name
from culturepark.store import runs
from culturepark.store.dialogue_view import Cluster, Mined, Scene, Scenes
from culturepark.store.integrity import edition_of
from culturepark.store.reasons import beside, slip_in_words
from culturepark.store.search import Lists
from culturepark.store.store import Store
from culturepark.store.tables import DialogueRow, ParticipantRow, ReviewRow, VerdictRow
from culturepark.terminal.layout import lay_out
from culturepark.terminal.safe import out, safe

POLL_SECONDS = 0.5
ROLES = {"main": "main contact", "user": "a real person"}


def show(lines: Iterable[str]) -> None:
    """Write lines to stdout, wrapped only on a terminal. Each is flushed at once, for users who follow a run."""
    for line in lines:
        for part in lay_out(line, out().width, reorder=False) if sys.stdout.isatty() else [line]:
            sys.stdout.write(f"{part}\n")
        sys.stdout.flush()


def replay(store: Store, run_or_dialogue: str, *, follow: bool, behind: bool = False) -> Iterator[str]:
    """Yield the lines of a dialogue, or of all dialogues of a run.

    Args:
        follow: wait for new turns until the dialogues end.
        behind: show the evidence of each turn after it.

    Raises:
        UsageError: if there is no such run or dialogue.
    """
    run_id, ids = dialogues_of(store, run_or_dialogue)
    scenes = Scenes(store, run_id)
    edition = edition_of(scenes.run)
    if protocol_of(edition.scenario.protocol).user_sits:
        yield tr("A conversation between a real person and a simulated one; no evidence of what real people think.")
    else:
        yield tr("A conversation between simulated people; no evidence of what real people think.")
    for dialogue_id in ids:
        (row,) = runs.dialogues_of(store, dialogue_id)
        if row.status == "pending" and not follow:
            continue
        people = runs.participants(store, row.id)
        yield from heading(row, people, edition, behind)
        yield from turns(scenes, row, people, follow, behind)


def dialogues_of(store: Store, run_or_dialogue: str) -> tuple[str, list[str]]:
    """Return the id of a run, and the ids of its dialogues or of the one that was named."""
    if kind_of(run_or_dialogue) is None:
        lists = Lists(store, run_or_dialogue)
        return lists.run.id, lists.find()
    (row,) = runs.dialogues_of(store, run_or_dialogue)
    return row.run_id, [row.id]


def heading(row: DialogueRow, people: list[ParticipantRow], edition: Edition, behind: bool) -> Iterator[str]:
    seed = edition.seed(row.seed_key)
    yield ""
    head = tr("Dialogue {number} of run {run}, {id}:", number=row.number, run=row.run_id, id=row.id)
    yield safe(f"{head} {row.setting}, {row.protocol}.")
    if row.parent_id:
        yield safe(tr("It branched off {parent} after turn {turn}.", parent=row.parent_id, turn=row.branched_at))
    yield safe(tr("Question: {question}", question=seed.question))
    for person in people:
        persona = edition.persona(person.persona_key)
        role = tr(ROLES.get(person.role, person.role))
        stance = tr("; own answer: {answer}", answer=person.stance_text) if person.stance_text else ""
        yield safe(f"{person.name}, {persona.age}, {persona.place}: {person.culture} {role}{stance}.")
        if behind and person.stance_text and seed.item and person.country in seed.item.shares:
            yield drawn_from(seed.item, person.country)


def turns(scenes: Scenes, row: DialogueRow, people: list[ParticipantRow], follow: bool, behind: bool) -> Iterator[str]:
    speakers = {person.persona_key: f"{person.name}, {person.culture}" for person in people}
    speakers |= {"moderator": tr("Moderator"), "user": tr("You")}
    shown = 0
    while True:
        if follow:
            (row,) = runs.dialogues_of(scenes.store, row.id)
        following = scenes.store.turns(row.id)[shown:]
        scene = scenes.scene(row.id) if behind and following else None
        slips: dict[str, list[Slip]] = defaultdict(list)
        for slip in scenes.store.slips(row.id) if following else ():
            slips[slip.turn_id].append(slip)
        for turn in following:
            yield ""
            yield speaker_line(turn, speakers)
            yield safe(turn.text, lines=True)
            if rendered := turn.rendered_for(DEFAULT_LANGUAGE):
                yield safe(f"  In {load_language(DEFAULT_LANGUAGE).name}: {rendered}", lines=True)
            yield from (f"  {slip_in_words(slip)}." for slip in slips.get(f"{row.id}.t{turn.position}", ()))
            if scene:
                yield from behind_turn(scenes, scene, turn.position)
        shown += len(following)
        if not follow or row.status in ("done", "failed", "stopped"):
            yield ""
            over = tr("Dialogue {number} is {status}", number=row.number, status=tr(row.status))
            yield safe(over + (f": {row.stop_reason}." if row.stop_reason else "."))
            return
        time.sleep(POLL_SECONDS)


def speaker_line(turn: Turn, speakers: dict[str, str]) -> str:
    """Return the line before a speech: its number, phase and speaker."""
    origin = f", {in_words(ORIGINS, turn.origin)}" if turn.origin in ORIGINS else ""
    head = tr("Turn {number}, {phase}.", number=turn.position, phase=in_words(PHASES, turn.phase))
    return safe(f"{head} {speakers.get(turn.speaker, turn.speaker)}{origin}:")


# --- behind a turn -------------------------------------------------------------------------------------


def drawn_from(item: SurveyItem, country: str) -> str:
    """Return the shares that a stance was drawn from."""
    shares = item.shares[country]
    listed = "; ".join(f"{option.label} {shares.get(option.code, 0.0):.0%}" for option in item.options)
    return safe("  " + tr("Drawn from the answers of {country}: {answers}.", country=country, answers=listed))


def behind_turn(scenes: Scenes, scene: Scene, position: int) -> Iterator[str]:
    spoken = next(spoken for spoken in scene.turns if spoken.turn.position == position)
    yield from (f"  {line}." for line in beside(spoken.turn, scene.called))
    calls = scenes.calls(scene, spoken.id)
    if calls:
        last = calls[-1]
        cost = tr("price unknown") if last.cost_usd is None else f"${last.cost_usd:.6f}"
        figures = tr(
            "Asked of {model}: attempt {attempt}, {sent} tokens in and {answered} out, {seconds} seconds, {cost}.",
            model=last.model,
            attempt=len(calls),
            sent=last.prompt_tokens or 0,
            answered=last.completion_tokens or 0,
            seconds=f"{(last.duration_ms or 0) / 1000:.1f}",
            cost=cost,
        )
        yield safe(f"  {figures}")
    yield from reviews(scene.reviews.get(spoken.id, ()))
    for number, mined in enumerate(spoken.statements, start=1):
        yield from statement(scene, mined, tr("{some} of {all}", some=number, all=len(spoken.statements)))


def statement(scene: Scene, mined: Mined, which: str) -> Iterator[str]:
    row = mined.row
    head = tr("Statement {which}, {kind}", which=which, kind=in_words(KINDS, row.kind))
    yield safe(f"  {head}, {row.id}: {row.text}")
    yield safe("    " + tr("Quoted: “{quote}”", quote=row.quote))
    if told := mined.read_in(language()):
        doubt = tr(" (it does not say the same: {difference})", difference=told.difference)
        head = tr("In {language}", language=language_name(told.language, language()))
        yield safe(f"    {head}: {told.first_person or told.text}{doubt if told.agrees is False else ''}")
    for fact in scene.facts(row):
        yield safe(f"    {fact.label[:1].upper()}{fact.label[1:]}: {fact.text}")
    if mined.before:
        yield safe("    " + tr("Reworded from: {words}", words=mined.before.text))
    if mined.after:
        yield safe("    " + tr("Reworded as {id}.", id=mined.after))
    for verdict in mined.verdicts:
        if verdict.round == scene.run.verify_round:
            yield judged(verdict)
    if mined.cluster:
        yield represented(mined.cluster)
    yield from reviews(scene.reviews.get(row.id, ()))
    for sample in mined.samples:
        why = because(in_words(DROPPED, sample.drop_reason or ""))
        flags = f", {flags_in_words(sample.flags)}" if sample.flags else ""
        origin = (
            tr(", content: {content}", content=in_words(GROUNDS_SHORT, sample.provenance)) if sample.provenance else ""
        )
        made = tr(", made of {id} too", id=sample.beside) if sample.beside else ""
        head = f"{tr('Sample')}, {in_words(SHAPES, sample.kind)}, {tr(sample.status)}{why}"
        yield safe(f"    {head}, {sample.id}{origin}{made}{flags}:")
        for message in json.loads(sample.messages):
            yield safe(f"      {message['role']}: {message['content']}")
        yield from reviews(scene.reviews.get(sample.id, ()))


def judged(row: VerdictRow) -> str:
    score = "" if row.score is None else tr(", {rating} of 5", rating=f"{row.score:g}")
    answer = f", {row.answer}" if row.answer else ""
    sure = "" if row.confidence is None else ", " + tr("{share} sure", share=f"{row.confidence:.0%}")
    relation = relation_in_words(row.criterion, row.relation)
    return safe(
        f"    {in_words(CRITERIA, row.criterion)}: {relation}{score}{answer}{sure}; "
        f"{tr('kept') if row.decision == 'keep' else tr('dropped')}{because(row.reason)}"
    )


def represented(cluster: Cluster) -> str:
    if cluster.similarity is None:
        return safe("    " + tr("Stands for {count} more that say the same.", count=cluster.size - 1))
    said = tr(
        "Said before, similarity {similarity} ({method}); for it stands {id}: {words}",
        similarity=f"{cluster.similarity:.2f}",
        method=in_words(METHODS, cluster.method),
        id=cluster.representative_id,
        words=cluster.representative,
    )
    return safe(f"    {said}")


def reviews(rows: tuple[ReviewRow, ...]) -> Iterator[str]:
    for row in rows:
        _, word, _ = DECISION_SIGNS[row.decision]
        rating = "" if row.rating is None else tr(", rated {rating} of 5", rating=row.rating)
        wording = tr(", in these words: {words}", words=row.wording) if row.wording else ""
        head = tr("Review: {decision} by {reviewer}", decision=tr(word), reviewer=row.reviewer)
        yield safe(f"    {head}{rating}{wording}" + because(row.note))


def because(reason: str | None) -> str:
    return tr(", because: {reason}", reason=reason) if reason else ""
