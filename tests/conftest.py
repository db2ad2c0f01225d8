"""Generated examples are the same each time, under no clock, and leave nothing in the tree; so are pictures."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "culturepark-hypothesis"))
settings.register_profile("repeatable", database=None, derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def one_terminal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """For pictures of screens, whatever terminal the tests run in."""
    if "snap_compare" in request.fixturenames:
        for name in ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES", "CULTUREPARK_BIDI"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("TERM", "xterm-256color")
        # Textual looks for a theme once, when it is imported.
        monkeypatch.setattr("culturepark.replay.app.DEFAULT_THEME", "textual-dark")
