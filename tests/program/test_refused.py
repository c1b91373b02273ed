"""A server that isn't running: the turn ends soon, and says what to do."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from testbed.running import running, voiceloop
from voiceloop.audio.wav import read_wav, wav_bytes

pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")
pytest.importorskip("hibari", reason="the extra 'local' is not installed")


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment without the developer's config and key."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG"))}
    return env | {"HOME": str(tmp_path)}


@pytest.fixture
def nobody() -> str:
    """An address of this machine at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v1"


def own_server(part: str, url: str) -> tuple[str, ...]:
    """The options for a part that uses a server of the user's own."""
    use = "chat" if part == "handler" else "openai"
    keys = {"use": use, "model": "x", "base_url": url, "api_key_env": ""}
    return tuple(word for key, value in keys.items() for word in ("--set", f"{part}.{key}={value}"))


@pytest.mark.parametrize("part", ["handler", "transcribe"])
def test_a_turn_whose_server_refuses_ends_soon_with_one_line(
    part: str, env: dict[str, str], nobody: str, tmp_path: Path
) -> None:
    spoken = tmp_path / "spoken.wav"
    code, _, errors = voiceloop("say", "Hello there.", "--config", "offline", "--save", str(spoken), env=env)
    assert code == 0, errors
    clip = read_wav(spoken)
    spoken.write_bytes(wav_bytes(clip.pcm + bytes(2 * 4 * clip.rate_hz), clip.rate_hz))
    quiet = ("--set", "control.enabled=false", "--set", "preemptive.enabled=false")
    words = ("--config", "offline", "-i", f"file:{spoken}", "-o", "none", *own_server(part, nobody), *quiet)
    with running(*words, env=env) as program:
        failed = program.wait_for("turn.failed")
        began = program.named("speech.ended" if part == "transcribe" else "transcript")[0]
        # Within a second, as tests/net/test_client.py measures in virtual time. Others are tried again for 20 s.
        assert failed.at - began.at < 6
        line = str(failed.fields["error"])
        assert line.startswith(f"{nobody}/")
        assert "no connection: Connection refused; tried " in line
        assert "Start the server, or correct base_url. To go on without it: voiceloop run --config offline" in line
        assert [event for event in program.named("notice") if "retrying" in str(event.fields["text"])] == []


def test_the_check_names_the_server_that_refuses_and_fails(env: dict[str, str], nobody: str) -> None:
    words = ("check", "--config", "offline", "-i", "none", "-o", "none", *own_server("handler", nobody))
    code, out, _ = voiceloop(*words, env=env)
    assert code == 69
    (line,) = [line for line in out.splitlines() if not line.startswith("ok")]
    assert line.startswith(f"no  handler, server    {nobody}/models: no connection: Connection refused. Start")


@pytest.mark.parametrize("command", ["run", "dictate", "captions"])
def test_nobody_is_asked_to_speak_where_nobody_reads_along(command: str, env: dict[str, str], tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    silence.write_bytes(wav_bytes(bytes(32_000), 16_000))
    target = ("--set", "handler.to=stdout") if command == "dictate" else ()
    output = ("-o", "none") if command == "run" else ()
    code, out, errors = voiceloop("check", command, "-i", f"file:{silence}", *output, *target, env=env)
    assert code == 0, out + errors
    assert "your voice" not in out
    assert "Say something" not in out + errors
