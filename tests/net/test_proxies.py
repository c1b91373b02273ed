"""Which proxy leads to a server, by the environment."""

from __future__ import annotations

import pytest

from voiceloop.net.http import Http
from voiceloop.net.proxies import Proxies

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("exceptions", "host", "direct"),
    [
        ("", "far.example", False),
        ("*", "far.example", True),
        ("other,*", "far.example", True),
        ("far.example", "far.example", True),
        ("far.example", "a.far.example", True),
        ("far.example", "notfar.example", False),
        (".far.example", "a.far.example", True),
        (".far.example", "far.example", False),
        ("*.far.example", "a.far.example", True),
        ("FAR.example", "far.EXAMPLE", True),
        ("far.example:443", "far.example", True),
        ("far.example:8443", "far.example", False),
        ("[::1]", "::2", False),
        ("[::1]", "::1", True),
        ("[2001:db8::1]", "2001:db8::1", True),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("[2001:db8::1]:443", "2001:db8::1", True),
        ("[2001:db8::1]:80", "2001:db8::1", False),
        ("fe80::/10", "fe80::1", True),
        ("[fe80::]/10", "fe80::1", True),
        ("fe80::/10", "2001:db8::1", False),
        ("192.168.0.0/16", "192.168.7.8", True),
        ("192.168.0.0/16", "192.169.7.8", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1:443", "10.0.0.1", True),
        ("https://far.example", "far.example", True),
        ("http://far.example", "far.example", False),
        ("all://far.example", "far.example", True),
        ("fe80::/999,:,[,]:x,//,far.example:x, ,far.example", "far.example", True),
        ("", "localhost", True),
        ("", "127.0.0.1", True),
    ],
)
def test_what_no_proxy_excepts(exceptions: str, host: str, direct: bool) -> None:
    proxies = Proxies.of({"https": PROXY, "no": exceptions})
    assert proxies.address("https", host, None) == (None if direct else PROXY)


def test_each_scheme_has_its_proxy_and_all_is_for_the_rest() -> None:
    proxies = Proxies.of({"https": "one:1", "all": "socks5://two:2"})
    assert proxies.address("https", "a.example", 443) == "http://one:1"
    assert proxies.address("http", "a.example", 80) == "socks5://two:2"
    assert Proxies.of({}).address("https", "a.example", None) is None


async def test_no_entry_keeps_a_client_from_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", "[::1],fe80::/10,[fe80::]/10,::1,localhost,10.0.0.0/8,*.x,.y,a:b:c,]")
    await Http().aclose()


def test_a_port_of_thousands_of_digits_in_no_proxy_is_passed_over() -> None:
    proxies = Proxies.of({"https": "http://proxy:1", "no": f"example.org:{'9' * 5000}, [::1]:{'1' * 5000}"})
    assert proxies.address("https", "example.org", None) == "http://proxy:1"
