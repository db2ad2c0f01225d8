"""The words around a row: files with many wordings, of which a sample's id chooses one."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from culturepark.catalog.surveys import load_items
from culturepark.distill.rephrase import is_fit
from culturepark.distill.wordings import (
    ASKED,
    FILES,
    Form,
    Wordings,
    form_in,
    form_of,
    person_of,
    styles,
    survey_answer,
    under_the_same_prompt,
    who_answers,
)
from culturepark.domain import Attribute, Shape, Statement, SurveyItem
from culturepark.languages import Prompt, load_language
from culturepark.models.spec import LEXICAL
from culturepark.run.pipeline import Run
from culturepark.store.tables import CallRow, SampleRow
from tests.support.fakes import (
    ELIF,
    Cast,
    FakeModel,
    Listener,
    answering,
    begin,
    edition,
    hold_said,
    judged,
    proposals,
    shape_of,
    shipped,
)

ENGLISH = Wordings(load_language("en"))
ELIFS_CARD = next(person for person in shipped("everyday-norms").personas if person.key == ELIF)
GROUPS = [group for groups in ASKED.values() for group in groups]
ITEMS = load_items([])
SCALE = ITEMS["wvs7/Q33"]


def said(*hangs_on: Attribute) -> Statement:
    return Statement(
        id="r.d1.t3.s1", turn_id="r.d1.t3", persona_key=ELIF, culture="turkish", kind="custom", text="Elif pours tea.",
        first_person="I pour tea.", quote="I pour tea.", quote_start=0, quote_end=12, hangs_on=hangs_on,
    )  # fmt: skip


# --- the files ---------------------------------------------------------------------------------------


def test_every_shape_has_a_file_and_every_file_is_known() -> None:
    folder = Path(str(load_language("en").folder)) / "samples"
    assert {path.name for path in folder.iterdir()} == {f"{name}.md" for name in FILES}
    assert set(ASKED) == set(get_args(Shape))


@pytest.mark.parametrize("group", [*GROUPS, "country/text", "person/text", "contrast/system"])
def test_every_prompt_has_ten_wordings_at_least_all_different(group: str) -> None:
    texts = [wording.text.casefold() for wording in ENGLISH.of(group)]
    assert len(set(texts)) == len(texts) >= 10


HOLES = {
    "survey/ask": {"question", "options"}, "survey/only": {"question", "options", "mark"}, "open/user": {"question"},
    "own/user": {"question"}, "situation/user": {"told"}, "limit/user": {"said"}, "decline/user": {"said", "there"},
    "contrast/user": {"question", "first", "second", "one", "other"}, "country/text": {"country"},
    "person/text": {"who"}, "contrast/system": set(), "survey/answer": {"choice", "first_person"},
    "contrast/answer": {"first_country", "second_country"},
    **{f"norm/{kind}": set() for kind in ("norm", "custom", "personal")},
    **{f"norm/{kind}-topic": {"topic"} for kind in ("norm", "custom")},
}  # fmt: skip


@pytest.mark.parametrize("group", HOLES)
def test_every_wording_has_the_holes_of_its_prompt_each_once(group: str) -> None:
    for wording in ENGLISH.of(group):
        holes = re.findall(r"\{\{(\w+)\}\}", wording.text)
        assert len(holes) == len(set(holes)), wording.text
        assert HOLES[group] <= set(holes) <= HOLES[group] | {"country"}, wording.text


@pytest.mark.parametrize("group", ["limit/user", "contrast/user", "decline/user"])
def test_what_somebody_said_stands_in_quotation_marks(group: str) -> None:
    for wording in ENGLISH.of(group):
        for hole in wording.holes & {"said", "first", "second"}:
            assert f"“{{{{{hole}}}}}”" in wording.text


# --- the choice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", GROUPS)
def test_every_wording_is_chosen_about_as_often_and_an_id_always_has_the_same(group: str) -> None:
    values = dict.fromkeys(("country", *HOLES[group]), "…")
    ids = [f"r.d{number}.t3.s1.x1" for number in range(2000)]
    drawn = Counter(ENGLISH.say(group, name, **values) for name in ids)
    assert drawn == Counter(ENGLISH.say(group, name, **values) for name in reversed(ids))
    expected = 2000 / len(ENGLISH.of(group))
    assert all(0.6 * expected < count < 1.4 * expected for count in drawn.values())


def test_half_of_the_rows_say_who_speaks_and_the_others_only_where() -> None:
    keys = [f"r.d{n}.t3.s1.x1" for n in range(1000)]
    told = [who_answers(ENGLISH, said("work"), ELIFS_CARD, key, in_person=False) for key in keys]
    with_work = sum("nurse on a children's ward" in text for text in told)
    assert 440 < with_work < 560
    assert all("Türkiye" in text for text in told)
    assert sum("Konya" in text for text in told) == with_work


def test_an_option_of_a_survey_is_always_one_persons() -> None:
    keys = [f"r.d{n}.t3.s1.x1" for n in range(50)]
    told = [who_answers(ENGLISH, said("work"), ELIFS_CARD, key, in_person=True) for key in keys]
    assert all("a woman aged 34 from Konya" in text and "nurse" in text for text in told)


def test_of_a_person_only_what_the_answer_hangs_on_is_said_and_never_the_name() -> None:
    assert person_of(ENGLISH, said(), ELIFS_CARD) == "somebody from Konya, Türkiye"
    assert person_of(ENGLISH, said("sex", "age"), ELIFS_CARD) == "a woman aged 34 from Konya, Türkiye"
    assert person_of(ENGLISH, said("faith", "settlement"), ELIFS_CARD) == (
        "somebody from Konya, Türkiye; lives in a city; faith: Sunni Muslim"
    )
    for person in shipped("everyday-norms").personas:
        text = person_of(ENGLISH, said(*get_args(Attribute)), person)
        assert person.called not in text.replace(person.place, "")
        assert person.place in text


# --- survey answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", ITEMS.values(), ids=ITEMS)
def test_options_are_listed_in_each_form_and_found_again_in_a_prompt(item: SurveyItem) -> None:
    for style in styles(item):
        for backwards in (False, True):
            form = Form(style, backwards)
            entries = form.entries(item)
            assert list(entries) == [option.label for option in item.options][:: -1 if backwards else 1]
            assert len({mark for mark, _ in entries.values()}) == len(item.options)
            for wording in (*ENGLISH.of("survey/ask"), *ENGLISH.of("survey/only")):
                prompt = wording.render(question=item.question, options=form.listing(item), mark="the letter")
                assert form_in(prompt, item) == form
    assert form_in("How do you do?", item) is None


def test_labels_that_hold_numbers_get_no_others() -> None:
    assert "number" not in styles(ITEMS["wvs7/Q158"])
    assert styles(SCALE) == ["label", "letter", "number"]


def test_forms_are_balanced_by_hash() -> None:
    drawn = Counter(form_of(f"r.d{n}.t3.s1.x1", SCALE) for n in range(3000))
    assert len(drawn) == 6
    assert all(430 < count < 570 for count in drawn.values())


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("style", styles(SCALE))
def test_anothers_answer_stands_under_a_prompt_in_the_form_that_this_asks_for(style: str, backwards: bool) -> None:
    form = Form(style, backwards)  # type: ignore[arg-type]
    marks = form.entries(SCALE)
    for asked, wording in (("survey/ask", ENGLISH.of("survey/answer")[1]), ("survey/only", None)):
        prompt = ENGLISH.say(asked, "x", question="?", options=form.listing(SCALE), mark="the mark")
        own = survey_answer(wording, form, SCALE, "agree", "I saw it.")
        other = under_the_same_prompt(ENGLISH, SCALE, prompt, (own, "agree", "I saw it."), ("disagree", "I did not."))
        mark, entry = marks["disagree"]
        assert other == (f"I would say: {entry}. I did not." if wording else mark)


def test_an_answer_in_nobodys_form_is_put_under_no_other_prompt() -> None:
    prompt = Form("letter", False).listing(SCALE)
    known, other = ("In a reviewer's words.", "agree", "I saw it."), ("disagree", "I did not.")
    assert under_the_same_prompt(ENGLISH, SCALE, prompt, known, other) is None
    assert under_the_same_prompt(ENGLISH, SCALE, "no options", ("agree", "agree", "I saw it."), other) is None


# --- paraphrases --------------------------------------------------------------------------------------------


KNOWN = (Prompt("“{{said}}” Is it so in {{country}}?"), Prompt("You say “{{said}}” Always?"))


@pytest.mark.parametrize(
    ("text", "fit"),
    [
        ("“{{said}}” Really?", True),
        ("Here in {{country}}: “{{said}}” Is it?", True),
        ("Is it so?", False),
        ("{{said}} Is it so?", False),
        ("“{{said}}” and “{{said}}”?", False),
        ("“{{said}}” Who is {{name}}?", False),
        ("“{{said}}” {so}?", False),
        ("“{{ said }}” so?", False),
        ("you say “{{said}}”  always?", False),
        ("", False),
        ("“{{said}}” <think>hm</think>?", False),
        ("“{{said}}” " + "so " * 200, False),
    ],
)
def test_a_models_wording_is_refused_unless_it_asks_for_the_same(text: str, fit: bool) -> None:
    assert is_fit(text, KNOWN) is fit


def one_statement(**more: object) -> FakeModel:
    words = "At ours the tea glass is filled again until you lay the spoon across it."
    found = proposals((1, "custom", words), first_person=words)
    return FakeModel(answering(statements=lambda _: found, verdicts=judged, **more))  # type: ignore[arg-type]


SAID = [(ELIF, "At ours the tea glass is filled again until you lay the spoon across it.")]


def test_a_scenario_that_wants_more_wordings_asks_its_extractor_once_a_run(tmp_path: Path) -> None:
    new = {"wordings": ["Quite another request.", "{{who}} does it?", "Just one, from {{country}}."]}
    model = one_statement(wordings=lambda _: new)
    held = hold_said(tmp_path, SAID, model, edition(distill={"paraphrases": 3}, samples=("norm",)))
    asked = [body for body in model.bodies if shape_of(body) == "wordings"]
    assert len(asked) == len(ASKED["norm"])
    calls = held.of(CallRow, stage="shape")
    assert len(calls) == len(asked)
    assert {call.subject_id for call in calls} == {held.run_id}
    topics = sum("topic" in group for group in ASKED["norm"])
    assert f"{2 * (len(asked) - topics)} more wordings" in " ".join(held.notes)
    assert f"{len(asked) - topics + 3 * topics} unfit ones refused" in " ".join(held.notes)
    (before,) = held.of(SampleRow)
    held.carry_on()
    assert [body for body in model.bodies if shape_of(body) == "wordings"] == asked
    assert held.of(SampleRow)[0].messages == before.messages


def test_nobody_is_asked_for_wordings_unless_the_scenario_says_so(tmp_path: Path) -> None:
    model = one_statement()
    hold_said(tmp_path, SAID, model, edition(samples=("norm",)))
    assert model.asked("wordings") == []


def test_a_models_wordings_are_among_those_that_are_chosen(tmp_path: Path) -> None:
    many = {"wordings": [f"A request, the {number}th of its kind." for number in range(50)]}
    model = one_statement(wordings=lambda asked: many if "topic" not in asked["holes"] else {"wordings": []})
    held = hold_said(tmp_path, SAID, model, edition(distill={"paraphrases": 50}, samples=("norm",)))
    more = Wordings(load_language("en"), {"norm/custom": tuple(Prompt(text) for text in many["wordings"])})
    (row,) = held.of(SampleRow)
    key = f"norm held.d1.t1 0 {SAID[0][1]}"
    assert json.loads(row.messages)[1]["content"] == more.say("norm/custom", key, country="Türkiye", topic="")


def test_a_model_this_small_is_not_asked(tmp_path: Path) -> None:
    held = begin(tmp_path, edition(distill={"paraphrases": 3}), FakeModel(labels=True))
    run = Run(held.store, held.row, Listener(held.notes))
    run.models = Cast(held.model, LEXICAL)  # type: ignore[assignment]
    told = asyncio.run(run._wordings())
    assert {code: (each.language.code, each.more) for code, each in told.items()} == {"en": ("en", {})}
    assert held.model.bodies == []
    assert held.notes == ["prompts have the shipped wordings alone: a model this small is not asked for others"]
