"""The cost of a session, as the installed program reports it, and the speech that a limit kept from being sent."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from testbed.running import COMMAND, voiceloop
from testbed.serving import KEY, Serving, serving
from voiceloop.audio.wav import read_wav, wav_bytes

Env = dict[str, str]


@pytest.fixture
def env(tmp_path: Path) -> Env:
    return environment(tmp_path)


def environment(folder: Path) -> Env:
    """An environment without the developer's own config, key, caches and sound."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE"))}
    gone = f"unix:{folder}/no-server"
    return env | {"HOME": str(folder), "OPENROUTER_API_KEY": KEY, "PULSE_SERVER": gone}


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two utterances, each followed by 6 s of silence for the reply, also of a busy machine."""
    folder = tmp_path_factory.mktemp("spoken")
    path = folder / "spoken.wav"
    words = ("say", "How late is it now?", "--config", "offline", "--save", str(path))
    code, _, errors = voiceloop(*words, env=environment(folder))
    assert code == 0, errors
    clip = read_wav(path)
    pause = bytes(2 * 6 * clip.rate_hz)
    path.write_bytes(wav_bytes((clip.pcm + pause) * 2, clip.rate_hz))
    return path


def run(server: Serving, spoken: Path, env: Env, *words: str) -> subprocess.CompletedProcess[str]:
    command = [COMMAND, "run", "--config", "assistant", "-i", f"file:{spoken}", "-o", "none"]
    command += ["--set", f"openrouter.base_url={server.url}", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)


def stopped(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    events = [json.loads(line) for line in done.stdout.splitlines()]
    found: dict[str, Any] = next(event for event in events if event["event"] == "stopped")
    return found


def test_the_cost_of_a_session_is_reported_at_its_end_in_words_and_in_json(env: Env, spoken: Path) -> None:
    with serving("--catalogue", "--reply", "Noon.") as server, ThreadPoolExecutor() as threads:
        in_json = threads.submit(run, server, spoken, env, "--json", "--set", "control.enabled=false")
        done = run(server, spoken, env)
        assert done.returncode == 0, done.stderr
        # Two transcriptions at 0.0001, two answers at 0.0002. Speech reports no cost, and no price list is known.
        assert "Stopped. 6 requests, 0.000600 USD.\n" in done.stderr
        usage = stopped(in_json.result())["usage"]
        assert usage["cost_usd"] == pytest.approx(0.0006)
        assert (usage["requests"], usage["estimated_usd"], usage["characters"]) == (6, None, 10)
        assert len(usage["generation_ids"]) == 6


def test_the_cost_of_speech_is_estimated_once_the_price_list_is_known(env: Env, spoken: Path) -> None:
    with serving("--catalogue", "--reply", "Noon.") as server, ThreadPoolExecutor() as threads:
        address = ("--set", f"openrouter.base_url={server.url}")
        assert voiceloop("models", "--speech", *address, env=env)[0] == 0
        in_json = threads.submit(run, server, spoken, env, "--json", "--set", "control.enabled=false")
        done = run(server, spoken, env)
        assert "Stopped. 6 requests, 0.000600 USD and about 0.000006 USD by listed prices.\n" in done.stderr
        usage = stopped(in_json.result())["usage"]
        assert usage["estimated_usd"] == pytest.approx(10 * 0.6e-6)


def test_speech_kept_because_of_a_limit_is_transcribed_by_one_command_and_removed(env: Env, spoken: Path) -> None:
    with serving("--text", "how late is it", "--text", "how late is it now") as server:
        done = run(server, spoken, env, "--set", "limits.max_cost_per_session=0.00005")
        assert "nothing more is sent. Start again (the count begins at zero) or raise this limit" in done.stderr
        assert "'voiceloop transcribe --pending' with the same --config or --cloud transcribes it" in done.stderr
        assert len(server.posts("/audio/transcriptions")) == 1
        words = ("transcribe", "--pending", "--config", "assistant", "--set", f"openrouter.base_url={server.url}")
        code, text, errors = voiceloop(*words, env=env)
        assert (code, text) == (0, "how late is it now\n"), errors
        code, text, errors = voiceloop(*words, env=env)
        assert (code, text, errors) == (0, "", "Nothing is pending: everything that was said has been delivered.\n")


def test_kept_speech_that_cannot_be_transcribed_stays_kept(env: Env, spoken: Path) -> None:
    folder = Path(env["HOME"]) / ".local/state/voiceloop/unsent"
    folder.mkdir(parents=True)
    (folder / "1.wav").write_bytes(spoken.read_bytes())
    with serving() as server:
        gone = server.url
    words = ("transcribe", "--pending", "--config", "assistant", "--set", "openrouter.retry.max_elapsed_s=0")
    code, _, errors = voiceloop(*words, "--set", f"openrouter.base_url={gone}", env=env)
    assert (code, len(list(folder.iterdir()))) == (69, 1), errors
    code, _, errors = voiceloop(*words, "--set", "transcribe.use=none", env=env)
    assert (code, len(list(folder.iterdir()))) == (2, 1), errors


def test_transcribe_needs_either_a_file_or_the_pending_option(env: Env) -> None:
    assert voiceloop("transcribe", env=env)[0] == 2
    assert voiceloop("transcribe", "--pending", "a.wav", env=env)[0] == 2
