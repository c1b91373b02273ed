"""The line about a language model on this machine, while `run` starts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from testbed.ollama import Ollama, serving_ollama
from voiceloop.cli.suggesting import has_no_model, suggest
from voiceloop.config.commands import CommandLoaded, load_command
from voiceloop.net import local_servers


@pytest.fixture(autouse=True)
def nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)


def test_only_a_handler_that_nobody_chose_is_to_be_improved_upon(monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_no_model(load_command("run"))
    assert has_no_model(load_command("run", sets=["speak.use=none"]))
    assert not has_no_model(load_command("run", "offline"))
    assert not has_no_model(load_command("run", "local"))
    assert not has_no_model(load_command("run", sets=["handler.use=echo"]))
    assert not has_no_model(load_command("dictate"))
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-test")
    assert not has_no_model(load_command("run"))


async def said(command: CommandLoaded) -> list[str]:
    """What is said about the server at Ollama's address."""
    lines: list[str] = []

    def publish(name: str, /, **fields: object) -> None:
        assert name == "notice"
        lines.append(str(fields["text"]))

    await suggest(command, publish)
    return [line for line in lines if line.startswith("Ollama")]


async def test_a_server_is_told_with_the_command_that_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_servers, "probe", partial(local_servers.probe, within_s=10))  # also on a busy machine
    with serving_ollama(Ollama(models=("gemma3:4b",))) as ollama:
        monkeypatch.setenv("OLLAMA_HOST", f"127.0.0.1:{ollama.port}")
        assert await said(load_command("run", "offline")) == []
        assert ollama.requests == []
        command = "voiceloop run --config local"
        sets = f"--set handler.base_url={ollama.url} --set handler.model=gemma3:4b"
        assert await said(load_command("run")) == [f"Ollama answers here with gemma3:4b: {command} {sets}"]
