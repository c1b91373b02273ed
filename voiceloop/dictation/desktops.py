"""Opens the typing target or the clipboard target of the current desktop: probes what works here and tells its
choice."""

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
from voiceloop.dictation.wayland.sway import find_desktop_state
from voiceloop.dictation.wayland.wlclipboard import open_wlclipboard
from voiceloop.dictation.x11.xsession import open_xsession
from voiceloop.errors import TargetError
from voiceloop.events import Publish
from voiceloop.nursery import private_nursery

_PORTAL_ONLY = frozenset({"GNOME", "KDE"})
"""Desktops without the virtual keyboard protocol: programs can type there only through the desktop portal."""
_ELSEWHERE = "Use --to stdout or --to file:PATH: both work everywhere"
_CLIPBOARD = "Without typing: --to clipboard, and you paste the text yourself"


@asynccontextmanager
async def open_typing(options: TargetOptions, publish: Publish) -> AsyncIterator[Target]:
    """Open the target that types into windows. Raises `TargetError` when nothing can type here."""
    async with AsyncExitStack() as stack:
        yield TypingTarget(await _desktop(stack, options, os.environ, publish), options, publish)


@asynccontextmanager
async def open_clipboard(options: TargetOptions) -> AsyncIterator[Target]:
    """Open the clipboard target. Raises `TargetError` when there is no clipboard."""
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
        raise TargetError(what, place=PLACE, remedy=_ELSEWHERE)
    clipboard: Clipboard | None = None
    why = ""

    def tell(text: str) -> None:
        publish("notice", text=text)

    if wayland:
        try:
            clipboard = await stack.enter_async_context(open_wlclipboard(options, tell=tell))
        except TargetError as error:
            why = error.what
    nursery = await stack.enter_async_context(private_nursery())
    portal = PortalKeys(nursery, publish, clipboard=clipboard is None)
    lends = not _PORTAL_ONLY.isdisjoint(environment.get("XDG_CURRENT_DESKTOP", "").split(":"))
    # Where there is no data-control protocol, as on GNOME, a program without a window has no clipboard either.
    instead = _ELSEWHERE if wayland and clipboard is None else _CLIPBOARD
    keys = Failover(candidates(options.way, portal, wayland=wayland, lends=lends), publish, instead=instead)
    await keys.probe()
    if keys.name == "xdotool" or not wayland:
        session = await stack.enter_async_context(open_xsession(options, tell=tell))
        return Desktop(keys, session, session)
    if clipboard is None and portal.session is not None and portal.session.has_clipboard:
        clipboard = PortalClipboard(portal.session, nursery, options)
    if clipboard is None:
        clipboard = NoClipboard(why)
        publish("notice", text=f"Nothing can be pasted, only typed: {why}.")
    return Desktop(keys, await find_desktop_state(environment, options.terminals, publish), clipboard)


def candidates(way: str, portal: Keys, *, wayland: bool, lends: bool = False) -> list[Keys]:
    """The programs to try for typing, best first; `way` other than `auto` names the only one.

    `lends`: whether the desktop lets programs type only through its portal. On Wayland xdotool is used only when `way`
    names it: it reaches only some of the windows there.
    """
    wtype = Wtype()
    typists: list[Keys] = [Xdotool(), *((portal, wtype) if lends else (wtype, portal)), Ydotool()]
    if way != "auto":
        return [keys for keys in typists if keys.name == way]
    return typists[1:] if wayland else typists[:1]
