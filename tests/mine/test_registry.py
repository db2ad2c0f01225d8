"""`culturepark mine registry`: norms of several runs in one registry, on a judge who compares as the test wants it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from culturepark.domain import JsonObject
from culturepark.mine.entries import independent
from culturepark.store.reviews import Reviews
from culturepark.store.store import Store
from tests.cli.test_cli import Done, cli, rows_of
from tests.support.endpoint import Endpoint
from tests.support.fakes import ELIF, JENNA
from tests.support.tellings import CEVDET, GULSAH, Table, Tell, compares, pairs_in, planted, table

STORE = ("--store", "sqlite:///runs.db")
LEXICAL = ("--role", "embedder=lexical")
TEA = "When guests get up to leave we pour one more glass of tea."
AGAIN = "Before guests may leave the house, another glass of tea is put before them."
TWO = "When guests get up to leave we pour two more glasses of tea, never one."
LET_GO = "When guests get up to leave we only bring their shoes, and the tea stays in the pot."
NOT_ALONE = "We do not let guests leave without a glass of tea in the rain."
BREAD = "Bread that fell to the ground is kissed and laid where no foot treads."
RELATIONS = table((TEA, AGAIN, "same"), (TEA, TWO, "variation"), (TEA, LET_GO, "denies"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def two_runs(folder: Path) -> None:
    """Elif tells of tea and bread; at another table Cevdet says the same of the tea, and Gulsah denies it."""
    planted(folder, "one", [Tell(ELIF, TEA), Tell(ELIF, BREAD)])
    planted(folder, "two", [Tell(CEVDET, AGAIN), Tell(CEVDET, TWO), Tell(GULSAH, LET_GO), Tell(GULSAH, NOT_ALONE)])


def merged(relations: Table, *more: object, knows: bool = True) -> tuple[Done, list[JsonObject]]:
    """A registry by a judge of this table, and the requests that came in."""
    with Endpoint(reply=compares(relations, knows=knows), port=PORT) as endpoint:
        judge = f"openai:judge@{endpoint.url}"
        done = cli("mine", "registry", "--model", judge, *LEXICAL, *STORE, "--json", *more)
        return done, endpoint.chats


PORT = 47_311
"""One address for all judges of a test: another one would be another judge, who has said nothing yet."""


def entry(done: Done, text: str) -> JsonObject:
    (found,) = [one for one in done.json["entries"] if one["text"] == text]
    return dict(found)


# --- who tells, varies and denies --------------------------------------------------------------------


@pytest.mark.usefixtures("two_runs")
def test_one_entry_says_who_confirms_varies_and_denies_it() -> None:
    done, _ = merged(RELATIONS)
    assert done.code == 0, done.err
    tea = entry(done, TEA)
    assert [one["statement"] for one in tea["told"]] == ["one.d1.t1.s1", "two.d1.t1.s1"]
    assert (tea["people"], tea["independent"]) == (2, 2)
    (variant,) = tea["variants"]
    assert (variant["text"], variant["differs"]) == (TWO, "so says the judge: variation")
    (denial,) = tea["denied"]
    assert (denial["told"]["person"], denial["reason"]) == (GULSAH, "so says the judge: denies")
    assert tea["status"] == "disputed"
    assert {one["country"] for one in tea["places"]} == {"TUR"}
    assert tea["provenance"] == {"card": 1.0}
    assert entry(done, LET_GO)["status"] == "disputed"
    assert [one["told"]["statement"] for one in entry(done, LET_GO)["denied"]] == ["one.d1.t1.s1"]
    assert entry(done, BREAD)["status"] == "told once"
    assert len(done.json["entries"]) == 4


@pytest.mark.usefixtures("two_runs")
def test_without_the_denial_it_is_confirmed() -> None:
    done, _ = merged(table((TEA, AGAIN, "same")))
    assert entry(done, TEA)["status"] == "confirmed"


@pytest.mark.usefixtures("two_runs")
def test_words_alone_deny_nothing() -> None:
    """Only a model's judgement, a persona who was asked, or reviewers make an entry disputed."""
    negated = "When guests get up to leave we do not pour one more glass of tea."
    planted(Path.cwd(), "three", [Tell(GULSAH, negated)])
    asked, _ = merged({})
    unasked = cli("mine", "registry", "--no-model", *LEXICAL, *STORE, "--json")
    for done in (asked, unasked):
        assert done.code == 0, done.err
        assert {one["status"] for one in done.json["entries"]} == {"told once"}
        assert entry(done, negated)["denied"] == entry(done, TEA)["denied"] == []
    assert "no model compared them" in unasked.err


@pytest.mark.usefixtures("two_runs")
def test_a_denial_by_somebody_of_another_country_is_told_and_disputes_nothing(folder: Path) -> None:
    from culturepark.mine.entries import Judgement, SameWords, entry_of, pair_of, stars
    from culturepark.store.tellings import told

    store = Store(f"sqlite:///{folder}/runs.db")
    found = {one.statement.text: one for one in told(store, [store.run("one"), store.run("two")]).tellings}
    denier = found[LET_GO]
    for country, status in (("TUR", "disputed"), ("DEU", "told once")):
        speaker = denier.speaker.model_copy(update={"country": country})
        groups = [SameWords([found[TEA]]), SameWords([denier.__class__(**{**vars(denier), "speaker": speaker})])]
        judged = {pair_of(groups[0].id, groups[1].id): Judgement("denies", None)}
        first = entry_of(stars(groups, judged, {})[0])
        assert (first.status, len(first.denied)) == (status, 1)


def test_the_same_words_are_one_entry_without_a_model(folder: Path) -> None:
    planted(folder, "one", [Tell(ELIF, TEA)])
    planted(folder, "two", [Tell(CEVDET, TEA.upper()), Tell(CEVDET, BREAD)])
    done = cli("mine", "registry", "--no-model", *LEXICAL, *STORE, "--json")
    assert len(done.json["entries"]) == 2
    assert entry(done, TEA)["status"] == "confirmed"


def test_people_are_independent_only_at_different_tables(folder: Path) -> None:
    planted(folder, "one", [Tell(ELIF, TEA), Tell(CEVDET, AGAIN), Tell(ELIF, TWO)])
    done, _ = merged(table((TEA, AGAIN, "same"), (TEA, TWO, "same")))
    tea = entry(done, TEA)
    assert (len(tea["told"]), tea["people"], tea["independent"], tea["status"]) == (3, 2, 1, "told once")


@pytest.mark.parametrize(
    ("seats", "number"),
    [
        ([], 0),
        ([("a", "1"), ("a", "2")], 1),
        ([("a", "1"), ("b", "1")], 1),
        ([("a", "1"), ("a", "2"), ("b", "1")], 2),
        ([("a", "1"), ("b", "1"), ("c", "1"), ("c", "2")], 2),
    ],
)
def test_independent_people_are_paired_with_dialogues(seats: list[tuple[str, str]], number: int) -> None:
    assert independent(seats) == number


def test_personas_who_were_asked_confirm_vary_and_deny(folder: Path) -> None:
    planted(
        folder,
        "one",
        [Tell(ELIF, TEA, heard={CEVDET: "shared", GULSAH: "varies"}), Tell(ELIF, BREAD, heard={GULSAH: "denied"})],
    )
    done = cli("mine", "registry", "--no-model", *LEXICAL, *STORE, "--json")
    tea, bread = entry(done, TEA), entry(done, BREAD)
    assert (tea["status"], tea["people"], tea["independent"]) == ("confirmed", 2, 2)
    assert [one["person"] for one in tea["shared"]] == [CEVDET]
    assert [one["words"] for one in tea["varies"]] == ["I say varies."]
    assert (bread["status"], [one["person"] for one in bread["denied_when_asked"]]) == ("disputed", [GULSAH])


@pytest.mark.usefixtures("two_runs")
def test_what_reviewers_reject_confirms_nothing() -> None:
    store = Store("sqlite:///runs.db")
    Reviews(store, "anna").add("two.d1.t1.s1", "reject", note="nobody I know")
    done, _ = merged(table((TEA, AGAIN, "same")))
    tea = entry(done, TEA)
    assert (tea["status"], tea["independent"]) == ("told once", 1)
    assert (tea["reviewers"]["accepted"], tea["reviewers"]["rejected"]) == (0, 1)
    assert [one["rejected"] for one in tea["told"]] == [False, True]
    Reviews(store, "anna").add("one.d1.t1.s1", "reject")
    done, _ = merged(table((TEA, AGAIN, "same")))
    assert entry(done, TEA)["status"] == "disputed"
    assert "anna" not in done.out
    assert "nobody I know" not in done.out


def test_what_one_tells_of_oneself_alone_confirms_and_makes_no_entry(folder: Path) -> None:
    personal = {"reach": "personal", "provenance": "card"}
    planted(folder, "one", [Tell(ELIF, TEA), Tell(ELIF, BREAD, known=personal)])
    planted(folder, "two", [Tell(CEVDET, AGAIN, known=personal)])
    relations = table((TEA, AGAIN, "same"))
    done, _ = merged(relations)
    assert [(one["text"], one["status"]) for one in done.json["entries"]] == [(TEA, "confirmed")]
    assert done.json["personal_left_out"] == 1
    done, _ = merged(relations, "--personal")
    assert {one["text"] for one in done.json["entries"]} == {TEA, BREAD}


def test_the_same_words_of_people_and_of_oneself_are_one_entry(folder: Path) -> None:
    planted(folder, "one", [Tell(ELIF, TEA, known={"reach": "personal"})])
    planted(folder, "two", [Tell(CEVDET, TEA)])
    done = cli("mine", "registry", "--no-model", "--personal", *LEXICAL, *STORE, "--json")
    (tea,) = done.json["entries"]
    assert (tea["status"], tea["reach"], tea["told"][0]["person"]) == ("confirmed", "general", CEVDET)
    assert tea["provenance"] == {"card": 0.5, "unknown": 0.5}


def test_statements_that_were_turned_down_are_left_out_and_counted(folder: Path) -> None:
    planted(folder, "one", [Tell(ELIF, TEA), Tell(ELIF, BREAD, faithful=False)])
    done = cli("mine", "registry", "--no-model", *LEXICAL, *STORE, "--json")
    assert [one["text"] for one in done.json["entries"]] == [TEA]
    assert done.json["left_out"] == {"failed faithful": 1}


def test_a_norm_that_many_tell_is_one_entry_though_each_is_compared_with_one_neighbour(folder: Path) -> None:
    """Chains of neighbours end at those that stand for others, and these are compared in their turn."""
    many = [f"{'tea ' * (n + 1)}{'bread ' * (7 - n)}comes to the table number {n}." for n in range(8)]
    planted(folder, "one", [Tell(ELIF, text) for text in many])
    everything = table(*((one, other, "same") for one in many for other in many if one != other))
    done, bodies = merged(everything, "--nearest", 1)
    assert [len(one["told"]) for one in done.json["entries"]] == [8]
    assert len(pairs_in(bodies)) < 8 * 7 / 2


def test_only_the_named_culture_is_compared(folder: Path) -> None:
    planted(folder, "one", [Tell(ELIF, TEA), Tell(JENNA, BREAD)])
    done = cli("mine", "registry", "--no-model", "--culture", "turkish", *LEXICAL, *STORE, "--json")
    assert [one["culture"] for one in done.json["entries"]] == ["turkish"]
    wrong = cli("mine", "registry", "--no-model", "--culture", "korean", *LEXICAL, *STORE)
    assert (wrong.code, "nobody of it speaks" in wrong.err) == (2, True)


def test_what_a_model_says_without_a_talk_is_told_by_nobody(folder: Path) -> None:
    mine = "mine norms --survey wvs7 --culture turkish --topic work --count 3 --reasons 0 --model scripted --run-id m"
    assert cli(*mine.split(), *LEXICAL, *STORE).code == 0
    done = cli("mine", "registry", "--no-model", *LEXICAL, *STORE, "--json")
    assert {one["status"] for one in done.json["entries"]} == {"by a model alone"}
    assert {(told["person"], told["place"]) for one in done.json["entries"] for told in one["told"]} == {(None, None)}
    text = done.json["entries"][0]["told"][0]["text"]
    planted(folder, "one", [Tell(ELIF, text), Tell(CEVDET, BREAD)])
    both = cli("mine", "registry", "m", "one", "--model", "scripted", *LEXICAL, *STORE, "--json")
    assert both.code == 0, both.err
    assert {one["text"]: one["status"] for one in both.json["entries"]}[BREAD] == "told once"


# --- what is asked -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_runs")
def test_no_pair_is_asked_about_twice(folder: Path) -> None:
    _, first = merged(RELATIONS)
    again, second = merged(RELATIONS)
    assert second == []
    assert entry(again, TEA)["status"] == "disputed"
    planted(folder, "three", [Tell(CEVDET, "After the meal we pour tea for the guests, and only then for us.")])
    more, third = merged(RELATIONS)
    assert more.json["run"] != again.json["run"]  # it compares more
    assert third
    assert max(Counter([*pairs_in(first), *pairs_in(third)]).values()) == 1
    assert entry(more, TEA)["status"] == "disputed"


@pytest.mark.usefixtures("two_runs")
def test_a_registry_that_was_stopped_goes_on_where_it_was(folder: Path) -> None:
    planted(folder, "three", [Tell(GULSAH, f"We pour tea for guest number {n} before we leave.") for n in range(4)])
    stopped, first = merged(RELATIONS, "--max-tokens", 1, "--concurrency", 1, "--run-id", "r")
    assert stopped.code == 4
    assert "culturepark resume r --max-tokens" in stopped.err
    with Endpoint(reply=compares(RELATIONS), port=PORT) as endpoint:
        done = cli("resume", "r", "--max-tokens", 10**9, "--endpoint", endpoint.url, *STORE, "--json")
        second = endpoint.chats
    assert done.code == 0, done.err
    assert first
    assert second
    assert max(Counter([*pairs_in(first), *pairs_in(second)]).values()) == 1
    assert entry(done, TEA)["status"] == "disputed"
    assert [row["status"] for row in rows_of("run", "runs.db") if row["id"] == "r"] == ["done"]


@pytest.mark.usefixtures("two_runs")
def test_a_judge_who_does_not_know_the_known_pairs_is_not_believed() -> None:
    done, bodies = merged(RELATIONS, knows=False)
    assert (done.code, done.json["judged"]) == (0, 0)
    assert {one["status"] for one in done.json["entries"]} == {"told once"}
    assert "not believed" in done.err
    assert max(Counter(pairs_in(bodies)).values()) <= 2


@pytest.mark.usefixtures("two_runs")
def test_a_dry_run_counts_the_pairs_and_asks_nobody() -> None:
    with Endpoint(reply=compares(RELATIONS), port=PORT) as endpoint:
        judge = ("--model", f"openai:judge@{endpoint.url}", *LEXICAL, *STORE)
        dry = cli("mine", "registry", *judge, "--dry-run", "--json")
        assert endpoint.requests == []
        assert [row["id"] for row in rows_of("run", "runs.db")] == ["one", "two"]
        done = cli("mine", "registry", *judge, "--json")
        assert dry.json["pairs"] == done.json["pairs"] == len(pairs_in(endpoint.chats))
        low, high = dry.json["calls"]
        assert low <= len(endpoint.chats) <= high
        dry = cli("mine", "registry", *judge, "--dry-run", "--json")
    assert (dry.json["judged_before"], dry.json["calls"]) == (dry.json["pairs"], [0, 0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "--no-model"),
        (["--no-model", "--model", "scripted"], "leave out --model"),
        (["--model", "scripted", "--role", "speaker=scripted"], "a judge and an embedder alone"),
        (["missing", "--no-model"], "no such run"),
    ],
)
@pytest.mark.usefixtures("two_runs")
def test_options_that_do_not_go_together_are_refused(options: list[str], said: str) -> None:
    done = cli("mine", "registry", *options, *STORE)
    assert done.code == 2
    assert said in done.err


# --- the data set ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_runs")
def test_a_registry_is_written_as_a_data_set_whose_lines_lead_back() -> None:
    done, _ = merged(RELATIONS, "--out", "out", "--license", "cc-by-4.0", "--run-id", "r")
    assert done.code == 0, done.err
    manifest = json.loads(Path("out/manifest.json").read_text("utf-8"))
    (file,) = manifest["files"]
    beside = {
        file["name"]: file["sha256"],
        file["index"]: file["index_sha256"],
        "README.md": manifest["card"]["sha256"],
    }
    for name, sha256 in beside.items():
        assert hashlib.sha256(Path("out", name).read_bytes()).hexdigest() == sha256
    rows = [json.loads(line) for line in Path("out/registry.jsonl").read_text("utf-8").splitlines()]
    assert rows == done.json["entries"]
    assert (manifest["registry"], manifest["relations"]["denies"], manifest["by_status"]["disputed"]) == ("r", 1, 2)
    number = next(n for n, row in enumerate(rows, start=1) if row["text"] == TEA)
    traced = cli("trace", f"out/registry.jsonl:{number}", *STORE, "--json")
    assert traced.json["statement"]["id"] == "one.d1.t1.s1"
    assert traced.json["told 2"]["statement"]["id"] == "two.d1.t1.s1"
    assert traced.json["varied"]["statement"]["text"] == TWO
    assert traced.json["denied"]["persona"]["key"] == GULSAH
    assert "denied:" in cli("trace", f"out/registry.jsonl:{number}", *STORE).out
    index = Path("out/registry.index.jsonl")
    for wrong in ("[]", "{}", '{"statements": 3, "sha256": ""}', '{"statements": {}, "sha256": ""}'):
        index.write_text(f"{wrong}\n")
        refused = cli("trace", "out/registry.jsonl:1", *STORE)
        assert (refused.code, "not an index line" in refused.err) == (2, True), refused.err
    card = Path("out/README.md").read_text("utf-8")
    assert "No entry claims to be true of a people" in card
    assert 'license: "cc-by-4.0"' in card


@pytest.mark.usefixtures("two_runs")
def test_a_registry_takes_the_place_of_an_older_one_and_of_nothing_else() -> None:
    judge = ("mine", "registry", "--no-model", *LEXICAL, *STORE)
    assert cli(*judge, "--out", "out").code == 0
    assert cli(*judge, "one", "--out", "out").code == 0
    assert len(Path("out/registry.jsonl").read_text("utf-8").splitlines()) == 2
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("not yours")
    refused = cli(*judge, "--out", "mine")
    assert (refused.code, "holds other files" in refused.err) == (2, True)
    assert Path("mine/notes.txt").read_text() == "not yours"


@pytest.mark.usefixtures("two_runs")
def test_nobody_talks_in_a_registry() -> None:
    assert cli("mine", "registry", "--no-model", *LEXICAL, *STORE, "--run-id", "r").code == 0
    for command in (
        ("export", "r", "--format", "trl", "--out", "x"),
        ("mine", "registry", "r", "--no-model"),
    ):
        refused = cli(*command, *STORE)
        assert refused.code == 2, (command, refused.err)
    assert "compared norms and customs" in cli("mine", "registry", "r", "--no-model", *STORE).err
    assert cli("doctor", *STORE).code == 0
    assert "r" in cli("runs", *STORE).out


def test_a_registry_of_recorded_runs_says_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULTUREPARK_CACHE", str(tmp_path / "cache"))
    done = cli("mine", "registry", "demo", "--no-model", *LEXICAL, *STORE)
    assert done.code == 0, done.err
    assert "kept beside the recorded runs, in the cache, and not in a store of yours" in done.err
    assert "`culturepark merge demo`" in done.err
    assert not Path("runs.db").exists()


@pytest.mark.usefixtures("two_runs")
def test_a_judge_that_is_too_small_is_refused_before_a_run_is_made() -> None:
    before = len(json.loads(cli("runs", "--json", *STORE).out))
    for more in ((), ("--dry-run",)):
        done = cli("mine", "registry", "--model", "embedded", *LEXICAL, *STORE, *more)
        assert (done.code, done.out) == (2, "")
        assert "is too small to tell whether one norm denies another" in done.err
        assert "resume" not in done.err
    assert len(json.loads(cli("runs", "--json", *STORE).out)) == before
