"""The installed command's check of the echo, where there is none to be measured: no sound is played."""

from __future__ import annotations

import json
import subprocess

import pytest

from testbed.running import COMMAND

SILENT = ("-i", "none", "-o", "none")


def checked(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, "check", *words], capture_output=True, text=True, check=False, timeout=120)


def test_the_help_says_what_will_sound_and_how_to_leave_it_out() -> None:
    shown = " ".join(checked("--help").stdout.replace("│", " ").split())
    assert "--echo" in shown
    assert "--no-echo" in shown
    assert "Also play a soft noise of a second" in shown


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--config", "offline", *SILENT), 'not tried: audio.output is "none", which makes no sound'),
        (("dictate", "-i", "none", "--set", "handler.to=stdout"), "not tried: nothing is played"),
    ],
)
def test_asked_for_an_echo_that_cant_be_there_it_says_why(words: tuple[str, ...], reason: str) -> None:
    done = checked(*words, "--echo", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["said"] for line in lines if line["what"] == "echo, heard"] == [reason]
    assert not done.stderr


@pytest.mark.parametrize("option", [(), ("--no-echo",), ("--no-speak",)])
def test_without_a_terminal_or_with_the_option_nothing_is_said_of_it(option: tuple[str, ...]) -> None:
    done = checked("--config", "offline", *SILENT, *option)
    assert done.returncode == 0, done.stderr
    assert "echo, heard" not in done.stdout
