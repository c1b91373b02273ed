"""PortAudio's calls as async functions, each in a thread, because they may block for ever if the sound server hangs.

When the caller is cancelled the thread is abandoned; a stream that it opens nevertheless is closed. The process ends
with `os._exit`, which doesn't wait for threads.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, repeat
from typing import TypeVar

import trio

from voiceloop.audio.devices import Device
from voiceloop.audio.portaudio import HOST, STUCK_S, Host
from voiceloop.audio.raw_streams import Callback, Request, Stream
from voiceloop.errors import DeviceError
from voiceloop.nursery import private_nursery

_T = TypeVar("_T")
_LIMIT_S = 5.0
_UNLIMITED = trio.CapacityLimiter(math.inf)
"""Calls that never return keep their place in a limiter: Trio's own, of 40 places, would be full some day."""
_BACKOFF_S = (0.05, 0.1, 0.2, 0.4, 0.8, *(1.0,) * 10, 2.0)
"""For as long as a sound server may take to start, a device is opened within about a second of its return."""
ONCE_MORE_S = 0.25
"""How much longer to wait for a device that seems to be gone. When the whole process stood still (it was stopped, the
machine slept, or something held the GIL), the loop may run before the callbacks that are due, which then come."""


def pauses() -> Iterator[float]:
    """Return how long to wait, in seconds, before each attempt to open a lost device. The first attempt comes at once.

    A device that opens and dies before it delivers or takes any sound counts as a failed attempt: without a pause after
    it, the loop would open it thousands of times a second.
    """
    return chain((0.0,), _BACKOFF_S, repeat(_BACKOFF_S[-1]))


async def devices(host: Host = HOST) -> list[Device]:
    """List the sound devices. Raises DeviceError if PortAudio is missing or the sound server hangs."""

    async def list_devices() -> list[Device]:
        return await trio.to_thread.run_sync(host.devices, abandon_on_cancel=True, limiter=_UNLIMITED)

    return await _within_limit(list_devices, place="audio")


async def open_first(
    request: Request, callback: Callback, finished: Callable[[], None], *, host: Host = HOST
) -> Stream:
    """Open a stream at the program's start, where a sound server that hangs is an error: raises DeviceError after 5 s.

    Otherwise as `open_stream`. What fails is tried again for `Host.first_wait_s`.
    """
    ends = trio.current_time() + host.first_wait_s
    for pause_s in pauses():
        await trio.sleep(pause_s)
        try:
            return await _within_limit(
                lambda: open_stream(request, callback, finished, host=host), place=f"audio.{request.which}"
            )
        except DeviceError:
            if trio.current_time() >= ends:
                raise
    raise AssertionError("pauses end")


async def _within_limit(call: Callable[[], Awaitable[_T]], *, place: str) -> _T:
    with trio.move_on_after(_LIMIT_S):
        return await call()
    raise DeviceError(
        f"the sound server has not answered for {_LIMIT_S:.0f} s",
        place=place,
        remedy="Restart it, for example: systemctl --user restart pipewire pipewire-pulse (or: pulseaudio -k)",
    )


async def open_stream(
    request: Request, callback: Callback, finished: Callable[[], None], *, host: Host = HOST
) -> Stream:
    """Run `Host.open` in a thread. If this is cancelled meanwhile, a stream that the thread opens is closed.

    `Host.on_stuck` is called if it takes longer than `STUCK_S`. It is waited for all the same.
    """
    handover = threading.Lock()
    abandoned = False
    opened: Stream | None = None

    def work() -> Stream:
        nonlocal opened
        stream = host.open(request, callback, finished)
        with handover:
            opened = stream
            if not abandoned:
                return stream
        host.close(stream)
        return stream

    try:
        async with private_nursery() as nursery:
            nursery.start_soon(_tell_if_stuck, host, name="watching an opening")
            return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=_UNLIMITED)
    except BaseException:  # cancelled, if there is a stream; perhaps just when the thread was done
        with handover:
            abandoned = True
            unclaimed = opened
        if unclaimed is not None:
            threading.Thread(target=host.close, args=(unclaimed,), daemon=True).start()
        raise


async def _tell_if_stuck(host: Host) -> None:
    await trio.sleep(STUCK_S)
    host.on_stuck()


async def close_stream(stream: Stream, *, host: Host = HOST) -> bool:
    """Run `Host.close` in a thread, for `STUCK_S` at most; returns whether the stream is closed.

    After that time, and if this is cancelled, the thread goes on alone. The stream's callback may then still be called.
    """
    with trio.move_on_after(STUCK_S) as limit:
        await trio.to_thread.run_sync(host.close, stream, abandon_on_cancel=True, limiter=_UNLIMITED)
    if limit.cancelled_caught:
        host.on_stuck()
    return not limit.cancelled_caught
