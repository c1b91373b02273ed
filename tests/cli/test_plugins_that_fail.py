"""Parts of the user's own that raise while they are asked, while they are closed, or in tasks of their own: the session
goes on or ends with one line, never with a traceback.

In one process, as in `test_no_traceback.py`. What `main` does not know, it would show as a traceback.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from voiceloop.audio.wav import wav_bytes
from voiceloop.cli.main import app
from voiceloop.errors import VoiceloopError

PARTS = """
from contextlib import asynccontextmanager

import trio
from pydantic import BaseModel

ERRORS = {"exception": ValueError, "exit": SystemExit, "base": BaseException, "interrupt": KeyboardInterrupt}


class Options(BaseModel):
    when: str = ""
    error: str = "exception"


class Part:
    Options = Options
    turns = "replace"
    preemptive = False

    def __init__(self, options):
        self.options = options

    @classmethod
    @asynccontextmanager
    async def open(cls, options, services):
        part = cls(options)
        async with trio.open_nursery() as nursery:
            if options.when == "task":
                nursery.start_soon(part.work)
            try:
                yield part
            finally:
                nursery.cancel_scope.cancel()
                part.may_fail("close")

    def may_fail(self, when):
        if self.options.when == when:
            raise ERRORS[self.options.error]("of a plug-in")

    async def work(self):
        self.may_fail("task")

    @property
    def description(self):
        self.may_fail("description")
        return "a plug-in"

    async def warm(self):
        self.may_fail("warm")

    # A VAD, a transcriber, a handler, a synthesizer

    @property
    def hint(self):
        self.may_fail("hint")
        return False

    def feed(self, pcm, index):
        self.may_fail("asked")
        return []

    def reset(self):
        self.may_fail("reset")

    @property
    def streams(self):
        self.may_fail("streams")
        return False

    @asynccontextmanager
    async def transcription(self):
        self.may_fail("asked")
        yield self

    async def handle(self, transcript, reply):
        self.may_fail("asked")

    @asynccontextmanager
    async def speech(self, text):
        self.may_fail("asked")
        yield
"""
KINDS = ("vad", "transcribe", "handler", "speak")
OTHERS = {"vad": "vad.use=webrtc", "transcribe": "transcribe.use=none", "handler": "handler.use=echo"} | {
    "speak": "speak.use=none"
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the parts and a recording. Signals are as they were, afterwards."""
    for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    for name in ("OPENROUTER_API_KEY", "VOICELOOP_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/none")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "failing_parts.py").write_text(PARTS)
    (tmp_path / "said.wav").write_bytes(wav_bytes(bytes(6_400), 16_000))
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
    kept = {number: signal.getsignal(number) for number in numbers}
    yield tmp_path
    for number, handler in kept.items():
        signal.signal(number, handler)


def run(kind: str, when: str, error: str, capfd: pytest.CaptureFixture[str]) -> tuple[int, str, list[str]]:
    """A session with one failing part: its exit code, its last line if it ended with one, and all notices."""
    sets = [setting for name, setting in OTHERS.items() if name != kind]
    sets += [f"{kind}.use=failing_parts:Part", f"{kind}.when={when}", f"{kind}.error={error}"]
    words = [word for setting in (*sets, "control.notify=false") for word in ("--set", setting)]
    code, line = 0, ""
    try:
        app(["run", "--json", "-i", "file:said.wav", "-o", "none", *words], standalone_mode=True)
    except VoiceloopError as failed:
        code, line = failed.exit_code, str(failed)
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    out, errors = capfd.readouterr()
    assert "Traceback" not in errors
    events = [json.loads(row) for row in out.splitlines()]
    return code, line, [event["text"] for event in events if event["event"] == "notice"]


@pytest.mark.parametrize("error", ["exception", "exit", "base", "interrupt"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_that_raises_while_it_is_closed_is_told_and_the_end_is_as_ever(
    kind: str, error: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, line, notices = run(kind, "close", error, capfd)
    assert (code, line) == (0, "")
    (notice,) = [text for text in notices if "of a plug-in" in text]
    assert notice.startswith("'failing_parts:Part' failed while it was closed: ")
    assert "failing_parts.py:" in notice
    assert "\n" not in notice


@pytest.mark.parametrize("error", ["exception", "exit", "base", "interrupt"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_whose_own_task_raises_ends_the_session_with_one_line(
    kind: str, error: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, line, _ = run(kind, "task", error, capfd)
    assert code == 69
    assert line.startswith("'failing_parts:Part' failed in a task of its own: ")
    assert "of a plug-in" in line
    assert "failing_parts.py:" in line
    assert "\n" not in line


@pytest.mark.parametrize("error", ["exception", "base"])
@pytest.mark.parametrize("when", ["description", "hint", "asked", "reset", "warm", "streams"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_attribute_of_a_part_is_a_traceback(
    kind: str, when: str, error: str, capfd: pytest.CaptureFixture[str]
) -> None:
    code, line, _ = run(kind, when, error, capfd)
    assert code in {0, 69}
    assert bool(line) == bool(code)
    assert "\n" not in line
