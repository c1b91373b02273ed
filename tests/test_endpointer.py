"""How long a pause must last."""

from __future__ import annotations

from voiceloop.capture.endpointer import Endpointer, Pause, samples


def test_a_pause_must_last_as_long_as_the_hangover() -> None:
    assert Endpointer().hangover(Pause(start=0, hangover=9_600, voice=16_000)) == 9_600


def test_the_bounds_hold_whatever_the_hangover() -> None:
    endpointer = Endpointer(shortest_ms=200, longest_ms=500)
    assert endpointer.hangover(Pause(start=0, hangover=0, voice=16_000)) == samples(200)
    assert endpointer.hangover(Pause(start=0, hangover=16_000, voice=16_000)) == samples(500)


def test_milliseconds_become_samples_at_the_capture_rate() -> None:
    assert samples(1_000) == 16_000
    assert samples(0.5) == 8
