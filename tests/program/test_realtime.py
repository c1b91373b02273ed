"""The installed program with `transcribe.use = "realtime"` on the loopback server, with a file as microphone."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from testbed.running import COMMAND
from testbed.serving import KEY, Serving, serving
from tests.program.test_captions import needs_prompts, spoken_file

pytestmark = needs_prompts
QUIET_S = 4
"""Between the utterances: after less, a busy machine may take both for one, or be connected again too late."""
TEXTS = ("Nobody is available to take your call", "Thank you for your patience.")
GIVEN = ("--openai", *(word for text in TEXTS for word in ("--text", text)))


def run(folder: Path, server: Serving, command: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a command on two utterances."""
    settings = {
        "transcribe.use": "realtime",
        "transcribe.base_url": server.url,
        "transcribe.api_key_env": "MY_KEY",
        "transcribe.model": "m",
        "hallucinations.phrases": "false",
    }
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    homes = {f"XDG_{name}_HOME": str(folder / name) for name in ("STATE", "CONFIG", "CACHE")}
    given = [COMMAND, command, "-i", f"file:{spoken_file(folder, quiet_s=QUIET_S)}", *sets, *words]
    env = os.environ | {"MY_KEY": KEY} | homes
    return subprocess.run(given, env=env, capture_output=True, text=True, check=True, timeout=120)


def events(done: subprocess.CompletedProcess[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        found.setdefault(event["event"], []).append(event)
    return found


def notices(told: dict[str, list[Any]]) -> list[str]:
    """The notices, but for that about the cost."""
    return [event["text"] for event in told["notice"] if not event["text"].startswith("Cost")]


def test_captions_show_words_while_they_are_spoken_and_post_nothing(tmp_path: Path) -> None:
    with serving(*GIVEN) as server:
        told = events(run(tmp_path, server, "captions", "--json"))
    assert [event["text"] for event in told["caption.final"]] == list(TEXTS)
    live = [event["unsure"] for event in told["caption.live"]]
    assert {"Nobody", "Nobody is", "Nobody is available"} <= set(live)
    assert server.posts("/audio/transcriptions") == []
    assert all(request["broken"] is None for request in server.requests)
    (stopped,) = told["captions.stopped"]
    assert stopped["posted_s"] == pytest.approx(stopped["heard_s"], abs=0.1)
    assert notices(told) == []


def test_a_connection_that_breaks_in_mid_utterance_loses_no_caption(tmp_path: Path) -> None:
    with serving(*GIVEN, "--socket-cut-s", "1.0") as server:
        told = events(run(tmp_path, server, "captions", "--json"))
    final = [event["text"] for event in told["caption.final"]]
    assert len(final) == 2
    assert set(final) <= set(TEXTS)
    assert server.posts("/audio/transcriptions")
    said = notices(told)
    assert len(said) == 2
    assert "speech is posted as clips" in said[0]
    assert said[1].endswith("speech is streamed again.")


@pytest.mark.parametrize("words", [(), ("--socket-refused",), ("--socket-cut-s", "1.0")])
def test_dictation_writes_all_that_was_said(words: tuple[str, ...], tmp_path: Path) -> None:
    with serving(*GIVEN, *words) as server:
        done = run(tmp_path, server, "dictate", "--to", "stdout")
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert set(lines) <= set(TEXTS)
    assert done.stderr.count("speech is posted as clips") == bool(words)
    assert len(server.posts("/audio/transcriptions")) == {"": 0, "--socket-refused": 2}.get("".join(words[:1]), 1)


def test_run_answers_what_was_streamed(tmp_path: Path) -> None:
    with serving(*GIVEN) as server:
        words = ("--set", "handler.use=echo", "--set", "speak.use=none", "-o", f"file:{tmp_path}/out.wav", "--json")
        told = events(run(tmp_path, server, "run", *words))
    assert server.posts("/audio/transcriptions") == []
    assert [event["text"] for event in told["transcript"]] == list(TEXTS)
