"""What is behind a turn, in words: for those who listen."""

from __future__ import annotations

import json
from collections.abc import Iterator

from culturepark.domain import SurveyItem
from culturepark.glossary import DROPPED, in_words
from culturepark.store.dialogue_view import Cluster, Mined, Scene, Scenes
from culturepark.store.tables import ReviewRow, VerdictRow
from culturepark.terminal.safe import safe


def drawn_from(item: SurveyItem, country: str) -> str:
    """The shares that a stance was drawn from."""
    shares = item.shares[country]
    told = "; ".join(f"{option.label} {shares.get(option.code, 0.0):.0%}" for option in item.options)
    return safe(f"  Drawn from the answers of {country}: {told}.")


def behind_turn(scenes: Scenes, scene: Scene, position: int) -> Iterator[str]:
    spoken = next(spoken for spoken in scene.turns if spoken.turn.position == position)
    calls = scenes.calls(scene, spoken.id)
    if calls:
        last = calls[-1]
        cost = "price unknown" if last.cost_usd is None else f"${last.cost_usd:.6f}"
        tokens = f"{last.prompt_tokens or 0} tokens in and {last.completion_tokens or 0} out"
        seconds = (last.duration_ms or 0) / 1000
        yield safe(f"  Asked of {last.model}: attempt {len(calls)}, {tokens}, {seconds:.1f} seconds, {cost}.")
    yield from reviews(scene.reviews.get(spoken.id, ()))
    for number, mined in enumerate(spoken.statements, start=1):
        yield from statement(scene, mined, f"{number} of {len(spoken.statements)}")


def statement(scene: Scene, mined: Mined, which: str) -> Iterator[str]:
    row = mined.row
    yield safe(f"  Statement {which}, {row.kind}, {row.id}: {row.text}")
    yield safe(f"    Quoted: “{row.quote}”")
    if mined.before:
        yield safe(f"    Rewritten from: {mined.before.text}")
    if mined.after:
        yield safe(f"    Rewritten as {mined.after}.")
    for verdict in mined.verdicts:
        if verdict.round == scene.run.verify_round:
            yield judged(verdict)
    if mined.cluster:
        yield represented(mined.cluster)
    yield from reviews(scene.reviews.get(row.id, ()))
    for sample in mined.samples:
        why = because(in_words(DROPPED, sample.drop_reason or ""))
        yield safe(f"    Sample, {sample.kind}, {sample.status}{why}, {sample.id}:")
        for message in json.loads(sample.messages):
            yield safe(f"      {message['role']}: {message['content']}")
        yield from reviews(scene.reviews.get(sample.id, ()))


def judged(row: VerdictRow) -> str:
    score = "" if row.score is None else f", {row.score:g} of 5"
    answer = f", {row.answer}" if row.answer else ""
    sure = "" if row.confidence is None else f", {row.confidence:.0%} sure"
    return safe(
        f"    {row.criterion.capitalize()}: {row.relation}{score}{answer}{sure}; {row.decision}" + because(row.reason)
    )


def represented(cluster: Cluster) -> str:
    if cluster.similarity is None:
        return safe(f"    Stands for {cluster.size - 1} more that say the same.")
    near = f"similarity {cluster.similarity:.2f} by {cluster.method}"
    return safe(f"    Said before, {near}; for it stands {cluster.representative_id}: {cluster.representative}")


def reviews(rows: tuple[ReviewRow, ...]) -> Iterator[str]:
    for row in rows:
        rating = "" if row.rating is None else f", rated {row.rating} of 5"
        wording = f", in these words: {row.wording}" if row.wording else ""
        yield safe(f"    Review of {row.reviewer}: {row.decision}{rating}{wording}" + because(row.note))


def because(reason: str | None) -> str:
    return f", because: {reason}" if reason else ""
