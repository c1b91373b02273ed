"""Trimming: cuts the silences around the chunks of a reply to natural pauses. Pure: sound in, sound out.

    synthesised   ......AAAAAAA..AAAAA........|.......BBBBBBBB.......
    chunks        [      first chunk          |    second chunk     ]
    trimmed           .AAAAAAA..AAAAA.....BBBBBBBB..
                      ^              ^            ^ END_S remain at the end of the reply
                      |              | a pause that suits the text, if the silence was longer
                      | ONSET_S before the first audible sample

A silence inside a chunk stays as it is, and so does a shorter one between chunks. Only silence is ever held back; sound
is passed on at once. Whether a silence is one inside a chunk is known when more sound, or the chunk's end, has come.
Until then it may be taken out (`take`), if nothing else is left to play: then it has passed, and is not played twice.
"""

from __future__ import annotations

from typing import NamedTuple

from voiceloop.audio.audible import AudibleRuns, Run
from voiceloop.speak.splitter import Cut, cut_between
from voiceloop.types import SAMPLE_BYTES

ONSET_S = 0.02
"""What is kept before the first audible 10 ms: the beginning of a soft consonant."""
CLAUSE_S = 0.12
"""The longest silence between two chunks within a sentence."""
SENTENCE_S = 0.3
"""The longest silence between two sentences."""
END_S = 0.1
"""The longest silence at the end of a reply: its last sound dies away."""
HELD_S = 2.0
"""The most silence that is held back: what is longer inside a chunk is passed on, and between chunks it is dropped."""


class Trimmed(NamedTuple):
    """Sound to play now, and its parts (int16, mono)."""

    before: bytes = b""
    """Silence that belongs to what was passed on before."""
    own: bytes = b""
    """The chunk's own sound, with the silences in it."""
    onset: int | None = None
    """The first audible sample of `own`; None if it is silence."""


def pause_s(chunk: str, following: str) -> float:
    """The longest silence that is natural between two chunks, in seconds, by their texts."""
    return CLAUSE_S if cut_between(chunk, following) is Cut.CLAUSE else SENTENCE_S


class Trimmer:
    """Trims the sound of one reply: `begin` and `end` for each chunk, with its sound between them, then `finish`.

    Cutting the sound elsewhere changes nothing. At most `HELD_S` of silence and 10 ms of sound are held.
    """

    def __init__(self, rate_hz: int) -> None:
        self._runs = AudibleRuns(rate_hz)
        self._rate_hz = rate_hz
        self._tail = bytearray()
        """Silence held back since the last audible sample, up to the end of that chunk."""
        self._lead = bytearray()
        """Silence held back since the beginning of a chunk that is not audible yet."""
        self._sounded = False
        """The reply is audible already."""
        self._inside = False
        """The chunk is audible already, so that silence may be one inside it."""
        self._limit = 0
        """How long the silence may be that ends next, in bytes, unless it is one inside a chunk."""
        self._passed = 0
        """How much of it was taken out, in bytes."""

    def begin(self, limit_s: float) -> None:
        """Begin a chunk, at most `limit_s` after the sound before it, if there is any."""
        self._inside, self._limit = False, self._bytes(limit_s) if self._sounded else 0
        del self._tail[self._limit :]

    def feed(self, pcm: bytes) -> Trimmed:
        """Take the next samples of the chunk; return what is to be played now."""
        return self._trimmed(self._runs.feed(pcm))

    def end(self) -> Trimmed:
        """End the chunk; return the rest of its sound."""
        trimmed = self._trimmed(self._runs.finish())
        self._inside = False
        if self._sounded:
            self._tail += self._lead  # of a chunk that was not audible at all
        self._lead.clear()
        return trimmed

    def finish(self) -> Trimmed:
        """End the reply, after the end of its last chunk; return the silence that remains at its end."""
        kept = bytes(self._tail[: max(0, self._bytes(END_S) - self._passed)])
        self._tail.clear()
        return Trimmed(before=kept)

    @property
    def held(self) -> int:
        """How many samples `take` can return."""
        return (len(self._tail) + max(0, len(self._lead) - self._bytes(ONSET_S))) // SAMPLE_BYTES

    def take(self, samples: int) -> bytes:
        """Take out silence that is held back, the earliest first, at most so many samples."""
        count = min(samples, self.held) * SAMPLE_BYTES
        self._passed += count
        taken = bytes(self._tail[:count])
        del self._tail[:count]
        count -= len(taken)
        taken += self._lead[:count]
        del self._lead[:count]
        return taken

    def _trimmed(self, runs: list[Run]) -> Trimmed:
        before, own, onset = b"", bytearray(), None
        for run in runs:
            if run.audible:
                if self._inside:
                    own += self._tail
                else:
                    before, lead = self._pause()
                    own += lead
                onset = len(own) // SAMPLE_BYTES if onset is None else onset
                own += run.pcm
                self._tail.clear()
                self._lead.clear()
                self._sounded = self._inside = True
                self._passed = 0
            elif self._inside:
                self._tail += run.pcm
                surplus = max(0, len(self._tail) - self._bytes(HELD_S))
                own += self._tail[:surplus]
                del self._tail[:surplus]
                self._passed += surplus
            else:
                self._lead += run.pcm
                del self._lead[: -max(self._limit, self._bytes(ONSET_S))]
        return Trimmed(before, bytes(own), onset)

    def _pause(self) -> tuple[bytes, bytes]:
        """What remains of the silence between two chunks: the beginning of what ended the first, and the end of what
        began the second."""
        left = max(self._limit - self._passed, self._bytes(ONSET_S))
        least = min(len(self._lead), self._bytes(ONSET_S))
        tail = bytes(self._tail[: left - least])
        lead = bytes(self._lead[max(0, len(self._lead) - (left - len(tail))) :])
        return tail, lead

    def _bytes(self, seconds: float) -> int:
        return round(seconds * self._rate_hz) * SAMPLE_BYTES
