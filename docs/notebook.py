"""Run the cells of docs/notebook.ipynb and write what they print and show: `python docs/notebook.py`.

The cells see what they would see in Jupyter: one namespace, a running event loop, `await` outside of functions, and the
last expression of a cell shown. No Jupyter is needed, and the outputs are the same each time.
"""

from __future__ import annotations

import ast
import asyncio
import copy
import inspect
import io
import json
import sys
from contextlib import chdir, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def stored() -> dict[str, Any]:
    return json.loads(NOTEBOOK.read_text("utf-8"))


def executed() -> dict[str, Any]:
    """The notebook with fresh outputs, its cells run in an empty folder."""
    notebook = copy.deepcopy(stored())
    with TemporaryDirectory() as folder, chdir(folder):
        asyncio.run(run(cell for cell in notebook["cells"] if cell["cell_type"] == "code"))
    return notebook


async def run(cells: Any) -> None:
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells, 1):
        printed = io.StringIO()
        with redirect_stdout(printed):
            shown = await value_of("".join(cell["source"]), f"cell {number}", names)
        cell["execution_count"] = number
        cell["outputs"] = []
        if text := printed.getvalue():
            cell["outputs"] += [{"name": "stdout", "output_type": "stream", "text": lines(text)}]
        if shown is not None:
            html = getattr(shown, "_repr_html_", lambda: None)()
            data = {"text/html": lines(html)} if html else {}
            data["text/plain"] = lines(f"<{type(shown).__name__}>" if html else repr(shown))
            result = {"data": data, "execution_count": number, "metadata": {}, "output_type": "execute_result"}
            cell["outputs"] += [result]


async def value_of(source: str, name: str, names: dict[str, Any]) -> Any:
    """The value of a cell's last expression; None if it ends in something else."""
    tree = ast.parse(source, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    parts: list[tuple[ast.AST, str]] = [(tree, "exec")]
    if isinstance(last, ast.Expr):
        parts += [(ast.Expression(last.value), "eval")]
    value = None
    for part, mode in parts:
        value = eval(compile(part, name, mode, flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)  # noqa: S307 - our cells
        if inspect.iscoroutine(value):
            value = await value
    return value


def lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def written(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(written(executed()), "utf-8")
