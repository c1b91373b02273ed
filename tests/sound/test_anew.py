"""After a restart of PipeWire a thread of PortAudio may loop for ever: the program starts itself anew."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from testbed.running import running, voiceloop
from testbed.sound.cable import Cable
from tests.sound.servers import pipewire_only

pytestmark = pytest.mark.sound

WORDS = (
    "--config",
    "offline",
    "-i",
    "pipewire",
    "-o",
    "pipewire",
    "--set",
    "handler.use=echo",
    "--set",
    "speak.use=none",
)
CLOCK_HZ = 100


def cpu_s(pid: int) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_HZ


@pipewire_only
def test_the_program_starts_itself_anew_with_the_same_state_and_the_runaway_thread_is_gone(
    cable: Cable, tmp_path: Path
) -> None:
    env = cable.env | {name: str(tmp_path) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")}
    with running(*WORDS, env=env) as program:
        program.wait_for("ready")
        assert voiceloop("ctl", "stop", env=env)[0] == 0
        cable.restart()
        ready = program.wait_for("ready", count=2)
        assert ready.fields["state"] == "idle"
        assert "Started anew" in program.named("notice")[-1].fields["text"]
        assert voiceloop("ctl", "status", env=env)[0] == 0
        pid = program.process.pid
        before = cpu_s(pid)
        time.sleep(1.0)  # the span that is measured
        assert cpu_s(pid) - before < 0.5
        assert program.end()[0] == 130
