"""`voiceloop trace` on a terminal, with its width and colours, and into a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

from testbed.running import COMMAND, voiceloop
from tests.trace.making import one_turn, written


def on_a_terminal(path: Path, columns: int, **env: str) -> str:
    """Return what the command writes to a terminal of this width."""
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "TERM"}}
    process = subprocess.Popen(
        [COMMAND, "trace", str(path)], env=inherited | {"TERM": "xterm-256color"} | env, stdout=terminal, stdin=terminal
    )
    os.close(terminal)
    output = b""
    try:
        while piece := os.read(master, 65_536):
            output += piece
    except OSError:  # Linux reports the end of the program so
        pass
    os.close(master)
    assert process.wait() == 0
    return output.decode()


def test_a_terminal_gets_colours_and_lines_of_its_width(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", one_turn())
    assert "\x1b[" in on_a_terminal(path, 100)
    plain = on_a_terminal(path, 60, NO_COLOR="1")
    assert "\x1b" not in plain
    assert max(map(len, plain.splitlines())) == 60
    assert "\x1b" not in on_a_terminal(path, 60, TERM="dumb")


def test_a_pipe_gets_plain_text(tmp_path: Path) -> None:
    code, out, _ = voiceloop("trace", str(written(tmp_path / "t.jsonl", one_turn())))
    assert code == 0
    assert "\x1b" not in out
    assert "1130 ms" in out
