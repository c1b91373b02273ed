"""A connection to the Wayland compositor: lists its globals, sends and receives messages and their file descriptors.
Knows only the interfaces wl_display and wl_registry.
"""

from __future__ import annotations

import array
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from voiceloop.dictation.targets.target import PLACE
from voiceloop.dictation.wayland.wlwire import Message, messages, request
from voiceloop.errors import TargetError

ANSWER_S = 1.0
"""How long the compositor may take to list its globals."""
_DISPLAY, _REGISTRY, _SYNCED = 1, 2, 3
"""Ids of our first objects: the display, the registry, and the callback that ends the list of globals."""
_RECEIVE_BYTES = 1 << 16
"""Bytes that are received at once."""


class WlConnection:
    """Base class: a subclass handles the events of the objects that it creates in `_event`. `run` must be running."""

    def __init__(self, stream: trio.socket.SocketType) -> None:
        self._stream = stream
        self._fds: list[int] = []
        self._next_id = 4
        self._globals: dict[str, tuple[int, int]] = {}
        self._synced = trio.Event()
        self._lost: str | None = None
        self._nursery: trio.Nursery | None = None

    async def run(self, nursery: trio.Nursery) -> None:
        """Receive and handle the compositor's messages until the connection ends."""
        self._nursery = nursery
        buffer = bytearray()
        try:
            while True:
                data, ancillary, _, _ = await self._stream.recvmsg(_RECEIVE_BYTES, socket.CMSG_SPACE(4 * 28))
                for level, kind, fds in ancillary:
                    if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                        self._fds += array.array("i", fds[: len(fds) - len(fds) % 4])
                if not data:
                    raise OSError("it has closed the connection")
                buffer += data
                for message in messages(buffer):
                    self._on_message(message)
        except OSError as error:
            self._lost = str(error)
            self._on_lost()
        finally:
            for fd in self._fds:
                os.close(fd)
            self._synced.set()

    def _event(self, message: Message) -> None:
        """Handle an event of an object that a subclass has created."""
        raise NotImplementedError

    def _on_lost(self) -> None:
        """Called when the connection to the compositor has ended; for subclasses to override."""

    async def _ask_globals(self) -> None:
        """Ask for the compositor's globals and wait until all are listed."""
        await self._send(request(_DISPLAY, 1, _REGISTRY))
        await self._send(request(_DISPLAY, 0, _SYNCED))
        with trio.move_on_after(ANSWER_S):
            await self._synced.wait()

    async def _bind(self, interface: str, version: int) -> int:
        number, known = self._globals[interface]
        new_id = self._new_id()
        await self._send(request(_REGISTRY, 0, number, interface, min(version, known), new_id))
        return new_id

    def _new_id(self) -> int:
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

    def _send_soon(self, data: bytes) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._send, data, name="Wayland request")

    def _on_message(self, message: Message) -> None:
        if message.sender == _DISPLAY and message.opcode == 0:
            raise OSError(f"it reports {message.string(8)}")
        if message.sender == _REGISTRY and message.opcode == 0:
            interface = message.string(4)
            version = int.from_bytes(message.body[-4:], "little")
            self._globals.setdefault(interface, (message.numbers(1)[0], version))
        elif message.sender == _SYNCED:
            self._synced.set()
        else:
            self._event(message)


@asynccontextmanager
async def open_wayland() -> AsyncIterator[trio.socket.SocketType]:
    """Open a socket to the compositor at $WAYLAND_DISPLAY. Raises `TargetError` when none answers there."""
    name = os.environ.get("WAYLAND_DISPLAY") or "wayland-0"
    path = Path(os.environ.get("XDG_RUNTIME_DIR") or "/nonexistent") / name  # joining keeps an absolute name as it is
    stream = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with stream:
        try:
            await stream.connect(str(path))
        except OSError as error:
            raise TargetError(f"no compositor answers at {path}: {error.strerror}", place=PLACE) from error
        yield stream
