"""`voiceloop transcribe FILE…`: recordings of all kinds, standard input, subtitles, progress, what can't be read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
import srt
import webvtt

from testbed.recordings import KINDS, recorded
from testbed.running import COMMAND
from testbed.voices import prompt, words
from voiceloop.audio.recordings.source import STDIN
from voiceloop.audio.wav import wav_bytes
from voiceloop.captions import files
from voiceloop.cli import recordings
from voiceloop.cli.recordings import Wish, check_wish, position
from voiceloop.errors import OutputError, UsageError
from voiceloop.types import CAPTURE_RATE_HZ

pytest.importorskip("moonshine_voice", reason="the extra 'local' is not installed")

SAID = "please try again"


@pytest.fixture
def speech() -> bytes:
    quiet = bytes(CAPTURE_RATE_HZ)
    return quiet + prompt("please-try-again").pcm + quiet


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG"))}
    return kept | {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}


def transcribe(*words: str | Path, env: dict[str, str], data: bytes | None = None) -> tuple[int, str, str]:
    """The exit code, the text and the messages of the command. `data` comes out of a pipe."""
    command = [COMMAND, "transcribe", *map(str, words), "--config", "offline"]
    done = subprocess.run(command, env=env, capture_output=True, timeout=120, check=False, input=data or b"")
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.mark.parametrize("name", ["M4A, its index at the end", "MP3", "WebM", "AMR", "A-law WAV", "WMA"])
def test_what_people_have_is_transcribed(name: str, speech: bytes, env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "talk"
    path.write_bytes(recorded(KINDS[name], speech))
    code, out, errors = transcribe(path, env=env)
    assert code == 0, errors
    assert words(out) == SAID.split()
    assert f"{path}: " in errors


@pytest.mark.parametrize("name", ["M4A, its index at the end", "Ogg Opus", "WMA"])
def test_standard_input_is_transcribed(name: str, speech: bytes, env: dict[str, str]) -> None:
    code, out, errors = transcribe("-", "--json", env=env, data=recorded(KINDS[name], speech))
    assert code == 0, errors
    line = json.loads(out)
    assert (words(line["text"]), line["file"]) == (SAID.split(), "-")
    assert "standard input: " in errors


def test_standard_input_is_transcribed_as_it_comes_and_left_at_ctrl_c(speech: bytes, env: dict[str, str]) -> None:
    data = wav_bytes(speech + bytes(2 * 2 * CAPTURE_RATE_HZ), CAPTURE_RATE_HZ)
    command = [COMMAND, "transcribe", "-", "--config", "offline"]
    with subprocess.Popen(command, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(data[:40] + b"\xff\xff\xff\xff" + data[44:])  # as a program writes it that records still
        program.stdin.flush()
        assert words(program.stdout.readline().decode()) == SAID.split()
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=30) == 130


def test_standard_input_that_is_a_file_needs_no_second_one(speech: bytes, env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "talk"
    path.write_bytes(recorded(KINDS["M4A, its index at the end"], speech))
    with path.open("rb") as file:
        command = [COMMAND, "transcribe", "-", "--config", "offline"]
        done = subprocess.run(command, env=env | {"TMPDIR": "/none"}, stdin=file, capture_output=True, check=False)
    assert words(done.stdout.decode()) == SAID.split(), done.stderr


@pytest.mark.parametrize("stdin", ["</dev/null", "<&-"], ids=["none", "closed"])
def test_standard_input_that_is_none_is_one_line(stdin: str, env: dict[str, str]) -> None:
    line = f"{COMMAND} transcribe - --config offline {stdin}"
    done = subprocess.run(["/bin/sh", "-c", line], env=env, capture_output=True, check=False)
    assert done.returncode == 74
    assert "standard input is a device, not a file. Name a file, or pipe one" in done.stderr.decode()


def test_inverted_stereo_is_heard(speech: bytes, env: dict[str, str], tmp_path: Path) -> None:
    left = np.frombuffer(speech, "<i2")
    data = bytearray(wav_bytes(np.stack((left, -left), axis=1).tobytes(), CAPTURE_RATE_HZ))
    data[22], data[32] = 2, 4
    (tmp_path / "talk.wav").write_bytes(data)
    code, out, errors = transcribe(tmp_path / "talk.wav", env=env)
    assert code == 0, errors
    assert words(out) == SAID.split()


def test_where_there_is_no_speech_that_is_said(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "quiet.wav"
    path.write_bytes(wav_bytes(bytes(3 * 2 * CAPTURE_RATE_HZ), CAPTURE_RATE_HZ))
    code, out, errors = transcribe(path, env=env)
    assert (code, out) == (0, "")
    assert f"no speech was found in {path}" in errors


@pytest.mark.parametrize("command", ["run", "captions"])
def test_a_file_that_is_listened_to_is_said_to_hold_no_speech(
    command: str, env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "quiet.mp3"
    path.write_bytes(recorded(KINDS["MP3"], bytes(2 * CAPTURE_RATE_HZ)))
    more = ["-o", "none"] if command == "run" else []
    given = [COMMAND, command, "-i", f"file:{path}", *more, "--config", "offline" if command == "run" else "captions"]
    given = [*given, "--set", "control.enabled=false"]
    done = subprocess.run(given, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert f"no speech was found in {path}" in done.stderr.decode()


def test_a_recording_is_listened_to_in_place_of_a_microphone(
    speech: bytes, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "talk.m4a").write_bytes(recorded(KINDS["M4A, its index at the end"], speech))
    given = [COMMAND, "captions", "-i", "file:~/talk.m4a", "--set", "transcribe.use=moonshine"]
    given = [*given, "--set", "control.enabled=false"]
    done = subprocess.run(given, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert words(done.stdout.decode()) == SAID.split()


def test_subtitles_are_written_as_captions_write_them(speech: bytes, env: dict[str, str], tmp_path: Path) -> None:
    pause = bytes(4 * CAPTURE_RATE_HZ)
    path = tmp_path / "talk.mp4"
    path.write_bytes(recorded(KINDS["MP4 with pictures"], speech + pause + speech, begins_s=1.0))
    options = [word for kind in ("srt", "vtt", "jsonl") for word in (f"--{kind}", str(tmp_path / f"out.{kind}"))]
    code, out, errors = transcribe(path, *options, env=env)
    assert code == 0, errors
    assert words(out) == SAID.split() * 2
    cues = list(srt.parse((tmp_path / "out.srt").read_text()))  # type: ignore[no-untyped-call]
    assert [words(cue.content) for cue in cues] == [SAID.split()] * 2
    second_s = 1 + (len(speech) + len(pause)) / 2 / CAPTURE_RATE_HZ
    assert [cue.start.total_seconds() for cue in cues] == pytest.approx([1.6, second_s + 0.6], abs=0.3)
    assert [words(cue.text) for cue in webvtt.read(str(tmp_path / "out.vtt")).captions] == [SAID.split()] * 2
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [words(line["text"]) for line in lines] == [SAID.split()] * 2


MEETING = """
from contextlib import asynccontextmanager
from pydantic import BaseModel
from voiceloop.types import SoundEvent, Transcript, Word

class Options(BaseModel):
    pass

class Meeting:
    Options = Options
    description = "a service that tells people and sounds apart"
    async def warm(self): pass
    async def feed(self, pcm): pass
    async def finish(self, clip):
        rows = (("Shall", 0.1, 0.2, "8"), ("we?", 0.2, 0.4, "8"), ("Yes.", 0.5, 0.9, "3"))
        words = tuple(Word(text, start, end, speaker=who) for text, start, end, who in rows)
        words = words if self.names else ()
        return Transcript("Shall we? Yes.", clip, words=words, sounds=(SoundEvent("laughter", letters=10),))
    @classmethod
    @asynccontextmanager
    async def open(cls, options, services):
        self = cls()
        self.names = services.names_speakers
        yield self
    @asynccontextmanager
    async def transcription(self):
        yield self
"""


@pytest.mark.parametrize("sounds", [False, True])
def test_subtitles_say_who_speaks_and_what_sounds_are_heard(
    sounds: bool, speech: bytes, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "meeting.py").write_text(MEETING)
    (tmp_path / "talk.wav").write_bytes(wav_bytes(speech, CAPTURE_RATE_HZ))
    given = ("talk.wav", "--srt", "a.srt", "--set", "transcribe.use=meeting:Meeting", "--config", "offline")
    command = [COMMAND, "transcribe", *given, *(["--sound-events"] if sounds else [])]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode() == "Shall we? Yes.\n"
    cues = list(srt.parse((tmp_path / "a.srt").read_text()))  # type: ignore[no-untyped-call]
    heard = " [laughter]" if sounds else ""
    assert [cue.content for cue in cues] == ["[Person 1] Shall we?", f"[Person 2] Yes.{heard}"]


async def test_a_disk_that_stands_still_is_told_before_a_recording_is_transcribed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "OPEN_S", 0.05)
    reader, writer = os.pipe()
    monkeypatch.setattr(recordings, "wanted", lambda *_: os.read(reader, 1))
    with pytest.raises(OutputError, match=r"talks/: the disk doesn't answer"):
        async with AsyncExitStack() as stack:
            await recordings._subtitles(tmp_path / "talk.wav", Wish(files={"srt": "talks/"}), stack)
    os.close(writer)
    os.close(reader)


def test_in_a_folder_subtitles_have_the_names_of_their_recordings(
    speech: bytes, env: dict[str, str], tmp_path: Path
) -> None:
    for name in ("a%d.mp3", "b.mp3"):
        (tmp_path / name).write_bytes(recorded(KINDS["MP3"], speech))
    subtitles = tmp_path / "new"
    given = (tmp_path / "a%d.mp3", tmp_path / "b.mp3", tmp_path / "b.mp3", "--srt", f"{subtitles}/")
    code, _, errors = transcribe(*given, env=env)
    assert code == 0, errors
    assert sorted(path.name for path in subtitles.iterdir()) == ["a%d.srt", "b-2.srt", "b.srt"]
    assert all(words(path.read_text())[-3:] == SAID.split() for path in subtitles.iterdir())


def test_of_a_recording_that_cannot_be_read_no_subtitles_are_left(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_bytes(b"nothing")
    code, _, errors = transcribe(tmp_path / "bad.mp3", "--srt", tmp_path / "bad.srt", env=env)
    assert code == 74
    assert "is not a WAV file, nor another recording" in errors
    assert not (tmp_path / "bad.srt").exists()


@pytest.mark.parametrize(
    ("paths", "given", "what"),
    [
        ([STDIN, STDIN], {}, "standard input can be read once"),
        (
            [Path("a"), Path("b")],
            {"srt": "c.srt"},
            "--srt names one file for 2 recordings. Name a folder: --srt c.srt/",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(paths: list[Path], given: dict[str, str], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        check_wish(paths, Wish(files=given))
    check_wish(paths[:1], Wish(files=given))
    check_wish([Path("a"), Path("b")], Wish(files=dict.fromkeys(given, "folder/")))


def test_sound_events_without_subtitles_are_refused() -> None:
    with pytest.raises(UsageError, match="--sound-events is for subtitle files"):
        check_wish([Path("a")], Wish(json=True, sounds=True))


def test_kept_speech_has_no_subtitles(env: dict[str, str]) -> None:
    code, _, errors = transcribe("--pending", "--srt", "x.srt", env=env)
    assert code == 2
    assert "--srt is for files" in errors


@pytest.mark.parametrize(
    ("name", "done_s", "whole_s", "columns", "shown"),
    [
        ("talk.m4a", 750.4, 3_600.0, 79, "talk.m4a: 12:30 of 1:00:00"),
        ("talk.m4a", 5.0, None, 79, "talk.m4a: 0:05"),
        ("talk.m4a", 7.0, 5.0, 79, "talk.m4a: 0:07 of 0:07"),
        ("a-long-name.m4a", 5.0, 65.0, 20, "…me.m4a: 0:05 of 1:05"),
        ("talk.m4a", 5.0, 65.0, 10, ": 0:05 of "),
    ],
)
def test_progress_fits_into_its_line(name: str, done_s: float, whole_s: float | None, columns: int, shown: str) -> None:
    assert position(name, done_s, whole_s, columns) == shown[:columns] or len(shown) > columns
    assert len(position(name, done_s, whole_s, columns)) <= columns


@contextmanager
def terminal() -> Iterator[tuple[int, list[bytes]]]:
    """A terminal's end for a program, and what the program writes to it."""
    seen: list[bytes] = []
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))

    def read() -> None:
        try:
            while piece := os.read(ours, 4_096):
                seen.append(piece)
        except OSError:
            return

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield theirs, seen
    finally:
        os.close(theirs)
        thread.join()
        os.close(ours)


def test_progress_is_drawn_on_a_terminal_and_leaves_no_trace_between_the_lines(
    speech: bytes, env: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "talk.mp3").write_bytes(recorded(KINDS["MP3"], speech * 3))
    with terminal() as (theirs, seen):
        command = [COMMAND, "transcribe", str(tmp_path / "talk.mp3"), "--config", "offline"]
        code = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, check=False)
        assert code.returncode == 0
    drawn = b"".join(seen).decode()
    assert " of 0:0" in drawn
    left = [line.rsplit("\x1b[K", 1)[-1] for line in drawn.replace("\r\n", "\n").split("\n")]
    assert " of 0:0" not in "\n".join(left)
    assert [words(line) for line in left].count(SAID.split()) == 3


HOUR = r"""
import re, sys, time
from pathlib import Path
from voiceloop.audio.recordings.opening import open_sound
began = time.monotonic()
with open_sound(Path(sys.argv[1]), place="x") as sound:
    first = sound.read() and time.monotonic() - began
    total = sum(map(len, iter(sound.read, b"")))
most = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
print(first, total, most // 1024)
"""


@pytest.mark.parametrize("name", ["WAV", "MP3"])
def test_an_hour_of_stereo_takes_as_little_memory_as_a_minute(name: str, tmp_path: Path) -> None:
    def measured(minutes: int) -> tuple[float, int, int]:
        path = tmp_path / f"{minutes}"
        if name == "WAV":  # a hole in a file is silence
            size = minutes * 60 * 44_100 * 4
            head = bytearray(wav_bytes(b"", 44_100))
            head[22], head[32], head[40:44] = 2, 4, size.to_bytes(4, "little")
            path.write_bytes(head)
            os.truncate(path, len(head) + size)
        else:
            path.write_bytes(recorded(KINDS["MP3"], bytes(60 * 2 * CAPTURE_RATE_HZ)) * minutes)
        done = subprocess.run([sys.executable, "-c", HOUR, path], capture_output=True, text=True, check=True)
        first, total, megabytes = done.stdout.split()
        assert int(total) == pytest.approx(minutes * 60 * 2 * CAPTURE_RATE_HZ, rel=0.02)
        return float(first), int(total), int(megabytes)

    minute, hour = measured(1), measured(60)
    assert hour[0] < 3
    assert hour[2] < min(minute[2] + 30, 200)
