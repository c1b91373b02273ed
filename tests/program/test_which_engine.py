"""The installed `run`, `dictate` and `captions` that nobody configured: what each uses and says.

Each runs with and without a key, a network, and Ollama on this machine.

The table is printed by: pytest -s tests/program/test_which_engine.py
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from testbed.ollama import serving_ollama
from testbed.running import voiceloop
from testbed.serving import KEY, Serving, serving
from testbed.voices import prompt
from voiceloop.audio.wav import wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ

pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")
pytest.importorskip("hibari", reason="the extra 'local' is not installed")

NOTHING_LISTENS = "127.0.0.1:9"
SPOKEN = "please try again"
FROM_CLOUD = "these are the words of the cloud"
HERE = "Speech is transcribed by Moonshine on this machine."
NO_NETWORK = "http://no.such.host.invalid/v1"
COMMANDS = {
    "run": ("run", "-o", "none"),
    "dictate": ("dictate", "--set", "control.notify=false"),
    "dictate --cloud": ("dictate", "--set", "control.notify=false", "--cloud"),
    "captions": ("captions",),
    "captions --cloud": ("captions", "--cloud"),
}
AT_ONCE = 5


@dataclass(frozen=True)
class Row:
    """What a machine has."""

    key: bool
    network: bool
    ollama: bool

    def __str__(self) -> str:
        return ", ".join(
            f"{'' if there else 'no '}{name}"
            for name, there in (("key", self.key), ("network", self.network), ("Ollama", self.ollama))
        )


ROWS = [Row(*having) for having in itertools.product((False, True), repeat=3)]


@dataclass(frozen=True)
class Cell:
    """What a command said and did on a machine."""

    code: int
    events: list[dict[str, Any]]
    errors: str
    posts: int
    """Requests to OpenRouter's stand-in."""

    def texts(self, *names: str) -> list[str]:
        """The texts and errors of some events."""
        return [str(event.get("text", event.get("error"))) for event in self.events if event["event"] in names]

    @property
    def said(self) -> str:
        """The sentence about the engines, or the error that ended the command."""
        return next(iter(self.texts("engines")), self.errors.strip())

    @property
    def heard(self) -> str:
        """The words that were transcribed, in lower case without marks."""
        text = " ".join(self.texts("transcript", "caption.final"))
        return "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ").strip()

    @property
    def failed(self) -> str:
        return " ".join(self.texts("turn.failed", "caption.failed"))


def environment(folder: Path, row: Row, base_url: str, ollama: str) -> dict[str, str]:
    """The environment on a machine: a home with a config file that names no engine."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE"))}
    (folder / "run").mkdir(mode=0o700, parents=True)
    config = folder / ".config" / "voiceloop" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'[openrouter]\nbase_url = "{base_url}"\nretry.max_elapsed_s = 0\n')
    key = {"OPENROUTER_API_KEY": KEY} if row.key else {}
    return kept | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "run"), "OLLAMA_HOST": ollama} | key


def attempt(folder: Path, row: Row, command: str, ollama: str) -> Cell:
    """Run a command on a machine, with a recorded sentence as its microphone."""
    silence = bytes(2 * CAPTURE_RATE_HZ)
    wav = folder / "spoken.wav"
    folder.mkdir(parents=True)
    wav.write_bytes(wav_bytes(silence[: len(silence) // 2] + prompt("please-try-again").pcm + silence, CAPTURE_RATE_HZ))
    words = [*COMMANDS[command], "--json", "-i", f"file:{wav}"]
    words += ["--to", f"file:{folder / 'text'}"] if command.startswith("dictate") else []
    with ExitStack() as stack:
        server: Serving | None = None
        if row.network:
            server = stack.enter_context(serving("--text", FROM_CLOUD, "--reply", "Noon."))
        env = environment(folder / "home", row, server.url if server is not None else NO_NETWORK, ollama)
        code, output, errors = voiceloop(*words, env=env)
    requests = server.requests if server is not None else []  # complete, now that the server has ended
    posts = sum(request["method"] == "POST" for request in requests)
    return Cell(code, [json.loads(line) for line in output.splitlines()], errors, posts)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[Row, str], Cell]:
    """Every command on every machine."""
    folder = tmp_path_factory.mktemp("which")
    found: dict[tuple[Row, str], Cell] = {}
    for there in (False, True):
        with ExitStack() as stack, ThreadPoolExecutor(AT_ONCE) as threads:
            ollama = stack.enter_context(serving_ollama()) if there else None
            address = f"127.0.0.1:{ollama.port}" if ollama is not None else NOTHING_LISTENS
            todo = [(row, command) for row in ROWS if row.ollama is there for command in COMMANDS]
            # Ollama has nothing to do with --cloud.
            todo = [(row, command) for row, command in todo if not (there and "--cloud" in command)]
            runs = {
                (row, command): threads.submit(attempt, folder / f"{row} {command}", row, command, address)
                for row, command in todo
            }
            found |= {what: run.result() for what, run in runs.items()}
            if ollama is not None:  # nobody chose it
                assert not ollama.asked("/v1/chat/completions")
    print(f"\n{table(found)}")
    return found


def table(cells: dict[tuple[Row, str], Cell]) -> str:
    """What each command said and did, as a table in Markdown."""
    lines = ["| machine | command | says at start | does |", "| --- | --- | --- | --- |"]
    for (row, command), cell in sorted(cells.items(), key=str):
        done = f"hears “{cell.heard}”" if cell.heard else (cell.failed or f"ends with {cell.code}")
        lines.append(f"| {row} | `{command}` | {cell.said} | {done} |")
    return "\n".join(lines)


def of(cells: dict[tuple[Row, str], Cell], *commands: str, **having: bool) -> Iterator[Cell]:
    """The cells of some commands on the machines that have, or don't have, something."""
    for (row, command), cell in cells.items():
        if command in commands and all(getattr(row, name) is there for name, there in having.items()):
            yield cell


def test_without_a_key_every_command_works_on_this_machine(cells: dict[tuple[Row, str], Cell]) -> None:
    found = list(of(cells, "run", "dictate", "captions", key=False))
    assert len(found) == 12
    for cell in found:
        assert (cell.code, cell.said, cell.heard, cell.posts) == (0, HERE, SPOKEN, 0), cell


def test_a_key_sends_nothing_of_dictation_and_captions_anywhere(cells: dict[tuple[Row, str], Cell]) -> None:
    found = list(of(cells, "dictate", "captions", key=True))
    assert len(found) == 8
    for cell in found:
        assert (cell.code, cell.said, cell.heard, cell.posts) == (0, HERE, SPOKEN, 0), cell


def test_with_a_key_run_uses_the_assistant_and_says_why(cells: dict[tuple[Row, str], Cell]) -> None:
    for cell in of(cells, "run", key=True, network=True):
        assert cell.said.endswith(", because OPENROUTER_API_KEY is set.")
        assert (cell.code, cell.heard, cell.posts >= 3) == (0, FROM_CLOUD, True), cell


def test_with_a_key_but_no_network_the_failed_turn_says_how_to_go_on(cells: dict[tuple[Row, str], Cell]) -> None:
    for cell in of(cells, "run", key=True, network=False):
        assert "because OPENROUTER_API_KEY is set" in cell.said
        assert "voiceloop run --config offline" in cell.failed, cell
    for cell in of(cells, "dictate --cloud", "captions --cloud", key=True, network=False):
        assert "--local" in cell.failed, cell


def test_with_the_option_cloud_speech_is_transcribed_there(cells: dict[tuple[Row, str], Cell]) -> None:
    for cell in of(cells, "dictate --cloud", "captions --cloud", key=True, network=True):
        assert (cell.code, cell.heard) == (0, FROM_CLOUD), cell
        assert cell.posts >= 1


def test_the_option_cloud_without_a_key_is_an_error_with_its_remedy(cells: dict[tuple[Row, str], Cell]) -> None:
    for cell in of(cells, "dictate --cloud", "captions --cloud", key=False):
        assert (cell.code, cell.posts) == (2, 0)
        assert "OPENROUTER_API_KEY is not set. Get a key at https://openrouter.ai/keys" in cell.errors
