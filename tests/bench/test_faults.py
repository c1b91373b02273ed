"""The benchmark of faults: its table, and which of the program's events say that the microphone is back."""

from __future__ import annotations

import subprocess
import sys

from bench.faults import Result, back
from testbed.running import Event, Running


def run_with(*events: tuple[float, str, str]) -> Running:
    process = subprocess.Popen([sys.executable, "-c", ""], text=True)
    process.wait()
    return Running(process, 0.0, [Event(at, {"event": name, "which": which}) for at, name, which in events])


def test_the_microphone_is_back_when_its_last_return_was() -> None:
    """A server that starts may be lost once more."""
    run = run_with(
        (1.0, "device.back", "microphone"),
        (5.0, "device.lost", "microphone"),
        (5.5, "device.back", "microphone"),
        (5.6, "device.lost", "microphone"),
        (6.0, "device.back", "microphone"),
        (7.0, "device.back", "loudspeaker"),
    )
    assert back(run, since=4.0) == 6.0


def test_a_return_from_an_earlier_fault_does_not_count() -> None:
    assert back(run_with((1.0, "device.back", "microphone")), since=4.0) is None


def test_a_row_has_the_median_and_the_worst_of_the_times() -> None:
    result = Result("restart", rounds=3, heard=3, same=2, answered=3, back_s=[0.1, 0.0, 1.25])
    assert result.line() == "| restart | 3 of 3 | 2 of 3 | 3 of 3 | 3 of 3 | 0.10 s | 1.25 s |"


def test_a_fault_by_which_no_microphone_was_lost_has_no_times() -> None:
    assert Result("default", rounds=1, heard=1).line() == "| default | 1 of 1 | 0 of 1 | 0 of 1 | 0 of 1 | - | - |"
