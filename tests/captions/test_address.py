"""Who may have what at the address of the captions' page."""

from __future__ import annotations

import h11
import pytest

from voiceloop.captions.address import Address, after_of, random_path, refusal, shared_host
from voiceloop.errors import OutputError

OWN = Address("127.0.0.1", 8765)
SHARED = Address("192.168.0.5", 8765, "/hard-to-guess/")


def request(
    method: str = "GET", target: str = "/", *, host: str | None = "127.0.0.1:8765", **headers: str
) -> h11.Request:
    given = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return h11.Request(method=method, target=target, headers=[("Host", host), *given] if host is not None else given)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request(), None),
        (request(Origin="http://localhost:8765"), None),
        (request(host="localhost:8765"), None),
        (request(host="LOCALHOST:8765"), None),
        (request(host="captions.example:8765"), 421),
        (request(host="127.0.0.1.captions.example:8765"), 421),
        (request(host="127.0.0.1:81"), 421),
        (request(host="127.0.0.1"), 421),
        (request(host="192.168.0.5:8765"), 421),
        (request(host=""), 421),
        (request(Origin="https://evil.example"), 403),
        (request(Origin="null"), 403),
        (request("POST"), 405),
        (request("HEAD"), 405),
    ],
)
def test_only_requests_of_the_page_itself_are_answered(asked: h11.Request, status: int | None) -> None:
    assert refusal(asked, OWN) == status


def test_a_request_with_two_hosts_is_refused() -> None:
    both = [("Host", "127.0.0.1:8765"), ("Host", "captions.example")]
    with pytest.raises(h11.LocalProtocolError):
        h11.Request(method="GET", target="/", headers=both)
    old = h11.Request(method="GET", target="/", headers=[], http_version="1.0")
    assert refusal(old, OWN) == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "captions.example:8765", "192.168.0.6:8765"])
def test_a_shared_page_is_answered_under_its_own_address_alone(host: str) -> None:
    assert refusal(request(host="192.168.0.5:8765"), SHARED) is None
    assert refusal(request(host=host), SHARED) == 421


def test_browsers_leave_out_port_80() -> None:
    assert refusal(request(host="192.168.0.5"), Address("192.168.0.5", 80, "/hard-to-guess/")) is None
    assert refusal(request(host="192.168.0.5"), SHARED) == 421


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("/hard-to-guess/", ""),
        ("/hard-to-guess/?overlay", ""),
        ("/hard-to-guess/page.js", "page.js"),
        ("/hard-to-guess/events?after=a-7", "events"),
        ("/", None),
        ("/page.js", None),
        ("/events", None),
        ("/hard-to-guess", None),
        ("/hard-to-gues/", None),
        ("/hard-to-guesses/", None),
        ("/HARD-TO-GUESS/", None),
        ("/hard-to-guess/../hard-to-guess/", None),
        ("/hard-to-guess//page.js", None),
        ("/hard-to-guess/page.html", None),
        ("/hard-to-guess/%70age.js", None),
        ("/hard-to-guess/../web.py", None),
        ("http://192.168.0.5:8765/hard-to-guess/", None),
    ],
)
def test_nothing_is_served_beside_the_pages_own_files(target: str, name: str | None) -> None:
    assert SHARED.name_of(target.encode()) == name


def test_each_start_has_a_path_of_at_least_128_random_bits() -> None:
    paths = {random_path() for _ in range(100)}
    assert len(paths) == 100
    assert all(len(path) * 6 >= 128 for path in paths)  # base64: 6 bits a character


def test_a_reader_says_which_line_it_has_by_query_or_header() -> None:
    assert after_of(request(target="/events?after=ab-7")) == "ab-7"
    assert after_of(request(Last_Event_ID="ab-8")) == "ab-8"
    assert after_of(request()) == ""


@pytest.mark.parametrize(
    ("wanted", "host"), [("192.168.0.5", "192.168.0.5"), ("fd00::2", "fd00::2"), ("203.0.113.9", "203.0.113.9")]
)
def test_the_address_to_share_at_can_be_named(wanted: str, host: str) -> None:
    assert shared_host(wanted) == host


def test_an_ipv6_address_stands_in_brackets() -> None:
    address = Address("fd00::2", 8765, "/x/")
    assert address.url == "http://[fd00::2]:8765/x/"
    assert refusal(request(host="[fd00::2]:8765"), address) is None


@pytest.mark.parametrize("wanted", ["0.0.0.0", "::", "127.0.0.1", "my-laptop.local", ""])
def test_a_page_is_never_shared_at_every_address_or_at_a_name(wanted: str) -> None:
    with pytest.raises(OutputError, match="address"):
        shared_host(wanted)


@pytest.mark.parametrize(
    ("found", "host"), [(["192.168.0.5"], "192.168.0.5"), (["8.8.8.8", "10.0.0.7"], "10.0.0.7"), (["8.8.8.8"], None)]
)
def test_a_public_address_is_shared_at_only_if_it_is_named(
    found: list[str], host: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voiceloop.captions.address._own_hosts", lambda: found)
    if host is not None:
        assert shared_host(None) == host
        return
    with pytest.raises(OutputError, match=r"no address on a local network .*8\.8\.8\.8"):
        shared_host(None)
    assert shared_host("8.8.8.8") == "8.8.8.8"
