"""Dictation into real windows on an X server: a Tk text field and an xterm, read back."""

from __future__ import annotations

import array
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.dictation.desks import needs, open_field, open_xvfb, running, until, xdotool
from voiceloop.dictation.open_target import open_target
from voiceloop.dictation.targets.target import Focus, Insertion, Target, TargetOptions
from voiceloop.dictation.x11 import xreading
from voiceloop.dictation.x11.xconnection import XConnection, open_x
from voiceloop.dictation.x11.xreading import Content, Value
from voiceloop.dictation.x11.xselections import XSelections
from voiceloop.dictation.x11.xsession import open_xsession
from voiceloop.errors import CantUndo, ClipboardSilent, FocusChanged, KeysHeld, TargetError

pytestmark = needs("Xvfb", "xdotool", "xterm", module="tkinter")

HARD = "Füße, “naïve” 漢字, x̂, 👩‍👩‍👧 ¿qué? ½"
IMAGE = bytes(range(256)) * 4_000
"""1 MB: more than one request holds."""


class Desk:
    """A target on an X server; `notices` are what it told."""

    def __init__(self, target: Target, env: dict[str, str], notices: list[str]) -> None:
        self.target, self.env, self.notices = target, env, notices

    async def write(self, text: str) -> Insertion:
        return await self.target.insert(text, focus=await self.target.focus())


@asynccontextmanager
async def open_desk(env: dict[str, str], monkeypatch: pytest.MonkeyPatch, **options: object) -> AsyncIterator[Desk]:
    notices: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        notices.append(str(fields["text"]))

    for name in ("DISPLAY", "HOME"):
        monkeypatch.setenv(name, env[name])
    monkeypatch.setenv("LC_ALL", "C")  # what types must not depend on it
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    async with open_target("type", TargetOptions.model_validate(options), publish) as target:
        yield Desk(target, env, notices)


@pytest.fixture
async def screen(tmp_path: Path) -> AsyncIterator[dict[str, str]]:
    async with open_xvfb(tmp_path) as env:
        yield env


async def test_what_is_said_stands_in_the_field(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen, "--name", "Notes") as field, open_desk(screen, monkeypatch) as desk:
        assert desk.target.name == "xdotool"
        focus = await desk.target.focus()
        assert focus is not None
        assert focus.app == "Notes"
        assert not focus.terminal
        said = ["It is 5 o'clock; are YOU there? <y/n>", f" {HARD}", " (one)", "\nTwo."]
        for one in said:
            await desk.write(one)
        await field.until(text="".join(said))
        assert desk.notices == []


async def test_two_quick_utterances_stand_one_after_the_other(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen) as field, open_desk(screen, monkeypatch) as desk:
        for text in ("é1", " two", " é3"):
            await desk.write(text)
        await field.until(text="é1 two é3")


async def test_enter_is_pressed_only_when_told(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen) as field, open_desk(screen, monkeypatch) as desk:
        await desk.write("ls\n\x1b]0;owned\x07\u202e-l\r")
        await field.until(text="ls\n-l")
        await desk.target.enter(focus=await desk.target.focus())
        await field.until(text="ls\n-l\n")


async def test_nothing_is_run_in_a_terminal_that_was_not_told_to(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "typed"
    shell = f"stty raw -echo; exec cat > {out}"
    async with running(["xterm", "-e", "sh", "-c", shell], screen), open_desk(screen, monkeypatch) as desk:
        focus = await xterm_focus(desk, out)
        await desk.target.insert("ls\n\x1b[2J\x03\u202eé漢", focus=focus)
        typed = "ls é漢"
        await holds(out, typed)
        await desk.target.enter(focus=focus)
        await holds(out, typed + "\r")
        await desk.target.undo(await desk.target.insert("rm é", focus=focus))
        await holds(out, typed + "\rrm é" + "\x7f" * 4)


async def xterm_focus(desk: Desk, out: Path) -> Focus:
    await until(out.exists)
    await xdotool(desk.env, "search", "--class", "xterm", "windowfocus", "--sync")
    focus = await desk.target.focus()
    assert focus is not None
    assert (focus.app, focus.terminal) == ("XTerm", True)
    return focus


async def holds(path: Path, text: str) -> None:
    await until(lambda: path.read_bytes() == text.encode())


@pytest.mark.parametrize("text", ["word", ' (one) [two] {"three"}', HARD, "line\nline\n", "x" * 130])
@pytest.mark.parametrize("options", [(), ("--closes",)])
async def test_undo_takes_back_exactly_what_was_put_in(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, text: str, options: tuple[str, ...]
) -> None:
    async with open_field(screen, *options) as field, open_desk(screen, monkeypatch) as desk:
        await field.do(f"set {json.dumps(['call(', ') # end'])}")
        insertion = await desk.write(text)
        await field.until(text=f"call({text}) # end")
        await desk.target.undo(insertion)
        await field.until(text="call() # end", cursor=5)


async def test_undo_refuses_what_the_editor_has_changed(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen, "--closes") as field, open_desk(screen, monkeypatch, paste="never") as desk:
        insertion = await desk.write("(one)")
        await field.until(text="(one))")
        # The editor has closed the bracket after the cursor: what was put in is whole, and only that is taken.
        await desk.target.undo(insertion)
        await field.until(text=")")
        await field.do(f"set {json.dumps(['', ''])}")
        insertion = await desk.write("word")
        await field.do(f"set {json.dumps(['Word', ''])}")
        with pytest.raises(CantUndo, match="not what was put in"):
            await desk.target.undo(insertion)
        await field.until(text="Word")


async def test_several_insertions_are_taken_back_one_after_the_other(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen) as field, open_desk(screen, monkeypatch) as desk:
        insertions = [await desk.write(text) for text in ("One.", " Zwöl.", " Three.")]
        for insertion in reversed(insertions):
            assert await desk.target.since(insertion) == "nothing"
            await desk.target.undo(insertion)
        await field.until(text="")


@pytest.mark.parametrize(
    ("by_hand", "since"),
    [(("key", "x"), "something"), (("key", "Return"), "line"), (("click", "1"), "something"), (("key", "shift"), None)],
)
async def test_after_a_hand_edit_nothing_is_taken_back(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, by_hand: tuple[str, str], since: str | None
) -> None:
    async with open_field(screen) as field, open_desk(screen, monkeypatch) as desk:
        insertion = await desk.write("one")
        await field.until(text="one")
        await xdotool(desk.env, *by_hand)
        assert await desk.target.since(insertion) == (since or "nothing")
        if since is not None:
            with pytest.raises(CantUndo, match="other input"):
                await desk.target.undo(insertion)
            assert field.text.startswith("one")
        else:
            await desk.target.undo(insertion)
            await field.until(text="")


async def test_what_was_said_to_another_window_is_not_typed_and_not_taken_back(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        open_field(screen, "--name", "Mail") as mail,
        open_desk(screen, monkeypatch) as desk,
    ):
        said_to = await desk.target.focus()
        insertion = await desk.target.insert("Dear", focus=said_to)
        async with open_field(screen, "--name", "Bank") as bank:
            await bank.do("focus")
            with pytest.raises(FocusChanged, match="Bank has the focus, and it was said to Mail"):
                await desk.target.insert(" secret", focus=said_to)
            with pytest.raises(FocusChanged):
                await desk.target.enter(focus=said_to)
            with pytest.raises(CantUndo, match="another window"):
                await desk.target.undo(insertion)
            assert await desk.target.since(insertion) == "elsewhere"
            assert await desk.target.set_aside("secret") == "the clipboard"
            await xdotool(desk.env, "key", "ctrl+v")
            await bank.until(text="secret")
        await mail.until(text="Dear")


async def test_a_window_that_is_gone_gets_nothing(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_desk(screen, monkeypatch) as desk:
        async with open_field(screen):
            said_to = await desk.target.focus()
        for text in ("plain", HARD):
            with pytest.raises(FocusChanged):
                await desk.target.insert(text, focus=said_to)


async def test_a_server_that_is_gone_fails_at_once(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    with trio.fail_after(5):
        async with open_desk(screen, monkeypatch) as desk:
            os.kill(int(screen["SERVER_PID"]), signal.SIGKILL)
            with pytest.raises(TargetError, match="X server"):
                await desk.target.insert("text", focus=None)


async def test_told_to_end_it_ends_at_once(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_desk(screen, monkeypatch), open_other(screen):
        with trio.CancelScope() as scope:
            async with open_xsession(TargetOptions()) as session:
                await session.keep("mine")
                told_at = trio.current_time()
                scope.cancel()
                await trio.sleep_forever()
        assert trio.current_time() - told_at < 0.5


async def test_typing_waits_for_held_keys(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen) as field, open_desk(screen, monkeypatch, modifiers_s=0.3) as desk:
        await xdotool(desk.env, "keydown", "ctrl")
        with pytest.raises(KeysHeld, match="Ctrl"):
            await desk.write("as")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(xdotool, desk.env, "keyup", "ctrl")
            await desk.write("as")
        await field.until(text="as")


async def test_caps_lock_changes_nothing(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_field(screen) as field, open_desk(screen, monkeypatch) as desk:
        await xdotool(desk.env, "key", "Caps_Lock")
        await desk.write("As it is.")
        await field.until(text="As it is.")


# --- the clipboard


@asynccontextmanager
async def open_other(env: dict[str, str]) -> AsyncIterator[tuple[XConnection, XSelections]]:
    """Another program at the selections of the server."""
    async with open_x(env["DISPLAY"]) as connection:
        yield connection, await connection.call(lambda: XSelections(connection, lambda _: None))


async def test_the_clipboard_is_given_back_in_every_form(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        open_other(screen) as (connection, theirs),
        open_field(screen) as field,
        open_desk(screen, monkeypatch) as desk,
        open_other(screen) as (reader, selections),
    ):

        def copy() -> Content:
            names = {"image/png": IMAGE, "text/html": b"<b>mine</b>", "UTF8_STRING": b"mine"}
            content = {theirs.atom(name): Value(theirs.atom(name), 8, data) for name, data in names.items()}
            content[theirs.atom("x-numbers")] = Value(theirs.atom("INTEGER"), 32, array.array("I", [1, 2, 3]))
            theirs.own("CLIPBOARD", content)
            return content

        content = await connection.call(copy)
        await desk.write(HARD)
        await field.until(text=HARD)
        for _ in range(2):  # once what they gave, once what we gave back
            saved = await reader.call(lambda: selections.save("CLIPBOARD"))
            assert {target: value.data for target, value in saved.content.items()} == {
                target: value.data for target, value in content.items()
            }
            await desk.write(" é")
        assert not await connection.call(lambda: theirs.owns("CLIPBOARD"))
        assert desk.notices == []


async def copies(other: tuple[XConnection, XSelections], content: dict[str, bytes], *, withheld: str = "") -> None:
    """Have another program own the clipboard. It doesn't answer when it is asked for `withheld`."""
    connection, theirs = other

    def copy() -> None:
        asked = theirs._asked
        theirs.own(
            "CLIPBOARD", {theirs.atom(name): Value(theirs.atom(name), 8, data) for name, data in content.items()}
        )
        theirs._asked = lambda event: None if event.target == theirs.atom(withheld) else asked(event)  # type: ignore[method-assign]

    await connection.call(copy)


async def test_of_a_clipboard_whose_owner_is_slow_what_it_gives_is_given_back_and_the_rest_is_told(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xreading, "OWNER_S", 0.3)
    content = {"image/png": IMAGE, "text/html": b"<b>mine</b>"}
    async with (
        open_other(screen) as other,
        open_field(screen) as field,
        open_desk(screen, monkeypatch) as desk,
        open_other(screen) as (reader, selections),
    ):
        await copies(other, content, withheld="image/png")
        await desk.write("é")
        await field.until(text="é")
        saved = await reader.call(lambda: selections.save("CLIPBOARD"))
        assert [bytes(value.data) for value in saved.content.values()] == [b"<b>mine</b>"]
        assert desk.notices == ["The clipboard was not given back whole: its owner didn't give all of it in time."]


@pytest.mark.parametrize("withheld", ["image/png", "TARGETS"])
async def test_a_clipboard_of_which_nothing_can_be_read_is_left_alone(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, withheld: str
) -> None:
    monkeypatch.setattr(xreading, "OWNER_S", 0.3)
    async with (
        open_other(screen) as other,
        open_field(screen) as field,
        open_desk(screen, monkeypatch) as desk,
    ):
        await copies(other, {"image/png": IMAGE}, withheld=withheld)
        with pytest.raises(ClipboardSilent, match=r"its owner d.*Copy something else"):
            await desk.write("é")
        await desk.write("(typed)")
        await field.until(text="(typed)")
        connection, theirs = other
        assert await connection.call(lambda: theirs.owns("CLIPBOARD"))


async def test_a_clipboard_that_was_empty_is_empty_again(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen), open_desk(screen, monkeypatch) as desk, open_other(screen) as (x, selections):
        await desk.write("é")
        assert await x.call(lambda: selections.owner("CLIPBOARD")) == 0


async def test_a_window_that_reads_late_gets_what_was_pasted(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen, "--late", "1") as field, open_desk(screen, monkeypatch) as desk:
        await field.do('copy "mine"')
        await desk.write("é")
        await desk.write("ñ")
        await field.until(text="éñ")
        assert await clipboard(screen) == "mine"


async def test_what_a_window_does_not_read_stays_in_the_clipboard(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_field(screen) as field, open_desk(screen, monkeypatch, clipboard_s=0.2) as desk:
        await field.do("hang 0.5", wait=False)
        await desk.write("é")
        assert desk.notices == ["Field has not read what was pasted: it is in the clipboard."]
        await field.until(text="é")  # late, and right all the same


async def test_what_a_window_does_not_read_stands_behind_what_it_has_not_read_before(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "typed"
    argv = ["xterm", "-class", "MyTerm", "-e", "sh", "-c", f"stty raw -echo; exec cat > {out}"]
    async with running(argv, screen), open_desk(screen, monkeypatch, clipboard_s=0.2) as desk:
        await until(out.exists)
        await xdotool(desk.env, "search", "--class", "MyTerm", "windowfocus", "--sync")
        for text in ("Füße “one”.", " Über “two”."):
            assert not (await desk.write(text)).read
        assert await clipboard(screen) == "Füße “one”. Über “two”."


async def clipboard(env: dict[str, str]) -> str | None:
    async with open_other(env) as (connection, selections):
        return await connection.call(lambda: selections.text("CLIPBOARD"))


async def test_what_somebody_copies_meanwhile_stays(screen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    async with open_other(screen) as (connection, theirs), open_xsession(TargetOptions()) as session:

        async def paste() -> None:
            assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"
            await connection.call(lambda: theirs.own_text("CLIPBOARD", "theirs"))

        lent = await session.lend("ours", paste, focus=None, primary=False)
        assert lent.read
        assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "theirs"


async def test_a_paste_that_is_called_off_gives_the_clipboard_back(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    async with open_other(screen) as (connection, theirs), open_xsession(TargetOptions()) as session:
        await connection.call(lambda: theirs.own_text("CLIPBOARD", "theirs"))
        with trio.CancelScope() as scope:

            async def paste() -> None:
                assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"
                scope.cancel()

            await session.lend("ours", paste, focus=None, primary=False)
        assert scope.cancelled_caught
        assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "theirs"
        assert await connection.call(lambda: theirs.owner("CLIPBOARD")) != 0


async def test_a_clipboard_manager_that_reads_is_not_the_window(
    screen: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", screen["DISPLAY"])
    async with (
        open_field(screen),
        open_other(screen) as (connection, theirs),
        open_xsession(TargetOptions(clipboard_s=0.2)) as session,
    ):

        async def paste() -> None:
            assert await connection.call(lambda: theirs.text("CLIPBOARD")) == "ours"

        lent = await session.lend("ours", paste, focus=await session.focus(), primary=False)
        assert not lent.read


async def test_the_clipboard_holds_all_that_was_said_until_something_else_is_copied(
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
