"""The eleven things that the published code gets wrong: one test or more for each, by its number."""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import openai
import pytest

from culturepark.cli.app import run
from culturepark.dialogue.casting import plan
from culturepark.domain import JsonObject, Persona
from culturepark.models import scripted
from culturepark.models.chat import Reply
from culturepark.store import lineage
from culturepark.store.tables import CallRow, DialogueRow, DuplicateRow, SampleRow, StatementRow, TurnRow, VerdictRow
from tests.support.endpoint import Endpoint, Fault, status
from tests.support.fakes import (
    ELIF,
    JENNA,
    FakeModel,
    answering,
    edition,
    hold,
    hold_said,
    is_masked,
    judged,
    mined,
    proposals,
    reply,
    shipped,
)


def assistant(row: SampleRow) -> str:
    return str(json.loads(row.messages)[-1]["content"])


# --- 1. A rewritten opinion is never re-verified: the second check is sent the old text -------------------


def test_1_a_rewritten_opinion_is_verified_again_and_with_its_new_text(tmp_path: Path) -> None:
    def verdicts(asked: JsonObject) -> JsonObject:
        new = [item["first_person"].startswith("Let me say it anew: ") for item in asked["items"]]
        return judged(asked, stance="entail" if all(new) else "contradict")

    def statements(asked: JsonObject) -> JsonObject:
        return proposals(*((turn["turn"], "opinion", turn["text"]) for turn in asked["turns"]))

    def anew(asked: JsonObject) -> JsonObject:
        return {"statement": f"Anew: {asked['quote']}", "first_person": f"Let me say it anew: {asked['quote']}"}

    held = hold(tmp_path, edition(), FakeModel(answering(statements=statements, verdicts=verdicts, rewording=anew)))
    rewritten = [row for row in held.rows(StatementRow) if row.rewritten_from]
    assert rewritten
    calls = {call.id: call for call in held.rows(CallRow)}
    for row in rewritten:
        on_it = {verdict.criterion: verdict for verdict in held.of(VerdictRow, statement_id=row.id)}
        assert set(on_it) >= {"faithful", "stance", "stands-alone", "distinctive"}
        (old,) = held.of(StatementRow, id=row.rewritten_from)
        for criterion, said in {"faithful": "first_person", "stance": "first_person", "stands-alone": "answer"}.items():
            call_id = on_it[criterion].call_id
            assert call_id is not None
            sent = json.loads(json.loads(calls[call_id].request)["messages"][-1]["content"])
            checked = [item for item in sent["items"] if is_masked(item[said], row.first_person)]
            assert len(checked) == 1
            assert not any(is_masked(item[said], old.first_person) for item in sent["items"])


# --- 2. Missing-value codes, truncated means, one answer a country ---------------------------------------


def test_2_no_stance_is_a_missing_code_or_an_answer_to_a_question_never_asked() -> None:
    base = shipped("wvs7")
    scenario = base.scenario.model_copy(update={"dialogues_per_seed": 8})
    made = plan(base.model_copy(update={"scenario": scenario}), 1)
    skipped = {(skip.seed_key, skip.culture) for skip in made.skipped}
    assert len(skipped) == 20  # of 400 cells
    seated = set()
    for casting in made.castings:
        for person in casting.participants:
            item, country = casting.seed.item, person.persona.country
            assert item is not None
            if person.persona.role == "main":
                assert person.stance is None
                continue
            assert country is not None
            assert person.stance is not None
            assert item.shares[country][person.stance.code] > 0
            label = next(option.label for option in item.options if option.code == person.stance.code)
            assert person.stance.text == label
            seated.add((casting.seed.key, person.persona.culture))
    assert len(seated) == 380
    assert seated.isdisjoint(skipped)


def test_2_stances_spread_as_the_answers_do_and_are_never_a_mean() -> None:
    times = 40
    base = shipped("wvs7")
    scenario = base.scenario.model_copy(update={"dialogues_per_seed": times, "seeds": base.scenario.seeds[::5]})
    drawn: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for casting in plan(base.model_copy(update={"scenario": scenario}), 1).castings:
        for person in casting.participants:
            if person.stance and person.persona.country:
                drawn[casting.seed.key, person.persona.country][person.stance.code] += 1
    assert len(drawn) > 70
    for (key, country), counts in drawn.items():
        shares = base.seed(key).item.shares[country]  # type: ignore[union-attr]
        assert counts.total() == times
        total = sum(shares.values())
        for code, share in shares.items():
            assert abs(counts[code] - times * share / total) < 1, (key, country, code)
        expected = sum(times * share / total >= 1 for share in shares.values())
        assert len(counts) >= expected > 1


# --- 3. Quoted words, unparsable, empty and truncated replies, "does not contradict" ------------------------


def test_3_a_reply_with_a_quoted_word_is_kept_whole(tmp_path: Path) -> None:
    quoted = "\"Kolay gelsin\" is what we say, and “afiyet olsun”, and 'hocam'."

    def speak(body: JsonObject) -> str:
        said = scripted.answer(body).partition("\n[told")[0]
        moderates = body["messages"][0]["content"].startswith("You moderate")
        return said if moderates else f"{said} {quoted.replace('we say', f'we say {ordinal(said)}')}"

    held = hold(tmp_path, edition(max_turns=8), FakeModel(answering(text=speak)))
    spoken = [turn for turn in held.rows(TurnRow) if turn.role != "moderator"]
    assert len(spoken) == 8
    calls = {call.id: call for call in held.rows(CallRow)}
    for turn in spoken:
        assert turn.call_id is not None
        response = json.loads(calls[turn.call_id].response or "")["choices"][0]["message"]["content"]
        assert turn.text == response
        assert '"Kolay gelsin"' in turn.text
    assert any("“afiyet olsun”" in row.quote for row in held.rows(StatementRow))


def ordinal(text: str) -> str:
    """Another few words for each text, so that no turn repeats another."""
    words = ["at dawn", "at noon", "by night", "in spring", "at sea", "on roads", "in mills", "in fields", "in shops"]
    return " and ".join(random.Random(text).sample(words, 5))


def test_3_unparsable_empty_and_truncated_replies_never_become_data(tmp_path: Path) -> None:
    bad = [reply(""), reply("   \n"), reply("I think that what counts here is", "length"), reply("…")]
    attempts: Counter[str] = Counter()

    def speak(body: JsonObject) -> str | Reply:
        asked = body["messages"][-1]["content"]
        attempts[asked] += 1
        return bad[len(attempts) % len(bad)] if attempts[asked] == 1 else scripted.answer(body)

    model = answering(text=speak, statements=lambda a: proposals(*[(t["turn"], "opinion", "") for t in a["turns"]]))
    held = hold(tmp_path, edition(max_turns=8), FakeModel(model))
    turns = held.rows(TurnRow)
    assert len([turn for turn in turns if turn.role != "moderator"]) == 8
    assert not any(turn.text.strip(" .…") in ("", "I think that what counts here is") for turn in turns)
    refused = Counter(call.refused for call in held.of(CallRow, stage="dialogue") if call.refused)
    assert set(refused) >= {"empty", "cut-off"}
    assert held.rows(StatementRow) == []
    assert held.rows(SampleRow) == []


def test_3_does_not_contradict_is_not_contradict(tmp_path: Path) -> None:
    said = "I think that a job belongs to whoever does it best."

    def verdicts(asked: JsonObject) -> JsonObject:
        return judged(asked, stance="does not contradict")

    model = FakeModel(answering(statements=lambda _: proposals((1, "opinion", said)), verdicts=verdicts))
    held = hold_said(tmp_path, [(ELIF, said)], model)
    assert {row.criterion for row in held.rows(VerdictRow)} == {"faithful", "stance"}  # no row of it is judged
    assert {(row.relation, row.decision) for row in held.rows(VerdictRow)} == {("unparsable", "drop")}
    assert {row.drop_reason for row in held.rows(SampleRow)} == {"unparsable"}
    assert model.asked("rewording") == []


# --- 4. Blank lines and "here are the opinions:" become opinions ---------------------------------------------


def test_4_blank_lines_and_headings_never_become_opinions(tmp_path: Path) -> None:
    tea = "We pour one more glass of tea when a guest gets up to leave."
    as_text = f"Here are the opinions:\n\n1. {tea}\n\n\n2. \n"
    answers: list[Any] = [as_text, {"statements": [{}]}]
    rows = proposals(*[(1, "opinion", tea)] * 4)
    for row, junk in zip(rows["statements"], ["", "\n", "Here are the opinions:", "   "], strict=True):
        row["statement"] = row["first_person"] = junk
    for number, answer in enumerate([*answers, rows]):
        folder = tmp_path / str(number)
        folder.mkdir()
        model = FakeModel(answering(statements=lambda _, a=answer: a, text=lambda _: "B", verdicts=judged))
        held = hold_said(folder, [(ELIF, f"Here are the opinions:\n\n{tea}\n\n")], model)
        words = [s.text for s in held.rows(StatementRow)] + [s.first_person for s in held.rows(StatementRow)]
        assert all(tea in text for text in words)
        assert not any("opinions" in text for text in words)
        assert all(assistant(row).strip() for row in held.rows(SampleRow))


def test_4_no_sample_of_a_whole_run_is_empty(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel())
    rows = held.rows(SampleRow)
    assert rows
    assert all(assistant(row).strip() for row in rows)
    assert all(len(assistant(row).split()) >= 3 for row in rows if row.kind != "survey")  # those may be a letter


# --- 5. Plain `replace` of names and pronouns breaks words -----------------------------------------------------


def test_5_names_and_pronouns_inside_words_survive_into_the_export(tmp_path: Path) -> None:
    words = [
        "We weigh the wool before the wedding, and they weigh it after.",
        "They raised them, and I was raised by theirs; health comes before wealth.",
        "Elifs and Jennas are many in our street, whatever she, he or they may say.",
    ]
    found = proposals(*[(1, "custom", one) for one in words])
    for row, one in zip(found["statements"], words, strict=True):
        row["statement"] = row["first_person"] = one
    model = FakeModel(answering(statements=lambda _: found, verdicts=judged))
    hold_said(tmp_path, [(ELIF, " ".join(words))], model).store.close()
    store = f"sqlite:///{tmp_path / 'runs.db'}"
    assert run(["export", "last", "--format", "openai", "--out", str(tmp_path / "out"), "--store", store]) == 0
    lines = (tmp_path / "out" / "all.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["messages"][-1]["content"] for line in lines] == words


# --- 6. kill -9 loses finished samples; a restart redoes everything; reruns double files --------------------------


def table(path: Path, query: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        database.execute("PRAGMA busy_timeout = 10000")
        found = database.execute(query).fetchall()
    database.close()
    return found


def contents(path: Path, run_id: str) -> dict[str, list[tuple[Any, ...]]]:
    """What a run has come to, without times and without how often it had to ask."""
    queries_of = {
        "dialogue": "SELECT id, status, stop_reason, rejected FROM dialogue",
        "turn": "SELECT id, slot, speaker, phase, text, origin FROM turn",
        "statement": "SELECT id, persona_key, kind, text, quote_start, quote_end, rewritten_from FROM statement",
        "verdict": "SELECT id, criterion, relation, decision FROM verdict",
        "duplicate": "SELECT statement_id, representative_id, method, similarity FROM duplicate",
        "sample": "SELECT id, status, drop_reason, messages FROM sample",
    }
    return {
        name: sorted(row for row in table(path, query) if row[0].startswith(f"{run_id}."))
        for name, query in queries_of.items()
    }


def killed_at(arguments: list[str], path: Path, calls: int) -> None:
    """Starts the program and kills it as soon as the store holds so many answered calls."""
    command = [sys.executable, "-m", "culturepark", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if answered(path) >= calls:
                break
            time.sleep(0.002)
    finally:
        os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL  # it was at work, not over


def answered(path: Path) -> int:
    try:
        return int(table(path, "SELECT count(*) FROM call WHERE run_id = 'mine' AND response IS NOT NULL")[0][0])
    except sqlite3.OperationalError:  # no store yet, or no tables in it
        return 0


def files(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.torture
def test_6_a_killed_run_is_resumed_without_loss_or_duplicates_and_other_runs_are_left_alone(tmp_path: Path) -> None:
    path, undisturbed = tmp_path / "runs.db", tmp_path / "undisturbed.db"
    store = ["--store", f"sqlite:///{path}"]
    (tmp_path / "short.yaml").write_text(SHORT)
    program = ["simulate", str(tmp_path / "short.yaml"), "--model", "scripted"]
    simulate = [*program, "--dialogues", "5", "--run-id", "mine"]
    assert run([*program, "--seed", "2", "--run-id", "other", *store]) == 0
    assert run(["export", "other", "--format", "trl", "--out", str(tmp_path / "other"), *store]) == 0
    others, exported = contents(path, "other"), files(tmp_path / "other")

    draw = random.Random(6)
    moments = draw.randrange(3, 15), draw.randrange(22, 32)  # of more than 50 calls
    killed_at([*simulate, *store], path, moments[0])
    turns = contents(path, "mine")["turn"]
    assert turns
    killed_at(["resume", "mine", *store], path, moments[1])
    assert set(turns) <= set(contents(path, "mine")["turn"])
    assert run(["resume", "mine", *store]) == 0

    assert run([*simulate, "--store", f"sqlite:///{undisturbed}"]) == 0
    assert contents(path, "mine") == contents(undisturbed, "mine")
    assert len(contents(path, "mine")["sample"]) > 20
    assert answered(path) > 50
    twice = "SELECT subject_id, request_digest FROM call WHERE response IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1"
    assert table(path, twice) == []
    assert table(path, "SELECT count(*) FROM call WHERE response IS NULL AND error IS NULL") == [(0,)]
    assert contents(path, "other") == others
    assert files(tmp_path / "other") == exported


def test_6_a_rerun_doubles_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, out = tmp_path / "runs.db", tmp_path / "out"
    (tmp_path / "short.yaml").write_text(SHORT)
    simulate = ["simulate", str(tmp_path / "short.yaml"), "--model", "scripted", "--store", f"sqlite:///{path}"]
    export = ["export", "mine", "--format", "openai", "--out", str(out), "--store", f"sqlite:///{path}"]
    assert run([*simulate, "--run-id", "mine"]) == 0
    assert run(export) == 0
    first, rows = contents(path, "mine"), (out / "all.jsonl").read_bytes()
    calls = table(path, "SELECT count(*) FROM call")
    assert run([*simulate, "--run-id", "mine"]) == 0
    assert run(export) == 0
    assert contents(path, "mine") == first
    assert table(path, "SELECT count(*) FROM call") == calls
    assert (out / "all.jsonl").read_bytes() == rows


def test_6_two_protocols_share_no_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--model", "scripted", "--store", f"sqlite:///{tmp_path / 'runs.db'}"]
    names = []
    for protocol in ("self-guidance", "free-chat"):
        (tmp_path / "short.yaml").write_text(SHORT.replace("self-guidance", protocol))
        capsys.readouterr()
        assert run(["simulate", str(tmp_path / "short.yaml"), *store]) == 0
        names.append(capsys.readouterr().out.strip())
    assert len(set(names)) == 2
    held = table(tmp_path / "runs.db", "SELECT DISTINCT run_id, protocol FROM dialogue ORDER BY protocol DESC")
    assert held == list(zip(names, ["self-guidance", "free-chat"], strict=True))


SHORT = """\
name: short
title: A short talk
setting: cross-cultural
cultures: [turkish]
protocol: self-guidance
seeds:
  - survey: wvs7/Q33
max_turns: 6
"""


# --- 7. Persistent 429/500 ends the run with a TypeError; a fresh client for each request --------------------------


@pytest.mark.parametrize("code", [429, 500])
@pytest.mark.sampled
def test_7_a_persistent_failure_is_named_and_the_run_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    (tmp_path / "short.yaml").write_text(SHORT)
    store = ["--store", f"sqlite:///{tmp_path / 'runs.db'}"]
    down = True

    def answer(body: JsonObject, number: int) -> Fault | None:
        return status(code, headers={"Retry-After": "0"}) if down and number > 4 else None

    with Endpoint(reply=answer) as endpoint:
        chat = ["--model", f"openai:test@{endpoint.url}", "--role", "embedder=lexical", "--run-id", "mine"]
        assert run(["simulate", str(tmp_path / "short.yaml"), *chat, *store]) == 3
        assert "TypeError" not in "".join(capsys.readouterr())
        path = tmp_path / "runs.db"
        ((state, stop_reason),) = table(path, "SELECT status, stop_reason FROM run")
        assert state == "stopped"
        assert stop_reason.startswith("unreachable: ")
        assert str(code) in stop_reason
        turns = contents(path, "mine")["turn"]
        assert turns  # what had been said is there
        failed = table(path, "SELECT attempt, error FROM call WHERE error IS NOT NULL ORDER BY attempt")
        assert [attempt for attempt, _ in failed] == [1, 2, 3, 4, 5]
        assert all(said.startswith(f"http-{code}") for _, said in failed)
        down = False
        assert run(["resume", "mine", *store]) == 0
    assert set(turns) < set(contents(path, "mine")["turn"])
    assert table(path, "SELECT status FROM run") == [("done",)]


def test_7_a_passing_failure_costs_nothing_and_each_model_has_one_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    clients = []

    class Counted(openai.AsyncOpenAI):
        def __init__(self, **settings: Any) -> None:
            clients.append(settings["base_url"])
            super().__init__(**settings)

    monkeypatch.setattr(openai, "AsyncOpenAI", Counted)
    (tmp_path / "short.yaml").write_text(SHORT)

    def answer(body: JsonObject, number: int) -> Fault | None:
        return (
            status(random.Random(number).choice([429, 500]), headers={"Retry-After": "0"}) if number % 4 == 2 else None
        )

    with Endpoint(reply=answer) as endpoint, Endpoint() as other:
        roles = ["--role", f"verifier=openai:judge@{other.url}", "--role", "embedder=lexical"]
        command = ["simulate", str(tmp_path / "short.yaml"), "--model", f"openai:test@{endpoint.url}", *roles]
        assert run([*command, "--store", f"sqlite:///{tmp_path / 'runs.db'}"]) == 0
        assert len(endpoint.chats) > 8
        assert sorted(clients) == sorted([endpoint.url, other.url])
    assert table(tmp_path / "runs.db", "SELECT status, stop_reason FROM dialogue") == [("done", "completed")]


# --- 8. Both agents read both backgrounds; replies are system messages; instructions pile up ------------------------


def private(persona: Persona) -> list[str]:
    """What stands on a card, and is not for the others to read."""
    return [
        *(norm.text for norm in persona.norms),
        *(value.why for value in persona.values),
        persona.speech.manner,
        persona.scope,
        persona.observance,
        persona.work,
    ]


def test_8_an_agent_reads_its_own_card_and_the_public_transcript_and_nothing_else(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(), FakeModel())
    people = {persona.key: persona for persona in edition().personas}
    turns = held.rows(TurnRow)
    speeches = 0
    for turn in turns:
        if turn.call_id is None:
            continue
        (call,) = held.of(CallRow, id=turn.call_id)
        messages = json.loads(call.request)["messages"]
        before = [t.text for t in turns if t.position < turn.position]
        mine = people.get(turn.speaker)
        for key, other in people.items():
            if key == turn.speaker:
                assert all(text in messages[0]["content"] for text in private(other))
                continue
            for text in private(other):
                assert text not in messages[0]["content"]
                if text in json.dumps(messages, ensure_ascii=False):
                    assert any(text in said for said in before)
        if mine:
            speeches += 1
            own = "disagree" if turn.speaker == ELIF else None
            assert ("in the words of a questionnaire" in messages[0]["content"]) == (own is not None)
            assert not any("in the words of a questionnaire" in m["content"] for m in messages[1:])
    assert speeches == 12


def test_8_replies_are_no_system_messages_and_instructions_do_not_pile_up(tmp_path: Path) -> None:
    model = FakeModel()
    held = hold(tmp_path, edition(), model, until="dialogue")
    spoken = [body["messages"] for body in model.bodies if "This is your life" in body["messages"][0]["content"]]
    assert len(spoken) == 12
    for messages in spoken:
        roles = [m["role"] for m in messages]
        assert roles == ["system", *["user", "assistant"] * ((len(roles) - 2) // 2), "user"]
        directives = [m["content"].count("it is your turn.") for m in messages]
        assert directives == [0] * (len(messages) - 1) + [1]
    own = {turn.text for turn in held.of(TurnRow, speaker=JENNA)}
    jennas = [messages for messages in spoken if "You are Jenna" in messages[0]["content"]]
    assert {m["content"] for m in jennas[-1] if m["role"] == "assistant"} < own
    # A person's card never changes. What was asked at one turn is in no later request, as `directives` shows.
    for earlier, later in pairwise(jennas):
        assert later[0] == earlier[0]


# --- 9. k-means with a fixed k keeps duplicates and discards what is distinct --------------------------------------


DISTINCT = [
    "We bury the dead before the next noon.", "Bread is kissed when it has fallen.", "Shoes stay outside every flat.",
    "Salt is lent, never sold.", "On Thursdays we visit graves.", "A bride dances on her father's feet.",
    "Debts are paid before Ramadan ends.", "Grandmother opens every letter.", "Tea comes in glasses, coffee in cups.",
    "Nobody whistles after dark.", "Cousins share one goat in autumn.", "The youngest carries water to visitors.",
    "A neighbour's wedding closes our shop.", "Soup arrives first at breakfast.", "Pilgrims are met on the road.",
    "Rent is handed over with both hands.", "Children kiss the hands of elders.", "Wool is washed in June.",
    "Hosts walk you to the gate.", "Pregnant women choose the radio station.", "Figs are shared with strangers.",
    "Mourning lasts for forty days.", "Uncles teach boys to drive.", "A lost purse goes to the baker.",
]  # fmt: skip


def test_9_many_distinct_statements_are_all_kept_and_repeated_ones_once(tmp_path: Path) -> None:
    noisy = [one.upper().replace(".", "!") for one in DISTINCT]
    talk = [
        (ELIF, " ".join(DISTINCT[:12])),
        (JENNA, "I see."),
        (ELIF, " ".join(DISTINCT[12:])),
        (ELIF, " ".join(noisy)),
    ]

    def statements(asked: JsonObject) -> JsonObject:
        found = [(t["turn"], one) for t in asked["turns"] for one in re.findall(r"[^.!]+[.!]", t["text"])]
        rows = [(turn, "custom", one.strip()) for turn, one in found if len(one) > 12]
        made = proposals(*rows)
        for row in made["statements"]:
            row["quote"] = row["statement"] = row["first_person"] = row["quote"]
        return made

    held = hold_said(tmp_path, talk, FakeModel(answering(statements=statements, verdicts=judged)))
    kept = [assistant(row) for row in held.of(SampleRow, status="kept")]
    assert kept == DISTINCT
    few = tmp_path / "few"
    few.mkdir()
    same = [(ELIF, f"{DISTINCT[0]} So it is in street {n}.") for n in "abcdefghijkl"]
    model = FakeModel(
        answering(
            statements=lambda a: proposals(
                *[(t["turn"], "custom", t["text"]) for t in a["turns"]], first_person=DISTINCT[0], statement=DISTINCT[0]
            ),
            verdicts=judged,
        )
    )
    held = hold_said(few, same, model)
    assert [row.status for row in held.rows(SampleRow)] == ["kept", *["dropped"] * 11]
    assert len(held.rows(DuplicateRow)) == 11


def test_9_opposites_are_both_kept(tmp_path: Path) -> None:
    pair = [
        "We always sit down before the oldest man of the house does.",
        "We never sit down before the oldest man of the house does.",
    ]
    found = proposals(*[(1, "norm", one) for one in pair])
    for row, one in zip(found["statements"], pair, strict=True):
        row["statement"] = row["first_person"] = one
    one = edition(distill={"dedup": {"threshold": 0.5}})
    held = hold_said(
        tmp_path, [(ELIF, " ".join(pair))], FakeModel(answering(statements=lambda _: found, verdicts=judged)), one
    )
    assert [assistant(row) for row in held.of(SampleRow, status="kept")] == pair


# --- 10. A sample has no link to its turn or dialogue; the last turns are mined but never logged ----------------------


@pytest.mark.parametrize("protocol", ["self-guidance", "free-chat"])
def test_10_all_turns_are_stored_and_every_sample_leads_to_its_turn_dialogue_and_call(
    tmp_path: Path, protocol: str
) -> None:
    held = hold(tmp_path, edition(protocol=protocol, max_turns=14), FakeModel())
    turns = {turn.id: turn for turn in held.rows(TurnRow)}
    assert sum(turn.role != "moderator" for turn in turns.values()) == 14
    (dialogue,) = held.rows(DialogueRow)
    # Whatever was read for extraction is a stored turn, the last ones too.
    read = [
        (turn["turn"], turn["text"])
        for call in held.of(CallRow, stage="extract")
        for turn in mined(json.loads(json.loads(call.request)["messages"][-1]["content"]))
    ]
    assert sorted(read) == sorted(
        (turn.position, " ".join(turn.text.split())) for turn in turns.values() if turn.role != "moderator"
    )
    samples = held.rows(SampleRow)
    assert samples
    for sample in samples:
        found = lineage.trace_statement(held.store, sample.id).as_json()
        turn = turns[found["turn"]["id"]]
        assert found["sample"]["id"] == sample.id
        assert found["dialogue"]["id"] == dialogue.id == turn.dialogue_id
        statement = found["statement"]
        assert turn.text[statement["quote_start"] : statement["quote_end"]] == statement["quote"]
        content = found["calls"]["turn"]["response"]["choices"][0]["message"]["content"]
        assert turn.text in content
        assert found["calls"]["statement"]["id"] == statement["call_id"]
        assert found["persona"]["key"] == turn.speaker == found["participant"]["persona_key"]
        assert found["seed"]["key"] == "wvs7/Q33"
        assert found["verdicts"]


def test_10_an_exported_line_leads_back_to_its_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hold(tmp_path, edition(max_turns=8), FakeModel()).store.close()
    store = ["--store", f"sqlite:///{tmp_path / 'runs.db'}"]
    assert run(["export", "last", "--format", "openai", "--out", str(tmp_path / "out"), *store]) == 0
    lines = (tmp_path / "out" / "all.jsonl").read_text("utf-8").splitlines()
    for number in (1, len(lines)):
        capsys.readouterr()
        assert run(["trace", f"{tmp_path / 'out' / 'all.jsonl'}:{number}", "--json", *store]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["sample"]["messages"] == json.loads(lines[number - 1])["messages"]
        assert found["statement"]["quote"] in found["turn"]["text"]


# --- 11. Ten-point questions "from 1 to 9"; the same row twenty times -----------------------------------------------


def test_11_ten_point_scales_reach_ten(tmp_path: Path) -> None:
    ten = [seed for seed in shipped("wvs7").scenario.seeds if seed.item and len(seed.item.options) == 10]
    assert ten
    for seed in ten:
        assert seed.item is not None
        assert [option.code for option in seed.item.options] == list(range(1, 11))
        assert all(f"({option.code} out of 10)" in option.label for option in seed.item.options)
    held = hold(tmp_path, edition(seeds=(ten[0],), max_turns=8), FakeModel(answering(verdicts=judged)))
    surveyed = held.of(SampleRow, kind="survey")
    assert surveyed
    for row in surveyed:
        asked = json.loads(row.messages)[1]["content"]
        told = [int(n) for n in re.findall(r"\((\d+) out of 10\)", asked)]
        assert told in (list(range(1, 11)), list(range(10, 0, -1)))


def test_11_no_row_is_exported_twice_and_none_is_without_a_reason(tmp_path: Path) -> None:
    held = hold(tmp_path, edition(dialogues_per_seed=6, max_turns=6), FakeModel(answering(verdicts=judged)))
    held.store.close()
    store = ["--store", f"sqlite:///{tmp_path / 'runs.db'}"]
    assert run(["export", "last", "--format", "openai", "--out", str(tmp_path / "out"), *store]) == 0
    lines = (tmp_path / "out" / "all.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == len(set(lines)) > 6
    dropped = Counter(row.drop_reason for row in held.of(SampleRow, status="dropped"))
    assert dropped["duplicate"] + dropped["same-words"] > 0  # there was something to repeat
    for line in lines:
        _, user, said = json.loads(line)["messages"]
        if "Choose one" in user["content"]:
            assert len(said["content"].removeprefix("My answer is: disagree.").split()) >= 4
