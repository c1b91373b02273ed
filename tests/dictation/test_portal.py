"""Typing by the desktop portal: against one on a private message bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.dictation.desks import needs, until
from tests.dictation.portal_desk import (
    BACKSPACE,
    CTRL,
    SHIFT,
    TOKEN,
    PortalDesk,
    V,
    open_bus_daemon,
    open_portal_desk,
)
from tests.dictation.test_keys import install
from voiceloop.dictation.desktops import candidates
from voiceloop.dictation.portal import portal_keys as portalkeys
from voiceloop.dictation.portal import remote_desktop as portal
from voiceloop.dictation.portal.portal_clipboard import PortalClipboard
from voiceloop.dictation.portal.portal_keys import PortalKeys
from voiceloop.dictation.targets.keymap import Keymap
from voiceloop.dictation.targets.target import TargetOptions
from voiceloop.dictation.targets.typing import Desktop, TypingTarget
from voiceloop.dictation.targets.typists import Failover
from voiceloop.dictation.wayland.sway import BlindEyes
from voiceloop.errors import TargetError
from voiceloop.nursery import private_nursery

pytestmark = needs("dbus-daemon")

LETTERS = {char: (50 + at, at % 2) for at, char in enumerate("aAbBcCdDeEfFlLoOrRwW üÜ'.")}
MINE = {"text/plain;charset=utf-8": b"mine", "text/html": b"<b>mine</b>", "image/png": bytes(range(256)) * 100}


class Hands:
    """The portal's keys, and what was said meanwhile."""

    def __init__(self, keys: PortalKeys, nursery: trio.Nursery, notices: list[str]) -> None:
        self.keys, self.nursery, self.notices = keys, nursery, notices

    def target(self, **options: object) -> TypingTarget:
        chosen = TargetOptions.model_validate(options)
        assert self.keys.session is not None
        clipboard = PortalClipboard(self.keys.session, self.nursery, chosen)
        return TypingTarget(Desktop(self.keys, BlindEyes(), clipboard), chosen, self.publish)

    def publish(self, name: str, /, **fields: object) -> None:
        self.notices.append(str(fields["text"]))


@asynccontextmanager
async def open_hands(*, clipboard: bool = True) -> AsyncIterator[Hands]:
    notices: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        notices.append(str(fields["text"]))

    async with private_nursery() as nursery:
        yield Hands(PortalKeys(nursery, publish, clipboard=clipboard), nursery, notices)


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """A session without a desktop: its folder."""

    @asynccontextmanager
    async def layout() -> AsyncIterator[object]:
        class Keyboard:
            keymap = Keymap((LETTERS,))

        yield Keyboard()

    monkeypatch.setattr(portalkeys, "open_wlkeyboard", layout)
    monkeypatch.setattr(portal, "ASKING_S", 0.05)
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("XDG_CURRENT_DESKTOP", raising=False)
    async with open_bus_daemon(tmp_path):
        yield tmp_path


@pytest.fixture
async def desk(bus: Path) -> AsyncIterator[PortalDesk]:
    desk = PortalDesk()
    async with open_portal_desk(bus, desk):
        yield desk


async def test_what_has_a_key_is_typed_by_its_symbol(desk: PortalDesk) -> None:
    async with open_hands() as hands:
        await hands.keys.probe()
        assert desk.keys == [("code", SHIFT, 1), ("code", SHIFT, 0)]  # the probe, which writes nothing
        await hands.keys.type("Cool für a\n")
    assert desk.text == "Cool für a\n"
    assert desk.keys[2:4] == [("symbol", ord("C"), 1), ("symbol", ord("C"), 0)]
    assert hands.notices == []
    await until(lambda: desk.named("Close") == [()])


async def test_chords_are_pressed_by_the_keys_of_the_users_layout(desk: PortalDesk) -> None:
    async with open_hands() as hands:
        await hands.keys.probe()
        desk.keys.clear()
        await hands.keys.press("ctrl+a")
        await hands.keys.press("BackSpace", 2)
        a = LETTERS["a"][0]
        assert desk.keys[:4] == [("code", CTRL, 1), ("code", a, 1), ("code", a, 0), ("code", CTRL, 0)]
        assert desk.keys[4:] == [("code", BACKSPACE, down) for down in (1, 0, 1, 0)]
        with pytest.raises(TargetError, match="no key 'f25'"):
            await hands.keys.press("f25")


async def test_the_user_is_asked_once(desk: PortalDesk, bus: Path) -> None:
    for _ in range(2):
        async with open_hands() as hands:
            await hands.keys.probe()
    file = bus / "state" / "voiceloop" / "portal-token"
    assert (file.read_text(), file.stat().st_mode & 0o777) == (TOKEN, 0o600)
    first, second = (options for _, options in desk.named("SelectDevices"))
    assert (first["types"], first["persist_mode"]) == (("u", 1), ("u", 2))
    assert "restore_token" not in first
    assert second["restore_token"] == ("s", TOKEN)


async def test_a_damaged_token_is_forgotten(desk: PortalDesk, bus: Path) -> None:
    file = bus / "state" / "voiceloop" / "portal-token"
    file.parent.mkdir(parents=True)
    file.write_text("rubbish")
    async with open_hands() as hands:
        await hands.keys.probe()
    assert file.read_text() == TOKEN


async def test_the_first_version_of_the_portal_remembers_nothing(desk: PortalDesk, bus: Path) -> None:
    desk.version = 1
    async with open_hands() as hands:
        await hands.keys.probe()
        await hands.keys.type("a")
    assert desk.text == "a"
    ((_, options),) = desk.named("SelectDevices")
    assert set(options) == {"types", "handle_token"}
    assert not (bus / "state" / "voiceloop" / "portal-token").exists()


@pytest.mark.parametrize(
    ("like", "why"),
    [
        ({"answer": 1}, "portal: it was refused in the desktop's dialog"),
        ({"answer": 2}, "portal: it was ended on the desktop"),
        ({"devices": 0}, "portal: the desktop lent no keyboard"),
        ({"lends": 0}, "portal: the desktop's portal lends no keyboard"),
        ({"version": 0}, "portal: the desktop's portal lends no keyboard"),
    ],
)
async def test_a_desktop_that_lends_no_keyboard_says_why(desk: PortalDesk, like: dict[str, int], why: str) -> None:
    for name, value in like.items():
        setattr(desk, name, value)
    async with open_hands() as hands:
        with pytest.raises(TargetError, match=why):
            await hands.keys.probe()


async def test_a_dialog_that_nobody_answers_is_told_of_and_taken_away(
    desk: PortalDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portal, "CONSENT_S", 0.1)
    desk.answer = None
    async with open_hands() as hands:
        with pytest.raises(TargetError, match=r"nobody has answered the desktop's dialog for 0\.1 s"):
            await hands.keys.probe()
    assert hands.notices == ["The desktop asks whether voiceloop may type: allow it in that dialog."]
    await until(lambda: len(desk.named("Close")) == 2)  # the request and the session


async def test_without_a_portal_the_next_way_is_taken(bus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = install(bus, "ydotool")
    monkeypatch.setenv("PATH", str(bus))
    async with open_hands() as hands:
        keys = Failover(candidates("auto", hands.keys, wayland=True, lends=True), hands.publish)
        await keys.probe()
        assert keys.name == "ydotool"
        await keys.type("a")
    assert "stdin: a" in log.read_text()
    assert hands.notices[0] == "Not typing by portal: there is no desktop portal (xdg-desktop-portal)."


@pytest.mark.parametrize("address", ["unix:path=/nonexistent/bus", "tcp:host=localhost,port=1", "", "rubbish"])
async def test_without_a_message_bus_it_says_so(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    async with open_hands() as hands:
        with pytest.raises(TargetError, match="portal: no message bus of the session answers at"):
            await hands.keys.probe()


async def test_when_the_user_stops_it_the_next_types_and_nothing_is_typed_twice(
    desk: PortalDesk, bus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = install(bus, "ydotool")
    monkeypatch.setenv("PATH", str(bus))
    async with open_hands() as hands:
        keys = Failover(candidates("auto", hands.keys, wayland=True, lends=True), hands.publish)
        await keys.probe()
        desk.ends_after = len(desk.keys) + 5
        with pytest.raises(TargetError, match="portal: "):
            await keys.type("cool woe")
        await keys.type("all")
        await keys.type("free")
    assert desk.text == "co"
    assert [line for line in log.read_text().splitlines() if line.startswith("stdin")] == ["stdin: all", "stdin: free"]
    assert hands.notices[0] == "portal failed: ydotool types from now on."


async def test_what_was_stopped_is_not_asked_for_again(desk: PortalDesk) -> None:
    async with open_hands() as hands:
        keys = Failover(candidates("portal", hands.keys, wayland=True), hands.publish)
        await keys.probe()
        await desk.stop()
        await until(lambda: bool(hands.keys.session and hands.keys.session.ended))
        for _ in range(2):
            with pytest.raises(TargetError, match=r"it was ended on the desktop\. Start anew"):
                await keys.type("cool")
    assert desk.text == ""
    assert len(desk.named("Start")) == 1


@pytest.mark.parametrize("dies", ["the portal", "the bus"])
async def test_when_it_dies_typing_fails_at_once(
    tmp_path: Path, bus: Path, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    home = tmp_path / "other"
    home.mkdir()
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={home}/bus")
    desk = PortalDesk()
    with trio.fail_after(4):
        async with open_hands() as hands, open_bus_daemon(home) as daemon, open_portal_desk(home, desk):
            await hands.keys.probe()
            assert desk.connection is not None
            await (desk.connection.aclose() if dies == "the portal" else _killed(daemon))
            await until(lambda: bool(hands.keys.session and hands.keys.session.ended))
            with pytest.raises(TargetError, match="portal is gone" if dies == "the portal" else "bus is gone"):
                await hands.keys.type("cool")


async def _killed(process: trio.Process) -> None:
    process.kill()
    await process.wait()


async def test_what_has_no_key_is_pasted_and_the_clipboard_given_back(desk: PortalDesk) -> None:
    desk.clipboard = dict(MINE)
    async with open_hands() as hands:
        await hands.keys.probe()
        target = hands.target()
        said = ["Cool", " (漢字)", " 👧", " “für”", " a"]
        for one in said:
            await target.insert(one, focus=None)
        assert desk.text == "".join(said)
        assert desk.offered == list(MINE)
        assert await held(target) == MINE
    assert not desk.own_read
    assert hands.notices == []


async def held(target: TypingTarget) -> dict[str, bytes]:
    clipboard = target._clipboard
    assert isinstance(clipboard, PortalClipboard)
    return dict((await clipboard._save("CLIPBOARD")).content)


async def test_what_a_window_does_not_read_stays_in_the_clipboard(desk: PortalDesk) -> None:
    desk.clipboard, desk.window_reads = dict(MINE), False
    async with open_hands() as hands:
        await hands.keys.probe()
        target = hands.target(clipboard_s=0.2)
        await target.insert("(late)", focus=None)
        assert hands.notices == ["The window has not read what was pasted: it is in the clipboard."]
        await desk._transfer("text/plain;charset=utf-8", pasted=True)
        await until(lambda: desk.text == "(late)")
        assert await target._clipboard.holds("(late)")


async def test_what_somebody_copies_meanwhile_stays(desk: PortalDesk) -> None:
    desk.clipboard = dict(MINE)
    theirs = {"text/plain;charset=utf-8": b"theirs"}
    async with open_hands() as hands:
        await hands.keys.probe()
        assert hands.keys.session is not None
        clipboard = PortalClipboard(hands.keys.session, hands.nursery, TargetOptions())

        async def paste() -> None:
            await hands.keys.press("ctrl+v")
            await desk.copy(theirs)

        assert (await clipboard.lend("ours", paste, focus=None, primary=False)).read
        assert desk.offered is None
        assert (await clipboard._save("CLIPBOARD")).content == theirs
        await clipboard.keep("kept")
        assert await clipboard.holds("kept")
        assert not await clipboard.holds("ours")
    assert not desk.own_read


async def test_an_empty_clipboard_is_left_with_what_was_pasted(desk: PortalDesk) -> None:
    desk.clipboard = {}
    async with open_hands() as hands:
        await hands.keys.probe()
        await hands.target().insert("(one)", focus=None)
        assert len(desk.named("SetSelection")) == 1
    assert desk.text == "(one)"


async def test_where_the_desktop_has_no_such_clipboard_the_keyboard_is_had(desk: PortalDesk) -> None:
    async with open_hands() as hands:
        await hands.keys.probe()
        assert hands.keys.session is not None
        assert not hands.keys.session.has_clipboard


async def test_on_gnome_the_layouts_count_that_the_user_has_chosen(
    desk: PortalDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = ({"ö": (47, 0), "z": (21, 0)}, {"z": (44, 0)})

    @asynccontextmanager
    async def german() -> AsyncIterator[object]:
        class Keyboard:
            keymap = Keymap(layouts)

        yield Keyboard()

    monkeypatch.setattr(portalkeys, "open_wlkeyboard", german)
    monkeypatch.setenv("XDG_CURRENT_DESKTOP", "ubuntu:GNOME")
    desk.sources = [("xkb", "de")]
    async with open_hands() as hands:
        await hands.keys.probe()
        assert (hands.keys.types("ö"), hands.keys.types("z")) == (True, True)
        value = ("a(ss)", [("xkb", "de"), ("xkb", "us")])
        await desk._signal(
            portal.PATH, "org.freedesktop.portal.Settings", "SettingChanged", "ssv", *portal._LAYOUTS, value
        )
        await until(lambda: not hands.keys.types("ö"))
        assert hands.keys.types("z")


async def test_a_paste_is_by_the_chord(desk: PortalDesk) -> None:
    desk.clipboard = dict(MINE)
    async with open_hands() as hands:
        await hands.keys.probe()
        desk.keys.clear()
        await hands.target().insert("漢", focus=None)
        assert desk.keys == [("code", CTRL, 1), ("code", V, 1), ("code", V, 0), ("code", CTRL, 0)]
