"""Lends the clipboard: keeps what it holds, offers a text, waits until the window has read it, gives back. Whose
clipboard it is and how it is had is for those who derive from it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import trio

from voiceloop.dictation.targets.desktop import Lent, Paste, check_given_back
from voiceloop.dictation.targets.target import Focus, TargetOptions
from voiceloop.errors import TargetError

TEXT = ("text/plain;charset=utf-8", "text/plain", "UTF8_STRING", "STRING", "TEXT")
OWNER_S = 1.0
"""How long the owner of the clipboard may take for each form of what it holds."""
SAVE_S = 4.0
SAVE_BYTES = 256 << 20
"""How long and how much is read of a clipboard to give it back."""
SETTLE_S = 0.05
"""After we set the clipboard: its managers read it at once, and are not the window."""
GRACE_S = 0.1
"""After a window has read a paste: some read it twice."""
CALLED_OFF_S = 0.3
"""How long a window may still take to read a paste that is called off after its keys were pressed."""

Content = Mapping[str, bytes]
"""By MIME type."""


@dataclass(frozen=True, slots=True)
class Saved:
    """All that a selection held; `why` says what of it could not be read."""

    content: Content
    why: str = ""


@dataclass(slots=True, eq=False)
class Source:
    """What we offer; `gone` once somebody else has taken the selection over."""

    content: Content
    gone: bool = False
    reads: int = 0


class Lending:
    """A clipboard of its own for each of `_ours`: `CLIPBOARD`, and `PRIMARY` where there is one."""

    def __init__(self, options: TargetOptions) -> None:
        self._options = options
        self._ours: dict[str, Source | None] = {"CLIPBOARD": None}
        self._read = trio.Event()

    async def _save(self, name: str) -> Saved:
        """All that a selection holds, in every form."""
        raise NotImplementedError

    async def _own(self, name: str, content: Content) -> Source:
        """Offer `content`, or nothing; it is `_ours` from then on."""
        raise NotImplementedError

    async def keep(self, text: str) -> None:
        await self._own("CLIPBOARD", forms(text))

    async def holds(self, text: str) -> bool:
        await trio.lowlevel.checkpoint()
        source = self._ours["CLIPBOARD"]
        return source is not None and not source.gone and source.content.get(TEXT[0]) == text.encode()

    async def lend(self, text: str, paste: Paste, *, focus: Focus | None, primary: bool) -> Lent:
        names = tuple(self._ours) if primary else ("CLIPBOARD",)
        saved = {name: await self._save(name) for name in names}
        check_given_back(saved["CLIPBOARD"].content, saved["CLIPBOARD"].why)
        sources: dict[str, Source] = {}
        before: int | None = None
        try:
            for name in names:
                with trio.CancelScope(shield=True):  # half of it could not be undone; it waits for nobody
                    sources[name] = await self._own(name, forms(text))
            await trio.sleep(SETTLE_S)
            reads = _reads(sources)
            await paste()
            before = reads
            return await self._read_and_restored(saved, sources, before, self._options.clipboard_s)
        except BaseException:
            with trio.move_on_after(OWNER_S, shield=True), suppress(TargetError):
                if before is not None:
                    await self._read_and_restored(saved, sources, before, CALLED_OFF_S)
                else:
                    await self._restore(saved, sources)
            raise

    async def _read_and_restored(
        self, saved: Mapping[str, Saved], sources: Mapping[str, Source], before: int, patience_s: float
    ) -> Lent:
        with trio.move_on_after(patience_s):
            await self._until(lambda: _reads(sources) > before)
        if _reads(sources) == before:
            return Lent(read=False, restored=False)
        await trio.sleep(GRACE_S)
        await self._restore(saved, sources)
        why = next((one.why for one in saved.values() if one.why), "")
        return Lent(read=True, restored=not why, why=why)

    async def _restore(self, saved: Mapping[str, Saved], sources: Mapping[str, Source]) -> None:
        for name, one in saved.items():
            source = sources.get(name)
            if source is not None and not source.gone and self._ours[name] is source:
                await self._own(name, one.content)

    async def _saved(self, mimes: Iterable[str], receive: Callable[[str], Awaitable[bytes | None]]) -> Saved:
        """What `receive` gives for each form; None: not in time."""
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

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._read = trio.Event()
            await self._read.wait()

    def _was_read(self, source: Source) -> None:
        source.reads += 1
        self._read.set()


def forms(text: str) -> Content:
    """A text as windows ask for it."""
    return dict.fromkeys(TEXT, text.encode())


def _reads(sources: Mapping[str, Source]) -> int:
    return sum(source.reads for source in sources.values())
