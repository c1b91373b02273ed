"""The configuration of `run`, `dictate` and `captions`: reads what the choice of engines depends on, and loads it.

`choice.py` decides; `voiceloop check` and `voiceloop config show` see by this module what a command would use.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voiceloop.config.choice import (
    CHOOSERS,
    ENGINE_TABLES,
    RUN_CLOUD,
    Command,
    Decision,
    Given,
    Place,
    Why,
    can_ask,
    choice_layer,
    decide,
    has_key,
    key_name,
    names_an_engine,
    place_of,
    read_choices,
)
from voiceloop.config.layers import Layer, merge
from voiceloop.config.load import (
    DEFAULTS,
    Loaded,
    Sources,
    checked,
    is_there,
    preset_path,
    read_layer,
    read_sources,
    short,
    user_file,
)
from voiceloop.config.tables import Config
from voiceloop.config.unused import check_used
from voiceloop.config.validation import PART_TABLES
from voiceloop.errors import ConfigError, UsageError

_PRESETS: Mapping[Command, tuple[str | None, str | None]] = {
    "run": (None, None),
    "dictate": ("dictation", "dictation"),
    "captions": ("captions", None),
}
"""The preset of each command, and the handler that its config file must not replace."""
_ABOVE: Mapping[Command, Layer] = {
    "dictate": Layer("the command", {"speak": {"use": "none"}}),
    "captions": Layer("the command", {"handler": {"use": "captions"}, "speak": {"use": "none"}}),
}
"""What stands above the config file, which may be for an assistant: captions and dictation keep its settings for
listening, but speak nothing."""
_CHIMES = Layer("control.sounds", {"audio": {"output": "default", "echo": "off"}, "conversation": {"earcon": False}})
"""What stands above the preset of dictation if it plays chimes: a loudspeaker, and no other sound from it."""


@dataclass(frozen=True, slots=True)
class CommandLoaded:
    """The configuration of a command, and the choice of engines that it came from."""

    loaded: Loaded
    command: Command
    decision: Decision
    asks: bool
    """Whether the user can be asked where to transcribe."""
    key_name: str
    """The variable or file in which OpenRouter's key is looked for."""

    @property
    def config(self) -> Config:
        """The settings."""
        return self.loaded.config


@dataclass(frozen=True, slots=True)
class Named:
    """An engine that a file or the command line names."""

    part: str
    """The table: `transcribe`, `handler` or `speak`."""
    engine: str
    place: str
    """The file with the line, or the option."""


def load_command(
    command: Command,
    source: str | None = None,
    sets: Sequence[str] = (),
    *,
    flag: Place | None = None,
    speakers: bool = False,
) -> CommandLoaded:
    """The configuration of a command. `source` and `sets` are its `--config` and `--set`, `flag` is `--cloud` or
    `--local`. `speakers`: whether it tells who spoke, though the command itself doesn't.

    Raises as `load`, and UsageError if `flag` can't be followed.
    """
    preset, handler = _PRESETS[command]
    sources = read_sources(source, sets, preset=preset, handler=handler)
    check_used(command, sources.sets, speakers=speakers)
    merged = merge([*sources.base, sources.file, sources.sets], PART_TABLES).values
    openrouter = merged.get("openrouter")
    named = any(names_an_engine(command, layer) for layer in (sources.file, sources.sets))
    choices, lines = read_kept() if command in CHOOSERS and flag is None and not named else ({}, {})
    given = Given(
        command=command,
        flag=flag,
        named=named,
        named_place=place_of(merged.get("transcribe")),
        kept=choices.get(command),
        key=has_key(openrouter, os.environ),
    )
    decision = decide(given)
    name = key_name(openrouter)
    if decision.above_the_file:
        _check_flag(given, sources, name)
    layers = _layers(command, decision, lines.get(command, 0))
    # A file that names no engine may have its settings, as the language: they count for the engine of a flag, too.
    below, above = ([], layers) if decision.above_the_file and named else (layers, [])
    if command == "dictate" and _value(merged, "control", "sounds") is True:
        below = [*below, _CHIMES]
    above = [*above, *([_ABOVE[command]] if command in _ABOVE else [])]
    if command == "captions":
        above += _translating_by_chat(sources.file)
    loaded = checked(sources, below=below, above=above)
    return CommandLoaded(loaded, command, decision, can_ask(given), name)


def named_input(loaded: Loaded) -> tuple[str | None, bool]:
    """The `audio.input` that the user names, None if there is none; and whether the command line names it. In a file
    `default` names nothing: it says the same as no line."""
    layer, value = loaded.merged.origin(("audio", "input")), loaded.config.audio.input
    if layer is None or ("audio", "input") not in loaded.merged.origins or layer.name.startswith("preset "):
        return None, False
    at_the_command = layer.name == "--set"
    return (value if at_the_command or value != "default" else None), at_the_command


def _translating_by_chat(file: Layer) -> list[Layer]:
    """The layer by which captions are translated by the chat model of a config file, whose `[handler]` they replace."""
    table = file.data.get("handler")
    if not isinstance(table, dict) or table.get("use") != "chat":
        return []
    keys = ("model", "base_url", "api_key_env")
    model = {key: table[key] for key in keys if isinstance(table.get(key), str)}
    return [Layer(file.name, {"handler": {"translation": model}}, file.lines)] if model else []


def _value(values: Mapping[str, object], table: str, key: str) -> object:
    content = values.get(table)
    return content.get(key) if isinstance(content, dict) else None


def _check_flag(given: Given, sources: Sources, key: str) -> None:
    """Raise UsageError if `--set` contradicts the flag, or the key that it needs is missing."""
    option = f"--{given.flag}"
    if names_an_engine("dictate", sources.sets):
        raise UsageError(f"{option} and --set transcribe.use both name an engine", remedy="Give one of them")
    if given.flag == "cloud" and not given.key:
        raise UsageError(
            f"there is no key for OpenRouter: {key} is not set",
            place=option,
            remedy=f"Get a key at https://openrouter.ai/keys and set it (export {key}=...), or leave {option} out: "
            "speech is then transcribed on this machine",
        )


def _layers(command: Command, decision: Decision, line: int) -> list[Layer]:
    """The layer of a decision, if it needs one."""
    if decision.place is None or decision.why in {Why.DEFAULT, Why.NO_KEY}:
        return []
    if command == "run":
        layer, _ = read_layer(preset_path(RUN_CLOUD), name=f"preset {RUN_CLOUD}")
        return [layer]
    name = f"--{decision.place}" if decision.above_the_file else short(choices_file())
    return [choice_layer(command, decision.place, name, line)]


def choices_file() -> Path:
    """The path of the file that keeps the user's choices, whether or not it exists."""
    return user_file().with_name("choices.toml")


def read_kept() -> tuple[dict[Command, Place], dict[Command, int]]:
    """The choices that were kept, and the line of each. Raises ConfigError if the file is damaged."""
    path = choices_file()
    if not is_there(path):
        return {}, {}
    layer, damage = read_layer(path)
    problems = [f"{problem}. Or write the file anew: voiceloop config choose dictate local" for problem in damage]
    choices, wrong = read_choices(layer.data)
    problems += [f"{layer.name}: {message}" for message in wrong]
    if problems:
        raise ConfigError(problems)
    return choices, {command: layer.line((command,)) for command in choices}


def valid_choices() -> dict[Command, Place]:
    """The choices that were kept, without those that are damaged."""
    path = choices_file()
    return read_choices(read_layer(path)[0].data)[0] if is_there(path) else {}


def whose(loaded: Loaded) -> tuple[Named, ...]:
    """The engines that the user named in a file or on the command line, each with the place."""
    found = []
    for part in ENGINE_TABLES:
        layer = loaded.merged.origin((part, "use"))
        if layer is not None and layer not in (DEFAULTS, *_ABOVE.values()) and not layer.name.startswith("preset "):
            found.append(Named(part, getattr(loaded.config, part).use, layer.place((part, "use"))))
    return tuple(found)
