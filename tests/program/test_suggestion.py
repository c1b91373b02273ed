"""What the installed commands suggest to somebody at a terminal: a language model on that machine, a larger model."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest

from testbed.ollama import Ollama, serving_ollama
from testbed.patching import patched
from testbed.running import COMMAND
from voiceloop.audio.wav import wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ

pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")


RUN = ("run", "-o", "none")
PATIENT = "from voiceloop.net import local_servers\nlocal_servers.probe.__kwdefaults__['within_s'] = 60.0\n"
"""A busy machine's server, too, is found."""


def printed_by(*words: str, home: Path, terminal: bool, **environment: str) -> str:
    """What a command, which hears silence, prints on standard error: a terminal, or a pipe."""
    wav = home / "quiet.wav"
    wav.write_bytes(wav_bytes(bytes(CAPTURE_RATE_HZ), CAPTURE_RATE_HZ))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE"))}
    env = patched(kept | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home)} | environment, home / "python", PATIENT)
    ours, theirs = pty.openpty() if terminal else os.pipe()
    command = [COMMAND, *words, "-i", f"file:{wav}"]
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=theirs):
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
        printed = printed_by(*RUN, home=tmp_path, terminal=True, OLLAMA_HOST=f"127.0.0.1:{ollama.port}")
    command = f"voiceloop run --config local --set handler.base_url={ollama.url}"
    line = f"Ollama answers here with qwen3:4b and 1 more: {command}"
    assert printed.count(line) == 1, printed
    assert printed.index(line) < printed.index("Listening")
    assert ollama.requests == [("/v1/models", None)]


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    with serving_ollama() as ollama:
        printed = printed_by(*RUN, home=tmp_path, terminal=False, OLLAMA_HOST=f"127.0.0.1:{ollama.port}")
    assert "Listening" in printed
    assert ollama.requests == []


OFFER = "A larger model for writing: base-en (141 MB, MIT). To fetch it: voiceloop models get base-en"
WRITING = {
    "dictate": ("dictate", "--to", "stdout", "--set", "control.notify=false"),
    "captions": ("captions",),
}


@pytest.mark.parametrize("command", WRITING)
def test_a_larger_model_is_offered_once_to_who_writes(command: str, tmp_path: Path) -> None:
    first, second = (printed_by(*WRITING[command], home=tmp_path, terminal=True, LC_ALL="C") for _ in range(2))
    assert first.count(OFFER) == 1, first
    assert "Listening" in second
    assert "models get" not in second


def test_who_speaks_another_language_is_offered_its_model(tmp_path: Path) -> None:
    printed = printed_by(*WRITING["dictate"], home=tmp_path, terminal=True, LC_ALL="de_DE.UTF-8")
    assert "For the language 'de': small (about 486 MB, MIT). To fetch it: voiceloop models get small" in printed


def test_without_a_terminal_no_model_is_offered_and_the_offer_is_kept_for_later(tmp_path: Path) -> None:
    assert "models get" not in printed_by(*WRITING["dictate"], home=tmp_path, terminal=False, LC_ALL="C")
    assert OFFER in printed_by(*WRITING["dictate"], home=tmp_path, terminal=True, LC_ALL="C")


def test_an_offer_that_cannot_be_remembered_is_not_made_at_every_start(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("a file in place of the folder")
    printed = printed_by(*WRITING["dictate"], home=tmp_path, terminal=True, LC_ALL="C", XDG_STATE_HOME=str(state))
    assert "Listening" in printed
    assert "models get" not in printed


def test_a_model_that_is_on_the_disk_already_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "data" / "voiceloop" / "models" / "base-en").mkdir(parents=True)
    data = str(tmp_path / "data")
    printed = printed_by(*WRITING["dictate"], home=tmp_path, terminal=True, LC_ALL="C", XDG_DATA_HOME=data)
    assert "Listening" in printed
    assert "models get" not in printed
