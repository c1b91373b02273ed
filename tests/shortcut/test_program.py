"""The installed program with a shortcut, against a replayed portal on a private message bus."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from testbed.desktops.screens import needs
from testbed.dictating import environment, words
from testbed.message_bus import open_bus_daemon
from testbed.running import Running, running
from tests.shortcut.shortcuts_portal import ShortcutsPortal, open_shortcuts_portal
from voiceloop.service.desktop_entry import APP_ID, FILE_NAME

pytestmark = needs("dbus-daemon")
NOWHERE = "http://127.0.0.1:9/api/v1"


@contextmanager
def program(command: str, folder: Path) -> Iterator[Running]:
    where = {
        "run": ("-o", "none", "--config", "assistant", "--set", f"openrouter.base_url={NOWHERE}"),
        "dictate": ("--to", f"file:{folder}/out.txt", *words(NOWHERE)),
        "captions": words(NOWHERE),
    }
    sets = ("--set", "control.shortcut=CTRL+ALT+space", "--set", "control.start=idle", "--set", "control.notify=false")
    env = environment(folder) | {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus"}
    with running("-i", "none", *where[command], *sets, env=env, command=command) as run:
        yield run


@pytest.mark.parametrize("command", ["run", "dictate", "captions"])
async def test_press_and_release_start_and_stop_listening(tmp_path: Path, command: str) -> None:
    applications = tmp_path / ".local/share/applications"
    portal = ShortcutsPortal(applications)
    async with open_bus_daemon(tmp_path), open_shortcuts_portal(tmp_path, portal):
        with program(command, tmp_path) as run:
            await portal.until(lambda: portal.bound == [(APP_ID, "talk", "CTRL+ALT+space")])
            await trio.to_thread.run_sync(run.wait_for, "notice")
            await portal.press()
            await trio.to_thread.run_sync(run.wait_for, "attention")
            await trio.sleep(0.5)  # a hold
            await portal.release()
            await trio.to_thread.run_sync(lambda: run.wait_for("attention", count=2))
            assert [event.fields["state"] for event in run.named("attention")] == ["listening", "idle"]
            assert await trio.to_thread.run_sync(run.end) is not None
        await portal.until(lambda: portal.closed == 1)
    assert (applications / FILE_NAME).is_file()
