"""A replayed portal with global shortcuts on a private message bus: a user who answers its dialog and presses keys.

It answers as the portals of GNOME 48 and Plasma 6.3 were observed to do, and refuses as xdg-desktop-portal 1.21 does.

The keys belong to the desktop's service behind the portal, which tells the portal of presses. By default that ends
with the portal; `open_backend` has it run on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio
from jeepney import DBusAddress, HeaderFields, Message, new_error, new_method_return, new_signal
from jeepney.io.trio import DBusConnection

from testbed.message_bus import PATIENCE_S, serve_on_bus
from voiceloop.dbus.portal import BACKEND_SESSION, BACKENDS, PATH, REQUEST, SERVICE, SESSION
from voiceloop.shortcut.portal_shortcut import ID, REGISTRY, SHORTCUTS

_ERROR = "org.freedesktop.portal.Error"


@dataclass(slots=True)
class ShortcutsPortal:
    """The first group of fields are its settings, the second records what happened."""

    applications: Path
    """The folder of desktop entries, without which it registers no id."""
    registers: bool = True
    """Whether there is a Registry: not before xdg-desktop-portal 1.20."""
    wants_id: bool = True
    """Whether it refuses callers without an id: from xdg-desktop-portal 1.21 on."""
    has_shortcuts: bool = True
    answer: int | None = 0
    """The answer to the dialog: 0 allowed, 1 or 2 refused; None: nobody answers."""
    code: int = 0
    """The Response's code when it is allowed: 2 on GNOME 48."""
    keys: str = "Ctrl+Alt+Space"
    """The keys that the user has chosen."""

    bound: list[tuple[str, str, str]] = field(default_factory=list)
    """For each shortcut that was bound: the caller's id, the shortcut's name and the keys asked for."""
    closed: int = 0
    """Sessions that were closed."""
    grabs: list[str] = field(default_factory=list)
    """The sessions that asked for the keys and were not closed. Only the first one has them."""
    backend_stays: bool = False
    _registered: dict[str, str] = field(default_factory=dict)
    _session: str = ""
    _connection: DBusConnection | None = None
    _changed: trio.Event = field(default_factory=trio.Event)

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until something is so, at most `PATIENCE_S`."""
        with trio.fail_after(PATIENCE_S):
            while not done():
                await self._changed.wait()

    async def press(self) -> None:
        """The user presses the keys."""
        await self._tell_of("Activated")

    async def release(self) -> None:
        """The user releases the keys."""
        await self._tell_of("Deactivated")

    async def _tell_of(self, what: str) -> None:
        """Pass it on, unless the keys belong to a session that this portal doesn't know."""
        if self.grabs[0] == self._session:
            await self._signal(PATH, SHORTCUTS, what, "osta{sv}", self._session, ID, 0, {})

    async def end_session(self) -> None:
        """The user takes the shortcut away in the desktop's settings."""
        await self._signal(self._session, SESSION, "Closed", "a{sv}", {})

    async def take(self, connection: DBusConnection, message: Message) -> None:
        """Answer a call."""
        self._connection = connection
        await self._answer(message)
        self._changed.set()
        self._changed = trio.Event()

    async def _answer(self, message: Message) -> None:
        fields = message.header.fields
        called = f"{fields[HeaderFields.interface]}.{fields[HeaderFields.member]}"
        caller = fields[HeaderFields.sender]
        if called == f"{REGISTRY}.Register" and self.registers:
            await self._register(message, caller)
        elif called == f"{SHORTCUTS}.CreateSession" and self.has_shortcuts:
            await self._create(message, caller)
        elif called == f"{SHORTCUTS}.BindShortcuts" and self.has_shortcuts:
            await self._bind(message, caller)
        elif called in (f"{SESSION}.Close", f"{REQUEST}.Close"):
            self.closed += called.startswith(SESSION)
            self.release_keys(fields[HeaderFields.path])
            await self._send(new_method_return(message))
        else:
            await self._refuse(message, "org.freedesktop.DBus.Error.UnknownMethod", f"No such method {called}")

    def release_keys(self, session: str) -> None:
        """Take the keys from a session."""
        self.grabs[:] = [path for path in self.grabs if path != session]

    async def take_for_backend(self, connection: DBusConnection, message: Message) -> None:
        """Answer a call to the service behind the portal."""
        fields = message.header.fields
        assert f"{fields[HeaderFields.interface]}.{fields[HeaderFields.member]}" == f"{BACKEND_SESSION}.Close"
        self.release_keys(fields[HeaderFields.path])
        await connection.send(new_method_return(message))

    async def _register(self, message: Message, caller: str) -> None:
        app_id, _ = message.body
        if not (self.applications / f"{app_id}.desktop").is_file():
            await self._refuse(message, f"{_ERROR}.Failed", "Can't create registered app")
        else:
            self._registered[caller] = app_id
            await self._send(new_method_return(message))

    async def _create(self, message: Message, caller: str) -> None:
        if self.wants_id and not self._registered.get(caller):
            await self._refuse(message, f"{_ERROR}.NotAllowed", "An app id is required")
            return
        (options,) = message.body
        self._session = f"{PATH}/session/{caller[1:].replace('.', '_')}/{options['session_handle_token'][1]}"
        await self._respond(message, 0, {"session_handle": ("s", self._session)})

    async def _bind(self, message: Message, caller: str) -> None:
        session, shortcuts, _window, _options = message.body
        assert session == self._session
        if self.answer is None:
            await self._send(new_method_return(message, "o", (f"{PATH}/request/dialog",)))
            return
        results = []
        for name, values in shortcuts:
            self.bound.append((self._registered.get(caller, ""), name, values["preferred_trigger"][1]))
            given = {"description": values["description"], "trigger_description": ("s", self.keys)}
            results.append((name, given))
        if self.answer:
            await self._respond(message, self.answer, {})
        else:
            self.grabs.append(session)
            await self._respond(message, self.code, {"shortcuts": ("a(sa{sv})", results)})

    async def _respond(self, message: Message, code: int, results: dict[str, Any]) -> None:
        path = f"{PATH}/request/{message.body[-1]['handle_token'][1]}"
        await self._send(new_method_return(message, "o", (path,)))
        await self._signal(path, REQUEST, "Response", "ua{sv}", code, results)

    async def _refuse(self, message: Message, name: str, said: str) -> None:
        await self._send(new_error(message, name, "s", (said,)))

    async def _signal(self, path: str, interface: str, name: str, signature: str, *values: Any) -> None:
        await self._send(new_signal(DBusAddress(path, interface=interface), name, signature, values))

    async def _send(self, message: Message) -> None:
        assert self._connection is not None
        await self._connection.send(message)


@asynccontextmanager
async def open_shortcuts_portal(folder: Path, portal: ShortcutsPortal) -> AsyncIterator[ShortcutsPortal]:
    """Serve the portal on the bus of `open_bus_daemon`; gone when the block ends."""
    async with serve_on_bus(folder, SERVICE, portal.take):
        yield portal
    if not portal.backend_stays:
        portal.grabs.clear()


@asynccontextmanager
async def open_backend(folder: Path, portal: ShortcutsPortal) -> AsyncIterator[None]:
    """Serve the desktop's service behind the portal: it stays when the portal is started anew."""
    portal.backend_stays = True
    async with serve_on_bus(folder, f"{BACKENDS}gnome", portal.take_for_backend):
        yield
