"""The engines of this machine, by the installed command: they report to nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.running import voiceloop
from testbed.voices import prompt
from voiceloop.audio.wav import wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ

pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")

# Those that load ONNX Runtime. Whisper doesn't.
ENGINES = {
    "moonshine": ("transcribe", "spoken.wav", "--set", "transcribe.use=moonshine"),
    "hibari": ("say", "Hello.", "-o", "none", "--set", "speak.use=hibari"),
    "piper": ("say", "Hello.", "-o", "none", "--set", "speak.use=piper", "--set", "speak.voice=en_US-joe-medium"),
}
PACKAGES = {"hibari": "hibari", "piper": "piper"}


def environment(home: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "ORT_"))}
    return kept | {"HOME": str(home)}


@pytest.mark.parametrize("engine", ENGINES)
def test_onnx_runtime_makes_no_identifier_to_report_by(engine: str, tmp_path: Path) -> None:
    pytest.importorskip(PACKAGES.get(engine, "moonshine_voice"))
    (tmp_path / "spoken.wav").write_bytes(wav_bytes(prompt("please-try-again").pcm, CAPTURE_RATE_HZ))
    words = [word.replace("spoken.wav", str(tmp_path / "spoken.wav")) for word in ENGINES[engine]]
    code, _, errors = voiceloop(*words, "--config", "offline", env=environment(tmp_path))
    assert code == 0, errors
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name or path.name == "deviceid"] == []
