"""The global shortcut, against a replayed portal on a private message bus."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from testbed.desktops.screens import needs
from testbed.message_bus import open_bus_daemon
from testbed.recorder import Recorder
from tests.shortcut.shortcuts_portal import ShortcutsPortal, open_backend, open_shortcuts_portal
from voiceloop.config.tables import Limits
from voiceloop.control.attention import Attention
from voiceloop.control.controller import Controller, Loop
from voiceloop.dbus import portal as dbus_portal
from voiceloop.dbus.portal import PATH
from voiceloop.service.desktop_entry import APP_ID, FILE_NAME
from voiceloop.shortcut import holding, keeping
from voiceloop.shortcut.holding import TAP_MS
from voiceloop.shortcut.portal_shortcut import SHORTCUTS

pytestmark = needs("dbus-daemon")
NOTHING = cast(
    Any,
    SimpleNamespace(
        mute=lambda *, muted: None,
        expect=lambda *, heard: None,
        speaking=False,
        forget=lambda: None,
        stop=lambda _: None,
    ),
)
HELD_S = TAP_MS / 1000 + 0.05


class Session:
    """A program with a shortcut: its controller, and what it published."""

    def __init__(self) -> None:
        self.published = Recorder()
        attention = Attention(listening=False)
        self.controller = Controller("dictate", attention, Limits(), trio.current_time, self.published)
        self.controller.loop = Loop(NOTHING, NOTHING, NOTHING, lambda: None)

    @property
    def notices(self) -> list[str]:
        return [str(event.fields["text"]) for event in self.published.events if event.name == "notice"]

    async def told(self, count: int) -> None:
        """Wait until so many notices were published."""
        with trio.fail_after(60):
            while len(self.notices) < count:
                await self.published.more()

    async def state(self, state: str) -> None:
        with trio.fail_after(60):
            while self.controller.attention.state != state:
                await self.controller.changed.wait()


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """A message bus without a portal; gives its folder."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(dbus_portal, "ASKING_S", 60.0)  # a busy machine's desktop doesn't ask, it takes its time
    monkeypatch.setattr(keeping, "RETRY_S", (0.05, 0.05, 0.05))
    async with open_bus_daemon(tmp_path):
        yield tmp_path


@pytest.fixture
def patient(bus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However late a portal is back, it is still being waited for."""
    monkeypatch.setattr(keeping, "RETRY_S", (0.05,) * 1000)


@pytest.fixture
def portal(tmp_path: Path) -> ShortcutsPortal:
    return ShortcutsPortal(tmp_path / "data" / "applications")


@asynccontextmanager
async def kept(bus: Path, portal: ShortcutsPortal) -> AsyncIterator[Session]:
    """A program whose shortcut has been bound."""
    async with open_shortcuts_portal(bus, portal):
        session = Session()
        async with keeping.open_shortcut("CTRL+ALT+space", session.controller):
            await session.published.wait_for("notice", within_s=60)
            yield session


async def notice(bus: Path, portal: ShortcutsPortal | None) -> str:
    """The one notice of a program that gets no shortcut."""
    session = Session()
    with trio.fail_after(60):
        if portal is None:
            await keeping.Keeper("CTRL+ALT+space", session.controller).run()
        else:
            async with open_shortcuts_portal(bus, portal):
                await keeping.Keeper("CTRL+ALT+space", session.controller).run()
    assert "\n" not in session.notices[-1]
    return session.notices[-1]


async def test_it_registers_its_id_and_says_the_keys_that_the_desktop_gave(bus: Path, portal: ShortcutsPortal) -> None:
    portal.keys = "Super+F9"
    async with kept(bus, portal) as session:
        assert session.notices == ["Shortcut Super+F9: hold it to talk, tap it to start or stop."]
        assert portal.bound == [(APP_ID, "talk", "CTRL+ALT+space")]
        assert (portal.applications / FILE_NAME).is_file()
    await trio.testing.wait_all_tasks_blocked()


async def test_on_gnome_48_it_is_bound_although_the_response_has_the_code_of_a_failure(
    bus: Path, portal: ShortcutsPortal
) -> None:
    portal.code, portal.keys = 2, "Press <Control><Alt>space"
    async with kept(bus, portal) as session:
        assert session.notices == ["Shortcut <Control><Alt>space: hold it to talk, tap it to start or stop."]


async def test_a_shortcut_without_keys_is_told(bus: Path, portal: ShortcutsPortal) -> None:
    portal.keys = ""  # taken away in the desktop's settings; on Hyprland always at first
    async with kept(bus, portal) as session:
        assert session.notices == ["The shortcut has no keys: give it some in the desktop's settings."]


async def test_what_no_portal_should_send_ends_the_shortcut_and_not_the_program(
    bus: Path, portal: ShortcutsPortal
) -> None:
    async with kept(bus, portal) as session:
        await portal._signal(PATH, SHORTCUTS, "Activated", "s", "nonsense")
        await session.told(2)
        assert session.notices[1].startswith("control.shortcut: ValueError")


async def test_holding_it_listens_until_its_release(bus: Path, portal: ShortcutsPortal) -> None:
    async with kept(bus, portal) as session:
        await portal.press()
        await session.state("listening")
        await trio.sleep(HELD_S)
        await portal.release()
        await session.state("idle")


async def test_a_tap_starts_and_another_stops(
    bus: Path, portal: ShortcutsPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "TAP_MS", 60_000)  # however late a busy machine brings the news of its release
    async with kept(bus, portal) as session:
        await portal.press()
        await portal.release()
        await session.state("listening")
        await portal.press()
        assert session.controller.attention.state == "listening"
        await portal.release()
        await session.state("idle")


async def test_a_portal_that_is_gone_and_back_is_bound_again_without_a_word(
    bus: Path, portal: ShortcutsPortal, patient: None
) -> None:
    session = Session()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeping.Keeper("CTRL+ALT+space", session.controller).run)
        async with open_shortcuts_portal(bus, portal):
            await session.published.wait_for("notice", within_s=60)
            await portal.press()
            await session.state("listening")
        await session.state("idle")  # the release of a lost shortcut would never be told
        async with open_shortcuts_portal(bus, portal):
            await portal.until(lambda: len(portal.bound) == 2)
            await trio.testing.wait_all_tasks_blocked(0.05)
            await portal.press()
            await session.state("listening")
            nursery.cancel_scope.cancel()
    assert len(session.notices) == 1


async def test_on_gnome_the_keys_come_back_although_the_service_behind_the_portal_kept_them(
    bus: Path, portal: ShortcutsPortal, patient: None
) -> None:
    """After `systemctl --user restart xdg-desktop-portal` its GNOME part goes on, with the keys of the old session."""
    session = Session()
    async with open_backend(bus, portal), trio.open_nursery() as nursery:
        nursery.start_soon(keeping.Keeper("CTRL+ALT+space", session.controller).run)
        async with open_shortcuts_portal(bus, portal):
            await session.published.wait_for("notice", within_s=60)
        async with open_shortcuts_portal(bus, portal):
            await portal.until(lambda: len(portal.bound) == 2)
            await trio.testing.wait_all_tasks_blocked(0.05)
            await portal.press()
            await session.state("listening")
            nursery.cancel_scope.cancel()
    assert len(session.notices) == 1


async def test_a_portal_that_stays_away_is_told_once_and_waited_for(bus: Path, portal: ShortcutsPortal) -> None:
    session = Session()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeping.Keeper("CTRL+ALT+space", session.controller).run)
        async with open_shortcuts_portal(bus, portal):
            await session.published.wait_for("notice", within_s=60)
        await session.told(2)
        await trio.sleep(0.3)  # it goes on trying meanwhile
        assert len(session.notices) == 2
        assert "there is no desktop portal" in session.notices[1]
        assert session.notices[1].endswith("settings. It is tried again.")
        async with open_shortcuts_portal(bus, portal):
            await portal.until(lambda: len(portal.bound) == 2)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("answer", [1, 2])
async def test_a_refusal_is_told_with_the_remedy_and_not_asked_again(
    bus: Path, portal: ShortcutsPortal, answer: int
) -> None:
    portal.answer = answer
    said = await notice(bus, portal)
    assert "it was refused in the desktop's dialog" in said
    assert "voiceloop ctl toggle" in said
    assert len(portal.bound) == 1


async def test_a_dialog_that_nobody_answers_is_announced_and_given_up(
    bus: Path, portal: ShortcutsPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbus_portal, "ASKING_S", 0.05)
    monkeypatch.setattr(dbus_portal, "CONSENT_S", 0.1)
    portal.answer = None
    session = Session()
    async with open_shortcuts_portal(bus, portal):
        await keeping.Keeper("CTRL+ALT+space", session.controller).run()
        await portal.until(lambda: portal.closed == 1)
    assert session.notices[0] == "The desktop asks about voiceloop's shortcut: allow it in that dialog."
    assert "nobody answered the desktop's dialog" in session.notices[1]


async def test_a_portal_that_finds_no_desktop_entry_is_told_with_its_name(bus: Path, portal: ShortcutsPortal) -> None:
    portal.applications = bus / "elsewhere"
    said = await notice(bus, portal)
    assert "only to installed applications (Register: Can't create registered app)" in said
    assert FILE_NAME in said


async def test_a_portal_that_refuses_an_empty_id_is_told(bus: Path, portal: ShortcutsPortal) -> None:
    portal.registers = False
    assert "(CreateSession: An app id is required)" in await notice(bus, portal)


async def test_an_old_portal_needs_no_id(bus: Path, portal: ShortcutsPortal) -> None:
    portal.registers = portal.wants_id = False
    async with kept(bus, portal):
        assert portal.bound == [("", "talk", "CTRL+ALT+space")]


async def test_a_portal_without_shortcuts_is_told_with_the_remedy(bus: Path, portal: ShortcutsPortal) -> None:
    portal.has_shortcuts = False
    said = await notice(bus, portal)
    assert "this desktop's portal has no global shortcuts" in said
    assert "voiceloop ctl toggle" in said


async def test_a_desktop_without_a_portal_is_told_at_once(bus: Path) -> None:
    assert "there is no desktop portal" in await notice(bus, None)


async def test_a_system_without_a_message_bus_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(keeping, "RETRY_S", (0.01,))
    assert "no message bus of the session answers" in await notice(tmp_path, None)


async def test_a_shortcut_taken_away_on_the_desktop_is_told_and_not_asked_for_again(
    bus: Path, portal: ShortcutsPortal
) -> None:
    async with kept(bus, portal) as session:
        await portal.end_session()
        await session.told(2)
        assert "the session was ended on the desktop" in session.notices[1]
    assert len(portal.bound) == 1


async def test_an_edited_desktop_entry_is_kept(bus: Path, portal: ShortcutsPortal) -> None:
    portal.applications.mkdir(parents=True)
    (portal.applications / FILE_NAME).write_text("[Desktop Entry]\nName=mine\n")
    async with kept(bus, portal):
        assert (portal.applications / FILE_NAME).read_text() == "[Desktop Entry]\nName=mine\n"
