"""Imports: rows of somebody else's shape become items, and what a row does not say is counted with its place.

All rows are invented; those of real data sets are not in the repository.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from culturepark.catalog.imports import CARD_OPTIONS, ImportResult, find_map, import_suite, map_of, named_maps
from culturepark.catalog.item_files import rows_of
from culturepark.catalog.maps import KEYS, Map, parse
from culturepark.catalog.suites import Item, load_suite
from culturepark.errors import CatalogError, UsageError

CARD = dict.fromkeys(CARD_OPTIONS, "somebody")


def jsonl(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def table(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def made(
    tmp_path: Path, rows: list[dict[str, Any]], *maps: str, where: tuple[str, ...] = (), **more: Any
) -> tuple[ImportResult, list[Item]]:
    """Import rows by the map of a command line."""
    how, over = map_of(maps, where)
    own = {} if isinstance(how, Map) is False else {"title": "T", "scorers": ["choice"], "card": CARD}
    path = jsonl(tmp_path / "rows.jsonl", rows)
    result = import_suite(path, how, over=over, out=tmp_path / "out", **(own | more))
    return result, list(load_suite(result.path).items)


def only(tmp_path: Path, row: dict[str, Any], *maps: str, **more: Any) -> Item:
    result, items = made(tmp_path, [row], *maps, **more)
    assert not result.left_out
    (item,) = items
    return item


def reason(tmp_path: Path, row: dict[str, Any], *maps: str) -> str:
    """Why a row is left out, beside one that is not."""
    with pytest.raises(UsageError, match="no row can be used") as error:
        made(tmp_path, [row], *maps)
    assert "rows.jsonl:1" in str(error.value)
    return str(error.value)


# --- the map language ------------------------------------------------------------------------------


def test_a_comma_divides_only_where_a_key_follows() -> None:
    how = parse(["question=Well, is this rude? {text},options:no|yes, so to say,language:en"])
    assert how.map == {"question": "Well, is this rude? {text}"}
    assert how.constants == {"options": ["no", "yes, so to say"], "language": "en"}


def test_what_is_the_same_for_all_rows_is_a_constant_whichever_its_sign() -> None:
    assert parse(["question=q,filler=entity"]) == parse(["question=q,filler:entity"])
    assert Map.model_validate({"map": {"question": "q", "filler": "entity"}}) == parse(["question=q,filler=entity"])


def test_a_later_map_takes_the_place_of_a_column_by_a_constant() -> None:
    both = parse(["question=q,language=lang"]) | parse(["language:tr"])
    assert (both.map, both.constants) == ({"question": "q"}, {"language": "tr"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("question", "neither key=column"),
        ("colour=red", "colour is no key; there are key, question"),
        ("question=q,answer_is:guess", "answer_is must be one of letter, text"),
        ("question=q,voters:many", "voters must be a whole number"),
        ("question=", "write key=column"),
    ],
)
def test_a_map_that_cannot_be_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        map_of([text])


def test_every_key_of_a_map_is_explained() -> None:
    assert all(len(meaning) > 10 for meaning in KEYS.values())


# --- options and answers ---------------------------------------------------------------------------

FOOD = {"Q": "What is eaten first?", "A": "soup", "B": "cake", "C": "", "D": "tea"}
LETTERS = "question=Q,options=A|B|C|D,answer=Key"


@pytest.mark.parametrize(
    ("answer", "maps", "code"),
    [
        ("A", [LETTERS], 1),
        ("b.", [LETTERS], 2),
        ("D", [LETTERS], 4),  # the place of the column counts, though C is empty
        ("Tea", [LETTERS], 4),
        (0, [LETTERS, "answer_is:from0"], 1),
        ("2", [LETTERS, "answer_is:from0"], 4),
        (1, [LETTERS, "answer_is:from1"], 1),
    ],
)
def test_an_answer_is_a_letter_words_or_a_place(tmp_path: Path, answer: object, maps: list[str], code: int) -> None:
    item = only(tmp_path, FOOD | {"Key": answer}, *maps)
    assert item.answer == code
    assert [(option.code, option.label) for option in item.options] == [(1, "soup"), (2, "cake"), (4, "tea")]


@pytest.mark.parametrize(
    ("row", "maps", "why"),
    [
        (FOOD | {"Key": 1}, LETTERS, "the answer is a number: say answer_is:from0 or answer_is:from1"),
        ({"Q": "?", "o": ["3", "1", "7"], "Key": "3"}, "question=Q,options=o,answer=Key", "the number of another"),
        ({"Q": "?", "o": ["3", "1", "7"], "Key": 1}, "question=Q,options=o,answer=Key", "the number of another"),
        ({"Q": "?", "o": {"0": "1", "1": "0"}, "Key": 1}, "question=Q,options=o,answer=Key", "the number of another"),
        (FOOD | {"Key": "E"}, LETTERS, "the answer is none of the options"),
        (FOOD | {"Key": "C"}, LETTERS, "the answer is none of the options"),
        (FOOD | {"Key": ""}, LETTERS, "the answer is empty"),
        ({"Q": "?", "A": "B", "B": "A", "Key": "A"}, "question=Q,options=A|B,answer=Key", "the letter of one option"),
        ({"Q": "?", "A": "x", "B": "x", "Key": "x"}, "question=Q,options=A|B,answer=Key", "those of two options"),
        ({"Q": "?", "A": "x", "B": "", "Key": "x"}, "question=Q,options=A|B,answer=Key", "fewer than two options"),
        ({"Q": "", "A": "x", "B": "y", "Key": "x"}, "question=Q,options=A|B,answer=Key", "the question is empty"),
        ({"Q": "?", "o": "x", "Key": "x"}, "question=Q,options=o,answer=Key", "the options are no list"),
        (
            {"Q": "?", "o": list("abcdefghijklmnopqrstuvwxyzä"), "Key": "a"},
            "question=Q,options=o,answer=Key",
            "more than 24 options",
        ),
    ],
)
def test_a_row_that_does_not_say_which_option_is_left_out_with_its_reason(
    tmp_path: Path, row: dict[str, Any], maps: str, why: str
) -> None:
    assert why in reason(tmp_path, row, maps)


@pytest.mark.parametrize(
    ("options", "answer", "answer_is", "code"),
    [
        (["3", "1", "7"], "3", "text", 1),
        (["3", "1", "7"], "3", "from1", 3),
        (["3", "1", "7"], "1", "from0", 2),
        (["3", "1", "7"], "7", None, 3),  # there is no seventh
        (["1", "2", "3"], 2, None, 2),
        (["0", "1", "2"], "2", None, 3),
        (["1945", "1950"], 1950, None, 2),
    ],
)
def test_an_answer_that_is_a_number_among_numbers_is_taken_where_it_can_mean_one_option(
    tmp_path: Path, options: list[str], answer: object, answer_is: str | None, code: int
) -> None:
    maps = ["question=Q,options=o,answer=Key", *([f"answer_is:{answer_is}"] if answer_is else [])]
    assert only(tmp_path, {"Q": "?", "o": options, "Key": answer}, *maps).answer == code


@pytest.mark.parametrize("options", [["soup", "cake"], '["soup", "cake"]', "['soup', 'cake']", "('soup', 'cake')"])
def test_options_in_one_column_are_a_list_or_the_text_of_one(tmp_path: Path, options: object) -> None:
    item = only(tmp_path, {"q": "First?", "o": options, "a": "cake"}, "question=q,options=o,answer=a")
    assert (item.codes, item.answer) == ((1, 2), 2)


def test_options_may_have_codes_and_the_answer_be_one(tmp_path: Path) -> None:
    item = only(tmp_path, {"q": "First?", "o": {"0": "soup", "7": "cake"}, "a": 7}, "question=q,options=o,answer=a")
    assert (item.codes, item.answer) == ((0, 7), 7)


def test_options_of_the_map_hold_for_all_rows(tmp_path: Path) -> None:
    rows = [{"t": "You fool", "l": "1"}, {"t": "Good day", "l": 0}]
    _, items = made(tmp_path, rows, "question=Rude? {t},options:0=no|1=yes,answer=l")
    assert [(item.question, item.answer) for item in items] == [("Rude? You fool", 1), ("Rude? Good day", 0)]


def test_a_scale_without_words_takes_those_that_the_question_names(tmp_path: Path) -> None:
    question = "How good is it, with '1' being 'Very good' and '4' being 'Bad'?"
    row = {"q": question, "low": 1, "high": 4, "s": {"TUR": {"1": 0.25, "4": 0.75}}}
    ends = "ends:'{code}' being '{label}'"
    item = only(tmp_path, row, "question=q,min=low,max=high,shares=s,scale:ordinal", ends)
    assert [option.label for option in item.options] == ["Very good", "2", "3", "Bad"]
    assert item.is_ordinal


# --- shares, ratings, votes ------------------------------------------------------------------------

SHARES = "question=q,options:no|yes,shares=s"


@pytest.mark.parametrize(
    "shares",
    [
        {"Turkey": [0.25, 0.75]}, {"TUR": {"1": 25, "2": 75}}, {"TR": {"no": 0.25, "yes": 0.75}},
        "defaultdict(<class 'list'>, {'Turkey': [0.25, 0.75]})",
    ],
)  # fmt: skip
def test_shares_are_fractions_or_percents_of_lists_codes_or_words(tmp_path: Path, shares: object) -> None:
    assert only(tmp_path, {"q": "?", "s": shares}, SHARES).shares == {"TUR": {1: 0.25, 2: 0.75}}


def test_counts_say_how_many_were_asked(tmp_path: Path) -> None:
    item = only(tmp_path, {"q": "?", "s": {"Mars": [1, 3]}}, SHARES, "shares_are:count")
    assert (item.shares, item.n) == ({"Mars": {1: 0.25, 2: 0.75}}, {"Mars": 4})


def test_declared_missing_codes_are_taken_out_of_shares(tmp_path: Path) -> None:
    row = {"q": "?", "s": {"DEU": {"1": 20, "2": 60, "-1": 20}}, "n": {"DEU": 500}}
    item = only(tmp_path, row, SHARES, "missing:-1,n=n")
    assert (item.shares, item.n) == ({"DEU": {1: 0.25, 2: 0.75}}, {"DEU": 500})


def test_shares_of_one_group_are_those_of_the_row(tmp_path: Path) -> None:
    item = only(tmp_path, {"q": "?", "s": [50, 50], "land": "Republic of Korea"}, SHARES, "group=land")
    assert item.shares == {"KOR": {1: 0.5, 2: 0.5}}


@pytest.mark.parametrize(
    ("shares", "why"),
    [
        ({"TUR": [0.25, 0.5]}, "sum neither to 1 nor to 100"),
        ({"TUR": [0.25, 0.5, 0.25]}, "not as many shares as options"),
        ({"TUR": {"1": 0.5, "9": 0.5}}, "of an option that the row does not have"),
        ({"TUR": [-0.5, 1.5]}, "a share is no number from 0"),
        ({}, "there are no shares"),
        ([0.5, 0.5], "the shares are of nobody"),
    ],
)
def test_shares_that_do_not_add_up_are_left_out(tmp_path: Path, shares: object, why: str) -> None:
    assert why in reason(tmp_path, {"q": "?", "s": shares}, SHARES)


def test_single_ratings_become_shares_without_those_who_did_not_understand(tmp_path: Path) -> None:
    ratings = [["a", "Australia", 0], ["b", "Australia", 1], ["c", "Australia", 2], ["d", "United Kingdom", 1]]
    maps = "question=q,options:0=no|1=yes,ratings=r,rating_group:1,rating_value:2,missing:2"
    item = only(tmp_path, {"q": "?", "r": ratings}, maps)
    assert item.shares == {"AUS": {0: 0.5, 1: 0.5}, "GBR": {1: 1.0}}
    assert item.n == {"AUS": 2, "GBR": 1}


def test_votes_of_several_columns_become_an_item_each(tmp_path: Path) -> None:
    row = {"id": "p 1", "t": "You fool", "insult": "2.0", "threat": "0.0"}
    maps = "key=id,question=Is this {_each.key}? {t},each=an insult:insult|a threat:threat,votes=_each.value,voters:3"
    _, items = made(tmp_path, [row], maps)
    assert [(item.key, item.question) for item in items] == [
        ("p-1.an-insult", "Is this an insult? You fool"),
        ("p-1.a-threat", "Is this a threat? You fool"),
    ]
    assert items[0].shares == {"raters": {0: pytest.approx(1 / 3, abs=1e-6), 1: pytest.approx(2 / 3, abs=1e-6)}}
    assert items[1].shares == {"raters": {0: 1.0}}


def test_answers_by_group_may_stand_in_several_columns(tmp_path: Path) -> None:
    row = {"q": "?", "us": 1.0, "au": "0", "gb": None}
    item = only(tmp_path, row, "question=q,options:0=no|1=yes,answers=USA:us|Australia:au|GBR:gb")
    assert item.answers == {"USA": 1, "AUS": 0}


# --- free text -------------------------------------------------------------------------------------


def said(*answers: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"texts": [text], "n": count} for text, count in answers]


FREE = "key=id,question=q,group=land,free=said,free_text:texts,free_count:n"


def test_the_commonest_answer_of_people_is_the_reference(tmp_path: Path) -> None:
    row = {"id": "x", "q": "What is drunk?", "land": "TUR", "said": said(("water", 1), ("tea", 4))}
    assert only(tmp_path, row, FREE).reference == "tea"


def test_answers_of_other_groups_become_options_unless_somebody_of_the_own_group_gave_them(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "q": "What is drunk?", "k": 1, "land": "TUR", "said": said(("tea", 4), ("Beer", 1))},
        {"id": "b", "q": "What is drunk?", "k": 1, "land": "DEU", "said": said(("beer", 3))},
        {"id": "c", "q": "What is drunk?", "k": 1, "land": "BRA", "said": said(("coffee", 3))},
        {"id": "d", "q": "What is worn?", "k": 2, "land": "BRA", "said": said(("a hat", 3))},
    ]
    result, items = made(tmp_path, rows, FREE, "options_from=k")
    chosen = {item.key: ({option.label for option in item.options}, item.answer) for item in items}
    assert chosen["a"][0] == {"tea", "coffee"}
    assert chosen["b"][0] == {"tea", "beer", "coffee"}
    for item in items:
        right = {"a": "tea", "b": "beer", "c": "coffee"}[item.key]
        assert next(option.label for option in item.options if option.code == item.answer) == right
    assert result.left_out == {"no other group has another commonest answer": 1}


# --- gaps and their fillers ------------------------------------------------------------------------

GAPS = "key=id,question=q,type=kind,mask:[MASK],filler:name,filler_side:side,filler_type:of,near:here,far:there"
FILLERS = [
    {"name": f"{side} {kind} {number}", "side": side, "of": kind}
    for side in ("here", "there")
    for kind in ("Drink", "Food (Hot)")
    for number in range(5)
]


def test_gaps_are_filled_with_near_and_far_of_their_kind(tmp_path: Path) -> None:
    rows = [{"id": "g", "q": "I have [MASK].", "kind": "Food-Hot"}, {"id": "h", "q": "I like it.", "kind": "Drink"}]
    fillers = jsonl(tmp_path / "fillers.jsonl", FILLERS)
    result, items = made(tmp_path, rows, GAPS, "pairs:2", with_file=fillers)
    assert [item.key for item in items] == ["g.1", "g.2"]
    for item in items:
        near, far = (option.label for option in item.options)
        assert near.startswith("here Food")
        assert far.startswith("there Food")
        assert item.answer == 1
    assert result.left_out == {"the question does not have one [MASK]": 1}


def test_fillers_are_drawn_by_the_seed_whatever_other_rows_there_are(tmp_path: Path) -> None:
    fillers = jsonl(tmp_path / "fillers.jsonl", FILLERS)
    row = {"id": "g", "q": "I have [MASK].", "kind": "Drink"}
    drawn = []
    for name, rows, seed in (("a", [row], 1), ("b", [row | {"id": "f"}, row], 1), ("c", [row], 2)):
        _, items = made(tmp_path, rows, GAPS, with_file=fillers, seed=seed, name=name)
        drawn.append([[option.label for option in item.options] for item in items if item.key.startswith("g.")])
    assert drawn[0] == drawn[1] != drawn[2]


def test_sentences_of_one_file_are_paired_with_their_contrasts(tmp_path: Path) -> None:
    rows = [
        {"id": "1", "set": "first", "s": "Tall people dance."},
        {"id": "1", "set": "x", "s": "Short people dance."},
        {"id": "2", "set": "first", "s": "Cats sing."},
    ]
    maps = "key=id,pair_by=id,filler:s,filler_side:set,near:first,far:x|y,mask:[MASK]"
    result, (item,) = made(tmp_path, rows, maps)
    assert [option.label for option in item.options] == ["Tall people dance.", "Short people dance."]
    assert item.question == "[MASK]"
    assert sum(result.left_out.values()) == 1


def test_a_second_file_that_is_needed_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--with FILE"):
        made(tmp_path, [{"id": "g", "q": "I have [MASK].", "kind": "Drink"}], GAPS)
    with pytest.raises(UsageError, match="--with FILE goes with a map"):
        made(tmp_path, [{"q": "?", "s": {}}], SHARES, with_file=tmp_path / "rows.jsonl")


def test_rows_of_a_second_file_are_joined(tmp_path: Path) -> None:
    people = jsonl(tmp_path / "people.jsonl", [{"who": "u1", "home": {"land": "Türkiye"}}])
    rows = [{"who": "u1", "q": "How are you?", "r": "Fine."}, {"who": "u2", "q": "And you?", "r": "Well."}]
    result, (item,) = made(tmp_path, rows, "question=q,reference=r,join=who,group=_with.home.land", with_file=people)
    assert item.group == "TUR"
    assert result.left_out == {"the second file has no row of it": 1}


# --- files, cards, limits --------------------------------------------------------------------------

ROWS: list[dict[str, Any]] = [{"q": f"Question {number}?", "a": "x", "part": "ab"[number % 2]} for number in range(20)]
PLAIN = "question=q,options:x|y,answer=a"


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "array", "object", "parquet"])
def test_files_of_every_form_are_read_alike(tmp_path: Path, form: str) -> None:
    match form:
        case "csv" | "tsv":
            path = table(tmp_path / f"rows.{form}", ROWS, "," if form == "csv" else "\t")
        case "jsonl":
            path = jsonl(tmp_path / "rows.jsonl", ROWS)
        case "parquet":
            pyarrow = pytest.importorskip("pyarrow")
            path = tmp_path / "rows.parquet"
            pytest.importorskip("pyarrow.parquet").write_table(pyarrow.Table.from_pylist(ROWS), path)
        case _:
            path = tmp_path / "rows.json"
            whole = ROWS if form == "array" else {f"k{number}": row for number, row in enumerate(ROWS)}
            path.write_text(json.dumps(whole, indent=2), "utf-8")
    how = parse([PLAIN])
    result = import_suite(path, how, out=tmp_path, name="made", title="T", scorers=["choice"], card=CARD)
    assert (result.rows, result.items) == (20, 20)
    assert [item.question for item in load_suite(result.path).items] == [row["q"] for row in ROWS]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ('q\ta\n"Oh" she said\tx\n', '"Oh" she said'),  # a mark is a mark where every line is a row
        ('q\ta\n"Oh ""dear"""\tx\n', 'Oh "dear"'),
        ('q\ta\n"Oh\ndear"\tx\n', "Oh\ndear"),
        ('a\tq\nx\tOh"\n', 'Oh"'),
    ],
)
def test_quotation_marks_between_tabs_are_read_as_they_are_meant(tmp_path: Path, text: str, question: str) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(text, "utf-8")
    result = import_suite(path, parse([PLAIN]), out=tmp_path / "out", title="T", scorers=["choice"], card=CARD)
    assert [item.question for item in load_suite(result.path).items] == [question]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_csv_file_of_a_spreadsheet_may_have_semicolons_or_tabs(tmp_path: Path, delimiter: str) -> None:
    rows = [FOOD | {"Key": "A", "Q": "First, or last?"}, FOOD | {"Key": "B"}]
    path = table(tmp_path / "rows.csv", rows, delimiter)
    how, over = map_of([LETTERS])
    result = import_suite(path, how, over=over, out=tmp_path / "out", title="T", scorers=["choice"], card=CARD)
    assert [item.question for item in load_suite(result.path).items] == ["First, or last?", FOOD["Q"]]


def test_semicolons_in_the_name_of_a_column_divide_nothing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("Q,Key (a; b; c)\nFirst?,soup\n", "utf-8")
    assert [row for _, row in rows_of(path)] == [{"Q": "First?", "Key (a; b; c)": "soup"}]
    path.write_text('Q;Key\n"First,\nor last?";soup\n', "utf-8")
    assert [row for _, row in rows_of(path)] == [{"Q": "First,\nor last?", "Key": "soup"}]


def test_a_table_without_a_head_line_gets_the_names_of_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("One?,x\nTwo?,y\n", "utf-8")
    how = parse([PLAIN, "head:q|a"])
    result = import_suite(path, how, out=tmp_path / "out", title="T", scorers=["choice"], card=CARD)
    assert [item.answer for item in load_suite(result.path).items] == [1, 2]


def test_places_are_lines_also_where_rows_have_several(tmp_path: Path) -> None:
    texts = {
        "rows.csv": 'q,a\n"one\ntwo",x\nthree,z\n',
        "rows.json": '[\n  {"q": "one",\n   "a": "x"},\n  {"q": "three", "a": "z"}\n]\n',
    }
    for name, text in texts.items():
        path = tmp_path / name
        path.write_text(text, "utf-8")
        result = import_suite(
            path, parse([PLAIN]), out=tmp_path / name[5:], name="made", title="T", scorers=["choice"], card=CARD
        )
        (places,) = result.examples.values()
        assert [place.rpartition(":")[2] for place in places] == ["4"]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("rows.csv", "", "is empty; a head line is wanted"),
        ("rows.csv", "q,a\n", "holds no rows"),
        ("rows.jsonl", '{"q": 1, "a": "x"}\nnonsense\n', "rows.jsonl:2: is no JSON"),
        ("rows.json", '[{"q": "?", "a": "x"}, 3]', "rows.json:1: must be an object"),
        ("rows.parquet", "PAR", "is no Parquet"),
        ("gone.csv", None, "no such file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(
    tmp_path: Path, name: str, text: str | None, told: str
) -> None:
    if text is not None:
        (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(CatalogError, match=told):
        import_suite(tmp_path / name, parse([PLAIN]), out=tmp_path / "out", title="T", scorers=["choice"], card=CARD)
    assert not list(tmp_path.glob("out/*"))


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.csv", ROWS)
    with pytest.raises(UsageError, match="has no column 'Q'; it has a, part, q"):
        import_suite(path, parse(["question=Q"]), out=tmp_path, title="T", scorers=["judged"], card=CARD)


def test_only_rows_that_are_wanted_are_taken_and_counted(tmp_path: Path) -> None:
    result, items = made(tmp_path, ROWS, PLAIN, where=("part=a",))
    assert (len(items), result.filtered) == (10, 10)
    _, others = made(tmp_path, ROWS, PLAIN, where=("part!=a|c",), name="others")
    assert {item.question for item in items} | {item.question for item in others} == {row["q"] for row in ROWS}


def test_a_limit_draws_evenly_and_keeps_the_order(tmp_path: Path) -> None:
    drawn = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        result, items = made(tmp_path, ROWS, PLAIN, limit=5, seed=seed, name=name)
        assert (result.items, result.beyond_limit) == (5, 15)
        numbers = [int(item.key) for item in items]
        assert numbers == sorted(numbers)
        drawn.append(numbers)
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] != [1, 2, 3, 4, 5]


def test_a_suite_is_put_in_the_languages_of_its_items_as_far_as_there_are_prompts(tmp_path: Path) -> None:
    rows = [row | {"l": code} for row, code in zip(ROWS, ("tr", "de", "nl", "nl"), strict=False)]
    result, _ = made(tmp_path, rows, PLAIN, "language=l")
    assert load_suite(result.path).conditions.languages == ("de", "tr")
    assert result.notes == {"items in nl are asked by nobody: there are no prompts in it": 2}
    result, _ = made(tmp_path, ROWS, PLAIN, name="english")
    assert "conditions" not in result.path.read_text("utf-8")


def test_a_second_row_of_the_same_key_is_left_out(tmp_path: Path) -> None:
    result, items = made(tmp_path, [row | {"id": "same"} for row in ROWS[:3]], PLAIN, "key=id")
    assert (len(items), result.left_out) == (1, {"its key is that of an item before it": 2})


def test_a_card_that_lacks_something_is_refused_with_the_option_that_gives_it(tmp_path: Path) -> None:
    for field, option in CARD_OPTIONS.items():
        card = {name: text for name, text in CARD.items() if name != field}
        with pytest.raises(UsageError, match=rf"full card, and the map does not give it: {option}\."):
            made(tmp_path, ROWS, PLAIN, card=card)
    with pytest.raises(UsageError, match=r"--title, --scorer"):
        made(tmp_path, ROWS, PLAIN, title=None, scorers=[])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    result, _ = made(tmp_path, ROWS, PLAIN)
    before = result.path.read_text("utf-8")
    with pytest.raises(UsageError, match="is there already"):
        made(tmp_path, ROWS[:2], PLAIN)
    assert result.path.read_text("utf-8") == before


HOSTILE: list[Any] = [
    "\ud800", "\0", "x" * 30_000, "[" * 5000, "['\\d']", "{" * 50, float("nan"), float("inf"), 10**400, -(10**400),
    True, [], {}, [[]], [None], {"": None}, {"a": {"b": []}}, [1, [2, {"c": 3}]], "defaultdict(", "1e999", "²",
    "{text}", "\u202e",
]  # fmt: skip


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize(
    "maps",
    [
        "key=v,question=v,options=v,answer=v,language=v,group=v,topic=v,scale=v,split=v,signals=v,n=v",
        "question=q,options=v,shares=v,n=v,group=v",
        "question=q {v},options:no|yes,ratings=v,rating_group:0,rating_value:1",
        "question=q,min=v,max=v,answer=v",
        "question=q,options:no|yes,shares=v,group=q",
        "question=q,free=v,free_text:0,free_count:1",
        "question=q,free=v,options_from=v,group=v",
        "question=q,each=v,votes=_each.value,voters=v",
        "question=q,options:no|yes,answers=v",
        "question=v,reference=v,avoid=v",
    ],
)
def test_no_cell_breaks_an_import(tmp_path: Path, value: Any, maps: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(
        json.dumps({"q": "fine", "v": value}) + "\n" + json.dumps({"q": "fine", "v": "fine"}) + "\n", "utf-8"
    )
    try:
        result = import_suite(path, parse([maps]), out=tmp_path / "out", title="T", scorers=["choice"], card=CARD)
    except UsageError:
        assert not list(tmp_path.glob("out/*"))
    else:
        assert len(load_suite(result.path).items) == result.items
        json.dumps(result.as_json())


# --- shipped maps ----------------------------------------------------------------------------------

HOME = {"TUR": {"1": 0.5, "2": 0.5}}
RATED = [["r1", "Australia", 0], ["r2", "Singapore", 1], ["r3", "Singapore", 2]]
PEOPLE = [
    {"answers": ["çay"], "en_answers": ["tea"], "count": 3},
    {"answers": ["su"], "en_answers": ["water"], "count": 1},
]
VOTES = {"homophobia": 0, "obscene": 1, "insult": 2, "racism": 0, "misogyny": 0, "xenophobia": 3}
ABCD = {"a": "tea", "b": "ale", "c": "milk", "d": "rum"}
Rows = list[dict[str, Any]]
SHIPPED: list[tuple[str, str, str, Rows, Rows, Mapping[str, Any]]] = [
    ("mena-values", "JSON lines with shares by country", "rows.jsonl",
     [{"id": "S/1", "question": "Good, with '1' being 'yes' and '2' being 'no'?", "min": 1, "max": 2,
      "scale": "ordinal",
       "options": None, "category": "c", "shares": HOME}], [],
      {"shares": {"TUR": {1: 0.5, 2: 0.5}}, "scale": "ordinal"}),
    ("fork", "fork.csv or fork.jsonl", "rows.csv",
     [{"ID": "f1", "Question": "First?", "Option A": "soup", "Option B": "cake", "Answer Key": "B", "Country": "USA",
       "Dimension": "d"}], [], {"answer": 2, "group": "USA"}),
    ("fork", "JSON lines with `options`", "rows.jsonl",
     [{"id": "f1", "question": "First?", "options": ["soup", "cake"], "answer": "A", "country": "UAE",
      "dimension": "d"}],
     [], {"answer": 1, "group": "ARE"}),
    ("care", "LANGUAGE-test.json", "Arabic-test.json",
     [{"question": "Who?", "answer": "Me.", "associated_culture": "Native (Arab)", "culture_type": "norms"}], [],
     {"reference": "Me.", "language": "ar", "group": "arabic", "key": "Arabic-test-1"}),
    ("care", "JSON lines with `reference`", "rows.jsonl",
     [{"id": "c", "question": "Who?", "reference": "Me.", "language": "zh", "culture": "Native (Chinese)",
      "dimension": "n"}],
     [], {"language": "zh", "group": "chinese"}),
    ("camel", "prompts as rows", "rows.jsonl",
     [{"id": "p", "kind": "agnostic", "entity_type": "Names-Male", "prompt": "Here is [MASK]"}],
     [{"entity_type": "Names (Male)", "culture": "Arab", "entity": "Ali"},
      {"entity_type": "Names (Male)", "culture": "Western", "entity": "Bob"}],
      {"key": "p.1", "language": "ar", "answer": 1}),
    ("blend", "COUNTRY_data.json", "South_Korea_data.json",
      [{"Al-1": {"question": "Drink?", "annotations": PEOPLE}}], [],
     {"reference": "çay", "group": "KOR", "language": "ko", "key": "South_Korea_data-Al-1"}),
    ("blend", "JSON lines with `country`", "rows.jsonl",
     [{"id": "x", "country": "MEX", "topic": "t", "question": "Drink?", "answers": PEOPLE}], [],
     {"reference": "çay", "group": "MEX", "language": "es"}),
    ("blend-choice", "JSON lines with `country`", "rows.jsonl",
     [{"id": c, "question_id": "1", "country": c, "topic": "t", "en_question": "Drink?", "answers": a}
      for c, a in (("TUR", PEOPLE), ("USA", [{"en_answers": ["cola"], "count": 2}]))], [], {"language": "en"}),
    ("hatecheck", "test_suite_cases.csv", "rows.csv",
     [{"case_id": "1", "test_case": "Good day", "label_gold": "non-hateful", "functionality": "f"}], [],
     {"answer": 0, "language": "en"}),
    ("hatecheck", "hatecheck_cases_final_LANGUAGE.csv", "hatecheck_cases_final_dutch.csv",
     [{"mhc_case_id": "m-1", "test_case": "Good day", "label_gold": "hateful", "functionality": "f"}], [],
      {"answer": 1}),
    ("hatecheck", "JSON lines with `text` and `label`", "rows.jsonl",
     [{"id": "1", "text": "Good day", "label": "hateful", "functionality": "f", "language": "de"}], [],
     {"answer": 1, "language": "de"}),
    ("germeval", "JSON lines with `id`", "rows.jsonl",
      [{"id": "1", "text": "Hallo", "label": "OTHER", "fine": "OTHER"}], [],
     {"answer": 0, "group": "DEU"}),
    ("germeval", "germeval2018.test.txt", "test.txt", [{"text": '"Ha" sagt', "label": "OFFENSE", "fine": "X"}],
     [],
     {"answer": 1, "language": "de"}),
    ("crehate", "CREHate_final_annotations.csv", "rows.csv", [{"ID": "1", "Text": "Hello"}],
     [{"ID": "1", "nationality": r[1], "annotation": r[2]} for r in RATED],
      {"shares": {"AUS": {0: 1.0}, "SGP": {1: 1.0}}}),
    ("crehate", "JSON lines with `ratings`", "rows.jsonl", [{"id": "1", "text": "Hello", "ratings": RATED}], [],
     {"shares": {"AUS": {0: 1.0}, "SGP": {1: 1.0}}, "n": {"AUS": 1, "SGP": 1}}),
    ("korean-hate", "dev.tsv", "rows.tsv", [{"comments": "안녕", "hate": "offensive", "bias": "none"}], [],
     {"answer": 1, "language": "ko"}),
    ("korean-hate", "JSON lines with `text`", "rows.jsonl",
      [{"id": "1", "text": "안녕", "label": "none", "bias": "none"}], [],
     {"answer": 0, "group": "KOR"}),
    ("toldbr", "ToLD-BR.csv", "rows.csv", [{"text": "olá"} | {name: float(n) for name, n in VOTES.items()}], [],
     {"shares": {"BRA": {0: 1.0}}, "topic": "homophobic"}),
    ("toldbr", "JSON lines with `votes`", "rows.jsonl", [{"id": "b", "text": "olá", "votes": VOTES}], [],
     {"key": "b.homophobic", "n": {"BRA": 3}}),
    ("culturalbench", "CulturalBench-Easy.csv", "rows.csv",
     [{"question_idx": "7", "prompt_question": "Drink?", "answer": "D", "country": "South Korea"}
      | {f"prompt_option_{letter}": text for letter, text in ABCD.items()}], [],
      {"answer": 4, "group": "KOR", "key": "7"}),
    ("include", "the files with option_a to option_d", "rows.csv",
     [{"question": "Drink?", "answer": "0", "language": "Turkish", "country": "Turkey", "domain": "d"}
      | {f"option_{letter}": text for letter, text in ABCD.items()}], [],
      {"answer": 1, "language": "tr", "group": "TUR"}),
    ("include", "the files with `choices`", "rows.jsonl",
     [{"question": "Drink?", "answer": 3, "language": "Greek", "country": "Greece", "domain": "d",
       "choices": list(ABCD.values())}], [], {"answer": 4, "language": "el", "group": "GRC"}),
    ("globalopinionqa", "global_opinions.csv", "rows.csv",
     [{"question": "Good?",
       "selections": "defaultdict(<class 'list'>, {'Britain': [0.5, 0.5], 'Bolivia (old)': [1, 0]})",
       "options": "['yes', 'no']", "source": "GAS"}], [],
     {"shares": {"GBR": {1: 0.5, 2: 0.5}, "Bolivia (old)": {1: 1.0}}}),
    ("prism", "utterances.jsonl", "rows.jsonl",
     [{"utterance_id": "ut1", "user_id": "u", "user_prompt": "Hi", "model_response": "Hello",
      "conversation_type": "free",
       "turn": 0, "if_chosen": True}], [{"user_id": "u", "location": {"birth_country": "South Africa"}}],
     {"reference": "Hello", "group": "ZAF"}),
    ("shades", "the CSV with LANGUAGE_biased_sentences", "rows.csv",
     [{"index": "1.0", "subset": subset, "bias_type": "age", "en_biased_sentences": text}
      for subset, text in (("_original", "The old sing"), ("a", "The young sing"))], [],
      {"key": "1.0.1", "answer": 1}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "form", "file", "rows", "second", "expected"), SHIPPED, ids=[f"{case[0]}: {case[1]}" for case in SHIPPED]
)
def test_a_shipped_map_reads_each_form_of_its_data_set(
    tmp_path: Path, name: str, form: str, file: str, rows: Rows, second: Rows, expected: Mapping[str, Any]
) -> None:
    path = tmp_path / file
    if path.suffix in (".csv", ".tsv"):
        table(path, rows, "," if path.suffix == ".csv" else "\t")
    elif path.suffix == ".txt":
        path.write_text("".join("\t".join(row.values()) + "\n" for row in rows), "utf-8")
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows[0] if name == "blend" else rows), "utf-8")
    else:
        jsonl(path, rows)
    with_file = jsonl(tmp_path / "second.jsonl", second) if second else None
    how = find_map(name)
    result = import_suite(path, how, out=tmp_path / "out", with_file=with_file)
    assert result.form == form
    assert not result.left_out
    suite = load_suite(result.path)
    assert suite.name == name
    for key, value in expected.items():
        assert getattr(suite.items[0], key) == value


def test_every_form_of_every_shipped_map_is_tried() -> None:
    forms = {(name, form.of) for name, each in named_maps().items() for form in each.forms}
    # Its form for several files is read as that of `blend`, and needs two of them.
    assert forms - {case[:2] for case in SHIPPED} == {("blend-choice", "COUNTRY_data.json")}


def test_several_files_make_one_suite(tmp_path: Path) -> None:
    files = []
    for country, answer in (("US_data", "cola"), ("Spain_data", "wine")):
        files.append(tmp_path / f"{country}.json")
        row = {"en_question": "Drink?", "annotations": [{"en_answers": [answer], "count": 2}]}
        files[-1].write_text(json.dumps({"Al-1": row}, indent=1), "utf-8")
    result = import_suite(files, find_map("blend-choice"), out=tmp_path / "out")
    items = load_suite(result.path).items
    assert [(item.key, item.group) for item in items] == [("US_data-Al-1", "USA"), ("Spain_data-Al-1", "ESP")]
    assert {option.label for option in items[0].options} == {"cola", "wine"}


def test_a_file_of_another_shape_is_told_what_it_lacks(tmp_path: Path) -> None:
    path = table(tmp_path / "rows.csv", ROWS)
    with pytest.raises(UsageError, match=r"no file that the map fork knows: .* lacks Answer Key"):
        import_suite(path, find_map("fork"), out=tmp_path)


def test_a_name_that_is_nearly_a_map_is_hinted_at() -> None:
    with pytest.raises(UsageError, match="did you mean hatecheck"):
        map_of(["hatechek"])


def test_a_map_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "map: {question: q, answer: a}\nconstants: {options: {0: 'no', 1: 'yes'}}\nrecode: {answer: {x: 1}}\n"
    )
    _, items = made(tmp_path, ROWS[:1], str(path), card=CARD, title="T", scorers=["choice"])
    assert (items[0].answer, items[0].codes) == (1, (0, 1))
