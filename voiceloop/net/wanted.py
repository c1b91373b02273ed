"""The models and voices that a config requests from each server, and their check against the server's listing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pydantic import BaseModel

from voiceloop.config.address import shown_server
from voiceloop.config.server_tables import Endpoint
from voiceloop.config.table import Table
from voiceloop.config.tables import Config
from voiceloop.net.catalogue import Kind, Model, doubt


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one part needs from a server."""

    part: str
    """The part's table in the config: `transcribe`, `handler`, `speak`."""
    kind: Kind
    settings: Endpoint
    """The server."""
    table: str
    """The config table that names the server: the part's own, or `openrouter`."""
    models: tuple[str, ...]
    """The model, then its fallbacks."""
    voice: str | None = None


@runtime_checkable
class Wants(Protocol):
    """Options of a part that uses a server."""

    def wanted(self, openrouter: Endpoint) -> Wanted:
        """What the part needs. `openrouter` is the server for options that don't name their own."""
        ...


@runtime_checkable
class MayWant(Protocol):
    """Options of a part that may use a server beside its own work."""

    def may_want(self, openrouter: Endpoint) -> Wanted | None:
        """What the part needs, as `Wants.wanted`; None if it uses no server."""
        ...


def wanted_of(options: BaseModel, openrouter: Endpoint) -> Wanted | None:
    """What a part with these options needs from a server; None if it uses none."""
    if isinstance(options, Wants):
        return options.wanted(openrouter)
    return options.may_want(openrouter) if isinstance(options, MayWant) else None


def server_of(options: Table, openrouter: Endpoint, part: str) -> tuple[Endpoint, str]:
    """The server of a part and the config table that names it: its own options if they are an `Endpoint`."""
    return (options, part) if isinstance(options, Endpoint) else (openrouter, "openrouter")


def transcribed_by(config: Config) -> str:
    """The transcription engine, with the address of its server if it uses one."""
    table = config.transcribe
    if not isinstance(table.options, Wants):
        return table.use
    return f"{table.use} at {shown_server(table.options.wanted(config.openrouter).settings.base_url)}"


def all_wanted(config: Config) -> Iterator[Wanted]:
    """What each part of a config that uses a server needs from it."""
    for table in (config.transcribe, config.handler, config.speak):
        if (wanted := wanted_of(table.options, config.openrouter)) is not None:
            yield wanted


def doubts(wanted: Wanted, listed: Sequence[Model]) -> list[str]:
    """One line for each model or voice in the config that the server's listing doesn't contain."""
    lines = []
    for index, name in enumerate(wanted.models):
        if (found := doubt(name, listed, voice=wanted.voice)) is not None:
            key = "models" if index > 0 and found.key == "model" else found.key
            lines.append(f"{wanted.part}.{key}: {found}")
    return lines
