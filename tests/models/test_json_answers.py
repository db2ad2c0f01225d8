"""JSON as models and endpoints really send it: what is read, what is not believed, and what is asked again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culturepark.catalog.scales import find_scale
from culturepark.dialogue.agents import Chosen
from culturepark.distill.ask import Items
from culturepark.distill.checks import GivenScore, SecondWord
from culturepark.distill.extract import StatementsAnswer
from culturepark.distill.judge_json import Judged, VerdictsAnswer
from culturepark.distill.probes import Guesses, Own
from culturepark.distill.render import Compared as ComparedRendering
from culturepark.distill.render import Rendered
from culturepark.distill.rephrase import Rephrased
from culturepark.distill.reword import Rewording
from culturepark.distill.row_checks import JudgedRow
from culturepark.distill.same import Compared
from culturepark.distill.slips import SlipsAnswer
from culturepark.domain import JsonObject
from culturepark.errors import Missed, PromptCut, TooLong
from culturepark.evaluate.audit import Audited
from culturepark.evaluate.judging import shape_of as rating_on
from culturepark.languages import load_language
from culturepark.mine.norms import Norms, Reasonings
from culturepark.mine.relations import Related
from culturepark.mine.sentences import Compared as ComparedViews
from culturepark.mine.sentences import Sentences
from culturepark.models.chat import Reply
from culturepark.models.json_answers import lists_of, parse
from culturepark.run.rating import Rated
from culturepark.store.tables import CallRow, DialogueRow, StatementRow, TurnRow, VerdictRow
from tests.support.fakes import (
    ELIF,
    JENNA,
    FakeModel,
    Held,
    answering,
    by_numbers,
    edition,
    hold,
    hold_said,
    judged,
    material,
    mined,
    proposals,
    reply,
    shape_of,
)

TEA = "When guests get up to leave we pour one more glass of tea, and they sit down again."
ONE = {"id": 1, "faithful": "entail", "stance": "none", "carried": "none"}
TWO = {"id": 2, "faithful": "irrelevant", "stance": "none", "carried": "none"}
WHOLE = json.dumps({"verdicts": [ONE, TWO]})
LIST = json.dumps([ONE, TWO])
BOTH = [Judged(**ONE), Judged(**TWO)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        WHOLE,
        f"```json\n{WHOLE}\n```",
        f"Here is the JSON you asked for:\n\n```json\n{WHOLE}\n```\n\nLet me know if you need anything else!",
        f"I read {{turns}} and answer:\n{WHOLE}\n(Format: {{...}} as requested.)",
        f'I read [the items] and {{each "one"}}: {WHOLE} [1]',
        f'<think>So {{this}} or {{"verdicts": []}}?</think>{WHOLE}',
        f"Hm, {{this}} should be [JSON].\n</think>\n\n{WHOLE}",
        f'Draft: {{"verdicts": [{json.dumps(ONE)}]}}\n</think>\n{WHOLE}',
        f"<|channel|>analysis<|message|>Hm {{.<|end|><|start|>assistant<|channel|>final<|message|>{WHOLE}<|return|>",
        f"analysisWe need JSON.assistantfinal{WHOLE}",
        f"[THINK]So {{this}}.[/THINK]{WHOLE}",
        f"<answer>{WHOLE}</answer>",
        f"{WHOLE}<|im_end|>",
        f'{WHOLE}<|im_end|>\n<|im_start|>user\nAnd {{"verdicts": []}}?',
        f"{WHOLE}</s>",
        f"\ufeff{WHOLE}\n\n",
        LIST,
        f"```\n{LIST}\n```",
        f'{{"result": {LIST}}}',
        f'{{"data": {WHOLE}}}',
        f'{{"ok": true, "answers": {LIST}, "note": "done"}}',
        f'{{"response": {{"items": {LIST}}}}}',
        f'{{"output": {json.dumps(WHOLE)}}}',
        json.dumps(WHOLE),
        f'{{"Verdicts": {LIST}, "comment": "…"}}',
        '{"VERDICTS": [{"ID": 1, "Faithful": "entail", "stance ": "none", "Carried": "none"}, '
        '{"Id": 2, "faithful": "irrelevant", "STANCE": "none", "carried": "none"}]}',
        WHOLE.replace("entail", "ENTAIL").replace("none", " None"),
        json.dumps({str(one["id"]): {key: word for key, word in one.items() if key != "id"} for one in (ONE, TWO)}),
        json.dumps({"verdicts": {"1": ONE, "2": TWO}}),
        json.dumps({"item 1": ONE, "item 2": TWO}),
        f"{json.dumps(ONE)}\n{json.dumps(TWO)}",
        f"1. {json.dumps(ONE)}\n2. {json.dumps(TWO)}",
        json.dumps({"verdicts": [ONE | {"why": "so {it} is"}, TWO | {"sure": 0.9}]}),
        WHOLE.replace("}]", "},]").replace('"none"}', '"none",}'),
        WHOLE.replace("[", "[ // each by its id\n", 1),
        WHOLE.replace('"', "'"),
        "{'verdicts': [{'id': 1, 'faithful': 'entail', 'stance': 'none', 'carried': 'none', 'why': None}, "
        f"{json.dumps(TWO)}]}}",
        f'First I thought {{"verdicts": [{json.dumps(TWO)}]}}, but now: {WHOLE}',
        f'{WHOLE}\nThe form was {{"verdicts": [{{"id": 0, "faithful": "…", "stance": "…", "carried": "…"}}]}}.',
        f'{WHOLE}\nElse it would be {{"verdicts": []}}.',
        json.dumps({"verdicts": [ONE | {"why": "a\nb"}, TWO]}).replace("\\n", "\n"),
        re.sub('"(.*?)"', r"“\1”", WHOLE),
        "Here “it” is:\n" + re.sub('"(.*?)"', r"”\1”", WHOLE),
        WHOLE.replace(": ", "：").replace(", ", "，"),
        WHOLE.translate(str.maketrans("{}[],:", "｛｝［］，：")),
        WHOLE.replace('"', "&quot;"),
        WHOLE.replace('"entail"', '"Entail."').replace('"id": 1', '"id": "item 1"').replace('"id": 2', '"id": "#2"'),
    ],
)
def test_verdicts_are_read_in_whatever_they_are_wrapped(said: str) -> None:
    found = parse(said, VerdictsAnswer)
    assert found is not None
    assert found.verdicts == BOTH


@pytest.mark.parametrize(
    "said",
    [
        "",
        "{",
        "I would rather not.",
        "I found [] nothing and {} less.",
        WHOLE[:-1],
        WHOLE[:-2],
        LIST[:-1],
        f"```json\n{LIST[:-1]}",
        f'{{"verdicts": [{json.dumps(ONE)}, {{"id": 2, "fa',
        f'{{"verdicts": [{json.dumps(ONE)}, {{"id": 2, "faithful": "ent\n```',
        f"Draft: {WHOLE} Now the final answer: {WHOLE[:60]}",
        f"{WHOLE}</think>{WHOLE[:60]}",
        f"<think>{WHOLE}",
        f"<think>{WHOLE}</think>",
        f'{{"verdicts": [{json.dumps(ONE)}, {{"id": 2, "faithful": entail, "stance": none}}]}}',
        f'{{"verdicts": [{json.dumps(ONE)}, {{"id": 2, "why": "he said "no" to it"}}]}}',
        f'{{"verdicts": [{json.dumps(ONE)}, {{"id": NaN, "faithful": "entail", "stance": "none"}}]}}',
        '{"verdicts": "all fine"}',
        re.sub('"(.*?)"', r"“\1”", WHOLE)[:-1],
        WHOLE.replace('"', "&quot;")[:-2],
        WHOLE.replace('"id": 1', '"id": "1-2"'),
        WHOLE.replace('"id": 1', '"id": "item -1"'),
        '{"error": []}',
        '{"verdicts": {"1": "entail"}}',
        '{"verdicts": [{"id": 0, "faithful": "…", "stance": "…", "carried": "…"}]}',
        f'{{"a": {LIST}, "b": {LIST}}}',
        "[" * 50_000,
        '{"a":' * 20_000,
        "{" * 50_000,
    ],
)
def test_what_is_cut_off_damaged_or_something_else_is_not_believed(said: str) -> None:
    assert parse(said, VerdictsAnswer) is None


@given(
    st.integers(1, len(WHOLE) - 1),
    st.sampled_from(["{}", "```json\n{}", "Here: {}", "<think>a</think>{}", '{{"data": {}']),
)
def test_no_beginning_of_an_answer_is_an_answer(length: int, wrapping: str) -> None:
    assert parse(wrapping.replace("{}", WHOLE[:length]).replace("{{", "{"), VerdictsAnswer) is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_in_a_string_comes_back_as_it_was(statement: str, question: str) -> None:
    one = numbered(statement=statement, question=question)
    found = parse(json.dumps({"left": [], "statements": [one, one]}), StatementsAnswer)
    assert found is not None
    if "< " not in statement + question and "[ " not in statement + question:  # a spelled-out token is what was said
        assert [(s.statement, s.question) for s in found.statements] == [(statement, question)] * 2


def numbered(**changes: Any) -> JsonObject:
    """A statement as the extractor is asked for it."""
    asked = {"turns": [{"turn": 1, "text": f"[1] {TEA}"}]}
    (one,) = by_numbers(proposals((1, "custom", TEA), **changes), asked)["statements"]
    return dict(one)


LEFT = {"first": 2, "last": 3, "why": "courtesy"}


@pytest.mark.parametrize(
    "said",
    [
        {"left": [LEFT], "statements": [numbered()]},
        {"statements": [numbered()], "left": [LEFT], "note": "done"},
        {"Left": [{"First": 2, "LAST": "#3", "why": "Courtesy"}], "Statements": [numbered()]},
        {"result": {"left": [LEFT], "statements": [numbered()]}},
        json.dumps({"left": [LEFT], "statements": [numbered()]}),
        {"left": [LEFT], "statements": [numbered(kind="Practice", reach="GENERAL.")]},
    ],
)
def test_an_extraction_is_read_with_what_it_leaves(said: object) -> None:
    found = parse(json.dumps(said), StatementsAnswer)
    assert found is not None
    assert found.model_dump() == {"left": [LEFT], "statements": [numbered()]}


@pytest.mark.parametrize(
    "said", [{"statements": [numbered()]}, [numbered()], {"results": [numbered()]}, {"1": numbered()}, numbered()]
)
def test_an_extraction_that_does_not_say_what_it_leaves_is_one(said: object) -> None:
    found = parse(json.dumps(said), StatementsAnswer)
    assert found is not None
    assert found.model_dump() == {"left": [], "statements": [numbered()]}


@pytest.mark.parametrize(
    "said",
    [{"left": [LEFT]}, {"left": [], "statements": [{**numbered(), "first": None}]}, {"statements": [LEFT]}, [LEFT]],
)
def test_an_extraction_without_statements_that_can_be_read_is_none(said: object) -> None:
    assert parse(json.dumps(said), StatementsAnswer) is None


@pytest.mark.parametrize("said", ["[]", '{"statements": []}', '{"results": []}', "```json\n[]\n```"])
def test_nothing_is_an_answer_where_it_is_said(said: str) -> None:
    found = parse(said, StatementsAnswer)
    assert found is not None
    assert found.statements == []


REWORDED = {"statement": "Elif pours tea.", "first_person": "I pour tea."}


@pytest.mark.parametrize(
    "said",
    [
        REWORDED,
        [REWORDED],
        {"rewording": REWORDED},
        {"Statement": "Elif pours tea.", "firstPerson": "I pour tea."},
        json.dumps(REWORDED),
        {"statement": "Elif pours tea.", "first-person": "I pour tea.", "changed": True},
    ],
)
def test_a_rewording_is_read_in_whatever_it_is_wrapped(said: object) -> None:
    assert parse(json.dumps(said), Rewording) == Rewording(**REWORDED)


def test_a_prompts_own_example_is_no_answer() -> None:
    for name, shape in SHAPES.items():
        assert parse(example_in(name), shape) is None


# --- prompts say their shape -------------------------------------------------------------------------------

SHAPES: dict[str, Any] = {
    "lead": Chosen,
    "slips": SlipsAnswer,
    "extract": StatementsAnswer,
    "verify": VerdictsAnswer,
    "row-checks": Items[JudgedRow],
    "rephrase": Rephrased,
    "same": Items[Compared],
    "reword": Rewording,
    "reword-as-published": Rewording,
    "cross-check": Items[SecondWord],
    "score": Items[GivenScore],
    "fit": Items[Rated],
    "probe-stance": Guesses,
    "probe-understanding": Guesses,
    "probe-own": Own,
    "render": Items[Rendered],
    "render-check": Items[ComparedRendering],
    "audit": Items[Audited],
    "mine-sentences": Sentences,
    "mine-synonyms": Sentences,
    "mine-same-view": Items[ComparedViews],
    "mine-norms": Norms,
    "mine-reasons": Reasonings,
    "mine-pairs": Items[Related],
    "rate": rating_on(find_scale("competence").model_copy(update={"lines": ("first", "second")})),
}
"""Every prompt whose answer is JSON; that of `people` is another for each draft, and shows no shape."""


def example_in(name: str) -> str:
    (line,) = [line for line in load_language("en").prompt(name).text.splitlines() if "JSON alone" in line]
    return line[line.index("{") : line.rindex("}") + 1]


@pytest.mark.parametrize("name", SHAPES)
def test_a_prompt_shows_the_shape_that_is_asked_for(name: str) -> None:
    shown, shape = json.loads(example_in(name)), SHAPES[name]
    assert list(shown) == list(shape.model_fields)
    for part, item in lists_of(shape).items():
        assert [list(one) for one in shown[part]] == [list(item.model_fields)]


def test_no_module_asks_for_json_with_another_prompt() -> None:
    """A module that is new here has a prompt that belongs into `SHAPES`."""
    folder = Path(__file__).parents[2] / "culturepark"
    asking = {
        one.stem
        for one in folder.rglob("*.py")
        if re.search(r"await (?:asker\.json|each)\(|Schema\(\"", one.read_text("utf-8"))
    }
    stages = {"extract", "judge_json", "row_checks", "reword", "ask", "checks", "rating", "writer", "slips", "probes"}
    stages |= {"rephrase", "same", "render", "audit", "judging", "sentences", "norms", "relations"}
    stages |= {"together"}  # the prompts of `extract` and `slips` in one
    assert asking == stages | {"agents", "trial"}  # `trial` asks as `judge_json` does


# --- what is asked again, and in parts ---------------------------------------------------------------------

POTLUCK = "At our potlucks everybody brings a dish, and nobody asks who made which."
TALK = [(JENNA, f"I have lived here for long. {POTLUCK}"), (ELIF, f"I have thought about it a lot. {TEA}")]


def found_in(asked: JsonObject) -> JsonObject:
    return proposals(*((turn["turn"], "custom", TEA if TEA in turn["text"] else POTLUCK) for turn in asked["turns"]))


def rejected(held: Held) -> JsonObject:
    (dialogue,) = held.rows(DialogueRow)
    counts: JsonObject = json.loads(dialogue.rejected)
    return counts


def failing(error: Exception, when: Callable[[JsonObject], bool], shape: str = "statements") -> FakeModel:
    """Finds and judges everything, but fails requests of a shape about some material."""
    answer = answering(statements=found_in, verdicts=judged)

    def or_not(body: JsonObject) -> str | Reply:
        if shape_of(body) == shape and when(material(body)):
            raise error
        return answer(body)

    return FakeModel(or_not)


def test_a_part_that_overflows_the_context_is_asked_in_halves(tmp_path: Path) -> None:
    held = hold_said(tmp_path, TALK, failing(TooLong("8192 tokens"), lambda asked: len(mined(asked)) > 1))
    assert [s.quote for s in held.rows(StatementRow)] == [POTLUCK, TEA]
    assert {row.status for row in held.rows(DialogueRow)} == {"done"}


def test_a_turn_that_overflows_the_context_alone_is_counted_and_costs_no_dialogue(tmp_path: Path) -> None:
    held = hold_said(tmp_path, TALK, failing(TooLong("8192"), lambda asked: TEA in str(mined(asked))))
    assert [s.quote for s in held.rows(StatementRow)] == [POTLUCK]
    assert rejected(held) == {"too-long": 1}
    assert {row.status for row in held.rows(DialogueRow)} == {"done"}


def test_verdicts_that_overflow_the_context_are_asked_in_halves_and_one_alone_is_unparsable(tmp_path: Path) -> None:
    model = failing(TooLong("8192"), lambda asked: TEA in json.dumps(asked), "verdicts")
    held = hold_said(tmp_path, TALK, model)
    relations = {(row.statement_id[-5:], row.relation) for row in held.of(VerdictRow, criterion="faithful")}
    assert relations == {("t1.s1", "entail"), ("t2.s1", "unparsable")}
    assert {row.status for row in held.rows(DialogueRow)} == {"done"}


def test_a_schema_that_was_missed_once_is_asked_again(tmp_path: Path) -> None:
    seen: list[int] = []

    def first(asked: JsonObject) -> bool:
        seen.append(len(mined(asked)))
        return len(seen) == 1

    error = Missed("Failed to generate JSON")
    error.retryable = False  # the ledger has tried for long enough
    held = hold_said(tmp_path, TALK, failing(error, first))
    assert [s.quote for s in held.rows(StatementRow)] == [POTLUCK, TEA]
    assert seen == [2, 2]


def test_a_schema_that_is_always_missed_is_unparsable_and_costs_no_dialogue(tmp_path: Path) -> None:
    error = Missed("Failed to generate JSON")
    error.retryable = False
    held = hold_said(tmp_path, TALK, failing(error, lambda _: True))
    assert rejected(held) == {"unparsable": 1}
    assert {row.status for row in held.rows(DialogueRow)} == {"done"}


def test_what_a_filter_keeps_back_is_asked_in_halves(tmp_path: Path) -> None:
    def statements(asked: JsonObject) -> JsonObject | Reply:
        return reply("", "content_filter") if TEA in json.dumps(asked) else found_in(asked)

    held = hold_said(tmp_path, TALK, FakeModel(answering(statements=statements, verdicts=judged)))
    assert [s.quote for s in held.rows(StatementRow)] == [POTLUCK]
    assert rejected(held) == {"withheld": 1}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("{}<|im_end|>", "control-token"),
        ("<think>so</think>{}", "leaked-thoughts"),
        ("{} \ufffd", "garbled"),
        ("{}\0", "garbled"),
        ("< /s>{}", "control-token"),
    ],
)
@pytest.mark.parametrize("part", ["statement", "first_person"])
@pytest.mark.sampled
def test_a_statement_with_a_control_token_is_never_stored_and_the_others_are(
    tmp_path: Path, words: str, reason: str, part: str
) -> None:
    def statements(asked: JsonObject) -> JsonObject:
        said = found_in(asked)
        said["statements"][0][part] = words.replace("{}", said["statements"][0][part])
        return said

    held = hold_said(tmp_path, TALK, FakeModel(answering(statements=statements, verdicts=judged)))
    assert [s.quote for s in held.rows(StatementRow)] == [TEA]
    assert rejected(held) == {reason: 1}


@pytest.mark.parametrize("labels", [True, False])
def test_log_probabilities_are_asked_only_of_small_judges(tmp_path: Path, labels: bool) -> None:
    model = FakeModel(answering(statements=found_in, verdicts=judged), labels=labels)
    hold_said(tmp_path, TALK, model, edition(distill={"extract": "batch", "verify": "batch"}))
    asked = [body.get("top_logprobs", 0) for body in model.bodies if shape_of(body) == "verdicts"]
    assert asked
    assert set(asked) == {1 if labels else 0}


# --- in a dialogue -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TooLong("maximum context length is 4096 tokens"), "context-overflow: maximum context length is 4096 tokens"),
        (PromptCut("it read 2,048 tokens of a longer prompt"), "prompt-cut: it read 2,048 tokens of a longer prompt"),
    ],
)
def test_a_talk_that_outgrows_the_context_is_stopped_and_mined(tmp_path: Path, error: Exception, reason: str) -> None:
    def answer(body: JsonObject) -> str | Reply:
        if not shape_of(body) and len(body["messages"]) > 4:
            raise error
        return FakeModel().answer(body)

    held = hold(tmp_path, edition(), FakeModel(answer))
    (dialogue,) = held.rows(DialogueRow)
    assert (dialogue.status, dialogue.stop_reason) == ("stopped", reason)
    assert held.rows(StatementRow)
    assert held.stats()["status"] == "done"


def test_a_context_that_holds_not_even_the_first_speech_fails_the_dialogue(tmp_path: Path) -> None:
    def answer(body: JsonObject) -> str | Reply:
        raise TooLong("maximum context length is 512 tokens")

    held = hold(tmp_path, edition(), FakeModel(answer))
    (dialogue,) = held.rows(DialogueRow)
    assert (dialogue.status, dialogue.stop_reason) == ("failed", "context-overflow")
    assert "512" in (dialogue.error or "")


def test_thoughts_in_a_speech_are_taken_out_or_asked_again(tmp_path: Path) -> None:
    def answer(body: JsonObject) -> str | Reply:
        said = FakeModel().answer(body)
        if shape_of(body):
            return said
        return f"Well, <think>ZQX</think> {said}" if body["seed"] % 2 else f"ZQX so.</think>\n{said}<|im_end|>"

    held = hold(tmp_path, edition(), FakeModel(answer))
    turns = held.rows(TurnRow)
    assert any(turn.origin == "model" for turn in turns)
    assert not any("ZQX" in turn.text or "<" in turn.text for turn in turns)
    refused = {call.refused for call in held.of(CallRow, stage="dialogue")}
    assert "leaked-thoughts" in refused
