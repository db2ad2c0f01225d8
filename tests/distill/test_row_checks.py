"""Rows are judged without their talk: under which question they stand, alone or not, and of which country they tell."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culturepark.catalog.cultures import default_names
from culturepark.catalog.personas import load_all
from culturepark.distill.row_checks import (
    ALWAYS,
    LETTERS,
    PROMPTS,
    ROWS_A_CALL,
    JudgedRow,
    RowCase,
    as_item,
    choices,
    masked,
    read,
    row_case,
    said_once,
    told,
    worth_asking,
)
from culturepark.domain import Criterion, JsonObject, Kind, Statement, Verdict
from culturepark.languages import load_language
from culturepark.store.tables import CallRow, StatementRow, VerdictRow
from tests.support.fakes import (
    ELIF,
    JENNA,
    FakeModel,
    Held,
    answering,
    edition,
    good_rows,
    hold_said,
    judged,
    only_casting,
    proposals,
)
from tests.support.tongues import CEVDET, table
from tests.support.tongues import ELIF as ELIF_HANIM

ENGLISH = load_language("en")
CASTING = only_casting(edition())
TEA = "When guests get up to leave we pour one more glass of tea, and they sit down again."
JOB = "I think a job belongs to whoever does it best, man or woman."
NO = "My own answer is no, because I earn my own money."
SHOES = "One takes off one's shoes before one steps on anybody's carpet."
TALK = [(JENNA, JOB), (ELIF, f"{TEA} {NO} {SHOES}")]
FOUR = ((1, "opinion", JOB), (2, "custom", TEA), (2, "opinion", NO), (2, "norm", SHOES))


def case(name: str = "d1.t1.s1", country: str = "Türkiye", answer: str = TEA, **more: Any) -> RowCase:
    return RowCase(name, answer, **({"questions": {"answers": "What do you do?"}, "country": country} | more))


# --- among four countries --------------------------------------------------------------------------------


@pytest.mark.parametrize("country", default_names())
def test_the_speakers_country_is_one_of_four_and_each_stands_there_once(country: str) -> None:
    cases = [case(f"d{n}.t1.s1", country) for n in range(400)]
    found = [choices(one) for one in cases]
    assert all(len(set(four)) == len(four) == len(LETTERS) for four in found)
    assert all(set(four) <= set(default_names()) for four in found)
    assert [choices(one) for one in cases] == found  # the same in every process, since it is hashed
    places = Counter(four.index(country) for four in found)
    assert set(places) == {0, 1, 2, 3}
    assert max(places.values()) < 140  # of 100 each
    others = Counter(name for four in found for name in four if name != country)
    assert set(others) == set(default_names()) - {country}
    assert min(others.values()) > 90  # of 150 each


def test_the_four_are_known_by_the_statement_alone() -> None:
    assert choices(case("held.d1.t2.s1")) == choices(case("held.d1.t2.s1", answer=SHOES))
    assert choices(case("held.d1.t2.s1")) == ["South Korea", "the United States", "Türkiye", "Bangladesh"]


def test_a_letter_is_told_by_the_order() -> None:
    one = case()
    assert [told(one, letter) for letter in LETTERS] == [name == "Türkiye" for name in choices(one)]


# --- what is masked --------------------------------------------------------------------------------------

NAMES = ("Elif", "Yıldız", "Elif Yıldız", "Konya", "Central Anatolia", "Stockton, California", "Ho", "New Haven")


FORMS = """
Türkiye Turkey Turkish Turks Türk TÜRKIYE Germany German Germans GERMANY Jordan Jordanian Arabs Arabic China Chinese
Korea Koreans Brazil Brazilians Portuguese Argentina Argentine Argentinian Spanish Bangladesh Bangladeshis Bengali
America American Americans USA US United States Elif Yıldız YILDIZ Yildiz Konya Anatolia California Ho Haven
"""


@pytest.mark.parametrize("word", FORMS.split())
def test_a_name_of_a_country_people_place_or_person_is_masked_in_every_form(word: str) -> None:
    for text, found in [("{} is home.", "[…] is home."), ("With {}’s bread, I say.", "With […]’s bread, I say.")]:
        assert masked(text.replace("{}", word), case(names=NAMES)) == found


@pytest.mark.parametrize(
    "text",
    [
        TEA,
        "I paint china, and turkeys run about in the united yard.",
        "My neighbour is a state employee; we keep to our own.",
        "New bread is kissed. He is at home, ho ho.",
        "The central market opens at nine, us included.",
        "Georgian wine, Persian rugs and Mexican corn.",
        "我们过年回家，大家一起吃饺子。",
        "",
    ],
)
def test_other_words_stay(text: str) -> None:
    assert masked(text, case(names=NAMES)) == text


def test_letters_with_full_stops_are_masked_as_one_name() -> None:
    assert masked("In the U.S. one tips.", case()) == "In the […] one tips."
    assert masked("At 5 p.m. we eat.", case()) == "At 5 p.m. we eat."


@given(st.text(max_size=80))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = masked(text, case(names=NAMES))
    assert masked(once, case(names=NAMES)) == once


PEOPLES = ("Turk", "Türk", "German", "Chin", "Korea", "Brazil", "Argentin", "Bangladesh", "Beng", "Jordan", "America")


def test_norms_of_the_cards_name_no_country_or_people_once_they_are_masked() -> None:
    """What is left to tell it by is what people do there."""
    norms = [norm.text for person in load_all([]) for norm in person.norms]
    assert any(word.startswith(PEOPLES) for norm in norms for word in norm.split())
    assert [word for norm in norms for word in masked(norm, case()).split() if word.startswith(PEOPLES)] == []


# --- what is asked ---------------------------------------------------------------------------------------


def statement(key: str = ELIF, kind: Kind = "custom", **more: Any) -> Statement:
    values = {
        "id": "held.d1.t2.s1",
        "turn_id": "held.d1.t2",
        "persona_key": key,
        "culture": CASTING.by_key(key).persona.culture,
        "kind": kind,
        "text": f"Elif from Türkiye says: {TEA}",
        "first_person": TEA,
        "quote": TEA,
        "quote_start": 0,
        "quote_end": len(TEA),
    }
    return Statement.model_validate(values | more)


@pytest.mark.parametrize(
    ("kind", "more", "asked"),
    [
        ("custom", {}, set()),
        ("custom", {"question": "What do you do?"}, {"answers"}),
        ("custom", {"about": "seed"}, {"answers-seed"}),
        ("custom", {"about": "case"}, {"answers-case"}),
        ("norm", {"about": "else", "question": "What is the rule?"}, {"answers"}),
        ("opinion", {"about": "else"}, {"answers-seed"}),  # a view may answer the question though it is not said so
        ("opinion", {"about": "case", "question": "What do you think?"}, {"answers", "answers-seed", "answers-case"}),
    ],
)
def test_a_row_is_judged_under_the_questions_where_it_may_stand(
    kind: Kind, more: dict[str, Any], asked: set[Criterion]
) -> None:
    assert set(row_case(statement(kind=kind, **more), CASTING, ENGLISH, None).questions) == asked


def test_each_question_is_put_as_it_would_be_read() -> None:
    other = statement(JENNA, id="held.d1.t1.s1", first_person=JOB)
    mine = statement(kind="opinion", about="case", question="What do you do when guests leave?", unlike=other.id)
    found = row_case(mine, CASTING, ENGLISH, other)
    assert CASTING.situation is not None
    assert found.questions == {
        "answers": "What do you do when guests leave?",
        "answers-seed": CASTING.seed.question,
        "answers-case": f"{CASTING.situation.told} What do you do?",
        "answers-other": f"Somebody from the United States says: “{JOB}” Is it so where you live, too?",
    }
    assert (found.id, found.country, found.answer) == (mine.id, "Türkiye", TEA)
    assert {"Elif", "Jenna", "Konya"} <= set(found.names)


def test_the_judge_reads_question_and_answer_without_names_and_nothing_else() -> None:
    other = statement(JENNA, first_person="Around Stockton, Jenna and her friends call first.")
    mine = statement(first_person="In Konya we Turks pour tea, and Elif too.", question="Do they do so in Germany?")
    item = as_item(row_case(mine, CASTING, ENGLISH, other))
    assert set(item) == {"questions", "answer", "countries"}
    assert item["answer"] == "In […] we […] pour tea, and […] too."
    assert item["questions"] == {
        "own": "Do they do so in […]?",
        "other": "Somebody from the […] […] says: “Around […], […] and her friends call first.” "
        "Is it so where you live, too?",
    }
    assert list(item["countries"]) == list(LETTERS)
    assert list(item["countries"].values()) == choices(case(mine.id))


# --- what is read ----------------------------------------------------------------------------------------

YES = {"id": 1, "own": "yes", "seed": "yes", "case": "yes", "other": "yes", "alone": "yes", "country": "A"}
ALL: dict[Criterion, str] = dict.fromkeys(PROMPTS, "A question?")


def found_in(asked: RowCase, **said: str) -> dict[str, str]:
    relations = read(asked, JudgedRow.model_validate(YES | said))
    assert {confidence for _, confidence in relations.values()} == {None}
    return {criterion: relation for criterion, (relation, _) in relations.items()}


@pytest.mark.parametrize("criterion", PROMPTS)
@pytest.mark.parametrize(("said", "relation"), [("yes", "entail"), ("no", "contradict"), ("none", "unparsable")])
def test_each_question_is_read_by_its_own_word(criterion: Criterion, said: str, relation: str) -> None:
    found = found_in(case(questions=ALL), **{PROMPTS[criterion]: said})
    assert found.pop(criterion) == relation
    assert {found[other] for other in PROMPTS if other != criterion} == {"entail"}


def test_an_answer_to_a_question_that_was_not_put_counts_for_nothing() -> None:
    assert set(found_in(case(questions={}))) == set(ALWAYS)
    assert set(found_in(case(), seed="no")) == {"answers", *ALWAYS}


def test_a_country_counts_only_if_it_is_the_speakers() -> None:
    one = case()
    right = LETTERS[choices(one).index("Türkiye")]
    found = {letter: found_in(one, country=letter)["distinctive"] for letter in (*LETTERS, "any")}
    assert found == {letter: "entail" if letter == right else "contradict" for letter in (*LETTERS, "any")}


def test_alone_is_read_by_itself() -> None:
    assert found_in(case(), alone="no") | {"distinctive": ""} == {
        "answers": "entail",
        "stands-alone": "contradict",
        "distinctive": "",
    }


def test_what_could_not_be_read_is_unparsable_in_everything_that_was_asked() -> None:
    found = read(case(questions=ALL), None)
    assert found == dict.fromkeys((*PROMPTS, *ALWAYS), ("unparsable", None))


# --- what is worth asking ----------------------------------------------------------------------------------


def verdict(criterion: Criterion, relation: str, decision: str, name: str = "s") -> Verdict:
    return Verdict.model_validate(
        {"statement_id": name, "criterion": criterion, "relation": relation, "decision": decision, "call_id": None}
        | {"confidence": None}
    )


@pytest.mark.parametrize(
    ("given_", "worth"),
    [
        ([("faithful", "entail", "keep")], True),
        ([("faithful", "entail", "drop")], False),  # the judge was not sure
        ([("faithful", "irrelevant", "drop")], False),
        ([("faithful", "unparsable", "drop")], False),
        ([], False),
        ([("stance", "entail", "keep")], False),
        ([("faithful", "entail", "keep"), ("stance", "entail", "keep")], True),
        ([("faithful", "entail", "keep"), ("stance", "contradict", "drop")], False),
        ([("faithful", "entail", "keep"), ("stance", "contradict", "keep")], True),  # the scenario keeps them
        ([("faithful", "entail", "keep"), ("stance", "irrelevant", "drop")], True),  # it may answer another question
        ([("faithful", "entail", "keep"), ("stance", "unparsable", "drop")], False),
        ([("faithful", "entail", "keep"), ("carried", "irrelevant", "drop")], True),
    ],
)
def test_what_may_make_some_row_is_asked_about(given_: list[tuple[Criterion, str, str]], worth: bool) -> None:
    assert worth_asking(verdict(*one) for one in given_) == ({"s"} if worth else set())


def test_each_statement_is_worth_it_by_its_own_verdicts() -> None:
    verdicts = [verdict("faithful", "entail", "keep", name) for name in "abc"]
    verdicts.append(verdict("stance", "contradict", "drop", "b"))
    assert worth_asking(verdicts) == {"a", "c"}


# --- in a run ------------------------------------------------------------------------------------------------


def held(tmp_path: Path, rows: Any = None, **more: Any) -> Held:
    shapes: dict[str, Any] = {"statements": lambda _: proposals(*FOUR, about="else"), "verdicts": judged, **more}
    if rows:
        shapes["rows"] = rows
    return hold_said(tmp_path, TALK, FakeModel(answering(**shapes)))


def decisions(run: Held, criterion: str) -> dict[str, str]:
    quotes = {row.id: row.quote for row in run.rows(StatementRow)}
    return {quotes[row.statement_id]: row.decision for row in run.of(VerdictRow, criterion=criterion)}


def test_good_rows_pass_all_that_they_are_asked(tmp_path: Path) -> None:
    run = held(tmp_path)
    found = {criterion: decisions(run, criterion) for criterion in (*PROMPTS, *ALWAYS)}
    everything = dict.fromkeys((JOB, TEA, NO, SHOES), "keep")
    assert found["answers"] == found["stands-alone"] == found["distinctive"] == everything
    assert found["answers-seed"] == dict.fromkeys((JOB, NO), "keep")
    assert found["answers-case"] == found["answers-other"] == {}
    (call,) = [c for c in run.of(CallRow, stage="verify") if '"rows"' in c.request]
    assert {v.call_id for v in run.rows(VerdictRow) if v.criterion in (*PROMPTS, *ALWAYS)} == {call.id}


def test_what_would_pass_anywhere_is_not_distinctive(tmp_path: Path) -> None:
    run = held(tmp_path, lambda asked: good_rows(asked, {}))
    assert set(decisions(run, "distinctive").values()) == {"drop"}
    assert set(decisions(run, "answers").values()) == {"keep"}


def test_rows_without_hope_are_not_asked_about(tmp_path: Path) -> None:
    def verdicts(asked: JsonObject) -> JsonObject:
        found = judged(asked)
        for item, given_ in zip(asked["items"], found["verdicts"], strict=True):
            given_["faithful"] = "irrelevant" if item["quote"] == TEA else "entail"
            given_["stance"] = "contradict" if item.get("stance") else "none"
        return found

    run = held(
        tmp_path, verdicts=verdicts, rewording=lambda asked: {"statement": asked["statement"], "first_person": ""}
    )
    assert set(decisions(run, "stands-alone")) == {JOB, SHOES}


def test_the_judge_of_rows_sees_nothing_of_the_talk(tmp_path: Path) -> None:
    run = held(tmp_path)
    (asked,) = run.model.asked("rows")
    assert set(asked) <= {"questions", "items"}
    shown = json.dumps(asked, ensure_ascii=False)
    assert not any(name in shown for name in ("Elif", "Jenna", "Konya", "Stockton", "held.d1"))


@pytest.mark.parametrize("said", ["I would keep them all.", '{"items": [{"id": 1, "own": "yes"}]}', ""])
def test_rows_of_which_nothing_can_be_read_are_met_by_nothing(tmp_path: Path, said: str) -> None:
    run = held(tmp_path, lambda _: said)
    rows = [row for row in run.rows(VerdictRow) if row.criterion in (*PROMPTS, *ALWAYS)]
    assert {(row.relation, row.decision) for row in rows} == {("unparsable", "drop")}
    assert len(run.model.asked("rows")) == 2


def test_a_row_that_was_left_out_is_asked_about_once_more(tmp_path: Path) -> None:
    asked_of: list[int] = []

    def rows(asked: JsonObject) -> JsonObject:
        asked_of.append(len(asked["items"]))
        return {"items": good_rows(asked, {})["items"][1:] if len(asked_of) == 1 else good_rows(asked, {})["items"]}

    run = held(tmp_path, rows)
    assert asked_of == [4, 1]
    assert set(decisions(run, "stands-alone").values()) == {"keep"}


def test_so_many_rows_are_judged_a_call(tmp_path: Path) -> None:
    said = [f"On day {n} of the feast we visit house {n} of our street." for n in range(1, ROWS_A_CALL + 4)]
    model = FakeModel(answering(statements=lambda _: proposals(*((1, "custom", one) for one in said)), verdicts=judged))
    hold_said(tmp_path, [(ELIF, " ".join(said))], model)
    assert [len(asked["items"]) for asked in model.asked("rows")] == [ROWS_A_CALL, 3]


def test_a_question_that_rows_have_in_common_is_said_once() -> None:
    seed, case = "Is it right?", "A guest comes late. What do you do?"
    items = [
        {"questions": {"own": "Who opens?", "seed": seed}, "answer": "I do."},
        {"questions": {"own": "Who cooks?", "seed": seed, "case": case}, "answer": "My aunt."},
    ]
    above, shown = said_once(items)
    assert above == {"questions": {"seed": seed}}
    assert [item["questions"] for item in shown] == [
        {"own": "Who opens?", "seed": ""},
        {"own": "Who cooks?", "seed": "", "case": case},
    ]
    assert said_once(items[:1]) == ({}, items[:1])


def test_every_word_that_the_judge_may_say_is_in_its_prompt() -> None:
    prompt = ENGLISH.prompt("row-checks").text
    for field, word in product(("own", "seed", "case", "other"), ("yes", "no", "none")):
        assert field in prompt
        assert f"{word}:" in prompt
    assert "any:" in prompt
    assert all(f" {letter}," in prompt or f" {letter} " in prompt for letter in LETTERS)


# --- masked in other languages -------------------------------------------------------------------------

MASKED = {
    "tr": [
        ("Türkiye'de böyledir.", "[…]'de böyledir."),
        ("Biz Türkler çay veririz.", "Biz […] çay veririz."),
        ("Çin'de pirinç yenir.", "[…]'de pirinç yenir."),
        ("Güney Kore'de ve Mısır'da", "[…]'de ve […]'da"),
        ("Amerika Birleşik Devletleri'nde", "[…]'nde"),
        ("Elif Hanım Konya'da oturur.", "[…] Hanım […]'da oturur."),
        ("Tarlada mısır var, çini tabak var.", "Tarlada mısır var, çini tabak var."),
    ],
    "de": [
        ("In der Türkei und in Südkorea.", "In der […] und in […]."),
        ("Vereinigte Staaten, vereinigte Leute", "[…], vereinigte Leute"),
        ("Ein deutscher Ofen in China.", "Ein deutscher Ofen in […]."),
    ],
    "ar": [("في الأردن وبالأردن", "في […] وب[…]"), ("هدية للأردن", "هدية […]"), ("كوريا الجنوبية بعيدة", "[…] بعيدة")],
    "ko": [("미국에서 온 손님", "[…]에서 온 손님"), ("튀르키예에서는", "[…]에서는")],
    "zh": [("在中国过年", "在[…]过年"), ("韩国菜很辣", "[…]菜很辣"), ("我们过年回家", "我们过年回家")],
    "bn": [("বাংলাদেশের মানুষ", "[…]ের মানুষ"), ("দক্ষিণ কোরিয়ায়", "[…]য়")],
    "es": [("En Estados Unidos y en México", "En […] y en […]"), ("Los estados unidos.", "Los […].")],
}
"""Language -> texts, and what a judge is shown of them."""


@pytest.mark.parametrize("language", MASKED)
def test_countries_and_names_are_masked_in_the_language_of_the_answer(language: str) -> None:
    for text, shown in MASKED[language]:
        found = masked(unicodedata.normalize("NFC", text), case(names=("Elif", "Yıldız", "Konya"), language=language))
        assert found == unicodedata.normalize("NFC", shown)


def test_a_title_by_which_somebody_is_addressed_is_a_word_as_any_other() -> None:
    casting = table(ELIF_HANIM, CEVDET, language="tr")[0].in_language("tr")
    said = "Elif Hanım'a, bir hanım olarak, Konya'da herkes Bey der."
    statement = Statement(
        id="d1.t2.s1",
        turn_id="d1.t2",
        persona_key=ELIF,
        culture="turkish",
        kind="norm",
        text=said,
        first_person=said,
        quote=said,
        quote_start=0,
        quote_end=len(said),
        language="tr",
    )
    one = row_case(statement, casting, ENGLISH, None)
    assert one.language == "tr"
    assert masked(said, one) == "[…] Hanım'a, bir hanım olarak, […]'da herkes Bey der."
