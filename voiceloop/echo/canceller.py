"""Subtracts the reply from the microphone's frames. Pure: knows no device and no echo canceller but as a `Processor`.

Length-preserving: each sample comes out under its own index, in order, once. It comes out `Processor.delay` samples
later than it went in, always, so that going over between the processed and the plain signal leaves out and repeats
nothing.
"""

from __future__ import annotations

import array
from collections import deque
from collections.abc import Callable
from typing import Protocol

from voiceloop.audio.pcm import level_dbfs
from voiceloop.echo.far_end import Block, FarEnd
from voiceloop.types import SAMPLE_BYTES, Frame, Gap

_STEP = 160
"""10 ms at 16 kHz, the only size that WebRTC's audio processing takes."""
_STEP_BYTES = _STEP * SAMPLE_BYTES
_TAIL_S = 2.0
"""How long after the last sound of a reply processing goes on: far longer than devices and rooms hold sound back."""
_PRIMED_STEPS = 3
_REHEARSALS = {50: (60, 3), 100: (100, 2)}
"""After so many steps with sound: how many of the last steps are gone through again, and how often."""
_FAINT_DBFS = -50.0
_REMOVED_DB = 10.0
_LOUD = 100
"""Of 32768: quieter steps of a reply teach nothing."""


class Processor(Protocol):
    """An echo canceller."""

    delay: int
    """How many samples what comes out is behind what goes in."""

    def process(self, near: bytes, far: Block) -> bytes:
        """10 ms of the microphone (int16, mono, 16 kHz) without what came of `far`, the 10 ms played beside them."""
        ...


class Canceller:
    """Takes the microphone's frames, gives them back without the reply.

    `captured` tells when a sample was captured, in the seconds of `Played.at`. While nothing was played for 2 s the
    frames pass through as they are, which costs next to nothing.
    """

    def __init__(self, processor: Processor, far: FarEnd, captured: Callable[[int], float]) -> None:
        self._processor, self._far, self._captured = processor, far, captured
        self._rehearsal = Rehearsal(processor)
        self.active = False
        """Whether frames are processed at the moment."""
        self._end = self._next = self._at = self._skip = 0
        self._rest = self._held = self._heard = b""
        self._recent: deque[bytes] = deque(maxlen=_PRIMED_STEPS)
        self._begin(0)

    def take(self, item: Frame | Gap) -> list[Frame | Gap]:
        """What became certain with `item`; before a gap, all that was held back."""
        if isinstance(item, Gap):
            self._rehearsal = Rehearsal(self._processor)  # what comes back may be another device
            return [*self.flush(), item]
        items: list[Frame | Gap] = []
        if item.index != self._end:
            items += self.flush()
            self._begin(item.index)
        self._far.gather()
        self._heard = item.pcm
        self._rest += item.pcm
        self._end = item.end
        return [*items, *self._emit(self._steps())]

    def is_residual_echo(self, pcm: bytes) -> bool:
        """Whether a frame that came out just now holds too little of what came in to be a voice that speaks to us.

        For detectors that are quick and easily fooled: they take the canceller's comfort noise for voice.
        """
        if not self.active:
            return False
        level = level_dbfs(pcm)
        return level < _FAINT_DBFS or level < level_dbfs(self._heard) - _REMOVED_DB

    def flush(self) -> list[Frame]:
        """All that is held back: at the end of the input, say."""
        held = self._end - self._next
        if not held:
            return []
        self._rest += bytes((held + self._skip + _STEP) * SAMPLE_BYTES)
        frames = self._emit(self._steps()[: (self._skip + held) * SAMPLE_BYTES])
        self._begin(self._end)
        return frames

    def _begin(self, index: int) -> None:
        """The samples from `index` on don't follow on those before."""
        delay = self._processor.delay
        self._end = self._next = index
        self._at = index  # of the next step
        self._skip = delay  # what comes out of the canceller first is from before `index`
        self._rest = b""
        self._held = bytes(delay * SAMPLE_BYTES)
        self._recent.clear()
        self.active = False

    def _steps(self) -> bytes:
        """Process the whole steps of what is there."""
        whole = len(self._rest) - len(self._rest) % _STEP_BYTES
        steps, self._rest = self._rest[:whole], self._rest[whole:]
        return b"".join([self._step(steps[at : at + _STEP_BYTES]) for at in range(0, whole, _STEP_BYTES)])

    def _step(self, near: bytes) -> bytes:
        time_s = self._captured(self._at)
        self._at += _STEP
        held = self._held + near
        plain, self._held = held[:_STEP_BYTES], held[_STEP_BYTES:]
        wanted = time_s < self._far.last_sound + _TAIL_S
        before, self.active = self.active, wanted
        if not (wanted or before):
            self._recent.append(near)
            self._far.skip(time_s)
            return plain
        far = self._far.at(time_s)
        if not before:
            self._prime(far)
        clean = self._processor.process(near, far)
        self._rehearsal.took(near, far)
        if before and wanted:
            return clean
        return _crossfade(plain, clean) if wanted else _crossfade(clean, plain)

    def _prime(self, far: Block) -> None:
        """Fill the canceller with what it would hold if it had never been passed by."""
        silence = Block(bytes(len(far.pcm)), far.rate_hz)
        for near in self._recent:
            self._processor.process(near, silence)
        self._recent.clear()

    def _emit(self, pcm: bytes) -> list[Frame]:
        skipped = min(self._skip, len(pcm) // SAMPLE_BYTES)
        self._skip -= skipped
        pcm = pcm[skipped * SAMPLE_BYTES :]
        if not pcm:
            return []
        frame = Frame(pcm, self._next)
        self._next = frame.end
        return [frame]


class Rehearsal:
    """Lets the canceller go over the beginning of the first reply again, so that it knows the room at once.

    Left alone WebRTC's mutes nearly everything for the first half second, then lets a good part of the echo through
    for another second, until its filter fits. The same sound gone over again (30 ms of work, in two portions) fits the
    filter.
    """

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._steps: deque[tuple[bytes, Block]] = deque(maxlen=max(back for back, _ in _REHEARSALS.values()))
        self._loud = 0

    def took(self, near: bytes, far: Block) -> None:
        """The canceller has taken a step; when it is time, go over the last ones again."""
        if self._loud >= max(_REHEARSALS):
            return
        self._steps.append((near, far))
        if max(memoryview(far.pcm).cast("h")) < _LOUD:
            return
        self._loud += 1
        back, times = _REHEARSALS.get(self._loud, (0, 0))
        for near_again, far_again in list(self._steps)[-back:] * times:
            self._processor.process(near_again, far_again)
        if self._loud >= max(_REHEARSALS):
            self._steps.clear()


def _crossfade(before: bytes, after: bytes) -> bytes:
    """From one to the other within the step."""
    old, new = memoryview(before).cast("h"), memoryview(after).cast("h")
    mixed = [(a * (_STEP - n) + b * n) // _STEP for n, (a, b) in enumerate(zip(old, new, strict=True))]
    return array.array("h", mixed).tobytes()
