"""A clip that is encoded while it is spoken, for formats that take long (`clip_formats.is_slow`).

spoken     -------------------------- pause
feed       [0.5 s][0.5 s][0.5 s]...   |
encoded     in a thread, as it comes  the rest: less than 0.5 s
"""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from voiceloop.audio.clip_formats import ClipFormat, encoder
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

_STEP = CAPTURE_RATE_HZ * SAMPLE_BYTES // 2
"""0.5 s: fewer steps than frames, as each costs the call of a thread."""
_MORE = CAPTURE_RATE_HZ * SAMPLE_BYTES // 2
"""How much quiet may stand behind a clip that was taken before its end was known: 0.5 s."""


def rest(taken: bytes | bytearray, clip: bytes) -> bytes | None:
    """What of `clip` comes after what was `taken` already; both are int16. Empty if that has some quiet more than the
    clip. None if it is other sound, so that it can't be made the clip."""
    if len(taken) <= len(clip):
        return clip[len(taken) :] if clip.startswith(taken) else None
    return b"" if len(taken) - len(clip) <= _MORE and taken.startswith(clip) else None


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """A clip in a format."""

    kind: ClipFormat
    sound: bytes = field(repr=False)


class GrowingClip:
    """One clip: int16, mono, at the capture rate."""

    def __init__(self, kind: ClipFormat) -> None:
        self._kind: ClipFormat = kind
        self._encoder = encoder(kind, CAPTURE_RATE_HZ)
        self._taken = bytearray()
        self._waiting = bytearray()
        self._pieces: list[bytes] = []

    async def feed(self, pcm: bytes) -> None:
        """Take what is said next."""
        self._waiting += pcm
        if len(self._waiting) < _STEP:
            await trio.lowlevel.checkpoint()
            return
        piece = bytes(self._waiting)
        self._waiting.clear()
        await self._encode(piece)

    async def whole(self, utterance: Utterance) -> EncodedClip | None:
        """The encoded clip of `utterance`, the samples of which were fed as far as they were known. To be called once.
        None if other samples were fed."""
        left = rest(self._taken, utterance.pcm)
        if left is None or utterance.rate_hz != CAPTURE_RATE_HZ:
            return None
        await self._encode(left, last=True)
        return EncodedClip(self._kind, b"".join(self._pieces))

    async def _encode(self, pcm: bytes, *, last: bool = False) -> None:
        def step() -> bytes:
            return self._encoder.feed(pcm) + (self._encoder.end() if last else b"")

        self._taken += pcm
        # A clip that is given up meanwhile needs no more of it.
        self._pieces.append(await trio.to_thread.run_sync(step, abandon_on_cancel=True))
