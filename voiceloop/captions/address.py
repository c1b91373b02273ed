"""The address of the captions' page, and who may have what at it.

The page shows private speech. By default it is at loopback, and the Host header must be 127.0.0.1 or localhost: a
foreign site could otherwise reach it under its own name (DNS rebinding). A shared page is at one address of the local
network, below a path that nobody can guess; the Host header must be that address. The Origin header, if any, must be
the page's own.
"""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from ipaddress import ip_address

import h11

from voiceloop.errors import OutputError

LOOPBACK = "127.0.0.1"
FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "page.css": ("page.css", "text/css; charset=utf-8"),
    "page.js": ("page.js", "text/javascript; charset=utf-8"),
    "look.js": ("look.js", "text/javascript; charset=utf-8"),
}
"""What is served beside the events, by the name below the page's path: the file and its type."""
EVENTS = "events"


@dataclass(frozen=True, slots=True)
class Address:
    """Where a page is: the IP address that is listened at, the port, and the path, which begins and ends with `/`."""

    host: str
    port: int
    path: str = "/"

    @property
    def shared(self) -> bool:
        """Whether other devices can reach it."""
        return not ip_address(self.host).is_loopback

    @property
    def url(self) -> str:
        return f"http://{self._named(self.host)}{self.path}"

    @property
    def hosts(self) -> frozenset[str]:
        """The Host headers of requests that are meant for the page."""
        names = (self.host,) if self.shared else (self.host, "localhost")
        named = {self._named(name) for name in names}
        # Browsers leave out the port 80.
        return frozenset(named | {name.removesuffix(":80") for name in named} if self.port == 80 else named)

    def _named(self, host: str) -> str:
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"

    def name_of(self, target: bytes) -> str | None:
        """What a request's target names below the page's path: a key of `FILES`, or `EVENTS`; None for anything else.

        The time that it takes does not tell how much of the path was right.
        """
        path = target.partition(b"?")[0]
        own = self.path.encode()
        name = path[len(own) :].decode("ascii", "replace")
        return name if secrets.compare_digest(path[: len(own)], own) and (name in FILES or name == EVENTS) else None


@dataclass(frozen=True, slots=True)
class Sharing:
    """How a page is shared: at which of this machine's IP addresses, and below which path; None: found, and random."""

    host: str | None = None
    path: str | None = None

    def at(self) -> tuple[str, str]:
        """The address and the path. Raises OutputError if this machine has no such address."""
        return shared_host(self.host), f"/{self.path or random_path()}/"


def refusal(request: h11.Request, address: Address) -> int | None:
    """The status with which to refuse a request, whatever its path; None for one of the page itself."""
    if request.method != b"GET":
        return 405
    hosts = [value.decode("ascii", "replace").lower() for name, value in request.headers if name == b"host"]
    if len(hosts) != 1 or hosts[0] not in address.hosts:
        return 421
    origins = [value.decode("ascii", "replace").lower() for name, value in request.headers if name == b"origin"]
    return None if all(origin in {f"http://{host}" for host in address.hosts} for origin in origins) else 403


def after_of(request: h11.Request) -> str:
    """The last line that a reader says it has: `?after=`, or the header Last-Event-ID. Empty if it says nothing."""
    given = request.target.partition(b"?after=")[2]
    headers = [value for name, value in request.headers if name == b"last-event-id"]
    return (given or b"".join(headers[:1])).decode("ascii", "replace")


def random_path() -> str:
    """A name that can't be guessed, for the path of a shared page: 128 random bits."""
    return secrets.token_urlsafe(16)


def shared_host(wanted: str | None) -> str:
    """The IP address to share at: `wanted`, or this machine's on its local network. Raises OutputError."""
    place = "handler.share_address"
    if wanted is None:
        found = [host for host in _own_hosts() if not ip_address(host).is_loopback]
        local = [host for host in found if not ip_address(host).is_global]
        if not local:
            public = f" ({found[0]} is not local)" if found else ""
            remedy = f"Connect to the network, or name this machine's address on it: --set {place}=192.168.0.5"
            raise OutputError(f"this machine has no address on a local network{public}", place=place, remedy=remedy)
        return local[0]
    try:
        address = ip_address(wanted)
    except ValueError as error:
        remedy = "Give one of this machine's, like 192.168.0.5"
        raise OutputError(f"'{wanted}' is no IP address", place=place, remedy=remedy) from error
    if address.is_unspecified or address.is_loopback:
        remedy = "Give the one that other devices reach, like 192.168.0.5"
        raise OutputError(f"{wanted} is no address of this machine on a network", place=place, remedy=remedy)
    return str(address)


def _own_hosts() -> list[str]:
    """This machine's IPv4 addresses towards others, the likeliest first. Nothing is sent: a UDP socket that is
    connected only chooses its route."""
    hosts = []
    # The way to anywhere (an address of documentation), then to the private networks, for one without a router.
    for target in ("198.51.100.1", "192.168.255.254", "10.255.255.254", "172.31.255.254"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect((target, 9))
            except OSError:
                continue
            hosts.append(str(probe.getsockname()[0]))
    return list(dict.fromkeys(hosts))
