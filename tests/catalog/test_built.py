"""YAML that is built out of the parser's events is what the library makes of it, and all the rest is left to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from culturepark.catalog import files

ROOT = Path(__file__).parents[2]
USUAL = [
    "a: 1\nb: 2020-01-02\nc: ~\nd: true\ne: 0x1F\nf: 1e3\ng: .inf\nh: 012\ni: yes\nj: '1'\nk:\nl: 0o17\nm: 1_000\n",
    "a: 2001-12-14t21:59:43.10-05:00\nb: -1\nc: +1.5\nd: 190:20:30\n",
    "- 1\n- [a, {b: c}]\n- []\n- {}\n",
    "",
    "# a comment\n",
    "a: |\n  t\n  u\nb: >-\n  x\n  y\nc: \"\"\nd: ''\n",
    "1: a\n'1': b\nfalse: c\n2020-01-01: d",
    "---\na: b\n...\n",
    "? a\n: b\n",
    "plain",
    "'quoted'",
]
UNUSUAL = [
    "a: !!str 1", "a: !own 1", "a: !!map {b: 1}", "a: &x 1\nb: *x", "a: &x [1]", "a: {<<: {b: 1}}", "a: =",
    "a: 1\na: 2", "1: a\n1.0: b", "1: a\ntrue: b", "null: 3\n~: 4", "---\na: 1\n---\nb: 2",
    "%YAML 1.1\n---\na: yes", "[a]: b",
]  # fmt: skip


@pytest.mark.parametrize("text", USUAL)
def test_it_is_what_the_library_reads(text: str) -> None:
    assert repr(files.built(text)) == repr(YAML(typ="safe").load(text))


@pytest.mark.parametrize("text", UNUSUAL)
def test_what_is_seldom_written_is_left_to_the_library(text: str) -> None:
    with pytest.raises(files.Unusual):
        files.built(text)
    try:
        expected = YAML(typ="safe").load(text)
    except MarkedYAMLError as error:
        with pytest.raises(type(error)):
            files.parsed(text)
    else:
        assert repr(files.parsed(text)) == repr(expected)


def test_shipped_files_are_built_and_read_alike() -> None:
    data = ROOT / "culturepark" / "catalog" / "data"
    shipped = [*data.glob("*.yaml"), *data.glob("cultures/*.yaml"), *(ROOT / "scenarios").glob("*.yaml")]
    shipped += sorted((ROOT / "personas").glob("*.yaml"))
    assert len(shipped) > 50
    for path in shipped[::5]:
        text = path.read_text("utf-8")
        assert repr(files.parsed(text)) == repr(YAML(typ="safe").load(text)), path


@pytest.mark.parametrize("text", ["[" * 60 + "]" * 60, "a: [" + "1," * 300_001 + "]"])
def test_what_is_too_much_is_not_built(text: str) -> None:
    with pytest.raises(files.TooMuch) as raised:
        files.parsed(text)
    assert raised.value.line == 1


def test_every_sign_that_the_library_knows_is_looked_at() -> None:
    known = files.of_scalars().resolver.versioned_resolver
    signs = {sign for sign in known if sign} - {*"&*!"}  # with which no text without quotes begins
    assert len(signs) > 20
    assert signs <= files.NO_TEXT
    for word in (
        "yes",
        "no",
        "on",
        "off",
        "true",
        "false",
        "null",
        "True",
        "FALSE",
        "Null",
        "NULL",
        "nullable",
        "truest",
    ):
        for text in (word, word + "s", f" {word}".strip()):
            assert files.plain_value(text) == YAML(typ="safe").load(text)
