"""The header of a WAV file, read from its first bytes: the format of the samples, and where they begin and end. Pure.

For files and for streams: a stream's header comes in pieces, and its sizes are often unknown. The format:
https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/WAVE/WAVE.html
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

WAV_MAGIC = (b"RIFF", b"RF64", b"BW64")
"""The first four bytes. RF64 and BW64 (EBU Tech 3306, ITU-R BS.2088) have sizes of 64 bits, in the chunk `ds64`."""
PCM, FLOAT = 1, 3
_EXTENSIBLE = 0xFFFE
_SOX_SIZE = 0x7FFFF000
_UNKNOWN_SIZES = (0, 0x7FFFFFFF, 0xFFFFFFFF, *range(_SOX_SIZE - 64, _SOX_SIZE + 1))
"""A program that writes to a pipe doesn't know how many bytes will follow, and announces one of these. FFmpeg and every
RF64 file: 0xFFFFFFFF. SoX 14.4: 0x7FFFF000, rounded down to whole frames."""
_LARGEST_SIZE = 0xFFFFFFFF
_FORMAT_BYTES = 16
_CHUNKS = (
    b"fmt data fact LIST bext iXML JUNK junk PAD FLLR id3 ID3 cue smpl inst PEAK _PMX axml chna ds64 afsp minf umid"
)
_FOLLOWING = frozenset((*WAV_MAGIC, *(name.ljust(4) for name in _CHUNKS.split())))
"""What follows a chunk: the chunks that WAV files have, or another file."""
PAD_BYTES = 5
"""How many bytes behind a chunk of an odd size `pad_after` looks at."""


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


def read_header(data: bytes, *, length: int | None = None) -> WavHeader | None:
    """The header of a WAV file that begins with `data`; None when the samples don't begin within `data`.

    `length`: the bytes of the whole file, None where more may come. Raises `BrokenHeader`.
    """
    form: WavFormat | None = None
    large: int | None = None
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            return WavHeader(form, at + 8, _data_bytes(size, large, at + 8, length, data[:4]))
        if name in {b"fmt ", b"ds64"}:
            body = data[at + 8 : at + 8 + size]
            if len(body) < size and len(data) != length:
                return None
            if name == b"fmt ":
                form = _format(body)
            elif len(body) >= 16:
                large = int.from_bytes(body[8:16], "little")
        at += 8 + size
        if size % 2:
            behind = data[at : at + PAD_BYTES]
            if len(behind) < PAD_BYTES and len(data) != length:
                return None
            at += pad_after(behind)
    return None


def pad_after(behind: bytes) -> int:
    """How many bytes of padding follow a chunk of an odd size, by the `PAD_BYTES` behind it: 1, as the format demands,
    but for programs that leave it out."""
    return 0 if behind[:4] in _FOLLOWING and behind[1:5] not in _FOLLOWING else 1


def _data_bytes(size: int, large: int | None, start: int, length: int | None, magic: bytes) -> int | None:
    """The bytes of samples; None where the writer did not know, or could not say: they go on to the end."""
    there = max(0, length - start) if length is not None else 0
    if magic != b"RIFF" and size == _LARGEST_SIZE and large and large < 1 << 63:
        return large
    if size == _LARGEST_SIZE or (magic == b"RIFF" and there > _LARGEST_SIZE):
        return None  # a program that wrote over 4 GB of samples has written the size without its high bits
    return None if size in _UNKNOWN_SIZES and not 0 < size <= there else size


def _format(body: bytes) -> WavFormat:
    if len(body) < _FORMAT_BYTES:
        raise BrokenHeader("has a broken header")
    kind, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if kind == _EXTENSIBLE and len(body) >= 26:
        kind = int.from_bytes(body[24:26], "little")  # the first bytes of the sub-format's GUID
    if not channels or not rate_hz:
        raise BrokenHeader("has a broken header: no channels or no rate")
    return WavFormat(kind, channels, rate_hz, bits)
