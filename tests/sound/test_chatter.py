"""Standard error holds the program's own lines alone, at the start and while the sound server comes and goes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from testbed.running import running
from testbed.sound.cable import Cable

pytestmark = pytest.mark.sound

WORDS = (
    "--config",
    "offline",
    *("--set", "handler.use=echo", "--set", "control.enabled=false", "--set", "speak.use=none"),
)
CHATTER = re.compile(r"ALSA|[Jj]ack|Expression|Pa[A-Z]\w+|pulse|pipewire|pw_|spa", re.ASCII)


def test_nothing_of_alsa_jack_or_portaudio_is_printed_when_the_server_is_restarted(
    cable: Cable, tmp_path: Path
) -> None:
    env = cable.env | {name: str(tmp_path) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")}
    with running(*WORDS, env=env) as program:
        program.wait_for("ready")
        cable.restart()
        # Where PortAudio hangs after that the program starts itself anew.
        program.wait_for_any({"device.back": 1, "ready": 2})
        assert program.end()[0] == 130
    assert [line for line in program.errors if CHATTER.search(line)] == []
