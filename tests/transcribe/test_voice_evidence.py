"""The evidence for voice in a clip: two passes of a voice model, and Silero on noises and on people."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from testbed.voices import prompt
from voiceloop.capture.vad.silero_model import HOP, HOP_BYTES
from voiceloop.transcribe.voice_evidence import ENOUGH_HOPS, Voice, VoiceJudge, evidence, open_look
from voiceloop.types import CAPTURE_RATE_HZ, Utterance


class FakeModel:
    """A fake voice model: gives the probabilities one after another, and records the hops."""

    def __init__(self, *probabilities: float) -> None:
        self._left: Iterator[float] = chain(probabilities, repeat(0.0))
        self.hops: list[bytes] = []

    def __call__(self, hop: bytes) -> float:
        self.hops.append(hop)
        return next(self._left)


def pcm(hops: float, level: int = 1000) -> bytes:
    return np.full(round(hops * HOP), level, "<i2").tobytes()


def test_the_second_pass_is_asked_for_96_ms_of_voice() -> None:
    model = FakeModel(*[0.3, 0.8, 0.1, 0.1], *[0.9, 0.4, 0.7, 0.2])
    assert evidence(pcm(4.5), model) == Voice(first=0.8, settled=0.4)
    assert len(model.hops) == 8


def test_a_clip_with_enough_voice_is_not_looked_at_to_its_end() -> None:
    model = FakeModel(*[0.0] * 5, *[0.9] * 100)
    assert evidence(pcm(100), model) == Voice(first=0.9, settled=1.0)
    assert len(model.hops) == 5 + ENOUGH_HOPS


@pytest.mark.parametrize("level", [30, 3000, 30_000])
def test_quiet_and_loud_clips_sound_alike_to_the_model(level: int) -> None:
    model = FakeModel()
    evidence(pcm(2, level), model)
    loudest = max(abs(np.frombuffer(b"".join(model.hops), "<i2").astype(int)))
    assert loudest == pytest.approx(3277, rel=0.1)


@given(st.binary(max_size=6 * HOP_BYTES))
def test_any_bytes_give_evidence_and_only_whole_hops_are_looked_at(data: bytes) -> None:
    model = FakeModel(*[0.5] * 12)
    found = evidence(data, model)
    assert {len(hop) for hop in model.hops} <= {HOP_BYTES}
    assert found == (Voice(0.5, 0.5) if len(data) >= HOP_BYTES else Voice(0.0, 0.0))


def test_a_long_sound_that_may_be_a_whisper_needs_more_evidence_than_a_short_one() -> None:
    little, nothing = Voice(first=0.4, settled=0.05), Voice(first=0.2, settled=0.05)
    assert little.absent(sound_s=0.5, duration_s=1.0)
    assert not little.absent(sound_s=1.5, duration_s=3.0)
    assert nothing.absent(sound_s=1.5, duration_s=3.0)
    assert little.absent(sound_s=28.0, duration_s=30.0)


def test_evidence_is_absent_doubtful_or_neither() -> None:
    for settled, absent, doubtful in ((0.09, True, True), (0.1, False, True), (0.49, False, True), (0.5, False, False)):
        voice = Voice(first=0.2, settled=settled)
        assert (voice.absent(sound_s=0.5, duration_s=1.0), voice.doubtful) == (absent, doubtful)


def _tone(hz: float) -> np.ndarray:
    return 6000 * np.sin(2 * np.pi * hz * np.arange(2 * CAPTURE_RATE_HZ) / CAPTURE_RATE_HZ)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(2 * CAPTURE_RATE_HZ),
        np.random.default_rng(1).normal(0, 2000, 2 * CAPTURE_RATE_HZ),
        _tone(50) + _tone(150) / 3,
        _tone(440),
        np.random.default_rng(2).normal(0, 6000, 2 * CAPTURE_RATE_HZ) * (np.arange(2 * CAPTURE_RATE_HZ) % 4000 < 200),
    ],
    ids=["silence", "hiss", "hum", "tone", "keys"],
)
def test_there_is_no_voice_in(sound: np.ndarray) -> None:
    assert open_look()(sound.astype("<i2").tobytes()).settled < 0.1


@pytest.mark.parametrize("quieter_db", [0, 20, 40])
@pytest.mark.parametrize("name", ["digits/1", "digits/6", "digits/8", "hello", "vm-press", "vm-goodbye", "letters/b"])
def test_there_is_voice_in_one_word_however_quiet(name: str, quieter_db: int) -> None:
    word = np.frombuffer(prompt(name).pcm, "<i2") * 10 ** (-quieter_db / 20)
    around = np.zeros(CAPTURE_RATE_HZ // 3)
    hiss = np.random.default_rng(3).normal(0, 3, len(word) + 2 * len(around))
    clip = np.rint(np.concatenate([around, word, around]) + hiss).astype("<i2").tobytes()
    assert open_look()(clip).settled > 0.5


def test_what_was_heard_before_makes_no_difference() -> None:
    look, word = open_look(), prompt("digits/2").pcm
    first = look(word)
    look(np.random.default_rng(1).normal(0, 2000, 5 * CAPTURE_RATE_HZ).astype("<i2").tobytes())
    assert look(word) == first


async def test_a_clip_of_another_rate_is_not_judged() -> None:
    clip = Utterance(bytes(16_000), 0, 8_000, rate_hz=8_000)
    assert await VoiceJudge().voice(clip) is None


async def test_one_model_serves_clips_at_the_same_time() -> None:
    judge, word = VoiceJudge(), prompt("digits/2")
    noise = np.random.default_rng(1).normal(0, 2000, CAPTURE_RATE_HZ).astype("<i2").tobytes()
    clips = [word, Utterance(noise, 0, len(noise) // 2)] * 10
    found: dict[int, Voice | None] = {}

    async def look(number: int) -> None:
        found[number] = await judge.voice(clips[number])

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            for number in range(len(clips)):
                nursery.start_soon(look, number)
    assert all(found[number] == found[number % 2] for number in found)
    assert found[0] != found[1]
