"""The identity of a database file, and a lock on a byte of it, which needs no lock file that others could have made."""

from __future__ import annotations

import errno
import hashlib
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

Inode = tuple[int, int]
"""Device and number of a file: another file under the same name has another."""

FIRST = 2**62
"""Byte from which on locks are; SQLite's own lie at 2^30."""
HELD_BY_ANOTHER = (errno.EAGAIN, errno.EACCES)

users: WeakSet[Any] = WeakSet()
"""All databases of this process, each with its `inode`."""
descriptors: dict[Inode, int] = {}
"""Of databases that were held. They stay open as long as anybody uses the file: closing one would drop the locks that
SQLite has on it in this process (POSIX advisory locks, fcntl(2))."""
held: set[tuple[Inode, int]] = set()


def inode_of(path: str | os.PathLike[str]) -> Inode | None:
    """None if there is no such file, or it cannot be seen."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def held_by_range(path: str, name: str) -> Iterator[bool | None]:
    """Locks a byte of the database that stands for `name`; the kernel drops it when the process ends.

    Returns:
        False if another process has it; None where there are no such locks (they are Linux's), or the file is one that
        this user cannot write.
    """
    if sys.platform != "linux":
        yield None
        return
    byte = FIRST + int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:6])
    try:
        inode, descriptor = opened(path)
        free = (inode, byte) not in held and locked(descriptor, byte)
    except OSError:
        yield None
        return
    if not free:
        yield False
        return
    held.add((inode, byte))
    try:
        yield True
    finally:
        held.discard((inode, byte))
        with suppress(OSError):
            locked(descriptor, byte, release=True)


def opened(path: str) -> tuple[Inode, int]:
    for other in descriptors.keys() - {user.inode for user in users}:
        os.close(descriptors.pop(other))
    inode = inode_of(path)
    if inode is None or inode not in descriptors:
        descriptor = os.open(path, os.O_RDWR)
        found = os.fstat(descriptor)
        inode = found.st_dev, found.st_ino
        descriptors[inode] = descriptor
    return inode, descriptors[inode]


def locked(descriptor: int, byte: int, *, release: bool = False) -> bool:
    """Whether a byte could be locked. The lock is the descriptor's, not the process's; SQLite's are no matter."""
    import fcntl

    kind = fcntl.F_UNLCK if release else fcntl.F_WRLCK
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi", kind, os.SEEK_SET, byte, 1, 0))
    except OSError as error:
        if error.errno in HELD_BY_ANOTHER:
            return False
        raise
    return True
