"""A watcher that reports when another loudspeaker becomes the sound server's default, by means of `pactl subscribe`.

It doesn't poll: the server (PulseAudio or PipeWire) sends an event.
"""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable

import trio

from voiceloop.audio.sound_server import default_monitor

AGAIN_S = 2.0
"""Seconds between two attempts while the server is gone."""
_FIRST_LINE_S = 0.2
_CHANGED = b" on server "


async def follow_default(tell: Callable[[str], None], ask: Callable[[], str] = default_monitor) -> None:
    """Whenever the default loudspeaker may have changed, `ask` for the name of its monitor and `tell` that name.

    Runs until it is cancelled; returns at once if there is no `pactl`.
    """
    while True:
        try:
            process = await trio.lowlevel.open_process(
                ["pactl", "subscribe"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C.UTF-8"},  # in other locales pactl's output is translated
            )
        except OSError:
            return
        assert process.stdout is not None
        try:
            await _read_events(process.stdout, tell, ask)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                await process.stdout.aclose()
        await trio.sleep(AGAIN_S)


async def _read_events(events: trio.abc.ReceiveStream, tell: Callable[[str], None], ask: Callable[[], str]) -> None:
    rest, subscribed = b"", False
    while True:
        data = b""
        with trio.move_on_after(math.inf if subscribed else _FIRST_LINE_S) as waiting:
            data = bytes(await events.receive_some())
        if not data and not waiting.cancelled_caught:
            return
        *lines, rest = (rest + data).split(b"\n")
        # Before its first line `pactl` may not be subscribed yet and miss a change, so ask until a line has come.
        # Asking causes an event itself (a client connects), so a subscribed `pactl` prints a line.
        if not subscribed or any(_CHANGED in line for line in lines):
            subscribed = subscribed or bool(lines)
            if name := await trio.to_thread.run_sync(ask, abandon_on_cancel=True):
                tell(name)
