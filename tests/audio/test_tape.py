"""The tape of recent audio, the map of voice on it, its quietest moment (the valley), and the ledger of samples."""

from __future__ import annotations

from array import array

from hypothesis import given, settings
from hypothesis import strategies as st

from voiceloop.audio.tape import Tape, VoiceMap
from voiceloop.capture.ledger import Ledger
from voiceloop.capture.valley import Valley

MARKS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20), st.booleans()), max_size=30)


def tape_of(samples: array[int]) -> Tape:
    tape = Tape()
    tape.append(samples.tobytes())
    return tape


def test_a_tape_returns_samples_by_their_index() -> None:
    tape = Tape(100)
    tape.append(array("h", range(50)).tobytes())
    tape.append(array("h", range(50, 60)).tobytes())
    assert tape.forget_before(120) == 20
    assert tape.forget_before(110) == 0
    assert (tape.start, tape.end) == (120, 160)
    assert array("h", tape.between(145, 155)).tolist() == list(range(45, 55))


@settings(deadline=None, derandomize=True)
@given(marks=MARKS, forgotten=st.integers(0, 40), start=st.integers(0, 80), length=st.integers(0, 40))
def test_a_voice_map_behaves_like_a_set_of_sample_indices(
    marks: list[tuple[int, int, bool]], forgotten: int, start: int, length: int
) -> None:
    voice, samples = VoiceMap(), set[int]()
    for at, count, voiced in marks:
        voice.mark(at, at + count, voiced=voiced)
        stretch = set(range(at, at + count))
        samples = samples | stretch if voiced else samples - stretch
    voice.forget_before(forgotten)
    samples = {sample for sample in samples if sample >= forgotten}
    end = start + length
    assert voice.voiced(start, end) == len(samples & set(range(start, end)))
    assert voice.end == max((sample + 1 for sample in samples), default=None)
    assert voice.first(start) == min((sample for sample in samples if sample >= start), default=None)
    assert voice.last(end) == max((sample + 1 for sample in samples if sample < end), default=None)
    assert sorted(samples) == [sample for a, b in voice for sample in range(a, b)]


def test_the_valley_is_the_quietest_moment() -> None:
    loud = array("h", [1_000, -1_000] * 8_000)
    loud[8_000:10_000] = array("h", [10] * 2_000)
    valley = Valley(0)
    valley.follow(tape_of(loud), 16_000)
    assert abs(valley.cut - 9_000) <= 160


def test_of_equally_quiet_moments_the_last_is_the_valley() -> None:
    valley = Valley(0)
    valley.follow(tape_of(array("h", [500] * 16_000)), 16_000)
    assert valley.cut == 16_000 - 960


@settings(deadline=None, derandomize=True)
@given(
    loudness=st.lists(st.integers(0, 1_000), min_size=1, max_size=60), steps=st.lists(st.integers(1, 900), max_size=40)
)
def test_the_valley_only_moves_forward_however_the_audio_is_cut(loudness: list[int], steps: list[int]) -> None:
    tape = tape_of(array("h", [level for level in loudness for _ in range(160)]))
    once, stepwise = Valley(0), Valley(0)
    once.follow(tape, tape.end)
    at, cuts = 0, [0]
    for step in [*steps, tape.end]:
        at = min(at + step, tape.end)
        stepwise.follow(tape, at)
        cuts.append(stepwise.cut)
    assert cuts == sorted(cuts)
    assert stepwise.cut == once.cut


def test_samples_without_a_decision_are_held() -> None:
    assert Ledger(received=100, sent=40, silence=30, muted=10, dropped=5, lost=77).held == 15


def test_ledgers_add_up() -> None:
    total = Ledger(received=10, sent=4, silence=3) + Ledger(received=5, muted=2, dropped=1, lost=9)
    assert total == Ledger(received=15, sent=4, silence=3, muted=2, dropped=1, lost=9)
    assert total.held == 5
