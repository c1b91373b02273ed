"""The installed `voiceloop captions`: kills, limits, full disks and control, with a file as microphone."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import srt
import webvtt

from testbed.running import COMMAND, Mortal, running, voiceloop
from testbed.server.recordings import speech_bounds
from testbed.serving import KEY, Serving, serving
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
needs_prompts = pytest.mark.skipif(not ASTERISK.is_dir(), reason="needs Debian's recorded prompts")
SAID = {
    "vm-nobodyavail": "Nobody is available to take your call at the moment.",
    "queue-thankyou": "Thank you for your patience.",
}
KILLED_AT_ONCE = 20

WRITERS = """
import os
import sys
import trio
from pathlib import Path
from voiceloop.captions import files as module
from voiceloop.captions.files import open_files
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.words import Spoken

module._AT_ONCE_S = 60  # the disk works, but this machine may be busy

async def write(folder):
    shown = os.open(Path(folder) / "shown", os.O_WRONLY | os.O_CREAT, 0o600)
    async with open_files({kind: Path(folder) / f"a.{kind}" for kind in ("srt", "vtt", "jsonl")}, print) as files:
        print(os.getpid(), flush=True)
        at, number, count = 0.0, 0, 0
        while True:
            words = tuple(Spoken(f"w{count}x{n}", at + n / 3, at + (n + 1) / 3) for n in range(40))
            number = number + 1 if SECOND else 0
            files.final(Final("", words, number=number), Live(""))
            if number > 2:
                files.translated(number - 2, " ".join(f"mot{n}" for n in range(40)))
            os.write(shown, b"x")
            count += 1
            at = words[-1].end_s + 1

SECOND = sys.argv[1] == "second"
for folder in sys.argv[2:]:
    child = os.fork()
    if not child:
        trio.run(write, folder)
    os.waitpid(child, 0)
"""
"""Writes into each folder in a process of its own, until that is killed."""


def srt_cues(path: Path) -> list[Any]:
    cues: list[Any] = list(srt.parse(path.read_text()))  # type: ignore[no-untyped-call]
    return cues


def count_cues(folder: Path, name: str) -> tuple[int, int, int]:
    """Return how many cues each file holds, read by a subtitle library that raises if the file is broken."""
    cues = srt_cues(folder / f"{name}.srt")
    assert [cue.index for cue in cues] == list(range(1, len(cues) + 1))
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return len(cues), len(webvtt.read(str(folder / f"{name}.vtt"))), len(rows)


@pytest.mark.parametrize("what", ["words", "second"])
def test_files_are_valid_after_a_kill_at_any_moment_of_writing(tmp_path: Path, what: str) -> None:
    moments = random.Random(7)
    folders = [tmp_path / str(number) for number in range(20)]
    for folder in folders:
        folder.mkdir()
    with Mortal[bytes]([sys.executable, "-c", WRITERS, what, *map(str, folders)], stdout=subprocess.PIPE) as writers:
        assert writers.stdout is not None
        for _ in folders:
            writer = int(writers.stdout.readline())
            time.sleep(moments.uniform(0, 0.05))  # the random moment of the kill
            os.kill(writer, signal.SIGKILL)
    for folder in folders:
        count_cues(folder, "a")
        shown = (folder / "shown").stat().st_size
        for kind in ("srt", "vtt", "jsonl"):
            text = (folder / f"a.{kind}").read_text()
            assert not shown or f"w{shown - 1}x39" in text  # all that was shown is in every file
            assert f"w{shown + 1}x0" not in text  # and of what was not, the next line at most


def spoken_file(folder: Path, *repeats: int, quiet_s: int = 1) -> Path:
    """A recording of the sentences with silence around each. `repeats`: how often each is said, without a pause in
    between; once if that is left out."""
    quiet = bytes(CAPTURE_RATE_HZ * 2 * quiet_s)
    pcm = quiet
    for name, times in zip(SAID, repeats or (1,) * len(SAID), strict=True):
        wav = read_wav(ASTERISK / f"{name}.wav")
        said = resample(wav.pcm, from_hz=wav.rate_hz, to_hz=CAPTURE_RATE_HZ)
        begin, end = speech_bounds(np.frombuffer(said, "<i2").astype(np.float64), CAPTURE_RATE_HZ)
        pcm += said[2 * begin : 2 * end] * (times - 1) + said + quiet
    path = folder / "talk.wav"
    path.write_bytes(wav_bytes(pcm, CAPTURE_RATE_HZ))
    return path


def recordings(folder: Path) -> Path:
    path = folder / "recordings.jsonl"
    rows = [{"words": words, "wav": str(ASTERISK / f"{name}.wav")} for name, words in SAID.items()]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def command(
    folder: Path, server: Serving, *words: str, files: bool = True, spoken: Path | None = None
) -> tuple[list[str], dict[str, str]]:
    """Return the arguments for captions of `spoken_file`, written to three files, and the environment."""
    kinds = ("srt", "vtt", "jsonl") if files else ()
    outputs = [word for kind in kinds for word in (f"--{kind}", str(folder / f"call.{kind}"))]
    env = (
        os.environ
        | {"OPENROUTER_API_KEY": KEY}
        | {f"XDG_{n}_HOME": str(folder / n) for n in ("STATE", "CONFIG", "CACHE")}
    )
    given = ["captions", "-i", f"file:{spoken or spoken_file(folder)}", *outputs, *words]
    return [*given, "--cloud", "--set", f"openrouter.base_url={server.url}"], env


@needs_prompts
def test_captions_are_written_to_the_files_and_survive_a_kill(tmp_path: Path) -> None:
    with serving("--recordings", str(recordings(tmp_path)), "--transcribe-ms", "100") as server:
        words, env = command(tmp_path, server)
        with Mortal[bytes]([COMMAND, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
            assert program.stdout is not None
            lines = [
                program.stdout.readline().decode().strip() for _ in range(2)
            ]  # into a pipe only final lines are printed
            program.send_signal(signal.SIGKILL)
            assert program.stderr is not None
            errors = program.stderr.read().decode()
    assert lines == list(SAID.values())
    assert count_cues(tmp_path, "call") == (2, 2, 2)
    assert "for an hour of speech at most 5 hours of audio are posted" in errors
    row = json.loads((tmp_path / "call.jsonl").read_text().splitlines()[0])
    assert row["start_s"] == pytest.approx(1.0, abs=0.3)


def kill_after(words: list[str], env: dict[str, str], count: int, after_s: float) -> list[str]:
    """Kill captions `after_s` seconds after they began to listen, or had shown `count` lines; return the lines shown by
    then."""
    with Mortal[bytes]([COMMAND, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        while b"Listening to" not in (line := program.stderr.readline()):
            assert line, "captions ended early"
        first = [program.stdout.readline() for _ in range(count)]
        time.sleep(after_s)  # the random moment of the kill
        program.kill()
        return (b"".join(first) + program.stdout.read()).decode().splitlines()


@needs_prompts
def test_after_a_kill_at_any_moment_the_files_hold_every_caption_shown(tmp_path: Path) -> None:
    moments = random.Random(11)
    with (
        serving("--recordings", str(recordings(tmp_path)), "--transcribe-ms", "100") as server,
        ThreadPoolExecutor(KILLED_AT_ONCE) as threads,
    ):
        runs = []
        for number in range(20):
            folder = tmp_path / str(number)
            folder.mkdir()
            # On a busy machine nobody knows what is shown by some time: so two of three count from a line on.
            count = number % 3
            after_s = moments.uniform(0, 8 - 3 * count)
            runs.append((folder, threads.submit(kill_after, *command(folder, server), count, after_s)))
        shown = [(folder, run.result()) for folder, run in runs]
    for folder, lines in shown:
        counts = count_cues(folder, "call")
        assert lines == list(SAID.values())[: len(lines)]
        assert len(lines) <= min(counts)
        assert max(counts) - min(counts) <= 1
    assert len({len(lines) for _, lines in shown}) > 1, "some kills must come before a cue and some after it"


def end_after(words: list[str], env: dict[str, str], after_s: float, how: signal.Signals) -> None:
    """End captions with a signal `after_s` seconds after they began to listen."""
    with Mortal[bytes]([COMMAND, *words], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as program:
        assert program.stderr is not None
        while b"Listening to" not in (line := program.stderr.readline()):
            assert line, "captions ended early"
        time.sleep(after_s)  # the random moment of the end
        program.send_signal(how)
        program.stderr.read()


def is_sound(path: Path) -> bool:
    """Whether a file is a WAV, or as large as half a second of sound."""
    return path.read_bytes()[:4] == b"RIFF" or path.stat().st_size > CAPTURE_RATE_HZ


@needs_prompts
@pytest.mark.parametrize("wanted", [False, True], ids=["no file", "journal.captions"])
def test_no_sound_reaches_the_disk_at_any_end_unless_a_file_or_the_journal_is_asked_for(
    wanted: bool, tmp_path: Path
) -> None:
    """What people in a call say must not be left on this machine. The server is slow, so that much is under way."""
    moments = random.Random(17)
    sets = ("--set", "journal.captions=true") if wanted else ()
    with (
        serving("--recordings", str(recordings(tmp_path)), "--transcribe-ms", "900") as server,
        ThreadPoolExecutor(KILLED_AT_ONCE) as threads,
    ):
        spoken = spoken_file(tmp_path)
        runs = []
        for number in range(20):
            folder = tmp_path / str(number)
            folder.mkdir()
            words, env = command(folder, server, *sets, files=False, spoken=spoken)
            env |= {"TMPDIR": str(folder), "HOME": str(folder)}
            how = moments.choice((signal.SIGTERM, signal.SIGINT, signal.SIGKILL))
            runs.append(threads.submit(end_after, words, env, moments.uniform(0.5, 8), how))
        for run in runs:
            run.result()
    found = [path for number in range(20) for path in (tmp_path / str(number)).rglob("*") if path.is_file()]
    sounds = [path for path in found if is_sound(path)]
    assert bool(sounds) == wanted, sounds


@needs_prompts
def test_a_weekly_shortcut_works_in_its_second_week(tmp_path: Path) -> None:
    with serving("--recordings", str(recordings(tmp_path))) as server:
        folder, spoken = tmp_path / "meetings", spoken_file(tmp_path)
        options = ["--srt", f"{tmp_path}/weekly.srt", "--jsonl", f"{tmp_path}/of-%Y.jsonl", "--keep", str(folder)]
        words, env = command(tmp_path, server, *options, files=False, spoken=spoken)
        written = []
        for _ in range(2):
            code, output, errors = voiceloop(*words, env=env)
            assert code == 0, errors
            assert output.splitlines() == list(SAID.values())
            written.append(errors.splitlines()[-1])
    assert len(srt_cues(tmp_path / "weekly.srt")) == len(srt_cues(tmp_path / "weekly-2.srt")) == 2
    assert len(list(tmp_path.glob("of-2*.jsonl"))) == 2
    assert len(list(folder.glob("captions-*.vtt"))) == 2
    assert f"Written: {tmp_path}/weekly.srt" in written[0]
    assert f"Written: {tmp_path}/weekly-2.srt" in written[1]


@needs_prompts
def test_a_full_disk_ends_one_file_and_loses_no_caption(tmp_path: Path) -> None:
    with serving("--recordings", str(recordings(tmp_path)), "--transcribe-ms", "100") as server:
        words, env = command(tmp_path, server)
        words[words.index("--srt") + 1] = "/dev/full"
        code, output, errors = voiceloop(*words, env=env)
    assert output.splitlines() == list(SAID.values())
    assert len((tmp_path / "call.jsonl").read_text().splitlines()) == len(webvtt.read(str(tmp_path / "call.vtt"))) == 2
    full = "/dev/full: can't be written: No space left on device"
    assert f"{full}. Nothing more is written to this file; all else goes on." in errors.splitlines()
    assert errors.splitlines()[-1] == f"voiceloop: {full}"
    assert code == 74


@needs_prompts
def test_speech_not_yet_shown_at_the_end_of_the_program_is_kept_and_reported(tmp_path: Path) -> None:
    with serving("--recordings", str(recordings(tmp_path)), "--transcribe-ms", "100") as server:
        # Said so often, the second sentence lasts while it is waited for and until the signal has come.
        spoken = spoken_file(tmp_path, 1, 6)
        words, env = command(tmp_path, server, "--set", "handler.guesses=false", spoken=spoken)
        with Mortal[bytes]([COMMAND, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
            assert program.stdout is not None
            assert program.stderr is not None
            assert program.stdout.readline().decode().strip() == SAID["vm-nobodyavail"]
            time.sleep(2.5)  # the file plays in real time: now the second sentence is being said
            program.send_signal(signal.SIGINT)
            errors = program.stderr.read().decode()
            assert program.wait() == 130
    assert len(list((tmp_path / "STATE" / "voiceloop" / "unsent").glob("*.wav"))) == 1
    assert errors.splitlines()[-1].endswith(
        " Not captioned, but kept: 1. "
        "'voiceloop transcribe --pending' transcribes it (with --cloud, if it was meant for OpenRouter)."
    )


def test_the_cost_of_an_hour_is_shown_on_the_first_run_too(tmp_path: Path) -> None:
    for options, expected in (
        (("--catalogue",), "0.18 USD for an hour"),
        ((), "the price of openai/whisper-large-v3-turbo is not"),
    ):
        with serving(*options) as server:
            env = os.environ | {
                "OPENROUTER_API_KEY": KEY,
                "XDG_CACHE_HOME": str(tmp_path),
                "XDG_RUNTIME_DIR": str(tmp_path),
            }
            words = ("-i", "none", "--cloud", "--set", f"openrouter.base_url={server.url}")
            with running(*words, env=env, command="captions") as captions:
                assert "the price will be requested" in captions.wait_for("listening").fields["cost"]
                assert expected in captions.wait_for("notice").fields["text"]
                captions.wait_for("ready")


def test_without_a_network_captions_start_and_say_that_the_cost_is_unknown(tmp_path: Path) -> None:
    env = os.environ | {"OPENROUTER_API_KEY": KEY, "XDG_CACHE_HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)}
    words = (
        "-i",
        "none",
        "--cloud",
        "--set",
        "openrouter.base_url=http://127.0.0.1:9/v1",
        "--set",
        "openrouter.retry.max_elapsed_s=0",
    )
    with running(*words, env=env, command="captions") as captions:
        captions.wait_for("ready")
        assert str(captions.wait_for("notice").fields["text"]).startswith("The cost of captions is unknown: ")
        code, took_s = captions.end()
    assert code == 130
    assert took_s < 1


def ctl(env: Mapping[str, str], *words: str) -> Any:
    code, output, errors = voiceloop("ctl", *words, "--json", env=env)
    assert code == 0, errors
    return json.loads(output)


@needs_prompts
def test_captions_obey_voiceloop_ctl(tmp_path: Path) -> None:
    with serving("--recordings", str(recordings(tmp_path)), "--transcribe-ms", "100") as server:
        spoken = spoken_file(tmp_path, 20, 1)  # longer than the commands take
        words, env = command(tmp_path, server, "--set", "control.start=idle", spoken=spoken)
        env |= {"XDG_RUNTIME_DIR": str(tmp_path)}
        with running(*words[1:], env=env, command="captions") as captions:
            assert captions.wait_for("ready").fields["state"] == "idle"
            assert ctl(env, "start")["state"] == "listening"
            captions.wait_for("caption.live")
            assert ctl(env, "mute", "--name", "captions")["state"] == "muted"
            status = ctl(env, "status")
            assert (status["state"], status["name"]) == ("muted", "captions")
            assert "for an hour of speech" in status["parts"]["cost"]
            assert ctl(env, "unmute")["state"] == "listening"
            assert ctl(env, "toggle")["state"] == "idle"
            assert captions.end(signal.SIGTERM)[0] == 0
            assert captions.named("captions.stopped")


@needs_prompts
def test_cancelled_speech_is_not_captioned(tmp_path: Path) -> None:
    with serving("--recordings", str(recordings(tmp_path)), "--transcribe-ms", "100") as server:
        spoken = spoken_file(tmp_path, 6, 1)  # it is being said while the command starts
        words, env = command(tmp_path, server, "--set", "segment.max_utterance_s=60", spoken=spoken)
        env |= {"XDG_RUNTIME_DIR": str(tmp_path)}
        with running(*words[1:], env=env, command="captions") as captions:
            captions.wait_for("caption.live")
            ctl(env, "cancel")
            captions.wait_for("captions.stopped")
            *rest, last = [event.fields["text"] for event in captions.named("caption.final")]
            assert last == SAID["queue-thankyou"]
            # All of one utterance: at least what was said before the command is not captioned.
            assert " ".join(rest).count("Nobody") < 6
            assert captions.named("captions.stopped")[0].fields["kept"] == 0


@needs_prompts
def test_rate_limits_and_a_cost_limit_lose_no_word(tmp_path: Path) -> None:
    """Each answer costs 0.0001 USD, so the limit is reached before the end."""
    with serving("--recordings", str(recordings(tmp_path)), "--busy-every", "2") as server:
        words, env = command(tmp_path, server, "--set", "limits.max_cost_per_session=0.0002", "--json")
        code, output, _ = voiceloop(*words, env=env)
    assert code == 0
    events = [json.loads(line) for line in output.splitlines()]
    shown = [event["text"] for event in events if event["event"] == "caption.final"]
    kept = sorted((tmp_path / "STATE" / "voiceloop" / "unsent").glob("*.wav"))
    assert any(post["status"] == 429 for post in server.posts("/audio/transcriptions"))
    complete = [text for text in shown if text in SAID.values()]
    assert complete == list(SAID.values())[: len(complete)]
    # Words of the utterance that reached the limit may have been shown already. All of that utterance is kept.
    assert all(list(SAID.values())[len(complete)].startswith(text) for text in shown[len(complete) :])
    assert len(complete) + len(kept) == len(SAID)
    assert kept
    with serving("--recordings", str(recordings(tmp_path))) as server:
        again = ["--cloud", "--set", f"openrouter.base_url={server.url}"]
        code, output, errors = voiceloop("transcribe", "--pending", *again, env=env)
    assert code == 0, errors
    assert output.splitlines() == list(SAID.values())[len(complete) :]


def test_an_unknown_source_is_a_usage_error() -> None:
    code, _, errors = voiceloop("captions", "--source", "everything")
    assert code == 2
    assert "speaker, mic or both" in errors


@needs_prompts
def test_who_speaks_and_second_lines_are_printed_and_written(tmp_path: Path) -> None:
    """Two sentences without a pause: the server tells that two people say them."""
    replies = ("--reply", "Niemand ist da.", "--reply", "Danke für Ihre Geduld.")
    with serving("--recordings", str(recordings(tmp_path)), *replies, "--bodies") as server:
        spoken = spoken_file(tmp_path, quiet_s=0)
        asked = ("--translate", "de", "--set", "transcribe.diarize=true")
        words, env = command(tmp_path, server, *asked, spoken=spoken)
        code, out, errors = voiceloop(*words, env=env)
        chats = [request["body"] for request in server.posts("/chat/completions")]
        clips = [request["body"] for request in server.posts("/audio/transcriptions")]
    assert code == 0, errors
    lines = out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == [
        f"Person {number}: {text}" for number, text in enumerate(SAID.values(), 1)
    ]
    assert [line for line in lines if line.startswith(" ")] == ["  Niemand ist da.", "  Danke für Ihre Geduld."]
    assert [body["messages"][-1]["content"] for body in chats] == list(SAID.values())
    assert {body.get("diarize") for body in clips} == {True, None}, "guesses are asked for without it"
    assert "After a pause the numbers begin again" in errors
    assert "go to 127.0.0.1" in errors
    cues = srt_cues(tmp_path / "call.srt")
    assert cues[-1].content == "[Person 2] Thank you for your patience.\nDanke für Ihre Geduld."
    assert [cue.voice for cue in webvtt.read(str(tmp_path / "call.vtt")).captions][-1] == "Person 2"
    rows = [json.loads(line) for line in (tmp_path / "call.jsonl").read_text().splitlines()]
    assert (rows[-1]["speaker"], rows[-1]["translation"]) == ("Person 2", "Danke für Ihre Geduld.")
