"""Finding and checking the files of a Moonshine model, by its name or the path of its folder.

A model has three files: the encoder, the decoder, and the tokens as a list. A name is looked up among the models in the
user's data directory (`models/NAME`), then in the installed packages that carry a model. Nothing is downloaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from voiceloop.errors import ConfigError, MissingExtra
from voiceloop.transcribe.embedded import places

ENCODER, DECODER, TOKENS = "encoder_model.ort", "decoder_model_merged.ort", "tokenizer.bin"
FILES = (ENCODER, DECODER, TOKENS)
PACKAGES = (("voiceloop_moonshine", ""), ("moonshine_voice", "assets"))
"""Folders inside installed packages that hold models, each in a folder of its name. The last is the maker's package,
of which release 0.1.0 is the last with a model; `scripts/build_model_wheel` builds the other."""
_STREAMING = ("streaming_config.json", "frontend.ort", "adapter.ort")
"""Files of Moonshine's streaming models, which are other networks."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """A folder with all files of a model."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def language(self) -> str | None:
        """The language of the model by the end of its folder's name (`tiny-en`); None if the name doesn't say."""
        found = re.search(r"-([a-z]{2})$", self.name)
        return found[1] if found else None


def find(model: str) -> ModelFiles:
    """The files of `model`: a name like `tiny-en`, or the path of a folder.

    Raises `ConfigError` when there is no such model or its folder lacks a file, `MissingExtra` when no package with the
    default model is installed.
    """
    found = places.named_folder(model, _installed())
    if found is None and os.sep not in model:
        raise _unknown(model)
    folder = Path(model) if found is None else found[0]
    if problem := _problem(folder):
        raise ConfigError([f"transcribe.model: {problem}"])
    return ModelFiles(folder.absolute())


def names() -> list[str]:
    """The names of all Moonshine models on this machine."""
    return sorted(dict(_installed()))


def _installed() -> Iterator[tuple[str, Path]]:
    """The models that can be named, with their folders; of several with one name, the user's own comes last."""
    packaged = (places.package_folder(*package) for package in PACKAGES)
    for root in (*filter(None, packaged), places.user_models()):
        yield from ((folder.name, folder) for folder in places.subfolders(root) if not _problem(folder))


def _problem(folder: Path) -> str:
    """Why the folder is no model; empty when all files are there and can be read."""
    if not folder.is_dir():
        return f"there is no folder '{folder}'"
    if not os.access(folder, os.R_OK | os.X_OK):
        return f"can't read the folder '{folder}': permission denied"
    missing = [name for name in FILES if not places.is_there(folder / name)]
    if missing and any(places.is_there(folder / name) for name in _STREAMING):
        return f"'{folder}' holds a streaming model of Moonshine's, which can't be run here; tiny-en and base-en can"
    if missing:
        return f"'{folder}' is no Moonshine model: it has no {', '.join(missing)}"
    unreadable = [name for name in FILES if not os.access(folder / name, os.R_OK)]
    return f"can't read {', '.join(unreadable)} in '{folder}': permission denied" if unreadable else ""


def _unknown(model: str) -> Exception:
    from voiceloop.models.catalogue import how_to_get

    if there := names():
        listed = ", ".join(f"'{name}'" for name in there)
        command = how_to_get(model, "moonshine")
        fetch = f"To fetch it: {command}" if command else "Or give the path of a folder"
        remedy = f"There are: {listed}. {fetch}"
        return ConfigError([f"transcribe.model: no Moonshine model '{model}' is installed. {remedy}"])
    return MissingExtra(
        "no Moonshine model is installed",
        place='transcribe.use = "moonshine"',
        remedy="Fetch one with: voiceloop models get tiny-en; or install one with: pip install 'voiceloop[local]' (its "
        "package moonshine-voice 0.1.0 needs glibc 2.34 on x86-64, or macOS 15); or use another engine: "
        "transcribe.use = 'whisper'",
    )
