"""PortAudio for the loop: each call in a thread of its own, which may block for ever while a sound server is stopped.

When the caller is cancelled the thread is abandoned; what it has opened by then, it closes. The process leaves by
`os._exit`, which waits for no thread.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, repeat
from typing import TypeVar

import trio

from voiceloop.audio.devices import Device
from voiceloop.audio.portaudio import HOST, Callback, Host, Request, Stream
from voiceloop.errors import DeviceError

_T = TypeVar("_T")
_ANSWER_S = 5.0
_BACKOFF_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0)


def pauses() -> Iterator[float]:
    """How long to wait before each try to open a device that was lost; the first at once.

    One that opens and dies before it gave or took any sound was a try like any other: without a pause after it too the
    loop would open it thousands of times a second.
    """
    return chain((0.0,), _BACKOFF_S, repeat(_BACKOFF_S[-1]))


async def devices(host: Host = HOST) -> list[Device]:
    """What there is. Raises DeviceError where PortAudio is missing or the sound server hangs."""

    async def ask() -> list[Device]:
        return await trio.to_thread.run_sync(host.devices, abandon_on_cancel=True)

    return await _answer(ask, place="audio")


async def open_first(
    request: Request, callback: Callback, finished: Callable[[], None], *, host: Host = HOST
) -> Stream:
    """`open_stream` at the program's start, when a sound server that hangs is an error and not a loss."""
    return await _answer(lambda: open_stream(request, callback, finished, host=host), place=f"audio.{request.which}")


async def _answer(ask: Callable[[], Awaitable[_T]], *, place: str) -> _T:
    with trio.move_on_after(_ANSWER_S):
        return await ask()
    raise DeviceError(
        f"the sound server has not answered for {_ANSWER_S:.0f} s",
        place=place,
        remedy="Restart it, for example: systemctl --user restart pipewire pipewire-pulse (or: pulseaudio -k)",
    )


async def open_stream(
    request: Request, callback: Callback, finished: Callable[[], None], *, host: Host = HOST
) -> Stream:
    """`Host.open` in a thread. When it is cancelled meanwhile, the thread closes what it opens."""
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
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    except trio.Cancelled:
        with handover:
            abandoned = True
            late = opened
        if late is not None:
            threading.Thread(target=host.close, args=(late,), daemon=True).start()
        raise


async def close_stream(stream: Stream, *, host: Host = HOST) -> None:
    """`Host.close` in a thread, which goes on by itself when this is cancelled."""
    await trio.to_thread.run_sync(host.close, stream, abandon_on_cancel=True)
