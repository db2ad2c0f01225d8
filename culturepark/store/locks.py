"""The identity of a database file, and locks on bytes of it, which need no lock file of another user's."""

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
"""Device and inode number; a file that replaces another of the same name has another one."""

FIRST = 2**62
"""The first byte used for locks; SQLite's own are at 2^30."""
HELD_BY_ANOTHER = (errno.EAGAIN, errno.EACCES)

users: WeakSet[Any] = WeakSet()
"""All databases of this process, each with its `inode`."""
descriptors: dict[Inode, int] = {}
"""Descriptors on which locks were taken. They stay open as long as a database uses the file: closing one would drop
the locks that SQLite has on the file in this process (POSIX advisory locks, fcntl(2))."""
held: set[tuple[Inode, int]] = set()
"""Files and bytes that this process has locked."""


def inode_of(path: str | os.PathLike[str]) -> Inode | None:
    """Return the identity of a file; None if there is no such file, or it cannot be seen."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def held_by_range(path: str, name: str) -> Iterator[bool | None]:
    """Lock the byte of the database that stands for `name`; the kernel drops the lock when the process ends.

    Returns:
        False if another process has the lock; None outside Linux, which alone has such locks, and for a file that this
        user cannot write.
    """
    if sys.platform != "linux":
        yield None
        return
    byte = FIRST + int.from_bytes(hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:6])
    try:
        inode, descriptor = descriptor_of(path)
        free = (inode, byte) not in held and lock(descriptor, byte)
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
            lock(descriptor, byte, release=True)


def descriptor_of(path: str) -> tuple[Inode, int]:
    """Return an open descriptor of a file, and close those of files that no database uses any more."""
    for other in descriptors.keys() - {user.inode for user in users}:
        os.close(descriptors.pop(other))
    inode = inode_of(path)
    if inode is None or inode not in descriptors:
        descriptor = os.open(path, os.O_RDWR)
        status = os.fstat(descriptor)
        inode = status.st_dev, status.st_ino
        descriptors[inode] = descriptor
    return inode, descriptors[inode]


def lock(descriptor: int, byte: int, *, release: bool = False) -> bool:
    """Lock a byte and return whether that succeeded. The lock is the descriptor's, and does not meet SQLite's."""
    import fcntl

    kind = fcntl.F_UNLCK if release else fcntl.F_WRLCK
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack("hhqqi", kind, os.SEEK_SET, byte, 1, 0))
    except OSError as error:
        if error.errno in HELD_BY_ANOTHER:
            return False
        raise
    return True
