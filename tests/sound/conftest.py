"""Fixtures of the sound tests. `testbed/sound/cable.py` explains the virtual cable."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

import pytest

from testbed.sound.cable import Cable, why_not
from tests.sound import own_process
from tests.sound.servers import KINDS, NAMES
from voiceloop.audio.portaudio import HOST

_exit_code = [1]


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(exitstatus: int) -> None:
    _exit_code[0] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = [own_process.Alone.in_place_of(item) for item in items]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End a process that ran one test as the program ends: a thread of PortAudio that stays would crash at the exit."""
    if own_process.is_one():
        sys.stdout.flush()
        os._exit(_exit_code[0])


@pytest.fixture(params=KINDS, ids=NAMES)
def cable(request: pytest.FixtureRequest) -> Iterator[Cable]:
    """A private sound server: PulseAudio, then PipeWire. The test is skipped where there can't be one."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    with Cable(request.param) as running:
        yield running


@pytest.fixture
def on_cable(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cable]:
    """The cable, with this process's own PortAudio on it."""
    cable.server.load_libraries()
    for name, value in cable.changes.items():
        monkeypatch.setenv(name, value)
    if "sounddevice" in sys.modules:  # PortAudio's device list is that of an earlier server
        HOST.suspect()
        HOST._through_pulse = False  # as in a program that starts
    yield cable
    cable.resume()  # so that hanging calls in abandoned threads return
    deadline = time.monotonic() + 3
    # If the server died while a stream was half closed, PortAudio's thread would spin for ever.
    while HOST.streams and time.monotonic() < deadline and not own_process.is_one():
        time.sleep(0.01)
    cable.kill()
