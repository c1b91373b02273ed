"""Every command against bad configs, settings, paths and environments: one clear error or a result, never a traceback.

In one process, because a hundred processes take minutes. What `main` does not know, it would show as a traceback.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from voiceloop.audio.wav import wav_bytes
from voiceloop.cli.main import app
from voiceloop.errors import VoiceloopError

LIGHT = ("transcribe.use=none", "speak.use=none", "vad.use=webrtc")
"""Parts that load no engine."""

CONFIGS = {
    "nothing": b"",
    "bytes": bytes(range(256)),
    "UTF-16": "[audio]".encode("utf-16"),
    "half a table": b"[audio\n",
    "a table as a number": b"audio = 3\n",
    "a table as a list": b"[[audio]]\ninput = 1\n",
    "deep lists": b"a = " + b"[" * 3_000 + b"]" * 3_000,
    "deep tables": b"[a" + b".a" * 3_000 + b"]\n",
    "a long number": b"[limits]\nmax_posts_per_minute = " + b"9" * 5_000,
    "no numbers": b"[audio]\ninput_latency = inf\n[segment]\nhangover_ms = nan\npreroll_ms = -inf\n",
    "a date": b"[audio]\ninput = 1979-05-27T07:32:00Z\n",
    "parts of other types": b"[vad]\nuse = 3\n[handler]\nuse = []\n[speak]\nuse = {a = 1}\n[transcribe]\nuse = ''\n",
    "parts without names": b"[vad]\nuse = ':'\n[handler]\nuse = 'a:'\n[speak]\nuse = '..:x'\n",
    "parts that are none": b"[vad]\nuse = 'json:loads'\n[handler]\nuse = 'sys:path'\n[speak]\nuse = 'os:environ'\n",
    "an address that is none": b"[openrouter]\nbase_url = 'http://[::1'\n",
    "a key in a folder": b"[openrouter]\napi_key_file = '/'\napi_key_env = ''\n",
    "a key of nobody": b"[openrouter]\napi_key_file = '~nobody_here/key'\napi_key_env = ''\n",
    "zeros": b"[segment]\nmax_utterance_s = 0\nonset_ms = 0\n[audio]\noutput_rate_hz = 0\n",
}
SETS = [
    *("", "=", "a=b", "audio=3", "audio.=3", ".=", "[a]=3", "audio.input=\0", 'audio.input="', "vad.use='''"),
    *("audio.input=" + "[" * 2_000, "a" + ".a" * 2_000 + "=1", "limits.max_posts_per_minute=" + "9" * 6_000),
]
PATHS = ["", "/", "~nobody_here/x", "x" * 5_000, "no/such/folder/file", "/dev/full", "a\nb"]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An environment without the developer's own; signals as they were, afterwards. Gives a WAV file."""
    for name in list(os.environ):
        if name.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE", "DBUS", "WAYLAND", "DISPLAY")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    monkeypatch.chdir(tmp_path)
    said = tmp_path / "said.wav"
    said.write_bytes(wav_bytes(bytes(6_400), 16_000))
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield said
    for number, handler in kept.items():
        signal.signal(number, handler)


def ends_well(*words: str) -> int:
    """Run a command as `main` does, but for its last line of defence; gives the exit code."""
    try:
        app(list(words), standalone_mode=True)
    except VoiceloopError as error:
        return error.exit_code if str(error) else -1
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 1
    return 0


def light(*sets: str) -> tuple[str, ...]:
    return tuple(word for setting in (*LIGHT, *sets) for word in ("--set", setting))


def loop(said: Path, *sets: str) -> tuple[str, ...]:
    """A whole session that ends by itself."""
    return ("run", "-i", f"file:{said}", "-o", "none", *light("handler.use=echo", *sets))


@pytest.mark.parametrize("config", CONFIGS)
def test_no_config_is_a_traceback(config: str, alone: Path, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(CONFIGS[config])
    for words in (("config", "show"), ("config", "path"), loop(alone)):
        ends_well(*words, "--config", str(path))


@pytest.mark.parametrize("setting", SETS, ids=lambda text: text[:16])
def test_no_setting_is_a_traceback(setting: str) -> None:
    assert ends_well("config", "show", "--set", setting) in {0, 2, 78}


def commands(path: str, said: Path) -> Iterator[Sequence[str]]:
    """Commands that are given a path."""
    yield ("config", "show", "--config", path)
    yield ("run", "-i", f"file:{path}", "-o", "none", *light("handler.use=echo"))
    yield ("run", "-i", f"file:{said}", "-o", f"file:{path}", *light("handler.use=echo"))
    yield (*loop(said), "--trace", path)
    yield ("trace", path)
    yield ("transcribe", path, *light())
    yield ("ctl", "status", "--name", path)
    text = path.replace("\n", "\\n")
    yield ("run", "-i", f"file:{said}", "-o", "none", *light("handler.use=command", f'handler.command="{text}"'))
    yield (
        *("run", "-i", f"file:{said}", "-o", "none"),
        *light("handler.use=command", "handler.command=cat", f'handler.cwd="{text}"'),
    )
    yield ("dictate", "-i", f"file:{said}", "--set", "transcribe.use=none", "--set", f'handler.to="file:{text}"')
    yield ("captions", "-i", f"file:{said}", "--set", "transcribe.use=none", "--set", f'handler.srt="{text}"')
    for use in ("moonshine", "whisper", "parakeet"):
        yield ("transcribe", str(said), "--set", f"transcribe.use={use}", "--set", f'transcribe.model="{text or "-"}"')
    yield ("say", "hi", "-o", "none", "--set", "speak.use=piper", "--set", f'speak.voice="{text}"')


@pytest.mark.parametrize("path", PATHS, ids=lambda text: text[:16])
def test_no_path_is_a_traceback(path: str, alone: Path) -> None:
    for words in commands(path, alone):
        ends_well(*words)


@pytest.mark.parametrize("path", PATHS, ids=lambda text: text[:16])
@pytest.mark.parametrize("variable", ["XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "VOICELOOP_CONFIG"])
def test_no_environment_is_a_traceback(variable: str, path: str, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, path)
    for words in (loop(alone), ("config", "show"), ("ctl", "status"), ("config", "choose", "captions", "local")):
        ends_well(*words)
