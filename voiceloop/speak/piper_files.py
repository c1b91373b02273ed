"""The two files of a Piper voice, checked before they are given to Piper. Imports nothing of Piper."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voiceloop.errors import ConfigError

_FETCH = "python -m piper.download_voices en_US-lessac-medium"
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
    """The files of the voice whose network is `path`. `place` is the key of the config that names it.

    Raises ConfigError, in one line, if a file is missing, unreadable or not of a voice.
    """
    if not path:
        problem = f"Piper needs a voice: the path of an .onnx with its .onnx.json beside it. To fetch one: {_FETCH}"
        raise ConfigError([f"{place}: {problem}"])
    model = Path(path).expanduser().absolute()
    config = model.with_name(model.name + ".json")
    if not model.is_file():
        raise ConfigError([f"{place}: there is no file '{model}'. To fetch a voice: {_FETCH}"])
    if not config.is_file():
        raise ConfigError([f"{place}: '{config}' is missing. It belongs beside the voice, from the same place"])
    try:
        _check_model(model)
        return _described(model, config)
    except OSError as error:
        raise ConfigError([f"{place}: '{error.filename}' can't be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ConfigError([f"{place}: {error}. Fetch it again: {_FETCH}"]) from None


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
    except (KeyError, TypeError, ValueError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"'{config}' is not the description of a Piper voice") from None
    return VoiceFiles(model, config, rate_hz, language or None)
