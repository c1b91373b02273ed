"""The loader of the configuration: finds the files, merges the layers and has the result checked.

    4   --set table.key=value                       overrides
    3   one config file                             overrides
    2   the command's preset                        overrides
    1   the built-in defaults, which need no API key and no network

The config file is the first of: `--config`, `$VOICELOOP_CONFIG`, the user's own file. A name without a slash and an
extension can also be the name of a preset (`assistant`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from voiceloop import registry as parts
from voiceloop.config.layers import Layer, Merged, find_lines, merge, parse_sets
from voiceloop.config.secrets import scrub
from voiceloop.config.tables import Config
from voiceloop.config.toml import NotToml, parse
from voiceloop.config.validation import PART_TABLES, Checker
from voiceloop.config.wording import MISSING, Problem
from voiceloop.errors import ConfigError
from voiceloop.system.paths import expanded
from voiceloop.system.user_modules import look_in
from voiceloop.text import clean_line

ENVIRONMENT = "VOICELOOP_CONFIG"

DEFAULTS = Layer(
    "the built-in default",
    {
        "vad": {"use": "hybrid"},
        "transcribe": {"use": "moonshine"},
        "handler": {"use": "basic"},
        "speak": {"use": "local"},
    },
)
"""The parts that work offline."""

_EFFORT, _REASONING = ("handler", "reasoning_effort"), ("handler", "reasoning")
ALTERNATIVES = (
    (_EFFORT, _REASONING),
    ((*_REASONING, "effort"), (*_REASONING, "max_tokens")),
    (("handler", "max_tokens"), ("handler", "max_completion_tokens")),
    (("speak", "voice"), ("speak", "input_references")),
)
"""Keys that say the same: the one of the highest layer counts. A preset has some of them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked configuration, with the layer that each value came from, and the config file, if there is one."""

    config: Config
    merged: Merged
    file: Path | None


@dataclass(frozen=True, slots=True)
class Sources:
    """The layers as they were read, and messages for what could not be read."""

    base: tuple[Layer, ...]
    """The defaults and the command's preset."""
    file: Layer
    """The config file; empty if there is none."""
    sets: Layer
    path: Path | None
    """The path of the config file."""
    problems: tuple[str, ...]


def load(
    source: str | None = None, sets: Sequence[str] = (), *, preset: str | None = None, handler: str | None = None
) -> Config:
    """The configuration for a command. `source` is the argument of `--config`, `sets` are those of each `--set`.

    `handler`: the command works with this handler only. A `[handler]` table that names another one is ignored.

    Raises `ConfigError` with every mistake at once. Raises `EngineError` if the only mistake is that one named engine
    can't be imported.
    """
    return load_with_origins(source, sets, preset=preset, handler=handler).config


def load_with_origins(
    source: str | None = None, sets: Sequence[str] = (), *, preset: str | None = None, handler: str | None = None
) -> Loaded:
    """As `load`, with the origin of each value."""
    return checked(read_sources(source, sets, preset=preset, handler=handler))


def read_sources(
    source: str | None, sets: Sequence[str], *, preset: str | None = None, handler: str | None = None
) -> Sources:
    """Read all layers. The parameters are those of `load`. Raises `ConfigError` for a file that isn't there."""
    base, problems = [DEFAULTS], []
    if preset is not None:
        layer, mistakes = read_layer(preset_path(preset), name=f"preset {preset}")
        base.append(_for_handler(layer, handler))
        problems += mistakes
    path = find_file(source, os.environ)
    file, mistakes = read_layer(path, name=_shown(path)) if path is not None else (Layer("no config file", {}), [])
    problems += mistakes
    given, mistakes = parse_sets(sets)
    return Sources(tuple(base), _for_handler(file, handler), given, path, (*problems, *mistakes))


def checked(sources: Sources, *, below: Sequence[Layer] = (), above: Sequence[Layer] = ()) -> Loaded:
    """Merge the layers and check the result. Raises as `load`.

    `below` and `above` are layers to put below the config file, and between it and `--set`.
    """
    merged = merge([*sources.base, *below, sources.file, *above, sources.sets], PART_TABLES, ALTERNATIVES)
    _let_import_from(sources.path)
    checker = Checker(parts.find)
    config = checker.config(merged)
    if not sources.problems and not checker.problems and len(checker.failures) == 1:
        raise checker.failures[0][1]
    problems = [*sources.problems]
    problems += [problem.line(place) for _, place, problem in sorted(_placed(checker.problems, merged))]
    problems += [f"{'.'.join(path)}: {error}" for path, error in checker.failures]
    if problems or config is None:
        raise ConfigError([_as_line(problem) for problem in problems])
    return Loaded(config, merged, sources.path)


def _for_handler(layer: Layer, handler: str | None) -> Layer:
    """`layer`, without its `[handler]` table if that names another handler than `handler`."""
    table = layer.data.get("handler")
    if handler is None or not isinstance(table, dict) or table.get("use", handler) == handler:
        return layer
    return replace(layer, data={name: content for name, content in layer.data.items() if name != "handler"})


def _placed(problems: Sequence[Problem], merged: Merged) -> Iterator[tuple[tuple[str, int], str, Problem]]:
    """For each problem: the key to sort by (file, then line), the place to show, and the problem."""
    for problem in problems:
        # A missing key has no line: use the place where its engine is named.
        layer = merged.origin(problem.path) or merged.origin((problem.path[0], "use"))
        if layer is None or layer is DEFAULTS:
            yield ("", 0), "", problem
        else:
            yield (layer.name, layer.line(problem.path)), layer.place(problem.path), _with_example(problem, merged)


def _with_example(problem: Problem, merged: Merged) -> Problem:
    """`problem`; if an engine's key is missing, with an example from a preset that names the same engine."""
    if problem.what != MISSING or len(problem.path) != 2:
        return problem
    table, key = problem.path
    here: Any = merged.values.get(table)
    for name, path in presets().items():
        there = parse(path.read_text(encoding="utf-8")).get(table, {})
        if there.get("use") == here.get("use") and key in there:
            example = f"For example, as in the preset '{name}': {key} = \"{there[key]}\"."
            return replace(problem, remedy=example)
    return problem


def find_file(source: str | None, environment: Mapping[str, str]) -> Path | None:
    """The config file: the first of `--config`, the environment variable and the user's own file; or None.

    Raises `ConfigError` if one is named that doesn't exist.
    """
    for name, origin in ((source, "--config"), (environment.get(ENVIRONMENT), f"${ENVIRONMENT}")):
        if name:
            return _named_file(name, origin)
    own = user_file()
    return own if is_there(own) else None


def is_there(path: Path) -> bool:
    """Whether there is a file, or something that may be one: reading it says why it can't be read."""
    try:
        return path.exists()
    except OSError:  # a folder on the way to it may not be entered
        return True


def user_file() -> Path:
    """The path of the user's own config file, whether or not it exists."""
    import platformdirs

    return Path(platformdirs.user_config_dir("voiceloop")) / "config.toml"


def presets() -> dict[str, Path]:
    """The config files that come with voiceloop, by name."""
    return {path.stem: path for path in sorted(preset_folder().glob("*.toml"))}


def preset_folder() -> Path:
    """The folder of the presets: inside the installed package, or `configs/` at the top of a source checkout."""
    package = Path(__file__).parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def _shown(path: Path) -> str:
    """The name of a config file in messages: its path, or `preset NAME` for one that comes with voiceloop."""
    return next((f"preset {name}" for name, preset in presets().items() if preset == path), short(path))


def preset_path(name: str) -> Path:
    """The file of the preset `name`. Raises `ConfigError` if there is no such preset."""
    known = presets()
    if name not in known:
        raise ConfigError([f"there is no preset '{name}'. The presets are: {', '.join(known)}"])
    return known[name]


def read_layer(path: Path, *, name: str = "") -> tuple[Layer, list[str]]:
    """A TOML file as a layer, and messages for what is wrong with it. `name` is shown in place of the path."""
    name = name or short(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        return Layer(name, {}), [f"{name}: can't be read: {error.strerror}. Check the path and its permissions"]
    except UnicodeDecodeError:
        return Layer(name, {}), [f"{name}: is not UTF-8 text. Save it as UTF-8"]
    try:
        data = parse(text)
    except NotToml as error:
        return Layer(name, {}), [_syntax_error(name, text, str(error))]
    return Layer(name, data, find_lines(text)), []


def _syntax_error(name: str, text: str, message: str) -> str:
    """tomllib's message, with the place first. Its messages name keys and characters but no values, so no secrets."""
    found = re.search(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$", message)
    what = message[: found.start()] if found else message
    line = (found and found[1]) or len(text.splitlines())
    return f"{name}:{line}: is not TOML: {what[:1].lower()}{what[1:]}. Put text in quotes; begin a table with [name]"


def _named_file(name: str, origin: str) -> Path:
    path = expanded(name)
    bare = path.name == name and not path.suffix
    if bare and name in presets():
        return presets()[name]
    if os.path.isfile(path):  # noqa: PTH113 - no error for a name that is too long
        return path
    what = "is a folder, not a file" if os.path.isdir(path) else "there is no such file"  # noqa: PTH112
    known = f". The presets are: {', '.join(presets())}" if bare else ""
    raise ConfigError([f"{origin} {_as_line(name)}: {what}{known}"])


def _as_line(problem: str) -> str:
    """A message that may repeat what was typed, or stands in a file, as one line that is safe to show."""
    return scrub(clean_line(problem))


def short(path: Path) -> str:
    """A path as people write it, with `~` for the home folder."""
    try:
        return f"~/{path.relative_to(Path.home())}" if path.is_absolute() else str(path)
    except (ValueError, RuntimeError):
        return str(path)


def _let_import_from(file: Path | None) -> None:
    """Let `use = "module:name"` import modules beside the config file and in the working directory."""
    folders = [file.resolve().parent] if file and file.resolve().parent != preset_folder().resolve() else []
    with suppress(FileNotFoundError):  # the working directory was removed
        folders.append(Path.cwd())
    look_in(folders)
