"""Culture files: what stands in them, what names them, and that no code knows a culture."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from culturepark.catalog import scenarios
from culturepark.catalog.cultures import load_culture
from culturepark.catalog.personas import load_all, load_people, load_persona
from culturepark.domain import Edition, shipped_cultures
from culturepark.errors import CatalogError
from culturepark.languages.countries import alpha2, country_name, language_name

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "culturepark" / "catalog" / "data" / "cultures").glob("*.yaml"))
NORDIC = """\
culture: nordic
name: Nordic
adjective: Nordic
countries: [SWE, NOR]
address: Everybody by the first name, also the king's cook.
languages:
  - {language: sv, variety: Rikssvenska}
  - {language: nb, with: people from the west}
surveys:
  fjords: {SWE: 752, NOR: "N1"}
names:
  NOR: {en: the Northway, sv: Norge}
"""
CARD = (ROOT / "personas" / "turkish-elif.yaml").read_text("utf-8")


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def card(culture: str, country: str, called: str = "Elif") -> str:
    return (
        CARD.replace("culture: turkish", f"culture: {culture}")
        .replace("country: TUR", f"country: {country}")
        .replace("called: Elif", f"called: {called}")
    )


def mistakes(path: Path) -> list[tuple[int | None, str, str]]:
    with pytest.raises(CatalogError) as caught:
        scenarios.check(path)
    return [(problem.line, problem.key, problem.what) for problem in caught.value.problems]


# --- the shipped ones ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_culture_is_sound_and_says_how_people_address_each_other(path: Path) -> None:
    culture = load_culture(path)
    assert culture.culture == path.stem, "found by its key, and by its file"
    assert "nobody from there has read it yet" in path.read_text("utf-8")
    assert scenarios.check(path) == "culture"
    assert len(culture.address.splitlines()) >= 6
    assert all(language_name(tongue.language) != tongue.language for tongue in culture.languages)
    people = [person for person in load_all([]) if person.culture == culture.culture]
    assert len(people) >= 4
    assert {person.country for person in people} == {culture.countries[0]}


def test_main_contacts_are_of_the_culture_that_says_so() -> None:
    assert [key for key, culture in shipped_cultures().items() if culture.role == "main"] == ["american"]
    assert {person.culture for person in load_all([]) if person.role == "main"} == {"american"}


# --- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "name"),
    {
        "JOR": "Jordan", "BGD": "Bangladesh", "CHN": "China", "DEU": "Germany", "KOR": "South Korea",
        "BRA": "Brazil", "ARG": "Argentina", "TUR": "Türkiye", "USA": "the United States", "JPN": "Japan",
    }.items(),
)  # fmt: skip
def test_countries_in_english_prompts_are_called_as_ever(country: str, name: str) -> None:
    assert country_name(country) == name


@pytest.mark.parametrize(
    ("country", "language", "name"),
    [
        ("DEU", "de", "Deutschland"),
        ("JPN", "zh-Hant-TW", "日本"),
        ("TUR", "es-AR", "Turquía"),
        ("USA", "tlh", "the United States"),  # a language that CLDR lacks
        ("XXX", "de", "XXX"),
    ],
)
def test_a_country_has_a_name_in_every_language(country: str, language: str, name: str) -> None:
    assert country_name(country, language) == name


def test_names_of_languages() -> None:
    names = [language_name("pt-BR"), language_name("pt-BR", "de"), language_name("ar-JO"), language_name("qqq")]
    assert names == ["Brazilian Portuguese", "Portugiesisch", "Arabic", "qqq"]


def test_a_state_that_is_no_more_is_no_country() -> None:
    assert (alpha2("DDR"), alpha2("DEU"), alpha2("deu"), alpha2("276")) == (None, "DE", None, None)


# --- a file of one's own -------------------------------------------------------------------------------


def test_a_culture_file_is_read_with_all_its_keys(tmp_path: Path) -> None:
    culture = load_culture(write(tmp_path, "nordic.yaml", NORDIC))
    assert [(tongue.language, tongue.with_whom) for tongue in culture.languages] == [
        ("sv", None),
        ("nb", "people from the west"),
    ]
    assert culture.surveys == {"fjords": {"SWE": "752", "NOR": "N1"}}
    assert culture.role == "delegate"


@pytest.mark.parametrize(
    ("old", "new", "place", "told"),
    [
        ("[SWE, NOR]", "[SWE, GER]", (4, "countries[2]"), "no country 'GER' in ISO 3166 alpha-3; perhaps DEU"),
        ("[SWE, NOR]", "[SWE, Norway]", (4, "countries[2]"), "must match"),
        ("[SWE, NOR]", "[SWE, NOR, SWE]", (4, "countries[3]"), "SWE stands here twice"),
        ("[SWE, NOR]", "[]", (4, "countries"), "at least 1"),
        ("language: nb", "language: zz", (8, "languages[2].language"), "no language 'zz'"),
        ("language: nb, with: people from the west", "language: sv, variety: Rikssvenska", (8, "languages[2]"), ""),
        ("NOR: {en", "FIN: {en", (12, "names.FIN"), "none of `countries`: SWE, NOR"),
        ('NOR: "N1"', 'DNK: "N1"', (10, "surveys.fjords.DNK"), "none of `countries`"),
        ('"N1"', "752", (10, "surveys.fjords"), "752 is the code of two countries"),
        ("name: Nordic\n", "", (1, "name"), "is missing"),
        ("adjective", "adjectives", (3, "adjectives"), "allowed here: culture, name, adjective"),
        ("with: people", "mit: people", (8, "languages[2].mit"), "allowed here: language, level, variety"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_culture_file_is_named_with_its_line(
    old: str, new: str, place: tuple[int, str], told: str, tmp_path: Path
) -> None:
    found = mistakes(write(tmp_path, "nordic.yaml", NORDIC.replace(old, new, 1)))
    assert any((line, key) == place and told in what for line, key, what in found), found


def test_a_language_that_cldr_lacks_is_no_error(tmp_path: Path) -> None:
    path = write(tmp_path, "nordic.yaml", NORDIC.replace("language: nb", "language: swg"))
    assert scenarios.check(path) == "culture (CLDR has no language swg; its code is shown in place of a name)"


def test_the_first_key_tells_a_culture_and_a_card_may_begin_with_its_culture(tmp_path: Path) -> None:
    found = mistakes(write(tmp_path, "nordic.yaml", "culture: nordic\ncalled: Nordic\n"))
    assert ("gender", "is missing") in [(key, what) for _, key, what in found]
    path = write(tmp_path, "turkish-elif2.yaml", "culture: turkish\n" + CARD.replace("culture: turkish\n", ""))
    assert scenarios.check(path).startswith("persona (no ratings")


# --- cards of it ---------------------------------------------------------------------------------------


def test_a_card_finds_its_culture_by_the_file_beside_it(tmp_path: Path) -> None:
    path = write(tmp_path, "people/nordic-elif.yaml", card("nordic", "NOR"))
    (problem,) = mistakes(path)
    assert problem[1:] == (
        "culture",
        f"must be one of {', '.join(shipped_cultures())}, not 'nordic'; "
        "another culture is a file (`culturepark new culture NAME`)",
    )
    for place in ("people", ".", "cultures", "people/cultures"):
        culture = write(tmp_path, f"{place}/nordic.yaml", NORDIC)
        person = load_persona(path)
        assert (person.country_name, person.country_in("sv"), person.country_in("de")) == (
            "the Northway",
            "Norge",
            "Norwegen",
        )
        assert [one.key for one in load_all([path.parent]) if one.culture == "nordic"] == ["nordic-elif"]
        culture.unlink()


def test_many_cards_in_one_file_find_it_too(tmp_path: Path) -> None:
    write(tmp_path, "nordic.yaml", NORDIC)
    person = load_persona(write(tmp_path, "nordic-elif.yaml", card("nordic", "SWE")))
    lines = write(tmp_path, "people.jsonl", person.model_dump_json() + "\n")
    assert [one.country_name for one in load_people(lines)] == ["Sweden"]


@pytest.mark.parametrize(
    ("culture", "country", "key", "told"),
    [
        ("turkish", "DEU", "country", "must be one of the culture's countries (TUR), not DEU"),
        ("turkish", "null", "country", "is missing; the grounding country is TUR"),
        ("arabic", "null", "country", "the grounding country is JOR; the culture arabic has JOR, EGY"),
        ("turkisch", "TUR", "culture", "not 'turkisch'; did you mean turkish;"),
        ("american", "USA", "role", "must be main, as all people of the culture american are"),
    ],
)
def test_a_card_is_from_one_of_its_cultures_countries(
    culture: str, country: str, key: str, told: str, tmp_path: Path
) -> None:
    found = mistakes(write(tmp_path, "someone.yaml", card(culture, country)))
    assert [(name, told in what) for _, name, what in found] == [(key, True)], found


# --- a scenario ----------------------------------------------------------------------------------------


def edition(folder: Path, cultures: str, *more: str) -> Edition:
    lines = ["name: fjord", "title: Fjord", "setting: cross-cultural", f"cultures: {cultures}", *more]
    lines += ["seeds:", '  - {key: tea, question: "Do you drink tea?"}']
    return scenarios.load_edition(write(folder, "fjord.yaml", "\n".join(lines) + "\n"))


@pytest.fixture
def fjord(tmp_path: Path) -> Path:
    write(tmp_path, "cultures/nordic.yaml", NORDIC)
    write(tmp_path, "people/nordic-elif.yaml", card("nordic", "NOR"))
    write(tmp_path, "people/nordic-ola.yaml", card("nordic", "SWE", "Ola"))
    return tmp_path


@pytest.mark.parametrize("named", ["cultures/nordic.yaml", "cultures/", "./cultures"])
def test_a_scenario_takes_shipped_keys_and_files_and_keeps_the_definitions(named: str, fjord: Path) -> None:
    made = edition(fjord, f"[turkish, {named}]", "personas: [people]")
    assert made.scenario.cultures == ("turkish", "nordic")
    assert [culture.culture for culture in made.cultures] == ["turkish", "nordic", "american"]
    again = Edition.model_validate_json(made.model_dump_json())
    assert again == made
    assert again.culture("nordic").address == "Everybody by the first name, also the king's cook."
    assert again.persona("nordic-elif").country_name == "the Northway"


def test_all_stands_for_the_shipped_delegates_also_beside_a_file(fjord: Path) -> None:
    shipped = tuple(key for key, culture in shipped_cultures().items() if culture.role == "delegate")
    assert edition(fjord, "all").scenario.cultures == shipped
    assert edition(fjord, "[all, cultures/]", "personas: [people]").scenario.cultures == (*shipped, "nordic")


def test_a_run_of_old_falls_back_to_the_shipped_cultures(fjord: Path) -> None:
    made = edition(fjord, "[turkish]").model_copy(update={"cultures": ()})
    assert "cultures" not in made.model_dump(mode="json")
    assert made.culture("turkish") == shipped_cultures()["turkish"]


def test_a_scenario_says_which_countries_ground_a_culture(fjord: Path) -> None:
    made = edition(fjord, "[cultures/]", "personas: [people]", "countries: {nordic: [SWE]}")
    assert [person.key for person in made.personas if person.role == "delegate"] == ["nordic-ola"]


@pytest.mark.parametrize(
    ("cultures", "more", "place", "told"),
    [
        ("[turkish, nordik.yaml]", "", (4, "cultures[2]"), "no such file: nordik.yaml"),
        ("[turkish, people]", "", (4, "cultures[2]"), "must be one of arabic, bengali"),
        ("[turkish, ./people]", "", (4, "cultures[2]"), "no culture file in the folder ./people"),
        ("[turkisch]", "", (4, "cultures[1]"), "not 'turkisch'; did you mean turkish"),
        ("[american]", "", (4, "cultures[1]"), "'american' is of main contacts, who come by themselves"),
        ("[cultures/]", "", (4, "cultures"), "nobody of nordic may sit; `personas` names cards"),
        ("[turkish]", "countries: {nordic: [SWE]}", (5, "countries.nordic"), "none of the cultures here: turkish"),
        ("[turkish]", "countries: {turkish: [SWE]}", (5, "countries.turkish[1]"), "has no country SWE, only TUR"),
        ("[arabic]", "countries: {arabic: [EGY]}", (5, "countries.arabic"), "nobody of arabic is from EGY"),
    ],
)
def test_what_cannot_be_in_a_scenario_is_named(
    cultures: str, more: str, place: tuple[int, str], told: str, fjord: Path
) -> None:
    with pytest.raises(CatalogError) as caught:
        edition(fjord, cultures, *([more] if more else []))
    found = [((problem.line, problem.key), problem.what) for problem in caught.value.problems]
    assert any(where == place and told in what for where, what in found), found


def test_a_survey_may_call_countries_by_codes_that_a_culture_file_explains(fjord: Path) -> None:
    write(fjord, "answers.csv", "land,boats\n" + "752,1\n" * 30 + "N1,2\n" * 40)
    survey = (
        "survey: fjords\ntitle: Boats\nsource: made up\n"
        "scales: {yes: [{code: 1, label: a, side: 1}, {code: 2, label: b, side: -1}]}\n"
        "respondents: {file: answers.csv, country: {column: land}}\n"
        "items: {A: {topic: boats, question: 'Boats?', scale: yes, column: boats}}\n"
    )
    write(fjord, "fjords.yaml", survey)
    text = "name: f\ntitle: F\nsetting: cross-cultural\ncultures: [cultures/]\npersonas: [people]\n"
    text += "surveys: [fjords.yaml]\nseeds: [{survey: fjords/A}]\n"
    made = scenarios.load_edition(write(fjord, "f.yaml", text))
    (seed,) = made.scenario.seeds
    assert seed.item
    assert seed.item.shares == {"SWE": {1: 1.0, 2: 0.0}, "NOR": {1: 0.0, 2: 1.0}}


# --- no code knows a culture ---------------------------------------------------------------------------


def words_of_code(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the texts of a module, each with its line, but for docstrings and examples of commands."""
    tree = ast.parse(path.read_text("utf-8"))
    shown = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("epilog", "help"):
            shown |= {id(inner) for inner in ast.walk(node.value)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in shown:
            yield node.lineno, node.value


MEASURED = "distill/dedup.py"
"""Holds thresholds that were measured language by language."""


def test_no_module_names_a_culture_a_country_or_a_language() -> None:
    cultures = shipped_cultures().values()
    names = {word for own in cultures for word in (own.culture, *own.countries, *map(country_name, own.countries))}
    names |= {tongue.language for own in cultures for tongue in own.languages} - {"en"}
    modules = [path for path in sorted((ROOT / "culturepark").rglob("*.py")) if "migrations" not in path.parts]
    modules.remove(ROOT / "culturepark" / MEASURED)
    found = [
        f"{path.relative_to(ROOT)}:{line}: {word}"
        for path in modules
        for line, text in words_of_code(path)
        for word in names & set(re.split(r"[^\w-]+", text) if len(text) < 200 else [])
    ]
    assert found == []
