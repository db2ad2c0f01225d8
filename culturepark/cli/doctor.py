"""The findings of `culturepark doctor`: packages, weights, files, prices, store, terminal and model."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from culturepark import __version__, plugins
from culturepark.catalog import scenarios
from culturepark.catalog.personas import load_all
from culturepark.errors import CultureparkError, Unreachable
from culturepark.evaluate.scorers import SCORERS
from culturepark.export.formats import FORMATS
from culturepark.glossary import counted
from culturepark.languages import PACKAGES
from culturepark.models import connections, extras, prices, proxies, tuning, weights
from culturepark.models.kinds import KINDS
from culturepark.models.registry import Models, check_specs
from culturepark.models.spec import parse_roles
from culturepark.models.trust import Trust
from culturepark.redact import redact
from culturepark.run.trial import Finding, lines, trial_of
from culturepark.store.database import Database, parsed
from culturepark.store.integrity import Checkup
from culturepark.store.store import Store
from culturepark.terminal.safe import err, tell

MOST_PROBLEMS = 10
OLD_PRICES = 90
"""Days after which the prices should be updated."""


async def examine(model: str | None, store_url: str, environment: Mapping[str, str]) -> list[Finding]:
    findings = [
        Finding("culturepark", "ok", f"{__version__} on Python {platform.python_version()}, {platform.platform()}"),
        packages(),
        local_models(),
        price_list(),
        Finding("personas", "ok", f"{len(load_all([]))} cards, {len(scenarios.shipped_files())} scenarios"),
        *(weight(file) for file in (weights.SMOLLM2, weights.E5)),
        Finding("key", "ok", "OPENAI_API_KEY is set")
        if environment.get("OPENAI_API_KEY")
        else Finding("key", "note", "OPENAI_API_KEY is not set; openai:NAME needs it"),
        *own_files(),
        *plugin_findings(),
        *(Finding("proxy", "note", problem) for problem in proxies.unusable()),
        *store(store_url),
        Finding("terminal", "ok", f"{err().width} columns, {sys.stderr.encoding}")
        if err().is_terminal
        else Finding("terminal", "note", "stderr is no terminal: no progress is shown"),
    ]
    return [*findings, *await model_findings(model, store_url)] if model else findings


def own_files() -> list[Finding]:
    """Check the user's files of keys and endpoints."""
    findings = []
    for what, (path, named), read in (
        ("keys file", connections.keys_file(), connections.keys),
        ("endpoints file", connections.endpoints_file(), connections.endpoints),
    ):
        try:
            names = read()
        except CultureparkError as error:
            findings.append(Finding(what, "bad", str(error), error.exit_code))
        else:
            if names or named:
                findings.append(Finding(what, "ok", f"{path}: {', '.join(names) or 'nothing in it'}"))
    return findings


def plugin_findings() -> list[Finding]:
    """Import every plugin, which no other command does."""
    registries: list[plugins.Registry[Any]] = [KINDS, FORMATS, PACKAGES, SCORERS]
    findings = []
    for registry in registries:
        for name, plugin in plugins.installed(registry.group).items():
            what = plugins.label(plugin)
            try:
                registry[name]
            except CultureparkError as error:
                findings.append(Finding("plugin", "bad", str(error), error.exit_code))
            else:
                hidden = registry.hides(name)
                detail = f"{what} is never used: culturepark has {name} itself" if hidden else what
                findings.append(Finding("plugin", "note" if hidden else "ok", detail))
    return findings


def packages() -> Finding:
    names = ("autogen-agentchat", "openai", "sqlmodel", "textual", "numpy")
    try:
        return Finding("packages", "ok", ", ".join(f"{name} {version(name)}" for name in names))
    except PackageNotFoundError as error:
        return Finding("packages", "bad", f"{error.name} is missing; install culturepark again", 2)


def local_models() -> Finding:
    """Check the packages for models on this machine."""
    absent = sorted({module for kind in extras.NEEDED for module in extras.missing(kind)})
    if absent:
        need = "the models embedded, gguf: and hf:, and the embedder e5, need it"
        return Finding("local", "note", f"{', '.join(absent)} not installed; {need}: {extras.how_to_install('local')}")
    found = ", ".join(f"{name} {version(name)}" for name in ("xllamacpp", "onnxruntime"))
    return Finding("local", "ok", f"{found}; the embedded model {how_it_runs()}")


def how_it_runs() -> str:
    """Say with how many slots and threads the embedded model runs on this machine."""
    tuned = tuning.remembered(weights.SMOLLM2.path) if weights.have(weights.SMOLLM2) else None
    if tuned is None:
        return "tries slots and threads at its first run here"
    with_them = f"runs with {counted(tuned.slots, 'slot')} and {counted(tuned.threads, 'thread')}"
    return f"{with_them}, which took the least time when tried ({tuning.note_of(weights.SMOLLM2.path)})"


def price_list() -> Finding:
    try:
        own = len(prices.table())
        day = date.fromisoformat(prices.as_of())
    except CultureparkError as error:
        return Finding("prices", "bad", str(error), error.exit_code)
    age = (date.today() - day).days
    mine = f"; before it, {own} of CULTUREPARK_PRICES" if own else ""
    old = "; pip install --upgrade genai-prices" if age > OLD_PRICES else ""
    return Finding("prices", "note" if old else "ok", f"{prices.source()}, of {day} or later ({age} days){mine}{old}")


def weight(file: weights.WeightFile) -> Finding:
    try:
        if not file.path.is_file():
            weights.check_place(file)
            megabytes = file.wheel_bytes / 1e6
            return Finding(file.name, "note", f"not fetched yet ({megabytes:.0f} MB); the first use fetches it")
        if weights.sha256_of(file.path) != file.sha256:
            return Finding(file.name, "bad", f"{file.path} is damaged; delete it and it is fetched again", 3)
    except Unreachable as error:  # no folder can be made for it
        return Finding(file.name, "bad", str(error), error.exit_code)
    except OSError as error:
        return Finding(file.name, "bad", f"{file.path}: {error.strerror}", 3)
    return Finding(file.name, "ok", str(file.path))


def store(url: str) -> list[Finding]:
    """Check every row of the store, and count runs that are marked as running."""
    try:
        address = parsed(url)
        path = Path(address.database or "") if address.get_backend_name() == "sqlite" else None
        if path and not path.exists():
            return [Finding("store", "note", f"{path} does not exist yet; the first run makes it")]
        database = Database(url, must_exist=True)
    except CultureparkError as error:
        return [Finding("store", "bad", str(error), error.exit_code)]
    checkup = Checkup(database)
    problems = list(checkup.problems())
    findings = [Finding("store", "bad", problem, 5) for problem in problems[:MOST_PROBLEMS]]
    if len(problems) > MOST_PROBLEMS:
        findings.append(Finding("store", "bad", f"{len(problems) - MOST_PROBLEMS} more problems", 5))
    if not problems:
        rows = ", ".join(f"{checkup.counts[table]:,} {table}s" for table in ("run", "dialogue", "call", "sample"))
        findings.append(Finding("store", "ok", f"{database.shown}: {rows}{sizes(path) if path else ''}"))
    if checkup.running:
        names = ", ".join(checkup.running[:5]) + (", ..." if len(checkup.running) > 5 else "")
        what_to_do = f"if no process carries it on, `culturepark resume {checkup.running[0]}` does"
        findings.append(Finding("store", "note", f"marked as running: {names}; {what_to_do}"))
    database.close()
    return findings


def sizes(path: Path) -> str:
    """Return the sizes of the file and of its write-ahead log."""
    log = Path(f"{path}-wal")
    waiting = log.stat().st_size / 1e6 if log.exists() else 0
    aside = f" and {waiting:.1f} MB in {log.name} (copy both, or neither)" if waiting else ""
    return f"; {path.stat().st_size / 1e6:.1f} MB{aside}"


async def model_findings(model: str, store_url: str) -> list[Finding]:
    """Try a model; abilities of its endpoint are kept in the store if there is one."""
    specs = parse_roles(model, [])
    models: Models | None = None
    store: Store | None = None
    try:
        trust = Trust([specs["speaker"]])
        models = Models({"speaker": specs["speaker"]}, 1, lambda *_: None, trust)
        check_specs(specs, ("speaker",), trust)
        chat = await models.get("speaker")
        store = open_store(store_url)
        trial = await trial_of(chat, store.journal if store else None, tell)
        return [replace(finding, detail=redact(finding.detail)) for finding in lines(trial)]
    except CultureparkError as error:
        code = 3 if error.exit_code == 1 else error.exit_code
        return [Finding("model", "bad", f"{redact(model)}: {error}", code)]
    finally:
        if models:
            await models.close()
        if store:
            store.close()


def open_store(url: str) -> Store | None:
    """Return the store; None if there is none, or if it cannot be used, which `store` reports."""
    try:
        return Store(url, must_exist=True)
    except CultureparkError:
        return None
