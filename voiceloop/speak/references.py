"""Recordings of a voice that is to be imitated: read once, and kept as a part of the requests' JSON.

Blocks: call it in a thread.
"""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voiceloop.audio.recordings.kinds import HEAD_BYTES, name_of
from voiceloop.config.table import Table
from voiceloop.errors import ConfigError
from voiceloop.system.paths import expanded
from voiceloop.text import clean_line

MOST_BYTES = 5 * 1024 * 1024
"""The largest file. It goes along with every piece of speech that is asked for."""
_FORMATS = {"WAV": "wav", "MP3": "mp3", "FLAC": "flac", "Ogg": "ogg", "MP4": "m4a", "AAC": "aac", "AIFF": "aiff"}


class Reference(Table):
    """A recording of the voice."""

    file: str
    """The recording: WAV, MP3, FLAC, Ogg, M4A, AAC or AIFF, of at most 5 MB."""
    text: str | None = None
    """What is said in it, word for word."""


def encoded(references: Sequence[Reference]) -> bytes:
    """The recordings as `input_references`, a JSON list in bytes. Raises `ConfigError` with all that are of no use."""
    parts: list[dict[str, Any]] = []
    problems: list[str] = []
    for number, reference in enumerate(references):
        data, what = _read(expanded(reference.file))
        kind = _FORMATS.get(name_of(data[:HEAD_BYTES]))
        if not what and kind is None:
            what = f"is no recording of a kind that can be sent ({', '.join(_FORMATS)})"
        if what:
            problems.append(f"speak.input_references[{number}].file: {clean_line(reference.file)} {what}")
            continue
        parts.append({"type": "input_audio", "input_audio": {"data": base64.b64encode(data).decode(), "format": kind}})
        if reference.text:
            parts.append({"type": "text", "text": reference.text})
    if problems:
        raise ConfigError(problems)
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")


def _read(path: Path) -> tuple[bytes, str]:
    """A file's bytes, and what is wrong with it. No more than the limit is read, and no pipe or device."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return b"", "is not a file"
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return b"", "isn't there. Check the path"
    except (OSError, ValueError) as error:
        return b"", f"can't be read: {getattr(error, 'strerror', None) or error}"
    if len(data) > MOST_BYTES:
        return b"", f"is over {MOST_BYTES // 1024 // 1024} MB: cut it to some 10 s of speech"
    return data, "" if data else "is empty"
