"""The formats of posted clips: what they hold is the sound, also where it is encoded piece by piece."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from testbed.http_parts import utterance
from voiceloop.audio.clip_formats import ClipFormat, encoded, encoder, lacking
from voiceloop.audio.wav import parse_wav

RATE_HZ = 16_000
KINDS: tuple[ClipFormat, ...] = ("wav", "flac", "ogg", "pcm")


def noise(samples: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).integers(-3_000, 3_000, samples).astype("<i2").tobytes()


def decoded(kind: ClipFormat, file: bytes) -> NDArray[np.int16]:
    if kind == "pcm":
        return np.frombuffer(file, "<i2")
    samples, rate_hz = soundfile.read(io.BytesIO(file), dtype="int16")
    assert rate_hz == RATE_HZ
    return np.asarray(samples)


@pytest.mark.parametrize("kind", ["wav", "pcm"])
@given(pcm=st.integers(1, 20_000).map(noise), cuts=st.lists(st.integers(0, 20_000), max_size=5))
@settings(deadline=None, max_examples=30)
def test_a_clip_encoded_in_pieces_holds_the_same_samples(kind: ClipFormat, pcm: bytes, cuts: list[int]) -> None:
    writer = encoder(kind, RATE_HZ)
    places = [0, *sorted(2 * cut for cut in cuts), len(pcm)]
    pieces = [writer.feed(pcm[start:end]) for start, end in pairwise(places)]
    file = b"".join([*pieces, writer.end()])
    assert decoded(kind, file).tobytes() == pcm
    assert decoded(kind, encoded(kind, pcm, RATE_HZ)).tobytes() == pcm


@given(pcm=st.integers(1, 20_000).map(noise))
@settings(deadline=None, max_examples=20)
def test_flac_loses_nothing(pcm: bytes) -> None:
    assert decoded("flac", encoded("flac", pcm, RATE_HZ)).tobytes() == pcm


def test_opus_in_pieces_sounds_the_same_and_is_a_tenth() -> None:
    clip = utterance(3.0)
    writer = encoder("ogg", RATE_HZ)
    pieces = [writer.feed(clip.pcm[at : at + 3_200]) for at in range(0, len(clip.pcm), 3_200)]
    file = b"".join([*pieces, writer.end()])
    assert len(file) < len(clip.pcm) / 8
    assert any(pieces)  # it comes before the end
    before = np.frombuffer(clip.pcm, "<i2").astype(float)
    for made in (file, encoded("ogg", clip.pcm, RATE_HZ)):
        after = decoded("ogg", made).astype(float)
        assert abs(len(after) - len(before)) <= 320
        count = min(len(after), len(before))
        assert np.corrcoef(before[:count], after[:count])[0, 1] > 0.98


def test_a_streamed_wav_says_that_its_length_is_unknown_and_is_read() -> None:
    writer = encoder("wav", RATE_HZ)
    file = writer.feed(noise(100)) + writer.end()
    assert file[4:8] == file[40:44] == b"\xff" * 4
    assert parse_wav(file).pcm == noise(100)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_without_samples_is_encoded(kind: ClipFormat) -> None:
    if kind != "flac":
        assert isinstance(encoder(kind, RATE_HZ).end(), bytes)
    assert isinstance(encoded(kind, b"", RATE_HZ), bytes)


def test_flac_of_three_seconds_takes_a_moment_and_is_smaller() -> None:
    assert len(encoded("flac", utterance(3.0).pcm, RATE_HZ)) < 0.8 * len(utterance(3.0).pcm)


def test_nothing_is_lacking_for_wav_and_pcm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voiceloop.audio.clip_formats.find_spec", lambda name: None)
    assert [lacking(kind) for kind in KINDS] == [None, "soundfile", "soundfile", None]
