"""Dictation into real windows on Wayland: sway without a screen, a GTK text field and foot, read back."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import trio

from tests.dictation.desks import NOBODY, needs, open_field, open_sway, running, until
from voiceloop.dictation.open_target import open_target
from voiceloop.dictation.targets.lending import Content, Source
from voiceloop.dictation.targets.target import Focus, Insertion, Target, TargetOptions
from voiceloop.dictation.targets.typing import TypingTarget
from voiceloop.dictation.wayland import sway, wlclipboard
from voiceloop.dictation.wayland.wlclipboard import WlClipboard, open_wlclipboard
from voiceloop.dictation.wayland.wlkeyboard import open_wlkeyboard
from voiceloop.errors import CantUndo, ClipboardSilent, FocusChanged, TargetError

pytestmark = needs("sway", "wtype", "foot", "setpriv", module="gi")

HARD = "Füße, “naïve” 漢字, x̂, 👩‍👩‍👧 ¿qué? ½"
IMAGE = bytes(range(256)) * 4_000


class Desk:
    def __init__(self, target: Target, notices: list[str]) -> None:
        self.target, self.notices = target, notices

    async def write(self, text: str) -> Insertion:
        return await self.target.insert(text, focus=await self.target.focus())


@asynccontextmanager
async def open_desk(**options: object) -> AsyncIterator[Desk]:
    notices: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        notices.append(str(fields["text"]))

    async with open_target("type", TargetOptions.model_validate(options), publish) as target:
        yield Desk(target, notices)


@pytest.fixture
async def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    async with open_sway(tmp_path) as env:
        for name in ("WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SWAYSOCK"):
            monkeypatch.setenv(name, env[name])
        monkeypatch.setenv("LC_ALL", "C")  # what types must not depend on it
        monkeypatch.delenv("DISPLAY", raising=False)
        yield env


async def test_what_is_said_stands_in_the_field(screen: dict[str, str]) -> None:
    async with open_field(screen, "--name", "notes", kind="gtk") as field, open_desk() as desk:
        await field.until(focused=True)
        assert desk.target.name == "wtype"
        focus = await desk.target.focus()
        assert focus is not None
        assert (focus.app, focus.terminal) == ("notes", False)
        said = ["It is 5 o'clock; are YOU there? <y/n>", f" {HARD}", " (one)", "\nTwo."]
        for one in said:
            await desk.write(one)
        await field.until(text="".join(said))
        assert desk.notices == []


@pytest.mark.parametrize("text", [" (one)", HARD, "line\nline\n"])
async def test_undo_takes_back_exactly_what_was_put_in(screen: dict[str, str], text: str) -> None:
    async with open_field(screen, kind="gtk") as field, open_desk() as desk:
        await field.until(focused=True)
        await field.do(f"set {json.dumps(['call(', ') # end'])}")
        insertion = await desk.write(text)
        await field.until(text=f"call({text}) # end")
        await desk.target.undo(insertion)
        await field.until(text="call() # end")


async def test_undo_refuses_what_was_changed_by_hand(screen: dict[str, str]) -> None:
    async with open_field(screen, kind="gtk") as field, open_desk() as desk:
        await field.until(focused=True)
        insertion = await desk.write("word")
        await field.do(f"set {json.dumps(['Word', ''])}")
        with pytest.raises(CantUndo, match="not what was put in"):
            await desk.target.undo(insertion)
        await field.until(text="Word")


async def focus_in(desk: Desk) -> Focus:
    """The window, once it is there."""
    with trio.fail_after(5):
        while True:
            focus = await desk.target.focus()
            if focus is not None and focus.window:
                return focus
            await trio.sleep(0.02)


async def test_nothing_is_run_in_a_terminal_that_was_not_told_to(screen: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "typed"
    async with running(["foot", "sh", "-c", f"stty raw -echo; exec cat > {out}"], screen), open_desk() as desk:
        await until(out.exists)
        focus = await focus_in(desk)
        assert (focus.app, focus.terminal) == ("foot", True)
        await desk.target.insert("ls\n\x1b[2J\x03\u202eé漢", focus=focus)
        await until(lambda: out.read_bytes() == "ls é漢".encode())
        await desk.target.enter(focus=focus)
        insertion = await desk.target.insert("rm é", focus=focus)
        await trio.run_process(["wtype", " -f"], env=screen)  # by hand, which nobody can see here
        with pytest.raises(CantUndo, match="whether you typed since can't be seen here"):
            await desk.target.undo(insertion)
        await desk.target.insert("!", focus=focus)
        await until(lambda: out.read_bytes() == "ls é漢\rrm é -f!".encode())


async def test_what_was_said_to_another_window_is_not_typed(screen: dict[str, str]) -> None:
    async with open_field(screen, "--name", "mail", kind="gtk") as mail, open_desk() as desk:
        await mail.until(focused=True)
        said_to = await desk.target.focus()
        insertion = await desk.target.insert("Dear", focus=said_to)
        async with open_field(screen, "--name", "bank", kind="gtk") as bank:
            await bank.until(focused=True)
            with pytest.raises(FocusChanged, match="bank has the focus, and it was said to mail"):
                await desk.target.insert(" secret", focus=said_to)
            with pytest.raises(CantUndo, match="another window"):
                await desk.target.undo(insertion)
        await mail.until(text="Dear", focused=True)


async def test_the_focus_is_watched_though_swaysock_is_of_an_earlier_session(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWAYSOCK", f"{screen['XDG_RUNTIME_DIR']}/sway-ipc.{NOBODY}.1.sock")
    async with open_field(screen, "--name", "mail", kind="gtk") as mail, open_desk() as desk:
        await mail.until(focused=True)
        said_to = await desk.target.focus()
        assert desk.target.watches_focus
        assert desk.notices == []
        async with open_field(screen, "--name", "chat", kind="gtk") as chat:
            await chat.until(focused=True)
            with pytest.raises(FocusChanged, match="chat has the focus, and it was said to mail"):
                await desk.target.insert("my password", focus=said_to)


@pytest.mark.parametrize("theirs", [True, False])
async def test_a_sway_that_can_not_be_asked_is_said_and_its_focus_is_not_watched(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, theirs: bool
) -> None:
    await trio.Path(screen["SWAYSOCK"]).rename(tmp_path / "moved")
    other = tmp_path / "other.sock"
    listener = trio.socket.socket(socket.AF_UNIX)
    with listener:
        if theirs:  # a socket that somebody else listens at
            await listener.bind(str(other))
            listener.listen()
        monkeypatch.setenv("SWAYSOCK", str(other))
        async with open_desk() as desk:
            assert not desk.target.watches_focus
            assert await desk.target.focus() is None
            assert desk.notices == [
                f"The focus can't be watched: {other} ($SWAYSOCK) is not of the compositor that is here."
            ]


async def test_a_sway_that_gives_no_answer_is_said(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sway, "ANSWER_S", 0.2)
    os.kill(int(screen["SERVER_PID"]), signal.SIGSTOP)  # the kernel still takes connections for it
    notices: list[object] = []
    eyes = await sway.find_eyes(screen, (), lambda _, /, **fields: notices.append(fields["text"]))
    assert not eyes.watches_focus
    assert notices == [f"sway doesn't say which window has the focus: {screen['SWAYSOCK']} gives no answer."]


async def test_the_clipboard_is_given_back_in_every_form(screen: dict[str, str]) -> None:
    content = {"image/png": IMAGE, "text/html": b"<b>mine</b>", "text/plain": b"mine"}
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_field(screen, "--late", "1", kind="gtk") as field,
        open_desk() as desk,
    ):
        await field.until(focused=True)
        await theirs._own("CLIPBOARD", content)
        await desk.write("(late)")
        await desk.write("\n漢")
        await field.until(text="(late)\n漢")
        assert await held(theirs, "mine") == content
        assert desk.notices == []


def withhold(theirs: WlClipboard, form: str) -> None:
    """Have another program never answer for a form of what it has copied."""
    give = theirs._give

    async def withheld(source: Source, mime: str, fd: int) -> None:
        if mime == form:
            async with trio.lowlevel.FdStream(fd):
                await trio.sleep_forever()
        await give(source, mime, fd)

    theirs._give = withheld  # type: ignore[method-assign]


async def test_of_a_clipboard_whose_owner_is_slow_what_it_gives_is_given_back_and_the_rest_is_told(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wlclipboard, "OWNER_S", 0.3)
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_field(screen, kind="gtk") as field,
        open_desk() as desk,
    ):
        await field.until(focused=True)
        withhold(theirs, "image/png")
        await theirs._own("CLIPBOARD", {"image/png": IMAGE, "text/plain": b"mine"})
        await until_offered(desk)
        await desk.write("(one)")
        await field.until(text="(one)")
        assert await held(theirs, "mine") == {"text/plain": b"mine"}
        assert desk.notices == ["The clipboard was not given back whole: its owner didn't give all of it in time."]


async def test_a_clipboard_of_which_nothing_can_be_read_is_left_alone(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wlclipboard, "OWNER_S", 0.3)
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_field(screen, kind="gtk") as field,
        open_desk() as desk,
    ):
        await field.until(focused=True)
        withhold(theirs, "image/png")
        copied = await theirs._own("CLIPBOARD", {"image/png": IMAGE})
        await until_offered(desk)
        with pytest.raises(ClipboardSilent, match=r"its owner didn't give.*Copy something else"):
            await desk.write("one\ntwo")
        await desk.write("(typed)")
        await field.until(text="(typed)")
        assert not copied.gone


async def until_offered(desk: Desk) -> None:
    """Wait until our own clipboard has heard of the image."""
    ours = cast(TypingTarget, desk.target)._clipboard
    assert isinstance(ours, WlClipboard)
    await until(lambda: any("image/png" in mimes for mimes in ours._offers.values()))


async def held(clipboard: WlClipboard, text: str) -> Content:
    """What another program reads, once it is that text."""
    clipboard._ours["CLIPBOARD"] = None
    with trio.fail_after(5):
        while True:
            content = (await clipboard._save("CLIPBOARD")).content
            if content.get("text/plain") == text.encode():
                return content
            await trio.sleep(0.02)


async def test_what_was_ours_is_not_taken_for_what_somebody_copied(screen: dict[str, str]) -> None:
    async with open_wlclipboard(TargetOptions()) as ours:
        await ours.keep("ours")
        await until(lambda: bool(ours._selection["CLIPBOARD"]))
        await ours._own("CLIPBOARD", {})
        assert (await ours._save("CLIPBOARD")).content == {}


async def test_what_a_window_does_not_read_stays_in_the_clipboard(screen: dict[str, str]) -> None:
    async with open_field(screen, kind="gtk") as field, open_desk(clipboard_s=0.2) as desk:
        await field.until(focused=True)
        await field.do("hang 0.6", wait=False)
        await desk.write("(late)")
        assert desk.notices == ["field has not read what was pasted: it is in the clipboard."]
        await field.until(text="(late)")


async def test_what_somebody_copies_meanwhile_stays(screen: dict[str, str]) -> None:
    async with open_wlclipboard(TargetOptions()) as theirs, open_wlclipboard(TargetOptions()) as ours:

        async def paste() -> None:
            assert await held(theirs, "ours")
            await theirs.keep("theirs")

        assert (await ours.lend("ours", paste, focus=None, primary=False)).read
        assert await theirs.holds("theirs")


@pytest.mark.parametrize("pressed", [False, True])
async def test_a_paste_that_is_called_off_gives_the_clipboard_back(screen: dict[str, str], pressed: bool) -> None:
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_wlclipboard(TargetOptions()) as reader,
        open_wlclipboard(TargetOptions()) as ours,
    ):
        await theirs.keep("theirs")
        await held(ours, "theirs")
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:

                async def paste() -> None:
                    if not pressed:
                        scope.cancel()
                    await trio.lowlevel.checkpoint()
                    nursery.start_soon(held, reader, "ours")  # the window, which has had the keys
                    scope.cancel()

                await ours.lend("ours", paste, focus=None, primary=False)
        assert scope.cancelled_caught
        assert await held(reader, "theirs")


async def test_taking_back_that_is_called_off_leaves_the_text_and_nothing_selected(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen, kind="gtk") as field, open_desk() as desk:
        await field.until(focused=True)
        insertion = await desk.write("one")
        await field.until(text="one")
        clipboard = cast(TypingTarget, desk.target)._clipboard
        selected = clipboard.selected
        with trio.CancelScope() as scope:

            async def until_selected(focus: Focus | None) -> str | None:
                found = await selected(focus)
                if found == "one":
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
                return found

            monkeypatch.setattr(clipboard, "selected", until_selected)
            await desk.target.undo(insertion)
        assert scope.cancelled_caught
        await desk.write(" two")
        await field.until(text="one two")


async def test_the_clipboard_holds_all_that_was_said_until_something_else_is_copied(screen: dict[str, str]) -> None:
    async with (
        open_target("clipboard", TargetOptions(), lambda *_, **__: None) as target,
        open_wlclipboard(TargetOptions()) as theirs,
    ):
        await target.insert("One.", focus=None)
        insertion = await target.insert(" 漢字", focus=None)
        await target.undo(insertion)
        await target.insert(" Two.", focus=None)
        assert await held(theirs, "One. Two.")
        await theirs.keep("theirs")
        await until_gone(target, insertion)
        await target.insert(" New.", focus=None)
        assert await held(theirs, "New.")


async def until_gone(target: Target, insertion: Insertion) -> None:
    with trio.fail_after(5):
        while await target.since(insertion) != "elsewhere":  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.01)


async def test_the_keyboard_layout_is_read_and_its_changes_too(screen: dict[str, str]) -> None:
    async with open_wlkeyboard() as keyboard:
        for char in ("x", "漢"):
            async with running(["wtype", char, "-s", "600000"], screen):
                await until(lambda: keyboard.keymap is not None and keyboard.keymap.everywhere(char))  # noqa: B023


async def test_a_compositor_that_is_gone_fails_at_once(screen: dict[str, str]) -> None:
    with trio.fail_after(5):
        async with open_desk() as desk:
            os.kill(int(screen["SERVER_PID"]), signal.SIGKILL)
            with pytest.raises(TargetError):
                await desk.target.insert("漢 (text)", focus=Focus("1"))


async def test_without_a_desktop_it_says_what_works(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TargetError, match=r"no desktop here.*stdout or file:PATH"):
        async with open_desk():
            pass
