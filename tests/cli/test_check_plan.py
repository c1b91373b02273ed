"""What the check of each command tries: the configuration is loaded as the command itself loads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from voiceloop.cli.check_plan import Plan, plan_of
from voiceloop.config.choice import Command
from voiceloop.config.commands import load_command


@pytest.fixture(autouse=True)
def nothing_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OPENROUTER_API_KEY", "VOICELOOP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def plan(command: Command, *sets: str, source: str | None = None, device: str | None = None) -> Plan:
    return plan_of(command, load_command(command, source, sets, flag=None).config, device)


def test_each_command_is_tried_with_what_it_uses_and_nothing_else() -> None:
    parts = ["vad", "transcribe"]
    assert plan("run").names == ["microphone", "loudspeaker", "echo", *parts, "handler", "speak"]
    assert plan("dictate").names == ["microphone", *parts, "target"]
    assert plan("captions").names == ["sound heard", *parts]


def test_captions_hear_the_loudspeaker_unless_a_device_is_named() -> None:
    assert plan("captions", "audio.input=Yeti").config.audio.input == "monitor"
    assert plan("captions", device="file:talk.wav").config.audio.input == "file:talk.wav"
    assert plan("dictate", "audio.input=Yeti").config.audio.input == "Yeti"


def test_a_loudspeaker_that_dictation_is_configured_to_open_is_tried() -> None:
    assert plan("dictate", "audio.output=default").names[:3] == ["microphone", "loudspeaker", "echo"]


def test_only_the_servers_of_the_commands_own_parts_are_asked() -> None:
    servers = [f"{part}, server" for part in ("transcribe", "handler", "speak")]
    assert plan("run", source="assistant").names[-3:] == servers
    assert plan("captions", source="assistant").names[-1] == servers[0]
    assert plan("dictate", source="assistant").names[-1] == servers[0]


def test_the_server_that_translates_captions_is_asked_and_nothing_of_theirs_is_opened() -> None:
    translating = plan("captions", "handler.translate=fr")
    assert translating.names == ["sound heard", "vad", "transcribe", "handler, server"]
    assert "handler" not in translating.parts


def test_engines_and_servers_of_the_users_own_charge_nothing() -> None:
    own = ("transcribe.use=openai", "transcribe.model=x")
    assert plan("run").charged_by("transcribe") == ""
    assert plan("run", *own, "transcribe.base_url=http://192.168.1.5:9000/v1").charged_by("transcribe") == ""
    assert plan("run", *own, "transcribe.base_url=https://stt.example/v1").charged_by("transcribe") == "stt.example"
    assert plan("run", source="assistant").charged_by("speak") == "openrouter.ai"
