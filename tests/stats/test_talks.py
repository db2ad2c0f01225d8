"""What is measured of a dialogue, on dialogues made by hand whose figures are known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest

from culturepark.domain import Casting, Mark, Participant, Slip, Stance, Turn
from culturepark.errors import StoreError
from culturepark.stats.run_talks import MeasuredTalks, averaged, summary
from culturepark.stats.survey_fit import generator
from culturepark.stats.talk_words import length, longest_run, stem_list, stems, tokens
from culturepark.stats.talks import Background, Measures, Probed, Score, Talk, measure
from culturepark.stats.text import talk_lines
from tests.support.fakes import shipped

ELIF, TERRENCE, MODERATOR = "turkish-elif", "american-terrence", "moderator"
KOREAN, ARAB = "korean-byeongho", "arabic-suha"


@cache
def casting(*people: str, stance: int | None = 4, seed: str = "wvs7/Q33") -> Casting:
    """The first person holds the answer."""
    edition = shipped("wvs7")
    question = edition.seed(seed)
    assert question.item is not None
    own = next((Stance(code=o.code, text=o.label) for o in question.item.options if o.code == stance), None)
    seats = [
        Participant(persona=edition.persona(key), stance=None if place else own) for place, key in enumerate(people)
    ]
    return Casting(number=1, seed=question.model_copy(update={"situations": ()}), participants=tuple(seats))


def talk(said: Sequence[tuple[str, str]], key: str = "r.d1", slips: Any = None, **more: Any) -> Talk:
    people = list(dict.fromkeys(speaker for speaker, _ in said if speaker != MODERATOR))
    return Talk(key, casting(*people), turns(said), slips, **more)


def turns(said: Sequence[tuple[str, str]], **more: Any) -> list[Turn]:
    roles = {MODERATOR: "moderator", TERRENCE: "main"}
    return [
        Turn(
            position=n, slot=n, speaker=who, role=roles.get(who, "delegate"), phase="opinion", text=text,  # type: ignore[arg-type]
            origin="model",
        )
        for n, (who, text) in enumerate(said, start=1)
    ]  # fmt: skip


def measured(one: Talk, *others: Talk) -> Measures:
    return measure(one, Background([one, *others], 1))


def slip(turn: int, kind: str) -> Slip:
    return Slip(turn_id=f"r.d1.t{turn}", kind=kind, quote="so", note="so it was", call_id=None)  # type: ignore[arg-type]


CHAIN = ("accordion", "blizzard", "cathedral", "dynamite", "elephant", "flamingo", "gasoline", "hurricane", "ironing")
"""Words that stand on no card."""


def chain(words: Sequence[str] = CHAIN) -> list[tuple[str, str]]:
    """Each turn takes up the last word of the one before, and brings another."""
    last = ["", *words]
    return [
        ((ELIF, TERRENCE)[place % 2], f"{before} {word}".strip())
        for place, (before, word) in enumerate(zip(last, words, strict=False))
    ]


# --- words in any script ---------------------------------------------------------------------------


def test_stems_are_found_in_every_script() -> None:
    assert stem_list("The grandmothers cooked, and grandmother's tea") == ("grand", "cooke", "grand")
    assert stems("할머니가 시장에서") & stems("할머니는 시장을") == {"할머", "시장"}
    assert stems("المدرسة القديمة") & stems("ذهبت إلى مدرسة") == {"مدرس"}
    assert stems("পরিবারের সবাই") & stems("পরিবারে কথা") == {"পরিবা"}
    assert stem_list("我们喝茶") == ("我们", "们喝", "喝茶")
    assert stems("ชาเย็น") >= {"ชา"}
    assert not stems("the a of 한 و")


def test_two_characters_of_a_script_without_spaces_count_as_one_word() -> None:
    assert length(tokens("我们在家里喝茶吧")) == 4
    assert length(tokens("we drink tea at home")) == 5


def test_the_longest_run_goes_over_no_border_of_passages() -> None:
    card = " one two three | three four five six "
    assert longest_run(["and", "one", "two", "three", "four", "five"], card) == 3
    assert longest_run(["six", "five", "four"], card) == 1
    assert longest_run(["say", "four", "five", "six", "one", "two"], card) == 3
    assert longest_run(["nothing"], card) == 0


# --- one turn and the next -------------------------------------------------------------------------


def test_a_talk_in_which_each_takes_up_the_other() -> None:
    found = measured(talk(chain()))
    assert found.uptake == Score(1.0, 0.0)


def test_the_null_is_lower_than_the_talk_and_a_shuffled_talk_is_no_higher_than_its_null() -> None:
    words = [f"{word}{ending}" for ending in ("", "zz") for word in ("qua", "wex", "rty", "uio", "plk", "jhg", "fds")]
    words = [f"{word}{place:02d}"[::-1] for place, word in enumerate(words)]
    talks = [talk(chain([f"{letter}{word}" for word in words]), f"r.d{n}") for n, letter in enumerate("bcd", start=1)]
    behind = Background(talks, 1)
    real = [measure(one, behind).uptake for one in talks]
    assert all(score and score.value > 0.9 and score.null == 0 for score in real)
    texts = [turn.text for turn in talks[0].turns]
    order = generator("test").permutation(len(texts))
    shuffled = talk([((ELIF, TERRENCE)[place % 2], texts[old]) for place, old in enumerate(order)], "r.d4")
    found = measured(shuffled).uptake
    assert found
    assert found.null is not None
    assert found.value <= 0.25
    assert found.value - found.null < 0.2


def test_words_of_the_question_of_names_and_ones_own_take_nothing_up() -> None:
    said = [
        (ELIF, "My accordion"), (TERRENCE, "My blizzard"),
        (ELIF, "Terrence, men and women and scarce jobs, the accordion"),  # own, a name, the question's
        (TERRENCE, "Women, jobs, Terrence"),
    ]  # fmt: skip
    assert measured(talk(said)).uptake == Score(0.0, 0.0)


QUESTIONS = [
    (MODERATOR, "Who begins?"),
    (ELIF, "I was on the zeppelin."),
    (MODERATOR, "Terrence, did you ever see a zeppelin?"),
    (TERRENCE, "A zeppelin, never. Elif, and do you own an accordion?"),
    (MODERATOR, "Elif, Terrence asks: an accordion?"),
    (ELIF, "My uncle plays the accordion. Terrence, do you like walnuts?"),
    (MODERATOR, "Let us move on."),
    (ELIF, "I bake with cinnamon."),
    (TERRENCE, "The weather is dreadful."),
]


def test_questions_that_are_answered_and_one_that_hangs() -> None:
    found = measured(talk(QUESTIONS))
    # The moderator asks one person in turns 3 and 5, and whoever speaks in turn 1; people ask in turns 4 and 6.
    assert found.in_words_moderator
    assert found.in_words_people
    assert found.in_words
    assert (found.in_words_moderator.value, found.in_words_people.value) == (pytest.approx(2 / 3), 0.5)
    assert found.in_words.value == 0.6
    assert found.in_words.null is not None
    assert found.in_words.null < found.in_words.value
    assert found.spoken_next
    assert found.spoken_next.value == 0.8
    assert found.asked == Score(2 / 5)


def test_a_slip_says_that_an_answer_is_none() -> None:
    found = measured(talk(QUESTIONS, slips=[slip(4, "unanswered"), slip(8, "contradiction")]))
    looked = measured(talk(QUESTIONS, slips=[]))
    assert found.answered
    assert looked.answered
    assert (looked.answered.value, found.answered.value) == (0.8, 0.6)
    assert measured(talk(QUESTIONS)).answered is None, "nobody looked"
    assert found.contradiction == Score(1 / 5)
    assert found.task == Score(0.0)
    assert measured(talk(QUESTIONS)).contradiction is None  # nobody looked


def test_a_steered_talk_says_itself_who_is_asked() -> None:
    said = turns(
        [(ELIF, "A zeppelin."), (MODERATOR, "Do tell."), (TERRENCE, "Of the zeppelin I know."), (ELIF, "Who?")]
    )
    said[1] = said[1].model_copy(update={"act": "pass-on", "addressee": TERRENCE})
    said[2] = said[2].model_copy(update={"mark": Mark(asks=ELIF)})
    one = Talk("r.d1", casting(ELIF, TERRENCE), said)
    assert [(question.to, question.by_person, question.answer) for question in one.questions] == [
        (TERRENCE, False, 2), (ELIF, True, 3),
    ]  # fmt: skip
    found = measured(one)
    assert found.in_words_moderator
    assert found.in_words_people
    assert (found.in_words_moderator.value, found.in_words_people.value) == (1.0, 0.0)


def test_a_korean_talk() -> None:
    said = [
        (KOREAN, "저는 마을에서 쌀농사를 짓습니다."), (ELIF, "저는 병원에서 밤마다 일합니다."),
        (KOREAN, "병원이라니, 고생이 많으십니다. 혹시 간호사입니까?"), (ELIF, "간호사는 맞지만, 호박죽이 그립습니다."),
        (KOREAN, "바다는 멀고 기차도 없습니다."), (ELIF, "트럼펫 소리가 났습니다."),
    ]  # fmt: skip
    found = measured(talk(said))
    assert found.uptake
    assert found.uptake.value == 0.5
    assert found.in_words_people == Score(1.0)
    assert found.words
    assert found.words.value == pytest.approx(4)


def test_an_arabic_talk() -> None:
    said = [
        (ARAB, "أعمل في المدرسة منذ سنوات."), (ELIF, "أعيش قرب السوق الكبير."),
        (ARAB, "هل يبيعون الزيتون في سوق مدينتكم؟"), (ELIF, "نعم، زيتون أخضر من القرية."),
        (ARAB, "القطار يتأخر دائما."), (ELIF, "الطبيب مسافر."),
    ]  # fmt: skip
    found = measured(talk(said))
    assert found.uptake
    assert found.uptake.value == 0.5
    assert found.in_words_people == Score(1.0)


# --- who speaks, and what of it is the card ----------------------------------------------------------


def test_balance() -> None:
    even = measured(talk([(ELIF, "one two three four"), (TERRENCE, "five six seven eight")]))
    assert even.balance == Score(pytest.approx(1.0), pytest.approx(1.0))
    assert even.smallest == Score(1.0, 1.0)
    said = [(ELIF, "one two three four"), (TERRENCE, "two"), (ELIF, "one two three"), (TERRENCE, "b")]
    uneven = measured(talk(said))
    assert uneven.smallest
    assert uneven.smallest.value == pytest.approx(2 * 2 / 9)
    assert uneven.smallest.null is not None
    assert uneven.smallest.null > 0.55
    assert uneven.balance
    assert uneven.balance.value == pytest.approx(0.7642, abs=1e-3)
    alone = measured(talk([(ELIF, "nobody else is here")]))
    assert alone.balance is alone.smallest is alone.drift is None


def test_what_is_recited_from_the_card() -> None:
    elif_, terrence = (casting(ELIF, TERRENCE).participants[seat].persona for seat in (0, 1))
    recited = " ".join(elif_.norms[0].text.split()[:12]).strip(".,;")
    scene = terrence.episodes.scenes[0].text if terrence.episodes else ""
    told = " ".join(scene.split()[:9])
    found = measured(talk([(ELIF, f"Zeppelins! {recited}"), (TERRENCE, "An accordion"), (TERRENCE, told)]))
    assert found.echo_longest
    assert found.echo_longest.value == len(tokens(recited)) >= 12
    assert found.echo_longest.null is not None
    assert found.echo_longest.null < 5
    assert found.echo == Score(len(tokens(told)), pytest.approx(1, abs=2))
    assert found.echo_long == Score(pytest.approx(2 / 3), 0.0)


def test_the_label_of_the_own_answer() -> None:
    said = [(ELIF, "I DISAGREE with that, strongly."), (ELIF, "I agreed once."), (TERRENCE, "I disagree.")]
    found = measured(talk(said))
    # Elif holds `disagree`; Terrence holds no answer. Of the other labels none stands there as whole words.
    assert found.labels == Score(0.5, 0.0)
    assert measured(Talk("r.d1", casting(ELIF, TERRENCE, stance=None), turns(said))).labels is None


def test_what_is_new_and_what_was_said_before() -> None:
    own = next(iter(sorted(stems(casting(ELIF, TERRENCE).participants[0].persona.norms[0].text), key=len)))
    found = measured(talk([(ELIF, "zeppelin accordion"), (TERRENCE, "zeppelin walnuts"), (ELIF, "zeppelin cinnamon")]))
    assert own
    # New: 2 of 2, 1 of 2, 1 of 2. Said before by oneself: in the third speech, 1 of 2, and by the other 1 of 2.
    assert found.novelty == Score(pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found.repetition == Score(0.5, 0.5)


def test_what_stands_on_the_card_is_not_new() -> None:
    behind = Background([talk([(ELIF, "x"), (TERRENCE, "y")])], 1)
    persona = casting(ELIF, TERRENCE).participants[0].persona
    rare = sorted(behind.content(persona.norms[0].text) - behind.card(casting(ELIF, TERRENCE).participants[1]))
    word = next(w for w in persona.norms[0].text.split() if stems(w) & {*rare})
    found = measured(talk([(ELIF, word), (TERRENCE, "zeppelin")]))
    assert found.novelty == Score(0.5, 1.0)


def test_people_who_come_to_speak_of_the_same() -> None:
    apart, together = ("zeppelin airship", "walnut orchard"), ("cinnamon bakery", "bakery cinnamon")
    middle = ("trumpet concert", "marathon stadium")
    rounds = (apart, middle, together)
    nearer = measured(talk([pair for one, other in rounds for pair in ((ELIF, one), (TERRENCE, other))])).drift
    further = measured(talk([pair for one, other in rounds[::-1] for pair in ((ELIF, one), (TERRENCE, other))])).drift
    assert nearer
    assert further
    assert (nearer.value, further.value) == (pytest.approx(1.0), pytest.approx(-1.0))
    assert nearer.null is not None
    assert abs(nearer.null) < 0.3


def test_somebody_who_does_not_sit_there_is_damage() -> None:
    with pytest.raises(StoreError, match="the run has no 'german-emre'"):
        measured(Talk("r.d1", casting(ELIF, TERRENCE), turns([(ELIF, "One."), ("german-emre", "Two.")])))


# --- over dialogues ----------------------------------------------------------------------------------


def test_answers_of_models_beside_chance() -> None:
    probes = [
        Probed("stance", "after", True, 0.5), Probed("stance", "after", False, 0.3),
        Probed("understanding", "after", True, 0.25), Probed("understanding", "before", False, 0.25, read=False),
    ]  # fmt: skip
    one = talk([(ELIF, "x"), (TERRENCE, "y")], probes=probes, statements=3)
    found = measured(one)
    assert found.stance_found == Score(0.5, 0.4)
    assert (found.foreseen_before, found.foreseen) == (Score(0.0, 0.25), Score(1.0, 0.25))
    assert found.statements == Score(1.5)
    figures = summary(MeasuredTalks([one], [found], 1, probes), 1)
    assert [(p.kind, p.moment, p.asked, p.right, p.unread) for p in figures.probes] == [
        ("stance", "after", 2, 1, 0), ("understanding", "before", 1, 0, 1), ("understanding", "after", 1, 1, 0),
    ]  # fmt: skip
    assert figures.probes[0].low == pytest.approx(0.0945, abs=1e-3)
    assert figures.probes[0].high == pytest.approx(0.9055, abs=1e-3)


def test_an_interval_is_seeded_and_needs_five_dialogues() -> None:
    scores = [Score(value, 0.2) for value in (0.1, 0.5, 0.9, 0.7, 0.6, 0.8)]
    found = averaged(scores, "x", 1)
    assert found == averaged(scores, "x", 1)
    assert found.value == 0.6
    assert found.low is not None
    assert found.high is not None
    assert 0.3 < found.low < 0.6 < found.high < 0.85
    assert found.beyond_null is True
    assert averaged([Score(0.2 + step, 0.2) for step in (-0.1, 0.1, -0.2, 0.2, 0.0)], 1).beyond_null is False
    few = averaged(scores[:4], 1)
    assert few.low is few.high is few.beyond_null is None


def test_the_block_on_the_screen_is_short_and_narrow() -> None:
    probes = [Probed("stance", "after", True, 0.5), Probed("understanding", "after", True, 0.25)]
    one = talk(QUESTIONS, probes=probes, slips=[slip(4, "contradiction")])
    figures = summary(MeasuredTalks([one], [measured(one)], 1, probes), 1)
    lines = list(talk_lines(figures.model_copy(update={"dialogues": 200, "of": 10_000, "speeches": 123_456})))
    assert lines[-1] == ""
    assert len(lines) - 1 <= 12
    assert max(map(len, lines)) <= 60
    assert any("a judge finds the own answer" in line and line.split()[-2:] == ["100%", "50%"] for line in lines)
