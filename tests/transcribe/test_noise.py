"""Noises and short words through a VAD, the segmenter, the real Moonshine and the filter of hallucinations."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
import pytest
import trio

from bench.noise import words
from bench.noise.hearing import VADS, Heard, Listener, clips
from bench.noise.material import EVENTS, STEADY, events, steady
from bench.vad.material import white
from testbed.voices import PROMPTS, utterance
from voiceloop.transcribe.embedded.moonshine.transcriber import MoonshineOptions, MoonshineTranscriber
from voiceloop.transcribe.hallucination_phrases import key
from voiceloop.types import CAPTURE_RATE_HZ

pytest.importorskip("onnxruntime", reason="the extra 'local' is not installed")
pytestmark = pytest.mark.skipif(not PROMPTS.is_dir(), reason="needs Debian's recorded prompts")

SECONDS_EACH = 3.5
"""A little more than a minute of all kinds together."""


@asynccontextmanager
async def listening() -> AsyncIterator[Listener]:
    with trio.fail_after(300):
        async with MoonshineTranscriber.open(MoonshineOptions(), cast(Any, None)) as transcriber:
            yield Listener(transcriber)


async def heard(listener: Listener, pcm: bytes, vad: str) -> list[Heard]:
    return [await listener.hear(clip) for clip in clips(pcm, VADS[vad]())]


async def test_nothing_is_written_of_a_minute_of_noises_even_with_a_vad_that_takes_them_for_speech() -> None:
    rng = np.random.default_rng(1)
    stretches = [events(name, SECONDS_EACH, rng) for name in EVENTS]
    stretches += [steady(name, SECONDS_EACH, rng) for name in STEADY]
    async with listening() as listener:
        found = [one for stretch in stretches for one in await heard(listener, stretch.pcm, "webrtc")]
    assert sum(bool(one.raw) for one in found) >= 10, "without the filter there are words"
    assert [one.text for one in found if one.text] == []
    assert sum(one.asked for one in found) <= len(found) // 3


async def test_a_long_noise_never_reaches_the_recogniser() -> None:
    noise = np.random.default_rng(2).normal(0, 1000, 12 * CAPTURE_RATE_HZ).astype("<i2").tobytes()
    async with listening() as listener:
        found = await listener.hear(utterance(noise))
    assert len(found.raw.split()) > 20, "without the filter the decoder loops"
    assert not found.asked


SHORT = {
    "hello": "hello", "location": "location", "goodbye": "goodby", "number": "number", "cancelled": "cancelled",
    "digits/1": "one", "digits/3": "three", "digits/5": "five", "digits/7": "seven", "digits/9": "nine",
    "digits/today": "today", "digits/yesterday": "yesterday", "digits/million": "million", "vm-for": "four",
    "digits/day-1": "monday", "digits/day-5": "friday", "digits/mon-7": "august", "letters/b": "b", "letters/e": "e",
    "vm-last": "last",
}  # fmt: skip
"""Twenty words said by a person, and what is right for them: "for" alone is "four", and "goodby" is a spelling, too."""
_DIGITS = {"1": "one", "3": "three", "5": "five", "7": "seven", "9": "nine", "4": "four"}


async def in_a_room(listener: Listener, said: words.Said) -> list[Heard]:
    room = white(len(said.sound) + 2 * CAPTURE_RATE_HZ, np.random.default_rng(1))
    mixed = np.rint(words.in_noise(said, room, -70.0) * 32768)
    return await heard(listener, mixed.clip(-32768, 32767).astype("<i2").tobytes(), "hybrid")


async def test_18_of_20_short_recorded_words_are_right_and_none_is_dropped() -> None:
    wrong = {}
    async with listening() as listener:
        for said in words.recorded():
            if said.word in SHORT:
                found = await in_a_room(listener, said)
                assert [one.reason for one in found] == [""], said.word
                letters = key(found[0].text)
                if _DIGITS.get(letters, letters) != SHORT[said.word]:
                    wrong[said.word] = found[0].text
    assert len(wrong) <= 2, wrong


async def test_short_answers_are_right_and_none_is_dropped() -> None:
    pytest.importorskip("hibari", reason="the extra 'local' is not installed")
    async with listening() as listener:
        for _, said in await words.answers(words.VOICES[0]):
            found = await in_a_room(listener, said)
            assert [one.reason for one in found] == [""], said.word
            assert words.is_right(said.word, found[0].text), (said.word, found[0].text)
