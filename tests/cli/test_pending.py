"""`voiceloop transcribe --pending --to clipboard`: a text stays in the journal until it may have been pasted."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from voiceloop.cli import pending
from voiceloop.dictation.targets.target import Focus, Insertion, Since
from voiceloop.journal.resending import Fetched
from voiceloop.journal.store import JournalStore
from voiceloop.types import Transcript, Utterance


class Clipboard:
    """A fake clipboard target that still holds its text the next `looks` times that it is checked."""

    name = "clipboard"
    watches_focus = False

    def __init__(self, looks: int) -> None:
        self.looks, self.text = looks, ""

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return None

    async def insert(self, text: str, *, focus: Focus | None) -> Insertion:
        await trio.lowlevel.checkpoint()
        self.text += text
        return Insertion(text, focus)

    async def since(self, insertion: Insertion) -> Since:
        await trio.lowlevel.checkpoint()
        self.looks -= 1
        return "nothing" if self.looks >= 0 else "elsewhere"

    async def undo(self, insertion: Insertion) -> None:
        raise AssertionError

    async def enter(self, *, focus: Focus | None) -> None:
        raise AssertionError

    async def set_aside(self, text: str) -> str:
        raise AssertionError


def one_pending(folder: Path) -> Fetched:
    store = JournalStore(folder)
    store.enter()
    entry, utterance = store.entry(1), Utterance(bytes(3_200), 0, 1_600)
    entry.put(0, utterance)
    return Fetched(entry, Transcript("kept", utterance))


async def test_the_clipboard_holds_the_text_until_something_else_is_copied(
    tmp_path: Path, autojump_clock: trio.abc.Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched, clipboard = one_pending(tmp_path), Clipboard(looks=5)
    began = trio.current_time()
    await pending._insert([fetched], clipboard)
    assert clipboard.text == "kept\n"
    assert trio.current_time() - began == pytest.approx(5 * pending.LOOK_S)
    assert not fetched.entry.path.exists()
    assert "paste it now" in capsys.readouterr().err


async def test_ended_early_the_journal_keeps_a_text_that_may_not_have_been_pasted(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    fetched = one_pending(tmp_path)
    with trio.move_on_after(60):
        await pending._insert([fetched], Clipboard(looks=10**6))
    assert [entry.doubtful for entry in JournalStore(tmp_path).entries()] == [True]
