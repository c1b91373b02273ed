"""The clipboard of a Wayland compositor that lets programs without a window have it: by wlr-data-control (sway,
Hyprland, KDE) or ext-data-control.

We own it ourselves, as on X: wl-copy can offer but one form, and tells nobody when it was read.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from voiceloop.dictation.desk import Lent, Paste, check_given_back
from voiceloop.dictation.target import PLACE, Focus, TargetOptions
from voiceloop.dictation.wire import Message, messages, request
from voiceloop.errors import TargetError
from voiceloop.nursery import private_nursery

TEXT = ("text/plain;charset=utf-8", "text/plain", "UTF8_STRING", "STRING", "TEXT")
MANAGERS = ("ext_data_control_manager_v1", "zwlr_data_control_manager_v1")
OWNER_S = 1.0
"""How long the owner of the clipboard may take for each form of what it holds."""
SAVE_S = 4.0
SAVE_BYTES = 256 << 20
"""How long and how much is read of a clipboard to give it back."""
SETTLE_S = 0.05
"""After we set the clipboard: its managers read it at once, and are not the window."""
GRACE_S = 0.1
"""After a window has read a paste: some read it twice."""
CALLED_OFF_S = 0.3
"""How long a window may still take to read a paste that is called off after its keys were pressed."""
_DISPLAY, _REGISTRY, _SYNCED = 1, 2, 3
_LARGEST = 1 << 16

Content = Mapping[str, bytes]
"""By MIME type."""


@dataclass(frozen=True, slots=True)
class Saved:
    """All that a selection held; `why` says what of it could not be read."""

    content: Content
    why: str = ""


@dataclass(slots=True, eq=False)
class Source:
    """What we offer; `gone` once somebody else has taken the selection over."""

    content: Content
    gone: bool = False
    reads: int = 0


class WlClipboard:
    """Its events are handled by `run`, which must be running."""

    def __init__(self, stream: trio.socket.SocketType, options: TargetOptions) -> None:
        self._stream = stream
        self._options = options
        self._fds: list[int] = []
        self._next_id = 4
        self._globals: dict[str, tuple[int, int]] = {}
        self._sources: dict[int, Source] = {}
        self._offers: dict[int, list[str]] = {}
        self._selection = {"CLIPBOARD": 0, "PRIMARY": 0}
        self._ours: dict[str, Source | None] = {"CLIPBOARD": None, "PRIMARY": None}
        self._device = self._manager = 0
        self._synced = trio.Event()
        self._read = trio.Event()
        self._lost: str | None = None
        self._nursery: trio.Nursery | None = None

    # Opening

    async def run(self, nursery: trio.Nursery) -> None:
        """Handle what the compositor says, until it is gone."""
        self._nursery = nursery
        buffer = bytearray()
        try:
            while True:
                data, ancillary, _, _ = await self._stream.recvmsg(_LARGEST, socket.CMSG_SPACE(4 * 28))
                for level, kind, fds in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                        self._fds += array.array("i", fds[: len(fds) - len(fds) % 4])
                if not data:
                    raise OSError("it has closed the connection")
                buffer += data
                for message in messages(buffer):
                    self._event(message)
        except OSError as error:
            self._lost = str(error)
        finally:
            for fd in self._fds:
                os.close(fd)
            self._synced.set()

    async def bind(self) -> None:
        """Raise `TargetError` when the compositor has no such clipboard."""
        await self._send(request(_DISPLAY, 1, _REGISTRY))
        await self._send(request(_DISPLAY, 0, _SYNCED))
        with trio.move_on_after(OWNER_S):
            await self._synced.wait()
        name = next((name for name in MANAGERS if name in self._globals), None)
        if name is None or "wl_seat" not in self._globals:
            raise TargetError(
                "the compositor lets no program without a window have the clipboard (data-control)",
                place=PLACE,
                remedy="--to stdout or file:PATH work everywhere",
            )
        seat = await self._bind("wl_seat", 1)
        self._manager = await self._bind(name, 1 if name.startswith("ext") else 2)
        self._device = self._new()
        await self._send(request(self._manager, 1, self._device, seat))

    async def _bind(self, interface: str, version: int) -> int:
        number, known = self._globals[interface]
        new = self._new()
        await self._send(request(_REGISTRY, 0, number, interface, min(version, known), new))
        return new

    def _new(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    async def _send(self, data: bytes, fd: int | None = None) -> None:
        if self._lost is not None:
            raise TargetError(f"the compositor: {self._lost}", place=PLACE)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
        try:
            await self._stream.sendmsg([data], rights)
        except OSError as error:
            raise TargetError(f"the compositor: {error.strerror}", place=PLACE) from error

    # Clipboard

    async def keep(self, text: str) -> None:
        await self._own("CLIPBOARD", _forms(text))

    async def holds(self, text: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self._still_ours("CLIPBOARD", self._ours["CLIPBOARD"], text)

    async def lend(self, text: str, paste: Paste, *, focus: Focus | None, primary: bool) -> Lent:
        names = ("CLIPBOARD", "PRIMARY") if primary else ("CLIPBOARD",)
        saved = {name: await self._save(name) for name in names}
        check_given_back(saved["CLIPBOARD"].content, saved["CLIPBOARD"].why)
        sources: dict[str, Source] = {}
        before: int | None = None
        try:
            for name in names:
                with trio.CancelScope(shield=True):  # half of it could not be undone; it waits for nobody
                    sources[name] = await self._own(name, _forms(text))
            await trio.sleep(SETTLE_S)
            reads = _reads(sources)
            await paste()
            before = reads
            return await self._read_and_restored(saved, sources, before, self._options.clipboard_s)
        except BaseException:
            with trio.move_on_after(OWNER_S, shield=True), suppress(TargetError):
                if before is not None:
                    await self._read_and_restored(saved, sources, before, CALLED_OFF_S)
                else:
                    await self._restore(saved, sources)
            raise

    async def _read_and_restored(
        self, saved: Mapping[str, Saved], sources: Mapping[str, Source], before: int, patience_s: float
    ) -> Lent:
        with trio.move_on_after(patience_s):
            await self._until(lambda: _reads(sources) > before)
        if _reads(sources) == before:
            return Lent(read=False, restored=False)
        await trio.sleep(GRACE_S)
        await self._restore(saved, sources)
        why = next((one.why for one in saved.values() if one.why), "")
        return Lent(read=True, restored=not why, why=why)

    async def selected(self, focus: Focus | None) -> str | None:
        offer = self._selection["PRIMARY"]
        mime = next((mime for mime in TEXT if mime in self._offers.get(offer, ())), None)
        data = await self._receive(offer, mime) if mime else None
        return None if data is None else data.decode(errors="replace")

    async def _restore(self, saved: Mapping[str, Saved], sources: Mapping[str, Source]) -> None:
        for name, one in saved.items():
            source = sources.get(name)
            if source is not None and not source.gone and self._ours[name] is source:
                await self._own(name, one.content)

    async def _own(self, name: str, content: Content) -> Source:
        source, number = Source(content), 0
        if content:
            number = self._new()
            self._sources[number] = source
            await self._send(request(self._manager, 0, number))
            for mime in content:
                await self._send(request(number, 0, mime))
        self._ours[name] = source
        await self._send(request(self._device, 0 if name == "CLIPBOARD" else 2, number))
        return source

    async def _save(self, name: str) -> Saved:
        """All that a selection holds, in every form."""
        ours = self._ours[name]
        if ours is not None and ours.content and not ours.gone:
            return Saved(ours.content)
        offer, content, left = self._selection[name], dict[str, bytes](), SAVE_BYTES
        slow = False
        with trio.move_on_after(SAVE_S) as scope:
            for mime in tuple(self._offers.get(offer, ())):
                data = await self._receive(offer, mime)
                if data is None:
                    slow = True
                    continue
                if (left := left - len(data)) < 0:
                    return Saved(content, "it holds too much to be read")
                content[mime] = data
        slow = slow or scope.cancelled_caught
        return Saved(content, "its owner didn't give all of it in time" if slow else "")

    async def _receive(self, offer: int, mime: str) -> bytes | None:
        if offer not in self._offers:  # somebody has copied something else meanwhile
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

    def _still_ours(self, name: str, source: Source | None, text: str) -> bool:
        return source is not None and not source.gone and source.content.get(TEXT[0]) == text.encode()

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._read = trio.Event()
            await self._read.wait()

    # Events

    def _event(self, message: Message) -> None:
        if message.sender == _DISPLAY and message.opcode == 0:
            raise OSError(f"it reports {message.string(8)}")
        if message.sender == _REGISTRY and message.opcode == 0:
            interface = message.string(4)
            version = int.from_bytes(message.body[-4:], "little")
            self._globals.setdefault(interface, (message.numbers(1)[0], version))
        elif message.sender == _SYNCED:
            self._synced.set()
        elif message.sender == self._device and self._device:
            self._device_event(message)
        elif message.sender in self._sources:
            self._source_event(message, self._sources[message.sender])
        elif message.sender in self._offers and message.opcode == 0:
            self._offers[message.sender].append(message.string())

    def _device_event(self, message: Message) -> None:
        if message.opcode == 2:  # finished
            return
        (offer,) = message.numbers(1)
        if message.opcode == 0:
            self._offers[offer] = []
            return
        self._selection["CLIPBOARD" if message.opcode == 1 else "PRIMARY"] = offer
        for old in set(self._offers) - set(self._selection.values()):
            del self._offers[old]
            self._later(request(old, 1))

    def _source_event(self, message: Message, source: Source) -> None:
        if message.opcode == 1:
            source.gone = True
            del self._sources[message.sender]
            self._later(request(message.sender, 1))
        elif self._fds and self._nursery is not None:
            self._nursery.start_soon(self._give, source, message.string(), self._fds.pop(0))

    def _later(self, data: bytes) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._send, data)

    async def _give(self, source: Source, mime: str, fd: int) -> None:
        os.set_blocking(fd, False)
        async with trio.lowlevel.FdStream(fd) as stream:
            with trio.move_on_after(self._options.clipboard_s), suppress(trio.BrokenResourceError):
                await stream.send_all(source.content.get(mime, b""))
        source.reads += 1
        self._read.set()


def _forms(text: str) -> Content:
    return dict.fromkeys(TEXT, text.encode())


def _reads(sources: Mapping[str, Source]) -> int:
    return sum(source.reads for source in sources.values())


@asynccontextmanager
async def open_wlclipboard(options: TargetOptions) -> AsyncIterator[WlClipboard]:
    """The clipboard of the compositor at $WAYLAND_DISPLAY. Raises `TargetError` when it can't be had."""
    name = os.environ.get("WAYLAND_DISPLAY") or "wayland-0"
    path = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent") / name  # an absolute name stays as it is
    stream = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with stream:
        try:
            await stream.connect(str(path))
        except OSError as error:
            raise TargetError(f"no compositor answers at {path}: {error.strerror}", place=PLACE) from error
        async with private_nursery() as nursery:
            clipboard = WlClipboard(stream, options)
            nursery.start_soon(clipboard.run, nursery)
            await clipboard.bind()
            yield clipboard
