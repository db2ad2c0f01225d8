"""Licences and known vulnerabilities of what is installed: `python -m tests.torture.packages [--json]`.

Exit 1 if the core, or an extra that a user may install, brings a package under the GPL or AGPL, or a package with a
known vulnerability. Vulnerabilities are asked of PyPI's JSON interface; where it does not answer, that is said.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import Distribution, PackageNotFoundError, distribution

import httpx2
from packaging.requirements import Requirement

EXTRAS = ("local", "parquet", "postgres")
PYPI = "https://pypi.org/pypi/{}/json"
COPYLEFT = re.compile(r"(?i)\bA?GPL|(?<!lesser )general public licen[cs]e|affero")
LESSER = re.compile(r"(?i)\bLGPL|lesser general public")
AS_IT_COMES = {"python-bidi": "used as it comes, as a package of its own", "psycopg": "", "psycopg-binary": ""}
"""LGPL: imported, not changed and not copied into the project."""


@dataclass
class Package:
    name: str
    version: str
    core: bool
    licence: str
    vulnerabilities: list[str] | None = None
    """None if nobody said."""
    wrong: list[str] = field(default_factory=list)


def reached(extras: Iterable[str]) -> dict[str, Distribution]:
    """All installed distributions that the project leads to, by their normal name."""
    found: dict[str, Distribution] = {}
    ahead: list[tuple[str, tuple[str, ...]]] = [("culturepark", tuple(extras))]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while ahead:
        name, wanted = step = ahead.pop()
        if step in seen:
            continue
        seen.add(step)
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # of another platform, or of an extra that is not installed
            continue
        for text in found[name].requires or []:
            need = Requirement(text)
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                ahead.append((re.sub(r"[-_.]+", "-", need.name).lower(), tuple(sorted(need.extras))))
    del found["culturepark"]
    return found


def licence(one: Distribution) -> str:
    """The licence as metadata has it: the expression, else classifiers, else the first words of the text."""
    told = one.metadata
    if expression := told.get("License-Expression"):
        return str(expression)
    classed = [c.split(" :: ")[-1] for c in told.get_all("Classifier") or [] if c.startswith("License :: ")]
    text = " ".join(str(told.get("License") or "").split())[:60]
    return ", ".join(c for c in classed if c != "OSI Approved") or text or "?"


def looked_at() -> list[Package]:
    core = reached(())
    packages = [Package(name, one.version, name in core, licence(one)) for name, one in sorted(reached(EXTRAS).items())]
    for package in packages:
        lesser = LESSER.search(package.licence)
        if COPYLEFT.search(LESSER.sub("", package.licence)):
            package.wrong.append(f"licence: {package.licence}")
        elif lesser and package.name not in AS_IT_COMES:
            package.wrong.append(f"licence: {package.licence}, and nobody has said how it is used")
        elif package.licence == "?":
            package.wrong.append("licence: not told")
    return packages


def ask(packages: list[Package]) -> str:
    """Fills in `vulnerabilities`. Returns why that cannot be done, or nothing."""
    with httpx2.Client(timeout=20, follow_redirects=True) as client, ThreadPoolExecutor(8) as threads:

        def one(package: Package) -> str:
            try:
                answer = client.get(PYPI.format(f"{package.name}/{package.version}"))
                if answer.status_code == 404:  # a mirror may know the newest release alone
                    answer = client.get(PYPI.format(package.name))
                answer.raise_for_status()
                told = answer.json()
                if told["info"]["version"] != package.version:
                    return f"it knows {told['info']['version']} of {package.name}, not {package.version}"
                told = told["vulnerabilities"]
                package.vulnerabilities = [v["id"] for v in told if not v.get("withdrawn")]
            except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
                return f"{type(error).__name__}: {str(error)[:120]}"
            return ""

        why = [said for said in threads.map(one, packages) if said]
    for package in packages:
        package.wrong += [f"vulnerability: {name}" for name in package.vulnerabilities or []]
    return f"{len(why)} of {len(packages)} packages: {why[0]}" if why else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    packages = looked_at()
    unasked = ask(packages)
    if given.json:
        print(json.dumps([asdict(package) for package in packages], indent=2))
    else:
        for p in packages:
            known = "not known" if p.vulnerabilities is None else ", ".join(p.vulnerabilities) or "none"
            print(f"{p.name:26} {p.version:18} {'core' if p.core else 'extra':6} {p.licence:50.50} {known}")
    if unasked:
        print(f"packages: vulnerabilities are not known, PyPI does not answer for {unasked}", file=sys.stderr)
    wrong = [f"{p.name} {p.version}: {what}" for p in packages for what in p.wrong]
    print(f"packages: {len(packages)} looked at, {len(wrong)} wrong", *wrong, sep="\n  ", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
