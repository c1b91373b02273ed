"""A session of the desktop portal's RemoteDesktop: a keyboard, and where the desktop has it the clipboard, which the
user allows once in a dialog of the desktop's (https://flatpak.github.io/xdg-desktop-portal/docs/). Knows no text.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from voiceloop.dictation.portal.session_bus import ANSWER_S, Bus, Refused, Signal, open_bus
from voiceloop.errors import TargetError
from voiceloop.events import Publish

NAME = "portal"
SERVICE = "org.freedesktop.portal.Desktop"
PATH = "/org/freedesktop/portal/desktop"
REMOTE_DESKTOP = "org.freedesktop.portal.RemoteDesktop"
CLIPBOARD = "org.freedesktop.portal.Clipboard"
_REQUEST, _SESSION = "org.freedesktop.portal.Request", "org.freedesktop.portal.Session"
_SETTINGS = "org.freedesktop.portal.Settings"
_LAYOUTS = ("org.gnome.desktop.input-sources", "sources")
_GROUP = 3
"""So many of the user's layouts GNOME puts into one keymap, and one of the language's behind them."""
CONSENT_S = 60.0
"""How long the user may take to answer the desktop's dialog."""
ASKING_S = 1.0
"""A desktop that hasn't answered after it asks the user."""
CLOSE_S = 1.0
LAST_WORDS_S = 0.2
_KEYBOARD = 1
_UNTIL_REVOKED = 2
_NO_KEYBOARD = "the desktop's portal lends no keyboard (RemoteDesktop)"
_REFUSED, _ENDED = 1, 2
"""What a Response says."""


class PortalSession:
    """A keyboard. Once it has ended nothing works any more: `ended` says why."""

    def __init__(self, bus: Bus, publish: Publish) -> None:
        self._bus = bus
        self._publish = publish
        self._path = ""
        self._responses: dict[str, tuple[int, dict[str, Any]]] = {}
        self._news = trio.Event()
        self._hear_clipboard: Callable[[Signal], None] | None = None
        self._clipboard_owner: Signal | None = None
        self.ended = ""
        self.is_gnome = "GNOME" in os.environ.get("XDG_CURRENT_DESKTOP", "").split(":")
        self.gnome_layouts: int | None = None
        """How many of its layouts, from the first, the user can switch on: GNOME has others behind them. None where
        that isn't known."""
        self.has_clipboard = False

    async def start(self, *, clipboard: bool) -> None:
        """Get the keyboard, and the clipboard where it is wanted and there is one; the user may be asked. Raises
        `TargetError`."""
        self._bus.when_lost = lambda: self._end("the session's message bus is gone")
        await self._bus.subscribe(f"type='signal',sender='{SERVICE}'", self._hear)
        owner = "type='signal',member='NameOwnerChanged',sender='org.freedesktop.DBus'"
        await self._bus.subscribe(f"{owner},arg0='{SERVICE}'", self._hear_owner)
        version = await self._version()
        if self.is_gnome:
            with suppress(Refused):
                (found,) = await self._bus.call(SERVICE, PATH, _SETTINGS, "ReadAll", "as", [_LAYOUTS[0]])
                self._count_layouts(found.get(_LAYOUTS[0], {}).get(_LAYOUTS[1]))
        created = await self._ask("CreateSession", "a{sv}", {"session_handle_token": ("s", "voiceloop")})
        self._path = str(created["session_handle"][1])
        await self._select(version)
        wanted = clipboard and await self._may_ask_clipboard()
        started = await self._ask("Start", "osa{sv}", self._path, "", {}, by_user=True)
        _remember(str(started["restore_token"][1]) if "restore_token" in started else None)
        if not started.get("devices", ("u", 0))[1] & _KEYBOARD:
            raise _failed("the desktop lent no keyboard: allow the remote interaction when it asks")
        self.has_clipboard = wanted and bool(started.get("clipboard_enabled", ("b", False))[1])

    async def key(self, method: str, number: int, *, down: bool) -> None:
        """Press a key or let it go: `NotifyKeyboardKeycode` with Linux's number, `NotifyKeyboardKeysym` with the
        layout's number of a character. Raises `TargetError`."""
        await self.call(REMOTE_DESKTOP, method, "oa{sv}iu", {}, number, int(down))

    async def call(self, interface: str, method: str, signature: str, *values: Any) -> tuple[Any, ...]:
        """Call a method of the session. Raises `TargetError`."""
        if self.ended:
            raise _failed(self.ended, "Start anew to be lent a keyboard again")
        return await self._bus.call(SERVICE, PATH, interface, method, signature, self._path, *values)

    def hear_clipboard(self, hear: Callable[[Signal], None]) -> None:
        """Have `hear` told what happens to the clipboard, and what it holds already."""
        self._hear_clipboard = hear
        if self._clipboard_owner is not None:
            hear(self._clipboard_owner)

    async def close(self) -> None:
        """Give the keyboard back; what is still pressed is let go by the desktop."""
        if self._path and not self.ended:
            self.ended = "it was given back"
            await self._bus.tell(SERVICE, self._path, _SESSION, "Close")

    async def _version(self) -> int:
        try:
            (found,) = await self._bus.call(
                SERVICE, PATH, "org.freedesktop.DBus.Properties", "GetAll", "s", REMOTE_DESKTOP
            )
        except Refused as error:
            none = error.name == "org.freedesktop.DBus.Error.ServiceUnknown"
            raise _failed("there is no desktop portal (xdg-desktop-portal)" if none else _NO_KEYBOARD) from error
        if not found.get("AvailableDeviceTypes", ("u", 0))[1] & _KEYBOARD:
            raise _failed(_NO_KEYBOARD)
        return int(found["version"][1])

    async def _select(self, version: int) -> None:
        devices: dict[str, tuple[str, Any]] = {"types": ("u", _KEYBOARD)}
        remembered: dict[str, tuple[str, str]] = {}
        if version >= 2:
            devices["persist_mode"] = ("u", _UNTIL_REVOKED)
            remembered = _remembered()
        try:
            await self._ask("SelectDevices", "oa{sv}", self._path, devices | remembered)
        except Refused:
            if not remembered:
                raise
            _remember(None)  # it is damaged
            await self._ask("SelectDevices", "oa{sv}", self._path, devices)

    async def _may_ask_clipboard(self) -> bool:
        try:
            await self.call(CLIPBOARD, "RequestClipboard", "oa{sv}", {})
        except Refused:  # the desktop has no such thing
            return False
        return True

    async def _ask(
        self, method: str, signature: str, *values: Any, by_user: bool = False
    ) -> dict[str, tuple[str, Any]]:
        """Call a method that answers by a Request, and wait for its Response; `by_user`: who may be asked for it."""
        *others, options = values
        options = options | {"handle_token": ("s", f"voiceloop_{method}")}
        (path,) = await self._bus.call(SERVICE, PATH, REMOTE_DESKTOP, method, signature, *others, options)
        with trio.move_on_after(ASKING_S if by_user else ANSWER_S):
            await self._answered(path)
        if by_user and path not in self._responses and not self.ended:
            self._publish("notice", text="The desktop asks whether voiceloop may type: allow it in that dialog.")
            with trio.move_on_after(CONSENT_S):
                await self._answered(path)
        if path not in self._responses and not self.ended:
            await self._bus.tell(SERVICE, path, _REQUEST, "Close")  # so that the dialog goes away
            raise _failed(
                f"nobody has answered the desktop's dialog for {CONSENT_S:g} s" if by_user else f"no {method}"
            )
        code, results = self._responses.pop(path, (_ENDED, {}))
        if code:
            raise _failed(
                "it was refused in the desktop's dialog" if code == _REFUSED else self.ended or f"no {method}"
            )
        return results

    async def _answered(self, path: str) -> None:
        while path not in self._responses and not self.ended:
            self._news = trio.Event()
            await self._news.wait()
        if self.ended:
            with trio.move_on_after(LAST_WORDS_S):  # KDE ends the session first, and then says that it was refused
                while path not in self._responses:
                    self._news = trio.Event()
                    await self._news.wait()

    def _hear(self, signal: Signal) -> None:
        if signal.name == f"{_REQUEST}.Response":
            self._responses[signal.path] = (signal.body[0], signal.body[1])
            self._news.set()
        elif signal.name == f"{_SESSION}.Closed" and signal.path == self._path:
            self._end("it was ended on the desktop")
        elif signal.name == f"{_SETTINGS}.SettingChanged" and signal.body[:2] == _LAYOUTS:
            self._count_layouts(signal.body[2])
        elif self._hear_clipboard is not None and signal.name.startswith(f"{CLIPBOARD}."):
            self._hear_clipboard(signal)
        elif signal.name == f"{CLIPBOARD}.SelectionOwnerChanged":  # told at once, before anybody can hear it
            self._clipboard_owner = signal

    def _count_layouts(self, sources: tuple[str, list[Any]] | None) -> None:
        count = len(sources[1]) if sources is not None else 0
        self.gnome_layouts = count if 0 < count <= _GROUP else None

    def _hear_owner(self, signal: Signal) -> None:
        if signal.name.endswith(".NameOwnerChanged") and signal.body[0] == SERVICE and not signal.body[2]:
            self._end("the desktop's portal is gone")

    def _end(self, why: str) -> None:
        self.ended = self.ended or why
        self._news.set()


def _failed(what: str, remedy: str = "") -> TargetError:
    return TargetError(what, place=NAME, remedy=remedy)


# What lets the next session begin without a dialog


def _token_file() -> Path:
    from platformdirs import user_state_path

    return user_state_path("voiceloop", appauthor=False) / "portal-token"


def _remembered() -> dict[str, tuple[str, str]]:
    try:
        token = _token_file().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return {}
    return {"restore_token": ("s", token)} if token else {}


def _remember(token: str | None) -> None:
    """Keep it for the user alone; each is good for once. Where that fails the desktop asks again."""
    path = _token_file()
    with suppress(OSError):
        path.unlink(missing_ok=True)
        if token is not None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(token)


@asynccontextmanager
async def open_portal_session(publish: Publish, *, clipboard: bool) -> AsyncIterator[PortalSession]:
    """A keyboard of the desktop's, allowed by the user. Raises `TargetError`."""
    async with open_bus() as bus:
        session = PortalSession(bus, publish)
        try:
            await session.start(clipboard=clipboard)
            yield session
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await session.close()
