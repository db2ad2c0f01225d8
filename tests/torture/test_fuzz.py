"""Wild files and command lines: a few hundred here, `CULTUREPARK_FUZZ_CASES=10000` for the long mode."""

import json
import os
from pathlib import Path

import pytest

from culturepark.cli import app
from tests.cli.test_cli import rows_of
from tests.torture import fuzz
from tests.torture.fuzz import explore, faults, in_its_place
from tests.torture.wild import FIFO, KINDS, Case, monsters, of_file, valid

CASES = int(os.environ.get("CULTUREPARK_FUZZ_CASES", "300"))
SEED = 20261121


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.sampled
def test_whatever_is_given_no_command_breaks_down(kind: str) -> None:
    def well_taken(_: str, case: Case) -> None:
        assert not faults(case)

    explore(kind, well_taken, CASES * KINDS[kind][0] // 100, SEED, shrink=True)
    assert not Path(".hypothesis").exists()


@pytest.mark.parametrize("name", monsters())
@pytest.mark.sampled
def test_a_monster_is_no_more_than_a_file(name: str) -> None:
    assert not faults(of_file(monsters()[name]))


@pytest.mark.parametrize("name", valid())
@pytest.mark.sampled
def test_what_the_mutations_begin_with_is_fine(name: str) -> None:
    case = of_file(valid()[name].encode(), name)
    assert not faults(case)
    with in_its_place(case):
        assert fuzz.done(("check", name)).code == 0


# --- what was found -------------------------------------------------------------------------------

STATS = ("stats", "a")
PLAN = ("simulate", "short.yaml", "--dry-run")
PRICED = (*PLAN, "--model", "openai:gpt-4o")
PRICE = '[[price]]\nendpoint = "https://api.openai.com/v1"\nmodels = {{ "gpt-4o" = {} }}\n'
FOUND: list[tuple[tuple[str, ...], int, str]] = [
    (("trace", "short.yaml:²"), 2, "no sample or statement"),
    (("trace", ":9"), 2, "no sample or statement"),
    (("trace", "/:9"), 2, "no sample or statement"),
    (("trace", "x" * 300 + ":1"), 2, "no sample or statement"),
    (("trace", "x" * 300 + ".jsonl:1"), 2, "no such file"),
    (("trace", "out/all.jsonl:" + "9" * 5000), 2, "has no line 99999999999999999999"),
    (("trace", "deep.jsonl:1"), 2, "not an index line"),
    (("trace", "pipe.jsonl:1"), 2, "pipe.index.jsonl: is a pipe or a device"),
    (("trace", "\udcff"), 2, "no sample or statement '?'"),
    (("stats", "\udcff"), 2, "no such run: '?'"),
    (("resume", "\udcff"), 2, "no such run: '?'"),
    (("replay", "\udcff"), 2, "no such run: '?'"),
    (("export", "\udcff", "--format", "trl", "--out", "new"), 2, "no such run: '?'"),
    (("export", "a", "--format", "trl", "--out", "\udcff"), 0, "{kept} rows"),
    (("export", "a", "--format", "trl", "--out", "x" * 300), 5, "cannot write"),
    (("export", "a", "--format", "trl", "--out", "deep"), 2, "holds other files"),
    (("export", "a", "--format", "trl", "--out", "pipes"), 2, "holds other files"),
    (("doctor", "--model", "gguf:pipe.jsonl"), 2, ""),
    (("doctor", "--model", "gguf:a\0b"), 2, ""),
    ((*PLAN, "--max-cost", "nan"), 2, "--max-cost"),
    ((*PLAN, "--max-cost", "1e300"), 2, "--max-cost"),
    ((*PLAN, "--max-tokens", "9" * 400), 2, "--max-tokens"),
    ((*STATS, "--store", "a+b+c://"), 2, "not a database URL"),
    ((*STATS, "--store", "postgresql://u:secret@h:port/x"), 2, "not a database URL"),
    ((*STATS, "--store", "http://[::1"), 2, "not a database URL"),
    ((*STATS, "--store", "sqlite://host/x.db"), 2, "a file and nothing else"),
    ((*STATS, "--store", "sqlite:///runs/culturepark.db?timeout=a"), 2, "a file and nothing else"),
    ((*STATS, "--store", "sqlite:///runs/culturepark.db?nonsense=1"), 2, "a file and nothing else"),
    ((*STATS, "--store", "sqlite:///" + "x" * 300), 5, "File name too long"),
    ((*STATS, "--store", "sqlite:///a\0b"), 2, "no file can be called a?b"),
    ((*STATS, "--store", "sqlite:///\udcff"), 2, "no file can be called ?"),
    ((*STATS, "--store", "sqlite:///pipe.jsonl"), 5, "is a pipe or a device"),
    (("runs", "--store", "sqlite:///" + "x" * 300), 5, "File name too long"),
]
BESIDE: dict[str, bytes | str] = {
    "deep.jsonl": b"[" * 100_000,
    "deep.index.jsonl": b"[" * 100_000,
    "deep/manifest.json": b"[" * 100_000,
    "pipe.jsonl": FIFO,
    "pipe.index.jsonl": FIFO,
    "pipes/manifest.json": FIFO,
}


def kept() -> int:
    """Return the number of rows that the run of the placed store has to export."""
    found = len([row for row in rows_of("sample") if row["status"] == "kept"])
    assert found
    return found


@pytest.mark.parametrize(("line", "code", "words"), FOUND, ids=[" ".join(line)[:60] for line, _, _ in FOUND])
def test_a_command_line_that_once_broke_the_program_is_told_what_is_wrong(
    line: tuple[str, ...], code: int, words: str
) -> None:
    with in_its_place(Case(BESIDE, store=True)):
        end = fuzz.done(line)
        assert not fuzz.blunders(line, end)
        assert end.code == code, end.err
        assert words.format(kept=kept()) in end.err
        assert "secret" not in end.err


@pytest.mark.parametrize(
    "prices",
    [
        *(
            PRICE.format(three).encode()
            for three in (f"[{'9' * 400}, 1, 1]", "[nan, 1, 1]", "[inf, 1, 1]", "[-1, 1, 1]", '"123"', "[true, 1]")
        ),
        b"price = " + b"[" * 5000,
        FIFO,
    ],
)
def test_a_price_list_is_read_to_an_end_and_holds_prices(prices: bytes | str) -> None:
    with in_its_place(Case({"own.toml": prices}, environment={"CULTUREPARK_PRICES": "own.toml"}, store=True)):
        end = fuzz.done(PRICED)
        assert end.code == 2
        assert end.err.startswith("culturepark: CULTUREPARK_PRICES=own.toml: not a price file: ")
        assert not fuzz.blunders(PRICED, end)


@pytest.mark.parametrize("name", ["COLUMNS", "LINES"])
@pytest.mark.parametrize("size", ["²", "9" * 5000, "0", "-1", "x", ""])
@pytest.mark.sampled
def test_a_terminal_of_no_size_is_one_of_the_usual_size(name: str, size: str) -> None:
    with in_its_place(Case(environment={name: size}, store=True)):
        end = fuzz.done(STATS)
        assert end.code == 0, end.err
        assert f"{kept()} kept" in end.out


def test_the_manifest_of_a_folder_without_a_spelling_is_json_all_the_same() -> None:
    with in_its_place(Case(store=True)):
        assert fuzz.done(("export", "a", "--format", "trl", "--out", "\udcff")).code == 0
        assert json.loads(Path("\udcff/manifest.json").read_bytes())["command"].endswith("\udcff'")


# --- the fuzzer itself ----------------------------------------------------------------------------


def test_the_fuzzer_counts_what_it_tries_and_keeps_what_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert fuzz.fuzz(20, 1, tmp_path) == {"files": 5, "mutations": 7, "scenarios": 4, "arguments": 4, "crashed": 0}
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(app, "run", lambda _: 1 // 0)
    counts = fuzz.fuzz(20, 1, tmp_path)
    assert counts["crashed"] == 20
    assert len(list(tmp_path.glob("*-*/wrong.txt"))) == 20
    assert "a bug, sorry: ZeroDivisionError" in (tmp_path / "files-1" / "wrong.txt").read_text()


def test_the_same_seed_gives_the_same_cases_and_another_seed_others() -> None:
    def cases(seed: int) -> list[Case]:
        found: list[Case] = []
        explore("mutations", lambda _, case: found.append(case), 20, seed, shrink=False)
        return found

    assert cases(1) == cases(1)
    assert cases(1) != cases(2)
