"""A VAD that raises: the sentence is kept, one line is told, and listening goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.speech_events import SpeechEnded, SpeechEvent
from voiceloop.capture.vad.steady import HELD, SteadyVad
from voiceloop.config.tables import Segment
from voiceloop.plugins import Vad, Verdict, hints
from voiceloop.types import CAPTURE_RATE_HZ, Frame

FRAME = 320


class _Odd(BaseException):
    pass


class FailingVad:
    """Takes a frame for voice if its first byte isn't 0; raises for the frames of these numbers."""

    description = "made up"
    hint = True

    def __init__(self, fails: range, error: BaseException | None = None) -> None:
        self.fails, self.error, self.fed, self.resets = fails, error or RuntimeError("no model"), 0, 0

    def feed(self, pcm: bytes, index: int) -> Sequence[Verdict]:
        self.fed += 1
        if self.fed - 1 in self.fails:
            raise self.error
        return [Verdict(index, index + len(pcm) // 2, voiced=pcm[0] != 0)]

    def reset(self) -> None:
        self.resets += 1


def hear(inner: Any, *voices: tuple[bool, int]) -> tuple[SteadyVad, list[SpeechEvent], list[str]]:
    """Feed so many frames with or without voice; gives the VAD, what the segmenter found, and what was told."""
    told = list[str]()
    vad = SteadyVad(cast(Vad, inner), lambda name, /, **fields: told.append(cast(str, fields["text"])))
    segmenter, events, index = Segmenter(Segment(), hangover_ms=600), list[SpeechEvent](), 0
    for voiced, frames in voices:
        for _ in range(frames):
            pcm = bytes([voiced, 0]) * FRAME
            events += segmenter.feed(Frame(pcm, index), vad.feed(pcm, index))
            index += FRAME
    return vad, events, told


@pytest.mark.parametrize("error", [RuntimeError("no model"), SystemExit(1), KeyboardInterrupt(), _Odd(), MemoryError()])
def test_what_a_vad_raises_in_a_sentence_costs_no_word_and_is_told_once(error: BaseException) -> None:
    inner = FailingVad(range(60, 90), error)
    _, events, told = hear(inner, (False, 50), (True, 100), (False, 50))
    (ended,) = [event for event in events if isinstance(event, SpeechEnded)]
    assert ended.utterance.voiced_end == 150 * FRAME
    assert len(told) == 1
    assert told[0].startswith(f"vad: 'made up' failed: {type(error).__name__}")
    assert inner.resets == 30, "after each failure it starts afresh"


def test_a_vad_that_never_works_again_ends_the_utterance_after_a_while() -> None:
    vad, events, told = hear(FailingVad(range(60, 10_000)), (False, 50), (True, 300))
    (ended,) = [event for event in events if isinstance(event, SpeechEnded)]
    assert ended.utterance.voiced_end == pytest.approx(60 * FRAME + HELD, abs=FRAME)
    assert len(told) == 1
    assert not hints(cast(Vad, vad))


def test_a_failure_in_silence_is_no_voice_and_is_told_again_after_a_minute() -> None:
    _, events, told = hear(FailingVad(range(10_000)), (False, 61 * CAPTURE_RATE_HZ // FRAME))
    assert events == []
    assert len(told) == 2


@pytest.mark.parametrize("verdicts", [None, [None], ["voice"], [Verdict(cast(int, None), 1, voiced=True)]])
def test_verdicts_that_are_none_are_a_failure_too(verdicts: object) -> None:
    inner = FailingVad(range(0))
    inner.feed = lambda pcm, index: verdicts  # type: ignore[method-assign, assignment, return-value]
    _, events, told = hear(inner, (True, 50))
    assert (events, len(told)) == ([], 1)


def test_a_vad_that_can_not_be_reset_is_told() -> None:
    inner = FailingVad(range(0))

    def fail() -> None:
        raise RuntimeError("no reset")

    inner.reset = fail  # type: ignore[method-assign]
    vad, _, told = hear(inner, (True, 1))
    vad.reset()
    assert "no reset" in told[0]
