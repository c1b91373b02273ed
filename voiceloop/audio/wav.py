"""WAV files: read as int16 mono whatever their format, and written so that they are valid at any moment.

`riff.py` reads the header. Knows no device.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from voiceloop.audio.pcm import mix_down
from voiceloop.audio.resample import resample
from voiceloop.audio.riff import FLOAT, PCM, BrokenHeader, WavFormat, is_wav, read_header
from voiceloop.errors import BadAudioFile, DeviceError
from voiceloop.system.private_files import open_private
from voiceloop.types import SAMPLE_BYTES

_REMEDY = "Convert it, for example: ffmpeg -i FILE -ac 1 -ar 16000 -c:a pcm_s16le OUT.wav"
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


@dataclass(frozen=True, slots=True)
class Wav:
    """A clip: int16, mono, at `rate_hz`."""

    pcm: bytes = field(repr=False)
    rate_hz: int
    flaw: str = ""
    """What is wrong with the file although it could be read, in words for its owner."""

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / SAMPLE_BYTES / self.rate_hz

    def at(self, rate_hz: int) -> bytes:
        """The samples at another rate."""
        return self.pcm if rate_hz == self.rate_hz else resample(self.pcm, from_hz=self.rate_hz, to_hz=rate_hz)


def read_wav(path: Path, *, place: str = "") -> Wav:
    """Read a file: 8, 16, 24 or 32 bit integers, 32 or 64 bit floats, any rate and channels.

    Raises BadAudioFile for what is unreadable, not such a WAV, or has no samples.
    """
    try:
        if path.is_char_device():  # such as /dev/zero, which never ends
            raise BadAudioFile(f"{path} is a device, not a file", place=place, remedy="Name a WAV file")
        data = path.read_bytes()
    except OSError as error:
        raise BadAudioFile(
            f"{path} can't be read: {(error.strerror or str(error)).lower()}", place=place, remedy="Check the path"
        ) from error
    try:
        return parse_wav(data)
    except BadAudioFile as error:
        raise BadAudioFile(f"{path} {error.what}", place=place, remedy=error.remedy) from None


def parse_wav(data: bytes) -> Wav:
    """`read_wav` of bytes. Its BadAudioFile says what is wrong without saying where."""
    if not data:
        raise BadAudioFile("is empty", remedy="Record it again")
    if not is_wav(data):
        raise BadAudioFile("is not a WAV file", remedy=_REMEDY)
    try:
        header = read_header(data, complete=True)
    except BrokenHeader as error:
        raise BadAudioFile(str(error), remedy=_REMEDY) from None
    if header is None:
        raise BadAudioFile("is cut off before its first sample", remedy="Record or copy it again")
    if header.format is None:
        raise BadAudioFile("has its samples before their format", remedy=_REMEDY)
    return _clip(memoryview(data)[header.start :], header.size, _readable(header.format))


def _readable(form: WavFormat) -> WavFormat:
    kind, bits = form.kind, form.bits
    if (kind, bits) not in ((PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64)):
        raise BadAudioFile(f"is compressed or unusual (format {kind}, {bits} bits)", remedy=_REMEDY)
    return form


def _clip(body: memoryview, size: int | None, form: WavFormat) -> Wav:
    flaw = ""
    if size is not None:
        if len(body) < size:
            flaw = f"is truncated: {len(body)} of {size} bytes of sound are there, and are used"
        body = body[:size]
    raw = bytes(body[: len(body) - len(body) % form.frame_bytes])
    if not raw:
        raise BadAudioFile("has no samples", remedy="Record or copy it again")
    return Wav(mix_down(_as_int16(raw, form), form.channels), form.rate_hz, flaw)


def _as_int16(raw: bytes, form: WavFormat) -> bytes:
    if (form.kind, form.bits) == (PCM, 16):
        return raw
    import numpy as np

    if form.kind == FLOAT:
        with np.errstate(invalid="ignore"):  # a NaN that signals is silence like any other
            floats = np.nan_to_num(np.frombuffer(raw, f"<f{form.bits // 8}").astype(np.float64))
        return np.clip(np.rint(np.clip(floats, -1, 1) * 32768), -32768, 32767).astype("<i2").tobytes()
    if form.bits == 8:  # the only unsigned one
        return ((np.frombuffer(raw, np.uint8).astype(np.int16) - 128) << 8).astype("<i2").tobytes()
    # Of 24 and 32 bits the two high bytes of each sample.
    return np.ascontiguousarray(np.frombuffer(raw, np.uint8).reshape(-1, form.bits // 8)[:, -2:]).tobytes()


def _header(samples: int, rate_hz: int) -> bytes:
    size = samples * SAMPLE_BYTES
    return _HEADER.pack(
        *(b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, PCM, 1, rate_hz, rate_hz * SAMPLE_BYTES, SAMPLE_BYTES, 16),
        *(b"data", size),
    )


def wav_bytes(pcm: bytes, rate_hz: int) -> bytes:
    """int16 mono as a WAV file in memory."""
    return _header(len(pcm) // SAMPLE_BYTES, rate_hz) + pcm


class WavWriter:
    """Writes int16 mono to a WAV file that is valid after every write, even if the program is killed.

    Raises DeviceError when the file can't be made or written.
    """

    def __init__(self, path: Path, rate_hz: int, *, place: str = "") -> None:
        self._path, self._place = path, place
        self._rate_hz = rate_hz
        self.samples = 0
        try:
            handle = open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        except OSError as error:
            raise self._failed(error) from error
        self._file: BinaryIO = os.fdopen(handle, "wb", buffering=0)
        try:
            self._file.write(_header(0, rate_hz))
        except OSError as error:
            self._file.close()
            raise self._failed(error) from error

    def write(self, pcm: bytes | memoryview) -> None:
        """Append whole samples. The header is updated after them: it never announces samples that aren't there."""
        try:
            self._file.seek(0, 2)
            self._file.write(pcm)
            self.samples += len(pcm) // SAMPLE_BYTES
            self._file.seek(0)
            self._file.write(_header(self.samples, self._rate_hz))
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _failed(self, error: OSError) -> DeviceError:
        reason = (error.strerror or str(error)).lower()
        return DeviceError(
            f"{self._path} can't be written: {reason}", place=self._place, remedy="Check the path and the disk's space"
        )
