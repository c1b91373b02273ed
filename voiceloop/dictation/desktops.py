"""Opens what types, or the clipboard, on the desktop that is here: tries, and says what it chose."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from voiceloop.dictation.portal.portal_clipboard import PortalClipboard
from voiceloop.dictation.portal.portal_keys import PortalKeys
from voiceloop.dictation.targets.clipboard import ClipboardTarget
from voiceloop.dictation.targets.desktop import Clipboard, Keys, NoClipboard
from voiceloop.dictation.targets.target import PLACE, Target, TargetOptions
from voiceloop.dictation.targets.typing import Desktop, TypingTarget
from voiceloop.dictation.targets.typists import Failover, Wtype, Xdotool, Ydotool
from voiceloop.dictation.wayland.sway import find_eyes
from voiceloop.dictation.wayland.wlclipboard import open_wlclipboard
from voiceloop.dictation.x11.xsession import open_xsession
from voiceloop.errors import TargetError
from voiceloop.events import Publish
from voiceloop.nursery import private_nursery

_LENDING = frozenset({"GNOME", "KDE"})
"""Desktops that have no virtual keyboards for programs."""


@asynccontextmanager
async def open_typing(options: TargetOptions, publish: Publish) -> AsyncIterator[Target]:
    """What types into windows here. Raises `TargetError` when nothing does."""
    async with AsyncExitStack() as stack:
        yield TypingTarget(await _desktop(stack, options, os.environ, publish), options, publish)


@asynccontextmanager
async def open_clipboard(options: TargetOptions) -> AsyncIterator[Target]:
    """The clipboard. Raises `TargetError` when there is none."""
    async with open_wlclipboard(options) if _is_wayland(os.environ) else open_xsession(options) as clipboard:
        yield ClipboardTarget(clipboard)


def _is_wayland(environment: Mapping[str, str]) -> bool:
    return bool(environment.get("WAYLAND_DISPLAY"))


async def _desktop(
    stack: AsyncExitStack, options: TargetOptions, environment: Mapping[str, str], publish: Publish
) -> Desktop:
    wayland = _is_wayland(environment)
    if not wayland and not environment.get("DISPLAY"):
        what = "there is no desktop here to type into (neither WAYLAND_DISPLAY nor DISPLAY is set)"
        raise TargetError(what, place=PLACE, remedy="--to stdout or file:PATH work everywhere")
    clipboard: Clipboard | None = None
    why = ""
    if wayland:
        try:
            clipboard = await stack.enter_async_context(open_wlclipboard(options))
        except TargetError as error:
            why = error.what
    nursery = await stack.enter_async_context(private_nursery())
    portal = PortalKeys(nursery, publish, clipboard=clipboard is None)
    lends = not _LENDING.isdisjoint(environment.get("XDG_CURRENT_DESKTOP", "").split(":"))
    keys = Failover(candidates(options.way, portal, wayland=wayland, lends=lends), publish)
    await keys.probe()
    if keys.name == "xdotool" or not wayland:
        session = await stack.enter_async_context(open_xsession(options))
        return Desktop(keys, session, session)
    if clipboard is None and portal.session is not None and portal.session.has_clipboard:
        clipboard = PortalClipboard(portal.session, nursery, options)
    if clipboard is None:
        clipboard = NoClipboard(why)
        publish("notice", text=f"Nothing can be pasted, only typed: {why}.")
    return Desktop(keys, await find_eyes(environment, options.terminals, publish), clipboard)


def candidates(way: str, portal: Keys, *, wayland: bool, lends: bool = False) -> list[Keys]:
    """What may type, the best first; `lends`: whether the desktop lends a keyboard by its portal and in no other way.
    Xdotool reaches but some of the windows of a Wayland desktop: only when named."""
    wtype = Wtype()
    typists: list[Keys] = [Xdotool(), *((portal, wtype) if lends else (wtype, portal)), Ydotool()]
    if way != "auto":
        return [keys for keys in typists if keys.name == way]
    return typists[1:] if wayland else typists[:1]
