"""What the parts of a configuration ask which servers for: the names that a server's listing can be held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from voiceloop.config.address import shown
from voiceloop.config.tables import Config, Endpoint, Table
from voiceloop.net.catalogue import Kind, Model, doubt


@dataclass(frozen=True, slots=True)
class Wanted:
    """One part's wishes."""

    part: str
    """Its table in the config: `transcribe`, `handler`, `speak`."""
    kind: Kind
    settings: Endpoint
    """The server."""
    table: str
    """The table that names the server: the part's own, or `openrouter`."""
    models: tuple[str, ...]
    """The model, and those to fall back on."""
    voice: str | None = None


@runtime_checkable
class Wants(Protocol):
    """Options of a part that asks a server."""

    def wanted(self, openrouter: Endpoint) -> Wanted:
        """What it asks for; `openrouter` is the server for options that name none of their own."""
        ...


def server_of(options: Table, openrouter: Endpoint, part: str) -> tuple[Endpoint, str]:
    """The server of a part, and the table that names it: its own options where they are an `Endpoint`."""
    return (options, part) if isinstance(options, Endpoint) else (openrouter, "openrouter")


def transcribed_by(config: Config) -> str:
    """Who transcribes: the engine, and the server where it asks one."""
    table = config.transcribe
    if not isinstance(table.options, Wants):
        return table.use
    return f"{table.use} at {shown(table.options.wanted(config.openrouter).settings.base_url)}"


def all_wanted(config: Config) -> Iterator[Wanted]:
    """What each part of a config wants that asks a server."""
    for table in (config.transcribe, config.handler, config.speak):
        if isinstance(table.options, Wants):
            yield table.options.wanted(config.openrouter)


def doubts(wanted: Wanted, listed: Sequence[Model]) -> list[str]:
    """What a server's listing has against the names in the config, a line for each."""
    lines = []
    for number, name in enumerate(wanted.models):
        if (found := doubt(name, wanted.voice, listed)) is not None:
            key = "models" if number and found.key == "model" else found.key
            lines.append(f"{wanted.part}.{key}: {found}")
    return lines
