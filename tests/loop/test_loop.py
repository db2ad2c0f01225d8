"""`culturepark loop` as its users meet it: a tiny base is trained for real, and an endpoint answers for it.

How near each adapter is to whom is planted in the endpoint, so it is known what the verdict has to be.
"""

from __future__ import annotations

import json
import random
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from culturepark.domain import JsonObject
from culturepark.languages.countries import country_name
from tests.cli.test_cli import Done, away, cli  # noqa: F401 - `away` is used by every test
from tests.evaluate.test_evaluate import shown
from tests.support.endpoint import Endpoint, Fault, weighed
from tests.support.tiny import make

HOME = {"german": "DEU", "turkish": "TUR"}
NAMES = {country_name(code): code for code in HOME.values()}
TALKS = """\
name: talks
title: Talks about one question
setting: cross-cultural
cultures: [turkish, german]
seeds:
  - survey: wvs7/Q33
max_turns: 6
"""
LOOP = """\
loop: planted
title: Does it come nearer?
cultures: [german, turkish]
rows: {{scenario: talks.yaml, model: scripted, dialogues: 2}}
train: {{base: {base}, max_steps: 2, batch: 2, device: cpu}}
seeds: [1]
shares: [0.5]
evaluate: {{items: 16, model: "openai:base@{url}", adapters: "openai:{{name}}@{url}"}}
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("base"))


Knows = Callable[[str, str], float]
"""Name of a model, and the country that it is asked about -> how much of its answer is the country's own shares."""


def answering(knows: Knows) -> Callable[[JsonObject, int], Fault]:
    """An endpoint whose models mix the shares of the country that they are asked about into answers all alike."""

    def reply(body: JsonObject, _: int) -> Fault:
        item, letters = shown(body)
        told = str(body["messages"][0]["content"])
        country = next(code for name, code in NAMES.items() if name in told)
        model = str(body["model"])
        part = knows(model, country) + random.Random(f"{model} {item.key}").uniform(-0.05, 0.05)
        shares = item.shares[country]
        masses = {c: part * shares.get(c, 0.0) + (1 - part) / len(item.codes) for c in item.codes}
        return weighed({letter: masses[code] for letter, code in letters.items()})

    return reply


def talk_knows(model: str, country: str) -> float:
    """Only what was trained on the talk knows more than the base, and it knows more of its own country."""
    if not model.startswith("talk"):
        return 0.2
    return 0.7 if HOME["german" if "german" in model else "turkish"] == country else 0.3


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint(reply=answering(talk_knows)) as endpoint:
        yield endpoint


SMALL = {"cultures": "[german]", "controls": "[shuffled]", "shares": "[]"}
"""Of one culture, with one control: few adapters."""


def written(base: Path, endpoint: Endpoint, **changes: str) -> None:
    """Write the loop file and its scenario, with other values of some keys."""
    Path("talks.yaml").write_text(TALKS)
    keys = dict(line.split(": ", 1) for line in LOOP.format(base=base, url=endpoint.url).splitlines())
    Path("mine.yaml").write_text("".join(f"{key}: {value}\n" for key, value in (keys | changes).items()))


def loop(*options: str) -> Done:
    return cli("loop", "mine.yaml", "--out", "out", *options)


def counts() -> dict[str, int]:
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        return {
            table: db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("run", "call", "evaluation", "answer", "artefact", "trained")
        }


def contrast(document: JsonObject, a: str, b: str, culture: str, split: str = "held-out") -> JsonObject:
    (found,) = [
        c
        for c in document["contrasts"]
        if (c["a"], c["b"], c["culture"], c["split"]) == (a, b, culture, split) and c["family"] == "arms"
    ]
    one: JsonObject = found
    return one


def test_from_rows_to_a_verdict_that_finds_what_was_planted(base: Path, endpoint: Endpoint) -> None:
    written(base, endpoint)
    done = loop("--json")
    assert done.code == 0, done.err
    document = done.json
    assert document == json.loads(Path("out/loop.json").read_text("utf-8"))
    assert document["missing"] == []
    assert len(document["adapters"]) == (4 + 1) * 2  # arms and one share, cultures
    assert document["seeds_of_rows"] == ["wvs7/Q33"]
    for culture in ("german", "turkish", "all"):
        assert contrast(document, "talk", "base", culture)["word"] == "nearer"
        for control in ("other-culture", "seeds-alone", "shuffled"):
            assert contrast(document, control, "base", culture)["word"] == "no difference"
            assert contrast(document, "talk", control, culture)["word"] == "nearer"
        says = next(one["says"] for one in document["readings"] if one["culture"] == culture)
        assert says == "talk is nearer than the base, and than every control"
    own = [c for c in document["contrasts"] if c["family"] == "own people"]
    assert {(c["culture"], c["word"]) for c in own} == {("german", "nearer"), ("turkish", "nearer"), ("all", "nearer")}
    levels = {
        (level["who"], level["culture"]): level["value"] for level in document["levels"] if level["split"] == "held-out"
    }
    assert levels["talk", "german"] < levels["base", "german"] < levels["null: uniform", "german"]
    assert {point["share"] for point in document["curve"]} == {0.5, 1.0}
    told = Path("out/README.md").read_text("utf-8")
    assert "**german**: talk is nearer than the base, and than every control (skill beside the stronger" in told
    assert "moved towards its own people more than towards the others" in told
    assert "A script wrote the rows" in told
    assert "about turkish" in told

    # Nothing is done again, and the figures are the same.
    before, asked = counts(), len(endpoint.requests)
    again = loop("--json")
    assert again.json == document
    assert (counts(), len(endpoint.requests)) == (before, asked)
    assert "train" not in again.err
    # Every step is a command of its own, which is done already.
    steps = loop("--dry-run", "--json").json
    assert all(step["done"] for step in steps if step["stage"] != "verdict")
    train = next(step["command"] for step in steps if step["what"] == "shuffled-german-1")
    assert "nothing was trained again" in cli(*train.split()[1:]).err
    ask = next(s["command"] for s in steps if s["stage"] == "evaluate" and s["what"] == "talk-turkish-1")
    assert "has asked this already" in cli(*ask.split()[1:]).err
    assert counts() == before
    # An adapter leads to the rows behind it; one of a control says what it is.
    traced = cli("trace", "out/adapters/talk-german-1", "--json").json
    assert all(row["row_id"].startswith("loop-planted.d") for row in traced["rows"])
    assert not any(row["row_id"] for row in cli("trace", "out/adapters/shuffled-german-1", "--json").json["rows"])
    card = Path("out/adapters/shuffled-german-1/README.md").read_text("utf-8")
    assert "control: shuffled" in card


def test_nothing_planted_is_no_difference_that_this_test_could_see(base: Path) -> None:
    with Endpoint(reply=answering(lambda *_: 0.3)) as endpoint:
        # Controls can come later: what is trained already stays as it is.
        written(base, endpoint, **SMALL | {"controls": "[]"}, seeds="[1, 2]")
        assert loop("--until", "train").code == 0
        before = Path("out/adapters/talk-german-2/training.json").read_bytes()
        written(base, endpoint, **SMALL, seeds="[1, 2]")
        done = loop("--json")
        assert "train shuffled-german-1" in done.err
        assert "train talk" not in done.err
        assert Path("out/adapters/talk-german-2/training.json").read_bytes() == before
        document = done.json
    assert {c["word"] for c in document["contrasts"] if c["split"] == "held-out"} == {"no difference"}
    for one in document["readings"]:
        assert one["says"].startswith("no difference that this test could see (it would have seen 0.")


@pytest.mark.parametrize("stage", ["train", "ask"])
def test_what_was_stopped_goes_on_where_it_was(stage: str, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from culturepark.train import adapter

    trained, asked, stop = [0], [0], [True]
    progress = adapter.Progress

    def step(*values: Any) -> Any:
        trained[0] += values[0] > 0  # 0 while the base is loaded
        if stage == "train" and stop[0] and trained[0] == 3:
            signal.raise_signal(signal.SIGINT)
        return progress(*values)

    monkeypatch.setattr(adapter, "Progress", step)
    answer = answering(talk_knows)

    def reply(body: JsonObject, number: int) -> Fault:
        asked[0] += 1
        if stage == "ask" and stop[0] and asked[0] == 40:
            import os

            os.kill(os.getpid(), signal.SIGINT)
        return answer(body, number)

    with Endpoint(reply=reply) as endpoint:
        written(base, endpoint, **SMALL)
        halted = loop()
        assert halted.code == 130, halted.err
        assert not Path("out/loop.json").exists()
        stop[0] = False
        so_far = loop("--so-far", "--json")
        assert so_far.code == 0, so_far.err
        assert so_far.json["missing"]
        done = loop("--json")
        assert done.code == 0, done.err
    document = done.json
    assert document["missing"] == []
    assert trained[0] == 2 * len(document["adapters"])  # no step twice
    assert counts()["answer"] == document["cost"]["answers"]


def test_rows_that_have_changed_and_other_loops_are_refused(base: Path, endpoint: Endpoint) -> None:
    written(base, endpoint)
    assert loop("--until", "rows").code == 0
    made = Path("out/rows/made.json").read_bytes()
    assert loop("--until", "rows").code == 0
    assert Path("out/rows/made.json").read_bytes() == made
    text = Path("mine.yaml").read_text()
    written(base, endpoint, export="{grounded: true}")
    refused = loop("--until", "rows")
    assert refused.code == 2
    assert "holds the rows of another loop" in refused.err
    Path("mine.yaml").write_text(text)
    with closing(sqlite3.connect("runs/culturepark.db")) as db:
        db.execute(
            "UPDATE sample SET status = 'rejected' WHERE id = (SELECT min(id) FROM sample WHERE status = 'kept')"
        )
        db.commit()
    assert "have changed in the store" in loop("--until", "rows").err


def test_the_steps_are_named_before_anything_is_there(base: Path, endpoint: Endpoint) -> None:
    written(base, endpoint)
    done = loop("--dry-run")
    assert done.code == 0, done.err
    assert "culturepark simulate talks.yaml --model scripted --dialogues 2 --seed 1 --run-id loop-planted" in done.out
    assert "culturepark export loop-planted --format trl --out out/rows/all" in done.out
    assert done.out.count("train: ") == 10
    assert not Path("runs").exists()
    assert not Path("out").exists()
    assert "is not known yet" in done.err


def test_a_base_that_nobody_can_ask_is_refused_before_anything_is_done(base: Path, endpoint: Endpoint) -> None:
    written(base, endpoint, evaluate="{}")
    done = loop()
    assert done.code == 2
    assert "say under `evaluate` how base and adapters are asked" in done.err
    assert not Path("out").exists()


WRONG = {
    "both": ("rows: {runs: [a], scenario: b}", "rows are either of a `scenario`, or of `runs`"),
    "no rows": ("rows: {}", "rows are either of a `scenario`, or of `runs`"),
    "one culture": ("cultures: [german]", "other-culture needs rows of a second culture"),
    "no such culture": ("cultures: [german, klingon]", "klingon"),
    "twice": ("seeds: [1, 1]", "seeds[2]: 1 stands here twice"),
    "no such scenario": ("rows: {scenario: nowhere.yaml}", "no such scenario: nowhere.yaml"),
    "pairs and seeds": ("train: {method: dpo}", "seeds-alone makes single samples"),
    "last": ("rows: {runs: [last]}", "`last` is another run after each step"),
    "no hole": ("evaluate: {adapters: 'openai:x'}", "must hold {folder} or {name}"),
    "unknown": ("arms: 3", "unknown key; allowed here: loop, title"),
}
SOUND = {"loop": "l", "title": "L", "cultures": "[german, turkish]", "rows": "{runs: [a]}"}


@pytest.mark.parametrize(("line", "said"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_file_is_told_with_its_line(line: str, said: str) -> None:
    keys = {**SOUND, line.partition(":")[0]: line.partition(": ")[2]}
    Path("mine.yaml").write_text("".join(f"{key}: {value}\n" for key, value in keys.items()))
    number = [*keys].index(line.partition(":")[0]) + 1
    for command in (("check", "mine.yaml"), ("loop", "mine.yaml", "--dry-run")):
        done = cli(*command)
        assert done.code == 2
        assert f"mine.yaml:{number}: " in done.err
        assert said in done.err


def test_shipped_and_new_loops_are_sound() -> None:
    assert cli("new", "loop", "mine").code == 0
    assert "mine.yaml: loop (4 arms of 2 cultures, 2 seeds; TODO in line" in cli("check", "mine.yaml").out
    assert cli("loop", "loop", "--dry-run").code == 0
    assert "loop" not in [one["name"] for one in cli("scenarios", "--json").json]
    assert "neither a file nor a shipped one (loop)" in cli("loop", "nothing", "--dry-run").err


def test_all_mistakes_of_a_loop_file_are_told_at_once() -> None:
    Path("mine.yaml").write_text(
        "loop: mine\ntitle: A loop\ncultures: [turkisch, gone.yaml]\nrows: {scenario: gone-too.yaml}\n"
        "train: {base: gpt2, epoch: 3}\nseeds: [1, 1]\nevaluate: {suite: survay}\n"
    )
    wrong = cli("check", "mine.yaml")
    assert (wrong.code, wrong.out) == (2, "")
    for line, said in {
        "3: cultures[1]": "turkish",
        "4: rows.scenario": "no such scenario: gone-too.yaml",
        "5: train.base": "no such folder; name embedded, gguf:PATH",
        "5: train.epoch": "epochs",
        "6: seeds[2]": "1 stands here twice",
        "7: evaluate.suite": "survay",
    }.items():
        assert any(f"mine.yaml:{line}: " in row and said in row for row in wrong.err.splitlines()), (line, wrong.err)


def test_a_base_that_cannot_be_asked_here_is_told_by_check() -> None:
    plain = "loop: mine\ntitle: A loop\ncultures: [german, turkish]\nrows: {runs: [a]}\n"
    Path("mine.yaml").write_text(plain + "train: {base: some/model}\n")
    assert "is no model that can be asked here" in cli("check", "mine.yaml").err
    asked = "evaluate: {model: 'openai:b@http://h/v1', adapters: 'openai:{name}@http://h/v1'}\n"
    Path("mine.yaml").write_text(plain + "train: {base: some/model}\n" + asked)
    fine = cli("check", "mine.yaml")
    assert fine.code == 0, fine.err
    assert "whether its runs are in the store" in fine.out


def test_a_dry_run_misses_runs_and_counts_questions_before_anything_was_measured(
    base: Path, endpoint: Endpoint
) -> None:
    written(base, endpoint, rows="{runs: [gone, away]}")
    missing = loop("--dry-run")
    assert (missing.code, missing.out) == (2, "")
    assert "rows.runs: not in this store: gone, away" in missing.err
    written(base, endpoint)
    first = loop("--dry-run")
    assert first.code == 0, first.err
    assert "evaluate: the base, 64 questions" in first.out
    assert first.out.count("culturepark train ") == first.out.count("culturepark evaluate ") == 1
    assert "it is once this store has a training on this base" in first.err
    assert loop("--until", "rows").code == 0
    assert "train: talk-german-1, 2 steps" in loop("--dry-run").out
