"""`culturepark personas` and what `check` says of cards: as somebody meets them who looks for people."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from culturepark.catalog.coverage import SCHWARTZ
from culturepark.catalog.personas import load_all
from culturepark.cli.app import run
from culturepark.domain import Persona
from culturepark.errors import CatalogError, UsageError
from tests.catalog.test_catalog import CARD
from tests.support.cultures import GROUNDS

SHIPPED = {person.key: person for person in load_all([])}
STYLES = re.compile(r"\x1b\[[0-9;]*[a-zA-Z]")
Captured = pytest.CaptureFixture[str]


def listed(capsys: Captured, *words: str) -> list[Persona]:
    """The people that a command names, as programs get them and in the same order as on a pipe."""
    assert run(["personas", *words, "--json"]) == 0
    people = json.loads(capsys.readouterr().out)
    assert run(["personas", *words]) == 0
    keys = [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()]
    assert keys == [person["key"] for person in people]
    return [Persona.model_validate(person) for person in people]


def on_terminal(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured, *words: str) -> str:
    """What a terminal of this width shows."""
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    assert run(["personas", *words]) == 0
    return STYLES.sub("", capsys.readouterr().out)


def refused(*words: str) -> str:
    with pytest.raises((UsageError, CatalogError)) as caught:
        run(["personas", *words])
    return str(caught.value)


# --- the list ------------------------------------------------------------------------------------------


def test_without_a_word_all_are_listed_with_whole_cards(capsys: Captured) -> None:
    assert {person.key: person for person in listed(capsys)} == SHIPPED


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        (["--culture", "turkish"], lambda p: p.culture == "turkish"),
        (["--culture", "turkish", "--culture", "korean"], lambda p: p.culture in ("turkish", "korean")),
        (["--value", "power"], lambda p: any(value.schwartz == "power" for value in p.values)),
        (["--value", "Self_Direction"], lambda p: any(value.schwartz == "self-direction" for value in p.values)),
        (["--age", "20-35"], lambda p: 20 <= p.age <= 35),
        (["--age", "60-"], lambda p: p.age >= 60),
        (["--age", "-30"], lambda p: p.age <= 30),
        (["--age", "34"], lambda p: p.age == 34),
        (["--settlement", "village", "--gender", "woman"], lambda p: (p.settlement, p.gender) == ("village", "woman")),
        (["--faith", "SUNNI"], lambda p: "Sunni" in p.faith),
        (["--place", "uctepe"], lambda p: p.key == "turkish-hediye"),
        (["--place", "türkiye", "--age", "60-"], lambda p: p.country == "TUR" and p.age >= 60),
    ],
)
def test_filters_leave_those_who_pass_all_of_them(words: list[str], holds: object, capsys: Captured) -> None:
    assert callable(holds)
    wanted = [person for person in SHIPPED.values() if holds(person)]
    assert 0 < len(wanted) < len(SHIPPED)
    assert listed(capsys, *words) == wanted


def test_nobody_like_that_is_an_empty_list_and_no_error(capsys: Captured) -> None:
    assert listed(capsys, "--faith", "Zoroastrian") == []
    assert run(["personas", "--faith", "Zoroastrian", "--coverage"]) == 0
    assert "nobody is like that" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--culture", "turkic"], ["--culture 'turkic'", *GROUNDS, "american"]),
        (["--value", "honour"], ["--value 'honour'", *SCHWARTZ]),
        (["--age", "old"], ["--age 'old'", "20-35"]),
        (["--age", "-"], ["--age '-'"]),
        (["--age", "40-30"], ["first age is above"]),
        (["--settlement", "farm"], ["city, town, village"]),
        (["--gender", "female"], ["woman, man"]),
        (["hediye", "--age", "60-"], ["without a KEY"]),
        (["hediyee"], ["hediye"]),
        (["--personas", "nowhere"], ["nowhere"]),
    ],
)
def test_what_is_no_filter_says_what_would_be(words: list[str], said: list[str]) -> None:
    error = refused(*words)
    assert all(word in error for word in said), error


@pytest.mark.parametrize("columns", [40, 60, 80, 120, 200])
def test_the_table_says_everything_at_every_width(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    text = on_terminal(columns, monkeypatch, capsys, "--culture", "chinese")
    assert max(cell_len(line) for line in text.splitlines()) <= columns
    flat = "".join(text.split())
    for person in (p for p in SHIPPED.values() if p.culture == "chinese"):
        assert person.key in flat
        assert all(value.schwartz and value.schwartz in flat for value in person.values)
        for fact in (person.name, person.work, person.faith):
            assert all(word in flat for word in fact.split()), (columns, fact)


# --- a card ----------------------------------------------------------------------------------------------


def everything(person: Persona) -> list[str]:
    assert person.episodes
    return [
        person.household or "",
        *(text for saying in person.sayings for text in (saying.text, saying.english)),
        *(text for value in person.values for text in (value.value, value.schwartz or "", value.why)),
        *(text for norm in person.norms for text in (norm.text, norm.source or "")),
        person.scope,
        *(text for scene in person.episodes.scenes for text in (scene.when, scene.where, scene.who, scene.text)),
        person.episodes.origin,
    ]


def test_a_card_is_shown_whole(capsys: Captured) -> None:
    assert run(["personas", "hediye"]) == 0
    shown = capsys.readouterr().out
    assert [text for text in everything(SHIPPED["turkish-hediye"]) if text not in shown] == []
    assert listed(capsys, "--place", "uctepe") == [SHIPPED["turkish-hediye"]]


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("key", ["arabic-amneh", "chinese-guirong", "bengali-rokeya"])
def test_a_card_in_any_script_keeps_to_the_terminal(
    key: str, columns: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("CULTUREPARK_BIDI", "off")
    text = on_terminal(columns, monkeypatch, capsys, key)
    assert max(cell_len(line) for line in text.splitlines()) <= columns
    flat = "".join(text.split())
    assert all("".join(saying.text.split()) in flat for saying in SHIPPED[key].sayings)


def test_a_hostile_card_moves_no_cursor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    odd = '"\\e[2J\\e]0;x\\a [red]x[/red] \\u202Eevil"'
    text = CARD.replace("place: Ayvalık", f"place: {odd}").replace("work: mends nets", f"work: {odd}")
    (tmp_path / "nil.yaml").write_text(text, "utf-8")
    for words in ([str(tmp_path / "nil.yaml")], ["--personas", str(tmp_path), "--place", "evil"]):
        assert run(["personas", *words]) == 0
        shown = capsys.readouterr().out + on_terminal(80, monkeypatch, capsys, *words)
        assert "[red]x[/red]" in "".join(shown.split("\n"))
        assert not {char for char in shown if not char.isprintable()} - {"\n", "\t"}
        monkeypatch.undo()


def test_cards_of_ones_own_stand_beside_the_shipped_ones(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "turkish-nil.yaml").write_text(CARD, "utf-8")
    words = ["--personas", str(tmp_path)]
    assert len(listed(capsys, *words)) == len(SHIPPED) + 1
    assert run(["personas", "nil", *words]) == 0
    assert "mends nets" in capsys.readouterr().out


# --- coverage ------------------------------------------------------------------------------------------


def test_each_culture_is_counted_beside_its_country(capsys: Captured) -> None:
    assert run(["personas", "--coverage", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert set(counted["sources"]) == {"age", "gender", "settlement", "faith"}
    assert [each["culture"] for each in counted["cultures"]] == sorted({*GROUNDS, "american"})
    for each in counted["cultures"]:
        people = [person for person in SHIPPED.values() if person.culture == each["culture"]]
        assert each["people"] == len(people)
        assert [group["group"] for group in each["values"]] == list(SCHWARTZ)
        for aspect in ("age", "gender"):
            assert sum(group["people"] for group in each[aspect]) == len(people)
            assert sum(group["country_share"] for group in each[aspect]) == pytest.approx(1, abs=0.001)
        urban, *settlements = each["settlement"]
        assert urban["people"] == sum(person.settlement != "village" for person in people)
        assert sum(group["people"] for group in settlements) == len(people)
        told = [group["country_share"] for group in each["faith"] if group["people"] is None]
        assert told
        assert sum(told) <= 1.001
        assert sum(group["people"] or 0 for group in each["faith"]) == len(people)


@pytest.mark.parametrize("columns", [60, 120])
def test_coverage_can_be_read_at_any_width(columns: int, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    text = on_terminal(columns, monkeypatch, capsys, "--coverage", "--culture", "turkish", "--gender", "woman")
    assert max(cell_len(line) for line in text.splitlines()) <= columns
    assert re.search(r"city or town +\d +\d+% +77\.5%", text)
    assert "nobody holds a value about" not in text or "turkish" in text


def test_coverage_on_a_pipe_is_a_row_for_each_group(capsys: Captured) -> None:
    assert run(["personas", "--coverage", "--culture", "turkish"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert {len(row) for row in rows} == {6}
    assert [row[2] for row in rows if row[1] == "values"] == list(SCHWARTZ)


# --- check -----------------------------------------------------------------------------------------------


def test_check_says_what_a_card_lacks_and_calls_it_fine(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "turkish-nil.yaml"
    path.write_text(CARD, "utf-8")
    assert run(["check", str(path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("), fine")
    for note in (
        "no `household`",
        "no `sayings`",
        "no scenes in `episodes`",
        "1 of 1 values without `schwartz`",
        "no norm with a `source`",
        "no ratings for the 50 shipped survey items",
    ):
        assert note in line


def test_check_takes_a_folder_and_says_when_its_people_all_want_the_same(tmp_path: Path, capsys: Captured) -> None:
    for name in ("Nil", "Ada", "Can"):
        text = CARD.replace("Nil", name).replace("    why:", "    schwartz: conformity\n    why:")
        (tmp_path / f"turkish-{name.lower()}.yaml").write_text(text, "utf-8")
    assert run(["check", str(tmp_path)]) == 0
    *cards, note = capsys.readouterr().out.splitlines()
    assert len(cards) == 3
    assert note.startswith("turkish: these 3 people hold values about 1 of Schwartz's ten")
    assert "self-direction" in note


def test_check_of_a_folder_names_the_mistakes_of_all_files(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "good.yaml").write_text(CARD, "utf-8")
    (tmp_path / "bad.yaml").write_text(CARD.replace("age: 34", "age: old"), "utf-8")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError) as caught:
        run(["check", str(tmp_path), str(tmp_path / "empty")])
    assert "good.yaml" in capsys.readouterr().out
    places = [(Path(problem.file).name, problem.line, problem.key) for problem in caught.value.problems]
    assert places == [("bad.yaml", 6, "age"), ("empty", None, "")]
