"""What `check` says of files of words, alone and with what they go with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from culturepark.catalog import scenarios
from culturepark.catalog.personas import load_persona
from culturepark.catalog.talks import speaking
from culturepark.cli.app import run
from culturepark.errors import CatalogError, UsageError
from tests.catalog.test_catalog import CARD, SCENARIO, SURVEY, changed, write

WORDS = """\
words_of: turkish-nil
language: tr
name: Nil Kaya
norms:
  - Kimse oturmadan çaydanlığı ocağa koyarız.
  - Yaşlı biri girince ayağa kalkılır.
  - Borç cuma günü geri verilir.
"""
WORDINGS = """\
wordings_of: mine
language: tr
origin: written for a test
items:
  guest-late: {topic: geç gelen misafir, question: "Misafir geç gelince ne yaparsınız?"}
"""
SURVEY_WORDINGS = """\
wordings_of: mine
language: tr
origin: written for a test
scales:
  yesno: {1: evet, 4: hayır}
items:
  A1: {topic: çay, question: "Çayınıza şeker atar mısınız?"}
"""


@pytest.fixture
def card(tmp_path: Path) -> Path:
    return write(tmp_path, "turkish-nil.yaml", CARD)


def problems_of(path: Path) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        scenarios.check(path)
    return [f"{Path(problem.file).name}: {problem.key}: {problem.what}" for problem in caught.value.problems]


def without(text: str, key: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{key}:"))


# --- what does not say of what it holds the words ----------------------------------------------------


@pytest.mark.parametrize("beside", [True, False])
def test_words_of_a_card_that_do_not_say_so_are_one_problem(beside: bool, tmp_path: Path) -> None:
    if beside:
        write(tmp_path, "turkish-nil.yaml", CARD)
    [told] = problems_of(write(tmp_path, "turkish-nil.tr.yaml", without(WORDS, "words_of")))
    assert "words of a card, which need `words_of` (the key of the card, turkish-nil) and `language`" in told
    with pytest.raises(CatalogError) as caught:
        run(["check", str(tmp_path)])
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("base", "words", "told"),
    [
        (SURVEY, SURVEY_WORDINGS, "`wordings_of` (the survey's key), `language`, `origin` and `items`"),
        (SCENARIO, WORDINGS, "`wordings_of` (the scenario's `name`), `language`, `origin` and `items`"),
        (SCENARIO, "language: tr\n", "`wordings_of` (the scenario's `name`), `language`, `origin` and `items`"),
        (None, WORDINGS, "`wordings_of` (the survey's key), `language`, `origin` and `items`"),
    ],
)
def test_words_of_questions_that_do_not_say_so_are_one_problem(
    base: str | None, words: str, told: str, tmp_path: Path
) -> None:
    if base:
        write(tmp_path, "tea.yaml", base)
    [problem] = problems_of(write(tmp_path, "tea.tr.yaml", without(words, "wordings_of")))
    assert told in problem


@pytest.mark.parametrize(("text", "kind"), [(SURVEY, "survey"), (SCENARIO, "scenario")])
def test_whole_files_may_have_a_dot_in_their_names(text: str, kind: str, tmp_path: Path) -> None:
    write(tmp_path, "tea.yaml", text)
    assert scenarios.check(write(tmp_path, "tea.v2.yaml", text)).startswith(kind)


# --- languages that nobody knows -----------------------------------------------------------------------

PL = "no language pl is known; a language is a folder of prompts (docs/extending.md)"


@pytest.fixture
def polish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two people of a culture whose language has no folder, and a scenario in which they talk it."""
    monkeypatch.chdir(tmp_path)
    text = "culture: polish\nname: Polish\nadjective: Polish\ncountries: [POL]\naddress: By given name.\n"
    write(tmp_path, "polish.yaml", f"{text}languages:\n  - {{language: pl}}\n")
    card = CARD.replace("turkish", "polish").replace("TUR", "POL") + "speaks: [{language: pl, level: first}]\n"
    write(tmp_path, "polish-zofia.yaml", card.replace("Nil", "Zofia"))
    write(tmp_path, "polish-zofia.pl.yaml", WORDS.replace("turkish-nil", "polish-zofia").replace(": tr", ": pl"))
    return write(
        tmp_path,
        "mine.yaml",
        SCENARIO.replace("[turkish, german]", "[polish.yaml]\npersonas: [polish-zofia.yaml]")
        .replace("language: en", "language: native")
        .replace("cross-cultural", "in-cultural"),
    )


def test_a_language_without_a_folder_is_the_reason_that_is_told(polish: Path) -> None:
    told = problems_of(polish)
    assert f"mine.yaml: language: nobody of polish can be held in the own language: {PL}" in told
    assert not any("has a card in" in problem for problem in told)
    with pytest.raises(UsageError, match=re.escape(f"polish-zofia speaks pl, but {PL}; take --language en")):
        speaking(load_persona(Path("polish-zofia.yaml")), "polish-zofia.yaml", "native")
    assert PL in scenarios.check(Path("polish-zofia.pl.yaml"))


# --- against what they go with ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "words", "old", "new", "told"),
    [
        (SURVEY, SURVEY_WORDINGS, "A1:", "A2:", "items.A2: mine has no question of this key"),
        (SURVEY, SURVEY_WORDINGS, ", 4: hayır", "", "scales.yesno: must have a label for each code of the scale"),
        (SCENARIO, WORDINGS, "guest-late:", "late:", "items.late: mine has no question of this key"),
        (SCENARIO, WORDINGS, "of: mine", "of: tea", (
            "wordings_of: must be mine, the name that stands in tea.yaml; the name of that file does not count here")),
        (SCENARIO, WORDINGS, "language: tr", "language: de", "language: must be tr"),
        (CARD, WORDINGS, "language: tr", "language: de", "tea.yaml is a persona"),
    ],
)  # fmt: skip
def test_words_of_questions_are_checked_against_the_file_beside_them(
    base: str, words: str, old: str, new: str, told: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "tea.yaml", base)
    beside = write(tmp_path, "tea.tr.yaml", words)
    if base != CARD:
        assert scenarios.check(beside).startswith("words of questions (1 of 1 without situations")
        assert scenarios.check(path)
    write(tmp_path, "tea.tr.yaml", changed(words, old, new))
    [problem] = problems_of(beside)
    assert told in problem
    if base != CARD:
        assert problems_of(path) == [problem]


def test_words_of_questions_with_nothing_beside_them_say_so(tmp_path: Path) -> None:
    assert "tea.yaml is not beside it" in scenarios.check(write(tmp_path, "tea.tr.yaml", WORDINGS))


def test_a_card_is_checked_with_the_words_beside_it(card: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = write(card.parent, "turkish-nil.tr.yaml", WORDS)
    assert scenarios.check(card).startswith("persona")
    assert scenarios.check(words) == "words of a card (no addressed, how, values, scenes)"
    write(card.parent, "turkish-nil.tr.yaml", WORDS.replace("of: turkish-nil", "of: turkish-elif") + "nickname: Nilo\n")
    assert "turkish-nil.tr.yaml: nickname: unknown key" in problems_of(card)[0]
    write(card.parent, "turkish-nil.tr.yaml", WORDS.replace("of: turkish-nil", "of: turkish-elif"))
    told = ["turkish-nil.tr.yaml: words_of: must be turkish-nil, the card that the file's name begins with"]
    assert problems_of(card) == problems_of(words) == told
    with pytest.raises(CatalogError) as caught:
        run(["check", str(card.parent)])
    assert len(caught.value.problems) == 1
    card.unlink()
    assert problems_of(words) == ["turkish-nil.tr.yaml: : must be beside its card: there is no turkish-nil.yaml"]


# --- too few ------------------------------------------------------------------------------------------


def test_those_who_are_counted_for_native_have_a_card_in_their_own_language(tmp_path: Path) -> None:
    text = SCENARIO.replace("cross-cultural", "panel").replace("[turkish, german]", "[turkish, korean]")
    text = text.replace("language: en", "language: native").replace("max_turns: 12", "people: 8\nmax_turns: 16")
    [told] = [what for what in problems_of(write(tmp_path, "mine.yaml", text)) if "8 people are wanted" in what]
    assert told.endswith("personas of turkish, korean who have a card in their own language")


# --- the pages ----------------------------------------------------------------------------------------


def examples(page: str, beginning: str) -> list[str]:
    """The blocks of YAML on a page of the documentation that begin so."""
    text = (Path(__file__).parents[2] / "docs" / "howto" / page).read_text("utf-8")
    return re.findall(rf"```yaml\n({beginning}.*?)```", text, re.DOTALL)


def test_the_words_on_the_page_of_personas_are_those_of_its_card(tmp_path: Path) -> None:
    [card], [words], [speaks] = (
        examples("persona.md", first) for first in ("name: ", "words_of: turkish-elif\n", "speaks: ")
    )
    path = write(tmp_path, "turkish-elif.yaml", card + speaks)
    assert scenarios.check(write(tmp_path, "turkish-elif.tr.yaml", words)) == "words of a card"
    assert scenarios.check(path).startswith("persona")
    assert speaking(load_persona(path), str(path), "native")[1] == "tr"


@pytest.mark.parametrize(
    ("page", "first", "name"), [("scenario.md", "name: quickstart", "quickstart"), ("survey.md", "survey: tea", "tea")]
)
def test_the_words_on_the_page_of_scenarios_are_those_of_their_questions(
    page: str, first: str, name: str, tmp_path: Path
) -> None:
    [base], [words] = examples(page, f"{first}\n"), examples("scenario.md", f"wordings_of: {name}\n")
    path = write(tmp_path, f"{name}.yaml", base)
    assert scenarios.check(write(tmp_path, f"{name}.tr.yaml", words)).startswith("words of questions (1 of 1 without")
    assert scenarios.check(path)
