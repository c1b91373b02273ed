"""The fixtures of the sound tests; `cable.py` says what the cable is."""

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
    if "sounddevice" in sys.modules:  # it knows the devices of an earlier server
        HOST.suspect()
    yield cable
    cable.resume()  # so that calls that hang in abandoned threads return
    deadline = time.monotonic() + 3
    while (
        HOST.streams and time.monotonic() < deadline
    ):  # PortAudio's thread of one that dies half closed spins for ever
        time.sleep(0.01)
    cable.kill()
