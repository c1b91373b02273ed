"""What a service's failures mean: statuses and error bodies to our errors, in words. Pure; knows no HTTP library."""

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
from voiceloop.net.values import retry_after_s
from voiceloop.text import clean_line

SAID_LIMIT = 300
"""Characters of what a server said that reach a person."""
BODY_LIMIT = 65_536
"""Bytes of an error body that are looked at."""
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the error table: the type, what happened and what to do about it."""

    error: type[errors.ServiceError]
    what: str
    remedy: str


_LATER = "Try again; if it stays, name another model or see the provider's status page"

KINDS: dict[int, Kind] = {
    400: Kind(errors.BadRequest, "the request was refused", "Check the options in [{table}] of the config"),
    401: Kind(errors.Unauthorized, "the key was refused", "Check the key: {key}"),
    402: Kind(errors.OutOfCredits, "the account is out of credits", "Add some (https://openrouter.ai/credits)"),
    403: Kind(errors.Unauthorized, "the key may not do this", "Check the key's limits and the account: {key}"),
    404: Kind(errors.NoSuchModel, "there is no such model or path", "'voiceloop models' lists the models"),
    407: Kind(
        errors.Unauthorized,
        "the proxy wants a password",
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


@dataclass(frozen=True, slots=True)
class Where:
    """Which request an error is about."""

    url: str
    """The endpoint, without user, password and query."""
    model: str = ""
    key_place: str = ""
    """Where the key came from, for remedies: never the key."""
    table: str = "openrouter"
    """The table of the config whose options made the request."""
    hide: Callable[[str], str] = field(default=str, repr=False)
    """Takes the key out of a text."""

    def __str__(self) -> str:
        return f"{self.url} ({self.model})" if self.model else self.url


def clean(text: str, limit: int = SAID_LIMIT, *, hide: Callable[[str], str] = str) -> str:
    """What a server said, fit to be shown: one line, no control, format or bidirectional characters, bounded.

    `hide` comes after the invisible characters are gone, which could part a key, and before the cut, which could
    leave half of one.
    """
    line = re.sub(r"\s+", " ", clean_line(text[:BODY_LIMIT]))
    line = "".join(c for c in line if unicodedata.category(c) not in _INVISIBLE).strip()
    line = hide(line)
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def from_status(
    status: int, headers: Mapping[str, str], body: bytes, where: Where, *, reported: int | None = None
) -> errors.ServiceError:
    """The error for an answer that is not 2xx, or (`reported`) for one that says so inside a 200."""
    code = reported if reported is not None else status
    if 300 <= code < 400:
        return _redirected(code, headers, where)
    kind = KINDS.get(code) or (_OTHER_5XX if code >= 500 else _OTHER_4XX)
    said = _said(body, where)
    shown = f"HTTP {code}" if reported is None or reported == status else f"HTTP {status}, error {code}"
    what = f"{kind.what} ({shown})" + (f"; the server said: {said}" if said else "")
    return kind.error(
        what,
        place=str(where),
        remedy=kind.remedy.format(key=where.key_place or "no key is configured", table=where.table),
        status=code,
        retry_after_s=retry_after_s(headers.get("retry-after")),
    )


def from_error_object(error: Any, where: Where, *, status: int = 200) -> errors.ServiceError:
    """The error for `{"error": ...}` inside an answer that began as a success."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isdigit():
        code = int(code)
    reported = code if isinstance(code, int) and 400 <= code < 600 else 500
    return from_status(status, {}, json.dumps({"error": error}).encode(), where, reported=reported)


def bad_answer(what: str, where: Where, *, status: int = 200, remedy: str = "") -> errors.BadAnswer:
    """A 200 that is not what was asked for."""
    return errors.BadAnswer(
        what, place=str(where), remedy=remedy or "Check base_url: is that an OpenRouter-shaped server?", status=status
    )


def _redirected(code: int, headers: Mapping[str, str], where: Where) -> errors.ServiceError:
    target = clean(headers.get("location", "somewhere else"), 200, hide=where.hide)
    return bad_answer(
        f"the server redirects (HTTP {code}) to {target}; redirects are not followed, the key would travel with them",
        where,
        status=code,
        remedy="If that is the right server, set base_url to it",
    )


def _said(body: bytes, where: Where) -> str:
    """The message in an error body, whatever its shape; markup (a proxy's error page) says nothing useful."""
    text = body[:BODY_LIMIT].decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith("<") else clean(text, hide=where.hide)
    return clean(_message(value), hide=where.hide)


def _message(value: Any) -> str:
    if isinstance(value, str):
        return value
    if not isinstance(value, dict):
        return ""
    error = value.get("error", value)
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    message = error.get("message") or error.get("detail") or ""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    parts = [part for part in (message, raw) if isinstance(part, str) and part]
    return " / ".join(dict.fromkeys(parts))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and all that it came from; groups are opened."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _chain(inner)
        error = error.__cause__ or error.__context__


def tls_failure(error: BaseException) -> tuple[str, str] | None:
    """What went wrong and what to do, for a connection that failed in TLS; None for another."""
    found = next((cause for cause in _chain(error) if isinstance(cause, ssl.SSLError)), None)
    if found is None:
        return None
    if isinstance(found, ssl.SSLCertVerificationError):
        remedy = "Check base_url and the clock; for a private authority set SSL_CERT_FILE"
        return f"its certificate is not trusted: {clean(found.verify_message)}", remedy
    why = clean((found.reason or str(found)).replace("_", " ").lower())
    return f"no TLS: {why}", "Check base_url: is it an http:// address?"


def reasons(error: BaseException) -> Iterator[str]:
    """The system's words for a failed connection: trio's own name only the address."""
    for cause in _chain(error):
        if isinstance(cause, OSError) and cause.errno:
            yield os.strerror(cause.errno) if cause.errno > 0 else clean(cause.strerror or "")
