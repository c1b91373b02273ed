"""The plan of a service: its command line checked as the command itself would, and the API keys that it needs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voiceloop.cli.options import place_of, with_devices, with_options
from voiceloop.control.socket_files import socket_path
from voiceloop.errors import UsageError
from voiceloop.service.program import this_program
from voiceloop.service.unit import Service, Use

if TYPE_CHECKING:
    import typer

    from voiceloop.config.tables import Config
    from voiceloop.service.installing import Places

_REFUSED = {
    "json": "a service's standard output goes nowhere. To follow one: voiceloop ctl status --follow",
    "trace": "a trace is of one session. Record it in a terminal",
}
"""Options, by the names of their parameters, that don't work in a service, and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A service and what goes with it."""

    service: Service
    variables: Mapping[str, str]
    """API keys of this shell that are to be stored for the service."""
    other: tuple[str, ...]
    """The keys of which this shell has another than the one that is stored."""
    control: Path | None
    """Its control socket; None without one."""


def places() -> Places:
    """Where the user's files are."""
    from voiceloop.service.installing import Places

    return Places.users()


def plan(context: typer.Context, use: Use, words: Sequence[str], *, told: frozenset[str]) -> Plan:
    """Plan a service that runs the command `use` with the options `words`, in this working directory.

    `told` are the names of the variables that systemd gives to services. Raises UsageError for what can't run in the
    background, ConfigError for the configuration, and Unauthorized for a key that isn't there.
    """
    from voiceloop.cli.choosing import load_asking
    from voiceloop.config.load import ENVIRONMENT
    from voiceloop.service.installing import stored_variables

    options = _parsed(context, use, words)
    if not options["config"] and (
        named := os.environ.get(ENVIRONMENT)
    ):  # the service has not got this shell's variables
        options["config"], words = named, [*words, "--config", named]
    keys = places().keys
    stored = stored_variables(keys)
    other = tuple(name for name, value in stored.items() if os.environ.get(name, value) != value)
    os.environ.update(stored)  # the configuration is chosen by the keys that the service will have
    flag = place_of(options.get("cloud"))
    config = load_asking(use, options["config"], _sets(options), flag=flag, quiet=False).config
    _check_shown(use, config, options)
    variables = {name: value for name, value in _needed(config).items() if name not in told and name not in stored}
    # Without options nothing can refer to this folder, which may be on a disk to be taken out.
    service = Service(use, this_program(), tuple(words), Path.cwd() if words else Path.home(), keys)
    control = socket_path(config.control.name or use) if config.control.enabled else None
    return Plan(service, variables, other, control)


def _parsed(context: typer.Context, use: Use, words: Sequence[str]) -> dict[str, Any]:
    """The options by the names of the command's parameters. Click tells the user what is wrong with them."""
    root = context.find_root()
    command = root.command.commands[use]  # type: ignore[attr-defined] # the root is a group
    options: dict[str, Any] = command.make_context(use, list(words), parent=root).params
    for name, why in _REFUSED.items():
        if options.get(name):
            raise UsageError(f"it doesn't work in a service: {why}", place=f"--{name}")
    return options


def _sets(options: Mapping[str, Any]) -> list[str]:
    """The options as settings, as the commands make them of theirs."""
    named = {("--to", "handler.to"): options.get("to"), ("--start", "control.start"): options.get("start")}
    sets = with_options(options["sets"], named)
    return with_devices(sets, microphone=options.get("microphone"), loudspeaker=options.get("loudspeaker"))


def _check_shown(use: Use, config: Config, options: Mapping[str, Any]) -> None:
    """Raise UsageError if nobody would see what the service writes."""
    if use == "captions":
        settings: Any = config.handler.options
        page = options["web"] or options["share"] or options["port"] is not None or settings.web is not None
        written = settings.writes_files or any(options[name] for name in ("srt", "vtt", "jsonl", "keep"))
        if not page and not written:
            remedy = "Add --web, or --keep FOLDER."
            raise UsageError("captions of a service are shown nowhere", place="captions", remedy=remedy)
    if use == "dictate" and getattr(config.handler.options, "to", "") == "stdout":
        remedy = "Send the text elsewhere: --to file:PATH"
        raise UsageError("a service has no standard output to dictate to", place="dictate", remedy=remedy)


def _needed(config: Config) -> dict[str, str]:
    """The variables with API keys that a configuration needs, with their values. Raises Unauthorized for a missing or
    malformed key."""
    from voiceloop.net.keys import read_key
    from voiceloop.net.wanted import all_wanted

    needed = {}
    for wanted in all_wanted(config):
        read_key(wanted.settings, os.environ, table=wanted.table)
        name = wanted.settings.api_key_env
        if name and (value := os.environ.get(name, "").strip()):
            needed[name] = value
    return needed
