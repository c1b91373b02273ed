"""A watcher that reports what the sound server says, again whenever that may have changed.

The server (PulseAudio or PipeWire) sends an event. It is asked every 10 s as well, where an event was lost.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import trio

from voiceloop.audio.pulse import NoLibrary, Unanswered, connected
from voiceloop.audio.sound_server import PATIENCE_S, Answer, read

AGAIN_S = 0.5
"""Seconds between two attempts while the server is gone."""
_THREADS = trio.CapacityLimiter(math.inf)
"""A watcher's thread lives as long as the watcher: it must take no place from others."""

Tell = Callable[[Answer], None]
"""Called in the loop. An answer without nodes and with `silence`: the server is gone, and nothing is known."""


async def follow_server(tell: Tell) -> None:
    """Tell what the server says: at once, and after each change of its defaults, its inputs, or what they are used by.

    Runs until it is cancelled; returns at once where nothing can speak to a sound server.
    """
    while True:
        stop, end = os.pipe()
        try:
            silence = await trio.to_thread.run_sync(_follow, stop, tell, abandon_on_cancel=True, limiter=_THREADS)
        finally:
            os.close(end)  # with this `stop` becomes readable, and the thread ends
        if silence is None:
            return
        tell(Answer(silence=silence))
        await trio.sleep(AGAIN_S)


def _follow(stop: int, tell: Tell) -> str | None:
    """Follow the server until it is gone or `stop` is readable, which is closed at the end; return why it ended.

    None if it is of no use to try again. What `tell` raises when nobody listens any more is dropped with the thread.
    """
    try:
        with connected(PATIENCE_S, stop=stop) as connection:
            with connection.limit(PATIENCE_S):
                connection.subscribe()
            while not connection.stopped:
                with connection.limit(PATIENCE_S) as pulse:
                    answer = read(pulse)
                trio.from_thread.run_sync(tell, answer)
                connection.wait()
    except NoLibrary:
        return None
    except Unanswered as error:
        return str(error)
    finally:
        os.close(stop)
    return None
