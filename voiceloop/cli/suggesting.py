"""The line that says, while `run` starts, that a language model listens on this machine which nobody configured."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from voiceloop.events import Publish

if TYPE_CHECKING:
    from voiceloop.config.commands import CommandLoaded

WITHOUT_MODEL = frozenset({"basic", "echo"})
"""Handlers that answer without a language model."""


def has_no_model(command: CommandLoaded) -> bool:
    """Whether the answers come from a handler without a model that no file, preset or option names."""
    from voiceloop.config.load import DEFAULTS

    default = command.loaded.merged.origin(("handler", "use")) in (None, DEFAULTS)
    return default and command.config.handler.use in WITHOUT_MODEL


async def suggest(command: CommandLoaded, publish: Publish) -> None:
    """Publish a `notice` for each server found, if `command` has no model. Takes no time where nothing listens."""
    if has_no_model(command):
        for line in await found_here():
            publish("notice", text=line)


async def found_here() -> list[str]:
    """A line for each server with language models on this machine, with the command that uses it."""
    from voiceloop.net.local_servers import probe, suggestion

    return [suggestion(server) for server in await probe(os.environ)]
