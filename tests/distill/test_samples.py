"""Statements as training rows: which rows come of them, and what each says."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from culturepark.dialogue.casting import plan as plan_of
from culturepark.distill import samples
from culturepark.distill.samples import FREE, Judged, Shaping, drop_reason, plan, samples_of, shapes
from culturepark.distill.shares import thinned
from culturepark.distill.wordings import form_in
from culturepark.domain import (
    SHAPE_SHARES,
    Casting,
    Criterion,
    Edition,
    JsonObject,
    Kind,
    Provenance,
    Relation,
    Sample,
    Scenario,
    Shape,
    Statement,
)
from culturepark.export.formats import problem
from culturepark.languages import load_language
from culturepark.languages.countries import country_name
from culturepark.store.tables import DuplicateRow, SampleRow, StatementRow
from tests.support.fakes import (
    ELIF,
    JENNA,
    FakeModel,
    answering,
    edition,
    hold,
    hold_said,
    judged,
    only_casting,
    proposals,
    shipped,
)

ALL: tuple[Shape, ...] = get_args(Shape)
ALONE: tuple[Shape, ...] = ("survey", "open", "norm", "own", "situation", "limit")
"""Shapes of rows of one statement."""
TEA = "When guests get up to leave we pour one more glass of tea."
JOB = "I think that a job has no sex."
QUESTION = "Who should get the only job that there is?"
AT_HOME = edition()
UNGROUNDED = edition(seeds=(shipped("everyday-norms").scenario.seeds[0],))
KEPT, LOST, UNSURE = ("entail", "keep"), ("contradict", "drop"), ("entail", "drop")
ALL_ANSWERED: dict[str, Any] = {
    "verdicts": {"answers": KEPT, "answers-seed": KEPT, "answers-case": KEPT, "stands-alone": KEPT, "distinctive": KEPT}
}


def judged_one(
    kind: Kind = "opinion",
    by: str = ELIF,
    name: str = "r.d1.t3.s1",
    *,
    casting: Casting | None = None,
    verdicts: dict[str, tuple[Relation, str]] | None = None,
    phase: str = "opinion",
    picked: bool = False,
    **more: Any,
) -> Judged:
    """A statement that is faithful, and in line with its speaker's answer where there is one."""
    casting = casting or only_casting(AT_HOME)
    speaker = casting.by_key(by)
    first_person = more.pop("first_person", JOB if kind == "opinion" else TEA)
    statement = Statement(
        id=name,
        turn_id=name.rpartition(".")[0],
        persona_key=by,
        culture=speaker.persona.culture,
        kind=kind,
        text=f"{speaker.persona.called} says so.",
        first_person=first_person,
        quote="so",
        quote_start=0,
        quote_end=2,
        **more,
    )
    found: dict[str, tuple[Relation, str]] = {"faithful": ("entail", "keep")}
    if speaker.stance and kind == "opinion":
        found["stance"] = ("entail", "keep")
    return Judged(statement, found | (verdicts or {}), casting, phase, picked=picked)


def scenario(samples: Any = ALL, **distill: Any) -> Scenario:
    return edition(samples=samples, distill=distill).scenario


def made_of(item: Judged, samples: Any = ALL, *others: Judged, **distill: Any) -> list[Sample]:
    """The samples of one statement, kept and dropped."""
    made = samples_of([item, *others], (), scenario(samples, **distill))
    return [sample for _, sample in made if sample.statement_id == item.statement.id]


def outcomes(item: Judged, samples: Any = ALL, **distill: Any) -> dict[str, str | None]:
    return {sample.kind: sample.drop_reason for sample in made_of(item, samples, **distill)}


def asked(sample: Sample) -> str:
    return sample.messages[1]["content"]


def answer(sample: Sample) -> str:
    return sample.messages[2]["content"]


# --- which shapes ----------------------------------------------------------------------------------


def test_an_opinion_with_a_stance_is_a_survey_answer_and_an_open_one() -> None:
    assert outcomes(judged_one()) == {"survey": None, "open": None, "reasoned": None}


def test_an_opinion_without_a_stance_is_an_open_answer_alone_and_ungrounded() -> None:
    for item in (judged_one(by=JENNA), judged_one(casting=only_casting(UNGROUNDED))):
        (only,) = made_of(item)
        assert (only.kind, only.flags, only.status) == ("open", "ungrounded", "kept")
    assert {sample.flags for sample in made_of(judged_one())} == {""}
    assert made_of(judged_one("custom", JENNA))[0].flags == ""


@pytest.mark.parametrize("kind", ["norm", "custom"])
@pytest.mark.parametrize("by", [ELIF, JENNA])
def test_a_norm_or_custom_that_answers_nothing_is_simply_asked_for(kind: Kind, by: str) -> None:
    assert outcomes(judged_one(kind, by)) == {"norm": None}
    nothing: dict[str, tuple[Relation, str]] = dict.fromkeys(("answers", "answers-seed", "answers-case"), LOST)
    assert outcomes(judged_one(kind, by, question=QUESTION, verdicts=nothing)) == {"norm": None}


@pytest.mark.parametrize("lost", [LOST, UNSURE, ("irrelevant", "drop"), ("unparsable", "drop")])
def test_a_row_stands_only_under_a_prompt_that_it_answers(lost: tuple[Relation, str]) -> None:
    everything = {"answers": KEPT, "answers-seed": KEPT, "answers-case": KEPT}
    shapes_by: dict[Criterion, set[str]] = {
        "answers": {"own"}, "answers-seed": {"open", "survey", "reasoned"}, "answers-case": {"situation"},
    }  # fmt: skip
    one = {"question": QUESTION, "about": "seed"}
    told = {"own", "open", "survey", "situation", "reasoned"}
    assert set(outcomes(judged_one(verdicts=everything, **one))) == told
    for criterion, without in shapes_by.items():
        left = outcomes(judged_one(verdicts=everything | {criterion: lost}, **one))
        assert left == dict.fromkeys(told - without)
    nothing = judged_one(verdicts=dict.fromkeys(everything, lost), **one)
    assert list(outcomes(nothing).values()) == ["answers-nothing"]
    assert list(outcomes(nothing, SHAPE_SHARES).values()) == ["answers-nothing"]


@pytest.mark.parametrize("wanted", [SHAPE_SHARES, ("own", "open", "survey", "situation", "limit")])
def test_what_one_would_do_in_a_case_is_told_under_the_case_alone(wanted: Any) -> None:
    item = judged_one(about="case", question=QUESTION, exception="Not for the old.", **ALL_ANSWERED)
    assert outcomes(item, wanted) == {"situation": None}
    lost = ALL_ANSWERED | {"verdicts": {"answers": KEPT, "answers-seed": KEPT, "answers-case": LOST}}
    assert None not in outcomes(judged_one(about="case", question=QUESTION, **lost), wanted).values()


def test_where_nobody_asked_what_it_answers_the_old_rule_holds() -> None:
    early = judged_one(phase="opening", question=QUESTION)
    assert set(outcomes(early).values()) == {"before-the-question"}
    assert set(outcomes(judged_one(question=QUESTION))) == {"open", "survey", "reasoned"}
    asked_of = {"answers-seed": KEPT}
    assert set(outcomes(judged_one(phase="opening", verdicts=asked_of)).values()) == {None}  # it answers all the same


def test_what_a_small_model_picked_is_no_view() -> None:
    assert set(outcomes(judged_one(picked=True)).values()) == {"picked"}
    assert outcomes(judged_one("custom", picked=True)) == {"norm": None}


def test_what_does_not_stand_alone_gets_no_row() -> None:
    for kind in get_args(Kind):
        item = judged_one(kind, verdicts={"stands-alone": UNSURE, "answers": KEPT}, question=QUESTION)
        assert set(outcomes(item).values()) == {"not-alone"}


def test_a_generic_norm_is_dropped_and_a_generic_opinion_is_flagged() -> None:
    generic = {"distinctive": LOST}
    for kind in ("norm", "custom"):
        (one,) = made_of(judged_one(kind, verdicts=generic))  # type: ignore[arg-type]
        assert (one.drop_reason, one.flags) == ("generic", "generic")
        (one,) = made_of(judged_one(kind, verdicts=generic), generic="keep")  # type: ignore[arg-type]
        assert (one.drop_reason, one.flags) == (None, "generic")
    for one in made_of(judged_one(verdicts=generic)):
        assert (one.drop_reason, one.flags) == (None, "generic")
    (unsure,) = made_of(judged_one("custom", verdicts={"distinctive": UNSURE}))
    assert (unsure.drop_reason, unsure.flags) == (None, "")


def test_an_opinion_of_the_middle_is_kept_like_any_other() -> None:
    item = AT_HOME.scenario.seeds[0].item
    assert item is not None
    middle = next(option.code for option in item.options if option.side == 0)
    neutral = judged_one(casting=only_casting(edition(stance=middle)))
    assert set(outcomes(neutral).values()) == {None}


def test_only_shapes_that_are_wanted_are_made_each_once() -> None:
    assert list(outcomes(judged_one(), ("open",))) == ["open"]
    assert [sample.kind for sample in made_of(judged_one(), ("open", "survey", "open"))] == ["open", "survey"]
    assert made_of(judged_one("custom"), ("open", "survey")) == []
    assert shapes(judged_one("custom").statement, only_casting(AT_HOME), ("open", "survey")) == []


def test_a_shape_has_the_same_number_whatever_else_is_wanted() -> None:
    item = judged_one(about="seed", question=QUESTION, exception="Not so for the old.", **ALL_ANSWERED)

    def numbers(wanted: Collection[Shape]) -> dict[str, str]:
        return {one.kind: name.rpartition(".")[2] for name, one in samples_of([item], (), scenario(tuple(wanted)))}

    every = numbers(ALL)
    assert every == {"survey": "x1", "open": "x2", "own": "x3", "situation": "x4", "limit": "x5", "reasoned": "x8"}
    assert all(numbers([shape]) == {shape: every[shape]} for shape in every)
    assert list(samples.NUMBERS.values()) == sorted(samples.NUMBERS.values())


# --- what each shape says -----------------------------------------------------------------------------


def many(item: Judged, wanted: Any, count: int = 400) -> list[tuple[str, Sample]]:
    """Samples of statements that differ in their id and person alone."""
    people = [person for person in shipped("everyday-norms").personas if person.role == "delegate"]
    seat = item.casting.by_key(item.statement.persona_key)
    copies = []
    for number in range(count):
        one = seat.model_copy(update={"persona": people[number % len(people)].model_copy(update={"key": f"p{number}"})})
        casting = item.casting.model_copy(update={"participants": (one,)})
        changes = {"id": f"r.d{number}.t3.s1", "turn_id": f"r.d{number}.t3", "persona_key": f"p{number}"}
        statement = item.statement.model_copy(
            update=changes | {"first_person": f"{item.statement.first_person} {number}"}
        )
        copies.append(replace(item, statement=statement, casting=casting))
    return samples_of(copies, (), scenario(wanted))


def test_a_survey_answer_names_its_option_in_the_form_that_is_asked_for_balanced_by_hash() -> None:
    item = only_casting(AT_HOME).seed.item
    assert item is not None
    drawn, brief = Counter[tuple[str, bool]](), 0
    for _, sample in many(judged_one(), ("survey",), 600):
        form = form_in(asked(sample), item)
        assert form is not None
        assert item.question in asked(sample)
        mark, entry = form.entries(item)["disagree"]
        if answer(sample) == mark:
            brief += 1
        else:
            assert f": {entry}. {JOB}" in answer(sample)
        drawn[form.style, form.backwards] += 1
    assert len(drawn) == 6
    assert all(70 < count < 130 for count in drawn.values())
    assert 250 < brief < 350


def test_of_one_persons_answers_to_a_question_at_most_one_is_without_a_reason() -> None:
    several = [judged_one(name=f"r.d{n}.t3.s1", first_person=f"{JOB} {n}") for n in range(40)]
    rows = [row for row in plan(several, (), scenario(("survey",))) if row.brief]
    assert len(rows) == 1


def test_who_names_the_answer_is_asked_as_a_person_or_from_a_country() -> None:
    systems = [sample.messages[0]["content"] for _, sample in many(judged_one(hangs_on=("age",)), ("open",))]
    countries = sum(" aged " in text and any(digit in text for digit in "123456789") for text in systems)
    assert 150 < countries < 250


def test_every_free_shape_is_answered_in_the_first_person_under_its_own_prompt() -> None:
    item = judged_one(about="seed", question=QUESTION, **ALL_ANSWERED)
    made = {sample.kind: sample for sample in made_of(item)}
    casting = item.casting
    assert casting.situation is not None
    assert casting.seed.question in asked(made["open"])
    assert QUESTION in asked(made["own"])
    assert casting.situation.told in asked(made["situation"])
    assert all(answer(made[shape]) == JOB for shape in ("open", "own", "situation"))


@pytest.mark.parametrize("kind", ["norm", "custom"])
def test_a_bare_request_fits_the_kind_and_the_reach_and_names_the_topic_only_where_it_is_answered(kind: Kind) -> None:
    topic = AT_HOME.scenario.seeds[0].topic
    english = samples.Wordings(samples.load_language("en"))

    def requests(**more: Any) -> tuple[set[str], int]:
        made = many(judged_one(kind, **more), ("norm",))
        assert all(answer(sample).startswith(TEA) for _, sample in made)
        return {asked(sample) for _, sample in made}, sum(topic in asked(sample) for _, sample in made)

    def of(group: str) -> list[str]:
        return [wording.text.partition("{{")[0] for wording in english.of(group)]

    bare, with_topic = requests()
    assert with_topic == 0
    assert all(any(text.startswith(begin) for begin in of(f"norm/{kind}")) for text in bare)
    _, with_topic = requests(verdicts={"answers-seed": KEPT})
    assert 150 < with_topic < 250
    own, with_topic = requests(verdicts={"answers-seed": KEPT}, reach="personal")
    assert with_topic == 0
    assert all(any(text.startswith(begin) for begin in of("norm/personal")) for text in own)


def test_a_limit_quotes_what_was_said_and_is_answered_by_the_exception() -> None:
    (limit,) = made_of(judged_one("custom", exception="Not when somebody is fasting."), ("limit",))
    assert f"“{TEA}”" in asked(limit)
    assert answer(limit) == "Not when somebody is fasting."
    assert made_of(judged_one("custom"), ("limit",)) == []


# --- rows of two statements ------------------------------------------------------------------------------


def table(*keys: str) -> Casting:
    """A table at which these people sit, all with the same answer."""
    people = {p.key: p for p in shipped("everyday-norms").personas}
    casting = only_casting(AT_HOME)
    seat = casting.by_key(ELIF)
    return casting.model_copy(
        update={"participants": tuple(seat.model_copy(update={"persona": people[key]}) for key in keys)}
    )


GERMAN = next(p.key for p in shipped("everyday-norms").personas if p.culture == "german")
KOREAN = next(p.key for p in shipped("everyday-norms").personas if p.culture == "korean")
SEATED = table(ELIF, GERMAN, KOREAN)
APART: dict[str, Any] = {"casting": SEATED, "about": "seed", "verdicts": {"answers-seed": KEPT, "distinctive": KEPT}}


def pair(wanted: Any = ("contrast",), **more: Any) -> list[Sample]:
    one = judged_one("custom", ELIF, "r.d1.t3.s1", first_person="I pour tea.", **APART)
    other = judged_one("custom", GERMAN, "r.d1.t4.s1", first_person="I ring first.", **APART | more)
    return [sample for _, sample in samples_of([one, other], (), scenario(wanted)) if sample.status == "kept"]


def test_two_countries_are_told_apart_by_two_answers_to_one_question() -> None:
    (row,) = pair()
    assert row.beside
    assert {row.statement_id, row.beside} == {"r.d1.t3.s1", "r.d1.t4.s1"}
    assert SEATED.seed.question in asked(row)
    assert "“I pour tea.”" in asked(row)
    assert "“I ring first.”" in asked(row)
    first = (
        ("Türkiye", "Germany") if asked(row).index("I pour") < asked(row).index("I ring") else ("Germany", "Türkiye")
    )
    assert answer(row).index(first[0]) < answer(row).index(first[1])
    assert "tea" not in answer(row)


def test_the_order_of_answers_and_countries_gives_nothing_away() -> None:
    orders: Counter[tuple[bool, bool]] = Counter()
    for number in range(400):
        one = judged_one("custom", ELIF, f"r.d{number}.t3.s1", first_person=f"I pour tea {number}.", **APART)
        other = judged_one("custom", GERMAN, f"r.d{number}.t4.s1", first_person=f"I ring {number}.", **APART)
        ((_, row),) = samples_of([one, other], (), scenario(("contrast",)))
        told = asked(row).replace(SEATED.seed.question, "")
        orders[told.index("I pour") < told.index("I ring"), told.index("Türkiye") < told.index("Germany")] += 1
    assert len(orders) == 4
    assert all(65 < count < 135 for count in orders.values())


@pytest.mark.parametrize(
    "more",
    [
        {"verdicts": {"answers-seed": KEPT, "distinctive": UNSURE}},
        {"verdicts": {"answers-seed": KEPT}},
        {"verdicts": {"answers-seed": LOST, "distinctive": KEPT}},
        {"verdicts": {"answers-seed": KEPT, "distinctive": KEPT, "faithful": LOST}},
        {"first_person": "Here in Germany I ring first."},
    ],
)
def test_what_is_not_distinctive_or_answers_something_else_is_not_told_apart(more: dict[str, Any]) -> None:
    one = judged_one("custom", ELIF, "r.d1.t3.s1", first_person="I pour tea.", **APART)
    other = judged_one("custom", GERMAN, "r.d1.t4.s1", **APART | {"first_person": "I ring first."} | more)
    assert [s for _, s in samples_of([one, other], (), scenario(("contrast",))) if s.status == "kept"] == []


def test_two_of_one_country_or_of_two_dialogues_are_not_told_apart() -> None:
    one = judged_one("custom", ELIF, "r.d1.t3.s1", **APART)
    mine = judged_one("custom", ELIF, "r.d1.t5.s1", first_person="I boil rice.", **APART)
    far = judged_one("custom", GERMAN, "r.d2.t5.s1", first_person="I ring first.", **APART)
    assert samples_of([one, mine, far], (), scenario(("contrast",))) == []


def test_a_statement_is_in_one_pair_only() -> None:
    several = [
        judged_one("custom", key, f"r.d1.t{turn}.s1", first_person=f"I do {turn}.", **APART)
        for turn, key in enumerate((ELIF, GERMAN, KOREAN, ELIF, GERMAN, ELIF), start=3)
    ]
    made = [sample for _, sample in samples_of(several, (), scenario(("contrast",)))]
    used = [name for sample in made for name in (sample.statement_id, sample.beside)]
    assert len(used) == len(set(used))
    assert len(made) in (2, 3)


def test_anothers_custom_is_declined_in_the_speakers_own_words() -> None:
    tea = judged_one("custom", ELIF, "r.d1.t3.s1", first_person="I pour one more glass.", casting=SEATED)
    mine = judged_one(
        "custom", GERMAN, "r.d1.t4.s1", first_person="I look at the clock.", casting=SEATED, unlike="r.d1.t3.s1"
    )
    made = dict(samples_of([tea, mine], (), scenario(("decline",))))
    (row,) = made.values()
    assert (row.statement_id, row.beside, answer(row)) == ("r.d1.t4.s1", "r.d1.t3.s1", "I look at the clock.")
    assert "“I pour one more glass.”" in asked(row)
    assert "Türkiye" in asked(row)
    assert "Germany" in row.messages[0]["content"]
    for verdicts, count in (({"answers-other": KEPT}, 1), ({"answers-other": LOST}, 0)):
        asked_of = replace(mine, verdicts={**mine.verdicts, **verdicts})
        assert len(samples_of([tea, asked_of], (), scenario(("decline",)))) == count
    lost = replace(tea, verdicts={"faithful": LOST})
    assert samples_of([lost, mine], (), scenario(("decline",))) == []


@pytest.mark.parametrize(
    ("one", "other", "less_sure"),
    [
        ("card", "card", "card"), ("card", "episode", "episode"), ("model", "card", "model"),
        ("episode", "model", "model"), (None, "card", None), ("model", None, None), (None, None, None),
    ],
)  # fmt: skip
def test_a_row_comes_from_where_its_statements_do(
    one: Provenance | None, other: Provenance | None, less_sure: Provenance | None
) -> None:
    first = judged_one("custom", ELIF, "r.d1.t3.s1", first_person="I pour tea.", provenance=one, **APART)
    second = judged_one("custom", GERMAN, "r.d1.t4.s1", first_person="I ring.", provenance=other, **APART)
    made = [sample for _, sample in samples_of([first, second], (), scenario(("norm", "contrast")))]
    by_statement = {sample.statement_id: sample.provenance for sample in made if sample.kind == "norm"}
    assert by_statement == {"r.d1.t3.s1": one, "r.d1.t4.s1": other}
    assert [sample.provenance for sample in made if sample.kind == "contrast"] == [less_sure]


# --- shares ---------------------------------------------------------------------------------------------


def test_where_shares_are_wanted_a_statement_gets_one_free_shape_and_one_other_at_most() -> None:
    rich = judged_one(about="seed", question=QUESTION, exception="Not for the old.", **ALL_ANSWERED)
    made = many(rich, SHAPE_SHARES, 1000)
    by_statement: dict[str, list[Shape]] = {}
    for _, sample in made:
        by_statement.setdefault(sample.statement_id, []).append(sample.kind)
    assert all(sum(shape in FREE for shape in shapes) == 1 for shapes in by_statement.values())
    others = [sum(shape not in FREE for shape in shapes) for shapes in by_statement.values()]
    assert set(others) == {0, 1}
    assert sum(others) / 1000 == pytest.approx(6 / 11, abs=0.05)
    free = Counter(shape for shapes in by_statement.values() for shape in shapes if shape in FREE)
    shares = {shape: SHAPE_SHARES[shape] for shape in ("own", "open", "situation")}
    for shape, share in shares.items():
        assert free[shape] / 1000 == pytest.approx(share / sum(shares.values()), abs=0.05)


def test_rows_are_thinned_until_the_shares_hold_and_there_are_fewer_than_two_for_an_answer() -> None:
    rich = judged_one(about="seed", question=QUESTION, exception="Not for the old.", **ALL_ANSWERED)
    made = many(rich, SHAPE_SHARES, 1000)
    kept = [sample for _, sample in made if sample.status == "kept"]
    counts = Counter(sample.kind for sample in kept)
    there = Counter(sample.kind for _, sample in made if sample.drop_reason != "same-words")
    even = there.total() / sum(SHAPE_SHARES[shape] for shape in there)
    assert counts == {shape: min(count, round(even * SHAPE_SHARES[shape])) for shape, count in there.items()}
    assert counts != there
    assert {sample.drop_reason for _, sample in made} <= {None, "shape-share", "same-words"}
    assert 1.2 < len(kept) / len({sample.statement_id for sample in kept}) < 2


def rows(**counts: int) -> list[tuple[str, Shape]]:
    return [(f"{shape}{n}", shape) for shape, count in counts.items() for n in range(count)]  # type: ignore[misc]


def left(shares: dict[Shape, float], exact: bool = False, **counts: int) -> dict[str, int]:
    given = rows(**counts)
    gone = thinned(given, shares, exact=exact)
    assert gone == thinned(given[::-1], shares, exact=exact)
    return dict(Counter(shape for name, shape in given if name not in gone))


def test_no_shape_has_more_than_its_share_of_what_there_is() -> None:
    assert left({"own": 3, "survey": 1}, own=90, survey=90) == {"own": 90, "survey": 45}
    assert left({"own": 1, "survey": 1}, own=90, survey=80) == {"own": 85, "survey": 80}
    assert left({"own": 1, "survey": 1, "limit": 1}, own=90, survey=80, limit=2) == {
        "own": 85,
        "survey": 80,
        "limit": 2,
    }
    assert left({"own": 1}, own=9, survey=3) == {"own": 9}
    assert left({"own": 4, "norm": 3}, own=1, norm=1) == {"own": 1, "norm": 1}
    assert left({"own": 1}) == {}


def test_an_export_has_exactly_the_shares_that_are_asked_for_as_far_as_rows_go() -> None:
    assert left({"own": 3, "survey": 1}, exact=True, own=90, survey=90) == {"own": 90, "survey": 30}
    assert left({"own": 3, "survey": 1}, exact=True, own=90, survey=20) == {"own": 60, "survey": 20}
    assert left({"own": 1, "survey": 1, "limit": 1}, exact=True, own=90, survey=80, limit=2) == {
        "own": 2, "survey": 2, "limit": 2,
    }  # fmt: skip
    assert left({"own": 1, "decline": 1}, exact=True, own=90) == {"own": 90}


def test_a_share_that_grows_takes_only_rows_more() -> None:
    given = rows(own=90, survey=90)
    fewer = thinned(given, {"own": 3, "survey": 1}, exact=True)
    more = thinned(given, {"own": 3, "survey": 2}, exact=True)
    assert more < fewer


def test_of_a_statement_that_is_lost_one_row_shows_why() -> None:
    lost = judged_one(verdicts={"stance": LOST}, question=QUESTION)
    assert outcomes(lost, SHAPE_SHARES) == {"open": "contradicts-stance"}
    assert outcomes(lost) == {"survey": "contradicts-stance", "open": "contradicts-stance"}
    assert outcomes(judged_one("custom", verdicts={"faithful": LOST}), SHAPE_SHARES) == {"norm": "unfaithful"}


# --- whole runs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["quickstart", "everyday-norms"])
def test_every_sample_of_a_run_passes_the_documented_checks(tmp_path: Path, name: str) -> None:
    base = shipped(name).scenario
    held = hold(
        tmp_path,
        edition(seeds=(base.seeds[-1],) if name == "everyday-norms" else AT_HOME.scenario.seeds),
        FakeModel(),
    )
    rows = held.rows(SampleRow)
    assert {row.kind for row in rows} == ({"open", "norm"} if name == "everyday-norms" else {"survey", "open", "norm"})
    for row in rows:
        messages = json.loads(row.messages)
        assert problem(messages) is None
        assert "{{" not in row.messages
        assert all(m["content"] == m["content"].strip() for m in messages)


def made_up_run(count: int) -> list[Judged]:
    """A run over the shipped everyday questions, in which all say norms and views of their own, as a large model does.

    Two in three are norms or customs; half have a question of their own; a fifth answer the seed's question, and a
    fifth the case.
    """
    whole: Edition = shipped("wvs7")
    castings = plan_of(whole, 1).castings
    out = []
    for number in range(count):
        casting = castings[number % len(castings)]
        seat = next(p for p in casting.participants if p.persona.role == "delegate")
        kind: Kind = ("norm", "custom", "opinion")[number % 3]  # type: ignore[assignment]
        answered = {
            "answers": KEPT if number % 2 else LOST,
            "answers-seed": KEPT if number % 5 == 0 or kind == "opinion" else LOST,
            "answers-case": KEPT if number % 5 == 1 else LOST,
            "distinctive": KEPT,
        }
        out.append(
            judged_one(
                kind, seat.persona.key, f"r.d{casting.number}.t{number}.s1", casting=casting, verdicts=answered,
                first_person=f"I do it in my own way, the {number}th.", question=f"How do you do the {number}th thing?",
                exception="Not on feast days." if number % 7 == 0 else None, about="seed", hangs_on=("age", "work"),
            )
        )  # fmt: skip
    return out


@pytest.mark.parametrize(
    ("wanted", "least"),
    [
        (SHAPE_SHARES, 0.9),
        (("survey", "open", "norm"), 0.5),
        (("norm",), 0.5),
    ],
)
def test_a_thousand_rows_have_prompts_of_their_own(wanted: Any, least: float) -> None:
    """What limits it is the bare request: without a question of its own a row has what wordings and person give it.

    So it is least where a run has bare requests alone, of people who hang on nothing.
    """
    made = samples_of(made_up_run(1600), (), shipped("wvs7").scenario.model_copy(update={"samples": wanted}))
    kept = [sample.messages for _, sample in made if sample.status == "kept"][:1000]
    assert len(kept) >= 900
    prompts = {(system["content"], user["content"]) for system, user, _ in kept}
    assert len(prompts) / len(kept) >= least


# --- words -----------------------------------------------------------------------------------------


HARD = [
    "They weigh the gold twice, and our health comes before their wealth.",
    "They raised them as they had been raised, and I raised mine as I was.",
    "Theirs is theirs; mine, as my mother says, is whoever's hungry.",
    "At Elif's, beside Elifnur's, we say that Konya is not Konyaaltı.",
    "Write {{stance}} or {{ statement }} or {0} or %s: the wall says so.",
    "Line one.\nLine two “quoted” \\ and 🫖.",
]


@pytest.mark.parametrize("words", HARD)
def test_no_word_inside_a_sentence_is_ever_replaced(words: str) -> None:
    item = judged_one(about="seed", first_person=words, exception=words, question=words, **ALL_ANSWERED)
    made = {sample.kind: sample for sample in made_of(item, ALONE)}
    assert set(made) == set(ALONE) - {"norm"}
    assert all(made[shape].messages[2]["content"] == words for shape in ("open", "own", "situation", "limit"))
    (survey,) = (row for row in plan([item], (), scenario(ALONE)) if row.shape == "survey")
    assert survey.brief or made["survey"].messages[2]["content"].endswith(f". {words}")
    assert words in made["own"].messages[1]["content"]
    assert f"“{words}”" in made["limit"].messages[1]["content"]
    custom = judged_one("custom", first_person=words)
    assert made_of(custom, ALONE)[0].messages[2]["content"] == words


@pytest.mark.parametrize("words", HARD)
@pytest.mark.sampled
def test_sentences_go_through_a_whole_run_as_they_were_said(tmp_path: Path, words: str) -> None:
    words = words.replace("\n", " ")
    found = proposals((1, "opinion", words), statement=words, first_person=words)
    model = FakeModel(answering(statements=lambda _: found, verdicts=judged))
    held = hold_said(tmp_path, [(ELIF, words)], model, edition(samples=("open",)))
    (row,) = held.of(SampleRow, status="kept")
    assert json.loads(row.messages)[2]["content"] == words


def test_a_contradiction_is_no_reason_for_the_answer_it_contradicts(tmp_path: Path) -> None:
    """Where contradictions are kept, they are kept as what the person said, not as the reason for the stance."""
    said = "I think men should come first when jobs are scarce."
    found = proposals((1, "opinion", said), first_person=said)
    model = FakeModel(answering(statements=lambda _: found, verdicts=lambda a: judged(a, stance="contradict")))
    held = hold_said(tmp_path, [(ELIF, said)], model, edition(distill={"keep": ["entail", "contradict"]}))
    answers = {row.kind: json.loads(row.messages)[2]["content"] for row in held.of(SampleRow, status="kept")}
    assert answers == {"open": said}


# --- twins and drop reasons --------------------------------------------------------------------------


def test_the_same_words_are_never_kept_twice_whatever_the_question() -> None:
    wanted = scenario(("norm",))
    unfaithful: dict[str, tuple[Relation, str]] = {"faithful": ("contradict", "drop")}
    first = [
        judged_one("norm", name="r.d1.t3.s1", verdicts=unfaithful),
        judged_one("norm", name="r.d1.t3.s2"),
        judged_one("norm", name="r.d1.t3.s3", first_person="At home nobody waits."),
        judged_one("norm", name="r.d1.t3.s4"),
    ]
    shaping = Shaping(wanted)
    rows = shaping.of(first, ())
    rows += shaping.of([judged_one("norm", name=f"r.d2.t3.s{n}") for n in (1, 2)], ("r.d2.t3.s2",))
    assert [(name, row.status, row.drop_reason) for name, row in rows] == [
        ("r.d1.t3.s1.x1", "dropped", "unfaithful"),
        ("r.d1.t3.s2.x1", "kept", None),
        ("r.d1.t3.s3.x1", "kept", None),
        ("r.d1.t3.s4.x1", "dropped", "same-words"),
        ("r.d2.t3.s1.x1", "dropped", "same-words"),
        ("r.d2.t3.s2.x1", "dropped", "duplicate"),
    ]


def test_the_same_answer_to_one_question_is_kept_once_however_it_is_asked() -> None:
    again = [judged_one(name=f"r.d{n}.t3.s1", question=f"Question {n}?", verdicts={"answers": KEPT}) for n in range(9)]
    made = [sample for _, sample in samples_of(again, (), scenario(("open", "own", "survey")))]
    kept = Counter(sample.kind for sample in made if sample.status == "kept")
    assert kept == {"open": 1, "own": 9, "survey": 2}  # once with the reason, and once without
    assert len({asked(sample) for sample in made if sample.kind == "open"}) > 3
    norms = [judged_one("custom", name=f"r.d{n}.t3.s1") for n in range(9)]
    assert [s.status for _, s in samples_of(norms, (), scenario(("norm",)))] == ["kept"] + ["dropped"] * 8


def test_the_same_words_from_two_blocks_are_kept_once(tmp_path: Path) -> None:
    """An opinion of a stance and one beside it are in two blocks; as open answers they may be the same row."""
    first, second = "I think that a job has no sex at all.", "I think, as I say, that a job has no sex at all."
    found = proposals((1, "opinion", first), (1, "opinion", second), first_person="A job has no sex.")

    def verdicts(asked: JsonObject) -> JsonObject:
        side = {first: "entail", second: "irrelevant"}
        return {"verdicts": [{"id": i["id"], "faithful": "entail", "stance": side[i["quote"]]} for i in asked["items"]]}

    one = edition(distill={"keep": ["entail", "irrelevant"]}, samples=("open",))
    model = FakeModel(answering(statements=lambda _: found, verdicts=verdicts))
    held = hold_said(tmp_path, [(ELIF, f"{first} {second}")], model, one)
    assert held.rows(DuplicateRow) == []
    assert [(row.status, row.drop_reason) for row in held.rows(SampleRow)] == [
        ("kept", None),
        ("dropped", "same-words"),
    ]


ENTAIL = ("entail",)


@pytest.mark.parametrize(
    ("verdicts", "keep", "duplicate", "reason"),
    [
        ({"faithful": ("entail", "keep")}, ENTAIL, False, None),
        ({"faithful": ("entail", "keep"), "stance": ("entail", "keep")}, ENTAIL, False, None),
        ({"faithful": ("entail", "keep"), "stance": ("irrelevant", "keep")}, ("irrelevant",), False, None),
        ({"faithful": ("entail", "keep")}, ENTAIL, True, "duplicate"),
        ({"faithful": ("contradict", "drop")}, ENTAIL, False, "unfaithful"),
        ({"faithful": ("irrelevant", "drop")}, ENTAIL, False, "unfaithful"),
        ({"faithful": ("irrelevant", "drop")}, ("irrelevant",), False, "unfaithful"),
        ({"faithful": ("irrelevant", "drop"), "stance": ("contradict", "drop")}, ENTAIL, True, "unfaithful"),
        ({"faithful": ("unparsable", "drop")}, ENTAIL, False, "unparsable"),
        ({"faithful": ("entail", "drop")}, ENTAIL, False, "unsure"),
        ({"faithful": ("entail", "keep"), "stance": ("entail", "drop")}, ENTAIL, False, "unsure"),
        ({"faithful": ("entail", "keep"), "stance": ("unparsable", "drop")}, ENTAIL, False, "unparsable"),
        ({"faithful": ("entail", "keep"), "stance": ("contradict", "drop")}, ENTAIL, False, "contradicts-stance"),
        (
            {"faithful": ("entail", "keep"), "stance": ("irrelevant", "drop")},
            ENTAIL,
            False,
            None,
        ),  # of another question
        ({"faithful": ("entail", "keep"), "stance": ("entail", "drop")}, ("contradict",), False, "entails-stance"),
        ({"stance": ("entail", "keep")}, ENTAIL, False, "not-verified"),
        ({}, ENTAIL, False, "not-verified"),
        ({}, ENTAIL, True, "not-verified"),
    ],
)
def test_every_drop_has_its_reason(
    verdicts: dict[str, tuple[Relation, str]], keep: tuple[str, ...], duplicate: bool, reason: str | None
) -> None:
    assert drop_reason(verdicts, keep, duplicate) == reason


def test_what_is_kept_as_published_needs_no_verdict_but_is_no_duplicate() -> None:
    assert drop_reason({}, ENTAIL, False, "as-published") is None
    assert drop_reason({}, ENTAIL, True, "as-published") == "duplicate"


def test_a_dropped_sample_keeps_its_words_and_says_why(tmp_path: Path) -> None:
    model = FakeModel(
        answering(statements=lambda _: proposals((1, "custom", TEA)), verdicts=lambda a: judged(a, "irrelevant"))
    )
    held = hold_said(tmp_path, [(ELIF, TEA)], model)
    (row,) = held.rows(SampleRow)
    (rests_on,) = held.rows(StatementRow)
    assert (row.status, row.drop_reason) == ("dropped", "unfaithful")
    assert json.loads(row.messages)[2]["content"] == rests_on.first_person
    assert held.stats()["samples"]["dropped"] == {"unfaithful": 1}


# --- in several languages ------------------------------------------------------------------------------

TOLD = {
    "en": "We pour tea before anything else.",
    "tr": "Biz her şeyden önce çay veririz.",
    "de": "Bei uns gibt es zuerst einmal Tee.",
}


def in_language(code: str, by: str = ELIF, turn: int = 3, **more: Any) -> Judged:
    return judged_one(
        "custom", by, f"r.d1.t{turn}.s1", first_person=TOLD[code], language=code, **{**ALL_ANSWERED, **more}
    )


@pytest.mark.parametrize("code", TOLD)
def test_a_row_is_in_the_language_of_its_statement(code: str) -> None:
    untold = ALL_ANSWERED["verdicts"] | {"answers-seed": LOST}  # so the topic is not named
    (made,) = made_of(in_language(code, question="?", verdicts=untold), ("norm",))
    system, user, said = (message["content"] for message in made.messages)
    assert (made.status, made.language, said) == ("kept", code, TOLD[code])
    texts = load_language(code).folder.joinpath("samples", "norm.md").read_text("utf-8")
    assert user in " ".join(texts.split())
    assert all(user not in " ".join(other.split()) for other in other_prompts(code))
    assert country_name("TUR", code).removeprefix("die ") in system


def other_prompts(code: str) -> list[str]:
    others = [load_language(other) for other in TOLD if other != code]
    return [language.folder.joinpath("samples", "norm.md").read_text("utf-8") for language in others]


def test_what_people_of_two_countries_say_is_contrasted_within_one_language_alone() -> None:
    common = {"about": "seed"}
    same = [in_language("tr", **common), in_language("tr", JENNA, 4, **common)]
    other = [in_language("tr", **common), in_language("de", JENNA, 4, **common)]
    wanted = scenario(("contrast",))
    rows = [[row.shape for row in plan(pair, (), wanted) if row.beside] for pair in (same, other)]
    assert rows == [["contrast"], []]


def test_a_run_of_several_languages_words_each_row_in_its_own() -> None:
    spoken = [in_language(code, turn=number, question="?") for number, code in enumerate(TOLD, start=3)]
    made = samples_of(spoken, (), scenario(("norm",)))
    assert {sample.language: sample.messages[-1]["content"] for _, sample in made} == TOLD
    assert len({sample.messages[0]["content"] for _, sample in made}) == len(TOLD)
