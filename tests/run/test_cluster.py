"""Workers on a real Ray cluster of two nodes, of which one is lost in the middle of a run."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from culturepark.store.store import INTERRUPTED
from tests.cli.test_cli import TIMES, TINY, cli
from tests.run.test_workers import SIMULATE, alone, asked, endpoint, lines, park, settled, until
from tests.support.endpoint import Endpoint
from tests.support.postgres import rows_in

__all__ = ["endpoint", "park"]
ROOT = Path(__file__).parents[2]
AT_ONCE = 2


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of Ray's processes, which are programs of their own
    Path("tiny.yaml").write_text(TINY)
    return tmp_path


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head without processors, on which no worker runs, and two nodes."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'culturepark[scale]'")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        try:
            made.victim, made.survivor = made.add_node(num_cpus=2), made.add_node(num_cpus=2)
            yield made
        finally:
            made.shutdown()


def test_a_run_on_two_nodes_survives_the_loss_of_one(
    cluster: Any, park: Any, postgres_url: str, endpoint: Endpoint
) -> None:
    model = ("--model", f"openai:test@{endpoint.url}")
    rows, made = alone(*model)
    once = asked(endpoint)
    endpoint.requests.clear()
    ray = ("--engine", "ray", "--address", cluster.address, "--workers", 2)
    assert cli(*SIMULATE, *model, "--max-tokens", 1, "--store", postgres_url).code == 4  # so that `work` names a lease
    begun = asked(endpoint)
    park.execute("UPDATE run SET settings = replace(settings, '\"max_tokens\": 1', '\"max_tokens\": null')")
    command = ("work", "a", *ray, "--concurrency", AT_ONCE, "--lease", 3, "--store", postgres_url)
    # Not a copy of this process, in which Ray's library has threads.
    driver = subprocess.Popen([sys.executable, "-m", "culturepark", *map(str, command)], stderr=subprocess.PIPE)
    until(lambda: park.execute("SELECT count(DISTINCT worker) FROM took").fetchone()[0] >= 3)
    until(lambda: len(endpoint.chats) > 40)
    cluster.remove_node(cluster.victim, allow_graceful=False)
    said = driver.communicate(timeout=300)[1].decode()
    assert driver.returncode == 0, said
    after = rows_in(postgres_url, TIMES)
    assert settled(after) == settled(rows)
    assert lines(postgres_url) == made
    lost = [row for row in after["call"] if row["error"]]
    assert {row["error"] for row in lost} <= {INTERRUPTED}
    assert not once - asked(endpoint)
    assert sum((asked(endpoint) - once).values()) <= AT_ONCE
    assert begun <= once
    assert not after["worker"]


def test_ray_needs_a_server_and_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str
) -> None:
    scripted = (*SIMULATE, "--model", "scripted", "--engine", "ray")
    assert "several workers need a store on a PostgreSQL server" in cli(*scripted, "--store", "sqlite:///x.db").err
    assert "--address and --workers go with --engine ray" in cli(*SIMULATE, "--workers", 3).err
    monkeypatch.setitem(sys.modules, "ray", None)
    done = cli(*scripted, "--store", postgres_url)
    assert done.code == 2
    assert "needs the extra `scale`: pip install" in done.err
