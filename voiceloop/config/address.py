"""Checks of server addresses (URLs) in the configuration. Makes no request."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit, urlunsplit

ADDRESS = "Write it in full, like 'https://openrouter.ai/api/v1'."
"""The remedy for an invalid address."""


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
