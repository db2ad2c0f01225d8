"""Files that say how a card, a survey or a scenario reads in another language."""

from __future__ import annotations

from pathlib import Path

import pytest

from culturepark.catalog import scenarios
from culturepark.catalog.personas import load_all
from culturepark.catalog.scenarios import load_edition
from culturepark.errors import CatalogError
from culturepark.languages import PACKAGES
from tests.catalog.test_catalog import CARD, SCENARIO, SURVEY, changed, has_problem, line_of, write
from tests.catalog.test_cultures import NORDIC
from tests.catalog.test_cultures import card as card_of
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli

pytestmark = pytest.mark.usefixtures("away")
NIL = """\
words_of: nil
language: tr
origin: written for a test
addressed: Nil Hanım
place: Ayvalık
how: Kısa konuşursun.
values:
  - value: sözünü tutmak
    why: Babasının parası hep geç verildi.
norms:
  - Kimse oturmadan çaydanlığı koyarız.
  - Yaşlı biri girince ayağa kalkılır.
  - Borç cuma günü geri götürülür.
"""
TEA = """\
wordings_of: mine
language: tr
origin: written for a test
scales:
  yesno: {1: evet, 4: hayır}
items:
  A1:
    topic: çay
    question: Çayınıza şeker koyar mısınız?
    back: Do you put sugar in your tea?
"""
GUESTS = """\
wordings_of: mine
language: tr
origin: written for a test
items:
  guest-late:
    topic: geç gelen misafir
    question: Misafir geç gelince ne yaparsınız?
"""
TURKISH = """\
name: mine
title: My own
setting: in-cultural
cultures: [turkish]
protocol: self-guidance
language: tr
surveys: [tea.yaml]
seeds:
  - survey: mine/A1
  - key: guest-late
    question: What do you do when a guest comes late?
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    write(tmp_path, "nil.yaml", CARD)
    return tmp_path / "nil.tr.yaml"


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    write(tmp_path, "tea.yaml", SURVEY)
    return tmp_path / "tea.tr.yaml"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    write(tmp_path, "mine.yaml", SCENARIO)
    return tmp_path / "mine.tr.yaml"


# --- cards -----------------------------------------------------------------------------------------


def test_a_card_reads_in_its_language_as_the_file_says(card: Path) -> None:
    card.write_text(NIL, "utf-8")
    (nil,) = [p for p in load_all([card.with_name("nil.yaml")], {"turkish"}, languages=lambda _: ["tr"])
              if p.key == "nil"]  # fmt: skip
    told = nil.in_language("tr")
    assert (told.called, told.place) == ("Nil Hanım", "Ayvalık")
    assert told.norms[0].text == "Kimse oturmadan çaydanlığı koyarız."
    assert [norm.kind for norm in told.norms] == [norm.kind for norm in nil.norms]
    assert (told.values[0].value, told.values[0].why) == ("sözünü tutmak", "Babasının parası hep geç verildi.")
    assert told.speech.manner == "Short sentences. Kısa konuşursun."
    assert told.work == "mends nets"  # of which the file says nothing
    assert nil.called == "Nil"


def test_check_tells_what_the_words_of_a_card_lack(card: Path) -> None:
    card.write_text(NIL, "utf-8")
    done = cli("check", card)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("nil.tr.yaml: words of a card (no scenes), fine\n")
    card.write_text("words_of: nil\nlanguage: tr\naddressed: Nil Hanım\n", "utf-8")
    assert "words of a card (no how, values, norms, scenes), fine" in cli("check", card).out


def test_a_folder_is_checked_with_its_cards_and_their_words(card: Path) -> None:
    card.write_text(NIL, "utf-8")
    done = cli("check", card.parent)
    assert done.code == 0, done.err
    assert "nil.yaml: persona" in done.out
    assert "nil.tr.yaml: words of a card" in done.out


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("  - Borç cuma günü geri götürülür.\n", "", "norms", ["has 2 entries", "the card has 3"]),
        ("  - value: sözünü", "  - {value: çay, why: iyidir}\n  - value: sözünü", "values", ["2 entries", "has 1"]),
        ("origin:", "scenes: [{what: Bir gün.}]\norigin:", "scenes", []),
        ("language: tr", "language: de", "language", ["must be tr", "the file's name"]),
        ("language: tr", "language: turkish!", "language", []),
        ("place:", "plaice:", "plaice", ["place"]),
        ("norms:", "norms: Borç.\nothers:", "norms", []),
    ],
)
def test_what_is_wrong_in_the_words_of_a_card_is_placed(
    old: str, new: str, key: str, words: list[str], card: Path
) -> None:
    card.write_text(changed(NIL, old, new), "utf-8")
    with pytest.raises(CatalogError) as wrong:
        scenarios.check(card)
    there = [p for p in wrong.value.problems if p.key == key or p.key.startswith(f"{key}[")]
    assert there, wrong.value
    assert all(Path(p.file).name == card.name and (p.line or not key) for p in there)
    assert all(word in str(wrong.value) for word in words), wrong.value


def test_words_of_another_card_or_of_none_are_refused_with_the_name(card: Path) -> None:
    card.write_text(changed(NIL, "words_of: nil", "words_of: nobody"), "utf-8")
    done = cli("check", card)
    assert done.code == 2
    assert "words_of: must be nil, the card that the file's name begins with" in done.err


def test_a_run_is_refused_where_the_words_of_a_card_do_not_fit_it(card: Path) -> None:
    card.write_text(changed(NIL, "words_of: nil", "words_of: emre").replace("language: tr", "language: de"), "utf-8")
    with pytest.raises(CatalogError) as wrong:
        load_all([card.with_name("nil.yaml")], {"turkish"}, languages=lambda _: ["tr"])
    assert [(p.line, p.key) for p in wrong.value.problems] == [(1, "words_of"), (2, "language")]
    assert "must be nil, the card that the file's name begins with" in str(wrong.value)
    assert "must be tr, with which the file's name ends" in str(wrong.value)


def test_words_of_a_card_of_a_culture_that_stands_elsewhere_are_checked_with_it(tmp_path: Path) -> None:
    (tmp_path / "cultures-of-mine").mkdir()
    (tmp_path / "people").mkdir()
    culture = write(tmp_path / "cultures-of-mine", "northern.yaml", NORDIC)
    write(tmp_path / "people", "nil.yaml", card_of("nordic", "SWE"))
    words = write(tmp_path / "people", "nil.tr.yaml", "words_of: nil\nlanguage: tr\naddressed: Nil Hanım\n")
    assert "nordic" in cli("check", words).err
    done = cli("check", culture, words)
    assert done.code == 0, done.err


# --- surveys and scenarios ---------------------------------------------------------------------------


def test_words_beside_a_survey_and_a_scenario_are_those_of_their_questions(survey: Path, scenario: Path) -> None:
    survey.write_text(TEA, "utf-8")
    scenario.write_text(GUESTS, "utf-8")
    edition = load_edition(write(survey.parent, "mine.yaml", TURKISH))
    tea, guests = (seed.in_language("tr") for seed in edition.scenario.seeds)
    assert (tea.topic, tea.question) == ("çay", "Çayınıza şeker koyar mısınız?")
    assert tea.item
    assert [option.label for option in tea.item.options] == ["evet", "hayır"]
    assert guests.question == "Misafir geç gelince ne yaparsınız?"


def test_the_options_of_one_question_go_before_those_of_its_scale(survey: Path, scenario: Path) -> None:
    survey.write_text(TEA + "    options: {1: koyarım, 4: koymam}\n", "utf-8")
    scenario.write_text(GUESTS, "utf-8")
    edition = load_edition(write(survey.parent, "mine.yaml", TURKISH))
    item = edition.scenario.seeds[0].in_language("tr").item
    assert item
    assert [option.label for option in item.options] == ["koyarım", "koymam"]


def test_check_tells_what_the_words_of_questions_lack(survey: Path, scenario: Path) -> None:
    survey.write_text(TEA, "utf-8")
    scenario.write_text(GUESTS, "utf-8")
    done = cli("check", survey, scenario)
    assert done.code == 0, done.err
    of_survey, of_scenario = done.out.splitlines()
    assert "words of questions (1 of 1 without situations" in of_survey
    assert "not put back into English" not in of_survey
    assert "1 of 1 not put back into English" in of_scenario


@pytest.mark.parametrize(
    ("old", "new", "key", "words"),
    [
        ("wordings_of: mine", "wordings_of: tea", "wordings_of", ["must be mine"]),
        ("language: tr", "language: de", "language", ["must be tr, as the file's place says"]),
        ("  A1:", "  A2:", "items.A2", ["mine has no question of this key"]),
        ("4: hayır", "5: hayır", "scales.yesno", ["a label for each code", "look at 4, 5"]),
        (", 4: hayır", "", "scales.yesno", ["look at 4"]),
        ("    back:", "    options: {1: evet}\n    back:", "items.A1.options", ["look at 4"]),
        ("    question: Çayınıza şeker koyar mısınız?\n", "", "items.A1.question", []),
        ("origin: written for a test\n", "", "origin", []),
        ("1: evet", "one: evet", "scales.yesno.one", []),
    ],
)
def test_what_is_wrong_in_the_words_of_a_survey_is_placed(
    old: str, new: str, key: str, words: list[str], survey: Path
) -> None:
    text = changed(TEA, old, new)
    survey.write_text(text, "utf-8")
    with pytest.raises(CatalogError) as wrong:
        scenarios.check(survey)
    there = [p for p in wrong.value.problems if p.key.startswith(key)]
    assert there, wrong.value
    assert all(Path(p.file).name == survey.name for p in there)
    if new and key != "origin":
        assert there[0].line == line_of(text, new.strip())
    assert all(word in str(wrong.value) for word in words), wrong.value


def test_a_scale_of_which_the_file_has_no_labels_is_named(survey: Path) -> None:
    survey.write_text(changed(TEA, "  yesno: {1: evet, 4: hayır}\n", "  other: {1: evet}\n"), "utf-8")
    with pytest.raises(CatalogError, match=r"yesno: must have a label for each code of the scale; look at 1, 4"):
        scenarios.check(survey)


def test_a_question_that_a_scenario_does_not_ask_is_placed(scenario: Path) -> None:
    text = changed(GUESTS, "  guest-late:", "  guest-early:")
    scenario.write_text(text, "utf-8")
    has_problem(scenario, line_of(text, "guest-early"), "items.guest-early", "mine has no question of this key")


def test_of_words_beside_nothing_the_keys_are_not_looked_up(tmp_path: Path) -> None:
    path = write(tmp_path, "lonely.tr.yaml", TEA)
    done = cli("check", path)
    assert done.code == 0
    assert "lonely.yaml is not beside it, so its keys were not looked up" in done.out


def test_a_question_without_words_is_put_as_it_stands_in_one_language_and_refused_in_several(survey: Path) -> None:
    survey.write_text(TEA, "utf-8")
    alone = load_edition(write(survey.parent, "mine.yaml", TURKISH))
    assert alone.scenario.seeds[1].in_language("tr").question == "What do you do when a guest comes late?"
    several = write(survey.parent, "mine.yaml", changed(TURKISH, "language: tr", "language: native"))
    has_problem(several, line_of(TURKISH, "seeds:"), "seeds", "no words of guest-late in tr", "NAME.tr.yaml beside")


@pytest.mark.parametrize("code", sorted(set(PACKAGES) - {"en"}))
def test_the_words_of_shipped_questions_fit_them(code: str) -> None:
    folder = Path(scenarios.__file__).parents[1] / "languages" / code / "questions"
    for path in sorted(folder.glob("*.yaml")):
        assert scenarios.check(path).startswith("words of questions")
