"""The moderator's policy: whose turn it is, what is asked, and that no question is left hanging."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import pytest

from culturepark.catalog import scenarios
from culturepark.dialogue.loop import turn_in
from culturepark.dialogue.marks import mark_in
from culturepark.dialogue.policy import (
    FIXED,
    LONGEST_EXCHANGE,
    PHASE_OF,
    addressee_of,
    expected_slots,
    next_slot,
    repeating,
)
from culturepark.dialogue.protocol import Slot
from culturepark.domain import Casting, Mark, Participant, Scenario, Situation, Stance, Turn

EDITION = scenarios.load_edition(scenarios.find("wvs7"))
DELEGATES = list({p.called: p for p in EDITION.personas if p.role == "delegate"}.values())
MAIN = next(p for p in EDITION.personas if p.role == "main")
SEED = EDITION.scenario.seeds[0]

Said = tuple[str, Mark | None]
Talker = Callable[[Slot, Sequence[Turn]], Said | None]
"""Gives the speech of a slot with its mark; None where every attempt is refused."""


def at_table(people: int, *, main: bool = False, number: int = 1) -> Casting:
    delegates = [Participant(persona=p, stance=Stance(code=1, text="strongly agree")) for p in DELEGATES[:people]]
    mains = [Participant(persona=MAIN)] if main else []
    return Casting(number=number, seed=SEED, participants=tuple([*mains, *delegates][:people]))


def steered(max_turns: int, moderation: str = "balanced") -> Scenario:
    update = {"moderation": moderation, "max_turns": max_turns}
    return EDITION.scenario.model_copy(update=update)


@dataclass
class Held:
    scenario: Scenario
    casting: Casting
    slots: list[Slot]
    turns: list[Turn]

    @property
    def speeches(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.role != "moderator"]

    @property
    def acts(self) -> list[tuple[str | None, str | None]]:
        return [(turn.act, turn.addressee) for turn in self.turns if turn.role == "moderator"]


def hold(scenario: Scenario, casting: Casting, talker: Talker) -> Held:
    held = Held(scenario, casting, [], [])
    number = 1
    while slot := next_slot(scenario, casting, held.turns, number, small=False):
        assert slot.number == number
        held.slots.append(slot)
        number += 1
        position = len(held.turns) + 1
        if slot.act != "speech":
            held.turns.append(turn_in(slot, position, casting, f"words {number}", "model", "c", move=slot.move))
        elif said := talker(slot, held.turns):
            asks = addressee_of(*said, casting, slot.person)
            assert slot.may_ask or not asks, "the guard refuses it"
            held.turns.append(turn_in(slot, position, casting, said[0], "model", "c", mark=said[1], asks=asks))
        assert number < 1000
    return held


ENDS = ("bread", "house", "river", "night")


def quiet(slot: Slot, said: Sequence[Turn]) -> Said:
    return " ".join(f"{chr(97 + slot.number // 26)}{chr(97 + slot.number % 26)}{end}" for end in ENDS), None


def asking(casting: Casting, seed: int, share: float, *, marked: bool = True) -> Talker:
    """Asks anybody at the table, as often as it may."""
    random = Random(seed)

    def talker(slot: Slot, said: Sequence[Turn]) -> Said:
        text, _ = quiet(slot, said)
        others = [p.persona for i, p in enumerate(casting.participants) if i != slot.person]
        other = random.choice(others)
        asks = slot.may_ask and random.random() < share
        text = f"{text} {other.called}, and you?" if asks else text
        return text, Mark(asks=other.key if asks else None) if marked else None

    return talker


TABLES = [(people, turns) for people in (2, 3, 5, 8) for turns in (2 * people, 3 * people + 1, 7 * people, 40)]


@pytest.mark.parametrize(("people", "turns"), TABLES)
@pytest.mark.parametrize("marked", [True, False])
def test_whoever_is_asked_speaks_next_and_no_question_is_left_hanging(people: int, turns: int, marked: bool) -> None:
    for seed in range(6):
        casting = at_table(people, number=seed, main=seed % 2 == 1)
        held = hold(steered(turns), casting, asking(casting, seed, share=0.7, marked=marked))
        assert len(held.speeches) <= turns
        for turn, following in pairwise(held.turns):
            if turn.addressee:
                assert following.speaker == turn.addressee, f"{turn.position} was never answered"
        assert held.turns[-1].addressee is None
        if turns >= 3 * people:
            assert any(turn.addressee for turn in held.speeches)


@pytest.mark.parametrize(("people", "turns"), TABLES)
def test_everybody_opens_closes_and_is_heard(people: int, turns: int) -> None:
    held = hold(steered(turns), at_table(people), quiet)
    by_phase = [[t.speaker for t in held.speeches if t.phase == phase] for phase in ("opening", "closing")]
    keys = {p.persona.key for p in held.casting.participants}
    assert [set(speakers) for speakers in by_phase] == [keys, keys]
    assert turns - len(held.speeches) <= 1 or held.turns[-people - 1].reason == "everybody has told what was missing"
    counts = Counter(turn.speaker for turn in held.speeches)
    assert max(counts.values()) - min(counts.values()) <= 3
    assert (held.acts[0], held.acts[-1]) == (("welcome", None), ("close", None))


def test_a_case_is_put_first_and_everybody_answers_it_before_anything_else_is_asked() -> None:
    held = hold(steered(30), at_table(3), quiet)
    asked = [act for act, _ in held.acts]
    assert asked[1:4] == ["ask"] * 3
    assert "ask" not in asked[4:]
    assert [to for act, to in held.acts if act == "ask"] != [None] * 3


def test_who_has_answered_unasked_is_not_asked_again() -> None:
    def talker(slot: Slot, said: Sequence[Turn]) -> Said:
        return quiet(slot, said)[0], Mark(told=("answer",))

    held = hold(steered(30), at_table(2), talker)
    assert [act for act, _ in held.acts].count("ask") == 1


def test_one_who_came_to_listen_is_not_asked_for_an_answer_but_may_ask() -> None:
    casting = at_table(2, main=True)
    held = hold(steered(30), casting, quiet)
    to_main = {act for act, to in held.acts if to == MAIN.key}
    assert "ask" not in to_main
    assert "pass-on" in to_main
    assert not to_main & {"contrast", "say-back"}


def test_nobody_is_asked_twice_for_the_same_and_no_act_comes_twice_running() -> None:
    held = hold(steered(60), at_table(3), quiet)
    middle = [(act, to) for act, to in held.acts if act not in ("welcome", "close", "bring-in", "move-on")]
    assert len(set(middle)) == len(middle)
    running = [act for (act, _), (following, _) in pairwise(held.acts) if act == following]
    assert not set(running) - {"ask", "move-on"}
    assert all(turn.reason for turn in held.turns if turn.act and turn.act not in ("welcome",))


def test_what_the_marks_say_was_told_is_not_asked_for() -> None:
    everything = Mark(told=("answer", "scene", "rule", "consequence", "exception", "reaction"))
    held = hold(steered(60), at_table(2), lambda slot, said: (quiet(slot, said)[0], everything))
    assert not {"scene", "rule", "otherwise", "exception"} & {act for act, _ in held.acts}


def test_a_long_talk_turns_to_the_next_case_and_ends_when_nothing_is_missing() -> None:
    held = hold(steered(200), at_table(2), quiet)
    moves = [slot.move for slot in held.slots if slot.act != "speech" and slot.move]
    assert [move.case for move in moves if move.act == "move-on"] == [1, 2]
    assert moves[-1].why == "everybody has told what was missing"
    assert len(held.speeches) < 200


def test_whoever_says_least_is_brought_in() -> None:
    casting = at_table(3)
    loud = [casting.participants[i].persona.key for i in (0, 1)]

    def talker(slot: Slot, said: Sequence[Turn]) -> Said:
        other = loud[1 - slot.person] if slot.person < 2 and slot.may_ask else None
        return quiet(slot, said)[0] + ("?" if other else ""), Mark(told=("answer",), asks=other)

    held = hold(steered(40), casting, talker)
    assert ("bring-in", casting.participants[2].persona.key) in held.acts


def test_nobody_goes_on_for_longer_than_an_exchange_without_the_moderator() -> None:
    casting = at_table(2)
    held = hold(steered(40), casting, asking(casting, 1, share=1.0))
    run = 0
    for turn in held.turns:
        run = 0 if turn.role == "moderator" else run + 1
        assert run <= LONGEST_EXCHANGE or turn.phase == "opening"


def test_a_dialogue_can_be_taken_up_after_any_turn() -> None:
    casting = at_table(3)
    held = hold(steered(20), casting, asking(casting, 3, share=0.5))
    for slot in held.slots:
        before = [turn for turn in held.turns if turn.slot < slot.number]
        assert next_slot(held.scenario, casting, before, slot.number, small=False) == slot


def test_a_slot_whose_every_attempt_was_refused_is_passed_over() -> None:
    casting = at_table(2)

    def talker(slot: Slot, said: Sequence[Turn]) -> Said | None:
        return None if slot.number in (6, 9) else quiet(slot, said)

    held = hold(steered(14), casting, talker)
    assert {6, 9}.isdisjoint(turn.slot for turn in held.turns)
    assert held.turns[-1].phase == "closing"
    lost = [slot for slot in held.slots if slot.act == "speech" and slot.number in (6, 9)]
    assert len(held.speeches) == 14 - len(lost)


def test_a_talk_that_only_repeats_itself_is_closed() -> None:
    casting = at_table(2)
    held = hold(steered(40), casting, lambda slot, said: ("The bread is baked early in our oven by my mother.", None))
    assert len(held.speeches) < 12
    assert held.turns[-3].reason == "the talk only repeats itself"
    assert repeating(held.scenario, casting, held.turns)
    varied = hold(steered(40), casting, quiet)
    assert not repeating(varied.scenario, casting, varied.turns)


def test_what_is_expected_is_what_comes_when_nobody_asks() -> None:
    for people, turns in TABLES:
        held = hold(steered(turns), at_table(people), quiet)
        slots = expected_slots(held.scenario, held.casting)
        assert [(s.number, s.phase, s.act) for s in slots] == [(s.number, s.phase, s.act) for s in held.slots]


def test_a_model_may_lead_among_what_the_rules_allow() -> None:
    casting = at_table(2)
    held = Held(steered(30, "led"), casting, [], [])
    chosen = []
    number = 1
    while slot := next_slot(held.scenario, casting, held.turns, number, small=False):
        move = slot.moves[-1] if slot.moves else slot.move
        if slot.moves:
            assert slot.moves[0] == slot.move
            assert not {m.act for m in slot.moves} & set(FIXED)
            assert len(slot.missing) == 2
            chosen.append(move)
        held.turns.append(
            turn_in(slot, number, casting, f"text{number} it{number} so{number} as{number}", "model", "c", move=move)
        )
        number += 1
    acts = [turn for turn in held.turns if turn.act]
    assert chosen
    for move in chosen:
        assert move
        assert move.act in [turn.act for turn in acts]
    assert all(turn.phase == PHASE_OF[turn.act] for turn in acts if turn.act)
    for turn, following in pairwise(held.turns):
        if turn.addressee:
            assert following.speaker == turn.addressee


def test_a_question_without_situations_is_asked_itself() -> None:
    seed = SEED.model_copy(update={"situations": ()})
    casting = at_table(2).model_copy(update={"seed": seed})
    held = hold(steered(14), casting, quiet)
    assert ("ask", held.speeches[2].speaker) in held.acts


# --- marks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "spoken", "mark"),
    [
        ("I bake.\n[told: rule; from: card; asks: none]", "I bake.", Mark(told=("rule",), grounds=("card",))),
        ("I bake. [told: answer, scene; from: memory; asks: none]", "I bake.",
         Mark(told=("answer", "scene"), grounds=("episode",))),
        ("I bake.\n\n**[told: rule; from: guess, card]**", "I bake.", Mark(told=("rule",), grounds=("model", "card"))),
        ("I bake.\ntold: exception\nfrom: guess\nasks: none", "I bake.", Mark(told=("exception",), grounds=("model",))),
        ("I bake.\n[Told: none; From: none; Asks: none]", "I bake.", Mark()),
        ("I bake.\n[told: reaction", "I bake.", Mark(told=("reaction",))),
        ("我烤面包。\n【told：rule；from：card；asks：none】", "我烤面包。", Mark(told=("rule",), grounds=("card",))),
        ("I bake. [told: rule; from: card; asks: none] And my son bakes.",
         "I bake. [told: rule; from: card; asks: none] And my son bakes.", None),
        ("“I bake.”\n[told: rule; from: card; asks: none]", "“I bake.”", Mark(told=("rule",), grounds=("card",))),
        ("I bake.\nNote: [told: rule; from: card; asks: none]", "I bake.", Mark(told=("rule",), grounds=("card",))),
        ("I bake. told: rule; from: card; asks: none", "I bake.", Mark(told=("rule",), grounds=("card",))),
        ("I bake.\n[from: memory; asks: none]", "I bake.", Mark(grounds=("episode",))),
        ("I bake.\n\n(told: none; from: none; asks: none)", "I bake.", Mark()),
        ("As I told: we bake.", "As I told: we bake.", None),
        ("He asks: why? And from: me, nothing.", "He asks: why? And from: me, nothing.", None),
        ("I bake [at night] with my son.", "I bake [at night] with my son.", None),
    ],
)  # fmt: skip
def test_a_mark_is_read_and_cut_off(reply: str, spoken: str, mark: Mark | None) -> None:
    casting = at_table(2)
    assert mark_in(reply, casting, casting.participants[0]) == (spoken, mark)


def test_a_mark_names_whom_it_asks() -> None:
    casting = at_table(3)
    other = casting.participants[1].persona
    _, mark = mark_in(f"And you?\n[told: none; from: none; asks: {other.called}]", casting, casting.participants[0])
    assert mark
    assert mark.asks == other.key
    assert addressee_of("And you?", mark, casting, 0) == other.key
    assert addressee_of("I wonder.", mark, casting, 0) is None, "there is no question in it"
    assert addressee_of("Who knows?", Mark(), casting, 0) is None, "it is a question to nobody"
    assert addressee_of(f"{other.called}, and you?", None, casting, 0) == other.key
    assert addressee_of("And you?", None, casting, 0) is None, "there are two others"
    assert addressee_of("وأنتِ؟", None, at_table(2), 0) == at_table(2).participants[1].persona.key


def test_a_situation_is_taken_in_turn() -> None:
    told = [casting.situation for number in range(6) if (casting := at_table(2, number=number))]
    assert all(isinstance(situation, Situation) for situation in told)
    assert len({situation.told for situation in told if situation}) == 3
