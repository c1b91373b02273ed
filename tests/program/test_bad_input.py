"""The installed command with bad input: one clear error and the right exit code each time."""

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
from voiceloop.trace.records import VERSION


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment without the developer's own config, key and sound."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG", "PULSE"))}
    gone = {"PULSE_SERVER": f"unix:{tmp_path}/no-server"}
    return env | {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")} | gone


def fails(code: int, *words: str, env: dict[str, str]) -> str:
    """Run the command, check that it ends with `code` and one error, and return the text of standard error."""
    got, _, errors = voiceloop(*words, env=env)
    assert got == code, errors
    assert "Traceback" not in errors
    assert len([line for line in errors.splitlines() if line.startswith("voiceloop: ")]) <= 1, errors
    return errors


def without_sound(*words: str) -> tuple[str, ...]:
    """Return a `run` command without a microphone and a loudspeaker."""
    return ("run", "-i", "none", "-o", "none", *words)


def test_without_a_sound_device_the_error_says_what_to_do(env: dict[str, str]) -> None:
    error = fails(74, "run", "--config", "offline", env=env)
    assert "audio." in error
    assert "file:" in error


def test_a_missing_key_is_reported_before_anything_is_sent(env: dict[str, str]) -> None:
    error = fails(69, *without_sound("--config", "assistant"), env=env)
    assert "OPENROUTER_API_KEY" in error
    assert "export" in error


def test_a_wrong_key_is_reported_without_showing_it(env: dict[str, str], tmp_path: Path) -> None:
    speech = tmp_path / "said.wav"
    speech.write_bytes(wav_bytes(bytes(32_000), 16_000))
    with serving() as server:
        words = ("say", "hello", "--config", "assistant", "-o", "none", "--set", f"openrouter.base_url={server.url}")
        error = fails(69, *words, env=env | {"OPENROUTER_API_KEY": "sk-or-wrong"})
    assert "401" in error
    assert "OPENROUTER_API_KEY" in error
    assert "sk-or-wrong" not in error


def test_an_unreachable_server_is_named(env: dict[str, str]) -> None:
    words = ("--set", "openrouter.base_url=http://127.0.0.1:9/v1", "--set", "openrouter.retry.max_elapsed_s=0")
    error = fails(
        69, "say", "hello", "--config", "assistant", "-o", "none", *words, env=env | {"OPENROUTER_API_KEY": KEY}
    )
    assert "127.0.0.1:9" in error


def pcm_file(**changes: int) -> Callable[[Path], None]:
    """Return a function that writes a silent WAV file with these properties."""
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
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"not a sound", "is not a WAV"),
        (wav_bytes(b"", 16_000), "no samples"),
        (None, "no such file"),
    ],
    ids=["empty", "not a WAV", "no samples", "missing"],
)
@pytest.mark.parametrize("command", ["transcribe", "run"])
def test_a_file_that_is_no_wav_is_refused_by_name(
    content: bytes | None, message: str, command: str, env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "said.wav"
    if content is not None:
        path.write_bytes(content)
    words = ("transcribe", str(path)) if command == "transcribe" else ("run", "-i", f"file:{path}", "-o", "none")
    error = fails(74, *words, "--config", "offline", env=env)
    assert str(path) in error
    assert message in error


def test_after_a_bad_recording_the_others_are_still_transcribed(env: dict[str, str], tmp_path: Path) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    pcm_file()(good)
    bad.write_bytes(b"rubbish")
    error = fails(74, "transcribe", str(bad), str(good), "--config", "offline", env=env)
    assert f"{good}: 0.5 s" in error


def test_for_an_unknown_engine_the_nearest_name_is_suggested(env: dict[str, str]) -> None:
    error = fails(78, *without_sound("--set", "vad.use=webrtcvad"), env=env)
    assert "vad.use" in error
    assert "'webrtc'" in error


def test_all_mistakes_of_a_config_are_reported_together(env: dict[str, str], tmp_path: Path) -> None:
    config = tmp_path / "bad.toml"
    config.write_text(
        '[audio]\nimput = "default"\necho = "loud"\n[segment]\nhangover_ms = "long"\npause_ms = -1\n'
        '[transcribe]\nuse = "whisperer"\n[speek]\nuse = "espeak"\n'
    )
    error = fails(78, *without_sound("--config", str(config)), env=env)
    for place in ("audio.imput", "audio.echo", "segment.hangover_ms", "segment.pause_ms", "transcribe.use", "speek"):
        assert place in error
    assert "6 mistakes" in error
    assert "'input'" in error


def test_an_unknown_option_is_a_usage_error(env: dict[str, str]) -> None:
    code, _, errors = voiceloop("run", "--loudly", env=env)
    assert code == 2
    assert "--loudly" in errors


@pytest.mark.parametrize(
    "words",
    [
        ("say", "hello", "--set", "vad.use=silero"),
        ("say", "hello", "--set", "handler.use=echo"),
        ("transcribe", "a.wav", "--set", "speak.voice=x"),
        ("transcribe", "a.wav", "--set", "audio.output=x"),
    ],
)
def test_a_setting_that_the_command_would_not_use_is_refused(words: tuple[str, ...], env: dict[str, str]) -> None:
    error = fails(2, *words, "--config", "offline", env=env)
    assert f"{words[0]} doesn't use it" in error
    assert "Leave it out" in error


def test_nothing_to_say_is_a_usage_error(env: dict[str, str]) -> None:
    assert "nothing to say" in fails(2, "say", "  ", "-o", "none", env=env)


def test_an_output_file_that_cannot_be_written_is_named(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "no-folder" / "reply.wav"
    assert str(path) in fails(74, "say", "hello", "--config", "offline", "-o", f"file:{path}", env=env)


def test_the_program_ends_when_the_reader_of_its_output_goes_away() -> None:
    """A broken pipe ends the program as SIGTERM does."""
    code = "from voiceloop.cli.render import print_line\nwhile True: print_line('x' * 1000)"
    done = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "{code}" | head -1; echo "${{PIPESTATUS[0]}}"'],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
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


def test_a_full_disk_behind_standard_output_is_reported(env: dict[str, str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, *without_sound("--json", "--config", "offline")],
            env=env,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 74
    assert "standard output: it can't be written: no space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_closed_standard_streams_are_no_error(env: dict[str, str], tmp_path: Path) -> None:
    said = tmp_path / "said.wav"
    pcm_file()(said)
    words = f"{COMMAND} run --config offline -i file:{said} -o none"
    for closed in (">&-", "2>&-", "<&-"):
        done = subprocess.run(["bash", "-c", f"{words} {closed}"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr


def test_a_trace_that_cannot_be_written_is_named_before_anything_is_opened(env: dict[str, str], tmp_path: Path) -> None:
    error = fails(74, *without_sound("--config", "offline", "--trace", str(tmp_path / "none" / "t.jsonl")), env=env)
    assert f"run --trace: {tmp_path}/none/t.jsonl can't be written: no such file or directory" in error


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "is empty"), (b"rubbish", "is not a trace"), (None, "no such file or directory")]
)
def test_a_file_that_is_no_trace_is_refused_by_name(
    content: bytes | None, message: str, env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    if content is not None:
        path.write_bytes(content)
    error = fails(74, "trace", str(path), env=env)
    assert f"trace: {path}" in error
    assert message in error
    assert "voiceloop run --trace FILE" in error


def test_a_page_is_never_written_over_the_trace_and_an_unwritable_path_is_named(
    env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text(f'{{"k": "trace", "version": {VERSION}, "at": 1, "time": 1}}\n')
    before = path.read_bytes()
    assert "is the trace itself" in fails(2, "trace", str(path), "--html", str(path), env=env)
    assert path.read_bytes() == before
    for option in ("--html", "--perfetto"):
        error = fails(74, "trace", str(path), option, str(tmp_path / "none" / "out"), env=env)
        assert "none/out can't be written: no such file" in error
