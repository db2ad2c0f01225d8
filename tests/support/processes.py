"""Commands in processes of their own that begin as copies of this one: nothing is imported again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from culturepark.plugins import installed

PIPE = subprocess.PIPE


class Forked(subprocess.Popen[bytes]):
    """`culturepark` with these arguments, which is read, waited for and killed like any other process."""

    def __init__(self, *arguments: object, path: Sequence[Path] = (), **options: Any) -> None:
        """
        Args:
            path: folders in which modules and plugins are looked for first.
            options: `Popen`'s streams, `cwd` and `env`; what is said is piped unless it goes elsewhere.
        """
        self.path = [str(folder) for folder in path]
        super().__init__(["culturepark", *map(str, arguments)], **{"stdout": PIPE, "stderr": PIPE} | options)

    def _execute_child(self, args: list[str], *given: Any) -> None:
        """Stand for what starts a program in the library; the six ends of pipes are -1 where a stream is inherited."""
        (folder, variables), ends = given[4:6], given[9:15]
        self.pid = os.fork()
        if self.pid:
            self._child_created = True
            self._close_pipe_fds(*ends)  # type: ignore[attr-defined]
            return
        code = 1
        try:
            be_alone(ends[0], ends[3], ends[5])
            os.chdir(folder or ".")
            if variables is not None:
                os.environ.clear()
                os.environ.update(variables)
            sys.path[:0] = self.path
            sys.argv = args
            code = finished()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)


def be_alone(*streams: int) -> None:
    """Keep nothing of the parent's but its memory, and these for the three streams."""
    kept = [os.dup(number if stream == -1 else stream) for number, stream in enumerate(streams)]
    for number, stream in enumerate(kept):
        os.dup2(stream, number)
    os.closerange(3, 4096)
    sys.stdin, sys.stdout, sys.stderr = (open(n, mode, encoding="utf-8") for n, mode in enumerate("rww"))  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    warnings.simplefilter("ignore")
    installed.cache_clear()


def finished() -> int:
    """Hold the command, and return its exit code."""
    from culturepark.cli.app import main

    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    return 0


def completed(*arguments: object, path: Sequence[Path] = (), **options: Any) -> subprocess.CompletedProcess[str]:
    """Hold a command to its end, as `subprocess.run` does."""
    with Forked(*arguments, path=path, **options) as child:
        try:
            out, err = child.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            child.kill()  # else it would be waited for, for good
            raise
    return subprocess.CompletedProcess(child.args, child.returncode, out.decode(), err.decode())
