"""Each language that comes with the program: talks in it, and across it and the others, on the scripted model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from culturepark.catalog.personas import load_all
from culturepark.catalog.scenarios import in_own_words, load_edition
from culturepark.domain import DEFAULT_LANGUAGE, Persona, shipped_cultures
from culturepark.languages import PACKAGES
from culturepark.store.tables import SampleRow, StatementRenderingRow
from tests.cli.test_cli import away, cli  # noqa: F401 - `away` is for all
from tests.support.fakes import FakeModel, hold

OTHERS = sorted(code for code in PACKAGES if code != DEFAULT_LANGUAGE)


def scenario(language: str, setting: str, cultures: Sequence[str], protocol: str = "self-guidance") -> Path:
    path = Path("mine.yaml")
    seeds = [{"survey": "wvs7/Q33"}]
    file = {"name": "mine", "title": "Mine", "setting": setting, "cultures": list(cultures), "protocol": protocol}
    path.write_text(json.dumps(file | {"language": language, "seeds": seeds, "dialogues_per_seed": 1}), "utf-8")
    return path


def in_own_language() -> dict[str, str]:
    """Language -> a culture of which somebody has a card in it."""
    people = load_all([], languages=lambda them: {p.own_language for p in them} & {*PACKAGES})
    speaking: list[Persona] = [p for p in people if p.own_language in OTHERS and in_own_words(p)]
    return {person.own_language: person.culture for person in speaking}


@pytest.mark.parametrize("protocol", ["self-guidance", "free-chat"])
@pytest.mark.parametrize("code", OTHERS)
def test_a_talk_in_the_language_is_held_to_its_end(code: str, protocol: str, tmp_path: Path) -> None:
    edition = load_edition(scenario(code, "cross-cultural", ["turkish", "korean"], protocol))
    held = hold(tmp_path, edition, FakeModel(), until="dialogue")
    for dialogue in held.store.dialogues("held"):
        assert (dialogue.language, dialogue.stop_reason) == (code, "completed")


@pytest.mark.parametrize("language", ["tr", "native"])
def test_a_whole_run_makes_rows_with_english_beside_them(language: str, tmp_path: Path) -> None:
    held = hold(tmp_path, load_edition(scenario(language, "in-cultural", ["turkish"])), FakeModel())
    kept = [row for row in held.rows(SampleRow) if row.status == "kept"]
    assert kept
    assert {row.language for row in kept} == {"tr"}
    beside = held.rows(StatementRenderingRow)
    assert {row.statement_id for row in kept} <= {row.statement_id for row in beside}
    assert all(row.agrees for row in beside)


def test_people_of_all_languages_sit_at_one_table_and_hear_each_other(tmp_path: Path) -> None:
    spoken = in_own_language()
    assert len(spoken) == len(OTHERS) >= 8
    cultures = sorted({culture for culture in spoken.values() if culture in shipped_cultures()})
    held = hold(tmp_path, load_edition(scenario("native", "panel", cultures)), FakeModel(), until="dialogue")
    (dialogue,) = held.store.dialogues("held")
    assert (dialogue.language, dialogue.stop_reason) == ("mul", "completed")
    for turn in held.store.turns(dialogue.id):
        assert {turn.language, *(heard.language for heard in turn.renderings)} == {*spoken}


def test_the_scenario_of_the_docs_is_sound_and_the_forecast_says_what_cannot_interpret() -> None:
    page = Path(__file__).parents[2] / "docs" / "languages.md"
    Path("mine.yaml").write_text(page.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0], "utf-8")
    assert cli("check", "mine.yaml").code == 0
    told = cli("simulate", "mine.yaml", "--model", "embedded", "--dry-run")
    assert told.code == 0
    assert "the run itself would end at once: embedded is too small to interpret" in told.err
    assert cli("simulate", "mine.yaml", "--model", "scripted", "--until", "dialogue", "--run-id", "m").code == 0
