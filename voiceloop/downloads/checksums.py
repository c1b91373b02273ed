"""Checks of a file's contents against the catalogue: its size, SHA-256, and CRC32C. Blocking."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from voiceloop.models.catalogue import File

if TYPE_CHECKING:
    import numpy as np

_POLYNOMIAL = 0x82F63B78
"""Castagnoli's, reflected."""
_LANES = 4096
_BLOCK = _LANES * 1024
"""Bytes that are read at once: each lane takes its equal part of them."""


def difference(path: Path, file: File) -> str:
    """How the file at `path` differs from what the catalogue says; empty if it doesn't. Raises OSError."""
    size = path.stat().st_size
    if file.size is not None and size != file.size:
        return f"it has {size:,} bytes, and should have {file.size:,}"
    with path.open("rb") as opened:
        if file.sha256 is not None:
            wrong = hashlib.file_digest(opened, "sha256").hexdigest() != file.sha256
            return "its SHA-256 is another" if wrong else ""
        if file.crc32c is not None:
            wrong = crc32c(opened) != file.crc32c
            return "its CRC32C is another" if wrong else ""
    return ""


def crc32c(opened: BinaryIO) -> str:
    """The CRC32C of a file in base64, as in the maker's list (and in Google's storage): 4 bytes, big-endian.

    A CRC depends on its bytes one after another. For speed the file's blocks are cut into lanes of equal length, whose
    CRCs numpy computes side by side; then each is moved on by the length of what follows, and all are joined.
    """
    crc = 0xFFFFFFFF
    while block := opened.read(_BLOCK):
        whole = len(block) - len(block) % _LANES
        if whole:
            crc = _joined(_lanes(block[:whole]), whole // _LANES, crc)
        for byte in block[whole:]:
            crc = int(_table()[(crc ^ byte) & 0xFF]) ^ (crc >> 8)
    return base64.b64encode((crc ^ 0xFFFFFFFF).to_bytes(4, "big")).decode()


def _lanes(block: bytes) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The CRC of each lane, begun with 0: uint32, `(_LANES,)`."""
    import numpy as np

    table = _table()
    crcs = np.zeros(_LANES, np.uint32)
    for column in np.ascontiguousarray(np.frombuffer(block, np.uint8).reshape(_LANES, -1).T):
        crcs = table[(crcs ^ column) & 0xFF] ^ (crcs >> np.uint32(8))
    return crcs


def _joined(crcs: np.ndarray[Any, np.dtype[np.uint32]], length: int, crc: int) -> int:
    """The CRC after all lanes, of `length` bytes each, begun with `crc`."""
    zeros = _zeros(length)
    for lane in crcs.tolist():
        crc = _moved(zeros, crc) ^ lane
    return crc


@cache
def _table() -> np.ndarray[Any, np.dtype[np.uint32]]:
    """What each byte does to a CRC: uint32, `(256,)`."""
    import numpy as np

    rows = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        rows = np.where(rows & 1, (rows >> np.uint32(1)) ^ np.uint32(_POLYNOMIAL), rows >> np.uint32(1))
    return rows


@cache
def _zeros(length: int) -> tuple[int, ...]:
    """What `length` zero bytes do to a CRC, as a matrix over GF(2): a row for each bit."""
    if length == 1:
        table = _table()
        return tuple(int(table[1 << bit]) if bit < 8 else 1 << (bit - 8) for bit in range(32))
    half = _zeros(length // 2)
    twice = tuple(_moved(half, row) for row in half)
    return tuple(_moved(_zeros(1), row) for row in twice) if length % 2 else twice


def _moved(matrix: tuple[int, ...], crc: int) -> int:
    moved = 0
    while crc:
        lowest = crc & -crc
        moved ^= matrix[lowest.bit_length() - 1]
        crc ^= lowest
    return moved
