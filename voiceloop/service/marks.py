"""The mark on files that voiceloop writes for other programs, by which a file that the user has edited is noticed."""

from __future__ import annotations

import hashlib
import re
from enum import Enum
from pathlib import Path

from voiceloop.errors import OutputError
from voiceloop.journal.atomic_write import write_atomically

_MARK = re.compile(rb"# Written by voiceloop \(checksum ([0-9a-f]{16})\)[^\n]*\n")


class Found(Enum):
    """What is at a path."""

    NOTHING = "nothing"
    OURS = "as voiceloop wrote it"
    EDITED = "edited, or written by somebody else"


def marked(text: str, advice: str) -> bytes:
    """The contents of a file with `text`: first the mark, a comment that ends with `advice`."""
    body = text.encode()
    return f"# Written by voiceloop (checksum {_checksum(body)}). {advice}\n".encode() + body


def is_unchanged(data: bytes) -> bool:
    """Whether a file's contents are those that `marked` returned."""
    mark = _MARK.match(data)
    return mark is not None and mark[1].decode() == _checksum(data[mark.end() :])


def _checksum(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:16]


def found_at(path: Path) -> Found:
    """What is at `path`. Raises OutputError if it can't be read."""
    if path.is_symlink():  # for example to /dev/null: masked by systemctl
        return Found.EDITED
    try:
        return Found.OURS if is_unchanged(path.read_bytes()) else Found.EDITED
    except FileNotFoundError:
        return Found.NOTHING
    except OSError as error:
        raise _file_error("can't be read", path, error) from error


def put(path: Path, data: bytes) -> bool:
    """Write a file that only its owner can read; whether it was another one before. Raises OutputError."""
    try:
        if not path.is_symlink() and path.is_file() and path.read_bytes() == data:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, synced=False)
    except OSError as error:
        raise _file_error("can't be written", path, error) from error
    return True


def take_away(path: Path) -> None:
    """Remove a file, if it is there. Raises OutputError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _file_error("can't be removed", path, error) from error


def _file_error(what: str, path: Path, error: OSError) -> OutputError:
    reason = (error.strerror or str(error)).lower()
    return OutputError(f"it {what}: {reason}", place=str(path), remedy="Fix the permissions of its folder.")
