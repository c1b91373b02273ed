"""Which proxy leads to a server, by the environment's HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY. Pure.

An entry of NO_PROXY is a domain (with those below it), `.domain` (only those below), an address, or a network
(`fe80::/10`), each with or without a port; IPv6 with or without brackets. `*` turns all proxies off. What is nothing of
these is passed over: it is often there for another program.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

HERE = frozenset({"127.0.0.1", "localhost", "::1"})
"""Servers on this machine are never reached through a proxy, which would look for them on the proxy's own machine."""

_PORTS = {"http": 80, "https": 443}
_Matches = Callable[[str, str, int | None], bool]
"""Whether an entry is about a scheme, a host and a port."""


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies of an environment: `by_scheme` has their addresses for `http`, `https` and `all`."""

    by_scheme: Mapping[str, str]
    exceptions: tuple[_Matches, ...]

    @classmethod
    def of(cls, found: Mapping[str, str]) -> Proxies:
        """Those that `urllib.request.getproxies` finds: addresses by scheme, and NO_PROXY as `no`."""
        entries = [entry for part in found.get("no", "").split(",") if (entry := part.strip().lower())]
        if "*" in entries:
            return cls({}, ())
        by_scheme = {
            scheme: address if "://" in address else f"http://{address}"
            for scheme in ("http", "https", "all")
            if (address := found.get(scheme))
        }
        return cls(by_scheme, tuple(match for entry in entries if (match := _match(entry)) is not None))

    def address(self, scheme: str, host: str, port: int | None) -> str | None:
        """The address of the proxy for a server; None if it is reached without. `port` is None for the usual one."""
        host = host.lower().strip("[]").rstrip(".")
        if host in HERE or any(matches(scheme, host, port) for matches in self.exceptions):
            return None
        return self.by_scheme.get(scheme) or self.by_scheme.get("all")


def _match(entry: str) -> _Matches | None:
    scheme, found, rest = entry.rpartition("://")
    rest = rest.rstrip("/") if found else rest
    network = None if "]:" in rest else _network(rest)
    name, port = (rest, None) if network is not None else _with_port(rest)
    network = network or _network(name)
    if not name or (port is not None and not (port.isascii() and port.isdigit() and len(port) < 10)):
        return None

    def matches(of_scheme: str, host: str, of_port: int | None) -> bool:
        if scheme not in {"", "all", of_scheme}:
            return False
        if port is not None and int(port) != (of_port or _PORTS.get(of_scheme)):
            return False
        return _in(network, host) if network is not None else _below(host, name.removeprefix("*"))

    return matches


def _with_port(text: str) -> tuple[str, str | None]:
    """`host:80` in two. Addresses of IPv6 have their port behind brackets."""
    if text.startswith("["):
        inside, _, behind = text[1:].partition("]")
        return inside, behind.removeprefix(":") or None
    name, colon, port = text.rpartition(":")
    return (name, port) if colon else (text, None)


def _below(host: str, name: str) -> bool:
    if name.startswith("."):
        return host.endswith(name)
    return host == name or (name != "localhost" and host.endswith(f".{name}"))


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.replace("[", "").replace("]", ""), strict=False)
    except ValueError:
        return None


def _in(network: ipaddress.IPv4Network | ipaddress.IPv6Network, host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]) in network
    except ValueError:
        return False
