"""Reads the samples of a WAV file block by block, from a file or a pipe, in constant memory.

`riff.py` reads the header. Raises BadAudioFile, which says what is wrong without saying where.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from voiceloop.audio.riff import FLOAT, PCM, BrokenHeader, WavFormat, WavHeader, is_wav, read_header
from voiceloop.errors import BadAudioFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONVERT = "Convert it, for example: ffmpeg -i FILE -ac 1 -ar 16000 -c:a pcm_s16le OUT.wav"
AGAIN = "Record or copy it again"
RATES_HZ = range(1_000, 768_001)
"""The sample rates that are read. At less no word can be heard, and the samples would become very many at 16 kHz."""
BLOCK_BYTES = 65_536
BLOCK_S = 1
"""A block is no longer than this, whatever the rate: 64 KB at 8 kHz and 8 bits are 8 s."""
HEADER_LIMIT = 16 * 1024 * 1024
"""Bytes after which the samples must have begun: pictures and notes may stand before them."""
_READABLE = {(PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)}


class Readable(Protocol):
    """A file or a pipe: returns at most `size` bytes, and none at the end only."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Block:
    """Samples (int16, shape `(n, channels)`) at `rate_hz`."""

    samples: NDArray[np.int16] = field(repr=False)
    rate_hz: int


class WavReader:
    """The samples of a WAV file, from its first byte on. `length`: the bytes of the file, None if they aren't known."""

    def __init__(self, file: Readable, length: int | None) -> None:
        self._file = file
        header, data, self._at_end = _header(file, length)
        self._format = _readable(header)
        self._rest = memoryview(data)[header.start :]
        self._left = header.size
        self._announced = header.size
        self._read_bytes = 0
        there = None if length is None else max(0, length - header.start)
        self.flaw = self._truncated(there) if there is not None else ""
        """What is wrong with the file although it can be read, in words for its owner. Of a pipe known at its end."""
        size = header.size if there is None else there if header.size is None else min(there, header.size)
        self.duration_s = None if size is None else size // self._format.frame_bytes / self._format.rate_hz

    @property
    def rate_hz(self) -> int:
        return self._format.rate_hz

    @property
    def channels(self) -> int:
        return self._format.channels

    def read(self) -> Block | None:
        """The next samples; None at the end. Raises OSError."""
        size = self._format.frame_bytes
        while True:
            whole = len(self._rest) - len(self._rest) % size
            if self._left is not None:
                whole = min(whole, self._left - self._left % size)
            if whole:
                most = min(BLOCK_BYTES, BLOCK_S * self._format.rate_hz * size)
                return self._block(min(whole, max(size, most - most % size)))
            if self._at_end or (self._left is not None and self._left < size):
                self.flaw = self.flaw or self._truncated(self._read_bytes + len(self._rest))
                return None
            piece = self._file.read(BLOCK_BYTES)
            self._at_end = not piece
            self._rest = memoryview(bytes(self._rest) + piece)

    def _block(self, size: int) -> Block:
        raw, self._rest = self._rest[:size], self._rest[size:]
        self._read_bytes += size
        if self._left is not None:
            self._left -= size
        return Block(_as_int16(raw, self._format).reshape(-1, self._format.channels), self._format.rate_hz)

    def _truncated(self, there: int) -> str:
        if self._announced is None or there >= self._announced:
            return ""
        return f"is truncated: {there} of {self._announced} bytes of sound are there, and are used"


def _header(file: Readable, length: int | None) -> tuple[WavHeader, bytes, bool]:
    """The header, the bytes read so far, and whether they are all. Raises BadAudioFile."""
    data, wanted, at_end = b"", 4096, False
    while True:
        while len(data) < wanted and not at_end:
            piece = file.read(wanted - len(data))
            at_end = not piece
            data += piece
        if not data:
            raise BadAudioFile("is empty", remedy="Record it again")
        if len(data) < 12 or not is_wav(data):
            raise BadAudioFile("is not a WAV file", remedy=CONVERT)
        try:
            header = read_header(data, length=len(data) if at_end else length)
        except BrokenHeader as error:
            raise BadAudioFile(str(error), remedy=CONVERT) from None
        if header is not None:
            return header, data, at_end
        if at_end:
            raise BadAudioFile("is cut off before its first sample", remedy=AGAIN)
        if wanted >= HEADER_LIMIT:
            raise BadAudioFile("has no samples in its first 16 MB", remedy=CONVERT)
        wanted *= 2


def is_readable(form: WavFormat) -> bool:
    """Whether samples of this format are read here; else they are compressed, or unusual."""
    return (form.kind, form.bits) in _READABLE


def _readable(header: WavHeader) -> WavFormat:
    form = header.format
    if form is None:
        raise BadAudioFile("has its samples before their format", remedy=CONVERT)
    if not is_readable(form):
        raise BadAudioFile(f"is compressed or unusual (format {form.kind}, {form.bits} bits)", remedy=CONVERT)
    if form.rate_hz not in RATES_HZ:
        raise bad_rate(form.rate_hz)
    return form


def bad_rate(rate_hz: int) -> BadAudioFile:
    """The error for a file that announces such a rate."""
    bounds = f"{RATES_HZ[0]} to {RATES_HZ[-1]} Hz"
    return BadAudioFile(f"says that its sample rate is {rate_hz} Hz; {bounds} are read", remedy=AGAIN)


def _as_int16(raw: memoryview, form: WavFormat) -> NDArray[np.int16]:
    import numpy as np

    if form.kind == FLOAT:
        return as_int16(np.frombuffer(raw, f"<f{form.bits // 8}"))
    if form.bits == 8:
        return as_int16(np.frombuffer(raw, np.uint8))
    # Of 16, 24 and 32 bits the two high bytes of each sample.
    return np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(-1, form.bits // 8)[:, -2:]).view("<i2")


def as_int16(samples: NDArray[np.generic]) -> NDArray[np.int16]:
    """Samples of any type as int16: floats from -1 to 1, 8 bits unsigned, 16, 32 or 64 bits signed."""
    import numpy as np

    if samples.dtype.kind == "f":
        with np.errstate(invalid="ignore"):  # a NaN that signals is silence like any other
            floats = np.nan_to_num(samples.astype(np.float64))
        return np.clip(np.rint(np.clip(floats, -1, 1) * 32768), -32768, 32767).astype("<i2")
    if samples.dtype.kind == "u":  # 8 bits: the only unsigned ones
        return ((samples.astype(np.int16) - 128) << 8).astype("<i2")
    high: NDArray[np.int16] = (samples >> (samples.dtype.itemsize * 8 - 16)).astype("<i2")  # type: ignore[operator]
    return high
