"""Whether what somebody wrote can be the address of a server. Asks no server."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

ADDRESS = "Write it in full, like 'https://openrouter.ai/api/v1'."
"""The remedy for an address that can't be one."""


def no_address(url: str) -> str:
    """What keeps `url` from being the address of a server that paths can be added to; empty when nothing does. Never
    repeats the address, which may hold a password."""
    if not url.startswith(("http://", "https://")):
        return "is not an http:// or https:// address"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address: its host or port makes no sense"
    if not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        return "is not the address of a server"
    return "is an address with a query, which no path can follow" if parts.query or parts.fragment else ""


def shown(url: str) -> str:
    """An address without a name, a password or a query in it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
