"""A terminal to type into, on an X server without a screen. Its window has the focus, and its text can be read."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 120.0
TERMINAL = all(shutil.which(program) for program in ("Xvfb", "xterm", "xdotool"))
"""Whether the programs for it are installed."""


@dataclass(frozen=True)
class Terminal:
    """`env`: the environment of a program that types there. `holds`: the file with all lines typed so far."""

    env: dict[str, str]
    holds: Path

    def text(self) -> str:
        """Press Enter; gives all lines typed so far."""
        before = self.holds.read_text().count("\n")
        subprocess.run(["xdotool", "key", "Return"], env=self.env, check=True)
        deadline = time.monotonic() + PATIENCE_S
        while self.holds.read_text().count("\n") == before:
            if time.monotonic() > deadline:
                raise TimeoutError("the terminal did not take the Enter key")
            time.sleep(0.01)
        return self.holds.read_text()


@contextmanager
def terminal(env: Mapping[str, str], holds: Path) -> Iterator[Terminal]:
    """Open a terminal that writes each typed line to the file `holds`."""
    with subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        env = {**env, "DISPLAY": f":{server.stdout.readline().decode().strip()}"}
        env.pop("WAYLAND_DISPLAY", None)
        with subprocess.Popen(
            ["xterm", "-e", "sh", "-c", f"exec cat > '{holds}'"], env=env, stderr=subprocess.DEVNULL
        ) as window:
            try:
                find = ["xdotool", "search", "--sync", "--onlyvisible", "--class", "xterm", "windowfocus", "--sync"]
                subprocess.run(find, env=env, check=True, capture_output=True, timeout=PATIENCE_S)
                yield Terminal(env, holds)
            finally:
                window.kill()
                server.kill()
