"""A process that is forced to end: no file says afterwards that it still runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SLOW_TO_END = """
import signal, time
import trio
from voiceloop.cli.running import run_async
from voiceloop.control.socket_files import listening

async def work():
    with listening("run"):
        print("listening", flush=True)
        try:
            await trio.sleep_forever()
        finally:
            time.sleep(60)  # as a sound server that doesn't answer

run_async(work)
"""


def test_a_forced_end_leaves_no_socket(tmp_path: Path) -> None:
    env = os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", SLOW_TO_END], env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        assert len(list((tmp_path / "voiceloop").iterdir())) == 2
        process.terminate()
        assert process.wait(30) == 0
    assert list((tmp_path / "voiceloop").iterdir()) == []
