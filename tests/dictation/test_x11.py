"""Dictation into real windows on an X server without a screen: a Tk text field and an xterm."""

from __future__ import annotations

import array
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import cast

import pytest
import trio

from testbed.desktops.screens import needs, open_field, open_xvfb, until, xdotool
from testbed.message_bus import PATIENCE_S, running
from voiceloop.dictation.open_target import open_target
from voiceloop.dictation.targets import handing_on
from voiceloop.dictation.targets.handing_on import KEEPER
from voiceloop.dictation.targets.hold import WAITING
from voiceloop.dictation.targets.target import Focus, Insertion, Target, TargetOptions
from voiceloop.dictation.targets.typing import TypingTarget
from voiceloop.dictation.x11 import xreading
from voiceloop.dictation.x11.xconnection import XConnection, open_x
from voiceloop.dictation.x11.xreading import Content, Value
from voiceloop.dictation.x11.xselections import XSelections
from voiceloop.dictation.x11.xsession import XSession, open_xsession
from voiceloop.errors import CantUndo, ClipboardSilent, FocusChanged, KeysHeld, TargetError

pytestmark = needs("Xvfb", "xdotool", "xterm", module="tkinter")

HARD = "Füße, “naïve” 漢字, x̂, 👩‍👩‍👧 ¿qué? ½"
IMAGE = bytes(range(256)) * 4_000
"""1 MB: more than fits into one X request."""


PATIENT: dict[str, object] = {"clipboard_s": 30.0}
"""On a busy machine a window takes its time to read what is pasted."""


class Desktop:
    """A typing target on an X server, and the notices it published."""

    def __init__(self, target: Target, env: dict[str, str], notices: list[str]) -> None:
        self.target, self.env, self.notices = target, env, notices

    async def write(self, text: str) -> Insertion:
        return await self.target.insert(text, focus=await self.target.focus())

    async def given_back(self) -> None:
        """Wait until the clipboard is given back after a paste."""
        session = cast(TypingTarget, self.target)._clipboard
        assert isinstance(session, XSession)
        await session.hold.ended()


@asynccontextmanager
async def open_desktop(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, **options: object
) -> AsyncIterator[Desktop]:
    notices: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        notices.append(str(fields["text"]))

    for name in ("DISPLAY", "HOME"):
        monkeypatch.setenv(name, env[name])
    monkeypatch.setenv("LC_ALL", "C")  # typing must not depend on the locale
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    async with open_target("type", TargetOptions.model_validate(PATIENT | options), publish) as target:
        yield Desktop(target, env, notices)


@pytest.fixture
async def screen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    monkeypatch.setattr(xreading, "OWNER_S", 30.0)  # other programs, too, take their time
    async with open_xvfb(tmp_path) as env:
        yield env


async def test_text_is_typed_into_the_field(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen, "--name", "Notes") as field, open_desktop(screen, monkeypatch) as desktop:
        assert desktop.target.name == "xdotool"
        focus = await desktop.target.focus()
        assert focus is not None
        assert focus.app == "Notes"
        assert not focus.terminal
        texts = ["It is 5 o'clock; are YOU there? <y/n>", f" {HARD}", " (one)", "\nTwo."]
        for text in texts:
            await desktop.write(text)
        await field.until(text="".join(texts))
        assert desktop.notices == []


async def test_quick_utterances_are_typed_in_order(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen) as field, open_desktop(screen, monkeypatch) as desktop:
        for text in ("é1", " two", " é3"):
            await desktop.write(text)
        await field.until(text="é1 two é3")


async def test_enter_is_pressed_only_on_command(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen) as field, open_desktop(screen, monkeypatch) as desktop:
        await desktop.write("ls\n\x1b]0;owned\x07\u202e-l\r")
        await field.until(text="ls\n-l")
        await desktop.target.enter(focus=await desktop.target.focus())
        await field.until(text="ls\n-l\n")


async def test_text_runs_nothing_in_a_terminal_without_an_enter_command(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "typed"
    shell = f"stty raw -echo; exec cat > {out}"
    async with running(["xterm", "-e", "sh", "-c", shell], screen), open_desktop(screen, monkeypatch) as desktop:
        focus = await xterm_focus(desktop, out)
        await desktop.target.insert("ls\n\x1b[2J\x03\u202eé漢", focus=focus)
        typed = "ls é漢"
        await wait_for_bytes(out, typed)
        await desktop.target.enter(focus=focus)
        await wait_for_bytes(out, typed + "\r")
        await desktop.target.undo(await desktop.target.insert("rm é", focus=focus))
        await wait_for_bytes(out, typed + "\rrm é" + "\x7f" * 4)


async def xterm_focus(desktop: Desktop, out: Path) -> Focus:
    await until(out.exists)
    await xdotool(desktop.env, "search", "--class", "xterm", "windowfocus", "--sync")
    focus = await desktop.target.focus()
    assert focus is not None
    assert (focus.app, focus.terminal) == ("XTerm", True)
    return focus


async def wait_for_bytes(path: Path, text: str) -> None:
    await until(lambda: path.read_bytes() == text.encode())


@pytest.mark.parametrize("text", ["word", ' (one) [two] {"three"}', HARD, "line\nline\n", "x" * 130])
@pytest.mark.parametrize("options", [(), ("--closes",)])
async def test_undo_removes_exactly_the_inserted_text(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, text: str, options: tuple[str, ...]
) -> None:
    async with open_field(screen, *options) as field, open_desktop(screen, monkeypatch) as desktop:
        await field.do(f"set {json.dumps(['call(', ') # end'])}")
        insertion = await desktop.write(text)
        await field.until(text=f"call({text}) # end")
        await desktop.target.undo(insertion)
        await field.until(text="call() # end", cursor=5)


async def test_undo_keeps_what_the_editor_added_and_refuses_changed_text(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen, "--closes") as field, open_desktop(screen, monkeypatch, paste="never") as desktop:
        insertion = await desktop.write("(one)")
        await field.until(text="(one))")
        # The editor has added a closing bracket after the cursor. The inserted text is unchanged: only it is removed.
        await desktop.target.undo(insertion)
        await field.until(text=")")
        await field.do(f"set {json.dumps(['', ''])}")
        insertion = await desktop.write("word")
        await field.do(f"set {json.dumps(['Word', ''])}")
        with pytest.raises(CantUndo, match="not what was put in"):
            await desktop.target.undo(insertion)
        await field.until(text="Word")


async def test_several_insertions_are_undone_one_after_the_other(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen) as field, open_desktop(screen, monkeypatch) as desktop:
        insertions = [await desktop.write(text) for text in ("One.", " Zwöl.", " Three.")]
        for insertion in reversed(insertions):
            assert await desktop.target.since(insertion) == "nothing"
            await desktop.target.undo(insertion)
        await field.until(text="")


@pytest.mark.parametrize(
    ("by_hand", "since"),
    [(("key", "x"), "something"), (("key", "Return"), "line"), (("click", "1"), "something"), (("key", "shift"), None)],
)
async def test_after_user_input_nothing_is_undone(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, by_hand: tuple[str, str], since: str | None
) -> None:
    async with open_field(screen) as field, open_desktop(screen, monkeypatch) as desktop:
        insertion = await desktop.write("one")
        await field.until(text="one")
        await xdotool(desktop.env, *by_hand)
        assert await desktop.target.since(insertion) == (since or "nothing")
        if since is not None:
            with pytest.raises(CantUndo, match="other input"):
                await desktop.target.undo(insertion)
            assert field.text.startswith("one")
        else:
            await desktop.target.undo(insertion)
            await field.until(text="")


async def test_text_spoken_to_another_window_is_neither_typed_nor_undone(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        open_field(screen, "--name", "Mail") as mail,
        open_desktop(screen, monkeypatch) as desktop,
    ):
        said_to = await desktop.target.focus()
        insertion = await desktop.target.insert("Dear", focus=said_to)
        async with open_field(screen, "--name", "Bank") as bank:
            await bank.do("focus")
            with pytest.raises(FocusChanged, match="Bank has the focus, but you spoke to Mail"):
                await desktop.target.insert(" secret", focus=said_to)
            with pytest.raises(FocusChanged):
                await desktop.target.enter(focus=said_to)
            with pytest.raises(CantUndo, match="another window"):
                await desktop.target.undo(insertion)
            assert await desktop.target.since(insertion) == "elsewhere"
            assert await desktop.target.set_aside("secret") == "the clipboard"
            await xdotool(desktop.env, "key", "ctrl+v")
            await bank.until(text="secret")
        await mail.until(text="Dear")


async def test_a_closed_window_gets_no_text(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_desktop(screen, monkeypatch) as desktop:
        async with open_field(screen):
            said_to = await desktop.target.focus()
        for text in ("plain", HARD):
            with pytest.raises(FocusChanged):
                await desktop.target.insert(text, focus=said_to)


async def test_without_the_x_server_typing_fails_at_once(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.fail_after(PATIENCE_S):
        async with open_desktop(screen, monkeypatch) as desktop:
            os.kill(int(screen["SERVER_PID"]), signal.SIGKILL)
            with pytest.raises(TargetError, match="X server"):
                await desktop.target.insert("text", focus=None)


async def test_a_cancelled_session_ends_at_once(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_desktop(screen, monkeypatch), open_other(screen):
        with trio.CancelScope() as scope:
            async with open_xsession(TargetOptions()) as session:
                await session.keep("mine")
                cancelled_at = trio.current_time()
                scope.cancel()
                await trio.sleep_forever()
        assert trio.current_time() - cancelled_at < xreading.OWNER_S / 2  # which it would wait for an answer


async def test_typing_waits_for_held_keys(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen) as field, open_desktop(screen, monkeypatch, modifiers_s=0.3) as desktop:
        await xdotool(desktop.env, "keydown", "ctrl")
        with pytest.raises(KeysHeld, match="Ctrl"):
            await desktop.write("as")
    async with open_field(screen) as field, open_desktop(screen, monkeypatch, modifiers_s=60) as desktop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(xdotool, desktop.env, "keyup", "ctrl")
            await desktop.write("as")
        await field.until(text="as")


async def test_caps_lock_changes_nothing(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen) as field, open_desktop(screen, monkeypatch) as desktop:
        await xdotool(desktop.env, "key", "Caps_Lock")
        await desktop.write("As it is.")
        await field.until(text="As it is.")


# Clipboard


@asynccontextmanager
async def open_other(env: dict[str, str]) -> AsyncIterator[tuple[XConnection, XSelections]]:
    """Open the selections of another program on the X server."""
    async with open_x(env["DISPLAY"]) as connection:
        yield connection, await connection.call(lambda: XSelections(connection, lambda _: None))


async def test_the_clipboard_is_restored_in_every_target_type(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        open_other(screen) as (connection, theirs),
        open_field(screen) as field,
        open_desktop(screen, monkeypatch) as desktop,
        open_other(screen) as (reader, selections),
    ):

        def copy() -> Content:
            names = {"image/png": IMAGE, "text/html": b"<b>mine</b>", "UTF8_STRING": b"mine"}
            content = {theirs.atom(name): Value(theirs.atom(name), 8, data) for name, data in names.items()}
            content[theirs.atom("x-numbers")] = Value(theirs.atom("INTEGER"), 32, array.array("I", [1, 2, 3]))
            theirs.own("CLIPBOARD", content)
            return content

        content = await connection.call(copy)
        await desktop.write(HARD)
        await field.until(text=HARD)
        await desktop.given_back()
        for _ in range(2):  # the original content, and the restored one
            saved = await reader.call(lambda: selections.save("CLIPBOARD"))
            assert {target: value.data for target, value in saved.content.items()} == {
                target: value.data for target, value in content.items()
            }
            await desktop.write(" é")
            await desktop.given_back()
        assert not await connection.call(lambda: theirs.owns("CLIPBOARD"))
        assert desktop.notices == []


async def copy(other: tuple[XConnection, XSelections], content: dict[str, bytes], *, withheld: str = "") -> None:
    """Make another program own the clipboard. It doesn't answer a request for the target type `withheld`."""
    connection, theirs = other

    def own() -> None:
        asked = theirs._on_request
        theirs.own(
            "CLIPBOARD", {theirs.atom(name): Value(theirs.atom(name), 8, data) for name, data in content.items()}
        )
        theirs._on_request = lambda event: None if event.target == theirs.atom(withheld) else asked(event)  # type: ignore[method-assign]

    await connection.call(own)


async def test_with_a_slow_clipboard_owner_what_it_gave_is_restored_and_the_rest_is_reported(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xreading, "OWNER_S", 1.0)
    content = {"image/png": IMAGE, "text/html": b"<b>mine</b>"}
    async with (
        open_other(screen) as other,
        open_field(screen) as field,
        open_desktop(screen, monkeypatch) as desktop,
        open_other(screen) as (reader, selections),
    ):
        await copy(other, content, withheld="image/png")
        await desktop.write("é")
        await field.until(text="é")
        await desktop.given_back()
        saved = await reader.call(lambda: selections.save("CLIPBOARD"))
        assert [bytes(value.data) for value in saved.content.values()] == [b"<b>mine</b>"]
        assert desktop.notices == ["The clipboard was not fully restored: its owner didn't give all of it in time."]


@pytest.mark.parametrize("withheld", ["image/png", "TARGETS"])
async def test_a_clipboard_that_can_not_be_read_is_not_replaced(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, withheld: str
) -> None:
    monkeypatch.setattr(xreading, "OWNER_S", 1.0)
    async with (
        open_other(screen) as other,
        open_field(screen) as field,
        open_desktop(screen, monkeypatch) as desktop,
    ):
        await copy(other, {"image/png": IMAGE}, withheld=withheld)
        with pytest.raises(ClipboardSilent, match=r"its owner d.*Copy something else"):
            await desktop.write("é")
        await desktop.write("(typed)")
        await field.until(text="(typed)")
        connection, theirs = other
        assert await connection.call(lambda: theirs.owns("CLIPBOARD"))


async def test_a_clipboard_that_was_empty_is_empty_again(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen), open_desktop(screen, monkeypatch) as desktop, open_other(screen) as (x, selections):
        await desktop.write("é")
        await desktop.given_back()
        assert await x.call(lambda: selections.owner("CLIPBOARD")) == 0


async def test_a_window_that_reads_late_gets_the_pasted_text(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen, "--late", "1") as field, open_desktop(screen, monkeypatch) as desktop:
        await field.do('copy "mine"')
        await desktop.write("é")
        await desktop.write("ñ")
        await field.until(text="éñ")
        await desktop.given_back()
        assert await clipboard(screen) == "mine"


@pytest.mark.parametrize("late", ["0.5", "1.5"])
async def test_a_window_that_reads_early_and_again_late_gets_the_pasted_text(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, late: str
) -> None:
    async with (
        open_field(screen, "--early", "--late", late) as field,
        open_desktop(screen, monkeypatch) as desktop,
        open_other(screen) as other,
    ):
        await copy(other, {"UTF8_STRING": b"mine", "text/html": b"<b>mine</b>"})
        for text in ("é", "ñ"):
            await desktop.write(text)
        await field.until(text="éñ")
        await desktop.given_back()
        assert await clipboard(screen) == "mine"
        assert desktop.notices == []


async def test_what_was_given_back_outlives_the_program_until_something_else_is_copied(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"UTF8_STRING": b"mine", "text/html": b"<b>mine</b>", "image/png": IMAGE}
    async with open_other(screen) as (reader, selections):
        async with open_field(screen) as field, open_other(screen) as other:
            await copy(other, content)
            async with open_desktop(screen, monkeypatch) as desktop:
                await desktop.write("é")
                await field.until(text="é")
            await until_clipboard(screen, "mine")
        saved = await reader.call(lambda: selections.save("CLIPBOARD"))
        names = await reader.call(lambda: {name: selections.atom(name) for name in content})
        assert {name: bytes(saved.content[atom].data) for name, atom in names.items()} == content
        assert keepers(screen) == 1
        await reader.call(lambda: selections.own_text("CLIPBOARD", "new"))
        await until(lambda: keepers(screen) == 0)
        assert await clipboard(screen) == "new"


async def test_a_cancelled_program_hands_the_clipboard_on_too(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen, "--early", "--late", "1") as field, open_other(screen) as other:
        await copy(other, {"UTF8_STRING": b"mine"})
        with trio.CancelScope() as scope:
            async with open_desktop(screen, monkeypatch) as desktop:
                await desktop.write("é")
                scope.cancel()
        await field.until(text="é")
        await until_clipboard(screen, "mine")
        assert keepers(screen) == 1


def keepers(env: dict[str, str]) -> int:
    """How many processes own the clipboard of this X server for programs that have ended."""
    wanted = f"DISPLAY={env['DISPLAY']}".encode()
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            is_keeper = KEEPER.encode() in (process / "cmdline").read_bytes().split(b"\0")
            count += is_keeper and wanted in (process / "environ").read_bytes().split(b"\0")
    return count


async def test_typing_waits_until_the_user_pauses(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen) as field, open_desktop(screen, monkeypatch, modifiers_s=60) as desktop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(xdotool, screen, "type", "--delay", "100", "by hand, ")
            await field.until(text="by")
            await desktop.write("said")
        await field.until(text="by hand, said")


async def test_a_user_who_goes_on_typing_gets_the_text_in_an_error(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen) as field, open_desktop(screen, monkeypatch, modifiers_s=0.5) as desktop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(xdotool, screen, "type", "--delay", "100", "x" * 20)
            await field.until(text="x")
            with pytest.raises(KeysHeld, match="you are typing"):
                await desktop.write("said")
        await field.until(text="x" * 20)


async def test_a_paste_that_the_window_does_not_read_stays_in_the_clipboard(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        open_field(screen) as field,
        open_desktop(screen, monkeypatch, clipboard_s=0.2) as desktop,
        open_other(screen) as other,
    ):
        await copy(other, {"UTF8_STRING": b"mine"})
        with field.hanging():
            await desktop.write("é")
            assert desktop.notices == ["Field has not read the pasted text: it is in the clipboard."]
        await field.until(text="é")  # late but correct
        await desktop.given_back()
        await until_clipboard(screen, "mine")
        with field.hanging():
            await desktop.write("ñ")
        await field.until(text="éñ")  # without the text before, which the window has got


async def until_clipboard(env: dict[str, str], text: str) -> None:
    with trio.fail_after(PATIENCE_S):
        while await clipboard(env) != text:  # noqa: ASYNC110 - another program's view
            await trio.sleep(0.05)


async def test_a_paste_that_was_not_read_is_appended_to_unread_pastes_before(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "typed"
    argv = ["xterm", "-class", "MyTerm", "-e", "sh", "-c", f"stty raw -echo; exec cat > {out}"]
    async with running(argv, screen), open_desktop(screen, monkeypatch, clipboard_s=0.2) as desktop:
        await until(out.exists)
        await xdotool(desktop.env, "search", "--class", "MyTerm", "windowfocus", "--sync")
        for text in ("Füße “one”.", " Über “two”."):
            assert not (await desktop.write(text)).read
        assert await clipboard(screen) == "Füße “one”. Über “two”."


async def clipboard(env: dict[str, str]) -> str | None:
    async with open_other(env) as (connection, selections):
        return await connection.call(lambda: selections.text("CLIPBOARD"))


async def test_what_another_program_copies_during_a_paste_stays(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    async with open_other(screen) as (connection, theirs), open_xsession(TargetOptions()) as session:

        async def paste(pressing: Callable[[], None]) -> None:
            pressing()
            assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"
            await connection.call(lambda: theirs.own_text("CLIPBOARD", "theirs"))

        lent = await session.lend("ours", paste, focus=None, primary=False)
        assert lent.read
        await session.hold.ended()
        assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "theirs"


@pytest.mark.parametrize("pressed", [False, True])
async def test_a_cancelled_paste_restores_the_clipboard(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, pressed: bool
) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    async with open_other(screen) as (connection, theirs), open_xsession(TargetOptions()) as session:
        await connection.call(lambda: theirs.own_text("CLIPBOARD", "theirs"))
        with trio.CancelScope() as scope:

            async def paste(pressing: Callable[[], None]) -> None:
                assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"
                if pressed:
                    pressing()
                scope.cancel()
                await trio.lowlevel.checkpoint()

            await session.lend("ours", paste, focus=None, primary=False)
        assert scope.cancelled_caught
        lent = "ours" if pressed else "theirs"  # the window, which may have got the keys, reads it now
        assert await connection.call(lambda: theirs.text("CLIPBOARD")) == lent
        await session.hold.ended()
        assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "theirs"
        assert await connection.call(lambda: theirs.owner("CLIPBOARD")) != 0


@pytest.mark.parametrize("had", ["theirs", ""])
@pytest.mark.parametrize("copied", [False, True])
async def test_an_end_soon_after_a_paste_waits_for_no_window(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, had: str, copied: bool
) -> None:
    """A signal ends the program within a second: what was lent is in other hands by then."""
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    told: list[str] = []
    async with open_other(screen) as (connection, theirs):
        if had:
            await connection.call(lambda: theirs.own_text("CLIPBOARD", had))
        async with open_xsession(TargetOptions(), tell=told.append) as session:

            async def paste(pressing: Callable[[], None]) -> None:
                pressing()
                assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"

            await session.lend("ours", paste, focus=None, primary=False)
            assert session.hold.left_s is not None
        assert told == []
        assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"  # a busy window reads it only now
        assert keepers(screen) == 1
        if copied:
            await connection.call(lambda: theirs.own_text("CLIPBOARD", "copied"))
            await until(lambda: keepers(screen) == 0)
            assert await connection.call(lambda: theirs.owns("CLIPBOARD"))
        elif had:
            await until_clipboard(screen, had)
        else:
            await until(lambda: keepers(screen) == 0)
            assert await connection.call(lambda: theirs.owner("CLIPBOARD")) == 0


async def test_an_end_that_nobody_takes_the_clipboard_over_at_waits_and_tells(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    monkeypatch.setattr(handing_on, "KEEPER", "voiceloop.no_such_module")
    told: list[str] = []
    async with open_other(screen) as (connection, theirs):
        for pastes in (False, True):
            async with open_xsession(TargetOptions(), tell=told.append) as session:

                async def paste(pressing: Callable[[], None]) -> None:
                    pressing()
                    assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"

                if pastes:
                    await session.lend("ours", paste, focus=None, primary=False)
            assert told == [WAITING] * pastes


async def test_a_read_by_a_clipboard_manager_does_not_count_as_the_window(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    async with (
        open_field(screen),
        open_other(screen) as (connection, theirs),
        open_xsession(TargetOptions(clipboard_s=0.2)) as session,
    ):

        async def paste(pressing: Callable[[], None]) -> None:
            pressing()
            assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"

        lent = await session.lend("ours", paste, focus=await session.focus(), primary=False)
        assert not lent.read


async def test_the_clipboard_target_collects_all_text_until_something_else_is_copied(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    async with (
        open_target("clipboard", TargetOptions(), lambda *_, **__: None) as target,
        open_other(screen) as (connection, theirs),
    ):
        await target.insert("One.", focus=None)
        insertion = await target.insert(" 漢字\x1b[2J", focus=None)
        assert await clipboard(screen) == "One. 漢字"
        await target.undo(insertion)
        assert await clipboard(screen) == "One."
        await connection.call(lambda: theirs.own_text("CLIPBOARD", "theirs"))
        with pytest.raises(CantUndo, match="copied"):
            await target.undo(insertion)
        await target.insert(" New.", focus=None)
        assert await clipboard(screen) == "New."
