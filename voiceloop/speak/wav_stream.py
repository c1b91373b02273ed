"""Reads WAV from a stream, as servers of speech send it: several files in one body, and headers that are wrong. Pure.

    RIFF header | data: the announced size | other chunks, another file, or more sound if the header said too little

The samples are returned with their format, in pieces that may end within a sample.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto

from voiceloop.audio.riff import PAD_BYTES, WAV_MAGIC, BrokenHeader, WavFormat, is_wav, pad_after, read_header

HEADER_LIMIT = 65_536
"""Bytes of a header after which the samples must have begun."""
_FILE = re.compile(rb"(?:RIFF|RF64|BW64).{4}WAVE", re.DOTALL)
_FILE_BYTES = 12
_CHUNK_LIMIT = 1 << 20
"""Four letters and a size up to this are the head of a chunk. Sound looks like that once in 200,000 times."""
_LARGE_CHUNKS = frozenset({b"LIST", b"id3 ", b"ID3 ", b"bext", b"iXML", b"JUNK", b"PAD ", b"FLLR"})


class _State(Enum):
    HEADER = auto()
    SOUND = auto()
    BEHIND = auto()
    """Behind the announced sound."""
    CHUNK = auto()


class WavStream:
    """Feed it a body that begins with a WAV header, in pieces cut anywhere. Raises `BrokenHeader`."""

    def __init__(self) -> None:
        self._buffer = b""
        self._state = _State.HEADER
        self._format: WavFormat | None = None
        self._left: int | None = None
        """Bytes of sound, or of a chunk, still to come; None: up to the end of the stream, or to another file."""
        self._pad = 0

    @property
    def in_header(self) -> bool:
        """Whether the samples of a file have not begun yet."""
        return self._state is _State.HEADER

    def feed(self, piece: bytes) -> list[tuple[WavFormat | None, bytes]]:
        """The samples that `piece` completes, each with their format; None where the header doesn't tell it."""
        self._buffer += piece
        return self._read(complete=False)

    def end(self) -> list[tuple[WavFormat | None, bytes]]:
        """The stream is over: the samples that were held back."""
        return self._read(complete=True)

    def _read(self, *, complete: bool) -> list[tuple[WavFormat | None, bytes]]:
        out: list[tuple[WavFormat | None, bytes]] = []
        steps: dict[_State, Callable[[bool], bytes | None]] = {
            _State.HEADER: self._header,
            _State.SOUND: self._sound,
            _State.BEHIND: self._behind,
            _State.CHUNK: self._chunk,
        }
        while self._buffer and (sound := steps[self._state](complete)) is not None:
            if sound:
                out.append((self._format, sound))
        return out

    # Each step returns the sound that it has read; None when it needs more bytes.

    def _header(self, complete: bool) -> bytes | None:
        header = read_header(self._buffer)
        if header is None:
            if len(self._buffer) > HEADER_LIMIT:
                raise BrokenHeader("has no samples")
            return None
        self._format, self._left = header.format or self._format, header.size
        self._pad = (header.size or 0) % 2
        self._buffer, self._state = self._buffer[header.start :], _State.SOUND
        return b""

    def _sound(self, complete: bool) -> bytes | None:
        sound = self._buffer if self._left is None else self._buffer[: self._left]
        if (file := _FILE.search(self._buffer)) is not None and file.start() < len(sound):
            sound, self._state = sound[: file.start()], _State.HEADER
        elif not complete:
            sound = sound[: len(sound) - min(_begun(self._buffer), len(sound))]
        self._buffer = self._buffer[len(sound) :]
        if self._left is not None:
            self._left -= len(sound)
            if not self._left and self._state is _State.SOUND:
                self._state = _State.BEHIND
                return sound
        return sound if sound or self._state is _State.HEADER else None

    def _behind(self, complete: bool) -> bytes | None:
        buffer = self._buffer
        if self._pad:
            if len(buffer) < PAD_BYTES and not complete:
                return None
            buffer = buffer[pad_after(buffer[:PAD_BYTES]) :]
        if len(buffer) < _FILE_BYTES and not (complete and len(buffer) >= 8):
            return None
        name, size = buffer[:4], int.from_bytes(buffer[4:8], "little")
        if is_wav(buffer):
            self._buffer, self._state = buffer, _State.HEADER
        elif name in _LARGE_CHUNKS or (all(32 <= byte < 127 for byte in name) and size <= _CHUNK_LIMIT):
            self._buffer, self._state, self._left = buffer, _State.CHUNK, 8 + size
        else:
            self._state, self._left = _State.SOUND, None  # the header said too little
            return b""
        self._pad = size % 2 if self._state is _State.CHUNK else 0
        return b""

    def _chunk(self, complete: bool) -> bytes | None:
        assert self._left is not None
        skipped = min(self._left, len(self._buffer))
        self._buffer, self._left = self._buffer[skipped:], self._left - skipped
        if not self._left:
            self._state = _State.BEHIND
        return b""


def _begun(data: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of another file."""
    for count in range(min(_FILE_BYTES - 1, len(data)), 0, -1):
        tail = data[-count:]
        if any(magic.startswith(tail[:4]) for magic in WAV_MAGIC) and b"WAVE".startswith(tail[8:]):
            return count
    return 0
