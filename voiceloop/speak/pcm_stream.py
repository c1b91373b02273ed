"""Turns the body of a speech answer into samples: whole ones, mixed down to mono, at the announced rate. Pure.

The body is 16-bit little-endian PCM; the parameters of the Content-Type tell the rate and the channels, if anything
does. Some servers send a WAV file where raw PCM was promised: its header is read and removed. Knows no HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

from voiceloop.audio.pcm import mix_down
from voiceloop.audio.riff import PCM, WAV_MAGIC, BrokenHeader, WavFormat, is_wav, read_header
from voiceloop.types import SAMPLE_BYTES, Speech

DEFAULT_RATE_HZ = 24_000
_RATES_HZ = range(4_000, 192_001)
_MOST_CHANNELS = 8
_HEADER_LIMIT = 65_536
"""Bytes of a WAV header after which the samples must have begun."""
_JSON = re.compile(rb'\{\s*"[a-z_]+"\s*:')
_JSON_BYTES = 40
"""How many bytes are examined to tell a JSON error from sound that begins like one."""


class NotSpeech(ValueError):
    """The answer is not PCM; the message says what it is. `said`: its first bytes, where they are text."""

    def __init__(self, what: str, said: bytes = b"") -> None:
        super().__init__(what)
        self.said = said


@dataclass(frozen=True, slots=True)
class Format:
    rate_hz: int
    channels: int


def announced(content_type: str, *, rate_hz: int | None = None) -> Format:
    """The format that a Content-Type announces; where it says nothing, mono at `rate_hz` (24,000 if that is None).

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
    if rate not in _RATES_HZ or not 1 <= channels <= _MOST_CHANNELS:
        raise NotSpeech(f"the answer announces {rate} Hz and {channels} channels")
    return Format(rate, channels)


def _number(value: object) -> int | None:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10 else None


class SpeechParser:
    """Takes the body in pieces, cut anywhere, and returns whole mono samples."""

    def __init__(self, announced: Format) -> None:
        self._format = announced
        self._rest = b""
        self._sniffed = False
        self._left: int | None = None
        """Bytes of the WAV's data chunk still to come; None: up to the end of the stream."""
        self.samples = 0
        """Mono samples returned so far."""

    @property
    def rate_hz(self) -> int:
        return self._format.rate_hz

    def feed(self, piece: bytes) -> Speech | None:
        """The samples that `piece` completes; None when there are none yet. Raises `NotSpeech`."""
        data = self._rest + piece
        if not self._sniffed:
            start = self._sniff(data)
            if start is None:
                self._rest = data
                return None
            self._sniffed = True
            data = data[start:]
        if self._left is not None:
            # Behind the samples of a WAV file there may be other chunks (lists, tags).
            data = data[: self._left]
        whole = len(data) - len(data) % (SAMPLE_BYTES * self._format.channels)
        self._rest = data[whole:]
        if self._left is not None:
            self._left -= whole
        return self._speech(data[:whole]) if whole else None

    def end(self) -> Speech | None:
        """The body is over: returns its samples if it was too short to recognise before. Half a sample is dropped."""
        if self._sniffed or not self._rest:
            return None
        if self._rest[:4] in WAV_MAGIC:
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
        if data[:4] not in WAV_MAGIC and not any(magic.startswith(data[:4]) for magic in WAV_MAGIC):
            if data.startswith(b"{"):
                raise NotSpeech("the answer is JSON, not audio", data)
            for magic, name in ((b"ID3", "MP3"), (b"OggS", "Ogg"), (b"fLaC", "FLAC")):
                if data.startswith(magic):
                    raise NotSpeech(f"the answer is {name}, not raw PCM")
            return 0
        if len(data) < 12:
            return None
        return self._wav_header(data) if is_wav(data) else 0

    def _wav_header(self, data: bytes) -> int | None:
        """Take the format out of a WAV header; returns where the samples begin, None when more bytes are needed."""
        try:
            header = read_header(data, complete=False)
        except BrokenHeader as error:
            raise NotSpeech(f"the answer is a WAV that {error}") from None
        if header is None:
            if len(data) > _HEADER_LIMIT:
                raise NotSpeech("the answer is a WAV without samples")
            return None
        if header.format is not None:
            self._format = _playable(header.format)
        self._left = header.size
        return header.start


def _playable(form: WavFormat) -> Format:
    kind, bits, rate, channels = form.kind, form.bits, form.rate_hz, form.channels
    if kind != PCM or bits != 16 or rate not in _RATES_HZ or channels > _MOST_CHANNELS:
        raise NotSpeech(f"the answer is a WAV of {bits} bit, kind {kind}, {rate} Hz, {channels} channels")
    return Format(rate, channels)
