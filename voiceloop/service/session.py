"""What a service that starts with the desktop needs of it, and what to do where the desktop doesn't give it. Pure.

GNOME and KDE start graphical-session.target, and tell systemd the display before. i3, sway and other window managers do
neither unless their configuration says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voiceloop.service.unit import GRAPHICAL_TARGET

_DISPLAYS = frozenset({"DISPLAY", "WAYLAND_DISPLAY"})
_VARIABLES = ("DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_CURRENT_DESKTOP", "XDG_SESSION_TYPE", "SWAYSOCK")
"""What dictation reads to find the display and the desktop."""


@dataclass(frozen=True, slots=True)
class Session:
    """The desktop session as this process and systemd see it."""

    here: bool
    """Whether this process belongs to one."""
    known: bool
    """Whether systemd knows a display."""
    untold: tuple[str, ...]
    """The variables that this process has and systemd has not."""
    announced: bool
    """Whether graphical-session.target is active."""

    @classmethod
    def of(cls, environ: Mapping[str, str], told: frozenset[str], *, announced: bool) -> Session:
        """`environ` is this process's environment, `told` the names of the variables that systemd has."""
        mine = {name for name in _VARIABLES if environ.get(name)}
        untold = tuple(name for name in _VARIABLES if name in mine - told)
        return cls(not _DISPLAYS.isdisjoint(mine), not _DISPLAYS.isdisjoint(told), untold, announced)

    def advice(self, unit: str) -> list[str]:
        """What the user has to do so that `unit` starts with the desktop, a line each."""
        if self.announced and not (self.here and self.untold):
            return []
        tell = f"systemctl --user import-environment {' '.join(self.untold or _VARIABLES[:2])}"
        if self.announced:
            return [f"systemd doesn't know all of this session ({', '.join(self.untold)}). To tell it: {tell}"]
        if not self.here:
            what = f"No desktop session is running: it starts with the next one that reaches {GRAPHICAL_TARGET}."
        else:
            what = f"This desktop doesn't reach {GRAPHICAL_TARGET}, so nothing starts the service at login."
        also = "GNOME and KDE do. Others (i3, sway) start it by this line in their configuration:"
        return [what, also, f"    exec {tell}; exec systemctl --user start {unit}"]
