"""The user's own modules, which the config names as `module:name`: found beside the config file and in the working
directory.

Only a module that the config names is looked for there, and only where no installed module has its name. The folders
are not on the import path: a file that happens to lie there, such as a `brotli.py`, would otherwise be run as soon as
any library looked for a package of that name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


class _Finder:
    """Finds the named modules, after all other finders."""

    def __init__(self) -> None:
        self.folders: tuple[str, ...] = ()
        self.names: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """As the import system asks: the module `name`, if it is at the top and the config names it."""
        return PathFinder.find_spec(name, self.folders) if path is None and name in self.names else None


_FINDER = _Finder()


def look_in(folders: Iterable[Path]) -> None:
    """Set the folders that are looked in, the first first. What was named before is no longer looked for."""
    _FINDER.folders = tuple(map(str, folders))
    _FINDER.names.clear()


def import_named(name: str) -> ModuleType:
    """Import the module `name` (`module` or `package.module`) because the config names it. Raises what importing it
    raises."""
    if _FINDER not in sys.meta_path:
        sys.meta_path.append(_FINDER)
    _FINDER.names.add(name.partition(".")[0])
    return importlib.import_module(name)


def lies_there(name: str) -> bool:
    """Whether a module that was not named, and so not found, lies in one of the folders."""
    return PathFinder.find_spec(name.partition(".")[0], _FINDER.folders) is not None
