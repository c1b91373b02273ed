"""`voiceloop service` where there is no systemd or none that answers, and what it refuses before it asks systemd."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed.running import COMMAND
from voiceloop.service.desktop_entry import FILE_NAME, entry
from voiceloop.service.unit import unit_name

RECORDER = f"""#!{sys.executable}
import os, sys
with open(os.environ["CALLS"], "a") as file:
    print(*sys.argv[1:], file=file)
sys.stderr.write(os.environ.get("SAYS", ""))
state = "LoadState=loaded\\nActiveState=active\\nSubState=running\\nUnitFileState=enabled\\nExecMainPID=1\\n"
print("PATH=/bin" if "show-environment" in sys.argv else state)
raise SystemExit(1 if os.environ.get("SAYS") else 0)
"""


@dataclass
class Home:
    path: Path

    @property
    def env(self) -> dict[str, str]:
        folders = {"HOME": str(self.path), "XDG_RUNTIME_DIR": str(self.path), "CALLS": str(self.path / "calls")}
        return {"PATH": str(self.path / "bin"), **folders}

    @property
    def calls(self) -> list[str]:
        """The calls of systemctl, without `--user --no-pager` and what only looks."""
        text = (self.path / "calls").read_text() if (self.path / "calls").exists() else ""
        calls = [line.removeprefix("--user --no-pager ") for line in text.splitlines()]
        return [call for call in calls if not call.startswith("show")]

    def files(self) -> list[str]:
        return sorted(
            p.name for p in self.path.rglob("*") if p.is_file() and p.parent.name not in {"bin", self.path.name}
        )

    def say(self, *words: str, code: int, **env: str) -> str:
        done = subprocess.run(
            [COMMAND, "service", *words], env=self.env | env, capture_output=True, text=True, check=False, cwd=self.path
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def home(tmp_path: Path) -> Home:
    (tmp_path / "bin").mkdir()
    systemctl = tmp_path / "bin" / "systemctl"
    systemctl.write_text(RECORDER)
    systemctl.chmod(0o700)
    return Home(tmp_path)


def test_the_files_are_written_before_systemd_is_told_and_taken_away_after_it_has_stopped(home: Home) -> None:
    name = unit_name("dictate")
    home.say("install", "dictate", "--start", "idle", code=0)
    assert home.calls == ["daemon-reload", f"reenable -- {name}"]
    assert home.files() == sorted([name, FILE_NAME])
    home.say("remove", "dictate", code=0)
    assert home.calls[2:] == [f"disable --now -- {name}", "daemon-reload"]
    assert home.files() == []


def test_remove_takes_away_the_desktop_entry_of_a_shortcut_too(home: Home) -> None:
    path = home.path / ".local/share/applications" / FILE_NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(entry(Path(COMMAND)))
    assert f"Removed: {path}" in home.say("remove", code=0)
    assert home.files() == []
    path.write_text("[Desktop Entry]\nName=mine\n")
    home.say("remove", code=0)
    assert home.files() == [FILE_NAME]


def test_without_systemctl_the_way_to_do_without_is_said(home: Home) -> None:
    (home.path / "bin" / "systemctl").unlink()
    said = home.say("install", "run", code=69)
    assert said.startswith("voiceloop: systemd: there is no systemctl on this machine")
    assert "autostart" in said
    assert "service install --print" in said
    assert home.files() == []


@pytest.mark.parametrize(
    ("runtime", "told"),
    [("", "export XDG_RUNTIME_DIR=/run/user/"), ("/run/user/4711", "systemctl restart user@")],
)
def test_without_a_bus_nothing_is_written_and_the_remedy_is_said(runtime: str, told: str, home: Home) -> None:
    says = "Failed to connect to bus: No medium found"
    said = home.say("install", "run", code=69, SAYS=says, XDG_RUNTIME_DIR=runtime)
    assert says in said
    assert told in said or "was not started by systemd" in said
    assert home.files() == []


def test_what_systemd_refuses_is_passed_on(home: Home) -> None:
    said = home.say("install", "run", code=69, SAYS="Unit is bad.\n")
    assert said == "voiceloop: systemd: systemctl --user show-environment: Unit is bad.\n"


def test_the_unit_is_printed_without_systemd_and_without_a_change(home: Home) -> None:
    (home.path / "bin" / "systemctl").unlink()
    said = home.say("install", "run", "-v", "--print", code=0)
    assert f"ExecStart={COMMAND} run -v\n" in said
    assert home.files() == []


@pytest.mark.parametrize("option", ["--web", "--share"])
def test_captions_on_a_page_are_shown_somewhere(option: str, home: Home) -> None:
    said = home.say("install", "captions", option, "--print", code=0)
    assert f"ExecStart={COMMAND} captions {option}\n" in said


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("dictation",), 2, "There are: run, dictate, captions."),
        (("run", "--no-such"), 2, "No such option: --no-such"),
        (("run", "--json"), 2, "--json: it doesn't work in a service"),
        (("run", "--trace", "x"), 2, "--trace: it doesn't work in a service"),
        (("dictate", "--to", "stdout"), 2, "--to file:PATH"),
        (("captions",), 2, "Add --web, or --keep FOLDER."),
        (("run", "--set", "audio.no_such=1"), 78, "no_such"),
        (("run", "--config", "no-such"), 78, "no-such"),
    ],
)
def test_what_can_not_work_in_a_service_is_refused_at_once(
    words: tuple[str, ...], code: int, told: str, home: Home
) -> None:
    assert told in home.say("install", *words, code=code)
    assert home.files() == []
    assert home.calls == []


def test_under_sudo_it_would_be_a_service_of_root(home: Home) -> None:
    assert "Leave sudo out." in home.say("install", "run", code=2, SUDO_USER="ada")


def test_a_folder_that_can_not_be_written_is_named(home: Home) -> None:
    (home.path / ".config" / "systemd").mkdir(parents=True)
    (home.path / ".config" / "systemd" / "user").write_text("a file in its place")
    said = home.say("install", "run", code=74)
    assert str(home.path / ".config/systemd/user" / unit_name("run")) in said
    assert home.calls == []


def test_a_damaged_file_of_keys_is_named(home: Home) -> None:
    keys = home.path / ".config" / "voiceloop" / "environment"
    keys.parent.mkdir(parents=True)
    keys.write_bytes(b"\xff")
    assert str(keys) in home.say("install", "run", code=74)


def test_a_stranger_can_not_put_a_program_into_the_unit_by_the_name_of_a_folder(home: Home) -> None:
    folder = home.path / "x\nExecStartPre=-/bin/evil"
    folder.mkdir(parents=True)
    done = subprocess.run(
        [COMMAND, "service", "install", "run", "-v"],
        env=home.env,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "Rename the folder." in done.stderr
    assert home.files() == []
