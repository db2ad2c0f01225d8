"""Tells a shortage of descriptors, memory or disk on this machine from a bug and from an endpoint in trouble.

Libraries wrap such an error in one of their own ("Connection error"), so the whole chain of causes is searched.
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
    """Return the shortage behind an error; None if there is none.

    Many errors of a lack of descriptors do not name it: an installed module is not found, a host has no address. So
    the process also tries to open a descriptor now.
    """
    chain = list(causes(error))
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as none_left:
        chain.append(none_left)
    for cause in chain:
        if isinstance(cause, OutOfResources):
            return cause
        if words := wanting(cause):
            return OutOfResources(f"{words}; what was committed is safe")
    return None


@contextmanager
def shortages_named() -> Iterator[None]:
    """
    Raises:
        OutOfResources: in place of any other error that a shortage caused.
    """
    try:
        yield
    except Exception as error:
        short = shortage(error)
        if short is None or short is error:
            raise
        raise short from error


def wanting(error: BaseException) -> str:
    """Return what a single error says is used up; empty if it names no shortage."""
    if isinstance(error, MemoryError):
        return WANTING[errno.ENOMEM]
    if isinstance(error, OSError) and error.errno in WANTING:
        return WANTING[error.errno]
    return THREADS if isinstance(error, RuntimeError) and "can't start new thread" in str(error) else ""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, its causes, and the errors grouped in it; each once, the nearest first."""
    waiting, known = [error], set[int]()
    while waiting:
        cause = waiting.pop(0)
        if id(cause) in known:
            continue
        known.add(id(cause))
        yield cause
        waiting += [each for each in (cause.__cause__, cause.__context__) if each]
        waiting += cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()
