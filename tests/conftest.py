"""Generated examples are the same each time, under no clock, and leave nothing in the tree; so are pictures."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

from culturepark import interface
from culturepark.models import ledger
from culturepark.models.providers import PROVIDERS
from culturepark.store import database
from tests.support.schema import MIGRATE, open_engine, write_tables
from tests.support.scratch import SHARED, memory

pytest_plugins = ("tests.support.postgres",)

if not os.environ.get("TMPDIR") and (folder := memory()):
    os.environ["TMPDIR"] = tempfile.tempdir = folder

# Looking for garbage less often: 59 s of processor time in place of 69 on three files.
gc.set_threshold(100_000, 50, 100)

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "culturepark-hypothesis"))
settings.register_profile("repeatable", database=None, derandomize=True, deadline=None, max_examples=50)
settings.load_profile("repeatable")


OWN = {
    "CULTUREPARK_KEYS", "CULTUREPARK_ENDPOINTS", "OPENAI_BASE_URL", "OPENAI_API_VERSION", "OPENAI_CUSTOM_HEADERS",
    "AZURE_OPENAI_API_VERSION", "AZURE_OPENAI_AD_TOKEN", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID",
}  # fmt: skip
"""Variables that say where a model is, beside those with keys."""


@pytest.fixture(scope="session", autouse=True)
def nobodys_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No key and no file of whoever runs the tests is used or changed, also in processes that tests start."""
    folder, base = tmp_path_factory.mktemp("user"), tmp_path_factory.getbasetemp()
    SHARED[:] = [base.parent if "PYTEST_XDIST_WORKER" in os.environ else base]
    with pytest.MonkeyPatch.context() as patch:
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            patch.setenv(name, str(folder / name))
        for name in {*OWN, *(variable for provider in PROVIDERS for variable in provider.variables)}:
            patch.delenv(name, raising=False)
        patch.setenv(interface.CHOSEN_BY, interface.ENGLISH)
        yield


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    """A command that showed its screens in another language leaves none of it to the next test."""
    yield
    interface.show_in(interface.ENGLISH)


@pytest.fixture(scope="session", autouse=True)
def shared_stores() -> Iterator[None]:
    """New stores get their tables without migrations, unless a test asks for `migrations`; SQL is compiled once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrate", write_tables)
        patch.setattr(database, "create_engine", open_engine)
        yield


@pytest.fixture
def migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "migrate", MIGRATE)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that fails is asked again at once."""
    monkeypatch.setattr(ledger, "pause_before", lambda *_: 0.0)


@pytest.fixture(autouse=True)
def one_terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For pictures of screens, whatever terminal the tests run in."""
    if "snap_compare" in request.fixturenames:
        for name in ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES", "CULTUREPARK_BIDI"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        # Textual looks for a theme once, when it is imported.
        monkeypatch.setattr("culturepark.replay.app.DEFAULT_THEME", "textual-dark")


def pytest_collection_finish() -> None:
    """What is imported by now stays to the end: nobody looks through it for garbage again."""
    gc.freeze()


LONG = (
    "torture/test_torture", "models/test_quirks", "store/test_store_faults", "run/test_run_on_endpoint",
    "cli/test_talk", "torture/test_guarantees", "doors/test_doors", "models/test_embedded", "models/test_trust",
    "distill/test_checks", "replay/test_terminal", "store/test_reviews", "doors/test_hostile",
)  # fmt: skip
"""Files that take longest, the longest first: begun last, one of them would keep a single worker busy at the end."""


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what is marked as torture
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tried: set[str] = set()
    for item in items:
        function = item.nodeid.split("[")[0]
        if function in tried and item.get_closest_marker("sampled"):
            item.add_marker(pytest.mark.torture)
        tried.add(function)
    ranks = {name: rank for rank, name in enumerate(LONG)}
    tests = Path(__file__).parent
    items.sort(key=lambda item: ranks.get(item.path.relative_to(tests).with_suffix("").as_posix(), len(ranks)))
