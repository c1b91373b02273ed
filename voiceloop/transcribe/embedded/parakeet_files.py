"""Finding and checking the files of a Parakeet model (NeMo's transducers as ONNX), by its name or a folder's path.

The library would fetch what it doesn't find, so it is only ever given the path of a complete folder. Downloads nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceloop.errors import ConfigError
from voiceloop.transcribe.embedded.places import is_there, named_folder, snapshots, subfolders, user_models

ENCODER, DECODER, TOKENS, CONFIG = "encoder-model", "decoder_joint-model", "vocab.txt", "config.json"
"""The files of a model; before the `.onnx` of the networks may stand a quantization, like `.int8`."""
PREFERRED = "int8"
"""The quantization that is taken when none is set."""
TDT = "nemo-conformer-tdt"
"""The library's name for the kind of Parakeet's networks, in the models' `config.json`."""
_EUROPEAN = "bg cs da de el en es et fi fr hr hu it lt lv mt nl pl pt ro ru sk sl sv uk"
LANGUAGES = {"parakeet-tdt-0.6b-v3": frozenset(_EUROPEAN.split()), "parakeet-tdt-0.6b-v2": frozenset({"en"})}
"""The languages of the models that are known by name."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A folder with all files of a model. `quantization` is empty for files without one in their names."""

    folder: Path
    name: str
    quantization: str

    @property
    def languages(self) -> frozenset[str] | None:
        """The languages of the model; None when it isn't known by name."""
        return next((known for name, known in LANGUAGES.items() if name in self.name), None)


def find(model: str, quantization: str | None = None) -> ModelFiles:
    """The files of `model`: a name like `parakeet-tdt-0.6b-v3` or `OWNER/NAME`, or the path of a folder.

    Raises `ConfigError` when there is no such model, or when its folder lacks a file.
    """
    found = named_folder(model, _installed())
    if found is None:
        raise ConfigError([f"transcribe.model: {_unknown(model)}"])
    folder, name = found
    chosen = _preferred(folder) if quantization is None else quantization
    if problem := _problem(folder, chosen):
        raise ConfigError([f"transcribe.model: {problem}"])
    return ModelFiles(folder.resolve(), name, chosen)


def names() -> list[str]:
    """The names of all Parakeet models on this machine."""
    return sorted({name for name, folder in _installed() if not _problem(folder, _preferred(folder))})


def _installed() -> Iterator[tuple[str, Path]]:
    """The names and folders of what may be a model. Of several with one name, the last one counts."""
    for snapshot in snapshots():
        yield snapshot.repository, snapshot.folder
        yield snapshot.repository.partition("/")[2].removesuffix("-onnx"), snapshot.folder
    yield from ((entry.name, entry) for entry in subfolders(user_models()) if is_there(entry / TOKENS))


def _preferred(folder: Path) -> str:
    return PREFERRED if is_there(folder / f"{ENCODER}.{PREFERRED}.onnx") else ""


def _problem(folder: Path, quantization: str) -> str:
    """Why the folder is no model; empty when all files are there and can be read."""
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"can't read the folder '{folder}': permission denied"
    suffix = f".{quantization}" if quantization else ""
    needed = (f"{ENCODER}{suffix}.onnx", f"{DECODER}{suffix}.onnx", TOKENS, CONFIG)
    if missing := [name for name in needed if not is_there(folder / name)]:
        return f"'{folder}' is no Parakeet model in ONNX's format: it has no {', no '.join(missing)}"
    if unreadable := [name for name in needed if not os.access(folder / name, os.R_OK)]:
        return f"can't read {', '.join(unreadable)} in '{folder}': permission denied"
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        kind = config.get("model_type")
    except (ValueError, AttributeError, RecursionError):
        return f"{folder / CONFIG} is not JSON with the model's settings: fetch or copy the model again"
    if kind != TDT:
        return f"'{folder}' holds a model of the kind '{kind}'; of NVIDIA's models only '{TDT}' runs here"
    return ""


def _unknown(model: str) -> str:
    from voiceloop.models.catalogue import how_to_get

    if model.startswith((".", "~", os.sep)):
        return f"there is no folder '{model}'"
    there = ", ".join(f"'{name}'" for name in names())
    listed = f"There are: {there}" if there else "There is none"
    repository = model if "/" in model else f"istupakov/{model}-onnx"
    hub = f"hf download {repository}' (the package huggingface_hub)"
    command = f"{ours}'" if (ours := how_to_get(model, "parakeet")) else hub
    return (
        f"no Parakeet model '{model}' is on this machine. {listed}. Nothing is downloaded unasked: fetch it with "
        f"'{command}, or give the path of a folder, or put one into {user_models()}"
    )
