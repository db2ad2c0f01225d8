"""Probes that measure a talk: what judge and reader are shown, what becomes of their answers, when they are asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from culturepark.catalog import scenarios
from culturepark.catalog.scenarios import check, load_edition
from culturepark.dialogue.casting import plan
from culturepark.distill.probes import Ballot, aloud, best_blind_guess, calls, card_of, wanted
from culturepark.domain import Casting, Choice, Edition, JsonObject, Mark, Situation, Stance, Status, Turn
from culturepark.errors import BudgetReached, Interrupted, ModelError
from culturepark.languages import load_language
from culturepark.models import scripted, tokens
from culturepark.models.chat import Traits
from culturepark.models.spec import CHAT_ROLES, SCRIPTED, parse
from culturepark.run.forecast import Forecast, Past, forecast, middle
from culturepark.run.plan import roles_until
from culturepark.store.tables import CallRow, ProbeRow
from tests.support.fakes import (
    ELIF,
    JENNA,
    MODERATOR,
    Answer,
    FakeModel,
    Held,
    answering,
    begin,
    edition,
    hold,
    only_casting,
    reply,
    shape_of,
    shipped,
)

ENGLISH = load_language("en")
BOTH = ("stance", "understanding")
SAID = (
    (MODERATOR, "opening", "Welcome, both of you."),
    (JENNA, "opening", "I drive a truck."),
    (ELIF, "opening", "I work nights on a ward."),
    (MODERATOR, "opinion", "Who should get the job?"),
    (ELIF, "opinion", "Whoever has more mouths to feed, I would give it to her."),
    (JENNA, "opinion", "I would not ask."),
)


def measured(**scenario: Any) -> Edition:
    return edition(**{"measure": BOTH, "max_turns": 4, **scenario})


def held_talk(tmp_path: Path, answer: Answer = scripted.answer, *, one: Edition | None = None) -> Held:
    """A run whose only talk is over: nothing but its probes is left to be asked."""
    tmp_path.mkdir(exist_ok=True)
    held = begin(tmp_path, one or measured(), FakeModel(answer), until="dialogue")
    for position, (speaker, phase, text) in enumerate(SAID, start=1):
        held.store.add_turn("held.d1", spoken(position, speaker, phase, text))
    held.store.set_dialogue("held.d1", Status.DONE, "completed")
    return held


def spoken(position: int, speaker: str, phase: str, text: str) -> Turn:
    """A turn with all that only those who made it know."""
    return Turn(
        position=position,
        slot=position,
        speaker=speaker,
        role={MODERATOR: "moderator", JENNA: "main"}.get(speaker, "delegate"),
        phase=phase,
        text=text,
        origin="cue" if speaker == MODERATOR else "model",
        act="ask" if speaker == MODERATOR else None,
        reason="THE REASON" if speaker == MODERATOR else None,
        mark=None if speaker == MODERATOR else Mark(told=("exception",), grounds=("episode",)),
    )


def by_text(text: str) -> Answer:
    """Whoever is asked chooses the option with this text, wherever it stands; the first where it is not there."""

    def chosen(material: JsonObject) -> JsonObject:
        numbers = [option["number"] for option in material["options"] if option["text"] == text]
        guess = {"reason": "so", "option": numbers[0] if numbers else 1}
        people = material.get("people")
        return {"people": [{"id": person["id"], **guess} for person in people]} if people else guess

    return answering(stances=chosen, predictions=chosen, choice=chosen)


def probes(held: Held) -> dict[tuple[str, str, str, str], ProbeRow]:
    return {(row.kind, row.moment, row.about, row.by): row for row in held.rows(ProbeRow)}


def answers(held: Held) -> list[JsonObject]:
    """All rows, without the ids of calls: a call that was cut off has one too."""
    return [row.model_dump(exclude={"call_id"}) for row in held.rows(ProbeRow)]


def asked(held: Held) -> list[JsonObject]:
    """The bodies of all requests that measure."""
    return [body for body in held.model.bodies if shape_of(body) in ("stances", "predictions", "choice")]


# --- what is shown ------------------------------------------------------------------------------------


def test_the_judge_of_stances_sees_what_was_said_and_nothing_that_only_the_speakers_know(tmp_path: Path) -> None:
    held = held_talk(tmp_path).carry_on()
    (material,) = held.model.asked("stances")
    assert material.keys() == {"question", "options", "people", "talk"}
    assert [(line["speaker"], line["text"]) for line in material["talk"]] == [
        ({MODERATOR: "Moderator", JENNA: "Jenna", ELIF: "Elif"}[speaker], text) for speaker, _, text in SAID
    ]
    assert all(line.keys() == {"speaker", "text"} for line in material["talk"])
    assert material["people"] == [{"id": 1, "name": "Elif"}]  # nobody has dealt Jenna an answer
    item = only_casting(measured()).seed.item
    assert item is not None
    assert material["question"] == item.question
    assert {option["text"] for option in material["options"]} == {option.label for option in item.options}
    (body,) = [body for body in held.model.bodies if shape_of(body) == "stances"]
    shown = json.dumps(body["messages"], ensure_ascii=False)
    for participant in only_casting(measured()).participants:
        person = participant.persona
        card = [person.scope, person.work, person.place, person.faith, *(norm.text for norm in person.norms)]
        card += [part for value in person.values for part in (value.value, value.why)]
        assert not [words for words in card if words in shown]
    assert not [word for word in ("THE REASON", "exception", "episode", "wvs7", "TUR", "0.3") if word in shown]
    assert "own_answer" not in shown


def test_the_reader_knows_the_introductions_before_and_the_whole_talk_after(tmp_path: Path) -> None:
    held = held_talk(tmp_path).carry_on()
    before, after = held.model.asked("predictions")
    assert [line["text"] for line in before.pop("talk")] == [text for _, phase, text in SAID if phase == "opening"]
    assert [line["text"] for line in after.pop("talk")] == [text for _, _, text in SAID]
    assert before == after  # the same situation, and the same order of its choices
    assert before["people"] == [{"id": 1, "name": "Jenna"}, {"id": 2, "name": "Elif"}]
    casting = only_casting(measured())
    situation = casting.untold_situation
    assert situation is not None
    assert casting.situation is not None
    assert before["situation"]["told"] == situation.told != casting.situation.told
    assert casting.situation.told not in json.dumps([body["messages"] for body in asked(held)])


def test_a_person_chooses_from_the_own_card_and_answer_and_not_from_the_talk(tmp_path: Path) -> None:
    held = held_talk(tmp_path).carry_on()
    bodies = [body for body in held.model.bodies if shape_of(body) == "choice"]
    casting = only_casting(measured())
    for body, participant in zip(bodies, casting.participants, strict=True):
        person = participant.persona
        system, asked_for = body["messages"][0]["content"], json.loads(body["messages"][-1]["content"])
        assert system == card_of(person, ENGLISH).text
        assert all(part in system for part in (person.name, person.scope, person.norms[0].text, person.values[0].why))
        assert asked_for.get("own_answer") == (participant.stance and participant.stance.text)
        assert not [text for _, _, text in SAID if text in system + body["messages"][-1]["content"]]


@pytest.mark.parametrize("person", shipped("wvs7").personas[:12], ids=lambda person: person.key)
def test_the_card_of_a_person_who_chooses_is_rendered_whole(person: Any) -> None:
    text = card_of(person, ENGLISH).text
    assert text.startswith(f"You are {person.name}.")
    assert not [sign for sign in ("{{", "None", "[]") if sign in text]
    assert (f"At home: {person.household}" in text) == bool(person.household)


def test_a_user_and_a_moderator_are_shown_by_their_seats() -> None:
    user = spoken(1, JENNA, "talk", "Hello.").model_copy(update={"speaker": "user", "role": "user"})
    said = [user, spoken(2, MODERATOR, "talk", "Good evening.")]
    assert [line["speaker"] for line in aloud(said, only_casting(measured()), ENGLISH)] == ["Visitor", "Moderator"]


# --- options and answers --------------------------------------------------------------------------------


def test_choices_come_in_an_order_of_each_ones_own_and_the_scale_from_either_end() -> None:
    case = situation("one", "a", "b", "c", "d")
    orders = {Ballot.choices(case, 1, number, who).codes for number in range(20) for who in (ELIF, JENNA, "reader")}
    assert len(orders) > 12
    assert all(sorted(order) == [1, 2, 3, 4] for order in orders)
    item = only_casting(measured()).seed.item
    assert item is not None
    codes = tuple(option.code for option in item.options)
    ends = [Ballot.scale(item, 1, number).codes for number in range(40)]
    assert set(ends) == {codes, codes[::-1]}
    assert 10 < ends.count(codes) < 30
    assert Ballot.choices(case, 1, 2, ELIF) == Ballot.choices(case, 1, 2, ELIF)


@pytest.mark.parametrize("number", [None, 0, -1, 5, 999])
def test_a_number_that_was_not_shown_is_no_answer(number: int | None) -> None:
    assert Ballot((3, 1, 4, 2), ("c", "a", "d", "b")).code(number) is None


def test_a_number_stands_for_the_answer_that_was_shown_under_it() -> None:
    ballot = Ballot((3, 1, 4, 2), ("c", "a", "d", "b"))
    assert [ballot.code(option["number"]) for option in ballot.shown] == [3, 1, 4, 2]
    assert [option["text"] for option in ballot.shown] == ["c", "a", "d", "b"]


@pytest.mark.parametrize("seed", range(1, 7))
def test_an_answer_is_mapped_back_from_whatever_place_it_was_shown_at(tmp_path: Path, seed: int) -> None:
    one = measured()
    case = only_casting(one).untold_situation
    item = only_casting(one).seed.item
    assert case is not None
    assert item is not None
    held = begin(tmp_path, one, FakeModel(by_text(case.choices[1].text)), seed=seed, until="dialogue").carry_on()
    rows = probes(held)
    people = {about for kind, _, about, _ in rows if kind == "understanding"}
    assert len(people) == 2
    assert {row.choice for row in rows.values() if row.kind == "understanding"} == {2}
    assert {row.truth for row in rows.values() if row.moment in ("before", "after")} == {2, item.options[3].code}
    held = hold(tmp_path, one, FakeModel(by_text("disagree")), run_id="second", seed=seed, until="dialogue")
    (stance,) = [row for row in probes(held).values() if row.kind == "stance" and row.dialogue_id == "second.d1"]
    assert (stance.choice, stance.truth) == (4, 4)


def test_the_chance_of_a_stance_is_the_share_of_the_commonest_answer_at_home() -> None:
    casting = only_casting(measured())
    item, elif_ = casting.seed.item, casting.by_key(ELIF).persona
    assert item is not None
    shares = {"TUR": {1: 0.2, 2: 0.1, 3: 0.1, 4: 0.5, 5: 0.1}, "DEU": {1: 0.9, 2: 0.1}}
    assert best_blind_guess(item.model_copy(update={"shares": shares}), elif_) == pytest.approx(0.5)
    held = {"TUR": {1: 0.2, 4: 0.2}}
    assert best_blind_guess(item.model_copy(update={"shares": held}), elif_) == pytest.approx(0.5)
    assert best_blind_guess(item.model_copy(update={"shares": {"DEU": {1: 1.0}}}), elif_) == pytest.approx(0.2)


# --- the rows ---------------------------------------------------------------------------------------------


def test_a_run_has_a_row_for_each_guess_and_each_own_choice(tmp_path: Path) -> None:
    held = hold(tmp_path, measured(), FakeModel())
    rows = probes(held)
    assert set(rows) == {
        ("stance", "after", ELIF, "judge"),
        *(("understanding", "own", who, who) for who in (ELIF, JENNA)),
        *(("understanding", moment, who, "reader") for moment in ("before", "after") for who in (ELIF, JENNA)),
    }
    stance = rows["stance", "after", ELIF, "judge"]
    assert (stance.truth, stance.options, stance.chance) == (4, 5, 1.0)
    for who in (ELIF, JENNA):
        own = rows["understanding", "own", who, who]
        assert own.choice in (1, 2, 3)
        assert (own.truth, own.chance, own.options) == (None, None, 3)
        for moment in ("before", "after"):
            row = rows["understanding", moment, who, "reader"]
            assert row.truth == own.choice
            assert row.chance == pytest.approx(1 / 3)
    measuring = held.of(CallRow, stage="measure")
    assert {row.call_id for row in rows.values()} == {call.id for call in measuring}
    assert {call.subject_id for call in measuring} == {"held.d1"}
    counts = [calls(measure, only_casting(measured())) for measure in BOTH]
    assert len(measuring) == sum(sum(count.values()) for count in counts) == 5


def test_the_script_guesses_about_as_often_right_as_chance_is(tmp_path: Path) -> None:
    whole = shipped("wvs7")
    changes = {"seeds": whole.scenario.seeds[:20], "cultures": ("turkish", "german"), "setting": "in-cultural"}
    scenario = whole.scenario.model_copy(update={**changes, "max_turns": 4, "measure": BOTH, "dialogues_per_seed": 2})
    held = hold(tmp_path, whole.model_copy(update={"scenario": scenario}), FakeModel(), until="dialogue")
    rows = held.of(ProbeRow, kind="understanding", by="reader")
    assert len(rows) == 2 * 2 * len(held.store.dialogues("held"))
    right = sum(row.choice == row.truth for row in rows) / len(rows)
    assert right == pytest.approx(1 / 3, abs=0.1)
    stances = held.of(ProbeRow, kind="stance")
    fair = sum(1 / row.options for row in stances) / len(stances)
    assert sum(row.choice == row.truth for row in stances) / len(stances) == pytest.approx(fair, abs=0.1)
    assert all(row.chance and row.chance >= 1 / row.options for row in stances)


def test_without_measure_nothing_is_asked(tmp_path: Path) -> None:
    held = hold(tmp_path, measured(measure=()), FakeModel(), until="dialogue")
    assert held.rows(ProbeRow) == []
    assert asked(held) == []


def test_a_measure_alone_asks_for_itself_alone(tmp_path: Path) -> None:
    held = hold(tmp_path, measured(measure=("stance",)), FakeModel(), until="dialogue")
    assert [row.kind for row in held.rows(ProbeRow)] == ["stance"]
    assert [shape_of(body) for body in asked(held)] == ["stances"]


def test_who_has_said_nothing_is_not_guessed_at(tmp_path: Path) -> None:
    held = begin(tmp_path, measured(measure=("stance",)), FakeModel(), until="dialogue")
    held.store.add_turn("held.d1", spoken(1, JENNA, "opening", "I drive a truck."))
    held.store.set_dialogue("held.d1", Status.STOPPED, "refused-turns: empty")
    held.carry_on()
    assert held.rows(ProbeRow) == []
    assert asked(held) == []


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("I would rather not.", False),
        ('{"people": []}', False),
        ('{"people": [{"id": 7, "reason": "so", "option": 1}]}', False),
        ('{"people": [{"id": 1, "reason": "so", "option": 9}]}', False),
        ('{"people": [{"id": 1, "reason": "so", "option": 1}, {"id": 1, "reason": "no", "option": 2}]}', False),
        ('{"people": [{"id": 1, "reason": "so", "option": "1"}]}', True),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_row_without_a_choice(tmp_path: Path, answer: str, read: bool) -> None:
    held = held_talk(tmp_path, answering(stances=lambda _: answer), one=measured(measure=("stance",))).carry_on()
    (row,) = held.rows(ProbeRow)
    assert (row.choice is not None) == read
    assert row.truth == 4
    assert row.call_id


def test_where_the_own_choice_cannot_be_read_there_is_no_truth(tmp_path: Path) -> None:
    held = held_talk(tmp_path, answering(choice=lambda _: "Hm."), one=measured(measure=("understanding",))).carry_on()
    assert {row.truth for row in held.rows(ProbeRow)} == {None}
    assert {row.choice for row in held.of(ProbeRow, moment="own")} == {None}
    assert all(row.choice for row in held.of(ProbeRow, by="reader"))


def test_what_a_filter_withholds_has_no_choice_and_the_talk_stays_done(tmp_path: Path) -> None:
    held = held_talk(tmp_path, answering(stances=lambda _: reply("", "content_filter"))).carry_on()
    (row,) = held.of(ProbeRow, kind="stance")
    assert row.choice is None
    assert len(held.of(ProbeRow, kind="understanding")) == 6
    assert held.store.dialogues("held")[0].status == Status.DONE


# --- stopping and going on ---------------------------------------------------------------------------------


def test_a_measured_talk_is_not_asked_about_again(tmp_path: Path) -> None:
    held = held_talk(tmp_path).carry_on()
    rows = [row.model_dump() for row in held.rows(ProbeRow)]
    held.model = FakeModel()
    held.carry_on()
    assert asked(held) == []
    assert [row.model_dump() for row in held.rows(ProbeRow)] == rows


@pytest.mark.parametrize("stop", ["stances", "choice", "predictions"])
def test_a_run_stopped_while_it_measures_asks_for_what_is_missing_alone(tmp_path: Path, stop: str) -> None:
    undisturbed = held_talk(tmp_path / "whole").carry_on()

    def stops(body: JsonObject) -> str:
        if shape_of(body) == stop:
            raise KeyboardInterrupt
        return scripted.answer(body)

    held = held_talk(tmp_path / "cut", stops)
    with pytest.raises((KeyboardInterrupt, Interrupted)):
        held.carry_on()
    first = [body["messages"] for body in asked(held)][:-1]
    held.model = FakeModel()
    held.carry_on()
    second = [body["messages"] for body in asked(held)]
    assert [*first, *second] == [body["messages"] for body in asked(undisturbed)]
    assert answers(held) == answers(undisturbed)


def test_an_answer_that_was_paid_and_not_yet_kept_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = held_talk(tmp_path, one=measured(measure=("stance",)))
    with monkeypatch.context() as patch:
        patch.setattr(type(held.store), "add_probes", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises((KeyboardInterrupt, Interrupted)):
            held.carry_on()
    assert len(asked(held)) == 1
    assert held.rows(ProbeRow) == []
    held.carry_on()
    assert len(asked(held)) == 1
    assert len(held.rows(ProbeRow)) == 1


def test_a_spent_budget_stops_a_run_before_it_measures(tmp_path: Path) -> None:
    held = held_talk(tmp_path)
    with held.store.database.writing() as session:
        row = held.row
        row.settings = json.dumps(json.loads(row.settings) | {"max_tokens": 16})
        session.merge(row)
    with pytest.raises(BudgetReached):
        held.carry_on()
    assert len(asked(held)) == 2  # 15 tokens each
    assert [row.kind for row in held.rows(ProbeRow)] == ["stance"]


def test_a_refused_request_costs_this_measure_and_is_made_again(tmp_path: Path) -> None:
    def refuses(body: JsonObject) -> str:
        if shape_of(body) == "stances":
            raise ModelError("I take no such talk", kind="http-400")
        return scripted.answer(body)

    held = held_talk(tmp_path, refuses).carry_on()
    assert {row.kind for row in held.rows(ProbeRow)} == {"understanding"}
    assert held.store.dialogues("held")[0].status == Status.DONE
    assert any("dialogue 1 is not measured (stance): I take no such talk" in note for note in held.notes)
    held.model = FakeModel()
    held.carry_on()
    assert [shape_of(body) for body in asked(held)] == ["stances"]
    assert len(held.of(ProbeRow, kind="stance")) == 1


@pytest.mark.parametrize("traits", [Traits(labels=True), Traits(small=True, labels=True)])
def test_a_model_too_small_to_read_a_talk_is_not_asked_and_the_run_says_so_once(tmp_path: Path, traits: Traits) -> None:
    held = begin(tmp_path, measured(dialogues_per_seed=3), FakeModel(), until="dialogue")
    held.model.traits = traits
    held.carry_on()
    assert asked(held) == []
    assert held.rows(ProbeRow) == []
    assert len([note for note in held.notes if "not measured" in note]) == 1
    assert len(held.store.dialogues("held")) == 3


# --- which situation, and which scenarios --------------------------------------------------------------------


def situation(told: str, *choices: str) -> Situation:
    return Situation(
        place="a yard", relation="a neighbour", stake="a job", unsaid="nothing", told=told,
        choices=tuple(Choice(text=text) for text in choices),
    )  # fmt: skip


def with_situations(number: int, *situations: Situation) -> Casting:
    casting = only_casting(measured())
    seed = casting.seed.model_copy(update={"situations": situations})
    return casting.model_copy(update={"number": number, "seed": seed})


def test_the_new_situation_is_the_next_one_that_has_choices() -> None:
    one, two, three = situation("one", "a", "b"), situation("two"), situation("three", "c", "d")
    for number, talked_about, new in ((3, one, three), (4, two, three), (5, three, one)):
        casting = with_situations(number, one, two, three)
        assert (casting.situation, casting.untold_situation) == (talked_about, new)


@pytest.mark.parametrize(
    "situations",
    [
        (),
        (situation("one", "a", "b"),),
        (situation("one", "a", "b"), situation("two")),
        (situation("one", "a", "b"), situation("two", "only")),
    ],
)
def test_without_a_second_situation_with_choices_understanding_is_not_asked(situations: tuple[Situation, ...]) -> None:
    casting = with_situations(1, *situations)
    assert casting.untold_situation is None
    assert wanted(measured().scenario, casting) == ["stance"]


def test_stance_is_asked_only_where_somebody_holds_an_answer() -> None:
    casting = only_casting(measured())
    nobody = tuple(p.model_copy(update={"stance": None}) for p in casting.participants)
    assert wanted(measured().scenario, casting.model_copy(update={"participants": nobody})) == ["understanding"]
    main = tuple(p.model_copy(update={"stance": Stance(code=4, text="disagree")}) for p in casting.participants)
    everybody = casting.model_copy(update={"participants": main})
    assert wanted(measured().scenario, everybody) == ["stance", "understanding"]


@pytest.mark.parametrize(
    ("measure", "until", "roles"),
    [
        ((), "dialogue", ("speaker", "moderator")),
        (("stance",), "dialogue", ("speaker", "moderator", "verifier")),
        (BOTH, "dialogue", ("speaker", "moderator", "verifier")),
        (BOTH, "verify", ("speaker", "moderator", "verifier", "extractor")),
    ],
)
def test_a_measuring_run_needs_the_models_that_measure(measure: Any, until: Any, roles: tuple[str, ...]) -> None:
    models: Mapping[Any, Any] = dict.fromkeys(("speaker", "moderator", "extractor", "verifier"), SCRIPTED)
    assert roles_until(until, measured(measure=measure).scenario, models) == roles


def test_check_names_the_questions_that_cannot_be_measured(tmp_path: Path) -> None:
    text = scenarios.find("quickstart").read_text("utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("seeds:", "measure: [stance, understanding]\nseeds:"), "utf-8")
    assert load_edition(path).scenario.measure == BOTH
    assert check(path) == "scenario"
    path.write_text(text.replace("seeds:", "measure: [stance]\nstances: none\nseeds:"), "utf-8")
    assert check(path) == "scenario (stance is not measured for wvs7/Q33: nobody is dealt an answer)"
    bare = "seeds:\n  - {key: tea, question: 'Who pours the tea?'}"
    path.write_text(text.replace("seeds:", f"measure: [stance, understanding]\n{bare}"), "utf-8")
    assert check(path) == (
        "scenario (stance is not measured for tea: no survey item; "
        "understanding is not measured for tea: fewer than 2 situations with choices)"
    )


# --- the forecast ----------------------------------------------------------------------------------------------


def three_talks(**scenario: Any) -> Edition:
    return measured(**{"dialogues_per_seed": 3, "max_turns": 12, **scenario})


def foreseen(one: Edition, past: Sequence[Past] = ()) -> Forecast:
    return forecast(plan(one, 1), one.scenario, dict.fromkeys(CHAT_ROLES, parse("openai:gpt-4o-mini")), past)


@pytest.mark.parametrize("measure", [("stance",), ("understanding",), BOTH])
def test_a_forecast_counts_the_calls_that_measure_and_their_tokens(tmp_path: Path, measure: Any) -> None:
    one = three_talks(measure=measure)
    plain, more = foreseen(three_talks(measure=())), foreseen(one)
    held = hold(tmp_path, one, FakeModel(), until="dialogue")
    assert (plain.measure_calls, more.measure_calls) == (0, len(held.of(CallRow, stage="measure")))
    for end in (0, 1):
        assert more.calls[end] - plain.calls[end] == more.measure_calls
    sent = sum(tokens.count(call.request, "") for call in held.of(CallRow, stage="measure"))
    low, high = (more.prompt_tokens[end] - plain.prompt_tokens[end] for end in (0, 1))
    assert low / 1.5 <= sent <= high * 1.5  # the script's speeches are short
    assert plain.cost_usd is not None
    assert more.cost_usd is not None
    assert more.cost_usd[0] > plain.cost_usd[0]


def test_what_measuring_took_does_not_change_what_verifying_is_expected_to_take() -> None:
    bare, one = three_talks(measure=()), three_talks()
    expected = middle(plan(one, 1), one.scenario)
    spent: dict[str, tuple[float, float, float]] = {}
    for (_, stage), amount in expected.items():
        before = spent.get(stage, (0.0, 0.0, 0.0))
        spent[stage] = (before[0] + amount[0], before[1] + amount[1], before[2] + amount[2])
    spent["measure"] = (spent["measure"][0], 3 * spent["measure"][1], spent["measure"][2])
    past = Past("past", plan(one, 1), one.scenario, spent, None)
    same, tripled = foreseen(bare, [past]), foreseen(one, [past])
    assert sum(same.prompt_tokens) == pytest.approx(2 * sum(expected_of(bare, None)), rel=0.01)
    assert sum(tripled.prompt_tokens) - sum(same.prompt_tokens) == pytest.approx(
        2 * 3 * sum(expected_of(one, "measure")), rel=0.01
    )


def expected_of(one: Edition, stage: str | None) -> list[float]:
    """The prompt tokens of each job of a stage, in the middle of the forecast; without those of an embedder here."""
    amounts = middle(plan(one, 1), one.scenario).items()
    return [amount[1] for (role, of), amount in amounts if stage in (None, of) and role in CHAT_ROLES]
