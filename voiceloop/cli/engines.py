"""The sentence that is shown before the microphone opens: where the words go, and whose decision that is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceloop.config.address import host_of, is_here
from voiceloop.config.choice import CHOOSERS, Why
from voiceloop.config.commands import CommandLoaded, Named, whose
from voiceloop.config.tables import Config, PartTable
from voiceloop.net.wanted import Wanted, Wants

_NAMES = {"moonshine": "Moonshine", "whisper": "Whisper", "parakeet": "Parakeet"}
_OWN_CODE = frozenset({"python", "command"})
"""Handlers that are the user's own program."""
_CONTENT = {"transcribe": "speech", "handler": "words", "speak": "replies"}
"""What each part is given."""


def where_words_go(command: CommandLoaded) -> str:
    """One sentence, like `Speech is transcribed by Moonshine on this machine.`"""
    config = command.config
    silent = command.command in CHOOSERS  # dictation and captions speak nothing, whatever [speak] says
    uses = [use for use in _uses(config) if not (silent and use.part == "speak")]
    remote = [use for use in uses if not is_here(use.wanted.settings.base_url)]
    said = _sent(remote) if remote else _kept_here(config)
    return f"{said}{_reason(command, [use.part for use in remote])}."


@dataclass(frozen=True, slots=True)
class _Use:
    """A part that uses a server, with what is sent to it."""

    part: str
    content: str
    wanted: Wanted


def _uses(config: Config) -> list[_Use]:
    tables = {"transcribe": config.transcribe, "handler": config.handler, "speak": config.speak}
    contents = _CONTENT | ({"handler": "speech"} if config.handler.use == "voice" else {})
    wants = {part: wanted for part, table in tables.items() if (wanted := _wanted(table, config)) is not None}
    return [_Use(part, contents[part], wanted) for part, wanted in wants.items()]


def _wanted(table: PartTable, config: Config) -> Wanted | None:
    options = table.options
    return options.wanted(config.openrouter) if isinstance(options, Wants) else None


def _sent(remote: Sequence[_Use]) -> str:
    """Which content goes to which host: `Speech goes to openrouter.ai (openai/whisper-large-v3)`."""
    hosts: dict[str, list[_Use]] = {}
    for use in remote:
        hosts.setdefault(host_of(use.wanted.settings.base_url), []).append(use)
    clauses = []
    for host, uses in hosts.items():
        contents = list(dict.fromkeys(use.content for use in uses))
        models = list(dict.fromkeys(use.wanted.models[0] for use in uses))
        verb = "goes" if contents == ["speech"] else "go"
        clauses.append(f"{_listed(contents)} {verb} to {host}" + (f" ({models[0]})" if len(models) == 1 else ""))
    text = "; ".join(clauses)
    return text[:1].upper() + text[1:]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _kept_here(config: Config) -> str:
    """The sentence for a configuration that sends nothing to another machine."""
    use = config.transcribe.use
    if use == "none":
        return "Speech stays on this machine"
    wanted = _wanted(config.transcribe, config)
    name = wanted.models[0] if wanted is not None else _NAMES.get(use, use)
    said = f"Speech is transcribed by {name} on this machine"
    own = config.handler.use if config.handler.use in _OWN_CODE or ":" in config.handler.use else ""
    return f"{said}, and your handler ({own}) is given the words" if own else said


def _reason(command: CommandLoaded, remote: Sequence[str]) -> str:
    match command.decision.why:
        case Why.KEY:
            return f", because {command.key_name} is set"
        case Why.NO_KEY:
            return f". OpenRouter was chosen, but {command.key_name} is not set"
        case Why.KEPT | Why.NAMED:
            found = _first(whose(command.loaded), remote)
            return f", as {found.place} says" if found is not None else ""
        case _:
            return ""


def _first(named: Sequence[Named], remote: Sequence[str]) -> Named | None:
    """The engine to name the place of: the first that uses another machine, else that of transcription."""
    wanted = remote or ("transcribe",)
    return next((engine for engine in named if engine.part in wanted), None)
