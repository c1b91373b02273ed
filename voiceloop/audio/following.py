"""Tells when another loudspeaker becomes the sound server's default, by `pactl subscribe`. Knows no PortAudio.

Nothing is asked in between: the server tells, PipeWire's too.
"""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable

import trio

from voiceloop.audio.server import default_monitor

AGAIN_S = 2.0
"""When the server is gone, it is tried so often."""
_SURE_S = 0.2
_CHANGED = b" on server "


async def follow_default(tell: Callable[[str], None], ask: Callable[[], str] = default_monitor) -> None:
    """Tell the name of the source that records the default loudspeaker whenever that may be another.

    Goes on until it is cancelled; where there is no `pactl` it ends at once.
    """
    while True:
        try:
            process = await trio.lowlevel.open_process(
                ["pactl", "subscribe"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C.UTF-8"},  # in others it translates
            )
        except OSError:
            return
        assert process.stdout is not None
        try:
            await _heed(process.stdout, tell, ask)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                await process.stdout.aclose()
        await trio.sleep(AGAIN_S)


async def _heed(events: trio.abc.ReceiveStream, tell: Callable[[str], None], ask: Callable[[], str]) -> None:
    rest, listens = b"", False
    while True:
        data = b""
        with trio.move_on_after(math.inf if listens else _SURE_S) as waiting:
            data = bytes(await events.receive_some())
        if not data and not waiting.cancelled_caught:
            return
        *lines, rest = (rest + data).split(b"\n")
        # Until its first line it may not listen yet, and miss what changes. Asking is an event, which it then tells.
        if not listens or any(_CHANGED in line for line in lines):
            listens = listens or bool(lines)
            if name := await trio.to_thread.run_sync(ask, abandon_on_cancel=True):
                tell(name)
