"""Checks of server addresses (URLs) in the configuration. Makes no request."""

from __future__ import annotations

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
