"""A session on an X server: provides the `DesktopState` and the `Clipboard` that the typing target needs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Set
from contextlib import asynccontextmanager, suppress
from functools import partial

import trio

from voiceloop.dictation.targets.desktop import Activity, Lent, Paste, check_given_back
from voiceloop.dictation.targets.handing_on import HAND_ON_S, Handed, hand_on
from voiceloop.dictation.targets.hold import MOST_S, Hold, Restore
from voiceloop.dictation.targets.target import Focus, TargetOptions
from voiceloop.dictation.x11.xconnection import XConnection, open_x
from voiceloop.dictation.x11.xdesktop import XDesktop
from voiceloop.dictation.x11.xreading import Saved
from voiceloop.dictation.x11.xselections import Read, XSelections
from voiceloop.errors import TargetError
from voiceloop.nursery import private_nursery

END_S = HAND_ON_S + 1.0
"""How long handing the clipboard over may take at the end."""
SETTLE_S = 0.05
"""Wait after setting the clipboard: programs that read every new one at once must not be taken for the window."""


class XSession:
    """The desktop's state and its clipboard, read and written in the connection's thread."""

    def __init__(self, connection: XConnection, options: TargetOptions) -> None:
        self._x = connection
        self._options = options
        self._reads: list[Read] = []
        self._read_added = trio.Event()
        self._reader: Focus | None = None
        """The window that was pasted into last; None when unknown."""
        self._late: tuple[str, Restore] | None = None
        """A text that stayed on the clipboard because its window had not read it, and what restores the old content."""
        self._borrowed = Saved({})
        """What was on the clipboard before the last paste."""
        self.hold = Hold()

    async def start(self) -> None:
        """Set up the parts that use the connection. To be called once, before anything else."""
        self._desktop, self._selections = await self._x.call(
            lambda: (XDesktop(self._x, self._options.terminals), XSelections(self._x, self._on_read))
        )
        self._client_mask = ~self._x.display.display.info.resource_id_mask

    async def end(self, tell: Callable[[str], None]) -> None:
        """Hand the clipboard over, together with what is lent for a paste. To be called before the connection closes.
        `tell` is called if that fails and takes its time."""
        if (left_s := self.hold.left_s) is not None:
            lent = await self._x.call(self._selections.forms)
            borrowed = await self._x.call(lambda: self._selections.forms_of(self._borrowed.content))
            if not lent or await hand_on(Handed("x11", borrowed, lent=lent, lent_s=left_s)):
                return
            await self.hold.ended(tell)
        if forms := await self._x.call(self._selections.hand_over):
            await hand_on(Handed("x11", forms))

    # Desktop state

    watches_focus = True

    async def focus(self) -> Focus:
        return await self._x.call(self._desktop.focus)

    async def activity(self) -> Activity | None:
        def now() -> Activity:
            self._x.display.sync()
            self._x.handle_pending()
            return self._desktop.activity

        return await self._x.call(now) if self._desktop.watches else None

    async def held(self) -> str:
        return await self._x.call(self._desktop.held)

    async def typable(self) -> Set[str]:
        return await self._x.call(self._desktop.typable)

    async def typing(self, *, on: bool) -> None:
        def switch() -> None:
            # Once `sync` has its answer, the events of all keys typed before have arrived too.
            self._x.display.sync()
            self._x.handle_pending()
            self._desktop.typing = on

        await self._x.call(switch)

    # Clipboard

    async def keep(self, text: str) -> None:
        if self._late is not None and self._late[0] == text and await self.holds(text):
            return  # as it is there already
        await self.hold.ended()
        self._late = None
        await self._x.call(lambda: self._selections.own_text("CLIPBOARD", text))

    async def holds(self, text: str) -> bool:
        def now() -> bool:
            return self._selections.owns("CLIPBOARD") and self._selections.text("CLIPBOARD") == text

        await self.hold.ended()
        return await self._x.call(now)

    async def lend(self, text: str, paste: Paste, *, focus: Focus | None, primary: bool) -> Lent:
        await self.hold.ended()
        self._late = None
        names = ("CLIPBOARD", "PRIMARY") if primary else ("CLIPBOARD",)
        saved = {name: await self._x.call(partial(self._selections.save, name)) for name in names}
        check_given_back(saved["CLIPBOARD"].content, saved["CLIPBOARD"].why)
        self._borrowed = saved["CLIPBOARD"]
        pressed = trio.Event()
        try:
            for name in names:
                await self._x.call(partial(self._selections.own_text, name, text))
            await trio.sleep(SETTLE_S)
            self._reads.clear()
            self._reader = focus
            await paste(pressed.set)
            with trio.move_on_after(self._options.clipboard_s):
                await self._wait_for_read_by(focus)
            await trio.lowlevel.checkpoint()
        except BaseException:
            if pressed.is_set():  # the window may have got the keys: it may read at any moment
                self.hold.begin(partial(self._restore, saved))
            else:
                with trio.CancelScope(shield=True), suppress(TargetError):
                    await self._restore(saved)
            raise
        if not self._was_read_by(focus):  # the text stays on the clipboard, until the window does read it
            self._late = (text, partial(self._restore, saved))
            return Lent(read=False, restored=False)
        self.hold.begin(partial(self._restore, saved))
        why = next((one.why for one in saved.values() if one.why), "")
        return Lent(read=True, restored=not why, why=why)

    async def selected(self, focus: Focus | None) -> str | None:
        def now() -> str | None:
            owner = self._selections.owner("PRIMARY")
            return self._selections.text("PRIMARY") if focus and self._same_client(owner, focus) else None

        return await self._x.call(now)

    async def _restore(self, saved: dict[str, Saved]) -> None:
        def restore(name: str) -> None:
            if self._selections.owns(name):  # else something else was copied meanwhile: that stays
                self._selections.own(name, saved[name].content)

        for name in saved:
            await self._x.call(partial(restore, name))

    def _on_read(self, read: Read) -> None:
        self._x.soon(lambda: self._add_read(read))

    def _add_read(self, read: Read) -> None:
        self._reads.append(read)
        self._read_added.set()
        if self._is_reader(read, self._reader):
            if self._late is not None:
                self.hold.begin(self._late[1])
                self._late = None
            self.hold.read()

    async def _wait_for_read_by(self, focus: Focus | None) -> None:
        while not self._was_read_by(focus):
            self._read_added = trio.Event()
            await self._read_added.wait()

    def _was_read_by(self, focus: Focus | None) -> bool:
        """Whether the window's own program has read the text: clipboard managers read everything, too."""
        return any(self._is_reader(read, focus) for read in self._reads)

    def _is_reader(self, read: Read, focus: Focus | None) -> bool:
        return focus is None or self._same_client(read.requestor, focus)

    def _same_client(self, window: int, focus: Focus) -> bool:
        return bool(focus.window and window) and (window ^ int(focus.window, 16)) & self._client_mask == 0


@asynccontextmanager
async def open_xsession(
    options: TargetOptions, display: str | None = None, *, tell: Callable[[str], None] = lambda _: None
) -> AsyncIterator[XSession]:
    """Open a session on the X server that `display` or $DISPLAY names. `tell` is called with what delays the end.
    Raises `TargetError` when there is no server."""
    async with open_x(display) as connection, private_nursery() as nursery:
        session = XSession(connection, options)
        await session.start()
        nursery.start_soon(session.hold.run, name="restores the clipboard")
        try:
            yield session
        finally:
            with trio.move_on_after(MOST_S + END_S, shield=True), suppress(TargetError):
                await session.end(tell)
