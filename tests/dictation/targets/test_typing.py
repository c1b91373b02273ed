"""The typing target when typing, pasting or undoing fail or is cancelled halfway, on a fake desktop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import trio

from voiceloop.dictation.targets.desktop import Activity, Lent, NoClipboard, Paste, check_given_back
from voiceloop.dictation.targets.target import Focus, TargetOptions
from voiceloop.dictation.targets.typing import Desktop, TypingTarget
from voiceloop.errors import CantUndo, ClipboardSilent, FocusChanged, KeysHeld, TargetError

NOTES, XTERM = Focus("1", "Notes"), Focus("2", "XTerm", terminal=True)
LONG = "a word " * 12


def nothing() -> None:
    """The default of `FakeDesktop.on_key`."""


@dataclass
class FakeDesktop:
    """A fake desktop: its keys, its state and its clipboard. `on_key` is called once, with the next key or text."""

    here: Focus | None = XTERM
    on_key: Callable[[], None] = nothing
    window_reads: bool = True
    """The window reads each paste."""
    watches_input: bool = True
    """The user's input can be counted."""
    hands: int = 0
    """How often the user is still to press a key, whenever the input is looked at."""
    presses: int = 3
    pressed_at: float = -math.inf
    clip: str = "theirs"
    owner_answers: bool = True
    """The clipboard's owner gives its content."""
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
        on_key, self.on_key = self.on_key, nothing
        on_key()

    async def focus(self) -> Focus | None:
        await trio.lowlevel.checkpoint()
        return self.here

    async def activity(self) -> Activity | None:
        await trio.lowlevel.checkpoint()
        if self.hands:
            self.presses, self.pressed_at = self.presses + 1, trio.current_time()
            self.hands -= 1
        return Activity(self.presses, ago_s=trio.current_time() - self.pressed_at) if self.watches_input else None

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
        check_given_back(
            self.clip if self.owner_answers else "", "" if self.owner_answers else "its owner doesn't answer"
        )
        before, self.clip = self.clip, text
        await paste(lambda: None)
        if self.window_reads:
            self.clip = before
        return Lent(read=self.window_reads, restored=self.window_reads)

    async def selected(self, focus: Focus | None) -> str | None:
        await trio.lowlevel.checkpoint()
        return None

    async def holds(self, text: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self.clip == text


def target_on(desktop: FakeDesktop) -> TypingTarget:
    return TypingTarget(Desktop(desktop, desktop, desktop), TargetOptions(), lambda *_, **__: None)


def fail() -> None:
    raise TargetError("the server is gone", place="fingers")


async def test_nothing_is_undone_after_a_text_that_failed_halfway() -> None:
    def change_focus() -> None:
        desktop.here = NOTES

    for failure, error in ((change_focus, FocusChanged), (fail, TargetError)):
        desktop = FakeDesktop()
        target = target_on(desktop)
        first = await target.insert("one", focus=XTERM)
        desktop.on_key = failure
        with pytest.raises(error):
            await target.insert(LONG, focus=XTERM)
        desktop.here = XTERM
        before = list(desktop.done)
        assert await target.since(first) == "something"
        with pytest.raises(CantUndo, match="part of a text"):
            await target.undo(first)
        assert desktop.done == before, "BackSpaces would have deleted the part that was typed"


async def test_after_a_text_that_was_cancelled_halfway_only_later_text_is_undone() -> None:
    desktop = FakeDesktop()
    target = target_on(desktop)
    first = await target.insert("one", focus=XTERM)
    with trio.CancelScope() as scope:
        desktop.on_key = scope.cancel
        await target.insert(LONG, focus=XTERM)
    assert scope.cancelled_caught
    later = await target.insert("two", focus=XTERM)
    await target.undo(later)
    assert desktop.done[-1] == "<BackSpace 3>"
    with pytest.raises(CantUndo):
        await target.undo(first)


async def test_a_paste_that_was_not_read_is_not_undone() -> None:
    desktop = FakeDesktop(window_reads=False)
    target = target_on(desktop)
    insertion = await target.insert("漢", focus=XTERM)
    with pytest.raises(CantUndo):
        await target.undo(insertion)
    assert desktop.done == ["<shift+Insert 1>"]


async def test_a_text_refused_before_any_key_was_pressed_does_not_prevent_an_undo() -> None:
    desktop = FakeDesktop()
    target = target_on(desktop)
    first = await target.insert("one", focus=XTERM)
    with pytest.raises(FocusChanged):
        await target.insert("two", focus=NOTES)
    await target.undo(first)
    assert desktop.done == ["one", "<BackSpace 3>"]


async def test_a_cancelled_undo_leaves_nothing_selected() -> None:
    desktop = FakeDesktop(here=NOTES)
    target = target_on(desktop)
    first = await target.insert("one", focus=NOTES)
    with trio.CancelScope() as scope:
        desktop.on_key = scope.cancel
        await target.undo(first)
    assert scope.cancelled_caught
    assert desktop.done == ["one", "<shift+Left 3>", "<Right 1>"]


async def test_an_undo_deletes_nothing_when_another_window_gets_the_focus(autojump_clock: trio.abc.Clock) -> None:
    def change_focus() -> None:
        desktop.here = XTERM

    desktop = FakeDesktop(here=NOTES)
    target = target_on(desktop)
    first = await target.insert("one", focus=NOTES)
    desktop.on_key = change_focus
    with pytest.raises(CantUndo, match="another window"):
        await target.undo(first)
    assert desktop.done == ["one", "<shift+Left 3>"]


async def test_nothing_is_typed_into_an_unknown_window() -> None:
    for said_to, here in ((None, NOTES), (NOTES, None), (None, None), (Focus(""), Focus(""))):
        desktop = FakeDesktop(here=here)
        target = target_on(desktop)
        with pytest.raises(FocusChanged):
            await target.insert("ls", focus=said_to)
        with pytest.raises(FocusChanged):
            await target.enter(focus=said_to)
        assert desktop.done == []


async def test_text_set_aside_is_appended_to_text_set_aside_before() -> None:
    desktop = FakeDesktop()
    target = target_on(desktop)
    await target.set_aside("One.")
    await target.set_aside("Two.")
    assert desktop.clip == "One. Two."
    await target.insert("漢", focus=XTERM)  # after a paste that was read, the clipboard is restored
    await target.set_aside("漢。")
    await target.set_aside("字。")
    assert desktop.clip == "One. Two. 漢。字。"
    desktop.clip = "what the user copied"
    await target.set_aside("New.")
    assert desktop.clip == "New."


async def test_a_paste_that_was_not_read_is_appended_to_unread_pastes_before() -> None:
    desktop = FakeDesktop(window_reads=False)
    target = target_on(desktop)
    for text in ("Füße.", " Über.", "\n漢"):
        assert not (await target.insert(text, focus=XTERM)).read
    assert desktop.clip == "Füße. Über. 漢"
    await target.set_aside("Later.")
    assert desktop.clip == "Füße. Über. 漢 Later."


async def test_a_paste_fails_when_something_else_is_copied_before_it_was_read() -> None:
    def copy() -> None:
        desktop.clip = "what the user copied"

    desktop = FakeDesktop(window_reads=False, on_key=copy)
    with pytest.raises(TargetError, match="XTerm had not read the pasted text when something else was copied"):
        await target_on(desktop).insert("漢", focus=XTERM)
    assert desktop.clip == "what the user copied"


async def test_where_user_input_can_not_be_seen_only_selected_text_is_undone(
    autojump_clock: trio.abc.Clock,
) -> None:
    for here, pressed in ((XTERM, []), (NOTES, ["<shift+Left 3>", "<Right 1>"])):
        desktop = FakeDesktop(here=here, watches_input=False)
        target = target_on(desktop)
        insertion = await target.insert("one", focus=here)
        with pytest.raises(CantUndo, match="seen here"):
            await target.undo(insertion)
        assert desktop.done == ["one", *pressed]


async def test_where_the_clipboard_can_not_be_restored_typable_text_is_typed() -> None:
    desktop = FakeDesktop(here=NOTES, owner_answers=False)
    target = target_on(desktop)
    assert (await target.insert("(one)", focus=NOTES)).read
    for text in ("漢", "one\ntwo"):
        with pytest.raises(
            ClipboardSilent,
            match=r"can't be used to paste, because it could not be restored: its owner doesn't answer.*Copy",
        ):
            await target.insert(text, focus=NOTES)
    assert desktop.done == ["(one)"]
    assert desktop.clip == "theirs"


async def test_an_american_keyboard_types_only_where_there_is_no_clipboard_to_paste_from() -> None:
    german = frozenset(map(chr, range(0x20, 0x7F))) | set("äöüß")
    desktop = FakeDesktop(american=True, layout=german)
    for text in ("yes", "ß"):
        await target_on(desktop).insert(text, focus=XTERM)
    assert desktop.done == ["<shift+Insert 1>"] * 2
    desktop = FakeDesktop(american=True, layout=german, owner_answers=False)
    with pytest.raises(ClipboardSilent):
        await target_on(desktop).insert("yes", focus=XTERM)
    target = TypingTarget(
        Desktop(desktop, desktop, NoClipboard("there is none")), TargetOptions(), lambda *_, **__: None
    )
    await target.insert("(yes)", focus=XTERM)
    with pytest.raises(TargetError, match="there is none"):
        await target.insert("ß", focus=XTERM)
    assert desktop.done == ["(yes)"]


async def test_a_user_who_types_in_the_middle_of_a_text_is_let_finish_and_the_text_is_not_undone(
    autojump_clock: trio.abc.Clock,
) -> None:
    def type_too() -> None:
        desktop.hands = 20

    desktop = FakeDesktop(here=XTERM, on_key=type_too)
    target = target_on(desktop)
    insertion = await target.insert(LONG, focus=XTERM)
    assert "".join(desktop.done) == LONG
    assert desktop.hands == 0, "the second half came while the user was still typing"
    with pytest.raises(CantUndo):
        await target.undo(insertion)


async def test_a_user_who_never_pauses_gets_the_rest_in_an_error_that_says_how_much_was_typed(
    autojump_clock: trio.abc.Clock,
) -> None:
    def type_on() -> None:
        desktop.hands = 10_000

    desktop = FakeDesktop(here=XTERM, on_key=type_on)
    with pytest.raises(KeysHeld, match=r"you are typing.*; 40 characters were typed before"):
        await target_on(desktop).insert(LONG, focus=XTERM)
    assert desktop.done == [LONG[:40]]


async def test_long_text_is_pasted_where_user_input_can_not_be_seen() -> None:
    desktop = FakeDesktop(here=NOTES, watches_input=False)
    await target_on(desktop).insert(LONG, focus=NOTES)
    assert desktop.done == ["<ctrl+v 1>"]
