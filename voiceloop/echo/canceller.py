"""The echo-cancelling step: removes the reply from the microphone's frames by means of a `Processor`. Pure.

    near end (microphone) --+--> Processor --> clean --+--> frames
    far end (loudspeaker) --+                          |
    near end, delayed by Processor.delay --> plain ----+   (crossfade when processing starts or stops)
    near end, far end --> DelayTracker        shifts the far end when the echo's delay has changed
                      --> DoubleTalkDetector  says whether there is anything that the echo can't be

Each sample comes out once, in order, under its own index, and always `Processor.delay` samples later than it went in.
So a change between the processed and the plain signal neither skips nor repeats samples.
"""

from __future__ import annotations

import array
from collections import deque
from collections.abc import Callable
from typing import Protocol

import numpy as np

from voiceloop.audio.pcm import level_dbfs
from voiceloop.capture.alignment import Alignment
from voiceloop.echo.delay import DelayTracker
from voiceloop.echo.double_talk import DoubleTalkDetector
from voiceloop.echo.far_end import Block, FarEnd
from voiceloop.echo.tally import EchoTally, Pairing, ReplyEcho
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Frame, Gap

_STEP = 160
"""10 ms at 16 kHz, the only size that WebRTC's audio processing takes."""
_STEP_BYTES = _STEP * SAMPLE_BYTES
_TAIL_S = 2.0
"""How long processing goes on after the last sound of a reply: far longer than the delay of devices and rooms."""
_PRIMED_STEPS = 3
_RAW_STEPS = 200
"""2 s: how much of the raw microphone is kept for comparison with what was played."""
_LEFT_STEPS = 30
_LOUD = 300.0
"""Of 32768: quieter steps of the far end teach little."""
_LEAST_LEFT = 0.15
"""The detector is not to learn that less than this (-16 dB) is left of the echo: while a person speaks it is more."""
_FAINT_DBFS = -50.0
_REMOVED_DB = 10.0


class Processor(Protocol):
    """An echo canceller, as `Canceller` uses it: it knows no time and is fed blocks of 10 ms in order.

    It must bear blocks that come faster than real time: `Canceller` primes it with past sound before it is used after a
    rest.
    """

    delay: int
    """By how many samples the output lags behind the input."""

    def process(self, near: bytes, far: Block) -> bytes:
        """Return 10 ms of the near end (int16, mono, 16 kHz) without the echo of `far`, the 10 ms of the far end at the
        loudspeaker's rate (`far.rate_hz`, 24,000 by default)."""
        ...


class Nothing:
    """A `Processor` that removes nothing, for `audio.echo = "off"`: the echo is only judged."""

    delay = 0

    def process(self, near: bytes, far: Block) -> bytes:
        """Return the near end as it is."""
        return near


class Canceller:
    """Takes the microphone's frames and returns them without the reply.

    `captured` tells when a sample was captured, in seconds of the same clock as `Played.at`. When nothing has been
    played for 2 s the frames pass through unchanged, which costs almost nothing.

    `judges_residual`: the double-talk detector judges what the processor leaves over in place of the raw microphone. It
    is for processors without delay that only subtract: the detector hears a person who is quieter than the echo, too.
    """

    def __init__(
        self, processor: Processor, far: FarEnd, captured: Callable[[int], float], *, judges_residual: bool = False
    ) -> None:
        self._processor, self._far, self._captured = processor, far, captured
        self._judges_residual = judges_residual
        self._delay = DelayTracker()
        self._double_talk = DoubleTalkDetector(linear=not judges_residual)
        self._placed = (0, 0)  # how often the far end was placed: streams, jumps
        self._tally = EchoTally()
        self._measured = 0  # how often the delay was measured
        self._sounded = 0  # steps in which something was played
        self.active = False
        """Whether frames are processed at the moment."""
        self._end = 0  # just past the last sample taken
        self._step_start = 0  # the first sample of the next step
        self._aligned = Alignment(processor.delay)
        self._rest = b""  # samples taken and not processed: less than a step
        self._delayed = b""  # the last `delay` samples of the near end, for the plain output
        self._last_input = b""
        self._recent: deque[bytes] = deque(maxlen=_PRIMED_STEPS)  # the last steps of near end, while inactive
        self._raw: deque[bytes] = deque(maxlen=_RAW_STEPS)  # the same, while active
        self._left: deque[bytes] = deque(maxlen=_LEFT_STEPS)
        self._begin(0)

    def take(self, item: Frame | Gap) -> list[Frame | Gap]:
        """Take a frame or gap; return the cleaned frames that are ready, and before a gap all that remain."""
        if isinstance(item, Gap):
            return [*self.flush(), item]
        items: list[Frame | Gap] = []
        if item.index != self._end:
            items += self.flush()
            self._begin(item.index)
        self._far.gather()
        self._last_input = item.pcm
        self._rest += item.pcm
        self._end = item.end
        return [*items, *self._aligned(self._process_steps())]

    def is_residual_echo(self, pcm: bytes) -> bool:
        """Whether a frame that was just returned is residual echo: too quiet, compared to the input, to be a user.

        For quick detectors that are easily fooled: they take the canceller's comfort noise for voice.
        """
        if not self.active:
            return False
        if self.echo_only:
            return True
        level = level_dbfs(pcm)
        return level < _FAINT_DBFS or level < level_dbfs(self._last_input) - _REMOVED_DB

    @property
    def echo_only(self) -> bool:
        """Whether all that the microphone hears now is the reply's echo, by its loudness: then no verdict is a user's
        voice."""
        return self.active and self._double_talk.echo_only

    @property
    def other_share(self) -> float:
        """The share, from 0 to 1, of the raw microphone's energy just now that can't be the reply's echo."""
        return self._double_talk.other_share if self.active and self._double_talk.sounding else 0.0

    @property
    def knows_echo(self) -> bool:
        """Whether an echo was found, so that `other_share` says something."""
        return self._double_talk.knows_echo

    @property
    def sounded_s(self) -> float:
        """For how long something was played since the far end was placed anew, in seconds: at first, little is known of
        the room."""
        return self._sounded * _STEP / CAPTURE_RATE_HZ

    def recent(self, samples: int) -> bytes:
        """The last samples of the raw microphone (int16, mono, 16 kHz; at most 2 s), as far as they were processed."""
        raw = b"".join(self._raw) if self.active else b""
        return raw[max(0, len(raw) - samples * SAMPLE_BYTES) :]

    @property
    def residual_share(self) -> float:
        """The share, from 0 to 1, of the microphone's energy just now that a linear filter left and that can't be the
        echo. 0 where the filter is not in its place: then what it leaves is the echo."""
        return self._double_talk.residual_share if self.active and self._double_talk.sounding else 0.0

    def residual(self, samples: int) -> bytes:
        """What a linear filter leaves of the last samples (int16, mono, 16 kHz; at most 300 ms): more of the echo than
        the canceller, and all of a person."""
        return b"".join(self._left)[-samples * SAMPLE_BYTES :] if self.active else b""

    @property
    def pairing(self) -> Pairing:
        """How the microphone is paired with what was played."""
        return Pairing(self._tally.aligned_at, self._tally.shifts, self._delay_ms)

    def end_reply(self) -> ReplyEcho | None:
        """What is known of the echo of the reply that has ended; None if nothing of it sounded."""
        return self._tally.take(self._delay_ms)

    @property
    def _delay_ms(self) -> float | None:
        """The echo's delay since its sample was taken by the loudspeaker's device."""
        delay_s = self._delay.delay_s
        return None if delay_s is None else round((delay_s + self._tally.behind_s) * 1000, 1)

    def flush(self) -> list[Frame]:
        """Return all samples that are still delayed, for example at the end of the input."""
        remaining = self._end - self._aligned.next
        if not remaining:
            return []
        wanted = (self._aligned.skip + remaining) * SAMPLE_BYTES
        self._rest += bytes(wanted + _STEP_BYTES)
        frames = self._aligned(self._process_steps()[:wanted])
        self._begin(self._end)
        return frames

    def _begin(self, index: int) -> None:
        """Start over at `index`: the samples from there on are not contiguous with those before."""
        delay = self._processor.delay
        self._end = self._step_start = index
        self._aligned.begin(index)
        self._rest = b""
        self._delayed = bytes(delay * SAMPLE_BYTES)
        self._recent.clear()
        self.active = False

    def _process_steps(self) -> bytes:
        """Process the complete steps of `_rest`."""
        complete = len(self._rest) - len(self._rest) % _STEP_BYTES
        steps, self._rest = self._rest[:complete], self._rest[complete:]
        return b"".join([self._step(steps[at : at + _STEP_BYTES]) for at in range(0, complete, _STEP_BYTES)])

    def _step(self, near: bytes) -> bytes:
        time_s = self._captured(self._step_start)
        self._step_start += _STEP
        delayed = self._delayed + near
        plain, self._delayed = delayed[:_STEP_BYTES], delayed[_STEP_BYTES:]
        wanted = time_s < self._far.last_sound + _TAIL_S
        before, self.active = self.active, wanted
        if not (wanted or before):
            self._recent.append(near)
            self._far.skip(time_s)
            return plain
        far = self._far.at(time_s)
        if not before:
            self._raw.clear()
            self._left.clear()
            self._prime(far)
        self._raw.append(near)
        clean = self._processor.process(near, far)
        self._follow(near, far, clean, time_s)
        if before and wanted:
            return clean
        return _crossfade(plain, clean) if wanted else _crossfade(clean, plain)

    def _follow(self, near: bytes, far: Block, clean: bytes, time_s: float) -> None:
        """Follow the echo's delay and loudness."""
        if (placed := (self._far.streams, self._far.jumps)) != self._placed:
            self._tally.paired(time_s, moved=placed[1] != self._placed[1])
            if placed[1] != self._placed[1]:
                self._delay.forget()  # what was played before that has another delay, which may not come back
            self._placed = placed
            self._sounded = 0
            self._delay.clear()
            self._double_talk.disturb()
        heard, played, left = (np.frombuffer(pcm, "<i2").astype(np.float32) for pcm in (near, far.pcm, clean))
        self._sounded += bool(np.abs(played).max(initial=0) > _LOUD)
        if self._judges_residual:
            self._double_talk.feed(left + _LEAST_LEFT * (heard - left), played)
        else:
            self._double_talk.feed(heard, played)
            self._left.append(np.clip(self._double_talk.residual, -32768, 32767).astype("<i2").tobytes())
        if change_s := self._delay.feed(heard, played):
            if not self._far.shift(change_s):
                self._delay.forget()
            self._double_talk.disturb()
            self._tally.paired(time_s, moved=True)
        if self._delay.measured != self._measured:
            self._measured = self._delay.measured
            self._tally.measured(time_s, self._far.behind_s(time_s + _STEP / CAPTURE_RATE_HZ))
        if self._double_talk.sounding:
            self._tally.feed(heard, clean, self._double_talk.other_share)

    def _prime(self, far: Block) -> None:
        """Prime the canceller: feed it the last 30 ms of near end against a silent far end, so that its delay line is
        full when processing begins.
        """
        silence = Block(bytes(len(far.pcm)), far.rate_hz)
        for near in self._recent:
            self._processor.process(near, silence)
        self._recent.clear()


def _crossfade(before: bytes, after: bytes) -> bytes:
    """Return one step that fades from `before` to `after`."""
    old, new = memoryview(before).cast("h"), memoryview(after).cast("h")
    mixed = [(a * (_STEP - n) + b * n) // _STEP for n, (a, b) in enumerate(zip(old, new, strict=True))]
    return array.array("h", mixed).tobytes()
