"""The places on this machine where models are looked for. Reads folders only: imports no package and downloads nothing.

<user's data>/voiceloop/models/NAME                      folders that the user has put there
<hub's cache>/models--OWNER--NAME/snapshots/REVISION     what `hf download OWNER/NAME` has fetched
<site-packages>/PACKAGE/FOLDER                           packages that carry a model
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from voiceloop.system.paths import expanded


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A repository of the Hugging Face hub in the local cache: its name (`OWNER/NAME`) and the folder of its files."""

    repository: str
    folder: Path


def user_models() -> Path:
    """The folder for the user's own models, each in a folder of its name. May not exist."""
    from platformdirs import user_data_path

    return user_data_path("voiceloop") / "models"


def snapshots(environ: Mapping[str, str] = os.environ) -> Iterator[Snapshot]:
    """The repositories in the hub's local cache, sorted by name."""
    cache = _hub_cache(environ)
    for entry in (folder for folder in subfolders(cache) if re.fullmatch(r"models--.+--.+", folder.name)):
        owner, _, name = entry.name.removeprefix("models--").partition("--")
        if (folder := _newest(entry)) is not None:
            yield Snapshot(f"{owner}/{name}", folder)


def named_folder(model: str, installed: Iterable[tuple[str, Path]]) -> tuple[Path, str] | None:
    """The folder of a model and its name. `model` is a name among those that are installed (of several with one name,
    the last one counts), or the path of a folder. None when there is neither. A folder of the same name in the working
    directory does not hide an installed model."""
    found = dict(installed).get(model)
    if found is not None:
        return found, model
    try:
        folder = expanded(model)
        if model and folder.is_dir():
            return folder, folder.absolute().name
    except (OSError, RuntimeError):  # a folder that may not be read; `~nobody`
        pass
    return None


def subfolders(root: Path) -> list[Path]:
    """The folders in a folder, sorted by name; none if it isn't there or may not be read."""
    try:
        return sorted(entry for entry in root.iterdir() if entry.is_dir())
    except OSError:
        return []


def is_there(path: Path) -> bool:
    """Whether there is a file. False too where a folder on the way may not be entered."""
    try:
        return path.is_file()
    except OSError:
        return False


def package_folder(package: str, inner: str = "") -> Path | None:
    """A folder inside an installed package; None when there is none. The package is not imported."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec is not None else None
    folders = (Path(place, inner) for place in places or ())
    return next((folder for folder in folders if folder.is_dir()), None)


def _hub_cache(environ: Mapping[str, str]) -> Path:
    """Where the hub's own library puts its files, by the environment variables that it heeds."""
    if place := environ.get("HF_HUB_CACHE"):
        return expanded(place)
    if home := environ.get("HF_HOME"):
        return expanded(home) / "hub"
    return expanded(environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface" / "hub"


def _newest(repository: Path) -> Path | None:
    """The folder of the revision `main`, or else of the one that was fetched last."""
    main = repository / "refs" / "main"
    revisions = [folder for folder in (repository / "snapshots").glob("*") if folder.is_dir()]
    if main.is_file():
        named = repository / "snapshots" / main.read_text(encoding="utf-8", errors="replace").strip()
        if named in revisions:
            return named
    return max(revisions, key=lambda folder: folder.stat().st_mtime, default=None)
