"""Keeps what ALSA and PortAudio print off standard error, which belongs to the person at the terminal."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_AT_MOST_S = 0.5


def silence_alsa() -> None:
    """Take ALSA's lines about underruns off standard error for good: we count them, and they scribble over captions."""
    if sys.platform == "linux":
        import ctypes

        text, number = ctypes.c_char_p, ctypes.c_int
        nothing = ctypes.CFUNCTYPE(None, text, number, text, number, text)(lambda *_: None)
        with suppress(OSError):
            ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(nothing)
            _FOR_EVER.append(nothing)


_FOR_EVER: list[object] = []
"""What C code may call as long as the process lives."""


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ALSA's and PortAudio's chatter about what they tried off standard error.

    Not for longer than `_AT_MOST_S`: a call that hangs must not take the whole program's voice with it.
    """
    try:
        saved = os.dup(2)
    except OSError:  # closed: nothing to keep quiet
        yield
        return
    timer = threading.Timer(_AT_MOST_S, os.dup2, (saved, 2))
    timer.daemon = True
    timer.start()
    with suppress(OSError), Path(os.devnull).open("w", encoding="ascii") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        timer.cancel()
        os.dup2(saved, 2)
        timer.join()
        os.close(saved)
