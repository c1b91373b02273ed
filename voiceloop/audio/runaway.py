"""Finds out that PortAudio has to be loaded afresh, which only a new process can.

After a restart of PipeWire, a thread of PortAudio 19.6 or 19.7 may loop for ever if the stream went through PipeWire's
own plug-in for ALSA (`portaudio.Host.close`). The program hears again by new streams, but that thread costs a core, and
the list of devices can't be renewed any more. Where ALSA's plug-in for PulseAudio is installed this doesn't happen.

An opening that never returns is worse: it holds PortAudio's lists, so that no other stream can be opened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from voiceloop.audio.portaudio import HOST, STUCK_S, Host
from voiceloop.audio.sound_server import ask

RUNAWAY = "PortAudio hangs, though the sound server answers"
CERTAIN_S = 5.0
"""A server that was stopped for a moment answers within this time, and what waited for it returns."""
RETURN_S = 0.5
"""What waited for the server returns within this time once it answers."""


async def answers() -> bool:
    """Whether the sound server answers, and has devices."""
    return bool((await trio.to_thread.run_sync(ask, abandon_on_cancel=True)).nodes)


async def runaway(
    quiet: Callable[[], bool], *, host: Host = HOST, answers: Callable[[], Awaitable[bool]] = answers
) -> None:
    """Return when an open or a close has hung for some seconds though the sound server answers, at a moment that is
    `quiet`. Costs nothing while none hangs."""
    send, receive = trio.open_memory_channel[None](1)  # one is enough to wake this; more are dropped

    def on_stuck() -> None:
        with suppress(trio.WouldBlock):
            send.send_nowait(None)

    host.on_stuck = on_stuck
    try:
        while True:
            if host.hung_s <= STUCK_S:
                await receive.receive()
            await trio.sleep(CERTAIN_S)
            if host.hung_s > CERTAIN_S and await answers():
                await trio.sleep(RETURN_S)
                if host.hung_s > CERTAIN_S + RETURN_S and quiet():
                    return
    finally:
        host.on_stuck = lambda: None
        send.close()
        receive.close()
