"""scripts/debian13 on fake machines: apt, dpkg and the unpacked loader are stubs. The real ones run in scripts/test."""

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
case "$*" in
    indextargets*) cat "$BOX/archives" 2>/dev/null ;;
    *" update") [[ ! -e $BOX/offline ]] || { echo "E: Failed to fetch the list" >&2; exit 100; } ;;
    *--download-only*)
        cp "$2" "$BOX/settings"
        cp "$(sed -n 's/^Dir::Etc::SourceList "\\(.*\\)";/\\1/p' "$2")" "$BOX/sources"
        cp "$BOX/python.deb" "$(sed -n 's/^Dir::Cache "\\(.*\\)";/\\1/p' "$2")/archives/"
        ;;
esac
"""
DPKG_DEB = '#!/bin/bash\nexec tar --extract --file "$2" --directory "$3"\n'
LOADER = '#!/bin/bash\n[[ ! -e $BOX/broken ]] || exit 1\nprintf "%s\\n" "$@"\n'


@dataclass
class Machine:
    """A fake Debian. Its only package holds a loader that prints its arguments, a line each."""

    path: Path

    def __post_init__(self) -> None:
        self.bin, self.scripts = self.path / "bin", self.path / "my checkout" / "scripts"
        self.bin.mkdir()
        self.scripts.mkdir(parents=True)
        for name in ("debian13", "setup.sh"):
            shutil.copy(ROOT / "scripts" / name, self.scripts)
        self.program(self.bin / "apt-get", APT_GET)
        self.program(self.bin / "dpkg-query", "#!/bin/sh\n")
        self.program(self.bin / "dpkg-deb", DPKG_DEB)
        self.program(self.path / "usr/bin/python3.13", "the interpreter")
        self.program(self.path / "usr/lib/some-linux-gnu/ld-linux-some.so.2", LOADER)
        with tarfile.open(self.path / "python.deb", "w") as package:
            package.add(self.path / "usr", "usr")
        self.say("archives", "Debian-Security http://mirror.test/security/\nDebian http://mirror.test/debian/\n")

    def program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def say(self, name: str, text: str = "") -> None:
        (self.path / name).write_text(text)

    def run(self, *words: str | Path, path: str = "/usr/bin:/bin") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.bin}:{path}", "HOME": str(self.path), "BOX": str(self.path)}
        return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def script(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("bash", self.scripts / "debian13", *arguments)

    def calls(self) -> list[str]:
        log = self.path / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_the_interpreter_starts_through_the_loader_of_its_own_tree(machine: Machine) -> None:
    done = machine.script("--python")
    assert done.returncode == 0, done.stderr
    python = Path(done.stdout.strip())
    usr = python.parents[1]
    assert usr == machine.scripts.parent / ".venv/debian13/tree/usr"
    link = machine.path / "python of an environment"
    link.symlink_to(python)
    libraries = f"{usr}/lib/some-linux-gnu"
    loader = ["--inhibit-cache", "--library-path", libraries, "--argv0", str(link), f"{python}.program"]
    assert machine.run(link, "-c", "two words").stdout.splitlines() == [*loader, "-c", "two words"]


def test_what_was_unpacked_is_kept_and_a_broken_tree_is_made_again(machine: Machine) -> None:
    python = Path(machine.script("--python").stdout.strip())
    calls = machine.calls()
    assert machine.script("--python").stdout.strip() == str(python)
    assert machine.calls() == calls
    shutil.rmtree(python.parents[1] / "lib")
    assert machine.script("--python").returncode == 0
    assert len(machine.calls()) == 2 * len(calls)


def test_packages_come_from_the_archive_that_the_machine_uses_and_its_own_state_is_left_alone(machine: Machine) -> None:
    machine.script("--python")
    sources = (machine.path / "sources").read_text()
    assert sources.startswith("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ")
    assert sources.endswith(" http://mirror.test/debian/ trixie main\n")
    settings = (machine.path / "settings").read_text()
    for key in ("Dir::Cache", "Dir::State::lists", "Dir::State::status", "Dir::Etc::SourceList"):
        (place,) = [line.split('"')[1] for line in settings.splitlines() if line.startswith(f"{key} ")]
        assert not place.startswith(("/var/", "/etc/"))
        assert not Path(place).exists(), "it is removed at the end"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("archives", "Ubuntu http://mirror.test/ubuntu/\n", "apt has no lists of Debian's own packages here"),
        ("archives", "", "apt has no lists of Debian's own packages here"),
        ("offline", "", "E: Failed to fetch the list"),
    ],
)
def test_where_it_cannot_be_had_it_says_so_and_tests_nothing(
    machine: Machine, name: str, text: str, reason: str
) -> None:
    machine.say(name, text)
    done = machine.script()
    assert done.returncode == 0
    assert "Left out, Debian 13's Python: " in done.stderr
    assert reason in done.stderr
    asked = machine.script("--python")
    assert (asked.returncode, asked.stdout) == (1, "")


def test_without_apt_it_says_so(machine: Machine) -> None:
    for name in ("bash", "dirname", "mktemp", "rm"):
        found = shutil.which(name)
        assert found
        (machine.bin / name).symlink_to(found)
    (machine.bin / "apt-get").unlink()
    done = machine.run("bash", machine.scripts / "debian13", path=os.devnull)
    assert (done.returncode, done.stderr) == (0, "Left out, Debian 13's Python: this machine has no apt\n")


def test_an_interpreter_that_does_not_start_is_an_error(machine: Machine) -> None:
    machine.say("broken")
    done = machine.script()
    assert done.returncode == 1
    assert "Debian 13's Python does not start from " in done.stderr
