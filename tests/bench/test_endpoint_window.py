"""The window of sound that the judge gets is the same in the program and in the endpointing benchmark."""

from __future__ import annotations

from typing import cast

import numpy as np
import trio
from numpy.typing import NDArray

from bench.endpoint.cutting import Turn
from bench.endpoint.measuring import Ear, frames
from voiceloop.capture.endpointing.sound_judge import Network, SoundJudge
from voiceloop.capture.listener import HalfDuplexMute, Listener, SpeechReceiver
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.vad.hybrid import HybridVad
from voiceloop.config.tables import Segment
from voiceloop.plugins import Vad, Verdict


class RecordingNursery:
    """Keeps the windows that its tasks would judge."""

    def __init__(self) -> None:
        self.windows: list[NDArray[np.float32]] = []

    def start_soon(self, task: object, since: int, window: NDArray[np.float32], *, name: str) -> None:
        self.windows.append(window)


class Loud:
    """A VAD that takes what is loud for voice."""

    def feed(self, pcm: bytes, index: int) -> list[Verdict]:
        loud = bool(np.abs(np.frombuffer(pcm, "<i2").astype(np.int64)).max() > 1_000)
        return [Verdict(index, index + len(pcm) // 2, voiced=loud)]


class Ignoring:
    def on(self, event: object) -> None: ...

    def early_voice(self, early_voice: object) -> None: ...


def turn() -> Turn:
    """Two seconds of sound, a pause of 0.6 s, one more second."""
    sound = (np.random.default_rng(3).standard_normal(48_000) * 6_000).clip(-32_768, 32_767).astype("<i2")
    pcm = sound[:32_000].tobytes() + bytes(2 * 9_600) + sound[32_000:].tobytes()
    return Turn("noise", 1, "open", pcm, cut=32_000, resumed=41_600, end=57_600, whole=True)


def test_the_program_and_the_benchmark_give_the_judge_the_same_sound() -> None:
    ear, nursery = Ear(vad=cast(HybridVad, Loud())), RecordingNursery()
    segmenter = Segmenter(Segment(), hangover_ms=60_000)
    judge = SoundJudge(cast(Network, None), segmenter.tell, lambda *_, **__: None, cast(trio.Nursery, nursery))
    mute = HalfDuplexMute(lambda: False, lambda: 0.0, 0.2, half_duplex=False)
    vad = cast(Vad, Loud())
    listener = Listener(vad, segmenter, cast(SpeechReceiver, Ignoring()), mute, sound_judge=judge)
    theirs = []
    for frame in frames(turn(), 0):
        listener.hear(frame)
        theirs += [found.window for found in ear.hear(frame)]
    assert len(theirs) >= 2
    assert len(nursery.windows) == len(theirs)
    for ours, other in zip(nursery.windows, theirs, strict=True):
        assert np.array_equal(ours, other)
