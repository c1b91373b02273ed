"""Digital silence from the microphone: when it is told."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voiceloop.capture.digital_silence import LIMIT, DigitalSilence

SECOND = bytes(32_000)
HISS = b"\x01\x00" * 320


def seconds(silence: DigitalSilence, count: int) -> list[bool]:
    return [silence.feed(SECOND) for _ in range(count)]


def test_five_seconds_from_the_start_are_told_once() -> None:
    assert seconds(DigitalSilence(), 8) == [False] * 4 + [True] + [False] * 3


def test_a_microphone_that_has_been_heard_may_be_silent() -> None:
    silence = DigitalSilence()
    silence.feed(SECOND)
    silence.feed(bytes(638) + b"\x00\x01")
    assert not any(seconds(silence, 60))


def test_silence_is_told_when_the_user_holds_push_to_talk_also_in_several_short_presses() -> None:
    silence = DigitalSilence()
    silence.feed(HISS)
    for _ in range(2):
        silence.expect(heard=True)
        assert not any(seconds(silence, 2))
        silence.expect(heard=False)
        assert not any(seconds(silence, 60))
    silence.expect(heard=True)
    assert seconds(silence, 2) == [True, False]


def test_silence_between_two_presses_counts_from_the_last_sound() -> None:
    silence = DigitalSilence()
    seconds(silence, 4)
    silence.feed(HISS)
    silence.expect(heard=True)
    assert not any(seconds(silence, 4))


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60))
def test_the_blocks_do_not_matter(sizes: list[int]) -> None:
    silence, samples = DigitalSilence(), 0
    for size in sizes:
        before, samples = samples, samples + size
        assert silence.feed(bytes(2 * size)) is (before < LIMIT <= samples)
