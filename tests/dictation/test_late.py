"""`voiceloop transcribe --pending --to clipboard`: what it keeps until somebody has it."""

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
    """A target that holds what it was given until `looks` looks at it later."""

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


def one(folder: Path) -> Fetched:
    store = JournalStore(folder)
    store.enter()
    entry, utterance = store.entry(1), Utterance(bytes(3_200), 0, 1_600)
    entry.put(0, utterance)
    return Fetched(entry, Transcript("kept", utterance))


async def test_it_is_held_until_something_else_is_copied(
    tmp_path: Path, autojump_clock: trio.abc.Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    fetched, clipboard = one(tmp_path), Clipboard(looks=5)
    began = trio.current_time()
    await pending._insert([fetched], clipboard)
    assert clipboard.text == "kept\n"
    assert trio.current_time() - began == pytest.approx(5 * pending.LOOK_S)
    assert not fetched.entry.path.exists()
    assert "while this runs" in capsys.readouterr().err


async def test_told_to_end_before_it_keeps_what_may_not_have_been_pasted(
    tmp_path: Path, autojump_clock: trio.abc.Clock
) -> None:
    fetched = one(tmp_path)
    with trio.move_on_after(60):
        await pending._insert([fetched], Clipboard(looks=10**6))
    assert [entry.doubtful for entry in JournalStore(tmp_path).entries()] == [True]
