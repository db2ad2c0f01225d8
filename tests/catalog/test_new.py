"""`culturepark new` writes files that are sound as they stand, and schemas that say what the program takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from culturepark.catalog import loops, scenarios, suite_checks, words
from culturepark.catalog.cultures import load_culture
from culturepark.catalog.new import write
from culturepark.catalog.personas import load_persona
from culturepark.catalog.schemas import kinds, schema_text
from culturepark.cli.app import run
from culturepark.errors import UsageError
from culturepark.files import package_dir

DATA = Path(__file__).parents[2] / "culturepark" / "catalog" / "data"
LINE = re.compile(r"# yaml-language-server: \$schema=(\S+)")


def validator(text: str) -> Any:
    schema = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def as_editors_see(path: Path) -> Any:
    """The values of a YAML file. Keys are texts to an editor, as in JSON."""
    return json.loads(json.dumps(YAML(typ="safe").load(path.read_text("utf-8"))))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("culture", "japanese"), ("culture", "old-prussian"), ("persona", "turkish-ayla"), ("persona", "american-007"),
        ("suite", "tea"), ("survey", "tea"), ("survey", "123"), ("scenario", "tea-talk"), ("scenario", "2026"),
        ("loop", "tea"),
    ],
)  # fmt: skip
def test_a_new_file_is_sound_and_names_its_schema_by_a_path_that_holds_everywhere(
    kind: str, name: str, tmp_path: Path
) -> None:
    path, steps = write(kind, name, tmp_path / "mine")
    told = scenarios.check(path)
    assert told.startswith(f"{kind} (")
    assert "TODO in line" in told
    assert steps[0].startswith("culturepark check ")
    named = LINE.match(path.read_text("utf-8"))
    assert named
    assert not Path(named[1]).is_absolute()
    found = validator((path.parent / named[1]).read_text("utf-8"))
    assert [error.message for error in found.iter_errors(as_editors_see(path))] == []


def test_a_culture_that_is_called_like_a_language_gets_its_country(tmp_path: Path) -> None:
    culture = load_culture(write("culture", "swedish", tmp_path)[0])
    assert (culture.countries, culture.languages[0].language, culture.adjective) == (("SWE",), "sv", "Swedish")


def test_what_is_not_found_by_the_name_of_a_culture_is_marked_in_it_and_in_its_people(tmp_path: Path) -> None:
    for kind, name, marked in (
        ("culture", "kenyan", ("countries: [", "  - {language: ")),
        ("persona", "kenyan-juma", ("country: ", "languages: [")),
    ):
        path, _ = write(kind, name, tmp_path)
        lines = path.read_text("utf-8").splitlines()
        numbers = [number for number, line in enumerate(lines, 1) if line.startswith(marked) and "TODO" in line]
        assert len(numbers) == 2
        assert "TODO in line" in scenarios.check(path)
    write("culture", "swedish", tmp_path)
    text = write("persona", "swedish-anna", tmp_path)[0].read_text("utf-8")
    assert "languages: [Swedish]" in text
    assert re.search(r"^country: SWE +# one of the culture's: SWE$", text, re.MULTILINE)


def test_a_person_is_of_the_culture_whose_file_lies_by_it(tmp_path: Path) -> None:
    write("culture", "swedish", tmp_path)
    person = load_persona(write("persona", "swedish-anna-lena", tmp_path / "people")[0])
    assert (person.culture, person.country, person.called) == ("swedish", "SWE", "AnnaLena")
    with pytest.raises(UsageError, match=r"must be one of american.*, not 'swedisch'"):
        write("persona", "swedisch-anna", tmp_path)


def test_a_scenario_seats_the_people_and_takes_the_survey_in_the_folder(tmp_path: Path) -> None:
    for kind, name in (("culture", "swedish"), ("persona", "swedish-anna"), ("survey", "tea"), ("scenario", "fika")):
        path, _ = write(kind, name, tmp_path)
    edition = scenarios.load_edition(path)
    assert [person.key for person in edition.personas if person.role == "delegate"] == ["swedish-anna"]
    assert [seed.key for seed in edition.scenario.seeds] == ["tea/first", "late-guest"]


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("culture", "Big Culture", r"NAME 'Big Culture': a culture's key must match .* as in big-culture"),
        ("culture", "turkish", "turkish is a shipped culture"),
        ("persona", "Polish-Łucja", "as in polish-lucja"),
        ("persona", "turkish-Çağla", "as in turkish-cagla"),
        ("persona", "turkish-elif", "turkish-elif is a shipped person"),
        ("persona", "elif", "NAME begins with the key of the culture"),
        ("persona", "turkish-", "lacking the person's own name"),
        ("scenario", "../out", "a scenario's key must match"),
    ],
)
def test_a_name_that_cannot_be_is_refused(kind: str, name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=told):
        write(kind, name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["new", "survey", "tea", "--out", "mine"]) == 0
    told = capsys.readouterr()
    assert told.out == "mine/tea.yaml\n"
    assert "culturepark check mine/tea.yaml" in told.err
    Path("mine/tea.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"mine/tea\.yaml is there already, and stays as it is"):
        write("survey", "tea", Path("mine"))
    assert Path("mine/tea.yaml").read_text() == "mine"


def test_a_folder_that_takes_no_file_is_named(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("mine")
    with pytest.raises(UsageError, match=r"tea\.yaml cannot be written: .*; name another folder with --out"):
        write("survey", "tea", taken)


# --- schemas -------------------------------------------------------------------------------------------

SHIPPED = {
    "culture": sorted((DATA / "cultures").glob("*.yaml")),
    "survey": [DATA / "wvs7.yaml"],
    "scenario": scenarios.shipped_files(),
    "loop": loops.shipped_loops(),
    "persona": [path for path in sorted(package_dir("personas").glob("*.yaml")) if "." not in path.stem][::7],
    "suite": sorted((DATA / "suites").glob("*.yaml")),
    "scale": sorted((DATA / "scales").glob("*.yaml")),
    "words": sorted(package_dir("personas").glob("*.*.yaml")),
    "wordings": sorted((DATA.parents[1] / "languages").glob("*/questions/*.yaml")),
}


def test_there_is_a_schema_for_every_kind() -> None:
    assert kinds() == sorted(SHIPPED) == sorted([*scenarios.KINDS, *suite_checks.KINDS, *loops.KINDS, *words.KINDS])


@pytest.mark.parametrize("kind", SHIPPED)
def test_the_shipped_files_hold_before_their_schemas(kind: str) -> None:
    found = validator(schema_text(kind))
    for path in SHIPPED[kind]:
        assert [error.message for error in found.iter_errors(as_editors_see(path))] == [], path


@pytest.mark.parametrize(
    ("kind", "old", "new", "told"),
    [
        ("culture", "role: main", "role: boss", "'boss' is not one of ['delegate', 'main']"),
        ("culture", "adjective", "adjectives", "'adjectives' was unexpected"),
        ("scenario", "setting: cross-cultural", "setting: crossing", "is not one of"),
        ("persona", "gender: ", "key: x\ngender: ", "'key' was unexpected"),
        ("survey", "side: 1", "side: 7", "7 is not one of"),
        ("words", "words_of", "word_of", "'word_of' was unexpected"),
        ("wordings", "wordings_of: ", "wordings_of: /", "does not match"),
    ],
)
def test_a_schema_marks_mistakes(kind: str, old: str, new: str, told: str) -> None:
    text = SHIPPED[kind][0].read_text("utf-8")
    assert old in text
    data = json.loads(json.dumps(YAML(typ="safe").load(text.replace(old, new, 1))))
    assert any(told in error.message for error in validator(schema_text(kind)).iter_errors(data))


@pytest.mark.parametrize("kind", SHIPPED)
def test_a_schema_is_printed_and_tells_what_keys_mean(kind: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run(["schema", kind]) == 0
    schema = json.loads(capsysbinary.readouterr().out)
    described = [name for name, shape in schema["properties"].items() if "description" in shape]
    assert len(described) >= len(schema["properties"]) / 4
