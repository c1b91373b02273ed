"""The installed command in other surroundings: encodings, no home, closed terminals."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed.running import COMMAND, running
from voiceloop.cli.surroundings import plain

OFFLINE = ("--config", "offline", "-i", "none", "-o", "none")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment without the developer's own config, key and sound."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE"))}
    return env | {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path), "PULSE_SERVER": f"unix:{tmp_path}/none"}


@pytest.mark.parametrize(
    ("char", "shown"), [("“", '"'), ("–", "-"), ("…", "..."), ("é", "e"), ("ő", "o"), ("漢", "?"), ("\udc80", "?")]
)
def test_what_an_encoding_lacks_is_shown_in_plain_letters(char: str, shown: str) -> None:
    assert plain(char) == shown


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252", "ascii:strict", "utf-8"])
def test_text_is_printed_in_any_encoding(encoding: str, env: dict[str, str]) -> None:
    code = "from voiceloop.cli import surroundings\nsurroundings.prepare()\n"
    code += "from voiceloop.cli.render import print_error, print_line\n"
    code += "text = '\\u201cé\\u2013漢\\u201d'\nprint_line(text)\nprint_error(text)\n"
    done = subprocess.run(
        [Path(COMMAND).with_name("python"), "-c", code],
        env=env | {"PYTHONIOENCODING": encoding},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    name = encoding.partition(":")[0]
    shown = {"ascii": '"e-?"', "iso-8859-1": '"é-?"', "cp1252": "“é–?”", "utf-8": "“é–漢”"}[name]
    assert done.stdout.decode(name) == done.stderr.decode(name) == f"{shown}\n"


@pytest.mark.parametrize("stdin", [b"caf\xe9", b"\xff\xfe"])
def test_standard_input_in_another_encoding_is_no_error(stdin: bytes, env: dict[str, str]) -> None:
    words = ("say", "-", "--config", "offline", "-o", "none", "--set", "speak.use=none")
    done = subprocess.run([COMMAND, *words], input=stdin, env=env, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr


def test_without_standard_input_there_is_nothing_to_say(env: dict[str, str]) -> None:
    done = subprocess.run(["bash", "-c", f"{COMMAND} say - <&-"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "nothing to say" in done.stderr


def test_a_user_without_a_home_gets_no_folder_named_tilde(env: dict[str, str], tmp_path: Path) -> None:
    """As in a container that runs under any number: no HOME, and no entry in the list of users."""
    without = {name: value for name, value in env.items() if name != "HOME"}
    code = "import os, sys, pwd\n"
    code += "def gone(_): raise KeyError\n"
    code += "pwd.getpwuid = gone\n"
    code += "import voiceloop.__main__ as m\n"
    code += "sys.argv = ['voiceloop', 'config', 'path']\nm.main()"
    python = Path(COMMAND).with_name("python")
    done = subprocess.run([python, "-c", code], env=without, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("/")
    assert not (tmp_path / "~").exists()


@contextmanager
def not_ignored(number: signal.Signals) -> Iterator[None]:
    """What a shell starts with `&` ignores SIGQUIT, and so does all that is started by it."""
    before = signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGQUIT])
def test_a_closed_terminal_ends_it_as_sigterm_does(number: signal.Signals, env: dict[str, str]) -> None:
    with not_ignored(number), running(*OFFLINE, env=env) as loop:
        loop.wait_for("ready")
        code, _ = loop.end(number)
        assert code == 0
    assert loop.named("stopped"), loop.errors  # in good order: turns, journal and programs are ended


def test_a_signal_that_the_parent_ignores_stays_ignored(env: dict[str, str], tmp_path: Path) -> None:
    out = tmp_path / "events"
    nohup = subprocess.Popen(
        ["bash", "-c", f"trap '' HUP; exec {COMMAND} run --json {' '.join(OFFLINE)} > {out}"], env=env
    )
    try:
        while not (out.exists() and '"ready"' in out.read_text()):
            assert nohup.poll() is None
        nohup.send_signal(signal.SIGHUP)
        nohup.send_signal(signal.SIGINT)
        assert nohup.wait(60) == 130
    finally:
        nohup.kill()
        nohup.wait()


def test_events_that_nobody_reads_stop_neither_control_nor_the_end(env: dict[str, str], tmp_path: Path) -> None:
    """As `voiceloop run --json | less`, or a terminal after Ctrl-S."""
    process = subprocess.Popen(
        [COMMAND, "run", "--json", *OFFLINE], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if json.loads(line)["event"] == "ready":
                break
        for _ in range(2_000):  # over 64 kB of events, which is what a pipe holds
            _ask(tmp_path / "voiceloop" / "run.sock", "toggle")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _ask(path: Path, command: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(60)
        sock.connect(str(path))
        sock.sendall(json.dumps({"do": command, "follow": False}).encode() + b"\n")
        assert json.loads(sock.makefile().readline())["ok"]
