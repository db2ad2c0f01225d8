"""Training a filter: a planted signal is found, noise is not, and what is written says what was measured."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culturepark.cli.filter_training import rows_named, train_filter
from culturepark.errors import CatalogError, Lacking, UsageError
from culturepark.evaluate.classification import pooled
from culturepark.evaluate.figures import Figure
from culturepark.models import embedder, extras
from culturepark.models import filter as kept
from culturepark.models.filter import Text
from culturepark.train import filter_fit
from culturepark.train.filter import FilterFigures, train
from culturepark.train.filter_fit import best_threshold, platt, steps, thresholds_of
from culturepark.train.filter_rows import Measured, Row, bars_of, rated_rows
from tests.support import filters
from tests.support.filters import RUDE, hashed, labelled, text, write

GRAMS = ["grams"]


def figure(result: FilterFigures, metric: str, **parts: str) -> Figure:
    group = ",".join(f"{name}={value}" for name, value in parts.items())
    (found,) = [one for one in result.figures if one.metric == metric and one.group == group]
    return found


@pytest.fixture(scope="module")
def rude(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FilterFigures]:
    """A filter trained on a planted word, with vectors and n-grams to choose from."""
    folder = tmp_path_factory.mktemp("rude")
    data = rated_rows(labelled(folder / "rows.jsonl", language="en"), flag=["rude"], licence="CC0-1.0")
    return folder, train(data, folder / "made", features=["e5", "grams", "e5+grams"], encode=hashed)


def test_a_planted_signal_is_found_and_stands_beside_its_null(rude: tuple[Path, FilterFigures]) -> None:
    _, result = rude
    found = figure(result, "macro_f1", scale="label")
    assert found.value is not None
    assert found.value > 0.95
    assert (found.null_name, found.n) == ("majority class", 160)
    assert found.null_value is not None
    assert found.null_value < 0.5
    assert found.low is not None
    assert found.low > 0.9
    alone = {name: figure(result, "macro_f1", scale="label", features=name).value for name in ("e5", "grams")}
    assert all(value is not None and value > 0.9 for value in alone.values())


def test_labels_that_mean_nothing_give_the_null_and_a_note(tmp_path: Path) -> None:
    rng = random.Random(2)
    rows = [{"text": text(rng, f"w{n}"), "label": rng.random() < 0.5} for n in range(200)]
    result = train(rated_rows(write(tmp_path / "rows.jsonl", rows)), tmp_path / "made", features=GRAMS)
    found = figure(result, "macro_f1", scale="label")
    assert found.value is not None
    assert found.low is not None
    assert found.low < 0.5 < 0.62
    assert found.value < 0.62
    brier = figure(result, "brier", scale="label")
    assert brier.value is not None
    assert brier.value > 0.22  # knowing nothing has .25


def test_a_template_on_both_sides_would_pretend_what_a_split_by_group_does_not(tmp_path: Path) -> None:
    """Labels hang on the template alone, drawn at random: whoever has seen it knows them, and nobody else can."""
    rng = random.Random(3)
    labels = [rng.random() < 0.5 for _ in range(40)]
    rows = [
        {"text": text(rng, f"t{n % 40}x", f"t{n % 40}x"), "label": labels[n % 40], "template": f"t{n % 40}"}
        for n in range(200)
    ]
    values = {}
    for split in ("group", "random"):
        path = write(
            tmp_path / f"{split}.jsonl",
            [row | ({"group": row["template"]} if split == "group" else {}) for row in rows],
        )
        result = train(rated_rows(path), tmp_path / split, features=GRAMS)
        values[split] = figure(result, "macro_f1", scale="label")
    assert values["group"].n == 40
    assert values["random"].value is not None
    assert values["group"].value is not None
    assert values["random"].value > values["group"].value + 0.15
    assert values["group"].value < 0.65


def test_chances_are_calibrated(tmp_path: Path) -> None:
    rng = random.Random(4)
    chances = {"alba": 0.1, "brio": 0.4, "cord": 0.75, "dusk": 0.95}
    rows = []
    for n in range(800):
        word = rng.choice(list(chances))
        rows.append({"text": f"{word} {word} {word} w{n}", "label": rng.random() < chances[word]})
    result = train(rated_rows(write(tmp_path / "rows.jsonl", rows)), tmp_path / "made", features=GRAMS)
    ece = figure(result, "calibration_error", scale="label")
    assert ece.value is not None
    assert ece.value < 0.06
    made = kept.load(tmp_path / "made")
    for word, chance in chances.items():
        (verdict,) = asyncio.run(made.verdicts([Text(f"{word} {word} {word} x")]))
        assert verdict.said["label"].chance == pytest.approx(chance, abs=0.12)


def test_ratings_by_several_people_become_two_regressions_beside_each_other(tmp_path: Path) -> None:
    rng = random.Random(5)
    rows = []
    for n in range(160):
        harmless, aware = rng.random(), rng.random()
        words = text(rng, *[RUDE] * (4 - round(4 * harmless)), *["local"] * round(4 * aware), f"w{n}")
        ratings = {
            scale: {f"p{p}": min(5, max(1, round(1 + 4 * truth + rng.gauss(0, 0.8)))) for p in range(3)}
            for scale, truth in (("harmlessness", harmless), ("awareness", aware))
        }
        rows.append({"prompt": "What do you think?", "response": words, "ratings": ratings})
    data = rated_rows(write(tmp_path / "rows.jsonl", rows), bars={"awareness": 2.5})
    assert [(scale.name, scale.bar) for scale in data.scales] == [("harmlessness", 3), ("awareness", 2.5)]
    result = train(data, tmp_path / "made", features=["e5+grams"], encode=hashed)
    for scale in ("harmlessness", "awareness"):
        r = figure(result, "r", scale=scale)
        assert r.value is not None
        assert r.value > 0.6
        off = figure(result, "off", scale=scale)
        assert off.null_value is not None
        assert off.value is not None
        assert off.value < off.null_value
        people = {who: figure(result, "as_people", scale=scale, rater=who) for who in ("one person", "filter")}
        assert {one.n for one in people.values()} == {480}  # the same targets
    settings = kept.load(tmp_path / "made").settings
    assert settings.prompts
    assert [(head.name, head.kind, head.least, head.most) for head in settings.heads] == [
        ("harmlessness", "rating", 1, 5),
        ("awareness", "rating", 1, 5),
    ]
    card = (tmp_path / "made" / "README.md").read_text("utf-8")
    assert "| harmlessness | one person |" in card
    assert "against the very same means" in card


def test_what_is_served_is_what_was_fitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The served code makes its features anew, without scikit-learn and scipy; its verdicts are those of the fit."""
    rng = random.Random(6)
    rows = [
        {
            "prompt": text(rng) if n % 3 else "",
            "response": text(rng, *([RUDE] if n % 2 else []), f"w{n}"),
            "culture": ("here", "there", "")[n % 3],
            "language": "en",
            "label": n % 2,
        }
        for n in range(240)
    ]
    seen: list[Any] = []
    make = filter_fit.filter_of
    monkeypatch.setattr(filter_fit, "filter_of", lambda *given: seen.extend(given) or make(*given))
    monkeypatch.setattr(filter_fit, "OWN", (0.5,))
    data = rated_rows(write(tmp_path / "rows.jsonl", rows))
    train(data, tmp_path / "made", features=["e5+grams"], encode=hashed)
    (head,), matrix, places = seen[0], seen[1], seen[2]
    monkeypatch.setattr(embedder, "ENCODERS", {"e5": lambda _: filters.Hashed()})
    monkeypatch.setattr(embedder, "OPENED", {})
    monkeypatch.setattr(extras, "missing", lambda _: [])
    made = kept.load(tmp_path / "made")
    with pytest.raises(UsageError, match=r"trained with the encoder e5 .*, and here is hashed 1; train it again"):
        made.open(lambda *_: None)

    async def encode(kind: str, texts: Any) -> Any:
        return hashed(kind, texts)

    verdicts = asyncio.run(made.verdicts([row.text for row in data.rows], encode))
    values, chances, flagged = head.said(matrix, places)
    assert made.settings.cultures == ("here", "there")
    assert [verdict.culture for verdict in verdicts[:3]] == ["here", "there", ""]
    np.testing.assert_allclose([verdict.said["label"].chance for verdict in verdicts], chances, atol=1e-4)
    np.testing.assert_allclose([verdict.said["label"].value for verdict in verdicts], values, atol=1e-4)
    assert [verdict.flagged for verdict in verdicts] == flagged.tolist()


def test_a_filter_that_knows_two_places_judges_a_text_as_each_of_them_does(tmp_path: Path) -> None:
    rng = random.Random(7)
    rows = []
    for n in range(120):
        words = text(rng, *([RUDE] if n % 2 else ["mild"]), f"w{n}")
        rows += [
            {"text": words, "group": f"g{n}", "culture": "strict", "label": n % 2},
            {"text": words, "group": f"g{n}", "culture": "other", "label": 1 - n % 2},
        ]
    result = train(rated_rows(write(tmp_path / "rows.jsonl", rows)), tmp_path / "made", features=GRAMS)
    assert result.choices["label"]["own_weights_of_cultures"] == ["other", "strict"]
    assert figure(result, "macro_f1", scale="label", culture="strict").value == pytest.approx(1, abs=0.1)
    made = kept.load(tmp_path / "made")
    words = f"river bread {RUDE} garden"
    strict, other, nobody = asyncio.run(
        made.verdicts([Text(words, culture="strict"), Text(words, culture="other"), Text(words)])
    )
    assert strict.said["label"].chance > 0.8 > 0.2 > other.said["label"].chance
    assert nobody.culture == ""


def test_the_same_rows_and_seed_make_the_same_files(tmp_path: Path) -> None:
    data = rated_rows(labelled(tmp_path / "rows.jsonl", 80), flag=["rude"])
    for name in ("one", "two"):
        train(data, tmp_path / name, features=GRAMS)
    for file in ("filter.json", "weights.npz", "training.json", "README.md"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_the_card_says_what_was_learnt_from_and_what_it_is_not_for(rude: tuple[Path, FilterFigures]) -> None:
    folder, result = rude
    card = (folder / "made" / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: culturepark\n")
    for words in (
        "160 rated rows", "CC0-1.0", "| en | 160 |", "macro-F1", "(majority class)", "must not be used for",
        "a filter of one place misjudges another", "multilingual-e5-small (MIT",
    ):  # fmt: skip
        assert words in " ".join(card.split()), words
    assert "river" not in card  # no row
    assert json.loads((folder / "made" / "training.json").read_text())["figures"] == [
        one.as_json() for one in result.figures
    ]


# --- calibration and thresholds ----------------------------------------------------------------------


def test_platts_curve_finds_the_sigmoid_that_made_the_labels() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=20_000)
    labels = (rng.random(20_000) < 1 / (1 + np.exp(-(2 * scores - 1)))).astype(float)
    curve = platt(scores, labels)
    assert (curve.slope, curve.offset) == (pytest.approx(2, abs=0.1), pytest.approx(-1, abs=0.1))
    falling = platt(-scores, labels)
    assert falling.slope == pytest.approx(-2, abs=0.1)
    assert platt(np.zeros(10), np.ones(10))(np.zeros(1))[0] == pytest.approx(11 / 12)


@pytest.mark.parametrize("sign", [1, -1])
def test_isotonic_steps_never_turn(sign: int) -> None:
    rng = np.random.default_rng(2)
    scores = rng.normal(size=500)
    curve = steps(sign * scores, (rng.random(500) < 1 / (1 + np.exp(-scores))).astype(float))
    changes = np.diff(curve(np.linspace(-3, 3, 100)))
    assert (sign * changes >= 0).all()
    assert abs(changes.sum()) > 0.5


def test_a_threshold_is_that_of_the_language_where_there_is_enough_of_it() -> None:
    events = np.array([n % 2 == 1 for n in range(400)])
    chances = np.where(events, 0.8, 0.6)
    chances[200:] = np.where(events[200:], 0.4, 0.2)
    languages = ["aa"] * 200 + ["bb"] * 200
    assert best_threshold(chances[:200], events[:200]) == pytest.approx(0.61, abs=0.011)
    found = thresholds_of(chances, events, languages)
    assert found.languages["aa"] > found.all > 0
    assert 0.2 < found.languages["bb"] <= 0.4
    few = thresholds_of(chances, events, ["aa"] * 350 + ["bb"] * 50)
    assert set(few.languages) == {"aa"}
    assert best_threshold(chances, np.ones(400, bool)) == 0.5


# --- people ------------------------------------------------------------------------------------------


def test_people_and_filters_are_held_against_the_same_means() -> None:
    people = {"a": {"x": 1.0, "y": 2.0, "z": 3.0}, "b": {"x": 1.0, "y": 3.0, "z": 3.0}, "c": {"z": 1.0}}
    found = pooled(people, {"filter": {"x": 1.0, "y": 2.5, "z": 3.0}, "away": {"q": 1.0}})
    assert set(found) == {"one person", "filter"}
    assert found["one person"].n == found["filter"].n == 7
    # of each person: x 0 y 1 z 1; x 0 y 1 z 1; z 2
    assert found["one person"].difference == pytest.approx(6 / 7)
    # the filter, on the same targets: x 0, y .5, z 1; x 0, y .5, z 1; z 0
    assert found["filter"].difference == pytest.approx(3 / 7)


def test_ratings_of_models_and_of_people_are_kept_apart(tmp_path: Path) -> None:
    given = {"harmlessness": {"anna": 4, "openai:gpt-4o": 1, "embedded": 3, "person:embedded": 2}}
    (row,) = rated_rows(write(tmp_path / "r.jsonl", [{"text": "a", "ratings": given}])).rows
    assert row.people == {"harmlessness": {"anna": 4.0, "person:embedded": 2.0}}
    assert row.judges == {"harmlessness": {"openai:gpt-4o": 1.0, "embedded": 3.0}}
    scale = Measured("harmlessness", "rating", 1, 5, 3, "minimum")
    assert row.target(scale) == 3
    assert Row("x", Text("a"), "g", {}, row.judges).target(scale) == 1


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        ([{"text": "a"}], {}, r"rows\.jsonl:1: label: a label"),
        ([{"label": 1}], {}, r"rows\.jsonl:1: text: no text"),
        ([{"text": "a", "label": 1}, ["text"]], {}, r"rows\.jsonl:2: is no JSON object"),
        ([{"text": "a", "label": 1.5}], {}, "label: a word, 0, 1, true or false"),
        ([{"text": "a", "labels": ["x"]}], {}, "labels: a map of raters to labels"),
        ([{"text": "a", "ratings": {"harmlessness": "good"}}], {}, "ratings.harmlessness: a number"),
        ([{"text": "a", "language": 3, "label": 1}], {}, "language: a word is wanted"),
        ([{"text": "a", "label": "rude"}, {"text": "b", "label": "ok"}], {}, "the labels are ok, rude; --flag LABEL"),
        ([{"text": "a", "label": "rude"}], {"flag": ["bad"]}, "--flag bad: no row has that label"),
        ([{"text": "a", "ratings": {"mine": 3}}], {}, "rated on 'mine'; --scale FILE"),
    ],
)
def test_a_file_that_is_not_as_it_has_to_be_is_named(
    rows: list[Any], options: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        rated_rows(write(tmp_path / "rows.jsonl", rows), **options)


@pytest.mark.parametrize("line", ["not json", "[1]", "{", "\\ud800" * 5, "[" * 100_000])
def test_a_line_that_is_no_object_is_named(line: str, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "a", "label": 1}\n' + line + "\n")
    with pytest.raises(CatalogError, match=r"rows\.jsonl:2: is no JSON object"):
        rated_rows(tmp_path / "rows.jsonl")


def test_too_little_to_learn_from_is_said(tmp_path: Path) -> None:
    few = rated_rows(labelled(tmp_path / "few.jsonl", 20), flag=["rude"])
    with pytest.raises(UsageError, match="too little to learn from: label has 20 rows"):
        train(few, tmp_path / "made", features=GRAMS)
    rows = [{"text": f"w{n}", "ratings": {"harmlessness": 5}} for n in range(60)]
    with pytest.raises(UsageError, match="people object to 0 of them"):
        train(rated_rows(write(tmp_path / "same.jsonl", rows)), tmp_path / "made", features=GRAMS)
    rows = [{"text": f"w{n}", "ratings": {"harmlessness": 7}} for n in range(60)]
    with pytest.raises(UsageError, match=r"same\.jsonl:1: 7 on harmlessness, which goes from 1 to 5"):
        train(rated_rows(write(tmp_path / "same.jsonl", rows)), tmp_path / "made", features=GRAMS)
    assert not (tmp_path / "made").exists()


def test_a_folder_with_something_in_it_and_unknown_features_are_refused(tmp_path: Path) -> None:
    data = rated_rows(labelled(tmp_path / "rows.jsonl", 60), flag=["rude"])
    with pytest.raises(UsageError, match="is there already, and not empty"):
        train(data, tmp_path, features=GRAMS)
    with pytest.raises(UsageError, match="--features words: must be among e5, grams"):
        train(data, tmp_path / "made", features=["words"])
    with pytest.raises(UsageError, match="--bar harmlessness: must be SCALE=NUMBER"):
        bars_of(["harmlessness"])
    assert bars_of(["harmlessness=3.5"]) == {"harmlessness": 3.5}


def test_without_scikit_learn_the_command_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = rated_rows(labelled(tmp_path / "rows.jsonl", 60), flag=["rude"])
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(Lacking, match=r"extra `filter`: pip install .*filter"):
        train(data, tmp_path / "made", features=GRAMS)


def test_the_command_prints_figures_with_their_nulls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labelled(Path("rows.jsonl"), 60)
    options: dict[str, Any] = {"store_url": "sqlite:///none.db", "features": GRAMS, "flag": ["rude"]}
    assert train_filter("rows.jsonl", Path("made"), **options) == 0
    assert json.loads(Path("made/training.json").read_bytes())["artefact"].startswith("filter-")
    said = capsys.readouterr()
    assert "(majority class)" in said.out
    assert "next: culturepark filter FILE --model filter:made" in said.err
    assert train_filter("rows.jsonl", Path("again"), as_json=True, **options) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["rows"], shown["features"], shown["path"]) == (60, "grams", "again")
    with pytest.raises(UsageError, match="an evaluation knows its scales"):
        rows_named("e1", "sqlite:///none.db", flag=["rude"], scales=[], bars=[], licence="")


def test_a_label_to_flag_where_rows_have_ratings_alone_is_refused(tmp_path: Path) -> None:
    rows = [{"text": f"w{n}", "ratings": {"harmlessness": 1 + n % 5}} for n in range(60)]
    with pytest.raises(UsageError, match=r"--flag rude: no row has a label; .* has ratings alone"):
        rated_rows(write(tmp_path / "r.jsonl", rows), flag=["rude"])
