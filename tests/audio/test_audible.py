"""Where sound becomes audible: in clips, in streams however they are cut, and at the edges of the definition."""

from __future__ import annotations

from array import array
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.audio.audible import AudibleRuns, Run, first_audible

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000)


def level(dbfs: float, samples: int) -> bytes:
    """A square wave: its RMS and its peak are the same."""
    value = min(round(32768 * 10 ** (dbfs / 20)), 32767)
    return array("h", [value if n % 8 < 4 else -value for n in range(samples)]).tobytes()


def ms(rate_hz: int, milliseconds: int) -> int:
    return rate_hz // 100 * (milliseconds // 10)


@pytest.mark.parametrize("rate_hz", RATES)
def test_a_clip_is_audible_from_the_first_10_ms_of_sound_on(rate_hz: int) -> None:
    quiet = bytes(2 * ms(rate_hz, 300))
    assert first_audible(quiet + level(-20, ms(rate_hz, 500)), rate_hz) == ms(rate_hz, 300)
    assert first_audible(level(-20, ms(rate_hz, 500)), rate_hz) == 0


def test_sound_at_minus_50_dbfs_or_less_is_silence() -> None:
    assert first_audible(level(-50.3, 24_000), 24_000) is None
    assert first_audible(level(-49.7, 24_000), 24_000) == 0


def test_sound_40_db_below_the_peak_is_silence() -> None:
    assert first_audible(level(-41, 2400) + level(0, 2400), 24_000) == 2400
    assert first_audible(level(-39, 2400) + level(0, 2400), 24_000) == 0
    assert first_audible(level(-49, 2400) + level(-10, 2400), 24_000) == 0


def test_a_click_is_judged_by_its_rms() -> None:
    click = bytearray(2 * 240)
    click[100:102] = (1_000).to_bytes(2, "little")  # -54 dBFS over 10 ms
    assert first_audible(bytes(click), 24_000) is None
    click[102:104] = (3_000).to_bytes(2, "little")  # -44 dBFS
    assert first_audible(bytes(click), 24_000) == 0


@pytest.mark.parametrize("pcm", [b"", bytes(2), bytes(48_000)])
def test_silence_and_an_empty_clip_are_never_audible(pcm: bytes) -> None:
    assert first_audible(pcm, 24_000) is None


def test_a_sound_shorter_than_10_ms_at_the_end_is_audible() -> None:
    pcm = bytes(2 * 240) + level(-20, 24)
    assert first_audible(pcm, 24_000) == 240
    assert stream([pcm], 24_000) == [Run(bytes(480), audible=False), Run(level(-20, 24), audible=True)]


def test_the_loudest_and_the_lowest_sample_values_are_audible() -> None:
    assert first_audible(array("h", [-32768] * 240).tobytes(), 24_000) == 0
    assert first_audible(array("h", [32767]).tobytes(), 24_000) == 0


# Streams


def stream(pieces: list[bytes], rate_hz: int) -> list[Run]:
    """Feed `pieces`; return the runs, joined where neighbours are alike."""
    runs = AudibleRuns(rate_hz)
    found = [run for piece in pieces for run in runs.feed(piece)] + runs.finish()
    groups = [(audible, list(group)) for audible, group in groupby(found, key=lambda run: run.audible)]
    return [Run(b"".join(run.pcm for run in group), audible) for audible, group in groups]


SOUNDS = st.lists(
    st.builds(level, st.sampled_from([-100.0, -60.0, -50.5, -49.5, -45.0, -40.0, -20.0, -1.0]), st.integers(1, 300)),
    max_size=12,
).map(b"".join)


@given(SOUNDS, st.lists(st.integers(0, 3_000)), st.sampled_from([4_000, 8_000, 11_025]))
def test_how_a_stream_is_cut_changes_nothing(pcm: bytes, cuts: list[int], rate_hz: int) -> None:
    places = sorted({0, len(pcm), *(2 * min(cut, len(pcm) // 2) for cut in cuts)})
    pieces = [pcm[a:b] for a, b in pairwise(places)]
    runs = stream(pieces, rate_hz)
    assert runs == stream([pcm], rate_hz)
    assert b"".join(run.pcm for run in runs) == pcm


@given(SOUNDS)
def test_a_stream_is_audible_no_later_than_the_whole_clip(pcm: bytes) -> None:
    runs = stream([pcm], 8_000)
    onset = next((len(runs[0].pcm) // 2 * n for n, run in enumerate(runs[:2]) if run.audible), None)
    whole = first_audible(pcm, 8_000)
    assert whole is None or (onset is not None and onset <= whole)


@given(SOUNDS, st.integers(1, 200))
def test_a_stream_holds_back_less_than_10_ms(pcm: bytes, size: int) -> None:
    runs, given_bytes, returned = AudibleRuns(8_000), 0, 0
    for at in range(0, len(pcm), 2 * size):
        piece = pcm[at : at + 2 * size]
        given_bytes += len(piece)
        returned += sum(len(run.pcm) for run in runs.feed(piece))
        assert given_bytes - returned < 160


def test_the_next_stream_is_judged_by_its_own_peak() -> None:
    runs = AudibleRuns(8_000)
    runs.feed(level(0, 800))
    runs.finish()
    assert runs.feed(level(-45, 800)) == [Run(level(-45, 800), audible=True)]
