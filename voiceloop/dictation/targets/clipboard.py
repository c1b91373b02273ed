"""Text on the clipboard: all that was said since somebody last copied something else."""

from __future__ import annotations

import trio

from voiceloop.dictation.targets.desktop import Clipboard
from voiceloop.dictation.targets.file_target import plain
from voiceloop.dictation.targets.target import Focus, Insertion, Since
from voiceloop.errors import CantUndo
from voiceloop.text import join_chunks


class Aside:
    """What a window didn't get, on the clipboard: all of it since somebody last copied something else."""

    def __init__(self, clipboard: Clipboard) -> None:
        self._clipboard = clipboard
        self._text = ""

    async def held(self) -> str:
        """What of it is still there."""
        if self._text and not await self._clipboard.holds(self._text):
            self._text = ""
        return self._text

    async def add(self, text: str) -> None:
        """Put `text` behind what is still there."""
        await self.add_behind(await self.held(), text)

    async def add_behind(self, held: str, text: str) -> None:
        """As `add`, where `held` was still there a moment ago."""
        text = held + text if text[:1].isspace() or not (held and text) else join_chunks([held, text])
        await self._clipboard.keep(text)
        self._text = text


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
