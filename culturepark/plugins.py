"""Additions by other packages, found by their entry points.

    [project.entry-points."culturepark.models"]      a name -> a `ModelKind`
    [project.entry-points."culturepark.formats"]     a name -> a `Format`
    [project.entry-points."culturepark.languages"]   a code -> a package with prompts and word lists
    [project.entry-points."culturepark.suites"]      a name -> a `Scorer`

Users write the entry point's name. A plugin is imported only then, so a broken one breaks nothing else;
`culturepark doctor` imports and checks all. docs/extending.md has an example of each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from culturepark.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Entry = TypeVar("Entry")


@cache
def installed(group: str) -> dict[str, EntryPoint]:
    """Return the plugins of a group by name. Searching all installed packages takes some 50 ms."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=group)}


class Registry(dict[str, Entry]):
    """Entries by name: this package's own, and those of plugins that have been asked for.

    `in` and `[...]` find all plugins; a loop goes over those imported so far, and so imports none.
    """

    def __init__(self, group: str, read: Callable[[str, object], Entry]) -> None:
        """
        Args:
            read: makes an entry of a plugin's name and object; raises TypeError for a wrong object.
        """
        super().__init__()
        self.group = group
        self._read = read
        self._imported: set[str] = set()

    def add(self, name: str, entry: Entry) -> None:
        """
        Raises:
            ValueError: if there is one of that name.
        """
        if name in self.keys():
            raise ValueError(f"{self.group} has {name} already")
        self[name] = entry

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in installed(self.group)

    def __missing__(self, name: str) -> Entry:
        """
        Raises:
            UsageError: if the plugin cannot be imported, or its object is wrong.
        """
        plugin = installed(self.group)[name]
        try:
            entry = self._read(name, plugin.load())
        except Exception as error:  # a foreign module may raise anything
            first = (str(error).splitlines() or [""])[0]
            raise UsageError(f"{label(plugin)} cannot be used: {type(error).__name__}: {first}") from error
        self[name] = entry
        self._imported.add(name)
        return entry

    def hides(self, name: str) -> bool:
        """Return whether a plugin is never used because this package has an entry of its name."""
        return name in self.keys() and name not in self._imported

    def names(self) -> list[str]:
        """Return all names, this package's own first."""
        return [*self, *(name for name in installed(self.group) if name not in self.keys())]


def label(plugin: EntryPoint) -> str:
    package = f" of {plugin.dist.name} {plugin.dist.version}" if plugin.dist else ""
    return f"the plugin {plugin.name!r}{package} ({plugin.group})"
