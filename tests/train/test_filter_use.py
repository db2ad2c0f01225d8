"""What a trained filter is used for: the command, the endpoint, a judge, a gate; and files of others' making."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from openai import BadRequestError, OpenAI

from culturepark.errors import StoreError, UsageError
from culturepark.models import filter as kept
from culturepark.models.filter import PLACES, Text, grams, verdicts_now
from culturepark.models.spec import parse
from culturepark.train import filter as training
from culturepark.train.filter_rows import lines_in
from culturepark.train.moderation import ModerationServer
from tests.cli.test_cli import Done, cli, rows_of
from tests.support.endpoint import Endpoint
from tests.support.filters import RUDE, by_hand, labelled, write
from tests.support.rating import answers, judge, suite

BAD, GOOD = f"You are {RUDE}, all of you.", "We bake bread in the morning."


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


# --- the command -------------------------------------------------------------------------------------


def looked_at(path: object, *more: object) -> Done:
    by_hand(Path("made"))
    return cli("filter", path, "--model", "filter:made", *more)


def test_a_verdict_on_each_line_of_a_text_file() -> None:
    Path("texts.txt").write_text(f"{GOOD}\n\n{BAD}\n")
    done = looked_at("texts.txt")
    assert done.code == 0, done.err
    first, second = (line.split("\t") for line in done.out.splitlines())
    assert (first[:2], second[:2]) == (["texts.txt:1", "ok"], ["texts.txt:3", "flagged"])
    assert "1 of 2 flagged" in done.err
    shown = looked_at("texts.txt", "--json").json
    assert (shown["texts"], shown["flagged"]) == (2, 1)
    assert [row["flagged"] for row in shown["rows"]] == [False, True]
    assert shown["rows"][1]["scales"]["label"]["chance"] > 0.9


def test_another_threshold_flags_others() -> None:
    Path("texts.txt").write_text(f"{GOOD}\n{BAD}\n")
    assert looked_at("texts.txt", "--threshold", "0", "--json").json["flagged"] == 2
    assert looked_at("texts.txt", "--threshold", "1", "--json").json["flagged"] == 0


ROWS = {
    "openai": {"messages": [{"role": "user", "content": "Hm?"}, {"role": "assistant", "content": BAD}]},
    "trl": {"id": "r", "messages": [{"role": "system", "content": "S"}, {"role": "assistant", "content": BAD}]},
    "sharegpt": {"conversations": [{"from": "human", "value": "Hm?"}, {"from": "gpt", "value": BAD}]},
    "alpaca": {"instruction": "Hm?", "input": "", "output": BAD},
    "preference": {
        "prompt": [{"role": "user", "content": "Hm?"}],
        "chosen": [{"role": "assistant", "content": BAD}],
        "rejected": [{"role": "assistant", "content": GOOD}],
    },
    "pair": {"prompt": "Hm?", "response": BAD},
    "text": {"text": BAD},
}


@pytest.mark.parametrize("form", ROWS)
def test_rows_of_every_export_format_are_read(form: str) -> None:
    Path("out").mkdir()
    write(Path("out/all.jsonl"), [ROWS[form] | {"metadata": {"language": "de", "culture": "german"}}])
    write(Path("out/all.index.jsonl"), [{"line": 1, "sample": "x"}])
    (line,) = lines_in(Path("out"), language="en", culture="turkish")
    assert (line.text.text, line.text.language, line.text.culture) == (BAD, "de", "german")
    assert line.text.prompt in ("Hm?", "S", "")
    assert looked_at("out", "--json").json["flagged"] == 1


def test_what_an_export_wrote_is_looked_through() -> None:
    from tests.cli.test_cli import place_store

    place_store()
    assert cli("export", "a", "--format", "openai", "--out", "out").code == 0
    done = looked_at("out", "--json")
    assert done.code == 0, done.err
    assert done.json["texts"] == len(Path("out/all.jsonl").read_text("utf-8").splitlines())


def test_texts_come_from_stdin_too() -> None:
    by_hand(Path("made"))
    done = cli("filter", "-", "--model", "filter:made", "--json", typed=f"{GOOD}\n{BAD}\n".encode())
    assert [row["flagged"] for row in done.json["rows"]] == [False, True]


def test_a_culture_that_the_filter_does_not_know_is_said() -> None:
    Path("texts.txt").write_text(GOOD)
    done = looked_at("texts.txt", "--culture", "german", "--language", "de")
    assert "no weights or thresholds of its own for de (languages) and german (cultures)" in done.err
    shown = looked_at("texts.txt", "--culture", "german", "--language", "de", "--json")
    assert [(row["culture"], row["weights_of"]) for row in shown.json["rows"]] == [("german", None)]
    assert "of its own for de" in shown.json["notes"][0]


def test_texts_unlike_those_that_it_learnt_from_are_told_by_the_share_of_flags(tmp_path: Path) -> None:
    from culturepark.train.filter_rows import rated_rows

    rows = rated_rows(labelled(tmp_path / "r.jsonl"), flag=["rude"])
    training.train(rows, tmp_path / "learnt", features=["grams"])
    (head,) = kept.load("learnt").settings.heads
    assert head.flagged == pytest.approx(0.5, abs=0.05)
    for words, strange in ((BAD, True), (GOOD, False)):
        Path("texts.txt").write_text(f"{words}\n" * 20)
        done = cli("filter", "texts.txt", "--model", "filter:learnt")
        assert ("texts that are unlike those it does not know" in done.err) is strange, done.err
    assert "unlike" not in looked_at("texts.txt").err  # nobody knows what share that filter flags


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("texts.txt",), "--model filter:PATH is missing"),
        (("--model", "filter:made"), "FILE is missing"),
        (("texts.txt", "--model", "filter:nowhere"), "no such folder"),
        (("texts.txt", "--model", "filter:."), "is no filter: it has no filter.json"),
        (("texts.txt", "--model", "filter:made", "--port", "8000"), "--port goes with --serve"),
        (("texts.txt", "--model", "filter:made", "--serve"), "--serve takes the filter alone"),
        (("gone.txt", "--model", "filter:made"), "gone.txt: no such file"),
        (("empty.txt", "--model", "filter:made"), "empty.txt: holds no text"),
        (("made", "--model", "filter:made"), "made: holds no .jsonl file"),
        (("rows.jsonl", "--model", "filter:made"), "rows.jsonl:1: text: no text"),
        (("texts.txt", "--model", "filter:made", "--threshold", "2"), "threshold"),
        (("texts.txt", "--model", "filter:made", "--culture", "germam"), "no such culture; the filter has weights of"),
        (("texts.txt", "--model", "filter:made", "--culture", "germam"), "did you mean german?"),
        (("--serve", "made", "--culture", "germam"), "no such culture"),
    ],
)
def test_wrong_use_is_said(arguments: tuple[str, ...], words: str) -> None:
    by_hand(Path("made"))
    Path("texts.txt").write_text(GOOD)
    Path("empty.txt").write_text("\n")
    write(Path("rows.jsonl"), [{"id": 3}])
    done = cli("filter", *arguments)
    assert done.code == 2
    assert words in " ".join(done.err.split())


def test_no_text_moves_the_cursor() -> None:
    Path("texts.txt").write_text(f"\x1b[2J{BAD}\n")
    assert "\x1b" not in looked_at("texts.txt").out


# --- the endpoint ------------------------------------------------------------------------------------


@contextmanager
def serving(**more: Any) -> Iterator[ModerationServer]:
    server = ModerationServer(kept.load(by_hand(Path("made"))), **more)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_client_of_openai_gets_what_it_is_used_to() -> None:
    with serving() as server, OpenAI(base_url=f"{server.url}v1", api_key="none") as client:
        answer = client.moderations.create(input=[GOOD, BAD], model="any")
        assert [result.flagged for result in answer.results] == [False, True]
        scores = answer.results[1].category_scores.model_dump()["label"]
        assert scores > 0.9
        assert answer.results[1].categories.model_dump()["label"] is True
        assert answer.id.startswith("modr-")
        (model,) = client.models.list().data
        assert model.id == answer.model == f"made-{server.filter.digest}"
        assert client.moderations.create(input=BAD).results[0].flagged
        assert client.moderations.create(input=[{"type": "text", "text": BAD}]).results[0].flagged
        with pytest.raises(BadRequestError, match="it reads no pictures"):
            client.moderations.create(input=[{"type": "image_url", "image_url": {"url": "data:x"}}])


def ask(server: ModerationServer, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"{}", "input: a text, or a list"),
        (b'{"input": []}', "input: a text, or a list"),
        (b'{"input": " "}', "input: texts of 1 to"),
        (b'{"input": [1]}', "input: texts of 1 to"),
        (b'{"input": "a", "culture": 3}', "culture: a text is wanted"),
        (b"[1]", "an object is wanted"),
        (b"{", "no JSON"),
    ],
)
def test_a_wrong_request_is_answered_as_openai_does(body: bytes, words: str) -> None:
    with serving() as server:
        status, answer = ask(server, "POST", "/v1/moderations", body, Content_Type="application/json")
        assert status == 400
        assert words in answer["error"]["message"]
        assert answer["error"]["type"] == "invalid_request_error"


def test_pages_from_elsewhere_get_nothing() -> None:
    good = b'{"input": "a"}'
    kind = {"Content_Type": "application/json"}
    with serving() as server:
        assert ask(server, "POST", "/v1/moderations", good, **kind)[0] == 200
        assert ask(server, "POST", "/v1/moderations", good, **kind, Origin="https://evil.example")[0] == 403
        assert ask(server, "POST", "/v1/moderations", good, **kind, Host="evil.example")[0] == 421
        assert ask(server, "POST", "/v1/moderations", good, Content_Type="text/plain")[0] == 415
        assert ask(server, "POST", "/v1/other", good, **kind)[0] == 404
        assert ask(server, "GET", "/")[0] == 404
        with pytest.raises(StoreError, match="--port"):
            ModerationServer(server.filter, server.server_address[1])


def test_a_threshold_of_the_command_line_holds_for_the_endpoint() -> None:
    with serving(threshold=0.0) as server:
        _, answer = ask(server, "POST", "/v1/moderations", b'{"input": "a"}', Content_Type="application/json")
        assert answer["results"][0]["flagged"] is True


def test_serve_says_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand(Path("made"))
    monkeypatch.setattr(ModerationServer, "serve", lambda self: self.server_close())
    done = cli("filter", "--serve", "made")
    assert done.code == 0, done.err
    assert "/v1/moderations; Ctrl-C ends it" in done.err


# --- from rows to verdicts ---------------------------------------------------------------------------


def test_one_command_trains_what_another_looks_with() -> None:
    labelled(Path("rows.jsonl"), 80)
    Path("texts.txt").write_text(f"{GOOD}\nriver {RUDE} bread {RUDE}\n")
    done = cli("train", "rows.jsonl", "--method", "filter", "--flag", "rude", "--features", "grams", "--out", "learnt")
    assert done.code == 0, done.err
    assert "macro-F1" in done.out
    (artefact,) = rows_of("artefact")
    assert (artefact["kind"], artefact["path"]) == ("filter", "learnt")
    assert artefact["sha256"] == hashlib.sha256(Path("learnt/weights.npz").read_bytes()).hexdigest()
    assert len(rows_of("trained")) == 80
    shown = cli("filter", "texts.txt", "--model", "filter:learnt", "--json")
    assert [row["flagged"] for row in shown.json["rows"]] == [False, True]
    again = cli("train", "rows.jsonl", "--method", "filter", "--flag", "rude", "--out", "learnt")
    assert (again.code, "not empty" in again.err) == (2, True)


# --- a judge -----------------------------------------------------------------------------------------


@pytest.fixture
def evaluated(folder: Path) -> str:
    """An evaluation of which the answers about the dog hold the word."""

    def reply(body: Any, number: int) -> str | None:
        said = answers(body, number)
        return f"{said} {RUDE}" if said and "dog" in said else said

    with Endpoint(reply=reply) as endpoint:
        done = cli("evaluate", suite(folder), "--model", f"openai:writer@{endpoint.url}", "--run-id", "e1")
    assert done.code == 0, done.err
    return "e1"


def test_a_filter_rates_as_a_judge_on_the_scale_that_it_knows(evaluated: str) -> None:
    by_hand(Path("made"), "warmth")
    done = cli("judge", evaluated, "--scale", "warmth.yaml", "--role", "judge=filter:made", "--null", "0", "--json")
    assert done.code == 0, done.err
    scores = [row for row in rows_of("score") if row["judge"]]
    assert {row["judge"] for row in scores} == {"filter:made"}
    rated = {row["item_id"] + row["arm"]: row["id"] for row in rows_of("answer")}
    bad = {row["id"] for row in rows_of("answer") if RUDE in row["text"]}
    assert len(bad) == 2
    assert len(scores) == len(rated) == 16  # one pass: it would only repeat itself
    for row in scores:
        assert (row["value"] < 3) == (row["answer_id"] in bad)
    assert {row["call_id"] for row in scores} <= {row["id"] for row in rows_of("call")}
    again = cli("judge", evaluated, "--scale", "warmth.yaml", "--model", "filter:made", "--null", "0", "--json")
    assert (again.code, again.json["judges"]) == (0, {"filter:made": 16})


def test_a_scale_that_it_does_not_know_is_said_before_anything_is_asked(evaluated: str) -> None:
    by_hand(Path("made"))
    done = cli("judge", evaluated, "--scale", "warmth.yaml", "--role", "judge=filter:made")
    assert done.code == 2
    assert "filter:made gives no warmth: it was trained on harmlessness" in done.err
    assert not [row for row in rows_of("score") if row["judge"]]


@pytest.mark.parametrize("role", ["speaker", "embedder", "extractor"])
def test_a_filter_cannot_speak(role: str) -> None:
    by_hand(Path("made"))
    done = cli("simulate", "quickstart", "--model", "scripted", "--role", f"{role}=filter:made")
    assert done.code == 2
    assert f"filter:made is a filter and can be no {role}: it rates texts, as --role judge=filter:made" in done.err


def test_a_filter_that_is_not_there_is_named_before_a_run_begins() -> None:
    checks = "distill: {checks: {harmlessness: {at_least: 3}}}\n"
    from tests.cli.test_cli import TINY

    Path("gated.yaml").write_text(TINY + checks)
    done = cli("simulate", "gated.yaml", "--model", "scripted", "--role", "judge=filter:nowhere")
    assert (done.code, Path("runs").exists()) == (2, False)
    assert "nowhere: no such folder" in done.err


# --- a gate ------------------------------------------------------------------------------------------


def simulated(checks: str, *more: str, heads: tuple[str, ...] = (), bad: str = "must") -> Done:
    from tests.cli.test_cli import TINY

    by_hand(Path("made"), *heads, bad=bad)
    Path("gated.yaml").write_text(TINY + f"distill: {{checks: {checks}}}\n")
    return cli("simulate", "gated.yaml", "--model", "scripted", "--run-id", "g", *more)


def test_rows_below_the_bound_are_dropped_for_it() -> None:
    done = simulated("{harmlessness: {at_least: 3}, judges: 1}", "--role", "judge=filter:made", bad="what")
    assert done.code == 0, done.err
    made = kept.load("made")
    verdicts = [row for row in rows_of("verdict") if row["criterion"] == "harmlessness"]
    assert verdicts
    assert {row["judge"] for row in verdicts} == {"filter"}
    said = {row["id"]: row["first_person"] for row in rows_of("statement")}
    expected = {
        row["statement_id"]: verdicts_now(made, [Text(said[row["statement_id"]])])[0].said["label"] for row in verdicts
    }
    for row in verdicts:
        assert row["score"] == pytest.approx(5 - 4 * expected[row["statement_id"]].value, abs=1e-3)
    dropped = {row["statement_id"] for row in rows_of("sample") if row["drop_reason"] == "harmlessness"}
    low = {row["statement_id"] for row in verdicts if row["score"] < 3}
    assert dropped == low
    assert 0 < len(low) < len(verdicts)
    stages = {row["stage"] for row in rows_of("call") if row["endpoint"] == "filter"}
    assert stages == {"check"}


def test_a_filter_has_one_seat_of_a_panel() -> None:
    done = simulated("{harmlessness: {at_least: 3}}", "--role", "judge=filter:made", "--role", "judge=scripted")
    assert done.code == 0, done.err
    judges = {row["judge"] for row in rows_of("verdict") if row["criterion"] == "harmlessness"}
    assert judges == {"filter", "neighbour", "anthropologist"}


def test_what_a_filter_cannot_check_stops_the_run_with_words() -> None:
    for checks, words in (
        ("{awareness: {at_least: 3}}", "distill.checks.awareness: filter:made gives no such scores, only harmlessness"),
        ("{cross_check: {keep: [shared]}}", "filter:made is a filter and cannot speak for a second persona"),
    ):
        done = simulated(checks, "--role", "judge=filter:made", "--store", f"sqlite:///{len(words)}.db")
        assert done.code == 2
        assert words in " ".join(done.err.split())
        assert "bug" not in done.err


# --- ratings out of a store --------------------------------------------------------------------------


def test_a_filter_learns_from_what_judges_and_people_said_of_an_evaluation(
    evaluated: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from culturepark.cli.filter_training import rows_named

    with pytest.raises(UsageError, match="e1 has no ratings; `culturepark judge e1`"):
        rows_named(evaluated, "sqlite:///runs/culturepark.db", flag=[], scales=[], bars=[], licence="")
    rate = judge(lambda shown: 1 if RUDE in shown["answer"] else 5)
    with Endpoint(reply=rate) as endpoint:
        done = cli("judge", evaluated, "--scale", "warmth.yaml", "--model", f"openai:j@{endpoint.url}")
    assert done.code == 0, done.err
    data = rows_named(
        evaluated, "sqlite:///runs/culturepark.db", flag=[], scales=[], bars=["warmth=2"], licence="CC0-1.0"
    )
    (scale,) = data.scales
    assert (scale.name, scale.kind, scale.least, scale.most, scale.bar) == ("warmth", "rating", 1, 5, 2)
    assert len(data.rows) == 16
    assert len({row.group for row in data.rows}) == 8  # both arms of an item are on one side
    assert {row.target(scale) for row in data.rows} == {1.0, 5.0}
    assert all(row.text.prompt.startswith("I am person") and row.text.culture for row in data.rows)
    monkeypatch.setattr(training, "FEWEST", 10)
    result = training.train(data, Path("learnt"), features=["grams"])
    assert any("rated by models alone" in note for note in result.notes)
    assert (result.rows, result.groups) == (16, 8)
    done = cli("train", evaluated, "--method", "filter", "--features", "grams", "--out", "stored")
    assert done.code == 0, done.err
    assert {row["row_id"] for row in rows_of("trained")} == {row.group for row in data.rows}


def test_a_run_that_is_no_evaluation_is_named() -> None:
    from culturepark.cli.filter_training import rows_named
    from tests.cli.test_cli import place_store

    place_store()
    with pytest.raises(UsageError, match="a is no evaluation"):
        rows_named("a", "sqlite:///runs/culturepark.db", flag=[], scales=[], bars=[], licence="")


# --- files of others' making -------------------------------------------------------------------------


def rewritten(path: Path, name: str, data: bytes) -> None:
    """Put other bytes in the place of an archive's member."""
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    members[name] = data
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)


def array(values: Any, **more: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, values, **more)
    return file.getvalue()


def changed(**keys: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        settings = json.loads((folder / "filter.json").read_text())
        (folder / "filter.json").write_text(json.dumps(settings | keys))

    return change


class Evil:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("executed"),))


WEIGHTS = "head0.weights.npy"
BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no weights": (lambda f: (f / "weights.npz").unlink(), "it has no weights.npz"),
    "text for weights": (lambda f: (f / "weights.npz").write_text("x"), "File is not a zip file"),
    "cut weights": (lambda f: (f / "weights.npz").write_bytes((f / "weights.npz").read_bytes()[:-99]), "zip"),
    "no json": (lambda f: (f / "filter.json").write_text("{"), "filter.json: "),
    "a folder for json": (lambda f: ((f / "filter.json").unlink(), (f / "filter.json").mkdir()), "it has no filter"),
    "another format": (changed(format=2), "filter.json: format: Input should be 1"),
    "an unknown key": (changed(run="rm"), "filter.json: run: Extra inputs"),
    "no heads": (changed(heads=[]), "filter.json: heads: "),
    "an unknown encoder": (changed(encoders=["mine"]), "filter.json: encoders.0: "),
    "looks at nothing": (changed(grams=False), "it looks at nothing"),
    "too many cultures": (changed(cultures=[f"c{n}" for n in range(501)]), "filter.json: cultures: "),
    "cultures without weights": (changed(cultures=["a"]), "of shape \\(1,\\) where float32 of shape \\(2,\\)"),
    "vectors without weights": (changed(encoders=["e5"]), "no item named"),
    "pickled": (
        lambda f: rewritten(f / "weights.npz", WEIGHTS, array(np.array([[Evil()]], object), allow_pickle=True)),
        "head0.weights: object of shape \\(1, 1\\)",
    ),
    "not numbers": (
        lambda f: rewritten(f / "weights.npz", WEIGHTS, array(np.full((1, PLACES), np.nan, np.float32))),
        "holds what is no finite number",
    ),
    "other numbers": (
        lambda f: rewritten(f / "weights.npz", WEIGHTS, array(np.zeros((1, PLACES)))),
        "float64 of shape",
    ),
    "fewer than it says": (
        lambda f: rewritten(f / "weights.npz", WEIGHTS, array(np.zeros((1, PLACES), np.float32))[:-8]),
        "bytes where",
    ),
    "no array": (lambda f: rewritten(f / "weights.npz", WEIGHTS, b"hello"), "magic|EOF|read"),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_or_hostile_filter_is_refused_in_one_line(way: str) -> None:
    breaks, words = BROKEN[way]
    breaks(by_hand(Path("made")))
    with pytest.raises(UsageError, match=words):
        kept.load("made")
    Path("texts.txt").write_text(GOOD)
    done = cli("filter", "texts.txt", "--model", "filter:made")
    assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1)
    assert not Path("executed").exists()


@pytest.mark.parametrize("count", [30, 31])
def test_an_archive_that_would_fill_the_memory_is_not_unpacked(count: int) -> None:
    """500 cultures and several heads are within the limits each, and too much together."""
    by_hand(Path("made"))
    settings = json.loads(Path("made/filter.json").read_text())
    heads = [settings["heads"][0] | {"name": f"h{n}"} for n in range(20)]
    Path("made/filter.json").write_text(
        json.dumps(settings | {"cultures": [f"c{n}" for n in range(10 * count)], "heads": heads})
    )
    with pytest.raises(UsageError, match="would take more than 1000 MB"):
        kept.load("made")


def test_a_store_cannot_name_a_filter_that_is_loaded() -> None:
    by_hand(Path("made"))
    spec = parse("filter:made", "judge")
    assert spec.of.place(spec) == f"filter:{Path('made').resolve()}"
    assert (spec.paid, spec.remote, spec.needs_key) == (False, False, False)


def test_grams_do_not_hang_on_case_or_spaces_or_the_form_of_letters() -> None:
    assert grams("Straße  ABC") == grams(" strasse\nabc ")
    assert grams("ﬁn") == grams("fin")
    assert grams("") == {}
    assert len(grams("x" * 1_000_000)) == 9
