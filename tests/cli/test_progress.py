"""The progress of fetching: lines that fit, redrawn on a terminal, one for each file elsewhere."""

from __future__ import annotations

import io
import os
import pty
import termios
import tty
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop.cli import progress as progress_module
from voiceloop.cli.progress import Progress, line


@pytest.mark.parametrize(
    ("done", "total", "expected"),
    [
        (0, 76_000_000, "model.bin  [....................]  0 kB of 76 MB"),
        (38_000_000, 76_000_000, "model.bin  [##########..........]  38 MB of 76 MB"),
        (76_000_000, 76_000_000, "model.bin  [####################]  76 MB"),
        (3_000_000, None, "model.bin  3.0 MB"),
        (0, 0, "model.bin  0 kB"),
    ],
)
def test_a_line_says_how_far_a_file_is(done: int, total: int | None, expected: str) -> None:
    assert line("model.bin", done, total, 80) == expected


@given(st.text("abc.-", max_size=60), st.integers(0, 10**13), st.none() | st.integers(0, 10**13), st.integers(2, 200))
def test_no_line_is_wider_than_the_terminal(name: str, done: int, total: int | None, columns: int) -> None:
    assert len(line(name, done, total, columns)) < columns


def test_elsewhere_there_is_a_line_for_each_file_that_is_whole() -> None:
    out = io.StringIO()
    progress = Progress(out)
    for done in (0, 50_000, 100_000, 100_000):
        progress("a", done, 100_000)
    progress("b", 200_000, 200_000)
    progress("c", 10, 20)
    progress.end()
    assert out.getvalue() == "a  [####################]  0.1 MB\nb  [####################]  0.2 MB\n"


def _read(handle: int) -> bytes:
    """What there is to read; nothing if all was read."""
    try:
        return os.read(handle, 65_536)
    except BlockingIOError:
        return b""


def test_on_a_terminal_one_line_is_redrawn_and_ends_when_the_file_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_module, "time", SimpleNamespace(monotonic=lambda: 1000.0))  # all of it at one moment
    reader, writer = pty.openpty()
    tty.setraw(writer)  # else the kernel would write "\r\n" for "\n"
    termios.tcsetwinsize(writer, (24, 80))
    with os.fdopen(writer, "w") as terminal:
        progress = Progress(terminal)
        for done in range(0, 100_001, 100):
            progress("model.bin", done, 100_000)
        progress("next", 10, None)
        progress.end()
        progress.end()
        os.set_blocking(reader, False)
        text = b"".join(iter(lambda: _read(reader), b"")).decode()
    os.close(reader)
    first, second, rest = text.split("\n")
    assert first.endswith("model.bin  [####################]  0.1 MB")
    assert first.count("\r\x1b[K") == 2, "it is not redrawn a thousand times"
    assert second == "\r\x1b[Knext  0 kB"
    assert rest == ""
