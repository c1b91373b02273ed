"""Decodes MP3 and AAC as they come, by PyAV (the extra `files`): frames that need no file around them.

The import takes 0.1 s: make the object in a thread.
"""

from __future__ import annotations

from typing import Any

from voiceloop.audio.mixing import Mixer
from voiceloop.audio.mp3 import TAG_HEAD_BYTES, tag_bytes
from voiceloop.audio.recordings.decoding import samples_of
from voiceloop.types import SAMPLE_BYTES, Speech

CODECS = {"MP3": "mp3", "AAC": "aac"}
"""The kinds that are decoded, as `audio.compressed` names them, and FFmpeg's decoders."""


class DecodedStream:
    """Takes a body in pieces, cut anywhere, and returns mono samples. What can't be decoded is left out."""

    def __init__(self, kind: str) -> None:
        import av

        self._av: Any = av
        self._codec: Any = av.CodecContext.create(CODECS[kind], "r")
        self._head = b""
        """The first bytes, until it is known whether they are a tag."""
        self._skip: int | None = None
        self._mixer: Mixer | None = None
        self._shape = (0, 0)
        self.samples = 0
        """Mono samples returned so far."""
        self.rate_hz = 24_000
        """The rate of the last samples."""

    def feed(self, piece: bytes) -> list[Speech]:
        """The samples that `piece` completes, as pieces of one rate each."""
        if self._skip is None:
            self._head += piece
            if len(self._head) < TAG_HEAD_BYTES:
                return []
            self._skip, piece, self._head = tag_bytes(self._head), self._head, b""
        skipped = min(self._skip, len(piece))
        self._skip -= skipped
        return self._decoded(piece[skipped:]) if skipped < len(piece) else []

    def end(self) -> list[Speech]:
        """The body is over: the samples that were held back."""
        speeches = [*self._decoded(self._head), *self._decoded(b""), *self._frames(None)]
        return [*speeches, *self._rest()]

    def _decoded(self, data: bytes) -> list[Speech]:
        try:
            packets = self._codec.parse(data)
        except self._av.FFmpegError:
            return []
        return [speech for packet in packets for speech in self._frames(packet)]

    def _frames(self, packet: Any) -> list[Speech]:
        try:
            frames = self._codec.decode(packet)
        except self._av.FFmpegError:
            return []
        return [speech for frame in frames for speech in self._mixed(frame)]

    def _mixed(self, frame: Any) -> list[Speech]:
        shape, before = (frame.layout.nb_channels, frame.sample_rate), []
        if self._mixer is None or shape != self._shape:
            before = self._rest()
            self._mixer, self._shape = Mixer(*shape), shape
        return [*before, *self._spoken(self._mixer.feed(samples_of(frame)))]

    def _rest(self) -> list[Speech]:
        mixer, self._mixer = self._mixer, None
        return self._spoken(mixer.end()) if mixer is not None else []

    def _spoken(self, pcm: bytes) -> list[Speech]:
        if not pcm:
            return []
        self.rate_hz = self._shape[1]
        self.samples += len(pcm) // SAMPLE_BYTES
        return [Speech(pcm, self.rate_hz)]
