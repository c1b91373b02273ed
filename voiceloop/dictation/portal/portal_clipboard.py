"""The clipboard of a session of the desktop portal's, where no other is to be had (GNOME). There is no primary
selection.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import trio
from jeepney.fds import FileDescriptor

from voiceloop.dictation.portal.remote_desktop import CLIPBOARD, PortalSession
from voiceloop.dictation.portal.session_bus import Signal
from voiceloop.dictation.targets.lending import OWNER_S, SETTLE_S, Content, Lending, Saved, Source
from voiceloop.dictation.targets.target import Focus, TargetOptions
from voiceloop.errors import TargetError


class PortalClipboard(Lending):
    """Works as long as its session; gives what windows ask for by tasks in `nursery`."""

    def __init__(self, session: PortalSession, nursery: trio.Nursery, options: TargetOptions) -> None:
        super().__init__(options)
        self._session = session
        self._nursery = nursery
        self._offered: tuple[str, ...] = ()
        """The forms of what others hold."""
        self._setting = trio.Lock()
        self._owning: trio.Event | None = None
        """Set once the desktop says that a selection is ours; what it says before that is of an older one."""
        self._owned_at = -math.inf
        self._giving = 0
        self._gave = trio.Event()
        session.hear_clipboard(self._hear)

    async def selected(self, focus: Focus | None) -> str | None:
        await trio.lowlevel.checkpoint()
        return None

    async def _own(self, name: str, content: Content) -> Source:
        ours = self._ours[name]
        if not content and ours is not None:
            return ours  # GNOME can't empty its clipboard: what was lent stays there
        async with self._setting:
            await self._quiet()
            self._owning = trio.Event()
            source = self._ours[name] = Source(content)
            await self._session.call(CLIPBOARD, "SetSelection", "oa{sv}", {"mime_types": ("as", list(content))})
            with trio.move_on_after(OWNER_S):
                await self._owning.wait()
            self._owning.set()
            self._owned_at = trio.current_time()
        return source

    async def _quiet(self) -> None:
        """Wait until what reads a new selection at once, like GNOME's clipboard manager, has done so: setting another
        one in the middle of it has crashed xdg-desktop-portal 1.20."""
        with trio.move_on_after(OWNER_S):
            await trio.sleep_until(self._owned_at + SETTLE_S)
            while self._giving:
                await self._gave.wait()

    async def _save(self, name: str) -> Saved:
        ours = self._ours[name]
        if ours is not None and not ours.gone:
            return Saved(ours.content)
        return await self._saved(self._offered, self._receive)

    async def _receive(self, mime: str) -> bytes | None:
        try:
            (given,) = await self._session.call(CLIPBOARD, "SelectionRead", "os", mime)
        except TargetError:
            return None
        data = bytearray()
        async with _stream(given) as stream:
            with trio.move_on_after(OWNER_S):
                async for piece in stream:
                    data += piece
                return bytes(data)
        return None

    def _hear(self, signal: Signal) -> None:
        if signal.name == f"{CLIPBOARD}.SelectionOwnerChanged":
            self._changed(signal.body[1])
        elif signal.name == f"{CLIPBOARD}.SelectionTransfer":
            _, mime, serial = signal.body
            self._giving += 1
            self._nursery.start_soon(self._give, self._ours["CLIPBOARD"], mime, serial)

    def _changed(self, options: Mapping[str, tuple[str, Any]]) -> None:
        if options.get("session_is_owner", ("b", False))[1]:
            if self._owning is not None:
                self._owning.set()
        elif self._owning is None or self._owning.is_set():
            mimes = options.get("mime_types", ("as", []))[1]
            self._offered = tuple(mimes[0] if isinstance(mimes, tuple) else mimes)  # GNOME has them in a structure
            source = self._ours["CLIPBOARD"]
            if source is not None:
                source.gone = True

    async def _give(self, source: Source | None, mime: str, serial: int) -> None:
        done = False
        try:
            with suppress(TargetError):
                if source is not None and mime in source.content:
                    (given,) = await self._session.call(CLIPBOARD, "SelectionWrite", "ou", serial)
                    done = await self._write(given, source.content[mime])
                await self._session.call(CLIPBOARD, "SelectionWriteDone", "oub", serial, done)
        finally:
            self._giving -= 1
            self._gave.set()
            self._gave = trio.Event()
        if done and source is not None:
            self._was_read(source)

    async def _write(self, given: FileDescriptor, data: bytes) -> bool:
        """Whether it was read to its end in time."""
        async with _stream(given) as stream:
            with trio.move_on_after(self._options.clipboard_s), suppress(trio.BrokenResourceError):
                await stream.send_all(data)
                return True
        return False


def _stream(given: FileDescriptor) -> trio.lowlevel.FdStream:
    fd = given.to_raw_fd()
    os.set_blocking(fd, False)
    return trio.lowlevel.FdStream(fd)
