"""The header of a WAV file, read from its first bytes: the format of the samples, and where they begin and end. Pure.

For files and for streams: a stream's header comes in pieces, and its sizes are often unknown. The format:
https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

WAV_MAGIC = (b"RIFF", b"RF64")
"""The first four bytes."""
PCM, FLOAT = 1, 3
_EXTENSIBLE = 0xFFFE
_SOX_SIZE = 0x7FFFF000
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF, *range(_SOX_SIZE - 64, _SOX_SIZE + 1))
"""A program that writes to a pipe doesn't know how many bytes will follow, and announces one of these. FFmpeg and every
RF64 file: 0xFFFFFFFF. SoX 14.4: 0x7FFFF000, rounded down to whole frames."""
_FORMAT_BYTES = 16


class BrokenHeader(ValueError):
    """The bytes begin like a WAV file, but its samples can't be found. The message continues a sentence about the
    file: "has a broken header"."""


@dataclass(frozen=True, slots=True)
class WavFormat:
    """The format of the samples. `kind` is `PCM`, `FLOAT` or the code of a compressed format."""

    kind: int
    channels: int
    rate_hz: int
    bits: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What stands before the samples."""

    format: WavFormat | None
    """None where the samples come before their format."""
    start: int
    """Bytes before the first sample."""
    size: int | None
    """Bytes of samples, as announced; None where the writer did not know: they go on to the end."""


def is_wav(data: bytes) -> bool:
    """Whether `data`, 12 bytes or more, begins like a WAV file."""
    return data[:4] in WAV_MAGIC and data[8:12] == b"WAVE"


def read_header(data: bytes, *, complete: bool) -> WavHeader | None:
    """The header of a WAV file that begins with `data`; None when the samples don't begin within `data`.

    `complete`: no more will come. Raises `BrokenHeader`.
    """
    form: WavFormat | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            there = len(data) - at - 8 if complete else 0
            unknown = size in _UNKNOWN_SIZES and not 0 < size <= there
            return WavHeader(form, at + 8, None if unknown else size)
        if name == b"fmt ":
            body = data[at + 8 : at + 8 + size]
            if len(body) < size and not complete:
                return None
            form = _format(body)
        at += 8 + size + size % 2
    return None


def _format(body: bytes) -> WavFormat:
    if len(body) < _FORMAT_BYTES:
        raise BrokenHeader("has a broken header")
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if kind == _EXTENSIBLE and len(body) >= 26:
        kind = int.from_bytes(body[24:26], "little")  # the first bytes of the sub-format's GUID
    if not channels or not rate_hz:
        raise BrokenHeader("has a broken header: no channels or no rate")
    return WavFormat(kind, channels, rate_hz, bits)
