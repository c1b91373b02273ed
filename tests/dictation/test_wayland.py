"""Dictation into real windows on Wayland: sway without a screen, a GTK text field and the terminal foot."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import trio

from testbed.desktops.screens import NOBODY, needs, open_field, open_sway, until
from testbed.message_bus import PATIENCE_S, running
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


PATIENT: dict[str, object] = {"clipboard_s": 30.0}
"""On a busy machine a window takes its time to read what is pasted."""


class Desktop:
    """A typing target on the running desktop, and the notices it published."""

    def __init__(self, target: Target, notices: list[str]) -> None:
        self.target, self.notices = target, notices

    async def write(self, text: str) -> Insertion:
        return await self.target.insert(text, focus=await self.target.focus())

    async def given_back(self) -> None:
        """Wait until the clipboard is given back after a paste."""
        clipboard = cast(TypingTarget, self.target)._clipboard
        assert isinstance(clipboard, WlClipboard)
        await clipboard.hold.ended()


@asynccontextmanager
async def open_desktop(**options: object) -> AsyncIterator[Desktop]:
    notices: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        notices.append(str(fields["text"]))

    async with open_target("type", TargetOptions.model_validate(PATIENT | options), publish) as target:
        yield Desktop(target, notices)


@pytest.fixture
async def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    monkeypatch.setattr(wlclipboard, "OWNER_S", 30.0)  # other programs, too, take their time
    async with open_sway(tmp_path) as env:
        for name in ("WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "SWAYSOCK"):
            monkeypatch.setenv(name, env[name])
        monkeypatch.setenv("LC_ALL", "C")  # typing must not depend on the locale
        monkeypatch.delenv("DISPLAY", raising=False)
        yield env


async def test_text_is_typed_into_the_field(screen: dict[str, str]) -> None:
    async with open_field(screen, "--name", "notes", kind="gtk") as field, open_desktop() as desktop:
        await field.until(focused=True)
        assert desktop.target.name == "wtype"
        focus = await desktop.target.focus()
        assert focus is not None
        assert (focus.app, focus.terminal) == ("notes", False)
        texts = ["It is 5 o'clock; are YOU there? <y/n>", f" {HARD}", " (one)", "\nTwo."]
        for text in texts:
            await desktop.write(text)
        await field.until(text="".join(texts))
        assert desktop.notices == []


@pytest.mark.parametrize("text", [" (one)", HARD, "line\nline\n"])
async def test_undo_removes_exactly_the_inserted_text(screen: dict[str, str], text: str) -> None:
    async with open_field(screen, kind="gtk") as field, open_desktop() as desktop:
        await field.until(focused=True)
        await field.do(f"set {json.dumps(['call(', ') # end'])}")
        insertion = await desktop.write(text)
        await field.until(text=f"call({text}) # end")
        await desktop.target.undo(insertion)
        await field.until(text="call() # end")


async def test_undo_refuses_text_that_was_changed_by_hand(screen: dict[str, str]) -> None:
    async with open_field(screen, kind="gtk") as field, open_desktop() as desktop:
        await field.until(focused=True)
        insertion = await desktop.write("word")
        await field.do(f"set {json.dumps(['Word', ''])}")
        with pytest.raises(CantUndo, match="not what was put in"):
            await desktop.target.undo(insertion)
        await field.until(text="Word")


async def focus_in(desktop: Desktop) -> Focus:
    """The focused window; waits until there is one."""
    with trio.fail_after(PATIENCE_S):
        while True:
            focus = await desktop.target.focus()
            if focus is not None and focus.window:
                return focus
            await trio.sleep(0.02)


async def test_text_runs_nothing_in_a_terminal_without_an_enter_command(screen: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "typed"
    async with running(["foot", "sh", "-c", f"stty raw -echo; exec cat > {out}"], screen), open_desktop() as desktop:
        await until(out.exists)
        focus = await focus_in(desktop)
        assert (focus.app, focus.terminal) == ("foot", True)
        await desktop.target.insert("ls\n\x1b[2J\x03\u202eé漢", focus=focus)
        await until(lambda: out.read_bytes() == "ls é漢".encode())
        await desktop.target.enter(focus=focus)
        insertion = await desktop.target.insert("rm é", focus=focus)
        await trio.run_process(["wtype", " -f"], env=screen)  # by hand: user input can't be watched here
        with pytest.raises(CantUndo, match="whether you typed since can't be seen here"):
            await desktop.target.undo(insertion)
        await desktop.target.insert("!", focus=focus)
        await until(lambda: out.read_bytes() == "ls é漢\rrm é -f!".encode())


async def test_text_spoken_to_another_window_is_not_typed(screen: dict[str, str]) -> None:
    async with open_field(screen, "--name", "mail", kind="gtk") as mail, open_desktop() as desktop:
        await mail.until(focused=True)
        said_to = await desktop.target.focus()
        insertion = await desktop.target.insert("Dear", focus=said_to)
        async with open_field(screen, "--name", "bank", kind="gtk") as bank:
            await bank.until(focused=True)
            with pytest.raises(FocusChanged, match="bank has the focus, but you spoke to mail"):
                await desktop.target.insert(" secret", focus=said_to)
            with pytest.raises(CantUndo, match="another window"):
                await desktop.target.undo(insertion)
        await mail.until(text="Dear", focused=True)


async def test_the_focus_is_watched_even_if_swaysock_belongs_to_an_earlier_session(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWAYSOCK", f"{screen['XDG_RUNTIME_DIR']}/sway-ipc.{NOBODY}.1.sock")
    async with open_field(screen, "--name", "mail", kind="gtk") as mail, open_desktop() as desktop:
        await mail.until(focused=True)
        said_to = await desktop.target.focus()
        assert desktop.target.watches_focus
        assert desktop.notices == []
        async with open_field(screen, "--name", "chat", kind="gtk") as chat:
            await chat.until(focused=True)
            with pytest.raises(FocusChanged, match="chat has the focus, but you spoke to mail"):
                await desktop.target.insert("my password", focus=said_to)


@pytest.mark.parametrize("listening", [True, False])
async def test_without_sways_own_socket_the_focus_is_not_watched_and_a_notice_says_so(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, listening: bool
) -> None:
    await trio.Path(screen["SWAYSOCK"]).rename(tmp_path / "moved")
    other = tmp_path / "other.sock"
    listener = trio.socket.socket(socket.AF_UNIX)
    with listener:
        if listening:  # a socket at which another process listens
            await listener.bind(str(other))
            listener.listen()
        monkeypatch.setenv("SWAYSOCK", str(other))
        async with open_desktop() as desktop:
            assert not desktop.target.watches_focus
            assert await desktop.target.focus() is None
            assert desktop.notices == [
                f"The focus can't be watched: {other} ($SWAYSOCK) doesn't belong to this session's compositor."
            ]


async def test_a_sway_that_does_not_answer_is_reported(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sway, "ANSWER_S", 0.2)
    os.kill(int(screen["SERVER_PID"]), signal.SIGSTOP)  # the kernel still accepts connections to its socket
    notices: list[object] = []
    state = await sway.find_desktop_state(screen, (), lambda _, /, **fields: notices.append(fields["text"]))
    assert not state.watches_focus
    assert notices == [f"sway doesn't say which window has the focus: {screen['SWAYSOCK']} gives no answer."]


async def test_the_clipboard_is_restored_in_every_mime_type(screen: dict[str, str]) -> None:
    content = {"image/png": IMAGE, "text/html": b"<b>mine</b>", "text/plain": b"mine"}
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_field(screen, "--late", "1", kind="gtk") as field,
        open_desktop() as desktop,
    ):
        await field.until(focused=True)
        await theirs._own("CLIPBOARD", content)
        await desktop.write("(late)")
        await desktop.write("\n漢")
        await field.until(text="(late)\n漢")
        assert await wait_for_content(theirs, "mine") == content
        assert desktop.notices == []


def withhold(theirs: WlClipboard, withheld: str) -> None:
    """Make another program never give its clipboard's content in the MIME type `withheld`."""
    give = theirs._give

    async def give_the_rest(source: Source, mime: str, fd: int) -> None:
        if mime == withheld:
            async with trio.lowlevel.FdStream(fd):
                await trio.sleep_forever()
        await give(source, mime, fd)

    theirs._give = give_the_rest  # type: ignore[method-assign]


async def test_with_a_slow_clipboard_owner_what_it_gave_is_restored_and_the_rest_is_reported(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wlclipboard, "OWNER_S", 1.0)
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_field(screen, kind="gtk") as field,
        open_desktop() as desktop,
    ):
        await field.until(focused=True)
        withhold(theirs, "image/png")
        await theirs._own("CLIPBOARD", {"image/png": IMAGE, "text/plain": b"mine"})
        await until_offered(desktop)
        await desktop.write("(one)")
        await field.until(text="(one)")
        assert await wait_for_content(theirs, "mine") == {"text/plain": b"mine"}
        assert desktop.notices == ["The clipboard was not fully restored: its owner didn't give all of it in time."]


async def test_a_clipboard_that_can_not_be_read_is_not_replaced(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wlclipboard, "OWNER_S", 1.0)
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_field(screen, kind="gtk") as field,
        open_desktop() as desktop,
    ):
        await field.until(focused=True)
        withhold(theirs, "image/png")
        copied = await theirs._own("CLIPBOARD", {"image/png": IMAGE})
        await until_offered(desktop)
        with pytest.raises(ClipboardSilent, match=r"its owner didn't give.*Copy something else"):
            await desktop.write("one\ntwo")
        await desktop.write("(typed)")
        await field.until(text="(typed)")
        assert not copied.gone


async def until_offered(desktop: Desktop) -> None:
    """Wait until our own clipboard has got the offer of the image."""
    ours = cast(TypingTarget, desktop.target)._clipboard
    assert isinstance(ours, WlClipboard)
    await until(lambda: any("image/png" in mimes for mimes in ours._offers.values()))


async def wait_for_content(clipboard: WlClipboard, text: str) -> Content:
    """The content that another program reads; waits until it is `text`."""
    clipboard._ours["CLIPBOARD"] = None
    with trio.fail_after(PATIENCE_S):
        while True:
            content = (await clipboard._save("CLIPBOARD")).content
            if content.get("text/plain") == text.encode():
                return content
            await trio.sleep(0.02)


async def test_our_own_former_content_is_not_mistaken_for_the_users(screen: dict[str, str]) -> None:
    async with open_wlclipboard(TargetOptions()) as ours:
        await ours.keep("ours")
        await until(lambda: bool(ours._selection["CLIPBOARD"]))
        await ours._own("CLIPBOARD", {})
        assert (await ours._save("CLIPBOARD")).content == {}


async def test_a_window_that_reads_early_and_again_late_gets_the_pasted_text(screen: dict[str, str]) -> None:
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_field(screen, "--early", "--late", "1", kind="gtk") as field,
        open_desktop() as desktop,
    ):
        await field.until(focused=True)
        await theirs.keep("mine")
        for text in ("(one)", "\n漢"):
            await desktop.write(text)
        await field.until(text="(one)\n漢")
        await desktop.given_back()
        assert await wait_for_content(theirs, "mine")
        assert desktop.notices == []


async def test_a_clipboard_history_that_reads_first_does_not_take_the_paste_away(screen: dict[str, str]) -> None:
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_wlclipboard(TargetOptions()) as history,
        open_wlclipboard(TargetOptions()) as ours,
        open_wlclipboard(TargetOptions()) as window,
    ):
        await theirs.keep("mine")
        await wait_for_content(ours, "mine")

        async def paste(pressing: Callable[[], None]) -> None:
            pressing()
            await wait_for_content(history, "said")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(paste, lambda: None)
            assert (await ours.lend("said", paste, focus=None, primary=False)).read
        await trio.sleep(1)  # a busy window
        await wait_for_content(window, "said")
        await ours.hold.ended()
        await wait_for_content(window, "mine")


async def test_a_read_by_a_clipboard_history_does_not_count_as_the_window(screen: dict[str, str]) -> None:
    async with (
        running(["sleep", "600"], screen) as window,
        open_wlclipboard(TargetOptions(), hands_on=False) as history,
        open_wlclipboard(TargetOptions(clipboard_s=1.0), hands_on=False) as ours,
    ):

        async def paste(pressing: Callable[[], None]) -> None:
            pressing()
            await wait_for_content(history, "said")

        for process, read in ((window.pid, False), (os.getpid(), True), (0, True)):
            focus = Focus("1", "busy", process=process)
            lent = await ours.lend("said", paste, focus=focus, primary=False)
            assert lent.read == read
            assert await ours.holds("said") or read


async def test_what_was_given_back_outlives_the_program(screen: dict[str, str]) -> None:
    content = {"text/plain": b"mine", "text/html": b"<b>mine</b>", "image/png": IMAGE}
    async with open_wlclipboard(TargetOptions()) as reader, open_field(screen, kind="gtk") as field:
        await field.until(focused=True)
        async with open_wlclipboard(TargetOptions(), hands_on=False) as theirs:
            await theirs.offer(content)
            with trio.CancelScope() as scope:
                async with open_desktop() as desktop:
                    await until_offered(desktop)
                    await desktop.write("(one)")
                    scope.cancel()
        await field.until(text="(one)")
        assert await wait_for_content(reader, "mine") == content


async def test_long_text_is_pasted_where_the_users_own_keys_can_not_be_seen(screen: dict[str, str]) -> None:
    async with open_field(screen, kind="gtk") as field, open_desktop() as desktop:
        await field.until(focused=True)
        chords: list[str] = []
        keys = cast(TypingTarget, desktop.target)._keys
        press = keys.press

        async def noted(chord: str, times: int = 1) -> None:
            chords.append(chord)
            await press(chord, times)

        keys.press = noted  # type: ignore[method-assign]
        long = "many plain words " * 6
        await desktop.write("short ")
        await desktop.write(long)
        await field.until(text=f"short {long}")
        assert chords == ["ctrl+v"]


async def test_a_paste_that_the_window_does_not_read_stays_in_the_clipboard(screen: dict[str, str]) -> None:
    async with open_field(screen, kind="gtk") as field, open_desktop(clipboard_s=0.2) as desktop:
        await field.until(focused=True)
        with field.hanging():
            await desktop.write("(late)")
            assert desktop.notices == ["field has not read the pasted text: it is in the clipboard."]
        await field.until(text="(late)")


async def test_what_another_program_copies_during_a_paste_stays(screen: dict[str, str]) -> None:
    async with open_wlclipboard(TargetOptions()) as theirs, open_wlclipboard(TargetOptions()) as ours:

        async def paste(pressing: Callable[[], None]) -> None:
            pressing()
            assert await wait_for_content(theirs, "ours")
            await theirs.keep("theirs")

        assert (await ours.lend("ours", paste, focus=None, primary=False)).read
        await ours.hold.ended()
        assert await theirs.holds("theirs")


@pytest.mark.parametrize("pressed", [False, True])
async def test_a_cancelled_paste_restores_the_clipboard(screen: dict[str, str], pressed: bool) -> None:
    async with (
        open_wlclipboard(TargetOptions()) as theirs,
        open_wlclipboard(TargetOptions()) as reader,
        open_wlclipboard(TargetOptions()) as ours,
    ):
        await theirs.keep("theirs")
        await wait_for_content(ours, "theirs")
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as scope:

                async def paste(pressing: Callable[[], None]) -> None:
                    if not pressed:
                        scope.cancel()
                    await trio.lowlevel.checkpoint()
                    pressing()
                    nursery.start_soon(wait_for_content, reader, "ours")  # the window, which has got the keys
                    scope.cancel()

                await ours.lend("ours", paste, focus=None, primary=False)
        assert scope.cancelled_caught
        assert await wait_for_content(reader, "theirs")


async def test_a_cancelled_undo_leaves_the_text_and_nothing_selected(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen, kind="gtk") as field, open_desktop() as desktop:
        await field.until(focused=True)
        insertion = await desktop.write("one")
        await field.until(text="one")
        clipboard = cast(TypingTarget, desktop.target)._clipboard
        selected = clipboard.selected
        with trio.CancelScope() as scope:

            async def until_selected(focus: Focus | None) -> str | None:
                found = await selected(focus)
                if found == "one":
                    scope.cancel()
                    await trio.lowlevel.checkpoint()
                return found

            monkeypatch.setattr(clipboard, "selected", until_selected)
            await desktop.target.undo(insertion)
        assert scope.cancelled_caught
        await desktop.write(" two")
        await field.until(text="one two")


async def test_the_clipboard_target_collects_all_text_until_something_else_is_copied(screen: dict[str, str]) -> None:
    async with (
        open_target("clipboard", TargetOptions(), lambda *_, **__: None) as target,
        open_wlclipboard(TargetOptions()) as theirs,
    ):
        await target.insert("One.", focus=None)
        insertion = await target.insert(" 漢字", focus=None)
        await target.undo(insertion)
        await target.insert(" Two.", focus=None)
        assert await wait_for_content(theirs, "One. Two.")
        await theirs.keep("theirs")
        await until_gone(target, insertion)
        await target.insert(" New.", focus=None)
        assert await wait_for_content(theirs, "New.")


async def until_gone(target: Target, insertion: Insertion) -> None:
    with trio.fail_after(PATIENCE_S):
        while await target.since(insertion) != "elsewhere":  # noqa: ASYNC110 - nothing reports it
            await trio.sleep(0.01)


async def test_the_keyboard_layout_and_its_changes_are_read(screen: dict[str, str]) -> None:
    async with open_wlkeyboard() as keyboard:
        for char in ("x", "漢"):
            async with running(["wtype", char, "-s", "600000"], screen):
                await until(lambda: keyboard.keymap is not None and keyboard.keymap.everywhere(char))  # noqa: B023


async def test_without_the_compositor_typing_fails_at_once(screen: dict[str, str]) -> None:
    with trio.fail_after(PATIENCE_S):
        async with open_desktop() as desktop:
            os.kill(int(screen["SERVER_PID"]), signal.SIGKILL)
            with pytest.raises(TargetError):
                await desktop.target.insert("漢 (text)", focus=Focus("1"))


async def test_without_a_desktop_the_error_names_targets_that_work(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(TargetError, match=r"no desktop here.*--to stdout or --to file:PATH"):
        async with open_desktop():
            pass
