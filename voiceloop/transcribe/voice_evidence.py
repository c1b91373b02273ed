"""The evidence for a human voice in a clip: what Silero's model says of it when it has heard the clip before.

    clip, made equally loud -> |first pass .........|second pass ........| -> Voice
                                ^ model reset        ^ it knows the room now

A freshly reset model takes many coughs, throats and chords for voice. In the second pass it takes few of them, and
finds as much voice in words as before. Knows no transcriber and no text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import trio

from voiceloop.audio.loudness import SILENCE_DBFS, levels_dbfs
from voiceloop.capture.vad.silero_model import HOP_BYTES, load_model
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Utterance

VOICED = 0.5
"""The model's probability from which a hop of 32 ms counts as voice."""
ENOUGH_HOPS = 20
"""With this many voiced hops (0.64 s) in the first pass there is certainly voice: the rest is not looked at."""
_RANK = 3
"""The evidence of the second pass is the third highest probability: that of 96 ms of voice, not of a single spike."""
ABSENT = 0.1
"""Below this, the clip holds no voice. No clearly recorded word is below it (`scripts/bench noise`)."""
DOUBTFUL = 0.5
"""Below this, there is so little voice that the usual inventions of recognisers are not believed."""
_LONG_S, _LONGEST_S = 1.0, 8.0
"""A whispered sentence has this much sound, and hardly any voice to the model, least of all in the second pass."""
_WHISPER = 0.3
"""In the first pass, most whispered sentences have a hop above this, and hum, hiss and fans have none."""
_LEVEL_DBFS = -20.0
"""The level to which the loudest 10 ms are brought, because the model overlooks quiet voices."""
_MOST_GAIN_DB = 40.0


@dataclass(frozen=True, slots=True)
class Voice:
    """The evidence for voice in a clip. Both values are probabilities."""

    first: float
    """The highest of any hop in the first pass."""
    settled: float
    """The third highest in the second pass."""

    @property
    def doubtful(self) -> bool:
        """Whether there is hardly any voice."""
        return self.settled < DOUBTFUL

    def absent(self, *, sound_s: float, duration_s: float) -> bool:
        """Whether a clip of `duration_s`, with `sound_s` of sound above its background, holds no voice.

        Clips that may be a whispered sentence need more evidence.
        """
        whispered = sound_s >= _LONG_S and duration_s <= _LONGEST_S and self.first >= _WHISPER
        return self.settled < ABSENT and not whispered


def evidence(pcm: bytes, probability: Callable[[bytes], float]) -> Voice:
    """The evidence for voice in `pcm` (int16, mono, 16 kHz). `probability` is asked for hop after hop, of 512 samples
    each, and has heard nothing before."""
    hops = list(_hops(_equally_loud(pcm)))
    first, voiced = 0.0, 0
    for hop in hops:
        found = probability(hop)
        first, voiced = max(first, found), voiced + (found >= VOICED)
        if voiced == ENOUGH_HOPS:
            return Voice(first, settled=1.0)
    highest = sorted(map(probability, hops), reverse=True)[:_RANK]
    return Voice(first, settled=highest[-1] if highest else 0.0)


def _hops(pcm: bytes) -> Iterator[bytes]:
    for at in range(0, len(pcm) - HOP_BYTES + 1, HOP_BYTES):
        yield pcm[at : at + HOP_BYTES]


def _equally_loud(pcm: bytes) -> bytes:
    """`pcm` with its loudest 10 ms at `_LEVEL_DBFS`."""
    pcm = pcm[: len(pcm) // SAMPLE_BYTES * SAMPLE_BYTES]
    loudest = max(levels_dbfs(pcm, CAPTURE_RATE_HZ), default=SILENCE_DBFS)
    gain = 10 ** (min(_LEVEL_DBFS - loudest, _MOST_GAIN_DB) / 20)
    samples = np.frombuffer(pcm, "<i2") * gain
    return np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes()


class VoiceJudge:
    """Looks for voice in clips, one at a time, in a thread. Loads Silero's model for the first clip, unless it is given
    another `look`."""

    def __init__(self, look: Callable[[bytes], Voice] | None = None) -> None:
        self._limiter = trio.CapacityLimiter(1)
        self._looking = look

    async def voice(self, utterance: Utterance) -> Voice | None:
        """The evidence for voice in a clip; None for one that isn't at 16 kHz, which the model doesn't know."""
        if utterance.rate_hz != CAPTURE_RATE_HZ:
            await trio.lowlevel.checkpoint()
            return None
        # A cancelled look goes on in its thread, and the next one waits for it: about 0.3 s for a noise of 30 s.
        return await trio.to_thread.run_sync(self._look, utterance.pcm, limiter=self._limiter, abandon_on_cancel=True)

    def _look(self, pcm: bytes) -> Voice:
        if self._looking is None:
            self._looking = open_look()
        return self._looking(pcm)


def open_look() -> Callable[[bytes], Voice]:
    """Load Silero's model. The function returned gives the evidence in a clip (int16, mono, 16 kHz)."""
    model = load_model()

    def look(pcm: bytes) -> Voice:
        model.reset()
        return evidence(pcm, model.process_chunk)

    return look
