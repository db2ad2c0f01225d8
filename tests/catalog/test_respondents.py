"""Respondent-level files: what a made-up CSV and its codebook give, and what is said of wrong ones."""

import gzip
import random
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from culturepark.catalog import scenarios
from culturepark.catalog.respondents import DRAWN
from culturepark.catalog.surveys import Survey, load_survey
from culturepark.errors import CatalogError

SURVEY = """\
survey: made
title: Made up
source: nobody was asked
scales:
  agree3:
    - {code: 1, label: "agree", side: 1}
    - {code: 2, label: "hard to say", side: 0}
    - {code: 3, label: "disagree", side: -1}
respondents:
  file: people.csv
  country: {column: cntry, values: {792: TUR, 276: DEU}}
  weight: w
  missing: [-1, -2, 99]
  sex: {column: sex, values: {1: man, 2: woman}}
  age: {column: years}
  age_bands: [[16, 29], [30, 49], [50, 110]]
  groups:
    education: {column: edu, values: {1: basic, 2: basic, 3: higher}}
items:
  A1: {topic: tea, question: "Is tea good?", scale: agree3, column: q1}
  A2: {topic: goats, question: "Are goats good?", scale: agree3, column: q2}
"""
HEAD = "id,cntry,w,sex,years,edu,q1,q2"


def people(count: int = 400) -> list[list[str]]:
    """Women of Türkiye agree on tea, men disagree; A2 repeats A1; the older have the double weight."""
    rows = []
    for i in range(count):
        country, sex, age = ("792", "276")[i % 2], str(1 + i // 2 % 2), 20 + i // 4 % 60
        answer = {("792", "2"): "1", ("792", "1"): "3"}.get((country, sex), str(1 + i // 4 % 3))
        rows.append([str(i), country, "2" if age >= 50 else "1", sex, str(age), str(1 + i // 8 % 3), answer, answer])
    return rows


def written(folder: Path, rows: list[list[str]], survey: str = SURVEY, head: str = HEAD, comma: str = ",") -> Path:
    lines = [head.replace(",", comma), *(comma.join(row) for row in rows)]
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    path = folder / "survey.yaml"
    path.write_text(survey)
    return path


def problems_of(path: Path) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        scenarios.check(path)
    assert str(caught.value).isprintable() or len(caught.value.problems) > 1
    return [
        f"{Path(p.file).name}:{p.line}: {p.key}: {p.what}" if p.line else f"{Path(p.file).name}: {p.key}: {p.what}"
        for p in caught.value.problems
    ]


def tea(survey: Survey) -> dict[int, float]:
    return survey.items["made/A1"].shares["TUR"]


def test_shares_are_weighted_and_missing_answers_are_left_out(tmp_path: Path) -> None:
    rows = [["1", "792", w, "1", "30", "1", q, "1"] for w, q in (("3", "1"), ("1", "3"), ("5", "-1"), ("9", ""))]
    survey = load_survey(written(tmp_path, rows))
    assert tea(survey) == {1: 0.75, 2: 0.0, 3: 0.25}
    assert survey.figures["A1"].n == {"TUR": 2}
    assert survey.figures["A1"].missing == 0.5


@pytest.mark.parametrize("cell", ["1", " 1 ", "1.0", "01", "1.", '"1"'])
def test_a_number_is_the_same_number_however_it_is_written(cell: str, tmp_path: Path) -> None:
    survey = load_survey(written(tmp_path, [["1", "792.0", " 1", cell, "30.0", "1", cell, "3"]]))
    assert tea(survey)[1] == 1


def test_groups_come_from_the_codebook_and_small_ones_are_left_out(tmp_path: Path) -> None:
    by = load_survey(written(tmp_path, people())).items["made/A1"].by["TUR"]
    assert by["sex"] == {"man": {1: 0.0, 2: 0.0, 3: 1.0}, "woman": {1: 1.0, 2: 0.0, 3: 0.0}}
    assert set(by["age"]) == {"16-29", "30-49", "50-110"}
    assert set(by["education"]) == {"basic", "higher"}
    few = load_survey(written(tmp_path, people(200))).items["made/A1"].by["TUR"]
    assert "higher" not in few.get("education", {}) or set(few["age"]) != {"16-29", "30-49", "50-110"}
    assert "shares of groups left out, since fewer than 30" in scenarios.check(tmp_path / "survey.yaml")


def test_check_says_who_was_asked_and_how_many_gave_no_answer(tmp_path: Path) -> None:
    rows = people()
    for row in rows[:40]:
        row[7] = "-2"
    rows += [["x", "840", "1", "1", "30", "1", "1", "1"], ["y", "792", "0", "1", "30", "1", "1", "1"]]
    said = scenarios.check(written(tmp_path, rows))
    assert "400 respondents: DEU 200, TUR 200" in said
    assert "1 without one of these countries left out" in said
    assert "1 without a weight left out" in said
    assert "sex (man, woman); education (basic, higher); age (16-29, 30-49, 50-110)" in said
    assert "no answer at worst 10% (A2)" in said


@pytest.mark.parametrize("comma", [";", "\t", "|"])
def test_other_delimiters_are_seen_and_decimal_commas_are_read(comma: str, tmp_path: Path) -> None:
    rows = [["1", "792", "1,5", "1", "30", "1", "1", "1"], ["2", "792", "0,5", "1", "30", "1", "3", "1"]]
    assert tea(load_survey(written(tmp_path, rows, comma=comma))) == {1: 0.75, 2: 0.0, 3: 0.25}


def test_a_byte_order_mark_crlf_blank_lines_quotes_and_gzip_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, people())
    plain = load_survey(path)
    text = (tmp_path / "people.csv").read_text().replace("id,", '"id, with\tsigns",', 1).replace("\n", "\r\n") + "\r\n"
    (tmp_path / "people.csv").write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.encode()))
    assert load_survey(path).items == plain.items


def test_a_survey_of_one_country_needs_no_column_for_it(tmp_path: Path) -> None:
    text = SURVEY.replace("{column: cntry, values: {792: TUR, 276: DEU}}", "{only: TUR}")
    assert set(load_survey(written(tmp_path, people(), text)).items["made/A1"].shares) == {"TUR"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("column: q2}", "column: Q2x}", "survey.yaml:21: items.A2.column: no column 'Q2x' in"),
        ("weight: w", "weight: weight", "survey.yaml:12: respondents.weight: no column 'weight' in"),
        ("file: people.csv", "file: nobody.csv", "survey.yaml:10: respondents.file: no such file"),
        ("file: people.csv", "file: .", "cannot be read"),
        ("{1: man, 2: woman}", "{7: man, 8: woman}", "survey.yaml:14: respondents.sex: no cell of this column is in"),
        ("{1: man, 2: woman}", "{1: male, 2: woman}", "respondents.sex.values.1: must be one of 'woman', 'man'"),
        ("{792: TUR, 276: DEU}", "{7: TUR}", "survey.yaml:11: respondents.country: no respondent of"),
        (", values: {792: TUR, 276: DEU}", "", "people.csv:2: cntry: '792' is no ISO 3166 alpha-3 code"),
        ("{column: cntry, values: {792: TUR, 276: DEU}}", "{}", "survey.yaml:11: respondents.country: wants either"),
        ("[30, 49]", "[20, 49]", "respondents.age_bands[2]: 20 to 49 overlaps"),
        ("    education:", "    age:", "respondents.groups.age: stands at `respondents.age`"),
        ("column: q2}", "countries: {}, column: q1}", ""),
        ("scale: agree3, column: q2}", "scale: agree3}", "items.A2.countries: is missing, and so is `column`"),
        ("column: q1}", "column: id}", "survey.yaml:20: items.A1.column: no cell of this column is on the item's"),
    ],
)
def test_a_codebook_that_does_not_fit_is_named_at_its_line(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert SURVEY.count(old) == 1
    rows = [[f"n{row[0]}", *row[1:]] for row in people()]
    path = written(tmp_path, rows, SURVEY.replace(old, new))
    if said:
        assert any(said in problem for problem in problems_of(path)), problems_of(path)
    else:
        load_survey(path)


def test_a_column_without_respondents_is_refused(tmp_path: Path) -> None:
    start, end = SURVEY.index("respondents:"), SURVEY.index("items:")
    said = problems_of(written(tmp_path, [], SURVEY[:start] + SURVEY[end:]))
    assert said[0] == "survey.yaml:10: items.A1.column: needs `respondents`, the file with the column"


ROW = b"1,792,1,1,30,1,1,1\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "people.csv: : is empty"),
        (b"\n", "people.csv: : is empty"),
        (HEAD.encode() + b"\n", "survey.yaml:11: respondents.country: no respondent"),
        (HEAD.encode() + b"\n" + ROW + b"1,792,1\n", "people.csv:3: : has 3 cells, and the head line has 8"),
        (HEAD.encode() + b"\n" + ROW + ROW.replace(b",30,", b",3,0,"), "people.csv:3: : has 9 cells"),
        (HEAD.encode() + b"\n" + ROW.replace(b"30", b"3\0"), "people.csv:2: : holds the character NUL"),
        (HEAD.encode() + b"\n" + ROW + ROW.replace(b"30", b"\xff"), "people.csv:3: : is not UTF-8 (byte 10"),
        ((HEAD + "\n").encode("utf-16"), "people.csv: : is UTF-16; save it as UTF-8"),
        (HEAD.replace("q2", "q1").encode() + b"\n" + ROW, "survey.yaml:21: items.A2.column: no column 'q2'"),
        ((HEAD + ",q1").encode() + b"\n" + ROW[:-1] + b",1\n", "people.csv:1: q1: two columns have this name"),
        (HEAD.encode() + b"\n" + ROW.replace(b"792,1", b"792,much"), "people.csv:2: w: 'much' is no weight"),
        (HEAD.encode() + b"\n" + ROW.replace(b"792,1", b"792,-3"), "people.csv:2: w: '-3' is no weight"),
        (HEAD.encode() + b"\n" + ROW.replace(b"792,1", b"792,inf"), "people.csv:2: w: 'inf' is no weight"),
        (HEAD.encode() + b"\n" + ROW.replace(b"1,792", b'"1,792'), "people.csv:3: : is no CSV here"),
        (HEAD.encode() + b"\n" + b'"' + b"a" * 200_000 + b'"' + ROW, "people.csv:2: : is no CSV here"),
        (HEAD.encode() + b"\n" + b"a" * 1_100_000, "people.csv:2: : a line of more than 1,000,000 bytes"),
        (gzip.compress(HEAD.encode() + b"\n" + ROW * 9)[:-12], "people.csv:"),
        (b"\x1f\x8b" + b"x" * 40, "people.csv:1: : cannot be read"),
    ],
    ids=range(18),  # gzip's bytes hold the time, and some are megabytes
)
def test_a_broken_file_is_named_with_its_line_and_column(content: bytes, said: str, tmp_path: Path) -> None:
    path = written(tmp_path, [])
    (tmp_path / "people.csv").write_bytes(content)
    assert problems_of(path)[0].startswith(said), problems_of(path)


def test_wrong_cells_are_told_once_each_and_not_without_end(tmp_path: Path) -> None:
    rows = [[str(i), "792", "x" * (1 + i), "1", "30", "1", "1", "1"] for i in range(100)]
    assert len(problems_of(written(tmp_path, rows))) == 20


def test_more_shares_than_memory_holds_are_refused(tmp_path: Path) -> None:
    values = ", ".join(f"{i}: g{i}" for i in range(1000))
    options = "".join(f'    - {{code: {i}, label: "{i}", side: 0}}\n' for i in range(10, 2000))
    text = SURVEY.replace("{1: basic, 2: basic, 3: higher}", f"{{{values}}}").replace(
        "respondents:\n", f"{options}respondents:\n"
    )
    names = [a + b + c for a in "ABCD" for b in "ABCDE" for c in "ABCDE"]
    rows = [["1", name, "1", "1", "30", "1", "1", "1"] for name in names]
    path = written(tmp_path, rows, text.replace(", values: {792: TUR, 276: DEU}", ""))
    assert "100 countries, 1,000 groups and 1,993 answers are too many together" in problems_of(path)[0]


def test_spoilt_files_give_nothing_but_named_problems(tmp_path: Path) -> None:
    chance = random.Random(5)
    path = written(tmp_path, people(60))
    content = (tmp_path / "people.csv").read_bytes()
    fine = 0
    for _ in range(150):
        spoilt = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(spoilt))
            spoilt[at : at + chance.randint(0, 4)] = bytes(chance.choice(b'",\n\r\0;9\xff ') for _ in range(2))
        (tmp_path / "people.csv").write_bytes(bytes(spoilt))
        with suppress(CatalogError):
            load_survey(path)
            fine += 1
    assert 0 < fine < 150


# --- profiles ------------------------------------------------------------------------------------

SCENARIO = """\
name: mine
title: Mine
setting: in-cultural
cultures: [turkish]
surveys: [survey.yaml]
stances: joint
seeds:
  - survey: made/A1
  - survey: made/A2
"""


def scenario(folder: Path, text: str = SCENARIO) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_an_edition_holds_a_bounded_sample_of_the_countries_of_its_people(tmp_path: Path) -> None:
    written(tmp_path, people(3000))
    edition = scenarios.load_edition(scenario(tmp_path))
    (turkish,) = edition.respondents
    assert (turkish.survey, turkish.country, turkish.items) == ("made", "TUR", ("made/A1", "made/A2"))
    assert len(turkish.answers) == len(turkish.groups) == DRAWN
    assert all(one == other for one, other in turkish.answers)
    older = sum(groups[turkish.groupings.index("age")] == "50-110" for groups in turkish.groups) / DRAWN
    rows = [row for row in people(3000) if row[1] == "792"]
    weighted = sum(2 * (int(row[4]) >= 50) for row in rows) / sum(int(row[2]) for row in rows)
    assert abs(older - weighted) < 0.03
    assert scenarios.load_edition(tmp_path / "mine.yaml") == edition
    assert type(edition).model_validate_json(edition.model_dump_json()) == edition


def test_without_joint_no_respondent_is_kept(tmp_path: Path) -> None:
    written(tmp_path, people())
    edition = scenarios.load_edition(scenario(tmp_path, SCENARIO.replace("stances: joint\n", "")))
    dumped = edition.model_dump(mode="json")
    assert "respondents" not in dumped
    assert "stances" not in dumped["scenario"]
    assert set(dumped["scenario"]["seeds"][0]["item"]["by"]) == {"TUR"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("made/A2", "wvs7/Q33"), "mine.yaml:9: seeds[2].survey: wvs7/Q33 has no `column`"),
        (lambda text: text[: text.index("  -")] + '  - {key: tea, question: "Tea?"}\n', "mine.yaml:6: stances: "),
        (lambda text: text.replace("joint", "conjoint"), "mine.yaml:6: stances: must be one of 'shares', 'joint'"),
    ],
)
def test_joint_answers_need_respondents(change: Callable[[str], str], said: str, tmp_path: Path) -> None:
    written(tmp_path, people())
    assert problems_of(scenario(tmp_path, change(SCENARIO)))[0].startswith(said)


def test_the_examples_of_the_documentation_are_fine(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "survey.md").read_text("utf-8")
    (rows,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    (tmp_path / "respondents.csv").write_text(rows)
    for name in ("tea", "respondents"):
        (text,) = re.findall(rf"```yaml\n(survey: {name}\n.*?)```", page, re.DOTALL)
        (tmp_path / "survey.yaml").write_text(text)
        assert scenarios.check(tmp_path / "survey.yaml").startswith("survey")
    assert load_survey(tmp_path / "survey.yaml").figures["sugar"].n == {"TUR": 3, "DEU": 1}
