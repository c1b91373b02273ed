"""Every command against bad environments, configs, caches and files: a result or one clear error, never a traceback.

In one process, as in `test_no_traceback.py`. What `main` does not know, it would show as a traceback.
"""

from __future__ import annotations

import os
import pwd
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer.main

from tests.cli.test_no_traceback import CONFIGS
from voiceloop.audio.wav import wav_bytes
from voiceloop.cli.main import app
from voiceloop.errors import VoiceloopError

GOOD = {0, 2, 69, 74, 77, 78}
"""The exit codes that docs/reference.md names."""
NOWHERE = "openrouter.base_url=http://127.0.0.1:9/v1"
"""An address where nothing listens."""

QUIET = ("--set", "transcribe.use=none", "--set", "control.notify=false")
LIGHT = ("--set", "handler.use=echo", "--set", "speak.use=none", "--set", "vad.use=webrtc")
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", "-i", "file:said.wav", "-o", "none", *QUIET, *LIGHT),
    "captions": ("captions", "-i", "file:said.wav", "--srt", "said.srt", *QUIET),
    "dictate": ("dictate", "-i", "file:said.wav", "--to", "stdout", *QUIET),
    "ctl": ("ctl", "status"),
    "say": ("say", "hi", "-o", "none", "--set", "speak.use=none"),
    "transcribe": ("transcribe", "said.wav", "--set", "transcribe.use=none"),
    "transcribe --pending": ("transcribe", "--pending", "--set", "transcribe.use=none"),
    "trace": ("trace", "session.jsonl"),
    "check": ("check", "-i", "none", "-o", "none", "--set", "transcribe.use=none", "--set", "speak.use=none"),
    "devices": ("devices",),
    "plugins": ("plugins",),
    "config show": ("config", "show"),
    "config show captions": ("config", "show", "captions"),
    "config choose": ("config", "choose", "captions", "local"),
    "config schema": ("config", "schema"),
    "config path": ("config", "path"),
    "config init": ("config", "init"),
    "models": ("models", "--speech", "--set", NOWHERE, "--set", "openrouter.retry.max_elapsed_s=0"),
    "models list": ("models", "list", "--local"),
    "models get": ("models", "get", "no-such-model"),
    "models remove": ("models", "remove", "no-such-model", "--yes"),
    "service install": ("service", "install", "dictate"),
    "service status": ("service", "status"),
    "service remove": ("service", "remove", "dictate"),
}
SLOW = frozenset({"devices", "check"})
"""Commands that open the sound system: they read little of what is bad here, so they meet a part of it."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder with a recording, and no program that a command could start: no service manager is asked."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith(
            ("OPENROUTER", "OPENAI", "VOICELOOP", "XDG", "PULSE", "DBUS", "WAYLAND", "DISPLAY")
        ):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    me = list(pwd.getpwuid(os.getuid()))
    me[5] = str(tmp_path)  # without HOME the list of users names the home folder: never the developer's own
    monkeypatch.setattr(pwd, "getpwuid", lambda _: pwd.struct_passwd(me))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "said.wav").write_bytes(wav_bytes(bytes(6_400), 16_000))
    (tmp_path / "session.jsonl").write_text("")
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    kept = {number: signal.getsignal(number) for number in numbers}
    yield tmp_path
    for number, handler in kept.items():
        signal.signal(number, handler)


def outcome(*words: str) -> tuple[int, str]:
    """Run a command as `main` does, but for its last line of defence; gives the exit code and the error's text."""
    try:
        app(list(words), standalone_mode=True)
    except VoiceloopError as error:
        return error.exit_code, str(error)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1, ""
    return 0, ""


def check(capfd: pytest.CaptureFixture[str], *, slow: bool = False, only: tuple[str, ...] = ()) -> None:
    """Every command ends with a code that the documents name; a ConfigError alone may have several lines."""
    for name, words in COMMANDS.items():
        if (only and name not in only) or (name in SLOW and not slow):
            continue
        code, error = outcome(*words)
        shown = capfd.readouterr().err
        assert code in GOOD, (name, code, error, shown)
        assert "Traceback" not in shown, (name, shown)
        assert "\n" not in error or code == 78, (name, error)
        assert error or not code or shown.strip() or name.startswith(("check", "service status")), (name, code)


def test_the_table_has_every_command() -> None:
    group = typer.main.get_command(app)
    names = set()
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        names |= {f"{name} {sub}" for sub in inner} if inner else {name}
    assert {re.sub(r" (--pending|captions)$", "", name) for name in COMMANDS} | {"models list"} >= names


def test_a_usual_home(capfd: pytest.CaptureFixture[str]) -> None:
    check(capfd, slow=True)


@pytest.mark.parametrize("config", CONFIGS)
def test_bad_configs(
    config: str, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = home / "config.toml"
    path.write_bytes(CONFIGS[config])
    monkeypatch.setenv("VOICELOOP_CONFIG", str(path))
    check(capfd)


ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "no home": {"HOME": None},
    "an empty home": {"HOME": ""},
    "a relative home": {"HOME": "here/../there"},
    "a home that is a file": {"HOME": "{home}/said.wav"},
    "a home that can't be written": {"HOME": "/proc/self"},
    "a runtime folder that can't be written": {"XDG_RUNTIME_DIR": "/proc/self"},
    "a runtime folder that is a file": {"XDG_RUNTIME_DIR": "{home}/said.wav"},
    "no runtime folder": {"XDG_RUNTIME_DIR": None},
    "folders that can't be written": dict.fromkeys(
        ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), "/proc/self"
    ),
    "folders that are files": dict.fromkeys(
        ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), "{home}/said.wav"
    ),
    "folders with names that are no text": dict.fromkeys(
        ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"), "{home}/\udcff"
    ),
    "a plain locale": {"LANG": "C", "LC_ALL": "C", "LANGUAGE": None},
    "a locale that isn't there": {"LANG": "xx_YY.UTF-99", "LC_ALL": "xx_YY.UTF-99"},
    "a proxy that is no address": {"HTTP_PROXY": "http://[::1", "HTTPS_PROXY": "http://[::1", "ALL_PROXY": "::"},
    "a proxy of another kind": {"HTTPS_PROXY": "gopher://a.b:70", "ALL_PROXY": "socks9://a.b", "http_proxy": "x"},
    "a proxy with a bad port": {"HTTPS_PROXY": "http://a.b:99999", "ALL_PROXY": "http://a.b:x", "http_proxy": "http://:"},
    "a list of hosts without proxies that is none": {"NO_PROXY": "[::1],fe80::/10,*,,\udcff,a b"},
    "a terminal of no kind": {"TERM": "", "COLUMNS": "many", "LINES": "-1"},
    "no temporary folder": {"TMPDIR": "/no/such/folder"},
    "certificates that aren't there": {"SSL_CERT_FILE": "/no/such/file", "SSL_CERT_DIR": "/no/such/folder"},
    "a key that is no key": {"OPENROUTER_API_KEY": "a\nb\udcff"},
    "variables of another process": {"VOICELOOP_HANDED_OVER": "x", "VOICELOOP_STARTED_ANEW": "x y 1e999 -1"},
    "a descriptor of another process": {"VOICELOOP_HANDED_OVER": "99999999999999999999"},
    "sound and desktop servers that aren't there": {
        "PULSE_SERVER": "tcp:[", "DISPLAY": ":x.y.z", "WAYLAND_DISPLAY": "/" * 300, "DBUS_SESSION_BUS_ADDRESS": "unix:",
    },
}  # fmt: skip


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_bad_environments(
    environment: str, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in ENVIRONMENTS[environment].items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value.replace("{home}", str(home)))
    check(capfd, slow="sound" in environment)


def test_no_entry_in_the_list_of_users(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def gone(_: object) -> None:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setenv("HOME", "/")  # as the program sets it then (`surroundings.py`)
    for name in ("USER", "LOGNAME", "USERNAME", "LNAME"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CONFIG", "STATE", "CACHE", "DATA"):  # so that nothing is written into `/`
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name))
    monkeypatch.setattr(pwd, "getpwuid", gone)
    check(capfd)


RUBBISH: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: path.write_bytes(b""),
    "bytes": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "an empty list": lambda path: path.write_text("[]"),
    "null": lambda path: path.write_text("null"),
    "a list of nulls": lambda path: path.write_text('{"data": [null, 3, {"id": 4}], "time": "x", "version": []}'),
    "deep lists": lambda path: path.write_text("[" * 100_000),
    "a long number": lambda path: path.write_text('{"time": ' + "9" * 5_000 + ', "at": 1e999}'),
    "a folder": lambda path: path.mkdir(),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("gone"),
}


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_in_place_of_what_the_program_has_written(
    rubbish: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In the cache, the state, the data and the config."""
    check(capfd, only=("config choose", "config init", "service install", "models", "run"))  # they write files
    written = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    more = ["catalogue.json", "choices.toml", "offered", "20260102-030405-678901.000001/entry.json"]
    folders = [home / ".cache/voiceloop", home / ".local/state/voiceloop", home / ".local/share/voiceloop"]
    folders += [home / ".config/voiceloop", home / ".local/state/voiceloop/unsent"]
    places = {*written, *(folder / name for folder in folders for name in more)} - {home / "said.wav"}
    for path in sorted(places, reverse=True):
        if path.is_file():
            path.unlink()
    for path in sorted(places):
        if not path.exists() and not path.is_symlink():
            path.parent.mkdir(parents=True, exist_ok=True)
            RUBBISH[rubbish](path)
    check(capfd)


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_in_place_of_a_folder_of_the_program(
    rubbish: str, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("state/voiceloop/unsent", "share/voiceloop/models", "share/applications"):
        path = home / ".local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        RUBBISH[rubbish](path)
    RUBBISH[rubbish](home / "voiceloop")  # in the runtime folder
    check(capfd)


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_in_place_of_a_file_that_is_named(rubbish: str, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("said.wav", "session.jsonl"):
        (home / name).unlink()
        RUBBISH[rubbish](home / name)
    check(capfd, only=("run", "captions", "dictate", "transcribe", "trace"))


TRACES = [
    b'{"event": "trace", "version": 99}\n',
    b'{"event": "turn.done", "turn": "x", "marks": [1]}\n{"event": "turn.done", "turn": 1, "marks": {"text": "x"}}\n',
    b'{"t": 1}\n{"t": -1e308}\n{"t": null}\n',
    b"\xef\xbb\xbf{}\n",
    b'{"event": {"a": 1}}\n[1]\n"x"\n3\n',
]


@pytest.mark.parametrize("trace", TRACES)
def test_rubbish_as_a_trace(trace: bytes, home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (home / "session.jsonl").write_bytes(trace)
    for more in ((), ("--perfetto", "out.json"), ("--html", "out.html"), ("--html", "no/such/out.html")):
        code, error = outcome("trace", "session.jsonl", *more)
        assert code in GOOD
        assert "\n" not in error
        assert "Traceback" not in capfd.readouterr().err
