"""scripts/pipewire on fake machines: apt and dpkg are stubs. The real ones run in scripts/test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the script unpacks packages of Debian")

APT_GET = """#!/bin/bash
echo "apt-get $*" >>"$BOX/log"
[[ ! -e $BOX/no-lists ]] || { echo "E: Unable to locate package" >&2; exit 100; }
[[ $* == *--download-only* ]] || exit 0
[[ ! -e $BOX/offline ]] || { echo "E: Failed to fetch pipewire" >&2; exit 100; }
cache=$(sed -n 's/.* Dir::Cache=\\([^ ]*\\) .*/\\1/p' <<<"$*")
echo "$cache" >"$BOX/cache"
cp "$BOX/package.deb" "$cache/archives/pipewire_1.2.3-4_all.deb"
"""
DPKG_DEB = """#!/bin/bash
case $1 in
    --extract) exec tar --extract --file "$2" --directory "$3" ;;
    --field) echo 1.2.3-4 ;;
esac
"""


@dataclass
class Machine:
    """A fake Debian whose only package holds a program."""

    path: Path

    def __post_init__(self) -> None:
        self.bin, self.checkout = self.path / "bin", self.path / "my checkout"
        self.bin.mkdir()
        (self.checkout / "scripts").mkdir(parents=True)
        for name in ("pipewire", "setup.sh"):
            shutil.copy(ROOT / "scripts" / name, self.checkout / "scripts")
        stubs = {
            "bin/apt-get": APT_GET,
            "bin/dpkg-deb": DPKG_DEB,
            "bin/dpkg-query": "",
            "usr/bin/pipewire": "the server",
        }
        for name, text in stubs.items():
            program = self.path / name
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(text or "#!/bin/sh\n")
            program.chmod(0o755)
        self.pack()

    def pack(self) -> None:
        with tarfile.open(self.path / "package.deb", "w") as package:
            package.add(self.path / "usr", "usr")

    def script(self, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.bin}:{path}", "HOME": str(self.path), "BOX": str(self.path)}
        words = ["bash", str(self.checkout / "scripts/pipewire")]
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def calls(self) -> list[str]:
        log = self.path / "log"
        return log.read_text().splitlines() if log.exists() else []

    @property
    def program(self) -> Path:
        return self.checkout / ".venv/pipewire/tree/usr/bin/pipewire"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_pipewire_is_unpacked_in_the_checkout_and_nothing_is_installed(machine: Machine) -> None:
    done = machine.script()
    assert (done.returncode, done.stdout) == (0, "PipeWire 1.2.3-4\n"), done.stderr
    assert machine.program.read_text() == "the server"
    for call in machine.calls():
        assert " -s " in f"{call} " or "--download-only" in call
        assert "sudo" not in call
    cache = Path((machine.path / "cache").read_text().strip())
    assert not cache.exists(), "it is removed at the end"


def test_what_was_unpacked_is_kept_and_a_broken_tree_is_made_again(machine: Machine) -> None:
    machine.script()
    calls = machine.calls()
    assert machine.script().stdout == "PipeWire 1.2.3-4\n"
    assert machine.calls() == calls
    machine.program.unlink()
    assert machine.script().returncode == 0
    assert machine.program.exists()


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [("no-lists", "apt-get update\n"), ("offline", "can't be fetched.\nE: Failed to fetch pipewire\n")],
)
def test_where_it_cannot_be_had_it_says_why(machine: Machine, flaw: str, reason: str) -> None:
    (machine.path / flaw).touch()
    done = machine.script()
    assert (done.returncode, done.stdout) == (1, "")
    assert "Left out, PipeWire: " in done.stderr
    assert done.stderr.endswith(reason)
    assert not machine.program.exists()


def test_without_apt_it_says_so(machine: Machine) -> None:
    for name in ("bash", "dirname", "mktemp", "rm", "cat"):
        found = shutil.which(name)
        assert found
        (machine.bin / name).symlink_to(found)
    (machine.bin / "apt-get").unlink()
    done = machine.script(path=os.devnull)
    assert (done.returncode, done.stderr) == (1, "Left out, PipeWire: this machine has no apt\n")


def test_packages_without_the_program_are_an_error(machine: Machine) -> None:
    (machine.path / "usr/bin/pipewire").unlink()
    machine.pack()
    done = machine.script()
    assert done.returncode == 1
    assert "There is no PipeWire in what was unpacked in " in done.stderr
