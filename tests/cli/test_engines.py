"""The sentence at the start: where the words go, and whose decision that is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from voiceloop.cli.engines import where_words_go, who_translates
from voiceloop.cli.render import Text
from voiceloop.config.choice import Command, Place, as_file
from voiceloop.config.commands import choices_file, load_command

HERE = "Speech is transcribed by Moonshine on this machine"
CHAT = '[handler]\nuse = "chat"\nmodel = "m/n"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where nothing is configured, with a key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VOICELOOP_CONFIG", raising=False)
    monkeypatch.setenv("OPENROUTER_API_KEY", "test-key")
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return tmp_path


def said(command: Command, *sets: str, flag: Place | None = None, file: str = "", kept: str = "") -> str:
    choices_file().parent.mkdir(parents=True, exist_ok=True)
    if file:
        choices_file().with_name("config.toml").write_text(file)
    if kept:
        choices_file().write_text(kept)
    return where_words_go(load_command(command, sets=sets, flag=flag))


def test_run_names_the_key_as_the_reason() -> None:
    assert said("run") == "Speech, words and replies go to openrouter.ai, because OPENROUTER_API_KEY is set."
    assert said("run", 'openrouter.api_key_env=""', "openrouter.api_key_file=k").endswith("because k is set.")


def test_without_a_key_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENROUTER_API_KEY")
    assert said("run") == said("dictate") == said("captions") == f"{HERE}."
    kept = said("dictate", kept=as_file({"dictate": "cloud"}))
    assert kept == f"{HERE}. OpenRouter was chosen, but OPENROUTER_API_KEY is not set."


def test_dictation_and_captions_stay_or_go_where_they_were_told_to() -> None:
    assert said("dictate") == f"{HERE}."
    assert said("dictate", flag="cloud") == "Speech goes to openrouter.ai (openai/whisper-large-v3)."
    assert said("captions", flag="cloud") == "Speech goes to openrouter.ai (openai/whisper-large-v3-turbo)."
    kept = said("captions", kept='captions = "cloud"\n')
    assert kept == (
        "Speech goes to openrouter.ai (openai/whisper-large-v3-turbo), as ~/config/voiceloop/choices.toml:1 says."
    )


def test_the_file_that_names_the_engine_is_told_with_the_line() -> None:
    remote = said("dictate", file='[transcribe]\nuse = "openrouter"\nmodel = "a/b"\n')
    assert remote == "Speech goes to openrouter.ai (a/b), as ~/config/voiceloop/config.toml:2 says."
    here = said("captions", file='\n[transcribe]\nuse = "whisper"\nmodel = "small"\n')
    assert here == "Speech is transcribed by Whisper on this machine, as ~/config/voiceloop/config.toml:3 says."


def test_each_server_is_named_with_what_it_is_given() -> None:
    split = said("run", file=CHAT + 'base_url = "http://192.168.1.5:11434/v1"\n[speak]\nuse = "openai"\nvoice = "v"\n')
    assert split == (
        f"{HERE}; words go to 192.168.1.5 (m/n); replies go to 127.0.0.1:8880 (tts-1), "
        "as ~/config/voiceloop/config.toml:2 says."
    )
    two = ("transcribe.use=openrouter", "transcribe.model=a/b", "speak.use=none")
    assert said("run", *two, file=CHAT + 'base_url = "https://example.com/v1"\n') == (
        "Speech goes to openrouter.ai (a/b); words go to example.com (m/n), as --set says."
    )


def test_a_server_of_this_machine_is_named_for_it_may_pass_on_what_it_is_given() -> None:
    own = '[transcribe]\nuse = "openai"\nmodel = "own"\n' + CHAT + 'base_url = "http://localhost:11434/v1"\n'
    assert said("run", file=own) == (
        "Speech goes to 127.0.0.1:8000 (own); words go to localhost:11434 (m/n), as "
        "~/config/voiceloop/config.toml:2 says."
    )


def test_a_voice_model_is_sent_speech() -> None:
    sets = ("transcribe.use=none", "handler.use=voice", "handler.model=openai/gpt-audio-mini", "speak.use=none")
    assert said("run", *sets) == "Speech goes to openrouter.ai (openai/gpt-audio-mini), as --set says."


def test_a_handler_of_the_users_own_is_named(home: Path) -> None:
    (home / "mine.py").write_text("def answer(text):\n    return text\n")
    assert said("run", "handler.use=mine:answer") == f"{HERE}; words are given to your program (mine:answer)."


def test_the_sentence_is_printed_at_every_level(capsys: pytest.CaptureFixture[str]) -> None:
    for level in ("info", "warning", "error"):
        Text(level)("engines", text="Speech goes to openrouter.ai.")
        assert capsys.readouterr().err == "Speech goes to openrouter.ai.\n"


def test_dictation_opens_no_voice_whatever_the_config_file_of_an_assistant_names() -> None:
    choices_file().parent.mkdir(parents=True)
    choices_file().with_name("config.toml").write_text('[speak]\nuse = "openrouter"\nmodel = "s/t"\nvoice = "v"\n')
    assert load_command("dictate").config.speak.use == "none"
    assert load_command("captions").config.speak.use == "none"
    assert load_command("run").config.speak.use == "openrouter"


def test_dictation_and_captions_speak_nothing_so_no_reply_goes_anywhere() -> None:
    assistant = '[speak]\nuse = "openrouter"\nmodel = "s/t"\nvoice = "v"\n'
    assert said("dictate", file=assistant) == said("captions", file=assistant) == f"{HERE}."
    assert said("run", "transcribe.use=moonshine", file=assistant).startswith(
        f"{HERE}; replies go to openrouter.ai (s/t)"
    )


def test_captions_say_that_their_words_go_to_the_model_that_translates_them() -> None:
    translated = said("captions", "handler.translate=fr")
    assert translated == f"{HERE}; words go to openrouter.ai (openai/gpt-4o-mini)."
    own = ("handler.translation.base_url=http://127.0.0.1:11434/v1", "handler.translation.model=m")
    assert said("captions", "handler.translate=fr", *own) == f"{HERE}; words go to 127.0.0.1:11434 (m)."
    assert said("captions", *own) == f"{HERE}."
    named = [who_translates(load_command("captions", sets=sets).config) for sets in ((), ("handler.translate=fr",))]
    assert named == ["", "openrouter.ai"]


def test_an_engine_that_is_no_part_of_voiceloop_is_not_said_to_work_on_this_machine(home: Path) -> None:
    (home / "mycloud.py").write_text(
        "from voiceloop.transcribe.no_transcriber import NoTranscriber\nclass T(NoTranscriber):\n    pass\n"
    )
    assert said("dictate", "transcribe.use=mycloud:T") == (
        "Speech is given to mycloud:T, which is no part of voiceloop, as --set says."
    )
