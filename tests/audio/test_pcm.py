"""PCM as bytes: alignment, resampling, mixing and levels. Where the bytes are cut changes nothing."""

from __future__ import annotations

import math
from array import array
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.pcm import Aligner, level_dbfs, mix_down, peak
from voiceloop.audio.resample import Resampler, resample
from voiceloop.playback.earcon import earcon


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


CUTS = st.lists(st.integers(0, 10_000), max_size=12)


@given(data=st.binary(max_size=400), cuts=CUTS, channels=st.integers(1, 3))
def test_a_sample_split_between_chunks_is_put_together_again(data: bytes, cuts: list[int], channels: int) -> None:
    aligner = Aligner(channels)
    out = [aligner.feed(piece) for piece in pieces(data, cuts)]
    assert all(len(piece) % (2 * channels) == 0 for piece in out)
    whole = len(data) - len(data) % (2 * channels)
    assert b"".join(out) == data[:whole]
    assert aligner.rest == len(data) - whole


@given(cuts=CUTS)
def test_resampling_does_not_depend_on_the_cuts(cuts: list[int]) -> None:
    pcm = array("h", [round(9000 * math.sin(n / 9)) for n in range(4800)]).tobytes()
    resampler = Resampler(from_hz=48_000, to_hz=16_000)
    out = b"".join(resampler.feed(piece) for piece in pieces(pcm, cuts)) + resampler.feed(b"", last=True)
    assert out == resample(pcm, from_hz=48_000, to_hz=16_000)
    assert len(out) // 2 == pytest.approx(1600, abs=1)


def test_audio_at_the_wanted_rate_is_passed_through() -> None:
    resampler = Resampler(from_hz=16_000, to_hz=16_000)
    assert resampler.feed(b"abc") + resampler.feed(b"d", last=True) == b"abcd"
    assert resampler.delay == 0


def test_mixing_down_is_the_mean_and_never_overflows() -> None:
    stereo = array("h", [100, 200, -32768, -32768, 32767, 32767]).tobytes()
    assert list(array("h", mix_down(stereo, 2))) == [150, -32768, 32767]
    assert mix_down(stereo, 1) is stereo


def test_levels_and_peaks_of_known_signals() -> None:
    assert level_dbfs(array("h", [-32768] * 10).tobytes()) == pytest.approx(0, abs=0.01)
    assert level_dbfs(array("h", [3277, -3277]).tobytes()) == pytest.approx(-20, abs=0.01)
    assert level_dbfs(bytes(20)) == level_dbfs(b"") == -math.inf
    assert peak(array("h", [5, -16384]).tobytes()) == 0.5
    assert peak(b"") == 0


@pytest.mark.parametrize("rate_hz", [8000, 24000, 44100])
def test_the_earcon_is_short_low_and_does_not_click(rate_hz: int) -> None:
    samples = array("h", earcon(rate_hz))
    assert len(samples) / rate_hz == pytest.approx(0.18, abs=0.001)
    assert max(map(abs, samples)) < 0.16 * 32768
    assert abs(samples[0]) < 50
    assert abs(samples[-1]) < 50
