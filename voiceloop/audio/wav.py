"""WAV files: read as int16 mono whatever their format, and written so that they are valid at any moment.

`wav_reader.py` reads the samples. Knows no device.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from voiceloop.audio.mixing import Mixer
from voiceloop.audio.resample import resample
from voiceloop.audio.riff import PCM
from voiceloop.audio.wav_reader import AGAIN, WavReader
from voiceloop.errors import BadAudioFile, DeviceError
from voiceloop.system.private_files import open_private
from voiceloop.types import SAMPLE_BYTES

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
    """Read a short file as a whole, such as a clip: 8, 16, 24 or 32 bit integers, 32 or 64 bit floats, any channels.
    `recordings/` reads files of any length and kind.

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
    reader = WavReader(io.BytesIO(data), len(data))
    mixer = Mixer(reader.channels, reader.rate_hz)
    pcm = b"".join([*(mixer.feed(block.samples) for block in iter(reader.read, None)), mixer.end()])
    if not pcm:
        raise BadAudioFile("has no samples", remedy=AGAIN)
    return Wav(pcm, reader.rate_hz, reader.flaw)


_UNKNOWN = 0xFFFF_FFFF
"""The size in the header of a stream, whose end isn't known."""


def _header(samples: int, rate_hz: int) -> bytes:
    size = samples * SAMPLE_BYTES
    return _sized_header(36 + size, size, rate_hz)


def _sized_header(file: int, data: int, rate_hz: int) -> bytes:
    return _HEADER.pack(
        *(b"RIFF", file, b"WAVE", b"fmt ", 16, PCM, 1, rate_hz, rate_hz * SAMPLE_BYTES, SAMPLE_BYTES, 16),
        *(b"data", data),
    )


def streamed_header(rate_hz: int) -> bytes:
    """The header of an int16 mono WAV whose length isn't known yet, as FFmpeg writes it into a pipe."""
    return _sized_header(_UNKNOWN, _UNKNOWN, rate_hz)


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
