"""Desktop notifications: the last state is shown, and what keeps it from being shown is said once."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from testbed.recorder import Recorder
from voiceloop.control.notifications import Notifier


def program(folder: Path, script: str) -> None:
    path = folder / "notify-send"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def shown(folder: Path) -> list[str]:
    return (folder / "shown").read_text().splitlines()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    return tmp_path


async def test_each_state_is_shown_in_words(path: Path) -> None:
    program(path, f'for last; do :; done; echo "$last" >> {path}/shown')
    recorder = Recorder()
    for states in (["listening"], ["muted"], ["listening", "idle", "asleep"], ["idle"]):
        notifier = Notifier(recorder)
        for state in states:
            notifier.state(state)
        notifier._send.close()
        await notifier.run()
    assert shown(path) == [
        "Listening",
        "Muted: the microphone is closed",
        'Asleep: say "wake up"',
        "Not listening",
    ]
    assert recorder.events == []


async def test_what_cannot_be_shown_is_said_once(path: Path) -> None:
    program(path, "echo 'Cannot autolaunch D-Bus' >&2; exit 1")
    recorder = Recorder()
    notifier = Notifier(recorder)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(notifier.run)
        notifier.state("muted")
        event = await recorder.wait_for("notice", within_s=10)
        for _ in range(3):
            notifier.state("listening")
        nursery.cancel_scope.cancel()
    assert len(recorder.events) == 1
    assert str(event.fields["text"]).startswith("control.notify: notify-send failed: Cannot autolaunch D-Bus; ")


async def test_a_desktop_without_notify_send_is_told_at_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    recorder = Recorder()
    notifier = Notifier(recorder)
    notifier.state("muted")
    event = await recorder.wait_for("notice", within_s=1)
    told = "control.notify: there is no notify-send (Debian: libnotify-bin); the state is shown by"
    assert event.fields["text"] == f"{told} 'voiceloop ctl status' only."
    assert len(recorder.events) == 1
