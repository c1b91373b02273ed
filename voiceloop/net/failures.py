"""The mapping from HTTP statuses, error bodies and TLS failures to `ServiceError`s. Pure; knows no HTTP library."""

from __future__ import annotations

import json
import os
import re
import ssl
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from voiceloop import errors
from voiceloop.config.address import is_near, port_of
from voiceloop.net.server_errors import message_in, says_too_long, status_in
from voiceloop.net.values import retry_after_s
from voiceloop.text import clean_line

SAID_LIMIT = 300
"""Characters of a server's message that are shown to the user."""
BODY_LIMIT = 65_536
"""Bytes of an error body that are examined."""
_HIDDEN_LIMIT = 4_096
"""Characters of a message that are searched for secrets: far more than are shown, and few enough for the loop."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the error table: the type, what happened and the remedy."""

    error: type[errors.ServiceError]
    what: str
    remedy: str


_LATER = "Try again; if the error persists, choose another model or see the provider's status page"
_OWN_LATER = "See what the server says in its own terminal or log; if it lacks memory, choose a smaller model"

KINDS: dict[int, Kind] = {
    400: Kind(errors.BadRequest, "the request was refused", "Check the options in [{table}] of the config"),
    401: Kind(errors.Unauthorized, "the key was refused", "Check the key: {key}"),
    402: Kind(errors.OutOfCredits, "the account is out of credits", "Add credits: https://openrouter.ai/credits"),
    403: Kind(errors.Unauthorized, "the key does not allow this", "Check the key's limits and the account: {key}"),
    404: Kind(errors.NoSuchModel, "there is no such model or path", "'voiceloop models' lists the models"),
    407: Kind(
        errors.Unauthorized,
        "the proxy requires a password",
        "Put it into HTTPS_PROXY or HTTP_PROXY: http://user:password@host:port",
    ),
    408: Kind(errors.TimedOut, "the request timed out", _LATER),
    413: Kind(errors.BadRequest, "the request is too large", "Lower segment.max_utterance_s"),
    429: Kind(errors.RateLimited, "too many requests", "Wait, or use another model or a key with higher limits"),
    500: Kind(errors.ServerFailed, "the server failed", _LATER),
    502: Kind(errors.BadGateway, "the model's provider failed", _LATER),
    503: Kind(errors.Unavailable, "the service is unavailable", _LATER),
    504: Kind(errors.EdgeTimeout, "the provider timed out behind the gateway", _LATER),
    524: Kind(errors.EdgeTimeout, "the provider timed out at the edge", _LATER),
    529: Kind(errors.Overloaded, "the provider is overloaded", _LATER),
}
_OTHER_4XX = Kind(errors.BadRequest, "the request was refused", "Check [{table}] in the config")
_OTHER_5XX = Kind(errors.ServerFailed, "the server failed", _LATER)
_TOO_LONG = Kind(
    errors.ContextTooLong,
    "the conversation is too long for the model",
    "Lower handler.history_tokens, shorten handler.system, or give the model a larger context",
)
_NEVER_TOO_LONG = frozenset({401, 402, 403, 404, 429})
"""Statuses that say what they say, whatever the words beside them: 429 may speak of tokens, too."""


@dataclass(frozen=True, slots=True)
class Where:
    """The request that an error is about."""

    url: str
    """The endpoint, without user, password and query."""
    model: str = ""
    key_place: str = ""
    """Where the key comes from (a variable or a file), for remedies. Never the key itself."""
    table: str = "openrouter"
    """The table of the config whose options made the request."""
    hide: Callable[[str], str] = field(default=str, repr=False)
    """Removes the key from a text."""

    def __str__(self) -> str:
        return f"{self.url} ({self.model})" if self.model else self.url


def clean(text: str, limit: int = SAID_LIMIT, *, hide: Callable[[str], str] = str) -> str:
    """A server's text made safe for display: one line of at most `limit` characters, without invisible characters.

    Invisible are control, format and bidirectional characters. `hide` (which removes the key) runs after they are
    removed, since they could split the key, and before the text is cut, since the cut could leave half of the key.
    """
    line = re.sub(r"\s+", " ", clean_line(text[:BODY_LIMIT]))
    line = "".join(c for c in line if unicodedata.category(c) not in _INVISIBLE).strip()
    line = hide(line[:_HIDDEN_LIMIT])
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def from_status(
    status: int, headers: Mapping[str, str], body: bytes, where: Where, *, reported: int | None = None
) -> errors.ServiceError:
    """The error for an answer that is not 2xx. `reported` is the error status inside the body of an answer with 200."""
    code = reported if reported is not None else status
    if 300 <= code < 400:
        return _redirected(code, headers, where)
    value, message = _server_message(body, where)
    too_long = where.table == "handler" and code not in _NEVER_TOO_LONG and says_too_long(value)
    kind = _TOO_LONG if too_long else KINDS.get(code) or (_OTHER_5XX if code >= 500 else _OTHER_4XX)
    shown = f"HTTP {code}" if reported is None or reported == status else f"HTTP {status}, error {code}"
    what = f"{kind.what} ({shown})" + (f"; the server said: {message}" if message else "")
    remedy = _OWN_LATER if kind.remedy == _LATER and is_near(where.url) else kind.remedy
    return kind.error(
        what,
        place=str(where),
        remedy=remedy.format(key=where.key_place or "no key is configured", table=where.table),
        status=code,
        retry_after_s=retry_after_s(headers.get("retry-after")),
    )


def from_error_object(error: Any, where: Where, *, status: int = 200) -> errors.ServiceError:
    """The error for an `{"error": ...}` object in the body of an answer with a success status."""
    return from_status(status, {}, json.dumps({"error": error}).encode(), where, reported=status_in(error))


def bad_answer(what: str, where: Where, *, status: int = 200, remedy: str = "") -> errors.BadAnswer:
    """The error for a successful answer whose content is not what was requested."""
    return errors.BadAnswer(
        what, place=str(where), remedy=remedy or "Check base_url: is that an OpenRouter-shaped server?", status=status
    )


_OFFLINE = {
    "transcribe": "voiceloop run --config offline (dictate, captions: --local)",
    "handler": "voiceloop run --config offline",
    "speak": "voiceloop run --config offline",
}
"""The command that needs no network, by the table of the config whose options made the request."""


def without_network(where: Where) -> str:
    """The end of the remedy for a failed connection: how to go on on this machine.

    Empty for servers of this machine and the local network, which need no internet, and for requests of no turn.
    """
    command = _OFFLINE.get(where.table)
    return "" if command is None or is_near(where.url) else f". To go on without a network: {command}"


_STARTERS = {11434: "'ollama serve'", 8080: "'llama-server -m MODEL.gguf'", 1234: "'lms server start'"}
"""The command that starts the local server which usually has this port: Ollama, llama.cpp, LM Studio."""


def start_it(where: Where) -> str:
    """The remedy for a server of this machine or the local network that takes no connections."""
    starter = _STARTERS.get(port_of(where.url) or 0)
    start = f"Start the server ({starter}), or correct base_url" if starter else "Start the server, or correct base_url"
    command = _OFFLINE.get(where.table)
    return start if command is None else f"{start}. To go on without it: {command}"


def broke_off(where: Where) -> str:
    """The remedy for a connection that broke off in the middle."""
    return _OWN_LATER if is_near(where.url) else "Check the network"


def _redirected(code: int, headers: Mapping[str, str], where: Where) -> errors.ServiceError:
    target = clean(headers.get("location", "somewhere else"), 200, hide=where.hide)
    return bad_answer(
        f"the server redirects (HTTP {code}) to {target}; redirects are not followed, since they would carry the key",
        where,
        status=code,
        remedy="If that is the right server, set base_url to it",
    )


def _server_message(body: bytes, where: Where) -> tuple[Any, str]:
    """The JSON of an error body (its text, if it is none), and the message in it.

    No message for markup: a proxy's error page has nothing useful.
    """
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text, "" if text.lstrip().startswith("<") else clean(text, hide=where.hide)
    return value, clean(message_in(value), hide=where.hide)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its causes and contexts, and the members of exception groups."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _chain(inner)
        error = error.__cause__ or error.__context__


def tls_failure(error: BaseException) -> tuple[str, str] | None:
    """What went wrong and the remedy, for a connection that failed in TLS. None for any other failure."""
    found = next((cause for cause in _chain(error) if isinstance(cause, ssl.SSLError)), None)
    if found is None:
        return None
    if isinstance(found, ssl.SSLCertVerificationError):
        remedy = "Check base_url and the clock; for a private authority set SSL_CERT_FILE"
        return f"the server's certificate is not trusted: {clean(found.verify_message)}", remedy
    why = clean((found.reason or str(found)).replace("_", " ").lower())
    return f"the TLS handshake failed: {why}", "Check base_url: is it an http:// address?"


def reasons(error: BaseException) -> Iterator[str]:
    """The operating system's reasons for a failed connection. Trio's own messages contain only the address."""
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno:
            yield os.strerror(cause.errno) if cause.errno > 0 else clean(cause.strerror or "")
