"""Typing and pasting through the desktop portal: against a fake portal on a private message bus."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from testbed.desktops.screens import needs, until
from testbed.message_bus import open_bus_daemon
from tests.dictation.portal_desktop import (
    BACKSPACE,
    CTRL,
    SHIFT,
    TOKEN,
    PortalDesktop,
    V,
    open_portal_desktop,
)
from tests.dictation.targets.test_typists import install
from voiceloop.dbus import portal as dbus_portal
from voiceloop.dictation.desktops import candidates
from voiceloop.dictation.portal import portal_keys as portalkeys
from voiceloop.dictation.portal import remote_desktop as portal
from voiceloop.dictation.portal.portal_clipboard import PortalClipboard
from voiceloop.dictation.portal.portal_keys import PortalKeys
from voiceloop.dictation.targets.keymap import Keymap
from voiceloop.dictation.targets.target import TargetOptions
from voiceloop.dictation.targets.typing import Desktop, TypingTarget
from voiceloop.dictation.targets.typists import Failover
from voiceloop.dictation.wayland.sway import UnknownDesktopState
from voiceloop.errors import TargetError
from voiceloop.nursery import private_nursery

pytestmark = needs("dbus-daemon")

LETTERS = {char: (50 + at, at % 2) for at, char in enumerate("aAbBcCdDeEfFlLoOrRwW üÜ'.")}
MINE = {"text/plain;charset=utf-8": b"mine", "text/html": b"<b>mine</b>", "image/png": bytes(range(256)) * 100}


class Typist:
    """The portal's keys, and the notices published since."""

    def __init__(self, keys: PortalKeys, nursery: trio.Nursery, notices: list[str]) -> None:
        self.keys, self.nursery, self.notices = keys, nursery, notices

    def target(self, **options: object) -> TypingTarget:
        chosen = TargetOptions.model_validate(options)
        assert self.keys.session is not None
        clipboard = PortalClipboard(self.keys.session, self.nursery, chosen)
        return TypingTarget(Desktop(self.keys, UnknownDesktopState(), clipboard), chosen, self.publish)

    def publish(self, name: str, /, **fields: object) -> None:
        self.notices.append(str(fields["text"]))


@asynccontextmanager
async def open_typist(*, clipboard: bool = True) -> AsyncIterator[Typist]:
    notices: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        notices.append(str(fields["text"]))

    async with private_nursery() as nursery:
        yield Typist(PortalKeys(nursery, publish, clipboard=clipboard), nursery, notices)


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """A message bus without a portal; gives its folder."""

    @asynccontextmanager
    async def layout() -> AsyncIterator[object]:
        class Keyboard:
            keymap = Keymap((LETTERS,))

        yield Keyboard()

    monkeypatch.setattr(portalkeys, "open_wlkeyboard", layout)
    monkeypatch.setattr(dbus_portal, "ASKING_S", 60.0)  # a busy machine's desktop doesn't ask, it takes its time
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("XDG_CURRENT_DESKTOP", raising=False)
    async with open_bus_daemon(tmp_path):
        yield tmp_path


@pytest.fixture
async def desktop(bus: Path) -> AsyncIterator[PortalDesktop]:
    desktop = PortalDesktop()
    async with open_portal_desktop(bus, desktop):
        yield desktop


async def test_characters_that_have_a_key_are_typed_by_keysym(desktop: PortalDesktop) -> None:
    async with open_typist() as typist:
        await typist.keys.probe()
        assert desktop.keys == [("code", SHIFT, 1), ("code", SHIFT, 0)]  # the probe, which types nothing
        await typist.keys.type("Cool für a\n")
    assert desktop.text == "Cool für a\n"
    assert desktop.keys[2:4] == [("symbol", ord("C"), 1), ("symbol", ord("C"), 0)]
    assert typist.notices == []
    await until(lambda: desktop.named("Close") == [()])


async def test_chords_use_the_key_codes_of_the_users_layout(desktop: PortalDesktop) -> None:
    async with open_typist() as typist:
        await typist.keys.probe()
        desktop.keys.clear()
        await typist.keys.press("ctrl+a")
        await typist.keys.press("BackSpace", 2)
        a = LETTERS["a"][0]
        assert desktop.keys[:4] == [("code", CTRL, 1), ("code", a, 1), ("code", a, 0), ("code", CTRL, 0)]
        assert desktop.keys[4:] == [("code", BACKSPACE, down) for down in (1, 0, 1, 0)]
        with pytest.raises(TargetError, match="no key 'f25'"):
            await typist.keys.press("f25")


async def test_the_user_is_asked_for_permission_only_once(desktop: PortalDesktop, bus: Path) -> None:
    for _ in range(2):
        async with open_typist() as typist:
            await typist.keys.probe()
    file = bus / "state" / "voiceloop" / "portal-token"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (TOKEN, 0o600)
    first, second = (options for _, options in desktop.named("SelectDevices"))
    assert (first["types"], first["persist_mode"]) == (("u", 1), ("u", 2))
    assert "restore_token" not in first
    assert second["restore_token"] == ("s", TOKEN)


async def test_a_damaged_token_is_replaced(desktop: PortalDesktop, bus: Path) -> None:
    file = bus / "state" / "voiceloop" / "portal-token"
    file.parent.mkdir(parents=True)
    file.write_text("rubbish")
    async with open_typist() as typist:
        await typist.keys.probe()
    assert file.read_text() == TOKEN


async def test_with_the_first_version_of_the_portal_no_token_is_kept(desktop: PortalDesktop, bus: Path) -> None:
    desktop.version = 1
    async with open_typist() as typist:
        await typist.keys.probe()
        await typist.keys.type("a")
    assert desktop.text == "a"
    ((_, options),) = desktop.named("SelectDevices")
    assert set(options) == {"types", "handle_token"}
    assert not (bus / "state" / "voiceloop" / "portal-token").exists()


@pytest.mark.parametrize(
    ("like", "why"),
    [
        ({"answer": 1}, "portal: typing was refused in the desktop's dialog"),
        ({"answer": 2}, "portal: the session was ended on the desktop"),
        ({"devices": 0}, "portal: the desktop lent no keyboard"),
        ({"lends": 0}, "portal: the desktop's portal lends no keyboard"),
        ({"version": 0}, "portal: the desktop's portal lends no keyboard"),
    ],
)
async def test_when_the_portal_gives_no_keyboard_the_error_says_why(
    desktop: PortalDesktop, like: dict[str, int], why: str
) -> None:
    for name, value in like.items():
        setattr(desktop, name, value)
    async with open_typist() as typist:
        with pytest.raises(TargetError, match=why):
            await typist.keys.probe()


async def test_a_dialog_that_nobody_answers_is_announced_and_closed(
    desktop: PortalDesktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbus_portal, "ASKING_S", 0.05)
    monkeypatch.setattr(dbus_portal, "CONSENT_S", 0.1)
    desktop.answer = None
    async with open_typist() as typist:
        with pytest.raises(TargetError, match=r"nobody answered the desktop's dialog within 0\.1 s"):
            await typist.keys.probe()
    assert typist.notices == ["The desktop asks whether voiceloop may type: allow it in that dialog."]
    await until(lambda: len(desktop.named("Close")) == 2)  # the request and the session


async def test_without_a_portal_the_next_program_types(bus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = install(bus, "ydotool")
    monkeypatch.setenv("PATH", str(bus))
    async with open_typist() as typist:
        keys = Failover(candidates("auto", typist.keys, wayland=True, lends=True), typist.publish)
        await keys.probe()
        assert keys.name == "ydotool"
        await keys.type("a")
    assert "stdin: a" in log.read_text()
    assert typist.notices[0] == "Can't type with portal: there is no desktop portal (xdg-desktop-portal)."


@pytest.mark.parametrize("address", ["unix:path={}/gone", "tcp:host=localhost,port=1", "", "rubbish"])
async def test_without_a_message_bus_the_error_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, address: str
) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address.format(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    async with open_typist() as typist:
        with pytest.raises(TargetError, match="portal: no message bus of the session answers at"):
            await typist.keys.probe()


async def test_when_the_user_ends_the_session_the_next_program_types_and_nothing_is_typed_twice(
    desktop: PortalDesktop, bus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = install(bus, "ydotool")
    monkeypatch.setenv("PATH", str(bus))
    async with open_typist() as typist:
        keys = Failover(candidates("auto", typist.keys, wayland=True, lends=True), typist.publish)
        await keys.probe()
        desktop.ends_after = len(desktop.keys) + 5
        with pytest.raises(TargetError, match="portal: "):
            await keys.type("cool woe")
        await keys.type("all")
        await keys.type("free")
    assert desktop.text == "co"
    assert [line for line in log.read_text().splitlines() if line.startswith("stdin")] == ["stdin: all", "stdin: free"]
    assert typist.notices[0] == "portal failed: ydotool types from now on."


async def test_after_the_user_ended_the_session_permission_is_not_asked_for_again(desktop: PortalDesktop) -> None:
    async with open_typist() as typist:
        keys = Failover(candidates("portal", typist.keys, wayland=True), typist.publish)
        await keys.probe()
        await desktop.stop()
        await until(lambda: bool(typist.keys.session and typist.keys.session.ended))
        for _ in range(2):
            with pytest.raises(TargetError, match=r"the session was ended on the desktop\. Restart"):
                await keys.type("cool")
    assert desktop.text == ""
    assert len(desktop.named("Start")) == 1


@pytest.mark.parametrize("dies", ["the portal", "the bus"])
async def test_when_the_portal_or_the_bus_dies_typing_fails_at_once(
    tmp_path: Path, bus: Path, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    home = tmp_path / "other"
    home.mkdir()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={home}/bus")
    desktop = PortalDesktop()
    with trio.fail_after(60):
        async with open_typist() as typist, open_bus_daemon(home) as daemon, open_portal_desktop(home, desktop):
            await typist.keys.probe()
            assert desktop.connection is not None
            await (desktop.connection.aclose() if dies == "the portal" else _killed(daemon))
            await until(lambda: bool(typist.keys.session and typist.keys.session.ended))
            with pytest.raises(TargetError, match="portal is gone" if dies == "the portal" else "bus is gone"):
                await typist.keys.type("cool")


async def _killed(process: trio.Process) -> None:
    process.kill()
    await process.wait()


async def test_text_without_a_key_is_pasted_and_the_clipboard_restored(desktop: PortalDesktop) -> None:
    desktop.clipboard = dict(MINE)
    async with open_typist() as typist:
        await typist.keys.probe()
        target = typist.target()
        texts = ["Cool", " (漢字)", " 👧", " “für”", " a"]
        for text in texts:
            await target.insert(text, focus=None)
        assert desktop.text == "".join(texts)
        await given_back(target)
        assert desktop.offered == list(MINE)
        assert await saved(target) == MINE
    assert not desktop.own_read
    assert typist.notices == []


async def given_back(target: TypingTarget) -> None:
    clipboard = target._clipboard
    assert isinstance(clipboard, PortalClipboard)
    await clipboard.hold.ended()


async def saved(target: TypingTarget) -> dict[str, bytes]:
    clipboard = target._clipboard
    assert isinstance(clipboard, PortalClipboard)
    return dict((await clipboard._save("CLIPBOARD")).content)


async def test_a_paste_that_the_window_does_not_read_stays_in_the_clipboard(desktop: PortalDesktop) -> None:
    desktop.clipboard, desktop.window_reads = dict(MINE), False
    async with open_typist() as typist:
        await typist.keys.probe()
        target = typist.target(clipboard_s=0.2)
        await target.insert("(late)", focus=None)
        assert typist.notices == ["The window has not read the pasted text: it is in the clipboard."]
        await desktop._transfer("text/plain;charset=utf-8", pasted=True)
        await until(lambda: desktop.text == "(late)")
        assert await target._clipboard.holds("(late)")


async def test_what_another_program_copies_during_a_paste_stays(desktop: PortalDesktop) -> None:
    desktop.clipboard = dict(MINE)
    theirs = {"text/plain;charset=utf-8": b"theirs"}
    async with open_typist() as typist:
        await typist.keys.probe()
        assert typist.keys.session is not None
        clipboard = PortalClipboard(typist.keys.session, typist.nursery, TargetOptions())

        async def paste(pressing: Callable[[], None]) -> None:
            pressing()
            await typist.keys.press("ctrl+v")
            await desktop.copy(theirs)

        assert (await clipboard.lend("ours", paste, focus=None, primary=False)).read
        await clipboard.hold.ended()
        assert desktop.offered is None
        assert (await clipboard._save("CLIPBOARD")).content == theirs
        await clipboard.keep("kept")
        assert await clipboard.holds("kept")
        assert not await clipboard.holds("ours")
    assert not desktop.own_read


async def test_an_empty_clipboard_keeps_the_pasted_text(desktop: PortalDesktop) -> None:
    desktop.clipboard = {}
    async with open_typist() as typist:
        await typist.keys.probe()
        await typist.target().insert("(one)", focus=None)
        assert len(desktop.named("SetSelection")) == 1
    assert desktop.text == "(one)"


async def test_without_a_clipboard_portal_the_keyboard_still_works(desktop: PortalDesktop) -> None:
    async with open_typist() as typist:
        await typist.keys.probe()
        assert typist.keys.session is not None
        assert not typist.keys.session.has_clipboard


async def test_on_gnome_only_the_layouts_that_the_user_has_chosen_count(
    desktop: PortalDesktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = ({"ö": (47, 0), "z": (21, 0)}, {"z": (44, 0)})

    @asynccontextmanager
    async def german() -> AsyncIterator[object]:
        class Keyboard:
            keymap = Keymap(layouts)

        yield Keyboard()

    monkeypatch.setattr(portalkeys, "open_wlkeyboard", german)
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "ubuntu:GNOME")
    desktop.sources = [("xkb", "de")]
    async with open_typist() as typist:
        await typist.keys.probe()
        assert (typist.keys.types("ö"), typist.keys.types("z")) == (True, True)
        value = ("a(ss)", [("xkb", "de"), ("xkb", "us")])
        await desktop._signal(
            dbus_portal.PATH, "org.freedesktop.portal.Settings", "SettingChanged", "ssv", *portal._LAYOUTS, value
        )
        await until(lambda: not typist.keys.types("ö"))
        assert typist.keys.types("z")


async def test_a_paste_presses_the_paste_chord(desktop: PortalDesktop) -> None:
    desktop.clipboard = dict(MINE)
    async with open_typist() as typist:
        await typist.keys.probe()
        desktop.keys.clear()
        await typist.target().insert("漢", focus=None)
        assert desktop.keys == [("code", CTRL, 1), ("code", V, 1), ("code", V, 0), ("code", CTRL, 0)]
