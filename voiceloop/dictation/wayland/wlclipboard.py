"""The clipboard of a Wayland compositor, through the protocols for programs without a window: wlr-data-control (sway,
Hyprland, KDE) or ext-data-control.

We own the clipboard ourselves, as on X: wl-copy offers only one form, and doesn't tell when it was read.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio

from voiceloop.dictation.targets.handing_on import HAND_ON_S, Form, Handed, hand_on
from voiceloop.dictation.targets.hold import MOST_S
from voiceloop.dictation.targets.lending import OWNER_S, TEXT, Content, Lending, Saved, Source
from voiceloop.dictation.targets.target import PLACE, Focus, TargetOptions
from voiceloop.dictation.wayland.wlconnection import WlConnection, open_wayland
from voiceloop.dictation.wayland.wlwire import Message, request
from voiceloop.errors import TargetError
from voiceloop.nursery import private_nursery

MANAGERS = ("ext_data_control_manager_v1", "zwlr_data_control_manager_v1")
"""The interfaces that give access to the clipboard, the preferred one first."""


_DISPLAY = 1
"""The id of the display's own object."""
END_S = HAND_ON_S + 1.0
"""How long handing the clipboard on may take at the end."""


class WlClipboard(WlConnection, Lending):
    """The clipboard. `run`, which handles the compositor's events, must be running while it is used."""

    def __init__(self, stream: trio.socket.SocketType, options: TargetOptions) -> None:
        WlConnection.__init__(self, stream)
        Lending.__init__(self, options)
        self._sources: dict[int, Source] = {}
        self._offers: dict[int, list[str]] = {}
        self._selection = {"CLIPBOARD": 0, "PRIMARY": 0}
        self._ours = {"CLIPBOARD": None, "PRIMARY": None}
        self._device = self._manager = 0
        self._syncs: dict[int, trio.Event] = {}

    async def bind(self) -> None:
        """Bind the clipboard's interface. Raises `TargetError` when the compositor has none."""
        await self._ask_globals()
        name = next((name for name in MANAGERS if name in self._globals), None)
        if name is None or "wl_seat" not in self._globals:
            raise TargetError(
                "the compositor gives no clipboard to programs without a window (it lacks data-control)",
                place=PLACE,
                remedy="Use --to stdout or --to file:PATH: both work everywhere",
            )
        seat = await self._bind("wl_seat", 1)
        self._manager = await self._bind(name, 1 if name.startswith("ext") else 2)
        self._device = self._new_id()
        await self._send(request(self._manager, 1, self._device, seat))

    async def offer(self, content: Content) -> Source:
        """Own the clipboard with `content`."""
        return await self._own("CLIPBOARD", content)

    async def confirmed(self) -> None:
        """Wait until the compositor has handled all our requests so far."""
        number = self._new_id()
        self._syncs[number] = done = trio.Event()
        await self._send(request(_DISPLAY, 0, number))
        await done.wait()

    async def end(self, tell: Callable[[str], None], *, hands_on: bool) -> None:
        """Hand the clipboard on, together with what is lent for a paste. To be called before the connection closes.
        `tell` is called if that fails and takes its time."""
        ours, left_s = self._ours["CLIPBOARD"], self.hold.left_s
        if not hands_on or ours is None or not ours.content or ours.gone:
            return
        if left_s is None:
            await hand_on(Handed("wayland", _as_forms(ours.content)))
        elif not await hand_on(
            Handed("wayland", _as_forms(self._borrowed.content), lent=_as_forms(ours.content), lent_s=left_s)
        ):
            await self.hold.ended(tell)

    async def selected(self, focus: Focus | None) -> str | None:
        offer = self._selection["PRIMARY"]
        mime = next((mime for mime in TEXT if mime in self._offers.get(offer, ())), None)
        data = await self._receive(offer, mime) if mime else None
        return None if data is None else data.decode(errors="replace")

    async def _own(self, name: str, content: Content) -> Source:
        source, number = Source(content), 0
        if content:
            number = self._new_id()
            self._sources[number] = source
            await self._send(request(self._manager, 0, number))
            for mime in content:
                await self._send(request(number, 0, mime))
        else:
            self._selection[name] = 0  # the offer there was ours; the compositor reports its end only later
        self._ours[name] = source
        await self._send(request(self._device, 0 if name == "CLIPBOARD" else 2, number))
        return source

    async def _save(self, name: str) -> Saved:
        ours = self._ours[name]
        if ours is not None and ours.content and not ours.gone:
            return Saved(ours.content)
        offer = self._selection[name]
        return await self._saved(self._offers.get(offer, ()), partial(self._receive, offer))

    async def _receive(self, offer: int, mime: str) -> bytes | None:
        if offer not in self._offers:  # something else was copied meanwhile
            return None
        read, write = os.pipe2(os.O_CLOEXEC)
        async with trio.lowlevel.FdStream(read) as stream:
            try:
                await self._send(request(offer, 0, mime), fd=write)
            finally:
                os.close(write)
            data = bytearray()
            with trio.move_on_after(OWNER_S):
                async for piece in stream:
                    data += piece
                return bytes(data)
        return None

    # Events

    def _on_lost(self) -> None:
        for event in (*self._syncs.values(), *(source.lost for source in self._sources.values())):
            event.set()

    def _event(self, message: Message) -> None:
        if message.sender == self._device and self._device:
            self._device_event(message)
        elif message.sender in self._syncs:
            self._syncs.pop(message.sender).set()
        elif message.sender in self._sources:
            self._source_event(message, self._sources[message.sender])
        elif message.sender in self._offers and message.opcode == 0:
            self._offers[message.sender].append(message.string())

    def _device_event(self, message: Message) -> None:
        if message.opcode == 2:  # the event `finished`
            return
        (offer,) = message.numbers(1)
        if message.opcode == 0:
            self._offers[offer] = []
            return
        self._selection["CLIPBOARD" if message.opcode == 1 else "PRIMARY"] = offer
        for old in set(self._offers) - set(self._selection.values()):
            del self._offers[old]
            self._send_soon(request(old, 1))

    def _source_event(self, message: Message, source: Source) -> None:
        if message.opcode == 1:
            source.lost.set()
            del self._sources[message.sender]
            self._send_soon(request(message.sender, 1))
        elif self._fds and self._nursery is not None:
            self._nursery.start_soon(self._give, source, message.string(), self._fds.pop(0), name="clipboard transfer")

    async def _give(self, source: Source, mime: str, fd: int) -> None:
        by_window = may_read(self._reader, fd)  # asked before the transfer: its reader closes the pipe at the end
        os.set_blocking(fd, False)
        async with trio.lowlevel.FdStream(fd) as stream:
            with trio.move_on_after(self._options.clipboard_s), suppress(trio.BrokenResourceError):
                await stream.send_all(source.content.get(mime, b""))
        self._was_read(source, by_window=by_window)


def _as_forms(content: Content) -> list[Form]:
    return [Form(mime, data) for mime, data in content.items()]


def may_read(process: int, fd: int) -> bool:
    """Whether a process has the other end of the pipe `fd`; also where that can't be seen, as in a sandbox."""
    if not process:
        return True
    try:
        pipe, files = os.fstat(fd).st_ino, [*Path(f"/proc/{process}/fd").iterdir()]
    except OSError:
        return True
    return any(_inode(file) == pipe for file in files)


def _inode(file: Path) -> int:
    try:
        return file.stat().st_ino
    except OSError:  # closed meanwhile
        return 0


@asynccontextmanager
async def open_wlclipboard(
    options: TargetOptions, *, hands_on: bool = True, tell: Callable[[str], None] = lambda _: None
) -> AsyncIterator[WlClipboard]:
    """Open the clipboard of the compositor at $WAYLAND_DISPLAY. Raises `TargetError` when it gives none.

    `hands_on`: at the end, hand what we own on to a process that outlives this one. `tell` is called with what delays
    the end.
    """
    async with open_wayland() as stream, private_nursery() as nursery:
        clipboard = WlClipboard(stream, options)
        events: trio.CancelScope = await nursery.start(_serve, clipboard, name="Wayland clipboard events")
        try:
            await clipboard.bind()
            yield clipboard
        finally:
            with trio.move_on_after(MOST_S + END_S, shield=True), suppress(TargetError):
                await clipboard.end(tell, hands_on=hands_on)
            events.cancel("the clipboard is closed")


async def _serve(  # noqa: ASYNC114 - only `open_wlclipboard` starts it
    clipboard: WlClipboard, *, task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    """Serve windows to the end: one that was pasted into may still read when the program is already being cancelled."""
    with trio.CancelScope(shield=True) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clipboard.run_hold, name="restores the clipboard")
            task_status.started(scope)
            await clipboard.run(nursery)
            nursery.cancel_scope.cancel("the compositor is gone")
