"""What the installed command says, and ends with, when it is given something bad: one clear error each."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.running import COMMAND, running, voiceloop
from testbed.serving import KEY, serving
from voiceloop.audio.wav import wav_bytes

NO_SOUND = {"PULSE_SERVER": "unix:/nonexistent"}


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment without the developer's own config, key and sound."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE"))}
    return env | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")} | NO_SOUND


def fails(code: int, *words: str, env: dict[str, str]) -> str:
    """The command ends with `code` and one error, whose text is returned."""
    got, _, errors = voiceloop(*words, env=env)
    assert got == code, errors
    assert "Traceback" not in errors
    assert len([line for line in errors.splitlines() if line.startswith("voiceloop: ")]) <= 1, errors
    return errors


def quiet(*words: str) -> tuple[str, ...]:
    return ("run", "-i", "none", "-o", "none", *words)


def test_a_machine_without_sound_is_told_what_to_do(env: dict[str, str]) -> None:
    error = fails(74, "run", "--config", "offline", env=env)
    assert "audio." in error
    assert "file:" in error


def test_no_key_is_said_before_anything_is_sent(env: dict[str, str]) -> None:
    error = fails(69, *quiet("--config", "assistant"), env=env)
    assert "OPENROUTER_API_KEY" in error
    assert "export" in error


def test_a_wrong_key_fails_the_command_and_is_never_shown(env: dict[str, str], tmp_path: Path) -> None:
    speech = tmp_path / "said.wav"
    speech.write_bytes(wav_bytes(bytes(32_000), 16_000))
    with serving() as server:
        words = ("say", "hello", "--config", "assistant", "-o", "none", "--set", f"openrouter.base_url={server.url}")
        error = fails(69, *words, env=env | {"OPENROUTER_API_KEY": "sk-or-wrong"})
    assert "401" in error
    assert "OPENROUTER_API_KEY" in error
    assert "sk-or-wrong" not in error


def test_a_server_that_is_not_there_is_named(env: dict[str, str]) -> None:
    words = ("--set", "openrouter.base_url=http://127.0.0.1:9/v1", "--set", "openrouter.retry.max_elapsed_s=0")
    error = fails(
        69, "say", "hello", "--config", "assistant", "-o", "none", *words, env=env | {"OPENROUTER_API_KEY": KEY}
    )
    assert "127.0.0.1:9" in error


def pcm_file(**changes: int) -> Callable[[Path], None]:
    values = {"channels": 1, "width": 2, "rate": 16_000, "frames": 8_000} | changes

    def write(path: Path) -> None:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(values["channels"])
            file.setsampwidth(values["width"])
            file.setframerate(values["rate"])
            file.writeframes(bytes(values["frames"] * values["channels"] * values["width"]))

    return write


def float_file(path: Path) -> None:
    data = struct.pack("<8000f", *([0.0] * 8000))
    header = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 3, 1, 16_000, 64_000, 4,
                         32, b"data", len(data))  # fmt: skip
    path.write_bytes(header + data)


def truncated_file(path: Path) -> None:
    path.write_bytes(wav_bytes(bytes(32_000), 16_000)[:20_000])


@pytest.mark.parametrize(
    "write",
    [pcm_file(channels=2), pcm_file(rate=8_000), pcm_file(width=1), pcm_file(width=3), float_file, truncated_file],
    ids=["stereo", "8 kHz", "8 bit", "24 bit", "float", "truncated"],
)
@pytest.mark.parametrize("command", ["transcribe", "run"])
def test_unusual_wavs_are_read(
    write: Callable[[Path], None], command: str, env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "said.wav"
    write(path)
    words = ("transcribe", str(path)) if command == "transcribe" else ("run", "-i", f"file:{path}", "-o", "none")
    code, out, errors = voiceloop(*words, "--config", "offline", env=env)
    assert code == 0, errors
    assert out == ""
    assert ("truncated" in errors) == (write is truncated_file)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"not a sound", "is not a WAV"),
        (wav_bytes(b"", 16_000), "no samples"),
        (None, "no such file"),
    ],
    ids=["empty", "not a WAV", "no samples", "missing"],
)
@pytest.mark.parametrize("command", ["transcribe", "run"])
def test_wavs_that_are_none_are_refused_by_name(
    content: bytes | None, said: str, command: str, env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "said.wav"
    if content is not None:
        path.write_bytes(content)
    words = ("transcribe", str(path)) if command == "transcribe" else ("run", "-i", f"file:{path}", "-o", "none")
    error = fails(74, *words, "--config", "offline", env=env)
    assert str(path) in error
    assert said in error


def test_one_bad_recording_does_not_keep_the_others_from_being_read(env: dict[str, str], tmp_path: Path) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    pcm_file()(good)
    bad.write_bytes(b"rubbish")
    error = fails(74, "transcribe", str(bad), str(good), "--config", "offline", env=env)
    assert f"{good}: 0.5 s" in error


def test_an_unknown_engine_is_answered_with_the_nearest(env: dict[str, str]) -> None:
    error = fails(78, *quiet("--set", "vad.use=webrtcvad"), env=env)
    assert "vad.use" in error
    assert "'webrtc'" in error


def test_every_mistake_of_a_config_is_said_at_once(env: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text(
        '[audio]\nimput = "default"\necho = "loud"\n[segment]\nhangover_ms = "long"\npause_ms = -1\n'
        '[transcribe]\nuse = "whisperer"\n[speek]\nuse = "espeak"\n'
    )
    error = fails(78, *quiet("--config", str(config)), env=env)
    for place in ("audio.imput", "audio.echo", "segment.hangover_ms", "segment.pause_ms", "transcribe.use", "speek"):
        assert place in error
    assert "6 mistakes" in error
    assert "'input'" in error


def test_a_command_line_that_makes_no_sense_is_a_usage_error(env: dict[str, str]) -> None:
    code, _, errors = voiceloop("run", "--loudly", env=env)
    assert code == 2
    assert "--loudly" in errors


def test_nothing_to_say_is_a_usage_error(env: dict[str, str]) -> None:
    assert "nothing to say" in fails(2, "say", "  ", "-o", "none", env=env)


def test_an_output_file_that_cannot_be_written_is_named(env: dict[str, str]) -> None:
    error = fails(74, "say", "hello", "--config", "offline", "-o", "file:/nonexistent/reply.wav", env=env)
    assert "/nonexistent/reply.wav" in error


def test_a_reader_that_goes_away_ends_the_program() -> None:
    """Whoever prints for nobody is told to end, as by SIGTERM."""
    prints = "from voiceloop.cli.render import print_line\nwhile True: print_line('x' * 1000)"
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "{prints}" | head -1; echo "${{PIPESTATUS[0]}}"'],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert done.stdout.splitlines()[-1] == str(128 + signal.SIGTERM)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("numbers", [(signal.SIGINT,) * 3, (signal.SIGTERM,) * 3, (signal.SIGTERM, signal.SIGINT)])
def test_a_second_signal_changes_nothing(env: dict[str, str], numbers: tuple[signal.Signals, ...]) -> None:
    with running("--config", "offline", "-i", "none", "-o", "none", env=env) as loop:
        loop.wait_for("ready")
        for number in numbers[:-1]:
            loop.process.send_signal(number)
        code, _ = loop.end(numbers[-1])
    assert code in ({130, 0} if len(set(numbers)) > 1 else {130 if numbers[0] == signal.SIGINT else 0})
    assert loop.errors == []


def test_standard_output_that_is_full_is_said(env: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, *quiet("--json", "--config", "offline")],
            env=env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 74
    assert "standard output: it can't be written: no space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_standard_streams_are_no_trouble(env: dict[str, str], tmp_path: Path) -> None:
    said = tmp_path / "said.wav"
    pcm_file()(said)
    words = f"{COMMAND} run --config offline -i file:{said} -o none"
    for closed in (">&-", "2>&-", "<&-"):
        done = subprocess.run(["bash", "-c", f"{words} {closed}"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


def test_a_trace_that_cannot_be_written_is_named_before_anything_is_opened(env: dict[str, str], tmp_path: Path) -> None:
    error = fails(74, *quiet("--config", "offline", "--trace", str(tmp_path / "none" / "t.jsonl")), env=env)
    assert f"run --trace: {tmp_path}/none/t.jsonl can't be written: no such file or directory" in error


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "is empty"), (b"rubbish", "is not a trace"), (None, "no such file or directory")]
)
def test_a_trace_that_is_none_is_refused_by_name(
    content: bytes | None, said: str, env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    if content is not None:
        path.write_bytes(content)
    error = fails(74, "trace", str(path), env=env)
    assert f"trace: {path}" in error
    assert said in error
    assert "voiceloop run --trace FILE" in error


def test_a_page_is_not_written_over_the_trace_nor_where_nothing_can_be(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"k": "trace", "version": 1, "at": 1, "time": 1}\n')
    before = path.read_bytes()
    assert "is the trace itself" in fails(2, "trace", str(path), "--html", str(path), env=env)
    assert path.read_bytes() == before
    for option in ("--html", "--perfetto"):
        error = fails(74, "trace", str(path), option, str(tmp_path / "none" / "out"), env=env)
        assert "none/out can't be written: no such file" in error
