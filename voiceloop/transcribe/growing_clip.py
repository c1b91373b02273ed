"""A clip that is encoded while it is spoken: to be sent as it comes, or because its format takes long.

spoken     -------------------------- pause
feed       [step][step][step]...      |
encoded     as it comes               the rest: less than a step
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from voiceloop.audio.clip_formats import ClipFormat, encoder, is_slow
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

_SECOND = CAPTURE_RATE_HZ * SAMPLE_BYTES
_STEP, _SLOW_STEP = _SECOND // 10, _SECOND // 2
"""0.1 s, and 0.5 s where each step costs the call of a thread."""
_LONG = 55 * _SECOND
"""More than this isn't encoded in the loop, either."""
_MORE = _SECOND // 2
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
    """One clip: int16, mono, at the capture rate. `take` gets its encoded bytes as they come."""

    def __init__(self, kind: ClipFormat, take: Callable[[bytes], None]) -> None:
        self._slow = is_slow(kind)
        self._encoder, self._take = encoder(kind, CAPTURE_RATE_HZ), take
        self._taken = bytearray()
        self._waiting = bytearray()

    @property
    def duration_s(self) -> float:
        """How much was fed."""
        return (len(self._taken) + len(self._waiting)) / _SECOND

    async def feed(self, pcm: bytes) -> None:
        """Take what is said next."""
        self._waiting += pcm
        if len(self._waiting) < (_SLOW_STEP if self._slow else _STEP):
            await trio.lowlevel.checkpoint()
            return
        piece = bytes(self._waiting)
        self._waiting.clear()
        await self._encode(piece)

    async def complete(self, utterance: Utterance) -> bool:
        """Encode what is left of `utterance`, the samples of which were fed as far as they were known. To be called
        once. False if other samples were fed: then what was taken is of no use."""
        left = rest(self._taken, utterance.pcm)
        if left is None or utterance.rate_hz != CAPTURE_RATE_HZ:
            return False
        await self._encode(left, last=True)
        return True

    async def _encode(self, pcm: bytes, *, last: bool = False) -> None:
        def step() -> bytes:
            return self._encoder.feed(pcm) + (self._encoder.end() if last else b"")

        self._taken += pcm
        if self._slow or len(pcm) > _LONG:
            # A clip that is given up meanwhile needs no more of it.
            self._take(await trio.to_thread.run_sync(step, abandon_on_cancel=True))
        else:
            await trio.lowlevel.checkpoint()
            self._take(step())


class SlowClip:
    """A clip that is posted as a whole, in a format that takes long to encode."""

    def __init__(self, kind: ClipFormat) -> None:
        self._kind: ClipFormat = kind
        self._pieces: list[bytes] = []
        self._growing = GrowingClip(kind, self._pieces.append)

    async def feed(self, pcm: bytes) -> None:
        """Take what is said next."""
        await self._growing.feed(pcm)

    async def whole(self, utterance: Utterance) -> EncodedClip | None:
        """The encoded clip. To be called once. None if other samples were fed."""
        if not await self._growing.complete(utterance):
            return None
        return EncodedClip(self._kind, b"".join(self._pieces))
