"""`voiceloop service` against a real systemd of a user: installed, killed, started with the desktop, removed."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from testbed.running import COMMAND
from testbed.user_manager import UserManager, user_manager
from voiceloop.audio.wav import wav_bytes
from voiceloop.service.desktop_entry import FILE_NAME
from voiceloop.service.unit import USES, Service, unit, unit_name
from voiceloop.types import CAPTURE_RATE_HZ

RUN, DICTATE = unit_name("run"), unit_name("dictate")
KEY = "sk-or-v1-not-a-real-key"
QUIET = ("-i", "file:quiet.wav", "--set", "transcribe.use=none")
"""A microphone that hears nothing for two minutes, and no recogniser."""
LOOP = (*QUIET, "-o", "none", "--set", "speak.use=none", "--set", "handler.use=echo")


@pytest.fixture(scope="module")
def machine() -> Iterator[UserManager]:
    with user_manager() as found:
        if isinstance(found, str):
            pytest.skip(f"no systemd to try services with: {found}")
        (found.home / "quiet.wav").write_bytes(wav_bytes(bytes(2 * 120 * CAPTURE_RATE_HZ), CAPTURE_RATE_HZ))
        (found.units).mkdir(parents=True)
        # What a desktop does when its session begins and ends.
        (found.units / "desktop.target").write_text("[Unit]\nBindsTo=graphical-session.target\n")
        found.systemctl("daemon-reload")
        yield found


@pytest.fixture
def user(machine: UserManager) -> Iterator[UserManager]:
    """The machine without services, and without a file of keys."""
    yield machine
    for path in machine.units.glob("app-*.service"):
        machine.run("systemctl", "--user", "disable", "--now", path.name)
        path.unlink(missing_ok=True)
        machine.run("systemctl", "--user", "reset-failed", path.name)
    (machine.home / ".config/voiceloop/environment").unlink(missing_ok=True)


def service(user: UserManager, *words: str, code: int = 0, env: dict[str, str] | None = None) -> str:
    """What `voiceloop service WORDS…` says."""
    ended, out, errors = user.run(COMMAND, "service", *words, env=env)
    assert ended == code, out + errors
    return out + errors


def variables(user: UserManager, name: str) -> dict[str, str]:
    """The environment of a unit's process."""
    words = ("cat", f"/proc/{user.property_of(name, 'MainPID')}/environ")
    pairs = user.run(*words)[1].split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


@contextlib.contextmanager
def desktop(user: UserManager) -> Iterator[str]:
    """A desktop session, as GNOME and KDE begin and end theirs; gives its display."""
    words = ["Xvfb", "-displayfd", "1", "-screen", "0", "320x200x24"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        display = f":{server.stdout.readline().strip()}"
        user.systemctl("set-environment", f"DISPLAY={display}")
        user.systemctl("start", "desktop.target")
        try:
            yield display
        finally:
            user.systemctl("stop", "desktop.target", "graphical-session.target")
            user.systemctl("unset-environment", "DISPLAY")
            server.terminate()


def test_an_installed_loop_runs_starts_at_login_and_writes_readable_messages(user: UserManager) -> None:
    said = service(user, "install", "run", *LOOP)
    assert f"Installed: {user.units / RUN}\n" in said
    assert "voiceloop run: it runs." in said
    # The microphone is a file, named by a relative path.
    assert user.property_of(RUN, "WorkingDirectory") == f"!{user.home}"
    assert user.property_of(RUN, "UnitFileState") == "enabled"
    assert RUN in user.systemctl("list-dependencies", "--plain", "default.target")
    assert user.run(COMMAND, "ctl", "status")[1].startswith("state       listening\n")
    lines = user.journal(RUN, lambda lines: len(lines) > 1, "--output=short")
    assert "\x1b" not in "".join(lines)
    messages = [line.partition("voiceloop-run[")[2].partition("]: ")[2] for line in lines]
    assert messages[0] == "Speech stays on this machine, as --set says."
    assert messages[1].startswith('Listening to "quiet.wav".')


def test_systemd_finds_nothing_to_complain_about_in_the_units(user: UserManager) -> None:
    for use in USES:
        path = user.units / unit_name(use)
        path.write_bytes(unit(Service(use, Path(COMMAND), ("--set", "a b=$c %d"), user.home, user.home / "keys")))
        assert user.run("systemd-analyze", "--user", "verify", str(path)) == (0, "", "")


def test_a_killed_program_is_started_again_and_a_wrong_configuration_is_not(user: UserManager) -> None:
    service(user, "install", *LOOP)
    first = user.property_of(RUN, "MainPID")
    user.systemctl("kill", "--signal=KILL", RUN)
    user.wait_until(RUN, "NRestarts", "1")
    user.wait_until(RUN, "ActiveState", "active")
    assert user.property_of(RUN, "MainPID") != first
    assert "started again 1 time" in service(user, "status")
    config = user.home / "broken.toml"
    config.write_text("")
    service(user, "install", *LOOP, "--config", str(config))
    config.write_text("[audio]\nno_such = 1\n")
    user.systemctl("kill", "--signal=KILL", RUN)
    user.wait_until(RUN, "SubState", "failed")
    said = service(user, "status", "run", code=69)
    assert "run: failed with exit code 78" in said
    assert "no_such" in said


def test_exit_code_75_asks_to_be_started_again_and_only_messages_reach_the_journal(
    user: UserManager, tmp_path: Path
) -> None:
    """The program that asks for it is one of the test's: only the unit is tried."""
    program = tmp_path / "voiceloop"
    second = tmp_path / "second"
    message = f"message of {program}"  # the journal has those of earlier tests, too
    program.write_text(
        f'#!/bin/sh\necho words\necho "{message}" >&2\ntest -e "{second}" && exec sleep 60\ntouch "{second}"\nexit 75\n'
    )
    program.chmod(0o700)
    (user.units / RUN).write_bytes(unit(Service("run", program, (), tmp_path, tmp_path / "keys")))
    user.systemctl("daemon-reload")
    user.systemctl("start", RUN)
    user.wait_until(RUN, "NRestarts", "1")
    user.wait_until(RUN, "SubState", "running")
    words = ("--output=cat", "SYSLOG_IDENTIFIER=voiceloop-run")
    lines = user.journal(RUN, lambda lines: lines.count(message) > 1, *words)
    assert lines[lines.index(message) :] == [message, message]


def test_a_program_that_was_uninstalled_is_not_tried_for_ever(user: UserManager, tmp_path: Path) -> None:
    (user.units / RUN).write_bytes(unit(Service("run", tmp_path / "gone", (), tmp_path, tmp_path / "keys")))
    user.systemctl("daemon-reload")
    user.systemctl("start", RUN)
    assert user.property_of(RUN, "ConditionResult") == "no"
    assert user.property_of(RUN, "ActiveState") == "inactive"


def test_every_word_reaches_the_program_through_systemd_as_it_was_given(user: UserManager, tmp_path: Path) -> None:
    folder = tmp_path / 'a $HOME "b" 50%h é'
    folder.mkdir()
    program = tmp_path / "a $HOME 50%h é" / "voiceloop"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport json, os, sys\n"
        "print(json.dumps([os.getcwd(), *sys.argv]), file=open('words.json', 'w'))\n"
    )
    program.chmod(0o700)
    source = random.Random(0)
    words = ["", ";", "$HOME", "${HOME}", "%h", "%%", "\\x41", "a\nb", "\t", "'", '"', "é", "-", "@x", "!"]
    words += ["".join(source.choices("ab \\\"'$%{};\n\té", k=source.randint(1, 12))) for _ in range(200)]
    (user.units / RUN).write_bytes(unit(Service("run", program, tuple(words), folder, tmp_path / "keys")))
    user.systemctl("daemon-reload")
    user.systemctl("start", RUN)
    user.wait_until(RUN, "ActiveState", "inactive")
    assert json.loads((folder / "words.json").read_text()) == [str(folder), str(program), "run", *words]


def test_the_key_of_the_shell_reaches_the_program_by_a_file_that_only_the_user_can_read(user: UserManager) -> None:
    words = ("install", "run", "--config", "assistant", "-i", "file:quiet.wav", "-o", "none")
    said = service(user, *words, env={"OPENROUTER_API_KEY": KEY})
    keys = user.home / ".config/voiceloop/environment"
    assert f"Stored in {keys}, which only you can read: OPENROUTER_API_KEY\n" in said
    assert KEY not in said
    assert keys.stat().st_mode & 0o777 == 0o600
    assert KEY not in (user.units / RUN).read_text()
    assert variables(user, RUN)["OPENROUTER_API_KEY"] == KEY
    # Another time without the key in the shell: the service has it.
    keys.chmod(0o644)
    service(user, *words)
    assert keys.stat().st_mode & 0o777 == 0o600
    assert "This shell has another OPENROUTER_API_KEY" in service(user, *words, env={"OPENROUTER_API_KEY": "other"})
    assert variables(user, RUN)["OPENROUTER_API_KEY"] == KEY
    service(user, "remove")
    assert KEY in keys.read_text()


def test_a_key_that_nobody_has_is_asked_for_before_anything_is_installed(user: UserManager) -> None:
    said = service(user, "install", "run", "--config", "assistant", code=69)
    assert "OPENROUTER_API_KEY is not set" in said
    assert not (user.units / RUN).exists()


def test_a_key_that_systemd_has_already_is_not_stored(user: UserManager) -> None:
    user.systemctl("set-environment", f"OPENROUTER_API_KEY={KEY}")
    try:
        words = ("install", "run", "--config", "assistant", "-i", "file:quiet.wav", "-o", "none")
        service(user, *words, env={"OPENROUTER_API_KEY": KEY})
        assert not (user.home / ".config/voiceloop/environment").exists()
        assert variables(user, RUN)["OPENROUTER_API_KEY"] == KEY
    finally:
        user.systemctl("unset-environment", "OPENROUTER_API_KEY")


def test_dictation_starts_and_ends_with_the_desktop_and_has_its_display_and_bus(user: UserManager) -> None:
    said = service(user, "install", "dictate", "--start", "idle", *QUIET)
    assert "No desktop session is running" in said
    assert user.property_of(DICTATE, "ActiveState") == "inactive"
    with desktop(user) as display:
        user.wait_until(DICTATE, "ActiveState", "active")
        has = variables(user, DICTATE)
        assert has["DISPLAY"] == display
        assert has["DBUS_SESSION_BUS_ADDRESS"] == f"unix:path={user.env['XDG_RUNTIME_DIR']}/bus"
        # Installed again while the desktop runs, it is started at once, and types.
        said = service(user, "install", "dictate", *QUIET, env={"DISPLAY": display})
        assert said.splitlines()[1].startswith("voiceloop dictate: it runs.")
        assert "handler     dictation into xdotool, focus: watched" in user.run(COMMAND, "ctl", "status")[1]
        assert "dictate: runs since" in service(user, "status", "dictate")
    user.wait_until(DICTATE, "ActiveState", "inactive")


def test_a_desktop_that_announces_nothing_is_told_what_to_do(user: UserManager) -> None:
    said = service(user, "install", "dictate", *QUIET, env={"DISPLAY": ":99"})
    assert "This desktop doesn't reach graphical-session.target" in said
    assert f"exec systemctl --user import-environment DISPLAY; exec systemctl --user start {DICTATE}" in said
    assert user.property_of(DICTATE, "ActiveState") == "inactive"


def test_captions_run_with_their_page(user: UserManager) -> None:
    said = service(user, "install", "captions", "--port", "0", "-v", "--source", "mic", *QUIET)
    assert "voiceloop captions: it runs." in said
    user.journal(unit_name("captions"), lambda lines: any("http://127.0.0.1:" in line for line in lines))


def test_installed_twice_it_runs_with_the_new_options_and_removed_twice_it_stays_removed(user: UserManager) -> None:
    service(user, "install", *LOOP)
    service(user, "install", *LOOP, "-v")
    assert f"command   {COMMAND} run" in (said := service(user, "status"))
    assert said.splitlines()[1].endswith(" -v")
    entry = user.home / ".local/share/applications" / FILE_NAME
    assert entry.exists()
    assert f"Removed: {user.units / RUN}" in service(user, "remove", "run")
    assert not entry.exists()
    assert not (user.units / "default.target.wants" / RUN).exists()
    assert user.property_of(RUN, "LoadState") == "not-found"
    assert "There is no service 'run'." in service(user, "remove", "run")
    assert "No service is installed." in service(user, "remove")
    assert "No service is installed." in service(user, "status", code=69)
    assert "run: not installed" in service(user, "status", "run", code=69)


def test_the_desktop_entry_stays_until_the_last_service_goes(user: UserManager) -> None:
    for use in ("run", "dictate"):
        service(user, "install", use, *(LOOP if use == "run" else QUIET))
    entry = user.home / ".local/share/applications" / FILE_NAME
    assert "several: run, dictate. Say which." in service(user, "remove", code=2)
    service(user, "remove", "run")
    assert entry.exists()
    entry.write_text(entry.read_text().replace("Name=voiceloop", "Name=my voice"))
    service(user, "remove")
    assert entry.exists(), "it was edited"
    entry.unlink()


def test_an_edited_unit_is_not_overwritten_unless_forced_and_changes_beside_it_stay(user: UserManager) -> None:
    service(user, "install", *LOOP)
    path = user.units / RUN
    path.write_text(path.read_text().replace("RestartSec=5", "RestartSec=1"))
    edited = path.read_bytes()
    for words in (("install", *LOOP), ("remove",)):
        assert f"systemctl --user edit {RUN}" in service(user, *words, code=2)
        assert path.read_bytes() == edited
    assert "(edited)" in service(user, "status")
    service(user, "install", *LOOP, "--force")
    beside = user.units / f"{RUN}.d" / "own.conf"
    beside.parent.mkdir()
    beside.write_text("[Service]\nRestartSec=2\n")
    service(user, "install", *LOOP)
    assert user.property_of(RUN, "RestartUSec") == "2s"
    beside.unlink()
    beside.parent.rmdir()


def test_a_masked_unit_is_named_and_not_replaced(user: UserManager) -> None:
    user.systemctl("mask", RUN)
    assert str(user.units / RUN) in service(user, "install", *LOOP, code=2)
    user.systemctl("unmask", RUN)


def test_a_service_that_fails_at_once_says_why(user: UserManager) -> None:
    listens = ("install", "run", "-i", "file:no-such.wav", *LOOP[2:])
    said = service(user, *listens, code=69)
    assert "no-such.wav" in said.partition("Installed: ")[2].partition("voiceloop: service run: ")[0]
    assert "it is installed, but ended with exit code 74" in said


def test_the_config_file_of_the_shell_is_the_services(user: UserManager) -> None:
    (user.home / "mine.toml").write_text('[control]\nname = "mine"\n')
    service(user, "install", *LOOP, env={"VOICELOOP_CONFIG": "mine.toml"})
    assert '"name": "mine"' in user.run(COMMAND, "ctl", "--json", "status")[1]
