"""Lending the clipboard for a paste: saves its content, offers a text, waits until the window has read it, restores.

A base class, independent of the protocol: subclasses own and read the selections.

    save content -> offer text -> SETTLE_S -> `pressed`, and the paste keys -> text is read -> `Hold` -> restore content
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import trio

from voiceloop.dictation.targets.desktop import Lent, Paste, check_given_back
from voiceloop.dictation.targets.hold import Hold
from voiceloop.dictation.targets.target import Focus, TargetOptions
from voiceloop.errors import TargetError

TEXT = ("text/plain;charset=utf-8", "text/plain", "UTF8_STRING", "STRING", "TEXT")
OWNER_S = 1.0
"""How long the owner of the clipboard may take to give each form of its content."""
SAVE_S = 4.0
"""How long the content of the clipboard may take to save in all its forms."""
SAVE_BYTES = 256 << 20
"""How much of the clipboard's content is saved at most."""
SETTLE_S = 0.05
"""Wait after setting the clipboard: clipboard managers read it at once, and must not be taken for the window."""

Content = Mapping[str, bytes]
"""The forms of a clipboard's content, by MIME type."""


@dataclass(frozen=True, slots=True)
class Saved:
    """The saved content of a selection; `why` says why a part could not be read, and is empty when all was."""

    content: Content
    why: str = ""


@dataclass(slots=True, eq=False)
class Source:
    """Content that we offer; `lost` once another program has taken the selection over."""

    content: Content
    reads: int = 0
    lost: trio.Event = field(default_factory=trio.Event)

    @property
    def gone(self) -> bool:
        return self.lost.is_set()


class Lending:
    """Base class of clipboards. `_ours` holds, for each selection (`CLIPBOARD`, and `PRIMARY` where there is one), the
    content that we offered last."""

    def __init__(self, options: TargetOptions) -> None:
        self._options = options
        self._ours: dict[str, Source | None] = {"CLIPBOARD": None}
        self._read = trio.Event()
        self.hold = Hold()
        self._borrowed = Saved({})
        """What was on the clipboard before the last paste."""
        self._reader = 0
        """The process of the window that is pasted into; 0 when unknown."""

    async def _save(self, name: str) -> Saved:
        """Read the content of a selection in every form."""
        raise NotImplementedError

    async def _own(self, name: str, content: Content) -> Source:
        """Offer `content` as the selection `name` and note it in `_ours`; empty content clears the selection."""
        raise NotImplementedError

    async def run_hold(self) -> None:
        """Restore the clipboard in time after each paste. To be run in a nursery."""
        await self.hold.run()

    async def keep(self, text: str) -> None:
        await self.hold.ended()
        await self._own("CLIPBOARD", forms(text))

    async def holds(self, text: str) -> bool:
        await self.hold.ended()
        source = self._ours["CLIPBOARD"]
        return source is not None and not source.gone and source.content.get(TEXT[0]) == text.encode()

    async def lend(self, text: str, paste: Paste, *, focus: Focus | None, primary: bool) -> Lent:
        await self.hold.ended()
        names = tuple(self._ours) if primary else ("CLIPBOARD",)
        saved = {name: await self._save(name) for name in names}
        check_given_back(saved["CLIPBOARD"].content, saved["CLIPBOARD"].why)
        self._borrowed = saved["CLIPBOARD"]
        sources: dict[str, Source] = {}
        restore = partial(self._restore, saved, sources)
        pressed = trio.Event()
        try:
            for name in names:
                with trio.CancelScope(shield=True):  # half an offer can't be undone; it waits for no other program
                    sources[name] = await self._own(name, forms(text))
            await trio.sleep(SETTLE_S)
            before = _count_reads(sources)
            self._reader = focus.process if focus is not None else 0
            await paste(pressed.set)
            with trio.move_on_after(self._options.clipboard_s):
                await self._until(lambda: _count_reads(sources) > before)
            await trio.lowlevel.checkpoint()
        except BaseException:
            if pressed.is_set():  # the window may have got the keys: it may read at any moment
                self.hold.begin(restore)
            else:
                with trio.move_on_after(OWNER_S, shield=True), suppress(TargetError):
                    await restore()
            raise
        if _count_reads(sources) == before:  # the text stays on the clipboard
            return Lent(read=False, restored=False)
        self.hold.begin(restore)
        why = next((one.why for one in saved.values() if one.why), "")
        return Lent(read=True, restored=not why, why=why)

    async def _restore(self, saved: Mapping[str, Saved], sources: Mapping[str, Source]) -> None:
        for name, one in saved.items():
            source = sources.get(name)
            if source is not None and not source.gone and self._ours[name] is source:
                await self._own(name, one.content)

    async def _saved(self, mimes: Iterable[str], receive: Callable[[str], Awaitable[bytes | None]]) -> Saved:
        """Collect what `receive` returns for each form. None from `receive` means: not in time."""
        content, left = dict[str, bytes](), SAVE_BYTES
        slow = False
        with trio.move_on_after(SAVE_S) as scope:
            for mime in tuple(mimes):
                data = await receive(mime)
                if data is None:
                    slow = True
                    continue
                if (left := left - len(data)) < 0:
                    return Saved(content, "it holds too much to be read")
                content[mime] = data
        slow = slow or scope.cancelled_caught
        return Saved(content, "its owner didn't give all of it in time" if slow else "")

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._read = trio.Event()
            await self._read.wait()

    def _was_read(self, source: Source, *, by_window: bool = True) -> None:
        """Note that `source` was read; not `by_window`: certainly by another program than the window's."""
        source.reads += int(by_window)
        self.hold.read()
        self._read.set()


def forms(text: str) -> Content:
    """A text in the forms that windows ask for."""
    return dict.fromkeys(TEXT, text.encode())


def _count_reads(sources: Mapping[str, Source]) -> int:
    return sum(source.reads for source in sources.values())
