"""What breaks off while it is typed, pasted or taken back, on a desktop that is made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trio

from voiceloop.dictation.targets.desktop import Activity, Lent, NoClipboard, Paste, check_given_back
from voiceloop.dictation.targets.target import Focus, TargetOptions
from voiceloop.dictation.targets.typing import Desktop, TypingTarget
from voiceloop.errors import CantUndo, ClipboardSilent, FocusChanged, TargetError

NOTES, XTERM = Focus("1", "Notes"), Focus("2", "XTerm", terminal=True)
LONG = "a word " * 12


def nothing() -> None:
    """What happens beside most keys."""


@dataclass
class Made:
    """A desktop: its keys, its eyes and its clipboard. `beside` happens with the next key or text."""

    here: Focus | None = XTERM
    beside: Callable[[], None] = nothing
    reads: bool = True
    seen: bool = True
    clip: str = "theirs"
    silent: bool = False
    done: list[str] = field(default_factory=list)
    name: str = "fingers"
    american: bool = False
    layout: frozenset[str] | None = None
    watches_focus: bool = True

    async def probe(self) -> None:
        await trio.lowlevel.checkpoint()

    def types(self, char: str) -> bool:
        return char.isascii() and char.isprintable()

    async def type(self, text: str) -> None:
        self._do(text)
        await trio.lowlevel.checkpoint()

    async def press(self, chord: str, times: int = 1) -> None:
        self._do(f"<{chord} {times}>")
        await trio.lowlevel.checkpoint()

    def _do(self, what: str) -> None:
        self.done.append(what)
        beside, self.beside = self.beside, nothing
        beside()

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return self.here

    async def activity(self) -> Activity | None:
        await trio.lowlevel.checkpoint()
        return Activity(3) if self.seen else None

    async def held(self) -> str:
        await trio.lowlevel.checkpoint()
        return ""

    async def typable(self) -> frozenset[str] | None:
        await trio.lowlevel.checkpoint()
        return self.layout

    async def typing(self, *, on: bool) -> None:
        await trio.lowlevel.checkpoint()

    async def keep(self, text: str) -> None:
        await trio.lowlevel.checkpoint()
        self.clip = text

    async def lend(self, text: str, paste: Paste, *, focus: Focus | None, primary: bool) -> Lent:
        check_given_back(self.clip if not self.silent else "", "its owner doesn't answer" if self.silent else "")
        before, self.clip = self.clip, text
        await paste()
        if self.reads:
            self.clip = before
        return Lent(read=self.reads, restored=self.reads)

    async def selected(self, focus: Focus | None) -> str | None:
        await trio.lowlevel.checkpoint()
        return None

    async def holds(self, text: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self.clip == text


def target_on(made: Made) -> TypingTarget:
    return TypingTarget(Desktop(made, made, made), TargetOptions(), lambda *_, **__: None)


def fails() -> None:
    raise TargetError("the server is gone", place="fingers")


async def test_behind_a_text_that_broke_off_nothing_is_taken_back() -> None:
    def leaves() -> None:
        made.here = NOTES

    for breaks, error in ((leaves, FocusChanged), (fails, TargetError)):
        made = Made()
        target = target_on(made)
        first = await target.insert("one", focus=XTERM)
        made.beside = breaks
        with pytest.raises(error):
            await target.insert(LONG, focus=XTERM)
        made.here = XTERM
        before = list(made.done)
        assert await target.since(first) == "something"
        with pytest.raises(CantUndo, match="part of a text"):
            await target.undo(first)
        assert made.done == before, "BackSpaces would have taken the part that was typed"


async def test_behind_a_text_that_was_called_off_only_what_came_later_is_taken_back() -> None:
    made = Made()
    target = target_on(made)
    first = await target.insert("one", focus=XTERM)
    with trio.CancelScope() as scope:
        made.beside = scope.cancel
        await target.insert(LONG, focus=XTERM)
    assert scope.cancelled_caught
    later = await target.insert("two", focus=XTERM)
    await target.undo(later)
    assert made.done[-1] == "<BackSpace 3>"
    with pytest.raises(CantUndo):
        await target.undo(first)


async def test_a_paste_that_nobody_has_read_is_not_taken_back() -> None:
    made = Made(reads=False)
    target = target_on(made)
    insertion = await target.insert("漢", focus=XTERM)
    with pytest.raises(CantUndo):
        await target.undo(insertion)
    assert made.done == ["<shift+Insert 1>"]


async def test_what_was_refused_before_a_key_was_pressed_changes_nothing() -> None:
    made = Made()
    target = target_on(made)
    first = await target.insert("one", focus=XTERM)
    with pytest.raises(FocusChanged):
        await target.insert("two", focus=NOTES)
    await target.undo(first)
    assert made.done == ["one", "<BackSpace 3>"]


async def test_nothing_stays_selected_when_taking_back_is_called_off() -> None:
    made = Made(here=NOTES)
    target = target_on(made)
    first = await target.insert("one", focus=NOTES)
    with trio.CancelScope() as scope:
        made.beside = scope.cancel
        await target.undo(first)
    assert scope.cancelled_caught
    assert made.done == ["one", "<shift+Left 3>", "<Right 1>"]


async def test_another_window_loses_nothing_while_what_was_put_in_is_selected(autojump_clock: trio.abc.Clock) -> None:
    def leaves() -> None:
        made.here = XTERM

    made = Made(here=NOTES)
    target = target_on(made)
    first = await target.insert("one", focus=NOTES)
    made.beside = leaves
    with pytest.raises(CantUndo, match="another window"):
        await target.undo(first)
    assert made.done == ["one", "<shift+Left 3>"]


async def test_into_a_window_that_could_not_be_read_nothing_is_typed() -> None:
    for said_to, here in ((None, NOTES), (NOTES, None), (None, None), (Focus(""), Focus(""))):
        made = Made(here=here)
        target = target_on(made)
        with pytest.raises(FocusChanged):
            await target.insert("ls", focus=said_to)
        with pytest.raises(FocusChanged):
            await target.enter(focus=said_to)
        assert made.done == []


async def test_what_is_put_aside_stands_behind_what_was_put_aside_before() -> None:
    made = Made()
    target = target_on(made)
    await target.set_aside("One.")
    await target.set_aside("Two.")
    assert made.clip == "One. Two."
    await target.insert("漢", focus=XTERM)  # a paste that was read gives it back
    await target.set_aside("漢。")
    await target.set_aside("字。")
    assert made.clip == "One. Two. 漢。字。"
    made.clip = "what the user copied"
    await target.set_aside("New.")
    assert made.clip == "New."


async def test_a_paste_that_nobody_reads_takes_no_place_of_one_before() -> None:
    made = Made(reads=False)
    target = target_on(made)
    for text in ("Füße.", " Über.", "\n漢"):
        assert not (await target.insert(text, focus=XTERM)).read
    assert made.clip == "Füße. Über. 漢"
    await target.set_aside("Later.")
    assert made.clip == "Füße. Über. 漢 Later."


async def test_a_paste_that_was_not_read_before_something_else_was_copied_fails() -> None:
    def copies() -> None:
        made.clip = "what the user copied"

    made = Made(reads=False, beside=copies)
    with pytest.raises(TargetError, match="XTerm has not read what was pasted before something else was copied"):
        await target_on(made).insert("漢", focus=XTERM)
    assert made.clip == "what the user copied"


async def test_where_nobody_sees_what_is_typed_by_hand_only_what_is_selected_is_taken_back(
    autojump_clock: trio.abc.Clock,
) -> None:
    for here, pressed in ((XTERM, []), (NOTES, ["<shift+Left 3>", "<Right 1>"])):
        made = Made(here=here, seen=False)
        target = target_on(made)
        insertion = await target.insert("one", focus=here)
        with pytest.raises(CantUndo, match="seen here"):
            await target.undo(insertion)
        assert made.done == ["one", *pressed]


async def test_where_the_clipboard_can_not_be_given_back_text_is_typed_if_it_can_be() -> None:
    made = Made(here=NOTES, silent=True)
    target = target_on(made)
    assert (await target.insert("(one)", focus=NOTES)).read
    for text in ("漢", "one\ntwo"):
        with pytest.raises(ClipboardSilent, match=r"can't be lent to paste, for its owner doesn't answer.*Copy"):
            await target.insert(text, focus=NOTES)
    assert made.done == ["(one)"]
    assert made.clip == "theirs"


async def test_keys_of_an_american_keyboard_type_only_where_nothing_can_be_pasted() -> None:
    german = frozenset(map(chr, range(0x20, 0x7F))) | set("äöüß")
    made = Made(american=True, layout=german)
    for text in ("yes", "ß"):
        await target_on(made).insert(text, focus=XTERM)
    assert made.done == ["<shift+Insert 1>"] * 2
    made = Made(american=True, layout=german, silent=True)
    with pytest.raises(ClipboardSilent):
        await target_on(made).insert("yes", focus=XTERM)
    target = TypingTarget(Desktop(made, made, NoClipboard("there is none")), TargetOptions(), lambda *_, **__: None)
    await target.insert("(yes)", focus=XTERM)
    with pytest.raises(TargetError, match="there is none"):
        await target.insert("ß", focus=XTERM)
    assert made.done == ["(yes)"]
