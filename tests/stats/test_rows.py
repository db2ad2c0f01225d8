"""Figures of rows: where their content comes from, what was asked of them, and how generic they are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from culturepark.distill.row_checks import ALWAYS, PROMPTS
from culturepark.domain import JsonObject
from culturepark.glossary import ROW_QUESTIONS
from culturepark.stats.diversity import wilson
from culturepark.stats.funnel import row_questions
from culturepark.stats.text import generic_in, row_lines, stats_lines, told_beside_chance
from culturepark.store.tables import StatementRow, VerdictRow
from tests.cli.test_cli import Screen, cli, on_a_terminal
from tests.cli.test_cli import away as away  # a fixture
from tests.support.fakes import Held
from tests.support.grounded import CARDS, KNOWN, SAMPLES, VERDICTS, grounded, outcomes


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Held:
    return grounded(tmp_path_factory.mktemp("grounded"))


def placed(folder: Path) -> Held:
    """The run in the default store of a folder."""
    runs = folder / "runs"
    runs.mkdir()
    held = grounded(runs)
    held.store.close()
    (runs / "runs.db").rename(runs / "culturepark.db")
    return held


def counted(found: JsonObject) -> dict[str, int]:
    return {name: count for name, count in found.items() if name != "shares" and count}


def test_statements_and_kept_samples_are_counted_by_where_they_come_from(held: Held) -> None:
    stats = held.stats()["provenance"]
    of_statements = Counter(str(known.get("provenance", "unknown")) for known in KNOWN.values())
    kept = [one for one in SAMPLES.values() if one.get("status") != "dropped"]
    of_samples = Counter(str(one.get("provenance", "unknown")) for one in kept)
    assert counted(stats["statements"]["all"]) == of_statements
    assert counted(stats["samples"]["all"]) == of_samples
    assert of_samples["card"] == of_statements["card"] == 2  # the generic one of three samples is not kept
    for by in stats.values():
        for name in ("by_kind", "by_culture"):
            together = sum((Counter(counted(one)) for one in by[name].values()), Counter())
            assert together == counted(by["all"])
        assert sum(by["all"]["shares"].values()) == pytest.approx(1)
        assert by["all"]["shares"]["model"] == pytest.approx(1 / sum(counted(by["all"]).values()))
    assert counted(stats["statements"]["by_kind"]["norm"]) == {"model": 1}
    assert counted(stats["samples"]["by_culture"]["turkish"]) == {"card": 1, "model": 1, "unknown": 1}


def test_of_questions_about_rows_it_is_counted_what_was_kept_turned_down_and_unread(held: Held) -> None:
    stats = held.stats()["row_questions"]
    assert list(stats) == list(ROW_QUESTIONS)
    for criterion, figures in stats.items():
        found = outcomes(criterion)
        assert figures["asked"] == found.total() > 0
        assert {name: figures[name] for name in ("kept", "turned_down", "unread") if figures[name]} == found
        by_country = {"TUR": outcomes(criterion, "turkish"), "USA": outcomes(criterion, "american")}
        assert {country: one["kept"] for country, one in figures["by_country"].items()} == {
            country: counts["kept"] for country, counts in by_country.items() if counts
        }
        assert (figures["null"] is None) == (criterion != "distinctive")
    told = stats["distinctive"]
    assert (told["kept"], told["turned_down"], told["unread"], told["null"]) == (2, 2, 1, 0.25)
    assert told["share"] == 0.5  # of those that could be read
    assert [told["low"], told["high"]] == pytest.approx(wilson(2, 4), abs=1e-4)


def test_verdicts_of_an_earlier_round_do_not_count(tmp_path: Path) -> None:
    held = grounded(tmp_path)
    old = {"statement_id": CARDS, "relation": "contradict", "decision": "drop", "round": 7}
    with held.store.database.writing() as session:
        session.add(VerdictRow(id=f"{CARDS}.v99", criterion="distinctive", **old))
        one = session.get_one(StatementRow, CARDS)
        session.add(StatementRow(**one.model_dump() | {"id": "held.d1.t3.s9", "round": 7}))
    stats = held.stats()
    assert stats["row_questions"]["distinctive"]["asked"] == outcomes("distinctive").total()
    assert counted(stats["provenance"]["statements"]["all"])["card"] == 2


def counts(criterion: str, kept: int, turned_down: int, country: str = "TUR") -> list[tuple[str, str, str, str, int]]:
    rows = [(criterion, country, "entail", "keep", kept), (criterion, country, "contradict", "drop", turned_down)]
    return [row for row in rows if row[-1]]


def test_a_share_that_guessing_could_have_is_said_to_be_one() -> None:
    guessed = row_questions(counts("distinctive", 12, 28))["distinctive"]
    assert told_beside_chance(guessed) == "30% (18% to 45%), by guessing 25%, which it cannot be told apart from"
    told = row_questions(counts("distinctive", 32, 8))["distinctive"]
    assert told_beside_chance(told) == "80% (65% to 90%), by guessing 25%"
    worse = row_questions(counts("distinctive", 2, 98))["distinctive"]
    assert told_beside_chance(worse) == "2% (1% to 7%), by guessing 25%"
    unread = row_questions([("distinctive", "TUR", "unparsable", "drop", 3)])["distinctive"]
    assert (told_beside_chance(unread), unread.share, unread.unread) == ("", None, 3)


def test_generic_is_told_by_country() -> None:
    both = row_questions([*counts("distinctive", 3, 1), *counts("distinctive", 1, 3, "DEU")])["distinctive"]
    shown = [generic_in(country, found) for country, found in both.by_country.items()]
    assert shown == ["Germany 75% (3 of 4)", "Türkiye 25% (1 of 4)"]
    lines = list(row_lines({"distinctive": both}))
    assert lines[-1] == "    generic: Germany 75% (3 of 4); Türkiye 25% (1 of 4)"
    assert lines[-2].startswith("    country told: 50% (")


def test_the_text_has_a_table_of_each_and_no_line_twice(held: Held) -> None:
    lines = list(stats_lines(held.figures()))
    table = lines[lines.index("  rows                           asked   kept   down  unread") :]
    asked = {name: outcomes(name) for name in ROW_QUESTIONS}
    for line, (name, words) in zip(table[1:], ROW_QUESTIONS.items(), strict=False):
        found = asked[name]
        assert line.split() == [
            *words.split(),
            *(str(count) for count in (found.total(), found["kept"], found["turned_down"], found["unread"])),
        ]
    assert not [line for line in lines if line.startswith(tuple(f"  {name} " for name in ROW_QUESTIONS))]
    assert "  carried     entail 1, irrelevant 1" in lines
    start = lines.index("  comes from     all      card     scene   made up not known")
    assert lines[start + 1] == "  statements       5    2  40%    1  20%    1  20%    1  20%"
    assert lines[start + 2].split() == ["custom", "2", "2", "100%", "0", "0%", "0", "0%", "0", "0%"]
    assert "    made up: the model's own; no line of the card carries it" in lines


def test_an_older_run_says_that_nobody_has_looked(tmp_path: Path) -> None:
    held = grounded(tmp_path)
    with held.store.database.writing() as session:
        connection = session.connection()
        connection.exec_driver_sql("UPDATE statement SET provenance = NULL, source = NULL")
        connection.exec_driver_sql("UPDATE sample SET provenance = NULL")
        connection.exec_driver_sql("DELETE FROM verdict WHERE criterion != 'faithful'")
    assert held.stats()["row_questions"] == {}
    lines = list(stats_lines(held.figures()))
    assert "  comes from  not known: nobody has looked whether the cards carry it" in lines
    assert not [line for line in lines if line.startswith("  rows ")]


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_on_a_narrow_terminal_stats_fit_and_hang_below_their_labels(away: Path, columns: int) -> None:
    placed(away)
    code, received = on_a_terminal(columns, "stats", "held")
    assert code == 0
    screen = Screen(columns, received)
    assert screen.too_wide == []
    lines = [line.rstrip() for line in screen.lines]
    beginning = lines.index("held  done: completed")
    assert not [line for line in lines[beginning + 1 :] if line and not line.startswith("  ")]
    if columns < 80:
        assert any(len(line) - len(line.lstrip()) == 14 for line in lines), "what follows stands below what it follows"
    piped = cli("stats", "held").out
    assert "".join(screen.text.split()) == "".join(piped.split()), "no word is lost"


def test_tables_have_no_more_than_sixty_columns(held: Held) -> None:
    lines = list(stats_lines(held.figures()))
    start = next(place for place, line in enumerate(lines) if line.startswith("  rows "))
    tables = lines[start : start + len(ROW_QUESTIONS) + 1]
    start = next(place for place, line in enumerate(lines) if line.startswith("  comes from"))
    tables += lines[start : start + 12]
    assert max(map(len, tables)) <= 60


def test_every_question_about_rows_has_words_short_enough_for_the_table() -> None:
    assert {*PROMPTS, *ALWAYS} == ROW_QUESTIONS.keys()
    known: dict[str, Any] = {name: relation for one in VERDICTS.values() for name, relation in one.items()}
    assert known.keys() - {"carried"} == ROW_QUESTIONS.keys()
    assert max(map(len, ROW_QUESTIONS.values())) <= 27
