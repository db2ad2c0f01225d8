"""May a turn stand? What is cut off a reply, and what is objected to; natural speech must pass."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from culturepark import glossary
from culturepark.catalog.personas import load_all
from culturepark.dialogue import guards
from culturepark.dialogue.guards import Hearing, by_form, clean, may_stand, objection, objection_to_follow_up
from culturepark.errors import UsageError
from culturepark.languages import Language, Lists, load_language
from culturepark.models.chat import Reply, Usage
from culturepark.models.thoughts import Unclear

DATA = Path(__file__).parents[1] / "data"
FINE = "At our house the tea is poured before anybody has sat down, and nobody asks how long you stay."


def reply(text: str, finish: str | None = "stop", refusal: str | None = None) -> Reply:
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return Reply.of({"choices": [{"message": message, "finish_reason": finish}]}, Usage())


def hearing(
    *earlier: str, called: str = "Elif", others: tuple[str, ...] = ("Markus", "Diane"), instruction: str = ""
) -> Hearing:
    return Hearing(
        called=called,
        others=others,
        earlier=earlier,
        instruction=instruction or "Introduce yourself.",
        language=load_language("en"),
    )


def judged(text: str, finish: str | None = "stop", refusal: str | None = None, at: Hearing | None = None) -> str | None:
    """As the loop does it: the reply is cleaned, then judged."""
    at = at or hearing()
    one = reply(text, finish, refusal)
    return objection(one, clean(one, at.called), at)


# --- what is cut off a reply ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "spoken"),
    [
        ("Elif: We pour tea.", "We pour tea."),
        ("Elif Yıldız: We pour tea.", "We pour tea."),
        ("**Elif:** We pour tea.", "We pour tea."),
        ("**Elif**: We pour tea.", "We pour tea."),
        ("Elif：We pour tea.", "We pour tea."),
        ("  \n We pour tea. \n\n", "We pour tea."),
        ("<think>She is shy.\nSo:</think>\n\nWe pour tea.", "We pour tea."),
        ("<think>x</think>Elif: We pour tea.", "We pour tea."),
        ('"We pour tea."', "We pour tea."),
        ("“We pour tea.”", "We pour tea."),
        ("«We pour tea.»", "We pour tea."),
        ("„We pour tea.“", "We pour tea."),
        ('Elif: "We pour tea."', "We pour tea."),
    ],
)
def test_a_label_in_front_wrapping_quotes_and_thoughts_are_cut_off(said: str, spoken: str) -> None:
    assert clean(reply(said), "Elif") == spoken


@pytest.mark.parametrize(
    "said",
    [
        FINE,
        "Elif is what they call me.",
        "Elif, my grandmother used to say: feed them first.",
        "There are three of us: Elif, Mert and my mother.",
        "My name is Elif: you write it with an f.",
        "Elif's mother: that is what they call my mother.",
        "Markus: that is what I wanted to say to you.",
        "We pour tea. Elif: that is me.",
    ],
)
def test_a_reply_without_wrapping_stays_as_it_is(said: str) -> None:
    assert clean(reply(said), "Elif") == said


@pytest.mark.parametrize(
    "said",
    [
        '"Guest" is a holy word with us, and so is "bread"',
        '"Tanrı misafiri", we say, a guest of God.',
        "“Abla” I call her, though she is no sister of mine, and she calls me “kızım”",
        "My father says: “A guest eats with his eyes.”",
        'She said "sit down" and I sat down.',
        "«Hoş geldin» we say, and the guest says «hoş bulduk»",
        "„Zu Gast“ heißt bei uns etwas anderes als „zu Besuch“",
        "It's my mother's house, and 'no' is not said there.",
        '"Come in!" my grandmother calls before she knows who it is.',
        'What people call "honour"',
    ],
)
def test_a_reply_that_contains_a_quoted_word_survives_whole(said: str) -> None:
    assert clean(reply(said), "Elif") == said
    assert clean(reply(f"Elif: {said}"), "Elif") == said


def test_nul_and_lone_surrogates_become_the_replacement_character_one_for_one() -> None:
    assert clean(reply("We\0pour\ud800 tea\udfff."), "Elif") == "We\ufffdpour\ufffd tea\ufffd."
    assert clean(reply("We pour 🫖 çay."), "Elif") == "We pour 🫖 çay."


@pytest.mark.parametrize("wrapping", ["{}", "Elif: {}", '"{}"', "<think>a</think> {}", " \n**Elif**: “{}”\t", "x{}"])
@pytest.mark.parametrize(
    "core",
    [FINE, "a\0b", "\ud800", "", '"', "“”", "Elif: ", '""""', "\x1b[31mred", "a\r\nb", "<think>", "[b]Elif:[/b]"],
)
def test_what_is_spoken_is_one_piece_of_what_came(wrapping: str, core: str) -> None:
    whole = wrapping.format(core)
    plain = "".join("\ufffd" if c == "\0" or 0xD800 <= ord(c) <= 0xDFFF else c for c in whole)
    assert clean(reply(whole), "Elif") in plain


@pytest.mark.parametrize("said", ["Elif said: we pour tea.", "Elif means: the first letter of our old alphabet."])
def test_a_sentence_that_begins_with_the_speakers_name_is_no_label(said: str) -> None:
    assert clean(reply(said), "Elif") == said


@pytest.mark.parametrize("label", ["ELIF:", "elif:", "[Elif]:", "Elif (smiling):", "- Elif:", "# Elif:"])
def test_no_label_of_ones_own_is_left_in_what_stands(label: str) -> None:
    said = f"{label} We pour the tea before anybody sits."
    assert clean(reply(said), "Elif") == "We pour the tea before anybody sits." or judged(said) == "spoken-for-another"


def test_a_name_with_a_hyphen_or_a_dot_is_taken_as_it_stands() -> None:
    assert clean(reply("Byeong-ho: Sit down."), "Byeong-ho") == "Sit down."
    assert clean(reply("JR: Sit down."), "J.") == "JR: Sit down."


# --- natural speech passes ---------------------------------------------------------------------------------

NATURAL = [
    FINE,
    "Yes.",
    "I agree with Markus there.",
    "Elif, my grandmother used to say: never send a guest away hungry.",
    "Markus is right: a guest who comes without a word gets what there is.",
    "I am so glad that you say this, Markus, because nobody at home would.",
    "I'm Elif, a nurse from Konya, and Diane's story reminds me of my aunt.",
    "On the tenth of Muharrem my mother cooks a big pot of aşure and sends me to every door with a bowl.",
    "We share mate with whoever sits down, and saying gracias means that you want no more of it.",
    "Mansaf, jameed, samneh: my mother cooks them in that order, inshallah, and the dallah stands ready.",
    "On Seollal we bow to the elders, the sebae, and they hand us sebaetdon in a white envelope.",
    "“Tanrı misafiri” we say, a guest sent by God, and my mother kept a plate ready for one.",
    "¡Dale!, my father shouts, and then everybody is at the table at once, asado or no asado.",
    "They ask 吃了吗 and do not want to know what you have eaten, only that you are well.",
    "I am sorry, but I cannot agree with Markus; a son who earns must give his part at home.",
    "The system: that is what my father calls the ministry, the school and the hospital together.",
    "I have nothing against machines, but a robot will not sit with my mother at night.",
    "My sister began as an assistant, and now the shop is hers.",
    "I'm sorry, but I can't do that to my mother; she waits with the soup until I am home.",
    "I'm sorry, but I cannot discuss money in front of the children, that is for later.",
    "I use a language model at work, as a translator, and my father does not trust a word of it.",
    "I work as an assistant nurse on the children's ward, and at night nobody asks who is in charge.",
    "I am unable to eat before my grandmother has taken her first spoon; it would feel like pushing her aside.",
    "I'm unable to say no when my aunt pours a third glass.",
    "I cannot help with the harvest any more because of my back, so I cook for those who can.",
    "I cannot provide for my parents the way I would like to, and that keeps me awake.",
    "I can't pretend that I never lit a cigarette behind my grandfather's back, but never in front of him.",
    "I'm sorry, I can't drink in front of my father even today, at thirty-four.",
    "It is not in my character to shout, so I ask a question and wait.",
    "My daughter uses an AI assistant for her homework, and I would rather she asked her uncle.",
    "I still introduce myself as a teacher and not as an M.A.",
    "My cousin was a virtual assistant for an airline, from her kitchen in Izmir, and lost that work.",
    "My mother gets up at four, and nobody thanks her for it; that is how it is.",
    "Ask anybody in Konya, they will tell you the village that their bread comes from.",
    "She never told us what the money in the blue tin was for.",
    "My uncle can shout as he likes, I will not change that.",
    "I say my prayers when the shift lets me, and I do not hide which ones they are.",
    "The first glass is ours and the second glass is his.",
    "Diane asked: and who washes up? Well, my husband does, when his mother is not looking.",
]


@pytest.mark.parametrize("said", NATURAL)
def test_natural_speech_stands(said: str) -> None:
    assert judged(said, at=hearing("Good evening, I am Markus and I keep bees near Celle.")) is None


def test_whatever_stands_on_a_shipped_card_may_be_said() -> None:
    for persona in load_all([]):
        at = hearing(called=persona.called, others=("Nobody", "Someone"))
        pieces = [norm.text for norm in persona.norms] + [value.why for value in persona.values]
        for piece in [*pieces, persona.scope, f"I am {persona.called} and I live in {persona.place}."]:
            assert judged(piece, at=at) is None, (persona.key, piece)


def test_a_long_turn_stands_if_it_was_not_cut_off() -> None:
    text = " ".join(norm.text for persona in load_all([])[:5] for norm in persona.norms)[:3900]
    assert len(text) == 3900
    assert judged(text) is None


@pytest.mark.parametrize(("name", "said"), [
    ("So", "I am so tired of being asked that; we simply pour the tea."),
    ("An", "I'm an engineer, and on Sundays I repair the neighbours' radios for nothing."),
    ("Rich", "I am rich in cousins, if in nothing else, and they all come on Friday."),
])  # fmt: skip
def test_an_english_word_that_is_also_somebodys_name_is_still_a_word(name: str, said: str) -> None:
    assert judged(said, at=hearing(others=(name,))) is None
    assert judged(f"I am {name}, and I live here in town.", at=hearing(others=(name,))) == "spoken-for-another"


@pytest.mark.parametrize("finish", [None, "unknown", "max_tokens"])
def test_only_a_word_that_means_the_end_is_one(finish: str | None) -> None:
    assert judged(FINE, finish=finish) == "cut-off"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("I <think> that is odd</think> so.", "leaked-thoughts"),
        (f"<think>She is shy. {FINE}", "leaked-thoughts"),
        (f"Well, <think>she is shy.</think> {FINE}", "leaked-thoughts"),
        (f"{FINE} <|vision_start|> {FINE}", "control-token"),
        (f"{FINE[:40]}\ufffd{FINE[40:]}", "garbled"),
        (f"She is shy.</think>{FINE}<|im_end|>", None),
        (f"<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Elif: {FINE}", None),
        (f"{FINE} \ufffd\ufffd", None),
        (f"{FINE}</s><s>[INST] And you? [/INST]", None),
    ],
)
def test_what_leaked_is_taken_out_or_the_turn_is_refused(said: str, reason: str | None) -> None:
    assert judged(said) == reason
    if reason is None:
        assert clean(reply(said), "Elif") == FINE


def test_thoughts_that_the_limit_cut_off_are_cut_off() -> None:
    assert judged(f"<think>She is shy. {FINE}", finish="length") == "cut-off"


def test_every_word_of_a_guard_is_known_to_people() -> None:
    source = Path(guards.__file__).read_text("utf-8")
    body = source[source.index("def objection(") : source.index("# --- one guard each")]
    assert set(re.findall(r'return "([a-z-]+)"', body)) | set(get_args(Unclear)) <= set(glossary.REFUSED)


# --- each objection ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["", "   \n", "…", "?!", "12, 14.", "\0", "Elif:", '""', "<think>Hm.</think>", "😀"])
def test_a_turn_without_a_word_is_empty(said: str) -> None:
    assert judged(said) == "empty"


def test_a_turn_that_ran_into_the_limit_is_cut_off() -> None:
    assert judged(FINE, finish="length") == "cut-off"
    assert judged("We pour " + " ".join(f"tea{n}" for n in range(900))) == "cut-off"


@pytest.mark.parametrize("said", ["We pour the tea first because", "We pour the tea and the.", "I went home with my …"])
def test_a_turn_whose_last_word_wants_another_is_cut_off(said: str) -> None:
    assert judged(said) == "cut-off"


def test_a_turn_that_the_endpoint_filtered_is_named_so() -> None:
    assert judged(FINE, finish="content_filter") == "content-filter"
    assert judged("", finish="content_filter") == "content-filter"


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but I can’t help with that.",
        "I am sorry, but I cannot assist you with this request.",
        "Elif: I cannot assist with that.",
        "I'm unable to assist with this conversation.",
        "I cannot fulfill this request.",
        "I can't comply with that request.",
        "I can't role-play as a real person.",
        "I'm really sorry, but I can't help with that.",
        "I apologize, but I can't assist with that request.",
        "Unfortunately, I cannot help with that request.",
        "I won't be able to help with that.",
    ],
)
def test_a_refusal_is_no_turn(said: str) -> None:
    assert judged(said) == "refusal"


def test_a_refusal_in_the_field_for_refusals_is_no_turn_whatever_else_was_said() -> None:
    assert judged("", refusal="I can't help with that.") == "refusal"
    assert judged(FINE, refusal="no") == "refusal"
    assert judged(FINE, refusal="") is None


@pytest.mark.parametrize(
    "said",
    [
        "As an AI, I have no grandmother, but many people have.",
        "Well, as an AI language model I do not eat.",
        "I am an AI, so I do not drink tea.",
        "I'm an AI and have no hands for a teapot.",
        "My training data does not say how tea is poured.",
        "I do not have personal opinions on who should pour.",
        "In this role-play I would pour the tea first.",
        "My persona would pour the tea first.",
        "Tea is poured first. Is there anything else I can help you find?",
        "As a chatbot, I cannot pour tea.",
        "I was created by OpenAI, and tea is not poured there.",
        "Sure! Here is a response from Elif's point of view: we pour the tea first.",
    ],
)
def test_a_turn_out_of_role_may_not_stand(said: str) -> None:
    assert judged(said) == "out-of-role"


@pytest.mark.parametrize(
    "said",
    [
        "Markus: We shake hands.",
        "**Markus:** We shake hands.",
        "MARKUS: We shake hands.",
        "Markus Brandt: We shake hands.",
        "We pour tea.\nMarkus: And we shake hands.",
        "We pour tea. Markus: And we shake hands.",
        "We pour tea.\n\nModerator: Thank you both.",
        "Narrator: She pours the tea.",
        "User: And then?",
        "We pour tea.\nElif: And then we sit.",
        "I am Markus, and we shake hands.",
        "My name is Diane and I drive the bus.",
        "I’m Markus. We shake hands.",
        "[Markus]: We shake hands.",
        "Markus (laughing): We shake hands.",
    ],
)
def test_a_turn_spoken_for_somebody_else_may_not_stand(said: str) -> None:
    assert judged(said) == "spoken-for-another"


@pytest.mark.parametrize(
    "said",
    [
        FINE,
        FINE.upper().replace(",", ""),
        "At our house the tea is poured before anybody has sat down, and nobody asks when you will leave.",
        f"{FINE} So be it.",
    ],
)
def test_a_turn_that_was_said_before_by_anybody_is_a_repeat(said: str) -> None:
    assert judged(said, at=hearing("Good evening.", FINE)) == "repeat"


def test_a_turn_that_says_one_thing_over_and_over_is_a_repeat() -> None:
    assert judged("We pour the tea and we sit down. " * 6) == "repeat"


@pytest.mark.parametrize("letters", ["G" * 60, "!" * 60, "ab" * 40, "-- " + "çay" * 30])
def test_letters_over_and_over_are_a_repeat(letters: str) -> None:
    assert judged(f"At our house the tea is poured {letters}.") == "repeat"
    assert judged("Hahahahaha, aaaah, noooooo, the tea is poured before anybody has sat down ... .") is None


def test_the_instruction_said_back_is_a_repeat() -> None:
    instruction = "Give your own answer to the question and the reason for it."
    assert judged(instruction, at=hearing(instruction=instruction)) == "repeat"


def test_taking_up_a_few_words_of_another_is_no_repeat() -> None:
    said = (
        "You say that the tea is poured before anybody has sat down; at ours the soup waits until the oldest has sat."
    )
    assert judged(said, at=hearing(FINE)) is None
    assert judged("I pour tea too.", at=hearing("I pour tea.")) is None


FOREIGN = {
    "Turkish": "Misafir geldiğinde önce çay koyarız, sonra sofrayı kurarız. Annem kapıyı hep güler yüzle açardı.",
    "German": "Wenn jemand unangemeldet kommt, biete ich Kaffee an. Vorher anzurufen ist bei uns üblich.",
    "Spanish": "Cuando llega alguien sin avisar ponemos la pava. Mi abuela decía que la casa es de todos.",
    "Portuguese": "Quando chega alguém sem avisar, eu passo um café e a gente conversa na cozinha até tarde.",
    "Chinese": "客人来了我们先倒茶，再端上水果，谁也不会问他什么时候走。我奶奶说，客人吃不饱是主人丢脸，总是多煮一碗。",
    "short Chinese": "客人来了我们先倒茶，再端上水果，谁也不会问他什么时候走。我奶奶说，客人吃不饱是主人丢脸。",
    "Arabic": "عندما يأتي الضيف من دون موعد نقدم له القهوة أولا ثم نسأله عن حاله، وهذا واجب علينا جميعا.",
    "short Arabic": "نقدم القهوة للضيف أولا ثم نسأله عن حاله.",
    "Bengali": "হঠাৎ অতিথি এলে আমরা আগে চা দিই, তারপর যা আছে তাই দিয়ে ভাত খাওয়াই। মা বলতেন অতিথি মানে আশীর্বাদ।",
    "short Bengali": "হঠাৎ অতিথি এলে আমরা আগে চা দিই, তারপর ভাত খাওয়াই।",
    "Korean": "손님이 갑자기 오면 먼저 차를 내고 과일을 깎습니다. 손님을 빈손으로 보내면 안 된다고 하셨습니다.",
    "short Korean": "손님이 갑자기 오면 먼저 차를 내고 과일을 깎아요.",
}


@pytest.mark.parametrize("language", FOREIGN)
def test_a_turn_in_another_language_may_not_stand_in_an_english_dialogue(language: str) -> None:
    assert judged(FOREIGN[language]) == "wrong-language"
    assert judged(f"Elif: {FOREIGN[language]}") == "wrong-language"


# --- the moderator's follow-ups ------------------------------------------------------------------------------

SAID = "My grandmother kept the best glasses for people who came without calling."


def asked(text: str, *earlier: str, taken_up: str = SAID, finish: str = "stop") -> str | None:
    one = reply(text, finish)
    at = hearing(*earlier, called="Moderator", others=("Elif", "Markus"), instruction="Ask Elif one question.")
    return objection_to_follow_up(one, clean(one, "Moderator"), at, taken_up)


@pytest.mark.parametrize(
    "question",
    [
        "Elif, Markus spoke of his grandmother's best glasses; who gets the best ones at yours?",
        "Moderator: Elif, what is a glass kept for, where you live?",
        "Elif, he said “without calling”. Does anybody call where you live?”",
        "Elif, does a guest who comes without calling get the glasses too？",
    ],
)
def test_a_question_that_takes_up_what_was_said_may_be_asked(question: str) -> None:
    assert asked(question) is None


def test_a_follow_up_must_be_a_question() -> None:
    assert asked("Elif, his grandmother kept the best glasses.") == "not-a-question"


def test_a_follow_up_may_not_be_a_speech() -> None:
    speech = " ".join(norm.text for norm in load_all([])[0].norms[:3]).replace(".", ",")
    assert len(speech.split()) > 60
    assert asked(f"Elif, I once heard it like this: {speech} and so, what of the glasses?") == "not-a-question"


def test_a_follow_up_must_take_up_what_was_just_said() -> None:
    assert asked("Elif, what do you think yourself?") == "takes-nothing-up"
    assert asked("Elif, how do people greet each other in Konya?") == "takes-nothing-up"
    question = "Elif, who keeps glasses for a guest at your place?"
    assert asked(question, taken_up="We walk home after dark.") == "takes-nothing-up"


def test_a_follow_up_is_held_to_all_that_a_turn_is_held_to() -> None:
    question = "Elif, Markus spoke of the best glasses; who gets them at yours?"
    assert asked(question, question) == "repeat"
    assert asked(question, finish="length") == "cut-off"
    assert asked("As an AI I wonder about the glasses, Elif?") == "out-of-role"
    assert asked("Elif: We keep our glasses locked. And yours?") == "spoken-for-another"
    assert asked("") == "empty"
    assert asked("I can't help with glasses?") == "refusal"


# --- labelled turns, and other languages -----------------------------------------------------------------------

SCRIPTS = {
    "ar": "ARABIC",
    "bn": "BENGALI",
    "de": "LATIN",
    "en": "LATIN",
    "es": "LATIN",
    "ko": "HANGUL",
    "pt": "LATIN",
    "tr": "LATIN",
    "zh": "CJK",
}


def language_with(code: str, **lists: list[str]) -> Language:
    """A language that has a script, and no lists but these."""
    language = Language(code, "culturepark.languages.en")
    language.__dict__ |= {"script": SCRIPTS[code], "phrases": Lists(code, lists)}
    return language


def at_table(
    language: Language, *earlier: str, called: str = "Elif", others: tuple[str, ...] = ("Terrence",)
) -> Hearing:
    return Hearing(called, others, earlier, "", language)


def stands(text: str, code: str) -> bool:
    if code == "en":
        return may_stand(text, load_language("en"), "Elif", ("Terrence",))
    return by_form(clean(reply(text), "Elif"), at_table(language_with(code))) is None


@pytest.mark.parametrize("name", ["guards_dev", "guards_own", "guards_own, held out", "guards_own, other languages"])
def test_few_good_turns_are_refused_and_few_bad_ones_stand(name: str) -> None:
    """In languages other than English only the rules that need no lists are asked."""
    file, _, part = name.partition(", ")
    rows = [json.loads(line) for line in (DATA / f"{file}.jsonl").read_text("utf-8").splitlines()]
    if part:
        rows = [row for row in rows if (row["held_out"] if part == "held out" else row["language"] != "en")]
    good, bad = [row for row in rows if row["good"]], [row for row in rows if not row["good"]]
    refused = [row for row in good if not stands(row["text"], row.get("language", "en"))]
    accepted = [row for row in bad if stands(row["text"], row.get("language", "en"))]
    for row in refused + accepted:
        print("refused: " if row["good"] else "accepted:", row["id"], row["text"])
    assert len(refused) <= len(good) / 15
    assert len(accepted) <= len(bad) / 4


def test_a_bare_text_may_stand_or_not() -> None:
    english = load_language("en")
    assert may_stand(FINE, english, "Elif")
    assert may_stand(f"Elif: {FINE}", english, "Elif")
    assert not may_stand("Elif nods and pours the tea.", english, "Elif")
    assert may_stand("Diane nods and pours the tea.", english, "Elif")
    assert not may_stand("", english, "Elif")


def test_all_that_is_on_the_cards_in_the_first_person_may_be_said() -> None:
    for persona in load_all([]):
        at = hearing(called=persona.called, others=("Nobody", "Someone"))
        quoted = [f"My mother used to say: “{saying.text}” ({saying.english})" for saying in persona.sayings]
        for piece in [*(scene.text for scene in (persona.episodes.scenes if persona.episodes else ())), *quoted]:
            assert judged(piece, at=at) is None, (persona.key, piece)


@pytest.mark.parametrize("code", ["ar", "bn", "ko", "zh"])
def test_a_language_without_lists_is_an_error_and_no_leave_to_pass(code: str) -> None:
    said = FOREIGN[{"ar": "Arabic", "bn": "Bengali", "ko": "Korean", "zh": "Chinese"}[code]]
    with pytest.raises(UsageError, match="has no list"):
        judged(said, at=at_table(language_with(code)))
    assert by_form(said, at_table(language_with(code))) is None
    assert by_form(FINE, at_table(language_with(code))) == "wrong-language"
    assert by_form(said, at_table(language_with(code), said)) == "repeat"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("我们先倒茶。陈伟：我们也是。", "spoken-for-another"),
        ("陈伟（笑着）：我们也是这样的。", "spoken-for-another"),
        ("我们先倒茶，", "cut-off"),
        ("（笑）我们先倒茶。", "out-of-role"),
        ("１．敬老。２．爱幼。", "out-of-role"),
        ("客人来了我们先倒茶再端上水果谁也不问他什么时候走。", "repeat"),
        ("我奶奶（她今年九十）还自己倒茶。", None),
        ("我哥（陈伟）：别的都好说，就是不能不喝茶。", None),
    ],
)
def test_the_rules_of_form_hold_in_chinese(said: str, reason: str | None) -> None:
    earlier = "客人来了我们先倒茶，再端上水果，谁也不会问他什么时候走。"
    assert by_form(said, at_table(language_with("zh"), earlier, called="丽华", others=("陈伟",))) == reason


@pytest.mark.parametrize(
    ("code", "question", "taken_up"),
    [
        ("zh", "丽华，你们家的好杯子给谁用？", "我奶奶把最好的杯子留给客人。"),
        ("ko", "지영 씨, 손님이 오면 누가 차를 내나요?", "갑자기 손님이 와도 할머니는 웃으셨어요."),
        ("ar", "يا سهى، لمن تصب القهوة أولا؟", "عندنا القهوة للضيف."),
        ("bn", "মিতা, তোমাদের বাড়িতে অতিথি এলে কে চা করে?", "অতিথি এলে মা উঠে দাঁড়াতেন।"),
    ],
)
def test_a_follow_up_in_another_script_is_held_to_the_same(code: str, question: str, taken_up: str) -> None:
    none: dict[str, list[str]] = {name: [] for name in EMPTY}
    at = at_table(language_with(code, **none), called="Moderator")
    assert objection_to_follow_up(reply(question), question, at, taken_up) is None
    assert objection_to_follow_up(reply(question), question, at, "我们 / 네 / لا / না") == "takes-nothing-up"
    stated = question.rstrip("?？؟")
    assert objection_to_follow_up(reply(stated), stated, at, taken_up) == "not-a-question"
    long = question[:-1] + "".join(chr(ord(taken_up[0]) + n % 9) + " " for n in range(130)) + question[-1]
    assert objection_to_follow_up(reply(long), long, at, taken_up) in ("not-a-question", "repeat", "wrong-language")


EMPTY = (
    *("refusal", "out_of_role", "essay", "abstract", "first_person", "gestures", "narration", "told", "request"),
    *("chair", "introducing", "dangling", "light", "function_words"),
)
"""The lists that the guards ask for."""


def test_what_is_quoted_may_be_in_another_language_if_something_is_said_beside_it() -> None:
    assert judged("My mother used to say: “الضيف ضيف ولو أقام سنة كاملة عندنا في البيت”.") is None
    assert judged("“الضيف ضيف ولو أقام سنة كاملة عندنا في البيت” she used to say.") is None
    assert judged("“الضيف ضيف” و“الجار قبل الدار” so.") == "wrong-language"
