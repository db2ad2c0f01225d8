"""Pairs and labels from ratings and reviews of people, from models where they are asked for; and mixes of cultures."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import datasets
import pytest

from culturepark.domain import JsonObject
from culturepark.errors import UsageError
from culturepark.export import labels
from culturepark.export.labels import Scale, between, compared, from_middle, one_scale
from culturepark.export.mixes import Mix, checked_culture_mix, culture_mix_of
from culturepark.store.reviews import Reviews
from culturepark.store.store import Store
from tests.cli.test_cli import away, cli, rows_of  # noqa: F401 - `away` is used by every test
from tests.export.test_export import change_sample, export, lines
from tests.export.test_preference import asked, facts
from tests.support.endpoint import Endpoint
from tests.support.rating import answers, suite

URL = "sqlite:///runs/culturepark.db"
ANNA, BEN, MODEL = "person:anna", "person:ben", "openai:judge"


@pytest.fixture
def store(away: None) -> Store:  # noqa: F811
    """The runs `a` and `b`, in which several people answer a question more than once."""
    Path("runs").mkdir()
    Path("runs/culturepark.db").write_bytes(asked())
    return Store(URL)


def manifest(folder: str = "out") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(folder, "manifest.json").read_text("utf-8"))
    return found


def card(folder: str = "out") -> str:
    return " ".join(Path(folder, "README.md").read_text("utf-8").split())


# --- the rules -------------------------------------------------------------------------------------


def test_a_difference_is_taken_within_each_rater_and_then_averaged() -> None:
    """Anna is lenient and Ben strict; of the means alone the answers would be equal."""
    found = between({ANNA: 5, BEN: 1}, {ANNA: 3})
    assert found is not None
    assert (found.value, dict(found.raters)) == (2, {ANNA: 2})
    both = between({ANNA: 5, BEN: 3}, {ANNA: 4, BEN: 1})
    assert both is not None
    assert both.value == 1.5
    assert between({ANNA: 5}, {BEN: 1}) is None


def test_models_count_only_where_no_person_has_rated_both() -> None:
    one, other = {ANNA: 2, MODEL: 5}, {ANNA: 3, MODEL: 1}
    found = between(one, other)
    assert found is not None
    assert (found.value, found.by_people) == (-1, True)
    alone = between({ANNA: 2, MODEL: 5}, {BEN: 3, MODEL: 1})
    assert alone is not None
    assert (alone.value, alone.by_people) == (4, False)


def test_an_answer_is_held_against_its_raters_own_middle_or_a_threshold() -> None:
    scale = Scale("warmth", 1, 5, {"x": {ANNA: 5, BEN: 2}, "y": {ANNA: 4, BEN: 1}, "z": {ANNA: 4, BEN: 1}}, {})
    assert scale.middles == {ANNA: 4, BEN: 1}
    own = {name: from_middle(given, scale.middles, None) for name, given in scale.ratings.items()}
    assert {name: found and found.value for name, found in own.items()} == {"x": 1, "y": 0, "z": 0}
    fixed = from_middle(scale.ratings["x"], scale.middles, 4)
    assert fixed is not None
    assert fixed.value == -0.5


def test_only_answers_to_one_prompt_are_compared_and_what_makes_no_pair_is_counted() -> None:
    prompts = {name: [prompt] for name, prompt in zip("abcdef", "PPPPQR", strict=True)}
    ratings = {
        "a": {ANNA: 5.0}, "b": {ANNA: 3.0}, "c": {ANNA: 3.5}, "d": {BEN: 1.0}, "e": {ANNA: 1.0}, "f": {ANNA: 1.0}
    }  # fmt: skip
    pairs, left_out = compared(prompts, ratings, 1.0)
    assert [(pair.chosen, pair.rejected, pair.difference.value) for pair in pairs] == [("a", "b", 2), ("a", "c", 1.5)]
    assert left_out == {labels.UNDER: 1, labels.NOT_SHARED: 3, labels.ALONE: 2}
    tied, left_out = compared({"a": ["P"], "b": ["P"]}, {"a": {ANNA: 3}, "b": {ANNA: 3}}, 0.0)
    assert (tied, left_out) == ([], {labels.TIED: 1})


def test_a_pair_with_two_prompts_in_common_is_one_pair() -> None:
    pairs, _ = compared({"a": ["P", "Q"], "b": ["Q", "P"]}, {"a": {ANNA: 3}, "b": {ANNA: 1}}, 1.0)
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [("a", "b")]


def test_of_several_scales_one_has_to_be_named() -> None:
    scales = {"norms": 1, "review": 2}
    assert one_scale(scales, "norms", False, "a") == "norms"
    with pytest.raises(UsageError, match=r"several scales, norms \(1 answer\), review \(2 answers\): --scale NAME"):
        one_scale(scales, None, False, "a")
    with pytest.raises(UsageError, match="'tone': no rating of a is on it; there are norms"):
        one_scale(scales, "tone", False, "a")
    with pytest.raises(UsageError, match=r"no person has rated an answer of a: .*--judges"):
        one_scale({}, None, False, "a")


# --- reviews of samples ----------------------------------------------------------------------------


def twice(shape: str, persona: str, seed: str) -> list[str]:
    """The kept samples in which one person answers one question."""
    found = [
        name
        for name, sample in facts().items()
        if (sample["kind"], sample["seed_key"], sample["status"]) == (shape, seed, "kept")
    ]
    speakers = {row["id"]: row["persona_key"] for row in rows_of("statement")}
    return sorted(name for name in found if speakers[name.rpartition(".")[0]] == persona)


def rate(store: Store, reviewer: str, **ratings: int) -> None:
    for name, rating in ratings.items():
        Reviews(store, reviewer).add(name, "comment", rating=rating)


def test_ratings_in_reviews_make_pairs_of_one_persons_answers_to_one_question(store: Store) -> None:
    better, worse = twice("open", "german-erna", "wvs7/Q33")
    other, *_ = twice("open", "korean-yujin", "guests")
    rate(store, "anna", **{better: 5, worse: 2, other: 1})
    rate(store, "ben", **{better: 3, worse: 2})
    done = export("--from", "ratings", form="preference", runs=("a", "b"))
    assert done.code == 0, done.err
    ((row,), (entry,)) = lines("out/all.jsonl"), lines("out/all.index.jsonl")
    stored = {name: json.loads(sample["messages"]) for name, sample in facts().items()}
    assert row == {"prompt": stored[better][:-1], "chosen": stored[better][-1:], "rejected": stored[worse][-1:]}
    assert {name: entry[name] for name in ("id", "rejected", "by", "scale", "margin", "raters")} == {
        "id": better,
        "rejected": worse,
        "by": "people",
        "scale": "review",
        "margin": 2.0,
        "raters": {ANNA: 3, BEN: 1},
    }
    told = manifest()
    assert told["labels"] == {
        "basis": "ratings", "scale": "review", "least": 1.0, "most": 5.0, "margin": 1.0, "threshold": None,
        "people": 2, "judges": [], "rows_by_people": 1, "rows_by_models": 0, "good": None, "bad": None,
    }  # fmt: skip
    assert told["left_out"] == {labels.ALONE: 1}
    assert "rated on the scale `review` (1 to 5)" in card()
    assert "Raters: people 2." in card()
    assert "Rejected does not mean wrong" not in card()
    trace = cli("trace", "out/all.jsonl:1", "--json").json
    assert (trace["sample"]["id"], trace["rejected"]["sample"]["id"]) == (better, worse)
    nothing = export("--from", "ratings", "--margin", "2.5", form="preference", runs=("a", "b"), out="none")
    assert nothing.code == 2
    assert f"{labels.UNDER}: 1" in nothing.err
    assert "--format kto takes answers without a counterpart" in nothing.err


def test_a_rated_statement_rates_its_samples_and_a_survey_answer_names_its_option_as_it_is_listed(
    store: Store,
) -> None:
    alone, better, worse = twice("survey", "german-erna", "wvs7/Q33")
    rate(store, "anna", **{better.rpartition(".")[0]: 4, worse.rpartition(".")[0]: 1, worse: 2, alone: 5})
    assert export("--from", "ratings", form="preference", runs=("a", "b")).code == 0
    margins = {(entry["id"], entry["rejected"], entry["margin"]) for entry in lines("out/all.index.jsonl")}
    # Of the sample itself before that of its statement. The other samples of the statements, open ones, are rated too;
    # a bare option is the same in whatever words it was chosen.
    assert margins == {(better, worse, 2), (f"{better[:-1]}2", f"{worse[:-1]}2", 3)}
    row = next(row for row in lines("out/all.jsonl") if "neither" in row["chosen"][0]["content"])
    words = {row["id"]: row["first_person"] for row in rows_of("statement")}[worse.rpartition(".")[0]]
    assert words in row["rejected"][0]["content"]
    assert "3) neither agree nor disagree" in row["rejected"][0]["content"]
    assert manifest()["left_out"][labels.SAME_WORDS] == 2


def test_what_is_not_kept_is_chosen_by_no_rating_and_what_reviewers_rejected_can_be_the_other(store: Store) -> None:
    better, worse = twice("open", "german-erna", "wvs7/Q33")
    Reviews(store, "anna").add(better, "accept", rating=5)
    Reviews(store, "anna").add(worse, "reject", rating=1)
    assert export("--from", "ratings", form="preference", runs=("a", "b")).code == 0
    assert [entry["rejected"] for entry in lines("out/all.index.jsonl")] == [worse]
    change_sample(better, status="dropped", drop_reason="duplicate")
    done = export("--from", "ratings", form="preference", runs=("a", "b"), out="none")
    assert done.code == 2
    assert labels.NOT_KEPT in done.err


def test_a_selection_chooses_what_is_preferred(store: Store) -> None:
    better, worse = twice("open", "german-erna", "wvs7/Q33")
    rate(store, "anna", **{better: 5, worse: 2})
    for shape in ("open", "survey"):
        made = cli("select", "a", "b", "--gate", f"shape={shape}", "--name", f"of-{shape}")
        assert made.code == 0, made.err
    assert export("--from", "ratings", form="preference", runs=("of-open",)).code == 0
    assert [entry["id"] for entry in lines("out/all.index.jsonl")] == [better]
    assert export("--from", "ratings", "--threshold", "3", form="kto", runs=("of-open",)).code == 0
    assert {entry["id"]: entry["label"] for entry in lines("out/all.index.jsonl")} == {better: True, worse: False}
    none = export("--from", "ratings", form="preference", runs=("of-survey",), out="none")
    assert none.code == 2
    assert labels.NOT_KEPT in none.err


# --- labels ----------------------------------------------------------------------------------------


def test_what_reviewers_accepted_and_rejected_is_labelled(store: Store) -> None:
    ann = Reviews(store, "anna")
    good, worded, bad, *_ = [name for name in facts() if name.startswith("a.") and facts()[name]["status"] == "kept"]
    ann.add(good, "accept")
    ann.add(worded, "accept", wording="In a person's words.")
    ann.add(bad, "reject")
    done = export("--from", "reviews", form="kto")
    assert done.code == 0, done.err
    stored = {name: json.loads(sample["messages"]) for name, sample in facts().items()}
    rows = {entry["id"]: row for entry, row in zip(lines("out/all.index.jsonl"), lines("out/all.jsonl"), strict=True)}
    said = {"role": "assistant", "content": "In a person's words."}
    assert rows == {
        good: {"prompt": stored[good][:-1], "completion": stored[good][-1:], "label": True},
        worded: {"prompt": stored[worded][:-1], "completion": [said], "label": True},
        bad: {"prompt": stored[bad][:-1], "completion": stored[bad][-1:], "label": False},
    }
    assert {entry["id"]: (entry["label"], entry["by"], entry["raters"]) for entry in lines("out/all.index.jsonl")} == {
        name: (name != bad, "people", [ANNA]) for name in rows
    }
    assert (manifest()["labels"]["good"], manifest()["labels"]["bad"]) == (2, 1)
    assert "Good answers: 2; bad ones: 1" in card()
    assert "undesirable_weight=2.00" in done.err
    assert manifest()["reviews"]["corrected"] == 1
    assert manifest()["reviews"]["rejected"] == 0
    shown = cli("trace", "out/all.jsonl:1")
    assert shown.code == 0, shown.err


def test_ratings_label_by_each_raters_middle_or_by_a_threshold(store: Store) -> None:
    names = [name for name, sample in facts().items() if name.startswith("a.") and sample["status"] == "kept"][:5]
    rate(store, "anna", **dict(zip(names, (5, 4, 4, 4, 2), strict=True)))
    done = export("--from", "ratings", form="kto")
    assert done.code == 0, done.err
    assert {entry["id"]: entry["label"] for entry in lines("out/all.index.jsonl")} == {names[0]: True, names[4]: False}
    assert manifest()["left_out"] == {labels.IN_THE_MIDDLE: 3}
    assert "rated above its raters' own middles" in card()
    assert export("--from", "ratings", "--threshold", "3", form="kto").code == 0
    assert {entry["id"]: entry["label"] for entry in lines("out/all.index.jsonl")} == {
        name: name != names[4] for name in names
    }
    assert manifest()["labels"]["threshold"] == 3
    assert "A good answer was rated above 3, a bad one below it, on the scale `review` (1 to 5)" in card()
    assert export("--from", "ratings", "--threshold", "3", "--margin", "1.5", form="kto").code == 0
    assert [entry["id"] for entry in lines("out/all.index.jsonl")] == names[:1]


def test_labels_of_one_kind_are_said_to_teach_little(store: Store) -> None:
    Reviews(store, "anna").add(next(name for name in facts() if name.startswith("a.")), "accept")
    done = export("--from", "reviews", form="kto")
    assert done.code == 0, done.err
    assert "all 1 answers are good" in done.err


def test_verdicts_of_models_are_labels_only_if_asked_for_and_the_card_says_whose_they_are(store: Store) -> None:
    assert export("--from", "reviews", form="kto").code == 2
    done = export("--from", "verdicts", form="kto")
    assert done.code == 0, done.err
    samples = {name: sample for name, sample in facts().items() if name.startswith("a.")}
    given = {entry["id"]: entry["label"] for entry in lines("out/all.index.jsonl")}
    reasons = Counter(samples[name]["drop_reason"] for name, label in given.items() if not label)
    assert set(reasons) <= {"contradicts-stance", "generic", "not-alone", "irrelevant-to-stance"}
    assert {name for name, label in given.items() if label} == {
        name for name, sample in samples.items() if sample["status"] == "kept"
    }
    unlabelled = [sample for name, sample in samples.items() if name not in given]
    assert {sample["drop_reason"] for sample in unlabelled} == {"shape-share", "duplicate"}
    assert manifest()["left_out"] == {labels.NO_VERDICT: len(unlabelled)}
    assert "**No person has given these labels.**" in card()
    assert "verdicts of the models" in done.err


def test_labelled_files_load_with_their_types(store: Store) -> None:
    assert export("--parquet", "--metadata", form="kto", out="tables").code == 0
    assert export(form="kto", out="plain").code == 0
    for folder in ("tables", "plain"):
        rows = datasets.load_dataset(folder, split="train", cache_dir="cache")
        assert rows.features["label"].dtype == "bool"
        assert [dict(row["completion"][0]) for row in rows] == [
            row["completion"][0] for row in lines("plain/all.jsonl")
        ]
        assert rows["label"] == [row["label"] for row in lines("plain/all.jsonl")]


def test_split_labels_by_whole_questions_and_leave_the_stored_split_alone(store: Store) -> None:
    assert export("--split", "0.6", form="kto", runs=("a", "b")).code == 0
    seeds = {row["id"]: row["seed_key"] for row in rows_of("dialogue")}
    halves = [
        {seeds[".".join(entry["id"].split(".")[:2])] for entry in lines(f"out/all.{half}.index.jsonl")}
        for half in ("train", "validation")
    ]
    assert all(halves)
    assert not halves[0] & halves[1]
    assert not [row for row in rows_of("sample") if row["split"]]


# --- answers of evaluations ------------------------------------------------------------------------

SCALE = ("--scale", "warmth.yaml")


@pytest.fixture
def evaluated(away: None) -> None:  # noqa: F811
    """Evaluations e1 and e2 of two models on one suite in two arms, rated by Anna; a judge has rated e1's."""
    path = suite(Path())

    def curt(body: JsonObject, _: int) -> str | None:
        return "Too bad." if "response_format" not in body else None

    for name, reply in (("e1", answers), ("e2", curt)):
        with Endpoint(reply=reply) as endpoint:
            done = cli("evaluate", path, "--model", f"openai:{name}@{endpoint.url}", "--run-id", name)
        assert done.code == 0, done.err
        filled_in(name, "anna", lambda row: 1 if row["answer"] == "Too bad." else 4)


def filled_in(target: str, rater: str, rating: Any, scale: str = "warmth") -> None:
    """Rate all answers on a sheet."""
    assert cli("judge", target, "--scale", f"{scale}.yaml", "--sheet", f"{target}.csv").code == 0
    rows = list(csv.DictReader(io.StringIO(Path(f"{target}.csv").read_text("utf-8-sig"), newline="")))
    with Path("filled.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(row | {"rater": rater, scale: rating(row)} for row in rows)
    Path(f"{target}.csv").unlink()
    done = cli("judge", target, "--scale", f"{scale}.yaml", "--import", "filled.csv")
    assert done.code == 0, done.err


@pytest.mark.usefixtures("evaluated")
def test_answers_of_two_models_to_one_prompt_are_a_pair_and_lead_back() -> None:
    done = export("--from", "ratings", form="preference", runs=("e1", "e2"))
    assert done.code == 0, done.err
    rows, index = lines("out/all.jsonl"), lines("out/all.index.jsonl")
    arms = {row["id"]: (row["item_id"], row["arm"]) for row in rows_of("answer")}
    assert len(rows) == len(arms) / 2
    for row, entry in zip(rows, index, strict=True):
        assert (entry["id"][:3], entry["rejected"][:3], entry["margin"]) == ("e1.", "e2.", 3)
        assert arms[entry["id"]] == arms[entry["rejected"]]  # never across arms, whose prompts differ
        assert ("Think of" in row["prompt"][0]["content"]) == (arms[entry["id"]][1] == "cultural")
        assert row["rejected"] == [{"role": "assistant", "content": "Too bad."}]
    trace = cli("trace", "out/all.jsonl:1", "--json").json
    assert (trace["answer"]["id"], trace["rejected"]["answer"]["id"]) == (index[0]["id"], index[0]["rejected"])
    told = manifest()
    assert [one["model"].partition("@")[0] for one in told["evaluations"]] == ["openai:e1", "openai:e2"]
    assert (told["runs"], told["rows_by_provenance"]) == ([], None)
    assert set(told["rows_by_culture"]) == {"turkish", "german"}
    assert "Do not evaluate on this suite what was trained on these rows" in card()
    assert "## Method" not in card()
    assert "cannot be evaluated on the same questions" in done.err
    assert datasets.load_dataset("out", split="train", cache_dir="cache").num_rows == len(rows)
    assert cli("doctor").code == 0


@pytest.mark.usefixtures("evaluated")
def test_what_models_rated_counts_only_if_it_is_asked_for_and_is_marked() -> None:
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        db.execute("UPDATE score SET judge = 'openai:strict' WHERE answer_id LIKE 'e2.%'")
        db.execute("UPDATE score SET judge = 'openai:strict' WHERE answer_id LIKE 'e1.%' AND answer_id LIKE '%1'")
        db.commit()
    assert export("--from", "ratings", form="preference", runs=("e1", "e2")).code == 2
    done = export("--from", "ratings", "--judges", form="preference", runs=("e1", "e2"))
    assert done.code == 0, done.err
    assert {entry["by"] for entry in lines("out/all.index.jsonl")} == {"models"}
    assert "**models, where no person decides: openai:strict**" in card().replace("\\", "")
    assert "rest on ratings by models alone (openai:strict)" in done.err
    told = manifest()["labels"]
    assert (told["people"], told["judges"], told["rows_by_people"]) == (0, ["openai:strict"], 0)


@pytest.mark.usefixtures("evaluated")
def test_answers_are_labelled_and_split_by_items() -> None:
    assert export("--from", "ratings", "--threshold", "3", "--split", "0.5", form="kto", runs=("e1", "e2")).code == 0
    items = {row["id"]: row["item_id"] for row in rows_of("answer")}
    train, held = {items[entry["id"]] for entry in lines("out/all.train.index.jsonl")}, manifest()["held_out_seeds"]
    assert train
    assert set(held) == set(items.values()) - train
    # What is held out says nearly the same as what trains: it would validate nothing.
    assert manifest()["left_out"]["the same as an answer in train, or nearly"] > 0
    labelled = {entry["id"][:2]: entry["label"] for entry in lines("out/all.train.index.jsonl")}
    assert labelled == {"e1": True, "e2": False}


@pytest.mark.usefixtures("evaluated")
def test_evaluations_give_no_rows_without_ratings_and_no_metadata() -> None:
    for more, form in (((), "trl"), ((), "preference"), (("--from", "verdicts"), "kto")):
        done = export(*more, form=form, runs=("e1",))
        assert (done.code, "e1 is an evaluation" in done.err) == (2, True), done.err
    done = export("--from", "ratings", "--metadata", form="preference", runs=("e1", "e2"))
    assert done.code == 2
    assert "--metadata" in done.err


def test_samples_that_were_rated_from_one_to_ten_on_a_sheet_are_taken_with_their_run(store: Store) -> None:
    suite(Path())
    Path("warmth.yaml").write_text(
        Path("warmth.yaml").read_text().replace("most: 5", "most: 10").replace("5: w", "10: w")
    )
    better, worse = twice("open", "german-erna", "wvs7/Q33")
    texts = {json.loads(sample["messages"])[-1]["content"]: name for name, sample in facts().items()}
    for run in ("a", "b"):
        filled_in(run, "anna", lambda row: {better: 9, worse: 4}.get(texts.get(row["answer"], ""), 6))
    done = export("--from", "ratings", "--margin", "5", form="preference", runs=("a", "b"))
    assert done.code == 0, done.err
    assert [(entry["id"], entry["rejected"], entry["scale"]) for entry in lines("out/all.index.jsonl")] == [
        (better, worse, "warmth")
    ]
    assert manifest()["labels"]["most"] == 10
    (evaluation, _) = sorted(row["id"] for row in rows_of("evaluation"))
    refused = export("--from", "ratings", form="preference", runs=(evaluation,), out="none")
    assert refused.code == 2
    assert "holds ratings of the samples of" in refused.err
    change_sample(worse, messages=json.dumps([{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]))
    again = export("--from", "ratings", "--margin", "5", form="preference", runs=("a", "b"), out="none")
    assert again.code == 2
    assert labels.OTHER_WORDS in again.err


WRONG = {
    "no preferences": (("--from", "ratings"), "trl", "--format trl has none"),
    "not of pairs": (("--from", "verdicts"), "preference", "--format preference takes stance or ratings"),
    "no ratings": (("--margin", "1"), "preference", "--margin goes with --from ratings"),
    "judges of stance": (("--judges",), "preference", "--judges goes with --from ratings"),
    "a threshold of pairs": (
        ("--from", "ratings", "--threshold", "3"),
        "preference",
        "--threshold is for --format kto",
    ),
    "below nothing": (("--from", "ratings", "--margin", "-1"), "preference", "--margin: steps of the scale"),
    "nobody": (("--from", "ratings"), "preference", "no person has rated an answer of a"),
    "in English": (("--language", "en"), "kto", "--language en is for single samples"),
    "an error rate": (("--max-error", "0.1"), "kto", "--max-error is for single samples"),
}


@pytest.mark.parametrize(("more", "form", "said"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.usefixtures("store")
def test_what_does_not_go_together_is_said(more: tuple[str, ...], form: str, said: str) -> None:
    done = export(*more, form=form)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert not Path("out").exists()


# --- mixes of cultures -----------------------------------------------------------------------------


def cultures_of(folder: str = "out") -> Counter[str]:
    samples = {row["id"]: row["culture"] for row in rows_of("sample")}
    return Counter(samples[entry["id"]] for entry in lines(f"{folder}/all.index.jsonl"))


@pytest.mark.usefixtures("store")
def test_cultures_have_their_shares_and_the_scarcest_keeps_all_its_rows() -> None:
    assert export(out="all").code == 0
    there = cultures_of("all")
    done = export("--culture-mix", "German=3, others=1")
    assert done.code == 0, done.err
    found = cultures_of()
    others = found.total() - found["german"]
    assert found["german"] == there["german"]
    assert others == round(there["german"] / 3)
    assert f"{there.total() - found.total()} rows are left out, so that the cultures have the shares of" in done.err
    told = manifest()
    assert told["shares"] == {"culture": {"german": 3, "others": 1}}
    assert told["left_out"]["more than the share of its culture"] == there.total() - found.total()
    assert "until they had these shares: culture german 3, others 1" in card()
    first = lines("out/all.jsonl")
    assert export("--culture-mix", "german=3,others=1").code == 0
    assert lines("out/all.jsonl") == first


@pytest.mark.usefixtures("store")
def test_cultures_without_a_share_have_no_rows_and_files_of_cultures_are_mixed_too() -> None:
    more = ("--culture", "german", "--culture", "turkish", "--culture-mix", "german=1,turkish=1")
    assert export(*more).code == 0
    assert len(lines("out/german.jsonl")) == len(lines("out/turkish.jsonl"))
    done = export("--culture-mix", "german=1,turkish=1", out="one")
    assert set(cultures_of("one")) == {"german", "turkish"}
    assert "of cultures that --culture-mix does not name" in done.err


@pytest.mark.usefixtures("store")
def test_with_shares_of_both_each_culture_has_the_shapes_in_the_same_shares() -> None:
    assert export("--culture-mix", "german=2,others=1", "--shape-mix", "own=2,norm=1", runs=("a", "b")).code == 0
    samples = {row["id"]: (row["culture"] == "german", row["kind"]) for row in rows_of("sample")}
    cells = Counter(samples[entry["id"]] for entry in lines("out/all.index.jsonl"))
    measure = min(cells[True, "own"] / 4, cells[True, "norm"] / 2, cells[False, "own"] / 2, cells[False, "norm"])
    shares = {(True, "own"): 4, (True, "norm"): 2, (False, "own"): 2, (False, "norm"): 1}
    assert measure > 0
    assert all(abs(cells[cell] - measure * share) <= share for cell, share in shares.items())
    assert set(cells) == set(shares)


@pytest.mark.parametrize(
    ("form", "more"), [("preference", ()), ("kto", ("--from", "verdicts")), ("trl", ("--dialogues",))]
)
@pytest.mark.usefixtures("store")
def test_pairs_labels_and_dialogues_are_mixed_too(form: str, more: tuple[str, ...]) -> None:
    done = export("--culture-mix", "german=1,others=1", *more, form=form, runs=("a", "b"))
    assert done.code == 0, done.err
    counts = manifest()["rows_by_culture"]
    assert counts["german"] == sum(counts.values()) - counts["german"] > 0


@pytest.mark.parametrize(
    ("mix", "said"),
    [
        ("german=3,chinese=1", "there are no rows of chinese; there are german"),
        ("german=1,turkish=1,korean=1,others=1", "there are no rows of others; there are german"),
        ("german=100000,others=1", "less than one row of others"),
        ("german=1,klingon=1", "must be one of"),
        ("german=1", "mixes nothing"),
        ("german=0,others=1", "shares above zero are wanted"),
        ("german=nan,others=1", "shares above zero are wanted"),
        ("german=1,german=2", "names one twice"),
        ("german", "cultures with their shares"),
        ("", "cultures with their shares"),
    ],
)
@pytest.mark.usefixtures("store")
def test_a_mix_that_cannot_be_is_refused_with_what_is_there(mix: str, said: str) -> None:
    done = export("--culture-mix", mix)
    assert (done.code, done.out) == (2, "")
    assert said in done.err


def test_shares_hold_within_a_row_and_no_larger_mix_has_them() -> None:
    mix = Mix((), culture_mix_of("x=5,y=2,others=3"))
    rows = [(f"{culture}{n}", mix.cell(None, culture)) for culture, count in (("x", 57), ("y", 40), ("z", 31))
            for n in range(count)]  # fmt: skip
    gone = mix.surplus(rows)
    left = Counter(name[0] for name, _ in rows if name not in gone)
    measure = min(57 / 5, 40 / 2, 31 / 3)
    assert left == {"x": round(5 * measure), "y": round(2 * measure), "z": 31}
    assert checked_culture_mix({}) == {}
    assert not Mix().thins
