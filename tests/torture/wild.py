"""Strategies for files and command lines as nobody should write them, and some as they should."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from ruamel.yaml import YAML

from culturepark.catalog.files import package_dir
from tests.catalog.test_catalog import CARD, ODD, PERSONAS, SCENARIO, SURVEY, VALUES, WRONG_FILES, WVS7
from tests.support.cultures import GROUNDS

FOLDER, FIFO, DEVICE, LOOP, LINK = "a folder", "a pipe", "a device", "a link to itself", "a link"
"""What may stand in the place of a file; a link leads to the case's first file."""


@dataclass(frozen=True)
class Case:
    """Files in an empty folder, and what is done there."""

    files: Mapping[str, bytes | str] = field(default_factory=dict)
    """By name; text is one of the things above, which are no files."""
    subject: str = ""
    """The file that is checked and talked about; none for a case of command lines alone."""
    whole: bool = False
    """Whether the scenario, if `check` accepts it, is also run, exported and traced."""
    commands: tuple[tuple[str, ...], ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    store: bool = False
    """Whether a store with a finished run `a` and its export in `out` are there."""


# --- values ----------------------------------------------------------------------------------------

RAW = (
    *VALUES, ".inf", "-.inf", "1e300", "-0.0", "1_000", "0b1", "0o17", "017", "1:30", "yes", "No", "on", "~", "=", "<<",
    "2001-12-14t21:59:43.10-05:00", "2001-01-01T99:99:99Z", "9999-12-31T23:59:59-23:59", "0000-01-01", "1" * 5000,
    "-" + "9" * 4000, "0x" + "f" * 5000, "1e" + "9" * 400, "!!binary aGk=", "!!binary ?", "!!timestamp 2001-01-01",
    "!!set {a, b}", "!!omap [a: 1]", "!!pairs [a: 1]", "!!python/object:os.system x", "!!python/tuple [1]", "!x y",
    "!!merge x", "!!null x", "!!float x", "!!str [a]", "!!map []", "!<!> x", "{<<: {a: b}}", "{<<: [{a: b}, 3]}",
    "&a [*a]", "&a {a: *a}", "&a {<<: *a}", "*a", "[" * 60 + "]" * 60, "{a: " * 60 + "}" * 60, "? x", "- x", "#", "%",
    '"\\ud800"', '"\\0"', '"\\u202e"', "'", "all", "[all]", "main", "american", "1.5", "[]\n- x", "|\n  x", "x: y: z",
)  # fmt: skip
"""What may stand after a key in a file's text."""

NAMES = (
    "", ".", "..", "/", "~", "~nobody/x", "a\0b", "\x1b[31m", "\u202e", "a\nb", " ", "-", "--", "x" * 300, "é" * 200,
    "/dev/zero", "/dev/null", "/nowhere/at/all", "../..", "con:1", "a\ud800b", "\udcff", "*", "last", "a.d1", "a",
    "%00",
)  # fmt: skip
"""What somebody may give for the name of something."""

words = st.one_of(
    st.sampled_from(
        ["", "x", "turkish", "american", "en", "panel", "wvs7/Q33", "x" * 2001, "\0", "\x1b[2J", "é", "yes"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
scalars = st.one_of(
    words,
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from([10**30, 10**4000, -(10**4200), 0.0, 1e308, math.inf, math.nan, 2**63, b"\x00\xff"]),
    st.sampled_from([date(2001, 1, 1), datetime(1, 1, 1, tzinfo=UTC), datetime.max]),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.integers(0, 9), inner, max_size=4),
    max_leaves=8,
)


# --- whole files -----------------------------------------------------------------------------------


@cache
def valid() -> dict[str, str]:
    """Texts that `check` accepts, by the names that their files may have."""
    wvs7 = WVS7.read_text("utf-8")
    shipped = {path.name: path.read_text("utf-8") for path in PERSONAS[::6]}
    talks = {
        name: package_dir("scenarios").joinpath(name).read_text("utf-8") for name in ("quickstart.yaml", "wvs7.yaml")
    }
    survey = wvs7[: wvs7.index("  Q29:")].replace("survey: wvs7", "survey: short")
    mine = {"nil.yaml": CARD, "mine.yaml": SCENARIO, "tea.yaml": SURVEY, "short.yaml": survey}
    return {**mine, **talks, **shipped}


@cache
def monsters() -> dict[str, bytes]:
    """Files that are too much of something, or that no editor writes."""
    billion = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
    )
    text = {
        "a bomb of merges": billion,
        "a bomb of merges in a scenario": billion + SCENARIO.replace("limits: {", "limits: {<<: *a9, "),
        "a line of 5 MB": CARD + "# " + "x" * 5_000_000,
        "a word of 5 MB": CARD.replace("name: Nil", "name: " + "x" * 5_000_000),
        "a key of 5 MB": CARD + '? "' + "x" * 5_000_000 + '"\n: 1\n',
        "a number of 5 MB": "age: " + "9" * 5_000_000,
        "a number of 5 MB in base 16": CARD.replace("age: 34", "age: 0x" + "f" * 5_000_000),
        "10,000 brackets": "name: " + "[" * 10_000 + "]" * 10_000,
        "10,000 open braces": "{a: " * 10_000,
        "2,000 unknown keys": CARD + "".join(f"k{n}: v\n" for n in range(2000)),
        "2,000 wrong seeds": SCENARIO.replace("seeds:\n", "seeds:\n" + "  - survey: no/no\n" * 2000),
        "a list of 5,000": CARD.replace("[Turkish]", "[" + "a," * 5000 + "]"),
        "a scenario that is its own seed": "&me\n" + SCENARIO.replace("seeds:\n", "seeds:\n  - *me\n"),
        "YAML 1.1": "%YAML 1.1\n---\n" + SCENARIO.replace("max_turns: 12", "max_turns: 0:12"),
        "sexagesimal": "%YAML 1.1\n---\n" + CARD.replace("age: 34", "age: 1" + ":00" * 5000),
        "a tag of one's own": "%TAG ! tag:yaml.org,2002:\n---\n" + CARD.replace("age: 34", "age: !int 34"),
        "three documents": f"---\n{CARD}...\n---\n{SURVEY}---\n",
        "nothing but an end": "...\n",
        "Windows line ends": CARD.replace("\n", "\r\n"),
        "old Macintosh line ends": CARD.replace("\n", "\r"),
        "other line ends": CARD.replace("\n", "\u2028", 3).replace("\n", "\x85", 2),
        "a merge of what is wrong": f"{SCENARIO}<<: {{max_turnz: 3}}\n",
    }
    encoded = {
        "UTF-16 with a mark": CARD.encode("utf-16"),
        "UTF-16 without": CARD.encode("utf-16-be"),
        "UTF-32": CARD.encode("utf-32"),
        "UTF-8 with two marks": b"\xef\xbb\xbf\xef\xbb\xbf" + CARD.encode(),
        "a mark in the middle": CARD.encode().replace(b"age", b"\xef\xbb\xbfage"),
        "surrogates in UTF-8": CARD.encode().replace(b"Kaya", b"\xed\xa0\x80"),
        "overlong": CARD.encode().replace(b"Kaya", b"\xc0\xaf"),
        "half a letter at the end": CARD.encode() + b"# \xe2\x82",
        "NUL bytes": b"\0" * 5000,
        "an archive": b"PK\x03\x04" + bytes(range(256)),
    }
    known = {name: made.encode() if isinstance(made, str) else made for name, made in WRONG_FILES.items()}
    return {**known, **encoded, **{name: made.encode() for name, made in text.items()}}


def of_file(content: bytes | str, name: str = "odd.yaml", **others: bytes | str) -> Case:
    return Case({name: content, **others}, name)


no_files = st.sampled_from([FOLDER, FIFO, DEVICE, LOOP]).map(of_file)


@st.composite
def files(draw: DrawFn) -> Case:
    """Bytes, odd encodings, raw YAML in the place of a value, and what is no file at all."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return of_file(draw(st.binary(max_size=200)))
    if kind == 1:
        return of_file(draw(st.text(max_size=120)).encode("utf-8", "surrogatepass"))
    if kind == 2:
        return draw(no_files)
    if kind == 3:
        small = [name for name, made in monsters().items() if len(made) < 50_000 and "bomb" not in name]
        return of_file(monsters()[draw(st.sampled_from(small))])
    if kind == 4:
        text = "".join(
            draw(st.lists(st.sampled_from([*ODD, *RAW, "\n", "  ", "a: ", "- ", "? ", "---\n"]), max_size=30))
        )
        return of_file(text.encode("utf-8", "surrogatepass"))
    name = draw(st.sampled_from(list(valid())))
    data = valid()[name].encode()
    if kind == 5:
        at = draw(st.integers(0, len(data)))
        return of_file(data[:at] + draw(st.binary(min_size=1, max_size=4)) + data[at:], name)
    if kind == 6:
        encoding = draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig", "utf-7", "cp1252"]))
        return of_file(data.decode().encode(encoding, "replace"), name)
    return of_file(draw(respelt(data.decode())).encode("utf-8", "surrogatepass"), name)


@st.composite
def respelt(draw: DrawFn, text: str) -> str:
    """The text with raw YAML after one to three of its keys."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(lines) - 1))
        lines[at] = lines[at].partition(": ")[0].rstrip(":") + ": " + draw(st.sampled_from(RAW))
    return "\n".join(lines)


# --- mutations -------------------------------------------------------------------------------------


@st.composite
def mutations(draw: DrawFn) -> Case:
    """A valid file, changed in its text or in what it says."""
    name = draw(st.sampled_from(list(valid())))
    text = valid()[name]
    made = draw(st.one_of(edited(text), respelt(text), rebuilt(text), rebuilt(text)))
    return of_file(made.encode("utf-8", "surrogatepass"), name)


@st.composite
def edited(draw: DrawFn, text: str) -> str:
    """Lines and characters taken away, doubled, exchanged, moved in or out."""
    lines = text.split("\n")
    for _ in range(draw(st.integers(1, 4))):
        at, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
        line = lines[at]
        place = draw(st.integers(0, len(line)))
        match draw(st.integers(0, 7)):
            case 0:
                lines[at] = ""
            case 1:
                lines.insert(other, line)
            case 2:
                lines[at], lines[other] = lines[other], line
            case 3:
                lines[at] = line[:place] + draw(st.sampled_from(ODD)) + line[place:]
            case 4:
                lines[at] = line[:place] + line[place + 1 :]
            case 5:
                lines[at] = " " * draw(st.integers(0, 6)) + line.lstrip()
            case 6:
                lines[at] = line[:place]
            case 7:
                lines[at] = "\t" + line
    return "\n".join(lines)


@st.composite
def rebuilt(draw: DrawFn, text: str) -> str:
    """What the file holds with one to three of its nodes replaced, taken away, doubled, renamed or exchanged."""
    data = YAML(typ="safe").load(text)
    for _ in range(draw(st.integers(1, 3))):
        places = list(nodes(data))
        holder, key = draw(st.sampled_from(places))
        match draw(st.integers(0, 5)):
            case 0 | 1:
                holder[key] = draw(values)
            case 2:
                del holder[key]
            case 3 if isinstance(holder, dict):
                holder[draw(words)] = holder.pop(key)
            case 3 | 4:
                other, there = draw(st.sampled_from(places))
                if not isinstance(holder[key], (dict, list)):  # or the tree could come to hold itself
                    other[there] = holder[key]
            case 5:
                if isinstance(holder, list):
                    holder.append(holder[key])
                else:
                    holder[key] = [holder[key], holder[key]]
        if not data:
            break
    return written(data, draw(st.booleans()))


def nodes(data: Any) -> Any:
    """Every place in lists and mappings, as what holds it and its key there."""
    items = list(data.items()) if isinstance(data, dict) else list(enumerate(data)) if isinstance(data, list) else []
    for key, value in items:
        yield data, key
        yield from nodes(value)


def written(data: Any, as_json: bool) -> str:
    """YAML; JSON, which nearly is, where that is asked for or no YAML can be written."""
    if not as_json:
        stream = io.StringIO()
        try:
            YAML(typ="safe", pure=True).dump(data, stream)
            return stream.getvalue()
        except Exception:
            pass  # the emitter knows less than the parser
    try:
        return json.dumps(data, indent=1, default=str)
    except (TypeError, ValueError):
        return repr(data)


# --- scenarios that are mostly right ---------------------------------------------------------------


def mostly(right: SearchStrategy[Any], wrong: SearchStrategy[Any] = values, of: int = 40) -> SearchStrategy[Any]:
    """Something right, but once in `of` times."""
    return st.integers(0, of - 1).flatmap(lambda n: wrong if n == of - 1 else right)


cultures = st.one_of(
    st.just("all"), st.lists(st.sampled_from([*GROUNDS]), min_size=1, max_size=4, unique=True), st.just(["turkish"])
)
seed = st.one_of(
    st.sampled_from(["wvs7/Q33", "wvs7/Q27", "wvs7/Q28", "mine/A1"]).map(lambda item: {"survey": item}),
    st.fixed_dictionaries(
        {
            "key": st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True),
            "question": mostly(st.just("Is it so"), words),
        },
        optional={"topic": mostly(st.just("tea"), words)},
    ),
)
limits = st.fixed_dictionaries(
    {},
    optional={
        "max_cost_usd": mostly(
            st.sampled_from([0.01, 1, 1e9]), st.sampled_from([1e300, math.inf, math.nan, 0, -1, 10**400]), 8
        ),
        "max_tokens": mostly(st.sampled_from([1, 10**6, 10**15]), st.sampled_from([10**400, 2**63, 1.0, 0.5, -1]), 8),
    },
)
distill = st.fixed_dictionaries(
    {},
    optional={
        "keep": st.lists(st.sampled_from(["entail", "contradict", "irrelevant"]), max_size=3),
        "extract": st.sampled_from(["auto", "quotes", "sentences"]),
        "verify": st.sampled_from(["auto", "batch", "claims"]),
        "rewrite": mostly(st.sampled_from(["checked", "off", "as-published"]), st.just(False)),
        "checks": st.fixed_dictionaries(
            {},
            optional={
                "harmlessness": st.fixed_dictionaries(
                    {"at_least": mostly(st.sampled_from([1, 3.5, 5]), st.sampled_from([0, math.nan, True, "4"]))}
                ),
                "awareness": mostly(st.just({"at_least": 3}), st.sampled_from([{}, 3, None])),
                "judges": mostly(st.integers(1, 3), st.sampled_from([0, 4, 2.5])),
                "cross_check": mostly(st.just({}), st.sampled_from([{"keep": []}, {"keep": ["no"]}, None])),
            },
        ),
        "dedup": st.fixed_dictionaries(
            {"threshold": mostly(st.sampled_from([0.5, 0.93, 1]), st.sampled_from([0.4, math.nan]))}
        ),
    },
)
PEOPLE = ("people", "nil.yaml", "sub/ada.yml", "./nil.yaml", "sub/../nil.yaml", "again.yaml", "bad.yaml", "link.yaml")
SURVEYS = ("tea.yaml", "sub/../tea.yaml", "../here/tea.yaml", "bad.yaml", "people", "nil.yaml", "link.yaml")
paths = st.one_of(st.sampled_from(NAMES), st.text(max_size=5))


@st.composite
def scenarios(draw: DrawFn) -> Case:
    """Every key of a scenario and own people and surveys beside it; much of it is right."""
    setting = draw(mostly(st.sampled_from(["in-cultural", "cross-cultural", "panel"])))
    data = draw(
        st.fixed_dictionaries(
            {
                "name": mostly(st.just("mine"), words),
                "title": mostly(st.just("Mine"), words),
                "setting": st.just(setting),
                "cultures": mostly(cultures),
                "seeds": mostly(st.lists(mostly(seed), min_size=1, max_size=3, unique_by=repr)),
                "surveys": mostly(st.just(["tea.yaml"]), st.lists(st.sampled_from(SURVEYS) | paths, max_size=2), 8),
            },
            optional={
                "protocol": mostly(st.sampled_from(["self-guidance", "free-chat"])),
                "language": mostly(st.just("en"), words),
                "dialogues_per_seed": mostly(st.integers(1, 5), st.sampled_from([0, 400, 10**9, 1.0, "2", True])),
                "people": mostly(st.integers(3, 4) if setting == "panel" else st.none()),
                "max_turns": mostly(st.integers(8, 40), st.sampled_from([0, 3, 200, 201, 6.0, "8", 10**4200])),
                "limits": mostly(limits),
                "distill": mostly(distill),
                "samples": mostly(st.lists(st.sampled_from(["survey", "open", "norm"]), min_size=1, max_size=4)),
                "personas": mostly(
                    st.lists(st.sampled_from(PEOPLE[:3]), max_size=3, unique=True),
                    st.lists(st.sampled_from(PEOPLE) | paths, max_size=2),
                    8,
                ),
            },
        )
    )
    ada = CARD.replace("called: Nil", f"called: {draw(st.sampled_from(['Ada', 'Elif', 'Nil', 'Jenna']))}")
    beside = {
        "nil.yaml": CARD.encode(),
        "people/mother-2.yaml": draw(mostly(st.just(CARD), rebuilt(CARD), 8)).encode("utf-8", "replace"),
        "sub/ada.yml": ada.encode(),
        "again.yaml": CARD.replace("called: Nil", "called: Nil Kaya").encode(),
        "bad.yaml": draw(st.sampled_from([b"", b"\xff", b"name: [", FIFO, FOLDER, LOOP])),
        "link.yaml": LINK,
        "tea.yaml": draw(mostly(st.just(SURVEY), rebuilt(SURVEY), 8)).encode("utf-8", "replace"),
    }
    name = draw(st.sampled_from(["own.yaml", "sub/own.yaml", "ö ö.yml", "own"]))
    made = written(data, draw(st.booleans())).encode("utf-8", "surrogatepass")
    return Case({name: made, **beside}, name, whole=draw(st.sampled_from([False] * 7 + [True])))


# --- command lines ---------------------------------------------------------------------------------

names = st.one_of(st.sampled_from(NAMES), st.text(max_size=6))
numbers = st.one_of(
    st.sampled_from(
        ["nan", "inf", "-inf", "-1", "0", "-0.0", "1e308", "1e400", "9" * 30, "9" * 4299, "9" * 5000, "", " ", "1_0"]
    ),
    st.sampled_from(["²", "٣", "0x10", "1.5", "1", "2", "½", "1e-320", "\0", "--", "true"]),
    st.integers().map(str),
    st.floats().map(str),
)
lines_of_files = st.tuples(
    st.sampled_from(
        ["out/all.jsonl", "out/all.index.jsonl", "deep.jsonl", "pipe.jsonl", "zero.jsonl", "out", "no.jsonl", ""]
    )
    | names,
    st.sampled_from(["1", "0", "10", "9" * 30, "9" * 5000, "-1", "²", "٣", "x", "", "1:1", " 1"]) | numbers,
).map(":".join)
stores = st.one_of(
    st.sampled_from(
        [
            "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///.", "sqlite:////", "sqlite:///out",
            "sqlite:///a\0b.db",
            "sqlite:///deep.jsonl", "sqlite:///pipe.jsonl", "sqlite:///zero.jsonl", "sqlite://host/x.db",
            "sqlite:///" + "x" * 300,
            "sqlite:///é/ü.db", "sqlite:///x.db?timeout=1", "sqlite:///x.db?timeout=a",
            "sqlite:///x.db?mode=ro&uri=true",
            "sqlite:///file:x.db?mode=memory&uri=true", "sqlite:///x.db?nonsense=1", "sqlite+aiosqlite:///x.db",
            "sqlite+no:///x",
            "sqlite:///\udcff.db", "sqlite:///nowhere/x.db", "sqlite:////dev/null", "sqlite:////nowhere/x/y.db",
            "SQLite:///x.db",
            "postgresql://", "postgresql+psycopg://u:secret@127.0.0.1:1/x", "mysql://h/x", "oracle://",
            "mssql+pyodbc://x", "file:///x",
            "http://[::1", "sqlite:///x.db#y", "sqlite:x.db", "x.db", "://", "postgresql://h:port/x", "sqlite:///%00",
            "a+b+c://", "",
        ]
    ),
    names.map(lambda name: f"sqlite:///{name}"),
    names,
)  # fmt: skip
specs = st.one_of(
    st.sampled_from(
        [
            "scripted", "embedded", "gguf:", "gguf:nowhere", "gguf:pipe.jsonl", "gguf:.", "hf:a/b/c.gguf", "hf:a",
            "openai:", "openai:x",
            "openai:x@", "openai:x@http://", "openai:x@http://h:99999", "openai:x@http://[::1",
            "openai:x@http://u:p@h", "openai:@http://h",
            "openai:x@http://h/\x1b", "openai:x@http://ü/", "openai:gpt-4o@https://api.openai.com/v1/", "minilm",
            "lexical", ":", "",
            "openai:\x1b[2J", "openai:x@http://127.0.0.1:1/v1", "scripted:x", "gguf:a\0b", "openai:" + "x" * 5000,
            "openai:x@file:///x",
        ]
    ),
    names,
    names.map(lambda name: f"openai:{name}@http://127.0.0.1:1/v1"),
)  # fmt: skip
role_specs = st.one_of(
    names,
    st.tuples(st.sampled_from(["speaker", "embedder", "judge", "chief", ""]), specs).map("=".join),
)
outs = (
    st.sampled_from(["out", "here.txt", ".", "/dev/null", "pipe.jsonl", "new/er/est", "other", "deep", "/proc/x"])
    | names
)
runs = st.sampled_from(["a", "last", "a.d1", "A", "b"]) | names


def options(**given: SearchStrategy[str]) -> SearchStrategy[list[str]]:
    """Some of these options with values."""
    pairs = [value.map(lambda v, name=name: [f"--{name.replace('_', '-')}={v}"]) for name, value in given.items()]
    return st.lists(st.one_of(pairs), max_size=3).map(lambda found: [word for pair in found for word in pair])


def command(*parts: str | SearchStrategy[Any]) -> SearchStrategy[tuple[str, ...]]:
    """Words, and strategies for a word or a list of words."""
    made = [st.just([part]) if isinstance(part, str) else part for part in parts]
    return st.tuples(*made).map(
        lambda words: tuple(w for part in words for w in (part if isinstance(part, list) else [part]))
    )


some_json = st.sampled_from([[], ["--json"]])
some_store = st.one_of(st.just([]), stores.map(lambda url: ["--store", url]))
figures = options(seed=numbers, dialogues=numbers, max_cost=numbers, max_tokens=numbers, concurrency=numbers)
command_lines = st.one_of(
    command("simulate", "short.yaml", figures, options(model=specs, role=role_specs), "--dry-run", some_json),
    command("simulate", names, "--dry-run", "--model", "scripted"),
    command("simulate", "short.yaml", "--model", "scripted", "--run-id", runs, options(store=stores, until=names)),
    command("simulate", "short.yaml", "--model", "scripted", "--dialogues", numbers, "--max-cost", numbers,
    "--max-tokens", "1"),
    command("simulate", "short.yaml", "--until", "dialogue", "--role", role_specs, "--model", "scripted", "--run-id",
    "b"),
    command(st.sampled_from(["stats", "trace"]), st.one_of(runs, lines_of_files), some_store, some_json),
    command("trace", lines_of_files, some_json),
    command("replay", runs, some_store),
    command("resume", runs, options(store=stores, max_cost=numbers, max_tokens=numbers), some_json),
    command("distill", runs, "--from", st.sampled_from(["extract", "verify", "dedup", "x"]), options(role=role_specs)),
    command("export", st.lists(runs, min_size=1, max_size=2), "--format", st.sampled_from(["trl", "openai", "sharegpt",
    "alpaca", "preference", "x"]), "--out", outs, st.sampled_from([[], ["--dialogues"], ["--parquet"]]),
            options(license=names, culture=st.sampled_from([*GROUNDS]) | names, split=numbers, store=stores)),
    command("export", "a", "--format", "trl", "--out", outs),
    command("export", "a", "--format", "trl", "--out", "out", options(culture=st.sampled_from(["turkish",
    "american"]), split=numbers)),
    command("runs", some_store, some_json),
    command("check", st.lists(st.sampled_from(["short.yaml", "deep.jsonl", "pipe.jsonl", "out"]) | names, max_size=3)),
    command(st.sampled_from(["personas", "scenarios"]), some_json),
    command("doctor", some_store, some_json),
    command("doctor", "--model", st.sampled_from(["scripted", "gguf:nowhere", "gguf:pipe.jsonl", "gguf:a\0b",
    "openai:x", "x", "", "\x1b"])),
    st.lists(st.one_of(names, numbers, st.sampled_from(["check", "stats", "--json", "--version", "-h"])),
    max_size=4).map(tuple),
)  # fmt: skip
PRICES = (
    "", "price = 3", "[[price]]", '[[price]]\nendpoint = "x"\nmodels = 3', "price = [[[[", "a = " + "[" * 5000, "\0",
    '[[price]]\nendpoint = 3\nmodels = {}', *(
        f'[[price]]\nendpoint = "https://api.openai.com/v1"\nmodels = {{ "gpt-4o" = {three} }}'
        for three in ("[1, 1, 1]", "[1, 1]", "[nan, 1, 1]", "[inf, 1, 1]", "[-1, 1, 1]", '"123"', '["a", 1, 1]',
                      f"[{'9' * 400}, 1, 1]", f"[{'9' * 5000}, 1, 1]", "[1e308, 1e308, 1e308]", "{}", "[true, 1, 1]")
    ),
)  # fmt: skip
environments = st.fixed_dictionaries(
    {},
    optional={
        "COLUMNS": st.sampled_from(["0", "1", "-5", "²", "x", "", "9" * 12, "9" * 5000]),
        "LINES": st.sampled_from(["0", "²", "x"]),
        "TERM": st.sampled_from(["dumb", "", "unknown", "\x1b"]),
        "LANG": st.sampled_from(["C", "xx_YY", ""]),
        "NO_COLOR": st.sampled_from(["", "1"]),
        "FORCE_COLOR": st.sampled_from(["", "1", "0"]),
        "TTY_COMPATIBLE": st.sampled_from(["", "1", "0"]),
        "OPENAI_API_KEY": st.sampled_from(["", "k", "ключ", "a\nb", " ", "k" * 5000]),
        "OPENAI_BASE_URL": st.sampled_from(["", "x", "http://", "http://[::1", "http://u:secret@h",
        "http://127.0.0.1:1", "\x1b"]),
        "CULTUREPARK_PRICES": st.sampled_from(["", "prices.toml", "pipe.jsonl", "zero.jsonl", "out", "nowhere",
        "x" * 300, "deep.jsonl"]),
        "CULTUREPARK_STORE": st.sampled_from(["", "x", "sqlite:///runs/culturepark.db", "sqlite:///new.db"]),
        "CULTUREPARK_DEBUG": st.sampled_from(["", "0", "x"]),
        "HOME": st.sampled_from(["", "/nowhere", "relative"]),
    },
)  # fmt: skip


@st.composite
def arguments(draw: DrawFn) -> Case:
    """One or two commands in a folder with a store, an export, and things that are not what they seem."""
    beside: dict[str, bytes | str] = {
        "deep.jsonl": b"[" * 100_000,
        "deep.index.jsonl": b"[" * 100_000,
        "deep/manifest.json": b"[" * 100_000,
        "pipe.jsonl": FIFO,
        "pipe.index.jsonl": FIFO,
        "zero.jsonl": DEVICE,
        "zero.index.jsonl": DEVICE,
        "other/notes.txt": b"mine",
        "here.txt": b"mine",
        "prices.toml": draw(st.sampled_from(PRICES)).encode(),
    }
    environment = draw(st.one_of(st.just({}), environments))
    lines = draw(st.lists(command_lines, min_size=1, max_size=2))
    if "CULTUREPARK_PRICES" in environment:
        lines.append(("simulate", "short.yaml", "--model", "openai:gpt-4o", "--dry-run", "--json"))
    return Case(beside, commands=tuple(lines), environment=environment, store=True)


KINDS: dict[str, tuple[int, SearchStrategy[Case]]] = {
    "files": (25, files()),
    "mutations": (35, mutations()),
    "scenarios": (20, scenarios()),
    "arguments": (20, arguments()),
}
"""Each kind's share of the cases in percent."""
