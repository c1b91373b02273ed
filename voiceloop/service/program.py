"""The installed command that a service runs: in a virtual environment, or where pipx, uv or pip put it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from voiceloop.errors import UsageError

NAME = "voiceloop"


def installed_program(argv0: str, interpreter: str, scripts: Path, caches: Sequence[Path]) -> Path:
    """The path of the command.

    `argv0` is the name under which this process was started, `interpreter` its Python, `scripts` the folder where that
    Python's packages put their commands, `caches` are folders that other programs may empty at any time. A link is kept
    as it is: pipx and uv keep the link in ~/.local/bin, while what it leads to may move.

    Raises UsageError if there is no such file, or it is in a cache.
    """
    started = Path(argv0).absolute()
    places = [started] if started.name == NAME else []
    places += [Path(interpreter).with_name(NAME), scripts / NAME]
    program = next((place for place in places if place.is_file()), None)
    if program is None:
        remedy = "Install it: pipx install, or uv tool install"
        raise UsageError(f"there is no command '{NAME}' beside {interpreter}", place="service", remedy=remedy)
    if any(program.resolve().is_relative_to(cache.resolve()) for cache in caches):
        what = f"{program} is in a cache, which may be emptied at any time (uvx, pipx run)"
        raise UsageError(what, place="service", remedy="Install it for good: pipx install, or uv tool install")
    return program


def this_program() -> Path:
    """The path of the command that this process runs. Raises as `installed_program`."""
    import sysconfig

    from platformdirs import user_cache_path

    caches = [user_cache_path(), *(Path(path) for name in ("UV_CACHE_DIR",) if (path := os.environ.get(name)))]
    return installed_program(sys.argv[0], sys.executable, Path(sysconfig.get_path("scripts")), caches)
