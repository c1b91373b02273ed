"""The formats in which clips are posted: WAV, FLAC, Ogg-Opus, and samples alone. All are int16 mono before.

FLAC and Ogg-Opus are written by libsndfile (`soundfile`, the extra `uploads`), which `load` imports. FLAC is
lossless. Opus loses some, and takes some 30 ms of one core for a second of sound, so that it is encoded as it comes
(`ClipEncoder`).
"""

from __future__ import annotations

import io
from importlib.util import find_spec
from typing import Any, Literal, Protocol

import numpy as np

from voiceloop.audio.wav import streamed_header, wav_bytes

ClipFormat = Literal["wav", "flac", "ogg", "pcm"]
"""`ogg` is Opus; `pcm` is the samples without a header."""
MODULE = "soundfile"
_FILES: dict[ClipFormat, tuple[str, str]] = {"flac": ("FLAC", "PCM_16"), "ogg": ("OGG", "OPUS")}
"""libsndfile's names of the formats that it writes, and of what is in them."""
_LONG_S, _LONG_FLAC_S = 55.0, 15.0
"""FLAC takes 20 ms and more for 50 s."""


class ClipEncoder(Protocol):
    """A clip on its way into a format, piece by piece. What `feed` and `end` return adds up to the file."""

    def feed(self, pcm: bytes) -> bytes:
        """Take the next samples. Returns the bytes that are ready: there may be none, or more than these samples'."""
        ...

    def end(self) -> bytes:
        """The last bytes."""
        ...


def lacking(kind: ClipFormat) -> str | None:
    """The package that this format needs and that is not installed; None if nothing is lacking."""
    return MODULE if kind in _FILES and find_spec(MODULE) is None else None


def load(kind: ClipFormat) -> None:
    """Import what this format needs, and try it. Blocks for some 50 ms: call it in a thread. Raises ImportError,
    OSError where libsndfile can't be loaded, and RuntimeError where it doesn't know the format."""
    if kind in _FILES:
        encoded(kind, bytes(640), 16_000)


def is_slow(kind: ClipFormat) -> bool:
    """Whether encoding takes so long that a clip is encoded as it comes, and in a thread."""
    return kind == "ogg"


def is_long(kind: ClipFormat, seconds: float) -> bool:
    """Whether encoding a whole clip takes longer than the loop may stand still."""
    return is_slow(kind) or seconds > (_LONG_FLAC_S if kind in _FILES else _LONG_S)


def encoded(kind: ClipFormat, pcm: bytes, rate_hz: int) -> bytes:
    """A whole clip in a format. Opus takes 8,000, 12,000, 16,000, 24,000 and 48,000 Hz."""
    if kind == "wav":
        return wav_bytes(pcm, rate_hz)
    if kind == "pcm":
        return pcm
    whole = io.BytesIO()
    _write(whole, kind, pcm, rate_hz)
    return whole.getvalue()


def encoder(kind: ClipFormat, rate_hz: int) -> ClipEncoder:
    """An encoder for a clip whose length isn't known yet: the sizes are those of streams.

    Not for FLAC: its length stands before its sound, and libsndfile reads no file in which it is left out."""
    assert kind != "flac"
    return _Opus(rate_hz) if kind == "ogg" else _Samples(kind, rate_hz)


def _write(file: Any, kind: ClipFormat, pcm: bytes, rate_hz: int) -> None:
    with _opened(file, kind, rate_hz) as sound:
        sound.write(np.frombuffer(pcm, dtype="<i2"))


def _opened(file: Any, kind: ClipFormat, rate_hz: int) -> Any:
    import soundfile

    container, content = _FILES[kind]
    return soundfile.SoundFile(file, "w", samplerate=rate_hz, channels=1, format=container, subtype=content)


class _Samples:
    """The samples themselves, behind the header of a WAV or none."""

    def __init__(self, kind: ClipFormat, rate_hz: int) -> None:
        self._head = streamed_header(rate_hz) if kind == "wav" else b""

    def feed(self, pcm: bytes) -> bytes:
        head, self._head = self._head, b""
        return head + pcm

    def end(self) -> bytes:
        return self.feed(b"")


class _Opus:
    """Ogg-Opus, page by page."""

    def __init__(self, rate_hz: int) -> None:
        self._pipe = _Pipe()
        self._sound = _opened(self._pipe, "ogg", rate_hz)

    def feed(self, pcm: bytes) -> bytes:
        self._sound.write(np.frombuffer(pcm, dtype="<i2"))
        return self._pipe.taken()

    def end(self) -> bytes:
        self._sound.close()
        return self._pipe.taken()


class _Pipe:
    """A file whose bytes are gone once they are taken. libsndfile asks where it is, and writes at the end alone."""

    def __init__(self) -> None:
        self._ready = bytearray()
        self._size = 0

    def taken(self) -> bytes:
        """What was written since the last call."""
        ready = bytes(self._ready)
        self._ready.clear()
        return ready

    def write(self, data: bytes) -> int:
        piece = bytes(data)
        self._ready += piece
        self._size += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._size

    def tell(self) -> int:
        return self._size

    def read(self, count: int = -1) -> bytes:
        """Nothing: what was written is gone."""
        return b""
