"""The tables of a running program: its commands, its journal, its messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from voiceloop.config.table import Conflict, Table
from voiceloop.config.trigger import TRIGGER, no_trigger


class Control(Table):
    """The socket by which `voiceloop ctl` starts, stops and mutes a running program."""

    enabled: bool = True
    """Off: there is no socket, and `voiceloop ctl` does not reach the program."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]*$")] = ""
    """The name by which `voiceloop ctl --name` finds the program; empty: the command's (`run`, `dictate`,
    `captions`)."""
    start: Literal["listening", "idle"] = "listening"
    """The state at the start. `idle`: speech is ignored until `voiceloop ctl start` or `toggle`."""
    shortcut: str = ""
    """A key combination that works in every window, like `CTRL+ALT+space`: hold it to talk, or tap it to start or stop
    listening. The desktop asks you once whether to allow it, and may let you choose other keys. Needs a desktop with
    the portal for global shortcuts (GNOME 48 and later, KDE Plasma, Hyprland). Empty: none. Best with `start =
    "idle"`."""
    notify: bool = False
    """Whether a desktop notification tells when the program listens, sleeps or is muted."""
    sounds: bool = False
    """Whether a short rising sound tells that listening starts, and a falling one that it stops (`run` and `dictate`).
    They are kept out of what is transcribed, and you may speak over them."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.shortcut and (what := no_trigger(self.shortcut)):
            yield Conflict(("shortcut",), what, TRIGGER)
        for key in ("shortcut", "sounds", "name"):  # not `notify`, which the preset of dictation sets
            if getattr(self, key) and not self.enabled:
                remedy = "Remove one of the two: control.enabled = false turns all control off."
                yield Conflict((key, "enabled"), "does nothing without control", remedy)
        if self.start == "idle" and not self.enabled:
            remedy = "Remove one of the two: only 'voiceloop ctl' or the shortcut could start it."
            yield Conflict(("start", "enabled"), "idle is for ever without control", remedy)


class Journal(Table):
    """The journal: with handlers that do something with each utterance (dictation, captions, commands), an utterance
    is stored on disk before it is sent, and deleted once it is delivered. `voiceloop transcribe --pending` transcribes
    those that were not delivered."""

    enabled: bool = True
    """Off: an utterance is lost if the program is killed, or a service fails, before it is delivered."""
    captions: bool = False
    """Whether `voiceloop captions` stores speech without captions, too, when no file of captions is asked for. What it
    hears is other people's speech, so by default none of it reaches the disk then."""
    max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 500
    """How much undelivered speech is kept; above that the oldest is deleted with a notice. A minute takes 2 MB."""
    max_days: Annotated[float, Field(gt=0, le=36_500)] = 30
    """How long undelivered speech is kept. Speech that is found to be older is deleted a week after that, or after
    `max_days` once more if that is shorter, because the clock may have been wrong when it was stored."""

    def conflicts(self) -> Iterable[Conflict]:
        if self.captions and not self.enabled:
            remedy = "Remove one of the two: journal.enabled = false stores no speech at all."
            yield Conflict(("captions", "enabled"), "does nothing without the journal", remedy)


class Log(Table):
    """Messages on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important messages that are written. Transcripts are written only at `debug`."""
