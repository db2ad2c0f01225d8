"""A language is a package; what it lacks is named, and English never stands in for it."""

import sys
from collections.abc import Iterator
from copy import copy
from pathlib import Path

import pytest

from culturepark import languages
from culturepark.catalog import scenarios
from culturepark.errors import CatalogError, UsageError
from culturepark.languages import load_language, register

SAID = "Çayı her zaman önce misafire veririz, sonra kendimize. We always pour the tea for guests first."


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package of a language that holds its name and nothing else, found as a plugin's is."""
    folder = tmp_path / "culturepark_tr"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "language.toml").write_text('name = "Turkish"\nscript = "LATIN"\n[frames]\nand = " ve "\n', "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(languages, "PACKAGES", copy(languages.PACKAGES))
    load_language.cache_clear()
    yield folder
    load_language.cache_clear()
    for name in [name for name in sys.modules if name.startswith("culturepark_tr")]:
        del sys.modules[name]


def test_what_a_language_lacks_is_named_and_english_is_not_used_for_it(package: Path) -> None:
    register("tr", "culturepark_tr")
    turkish = load_language("tr")
    assert (turkish.name, turkish.joined(["Elif", "Ayşe", "Can"])) == ("Turkish", "Elif, Ayşe ve Can")
    with pytest.raises(UsageError, match=r"'tr' has no persona\.md"):
        turkish.prompt("persona")
    assert turkish.phrases["dangling"] == []  # rules that need a list do not apply where there is none
    del turkish.__dict__["phrases"]
    (package / "phrases.toml").write_text("light = []\n", "utf-8")
    with pytest.raises(UsageError, match=r"'tr' has no list 'dangling' in its phrases\.toml"):
        turkish.phrases["dangling"]


def test_sentences_are_cut_by_a_library_and_need_no_words(package: Path) -> None:
    (package / "phrases.toml").write_text("no_abbreviation = []\n", "utf-8")
    register("tr", "culturepark_tr")
    spans = load_language("tr").sentences(SAID)
    assert [SAID[start:end] for start, end in spans] == [SAID.split(" We ")[0], "We " + SAID.split(" We ")[1]]


def test_a_scenario_may_be_in_any_language_that_is_registered(package: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(scenarios.find("quickstart").read_text("utf-8").replace("language: en", "language: xx"), "utf-8")
    with pytest.raises(CatalogError, match=r"language: must be one of .*, not 'xx'"):
        scenarios.load_edition(path)
    register("xx", "culturepark_tr")
    edition = scenarios.load_edition(path)
    assert (edition.scenario.language, edition.scenario.seeds[0].words) == ("xx", {})
    assert "no words of wvs7/Q33 in xx" in scenarios.check(path)
    with pytest.raises(UsageError, match=r"there is no language 'qq', only: .*en.*xx"):
        load_language("qq")


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ("tr", "tr"),
        ("TR", "tr"),
        ("turkish", "tr"),
        ("TÜRKÇE", "tr"),
        ("Español", "es"),
        ("português", "pt"),
        ("中文", "zh"),
        ("Klingon", "Klingon"),
        ("", ""),
    ],
)
def test_a_language_is_meant_by_its_code_or_a_name_of_it(told: str, code: str) -> None:
    assert languages.code_meant(told) == code


@pytest.mark.parametrize("told", ["tr-TR", "tr_TR", "Turkish", "türkisch", "Turkisch"])
def test_a_refusal_names_the_languages_and_the_nearest(told: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        scenarios.find("quickstart").read_text("utf-8").replace("language: en", f"language: {told}"), "utf-8"
    )
    with pytest.raises(CatalogError) as refused:
        scenarios.load_edition(path)
    assert "must be one of native, ar (Arabic), " in str(refused.value)
    assert f"zh (Chinese), not {told!r}; perhaps tr (Turkish)?" in str(refused.value)
    with pytest.raises(UsageError, match=r"only: ar \(Arabic\), .*; perhaps tr \(Turkish\)\?$"):
        load_language(told)
    assert languages.perhaps("Klingon") == ""
