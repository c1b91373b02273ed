"""Turns the body of a speech answer into samples: whole ones, mixed down to mono, at the announced rate. Pure.

The body is 16-bit little-endian PCM; the parameters of the Content-Type tell the rate and the channels, if anything
does. Some servers send a WAV file where raw PCM was promised: its header is read and removed. Knows no HTTP.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.message import Message

from voiceloop.audio.pcm import mix_down
from voiceloop.audio.riff import PCM, WAV_MAGIC, BrokenHeader, WavFormat, is_wav
from voiceloop.speak.compressed import compressed
from voiceloop.speak.wav_stream import WavStream
from voiceloop.types import SAMPLE_BYTES, Speech

DEFAULT_RATE_HZ = 24_000
_RATES_HZ = range(4_000, 192_001)
_MOST_CHANNELS = 8
_WAV_BYTES = 12
"""How many bytes are examined to tell a WAV from sound that begins like one."""
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
    # `email` fails at halves of surrogate pairs, as which bytes that are no text come.
    message["Content-Type"] = content_type.encode("ascii", "replace").decode()
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
        """Bytes that are no whole sample yet; at first, those that are too few to tell what the body is."""
        self._sniffed = False
        self._wav: WavStream | None = None
        self._wav_format: WavFormat | None = None
        self.samples = 0
        """Mono samples returned so far."""

    @property
    def rate_hz(self) -> int:
        return self._format.rate_hz

    def feed(self, piece: bytes) -> list[Speech]:
        """The samples that `piece` completes, as pieces of one rate each. Raises `NotSpeech`."""
        if self._sniffed:
            return self._parsed(piece)
        data = self._rest + piece
        if not self._sniff(data, complete=False):
            self._rest = data
            return []
        self._rest = b""
        return self._parsed(data)

    def end(self) -> list[Speech]:
        """The body is over: returns the samples that were held back. Half a sample is dropped."""
        speeches: list[Speech] = []
        if not self._sniffed and self._rest:
            data, self._rest = self._rest, b""
            if data[:4] in WAV_MAGIC:
                raise NotSpeech("the answer is a WAV cut off in its header")
            self._sniff(data, complete=True)
            speeches = self._parsed(data)
        if self._wav is not None:
            if self._wav.in_header and not self.samples:
                raise NotSpeech("the answer is a WAV cut off in its header")
            speeches += self._converted(self._wav.end())
        return speeches

    def _parsed(self, data: bytes) -> list[Speech]:
        if self._wav is None:
            return [speech] if (speech := self._speech(data)) is not None else []
        try:
            return self._converted(self._wav.feed(data))
        except BrokenHeader as error:
            raise NotSpeech(f"the answer is a WAV that {error}") from None

    def _converted(self, pieces: list[tuple[WavFormat | None, bytes]]) -> list[Speech]:
        found = []
        for form, data in pieces:
            if form is not None and form is not self._wav_format:
                self._format, self._wav_format, self._rest = _playable(form), form, b""
            if (speech := self._speech(data)) is not None:
                found.append(speech)
        return found

    def _speech(self, data: bytes) -> Speech | None:
        data = self._rest + data
        whole = len(data) - len(data) % (SAMPLE_BYTES * self._format.channels)
        self._rest, pcm = data[whole:], data[:whole]
        if self._format.channels > 1:
            pcm = mix_down(pcm, self._format.channels)
        self.samples += len(pcm) // SAMPLE_BYTES
        return Speech(pcm, self._format.rate_hz) if pcm else None

    def _sniff(self, data: bytes, *, complete: bool) -> bool:
        """Find out what the body is; False when more bytes are needed to know. Raises `NotSpeech`."""
        if not complete:
            if data.startswith(b"{") and not _JSON.match(data) and len(data) < _JSON_BYTES:
                return False
            if any(magic.startswith(data[:4]) for magic in WAV_MAGIC) and len(data) < _WAV_BYTES:
                return False
        if data.startswith(b"{") and _JSON.match(data):
            raise NotSpeech("the answer is JSON, not audio", data)
        if (name := compressed(data, complete=complete)) is None:
            return False
        if name:
            raise NotSpeech(f"the answer is {name}, not raw PCM")
        self._wav = WavStream() if is_wav(data) else None
        self._sniffed = True
        return True


def _playable(form: WavFormat) -> Format:
    kind, bits, rate, channels = form.kind, form.bits, form.rate_hz, form.channels
    if kind != PCM or bits != 16 or rate not in _RATES_HZ or channels > _MOST_CHANNELS:
        raise NotSpeech(f"the answer is a WAV of {bits} bit, kind {kind}, {rate} Hz, {channels} channels")
    return Format(rate, channels)
