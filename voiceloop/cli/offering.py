"""The line that offers a larger model for writing: at a terminal, and once only."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from voiceloop.cli.render import at_terminal
from voiceloop.events import Publish

if TYPE_CHECKING:
    from voiceloop.config.commands import CommandLoaded


def offer_once(command: CommandLoaded, publish: Publish) -> None:
    """Publish a `notice` with a model that writes better than the one in use. Whoever has seen one sees none again."""
    if not at_terminal(sys.stderr) or (made := _made()).exists():
        return
    line = offered(command)
    # Without a place to remember the offer, it would come at every start.
    if line and _remembered(made):
        publish("notice", text=line)


def offered(command: CommandLoaded) -> str:
    """The offer for a command's engine; empty if there is none."""
    from voiceloop.models.offer import offer, spoken_in
    from voiceloop.transcribe.embedded.places import user_models

    table = command.config.transcribe
    model = getattr(table.options, "model", None)
    if not isinstance(model, str):
        return ""
    language = getattr(table.options, "language", None) or spoken_in(os.environ)
    found = offer(table.use, model, language=language)
    return "" if found is None or (user_models() / found.model.name).exists() else found.line


def _made() -> Path:
    """The file that is there once the offer was made."""
    from platformdirs import user_state_path

    return user_state_path("voiceloop", appauthor=False) / "model-offered"


def _remembered(made: Path) -> bool:
    with suppress(OSError):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.touch()
        return True
    return False
