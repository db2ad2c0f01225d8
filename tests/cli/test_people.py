"""`culturepark people` as its users meet it: tables, quotas, a model, and what goes wrong with each."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from culturepark.catalog.personas import load_people, load_persona
from culturepark.domain import JsonObject
from culturepark.models import ledger
from tests.cli.test_cli import cli, rows_of
from tests.support.endpoint import Endpoint, Fault, status
from tests.support.fakes import FakeModel, material, shape_of
from tests.support.people import HEADER, MAP, QUOTAS, WHOLE, person, rows, table, writes
from tests.support.processes import Forked

PEOPLE = ("people", "--from", "people.csv", "--map", "map.yaml")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_table_that_says_everything_needs_no_model(folder: Path) -> None:
    table(folder, 20, WHOLE)
    done = cli(*PEOPLE, "--out", "out")
    assert (done.code, done.out) == (0, "out\n"), done.err
    assert "20 rows read; 2 not wanted (`where`), 0 cannot be used" in done.err
    cards = [load_persona(path) for path in sorted(Path("out").iterdir())]
    assert [p.source and p.source.row for p in cards] == [n for n in range(1, 21) if n % 10]
    first = cards[0]
    assert (first.gender, first.age, first.place, first.languages) == ("man", 20, "İzmir, Bornova", ("Turkish", "Zaza"))
    assert (first.role, first.country, first.key) == ("delegate", "TUR", "turkish-made-up-people-of-izmir-00001")
    assert first.source
    assert (first.source.name, first.source.licence, first.source.completed_by) == (
        "Made-up people of Izmir", "CC0-1.0", None,
    )  # fmt: skip
    assert cli("check", *Path("out").iterdir()).code == 0
    assert not Path("runs").exists()


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "tsv"])
def test_every_kind_of_table_gives_the_same_people(kind: str, folder: Path) -> None:
    table(folder, 20, WHOLE)
    cli(*PEOPLE, "--out", "csv.jsonl")
    lines = [line.split(",", 6) for line in rows(20).splitlines()]
    cells = [[*line[:6], *line[6].rsplit(",", 1)] for line in lines]
    head, body = HEADER.split(","), [[cell.strip('"') for cell in line] for line in cells[1:]]
    people = [dict(zip(head, line, strict=True)) | {"age": int(line[1])} for line in body]
    if kind == "jsonl":
        Path("t.jsonl").write_text("\n".join(map(json.dumps, people)))
    elif kind == "tsv":
        Path("t.tsv").write_text("\n".join("\t".join(line) for line in [head, *body]))
    else:
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(people), "t.parquet")
    done = cli("people", "--from", f"t.{kind}", "--map", "map.yaml", "--out", "out.jsonl")
    assert done.code == 0, done.err
    assert Path("out.jsonl").read_bytes() == Path("csv.jsonl").read_bytes()


def test_a_draw_of_rows_is_the_same_for_a_seed_and_another_for_another(folder: Path) -> None:
    table(folder, 60, WHOLE)

    def drawn(seed: int, out: str) -> list[int]:
        arguments = (*PEOPLE[1:], "--count", 9, "--seed", seed, "--out", out)
        assert cli("people", *arguments).code == 0
        return [p.source.row or 0 for p in load_people(Path(out)) if p.source]

    assert drawn(1, "a.jsonl") == drawn(1, "b.jsonl") != drawn(2, "c.jsonl")
    assert len(drawn(3, "d.jsonl")) == 9


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sex, values", "sexe, values", "map.yaml:7: card.gender: the table has no column 'sexe'; it has sex, age"),
        ("{city}", "{town}", "map.yaml:10: card.place: the table has no column 'town'"),
        ("{city}", "{city.upper}", "map.yaml:10: card.place.template: is no template: in the braces stands the name"),
        ("{city}", "{city", "map.yaml:10: card.place.template: is no template"),
        ("settlement: city", "settlement: hamlet", "map.yaml:11: card.settlement: must be one of 'city', 'town'"),
        ("culture: turkish", "culture: ottoman", "map.yaml:6: card.culture: must be one of american, arabic"),
        ("region: Aegean", "regoin: Aegean", "map.yaml:9: card.regoin: unknown key; allowed here: key, name, called"),
        ("licence: CC0-1.0\n", "", "licence: is missing"),
        ("[note]", "[notes]", "map.yaml:4: about[1]: the table has no column 'notes'"),
        ("{column: langs, split", "{split", "map.yaml:14: card.languages: must be a text with columns in braces"),
        ("age: {least", "years: {least", "map.yaml:3: where.years: the table has no column 'years'"),
    ],
)
def test_a_mistake_in_a_map_is_named_with_its_line(old: str, new: str, words: str, folder: Path) -> None:
    text = MAP.replace("where: {age: {least: 16}}\nabout: [note]", "where: {age: {least: 16}}  # adults\nabout: [note]")
    text = text.replace(
        "where: {age: {least: 16}}  # adults\nabout: [note]", "where: {age: {least: 16}}\nabout: [note]"
    )
    assert old in text
    table(folder, 4, text.replace(old, new, 1))
    done = cli(*PEOPLE, "--out", "out")
    assert done.code == 2
    assert words in done.err
    assert not Path("out").exists()


def test_bad_rows_are_counted_with_reasons_and_the_first_ten_are_named(folder: Path) -> None:
    table(folder, 3, WHOLE)
    bad = [
        "Other,30,İzmir,Bornova,baker,Sunni Muslim,Turkish,x",
        "Male,200,İzmir,Bornova,baker,Sunni Muslim,Turkish,x",
        "Male,forty,İzmir,Bornova,baker,Sunni Muslim,Turkish,x",
        "Male,40,İzmir,Bornova",
        "Male,40,\x1b[31mİzmir,Bornova,baker,Sunni Muslim,Turkish,x",
        f"Male,40,İzmir,Bornova,{'x' * 1_000_000},Sunni Muslim,Turkish,x",
        *["Nobody,40,İzmir,Bornova,baker,Sunni Muslim,Turkish,x"] * 10,
    ]
    with Path("people.csv").open("a", encoding="utf-8") as file:
        file.write("\n".join(bad) + "\nFemale,41,=HYPERLINK(1),../../etc,baker,Sunni Muslim,Turkish,x\n")
    Path("map.yaml").write_text(WHOLE.replace("where: {age: {least: 16}}\n", ""))
    done = cli(*PEOPLE, "--out", "out", "--json")
    assert done.code == 0, done.err
    assert (done.json["people"], done.json["rows"], done.json["bad"]) == (4, 20, 16)
    assert [entry["row"] for entry in done.json["first_bad"]] == list(range(4, 14))
    assert done.json["reasons"]["sex"] == 11
    named = (
        "row 4: sex: 'Other' does not stand in `values`",
        "row 7: has 4 cells, and the header 8",
        "row 8: city: holds control characters",
        "row 9: name: the text should have at most 2000",
    )
    for words in named:
        assert words in done.err
    assert "\x1b" not in done.err
    assert len(done.err) < 4000
    odd = load_persona(max(Path("out").iterdir()))
    assert odd.place == "=HYPERLINK(1), ../../etc"  # text is text; it names no file


def test_keys_that_are_paths_are_bad_rows_and_so_are_keys_that_come_twice(folder: Path) -> None:
    table(folder, 0, WHOLE + '  key: "{note}"\n')
    keys = ["../../x", "a/b", "ok", "ok", "UPPER", "moderator"]
    body = [f"Male,40,İzmir,Bornova,baker,Sunni Muslim,Turkish,{key}" for key in keys]
    Path("people.csv").write_text("\n".join([HEADER, *body]) + "\n", encoding="utf-8")
    done = cli(*PEOPLE, "--out", "out", "--json")
    assert done.code == 0, done.err
    assert [path.name for path in Path("out").iterdir()] == ["ok.yaml"]
    assert done.json["bad"] == 5
    assert "key: ok is that of row 3 too" in done.err


def test_without_a_model_it_says_what_is_lacking_and_writes_nothing(folder: Path) -> None:
    table(folder)
    done = cli(*PEOPLE, "--out", "out")
    assert done.code == 2
    assert "lacks name, called, schooling, observance, generation, values, speech, norms, scope" in done.err
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--out", "o"), "name either a table"),
        (("--from", "people.csv", "--out", "o"), "say with --map FILE"),
        (("--from", "people.xlsx", "--map", "map.yaml", "--out", "o"), "a table ends with .csv, .tsv, .jsonl"),
        (("--from", "none.csv", "--map", "map.yaml", "--out", "o"), "no such file"),
        (PEOPLE[1:], "--out: name a folder"),
        ((*PEOPLE[1:], "--out", "o.csv"), "cards go into a folder"),
        ((*PEOPLE[1:], "--out", "."), "holds files already"),
        ((*PEOPLE[1:], "--out", "o", "--model", "scripted"), "cannot write any"),
        ((*PEOPLE[1:], "--out", "o", "--model", "embedded"), "too small"),
        (("--quotas", "quotas.yaml", "--out", "o"), "name the --model"),
    ],
)
def test_wrong_use_is_one_line_and_leaves_nothing(arguments: tuple[str, ...], words: str, folder: Path) -> None:
    table(folder, 4, WHOLE)
    Path("quotas.yaml").write_text(QUOTAS)
    before = sorted(folder.iterdir())
    done = cli("people", *arguments)
    assert done.code == 2
    assert words in done.err
    assert sorted(folder.iterdir()) == before


# --- with a model ------------------------------------------------------------------------------------


def test_a_model_writes_the_rest_in_a_run_that_is_never_paid_twice(folder: Path) -> None:
    table(folder)
    with Endpoint(reply=writes) as endpoint:
        command = (*PEOPLE, "--out", "out", "--model", f"openai:t@{endpoint.url}")
        done = cli(*command, "--json")
        assert done.code == 0, done.err
        assert (done.json["people"], done.json["wanted"], done.json["status"]) == (11, 11, "done")
        cards = {path.name: path.read_bytes() for path in Path("out").iterdir()}
        asked = [material(body) for body in endpoint.chats]
        assert len({json.dumps(one["bent"]) for one in asked}) == 11  # nobody leans like anybody else
        assert {one["told"] for one in asked} == {f"keeps {i} pigeons" for i in range(12) if i != 9}
        assert "Elif" in asked[0]["not_called"]  # the names of the shipped people
        run = done.json["run"]
        persona = load_persona(min(Path("out").iterdir()))
        assert persona.source
        assert persona.source.completed_by == f"openai:t@{endpoint.url}, call {run}.p1.c1"
        assert persona.episodes
        assert "nobody has read them yet" in persona.episodes.origin
        assert cli(*command, "--json").json["run"] == run  # the same command goes on with the same run
        assert cli("resume", "last").code == 0
        assert len(endpoint.chats) == 11
    assert {path.name: path.read_bytes() for path in Path("out").iterdir()} == cards
    assert [row["stage"] for row in rows_of("call")] == ["people"] * 11
    assert cli("distill", "last", "--from", "dedup").code == 2
    assert cli("stats", "last").code == cli("runs").code == cli("doctor").code == 0


def test_people_to_quotas_are_what_the_margins_ask_for(folder: Path) -> None:
    Path("quotas.yaml").write_text(QUOTAS)
    with Endpoint(reply=writes) as endpoint:
        model = ("--model", f"openai:t@{endpoint.url}")
        done = cli("people", "--quotas", "quotas.yaml", "--out", "q.jsonl", "--count", 40, *model, "--json")
    assert done.code == 0, done.err
    people = list(load_people(Path("q.jsonl")))
    assert sum(p.gender == "woman" for p in people) in (20, 21)
    assert [sum(p.settlement == s for p in people) for s in ("city", "town", "village")] == [28, 8, 4]
    assert [sum(p.faith == f for p in people) for f in ("Sunni Muslim", "none")] == [34, 6]
    assert [sum(a <= p.age <= b for p in people) for a, b in ((16, 34), (35, 59), (60, 85))] == [16, 16, 8]
    assert not any(p.settlement == "village" and p.faith == "none" for p in people)
    assert done.json["quotas"]["settlement"] == {"city": 28, "town": 8, "village": 4}


def contrary(change: Callable[[JsonObject], JsonObject], times: int) -> Callable[[JsonObject, int], str | None]:
    """The first answers for each person contradict what is settled."""

    def reply(body: JsonObject, _: int) -> str | None:
        asked = material(body)
        wrong = len(asked.get("faults", [])) < times if times == 1 else True
        return json.dumps(person(asked) | (change(asked) if wrong else {}))

    return reply


CONTRARY: list[Callable[[JsonObject], JsonObject]] = [
    lambda asked: {"age": asked["settled"]["age"] + 9},
    lambda asked: {"gender": "nonbinary"},
    lambda asked: {"settlement": "village"},
    lambda asked: {"faith": "Greek Orthodox"},
    lambda asked: {"generation": "born in 1931"},
    lambda asked: {"scenes": [s | {"when": "1911"} for s in person(asked)["scenes"]]},
    lambda asked: {"called": "two words"},
]


@pytest.mark.parametrize("change", CONTRARY)
@pytest.mark.sampled
def test_a_card_that_contradicts_its_person_is_asked_for_again_once(
    change: Callable[[JsonObject], JsonObject], folder: Path
) -> None:
    table(folder, 3)
    command = (*PEOPLE, "--json")
    with Endpoint(reply=contrary(change, 1)) as endpoint:
        done = cli(*command, "--out", "a", "--model", f"openai:t@{endpoint.url}")
        assert (done.code, done.json["people"], len(endpoint.chats)) == (0, 3, 6), done.err
    with Endpoint(reply=contrary(change, 2)) as endpoint:
        done = cli(*command, "--out", "b", "--model", f"openai:t@{endpoint.url}")
        assert (done.code, done.json["people"], len(endpoint.chats)) == (0, 0, 6)
        assert sum(done.json["dropped"].values()) == 3
        assert "person 1: " in done.err


def test_a_budget_stops_between_people_and_the_run_goes_on_with_a_higher_one(folder: Path) -> None:
    table(folder)
    with Endpoint(reply=writes) as endpoint:
        command = (*PEOPLE, "--out", "out", "--concurrency", 1)
        done = cli(*command, "--model", f"openai:t@{endpoint.url}", "--max-tokens", 4000, "--json")
        assert done.code == 4
        assert 0 < done.json["people"] < 11
        assert "resume" in done.err
        assert "--max-tokens" in done.err
        done = cli("resume", "last", "--max-tokens", 1_000_000, "--json")
        assert (done.code, done.json["people"]) == (0, 11), done.err
        assert len(endpoint.chats) == 11
    assert len(list(Path("out").iterdir())) == 11


def test_a_kill_between_two_people_costs_no_answer(folder: Path) -> None:
    table(folder)
    fourth = threading.Event()

    def slow(body: JsonObject, number: int) -> str | Fault | None:
        if number == 4:
            fourth.set()
            return Fault("hang")
        return writes(body, number)

    arguments = (*PEOPLE, "--out", "out", "--concurrency", 1)
    with Endpoint(reply=slow) as endpoint:
        model = ("--model", f"openai:t@{endpoint.url}")
        with Forked(*arguments, *model, cwd=folder, env={**os.environ}) as child:
            assert fourth.wait(60)
            child.send_signal(signal.SIGKILL)
            child.communicate()
        assert not any(Path("out").iterdir())
        done = cli(*arguments, *model, "--json")
        assert (done.code, done.json["people"]) == (0, 11), done.err
        assert len(endpoint.chats) == 12  # the fourth was under way, and nobody else is asked again
        bodies = [json.dumps(body["messages"]) for body in endpoint.chats]
        assert len(set(bodies)) == 11


def test_one_who_fails_is_asked_later_and_costs_nobody_elses_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "pause_before", lambda *_: 0.0)
    table(folder, 40)
    broken = threading.Event()
    broken.set()

    def reply(body: JsonObject, number: int) -> str | Fault | None:
        if broken.is_set() and shape_of(body) == "person" and "keeps 2 pigeons" in material(body)["told"]:
            return status(500)
        return writes(body, number)

    with Endpoint(reply=reply) as endpoint:
        command = (*PEOPLE, "--out", "out", "--model", f"openai:t@{endpoint.url}")
        done = cli(*command, "--json")
        assert (done.code, done.json["people"], done.json["failed"]) == (1, 35, 1), done.err
        broken.clear()
        before = len(endpoint.chats)
        done = cli("resume", "last", "--json")
        assert (done.code, done.json["people"]) == (0, 36), done.err
        assert len(endpoint.chats) == before + 1


def test_a_model_that_is_too_small_is_refused_before_it_is_asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(folder)
    model = FakeModel(labels=True)

    async def get(*_: object) -> FakeModel:
        return model

    monkeypatch.setattr("culturepark.models.registry.Models.get", get)
    command = (*PEOPLE, "--out", "out")
    done = cli(*command, "--model", "openai:x@http://[::1]:9/v1")
    assert done.code == 2
    assert "is too small to write people" in done.err
    assert model.bodies == []


def test_a_forecast_asks_nothing_and_needs_no_key(folder: Path) -> None:
    table(folder)
    command = (*PEOPLE, "--out", "out", "--model", "openai:gpt-4o-mini")
    done = cli(*command, "--dry-run", "--json")
    assert done.code == 0
    assert done.json["people"] == 11
    assert 0 < done.json["cost_usd"][0] < done.json["cost_usd"][1] < 1
    assert not Path("out").exists()
    assert not Path("runs").exists()


# --- in a scenario -----------------------------------------------------------------------------------

SCENARIO = """\
name: tiny
title: A short talk
setting: cross-cultural
cultures: [turkish]
seeds:
  - key: guests
    question: What do you do when a guest comes without notice?
personas: [out.jsonl]
max_turns: 4
"""


def test_people_of_a_table_sit_only_where_the_scenario_says_with_whom(folder: Path) -> None:
    table(folder, 20, WHOLE)
    cli(*PEOPLE, "--out", "out.jsonl")
    Path("s.yaml").write_text(SCENARIO)
    done = cli("check", "s.yaml")
    assert done.code == 2
    assert "s.yaml:8: personas: 18 of these people come from Made-up people of Izmir: say `cast: own`" in done.err
    Path("s.yaml").write_text(SCENARIO + "cast: own\n")
    assert cli("check", "s.yaml", "out.jsonl").out == "s.yaml: scenario, fine\nout.jsonl: 18 personas, fine\n"
    done = cli("simulate", "s.yaml", "--model", "scripted", "--run-id", "a", "--dialogues", 3)
    assert done.code == 0, done.err
    seated = {row["persona_key"] for row in rows_of("participant") if row["culture"] == "turkish"}
    assert all(key.startswith("turkish-made-up-people-of-izmir-") for key in seated)
    done = cli("export", "a", "--format", "trl", "--out", "ex")
    assert done.code == 0, done.err
    manifest = json.loads(Path("ex/manifest.json").read_bytes())
    origins = {entry["name"]: entry for entry in manifest["people_from"]}
    table_entry = origins["Made-up people of Izmir"]
    assert table_entry["licence"] == "CC0-1.0"
    assert table_entry["people"] == len([p for p in manifest["personas"] if p["culture"] == "turkish"])
    assert "Made-up people of Izmir (CC0-1.0)" in Path("ex/README.md").read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SCENARIO.replace("personas: [out.jsonl]\n", "cast: own\n"), "s.yaml:8: cast: goes with `personas`"),
        (
            SCENARIO.replace("[turkish]", "[turkish, german]") + "cast: own\n",
            "cast: `own`, and nobody of `personas` is german",
        ),
        (SCENARIO + "cast: both\n", "cast: must be one of 'own', 'all'"),
    ],
)
def test_a_wrong_cast_is_named(text: str, words: str, folder: Path) -> None:
    table(folder, 4, WHOLE)
    cli(*PEOPLE, "--out", "out.jsonl")
    Path("s.yaml").write_text(text)
    done = cli("check", "s.yaml")
    assert done.code == 2
    assert words in done.err


def test_mistakes_in_lines_of_cards_are_named_by_line(folder: Path) -> None:
    table(folder, 4, WHOLE)
    cli(*PEOPLE, "--out", "out.jsonl")
    lines = Path("out.jsonl").read_text().splitlines()
    lines[1] = lines[1].replace('"age":21', '"age":211')
    lines[2] = lines[2][:50]
    lines += [json.dumps(json.loads(lines[0]) | {"role": "main", "key": "x"}), "[]"]
    Path("out.jsonl").write_text("\n".join(lines))
    done = cli("check", "out.jsonl")
    assert done.code == 2
    for words in ("out.jsonl:2: age: ", "out.jsonl:3: is no JSON", "out.jsonl:5: role: ", "out.jsonl:6: "):
        assert words in done.err


def test_people_of_a_culture_whose_file_lies_by_the_quotas_or_the_map(folder: Path) -> None:
    Path("nordic.yaml").write_text(
        "culture: nordic\nname: Nordic\nadjective: Nordic\ncountries: [SWE, NOR]\naddress: By the first name.\n"
        "languages: [{language: sv}]\n"
    )
    Path("quotas.yaml").write_text(QUOTAS.replace("culture: turkish", "culture: nordic\ncountry: NOR"))
    with Endpoint(reply=writes) as endpoint:
        model = ("--model", f"openai:t@{endpoint.url}")
        done = cli("people", "--quotas", "quotas.yaml", "--out", "q.jsonl", "--count", 4, *model, "--json")
        assert {material(body)["country"] for body in endpoint.chats} == {"Norway"}
    assert done.code == 0, done.err
    assert {(p.culture, p.country) for p in load_people(Path("q.jsonl"))} == {("nordic", "NOR")}
    table(folder, 4, WHOLE.replace("culture: turkish", "culture: nordic"))
    assert cli(*PEOPLE, "--out", "out").code == 0
    assert {load_persona(path).country for path in Path("out").iterdir()} == {"SWE"}
    Path("quotas.yaml").write_text(QUOTAS.replace("culture: turkish", "culture: nordic\ncountry: FIN"))
    done = cli("people", "--quotas", "quotas.yaml", "--out", "r.jsonl", *model)
    assert "country: nordic has no country FIN, only SWE, NOR" in done.err
