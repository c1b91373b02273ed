"""The names of system packages, by distribution: for messages that say what to install. Pure, but for one file."""

from __future__ import annotations

import re
import sys
from pathlib import Path

Names = dict[str, str]
"""The package's name by family of distributions."""

PORTAUDIO: Names = {
    "debian": "libportaudio2",
    "fedora": "portaudio",
    "arch": "portaudio",
    "suse": "libportaudio2",
    "alpine": "portaudio",
    "void": "portaudio",
    "darwin": "portaudio",
}
LIBPULSE: Names = {
    "debian": "libpulse0",
    "fedora": "pulseaudio-libs",
    "arch": "libpulse",
    "suse": "libpulse0",
    "alpine": "libpulse",
    "void": "libpulseaudio",
}
_COMMANDS = {
    "debian": "sudo apt install",
    "fedora": "sudo dnf install",
    "arch": "sudo pacman -S",
    "suse": "sudo zypper install",
    "alpine": "doas apk add",
    "void": "sudo xbps-install",
    "darwin": "brew install",
}
_ALIASES = {"ubuntu": "debian", "rhel": "fedora", "centos": "fedora", "opensuse": "suse", "sles": "suse"}
_FILES = (Path("/etc/os-release"), Path("/usr/lib/os-release"))
_LINE = re.compile(r"""^(ID|ID_LIKE)=["']?([^"'\n]*)["']?\s*$""", re.MULTILINE)


def install(package: Names, os_release: str | None = None) -> str:
    """Return the command that installs the package here; on an unknown distribution its name elsewhere."""
    family = _family(os_release)
    if family not in package:
        return f"on Debian: {_COMMANDS['debian']} {package['debian']}"
    return f"{_COMMANDS[family]} {package[family]}"


def _family(os_release: str | None) -> str:
    """The family of distributions that an `/etc/os-release` names (os-release(5)), by default this machine's."""
    if os_release is None:
        if sys.platform != "linux":
            return sys.platform
        os_release = _read()
    fields = dict(_LINE.findall(os_release))
    names = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    known = (_ALIASES.get(name.partition("-")[0], name) for name in names)
    return next((name for name in known if name in _COMMANDS), "")


def _read() -> str:
    for path in _FILES:
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return ""
