"""The files of a service, and the calls to systemd that put it in place and take it away.

~/.config/systemd/user/app-ID@USE.service      the unit
~/.local/share/applications/ID.desktop         the desktop entry, one for all services
~/.config/voiceloop/environment                API keys, one file for all services; never removed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voiceloop.errors import OutputError, UsageError
from voiceloop.service import key_file
from voiceloop.service.desktop_entry import FILE_NAME, entry
from voiceloop.service.marks import Found, found_at, put, take_away
from voiceloop.service.systemd import systemctl
from voiceloop.service.unit import USES, Service, Use, unit, unit_name


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files are."""

    units: Path
    entry: Path
    keys: Path

    @classmethod
    def users(cls) -> Places:
        """The user's."""
        from platformdirs import user_config_path, user_data_path

        return cls.below(config=user_config_path(), data=user_data_path())

    @classmethod
    def below(cls, *, config: Path, data: Path) -> Places:
        """Those in the user's folders for configuration and data (XDG_CONFIG_HOME, XDG_DATA_HOME)."""
        units, keys = config / "systemd" / "user", config / "voiceloop" / "environment"
        return cls(units, data / "applications" / FILE_NAME, keys)

    def unit(self, use: Use) -> Path:
        """The unit file of a command."""
        return self.units / unit_name(use)

    def installed(self) -> list[Use]:
        """The commands that have a unit file."""
        return [use for use in USES if found_at(self.unit(use)) is not Found.NOTHING]


def install(service: Service, places: Places, variables: Mapping[str, str], *, start: bool, force: bool) -> None:
    """Put a service in place, and add `variables` to the file of keys; with `start`, also start it, or start it again.

    Raises UsageError if the unit was edited and `force` is off, OutputError if a file can't be written, and
    ServiceManagerError if systemd refuses.
    """
    path, data = places.unit(service.use), unit(service)
    _refuse_edited(path, service.use, force=force)
    if variables:
        put(places.keys.resolve(), key_file.with_variables(_text(places.keys), variables).encode())
    put_entry(service.program, places)
    put(path, data)
    systemctl("daemon-reload")
    systemctl("reenable", "--", path.name)
    if start:
        systemctl("restart", "--", path.name)


def remove(use: Use, places: Places, *, force: bool) -> None:
    """Stop a service and take it away; the desktop entry goes with the last one. Raises as `install`."""
    path = places.unit(use)
    _refuse_edited(path, use, force=force)
    systemctl("disable", "--now", "--", path.name)
    take_away(path)
    if not places.installed():
        remove_entry(places)
    systemctl("daemon-reload")


def put_entry(program: Path, places: Places) -> bool:
    """Write the desktop entry, unless the user has edited it; whether it changed. Raises OutputError."""
    return found_at(places.entry) is not Found.EDITED and put(places.entry, entry(program))


def remove_entry(places: Places) -> bool:
    """Remove the desktop entry, unless the user has edited it; whether there was one. Raises OutputError."""
    ours = found_at(places.entry) is Found.OURS
    if ours:
        take_away(places.entry)
    return ours


def _refuse_edited(path: Path, use: Use, *, force: bool) -> None:
    if force or found_at(path) is not Found.EDITED:
        return
    raise UsageError(
        "it was edited, or was not written by 'voiceloop service install'",
        place=str(path),
        remedy=f"Changes of yours belong beside it: systemctl --user edit {unit_name(use)}. To replace or remove it "
        "nevertheless, add --force.",
    )


def stored_variables(keys: Path) -> dict[str, str]:
    """The variables in the file of keys, which is closed to other users first. Raises OutputError."""
    return key_file.read(_text(keys))


def _text(keys: Path) -> str:
    try:
        if keys.stat().st_mode & 0o077:
            keys.chmod(0o600)
        return keys.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        reason = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "it is not UTF-8 text"
        remedy = f"Repair it; only you may read it: chmod 600 {keys}"
        raise OutputError(f"the file with API keys can't be used: {reason}", place=str(keys), remedy=remedy) from error
