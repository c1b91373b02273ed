"""A private systemd of a user, with a message bus and a journal, in namespaces of its own: for the tests of services.

Needs root, because it makes namespaces and a control group. What runs in it does not touch the machine's own systemd,
and ends with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 120.0
_FOLDERS = (Path("/usr/lib/systemd"), Path("/lib/systemd"))
_CGROUPS = Path("/sys/fs/cgroup")
_START = """\
mkdir -p /run/systemd /run/log
for folder in /run/systemd /run/log /var/log; do mount -t tmpfs none "$folder" || exit; done
mkdir -p /run/systemd/system /run/systemd/journal
"$SYSTEMD/systemd-journald" 2>/dev/null &
# In a process of its own: as the first of its namespace it would be the machine's systemd.
(
    for group in $GROUPS_; do echo 0 >"$group/cgroup.procs" || exit; done
    unset GROUPS_
    exec "$SYSTEMD/systemd" --user
)
"""


@dataclass(frozen=True, slots=True)
class UserManager:
    """A running systemd of a user."""

    home: Path
    env: Mapping[str, str]
    """The environment of the user's shell: without a display and without keys."""
    _prefix: tuple[str, ...]

    @property
    def units(self) -> Path:
        """The folder of the user's units."""
        return self.home / ".config" / "systemd" / "user"

    def run(self, *words: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> tuple[int, str, str]:
        """Run a program as in a shell of the user; gives its exit code, standard output and standard error."""
        done = subprocess.run(
            [*self._prefix, *words],
            env={**self.env, **(env or {})},
            cwd=cwd or self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def systemctl(self, *words: str) -> str:
        """What `systemctl --user WORDS…` prints; fails if it does."""
        code, out, errors = self.run("systemctl", "--user", *words)
        assert code == 0, errors
        return out.strip()

    def property_of(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--property", name, "--value", unit)

    def wait_until(self, unit: str, name: str, value: str) -> None:
        """Wait until a property of a unit has a value."""
        deadline = time.monotonic() + PATIENCE_S
        while (is_ := self.property_of(unit, name)) != value:
            assert time.monotonic() < deadline, f"{unit}: {name} is {is_}, not {value}"
            time.sleep(0.05)

    def journal(self, unit: str, has: Callable[[list[str]], bool], *words: str) -> list[str]:
        """The lines of a unit's journal once it has what the test asks for: the journal writes a program's message some
        time after the program did. `words` go to journalctl."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            _, out, _ = self.run("journalctl", "--quiet", f"--user-unit={unit}", *words)
            if has(lines := out.splitlines()):
                return lines
            assert time.monotonic() < deadline, f"{unit}: the journal has\n{out}"
            time.sleep(0.05)


@contextmanager
def user_manager() -> Iterator[UserManager | str]:
    """A user's systemd while the block runs; or why there can be none on this machine."""
    systemd = next((folder for folder in _FOLDERS if (folder / "systemd").exists()), None)
    needed = ("systemctl", "journalctl", "unshare", "nsenter")
    if systemd is None or not (systemd / "systemd-journald").exists() or None in map(shutil.which, needed):
        yield "systemd is not installed"
    elif os.geteuid():
        yield "a private systemd needs root"
    else:
        with ExitStack() as stack:
            yield _start(stack, systemd)


def _start(stack: ExitStack, systemd: Path) -> UserManager | str:
    # Not below pytest's folders: the paths of sockets are short.
    home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vl-systemd-", ignore_cleanup_errors=True)))
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    env = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    try:
        groups = stack.enter_context(_control_groups(f"voiceloop{os.getpid()}.slice"))
    except OSError as error:
        return f"no control group can be made: {error}"
    more = {"SYSTEMD": str(systemd), "GROUPS_": " ".join(map(str, groups))}
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", _START]
    process = subprocess.Popen(
        words, env={**env, **more}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        inside = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if inside and (runtime / "systemd" / "private").exists():
            prefix = ("nsenter", f"--target={inside[0]}", "--mount", "--pid", "--wd=.", "--")
            manager = UserManager(home, env, prefix)
            if manager.run("systemctl", "--user", "is-system-running", "--wait")[0] == 0:
                return manager
        time.sleep(0.05)
    return f"no private systemd starts here (exit code {process.poll()})"


@contextmanager
def _control_groups(name: str) -> Iterator[list[Path]]:
    """A control group in each hierarchy of systemd's. Its name tells systemd and the journal that a user's manager is
    in it."""
    roots = [
        path for path in (_CGROUPS, _CGROUPS / "systemd", _CGROUPS / "unified") if (path / "cgroup.procs").exists()
    ]
    groups = [root / name / f"user@{os.getuid()}.service" for root in roots]
    try:
        for group in groups:
            group.mkdir(parents=True, exist_ok=True)
        yield groups
    finally:
        for root in (_CGROUPS, *_CGROUPS.iterdir()):  # systemd made some in other hierarchies, too
            _remove(root / name)


def _remove(group: Path) -> None:
    """Remove a control group and those in it, once their last processes are gone."""
    deadline = time.monotonic() + PATIENCE_S
    while group.is_dir():
        try:
            for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                path.rmdir()
            group.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
