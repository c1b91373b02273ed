"""The keyboard layout of a Wayland compositor, kept up to date. Receives no key presses: those go to the focused
window."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from voiceloop.dictation.targets.keymap import Keymap, read_keymap
from voiceloop.dictation.wayland.wlconnection import WlConnection, open_wayland
from voiceloop.dictation.wayland.wlwire import Message, request
from voiceloop.errors import TargetError
from voiceloop.nursery import private_nursery

KEYBOARD_S = 2.0
"""How long a desktop may take to send its keyboard layout."""
_KEYBOARD = 2
"""The bit for a keyboard in the capabilities of a wl_seat."""


class WlKeyboard(WlConnection):
    """The keyboard layout. `run`, which handles the compositor's events, must be running."""

    keymap: Keymap | None = None
    """None until it is known."""

    def __init__(self, stream: trio.socket.SocketType) -> None:
        super().__init__(stream)
        self._seat = self._keyboard = 0
        self._known = trio.Event()

    async def learn(self) -> None:
        """Wait until the layout is known. Raises `TargetError` when it doesn't come in time."""
        await self._ask_globals()
        if "wl_seat" in self._globals:
            self._seat = self._next_id  # set before `_bind`, because its events may come before `_bind` returns
            await self._bind("wl_seat", 4)
            with trio.move_on_after(KEYBOARD_S):
                await self._known.wait()
        if self.keymap is None:
            raise TargetError(self._lost or "the desktop has not sent it", place="the keyboard layout")

    def _event(self, message: Message) -> None:
        if message.sender == self._seat and message.opcode == 0:
            (capabilities,) = message.numbers(1)
            if capabilities & _KEYBOARD and not self._keyboard:
                self._keyboard = self._new_id()
                self._send_soon(request(self._seat, 1, self._keyboard))
        elif message.sender == self._keyboard and message.opcode == 0 and self._fds:
            _, size = message.numbers(2)
            self._read_keymap(self._fds.pop(0), size)

    def _read_keymap(self, fd: int, size: int) -> None:
        try:
            self.keymap = read_keymap(os.pread(fd, size, 0))
        except TargetError as error:
            self._lost = str(error)
        finally:
            os.close(fd)
            self._known.set()

    def _on_lost(self) -> None:
        self._known.set()


@asynccontextmanager
async def open_wlkeyboard() -> AsyncIterator[WlKeyboard]:
    """Open the keyboard of the compositor at $WAYLAND_DISPLAY. Raises `TargetError` when its layout can't be read."""
    async with open_wayland() as stream, private_nursery() as nursery:
        keyboard = WlKeyboard(stream)
        nursery.start_soon(keyboard.run, nursery, name="Wayland keyboard events")
        await keyboard.learn()
        yield keyboard
