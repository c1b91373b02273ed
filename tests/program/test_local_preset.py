"""The installed `run --config local`: heard on this machine, answered by Ollama, spoken on this machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from testbed.ollama import Ollama, serving_ollama
from testbed.running import voiceloop
from testbed.voices import prompt
from voiceloop.audio.wav import wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ

pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")
pytest.importorskip("hibari", reason="the extra 'local' is not installed")


def run_local(home: Path, ollama: Ollama, *words: str) -> list[dict[str, Any]]:
    """The events of a run that hears one recorded sentence, with no key and a proxy that leads nowhere."""
    silence = bytes(2 * CAPTURE_RATE_HZ)
    wav = home / "spoken.wav"
    wav.write_bytes(wav_bytes(silence + prompt("please-try-again").pcm + silence, CAPTURE_RATE_HZ))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE"))}
    env = kept | {"HOME": str(home), "XDG_RUNTIME_DIR": str(home), "HTTP_PROXY": "http://127.0.0.1:9"}
    options = ("--config", "local", "--set", f"handler.base_url={ollama.url}", *words)
    code, output, errors = voiceloop("run", "-o", "none", "--json", "-i", f"file:{wav}", *options, env=env)
    assert code == 0, (output, errors)
    return [json.loads(line) for line in output.splitlines()]


def texts(events: list[dict[str, Any]], name: str) -> list[str]:
    return [str(event.get("text", event.get("error"))) for event in events if event["event"] == name]


def test_a_spoken_sentence_is_answered_by_the_model_that_was_loaded_and_does_not_think(tmp_path: Path) -> None:
    with serving_ollama() as ollama:
        events = run_local(tmp_path, ollama)
    assert texts(events, "reply") == ["It is noon."], events
    assert ollama.loaded == ["qwen3:4b"]
    asked = ollama.asked("/v1/chat/completions")
    assert asked
    assert {body["reasoning_effort"] for body in asked} == {"none"}
    assert asked[-1]["messages"][-1]["content"].lower().startswith("please try again")


def test_a_model_that_is_not_there_is_told_with_one_that_is(tmp_path: Path) -> None:
    with serving_ollama(Ollama(models=("gemma3:4b",))) as ollama:
        events = run_local(tmp_path, ollama)
        assert "--set handler.model=gemma3:4b, or fetch it: ollama pull qwen3:4b" in " ".join(texts(events, "notice"))
        assert "Start with: --set handler.model=gemma3:4b" in " ".join(texts(events, "turn.failed"))
        events = run_local(tmp_path, ollama, "--set", "handler.model=gemma3:4b")
        assert texts(events, "reply") == ["It is noon."]
