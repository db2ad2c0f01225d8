"""Languages tried on the development rows in their folders, and runs that are refused for it.

The encoder and its heads are the real ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from culturepark import languages
from culturepark.cli.languages import COLUMNS
from culturepark.distill.language_rows import (
    FILE,
    Pair,
    Rows,
    Speech,
    Trial,
    Turn,
    refusal,
    refusal_of,
    rows_of,
    trial,
)
from culturepark.domain import Edition, JsonObject
from culturepark.errors import UsageError
from culturepark.languages import load_language
from culturepark.models import embedder
from culturepark.models.chat import Traits
from culturepark.models.scripted import answer
from tests.cli.test_cli import away as away  # a fixture
from tests.cli.test_cli import cli
from tests.distill.test_dedup_quality import session
from tests.support.fakes import FakeModel, begin
from tests.support.tongues import CEVDET, ELIF, SAID, laid_out, panel

ENGLISH = load_language("en")
HEARSAY, CUSTOM, VIEW = (
    "Last year my cousin Selin said that guests must wait.",
    "We always give a guest tea first, before anybody asks anything.",
    "I think a job belongs to whoever does it best.",
)
LETTER = f"{HEARSAY} {CUSTOM} {VIEW}"
TEA, JOB = {"cue": "give a guest tea first", "kind": "custom"}, {"cue": "a job belongs to whoever", "kind": "opinion"}
GOOD = {"turn": LETTER, "gold": [TEA, JOB], "not_own": ["my cousin Selin said"]}
BAD = {"turn": LETTER, "gold": [{"cue": "my cousin Selin said", "kind": "custom"}], "not_own": ["give a guest tea"]}
"""Rows that say the opposite of what is so: no encoder can follow them."""


@pytest.fixture(scope="module", autouse=True)
def encoder() -> None:
    """Read while the weights can be found: `away` has a cache of its own."""
    session()


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a language that says what English says, and is called Turkish."""
    folder = tmp_path / "languages"
    folder.mkdir()
    monkeypatch.setattr(embedder, "MultilingualE5", lambda _: session())
    monkeypatch.setattr(embedder, "open_embedder", lambda *_: session())
    for _ in laid_out(folder, monkeypatch, "tr"):
        yield folder / "tiny_tr"


def written(folder: Path, *rows: JsonObject | str) -> Path:
    path = folder / FILE
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines), "utf-8")
    return path


def tried(*turns: JsonObject, pairs: tuple[Pair, ...] = (), speeches: tuple[Speech, ...] = ()) -> Trial:
    rows = Rows([Turn.model_validate(turn) for turn in turns], pairs, speeches)
    return asyncio.run(trial(ENGLISH, rows, session().embed))


def figures(**known: Any) -> Trial:
    none: dict[str, Any] = dict.fromkeys(Trial.__dataclass_fields__)
    return Trial(**none | {"gold": 5, "not_own": 5, "pairs": 0, "speeches": 0} | known)


# --- what is counted -----------------------------------------------------------------------------------


def test_turns_are_mined_as_in_a_run_and_counted_by_their_cues() -> None:
    found = tried(GOOD)
    assert (found.found, found.wrong, found.kinds) == (1.0, 0.0, 1.0)
    assert (found.gold, found.not_own) == (2, 1)
    wrong = tried(BAD)
    assert (wrong.found, wrong.wrong, wrong.kinds) == (0.0, 1.0, None)
    both = tried(GOOD, BAD)
    assert both.found == pytest.approx(2 / 3)
    assert both.wrong == 0.5


def test_a_kind_that_is_another_one_counts_as_found_and_as_a_wrong_kind() -> None:
    found = tried(GOOD | {"gold": [TEA, JOB | {"kind": "norm"}]})
    assert (found.found, found.kinds) == (1.0, 0.5)


def test_speeches_and_pairs_go_through_the_guards_of_a_run() -> None:
    found = tried(
        speeches=(
            Speech(speech=CUSTOM, good=True),
            Speech(speech="As an AI language model, I have no home.", good=False),
            Speech(speech=VIEW, good=False),
        ),
        pairs=(
            Pair(a=CUSTOM, b=CUSTOM, what="paraphrase"),
            Pair(a=CUSTOM, b=VIEW, what="unrelated"),
            Pair(a="One should wait for the guest.", b="One should not wait for the guest.", what="opposite"),
        ),
    )
    assert (found.refused, found.accepted, found.speeches) == (0.0, 0.5, 3)
    assert (found.paraphrases, found.unrelated, found.opposites, found.pairs) == (1.0, 0.0, 0.0, 3)
    assert (found.found, found.wrong) == (None, None)


@pytest.mark.parametrize(
    ("found", "wrong", "may"),
    [(0.6, 0.2, True), (0.59, 0.0, False), (1.0, 0.21, False), (None, None, False), (1.0, None, True)],
)
def test_a_language_may_be_mined_where_enough_is_found_and_little_that_must_not_be(
    found: float | None, wrong: float | None, may: bool
) -> None:
    one = figures(found=found, wrong=wrong)
    assert one.may_be_mined == may
    why = refusal_of(ENGLISH, one)
    assert (why is None) == may
    if why:
        assert f"finds {found or 0:.2f} of what must be mined" in why
        assert "--role extractor=SPEC" in why


# --- files ---------------------------------------------------------------------------------------------


def test_rows_are_read_whatever_their_kind_and_empty_lines_are_none(tiny: Path) -> None:
    pair, speech = {"a": "One.", "b": "Two.", "what": "unrelated"}, {"speech": "Hello there.", "good": True}
    written(tiny, GOOD, "", pair, speech, "")
    found = rows_of(load_language("tr"))
    assert found.turns == [Turn.model_validate(GOOD)]
    assert found.pairs == [Pair.model_validate(pair)]
    assert found.speeches == [Speech.model_validate(speech)]


def test_a_language_without_rows_is_refused_by_its_code(tiny: Path) -> None:
    with pytest.raises(UsageError, match=r"'tr' has no dev\.jsonl"):
        rows_of(load_language("tr"))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("what is this", "begins with none of turn, a, speech"),
        ({"text": "Hello."}, "begins with none of turn, a, speech"),
        (GOOD | {"gold": [{"cue": "no such words", "kind": "norm"}]}, "'no such words' must stand in the turn once"),
        (GOOD | {"not_own": ["a"]}, "'a' must stand in the turn once"),
        (GOOD | {"gold": [TEA | {"kind": "habit"}]}, "Input should be"),
        (GOOD | {"note": "x"}, "Extra inputs are not permitted"),
        ({"a": "One.", "b": "Two.", "what": "same"}, "Input should be"),
        ({"speech": "Hello."}, "Field required"),
        ('{"speech": "Hello."', "Invalid JSON"),
    ],
)
def test_a_line_that_is_wrong_is_named_with_its_file_and_number(line: Any, told: str, tiny: Path) -> None:
    path = written(tiny, GOOD, line)
    with pytest.raises(UsageError) as refused:
        rows_of(load_language("tr"))
    assert str(refused.value).startswith(f"{path}:2: ")
    assert told in str(refused.value)


# --- check ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("away")
def test_check_tells_what_can_be_done_in_a_language(tiny: Path) -> None:
    written(tiny, GOOD, {"speech": SAID["tr"][0], "good": True}, {"speech": CUSTOM, "good": False})
    done = cli("check", "--language", "tr")
    assert done.code == 0
    shares = dict(zip((*COLUMNS, "verdict"), done.out.strip().split("\t")[1:], strict=True))
    assert done.out.startswith("tr (Turkish)\t")
    assert (shares["found"], shares["wrong"], shares["verdict"]) == ("1.00", "0.00", "may be mined")
    assert shares["refused"] == "0.00"
    assert shares["accepted"] == "0.00"  # it is in English
    assert shares["paraphrases"] == "-"  # there are none
    assert "at least 0.6 of what must be mined" in done.err


@pytest.mark.usefixtures("away")
def test_check_of_all_tries_every_language_that_is_known(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tiny, GOOD)
    monkeypatch.setattr(languages.PACKAGES, "names", lambda: {"tr"})
    for codes in (["all"], ["tr", "all"], ["tr", "tr"]):
        done = cli("check", *(word for code in codes for word in ("--language", code)))
        assert (done.code, done.out.count("tr (Turkish)\t")) == (0, 1), done.err


@pytest.mark.usefixtures("away")
def test_check_fails_where_a_language_may_not_be_mined(tiny: Path) -> None:
    written(tiny, BAD)
    done = cli("check", "--language", "tr")
    assert done.code == 2
    assert done.out.startswith("tr (Turkish)\t0.00\t")
    assert done.out.endswith("refused\n")
    assert "Turkish: what a model this small says is mined by an encoder, which finds 0.00" in done.err


@pytest.mark.usefixtures("away", "tiny")
def test_check_names_a_language_that_is_not_there_or_has_no_rows() -> None:
    unknown = cli("check", "--language", "xx")
    assert unknown.code == 2
    assert "'xx'" in unknown.err
    bare = cli("check", "--language", "tr")
    assert bare.code == 2
    assert "'tr' has no dev.jsonl" in bare.err


# --- runs ----------------------------------------------------------------------------------------------


def turkish(**distill: Any) -> Edition:
    """Two people who talk in the tiny language."""
    made = panel(ELIF, CEVDET, language="tr", distill=distill)
    return made.model_copy(update={"scenario": made.scenario.model_copy(update={"setting": "in-cultural"})})


def small() -> FakeModel:
    """A model too small to be asked for statements."""
    model = FakeModel(answer)
    model.traits = Traits(labels=True)
    return model


def test_a_small_model_does_not_begin_a_run_in_a_language_that_is_mined_badly(tiny: Path, tmp_path: Path) -> None:
    written(tiny, BAD)
    model = small()
    held = begin(tmp_path, turkish(), model)
    with pytest.raises(UsageError, match=r"^Turkish: .*--role extractor=SPEC"):
        held.carry_on()
    assert not model.bodies  # nothing was spent
    assert not held.store.turns("held.d1")


def test_it_does_where_the_language_is_mined_well_or_nothing_will_be(tiny: Path, tmp_path: Path) -> None:
    written(tiny, GOOD)
    assert asyncio.run(refusal("tr", session().embed)) is None
    written(tiny, BAD)
    held = begin(tmp_path, turkish(), small(), until="dialogue")
    assert held.carry_on().row.status == "done"


def test_a_large_model_is_not_held_back_by_what_the_heads_can(tiny: Path, tmp_path: Path) -> None:
    written(tiny, BAD)
    held = begin(tmp_path, turkish(), FakeModel(), until="extract")
    assert held.carry_on().row.status == "done"
    heads = turkish(extract="heads")
    refused = begin(tmp_path, heads, FakeModel(), run_id="by-heads", until="extract")
    with pytest.raises(UsageError, match="Turkish"):
        refused.carry_on()
