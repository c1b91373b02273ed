"""Lending the clipboard for a paste, in virtual time: what is on it whenever the window may read."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from voiceloop.dictation.targets.hold import QUIET_S, WAITING
from voiceloop.dictation.targets.lending import TEXT, Content, Lending, Saved, Source, forms
from voiceloop.dictation.targets.target import TargetOptions
from voiceloop.errors import TargetError


class FakeClipboard(Lending):
    """A clipboard in memory, on which another program has put "theirs"."""

    def __init__(self) -> None:
        super().__init__(TargetOptions())
        self.content: Content = forms("theirs")

    async def _save(self, name: str) -> Saved:
        await trio.lowlevel.checkpoint()
        return Saved(self.content)

    async def _own(self, name: str, content: Content) -> Source:
        await trio.lowlevel.checkpoint()
        self.content = content
        source = self._ours[name] = Source(content)
        return source

    @property
    def text(self) -> str:
        return self.content[TEXT[0]].decode()


@pytest.mark.parametrize("pressed", [False, True])
@pytest.mark.parametrize("fails", [False, True])
async def test_from_the_keys_on_the_window_finds_the_text_whatever_ends_the_paste(
    autojump_clock: trio.abc.Clock, pressed: bool, fails: bool
) -> None:
    clipboard, shown = FakeClipboard(), list[tuple[float, str]]()

    async def paste(pressing: Callable[[], None]) -> None:
        if pressed:
            pressing()
        if fails:
            raise TargetError("the program that presses keys was killed")
        scope.cancel()
        await trio.sleep(1)  # the keys are out, and the program that presses them hasn't ended yet

    async with trio.open_nursery() as nursery:
        nursery.start_soon(clipboard.run_hold)
        with trio.CancelScope() as scope:
            try:
                await clipboard.lend("said", paste, focus=None, primary=False)
            except TargetError:
                assert fails
        began_s = trio.current_time()
        while not shown or clipboard.text != "theirs":
            shown.append((round(trio.current_time() - began_s, 1), clipboard.text))
            await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    texts = [text for _, text in shown]
    assert texts[0] == ("said" if pressed else "theirs")
    assert shown[-1][0] == pytest.approx(QUIET_S if pressed else 0, abs=0.2)


async def test_an_end_that_waits_for_the_clipboard_is_told(autojump_clock: trio.abc.Clock) -> None:
    clipboard, told = FakeClipboard(), list[str]()
    await clipboard.hold.ended(told.append)
    assert told == []

    async def paste(pressing: Callable[[], None]) -> None:
        await trio.lowlevel.checkpoint()
        pressing()

    async with trio.open_nursery() as nursery:

        async def read() -> None:
            await trio.sleep(1)
            source = clipboard._ours["CLIPBOARD"]
            assert source is not None
            clipboard._was_read(source)

        nursery.start_soon(read)
        assert (await clipboard.lend("said", paste, focus=None, primary=False)).read
    await clipboard.hold.ended(told.append)
    assert (told, clipboard.text) == ([WAITING], "theirs")
