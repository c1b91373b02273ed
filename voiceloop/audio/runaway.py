"""Finds out that PortAudio has to be loaded afresh, which only a new process can.

After a restart of PipeWire, a thread of PortAudio 19.6 or 19.7 may loop for ever if the stream went through PipeWire's
own plug-in for ALSA (`portaudio.Host.close`). The program hears again by new streams, but that thread costs a core, and
the list of devices can't be renewed any more. Where ALSA's plug-in for PulseAudio is installed this doesn't happen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from voiceloop.audio.portaudio import HOST, Host
from voiceloop.audio.sound_server import ask

RUNAWAY = "a thread of PortAudio did not end when the sound server was restarted"
CERTAIN_S = 5.0
"""A server that was stopped for a moment answers within this time, and the stream's close returns."""


async def answers() -> bool:
    """Whether the sound server answers, and has devices."""
    return bool((await trio.to_thread.run_sync(ask, abandon_on_cancel=True)).nodes)


async def runaway(
    quiet: Callable[[], bool], *, host: Host = HOST, answers: Callable[[], Awaitable[bool]] = answers
) -> None:
    """Return when a close has hung for some seconds though the sound server answers, at a moment that is `quiet`."""
    while True:
        await _stuck(host)
        await trio.sleep(CERTAIN_S)
        if await answers() and host.stuck and quiet():
            return


async def _stuck(host: Host) -> None:
    """Wait until a close hangs. Costs nothing meanwhile."""
    told = trio.Event()
    token = trio.lowlevel.current_trio_token()
    host.on_stuck = lambda: token.run_sync_soon(told.set)
    try:
        if not host.stuck:
            await told.wait()
    finally:
        host.on_stuck = lambda: None
