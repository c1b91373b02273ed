"""What keeps the messages of ALSA, JACK, PipeWire and PortAudio off standard error, where they would disturb the user.

quiet              while a device is listed or opened: all that any library writes to file descriptor 2
silence_libraries  from then on: what ALSA reports, and what C code prints through `stderr`
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LIMIT_S = 10.0


def silence_libraries() -> None:
    """Turn off for good what sound libraries print while a stream runs, as when the sound server ends: the program
    reports that itself, and their lines would appear among the captions.

    ALSA has a handler for its messages. PortAudio and libpulse print through C's `stderr`, which with glibc is a
    variable: it is pointed at /dev/null. File descriptor 2 stays as it is, for Python, faulthandler and children.
    """
    if sys.platform != "linux":
        return
    import ctypes

    text, number = ctypes.c_char_p, ctypes.c_int
    ignore = ctypes.CFUNCTYPE(None, text, number, text, number, text)(lambda *_: None)
    with suppress(OSError):
        ctypes.CDLL("libasound.so.2").snd_lib_error_set_handler(ignore)
        _KEEP_ALIVE.append(ignore)
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:  # in musl `stderr` is a constant
        return
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    if null := libc.fopen(os.devnull.encode(), b"w"):
        ctypes.c_void_p.in_dll(libc, "stderr").value = null


_KEEP_ALIVE: list[object] = []
"""Callbacks that C code may call as long as the process lives, so they must not be garbage-collected."""


_REDIRECTION = threading.Lock()
_quiet_blocks: set[object] = set()
"""The blocks that run now, by a token each: several threads may be in one. Guarded by `_REDIRECTION`."""
_saved: list[int] = []
"""The real standard error while it is redirected: one file descriptor, or none. Guarded by `_REDIRECTION`."""


@contextmanager
def quiet() -> Iterator[None]:
    """Discard what is written to file descriptor 2 while the block runs: ALSA, JACK and PortAudio print there what they
    try. The program's own messages are not lost, because it writes to a descriptor of its own (`own_standard_error`).

    Standard error comes back after 10 s at the latest, for programs that are started while a call hangs.
    """
    token = object()
    _enter(token)
    timer = threading.Timer(_LIMIT_S, _leave, (token,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _leave(token)


def own_standard_error() -> None:
    """Have `sys.stderr` write to a copy of file descriptor 2, so that `quiet` discards no line of the program."""
    try:
        copy = os.dup(2)
    except OSError:  # it is closed
        return
    sys.stderr = open(  # noqa: PTH123, SIM115 - for good
        copy, "w", encoding=getattr(sys.stderr, "encoding", "utf-8"), errors="backslashreplace", buffering=1
    )


def _enter(token: object) -> None:
    with _REDIRECTION:
        _quiet_blocks.add(token)
        if not _saved:
            with suppress(OSError):  # standard error is closed
                _saved.append(os.dup(2))
                _redirect()


def _redirect() -> None:
    with suppress(OSError), Path(os.devnull).open("w", encoding="ascii") as devnull:
        os.dup2(devnull.fileno(), 2)


def _leave(token: object) -> None:
    with _REDIRECTION:
        _quiet_blocks.discard(token)
        if _saved and not _quiet_blocks:
            real = _saved.pop()
            os.dup2(real, 2)
            os.close(real)
