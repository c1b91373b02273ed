"""Text on the clipboard: all that was said since somebody last copied something else."""

from __future__ import annotations

import trio

from voiceloop.dictation.desk import Clipboard
from voiceloop.dictation.files import plain
from voiceloop.dictation.target import Focus, Insertion, Since
from voiceloop.errors import CantUndo


class ClipboardTarget:
    name = "clipboard"
    watches_focus = False

    def __init__(self, clipboard: Clipboard) -> None:
        self._clipboard = clipboard
        self._text = ""

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return None

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        if not await self._ours():
            self._text = ""
        text = plain(text) if self._text else plain(text).lstrip(" ")
        before, self._text = self._text, self._text + text
        await self._clipboard.keep(self._text)
        return Insertion(text, focus, len(before))

    async def since(self, insertion: Insertion) -> Since:
        return "nothing" if await self._ours() else "elsewhere"

    async def undo(self, insertion: Insertion) -> None:
        if not await self._ours():
            raise CantUndo("something else was copied since", place=self.name)
        self._text = self._text[: insertion.mark]
        await self._clipboard.keep(self._text)

    async def enter(self, *, focus: Focus | None) -> None:
        await self.insert("\n", focus=focus)

    async def set_aside(self, text: str) -> str:
        await self.insert(text, focus=None)
        return self.name

    async def _ours(self) -> bool:
        return bool(self._text) and await self._clipboard.holds(self._text)
