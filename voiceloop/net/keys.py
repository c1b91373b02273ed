"""Finds a service's key and keeps it out of sight. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from voiceloop.config.tables import Endpoint
from voiceloop.errors import ConfigError, Unauthorized


class Key:
    """A secret that shows itself only to the header that carries it: never in a repr, a message or a pickle."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Key(hidden)"

    def __reduce__(self) -> str:
        raise TypeError("a key is never written anywhere")

    def header(self) -> str:
        return f"Bearer {self._value}"

    def redact(self, text: str) -> str:
        """`text` without the key: servers have been seen to repeat it in what they answer."""
        return text.replace(self._value, "[the key]")


def read_key(settings: Endpoint, environ: Mapping[str, str], *, table: str = "openrouter") -> Key | None:
    """The key that `settings` points at, the environment before the file; None when the server needs none.

    Raises `Unauthorized` when there should be one and isn't, before any request is made, and `ConfigError` when the
    key's file can't be read.
    """
    if not settings.api_key_env and not settings.api_key_file:
        return None
    if settings.api_key_env and (value := environ.get(settings.api_key_env, "").strip()):
        return _checked(value, f"the environment variable {settings.api_key_env}", table)
    if settings.api_key_file:
        return _checked(_read(settings.api_key_file, table), f"the file {settings.api_key_file}", table)
    raise Unauthorized(
        f"there is no key: the environment variable {settings.api_key_env} is not set",
        place=settings.base_url,
        remedy=f"Set it (export {settings.api_key_env}=...), or let {table}.api_key_file name a file that holds the "
        f'key; for a server that needs none, {table}.api_key_env = ""',
    )


def _read(name: str, table: str) -> str:
    try:
        return Path(name).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        problem = f"{table}.api_key_file: can't read {name!r}: {reason}. Write the key, alone, into that file"
        raise ConfigError([problem]) from None


def _checked(value: str, where: str, table: str) -> Key:
    # Header values are visible ASCII; anything else is a paste gone wrong, and httpx would show it in its own error.
    if value and all("!" <= letter <= "~" for letter in value):
        return Key(value)
    what = "holds no key" if not value else "holds something that can't be a key (blanks or letters outside ASCII)"
    raise Unauthorized(f"{where} {what}", place=table, remedy="Put the key there, alone, and start again")
