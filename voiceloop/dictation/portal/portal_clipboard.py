"""The clipboard of a desktop portal session, for desktops that give no other access to it (GNOME). Has no primary
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

from voiceloop.dbus.session_bus import Signal
from voiceloop.dictation.portal.remote_desktop import CLIPBOARD, PortalSession
from voiceloop.dictation.targets.lending import OWNER_S, SETTLE_S, Content, Lending, Saved, Source
from voiceloop.dictation.targets.target import Focus, TargetOptions
from voiceloop.errors import TargetError


class PortalClipboard(Lending):
    """The clipboard, for as long as its session lasts. Tasks in `nursery` send the content that windows ask for."""

    def __init__(self, session: PortalSession, nursery: trio.Nursery, options: TargetOptions) -> None:
        super().__init__(options)
        self._session = session
        self._nursery = nursery
        self._offered: tuple[str, ...] = ()
        """The MIME types that another program offers on the clipboard."""
        self._setting = trio.Lock()
        self._owning: trio.Event | None = None
        """Set once the desktop confirms that the selection is ours; its messages before that are about an older
        selection."""
        self._owned_at = -math.inf
        self._transfers = 0
        self._transfer_ended = trio.Event()
        session.hear_clipboard(self._on_signal)
        nursery.start_soon(self.run_hold, name="restores the clipboard")

    async def selected(self, focus: Focus | None) -> str | None:
        await trio.lowlevel.checkpoint()
        return None

    async def _own(self, name: str, content: Content) -> Source:
        ours = self._ours[name]
        if not content and ours is not None:
            return ours  # GNOME can't empty its clipboard: the pasted text stays there
        async with self._setting:
            await self._wait_for_readers()
            self._owning = trio.Event()
            source = self._ours[name] = Source(content)
            await self._session.call(CLIPBOARD, "SetSelection", "oa{sv}", {"mime_types": ("as", list(content))})
            with trio.move_on_after(OWNER_S):
                await self._owning.wait()
            self._owning.set()
            self._owned_at = trio.current_time()
        return source

    async def _wait_for_readers(self) -> None:
        """Wait until programs that read every new selection at once, like GNOME's clipboard manager, have done so:
        setting another selection in the middle of a read has crashed xdg-desktop-portal 1.20."""
        with trio.move_on_after(OWNER_S):
            await trio.sleep_until(self._owned_at + SETTLE_S)
            while self._transfers:
                await self._transfer_ended.wait()

    async def _save(self, name: str) -> Saved:
        ours = self._ours[name]
        if ours is not None and not ours.gone:
            return Saved(ours.content)
        return await self._saved(self._offered, self._receive)

    async def _receive(self, mime: str) -> bytes | None:
        try:
            (descriptor,) = await self._session.call(CLIPBOARD, "SelectionRead", "os", mime)
        except TargetError:
            return None
        data = bytearray()
        async with _stream(descriptor) as stream:
            with trio.move_on_after(OWNER_S):
                async for piece in stream:
                    data += piece
                return bytes(data)
        return None

    def _on_signal(self, signal: Signal) -> None:
        if signal.name == f"{CLIPBOARD}.SelectionOwnerChanged":
            self._on_owner_changed(signal.body[1])
        elif signal.name == f"{CLIPBOARD}.SelectionTransfer":
            _, mime, serial = signal.body
            self._transfers += 1
            self._nursery.start_soon(self._give, self._ours["CLIPBOARD"], mime, serial, name="clipboard transfer")

    def _on_owner_changed(self, options: Mapping[str, tuple[str, Any]]) -> None:
        if options.get("session_is_owner", ("b", False))[1]:
            if self._owning is not None:
                self._owning.set()
        elif self._owning is None or self._owning.is_set():
            mimes = options.get("mime_types", ("as", []))[1]
            self._offered = tuple(mimes[0] if isinstance(mimes, tuple) else mimes)  # GNOME wraps them in a structure
            source = self._ours["CLIPBOARD"]
            if source is not None:
                source.lost.set()

    async def _give(self, source: Source | None, mime: str, serial: int) -> None:
        written = False
        try:
            with suppress(TargetError):
                if source is not None and mime in source.content:
                    (descriptor,) = await self._session.call(CLIPBOARD, "SelectionWrite", "ou", serial)
                    written = await self._write(descriptor, source.content[mime])
                await self._session.call(CLIPBOARD, "SelectionWriteDone", "oub", serial, written)
        finally:
            self._transfers -= 1
            self._transfer_ended.set()
            self._transfer_ended = trio.Event()
        if written and source is not None:
            self._was_read(source)

    async def _write(self, descriptor: FileDescriptor, data: bytes) -> bool:
        """Write `data`. Returns whether it was read to its end in time."""
        async with _stream(descriptor) as stream:
            with trio.move_on_after(self._options.clipboard_s), suppress(trio.BrokenResourceError):
                await stream.send_all(data)
                return True
        return False


def _stream(descriptor: FileDescriptor) -> trio.lowlevel.FdStream:
    fd = descriptor.to_raw_fd()
    os.set_blocking(fd, False)
    return trio.lowlevel.FdStream(fd)
