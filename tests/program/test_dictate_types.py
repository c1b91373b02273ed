"""The installed `voiceloop dictate` types into a real window: a terminal on a virtual X server."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.dictating import ASTERISK, environment, talk, words
from testbed.running import running, voiceloop
from testbed.serving import serving
from testbed.terminal import TERMINAL, terminal

needs_x11 = pytest.mark.skipif(
    not (TERMINAL and ASTERISK.is_dir()), reason="needs Xvfb, xterm, xdotool and asterisk-core-sounds-en-wav"
)


@needs_x11
def test_dictated_text_is_typed_into_the_window(tmp_path: Path) -> None:
    said = talk(tmp_path, count=2, gap_s=1.2)
    with (
        serving("--recordings", str(said.recordings)) as server,
        terminal(environment(tmp_path), tmp_path / "typed") as window,
        running("-i", f"file:{said.wav}", *words(server.url), env=window.env, command="dictate") as run,
    ):
        assert run.ended() == 0, run.errors
        assert run.wait_for("listening").fields["handler"] == "dictation into xdotool, focus: watched"
        assert window.text() == f"{' '.join(said.sentences)}\n"


def test_without_a_desktop_the_error_names_other_targets(tmp_path: Path) -> None:
    env = {key: value for key, value in environment(tmp_path).items() if key not in {"DISPLAY", "WAYLAND_DISPLAY"}}
    code, _, errors = voiceloop("dictate", "-i", "none", env=env)
    assert code == 69
    assert "there is no desktop here to type into" in errors
    code, _, errors = voiceloop("dictate", "-i", "none", "--to", "nowhere", env=env)
    assert code == 2
    assert "There are: type, clipboard, stdout, file:PATH" in errors
