"""Files of words in other languages are known by their names, and checked against what they go with."""

from __future__ import annotations

from pathlib import Path

import pytest

from culturepark.catalog import scenarios
from culturepark.cli.app import run
from culturepark.errors import CatalogError
from tests.catalog.test_catalog import CARD, SCENARIO, SURVEY, write

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
