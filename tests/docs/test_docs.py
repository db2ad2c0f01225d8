"""The documentation agrees with the code: links lead somewhere, generated pages are fresh, commands are as they are."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from culturepark.catalog.suites import load_suite, shipped_suites
from culturepark.cli.app import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
COMMAND = re.compile(r"""^ *(?:\$ )?(culturepark [a-z](?:"[^"\n]*"|[^|;#`\n\\"])*)""", re.MULTILINE)
FENCE = re.compile(r"^```(?:sh|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"CULTUREPARK_[A-Z]+")


def script(name: str) -> ModuleType:
    """A script of `docs/`, which is a folder of pages and no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def test_items_that_wait_for_native_readers_are_in_the_suites() -> None:
    page = (DOCS / "native-readers.md").read_text(encoding="utf-8")
    rows = page.partition("Wordings that were changed last")[2].partition("\n## ")[0]
    named = set(re.findall(r"`([a-z]+-[a-z-]+)`", rows))
    assert named
    assert named <= {item.key for path in shipped_suites().values() for item in load_suite(path).items}


def test_every_link_leads_somewhere() -> None:
    assert [str(link) for link in script("links").broken()] == []


def test_a_link_to_a_missing_page_or_anchor_is_found(tmp_path: Path) -> None:
    links = script("links")
    page = tmp_path / "page.md"
    page.write_text(
        "# One place\n\n[a](#one-place) [b](#another) [c](page.md#one-place) [d](gone.md)\n"
        "`[e](gone.md)`\n\n[f]: g.md\n"
    )
    links.ROOT = tmp_path
    assert [link.target for link in links.links(page) if links.is_broken(link)] == ["#another", "gone.md", "g.md"]


def test_pages_written_from_the_code_are_fresh() -> None:
    assert script("generate").stale() == {}, "run: python docs/generate.py"


def test_the_notebook_shows_what_its_cells_give_now() -> None:
    notebook = script("notebook")
    assert notebook.executed() == notebook.stored(), "run: python docs/notebook.py"


def test_no_line_of_prose_is_longer_than_a_diff_can_show() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in pages()
        if path.parent.name != "reference"
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if len(line) > 120 and not line.startswith("|") and not re.match(r"!?\[.*\]\(.*\)$", line)
    ]
    assert long == []


def options(command: Any) -> set[str]:
    return {"--help", *(name for param in command.params for name in param.opts)}


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_docs_exist_with_their_options(path: Path) -> None:
    group: Any = typer.main.get_command(app)
    unknown = []
    for block in FENCE.findall(path.read_text("utf-8")):
        for line in COMMAND.findall(block.replace("\\\n", " ")):
            words = shlex.split(re.sub(r"\[[^\]]*\]|\.\.\.", " ", line))
            command = group.commands.get(words[1])
            if words[2:] and words[2] in getattr(command, "commands", ()):
                command = command.commands[words[2]]
            named = {word.partition("=")[0] for word in words[2:] if word.startswith("-") and word != "-"}
            if command is None or named - options(command):
                unknown.append(line)
    assert unknown == []


def test_every_command_is_on_the_page_that_people_begin_with() -> None:
    group: Any = typer.main.get_command(app)
    home = (DOCS / "index.md").read_text("utf-8")
    assert [name for name, command in group.commands.items() if not command.hidden and f"`{name}`" not in home] == []


def test_every_variable_of_the_environment_is_documented() -> None:
    known = {
        name for path in (ROOT / "culturepark").rglob("*.py") for name in VARIABLE.findall(path.read_text("utf-8"))
    }
    page = (DOCS / "reference" / "environment.md").read_text("utf-8")
    assert sorted(name for name in known if name not in page) == []


def test_modules_that_pages_name_are_there() -> None:
    rooms = "|".join(path.parent.name for path in (ROOT / "culturepark").glob("*/__init__.py"))
    named = re.compile(rf"`((?:{rooms})/[a-z_]+(?:/[a-z_-]+)?)(?:\.[a-z]+)?`")
    missing = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in pages()
        for name in named.findall(path.read_text("utf-8"))
        if not [*(ROOT / "culturepark").glob(f"{name}.*"), *(ROOT / "culturepark").glob(f"{name}/")]
    ]
    assert missing == []


def test_the_script_of_the_pictures_fits_the_program() -> None:
    assert script("pictures/make").STILLS


def test_every_picture_is_shown_somewhere() -> None:
    text = "".join(path.read_text("utf-8") for path in pages())
    pictures = [path.name for path in (DOCS / "pictures").iterdir() if path.suffix in (".svg", ".png")]
    assert [name for name in pictures if name not in text] == []
