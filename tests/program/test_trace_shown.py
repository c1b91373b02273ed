"""`voiceloop trace` on a real terminal: its width and its colours, and neither where there is none."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

from testbed.running import COMMAND, voiceloop
from tests.trace.making import whole, written


def on_a_terminal(path: Path, columns: int, **env: str) -> str:
    """What the command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "TERM"}}
    process = subprocess.Popen(
        [COMMAND, "trace", str(path)], env=kept | {"TERM": "xterm-256color"} | env, stdout=theirs, stdin=theirs
    )
    os.close(theirs)
    written_ = b""
    try:
        while piece := os.read(ours, 65_536):
            written_ += piece
    except OSError:  # how a terminal ends whose program has ended
        pass
    os.close(ours)
    assert process.wait() == 0
    return written_.decode()


def test_a_terminal_gets_colours_and_lines_that_fit(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", whole())
    assert "\x1b[" in on_a_terminal(path, 100)
    plain = on_a_terminal(path, 60, NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) == 60
    assert "\x1b" not in on_a_terminal(path, 60, TERM="dumb")


def test_a_pipe_gets_plain_text(tmp_path: Path) -> None:
    code, out, _ = voiceloop("trace", str(written(tmp_path / "t.jsonl", whole())))
    assert code == 0
    assert "\x1b" not in out
    assert "1130 ms" in out
