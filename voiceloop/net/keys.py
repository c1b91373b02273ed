"""The API key of a service: reads it and keeps it out of logs, messages and reprs. Knows no HTTP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from voiceloop.config.address import shown_server
from voiceloop.config.server_tables import Endpoint
from voiceloop.errors import ConfigError, Unauthorized
from voiceloop.net.redaction import Redaction
from voiceloop.system.paths import expanded


class Key:
    """A secret that appears only in the HTTP header: never in a repr, a message or a pickle."""

    __slots__ = ("_redaction", "_value")

    def __init__(self, value: str) -> None:
        self._value, self._redaction = value, Redaction([value])

    def redaction(self, secrets: Iterable[str]) -> Redaction:
        """What removes the key, and other secrets, from a text."""
        return Redaction([self._value, *secrets])

    def __repr__(self) -> str:
        return "Key(hidden)"

    def __reduce__(self) -> str:
        raise TypeError("a key can't be pickled or copied")

    def header(self) -> str:
        """The value of the Authorization header."""
        return f"Bearer {self._value}"

    def redact(self, text: str) -> str:
        """`text` with the key replaced: some servers repeat the key in their answers."""
        return self._redaction(text)


def read_key(settings: Endpoint, environ: Mapping[str, str], *, table: str = "openrouter") -> Key | None:
    """Read the key that `settings` names: from the environment variable, else from the file.

    None when `settings` names neither: the server needs no key. Raises `Unauthorized` when the key is missing or
    malformed, before any request is made, and `ConfigError` when the file can't be read.
    """
    if not settings.api_key_env and not settings.api_key_file:
        return None
    if settings.api_key_env and (value := environ.get(settings.api_key_env, "").strip()):
        return _checked(value, source=f"the environment variable {settings.api_key_env}", table=table)
    if settings.api_key_file:
        value = _read(settings.api_key_file, table=table)
        return _checked(value, source=f"the file {settings.api_key_file}", table=table)
    raise Unauthorized(
        f"there is no key: the environment variable {settings.api_key_env} is not set",
        place=shown_server(settings.base_url),
        remedy=f"Set it (export {settings.api_key_env}=...), or set {table}.api_key_file to a file with the key; for a "
        f'server that needs no key, set {table}.api_key_env = ""',
    )


def _read(name: str, *, table: str) -> str:
    try:
        return expanded(name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        problem = f"{table}.api_key_file: can't read {name!r}: {reason}. Write the key and nothing else into that file"
        raise ConfigError([problem]) from None


def _checked(value: str, *, source: str, table: str) -> Key:
    # A header value must be visible ASCII. Anything else is a mistake in copying, and httpx would show it in its error.
    if value and all("!" <= letter <= "~" for letter in value):
        return Key(value)
    what = "holds no key" if not value else "holds an invalid key (it contains blanks or characters outside ASCII)"
    raise Unauthorized(f"{source} {what}", place=table, remedy="Put the key and nothing else there, and start again")
