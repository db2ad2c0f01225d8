"""The text of `culturepark trace`: a row, and then the rows from which it comes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from textwrap import indent
from typing import TYPE_CHECKING

from rich.text import Text

from culturepark.domain import Edition, Persona, Slip, SurveyItem, home_of
from culturepark.glossary import GROUNDS_SHORT, flags_in_words, in_words
from culturepark.store.reasons import beside, slip_in_words
from culturepark.store.traced import TalkTrace, Trace, TracedReview, TurnTrace
from culturepark.terminal.safe import clip, plain, safe

if TYPE_CHECKING:
    from culturepark.evaluate.answer_trace import AnswerTrace, ShownOption
    from culturepark.store.tables import CallRow, ParticipantRow, RunRow, StatementRenderingRow, TurnRow, VerdictRow


def lines_of(trace: Trace | TalkTrace | AnswerTrace) -> Iterator[Text]:
    if isinstance(trace, Trace):
        return statement_lines(trace)
    if isinstance(trace, TalkTrace):
        return turn_lines(trace) if isinstance(trace, TurnTrace) else talk_lines(trace)
    return answer_lines(trace)


def statement_lines(trace: Trace) -> Iterator[Text]:
    """Lead from a sample, or a statement, to its words, call, persona and survey item; of two statements, from both."""
    yield from sample_lines(trace)
    yield from lines_behind(trace)
    if trace.beside:
        yield heading("beside", trace.beside.statement.id, "the sample is made of this statement too")
        yield from lines_behind(trace.beside)
    elif trace.sample and trace.sample.beside:
        yield heading("beside", trace.sample.beside, "the sample is made of this statement too, which is gone")
    yield run_line(trace.run)


def sample_lines(trace: Trace) -> Iterator[Text]:
    """Yield a sample with all of its words; nothing where the trace begins at a statement."""
    if sample := trace.sample:
        reason = f" ({sample.drop_reason})" if sample.drop_reason else ""
        flags = f"; {flags_in_words(sample.flags)}" if sample.flags else ""
        origin = f"; content: {in_words(GROUNDS_SHORT, sample.provenance)}" if sample.provenance else ""
        yield heading("sample", sample.id, f"{sample.kind}, {sample.status}{reason}{origin}{flags}")
        for message in trace.messages:
            yield plain(indent(f"{message['role']}: {message['content']}", "    "))


def lines_behind(trace: Trace) -> Iterator[Text]:
    """Lead from a statement to its words, call, persona and survey item."""
    statement, turn = trace.statement, trace.turn
    yield heading("statement", statement.id, statement.kind)
    yield plain(f"    {statement.text}")
    for fact in trace.facts:
        yield Text.assemble("    ", (f"{fact.label:<12}", "dim"), safe(fact.text))
    if before := trace.rewritten_from:
        yield plain(f"    reworded from {before.id}: {before.text}")
    if rendering := trace.rendering:
        yield from rendering_lines(rendering)
    for verdict in trace.verdicts:
        yield from verdict_lines(verdict, trace.run)
    if duplicate := trace.duplicate:
        how = f"{duplicate.method}, similarity {duplicate.similarity:.2f}"
        yield heading("duplicate", f"of {duplicate.representative_id}", how)
    yield from review_lines(trace.reviews)
    yield from quoted(trace)
    yield from turn_notes(turn, trace.slips, names_of(trace.edition))
    if call := trace.calls.get(turn.call_id or ""):
        yield call_line(call)
    yield from persona_lines(trace.persona)
    yield heading("seed", trace.seed.key, trace.seed.question)
    if item := trace.item:
        yield stance_line(item, trace.participant)
        if trace.shares:
            shares = (f"{option.label} {trace.shares.get(option.code, 0.0):.0%}" for option in item.options)
            yield plain(f"    {trace.persona.country}: {'; '.join(shares)}")
        yield plain(f"    {item.source}")


def rendering_lines(rendering: StatementRenderingRow) -> Iterator[Text]:
    """Yield a statement in English, and what a second call found of it."""
    found = {None: "not compared by a second call", True: "a second call agrees", False: "a second call disagrees"}
    by = "".join(f", call {name}" for name in (rendering.call_id, rendering.checked_by) if name)
    yield heading("in English", rendering.statement_id, f"{found[rendering.agrees]}{by}")
    for text in (rendering.question, rendering.first_person, rendering.exception):
        if text:
            yield plain(f"    {text}")
    if rendering.difference:
        yield plain(f"    difference: {clip(rendering.difference, 400)}")


def quoted(trace: Trace) -> Iterator[Text]:
    """Yield the turn behind a statement, with the quote marked."""
    statement, turn = trace.statement, trace.turn
    yield heading("turn", turn.id, f"{trace.persona.called}, {turn.phase}")
    start, end = statement.quote_start, statement.quote_end
    quote = (f"[{safe(turn.text[start:end])}]", "bold underline")
    yield Text.assemble("    ", safe(turn.text[:start]), quote, safe(turn.text[end:]))


def talk_lines(trace: TalkTrace) -> Iterator[Text]:
    """Lead from a dialogue, or one person's view of it, to who sat there and what was said."""
    dialogue, item = trace.dialogue, trace.item
    yield heading("dialogue", dialogue.id, f"{dialogue.setting}, {dialogue.protocol}, {dialogue.status}")
    for participant, persona in trace.participants:
        yield from persona_lines(persona)
        if item:
            yield stance_line(item, participant)
    names = names_of(trace.edition)
    for turn in trace.turns:
        by = f", call {turn.call_id}" if turn.call_id else f", {turn.origin}"
        yield heading("turn", turn.id, f"{turn.speaker}, {turn.phase}{by}")
        yield plain(f"    {turn.text}")
        yield from turn_notes(turn, trace.slips, names)
        yield from review_lines([review for review in trace.reviews if review.row.subject_id == turn.id])
    yield heading("seed", trace.seed.key, trace.seed.question)
    if item:
        yield plain(f"    {item.source}")
    yield run_line(trace.run)


def turn_lines(trace: TurnTrace) -> Iterator[Text]:
    """Lead from a turn to its call and its speaker, and on to what was mined from it."""
    *lines, run = talk_lines(trace)
    yield from lines
    if call := trace.call:
        yield call_line(call)
    for statement in trace.statements:
        origin = f"; content: {in_words(GROUNDS_SHORT, statement.provenance)}" if statement.provenance else ""
        yield heading("statement", statement.id, f"{statement.kind}{origin}")
        yield plain(f"    {statement.text}")
        yield from review_lines([review for review in trace.reviews if review.row.subject_id == statement.id])
    if not trace.statements:
        yield plain("          nothing was mined from it")
    yield run


def answer_lines(trace: AnswerTrace) -> Iterator[Text]:
    """Lead from an answer to the item as it was put, who answered, the call, the scores and the suite's card."""
    answer, item, card = trace.answer, trace.item, trace.suite.card
    kind = "declined" if answer.abstained else "no option" if answer.choice is None and answer.shown else ""
    yield heading("answer", answer.id, kind or ("" if answer.choice is None else f"chose {label_of(trace)}"))
    yield plain(indent(answer.text, "    ")) if answer.text else plain("    (no words)")
    yield heading(
        "item", trace.item_id, f"{item.key}, in {answer.language}" + (f", {item.topic}" if item.topic else "")
    )
    yield plain(f"    {item.question}")
    for option in trace.options:
        yield plain(f"    {option_line(option, option.code == answer.choice)}")
    if answer.outside_mass is not None:
        yield plain(f"    mass on no option: {answer.outside_mass:.1%}")
    if item.reference:
        yield plain(f"    reference: {clip(item.reference, 400)}")
    if item.answer is not None:
        yield plain(f"    right is {item.answer}")
    elif (right := item.answers.get(trace.group)) is not None:
        yield plain(f"    right for {trace.group} is {right}")
    asked = ", ".join(name for name in (answer.culture, answer.country) if name) or "nobody is named"
    thought = ", after reasoning" if answer.reasoning else ""
    detail = f"in {answer.language}, arm {answer.arm}{thought}; about: {asked}; repeat {answer.repeat}"
    yield heading("condition", answer.framing, detail)
    if trace.respondent:
        yield from persona_lines(trace.respondent)
    if trace.call:
        yield call_line(trace.call)
    for score in trace.scores:
        value = "missing" if score.value is None else f"{score.value:.4g}"
        group = json.loads(score.detail or "{}").get("group")
        told = f"{score.scorer} {value}" + (f", held against {group}" if group else "")
        yield heading("score", score.id, told + (f" by {score.judge}" if score.judge else ""))
    yield heading("suite", trace.evaluation.suite_id, trace.suite.title)
    for name, text in (("by", card.by), ("correct", card.correct), ("not asked", card.not_asked),
                       ("licence", card.licence), ("source", card.source)):  # fmt: skip
        yield Text.assemble("    ", (f"{name:<12}", "dim"), safe(text))
    yield run_line(trace.run)


def label_of(trace: AnswerTrace) -> str:
    return next((option.label for option in trace.options if option.code == trace.answer.choice), "")


def option_line(option: ShownOption, chosen: bool) -> str:
    """Return an option with what the model and people gave it; `>` before the chosen one."""
    mark = f"{option.mark}. " if option.mark else ""
    weights = [f"model {option.probability:.1%}"] if option.probability is not None else []
    weights += [f"people {option.share:.1%}"] if option.share is not None else []
    return f"{'>' if chosen else ' '} {mark}{option.label}" + (f"  ({', '.join(weights)})" if weights else "")


def names_of(edition: Edition) -> dict[str, str]:
    """Return how all people of a run are called, by their keys."""
    return {persona.key: persona.called for persona in edition.personas}


def turn_notes(turn: TurnRow, slips: Sequence[Slip], names: Mapping[str, str]) -> Iterator[Text]:
    """Yield what a turn did by its own account, and what was found wrong in it."""
    for line in beside(turn.noun(), names):
        yield plain(f"    {line}")
    for slip in slips:
        if slip.turn_id == turn.id:
            yield heading("slip", slip.kind, f"call {slip.call_id}" if slip.call_id else "")
            yield plain(f"    {slip_in_words(slip)}")


def verdict_lines(verdict: VerdictRow, run: RunRow) -> Iterator[Text]:
    sure = f", confidence {verdict.confidence:.2f}" if verdict.confidence is not None else ""
    unasked = "word by word the speaker's own" if verdict.criterion == "faithful" else "nobody was asked"
    by = f", call {verdict.call_id}" if verdict.call_id else f", {unasked}"
    by += "" if verdict.round == run.verify_round else " (superseded)"
    yield heading("verdict", verdict.id, f"{verdict.criterion}: {answer_of(verdict)}{sure}{by}")
    if verdict.reason:
        yield plain(f"    {verdict.judge}: “{clip(verdict.reason, 400)}”")


def answer_of(verdict: VerdictRow) -> str:
    """Return the answer of a verdict; for a judge of a panel and a second persona also the decision."""
    decided = "kept" if verdict.decision == "keep" else "dropped"
    if verdict.judge is None:
        return verdict.relation
    if verdict.criterion == "cross-check":
        return f"{verdict.answer or 'unparsable'} by {verdict.judge}, {decided}"
    score = "unparsable" if verdict.score is None else f"{verdict.score:.3g} of 5"
    return f"{score} by {verdict.judge}, {decided} by the panel"


def review_lines(reviews: Sequence[TracedReview]) -> Iterator[Text]:
    for review in reviews:
        row = review.row
        rated = f", {row.rating} of 5" if row.rating else ""
        gone = "" if review.standing else " (withdrawn)" if row.withdrawn_at else " (superseded)"
        yield heading("review", row.id, f"{row.reviewer}: {row.decision}{rated}{gone}")
        for name, text in (("wording", row.wording), ("note", row.note)):
            if text:
                yield plain(f"    {name}: {text}")


def call_line(call: CallRow) -> Text:
    tokens = f"{call.prompt_tokens} + {call.completion_tokens} tokens"
    return heading("call", call.id, f"{call.model} at {call.endpoint}, seed {call.seed}, {tokens}")


def persona_lines(persona: Persona) -> Iterator[Text]:
    where = f"{persona.name}, {persona.age}, {persona.place}; {persona.culture} {persona.role}"
    yield heading("persona", persona.key, where)
    yield plain(f"    {persona.scope}")


def stance_line(item: SurveyItem, participant: ParticipantRow) -> Text:
    """Say which answer was drawn, or why none was."""
    if stance := participant.stance_text:
        return heading("survey", item.key, f"stance drawn: {stance}")
    from culturepark.languages.countries import country_name

    country = home_of(participant.country, participant.culture or "")
    why = f": no answers from {country_name(country)}" if country not in item.shares else ""
    return heading("survey", item.key, f"no stance was drawn{why}")


def run_line(run: RunRow) -> Text:
    return heading("run", run.id, f"{run.scenario_name}, seed {run.seed}, culturepark {run.version}")


def heading(what: str, name: str, detail: str) -> Text:
    return Text.assemble((f"{what:<9} ", "bold"), safe(name), "  ", (clip(detail, 400), "dim"))
