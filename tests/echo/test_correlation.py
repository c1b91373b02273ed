"""Cross-correlation tells the reply's echo from a person's voice. On recordings of one speaker."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from voiceloop.audio.wav import read_wav
from voiceloop.echo.correlation import OWN_VOICE, Played, correlation

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
REPLIES = ("vm-nobodyavail", "queue-thankyou", "conf-onlyperson", "tt-weasels")
PROMPTS = ("transfer", "conf-muted", "please-try-call-later", "number-not-answering", "digits/5", "goodbye")
RATE_HZ = 16_000


def recorded(name: str) -> NDArray[np.float64]:
    if not ASTERISK.is_dir():
        pytest.skip("needs Debian's recorded prompts")
    sound = np.frombuffer(read_wav(ASTERISK / f"{name}.wav").at(RATE_HZ), "<i2").astype(np.float64)
    return sound[int(np.flatnonzero(np.abs(sound) > 500)[0]) :]


def pcm(sound: NDArray[np.float64]) -> bytes:
    return np.clip(np.rint(sound), -32768, 32767).astype("<i2").tobytes()


def noise(count: int) -> NDArray[np.float64]:
    return np.random.default_rng(1).standard_normal(count) * 8


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("delay_ms", [20, 120, 300])
def test_a_quiet_delayed_copy_of_the_reply_is_an_echo(reply: str, delay_ms: int) -> None:
    played = recorded(reply)[: RATE_HZ // 2]
    echo = np.concatenate([noise(RATE_HZ * 3 // 10), np.zeros(delay_ms * 16), played * 0.25, noise(3200)])
    assert (
        correlation(heard=pcm(echo), played=pcm(np.concatenate([np.zeros(8000), played, np.zeros(8000)]))) > OWN_VOICE
    )


@pytest.mark.parametrize("reply", REPLIES)
def test_the_same_speaker_saying_something_else_is_no_echo(reply: str) -> None:
    played = pcm(recorded(reply)[: RATE_HZ * 3 // 2])
    for name in PROMPTS:
        said = np.concatenate([noise(4800), recorded(name)[: RATE_HZ // 2], noise(3200)])
        assert correlation(heard=pcm(said), played=played) < OWN_VOICE


@pytest.mark.parametrize("reply", REPLIES)
def test_a_voice_over_the_echo_of_the_reply_is_no_echo(reply: str) -> None:
    played = recorded(reply)[:RATE_HZ]
    said = recorded("transfer")[: len(played)]
    assert correlation(heard=pcm(played[: len(said)] * 0.25 + said), played=pcm(played)) < OWN_VOICE


@pytest.mark.parametrize("shift", [1, 2, 3, 801])
def test_a_copy_is_found_at_any_sample_and_by_what_compared_another_clip_before(shift: int) -> None:
    """The comparison is done at half of the rate: a copy between its samples is one as well."""
    copy = recorded("transfer")[:RATE_HZ]
    source = Played(pcm(np.concatenate([np.zeros(shift), copy, noise(4001)])), longest=len(copy))
    assert source.correlation(pcm(recorded("goodbye")[: RATE_HZ // 2])) < OWN_VOICE
    assert source.correlation(pcm(copy * 0.1)) > 0.97
    assert source.correlation(pcm(copy[: RATE_HZ // 2])) > 0.97


def test_the_correlation_with_silence_is_zero() -> None:
    sound = pcm(noise(8000))
    assert correlation(heard=bytes(16_000), played=sound) == 0.0
    assert correlation(heard=sound, played=bytes(16_000)) == 0.0
    assert (
        correlation(heard=b"", played=b"")
        == correlation(heard=sound, played=b"")
        == correlation(heard=b"", played=sound)
        == 0.0
    )


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=4000), st.binary(max_size=4000))
def test_the_correlation_of_any_audio_is_between_0_and_1(heard: bytes, played: bytes) -> None:
    samples = (heard[: len(heard) // 2 * 2], played[: len(played) // 2 * 2])
    assert 0.0 <= correlation(heard=samples[0], played=samples[1]) <= 1.0 + 1e-9
