"""A filter that keeps ALSA's and PortAudio's own messages off standard error, so that they don't disturb the user."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LIMIT_S = 0.5


def silence_alsa() -> None:
    """Turn off ALSA's messages about underruns for good: the program counts underruns, and the messages would be
    printed over the captions.
    """
    if sys.platform == "linux":
        import ctypes

        text, number = ctypes.c_char_p, ctypes.c_int
        ignore = ctypes.CFUNCTYPE(None, text, number, text, number, text)(lambda *_: None)
        with suppress(OSError):
            ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(ignore)
            _KEEP_ALIVE.append(ignore)


_KEEP_ALIVE: list[object] = []
"""Callbacks that C code may call as long as the process lives, so they must not be garbage-collected."""


@contextmanager
def quiet() -> Iterator[None]:
    """Discard standard error while the block runs, because ALSA and PortAudio print what they try there.

    Standard error comes back after 0.5 s at the latest: if a call hangs, the program's own messages must still appear.
    """
    try:
        saved = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    timer = threading.Timer(_LIMIT_S, os.dup2, (saved, 2))
    timer.daemon = True
    timer.start()
    with suppress(OSError), Path(os.devnull).open("w", encoding="ascii") as devnull:
        os.dup2(devnull.fileno(), 2)
    try:
        yield
    finally:
        timer.cancel()
        os.dup2(saved, 2)
        timer.join()
        os.close(saved)
