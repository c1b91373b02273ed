"""Checks of server addresses (URLs) in the configuration. Makes no request."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit, urlunsplit

ADDRESS = "Write it in full, like 'https://openrouter.ai/api/v1'."
"""The remedy for an invalid address."""
_HOME = (".localhost", ".local", ".lan", ".home", ".internal", ".home.arpa")
"""Ends of names that only the local network knows."""
_PLAIN_SEGMENT = re.compile(r"[A-Za-z]{1,20}(?:[-_.][A-Za-z]{1,20}){0,3}|v\d{1,2}(?:\.\d)?(?:alpha|beta)?\d?|\d{1,4}")
"""Parts of the paths of APIs: words (`api`, `llama.cpp`, `chat-completions`) and versions. All else may be a token."""
_SECRET_WORD = re.compile(r"^(?:sk|pk|rk|gsk|hf|xai|key)[-_.]|secret|token|passw", re.IGNORECASE)

_RANDOM = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{12}|[0-9a-f]{8}-[0-9a-f]{4}-", re.IGNORECASE)


def no_address(url: str) -> str:
    """What is wrong with `url` as the address of a server to which paths are appended; empty if it is valid. The text
    never repeats the address, which may hold a password."""
    if not url.startswith(("http://", "https://")):
        return "is not an http:// or https:// address"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address: its host or port is invalid"
    if not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        return "is not the address of a server"
    return "is an address with a query, so no path can be appended" if parts.query or parts.fragment else ""


def shown(url: str) -> str:
    """`url` without user name, password and query."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def shown_server(url: str) -> str:
    """`url`, the address of a server's API, without user name, password, query, and what may be a token in its path."""
    parts = urlsplit(url)
    path = "/".join("…" if _is_hidden(segment) else segment for segment in parts.path.split("/"))
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))


def tokens_in(url: str) -> list[str]:
    """The parts of the path of `url` that must be tokens: `shown_server` leaves out these and more."""
    return [part for part in urlsplit(url).path.split("/") if _SECRET_WORD.search(part) or _RANDOM.search(part)]


def _is_hidden(segment: str) -> bool:
    return bool(segment) and (_PLAIN_SEGMENT.fullmatch(segment) is None or _SECRET_WORD.search(segment) is not None)


def is_here(url: str) -> bool:
    """Whether `url` is an address of this machine itself (loopback)."""
    host = host_of(url)
    address = _ip(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


def is_own(url: str) -> bool:
    """Whether `url` is an address of this machine or of the local network: what is sent there stays with the user."""
    host = host_of(url)
    address = _ip(host)
    return is_here(url) or (address.is_private if address is not None else host.endswith((".local", ".lan")))


def is_near(url: str) -> bool:
    """Whether `url` looks like a server of the user's own: what `is_own` knows, or a name that the internet doesn't
    have (`nas`, `pc.home.arpa`). Serves to say the right remedy. It is no promise where words go: that is `is_own`."""
    host = host_of(url).rstrip(".")
    return is_own(url) or (bool(host) and _ip(host) is None and ("." not in host or host.endswith(_HOME)))


def is_near_ip(host: str) -> bool:
    """Whether `host` is an IP address of this machine or of the local network. Not the unspecified one: filters of
    advertisements let names of the internet lead there."""
    address = _ip(host.partition("%")[0])
    return address is not None and address.is_private and not address.is_unspecified


def host_of(url: str) -> str:
    """The host of an address, without port, user and password; empty if there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def port_of(url: str) -> int | None:
    """The port that an address names; None if there is none, or it is invalid."""
    try:
        return urlsplit(url).port
    except ValueError:
        return None


def _ip(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
