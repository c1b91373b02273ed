"""What `run`, `dictate` and `captions` print at start: two lines, or one row for captions in a terminal; with `-v` all
that is in use."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import termios
import threading
from pathlib import Path

import pytest

from testbed.running import COMMAND, voiceloop
from voiceloop.audio.wav import wav_bytes
from voiceloop.captions.address import shared_host
from voiceloop.errors import OutputError
from voiceloop.text import columns
from voiceloop.types import CAPTURE_RATE_HZ

WHERE = "Speech is transcribed by Moonshine on this machine."
LONG = "A microphone with a name that no row of a narrow terminal holds.wav"
COMMANDS = {
    "run": ("-o", "none", "--set", "control.enabled=false"),
    "dictate": ("--to", "stdout"),
    "captions": (),
}


def environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "COLUMNS"))}
    (folder / "said.wav").write_bytes(wav_bytes(bytes(CAPTURE_RATE_HZ // 5), CAPTURE_RATE_HZ))
    (folder / LONG).write_bytes(wav_bytes(bytes(CAPTURE_RATE_HZ // 5), CAPTURE_RATE_HZ))
    # No message bus of a desktop: dictation's notifications can't be shown.
    return kept | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "DBUS_SESSION_BUS_ADDRESS": ""}


def on_terminal(*words: str, env: dict[str, str], cwd: Path, width: int) -> list[str]:
    """The rows that a command prints on standard error, which is a terminal of `width` columns."""
    ours, its = pty.openpty()
    termios.tcsetwinsize(its, (24, width))
    with subprocess.Popen([COMMAND, *words], env=env, cwd=cwd, stderr=its, stdout=subprocess.DEVNULL) as process:
        os.close(its)
        timer = threading.Timer(120, process.kill)
        timer.start()
        shown = b""
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:  # the program has ended
            pass
        timer.cancel()
    os.close(ours)
    assert process.returncode == 0, shown
    return shown.decode().replace("\r\n", "\n").splitlines()


@pytest.mark.parametrize("command", COMMANDS)
def test_two_lines_at_start_say_where_words_go_what_is_heard_and_how_to_end(command: str, tmp_path: Path) -> None:
    env = environment(tmp_path)
    code, _, errors = voiceloop(command, "-i", f"file:{tmp_path}/said.wav", *COMMANDS[command], env=env)
    assert code == 0, errors
    where, heard, *rest = errors.splitlines()
    assert where == WHERE
    assert heard.startswith(f'Listening to "{tmp_path}/said.wav"')
    assert heard.endswith("Ctrl-C ends it.")
    found_nothing = [f"audio.input: no speech was found in {tmp_path}/said.wav."]
    assert [line for line in rest if not line.startswith("Stopped.")] == found_nothing


def test_in_60_columns_one_row_stands_before_the_first_caption(tmp_path: Path) -> None:
    words = ("captions", "-i", f"file:{LONG}")
    row, *rest = on_terminal(*words, env=environment(tmp_path), cwd=tmp_path, width=60)
    assert columns(row) <= 60
    assert row.startswith('This machine hears "A microphone')
    assert rest[0].startswith("audio.input: no speech was found in A microphone")
    assert any(line.startswith("Stopped.") for line in rest)


def test_a_page_is_told_with_its_address(tmp_path: Path) -> None:
    words = ("captions", "-i", "file:said.wav", "--port", "0")
    page, *rest = on_terminal(*words, env=environment(tmp_path), cwd=tmp_path, width=100)
    assert re.fullmatch(r"On this machine, the captions are at http://127\.0\.0\.1:\d+/ too\.", page)
    assert rest[0].startswith("Speech is transcribed by Moonshine on this machine. Listening to")


@pytest.mark.parametrize("width", [80, 36])
def test_a_shared_page_is_told_with_who_can_read_it_and_a_code_where_it_fits(width: int, tmp_path: Path) -> None:
    try:
        host = shared_host(None)
    except OutputError:
        pytest.skip("this machine has no network")
    words = ("captions", "-i", "file:said.wav", "--share", "--port", "0")
    rows = on_terminal(*words, env=environment(tmp_path), cwd=tmp_path, width=width)
    code = [row for row in rows if row.startswith("\x1b[30;107m")]
    told = " ".join(" ".join(row for row in rows if row not in code).split())
    who = "Whoever is on your network and has this address can read along, unencrypted, until you end: "
    assert re.match(rf"{who}http://{re.escape(host)}:\d+/[\w-]{{22}}/ ", told)
    assert bool(code) == (width == 80)


def test_sharing_needs_a_page(tmp_path: Path) -> None:
    words = ("captions", "-i", "file:said.wav", "--set", "handler.share=true")
    code, _, errors = voiceloop(*words, env=environment(tmp_path))
    assert code == 78
    assert "handler.share: 'share' needs a page. Give 'web' a port" in errors


@pytest.mark.parametrize("command", ["run", "dictate"])
def test_in_60_columns_the_start_is_wrapped_between_words(command: str, tmp_path: Path) -> None:
    words = (command, "-i", f"file:{LONG}", *COMMANDS[command])
    rows = on_terminal(*words, env=environment(tmp_path), cwd=tmp_path, width=60)
    assert all(columns(row) <= 60 for row in rows), rows
    assert len(rows) > 3
    assert f'Listening to "{LONG}"' in " ".join(" ".join(rows).split())


@pytest.mark.parametrize("command", COMMANDS)
def test_with_v_everything_in_use_is_described_too(command: str, tmp_path: Path) -> None:
    words = (command, "-v", "-i", "file:said.wav", *COMMANDS[command])
    rows = on_terminal(*words, env=environment(tmp_path), cwd=tmp_path, width=60)
    assert all(columns(row) <= 60 or len(row.split()) == 1 for row in rows), rows
    assert rows[0] == WHERE
    described = {row.split()[0] for row in rows if row.startswith("  ") and not row.startswith("   ")}
    assert {"vad", "transcribe", "handler", "control"} <= described


def test_a_debug_log_describes_everything_too(tmp_path: Path) -> None:
    words = ("captions", "-i", f"file:{tmp_path}/said.wav", "--set", "log.level=debug")
    _, _, errors = voiceloop(*words, env=environment(tmp_path))
    assert "\n  vad         hybrid" in errors
