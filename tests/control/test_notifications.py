"""Desktop notifications on a private message bus: the last state is shown, and a failure is reported once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from jeepney import HeaderFields, Message, new_error, new_method_return
from jeepney.io.trio import DBusConnection

from testbed.message_bus import open_bus_daemon, serve_on_bus
from testbed.recorder import Recorder
from voiceloop.config.load import load
from voiceloop.control.attention import Attention
from voiceloop.control.controller import Loop
from voiceloop.control.notifications import Notifier
from voiceloop.control.setup import take_control

SERVICE = "org.freedesktop.Notifications"


@dataclass
class Desktop:
    """A fake notification service that records its calls. With `refuses` it answers with an error."""

    refuses: bool = False
    slow: trio.Event | None = None
    """The first call is answered once this is set."""
    answer: tuple[str, tuple[Any, ...]] = ("u", (7,))
    """Signature and values of its answers."""
    calls: list[tuple[Any, ...]] = field(default_factory=list)
    called: trio.Event = field(default_factory=trio.Event)

    @property
    def texts(self) -> list[str]:
        return [call[4] for call in self.calls]

    async def until(self, count: int) -> None:
        with trio.fail_after(60):
            while len(self.calls) < count:
                await self.called.wait()

    async def notify(self, connection: DBusConnection, message: Message) -> None:
        assert message.header.fields[HeaderFields.member] == "Notify"
        assert message.header.fields[HeaderFields.signature] == "susssasa{sv}i"
        self.calls.append(tuple(message.body))
        self.called.set()
        self.called = trio.Event()
        if self.slow is not None:
            await self.slow.wait()
        if self.refuses:
            await connection.send(new_error(message, "org.example.No", "s", ("no room",)))
        else:
            await connection.send(new_method_return(message, *self.answer))


@asynccontextmanager
async def open_desktop(folder: Path, desktop: Desktop) -> AsyncIterator[trio.Process]:
    """Serve `desktop` on a private message bus at `folder`/bus; yield the process of the bus."""
    async with open_bus_daemon(folder) as daemon, serve_on_bus(folder, SERVICE, desktop.notify):
        yield daemon


@asynccontextmanager
async def notifying() -> AsyncIterator[tuple[Notifier, Recorder]]:
    recorder = Recorder()
    notifier = Notifier(recorder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.run)
        yield notifier, recorder
        nursery.cancel_scope.cancel()


def loop() -> Loop:
    """A loop that does nothing."""
    conversation = SimpleNamespace(speaking=False, working=0, usage=None, wasted=None, stop=lambda reason: None)
    microphone = SimpleNamespace(mute=lambda *, muted: None, expect=lambda *, heard: None)
    return Loop(cast(Any, microphone), cast(Any, conversation), cast(Any, SimpleNamespace()), lambda: None)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
    return tmp_path


async def test_each_state_is_shown_in_words_and_replaces_the_one_before(home: Path) -> None:
    desktop = Desktop()
    async with open_desktop(home, desktop), notifying() as (notifier, recorder):
        for count, state in enumerate(("listening", "muted", "asleep", "idle"), start=1):
            notifier.state(state)
            await desktop.until(count)
    shown = ["Listening", "Muted: the microphone is closed", 'Asleep: say "wake up"', "Not listening"]
    assert desktop.texts == shown
    assert [call[:2] for call in desktop.calls] == [("voiceloop", 0), *[("voiceloop", 7)] * 3]
    assert desktop.calls[0][6]["transient"] == ("b", True)
    assert recorder.events == []


async def test_while_a_notification_is_sent_only_the_last_state_waits(home: Path) -> None:
    desktop = Desktop(slow=trio.Event())
    async with open_desktop(home, desktop), notifying() as (notifier, _):
        notifier.state("listening")
        await desktop.until(1)
        for state in ("muted", "asleep", "idle"):
            notifier.state(state)
        assert desktop.slow is not None
        desktop.slow.set()
        await desktop.until(2)
    assert desktop.texts == ["Listening", "Not listening"]


async def test_a_refusal_is_reported_once_and_the_service_is_not_asked_again(home: Path) -> None:
    desktop = Desktop(refuses=True)
    async with open_desktop(home, desktop), notifying() as (notifier, recorder):
        notifier.state("muted")
        event = await recorder.wait_for("notify.failed", within_s=60)
        for _ in range(3):
            notifier.state("listening")
    assert event.fields["why"] == "Notify: no room"
    assert (len(recorder.events), len(desktop.calls)) == (1, 1)


async def test_a_lost_message_bus_is_reported(home: Path) -> None:
    desktop = Desktop(slow=trio.Event())
    async with notifying() as (notifier, recorder), open_desktop(home, desktop) as daemon:
        notifier.state("muted")
        await desktop.until(1)
        daemon.kill()
        event = await recorder.wait_for("notify.failed", within_s=60)
    assert event.fields["why"] == "the session's message bus is gone"


async def test_a_message_bus_that_does_not_answer_is_reported(home: Path) -> None:
    async with notifying() as (notifier, recorder):
        notifier.state("muted")
        event = await recorder.wait_for("notify.failed", within_s=60)
    assert str(event.fields["why"]).startswith("no message bus of the session answers at unix:path=")


async def test_a_session_without_the_address_of_a_bus_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    async with notifying() as (notifier, recorder):
        notifier.state("muted")
        event = await recorder.wait_for("notify.failed", within_s=60)
    variables = "(DBUS_SESSION_BUS_ADDRESS, XDG_RUNTIME_DIR)"
    assert event.fields["why"] == f"no message bus of the session is named {variables}"


async def test_without_a_state_to_show_no_bus_is_looked_for(home: Path) -> None:
    async with notifying() as (_, recorder):
        await trio.testing.wait_all_tasks_blocked()
    assert recorder.events == []


async def test_why_no_notification_can_be_shown_is_told_by_the_status(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    recorder = Recorder()
    config = load("offline", ["control.notify=true", "control.start=idle"])
    async with AsyncExitStack() as stack:
        controlled = take_control(stack, config, Attention(listening=False), recorder, "run")
        await controlled.serve(stack, loop())
        before = controlled.controller.status["notify"]
        controlled.controller.do("start")
        await recorder.wait_for("notify.failed", within_s=60)
        after = str(controlled.controller.status["notify"])
    assert before == "on"
    assert after.startswith("no message bus of the session answers at unix:path=")
    assert "notice" not in recorder.names, "many desktops have none, at every start"
