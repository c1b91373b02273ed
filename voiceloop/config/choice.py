"""The choice of engines for a command that nobody configured. Pure: reads no file and no environment.

What decides, the strongest first:

    command     dictate, captions                               run
    1           `--cloud`, `--local`: for this run
    2           an engine that --set or the config file names   the same
    3           the choice that was kept (choices.toml)
    4                                                           OpenRouter, if its key is set
    5           this machine                                    this machine

A key alone sends nobody's speech away in `dictate` and `captions`: other people's voices may be in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal, get_args

from voiceloop.config.address import is_here
from voiceloop.config.layers import Data, Layer

Command = Literal["run", "dictate", "captions"]
Place = Literal["local", "cloud"]
"""Where speech is transcribed: on this machine, or by OpenRouter."""

PLACES: tuple[Place, ...] = get_args(Place)
CHOOSERS: tuple[Command, ...] = ("dictate", "captions")
"""The commands whose place the user chooses."""
ENGINES: Mapping[tuple[Command, Place], Mapping[str, object]] = {
    ("dictate", "cloud"): {"use": "openrouter", "model": "openai/whisper-large-v3"},
    ("captions", "cloud"): {"use": "openrouter", "model": "openai/whisper-large-v3-turbo"},
    ("dictate", "local"): {"use": "moonshine"},
    ("captions", "local"): {"use": "moonshine"},
}
"""The table `[transcribe]` of each choice. Captions are posted often, so theirs is the cheaper model."""
RUN_CLOUD = "assistant"
"""The preset that `run` uses if the key is set."""
ENGINE_TABLES = ("transcribe", "handler", "speak")
_EMBEDDED = frozenset({"moonshine", "whisper", "parakeet", "none"})
_KEY_ENV = "OPENROUTER_API_KEY"


class Why(Enum):
    """The reason for a decision."""

    FLAG = "the command line says so"
    NAMED = "an engine is named"
    KEPT = "it was chosen once"
    KEY = "the key is set"
    NO_KEY = "the cloud was chosen once, but there is no key"
    DEFAULT = "nothing was chosen"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a decision is made from."""

    command: Command
    flag: Place | None = None
    """`--cloud` or `--local`."""
    named: bool = False
    """Whether --set or the config file names an engine: of transcription, or for `run` any but the VAD's."""
    named_place: Place | None = None
    """Where the named transcription engine works; None if that isn't known, or none is named."""
    kept: Place | None = None
    key: bool = False
    """Whether OpenRouter's key is set, or its address needs none."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Which engines to use. `place` is None if they are those that the configuration names."""

    place: Place | None
    why: Why

    @property
    def above_the_file(self) -> bool:
        """Whether the decision stands over the config file, and not below it."""
        return self.why is Why.FLAG


def decide(given: Given) -> Decision:
    """The decision by the table above."""
    if given.flag is not None:
        fits = given.named and given.named_place == given.flag
        return Decision(None, Why.NAMED) if fits else Decision(given.flag, Why.FLAG)
    if given.named:
        return Decision(None, Why.NAMED)
    if given.command == "run":
        return Decision("cloud", Why.KEY) if given.key else Decision("local", Why.DEFAULT)
    if given.kept == "cloud" and not given.key:
        return Decision("local", Why.NO_KEY)
    return Decision("local", Why.DEFAULT) if given.kept is None else Decision(given.kept, Why.KEPT)


def can_ask(given: Given) -> bool:
    """Whether there is something to ask the user: nothing decides yet, and the cloud could be used."""
    return given.command in CHOOSERS and given.key and decide(given).why is Why.DEFAULT


def names_an_engine(command: Command, layer: Layer) -> bool:
    """Whether a config file or `--set` names an engine that the decision is about."""
    tables = ENGINE_TABLES if command == "run" else ("transcribe",)
    contents = [layer.data.get(table) for table in tables]
    return any(isinstance(content, Mapping) and "use" in content for content in contents)


def place_of(transcribe: object) -> Place | None:
    """Where the engine of a table `[transcribe]` works; None for engines that can't be known here."""
    table = transcribe if isinstance(transcribe, Mapping) else {}
    use = table.get("use")
    if use in _EMBEDDED:
        return "local"
    if use in {"openai", "realtime"}:
        return "local" if is_here(str(table.get("base_url", "http://127.0.0.1"))) else None
    return "cloud" if use == "openrouter" else None


def has_key(openrouter: object, environment: Mapping[str, str]) -> bool:
    """Whether the table `[openrouter]` leads to a key: a variable that is set, or a file that is named. Also true for a
    server that needs none."""
    table = openrouter if isinstance(openrouter, Mapping) else {}
    variable, file = table.get("api_key_env", _KEY_ENV), table.get("api_key_file")
    return (not variable and not file) or bool(file) or bool(environment.get(str(variable), "").strip())


def key_name(openrouter: object) -> str:
    """The place where the key of the table `[openrouter]` is looked for: a variable, or else a file."""
    table = openrouter if isinstance(openrouter, Mapping) else {}
    return str(table.get("api_key_env", _KEY_ENV) or table.get("api_key_file") or _KEY_ENV)


def choice_layer(command: Command, place: Place, name: str, line: int = 0) -> Layer:
    """The layer of a choice. `name` and `line` say where it was made."""
    return Layer(name, {"transcribe": dict(ENGINES[command, place])}, {("transcribe",): line} if line else {})


HEADER = """\
# Where speech is transcribed if no config file names an engine: "local" (this machine) or "cloud" (OpenRouter).
# Written by voiceloop when you choose. To change it: voiceloop config choose dictate local
# Without a line here the command asks, if there is a key and a terminal.

"""


def as_file(choices: Mapping[Command, Place]) -> str:
    """The text of choices.toml."""
    return HEADER + "".join(f'{command} = "{place}"\n' for command, place in sorted(choices.items()))


def read_choices(data: Data | Mapping[str, object]) -> tuple[dict[Command, Place], list[str]]:
    """The choices in a choices.toml, and a message for each entry that is wrong."""
    choices: dict[Command, Place] = {}
    wrong = []
    for name, value in data.items():
        if name in CHOOSERS and value in PLACES:
            choices[name] = value
        elif name in CHOOSERS:
            wrong.append(f'{name} must be "local" or "cloud". Correct it, or run: voiceloop config choose {name} local')
        else:
            known = ", ".join(CHOOSERS)
            remedy = "Remove the line, or run: voiceloop config choose dictate local"
            wrong.append(f"there is no choice '{name}'. The choices are: {known}. {remedy}")
    return choices, wrong
