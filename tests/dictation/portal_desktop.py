"""A fake desktop portal on a private message bus: dialogs, keys, the clipboard and its manager, a user who stops it.

It answers as the portals of GNOME 48 and Plasma 6.3 were observed to do. Keys go to a text field of its own (`text`).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jeepney import DBusAddress, HeaderFields, Message, new_error, new_method_return, new_signal
from jeepney.io.trio import DBusConnection

from testbed.message_bus import serve_on_bus
from voiceloop.dbus.portal import PATH, SERVICE
from voiceloop.dictation.portal.remote_desktop import CLIPBOARD, REMOTE_DESKTOP

TOKEN = "82754afd-7c9a-4198-9254-b1567c128a51"
CTRL, SHIFT, V, BACKSPACE, RETURN = 29, 42, 47, 14, 0xFF0D
_SESSION, _REQUEST = "org.freedesktop.portal.Session", "org.freedesktop.portal.Request"


@dataclass(slots=True)
class PortalDesktop:
    """A fake portal. The first group of fields are its settings, the second group records what happened."""

    version: int = 2
    lends: int = 7
    """`AvailableDeviceTypes`."""
    answer: int | None = 0
    """The answer to the dialog: 0 allowed, 1 refused, 2 ended; None: nobody answers."""
    devices: int = 1
    clipboard: dict[str, bytes] | None = None
    """The clipboard's content by MIME type; None: there is no Clipboard portal."""
    sources: Sequence[tuple[str, str]] = ()
    ends_after: int | None = None
    """The user ends the session after this many key events."""
    window_reads: bool = True

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)
    keys: list[tuple[str, int, int]] = field(default_factory=list)
    text: str = ""
    offered: list[str] | None = None
    """The MIME types that the session offers; None while another program owns the clipboard."""
    own_read: bool = False
    """Whether the session read its own selection, which makes GNOME 48's portal end."""
    connection: DBusConnection | None = None
    _fds: dict[int, int] = field(default_factory=dict)
    _serial: int = 0
    _pasted: dict[int, bool] = field(default_factory=dict)

    async def take(self, connection: DBusConnection, message: Message) -> None:
        """Answer a call."""
        self.connection = connection
        await self._handle(message)

    async def copy(self, content: dict[str, bytes]) -> None:
        """Another program copies something."""
        self.clipboard, self.offered = content, None
        await self._owner_changed()

    async def stop(self) -> None:
        """The user ends the session in the desktop's panel."""
        await self._signal("/session", _SESSION, "Closed", "a{sv}", {})

    def named(self, method: str) -> list[tuple[Any, ...]]:
        """The arguments of each call of a method."""
        return [arguments for name, arguments in self.calls if name == method]

    async def _handle(self, message: Message) -> None:
        fields = message.header.fields
        interface, method = fields[HeaderFields.interface], fields[HeaderFields.member]
        self.calls.append((method, message.body))
        handle: Callable[..., Any] | None = getattr(self, f"_{method.lower()}", None)
        if interface == CLIPBOARD and self.clipboard is None:
            handle = None
        if handle is None:
            await self._send(new_error(message, "org.freedesktop.DBus.Error.UnknownMethod", "s", ("No such method",)))
        else:
            await handle(message, *message.body)

    async def _send(self, message: Message) -> None:
        assert self.connection is not None
        await self.connection.send(message)

    async def _return(self, message: Message, signature: str | None = None, *values: Any) -> None:
        await self._send(new_method_return(message, signature, values))

    async def _signal(self, path: str, interface: str, name: str, signature: str, *values: Any) -> None:
        await self._send(new_signal(DBusAddress(path, interface=interface), name, signature, values))

    async def _respond(self, message: Message, code: int, results: dict[str, Any]) -> None:
        path = f"/request/{message.body[-1]['handle_token'][1]}"
        await self._return(message, "o", path)
        await self._signal(path, _REQUEST, "Response", "ua{sv}", code, results)

    # RemoteDesktop

    async def _getall(self, message: Message, interface: str) -> None:
        if interface != REMOTE_DESKTOP or not self.version:
            await self._send(new_error(message, "org.freedesktop.DBus.Error.InvalidArgs", "s", ("No such interface",)))
        else:
            found = {"version": ("u", self.version), "AvailableDeviceTypes": ("u", self.lends)}
            await self._return(message, "a{sv}", found)

    async def _readall(self, message: Message, namespaces: list[str]) -> None:
        await self._return(
            message, "a{sa{sv}}", {namespaces[0]: {"sources": ("a(ss)", list(self.sources))}} if self.sources else {}
        )

    async def _createsession(self, message: Message, _: object) -> None:
        await self._respond(message, 0, {"session_handle": ("s", "/session")})

    async def _selectdevices(self, message: Message, _: str, options: dict[str, Any]) -> None:
        if options.get("restore_token", ("s", TOKEN))[1] != TOKEN:
            await self._send(new_error(message, "org.freedesktop.portal.Error.InvalidArgument", "s", ("Bad token",)))
        else:
            await self._respond(message, 0, {})

    async def _start(self, message: Message, *_: object) -> None:
        if self.answer is None:
            await self._return(message, "o", "/request/dialog")
            return
        results: dict[str, Any] = {"devices": ("u", self.devices)}
        if self.version >= 2:
            results |= {"restore_token": ("s", TOKEN)}
        results |= {"clipboard_enabled": ("b", bool(self.named("RequestClipboard")))}
        if self.answer:  # Plasma ends the session before it answers
            await self.stop()
        await self._respond(message, self.answer, {} if self.answer else results)
        if self.clipboard is not None:
            await self._owner_changed()

    async def _notifykeyboardkeysym(self, message: Message, _: str, __: object, number: int, down: int) -> None:
        await self._key(message, "symbol", number, down)
        if down and self._accepts_keys():
            self.text += "\n" if number == RETURN else chr(number & 0xFFFFFF)

    async def _notifykeyboardkeycode(self, message: Message, _: str, __: object, number: int, down: int) -> None:
        await self._key(message, "code", number, down)
        if down and number == V and ("code", CTRL, 0) not in self.keys[-2:] and self.window_reads:
            await self._transfer("text/plain;charset=utf-8", pasted=True)

    def _accepts_keys(self) -> bool:
        return self.ends_after is None or len(self.keys) < self.ends_after

    async def _key(self, message: Message, kind: str, number: int, down: int) -> None:
        self.keys.append((kind, number, down))
        if self.ends_after is not None and len(self.keys) == self.ends_after:
            await self.stop()
        if self.ends_after is not None and len(self.keys) > self.ends_after:
            await self._send(new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "s", ("Invalid session",)))
        else:
            await self._return(message)

    async def _close(self, message: Message) -> None:
        await self._return(message)

    # Clipboard

    async def _requestclipboard(self, message: Message, *_: object) -> None:
        await self._return(message)

    async def _setselection(self, message: Message, _: str, options: dict[str, Any]) -> None:
        self.offered = options["mime_types"][1]
        await self._return(message)
        await self._owner_changed()
        await self._transfer(self.offered[0], pasted=False)  # to the desktop's clipboard manager

    async def _owner_changed(self) -> None:
        mimes = list(self.clipboard or {}) if self.offered is None else self.offered
        options = {"mime_types": ("(as)", (mimes,)), "session_is_owner": ("b", self.offered is not None)}
        await self._signal(PATH, CLIPBOARD, "SelectionOwnerChanged", "oa{sv}", "/session", options)

    async def _transfer(self, mime: str, *, pasted: bool) -> None:
        self._serial += 1
        self._pasted[self._serial] = pasted
        await self._signal(PATH, CLIPBOARD, "SelectionTransfer", "osu", "/session", mime, self._serial)

    async def _selectionwrite(self, message: Message, _: str, serial: int) -> None:
        self._fds[serial], write = os.pipe()
        await self._return(message, "h", write)
        os.close(write)

    async def _selectionwritedone(self, message: Message, _: str, serial: int, done: bool) -> None:
        await self._return(message)
        if done:
            data = _read(self._fds.pop(serial))
            if self._pasted[serial]:
                self.text += data.decode()

    async def _selectionread(self, message: Message, _: str, mime: str) -> None:
        self.own_read |= self.offered is not None
        read, write = os.pipe()
        await self._return(message, "h", read)
        os.close(read)
        _write(write, (self.clipboard or {}).get(mime, b""))


def _read(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as file:
        return file.read()


def _write(fd: int, data: bytes) -> None:
    """Write at once: the tests' contents fit into the buffer of a pipe."""
    with os.fdopen(fd, "wb") as file:
        file.write(data)


@asynccontextmanager
async def open_portal_desktop(folder: Path, desktop: PortalDesktop) -> AsyncIterator[None]:
    """Serve the portal on the bus of `open_bus_daemon`."""
    async with serve_on_bus(folder, SERVICE, desktop.take, enable_fds=True):
        yield
