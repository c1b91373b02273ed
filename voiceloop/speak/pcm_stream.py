"""The bytes of a speech answer to samples: aligned, mono, whatever was announced. Pure; knows no HTTP.

What comes is 16-bit little-endian PCM; rate and channels are in the Content-Type's parameters where there are any.
Some servers send a WAV where raw PCM was promised: its header is read and taken off.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from email.message import Message

from voiceloop.audio.pcm import mix_down
from voiceloop.types import SAMPLE_BYTES, Speech

DEFAULT_RATE_HZ = 24_000
_RATES_HZ = range(4_000, 192_001)
_HEADER_LIMIT = 65_536
"""A WAV header longer than this is none."""
_JSON = re.compile(rb'\{\s*"[a-z_]+"\s*:')
_JSON_BYTES = 40
"""An error in JSON is known from this many bytes; 20 such samples of sound are not to be expected."""


class NotSpeech(ValueError):
    """The answer is no PCM; says what it is. `said` is its beginning where that is text."""

    def __init__(self, what: str, said: bytes = b"") -> None:
        super().__init__(what)
        self.said = said


@dataclass(frozen=True, slots=True)
class Format:
    rate_hz: int
    channels: int


def announced(content_type: str, *, rate_hz: int | None = None) -> Format:
    """The format that a Content-Type announces, `rate_hz` (else 24,000) and mono where it says nothing.

    Raises `NotSpeech` for what is not PCM: JSON or text is an error, never noise in the loudspeaker.
    """
    message = Message()
    message["Content-Type"] = content_type
    kind = message.get_content_type() if "/" in content_type else "audio/pcm"
    subtype = kind.partition("/")[2]
    if not kind.startswith("audio/") and kind not in {"application/octet-stream", "binary/octet-stream"}:
        raise NotSpeech(f"the answer is {kind}, not audio")
    if subtype in {"mpeg", "mp3", "ogg", "opus", "flac", "aac", "mp4", "webm"}:
        raise NotSpeech(f"the answer is {kind}, not raw PCM")
    rate = _number(message.get_param("rate")) or rate_hz or DEFAULT_RATE_HZ
    channels = _number(message.get_param("channels")) or 1
    if rate not in _RATES_HZ or not 1 <= channels <= 8:
        raise NotSpeech(f"the answer announces {rate} Hz and {channels} channels")
    return Format(rate, channels)


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else None


class SpeechParser:
    """Takes the body in pieces cut anywhere and gives whole mono samples."""

    def __init__(self, announced: Format) -> None:
        self._format = announced
        self._rest = b""
        self._sniffed = False
        self._left: int | None = None
        """Bytes of the WAV's data chunk still to come; None for as much as there is."""
        self.samples = 0
        """Given so far, mono."""

    @property
    def rate_hz(self) -> int:
        return self._format.rate_hz

    def feed(self, piece: bytes) -> Speech | None:
        """The samples that `piece` completes, None when there are none yet. Raises `NotSpeech`."""
        data = self._rest + piece
        if not self._sniffed:
            start = self._sniff(data)
            if start is None:
                self._rest = data
                return None
            self._sniffed = True
            data = data[start:]
        if self._left is not None:
            # What follows the samples of a WAV (lists, tags) is not sound.
            data = data[: self._left]
        whole = len(data) - len(data) % (SAMPLE_BYTES * self._format.channels)
        self._rest = data[whole:]
        if self._left is not None:
            self._left -= whole
        return self._speech(data[:whole]) if whole else None

    def end(self) -> Speech | None:
        """The last samples, when the body was shorter than a header. Half a sample at the end is dropped."""
        if self._sniffed or not self._rest:
            return None
        if self._rest.startswith(b"RIFF"):
            raise NotSpeech("the answer is a WAV cut off in its header")
        self._sniffed = True
        rest, self._rest = self._rest, b""
        return self.feed(rest)

    def _speech(self, pcm: bytes) -> Speech:
        if self._format.channels > 1:
            pcm = mix_down(pcm, self._format.channels)
        self.samples += len(pcm) // SAMPLE_BYTES
        return Speech(pcm, self._format.rate_hz)

    def _sniff(self, data: bytes) -> int | None:
        """Where the samples begin; None when more bytes are needed to know."""
        if data.startswith(b"{") and not _JSON.match(data):
            return None if len(data) < _JSON_BYTES else 0
        if not b"RIFF".startswith(data[:4]) and not data.startswith(b"RIFF"):
            if data.startswith(b"{"):
                raise NotSpeech("the answer is JSON, not audio", data)
            for magic, name in ((b"ID3", "MP3"), (b"OggS", "Ogg"), (b"fLaC", "FLAC")):
                if data.startswith(magic):
                    raise NotSpeech(f"the answer is {name}, not raw PCM")
            return 0
        if len(data) < 12:
            return None
        if data[8:12] != b"WAVE":
            return 0
        return self._wav_header(data)

    def _wav_header(self, data: bytes) -> int | None:
        at = 12
        while at + 8 <= len(data):
            name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
            if name == b"data":
                # A server that streams doesn't know the size yet and writes 0 or all ones.
                self._left = size if 0 < size < 0x7FFFFFFF else None
                return at + 8
            if name == b"fmt " and at + 24 <= len(data):
                kind, channels, rate = struct.unpack_from("<HHI", data, at + 8)
                bits = struct.unpack_from("<H", data, at + 22)[0]
                if kind not in {1, 0xFFFE} or bits != 16 or rate not in _RATES_HZ or not 1 <= channels <= 8:
                    raise NotSpeech(f"the answer is a WAV of {bits} bit, kind {kind}, {rate} Hz, {channels} channels")
                self._format = Format(rate, channels)
            at += 8 + size + size % 2
            if at > _HEADER_LIMIT:
                raise NotSpeech("the answer is a WAV without samples")
        return None
