"""Fixtures of the sound tests. `testbed/sound/cable.py` explains the virtual cable."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from testbed.sound.cable import Cable, why_not
from voiceloop.audio.portaudio import HOST


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A private sound server; the test is skipped where there can't be one."""
    if reason := why_not():
        pytest.skip(reason)
    with Cable() as running:
        yield running


@pytest.fixture
def on_cable(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    """The cable, with this process's own PortAudio on it."""
    for name, value in cable.changes.items():
        monkeypatch.setenv(name, value)
    if "sounddevice" in sys.modules:  # PortAudio's device list is that of an earlier server
        HOST.suspect()
    yield cable
    cable.resume()  # so that hanging calls in abandoned threads return
    deadline = time.monotonic() + 3
    # If the server died while a stream was half closed, PortAudio's thread would spin for ever.
    while HOST.streams and time.monotonic() < deadline:
        time.sleep(0.01)
    cable.kill()
