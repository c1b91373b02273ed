"""The whole program: from a recording at the microphone to its words in a window."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import trio

from testbed.desktops.screens import needs, open_field, open_xvfb
from testbed.server.script import Script
from testbed.server.serve import open_server

WORDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison/agent-alreadyon.wav")
"""A recorded sentence at 8 kHz."""

pytestmark = [
    needs("Xvfb", "xdotool", module="tkinter"),
    pytest.mark.skipif(
        not WORDS.exists(), reason="not installed: asterisk-core-sounds-en-wav (scripts/test installs it)"
    ),
]


async def test_words_spoken_at_the_microphone_are_typed_into_the_window(tmp_path: Path) -> None:
    script = Script(key="test-key", texts=["Dear Ada, new line. ls\n\x1b]0;x\x07\u202e漢"])
    (tmp_path / "run").mkdir(mode=0o700)
    async with open_xvfb(tmp_path) as env, open_field(env, "--name", "Notes") as field, open_server(script) as server:
        env |= {"XDG_RUNTIME_DIR": str(tmp_path / "run"), "OPENROUTER_API_KEY": "test-key"}
        sets = [f"openrouter.base_url={server.url}", "control.notify=false"]
        argv = [sys.executable, "-m", "voiceloop", "dictate", "-v", "--cloud", "-i", f"file:{WORDS}"]
        argv += [part for one in sets for part in ("--set", one)]
        with trio.fail_after(120):
            done = await trio.run_process(argv, env=env, check=False, capture_stderr=True, capture_stdout=True)
        output = done.stderr.decode()
        assert done.returncode == 0, output
        assert "dictation into xdotool, focus: watched" in output
        await field.until(text="Dear Ada\nLs 漢")
        assert server.broken == []
