"""The sentence that is shown before the microphone opens: where the words go, and whose decision that is. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceloop.config.address import host_of, is_here, port_of
from voiceloop.config.choice import Why
from voiceloop.config.commands import CommandLoaded, Named, whose
from voiceloop.config.tables import Config, PartTable
from voiceloop.net.wanted import Wanted, wanted_of

_NAMES = {"moonshine": "Moonshine", "whisper": "Whisper", "parakeet": "Parakeet"}
_OWN_CODE = frozenset({"python", "command"})
"""Handlers that run the user's own program."""
_OURS = "voiceloop."
_CONTENT = {"transcribe": "speech", "handler": "words", "speak": "replies"}
"""What each part is given."""


def where_words_go(command: CommandLoaded) -> str:
    """One sentence, like `Speech is transcribed by Moonshine on this machine.`

    "On this machine" is said of embedded engines alone. A server of this machine may pass on what it is given.
    """
    config = command.config
    uses = _uses(config)
    clauses = [*_recognised(config, uses), *_sent(uses), *_foreign(config)]
    said = "; ".join(clauses) or "speech stays on this machine"
    elsewhere = [use.part for use in uses if not is_here(use.wanted.settings.base_url)]
    return f"{said[:1].upper()}{said[1:]}{_reason(command, elsewhere)}."


def who_hears(config: Config) -> str:
    """What transcribes, in a few words: `Moonshine on this machine`, or a server."""
    if (wanted := _wanted(config.transcribe, config)) is not None:
        return _server(wanted.settings.base_url)
    name = _NAMES.get(config.transcribe.use)
    return f"{name} on this machine" if name is not None else config.transcribe.use


def who_translates(config: Config) -> str:
    """The server that the words of captions go to besides, to be translated; empty if there is none."""
    wanted = _wanted(config.handler, config) if config.handler.use == "captions" else None
    return _server(wanted.settings.base_url) if wanted is not None else ""


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
    return wanted_of(table.options, config.openrouter)


def _recognised(config: Config, uses: Sequence[_Use]) -> list[str]:
    """The clause about an embedded recogniser; none if a server hears, or somebody else's engine."""
    name = _NAMES.get(config.transcribe.use)
    if name is None or any(use.part == "transcribe" for use in uses):
        return []
    return [f"speech is transcribed by {name} on this machine"]


def _sent(uses: Sequence[_Use]) -> list[str]:
    """Which content goes to which server: `speech goes to openrouter.ai (openai/whisper-large-v3)`."""
    servers: dict[str, list[_Use]] = {}
    for use in uses:
        servers.setdefault(_server(use.wanted.settings.base_url), []).append(use)
    clauses = []
    for server, used in servers.items():
        contents = list(dict.fromkeys(use.content for use in used))
        models = list(dict.fromkeys(use.wanted.models[0] for use in used))
        verb = "goes" if contents == ["speech"] else "go"
        clauses.append(f"{_listed(contents)} {verb} to {server}" + (f" ({models[0]})" if len(models) == 1 else ""))
    return clauses


def _server(url: str) -> str:
    """The server's host. On this machine with its port, by which its user knows it."""
    port = port_of(url) if is_here(url) else None
    return host_of(url) + (f":{port}" if port is not None else "")


def _foreign(config: Config) -> list[str]:
    """The clauses about what is no part of voiceloop: it may send anything anywhere."""
    clauses = []
    for part, content in _CONTENT.items():
        table: PartTable = getattr(config, part)
        ours = table.part.__module__.startswith(_OURS)
        verb = "is" if content == "speech" else "are"
        if not ours:
            clauses.append(f"{content} {verb} given to {table.use}, which is no part of voiceloop")
        elif part == "handler" and (table.use in _OWN_CODE or ":" in table.use):
            clauses.append(f"{content} {verb} given to your program ({table.use})")
    return clauses


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


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
