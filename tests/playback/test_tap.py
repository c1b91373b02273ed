"""The tap: what the loudspeaker played lately. Time is made up."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from voiceloop.playback import tap as tap_module
from voiceloop.playback.tap import Tap

RATE_HZ = 8000


def test_the_tap_gives_what_was_played_in_the_last_seconds_at_the_present_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=50.0)
    monkeypatch.setattr(tap_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    tap = Tap()
    assert tap.recent(1.0) == (b"", 0)
    tap.begin(RATE_HZ)
    for value in range(1, 6):
        clock.now += 0.25
        tap.put(memoryview(bytes([value, 0])))
    assert len(tap.take()) == 5
    assert tap.take() == []
    assert tap.recent(0.5) == (b"\3\0\4\0\5\0", RATE_HZ)
    tap.begin(2 * RATE_HZ)
    assert tap.recent(0.5) == (b"", 2 * RATE_HZ)
    tap.put(memoryview(b"\7\0"))
    assert tap.recent(100) == (b"\7\0", 2 * RATE_HZ)
    tap.begin(RATE_HZ)
    for _ in range(401):
        tap.put(memoryview(b"\1\0"))
    assert tap.recent(100) == (b"\1\0" * 400, RATE_HZ)
    assert len(tap.take()) == 402
    for _ in range(3_001):
        tap.put(memoryview(b"\1\0"))
    assert len(tap.take()) == 3_000
