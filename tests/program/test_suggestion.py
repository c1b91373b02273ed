"""The installed `run`, started by somebody at a terminal, while a language model listens on that machine."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from testbed.ollama import Ollama, serving_ollama
from testbed.running import COMMAND
from voiceloop.audio.wav import wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ

pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")


def run_at_terminal(home: Path, ollama_host: str, *, terminal: bool) -> str:
    """What `run` prints on standard error: a terminal, or a pipe."""
    wav = home / "quiet.wav"
    wav.write_bytes(wav_bytes(bytes(CAPTURE_RATE_HZ), CAPTURE_RATE_HZ))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE"))}
    env = kept | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "OLLAMA_HOST": ollama_host}
    ours, theirs = pty.openpty() if terminal else os.pipe()
    words = [COMMAND, "run", "-o", "none", "-i", f"file:{wav}"]
    with subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs):
        os.close(theirs)
        printed = b""
        try:
            while piece := os.read(ours, 65_536):
                printed += piece
        except OSError:  # Linux's answer at a terminal whose other end is closed
            pass
    os.close(ours)
    return printed.decode()


def test_a_model_on_this_machine_is_told_with_the_command_before_the_microphone_opens(tmp_path: Path) -> None:
    with serving_ollama(Ollama(models=("gemma3:4b", "qwen3:4b"))) as ollama:
        printed = run_at_terminal(tmp_path, f"127.0.0.1:{ollama.port}", terminal=True)
    command = f"voiceloop run --config local --set handler.base_url={ollama.url}"
    line = f"Ollama answers here with qwen3:4b and 1 more: {command}"
    assert printed.count(line) == 1, printed
    assert printed.index(line) < printed.index("Listening")
    assert ollama.requests == [("/v1/models", None)]


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    with serving_ollama() as ollama:
        printed = run_at_terminal(tmp_path, f"127.0.0.1:{ollama.port}", terminal=False)
    assert "Listening" in printed
    assert ollama.requests == []
