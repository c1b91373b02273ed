"""The systemd unit of a command that runs in the background. Pure.

    run                  starts at login              default.target
    dictate, captions    start with the desktop       graphical-session.target

A desktop that starts graphical-session.target has told systemd its display before (GNOME, KDE; sway with a line in its
configuration), so the service has the session's display and its message bus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from voiceloop.errors import UsageError
from voiceloop.service.desktop_entry import APP_ID
from voiceloop.service.marks import marked

Use = Literal["run", "dictate", "captions"]
USES: tuple[Use, ...] = get_args(Use)
GRAPHICAL: frozenset[Use] = frozenset({"dictate", "captions"})
"""Commands that need the session of a desktop."""
GRAPHICAL_TARGET = "graphical-session.target"
_DESCRIPTIONS: Mapping[Use, str] = {
    "run": "voiceloop: speak with a program",
    "dictate": "voiceloop: dictation",
    "captions": "voiceloop: live captions",
}
_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./:=,+@-]+")
_SOUND_SERVERS = "pipewire.service pipewire-pulse.service wireplumber.service pulseaudio.service"


@dataclass(frozen=True, slots=True)
class Service:
    """What a unit runs."""

    use: Use
    program: Path
    """The installed command `voiceloop`."""
    arguments: tuple[str, ...]
    """The options of the command."""
    folder: Path
    """The working directory: relative paths in the options start here."""
    keys: Path
    """The file of environment variables with API keys. It need not exist."""


def unit_name(use: Use) -> str:
    """The name of a command's unit. Desktop portals find the application's id in it."""
    return f"app-{APP_ID}@{use}.service"


def unit(service: Service) -> bytes:
    """The unit file. Raises UsageError for a path that can't stand in one."""
    name = unit_name(service.use)
    graphical = service.use in GRAPHICAL
    target = GRAPHICAL_TARGET if graphical else "default.target"
    with_desktop = f"PartOf={GRAPHICAL_TARGET}\nAfter={GRAPHICAL_TARGET}\n" if graphical else ""
    command = " ".join([_program(service.program), service.use, *(quoted(word) for word in service.arguments)])
    text = f"""\
[Unit]
Description={_DESCRIPTIONS[service.use]}
After={_SOUND_SERVERS}
{with_desktop}\
# The sound server or a model may come late: systemd goes on trying.
StartLimitIntervalSec=0
# After 'pipx uninstall' and the like, nothing is tried any more.
ConditionFileIsExecutable={_path(service.program)}

[Service]
Type=exec
ExecStart={command}
WorkingDirectory=-{_path(service.folder)}
# API keys, as NAME=value; only you can read this file.
EnvironmentFile=-{_path(service.keys)}
# Standard output is what is said. The journal keeps it, and administrators can read that: only messages go there.
StandardOutput=null
StandardError=journal
SyslogIdentifier=voiceloop-{service.use}
Restart=on-failure
RestartSec=5
# 75: the program asks to be started again.
RestartForceExitStatus=75
# 2 and 78: starting again doesn't correct the command line or the configuration.
RestartPreventExitStatus=2 78
TimeoutStopSec=5
NoNewPrivileges=yes

[Install]
WantedBy={target}
"""
    return marked(text, f"To change it: systemctl --user edit {name}")


def quoted(word: str, *, expanded: bool = True) -> str:
    """A word of `ExecStart` (systemd.service(5), "Command lines"). `expanded`: systemd replaces `$NAME` in it, as in
    every word but the program. Raises UsageError for a word that is not Unicode: systemd couldn't show the unit."""
    if _PLAIN_WORD.fullmatch(word):
        return word
    special = {"\\": "\\\\", '"': '\\"', "%": "%%", **({"$": "$$"} if expanded else {})}
    return '"' + "".join(special.get(char) or _printable(char) for char in word) + '"'


def _printable(char: str) -> str:
    """The character, or its bytes as escapes if it is a newline or the like."""
    if "\ud800" <= char <= "\udfff":
        raise UsageError("an option has characters that are not UTF-8", place="service", remedy="Rename the file.")
    return char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in char.encode())


def _program(path: Path) -> str:
    """The program as the first word of `ExecStart`, whose characters systemd restricts."""
    if any(char in "'\"\\" for char in str(path)):
        what = "systemd starts no program whose path has quotes or a backslash"
        raise UsageError(what, place=repr(str(path)), remedy="Install voiceloop elsewhere.")
    return quoted(str(path), expanded=False)


def _path(path: Path) -> str:
    """A path as a setting by itself, where nothing can be quoted."""
    text = str(path)
    if not text.isprintable() or text != text.strip() or text.endswith("\\"):
        what = "systemd can't take this path: it has control characters, or a blank or backslash at its end"
        raise UsageError(what, place=repr(text), remedy="Rename the folder.")
    return text.replace("%", "%%")
