"""The mutations of `tests.torture.mutations` can be made; `make torture` makes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.torture.mutants import MUTATIONS, Mutation
from tests.torture.mutations import ROOT, Gone, text_of


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[one.name for one in MUTATIONS])
def test_what_a_mutation_replaces_is_there_once_and_what_it_makes_is_python(mutation: Mutation) -> None:
    for file, text in text_of(mutation).items():
        assert text != (ROOT / file).read_text("utf-8")
        ast.parse(text)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[one.name for one in MUTATIONS])
@pytest.mark.sampled
def test_the_tests_that_must_see_a_mutation_are_there(mutation: Mutation) -> None:
    assert mutation.tests
    for test in mutation.tests:
        file, _, name = test.partition("::")
        assert not name or name.partition("[")[0] in functions(file), test


def functions(file: str) -> Iterator[str]:
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name


def test_a_mutation_whose_text_is_gone_is_told() -> None:
    gone = Mutation("gone", (("culturepark/redact.py", "this stands nowhere", ""),), ("tests/test_redact.py",))
    with pytest.raises(Gone, match=r"gone: culturepark/redact\.py holds 0 times, and not once: 'this stands nowhere'"):
        text_of(gone)


def test_every_mutation_has_a_name_of_its_own() -> None:
    names = [one.name for one in MUTATIONS]
    assert len(set(names)) == len(names) >= 24
