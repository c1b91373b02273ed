"""What is set is obeyed or refused, never ignored."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from voiceloop.cli.captions import inputs_of
from voiceloop.cli.check_plan import plan_of
from voiceloop.cli.main import app
from voiceloop.cli.options import with_options
from voiceloop.config.commands import load_command, named_input
from voiceloop.config.layers import parse_sets
from voiceloop.config.unused import check_used
from voiceloop.errors import UsageError, VoiceloopError


@pytest.fixture(autouse=True)
def no_own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("VOICELOOP_CONFIG", raising=False)
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)


@pytest.mark.parametrize(
    ("source", "file", "sets", "inputs"),
    [
        (None, "", [], {"": "monitor"}),
        (None, "", ["audio.input=file:X"], {"": "file:X"}),
        (None, "", ["audio.input=default"], {"": "default"}),
        (None, "Yeti", [], {"": "Yeti"}),
        (None, "default", [], {"": "monitor"}),
        ("speaker", "Yeti", [], {"": "monitor"}),
        ("speaker", "", ["audio.input=file:X"], {"": "file:X"}),
        ("mic", "", [], {"": "default"}),
        ("mic", "Yeti", [], {"": "Yeti"}),
        ("both", "", ["audio.input=file:X"], {"mic": "file:X", "speaker": "monitor"}),
    ],
)
def test_captions_hear_the_input_that_is_named(
    source: str | None, file: str, sets: list[str], inputs: dict[str, str], tmp_path: Path
) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(f'[audio]\ninput = "{file}"\n' if file else "")
    command = load_command("captions", str(config), sets)
    assert inputs_of(source, command) == inputs
    if source is None:  # `check captions` tries the same
        assert plan_of("captions", command.config, named_input(command.loaded)[0]).config.audio.input == inputs[""]


def test_an_option_and_a_setting_that_contradict_each_other_are_refused() -> None:
    option = ("--input", "audio.input")
    assert with_options(["audio.input=X"], {option: "X"})
    assert with_options(['audio.input="X"'], {option: "X"})
    with pytest.raises(UsageError, match=r"--input and --set audio\.input"):
        with_options(["audio.input=Y"], {option: "X"})


REFUSED = [
    ("run", "-i", "X", "--set", "audio.input=Y"),
    ("run", "-o", "X", "--set", "audio.output=Y"),
    ("run", "--set", "control.enabled=false", "--set", "control.start=idle"),
    ("run", "--set", "control.enabled=false", "--set", "control.sounds=true"),
    ("dictate", "--to", "clipboard", "--set", "handler.to=stdout"),
    ("dictate", "--start", "idle", "--set", "control.start=listening"),
    ("dictate", "--set", "handler.use=chat"),
    ("dictate", "--set", "speak.use=local"),
    ("run", "--set", "transcribe.use=openrouter", "--set", "transcribe.model=a/b", "--set", "transcribe.diarize=true"),
    ("dictate", "--cloud", "--set", "transcribe.diarize=true"),
    ("captions", "--set", "transcribe.diarize=true"),
    ("transcribe", "a.wav", "--cloud", "--set", "transcribe.diarize=true"),
    ("captions", "--translate", "auto"),
    ("captions", "--translate", "fr", "--set", "handler.translate=de"),
    ("captions", "--sound-events", "--set", "handler.sound_events=false"),
    ("captions", "--set", "handler.use=chat"),
    ("captions", "--set", "speak.use=local"),
    ("captions", "--set", "audio.output=X"),
    ("captions", "--set", "control.sounds=true"),
    ("captions", "--srt", "a.srt", "--set", "handler.srt=b.srt"),
    ("captions", "--port", "0", "--set", "handler.web=1234"),
    ("captions", "--share", "--set", "handler.share=false"),
    ("captions", "-i", "X", "--set", "audio.input=Y"),
    ("captions", "--json", "--lines", "3"),
    ("captions", "--json", "--width", "30"),
    ("captions", "--source", "everything"),
    ("check", "captions", "-o", "X"),
    ("check", "run", "--cloud"),
    ("say", "x", "--save", "a.wav", "-o", "X"),
    ("say", "x", "-o", "X", "--set", "audio.output=Y"),
    ("transcribe", "--pending", "--json", "--to", "clipboard"),
    ("transcribe", "a.wav", "--to", "clipboard"),
    ("say", "x", "--save", "a.wav", "--set", "audio.output=file:b.wav"),
    ("say", "x", "--save", "a.wav", "--set", "audio.output_rate_hz=16000"),
    ("say", "x", "--set", "audio.echo=cancel"),
    ("say", "x", "--set", "transcribe.use=moonshine"),
    ("say", "x", "--set", "conversation.history_turns=3"),
    ("say", "x", "--set", "journal.max_mb=3"),
    ("say", "x", "--set", "hallucinations.no_speech=true"),
    ("transcribe", "a.wav", "--set", "journal.max_mb=3"),
    ("transcribe", "a.wav", "--set", "conversation.history_turns=3"),
    ("transcribe", "a.wav", "--set", "segment.acoustic=true"),
    ("transcribe", "--pending", "--set", "segment.pause_ms=300"),
    ("transcribe", "--pending", "--set", "vad.use=silero"),
    ("captions", "--set", "audio.output_latency=high"),
    ("captions", "--set", "audio.buffer_s=3"),
    ("captions", "--cloud", "--set", "openrouter.upload=streamed"),
    ("transcribe", "a.wav", "--cloud", "--set", "openrouter.upload=streamed"),
    ("transcribe", "--pending", "--cloud", "--set", "openrouter.upload=streamed"),
    ("captions", "--set", "conversation.barge_in_ms=300"),
    ("captions", "--set", "segment.half_duplex_hangover_ms=700"),
    ("check", "captions", "--set", "audio.buffer_s=3"),
    ("config", "show", "captions", "--set", "audio.buffer_s=3"),
    ("dictate", "--set", "conversation.barge_in_ms=300"),
    ("dictate", "--set", "conversation.history_turns=3"),
    ("models", "--set", "audio.input=X"),
    ("models", "list", "--set", "limits.max_posts_per_minute=3"),
    ("ctl", "start", "--follow"),
    ("models", "list", "--local", "--speech"),
]


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_what_would_be_ignored_is_refused(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a command that is not refused may write a file
    done = CliRunner().invoke(app, list(words))
    assert isinstance(done.exception, VoiceloopError | SystemExit), done.exception
    assert done.exit_code != 0
    if isinstance(done.exception, VoiceloopError):
        assert "Traceback" not in str(done.exception)
        assert done.exception.exit_code in {2, 78}
    else:
        assert done.exit_code == 2


@pytest.mark.parametrize(
    ("command", "sets"),
    [
        ("say", ["audio.output=X", "audio.jitter_buffer_ms=30", "speak.use=hibari", "log.level=debug"]),
        ("say --save", ["speak.use=hibari", "limits.max_posts_per_minute=3"]),
        (
            "transcribe",
            ["conversation.overlap=2", "segment.pause_ms=300", "hallucinations.quiet=false", "vad.use=webrtc"],
        ),
        ("transcribe --pending", ["conversation.overlap=2", "transcribe.use=moonshine"]),
        ("captions", ["audio.echo=off", "conversation.waiting=3", "journal.captions=true", "control.sounds=false"]),
        ("dictate", ["conversation.waiting=3", "audio.output=X", "control.sounds=true", "segment.acoustic=true"]),
        ("models", ["openrouter.base_url=http://127.0.0.1:1/v1", "speak.use=openai"]),
    ],
)
def test_what_a_command_uses_is_taken(command: str, sets: list[str]) -> None:
    check_used(command, parse_sets(sets)[0])


def test_who_speaks_can_be_switched_off_where_nobody_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["transcribe", str(tmp_path / "no.wav"), "--cloud", "--set", "transcribe.diarize=false"]
    )
    assert "who speaks" not in str(done.exception)
