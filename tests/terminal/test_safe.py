"""Text that controls a terminal: kept in the store as it came, and never let through to a terminal."""

import itertools
import json
import sqlite3
import tempfile
import unicodedata
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from culturepark.catalog.files import package_dir
from culturepark.models import scripted
from culturepark.terminal.safe import clip, out, plain, safe
from tests.cli.test_cli import Screen, away, cli, dump, on_a_terminal, rows_of  # noqa: F401 - every test is `away`
from tests.support.endpoint import Endpoint, Fault, status

ATTACKS = {
    "clears the screen": "\x1b[2J\x1b[H",
    "sets the title": "\x1b]0;owned\x07",
    "hides a link": "\x1b]8;;http://evil/\x1b\\bank\x1b]8;;\x1b\\",
    "asks the terminal": "\x1b[6n\x1b[c",
    "resets": "\x1bc",
    "goes to the other screen": "\x1b[?1049h",
    "blinks red": "\x1b[5;41mred\x1b[0m",
    "C1 controls": "\x9b2J\x9d0;owned\x9c\x90q\x85",
    "writes over the line": "\rgone\x08\x08\x0b\x0c\x7f",
    "rings": "\x07\x00\x01",
    "reverses": "\u202etxet\u202c \u2066a\u2067b\u2068c\u2069 \u202a\u202b\u202d \u200e\u200f\u061c",
    "lone surrogates": "\ud800 \udfff",
    "private and unassigned": "\ue000 \U000f0000 \u0378",
    "markup": "[bold red]: loud[/bold red]: [link=http://evil/]: bank[/link]: [/]: :smile: [",
    "a long word": "x" * 2500,
}
REFUSED = {"rings", "lone surrogates", "a long word"}
"""Speakers are asked again after characters that no database holds, and after a letter without end.

So they are after words in brackets, unless a colon follows, as after a label. It follows on all of the markup here.
"""
BIDI = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
EVERYTHING = " ".join(ATTACKS.values())
SCENARIO = """\
name: hostile
title: "A title \\e]0;owned\\a \\e[2J \\x9b2J \\u202e [bold]x[/bold]"
setting: cross-cultural
cultures: [turkish]
seeds:
  - survey: wvs7/Q33
  - key: guests
    topic: "guests \\e[2J \\u202e"
    question: "What do you do \\e]0;owned\\a\\e[2J \\u202e when a guest comes?"
dialogues_per_seed: 2
max_turns: 8
personas: [people]
cast: own
"""
NAME = "Mert \x1b[2J\x07\u202e[red]:"


class Hostile(NamedTuple):
    """One run `a` on a model that attacks, watched on a terminal."""

    database: bytes
    answers: list[str]
    """Every answer that the model gave."""
    code: int
    received: str
    """What reached the terminal."""


def controls(text: str) -> set[str]:
    """Characters that do something to a terminal besides standing there."""
    return {c for c in text if (unicodedata.category(c) in ("Cc", "Cs", "Co", "Cn") and c not in "\n\t") or c in BIDI}


@cache
def hostile() -> Hostile:
    answers: list[str] = []
    attacks = list(ATTACKS.values())
    every = itertools.cycle(attacks)

    def reply(body: Any, _: int) -> str:
        said = scripted.answer(body)
        schema = ((body.get("response_format") or {}).get("json_schema") or {}).get("name")
        if schema is None:
            attack = next(every)
            said = said.replace(", ", f" {attack}, ", 1) if ", " in said else f"{attack} {said}"
        if schema == "statements":
            found = json.loads(said)
            for count, statement in enumerate(found["statements"]):
                attack = attacks[count % len(attacks)]
                if not set(attack) & set("\ud800\udfff") and len(attack) < 100:  # JSON that nobody accepts; too long
                    statement["statement"] += f" {attack}"
                    statement["first_person"] += f" {attack}"
            said = json.dumps(found)
        answers.append(said)
        return said

    with tempfile.TemporaryDirectory() as folder, Endpoint(reply=reply) as endpoint:
        scenario, path = Path(folder, "hostile.yaml"), Path(folder, "mine.db")
        scenario.write_text(SCENARIO)
        Path(folder, "people").mkdir()
        card = (package_dir("personas") / "turkish-mert.yaml").read_text("utf-8")
        lines = [f"name: {json.dumps(NAME)}" if line.startswith("name:") else line for line in card.splitlines()]
        for number in range(6):
            Path(folder, "people", f"z{number}.yaml").write_text("\n".join(lines), "utf-8")
        code, received = on_a_terminal(
            *(80, "simulate", str(scenario), "--model", f"openai:test@{endpoint.url}", "--run-id", "a"),
            *("--role", "embedder=lexical", "--store", f"sqlite:///{path}"),
        )
        with closing(sqlite3.connect(path)) as db:
            db.execute("VACUUM INTO ?", (str(path.with_name("copy.db")),))
        return Hostile(path.with_name("copy.db").read_bytes(), answers, code, received)


@pytest.fixture
def attacked() -> Hostile:
    """The default store with the attacked run."""
    found = hostile()
    Path("runs").mkdir()
    Path("runs/culturepark.db").write_bytes(found.database)
    return found


# --- what the store keeps --------------------------------------------------------------------------


@pytest.mark.torture
def test_answers_are_kept_whole_as_ascii(attacked: Hostile) -> None:
    assert attacked.code == 0
    responses = [row["response"] for row in rows_of("call")]
    assert all(response.isascii() for response in responses)
    kept = [json.loads(response)["choices"][0]["message"]["content"] for response in responses]
    assert sorted(kept) == sorted(attacked.answers)
    for attack in ATTACKS.values():
        assert any(attack in text for text in kept)


def test_turns_are_kept_as_they_came_but_for_those_that_are_refused(attacked: Hostile) -> None:
    rows = dump()
    answers = {row["id"]: json.loads(row["response"])["choices"][0]["message"]["content"] for row in rows["call"]}
    spoken = [row for row in rows["turn"] if row["call_id"]]
    for row in spoken:
        assert row["text"] in answers[row["call_id"]]
    for name, attack in ATTACKS.items():
        assert any(attack in answer for answer in answers.values()), name
        assert any(attack in row["text"] for row in spoken) == (name not in REFUSED), name
    assert not any("\ufffd" in row["text"] for row in spoken)


def test_quotes_are_found_where_they_stand_among_all_that(attacked: Hostile) -> None:
    rows = dump()
    texts = {row["id"]: row["text"] for row in rows["turn"]}
    for row in rows["statement"]:
        assert texts[row["turn_id"]][row["quote_start"] : row["quote_end"]] == row["quote"]
    assert any("\x1b" in row["quote"] for row in rows["statement"])


def test_nothing_is_kept_that_postgresql_could_not_hold(attacked: Hostile) -> None:
    held = {
        f"{table}.{name}"
        for table, rows in dump().items()
        for row in rows
        for name, value in row.items()
        if isinstance(value, str) and "\0" in value
    }
    assert held == set()


# --- what reaches a terminal -----------------------------------------------------------------------


def test_a_live_run_cannot_be_made_to_control_the_terminal(attacked: Hostile) -> None:
    screen = Screen(80, attacked.received)
    assert screen.too_wide == []
    assert not set(BIDI) & set(screen.text)
    assert "\x1b[5;41m" not in attacked.received
    shown = "".join(screen.text.split())
    for row in rows_of("turn"):
        assert "".join(safe(row["text"], lines=True).split()) in shown
    assert "[boldred]:loud[/boldred]:" in shown
    assert "[bold]x[/bold]" in shown
    assert "".join(safe(NAME).split()) in shown


def hostile_samples() -> list[str]:
    """Samples that rest on words with something hostile in them."""
    quotes = {row["id"]: row["quote"] for row in rows_of("statement")}
    return [row["id"] for row in rows_of("sample") if controls(quotes[row["statement_id"]])]


COMMANDS = ("replay a", "stats a", "runs", "stats a --json", "runs --json", "trace {} --json", "trace {}")


@pytest.mark.usefixtures("attacked")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_gets_nothing_that_controls_a_terminal(command: str) -> None:
    subjects = hostile_samples()[:10] if "{}" in command else [""]
    assert subjects
    for subject in subjects:
        done = cli(*command.format(subject).split())
        assert done.code == 0, done.err
        assert controls(done.out + done.err) == set()


@pytest.mark.usefixtures("attacked")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_gets_nothing_that_controls_it(command: str) -> None:
    subjects = hostile_samples()[:3] if "{}" in command else [""]
    assert subjects
    for subject in subjects:
        code, received = on_a_terminal(100, *command.format(subject).split())
        assert code == 0
        assert Screen(100, received).text.strip()
        assert not set(BIDI) & set(received)
        assert "\x1b[5;41m" not in received


@pytest.mark.usefixtures("attacked")
def test_markup_and_emoji_codes_are_shown_as_they_were_said() -> None:
    assert ATTACKS["markup"] in cli("replay", "a").out
    assert safe(NAME) in cli("replay", "a").out


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (status(401, EVERYTHING), 3),
        (status(400, EVERYTHING), 1),
        (status(503, EVERYTHING), 3),
        (Fault("error-in-stream", error={"message": EVERYTHING}), 3),
    ],
    ids=["401", "400", "503", "in-stream"],
)
@pytest.mark.sampled
def test_what_an_endpoint_says_of_its_errors_is_shown_safely(fault: Fault, code: int) -> None:
    with Endpoint(reply=lambda *_: fault) as endpoint:
        spec = f"openai:test@{endpoint.url}"
        done = cli("simulate", "short.yaml", "--model", spec, "--role", "embedder=lexical", "--run-id", "a")
        doctor = cli("doctor", "--model", spec)
    assert done.code == code
    assert doctor.code == 3
    assert "[bold red]" in done.err or fault.what == "error-in-stream"
    shown = [done, doctor, cli("runs"), cli("stats", "a"), cli("replay", "a")]
    assert controls("".join(one.out + one.err for one in shown)) == set()
    assert all(len(line) < 1000 for one in shown for line in (one.out + one.err).splitlines())
    rows = dump()
    assert any(row["error"] for row in rows["call"])
    assert not any(controls(row["error"] or "") for table in ("call", "dialogue") for row in rows[table])


@pytest.mark.torture
def test_doctor_shows_a_hostile_answer_safely() -> None:
    with Endpoint(reply=lambda *_: EVERYTHING) as endpoint:
        for arguments in ((), ("--json",)):
            done = cli("doctor", "--model", f"openai:test@{endpoint.url}", *arguments)
            assert done.code == 0
            assert controls(done.out + done.err) == set()


def test_what_stands_in_a_wrong_file_is_shown_safely() -> None:
    Path("evil.yaml").write_text('name: "\\e[2J\\u202e"\n"key \\e]0;owned\\a": 1\nsetting: "\\x9b2J"\n', "utf-8")
    done = cli("check", "evil.yaml")
    assert done.code == 2
    assert "evil.yaml:1: name" in done.err
    assert "evil.yaml:2: " in done.err
    assert controls(done.err) == set()


# --- the functions ---------------------------------------------------------------------------------


def test_no_character_gets_through_that_does_anything() -> None:
    everything = "".join(map(chr, range(0x110000)))
    for lines in (False, True):
        shown = safe(everything, lines=lines)
        assert len(shown) == len(everything)
        assert controls(shown) - {"\ufffd"} == set()
        assert ("\n" in shown) == lines
        assert "\t" not in shown
    letters = "Çay, চা, 茶, 차, شاي — “q” 🫖 é\u0301"
    assert safe(letters) == letters


def test_controls_are_made_visible_rather_than_dropped() -> None:
    assert safe("\x1b[2J\x00\x7f\x9b\u202e\ud800") == "␛[2J␀\ufffd\ufffd\ufffd\ufffd"
    assert safe("a\nb\tc\rd") == "a b c␍d"
    assert safe("a\nb", lines=True) == "a\nb"


def test_a_clipped_text_is_one_line_of_that_width_at_most() -> None:
    assert clip(" a\n\n b\t c ", 10) == "a b c"
    assert clip("x" * 11, 10) == "x" * 9 + "…"
    assert clip("x" * 10, 10) == "x" * 10
    assert clip(ATTACKS["clears the screen"], 99) == "␛[2J␛[H"


def test_plain_text_takes_no_markup() -> None:
    text = plain("[bold]x[/bold] \x1b[1m\ny")
    assert text.plain == "[bold]x[/bold] ␛[1m\ny"
    assert text.spans == []


@pytest.mark.parametrize("name", ["COLUMNS", "LINES"])
@pytest.mark.parametrize("size", ["²", "0", "-1", "x", "", "9" * 5000])
def test_a_size_that_is_none_is_not_taken_from_the_environment(
    name: str, size: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rich, which is handed the rest of the environment in a private argument, would fail on some of them."""
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.setenv("LINES", "30")
    assert (out().width, out().height) == (70, 30)
    monkeypatch.setenv(name, size)
    assert (out().width if name == "LINES" else out().height) == (70 if name == "LINES" else 30)
    assert 1 <= (out().width if name == "COLUMNS" else out().height) < 10_000
