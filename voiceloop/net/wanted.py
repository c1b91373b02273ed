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
from voiceloop.net.catalogue import Kind, Model, doubt, find
from voiceloop.net.parameters import Asked, refused
from voiceloop.net.providers import Feature, Provider, lacking


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
    asked: tuple[Asked, ...] = ()
    """The keys of the config that not every model takes."""
    features: tuple[Feature, ...] = ()
    """The keys of the config that not every provider can do."""
    ends: str = ""
    """The day on which the model ends, as YYYY-MM-DD, if that is known without the listing."""
    told_by_listing: bool = False
    """Whether the model's listing decides how it is asked."""

    @property
    def needs_listing(self) -> bool:
        """Whether the listing is worth a request at the start. That a model can't but reason is not: it says so."""
        checked = any(asked.effort != "none" for asked in self.asked)
        return self.table == "openrouter" and (checked or self.told_by_listing)


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
    """One line for each model or voice in the config that the server's listing doesn't contain, and for each key that
    the model doesn't take."""
    lines = []
    for index, name in enumerate(wanted.models):
        if (found := doubt(name, listed, voice=wanted.voice)) is not None:
            key = "models" if index > 0 and found.key == "model" else found.key
            lines.append(f"{wanted.part}.{key}: {found}")
        if (model := find(name, listed)) is not None:
            lines += [f"{wanted.part}.{asked.key}: {why}" for asked in wanted.asked if (why := refused(asked, model))]
    return lines


def lacks(wanted: Wanted, providers: Sequence[Provider]) -> list[str]:
    """One line for each key of the config that none of the model's providers can do."""
    found = ((feature.key, lacking(feature, wanted.models[0], providers)) for feature in wanted.features)
    return [f"{wanted.part}.{key}: {why}" for key, why in found if why]
