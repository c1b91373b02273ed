"""The installed `voiceloop dictate` types into a real window: a terminal on an X server without a screen."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.dictating import ASTERISK, environment, talk, words
from tests.running import running, voiceloop
from tests.serving import serving

needs = pytest.mark.skipif(
    any(shutil.which(program) is None for program in ("Xvfb", "xterm", "xdotool")) or not ASTERISK.is_dir(),
    reason="needs Xvfb, xterm, xdotool and asterisk-core-sounds-en-wav",
)


@contextmanager
def terminal(env: dict[str, str], holds: Path) -> Iterator[dict[str, str]]:
    """An X server with a terminal that has the focus; what is typed there is written to `holds` line by line."""
    with subprocess.Popen(
        ["Xvfb", "-displayfd", "1", "-screen", "0", "800x600x24"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdout is not None
        env = env | {"DISPLAY": f":{server.stdout.readline().decode().strip()}"}
        env.pop("WAYLAND_DISPLAY", None)
        with subprocess.Popen(
            ["xterm", "-e", "sh", "-c", f"exec cat > '{holds}'"], env=env, stderr=subprocess.DEVNULL
        ) as window:
            try:
                find = ["xdotool", "search", "--sync", "--onlyvisible", "--class", "xterm", "windowfocus", "--sync"]
                subprocess.run(find, env=env, check=True, capture_output=True, timeout=20)
                yield env
            finally:
                window.kill()
                server.kill()


@needs
def test_what_is_said_stands_in_the_window(tmp_path: Path) -> None:
    said = talk(tmp_path, count=2, gap_s=1.2)
    holds = tmp_path / "typed"
    with (
        serving("--recordings", str(said.recordings)) as server,
        terminal(environment(tmp_path), holds) as env,
        running("-i", f"file:{said.wav}", *words(server.url), env=env, command="dictate") as run,
    ):
        assert run.process.wait(30) == 0, run.errors
        assert run.wait_for("listening").fields["handler"] == "dictation into xdotool, focus: watched"
        subprocess.run(["xdotool", "key", "Return"], env=env, check=True)
        deadline = time.monotonic() + 10
        while not holds.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert holds.read_text() == f"{' '.join(said.sentences)}\n"


def test_without_a_desktop_it_is_said_where_text_can_go(tmp_path: Path) -> None:
    env = {key: value for key, value in environment(tmp_path).items() if key not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    code, _, errors = voiceloop("dictate", "-i", "none", env=env)
    assert code == 69
    assert "there is no desktop here to type into" in errors
    code, _, errors = voiceloop("dictate", "-i", "none", "--to", "nowhere", env=env)
    assert code == 2
    assert "There are: type, clipboard, stdout, file:PATH" in errors
