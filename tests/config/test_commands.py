"""The configuration of each command: which engines it gets from files, options, kept choices and keys."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from voiceloop.config import show
from voiceloop.config.choice import CHOOSERS, Command, as_file
from voiceloop.config.commands import CommandLoaded, choices_file, load_command, whose
from voiceloop.config.load import DEFAULTS, preset_path
from voiceloop.errors import ConfigError, UsageError

COMMANDS: tuple[Command, ...] = ("run", *CHOOSERS)
LOCAL = ("moonshine", "basic", "local")
CLOUD = ("openrouter", "chat", "openrouter")
WHISPER = '[transcribe]\nuse = "openrouter"\nmodel = "a/b"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where nothing is configured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VOICELOOP_CONFIG", raising=False)
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return tmp_path


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENROUTER_API_KEY", "test-key")


def own_file(home: Path, text: str) -> None:
    path = home / "config" / "voiceloop" / "config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def keep(**choices: str) -> None:
    path = choices_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(as_file(choices), encoding="utf-8")  # type: ignore[arg-type]


def engines(loaded: CommandLoaded) -> tuple[str, str, str]:
    config = loaded.config
    return config.transcribe.use, config.handler.use, config.speak.use


def model(loaded: CommandLoaded) -> object:
    return loaded.config.transcribe.options.model_dump().get("model")


def initial() -> str:
    """The file that `voiceloop config init` writes."""
    texts = [preset_path(name).read_text(encoding="utf-8") for name in ("offline", "assistant")]
    return show.starter(show.engines(texts), {})


# Nothing is configured


def test_without_a_key_every_command_stays_on_this_machine() -> None:
    assert engines(load_command("run")) == LOCAL
    assert engines(load_command("dictate")) == ("moonshine", "dictation", "none")
    assert engines(load_command("captions"))[:2] == ("moonshine", "captions")


@pytest.mark.usefixtures("key")
def test_with_a_key_run_uses_the_assistant_and_the_others_stay_on_this_machine() -> None:
    run, assistant = load_command("run"), load_command("run", "assistant")
    assert engines(run) == CLOUD
    assert show.effective(run.config) == show.effective(assistant.config)
    for command in CHOOSERS:
        assert engines(load_command(command))[0] == "moonshine"
        assert load_command(command).asks


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("keyed", [False, True])
def test_a_new_config_file_changes_the_engine_of_no_command(
    home: Path, monkeypatch: pytest.MonkeyPatch, command: Command, *, keyed: bool
) -> None:
    own_file(home, initial())  # the file comes first, the key later
    if keyed:
        monkeypatch.setenv("OPENROUTER_API_KEY", "test-key")
    with_file = load_command(command)
    own_file(home, "")
    without = load_command(command)
    assert show.effective(with_file.config) == show.effective(without.config)
    assert engines(without)[0] == ("openrouter" if keyed and command == "run" else "moonshine")
    assert with_file.asks == without.asks == (keyed and command != "run")


def test_a_new_config_file_names_no_engine_and_each_block_of_engines_can_be_uncommented(home: Path) -> None:
    text = initial()
    assert not {"vad", "transcribe", "handler", "speak"} & set(tomllib.loads(text))
    for first_words, expected in (("## Everything on this machine", LOCAL), ("## A spoken assistant", CLOUD)):
        block = text[text.index(first_words) :].partition("\n\n")[0]
        own_file(home, re.sub("^# ?", "", block, flags=re.MULTILINE))
        assert engines(load_command("run")) == expected


# Something is named


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    "sets", [["handler.use=echo"], ["transcribe.use=moonshine"], ["speak.use=none"], ["transcribe.use=none"]]
)
def test_run_with_any_named_engine_takes_nothing_from_the_cloud(sets: list[str]) -> None:
    assert "openrouter" not in engines(load_command("run", sets=sets))


@pytest.mark.usefixtures("key")
def test_a_file_without_engines_only_adds_its_settings(home: Path) -> None:
    own_file(home, '[audio]\necho = "off"\n[vad]\nuse = "webrtc"\n[transcribe]\nlanguage = "de"\n')
    run = load_command("run")
    assert engines(run) == CLOUD
    assert (run.config.audio.echo, run.config.vad.use) == ("off", "webrtc")
    assert run.config.transcribe.options.model_dump()["language"] == "de"


@pytest.mark.parametrize("command", CHOOSERS)
def test_a_file_that_names_the_cloud_has_chosen_it(home: Path, command: Command) -> None:
    own_file(home, WHISPER)
    keep(**{command: "local"})
    found = load_command(command)
    assert (engines(found)[0], model(found), found.asks) == ("openrouter", "a/b", False)


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("command", CHOOSERS)
def test_an_option_on_the_command_line_stands_over_a_kept_choice(command: Command) -> None:
    keep(**{command: "cloud"})
    assert engines(load_command(command, sets=["transcribe.use=whisper"]))[0] == "whisper"
    assert engines(load_command(command, "offline"))[0] == "moonshine"


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("command", CHOOSERS)
def test_a_file_for_an_assistant_leaves_open_where_the_others_transcribe(home: Path, command: Command) -> None:
    own_file(home, '[handler]\nuse = "echo"\n[speak]\nuse = "none"\n')
    assert load_command(command).asks
    keep(**{command: "cloud"})
    assert engines(load_command(command))[0] == "openrouter"


# --cloud and --local


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize(
    ("command", "cloud"), [("dictate", "openai/whisper-large-v3"), ("captions", "openai/whisper-large-v3-turbo")]
)
def test_cloud_is_for_this_run(command: Command, cloud: str) -> None:
    found = load_command(command, flag="cloud")
    assert (engines(found)[0], model(found)) == ("openrouter", cloud)
    assert engines(load_command(command))[0] == "moonshine"


@pytest.mark.usefixtures("key")
def test_cloud_keeps_the_model_and_the_language_of_the_file(home: Path) -> None:
    own_file(home, WHISPER + 'language = "de"\n')
    options = load_command("dictate", flag="cloud").config.transcribe.options.model_dump()
    assert (options["model"], options["language"]) == ("a/b", "de")
    own_file(home, '[transcribe]\nuse = "whisper"\nmodel = "small"\n')
    assert model(load_command("dictate", flag="cloud")) == "openai/whisper-large-v3"


@pytest.mark.usefixtures("key")
def test_local_sends_nothing_whatever_the_file_says(home: Path) -> None:
    own_file(home, WHISPER)
    assert engines(load_command("dictate", flag="local"))[0] == "moonshine"
    own_file(home, '[transcribe]\nuse = "openai"\nbase_url = "https://example.com/v1"\n')
    assert engines(load_command("captions", flag="local"))[0] == "moonshine"


def test_local_keeps_an_engine_of_this_machine_that_the_file_names(home: Path) -> None:
    own_file(home, '[transcribe]\nuse = "whisper"\nmodel = "small"\n')
    assert model(load_command("captions", flag="local")) == "small"
    own_file(home, '[transcribe]\nuse = "openai"\nmodel = "own"\n')
    assert model(load_command("captions", flag="local")) == "own"


def test_cloud_without_a_key_is_an_error_with_a_remedy() -> None:
    with pytest.raises(
        UsageError, match=r"--cloud: there is no key for OpenRouter: OPENROUTER_API_KEY .* leave --cloud"
    ):
        load_command("dictate", flag="cloud")


@pytest.mark.usefixtures("key")
def test_two_engines_on_the_command_line_are_an_error() -> None:
    with pytest.raises(UsageError, match=r"--local and --set transcribe\.use both name an engine"):
        load_command("dictate", sets=["transcribe.use=openrouter"], flag="local")


# Kept choices


@pytest.mark.usefixtures("key")
def test_a_kept_choice_is_honoured_by_its_command_alone_and_named_as_the_origin() -> None:
    keep(dictate="cloud")
    found = load_command("dictate")
    assert (engines(found)[0], found.asks) == ("openrouter", False)
    assert engines(load_command("captions"))[0] == "moonshine"
    origins = show.origins(show.effective(found.config), found.loaded.merged, DEFAULTS)
    line = choices_file().read_text().splitlines().index('dictate = "cloud"') + 1
    assert origins["transcribe.use"] == f"~/config/voiceloop/choices.toml:{line}"
    assert [engine.place for engine in whose(found.loaded)] == [origins["transcribe.use"]]


@pytest.mark.usefixtures("key")
def test_a_kept_choice_of_this_machine_ends_the_question() -> None:
    keep(captions="local")
    assert not load_command("captions").asks
    assert load_command("dictate").asks


def test_a_kept_choice_of_the_cloud_works_on_this_machine_while_there_is_no_key() -> None:
    keep(dictate="cloud")
    found = load_command("dictate")
    assert engines(found)[0] == "moonshine"
    assert whose(found.loaded) == (), "the file of choices names another engine"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('dictate = "clowd"', 'choices.toml: dictate must be "local" or "cloud"'),
        ("dictate = ", "choices.toml:1: is not TOML"),
        ("[dictate]", 'choices.toml: dictate must be "local" or "cloud"'),
    ],
)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_damaged_file_of_choices_is_an_error_that_names_it(command: Command, text: str, said: str) -> None:
    choices_file().parent.mkdir(parents=True)
    choices_file().write_text(text)
    if command == "run":  # has no choice
        load_command(command)
        return
    with pytest.raises(ConfigError) as caught:
        load_command(command)
    assert said in str(caught.value)


# Who named an engine


def test_an_engine_that_a_file_names_is_told_with_the_line(home: Path) -> None:
    own_file(home, '[handler]\nuse = "echo"\n\n' + WHISPER)
    named = whose(load_command("run", sets=["speak.use=none"]).loaded)
    assert [(engine.part, engine.engine, engine.place) for engine in named] == [
        ("transcribe", "openrouter", "~/config/voiceloop/config.toml:5"),
        ("handler", "echo", "~/config/voiceloop/config.toml:2"),
        ("speak", "none", "--set"),
    ]


@pytest.mark.usefixtures("key")
def test_defaults_and_presets_of_commands_are_nobodys(home: Path) -> None:
    assert whose(load_command("run").loaded) == ()
    assert whose(load_command("dictate").loaded) == whose(load_command("captions").loaded) == ()


def test_captions_replace_the_handler_of_the_file_and_keep_its_other_settings(home: Path) -> None:
    own_file(home, '[handler]\nuse = "chat"\nmodel = "m"\n[segment]\npause_ms = 250\n')
    config = load_command("captions", sets=["handler.srt=a.srt"]).config
    assert (config.handler.use, config.handler.options.model_dump(mode="json")["srt"]) == ("captions", "a.srt")
    assert config.segment.pause_ms == 250


@pytest.mark.usefixtures("key")
def test_who_speaks_may_be_asked_where_it_is_told() -> None:
    asked = ["transcribe.diarize=true"]
    with pytest.raises(UsageError, match="it tells nobody who spoke"):
        load_command("dictate", sets=asked, flag="cloud")
    for command, told in (("captions", False), ("dictate", True)):  # `transcribe --json --cloud` is dictation's engine
        loaded = load_command(command, sets=asked, flag="cloud", speakers=told)  # type: ignore[arg-type]
        assert loaded.config.transcribe.options.model_dump()["diarize"]


def test_captions_are_translated_by_the_chat_model_of_the_file(home: Path) -> None:
    def model_of(*sets: str) -> tuple[str, str | None, str | None]:
        translation = load_command("captions", sets=sets).config.handler.options.model_dump()["translation"]
        return translation["model"], translation["base_url"], translation["api_key_env"]

    assert model_of() == ("openai/gpt-4o-mini", None, None)
    own_file(home, '[handler]\nuse = "chat"\nmodel = "m"\nbase_url = "http://127.0.0.1:1/v1"\nmax_tokens = 3\n')
    assert model_of() == ("m", "http://127.0.0.1:1/v1", None)
    assert model_of("handler.translation.model=n")[0] == "n"
    own_file(home, '[handler]\nuse = "captions"\ntranslation = { model = "o" }\n')
    assert model_of()[0] == "o"
    own_file(home, '[handler]\nuse = "chat"\nmodel = 7\n')
    assert model_of()[0] == "openai/gpt-4o-mini", "a mistake in what captions don't use is none"


@pytest.mark.usefixtures("key")
def test_the_settings_of_a_file_that_names_no_engine_count_for_a_flag_as_for_a_kept_choice(home: Path) -> None:
    own_file(home, '[transcribe]\nlanguage = "de"\nmodel = "a/b"\n')
    flagged = load_command("dictate", flag="cloud").config.transcribe
    keep(dictate="cloud")
    kept = load_command("dictate").config.transcribe
    assert (flagged.use, flagged.options) == (kept.use, kept.options)
    assert flagged.options.model_dump()["language"] == "de"
    assert model(load_command("dictate", flag="cloud")) == "a/b"


@pytest.mark.usefixtures("key")
def test_a_flag_stands_over_an_engine_that_a_file_names_with_its_settings(home: Path) -> None:
    own_file(home, '[transcribe]\nuse = "whisper"\nmodel = "small"\nlanguage = "de"\n')
    flagged = load_command("dictate", flag="cloud")
    assert flagged.config.transcribe.use == "openrouter"
    assert model(flagged) == "openai/whisper-large-v3"


def test_a_place_that_cannot_be_looked_into_is_a_mistake_with_its_path_and_no_traceback(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ("long" * 100)))  # longer than a file's name may be
    for command in COMMANDS:
        with pytest.raises(ConfigError, match=r"\.toml: can't be read: File name too long"):
            load_command(command)
