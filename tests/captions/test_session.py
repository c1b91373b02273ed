"""How captions end: whatever ends them, what was shown is final. In virtual time; the microphone plays words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from tests.captions.hall import ANY, Hall, Service, _Vad, sound
from tests.captions.speech import said
from voiceloop.captions.handler import CaptionsOptions
from voiceloop.captions.posts import Means
from voiceloop.captions.program import _caption, _Source
from voiceloop.captions.words import Spoken
from voiceloop.config.load import load
from voiceloop.control.attention import Attention
from voiceloop.errors import VoiceloopError
from voiceloop.plugins import Transcriber
from voiceloop.transcribe.screening import Screened
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, Frame

WORDS = [f"word{number}" for number in range(40)]


@dataclass
class _Microphone:
    """Plays words in real (virtual) time; after `gone_s` it raises, as one does that is pulled out."""

    truth: Sequence[Spoken]
    gone_s: float = float("inf")
    received: int = 1

    @property
    def frames(self) -> _Microphone:
        return self

    def clock(self, index: int) -> float:
        return index / CAPTURE_RATE_HZ

    def __post_init__(self) -> None:
        self._pcm, self._at, self._began = sound(self.truth), 0, trio.current_time()

    async def receive(self) -> Frame:
        at = self._at
        frame = Frame(self._pcm[2 * at : 2 * (at + FRAME_SAMPLES)], at)
        if not frame.pcm:
            raise trio.EndOfChannel
        if frame.end / CAPTURE_RATE_HZ > self.gone_s:
            raise VoiceloopError("is gone", place="audio.input")
        await trio.sleep_until(self._began + frame.end / CAPTURE_RATE_HZ)
        self._at = frame.end
        return frame

    def receive_nowait(self) -> Frame:
        raise trio.WouldBlock


async def caption(hall: Hall, microphone: _Microphone, *, waiting: int = 100) -> None:
    screened = Screened(cast("Transcriber", hall.service), ANY, (), hall.publish)
    means = Means(
        screened, screened.quietly(), hall, hall.publish, lambda: hall.room, waiting, keeps=False, overlap_s=1.2
    )  # fmt: skip
    source = _Source("", cast("Any", microphone), _Vad(hall.service.truth))
    config = load(None, (), preset="captions")
    await _caption(config, CaptionsOptions(), means, [source], Attention(), None)


async def test_when_the_microphone_is_gone_in_mid_speech_what_was_shown_is_final(autojump_clock: MockClock) -> None:
    hall = Hall(Service(said(WORDS, 1.0)))
    with pytest.RaisesGroup(pytest.RaisesExc(VoiceloopError, match="is gone"), flatten_subgroups=True):
        await caption(hall, _Microphone(hall.service.truth, gone_s=9.0))
    assert len(hall.text.split()) > 10
    assert hall.text == max(hall.live_texts, key=len)
    assert hall.told[-1][0] == "captions.stopped"


async def test_at_the_end_no_word_is_held_back_for_speech_that_never_comes(autojump_clock: MockClock) -> None:
    """The last of two pieces is refused, for which the last words of the one before were held back."""
    hall = Hall(Service(said(WORDS, 1.0), service_s=20))
    await caption(hall, _Microphone(hall.service.truth), waiting=1)
    assert len(hall.finals) == 2
    assert hall.text.split() == WORDS[: len(hall.text.split())]
    assert hall.live_texts[-1] == ""


async def test_when_told_to_end_what_was_shown_is_final(autojump_clock: MockClock) -> None:
    hall = Hall(Service(said(WORDS, 1.0)))
    with trio.move_on_after(8):
        await caption(hall, _Microphone(hall.service.truth))
    assert hall.text == max(hall.live_texts, key=len)
    assert hall.text
