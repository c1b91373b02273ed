"""A RemoteDesktop session of the desktop portal: lends a keyboard and, where the desktop supports it, the clipboard.

The user allows the session once, in a dialog of the desktop (https://flatpak.github.io/xdg-desktop-portal/docs/).

    CreateSession -> SelectDevices -> RequestClipboard -> Start (dialog) -> keys, clipboard -> Close
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from voiceloop.dbus.portal import CLOSE_S, PATH, SERVICE, Question, RequestSession
from voiceloop.dbus.session_bus import Bus, Refused, Signal, open_bus
from voiceloop.errors import TargetError
from voiceloop.events import Publish

NAME = "portal"
REMOTE_DESKTOP = "org.freedesktop.portal.RemoteDesktop"
CLIPBOARD = "org.freedesktop.portal.Clipboard"
_SETTINGS = "org.freedesktop.portal.Settings"
_LAYOUTS = ("org.gnome.desktop.input-sources", "sources")
_MOST_GNOME_LAYOUTS = 3
"""The most user layouts that GNOME puts into one keymap; behind them it adds one for the language."""
_KEYBOARD = 1
"""The bit for a keyboard in a set of device types."""
_UNTIL_REVOKED = 2
"""The `persist_mode` that remembers the permission until the user revokes it."""
_NO_KEYBOARD = "the desktop's portal lends no keyboard (RemoteDesktop)"
_QUESTION = Question(
    "The desktop asks whether voiceloop may type: allow it in that dialog.",
    "typing was refused in the desktop's dialog",
)


class PortalSession(RequestSession):
    """A session with a keyboard. Once it has ended, every call raises `TargetError`. Then, and when it is closed, the
    desktop releases keys that are still pressed."""

    def __init__(self, bus: Bus, publish: Publish) -> None:
        super().__init__(bus, REMOTE_DESKTOP, publish, place=NAME)
        self._hear_clipboard: Callable[[Signal], None] | None = None
        self._clipboard_owner: Signal | None = None
        self.is_gnome = "GNOME" in os.environ.get("XDG_CURRENT_DESKTOP", "").split(":")
        self.gnome_layouts: int | None = None
        """How many layouts of the keymap, from the first, the user can switch to: GNOME adds others behind them. None
        when unknown."""
        self.has_clipboard = False

    async def start(self, *, clipboard: bool) -> None:
        """Start the session with a keyboard and, if `clipboard` and the desktop has one, the clipboard. The desktop may
        ask the user. Raises `TargetError`."""
        await self.watch()
        version = await self._version()
        if self.is_gnome:
            with suppress(Refused):
                (settings,) = await self.bus.call(SERVICE, PATH, _SETTINGS, "ReadAll", "as", [_LAYOUTS[0]])
                self._count_layouts(settings.get(_LAYOUTS[0], {}).get(_LAYOUTS[1]))
        await self.create()
        await self._select(version)
        clipboard = clipboard and await self._request_clipboard()
        started = await self.request("Start", "osa{sv}", self.path, "", {}, question=_QUESTION)
        _store_token(str(started["restore_token"][1]) if "restore_token" in started else None)
        if not started.get("devices", ("u", 0))[1] & _KEYBOARD:
            raise _error("the desktop lent no keyboard", remedy="Allow remote interaction in its dialog")
        self.has_clipboard = clipboard and bool(started.get("clipboard_enabled", ("b", False))[1])

    async def key(self, method: str, number: int, *, down: bool) -> None:
        """Press or release a key. `method`: `NotifyKeyboardKeycode` with Linux's number of the key, or
        `NotifyKeyboardKeysym` with the keysym of a character. Raises `TargetError`."""
        await self.call(REMOTE_DESKTOP, method, "oa{sv}iu", {}, number, int(down))

    async def call(self, interface: str, method: str, signature: str, *values: Any) -> tuple[Any, ...]:
        """Call a method of the session. Raises `TargetError`."""
        if self.ended:
            raise _error(self.ended, remedy="Restart voiceloop to type again")
        return await self.bus.call(SERVICE, PATH, interface, method, signature, self.path, *values)

    def hear_clipboard(self, hear: Callable[[Signal], None]) -> None:
        """Call `hear` for every signal about the clipboard, beginning with the last one about its owner."""
        self._hear_clipboard = hear
        if self._clipboard_owner is not None:
            hear(self._clipboard_owner)

    async def _version(self) -> int:
        try:
            (properties,) = await self.bus.call(
                SERVICE, PATH, "org.freedesktop.DBus.Properties", "GetAll", "s", REMOTE_DESKTOP
            )
        except Refused as error:
            none = error.name == "org.freedesktop.DBus.Error.ServiceUnknown"
            raise _error("there is no desktop portal (xdg-desktop-portal)" if none else _NO_KEYBOARD) from error
        if not properties.get("AvailableDeviceTypes", ("u", 0))[1] & _KEYBOARD:
            raise _error(_NO_KEYBOARD)
        return int(properties["version"][1])

    async def _select(self, version: int) -> None:
        devices: dict[str, tuple[str, Any]] = {"types": ("u", _KEYBOARD)}
        restore_token: dict[str, tuple[str, str]] = {}
        if version >= 2:
            devices["persist_mode"] = ("u", _UNTIL_REVOKED)
            restore_token = _stored_token()
        try:
            await self.request("SelectDevices", "oa{sv}", self.path, devices | restore_token)
        except Refused:
            if not restore_token:
                raise
            _store_token(None)  # the token is damaged
            await self.request("SelectDevices", "oa{sv}", self.path, devices)

    async def _request_clipboard(self) -> bool:
        try:
            await self.call(CLIPBOARD, "RequestClipboard", "oa{sv}", {})
        except Refused:  # the desktop's portal has no clipboard
            return False
        return True

    def on_signal(self, signal: Signal) -> None:
        if signal.name == f"{_SETTINGS}.SettingChanged" and signal.body[:2] == _LAYOUTS:
            self._count_layouts(signal.body[2])
        elif self._hear_clipboard is not None and signal.name.startswith(f"{CLIPBOARD}."):
            self._hear_clipboard(signal)
        elif signal.name == f"{CLIPBOARD}.SelectionOwnerChanged":  # sent at once, before `hear_clipboard` is called
            self._clipboard_owner = signal

    def _count_layouts(self, sources: tuple[str, list[Any]] | None) -> None:
        count = len(sources[1]) if sources is not None else 0
        self.gnome_layouts = count if 0 < count <= _MOST_GNOME_LAYOUTS else None


def _error(what: str, *, remedy: str = "") -> TargetError:
    return TargetError(what, place=NAME, remedy=remedy)


# The restore token, with which the next session starts without a dialog


def _token_file() -> Path:
    from platformdirs import user_state_path

    return user_state_path("voiceloop", appauthor=False) / "portal-token"


def _stored_token() -> dict[str, tuple[str, str]]:
    try:
        token = _token_file().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return {}
    return {"restore_token": ("s", token)} if token else {}


def _store_token(token: str | None) -> None:
    """Store the restore token, readable for the user alone, or delete it (None). Each token is valid once. If storing
    fails, the desktop asks the user again."""
    path = _token_file()
    with suppress(OSError):
        path.unlink(missing_ok=True)
        if token is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(token)


@asynccontextmanager
async def open_portal_session(publish: Publish, *, clipboard: bool) -> AsyncIterator[PortalSession]:
    """Open a session with a keyboard, once the user has allowed it. Raises `TargetError`."""
    async with open_bus(NAME) as bus:
        session = PortalSession(bus, publish)
        try:
            await session.start(clipboard=clipboard)
            yield session
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await session.close()
