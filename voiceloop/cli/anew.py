"""Starts the program anew in the same process, with the same arguments, and hands over what lives on.

    process 1   StartAnew -> `start`: writes what lives on into memory that outlives `exec`
    process 2   `handed_over`: reads it, once

At most once in 10 s and 5 times in an hour. Beyond that the program ends with exit code 75, on which a service manager
starts it again later.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Sequence

from voiceloop.audio.portaudio import HOST
from voiceloop.control.kept import NOTHING, Kept
from voiceloop.errors import StartAnew
from voiceloop.events import Publish
from voiceloop.system.private_files import restore_umask

_TIMES = "VOICELOOP_STARTED_ANEW"
"""The environment variable with the times of the earlier starts."""
_HANDED_OVER = "VOICELOOP_HANDED_OVER"
"""The environment variable with the file descriptor of what lives on."""
_DEVICES_WITHIN_S = 30.0
_PAUSE_S, _HOUR_S, _PER_HOUR = 10.0, 3600.0, 5


def allowed(earlier: Sequence[float], now: float) -> bool:
    """Whether the program may start anew, after it did so at these times (seconds)."""
    recent = [at for at in earlier if 0 <= now - at < _HOUR_S]
    return len(recent) < _PER_HOUR and all(now - at >= _PAUSE_S for at in recent)


def times(text: str) -> list[float]:
    """The times in the environment variable. What can't be read doesn't count."""
    found = []
    for word in text.split():
        with contextlib.suppress(ValueError):
            found.append(float(word))
    return found


def start(reason: StartAnew) -> None:
    """Start the program anew; returns only if it may not."""
    earlier, now = times(os.environ.get(_TIMES, "")), time.time()
    if reason.kept is None or not allowed(earlier, now):
        return
    memory = os.memfd_create("voiceloop", 0)  # without MFD_CLOEXEC: it outlives exec
    with os.fdopen(memory, "w", encoding="utf-8", closefd=False) as file:
        json.dump(reason.kept, file)
    os.lseek(memory, 0, os.SEEK_SET)
    os.environ[_HANDED_OVER] = str(memory)
    os.environ[_TIMES] = " ".join(str(int(at)) for at in (*earlier[-_PER_HOUR:], now))
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    _close_at_exec(memory)
    restore_umask()
    os.execv(sys.executable, sys.orig_argv)


def _open_files() -> set[int]:
    numbers = {int(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208 - names are all that is wanted
    return {number for number in numbers if _is_open(number)}  # without that of the listing itself


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _close_at_exec(memory: int) -> None:
    """Have exec close what libraries opened meanwhile, as the connections to the sound server: else the server would
    keep streams that nobody reads."""
    for number in _open_files() - _given - {memory}:
        with contextlib.suppress(OSError):  # a thread may close it now
            os.set_inheritable(number, False)


_given: set[int] = set()
"""The files that were open when the command began: the user's, as in `--to file:/dev/fd/3`."""


def handed_over(publish: Publish) -> Kept:
    """What the process before this one has handed over, with a notice; nothing if this is the first."""
    _given.update(_open_files())
    number = os.environ.pop(_HANDED_OVER, None)
    if number is None:
        return NOTHING
    try:
        with os.fdopen(int(number), encoding="utf-8") as file:
            values = json.load(file)
    except (OSError, ValueError, TypeError, OverflowError, RecursionError):  # the variable came from elsewhere
        return NOTHING
    publish("notice", text="Started anew, because PortAudio hung, though the sound server answered.")
    HOST.first_wait_s = _DEVICES_WITHIN_S  # a sound server that has just been restarted may not have its devices yet
    return Kept.of(values)
