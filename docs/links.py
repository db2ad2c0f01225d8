"""Find links that lead nowhere in the project's Markdown: `python docs/links.py`.

A link may name a file, an anchor of a page, or a file of the repository by its address on the web. Links to other
sites are not followed: nothing here needs a network.
"""

from __future__ import annotations

import re
import sys
import tomllib
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md", "docs/**/*.md", ".github/**/*.md")
LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\()([^()\s]+)(\))")
DEFINITION = re.compile(r"^\[[^\]]+\]: +(\S+)", re.MULTILINE)
FENCE = re.compile(r"^( *)(```+|~~~+).*?^\1\2 *$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]+`")
HEADING = re.compile(r"^#{1,6} +(.+?)#* *$", re.MULTILINE)


class Link(NamedTuple):
    page: Path
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: {self.target}"


@cache
def repository() -> str:
    """The address of the repository; `pyproject.toml` is the one place that decides it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Source"])


def own_file(target: str) -> Path | None:
    """The file behind an address of this repository on the web; None if the address leads elsewhere."""
    raw = repository().replace("https://github.com", "https://raw.githubusercontent.com")
    for start in (f"{repository()}/blob/main/", f"{repository()}/tree/main/", f"{raw}/main/"):
        if target.startswith(start):
            return ROOT / target.removeprefix(start)
    return None


def without_code(text: str) -> str:
    """The text with code blanked out, every line in its place."""
    blank = FENCE.sub(lambda found: "\n" * found[0].count("\n"), text)
    return CODE.sub(lambda found: " " * len(found[0]), blank)


def links(page: Path) -> Iterator[Link]:
    text = without_code(page.read_text(encoding="utf-8"))
    targets = [(found.start(), found[2]) for found in LINK.finditer(text)]
    targets += [(found.start(), found[1]) for found in DEFINITION.finditer(text)]
    for start, target in sorted(targets):
        yield Link(page, text.count("\n", 0, start) + 1, target)


def slugs(heading: str) -> set[str]:
    """The anchor of a heading on the site, and the one on GitHub."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.strip()).replace("`", "")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    site = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", plain).strip().lower())
    return {site, re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")}


@cache
def anchors(page: Path) -> set[str]:
    """Anchors that exist under the same name on the site and on GitHub."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    both = [slugs(heading) for heading in HEADING.findall(text)]
    return {min(names) for names in both if len(names) == 1}


def is_broken(link: Link) -> bool:
    address, _, anchor = link.target.partition("#")
    if re.match(r"[a-z]+:", address):
        file = own_file(address)
        if file is None:
            return False
    else:
        file = link.page.parent / address if address else link.page
    if not file.exists():
        return True
    return bool(anchor) and file.suffix == ".md" and anchor not in anchors(file.resolve())


def pages() -> list[Path]:
    return sorted({path for pattern in PAGES for path in ROOT.glob(pattern)})


def broken() -> list[Link]:
    return [link for page in pages() for link in links(page) if is_broken(link)]


def main() -> int:
    found = broken()
    for link in found:
        print(f"{link}: leads nowhere", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
