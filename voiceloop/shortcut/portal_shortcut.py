"""A global shortcut through the desktop's portal (GNOME 48 and later, KDE Plasma, Hyprland).

    Register (the application's id) -> CreateSession -> BindShortcuts (the desktop asks once) -> Activated, Deactivated

https://flatpak.github.io/xdg-desktop-portal/docs/doc-org.freedesktop.portal.GlobalShortcuts.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from voiceloop.dbus.portal import CLOSE_S, PATH, SERVICE, Failed, Question, RequestSession, Unanswered
from voiceloop.dbus.session_bus import Bus, Refused, Signal, open_bus
from voiceloop.errors import TargetError
from voiceloop.events import Publish
from voiceloop.service.desktop_entry import APP_ID, FILE_NAME

PLACE = "control.shortcut"
SHORTCUTS = "org.freedesktop.portal.GlobalShortcuts"
REGISTRY = "org.freedesktop.host.portal.Registry"
ID = "talk"
_DESCRIPTION = "voiceloop: hold to talk, tap to start or stop"
_QUESTION = Question(
    "The desktop asks about voiceloop's shortcut: allow it in that dialog.",
    "it was refused in the desktop's dialog",
)
_UNKNOWN = "org.freedesktop.DBus.Error.UnknownMethod", "org.freedesktop.DBus.Error.UnknownInterface"
_NO_PORTAL = "org.freedesktop.DBus.Error.ServiceUnknown"
_NOT_ALLOWED = "org.freedesktop.portal.Error.NotAllowed"
INSTEAD = "Give the command 'voiceloop ctl toggle' a key in the desktop's settings"
"""The remedy where there is no such portal."""


class NoShortcut(TargetError):
    """There is no shortcut, and trying again would not help."""


class NoPortal(TargetError):
    """There is no portal at present."""


class ShortcutSession(RequestSession):
    """A session with one shortcut. `press` and `release` are called when it is pressed and released."""

    def __init__(self, bus: Bus, publish: Publish, press: Callable[[], None], release: Callable[[], None]) -> None:
        super().__init__(bus, SHORTCUTS, publish, place=PLACE)
        self._press, self._release = press, release

    async def start(self, trigger: str) -> str:
        """Bind the shortcut; the desktop may ask the user. Returns the keys in the desktop's words; empty if there are
        none yet. Raises NoShortcut, or `TargetError` for what may pass."""
        await self.watch()
        registered = await self._register()
        try:
            await self.create()
        except Refused as error:
            raise _no_session(error, registered) from error
        bound = await self._bind(trigger, registered)
        shortcuts = dict(bound.get("shortcuts", ("", ()))[1])
        if ID not in shortcuts:
            raise NoShortcut("the desktop gave none", place=PLACE, remedy=INSTEAD)
        return str(shortcuts[ID].get("trigger_description", ("s", ""))[1]).removeprefix("Press ")

    async def _bind(self, trigger: str, registered: str) -> dict[str, tuple[str, Any]]:
        values: dict[str, Any] = {"description": ("s", _DESCRIPTION), "preferred_trigger": ("s", trigger)}
        try:
            return await self.request(
                "BindShortcuts", "oa(sa{sv})sa{sv}", self.path, [(ID, values)], "", {}, question=_QUESTION
            )
        except Failed as error:
            # GNOME 48 always answers with this code. Only the results tell whether the user allowed it.
            if "shortcuts" in error.results:
                return error.results
            if registered:
                raise _not_installed(registered) from error
            raise Unanswered(_QUESTION.refused, place=PLACE) from error

    async def _register(self) -> str:
        """Tell the portal the application's id. Returns why it was refused; empty if it was not. Portals before 1.20
        know no registration."""
        try:
            await self.bus.call(SERVICE, PATH, REGISTRY, "Register", "sa{sv}", APP_ID, {})
        except Refused as error:
            if error.name == _NO_PORTAL:
                what = "there is no desktop portal (xdg-desktop-portal)"
                raise NoPortal(what, place=PLACE, remedy=INSTEAD) from error
            return "" if error.name in _UNKNOWN else error.what
        return ""

    def on_signal(self, signal: Signal) -> None:
        if signal.name in (f"{SHORTCUTS}.Activated", f"{SHORTCUTS}.Deactivated"):
            session, name, _time, _options = signal.body  # the time is 0 on KDE
            if session == self.path and name == ID:
                (self._press if signal.name.endswith(".Activated") else self._release)()


def _no_session(error: Refused, registered: str) -> NoShortcut:
    if error.name in _UNKNOWN:
        return NoShortcut("this desktop's portal has no global shortcuts", place=PLACE, remedy=INSTEAD)
    if error.name == _NOT_ALLOWED or registered:
        return _not_installed(registered or error.what)
    return NoShortcut(error.what, place=PLACE, remedy=INSTEAD)


def _not_installed(said: str) -> NoShortcut:
    what = f"the portal gives shortcuts only to installed applications ({said})"
    remedy = f"See that ~/.local/share/applications has {FILE_NAME}, and log in again. Or: {INSTEAD}"
    return NoShortcut(what, place=PLACE, remedy=remedy)


@asynccontextmanager
async def open_shortcut_session(
    publish: Publish, press: Callable[[], None], release: Callable[[], None]
) -> AsyncIterator[ShortcutSession]:
    """Connect to the portal while the body runs. Raises `TargetError`."""
    async with open_bus(PLACE) as bus:
        session = ShortcutSession(bus, publish, press, release)
        try:
            yield session
        finally:
            with trio.move_on_after(CLOSE_S, shield=True):
                await session.close()
