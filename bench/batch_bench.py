"""What batches cost the client: `python -m bench.batch_bench [--dialogues N] [--stages STAGES]`.

A run goes to the local stand-in once without and once in batches. Printed are requests, batches, and the CPU seconds of
this process, with the stand-in's own share in both.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from culturepark.cli.app import run
from culturepark.models import batch
from tests.support.batches import BatchEndpoint

SCENARIO = """name: batched
title: Guests
setting: in-cultural
cultures: [german]
protocol: free-chat
max_turns: 6
seeds: [{key: guests, question: "What do you do when a guest arrives without notice?"}]
"""


def measured(stages: str, dialogues: int) -> str:
    """Hold a run, and return its figures in one line."""
    with TemporaryDirectory() as folder, BatchEndpoint() as endpoint:
        os.environ |= {"CULTUREPARK_STORE": f"sqlite:///{folder}/runs.db", "NO_PROXY": "127.0.0.1"}
        scenario = Path(folder, "batched.yaml")
        scenario.write_text(SCENARIO, "utf-8")
        model = f"openai:test@{endpoint.url}"
        began, processor = time.monotonic(), time.process_time()
        code = run(
            [
                *("simulate", str(scenario), "--dialogues", str(dialogues), "--model", model),
                *("--role", "embedder=lexical", "--batch", stages),
            ]
        )
        took, used = time.monotonic() - began, time.process_time() - processor
        alone, together = len(endpoint.chats), len(endpoint.asked_in_batches)
        requests = alone + together
        return (
            f"--batch {stages}: exit {code}; {requests} requests, {together} in {len(endpoint.batches)} batches; "
            f"{1000 * used / requests:.1f} ms of CPU a request, {took:.0f} s"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--dialogues", type=int, default=30)
    parser.add_argument("--stages", default="all")
    given = parser.parse_args()
    batch.SETTLE, batch.FIRST_LOOK, batch.LONGEST_LOOK = 0.2, 0.05, 0.05
    for stages in ("none", given.stages):
        print(measured(stages, given.dialogues))


if __name__ == "__main__":
    main()
