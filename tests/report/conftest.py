"""The two runs whose pages the tests read: held once."""

import pytest

from tests.support.reports import Shown, friendly, malicious


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return friendly(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return malicious(tmp_path_factory.mktemp("hostile"))
