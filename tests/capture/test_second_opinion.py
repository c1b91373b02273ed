"""The second VAD: asked only while something is heard that the echo can't be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from voiceloop.capture.second_opinion import SecondOpinion
from voiceloop.plugins import Verdict
from voiceloop.types import SAMPLE_BYTES

FRAME = 320


class FakeVad:
    Options: ClassVar[Any] = None
    description = "fake"

    def __init__(self) -> None:
        self.heard: list[tuple[int, int]] = []
        self.resets = 0

    @classmethod
    @asynccontextmanager
    async def open(cls, options: Any, services: Any) -> Any:
        yield cls()

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        samples = len(pcm) // SAMPLE_BYTES
        self.heard.append((index, samples))
        return [Verdict(index, index + samples, voiced=any(pcm))]

    def reset(self) -> None:
        self.resets += 1


class FakeResidual:
    residual_share = 0.0
    loud = True

    def residual(self, samples: int) -> bytes:
        return (b"\1\1" if self.loud else b"\0\0") * samples


def test_while_nobody_else_is_heard_it_is_not_asked() -> None:
    vad, residual = FakeVad(), FakeResidual()
    second = SecondOpinion(vad, residual)
    assert not any(second.voiced(FRAME) for _ in range(50))
    assert vad.heard == []


def test_it_begins_with_the_last_200_ms_and_then_hears_every_frame_once() -> None:
    vad, residual = FakeVad(), FakeResidual()
    second = SecondOpinion(vad, residual)
    for _ in range(50):
        second.voiced(FRAME)
    residual.residual_share = 0.5
    assert second.voiced(FRAME)
    assert second.voiced(FRAME)
    assert vad.heard == [(0, 3200), (3200, FRAME)]
    assert vad.resets == 1


def test_frames_that_were_not_judged_meanwhile_are_judged_later() -> None:
    vad, residual = FakeVad(), FakeResidual()
    second = SecondOpinion(vad, residual)
    for share in (0.5, 0.0, 0.0, 0.5):
        residual.residual_share = share
        second.voiced(FRAME)
    assert vad.heard == [(0, FRAME), (FRAME, 3 * FRAME)]
    assert vad.resets == 0


def test_what_it_hears_decides() -> None:
    residual = FakeResidual()
    residual.residual_share, residual.loud = 0.9, False
    assert not SecondOpinion(FakeVad(), residual).voiced(FRAME)


def test_after_an_interruption_it_begins_anew() -> None:
    vad, residual = FakeVad(), FakeResidual()
    residual.residual_share = 0.5
    second = SecondOpinion(vad, residual)
    second.voiced(FRAME)
    second.reset()
    second.voiced(FRAME)
    assert vad.heard == [(0, FRAME), (FRAME, 3200)]
    assert vad.resets == 1


def test_frames_of_nobody_but_the_loudspeaker_are_left_out() -> None:
    vad, residual = FakeVad(), FakeResidual()
    residual.residual_share = 0.5
    second = SecondOpinion(vad, residual)
    for _ in range(50):
        second.skip(FRAME)
    second.voiced(FRAME)
    assert vad.heard == [(0, 3200)]
