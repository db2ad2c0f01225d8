"""What users would lose if a guarantee were taken back, and no other test would see it; `mutations` takes them back."""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import signal
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from culturepark.distill.dedup import Entry, deduplicate
from culturepark.errors import CultureparkError
from culturepark.redact import KNOWN
from culturepark.report import page
from culturepark.store.database import Driver
from culturepark.store.journal import Journal
from culturepark.store.reviews import Reviews
from culturepark.store.store import Store
from tests.cli.test_cli import away, cli, place_store, rows_of  # noqa: F401 - `away` is used by every test
from tests.export.test_export import another_run, export, lines
from tests.export.test_preference import change_question
from tests.models.test_wire import wire
from tests.support.endpoint import Endpoint, event, raw, status
from tests.support.processes import Forked
from tests.support.trials import at_each_commit, ended, fork, shown, told

KEY = "sk-canary-QzXw81-5f3759df-end"
PATH = "runs/culturepark.db"


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A key that this process alone knows."""
    known = dict(KNOWN)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    yield KEY
    KNOWN.clear()
    KNOWN.update(known)


def rest_of(secret: str, text: str) -> str:
    """As much of a secret's beginning as stands in a text; four characters may be chance."""
    return next((secret[:n] for n in range(len(secret), 4, -1) if secret[:n] in text), "")


# --- rows are held out by question -------------------------------------------------------------------


@pytest.mark.parametrize(("form", "more"), [("trl", ()), ("sharegpt", ("--dialogues",))])
@pytest.mark.sampled
def test_no_question_is_trained_and_validated_on_whatever_the_runs_call_it(form: str, more: tuple[str, ...]) -> None:
    """The seed `weddings` of one run asks what `guests` asks in both; at each share all three keep together."""
    place_store()
    another_run()
    change_question("b", "weddings", "What do you do when a GUEST comes - without notice")
    same = {"guests", "weddings"}
    seeds = {row["id"]: row["seed_key"] for row in rows_of("dialogue")}
    for share in ("0.3", "0.5", "0.7", "0.9"):
        assert export("--split", share, *more, runs=("a", "b"), form=form).code == 0
        halves = [questions_of(Path("out", f"all.{half}.index.jsonl"), seeds) for half in ("train", "validation")]
        assert not halves[0] & halves[1]
        assert same & (halves[0] | halves[1])
        assert not (same & halves[0] and same & halves[1])
        manifest = json.loads(Path("out/manifest.json").read_bytes())
        assert len(same & set(manifest["held_out_seeds"])) in (0, len(same & {*halves[0], *halves[1]}))


def questions_of(index: Path, seeds: dict[str, str]) -> set[str]:
    return {seeds[".".join(row["id"].split(".")[:2])] for row in lines(index)}


# --- secrets -----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_pauses")
async def test_wherever_an_error_is_cut_nothing_of_a_key_is_left(canary: str, tmp_path: Path) -> None:
    """The key at every place of an endpoint's message, and behind as much white space as is let through."""
    said = [f"{'x' * before}{canary} {'y' * 300}" for before in range(135, 220, 25)]
    said += [f"no:{' ' * before}{canary}{' ' * 9000}" for before in (9_980, 9_990)]
    said += ["\u200b" * 9_980 + canary + "\u200b" * 9_000]
    given: list[str] = []
    faults: list[Callable[[str], Any]] = [
        lambda text: status(400, text),
        lambda text: event(json.dumps({"error": {"message": text}})),
        lambda text: raw(json.dumps({"error": {"message": text}})),
        lambda text: event(text),
        lambda text: raw(f"<html>{text}</html>", "text/html"),
        lambda text: raw(f'{{"choices": {text}'),
        lambda text: raw(json.dumps([text])),
        lambda text: event(json.dumps({"choices": [{"index": 0, "delta": text}]})),
        lambda text: raw("{}", f"text/{''.join(text.split())[:4000]}".replace("\u200b", "")),
    ]
    for fault in faults:
        async with wire(tmp_path, lambda body, number: fault(given[-1])) as w:  # noqa: B023
            for number, text in enumerate(said):
                given.append(text)
                with pytest.raises(CultureparkError) as raised:
                    await w.ask(subject=f"r.d{number}")
                assert rest_of(canary, str(raised.value)) == "", len(text)
            assert rest_of(canary, w.dump()) == ""


def test_the_beginning_of_a_text_never_ends_in_half_a_secret(canary: str) -> None:
    """However much shorter a text grows as secrets are taken out of it."""
    from culturepark.redact import remember, shortened

    remember(canary)
    for most in (1, 20, 100, 1000):
        for before in range(0, most + 700, 7):
            text = canary * 3 + "." * before + canary + "." * 2000
            assert rest_of(canary, shortened(text, most)) == ""
            assert len(shortened(text, most)) <= most
    assert shortened("short", 100) == "short"
    assert shortened("." * 5000, 100) == "." * 100


@pytest.mark.parametrize("before", range(40, 110, 14))
def test_a_model_that_is_no_spec_is_cut_behind_the_password_in_it(before: int) -> None:
    password = "pw-canary-0123456789"
    spec = f"opnai:{'m' * before}@https://me:{password}@gateway.example/v1"
    for arguments in (("--model", spec), ("--role", spec), ("--role", f"speaker={spec}"), ("--model", f"hf:{spec}")):
        done = cli("simulate", "short.yaml", *arguments)
        assert done.code == 2
        assert rest_of(password, done.err) == ""


@pytest.mark.parametrize("before", range(32, 62, 10))
def test_a_file_that_holds_the_key_is_quoted_without_it(canary: str, before: int, tmp_path: Path) -> None:
    from culturepark.redact import remember

    remember(canary)
    text = f"{'x' * before}{canary}"
    Path("wrong.yaml").write_text(f"name: wrong\ntitle: Wrong\nsetting: {text}\nprotocol: {text}\n{text}: 1\n")
    done = cli("check", "wrong.yaml")
    assert done.code == 2
    assert rest_of(canary, done.err + done.out) == ""


@pytest.mark.parametrize("before", [280, 475])
def test_a_bug_is_told_and_stored_without_the_key_in_it(
    canary: str, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ValueError(f"{'x' * before}{canary}")

    with Endpoint() as endpoint, monkeypatch.context() as patched:
        patched.setattr(Journal, "add_turn", broken)
        done = [cli("simulate", "short.yaml", "--model", f"openai:test@{endpoint.url}", "--run-id", "a")]
        patched.setattr(Store, "run", broken)
        done.append(cli("export", "a", "--format", "trl", "--out", "rows"))
    done += [cli("runs"), cli("stats", "a"), cli("replay", "a")]
    assert "a bug" in done[0].err
    assert "a bug" in done[1].err
    assert rest_of(canary, "".join(one.out + one.err for one in done)) == ""
    assert rest_of(canary, json.dumps([rows_of("run"), rows_of("dialogue"), rows_of("call")])) == ""


def logprobs_of(text: str, width: int) -> list[dict[str, Any]]:
    pieces = [text[at : at + width] for at in range(0, len(text), width)]
    return [
        {
            "token": piece,
            "logprob": -0.1,
            "bytes": list(piece.encode()),
            "top_logprobs": [{"token": piece, "logprob": -0.1, "bytes": list(piece.encode())}],
        }
        for piece in pieces
    ]


def spelled_in(data: Any) -> Iterator[str]:
    """Whatever lists of tokens anywhere in some JSON spell, by their words and by their bytes."""
    if isinstance(data, dict):
        for value in data.values():
            yield from spelled_in(value)
    elif isinstance(data, list):
        if data and all(isinstance(one, dict) and "token" in one for one in data):
            yield "".join(str(one["token"]) for one in data)
            yield bytes(b for one in data for b in one.get("bytes") or []).decode("utf-8", "replace")
        for value in data:
            yield from spelled_in(value)


@pytest.mark.parametrize("width", [1, 7])
@pytest.mark.parametrize("where", ["content", "refusal", "reasoning_content", "nowhere else"])
@pytest.mark.parametrize("streamed", [True, False])
async def test_no_log_probabilities_spell_a_key(
    canary: str, tmp_path: Path, width: int, where: str, streamed: bool
) -> None:
    text = f"My number is {canary}, call me."
    said = {"content": "Tea comes first."} | ({where: text} if " " not in where else {})
    tokens = {"content": logprobs_of(text, width)}
    if where == "refusal":
        tokens = {"refusal": logprobs_of(text, width), "content": []}
    choice: dict[str, Any] = {"index": 0, "logprobs": tokens, "finish_reason": "stop"}
    head = {"id": "c", "model": "test", "created": 1}
    chunk = head | {"object": "chat.completion.chunk", "choices": [choice | {"delta": said}]}
    plain = head | {"object": "chat.completion", "choices": [choice | {"message": {"role": "assistant"} | said}]}
    answer = event(json.dumps(chunk)) if streamed else raw(json.dumps(plain))
    async with wire(tmp_path, answer) as w:
        await w.ask()
        ((stored,),) = [[row["response"]] for row in w.calls]
        assert canary not in w.dump()
        assert not [one for one in spelled_in(json.loads(stored)) if canary in one]


# --- files are whole or not there --------------------------------------------------------------------


def dying(kind: str, nth: int) -> None:
    """From now on this process dies at the n-th file that it opens to write, renames or deletes, before it does so.

    What it writes into a hidden folder, aside from all, counts only where it moves something.
    """
    left = [nth]

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and arguments[1] is None and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        writes = writes or (event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1]))
        name = os.fsdecode(arguments[0]) if isinstance(arguments[0], (str, bytes, Path)) else ""
        writes = (writes or event in ("os.remove", "os.mkdir")) and f".{kind}" not in name
        if (writes or event == "os.rename") and kind in name:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def killed_at(nth: int, *arguments: str, kind: str = "out") -> bool:
    """Whether a command, in a process that dies at its n-th file, was killed before it was over."""

    def work() -> int:
        dying(kind, nth)
        return cli(*arguments).code

    code = ended(fork(work, Path("log")))
    assert code in (0, -signal.SIGKILL), Path("log").read_text()
    return code != 0


@pytest.mark.parametrize("before", ["an empty folder", "an export of other files"])
@pytest.mark.sampled
def test_an_export_that_was_killed_is_known_for_broken_and_any_other_takes_its_place(before: str) -> None:
    """Killed before each file that it makes, moves or deletes; and then another one, of files that neither has."""
    place_store()
    assert export("--culture", "german", out="whole", form="openai").code == 0
    wanted = shown(Path("whole"))
    assert export(out="fresh").code == 0
    fresh = shown(Path("fresh"))
    for nth in itertools.count():
        out = f"out{nth}"
        if before == "an empty folder":
            Path(out).mkdir()
        else:
            assert export(*(("--split", "0.5") if "other" in before else ()), out=out).code == 0
        old = shown(Path(out))
        over = not killed_at(nth, "export", "a", "--format", "trl", "--out", out, kind=out)
        if not over and told(Path(out)):
            # Nothing had been done yet, or all.
            assert shown(Path(out)) == old or shown(Path(out)).keys() == fresh.keys() | {"all.jsonl"} != old.keys()
        assert export("--culture", "german", out=out, form="openai").code == 0
        assert shown(Path(out)).keys() == wanted.keys()
        assert Path(out, "german.jsonl").read_bytes() == wanted["german.jsonl"]
        assert told(Path(out))
        if over:
            break
    assert nth >= 4


@pytest.mark.parametrize("older", [True, False])
@pytest.mark.parametrize("how", ["killed", "a full disk", "a bug"])
@pytest.mark.sampled
def test_a_report_that_breaks_off_leaves_the_one_before_and_no_half_of_the_new(
    older: bool, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place_store()
    place = Path("page.html")
    if older:
        assert cli("report", "a", "-o", str(place)).code == 0
    before = place.read_bytes() if older else None
    pieces = len(list(page.page(Store(f"sqlite:///{PATH}"), "a")))
    assert pieces > 5
    real = page.page

    def breaking(at: int, *arguments: Any) -> Iterator[str]:
        for number, piece in enumerate(real(*arguments)):
            yield piece + " " * 100_000  # more than any buffer holds
            if number == at:
                if how == "killed":
                    os.kill(os.getpid(), signal.SIGKILL)
                raise OSError(28, "No space left on device") if how == "a full disk" else ValueError("a bug")

    for at in (0, pieces - 1):
        monkeypatch.setattr(page, "page", partial(breaking, at))
        code = ended(fork(lambda: cli("report", "a", "-o", str(place)).code, Path("log")))
        assert code == {"killed": -signal.SIGKILL, "a full disk": 5, "a bug": 1}[how], Path("log").read_text()
        assert (place.read_bytes() if place.exists() else None) == before
        if how != "killed":
            assert not list(Path().glob(".page*"))
    monkeypatch.setattr(page, "page", real)
    assert cli("report", "a", "-o", str(place)).code == 0
    assert place.read_text().rstrip().endswith("</html>")


# --- what says the same ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_what_may_repeat_either_of_two_rivals_repeats_neither_whoever_speaks_first(order: tuple[int, ...]) -> None:
    """Two that differ in a word that matters, and a third as close to the one as to the other."""
    texts = [
        "We always invite the whole village to a wedding.",
        "We always invite the close family to a wedding.",
        "Whoever marries here has to think of many guests at the table.",
    ]
    close = np.array([[1.0, 0.1, 0.0], [1.0, -0.1, 0.0], [1.0, 0.0, 0.1]], dtype=np.float32)
    close /= np.linalg.norm(close, axis=1, keepdims=True)
    block = ("seed", "turkish", "en", "plus")
    entries = [Entry(f"r.d1.t{place}.s1", block, texts[which], "en") for place, which in enumerate(order)]
    assert deduplicate(entries, close[list(order)], "minilm", 0.7) == []
    # With one of the rivals alone it is a repetition: it was for the other's sake that it stayed.
    for rival in (0, 1):
        some = [place for place, which in enumerate(order) if which in (rival, 2)]
        assert len(deduplicate([entries[i] for i in some], close[list(order)][some], "minilm", 0.7)) == 1


# --- one process at a time ---------------------------------------------------------------------------


def holder(url: str, asked: Any, answer: Any) -> None:
    """A process that holds a run whenever it is told to, and says whether it could; it lets go of it at the end."""
    from contextlib import ExitStack

    from culturepark.errors import StoreError
    from culturepark.store.database import Database

    database = Database(url)
    with ExitStack() as stack:
        while asked.recv():
            try:
                stack.enter_context(database.hold("r"))
                answer.send(True)
            except StoreError:
                answer.send(False)


class Other:
    """Another process that may hold the run."""

    def __init__(self, url: str) -> None:
        context = multiprocessing.get_context("fork")
        self.ask, asked = context.Pipe()
        answer, self.answer = context.Pipe()
        self.process = context.Process(target=holder, args=(url, asked, answer), daemon=True)
        self.process.start()

    def holds(self) -> bool:
        self.ask.send(True)
        assert self.answer.poll(20)
        return bool(self.answer.recv())

    def end(self) -> None:
        self.ask.send(False)
        self.process.join(20)


def letting_go(url: str, nth: int, others: list[Any], result: Any) -> None:
    """Holds the run and lets it go; at the n-th thing that it does to a file on the way, another one tries."""
    from culturepark.store.database import Database

    database = Database(url)
    steps = [-1]
    state = {"letting go": False}

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if state["letting go"] and event in ("os.remove", "os.rename", "open", "fcntl.flock", "fcntl.lockf"):
            state["letting go"] = False
            steps[0] += 1
            if steps[0] == nth:
                result.append(("first", others[0].holds()))
            state["letting go"] = True

    sys.addaudithook(watch)
    with database.hold("r"):
        assert not others[0].holds()
        state["letting go"] = True
    state["letting go"] = False
    result.append(("second", others[1].holds()))
    database.close()


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_a_run_that_is_let_go_is_never_held_by_two(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody takes it up at each instant of letting go, and then a third tries as well.

    Elsewhere than on Linux the lock is the file's alone.
    """
    place_store()
    monkeypatch.setattr(sys, "platform", system)
    url = f"sqlite:///{Path(PATH).resolve()}"
    seen = set()
    for nth in range(4):
        others = [Other(url), Other(url)]
        result: list[tuple[str, bool]] = []

        def work(nth: int = nth, others: list[Any] = others) -> int:
            found: list[tuple[str, bool]] = []
            letting_go(url, nth, others, found)
            return 10 * dict(found).get("first", False) + dict(found)["second"]

        code = ended(fork(work, Path("log")))
        assert code in (0, 1, 10, 11), Path("log").read_text()
        assert code != 11, f"two held it, at step {nth}"
        assert code != 0, "nobody could, though it was let go"
        seen.add(code)
        for other in others:
            other.end()
        assert not result
    assert 1 in seen
    assert not list(Path("runs").glob("*.lock"))


# --- what is committed is on the disk ----------------------------------------------------------------


def test_every_commit_of_every_command_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A power cut takes nothing back that was told as done: an answer that was paid for least of all."""
    from sqlalchemy.engine.default import DefaultDialect

    seen: list[tuple[int, str]] = []
    real, plain = DefaultDialect.do_commit, Driver.commit

    def look(execute: Any) -> None:
        (level,) = execute("PRAGMA synchronous").fetchone()
        (mode,) = execute("PRAGMA journal_mode").fetchone()
        seen.append((level, mode))

    def do_commit(self: DefaultDialect, connection: Any) -> None:
        look(connection.driver_connection.execute)
        real(self, connection)

    def commit(self: Driver) -> None:
        look(partial(self.execute, values={}))
        plain(self)

    monkeypatch.setattr(DefaultDialect, "do_commit", do_commit)
    monkeypatch.setattr(Driver, "commit", commit)
    commands = [
        ("simulate", "short.yaml", "--model", "scripted", "--run-id", "a"),
        ("distill", "a", "--from", "verify"),
        ("branch", "a.d1.t2", "--model", "scripted"),
        ("export", "a", "--format", "trl", "--split", "0.5", "--out", "out"),
        ("talk", "turkish-elif", "--model", "scripted", "--run-id", "t"),
    ]
    for command in commands:
        before = len(seen)
        assert cli(*command, typed=b"Hello.\n").code == 0
        assert len(seen) > before, command
    Reviews(Store(f"sqlite:///{PATH}"), "ann").add("a.d1.t2", "accept")
    assert {level for level, _ in seen} <= {2, 3}  # FULL, or more
    assert {mode for _, mode in seen[1:]} == {"wal"}


# --- what belongs together ---------------------------------------------------------------------------


def judged(path: Path) -> int:
    """A review of a turn, which all its samples follow."""
    turns = {row["id"].rsplit(".s", 1)[0] for row in rows_of("sample", path) if row["status"] == "kept"}
    Reviews(Store(f"sqlite:///{path}"), "ann").add(min(turns), "reject")
    return 0


def settled() -> bytes:
    """The store as one file."""
    with closing(sqlite3.connect(PATH)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Path(PATH).read_bytes()


def resumed(path: Path) -> int:
    done = cli("resume", "a", "--store", f"sqlite:///{path}")
    os.write(2, done.err.encode())
    return done.code


def dying_after_each_commit(work: Callable[[Path], int], begun: bytes) -> Iterator[tuple[Path, str]]:
    """Stores in which `work` died right after one more commit each time; at last it did not die."""
    for nth in itertools.count(1):
        path = Path(f"{work.__name__}{nth}.db")
        path.write_bytes(begun)

        def kill(number: int, nth: int = nth) -> None:
            if number == nth:
                os.kill(os.getpid(), signal.SIGKILL)

        code = ended(fork(partial(at_each_commit, partial(work, path), lambda number: None, kill), Path("log")))
        assert code in (0, -signal.SIGKILL), Path("log").read_text()
        yield path, f"after commit {nth}"
        if code == 0:
            return


def test_a_stage_is_done_and_marked_as_done_at_once() -> None:
    """A run that dies after any commit of a stage has all of the stage's rows and its mark, or none of either."""
    assert cli("simulate", "short.yaml", "--model", "scripted", "--run-id", "a", "--until", "dialogue").code == 0
    begun = settled()
    whole = Path("whole.db")
    whole.write_bytes(begun)
    assert resumed(whole) == 0
    tables = ("statement", "verdict", "duplicate", "sample", "dialogue")
    deaths = 0
    for path, when in dying_after_each_commit(resumed, begun):
        deaths += 1
        for row in rows_of("dialogue", path):
            has = {
                table: any(one["id"].startswith(f"{row['id']}.") for one in rows_of(table, path))
                for table in ("statement", "verdict")
            }
            assert has == {"statement": row["extracted"] > 0, "verdict": row["verified"] > 0}, when
        if deaths % 4 == 0:
            assert resumed(path) == 0
            assert {table: told_rows(table, path) for table in tables} == {t: told_rows(t, whole) for t in tables}, when
    assert deaths > 10


def told_rows(table: str, path: Path) -> list[str]:
    return sorted(repr({k: v for k, v in row.items() if k != "call_id"}) for row in rows_of(table, path))


def test_a_review_and_what_follows_from_it_come_at_once() -> None:
    place_store()
    for path, when in dying_after_each_commit(judged, settled()):
        reviewed = bool(rows_of("review", path))
        assert reviewed == any(row["drop_reason"] == "review" for row in rows_of("sample", path)), when
    assert reviewed


# --- nothing is asked before what came before is kept -------------------------------------------------


def test_a_turn_is_kept_before_the_next_one_is_asked_for() -> None:
    """An endpoint that looks into the store: what a request tells of the talk is there already."""
    missing: list[str] = []
    heard: list[int] = []

    def reply(body: Any, number: int) -> None:
        if "response_format" in body:
            return
        told = json.dumps(body["messages"])
        calls = [row["response"] for row in rows_of("call") if row["response"] and not row["refused"]]
        said = [json.loads(response)["choices"][0]["message"]["content"] for response in calls]
        kept = {row["text"] for row in rows_of("turn")}
        heard.append(len(kept))
        for text in said:
            if json.dumps(text)[1:-1] in told and not any(one in text for one in kept):
                missing.append(text)

    with Endpoint(reply=reply) as endpoint:
        command = ("simulate", "short.yaml", "--model", f"openai:test@{endpoint.url}", "--concurrency", "1")
        assert cli(*command, "--until", "dialogue", "--run-id", "a").code == 0
    assert not missing
    assert max(heard) >= 2


@pytest.mark.parametrize("nth", [3, 8, 15])
@pytest.mark.sampled
def test_every_request_that_an_endpoint_has_heard_has_a_row_whatever_becomes_of_the_process(nth: int) -> None:
    """Killed while calls are under way: what was not heard may be billed all the same, and `stats` counts it."""
    heard: list[str] = []
    children: list[int] = []

    def reply(body: Any, number: int) -> None:
        heard.append(json.dumps(body, sort_keys=True))
        if number == nth:
            os.kill(children[0], signal.SIGKILL)

    with Endpoint(reply=reply, latency=0.01) as endpoint:
        spec = f"openai:test@{endpoint.url}"
        command = ("simulate", "tiny.yaml", "--model", spec, "--role", "embedder=lexical", "--run-id", "a")
        with Forked(*command) as running:
            children.append(running.pid)
            running.communicate()
        assert running.returncode == -signal.SIGKILL
        before = {row["id"]: row for row in rows_of("call")}
        assert cli("resume", "a").code == 0
    after = {row["id"]: row for row in rows_of("call")}
    assert before.keys() <= after.keys()
    for name, row in before.items():
        assert row["response"] is None or after[name] == row
    rows = Counter(json.dumps(json.loads(row["request"]), sort_keys=True) for row in after.values())
    assert not Counter(heard) - rows
    assert all(row["prompt_tokens"] for row in after.values() if row["response"])
    assert any((row["error"] or "").startswith("interrupted") for row in after.values())
