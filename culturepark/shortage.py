"""Tells a machine that is out of descriptors, memory or disk from a bug, and from an endpoint in trouble.

Libraries wrap such an error in one of their own ("Connection error"), so the whole chain of causes is looked at.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from culturepark.errors import OutOfResources

WANTING = {
    errno.EMFILE: "this process may open no more files and connections; raise `ulimit -n`, or lower --concurrency",
    errno.ENFILE: "the machine can open no more files and connections; close something",
    errno.ENOMEM: "no memory is left; free some, or lower --concurrency",
    errno.ENOBUFS: "no memory is left for connections; free some, or lower --concurrency",
    errno.ENOSPC: "the disk is full; free some space",
    errno.EDQUOT: "your quota of disk space is used up; free some space",
    errno.EFBIG: "a file may grow no further; raise `ulimit -f`",
}
THREADS = "no thread can be started; raise `ulimit -u`, or lower --concurrency"


def shortage(error: BaseException) -> OutOfResources | None:
    """What the machine is out of, if that is why `error` came; None if it is not.

    Under a lack of descriptors much fails without naming it: a module that is there is not found, a host has no
    address. So the process also tries whether it can open one now.
    """
    for cause in causes(error):
        if isinstance(cause, OutOfResources):
            return cause
        if said := wanting(cause):
            return OutOfResources(f"{said}; what was committed is safe")
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as none_left:
        if said := wanting(none_left):
            return OutOfResources(f"{said}; what was committed is safe")
    return None


@contextmanager
def shortages_named() -> Iterator[None]:
    """
    Raises:
        OutOfResources: in place of whatever else came of a shortage.
    """
    try:
        yield
    except Exception as error:
        short = shortage(error)
        if short is None or short is error:
            raise
        raise short from error


def wanting(error: BaseException) -> str:
    """What a single error says is used up; empty if it says nothing of the kind."""
    if isinstance(error, MemoryError):
        return WANTING[errno.ENOMEM]
    if isinstance(error, OSError) and error.errno in WANTING:
        return WANTING[error.errno]
    return THREADS if isinstance(error, RuntimeError) and "can't start new thread" in str(error) else ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, all that it came from, and all that are grouped in it; each once, the nearest first."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [cause for cause in (one.__cause__, one.__context__) if cause]
        waiting += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
