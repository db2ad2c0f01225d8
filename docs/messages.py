"""The messages of screens and pages, taken from the code into `culturepark/interface/messages.pot`.

`docs/generate.py` writes that file, and keeps the `CODE.po` beside it in step: what is new in the code comes in without
words, and what the code no longer has goes out.
"""

from __future__ import annotations

import ast
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from culturepark import glossary

ROOT = Path(__file__).parents[1]
INTERFACE = ROOT / "culturepark" / "interface"
PYTHON = ("replay/**/*.py", "review/*.py", "report/*.py", "store/*.py", "catalog/card.py")
SCRIPTS = ("report/js/*.js", "review/page.js")
TEMPLATES = ("report/page.html", "review/page.html")
TOLD = {"tr": 0, "later": 0, "pieces": 0, "Binding": 2, "Area": 0}
"""Function -> the place of its argument that is a message."""
COUNTED = {"counted": 1, "plural": 1, "form": 1}
"""Function -> the place of the form for one thing; the next argument, if there is one, is that for many."""
HEADER = """\
# The words of culturepark's screens and pages. What stands in braces is filled in and stays as it is.
# docs/native-readers.md says how to add a language, and how to correct one."""

Message = str | tuple[str, str]


def messages() -> Iterator[tuple[str, Message]]:
    """Yield the file and the message, with its plural where it has one, of every place where one is shown."""
    for path in files(PYTHON):
        yield from ((place(path), message) for message in in_python(path.read_text("utf-8")))
    for method, patterns in (("javascript", SCRIPTS), (babel_extract, TEMPLATES)):
        for path in files(patterns):
            yield from ((place(path), message) for message in extracted(method, path.read_bytes()))
    yield from (("culturepark/glossary.py", text) for text in glossary.messages())


def files(patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in (ROOT / "culturepark").glob(pattern)})


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def in_python(source: str) -> Iterator[Message]:
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        texts = [arg.value if isinstance(arg, ast.Constant) else None for arg in node.args]
        if name in TOLD and isinstance(message := (*texts, None, None, None)[TOLD[name]], str) and message:
            yield message
        if name in COUNTED and isinstance(one := (*texts, None, None)[COUNTED[name]], str):
            many = (*texts, None, None, None)[COUNTED[name] + 1]
            yield one, many if isinstance(many, str) else f"{one}s"


def extracted(method: Any, source: bytes) -> Iterator[Message]:
    told: dict[str, Any] = {name: (at + 1,) for name, at in TOLD.items()}
    options = {"parse_template_string": "true"} if method == "javascript" else {}
    for _, message, _, _ in extract(method, io.BytesIO(source), keywords=told, options=options):
        yield str(message)
    for name, at in COUNTED.items():
        spec: Any = {name: {at + 1: (at + 1,), None: (at + 1, at + 2)}}
        for _, message, _, _ in extract(method, io.BytesIO(source), keywords=spec, options=options):
            yield (message, f"{message}s") if isinstance(message, str) else (str(message[0]), str(message[1]))


def template() -> Catalog:
    """Return all messages, each with the files that show it."""
    catalog = Catalog(project="culturepark", header_comment=HEADER, fuzzy=False)
    for file, message in messages():
        catalog.add(message, locations=[(file, 0)])
    return catalog


def written(catalog: Catalog) -> str:
    """Return a catalog as the text of a file, without what would change from day to day."""
    out = io.BytesIO()
    write_po(out, catalog, width=120, sort_by_file=False, sort_output=True, include_lineno=False, ignore_obsolete=True,
             omit_header=False)  # fmt: skip
    lines = out.getvalue().decode().splitlines()
    dated = ('"POT-Creation-Date', '"PO-Revision-Date', '"Generated-By', '"Last-Translator', '"Language-Team',
             '"Report-Msgid-Bugs-To', '"Project-Id-Version')  # fmt: skip
    return "\n".join(line for line in lines if not line.startswith(dated)) + "\n"


def fresh() -> dict[Path, str]:
    """Return each file of messages as it should be."""
    wanted = template()
    texts = {INTERFACE / "messages.pot": written(wanted)}
    for path in sorted(INTERFACE.glob("*.po")):
        with path.open("rb") as file:
            told = read_po(file, locale=path.stem.replace("-", "_"))
        told.update(wanted, no_fuzzy_matching=True)
        texts[path] = written(told)
    return texts
