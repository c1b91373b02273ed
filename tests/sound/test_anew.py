"""After a restart of the sound server a call to PortAudio may never return: the program starts itself anew."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from testbed.running import running, voiceloop
from testbed.sound.cable import Cable
from tests.sound.servers import pipewire_only
from voiceloop.trace.build import build
from voiceloop.trace.read import read

pytestmark = pytest.mark.sound

WORDS = ("--config", "offline", "--set", "handler.use=echo", "--set", "speak.use=none")
CLOCK_HZ = 100


def cpu_s(pid: int) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_HZ


HANGS = """
import os
if "VOICELOOP_STARTED_ANEW" not in os.environ:
    import threading
    import sounddevice
    {}
"""
"""Python runs this first: something hangs in the first process."""
CLOSE = "sounddevice._StreamBase.abort = lambda stream, ignore_errors=True: threading.Event().wait()"
"""No close ever returns, as where a thread of PortAudio loops for ever."""
OPEN = """
    start, opened = sounddevice._StreamBase.start, set()
    def start_once(stream):
        if type(stream) in opened:
            threading.Event().wait()
        opened.add(type(stream))
        start(stream)
    sounddevice._StreamBase.start = start_once
"""
"""The microphone and the loudspeaker are opened once, and never again."""


def environment(cable: Cable, folder: Path) -> dict[str, str]:
    return cable.env | {name: str(folder) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")}


@pytest.mark.parametrize("what", [pytest.param(CLOSE, id="close"), pytest.param(OPEN, id="open")])
def test_after_a_call_that_hangs_the_program_goes_on_in_a_new_process_with_the_same_state(
    cable: Cable, tmp_path: Path, what: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGS.format(what))
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = environment(cable, tmp_path) | {"PYTHONPATH": path}
    with running(*WORDS, env=env) as program:
        program.wait_for("ready")
        assert voiceloop("ctl", "stop", env=env)[0] == 0
        cable.restart()
        ready = program.wait_for("ready", count=2)
        assert ready.fields["state"] == "idle"
        assert any("Started anew" in event.fields["text"] for event in program.named("notice"))
        assert json.loads(voiceloop("ctl", "status", "--json", env=env)[1])["pid"] == program.process.pid
        assert program.end()[0] == 130


def test_a_program_that_writes_a_trace_ends_for_a_new_one_would_overwrite_it(cable: Cable, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGS.format(OPEN))
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = environment(cable, tmp_path) | {"PYTHONPATH": path}
    with running(*WORDS, "--trace", str(tmp_path / "t.jsonl"), env=env) as program:
        program.wait_for("ready")
        cable.restart()
        assert program.ended() == 75
    assert "would overwrite the trace" in program.errors[-1]
    assert build(read(tmp_path / "t.jsonl")).flaws == ()


@pipewire_only
def test_no_thread_is_left_that_costs_a_core(cable: Cable, tmp_path: Path) -> None:
    """Whether a thread of PortAudio loops after a restart differs from time to time."""
    words = ("-i", "pipewire", "-o", "pipewire")  # PipeWire's own plug-in for ALSA, also where the other one is
    with running(*WORDS, *words, env=environment(cable, tmp_path)) as program:
        program.wait_for("ready")
        cable.restart()
        program.wait_for("device.back")
        pid, deadline, used = program.process.pid, time.monotonic() + 60, 1.0
        while used > 0.5:
            assert time.monotonic() < deadline
            before = cpu_s(pid)
            time.sleep(1.0)  # the span that is measured
            used = cpu_s(pid) - before
        assert program.end()[0] == 130
