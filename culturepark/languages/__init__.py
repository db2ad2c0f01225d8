"""Prompts are Markdown files beside this module, one folder a language; rendering is strict."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from culturepark.models.chat import digest

HOLE = re.compile(r"\{\{(\w+)\}\}")


class Prompt:
    """One template. Its digest is logged with every call made from it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.holes = frozenset(HOLE.findall(text))
        self.digest = digest(text)

    def render(self, **values: object) -> str:
        """Fills every hole, each exactly once and in one pass: a value that holds `{{x}}` stays as it is.

        Raises:
            KeyError: if a hole has no value. Values without a hole are fine: templates differ in what they need.
        """
        return HOLE.sub(lambda match: str(values[match[1]]), self.text)


@cache
def prompt(name: str, language: str = "en") -> Prompt:
    """The whole file as one template."""
    return Prompt(read(name, language).strip())


@cache
def section(name: str, heading: str, part: str, language: str = "en") -> Prompt:
    """The text under `# heading` / `## part` of a file that holds several."""
    return Prompt(sections(name, language)[heading, part])


@cache
def sections(name: str, language: str = "en") -> dict[tuple[str, str], str]:
    found: dict[tuple[str, str], list[str]] = {}
    heading = part = ""
    for line in read(name, language).splitlines():
        if line.startswith("## "):
            part = line[3:].strip()
        elif line.startswith("# "):
            heading, part = line[2:].strip(), ""
        elif part:
            found.setdefault((heading, part), []).append(line)
    return {key: "\n".join(lines).strip("\n") for key, lines in found.items()}


def read(name: str, language: str) -> str:
    return (Path(__file__).parent / language / f"{name}.md").read_text("utf-8")
