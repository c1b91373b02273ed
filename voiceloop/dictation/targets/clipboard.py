"""The clipboard as a target: holds all text dictated since the user last copied something else."""

from __future__ import annotations

import trio

from voiceloop.dictation.targets.desktop import Clipboard
from voiceloop.dictation.targets.file_target import plain
from voiceloop.dictation.targets.target import Focus, Insertion, Since
from voiceloop.errors import CantUndo
from voiceloop.text import join_chunks


class Aside:
    """Text that could not be written into a window, put on the clipboard instead. Successive texts are joined, until
    something else is copied."""

    def __init__(self, clipboard: Clipboard) -> None:
        self._clipboard = clipboard
        self._text = ""

    async def held(self) -> str:
        """The text put aside that is still on the clipboard; empty once something else was copied."""
        if self._text and not await self._clipboard.holds(self._text):
            self._text = ""
        return self._text

    async def add(self, text: str) -> None:
        """Append `text` to the text put aside that is still on the clipboard."""
        await self.add_behind(held=await self.held(), text=text)

    async def add_behind(self, *, held: str, text: str) -> None:
        """Append `text` to `held`, the result of an earlier call of `held()`."""
        text = held + text if text[:1].isspace() or not (held and text) else join_chunks([held, text])
        await self._clipboard.keep(text)
        self._text = text


class ClipboardTarget:
    """Appends each insertion to the text on the clipboard. `Insertion.mark` is the length of that text before it."""

    name = "clipboard"
    watches_focus = False

    def __init__(self, clipboard: Clipboard) -> None:
        self._clipboard = clipboard
        self._text = ""

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return None

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        if not await self._is_ours():
            self._text = ""
        text = plain(text) if self._text else plain(text).lstrip(" ")
        before, self._text = self._text, self._text + text
        await self._clipboard.keep(self._text)
        return Insertion(text, focus, len(before))

    async def since(self, insertion: Insertion) -> Since:
        return "nothing" if await self._is_ours() else "elsewhere"

    async def undo(self, insertion: Insertion) -> None:
        if not await self._is_ours():
            raise CantUndo("something else was copied since", place=self.name)
        self._text = self._text[: insertion.mark]
        await self._clipboard.keep(self._text)

    async def enter(self, *, focus: Focus | None) -> None:
        await self.insert("\n", focus=focus)

    async def set_aside(self, text: str) -> str:
        await self.insert(text, focus=None)
        return self.name

    async def _is_ours(self) -> bool:
        return bool(self._text) and await self._clipboard.holds(self._text)
