"""Prompts are files, rendered strictly: no hole is left open, and no value is read as a template."""

import json
import re
from itertools import product
from pathlib import Path
from typing import get_args

import pytest

import culturepark.languages
from culturepark.catalog import scenarios
from culturepark.catalog.personas import load_all
from culturepark.dialogue import phrasing
from culturepark.dialogue.casting import plan
from culturepark.dialogue.policy import FIXED, expected_slots
from culturepark.dialogue.protocol import NOT_FOR_SMALL, PROTOCOLS, protocol_of, schedule
from culturepark.distill.checks import BRIEFS
from culturepark.distill.samples import Judged, samples_of
from culturepark.distill.together import prompt as both_at_once
from culturepark.domain import (
    Act,
    Attribute,
    Casting,
    Kind,
    Persona,
    Relation,
    Scenario,
    Scored,
    Seed,
    Shape,
    Statement,
    shipped_cultures,
)
from culturepark.languages import HOLE, PACKAGES, Prompt, load_language
from culturepark.languages.countries import country_name
from culturepark.models.chat import digest

ENGLISH = load_language("en")
FOLDER = Path(culturepark.languages.__file__).parent
PEOPLE = load_all([])
WHOLE = (
    "interpret", "people", "slips", "extract", "verify", "reword", "reword-as-published", "lead", "probe-stance",
    "probe-understanding", "rephrase", "row-checks", "same", "render", "render-check", "rate", "audit",
    "mine-sentences", "mine-synonyms", "mine-same-view", "mine-norms", "mine-reasons", "mine-pairs",
)  # fmt: skip
"""Prompts that are sent as they stand: what is asked about goes into the user message."""
AT_THE_TABLE = {
    "persona", "persona-small", "stance", "moderate", "follow-up", "follow-up-small", "follow-up-forms", "talk-persona",
    "listener", "remember", "lead", "self-guidance", "free-chat", "talk", "moves",
}  # fmt: skip
"""What every language has of its own for a talk."""
IN_EVERY_LANGUAGE = {*AT_THE_TABLE, "ask"}
IN_PARTS = (
    "self-guidance",
    "free-chat",
    "talk",
    "moves",
    "judges",
    "scales",
    "cross-check-small",
    "same-known",
    "mine-pairs-known",
)


def castings(setting: str) -> list[tuple[Casting, Scenario]]:
    """Dialogues in which every shipped persona sits once, surveyed and not."""
    whole = scenarios.load_edition(scenarios.find("wvs7"), 4)
    seeds = (whole.seed("wvs7/Q33"), Seed(key="tea", topic="tea", question="Who pours the tea?"))
    update = {"seeds": seeds, "setting": setting, "people": 5 if setting == "panel" else 2}
    edition = whole.model_copy(update={"scenario": whole.scenario.model_copy(update=update)})
    return [(casting, edition.scenario) for casting in plan(edition, 1).castings]


CASTINGS = {setting: castings(setting) for setting in ("cross-cultural", "in-cultural", "panel")}


def filled(text: str) -> bool:
    return bool(text.strip()) and not HOLE.search(text) and "None" not in text and "[]" not in text


def statement(persona: Persona, kind: Kind, first_person: str) -> Statement:
    return Statement(
        id="r.d1.t1.s1", turn_id="r.d1.t1", persona_key=persona.key, culture=persona.culture, kind=kind,
        text=f"{persona.name} pours the tea.", first_person=first_person, quote="I pour the tea.",
        quote_start=0, quote_end=15,
    )  # fmt: skip


# --- rendering is strict -----------------------------------------------------------------------------------


def test_a_hole_without_a_value_is_an_error() -> None:
    with pytest.raises(KeyError, match="topic"):
        Prompt("{{name}} speaks of {{topic}}.").render(name="Elif")


def test_every_occurrence_of_a_hole_is_filled_and_nothing_else_is_touched() -> None:
    text = "{{a}} and {{a}}, not {a}, {{ a }}, {{a-b}} or $a; {{b}}."
    assert Prompt(text).render(a=1, b="two") == "1 and 1, not {a}, {{ a }}, {{a-b}} or $a; two."


@pytest.mark.parametrize("value", ["{{b}}", "{{a}}", "{{nobody}}", r"\1 \g<0>", "{b}", "%s", "}}{{"])
def test_a_value_that_looks_like_a_hole_is_not_filled_again(value: str) -> None:
    assert Prompt("<{{a}}|{{b}}>").render(a=value, b="B") == f"<{value}|B>"


def test_values_without_a_hole_do_no_harm() -> None:
    assert Prompt("{{a}}").render(a="x", b="y") == "x"


def test_the_holes_and_the_digest_of_a_prompt_are_those_of_its_text() -> None:
    one = Prompt("{{a}} {{b}} {{a}}")
    assert one.holes == {"a", "b"}
    assert one.digest == Prompt(one.text).digest == digest(one.text)
    assert one.digest != Prompt("{{a}} {{b}}").digest


def test_a_form_is_filled_in_one_pass_as_well() -> None:
    values = {"norm": ["We say {{value}}, then {{place}}."], "value": ["peace"], "place": ["Konya"]}
    assert phrasing.expand(["Here: {{norm}}"], values) == ["Here: We say {{value}}, then {{place}}."]


def test_a_form_stands_once_for_every_combination_and_falls_away_without_a_value() -> None:
    values: dict[str, list[str]] = {"norm": ["n1", "n2"], "value": ["v1", "v2"], "stance": []}
    forms = ["{{norm}} / {{value}}", "{{stance}}", "", "just …", "just …"]
    assert phrasing.expand(forms, values) == ["n1 / v1", "n1 / v2", "n2 / v1", "n2 / v2", "just …"]


# --- the files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", PACKAGES)
def test_every_language_has_the_same_files_and_every_file_is_known(language: str) -> None:
    files = {path.name for path in (FOLDER / language).iterdir() if path.is_file()}
    lists = {"phrases.toml"} if language == "en" else set()
    assert files == {f"{name}.md" for name in IN_EVERY_LANGUAGE} | {"language.toml", "dev.jsonl"} | lists
    assert all((FOLDER / language / name).read_text("utf-8").strip() for name in files)


def test_what_judges_are_told_stands_in_a_folder_of_its_own() -> None:
    rendered = {
        "speaks-for", "answer-as-claim", "score", "score-small", "cross-check", "fit", "people", "probe-own", "answers",
        "says-same", "slips-too",
    }  # fmt: skip
    files = {path.name for path in (FOLDER / "judges").iterdir()}
    told = {*rendered, *WHOLE, *IN_PARTS} - AT_THE_TABLE
    assert files == {f"{name}.md" for name in told} | {"language.toml"}


@pytest.mark.parametrize("name", WHOLE)
def test_a_prompt_that_is_sent_as_it_stands_has_no_holes(name: str) -> None:
    assert ENGLISH.prompt(name).holes == frozenset()


def test_the_prompt_for_slips_and_statements_holds_both_tasks_whole() -> None:
    assert ENGLISH.prompt("slips-too").holes == {"extract", "slips", "shape"}
    text = both_at_once(ENGLISH).text
    extracting, looking = (ENGLISH.prompt(name).text.split("\n\n") for name in ("extract", "slips"))
    assert all(paragraph in text for paragraph in extracting[:-1])
    assert all(paragraph in text for paragraph in looking[2:-1])
    shape = json.loads(text.rpartition("in this shape: ")[2])
    assert list(shape) == ["slips", "left", "statements"]
    assert text.count("Answer with JSON alone") == 1
    assert not HOLE.search(text)


def test_the_prompts_for_yes_and_no_ask_for_what_they_are_given() -> None:
    assert ENGLISH.prompt("speaks-for").holes == {"claim", "said"}
    assert ENGLISH.prompt("answers").holes == {"question", "said"}
    assert ENGLISH.prompt("says-same").holes == {"one", "other"}
    assert ENGLISH.prompt("answer-as-claim").holes == {"question", "answer"}


def test_the_prompts_of_a_panel_ask_for_what_they_are_given() -> None:
    assert ENGLISH.prompt("score").holes == {"brief", "what", "scale"}
    assert ENGLISH.prompt("score-small").holes == {"brief", "what", "scale", "country", "text", "question"}
    assert set(ENGLISH.sections("judges")) == {(name, "brief") for name in BRIEFS}
    assert set(ENGLISH.sections("scales")) == {
        (c, part) for c in get_args(Scored) for part in ("what", "question", "scale")
    }
    for criterion in get_args(Scored):
        lines = ENGLISH.section("scales", criterion, "scale").text.splitlines()
        assert [line[:3] for line in lines] == ["1: ", "2: ", "3: ", "4: ", "5: "]


@pytest.mark.parametrize("persona", PEOPLE, ids=[p.key for p in PEOPLE])
def test_the_card_of_a_second_persona_is_rendered_whole(persona: Persona) -> None:
    whole = ENGLISH.prompt("cross-check").render(**phrasing.about(persona, ENGLISH, small=False))
    small = ENGLISH.section("cross-check-small", "small", "card").render(**phrasing.about(persona, ENGLISH, small=True))
    for text in (whole, small):
        assert filled(text), text
        assert text.startswith(f"You are {persona.name}")
        assert all(norm.text in text for norm in persona.norms)
    assert persona.scope in whole
    assert ENGLISH.section("cross-check-small", "small", "question").holes == {"country", "text"}


SCHEDULED = [protocol.name for protocol in PROTOCOLS.values() if protocol.has_schedule]


@pytest.mark.parametrize("protocol", SCHEDULED)
def test_a_protocol_file_has_every_part_of_every_phase(protocol: str) -> None:
    found = ENGLISH.sections(protocol)
    phases = protocol_of(protocol).phases
    listening = {key for key in found if key[1].endswith("-listening")}
    assert set(found) - listening == {(phase, part) for phase in phases for part in ("cue", "follow-up", "forms")} - {
        (phase, "forms") for phase in NOT_FOR_SMALL
    }
    assert {(phase, part.removesuffix("-listening")) for phase, part in listening} <= set(found)
    assert all(text.strip() for text in found.values())


def test_the_phrase_lists_are_clean() -> None:
    for name, listed in ENGLISH.phrases.items():
        assert len(listed) == len({phrase.casefold() for phrase in listed}), name
        listed = [phrase.removeprefix(" ") for phrase in listed] if name == "contractions" else listed  # whole words
        assert all(phrase == phrase.strip() and phrase for phrase in listed), name


# --- how a question of a suite is put --------------------------------------------------------------------------


@pytest.mark.parametrize("language", PACKAGES)
def test_a_question_is_put_with_the_same_parts_and_holes_in_every_language(language: str) -> None:
    sections, english = (load_language(code).sections("ask") for code in (language, "en"))
    assert {key: Prompt(text).holes for key, text in sections.items()} == {
        key: Prompt(text).holes for key, text in english.items()
    }
    assert all(text.strip() for text in sections.values())
    told = [text for (heading, _), text in sections.items() if heading in ("framing", "answer")]
    assert len(set(told)) == len(told), "two framings or two forms of the answer are the same"
    assert language == "en" or not set(told) & set(english.values())


@pytest.mark.parametrize("language", PACKAGES)
def test_a_framing_needs_no_grammar_for_the_name_of_a_country(language: str) -> None:
    apart = re.compile(r"(?:[:,،] |[：，])\{\{country\}\}(?=[.,،。，।])")
    countries = {country for culture in shipped_cultures().values() for country in culture.countries}
    assert len(countries) >= len(shipped_cultures())
    for (heading, part), text in load_language(language).sections("ask").items():
        assert len(apart.findall(text)) == text.count("{{country}}"), (part, text)
        if (heading, part) in (("framing", "persona"), ("framing", "observer")):
            for name in (country_name(country, language) for country in countries):
                rendered = Prompt(text).render(country=name)
                assert filled(rendered)
                assert name in rendered


@pytest.mark.parametrize("language", PACKAGES)
def test_the_card_of_every_respondent_is_rendered_whole(language: str) -> None:
    own = load_language(language)
    template = own.section("ask", "framing", "respondent")
    people = [person.in_language(language) for person in load_all([], languages=lambda _: [language])]
    assert {person.gender for person in people} >= {"woman", "man"}
    for person in people:
        text = template.render(**phrasing.about(person, own, small=False))
        assert filled(text), text
        assert text.index(person.name) < text.index(own.word(person.gender)) < text.index(person.work)
        assert all(piece in text for piece in (person.place, person.faith, person.country_name, person.norms[-1].text))


# --- every hole is filled by the code that renders it -----------------------------------------------------------


def test_every_persona_sits_in_some_dialogue_of_these_tests() -> None:
    seated = {p.persona.key for rows in CASTINGS.values() for casting, _ in rows for p in casting.participants}
    assert seated == {persona.key for persona in PEOPLE}


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("setting", CASTINGS)
def test_the_card_of_every_persona_is_rendered_whole(setting: str, small: bool) -> None:
    for casting, scenario in CASTINGS[setting]:
        for participant in casting.participants:
            text, text_digest = phrasing.card(casting, participant, scenario, small=small)
            persona = participant.persona
            assert filled(text), text
            template = ENGLISH.prompt("persona-small") if small else ENGLISH.own_first("persona")
            assert text_digest == template.digest
            assert text.startswith(f"You are {persona.name}")
            assert all(norm.text in text for norm in persona.norms)
            assert all(value.value in text for value in persona.values)
            assert persona.country_name in text
            assert casting.seed.question in text
            assert bool(participant.stance) == ("in the words of a questionnaire: " in text)
            if participant.stance:
                assert f"questionnaire: {participant.stance.text}." in text
            others = [p.persona.called for p in casting.participants if p is not participant]
            assert f"with {ENGLISH.joined(others)}." in text
            if not small:
                for piece in (persona.scope, persona.work, persona.schooling, persona.speech.manner, persona.region):
                    assert piece in text
                assert all(value.why in text for value in persona.values)


@pytest.mark.parametrize("protocol", SCHEDULED)
@pytest.mark.parametrize("setting", CASTINGS)
@pytest.mark.sampled
def test_every_line_of_a_protocol_is_rendered_whole(setting: str, protocol: str) -> None:
    for casting, scenario in CASTINGS[setting]:
        scenario = scenario.model_copy(update={"protocol": protocol})
        for slot in schedule(scenario.protocol, len(casting.participants), 40):
            persona = casting.participants[slot.person].persona
            for part in ("cue", "follow-up"):
                text, text_digest = phrasing.line(part, slot, casting, scenario)
                assert filled(text), text
                assert text == " ".join(text.split())
                listens = phrasing.listens(casting.participants[slot.person], casting.seed)
                special = f"{part}-listening" if listens else part
                named = special if (slot.phase, special) in ENGLISH.sections(protocol) else part
                assert text_digest == ENGLISH.section(protocol, slot.phase, named).digest
            names = [p.persona.called for p in casting.participants]
            for previous in (name for name in names if name != persona.called):
                for small in (False, True):
                    text, _ = phrasing.moderator(slot, casting, scenario, previous, small=small)
                    assert filled(text)
                    assert {persona.called, previous} <= set(re.findall(r"[\w-]+", text))


@pytest.mark.parametrize("protocol", SCHEDULED)
@pytest.mark.sampled
def test_every_form_for_small_models_is_filled(protocol: str) -> None:
    said = "When guests leave, we say it is early; one more glass of tea, and they sit down again."
    for casting, scenario in CASTINGS["cross-cultural"] + CASTINGS["panel"]:
        scenario = scenario.model_copy(update={"protocol": protocol})
        for slot in schedule(scenario.protocol, len(casting.participants), 40, small=True):
            previous = casting.participants[slot.person - 1].persona.called
            for text in (
                phrasing.speech_grammar(slot, casting, scenario, []),
                phrasing.question_grammar(slot, casting, previous, said, ENGLISH),
            ):
                assert not HOLE.search(text), text
                assert text.startswith("root ::= ")
                assert not text.startswith("root ::= free\n"), "some form is left"


@pytest.mark.parametrize("moderation", ["balanced", "led"])
@pytest.mark.parametrize("setting", CASTINGS)
@pytest.mark.sampled
def test_every_act_of_a_moderator_is_rendered_whole(setting: str, moderation: str) -> None:
    for casting, scenario in CASTINGS[setting]:
        scenario = scenario.model_copy(update={"moderation": moderation, "max_turns": 60})
        for slot in expected_slots(scenario, casting):
            if slot.act == "speech":
                text, _ = phrasing.request(slot, casting, scenario, casting.participants[0].persona.key)
                assert filled(text)
                continue
            assert slot.move
            for move in slot.moves or (slot.move,):
                words, _ = phrasing.fixed_words(move, casting, scenario)
                assert filled(words), words
                assert words.endswith("?" if move.act != "welcome" else ".")
                called = None if move.to is None else casting.participants[move.to].persona.called
                assert called is None or called in words
                if move.act not in FIXED:
                    system, task, _ = phrasing.moderate(move, casting, scenario, "1. Moderator: Hello.")
                    assert filled(system + task)
                    assert called in system
                    assert called in task
            if slot.moves:
                material = phrasing.talk_so_far(slot, casting, scenario, ["Moderator: Hello."])
                assert len(material["moves"]) == len(slot.moves)
                assert list(material["not_heard_yet"]) == [p.persona.called for p in casting.participants]


def test_every_act_has_its_words() -> None:
    sections = ENGLISH.sections("moves")
    assert {act for act, _ in sections} == set(get_args(Act))
    assert {act for act, part in sections if part == "ask"} == set(get_args(Act)) - set(FIXED)


def test_a_main_contact_without_an_answer_asks_and_listens() -> None:
    casting, scenario = CASTINGS["cross-cultural"][0]
    main, delegate = casting.participants
    card, _ = phrasing.card(casting, main, scenario, small=False)
    assert ("no answer of your own" in card) is phrasing.listens(main, casting.seed) is (casting.seed.item is not None)
    assert "no answer of your own" not in phrasing.card(casting, delegate, scenario, small=False)[0]


def test_in_a_panel_nobody_is_spoken_to_as_one_of_two() -> None:
    for casting, scenario in CASTINGS["panel"]:
        for slot in schedule("self-guidance", len(casting.participants), 40):
            for part in ("cue", "follow-up"):
                text = phrasing.line(part, slot, casting, scenario)[0]
                assert not re.search(r"\b(both|the other|each other's)\b", text.replace(casting.seed.question, "")), (
                    text
                )


@pytest.mark.parametrize("setting", CASTINGS)
def test_every_sample_of_every_persona_is_rendered_whole(setting: str) -> None:
    seen: set[tuple[str, str]] = set()
    answered: dict[str, tuple[Relation, str]] = dict.fromkeys(
        ("faithful", "answers", "answers-seed", "answers-case", "stands-alone", "distinctive"), ("entail", "keep")
    )
    for number, (casting, scenario) in enumerate(CASTINGS[setting]):
        every = scenario.model_copy(update={"samples": get_args(Shape)})
        people, items = casting.participants, []
        for (turn, participant), kind in product(enumerate(people, start=1), get_args(Kind)):
            turn_id = f"r.d{number}.t{turn}"
            more = {
                "id": f"{turn_id}.{kind}", "turn_id": turn_id, "about": "seed", "question": "Who pours the tea?",
                "exception": "Not for guests.", "unlike": f"r.d{number}.t{turn % len(people) + 1}.{kind}",
                "reach": "personal" if turn == 1 and kind == "custom" else "general", "hangs_on": get_args(Attribute),
            }  # fmt: skip
            one = statement(participant.persona, kind, f"I pour the {turn}th tea.").model_copy(update=more)
            items.append(Judged(one, answered, casting, "opinion"))
        for _, sample in samples_of(items, (), every):
            system, user, assistant = sample.messages
            assert [message["role"] for message in sample.messages] == ["system", "user", "assistant"]
            assert all(filled(message["content"]) for message in sample.messages), sample.messages
            item = next(item for item in items if item.statement.id == sample.statement_id)
            speaker = item.speaker.persona
            assert speaker.country_name in (user if sample.kind == "contrast" else system)["content"]
            said = assistant["content"].rpartition("\n\n")[0] if sample.kind == "reasoned" else assistant["content"]
            assert sample.kind in ("limit", "contrast", "survey") or said == item.statement.first_person
            seen.add((item.statement.kind, sample.kind))
    told = {(kind, shape) for kind in get_args(Kind) for shape in ("own", "situation", "limit", "decline")}
    told |= {("opinion", "open"), ("opinion", "survey"), ("opinion", "reasoned"), ("norm", "norm"), ("custom", "norm")}
    assert told <= seen
    assert {shape for _, shape in seen} == set(get_args(Shape)) - ({"contrast"} if setting == "in-cultural" else set())
