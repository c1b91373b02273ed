"""Typing through the desktop portal, on GNOME, KDE and other desktops that lend a keyboard. Leaves the dialog to the
session and pasting to the clipboard.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from voiceloop.dbus.portal import CLOSE_S
from voiceloop.dictation.portal.remote_desktop import NAME, PortalSession, open_portal_session
from voiceloop.dictation.targets.keymap import Keymap, keysym
from voiceloop.dictation.targets.typists import CODES, SLOWEST_S
from voiceloop.dictation.wayland.wlkeyboard import WlKeyboard, open_wlkeyboard
from voiceloop.errors import TargetError
from voiceloop.events import Publish

_BY_CODE, _BY_SYMBOL = "NotifyKeyboardKeycode", "NotifyKeyboardKeysym"
_SYMBOLS = {"\n": 0xFF0D, "\t": 0xFF09}


class PortalKeys:
    """A keyboard that the desktop lends. The desktop looks up the key of a character in one layout. Characters whose
    key differs between the user's layouts, or that have none, would come out wrong or not at all: `types` refuses
    them."""

    name = NAME
    american = False

    def __init__(self, nursery: trio.Nursery, publish: Publish, *, clipboard: bool) -> None:
        self._nursery = nursery
        self._publish = publish
        self._wants_clipboard = clipboard
        self._keyboard: WlKeyboard | None = None
        self.session: PortalSession | None = None
        """None until `probe` has succeeded once."""

    @property
    def keymap(self) -> Keymap:
        """The user's current layouts; empty when they aren't known yet."""
        return (self._keyboard and self._keyboard.keymap) or Keymap()

    def types(self, char: str) -> bool:
        if self.session is not None and self.session.is_gnome:  # GNOME looks keys up in the layout that is on
            return self.keymap.everywhere(char, self.session.gnome_layouts)
        return self.keymap.same_everywhere(char)

    async def probe(self) -> None:
        if self.session is None or self.session.ended:
            await self._nursery.start(self._keep_session, name="portal keyboard session")

    async def type(self, text: str) -> None:
        await self._press_keys([], [(_BY_SYMBOL, _SYMBOLS.get(char) or keysym(char)) for char in text])

    async def press(self, chord: str, times: int = 1) -> None:
        *held, last = [self._code(name) for name in chord.split("+")]
        await self._press_keys(held, [(_BY_CODE, last)] * times)

    def _code(self, name: str) -> int:
        """Linux's number of the key `name`. For a character: of the key that types it in the user's layout."""
        code = self.keymap.code(name) or CODES.get(name.casefold())
        if code is None:
            known = ", ".join(name for name in CODES if len(name) > 1)
            raise TargetError(f"has no key '{name}'", place=NAME, remedy=f"There are: {known}, and characters")
        return code

    async def _press_keys(self, held: Sequence[int], strokes: Sequence[tuple[str, int]]) -> None:
        """Press and release the keys of `strokes` one after the other, while the keys `held` are down. Once begun it is
        not cancelled, since half a word would have been typed. A failure ends the session, so that no key stays
        down."""
        await trio.lowlevel.checkpoint()
        if self.session is None:
            raise TargetError("no session is open", place=NAME)
        done = False
        try:
            with trio.fail_after(SLOWEST_S, shield=True):
                for code in held:
                    await self.session.key(_BY_CODE, code, down=True)
                for method, number in strokes:
                    await self.session.key(method, number, down=True)
                    await self.session.key(method, number, down=False)
                for code in reversed(held):
                    await self.session.key(_BY_CODE, code, down=False)
            done = True
        except trio.TooSlowError:
            raise TargetError(f"did not finish within {SLOWEST_S:g} s: the session was ended", place=NAME) from None
        finally:
            if not done:
                with trio.move_on_after(CLOSE_S, shield=True):
                    await self.session.close()

    async def _keep_session(self, task_status: trio.TaskStatus[None]) -> None:  # noqa: ASYNC114 - only `probe` starts it
        """Keep the session open and its keyboard layout up to date."""
        async with open_portal_session(self._publish, clipboard=self._wants_clipboard) as session:
            self.session = session
            # Pressing Shift proves that typing works. It also makes a desktop without a physical keyboard add one,
            # whose layout can then be read.
            await self._press_keys([], [(_BY_CODE, CODES["shift"])])
            async with open_wlkeyboard() as self._keyboard:
                task_status.started()
                await trio.sleep_forever()
