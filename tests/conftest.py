"""Generated examples are the same each time, under no clock, and leave nothing in the tree."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir

set_hypothesis_home_dir(Path(tempfile.gettempdir(), "culturepark-hypothesis"))
settings.register_profile("repeatable", database=None, derandomize=True, deadline=None)
settings.load_profile("repeatable")
